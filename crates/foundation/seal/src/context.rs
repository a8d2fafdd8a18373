//! Where a sealed value belongs: the authenticated context of envelopes, indexes and codes.
//!
//! Refuses ambiguity: every part carries its length, so that no two contexts share an encoding.

/// Prefix of every encoded context; a change of the encoding changes it.
const CONTEXT_DOMAIN: &[u8] = b"bailiwick context 1";

/// The place that a value is sealed for: table, column, row and whatever else tells it apart.
///
/// Order matters; two contexts are equal when the same parts were added in the same order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    encoded: Vec<u8>,
}

impl Context {
    /// A context that starts with the table (or, for what is not a row, the kind of thing).
    #[must_use]
    pub fn table(name: &str) -> Self {
        let mut encoded = Vec::with_capacity(96);
        push(&mut encoded, CONTEXT_DOMAIN);
        Self { encoded }.with("table", name)
    }

    /// Adds the column.
    #[must_use]
    pub fn column(self, name: &str) -> Self {
        self.with("column", name)
    }

    /// Adds the row's key.
    #[must_use]
    pub fn row(self, key: impl AsRef<[u8]>) -> Self {
        self.with("row", key)
    }

    /// Adds any other part, such as the app or the environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        push(&mut self.encoded, name.as_bytes());
        push(&mut self.encoded, value.as_ref());
        self
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded
    }
}

/// Appends `part` after its length in bytes (64-bit, big-endian).
pub(crate) fn push(into: &mut Vec<u8>, part: &[u8]) {
    into.extend_from_slice(&(part.len() as u64).to_be_bytes());
    into.extend_from_slice(part);
}
