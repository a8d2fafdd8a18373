//! Checkpoints, keys and proofs: what verifies, and that nothing near it does.

use crate::fixture::{Log, ORIGIN, body, key, other_key, salt, verifier};
use ledger::{
    Checkpoint, ConsistencyProof, Error, EventProof, Hash, Leaf, ReadTiles, SignedCheckpoint, StoredEntry, TileMap,
};
use model::TenantId;
use proptest::prelude::*;
use signed_note::{Note, StandardVerifier, VerifierList};

fn at(log: &Log, size: u64) -> Checkpoint {
    let mut earlier = Log::default();
    earlier.grow_to(size.min(log.edge.size()));
    earlier.checkpoint().checkpoint().clone()
}

fn leaf(index: u64) -> Hash {
    Leaf::of(&salt(index), &body(index)).hash()
}

#[test]
fn every_entry_of_every_kind_of_size_is_included() {
    for size in [1, 2, 3, 255, 256, 257, 511, 512, 513, 600] {
        let log = Log::of(size);
        let signed = log.checkpoint();
        let checkpoint = signed.checkpoint();
        for index in (0..size).step_by(if size > 300 { 7 } else { 3 }).chain([size - 1]) {
            let proof = ledger::prove_inclusion(checkpoint, index, &log).unwrap();
            ledger::verify_inclusion(checkpoint, index, leaf(index), &proof).unwrap();
            let elsewhere = (index + 1) % size.max(2);
            assert!(ledger::verify_inclusion(checkpoint, elsewhere, leaf(index), &proof).is_err());
            assert!(ledger::verify_inclusion(checkpoint, index, leaf(index + 1), &proof).is_err());
        }
        assert!(matches!(ledger::prove_inclusion(checkpoint, size, &log), Err(Error::NotInLog { .. })));
    }
}

#[test]
fn plans_name_every_tile_that_proving_reads() {
    let log = Log::of(600);
    let signed = log.checkpoint();
    let load = |tiles: Vec<ledger::TileId>| -> TileMap {
        tiles.into_iter().map(|id| (id, log.tiles.tile(&id).unwrap().unwrap())).collect()
    };
    for index in [0, 255, 256, 511, 512, 599] {
        let tiles = load(ledger::tiles_for_inclusion(600, index).unwrap());
        let proof = ledger::prove_inclusion(signed.checkpoint(), index, &tiles).unwrap();
        ledger::verify_inclusion(signed.checkpoint(), index, leaf(index), &proof).unwrap();
    }
    for from in [0, 1, 256, 300, 512, 599, 600] {
        let tiles = load(ledger::tiles_for_consistency(600, from).unwrap());
        ledger::prove_consistency(signed.checkpoint(), from, &tiles).unwrap();
    }
    let missing = ledger::prove_inclusion(signed.checkpoint(), 3, &TileMap::new()).unwrap_err();
    assert!(matches!(missing, Error::TileMissing { .. }));
}

#[test]
fn a_wider_tile_serves_where_a_partial_one_was_replaced() {
    let signed = Log::of(200).checkpoint();
    let later = Log::of(300);
    let proof = ledger::prove_inclusion(signed.checkpoint(), 150, &later).unwrap();
    ledger::verify_inclusion(signed.checkpoint(), 150, leaf(150), &proof).unwrap();
}

/// Some of these the library itself would not notice.
#[test]
fn damaged_tiles_prove_nothing() {
    for size in [257, 300, 511, 600] {
        let good = Log::of(size);
        let signed = good.checkpoint();
        let full = ledger::TileId::hashes(0, 0, 256).unwrap();
        for byte in [0, 32 * 5, 32 * 202] {
            let mut log = good.clone();
            let mut bytes = log.tiles.tile(&full).unwrap().unwrap();
            bytes[byte] ^= 1;
            log.tiles.insert(full, bytes);
            let refused = ledger::prove_inclusion(signed.checkpoint(), 5, &log).unwrap_err();
            assert!(matches!(refused, Error::TilesDiffer { .. }), "{refused}");
            let refused = ledger::prove_consistency(signed.checkpoint(), 203, &log).unwrap_err();
            assert!(matches!(refused, Error::TilesDiffer { .. }), "{refused}");
        }
    }
}

