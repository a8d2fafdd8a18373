//! Releases: immutable, content-addressed versions of an app.

pub(crate) mod files;
pub(crate) mod sql;

use crate::{Catalog, Checked, Error, Unpacked, Upload, apps::tier_of, requests, waivers::Exceptions};
use authority::{Act, AppRef, Permit, Rule, Target, rules};
use model::{
    AppId, Env, Finding, Group, Manifest, PersonId, Problem, ReleaseNumber, TenantId, Tier, Timestamp, manifest::Change,
};
use sandbox::Image;
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};
use store::{Blob, Outcome, Row, Store, Tx, params};

/// One release, as lists show it.
#[derive(Debug, Clone, Serialize)]
pub struct ReleaseView {
    pub release: ReleaseNumber,
    pub env: Env,
    pub digest: String,
    pub tier: Tier,
    pub created_at: Timestamp,
    pub live: bool,
    /// Who deployed it; nobody when the local credential did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<PersonId>,
    /// The release of the same environment before it.
    pub compared_with: Option<ReleaseNumber>,
    /// What it may do that the one before might not, and the other way round.
    pub changes: Vec<Change>,
    /// The yes that it has, when its tier asked for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Yes>,
}

/// How a release was agreed to. Shown for ever, also when it holds no more.
#[derive(Debug, Clone, Serialize)]
pub struct Yes {
    /// `person:ID`, `machine:USER`.
    pub by: String,
    /// `break-glass`, when nobody but the local credential said yes.
    pub exception: Option<String>,
    pub independent: bool,
    /// What the approver has from whoever asked: `account`, `role`, `link`.
    pub dependence: Vec<String>,
}

/// A release as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    pub(crate) number: ReleaseNumber,
    pub(crate) env: Env,
    pub(crate) digest: String,
    /// Digest of the canonical grants: what an approval binds to, with the bundle's.
    pub(crate) grants: String,
    pub(crate) tier: Tier,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) image: Option<String>,
    pub(crate) assets: Option<String>,
    pub(crate) by: Option<PersonId>,
    pub(crate) created_at: Timestamp,
}

#[derive(Serialize)]
struct Asset {
    path: String,
    digest: String,
    size: usize,
}

/// Read the files of a release.
#[derive(Debug, Clone)]
pub struct ReadSource {
    pub tenant: TenantId,
    pub app: AppRef,
    pub team: Group,
    pub release: ReleaseNumber,
}

impl Act for ReadSource {
    const RULE: &'static Rule = &rules::APP_SOURCE;
    fn target(&self) -> Target {
        Target::within(self.tenant.clone(), &self.app, format!("app/{}", self.app.id))
    }
    fn team(&self) -> Option<Group> {
        Some(self.team.clone())
    }
}

/// Digest over all grants of a manifest.
pub(crate) fn grants_digest(manifest: &Manifest) -> String {
    seal::Digest::of(&manifest.canonical_json()).to_string()
}

/// Which engine an image was made for, as its row says it.
pub(crate) fn engine_of(image: &Image) -> &str {
    image.engine().unwrap_or("component")
}

/// What a release consists of, where it will lie: brought there before the transaction that names it.
#[derive(Debug)]
pub struct Content {
    bundle: Blob,
    image: Option<Blob>,
    list: Option<Blob>,
    assets: Vec<Blob>,
}

impl Content {
    pub(crate) async fn keep(store: &Store, tenant: &TenantId, checked: &Checked) -> Result<Self, Error> {
        let mut listed = Vec::new();
        let mut files = Vec::new();
        for (path, bytes) in checked.assets() {
            let digest = seal::Digest::of(bytes).to_string();
            listed.push(Asset { path: path.to_owned(), digest, size: bytes.len() });
            files.push(bytes.to_vec());
        }
        let list = serde_json::to_vec(&listed).map_err(|_| Error::Manifest)?;
        let blobs = store.blobs(tenant);
        let unpacked = checked.unpacked().clone();
        let packed = tokio::task::spawn_blocking(move || unpacked.pack()).await.map_err(|_| Problem::internal())??;
        let bundle = blobs.keep(packed.to_vec()).await?;
        let image = match checked.image() {
            Some(image) => Some(blobs.keep(image.to_bytes().to_vec()).await?),
            None => None,
        };
        let list = if listed.is_empty() { None } else { Some(blobs.keep(list).await?) };
        let assets = blobs.keep_all(files).await?;
        Ok(Self { bundle, image, list, assets })
    }
}

