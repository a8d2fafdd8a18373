//! Apps in memory: what the catalog's lists, authority's facts and the address book are made from.

pub(crate) mod sql;

use crate::{Catalog, Error, RequestState, live::expires_at};
use authority::{Act, AppFacts, AppRef, AppState, Permit, Rule, Target, rules};
use model::{
    AppId, Class, Env, Group, Manifest, ReleaseNumber, RequestId, TenantId, Tier, Timestamp, manifest::Access,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};
use store::{Outcome, Row, Tx};
use tokio::sync::{Mutex, MutexGuard};

/// List the apps.
#[derive(Debug, Clone)]
pub struct ListApps {
    pub tenant: TenantId,
}

impl Act for ListApps {
    const RULE: &'static Rule = &rules::APP_LIST;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "apps")
    }
}

/// See what one app may touch, holds and used.
#[derive(Debug, Clone)]
pub struct SeeApp {
    pub tenant: TenantId,
    pub app: AppId,
    pub team: Group,
}

impl Act for SeeApp {
    const RULE: &'static Rule = &rules::APP_SEE;
    fn target(&self) -> Target {
        Target::app(self.tenant.clone(), &self.app)
    }
    fn team(&self) -> Option<Group> {
        Some(self.team.clone())
    }
}

/// One environment of an app.
#[derive(Debug, Clone, Serialize)]
pub struct Deployment {
    pub env: Env,
    #[serde(skip)]
    pub state: AppState,
    /// The state as a word; of what was never live, that of its newest request: only what a person can decide waits.
    #[serde(rename = "state")]
    pub word: &'static str,
    pub url: String,
    pub release: Option<ReleaseNumber>,
    pub digest: Option<String>,
    pub tier: Option<Tier>,
    pub class: Option<Class>,
    pub expires_at: Timestamp,
    pub changed_at: Timestamp,
    /// What waits for a person's yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
}

/// One app of the catalog.
#[derive(Debug, Clone, Serialize)]
pub struct AppView {
    pub app: String,
    pub app_id: AppId,
    pub team: Group,
    pub purpose: Option<String>,
    pub created_at: Timestamp,
    pub environments: Vec<Deployment>,
    /// Of an app that was ended: what was deleted, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<serde_json::Value>,
    /// Of an app whose every date is past: from when on its data is deleted, unless somebody keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed_from: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) release: ReleaseNumber,
    pub(crate) digest: String,
    pub(crate) tier: Tier,
    pub(crate) manifest: Arc<Manifest>,
    /// Of the manifest, as authority holds it.
    pub(crate) access: Arc<Access>,
}

#[derive(Debug, Clone)]
pub(crate) struct EnvRecord {
    pub(crate) state: AppState,
    pub(crate) live: Option<Live>,
    pub(crate) credential_epoch: u64,
    pub(crate) expires_at: Timestamp,
    pub(crate) changed_at: Timestamp,
    pub(crate) request: Option<RequestId>,
    /// How the newest request ended, where nothing waits and nothing was live.
    pub(crate) ended: Option<RequestState>,
    pub(crate) asks: Option<Asks>,
    /// Of what is past its date: when a request of the app was last decided, or became void.
    pub(crate) decided_at: Option<Timestamp>,
}

/// What would be live, of what waits.
#[derive(Debug, Clone)]
pub(crate) struct Asks {
    tier: Tier,
    class: Class,
    purpose: String,
    /// The first moment at which it would not serve any more.
    pub(crate) until: Timestamp,
}

