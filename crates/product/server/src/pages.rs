//! The console's pages: my apps, one app with its switch, the receipt.

use crate::{
    Bailiwick,
    api::OneApp,
    page::{Page, STYLE, Trouble, html, last_day},
    reply::Refusal,
    sign_in::signed_out,
    who::Asked,
};
use askama::Template;
use authority::{Cut, Role};
use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use catalog::{AppView, Receipt};
use model::{Env, PersonId, Problem, ProblemKind};
use std::sync::Arc;

/// Every page.
pub(crate) fn router() -> Router<Arc<Bailiwick>> {
    Router::new()
        .route("/", get(mine))
        .route("/style.css", get(style))
        .route("/apps/{name}", get(app))
        .route("/apps/{name}/revoke", post(revoke))
        .fallback(nothing)
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
