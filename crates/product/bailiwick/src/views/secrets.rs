//! Secrets, without their values: nothing here ever holds one.

use super::View;
use crate::{
    ink::Tone,
    page::{Cell, Page},
    when,
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct SecretsView {
    secrets: Vec<SecretView>,
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
    owner: Option<String>,
    purpose: Option<String>,
    expires: Option<String>,
    #[serde(default)]
    hosts: Vec<String>,
    attach: Option<String>,
    sensitivity: Option<String>,
    state: Option<String>,
    version: Option<u64>,
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
                Cell::or_none(secret.owner.as_deref()),
                Cell::or_none(secret.expires.as_deref()),
                Cell::from(secret.hosts.join(", ")),
            ]
        };
        page.table(&["secret", "environment", "app", "owner", "expires", "hosts"], self.secrets.iter().map(row).collect());
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
        let texts = [
            ("app", &self.app),
            ("owner", &self.owner),
            ("purpose", &self.purpose),
            ("hosts", &hosts),
            ("attached", &self.attach),
            ("sensitivity", &self.sensitivity),
            ("expires", &self.expires),
        ];
        let texts = texts.into_iter().filter_map(|(label, text)| Some((label, Cell::from(text.as_deref()?))));
        let version = self.version.map(|version| ("version", Cell::from(version.to_string())));
        page.facts(state.map(|state| ("state", state)).into_iter().chain(texts).chain(version));
        page.under("the value is kept, and never shown again");
    }
}

/// How many values a revoke ended.
#[derive(Debug, Deserialize)]
pub(crate) struct RevokedView {
    revoked: i64,
}

impl View for RevokedView {
    fn show(&self, page: &mut Page) {
        let state = page.state("revoked");
        page.line(format!("{state}  {}: what was attached with it is refused from now on", when::counted(self.revoked, "value")));
        page.under("end it at its provider too: whoever had a copy still has it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    fn slack() -> serde_json::Value {
        json!({ "id": "people-ops/slack-bot", "env": "prod", "app": "poll-notify", "owner": "people-ops", "purpose": "Posts how the poll stands",
            "expires": "2027-02-01", "hosts": ["slack.com"], "attach": "bearer", "sensitivity": "high", "version": 1 })
    }

    #[test]
    fn one() {
        insta::assert_snapshot!(shown::<SecretView>(&slack()), @"");
        insta::assert_snapshot!(shown::<SecretEnvsView>(&json!({ "secret": [] })), @"");
    }

    #[test]
    fn a_list() {
        insta::assert_snapshot!(shown::<SecretsView>(&json!({ "secrets": [slack()] })), @"");
        insta::assert_snapshot!(shown::<SecretsView>(&json!({ "secrets": [] })), @"");
    }

    #[test]
    fn revoked() {
        insta::assert_snapshot!(shown::<RevokedView>(&json!({ "revoked": 2 })), @"");
    }
}
