//! Cuts of identity: people who were disabled, sessions that were ended. In memory first, then in the rows.

use crate::{Identity, links, people::Person, provider::AtIssuer, sessions};
use async_trait::async_trait;
use authority::change;
use model::{EventId, Group, PersonId};
use std::{collections::HashMap, error::Error, sync::Arc};
use store::{CutNote, CutOf, CutRows, Tx, params};

impl Identity {
    /// A cut that was made before this process began: memory shows it again. At start, after everything was read and
    /// before anything is served.
    pub fn stand(&self, note: &CutNote) {
        match &note.of {
            CutOf::Person(id) => {
                self.disable_until_written(&note.event, id);
            }
            CutOf::Role { person, role } => self.lapse_until_written(&note.event, person, role),
            CutOf::Session(_) | CutOf::Others { .. } | CutOf::AtProvider { .. } => self.end_what_stands(),
            CutOf::Provider { digest, .. } => {
                self.standing.without(digest);
                self.end_what_stands();
            }
            CutOf::Apps(_) | CutOf::Secret { .. } | CutOf::Done(_) => {}
        }
    }
}

impl Identity {
    /// When the database is in doubt: no session and no link of before counts any more, in memory at once.
    pub fn void_in_memory(&self) {
        self.sessions.void_all(self.clock.now());
    }

    /// The rows of it, in the transaction of the act that accepts the database.
    ///
    /// # Errors
    /// As `Tx::execute`.
    pub async fn void_rows(&self, tx: &mut Tx) -> Result<(), crate::Error> {
        let (tenant, now) = (&self.config.tenant, tx.now());
        tx.execute(sessions::END_ALL, params![tenant, now]).await?;
        tx.execute(sessions::DROP_ALL_CODES, params![tenant]).await?;
        tx.execute(links::sql::VOID_ALL, params![tenant, now]).await?;
        tx.feed(change::PEOPLE, "");
        Ok(())
    }
}

#[async_trait]
impl CutRows for Identity {
    async fn rows(&self, note: &CutNote, tx: &mut Tx) -> Result<(), Box<dyn Error + Send + Sync>> {
        match &note.of {
            CutOf::Person(id) => self.disable_rows(tx, id, note.at).await?,
            CutOf::Session(id) => self.end_rows(tx, id, note.at).await?,
            CutOf::Others { person, here } => self.end_other_rows(tx, person, here, note.at).await?,
            CutOf::AtProvider { issuer, sid, subject, before, token, .. } => {
                let of = AtIssuer { issuer, sid: sid.as_deref(), subject: subject.as_deref() };
                self.logout_rows(tx, of, *before, token, note.at).await?;
            }
            CutOf::Provider { issuer, digest } => self.provider_off_rows(tx, issuer, digest, note.at).await?,
            CutOf::Role { person, role } => self.lapse_rows(tx, person, role, note.at).await?,
            CutOf::Apps(_) | CutOf::Secret { .. } | CutOf::Done(_) => {}
        }
        Ok(())
    }

    async fn settled(&self, note: &CutNote, epoch: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
        // Once more, while it stands: whoever read a row before this was committed puts nothing in afterwards.
        self.end_those_of(note);
        if let CutOf::Person(person) | CutOf::Role { person, .. } = &note.of {
            self.load_person(person).await?;
            self.authority.release(&note.event, epoch);
        }
        if let CutOf::Provider { .. } = &note.of {
            self.load_sign_in().await?;
        }
        Ok(())
    }
}

impl Identity {
    /// In memory, whatever is read, until the rows say it. How many sessions ended.
    pub(crate) fn disable_until_written(&self, event: &EventId, id: &PersonId) -> usize {
        self.people.edit(|people| disable(people, id));
        let ended = self.sessions.end_of_person(id);
        let (tenant, id) = (self.config.tenant.clone(), id.clone());
        self.authority.hold(&tenant, event, move |facts| {
            if let Some(person) = facts.people.get_mut(&id) {
                Arc::make_mut(person).enabled = false;
            }
        });
        ended
    }
}

/// A cut that the rows may not show yet.
pub(crate) fn disable(people: &mut HashMap<PersonId, Arc<Person>>, id: &PersonId) {
    if let Some(person) = people.get_mut(id) {
        Arc::make_mut(person).enabled = false;
    }
}

pub(crate) fn lapse(people: &mut HashMap<PersonId, Arc<Person>>, id: &PersonId, role: &Group) {
    if let Some(person) = people.get_mut(id) {
        Arc::make_mut(person).groups.retain(|group| group != role);
    }
}
