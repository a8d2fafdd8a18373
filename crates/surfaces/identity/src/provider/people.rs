//! From whom the provider vouches for to a person here: by issuer and subject, and by nothing else.

use super::{Vouch, sql, standing::Setting};
use crate::{
    Error, Identity, Links, Method, NewSession, Place, Session, people, sessions, sessions::KnownAt, vouching,
};
use authority::{Act, Factor, Permit, Rule, Target, change, rules};
use model::{Group, PersonId, ProblemKind, TenantId, Timestamp};
use std::{collections::BTreeSet, sync::Arc};
use store::{Tx, Value, left_to_feed};

/// Whom memberships come from that the provider gives, and takes away.
const PROVIDER: &str = "provider";

/// Sign in as whomever the provider vouches for.
#[derive(Debug, Clone)]
pub struct SignInAtProvider {
    pub tenant: TenantId,
}

impl Act for SignInAtProvider {
    const RULE: &'static Rule = &rules::OIDC_SIGN_IN;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "provider")
    }
}

/// Connect an account at the provider with one's own here. With a fresh second factor: it is another way in.
#[derive(Debug, Clone)]
pub struct ConnectProvider {
    pub tenant: TenantId,
    pub person: PersonId,
}

impl Act for ConnectProvider {
    const RULE: &'static Rule = &rules::PROVIDER_CONNECT;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("person/{}", self.person))
    }
}

/// A session that began at the provider.
#[derive(Debug)]
pub struct AtProvider {
    pub session: NewSession,
    pub to: String,
}

impl Identity {
    /// Signs in: the person of this issuer and subject, or a new one.
    ///
    /// # Errors
    /// An address that is another account's; an account that is switched off; an answer that was used before.
    pub async fn sign_in_at_provider(
        &self,
        permit: Permit<SignInAtProvider>,
        vouch: &Vouch,
        device: Option<&str>,
    ) -> Result<AtProvider, Error> {
        // What was begun to connect an account signs nobody in.
        if vouch.connect.is_some() {
            return Err(crate::ceremony::void());
        }
        let now = self.clock.now();
        let (_, mut tx) = self.store.write(permit).await?;
        vouch.ceremony.spend(&mut tx, now).await?;
        self.still_in_force(&mut tx, vouch).await?;
        let (person, vouched_by) = self.whose(&mut tx, vouch, now).await?;
        // Whoever chose in the console who says who people are vouches for all of them.
        let vouched_by = vouching::both(vouched_by.as_ref(), vouch.set_by.as_ref());
        let groups = self.follow_groups(&mut tx, &person, &vouch.said.groups, now).await?;
        let open = sessions::Opening {
            person: &person,
            place: Place::Console,
            parent: None,
            factor: vouch.said.second_at.map_or(Factor::Link, |at| Factor::Second { at }),
            method: Method::Oidc,
            vouched_by,
        };
        let mut new = self.open_session(&mut tx, open, device, now).await?;
        let known = KnownAt {
            issuer: vouch.issuer.clone(),
            sid: self.person_key("sid", vouch.said.sid.as_deref().unwrap_or_default()),
            subject: self.person_key("subject", &vouch.said.subject),
        };
        self.known_at_provider(&mut tx, &mut new.session, Arc::new(known)).await?;
        tx.feed(change::PEOPLE, person.as_str());
        tx.about(&person);
        let detail = serde_json::json!({
            "person": person,
            "session": new.session.id,
            "method": "oidc",
            "second_factor": vouch.said.second_at.is_some(),
            "groups": groups,
        });
        tx.commit(detail, None).await?;
        // At once: whoever ends it while people are read ends it in memory too.
        self.sessions.insert(&new);
        left_to_feed(self.load_person(&person).await);
        // The provider may have ended it meanwhile, or have been switched off.
        self.end_what_stands();
        if !self.still_vouched(&new.session) {
            self.sessions.end(&new.session.id);
            return Err(super::refused());
        }
        Ok(AtProvider { session: new, to: vouch.to.clone() })
    }

