//! How people sign in, as this node knows it: the provider in force and whether one-time links are, from the
//! configuration or from what operators set up in the console.
//!
//! The configuration goes first: what it says cannot be changed from here. Refuses a row that was not sealed for its
//! place: nobody who can write to the database alone becomes the one who says who people are.

use super::{Provider, ProviderConfig, Reach, sql};
use crate::{Error, Identity, Links};
use model::Timestamp;
use seal::{Context, Purpose, PurposeKey, TenantKey};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};
use store::Row;
use tokio::sync::Mutex;

/// Bytes of a digest that are shown and stored: it is compared, and told apart from a few others.
const DIGEST_BYTES: usize = 16;

/// What stands in the rows: the names of `sign_in_settings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// Set up, and not in force.
    Draft,
    /// In force.
    Provider,
    Links,
}

impl Setting {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Provider => "provider",
            Self::Links => "links",
        }
    }
}

/// A provider as an operator set it up; sealed whole, for its secret.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SetUp {
    pub(super) settings: Kept,
    /// What it said of itself when it was set up.
    pub(super) said: super::Described,
    /// Who set it up, or switched it on: `person:ID`, `machine:USER`. They vouch for whoever it vouches for.
    pub(super) by: String,
}

/// What the digest is about: all that decides how a sign-in goes.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: Option<String>,
    pub(super) groups_claim: String,
    pub(super) groups: BTreeMap<String, model::Group>,
    pub(super) everyone: Vec<model::Group>,
    pub(super) second_factor: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scopes: Option<Vec<String>>,
}

impl From<Kept> for ProviderConfig {
    fn from(kept: Kept) -> Self {
        let Kept { issuer, client_id, client_secret, groups_claim, groups, everyone, second_factor, scopes } = kept;
        Self { issuer, client_id, client_secret, groups_claim, groups, everyone, second_factor, scopes }
    }
}

/// A row, opened.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) set_up: SetUp,
    pub(super) digest: String,
    pub(super) changed_at: Timestamp,
}

/// The key of these rows.
#[derive(Debug)]
pub(super) struct Sealing(PurposeKey);

impl Sealing {
    fn context(setting: Setting) -> Context {
        Context::table("sign_in_settings").column("sealed").row(setting.as_str())
    }

    pub(super) fn seal<T: Serialize>(&self, setting: Setting, value: &T) -> Result<Vec<u8>, Error> {
        let plain = seal::Zeroizing::new(serde_json::to_vec(value).map_err(Error::State)?);
        Ok(self.0.seal(&Self::context(setting), &plain))
    }

    /// Keyed: the secret in it cannot be guessed from the digest.
    pub(super) fn digest(&self, kept: &Kept) -> Result<String, Error> {
        let plain = seal::Zeroizing::new(serde_json::to_vec(kept).map_err(Error::State)?);
        let digest = self.0.index(&Context::table("sign_in_settings").column("digest"), &plain);
        Ok(hex::encode(digest.get(..DIGEST_BYTES).unwrap_or(&digest)))
    }

    fn value<T: for<'a> Deserialize<'a>>(&self, setting: Setting, row: &Row) -> Result<T, Error> {
        let plain = self.0.open(&Self::context(setting), row.bytes(1)?)?;
        serde_json::from_slice(&plain).map_err(Error::State)
    }

    pub(super) fn set_up(&self, setting: Setting, row: &Row) -> Result<Opened, Error> {
        Ok(Opened { set_up: self.value(setting, row)?, digest: row.text(2)?.to_owned(), changed_at: row.time(3)? })
    }

    pub(super) fn links(&self, row: &Row) -> Result<Links, Error> {
        self.value(Setting::Links, row)
    }
}

