//! Backups as an operator makes them, rehearses them and brings them back: by the program, on another machine and on the
//! same one, on both databases; and a restore that is killed, or finds no room.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use bytes::Bytes;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use testkit::{
    Browser, Cable, DATABASE, Dice, Engine, Own, Postgres, Process, dump, elsewhere, manifest, mount, noise, remount,
    root_key_file, rounds, until,
};
use tokio::process::{Child, Command};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
/// Restores that are killed in one round.
const KILLS: u32 = 4;
/// So many rounds more at most, where no kill came in time.
const LATE_ROUNDS: u32 = 5;
/// What PostgreSQL answers to a few dozen statements: so much further on is each of them.
const FURTHER_BYTES: u64 = 1 << 10;

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
    async fn of(town: &Process, folder: TempDir) -> Self {
        let key = folder.path().join("recovery.key");
        let key = document(&town.run(&["backup", "key", "--out", text(&key), "--json"]).await);
        let (to, recipient) = (folder.path().join("backups"), key["recipient"].as_str().unwrap());
        let create = ["backup", "create", "--to", text(&to), "--recipient", recipient, "--json"];
        let made = document(&town.run(&create).await);
        assert_eq!(newest(town, "backup.create").await["detail"]["recipient"], recipient);
        assert_eq!(fs::read_dir(&to).unwrap().count(), 2, "nothing but the two");
        let path = |name: &str| PathBuf::from(made[name].as_str().unwrap());
        Self { data: path("file"), configuration: path("configuration"), folder }
    }

    fn at(&self, name: &str) -> String {
        text(&self.folder.path().join(name)).to_owned()
    }

    /// What `restore` is told besides the backups.
    fn keys(&self) -> [String; 4] {
        let root = root_key_file();
        ["--key".to_owned(), self.at("recovery.key"), "--root-key".to_owned(), text(&root).to_owned()]
    }

    fn drill(&self, file: &Path, more: &[&str]) -> Vec<String> {
        let mut arguments: Vec<String> = ["backup", "drill", text(file), "--json"]
            .into_iter()
            .chain(more.iter().copied())
            .map(str::to_owned)
            .collect();
        arguments.extend(self.keys());
        arguments
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

/// A server with an app that somebody uses, and a folder for what is kept elsewhere.
async fn lived(engine: Engine) -> (Process, TempDir) {
    let folder = TempDir::new().unwrap();
    let token = folder.path().join("metrics.token");
    testkit::private_file(&token, "0123456789abcdef0123456789abcdef0123456789abcdef");
    let more = format!("[metrics]\ntoken = \"file:{}\"\n", token.display());
    let town = Process::start(BINARY, engine, &more, "warn").await;
    assert_eq!(town.deploy_template("tinypoll", "tinypoll").await.json()["status"], "live");
    serves(&town, &town.person("ana@example.test", &["staff"]).await).await;
    assert_eq!(document(&town.run(&["audit", "verify", "--json"]).await)["ok"], true);
    (town, folder)
}

/// An app with a file of so many bytes, which no backup makes smaller.
async fn deploy_noise(town: &Process, bytes: usize) {
    let files: [(&str, Bytes); 3] = [
        ("bailiwick.toml", manifest("noise", "assets = \"public\"\n").into()),
        ("app.js", "export default { fetch() { return new Response('ok'); } };".into()),
        ("public/noise.bin", noise(bytes).into()),
    ];
    let files = files.map(|(name, bytes)| (name.to_owned(), bytes));
    let archive = catalog::Unpacked::of(files).unwrap().pack().unwrap();
    let deployed = town.machine("POST", "/api/v1/deploy?env=prod", &archive).await;
    assert_eq!(deployed.json()["status"], "live", "{}", deployed.text());
}

/// The same with its backups.
async fn backed_up(engine: Engine) -> (Process, Safe) {
    let (town, folder) = lived(engine).await;
    let safe = Safe::of(&town, folder).await;
    (town, safe)
}

async fn is_rehearsed(town: &Process, safe: &Safe) {
    let drill = |file: &Path| safe.drill(file, &[]);
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
    // No new one is made, which would be in the way.
    let refused = town.refused().await;
    assert!(refused.contains("error[database.missing]") && refused.contains("backup restore"), "{refused}");
    assert!(!data.join(DATABASE[0]).exists());
    let restored = document(&town.run(&borrowed(&safe.restore(town.folder.path(), &[]))).await);
    town.again().await;
    let (_, accepted) = goes_on(&town, &restored).await;
    let log = &accepted["logs"][0];
    assert!(log["kept"]["size"].as_u64() > log["found"]["size"].as_u64() && log["restored"] == true, "{accepted}");
    // This client has seen the record from before the backup, and found that it goes on from there.
    assert_eq!(document(&town.run(&["audit", "verify", "--json"]).await)["key"], "remembered");
    town.stop().await;
}

/// Where a restore fills SQLite at this moment, or was killed while it did.
fn fills(data: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(data).into_iter().flatten().flatten();
    folders.map(|folder| folder.path().join("filled.db")).filter(|file| file.exists()).collect()
}

fn has_ended(child: &mut Child) -> bool {
    child.try_wait().unwrap().is_some()
}

/// As from a restore that nothing happened to.
async fn is_as_restored(town: &mut Process) {
    assert_eq!(code(&town.run(&["apps", "--json"]).await), "platform.recovering");
    document(&town.run(&["recover", "--why", "restored at the second attempt", "--json"]).await);
    assert_eq!(document(&town.run(&["audit", "verify", "--json"]).await)["ok"], true);
    town.stop().await;
}

/// A restore is killed again and again while it fills; then it is begun once more, as if nothing had been.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_was_killed_is_begun_again_on_sqlite() {
    let (mut old, folder) = lived(Engine::Sqlite).await;
    deploy_noise(&old, 4 << 20).await;
    let safe = Safe::of(&old, folder).await;
    old.kill().await;
    let (mut dice, mut met) = (Dice::new(19), 0);
    let mut round = 0;
    while round < rounds(1) || (met == 0 && round < rounds(1) + LATE_ROUNDS) {
        round += 1;
        let new = TempDir::new().unwrap();
        let (data, database) = (new.path().join("data"), new.path().join("data/bailiwick.db"));
        let restore = safe.restore(new.path(), &[text(&safe.configuration)]);
        for n in 0..KILLS {
            let before = fills(&data);
            let fills_anew = || fills(&data).iter().any(|file| !before.contains(file));
            let mut child = command(new.path(), &borrowed(&restore)).stdout(Stdio::null()).spawn().unwrap();
            until("it fills", async || fills_anew() || has_ended(&mut child)).await;
            // At once at first, then further and further on.
            let within = Duration::from_millis(u64::from(n) * dice.roll(100) as u64);
            if tokio::time::timeout(within, child.wait()).await.is_err() {
                child.kill().await.unwrap();
            }
            // What was killed leaves it; what came to its end does not.
            met += u32::from(fills_anew());
            // Whole, or not there at all.
            if database.exists() {
                break;
            }
        }
        if !database.exists() {
            document(&command(new.path(), &borrowed(&restore)).output().await.unwrap());
        }
        assert!(fills(&data).is_empty(), "nothing is left of those that were killed");
        is_as_restored(&mut Process::found(BINARY, new, "warn").await).await;
    }
    assert!(met > 0, "no kill came while it filled");
}

