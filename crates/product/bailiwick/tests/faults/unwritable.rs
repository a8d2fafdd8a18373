//! The record cannot be written, for real: the disk is full, read-only, the database file is away or another, PostgreSQL
//! is gone. Acts are refused in plain words, revoke works and promises its events, pages answer, an operator hears of it,
//! and service returns by itself.

use super::{BINARY, Faults};
use serde_json::{Value, json};
use std::{
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use testkit::{Answer, Browser, Cable, Engine, Own, Process, elsewhere, mount, remount, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

/// Nothing takes longer, whatever is gone.
const NO_HANG: Duration = Duration::from_secs(30);
/// Room for the journal, the database and the reserve.
const DISK: &str = "size=96m";

/// What arrived at the webhook.
struct Heard {
    texts: Arc<Mutex<Vec<String>>>,
    config: String,
    _secret: TempDir,
}

impl Heard {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let texts = Arc::<Mutex<Vec<String>>>::default();
        let taken = Arc::clone(&texts);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (mut text, mut bytes) = (String::new(), [0; 16 << 10]);
                // One write of the sender may come in two.
                while let Ok(Ok(read)) = timeout(Duration::from_millis(500), stream.read(&mut bytes)).await {
                    text.push_str(&String::from_utf8_lossy(&bytes[..read]));
                    if read == 0 || text.ends_with('}') {
                        break;
                    }
                }
                taken.lock().unwrap().push(text);
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await);
            }
        });
        let secret = TempDir::new().unwrap();
        let file = secret.path().join("webhook.secret");
        testkit::private_file(&file, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
        let config = format!(
            "[notify]\nwebhook = \"http://127.0.0.1:{port}/here\"\nwebhook_secret = \"file:{}\"\n",
            file.display()
        );
        Self { texts, config, _secret: secret }
    }

    fn of(&self, words: &str) -> bool {
        self.texts.lock().unwrap().iter().any(|text| text.contains(words))
    }
}

async fn ask(town: &Process, method: &str, path: &str, body: &Value) -> Answer {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let browser = town.browser();
    let asked = town.attempt(&browser, method, path, text.as_bytes());
    timeout(NO_HANG, asked).await.unwrap_or_else(|_| panic!("{path} hangs")).expect("an answer")
}

async fn add(town: &Process, email: &str) -> Answer {
    ask(town, "POST", "/api/v1/people", &json!({ "email": email, "groups": ["staff"] })).await
}

async fn is_ready(town: &Process) -> bool {
    ask(town, "GET", "/readyz", &Value::Null).await.status == 200
}

/// Whether the app itself answered, which needs no database for it. Else it is said that it cannot, at the moment.
async fn is_served(ana: &Browser, app: &str) -> bool {
    let url = format!("{app}asked");
    let asked = ana.send("POST", &url, &[("sec-fetch-site", "same-origin")], b"");
    let answer = timeout(NO_HANG, asked).await.expect("an answer");
    assert!(matches!(answer.status, 404 | 503), "{answer:?}");
    answer.status == 404
}

/// How often that stands on the record.
async fn was_served(town: &Process) -> usize {
    let used = town.get("/api/v1/events?action=app.use&limit=1000").await.json();
    let served = |event: &&Value| event["detail"]["path"] == "/asked" && event["detail"]["status"] == 404;
    used["events"].as_array().unwrap_or_else(|| panic!("{used}")).iter().filter(served).count()
}

