//! What apps print, and why they were stopped: sealed at rest, kept thirty days, written in batches.
//!
//! Lines come on the guests' threads, so taking one never blocks: past the buffer they are dropped and counted.

mod sql;

use authority::{Act, AppRef, Permit, Rule, Target, rules};
use gateway::{Line, Log};
use model::{Clock, Group, TenantId, Timestamp};
use seal::{Context, Purpose, PurposeKey, TenantKey};
use serde::Serialize;
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use store::{FreeWrite, Outcome, Store, StoreError, Table, params};
use tokio::sync::mpsc;

const BUFFER: usize = 4_096;
const BATCH: usize = 256;
const FLUSH_EVERY: Duration = Duration::from_millis(200);
/// `seeds`: logs of apps are kept 90 days or less; thirty suffice to find a fault.
const KEEP: Duration = Duration::from_secs(30 * 86_400);
const LINES_MAX: u32 = 1_000;
const INSERT: FreeWrite = FreeWrite::new(Table::AppLogs, sql::INSERT);
const PRUNE: FreeWrite = FreeWrite::new(Table::AppLogs, sql::PRUNE);

/// Read an app's log.
#[derive(Debug, Clone)]
pub(crate) struct ReadLog {
    pub(crate) tenant: TenantId,
    pub(crate) app: AppRef,
    pub(crate) team: Group,
}

impl Act for ReadLog {
    const RULE: &'static Rule = &rules::APP_LOGS;
    fn target(&self) -> Target {
        Target::within(self.tenant.clone(), &self.app, format!("app/{}/log", self.app.id))
    }
    fn team(&self) -> Option<Group> {
        Some(self.team.clone())
    }
}

/// One line, as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct LogLine {
    pub(crate) seq: i64,
    pub(crate) at: Timestamp,
    pub(crate) level: String,
    pub(crate) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at_code: Option<String>,
    pub(crate) release: i64,
    pub(crate) trace_id: Option<String>,
}

/// The sink of lines.
pub(crate) struct AppLog {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    tenant: TenantId,
    key: PurposeKey,
    next: AtomicI64,
    lines: mpsc::Sender<(i64, Line)>,
    heard: OnceLock<Hear>,
}

/// Told each line as it comes, on the guest's thread: must not block.
type Hear = Box<dyn Fn(&Line) + Send + Sync>;

impl std::fmt::Debug for AppLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppLog").finish_non_exhaustive()
    }
}

impl Log for AppLog {
    fn line(&self, line: Line) {
        if let Some(hear) = self.heard.get() {
            hear(&line);
        }
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        if self.lines.try_send((seq, line)).is_err() {
            tracing::warn!("lines of apps come faster than they can be kept; some were dropped");
        }
    }
}

impl AppLog {
    /// The sink, and the task that writes; sequence numbers go on from the clock, so that they never repeat.
    pub(crate) fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        tenant: TenantId,
        keys: &TenantKey,
    ) -> (Arc<Self>, Writer) {
        let (lines, receiver) = mpsc::channel(BUFFER);
        let next = AtomicI64::new(clock.now().as_ms().saturating_mul(1_000));
        let key = keys.purpose(Purpose::EventText);
        let log = Arc::new(Self { store, clock, tenant, key, next, lines, heard: OnceLock::new() });
        (Arc::clone(&log), Writer { log, receiver })
    }

    /// Tells each line as it comes, besides keeping it. The first who asks is told.
    pub(crate) fn tell(&self, hear: Hear) {
        drop(self.heard.set(hear));
    }

    fn context(&self, app: &AppRef, seq: i64) -> Context {
        Context::table("app_logs").column("line").row(format!("{}/{}/{seq}", app.id, app.env))
    }

    /// Lines after `after`, or the newest, oldest first; recorded as a use, since apps may print what is personal.
    pub(crate) async fn read(
        &self,
        permit: Permit<ReadLog>,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<LogLine>, StoreError> {
        let app = permit.act().app.clone();
        self.store.record(permit, Outcome::Allowed, serde_json::Value::Null).await?;
        let limit = limit.clamp(1, LINES_MAX);
        let rows = match after {
            Some(after) => {
                self.store.read(sql::AFTER, params![&self.tenant, &app.id, app.env.as_str(), after, limit]).await?
            }
            None => self.store.read(sql::NEWEST, params![&self.tenant, &app.id, app.env.as_str(), limit]).await?,
        };
        let mut lines = Vec::new();
        for row in rows {
            let seq = row.int(0)?;
            let text = self.key.open(&self.context(&app, seq), row.bytes(3)?);
            lines.push(LogLine {
                seq,
                at: row.time(1)?,
                level: row.text(2)?.to_owned(),
                text: text
                    .map_or_else(|_| "(unreadable)".to_owned(), |text| String::from_utf8_lossy(&text).into_owned()),
                at_code: row.opt_text(4)?.map(str::to_owned),
                trace_id: row.opt_text(5)?.map(str::to_owned),
                release: row.int(6)?,
            });
        }
        if after.is_none() {
            lines.reverse();
        }
        Ok(lines)
    }

    /// Deletes what is older than it is kept.
    pub(crate) async fn prune(&self) -> Result<u64, StoreError> {
        let before = self.clock.now().minus(KEEP);
        self.store.housekeeping().execute(PRUNE, params![&self.tenant, before]).await
    }
}

/// The writing side.
#[derive(Debug)]
pub(crate) struct Writer {
    log: Arc<AppLog>,
    receiver: mpsc::Receiver<(i64, Line)>,
}

impl Writer {
    /// Writes batches until every sender is gone.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.receiver.recv_many(&mut batch, BATCH).await > 0 {
            let writes: Vec<_> = batch.drain(..).map(|(seq, line)| (INSERT, self.row(seq, &line))).collect();
            if let Err(error) = self.log.store.housekeeping().batch(&writes).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    lines = writes.len(),
                    "lines of apps were not kept"
                );
            }
            tokio::time::sleep(FLUSH_EVERY).await;
        }
    }

    fn row(&self, seq: i64, line: &Line) -> Vec<store::Value> {
        let sealed = self.log.key.seal(&self.log.context(&line.app, seq), line.text.as_bytes());
        let level = format!("{:?}", line.level).to_lowercase();
        params![
            &self.log.tenant,
            seq,
            &line.app.id,
            line.app.env.as_str(),
            line.release.0,
            line.time,
            level,
            sealed,
            line.at.as_deref(),
            line.trace.as_str(),
        ]
        .to_vec()
    }
}