/// Writes a new release with its bundle, image and assets, and what every gate said of it.
pub(crate) async fn insert(
    tx: &mut Tx,
    app: &AppRef,
    checked: &Checked,
    findings: Vec<Finding>,
    content: &Content,
) -> Result<Release, Error> {
    let tenant = tx.tenant().clone();
    let number = tx.query_one(sql::NEXT, params![&tenant, &app.id]).await?.map(|row| row.int(0)).transpose()?;
    let number = ReleaseNumber(u32::try_from(number.unwrap_or(1)).unwrap_or(u32::MAX));
    let bundle = tx.put_blob(&content.bundle).await?.to_string();
    let image = match &content.image {
        Some(image) => Some(tx.put_blob(image).await?.to_string()),
        None => None,
    };
    for asset in &content.assets {
        tx.put_blob(asset).await?;
    }
    let assets = match &content.list {
        Some(list) => Some(tx.put_blob(list).await?.to_string()),
        None => None,
    };
    let caller = tx.spent().caller();
    let (actor, person) = (caller.chain().join(" "), caller.person().cloned());
    let release = Release {
        number,
        env: app.env,
        digest: checked.unpacked().digest().to_string(),
        grants: grants_digest(checked.manifest()),
        tier: checked.manifest().tier(),
        manifest: Arc::clone(checked.manifest()),
        findings,
        image,
        assets,
        by: person,
        created_at: tx.now(),
    };
    let text = String::from_utf8(checked.manifest_text().to_vec()).map_err(|_| Error::Manifest)?;
    let findings = serde_json::to_string(&release.findings).map_err(|_| Error::Manifest)?;
    let row = params![
        &tenant,
        &app.id,
        number.0,
        app.env.as_str(),
        release.digest.as_str(),
        release.grants.as_str(),
        release.tier.as_str(),
        text,
        findings,
        bundle,
        release.image.as_deref(),
        release.assets.as_deref(),
        actor,
        release.by.as_ref().map(PersonId::as_str),
        release.created_at,
        checked.image().map(engine_of).unwrap_or_default(),
        files::listed(checked.unpacked())?,
    ];
    tx.execute(sql::INSERT, row).await?;
    Ok(release)
}

pub(crate) async fn one(tx: &mut Tx, app: &AppId, number: ReleaseNumber) -> Result<Option<Release>, Error> {
    let tenant = tx.tenant().clone();
    tx.query_one(sql::ONE, params![&tenant, app, number.0]).await?.as_ref().map(release).transpose()
}

/// The newest release of the same content in the same environment, if it rests on the same waivers: with others it is
/// another release, so that each is shown for ever with its own.
pub(crate) async fn same(
    tx: &mut Tx,
    app: &AppRef,
    digest: &str,
    findings: &[Finding],
) -> Result<Option<Release>, Error> {
    let tenant = tx.tenant().clone();
    let row = tx.query_one(sql::SAME, params![&tenant, &app.id, app.env.as_str(), digest]).await?;
    let known = row.as_ref().map(release).transpose()?;
    Ok(known.filter(|known| Exceptions::of(&known.findings) == Exceptions::of(findings)))
}

