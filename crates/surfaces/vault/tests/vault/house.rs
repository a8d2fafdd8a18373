//! A vault with all that it stands on: a store on either engine, authority whose memory follows it, two live apps.

use authority::{
    Act, AppFacts, AppRef, AppState, Ask, Authority, Caller, Facts, Instance, Permit, Policy, Rule, Surface,
    SurfaceError, Target, Who, rules,
};
use futures_util::StreamExt;
use http::{Request, request::Parts};
use jiff::civil::Date;
use model::{
    AppId, Class, Clock, Env, Group, Manifest, ManualClock, Problem, ReleaseNumber, SecretId, TenantId, Timestamp,
    manifest::Access,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use store::{Database, EventFilter, Store, StoreConfig};
use vault::{Config, Destination, Error, Owner, PutSecret, SecretString, SecretView, Vault};

pub const ID: &str = "people-ops/slack-bot";
pub const VALUE: &str = "xoxb-1234-canary/+=%";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// An act of the system that a surface is opened or cut by; the catalog has its own.
#[derive(Debug)]
struct Opening(AppRef);

impl Act for Opening {
    const RULE: &'static Rule = &rules::RELEASE_REBUILD;
    fn target(&self) -> Target {
        Target::within(TenantId::main(), &self.0, "app/1")
    }
}

pub struct House {
    pub vault: Vault,
    pub store: Arc<Store>,
    pub authority: Arc<Authority>,
    pub clock: Arc<ManualClock>,
    pub dir: tempfile::TempDir,
    root: seal::RootKey,
}

pub fn app(id: &str) -> AppRef {
    AppRef { id: AppId::new(id), env: Env::Prod }
}

pub fn poll() -> AppRef {
    app("0190poll")
}

/// A manifest of an app of people-ops, with one destination and its secret.
pub fn manifest(name: &str, id: &str) -> Manifest {
    let text = format!(
        r#"
[app]
name    = "{name}"
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
id = "{id}"
[connect.slack]
host    = "slack.com"
methods = ["POST"]
paths   = ["/api/**"]
secret  = "SLACK_TOKEN"
why     = "Posts the chosen time"
[connect.other]
host    = "other.example"
methods = ["POST"]
paths   = ["/**"]
secret  = "SLACK_TOKEN"
why     = "Another host of the same"
"#
    );
    Manifest::parse(text.as_bytes(), "2026-11-23".parse().unwrap())
        .unwrap_or_else(|findings| panic!("{findings:#?}"))
        .manifest
}

pub fn put() -> PutSecret {
    PutSecret {
        tenant: TenantId::main(),
        id: SecretId::new(ID),
        env: Env::Prod,
        app: None,
        owner: Owner::Group(Group::new("people-ops")),
        purpose: "Posts poll results".to_owned(),
        expires: "2027-02-01".parse::<Date>().unwrap(),
        hosts: vec!["slack.com".to_owned()],
        attach: None,
        sensitivity: None,
        value: SecretString::from(VALUE),
    }
}

pub fn head(uri: &str, headers: &[(&str, &str)]) -> Parts {
    let request = headers.iter().fold(Request::post(uri), |request, (name, value)| request.header(*name, *value));
    request.body(()).unwrap().into_parts().0
}

pub const SLACK: Destination<'_> = Destination { host: "slack.com", port: 443, tls: true, secret: Some("SLACK_TOKEN") };

pub fn refused(error: Error) -> Problem {
    Problem::from(&error)
}

/// A refusal of a use says which section of the manifest the use stands in.
pub fn placed(problem: Problem) -> Problem {
    let fix = &problem.fix;
    let at_all = !["secret.missing", "secret.changed", "secret.revoked", "secret.wrong_place", "secret.not_granted"]
        .contains(&problem.code.as_str());
    assert!(at_all || fix.contains("bailiwick.toml`") && fix.contains("`["), "where is not said: {problem}");
    problem
}

impl House {
    pub async fn new(kind: Kind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at("2026-11-23T12:00:00Z".parse().unwrap()));
        let root = seal::RootKey::from_bytes([7; 32]);
        let database = match kind {
            Kind::Sqlite => Database::Sqlite { path: dir.path().join("bailiwick.db") },
            Kind::Postgres => Database::Postgres { url: new_database().await },
        };
        let config = StoreConfig {
            database,
            clock: clock.clone(),
            root: root.clone(),
            node: "one".to_owned(),
            data_dir: dir.path().to_owned(),
            log_host: "localhost:7070".to_owned(),
            reserve_bytes: 0,
            depot: None,
        };
        let text = "package bailiwick\nimport rego.v1\ndeny contains x if { input.never; x := {\"code\": \"x\", \"why\": \"x\", \"fix\": \"x\"} }";
        let policy = Policy::compile(&[("test.rego".to_owned(), text.to_owned())]).unwrap();
        let authority = Arc::new(Authority::new(clock.clone(), Some(policy)));
        authority.replace(&TenantId::main(), facts(0));
        let store = Store::open(config, authority.clone(), &[vault::MIGRATIONS]).await.unwrap();
        let vault = make(&store, &authority, &clock, &root);
        let house = Self { vault, store, authority, clock, dir, root };
        house.follow();
        house
    }

    /// Another node on the same database, or this one after a start.
    pub async fn again(&self) -> Vault {
        let vault = make(&self.store, &self.authority, &self.clock, &self.root);
        vault.load_all().await.unwrap();
        vault
    }

    fn follow(&self) {
        let mut changes = self.store.subscribe(&TenantId::main(), 0);
        let (held, authority) = (Arc::downgrade(&self.store), self.authority.clone());
        tokio::spawn(async move {
            while changes.next().await.is_some() {
                let Some(store) = held.upgrade() else { return };
                let epoch = store.epoch(&TenantId::main()).await.unwrap();
                authority.replace(&TenantId::main(), facts(epoch));
            }
        });
    }

    pub fn permit<A: Act>(&self, act: A) -> Permit<A> {
        let machine = Caller::new(TenantId::main(), Who::Machine { system_user: "root".into() });
        self.authority.decide(&machine, act).unwrap()
    }

    pub async fn put(&self, act: PutSecret) -> Result<SecretView, Error> {
        self.vault.put(self.permit(act)).await
    }

    pub async fn open(&self, app: &AppRef, manifest: &Manifest, credential_epoch: u64) -> Result<(), SurfaceError> {
        let permit = self.authority.permit(&Caller::system("test"), Opening(app.clone())).await.unwrap();
        let (_, mut tx) = self.store.write(permit).await.unwrap();
        let ask = Ask {
            app,
            name: &manifest.app.name,
            release: ReleaseNumber(3),
            manifest,
            image: None,
            assets: None,
            credential_epoch,
            at: self.clock.now(),
        };
        self.vault.open(&mut tx, &ask).await?;
        tx.commit(serde_json::json!({}), None).await.unwrap();
        self.vault.refresh(app).await
    }

    pub async fn cut_rows(&self, app: &AppRef) {
        let permit = self.authority.permit(&Caller::system("test"), Opening(app.clone())).await.unwrap();
        let (_, mut tx) = self.store.write(permit).await.unwrap();
        self.vault.cut_rows(&mut tx, app).await.unwrap();
        tx.commit(serde_json::json!({}), None).await.unwrap();
    }

    pub async fn retire(&self, app: &AppRef) -> Vec<String> {
        let permit = self.authority.permit(&Caller::system("test"), Opening(app.clone())).await.unwrap();
        let (_, mut tx) = self.store.write(permit).await.unwrap();
        let lines = self.vault.retire(&mut tx, app).await.unwrap();
        tx.commit(serde_json::json!({}), None).await.unwrap();
        self.vault.refresh(app).await.unwrap();
        lines
    }

    /// The app's live release with the secret put and bound.
    pub async fn ready(kind: Kind) -> Self {
        let house = Self::new(kind).await;
        house.put(put()).await.unwrap();
        house.open(&poll(), &manifest("poll-notify", ID), 1).await.unwrap();
        house
    }

    /// What the guest holds.
    pub fn placeholder(&self, instance: &Instance) -> String {
        self.vault.placeholders(instance)["SLACK_TOKEN"].clone()
    }

    /// Attaches in the default place, towards slack.com; the header as it goes out.
    pub async fn send(&self, instance: &Instance, placeholder: &str) -> Result<String, Problem> {
        let mut parts = head("https://slack.com/api/x", &[("authorization", &format!("Bearer {placeholder}"))]);
        self.vault.attach(instance, &SLACK, &mut parts).await.map_err(placed)?.expect("there is a placeholder");
        Ok(parts.headers["authorization"].to_str().unwrap().to_owned())
    }

    /// Outcomes and details of uses, oldest first.
    pub async fn uses(&self) -> Vec<serde_json::Value> {
        let filter = EventFilter { action: Some("secret.use".to_owned()), ..EventFilter::default() };
        let events = self.store.events(&TenantId::main(), &filter).await.unwrap();
        events.iter().rev().map(|event| event.json().unwrap()).collect()
    }
}

