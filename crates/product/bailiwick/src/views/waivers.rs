//! Waivers: what is waived for whom, until when, by whom and why.

use super::View;
use crate::{
    ink::Tone,
    page::{Cell, Page},
    typed::go_on,
    when,
};
use model::Timestamp;
use serde::Deserialize;
use std::time::Duration;

#[derive(Debug, Deserialize)]
pub(crate) struct WaiversView {
    waivers: Vec<WaiverView>,
    #[serde(default)]
    next: Option<String>,
    /// How the list was asked for; in text alone.
    #[serde(default)]
    typed: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WaiverView {
    id: String,
    app: String,
    code: String,
    state: String,
    until: Timestamp,
    user: String,
    exception: Option<String>,
    #[serde(default)]
    dependence: Vec<String>,
    why: Option<String>,
}

impl View for WaiversView {
    fn show(&self, page: &mut Page) {
        if self.waivers.is_empty() {
            page.line("nothing is waived");
            return;
        }
        let rows = self.waivers.iter().map(|waiver| {
            let mut row = waiver.row();
            row.insert(1, Cell::new(Tone::Strong, waiver.app.as_str()));
            row
        });
        let rows = rows.collect();
        page.table(&["state", "app", "rule", "last day", "agreed to by", "why", "waiver"], rows);
        let active = self.waivers.iter().find(|waiver| waiver.state == "active");
        match (&self.next, active) {
            (Some(next), _) => page.next(go_on(self.typed.as_deref(), "waivers list", next)),
            (None, Some(active)) => page.next(format!("bailiwick waivers end {} --why \"…\"", active.id)),
            (None, None) => {}
        }
    }
}

impl WaiverView {
    fn last_day(&self) -> String {
        when::day(self.until.minus(Duration::from_millis(1)))
    }

    /// As a line of an app's.
    pub(super) fn row(&self) -> Vec<Cell> {
        vec![
            Cell::state(&self.state),
            self.code.as_str().into(),
            self.last_day().into(),
            self.by().into(),
            Cell::or_none(self.why.as_deref()),
            Cell::new(Tone::Quiet, self.id.as_str()),
        ]
    }

    fn by(&self) -> String {
        let exception = self.exception.as_ref().map(|exception| format!("EXCEPTION: {exception}"));
        let shared = (!self.dependence.is_empty()).then(|| format!("NOT INDEPENDENT: {}", self.dependence.join(", ")));
        let marks: Vec<String> = exception.into_iter().chain(shared).collect();
        if marks.is_empty() { self.user.clone() } else { format!("{} ({})", self.user, marks.join("; ")) }
    }
}

impl View for WaiverView {
    fn show(&self, page: &mut Page) {
        let (state, code) = (page.state(&self.state), page.paint(Tone::Strong, &self.code));
        page.line(format!("{state}  {code}  waived for {}, by {}", self.app, self.by()));
        if self.state == "active" {
            page.under(format!("{} is its last day; then the rule holds again", self.last_day()));
            page.under("it is shown as EXCEPTION wherever the rule is broken");
            page.next(format!("bailiwick waivers list --app {}", self.app));
        } else {
            page.under("the rule holds again: the next release that breaks it is stopped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::{Value, json};

    fn one(state: &str) -> Value {
        json!({ "id": "w1", "app": "poll", "team": "people-ops", "code": "policy.retention", "state": state,
            "until": "2026-11-08T00:00:00.000Z", "by": "person:p1", "user": "rita@example.test", "why": "the court asks",
            "granted_at": "2026-11-01T12:00:00.000Z" })
    }

    #[test]
    fn what_is_waived() {
        insta::assert_snapshot!(shown::<WaiversView>(&json!({ "waivers": [one("active"), one("lapsed")] })), @r#"
          state      app    rule               last day     agreed to by        why              waiver
          ● active   poll   policy.retention   2026-11-07   rita@example.test   the court asks   w1
          ◑ lapsed   poll   policy.retention   2026-11-07   rita@example.test   the court asks   w1
        next: bailiwick waivers end w1 --why "…"
        "#);
        insta::assert_snapshot!(shown::<WaiversView>(&json!({ "waivers": [] })), @"nothing is waived");
    }

    #[test]
    fn what_became_of_it() {
        insta::assert_snapshot!(shown::<WaiverView>(&one("active")), @"
        ● active  policy.retention  waived for poll, by rita@example.test
          2026-11-07 is its last day; then the rule holds again
          it is shown as EXCEPTION wherever the rule is broken
        next: bailiwick waivers list --app poll
        ");
        insta::assert_snapshot!(shown::<WaiverView>(&one("ended")), @"
        ○ ended  policy.retention  waived for poll, by rita@example.test
          the rule holds again: the next release that breaks it is stopped
        ");
        let mut broken = one("active");
        broken["exception"] = json!("break-glass");
        broken["user"] = json!("machine:root");
        insta::assert_snapshot!(shown::<WaiverView>(&broken), @"
        ● active  policy.retention  waived for poll, by machine:root (EXCEPTION: break-glass)
          2026-11-07 is its last day; then the rule holds again
          it is shown as EXCEPTION wherever the rule is broken
        next: bailiwick waivers list --app poll
        ");
    }
}