/// The same where another machine has the database: it hears no more of whoever was filling it.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_was_killed_is_begun_again_on_postgres() {
    let (mut old, safe) = backed_up(Engine::Sqlite).await;
    old.kill().await;
    let mut met = 0;
    let mut round = 0;
    while round < rounds(1) || (met == 0 && round < rounds(1) + LATE_ROUNDS) {
        round += 1;
        let (new, database) = (TempDir::new().unwrap(), Postgres::create().await);
        let (url, cable) = Cable::to_postgres(&database.url).await;
        let restore = safe.restore(new.path(), &[text(&safe.configuration), "--database", &url]);
        let mut whole = false;
        for n in 0..KILLS {
            let mut child = command(new.path(), &borrowed(&restore)).stdout(Stdio::null()).spawn().unwrap();
            until("it fills", async || database.is_being_written().await || has_ended(&mut child)).await;
            let further = cable.told() + u64::from(n) * FURTHER_BYTES;
            until("it is further", async || cable.told() >= further || has_ended(&mut child)).await;
            cable.silence();
            let fills = database.is_being_written().await;
            // It may have come to its end.
            drop(child.kill().await);
            cable.snap();
            until("what it began is over", async || !database.is_being_written().await).await;
            cable.mend();
            whole = !dump(&database.url).await.is_empty();
            met += u32::from(fills && !whole);
            if whole {
                break;
            }
        }
        if !whole {
            document(&command(new.path(), &borrowed(&restore)).output().await.unwrap());
        }
        is_as_restored(&mut Process::node(Path::new(BINARY), &database, "new", &[]).await).await;
    }
    assert!(met > 0, "no kill came while it filled");
}

fn lacks_room(output: &Output) {
    assert_eq!(code(output), "backup.place", "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("make room") && said.contains("The backup is not at fault"), "{said}");
}

/// Too small for the rows, or for what they need besides: it is said that there is no room, and nothing of the backup.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_is_not_the_backups_fault() {
    if elsewhere("a_disk_without_room_is_not_the_backups_fault", Own::Mounts) {
        return;
    }
    let (mut town, folder) = lived(Engine::Sqlite).await;
    deploy_noise(&town, 12 << 20).await;
    let safe = Safe::of(&town, folder).await;
    let new = TempDir::new().unwrap();
    let [data, scratch] = ["data", "scratch"].map(|name| new.path().join(name));
    let disks = [&data, &scratch];
    for disk in disks {
        fs::create_dir(disk).unwrap();
        mount(disk, "size=3m");
    }
    let restore = safe.restore(new.path(), &[text(&safe.configuration)]);
    let drill = safe.drill(&safe.data, &["--scratch", text(&scratch)]);
    for size in ["size=3m", "size=8m", "size=13m"] {
        for disk in disks {
            remount(disk, size);
        }
        lacks_room(&command(new.path(), &borrowed(&restore)).output().await.unwrap());
        assert!(!data.join("bailiwick.db").exists(), "{size}: nothing stands there");
        lacks_room(&town.run(&borrowed(&drill)).await);
    }
    assert_eq!(newest(&town, "backup.drill").await, Value::Null, "nothing was learnt of the backup");
    for disk in disks {
        remount(disk, "size=256m");
    }
    document(&command(new.path(), &borrowed(&restore)).output().await.unwrap());
    document(&town.run(&borrowed(&drill)).await);
    assert_eq!(newest(&town, "backup.drill").await["outcome"], "allowed");
    town.stop().await;
}
