//! A database of its own for each test, in the cluster that `cargo xtask test` starts.

use crate::{sql, until};
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio_postgres::NoTls;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A new, empty database.
#[derive(Debug)]
pub struct Postgres {
    pub url: String,
}

impl Postgres {
    /// # Panics
    /// Without the cluster: run `cargo xtask test`.
    pub async fn create() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place where tests learn of the cluster")]
        let cluster =
            std::env::var("BAILIWICK_TEST_POSTGRES").expect("PostgreSQL is not running: run `cargo xtask test`");
        let (client, connection) = tokio_postgres::connect(&cluster, NoTls).await.expect("the cluster answers");
        let driver = tokio::spawn(connection);
        let name = format!("town_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a database can be made");
        drop(client);
        driver.await.expect("the driver ends").expect("cleanly");
        let (base, _) = cluster.rsplit_once('/').expect("the address names a database");
        Self { url: format!("{base}/{name}") }
    }
}

impl Postgres {
    /// These tables are lost in the commit of the next act of this name: it takes place, and what is read after it fails.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn lose(&self, tables: &[&str], action: &str) {
        self.script(&sql::lost_at(action, tables)).await;
    }

    /// What was lost is there again.
    ///
    /// # Panics
    /// When nothing was.
    pub async fn find(&self, tables: &[&str]) {
        self.script(&sql::found(tables)).await;
    }

    /// The lease of a node, as the others see it, runs so long from now.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn lease(&self, node: &str, runs: Duration) {
        self.script(&sql::lease(node, runs.as_millis())).await;
    }

    /// Every app is the team `tomorrow`'s, and the feed says so as a newer version might.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn said_by_tomorrow(&self) {
        self.script(sql::SAID_BY_TOMORROW).await;
    }

    /// Changes the bytes of every event that is stored.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn damage_events(&self) {
        self.script(sql::DAMAGE_EVENTS_POSTGRES).await;
    }

    /// All that apps keep was written so much earlier: nobody sets the clock of the cluster.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn age(&self, by: Duration) {
        self.script(&sql::aged(by.as_millis())).await;
    }

    /// Keeps everything as it is now, for `put_back`.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn keep(&self) {
        self.script(sql::KEEP).await;
    }

    /// Everything is as it was at `keep`, under whoever runs on it.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn put_back(&self) {
        // Whoever runs may hold what this waits for, and wait for what this holds.
        for _ in 0..20 {
            let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.expect("the database answers");
            let driver = tokio::spawn(connection);
            let done = client.batch_execute(sql::PUT_BACK).await;
            drop(client);
            driver.await.expect("the driver ends").expect("cleanly");
            match done {
                Ok(()) => return,
                Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::T_R_DEADLOCK_DETECTED) => {}
                Err(error) => panic!("the script is taken: {error:?}"),
            }
        }
        panic!("nobody lets go of the tables");
    }

    /// A second user of this database as it is now: their address, and their name.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn guest(&self) -> (String, String) {
        let (before, name) = self.url.rsplit_once('/').expect("the address names a database");
        let (user, host) = before.rsplit_once('@').expect("a user in the address");
        // The owner's own, where there is one.
        let password = user.rsplit_once('/').and_then(|(_, user)| user.split_once(':')).map_or("none", |(_, it)| it);
        let guest = format!("guest_of_{name}");
        self.script(&sql::guest(&guest, password)).await;
        (format!("postgres://{guest}:{password}@{host}/{name}"), guest)
    }

    /// A guest cannot read this table any more.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn hide(&self, table: &str, guest: &str) {
        self.script(&sql::hide(table, guest)).await;
    }

    /// A guest can read it again.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn show(&self, table: &str, guest: &str) {
        self.script(&sql::show(table, guest)).await;
    }

    /// Does this while somebody signs in to an app by the one console session that lives: that is committed once it is
    /// waited for.
    ///
    /// # Panics
    /// When the database refuses, or nobody waits.
    pub async fn beside_a_sign_in<T>(&self, act: impl Future<Output = T>) -> T {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.expect("the database answers");
        let driver = tokio::spawn(connection);
        client.batch_execute(sql::SIGNING_IN).await.expect("a session is held");
        let commits = async {
            let is_waited_for =
                async || client.query_one(sql::IS_WAITED_FOR, &[]).await.expect("it is known").get::<_, bool>(0);
            until("somebody waits for the session", is_waited_for).await;
            client.batch_execute("COMMIT").await.expect("it is committed");
        };
        let (done, ()) = tokio::join!(act, commits);
        drop(client);
        driver.await.expect("the driver ends").expect("cleanly");
        done
    }

    /// How many sessions have not ended by their rows.
    ///
    /// # Panics
    /// When the database cannot be asked.
    pub async fn living_sessions(&self) -> i64 {
        self.count(sql::LIVING_SESSIONS).await
    }

    /// Whether somebody has written what is not committed yet.
    ///
    /// # Panics
    /// When the database cannot be asked.
    pub async fn is_being_written(&self) -> bool {
        self.count(sql::BEING_WRITTEN).await > 0
    }

    async fn count(&self, of: &str) -> i64 {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.expect("the database answers");
        let driver = tokio::spawn(connection);
        let counted = client.query_one(of, &[]).await.expect("it tells").get(0);
        drop(client);
        driver.await.expect("the driver ends").expect("cleanly");
        counted
    }

    async fn script(&self, script: &str) {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.expect("the database answers");
        let driver = tokio::spawn(connection);
        client.batch_execute(script).await.expect("the script is taken");
        drop(client);
        driver.await.expect("the driver ends").expect("cleanly");
    }
}

