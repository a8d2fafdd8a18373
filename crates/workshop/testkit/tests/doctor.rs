//! Faults are planted one by one; `doctor` finds each, and what it says mends it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Clock, ManualClock, SystemClock};
use rusqlite::Connection;
use server::{Examined, Health, Overrides, Port, examine};
use std::{
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use testkit::{Engine, Postgres, Town};

const NEWER: &str = "INSERT INTO migrations (room, number, name, digest, at) VALUES ('vault', 99, 'leases', 'x', 1)";
const NOT_NEWER: &str = "DELETE FROM migrations WHERE number = 99";
const LOSE_AN_EVENT: &str = "DELETE FROM events WHERE idx = 1";

/// What a server left, and its configuration.
struct Left(TempDir);

impl Left {
    async fn by(town: Town) -> Self {
        Self(town.stop().await)
    }

    fn config(&self) -> PathBuf {
        self.0.path().join("config.toml")
    }

    fn database(&self) -> PathBuf {
        self.0.path().join("data/bailiwick.db")
    }

    /// Changes the configuration, and gives what it was.
    fn configure(&self, change: impl FnOnce(&str) -> String) -> String {
        let before = std::fs::read_to_string(self.config()).unwrap();
        std::fs::write(self.config(), change(&before)).unwrap();
        before
    }

    async fn examined(&self) -> Vec<Examined> {
        examine(&self.0.path().join("data"), Some(&self.config()), &Overrides::default(), Port::Silent).await
    }

    /// The one thing that is wrong, but for the disk, which is that of whoever runs this; and how to mend it.
    async fn wrong(&self) -> Option<(&'static str, Health, String)> {
        let mut wrong = self.examined().await;
        wrong.retain(|line| line.health != Health::Well && line.check != "disk");
        assert!(wrong.len() < 2, "{wrong:#?}");
        assert!(wrong.iter().all(|line| !line.fix.is_empty()), "{wrong:#?}");
        wrong.pop().map(|line| (line.check, line.health, line.fix))
    }

    async fn finds(&self, check: &str, health: Health, mend: &str) {
        let (found, how, fix) = self.wrong().await.unwrap_or_else(|| panic!("`{check}` is not found"));
        assert_eq!((found, how), (check, health));
        assert!(fix.contains(mend), "{fix}");
    }

    async fn is_well(&self) {
        assert_eq!(self.wrong().await, None);
    }
}

fn own_key(left: &Left) -> PathBuf {
    let key = left.0.path().join("own.key");
    testkit::root_key().create_file(&key).unwrap();
    left.configure(|text| {
        let line = text.lines().find(|line| line.starts_with("root = ")).unwrap().to_owned();
        text.replace(&line, &format!("root = \"file:{}\"", key.display()))
    });
    key
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_wrong_with_one_machine_is_found() {
    let left = Left::by(Town::start(Engine::Sqlite).await).await;
    let key = own_key(&left);
    left.is_well().await;

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    left.finds("root key", Health::Ill, "chmod 600").await;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    left.is_well().await;

    let aside = left.0.path().join("aside");
    std::fs::rename(&key, &aside).unwrap();
    left.finds("root key", Health::Ill, "recovery copy").await;
    std::fs::rename(&aside, &key).unwrap();
    left.is_well().await;

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let before = left.configure(|text| {
        let line = text.lines().find(|line| line.starts_with("listen = ")).unwrap().to_owned();
        text.replace(&line, &format!("listen = \"127.0.0.1:{port}\""))
    });
    left.finds("port", Health::Ill, &format!("sport = :{port}")).await;
    drop(taken);
    left.is_well().await;
    left.configure(|_| before);

    let site = "public_url = \"https://console.corp.example\"\napps_domain = \"apps.corp.example\"\n";
    let before = left.configure(|text| text.replace("[server]\n", &format!("[server]\n{site}")));
    left.finds("sites", Health::Doubtful, "apps_domain").await;
    left.configure(|text| text.replace("\"apps.corp.example\"", "\"corp-apps.example\""));
    left.is_well().await;
    left.configure(|_| before);

    let before = left.configure(|text| format!("{text}\n[storage]\nblobs = \"file:/proc/none\"\n"));
    left.finds("storage", Health::Ill, "").await;
    left.configure(|_| before);
    left.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_from_a_time_to_come_is_found() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        // The clock was a day ahead, and was set right.
        let clock = Arc::new(ManualClock::at(SystemClock.now().plus(Duration::from_secs(86_400))));
        let town = Town::with(engine, "", clock).await;
        assert_eq!(town.deploy_template("tinypoll", "tinypoll").await.status, 200);
        let found = Left::by(town).await.examined().await;
        let line = found.iter().find(|line| line.check == "clock").unwrap_or_else(|| panic!("{found:#?}"));
        assert!(line.health == Health::Ill && line.fix.contains("NTP"), "{line:?}");
        // It is right already: what the next start says then is told, and until when.
        assert!(line.fix.contains("a server says `clock.behind` until"), "{line:?}");
        assert_eq!(line.what.starts_with("the database's clock"), engine == Engine::Postgres, "{line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_wrong_with_a_database_is_found() {
    let town = Town::start(Engine::Sqlite).await;
    assert_eq!(town.deploy_template("tinypoll", "tinypoll").await.status, 200);
    let left = Left::by(town).await;
    left.is_well().await;
    let run =
        |text: &str| assert_eq!(Connection::open(left.database()).unwrap().execute(text, []).unwrap(), 1, "{text}");
    run(NEWER);
    left.finds("database", Health::Ill, "newer version").await;
    run(NOT_NEWER);
    left.is_well().await;

    let copy = left.0.path().join("copy.db");
    std::fs::copy(left.database(), &copy).unwrap();
    run(LOSE_AN_EVENT);
    left.finds("record", Health::Ill, "restore a backup").await;
    std::fs::copy(&copy, left.database()).unwrap();
    left.is_well().await;
}

fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path());
    versions.map(|path| path.join("bin").join(name)).find(|path| Path::exists(path)).expect(name)
}

/// The cluster of the tests has `fsync` off.
#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_wrong_with_postgres_is_found() {
    let database = Postgres::create().await;
    let town = Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await;
    let left = Left::by(town).await;
    let wrong = |found: Vec<Examined>, check: &str| {
        found.into_iter().find(|line| line.check == check && line.health != Health::Well)
    };
    let fsync = wrong(left.examined().await, "durability").expect("fsync is off");
    assert!(fsync.what.contains("= off") && fsync.fix.contains("`on`"), "{fsync:?}");
    assert!(wrong(left.examined().await, "standby").is_none());

    // Whoever copies the log of the cluster as it is written follows it asynchronously.
    let folder = TempDir::new().unwrap();
    let mut follower = Command::new(program("pg_receivewal"))
        .args(["--no-loop", "-D"])
        .arg(folder.path())
        .arg("-d")
        .arg(&database.url)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let found = async {
        loop {
            if let Some(standby) = wrong(left.examined().await, "standby") {
                return standby;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let standby = tokio::time::timeout(Duration::from_secs(30), found).await.expect("a standby is found");
    assert!(standby.fix.contains("synchronous_standby_names"), "{standby:?}");
    follower.kill().unwrap();
    follower.wait().unwrap();
    let gone = async {
        while wrong(left.examined().await, "standby").is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("it has gone");
}
