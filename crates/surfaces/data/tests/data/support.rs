//! What the suite needs: data on either engine, apps that are live in authority's memory, calls as the broker makes them.

use authority::{
    Act, AppFacts, AppRef, AppState, Ask, Authority, Caller, Facts, Instance, PersonFacts, Policy, Rule, Surface,
    Target, Who, rules,
};
use bytes::Bytes;
use data::{Config, Data};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use model::{AppId, Class, Env, Group, Manifest, ManualClock, PersonId, ReleaseNumber, TenantId, Timestamp};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc};
use store::{Database, Store, StoreConfig, Tx};
use tempfile::TempDir;

/// 2026-11-23T00:00:00Z.
const START_MS: i64 = 1_795_392_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// Stands for what opens, cuts and retires; keeps the epoch, so that memory need not follow.
#[derive(Debug)]
struct Run(TenantId);

impl Act for Run {
    const RULE: &'static Rule = &rules::JOB_RUN;

    fn target(&self) -> Target {
        Target::new(self.0.clone(), "job/test")
    }
}

pub(crate) struct House {
    pub(crate) kind: Kind,
    pub(crate) store: Arc<Store>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) data: Data,
    pub(crate) root: seal::RootKey,
    pub(crate) dir: TempDir,
}

pub(crate) const MANIFEST: &str = r#"
[data.votes]
retain = "30d"
fields.person = { class = "personal", type = "text" }
fields.choice = { class = "internal", type = "text" }
export = ["group:counters", "group:clerks"]

[data.things]
retain = "60d"
fields.any     = { class = "internal" }
fields.name    = { class = "internal", type = "text" }
fields.size    = { class = "public", type = "number" }
fields.on      = { class = "internal", type = "boolean" }
fields.day     = { class = "internal", type = "date" }
fields.tags    = { class = "internal", type = "list" }
fields.more    = { class = "internal", type = "object" }
fields.secret  = { class = "confidential" }
"#;

/// With the sections that every manifest has.
pub(crate) fn manifest(sections: &str) -> Manifest {
    let text = format!(
        "[app]\nname = \"tinypoll\"\nteam = \"staff\"\npurpose = \"Asks one question\"\nexpires = \"2027-01-31\"\n\
         class = \"restricted\"\n[runtime]\nprofile = \"wasm\"\nmain = \"app.js\"\n\
         limits = {{ storage = \"1MiB\" }}\n[access]\nuse = [\"everyone\"]\n[limits]\nrows = 50\n{sections}"
    );
    Manifest::reread(text.as_bytes()).unwrap().manifest
}

pub(crate) fn app(id: &str, env: Env) -> AppRef {
    AppRef { id: AppId::new(id), env }
}

impl House {
    /// `one/prod` is open in tenant `main`, with `MANIFEST`.
    pub(crate) async fn new(kind: Kind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(START_MS)));
        let database = match kind {
            Kind::Sqlite => Database::Sqlite { path: dir.path().join("bailiwick.db") },
            Kind::Postgres => Database::Postgres { url: new_database().await },
        };
        let root = seal::RootKey::from_bytes([7; 32]);
        let config = StoreConfig {
            database,
            clock: clock.clone(),
            root: root.clone(),
            node: "one".to_owned(),
            data_dir: dir.path().to_owned(),
            log_host: "localhost:7070".to_owned(),
            reserve_bytes: store::RESERVE_BYTES,
            depot: None,
        };
        let authority = authority(&clock);
        let store = Store::open(config, authority.clone(), &[data::MIGRATIONS]).await.unwrap();
        let data = rooms(&store, &authority, &clock, &root, &TenantId::main());
        let house = Self { kind, store, authority, clock, data, root, dir };
        house.open(&house.data, &app("one", Env::Prod), &manifest(MANIFEST), 1).await;
        house
    }

    /// The data of another tenant in the same database.
    pub(crate) fn of_tenant(&self, tenant: &TenantId) -> Data {
        rooms(&self.store, &self.authority, &self.clock, &self.root, tenant)
    }

    pub(crate) async fn tx(&self, tenant: &str) -> Tx {
        let tenant = TenantId::new(tenant);
        let caller = Caller::new(tenant.clone(), Who::System { job: "test".into() });
        let permit = self.authority.decide(&caller, Run(tenant)).unwrap();
        self.store.write(permit).await.unwrap().1
    }

    pub(crate) async fn open(&self, data: &Data, app: &AppRef, manifest: &Manifest, credential_epoch: u64) {
        self.open_in("main", data, app, manifest, credential_epoch).await;
    }

    pub(crate) async fn open_in(
        &self,
        tenant: &str,
        data: &Data,
        app: &AppRef,
        manifest: &Manifest,
        credential_epoch: u64,
    ) {
        let mut tx = self.tx(tenant).await;
        let at = model::Clock::now(&*self.clock);
        let release = ReleaseNumber(1);
        let ask = Ask { app, name: "tinypoll", release, manifest, image: None, assets: None, credential_epoch, at };
        data.open(&mut tx, &ask).await.unwrap();
        tx.commit(json!({}), None).await.unwrap();
        data.refresh(app).await.unwrap();
    }

    /// `one/prod` for ana.
    pub(crate) fn instance(&self) -> Instance {
        instance("main", app("one", Env::Prod), Some("ana"))
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        call(&self.data, &self.instance(), method, path, body).await
    }

    pub(crate) async fn insert(&self, collection: &str, fields: Value) -> Value {
        let (status, record) = self.call("POST", &format!("{collection}/records"), fields).await;
        assert_eq!(status, 201, "{record}");
        record
    }

    pub(crate) async fn list(&self, collection: &str, question: Value) -> Value {
        let (status, page) = self.call("POST", &format!("{collection}/query"), question).await;
        assert_eq!(status, 200, "{page}");
        page
    }

    pub(crate) async fn count(&self, collection: &str, filters: Value) -> u64 {
        let (status, found) = self.call("POST", &format!("{collection}/count"), json!({ "where": filters })).await;
        assert_eq!(status, 200, "{found}");
        found["count"].as_u64().unwrap()
    }

    /// The code of a refusal, and its status.
    pub(crate) async fn refused(&self, method: &str, path: &str, body: Value) -> (u16, String) {
        let (status, problem) = self.call(method, path, body).await;
        assert!(status >= 400, "{problem}");
        for part in ["what", "why", "fix", "title"] {
            assert!(!problem[part].as_str().unwrap().is_empty(), "{problem}");
        }
        (status, problem["code"].as_str().unwrap().to_owned())
    }

    /// Every file beside the database, for searching.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect()
    }
}

