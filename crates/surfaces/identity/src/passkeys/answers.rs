//! What a browser answers when it is asked for a passkey: verified before any permit is asked for.

use super::{Begun, Kept, Passkeys, sql};
use crate::{
    Bound, Error, Identity, Session,
    ceremony::{Opened, Step},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use model::{PersonId, ProblemKind, Timestamp};
use std::sync::Arc;
use store::Tx;
use webauthn_rs::prelude::{DiscoverableAuthentication, DiscoverableKey, PublicKeyCredential, WebauthnError};

/// A passkey that answered as it must; the answer is spent by the act that uses it.
#[derive(Debug)]
pub struct Proven {
    pub passkey: String,
    pub person: PersonId,
    pub(crate) vouched_by: Option<Arc<str>>,
    ceremony: Opened<()>,
    /// The row that was verified against, and what takes its place.
    before: Vec<u8>,
    after: Vec<u8>,
}

/// An answer that proves nothing.
#[derive(Debug)]
pub struct Unproven {
    /// What whoever sent it is told: the same words for every reason but a copied passkey.
    pub problem: Error,
    /// What the record says.
    pub reason: &'static str,
    /// Which passkey, when it is one that is known here.
    pub about: Option<About>,
}

#[derive(Debug, Clone)]
pub struct About {
    pub person: PersonId,
    pub passkey: String,
}

impl From<Error> for Unproven {
    fn from(problem: Error) -> Self {
        Self { problem, reason: "invalid", about: None }
    }
}

impl Identity {
    /// Begins signing in: any passkey of this console, of whoever holds it.
    ///
    /// # Errors
    /// Where passkeys do not work.
    pub fn begin_sign_in(&self, browser: &str) -> Result<Begun, Error> {
        let (options, state) = self.passkeys.party()?.start_discoverable_authentication().map_err(|e| broken(&e))?;
        let ceremony = self.begin(Step::SignIn, Bound::Browser(browser), &state)?;
        Ok(Begun { options: public_key(&options)?, ceremony })
    }

    /// Begins confirming a session: one of its person's passkeys.
    ///
    /// # Errors
    /// Where passkeys do not work; a person who has none.
    pub async fn begin_confirm(&self, session: &Session) -> Result<Begun, Error> {
        let kept = self.kept_of(&session.person).await?;
        if kept.is_empty() {
            return Err(none_yet());
        }
        let (options, state) = self.passkeys.party()?.start_discoverable_authentication().map_err(|e| broken(&e))?;
        let allowed = kept.iter().map(|kept| {
            let id = BASE64_URL_SAFE_NO_PAD.encode(kept.credential.cred_id());
            serde_json::json!({ "type": "public-key", "id": id })
        });
        let mut options = public_key(&options)?;
        if let Some(options) = options.as_object_mut() {
            options.insert("allowCredentials".to_owned(), allowed.collect());
        }
        let ceremony = self.begin(Step::Confirm, Bound::Session(&session.id), &state)?;
        Ok(Begun { options, ceremony })
    }

    /// Verifies an answer of somebody who signs in.
    ///
    /// # Errors
    /// Everything that does not fit.
    pub async fn prove_sign_in(&self, browser: &str, ceremony: &str, answer: &str) -> Result<Proven, Unproven> {
        self.prove(Step::SignIn, Bound::Browser(browser), ceremony, answer, None).await
    }

    /// Verifies an answer of the person of a session.
    ///
    /// # Errors
    /// Everything that does not fit, another person's passkey among it.
    pub async fn prove_confirm(&self, session: &Session, ceremony: &str, answer: &str) -> Result<Proven, Unproven> {
        self.prove(Step::Confirm, Bound::Session(&session.id), ceremony, answer, Some(&session.person)).await
    }

    async fn prove(
        &self,
        step: Step,
        bound: Bound<'_>,
        ceremony: &str,
        answer: &str,
        whose: Option<&PersonId>,
    ) -> Result<Proven, Unproven> {
        let (ceremony, state): (_, DiscoverableAuthentication) = self.resume(step, bound, ceremony)?.take();
        self.unspent(&ceremony).await?;
        let answer: PublicKeyCredential = serde_json::from_str(answer).map_err(|_| unfit())?;
        let key = self.passkeys.index(answer.get_credential_id());
        let key = [(&self.config.tenant).into(), key.into()];
        let row = self.store.read_one(sql::BY_CREDENTIAL, &key).await.map_err(Error::from)?;
        let Some(row) = row else {
            return Err(Unproven { problem: unfit(), reason: "unknown", about: None });
        };
        let kept = self.kept(&row)?;
        let about = About { person: kept.person.clone(), passkey: kept.id.clone() };
        let verified = self.verify(state, &answer, kept, whose);
        let (kept, after) = verified.map_err(|unproven| Unproven { about: Some(about), ..unproven })?;
        Ok(Proven {
            passkey: kept.id,
            person: kept.person,
            vouched_by: kept.vouched_by,
            ceremony,
            before: kept.sealed,
            after,
        })
    }

    fn verify(
        &self,
        state: DiscoverableAuthentication,
        answer: &PublicKeyCredential,
        mut kept: Kept,
        whose: Option<&PersonId>,
    ) -> Result<(Kept, Vec<u8>), Unproven> {
        if whose.is_some_and(|person| *person != kept.person) {
            return Err(Unproven { problem: unfit(), reason: "person", about: None });
        }
        // The passkey says whose it is; a session knows already, and then it may be silent (level 3, section 7.2).
        let handle = answer.get_user_unique_id().map(webauthn_rs::prelude::Uuid::from_slice);
        let owner = webauthn_rs::prelude::Uuid::parse_str(kept.person.as_str()).ok();
        let fits = match handle {
            Some(handle) => handle.is_ok() && handle.ok() == owner,
            None => whose.is_some(),
        };
        if !fits {
            return Err(Unproven { problem: unfit(), reason: "person", about: None });
        }
        if !self.people.get(&kept.person).is_some_and(|person| person.enabled) {
            return Err(Unproven { problem: unfit(), reason: "disabled", about: None });
        }
        let key = DiscoverableKey::from(&kept.credential);
        let result = self.passkeys.party()?.finish_discoverable_authentication_v2(answer, state, &key);
        let result = result.map_err(|error| refused(&error))?;
        if !result.user_verified() {
            return Err(Unproven { problem: unfit(), reason: "not_verified", about: None });
        }
        kept.credential.update_credential(&result);
        let plain = serde_json::to_vec(&kept.credential).map_err(Error::State)?;
        let after = self.passkeys.key.seal(&Passkeys::context("credential", &kept.id, &kept.person), &plain);
        Ok((kept, after))
    }

    /// Spends the answer, and writes the counter that it showed.
    pub(super) async fn use_proven(&self, tx: &mut Tx, proven: &Proven, now: Timestamp) -> Result<(), Error> {
        proven.ceremony.spend(tx, now).await?;
        let row = [
            (&self.config.tenant).into(),
            proven.passkey.as_str().into(),
            proven.after.clone().into(),
            now.into(),
            proven.before.clone().into(),
        ];
        match tx.execute(sql::USED, &row).await? {
            1 => Ok(()),
            _ => Err(crate::ceremony::void()),
        }
    }
}

/// The part of the options that a browser's own call takes.
pub(super) fn public_key(options: &impl serde::Serialize) -> Result<serde_json::Value, Error> {
    let mut whole = serde_json::to_value(options).map_err(Error::State)?;
    Ok(whole.get_mut("publicKey").map(serde_json::Value::take).unwrap_or_default())
}

/// Our own part of the ceremony could not be made: a fault of configuration.
pub(super) fn broken(error: &WebauthnError) -> Error {
    tracing::error!(%error, "a passkey ceremony could not begin");
    Error::Refused(model::Problem::internal())
}

pub(super) fn refused(error: &WebauthnError) -> Unproven {
    tracing::debug!(%error, "a passkey's answer was refused");
    let reasons = [
        (matches!(error, WebauthnError::MismatchedChallenge), "challenge"),
        (matches!(error, WebauthnError::InvalidRPOrigin), "origin"),
        (matches!(error, WebauthnError::InvalidRPIDHash), "host"),
        (matches!(error, WebauthnError::UserNotVerified), "not_verified"),
    ];
    if matches!(error, WebauthnError::CredentialPossibleCompromise) {
        return Unproven { problem: copied(), reason: "counter", about: None };
    }
    let reason = reasons.iter().find(|(fits, _)| *fits).map_or("invalid", |(_, reason)| *reason);
    Unproven { problem: unfit(), reason, about: None }
}

pub(super) fn unfit() -> Error {
    Error::refused(
        ProblemKind::Denied,
        "passkey.refused",
        "this passkey does not open this",
        "its answer does not fit: another passkey, another address, or no proof that you are there",
        "try again with the passkey that you made here; an operator can make you a new link",
    )
}

fn copied() -> Error {
    Error::refused(
        ProblemKind::Denied,
        "passkey.copied",
        "this passkey may have been copied",
        "it counts its uses, and the count went backwards: a second device may hold the same key",
        "ask an operator for a new link, and make a new passkey",
    )
}

fn none_yet() -> Error {
    Error::refused(
        ProblemKind::Denied,
        "passkey.none",
        "you have no passkey yet",
        "this needs a second factor, and a passkey is the one that works here",
        "make one on your own page, then repeat it",
    )
}
