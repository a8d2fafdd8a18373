//! One-time links: shown once, stored as a hash, spent by a POST from a page that says who you will become.

pub(crate) mod sql;

use crate::{Error, Identity, Method, NewSession, Place, sessions};
use authority::{Act, Factor, Permit, Rule, Target, rules};
use model::{PersonId, ProblemKind, TenantId, Timestamp};
use seal::{Token, TokenHash};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use store::Tx;

/// Long enough for a colleague to read their mail tomorrow, short enough to be forgotten safely.
const LINK_LIFE: Duration = Duration::from_secs(48 * 3600);

/// Whether one-time links may be made and used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Links {
    On,
    Off,
}

/// Who the bearer of a link would become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkFor {
    pub id: String,
    pub person: PersonId,
    pub email: String,
    pub expires_at: Timestamp,
    /// Who made it: whoever signs in with it is vouched for by them.
    made_by: Option<Arc<str>>,
}

/// A link that somebody made for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkMade {
    /// `person:ID`, `machine:USER`.
    pub by: String,
    pub at: Timestamp,
    pub spent_at: Option<Timestamp>,
}

/// Sign in with a link. The value stays in here; the event holds the link's id.
#[derive(Debug, Clone)]
pub struct SpendLink {
    pub tenant: TenantId,
    pub link: String,
    /// Whose it is.
    pub person: PersonId,
}

impl Act for SpendLink {
    const RULE: &'static Rule = &rules::LINK_SPEND;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("link/{}", self.link)).about(Some(&self.person))
    }
}

/// A link that was spent, and the session that it made.
#[derive(Debug)]
pub struct Spent {
    pub session: NewSession,
    pub email: String,
}

pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) token: Token,
    pub(crate) expires_at: Timestamp,
}

pub(crate) async fn make(tx: &mut Tx, tenant: &TenantId, person: &PersonId, now: Timestamp) -> Result<Made, Error> {
    void(tx, tenant, person, now).await?;
    let (id, token, expires_at) = (model::RequestId::generate().to_string(), Token::generate(), now.plus(LINK_LIFE));
    let hash = token.hash().as_bytes().to_vec();
    let made_by = tx.spent().caller().chain().join(" ");
    let row =
        [tenant.into(), id.as_str().into(), hash.into(), person.into(), expires_at.into(), made_by.into(), now.into()];
    tx.execute(sql::INSERT, &row).await?;
    Ok(Made { id, token, expires_at })
}

pub(crate) async fn void(tx: &mut Tx, tenant: &TenantId, person: &PersonId, now: Timestamp) -> Result<(), Error> {
    tx.execute(sql::VOID_OF_PERSON, &[tenant.into(), person.into(), now.into()]).await?;
    Ok(())
}

impl Identity {
    /// Looks at a link without spending it.
    ///
    /// # Errors
    /// A link that never was, was spent, or ran out: the same words for each, so that nothing is learned from trying.
    pub async fn link(&self, token: &str) -> Result<LinkFor, Error> {
        let hash = TokenHash::of(token).as_bytes().to_vec();
        let found = self.store.read_one(sql::BY_HASH, &[(&self.config.tenant).into(), hash.into()]).await?;
        let row = found.ok_or_else(void_link)?;
        let expires_at = Timestamp::from_ms(row.int(2)?);
        let person = PersonId::new(row.text(1)?);
        let known = self.people.get(&person).filter(|person| person.enabled).ok_or_else(void_link)?;
        if row.opt_int(3)?.is_some() || self.clock.now() >= expires_at {
            return Err(void_link());
        }
        let made_by = row.opt_text(4)?.map(Into::into);
        Ok(LinkFor { id: row.text(0)?.to_owned(), person, email: known.email.clone(), expires_at, made_by })
    }

    /// The newest link of a person: who made it, when, and whether it was used. Told to its person, who may not have
    /// asked for it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn newest_link(&self, person: &PersonId) -> Result<Option<LinkMade>, Error> {
        let row = self.store.read_one(sql::NEWEST, &[(&self.config.tenant).into(), person.into()]).await?;
        let Some(row) = row else { return Ok(None) };
        let (Some(by), Some(at)) = (row.opt_text(0)?.map(str::to_owned), row.opt_time(1)?) else { return Ok(None) };
        Ok(Some(LinkMade { by, at, spent_at: row.opt_time(2)? }))
    }

    /// Spends a link: once, whoever comes first.
    ///
    /// # Errors
    /// As `link`.
    pub async fn spend(&self, permit: Permit<SpendLink>, link: LinkFor, device: Option<&str>) -> Result<Spent, Error> {
        let now = self.clock.now();
        if permit.act().link != link.id {
            return Err(void_link());
        }
        let (act, mut tx) = self.store.write(permit).await?;
        let spent = tx.execute(sql::SPEND, &[(&act.tenant).into(), link.id.as_str().into(), now.into()]).await?;
        if spent != 1 {
            return Err(void_link());
        }
        let open = sessions::Opening {
            person: &link.person,
            place: Place::Console,
            parent: None,
            factor: Factor::Link,
            method: Method::Link,
            vouched_by: link.made_by.clone(),
        };
        let new = self.open_session(&mut tx, open, device, now).await?;
        tx.commit(serde_json::json!({ "person": link.person, "session": new.session.id, "method": "link" }), None)
            .await?;
        self.sessions.insert(&new);
        Ok(Spent { session: new, email: link.email })
    }
}

fn void_link() -> Error {
    Error::refused(
        ProblemKind::Gone,
        "link.void",
        "this link does not work any more",
        "a link works once, for two days, and a newer one replaces it",
        "ask an operator for a new one: `bailiwick people add EMAIL`",
    )
}
