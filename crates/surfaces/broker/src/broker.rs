//! The broker as the assembly holds it: what it stands on, and the loading of grants.

use crate::{
    EgressConfig, Error, Grant, Inside, Resolve, Secrets, connect,
    live::{Live, Lives},
    record::Record,
    resolve::addresses,
    special::Fence,
};
use arc_swap::ArcSwap;
use authority::{AppRef, Authority};
use model::{Problem, TenantId};
use rustls::ClientConfig;
use std::{collections::HashMap, net::SocketAddr, sync::Arc};
use store::Store;

/// What the broker is made of.
pub struct Rooms {
    pub tenant: TenantId,
    pub authority: Arc<Authority>,
    pub store: Arc<Store>,
    pub secrets: Arc<dyn Secrets>,
    pub dns: Arc<dyn Resolve>,
}

/// Carries what leaves an app. Shared by the whole server.
pub struct Broker {
    pub(crate) tenant: TenantId,
    pub(crate) config: EgressConfig,
    pub(crate) fence: Fence,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) store: Arc<Store>,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) dns: Arc<dyn Resolve>,
    pub(crate) record: Arc<Record>,
    pub(crate) lives: Lives,
    pub(crate) insides: ArcSwap<HashMap<String, Arc<dyn Inside>>>,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").finish_non_exhaustive()
    }
}

impl Broker {
    /// Holds no grant until `load_all`.
    ///
    /// # Errors
    /// `Error::Tls` when a certificate of `ca` cannot be used.
    pub fn new(config: EgressConfig, rooms: Rooms) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self {
            fence: Fence { private: config.private.clone(), own: config.own.clone() },
            tls: connect::tls(&config)?,
            record: Arc::new(Record::new(Arc::clone(&rooms.store), rooms.authority)),
            tenant: rooms.tenant,
            store: rooms.store,
            secrets: rooms.secrets,
            dns: rooms.dns,
            lives: Lives::default(),
            insides: ArcSwap::default(),
            config,
        }))
    }

    /// Where a host that an operator names may be reached: every address it leads to, judged as an app's would be. For
    /// what the platform itself calls; whoever calls connects to these and to nothing else.
    ///
    /// # Errors
    /// A host that leads to what is private or special, unless `[broker] private` opens it; one without an address.
    pub async fn addresses_of(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Problem> {
        addresses(&self.config, &self.fence, self.dns.as_ref(), host, port).await
    }

    /// Reads every grant into memory: at start, and when the feed says to read everything again.
    ///
    /// # Errors
    /// When the store cannot be read; memory stays as it was.
    pub async fn load_all(&self) -> Result<(), Error> {
        let put = |grants: Vec<(AppRef, Grant)>| {
            let mut apps: HashMap<AppRef, Vec<Grant>> = HashMap::new();
            for (app, grant) in grants {
                apps.entry(app).or_default().push(grant);
            }
            self.lives.put_all(apps, self.config.limits);
        };
        Ok(self.lives.renew(Grant::all(&self.store, &self.tenant), put).await?)
    }

    /// Calls of the app under way now.
    #[must_use]
    pub fn in_flight(&self, app: &AppRef) -> usize {
        self.lives.find(app).map_or(0, |live| live.under_way())
    }

    pub(crate) fn live(&self, app: &AppRef) -> Option<Arc<Live>> {
        self.lives.find(app)
    }
}
