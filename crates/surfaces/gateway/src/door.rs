//! What a guest says and leaves behind, on its way to the app's log and to the record; what it sends goes to the door
//! that the assembly opened.

use crate::{Line, Log, Told, record::Record, route::Route, shares::Share};
use authority::AppRef;
use http::StatusCode;
use model::{Clock, ReleaseNumber, TraceId};
use sandbox::{Body, Door, Level, LogLine, Report, Sending, Stopped};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::oneshot;

/// Who answers there is the assembly's affair.
const SELF: &str = "self.bailiwick";
/// Names of the platform's own.
const INSIDE: &str = ".bailiwick";

/// Stands between one instance and the door that was opened for it.
pub(crate) struct GuestDoor {
    pub(crate) door: Arc<dyn Door>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) record: Arc<Record>,
    pub(crate) app: AppRef,
    pub(crate) name: Arc<str>,
    pub(crate) release: ReleaseNumber,
    pub(crate) trace: TraceId,
    told: Told,
    /// Whoever waits for an answer needs no processor.
    share: Weak<Share>,
    /// Told the end, for who waits for it.
    ended: Mutex<Option<oneshot::Sender<Report>>>,
}

impl GuestDoor {
    pub(crate) fn new(
        door: Arc<dyn Door>,
        (log, clock): (Arc<dyn Log>, Arc<dyn Clock>),
        record: Arc<Record>,
        route: &Route,
        trace: TraceId,
        told: Told,
        share: Weak<Share>,
    ) -> Self {
        let (app, name, release) = (route.app.clone(), Arc::clone(&route.name), route.release);
        Self { door, log, clock, record, app, name, release, trace, told, share, ended: Mutex::default() }
    }

    /// The account of the run, once nothing is left of it.
    pub(crate) fn end(&self) -> oneshot::Receiver<Report> {
        let (tell, told) = oneshot::channel();
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(tell);
        told
    }

    fn line(&self, level: Level, text: String, at: Option<String>) {
        self.log.line(Line {
            app: self.app.clone(),
            name: Arc::clone(&self.name),
            release: self.release,
            trace: self.trace.clone(),
            level,
            text,
            at,
            time: self.clock.now(),
        });
    }
}

impl Door for GuestDoor {
    fn send(&self, mut request: http::Request<Body>) -> Sending {
        let host = request.uri().host().map(str::to_ascii_lowercase).unwrap_or_default();
        if host == SELF {
            request.extensions_mut().insert(self.told.clone());
        }
        let (sending, away) = (self.door.send(request), self.share.upgrade().map(Share::away));
        let asked = host.ends_with(INSIDE).then(|| Arc::clone(&self.record));
        Box::pin(async move {
            let _away = away;
            let answer = sending.await;
            if let (Some(record), Ok(answer)) = (asked, &answer) {
                record.put_off(answer.status() == StatusCode::SERVICE_UNAVAILABLE);
            }
            answer
        })
    }

    fn log(&self, line: LogLine) {
        self.line(line.level, line.text, line.at);
    }

    fn ended(&self, report: Report) {
        // An error of the handler stands in the log already, with its stack; who goes away is not the app's affair.
        if let Some(stopped) = &report.stopped
            && !matches!(stopped, Stopped::Uncaught { .. } | Stopped::Cancelled)
        {
            self.line(Level::Error, stopped.to_string(), None);
        }
        self.record.ended(report.clone());
        if let Some(tell) = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Whoever asked may have gone away.
            drop(tell.send(report.clone()));
        }
        self.door.ended(report);
    }
}
