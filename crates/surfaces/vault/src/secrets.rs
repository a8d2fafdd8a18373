//! Entries: put, seen, rotated, revoked. Whose an id is.
//!
//! Write-only: a value goes in sealed, and only `attach` opens it, for one request.

mod sql;

use crate::{
    Error, ListSecrets, PutSecret, RevokeSecret, Revoked, RotateSecret, SecretState, SecretString, SecretView,
    Standing, Vault,
    entry::{self, Entry},
    refusal, value,
};
use async_trait::async_trait;
use authority::{AppRef, Permit, change};
use model::{AppId, Env, Group, Manifest, SecretId, TenantId, Timestamp};
use secrecy::ExposeSecret;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use store::{CutNote, CutOf, CutRows, Outcome, Row, Store, StoreError, Tx, left_to_feed, params};

/// How long a revoke waits for what the database says of an entry; it is dead in memory before that.
const SEEN_WITHIN: Duration = Duration::from_secs(2);

/// What the rows say of an entry.
struct Written {
    entry: Entry,
    app: Option<String>,
    last_used: Option<Timestamp>,
}

impl Written {
    fn read(row: &Row) -> Result<Self, Error> {
        let (app, last_used) = (row.opt_text(14)?.map(str::to_owned), row.opt_time(15)?);
        Ok(Self { entry: Entry::read(row, 0)?, app, last_used })
    }
}

impl Vault {
    /// Stores an entry with its value. Other hosts or another position than before raise its version, and void what
    /// was approved with the one before.
    ///
    /// # Errors
    /// What is missing or cannot be kept; an id that belongs to another app.
    pub async fn put(&self, permit: Permit<PutSecret>) -> Result<SecretView, Error> {
        let mut entry = Entry::asked(permit.act(), self.clock.now())?;
        let (act, mut tx) = self.store.write(permit).await?;
        let before = read(&mut tx, &self.tenant, &act.id, act.env).await?;
        if let Some(before) = &before {
            entry.follow(before);
        }
        let app = keep_for(&mut tx, &self.tenant, &act).await?;
        self.write(&mut tx, &entry, &act.value).await?;
        tx.execute(sql::FIRST_VERSION, params![&self.tenant, &act.id, act.env]).await?;
        let app = app.map(|id| AppRef { id, env: act.env });
        if let Some(app) = &app {
            tx.feed(change::SECRET, change::app_key(app));
        }
        let widened = before.as_ref().is_some_and(|before| before.version != entry.version);
        let detail = json!({
            "secret": act.id, "env": act.env, "version": entry.version, "value": entry.value_number, "attach": entry.place.to_string(),
            "hosts": hosts(&entry), "expires_at": entry.expires_at, "sensitivity": entry.sensitivity, "owner": entry.owner,
            "void": widened,
        });
        let written = self.written(&mut tx, &act.id, act.env).await?;
        tx.commit(detail, None).await?;
        let replaced = before.is_some_and(|before| before.revoked_at.is_none());
        Ok(SecretView { replaced: Some(replaced), ..self.seen(app.as_ref(), written).await })
    }

    /// Replaces a value; the old one is gone. What was approved stays approved.
    ///
    /// # Errors
    /// What is no id; no such entry, one that was revoked, a value that cannot be kept.
    pub async fn rotate(&self, permit: Permit<RotateSecret>) -> Result<SecretView, Error> {
        entry::team(&permit.act().id)?;
        let (act, mut tx) = self.store.write(permit).await?;
        let before = read(&mut tx, &self.tenant, &act.id, act.env).await?;
        let entry = before.ok_or_else(|| refusal::unknown(&act.id, act.env))?;
        if entry.revoked_at.is_some() {
            return Err(refusal::gone(&act.id, act.env).into());
        }
        value::judge(&act.value, &entry.place)?;
        let number = entry.value_number + 1;
        let sealed = self.seal(&act.id, act.env, number, &act.value);
        let row = params![&self.tenant, &act.id, act.env, number, sealed, tx.now()];
        tx.execute(sql::ROTATE, row).await?;
        let (app, _) = whose(&mut tx, &self.tenant, &act.id).await?.unwrap_or_default();
        let app = app.map(|id| AppRef { id, env: act.env });
        if let Some(app) = &app {
            tx.feed(change::SECRET, change::app_key(app));
        }
        let written = self.written(&mut tx, &act.id, act.env).await?;
        tx.commit(
            json!({ "secret": act.id, "env": act.env, "version": entry.version, "value": number, "rotated": true }),
            None,
        )
        .await?;
        Ok(self.seen(app.as_ref(), written).await)
    }