    /// Writes down by what the provider knows a session, so that it can end it.
    pub(crate) async fn known_at_provider(
        &self,
        tx: &mut Tx,
        session: &mut Session,
        known: Arc<KnownAt>,
    ) -> Result<(), Error> {
        let row: [Value; 5] = [
            (&self.config.tenant).into(),
            known.issuer.as_str().into(),
            known.sid.clone().into(),
            known.subject.clone().into(),
            (&session.id).into(),
        ];
        tx.execute(sql::SESSION, &row).await?;
        session.at_provider = Some(known);
        Ok(())
    }

    /// Connects the account that the provider vouches for with the person of the session that asked for it. Whoever
    /// vouches for that session vouches for what is signed in by the account from now on. Where they go on to.
    ///
    /// # Errors
    /// An account that is somebody else's here; one that was not proven anew; another session than the one that asked.
    pub async fn connect_at_provider(
        &self,
        permit: Permit<ConnectProvider>,
        vouch: &Vouch,
        session: &Session,
    ) -> Result<String, Error> {
        if vouch.connect.as_ref() != Some(&session.id) || permit.act().person != session.person {
            return Err(crate::ceremony::void());
        }
        if !vouch.said.anew {
            return Err(not_anew());
        }
        let now = self.clock.now();
        let (act, mut tx) = self.store.write(permit).await?;
        vouch.ceremony.spend(&mut tx, now).await?;
        self.still_in_force(&mut tx, vouch).await?;
        let before = self.known_there(&mut tx, vouch).await?;
        if before.as_ref().is_some_and(|(person, _)| *person != act.person) {
            return Err(connected_elsewhere());
        }
        if before.is_none() {
            self.connect(&mut tx, vouch, &act.person, session.vouched_by.as_ref(), now).await?;
        }
        let detail = serde_json::json!({ "method": "oidc", "session": session.id, "before": before.is_some() });
        tx.commit(detail, None).await?;
        Ok(vouch.to.clone())
    }

    /// What was switched off, or set up anew, while somebody was on the way vouches for nobody.
    async fn still_in_force(&self, tx: &mut Tx, vouch: &Vouch) -> Result<(), Error> {
        let Some(digest) = &vouch.digest else { return Ok(()) };
        let now = self.setting(tx, Setting::Provider).await?;
        if now.is_some_and(|now| now.digest == *digest) { Ok(()) } else { Err(super::refused()) }
    }

    async fn whose(&self, tx: &mut Tx, vouch: &Vouch, now: Timestamp) -> Result<(PersonId, Option<Arc<str>>), Error> {
        if let Some((person, vouched_by)) = self.known_there(tx, vouch).await? {
            return match self.people.get(&person).map(|person| person.enabled) {
                Some(true) => Ok((person, vouched_by)),
                // Proven to be theirs: it may be said how it is.
                Some(false) => Err(switched_off()),
                None => Err(super::refused()),
            };
        }
        let person = self.newcomer(tx, vouch).await?;
        self.connect(tx, vouch, &person, None, now).await?;
        Ok((person, None))
    }

    /// Who this issuer and subject is here, and who vouched for that.
    async fn known_there(&self, tx: &mut Tx, vouch: &Vouch) -> Result<Option<(PersonId, Option<Arc<str>>)>, Error> {
        let key: [Value; 3] = [
            (&self.config.tenant).into(),
            vouch.issuer.as_str().into(),
            self.person_key("subject", &vouch.said.subject).into(),
        ];
        let Some(row) = tx.query_one(sql::PERSON, &key).await? else { return Ok(None) };
        Ok(Some((PersonId::new(row.text(0)?), row.opt_text(1)?.map(Into::into))))
    }

