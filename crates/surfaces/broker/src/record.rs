//! The event of each call: destination, method, grant, status, bytes and time; or why it was refused.
//!
//! Refuses to hold a query, a path, a header's value or a byte of a body. While the record cannot be written, no new
//! call begins; what was under way when it broke is counted, and noted as a gap once it can be written again. Refusals
//! beyond the first few are counted, not written one by one: a loop in one app must not fill what all apps share.

use crate::{EgressCall, destination::Destination, grants::Covered, refusal::shown, refusals::Refusals};
use authority::{Authority, Caller, Instance, Permit, Who};
use http::Method;
use model::{Problem, ProblemKind};
use serde_json::{Map, Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use store::{Expected, Outcome, Store};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Where events go, and what could not go there.
pub(crate) struct Record {
    store: Arc<Store>,
    authority: Arc<Authority>,
    missed: AtomicU64,
    refusals: Refusals,
}

impl Record {
    pub(crate) fn new(store: Arc<Store>, authority: Arc<Authority>) -> Self {
        Self { store, authority, missed: AtomicU64::new(0), refusals: Refusals::default() }
    }

    fn write(&self, permit: Permit<EgressCall>, outcome: Outcome, detail: Value) {
        if let Err(error) = self.store.access_late(permit, outcome, detail) {
            self.store.miss_access(1);
            self.missed.fetch_add(1, Ordering::AcqRel);
            tracing::error!(%error, "a call could not be recorded");
        }
    }

    /// Whether a new call may begin.
    pub(crate) fn ready(&self, instance: &Instance) -> Result<(), Problem> {
        self.store.may_begin().map_err(|error| error.problem())?;
        if self.missed.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let permit = self.authority.decide(&instance.caller, EgressCall::refused(instance))?;
        // Taken, so that of two calls that begin now one alone says it.
        let missed = self.missed.swap(0, Ordering::AcqRel);
        if missed == 0 {
            return Ok(());
        }
        let gap = self.store.access(permit, Outcome::Failed, json!({ "code": "record.gap", "calls": missed }));
        gap.map(|_| self.store.tell_missed(missed)).map_err(|error| {
            self.missed.fetch_add(missed, Ordering::AcqRel);
            error.problem()
        })
    }

    /// Notes what was refused before a permit for it was asked: each of the first few of an instance, and how many more.
    pub(crate) fn refused(&self, instance: &Instance, to: Option<&Destination>, method: &Method, problem: &Problem) {
        match self.authority.decide(&instance.caller, EgressCall::refused(instance)) {
            Ok(permit) if !self.refusals.are_few(instance, self.store.clock().now()) => {
                let (_, spent) = permit.spend();
                // Of the app alone: one line may count what several people did.
                let caller = Caller::new(spent.caller().tenant.clone(), Who::App(instance.app.clone()));
                self.store.count(&caller, spent.rule().name, spent.target(), Outcome::Denied);
            }
            Ok(permit) => {
                let mut detail = Map::new();
                if let Some(to) = to {
                    detail.insert("host".to_owned(), json!(shown(&to.host)));
                    detail.insert("port".to_owned(), json!(to.port));
                }
                detail.insert("method".to_owned(), json!(shown(method.as_str())));
                detail.insert("code".to_owned(), json!(problem.code));
                self.write(permit, Outcome::Denied, Value::Object(detail));
            }
            // An app that may do nothing at all: what cut it is in the record.
            Err(denied) => tracing::info!(app = %instance.app.id, code = denied.code, "refused"),
        }
    }

    /// Asks authority for one hop, and opens its event. A denial is recorded by authority's own words.
    pub(crate) async fn permit(
        self: &Arc<Self>,
        instance: &Instance,
        covered: &Covered,
        method: &Method,
        token: &CancellationToken,
    ) -> Result<Entry, Problem> {
        let act = EgressCall::granted(instance, covered, method);
        let target = authority::Act::target(&act);
        let permit = match self.authority.permit(&instance.caller, act).await {
            Ok(permit) => permit,
            Err(denied) => {
                self.store.denied(&denied, &instance.caller, &target).await.map_err(|error| error.problem())?;
                return Err(denied.into());
            }
        };
        let grant = &covered.grant;
        let detail = json!({ "host": grant.host, "port": grant.port, "method": method.as_str(), "grant": grant.name });
        let Value::Object(detail) = detail else { return Err(Problem::internal()) };
        Ok(Entry {
            record: Arc::clone(self),
            permit: Some(permit),
            detail,
            begun: Instant::now(),
            token: token.clone(),
            _expected: self.store.expect_access(),
        })
    }
}

/// The event of one hop, written when the hop ends, however it ends.
pub(crate) struct Entry {
    record: Arc<Record>,
    permit: Option<Permit<EgressCall>>,
    detail: Map<String, Value>,
    begun: Instant,
    token: CancellationToken,
    /// Dropped after it was written.
    _expected: Expected,
}

impl Entry {
    pub(crate) fn note(&mut self, name: &str, value: impl Into<Value>) {
        self.detail.insert(name.to_owned(), value.into());
    }

    pub(crate) fn done(mut self) {
        self.end(Outcome::Allowed, None);
    }

    pub(crate) fn refuse(mut self, problem: &Problem) {
        let outcome = match problem.kind {
            ProblemKind::Upstream | ProblemKind::TimedOut | ProblemKind::Unavailable | ProblemKind::Internal => {
                Outcome::Failed
            }
            ProblemKind::Gone => Outcome::Failed,
            ProblemKind::Invalid
            | ProblemKind::Unauthenticated
            | ProblemKind::Denied
            | ProblemKind::NotFound
            | ProblemKind::Conflict
            | ProblemKind::TooLarge
            | ProblemKind::Unprocessable
            | ProblemKind::Limited => Outcome::Denied,
        };
        self.end(outcome, Some(&problem.code));
    }

    fn end(&mut self, outcome: Outcome, code: Option<&str>) {
        let Some(permit) = self.permit.take() else { return };
        if let Some(code) = code {
            self.note("code", code);
        }
        self.note("ms", u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX));
        self.record.write(permit, outcome, Value::Object(std::mem::take(&mut self.detail)));
    }
}

impl Drop for Entry {
    /// The guest went away, or the app was cut.
    fn drop(&mut self) {
        let code = if self.token.is_cancelled() { "egress.cut" } else { "egress.stopped" };
        self.end(Outcome::Failed, Some(code));
    }
}
