//! What the suite needs: a store on either engine, acts with permits, a clock that stands until it is moved.

use crate::sql;
use authority::{Act, Authority, Caller, Factor, Facts, Origin, Permit, PersonFacts, Policy, Rule, Target, Who, rules};
use futures_util::StreamExt;
use model::{Group, ManualClock, PersonId, SessionId, TenantId, Timestamp};
use std::{collections::BTreeSet, path::Path, sync::Arc};
use store::{Database, Depot, DepotPlace, Migration, Store, StoreConfig, StoreError};
use tempfile::TempDir;

/// The room of this suite.
pub const NOTES: &[Migration] = &[Migration { room: "notes", number: 1, name: "notes", sql: sql::CREATE_NOTES }];
/// 2026-11-23T00:00:00Z.
pub const START_MS: i64 = 1_795_392_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    /// A database that nobody has opened yet.
    pub async fn database(self, folder: &Path) -> Database {
        match self {
            Self::Sqlite => Database::Sqlite { path: folder.join("bailiwick.db") },
            Self::Postgres => Database::Postgres { url: new_database().await },
        }
    }
}

macro_rules! acts {
    ($($name:ident = $rule:ident;)*) => { $(
        #[derive(Debug, Clone)]
        pub struct $name(pub &'static str);
        impl Act for $name {
            const RULE: &'static Rule = &rules::$rule;
            fn target(&self) -> Target {
                Target::new(TenantId::main(), self.0)
            }
        }
    )* };
}
acts! {
    Change = RELEASE_REJECT;
    Raise = APP_DEPLOY;
    Export = AUDIT_EXPORT;
    Look = APP_LIST;
    Sever = SECRET_REVOKE;
    Leave = SESSION_END;
}

/// A whole store in a temporary folder, with authority's memory beside it.
pub struct House {
    pub store: Arc<Store>,
    pub authority: Arc<Authority>,
    pub clock: Arc<ManualClock>,
    pub config: StoreConfig,
    pub dir: TempDir,
}

impl House {
    /// Memory follows the database by itself.
    pub async fn new(kind: Kind) -> Self {
        let house = Self::still(kind).await;
        house.follow();
        house
    }

    /// Its content lies in a folder outside the database.
    pub async fn with_depot(kind: Kind) -> (Self, Depot) {
        let folder = tempfile::tempdir().unwrap().keep();
        let depot = Depot::open(&DepotPlace::Folder(folder)).unwrap();
        let house = Self::made(kind, Some(depot.clone())).await;
        house.follow();
        (house, depot)
    }

    /// Memory stays where it is.
    pub async fn still(kind: Kind) -> Self {
        Self::made(kind, None).await
    }

    async fn made(kind: Kind, depot: Option<Depot>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(START_MS)));
        let config = StoreConfig {
            database: kind.database(dir.path()).await,
            clock: clock.clone(),
            root: seal::RootKey::from_bytes([7; 32]),
            node: "one".to_owned(),
            data_dir: dir.path().to_owned(),
            log_host: "localhost:7070".to_owned(),
            reserve_bytes: store::RESERVE_BYTES,
            depot,
        };
        let authority = authority(&clock);
        let store = Store::open(config.clone(), authority.clone(), &[NOTES]).await.unwrap();
        Self { store, authority, clock, config, dir }
    }

    /// Opens the same database again, once what the store before left running has let go of it.
    pub async fn open(config: &StoreConfig, authority: &Arc<Authority>) -> Result<Arc<Store>, StoreError> {
        Self::open_with(config, authority, &[NOTES]).await
    }

    pub async fn open_with(
        config: &StoreConfig,
        authority: &Arc<Authority>,
        rooms: &[&'static [Migration]],
    ) -> Result<Arc<Store>, StoreError> {
        loop {
            match Store::open(config.clone(), authority.clone(), rooms).await {
                Err(StoreError::InUse) => tokio::task::yield_now().await,
                opened => return opened,
            }
        }
    }

    /// Lets go of the store and of everything that waits on it.
    pub async fn close(self) -> (StoreConfig, Arc<Authority>, Arc<ManualClock>, TempDir) {
        let held = Arc::downgrade(&self.store);
        drop(self.store);
        while held.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
        (self.config, self.authority, self.clock, self.dir)
    }

    fn follow(&self) {
        let mut changes = self.store.subscribe(&TenantId::main(), 0);
        let (held, authority) = (Arc::downgrade(&self.store), self.authority.clone());
        tokio::spawn(async move {
            while changes.next().await.is_some() {
                let Some(store) = held.upgrade() else { return };
                let epoch = store.epoch(&TenantId::main()).await.unwrap();
                authority.replace(&TenantId::main(), facts(epoch));
            }
        });
    }

    pub fn permit<A: Act>(&self, act: A) -> Permit<A> {
        self.authority.decide(&machine(), act).unwrap()
    }

    /// An act that writes one note.
    pub async fn note(&self, id: &str) -> Result<store::Committed, StoreError> {
        let (_, mut tx) = self.store.write(self.permit(Change("app/1"))).await?;
        tx.execute(sql::INSERT_NOTE, store::params![id, "text", 1_i64, None::<Vec<u8>>]).await?;
        tx.commit(serde_json::json!({ "note": id }), None).await
    }

    pub async fn notes(&self) -> i64 {
        self.store.read_one(sql::COUNT_NOTES, &[]).await.unwrap().unwrap().int(0).unwrap()
    }

    pub async fn events(&self) -> Vec<store::Event> {
        let filter = store::EventFilter { limit: Some(1000), ..Default::default() };
        self.store.events(&TenantId::main(), &filter).await.unwrap()
    }
}

