//! Attaching: the placeholder of a request's head becomes the value, after the use is on the record.
//!
//! Refuses a placeholder that is unknown, foreign or dead, one that stands anywhere but in its secret's position, one
//! that goes to another host, and every use that cannot be recorded.

use crate::{
    Error, Scrubber, UseSecret, Vault,
    bindings::Binding,
    entry::Entry,
    place::Spot,
    placeholder::{self, Found},
    refusal::{self, Use},
    value,
};
use authority::{Act, Instance};
use http::request::Parts;
use model::{Problem, SecretId};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};
use store::Outcome;

/// What a message proposes as the last day of a value that is put: credentials are looked at again each quarter.
const PROPOSED_LIFE: std::time::Duration = std::time::Duration::from_secs(90 * 86_400);

/// Where a request goes: what the broker judged and connected to.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// Lower-case A-labels, or an address (IPv6 in brackets).
    pub host: &'a str,
    pub port: u16,
    pub tls: bool,
    /// Variable of the secret that the grant names.
    pub secret: Option<&'a str>,
}

/// A value went into the request: what has to be looked for in the answer.
#[derive(Debug)]
pub struct Attached {
    pub scrubber: Scrubber,
}

/// A use that may take place.
struct Release {
    variable: String,
    entry: Arc<Entry>,
    spot: Spot,
}

/// A use that may not; the secret, when it is known which.
struct Refused {
    variable: Option<String>,
    id: Option<SecretId>,
    problem: Problem,
}

impl Vault {
    /// The placeholders of a new instance, by variable. Asked again, the same ones.
    #[must_use]
    pub fn placeholders(&self, instance: &Instance) -> BTreeMap<String, String> {
        match self.memory.find(&instance.app) {
            Some(bound) if instance.credential_epoch >= bound.credential_epoch => {
                self.placeholders.make(instance, bound.variables.keys())
            }
            Some(_) | None => BTreeMap::new(),
        }
    }

    /// The instance has ended; so have its placeholders.
    pub fn forget(&self, instance: &str) {
        self.placeholders.forget(instance);
    }

    /// Puts the value in its placeholder's stead. `None`: there is no placeholder in the head, and nothing changed.
    ///
    /// # Errors
    /// A refusal, for the guest. Nothing of the request was changed.
    pub async fn attach(
        &self,
        instance: &Instance,
        to: &Destination<'_>,
        head: &mut Parts,
    ) -> Result<Option<Attached>, Problem> {
        let found = placeholder::find(head);
        if found == Found::None {
            return Ok(None);
        }
        let release = match self.judge(instance, to, head, &found) {
            Ok(release) => release,
            Err(refused) => return Err(self.refuse(instance, to, refused).await),
        };
        self.record(instance, to, &release).await?;
        // Cut, revoked or rotated while the record was written: what holds now counts.
        let release = match self.judge(instance, to, head, &found) {
            Ok(release) => release,
            Err(refused) => return Err(self.refuse(instance, to, refused).await),
        };
        self.fill(release, head).map(Some)
    }

    fn judge(
        &self,
        instance: &Instance,
        to: &Destination<'_>,
        head: &Parts,
        found: &Found,
    ) -> Result<Release, Refused> {
        let nobody = |problem| Refused { variable: None, id: None, problem };
        let Found::One(placeholder) = found else {
            return Err(nobody(refusal::odd_placeholder()));
        };
        let variable = self.placeholders.variable(instance, placeholder);
        let variable = variable.ok_or_else(|| nobody(refusal::foreign_placeholder()))?;
        let bound = self.memory.find(&instance.app).filter(|bound| instance.credential_epoch >= bound.credential_epoch);
        let binding = bound.as_ref().and_then(|bound| bound.variables.get(&variable));
        let binding = binding.ok_or_else(|| nobody(refusal::foreign_placeholder()))?;
        let until = self.clock.now().plus(PROPOSED_LIFE).to_string().chars().take(10).collect();
        let using = Use { instance, to, variable: &variable, id: &binding.secret, until };
        match self.usable(&using, binding, head, placeholder) {
            Ok((entry, spot)) => Ok(Release { variable, entry, spot }),
            Err(problem) => Err(Refused { id: Some(binding.secret.clone()), variable: Some(variable), problem }),
        }
    }

