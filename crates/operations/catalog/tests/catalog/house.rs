//! What the suite needs: the catalog on either database, with a surface that remembers what was asked of it, real
//! gates, and memory that follows as the server's feed makes it follow.

use async_trait::async_trait;
use authority::{
    AppRef, Ask, Authority, BreakGlass, Caller, Cut, CutState, Factor, Facts, Held, Permit, PersonFacts, Planned,
    Policy, Surface, SurfaceError, SurfaceName, Used, Who,
};
use bytes::Bytes;
use catalog::{Addresses, Catalog, CheckDocument, Checked, Deployed, Error, Rooms, SecretVersions, Unpacked};
use futures_util::StreamExt;
use model::{
    Clock, Env, Group, Manifest, ManualClock, PersonId, Problem, ReleaseNumber, RequestId, SecretId, SessionId,
    TenantId,
};
use sandbox::{Config, Maxima, Sandbox};
use seal::{Context, PurposeKey};
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, Weak},
    time::Duration,
};
use store::{Change, Changes, Database, EPOCH_CHANGED, EventFilter, Store, StoreConfig, Tx};
use tempfile::TempDir;

/// Noon, so that no zone changes the date.
pub(crate) const START: &str = "2026-11-23T12:00:00Z";
/// What ships.
pub(crate) const SHIPPED: &str = include_str!("../../../../../policies/limits.rego");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// Each test on both engines.
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name($crate::house::House::new($crate::house::Kind::Sqlite).await).await; })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name($crate::house::House::new($crate::house::Kind::Postgres).await).await; })*
        }
    };
}

/// App, release, credential epoch and image.
type Opening = (AppRef, u32, u64, Option<String>);

/// A surface that remembers.
#[derive(Debug)]
pub(crate) struct Remembers {
    name: SurfaceName,
    pub(crate) opened: Mutex<Vec<Opening>>,
    pub(crate) cut: Mutex<Vec<AppRef>>,
    /// How many were cut when the rows of one were written.
    pub(crate) cut_before: Mutex<Vec<usize>>,
    /// The next cut takes so long, by this clock.
    pub(crate) slow: Mutex<Option<(Arc<ManualClock>, Duration)>>,
}

impl Remembers {
    pub(crate) fn new(name: SurfaceName) -> Arc<Self> {
        let (opened, cut, cut_before) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { name, opened, cut, cut_before, slow: Mutex::default() })
    }
}

#[async_trait]
impl Surface<Tx> for Remembers {
    fn name(&self) -> SurfaceName {
        self.name
    }
    fn plan(&self, _: &Manifest) -> Vec<Planned> {
        vec![]
    }
    async fn open(&self, _: &mut Tx, ask: &Ask<'_>) -> Result<(), SurfaceError> {
        let image = ask.image.map(str::to_owned);
        self.opened.lock().unwrap().push((ask.app.clone(), ask.release.0, ask.credential_epoch, image));
        Ok(())
    }
    async fn held(&self, _: &AppRef) -> Result<Vec<Held>, SurfaceError> {
        Ok(vec![])
    }
    async fn used(&self, _: &AppRef) -> Result<Vec<Used>, SurfaceError> {
        Ok(vec![])
    }
    async fn cut(&self, app: &AppRef) -> Vec<Cut> {
        self.cut.lock().unwrap().push(app.clone());
        if let Some((clock, took)) = self.slow.lock().unwrap().take() {
            clock.advance(took);
        }
        let (item, node, how) = (app.id.to_string(), "one".to_owned(), "closed".to_owned());
        let at = Some(START.parse().unwrap());
        vec![Cut { surface: self.name, item, state: CutState::Dead, dead_at: at, dead_by: None, node, how }]
    }
    async fn cut_rows(&self, _: &mut Tx, _: &AppRef) -> Result<(), SurfaceError> {
        let cut = self.cut.lock().unwrap().len();
        self.cut_before.lock().unwrap().push(cut);
        Ok(())
    }
    async fn refresh(&self, _: &AppRef) -> Result<(), SurfaceError> {
        Ok(())
    }
    async fn retire(&self, _: &mut Tx, app: &AppRef) -> Result<Vec<String>, SurfaceError> {
        Ok(vec![format!("what `{}` kept", app.env)])
    }
}

/// Versions that a test sets.
#[derive(Debug, Default)]
pub(crate) struct Secrets(pub(crate) Mutex<BTreeMap<SecretId, u64>>);

#[async_trait]
impl SecretVersions for Secrets {
    async fn versions(&self, manifest: &Manifest, _: Env) -> Result<BTreeMap<SecretId, u64>, Problem> {
        let known = self.0.lock().unwrap();
        let ids = manifest.secrets.values().map(|secret| secret.id.clone());
        Ok(ids.map(|id| (id.clone(), known.get(&id).copied().unwrap_or(0))).collect())
    }
}

