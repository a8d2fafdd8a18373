//! Policy: who may do what, in words, and the files that refuse more than that.

use super::shell::{Here, Shell, Visit};
use crate::{
    Bailiwick,
    api::ReadPolicy,
    page::{Page, html},
    reply::Refusal,
};
use askama::Template;
use authority::{ACTS, MachineMay, May, Role, Rule, SecondFactor};
use axum::{extract::State, http::StatusCode};
use std::sync::Arc;

#[derive(Template)]
#[template(path = "policy.html")]
struct Policy {
    shell: Shell,
    mine: Vec<&'static str>,
    lines: Vec<Line>,
    files: Vec<(String, String)>,
}

/// One act, and whether each column may.
struct Line {
    name: &'static str,
    says: &'static str,
    may: Vec<(&'static str, &'static str)>,
    fresh: bool,
}

/// Columns: everyone, app users, builders of the team, then the roles, then the local credential.
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
    let page = Policy {
        shell: visit.viewer.shell(Here::Policy),
        mine: ACTS.iter().filter(|rule| visit.viewer.may(rule, None)).map(|rule| rule.says).collect(),
        lines: people.map(line).collect(),
        files: server.policy_files.iter().map(|(name, text)| (name.clone(), text.clone())).collect(),
    };
    Ok(html(StatusCode::OK, &page))
}
