//! The export of a server that was worked with, edited: every edit is caught, and the first entry that is wrong is
//! named where one is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use ledger::{Options, Verdict, verify_export};
use serde_json::json;
use std::ops::Range;
use testkit::{Dice, Engine, Town, rounds};

fn verify(file: &[u8]) -> Verdict {
    verify_export(file, &Options::default()).unwrap()
}

/// The entries of the file: their index, and where each stands.
fn entries(file: &[u8]) -> Vec<(u64, Range<usize>)> {
    let mut entries = Vec::new();
    let mut at = 0;
    while at < file.len() {
        let end = |from: usize| from + file[from..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let line = String::from_utf8_lossy(&file[at..end(at)]).into_owned();
        let fields: Vec<&str> = line.trim_end().split(' ').collect();
        let mut next = end(at);
        if let ["entry", index, _, length] = fields[..] {
            next += length.parse::<usize>().unwrap() + 1;
            entries.push((index.parse().unwrap(), at..next));
        }
        at = next;
    }
    entries
}

async fn worked_with(engine: Engine) -> Vec<u8> {
    let town = Town::start(engine).await;
    town.deploy_template("tinypoll", "tinypoll").await;
    let ana = town.person("ana@example.test", &["staff"]).await;
    let url = town.app("tinypoll");
    for _ in 0..6 {
        assert_eq!(ana.open(&format!("{url}/")).await.status, 200);
    }
    assert_eq!(town.get("/api/v1/apps/nowhere").await.status, 404);
    assert_eq!(town.post("/api/v1/apps/tinypoll/revoke", json!({ "why": "über, \"quoted\"\n{}" })).await.status, 200);
    assert_eq!(town.post("/api/v1/apps/tinypoll/restore", json!({ "why": "on" })).await.status, 200);
    let file = town.export().await;
    town.stop().await;
    file
}

async fn every_edit_is_caught(engine: Engine) {
    let file = worked_with(engine).await;
    let whole = verify(&file);
    assert!(whole.ok && whole.size > 12, "{whole:?}");
    let entries = entries(&file);
    assert_eq!(entries.len() as u64, whole.size);
    let mut dice = Dice::new(13);
    for round in 0..rounds(50).max(50) {
        let at = dice.roll(file.len());
        let mut edited = file.clone();
        match round % 5 {
            0 => edited[at] ^= 1 << dice.roll(8),
            1 => drop(edited.remove(at)),
            2 => edited.insert(at, b" 0{\n"[dice.roll(4)]),
            3 => {
                let (one, other) = (dice.roll(entries.len()), dice.roll(entries.len()));
                let piece = file[entries[one].1.clone()].to_vec();
                edited.splice(entries[other].1.clone(), piece);
            }
            _ => {
                edited.drain(entries[dice.roll(entries.len())].1.clone());
            }
        }
        let verdict = verify(&edited);
        assert_eq!(verdict.ok, edited == file, "an edit at {at}: {verdict:?}");
        // A change inside an entry names it.
        if let Some((index, _)) = entries.iter().find(|(_, range)| round % 5 == 0 && range.contains(&at)) {
            assert_eq!(verdict.first_bad, Some(*index), "an edit at {at}: {verdict:?}");
        }
    }
    // Cut at the end of every line.
    for at in (1..file.len()).filter(|at| file[at - 1] == b'\n') {
        let verdict = verify(&file[..at]);
        assert!(!verdict.ok, "cut at {at}: {verdict:?}");
        let gone = entries.iter().find(|(_, range)| range.end > at).map(|(index, _)| *index);
        assert_eq!(verdict.first_bad, gone, "cut at {at}: {verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_edit_of_a_real_export_is_caught_on_sqlite() {
    every_edit_is_caught(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_edit_of_a_real_export_is_caught_on_postgres() {
    every_edit_is_caught(Engine::Postgres).await;
}
