//! What is made while it is being ended has ended. On PostgreSQL: there a statement that waited sees of other rows what was
//! committed before it began, and SQLite has one writer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::SystemClock;
use serde_json::json;
use std::sync::Arc;
use testkit::{Browser, Postgres, Town, until};

/// Somebody who is signed in to the console.
async fn signed_in() -> (Postgres, Town, Browser) {
    let database = Postgres::create().await;
    let town = Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await;
    let ana = town.person("ana@example.test", &["staff"]).await;
    assert_eq!(database.living_sessions().await, 1);
    (database, town, ana)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_ends_the_sign_in_that_it_waited_for() {
    let (database, town, ana) = signed_in().await;
    let url = format!("{}/sign-out", town.url());
    let left = database.beside_a_sign_in(ana.post(&url, &[])).await;
    assert_eq!(left.status, 303, "{left:?}");
    until("both have ended", async || database.living_sessions().await == 0).await;
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_link_ends_the_sign_in_that_it_waited_for() {
    let (database, town, _ana) = signed_in().await;
    let again = json!({ "email": "ana@example.test", "groups": [] });
    let added = database.beside_a_sign_in(town.post("/api/v1/people", again)).await;
    assert_eq!(added.status, 200, "{added:?}");
    assert_eq!(database.living_sessions().await, 0);
    town.stop().await;
}
