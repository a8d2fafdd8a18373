//! From whom the provider vouches for to a person here: by issuer and subject, and by nothing else.

use super::{Vouch, sql};
use crate::{Error, Identity, Method, NewSession, Place, people, sessions};
use authority::{Act, Factor, Permit, Rule, Target, change, rules};
use model::{Group, PersonId, ProblemKind, TenantId, Timestamp};
use std::collections::BTreeSet;
use store::{Tx, Value};

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
    /// Signs in: the person of this issuer and subject, a new one, or the one whose session asked to be connected.
    ///
    /// # Errors
    /// An address that is another account's; an account that is switched off; an answer that was used before.
    pub async fn sign_in_at_provider(
        &self,
        permit: Permit<SignInAtProvider>,
        vouch: &Vouch,
        device: Option<&str>,
    ) -> Result<AtProvider, Error> {
        let now = self.clock.now();
        let connecting = match &vouch.connect {
            Some(session) => {
                let session = self.sessions.by_id(session, now).ok_or_else(crate::ceremony::void)?;
                Some(session.person.clone())
            }
            None => None,
        };
        let (_, mut tx) = self.store.write(permit).await?;
        vouch.ceremony.spend(&mut tx, now).await?;
        let person = self.whose(&mut tx, vouch, connecting, now).await?;
        let groups = self.follow_groups(&mut tx, &person, &vouch.groups, now).await?;
        let open = sessions::Opening {
            person: &person,
            place: Place::Console,
            parent: None,
            factor: vouch.second_at.map_or(Factor::Link, |at| Factor::Second { at }),
            method: Method::Oidc,
            vouched_by: None,
        };
        let session = self.open_session(&mut tx, open, device, now).await?;
        let row: [Value; 5] = [
            (&self.config.tenant).into(),
            vouch.issuer.as_str().into(),
            self.person_key("sid", vouch.sid.as_deref().unwrap_or_default()).into(),
            self.person_key("subject", &vouch.subject).into(),
            (&session.session.id).into(),
        ];
        tx.execute(sql::SESSION, &row).await?;
        tx.feed(change::PEOPLE, "");
        let detail = serde_json::json!({
            "person": person,
            "session": session.session.id,
            "method": "oidc",
            "second_factor": vouch.second_at.is_some(),
            "connected": vouch.connect.is_some(),
            "groups": groups,
        });
        tx.commit(detail, None).await?;
        self.load_people().await?;
        self.sessions.insert(&session);
        Ok(AtProvider { session, to: vouch.to.clone() })
    }

    async fn whose(
        &self,
        tx: &mut Tx,
        vouch: &Vouch,
        connecting: Option<PersonId>,
        now: Timestamp,
    ) -> Result<PersonId, Error> {
        let key: [Value; 3] = [
            (&self.config.tenant).into(),
            vouch.issuer.as_str().into(),
            self.person_key("subject", &vouch.subject).into(),
        ];
        let known = tx.query_one(sql::PERSON, &key).await?.map(|row| row.text(0).map(PersonId::new)).transpose()?;
        let person = match (known, connecting) {
            (Some(known), Some(connecting)) if known != connecting => return Err(connected_elsewhere()),
            (Some(known), _) => known,
            (None, Some(connecting)) => self.connect(tx, key, connecting, now).await?,
            (None, None) => {
                let person = self.newcomer(tx, vouch).await?;
                return self.connect(tx, key, person, now).await;
            }
        };
        if self.known_person(&person) { Ok(person) } else { Err(super::refused()) }
    }

    async fn connect(&self, tx: &mut Tx, key: [Value; 3], person: PersonId, now: Timestamp) -> Result<PersonId, Error> {
        let [tenant, issuer, subject] = key;
        let row = [tenant, issuer, subject, (&person).into(), now.into()];
        match tx.execute(sql::CONNECT, &row).await? {
            1 => Ok(person),
            _ => Err(super::refused()),
        }
    }

    /// An account for somebody who never was here. INVARIANT: an address proves nothing about whose account it is.
    async fn newcomer(&self, tx: &mut Tx, vouch: &Vouch) -> Result<PersonId, Error> {
        let email = vouch.email.as_deref().ok_or_else(no_email)?;
        let email = people::email(email)?;
        let key = [(&self.config.tenant).into(), self.people.email_key(&email).into()];
        if tx.query_one(people::sql::BY_EMAIL, &key).await?.is_some() {
            return Err(email_taken(&email));
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

fn email_taken(email: &str) -> Error {
    Error::refused(
        ProblemKind::Conflict,
        "provider.email_taken",
        format!("`{email}` is the address of another account here"),
        "an address proves nothing: whoever may choose theirs at the provider could become someone else",
        "sign in to that account with its link or passkey, and connect single sign-on on your own page",
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
