//! Content by digest: bundles, images, static files. In the database, or outside in a depot (`content.rs`).
//!
//! It is brought where it will lie (`Blobs::keep`) before the transaction begins, then named by it (`Tx::put_blob`).
//! Refuses content that is not what its digest says.

use crate::{Digest, Store, StoreError, Tx, params, sql};
use model::TenantId;

/// Reads and keeps content of one tenant.
#[derive(Debug, Clone, Copy)]
pub struct Blobs<'a> {
    store: &'a Store,
    tenant: &'a TenantId,
}

/// Content that is where it will lie, and that no row names yet.
#[derive(Debug)]
#[must_use = "what no row names is given up"]
pub struct Blob {
    digest: Digest,
    size: usize,
    at: At,
}

#[derive(Debug)]
enum At {
    /// It goes into the database with the row.
    Here(Vec<u8>),
    Outside(String),
    /// A row named it before.
    Named,
}

impl Blob {
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl Store {
    #[must_use]
    pub const fn blobs<'a>(&'a self, tenant: &'a TenantId) -> Blobs<'a> {
        Blobs { store: self, tenant }
    }
}

impl Blobs<'_> {
    /// # Errors
    /// As `Store::read`; `StoreError::Row` when the content was altered in the database, `StoreError::Depot` when it
    /// lies outside and cannot be had.
    pub async fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(row) = self.store.read_one(sql::BLOB, params![self.tenant, *digest]).await? else {
            return Ok(None);
        };
        let bytes = self.store.content(row.bytes(0)?, row.opt_text(1)?).await?;
        if Digest::of(&bytes) != *digest {
            return Err(StoreError::row(0, "what its digest says"));
        }
        Ok(Some(bytes))
    }

    /// Brings content where it will lie. Await nothing of it within a transaction.
    ///
    /// # Errors
    /// `StoreError::Depot` when it lies outside and cannot be put there: then nothing that needs it can be done.
    pub async fn keep(&self, bytes: Vec<u8>) -> Result<Blob, StoreError> {
        let all = self.keep_all(vec![bytes]).await?;
        all.into_iter().next().ok_or(StoreError::Closed)
    }

    /// The same for several, in order.
    ///
    /// # Errors
    /// As `keep`.
    pub async fn keep_all(&self, all: Vec<Vec<u8>>) -> Result<Vec<Blob>, StoreError> {
        let mut kept = Vec::with_capacity(all.len());
        let mut going = Vec::new();
        for bytes in all {
            let (digest, size) = (Digest::of(&bytes), bytes.len());
            let at = if self.store.outside().is_none() {
                At::Here(bytes)
            } else {
                if !self.is_named(&digest).await? {
                    going.push((digest, bytes));
                }
                At::Named
            };
            kept.push(Blob { digest, size, at });
        }
        if going.is_empty() {
            return Ok(kept);
        }
        going.sort_by_key(|(digest, _)| *digest);
        going.dedup_by_key(|(digest, _)| *digest);
        let put = self.store.put_outside(self.tenant, "content", going).await?;
        for (digest, name) in put {
            if let Some(blob) = kept.iter_mut().find(|blob| blob.digest == digest) {
                blob.at = At::Outside(name);
            }
        }
        Ok(kept)
    }

    async fn is_named(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(!self.store.read(sql::HAS_BLOB, params![self.tenant, *digest]).await?.is_empty())
    }
}

impl Tx {
    /// Names content, once for each tenant: it is there when this is committed.
    ///
    /// # Errors
    /// As `execute`; `StoreError::Busy` when it was given up meanwhile.
    pub async fn put_blob(&mut self, blob: &Blob) -> Result<Digest, StoreError> {
        let tenant = self.tenant().clone();
        let (here, outside): (&[u8], _) = match &blob.at {
            At::Here(bytes) => (bytes, None),
            At::Outside(name) => (&[], Some(name.as_str())),
            At::Named => {
                let there = self.query_one(sql::HAS_BLOB, params![&tenant, blob.digest]).await?;
                return there.map(|_| blob.digest).ok_or_else(|| StoreError::busy("content was deleted meanwhile"));
            }
        };
        let row = params![&tenant, blob.digest, blob.size, here, outside];
        let new = self.execute(sql::INSERT_BLOB, row).await? == 1;
        if let (true, Some(name)) = (new, outside) {
            self.take_note(name).await?;
        }
        Ok(blob.digest)
    }

    /// # Errors
    /// As `execute`.
    pub async fn delete_blob(&mut self, digest: &Digest) -> Result<(), StoreError> {
        let row = [self.tenant().into(), (*digest).into()];
        self.execute(sql::GIVE_UP_BLOB, &row).await?;
        self.execute(sql::DELETE_BLOB, &row).await.map(drop)
    }
}
