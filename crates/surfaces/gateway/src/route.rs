//! A route: one release of one app in one environment, at its host name, with all that a request needs of it.

pub(crate) mod grants;
mod sql;

use crate::{
    act,
    assets::Listing,
    code::Code,
    config::{Config, label},
    csp,
    live::{Live, PATIENCE},
    rates::Rates,
};
use authority::{AppRef, Ask, Target};
use grants::{Grants, Kind};
use http::HeaderValue;
use model::{
    AppId, Env, Group, ReleaseNumber, Timestamp,
    manifest::{Access, SandboxLimits},
};
use std::{collections::BTreeSet, sync::Arc};
use store::{Row, Store, StoreError, Tx, params};

/// As the row says it.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) app: AppRef,
    pub(crate) name: Arc<str>,
    pub(crate) release: ReleaseNumber,
    grants: Grants,
    image: Option<seal::Digest>,
    assets: Option<seal::Digest>,
    pub(crate) credential_epoch: u64,
    pub(crate) cut_at: Option<Timestamp>,
}

/// In memory, ready to serve.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) app: AppRef,
    pub(crate) name: Arc<str>,
    pub(crate) label: String,
    /// `https://tinypoll.corp-apps.example`
    pub(crate) url: String,
    /// The host that requests name.
    pub(crate) host: String,
    pub(crate) release: ReleaseNumber,
    pub(crate) credential_epoch: u64,
    pub(crate) kind: Kind,
    pub(crate) access: Access,
    pub(crate) named_groups: BTreeSet<Group>,
    pub(crate) limits: SandboxLimits,
    pub(crate) rates: Arc<Rates>,
    pub(crate) secrets: Vec<String>,
    pub(crate) jobs: Vec<(String, String)>,
    pub(crate) csp: HeaderValue,
    pub(crate) target: Target,
    pub(crate) code: Code,
    pub(crate) listing: Listing,
    pub(crate) live: Arc<Live>,
}

impl Stored {
    pub(crate) async fn put(tx: &mut Tx, ask: &Ask<'_>) -> Result<(), StoreError> {
        let grants =
            serde_json::to_string(&Grants::of(ask.manifest)).map_err(|error| StoreError::Json(Arc::new(error)))?;
        let row = params![
            tx.tenant(),
            &ask.app.id,
            ask.app.env,
            label(ask.name, ask.app.env),
            ask.name,
            ask.release,
            grants,
            ask.image,
            ask.assets,
            ask.credential_epoch,
            ask.at,
        ];
        tx.execute(sql::PUT, row).await.map(drop)
    }

    pub(crate) async fn mark_cut(tx: &mut Tx, app: &AppRef) -> Result<(), StoreError> {
        let row = params![tx.tenant(), &app.id, app.env, tx.now()];
        tx.execute(sql::CUT, row).await.map(drop)
    }

    pub(crate) async fn all(store: &Store, config: &Config) -> Result<Vec<Self>, StoreError> {
        store.read(sql::ALL, params![&config.tenant]).await?.iter().map(Self::read).collect()
    }

    pub(crate) async fn of_app(store: &Store, config: &Config, app: &AppRef) -> Result<Option<Self>, StoreError> {
        let row = store.read_one(sql::OF_APP, params![&config.tenant, &app.id, app.env]).await?;
        row.as_ref().map(Self::read).transpose()
    }

    /// When each app was last used, by the record.
    pub(crate) async fn last_uses(store: &Store, config: &Config) -> Result<Vec<(AppRef, Timestamp)>, StoreError> {
        let mut uses = Vec::new();
        for row in store.read(sql::LAST_USES, params![&config.tenant]).await? {
            let app = AppRef { id: AppId::new(row.text(0)?), env: row.parse::<Env>(1, "an environment")? };
            uses.extend(row.opt_time(2)?.map(|at| (app, at)));
        }
        Ok(uses)
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let digest = |column: usize| {
            let parse = |text: &str| text.parse().map_err(|_| StoreError::Row { column, expected: "a digest" });
            row.opt_text(column)?.map(parse).transpose()
        };
        let release = u32::try_from(row.int(3)?).map_err(|_| StoreError::Row { column: 3, expected: "a release" })?;
        Ok(Self {
            app: AppRef { id: AppId::new(row.text(0)?), env: row.parse::<Env>(1, "an environment")? },
            name: row.text(2)?.into(),
            release: ReleaseNumber(release),
            grants: serde_json::from_str(row.text(4)?).map_err(|error| StoreError::Json(Arc::new(error)))?,
            image: digest(5)?,
            assets: digest(6)?,
            credential_epoch: row.uint(7)?,
            cut_at: row.opt_time(8)?,
        })
    }
}

impl Route {
    /// From a row, with what goes on from the route before it. `None` for rows that cannot be understood: nobody comes
    /// in by them.
    pub(crate) fn new(stored: Stored, config: &Config, before: Option<&Self>, now: Timestamp) -> Option<Self> {
        let Stored { app, name, release, grants, image, assets, credential_epoch, cut_at } = stored;
        let label = label(&name, app.env);
        let limits = grants.rates();
        let rates = before.map(|before| &before.rates).filter(|rates| rates.limits().eq(limits.iter().copied()));
        // INVARIANT: what was cut comes back only with newer credentials, however late its row is read. Newer ones say
        // that there was a cut: where this node heard of it and of what opened the app again at once, it is cut here.
        let live = match before {
            Some(before) if credential_epoch > before.credential_epoch => {
                before.live.cut(now);
                Live::after(&before.live)
            }
            Some(before) => Arc::clone(&before.live),
            None => Live::new(),
        };
        if let Some(at) = cut_at {
            live.cut(at);
        }
        let same_code = before.filter(|before| before.code.is_of(image, grants.limits().parallel));
        Some(Self {
            url: config.url(&label),
            host: format!("{label}.{}", config.apps_domain),
            release,
            credential_epoch,
            kind: grants.profile,
            access: grants.access()?,
            named_groups: grants.named_groups(),
            limits: grants.limits(),
            rates: rates.map_or_else(|| Arc::new(crate::rates::Rates::new(&limits)), Arc::clone),
            secrets: grants.secrets.keys().cloned().collect(),
            jobs: grants
                .jobs
                .iter()
                .map(|(job, (schedule, zone))| (job.clone(), format!("{schedule} ({zone})")))
                .collect(),
            csp: csp::policy(&grants.hosts)?,
            target: act::target(config.tenant.clone(), &app),
            code: same_code.map_or_else(|| Code::new(image, grants.limits().parallel), |before| before.code.clone()),
            listing: Listing::new(assets),
            live,
            label,
            app,
            name,
        })
    }

    /// Of one that was cut: nothing of it is on its way when this returns.
    pub(crate) async fn ended(&self) {
        if self.live.is_cut() {
            self.live.drain(PATIENCE).await;
        }
    }

    pub(crate) fn is_public(&self, path: &str) -> bool {
        self.access.public.iter().any(|pattern| pattern.matches(path))
    }

    /// Whether the app may be used from this address at all.
    pub(crate) fn answers(&self, client: std::net::IpAddr) -> bool {
        let networks = &self.access.addresses;
        networks.is_empty() || networks.iter().any(|net| net.contains(&client.to_canonical()))
    }

    pub(crate) fn needs_second_factor(&self, path: &str) -> bool {
        self.access.mfa.iter().any(|pattern| pattern.matches(path))
    }
}
