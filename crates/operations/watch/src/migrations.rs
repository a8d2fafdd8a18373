//! The tables of this room, in the order in which they came. The first step also made that of kept searches of the record,
//! which are `server`'s: a step that was released is never edited.

use store::Migration;

pub const MIGRATIONS: &[Migration] =
    &[Migration { room: "watch", number: 1, name: "watch", sql: include_str!("migrations/0001_start.sql") }];