#[test]
fn consistency_between_many_sizes() {
    let log = Log::of(520);
    let signed = log.checkpoint();
    let newer = signed.checkpoint();
    for from in [0, 1, 2, 3, 127, 128, 255, 256, 257, 300, 511, 512, 513, 519, 520] {
        let older = at(&log, from);
        let proof = ledger::prove_consistency(newer, from, &log).unwrap();
        proof.verify(&older, newer).unwrap();
        let mut forked = Log::default();
        forked.append((0..from).map(|index| body(index + 1)).collect());
        if from > 0 {
            assert!(proof.verify(forked.checkpoint().checkpoint(), newer).is_err(), "{from}");
        }
        let text = serde_json::to_string(&proof).unwrap();
        assert_eq!(serde_json::from_str::<ConsistencyProof>(&text).unwrap(), proof);
    }
    assert!(matches!(ledger::prove_consistency(newer, 521, &log), Err(Error::NotEarlier { .. })));
}

#[test]
fn a_proof_is_one_document() {
    let mut log = Log::of(300);
    log.erase(&[4]);
    let signed = log.checkpoint();
    for index in [0, 4, 299, 300] {
        let entry = &log.entries[index as usize];
        let proof = EventProof::new(key().verifier(), &signed, index, entry, &log).unwrap();
        let text = serde_json::to_string_pretty(&proof).unwrap();
        let read: EventProof = serde_json::from_str(&text).unwrap();
        assert_eq!(read.verify(Some(key().verifier())).unwrap(), *signed.checkpoint());
        assert_eq!(read.body.is_none(), index == 4);
        assert!(matches!(read.verify(Some(other_key().verifier())), Err(Error::NotSigned { .. })));

        let wrong: [fn(&mut EventProof); 6] = [
            |proof| proof.index += 1,
            |proof| proof.leaf = Hash::EMPTY,
            |proof| proof.checkpoint = proof.checkpoint.replace("301", "302"),
            |proof| proof.hashes.truncate(1),
            |proof| proof.hashes.extend([Hash::EMPTY; 70]),
            |proof| proof.format.push('0'),
        ];
        for change in wrong {
            let mut changed = proof.clone();
            change(&mut changed);
            assert!(changed.verify(None).is_err());
        }
    }
    let mut proof = EventProof::new(key().verifier(), &signed, 0, &log.entries[0], &log).unwrap();
    proof.body = proof.body.map(|body| body.replace("e0", "e1"));
    assert!(matches!(proof.verify(None), Err(Error::ProofFails)));
    proof.body = None;
    assert!(matches!(proof.verify(None), Err(Error::MalformedProof { .. })));
    let other = StoredEntry::Kept { salt: salt(1), body: body(1) };
    assert!(matches!(EventProof::new(key().verifier(), &signed, 0, &other, &log), Err(Error::ProofFails)));
}

#[test]
fn notes_are_c2sps_and_other_software_verifies_them() {
    let signed = Log::of(3).checkpoint();
    let lines: Vec<_> = signed.note().lines().collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[..2], [ORIGIN, "3"]);
    assert!(lines[4].starts_with(&format!("— {ORIGIN} ")));
    // The note library's own Ed25519 agrees with ours, key string and signature both.
    let theirs = StandardVerifier::new(&key().verifier().to_string()).unwrap();
    let note = Note::from_bytes(signed.note().as_bytes()).unwrap();
    note.verify(&VerifierList::new(vec![Box::new(theirs)])).unwrap();
    assert_eq!(SignedCheckpoint::open(signed.note(), key().verifier()).unwrap(), signed);
}