    /// Makes a secret unusable: in this node's memory at once, then in the record, where its value is deleted.
    ///
    /// # Errors
    /// What is no id: nothing was ever put under it, and no row could say that it is revoked. No such entry.
    pub async fn revoke(&self, permit: Permit<RevokeSecret>) -> Result<Revoked, Error> {
        let (id, env) = (permit.act().id.clone(), permit.act().env);
        entry::team(&id)?;
        let (act, mut cutting) = self.store.cut(permit, CutOf::Secret { id: id.clone(), env });
        self.memory.kill(&id, env);
        // Without an answer of the database, what it may hold is dead all the same.
        if let Ok(Ok(None)) = tokio::time::timeout(SEEN_WITHIN, self.entry(&id, env)).await {
            cutting.forget();
            return Err(refusal::unknown(&id, env).into());
        }
        let event = cutting.event().clone();
        let note = cutting.note();
        note.detail = json!({ "secret": id, "env": env });
        note.why = Some(act.why);
        let recorded = cutting.record(self).await;
        let views = tokio::time::timeout(SEEN_WITHIN, self.views(Some(&id))).await.unwrap_or(Ok(Vec::new()));
        let secret = views.unwrap_or_default().into_iter().find(|view| view.env == env);
        Ok(Revoked { id, env, secret, event, recorded })
    }

    /// A cut that was made before this process began: memory shows it again. At start, after everything was read.
    pub fn stand(&self, note: &CutNote) {
        if let CutOf::Secret { id, env } = &note.of {
            self.memory.kill(id, *env);
        }
    }

    /// Every entry, or those of one id, by id and environment.
    ///
    /// # Errors
    /// What is no id; when the database cannot be read.
    pub async fn list(&self, permit: Permit<ListSecrets>) -> Result<Vec<SecretView>, Error> {
        let id = permit.act().id.clone();
        if let Some(id) = &id {
            entry::team(id)?;
        }
        self.store.access(permit, Outcome::Allowed, json!({ "secret": id }))?;
        self.views(id.as_ref()).await
    }

    /// The entries of one id, one for each environment.
    ///
    /// # Errors
    /// No such id.
    pub async fn show(&self, permit: Permit<ListSecrets>) -> Result<Vec<SecretView>, Error> {
        let id = permit.act().id.clone();
        let views = self.list(permit).await?;
        match id {
            Some(id) if views.is_empty() => Err(refusal::unknown(&id, Env::Prod).into()),
            _ => Ok(views),
        }
    }

    /// One row.
    pub(crate) async fn entry(&self, id: &SecretId, env: Env) -> Result<Option<Entry>, Error> {
        let row = self.store.read_one(sql::ENTRY, params![&self.tenant, id, env]).await?;
        row.as_ref().map(|row| Entry::read(row, 0)).transpose()
    }

