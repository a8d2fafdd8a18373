//! People: who is here, in which groups, and whether their account is on. A link is shown once.

use super::{
    done::Done,
    parts::{Moment, Pager, Said, counted, query, quoted},
    shell::{Here, Read, Shell, Visit},
};
use crate::{
    Bailiwick,
    page::{Page, Trouble, html},
};
use askama::Template;
use authority::{Role, rules};
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use identity::{ListPeople, Person};
use model::{Group, PersonId, Problem, ProblemKind};
use serde::Deserialize;
use std::{collections::BTreeSet, sync::Arc};

const PAGE: usize = 100;
/// More groups than that are named, not ticked.
const TICKS_MAX: usize = 24;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    q: String,
    group: String,
    page: String,
}

#[derive(Template)]
#[template(path = "people.html")]
struct People {
    shell: Shell,
    which: Which,
    lead: String,
    ticks: Vec<Tick>,
    may_add: bool,
    may_see_ways: bool,
    lines: Vec<Line>,
    pager: Pager,
}

struct Line {
    id: String,
    email: String,
    roles: String,
    groups: String,
    state: &'static str,
    since: Moment,
}

/// A group that can be ticked.
struct Tick {
    name: String,
    /// What it lets one do, if it carries a role.
    says: &'static str,
    on: bool,
}

const fn carries(role: Role) -> &'static str {
    match role {
        Role::Builder => "deploys for their teams",
        Role::Reviewer => "approves, revokes",
        Role::Operator => "people, secrets, restore",
        Role::Auditor => "reads the record",
    }
}

fn role_of(group: &Group) -> Option<Role> {
    Role::ALL.into_iter().find(|role| role.group() == group.as_str())
}

fn ticks(server: &Bailiwick, on: &[Group]) -> Vec<Tick> {
    let sizes = server.identity.group_sizes();
    let carrying = Role::ALL.into_iter().map(|role| (role.group().to_owned(), carries(role)));
    let own = sizes.keys().chain(on).filter(|group| role_of(group).is_none()).collect::<BTreeSet<_>>();
    let own = own.into_iter().take(TICKS_MAX).map(|group| (group.to_string(), ""));
    let tick =
        |(name, says): (String, &'static str)| Tick { on: on.iter().any(|group| group.as_str() == name), name, says };
    carrying.chain(own).map(tick).collect()
}

pub(super) async fn list(State(server): State<Arc<Bailiwick>>, Read(which): Read<Which>, visit: Visit) -> Page {
    let now = server.clock.now();
    let permit = server.allowed(&visit.asked, ListPeople { tenant: server.tenant.clone() }).await?;
    let all = server.identity.list(permit)?;
    let (count, on) = (all.len(), all.iter().filter(|person| person.enabled).count());
    let q = which.q.trim().to_lowercase();
    let wanted: Vec<Person> = all
        .into_iter()
        .filter(|person| {
            q.is_empty()
                || person.email.contains(&q)
                || person.name.as_deref().is_some_and(|name| name.to_lowercase().contains(&q))
        })
        .filter(|person| which.group.is_empty() || person.groups.iter().any(|group| group.as_str() == which.group))
        .collect();
    let total = wanted.len();
    let page = which.page.parse().unwrap_or(1).clamp(1, 1 + total.saturating_sub(1) / PAGE);
    let pager = Pager::of(total, page, PAGE, |page| {
        format!("/people?{}", query(&[("q", &which.q), ("group", &which.group), ("page", &page.to_string())]))
    });
    let line = |person: &Person| Line {
        id: person.id.to_string(),
        email: person.email.clone(),
        roles: names(person.groups.iter().filter(|group| role_of(group).is_some())),
        groups: names(person.groups.iter().filter(|group| role_of(group).is_none())),
        state: if person.enabled { "active" } else { "disabled" },
        since: Moment::new(person.created_at, now),
    };
    let shown = People {
        shell: visit.viewer.shell(Here::People),
        lead: format!("{on} of {count} can sign in."),
        ticks: ticks(&server, &[]),
        may_see_ways: visit.viewer.may(&rules::SIGN_IN_SEE, None),
        may_add: visit.viewer.may(&rules::PERSON_ADD, None),
        lines: wanted.iter().skip((page - 1) * PAGE).take(PAGE).map(line).collect(),
        pager,
        which,
    };
    Ok(html(StatusCode::OK, &shown))
}

fn names<'a>(groups: impl Iterator<Item = &'a Group>) -> String {
    groups.map(AsRef::as_ref).collect::<Vec<&str>>().join(", ")
}

