//! Sign-in codes: how a person who is signed in to the console becomes signed in to an app.
//!
//! A code lives 60 seconds, works once, and only together with the cookie that the app's origin set before it sent
//! the browser to the console: a code that someone else planted is of no use.

use crate::{Error, Identity, NewSession, Place, Session, sessions};
use authority::{Act, AppRef, Permit, Rule, Target, rules};
use model::{ProblemKind, SessionId, TenantId, Timestamp};
use seal::{Token, TokenHash, constant_time_eq};
use std::{sync::Arc, time::Duration};

const CODE_LIFE: Duration = Duration::from_secs(60);

/// Sign in to an app.
#[derive(Debug, Clone)]
pub struct SignIn {
    pub tenant: TenantId,
    pub app: AppRef,
}

impl Act for SignIn {
    const RULE: &'static Rule = &rules::APP_SIGN_IN;
    fn target(&self) -> Target {
        Target::within(self.tenant.clone(), &self.app, format!("app/{}", self.app.id))
    }
}

/// A code, for the redirect back to the app.
#[derive(Debug)]
pub struct Code {
    pub value: Token,
    pub expires_at: Timestamp,
}

/// A code that was redeemed.
#[derive(Debug)]
pub struct Redeemed {
    pub session: NewSession,
    /// Path and query on the app's origin, checked when the code was made.
    pub return_to: String,
}

/// Nothing is kept in memory: codes are rows, so that any node may redeem them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Codes;

impl Identity {
    /// Makes a code for the app, bound to the hash of the cookie that the app's origin set.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub async fn code(
        &self,
        permit: Permit<SignIn>,
        session: &Session,
        binding: &TokenHash,
        return_to: &str,
    ) -> Result<Code, Error> {
        let now = self.clock.now();
        let Codes = self.codes;
        let (act, mut tx) = self.store.write(permit).await?;
        let (value, expires_at) = (Token::generate(), now.plus(CODE_LIFE));
        let row = [
            (&act.tenant).into(),
            value.hash().as_bytes().to_vec().into(),
            binding.as_bytes().to_vec().into(),
            (&session.id).into(),
            (&act.app.id).into(),
            act.app.env.as_str().into(),
            local_path(return_to).into(),
            expires_at.into(),
        ];
        tx.execute(sessions::DROP_OLD_CODES, &[(&act.tenant).into(), now.into()]).await?;
        tx.execute(sessions::INSERT_CODE, &row).await?;
        tx.commit(serde_json::json!({ "session": session.id, "step": "code" }), None).await?;
        Ok(Code { value, expires_at })
    }

    /// Redeems a code on the app's origin: a new session of the app, of the same person and factor.
    ///
    /// # Errors
    /// A code that is unknown, spent, too old, for another app, or that came without its cookie.
    pub async fn redeem(
        &self,
        permit: Permit<SignIn>,
        parent: &Arc<Session>,
        code: &str,
        binding: &str,
        device: Option<&str>,
    ) -> Result<Redeemed, Error> {
        let now = self.clock.now();
        let hash = TokenHash::of(code).as_bytes().to_vec();
        // Before the transaction: a revoke that comes between leaves the session under credentials that are dead.
        let credential_epoch = self.credential_epoch_of(&Place::App(permit.act().app.clone()));
        let (act, mut tx) = self.store.write(permit).await?;
        let taken = tx.query_one(sessions::TAKE_CODE, &[(&act.tenant).into(), hash.into()]).await?;
        let row = taken.ok_or_else(void_code)?;
        let bound = constant_time_eq(row.bytes(0)?, TokenHash::of(binding).as_bytes());
        let same_app = row.text(2)? == act.app.id.as_str() && row.text(3)? == act.app.env.as_str();
        let same_session = row.text(1)? == parent.id.as_str();
        if !bound || !same_app || !same_session || now >= Timestamp::from_ms(row.int(5)?) {
            // A code that was tried is spent, whoever tried it.
            tx.commit(serde_json::json!({ "step": "void" }), None).await?;
            return Err(void_code());
        }
        let return_to = row.text(4)?.to_owned();
        // Held until the commit: who signs out meanwhile waits, or was first.
        if tx.execute(sessions::STILL_LIVE, &[(&act.tenant).into(), (&parent.id).into()]).await? != 1 {
            tx.commit(serde_json::json!({ "step": "void" }), None).await?;
            return Err(void_code());
        }
        let open = sessions::Opening {
            person: &parent.person,
            place: Place::App(act.app.clone()),
            parent: Some(parent.id.clone()),
            factor: parent.factor,
            method: parent.method,
            vouched_by: parent.vouched_by.clone(),
        };
        let mut session = self.open_session(&mut tx, open, device, now).await?;
        session.session.credential_epoch = credential_epoch;
        session.session.at_provider = parent.at_provider.clone();
        tx.commit(
            serde_json::json!({ "session": session.session.id, "step": "session", "method": parent.method }),
            None,
        )
        .await?;
        self.sessions.insert(&session);
        self.end_what_stands();
        if !self.goes_on(&parent.id) {
            // Signed out while it was made.
            self.sessions.end(&session.session.id);
            return Err(void_code());
        }
        Ok(Redeemed { session, return_to })
    }

    /// Whose code this is, without spending it: the caller whose permit `redeem` needs.
    ///
    /// # Errors
    /// A code that is unknown, or whose session is over.
    pub async fn code_session(&self, code: &str) -> Result<Arc<Session>, Error> {
        let hash = TokenHash::of(code).as_bytes().to_vec();
        let row = self.store.read_one(sessions::CODE_SESSION, &[(&self.config.tenant).into(), hash.into()]).await?;
        let id = SessionId::new(row.ok_or_else(void_code)?.text(0)?);
        self.sessions.by_id(&id, self.clock.now()).ok_or_else(void_code)
    }
}

/// A path on the same origin, or `/`: never another host.
fn local_path(text: &str) -> &str {
    let local = text.starts_with('/') && !text.starts_with("//") && !text.contains(['\\', '\r', '\n']);
    if local { text } else { "/" }
}

fn void_code() -> Error {
    Error::refused(
        ProblemKind::Gone,
        "code.void",
        "this sign-in did not finish in time",
        "the step between the console and the app works once, within a minute, in one browser",
        "open the app's link again",
    )
}