pub fn authority(clock: &Arc<ManualClock>) -> Arc<Authority> {
    let text = r#"
        package bailiwick
        import rego.v1
        deny contains refusal if { input.never; refusal := {"code": "x", "why": "x", "fix": "x"} }
    "#;
    let policy = Policy::compile(&[("test.rego".to_owned(), text.to_owned())]).unwrap();
    let authority = Arc::new(Authority::new(clock.clone(), Some(policy)));
    authority.replace(&TenantId::main(), facts(0));
    authority
}

fn facts(epoch: u64) -> Facts {
    let groups: BTreeSet<Group> = ["operators", "reviewers"].into_iter().map(Group::new).collect();
    let ana = PersonFacts { email: "ana@example.test".into(), name: None, groups, lapses: [].into(), enabled: true };
    Facts { epoch, people: [(PersonId::new("ana"), Arc::new(ana))].into(), ..Facts::default() }
}

pub fn machine() -> Caller {
    Caller::new(TenantId::main(), Who::Machine { system_user: "root".into() })
}

pub fn ana(clock: &ManualClock) -> Caller {
    let at = model::Clock::now(clock);
    let who = Who::Person {
        id: PersonId::new("ana"),
        session: SessionId::new("s1"),
        factor: Factor::Second { at },
        single_sign_on: false,
    };
    let origin = Origin { ip: Some("192.0.2.7".parse().unwrap()), device: Some("Firefox canary-device".into()) };
    Caller::new(TenantId::main(), who).from(origin)
}

/// The cluster that `cargo xtask test` starts; each test makes a database of its own in it.
#[expect(clippy::disallowed_methods, reason = "the one place of this suite that asks where the test cluster is")]
fn cluster() -> String {
    std::env::var("BAILIWICK_TEST_POSTGRES").expect("no PostgreSQL for tests: run `cargo xtask test`")
}

async fn new_database() -> String {
    let cluster = cluster();
    let name = format!("store_{}", uuid::Uuid::now_v7().simple());
    let (client, connection) = tokio_postgres::connect(&cluster, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
    let (server, _) = cluster.rsplit_once('/').expect("`BAILIWICK_TEST_POSTGRES` is `postgres://USER@HOST:PORT/NAME`");
    format!("{server}/{name}")
}

/// From now on the database refuses every event; `allow` takes it back. From outside, as any trouble comes.
pub async fn forbid(config: &StoreConfig) {
    outside(config, sql::FORBID_SQLITE, sql::FORBID_POSTGRES).await;
}

pub async fn allow(config: &StoreConfig) {
    outside(config, sql::ALLOW_SQLITE, sql::ALLOW_POSTGRES).await;
}

/// One script for either engine, as whoever has the database runs it.
pub async fn outside(config: &StoreConfig, on_sqlite: &str, on_postgres: &str) {
    match &config.database {
        Database::Sqlite { path } => {
            let conn = rusqlite::Connection::open(path).unwrap();
            conn.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
            conn.execute_batch(on_sqlite).unwrap();
        }
        Database::Postgres { url } => {
            let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
            let connection = tokio::spawn(connection);
            client.batch_execute(on_postgres).await.unwrap();
            drop(client);
            connection.await.unwrap().unwrap();
        }
    }
}