#[test]
fn witnesses_may_sign_too() {
    let signed = Log::of(3).checkpoint();
    let witness = seal::SigningKey::from_seed(&[9; 32]);
    let line = signed_note::Signature::new("witness.example".into(), 7, witness.sign(b"x").to_vec()).unwrap();
    let note = format!("{}{}", signed.note(), String::from_utf8(line.to_bytes()).unwrap());
    let opened = SignedCheckpoint::open(&note, key().verifier()).unwrap();
    assert_eq!(opened.checkpoint(), signed.checkpoint());
    let log = Log::of(3);
    let mut file = Vec::new();
    ledger::write_export(&mut file, key().verifier(), &opened, &log).unwrap();
    assert_eq!(file, log.export(), "an export holds the log's own signature alone");
}

#[test]
fn a_changed_note_is_refused() {
    let note = Log::of(3).checkpoint().note().to_owned();
    for at in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(changed) = String::from_utf8(bytes) else {
            continue;
        };
        assert!(SignedCheckpoint::open(&changed, key().verifier()).is_err(), "byte {at}");
    }
    assert!(matches!(SignedCheckpoint::open(&note, other_key().verifier()), Err(Error::NotSigned { .. })));
    for text in ["", "\n", "\n\n", "a\n\n", &"x".repeat(20_000)] {
        assert!(SignedCheckpoint::open(text, key().verifier()).is_err());
        assert!(Checkpoint::read_unverified(text).is_err());
    }
}

#[test]
fn keys_have_one_spelling() {
    let text = key().verifier().to_string();
    assert_eq!(verifier(&text).unwrap(), *key().verifier());
    assert_eq!(serde_json::to_string(key().verifier()).unwrap(), format!("\"{text}\""));
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(changed) = String::from_utf8(bytes) else {
            continue;
        };
        assert!(verifier(&changed).is_err(), "byte {at}");
    }
    let upper = text.replacen(&text[27..35], &text[27..35].to_uppercase(), 1);
    for wrong in ["", "+", "++", "a+b", "a+00000000+", &format!("{text}="), &format!(" {text}"), &format!("{text}\n")] {
        assert!(verifier(wrong).is_err(), "{wrong}");
    }
    assert!(upper == text || verifier(&upper).is_err());
    for host in ["", "a b", "a+b", "a\nb", "a\u{7f}", &"x".repeat(500)] {
        assert!(ledger::origin(host, &TenantId::main()).is_err(), "{host}");
    }
    assert_eq!(ledger::origin("localhost:7070", &TenantId::new("hr")).unwrap(), "localhost:7070/log/hr");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_two_sizes_are_consistent(a in 1u64..600, b in 1u64..600) {
        let (from, to) = (a.min(b), a.max(b));
        let log = Log::of(to);
        let signed = log.checkpoint();
        let older = at(&log, from);
        let proof = ledger::prove_consistency(signed.checkpoint(), from, &log).unwrap();
        proof.verify(&older, signed.checkpoint()).unwrap();
        for index in 0..proof.hashes.len() {
            let mut wrong = proof.clone();
            wrong.hashes[index] = Hash::EMPTY;
            prop_assert!(wrong.verify(&older, signed.checkpoint()).is_err());
        }
    }

    #[test]
    fn strangers_proofs_never_verify(size in any::<u64>(), index in any::<u64>(), from in any::<u64>(),
                                     count in 0usize..80) {
        let newer = Checkpoint::new(&key(), size, Hash::EMPTY);
        let older = Checkpoint::new(&key(), from, leaf(1));
        let hashes = vec![leaf(2); count];
        prop_assert!(ledger::verify_inclusion(&newer, index, leaf(0), &hashes).is_err());
        let proof = ConsistencyProof { from, to: size, hashes };
        prop_assert!(proof.verify(&older, &newer).is_err());
    }

    #[test]
    fn strangers_texts_are_refused(text in ".{0,200}") {
        prop_assert!(verifier(&text).is_err());
        prop_assert!(Checkpoint::read_unverified(&text).is_err());
        prop_assert!(serde_json::from_str::<EventProof>(&text).is_err());
    }
}