    fn usable(
        &self,
        using: &Use<'_>,
        binding: &Binding,
        head: &Parts,
        placeholder: &str,
    ) -> Result<(Arc<Entry>, Spot), Problem> {
        let to = using.to;
        let endpoint = format!("{}:{}", to.host, to.port);
        if to.secret != Some(using.variable) || !binding.endpoints.contains(&endpoint) {
            return Err(using.not_of_grant());
        }
        let entry = binding.entry.as_ref().ok_or_else(|| using.missing())?;
        if entry.sealed.is_none() || entry.revoked_at.is_some() || self.memory.is_dead(entry) {
            return Err(using.revoked());
        }
        if self.clock.now() >= entry.expires_at {
            return Err(using.expired(entry));
        }
        if entry.version != binding.version {
            return Err(using.changed());
        }
        if !entry.covers(to.host, to.port) {
            return Err(using.other_host(entry));
        }
        let spot = entry.place.find(head, placeholder).ok_or_else(|| using.wrong_place(entry))?;
        Ok((Arc::clone(entry), spot))
    }

    fn act(&self, instance: &Instance, to: &Destination<'_>, id: Option<&SecretId>) -> UseSecret {
        UseSecret {
            tenant: self.tenant.clone(),
            app: instance.app.clone(),
            id: id.cloned(),
            host: refusal::shown(to.host),
            port: to.port,
        }
    }

    /// The event of the use is durable when this returns.
    async fn record(&self, instance: &Instance, to: &Destination<'_>, release: &Release) -> Result<(), Problem> {
        let entry = &release.entry;
        let detail = json!({
            "secret": entry.id, "variable": release.variable, "host": to.host, "port": to.port, "tls": to.tls,
            "version": entry.version, "value": entry.value_number, "instance": instance.id,
        });
        let act = self.act(instance, to, Some(&entry.id));
        let recorded = self.write_event(instance, &act, Outcome::Allowed, &detail).await;
        if let Err(Error::Denied(denied)) = &recorded
            && let Err(error) = self.store.denied(denied, &instance.caller, &act.target()).await
        {
            tracing::error!(secret = %entry.id, error = &error as &dyn std::error::Error, "a refusal could not be recorded");
        }
        recorded.map_err(|error| logged(&error))
    }

    /// A refusal is on the record too; it stands whether or not it could be written.
    async fn refuse(&self, instance: &Instance, to: &Destination<'_>, refused: Refused) -> Problem {
        let Refused { variable, id, problem } = refused;
        let act = self.act(instance, to, id.as_ref());
        let detail =
            json!({ "secret": id, "variable": variable, "host": act.host, "port": to.port, "code": problem.code });
        if let Err(error) = self.write_event(instance, &act, Outcome::Denied, &detail).await {
            tracing::warn!(
                code = problem.code,
                error = &error as &dyn std::error::Error,
                "a refusal could not be recorded"
            );
        }
        problem
    }

    async fn write_event(
        &self,
        instance: &Instance,
        act: &UseSecret,
        outcome: Outcome,
        detail: &serde_json::Value,
    ) -> Result<(), Error> {
        let once = || async {
            let permit = self.authority.permit(&instance.caller, act.clone()).await?;
            self.store.record(permit, outcome, detail.clone()).await?;
            Ok(())
        };
        self.store.again(once).await
    }

    /// The one place where a value is opened.
    fn fill(&self, release: Release, head: &mut Parts) -> Result<Attached, Problem> {
        let Release { entry, spot, .. } = release;
        let context = value::context(&entry.id, entry.env, entry.value_number);
        let sealed = entry.sealed.as_deref().unwrap_or_default();
        let value = self.key.open(&context, sealed).map_err(|error| logged(&error.into()))?;
        let value = std::str::from_utf8(&value).map_err(|_| Problem::internal())?;
        spot.fill(head, value).ok_or_else(Problem::internal)?;
        Ok(Attached { scrubber: Scrubber::new(value) })
    }
}

fn logged(error: &Error) -> Problem {
    if !matches!(error, Error::Denied(_) | Error::Refused(_)) {
        tracing::error!(error = error as &dyn std::error::Error, "a secret could not be attached");
    }
    Problem::from(error)
}
