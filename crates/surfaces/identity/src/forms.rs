//! A form that waits for its person, who went to the provider to show that it is them. It waits in the database, sealed:
//! they come back in another session, and maybe to another node.
//!
//! Refuses another person, and another browser, than the one that sent it; to wait longer than ten minutes; to go on
//! twice. A secret is no part of it: whoever keeps one leaves those fields out.

mod sql;

use crate::{Bound, Error, Identity, Session};
use model::{PersonId, ProblemKind, RequestId};
use seal::{Context, Purpose, PurposeKey};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use store::{FreeWrite, Value};

/// As long as a second factor is fresh: whoever comes back later would be asked again anyway.
const WAITS: Duration = Duration::from_secs(600);

/// What was sent, and where it was to go.
#[derive(Serialize, Deserialize)]
pub struct KeptForm {
    /// The path that it was sent to, and is sent to again.
    pub then: String,
    /// The page that it came from.
    pub back: String,
    /// What it does: `approve a request`. Empty when that was not said.
    pub does: String,
    pub fields: Vec<(String, String)>,
    /// Names of fields that are secret, and are asked for again.
    pub again: Vec<String>,
}

impl std::fmt::Debug for KeptForm {
    /// Without the fields: they are somebody's words.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptForm").field("then", &self.then).finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
struct Sealed<F> {
    bound: String,
    form: F,
}

impl Identity {
    /// Keeps a form until its person is back, for ten minutes at most; of one person eight, and the oldest gives way. By
    /// what it is asked for.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn keep_form(&self, session: &Session, browser: Bound<'_>, form: &KeptForm) -> Result<String, Error> {
        let (tenant, person, now) = (&self.config.tenant, &session.person, self.clock.now());
        let id = RequestId::generate().to_string();
        let plain = serde_json::to_vec(&Sealed { bound: browser.text(), form }).map_err(Error::State)?;
        let (key, context) = self.key_of_form(&id, person);
        let sealed = key.seal(&context, &plain);
        let row = vec![tenant.into(), id.as_str().into(), person.into(), sealed.into(), now.plus(WAITS).into()];
        let writes: [(FreeWrite, Vec<Value>); 3] = [
            (sql::DROP_OVER, vec![tenant.into(), now.into()]),
            (sql::DROP_OLDEST, vec![tenant.into(), person.into()]),
            (sql::KEEP, row),
        ];
        self.store.housekeeping().batch(&writes).await?;
        Ok(id)
    }

    /// The form that waits for this person in this browser. It goes on waiting.
    ///
    /// # Errors
    /// Another person's; one that went on, waited too long, or was sent from another browser.
    pub async fn kept_form(&self, id: &str, session: &Session, browser: Bound<'_>) -> Result<KeptForm, Error> {
        let key = [(&self.config.tenant).into(), id.into(), self.clock.now().into()];
        let row = self.store.read_one(sql::KEPT, &key).await?.ok_or_else(over)?;
        if row.text(0)? != session.person.as_str() {
            return Err(other_person());
        }
        let (key, context) = self.key_of_form(id, &session.person);
        let plain = key.open(&context, row.bytes(1)?)?;
        let opened: Sealed<KeptForm> = serde_json::from_slice(&plain).map_err(Error::State)?;
        if opened.bound == browser.text() { Ok(opened.form) } else { Err(over()) }
    }

    /// The same, and it waits no more: whoever comes first goes on with it.
    ///
    /// # Errors
    /// As `kept_form`; when the database cannot be written.
    pub async fn take_form(&self, id: &str, session: &Session, browser: Bound<'_>) -> Result<KeptForm, Error> {
        let form = self.kept_form(id, session, browser).await?;
        let key = [(&self.config.tenant).into(), id.into(), (&session.person).into(), self.clock.now().into()];
        match self.store.housekeeping().execute(sql::TAKE, &key).await? {
            1 => Ok(form),
            _ => Err(over()),
        }
    }

    /// Forgets the forms that nobody came back for.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn prune_forms(&self) -> Result<(), Error> {
        let key = [(&self.config.tenant).into(), self.clock.now().into()];
        self.store.housekeeping().execute(sql::DROP_OVER, &key).await?;
        Ok(())
    }

    fn key_of_form(&self, id: &str, person: &PersonId) -> (PurposeKey, Context) {
        let context = Context::table("carried_forms").column("sealed").row(id).with("person", person.as_str());
        (self.config.keys.purpose(Purpose::Ceremony), context)
    }
}

fn over() -> Error {
    Error::refused(
        ProblemKind::Gone,
        "form.over",
        "what you sent does not wait here any more",
        "it waits ten minutes, in the browser that sent it, and goes on once",
        "look whether it was done; if it was not, do it again on its own page",
    )
}

fn other_person() -> Error {
    Error::refused(
        ProblemKind::Denied,
        "form.other_person",
        "this waits for somebody else",
        "you came back as another person than the one who sent it, and it goes on for nobody else; nothing was done",
        "sign in as that person in this browser within ten minutes and open this page again, or do it anew as yourself",
    )
}
