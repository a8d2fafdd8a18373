//! Notices: deliveries, open warnings, and how a test went.

use super::View;
use crate::{
    ink::Tone,
    page::{Cell, Page},
    typed::go_on,
    when,
};
use model::Timestamp;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct NoticesView {
    #[serde(default)]
    warnings: Vec<WarningView>,
    notices: Vec<Sent>,
    #[serde(default)]
    next: Option<String>,
    /// How the list was asked for; in text alone.
    #[serde(default)]
    typed: Option<String>,
    #[serde(default)]
    channels: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Sent {
    subject: String,
    channel: String,
    to: String,
    state: String,
    attempts: u64,
    made_at: Timestamp,
    next_at: Option<Timestamp>,
    error: Option<String>,
}

/// What ends, and who has taken it on.
#[derive(Debug, Deserialize)]
pub(crate) struct WarningView {
    event: String,
    what: String,
    ends_at: Timestamp,
    asked: String,
    acked_by: Option<String>,
}

impl Sent {
    fn row(&self, page: &Page) -> Vec<Cell> {
        let state = Cell::state(&self.state);
        let more = match (&self.error, self.next_at) {
            (Some(error), Some(next)) => {
                format!("{error}; tried {} times, next {}", self.attempts, page.ago(next))
            }
            (Some(error), None) => error.clone(),
            (None, _) => String::new(),
        };
        let subject = Cell::new(Tone::Strong, self.subject.replace('`', ""));
        vec![
            subject,
            self.to.as_str().into(),
            self.channel.as_str().into(),
            page.ago(self.made_at).into(),
            state,
            more.into(),
        ]
    }
}

impl View for NoticesView {
    fn show(&self, page: &mut Page) {
        if self.channels.is_empty() {
            page.line("nobody is told of anything: `[notify]` in the configuration names no way");
        }
        if !self.warnings.is_empty() {
            page.heading("what ends, and nobody has taken on");
            let rows = self.warnings.iter().map(|open| {
                let what = Cell::new(Tone::Strong, open.what.replace('`', ""));
                vec![
                    what,
                    page.ago(open.ends_at).into(),
                    format!("asked: {}", open.asked).into(),
                    open.event.as_str().into(),
                ]
            });
            let rows = rows.collect();
            page.rows(rows);
            page.heading("what was sent");
        }
        if self.notices.is_empty() {
            page.line("nothing was sent yet");
        }
        let rows = self.notices.iter().map(|sent| sent.row(page)).collect();
        page.table(&["what", "to", "by", "when", "state", ""], rows);
        match (&self.next, self.warnings.first()) {
            (Some(next), _) => page.next(go_on(self.typed.as_deref(), "notices list", next)),
            (None, Some(open)) => page.next(format!("bailiwick notices ack {}", open.event)),
            (None, None) => {}
        }
    }
}

impl View for WarningView {
    fn show(&self, page: &mut Page) {
        let what = page.paint(Tone::Strong, &self.what.replace('`', ""));
        page.line(format!("{what} ends {} ({})", page.ago(self.ends_at), when::day(self.ends_at)));
        if let Some(by) = &self.acked_by {
            page.under(format!("{by} has taken it on: nobody else is asked"));
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct TestedView {
    tested: Vec<Tested>,
}

#[derive(Debug, Deserialize)]
struct Tested {
    channel: String,
    to: String,
    ok: bool,
    error: Option<String>,
}

impl View for TestedView {
    fn show(&self, page: &mut Page) {
        if self.tested.is_empty() {
            page.line("there is no way to tell anybody: `[notify]` in the configuration names none");
            return;
        }
        let rows = self.tested.iter().map(|one| {
            let state = Cell::state(if one.ok { "sent" } else { "failed" });
            vec![
                one.channel.as_str().into(),
                one.to.as_str().into(),
                state,
                one.error.as_deref().unwrap_or_default().into(),
            ]
        });
        page.rows(rows.collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    fn warning() -> serde_json::Value {
        json!({ "event": "e1", "thing": "app/a/prod", "what": "the app `poll`", "ends_at": "2026-11-10T12:00:00.000Z",
            "days": 7, "warned_at": "2026-11-03T12:00:00.000Z", "asked": "its owner" })
    }

    #[test]
    fn what_was_sent_and_what_is_open() {
        let document = json!({
            "channels": ["mail by mail.example:465"], "next": null, "warnings": [warning()],
            "notices": [
                { "event": "e2", "kind": "waits", "subject": "`poll` waits for your yes", "channel": "mail", "to": "ola@example.test",
                  "state": "sent", "attempts": 1, "made_at": "2026-11-03T11:00:00.000Z", "ended_at": "2026-11-03T11:00:01.000Z" },
                { "event": "e3", "kind": "alarm", "subject": "ALARM: record", "channel": "webhook", "to": "h.example",
                  "state": "waiting", "attempts": 2, "made_at": "2026-11-03T11:58:00.000Z", "next_at": "2026-11-03T12:10:00.000Z",
                  "error": "it answered 503" },
            ],
        });
        insta::assert_snapshot!(shown::<NoticesView>(&document), @"
        what ends, and nobody has taken on
          the app poll   in 7 days   asked: its owner   e1

        what was sent
          what                      to                 by        when            state
          poll waits for your yes   ola@example.test   mail      1 hour ago      ✓ sent
          ALARM: record             h.example          webhook   2 minutes ago   ◌ waiting   it answered 503; tried 2 times, next in 10 minutes
        next: bailiwick notices ack e1
        ");
        insta::assert_snapshot!(shown::<NoticesView>(&json!({ "notices": [], "channels": [] })), @"
        nobody is told of anything: `[notify]` in the configuration names no way
        nothing was sent yet
        ");
    }

    #[test]
    fn taken_on_and_tested() {
        let mut taken = warning();
        taken["acked_by"] = json!("ana@example.test");
        insta::assert_snapshot!(shown::<WarningView>(&taken), @"
        the app poll ends in 7 days (2026-11-10)
          ana@example.test has taken it on: nobody else is asked
        ");
        let tested = json!({ "tested": [
            { "channel": "mail", "to": "ana@example.test", "ok": true },
            { "channel": "webhook", "to": "h.example", "ok": false, "error": "it answered 500" },
        ] });
        insta::assert_snapshot!(shown::<TestedView>(&tested), @"
          mail      ana@example.test   ✓ sent
          webhook   h.example          ✕ failed   it answered 500
        ");
    }
}
