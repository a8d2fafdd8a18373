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
    Migration {
        room: "catalog",
        number: 3,
        name: "who asked, and what an approver has from them",
        sql: include_str!("migrations/0003_independence.sql"),
    },
    Migration {
        room: "catalog",
        number: 4,
        name: "receipts that wait for other nodes",
        sql: include_str!("migrations/0004_receipts_due.sql"),
    },
    Migration { room: "catalog", number: 5, name: "waivers", sql: include_str!("migrations/0005_waivers.sql") },
    Migration {
        room: "catalog",
        number: 6,
        name: "the files of a release",
        sql: include_str!("migrations/0006_files.sql"),
    },
];
