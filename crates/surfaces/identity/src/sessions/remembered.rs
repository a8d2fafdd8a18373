//! What this node remembers of a cookie. The database is not asked: strangers make up as many cookies as they like, and
//! whoever is asked about them first can refuse to ask further.

use super::{Place, Session};
use crate::Identity;
use model::Timestamp;
use seal::TokenHash;
use std::sync::Arc;

/// Memory does not know: only the database could say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unremembered;

impl Identity {
    /// The session of a cookie, by memory alone. `None`: it is known, and does not count here or any more.
    ///
    /// # Errors
    /// Memory does not know it.
    pub fn remembered(&self, cookie: &str, place: &Place) -> Result<Option<Arc<Session>>, Unremembered> {
        // Before memory is looked at, as in `session`.
        let epoch = self.credential_epoch_of(place);
        let found = self.sessions.get(&TokenHash::of(cookie)).ok_or(Unremembered)?;
        self.recalled(found, place, epoch, self.clock.now())
    }

    /// What one that is in memory says at this place, which has these credentials now. One of other credentials says
    /// nothing: its row is read again.
    pub(super) fn recalled(
        &self,
        found: Arc<Session>,
        place: &Place,
        epoch: Option<u64>,
        now: Timestamp,
    ) -> Result<Option<Arc<Session>>, Unremembered> {
        if found.place == *place && found.credential_epoch != epoch {
            return Err(Unremembered);
        }
        let counts = Some(found).filter(|session| self.counts(session, place, now));
        Ok(counts.inspect(|session| self.saw(session, now)))
    }

    /// It is of this place, not over, and its person may go on with it.
    pub(super) fn counts(&self, session: &Session, place: &Place, now: Timestamp) -> bool {
        session.place == *place && now < session.expires_at && self.enabled(session)
    }
}
