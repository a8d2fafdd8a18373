//! Around every page: who is signed in, where they can go by their roles, and the way to the switch.

use super::parts::{Tab, counted};
use crate::{
    Bailiwick,
    page::Trouble,
    reply::{Params, Refusal},
    sign_in::signed_out,
    who::Asked,
};
use authority::{May, PersonFacts, Role, Rule, rules};
use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::request::Parts,
    response::{IntoResponse, Response},
};
use catalog::AppView;
use identity::Session;
use model::{Env, Group, PersonId, Problem, ProblemKind};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The person who looks at a page.
#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    pub(crate) id: PersonId,
    pub(crate) email: String,
    pub(crate) facts: Arc<PersonFacts>,
    /// Roles that others ask for, of somebody who may give them.
    pub(crate) roles_asked: u64,
}

/// Somebody who is signed in asks for a page, or sends a form. Anyone else gets the sign-in page instead.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) viewer: Viewer,
    pub(crate) asked: Asked,
}

impl FromRequest<Arc<Bailiwick>> for Visit {
    type Rejection = Response;

    async fn from_request(request: Request, server: &Arc<Bailiwick>) -> Result<Self, Response> {
        let asked = Asked::from_request(request, server).await;
        let asked = asked.map_err(|Refusal(problem)| Trouble(problem).into_response())?;
        let viewer = server.viewer(&asked).await.ok_or_else(|| signed_out(None))?;
        Ok(Self { viewer, asked })
    }
}

/// The query of a page's address; what does not fit is shown as a page.
#[derive(Debug)]
pub(crate) struct Read<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Bailiwick>> for Read<T> {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Bailiwick>) -> Result<Self, Trouble> {
        let read = Params::<T>::from_request_parts(parts, server).await;
        read.map(|Params(query)| Self(query)).map_err(|_| Trouble(unread()))
    }
}

fn unread() -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "page.query",
        "this address is not whole",
        "a part of what stands behind its `?` is missing, or is nothing that this page knows",
        "begin again where its link is: My apps leads to every app and page that is yours",
    )
}

/// Which page of the navigation one is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Here {
    Mine,
    Apps,
    Requests,
    New,
    Secrets,
    People,
    Record,
    Notices,
    Policy,
    Roles,
    Elsewhere,
}

/// What `console.html` shows around a page.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    pub(crate) email: String,
    /// `operator, builder`; empty for people without a role.
    pub(crate) roles: String,
    pub(crate) tabs: Vec<Tab>,
    /// Where the switch is, for those who may press it.
    pub(crate) switch: Option<String>,
    /// Whether requests are theirs to decide.
    pub(crate) may_decide: bool,
}

/// Who finds what in the navigation: anyone who may do the act.
const PLACES: [(Here, &str, &str, &Rule); 9] = [
    (Here::Mine, "/", "My apps", &rules::APP_LIST),
    (Here::Apps, "/apps", "All apps", &rules::APP_SEE),
    (Here::Requests, "/requests", "Requests", &rules::REQUEST_LIST),
    (Here::New, "/new", "New app", &rules::APP_DEPLOY),
    (Here::Secrets, "/secrets", "Secrets", &rules::SECRET_LIST),
    (Here::People, "/people", "People", &rules::PERSON_LIST),
    (Here::Record, "/record", "Record", &rules::AUDIT_READ),
    (Here::Notices, "/notices", "Notices", &rules::NOTICE_LIST),
    (Here::Policy, "/policy", "Policy", &rules::POLICY_READ),
];

impl Viewer {
    /// What the table of acts says of this person; `team` owns the target. Only for what a page offers: the act itself
    /// asks authority.
    pub(crate) fn may(&self, rule: &Rule, team: Option<&Group>) -> bool {
        rule.people.iter().any(|may| match may {
            May::Everyone => true,
            May::Has(role) => self.facts.has(*role),
            // Without a team: in some team.
            May::BuilderInTeam => self.facts.has(Role::Builder) && team.is_none_or(|team| self.facts.is_in(team)),
            May::AppUser => false,
        })
    }

    /// `2 roles asked for`.
    pub(crate) fn asked_for(&self) -> String {
        format!("{} asked for", counted(self.roles_asked, "role"))
    }

    /// The shell of a page that is about no single app.
    pub(crate) fn shell(&self, here: Here) -> Shell {
        self.shell_about(here, None)
    }

    /// The shell of a page about one app: the switch knows which.
    pub(crate) fn shell_about(&self, here: Here, app: Option<&str>) -> Shell {
        let tabs = PLACES
            .iter()
            .filter(|(.., rule)| self.may(rule, None))
            .map(|(place, href, label, _)| Tab::new(*href, *label, *place == here));
        let mut tabs: Vec<Tab> = tabs.collect();
        if self.roles_asked > 0 {
            // Only while something waits there: the page itself is in everybody's menu. Near the front, where a phone shows it.
            tabs.insert(tabs.len().min(1), Tab::new("/roles", self.asked_for(), here == Here::Roles));
        }
        let roles: Vec<&str> = self.facts.roles().map(|role| role.group().trim_end_matches('s')).collect();
        let switch = app.map_or_else(|| "/switch".to_owned(), |app| format!("/switch?app={app}"));
        Shell {
            email: self.email.clone(),
            roles: roles.join(", "),
            tabs,
            switch: self.may(&rules::APP_REVOKE, None).then_some(switch),
            may_decide: self.may(&rules::RELEASE_REJECT, None),
        }
    }
}

impl Bailiwick {
    /// Who looks, when somebody is signed in, with what waits for them alone.
    pub(crate) async fn viewer(&self, asked: &Asked) -> Option<Viewer> {
        let mut viewer = self.viewer_in(asked.session.as_ref()?)?;
        if viewer.may(&rules::ROLE_GRANT, None) {
            // A page without the count is better than none.
            viewer.roles_asked = self.identity.roles_to_decide(&viewer.id).await.unwrap_or_default();
        }
        Some(viewer)
    }

    pub(crate) fn viewer_in(&self, session: &Session) -> Option<Viewer> {
        let person = self.identity.person(&session.person)?;
        let facts = self.authority.facts(&self.tenant).people.get(&person.id).cloned()?;
        Some(Viewer { id: person.id.clone(), email: person.email.clone(), facts, roles_asked: 0 })
    }

    /// For whom the app's live release is: `group:staff, group:it`.
    pub(crate) fn whom_it_is_for(&self, app: &model::AppId) -> String {
        let facts = self.authority.facts(&self.tenant);
        let access = facts.apps.get(&(app.clone(), Env::Prod)).map(|app| Arc::clone(&app.access));
        let groups = access.iter().flat_map(|access| access.groups.iter().map(|group| format!("group:{group}")));
        groups.collect::<Vec<_>>().join(", ")
    }

    /// Whether a list may name the app to this person.
    pub(crate) fn may_know_of(&self, viewer: &Viewer, app: &AppView) -> bool {
        viewer.may(&rules::APP_SEE, Some(&app.team))
            || viewer.facts.is_in(&app.team)
            || self.may_use(viewer, &app.app_id)
    }

    /// Whether the app's live release lets this person in.
    pub(crate) fn may_use(&self, viewer: &Viewer, app: &model::AppId) -> bool {
        let facts = self.authority.facts(&self.tenant);
        let access = facts.apps.get(&(app.clone(), Env::Prod)).map(|app| Arc::clone(&app.access));
        access.is_some_and(|access| access.everyone || access.groups.iter().any(|group| viewer.facts.is_in(group)))
    }
}
