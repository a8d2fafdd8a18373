//! Events of the record: a list, and one in full.

use super::View;
use crate::{
    ink::Tone,
    page::{Cell, Page},
    typed::go_on,
};
use model::Timestamp;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(crate) struct EventsView {
    events: Vec<EventView>,
    next: Option<Value>,
    /// How the list was asked for; in text alone.
    #[serde(default)]
    typed: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct EventView {
    id: String,
    index: Option<u64>,
    timestamp: Option<Timestamp>,
    #[serde(default)]
    actor: Vec<String>,
    /// The person's address, where the directory still knows it.
    user: Option<String>,
    #[serde(default = "erased")]
    action: String,
    resource: Option<String>,
    /// Whom it is about, besides who did it and what it is on.
    about: Option<String>,
    #[serde(default)]
    outcome: String,
    why: Option<String>,
    exception: Option<String>,
    trace_id: Option<String>,
    from: Option<Value>,
    detail: Option<Value>,
}

/// An event whose body was erased says no more than where it stands.
fn erased() -> String {
    "erased".to_owned()
}

impl EventView {
    fn ago(&self, page: &Page) -> String {
        self.timestamp.map_or_else(|| "–".to_owned(), |at| page.ago(at))
    }

    /// `ana@example.test through app/tinypoll`.
    fn actor(&self) -> String {
        match (&self.user, self.actor.as_slice()) {
            (Some(user), [] | [_]) => user.clone(),
            (Some(user), [first, ..]) => format!("{user} through {first}"),
            (None, []) => "–".to_owned(),
            (None, chain) => chain.join(" → "),
        }
    }

    /// `role_request/7, about ana@example.test`.
    fn on(&self) -> String {
        let resource = self.resource.as_deref().unwrap_or_default();
        self.about.as_ref().map_or_else(|| resource.to_owned(), |about| format!("{resource}, about {about}"))
    }

    fn index(&self) -> Cell {
        Cell::or_none(self.index.map(|index| index.to_string()).as_deref())
    }

    fn outcome(&self) -> Cell {
        match self.outcome.as_str() {
            "" => Cell::or_none(None),
            "allowed" => Cell::from("allowed"),
            other => Cell::state(other),
        }
    }
}

impl View for EventsView {
    fn show(&self, page: &mut Page) {
        if self.events.is_empty() {
            page.line("no event fits");
            return;
        }
        let rows = self.events.iter().map(|event| {
            let why = event.exception.as_ref().map_or_else(
                || Cell::from(event.why.as_deref().unwrap_or_default()),
                |exception| Cell::new(Tone::Bad, format!("EXCEPTION: {exception}")),
            );
            vec![
                event.index(),
                event.ago(page).into(),
                Cell::new(Tone::Strong, event.action.as_str()),
                event.outcome(),
                event.on().into(),
                event.actor().into(),
                why,
            ]
        });
        let rows = rows.collect();
        page.table(&["index", "when", "action", "outcome", "on", "by", "why"], rows);
        let cursor = self.next.as_ref().filter(|next| !next.is_null());
        if let Some(cursor) = cursor {
            let cursor = cursor.as_str().map_or_else(|| cursor.to_string(), str::to_owned);
            page.next(go_on(self.typed.as_deref(), "audit list", &cursor));
        }
    }
}

impl View for EventView {
    fn show(&self, page: &mut Page) {
        let action = page.paint(Tone::Strong, &self.action);
        let ago = self.ago(page);
        page.line(format!("{action}  {ago}"));
        let json = |value: &Option<Value>| {
            value.as_ref().filter(|value| !value.is_null()).map(|value| Cell::from(value.to_string()))
        };
        let text = |text: &Option<String>| text.as_deref().map(Cell::from);
        let index = if self.index.is_some() {
            self.index()
        } else {
            Cell::new(Tone::Quiet, "not in the tree yet: within a second")
        };
        let facts = [
            ("id", Some(Cell::from(self.id.as_str()))),
            ("index", Some(index)),
            ("at", self.timestamp.map(|at| at.to_string().into())),
            ("outcome", Some(self.outcome())),
            ("on", text(&self.resource)),
            ("about", text(&self.about)),
            ("by", Some(self.actor().into())),
            ("why", text(&self.why)),
            (
                "exception",
                self.exception.as_deref().map(|exception| Cell::new(Tone::Bad, format!("EXCEPTION: {exception}"))),
            ),
            ("from", json(&self.from)),
            ("trace", text(&self.trace_id)),
            ("detail", json(&self.detail)),
        ];
        page.facts(facts.into_iter().filter_map(|(label, cell)| Some((label, cell?))));
        page.next(format!("bailiwick audit prove {}", self.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    fn event(outcome: &str, index: Option<u64>) -> serde_json::Value {
        json!({ "id": "0192f0c4", "index": index, "timestamp": "2026-11-03T11:58:00.250Z", "tenant_id": "main", "app_id": "a1", "user_id": null,
            "actor": ["machine:root"], "action": "app.revoke", "resource": "app/tinypoll", "outcome": outcome, "why": "the vote is over",
            "from": { "ip": "127.0.0.1", "device": null }, "request_id": "r", "trace_id": "4bf9", "detail": { "release": 3 } })
    }

    #[test]
    fn a_list() {
        let document = json!({ "events": [event("allowed", Some(57)), event("denied", None)], "next": "c1" });
        insta::assert_snapshot!(shown::<EventsView>(&document), @"
          index   when           action       outcome    on             by             why
          57      1 minute ago   app.revoke   allowed    app/tinypoll   machine:root   the vote is over
          –       1 minute ago   app.revoke   ✕ denied   app/tinypoll   machine:root   the vote is over
        next: bailiwick audit list --after c1
        ");
        let mut filtered = document;
        filtered["typed"] = json!("bailiwick audit list --app tinypoll --limit 2");
        let shown_filtered = shown::<EventsView>(&filtered);
        assert!(
            shown_filtered.ends_with("next: bailiwick audit list --app tinypoll --limit 2 --after c1"),
            "{shown_filtered}"
        );
        insta::assert_snapshot!(shown::<EventsView>(&json!({ "events": [], "next": null })), @"no event fits");
    }

    #[test]
    fn one() {
        insta::assert_snapshot!(shown::<EventView>(&event("allowed", Some(57))), @r#"
        app.revoke  1 minute ago
          id        0192f0c4
          index     57
          at        2026-11-03T11:58:00.250Z
          outcome   allowed
          on        app/tinypoll
          by        machine:root
          why       the vote is over
          from      {"ip":"127.0.0.1","device":null}
          trace     4bf9
          detail    {"release":3}
        next: bailiwick audit prove 0192f0c4
        "#);
        insta::assert_snapshot!(shown::<EventView>(&event("allowed", None)), @r#"
        app.revoke  1 minute ago
          id        0192f0c4
          index     not in the tree yet: within a second
          at        2026-11-03T11:58:00.250Z
          outcome   allowed
          on        app/tinypoll
          by        machine:root
          why       the vote is over
          from      {"ip":"127.0.0.1","device":null}
          trace     4bf9
          detail    {"release":3}
        next: bailiwick audit prove 0192f0c4
        "#);
        insta::assert_snapshot!(shown::<EventView>(&json!({ "id": "0192", "index": 3, "erased": true })), @"
        erased  –
          id        0192
          index     3
          outcome   –
          by        –
        next: bailiwick audit prove 0192
        ");
    }
}
