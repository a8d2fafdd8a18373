//! Ceremonies: a sign-in that is under way, while the browser holds its state.
//!
//! The state leaves sealed, so that strangers make us keep nothing and any node can go on with it. It is good for five
//! minutes, for one kind of step, in the session or browser that began it, and once: what finishes it writes its id
//! into the same commit.

use crate::{Error, Identity, passkeys};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use model::{ProblemKind, SessionId, Timestamp};
use seal::{Context, Purpose, PurposeKey, TokenHash};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::Duration;
use store::Tx;

/// Long enough to look for a key in a drawer.
pub(crate) const CEREMONY_LIFE: Duration = Duration::from_secs(300);
/// A state is a few hundred bytes; more is not ours.
const SEALED_MAX_BYTES: usize = 16 << 10;

/// What the step is for: the state of one does not open for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Register,
    SignIn,
    Confirm,
    Provider,
}

impl Step {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::SignIn => "sign_in",
            Self::Confirm => "confirm",
            Self::Provider => "provider",
        }
    }
}

/// Where a ceremony began, and must end.
#[derive(Debug, Clone, Copy)]
pub enum Bound<'a> {
    /// A signed-in session.
    Session(&'a SessionId),
    /// The cookie of a browser that is not signed in yet.
    Browser(&'a str),
}

impl Bound<'_> {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Session(id) => format!("session:{id}"),
            Self::Browser(cookie) => format!("browser:{}", TokenHash::of(cookie)),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Sealed<S> {
    id: String,
    bound: String,
    expires_at: Timestamp,
    state: S,
}

/// A ceremony that came back in time, to where it began. Not yet spent.
#[derive(Debug)]
pub(crate) struct Opened<S> {
    id: String,
    expires_at: Timestamp,
    pub(crate) state: S,
}

impl Identity {
    fn ceremony_key(&self, step: Step) -> (PurposeKey, Context) {
        (self.config.keys.purpose(Purpose::Ceremony), Context::table("ceremonies").column(step.as_str()))
    }

    pub(crate) fn begin<S: Serialize>(&self, step: Step, bound: Bound<'_>, state: S) -> Result<String, Error> {
        let id = model::RequestId::generate().to_string();
        let sealed = Sealed { id, bound: bound.text(), expires_at: self.clock.now().plus(CEREMONY_LIFE), state };
        let plain = serde_json::to_vec(&sealed).map_err(Error::State)?;
        let (key, context) = self.ceremony_key(step);
        Ok(BASE64_URL_SAFE_NO_PAD.encode(key.seal(&context, &plain)))
    }

    /// Opens what `begin` sealed; anything else is refused in the same words.
    pub(crate) fn resume<S: DeserializeOwned>(
        &self,
        step: Step,
        bound: Bound<'_>,
        text: &str,
    ) -> Result<Opened<S>, Error> {
        if text.len() > SEALED_MAX_BYTES {
            return Err(void());
        }
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| void())?;
        let (key, context) = self.ceremony_key(step);
        let plain = key.open(&context, &sealed).map_err(|_| void())?;
        let opened: Sealed<S> = serde_json::from_slice(&plain).map_err(Error::State)?;
        if opened.bound != bound.text() || self.clock.now() >= opened.expires_at {
            return Err(void());
        }
        Ok(Opened { id: opened.id, expires_at: opened.expires_at, state: opened.state })
    }
}

impl Identity {
    /// Says early that a ceremony was used: what is sent twice is no sign of a copied passkey.
    pub(crate) async fn unspent(&self, ceremony: &Opened<()>) -> Result<(), Error> {
        let key = [(&self.config.tenant).into(), ceremony.id.as_str().into()];
        match self.store.read_one(passkeys::sql::SPENT, &key).await? {
            None => Ok(()),
            Some(_) => Err(void()),
        }
    }
}

impl<S> Opened<S> {
    /// The ceremony without its state.
    pub(crate) fn take(self) -> (Opened<()>, S) {
        (Opened { id: self.id, expires_at: self.expires_at, state: () }, self.state)
    }

    /// Spends it: once, whoever comes first.
    pub(crate) async fn spend(&self, tx: &mut Tx, now: Timestamp) -> Result<(), Error> {
        let tenant = tx.tenant().clone();
        tx.execute(passkeys::sql::DROP_SPENT, &[(&tenant).into(), now.into()]).await?;
        let row = [(&tenant).into(), self.id.as_str().into(), self.expires_at.into()];
        match tx.execute(passkeys::sql::SPEND, &row).await? {
            1 => Ok(()),
            _ => Err(void()),
        }
    }
}

pub(crate) fn void() -> Error {
    Error::refused(
        ProblemKind::Gone,
        "sign_in.void",
        "this step did not finish in time",
        "each works once, for five minutes, in the browser that began it",
        "go back, load the page again, and repeat it",
    )
}
