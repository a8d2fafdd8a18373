//! Cursors: where a list goes on. Sealed, so that nobody makes one up or reads what a record's key says.
//!
//! Refuses a cursor of another app, environment, collection, filter or order: it does not open there.

use crate::{Error, act::Scope, collections::Collection, records};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use seal::{Context, PurposeKey};

/// Length of a record's id in characters.
const ID_CHARS: usize = 32;
/// A sealed key and id; longer ones were never ours.
const TEXT_BYTES_MAX: usize = 2048;

/// The last record of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) id: String,
    /// Its key in the order's field; empty when the order is by creation.
    pub(crate) key: Vec<u8>,
}

impl Cursor {
    pub(crate) fn sealed(&self, key: &PurposeKey, scope: &Scope, question: &[u8]) -> String {
        let text = format!("{}{}", self.id, BASE64_URL_SAFE_NO_PAD.encode(&self.key));
        key.seal_text(&context(scope, question), &text)
    }

    pub(crate) fn opened(
        key: &PurposeKey,
        scope: &Scope,
        collection: &Collection,
        question: &[u8],
        sealed: &str,
    ) -> Result<Self, Error> {
        let read = || {
            let text = key.open_text(&context(scope, question), sealed).ok()?;
            let (id, rest) = text.split_at_checked(ID_CHARS)?;
            Some(Self { id: id.to_owned(), key: BASE64_URL_SAFE_NO_PAD.decode(rest).ok()? })
        };
        let cursor = if sealed.len() > TEXT_BYTES_MAX { None } else { read() };
        cursor.filter(|cursor| records::is_id(&cursor.id)).ok_or_else(|| collection.cursor().into())
    }
}

fn context(scope: &Scope, question: &[u8]) -> Context {
    records::place(Context::table("data_cursor"), scope).with("question", seal::sha256(question))
}
