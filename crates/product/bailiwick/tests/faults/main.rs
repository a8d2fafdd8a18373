//! The disk fails under the real program: at the n-th fsync, write or read of a piece of work, with an error, with half
//! of what was to be written, as its last act, for good, or as the power goes and takes what was not synced. What was
//! acknowledged is there with its event, nothing is half done, the record proves itself, and service returns by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod unwritable;
mod work;

use serde_json::json;
use std::{
    cell::Cell,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;
use testkit::{Engine, Process, rounds, until};
use work::{Load, Work};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");

/// The faults that come next, and whether they came.
struct Faults {
    folder: TempDir,
    armed: Cell<u32>,
}

impl Faults {
    fn build() -> Self {
        let folder = TempDir::new().unwrap();
        let shim = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(folder.path().join("shim.so"));
        assert!(cc.arg(shim).args(["-ldl", "-lpthread"]).status().unwrap().success());
        Self { folder, armed: Cell::new(0) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("LD_PRELOAD", self.file("shim.so")),
            ("FAULT_FILE", self.file("next")),
            ("FAULT_FIRED", self.file("fired")),
            ("FAULT_POWER", PathBuf::from("yes")),
        ]
    }

    fn set(&self, text: &str) {
        let new = self.file("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.file("next")).unwrap();
    }

    /// The n-th time from now on. No text comes twice: the shim counts anew for each.
    fn arm(&self, Fault { op, kind }: Fault, n: u32) {
        self.armed.set(self.armed.get() + 1);
        if self.fired() {
            std::fs::remove_file(self.file("fired")).unwrap();
        }
        self.set(&format!("{op} {kind} {n} {}", self.armed.get()));
    }

    fn fired(&self) -> bool {
        self.file("fired").exists()
    }

    /// Whether it came.
    fn disarm(&self) -> bool {
        self.set("none none 0");
        self.fired()
    }
}

/// What fails, and how.
#[derive(Debug, Clone, Copy)]
struct Fault {
    op: &'static str,
    kind: &'static str,
}

impl Fault {
    const ALL: [Self; 9] = [
        Self { op: "fsync", kind: "fail" },
        Self { op: "fsync", kind: "power" },
        Self { op: "fsync", kind: "gone" },
        Self { op: "fsync", kind: "kill" },
        Self { op: "write", kind: "fail" },
        Self { op: "write", kind: "power" },
        Self { op: "write", kind: "short" },
        Self { op: "write", kind: "kill" },
        Self { op: "read", kind: "fail" },
    ];

    /// The process ends by it.
    fn ends(self) -> bool {
        matches!(self.kind, "kill" | "power")
    }
}

/// Faults for each piece of work in the short test.
const FEW: usize = 2;
/// No piece of work goes to the disk so often.
const MOST: u32 = 4000;
/// Of writes and reads, of which there are hundreds, one in so many; of fsyncs, each.
const STEP: usize = 7;

/// At which moments which fault comes: in the long test each fault at every moment, until it comes no more; in the short
/// one, the first moments, with other faults for each piece.
fn moments(piece: usize) -> Vec<(Fault, Vec<u32>)> {
    if rounds(1) == 1 {
        let few = (0..FEW).zip(1..);
        return few.map(|(at, n)| (Fault::ALL[(piece * FEW + at) % Fault::ALL.len()], vec![n])).collect();
    }
    let step = |fault: &Fault| if fault.op == "fsync" { 1 } else { STEP };
    Fault::ALL.iter().map(|fault| (*fault, (1..=MOST).step_by(step(fault)).collect())).collect()
}

/// One piece of work under each fault, at each of its moments; `under` says whether the fault came.
async fn until_none_comes(piece: usize, mut under: impl AsyncFnMut(Fault, u32) -> bool) {
    let mut came = 0;
    for (fault, moments) in moments(piece) {
        let mut comes = true;
        for n in moments {
            comes = under(fault, n).await;
            if !comes {
                break;
            }
            came += 1;
        }
        assert!(!comes || rounds(1) == 1, "{fault:?} comes without end");
    }
    assert!(came > 0, "no fault came in piece {piece}");
}

async fn is_ready(town: &Process) -> bool {
    let browser = town.browser();
    town.attempt(&browser, "GET", "/readyz", b"").await.is_some_and(|answer| answer.status == 200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_at_any_moment_loses_nothing_that_was_acknowledged() {
    let mut load = Load::start().await;
    for (piece, work) in Work::ALL.into_iter().enumerate() {
        until_none_comes(piece, async |fault, n| load.under(work, fault, n).await).await;
        load.proven().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_the_disk_fails_is_begun_again() {
    let faults = Faults::build();
    let mut town = Process::start_within(BINARY, Engine::Sqlite, "", "error", &faults.environment()).await;
    until_none_comes(1, async |fault, n| {
        town.leave().await;
        emptied(&town.data());
        faults.arm(fault, n);
        if town.starts().await {
            town.kill().await;
        }
        let came = faults.disarm();
        town.again().await;
        let context = format!("{fault:?} at {n}");
        until(&context, async || is_ready(&town).await).await;
        let added = town.post("/api/v1/people", json!({ "email": "ana@example.test", "groups": ["staff"] })).await;
        assert_eq!(added.status, 200, "{context}: {added:?}");
        let people = town.get("/api/v1/people").await.json();
        assert_eq!(people["people"].as_array().map(Vec::len), Some(2), "{context}: {people}");
        assert_eq!(town.events("person.add").await.len(), 2, "{context}");
        let verdict = ledger::verify_export(&*town.export().await, &ledger::Options::default()).unwrap();
        assert!(verdict.ok, "{context}: {verdict:?}");
        came
    })
    .await;
    town.stop().await;
}

/// As before its first start; compiled code alone is kept between tests.
fn emptied(data: &Path) {
    for entry in std::fs::read_dir(data).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap() {
            kind if kind.is_symlink() => {}
            kind if kind.is_dir() => std::fs::remove_dir_all(entry.path()).unwrap(),
            _ => std::fs::remove_file(entry.path()).unwrap(),
        }
    }
}