pub(crate) fn instance(tenant: &str, app: AppRef, person: Option<&str>) -> Instance {
    let who = match person {
        Some(person) => Who::AppFor { app: app.clone(), person: PersonId::new(person) },
        None => Who::App(app.clone()),
    };
    Instance {
        id: "instance".into(),
        app,
        name: "tinypoll".into(),
        release: ReleaseNumber(1),
        caller: Caller::new(TenantId::new(tenant), who),
        proved: None,
        credential_epoch: 1,
    }
}

pub(crate) async fn call(data: &Data, instance: &Instance, method: &str, path: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    raw(data, instance, method, &format!("/v1/collections/{path}"), Some("application/json"), body).await
}

/// An export that is not read yet.
pub(crate) async fn exported(data: &Data, instance: &Instance) -> Bytes {
    let request = Request::post("http://data.bailiwick/v1/collections/votes/export").body(Full::<Bytes>::default());
    data.answer(instance, request.unwrap()).await.into_body().collect().await.unwrap().to_bytes()
}

/// An answer of which only the head was read.
pub(crate) async fn unread(
    data: &Data,
    instance: &Instance,
    method: &str,
    path: &str,
    body: Value,
) -> Response<Full<Bytes>> {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://data.bailiwick/v1/collections/{path}"))
        .header("content-type", "application/json");
    data.answer(instance, request.body(Full::from(body.to_string())).unwrap()).await
}

pub(crate) async fn raw(
    data: &Data,
    instance: &Instance,
    method: &str,
    path: &str,
    kind: Option<&str>,
    body: Bytes,
) -> (u16, Value) {
    let mut request = Request::builder().method(method).uri(format!("http://data.bailiwick{path}"));
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    let response = data.answer(instance, request.body(Full::from(body)).unwrap()).await;
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    if status == 204 {
        assert!(body.is_empty());
        return (status, Value::Null);
    }
    let expected = if status < 400 { "application/json" } else { "application/problem+json" };
    assert_eq!(kind.as_deref(), Some(expected));
    (status, serde_json::from_slice(&body).unwrap())
}

fn rooms(
    store: &Arc<Store>,
    authority: &Arc<Authority>,
    clock: &Arc<ManualClock>,
    root: &seal::RootKey,
    tenant: &TenantId,
) -> Data {
    let config = Config { tenant: tenant.clone(), keys: root.tenant(tenant), node: "one".to_owned() };
    Data::new(store.clone(), authority.clone(), clock.clone(), config)
}

fn authority(clock: &Arc<ManualClock>) -> Arc<Authority> {
    let text = "package bailiwick\nimport rego.v1\n\
        deny contains refusal if { input.never; refusal := {\"code\": \"x\", \"why\": \"x\", \"fix\": \"x\"} }\n";
    let policy = Policy::compile(&[("test.rego".to_owned(), text.to_owned())]).unwrap();
    let authority = Arc::new(Authority::new(clock.clone(), Some(policy)));
    let access = Arc::new(manifest("").access);
    let facts = AppFacts {
        name: "tinypoll".into(),
        team: Group::new("staff"),
        class: Class::Restricted,
        state: AppState::Live,
        access,
        expires_at: Timestamp::from_ms(i64::MAX),
        credential_epoch: 1,
    };
    let mut known = Facts::default();
    for id in ["one", "two"] {
        for env in Env::ALL {
            known.apps.insert((AppId::new(id), env), Arc::new(facts.clone()));
        }
    }
    for (id, groups) in [("ana", vec!["clerks"]), ("ben", vec![]), ("cleo", vec!["counters"])] {
        let person = PersonFacts {
            email: "a@example.test".into(),
            name: None,
            groups: groups.iter().map(|group| Group::new(*group)).collect(),
            lapses: [(Group::new("counters"), Timestamp::from_ms(START_MS + 60_000))].into(),
            enabled: true,
        };
        known.people.insert(PersonId::new(id), Arc::new(person));
    }
    for tenant in ["main", "other"] {
        authority.replace(&TenantId::new(tenant), known.clone());
    }
    authority
}

/// The cluster that `cargo xtask test` starts; each test makes a database of its own in it.
#[expect(clippy::disallowed_methods, reason = "the one place of this suite that asks where the test cluster is")]
fn cluster() -> String {
    std::env::var("BAILIWICK_TEST_POSTGRES").expect("no PostgreSQL for tests: run `cargo xtask test`")
}

async fn new_database() -> String {
    let cluster = cluster();
    let name = format!("data_{}", AppId::generate());
    let (client, connection) = tokio_postgres::connect(&cluster, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
    let (server, _) = cluster.rsplit_once('/').expect("`BAILIWICK_TEST_POSTGRES` is `postgres://USER@HOST:PORT/NAME`");
    format!("{server}/{name}")
}
