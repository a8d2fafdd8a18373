//! The receipt of a revoke: what was cut, where, and how soon each went dead.

use super::View;
use crate::{
    ink::Tone,
    page::{Cell, Page},
    when,
};
use model::Timestamp;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct ReceiptView {
    app: String,
    why: String,
    asked_at: Timestamp,
    done_at: Timestamp,
    event: Option<String>,
    recorded: bool,
    /// Where it stands until then.
    #[serde(default)]
    kept: String,
    surfaces: Vec<Cut>,
}

#[derive(Debug, Deserialize)]
struct Cut {
    surface: String,
    item: String,
    state: String,
    dead_at: Option<Timestamp>,
    dead_by: Option<Timestamp>,
    #[serde(default)]
    node: String,
    how: String,
}

impl View for ReceiptView {
    fn show(&self, page: &mut Page) {
        let (state, app) = (page.state("switched off"), page.paint(Tone::Strong, &self.app));
        let alive = self.surfaces.iter().filter(|cut| cut.state != "dead").count();
        let reach = if alive == 0 { "everywhere" } else { "not everywhere yet" };
        let when = if self.was_off() {
            "before it was asked: what ended it then stands here".to_owned()
        } else {
            format!("{} after it was asked", when::took(self.asked_at, self.done_at))
        };
        page.line(format!("{state}  {app}  {reach}, {when}"));
        page.quote("why: ", &self.why);
        page.blank();
        let nodes = self.surfaces.windows(2).any(|pair| matches!(pair, [one, other] if one.node != other.node));
        let rows = self.surfaces.iter().map(|cut| self.row(page, cut, nodes)).collect();
        let headings: &[&str] = if nodes {
            &["surface", "item", "state", "dead after", "node", "how"]
        } else {
            &["surface", "item", "state", "dead after", "how"]
        };
        page.table(headings, rows);
        if alive > 0 {
            page.blank();
            let words = page.paint(
                Tone::Bad,
                &format!("{alive} of {} not dead yet: look again before you rely on it", self.surfaces.len()),
            );
            page.line(words);
        }
        if !self.recorded {
            page.blank();
            let restart = if self.kept == "memory" {
                "free the disk: a restart before that brings it back"
            } else {
                "a restart keeps it cut"
            };
            let words = "cut, but not in the record yet: the record could not be written; it will be as soon as it can";
            let words = page.paint(Tone::Bad, &format!("{words}; {restart}"));
            page.line(words);
        }
        if let Some(event) = self.event.as_ref().filter(|_| self.recorded) {
            page.next(format!("bailiwick audit prove {event}"));
        }
    }
}

impl ReceiptView {
    /// Whoever switches off what is off is shown the ends of before.
    fn was_off(&self) -> bool {
        let before = |cut: &Cut| cut.dead_at.is_some_and(|at| at < self.asked_at);
        !self.surfaces.is_empty() && self.surfaces.iter().all(before)
    }

    fn row(&self, page: &Page, cut: &Cut, nodes: bool) -> Vec<Cell> {
        let after = match (cut.dead_at, cut.dead_by) {
            (Some(at), _) if at < self.asked_at => "before".to_owned(),
            (Some(at), _) => when::took(self.asked_at, at),
            (None, Some(by)) => format!("by itself {}", page.ago(by)),
            (None, None) => "–".to_owned(),
        };
        let mut row = vec![
            Cell::new(Tone::Quiet, cut.surface.as_str()),
            cut.item.as_str().into(),
            Cell::state(&cut.state),
            after.into(),
        ];
        if nodes {
            row.push(cut.node.as_str().into());
        }
        row.push(cut.how.as_str().into());
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    fn receipt(recorded: bool, last: serde_json::Value) -> serde_json::Value {
        let kept = if recorded { "record" } else { "journal" };
        json!({ "app": "tinypoll", "app_id": "a", "why": "the vote is over", "asked_at": "2026-11-03T12:00:00.000Z",
            "done_at": "2026-11-03T12:00:00.012Z", "event": "0192f0", "recorded": recorded, "kept": kept, "surfaces": [
            { "surface": "gateway", "item": "http://tinypoll.localhost:7070", "state": "dead", "dead_at": "2026-11-03T12:00:00.003Z",
              "dead_by": null, "node": "n1", "how": "route closed; 2 requests stopped" }, last ] })
    }

    #[test]
    fn all_dead() {
        let last = json!({ "surface": "identity", "item": "app-people-ops-tinypoll-prod", "state": "dead",
            "dead_at": "2026-11-03T12:00:00.004Z", "dead_by": null, "node": "n1", "how": "1 token ended" });
        insta::assert_snapshot!(shown::<ReceiptView>(&receipt(true, last)), @"
        ✕ switched off  tinypoll  everywhere, 12 ms after it was asked
          why: “the vote is over”

          surface    item                             state    dead after   how
          gateway    http://tinypoll.localhost:7070   ✓ dead   3 ms         route closed; 2 requests stopped
          identity   app-people-ops-tinypoll-prod     ✓ dead   4 ms         1 token ended
        next: bailiwick audit prove 0192f0
        ");
    }

    #[test]
    fn what_was_off_before_says_so() {
        let first = json!({ "surface": "gateway", "item": "http://tinypoll.localhost:7070", "state": "dead",
            "dead_at": "2026-11-03T11:00:00.003Z", "dead_by": null, "node": "n1", "how": "route was closed before" });
        let again = json!({ "app": "tinypoll", "app_id": "a", "why": "the vote is over",
            "asked_at": "2026-11-03T12:00:00.000Z", "done_at": "2026-11-03T12:00:00.002Z", "event": "0192f0",
            "recorded": true, "kept": "record", "surfaces": [first] });
        insta::assert_snapshot!(shown::<ReceiptView>(&again), @"
        ✕ switched off  tinypoll  everywhere, before it was asked: what ended it then stands here
          why: “the vote is over”

          surface   item                             state    dead after   how
          gateway   http://tinypoll.localhost:7070   ✓ dead   before       route was closed before
        next: bailiwick audit prove 0192f0
        ");
    }

    #[test]
    fn not_all_dead_and_not_recorded() {
        let last = json!({ "surface": "gateway", "item": "http://tinypoll.localhost:7070", "state": "expiring",
            "dead_at": null, "dead_by": "2026-11-03T12:00:30.000Z", "node": "n2", "how": "its lease runs out" });
        insta::assert_snapshot!(shown::<ReceiptView>(&receipt(false, last)), @"
        ✕ switched off  tinypoll  not everywhere yet, 12 ms after it was asked
          why: “the vote is over”

          surface   item                             state        dead after                node   how
          gateway   http://tinypoll.localhost:7070   ✓ dead       3 ms                      n1     route closed; 2 requests stopped
          gateway   http://tinypoll.localhost:7070   ◌ expiring   by itself in 30 seconds   n2     its lease runs out

        1 of 2 not dead yet: look again before you rely on it

        cut, but not in the record yet: the record could not be written; it will be as soon as it can; a restart keeps it cut
        ");
    }

    #[test]
    fn what_a_restart_would_bring_back_is_said() {
        let last = json!({ "surface": "gateway", "item": "http://tinypoll.localhost:7070", "state": "dead",
            "dead_at": "2026-11-03T12:00:00.004Z", "dead_by": null, "node": "n1", "how": "route closed" });
        let mut document = receipt(false, last);
        document["kept"] = json!("memory");
        let page = shown::<ReceiptView>(&document);
        assert!(page.contains("free the disk: a restart before that brings it back"), "{page}");
        assert!(!page.contains("keeps it cut"), "{page}");
    }
}
