//! What is remembered of a log, and that it is held to it.

use crate::fixture::{Log, key, other_key, verify};
use ledger::{Checkpoint, Error, Hash, KeyTrust, LogKey, Memory, Options, Remembered};
use std::fs;

#[test]
fn a_log_must_continue_what_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Remembered::open(&folder.path().join("seen")).unwrap();
    let mut log = Log::of(10);
    let (early, key) = (log.checkpoint(), key());
    assert_eq!(memory.recall(key.verifier()).unwrap(), None);
    assert_eq!(memory.check(key.verifier(), &early, None).unwrap(), Memory::First);
    assert_eq!(memory.check(key.verifier(), &early, None).unwrap(), Memory::Same);

    log.grow_to(300);
    let late = log.checkpoint();
    assert!(matches!(memory.check(key.verifier(), &late, None), Err(Error::ProofFails)));
    let proof = ledger::prove_consistency(late.checkpoint(), 10, &log).unwrap();
    assert_eq!(memory.check(key.verifier(), &late, Some(&proof)).unwrap(), Memory::Continued);
    assert_eq!(memory.recall(key.verifier()).unwrap().unwrap(), late);

    let shrunk = memory.check(key.verifier(), &early, None).unwrap_err();
    assert!(matches!(shrunk, Error::Shrunk { remembered: 300, found: 10 }), "{shrunk}");
    for size in [300, 301] {
        let forked = Checkpoint::new(&key, size, Hash::EMPTY).sign(&key).unwrap();
        assert!(matches!(memory.check(key.verifier(), &forked, Some(&proof)), Err(Error::Forked { .. })));
    }
    assert_eq!(memory.recall(key.verifier()).unwrap().unwrap(), late, "nothing that was refused is remembered");
    let kept = fs::read_dir(folder.path().join("seen")).unwrap();
    let mut endings: Vec<_> = kept.map(|file| file.unwrap().path().extension().unwrap().to_owned()).collect();
    endings.sort();
    assert_eq!(endings, ["checkpoint", "key"], "no draft is left");
}

#[test]
fn memory_is_by_key_not_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Remembered::open(folder.path()).unwrap();
    memory.check(key().verifier(), &Log::of(10).checkpoint(), None).unwrap();
    assert_eq!(key().origin(), other_key().origin());
    assert_eq!(memory.recall(other_key().verifier()).unwrap(), None);
    let renamed = LogKey::new("elsewhere.example/log/main", seal::SigningKey::from_seed(&[7; 32])).unwrap();
    assert_eq!(memory.recall(renamed.verifier()).unwrap().unwrap().checkpoint().size(), 10);
    let restarted = Checkpoint::new(&renamed, 3, Log::of(3).edge.root()).sign(&renamed).unwrap();
    assert!(matches!(memory.check(renamed.verifier(), &restarted, None), Err(Error::Shrunk { .. })));
}

#[test]
fn damaged_memory_is_not_absent_memory() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Remembered::open(folder.path()).unwrap();
    memory.check(key().verifier(), &Log::of(10).checkpoint(), None).unwrap();
    let path = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, bad).unwrap();
        assert!(matches!(memory.recall(key().verifier()), Err(Error::MemoryDamaged { .. })), "byte {at}");
    }
    for bad in [Vec::new(), vec![b'x'; 100_000]] {
        fs::write(&path, bad).unwrap();
        assert!(matches!(memory.recall(key().verifier()), Err(Error::MemoryDamaged { .. })));
    }
}

#[test]
fn verifying_remembers_and_is_held_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Remembered::open(folder.path()).unwrap();
    let options = Options { remembered: Some(&memory), ..Options::default() };
    let mut log = Log::of(20);
    let early = log.export();
    let check = |file: &[u8]| ledger::verify_export(file, &options).unwrap();
    let first = check(&early);
    assert!(first.ok && first.key == KeyTrust::Unpinned && first.what.contains("--key"), "{}", first.what);
    assert_eq!(check(&early).key, KeyTrust::Remembered);

    log.grow_to(300);
    let late = check(&log.export());
    assert!(late.ok && late.key == KeyTrust::Remembered && !late.what.contains("--key"));
    assert_eq!(memory.recall(key().verifier()).unwrap().unwrap().checkpoint().size(), 300);
    let older = check(&early);
    assert!(older.ok && older.what.contains("older than the 300"), "{}", older.what);
    assert_eq!(memory.recall(key().verifier()).unwrap().unwrap().checkpoint().size(), 300);

    let mut rewritten = Log::of(7);
    rewritten.append((8..400).map(crate::fixture::body).collect());
    let refused = check(&rewritten.export());
    assert!(!refused.ok && refused.first_bad.is_none() && refused.what.contains("written anew"), "{}", refused.what);
    assert!(verify(&rewritten.export()).ok, "it is sound in itself: only memory tells");

    let live = Log::of(20).verify(&options);
    assert_eq!((live.ok, live.first_bad), (false, Some(20)), "a running log does not get shorter");
    assert!(log.verify(&options).ok);
}

#[test]
fn another_key_for_a_known_name_is_refused_until_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Remembered::open(folder.path()).unwrap();
    let options = Options { remembered: Some(&memory), ..Options::default() };
    let log = Log::of(20);
    let check = |file: &[u8], options: &Options<'_>| ledger::verify_export(file, options).unwrap();
    assert!(check(&log.export(), &options).ok);
    let other = log.export_as(&other_key());
    for _ in 0..2 {
        let refused = check(&other, &options);
        assert!(!refused.ok && refused.what.contains("another key"), "{}", refused.what);
        assert_eq!(refused.remembered, Some(key().verifier().to_string()));
        assert!(memory.recall(other_key().verifier()).unwrap().is_none(), "what was refused is not remembered");
    }
    let given = Options { key: Some(other_key().verifier().clone()), ..options.clone() };
    assert!(check(&other, &given).ok);
    let accepted = check(&other, &options);
    assert!(accepted.ok && accepted.key == KeyTrust::Remembered, "{}", accepted.what);
    assert!(!check(&log.export(), &options).ok, "a name has one key");

    // As it was kept before names were.
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let of_other = path.file_stem().unwrap().to_str() == Some(other_key().verifier().fingerprint().as_str());
        if path.extension().unwrap() == "key" || of_other {
            fs::remove_file(path).unwrap();
        }
    }
    assert!(!check(&other, &options).ok && check(&log.export(), &options).ok);
}
