//! What apps print, and why they were stopped: sealed at rest, kept thirty days and up to a size, written in batches.
//!
//! Lines come on the guests' threads, so taking one never blocks: past an app's part of the buffer they are dropped,
//! counted, and the log says how many. Whoever follows a log reads rows, at their own pace, and is only told that there
//! are some.

mod sql;
#[cfg(test)]
mod tests;
mod waiting;

use self::waiting::Waiting;
use authority::{Act, AppRef, Permit, Rule, Target, rules};
use gateway::{Line, Log};
use model::{Clock, Group, TenantId, Timestamp};
use seal::{Context, Purpose, PurposeKey, TenantKey};
use serde::Serialize;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};
use store::{FreeWrite, Outcome, Row, Store, StoreError, Table, panicked, params};
use tokio::{
    sync::{mpsc, watch},
    time::MissedTickBehavior,
};

const BATCH: usize = 256;
const FLUSH_EVERY: Duration = Duration::from_millis(200);
/// Between batches while more lines wait: a flood has the database to itself no more than half of the time.
const PAUSE: Duration = Duration::from_millis(20);
/// How often a log says that lines were lost.
const OWED_EVERY: Duration = Duration::from_secs(1);
/// People may be named in what apps print, so it is kept no longer than it takes to find a fault.
const KEEP: Duration = Duration::from_secs(30 * 86_400);
/// Of one app in one environment; the oldest go first. Lines as they are kept, and `ROW_BYTES` for each.
const KEEP_BYTES: i64 = 64 << 20;
/// After so many more it is looked whether there are too many.
const LOOK_BYTES: u64 = 8 << 20;
/// What a row takes beside its line.
const ROW_BYTES: u64 = 256;
/// A whole page of the longest list.
const LINES_MAX: u32 = 1_000;
/// Of a page, as they are kept: it ends behind the line that reaches this.
const PAGE_BYTES: i64 = 1 << 20;
/// How late a line of another node may stand in the rows: its batch, the database's answer, and what clocks are apart.
const LATE: Duration = Duration::from_secs(3);
/// How often it is looked for such a line.
const LATE_EVERY: Duration = Duration::from_secs(1);
/// Sequence numbers in a millisecond.
const IN_A_MS: i64 = 1_000;
const INSERT: FreeWrite = FreeWrite::new(Table::AppLogs, sql::INSERT);
const PRUNE: FreeWrite = FreeWrite::new(Table::AppLogs, sql::PRUNE);
const SHORTEN: FreeWrite = FreeWrite::new(Table::AppLogs, sql::SHORTEN);

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

/// Some lines that follow each other.
pub(crate) struct Page {
    pub(crate) lines: Vec<LogLine>,
    /// There are others behind the last.
    pub(crate) more: bool,
}

/// The sink of lines.
pub(crate) struct AppLog {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    tenant: TenantId,
    key: PurposeKey,
    next: AtomicI64,
    /// Within a millisecond: another node's lines of that moment have another.
    mark: i64,
    lines: mpsc::Sender<(i64, Line)>,
    waiting: Waiting,
    /// Moves whenever lines of this node were written.
    written: watch::Sender<()>,
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
        if !self.waiting.enters(&line.app) {
            self.waiting.lose(line);
            return;
        }
        if let Err(unsent) = self.lines.try_send((self.seq(), line)) {
            let (_, line) = unsent.into_inner();
            self.waiting.left(std::iter::once(&line.app));
            self.waiting.lose(line);
        }
    }
}

