//! One's own page: where one is signed in, and with which passkeys.

use super::to_app::signed_out;
use crate::{
    Bailiwick,
    page::{Page, html},
    pages::{Here, Shell},
    who::Asked,
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect},
};
use identity::{EndOthers, EndSession, ListSessions, Method, Passkey, Session, Whereabouts};
use model::{AppId, Env, SessionId, Timestamp};
use std::sync::Arc;

#[derive(Template)]
#[template(path = "sign_in/me.html")]
struct Me {
    shell: Shell,
    email: String,
    roles: String,
    second: bool,
    passkeys: Vec<PasskeyLine>,
    passkeys_work: bool,
    sessions: Vec<SessionLine>,
    others: bool,
    link: Option<String>,
    provider: Option<String>,
}

struct PasskeyLine {
    id: String,
    name: String,
    made: String,
    used: String,
}

struct SessionLine {
    id: String,
    here: bool,
    place: String,
    by: &'static str,
    device: String,
    address: String,
    since: String,
    seen: String,
}

/// Where I am signed in.
pub(super) async fn page(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Page {
    let Some(session) = asked.session.clone() else { return Ok(signed_out(None)) };
    let act = ListSessions { tenant: server.tenant.clone(), person: session.person.clone() };
    let permit = server.allowed(&asked, act).await?;
    let sessions = server.identity.whereabouts(permit).await?;
    let passkeys = server.identity.passkeys_of(&session.person).await?;
    let link = server.identity.newest_link(&session.person).await?;
    let person = server.identity.person(&session.person);
    let roles = person.iter().flat_map(|person| &person.roles).map(|held| match held.until {
        Some(until) => format!("{} until {}", held.role, minute(until)),
        None => held.role.to_string(),
    });
    let Some(viewer) = server.viewer(&asked).await else { return Ok(signed_out(None)) };
    let page = Me {
        shell: viewer.shell(Here::Elsewhere),
        provider: server.identity.provider_host(),
        email: person.as_ref().map(|person| person.email.clone()).unwrap_or_default(),
        roles: roles.collect::<Vec<_>>().join(", "),
        second: matches!(session.factor, authority::Factor::Second { .. }),
        passkeys: passkeys.into_iter().map(passkey_line).collect(),
        passkeys_work: server.identity.passkeys_work(),
        others: sessions.iter().any(|other| !is_here(other, &session)),
        sessions: sessions.into_iter().map(|line| server.session_line(line, &session)).collect(),
        link: link.map(|link| {
            let used = link.spent_at.map_or_else(|| "not used".to_owned(), |at| format!("used {}", minute(at)));
            format!("made by {} on {}, {used}", server.called(&link.by), minute(link.at))
        }),
    };
    Ok(html(StatusCode::OK, &page))
}

/// This session, and the apps that were opened from it.
fn is_here(line: &Whereabouts, session: &Session) -> bool {
    line.id == session.id || line.parent.as_ref() == Some(&session.id)
}

fn passkey_line(passkey: Passkey) -> PasskeyLine {
    PasskeyLine {
        made: minute(passkey.created_at),
        used: passkey.used_at.map_or_else(|| "not yet".to_owned(), minute),
        id: passkey.id,
        name: passkey.name,
    }
}

/// To the minute, as people tell times.
fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..16).map_or_else(|| text.clone(), |text| format!("{} UTC", text.replace('T', " ")))
}

impl Bailiwick {
    /// Who an actor of the record is, in words for a page.
    pub(crate) fn called(&self, actor: &str) -> String {
        match actor.split_once(':') {
            Some(("person", id)) => {
                let person = self.identity.person(&model::PersonId::new(id));
                person.map_or_else(|| "somebody who is gone".to_owned(), |person| person.email.clone())
            }
            Some(("machine", user)) => format!("{user} on the server's machine"),
            Some(_) | None => actor.to_owned(),
        }
    }

    fn session_line(&self, line: Whereabouts, session: &Session) -> SessionLine {
        let place = match (line.place.as_str(), line.env.as_deref().map(str::parse::<Env>)) {
            ("console", _) => "console".to_owned(),
            ("terminal", _) => "command line".to_owned(),
            (id, Some(Ok(env))) => {
                let facts = self.authority.facts(&self.tenant);
                let name = facts.apps.get(&(AppId::new(id), env)).map(|app| app.name.to_string());
                name.unwrap_or_else(|| "an app".to_owned())
            }
            (_, _) => "an app".to_owned(),
        };
        let by = match line.method {
            Method::Link => "a link",
            Method::Passkey => "a passkey",
            Method::Oidc => "single sign-on",
            Method::Login => "a code",
        };
        SessionLine {
            here: line.id == session.id,
            place,
            by,
            device: line.device.map_or_else(|| "unknown".to_owned(), |text| super::passkeys::device(Some(&text))),
            address: line.ip.unwrap_or_else(|| "unknown".to_owned()),
            since: minute(line.since),
            seen: minute(line.seen_at.unwrap_or(line.since)),
            id: line.id.to_string(),
        }
    }
}

/// Ends one of one's own.
pub(super) async fn end(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, asked: Asked) -> Page {
    if asked.session.is_none() {
        return Ok(signed_out(None));
    }
    let act = EndSession { tenant: server.tenant.clone(), session: SessionId::new(id) };
    server
        .store
        .again(|| async {
            let permit = server.permit(&asked.caller, act.clone()).await?;
            server.identity.end_session(permit).await.map(drop)
        })
        .await?;
    Ok(Redirect::to("/me").into_response())
}

/// Ends every other.
pub(super) async fn end_others(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Page {
    let Some(session) = &asked.session else { return Ok(signed_out(None)) };
    let act = EndOthers { tenant: server.tenant.clone(), here: session.id.clone() };
    let permit = server.allowed(&asked, act).await?;
    server.identity.end_others(permit).await;
    Ok(Redirect::to("/me").into_response())
}
