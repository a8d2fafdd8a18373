//! Verification of an export with no server: events a second on one core, against hashing the same bytes alone.

use crate::{
    arguments::Effort,
    machine::thread_cpu,
    report::{Line, Target, median},
};
use ledger::{
    Checkpoint, Edge, Leaf, LogKey, Options, ReadLog, ReadTiles, SignedCheckpoint, SourceError, StoredEntry, TileId,
    TileMap, verify_export, write_export,
};
use model::TenantId;
use serde_json::json;
use std::{hint::black_box, io::Cursor};

const EVENTS: u64 = 400_000;
const ROUNDS: usize = 9;
/// As large as an ordinary event is stored.
const BODY_BYTES: usize = 420;

const FLOOR: &str = "none: CPU of the one thread that verifies, the file in memory. Beside it SHA-256 alone over the same bodies and salts";

pub(super) async fn measure(effort: Effort) -> Vec<Line> {
    let count = effort.times(EVENTS);
    let log = Log::of(count);
    let file = log.export();
    let options = Options { key: Some(log.key.verifier().clone()), ..Options::default() };
    let (mut rates, mut hashing) = (vec![], vec![]);
    for _ in 0..effort.rounds(ROUNDS) {
        let before = thread_cpu();
        let verdict = verify_export(Cursor::new(&file), &options).unwrap();
        let spent = thread_cpu() - before;
        assert!(verdict.ok && verdict.size == count, "{verdict:?}");
        rates.push(count as f64 / spent.as_secs_f64());
        let before = thread_cpu();
        for entry in &log.entries {
            let StoredEntry::Kept { salt, body } = entry else { unreachable!() };
            black_box(Leaf::of(salt, body));
        }
        hashing.push(count as f64 / (thread_cpu() - before).as_secs_f64());
    }
    let (rate, alone) = (median(&rates), median(&hashing));
    vec![Line {
        row: "verify",
        work: "verify of an export",
        floor: FLOOR,
        value: rate / 1e3,
        unit: "thousand events a second and core",
        target: Target::AtLeast(500.0),
        figures: format!(
            "{} thousand events, {} MiB; their hashes alone: {:.0} thousand a second",
            count / 1000,
            file.len() >> 20,
            alone / 1e3
        ),
        detail: json!({ "events_per_core_second": rates, "leaves_per_core_second": hashing, "bytes": file.len() }),
    }]
}

/// A log in memory.
struct Log {
    key: LogKey,
    edge: Edge,
    tiles: TileMap,
    entries: Vec<StoredEntry>,
}

impl Log {
    fn of(count: u64) -> Self {
        let origin = ledger::origin("localhost:7070", &TenantId::main()).unwrap();
        let key = LogKey::new(&origin, seal::SigningKey::from_seed(&[7; 32])).unwrap();
        let mut log = Self { key, edge: Edge::default(), tiles: TileMap::new(), entries: Vec::new() };
        let mut leaves = Vec::new();
        for number in 0..count {
            let salt = seal::random_bytes::<32>();
            let mut body =
                format!(r#"{{"id":"{number:032}","action":"app.use","outcome":"allowed","detail":{{"rest":""#);
            body.extend(std::iter::repeat_n('x', BODY_BYTES.saturating_sub(body.len() + 3)));
            body.push_str("\"}}");
            let body = body.into_bytes();
            leaves.push(Leaf::of(&salt, &body));
            log.entries.push(StoredEntry::Kept { salt, body });
        }
        for tile in log.edge.append(&leaves).unwrap() {
            log.tiles.insert(tile.id, tile.bytes);
        }
        log
    }

    fn checkpoint(&self) -> SignedCheckpoint {
        Checkpoint::new(&self.key, self.edge.size(), self.edge.root()).sign(&self.key).unwrap()
    }

    fn export(&self) -> Vec<u8> {
        let mut file = Vec::new();
        write_export(&mut file, self.key.verifier(), &self.checkpoint(), self).unwrap();
        file
    }
}

impl ReadTiles for Log {
    fn tile(&self, tile: &TileId) -> Result<Option<Vec<u8>>, SourceError> {
        self.tiles.tile(tile)
    }
}

impl ReadLog for Log {
    fn entries(&self, first: u64, count: u32) -> Result<Vec<StoredEntry>, SourceError> {
        let from = usize::try_from(first).unwrap();
        Ok(self.entries.iter().skip(from).take(count as usize).cloned().collect())
    }
}