fn make(store: &Arc<Store>, authority: &Arc<Authority>, clock: &Arc<ManualClock>, root: &seal::RootKey) -> Vault {
    let config = Config { tenant: TenantId::main(), keys: root.tenant(&TenantId::main()), node: "one".to_owned() };
    Vault::new(Arc::clone(store), Arc::clone(authority), clock.clone(), config)
}

pub fn instance(id: &str, app: &AppRef) -> Instance {
    Instance {
        id: id.into(),
        app: app.clone(),
        name: "poll-notify".into(),
        release: ReleaseNumber(3),
        caller: Caller::new(TenantId::main(), Who::App(app.clone())),
        proved: None,
        credential_epoch: 1,
    }
}

fn facts(epoch: u64) -> Facts {
    let live = |name: &str| {
        Arc::new(AppFacts {
            name: name.into(),
            team: Group::new("people-ops"),
            class: Class::Internal,
            state: AppState::Live,
            access: Arc::new(Access {
                everyone: true,
                groups: vec![],
                roles: BTreeMap::new(),
                mfa: vec![],
                public: vec![],
                addresses: vec![],
            }),
            expires_at: "2028-12-02T00:00:00Z".parse::<Timestamp>().unwrap(),
            credential_epoch: 1,
        })
    };
    let apps = HashMap::from([
        ((poll().id, Env::Prod), live("poll-notify")),
        ((AppId::new("0190other"), Env::Prod), live("other")),
    ]);
    Facts { epoch, apps, ..Facts::default() }
}

/// The cluster that `cargo xtask test` starts; each test makes a database of its own in it.
#[expect(clippy::disallowed_methods, reason = "the one place of this suite that asks where the test cluster is")]
fn cluster() -> String {
    std::env::var("BAILIWICK_TEST_POSTGRES").expect("no PostgreSQL for tests: run `cargo xtask test`")
}

async fn new_database() -> String {
    let cluster = cluster();
    let name = format!("vault_{}", uuid::Uuid::now_v7().simple());
    let (client, connection) = tokio_postgres::connect(&cluster, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
    let (server, _) = cluster.rsplit_once('/').expect("`BAILIWICK_TEST_POSTGRES` is `postgres://USER@HOST:PORT/NAME`");
    format!("{server}/{name}")
}
