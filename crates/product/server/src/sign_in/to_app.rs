//! The sign-in page, and from there on to an app with a code.

use super::{
    browser::{go_on, local},
    carried::At,
};
use crate::{
    Bailiwick,
    page::{Page, Trouble, scripted},
    pages::Read,
    who::Asked,
};
use askama::Template;
use authority::{AppRef, Factor, SECOND_FACTOR_FRESH};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use identity::{Begun, Links, Session, SignIn};
use model::{Env, Problem, ProblemKind, Timestamp};
use seal::{Token, TokenHash};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "sign_in/signed_out.html")]
struct SignedOut<'a> {
    app: Option<&'a str>,
    to: &'a str,
    passkey: Option<Begun>,
    provider: Option<String>,
    links: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct ToApp {
    app: String,
    env: Option<Env>,
    bind: String,
    to: Option<String>,
    factor: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Onward {
    to: Option<String>,
}

/// Says that nobody is signed in. The page itself is made on the way out, where the browser and the address that it
/// wanted are known.
#[derive(Debug, Clone)]
pub(super) struct NobodyHere {
    app: Option<String>,
}

pub(crate) fn signed_out(app: Option<String>) -> Response {
    let mut response = StatusCode::UNAUTHORIZED.into_response();
    response.extensions_mut().insert(NobodyHere { app });
    response
}

impl Bailiwick {
    /// The page for somebody who is not signed in: every way that is open, and where they wanted to go.
    pub(super) fn sign_in_page(&self, nobody: &NobodyHere, plain: Response, at: &At) -> Response {
        let tie = at.browser.clone().unwrap_or_else(|| Token::generate().expose().to_owned());
        let passkey = self.identity.passkeys_work().then(|| self.identity.begin_sign_in(&tie).ok()).flatten();
        let here = at.path.split('?').next() == Some("/sign-in");
        let to = if at.is_get && !here { local(&at.path) } else { "/" };
        let page = SignedOut {
            // In any address; what cannot be a name is somebody's words under our own.
            app: nobody.app.as_deref().filter(|name| could_be_app(name)),
            to: at.to.as_deref().map_or(to, local),
            passkey,
            provider: self.identity.provider_host(),
            links: self.identity.links() == Links::On,
        };
        let mut response = scripted(plain.status(), &page);
        // What the handler said besides, such as that a cookie is over.
        for cookie in plain.headers().get_all(axum::http::header::SET_COOKIE) {
            response.headers_mut().append(axum::http::header::SET_COOKIE, cookie.clone());
        }
        if at.browser.is_none() {
            self.tie(&mut response, &tie);
        }
        response
    }
}

/// The sign-in page by its own address.
pub(super) async fn sign_in(State(_server): State<Arc<Bailiwick>>, Read(on): Read<Onward>, asked: Asked) -> Page {
    if asked.session.is_some() {
        return Ok(go_on(on.to.as_deref().unwrap_or("/")));
    }
    let mut response = signed_out(None);
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}

/// From an app that has no session: on with a code, if the person is signed in here and may use it. Where the app
/// asks for a second factor, first that.
pub(super) async fn sign_in_to_app(State(server): State<Arc<Bailiwick>>, Read(to): Read<ToApp>, asked: Asked) -> Page {
    let Some(session) = &asked.session else { return Ok(signed_out(Some(to.app))) };
    // An app's page that asks for a second factor gets no older one than an act does.
    if to.factor.is_some() && !is_fresh(session, server.clock.now()) {
        return Err(Trouble(second_factor(&to.app)));
    }
    let (id, _) = server.catalog.find(&to.app)?;
    let app = AppRef { id, env: to.env.unwrap_or(Env::Prod) };
    let binding: TokenHash = to.bind.parse().map_err(|_| Trouble(bad_binding()))?;
    let return_to = to.to.as_deref().unwrap_or("/");
    let code = server
        .store
        .again(|| async {
            let act = SignIn { tenant: server.tenant.clone(), app: app.clone() };
            let permit = server.permit(&asked.caller, act).await?;
            server.identity.code(permit, session, &binding, return_to).await
        })
        .await?;
    let address = format!("{}/.bailiwick/signed-in?code={}", server.catalog.url(&to.app, app.env), code.value.expose());
    Ok(Redirect::to(&address).into_response())
}

/// Whether a session's second factor counts for acts.
pub(super) fn is_fresh(session: &Session, now: Timestamp) -> bool {
    match session.factor {
        Factor::Second { at } => now.is_within(SECOND_FACTOR_FRESH, at),
        Factor::Link => false,
    }
}

/// Of an app's name, and of its environment's mark.
const NAME_MAX: usize = 64;

pub(super) fn could_be_app(name: &str) -> bool {
    name.len() <= NAME_MAX && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
}

fn second_factor(app: &str) -> Problem {
    Problem::new(
        ProblemKind::Denied,
        "second_factor.needed",
        format!("this part of `{app}` needs a second factor"),
        "the app asks for it on the page that you want to open",
        "confirm with your passkey, or sign in again by single sign-on",
    )
}

fn bad_binding() -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "sign_in.binding",
        "this sign-in did not begin at the app",
        "the app's address sets a mark in the browser first, and it is missing here",
        "open the app's own link",
    )
}
