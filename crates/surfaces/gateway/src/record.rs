//! The access event of a request: exactly one, written when both its answer and its end are known.
//!
//! Refuses new requests while the record cannot take their events. What ended when it could not is counted, and noted as
//! a gap before the next request begins.

use authority::{Act, Denied, Permit};
use model::{Clock, Timestamp};
use sandbox::{Report, Stopped};
use serde_json::{Map, Value, json};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use store::{Outcome, Store, StoreError};

/// How long requests are refused after an event could not be taken; then one may try.
const SHUT: Duration = Duration::from_millis(250);
/// Parts of a path that the record keeps.
const PARTS_MAX: usize = 4;
const PART_BYTES_MAX: usize = 24;
/// More digits than this are an id, a date or a number of someone's.
const DIGITS_MAX: usize = 3;

/// Where events go.
pub(crate) struct Recorder {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    /// When the last one was not taken, in milliseconds.
    shut_at: AtomicI64,
    /// Events that were not taken, and that no gap tells of yet.
    missed: AtomicU64,
}

impl Recorder {
    pub(crate) fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, shut_at: AtomicI64::new(i64::MIN), missed: AtomicU64::new(0) }
    }

    /// Whether a request may begin: its event would be taken, as far as is known, and what was missed before is told.
    /// `gap` permits the event that tells it.
    pub(crate) fn ready<A: Act>(&self, gap: impl FnOnce() -> Result<Permit<A>, Denied>) -> bool {
        if self.clock.now().is_within(SHUT, Timestamp::from_ms(self.shut_at.load(Ordering::Acquire))) {
            return false;
        }
        if self.store.may_begin().is_err() {
            return false;
        }
        if self.missed.load(Ordering::Acquire) == 0 {
            return true;
        }
        // Whoever may not begin says nothing of others either.
        let Ok(permit) = gap() else { return true };
        // Taken, so that of two requests that begin now one alone says it.
        let missed = self.missed.swap(0, Ordering::AcqRel);
        if missed == 0 {
            return true;
        }
        let gap = self.store.access(permit, Outcome::Failed, json!({ "code": "record.gap", "requests": missed }));
        gap.map(|_| self.store.tell_missed(missed)).map_err(|error| self.not_taken(&error, missed)).is_ok()
    }

    /// Whether it was taken.
    pub(crate) fn write<A: Act>(&self, permit: Permit<A>, outcome: Outcome, detail: Value) -> bool {
        let noted = self.store.access_late(permit, outcome, detail).map_err(|error| {
            self.store.miss_access(1);
            self.not_taken(&error, 1);
        });
        noted.is_ok()
    }

    fn not_taken(&self, error: &StoreError, events: u64) {
        tracing::error!(%error, "a request could not be recorded; new ones are refused");
        self.missed.fetch_add(events, Ordering::AcqRel);
        self.shut_at.store(self.clock.now().as_ms(), Ordering::Release);
    }
}

