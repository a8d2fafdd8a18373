//! People: who they are, which groups they are in, and whether their account is on.

mod directory;
pub(crate) mod sql;

pub(crate) use directory::Directory;

use crate::{Error, Identity, links};
use authority::{Act, Permit, Rule, Target, change, rules};
use model::{EventId, Group, PersonId, ProblemKind, TenantId, Timestamp};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use store::{CutOf, Outcome, Recorded, Tx, Value, left_to_feed};

/// RFC 5321, section 4.5.3.1.3: a path is 256 octets with its brackets.
const EMAIL_MAX_BYTES: usize = 254;
const GROUP_MAX_BYTES: usize = 63;

/// One person of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Person {
    pub id: PersonId,
    pub email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub groups: Vec<Group>,
    pub enabled: bool,
    pub created_at: Timestamp,
    /// Roles, with who gave them, since when, and until when if they end.
    pub roles: Vec<HeldRole>,
    /// Who added the account: `person:ID`, `machine:USER`, `provider`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added_by: Option<String>,
}

/// One role that a person has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldRole {
    pub role: Group,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_by: Option<String>,
    pub since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Whether a group is one of those that carry roles.
fn carries_role(group: &Group) -> bool {
    authority::Role::ALL.iter().any(|role| role.group() == group.as_str())
}

/// Add someone, or add groups to someone who is here already, and make their one-time link.
#[derive(Debug, Clone)]
pub struct AddPerson {
    pub tenant: TenantId,
    pub email: String,
    pub groups: BTreeSet<Group>,
}

impl Act for AddPerson {
    const RULE: &'static Rule = &rules::PERSON_ADD;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "person/new")
    }
    fn facts(&self) -> authority::Judged {
        serde_json::json!({ "groups": self.groups }).into()
    }
}

/// What `people add` prints.
#[derive(Debug, Serialize)]
pub struct Added {
    pub person: Person,
    /// Shown once; spent by a POST.
    pub link: String,
    pub expires_at: Timestamp,
}

/// What `people disable` prints.
#[derive(Debug)]
pub struct Disabled {
    pub person: Person,
    pub event: EventId,
    pub recorded: Recorded,
}

/// Join and leave groups.
#[derive(Debug, Clone)]
pub struct ChangeGroups {
    pub tenant: TenantId,
    pub person: PersonId,
    pub join: BTreeSet<Group>,
    pub leave: BTreeSet<Group>,
}

impl Act for ChangeGroups {
    const RULE: &'static Rule = &rules::PERSON_GROUPS;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("person/{}", self.person))
    }
    /// Nobody gives themself a role: whose groups they are counts as who asks.
    fn requester(&self) -> Option<PersonId> {
        self.join.iter().any(carries_role).then(|| self.person.clone())
    }
    fn facts(&self) -> authority::Judged {
        serde_json::json!({ "join": self.join, "leave": self.leave }).into()
    }
}

/// Switch an account off: its sessions, tokens and links end everywhere, at once.
#[derive(Debug, Clone)]
pub struct DisablePerson {
    pub tenant: TenantId,
    pub person: PersonId,
}

impl Act for DisablePerson {
    const RULE: &'static Rule = &rules::PERSON_DISABLE;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("person/{}", self.person))
    }
}

#[derive(Debug, Clone)]
pub struct ListPeople {
    pub tenant: TenantId,
}

impl Act for ListPeople {
    const RULE: &'static Rule = &rules::PERSON_LIST;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "people")
    }
}

impl Identity {
    /// Whether anyone was ever added: the first start has nobody.
    #[must_use]
    pub fn has_people(&self) -> bool {
        !self.people.all().is_empty()
    }

    /// Someone by id, from memory.
    #[must_use]
    pub fn person(&self, id: &PersonId) -> Option<Arc<Person>> {
        self.people.get(id)
    }

    /// How somebody is spoken of: by address, where the directory knows one.
    #[must_use]
    pub fn name_of(&self, person: Option<&PersonId>) -> String {
        match person {
            None => "machine".to_owned(),
            Some(id) => self.person(id).map_or_else(|| id.to_string(), |person| person.email.clone()),
        }
    }

