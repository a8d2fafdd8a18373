//! Live sessions in memory: found by their cookie, and by their id without looking through all.
//!
//! INVARIANT: what is put in was read, or written, after the last end that this node heard of. A row that was read before
//! may live in it although its session is over by now, and nobody would say so again.

use super::{KnownAt, NewSession, Place, Session};
use crate::provider::AtIssuer;
use authority::AppRef;
use model::{PersonId, SessionId, Timestamp};
use seal::TokenHash;
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard,
        atomic::{AtomicI64, Ordering},
    },
};

/// How many ends were heard of when something was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heard(u64);

/// Live sessions by the hash of their cookie, and those hashes by the session's id.
#[derive(Debug, Default)]
pub(super) struct Live {
    by_hash: HashMap<TokenHash, Arc<Session>>,
    hashes: HashMap<SessionId, TokenHash>,
    /// Ends of sessions and of cookies, whether or not memory held them.
    ends: u64,
}

impl Live {
    /// A session has one cookie: the newest.
    pub(super) fn insert(&mut self, hash: TokenHash, session: Session) {
        if let Some(before) = self.hashes.insert(session.id.clone(), hash).filter(|before| *before != hash) {
            self.by_hash.remove(&before);
        }
        self.by_hash.insert(hash, Arc::new(session));
    }

    fn remove(&mut self, hash: &TokenHash) {
        if let Some(session) = self.by_hash.remove(hash) {
            self.hashes.remove(&session.id);
        }
    }

    fn forget(&mut self, id: &SessionId) {
        if let Some(hash) = self.hashes.get(id).copied() {
            self.remove(&hash);
        }
    }

    fn by_id(&self, id: &SessionId) -> Option<&Arc<Session>> {
        self.by_hash.get(self.hashes.get(id)?)
    }

    const fn heard(&self) -> Heard {
        Heard(self.ends)
    }

    fn end_where(&mut self, ends: impl Fn(&Session) -> bool) -> usize {
        self.ends += 1;
        let before = self.by_hash.len();
        self.retain(|_, session| !ends(session));
        before - self.by_hash.len()
    }

    fn retain(&mut self, stays: impl Fn(&TokenHash, &Session) -> bool) {
        let Self { by_hash, hashes, .. } = self;
        by_hash.retain(|hash, session| {
            let stays = stays(hash, session);
            if !stays {
                hashes.remove(&session.id);
            }
            stays
        });
    }
}

/// Live sessions of this node.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    live: RwLock<Live>,
    /// When each was last written down as seen.
    pub(super) seen: Mutex<HashMap<SessionId, Timestamp>>,
    /// Sessions that began before this moment are void, whatever the rows say.
    void_before: AtomicI64,
}

impl Sessions {
    fn write(&self) -> RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be asked before a row is read or written that is put in afterwards.
    pub(crate) fn heard(&self) -> Heard {
        self.live.read().unwrap_or_else(PoisonError::into_inner).heard()
    }

    /// One that was just made. Where an end came meanwhile, its cookie reads the row.
    pub(crate) fn insert(&self, new: &NewSession) {
        self.put(new.token.hash(), new.session.clone(), new.heard);
    }

    /// Ends all, and lets none of them come back from its row.
    pub(crate) fn void_all(&self, now: Timestamp) {
        self.void_before.store(now.as_ms(), Ordering::Release);
        self.end_where(|session| session.created_at < now);
    }

    pub(super) fn is_void(&self, session: &Session) -> bool {
        session.created_at.as_ms() < self.void_before.load(Ordering::Acquire)
    }

    /// Only memory forgets: the row is read again.
    pub(super) fn read_again(&self, hash: &TokenHash) {
        self.write().remove(hash);
    }

    /// Not where an end came since: the row is to be read again. Whether it was put in.
    pub(crate) fn put(&self, hash: TokenHash, session: Session, heard: Heard) -> bool {
        let mut live = self.write();
        let fresh = live.heard() == heard && !self.is_void(&session);
        if fresh {
            live.insert(hash, session);
        }
        fresh
    }

    /// A session got another cookie: whoever read its row before puts nothing in any more.
    pub(super) fn changed(&self) {
        self.write().ends += 1;
    }

    /// Puts a session under its newest cookie; the one before works no more, whatever else. As `put`, but for that.
    pub(crate) fn replace(&self, hash: TokenHash, session: Session, heard: Heard) -> bool {
        let mut live = self.write();
        let fresh = live.heard() == heard && !self.is_void(&session);
        // Whoever read the row meanwhile may have put it in.
        let known = live.hashes.get(&session.id) == Some(&hash);
        live.ends += 1;
        if !known {
            live.forget(&session.id);
        }
        if fresh && !known {
            live.insert(hash, session);
        }
        fresh || known
    }

