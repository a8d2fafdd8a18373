//! A surface: everything that an app can touch, or be touched through. It can plan, open, tell and cut.
//!
//! The transaction is a type parameter, since `store` stands on this crate: rooms implement `Surface<store::Tx>`.

use crate::AppRef;
use async_trait::async_trait;
use model::{Manifest, ReleaseNumber, Timestamp};
use serde::{Deserialize, Serialize};

pub use model::manifest::SurfaceName;

/// What is opened: one approved release of an app in one environment.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub app: &'a AppRef,
    pub name: &'a str,
    pub release: ReleaseNumber,
    pub manifest: &'a Manifest,
    /// Digests of what the store holds of the release: what runs (none for static apps), and the list of its assets.
    pub image: Option<&'a str>,
    pub assets: Option<&'a str>,
    /// Which credentials this opening belongs to: rises at each revoke and restore.
    pub credential_epoch: u64,
    pub at: Timestamp,
}

/// One line of authority that the manifest asks for, in plain words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    pub surface: SurfaceName,
    pub sentence: String,
}

/// One grant that an app holds now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub surface: SurfaceName,
    /// What it is: a route, an account, a secret's id, a collection, a destination.
    pub item: String,
    pub why: Option<String>,
    pub until: Option<Timestamp>,
}

/// How often a grant was used, and when last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    pub surface: SurfaceName,
    pub item: String,
    pub count: u64,
    pub last: Option<Timestamp>,
    /// From when on `count` counts, where it begins anew with each start of a node; none where it is the record's own.
    pub since: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CutState {
    Dead,
    /// Will die by itself at `dead_by`.
    Expiring,
    Failed,
}

/// What one surface took back: a line of the receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    pub surface: SurfaceName,
    pub item: String,
    pub state: CutState,
    pub dead_at: Option<Timestamp>,
    pub dead_by: Option<Timestamp>,
    pub node: String,
    /// How, in words: `route closed; 2 requests stopped`.
    pub how: String,
}

/// A surface could not do what it was asked; the source goes to the operator's log.
#[derive(Debug, thiserror::Error)]
pub enum SurfaceError {
    /// The manifest asks for something that this surface refuses.
    #[error("{0}")]
    Refused(model::Problem),
    #[error("the surface `{surface}` failed")]
    Failed {
        surface: SurfaceName,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Law 3. One suite tests every implementation: plan → open → held → used → cut.
#[async_trait]
pub trait Surface<Tx: Send>: Send + Sync {
    fn name(&self) -> SurfaceName;

    /// What the manifest asks of this surface, in plain words. Reads nothing, changes nothing.
    fn plan(&self, manifest: &Manifest) -> Vec<Planned>;

    /// Writes the rows of what was approved, through the transaction that it is handed. Opening again is no change.
    async fn open(&self, tx: &mut Tx, ask: &Ask<'_>) -> Result<(), SurfaceError>;

    /// What the app holds now.
    async fn held(&self, app: &AppRef) -> Result<Vec<Held>, SurfaceError>;

    /// What it used of that.
    async fn used(&self, app: &AppRef) -> Result<Vec<Used>, SurfaceError>;

    /// Takes everything back in this node's memory, now, without waiting for the database. Cutting twice is no change.
    async fn cut(&self, app: &AppRef) -> Vec<Cut>;

    /// Makes the cut last: rows that keep it cut after a restart, in the transaction that records it.
    async fn cut_rows(&self, tx: &mut Tx, app: &AppRef) -> Result<(), SurfaceError>;

    /// Brings the app's rows into this node's memory: after a commit, and when the change feed names the app.
    async fn refresh(&self, app: &AppRef) -> Result<(), SurfaceError>;

    /// Deletes what the app leaves behind when it is retired; says what went, for the certificate.
    async fn retire(&self, tx: &mut Tx, app: &AppRef) -> Result<Vec<String>, SurfaceError>;
}
