//! A broker with all that it stands on: a store in a temporary folder, authority, a DNS that says what a test wants,
//! and an upstream over TLS on loopback.

use crate::upstream::Upstream;
use async_trait::async_trait;
use authority::{
    Act, AppFacts, AppRef, AppState, Ask, Authority, Caller, Facts, Instance, Policy, Rule, Surface, Target, Who, rules,
};
use broker::{Body, Broker, EgressConfig, Limits, NoSecrets, Own, Resolve, Rooms, Secrets, Unresolved, empty, full};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use model::{
    AppId, Class, Clock, Env, Group, Manifest, ManualClock, Problem, ReleaseNumber, TenantId, Timestamp, TraceId,
};
use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex},
};
use store::{Database, EventFilter, Store, StoreConfig, Tasks};

pub(crate) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

pub(crate) const MANIFEST: &str = r#"
[app]
name    = "poll-notify"
team    = "people-ops"
purpose = "Find a meeting time"
expires = "2026-12-01"
class   = "internal"

[runtime]
profile = "wasm"
main    = "app.js"

[access]
use = ["everyone"]

[secrets.SLACK_TOKEN]
id = "people-ops/slack-bot"

[connect.slack]
host    = "slack.com"
methods = ["POST", "GET"]
paths   = ["/api/**"]
secret  = "SLACK_TOKEN"
why     = "Posts the chosen time"

[connect.rooms]
host    = "rooms.corp.example:8443"
methods = ["GET"]
paths   = ["/v1/rooms/**"]
why     = "Shows which rooms are free"

[connect.api]
host    = "api.example"
methods = ["GET", "HEAD", "POST", "PUT", "DELETE"]
paths   = ["/**"]
why     = "A host for many cases"

[connect.moved]
host    = "moved.example"
methods = ["GET", "POST"]
paths   = ["/**"]
why     = "Where redirects lead"

[connect.plain]
host    = "plain.example"
tls     = false
methods = ["GET"]
paths   = ["/**"]
why     = "Without TLS, inside"

[connect.old]
host    = "xn--bcher-kva.example"
methods = ["GET"]
paths   = ["/**"]
why     = "A name with an umlaut"

[connect.loopback]
host    = "127.0.0.1"
methods = ["GET"]
paths   = ["/**"]
why     = "An address that only the operator opens"

[connect.six]
host    = "[::1]"
methods = ["GET"]
paths   = ["/**"]
why     = "The same in IPv6"

[connect.metadata]
host    = "169.254.169.254"
methods = ["GET"]
paths   = ["/**"]
tls     = false
why     = "Somebody tries"
"#;

/// A DNS that says what it was told, one answer after the other; the last one stays.
#[derive(Default)]
pub(crate) struct FakeDns {
    answers: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
    pub(crate) asked: Mutex<Vec<String>>,
}

impl FakeDns {
    pub(crate) fn says(&self, host: &str, answers: &[&[&str]]) {
        let parse = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        self.answers.lock().unwrap().insert(host.to_owned(), answers.iter().map(parse).collect());
    }
}

#[async_trait]
impl Resolve for FakeDns {
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Unresolved> {
        self.asked.lock().unwrap().push(host.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let queue = answers.get_mut(host).ok_or(Unresolved)?;
        if queue.len() > 1 { queue.pop_front().ok_or(Unresolved) } else { queue.front().cloned().ok_or(Unresolved) }
    }
}

/// An act of the system that a surface is opened or cut by; the catalog has its own.
#[derive(Debug)]
pub(crate) struct Opening(AppRef);

impl Act for Opening {
    const RULE: &'static Rule = &rules::JOB_RUN;
    fn target(&self) -> Target {
        Target::within(TenantId::main(), &self.0, "app/1")
    }
}

pub(crate) struct House {
    pub(crate) broker: Arc<Broker>,
    pub(crate) store: Arc<Store>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) dns: Arc<FakeDns>,
    pub(crate) upstream: Upstream,
    pub(crate) app: AppRef,
    pub(crate) manifest: Manifest,
    tasks: Tasks,
    pub(crate) clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

pub(crate) struct Setting {
    pub(crate) limits: Limits,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) deny: &'static str,
    pub(crate) manifest: String,
}