    /// All that the rows say lives. Where an end came since they were read, only what memory holds as well: the others
    /// are read when their cookies come.
    pub(super) fn renew(&self, mut read: Live, heard: Heard) {
        let mut live = self.write();
        if live.heard() != heard {
            read.retain(|hash, _| live.by_hash.contains_key(hash));
        }
        // What is not among the rows has ended, and the feed may never have said so.
        read.ends = live.ends + 1;
        *live = read;
    }

    pub(super) fn get(&self, hash: &TokenHash) -> Option<Arc<Session>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).by_hash.get(hash).cloned()
    }

    /// A live session by its id: tokens that were issued in it end with it.
    pub(crate) fn by_id(&self, id: &SessionId, now: Timestamp) -> Option<Arc<Session>> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.by_id(id).filter(|session| now < session.expires_at).cloned()
    }

    pub(crate) fn end_where(&self, ends: impl Fn(&Session) -> bool) -> usize {
        self.write().end_where(ends)
    }

    /// Those that a provider speaks of, of those that began before.
    pub(crate) fn at_provider(&self, of: AtIssuer<'_>, before: Timestamp) -> Vec<SessionId> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let ends = |session: &&Arc<Session>| session.created_at <= before && of.fits(session);
        live.by_hash.values().filter(ends).map(|session| session.id.clone()).collect()
    }

    /// Those that began at an issuer up to a moment, and those that came from them.
    pub(crate) fn of_issuer(&self, issuer: &str, before: Timestamp) -> HashSet<SessionId> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let there = |session: &&Arc<Session>| session.began_at(issuer);
        let began = |session: &&Arc<Session>| session.created_at <= before;
        let all = || live.by_hash.values().filter(there);
        let first: HashSet<SessionId> = all().filter(began).map(|session| session.id.clone()).collect();
        let came = all().filter(|session| session.parent.as_ref().is_some_and(|parent| first.contains(parent)));
        let came: Vec<SessionId> = came.map(|session| session.id.clone()).collect();
        first.into_iter().chain(came).collect()
    }

    pub(crate) fn end_these(&self, ids: &HashSet<SessionId>) {
        self.end_where(|session| ids.contains(&session.id));
    }

    /// Those that began at another provider than this one.
    pub(crate) fn end_of_other_issuers(&self, issuer: Option<&str>) {
        let stray = |known: &Arc<KnownAt>| Some(known.issuer.as_str()) != issuer;
        self.end_where(|session| session.at_provider.as_ref().is_some_and(stray));
    }

    pub(crate) fn end_of_person(&self, person: &PersonId) -> usize {
        self.end_where(|session| session.person == *person)
    }

    pub(crate) fn end_of_app(&self, app: &AppRef) -> usize {
        self.end_where(|session| matches!(&session.place, Place::App(of) if of == app))
    }

    pub(crate) fn forget(&self, id: &SessionId) {
        self.write().forget(id);
    }

    pub(crate) fn end(&self, id: &SessionId) -> usize {
        self.end_where(|session| session.id == *id || session.parent.as_ref() == Some(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Method;
    use authority::Factor;

    fn session(id: &str) -> Session {
        Session {
            id: SessionId::new(id),
            person: PersonId::new("ana"),
            parent: None,
            place: Place::Console,
            factor: Factor::Link,
            method: Method::Link,
            vouched_by: None,
            at_provider: None,
            credential_epoch: None,
            created_at: Timestamp::from_ms(1),
            expires_at: Timestamp::from_ms(9),
        }
    }

    fn rows(ids: &[&str]) -> Live {
        let mut live = Live::default();
        for id in ids {
            live.insert(TokenHash::of(id), session(id));
        }
        live
    }

    fn living(sessions: &Sessions) -> Vec<&'static str> {
        let lives = |id: &&str| sessions.by_id(&SessionId::new(*id), Timestamp::from_ms(5)).is_some();
        ["a", "b", "c"].into_iter().filter(lives).collect()
    }

    #[test]
    fn rows_that_were_read_anew_bring_nothing_back_that_ended_meanwhile() {
        let sessions = Sessions::default();
        sessions.renew(rows(&["a", "b"]), sessions.heard());
        assert_eq!(living(&sessions), ["a", "b"]);
        let heard = sessions.heard();
        sessions.end(&SessionId::new("a"));
        sessions.renew(rows(&["a", "b", "c"]), heard);
        assert_eq!(living(&sessions), ["b"], "`c` is read when its cookie comes");
        sessions.renew(rows(&["b", "c"]), sessions.heard());
        assert_eq!(living(&sessions), ["b", "c"]);
    }

    #[test]
    fn what_is_not_among_the_rows_has_ended() {
        let sessions = Sessions::default();
        let heard = sessions.heard();
        sessions.renew(rows(&["b"]), heard);
        assert!(!sessions.put(TokenHash::of("a"), session("a"), heard));
        assert_eq!(living(&sessions), ["b"]);
    }
}
