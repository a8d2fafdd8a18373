//! The corpus, and mutations of it, through every parser: the same bytes in every run, more of them when asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};
use strangers::{TARGETS, Target};
use testkit::{Dice, rounds};

/// Mutated inputs for each target and round.
const INPUTS: u32 = 150;
/// What parsers trip over.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\n",
    b"\r\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"=",
    b"; ",
    b":",
    b"/",
    b"..",
    b"%2e%2e",
    b"%00",
    b"%25",
    b"\\",
    b"@",
    b"\"",
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"#",
    b"?",
    b"&",
    b"-1",
    b"0",
    b"18446744073709551616",
    b"1e999",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    "\u{202e}".as_bytes(),
    "\u{ff0e}".as_bytes(),
    b"bailiwick-app-i1=x",
    b"__Host-bailiwick=y",
    b"Domain=a",
    b"content-length: 5\r\n",
    b"transfer-encoding: chunked\r\n",
    b"host: x\r\n",
    b"0\r\n\r\n",
    b"bw-ph-",
    b"null",
    b"true",
];

fn folder(target: &str) -> PathBuf {
    fuzz().join("corpus").join(target)
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz")
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(folder(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// What to say when a promise is broken.
fn run(target: &Target, input: &[u8]) -> Option<String> {
    let kept = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    kept.err().map(|_| format!("`{}` broke its promise for b\"{}\"", target.name, input.escape_ascii()))
}

/// A few cuts, doublings, flips, insertions and crossings.
fn mutated(corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = corpus[dice.roll(corpus.len())].clone();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(input.len() + 1);
        let end = (at + 1 + dice.roll(24)).min(input.len());
        match dice.roll(7) {
            0 if !input.is_empty() => {
                let at = at.min(input.len() - 1);
                input[at] ^= 1 << dice.roll(8);
            }
            1 => drop(input.drain(at..end)),
            2 => drop(input.splice(at..at, PIECES[dice.roll(PIECES.len())].iter().copied())),
            3 => {
                let doubled = input[at..end].to_vec();
                input.splice(at..at, doubled);
            }
            4 => {
                let other = &corpus[dice.roll(corpus.len())];
                let from = dice.roll(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            5 => input.truncate(at),
            _ => {
                let piece = PIECES[dice.roll(PIECES.len())].repeat(1 + dice.roll(40));
                input.splice(at..at, piece);
            }
        }
    }
    input.truncate(64 << 10);
    input
}

#[test]
fn the_corpus_and_its_mutations_break_no_promise() {
    let broken: Vec<String> = std::thread::scope(|scope| {
        let mut running = Vec::new();
        for (seed, target) in (1..).zip(TARGETS) {
            running.push(scope.spawn(move || {
                let corpus = corpus(target.name);
                assert!(corpus.len() >= 3, "`{}` has no corpus to begin with", target.name);
                let mut dice = Dice::new(seed);
                let mutations = (0..rounds(3) * INPUTS).map(|_| mutated(&corpus, &mut dice)).collect::<Vec<_>>();
                corpus.iter().chain(&mutations).find_map(|input| run(target, input))
            }));
        }
        running.into_iter().filter_map(|target| target.join().expect("no parser stops the thread")).collect()
    });
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Each has its file for libFuzzer, and each file its target: `cargo xtask long` runs the files.
#[test]
fn every_target_is_fuzzed() {
    let files = fs::read_dir(fuzz().join("fuzz_targets")).unwrap();
    let files: BTreeSet<String> =
        files.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(files, targets);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for target in TARGETS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{}.rs\"", target.name)), "{}", target.name);
    }
}

/// What needs a writer is written by the product itself: `BLESS=1` writes it into the corpus.
#[test]
fn the_corpus_begins_with_what_holds() {
    let archive = |files: &[(&str, &str)]| testkit::archive(files).to_vec();
    let plain = [("bailiwick.toml", "[app]\n"), ("app.js", "export default {};\n"), ("public/a.css", "a{}\n")];
    let inside = zstd_less(&archive(&plain));
    for (target, name, bytes) in [
        ("archive", "packed", archive(&plain)),
        ("archive", "inside", inside),
        ("proof", "golden", strangers::golden_proof().into_bytes()),
        ("checkpoint", "golden", strangers::golden_checkpoint().into_bytes()),
    ] {
        let path = folder(target).join(name);
        if std::env::var_os("BLESS").is_some() {
            fs::create_dir_all(folder(target)).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), bytes, "{}", path.display());
    }
}

/// The tar file in an archive.
fn zstd_less(archive: &[u8]) -> Vec<u8> {
    zstd::decode_all(archive).unwrap()
}
