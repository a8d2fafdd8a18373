//! People: who they are, which groups they are in, and whether their account is on.

pub(crate) mod sql;

use crate::{Error, Identity, cuts, links};
use authority::{Act, Permit, PersonFacts, Rule, Target, change, rules};
use model::{EventId, Group, PersonId, ProblemKind, TenantId, Timestamp};
use seal::{Context, Purpose, PurposeKey, TenantKey};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
};
use store::{CutOf, Outcome, Recorded, Tx, Value};
use tokio::sync::Mutex;

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

/// One row of who is in what.
struct Membership {
    group: Group,
    since: Timestamp,
    given_by: Option<String>,
    until: Option<Timestamp>,
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

/// The directory in memory. Addresses are sealed in the database, and found there by a keyed index.
#[derive(Debug)]
pub(crate) struct Directory {
    seal: PurposeKey,
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

    fn all(&self) -> Arc<HashMap<PersonId, Arc<Person>>> {
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

    fn context(column: &str, id: &PersonId) -> Context {
        Context::table("people").column(column).row(id.as_str())
    }

    pub(crate) fn email_key(&self, email: &str) -> Vec<u8> {
        self.index.index(&Context::table("people").column("email"), email.as_bytes()).to_vec()
    }
}

impl Identity {
    pub(crate) async fn load_people(&self) -> Result<(), Error> {
        let tenant = &self.config.tenant;
        let _reading = self.people.reading.lock().await;
        let mut groups: HashMap<String, Vec<Membership>> = HashMap::new();
        for row in self.store.read(sql::MEMBERSHIPS, &[tenant.into()]).await? {
            let membership = Membership {
                group: Group::new(row.text(1)?),
                since: row.time(2)?,
                given_by: row.opt_text(3)?.map(str::to_owned),
                until: row.opt_time(4)?,
            };
            groups.entry(row.text(0)?.to_owned()).or_default().push(membership);
        }
        let mut people = HashMap::new();
        for row in self.store.read(sql::ALL, &[tenant.into()]).await? {
            let id = PersonId::new(row.text(0)?);
            let email = self.people.seal.open(&Directory::context("email", &id), row.bytes(1)?)?;
            let name = match row.opt_bytes(2)? {
                Some(sealed) => Some(self.people.seal.open(&Directory::context("name", &id), sealed)?),
                None => None,
            };
            let memberships = groups.remove(id.as_str()).unwrap_or_default();
            let held = memberships.iter().filter(|held| carries_role(&held.group)).map(|held| HeldRole {
                role: held.group.clone(),
                given_by: held.given_by.clone(),
                since: held.since,
                until: held.until,
            });
            let person = Person {
                roles: held.collect(),
                added_by: row.opt_text(5)?.map(str::to_owned),
                email: String::from_utf8_lossy(&email).into_owned(),
                name: name.map(|name| String::from_utf8_lossy(&name).into_owned()),
                groups: memberships.into_iter().map(|held| held.group).collect(),
                enabled: row.int(3)? != 0,
                created_at: Timestamp::from_ms(row.int(4)?),
                id: id.clone(),
            };
            people.insert(id, Arc::new(person));
        }
        // Within the lock: a cut that begins meanwhile stands already, or edits what is put in here.
        self.people.edit(|known| {
            for note in self.store.standing() {
                match &note.of {
                    CutOf::Person(id) => cuts::disable(&mut people, id),
                    CutOf::Role { person, role } => cuts::lapse(&mut people, person, role),
                    CutOf::Apps(_)
                    | CutOf::Secret { .. }
                    | CutOf::Session(_)
                    | CutOf::Others { .. }
                    | CutOf::AtProvider { .. }
                    | CutOf::Done(_) => {}
                }
            }
            *known = people;
        });
        Ok(())
    }

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
        tx.feed(change::PEOPLE, "");
        let detail = serde_json::json!({
            "person": id, "groups": act.groups, "link": link.id, "recovery": known,
        });
        tx.commit(detail, None).await?;
        if known {
            self.sessions.end_of_person(&id);
        }
        self.load_people().await?;
        let person = self.people.get(&id).map(|person| Person::clone(&person)).ok_or_else(|| gone(&id))?;
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
        tx.feed(change::PEOPLE, "");
        tx.commit(serde_json::json!({ "join": act.join, "leave": act.leave }), None).await?;
        self.load_people().await?;
        self.people.get(&id).map(|person| Person::clone(&person)).ok_or_else(|| gone(&id))
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
        tx.feed(change::PEOPLE, "");
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
