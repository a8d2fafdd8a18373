//! Backups as an operator makes them, rehearses them and brings them back: by the program, on another machine and on the
//! same one, on both databases; and a restore that is killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use testkit::{Browser, DATABASE, Dice, Engine, Postgres, Process, root_key_file, rounds};
use tokio::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
/// Restores that are killed in one round.
const KILLS: u32 = 4;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A machine without a server.
fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).current_dir(home).env_clear().env("HOME", home).stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn document(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn code(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    document["problem"]["code"].as_str().unwrap().to_owned()
}

async fn newest(town: &Process, action: &str) -> Value {
    let listed = document(&town.run(&["audit", "list", "--action", action, "--json"]).await);
    listed["events"][0].clone()
}

async fn serves(town: &Process, browser: &Browser) {
    let page = browser.open(&format!("{}/", town.app("tinypoll"))).await;
    assert_eq!(page.status, 200, "{page:?}");
}

/// What is kept where neither servers nor backups are, and the backups.
struct Safe {
    folder: TempDir,
    data: PathBuf,
    configuration: PathBuf,
}

impl Safe {
    fn at(&self, name: &str) -> String {
        text(&self.folder.path().join(name)).to_owned()
    }

    /// What `restore` is told besides the backups.
    fn keys(&self) -> [String; 4] {
        let root = root_key_file();
        ["--key".to_owned(), self.at("recovery.key"), "--root-key".to_owned(), text(&root).to_owned()]
    }

    fn restore(&self, to: &Path, more: &[&str]) -> Vec<String> {
        let mut arguments: Vec<String> = ["backup", "restore", text(&self.data)]
            .into_iter()
            .chain(more.iter().copied())
            .map(str::to_owned)
            .collect();
        arguments.extend(self.keys());
        arguments.extend(["--data".to_owned(), text(&to.join("data")).to_owned()]);
        arguments.extend(["--config".to_owned(), text(&to.join("config.toml")).to_owned(), "--json".to_owned()]);
        arguments
    }
}

fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// A server with an app that somebody uses, and its backups.
async fn backed_up(engine: Engine) -> (Process, Safe) {
    let folder = TempDir::new().unwrap();
    let token = folder.path().join("metrics.token");
    testkit::private_file(&token, "0123456789abcdef0123456789abcdef0123456789abcdef");
    let more = format!("[metrics]\ntoken = \"file:{}\"\n", token.display());
    let town = Process::start(BINARY, engine, &more, "warn").await;
    assert_eq!(town.deploy_template("tinypoll", "tinypoll").await.json()["status"], "live");
    serves(&town, &town.person("ana@example.test", &["staff"]).await).await;
    assert_eq!(document(&town.run(&["audit", "verify", "--json"]).await)["ok"], true);
    let key = folder.path().join("recovery.key");
    let key = document(&town.run(&["backup", "key", "--out", text(&key), "--json"]).await);
    let (to, recipient) = (folder.path().join("backups"), key["recipient"].as_str().unwrap());
    let made = document(&town.run(&["backup", "create", "--to", text(&to), "--recipient", recipient, "--json"]).await);
    assert_eq!(newest(&town, "backup.create").await["detail"]["recipient"], recipient);
    assert_eq!(fs::read_dir(&to).unwrap().count(), 2, "nothing but the two");
    let path = |name: &str| PathBuf::from(made[name].as_str().unwrap());
    let safe = Safe { data: path("file"), configuration: path("configuration"), folder };
    (town, safe)
}

async fn is_rehearsed(town: &Process, safe: &Safe) {
    let drill = |file: &Path| {
        let mut arguments = vec!["backup".to_owned(), "drill".to_owned(), text(file).to_owned()];
        arguments.extend(safe.keys());
        arguments.push("--json".to_owned());
        arguments
    };
    let drilled = document(&town.run(&borrowed(&drill(&safe.data))).await);
    let event = newest(town, "backup.drill").await;
    assert_eq!((&event["id"], &event["outcome"]), (&drilled["event"], &json!("allowed")), "{event}");
    assert_eq!(event["detail"]["restored"]["rows"], drilled["rows"], "{event}");

    let (mut bytes, bent) = (fs::read(&safe.data).unwrap(), safe.folder.path().join("bent.backup"));
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&bent, bytes).unwrap();
    assert_eq!(code(&town.run(&borrowed(&drill(&bent))).await), "backup.failed");
    assert_eq!(newest(town, "backup.drill").await["outcome"], "failed", "a failed drill is an event too");
    let configuration = town.run(&borrowed(&drill(&safe.configuration))).await;
    assert_eq!(code(&configuration), "backup.configuration");
    let left = fs::read_dir(safe.folder.path().join("backups")).unwrap().count();
    assert_eq!(left, 2, "a rehearsal leaves nothing");
}