    async fn connect(
        &self,
        tx: &mut Tx,
        vouch: &Vouch,
        person: &PersonId,
        vouched_by: Option<&Arc<str>>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let row: [Value; 6] = [
            (&self.config.tenant).into(),
            vouch.issuer.as_str().into(),
            self.person_key("subject", &vouch.said.subject).into(),
            person.into(),
            now.into(),
            vouched_by.map(|by| &**by).into(),
        ];
        match tx.execute(sql::CONNECT, &row).await? {
            1 => Ok(()),
            _ => Err(super::refused()),
        }
    }

    /// An account for somebody who never was here. INVARIANT: an address proves nothing about whose account it is.
    async fn newcomer(&self, tx: &mut Tx, vouch: &Vouch) -> Result<PersonId, Error> {
        let email = vouch.said.email.as_deref().ok_or_else(no_email)?;
        let email = people::email(email)?;
        let key = [(&self.config.tenant).into(), self.people.email_key(&email).into()];
        if tx.query_one(people::sql::BY_EMAIL, &key).await?.is_some() {
            return Err(email_taken(&email, self.links()));
        }
        self.insert_person(tx, &email, PROVIDER).await
    }

    /// Groups that the provider gave before and gives no more go; those that people gave stay.
    async fn follow_groups(
        &self,
        tx: &mut Tx,
        person: &PersonId,
        given: &[Group],
        now: Timestamp,
    ) -> Result<Vec<Group>, Error> {
        let tenant = &self.config.tenant;
        let rows = tx.query(sql::GROUPS, &[tenant.into(), person.into()]).await?;
        let had = rows.iter().map(|row| row.text(0).map(Group::new)).collect::<Result<BTreeSet<_>, _>>()?;
        for gone in had.iter().filter(|group| !given.contains(group)) {
            tx.execute(people::sql::LEAVE, &[tenant.into(), person.into(), gone.into()]).await?;
        }
        for group in given.iter().filter(|group| !had.contains(group)) {
            let row = [tenant.into(), person.into(), group.into(), now.into(), PROVIDER.into(), Value::Null];
            tx.execute(people::sql::JOIN, &row).await?;
        }
        Ok(given.to_vec())
    }
}

fn no_email() -> Error {
    Error::refused(
        ProblemKind::Unprocessable,
        "provider.no_email",
        "the provider did not say your address",
        "an account here is shown by an e-mail address, and its token has none",
        "ask whoever runs the provider to release the claim `email` to this client",
    )
}

fn email_taken(email: &str, links: Links) -> Error {
    // Whether that account has a passkey is nobody else's: the words are the same.
    let fix = match links {
        Links::On => "sign in to that account with its link or passkey, and connect single sign-on on your own page",
        Links::Off => {
            "sign in to that account with its passkey, and connect single sign-on on your own page; without one, ask an operator to switch one-time links on and to make you a link, and make a passkey with it"
        }
    };
    Error::refused(
        ProblemKind::Conflict,
        "provider.email_taken",
        format!("`{email}` is the address of another account here"),
        "an address proves nothing: whoever may choose theirs at the provider could become someone else",
        fix,
    )
}

/// Said to whom the provider proved to be the one of this account, and to nobody else.
fn switched_off() -> Error {
    Error::refused(
        ProblemKind::Denied,
        "person.disabled",
        "this account is switched off",
        "an operator switched off the account that is yours here, and signing in at the provider does not switch it on",
        "ask an operator; a new account needs another address here, and another account at the provider",
    )
}

fn not_anew() -> Error {
    Error::refused(
        ProblemKind::Denied,
        "provider.not_anew",
        "you did not sign in at the provider anew",
        "an account is connected by whoever proves that it is theirs, not by whoever was signed in there before",
        "connect it again, and sign in there when you are asked; if it does not ask, sign out there first",
    )
}

fn connected_elsewhere() -> Error {
    Error::refused(
        ProblemKind::Conflict,
        "provider.connected",
        "that account at the provider is somebody else's here",
        "one account there is one person here",
        "sign in there with your own account, then connect it",
    )
}
