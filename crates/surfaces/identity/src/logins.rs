//! Logins of command lines: a secret that never leaves the terminal's machine until it is confirmed, and a code that
//! both sides show. Nothing is kept of a login that nobody confirmed.
//!
//! The address that a person opens was made here, and is good for ten minutes: one that lies in a chat or a history is
//! worth nothing. Refuses: an address that was not, or is too old; a secret that nobody confirmed, one that was taken
//! before, one whose person was switched off meanwhile.

mod sql;

use crate::{Error, Identity, Method, NewSession, Place, Session, passkeys, sessions};
use authority::{Act, Factor, Permit, Rule, Target, rules};
use model::{PersonId, ProblemKind, SessionId, TenantId, Timestamp};
use seal::{Context, Purpose, TokenHash, sha256};
use std::{sync::Arc, time::Duration};

/// From the terminal's asking until its address is worth nothing: as long as it waits itself.
const CONFIRM_WITHIN: Duration = Duration::from_secs(600);
/// From the confirmation until the terminal has asked again.
const TAKE_WITHIN: Duration = Duration::from_secs(120);
/// Letters that make no word and look like no other (RFC 8628, section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// What both sides show of a login: eight letters of its secret's hash.
#[must_use]
pub fn login_code(secret: &TokenHash) -> String {
    let digest = sha256(&[b"bailiwick login code 1:".as_slice(), secret.as_bytes()].concat());
    let letter = |byte: &u8| LETTERS.get(usize::from(*byte) % LETTERS.len()).copied().map_or('X', char::from);
    let letters: Vec<char> = digest.iter().take(8).map(letter).collect();
    let (left, right) = letters.split_at(4);
    format!("{}-{}", left.iter().collect::<String>(), right.iter().collect::<String>())
}

/// A login that was begun: what its address says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginBegun {
    /// What `/login?to=` takes: hash, end and code.
    pub to: String,
    pub expires_at: Timestamp,
}

/// Let the command line that holds this secret sign in as oneself: with a fresh second factor, since it is a session
/// more that proves as much.
#[derive(Debug, Clone)]
pub struct ConfirmLogin {
    pub tenant: TenantId,
    pub secret: TokenHash,
}

impl Act for ConfirmLogin {
    const RULE: &'static Rule = &rules::LOGIN_CONFIRM;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("login/{}", login_code(&self.secret)))
    }
}

/// The same for a person who has no second factor: the command line has none then either.
#[derive(Debug, Clone)]
pub struct ConfirmWeakLogin {
    pub tenant: TenantId,
    pub secret: TokenHash,
}

impl Act for ConfirmWeakLogin {
    const RULE: &'static Rule = &rules::LOGIN_CONFIRM_WEAK;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("login/{}", login_code(&self.secret)))
    }
}

/// Sign the command line in.
#[derive(Debug, Clone)]
pub struct TakeLogin {
    pub tenant: TenantId,
    pub secret: TokenHash,
}

impl Act for TakeLogin {
    const RULE: &'static Rule = &rules::LOGIN_TAKE;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("login/{}", login_code(&self.secret)))
    }
}

impl Identity {
    /// Begins a login: nothing is kept, and the address that comes out says until when it is good.
    #[must_use]
    pub fn begin_login(&self, secret: &TokenHash) -> LoginBegun {
        let expires_at = self.clock.now().plus(CONFIRM_WITHIN);
        let until = expires_at.as_secs();
        let code = TokenHash::from_bytes(self.login_mac(secret, until));
        LoginBegun { to: format!("{secret}.{until}.{code}"), expires_at }
    }

    /// The login of an address that `begin_login` made, while it is good.
    ///
    /// # Errors
    /// One that was not made here, was bent, or is too old.
    pub fn login_of(&self, to: &str) -> Result<TokenHash, Error> {
        let mut parts = to.split('.');
        let mut part = || parts.next().ok_or_else(no_login);
        let secret: TokenHash = part()?.parse().map_err(|_| no_login())?;
        let until: i64 = part()?.parse().map_err(|_| no_login())?;
        let code: TokenHash = part()?.parse().map_err(|_| no_login())?;
        if parts.next().is_some() || code != TokenHash::from_bytes(self.login_mac(&secret, until)) {
            return Err(no_login());
        }
        if self.clock.now().as_secs() >= until { Err(expired()) } else { Ok(secret) }
    }

    fn login_mac(&self, secret: &TokenHash, until: i64) -> [u8; seal::MAC_BYTES] {
        let context = Context::table("logins").column("address").row(secret.to_string());
        self.config.keys.purpose(Purpose::Ceremony).mac(&context, &until.to_be_bytes())
    }

