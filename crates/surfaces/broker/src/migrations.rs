//! The tables of the broker, in the order in which they came.

use store::Migration;

pub const MIGRATIONS: &[Migration] =
    &[Migration { room: "broker", number: 1, name: "grants", sql: include_str!("migrations/0001_start.sql") }];
