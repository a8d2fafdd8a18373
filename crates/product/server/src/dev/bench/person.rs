//! The made-up person: added as anyone is, in the groups that let them in, and signed in by a link that is spent.

use super::Bench;
use crate::dev::DevOptions;
use axum::http::{HeaderValue, Method};
use bytes::Bytes;
use model::{Group, Manifest, Problem};
use serde_json::json;
use std::collections::BTreeSet;
use tokio::sync::Mutex as Turn;

/// Who opens the app here.
pub(super) struct Made {
    pub(super) email: String,
    /// Those of the command line, when it named any.
    chosen: Option<BTreeSet<Group>>,
    /// Those that they are in. One link at a time: a newer one voids the last.
    joined: Turn<BTreeSet<Group>>,
}

impl Made {
    pub(super) fn new(options: &DevOptions) -> Self {
        let chosen: BTreeSet<Group> = options.groups.iter().map(|group| Group::new(group.as_str())).collect();
        Self { email: options.email.clone(), chosen: (!chosen.is_empty()).then_some(chosen), joined: Turn::default() }
    }

    /// Every group that the manifest names, unless the command line chose.
    pub(super) fn groups(&self, manifest: &Manifest) -> BTreeSet<Group> {
        self.chosen.clone().unwrap_or_else(|| manifest.groups())
    }
}

impl Bench {
    /// Adds the person, or the groups that a save came to name.
    pub(super) async fn let_in(&self, manifest: &Manifest) -> Result<(), Problem> {
        let groups = self.person.groups(manifest);
        let mut joined = self.person.joined.lock().await;
        if !groups.is_subset(&joined) {
            joined.extend(groups);
            self.link(&joined).await?;
        }
        Ok(())
    }

    async fn link(&self, groups: &BTreeSet<Group>) -> Result<String, Problem> {
        let body = json!({ "email": self.person.email, "groups": groups });
        let added = self.ask(Method::POST, "/api/v1/people", &body).await?;
        Ok(super::text(&added, "link"))
    }

    /// A new session at the console, as the cookie that carries it.
    pub(crate) async fn sign_in(&self) -> Result<HeaderValue, Problem> {
        let joined = self.person.joined.lock().await;
        let link = self.link(&joined).await?;
        let path = link.strip_prefix(self.server.url()).unwrap_or(&link);
        let ours = [("sec-fetch-site", "same-origin"), ("user-agent", "bailiwick dev")];
        self.send(Method::POST, path, &ours, Bytes::new()).await?.cookie.ok_or_else(Problem::internal)
    }
}
