//! What was decided, kept in memory: for which question, and until when.
//!
//! Refuses to be the answer to another question: whatever a decision rests on, besides the facts, is in its key.

use crate::{Denied, Target, Who};
use model::{Group, PersonId, Timestamp};

/// All that a decision rests on besides the facts of its generation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) who: Who,
    pub(crate) act: &'static str,
    pub(crate) target: Target,
    /// An act's own words, where its target does not say them: two of one target may differ in them.
    pub(crate) team: Option<Group>,
    pub(crate) requester: Option<PersonId>,
    pub(crate) facts: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) generation: u64,
    /// Of the facts that it rests on: these are replaced a moment before the generation says so.
    ///
    /// INVARIANT: no permit says an epoch whose facts it was not judged by.
    pub(crate) epoch: u64,
    /// Before that it says nothing: the clock was set back since, perhaps to another day.
    pub(crate) decided_at: Timestamp,
    pub(crate) good_until: Timestamp,
    pub(crate) refused: Option<Denied>,
}
