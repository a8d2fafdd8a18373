//! Content that lies outside the database, in a depot: put there before the row that names it commits, compared with its
//! digest whenever it is read, kept by this machine as long as there is room.
//!
//! Each object has a name of its own, which holds its digest. What was put and is named by no row is noted in
//! `content_puts` before it is put; so nothing is ever deleted but what this very database put and did not name.
//!
//! INVARIANT: whoever names an object takes its note away in the same commit, and whoever gives one up marks the note
//! first. One of both comes too late, and sees it.

mod cache;

use crate::{Depot, DepotError, Digest, FreeWrite, Store, StoreError, Table, Tx, params, sql};
use cache::Cache;
use futures_util::{StreamExt, TryStreamExt, stream};
use model::TenantId;
use std::{path::PathBuf, time::Duration};

/// Objects on their way at once.
const AT_ONCE: usize = 8;
/// Objects that are moved or given up in one go.
const BATCH: usize = 64;
const NOTE: FreeWrite = FreeWrite::new(Table::ContentPuts, sql::NOTE_PUT);
const GIVE_UP: FreeWrite = FreeWrite::new(Table::ContentPuts, sql::GIVE_UP_PUT);
const FORGET: FreeWrite = FreeWrite::new(Table::ContentPuts, sql::FORGET_PUT);
const TAKE: FreeWrite = FreeWrite::new(Table::ContentPuts, sql::TAKE_PUT);
const MOVE_TILE: FreeWrite = FreeWrite::new(Table::Tiles, sql::MOVE_TILE);

/// The depot, and what this machine keeps of it.
#[derive(Debug)]
pub(crate) struct Outside {
    depot: Depot,
    cache: Cache,
}

impl Outside {
    pub(crate) fn new(depot: Depot, folder: PathBuf) -> Self {
        Self { depot, cache: Cache::open(folder) }
    }

    /// The content of an object, which is what its digest says or is not returned.
    async fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let digest = digest_of(name).ok_or_else(|| StoreError::row(1, "the name of an object"))?;
        if let Some(bytes) = self.cache.get(digest).await {
            return Ok(bytes);
        }
        let bytes = self.fetch(name, digest).await?;
        self.cache.keep(digest, &bytes).await;
        Ok(bytes)
    }

    async fn fetch(&self, name: &str, digest: Digest) -> Result<Vec<u8>, StoreError> {
        // Once more: what was bent on the way comes whole the second time.
        for _ in 0..2 {
            match self.depot.get(name).await? {
                Some(bytes) if Digest::of(&bytes) == digest => return Ok(bytes),
                Some(_) | None => {}
            }
        }
        tracing::error!(name, place = %self.depot, "an object is missing, or not what its digest says");
        Err(self.depot.altered().into())
    }
}

fn digest_of(name: &str) -> Option<Digest> {
    format!("sha256:{}", name.split('/').nth(1)?).parse().ok()
}

fn name_of(kind: &str, digest: &Digest) -> String {
    format!("{kind}/{}/{}", digest.to_hex(), hex::encode(seal::random_bytes::<16>()))
}

