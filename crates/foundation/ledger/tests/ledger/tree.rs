//! Hashing, tiles and roots, held against RFC 6962's definition and known vectors.

use crate::fixture::{Log, body, key, salt};
use ledger::{Checkpoint, Edge, Error, Hash, Leaf, ReadTiles, TileId, TileMap};
use proptest::prelude::*;
use tlog_tiles::{node_hash, record_hash};

/// RFC 6962, section 2.1, written as the RFC defines it.
fn merkle(leaves: &[tlog_tiles::Hash]) -> tlog_tiles::Hash {
    match leaves {
        [] => tlog_tiles::EMPTY_HASH,
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            node_hash(merkle(&leaves[..split]), merkle(&leaves[split..]))
        }
    }
}

fn expected_root(size: u64) -> Hash {
    let leaves: Vec<_> = (0..size).map(|index| Leaf::of(&salt(index), &body(index)).hash().into()).collect();
    merkle(&leaves).into()
}

/// The reference vectors of Certificate Transparency (RFC 6962): eight inputs, the root after each.
#[test]
fn rfc_6962_vectors() {
    let inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let leaves: Vec<_> = inputs.iter().map(|input| record_hash(&hex::decode(input).unwrap())).collect();
    for (size, root) in (1..).zip(roots) {
        assert_eq!(hex::encode(merkle(&leaves[..size]).0), root);
    }
    assert_eq!(hex::encode(Hash::EMPTY.as_bytes()), hex::encode(seal::sha256(b"")));
}

#[test]
fn a_leaf_is_a_version_and_a_salted_commitment() {
    let leaf = Leaf::of(&[1; 32], b"body");
    let expected = seal::sha256(&[[1u8; 32].as_slice(), b"body"].concat());
    assert_eq!(leaf.as_bytes()[0], 1);
    assert_eq!(leaf.as_bytes()[1..], expected);
    assert_eq!(leaf.hash(), record_hash(leaf.as_bytes()).into());
    assert_eq!(Leaf::from_bytes(leaf.as_bytes()), Some(leaf));
    assert_eq!(Leaf::from_bytes(&[2; 33]), None);
    assert_eq!(Leaf::from_bytes(&[1; 32]), None);
    assert_ne!(ledger::new_salt(), ledger::new_salt());
}

#[test]
fn roots_are_rfc_6962s_at_tile_borders() {
    let mut log = Log::default();
    assert_eq!(log.edge.root(), Hash::EMPTY);
    for size in [1, 2, 255, 256, 257, 511, 512, 513] {
        log.grow_to(size);
        assert_eq!(log.edge.root(), expected_root(size), "size {size}");
    }
}

/// Leaves that cost one hash each, so that a second full level fits a debug test.
#[test]
fn a_full_second_level_gives_a_third() {
    let leaf = Leaf::of(&[0; 32], b"same");
    let mut edge = Edge::new();
    let mut tiles = TileMap::new();
    let mut last = Vec::new();
    for _ in 0..256 {
        last = edge.append(&[leaf; 256]).unwrap();
        last.iter().for_each(|tile| tiles.insert(tile.id, tile.bytes.clone()));
    }
    let ids: Vec<_> = last.iter().map(|tile| tile.id.path()).collect();
    assert_eq!(ids, ["tile/entries/255", "tile/0/255", "tile/1/000", "tile/2/000.p/1"]);
    let subtree = (0..16).fold(leaf.hash().into(), |hash, _| node_hash(hash, hash));
    assert_eq!(edge.root(), subtree.into());

    edge.append(&[leaf]).unwrap().into_iter().for_each(|tile| tiles.insert(tile.id, tile.bytes));
    assert_eq!(edge.root(), node_hash(subtree, leaf.hash().into()).into());
    let checkpoint = Checkpoint::new(&key(), edge.size(), edge.root());
    assert_eq!(Edge::load(&checkpoint, &tiles).unwrap().root(), edge.root());
    let proof = ledger::prove_inclusion(&checkpoint, 65_536, &tiles).unwrap();
    ledger::verify_inclusion(&checkpoint, 65_536, leaf.hash(), &proof).unwrap();
    let proof = ledger::prove_inclusion(&checkpoint, 65_535, &tiles).unwrap();
    ledger::verify_inclusion(&checkpoint, 65_535, leaf.hash(), &proof).unwrap();
}

#[test]
fn appending_writes_exactly_the_tiles_that_changed() {
    let paths = |log: &mut Log, count: u64| {
        let from = log.edge.size();
        let tiles = log.append((from..from + count).map(body).collect());
        tiles.iter().map(|tile| tile.id.path()).collect::<Vec<_>>()
    };
    let mut log = Log::default();
    assert!(paths(&mut log, 0).is_empty());
    assert_eq!(paths(&mut log, 3), ["tile/entries/000.p/3", "tile/0/000.p/3"]);
    assert_eq!(paths(&mut log, 253), ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(paths(&mut log, 1), ["tile/entries/001.p/1", "tile/0/001.p/1"]);
    let many = ["tile/entries/001", "tile/0/001", "tile/entries/002.p/1", "tile/0/002.p/1", "tile/1/000.p/2"];
    assert_eq!(paths(&mut log, 256), many);
    for tile in log.append(vec![body(0)]) {
        let one = if tile.id.is_entries() { 35 } else { 32 };
        assert_eq!(tile.bytes.len(), one * tile.id.width() as usize);
    }
}

#[test]
fn an_edge_is_loaded_from_its_tiles_or_refused() {
    for size in [0, 1, 255, 256, 257, 513, 600] {
        let log = Log::of(size);
        let signed = log.checkpoint();
        let mut loaded = Edge::load(signed.checkpoint(), &log).unwrap();
        loaded.append(&[Leaf::of(&[0; 32], b"next")]).unwrap();
        let mut grown = log.edge.clone();
        grown.append(&[Leaf::of(&[0; 32], b"next")]).unwrap();
        assert_eq!(loaded.root(), grown.root());
    }
    let mut log = Log::of(300);
    let signed = log.checkpoint();
    let missing = Edge::load(signed.checkpoint(), &TileMap::new()).unwrap_err();
    assert!(matches!(missing, Error::TileMissing { .. }), "{missing}");
    for id in [TileId::hashes(0, 1, 44).unwrap(), TileId::entries(1, 44).unwrap(), TileId::hashes(1, 0, 1).unwrap()] {
        let mut bytes = log.tiles.tile(&id).unwrap().unwrap();
        bytes[9] ^= 1;
        let good = std::mem::take(&mut log.tiles);
        log.tiles = good.clone();
        log.tiles.insert(id, bytes);
        assert!(matches!(Edge::load(signed.checkpoint(), &log), Err(Error::TilesDiffer { .. })), "{id}");
        log.tiles.insert(id, vec![1; 31]);
        assert!(matches!(Edge::load(signed.checkpoint(), &log), Err(Error::TileMalformed { .. })), "{id}");
        log.tiles = good;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn batches_of_any_size_give_one_tree(batches in proptest::collection::vec(0u64..200, 0..6)) {
        let mut log = Log::default();
        for batch in batches {
            log.grow_to(log.edge.size() + batch);
        }
        prop_assert_eq!(log.edge.root(), expected_root(log.edge.size()));
        prop_assert!(log.verify(&crate::fixture::pinned()).ok);
    }
}
