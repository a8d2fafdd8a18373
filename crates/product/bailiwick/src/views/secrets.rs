//! Secrets, without their values: nothing here ever holds one.

use super::{View, reach::Reach};
use crate::{
    ink::Tone,
    page::{Cell, Page, short},
    typed::go_on,
    when,
};
use model::Timestamp;
use serde::Deserialize;
use std::time::Duration;

#[derive(Debug, Deserialize)]
pub(crate) struct SecretsView {
    secrets: Vec<SecretView>,
    #[serde(default)]
    next: Option<String>,
    /// How the list was asked for; in text alone.
    #[serde(default)]
    typed: Option<String>,
}

/// One secret in every environment.
#[derive(Debug, Deserialize)]
pub(crate) struct SecretEnvsView {
    secret: Vec<SecretView>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SecretView {
    id: String,
    env: Option<String>,
    app: Option<String>,
    owner: Option<Owner>,
    purpose: Option<String>,
    expires_at: Option<Timestamp>,
    #[serde(default)]
    hosts: Vec<String>,
    attach: Option<String>,
    sensitivity: Option<String>,
    state: Option<String>,
    last_used: Option<Timestamp>,
    #[serde(default)]
    replaced: bool,
}

/// Who answers for it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Owner {
    Named(String),
    Person { person: String },
    Group { group: String },
}

impl Owner {
    fn words(&self) -> String {
        match self {
            Self::Named(name) => name.clone(),
            Self::Person { person } => short(person),
            Self::Group { group } => group.clone(),
        }
    }
}

impl View for SecretsView {
    fn show(&self, page: &mut Page) {
        if self.secrets.is_empty() {
            page.line("no secret is kept yet");
            page.next("bailiwick secret put TEAM/NAME --app APP --env prod --owner WHO --purpose \"…\" --expires DATE --host HOST");
            return;
        }
        let row = |secret: &SecretView| {
            vec![
                Cell::new(Tone::Strong, secret.id.as_str()),
                Cell::or_none(secret.env.as_deref()),
                Cell::or_none(secret.app.as_deref()),
                Cell::or_none(secret.owner.as_ref().map(Owner::words).as_deref()),
                secret.state.as_deref().map_or_else(|| Cell::or_none(None), Cell::state),
                Cell::or_none(secret.expires_at.map(|at| page.ago(at)).as_deref()),
                Cell::from(secret.hosts.join(", ")),
            ]
        };
        let rows = self.secrets.iter().map(row).collect();
        page.table(&["secret", "environment", "app", "owner", "state", "ends", "hosts"], rows);
        if let Some(next) = &self.next {
            page.next(go_on(self.typed.as_deref(), "secret list", next));
        }
    }
}

impl View for SecretEnvsView {
    fn show(&self, page: &mut Page) {
        for (index, secret) in self.secret.iter().enumerate() {
            if index > 0 {
                page.blank();
            }
            secret.show(page);
        }
        if self.secret.is_empty() {
            page.line("no value is kept under this id");
        }
    }
}

impl View for SecretView {
    fn show(&self, page: &mut Page) {
        let id = page.paint(Tone::Strong, &self.id);
        let env = self.env.as_deref().map(|env| format!("  {env}")).unwrap_or_default();
        page.line(format!("{id}{env}"));
        let hosts = Some(self.hosts.join(", ")).filter(|hosts| !hosts.is_empty());
        let state = self.state.as_deref().map(Cell::state);
        let owner = self.owner.as_ref().map(Owner::words);
        // The moment is the first at which it cannot be used; people count the last day on which it can.
        let last_day = |at: Timestamp| when::day(at.minus(Duration::from_millis(1)));
        let ends = self.expires_at.map(|at| format!("{}, after {}", page.ago(at), last_day(at)));
        let used = self.last_used.map(|at| page.ago(at));
        let texts = [
            ("app", &self.app),
            ("owner", &owner),
            ("purpose", &self.purpose),
            ("hosts", &hosts),
            ("attached", &self.attach),
            ("sensitivity", &self.sensitivity),
            ("ends", &ends),
            ("last used", &used),
        ];
        let texts = texts.into_iter().filter_map(|(label, text)| Some((label, Cell::from(text.as_deref()?))));
        let facts: Vec<_> = state.map(|state| ("state", state)).into_iter().chain(texts).collect();
        page.facts(facts);
        if self.replaced {
            page.under("it replaced the value that was kept before, which is gone");
        }
        page.under("the value is kept, and never shown again");
    }
}

/// How many values a revoke ended.
#[derive(Debug, Deserialize)]
pub(crate) struct RevokedView {
    revoked: Vec<SecretView>,
    #[serde(flatten)]
    reach: Reach,
}

impl View for RevokedView {
    fn show(&self, page: &mut Page) {
        if self.revoked.is_empty() {
            page.line("nothing was revoked: no value is kept under this id");
            return;
        }
        for secret in &self.revoked {
            let (state, id) = (page.state("revoked"), page.paint(Tone::Strong, &secret.id));
            let env = secret.env.as_deref().unwrap_or_default();
            page.line(format!("{state}  {id}  {env}"));
        }
        page.under("calls that carry it are refused from now on");
        page.under("end it at its provider too: whoever had a copy still has it");
        self.reach.show(page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    fn slack() -> serde_json::Value {
        json!({ "id": "people-ops/slack-bot", "env": "prod", "app": "poll-notify", "owner": { "group": "people-ops" }, "purpose": "Posts how the poll stands",
            "expires_at": "2027-02-01T12:00:00.000Z", "hosts": ["slack.com"], "attach": "bearer", "sensitivity": "high", "version": 1,
            "bound": true, "state": "ready", "last_used": "2026-11-03T11:57:00.000Z" })
    }

    #[test]
    fn one() {
        insta::assert_snapshot!(shown::<SecretView>(&slack()), @"
        people-ops/slack-bot  prod
          state         ● ready
          app           poll-notify
          owner         people-ops
          purpose       Posts how the poll stands
          hosts         slack.com
          attached      bearer
          sensitivity   high
          ends          in 90 days, after 2027-02-01
          last used     3 minutes ago
          the value is kept, and never shown again
        ");
        insta::assert_snapshot!(shown::<SecretEnvsView>(&json!({ "secret": [] })), @"no value is kept under this id");
    }

    #[test]
    fn a_list() {
        insta::assert_snapshot!(shown::<SecretsView>(&json!({ "secrets": [slack()] })), @"
        secret                 environment   app           owner        state     ends         hosts
        people-ops/slack-bot   prod          poll-notify   people-ops   ● ready   in 90 days   slack.com
        ");
        insta::assert_snapshot!(shown::<SecretsView>(&json!({ "secrets": [] })), @r#"
        no secret is kept yet
        next: bailiwick secret put TEAM/NAME --app APP --env prod --owner WHO --purpose "…" --expires DATE --host HOST
        "#);
    }

    #[test]
    fn revoked() {
        insta::assert_snapshot!(shown::<RevokedView>(&json!({ "revoked": [slack()] })), @"
        ✕ revoked  people-ops/slack-bot  prod
          calls that carry it are refused from now on
          end it at its provider too: whoever had a copy still has it
        ");
        insta::assert_snapshot!(shown::<RevokedView>(&json!({ "revoked": [] })), @"nothing was revoked: no value is kept under this id");
    }
}
