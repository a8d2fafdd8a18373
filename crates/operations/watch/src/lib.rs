//! The watch: people are told of what they should know, by mail and by a webhook. The commit of an act writes that it is to
//! be told (`store::Notice`); here is decided who is told, in which words, and it is sent, at least once.
//!
//! Warnings of what ends are acts of the system, with events of their own, and so are alarms. Refuses to hold up any act:
//! nothing here is awaited by one.

mod acts;
mod alarms;
mod certificate;
mod channels;
mod endings;
mod error;
mod log;
mod migrations;
mod parts;
mod removals;
mod send;
mod settings;
mod spread;
mod sql;
mod warn;
mod words;

pub use acts::{AckNotice, ListNotices, SeeNotice, TestNotices};
pub use alarms::watch_for_alarms;
pub use certificate::{Own as OwnCertificate, of as own_certificate};
pub use channels::{Channels, Failed, Lasts, Mail, Webhook};
pub use endings::Thing;
pub use error::Error;
pub use log::{Notices, Sent, WhichNotices};
pub use migrations::MIGRATIONS;
pub use parts::{Part, Parts};
pub use send::Tested;
pub use settings::{Address, Hook, Notify, Smtp, Wrapping};
pub use warn::{REMOVAL_FIRST_DAYS, Warning};

use alarms::Alarms;
use authority::{Act, Authority, Caller, Permit};
use gateway::Certificates;
use identity::Identity;
use model::{AppId, Clock, Problem, TenantId, Timestamp};
use rustls_pki_types::CertificateDer;
use std::sync::Arc;
use store::Store;

/// How apps and actors are called: what other rooms know.
pub trait Names: Send + Sync {
    fn app(&self, app: &AppId) -> Option<Arc<str>>;

    /// `person:ID` and `app:ID/ENV`, where they are known.
    fn actor(&self, actor: &str) -> Option<String>;

    /// Apps that nobody keeps.
    fn removals(&self) -> Vec<Removal>;
}

/// An app whose data is deleted, unless somebody keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    pub app: AppId,
    /// Not before; and not before its people were warned.
    pub at: Timestamp,
}

/// What the watch stands on.
pub struct Rooms {
    pub store: Arc<Store>,
    pub authority: Arc<Authority>,
    pub identity: Arc<Identity>,
    pub clock: Arc<dyn Clock>,
    pub names: Arc<dyn Names>,
    /// The server's own: they end too.
    pub certificates: Option<Arc<Certificates>>,
}

/// What the operator said.
#[derive(Debug)]
pub struct Config {
    pub tenant: TenantId,
    /// The console's address: notices link to its pages.
    pub public_url: String,
    pub notify: Notify,
    /// Trusted beside the public roots.
    pub ca: Vec<CertificateDer<'static>>,
}

/// Who is told what, of one tenant.
pub struct Watch {
    store: Arc<Store>,
    authority: Arc<Authority>,
    identity: Arc<Identity>,
    clock: Arc<dyn Clock>,
    names: Arc<dyn Names>,
    certificates: Option<Arc<Certificates>>,
    tenant: TenantId,
    public_url: String,
    channels: Channels,
    alarms: Alarms,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl Watch {
    /// # Errors
    /// A certificate that cannot be used.
    pub fn new(rooms: Rooms, config: Config) -> Result<Self, Problem> {
        let Rooms { store, authority, identity, clock, names, certificates } = rooms;
        let Config { tenant, public_url, notify, ca } = config;
        let channels = Channels::new(&notify, &ca)?;
        let alarms = Alarms::default();
        Ok(Self { store, authority, identity, clock, names, certificates, tenant, public_url, channels, alarms })
    }

    /// Spreads what was committed, and sends what is due.
    ///
    /// # Errors
    /// When rows cannot be read or written.
    pub async fn tell(&self) -> Result<(), Error> {
        self.spread_notices().await?;
        self.send_due().await.map(drop)
    }

    /// For what the system does by itself; a refusal is an event.
    async fn permit<A: Act>(&self, caller: &Caller, act: A) -> Result<Permit<A>, Error> {
        let target = act.target();
        let answer = self.authority.permit(caller, act).await;
        if let Err(denied) = &answer
            && let Err(error) = self.store.denied(denied, caller, &target).await
        {
            tracing::error!(error = &error as &dyn std::error::Error, "a refusal could not be recorded");
        }
        Ok(answer?)
    }
}
