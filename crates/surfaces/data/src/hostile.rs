//! What a guest's JSON is read as, for tests that send many documents; nothing of the product calls it.
//!
//! Refuses to touch a database: it only reads.

use crate::{act::Scope, collections::Collection, json, query::Query, records::Keys};
use authority::AppRef;
use model::{Env, Manifest, TenantId};
use seal::TenantKey;
use serde_json::Value;

/// A collection of a manifest, to ask questions of.
#[derive(Debug)]
pub struct Asked {
    keys: Keys,
    scope: Scope,
    collection: Collection,
}

impl Asked {
    /// The first collection; none without one.
    #[must_use]
    pub fn of(manifest: &Manifest, keys: &TenantKey) -> Option<Self> {
        let collection = Collection::declared_by(manifest).into_iter().next()?;
        let app = AppRef { id: model::AppId::new("a1"), env: Env::Prod };
        let scope = Scope { tenant: TenantId::main(), app, collection: collection.name.clone() };
        Some(Self { keys: Keys::of(keys), scope, collection })
    }

    /// Whether the document is a question that the collection can answer.
    #[must_use]
    pub fn understands(&self, value: Value) -> bool {
        Query::of(&self.keys, &self.scope, &self.collection, value).is_ok()
    }
}

/// The document, read strictly.
#[must_use]
pub fn document(bytes: &[u8]) -> Option<Value> {
    json::read(bytes).ok()
}