#[derive(Template)]
#[template(path = "person.html")]
struct PersonPage {
    shell: Shell,
    id: String,
    email: String,
    state: &'static str,
    roles: String,
    groups: String,
    since: Moment,
    ticks: Vec<Tick>,
    may_change: bool,
    /// What a new link does, for whoever may make one.
    does: Vec<Said>,
    may_disable: bool,
    own: bool,
    command: String,
}

pub(super) async fn show(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, visit: Visit) -> Page {
    let (viewer, now) = (&visit.viewer, server.clock.now());
    let permit = server.allowed(&visit.asked, ListPeople { tenant: server.tenant.clone() }).await?;
    let all = server.identity.list(permit)?;
    let person = all.into_iter().find(|person| person.id.as_str() == id).ok_or_else(|| Trouble(unknown()))?;
    let may_change = person.enabled && viewer.may(&rules::PERSON_GROUPS, None);
    let does = if may_change { server.link_does(&person.id).await? } else { vec![] };
    let page = PersonPage {
        shell: viewer.shell(Here::People),
        state: if person.enabled { "active" } else { "disabled" },
        roles: names(person.groups.iter().filter(|group| role_of(group).is_some())),
        groups: names(person.groups.iter().filter(|group| role_of(group).is_none())),
        since: Moment::new(person.created_at, now),
        ticks: ticks(&server, &person.groups),
        may_change,
        does,
        may_disable: person.enabled && viewer.may(&rules::PERSON_DISABLE, None),
        own: person.id == viewer.id,
        command: format!("bailiwick people groups {} --join GROUP --leave GROUP", quoted(&person.email)),
        email: person.email,
        id,
    };
    Ok(html(StatusCode::OK, &page))
}

fn unknown() -> Problem {
    let what = "there is nobody of that id";
    Problem::new(
        ProblemKind::NotFound,
        "person.unknown",
        what,
        "nobody of it was added here",
        "look at the list of people",
    )
}

fn not_typed() -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "person.not_typed",
        "the account is on as it was",
        "an account is switched off for good only when the person's address is typed",
        "go back, and type the address that stands above the field",
    )
}

/// Ticked groups, and those that were typed.
fn wanted_groups(visit: &Visit) -> BTreeSet<Group> {
    let form = visit.asked.form();
    let ticked = form.iter().filter(|(key, _)| key == "group").map(|(_, value)| value.as_str());
    let typed = form.iter().filter(|(key, _)| key == "other").flat_map(|(_, value)| value.split([',', ' ']));
    ticked.chain(typed).map(str::trim).filter(|name| !name.is_empty()).map(Group::new).collect()
}

impl Bailiwick {
    /// What a new link does to somebody who is here.
    async fn link_does(&self, person: &PersonId) -> Result<Vec<Said>, identity::Error> {
        let passkeys = match self.identity.passkeys_of(person).await?.len() {
            0 => "they have no passkey to lose; single sign-on, where they connected it, works as before".to_owned(),
            some => format!(
                "their {}, and single sign-on, where they connected it, work as before. A new passkey that they make signed in by the link alone takes the place of all of them; single sign-on is then to be connected anew",
                counted(some as u64, "passkey")
            ),
        };
        let out = "they are signed out everywhere at once, from pages, apps and command lines; earlier links of theirs are void";
        Ok(vec![Said::sentence(out), Said::sentence(&passkeys)])
    }
}

/// Asked before a link is made for somebody who is here: whoever means to add someone may not know that they are.
#[derive(Template)]
#[template(path = "person_known.html")]
struct Known {
    shell: Shell,
    id: String,
    email: String,
    groups: Vec<String>,
    /// Those that they are not in yet.
    joins: Vec<String>,
    does: Vec<Said>,
    own: bool,
    command: String,
}

impl Known {
    fn page(visit: &Visit, person: &Person, groups: &BTreeSet<Group>, does: Vec<Said>) -> Page {
        let page = Self {
            shell: visit.viewer.shell(Here::People),
            id: person.id.to_string(),
            groups: groups.iter().map(ToString::to_string).collect(),
            joins: groups.iter().filter(|group| !person.groups.contains(group)).map(ToString::to_string).collect(),
            does,
            own: person.id == visit.viewer.id,
            command: format!("bailiwick people add {}{}", quoted(&person.email), flags(groups)),
            email: person.email.clone(),
        };
        Ok(html(StatusCode::OK, &page))
    }
}

