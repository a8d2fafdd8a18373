//! The vault as the house sees it, on both engines: every test here runs twice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(unreachable_pub, reason = "tests: modules of one binary")]

mod attach;
mod canary;
mod house;
mod put;
mod surface;

/// Runs each body on SQLite and on PostgreSQL.
#[macro_export]
macro_rules! both {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::house::Kind::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::house::Kind::Postgres).await;
            })*
        }
    };
}