/// The shape of a path, without what may name a person: parts with `@`, many digits or unusual letters become `*`. Limits
/// `per route` count by it, too: what is changed here changes what counts together.
pub(crate) fn shape(path: &str) -> String {
    let mut shape = String::new();
    for (at, part) in path.split('/').filter(|part| !part.is_empty()).enumerate() {
        if at == PARTS_MAX {
            shape.push_str("/**");
            break;
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        let keeps = part.len() <= PART_BYTES_MAX && digits <= DIGITS_MAX && part.bytes().all(plain);
        shape.push('/');
        shape.push_str(if keeps { part } else { "*" });
    }
    if shape.is_empty() { "/".to_owned() } else { shape }
}

type Write = Box<dyn FnOnce(Outcome, Value) + Send>;

/// One request's event, until it is whole.
pub(crate) struct Record(Mutex<Open>);

struct Open {
    write: Option<Write>,
    detail: Map<String, Value>,
    started: Instant,
    status: Option<Option<u16>>,
    report: Option<Report>,
    put_off: bool,
}

impl Record {
    pub(crate) fn new<A: Act>(recorder: &Arc<Recorder>, permit: Permit<A>, detail: Map<String, Value>) -> Arc<Self> {
        let (recorder, expected) = (Arc::clone(recorder), recorder.store.expect_access());
        let write: Write = Box::new(move |outcome, detail| {
            recorder.write(permit, outcome, detail);
            drop(expected);
        });
        let open =
            Open { write: Some(write), detail, started: Instant::now(), status: None, report: None, put_off: false };
        Arc::new(Self(Mutex::new(open)))
    }

    fn change(&self, change: impl FnOnce(&mut Open)) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut open);
        if open.status.is_none() || open.report.is_none() {
            return;
        }
        let Some(write) = open.write.take() else { return };
        let (outcome, detail) = open.whole();
        drop(open);
        write(outcome, detail);
    }

    /// The head is on its way; without a status, the client went away before.
    pub(crate) fn answered(&self, status: Option<u16>) {
        self.change(|open| open.status = open.status.or(Some(status)));
    }

    pub(crate) fn ended(&self, report: Report) {
        self.change(|open| open.report = Some(report));
    }

    /// Whether the platform itself could not do, for the moment, what the app asked of it last.
    pub(crate) fn put_off(&self, whether: bool) {
        self.change(|open| open.put_off = whether);
    }

    pub(crate) fn was_put_off(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put_off
    }

    /// The request never came to run.
    pub(crate) fn not_run(&self, status: Option<u16>, why: &'static str) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(write) = open.write.take() else { return };
        let mut detail = std::mem::take(&mut open.detail);
        drop(open);
        detail.insert("status".to_owned(), json!(status));
        detail.insert("stopped".to_owned(), json!(why));
        write(Outcome::Failed, Value::Object(detail));
    }
}

impl Open {
    fn whole(&mut self) -> (Outcome, Value) {
        let mut detail = std::mem::take(&mut self.detail);
        let mut put = |name: &str, value: Value| drop(detail.insert(name.to_owned(), value));
        put("status", json!(self.status.flatten()));
        put("ms", json!(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)));
        let Some(report) = &self.report else { return (Outcome::Failed, Value::Object(detail)) };
        put("bytes", json!(report.response_bytes));
        put("cpu_us", json!(u64::try_from(report.cpu.as_micros()).unwrap_or(u64::MAX)));
        put("memory_bytes", json!(report.peak_memory_bytes));
        let stopped = report.stopped.as_ref().map(word);
        if let Some(word) = stopped {
            put("stopped", json!(word));
        }
        (if stopped.is_none() { Outcome::Allowed } else { Outcome::Failed }, Value::Object(detail))
    }
}

impl Drop for Record {
    /// Whatever happens, there is an event.
    fn drop(&mut self) {
        self.not_run(None, "abandoned");
    }
}

/// Says that nobody waits for an answer any more, unless it was given.
pub(crate) struct Answering(pub(crate) Arc<Record>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answered(None);
    }
}

const fn word(stopped: &Stopped) -> &'static str {
    match stopped {
        Stopped::Cpu { .. } => "cpu",
        Stopped::Time { .. } => "time",
        Stopped::Memory { .. } => "memory",
        Stopped::Output { .. } => "output",
        Stopped::Trap { .. } => "trap",
        Stopped::Uncaught { .. } => "uncaught",
        Stopped::NoResponse => "no_response",
        Stopped::Incomplete => "incomplete",
        Stopped::Cancelled => "cancelled",
        Stopped::Busy => "busy",
        Stopped::Unfit { .. } => "unfit",
        Stopped::NotLoaded => "not_loaded",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_recorded_without_what_names_a_person() {
        for (path, expected) in [
            ("/", "/"),
            ("/vote", "/vote"),
            ("/api/v1/polls/2", "/api/v1/polls/2"),
            ("/people/ana@example.test/edit", "/people/*/edit"),
            ("/orders/20261123/x", "/orders/*/x"),
            ("/a/b/c/d/e/f", "/a/b/c/d/**"),
            ("/Ana Müller", "/*"),
            ("/0af7651916cd43dd8448eb211c80319c", "/*"),
            ("/x/", "/x"),
        ] {
            assert_eq!(shape(path), expected);
        }
    }
}