fn flags(groups: &BTreeSet<Group>) -> String {
    groups.iter().map(|group| format!(" --group {group}")).collect()
}

pub(super) async fn add(State(server): State<Arc<Bailiwick>>, visit: Visit) -> Page {
    let email = visit.asked.field("email");
    let groups = wanted_groups(&visit);
    let flags = flags(&groups);
    let mut does = vec![];
    if let Some(person) = server.identity.person_by_email(&email).filter(|person| person.enabled) {
        // That somebody is here is for those alone who may make the link.
        server.may_add(&visit.asked, &email, &groups).await?;
        does = server.link_does(&person.id).await?;
        if visit.asked.field("again") != "yes" {
            return Known::page(&visit, &person, &groups, does);
        }
    }
    let added = server.add_person(&visit.asked, email, groups).await?;
    let person = &added.person;
    let lead =
        format!("`{}` is in {}. Give them the link by a way that only they read.", person.email, said(&person.groups));
    let hint = format!(
        "It works once, until {}, and is never shown again. It opens a page that says who they will become.",
        Moment::new(added.expires_at, server.clock.now()).exact
    );
    let done = Done::new(&visit.viewer, Here::People, "a link to sign in with", lead)
        .below("/people", "People")
        .once("The link", added.link.clone(), hint)
        .lines(does)
        .link(format!("/people/{}", person.id), person.email.clone())
        .link("/people", "People")
        .command(format!("bailiwick people add {}{}", quoted(&person.email), flags));
    Ok(done.page())
}

fn said(groups: &[Group]) -> String {
    match groups {
        [] => "no group".to_owned(),
        groups => groups.iter().map(|group| format!("`{group}`")).collect::<Vec<_>>().join(", "),
    }
}

pub(super) async fn groups(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, visit: Visit) -> Page {
    let person = PersonId::new(id.as_str());
    let before: BTreeSet<Group> =
        server.identity.person(&person).map(|person| person.groups.iter().cloned().collect()).unwrap_or_default();
    let wanted = wanted_groups(&visit);
    // Groups that the form did not show are left alone.
    let shown: BTreeSet<Group> = ticks(&server, &before.iter().cloned().collect::<Vec<_>>())
        .into_iter()
        .map(|tick| Group::new(tick.name))
        .collect();
    let join: BTreeSet<Group> = wanted.difference(&before).cloned().collect();
    let leave: BTreeSet<Group> = before.difference(&wanted).filter(|group| shown.contains(*group)).cloned().collect();
    let lines: Vec<Said> = join
        .iter()
        .map(|group| Said::new(format!("joined `{group}`")))
        .chain(leave.iter().map(|group| Said::new(format!("left `{group}`"))))
        .collect();
    let changed = server.change_groups(&visit.asked, person, join, leave).await?;
    let lead = format!(
        "`{}` is in {} now. What follows from it holds from this moment on.",
        changed.email,
        said(&changed.groups)
    );
    let done = Done::new(&visit.viewer, Here::People, "groups changed", lead)
        .below("/people", "People")
        .lines(lines)
        .link(format!("/people/{id}"), changed.email.clone())
        .link("/people", "People")
        .command(format!("bailiwick people groups {} --join GROUP --leave GROUP", quoted(&changed.email)));
    Ok(done.page())
}

pub(super) async fn disable(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, visit: Visit) -> Page {
    let id = PersonId::new(id);
    let typed = visit.asked.field("email");
    if server.identity.person(&id).is_some_and(|person| !person.email.eq_ignore_ascii_case(typed.trim())) {
        // Whose address an id stands for is for those alone who may see people.
        drop(server.allowed(&visit.asked, ListPeople { tenant: server.tenant.clone() }).await?);
        return Err(Trouble(not_typed()));
    }
    let done = server.disable_person(&visit.asked, id).await?;
    let everywhere = server.store.is_everywhere(done.recorded);
    let (person, event) = (done.person, done.event);
    let reach = if everywhere { "everywhere" } else { "on this node" };
    let lead = format!("Every session, token and link of `{}` ended, {reach}. The account stays off.", person.email);
    let done = Done::new(&visit.viewer, Here::People, "the account is off", lead)
        .state("disabled")
        .heard(everywhere)
        .event(Some(&event))
        .below("/people", "People")
        .link("/people", "People")
        .command(format!("bailiwick people disable {}", quoted(&person.email)));
    Ok(done.page())
}
