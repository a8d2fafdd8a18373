//! Passkeys (Web Authentication, level 3): what a person proves themself with, always with user verification, so that
//! one is a second factor by itself.
//!
//! Refuses: an answer to another challenge, from another origin or host, without user verification, of a passkey that
//! is not this person's, or whose counter says that there is a copy of it.

mod answers;
pub(crate) mod sql;

pub use answers::{Proven, Unproven};

use crate::{Bound, Error, Identity, NewSession, Place, Session, ceremony::Step, sessions};
use authority::{Act, Factor, Permit, Rule, SECOND_FACTOR_FRESH, Target, rules};
use model::{PersonId, ProblemKind, TenantId, Timestamp};
use seal::{Context, Purpose, PurposeKey, TenantKey};
use serde::Serialize;
use std::sync::Arc;
use store::{Outcome, Row, Tx, Value};
use webauthn_rs::prelude::{Passkey as Credential, PasskeyRegistration, Url, Uuid, Webauthn, WebauthnBuilder};

/// More than anyone carries; a bound on what one account can make us check.
const PASSKEYS_MAX: i64 = 20;
const NAME_MAX_CHARS: usize = 60;

/// One passkey of a person, as they know it.
#[derive(Debug, Clone, Serialize)]
pub struct Passkey {
    pub id: String,
    pub name: String,
    pub created_at: Timestamp,
    pub used_at: Option<Timestamp>,
}

/// What a page needs to ask the browser for a passkey: the options, and the sealed state that comes back with the answer.
#[derive(Debug, Clone, Serialize)]
pub struct Begun {
    pub options: serde_json::Value,
    pub ceremony: String,
}

/// Make a passkey: one's first, by a sign-in of this moment, or the first after an operator's new link, which takes the
/// place of all before.
#[derive(Debug, Clone)]
pub struct FirstPasskey {
    pub tenant: TenantId,
    pub person: PersonId,
}

impl Act for FirstPasskey {
    const RULE: &'static Rule = &rules::PASSKEY_FIRST;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("person/{}", self.person))
    }
}

/// Make one more: only with a fresh second factor, or whoever takes a session over could stay for good.
#[derive(Debug, Clone)]
pub struct AddPasskey {
    pub tenant: TenantId,
    pub person: PersonId,
}

impl Act for AddPasskey {
    const RULE: &'static Rule = &rules::PASSKEY_ADD;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("person/{}", self.person))
    }
}

#[derive(Debug, Clone)]
pub struct RemovePasskey {
    pub tenant: TenantId,
    pub passkey: String,
}

impl Act for RemovePasskey {
    const RULE: &'static Rule = &rules::PASSKEY_REMOVE;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("passkey/{}", self.passkey))
    }
}

#[derive(Debug, Clone)]
pub struct SignInWithPasskey {
    pub tenant: TenantId,
    pub passkey: String,
    /// Whose it is.
    pub person: PersonId,
}

impl Act for SignInWithPasskey {
    const RULE: &'static Rule = &rules::PASSKEY_SIGN_IN;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("passkey/{}", self.passkey)).about(Some(&self.person))
    }
}

/// Prove oneself again within a session: a fresh second factor for the next ten minutes.
#[derive(Debug, Clone)]
pub struct Confirm {
    pub tenant: TenantId,
    pub session: model::SessionId,
}

impl Act for Confirm {
    const RULE: &'static Rule = &rules::PASSKEY_CONFIRM;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("session/{}", self.session))
    }
}

/// Forget the passkeys that were made for another host name: no browser offers them any more.
#[derive(Debug, Clone)]
pub struct ForgetPasskeys {
    pub tenant: TenantId,
    pub host: String,
}

impl Act for ForgetPasskeys {
    const RULE: &'static Rule = &rules::PASSKEY_FORGET;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "passkeys")
    }
}

/// Whether a person who has no other way in may remove their last passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastPasskey {
    MayGo,
    Stays,
}

/// The relying party, and the keys that rows are sealed and found with.
#[derive(Debug)]
pub(crate) struct Passkeys {
    /// None where the console has no host name: browsers make no passkey for an address.
    party: Option<Webauthn>,
    host: String,
    key: PurposeKey,
}

impl Passkeys {
    pub(crate) fn new(keys: &TenantKey, public_url: &str) -> Self {
        let url = Url::parse(public_url).ok();
        let host = url.as_ref().and_then(|url| url.domain()).unwrap_or_default().to_owned();
        let party = url.and_then(|origin| {
            let builder = WebauthnBuilder::new(&host, &origin).ok()?;
            builder.rp_name("Bailiwick").timeout(crate::ceremony::CEREMONY_LIFE).build().ok()
        });
        Self { party, host, key: keys.purpose(Purpose::Passkey) }
    }