/// The one file that this machine keeps of the record.
fn kept(data: &Path) -> PathBuf {
    fs::read_dir(data.join("checkpoints")).unwrap().next().unwrap().unwrap().path()
}

/// It is off until somebody says why; then the record goes on, says what happened, and the app comes back.
async fn goes_on(town: &Process, restored: &Value) -> (Browser, Value) {
    assert_eq!(code(&town.run(&["apps", "--json"]).await), "platform.recovering");
    let accepted = document(&town.run(&["recover", "--why", "the old machine is gone", "--json"]).await);
    let event = newest(town, "backup.restore").await;
    assert_eq!(
        (&event["outcome"], &event["detail"]["log_size"]),
        (&json!("allowed"), &restored["log_size"]),
        "{event}"
    );
    assert_eq!(newest(town, "platform.recover").await["why"], "the old machine is gone");
    assert_eq!(newest(town, "app.deploy").await["outcome"], "allowed", "what was before is there");
    document(&town.run(&["restore", "tinypoll", "--why", "looked at", "--json"]).await);
    let ana = town.person("ana@example.test", &[]).await;
    serves(town, &ana).await;
    let verdict = document(&town.run(&["audit", "verify", "--json"]).await);
    assert!(verdict["ok"] == true && verdict["size"].as_u64() > restored["log_size"].as_u64(), "{verdict}");
    (ana, accepted)
}

