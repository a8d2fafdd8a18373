//! Where a person is signed in: each session with its device, place and last use, and how to end the others.

use super::{Session, rows::hold_of_person, sql};
use crate::{Error, Identity};
use authority::{Act, Permit, Rule, Target, change, rules};
use model::{PersonId, SessionId, TenantId, Timestamp};
use serde::Serialize;
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};
use store::{CutOf, Outcome, Row, Tx};

/// A session's last use is written down this often, not at each request.
const SEEN_EVERY: Duration = Duration::from_secs(60);
/// Longer than any session lives.
const SEEN_KEPT: Duration = Duration::from_secs(30 * 86_400);

/// See where one is signed in.
#[derive(Debug, Clone)]
pub struct ListSessions {
    pub tenant: TenantId,
    pub person: PersonId,
}

impl Act for ListSessions {
    const RULE: &'static Rule = &rules::SESSION_LIST;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("person/{}", self.person))
    }
}

/// Sign out everywhere but here.
#[derive(Debug, Clone)]
pub struct EndOthers {
    pub tenant: TenantId,
    pub here: SessionId,
}

impl Act for EndOthers {
    const RULE: &'static Rule = &rules::SESSIONS_END;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("session/{}", self.here))
    }
}

/// One session, as its person sees it.
#[derive(Debug, Clone, Serialize)]
pub struct Whereabouts {
    pub id: SessionId,
    /// `console`, `terminal`, or the id of an app.
    pub place: String,
    pub env: Option<String>,
    /// The session that this one ends with.
    pub parent: Option<SessionId>,
    pub method: super::Method,
    pub device: Option<String>,
    pub ip: Option<String>,
    pub since: Timestamp,
    pub seen_at: Option<Timestamp>,
    pub expires_at: Timestamp,
}

impl Identity {
    /// Notes that a session is used, now and then.
    pub(super) fn saw(&self, session: &Session, now: Timestamp) {
        {
            let mut seen = self.sessions.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.get(&session.id).is_some_and(|at| now.is_within(SEEN_EVERY, *at)) {
                return;
            }
            // What was not seen for as long as a session lives is over.
            seen.retain(|_, at| now.since(*at) < super::SESSION_LIFE);
            seen.insert(session.id.clone(), now);
        }
        let (store, tenant, id) = (Arc::clone(&self.store), self.config.tenant.clone(), session.id.clone());
        tokio::spawn(async move {
            let row = [(&tenant).into(), (&id).into(), now.into()];
            if let Err(error) = store.housekeeping().execute(sql::SEEN, &row).await {
                tracing::warn!(%error, "the last use of a session was not written down");
            }
        });
    }

    /// Forgets when sessions were last seen that are long over.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn prune_seen(&self) -> Result<(), Error> {
        let before = self.clock.now().minus(SEEN_KEPT);
        self.store.housekeeping().execute(sql::UNSEEN, &[(&self.config.tenant).into(), before.into()]).await?;
        Ok(())
    }

    /// Every session of the person of the permit, newest first.
    ///
    /// # Errors
    /// When the database cannot be read, or the record takes no more.
    pub async fn whereabouts(&self, permit: Permit<ListSessions>) -> Result<Vec<Whereabouts>, Error> {
        let person = permit.caller().person().cloned().unwrap_or_else(|| PersonId::new(""));
        self.store.access(permit, Outcome::Allowed, serde_json::Value::Null)?;
        let row = [(&self.config.tenant).into(), (&person).into(), self.clock.now().into()];
        let rows = self.store.read(sql::WHERE_SIGNED_IN, &row).await?;
        rows.iter().map(|row| self.whereabout(row)).collect()
    }

    fn whereabout(&self, row: &Row) -> Result<Whereabouts, Error> {
        let id = SessionId::new(row.text(0)?);
        let open = |column: &str, sealed: Option<&[u8]>| -> Result<Option<String>, Error> {
            sealed.map(|sealed| self.seal_of_session(&id, column).open_text(sealed)).transpose()
        };
        let app = row.opt_text(2)?;
        Ok(Whereabouts {
            place: app.unwrap_or(row.text(1)?).to_owned(),
            env: row.opt_text(3)?.map(str::to_owned),
            method: super::Method::read(row.opt_text(4)?),
            device: open("device", row.opt_bytes(5)?)?,
            ip: open("ip", row.opt_bytes(6)?)?,
            since: row.time(7)?,
            expires_at: row.time(8)?,
            seen_at: row.opt_time(9)?,
            parent: row.opt_text(10)?.map(SessionId::new),
            id,
        })
    }

    /// Ends every session of the caller but this one and the app sessions that came from it. How many of this node's.
    pub async fn end_others(&self, permit: Permit<EndOthers>) -> usize {
        let here = permit.act().here.clone();
        let Some(person) = permit.caller().person().cloned() else { return 0 };
        let of = CutOf::Others { person: person.clone(), here: here.clone() };
        let (_, mut cutting) = self.store.cut(permit, of);
        let ended = self.sessions.end_where(|session| session.is_other(&person, &here));
        cutting.note().detail = serde_json::json!({ "ended": ended });
        cutting.record(self).await;
        ended
    }

    pub(crate) async fn end_other_rows(
        &self,
        tx: &mut Tx,
        person: &PersonId,
        here: &SessionId,
        at: Timestamp,
    ) -> Result<(), Error> {
        let tenant = &self.config.tenant;
        // Held with the one that stays, which may let a command line in at this moment.
        hold_of_person(tx, tenant, person).await?;
        let row = [tenant.into(), person.into(), here.into(), at.into()];
        for row in tx.query(sql::END_OTHERS, &row).await? {
            tx.feed(change::SESSION, row.text(0)?);
        }
        Ok(())
    }
}
