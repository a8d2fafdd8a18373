//! Content by digest: bundles, assets, exports. Put within a transaction, got by any reader.
//!
//! Refuses content that does not match its digest. An object store can take the place of the table: the face is
//! `put` (`Tx::put_blob`), `get`, `delete` (`Tx::delete_blob`), and content never changes under its name.

use crate::{Digest, Store, StoreError, params, sql};
use model::TenantId;

/// Reads content of one tenant.
#[derive(Debug, Clone, Copy)]
pub struct Blobs<'a> {
    store: &'a Store,
    tenant: &'a TenantId,
}

impl Store {
    #[must_use]
    pub const fn blobs<'a>(&'a self, tenant: &'a TenantId) -> Blobs<'a> {
        Blobs { store: self, tenant }
    }
}

impl Blobs<'_> {
    /// # Errors
    /// As `Store::read`; `StoreError::Row` when the content was altered in the database.
    pub async fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(row) = self.store.read_one(sql::BLOB, params![self.tenant, *digest]).await? else {
            return Ok(None);
        };
        let bytes = row.bytes(0)?;
        if Digest::of(bytes) != *digest {
            return Err(StoreError::row(0, "what its digest says"));
        }
        Ok(Some(bytes.to_vec()))
    }
}
