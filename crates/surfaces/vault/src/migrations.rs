//! The tables of the vault, in the order in which they came.

use store::Migration;

pub const MIGRATIONS: &[Migration] =
    &[Migration { room: "vault", number: 1, name: "secrets", sql: include_str!("migrations/0001_start.sql") }];
