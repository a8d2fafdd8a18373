//! Sessions: a signed-in browser or command line. In the database and in memory; ended everywhere at once.

mod live;
mod places;
mod remembered;
mod rows;
mod sql;

pub(crate) use live::{Heard, Sessions};
pub use places::{EndOthers, ListSessions, Whereabouts};
pub use remembered::Unremembered;
pub(crate) use rows::{SessionSeal, end_rows_of_app, end_rows_of_person};
use rows::{factor_at, session};

use crate::{Error, Identity, provider::AtIssuer, vouching};
use authority::{Act, AppRef, Factor, Permit, Rule, Target, change, rules};
use live::Live;
use model::{PersonId, ProblemKind, SessionId, TenantId, Timestamp};
use seal::{Context, Purpose, Token, TokenHash};
use std::{sync::Arc, time::Duration};
use store::{CutNote, CutOf, Recorded, Tx, Value, left_to_feed};

pub(crate) use sql::{CODE_SESSION, DROP_ALL_CODES, DROP_OLD_CODES, END_ALL, INSERT_CODE, STILL_LIVE, TAKE_CODE};

/// A working day; signing in again is one click where single sign-on works.
const SESSION_LIFE: Duration = Duration::from_secs(12 * 3600);
/// How often all rows are read at most until no end comes between.
const LOADS: u32 = 3;
/// What a browser calls itself is cut here.
const DEVICE_MAX_CHARS: usize = 200;

/// Where a session is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    Console,
    App(AppRef),
    /// A command line, which sends its session with each request.
    Terminal,
}

/// How a person came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    Link,
    Passkey,
    Oidc,
    /// A command line, by a code that its person confirmed in the console.
    Login,
}

impl Method {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Passkey => "passkey",
            Self::Oidc => "oidc",
            Self::Login => "login",
        }
    }

    fn read(text: Option<&str>) -> Self {
        match text {
            Some("passkey") => Self::Passkey,
            Some("oidc") => Self::Oidc,
            Some("login") => Self::Login,
            Some(_) | None => Self::Link,
        }
    }
}

/// A live session. The cookie's value is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub person: PersonId,
    /// The console session that an app's session came from: ends with it.
    pub parent: Option<SessionId>,
    pub place: Place,
    pub factor: Factor,
    pub method: Method,
    /// Who made the link that this began with, or the passkey's: `person:ID`, `machine:USER`.
    pub vouched_by: Option<Arc<str>>,
    /// Of one that began at the provider: by what it is known there.
    pub(crate) at_provider: Option<Arc<KnownAt>>,
    /// With an app: its account's when the session was made. What was made under a lower one is dead.
    pub credential_epoch: Option<u64>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Session {
    /// It began at the organisation's provider; so did one of a terminal that was confirmed by such a one.
    #[must_use]
    pub const fn is_single_sign_on(&self) -> bool {
        self.at_provider.is_some()
    }

    pub(crate) fn began_at(&self, issuer: &str) -> bool {
        self.at_provider.as_ref().is_some_and(|known| known.issuer == issuer)
    }

    /// Of this person, and neither this session nor one that came from it.
    pub(crate) fn is_other(&self, person: &PersonId, here: &SessionId) -> bool {
        self.person == *person && self.id != *here && self.parent.as_ref() != Some(here)
    }
}

/// A session that was just made, with the cookie's value: the one moment at which it is known.
#[derive(Debug)]
pub struct NewSession {
    pub session: Session,
    pub token: Token,
    /// Before its row was written.
    pub(crate) heard: Heard,
}

/// Sign out.
#[derive(Debug, Clone)]
pub struct EndSession {
    pub tenant: TenantId,
    pub session: SessionId,
}

impl Act for EndSession {
    const RULE: &'static Rule = &rules::SESSION_END;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("session/{}", self.session))
    }
}

/// By what a provider knows a session: keyed indexes, as in its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownAt {
    pub(crate) issuer: String,
    pub(crate) sid: Vec<u8>,
    pub(crate) subject: Vec<u8>,
}

