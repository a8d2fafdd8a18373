//! The tables of data, in the order in which they came.

use store::Migration;

pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "data",
    number: 1,
    name: "collections, records, index, usage",
    sql: include_str!("migrations/0001_start.sql"),
}];