struct Tags(PurposeKey);

impl sandbox::Authenticator for Tags {
    fn tag(&self, context: &str, bytes: &[u8]) -> [u8; 32] {
        self.0.mac(&Context::table("code").row(context), bytes)
    }
    fn verify(&self, context: &str, bytes: &[u8], tag: &[u8]) -> bool {
        self.0.verify_mac(&Context::table("code").row(context), bytes, tag).is_ok()
    }
}

/// One for all tests of this binary, with its compiled code kept between runs.
pub(crate) fn sandbox() -> &'static Arc<Sandbox> {
    static SHARED: OnceLock<Arc<Sandbox>> = OnceLock::new();
    SHARED.get_or_init(|| {
        let cache_dir: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("catalog-compiled");
        let key = seal::RootKey::from_bytes([7; 32]).tenant(&TenantId::main()).purpose(seal::Purpose::CodeCache);
        Sandbox::start(Config { cache_dir, authenticator: Arc::new(Tags(key)), maxima: Maxima::default() }).unwrap()
    })
}

pub(crate) struct House {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) store: Arc<Store>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) surface: Arc<Remembers>,
    pub(crate) secrets: Arc<Secrets>,
    _dir: TempDir,
}

pub(crate) fn machine() -> Caller {
    Caller::new(TenantId::main(), Who::Machine { system_user: "root".into() })
}

/// People of the suite, who may all that people may: what refuses them is never a role.
pub(crate) const PEOPLE: [&str; 3] = ["ana", "ben", "rita"];

fn people() -> HashMap<PersonId, Arc<PersonFacts>> {
    let groups = ["builders", "operators", "reviewers", "staff"];
    let person = |name: &str| PersonFacts {
        email: format!("{name}@example.test").into(),
        name: None,
        groups: groups.into_iter().map(Group::new).collect(),
        lapses: BTreeMap::new(),
        enabled: true,
    };
    PEOPLE.iter().map(|name| (PersonId::new(*name), Arc::new(person(name)))).collect()
}

/// Whoever decides has it from nobody.
struct Nobody;

impl catalog::Vouchers for Nobody {
    fn vouchers(&self, _caller: &authority::Caller) -> Vec<catalog::Voucher> {
        Vec::new()
    }
}

