//! Policy: who may do what, in words, the files that refuse more than that, and what they let pass for now.

use super::{
    shell::{Here, Shell, Visit},
    waivers::{self, Waiver},
};
use crate::{
    Bailiwick,
    api::ReadPolicy,
    page::{Page, html},
    reply::Refusal,
};
use askama::Template;
use authority::{ACTS, MachineMay, May, Role, Rule, SecondFactor, rules};
use axum::{extract::State, http::StatusCode};
use catalog::ListWaivers;
use std::sync::Arc;

/// Of the waivers, so many stand on the page: those that end first.
const WAIVED: usize = 100;

#[derive(Template)]
#[template(path = "policy.html")]
struct Policy {
    shell: Shell,
    mine: Vec<&'static str>,
    lines: Vec<Line>,
    /// By app; `None` for who may not see them.
    waived: Option<Vec<(String, Waiver)>>,
    /// How many more there are.
    further: usize,
    files: Vec<(String, String)>,
}

/// One act, and whether each column may.
struct Line {
    name: &'static str,
    says: &'static str,
    may: Vec<(&'static str, &'static str)>,
    fresh: bool,
}

/// Columns: app users, builders of the team, then the roles, then the local credential.
fn columns(rule: &Rule) -> Vec<(&'static str, &'static str)> {
    let has = |role: Role| rule.people.contains(&May::Has(role)) || rule.people.contains(&May::Everyone);
    let yes = |may: bool| if may { "yes" } else { "" };
    let team = has(Role::Builder) || rule.people.contains(&May::BuilderInTeam);
    let user = rule.people.contains(&May::AppUser) || rule.people.contains(&May::Everyone);
    let machine = match rule.machine {
        MachineMay::Yes => "yes",
        MachineMay::BreakGlass => "exception",
        MachineMay::No => "",
    };
    vec![
        ("App user", yes(user)),
        ("Builder", yes(team)),
        ("Reviewer", yes(has(Role::Reviewer))),
        ("Operator", yes(has(Role::Operator))),
        ("Auditor", yes(has(Role::Auditor))),
        ("machine", machine),
    ]
}

pub(super) async fn show(State(server): State<Arc<Bailiwick>>, visit: Visit) -> Page {
    let permit = server.allowed(&visit.asked, ReadPolicy { tenant: server.tenant.clone() }).await?;
    let read = server.store.access(permit, store::Outcome::Allowed, serde_json::Value::Null);
    read.map_err(|error| Refusal(error.problem()))?;
    let people = ACTS.iter().filter(|rule| !rule.people.is_empty() || rule.machine != MachineMay::No);
    let line = |rule: &&'static Rule| Line {
        name: rule.name,
        says: rule.says,
        may: columns(rule),
        fresh: rule.second_factor == SecondFactor::Fresh,
    };
    let waived = if visit.viewer.may(&rules::WAIVER_LIST, None) {
        let permit = server.allowed(&visit.asked, ListWaivers { tenant: server.tenant.clone() }).await?;
        Some(waivers::active(&server, permit, WAIVED).await?)
    } else {
        None
    };
    let (waived, further) = waived.map_or((None, 0), |(waived, further)| (Some(waived), further));
    let page = Policy {
        waived,
        further,
        shell: visit.viewer.shell(Here::Policy),
        mine: ACTS.iter().filter(|rule| visit.viewer.may(rule, None)).map(|rule| rule.says).collect(),
        lines: people.map(line).collect(),
        files: server.policy_files.iter().map(|(name, text)| (name.clone(), text.clone())).collect(),
    };
    Ok(html(StatusCode::OK, &page))
}
