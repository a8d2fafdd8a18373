//! PostgreSQL: a pool that writes, a pool that cannot write, and one direct connection that listens.
//!
//! `LISTEN` and session locks never go through a pool: they belong to a connection, and pools hand connections round.

mod asking;
mod errors;
mod fence;
mod listen;
mod tls;
mod tx;
mod values;

pub(crate) use listen::{Direct, SessionLock, listen};
pub use tls::check_url;
pub(crate) use tx::PostgresTx;

use crate::{CommitCounts, Piece, Pieces, Row, StoreError, Value, snapshot, sql};
use asking::Asking;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use errors::{pool_error, read_error};
use fence::Fence;
use futures_util::StreamExt;
use model::Clock;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tls::MakeTls;
use tokio::sync::watch;
use tokio_postgres::Config;

/// Connections that write: beyond some two for each core of the server, more only wait for each other.
const WRITERS: usize = 24;
const READERS: usize = 16;
/// How long an act waits for a connection before it is refused.
const WAIT: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// How long a statement's answer is waited for: longer than the server waits for a lock. Past it, nobody may be there.
const ANSWER: Duration = Duration::from_secs(15);
/// What was sent and is not even acknowledged by then was sent into a cut cable.
const UNHEARD: Duration = Duration::from_secs(5);

/// Between two questions whether a silent other side is still there, and how many stay unanswered before it is not.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(2);
const KEEPALIVE_TRIES: u32 = 3;

pub(crate) struct Postgres {
    config: Config,
    tls: MakeTls,
    writers: Pool,
    readers: Pool,
    committed: Arc<watch::Sender<u64>>,
    fed: watch::Sender<u64>,
    acts: Arc<AtomicU64>,
    /// A newer version has changed the tables so that this process may not write any more.
    outdated: AtomicBool,
    fence: Arc<Fence>,
}

impl fmt::Debug for Postgres {
    /// Without the address: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}

impl Postgres {
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let (config, tls) = read(url)?;
        let opened = Self {
            writers: pool(&config, &tls, sql::WRITER_OPTIONS, WRITERS)?,
            readers: pool(&config, &tls, sql::READER_OPTIONS, READERS)?,
            config,
            tls,
            committed: Arc::new(watch::Sender::new(0)),
            fed: watch::Sender::new(0),
            acts: Arc::default(),
            outdated: AtomicBool::new(false),
            fence: Arc::default(),
        };
        opened.begin().await?;
        Ok(opened)
    }

    pub(crate) async fn read(&self, sql: &'static str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        let client = self.readers.get().await.map_err(pool_error)?;
        let asking = Asking::new(client, self.tls.clone());
        let client = asking.client().ok_or(StoreError::Closed)?;
        let answer = tokio::time::timeout(ANSWER, Self::ask(client, sql, params)).await;
        let client = asking.answered();
        answer.unwrap_or_else(|_| {
            // Nothing may be heard of it any more: it does not go back to the others.
            drop(client.map(Object::take));
            Err(StoreError::unwritable("the database does not answer"))
        })
    }

    async fn ask(client: &Object, sql: &'static str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        let statement = client.prepare_cached(sql).await.map_err(read_error)?;
        if statement.params().len() != params.len() {
            let why = "the statement takes another number of parameters";
            return Err(StoreError::Param { position: params.len(), why });
        }
        let refs: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = params.iter().map(|value| value as _).collect();
        client.query(&statement, &refs).await.map_err(read_error)?.iter().map(values::row).collect()
    }

    /// Tells a clock what the time is here.
    pub(crate) async fn tell(&self, clock: &dyn Clock) -> Result<(), StoreError> {
        if let Some(row) = self.read(sql::DATABASE_NOW, &[]).await?.first() {
            clock.told(row.time(0)?);
        }
        Ok(())
    }

    /// From now on nothing is written.
    pub(crate) fn outdate(&self) {
        self.outdated.store(true, Ordering::Release);
    }

    pub(crate) fn fence(&self) -> &Fence {
        &self.fence
    }

    pub(crate) fn is_outdated(&self) -> bool {
        self.outdated.load(Ordering::Acquire)
    }

    pub(crate) async fn begin(&self) -> Result<PostgresTx, StoreError> {
        if self.is_outdated() {
            return Err(StoreError::Outdated);
        }
        let client = self.writers.get().await.map_err(pool_error)?;
        self.fence.check()?;
        Ok(PostgresTx::new(client, Arc::clone(&self.fence), Arc::clone(&self.acts), Arc::clone(&self.committed)))
    }

    /// Every table, read in one transaction of one moment.
    pub(crate) async fn snapshot(&self, to: &Pieces) -> Result<(), StoreError> {
        let mut config = patient(&self.config);
        config.application_name("bailiwick-backup");
        let (client, connection) = config.connect(self.tls.clone()).await.map_err(errors::write_error)?;
        let connection = AbortOnDrop(tokio::spawn(connection));
        client.batch_execute(snapshot::BEGIN_SNAPSHOT_POSTGRES).await.map_err(read_error)?;
        let closed = |_| StoreError::Closed;
        let applied = whole(&client, sql::APPLIED_MIGRATIONS).await?;
        to.send(snapshot::steps(&applied)?).await.map_err(closed)?;
        for table in whole(&client, snapshot::TABLES_POSTGRES).await? {
            let name = table.text(0)?.to_owned();
            let reading = client.prepare(&snapshot::whole(&name)).await.map_err(read_error)?;
            let columns = reading.columns().iter().map(|column| column.name().to_owned()).collect();
            to.send(Piece::Table { name, columns }).await.map_err(closed)?;
            let none: [&(dyn tokio_postgres::types::ToSql + Sync); 0] = [];
            let rows = client.query_raw(&reading, none).await.map_err(read_error)?;
            let mut rows = std::pin::pin!(rows);
            let mut lines = snapshot::Lines::default();
            while let Some(row) = rows.next().await {
                if let Some(piece) = lines.add(snapshot::line(&values::row(&row.map_err(read_error)?)?)) {
                    to.send(piece).await.map_err(closed)?;
                }
            }
            to.send(lines.rest()).await.map_err(closed)?;
        }
        drop(connection);
        Ok(())
    }

