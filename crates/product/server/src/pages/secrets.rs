//! Secrets: whose, for what, until when, towards where. A value comes in and is never shown.

use super::{
    done::Done,
    parts::{Moment, Pager, Said, Tab, query, quoted},
    shell::{Here, Read, Shell, Visit},
};
use crate::{
    Bailiwick,
    api::NewValue,
    page::{Page, Trouble, html, last_day},
};
use askama::Template;
use authority::rules;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use model::{Env, Problem, ProblemKind, SecretId, Timestamp};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use vault::{ListSecrets, Owner, SecretState, SecretView, Sensitivity, Standing};

const PAGE: usize = 50;
pub(super) const SOON: Duration = Duration::from_secs(30 * 86_400);
/// A form for what expires in this time is filled in so.
const LIFE: Duration = Duration::from_secs(90 * 86_400);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    q: String,
    worry: String,
    page: String,
}

#[derive(Template)]
#[template(path = "secrets.html")]
struct Secrets {
    shell: Shell,
    which: Which,
    any: bool,
    lead: String,
    worries: Vec<(Tab, usize)>,
    lines: Vec<Line>,
    pager: Pager,
    may_put: bool,
    expires: String,
}

struct Line {
    id: String,
    env: String,
    purpose: String,
    owner: String,
    app: String,
    hosts: String,
    state: &'static str,
    says: &'static str,
    until: String,
    ends: Moment,
    soon: bool,
    used: Option<Moment>,
}

const fn word(state: SecretState) -> (&'static str, &'static str) {
    match state {
        SecretState::Ready => ("ready", "bound to its live app"),
        SecretState::Unbound => ("unbound", "no live app has it"),
        SecretState::Changed => ("changed", "its app must be approved again"),
        SecretState::Expired => ("expired", "past its last day: uses are refused"),
        SecretState::Revoked => ("revoked", "its value is deleted"),
    }
}

/// What should worry someone: its name, what it says, and whether a secret is like that.
type Worry = (&'static str, &'static str, fn(&SecretView, Timestamp) -> bool);
const WORRIES: [Worry; 4] = [
    ("soon", "end within 30 days", |view, now| usable(view) && view.expires_at <= now.plus(SOON)),
    ("expired", "expired", |view, _| view.state == SecretState::Expired),
    ("unused", "never used", |view, _| usable(view) && view.last_used.is_none()),
    ("changed", "wait for a new approval", |view, _| view.state == SecretState::Changed),
];

/// Whether a secret that an app needs works, and what to do about it.
pub(super) enum Health {
    Good,
    /// It works still, and ends soon.
    Ends(String),
    Dead(String),
}

pub(super) fn health(id: &SecretId, standing: &Standing, now: Timestamp) -> Health {
    let day = last_day(standing.expires_at);
    match standing.state {
        SecretState::Revoked => Health::Dead(format!(
            "the secret `{id}` is revoked, and its value deleted: calls that need it are refused until an operator puts it anew"
        )),
        SecretState::Expired => Health::Dead(format!(
            "the secret `{id}` ended, {day} was its last day: calls that need it are refused until an operator puts it anew with a later date"
        )),
        SecretState::Ready | SecretState::Unbound | SecretState::Changed if standing.expires_at <= now.plus(SOON) => {
            Health::Ends(format!(
                "the secret `{id}` ends {}, {day} is its last day: calls that need it are refused then, unless an operator puts it anew with a later date",
                Moment::new(standing.expires_at, now).relative
            ))
        }
        SecretState::Ready | SecretState::Unbound | SecretState::Changed => Health::Good,
    }
}

fn usable(view: &SecretView) -> bool {
    !matches!(view.state, SecretState::Revoked | SecretState::Expired)
}

