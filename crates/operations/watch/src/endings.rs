//! What ends by itself: apps and then their data, secrets, roles for a time, waivers, the server's certificate. Who answers for each.

use super::{certificate, sql};
use crate::Watch;
use authority::{AppRef, Role};
use model::{AppId, Env, Group, PersonId, SecretId, Timestamp};
use std::{collections::BTreeSet, fmt};
use store::{StoreError, params};
use vault::Owner;

/// One thing that ends, by ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    App(AppRef),
    Secret {
        id: SecretId,
        env: Env,
    },
    Role {
        person: PersonId,
        role: Group,
    },
    /// The one that holds of this rule for this app: by its name, which stays taken for ever.
    Waiver {
        app: String,
        code: String,
    },
    /// By its digest, so that nodes that share one warn of it once.
    Certificate(String),
    /// What an app left that nobody keeps.
    Removal(AppId),
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(app) => write!(f, "app/{}/{}", app.id, app.env),
            Self::Secret { id, env } => write!(f, "secret/{id}/{env}"),
            Self::Role { person, role } => write!(f, "role/{person}/{role}"),
            Self::Waiver { app, code } => write!(f, "waiver/{app}/{code}"),
            Self::Certificate(digest) => write!(f, "certificate/{digest}"),
            Self::Removal(app) => write!(f, "removal/{app}"),
        }
    }
}

impl Thing {
    /// What happens when it ends.
    #[must_use]
    pub const fn after(&self) -> &'static str {
        match self {
            Self::App(_) => "It is suspended then: requests are refused, and what it holds is cut.",
            Self::Secret { .. } => "Calls that need it are refused then.",
            Self::Role { .. } => "It ends by itself then.",
            Self::Waiver { .. } => "The rule holds again then: the next release that breaks it is stopped.",
            Self::Certificate(_) => "Browsers refuse the console and every app then.",
            Self::Removal(_) => "The values of its secrets go then as well, for good, and its name stays taken.",
        }
    }

    /// Reads what `Display` wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('/')?;
        match kind {
            "app" => {
                let (id, env) = rest.rsplit_once('/')?;
                Some(Self::App(AppRef { id: AppId::new(id), env: env.parse().ok()? }))
            }
            "secret" => {
                let (id, env) = rest.rsplit_once('/')?;
                Some(Self::Secret { id: SecretId::new(id), env: env.parse().ok()? })
            }
            "role" => {
                let (person, role) = rest.split_once('/')?;
                Some(Self::Role { person: PersonId::new(person), role: Group::new(role) })
            }
            "waiver" => {
                let (app, code) = rest.split_once('/')?;
                Some(Self::Waiver { app: app.to_owned(), code: code.to_owned() })
            }
            "certificate" => Some(Self::Certificate(rest.to_owned())),
            "removal" => Some(Self::Removal(AppId::new(rest))),
            _ => None,
        }
    }
}

/// How far up: who is asked when those below have not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rung {
    Owner,
    Team,
    Operators,
}

impl Rung {
    pub(crate) const ALL: [Self; 3] = [Self::Owner, Self::Team, Self::Operators];

    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Owner => 0,
            Self::Team => 1,
            Self::Operators => 2,
        }
    }

    pub(crate) const fn says(self) -> &'static str {
        match self {
            Self::Owner => "its owner",
            Self::Team => "its team",
            Self::Operators => "the operators",
        }
    }

    pub(crate) fn of(number: i64) -> Self {
        Self::ALL.into_iter().find(|rung| rung.number() == number).unwrap_or(Self::Operators)
    }
}

/// A thing, when it ends, and who answers for it.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    pub(crate) thing: Thing,
    pub(crate) ends_at: Timestamp,
    /// When that date was chosen: whoever chose it knows it.
    pub(crate) since: Timestamp,
    pub(crate) owner: Option<PersonId>,
    pub(crate) team: Option<Group>,
}