/// What is in force.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(super) sealing: Sealing,
    /// Named by the configuration.
    pub(super) configured: Option<Arc<Provider>>,
    pub(super) configured_links: Option<Links>,
    /// How one that an operator names is reached.
    pub(super) reach: Arc<dyn Reach>,
    stored: RwLock<Stored>,
    /// One reader of rows at a time, so that older rows never replace newer ones.
    reading: Mutex<()>,
}

#[derive(Debug, Default, Clone)]
struct Stored {
    provider: Option<Arc<Provider>>,
    links: Option<Links>,
}

impl Standing {
    pub(crate) fn new(
        keys: &TenantKey,
        configured: Option<Provider>,
        configured_links: Option<Links>,
        reach: Arc<dyn Reach>,
    ) -> Self {
        Self {
            sealing: Sealing(keys.purpose(Purpose::SignIn)),
            configured: configured.map(Arc::new),
            configured_links,
            reach,
            stored: RwLock::default(),
            reading: Mutex::default(),
        }
    }

    fn stored(&self) -> Stored {
        self.stored.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn provider(&self) -> Option<Arc<Provider>> {
        self.configured.clone().or_else(|| self.stored().provider)
    }

    /// What was set up in the console vouches for nobody any more; memory alone.
    pub(crate) fn without(&self, digest: &str) {
        let mut stored = self.stored.write().unwrap_or_else(PoisonError::into_inner);
        stored.provider.take_if(|provider| provider.digest.as_deref() == Some(digest));
    }

    /// Whether this issuer says who people are.
    pub(crate) fn is_at(&self, issuer: &str) -> bool {
        self.provider().is_some_and(|provider| provider.config.issuer == issuer)
    }

    pub(super) fn links(&self) -> Links {
        self.links_said(self.stored().links)
    }

    /// With what somebody said of them in the console.
    pub(super) fn links_said(&self, in_console: Option<Links>) -> Links {
        self.configured_links.or(in_console).unwrap_or(Links::On)
    }
}

impl Identity {
    /// Brings how people sign in into memory, at start and after each change of it.
    ///
    /// # Errors
    /// When the database cannot be read, or a row is not what was sealed there.
    pub async fn load_sign_in(&self) -> Result<(), Error> {
        let _reading = self.standing.reading.lock().await;
        let (mut provider, mut links) = (None, None);
        for row in self.store.read(sql::SETTINGS, &[(&self.config.tenant).into()]).await? {
            match row.text(0)? {
                name if name == Setting::Provider.as_str() => {
                    provider = Some(self.standing.sealing.set_up(Setting::Provider, &row)?);
                }
                name if name == Setting::Links.as_str() => links = Some(self.standing.sealing.links(&row)?),
                _ => {}
            }
        }
        {
            let mut stored = self.standing.stored.write().unwrap_or_else(PoisonError::into_inner);
            // Within the lock: what is switched off meanwhile stands already, or edits what is put in here.
            *stored = Stored {
                provider: provider
                    .filter(|opened| self.stands(opened))
                    .map(|opened| self.in_force(opened, stored.provider.take())),
                links,
            };
        }
        self.end_strays();
        Ok(())
    }

    /// The same one as before, with what it is known to have said, unless it was set up anew.
    fn in_force(&self, opened: Opened, before: Option<Arc<Provider>>) -> Arc<Provider> {
        let same = before.filter(|before| before.digest.as_deref() == Some(opened.digest.as_str()));
        same.unwrap_or_else(|| Arc::new(self.of_row(opened)))
    }

    pub(super) fn of_row(&self, opened: Opened) -> Provider {
        let Opened { set_up, digest, .. } = opened;
        let reach = Arc::clone(&self.standing.reach);
        let provider = Provider::new(set_up.settings.into(), reach, &self.config.public_url, Arc::clone(&self.clock));
        Provider { set_by: Some(set_up.by.into()), digest: Some(digest), ..provider }
    }

    /// Whether one-time links may be made and used.
    #[must_use]
    pub fn links(&self) -> Links {
        self.standing.links()
    }
}
