//! Faults are planted one by one; `doctor` finds each, and what it says mends it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Clock, ManualClock, SystemClock};
use rusqlite::Connection;
use server::{Examined, Health, Overrides, examine};
use std::{
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use testkit::{Cable, Engine, Postgres, Town};

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
        self.examined_at(None).await
    }

    /// The same, with another database than the configuration's.
    async fn examined_at(&self, database: Option<&str>) -> Vec<Examined> {
        let overrides = Overrides { database: database.map(str::to_owned), ..Overrides::default() };
        examine(&self.0.path().join("data"), Some(&self.config()), &overrides).await
    }

    /// The one thing that is wrong, but for the disk, which is that of whoever runs this, and that no way is named by which
    /// people are told; and how to mend it.
    async fn wrong(&self) -> Option<(&'static str, Health, String)> {
        let mut wrong = self.examined().await;
        wrong.retain(|line| line.health != Health::Well && !["disk", "notices"].contains(&line.check));
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

    let mount = left.0.path().join("mount");
    let before = left.configure(|text| format!("{text}\n[storage]\nblobs = \"file:{}/blobs\"\n", mount.display()));
    left.finds("storage", Health::Doubtful, "make the folder").await;
    assert!(!mount.exists(), "it is looked at, and not made");
    std::fs::create_dir_all(mount.join("blobs")).unwrap();
    left.is_well().await;
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
async fn what_can_be_wrong_with_a_root_key_is_mended_as_it_is_said() {
    let left = Left::by(Town::start(Engine::Sqlite).await).await;
    let key = own_key(&left);
    let whole = std::fs::read_to_string(&key).unwrap();
    // A letter was lost when it was copied.
    std::fs::write(&key, &whole[..whole.len() - 3]).unwrap();
    left.finds("root key", Health::Ill, "another copy").await;
    std::fs::write(&key, &whole).unwrap();
    left.is_well().await;

    let locked = left.0.path().join("root.locked");
    testkit::root_key().create_locked_file(&locked, "correct horse battery").unwrap();
    left.configure(|text| {
        text.replace(&format!("file:{}", key.display()), &format!("passphrase:{}", locked.display()))
    });
    left.is_well().await;
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o644)).unwrap();
    left.finds("root key", Health::Ill, "chmod 600").await;
    std::fs::remove_file(&locked).unwrap();
    seal::RootKey::generate().create_locked_file(&locked, "correct horse battery").unwrap();
    left.finds("root key", Health::Ill, "the right key").await;
}

/// Whoever holds the port is asked what it is: a server whose console nobody reaches is no other program.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_known_at_its_own_address_and_others_are_not() {
    let folder = TempDir::new().unwrap();
    let names = ["console.test".to_owned(), "*.apps.test".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let (cert, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let secured = format!(
        "public_url = \"https://console.test\"\napps_domain = \"apps.test\"\ntls = {{ cert = \"{}\", key = \"{}\" }}\n",
        cert.display(),
        key.display()
    );
    for server in ["", secured.as_str()] {
        let town = Town::serving(Engine::Sqlite, server, "", Arc::new(SystemClock)).await;
        let config = town.data.parent().unwrap().join("config.toml");
        let examined = examine(&town.data, Some(&config), &Overrides::default()).await;
        let held = examined.into_iter().find(|line| line.check == "port").unwrap();
        assert!(held.health == Health::Well && held.what.contains("a Bailiwick"), "{held:?}");
    }

    // Where plain HTTP should come in, somebody else is.
    let town = Town::serving(Engine::Sqlite, &secured, "", Arc::new(SystemClock)).await;
    let left = Left::by(town).await;
    left.is_well().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let redirect = format!("[server]\nredirect = \"{}\"\n", taken.local_addr().unwrap());
    left.configure(|text| text.replace("[server]\n", &redirect));
    left.finds("port", Health::Ill, "`[server] redirect`").await;
    drop(taken);
    left.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_says_yes_to_everything_is_no_server() {
    let left = Left::by(Town::start(Engine::Sqlite).await).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers = axum::Router::new().fallback(|| async { "{\"ready\":true,\"checks\":[]}" });
    let serving = tokio::spawn(async move { axum::serve(listener, answers).await });
    left.configure(|text| {
        let line = text.lines().find(|line| line.starts_with("listen = ")).unwrap().to_owned();
        text.replace(&line, &format!("listen = \"{address}\""))
    });
    left.finds("port", Health::Ill, "ss -ltnp").await;
    serving.abort();
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

async fn run(url: &str, script: &str) {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    client.batch_execute(script).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
}

/// What PostgreSQL is set to is taken back where it was set: the fix names the statement, with `…` for the name.
#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_loses_what_was_acknowledged_is_mended_as_it_is_said() {
    const SETTING: &str = "synchronous_commit";
    let database = Postgres::create().await;
    let left = Left::by(Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await).await;
    let (guest_url, guest) = database.guest().await;
    let name = database.url.rsplit_once('/').unwrap().1;
    let fix = async |url: &str| {
        let mut examined = left.examined_at(Some(url)).await;
        examined.retain(|line| line.check == "durability" && line.what.contains(SETTING));
        examined.pop().map(|line| line.fix)
    };
    assert!(fix(&database.url).await.unwrap().contains("command line"));
    run(&database.url, &format!("ALTER DATABASE {name} SET {SETTING} = on")).await;
    assert_eq!(fix(&database.url).await, None);
    run(&database.url, &format!("ALTER ROLE {guest} SET {SETTING} = off")).await;
    let said = fix(&guest_url).await.unwrap();
    let statement = format!("ALTER ROLE … RESET {SETTING}");
    assert!(said.contains(&format!("`{statement}`")), "{said}");
    run(&database.url, &statement.replace('…', &guest)).await;
    assert_eq!(fix(&guest_url).await, None);
    run(&database.url, &format!("ALTER DATABASE {name} SET {SETTING} = off")).await;
    let said = fix(&database.url).await.unwrap();
    let statement = format!("ALTER DATABASE … RESET {SETTING}");
    assert!(said.contains(&format!("`{statement}`")), "{said}");
    run(&database.url, &statement.replace('…', name)).await;
    assert!(fix(&database.url).await.unwrap().contains("command line"));
}

/// It takes connections, and says nothing: stopped, or its disk stands still.
#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_says_nothing_is_not_waited_for() {
    let (url, cable) = Cable::to_postgres(&Postgres::create().await.url).await;
    let left = Left::by(Town::at(Some(&url), "", "", Arc::new(SystemClock)).await).await;
    cable.silence();
    let looked = tokio::time::timeout(Duration::from_secs(60), left.examined()).await;
    let silent = looked.expect("it ends").into_iter().find(|line| line.check == "database").unwrap();
    assert!(silent.health == Health::Ill && silent.fix.contains("PostgreSQL"), "{silent:?}");
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
    assert!(fsync.what.contains("= off") && fsync.fix.contains("out of its command line"), "{fsync:?}");
    assert!(wrong(left.examined().await, "standby").is_none());
    run(&database.url, NEWER).await;
    let newer = wrong(left.examined().await, "database").expect("it is newer");
    assert!(newer.fix.contains("newer version"), "{newer:?}");
    run(&database.url, NOT_NEWER).await;
    assert!(wrong(left.examined().await, "database").is_none());

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