    /// How the secrets that a manifest names stand now: those that somebody has put. A version says nothing of that: it
    /// outlives the value.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn standings(&self, manifest: &Manifest, env: Env) -> Result<BTreeMap<SecretId, Standing>, Error> {
        let mut standings = BTreeMap::new();
        for used in manifest.secrets.values() {
            if let Some(entry) = self.entry(&used.id, env).await? {
                let bound = self.memory.bound_version(&entry.id, entry.env);
                let standing = Standing { state: self.state(&entry, bound), expires_at: entry.expires_at };
                standings.insert(used.id.clone(), standing);
            }
        }
        Ok(standings)
    }

    /// Of the secrets that a manifest names: those that another app has, or that are kept for one, by its name. No yes
    /// gives them to `app`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn of_others(
        &self,
        manifest: &Manifest,
        app: Option<&AppId>,
    ) -> Result<BTreeMap<SecretId, String>, Error> {
        let mut others = BTreeMap::new();
        for used in manifest.secrets.values() {
            let row = self.store.read_one(sql::ID, params![&self.tenant, &used.id]).await?;
            let Some(row) = row else { continue };
            let name = row.opt_text(1)?.unwrap_or_default();
            let theirs = match row.opt_text(0)? {
                Some(has) => app.is_none_or(|app| app.as_str() != has),
                None => !name.is_empty() && name != manifest.app.name,
            };
            if theirs {
                others.insert(used.id.clone(), name.to_owned());
            }
        }
        Ok(others)
    }

    async fn write(&self, tx: &mut Tx, entry: &Entry, value: &SecretString) -> Result<(), Error> {
        let sealed = self.seal(&entry.id, entry.env, entry.value_number, value);
        let row = params![
            &self.tenant,
            &entry.id,
            entry.env,
            serde_json::to_string(&entry.owner)?,
            entry.purpose.as_str(),
            entry.expires_at,
            serde_json::to_string(&hosts(entry))?,
            entry.place.to_string(),
            entry.sensitivity.as_str(),
            entry.version,
            entry.value_number,
            sealed,
            entry.created_at,
            entry.put_at,
        ];
        tx.execute(sql::PUT, row).await?;
        Ok(())
    }

    fn seal(&self, id: &SecretId, env: Env, number: u64, value: &SecretString) -> Vec<u8> {
        self.key.seal(&value::context(id, env, number), value.expose_secret().as_bytes())
    }

    /// After a commit: memory first, then how the entry looks.
    async fn seen(&self, app: Option<&AppRef>, written: Written) -> SecretView {
        if let Some(app) = app {
            left_to_feed(self.memory.refresh(&self.store, &self.tenant, app).await);
        }
        self.view(written)
    }

    /// An entry as it will be once this is committed.
    async fn written(&self, tx: &mut Tx, id: &SecretId, env: Env) -> Result<Written, Error> {
        let rows = tx.query(sql::ALL, params![&self.tenant, id]).await?;
        let mut written = rows.iter().map(Written::read);
        let found = written.find(|written| written.as_ref().map_or(true, |written| written.entry.env == env));
        found.unwrap_or_else(|| Err(refusal::unknown(id, env).into()))
    }

    async fn views(&self, id: Option<&SecretId>) -> Result<Vec<SecretView>, Error> {
        let rows = self.store.read(sql::ALL, params![&self.tenant, id]).await?;
        rows.iter().map(|row| Ok(self.view(Written::read(row)?))).collect()
    }

    /// `bound` is the version that a live app has of it.
    fn state(&self, entry: &Entry, bound: Option<u64>) -> SecretState {
        match bound {
            _ if entry.revoked_at.is_some() || self.memory.is_dead(entry) => SecretState::Revoked,
            _ if self.clock.now() >= entry.expires_at => SecretState::Expired,
            Some(version) if version == entry.version => SecretState::Ready,
            Some(_) => SecretState::Changed,
            None => SecretState::Unbound,
        }
    }

    fn view(&self, Written { entry, app, last_used }: Written) -> SecretView {
        let bound = self.memory.bound_version(&entry.id, entry.env);
        let state = self.state(&entry, bound);
        SecretView {
            hosts: hosts(&entry),
            attach: entry.place.to_string(),
            id: entry.id,
            env: entry.env,
            owner: entry.owner,
            purpose: entry.purpose,
            expires_at: entry.expires_at,
            sensitivity: entry.sensitivity,
            version: entry.version,
            app,
            bound: bound.is_some(),
            created_at: entry.created_at,
            put_at: entry.put_at,
            last_used,
            state,
            replaced: None,
        }
    }
}

#[async_trait]
impl CutRows for Vault {
    async fn rows(&self, note: &CutNote, tx: &mut Tx) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let CutOf::Secret { id, env } = &note.of else { return Ok(()) };
        tx.execute(sql::REVOKE, params![&self.tenant, id, *env, note.at]).await?;
        let (app, _) = whose(tx, &self.tenant, id).await?.unwrap_or_default();
        if let Some(app) = app {
            tx.feed(change::SECRET, change::app_key(&AppRef { id: app, env: *env }));
        }
        Ok(())
    }

    async fn settled(&self, note: &CutNote, _epoch: u64) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let CutOf::Secret { id, env } = &note.of else { return Ok(()) };
        let row = self.store.read_one(sql::ID, params![&self.tenant, id]).await?;
        if let Some(app) = row.map(|row| row.opt_text(0).map(|app| app.map(AppId::new))).transpose()?.flatten() {
            self.memory.refresh(&self.store, &self.tenant, &AppRef { id: app, env: *env }).await?;
        }
        Ok(())
    }
}

