//! The store itself: opening, reading, asking again.

use crate::{
    Depot, EpochWatch, HoldsStoreError, Migration, Row, StoreError, Value,
    access::AccessBuffer,
    content::Outside,
    counted::Counted,
    cuts::Cuts,
    engine::{CommitCounts, Engine},
    journal::Journal,
    migrations,
    nodes::SeenNode,
    params,
    postgres::Postgres,
    rates,
    runs::Unleased,
    sequencer::Edges,
    sql,
    sqlite::Sqlite,
    subjects::Subjects,
    tallies::Tallies,
};
use model::{Clock, TenantId};
use seal::{Purpose, RootKey};
use std::{
    fmt,
    future::Future,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

/// Free space below which nothing is written (16 MiB): enough for the engine to finish what it began.
pub const RESERVE_BYTES: u64 = 16 << 20;
/// For how long an act is asked again while authority moves. Each time needs a change of authority that another act
/// won, so a count would refuse whoever is unlucky among many; time refuses whoever waited long enough.
const AGAIN_FOR: Duration = Duration::from_secs(10);
/// Between two times: whoever won gets on with it.
const AGAIN_AFTER: Duration = Duration::from_millis(1);
/// How long asking again waits for memory to catch up.
const MEMORY_WAIT: Duration = Duration::from_secs(2);

/// What a node keeps of the depot, in its data folder.
const CONTENT: &str = "content";

/// Which engine, and where.
#[derive(Clone)]
pub enum Database {
    Sqlite { path: PathBuf },
    Postgres { url: String },
}

impl fmt::Debug for Database {
    /// Without the address: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => f.debug_struct("Sqlite").field("path", path).finish(),
            Self::Postgres { .. } => f.debug_struct("Postgres").finish_non_exhaustive(),
        }
    }
}

#[derive(Debug, Clone)]
pub struct StoreConfig {
    pub database: Database,
    pub clock: Arc<dyn Clock>,
    pub root: RootKey,
    /// This node's name; unique among nodes.
    pub node: String,
    /// Holds what a node keeps beside the database.
    pub data_dir: PathBuf,
    /// The host in the origin lines of the logs, such as `localhost:7070`. What the database was made with stays.
    pub log_host: String,
    /// `RESERVE_BYTES` unless tests say otherwise.
    pub reserve_bytes: u64,
    /// Where bundles and full tiles lie, if not in the database.
    pub depot: Option<Depot>,
}

pub struct Store {
    pub(crate) engine: Engine,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) root: RootKey,
    pub(crate) node: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) watch: Arc<dyn EpochWatch>,
    pub(crate) subjects: Subjects,
    pub(crate) access: AccessBuffer,
    pub(crate) counted: Counted,
    pub(crate) cuts: Cuts,
    /// The database does not continue what this node has seen of the record.
    pub(crate) recovering: AtomicBool,
    /// The last act could not be recorded.
    pub(crate) refusing: AtomicBool,
    pub(crate) tallies: Tallies,
    /// The other nodes, as they were seen last.
    pub(crate) others: Mutex<Vec<SeenNode>>,
    /// Runs of nodes that have no lease, as they were seen last.
    pub(crate) unleased: Mutex<Vec<Unleased>>,
    pub(crate) edges: Edges,
    pub(crate) log_host: String,
    /// Turns at drawing from rate limits.
    pub(crate) draws: rates::Turns,
    pub(crate) outside: Option<Outside>,
    /// Steps that this version knows, and that no older node may stand beside.
    pub(crate) alone_steps: i64,
}

/// What this node's memory reads of its own commit, so that it knows at once. The act stands whatever comes of it: what
/// could not be read, the feed brings.
pub fn left_to_feed<E: std::error::Error + 'static>(read: Result<(), E>) {
    if let Err(error) = read {
        let error: &(dyn std::error::Error + 'static) = &error;
        tracing::warn!(error, "memory is behind what was just committed; the feed brings it");
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database, migrates it forward and compares the root key; makes it when it is new.
    ///
    /// # Errors
    /// `StoreError::Newer`, `StoreError::Altered`, `StoreError::WrongKey`, `StoreError::InUse`,
    /// `StoreError::OlderNodes`, `StoreError::Unwritable`, `StoreError::Folder`, `StoreError::Journal`,
    /// `StoreError::NewerCut`.
    pub async fn open(
        config: StoreConfig,
        watch: Arc<dyn EpochWatch>,
        rooms: &[&'static [Migration]],
    ) -> Result<Arc<Self>, StoreError> {
        let engine = match &config.database {
            Database::Sqlite { path } => Engine::Sqlite(Arc::new(Sqlite::open(path, config.reserve_bytes)?)),
            Database::Postgres { url } => Engine::Postgres(Arc::new(Postgres::open(url).await?)),
        };
        if let Engine::Postgres(postgres) = &engine {
            postgres.tell(config.clock.as_ref()).await?;
        }
        let log_host = migrations::migrate(&engine, &config, rooms).await?;
        let key = config.root.tenant(&TenantId::main()).purpose(Purpose::Journal);
        let (journal, found) = Journal::open(&config.data_dir, key)?;
        let outside = config.depot.map(|depot| Outside::new(depot, config.data_dir.join(CONTENT)));
        let store = Self {
            engine,
            clock: config.clock,
            subjects: Subjects::new(config.root.clone()),
            root: config.root,
            node: config.node,
            data_dir: config.data_dir,
            watch,
            access: AccessBuffer::new(),
            counted: Counted::default(),
            cuts: Cuts::new(journal, found)?,
            recovering: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            tallies: Tallies::default(),
            others: Mutex::default(),
            unleased: Mutex::default(),
            edges: Edges::default(),
            log_host,
            draws: rates::Turns::new(),
            outside,
            alone_steps: migrations::alone_steps(rooms),
        };
        store.check_configured().await?;
        Ok(Arc::new(store))
    }

    /// Reads; readers do not wait for the writer. A statement that writes is refused by the engine.
    ///
    /// # Errors
    /// `StoreError::ReadOnly`, `StoreError::Busy`, `StoreError::Unwritable` when the database is gone.
    pub async fn read(&self, sql: &'static str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.engine.read(sql, params).await
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As `read`.
    pub async fn read_one(&self, sql: &'static str, params: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.read(sql, params).await?.into_iter().next())
    }

    /// The tenant's authority epoch in the database; 0 before the first change.
    ///
    /// # Errors
    /// As `read`.
    pub async fn epoch(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        self.read_one(sql::EPOCH, params![tenant]).await?.map_or(Ok(0), |row| row.uint(0))
    }

    /// Runs `work` (ask for the permit, act, commit) again when authority moved meanwhile, after waiting until
    /// memory has caught up; for at most ten seconds.
    ///
    /// # Errors
    /// What the last run ended in.
    pub async fn again<T, E, F, Fut>(&self, mut work: F) -> Result<T, E>
    where
        E: HoldsStoreError,
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let until = tokio::time::Instant::now() + AGAIN_FOR;
        loop {
            let error = match work().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let Some(StoreError::Moved { tenant, current }) = error.store_error() else {
                return Err(error);
            };
            if tokio::time::Instant::now() >= until {
                return Err(error);
            }
            // Out of time: memory may have caught up partly; the next commit tells.
            drop(tokio::time::timeout(MEMORY_WAIT, self.watch.reached(tenant, *current)).await);
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// How many acts were committed, in how many groups.
    #[must_use]
    pub fn commit_counts(&self) -> CommitCounts {
        self.engine.counts()
    }

    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }
}