impl AppLog {
    /// The sink, and the task that writes.
    pub(crate) fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        tenant: TenantId,
        keys: &TenantKey,
    ) -> (Arc<Self>, Writer) {
        let (lines, receiver) = mpsc::channel(waiting::LINES);
        let next = AtomicI64::new(0);
        let mark = i64::from(u16::from_le_bytes(seal::random_bytes())) % IN_A_MS;
        let key = keys.purpose(Purpose::EventText);
        let log = Arc::new(Self {
            store,
            clock,
            tenant,
            key,
            next,
            mark,
            lines,
            waiting: Waiting::default(),
            written: watch::Sender::new(()),
            heard: OnceLock::new(),
        });
        (Arc::clone(&log), Writer { log, receiver, since: HashMap::new() })
    }

    /// Tells each line as it comes, besides keeping it. The first who asks is told.
    pub(crate) fn tell(&self, hear: Hear) {
        drop(self.heard.set(hear));
    }

    /// By the clock, so that lines of all nodes stand in the order in which they came; never the same twice on a node.
    fn seq(&self) -> i64 {
        let now = self.clock.now().as_ms().saturating_mul(IN_A_MS);
        let now = now.saturating_add(self.mark);
        let next = |before: i64| Some(now.max(before.saturating_add(IN_A_MS)));
        let before = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        before.map_or(now, |before| now.max(before.saturating_add(IN_A_MS)))
    }

    fn context(&self, app: &AppRef, seq: i64) -> Context {
        Context::table("app_logs").column("line").row(format!("{}/{}/{seq}", app.id, app.env))
    }

    /// The newest lines, or those before `before`, newest first; recorded as a use, since apps may print what is personal.
    pub(crate) async fn page(
        &self,
        permit: Permit<ReadLog>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let app = permit.act().app.clone();
        self.store.record(permit, Outcome::Allowed, serde_json::Value::Null).await?;
        self.lines(sql::BEFORE, &app, before.unwrap_or(i64::MAX), limit.clamp(1, LINES_MAX)).await
    }

    /// Follows the log from a place on, or from now; recorded as a use, as reading it is.
    pub(crate) async fn follow(
        self: &Arc<Self>,
        permit: Permit<ReadLog>,
        after: Option<i64>,
    ) -> Result<Followed, StoreError> {
        let app = permit.act().app.clone();
        let written = self.written.subscribe();
        self.store.record(permit, Outcome::Allowed, serde_json::json!({ "follow": true })).await?;
        let now = self.clock.now().as_ms().saturating_mul(IN_A_MS);
        let after = after.unwrap_or(now);
        let mut followed = Followed { log: Arc::clone(self), app, after, looked: None, seen: BTreeSet::new(), written };
        // Whoever goes on after a line has those before it, as far as they were there.
        followed.seen = followed.which_are_there().await?.into_iter().collect();
        Ok(followed)
    }

    /// Some lines beyond one, the nearest first, as a statement has them.
    async fn lines(&self, statement: &'static str, app: &AppRef, beyond: i64, limit: u32) -> Result<Page, StoreError> {
        // One more than is given says whether there are any.
        let key = params![&self.tenant, &app.id, app.env.as_str(), beyond, limit + 1, PAGE_BYTES];
        let mut rows = self.store.read(statement, key).await?;
        let there = rows.first().map_or(Ok(0), |row| row.uint(7))?;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let more = there > u64::try_from(rows.len()).unwrap_or(u64::MAX);
        Ok(Page { lines: self.opened(app, &rows)?, more })
    }

    fn opened(&self, app: &AppRef, rows: &[Row]) -> Result<Vec<LogLine>, StoreError> {
        let mut lines = Vec::new();
        for row in rows {
            let seq = row.int(0)?;
            let text = self.key.open(&self.context(app, seq), row.bytes(3)?);
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
        Ok(lines)
    }

    /// Deletes what is older than it is kept.
    pub(crate) async fn prune(&self) -> Result<u64, StoreError> {
        let before = self.clock.now().minus(KEEP);
        self.store.housekeeping().execute(PRUNE, params![&self.tenant, before]).await
    }

    /// Deletes the oldest lines of a log, until the others have so many bytes.
    async fn shorten(&self, app: &AppRef, most: i64) -> Result<u64, StoreError> {
        let log = params![&self.tenant, &app.id, app.env.as_str(), most];
        self.store.housekeeping().execute(SHORTEN, log).await
    }
}

/// A log that somebody follows: the permit to read it, used up.
pub(crate) struct Followed {
    log: Arc<AppLog>,
    app: AppRef,
    after: i64,
    /// When it was last looked for lines that were written late, by another node.
    looked: Option<Instant>,
    /// What was given of the time in which they may stand.
    seen: BTreeSet<i64>,
    written: watch::Receiver<()>,
}

impl Followed {
    /// The place to go on after.
    pub(crate) const fn after(&self) -> i64 {
        self.after
    }

    /// From where it is looked again.
    fn since(&self) -> i64 {
        let back = i64::try_from(LATE.as_millis()).unwrap_or(i64::MAX).saturating_mul(IN_A_MS);
        self.after.saturating_sub(back)
    }

    /// Of the time in which lines may stand that were written late: without their texts.
    async fn which_are_there(&self) -> Result<Vec<i64>, StoreError> {
        let key = params![&self.log.tenant, &self.app.id, self.app.env.as_str(), self.since(), self.after];
        self.log.store.read(sql::WHICH_AFTER, key).await?.iter().map(|row| row.int(0)).collect()
    }