    /// Whether this session may confirm a login without a fresh second factor: it has none, and its person could show
    /// none here.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn confirms_weakly(&self, session: &Session) -> Result<bool, Error> {
        Ok(session.factor == Factor::Link && self.passkeys_of(&session.person).await?.is_empty())
    }

    /// Confirms a login from a signed-in session; the terminal takes it within two minutes.
    ///
    /// # Errors
    /// When the record cannot be written; a login that was confirmed before.
    pub async fn confirm_login<A: Act>(
        &self,
        permit: Permit<A>,
        login: &TokenHash,
        session: &Session,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let tenant = self.config.tenant.clone();
        let (_, mut tx) = self.store.write(permit).await?;
        if A::RULE.name == rules::LOGIN_CONFIRM_WEAK.name {
            // Looked at again, within the transaction: a passkey may have been made meanwhile.
            let row = tx.query_one(passkeys::sql::COUNT, &[(&tenant).into(), (&session.person).into()]).await?;
            if session.factor != Factor::Link || row.map(|row| row.int(0)).transpose()? != Some(0) {
                return Err(void());
            }
        }
        tx.execute(sql::DROP_OLD, &[(&tenant).into(), now.into()]).await?;
        let row = [
            (&tenant).into(),
            login.as_bytes().to_vec().into(),
            (&session.person).into(),
            (&session.id).into(),
            now.plus(TAKE_WITHIN).into(),
        ];
        if tx.execute(sql::INSERT, &row).await? != 1 {
            return Err(void());
        }
        tx.commit(serde_json::json!({ "session": session.id }), None).await?;
        Ok(())
    }

    /// Whether somebody confirmed this login, and it waits to be taken.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn login_waits(&self, secret: &TokenHash) -> Result<bool, Error> {
        let row = [(&self.config.tenant).into(), secret.as_bytes().to_vec().into(), self.clock.now().into()];
        let Some(row) = self.store.read_one(sql::WAITS, &row).await? else { return Ok(false) };
        let session = SessionId::new(row.text(0)?);
        if self.sessions.by_id(&session, self.clock.now()).is_none() {
            // Another node may have made it.
            self.refresh_session(&session).await?;
        }
        Ok(true)
    }

    /// Signs the command line in: a session of its own, as strong as the one that confirmed it.
    ///
    /// # Errors
    /// A login that was not confirmed, or was taken; a session or account that is over.
    pub async fn take_login(&self, permit: Permit<TakeLogin>, device: Option<&str>) -> Result<NewSession, Error> {
        let now = self.clock.now();
        let (act, mut tx) = self.store.write(permit).await?;
        let key = [(&act.tenant).into(), act.secret.as_bytes().to_vec().into()];
        let row = tx.query_one(sql::TAKE, &key).await?.ok_or_else(void)?;
        let (person, session) = (PersonId::new(row.text(0)?), SessionId::new(row.text(1)?));
        let by = self.sessions.by_id(&session, now).filter(|by| by.person == person).ok_or_else(void)?;
        let known = self.people.get(&person).is_some_and(|person| person.enabled);
        if now >= Timestamp::from_ms(row.int(2)?) || !known {
            return Err(void());
        }
        // Held until the commit; and memory may not have heard yet that it has ended.
        if tx.execute(sessions::STILL_LIVE, &[(&act.tenant).into(), (&session).into()]).await? != 1 {
            return Err(void());
        }
        let open = sessions::Opening {
            person: &person,
            place: Place::Terminal,
            parent: None,
            factor: by.factor,
            method: Method::Login,
            vouched_by: by.vouched_by.clone(),
        };
        let mut new = self.open_session(&mut tx, open, device, now).await?;
        // What the provider ends there, it ends in the terminal too.
        if let Some(known) = &by.at_provider {
            self.known_at_provider(&mut tx, &mut new.session, Arc::clone(known)).await?;
        }
        tx.about(&person);
        let detail = serde_json::json!({ "person": person, "session": new.session.id, "method": "login" });
        tx.commit(detail, None).await?;
        self.sessions.insert(&new);
        Ok(new)
    }
}

fn no_login() -> Error {
    Error::refused(
        ProblemKind::Invalid,
        "login.address",
        "this is not the address of a login",
        "the command line prints a long address, and a part of it is missing or was changed here",
        "copy the whole address that `bailiwick login` printed",
    )
}

fn expired() -> Error {
    Error::refused(
        ProblemKind::Gone,
        "login.expired",
        "this login is too old",
        "its address is good for ten minutes, so that one that was found later signs nobody in",
        "run `bailiwick login URL` again, and open the address that it prints",
    )
}

fn void() -> Error {
    Error::refused(
        ProblemKind::Gone,
        "login.void",
        "this login does not work any more",
        "each works once, and within two minutes of being confirmed",
        "run `bailiwick login URL` again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_show_the_same_eight_letters() {
        let code = login_code(&TokenHash::of("a secret"));
        assert_eq!(code, login_code(&TokenHash::of("a secret")));
        assert_ne!(code, login_code(&TokenHash::of("another")));
        assert!(code.len() == 9 && code.bytes().filter(|byte| LETTERS.contains(byte)).count() == 8, "{code}");
    }
}
