//! The page of roles: ask for one until a day; and, for operators, what waits, and who holds which.

use super::to_app::signed_out;
use crate::{
    Bailiwick,
    page::{Page, html, last_day},
    pages::{Here, Read, Shell},
    who::Asked,
};
use askama::Template;
use authority::Role;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use identity::{ListPeople, RoleRequest};
use model::RequestId;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "sign_in/roles.html")]
struct Roles {
    shell: Shell,
    /// What was just done.
    said: Option<After>,
    own: Vec<Line>,
    waiting: Option<Vec<Line>>,
    held: Vec<HeldLine>,
}

struct Line {
    id: String,
    who: String,
    role: String,
    until: String,
    why: String,
    state: String,
    own: bool,
}

struct HeldLine {
    role: String,
    who: String,
    by: String,
    until: String,
}

/// What is said of it.
struct After {
    what: &'static str,
    next: &'static str,
}

/// What was done on the way to this page.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Did {
    Ask,
    Grant,
    Refuse,
}

#[derive(Debug, Deserialize)]
pub(super) struct On {
    did: Option<Did>,
}

impl Did {
    const fn said(self) -> After {
        match self {
            Self::Ask => {
                After { what: "Asked.", next: "Operators are told; the answer stands below, and you are told of it." }
            }
            Self::Grant => {
                After { what: "Given, from now on.", next: "It ends by itself on its day. Whoever asked is told." }
            }
            Self::Refuse => After { what: "Refused.", next: "Nothing changed, and whoever asked is told." },
        }
    }

    fn shown(self) -> Response {
        let word = match self {
            Self::Ask => "ask",
            Self::Grant => "grant",
            Self::Refuse => "refuse",
        };
        Redirect::to(&format!("/roles?did={word}")).into_response()
    }
}

impl Bailiwick {
    fn role_line(&self, request: RoleRequest, own: &model::PersonId) -> Line {
        Line {
            who: self.called(&format!("person:{}", request.person)),
            role: request.role.to_string(),
            until: last_day(request.until),
            why: request.why,
            own: request.person == *own,
            state: request.state,
            id: request.id.to_string(),
        }
    }
}

pub(super) async fn page(State(server): State<Arc<Bailiwick>>, Read(on): Read<On>, asked: Asked) -> Page {
    let Some(session) = asked.session.clone() else { return Ok(signed_out(None)) };
    let Some(viewer) = server.viewer(&asked).await else { return Ok(signed_out(None)) };
    let facts = server.authority.facts(&server.tenant);
    let operator = facts.people.get(&session.person).is_some_and(|person| person.has(Role::Operator));
    let own = server.identity.roles_asked_by(&session.person).await?;
    let list = ListPeople { tenant: server.tenant.clone() };
    let (waiting, held) = if operator {
        let waiting = server.identity.roles_asked(server.allowed(&asked, list.clone()).await?).await?;
        let people = server.identity.list(server.allowed(&asked, list).await?)?;
        let mut held: Vec<HeldLine> = people
            .iter()
            .filter(|person| person.enabled)
            .flat_map(|person| person.roles.iter().map(move |held| (person, held)))
            .map(|(person, held)| HeldLine {
                role: held.role.to_string(),
                who: person.email.clone(),
                by: held.given_by.as_deref().map_or_else(|| "unknown".to_owned(), |by| server.called(by)),
                until: held.until.map_or_else(|| "no end".to_owned(), last_day),
            })
            .collect();
        held.sort_by(|a, b| (&a.role, &a.who).cmp(&(&b.role, &b.who)));
        (Some(waiting), held)
    } else {
        (None, vec![])
    };
    let line = |request: RoleRequest| server.role_line(request, &session.person);
    let page = Roles {
        shell: viewer.shell(Here::Roles),
        said: on.did.map(Did::said),
        own: own.into_iter().map(line).collect(),
        waiting: waiting.map(|waiting| waiting.into_iter().map(line).collect()),
        held,
    };
    Ok(html(StatusCode::OK, &page))
}

pub(super) async fn ask(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Page {
    if asked.session.is_none() {
        return Ok(signed_out(None));
    }
    server.ask_role(&asked, &asked.field("role"), &asked.field("until"), &asked.field("why")).await?;
    Ok(Did::Ask.shown())
}

pub(super) async fn grant(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, asked: Asked) -> Page {
    if asked.session.is_none() {
        return Ok(signed_out(None));
    }
    server.grant_role(&asked, &RequestId::new(id)).await?;
    Ok(Did::Grant.shown())
}

pub(super) async fn refuse(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, asked: Asked) -> Page {
    if asked.session.is_none() {
        return Ok(signed_out(None));
    }
    server.refuse_role(&asked, &RequestId::new(id)).await?;
    Ok(Did::Refuse.shown())
}
