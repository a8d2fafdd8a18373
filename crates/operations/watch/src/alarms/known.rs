//! The alarms that there are: of a part that is not ready, of the log, and of acts that are alarms by themselves.
//!
//! Refuses whatever the cause said: words are our own alone.

use crate::words::Words;

/// Looks in a row at which something is wrong before it is an alarm: a start, or a moment without the database, is none.
const LOOKS: u32 = 3;
/// The engine is compiled after each new version, which takes minutes on a small machine.
const ENGINE_LOOKS: u32 = 200;

/// What an alarm says: our own words alone, whatever the cause was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    alarm: &'static Alarm,
    node: String,
}

/// Whose trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Of one node: each tells its own.
    Node,
    /// Of all: whoever sees it first tells.
    Platform,
}

/// Everything that is known of one alarm.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Alarm {
    /// Of the check that finds it, or the act that tells it by itself.
    name: &'static str,
    /// What is wrong.
    what: &'static str,
    /// What to do.
    next: &'static str,
    pub(super) of: Of,
    /// Looks in a row at which it is wrong before it is told.
    pub(super) looks: u32,
}

impl Alarm {
    const fn of_node(name: &'static str, what: &'static str, next: &'static str) -> Self {
        Self { name, what, next, of: Of::Node, looks: LOOKS }
    }

    const fn of_platform(name: &'static str, what: &'static str, next: &'static str) -> Self {
        Self { of: Of::Platform, ..Self::of_node(name, what, next) }
    }
}

/// The log does not prove what is stored.
pub(super) const LOG: &str = "log";
/// Events wait for their place in the log.
pub(super) const SEQUENCER: &str = "sequencer";

static ALARMS: &[Alarm] = &[
    Alarm::of_node(
        "record",
        "the record cannot be written: changes and requests are refused.",
        "make room on the disk, or bring the database back; `bailiwick doctor` says what it found.",
    ),
    Alarm::of_node(
        "feed",
        "a node does not follow the changes of the others: it may serve by old rules.",
        "look at the end of the server's log; start the node again if it does not catch up.",
    ),
    Alarm {
        looks: ENGINE_LOOKS,
        ..Alarm::of_node(
            "engine",
            "the engine is not ready: apps do not run.",
            "look at the end of the server's log; empty the folder `cache` in the data folder, and start again.",
        )
    },
    Alarm::of_node(
        "lease",
        "a node lost its lease in the database: it serves nothing.",
        "look whether it can reach the database.",
    ),
    Alarm::of_node(
        "cuts",
        "what was switched off is not in the record yet, or the journal of cuts is damaged.",
        "make room on the disk, or bring the database back; then look in the record for what was switched off last.",
    ),
    Alarm::of_node(
        "continuity",
        "the database does not continue the record that was seen before: everything is off, and *recovering*.",
        "find out why; then an operator says so with `bailiwick recover --why`.",
    ),
    Alarm::of_node(
        "clock",
        "a node's clock is behind the record: what has ended may count again.",
        "set its clock, on PostgreSQL the database's, by NTP, then start the server again.",
    ),
    Alarm::of_platform(
        LOG,
        "the log does not prove what is stored: an event was changed, or is gone.",
        "keep a copy of everything as it is, and run `bailiwick audit verify`: it names the first bad entry.",
    ),
    Alarm::of_platform(
        SEQUENCER,
        "events wait for their place in the log longer than they should.",
        "look at the end of the server's log, and at the load of the database.",
    ),
    Alarm::of_platform(
        "platform.recover",
        "a database that did not continue the record was accepted by an operator.",
        "look in the record for what was lost, and restore apps one by one.",
    ),
    Alarm::of_platform(
        "record.gap",
        "the record has a gap: a node stopped before everything was written.",
        "look in the record for `record.gap`: it says from when to when.",
    ),
    Alarm::of_platform(
        "backup.done",
        "a backup failed.",
        "make one with `bailiwick backup create`, and see what it says.",
    ),
    Alarm::of_platform(
        "backup.drill",
        "a rehearsed restore failed: the newest backup may not help.",
        "run `bailiwick backup drill` again, and see what it says.",
    ),
];

/// One that is not known: never silence.
static OTHER: Alarm =
    Alarm::of_platform("alarm", "something is wrong with the platform.", "`bailiwick doctor` looks for the cause.");

pub(super) fn alarm(name: &str) -> &'static Alarm {
    ALARMS.iter().find(|alarm| alarm.name == name).unwrap_or(&OTHER)
}

/// The words of an alarm, on a node if it is of one.
pub(crate) fn said(name: &str, node: &str) -> Said {
    Said { alarm: alarm(name), node: node.to_owned() }
}

impl Said {
    pub(crate) fn words(&self, why: &'static str, link: String) -> Words {
        let place = if self.node.is_empty() { String::new() } else { format!(" (node `{}`)", self.node) };
        Words {
            subject: format!("ALARM: {}{place}", self.alarm.name),
            what: format!(
                "{}{}",
                self.alarm.what,
                if place.is_empty() { String::new() } else { format!(" It is the node `{}`.", self.node) }
            ),
            why,
            next: self.alarm.next.to_owned(),
            link,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Part;
    use std::collections::BTreeSet;

    #[test]
    fn every_check_and_every_act_that_alarms_has_words() {
        let checks = Part::ALL.map(Part::name).into_iter().chain([LOG, SEQUENCER]);
        // The first is the alarm of a check, the others have words of their own.
        let own = ["alarm.raise", "release.approve", "waiver.grant", "provider.on", "provider.off", "links.switch"];
        let acts = store::alarm_acts().filter(|act| !own.contains(act));
        let told: BTreeSet<&str> = checks.chain(acts).collect();
        let known: BTreeSet<&str> = ALARMS.iter().map(|alarm| alarm.name).collect();
        assert_eq!(told, known);
        assert_eq!(known.len(), ALARMS.len(), "each once");
        assert_eq!(said("other", "").alarm, &OTHER);
    }
}
