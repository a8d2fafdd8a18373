//! What is said to prove something: exports, proofs, checkpoints, keys, paths of tiles.

use ledger::{
    Checkpoint, Edge, EventProof, Leaf, LogKey, Options, SignedCheckpoint, StoredEntry, TileId, TileMap, VerifierKey,
    verify_export,
};
use std::sync::LazyLock;

const GOLDEN: &[u8] = include_bytes!("../../../foundation/ledger/tests/ledger/golden.export");
const ENTRIES: u64 = 5;

static KEY: LazyLock<LogKey> =
    LazyLock::new(|| LogKey::new("bailiwick.example/log/main", seal::SigningKey::from_seed(&[7; 32])).unwrap());

struct Log {
    signed: SignedCheckpoint,
    tiles: TileMap,
    entries: Vec<StoredEntry>,
}

static LOG: LazyLock<Log> = LazyLock::new(|| {
    let (mut edge, mut tiles, mut entries, mut leaves) = (Edge::default(), TileMap::default(), Vec::new(), Vec::new());
    for index in 0..ENTRIES {
        let (salt, body) = (seal::sha256(&index.to_be_bytes()), format!("{{\"n\":{index}}}").into_bytes());
        leaves.push(Leaf::of(&salt, &body));
        entries.push(StoredEntry::Kept { salt, body });
    }
    for tile in edge.append(&leaves).unwrap() {
        tiles.insert(tile.id, tile.bytes);
    }
    let signed = Checkpoint::new(&KEY, ENTRIES, edge.root()).sign(&KEY).unwrap();
    Log { signed, tiles, entries }
});

/// A checkpoint that holds.
#[must_use]
pub fn golden_checkpoint() -> String {
    LOG.signed.note().to_owned()
}

/// A proof that holds.
///
/// # Panics
/// Never: the log is made for it.
#[must_use]
pub fn golden_proof() -> String {
    let proof = EventProof::new(KEY.verifier(), &LOG.signed, 3, &LOG.entries[3], &LOG.tiles).unwrap();
    serde_json::to_string(&proof).unwrap()
}

/// No file verifies under the key but the one that was written.
pub(crate) fn export(bytes: &[u8]) {
    let key = std::str::from_utf8(GOLDEN).unwrap().lines().nth(1).unwrap().strip_prefix("key ").unwrap();
    let pinned = Options { key: Some(key.parse().unwrap()), ..Options::default() };
    let verdict = verify_export(bytes, &pinned).expect("reading from memory does not fail");
    assert_eq!(verdict.ok, bytes == GOLDEN, "{}", verdict.what);
    assert!(!verdict.what.is_empty());
    // Cut, doubled, or put in the middle of an export that holds.
    let at = bytes.len() % GOLDEN.len();
    for file in [[&GOLDEN[..at], bytes, &GOLDEN[at..]].concat(), [&GOLDEN[..at], bytes].concat()] {
        let verdict = verify_export(file.as_slice(), &pinned).expect("reading from memory does not fail");
        assert_eq!(verdict.ok, file == GOLDEN, "{}", verdict.what);
    }
}

/// Under the key only what the log holds is proved.
pub(crate) fn proof(bytes: &[u8]) {
    let Ok(proof) = serde_json::from_slice::<EventProof>(bytes) else { return };
    let Ok(proved) = proof.verify(Some(KEY.verifier())) else { return };
    assert_eq!(&proved, LOG.signed.checkpoint());
    let StoredEntry::Kept { salt, body } = &LOG.entries[usize::try_from(proof.index).unwrap()] else {
        panic!("nothing was erased");
    };
    assert_eq!(proof.leaf, Leaf::of(salt, body).hash());
    assert!(proof.body.is_none_or(|said| said.as_bytes() == body.as_slice()));
}

/// Only what the key signed is a checkpoint of its log; a key is read in one spelling.
pub(crate) fn checkpoint(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(opened) = SignedCheckpoint::open(&text, KEY.verifier()) {
        assert_eq!(opened.checkpoint(), LOG.signed.checkpoint());
    }
    if let Ok(read) = Checkpoint::read_unverified(&text) {
        assert!(!read.origin().is_empty());
    }
    if let Ok(key) = text.trim_end_matches('\n').parse::<VerifierKey>() {
        assert_eq!(key.to_string().parse::<VerifierKey>().unwrap().public(), key.public());
    }
}

/// A tile has one path.
pub(crate) fn tile(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(tile) = text.parse::<TileId>() {
        assert_eq!(tile.path(), text);
        assert!((1..=256).contains(&tile.width()));
    }
}