/// What must be true while the record cannot be written, and after: `begin` makes it so, `end` takes it back.
async fn all_is_well_but_the_record(town: &Process, heard: &Heard, begin: impl FnOnce(), end: impl FnOnce()) {
    until("it is ready", async || is_ready(town).await).await;
    let deployed = town.deploy_template("tinypoll", "tinypoll").await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let ana = town.person("ana@example.test", &["staff"]).await;
    let app = format!("{}/", town.app("tinypoll"));
    assert_eq!(ana.open(&app).await.status, 200);
    let ola = town.person("ola@example.test", &["operators"]).await;
    assert_eq!(ola.get(&town.url()).await.status, 200);

    begin();
    let mut served = usize::from(is_served(&ana, &app).await);
    // The very next act, and each one: in plain words, nothing done.
    for n in 0..3 {
        let refused = add(town, &format!("late{n}@example.test")).await;
        assert_eq!(refused.status, 503, "{refused:?}");
        let problem = refused.json();
        assert!(matches!(problem["code"].as_str(), Some("record.unwritable" | "store.busy")), "{problem}");
        assert!(problem["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{problem}");
    }
    until("nothing is served without a record", async || {
        let again = is_served(&ana, &app).await;
        served += usize::from(again);
        !again
    })
    .await;
    assert_eq!(ask(town, "GET", "/healthz", &Value::Null).await.status, 200);
    let ready = ask(town, "GET", "/readyz", &Value::Null).await;
    let record = |check: &Value| check["check"] == "record" && check["ok"] == false;
    assert!(ready.status == 503 && ready.json()["checks"].as_array().unwrap().iter().any(record), "{ready:?}");
    let page = timeout(NO_HANG, ana.get(&town.url())).await.expect("a page");
    assert!(matches!(page.status, 200 | 503) && !page.text().is_empty(), "{page:?}");

    let receipt = revoke(town).await;
    assert_eq!(receipt["recorded"], false, "{receipt}");
    // Of a database that others could share, nobody knows yet who begins meanwhile.
    let is_dead = |line: &Value| line["state"] == "dead" || (town.database.is_some() && line["node"] == "any other");
    assert!(receipt["surfaces"].as_array().unwrap().iter().all(is_dead), "{receipt}");
    let off = timeout(NO_HANG, ana.get(&app)).await.expect("an answer");
    assert!(matches!(off.status, 403 | 410 | 503), "{off:?}");
    let at = format!("{}/apps/tinypoll/receipts/{}", town.url(), receipt["event"].as_str().unwrap());
    let page = timeout(NO_HANG, ola.get(&at)).await.expect("a page");
    assert_eq!((page.status, page.header("refresh")), (200, Some("2")), "{page:?}");
    assert!(page.text().contains("The record cannot be written"), "{page:?}");
    until("an operator hears of it", async || heard.of("the record cannot be written")).await;

    end();
    until("service returns by itself", async || is_ready(town).await).await;
    let off = ana.get(&app).await;
    assert!(matches!(off.status, 403 | 410), "{off:?}");
    promised(town, &receipt).await;
    until("what was served is on the record", async || was_served(town).await == served).await;
    let page = ola.get(&at).await;
    assert!(page.header("refresh").is_none() && page.text().contains("<dd>it leaks</dd>"), "{page:?}");
    let added = add(town, "after@example.test").await;
    assert_eq!(added.status, 200, "{added:?}");
    let people = town.get("/api/v1/people").await.text();
    assert!(!people.contains("late") && people.contains("after@example.test"), "{people}");
    let out = town.folder.path().join("export");
    for arguments in [["audit", "export", "--out"].as_slice(), &["audit", "verify"]] {
        let done = town.run(&[arguments, &[out.to_str().unwrap()]].concat()).await;
        assert!(done.status.success(), "{done:?}");
    }
}

/// As an operator does, in the terminal.
async fn revoke(town: &Process) -> Value {
    let arguments = ["revoke", "tinypoll", "--why", "it leaks", "--yes", "--json"];
    let done = timeout(NO_HANG, town.run(&arguments)).await.expect("revoke ends");
    assert_eq!(done.status.code(), Some(0), "{done:?}\n{}", town.errors());
    serde_json::from_slice(&done.stdout).unwrap()
}

/// Both events stand under the ids that were promised. Of a database that others could share, the receipt is whole once
/// they have heard of the cut: its event is of then, and the system's own.
async fn promised(town: &Process, receipt: &Value) {
    let event = async |field: &str| {
        let id = receipt[field].as_str().unwrap();
        town.get(&format!("/api/v1/events/{id}")).await.json()
    };
    let cut = event("event").await;
    assert_eq!((&cut["action"], &cut["why"]), (&json!("app.revoke"), &json!("it leaks")), "{cut}");
    assert!(cut["detail"]["written_late_at"].is_string(), "{cut}");
    until("the receipt is in the record", async || event("done_event").await["action"] == "app.revoke.done").await;
    if town.database.is_none() {
        let done = event("done_event").await;
        assert_eq!(done["why"], "it leaks", "{done}");
        assert!(done["detail"]["written_late_at"].is_string(), "{done}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full() {
    if elsewhere("unwritable::a_disk_that_is_full", Own::Mounts) {
        return;
    }
    let heard = Heard::start().await;
    let mut town = Process::prepared(BINARY, &heard.config, "error", |data| mount(data, DISK)).await;
    let filler = town.data().join("filler");
    let fill = || {
        let mut file = fs::File::create(&filler).unwrap();
        let full = std::io::copy(&mut std::io::repeat(1), &mut file).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    };
    all_is_well_but_the_record(&town, &heard, fill, || fs::remove_file(&filler).unwrap()).await;
    // Full again, and it stops: the next start finds no room either, and keeps off what was switched off.
    let restored = ask(&town, "POST", "/api/v1/apps/tinypoll/restore", &json!({ "why": "mended" })).await;
    assert_eq!(restored.status, 200, "{restored:?}");
    fill();
    let receipt = revoke(&town).await;
    assert_eq!((&receipt["recorded"], &receipt["kept"]), (&json!(false), &json!("journal")), "{receipt}");
    town.kill().await;
    town.again().await;
    let app = town.get("/api/v1/apps/tinypoll").await.json();
    assert_eq!(app["app"]["environments"][0]["state"], "revoked", "{app}");
    fs::remove_file(&filler).unwrap();
    until("service is back", async || is_ready(&town).await).await;
    promised(&town, &receipt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_read_only() {
    let (heard, faults) = (Heard::start().await, Faults::build());
    let town = Process::start_within(BINARY, Engine::Sqlite, &heard.config, "error", &faults.environment()).await;
    all_is_well_but_the_record(&town, &heard, || faults.set("all readonly 0"), || faults.set("none none 0")).await;
}

/// As a disk that failed is found after a restart: nothing starts, and it is said why.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_disk_that_is_read_only() {
    if elsewhere("unwritable::a_start_on_a_disk_that_is_read_only", Own::Mounts) {
        return;
    }
    let mut town = Process::prepared(BINARY, "", "error", |data| mount(data, DISK)).await;
    town.kill().await;
    let data = town.data();
    remount(&data, "ro");
    let said = town.refused().await;
    assert!(said.contains("the data folder cannot be written"), "{said}");
    assert!(said.contains("bailiwick.lock") && said.contains("mounted read-only"), "{said}");
    remount(&data, "rw");
    town.again().await;
    until("it is ready", async || is_ready(&town).await).await;
}

/// The database is gone, and so is the journal's file: the receipt does not say that a restart keeps it off.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_was_moved_away() {
    let town = Process::over_a_cable(BINARY, "", "error").await;
    until("it is ready", async || is_ready(&town).await).await;
    let deployed = town.deploy_template("tinypoll", "tinypoll").await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let (file, away) = (town.data().join("cuts.journal"), town.folder.path().join("away"));
    fs::rename(&file, &away).unwrap();
    let ready = ask(&town, "GET", "/readyz", &Value::Null).await;
    let journal = |check: &Value| check["problem"]["code"] == "cuts.away";
    assert!(ready.status == 503 && ready.json()["checks"].as_array().unwrap().iter().any(journal), "{ready:?}");
    let cable = town.cable.as_ref().unwrap();
    cable.snap();
    let receipt = revoke(&town).await;
    assert_eq!((&receipt["recorded"], &receipt["kept"]), (&json!(false), &json!("memory")), "{receipt}");
    fs::rename(&away, &file).unwrap();
    cable.mend();
    until("service returns by itself", async || is_ready(&town).await).await;
    promised(&town, &receipt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_file_that_was_moved_away() {
    let heard = Heard::start().await;
    let town = Process::start(BINARY, Engine::Sqlite, &heard.config, "error").await;
    let (file, away) = (town.data().join("bailiwick.db"), town.folder.path().join("away"));
    all_is_well_but_the_record(
        &town,
        &heard,
        || fs::rename(&file, &away).unwrap(),
        || fs::rename(&away, &file).unwrap(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_file_in_whose_place_another_stands() {
    let heard = Heard::start().await;
    let town = Process::start(BINARY, Engine::Sqlite, &heard.config, "error").await;
    let (file, away) = (town.data().join("bailiwick.db"), town.folder.path().join("away"));
    let replace = || {
        fs::rename(&file, &away).unwrap();
        fs::copy(&away, &file).unwrap();
    };
    all_is_well_but_the_record(&town, &heard, replace, || fs::rename(&away, &file).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_beside_the_database_that_was_moved_away() {
    let heard = Heard::start().await;
    let town = Process::start(BINARY, Engine::Sqlite, &heard.config, "error").await;
    let (file, away) = (town.data().join("bailiwick.db-wal"), town.folder.path().join("away"));
    all_is_well_but_the_record(
        &town,
        &heard,
        || fs::rename(&file, &away).unwrap(),
        || fs::rename(&away, &file).unwrap(),
    )
    .await;
}

async fn a_postgres_that(begin: fn(&Cable)) {
    let heard = Heard::start().await;
    let town = Process::over_a_cable(BINARY, &heard.config, "error").await;
    let cable = town.cable.as_ref().unwrap();
    all_is_well_but_the_record(&town, &heard, || begin(cable), || cable.mend()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_is_gone() {
    a_postgres_that(Cable::snap).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_is_not_heard() {
    a_postgres_that(Cable::silence).await;
}
