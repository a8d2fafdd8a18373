//! A gateway in a temporary folder, served on loopback.

use crate::{
    machine,
    neighbours::{FakeDoors, FakeSignIns, Lines, far, person},
};
use authority::{
    Act, AppFacts, AppRef, AppState, Ask, Authority, Caller, Factor, Facts, PersonFacts, Policy, Rule, Surface, Target,
    rules,
};
use gateway::{Config, Gateway, Limits, Listening, Rooms, Scheme, serve};
use model::{AppId, Class, Clock, Env, Group, Manifest, ManualClock, PersonId, ReleaseNumber, TenantId, Timestamp};
use std::{net::SocketAddr, sync::Arc};
use store::{Database, Event, EventFilter, Store, StoreConfig, Tasks};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub(crate) const MANIFEST: &str = r#"
[app]
name = "poll"
team = "people-ops"
purpose = "Asks one question"
expires = "2027-01-31"
class = "internal"

[runtime]
profile = "wasm"
main = "app.js"
assets = "public"
limits = { memory = "64MiB", cpu = "4s", time = "30s" }

[access]
use = ["group:staff"]
roles.organiser = ["group:people-ops"]
mfa = ["/export/**"]
public = ["/open/**"]

[secrets.SLACK_TOKEN]
id = "people-ops/slack-bot"

[connect.slack]
host = "slack.com"
methods = ["POST"]
paths = ["/api/chat.postMessage"]
secret = "SLACK_TOKEN"
why = "Posts the result"

[jobs.remind]
schedule = "0 8 * * 1-5"
zone = "Europe/Berlin"

[browser]
hosts = ["tiles.example"]
"#;

/// An act that the system may, and that leaves the epoch alone: opens transactions for these tests.
#[derive(Debug)]
pub(crate) struct Prepare;

impl Act for Prepare {
    const RULE: &'static Rule = &rules::JOB_RUN;
    fn target(&self) -> Target {
        Target::new(TenantId::main(), "test")
    }
}

pub(crate) struct Setting {
    pub(crate) manifest: String,
    pub(crate) limits: Limits,
    pub(crate) listening: Listening,
    pub(crate) assets: Vec<(&'static str, &'static str)>,
    pub(crate) recorded: Recorded,
}

/// Whether the tasks that write events run.
#[derive(PartialEq, Eq)]
pub(crate) enum Recorded {
    Yes,
    No,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            manifest: MANIFEST.to_owned(),
            limits: Limits { body_bytes: 1 << 20, ..Limits::default() },
            listening: Listening::default(),
            assets: vec![("style.css", "body { color: red }"), ("index.html", "<h1>first page of many words</h1>")],
            recorded: Recorded::Yes,
        }
    }
}

