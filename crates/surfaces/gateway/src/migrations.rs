//! The tables of the gateway, in the order in which they came.

use store::Migration;

pub const MIGRATIONS: &[Migration] =
    &[Migration { room: "gateway", number: 1, name: "routes", sql: include_str!("migrations/0001_start.sql") }];