pub(super) async fn list(State(server): State<Arc<Bailiwick>>, Read(which): Read<Which>, visit: Visit) -> Page {
    let now = server.clock.now();
    let permit = server.allowed(&visit.asked, ListSecrets { tenant: server.tenant.clone(), id: None }).await?;
    let all = server.vault.list(permit).await?;
    let worries = WORRIES.iter().map(|(name, says, holds)| {
        let here = which.worry == *name;
        let href = format!("/secrets?{}", query(&[("worry", if here { "" } else { *name })]));
        (Tab::new(href, *says, here), all.iter().filter(|view| holds(view, now)).count())
    });
    let worries = worries.collect();
    let q = which.q.trim().to_lowercase();
    let holds = WORRIES.iter().find(|(name, ..)| *name == which.worry);
    let wanted = all
        .iter()
        .filter(|view| {
            q.is_empty()
                || [view.id.as_str(), &view.purpose, view.app.as_deref().unwrap_or_default()]
                    .iter()
                    .any(|text| text.to_lowercase().contains(&q))
        })
        .filter(|view| holds.is_none_or(|(.., holds)| holds(view, now)));
    let wanted: Vec<&SecretView> = wanted.collect();
    let at = which.page.parse().unwrap_or(1).clamp(1, 1 + wanted.len().saturating_sub(1) / PAGE);
    let pager = Pager::of(wanted.len(), at, PAGE, |page| {
        let mine = [("q", which.q.as_str()), ("worry", &which.worry), ("page", &page.to_string())];
        format!("/secrets?{}", query(&mine))
    });
    let page = Secrets {
        shell: visit.viewer.shell(Here::Secrets),
        any: !all.is_empty(),
        lead: "Apps use them and never see them. Nobody can read a value here, you included.".to_owned(),
        worries,
        lines: wanted.into_iter().skip((at - 1) * PAGE).take(PAGE).map(|view| line(&server, view, now)).collect(),
        pager,
        may_put: visit.viewer.may(&rules::SECRET_PUT, None),
        expires: now.plus(LIFE).to_string().chars().take(10).collect(),
        which,
    };
    Ok(html(StatusCode::OK, &page))
}

fn line(server: &Bailiwick, view: &SecretView, now: Timestamp) -> Line {
    let (state, says) = word(view.state);
    Line {
        id: view.id.to_string(),
        env: view.env.to_string(),
        purpose: view.purpose.clone(),
        owner: server.owner(&view.owner),
        app: view.app.clone().unwrap_or_default(),
        hosts: view.hosts.join(", "),
        state,
        says,
        until: last_day(view.expires_at),
        ends: Moment::new(view.expires_at, now),
        soon: usable(view) && view.expires_at <= now.plus(SOON),
        used: Moment::opt(view.last_used, now),
    }
}

impl Bailiwick {
    fn owner(&self, owner: &Owner) -> String {
        match owner {
            Owner::Person(id) => self.name_of(Some(id)),
            Owner::Group(group) => group.to_string(),
        }
    }
}

