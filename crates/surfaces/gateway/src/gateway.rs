//! The gateway itself: what it is made of, and how its memory is brought up to date.

use crate::{
    Config, Doors, Lease, Log, SignIns, allowances::Allowances, assets::Files, code::Loader, cookies::Names,
    rates::Rate, record::Recorder, route::Route, routes::Routes, shares::Shares,
};
use authority::{AppRef, Authority};
use axum::body::Body;
use http::{Response, StatusCode};
use model::{
    Clock, Timestamp,
    manifest::{LimitBy, RateLimit, normalise_path},
};
use sandbox::Sandbox;
use std::{sync::Arc, time::Duration};
use store::{Store, StoreError};

/// What goes wrong in the gateway itself; refusals to people are pages.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("routes could not be read or written")]
    Store(#[from] StoreError),
}

impl store::HoldsStoreError for Error {
    fn store_error(&self) -> Option<&StoreError> {
        let Self::Store(error) = self;
        Some(error)
    }
}

/// The rooms that the gateway works with.
pub struct Rooms {
    pub store: Arc<Store>,
    pub authority: Arc<Authority>,
    pub clock: Arc<dyn Clock>,
    pub sandbox: Arc<Sandbox>,
    pub sign_ins: Arc<dyn SignIns>,
    pub doors: Arc<dyn Doors>,
    pub log: Arc<dyn Log>,
    /// Under which this node serves; the assembly renews it.
    pub lease: Arc<Lease>,
}

/// Every byte that enters an app passes here.
pub struct Gateway {
    pub(crate) config: Config,
    pub(crate) store: Arc<Store>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sign_ins: Arc<dyn SignIns>,
    pub(crate) doors: Arc<dyn Doors>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) routes: Routes,
    pub(crate) loader: Arc<Loader>,
    pub(crate) files: Files,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) cookies: Names,
    /// Per address, for whoever is not signed in.
    pub(crate) strangers: Rate,
    /// The same at the console, for sessions that are not remembered.
    pub(crate) unknown: Rate,
    /// Where limits are counted when other nodes share the database.
    pub(crate) allowances: Option<Allowances>,
    /// Of what this node can do at once.
    pub(crate) shares: Arc<Shares>,
    pub(crate) lease: Arc<Lease>,
    /// From when on requests are counted here.
    pub(crate) started_at: Timestamp,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Gateway {
    #[must_use]
    pub fn new(config: Config, rooms: Rooms) -> Self {
        let Rooms { store, authority, clock, sandbox, sign_ins, doors, log, lease } = rooms;
        let strangers =
            RateLimit { count: config.limits.strangers_per_minute, per: Duration::from_secs(60), by: LimitBy::Address };
        let tenant = config.tenant.clone();
        Self {
            routes: Routes::default(),
            loader: Arc::new(Loader { store: Arc::clone(&store), sandbox, tenant: tenant.clone() }),
            files: Files::new(Arc::clone(&store), tenant.clone(), config.limits.asset_bytes),
            recorder: Arc::new(Recorder::new(Arc::clone(&store), Arc::clone(&clock))),
            cookies: Names::new(config.scheme, &config.instance),
            strangers: Rate::new(strangers),
            unknown: Rate::new(strangers),
            allowances: Allowances::new(&store, &tenant),
            shares: Shares::new(config.limits.requests),
            lease,
            started_at: clock.now(),
            config,
            store,
            authority,
            clock,
            sign_ins,
            doors,
            log,
        }
    }

    /// Whether a host (as the `Host` header has it) lies under the apps domain, and so is this room's to answer.
    #[must_use]
    pub fn owns(&self, host: &str) -> bool {
        self.config.label_of(host).is_some()
    }

    /// Who really asks: the peer, or whom a trusted proxy speaks for.
    #[must_use]
    pub fn client(&self, peer: std::net::IpAddr, headers: &http::HeaderMap) -> std::net::IpAddr {
        self.config.client(peer, headers.get_all("x-forwarded-for").iter())
    }

    /// When a person or a script last used the app, on this node or, before it started, by the record.
    #[must_use]
    pub fn last_used(&self, app: &AppRef) -> Option<Timestamp> {
        self.routes.of(app)?.live.used().1
    }

    /// The lease under which this node serves; the assembly renews it.
    #[must_use]
    pub const fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// This node may not serve any more: what runs is stopped, and its connections are closed. Nothing is cut: what
    /// comes once the lease runs again is served.
    pub fn stop_running(&self) -> usize {
        self.routes.all().iter().map(|route| route.live.interrupt()).sum()
    }

    /// Brings every route into memory: at start, and when the change feed was lost.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn load_all(&self) -> Result<(), Error> {
        Ok(self.routes.load_all(&self.store, &self.config).await?)
    }

    pub(crate) async fn reload(&self, app: &AppRef) -> Result<(), Error> {
        if let Some(route) = self.routes.refresh(&self.store, &self.config, app).await? {
            self.warm(route);
        }
        Ok(())
    }

    /// Makes the code ready behind the deploy, so that its first user need not wait.
    fn warm(&self, route: Arc<Route>) {
        if route.kind != crate::route::grants::Kind::Wasm || route.live.is_cut() {
            return;
        }
        let loader = Arc::clone(&self.loader);
        // Not kept: it ends by itself, and the first request waits for the same work.
        drop(tokio::spawn(async move {
            if let Err(error) = route.code.ready(&loader).await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(app = %route.app.id, error, "the app's code could not be made ready");
            }
        }));
    }

    /// A static file of an app's live release, as `env.assets.fetch` gets it; plain 404 when there is none.
    pub async fn asset(&self, app: &AppRef, asked: &http::request::Parts) -> Response<Body> {
        let plain = |status: StatusCode| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            response
        };
        if !matches!(asked.method, http::Method::GET | http::Method::HEAD) {
            return plain(StatusCode::METHOD_NOT_ALLOWED);
        }
        let Some(route) = self.routes.of(app).filter(|route| !route.live.is_cut()) else {
            return plain(StatusCode::NOT_FOUND);
        };
        let Ok(path) = normalise_path(asked.uri.path()) else { return plain(StatusCode::NOT_FOUND) };
        match self.files.find(&route.listing, &path).await {
            Ok(Some(asset)) => asset.respond(&asked.method, &asked.headers),
            Ok(None) => plain(StatusCode::NOT_FOUND),
            Err(error) => {
                tracing::error!(%error, "an asset could not be read");
                plain(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }
}