impl House {
    pub(crate) async fn new(kind: Kind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START.parse().unwrap()));
        let database = match kind {
            Kind::Sqlite => Database::Sqlite { path: dir.path().join("bailiwick.db") },
            Kind::Postgres => Database::Postgres { url: new_database().await },
        };
        let config = StoreConfig {
            database,
            clock: clock.clone(),
            root: seal::RootKey::from_bytes([7; 32]),
            node: "one".to_owned(),
            data_dir: dir.path().to_owned(),
            log_host: "localhost:7070".to_owned(),
            reserve_bytes: 0,
            depot: None,
        };
        let authority = Arc::new(Authority::new(clock.clone(), Some(policy(SHIPPED))));
        let store = Store::open(config, authority.clone(), &[catalog::MIGRATIONS]).await.unwrap();
        let (surface, secrets) = (Remembers::new(SurfaceName::Gateway), Arc::new(Secrets::default()));
        let rooms = Rooms {
            store: store.clone(),
            authority: authority.clone(),
            clock: clock.clone(),
            surfaces: vec![surface.clone()],
            secrets: secrets.clone(),
            vouchers: Arc::new(Nobody),
        };
        let addresses = Addresses { scheme: "http".to_owned(), domain: "localhost:7070".to_owned() };
        let catalog = Arc::new(Catalog::new(rooms, TenantId::main(), addresses));
        // Commits wake it here; what it does, the server's feed does.
        let position = store.feed_position(&TenantId::main()).await.unwrap();
        let changes = store.subscribe(&TenantId::main(), position);
        drop(tokio::spawn(following(changes, Arc::downgrade(&catalog), Arc::downgrade(&authority))));
        Self { catalog, store, authority, clock, surface, secrets, _dir: dir }
    }

    /// The catalog of a server that starts again on the same data. Nobody tells it what is committed after.
    pub(crate) async fn started_again(&self) -> Arc<Catalog> {
        self.started_with(vec![self.surface.clone()]).await
    }

    /// The same, with other surfaces.
    pub(crate) async fn started_with(&self, surfaces: Vec<Arc<dyn Surface<Tx>>>) -> Arc<Catalog> {
        let catalog = self.another(surfaces, self.authority.clone());
        catalog.load_apps().await.unwrap();
        catalog
    }

    fn another(&self, surfaces: Vec<Arc<dyn Surface<Tx>>>, authority: Arc<Authority>) -> Arc<Catalog> {
        let rooms = Rooms {
            store: self.store.clone(),
            authority,
            clock: self.clock.clone(),
            surfaces,
            secrets: self.secrets.clone(),
            vouchers: Arc::new(Nobody),
        };
        let addresses = Addresses { scheme: "http".to_owned(), domain: "localhost:7070".to_owned() };
        Arc::new(Catalog::new(rooms, TenantId::main(), addresses))
    }

    /// The catalog of another server, and the memory that it judges by: of this moment, until it is told more.
    pub(crate) async fn beside(&self) -> (Arc<Catalog>, Arc<Authority>) {
        let authority = Arc::new(Authority::new(self.clock.clone(), Some(policy(SHIPPED))));
        let catalog = self.another(vec![self.surface.clone()], authority.clone());
        self.tell(&catalog, &authority).await;
        (catalog, authority)
    }

    /// Everything that was committed, in memory: without waiting for the feed.
    pub(crate) async fn follow(&self) {
        self.tell(&self.catalog, &self.authority).await;
    }

    pub(crate) async fn tell(&self, catalog: &Catalog, authority: &Authority) {
        let epoch = self.store.epoch(&TenantId::main()).await.unwrap();
        catalog.load_apps().await.unwrap();
        put_facts(catalog, authority, epoch);
    }

    pub(crate) fn set_policy(&self, text: &str) {
        self.authority.set_policy(policy(text));
    }

    pub(crate) async fn permit<A: authority::Act>(&self, act: A) -> Result<Permit<A>, Error> {
        Ok(self.authority.permit(&machine(), act).await?)
    }

    /// The same, asked by one of `PEOPLE` with a fresh second factor.
    pub(crate) async fn permit_of<A: authority::Act>(&self, who: &str, act: A) -> Result<Permit<A>, Error> {
        let (id, session) = (PersonId::new(who), SessionId::new("s"));
        let who = Who::Person { id, session, factor: Factor::Second { at: self.clock.now() }, single_sign_on: false };
        Ok(self.authority.permit(&Caller::new(TenantId::main(), who), act).await?)
    }

    pub(crate) async fn checked(&self, files: &[(&str, &str)]) -> Result<Arc<Checked>, CheckDocument> {
        let unpacked = unpacked(files);
        let waivers = self.catalog.waivers_for(None);
        let checked = catalog::check(unpacked, sandbox(), &waivers, self.clock.now()).await;
        checked.map(Arc::new).map_err(|document| *document)
    }

    pub(crate) async fn deploy_to(&self, env: Env, files: &[(&str, &str)]) -> Result<Deployed, Error> {
        let checked = self.checked(files).await.unwrap_or_else(|document| panic!("{document:?}"));
        let act = self.catalog.plan(None, checked.manifest(), &checked.unpacked().digest().to_string(), env)?;
        let permit = self.permit(act).await?;
        let deployed = self.catalog.deploy(permit, &checked, &self.catalog.keep(&checked).await?).await;
        self.follow().await;
        deployed
    }

    pub(crate) async fn deploy(&self, files: &[(&str, &str)]) -> Result<Deployed, Error> {
        self.deploy_to(Env::Prod, files).await
    }

    pub(crate) async fn approve(&self, request: &RequestId) -> Result<Deployed, Error> {
        let act = self.catalog.plan_approve(request, BreakGlass::Yes, "it is needed").await?;
        let permit = self.permit(act).await?;
        let deployed = self.catalog.approve(permit).await;
        self.follow().await;
        deployed
    }

    pub(crate) async fn reject(&self, request: &RequestId, why: &str) {
        let permit = self.permit(self.catalog.plan_reject(request, why).await.unwrap()).await.unwrap();
        self.catalog.reject(permit).await.unwrap();
        self.follow().await;
    }

    pub(crate) async fn rollback(&self, name: &str, to: Option<u32>) -> Result<Deployed, Error> {
        let act = self.catalog.plan_rollback(None, name, Env::Prod, to.map(ReleaseNumber)).await?;
        let permit = self.permit(act).await?;
        let deployed = self.catalog.rollback(permit).await;
        self.follow().await;
        deployed
    }

    pub(crate) async fn revoke(&self, name: &str) {
        let permit = self.permit(self.catalog.plan_revoke(name, "enough").unwrap()).await.unwrap();
        assert!(self.catalog.revoke(permit).await.unwrap().recorded);
        self.follow().await;
    }

    pub(crate) async fn restore(&self, name: &str) -> Result<catalog::Restored, Error> {
        let permit = self.permit(self.catalog.plan_restore(None, name, "again").await?).await?;
        let restored = self.catalog.restore(permit).await;
        self.follow().await;
        restored
    }

    pub(crate) fn app(&self, name: &str) -> AppRef {
        AppRef { id: self.catalog.find(name).unwrap().0, env: Env::Prod }
    }

    async fn tx(&self) -> Tx {
        let app = AppRef { id: model::AppId::new("test"), env: Env::Prod };
        let act = catalog::RunJob { tenant: TenantId::main(), app, job: "test".to_owned() };
        let permit = self.authority.permit(&Caller::system("test"), act).await.unwrap();
        self.store.write(permit).await.unwrap().1
    }

    /// Changes rows as nothing in the house would.
    pub(crate) async fn write_with(&self, sql: &'static str, params: &[store::Value]) {
        let mut tx = self.tx().await;
        assert!(tx.execute(sql, params).await.unwrap() > 0, "{sql}");
        tx.commit(serde_json::json!({}), None).await.unwrap();
    }

    pub(crate) async fn write(&self, sql: &'static str) {
        self.write_with(sql, &[]).await;
    }

    pub(crate) async fn put_blob(&self, bytes: &[u8]) -> String {
        let kept = self.store.blobs(&TenantId::main()).keep(bytes.to_vec()).await.unwrap();
        let mut tx = self.tx().await;
        let digest = tx.put_blob(&kept).await.unwrap().to_string();
        tx.commit(serde_json::json!({}), None).await.unwrap();
        digest
    }

    /// Details of the events of one action, oldest first.
    pub(crate) async fn events(&self, action: &str) -> Vec<serde_json::Value> {
        let filter = EventFilter { action: Some(action.to_owned()), ..EventFilter::default() };
        let events = self.store.events(&TenantId::main(), &filter).await.unwrap();
        events.iter().rev().map(|event| event.json().unwrap()["detail"].clone()).collect()
    }
}

