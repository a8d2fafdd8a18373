//! The store: one executor for SQLite and PostgreSQL.
//!
//! A permit opens a transaction, and its one commit writes the event: state and record land together or not at all.
//! SQL is written once, with `$1…`, in the subset that both engines share.
//!
//! Refuses: a change without a permit (but for the closed list in `tables.rs`), a commit after authority has moved, a
//! database of another root key, data of a newer version, SQL that is built from input (statements are `'static`).
//!
//! Cuts alone do not wait for the record: `cuts.rs`, `journal.rs`.
//!
//! INVARIANT: a batch of an act locks in the order subject key, tenant, feed row.

mod access;
mod blobs;
mod checkpoints;
mod clock;
mod content;
mod counted;
mod cuts;
mod depot;
mod differences;
mod engine;
mod epoch;
mod error;
mod event;
mod events;
mod feed;
mod file_id;
mod forever;
mod inspect;
mod journal;
mod leadership;
mod migrations;
mod nodes;
mod notices;
mod postgres;
mod rates;
mod record;
mod recover;
mod row;
mod runs;
mod sequencer;
mod snapshot;
mod sql;
mod sqlite;
mod store;
mod subjects;
mod tables;
mod tallies;
mod tasks;
mod tree;
mod tx;
mod value;
mod window;

pub use access::Expected;
pub use blobs::{Blob, Blobs};
pub use checkpoints::{doubt, has_seen};
pub use clock::{Awake, CarriedClock, running_ms};
pub use content::Carried;
pub use cuts::{CutNote, CutOf, CutRows, Cutting, JournalState, Recorded};
pub use depot::{Depot, DepotError, DepotPlace, S3Place, Stored, Unfinished};
pub use engine::CommitCounts;
pub use epoch::EpochWatch;
pub use error::{Cause, HoldsStoreError, StoreError};
pub use event::{Also, Outcome};
pub use events::{Event, EventFilter, Filled};
pub use feed::{Change, Changes};
pub use forever::{forever, panicked};
pub use inspect::{Inspection, Setting, inspect};
pub use leadership::Leadership;
pub use migrations::{Migration, STORE};
pub use model::NoticeKind;
pub use nodes::{LEASE, NodeLease, OtherNode, Renewal};
pub use notices::{Notice, alarm_acts};
pub use postgres::check_url;
pub use rates::{Drawer, Drawn, hold};
pub use record::Record;
pub use recover::{Behind, Head};
pub use row::Row;
pub use seal::Digest;
pub use sequencer::Sequenced;
pub use snapshot::{Applied, Piece, Pieces, Refill, read_back};
pub use store::{Database, RESERVE_BYTES, Store, StoreConfig, left_to_feed};
pub use tables::{FreeWrite, Housekeeping, Table};
pub use tallies::{Counts, Tally};
pub use tasks::Tasks;
pub use tx::{Committed, EPOCH_CHANGED, Tx};
pub use value::Value;
pub use window::{Allowance, Window};
