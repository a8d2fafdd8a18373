//! What nobody asks for, at the n-th statement on the wire: the sequencing of what was done, a backup, retention, and a
//! first start with its migrations. The log goes on, what came as a whole backup is one, what is past its time goes as the
//! record says, and a start that failed is begun again.

use crate::{
    acts::{happened, people, settled},
    is_ready,
    tables::log_size,
    wire::{Fault, Wire},
};
use model::{Clock, ManualClock, SystemClock};
use seal::RecoveryKey;
use serde_json::json;
use server::{Drill, Unproven};
use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;
use testkit::{Disk, Postgres, Town, free_port, keeper, root_key, root_key_file, rounds, until};

/// No piece of work here has more statements, with those that the jobs ask meanwhile.
const MOST: u32 = 1000;

/// At which statements: in the long test at one in `step`, until none is hit any more; in the short one at these.
fn chosen(step: usize, few: &[u32]) -> Vec<u32> {
    if rounds(1) > 1 { (1..=MOST).step_by(step).collect() } else { few.to_vec() }
}

async fn add(town: &Town, email: &str) {
    settled(async || town.post("/api/v1/people", json!({ "email": email, "groups": ["staff"] })).await).await;
}

/// State and record say the same.
async fn holds(town: &Town) {
    until("it is ready", async || is_ready(town).await).await;
    assert!(happened(town).await.contains_key("person.add"), "the record proves itself");
    // Who was added by an act whose answer was lost is added again: that is another event, of the same person.
    let listed = town.get("/api/v1/events?action=person.add&limit=1000").await.json();
    let added = listed["events"].as_array().unwrap().iter().filter_map(|event| event["detail"]["person"].as_str());
    let added: BTreeSet<&str> = added.collect();
    assert_eq!(added.len(), people(town).await.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_each_statement_until_an_event_has_its_place() {
    let database = Postgres::create().await;
    let (url, wire) = Wire::to(&database.url).await;
    let town = Town::at(Some(&url), "", "", Arc::new(SystemClock)).await;
    until("it is ready", async || is_ready(&town).await).await;
    let mut hit = 0;
    for fault in Fault::ALL {
        for n in chosen(1, &[3, 20]) {
            let before = log_size(&database.url).await;
            wire.arm(fault, n);
            add(&town, &format!("{n}{fault:?}@example.test").to_lowercase()).await;
            until("its event has its place", async || log_size(&database.url).await > before).await;
            if !wire.disarm() {
                break;
            }
            hit += 1;
        }
    }
    assert!(hit > 0, "no fault came");
    holds(&town).await;
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_each_statement_of_a_backup() {
    let (url, wire) = Wire::to(&Postgres::create().await.url).await;
    let town = Town::at(Some(&url), "", "", Arc::new(SystemClock)).await;
    until("it is ready", async || is_ready(&town).await).await;
    add(&town, "ana@example.test").await;
    let (key, folder) = (RecoveryKey::generate(), TempDir::new().unwrap());
    let path = format!("/api/v1/backup?recipient={}", key.recipient());
    let (mut hit, mut refused) = (0, 0);
    for fault in Fault::ALL {
        for n in chosen(1, &[3, 30]) {
            wire.arm(fault, n);
            let browser = town.browser();
            let answer = town.attempt(&browser, "GET", &path, b"").await;
            let fired = wire.disarm();
            match answer {
                Some(answer) if answer.status == 200 => whole(&answer.body, &key, folder.path()).await,
                // Whoever takes one that breaks off sees that it did.
                answer => {
                    refused += 1;
                    assert!(answer.as_ref().is_none_or(|answer| answer.status >= 500), "{fault:?} at {n}: {answer:?}");
                }
            }
            until("service returns", async || is_ready(&town).await).await;
            if !fired {
                break;
            }
            hit += 1;
        }
    }
    assert!(hit > 0 && refused > 0, "{hit} faults, {refused} refused or broken off");
    holds(&town).await;
    town.stop().await;
}

async fn whole(backup: &[u8], key: &RecoveryKey, folder: &Path) {
    let file = folder.join("one.backup");
    std::fs::write(&file, backup).unwrap();
    let (key, root, scratch) = (key.clone(), root_key(), folder.to_owned());
    Drill { file, key, root, unproven: Unproven::Refused, scratch }.run().await.unwrap();
}

/// What retention begins each of its acts with.
const DELETES: &[u8] = b"DELETE FROM data_records";
/// Each of them is emptied by an act of its own.
const COLLECTIONS: usize = 6;

/// Somebody lets the app keep one record in each collection; two hours later their time is over.
async fn keeps(town: &Town, clock: &ManualClock) {
    const ANA: &str = "ana@example.test";
    add(town, ANA).await;
    let ana = town.person(ANA, &["staff"]).await;
    let url = format!("{}/", town.app("notes"));
    assert_eq!(ana.open(&url).await.status, 200);
    let kept = ana.post(&url, &[]).await;
    assert_eq!(kept.status, 200, "{kept:?}");
    clock.advance(Duration::from_secs(2 * 3_600));
}

/// It deletes as soon as it starts.
async fn deletes(town: Town) -> Town {
    let town = town.restart(Disk::Room).await;
    until("retention had its turn", async || town.ended("retention").await > 0).await;
    town
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_each_statement_of_retention() {
    let (url, wire) = Wire::to(&Postgres::create().await.url).await;
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let mut town = Town::at(Some(&url), "", "", Arc::clone(&clock) as _).await;
    let app = keeper("notes", "1h", COLLECTIONS);
    let deployed = town.machine("POST", "/api/v1/deploy?env=prod", &app).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let (mut hit, mut left) = (0, 0);
    for fault in Fault::ALL {
        // Each of them is a start. One in three is another statement of each act, so that together they miss none.
        for n in chosen(3, &[2, 9]) {
            keeps(&town, &clock).await;
            wire.arm_at(DELETES, fault, n);
            town = deletes(town).await;
            let fired = wire.disarm();
            until("service returns", async || is_ready(&town).await).await;
            let kept = town.kept().await;
            kept.adds_up(&town.recorded().await);
            if !fired {
                break;
            }
            (hit, left) = (hit + 1, left + kept.records);
        }
    }
    assert!(hit > 0 && left > 0, "{hit} faults, {left} records that were left for later");
    town = deletes(town).await;
    let kept = town.kept().await;
    assert_eq!(kept.records, 0);
    kept.adds_up(&town.recorded().await);
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_each_statement_of_a_first_start() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let (mut hit, mut refused) = (0, 0);
    for (fault, few) in Fault::ALL.into_iter().zip([5, 20, 60]) {
        // Each of them is a database of its own, and three starts.
        for n in chosen(7, &[few]) {
            let database = Postgres::create().await;
            let (url, wire) = Wire::to(&database.url).await;
            let folder = TempDir::new().unwrap();
            let data = folder.path().join("data");
            std::fs::create_dir(&data).unwrap();
            std::os::unix::fs::symlink(root_key_file().with_file_name("cache"), data.join("cache")).unwrap();
            let port = free_port();
            let server = format!("[server]\nlisten = \"127.0.0.1:{port}\"\nnode = \"first\"\ndatabase = \"{url}\"\n");
            wire.arm(fault, n);
            let begun = Town::again(&folder, &server, "").await;
            let fired = wire.disarm();
            refused += u32::from(begun.is_err());
            until("it is begun again", async || Town::again(&folder, &server, "").await.is_ok()).await;
            let town = Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await;
            add(&town, "ana@example.test").await;
            holds(&town).await;
            town.stop().await;
            if !fired {
                break;
            }
            hit += 1;
        }
    }
    assert!(hit > 0 && refused > 0, "{hit} faults, {refused} starts that failed");
}
