//! A log in memory: tiles as they were written, entries, and a key that is the same each time.

use ledger::{
    Checkpoint, Edge, Leaf, LogKey, NewTile, Options, ReadLog, ReadTiles, SignedCheckpoint, SourceError, StoredEntry,
    TileId, TileMap, Verdict, VerifierKey,
};
use model::TenantId;

pub(crate) const ORIGIN: &str = "bailiwick.example/log/main";

pub(crate) fn key() -> LogKey {
    LogKey::new(ORIGIN, seal::SigningKey::from_seed(&[7; 32])).unwrap()
}

pub(crate) fn other_key() -> LogKey {
    let origin = ledger::origin("bailiwick.example", &TenantId::main()).unwrap();
    LogKey::new(&origin, seal::SigningKey::from_seed(&[8; 32])).unwrap()
}

#[derive(Clone, Default)]
pub(crate) struct Log {
    pub(crate) edge: Edge,
    pub(crate) tiles: TileMap,
    pub(crate) entries: Vec<StoredEntry>,
}

pub(crate) fn salt(index: u64) -> [u8; 32] {
    seal::sha256(&index.to_be_bytes())
}

pub(crate) fn body(index: u64) -> Vec<u8> {
    format!(r#"{{"id":"e{index}","action":"app.vote","outcome":"allowed","detail":{{"n":{index}}}}}"#).into_bytes()
}

pub(crate) fn erase_event(indexes: &[u64]) -> Vec<u8> {
    format!(r#"{{"action":"event.erase","outcome":"allowed","detail":{{"indexes":{indexes:?}}}}}"#).into_bytes()
}

impl Log {
    pub(crate) fn of(size: u64) -> Self {
        let mut log = Self::default();
        log.grow_to(size);
        log
    }

    pub(crate) fn grow_to(&mut self, size: u64) {
        self.append((self.edge.size()..size).map(body).collect());
    }

    pub(crate) fn append(&mut self, bodies: Vec<Vec<u8>>) -> Vec<NewTile> {
        let first = self.edge.size();
        let mut leaves = Vec::new();
        for (index, body) in (first..).zip(bodies) {
            leaves.push(Leaf::of(&salt(index), &body));
            self.entries.push(StoredEntry::Kept { salt: salt(index), body });
        }
        let tiles = self.edge.append(&leaves).unwrap();
        for tile in &tiles {
            self.tiles.insert(tile.id, tile.bytes.clone());
        }
        tiles
    }

    /// Erases bodies and says so in an event.
    pub(crate) fn erase(&mut self, indexes: &[u64]) {
        for index in indexes {
            self.entries[*index as usize] = StoredEntry::Gone;
        }
        self.append(vec![erase_event(indexes)]);
    }

    pub(crate) fn checkpoint(&self) -> SignedCheckpoint {
        self.checkpoint_as(&key())
    }

    fn checkpoint_as(&self, key: &LogKey) -> SignedCheckpoint {
        Checkpoint::new(key, self.edge.size(), self.edge.root()).sign(key).unwrap()
    }

    pub(crate) fn export(&self) -> Vec<u8> {
        self.export_as(&key())
    }

    /// As somebody else would sign it.
    pub(crate) fn export_as(&self, key: &LogKey) -> Vec<u8> {
        let mut file = Vec::new();
        ledger::write_export(&mut file, key.verifier(), &self.checkpoint_as(key), self).unwrap();
        file
    }

    pub(crate) fn verify(&self, options: &Options<'_>) -> Verdict {
        ledger::verify_log(self.checkpoint().note(), key().verifier(), self, options).unwrap()
    }
}

impl ReadTiles for Log {
    fn tile(&self, tile: &TileId) -> Result<Option<Vec<u8>>, SourceError> {
        self.tiles.tile(tile)
    }
}

impl ReadLog for Log {
    fn entries(&self, first: u64, count: u32) -> Result<Vec<StoredEntry>, SourceError> {
        Ok(self.entries.iter().skip(first as usize).take(count as usize).cloned().collect())
    }
}

pub(crate) fn pinned() -> Options<'static> {
    Options { key: Some(key().verifier().clone()), ..Options::default() }
}

pub(crate) fn verify(file: &[u8]) -> Verdict {
    ledger::verify_export(file, &pinned()).unwrap()
}

pub(crate) fn verifier(text: &str) -> Result<VerifierKey, ledger::Error> {
    text.parse()
}