    fn party(&self) -> Result<&Webauthn, Error> {
        self.party.as_ref().ok_or_else(|| {
            Error::refused(
                ProblemKind::Conflict,
                "passkey.host",
                "passkeys do not work at this address",
                "browsers make passkeys for host names, and the console is reached by a bare address",
                "set `[server] public_url` to a host name, such as `http://localhost:7070`",
            )
        })
    }

    fn index(&self, credential: &[u8]) -> Vec<u8> {
        self.key.index(&Context::table("passkeys").column("credential"), credential).to_vec()
    }

    fn context(column: &str, id: &str, person: &PersonId) -> Context {
        Context::table("passkeys").column(column).row(id).with("person", person.as_str())
    }
}

/// A row, opened.
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) person: PersonId,
    pub(crate) credential: Credential,
    /// As it stands in the row: a use is written only over what it was verified against.
    pub(crate) sealed: Vec<u8>,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    pub(crate) used_at: Option<Timestamp>,
    pub(crate) vouched_by: Option<Arc<str>>,
}

impl Identity {
    /// Whether browsers can make passkeys for this console at all.
    #[must_use]
    pub const fn passkeys_work(&self) -> bool {
        self.passkeys.party.is_some()
    }

    fn kept(&self, row: &Row) -> Result<Kept, Error> {
        let (id, person) = (row.text(0)?.to_owned(), PersonId::new(row.text(1)?));
        let sealed = row.bytes(2)?.to_vec();
        let plain = self.passkeys.key.open(&Passkeys::context("credential", &id, &person), &sealed)?;
        let name = self.passkeys.key.open(&Passkeys::context("name", &id, &person), row.bytes(3)?)?;
        Ok(Kept {
            credential: serde_json::from_slice(&plain).map_err(Error::State)?,
            name: String::from_utf8_lossy(&name).into_owned(),
            created_at: row.time(4)?,
            used_at: row.opt_time(5)?,
            vouched_by: row.opt_text(6)?.map(Into::into),
            sealed,
            id,
            person,
        })
    }

    async fn kept_of(&self, person: &PersonId) -> Result<Vec<Kept>, Error> {
        let rows = self.store.read(sql::OF_PERSON, &[(&self.config.tenant).into(), person.into()]).await?;
        rows.iter().map(|row| self.kept(row)).collect()
    }

