//! The acts of the vault.
//!
//! Those that carry a value can be printed without showing it.

use crate::{Owner, SecretString, Sensitivity};
use authority::{Act, AppRef, Judged, Rule, Target, rules};
use jiff::civil::Date;
use model::{Env, SecretId, TenantId};
use serde_json::json;

/// What an event of a secret is about.
pub(crate) fn resource(id: &str, env: Env) -> String {
    format!("secret/{id}/{env}")
}

fn target(tenant: &TenantId, id: &SecretId, env: Env) -> Target {
    Target { env: Some(env), ..Target::new(tenant.clone(), resource(id.as_str(), env)) }
}

/// Store a value, or replace an entry and its value.
#[derive(Debug, Clone)]
pub struct PutSecret {
    pub tenant: TenantId,
    /// `team/name`.
    pub id: SecretId,
    pub env: Env,
    /// The only app that can take it; none: the first approved app of the team that names it.
    pub app: Option<String>,
    pub owner: Owner,
    pub purpose: String,
    /// The last day on which it may be used, UTC.
    pub expires: Date,
    /// `slack.com`, or `rooms.corp.example:8443` for one port alone.
    pub hosts: Vec<String>,
    /// `bearer` (the default), `basic`, `header:NAME`, `header:NAME:WORD`, `query:NAME`.
    pub attach: Option<String>,
    /// High when it is not said.
    pub sensitivity: Option<Sensitivity>,
    pub value: SecretString,
}

impl Act for PutSecret {
    const RULE: &'static Rule = &rules::SECRET_PUT;

    fn target(&self) -> Target {
        target(&self.tenant, &self.id, self.env)
    }

    fn facts(&self) -> Judged {
        json!({ "hosts": self.hosts, "attach": self.attach, "sensitivity": self.sensitivity, "expires": self.expires.to_string() }).into()
    }
}

/// Replace a value; the old one is gone.
#[derive(Debug, Clone)]
pub struct RotateSecret {
    pub tenant: TenantId,
    pub id: SecretId,
    pub env: Env,
    pub value: SecretString,
}

impl Act for RotateSecret {
    const RULE: &'static Rule = &rules::SECRET_PUT;

    fn target(&self) -> Target {
        target(&self.tenant, &self.id, self.env)
    }
}

/// See which secrets there are: one of them, or all.
#[derive(Debug, Clone)]
pub struct ListSecrets {
    pub tenant: TenantId,
    pub id: Option<SecretId>,
}

impl Act for ListSecrets {
    const RULE: &'static Rule = &rules::SECRET_LIST;

    fn target(&self) -> Target {
        let resource = self.id.as_ref().map_or_else(|| "secrets".to_owned(), |id| format!("secret/{id}"));
        Target::new(self.tenant.clone(), resource)
    }
}

/// Make a secret unusable, now; its value is deleted.
#[derive(Debug, Clone)]
pub struct RevokeSecret {
    pub tenant: TenantId,
    pub id: SecretId,
    pub env: Env,
    pub why: String,
}

impl Act for RevokeSecret {
    const RULE: &'static Rule = &rules::SECRET_REVOKE;

    fn target(&self) -> Target {
        target(&self.tenant, &self.id, self.env)
    }
}

/// Attach a secret to one call of an app.
#[derive(Debug, Clone)]
pub struct UseSecret {
    pub(crate) tenant: TenantId,
    pub(crate) app: AppRef,
    /// None: a placeholder that is nobody's.
    pub(crate) id: Option<SecretId>,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Act for UseSecret {
    const RULE: &'static Rule = &rules::SECRET_USE;

    fn target(&self) -> Target {
        let id = self.id.as_ref().map_or("none", SecretId::as_str);
        Target::within(self.tenant.clone(), &self.app, resource(id, self.app.env))
    }

    fn facts(&self) -> Judged {
        json!({ "secret": self.id, "host": self.host, "port": self.port }).into()
    }
}
