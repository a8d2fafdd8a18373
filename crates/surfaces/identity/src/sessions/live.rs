//! Live sessions in memory: found by their cookie, and by their id without looking through all.

use super::Session;
use model::SessionId;
use seal::TokenHash;
use std::{collections::HashMap, sync::Arc};

/// Live sessions by the hash of their cookie, and those hashes by the session's id.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) by_hash: HashMap<TokenHash, Arc<Session>>,
    pub(super) hashes: HashMap<SessionId, TokenHash>,
}

impl Live {
    /// A session has one cookie: the newest.
    pub(super) fn insert(&mut self, hash: TokenHash, session: Session) {
        if let Some(before) = self.hashes.insert(session.id.clone(), hash).filter(|before| *before != hash) {
            self.by_hash.remove(&before);
        }
        self.by_hash.insert(hash, Arc::new(session));
    }

    pub(super) fn remove(&mut self, hash: &TokenHash) {
        if let Some(session) = self.by_hash.remove(hash) {
            self.hashes.remove(&session.id);
        }
    }

    pub(super) fn by_id(&self, id: &SessionId) -> Option<&Arc<Session>> {
        self.by_hash.get(self.hashes.get(id)?)
    }

    pub(super) fn end_where(&mut self, ends: impl Fn(&Session) -> bool) -> usize {
        let (before, hashes) = (self.by_hash.len(), &mut self.hashes);
        self.by_hash.retain(|_, session| {
            let stays = !ends(session);
            if !stays {
                hashes.remove(&session.id);
            }
            stays
        });
        before - self.by_hash.len()
    }
}
