//! The tamper-evident log: append, checkpoint, prove, verify. Bytes in, bytes out: no database, no network, no clock.
//!
//! Hashing follows RFC 6962, the files C2SP `tlog-tiles`, `tlog-checkpoint` and `signed-note`, so that anyone's tools
//! can verify a log. What is in the log is a commitment to each event's stored bytes ([`Leaf`]), never the bytes
//! themselves: a body can be erased, and every proof still holds.
//!
//! Refuses: to sign with any key but an Ed25519 key of `seal`; to call a missing body erased unless a later
//! `event.erase` says so; to accept any byte of an export that the checkpoint does not commit to.

mod checkpoint;
mod edge;
mod erasure;
mod error;
mod event_proof;
mod export;
mod frontier;
mod hash;
mod key;
mod leaf;
mod proof;
mod remembered;
mod source;
mod tile;
mod tile_hashes;
mod verdict;
mod verify;
mod walk;

pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use edge::{Edge, NewTile};
pub use error::{Error, SourceError};
pub use event_proof::{EventProof, PROOF_FORMAT};
pub use export::{EXPORT_FORMAT, write_export};
pub use hash::{HASH_BYTES, Hash};
pub use key::{LogKey, VerifierKey, origin};
pub use leaf::{LEAF_BYTES, LEAF_VERSION, Leaf, SALT_BYTES, new_salt};
pub use proof::{
    ConsistencyProof, prove_consistency, prove_inclusion, tiles_for_consistency, tiles_for_inclusion, verify_inclusion,
};
pub use remembered::{Memory, Remembered};
pub use source::{ReadLog, ReadTiles, StoredEntry, TileMap};
pub use tile::{TILE_WIDTH, TileId};
pub use verdict::{Checked, KeyTrust, Verdict};
pub use verify::{Options, verify_export, verify_log};