impl Default for Setting {
    fn default() -> Self {
        Self { limits: Limits::default(), secrets: Arc::new(NoSecrets), deny: "false", manifest: MANIFEST.to_owned() }
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(Setting::default()).await
    }

    pub(crate) async fn with(setting: Setting) -> Self {
        let clock = Arc::new(ManualClock::at("2026-11-23T12:00:00Z".parse().unwrap()));
        let app = AppRef { id: AppId::new("0190poll"), env: Env::Prod };
        let upstream = Upstream::start().await;
        // Where a test needs the port of the upstream itself.
        let text = setting.manifest.replace("{port}", &upstream.tls.port().to_string());
        let parsed = Manifest::parse(text.as_bytes(), "2026-11-23".parse().unwrap());
        let manifest = parsed.unwrap_or_else(|findings| panic!("{findings:#?}")).manifest;
        let rego = format!(
            "package bailiwick\nimport rego.v1\ndeny contains x if {{ {}; x := {{\"code\": \"policy.no\", \"why\": \"the policy says so\", \"fix\": \"ask\"}} }}",
            setting.deny
        );
        let policy = Policy::compile(&[("test.rego".to_owned(), rego)]).unwrap();
        let authority = Arc::new(Authority::new(Arc::clone(&clock) as Arc<dyn Clock>, Some(policy)));
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig {
            database: Database::Sqlite { path: folder.path().join("bailiwick.db") },
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            root: seal::RootKey::generate(),
            node: "node-1".to_owned(),
            data_dir: folder.path().to_owned(),
            log_host: "localhost:7070".to_owned(),
            reserve_bytes: 0,
            depot: None,
        };
        let store = Store::open(config, Arc::clone(&authority) as _, &[broker::MIGRATIONS]).await.unwrap();
        let tasks = store.start_tasks().await;
        let dns = Arc::new(FakeDns::default());
        let port = upstream.tls.port();
        let hosts = [
            "slack.com",
            "rooms.corp.example",
            "api.example",
            "moved.example",
            "xn--bcher-kva.example",
            "wrong-name.example",
        ];
        let mut resolve: HashMap<_, _> = hosts.map(|host| (host.to_owned(), upstream.tls)).into();
        resolve.insert("plain.example".to_owned(), upstream.plain);
        let egress = EgressConfig {
            private: vec![
                ("127.0.0.1/32".parse().unwrap(), port),
                ("127.0.0.1/32".parse().unwrap(), upstream.plain.port()),
            ],
            resolve,
            ca: vec![upstream.ca.clone()],
            own: vec![
                Own::Address("93.184.216.99".parse().unwrap()),
                Own::Name { host: "console.example".to_owned(), port: 443 },
                Own::Name { host: "apps.example".to_owned(), port: 443 },
            ],
            limits: setting.limits,
            stand_in: None,
        };
        let rooms = Rooms {
            tenant: TenantId::main(),
            authority: Arc::clone(&authority),
            store: Arc::clone(&store),
            secrets: setting.secrets,
            dns: Arc::clone(&dns) as _,
        };
        let broker = Broker::new(egress, rooms).unwrap();
        let house = Self { broker, store, authority, dns, upstream, app, manifest, tasks, clock, _folder: folder };
        house.live(AppState::Live, 0);
        house.open(1).await;
        house
    }

    /// What authority knows of the app, at this epoch.
    pub(crate) fn live(&self, state: AppState, epoch: u64) {
        let facts = AppFacts {
            name: "poll-notify".into(),
            team: Group::new("people-ops"),
            class: Class::Internal,
            state,
            access: Arc::new(self.manifest.access.clone()),
            expires_at: "2026-12-02T00:00:00Z".parse().unwrap(),
            credential_epoch: 1,
        };
        let apps = HashMap::from([((self.app.id.clone(), self.app.env), Arc::new(facts))]);
        self.authority.replace(&TenantId::main(), Facts { epoch, apps, ..Facts::default() });
    }

