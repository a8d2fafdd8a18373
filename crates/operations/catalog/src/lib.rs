//! The catalog: apps, their releases and environments, gates, approvals and lifecycle. It drives the surfaces, through
//! the trait alone.
//!
//! A release passes `Upload → Unpacked → Checked → Decided → Approved → Live`, each a type that only its predecessor
//! makes: there is no way to serve what was not checked, decided and approved.

mod app_jobs;
mod approve;
mod apps;
mod decide;
mod deploy;
mod document;
mod due;
mod error;
mod expire;
mod gates;
mod independence;
mod jobs;
mod live;
mod migrations;
mod nodes;
mod rebuild;
mod receipts;
mod releases;
mod remove;
mod requests;
mod restore;
mod retire;
mod revoke;
mod rollback;
mod secrets;
mod upload;
mod void;
mod waivers;

pub use app_jobs::{AppJobs, JobCall, JobDone, JobRunner, RunJob};
pub use approve::{ApproveRequest, RejectRequest};
pub use apps::{AppView, Deployment, ListApps, SeeApp};
pub use decide::{Approved, Decided};
pub use deploy::{DeployApp, First};
pub use document::{
    Approval, Deployed, Grace, Kept, Receipt, RestoreEmpty, RestoreOff, RestoreWaits, Restored, RestoredEnv, Retired,
    Status,
};
pub use error::Error;
pub use gates::{CheckDocument, Checked, Mended, Mending, Verdict, check};
pub use independence::{From as VouchedFrom, Voucher, Vouchers};
pub use jobs::next_after as next_time;
pub use migrations::MIGRATIONS;
pub use rebuild::RebuildRelease;
pub use receipts::{ReadReceipt, ReceiptRead, Since, SwitchedOff};
pub use releases::{
    Content, ReadSource, ReleaseView, Yes,
    files::{FileChange, Length},
};
pub use remove::{GRACE, Removal};
pub use requests::{ListRequests, RequestState, RequestView, SentBack};
pub use restore::RestoreApp;
pub use retire::RetireApp;
pub use revoke::RevokeApp;
pub use rollback::RollBack;
pub use secrets::SecretVersions;
pub use upload::{MOCK_FOLDER, UPLOAD_MAX_BYTES, Unpacked, Upload};
pub use waivers::{EndWaiver, GrantWaiver, ListWaivers, WaiverView, WaiverWish, Waivers, held_off};

use apps::Apps;
use authority::{AppRef, Authority, Surface};
use model::{Clock, Env, Manifest, TenantId};
use std::{sync::Arc, time::Duration};
use store::{Store, Tx};

/// Where apps are served: how an address is made of a name.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// `http` or `https`.
    pub scheme: String,
    /// Domain and port: `localhost:7070`, `corp-apps.example`.
    pub domain: String,
}

impl Addresses {
    /// `http://tinypoll.localhost:7070`; staging at `tinypoll--staging`.
    #[must_use]
    pub fn url(&self, name: &str, env: Env) -> String {
        match env {
            Env::Prod => format!("{}://{name}.{}", self.scheme, self.domain),
            Env::Staging => format!("{}://{name}--staging.{}", self.scheme, self.domain),
        }
    }
}

/// The surfaces, in the order in which they are cut.
pub type Surfaces = Vec<Arc<dyn Surface<Tx>>>;

/// What the catalog stands on.
pub struct Rooms {
    pub store: Arc<Store>,
    pub authority: Arc<Authority>,
    pub clock: Arc<dyn Clock>,
    pub surfaces: Surfaces,
    pub secrets: Arc<dyn SecretVersions>,
    pub vouchers: Arc<dyn Vouchers>,
}

/// Apps of one tenant, and what may be done with them.
pub struct Catalog {
    pub(crate) store: Arc<Store>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) surfaces: Surfaces,
    pub(crate) tenant: TenantId,
    pub(crate) addresses: Addresses,
    pub(crate) secrets: Arc<dyn SecretVersions>,
    pub(crate) vouchers: Arc<dyn Vouchers>,
    pub(crate) apps: Apps,
    pub(crate) waivers: waivers::InMemory,
    /// One finishes receipts at a time: each is written once.
    pub(crate) finishing: tokio::sync::Mutex<()>,
    ceiling: Option<Ceiling>,
    grace: Option<Duration>,
}

/// The most that any app gets here, whatever its manifest asks: for a server that is thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceiling {
    /// Requests that run at once.
    pub parallel: u32,
    /// Bytes of data that it may keep.
    pub storage_bytes: u64,
}

impl Ceiling {
    fn over(self, manifest: &Manifest) -> Manifest {
        let mut given = manifest.clone();
        let limits = &mut given.runtime.limits;
        limits.parallel = limits.parallel.min(self.parallel);
        limits.storage_bytes = limits.storage_bytes.min(self.storage_bytes);
        given
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl Catalog {
    #[must_use]
    pub fn new(rooms: Rooms, tenant: TenantId, addresses: Addresses) -> Self {
        let Rooms { store, authority, clock, surfaces, secrets, vouchers } = rooms;
        Self {
            store,
            authority,
            clock,
            surfaces,
            tenant,
            addresses,
            secrets,
            vouchers,
            apps: Apps::default(),
            waivers: waivers::InMemory::default(),
            finishing: tokio::sync::Mutex::default(),
            ceiling: None,
            grace: Some(GRACE),
        }
    }

    /// The same, below a ceiling.
    #[must_use]
    pub fn below(self, ceiling: Option<Ceiling>) -> Self {
        Self { ceiling, ..self }
    }

    /// The same, with another grace; of `None`, nothing is removed by itself.
    #[must_use]
    pub fn with_grace(self, grace: Option<Duration>) -> Self {
        Self { grace, ..self }
    }

    /// What surfaces open: as the manifest asks, and no more than is given here.
    pub(crate) fn given(&self, manifest: &Arc<Manifest>) -> Arc<Manifest> {
        self.ceiling.map_or_else(|| Arc::clone(manifest), |ceiling| Arc::new(ceiling.over(manifest)))
    }

    /// Brings the app's rows into the memory of every surface, after a commit or a word of the feed.
    ///
    /// # Errors
    /// The first surface that could not.
    pub async fn refresh_surfaces(&self, app: &AppRef) -> Result<(), Error> {
        for surface in &self.surfaces {
            surface.refresh(app).await?;
        }
        Ok(())
    }

    #[must_use]
    pub fn url(&self, name: &str, env: Env) -> String {
        self.addresses.url(name, env)
    }

    /// The surfaces, for what an app holds and used.
    #[must_use]
    pub fn surfaces(&self) -> &Surfaces {
        &self.surfaces
    }
}
