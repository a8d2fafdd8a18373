//! What policy says of a release before anybody deploys it, asked with no server.
//!
//! It knows no waivers, and nobody lacks a role here: who deploys, and what was agreed to, the server knows.

use super::{Checked, MANIFEST};
use crate::{DeployApp, First, decide::facts};
use authority::{AppRef, Authority, Caller, Who};
use model::{AppId, Env, Finding, Severity, TenantId};
use std::sync::Arc;

impl Checked {
    /// Why the policy of `authority` would refuse to make this live: the first of its reasons.
    #[must_use]
    pub fn refused_by(&self, authority: &Authority) -> Option<Finding> {
        let manifest = self.manifest();
        let act = DeployApp {
            tenant: TenantId::main(),
            app: AppRef { id: AppId::generate(), env: Env::Prod },
            name: manifest.app.name.as_str().into(),
            team: manifest.app.team.clone(),
            first: First::Yes,
            facts: facts(manifest, &self.unpacked().digest().to_string(), Env::Prod).into(),
            waivers: Arc::new([]),
        };
        let machine = Caller::new(TenantId::main(), Who::Machine { system_user: "check".into() });
        let denied = authority.decide(&machine, act).err()?;
        Some(Finding {
            code: denied.code,
            severity: Severity::Block,
            file: Some(MANIFEST.to_owned()),
            line: None,
            column: None,
            what: denied.why,
            why: "a rule of your organisation's policy refuses it".to_owned(),
            fix: denied.fix,
            edits: Vec::new(),
            waiver: None,
        })
    }
}