    /// Someone by address, from memory; case does not matter.
    #[must_use]
    pub fn person_by_email(&self, email: &str) -> Option<Arc<Person>> {
        let email = email.trim().to_lowercase();
        self.people.all().values().find(|person| person.email == email).cloned()
    }

    /// How many people of these groups there are: `check` says so when a group is empty.
    #[must_use]
    pub fn group_sizes(&self) -> BTreeMap<Group, usize> {
        let mut sizes = BTreeMap::new();
        for person in self.people.all().values().filter(|person| person.enabled) {
            for group in &person.groups {
                *sizes.entry(group.clone()).or_default() += 1;
            }
        }
        sizes
    }

    /// Everyone, by address.
    ///
    /// # Errors
    /// When the record takes no more.
    pub fn list(&self, permit: Permit<ListPeople>) -> Result<Vec<Person>, Error> {
        self.store.access(permit, Outcome::Allowed, serde_json::Value::Null)?;
        let mut people: Vec<Person> = self.people.all().values().map(|person| Person::clone(person)).collect();
        people.sort_by(|a, b| a.email.cmp(&b.email));
        Ok(people)
    }

    /// Adds a person, or groups to one who is here, and makes a link; earlier links of theirs are void.
    ///
    /// # Errors
    /// An address or group that cannot be one; an account that is switched off.
    pub async fn add(&self, permit: Permit<AddPerson>) -> Result<Added, Error> {
        let email = email(&permit.act().email)?;
        for group in &permit.act().groups {
            check_group(group)?;
        }
        let now = self.clock.now();
        let by = permit.caller().chain().join(" ");
        let own = permit.caller().person().cloned();
        let (act, mut tx) = self.store.write(permit).await?;
        let tenant = &act.tenant;
        let found = tx.query_one(sql::BY_EMAIL, &[tenant.into(), self.people.email_key(&email).into()]).await?;
        let (id, known) = match found {
            Some(row) if row.int(1)? == 0 => return Err(switched_off(&email)),
            Some(row) => (PersonId::new(row.text(0)?), true),
            None => (self.insert_person(&mut tx, &email, &by).await?, false),
        };
        if own.as_ref() == Some(&id) && act.groups.iter().any(carries_role) {
            return Err(own_role());
        }
        for group in &act.groups {
            let row = [tenant.into(), (&id).into(), group.into(), now.into(), by.as_str().into(), Value::Null];
            tx.execute(sql::JOIN, &row).await?;
        }
        if known {
            // Whoever needs a new link may have lost what they were signed in with.
            crate::sessions::end_rows_of_person(&mut tx, tenant, &id, now).await?;
            tx.feed(change::SESSIONS_OF, id.as_str());
        }
        let link = links::make(&mut tx, tenant, &id, now).await?;
        tx.feed(change::PEOPLE, id.as_str());
        tx.about(&id);
        let detail = serde_json::json!({
            "person": id, "groups": act.groups, "link": link.id, "recovery": known,
        });
        let person = self.written_person(&mut tx, &id).await?;
        tx.commit(detail, None).await?;
        if known {
            self.sessions.end_of_person(&id);
        }
        left_to_feed(self.load_person(&id).await);
        let url = format!("{}/welcome/{}", self.config.public_url, link.token.expose());
        Ok(Added { person, link: url, expires_at: link.expires_at })
    }

    pub(crate) async fn insert_person(&self, tx: &mut Tx, email: &str, by: &str) -> Result<PersonId, Error> {
        let (id, now) = (PersonId::generate(), tx.now());
        let sealed = self.people.seal.seal(&Directory::context("email", &id), email.as_bytes());
        let row = [
            (&self.config.tenant).into(),
            (&id).into(),
            self.people.email_key(email).into(),
            sealed.into(),
            Value::Null,
            now.into(),
            by.into(),
        ];
        tx.execute(sql::INSERT, &row).await?;
        Ok(id)
    }

