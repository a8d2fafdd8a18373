//! Edits of an export: every one is caught, and the first bad index is the right one.

use crate::fixture::{Log, key, pinned, verify};
use ledger::{Checkpoint, Verdict, verify_export};
use proptest::{prelude::*, test_runner::TestRng};
use std::ops::Range;

/// What a stretch of the file holds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    Head,
    /// A `tile` line; the first index under the tile.
    TileLine(u64),
    /// A hash; the first index under it.
    Hash(u64),
    Entry(u64),
}

/// The file's stretches, found by its documented form alone.
fn parts(file: &[u8]) -> Vec<(Range<usize>, Part)> {
    let line_end = |from: usize| from + file[from..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut parts = Vec::new();
    let mut at = 0;
    for _ in 0..7 {
        let end = line_end(at);
        parts.push((at..end, Part::Head));
        at = end;
    }
    let (mut level, mut under) = (0, 0u64);
    while at < file.len() {
        let mut end = line_end(at);
        let line = std::str::from_utf8(&file[at..end]).unwrap().trim_end().to_owned();
        let fields: Vec<_> = line.split(' ').collect();
        let part = match fields[..] {
            ["tile", tile_level, n, _] => {
                level = tile_level.parse::<u32>().unwrap();
                under = n.parse::<u64>().unwrap() * 256;
                Part::TileLine(under << (8 * level))
            }
            ["entry", index, _, length] => {
                end += length.parse::<usize>().unwrap() + 1;
                Part::Entry(index.parse().unwrap())
            }
            ["erased", index, _] => Part::Entry(index.parse().unwrap()),
            _ => {
                under += 1;
                Part::Hash((under - 1) << (8 * level))
            }
        };
        parts.push((at..end, part));
        at = end;
    }
    parts
}

fn log() -> Log {
    let mut log = Log::of(530);
    log.erase(&[7, 8, 255, 400]);
    log
}

/// What a byte that changed at `at` must be named as. The end of a line before an entry belongs to what it ends.
fn expected(parts: &[(Range<usize>, Part)], at: usize) -> Option<u64> {
    match parts.iter().find(|(range, _)| range.contains(&at)).unwrap().1 {
        Part::Head => None,
        Part::TileLine(index) | Part::Hash(index) | Part::Entry(index) => Some(index),
    }
}

fn caught(verdict: &Verdict, first_bad: Option<u64>, what: &str) {
    assert!(!verdict.ok, "{what} was not caught");
    assert_eq!(verdict.first_bad, first_bad, "{what}: {}", verdict.what);
}

/// The entry at or after a place; where a cut there leaves the first entry that is not whole.
fn gone_from(parts: &[(Range<usize>, Part)], at: usize) -> u64 {
    let entries = parts.iter().filter_map(|(range, part)| match part {
        Part::Entry(index) if range.end > at => Some(*index),
        Part::Head | Part::TileLine(_) | Part::Hash(_) | Part::Entry(_) => None,
    });
    entries.min().unwrap()
}

#[test]
fn fifty_random_edits_are_caught() {
    let file = log().export();
    let parts = parts(&file);
    assert!(verify(&file).ok);
    let entries: Vec<_> = parts.iter().filter(|(_, part)| matches!(part, Part::Entry(_))).cloned().collect();
    let mut rng = TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    for round in 0..50 {
        let at = rng.random_range(0..file.len());
        let mut edited = file.clone();
        let (first_bad, what) = match round % 6 {
            0 => {
                edited[at] ^= 1 << rng.random_range(0..8);
                (expected(&parts, at), format!("flip at {at}"))
            }
            1 => {
                edited.truncate(at);
                (Some(gone_from(&parts, at)), format!("cut at {at}"))
            }
            2 => {
                edited.insert(at, b'#');
                (expected(&parts, at), format!("insertion at {at}"))
            }
            3 => {
                let (range, part) = &entries[rng.random_range(0..entries.len() - 1)];
                edited.drain(range.clone());
                let Part::Entry(index) = part else { unreachable!() };
                (Some(*index), format!("entry {index} taken out"))
            }
            4 => {
                let a = rng.random_range(0..entries.len() - 1);
                let b = rng.random_range(a + 1..entries.len());
                let (a, b) = (entries[a].0.clone(), entries[b].0.clone());
                edited = [&file[..a.start], &file[b.clone()], &file[a.end..b.start], &file[a.clone()], &file[b.end..]]
                    .concat();
                (expected(&parts, a.start), format!("entries at {} and {} swapped", a.start, b.start))
            }
            _ => {
                edited.remove(at);
                (expected(&parts, at), format!("deletion at {at}"))
            }
        };
        caught(&verify(&edited), first_bad, &what);
    }
}

/// Every byte of a small export with every kind of part, in several ways.
#[test]
fn every_byte_counts() {
    let mut log = Log::of(6);
    log.erase(&[2]);
    let file = log.export();
    let parts = parts(&file);
    for at in 0..file.len() {
        for bit in [0x01, 0x20] {
            let mut edited = file.clone();
            edited[at] ^= bit;
            caught(&verify(&edited), expected(&parts, at), &format!("flip {bit:#x} at {at}"));
        }
        caught(
            &verify(&file[..at]),
            Some(if at < parts[7].0.start { 0 } else { gone_from(&parts, at) }),
            &format!("cut at {at}"),
        );
        let mut edited = file.clone();
        edited.remove(at);
        assert!(!verify(&edited).ok, "deletion at {at}");
        for byte in [b'0', b'\n'] {
            let mut edited = file.clone();
            edited.insert(at, byte);
            assert!(!verify(&edited).ok, "insertion of {byte} at {at}");
        }
    }
    for more in [b"\n".as_slice(), b"x", b"entry 7", &file] {
        caught(&verify(&[&file, more].concat()), None, "bytes after the end");
    }
}

#[test]
fn whole_lines_moved_about_are_named() {
    let file = log().export();
    let parts = parts(&file);
    let find =
        |wanted: Part| parts.iter().filter(|(_, part)| *part == wanted).map(|(range, _)| range.clone()).next_back();
    let entry = |index| find(Part::Entry(index)).unwrap();
    let hash = |index| find(Part::Hash(index)).unwrap();
    let without = |range: Range<usize>| [&file[..range.start], &file[range.end..]].concat();
    let with = |at: usize, extra: Range<usize>| [&file[..at], &file[extra], &file[at..]].concat();

    for index in [0, 7, 255, 256, 300, 511, 512, 529] {
        caught(&verify(&without(entry(index))), Some(index), "an entry taken out");
        caught(&verify(&without(hash(index))), Some(index), "a hash taken out");
        caught(&verify(&with(entry(index).end, entry(index))), Some(index + 1), "an entry twice");
        caught(&verify(&with(hash(index).start, hash(index + 1))), Some(index), "a hash put in");
    }
    caught(&verify(&without(entry(530))), Some(530), "the last entry taken out");
    caught(&verify(&with(hash(530).end, hash(530))), None, "a hash too many");
}

/// An attacker who also fixes the entry's own hash is still named, by the hashes above.
#[test]
fn a_consistent_change_of_body_and_hash_is_named() {
    let honest = Log::of(600);
    let mut forged = Log::of(300);
    forged.append(vec![br#"{"action":"nothing.happened"}"#.to_vec()]);
    forged.grow_to(600);
    let (honest, forged) = (honest.export(), forged.export());
    let (theirs, ours) = (parts(&forged), parts(&honest));
    // The forged hash and body of entry 300, in an export whose other hashes are the signed ones.
    let mut edited = Vec::new();
    for (index, (range, part)) in ours.iter().enumerate() {
        let leaf = *part == Part::Hash(300) || *part == Part::Entry(300);
        edited.extend_from_slice(if leaf { &forged[theirs[index].0.clone()] } else { &honest[range.clone()] });
    }
    caught(&verify(&edited), Some(256), "a body changed with its hash");
}

/// With every hash redone, only the signature is left: it fails, and nothing can say where.
#[test]
fn a_rewritten_log_under_the_old_signature_fails() {
    let honest = Log::of(20);
    let mut forged = Log::of(5);
    forged.append(vec![b"{}".to_vec()]);
    forged.grow_to(20);
    let (honest_file, forged_file) = (honest.export(), forged.export());
    let head = parts(&honest_file)[7].0.start;
    let edited = [&honest_file[..head], &forged_file[parts(&forged_file)[7].0.start..]].concat();
    caught(&verify(&edited), None, "a rewritten log");

    let shorter = Checkpoint::new(&key(), 10, Log::of(10).edge.root()).sign(&key()).unwrap();
    let note = honest.checkpoint();
    let text = String::from_utf8(honest_file).unwrap().replacen(note.note(), shorter.note(), 1);
    assert!(!verify(text.as_bytes()).ok);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn strangers_files_never_verify(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(!verify_export(bytes.as_slice(), &pinned()).unwrap().ok);
        let file = Log::of(2).export();
        let spliced = [&file[..file.len() / 2], &bytes, &file[file.len() / 2..]].concat();
        prop_assert_eq!(verify_export(spliced.as_slice(), &pinned()).unwrap().ok, bytes.is_empty());
    }
}
