//! Stored behaviour, on both engines: every test here runs twice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(unreachable_pub, reason = "tests: modules of one binary")]

#[path = "../support/mod.rs"]
mod support;

mod acts;
mod content;
mod cuts;
mod feed;
mod groups;
mod journal;
mod leases;
mod log;
mod open;
mod order;
mod place;
mod places;
mod rates;
mod record;
mod room;
mod runs;
mod sql;
mod tls;
mod upgrade;
mod values;

/// Runs each body on SQLite and on PostgreSQL.
#[macro_export]
macro_rules! both {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::support::Kind::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::support::Kind::Postgres).await;
            })*
        }
    };
}
