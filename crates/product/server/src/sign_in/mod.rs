//! Signing in and out: by a one-time link, and on to an app with a code.

use crate::{
    Bailiwick,
    page::{Page, Trouble, html},
    who::Asked,
};
use askama::Template;
use authority::AppRef;
use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use identity::{EndSession, SignIn, SpendLink};
use model::{Env, Problem, ProblemKind};
use seal::TokenHash;
use serde::Deserialize;
use std::sync::Arc;

/// The pages of signing in.
pub(crate) fn router() -> Router<Arc<Bailiwick>> {
    Router::new()
        .route("/welcome/{token}", get(welcome).post(spend))
        .route("/sign-in/app", get(sign_in_to_app))
        .route("/sign-out", post(sign_out))
}

#[derive(Template)]
#[template(path = "sign_in/welcome.html")]
struct Welcome {
    email: String,
    token: String,
}

#[derive(Template)]
#[template(path = "sign_in/signed_out.html")]
struct SignedOut {
    app: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ToApp {
    app: String,
    env: Option<Env>,
    bind: String,
    to: Option<String>,
}

pub(crate) fn signed_out(app: Option<String>) -> Response {
    html(StatusCode::UNAUTHORIZED, &SignedOut { app })
}

/// Who you would become: looked at, not spent.
async fn welcome(State(server): State<Arc<Bailiwick>>, Path(token): Path<String>, _asked: Asked) -> Page {
    let link = server.identity.link(&token).await?;
    Ok(html(StatusCode::OK, &Welcome { email: link.email, token }))
}

/// Spends the link: a new session, whatever session was there before.
async fn spend(State(server): State<Arc<Bailiwick>>, Path(token): Path<String>, asked: Asked) -> Page {
    let link = server.identity.link(&token).await?;
    let caller = authority::Caller { who: authority::Who::Stranger, ..asked.caller.clone() };
    let spent = server
        .store
        .again(|| async {
            let act = SpendLink { tenant: server.tenant.clone(), link: link.id.clone() };
            let permit = server.permit(&caller, act).await?;
            server.identity.spend(permit, link.clone(), asked.device()).await
        })
        .await?;
    let mut response = Redirect::to("/").into_response();
    let secure = if server.config.scheme() == gateway::Scheme::Https { "; Secure" } else { "" };
    let cookie =
        format!("{}={}; Path=/; HttpOnly; SameSite=Lax{secure}", server.cookie_name(), spent.session.token.expose());
    set_cookie(&mut response, &cookie);
    Ok(response)
}

fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// From an app that has no session: on with a code, if the person is signed in here and may use it.
async fn sign_in_to_app(State(server): State<Arc<Bailiwick>>, Query(to): Query<ToApp>, asked: Asked) -> Page {
    let Some(session) = &asked.session else { return Ok(signed_out(Some(to.app))) };
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

fn bad_binding() -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "sign_in.binding",
        "this sign-in did not begin at the app",
        "the app's address sets a mark in the browser first, and it is missing here",
        "open the app's own link",
    )
}

async fn sign_out(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Page {
    if let Some(session) = &asked.session {
        server
            .store
            .again(|| async {
                let act = EndSession { tenant: server.tenant.clone(), session: session.id.clone() };
                let permit = server.permit(&asked.caller, act).await?;
                server.identity.end_session(permit).await
            })
            .await?;
    }
    let mut response = signed_out(None);
    *response.status_mut() = StatusCode::OK;
    set_cookie(&mut response, &format!("{}=; Path=/; Max-Age=0", server.cookie_name()));
    Ok(response)
}
