//! The tables of the catalog, in the order in which they came.

use store::Migration;

pub const MIGRATIONS: &[Migration] = &[
    Migration {
        room: "catalog",
        number: 1,
        name: "apps, deployments, releases, requests, job runs, tombstones",
        sql: include_str!("migrations/0001_start.sql"),
    },
    Migration {
        room: "catalog",
        number: 2,
        name: "the engine of a release's image",
        sql: include_str!("migrations/0002_engine.sql"),
    },
];
