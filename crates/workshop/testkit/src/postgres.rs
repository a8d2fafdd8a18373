//! A database of its own for each test, in the cluster that `cargo xtask test` starts.

use crate::sql;
use std::sync::atomic::{AtomicU32, Ordering};
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
