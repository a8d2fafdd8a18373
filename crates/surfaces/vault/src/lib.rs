//! The vault: secrets that apps can use and never see.
//!
//! App code holds placeholders, random for each instance. The value joins a request outside the sandbox, in its one
//! declared position, towards its own hosts, after the use is on the record; what comes back is searched for it.
//!
//! Refuses to show a value: no function returns one, no type that holds one can be printed. Refuses an id to a second
//! app, a placeholder anywhere but in its place, a use that cannot be recorded.

#![allow(clippy::result_large_err, reason = "a refusal is a `Problem`, made once and shown as it is")]

mod act;
mod attach;
mod bindings;
mod entry;
mod error;
mod host;
#[doc(hidden)]
pub mod hostile;
mod migrations;
mod needle;
mod place;
mod placeholder;
mod refusal;
mod scrub;
mod secrets;
mod surface;
mod value;

pub use act::{ListSecrets, PutSecret, RevokeSecret, RotateSecret, UseSecret};
pub use attach::{Attached, Destination};
pub use entry::{Owner, Revoked, SecretState, SecretView, Sensitivity, Standing};
pub use error::Error;
pub use host::SecretHost;
pub use migrations::MIGRATIONS;
pub use place::Place;
pub use placeholder::{PLACEHOLDER_PREFIX, PLACEHOLDER_TAIL};
pub use scrub::Scrubber;
/// How a value comes in: wiped when dropped, shown by nothing.
pub use secrecy::SecretString;
pub use value::{VALUE_BYTES_MAX, VALUE_BYTES_MIN};

use authority::{AppRef, Authority};
use model::{Clock, Env, Manifest, SecretId, TenantId};
use seal::{Purpose, PurposeKey, TenantKey};
use std::{collections::BTreeMap, sync::Arc};
use store::Store;

/// What the vault is built from.
#[derive(Debug)]
pub struct Config {
    pub tenant: TenantId,
    pub keys: TenantKey,
    pub node: String,
}

/// The secrets of one tenant.
#[derive(Debug)]
pub struct Vault {
    store: Arc<Store>,
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    tenant: TenantId,
    node: String,
    key: PurposeKey,
    memory: bindings::Memory,
    placeholders: placeholder::Tables,
}

impl Vault {
    #[must_use]
    pub fn new(store: Arc<Store>, authority: Arc<Authority>, clock: Arc<dyn Clock>, config: Config) -> Self {
        Self {
            store,
            authority,
            clock,
            key: config.keys.purpose(Purpose::SecretValue),
            tenant: config.tenant,
            node: config.node,
            memory: bindings::Memory::default(),
            placeholders: placeholder::Tables::default(),
        }
    }

    /// Brings every app's bindings into memory, at start and after the feed was lost.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn load_all(&self) -> Result<(), Error> {
        self.memory.load_all(&self.store, &self.tenant).await
    }

    /// The versions of the secrets that an app has bound: what its approval named. 0 where nothing was put then.
    #[must_use]
    pub fn versions(&self, app: &AppRef) -> BTreeMap<SecretId, u64> {
        let bound = self.memory.find(app);
        let all = bound.iter().flat_map(|bound| bound.variables.values());
        all.map(|binding| (binding.secret.clone(), binding.version)).collect()
    }

    /// The versions that the secrets of a manifest have now: what an approval of it names. 0 where nothing is put yet.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn versions_now(&self, manifest: &Manifest, env: Env) -> Result<BTreeMap<SecretId, u64>, Error> {
        let mut versions = BTreeMap::new();
        for used in manifest.secrets.values() {
            let entry = self.entry(&used.id, env).await?;
            versions.insert(used.id.clone(), entry.map_or(0, |entry| entry.version));
        }
        Ok(versions)
    }
}
