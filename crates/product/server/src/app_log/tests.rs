//! A log in a database: what of it is kept.

use super::*;
use authority::Authority;
use gateway::Line;
use model::{AppId, Env, ManualClock};
use std::path::PathBuf;
use store::{Database, StoreConfig};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("bailiwick-app-log-{}", u64::from_le_bytes(seal::random_bytes()));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

async fn log(folder: &Folder) -> (Arc<AppLog>, Writer) {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at("2026-11-23T12:00:00Z".parse().unwrap()));
    let config = StoreConfig {
        database: Database::Sqlite { path: folder.0.join("bailiwick.db") },
        clock: Arc::clone(&clock),
        root: seal::RootKey::generate(),
        node: "n1".to_owned(),
        data_dir: folder.0.clone(),
        log_host: "localhost:7070".to_owned(),
        reserve_bytes: 0,
        depot: None,
    };
    let authority = Arc::new(Authority::new(Arc::clone(&clock), None));
    let store = Store::open(config, authority as _, &crate::assembly::ROOMS).await.unwrap();
    let keys = seal::RootKey::generate().tenant(&TenantId::main());
    AppLog::new(store, clock, TenantId::main(), &keys)
}

fn line(app: &AppRef, text: String) -> Line {
    Line { text, ..super::waiting::tests::line(app) }
}

async fn texts(log: &AppLog, app: &AppRef) -> Vec<String> {
    let page = log.lines(sql::AFTER, app, 0, LINES_MAX).await.unwrap();
    page.lines.into_iter().map(|line| line.text).collect()
}

#[tokio::test]
async fn a_long_log_loses_its_oldest_lines_and_no_other_does() {
    let folder = Folder::new();
    let (log, mut writer) = log(&folder).await;
    let [long, other] = ["long", "other"].map(|name| AppRef { id: AppId::new(name), env: Env::Prod });
    let padded = |n: u32| format!("{n} {}", "x".repeat(1_000));
    let mut lines: Vec<_> = (0..100).map(|n| (log.seq(), line(&long, padded(n)))).collect();
    lines.push((log.seq(), line(&other, "mine".to_owned())));
    writer.write(&lines).await;
    assert_eq!(texts(&log, &long).await.len(), 100, "there is room");
    let deleted = log.shorten(&long, 20_000).await.unwrap();
    let left = texts(&log, &long).await;
    assert!((80..90).contains(&deleted) && left.len() as u64 == 100 - deleted, "{deleted} deleted");
    assert_eq!(left.last(), Some(&padded(99)), "the newest stay");
    assert_eq!(log.shorten(&long, 20_000).await.unwrap(), 0);
    assert_eq!(texts(&log, &other).await, ["mine"]);
}

#[tokio::test]
async fn all_that_waits_is_written_and_what_was_lost_is_said() {
    let folder = Folder::new();
    let (log, writer) = log(&folder).await;
    let [loud, quiet] = ["loud", "quiet"].map(|name| AppRef { id: AppId::new(name), env: Env::Prod });
    for n in 0..5_000 {
        log.line(line(&loud, n.to_string()));
    }
    log.line(line(&quiet, "heard".to_owned()));
    let mut written = log.written.subscribe();
    let writing = tokio::spawn(writer.run());
    while texts(&log, &quiet).await.is_empty() {
        written.changed().await.unwrap();
    }
    let newest = log.lines(sql::BEFORE, &loud, i64::MAX, 2).await.unwrap().lines;
    let newest: Vec<_> = newest.iter().map(|line| (line.level.as_str(), line.text.as_str())).collect();
    let lost = "904 lines were dropped: they came faster than they can be kept";
    assert_eq!(newest, [("warn", lost), ("log", "4095")]);
    let all = params![&TenantId::main(), &loud.id, loud.env.as_str(), 0_i64, i64::MAX];
    assert_eq!(log.store.read(sql::WHICH_AFTER, all).await.unwrap().len(), 4_097);
    writing.abort();
}