pub(crate) struct House {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) store: Arc<Store>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) sign_ins: Arc<FakeSignIns>,
    pub(crate) doors: Arc<FakeDoors>,
    pub(crate) lines: Arc<Lines>,
    pub(crate) app: AppRef,
    pub(crate) address: SocketAddr,
    manifest: Manifest,
    stop: CancellationToken,
    _tasks: Option<Tasks>,
    _folder: TempDir,
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(Setting::default()).await
    }

    pub(crate) async fn with(setting: Setting) -> Self {
        let clock = Arc::new(ManualClock::at("2026-11-23T12:00:00Z".parse().unwrap()));
        let parsed = Manifest::parse(setting.manifest.as_bytes(), "2026-11-23".parse().unwrap());
        let manifest = parsed.unwrap_or_else(|findings| panic!("{findings:#?}")).manifest;
        let rego = "package bailiwick\nimport rego.v1\ndeny contains x if { input.never; x := {\"code\": \"x\", \"why\": \"x\", \"fix\": \"x\"} }";
        let policy = Policy::compile(&[("test.rego".to_owned(), rego.to_owned())]).unwrap();
        let authority = Arc::new(Authority::new(Arc::clone(&clock) as Arc<dyn Clock>, Some(policy)));
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig {
            database: Database::Sqlite { path: folder.path().join("bailiwick.db") },
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            root: seal::RootKey::generate(),
            node: "n1".to_owned(),
            data_dir: folder.path().to_owned(),
            log_host: "localhost:7070".to_owned(),
            reserve_bytes: 0,
            depot: None,
        };
        let store = Store::open(config, Arc::clone(&authority) as _, &[gateway::MIGRATIONS]).await.unwrap();
        let tasks = if setting.recorded == Recorded::Yes { Some(store.start_tasks().await) } else { None };
        let (sign_ins, doors, lines) =
            (Arc::<FakeSignIns>::default(), Arc::<FakeDoors>::default(), Arc::<Lines>::default());
        let rooms = Rooms {
            store: Arc::clone(&store),
            authority: Arc::clone(&authority),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            sandbox: machine::sandbox(),
            sign_ins: Arc::clone(&sign_ins) as _,
            doors: Arc::clone(&doors) as _,
            log: Arc::clone(&lines) as _,
            lease: Arc::default(),
        };
        let gateway = Arc::new(Gateway::new(config_of(setting.limits), rooms));
        doors.gateway.set(Arc::downgrade(&gateway)).unwrap();
        let (address, stop) = listen(&gateway, setting.listening).await;
        let app = AppRef { id: AppId::new("0190poll"), env: Env::Prod };
        let house = Self {
            gateway,
            store,
            authority,
            clock,
            sign_ins,
            doors,
            lines,
            app,
            address,
            manifest,
            stop,
            _tasks: tasks,
            _folder: folder,
        };
        house.live(AppState::Live, 0);
        house.people();
        house.open(1, 1, &setting.assets).await;
        house
    }

    fn people(&self) {
        let second = Factor::Second { at: self.clock.now() };
        let mut people = self.sign_ins.people.lock().unwrap();
        people.insert("ana-cookie".to_owned(), person("ana", Factor::Link));
        people.insert("ana-second".to_owned(), person("ana", second));
        people.insert("bo-cookie".to_owned(), person("bo", Factor::Link));
        people.insert("h.ana.token".to_owned(), person("ana", Factor::Link));
        self.sign_ins.remembered.lock().unwrap().extend(people.keys().cloned());
    }

    /// What authority knows: ana is of the staff and the team, bo of neither.
    pub(crate) fn live(&self, state: AppState, epoch: u64) {
        let person = |email: &str, name: &str, groups: &[&str]| {
            let groups = groups.iter().copied().map(Group::new).collect();
            Arc::new(PersonFacts {
                email: email.into(),
                name: Some(name.into()),
                groups,
                lapses: [].into(),
                enabled: true,
            })
        };
        let facts = AppFacts {
            name: "poll".into(),
            team: Group::new("people-ops"),
            class: Class::Internal,
            state,
            access: Arc::new(self.manifest.access.clone()),
            expires_at: far(),
            credential_epoch: 1,
        };
        let people = [
            (
                PersonId::new("ana"),
                person("ana@example.test", "Ana Müller 🦀", &["staff", "people-ops", "secret-club"]),
            ),
            (PersonId::new("bo"), person("bo@example.test", "Bo", &["visitors"])),
        ];
        let apps = [((self.app.id.clone(), self.app.env), Arc::new(facts))];
        self.authority.replace(&TenantId::main(), Facts { epoch, people: people.into(), apps: apps.into() });
    }

    /// A release, as the catalog would open it.
    pub(crate) async fn open(&self, release: u32, credential_epoch: u64, assets: &[(&str, &str)]) {
        let image = machine::image().await;
        let tenant = TenantId::main();
        let blobs = self.store.blobs(&tenant);
        let kept = blobs.keep(image.to_bytes().to_vec()).await.unwrap();
        let files = blobs.keep_all(assets.iter().map(|(_, text)| text.as_bytes().to_vec()).collect()).await.unwrap();
        let listed = |((path, text), file): (&(&str, &str), &store::Blob)| serde_json::json!({ "path": path, "digest": file.digest().to_string(), "size": text.len() });
        let list: serde_json::Value = assets.iter().zip(&files).map(listed).collect();
        let list = blobs.keep(list.to_string().into_bytes()).await.unwrap();
        let (_, mut tx) =
            self.store.write(self.authority.decide(&Caller::system("test"), Prepare).unwrap()).await.unwrap();
        let image = tx.put_blob(&kept).await.unwrap().to_string();
        for file in &files {
            tx.put_blob(file).await.unwrap();
        }
        let list = tx.put_blob(&list).await.unwrap().to_string();
        let ask = Ask {
            app: &self.app,
            name: "poll",
            release: ReleaseNumber(release),
            manifest: &self.manifest,
            image: Some(&image),
            assets: Some(&list),
            credential_epoch,
            at: tx.now(),
        };
        self.gateway.open(&mut tx, &ask).await.unwrap();
        tx.commit(serde_json::Value::Null, None).await.unwrap();
        self.gateway.refresh(&self.app).await.unwrap();
    }

    /// What keeps a cut after a restart.
    pub(crate) async fn cut_rows(&self) {
        let (_, mut tx) =
            self.store.write(self.authority.decide(&Caller::system("test"), Prepare).unwrap()).await.unwrap();
        self.gateway.cut_rows(&mut tx, &self.app).await.unwrap();
        tx.commit(serde_json::Value::Null, None).await.unwrap();
    }

    /// Waits until nothing is left of any instance.
    pub(crate) async fn settled(&self) {
        while self.doors.reports.lock().unwrap().len() < self.doors.opened_count() {
            tokio::task::yield_now().await;
        }
    }

    /// The access events so far, oldest first.
    pub(crate) async fn accesses(&self) -> Vec<serde_json::Value> {
        self.settled().await;
        self.store.flush_access().await.unwrap();
        let filter = EventFilter { app: Some(self.app.id.clone()), limit: Some(1000), ..EventFilter::default() };
        let mut events: Vec<Event> = self.store.events(&TenantId::main(), &filter).await.unwrap();
        events.retain(|event| event.action.starts_with("app.use"));
        events.reverse();
        events.iter().map(|event| event.json().unwrap()).collect()
    }

    /// What the app printed, and why it was stopped.
    pub(crate) fn log_text(&self) -> String {
        self.lines.0.lock().unwrap().iter().map(|line| format!("{:?} {}\n", line.level, line.text)).collect()
    }
}

fn config_of(limits: Limits) -> Config {
    Config {
        tenant: TenantId::main(),
        apps_domain: "localhost:7070".to_owned(),
        control_url: "http://localhost:7070".to_owned(),
        scheme: Scheme::Http,
        node: "n1".to_owned(),
        instance: "i1".to_owned(),
        trusted_proxies: vec![],
        clients: None,
        limits,
    }
}

async fn listen(gateway: &Arc<Gateway>, listening: Listening) -> (SocketAddr, CancellationToken) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let gateway = Arc::downgrade(gateway);
    let answer = move |request: http::Request<axum::body::Body>, peer: SocketAddr| {
        let gateway = gateway.upgrade();
        async move { gateway.unwrap().handle(request, peer).await }
    };
    tokio::spawn(serve(listener, listening, stop.clone(), answer));
    (address, stop)
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}
