//! The disk fails under the real program: at the n-th fsync and the n-th write, with an error, with half of what was to be
//! written, as its last act, or as the power goes and takes what was not synced. What was acknowledged is there, nothing is half done, and service returns by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod unwritable;

use serde_json::json;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;
use testkit::{Engine, Process, rounds};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");

/// Which fault comes next.
struct Faults {
    folder: TempDir,
}

impl Faults {
    fn build() -> Self {
        let folder = TempDir::new().unwrap();
        let shim = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(folder.path().join("shim.so"));
        assert!(cc.arg(shim).args(["-ldl", "-lpthread"]).status().unwrap().success());
        Self { folder }
    }

    fn control(&self) -> PathBuf {
        self.folder.path().join("next")
    }

    fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let shim = self.folder.path().join("shim.so");
        vec![("LD_PRELOAD", shim), ("FAULT_FILE", self.control()), ("FAULT_POWER", PathBuf::from("yes"))]
    }

    fn set(&self, text: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.control()).unwrap();
    }
}

async fn ready(town: &Process) -> bool {
    let browser = town.browser();
    town.attempt(&browser, "GET", "/readyz", b"").await.is_some_and(|answer| answer.status == 200)
}

/// Who is there, each with the event that says so.
async fn are_there(town: &Process) -> BTreeSet<String> {
    let people = town.get("/api/v1/people?limit=1000").await.json();
    let there = people["people"].as_array().unwrap().iter().map(|person| person["email"].as_str().unwrap().to_owned());
    let there: BTreeSet<String> = there.collect();
    let events = town.get("/api/v1/events?action=person.add&limit=1000").await.json();
    let added = events["events"].as_array().unwrap().iter().filter(|event| event["outcome"] == "allowed").count();
    assert_eq!(added, there.len(), "as many people as events that added them");
    there
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_at_any_moment_loses_nothing_that_was_acknowledged() {
    let faults = Faults::build();
    let mut town = Process::start_within(BINARY, Engine::Sqlite, "", "error", &faults.environment()).await;
    let mut names = 0..;
    let (mut failed, mut killed, mut kept) = (0, 0, BTreeSet::new());
    for n in 1..=rounds(4) {
        for (op, kind) in [
            ("fsync", "fail"),
            ("write", "fail"),
            ("write", "short"),
            ("fsync", "kill"),
            ("write", "kill"),
            ("fsync", "power"),
            ("write", "power"),
        ] {
            let ends = matches!(kind, "kill" | "power");
            let email = format!("p{}@example.test", names.next().unwrap());
            faults.set(&format!("{op} {kind} {n}"));
            let body = json!({ "email": email, "groups": ["staff"] }).to_string();
            let browser = town.browser();
            let answer = town.attempt(&browser, "POST", "/api/v1/people", body.as_bytes()).await;
            faults.set("none none 0");
            let context = format!("{op} {kind} {n}: {answer:?}");
            let acknowledged = answer.as_ref().is_some_and(|answer| answer.status == 200);
            match &answer {
                Some(answer) if answer.status != 200 => {
                    failed += 1;
                    assert_eq!(answer.status, 503, "{context}");
                    assert_eq!(answer.json()["code"], "record.unwritable", "{context}");
                }
                Some(_) => {}
                None => assert!(ends, "{context}"),
            }
            // One that was to die may have had its fault in what runs beside the acts, or none at all.
            if ends {
                town.kill().await;
                town.again().await;
                killed += 1;
            }
            let begun = tokio::time::Instant::now();
            while !ready(&town).await {
                assert!(begun.elapsed() < Duration::from_secs(30), "service returns: {context}\n{}", town.errors());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            if acknowledged {
                kept.insert(email.clone());
            }
            let there = are_there(&town).await;
            let lost: Vec<&String> = kept.difference(&there).collect();
            assert!(lost.is_empty(), "{context}: {lost:?} were acknowledged");
            assert!(!there.contains(&email) || ends || acknowledged, "refused, and there: {context}");
        }
    }
    assert!(failed > 0 && killed > 0, "{failed} refused, {killed} killed");
    let out = town.folder.path().join("export");
    let exported = town.run(&["audit", "export", "--out", out.to_str().unwrap()]).await;
    assert!(exported.status.success(), "{exported:?}");
    let verified = town.run(&["audit", "verify", out.to_str().unwrap()]).await;
    assert!(verified.status.success(), "{verified:?}");
    let looked = town.run(&["whoami"]).await;
    assert!(looked.status.success(), "no restore is suspected: {looked:?}");
}