    pub(crate) fn counts(&self) -> CommitCounts {
        let acts = self.acts.load(Ordering::Relaxed);
        CommitCounts { acts, groups: acts }
    }

    pub(crate) fn committed(&self) -> &watch::Sender<u64> {
        &self.committed
    }

    pub(crate) const fn fed(&self) -> &watch::Sender<u64> {
        &self.fed
    }
}

/// The way to the database, and what every session begins with.
fn read(url: &str) -> Result<(Config, MakeTls), StoreError> {
    let (mut config, tls) = tls::read(url).map_err(StoreError::unwritable)?;
    config.application_name("bailiwick").connect_timeout(CONNECT).tcp_user_timeout(UNHEARD);
    // A connection that waits, such as the leader's, is known to be dead within seconds: here, and by its options there.
    config.keepalives_idle(UNHEARD).keepalives_interval(KEEPALIVE_EVERY).keepalives_retries(KEEPALIVE_TRIES);
    let given = config.get_options().unwrap_or_default();
    let options = format!(
        "{given} {} -c tcp_user_timeout={}ms -c tcp_keepalives_idle={}s -c tcp_keepalives_interval={}s -c tcp_keepalives_count={KEEPALIVE_TRIES}",
        sql::SESSION_OPTIONS,
        UNHEARD.as_millis(),
        UNHEARD.as_secs(),
        KEEPALIVE_EVERY.as_secs(),
    );
    config.options(options);
    Ok((config, tls))
}

/// Reads by a connection of its own; changes nothing. It ends, though nobody may answer what took the connection.
pub(crate) async fn peek(url: &str, statements: &[&'static str]) -> Result<Vec<Vec<Row>>, StoreError> {
    let (config, tls) = read(url)?;
    let mut config = with(&config, sql::READER_OPTIONS);
    config.application_name("bailiwick-look");
    // Each host may be tried; what the library bounds by itself is the socket alone, not what is said over it.
    let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(1).max(1);
    let connected = within(CONNECT.saturating_mul(hosts), config.connect(tls)).await?;
    let (client, connection) = connected.map_err(errors::write_error)?;
    let mut connection = AbortOnDrop(tokio::spawn(connection));
    let mut answers = Vec::with_capacity(statements.len());
    for sql in statements {
        answers.push(within(ANSWER, whole(&client, sql)).await??);
    }
    drop(client);
    // It ends once its client is gone; how does not matter any more.
    drop(tokio::time::timeout(CONNECT, &mut connection.0).await);
    Ok(answers)
}

/// Waits so long, and no longer.
async fn within<F: Future>(limit: Duration, work: F) -> Result<F::Output, StoreError> {
    let done = tokio::time::timeout(limit, work).await;
    done.map_err(|_| StoreError::unwritable("the database does not answer"))
}

async fn whole(client: &tokio_postgres::Client, sql: &'static str) -> Result<Vec<Row>, StoreError> {
    client.query(sql, &[]).await.map_err(read_error)?.iter().map(values::row).collect()
}

/// The connection ends with the work that needed it.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The same with further options.
fn with(config: &Config, options: &str) -> Config {
    let mut config = config.clone();
    let given = config.get_options().unwrap_or_default();
    config.options(format!("{given} {options}"));
    config
}

/// Of a connection that is read as slowly as whoever takes a backup: while nobody reads, what was sent stays
/// unacknowledged, though nothing is cut.
fn patient(config: &Config) -> Config {
    with(config, "-c tcp_user_timeout=0")
}

fn pool(config: &Config, tls: &MakeTls, options: &str, size: usize) -> Result<Pool, StoreError> {
    let manager = Manager::from_config(
        with(config, options),
        tls.clone(),
        ManagerConfig { recycling_method: RecyclingMethod::Fast },
    );
    Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(WAIT))
        .create_timeout(Some(CONNECT))
        .recycle_timeout(Some(CONNECT))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| StoreError::Database(Arc::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_begins_with_our_settings_and_keeps_those_it_was_given() {
        let (config, _) = read("postgres://b@localhost/b?options=-c%20work_mem%3D8MB").unwrap();
        for config in [&config, &with(&config, sql::WRITER_OPTIONS), &with(&config, sql::READER_OPTIONS)] {
            let options = config.get_options().unwrap();
            for wanted in
                ["work_mem=8MB", "isolation=read\\ committed", "tcp_user_timeout=5000ms", "tcp_keepalives_idle=5s"]
            {
                assert!(options.contains(wanted), "{wanted}: {options}");
            }
        }
        // The last that is said counts.
        let options = patient(&config).get_options().unwrap().to_owned();
        assert!(options.rsplit_once("tcp_user_timeout=").unwrap().1.starts_with('0'), "{options}");
    }
}