    /// The first that was written late, if it is time to look.
    async fn late(&mut self) -> Result<Option<i64>, StoreError> {
        if self.looked.is_some_and(|looked| looked.elapsed() < LATE_EVERY) {
            return Ok(None);
        }
        let since = self.since();
        self.seen.retain(|seq| *seq > since);
        let late = self.which_are_there().await?.into_iter().find(|seq| !self.seen.contains(seq));
        // Behind one there may be others.
        self.looked = late.is_none().then(Instant::now);
        Ok(late)
    }

    /// Lines that were not given yet, oldest first; some of them when there are many. What was given is not read again,
    /// but for what stands behind a line that was written late.
    pub(crate) async fn next(&mut self) -> Result<Vec<LogLine>, StoreError> {
        self.written.mark_unchanged();
        let from = self.late().await?.map_or(self.after, |late| late - 1);
        let Page { mut lines, .. } = self.log.lines(sql::AFTER, &self.app, from, LINES_MAX).await?;
        lines.retain(|line| self.is_new(line.seq));
        Ok(lines)
    }

    fn is_new(&mut self, seq: i64) -> bool {
        let new = self.seen.insert(seq);
        self.after = self.after.max(seq);
        new
    }

    /// Waits for more: at least `soon`, at most `longest`.
    pub(crate) async fn more(&mut self, soon: Duration, longest: Duration) {
        tokio::time::sleep(soon).await;
        // Its other half is in the log that this holds.
        drop(tokio::time::timeout(longest.saturating_sub(soon), self.written.changed()).await);
    }
}

/// The writing side.
#[derive(Debug)]
pub(crate) struct Writer {
    log: Arc<AppLog>,
    receiver: mpsc::Receiver<(i64, Line)>,
    /// Bytes of each log since it was looked how long it is. One that was not written to before is looked at, too.
    since: HashMap<AppRef, u64>,
}

impl Writer {
    /// Writes batches until every sender is gone.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut owed = tokio::time::interval(OWED_EVERY);
        owed.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = owed.tick(), if self.log.waiting.owes() => {
                    panicked("app log", self.say_owed()).await;
                }
                more = self.receiver.recv_many(&mut batch, BATCH) => {
                    if more == 0 {
                        return;
                    }
                    // What panics there is lost with its lines, and no more than these.
                    panicked("app log", self.write(&batch)).await;
                    self.log.waiting.left(batch.drain(..).map(|(_, line)| line.app).collect::<Vec<_>>().iter());
                    let pause = if self.receiver.is_empty() { FLUSH_EVERY } else { PAUSE };
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn say_owed(&mut self) {
        let owed: Vec<_> = self.log.waiting.owed().into_iter().map(|line| (self.log.seq(), line)).collect();
        self.write(&owed).await;
    }

    async fn write(&mut self, lines: &[(i64, Line)]) {
        let writes: Vec<_> = lines.iter().map(|(seq, line)| (INSERT, self.row(*seq, line))).collect();
        if let Err(error) = self.log.store.housekeeping().batch(&writes).await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, lines = writes.len(), "lines of apps were not kept");
        }
        self.log.written.send_replace(());
        for (_, line) in lines {
            // At first it is not known how long it was.
            let since = self.since.entry(line.app.clone()).or_insert(LOOK_BYTES);
            *since = since.saturating_add(line.text.len() as u64 + ROW_BYTES);
        }
        let long: Vec<AppRef> = self.since.extract_if(|_, bytes| *bytes > LOOK_BYTES).map(|(app, _)| app).collect();
        for app in long {
            match self.log.shorten(&app, KEEP_BYTES).await {
                Ok(0) => {}
                Ok(lines) => tracing::info!(app = %app.id, lines, "the oldest lines of a long log were deleted"),
                Err(error) => tracing::warn!(%error, app = %app.id, "a log could not be shortened"),
            }
            self.since.insert(app, 0);
        }
    }

    fn row(&self, seq: i64, line: &Line) -> Vec<store::Value> {
        let sealed = self.log.key.seal(&self.log.context(&line.app, seq), line.text.as_bytes());
        params![
            &self.log.tenant,
            seq,
            &line.app.id,
            line.app.env.as_str(),
            line.release.0,
            line.time,
            line.level.as_str(),
            sealed,
            line.at.as_deref(),
            line.trace.as_str(),
        ]
        .to_vec()
    }
}
