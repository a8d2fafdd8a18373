//! Data: records that the platform keeps for an app, classified, encrypted and expiring by declaration.
//!
//! App code calls it over HTTP that never leaves the process, at `http://data.bailiwick` (`Data::answer`). Whose rows
//! are meant comes from the running instance alone, and every statement carries tenant, app and environment.
//!
//! Refuses: undeclared collections and fields, values of another type or size, order and ranges of encrypted fields,
//! updates of a version that is no longer the newest, records past their retention, calls of what was cut, exports for
//! whoever is in no named group or has shown no second factor, and whoever asks for more before reading what is there.
//!
//! A record is kept for its collection's `retain` from its creation; changing it does not prolong that. A release that
//! shortens `retain` shortens it for what is stored already; one that lengthens it does so for new records alone.

mod act;
mod answer;
mod call;
mod collections;
mod cursor;
mod error;
#[doc(hidden)]
pub mod hostile;
mod json;
mod migrations;
mod noted;
mod places;
mod query;
mod records;
mod refusal;
mod retention;
mod surface;
mod value;

pub use act::{ExpireData, ExportData, ReadData, Verb, WriteData};
pub use error::Error;
pub use migrations::MIGRATIONS;
pub use retention::Purged;

use authority::Authority;
use model::{Clock, TenantId};
use seal::TenantKey;
use std::sync::Arc;
use store::Store;

/// The host that the broker answers in process.
pub const HOST: &str = "data.bailiwick";

/// What data is built from.
#[derive(Debug)]
pub struct Config {
    pub tenant: TenantId,
    pub keys: TenantKey,
    /// This node's name, for receipts.
    pub node: String,
}

/// The collections of one tenant's apps.
#[derive(Debug)]
pub struct Data {
    store: Arc<Store>,
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    config: Config,
    keys: records::Keys,
    memory: collections::Memory,
    room: places::Room,
}

impl Data {
    /// Holds nothing open until `load_all`.
    #[must_use]
    pub fn new(store: Arc<Store>, authority: Arc<Authority>, clock: Arc<dyn Clock>, config: Config) -> Self {
        let keys = records::Keys::of(&config.keys);
        let (memory, room) = (collections::Memory::default(), places::Room::default());
        Self { store, authority, clock, config, keys, memory, room }
    }

    /// Brings what apps have open into memory: at start, and after the feed was lost.
    ///
    /// # Errors
    /// When the database cannot be read; memory stays as it was.
    pub async fn load_all(&self) -> Result<(), Error> {
        self.memory.load_all(&self.store, &self.config.tenant).await
    }
}