    /// Opens the surface by the ordinary path, and brings it into memory.
    pub(crate) async fn open(&self, credential_epoch: u64) {
        let permit = self.authority.permit(&Caller::system("test"), Opening(self.app.clone())).await.unwrap();
        let (_, mut tx) = self.store.write(permit).await.unwrap();
        let ask = Ask {
            app: &self.app,
            name: "poll-notify",
            release: ReleaseNumber(3),
            manifest: &self.manifest,
            image: None,
            assets: None,
            credential_epoch,
            at: self.clock.now(),
        };
        self.broker.open(&mut tx, &ask).await.unwrap();
        tx.commit(serde_json::json!({}), None).await.unwrap();
        self.broker.refresh(&self.app).await.unwrap();
    }

    pub(crate) async fn cut_rows(&self) {
        let permit = self.authority.permit(&Caller::system("test"), Opening(self.app.clone())).await.unwrap();
        let (_, mut tx) = self.store.write(permit).await.unwrap();
        self.broker.cut_rows(&mut tx, &self.app).await.unwrap();
        tx.commit(serde_json::json!({}), None).await.unwrap();
    }

    pub(crate) async fn retire(&self) -> Vec<String> {
        let permit = self.authority.permit(&Caller::system("test"), Opening(self.app.clone())).await.unwrap();
        let (_, mut tx) = self.store.write(permit).await.unwrap();
        let lines = self.broker.retire(&mut tx, &self.app).await.unwrap();
        tx.commit(serde_json::json!({}), None).await.unwrap();
        lines
    }

    pub(crate) fn instance(&self) -> Instance {
        let caller = Caller::new(TenantId::main(), Who::App(self.app.clone())).traced(TraceId::new(TRACE));
        Instance {
            id: "i-1".into(),
            app: self.app.clone(),
            name: "poll-notify".into(),
            release: ReleaseNumber(3),
            caller,
            proved: None,
            credential_epoch: 1,
        }
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> Response<Body> {
        self.broker.call(&self.instance(), request).await
    }

    pub(crate) async fn get(&self, url: &str) -> Response<Body> {
        self.call(request("GET", url, &[], "")).await
    }

    /// The details of the app's calls in the record, oldest first.
    pub(crate) async fn events(&self) -> Vec<serde_json::Value> {
        self.store.flush_access().await.unwrap();
        let filter = EventFilter { action: Some("egress.call".to_owned()), ..EventFilter::default() };
        let events = self.store.events(&TenantId::main(), &filter).await.unwrap();
        events.iter().rev().map(|event| event.json().unwrap()).collect()
    }

    /// Every event of calls once the node has stopped, those of refusals that were counted among them.
    pub(crate) async fn ended(self) -> Vec<serde_json::Value> {
        self.tasks.stop().await.unwrap();
        let filter =
            EventFilter { action: Some("egress.call".to_owned()), limit: Some(1000), ..EventFilter::default() };
        let events = self.store.events(&TenantId::main(), &filter).await.unwrap();
        events.iter().rev().map(|event| event.json().unwrap()).collect()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

pub(crate) fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(if body.is_empty() { empty() } else { full(Bytes::copy_from_slice(body.as_bytes())) }).unwrap()
}

pub(crate) async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// The problem that a refusal carries; says what came instead when it is none.
pub(crate) async fn problem(response: Response<Body>) -> Problem {
    let (status, mark) = (response.status(), response.headers().contains_key(broker::PROBLEM_HEADER));
    let body = text(response).await;
    assert!(mark, "not refused: {status} {body}");
    let problem: Problem = serde_json::from_str(&body).unwrap();
    if ["egress.redirect", "egress.path_spelling", "secret.wrong_place"].contains(&problem.code.as_str()) {
        let fix = &problem.fix;
        assert!(fix.contains("`bailiwick.toml`") && fix.contains("`[connect]`"), "where is not said: {fix}");
    }
    problem
}