impl Catalog {
    /// The files of a release as they were deployed; that they were read is on the record first.
    ///
    /// # Errors
    /// No such release; when record or database fail.
    pub async fn source(&self, permit: Permit<ReadSource>) -> Result<Unpacked, Error> {
        let (app, number) = (permit.act().app.id.clone(), permit.act().release);
        self.store.record(permit, Outcome::Allowed, serde_json::json!({ "release": number })).await?;
        let row = self.store.read_one(sql::BUNDLE, params![&self.tenant, &app, number.0]).await?;
        let bundle = row.ok_or(Error::Manifest)?.text(0)?.parse().map_err(|_| Error::Manifest)?;
        let bytes = self.store.blobs(&self.tenant).get(&bundle).await?.ok_or(Error::Manifest)?;
        let unpacked = tokio::task::spawn_blocking(move || Upload::new(bytes.into()).and_then(Upload::unpack)).await;
        Ok(unpacked.map_err(|_| Problem::internal())??)
    }

    /// The releases of an app, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn releases(&self, app: &AppId) -> Result<Vec<ReleaseView>, Error> {
        let known = self.known_releases(app).await?;
        let yeses = self.yeses(app).await?;
        let apps = self.apps.all();
        let live = |release: &Release| {
            let env = apps.get(app).and_then(|app| app.envs.get(&release.env));
            env.and_then(|env| env.live.as_ref()).is_some_and(|live| live.release == release.number)
        };
        let view = |(at, release): (usize, &Release)| {
            let before = known.iter().skip(at + 1).find(|older| older.env == release.env);
            ReleaseView {
                release: release.number,
                env: release.env,
                digest: release.digest.clone(),
                tier: release.tier,
                created_at: release.created_at,
                live: live(release),
                by: release.by.clone(),
                compared_with: before.map(|before| before.number),
                approval: yeses.get(&release.number).cloned(),
                changes: before.map(|before| release.manifest.changes_from(&before.manifest)).unwrap_or_default(),
            }
        };
        Ok(known.iter().enumerate().map(view).collect())
    }

    /// The newest yes to each release of an app.
    async fn yeses(&self, app: &AppId) -> Result<BTreeMap<ReleaseNumber, Yes>, Error> {
        let mut yeses = BTreeMap::new();
        for row in self.store.read(requests::sql::YESES, params![&self.tenant, app]).await? {
            let dependence: Vec<String> = serde_json::from_str(row.text(3)?).map_err(|_| Error::Manifest)?;
            let yes = Yes {
                by: row.opt_text(1)?.unwrap_or_default().to_owned(),
                exception: row.opt_text(2)?.map(str::to_owned),
                independent: dependence.is_empty(),
                dependence,
            };
            yeses.insert(ReleaseNumber(u32::try_from(row.int(0)?).unwrap_or_default()), yes);
        }
        Ok(yeses)
    }

    pub(crate) async fn known_release(&self, app: &AppId, number: ReleaseNumber) -> Result<Option<Release>, Error> {
        self.store.read_one(sql::ONE, params![&self.tenant, app, number.0]).await?.as_ref().map(release).transpose()
    }

    /// The releases of an app as they are stored, newest first.
    pub(crate) async fn known_releases(&self, app: &AppId) -> Result<Vec<Release>, Error> {
        self.store.read(sql::OF_APP, params![&self.tenant, app]).await?.iter().map(release).collect()
    }
}

fn release(row: &Row) -> Result<Release, Error> {
    Ok(Release {
        number: ReleaseNumber(u32::try_from(row.int(0)?).unwrap_or_default()),
        env: row.text(1)?.parse().map_err(|_| Error::Manifest)?,
        digest: row.text(2)?.to_owned(),
        grants: row.text(3)?.to_owned(),
        tier: tier_of(row.text(4)?),
        manifest: Arc::new(Manifest::reread(row.text(5)?.as_bytes()).map_err(|_| Error::Manifest)?.manifest),
        findings: serde_json::from_str(row.text(6)?).map_err(|_| Error::Manifest)?,
        image: row.opt_text(7)?.map(str::to_owned),
        assets: row.opt_text(8)?.map(str::to_owned),
        by: row.opt_text(9)?.map(PersonId::new),
        created_at: row.time(10)?,
    })
}
