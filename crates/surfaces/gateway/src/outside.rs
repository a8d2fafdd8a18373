//! What the gateway needs of other rooms: who is signed in, the way out, where an app's lines go. `server` joins them.

use async_trait::async_trait;
use authority::{AppRef, Caller, Instance, Origin};
use model::{Problem, ReleaseNumber, SessionId, Timestamp, TraceId};
use sandbox::{Door, Level};
use std::{collections::BTreeMap, sync::Arc};

/// Someone whom a session or a token names, until then.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Origin and trace are the gateway's to add.
    pub caller: Caller,
    pub expires_at: Timestamp,
}

/// A code that became a session.
#[derive(Debug, Clone)]
pub struct Redeemed {
    /// The value of the app's session cookie.
    pub cookie: String,
    /// Path and query on the app's origin.
    pub return_to: String,
    pub expires_at: Timestamp,
}

/// This node does not remember whose it is: only the database could say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unremembered;

/// Sessions and tokens, by the room that keeps them. No database on the hot path: both come from memory.
#[async_trait]
pub trait SignIns: Send + Sync {
    /// Whose session with this app the cookie is, by memory alone; `None` when it is known that it is nobody's any more.
    ///
    /// # Errors
    /// Memory does not know it.
    fn remembered(&self, cookie: &str, app: &AppRef) -> Result<Option<SignedIn>, Unremembered>;

    /// The same, with a question to the database where memory does not know.
    async fn session(&self, cookie: &str, app: &AppRef) -> Option<SignedIn>;

    /// Whether a session that was seen here goes on: an answer that is under way ends with it.
    fn goes_on(&self, session: &SessionId) -> bool;

    /// Whose token for this app it is; refused with the words for whoever sent it.
    fn bearer(&self, token: &str, app: &AppRef) -> Result<SignedIn, Box<Problem>>;

    /// Makes a session of a code, for the browser that holds the binding's value.
    async fn redeem(
        &self,
        app: &AppRef,
        code: &str,
        binding: &str,
        device: Option<&str>,
        origin: Origin,
    ) -> Result<Redeemed, Problem>;

    /// Signs out of this app; what is not signed in stays so.
    async fn sign_out(&self, cookie: &str, app: &AppRef, origin: Origin) -> Result<(), Problem>;
}

/// The way out of one instance, and the placeholders that stand for its secrets.
pub struct Opened {
    pub door: Arc<dyn Door>,
    /// By the names of `env`.
    pub placeholders: BTreeMap<String, String>,
}

/// What an instance was told of its request, as JSON; goes along, as an extension, with what it asks of the platform
/// itself (`http://self.bailiwick`), so that a component learns what the shared engine learns.
#[derive(Debug, Clone)]
pub struct Told(pub Arc<str>);

/// Opens ways out, by the room that carries what leaves.
pub trait Doors: Send + Sync {
    fn open(&self, instance: Instance, secrets: &[String]) -> Opened;
}

/// One line that an app printed, or that says why it was stopped.
#[derive(Debug, Clone)]
pub struct Line {
    pub app: AppRef,
    pub name: Arc<str>,
    pub release: ReleaseNumber,
    pub trace: TraceId,
    pub level: Level,
    pub text: String,
    /// `file:line:column` in the builder's sources.
    pub at: Option<String>,
    pub time: Timestamp,
}

/// Where lines of apps go. Called on a guest's thread: must not block.
pub trait Log: Send + Sync {
    fn line(&self, line: Line);
}