    /// Changes the groups of a person.
    ///
    /// # Errors
    /// No such person, or a group that cannot be one.
    pub async fn change_groups(&self, permit: Permit<ChangeGroups>) -> Result<Person, Error> {
        for group in &permit.act().join {
            check_group(group)?;
        }
        let id = permit.act().person.clone();
        self.people.get(&id).ok_or_else(|| gone(&id))?;
        let now = self.clock.now();
        let by = permit.caller().chain().join(" ");
        let (act, mut tx) = self.store.write(permit).await?;
        for group in &act.join {
            let by = by.as_str().into();
            let row = [(&act.tenant).into(), (&id).into(), group.into(), now.into(), by, Value::Null];
            tx.execute(sql::JOIN, &row).await?;
        }
        for group in &act.leave {
            tx.execute(sql::LEAVE, &[(&act.tenant).into(), (&id).into(), group.into()]).await?;
        }
        tx.feed(change::PEOPLE, id.as_str());
        let person = self.written_person(&mut tx, &id).await?;
        tx.commit(serde_json::json!({ "join": act.join, "leave": act.leave }), None).await?;
        left_to_feed(self.load_person(&id).await);
        Ok(person)
    }

    /// Switches an account off. Memory first: the next request of any of their sessions is refused even when the
    /// record cannot be written.
    ///
    /// # Errors
    /// No such person.
    pub async fn disable(&self, permit: Permit<DisablePerson>) -> Result<Disabled, Error> {
        let id = permit.act().person.clone();
        self.people.get(&id).ok_or_else(|| gone(&id))?;
        let (_, mut cutting) = self.store.cut(permit, CutOf::Person(id.clone()));
        let event = cutting.event().clone();
        let ended = self.disable_until_written(&event, &id);
        cutting.note().detail = serde_json::json!({ "sessions_ended": ended });
        let recorded = cutting.record(self).await;
        let person = self.people.get(&id).map(|person| Person::clone(&person)).ok_or_else(|| gone(&id))?;
        Ok(Disabled { person, event, recorded })
    }

    pub(crate) async fn disable_rows(&self, tx: &mut Tx, id: &PersonId, at: Timestamp) -> Result<(), Error> {
        tx.execute(sql::SET_ENABLED, &[(&self.config.tenant).into(), id.into(), 0_i64.into()]).await?;
        self.end_rows_of_person(tx, id, at).await?;
        tx.feed(change::PEOPLE, id.as_str());
        Ok(())
    }

    async fn end_rows_of_person(&self, tx: &mut Tx, id: &PersonId, now: Timestamp) -> Result<(), Error> {
        crate::sessions::end_rows_of_person(tx, &self.config.tenant, id, now).await?;
        links::void(tx, &self.config.tenant, id, now).await
    }
}

fn gone(id: &PersonId) -> Error {
    Error::refused(
        ProblemKind::NotFound,
        "person.unknown",
        format!("there is no person `{id}`"),
        "nobody of that id or address was added here",
        "`bailiwick people list` shows who there is",
    )
}

fn switched_off(email: &str) -> Error {
    Error::refused(
        ProblemKind::Conflict,
        "person.disabled",
        format!("`{email}` is switched off"),
        "an account that was switched off is not switched on by adding it again",
        "use another address",
    )
}

fn own_role() -> Error {
    Error::refused(
        ProblemKind::Denied,
        "role.own",
        "nobody gives themself a role",
        "a role lets its holder decide over others, so it comes from someone else",
        "ask another operator",
    )
}

/// Lower case, one `@`, no white space; what is refused says so.
pub(crate) fn email(text: &str) -> Result<String, Error> {
    let email = text.trim().to_lowercase();
    let plain = email.len() <= EMAIL_MAX_BYTES && !email.chars().any(|c| c.is_control() || c.is_whitespace());
    match email.split_once('@') {
        Some((local, domain)) if plain && !local.is_empty() && !domain.is_empty() && !domain.contains('@') => Ok(email),
        _ => Err(Error::refused(
            ProblemKind::Invalid,
            "person.email",
            "that is not an e-mail address",
            "an address has one `@` with text on both sides, no spaces, and 254 characters at most",
            "write it as `ana@example.com`",
        )),
    }
}

pub(crate) fn check_group(group: &Group) -> Result<(), Error> {
    let text = group.as_str();
    let fits = !text.is_empty()
        && text.len() <= GROUP_MAX_BYTES
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if fits {
        return Ok(());
    }
    Err(Error::refused(
        ProblemKind::Invalid,
        "group.name",
        "that is not a name for a group",
        "a group's name is lower-case letters, digits and `-`, 63 characters at most",
        "write it as `people-ops`",
    ))
}
