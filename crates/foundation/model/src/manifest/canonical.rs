//! The grants of a manifest as one canonical text: what an approval binds to, by its digest.

use super::{Manifest, SandboxLimits};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// Rises when the same manifest would give other bytes, so that an old approval does not fit by chance.
const FORMAT: u32 = 1;

impl Manifest {
    /// The bytes that stand for everything the app may do, and until when.
    ///
    /// JSON without spaces, keys sorted, lists that are sets sorted and without repetition; whole numbers only
    /// (bytes, milliseconds). That is RFC 8785 for the values that occur. Comments, order, line numbers, the builder's
    /// names of destinations, `purpose`, `main` and `assets` make no difference: the bundle's digest holds those.
    #[must_use]
    pub fn canonical_json(&self) -> Vec<u8> {
        let grants = json!({
            "format": FORMAT,
            "app": {
                "name": self.app.name,
                "team": self.app.team,
                "class": self.app.class,
                "expires": self.app.expires.to_string(),
            },
            "runtime": { "profile": self.runtime.profile, "limits": limits(&self.runtime.limits) },
            "access": {
                "everyone": self.access.everyone,
                "groups": set(self.access.groups.iter().map(|group| json!(group))),
                "roles": set(self.access.roles.iter().flat_map(|(role, groups)| groups.iter().map(move |group| json!([role, group])))),
                "mfa": set(self.access.mfa.iter().map(|path| json!(path))),
                "public": set(self.access.public.iter().map(|path| json!(path))),
                "addresses": set(self.access.addresses.iter().map(|net| json!(net.to_string()))),
            },
            "secrets": Value::Object(self.secrets.iter().map(|(name, secret)| (name.clone(), json!(secret.id))).collect()),
            "connect": set(self.reach().iter().map(|((endpoint, path, secret), methods)| {
                json!({ "endpoint": endpoint, "path": path, "secret": secret, "methods": methods })
            })),
            "reasons": Value::Object(self.reasons().into_iter().map(|(endpoint, why)| (endpoint, json!(why))).collect()),
            "data": self.kept(),
            "jobs": Value::Object(self.jobs.iter().map(|(name, job)| (name.clone(), json!([job.schedule, job.zone]))).collect()),
            "browser": set(self.browser.hosts.iter().map(|host| json!(host))),
            "limits": {
                "requests": set(self.rates().iter().map(|((by, per), count)| json!({ "by": by, "per_ms": ms(*per), "count": count }))),
                "rows": self.limits.rows,
            },
        });
        sorted(grants).to_string().into_bytes()
    }

    fn kept(&self) -> Value {
        let collections = self.data.iter().map(|(name, kept)| {
            let fields =
                kept.fields.iter().map(|(name, field)| (name.clone(), json!([field.class, field.kind]))).collect();
            let export = set(kept.export.iter().map(|group| json!(group)));
            // Left out when it says nothing, so that what was approved before there were exports still fits.
            let said = match kept.export.is_empty() {
                true => json!({ "retain_ms": ms(kept.retain), "fields": Value::Object(fields) }),
                false => json!({ "retain_ms": ms(kept.retain), "fields": Value::Object(fields), "export": export }),
            };
            (name.clone(), said)
        });
        Value::Object(collections.collect())
    }
}

fn limits(limits: &SandboxLimits) -> Value {
    json!({
        "memory_bytes": limits.memory_bytes,
        "cpu_ms": ms(limits.cpu),
        "time_ms": ms(limits.time),
        "parallel": limits.parallel,
        "storage_bytes": limits.storage_bytes,
    })
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A list whose order says nothing.
fn set(items: impl Iterator<Item = Value>) -> Value {
    let items: BTreeMap<String, Value> = items.map(sorted).map(|item| (item.to_string(), item)).collect();
    Value::Array(items.into_values().collect())
}

/// The same value with the keys of every object in order, whatever map `serde_json` was built with.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}