#[derive(Template)]
#[template(path = "secret.html")]
struct SecretPage {
    shell: Shell,
    id: String,
    lines: Vec<(Line, String, &'static str)>,
    may_put: bool,
    may_revoke: bool,
    events: Option<String>,
    command: String,
}

pub(super) async fn show(
    State(server): State<Arc<Bailiwick>>,
    Path((team, name)): Path<(String, String)>,
    visit: Visit,
) -> Page {
    let (now, id) = (server.clock.now(), SecretId::new(format!("{team}/{name}")));
    let act = ListSecrets { tenant: server.tenant.clone(), id: Some(id.clone()) };
    let permit = server.allowed(&visit.asked, act).await?;
    let views = server.vault.show(permit).await?;
    let viewer = &visit.viewer;
    let page = SecretPage {
        shell: viewer.shell(Here::Secrets),
        lines: views
            .iter()
            .rev()
            .map(|view| (line(&server, view, now), view.attach.clone(), view.sensitivity.as_str()))
            .collect(),
        may_put: viewer.may(&rules::SECRET_PUT, None),
        may_revoke: viewer.may(&rules::SECRET_REVOKE, None) && views.iter().any(usable),
        events: viewer.may(&rules::AUDIT_READ, None).then(|| format!("/record?{}", query(&[("secret", id.as_str())]))),
        command: format!("bailiwick secret show {id}"),
        id: id.to_string(),
    };
    Ok(html(StatusCode::OK, &page))
}

pub(super) async fn put(State(server): State<Arc<Bailiwick>>, visit: Visit) -> Page {
    let field = |name: &str| visit.asked.field(name).trim().to_owned();
    let id = field("id");
    if id.split_once('/').is_none() {
        return Err(Trouble(no_id(&id)));
    }
    let given = |name: &str| Some(field(name)).filter(|text| !text.is_empty());
    let new = NewValue {
        app: given("app"),
        env: Some(env(&visit)),
        owner: field("owner"),
        purpose: field("purpose"),
        expires: field("expires"),
        hosts: field("hosts")
            .split([',', ' ', '\n'])
            .map(str::trim)
            .filter(|host| !host.is_empty())
            .map(str::to_owned)
            .collect(),
        attach: given("attach"),
        sensitivity: field("sensitivity").parse::<Sensitivity>().ok(),
        // Not trimmed: a value is what it is.
        value: visit.asked.field("value"),
    };
    let view = server.put_secret(&visit.asked.caller, SecretId::new(id.as_str()), new).await?;
    let lead = format!(
        "`{id}` is kept for {}, until {}. Its value is never shown again.",
        view.env,
        last_day(view.expires_at)
    );
    let replaced = view.replaced == Some(true);
    let title = if replaced { "the secret is replaced" } else { "the secret is stored" };
    let gone = replaced.then(|| Said::new("the value that was kept before is gone"));
    let done = Done::new(&visit.viewer, Here::Secrets, title, lead)
        .below("/secrets", "Secrets")
        .lines(
            [
                Said::new(format!(
                    "it goes to {} alone, as `{}`",
                    view.hosts.iter().map(|host| format!("`{host}`")).collect::<Vec<_>>().join(", "),
                    view.attach
                )),
                Said::new(word(view.state).1),
            ]
            .into_iter()
            .chain(gone),
        )
        .link(format!("/secrets/{id}"), id.clone())
        .link("/secrets", "Secrets")
        .command(format!(
            "bailiwick secret put {} --env {} --owner {} --purpose {} --expires {} --host {}",
            quoted(&id),
            view.env,
            quoted(&server.owner(&view.owner)),
            quoted(&view.purpose),
            last_day(view.expires_at),
            view.hosts.join(" --host ")
        ));
    Ok(done.page())
}

fn env(visit: &Visit) -> Env {
    visit.asked.field("env").parse().unwrap_or(Env::Prod)
}

pub(super) async fn rotate(
    State(server): State<Arc<Bailiwick>>,
    Path((team, name)): Path<(String, String)>,
    visit: Visit,
) -> Page {
    let id = format!("{team}/{name}");
    let view =
        server.rotate_secret(&visit.asked, SecretId::new(id.as_str()), env(&visit), visit.asked.field("value")).await?;
    let lead = format!(
        "The next use of `{id}` in {} takes the new value. The old one is gone; what was approved stays approved.",
        view.env
    );
    let done = Done::new(&visit.viewer, Here::Secrets, "the value is replaced", lead)
        .below("/secrets", "Secrets")
        .link(format!("/secrets/{id}"), id.clone())
        .command(format!("bailiwick secret rotate {} --env {}", quoted(&id), view.env));
    Ok(done.page())
}

pub(super) async fn revoke(
    State(server): State<Arc<Bailiwick>>,
    Path((team, name)): Path<(String, String)>,
    visit: Visit,
) -> Page {
    let id = format!("{team}/{name}");
    let why = visit.asked.field("why");
    if why.trim().is_empty() {
        return Err(Trouble(no_reason()));
    }
    let revoked = server.revoke_secret(&visit.asked, SecretId::new(id.as_str()), None, why).await?;
    let everywhere = revoked.iter().all(|done| server.store.is_everywhere(done.recorded));
    let done = Done::new(
        &visit.viewer,
        Here::Secrets,
        "the secret is dead",
        format!("`{id}` cannot be used any more, and its value is deleted. Revoke it at its provider too."),
    )
    .state("revoked")
    .below("/secrets", "Secrets")
    .lines(revoked.iter().map(|view| Said::new(format!("{}: value deleted", view.env))))
    .heard(everywhere)
    .event(revoked.first().map(|done| &done.event))
    .link("/secrets", "Secrets")
    .command(format!("bailiwick secret revoke {} --why '…'", quoted(&id)));
    Ok(done.page())
}

fn no_id(id: &str) -> Problem {
    let what = format!("`{}` is not the id of a secret", id.replace('`', ""));
    Problem::new(
        ProblemKind::Invalid,
        "secret.id",
        what,
        "an id names the team, then the secret",
        "write it as `people-ops/slack-bot`",
    )
    .at("id")
}

fn no_reason() -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "why.missing",
        "a reason is needed",
        "it stands in the record, for whoever asks later",
        "go back and say why",
    )
    .at("why")
}