pub(crate) struct Opening<'a> {
    pub(crate) person: &'a PersonId,
    pub(crate) place: Place,
    pub(crate) parent: Option<SessionId>,
    pub(crate) factor: Factor,
    pub(crate) method: Method,
    pub(crate) vouched_by: Option<Arc<str>>,
}

impl Identity {
    pub(crate) async fn load_sessions(&self) -> Result<(), Error> {
        for left in (0..LOADS).rev() {
            let heard = self.sessions.heard();
            let live = self.rows_that_live().await?;
            // Where an end came meanwhile, less is kept than there is: not at the first try.
            if left == 0 || self.sessions.heard() == heard {
                self.sessions.renew(live, heard);
                break;
            }
        }
        self.end_strays();
        Ok(())
    }

    async fn rows_that_live(&self) -> Result<Live, Error> {
        let rows = self.store.read(sql::LIVE, &[(&self.config.tenant).into(), self.clock.now().into()]).await?;
        let mut live = Live::default();
        for row in rows {
            if let Some((hash, mut session)) = session(&row)?
                && !self.is_over(&session)
            {
                session.credential_epoch =
                    session.credential_epoch.or_else(|| self.credential_epoch_of(&session.place));
                live.insert(hash, session);
            }
        }
        Ok(live)
    }