    /// The passkeys of a person, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn passkeys_of(&self, person: &PersonId) -> Result<Vec<Passkey>, Error> {
        let shown =
            |kept: Kept| Passkey { id: kept.id, name: kept.name, created_at: kept.created_at, used_at: kept.used_at };
        Ok(self.kept_of(person).await?.into_iter().map(shown).collect())
    }

    /// Whether the next passkey of this session is a first one: there is none, and its person signed in just now; or an
    /// operator's new link opened the session, so that the ones before are taken for lost. Any other is a further one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn makes_first_passkey(&self, session: &Session) -> Result<bool, Error> {
        let just_now = signed_in_just_now(session, self.clock.now());
        Ok(is_by_link(session) || (just_now && self.kept_of(&session.person).await?.is_empty()))
    }

    /// Begins making a passkey.
    ///
    /// # Errors
    /// Where passkeys do not work.
    pub async fn begin_passkey(&self, session: &Session) -> Result<Begun, Error> {
        let party = self.passkeys.party()?;
        let person = self.people.get(&session.person).ok_or_else(crate::ceremony::void)?;
        let user = Uuid::parse_str(session.person.as_str()).map_err(|_| crate::ceremony::void())?;
        let kept = self.kept_of(&session.person).await?;
        let known = kept.iter().map(|kept| kept.credential.cred_id().clone()).collect();
        let name = person.name.as_deref().unwrap_or(&person.email);
        let (options, state) = party
            .start_passkey_registration(user, &person.email, name, Some(known))
            .map_err(|error| answers::broken(&error))?;
        let mut options = answers::public_key(&options)?;
        // Signing in asks for no name, so the passkey itself must know whose it is.
        if let Some(selection) = options.get_mut("authenticatorSelection").and_then(serde_json::Value::as_object_mut) {
            selection.insert("residentKey".to_owned(), "required".into());
            selection.insert("requireResidentKey".to_owned(), true.into());
        }
        let ceremony = self.begin(Step::Register, Bound::Session(&session.id), &state)?;
        Ok(Begun { options, ceremony })
    }

    /// Keeps a new passkey. The session counts as confirmed by it.
    ///
    /// # Errors
    /// An answer that does not fit; a passkey that is known already; too many.
    pub async fn make_passkey<A: Act>(
        &self,
        permit: Permit<A>,
        session: &Session,
        made: MadePasskey<'_>,
    ) -> Result<NewSession, Error> {
        let opened = self.resume(Step::Register, Bound::Session(&session.id), made.ceremony)?;
        let (ceremony, state): (_, PasskeyRegistration) = opened.take();
        let answer = serde_json::from_str(made.answer).map_err(|_| answers::unfit())?;
        let credential = self.passkeys.party()?.finish_passkey_registration(&answer, &state);
        let credential = credential.map_err(|error| answers::refused(&error).problem)?;
        let now = self.clock.now();
        let first = A::RULE.name == rules::PASSKEY_FIRST.name;
        let (_, mut tx) = self.store.write(permit).await?;
        ceremony.spend(&mut tx, now).await?;
        let replaced = self.make_room(&mut tx, session, first, now).await?;
        let id = model::RequestId::generate().to_string();
        self.insert_passkey(&mut tx, &id, session, &credential, made.name, now).await?;
        let new = self.strengthen(&mut tx, session, now, None).await?;
        let detail = serde_json::json!({ "passkey": id, "session": session.id, "replaced": replaced });
        tx.commit(detail, None).await?;
        self.strengthened(&new).await;
        Ok(new)
    }

    /// How many passkeys a first one takes the place of.
    async fn make_room(&self, tx: &mut Tx, session: &Session, first: bool, now: Timestamp) -> Result<u64, Error> {
        let row = [(&self.config.tenant).into(), (&session.person).into()];
        let count = tx.query_one(sql::COUNT, &row).await?.map(|row| row.int(0)).transpose()?.unwrap_or(0);
        // Looked at again, within the transaction: another may have been made meanwhile, and time went by.
        if first && !is_by_link(session) && (count > 0 || !signed_in_just_now(session, now)) {
            return Err(crate::ceremony::void());
        }
        if first && count > 0 {
            // Who begins anew begins without what the one before connected.
            tx.execute(sql::DISCONNECT, &row).await?;
            return Ok(tx.execute(sql::REMOVE_ALL, &row).await?);
        }
        if count >= PASSKEYS_MAX {
            return Err(Error::refused(
                ProblemKind::Conflict,
                "passkey.many",
                "you have as many passkeys as one account may",
                format!("{PASSKEYS_MAX} are kept"),
                "remove one that you no longer use",
            ));
        }
        Ok(0)
    }

    async fn insert_passkey(
        &self,
        tx: &mut Tx,
        id: &str,
        session: &Session,
        credential: &Credential,
        name: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let person = &session.person;
        let plain = serde_json::to_vec(credential).map_err(Error::State)?;
        let sealed = self.passkeys.key.seal(&Passkeys::context("credential", id, person), &plain);
        let name = name_of(name);
        let name = self.passkeys.key.seal(&Passkeys::context("name", id, person), name.as_bytes());
        let row: [Value; 9] = [
            (&self.config.tenant).into(),
            id.into(),
            person.into(),
            self.passkeys.index(credential.cred_id().as_slice()).into(),
            sealed.into(),
            name.into(),
            self.passkeys.host.as_str().into(),
            session.vouched_by.as_deref().into(),
            now.into(),
        ];
        tx.execute(sql::INSERT, &row).await?;
        Ok(())
    }

    /// Removes a passkey of the caller.
    ///
    /// # Errors
    /// No such passkey of theirs; the last one, where nothing else lets them in.
    pub async fn remove_passkey(&self, permit: Permit<RemovePasskey>, last: LastPasskey) -> Result<(), Error> {
        let person = permit.caller().person().cloned().ok_or_else(answers::unfit)?;
        let (act, mut tx) = self.store.write(permit).await?;
        let owner = [(&act.tenant).into(), (&person).into()];
        let removed =
            tx.execute(sql::REMOVE, &[(&act.tenant).into(), act.passkey.as_str().into(), (&person).into()]).await?;
        if removed != 1 {
            return Err(Error::refused(
                ProblemKind::NotFound,
                "passkey.unknown",
                "you have no such passkey",
                "it was removed before, or is someone else's",
                "your page shows those that you have",
            ));
        }
        let left = tx.query_one(sql::COUNT, &owner).await?.map(|row| row.int(0)).transpose()?.unwrap_or(0);
        if left == 0 && last == LastPasskey::Stays {
            return Err(Error::refused(
                ProblemKind::Conflict,
                "passkey.last",
                "this is your only way in",
                "one-time links are switched off here, so without a passkey you could not sign in again",
                "make another passkey first, then remove this one",
            ));
        }
        tx.commit(serde_json::json!({ "left": left }), None).await?;
        Ok(())
    }

    /// Host names other than the console's for which passkeys are kept, and how many.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn passkeys_elsewhere(&self) -> Result<Vec<(String, i64)>, Error> {
        let row = [(&self.config.tenant).into(), self.passkeys.host.as_str().into()];
        let rows = self.store.read(sql::HOSTS, &row).await?;
        rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?))).collect()
    }

    /// Whether somebody who may sign in has a passkey.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn anyone_has_a_passkey(&self) -> Result<bool, Error> {
        Ok(self.store.read_one(sql::ANY, &[(&self.config.tenant).into()]).await?.is_some())
    }

    /// Forgets the passkeys of another host name.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub async fn forget_passkeys(&self, permit: Permit<ForgetPasskeys>) -> Result<u64, Error> {
        let (act, mut tx) = self.store.write(permit).await?;
        let gone = tx.execute(sql::FORGET_HOST, &[(&act.tenant).into(), act.host.as_str().into()]).await?;
        tx.commit(serde_json::json!({ "host": act.host, "passkeys": gone }), None).await?;
        Ok(gone)
    }

    /// Signs in with a passkey that was proven: a new session, with a second factor.
    ///
    /// # Errors
    /// An answer that was used before, here or on another node.
    pub async fn sign_in_with(
        &self,
        permit: Permit<SignInWithPasskey>,
        proven: &Proven,
        device: Option<&str>,
    ) -> Result<NewSession, Error> {
        let now = self.clock.now();
        let (_, mut tx) = self.store.write(permit).await?;
        self.use_proven(&mut tx, proven, now).await?;
        let open = sessions::Opening {
            person: &proven.person,
            place: Place::Console,
            parent: None,
            factor: Factor::Second { at: now },
            method: sessions::Method::Passkey,
            vouched_by: proven.vouched_by.clone(),
        };
        let new = self.open_session(&mut tx, open, device, now).await?;
        let detail = serde_json::json!({ "person": proven.person, "session": new.session.id, "method": "passkey" });
        tx.commit(detail, None).await?;
        self.sessions.insert(&new);
        Ok(new)
    }

    /// Confirms a session with a passkey of its person: another cookie, and a fresh second factor.
    ///
    /// # Errors
    /// As `sign_in_with`.
    pub async fn confirm(
        &self,
        permit: Permit<Confirm>,
        session: &Session,
        proven: &Proven,
    ) -> Result<NewSession, Error> {
        let now = self.clock.now();
        let (_, mut tx) = self.store.write(permit).await?;
        self.use_proven(&mut tx, proven, now).await?;
        let new = self.strengthen(&mut tx, session, now, proven.vouched_by.as_ref()).await?;
        tx.commit(serde_json::json!({ "passkey": proven.passkey, "method": "passkey" }), None).await?;
        self.strengthened(&new).await;
        Ok(new)
    }

    /// Records a proof that failed although its passkey is known: somebody tries, or there is a copy of it.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub async fn passkey_refused<A: Act>(&self, permit: Permit<A>, unproven: &Unproven) -> Result<(), Error> {
        let detail = serde_json::json!({
            "method": "passkey",
            "reason": unproven.reason,
            "person": unproven.about.as_ref().map(|about| &about.person),
            "passkey": unproven.about.as_ref().map(|about| &about.passkey),
        });
        self.store.record(permit, Outcome::Denied, detail).await?;
        Ok(())
    }
}

/// What came back from the browser that made a passkey.
#[derive(Debug, Clone, Copy)]
pub struct MadePasskey<'a> {
    pub answer: &'a str,
    pub ceremony: &'a str,
    pub name: &'a str,
}

/// An operator's link opened it, and nothing was confirmed in it since.
fn is_by_link(session: &Session) -> bool {
    session.method == sessions::Method::Link && session.factor == Factor::Link
}

/// INVARIANT: a passkey is a way in and a second factor for good, so a cookie that somebody took over is worth none: it
/// rests on a proof that is as fresh as what decides over others asks for.
fn signed_in_just_now(session: &Session, now: Timestamp) -> bool {
    let is_fresh = |at| now.is_within(SECOND_FACTOR_FRESH, at);
    is_fresh(session.created_at) || matches!(session.factor, Factor::Second { at } if is_fresh(at))
}

fn name_of(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).take(NAME_MAX_CHARS).collect();
    let plain = plain.trim();
    if plain.is_empty() { "passkey".to_owned() } else { plain.to_owned() }
}
