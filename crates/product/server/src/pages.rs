//! The console's pages: sign in by a link, go on to an app, my apps, one app with its switch, the receipt.

use crate::{
    Bailiwick,
    api::OneApp,
    page::{Page, STYLE, Trouble, html, last_day},
    reply::Refusal,
    who::Asked,
};
use askama::Template;
use authority::{AppRef, Cut, Role};
use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use catalog::{AppView, Receipt};
use identity::{EndSession, SignIn, SpendLink};
use model::{Env, PersonId, Problem, ProblemKind};
use seal::TokenHash;
use serde::Deserialize;
use std::sync::Arc;

/// Every page.
pub(crate) fn router() -> Router<Arc<Bailiwick>> {
    Router::new()
        .route("/", get(mine))
        .route("/style.css", get(style))
        .route("/welcome/{token}", get(welcome).post(spend))
        .route("/sign-in/app", get(sign_in_to_app))
        .route("/sign-out", post(sign_out))
        .route("/apps/{name}", get(app))
        .route("/apps/{name}/revoke", post(revoke))
        .fallback(nothing)
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct Welcome {
    email: String,
    token: String,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOut {
    app: Option<String>,
}

#[derive(Template)]
#[template(path = "apps.html")]
struct Mine {
    email: String,
    apps: Vec<Card>,
}

struct Card {
    name: String,
    url: String,
    purpose: String,
    team: String,
    state: &'static str,
    until: String,
    manage: bool,
}

#[derive(Template)]
#[template(path = "app.html")]
struct AppPage {
    email: String,
    name: String,
    state: &'static str,
    purpose: String,
    team: String,
    url: String,
    until: String,
    may: Vec<String>,
    held: Vec<HeldLine>,
    command: String,
}

struct HeldLine {
    surface: String,
    item: String,
    used: String,
}

#[derive(Template)]
#[template(path = "receipt.html")]
struct ReceiptPage {
    email: String,
    name: String,
    took_ms: u128,
    recorded: bool,
    event: String,
    lines: Vec<CutLine>,
    command: String,
}

struct CutLine {
    surface: String,
    item: String,
    state: &'static str,
    after: String,
    how: String,
}

#[derive(Debug, Deserialize)]
struct ToApp {
    app: String,
    env: Option<Env>,
    bind: String,
    to: Option<String>,
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")], STYLE).into_response()
}

async fn nothing(uri: Uri) -> Response {
    let problem = Problem::new(
        ProblemKind::NotFound,
        "page.unknown",
        "there is no such page",
        "the address is misspelt, or what was here is gone",
        "go to your apps",
    );
    // Programs get what programs read.
    if uri.path().starts_with("/api/") { Refusal(problem).into_response() } else { Trouble(problem).into_response() }
}

impl Bailiwick {
    fn person(&self, asked: &Asked) -> Option<(PersonId, String)> {
        let session = asked.session.as_ref()?;
        let person = self.identity.person(&session.person)?;
        Some((person.id.clone(), person.email.clone()))
    }

    /// Builders of its team, reviewers and operators may look at an app and switch it off.
    fn may_manage(&self, person: &PersonId, app: &AppView) -> bool {
        let facts = self.authority.facts(&self.tenant);
        let Some(person) = facts.people.get(person) else { return false };
        person.has(Role::Operator)
            || person.has(Role::Reviewer)
            || (person.has(Role::Builder) && person.is_in(&app.team))
    }

    fn may_use(&self, person: &PersonId, app: &AppView) -> bool {
        let facts = self.authority.facts(&self.tenant);
        let access = facts.apps.get(&(app.app_id.clone(), Env::Prod)).map(|app| Arc::clone(&app.access));
        let (Some(person), Some(access)) = (facts.people.get(person), access) else { return false };
        access.everyone || access.groups.iter().any(|group| person.is_in(group))
    }
}

fn signed_out(app: Option<String>) -> Response {
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
        let act = EndSession { tenant: server.tenant.clone(), session: session.id.clone() };
        let permit = server.allowed(&asked, act).await?;
        server.identity.end_session(permit).await;
    }
    let mut response = signed_out(None);
    *response.status_mut() = StatusCode::OK;
    set_cookie(&mut response, &format!("{}=; Path=/; Max-Age=0", server.cookie_name()));
    Ok(response)
}

async fn mine(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Page {
    let Some((person, email)) = server.person(&asked) else { return Ok(signed_out(None)) };
    let mut cards = Vec::new();
    for app in server.apps(&asked).await? {
        let manage = server.may_manage(&person, &app);
        if manage || server.may_use(&person, &app) {
            cards.push(card(&app, manage));
        }
    }
    Ok(html(StatusCode::OK, &Mine { email, apps: cards }))
}

fn word(app: &AppView) -> &'static str {
    use authority::AppState::{Expired, Live, Retired, Revoked, Waiting};
    match app.environments.iter().rev().map(|env| env.state).next() {
        Some(Live) => "live",
        Some(Expired) => "expired",
        Some(Revoked) => "revoked",
        Some(Retired) => "retired",
        Some(Waiting) | None => "waiting",
    }
}

fn card(app: &AppView, manage: bool) -> Card {
    let env = app.environments.last();
    Card {
        name: app.app.clone(),
        url: env.map(|env| env.url.clone()).unwrap_or_default(),
        purpose: app.purpose.clone().unwrap_or_else(|| "Waits for a person's yes".to_owned()),
        team: app.team.to_string(),
        state: word(app),
        until: env.map(|env| last_day(env.expires_at)).unwrap_or_default(),
        manage,
    }
}

async fn app(State(server): State<Arc<Bailiwick>>, Path(name): Path<String>, asked: Asked) -> Page {
    let Some((_, email)) = server.person(&asked) else { return Ok(signed_out(None)) };
    let OneApp { app, may, held, used, .. } = server.app(&asked, &name).await?;
    let count = |item: &str| {
        used.iter()
            .find(|used| used.item == item)
            .map_or_else(|| "not yet".to_owned(), |used| format!("{} times", used.count))
    };
    let held = held.iter().map(|line| HeldLine {
        surface: line.surface.to_string(),
        used: count(&line.item),
        item: line.item.clone(),
    });
    let Card { url, purpose, team, state, until, .. } = card(&app, true);
    let page = AppPage {
        email,
        state,
        purpose,
        team,
        url,
        until,
        may: may.into_iter().map(|line| line.sentence).collect(),
        held: held.collect(),
        command: format!("bailiwick app {name}"),
        name,
    };
    Ok(html(StatusCode::OK, &page))
}

async fn revoke(State(server): State<Arc<Bailiwick>>, Path(name): Path<String>, asked: Asked) -> Page {
    let Some((_, email)) = server.person(&asked) else { return Ok(signed_out(None)) };
    let why = asked.field("why");
    let receipt = server.switch_off(&asked, &name, &why).await?;
    Ok(html(StatusCode::OK, &receipt_page(email, receipt)))
}

fn receipt_page(email: String, receipt: Receipt) -> ReceiptPage {
    let asked = receipt.asked_at;
    let line = |cut: &Cut| CutLine {
        surface: cut.surface.to_string(),
        item: cut.item.clone(),
        state: match cut.state {
            authority::CutState::Dead => "dead",
            authority::CutState::Expiring => "expiring",
            authority::CutState::Failed => "failed",
        },
        after: cut.dead_at.map_or_else(|| "not yet".to_owned(), |at| format!("{} ms", at.since(asked).as_millis())),
        how: cut.how.clone(),
    };
    ReceiptPage {
        email,
        took_ms: receipt.done_at.since(asked).as_millis(),
        recorded: receipt.recorded,
        event: receipt.event.to_string(),
        lines: receipt.surfaces.iter().map(line).collect(),
        command: format!("bailiwick revoke {} --why \"…\"", receipt.app),
        name: receipt.app,
    }
}
