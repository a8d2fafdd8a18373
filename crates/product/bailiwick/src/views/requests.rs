//! What waits for a person: what the app may do, what changed, and what was found.

use super::{
    View,
    app::{Sentence, sentences},
    findings,
};
use crate::{
    ink::Tone,
    page::{Cell, Page, short},
    typed::go_on,
};
use model::{Finding, Tier, Timestamp};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct RequestsView {
    requests: Vec<Request>,
    #[serde(default)]
    next: Option<String>,
    /// How the list was asked for; in text alone.
    #[serde(default)]
    typed: Option<String>,
    /// Where a person signs in, when the caller is `machine`, which approves nothing.
    #[serde(default)]
    sign_in_at: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Request {
    request: String,
    app: String,
    env: String,
    team: String,
    release: u32,
    state: String,
    exception: Option<String>,
    tier: Option<Tier>,
    #[serde(default)]
    reasons: Vec<Reason>,
    purpose: Option<String>,
    requester: Option<String>,
    /// Their address, where the directory still knows it.
    user: Option<String>,
    created_at: Timestamp,
    decided_at: Option<Timestamp>,
    /// `person:ID`, `machine:USER`.
    decided_by: Option<String>,
    /// The person's address, where the directory still knows it.
    decided_by_user: Option<String>,
    #[serde(default)]
    dependence: Vec<String>,
    #[serde(default)]
    may: Vec<Sentence>,
    compared_with: Option<u32>,
    #[serde(default)]
    changes: Vec<Change>,
    #[serde(default)]
    findings: Vec<Finding>,
}

#[derive(Debug, Deserialize)]
struct Reason {
    why: String,
}

#[derive(Debug, Deserialize)]
struct Change {
    kind: String,
    surface: String,
    text: String,
}

impl View for RequestsView {
    fn show(&self, page: &mut Page) {
        if self.requests.is_empty() {
            page.line("nothing waits");
            return;
        }
        for (index, request) in self.requests.iter().enumerate() {
            if index > 0 {
                page.blank();
            }
            request.show(page);
        }
        let waiting = self.requests.iter().find(|request| request.state == "waiting");
        match (&self.next, waiting, &self.sign_in_at) {
            (Some(next), ..) => page.next(go_on(self.typed.as_deref(), "requests", next)),
            (None, Some(_), Some(server)) => {
                page.blank();
                page.line("a person agrees, and you are `machine`: sign in as one, here or in the console");
                page.next(format!("bailiwick login {server}"));
            }
            (None, Some(first), None) => page.next(format!("bailiwick approve {} --why \"…\"", first.request)),
            (None, None, _) => {}
        }
    }
}

impl Request {
    fn show(&self, page: &mut Page) {
        let (state, app) = (page.state(&self.state), page.paint(Tone::Strong, &self.app));
        let tier = self.tier.map(|tier| format!(", {tier} tier")).unwrap_or_default();
        page.line(format!("{state}  {app}  {}, release {}{tier}", self.env, self.release));
        if let Some(purpose) = &self.purpose {
            page.under(purpose);
        }
        if let Some(exception) = &self.exception {
            let words = page.paint(Tone::Bad, &format!("EXCEPTION: {exception}"));
            page.under(words);
        }
        if !self.dependence.is_empty() {
            let words = format!("NOT INDEPENDENT: the approver has {} from whoever asked", self.dependence.join(", "));
            let words = page.paint(Tone::Bad, &words);
            page.under(words);
        }
        let by = match (&self.user, &self.requester) {
            (Some(user), _) => user.clone(),
            (None, Some(id)) => short(id),
            (None, None) => "machine".to_owned(),
        };
        let mut facts = vec![
            ("request", Cell::from(self.request.as_str())),
            ("asked", format!("{} by {by}, for {}", page.ago(self.created_at), self.team).into()),
        ];
        facts.extend(self.decided(page).map(|decided| ("decided", decided)));
        facts.extend(self.reasons.iter().map(|reason| ("because", Cell::from(reason.why.as_str()))));
        page.facts(facts);
        match self.compared_with {
            Some(old) => {
                page.under(format!("since release {old}:"));
                let row = |change: &Change| {
                    vec![
                        tone(&change.kind),
                        Cell::new(Tone::Quiet, change.surface.as_str()),
                        change.text.as_str().into(),
                    ]
                };
                page.rows(self.changes.iter().map(row).collect());
                if self.changes.is_empty() {
                    page.under("none in what it may do: the code alone is new");
                }
            }
            None => {
                page.under("as its first release:");
                page.rows(sentences(&self.may));
            }
        }
        if !self.findings.is_empty() {
            page.blank();
            findings::show(page, &self.findings);
        }
    }

    /// `1 minute ago by rita@example.test`.
    fn decided(&self, page: &Page) -> Option<Cell> {
        let ago = page.ago(self.decided_at?);
        let by = self.decided_by_user.clone().or_else(|| self.decided_by.as_deref().map(short));
        Some(by.map_or_else(|| ago.clone(), |by| format!("{ago} by {by}")).into())
    }
}

fn tone(kind: &str) -> Cell {
    match kind {
        "added" => Cell::new(Tone::Doubtful, "+ added"),
        "widened" => Cell::new(Tone::Doubtful, "+ widened"),
        "narrowed" => Cell::new(Tone::Good, "- narrowed"),
        "removed" => Cell::new(Tone::Good, "- removed"),
        other => Cell::new(Tone::Quiet, format!("~ {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn a_first_release_and_a_change() {
        let mut document = json!({ "requests": [
            { "request": "0192f0c4a1b27c3d8e9f001122334455", "app": "poll-notify", "app_id": "a", "env": "prod", "team": "people-ops",
              "release": 1, "digest": "sha256:ab", "state": "waiting", "tier": "medium",
              "reasons": [{ "tier": "medium", "why": "it reaches `slack.com` (`slack`)" }], "purpose": "Finds a time", "requester": null,
              "created_at": "2026-11-03T11:57:00.000Z", "decided_at": null,
              "may": [{ "surface": "broker", "text": "may POST to `slack.com/api/chat.postMessage`" }], "compared_with": null, "changes": [], "findings": [] },
            { "request": "0192", "app": "rooms", "app_id": "b", "env": "staging", "team": "it", "release": 4, "digest": "sha256:cd",
              "state": "approved", "exception": "break-glass", "tier": "high", "reasons": [], "purpose": null, "requester": "0192f0c4a1b27c3d8e9f001122334455", "user": "ana@example.test",
              "created_at": "2026-11-02T11:57:00.000Z", "decided_at": "2026-11-03T11:59:00.000Z", "decided_by": "machine:root", "may": [], "compared_with": 3,
              "changes": [{ "kind": "widened", "surface": "broker", "text": "GET to `rooms.corp.example`" }, { "kind": "removed", "surface": "data", "text": "keeps `notes`" }], "findings": [] },
        ]});
        insta::assert_snapshot!(shown::<RequestsView>(&document), @r#"
        ◌ waiting  poll-notify  prod, release 1, medium tier
          Finds a time
          request   0192f0c4a1b27c3d8e9f001122334455
          asked     3 minutes ago by machine, for people-ops
          because   it reaches `slack.com` (`slack`)
          as its first release:
          broker   may POST to `slack.com/api/chat.postMessage`

        ● approved  rooms  staging, release 4, high tier
          EXCEPTION: break-glass
          request   0192
          asked     1 day ago by ana@example.test, for it
          decided   1 minute ago by machine:root
          since release 3:
          + widened   broker   GET to `rooms.corp.example`
          - removed   data     keeps `notes`
        next: bailiwick approve 0192f0c4a1b27c3d8e9f001122334455 --why "…"
        "#);
        document["sign_in_at"] = json!("http://localhost:7070");
        document["requests"][1]["decided_by_user"] = json!("rita@example.test");
        let shown = shown::<RequestsView>(&document);
        assert!(shown.contains("decided   1 minute ago by rita@example.test\n"), "{shown}");
        assert!(shown.ends_with("next: bailiwick login http://localhost:7070"), "{shown}");
    }

    #[test]
    fn nothing() {
        insta::assert_snapshot!(shown::<RequestsView>(&json!({ "requests": [] })), @"nothing waits");
    }
}
