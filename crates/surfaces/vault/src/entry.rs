//! One entry: what is known of a secret besides its value, and how it is shown.
//!
//! Refuses an entry without owner, purpose, expiry and host.

use crate::{Place, PutSecret, SecretHost, refusal};
use jiff::{ToSpan, civil::Date, tz::TimeZone};
use model::{Env, EventId, Group, PersonId, Problem, SecretId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

/// A year at most: who still needs it then says so again.
const EXPIRES_AHEAD_DAYS_MAX: i32 = 366;
const PURPOSE_CHARS_MAX: usize = 500;
/// A secret's hosts are one system's; more are several secrets.
const HOSTS_MAX: usize = 20;
const NAME_BYTES_MAX: usize = 40;

/// Who answers for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    Person(PersonId),
    Group(Group),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(id) => write!(f, "person:{id}"),
            Self::Group(group) => write!(f, "group:{group}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sensitivity {
    Critical,
    High,
    Low,
}

impl Sensitivity {
    pub const ALL: [Self; 3] = [Self::Critical, Self::High, Self::Low];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Low => "low",
        }
    }
}

impl FromStr for Sensitivity {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let found = Self::ALL.into_iter().find(|one| one.as_str() == text);
        found.ok_or_else(|| {
            refusal::field("sensitivity", "it is `critical`, `high` or `low`", "give it with `--sensitivity high`")
        })
    }
}

/// Whether it can be used now, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretState {
    /// Bound to a live app, and usable.
    Ready,
    /// No live app has it.
    Unbound,
    /// Its hosts or position changed since its app was approved.
    Changed,
    Expired,
    Revoked,
}

/// How a secret stands that a manifest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub state: SecretState,
    /// The first moment at which it cannot be used any more.
    pub expires_at: Timestamp,
}

/// What `secret revoke` prints for one environment.
#[derive(Debug)]
pub struct Revoked {
    pub id: SecretId,
    pub env: Env,
    /// How it looks now; none when the database could not be asked.
    pub secret: Option<SecretView>,
    pub event: EventId,
    pub recorded: store::Recorded,
}

/// An entry as people see it. Holds no value, and never did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretView {
    pub id: SecretId,
    pub env: Env,
    pub owner: Owner,
    pub purpose: String,
    /// The first moment at which it cannot be used any more.
    pub expires_at: Timestamp,
    pub hosts: Vec<String>,
    pub attach: String,
    pub sensitivity: Sensitivity,
    /// Rises when hosts or position change.
    pub version: u64,
    /// The app that has it, or alone may take it.
    pub app: Option<String>,
    /// Whether a live app has it.
    pub bound: bool,
    pub created_at: Timestamp,
    pub put_at: Timestamp,
    pub last_used: Option<Timestamp>,
    pub state: SecretState,
    /// Told by what stores a value: whether there was one before, which is gone now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced: Option<bool>,
}

/// What one row says; the value is sealed.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) id: SecretId,
    pub(crate) env: Env,
    pub(crate) owner: Owner,
    pub(crate) purpose: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) hosts: Vec<SecretHost>,
    pub(crate) place: Place,
    pub(crate) sensitivity: Sensitivity,
    pub(crate) version: u64,
    /// Counts the values that were put; each is sealed for its number.
    pub(crate) value_number: u64,
    pub(crate) sealed: Option<Arc<[u8]>>,
    pub(crate) created_at: Timestamp,
    pub(crate) put_at: Timestamp,
    pub(crate) revoked_at: Option<Timestamp>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("id", &self.id)
            .field("env", &self.env)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Entry {
    /// Reads what someone asks to put, as the first of its id; the value is judged, not taken.
    pub(crate) fn asked(act: &PutSecret, now: Timestamp) -> Result<Self, Problem> {
        team(&act.id)?;
        if let Some(name) = act.app.as_deref().filter(|name| !label(name)) {
            return Err(refusal::app_name(name));
        }
        let purpose = act.purpose.trim();
        if purpose.is_empty() || purpose.chars().count() > PURPOSE_CHARS_MAX || purpose.chars().any(char::is_control) {
            let why = "who meets it later must know what it is for; one line of 500 characters at most";
            return Err(refusal::field("purpose", why, "give it with `--purpose \"Posts poll results to Slack\"`"));
        }
        let named = match &act.owner {
            Owner::Person(id) => !id.as_str().is_empty(),
            Owner::Group(group) => label(group.as_str()),
        };
        if !named {
            return Err(refusal::field(
                "owner",
                "someone answers for each secret",
                "give a person or a group with `--owner people-ops`",
            ));
        }
        if act.hosts.is_empty() || act.hosts.len() > HOSTS_MAX {
            return Err(refusal::field(
                "host",
                "a secret goes to its own hosts alone: one at least, 20 at most",
                "give it with `--host slack.com`",
            ));
        }
        let mut hosts = act.hosts.iter().map(|host| host.parse()).collect::<Result<Vec<SecretHost>, _>>()?;
        hosts.sort();
        hosts.dedup();
        let place = act.attach.as_deref().unwrap_or("bearer").parse()?;
        crate::value::judge(&act.value, &place)?;
        Ok(Self {
            id: act.id.clone(),
            env: act.env,
            owner: act.owner.clone(),
            purpose: purpose.to_owned(),
            expires_at: end_of(act.expires, now)?,
            hosts,
            place,
            sensitivity: act.sensitivity.unwrap_or(Sensitivity::High),
            version: 1,
            value_number: 1,
            sealed: None,
            created_at: now,
            put_at: now,
            revoked_at: None,
        })
    }

    /// Follows an entry of the same id: the version rises when hosts or position differ, and only then.
    pub(crate) fn follow(&mut self, before: &Self) {
        let same = self.hosts == before.hosts && self.place == before.place;
        self.version = before.version + u64::from(!same);
        self.value_number = before.value_number + 1;
        self.created_at = before.created_at;
    }

    pub(crate) fn covers(&self, host: &str, port: u16) -> bool {
        self.hosts.iter().any(|own| own.covers(host, port))
    }
}

/// The team that an id belongs to.
pub(crate) fn team(id: &SecretId) -> Result<&str, Problem> {
    let word = |text: &str| {
        (1..=NAME_BYTES_MAX).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_'))
    };
    let parts = id.as_str().split_once('/').filter(|(team, name)| label(team) && word(name));
    parts.map(|(team, _)| team).ok_or_else(|| refusal::id(id.as_str()))
}

fn label(text: &str) -> bool {
    (2..=NAME_BYTES_MAX).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
        && !text.contains("--")
        && !text.ends_with('-')
}

/// The first moment after the day.
fn end_of(day: Date, now: Timestamp) -> Result<Timestamp, Problem> {
    let today = now.to_jiff().to_zoned(TimeZone::UTC).date();
    let last = today.saturating_add(EXPIRES_AHEAD_DAYS_MAX.days());
    if day < today {
        return Err(refusal::expiry("that day is past"));
    }
    if day > last {
        return Err(refusal::expiry("it is more than a year ahead, and nobody would remember it then"));
    }
    let next = day.tomorrow().ok().and_then(|next| next.to_zoned(TimeZone::UTC).ok());
    next.map(|next| Timestamp::from(next.timestamp())).ok_or_else(|| refusal::expiry("it is out of range"))
}
