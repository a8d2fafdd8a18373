//! Keys of subjects: deleting a row erases all free text of that person.
//!
//! Sealing may use a remembered key; opening never does, so that a key which was deleted on any node is dead at once.

use crate::{Row, StoreError, engine::EngineTx, params, sql};
use model::TenantId;
use seal::{Context, Purpose, PurposeKey, RootKey, SubjectKey};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Remembered keys: some 200 bytes each. When full, all are forgotten and read again.
const REMEMBERED_MAX: usize = 10_000;

type Name = (TenantId, String);

#[derive(Debug)]
pub(crate) struct Subjects {
    root: RootKey,
    remembered: Mutex<HashMap<Name, SubjectKey>>,
}

impl Subjects {
    pub(crate) fn new(root: RootKey) -> Self {
        Self { root, remembered: Mutex::default() }
    }

    fn wrapping(&self, tenant: &TenantId) -> PurposeKey {
        self.root.tenant(tenant).purpose(Purpose::SubjectWrap)
    }

    /// The key to seal with; made in this transaction when the subject has none. `remember` it after the commit.
    pub(crate) async fn sealing(
        &self,
        tx: &mut EngineTx,
        tenant: &TenantId,
        subject: &str,
    ) -> Result<SubjectKey, StoreError> {
        let name = (tenant.clone(), subject.to_owned());
        if let Some(key) = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Ok(key.clone());
        }
        if let Some(row) = tx.query(sql::SUBJECT_KEY, params![tenant, subject]).await?.first() {
            return self.unwrap(tenant, subject, row);
        }
        let key = SubjectKey::generate();
        let wrapped = key.wrap(&self.wrapping(tenant), &context(subject));
        if tx.execute(sql::INSERT_SUBJECT_KEY, params![tenant, subject, wrapped]).await? == 1 {
            return Ok(key);
        }
        // Another transaction was first.
        let rows = tx.query(sql::SUBJECT_KEY, params![tenant, subject]).await?;
        self.unwrap(tenant, subject, rows.first().ok_or_else(|| StoreError::row(0, "a subject's key"))?)
    }

    pub(crate) fn remember(&self, tenant: &TenantId, subject: String, key: SubjectKey) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (tenant.clone(), subject);
        if remembered.contains_key(&name) {
            return;
        }
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(name, key);
    }

    pub(crate) fn forget(&self, tenant: &TenantId, subject: &str) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.remove(&(tenant.clone(), subject.to_owned()));
    }

    /// Opens a stored key, for reading.
    pub(crate) fn unwrap(&self, tenant: &TenantId, subject: &str, row: &Row) -> Result<SubjectKey, StoreError> {
        SubjectKey::unwrap(&self.wrapping(tenant), &context(subject), row.bytes(0)?).map_err(StoreError::seal)
    }
}

fn context(subject: &str) -> Context {
    Context::table("subject_keys").column("wrapped").row(subject)
}