fn put_facts(catalog: &Catalog, authority: &Authority, epoch: u64) {
    let facts = Facts { epoch, apps: catalog.app_facts(), people: people() };
    authority.replace(&TenantId::main(), facts);
}

/// What the server's feed does: an act that raises the epoch waits for it.
async fn following(mut changes: Changes, catalog: Weak<Catalog>, authority: Weak<Authority>) {
    while let Some(change) = changes.next().await {
        let (Some(catalog), Some(authority)) = (catalog.upgrade(), authority.upgrade()) else { return };
        let Change::Changed { kind, key, .. } = change else { continue };
        if kind == EPOCH_CHANGED {
            put_facts(&catalog, &authority, key.parse().unwrap());
        } else if kind == authority::change::WAIVERS {
            catalog.load_waivers().await.unwrap();
        } else if let Some(app) = authority::change::app_of(&key) {
            catalog.load_app(&app.id).await.unwrap();
        }
    }
}

pub(crate) fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Problem {
    Problem::from(&outcome.unwrap_err())
}

pub(crate) fn policy(text: &str) -> Policy {
    Policy::compile(&[("test.rego".to_owned(), text.to_owned())]).unwrap()
}

pub(crate) fn unpacked(files: &[(&str, &str)]) -> Unpacked {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), Bytes::copy_from_slice(text.as_bytes())));
    Unpacked::of(files).unwrap()
}

pub(crate) const APP: &str = "export default { fetch() { return new Response('hello'); } };";

/// A manifest of low tier and more sections.
pub(crate) fn manifest(name: &str, more: &str) -> String {
    format!(
        "[app]\nname = \"{name}\"\nteam = \"staff\"\npurpose = \"Answers\"\nexpires = \"2027-01-31\"\n\
         class = \"personal\"\n[runtime]\nprofile = \"wasm\"\nmain = \"app.js\"\n[access]\nuse = [\"everyone\"]\n{more}"
    )
}

/// The cluster that `cargo xtask test` starts; each test makes a database of its own in it.
#[expect(clippy::disallowed_methods, reason = "the one place of this suite that asks where the test cluster is")]
fn cluster() -> String {
    std::env::var("BAILIWICK_TEST_POSTGRES").expect("no PostgreSQL for tests: run `cargo xtask test`")
}

async fn new_database() -> String {
    let cluster = cluster();
    let name = format!("catalog_{}", model::AppId::generate());
    let (client, connection) = tokio_postgres::connect(&cluster, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
    let (server, _) = cluster.rsplit_once('/').expect("`BAILIWICK_TEST_POSTGRES` is `postgres://USER@HOST:PORT/NAME`");
    format!("{server}/{name}")
}