    /// The session of a cookie: from memory, or once from the database when another node made it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn session(&self, cookie: &str, place: &Place) -> Result<Option<Arc<Session>>, Error> {
        let hash = TokenHash::of(cookie);
        let now = self.clock.now();
        // INVARIANT: read before the row is. A row that lives when it is read was made under this epoch or a later
        // one; if the app is cut after that, the epoch that opens it again is higher, and the session stays dead.
        let epoch = self.credential_epoch_of(place);
        if let Some(found) = self.sessions.get(&hash) {
            if let Ok(known) = self.recalled(found, place, epoch, now) {
                return Ok(known);
            }
            self.sessions.read_again(&hash);
        }
        // Again only where an end came while the row was read.
        loop {
            let (heard, key) = (self.sessions.heard(), hash.as_bytes().to_vec());
            let key = [(&self.config.tenant).into(), key.into(), now.into()];
            let row = self.store.read_one(sql::BY_HASH, &key).await?;
            let Some((hash, mut session)) = row.as_ref().map(session).transpose()?.flatten() else { return Ok(None) };
            if session.place != *place || self.is_over(&session) {
                return Ok(None);
            }
            // A row of before this was kept counts as made under what was open when it was read.
            session.credential_epoch = session.credential_epoch.or(epoch);
            if self.sessions.put(hash, session, heard) {
                return Ok(self.sessions.get(&hash).filter(|session| self.counts(session, place, now)));
            }
        }
    }

    /// Whether it was ended here, and its row may not say so yet.
    fn is_over(&self, session: &Session) -> bool {
        self.sessions.is_void(session)
            || self.is_of_older_credentials(session)
            || self.store.standing().iter().any(|note| ends(note, session))
    }

    /// The app was cut since it was made. A revoke that came beside the sign-in may not have ended its row.
    fn is_of_older_credentials(&self, session: &Session) -> bool {
        let now = self.credential_epoch_of(&session.place);
        session.credential_epoch.zip(now).is_some_and(|(made, now)| made < now)
    }

    /// Whether a session that this node has seen goes on, and the account of its person with it: what was begun in it ends
    /// with it.
    #[must_use]
    pub fn goes_on(&self, id: &SessionId) -> bool {
        self.sessions.by_id(id, self.clock.now()).is_some_and(|session| self.enabled(&session))
    }

    /// How many people's sessions an app ever had, and when the last of them began: by their rows, which outlive this
    /// process.
    pub(crate) async fn sessions_made_with(&self, app: &AppRef) -> Result<(u64, Option<Timestamp>), Error> {
        let key = [(&self.config.tenant).into(), (&app.id).into(), app.env.as_str().into()];
        let Some(row) = self.store.read_one(sql::MADE_WITH_APP, &key).await? else { return Ok((0, None)) };
        Ok((row.uint(0)?, row.opt_time(1)?))
    }

    /// The credentials that a session at this place belongs to.
    pub(crate) fn credential_epoch_of(&self, place: &Place) -> Option<u64> {
        match place {
            Place::Console | Place::Terminal => None,
            Place::App(app) => self.accounts.get(app).map(|account| account.credential_epoch),
        }
    }

    /// Its person's account is on, and what vouches for it is in force.
    pub(crate) fn enabled(&self, session: &Session) -> bool {
        if let Place::App(app) = &session.place
            && !self.accounts.admits(app, session.created_at)
        {
            return false;
        }
        self.still_vouched(session) && self.people.get(&session.person).is_some_and(|person| person.enabled)
    }

    pub(crate) async fn open_session(
        &self,
        tx: &mut Tx,
        opening: Opening<'_>,
        device: Option<&str>,
        now: Timestamp,
    ) -> Result<NewSession, Error> {
        let (token, heard) = (Token::generate(), self.sessions.heard());
        let session = Session {
            id: SessionId::generate(),
            person: opening.person.clone(),
            parent: opening.parent,
            place: opening.place,
            factor: opening.factor,
            method: opening.method,
            vouched_by: opening.vouched_by,
            at_provider: None,
            credential_epoch: None,
            created_at: now,
            expires_at: now.plus(SESSION_LIFE),
        };
        let (place, app) = match &session.place {
            Place::Console => ("console", None),
            Place::Terminal => ("terminal", None),
            Place::App(app) => ("app", Some(app)),
        };
        let sealed = |column: &str, text: &str| self.seal_of_session(&session.id, column).seal_text(text);
        let device = device.map(|text| {
            let text: String = text.chars().take(DEVICE_MAX_CHARS).collect();
            sealed("device", &text)
        });
        let ip = tx.spent().caller().origin.ip.map(|ip| sealed("ip", &ip.to_string()));
        let row: [Value; 15] = [
            (&self.config.tenant).into(),
            (&session.id).into(),
            token.hash().as_bytes().to_vec().into(),
            opening.person.into(),
            session.parent.as_ref().map(SessionId::as_str).into(),
            place.into(),
            app.map(|app| app.id.as_str()).into(),
            app.map(|app| app.env.as_str()).into(),
            factor_at(session.factor).into(),
            device.into(),
            now.into(),
            session.expires_at.into(),
            session.method.as_str().into(),
            session.vouched_by.as_deref().into(),
            ip.into(),
        ];
        tx.execute(sql::INSERT, &row).await?;
        Ok(NewSession { session, token, heard })
    }

    /// Signs out: this session, and the app sessions that came from it.
    ///
    /// # Errors
    /// A session of somebody else, or one that is over.
    pub async fn end_session(&self, permit: Permit<EndSession>) -> Result<Recorded, Error> {
        let id = permit.act().session.clone();
        let row = [(&self.config.tenant).into(), (&id).into()];
        let owner = match self.sessions.by_id(&id, self.clock.now()) {
            Some(session) => Some(session.person.clone()),
            None => {
                self.store.read_one(sql::OWNER, &row).await?.map(|row| row.text(0).map(PersonId::new)).transpose()?
            }
        };
        // INVARIANT: nobody ends another's session by its id; that is `person.disable`.
        if owner.as_ref() != permit.caller().person() {
            return Err(over());
        }
        let (_, cutting) = self.store.cut(permit, CutOf::Session(id.clone()));
        self.sessions.end(&id);
        Ok(cutting.record(self).await)
    }

    pub(crate) async fn end_rows(&self, tx: &mut Tx, id: &SessionId, at: Timestamp) -> Result<(), Error> {
        let tenant = &self.config.tenant;
        // First held, then ended: the second statement sees what was committed while the first waited.
        tx.execute(sql::STILL_LIVE, &[tenant.into(), id.into()]).await?;
        tx.execute(sql::END, &[tenant.into(), id.into(), at.into()]).await?;
        tx.feed(change::SESSION, id.as_str());
        Ok(())
    }

    /// Takes out what was ended and may not be in the rows yet.
    pub(crate) fn end_what_stands(&self) {
        for note in self.store.standing() {
            self.end_those_of(&note);
        }
    }

    /// Those that a cut ends.
    pub(crate) fn end_those_of(&self, note: &CutNote) {
        self.sessions.end_where(|session| ends(note, session));
    }

    /// Another node ended this session.
    pub fn session_ended(&self, id: &SessionId) {
        self.sessions.end(id);
    }

    /// Another node ended every session of this person.
    pub fn sessions_of_ended(&self, person: &PersonId) {
        self.sessions.end_of_person(person);
    }

    /// A session got another cookie or a fresher factor.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn refresh_session(&self, id: &SessionId) -> Result<(), Error> {
        let key = [(&self.config.tenant).into(), id.into(), self.clock.now().into()];
        // Once, and not at each try: of many that are read again at one time, none keeps the others from it.
        self.sessions.changed();
        // Again only where an end came while the row was read.
        loop {
            let heard = self.sessions.heard();
            let row = self.store.read_one(sql::BY_ID, &key).await?;
            let found = row.as_ref().map(session).transpose()?.flatten();
            let Some((hash, session)) = found.filter(|(_, session)| !self.is_over(session)) else {
                self.sessions.forget(id);
                return Ok(());
            };
            if self.sessions.put(hash, session, heard) {
                return Ok(());
            }
        }
    }

    /// After the commit: memory has its newest cookie, from its row where an end came meanwhile.
    pub(crate) async fn strengthened(&self, new: &NewSession) {
        if !self.sessions.replace(new.token.hash(), new.session.clone(), new.heard) {
            left_to_feed(self.refresh_session(&new.session.id).await);
        }
    }

    /// What proves more than before gets another cookie, so that one that was taken earlier is worth nothing now. Who
    /// vouches for the proof vouches for what is done with it, beside whoever did before.
    pub(crate) async fn strengthen(
        &self,
        tx: &mut Tx,
        session: &Session,
        at: Timestamp,
        vouched_by: Option<&Arc<str>>,
    ) -> Result<NewSession, Error> {
        let (token, heard) = (Token::generate(), self.sessions.heard());
        let vouched_by = vouching::both(session.vouched_by.as_ref(), vouched_by);
        let session = Session { factor: Factor::Second { at }, vouched_by, ..session.clone() };
        let hash = token.hash().as_bytes().to_vec();
        let vouched_by = session.vouched_by.as_deref();
        let row = [(&self.config.tenant).into(), (&session.id).into(), hash.into(), at.into(), vouched_by.into()];
        if tx.execute(sql::STRENGTHEN, &row).await? != 1 {
            return Err(over());
        }
        tx.feed(change::SESSION_CHANGED, session.id.as_str());
        Ok(NewSession { session, token, heard })
    }

    pub(crate) fn seal_of_session(&self, id: &SessionId, column: &str) -> SessionSeal {
        SessionSeal {
            key: self.config.keys.purpose(Purpose::Directory),
            context: Context::table("sessions").column(column).row(id.as_str()),
        }
    }
}

/// Whether a cut ends a session.
fn ends(note: &CutNote, session: &Session) -> bool {
    match &note.of {
        CutOf::Session(id) => session.id == *id || session.parent.as_ref() == Some(id),
        CutOf::Person(id) => session.person == *id,
        CutOf::Apps(apps) => matches!(&session.place, Place::App(app) if apps.contains(app)),
        CutOf::AtProvider { issuer, sid, subject, before, sessions, .. } => {
            let of = AtIssuer { issuer, sid: sid.as_deref(), subject: subject.as_deref() };
            let came = session.parent.as_ref().is_some_and(|parent| sessions.contains(parent));
            came || sessions.contains(&session.id) || (session.created_at <= *before && of.fits(session))
        }
        CutOf::Provider { issuer, .. } => session.began_at(issuer) && session.created_at <= note.at,
        CutOf::Others { person, here } => session.created_at <= note.at && session.is_other(person, here),
        CutOf::Secret { .. } | CutOf::Role { .. } | CutOf::Done(_) => false,
    }
}

fn over() -> Error {
    Error::refused(
        ProblemKind::Unauthenticated,
        "session.over",
        "this session is over",
        "it ended meanwhile, here or elsewhere",
        "sign in again",
    )
}
