//! What authority knows of one tenant: people, groups and apps, at one epoch.

use crate::Role;
use model::{AppId, Class, Env, Group, PersonId, Timestamp, manifest::Access};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// A snapshot; replaced as a whole, never edited.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub epoch: u64,
    pub people: HashMap<PersonId, Arc<PersonFacts>>,
    pub apps: HashMap<(AppId, Env), Arc<AppFacts>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonFacts {
    pub email: Arc<str>,
    pub name: Option<Arc<str>>,
    pub groups: BTreeSet<Group>,
    /// Groups among them that end by themselves, and when.
    pub lapses: BTreeMap<Group, Timestamp>,
    pub enabled: bool,
}

impl PersonFacts {
    /// The roles that the person's groups carry.
    pub fn roles(&self) -> impl Iterator<Item = Role> + '_ {
        Role::ALL.into_iter().filter(|role| self.has(*role))
    }

    /// The next moment at which one of the groups ends.
    #[must_use]
    pub fn good_until(&self) -> Option<Timestamp> {
        self.lapses.values().min().copied()
    }

    /// The same person, without the groups that have ended by `now`.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        let mut person = self.clone();
        person.lapses.retain(|group, until| {
            let lasts = now < *until;
            if !lasts {
                person.groups.remove(group);
            }
            lasts
        });
        person
    }

    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.groups.iter().any(|group| group.as_str() == role.group())
    }

    #[must_use]
    pub fn is_in(&self, group: &Group) -> bool {
        self.groups.contains(group)
    }
}

/// Whether an app may do anything at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppState {
    /// Nothing was live yet.
    Waiting,
    Live,
    /// Past its date: suspended, logs kept.
    Expired,
    /// Switched off by a person.
    Revoked,
    /// Ended for good; a tombstone is kept.
    Retired,
}

impl AppState {
    /// As it is written anywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Live => "live",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Retired => "retired",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct AppFacts {
    pub name: Arc<str>,
    pub team: Group,
    pub class: Class,
    pub state: AppState,
    /// Who may use it; from the live release's manifest.
    pub access: Arc<Access>,
    /// The first moment at which the app no longer serves.
    pub expires_at: Timestamp,
    /// Rises at each revoke and restore: what was issued under a lower one is dead.
    pub credential_epoch: u64,
}
