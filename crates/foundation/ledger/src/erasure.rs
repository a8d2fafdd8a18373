//! Erased bodies: which are gone, and which `event.erase` events account for them.
//!
//! Refuses to take an absence for an erasure: only an event that comes later in the log, names the index and was not
//! itself refused accounts for it.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The action of the event that erases (`docs/auditors.md`, The log).
const ERASE_ACTION: &str = "event.erase";

/// The part of an event that matters here.
#[derive(Deserialize)]
struct Event {
    action: String,
    outcome: Option<String>,
    detail: Option<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    indexes: Vec<u64>,
}

/// Indexes whose body is gone and that no event has accounted for yet.
///
/// Kept as runs, so that memory grows with the number of separate gaps, 16 bytes each, not with their length.
#[derive(Debug, Default)]
pub(crate) struct Erasures {
    /// First index of each run → the index after its last. INVARIANT: runs neither overlap nor touch.
    runs: BTreeMap<u64, u64>,
    /// How many bodies are gone in all.
    gone: u64,
}

impl Erasures {
    /// Notes that the body at `index` is gone. Indexes come in rising order.
    pub(crate) fn note_gone(&mut self, index: u64) {
        self.gone += 1;
        match self.runs.last_entry() {
            Some(mut run) if *run.get() == index => *run.get_mut() = index + 1,
            _ => {
                self.runs.insert(index, index + 1);
            }
        }
    }

    /// Reads a body that is there: if it is an erasing event, what it names is accounted for. Every gap noted so far
    /// lies before it.
    pub(crate) fn read_body(&mut self, body: &[u8]) {
        for index in indexes_erased_by(body) {
            self.account_for(index);
        }
    }

    fn account_for(&mut self, index: u64) {
        let Some((&start, &end)) = self.runs.range(..=index).next_back() else {
            return;
        };
        if index >= end {
            return;
        }
        self.runs.remove(&start);
        if start < index {
            self.runs.insert(start, index);
        }
        if index + 1 < end {
            self.runs.insert(index + 1, end);
        }
    }

    /// The first body that is gone without an event.
    pub(crate) fn first_unaccounted(&self) -> Option<u64> {
        self.runs.keys().next().copied()
    }

    /// How many bodies are gone in all.
    pub(crate) fn gone(&self) -> u64 {
        self.gone
    }
}

fn indexes_erased_by(body: &[u8]) -> Vec<u64> {
    // Most bodies are no erasure, and looking for the word is far cheaper than parsing.
    let word = ERASE_ACTION.as_bytes();
    if !body.windows(word.len()).any(|window| window == word) {
        return Vec::new();
    }
    match serde_json::from_slice::<Event>(body) {
        Ok(event) if event.action == ERASE_ACTION && event.outcome.as_deref().is_none_or(|it| it == "allowed") => {
            event.detail.map(|detail| detail.indexes).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn only_an_allowed_erasure_counts() {
        let event = |text: &str| indexes_erased_by(text.as_bytes());
        assert_eq!(event(r#"{"action":"event.erase","outcome":"allowed","detail":{"indexes":[1,5]}}"#), [1, 5]);
        assert_eq!(event(r#"{"detail":{"indexes":[2],"why":"retention"},"action":"event.erase"}"#), [2]);
        for other in [
            r#"{"action":"event.erase","outcome":"denied","detail":{"indexes":[1]}}"#,
            r#"{"action":"event.erase","outcome":"failed","detail":{"indexes":[1]}}"#,
            r#"{"action":"app.deploy","detail":{"indexes":[1],"note":"event.erase"}}"#,
            r#"{"action":"event.erase","detail":{"indexes":["1"]}}"#,
            r#"{"action":"event.erase","detail":{"indexes":[-1]}}"#,
            r#"{"action":"event.erase"}"#,
            "event.erase",
            "",
        ] {
            assert!(event(other).is_empty(), "{other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn runs_are_a_set(gone in proptest::collection::btree_set(0u64..60, 0..60),
                          named in proptest::collection::vec(0u64..60, 0..80)) {
            let mut erasures = Erasures::default();
            gone.iter().for_each(|index| erasures.note_gone(*index));
            named.iter().for_each(|index| erasures.account_for(*index));
            let left: BTreeSet<u64> = gone.iter().filter(|index| !named.contains(index)).copied().collect();
            let found: BTreeSet<u64> = erasures.runs.iter().flat_map(|(start, end)| *start..*end).collect();
            proptest::prop_assert_eq!(erasures.first_unaccounted(), left.first().copied());
            proptest::prop_assert_eq!(found, left);
        }
    }
}
