//! Logins of command lines: the person sees the code that the terminal shows, and confirms; the terminal then takes a
//! session of its own.

use super::to_app::signed_out;
use crate::{
    Bailiwick,
    page::{Page, html},
    pages::Read,
    reply::{Refusal, Reply, with},
    who::Asked,
};
use askama::Template;
use authority::{Act, Factor, Target};
use axum::{extract::State, http::StatusCode};
use identity::{ConfirmLogin, ConfirmWeakLogin, Method, TakeLogin, login_code};
use seal::TokenHash;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "sign_in/login.html")]
struct LoginPage {
    email: String,
    code: String,
    login: String,
    /// Without a second factor of its own.
    weak: bool,
    done: bool,
}

/// Without it there is no login, and the page says so.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    to: String,
}

#[derive(Deserialize)]
struct Secret {
    secret: String,
}

/// What a command line begins with: the hash of its secret alone.
#[derive(Deserialize)]
struct Begins {
    login: TokenHash,
}

impl Bailiwick {
    fn login_page(&self, asked: &Asked, login: &TokenHash, to: String, done: bool) -> LoginPage {
        let person = asked.session.as_ref().and_then(|session| self.identity.person(&session.person));
        LoginPage {
            email: person.map(|person| person.email.clone()).unwrap_or_default(),
            code: login_code(login),
            login: to,
            weak: asked.session.as_ref().is_some_and(|session| session.factor == Factor::Link),
            done,
        }
    }
}

/// A command line begins: it learns the address to show, which is good for ten minutes. Nothing is kept.
pub(super) async fn begin(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let Begins { login } = asked.json()?;
    let begun = server.identity.begin_login(&login);
    let address = format!("{}/login?to={}", server.config.public_url, begun.to);
    with(StatusCode::OK, json!({ "address": address, "code": login_code(&login), "expires_at": begun.expires_at }))
}

/// Shows the code. Looking confirms nothing.
pub(super) async fn page(State(server): State<Arc<Bailiwick>>, Read(which): Read<Which>, asked: Asked) -> Page {
    if asked.session.is_none() {
        return Ok(signed_out(None));
    }
    let login = server.identity.login_of(&which.to)?;
    Ok(html(StatusCode::OK, &server.login_page(&asked, &login, which.to, false)))
}

/// Confirms: the terminal that shows the same code becomes signed in. With a fresh second factor, or as somebody who
/// has none.
pub(super) async fn confirm(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Page {
    let Some(session) = &asked.session else { return Ok(signed_out(None)) };
    let to = asked.field("login");
    let login = server.identity.login_of(&to)?;
    let (tenant, weak) = (server.tenant.clone(), server.identity.confirms_weakly(session).await?);
    server
        .store
        .again(|| async {
            if weak {
                let act = ConfirmWeakLogin { tenant: tenant.clone(), secret: login };
                let permit = server.permit(&asked.caller, act).await?;
                server.identity.confirm_login(permit, &login, session).await
            } else {
                let act = ConfirmLogin { tenant: tenant.clone(), secret: login };
                let permit = server.permit(&asked.caller, act).await?;
                server.identity.confirm_login(permit, &login, session).await
            }
        })
        .await?;
    Ok(html(StatusCode::OK, &server.login_page(&asked, &login, to, true)))
}

/// The terminal asks until its login was confirmed: 202 while it was not.
pub(super) async fn take(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let Secret { secret } = asked.json()?;
    let login = TokenHash::of(&secret);
    if !server.identity.login_waits(&login).await? {
        let target = Target::new(server.tenant.clone(), "login/waiting");
        let stranger = super::links::as_stranger(&asked);
        server.store.count_sign_in(&stranger, TakeLogin::RULE.name, &target, Method::Login.as_str());
        return with(StatusCode::ACCEPTED, json!({ "waiting": true, "code": login_code(&login) }));
    }
    let caller = super::links::as_stranger(&asked);
    let new = server
        .store
        .again(|| async {
            let act = TakeLogin { tenant: server.tenant.clone(), secret: login };
            let permit = server.permit(&caller, act).await?;
            server.identity.take_login(permit, asked.device()).await
        })
        .await
        .map_err(|error: identity::Error| Refusal::from(error))?;
    let person = server.identity.person(&new.session.person);
    with(
        StatusCode::OK,
        json!({
            "waiting": false,
            "token": new.token.expose(),
            "session": new.session.id,
            "person": person.map(|person| person.email.clone()),
            "expires_at": new.session.expires_at,
        }),
    )
}
