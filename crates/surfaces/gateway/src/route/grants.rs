//! What of a manifest the gateway keeps: who may come in, how often, and what runs. JSON in a row.

use model::{
    Group, Manifest, SecretId,
    manifest::{Access, LimitBy, PathPattern, Profile, RateLimit, SandboxLimits},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// As it is stored; fields are added, never repurposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grants {
    pub(crate) profile: Kind,
    everyone: bool,
    groups: Vec<Group>,
    roles: BTreeMap<String, Vec<Group>>,
    mfa: Vec<String>,
    public: Vec<String>,
    memory_bytes: u64,
    cpu_ms: u64,
    time_ms: u64,
    parallel: u32,
    storage_bytes: u64,
    rates: Vec<Rate>,
    /// Names of `env`, and the ids behind them.
    pub(crate) secrets: BTreeMap<String, SecretId>,
    /// Job name → schedule and zone.
    pub(crate) jobs: BTreeMap<String, (String, String)>,
    pub(crate) hosts: Vec<String>,
    /// Groups that may take a collection out.
    #[serde(default)]
    exports: Vec<Group>,
    #[serde(default)]
    addresses: Vec<ipnet::IpNet>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Wasm,
    Static,
    External,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Rate {
    count: u32,
    per_ms: u64,
    by: By,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    User,
    Address,
    App,
    Route,
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn texts(patterns: &[PathPattern]) -> Vec<String> {
    patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect()
}

impl Grants {
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let (access, limits) = (&manifest.access, manifest.runtime.limits);
        let rate = |rate: &RateLimit| Rate {
            count: rate.count,
            per_ms: ms(rate.per),
            by: match rate.by {
                LimitBy::User => By::User,
                LimitBy::Address => By::Address,
                LimitBy::App => By::App,
                LimitBy::Route => By::Route,
            },
        };
        Self {
            profile: match manifest.runtime.profile {
                Profile::Wasm => Kind::Wasm,
                Profile::Static => Kind::Static,
                Profile::External => Kind::External,
            },
            everyone: access.everyone,
            groups: access.groups.clone(),
            roles: access.roles.clone(),
            mfa: texts(&access.mfa),
            public: texts(&access.public),
            memory_bytes: limits.memory_bytes,
            cpu_ms: ms(limits.cpu),
            time_ms: ms(limits.time),
            parallel: limits.parallel,
            storage_bytes: limits.storage_bytes,
            rates: manifest.limits.requests.iter().map(rate).collect(),
            secrets: manifest.secrets.iter().map(|(name, secret)| (name.clone(), secret.id.clone())).collect(),
            jobs: manifest
                .jobs
                .iter()
                .map(|(name, job)| (name.clone(), (job.schedule.clone(), job.zone.clone())))
                .collect(),
            hosts: manifest.browser.hosts.clone(),
            exports: manifest.data.values().flat_map(|kept| &kept.export).cloned().collect(),
            addresses: access.addresses.clone(),
        }
    }

    /// `None` when a pattern cannot be read: then nobody may come in.
    pub(crate) fn access(&self) -> Option<Access> {
        let patterns =
            |texts: &[String]| texts.iter().map(|text| PathPattern::parse(text).ok()).collect::<Option<Vec<_>>>();
        Some(Access {
            everyone: self.everyone,
            groups: self.groups.clone(),
            roles: self.roles.clone(),
            mfa: patterns(&self.mfa)?,
            public: patterns(&self.public)?,
            addresses: self.addresses.clone(),
        })
    }

    pub(crate) const fn limits(&self) -> SandboxLimits {
        SandboxLimits {
            memory_bytes: self.memory_bytes,
            cpu: Duration::from_millis(self.cpu_ms),
            time: Duration::from_millis(self.time_ms),
            parallel: self.parallel,
            storage_bytes: self.storage_bytes,
        }
    }

    pub(crate) fn rates(&self) -> Vec<RateLimit> {
        let rate = |rate: &Rate| RateLimit {
            count: rate.count,
            per: Duration::from_millis(rate.per_ms),
            by: match rate.by {
                By::User => LimitBy::User,
                By::Address => LimitBy::Address,
                By::App => LimitBy::App,
                By::Route => LimitBy::Route,
            },
        };
        self.rates.iter().map(rate).collect()
    }

    /// The groups that the manifest names: the only ones of a person's that the app is told.
    pub(crate) fn named_groups(&self) -> BTreeSet<Group> {
        self.groups.iter().chain(self.roles.values().flatten()).chain(&self.exports).cloned().collect()
    }
}
