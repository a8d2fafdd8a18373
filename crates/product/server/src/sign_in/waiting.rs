//! A form that was held up goes over the way to the provider: it waits here, is shown to its person when they are back
//! with a fresh second factor, and goes on when they say so, once.
//!
//! Refuses to show or send it to anybody else. Nothing is done by coming back alone: another site can send a browser
//! here, and only our own page can send what waits.

use super::{
    browser::{local, off_from_a_form},
    carried::{ASKED_AGAIN, CARRIED_MAX_BYTES, fields},
    to_app::{is_fresh, signed_out},
};
use crate::{
    Bailiwick,
    page::{Page, Trouble, html},
    pages::Read,
    who::Asked,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect},
};
use identity::{Bound, Fresh, KeptForm, Wanted};
use model::{Problem, ProblemKind};
use seal::Token;
use serde::Deserialize;
use std::sync::Arc;

/// What our own page says of the form beside its fields.
#[derive(Debug, Deserialize)]
pub(super) struct HeldUp {
    then: String,
    #[serde(default)]
    back: String,
    #[serde(default)]
    does: String,
    /// Names of secret fields, with commas between them.
    #[serde(default)]
    again: String,
}

#[derive(Template)]
#[template(path = "sign_in/waiting.html")]
struct WaitingPage {
    email: String,
    id: String,
    form: KeptForm,
}

/// Off to the provider, and the form waits.
pub(super) async fn begin(
    State(server): State<Arc<Bailiwick>>,
    Read(held): Read<HeldUp>,
    headers: HeaderMap,
    asked: Asked,
) -> Page {
    let Some(session) = &asked.session else { return Ok(signed_out(None)) };
    if asked.body.len() > CARRIED_MAX_BYTES {
        return Err(Trouble(too_large()));
    }
    let again = held.again.split(',').filter(|name| ASKED_AGAIN.contains(name)).map(str::to_owned).collect();
    let (fields, _secret) = fields(&asked.body);
    let form = KeptForm {
        then: local(&held.then).to_owned(),
        back: local(&held.back).to_owned(),
        does: held.does,
        fields,
        again,
    };
    let tie = server.begun_in(&headers).unwrap_or_else(|| Token::generate().expose().to_owned());
    let id = server.identity.keep_form(session, Bound::Browser(&tie), &form).await?;
    let to = format!("/sign-in/waiting/{id}");
    let wanted = Wanted { to: &to, fresh: Fresh::Yes, connect: None };
    let mut response = off_from_a_form(&server.identity.begin_at_provider(&tie, wanted).await?);
    // Anew, so that it lasts as long as the form waits.
    server.tie(&mut response, &tie);
    Ok(response)
}

/// Back from the provider: what waits is shown. Looking sends nothing.
pub(super) async fn page(
    State(server): State<Arc<Bailiwick>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    asked: Asked,
) -> Page {
    let Some(session) = &asked.session else { return Ok(signed_out(None)) };
    let browser = server.begun_in(&headers).unwrap_or_default();
    let form = server.identity.kept_form(&id, session, Bound::Browser(&browser)).await?;
    if !is_fresh(session, server.clock.now()) {
        return Err(Trouble(waits()));
    }
    let email = server.identity.person(&session.person).map(|person| person.email.clone()).unwrap_or_default();
    Ok(html(StatusCode::OK, &WaitingPage { email, id, form }))
}

/// It goes on: what the page sent is sent to where it was to go, which asks who may as it always does.
pub(super) async fn go_on(
    State(server): State<Arc<Bailiwick>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    asked: Asked,
) -> Page {
    let Some(session) = &asked.session else { return Ok(signed_out(None)) };
    let browser = server.begun_in(&headers).unwrap_or_default();
    let form = server.identity.take_form(&id, session, Bound::Browser(&browser)).await?;
    Ok(Redirect::temporary(local(&form.then)).into_response())
}

fn waits() -> Problem {
    Problem::new(
        ProblemKind::Denied,
        "second_factor.needed",
        "what you sent waits for a second factor",
        "it goes on with one that is not older than ten minutes; nothing was done yet",
        "confirm with your passkey, or sign in again by single sign-on",
    )
}

fn too_large() -> Problem {
    Problem::new(
        ProblemKind::TooLarge,
        "form.too_large",
        "this is too large to wait here",
        "a form that waits while its person signs in again may have 64 KiB",
        "sign in again first, then send it",
    )
}