/// The new machine has the backups, their keys, and none of the files that the configuration names.
async fn without_its_files_nothing_is_written(safe: &Safe, new: &Path, restore: &[String]) {
    let (token, away) = (safe.at("metrics.token"), safe.at("away"));
    fs::rename(&token, &away).unwrap();
    let refused = command(new, &borrowed(restore)).output().await.unwrap();
    assert_eq!(code(&refused), "config.value");
    assert!(String::from_utf8_lossy(&refused.stdout).contains("metrics.token"), "{refused:?}");
    assert!(!new.join("config.toml").exists() && !new.join("data/bailiwick.db").exists());
    fs::rename(&away, &token).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_machine_goes_on_from_a_backup_on_sqlite() {
    let (mut old, safe) = backed_up(Engine::Sqlite).await;
    is_rehearsed(&old, &safe).await;
    old.kill().await;
    let new = TempDir::new().unwrap();
    let restore = safe.restore(new.path(), &[text(&safe.configuration)]);
    without_its_files_nothing_is_written(&safe, new.path(), &restore).await;
    let restored = document(&command(new.path(), &borrowed(&restore)).output().await.unwrap());
    let config = new.path().join("config.toml");
    assert_eq!(restored["configuration"], json!([text(&config)]), "{restored}");
    assert_eq!(fs::read(&config).unwrap(), fs::read(old.folder.path().join("config.toml")).unwrap());
    let again = command(new.path(), &borrowed(&restore)).output().await.unwrap();
    assert!(String::from_utf8_lossy(&again.stdout).contains("there is a database already"), "{again:?}");

    let mut town = Process::found(BINARY, new, "warn").await;
    let file = kept(&town.data());
    let word = fs::read(&file).unwrap();
    let (ana, accepted) = goes_on(&town, &restored).await;
    assert_eq!(accepted["logs"][0]["restored"], true, "{accepted}");
    assert_eq!(accepted["logs"][0]["kept"], Value::Null, "{accepted}");
    // As if the process had ended the moment after it was accepted: nothing is taken away again.
    town.stop().await;
    assert_ne!(fs::read(&file).unwrap(), word);
    fs::write(&file, &word).unwrap();
    town.again().await;
    serves(&town, &ana).await;
    town.stop().await;
    assert_ne!(fs::read(&file).unwrap(), word, "and it is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_machine_goes_on_from_a_backup_on_postgres() {
    let (mut old, safe) = backed_up(Engine::Postgres).await;
    is_rehearsed(&old, &safe).await;
    old.kill().await;
    let (new, database) = (TempDir::new().unwrap(), Postgres::create().await);
    let restore = safe.restore(new.path(), &[text(&safe.configuration), "--database", database.url.as_str()]);
    without_its_files_nothing_is_written(&safe, new.path(), &restore).await;
    let restored = document(&command(new.path(), &borrowed(&restore)).output().await.unwrap());
    let mut town = Process::node(Path::new(BINARY), &database, "new", &[]).await;
    let (_, accepted) = goes_on(&town, &restored).await;
    assert_eq!(accepted["logs"][0]["restored"], true, "{accepted}");
    town.stop().await;
}

/// The database is lost, the machine is not: what it has seen is named beside what came back.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_same_machine_has_seen_outlives_the_restore() {
    let (mut town, safe) = backed_up(Engine::Sqlite).await;
    for name in 0..8 {
        town.person(&format!("later{name}@example.test"), &["staff"]).await;
    }
    town.stop().await;
    let data = town.data();
    for file in DATABASE {
        drop(fs::remove_file(data.join(file)));
    }
    let restored = document(&town.run(&borrowed(&safe.restore(town.folder.path(), &[]))).await);
    town.again().await;
    let (_, accepted) = goes_on(&town, &restored).await;
    let log = &accepted["logs"][0];
    assert!(log["kept"]["size"].as_u64() > log["found"]["size"].as_u64() && log["restored"] == true, "{accepted}");
    // This client has seen the record from before the backup, and found that it goes on from there.
    assert_eq!(document(&town.run(&["audit", "verify", "--json"]).await)["key"], "remembered");
    town.stop().await;
}

/// A restore is killed again and again; then it is begun once more, as if nothing had been.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_was_killed_is_begun_again() {
    let (mut old, safe) = backed_up(Engine::Sqlite).await;
    old.kill().await;
    let mut dice = Dice::new(19);
    for _ in 0..rounds(1) {
        let new = TempDir::new().unwrap();
        let restore = safe.restore(new.path(), &[text(&safe.configuration)]);
        let database = new.path().join("data/bailiwick.db");
        for _ in 0..KILLS {
            let mut child = command(new.path(), &borrowed(&restore)).stdout(Stdio::null()).spawn().unwrap();
            let within = Duration::from_millis(dice.roll(400) as u64);
            if tokio::time::timeout(within, child.wait()).await.is_err() {
                child.kill().await.unwrap();
            }
            // Whole, or not there at all.
            if database.exists() {
                break;
            }
        }
        if !database.exists() {
            document(&command(new.path(), &borrowed(&restore)).output().await.unwrap());
        }
        let mut town = Process::found(BINARY, new, "warn").await;
        assert_eq!(code(&town.run(&["apps", "--json"]).await), "platform.recovering");
        document(&town.run(&["recover", "--why", "restored at the second attempt", "--json"]).await);
        assert_eq!(document(&town.run(&["audit", "verify", "--json"]).await)["ok"], true);
        town.stop().await;
    }
}