impl Entry {
    /// Reads a row whose columns of the entry begin at `from`.
    pub(crate) fn read(row: &Row, from: usize) -> Result<Self, Error> {
        let hosts: Vec<String> = serde_json::from_str(row.text(from + 5)?)?;
        let wrong = |_| StoreError::Row { column: from + 5, expected: "hosts" };
        Ok(Self {
            id: SecretId::new(row.text(from)?),
            env: row.parse(from + 1, "an environment")?,
            owner: serde_json::from_str(row.text(from + 2)?)?,
            purpose: row.text(from + 3)?.to_owned(),
            expires_at: row.time(from + 4)?,
            hosts: hosts.iter().map(|host| host.parse()).collect::<Result<_, _>>().map_err(wrong)?,
            place: row.parse(from + 6, "a place")?,
            sensitivity: row.parse(from + 7, "a sensitivity")?,
            version: row.uint(from + 8)?,
            value_number: row.uint(from + 9)?,
            sealed: row.opt_bytes(from + 10)?.map(Arc::from),
            created_at: row.time(from + 11)?,
            put_at: row.time(from + 12)?,
            revoked_at: row.opt_time(from + 13)?,
        })
    }
}

fn hosts(entry: &Entry) -> Vec<String> {
    entry.hosts.iter().map(ToString::to_string).collect()
}

async fn read(tx: &mut Tx, tenant: &TenantId, id: &SecretId, env: Env) -> Result<Option<Entry>, Error> {
    let row = tx.query_one(sql::ENTRY, params![tenant, id, env]).await?;
    row.as_ref().map(|row| Entry::read(row, 0)).transpose()
}

type Whose = (Option<AppId>, Option<String>);

/// The app that has an id, and the name of the app that has or may take it.
async fn whose(tx: &mut Tx, tenant: &TenantId, id: &SecretId) -> Result<Option<Whose>, Error> {
    let Some(row) = tx.query_one(sql::ID, params![tenant, id]).await? else {
        return Ok(None);
    };
    Ok(Some((row.opt_text(0)?.map(AppId::new), row.opt_text(1)?.map(str::to_owned))))
}

/// Keeps the id for the app that is named; the app that has it already.
async fn keep_for(tx: &mut Tx, tenant: &TenantId, act: &PutSecret) -> Result<Option<AppId>, Error> {
    let (app, name) = match (whose(tx, tenant, &act.id).await?, &act.app) {
        (Some((Some(_), Some(has))), Some(asked)) if has != *asked => {
            return Err(refusal::shared(&act.id, &has).into());
        }
        (Some((Some(app), name)), _) => (Some(app), name),
        (Some((None, name)), asked) => (None, asked.clone().or(name)),
        (None, asked) => (None, asked.clone()),
    };
    tx.execute(sql::SET_ID, params![tenant, &act.id, name, app.as_ref()]).await?;
    Ok(app)
}

/// Gives an id to an app of its team, when it is nobody's or kept for that app.
pub(crate) async fn take(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &SecretId,
    app: &AppId,
    name: &str,
    team: &Group,
) -> Result<(), Error> {
    if entry::team(id)? != team.as_str() {
        return Err(refusal::other_team(id, team.as_str()).into());
    }
    match whose(tx, tenant, id).await? {
        Some((Some(has), known)) if has != *app => {
            return Err(refusal::shared(id, &known.unwrap_or_default()).into());
        }
        Some((None, Some(kept))) if kept != name => return Err(refusal::shared(id, &kept).into()),
        Some(_) | None => {}
    }
    tx.execute(sql::SET_ID, params![tenant, id, name, app]).await?;
    Ok(())
}

/// The version that an id has now; 0 when nothing was put.
pub(crate) async fn version(tx: &mut Tx, tenant: &TenantId, id: &SecretId, env: Env) -> Result<u64, Error> {
    Ok(read(tx, tenant, id, env).await?.map_or(0, |entry| entry.version))
}

/// Deletes what an app's secrets were in one environment, and frees ids that nothing holds any more; how many values.
pub(crate) async fn delete_of_app(tx: &mut Tx, tenant: &TenantId, app: &AppRef) -> Result<u64, Error> {
    let deleted = tx.execute(sql::DELETE_OF_APP, params![tenant, &app.id, app.env]).await?;
    tx.execute(sql::FREE_IDS, params![tenant, &app.id]).await?;
    Ok(deleted)
}

/// How often an app's uses of each id were allowed, and when last, from the record.
pub(crate) async fn uses(
    store: &Store,
    tenant: &TenantId,
    app: &AppRef,
) -> Result<Vec<(String, u64, Timestamp)>, Error> {
    let mut uses = Vec::new();
    for row in store.read(sql::USES, params![tenant, &app.id]).await? {
        let id = row
            .text(0)?
            .strip_prefix("secret/")
            .and_then(|rest| rest.strip_suffix(app.env.as_str())?.strip_suffix('/'));
        if let Some(id) = id {
            uses.push((id.to_owned(), row.uint(1)?, row.time(2)?));
        }
    }
    Ok(uses)
}