/// How large the database of a data folder is: its pages, or on PostgreSQL all that it takes there.
///
/// # Panics
/// When it cannot be asked.
pub async fn database_bytes(data: &std::path::Path, database: Option<&Postgres>) -> u64 {
    let Some(database) = database else {
        let file = rusqlite::Connection::open(data.join(crate::DATABASE[0])).expect("the file is there");
        // What stands in the write-ahead log counts as well.
        let of = |name| file.pragma_query_value::<i64, _>(None, name, |row| row.get(0)).expect("its size is known");
        return u64::try_from(of("page_count") * of("page_size")).expect("no less than nothing");
    };
    let (client, connection) = tokio_postgres::connect(&database.url, NoTls).await.expect("the database answers");
    let driver = tokio::spawn(connection);
    let size: i64 = client.query_one(sql::POSTGRES_SIZE, &[]).await.expect("its size is known").get(0);
    drop(client);
    driver.await.expect("the driver ends").expect("cleanly");
    u64::try_from(size).expect("no less than nothing")
}

/// Every row of every table, as text, with bytes as they are.
///
/// # Panics
/// When the database cannot be read.
pub async fn dump(url: &str) -> Vec<(String, Vec<u8>)> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the database answers");
    let driver = tokio::spawn(connection);
    let mut dumped = Vec::new();
    for row in client.query(sql::POSTGRES_TABLES, &[]).await.expect("tables are listed") {
        let table: String = row.get(0);
        let mut bytes = Vec::new();
        for row in client.query(&sql::whole(&table), &[]).await.expect("rows are read") {
            let text: String = row.get(0);
            bytes.extend_from_slice(text.as_bytes());
            // Columns of bytes are shown as `\\x…`.
            for piece in text.split("\\x").skip(1) {
                let digits = piece.bytes().take_while(u8::is_ascii_hexdigit).count();
                bytes.extend(hex::decode(&piece[..digits & !1]).expect("pairs of digits"));
            }
            bytes.push(b'\n');
        }
        dumped.push((table, bytes));
    }
    drop(client);
    driver.await.expect("the driver ends").expect("cleanly");
    dumped
}
