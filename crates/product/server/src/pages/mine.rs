//! My apps: what the signed-in person may open, and what their teams answer for.

use super::{
    parts::{Pager, counted, query},
    shell::{Here, Read, Shell, Viewer, Visit},
    word,
};
use crate::{
    Bailiwick,
    page::{Page, html, last_day},
};
use askama::Template;
use authority::rules;
use axum::{extract::State, http::StatusCode};
use catalog::AppView;
use serde::Deserialize;
use std::sync::Arc;

/// Below this, a list is seen at a glance and needs no search.
const FEW: usize = 12;
const PAGE: usize = 60;

#[derive(Debug, Deserialize)]
pub(super) struct Find {
    #[serde(default)]
    q: String,
    page: Option<usize>,
}

#[derive(Template)]
#[template(path = "mine.html")]
struct Mine {
    shell: Shell,
    q: String,
    lead: String,
    total: usize,
    few: usize,
    may_make: bool,
    cards: Vec<Card>,
    pager: Pager,
}

struct Card {
    name: String,
    url: String,
    says: String,
    team: String,
    state: &'static str,
    until: String,
    usable: bool,
    /// It serves, and others: whom.
    closed: Option<String>,
    manage: bool,
}

pub(super) async fn mine(State(server): State<Arc<Bailiwick>>, Read(find): Read<Find>, visit: Visit) -> Page {
    let Visit { viewer, asked } = visit;
    let mut cards: Vec<Card> =
        server.apps(&asked).await?.into_iter().filter_map(|app| card(&server, &viewer, app)).collect();
    let total = cards.len();
    let lead = lead(&cards);
    let q = find.q.trim().to_lowercase();
    cards.retain(|card| {
        q.is_empty() || [&card.name, &card.says, &card.team].iter().any(|text| text.to_lowercase().contains(&q))
    });
    cards.sort_by(|one, other| {
        let first = |card: &Card| (card.state != "live", card.closed.is_some());
        first(one).cmp(&first(other)).then_with(|| one.name.cmp(&other.name))
    });
    let page = find.page.unwrap_or(1).clamp(1, 1 + cards.len().saturating_sub(1) / PAGE);
    let pager = if cards.len() > PAGE {
        Pager::of(cards.len(), page, PAGE, |page| {
            format!("/?{}", query(&[("q", &find.q), ("page", &page.to_string())]))
        })
    } else {
        Pager::default()
    };
    let cards = cards.into_iter().skip((page - 1) * PAGE).take(PAGE).collect();
    let may_make = viewer.may(&rules::APP_DEPLOY, None);
    let shell = viewer.shell(Here::Mine);
    Ok(html(StatusCode::OK, &Mine { shell, q: find.q, lead, total, few: FEW, may_make, cards, pager }))
}

/// How many open, how many of one's teams are for others, and how many do not serve.
fn lead(cards: &[Card]) -> String {
    let open = cards.iter().filter(|card| card.state == "live" && card.usable).count();
    let closed = cards.iter().filter(|card| card.closed.is_some()).count();
    let others = match closed {
        0 => String::new(),
        1 => " One more is closed to you.".to_owned(),
        closed => format!(" {closed} more are closed to you."),
    };
    let rest = match cards.len() - open - closed {
        0 => String::new(),
        1 => " One more does not serve now.".to_owned(),
        rest => format!(" {rest} more do not serve now."),
    };
    match open {
        0 => format!("Nothing opens for you now.{others}{rest}"),
        open => format!("{}, signed in already. Open one.{others}{rest}", counted(open as u64, "app")),
    }
}

/// Apps of others that one may only look at stand under *All apps*.
fn card(server: &Bailiwick, viewer: &Viewer, app: AppView) -> Option<Card> {
    let state = word(&app);
    let usable = server.may_use(viewer, &app.app_id);
    let ours = viewer.facts.is_in(&app.team);
    if state == "retired" || (!ours && !usable) {
        return None;
    }
    let env = app.environments.last();
    let purpose = app.purpose.unwrap_or_default();
    let says = match state {
        "live" => purpose,
        "revoked" => "Switched off. Its team or an operator knows why.".to_owned(),
        "expired" => "Past its date. Its team can deploy it again with a later one.".to_owned(),
        "waiting" => "Waits for a person's yes.".to_owned(),
        "rejected" => "Sent back, with words for you. Mend it, and deploy it again.".to_owned(),
        _ => "Nothing of it was live yet, and nothing waits. Deploy it again to ask for a yes.".to_owned(),
    };
    let closed = (state == "live" && !usable).then(|| match server.whom_it_is_for(&app.app_id).as_str() {
        "" => "Closed to you.".to_owned(),
        whom => format!("Closed to you: it is for {whom}."),
    });
    Some(Card {
        closed,
        url: env.map(|env| env.url.clone()).unwrap_or_default(),
        until: env.map(|env| last_day(env.expires_at)).unwrap_or_default(),
        team: app.team.to_string(),
        manage: viewer.may(&rules::APP_SEE, Some(&app.team)),
        name: app.app,
        says,
        state,
        usable,
    })
}