impl Watch {
    /// Everything that ends between now and `until`.
    pub(crate) async fn endings(&self, now: Timestamp, until: Timestamp) -> Result<Vec<Ending>, StoreError> {
        let mut found = self.apps_ending(now, until).await?;
        let span = params![&self.tenant, now, until];
        for row in self.store.read(sql::SECRETS_ENDING, span).await? {
            let id = SecretId::new(row.text(0)?);
            let (owner, team) = self.who_keeps(&id, row.text(4)?);
            let thing = Thing::Secret { id, env: row.parse(1, "an environment")? };
            found.push(Ending { thing, ends_at: row.time(2)?, since: row.time(3)?, owner, team });
        }
        for row in self.store.read(sql::ROLES_ENDING, span).await? {
            let person = PersonId::new(row.text(0)?);
            let thing = Thing::Role { person: person.clone(), role: Group::new(row.text(1)?) };
            found.push(Ending { thing, ends_at: row.time(2)?, since: row.time(3)?, owner: Some(person), team: None });
        }
        for row in self.store.read(sql::WAIVERS_ENDING, span).await? {
            found.push(Ending {
                thing: Thing::Waiver { app: row.text(0)?.to_owned(), code: row.text(1)?.to_owned() },
                ends_at: row.time(2)?,
                since: row.time(3)?,
                owner: row.opt_text(5)?.map(PersonId::new),
                team: Some(Group::new(row.text(4)?)),
            });
        }
        found.extend(self.removals_ending(now, until).await?);
        let own = self.certificates.as_ref().and_then(|tls| certificate::of(tls));
        found.extend(own.filter(|own| now < own.ends_at && own.ends_at <= until).map(|own| Ending {
            thing: Thing::Certificate(own.digest),
            ends_at: own.ends_at,
            since: own.since,
            owner: None,
            team: None,
        }));
        Ok(found)
    }

    /// An app that ends in both environments at one moment is one thing to its people: that of `prod`.
    async fn apps_ending(&self, now: Timestamp, until: Timestamp) -> Result<Vec<Ending>, StoreError> {
        let mut found: Vec<Ending> = Vec::new();
        for row in self.store.read(sql::APPS_ENDING, params![&self.tenant, now, until]).await? {
            let app = AppRef { id: AppId::new(row.text(0)?), env: row.parse(1, "an environment")? };
            let ends_at = row.time(2)?;
            let other = |known: &Ending| matches!(&known.thing, Thing::App(known) if known.id == app.id);
            if app.env == Env::Staging && found.iter().any(|known| other(known) && known.ends_at == ends_at) {
                continue;
            }
            let team = self.team_of(&app.id);
            let owner = row.opt_text(4)?.map(PersonId::new);
            found.push(Ending { thing: Thing::App(app), ends_at, since: row.time(3)?, owner, team });
        }
        Ok(found)
    }

    pub(super) fn team_of(&self, app: &AppId) -> Option<Group> {
        let facts = self.authority.facts(&self.tenant);
        let known = |env| facts.apps.get(&(app.clone(), env)).map(|app| app.team.clone());
        known(Env::Prod).or_else(|| known(Env::Staging))
    }

    /// The owner that an entry names, and the team that its id begins with.
    pub(super) fn who_keeps(&self, id: &SecretId, owner: &str) -> (Option<PersonId>, Option<Group>) {
        let team = id.as_str().split_once('/').map(|(team, _)| Group::new(team));
        match serde_json::from_str(owner) {
            Ok(Owner::Person(person)) => (Some(person), team),
            Ok(Owner::Group(group)) => (None, Some(group)),
            Err(_) => (None, team),
        }
    }

    /// Who stands on a rung now.
    pub(crate) fn on_rung(&self, ending: &Ending, rung: Rung) -> BTreeSet<PersonId> {
        match rung {
            Rung::Owner => ending.owner.iter().filter(|person| self.is_here(person)).cloned().collect(),
            Rung::Team => ending.team.as_ref().map(|team| self.members(team)).unwrap_or_default(),
            Rung::Operators => self.with_role(Role::Operator),
        }
    }

    pub(crate) fn is_here(&self, person: &PersonId) -> bool {
        self.identity.person(person).is_some_and(|person| person.enabled)
    }

    pub(crate) fn members(&self, group: &Group) -> BTreeSet<PersonId> {
        let (facts, now) = (self.authority.facts(&self.tenant), self.clock.now());
        let within = facts.people.iter().filter(|(_, person)| person.enabled && person.at(now).is_in(group));
        within.map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn with_role(&self, role: Role) -> BTreeSet<PersonId> {
        self.members(&Group::new(role.group()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_read_as_it_is_written() {
        for text in [
            "app/abc/prod",
            "secret/people-ops/slack-bot/staging",
            "role/p1/operators",
            "waiver/poll/policy.retention",
            "certificate/0af3",
            "removal/abc",
        ] {
            assert_eq!(Thing::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "app", "app/x", "app/x/other", "waiver/x", "other/x/y"] {
            assert_eq!(Thing::parse(text), None, "{text}");
        }
        assert_eq!(Rung::ALL.map(|rung| Rung::of(rung.number())), Rung::ALL);
    }
}
