//! A running log with damaged storage: the first bad index is named.

use crate::fixture::{Log, erase_event, key, other_key, pinned};
use ledger::{Checked, KeyTrust, Options, ReadTiles, StoredEntry, TileId};

fn kept(log: &mut Log, index: usize) -> &mut Vec<u8> {
    match &mut log.entries[index] {
        StoredEntry::Kept { body, .. } => body,
        StoredEntry::Gone => panic!("gone"),
    }
}

#[test]
fn a_sound_log_verifies() {
    for size in [0, 1, 256, 300, 600] {
        let verdict = Log::of(size).verify(&pinned());
        assert!(verdict.ok, "{}", verdict.what);
        assert_eq!((verdict.size, verdict.first_bad, verdict.checked), (size, None, Checked::Live));
        assert_eq!(verdict.key, KeyTrust::Pinned);
        let json = serde_json::to_value(&verdict).unwrap();
        assert_eq!(json["checked"], "live");
        assert_eq!(json["key"], "pinned");
    }
}

#[test]
fn damage_in_the_store_is_named() {
    type Change = fn(&mut Log);
    let changes: [(Change, u64); 6] = [
        (|log| kept(log, 17)[3] ^= 1, 17),
        (|log| log.entries.swap(270, 290), 270),
        (|log| log.entries.truncate(299), 299),
        (|log| log.entries.truncate(256), 256),
        (|log| drop(log.entries.remove(100)), 100),
        (|log| log.entries[40] = StoredEntry::Gone, 40),
    ];
    for (change, first_bad) in changes {
        let mut log = Log::of(300);
        change(&mut log);
        let verdict = log.verify(&pinned());
        assert_eq!((verdict.ok, verdict.first_bad), (false, Some(first_bad)), "{}", verdict.what);
    }
}

#[test]
fn a_gap_before_a_flaw_is_told() {
    let mut log = Log::of(300);
    log.entries.insert(5, StoredEntry::Gone);
    let verdict = log.verify(&pinned());
    assert_eq!(verdict.first_bad, Some(6));
    assert!(verdict.what.contains("the body of 5"), "{}", verdict.what);
}

#[test]
fn damage_in_tiles_is_named() {
    let hashes = |level, n, width| TileId::hashes(level, n, width).unwrap();
    for (tile, byte, first_bad) in [
        (hashes(0, 0, 256), 32 * 7, 7),
        (hashes(0, 1, 256), 0, 256),
        (hashes(0, 2, 88), 32 * 87 + 31, 599),
        (hashes(1, 0, 2), 32, 256),
        (hashes(1, 0, 2), 0, 0),
    ] {
        let mut log = Log::of(600);
        let mut bytes = log.tiles.tile(&tile).unwrap().unwrap();
        bytes[byte] ^= 1;
        log.tiles.insert(tile, bytes);
        let verdict = log.verify(&pinned());
        assert_eq!((verdict.ok, verdict.first_bad), (false, Some(first_bad)), "{tile}: {}", verdict.what);
    }
    let mut log = Log::of(600);
    log.tiles.insert(hashes(0, 1, 256), vec![0; 40]);
    assert_eq!(log.verify(&pinned()).first_bad, Some(256));
}

#[test]
fn erased_is_not_missing() {
    let mut log = Log::of(300);
    log.erase(&[3, 4, 5, 290]);
    let verdict = log.verify(&pinned());
    assert!(verdict.ok && verdict.erased == 4, "{}", verdict.what);
    log.entries[6] = StoredEntry::Gone;
    assert_eq!(log.verify(&pinned()).first_bad, Some(6));

    let mut early = Log::default();
    early.append(vec![erase_event(&[1])]);
    early.grow_to(5);
    early.entries[1] = StoredEntry::Gone;
    assert_eq!(early.verify(&pinned()).first_bad, Some(1), "an event erases what came before it");

    let mut own = Log::of(5);
    own.erase(&[2]);
    own.entries[5] = StoredEntry::Gone;
    assert_eq!(own.verify(&pinned()).first_bad, Some(2), "an erased erasure accounts for nothing");
}

#[test]
fn keys_and_earlier_states_are_demanded() {
    let log = Log::of(30);
    let foreign = Options { key: Some(other_key().verifier().clone()), ..Options::default() };
    let refused = log.verify(&foreign);
    assert!(!refused.ok && refused.first_bad.is_none() && refused.what.contains("another key"), "{}", refused.what);
    let not_ours = ledger::verify_log(log.checkpoint().note(), other_key().verifier(), &log, &Options::default());
    assert!(!not_ours.unwrap().ok);

    let since = |log: &Log| Options { since: Some(log.checkpoint().note().to_owned()), ..pinned() };
    for size in [0, 1, 29, 30] {
        assert!(log.verify(&since(&Log::of(size))).ok, "{size}");
    }
    assert_eq!(log.verify(&since(&Log::of(31))).first_bad, Some(30));
    let mut other = Log::default();
    other.append(vec![b"{}".to_vec()]);
    assert!(!log.verify(&since(&other)).ok);
    assert_eq!(
        log.checkpoint().note(),
        ledger::SignedCheckpoint::open(log.checkpoint().note(), key().verifier()).unwrap().note()
    );
}