/// What is to be put.
pub(crate) struct Going {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// Content that was carried out and is still named nowhere.
#[derive(Debug)]
pub struct Carried(Vec<(Digest, String)>);

impl Carried {
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Store {
    /// Content of a row, wherever it lies.
    pub(crate) async fn content(&self, here: &[u8], outside: Option<&str>) -> Result<Vec<u8>, StoreError> {
        match (outside, &self.outside) {
            (None, _) => Ok(here.to_vec()),
            (Some(name), Some(outside)) => outside.get(name).await,
            (Some(_), None) => Err(DepotError::Unconfigured.into()),
        }
    }

    /// The same for a backup, which reads everything once: nothing is kept.
    pub(crate) async fn content_once(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let outside = self.outside.as_ref().ok_or(DepotError::Unconfigured)?;
        let digest = digest_of(name).ok_or_else(|| StoreError::row(1, "the name of an object"))?;
        match outside.cache.get(digest).await {
            Some(bytes) => Ok(bytes),
            None => outside.fetch(name, digest).await,
        }
    }

    /// Where content is put, if not into the database.
    pub(crate) const fn outside(&self) -> Option<&Outside> {
        self.outside.as_ref()
    }

    /// Puts content under new names of a kind, after it was noted.
    pub(crate) async fn put_outside(
        &self,
        tenant: &TenantId,
        kind: &str,
        all: Vec<(Digest, Vec<u8>)>,
    ) -> Result<Vec<(Digest, String)>, StoreError> {
        let outside = self.outside.as_ref().ok_or(DepotError::Unconfigured)?;
        let now = self.clock.now();
        let going: Vec<_> =
            all.into_iter().map(|(digest, bytes)| (digest, Going { name: name_of(kind, &digest), bytes })).collect();
        let notes: Vec<_> =
            going.iter().map(|(_, one)| (NOTE, params![tenant, one.name.as_str(), now].to_vec())).collect();
        self.housekeeping().batch(&notes).await?;
        let put = stream::iter(going).map(|(digest, one)| async move {
            outside.cache.keep(digest, &one.bytes).await;
            outside.depot.put(&one.name, one.bytes).await?;
            Ok::<_, StoreError>((digest, one.name))
        });
        put.buffered(AT_ONCE).try_collect().await
    }

    /// Carries content that lies in the database out; the act that then names it is `Tx::name_carried`.
    ///
    /// # Errors
    /// As a write; when the depot cannot be used.
    pub async fn carry_out(&self, tenant: &TenantId) -> Result<Carried, StoreError> {
        if self.outside.is_none() {
            return Ok(Carried(Vec::new()));
        }
        let mut all = Vec::new();
        for row in self.read(sql::BLOBS_INSIDE, params![tenant, BATCH / AT_ONCE]).await? {
            let digest: Digest = row.parse(0, "a digest")?;
            let bytes = row.bytes(1)?;
            if Digest::of(bytes) != digest {
                return Err(StoreError::row(1, "what its digest says"));
            }
            all.push((digest, bytes.to_vec()));
        }
        self.put_outside(tenant, "content", all).await.map(Carried)
    }

    /// Moves tiles that will not change any more out. How many: not those that another node moved, or whose object was
    /// given up, meanwhile.
    ///
    /// # Errors
    /// As `carry_out`.
    pub async fn move_tiles(&self, tenant: &TenantId) -> Result<usize, StoreError> {
        if self.outside.is_none() {
            return Ok(0);
        }
        let (hashes, entries) = crate::tree::full_bytes();
        let rows = self.read(sql::TILES_INSIDE, params![tenant, hashes, entries, BATCH]).await?;
        let mut paths = Vec::new();
        let mut all = Vec::new();
        for row in rows {
            let bytes = row.bytes(1)?.to_vec();
            paths.push(row.text(0)?.to_owned());
            all.push((Digest::of(&bytes), bytes));
        }
        let put = self.put_outside(tenant, "tiles", all).await?;
        let mut moved = 0;
        for (path, (_, name)) in paths.iter().zip(&put) {
            let named = (MOVE_TILE, params![tenant, path.as_str(), name.as_str()]);
            moved += usize::from(self.housekeeping().pair([named, (TAKE, params![tenant, name.as_str()])]).await?);
        }
        Ok(moved)
    }

    /// Deletes objects that were put longer than `grace` ago and that nothing names. How many.
    ///
    /// # Errors
    /// As a write; when the depot cannot be used. What is left is tried again.
    pub async fn collect_content(&self, tenant: &TenantId, grace: Duration) -> Result<usize, StoreError> {
        let Some(outside) = &self.outside else { return Ok(0) };
        let before = self.clock.now().minus(grace);
        self.housekeeping().execute(GIVE_UP, params![tenant, before]).await?;
        let rows = self.read(sql::GIVEN_UP, params![tenant, BATCH]).await?;
        for row in &rows {
            let name = row.text(0)?;
            // A second look, though whoever names an object takes its note away.
            if self.read(sql::IS_NAMED, params![tenant, name]).await?.is_empty() {
                outside.depot.delete(name).await?;
            }
            self.housekeeping().execute(FORGET, params![tenant, name]).await?;
        }
        Ok(rows.len())
    }

    /// Refuses to go on without the depot that rows name.
    pub(crate) async fn check_configured(&self) -> Result<(), StoreError> {
        if self.outside.is_none() && !self.read(sql::ANY_OUTSIDE, &[]).await?.is_empty() {
            return Err(DepotError::Unconfigured.into());
        }
        Ok(())
    }
}

impl Tx {
    /// What was carried out lies there from this commit on.
    ///
    /// # Errors
    /// As `execute`; `StoreError::Busy` when it was given up meanwhile.
    pub async fn name_carried(&mut self, carried: &Carried) -> Result<(), StoreError> {
        let tenant = self.tenant().clone();
        for (digest, name) in &carried.0 {
            self.execute(sql::MOVE_BLOB, params![&tenant, *digest, name.as_str()]).await?;
            self.take_note(name).await?;
        }
        Ok(())
    }

    /// INVARIANT: an object is named only by whoever takes its note away.
    pub(crate) async fn take_note(&mut self, name: &str) -> Result<(), StoreError> {
        let row = params![self.tenant(), name];
        match self.execute(sql::TAKE_PUT, row).await? {
            1 => Ok(()),
            _ => Err(StoreError::busy("what was put into the depot was given up meanwhile")),
        }
    }
}
