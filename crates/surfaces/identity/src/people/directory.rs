//! The directory in memory: everyone at the start, then each person whose rows have changed. Who was cut stays so,
//! whatever the rows say.

use super::{HeldRole, Person, carries_role, gone, sql};
use crate::{Error, Identity, cuts};
use authority::PersonFacts;
use model::{Group, PersonId, Timestamp};
use seal::{Context, Purpose, PurposeKey, TenantKey};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};
use store::{CutOf, Row, Tx};
use tokio::sync::Mutex;

/// One row of who is in what.
struct Membership {
    group: Group,
    since: Timestamp,
    given_by: Option<String>,
    until: Option<Timestamp>,
}

/// The directory in memory. Addresses are sealed in the database, and found there by a keyed index.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(super) seal: PurposeKey,
    index: PurposeKey,
    people: RwLock<Arc<HashMap<PersonId, Arc<Person>>>>,
    /// One reader of rows at a time, so that older rows never replace newer ones.
    reading: Mutex<()>,
}

impl Directory {
    pub(crate) fn new(keys: &TenantKey) -> Self {
        Self {
            seal: keys.purpose(Purpose::Directory),
            index: keys.purpose(Purpose::DirectoryIndex),
            people: RwLock::default(),
            reading: Mutex::default(),
        }
    }

    pub(super) fn all(&self) -> Arc<HashMap<PersonId, Arc<Person>>> {
        Arc::clone(&self.people.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn get(&self, id: &PersonId) -> Option<Arc<Person>> {
        self.all().get(id).cloned()
    }

    pub(crate) fn edit(&self, edit: impl FnOnce(&mut HashMap<PersonId, Arc<Person>>)) {
        let mut people = self.people.write().unwrap_or_else(PoisonError::into_inner);
        edit(Arc::make_mut(&mut people));
    }

    pub(crate) fn facts(&self) -> HashMap<PersonId, Arc<PersonFacts>> {
        let facts = |person: &Person| PersonFacts {
            email: person.email.as_str().into(),
            name: person.name.as_deref().map(Into::into),
            groups: person.groups.iter().cloned().collect(),
            lapses: person.roles.iter().filter_map(|held| Some((held.role.clone(), held.until?))).collect(),
            enabled: person.enabled,
        };
        self.all().iter().map(|(id, person)| (id.clone(), Arc::new(facts(person)))).collect()
    }

    pub(super) fn context(column: &str, id: &PersonId) -> Context {
        Context::table("people").column(column).row(id.as_str())
    }

    fn read_row(&self, row: &Row, memberships: Vec<Membership>) -> Result<Person, Error> {
        let id = PersonId::new(row.text(0)?);
        let email = self.seal.open(&Self::context("email", &id), row.bytes(1)?)?;
        let name = match row.opt_bytes(2)? {
            Some(sealed) => Some(self.seal.open(&Self::context("name", &id), sealed)?),
            None => None,
        };
        let held = memberships.iter().filter(|held| carries_role(&held.group)).map(|held| HeldRole {
            role: held.group.clone(),
            given_by: held.given_by.clone(),
            since: held.since,
            until: held.until,
        });
        Ok(Person {
            roles: held.collect(),
            added_by: row.opt_text(5)?.map(str::to_owned),
            email: String::from_utf8_lossy(&email).into_owned(),
            name: name.map(|name| String::from_utf8_lossy(&name).into_owned()),
            groups: memberships.into_iter().map(|held| held.group).collect(),
            enabled: row.int(3)? != 0,
            created_at: Timestamp::from_ms(row.int(4)?),
            id,
        })
    }

    pub(crate) fn email_key(&self, email: &str) -> Vec<u8> {
        self.index.index(&Context::table("people").column("email"), email.as_bytes()).to_vec()
    }
}

/// By person.
fn memberships(rows: &[Row]) -> Result<HashMap<String, Vec<Membership>>, Error> {
    let mut groups: HashMap<String, Vec<Membership>> = HashMap::new();
    for row in rows {
        let membership = Membership {
            group: Group::new(row.text(1)?),
            since: row.time(2)?,
            given_by: row.opt_text(3)?.map(str::to_owned),
            until: row.opt_time(4)?,
        };
        groups.entry(row.text(0)?.to_owned()).or_default().push(membership);
    }
    Ok(groups)
}

impl Identity {
    /// Everyone, at start and after the feed was lost.
    pub(crate) async fn load_people(&self) -> Result<(), Error> {
        let tenant = &self.config.tenant;
        let _reading = self.people.reading.lock().await;
        let mut groups = memberships(&self.store.read(sql::MEMBERSHIPS, &[tenant.into()]).await?)?;
        let mut people = HashMap::new();
        for row in self.store.read(sql::ALL, &[tenant.into()]).await? {
            let held = groups.remove(row.text(0)?).unwrap_or_default();
            let person = self.people.read_row(&row, held)?;
            people.insert(person.id.clone(), Arc::new(person));
        }
        // Within the lock: a cut that begins meanwhile stands already, or edits what is put in here.
        self.people.edit(|known| {
            self.keep_cut(&mut people);
            *known = people;
        });
        Ok(())
    }

    /// One whose rows have changed: what it costs does not grow with the number of people.
    pub(crate) async fn load_person(&self, id: &PersonId) -> Result<(), Error> {
        let tenant = &self.config.tenant;
        let _reading = self.people.reading.lock().await;
        let mut groups = memberships(&self.store.read(sql::MEMBERSHIPS_OF, &[tenant.into(), id.into()]).await?)?;
        let row = self.store.read_one(sql::ONE, &[tenant.into(), id.into()]).await?;
        let person = row.map(|row| self.people.read_row(&row, groups.remove(id.as_str()).unwrap_or_default()));
        let person = person.transpose()?;
        self.people.edit(|known| {
            match person {
                Some(person) => known.insert(id.clone(), Arc::new(person)),
                None => known.remove(id),
            };
            self.keep_cut(known);
        });
        Ok(())
    }

    /// One as they will be once this is committed.
    pub(super) async fn written_person(&self, tx: &mut Tx, id: &PersonId) -> Result<Person, Error> {
        let key = [(&self.config.tenant).into(), id.into()];
        let mut groups = memberships(&tx.query(sql::MEMBERSHIPS_OF, &key).await?)?;
        let row = tx.query_one(sql::ONE, &key).await?.ok_or_else(|| gone(id))?;
        self.people.read_row(&row, groups.remove(id.as_str()).unwrap_or_default())
    }

    /// What was cut, and the rows may not show yet.
    fn keep_cut(&self, people: &mut HashMap<PersonId, Arc<Person>>) {
        for note in self.store.standing() {
            match &note.of {
                CutOf::Person(id) => cuts::disable(people, id),
                CutOf::Role { person, role } => cuts::lapse(people, person, role),
                CutOf::Apps(_)
                | CutOf::Secret { .. }
                | CutOf::Session(_)
                | CutOf::Others { .. }
                | CutOf::AtProvider { .. }
                | CutOf::Provider { .. }
                | CutOf::Done(_) => {}
            }
        }
    }
}
