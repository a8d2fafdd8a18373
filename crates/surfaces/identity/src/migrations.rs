//! The tables of identity, in the order in which they came.

use store::Migration;

pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "identity",
    number: 1,
    name: "people, links, sessions, codes, accounts",
    sql: include_str!("migrations/0001_start.sql"),
}];
