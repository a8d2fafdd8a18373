//! The parts of a diff between manifests: sets, amounts, limits and what is kept. Knows which way is more authority.

use super::{Change, ChangeKind, Collection, Field, LimitBy, Manifest, SurfaceName, measure, sentences};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Changes found so far.
#[derive(Default)]
pub(super) struct Difference {
    pub(super) changes: Vec<Change>,
}

impl Difference {
    pub(super) fn push(&mut self, kind: ChangeKind, surface: SurfaceName, text: impl Into<String>) {
        self.changes.push(Change { kind, surface, text: text.into() });
    }

    /// A larger value is more authority.
    pub(super) fn more_is_wider<T: Ord>(&mut self, old: &T, new: &T, surface: SurfaceName, text: impl Into<String>) {
        match new.cmp(old) {
            Ordering::Greater => self.push(ChangeKind::Widened, surface, text),
            Ordering::Less => self.push(ChangeKind::Narrowed, surface, text),
            Ordering::Equal => {}
        }
    }

    /// A larger value is less authority.
    pub(super) fn more_is_narrower<T: Ord>(&mut self, old: &T, new: &T, surface: SurfaceName, text: impl Into<String>) {
        self.more_is_wider(new, old, surface, text);
    }

    /// Lines that are there or not.
    pub(super) fn sets(&mut self, old: BTreeSet<String>, new: BTreeSet<String>, surface: SurfaceName) {
        for line in new.difference(&old) {
            self.push(ChangeKind::Added, surface, line.as_str());
        }
        for line in old.difference(&new) {
            self.push(ChangeKind::Removed, surface, line.as_str());
        }
    }
}

/// The strictest limit for each way of counting.
pub(super) type Rates = BTreeMap<(&'static str, Duration), u32>;

impl Manifest {
    pub(super) fn rates(&self) -> Rates {
        let mut rates = Rates::new();
        for rate in &self.limits.requests {
            let count = rates.entry((measure::by_words(rate.by), rate.per)).or_insert(rate.count);
            *count = rate.count.min(*count);
        }
        rates
    }
}

pub(super) fn limits(old: &Manifest, new: &Manifest, found: &mut Difference) {
    let surface = SurfaceName::Gateway;
    let (was, is) = (&old.runtime.limits, &new.runtime.limits);
    let bytes =
        |what: &str, is, was| format!("{what} is {} (was {})", measure::size_words(is), measure::size_words(was));
    let spans = |what: &str, is, was| {
        format!("{what} is {} (was {})", measure::duration_words(is), measure::duration_words(was))
    };
    let memory = bytes("memory of one request", is.memory_bytes, was.memory_bytes);
    found.more_is_wider(&was.memory_bytes, &is.memory_bytes, surface, memory);
    found.more_is_wider(&was.cpu, &is.cpu, surface, spans("CPU time of one request", is.cpu, was.cpu));
    found.more_is_wider(&was.time, &is.time, surface, spans("time of one request", is.time, was.time));
    let parallel = format!("{} requests run at once (was {})", is.parallel, was.parallel);
    found.more_is_wider(&was.parallel, &is.parallel, surface, parallel);
    let storage = bytes("kept data", is.storage_bytes, was.storage_bytes);
    found.more_is_wider(&was.storage_bytes, &is.storage_bytes, SurfaceName::Data, storage);
    let rows = format!("one list returns at most {} rows (was {})", new.limits.rows, old.limits.rows);
    found.more_is_wider(&old.limits.rows, &new.limits.rows, SurfaceName::Data, rows);
    let (before, after) = (old.rates(), new.rates());
    for (key, count) in &after {
        let text = format!("answers at most {}", rate_words(key, *count));
        // No limit is the most that there can be.
        found.more_is_wider(before.get(key).unwrap_or(&u32::MAX), count, surface, text);
    }
    for (key, count) in before.iter().filter(|(key, _)| !after.contains_key(key)) {
        found.push(ChangeKind::Widened, surface, format!("no longer limited to {}", rate_words(key, *count)));
    }
}

fn rate_words((by, per): &(&'static str, Duration), count: u32) -> String {
    let by = [LimitBy::User, LimitBy::Address, LimitBy::App, LimitBy::Route]
        .into_iter()
        .find(|b| measure::by_words(*b) == *by);
    by.map(|by| super::RateLimit { count, per: *per, by }.words()).unwrap_or_default()
}

pub(super) fn data(old: &Manifest, new: &Manifest, found: &mut Difference) {
    let surface = SurfaceName::Data;
    for (name, kept) in &new.data {
        match old.data.get(name) {
            None => {
                for text in sentences::collection(name, kept) {
                    found.push(ChangeKind::Added, surface, text);
                }
            }
            Some(was) => collection(name, was, kept, found),
        }
    }
    for (name, kept) in old.data.iter().filter(|(name, _)| !new.data.contains_key(*name)) {
        for text in sentences::collection(name, kept) {
            found.push(ChangeKind::Removed, surface, text);
        }
    }
}

fn collection(name: &str, old: &Collection, new: &Collection, found: &mut Difference) {
    let surface = SurfaceName::Data;
    let (is, was) = (measure::duration_words(new.retain), measure::duration_words(old.retain));
    found.more_is_wider(&old.retain, &new.retain, surface, format!("keeps `{name}` for {is} (was {was})"));
    let out = |kept: &Collection| kept.export.iter().map(|group| sentences::takes_out(name, group.as_str())).collect();
    found.sets(out(old), out(new), surface);
    for (field, declared) in &new.fields {
        match old.fields.get(field) {
            None => found.push(ChangeKind::Added, surface, format!("keeps `{name}.{field}` ({})", declared.class)),
            Some(was) => changed_field(&format!("{name}.{field}"), was, declared, found),
        }
    }
    for (field, declared) in old.fields.iter().filter(|(field, _)| !new.fields.contains_key(*field)) {
        found.push(ChangeKind::Removed, surface, format!("keeps `{name}.{field}` ({})", declared.class));
    }
}

fn changed_field(name: &str, old: &Field, new: &Field, found: &mut Difference) {
    let surface = SurfaceName::Data;
    // A lower class means weaker protection of the same data.
    found.more_is_narrower(
        &old.class,
        &new.class,
        surface,
        format!("`{name}` is `{}` (was `{}`)", new.class, old.class),
    );
    if old.kind != new.kind {
        let word = |kind: Option<super::FieldType>| kind.map_or("any", super::FieldType::as_str);
        let kind = if old.kind.is_none() { ChangeKind::Narrowed } else { ChangeKind::Widened };
        found.push(kind, surface, format!("`{name}` holds `{}` (was `{}`)", word(new.kind), word(old.kind)));
    }
}