impl EnvRecord {
    fn word(&self) -> &'static str {
        match (self.state, self.ended) {
            (AppState::Live, _) => "live",
            (AppState::Expired, _) => "expired",
            (AppState::Revoked, _) => "revoked",
            (AppState::Retired, _) => "retired",
            (AppState::Waiting, ended) => ended.unwrap_or(RequestState::Waiting).as_str(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct AppRecord {
    pub(crate) id: AppId,
    pub(crate) name: Arc<str>,
    pub(crate) team: Group,
    pub(crate) created_at: Timestamp,
    pub(crate) envs: BTreeMap<Env, EnvRecord>,
    pub(crate) certificate: Option<serde_json::Value>,
}

/// Who may use an app that is no more.
const fn nobody() -> Access {
    Access {
        everyone: false,
        groups: Vec::new(),
        roles: BTreeMap::new(),
        mfa: Vec::new(),
        public: Vec::new(),
        addresses: Vec::new(),
    }
}

impl AppRecord {
    /// The environment that speaks for the app: the one that has a release, production before staging.
    fn main(&self) -> Option<&EnvRecord> {
        self.envs.values().rev().find(|env| env.live.is_some())
    }
}

/// Every app, by id; replaced as a whole.
#[derive(Debug, Default)]
pub(crate) struct Apps {
    all: RwLock<Arc<HashMap<AppId, Arc<AppRecord>>>>,
    /// One reader of rows at a time, so that older rows never replace newer ones.
    reading: Mutex<()>,
}

impl Apps {
    /// Held while rows are read: older ones never replace newer ones.
    pub(crate) async fn reading(&self) -> MutexGuard<'_, ()> {
        self.reading.lock().await
    }

    /// A cut that the rows may not show yet.
    pub(crate) fn mark(&self, envs: &[AppRef], state: AppState) {
        mark(Arc::make_mut(&mut self.all.write().unwrap_or_else(PoisonError::into_inner)), envs, state);
    }

    pub(crate) fn all(&self) -> Arc<HashMap<AppId, Arc<AppRecord>>> {
        Arc::clone(&self.all.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a cut makes of a state: nothing comes back by it.
pub(crate) const fn cut(before: AppState, cut: AppState) -> AppState {
    match (before, cut) {
        (AppState::Retired, _) => AppState::Retired,
        (AppState::Revoked, AppState::Expired) => AppState::Revoked,
        (_, cut) => cut,
    }
}

fn mark(apps: &mut HashMap<AppId, Arc<AppRecord>>, envs: &[AppRef], state: AppState) {
    for app in envs {
        if let Some(record) = apps.get_mut(&app.id)
            && let Some(env) = Arc::make_mut(record).envs.get_mut(&app.env)
        {
            env.state = cut(env.state, state);
        }
    }
}

pub(crate) fn state(word: &str) -> AppState {
    match word {
        "live" => AppState::Live,
        "expired" => AppState::Expired,
        "revoked" => AppState::Revoked,
        "retired" => AppState::Retired,
        _ => AppState::Waiting,
    }
}

impl Catalog {
    /// Reads all apps into memory: at start, and when the feed was lost.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn load_apps(&self) -> Result<(), Error> {
        let tenant = store::params![&self.tenant];
        self.load_waivers().await?;
        let _reading = self.apps.reading().await;
        let rows = [sql::APPS, sql::DEPLOYMENTS, sql::TOMBSTONES].map(|sql| self.store.read(sql, tenant));
        let [apps, deployments, tombstones] = rows;
        let read = records(&self.apps.all(), &apps.await?, &deployments.await?, &tombstones.await?)?;
        self.put(|all| *all = read);
        Ok(())
    }

    /// Reads one app again: when the feed names it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn load_app(&self, id: &AppId) -> Result<(), Error> {
        let app = store::params![&self.tenant, id];
        let _reading = self.apps.reading().await;
        let rows = [sql::APP, sql::DEPLOYMENTS_OF, sql::TOMBSTONE_OF].map(|sql| self.store.read(sql, app));
        let [apps, deployments, tombstones] = rows;
        let mut read = records(&self.apps.all(), &apps.await?, &deployments.await?, &tombstones.await?)?;
        self.put(|all| match read.remove(id) {
            Some(record) => drop(all.insert(id.clone(), record)),
            None => drop(all.remove(id)),
        });
        Ok(())
    }

    fn put(&self, change: impl FnOnce(&mut HashMap<AppId, Arc<AppRecord>>)) {
        // Locked first: a cut that begins meanwhile stands already, or marks what is put in here.
        let mut all = self.apps.all.write().unwrap_or_else(PoisonError::into_inner);
        let apps = Arc::make_mut(&mut all);
        change(apps);
        for note in self.store.standing() {
            mark(apps, note.apps(), crate::revoke::taken(&note));
        }
    }

    /// One app as its rows are within a transaction, whatever memory says.
    pub(crate) async fn record_in(&self, tx: &mut Tx, id: &AppId) -> Result<Option<Arc<AppRecord>>, Error> {
        let app = store::params![&self.tenant, id];
        let apps = tx.query(sql::APP, app).await?;
        let deployments = tx.query(sql::DEPLOYMENTS_OF, app).await?;
        Ok(records(&self.apps.all(), &apps, &deployments, &[])?.remove(id))
    }

    /// What authority needs to know of apps.
    #[must_use]
    pub fn app_facts(&self) -> HashMap<(AppId, Env), Arc<AppFacts>> {
        let (mut facts, nobody) = (HashMap::new(), Arc::new(nobody()));
        for app in self.apps.all().values() {
            for (env, record) in &app.envs {
                let (class, access) = match &record.live {
                    Some(live) => (live.manifest.app.class, &live.access),
                    // Its release is gone; who comes by the old address is told what became of it.
                    None if record.state == AppState::Retired => (Class::Restricted, &nobody),
                    None => continue,
                };
                let fact = AppFacts {
                    name: Arc::clone(&app.name),
                    team: app.team.clone(),
                    class,
                    state: record.state,
                    access: Arc::clone(access),
                    expires_at: record.expires_at,
                    credential_epoch: record.credential_epoch,
                };
                facts.insert((app.id.clone(), *env), Arc::new(fact));
            }
        }
        facts
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<Arc<AppRecord>> {
        self.apps.all().values().find(|app| &*app.name == name).cloned()
    }

    /// An app's id and team by its name, for the acts that name it.
    ///
    /// # Errors
    /// No such app.
    pub fn find(&self, name: &str) -> Result<(AppId, Group), Error> {
        let app = self.by_name(name).ok_or_else(|| Error::Refused(unknown(name)))?;
        Ok((app.id.clone(), app.team.clone()))
    }

    /// The name of an app, for events that hold its id.
    #[must_use]
    pub fn name_of(&self, id: &AppId) -> Option<Arc<str>> {
        self.apps.all().get(id).map(|app| Arc::clone(&app.name))
    }

    /// Every environment that serves now.
    #[must_use]
    pub fn serving(&self) -> Vec<AppRef> {
        let apps = self.apps.all();
        let live = apps.values().flat_map(|app| app.envs.iter().map(move |(env, record)| (app, *env, record)));
        live.filter(|(.., record)| record.state == AppState::Live)
            .map(|(app, env, _)| AppRef { id: app.id.clone(), env })
            .collect()
    }

    /// All apps, newest first; which of them the caller may know of is for whoever shows them to say.
    ///
    /// # Errors
    /// When the record takes no more.
    pub fn list(&self, permit: Permit<ListApps>) -> Result<Vec<AppView>, Error> {
        self.store.access(permit, Outcome::Allowed, serde_json::Value::Null)?;
        // What an end deleted is for those who may see the app.
        let listed = |app: &Arc<AppRecord>| AppView { certificate: None, ..self.view(app) };
        let mut views: Vec<AppView> = self.apps.all().values().map(listed).collect();
        views.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.app.cmp(&b.app)));
        Ok(views)
    }

    /// One app.
    ///
    /// # Errors
    /// No such app.
    pub fn see(&self, permit: Permit<SeeApp>) -> Result<(AppView, Option<Arc<Manifest>>), Error> {
        let id = permit.act().app.clone();
        self.store.access(permit, Outcome::Allowed, serde_json::Value::Null)?;
        let apps = self.apps.all();
        let app = apps.get(&id).ok_or_else(|| Error::Refused(unknown(id.as_str())))?;
        let manifest = app.main().and_then(|env| env.live.as_ref());
        Ok((self.view(app), manifest.map(|live| Arc::clone(&live.manifest))))
    }

    fn view(&self, app: &AppRecord) -> AppView {
        let deployment = |(env, record): (&Env, &EnvRecord)| Deployment {
            env: *env,
            state: record.state,
            word: record.word(),
            url: self.url(&app.name, *env),
            release: record.live.as_ref().map(|live| live.release),
            digest: record.live.as_ref().map(|live| live.digest.clone()),
            tier: record.live.as_ref().map(|live| live.tier).or(record.asks.as_ref().map(|asks| asks.tier)),
            class: (record.live.as_ref().map(|live| live.manifest.app.class))
                .or(record.asks.as_ref().map(|asks| asks.class)),
            expires_at: record.expires_at,
            changed_at: record.changed_at,
            request: record.request.clone(),
        };
        let live = app.main().and_then(|env| env.live.as_ref()).map(|live| &live.manifest.app.purpose);
        let asked = || app.envs.values().rev().find_map(|env| env.asks.as_ref()).map(|asks| &asks.purpose);
        let purpose = live.or_else(asked).cloned();
        AppView {
            app: app.name.to_string(),
            app_id: app.id.clone(),
            team: app.team.clone(),
            purpose,
            created_at: app.created_at,
            environments: app.envs.iter().map(deployment).collect(),
            certificate: app.certificate.clone(),
            removed_from: self.removal_of(app).map(|removal| removal.at),
        }
    }
}

/// From rows of apps, of their environments, and of those that were ended. What is known of a release is not read again.
fn records(
    known: &HashMap<AppId, Arc<AppRecord>>,
    apps: &[Row],
    deployments: &[Row],
    tombstones: &[Row],
) -> Result<HashMap<AppId, Arc<AppRecord>>, Error> {
    let mut read: HashMap<AppId, AppRecord> = HashMap::with_capacity(apps.len());
    for row in apps {
        let id = AppId::new(row.text(0)?);
        let record = AppRecord {
            id: id.clone(),
            name: row.text(1)?.into(),
            team: Group::new(row.text(2)?),
            created_at: row.time(3)?,
            envs: BTreeMap::new(),
            certificate: None,
        };
        read.insert(id, record);
    }
    for row in deployments {
        let Ok(env) = row.text(1)?.parse::<Env>() else { continue };
        let id = AppId::new(row.text(0)?);
        let before = known.get(&id).and_then(|app| app.envs.get(&env)).and_then(|env| env.live.clone());
        let live = match (row.opt_int(3)?, row.opt_text(7)?) {
            (Some(number), Some(text)) => match live(number, row.text(9)?, row.text(8)?, text, before) {
                // Of a newer version: without it the app does not serve here, and nobody else's changes wait for it.
                Err(Error::Manifest) => {
                    tracing::error!(app = %id, release = number, "a manifest cannot be read: the app does not serve on this node");
                    None
                }
                live => Some(live?),
            },
            _ => None,
        };
        let record = EnvRecord {
            state: state(row.text(2)?),
            live,
            credential_epoch: row.uint(4)?,
            expires_at: row.time(5)?,
            changed_at: row.time(6)?,
            request: row.opt_text(10)?.map(RequestId::new),
            ended: row.opt_text(11)?.map(RequestState::of),
            asks: row.opt_text(12)?.map(|text| row.text(13).map(|tier| asks(text, tier))).transpose()?.flatten(),
            decided_at: row.opt_time(14)?,
        };
        if let Some(app) = read.get_mut(&id) {
            app.envs.insert(env, record);
        }
    }
    for row in tombstones {
        if let Some(app) = read.get_mut(&AppId::new(row.text(0)?)) {
            app.certificate = serde_json::from_str(row.text(1)?).ok();
        }
    }
    Ok(read.into_iter().map(|(id, app)| (id, Arc::new(app))).collect())
}

/// None of a manifest that cannot be read.
fn asks(manifest: &str, tier: &str) -> Option<Asks> {
    let manifest = Manifest::reread(manifest.as_bytes()).ok()?.manifest;
    let until = expires_at(&manifest);
    Some(Asks { tier: tier_of(tier), class: manifest.app.class, purpose: manifest.app.purpose, until })
}

fn live(number: i64, digest: &str, tier: &str, manifest: &str, before: Option<Live>) -> Result<Live, Error> {
    let release = ReleaseNumber(u32::try_from(number).unwrap_or_default());
    if let Some(before) = before.filter(|before| before.release == release) {
        return Ok(before);
    }
    let manifest = Arc::new(Manifest::reread(manifest.as_bytes()).map_err(|_| Error::Manifest)?.manifest);
    let access = Arc::new(manifest.access.clone());
    Ok(Live { release, digest: digest.to_owned(), tier: tier_of(tier), manifest, access })
}

pub(crate) fn tier_of(word: &str) -> Tier {
    match word {
        "low" => Tier::Low,
        "medium" => Tier::Medium,
        _ => Tier::High,
    }
}

pub(crate) fn unknown(name: &str) -> model::Problem {
    model::Problem::new(
        model::ProblemKind::NotFound,
        "app.unknown",
        format!("there is no app `{name}`"),
        "no app of that name was deployed here",
        "`bailiwick apps` lists what there is",
    )
}
