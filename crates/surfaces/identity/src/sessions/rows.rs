//! Sessions as their rows have them.

use super::{KnownAt, Method, Place, Session, sql};
use crate::Error;
use authority::{AppRef, Factor};
use model::{AppId, Env, PersonId, SessionId, TenantId, Timestamp};
use seal::{Context, PurposeKey, TokenHash};
use std::sync::Arc;
use store::{Row, Tx};

/// Device and address of a session: personal, so sealed.
pub(crate) struct SessionSeal {
    pub(super) key: PurposeKey,
    pub(super) context: Context,
}

impl SessionSeal {
    pub(super) fn seal_text(&self, text: &str) -> Vec<u8> {
        self.key.seal(&self.context, text.as_bytes())
    }

    pub(crate) fn open_text(&self, sealed: &[u8]) -> Result<String, Error> {
        Ok(String::from_utf8_lossy(&self.key.open(&self.context, sealed)?).into_owned())
    }
}

pub(super) const fn factor_at(factor: Factor) -> Option<i64> {
    match factor {
        Factor::Link => None,
        Factor::Second { at } => Some(at.as_ms()),
    }
}

pub(crate) async fn end_rows_of_person(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &PersonId,
    now: Timestamp,
) -> Result<(), Error> {
    hold_of_person(tx, tenant, id).await?;
    tx.execute(sql::END_OF_PERSON, &[tenant.into(), id.into(), now.into()]).await?;
    Ok(())
}

/// First held, then ended: what ends them sees what was committed while this waited.
pub(super) async fn hold_of_person(tx: &mut Tx, tenant: &TenantId, id: &PersonId) -> Result<(), Error> {
    for hold in [sql::HOLD_ROOTS_OF_PERSON, sql::HOLD_OF_PERSON] {
        tx.execute(hold, &[tenant.into(), id.into()]).await?;
    }
    Ok(())
}

pub(crate) async fn end_rows_of_app(tx: &mut Tx, tenant: &TenantId, app: &AppRef, now: Timestamp) -> Result<(), Error> {
    tx.execute(sql::END_OF_APP, &[tenant.into(), (&app.id).into(), app.env.as_str().into(), now.into()]).await?;
    Ok(())
}

pub(super) fn session(row: &Row) -> Result<Option<(TokenHash, Session)>, Error> {
    let Ok(hash) = <[u8; 32]>::try_from(row.bytes(1)?) else { return Ok(None) };
    let place = match (row.text(4)?, row.opt_text(5)?, row.opt_text(6)?.map(str::parse::<Env>)) {
        ("console", ..) => Place::Console,
        ("terminal", ..) => Place::Terminal,
        ("app", Some(id), Some(Ok(env))) => Place::App(AppRef { id: AppId::new(id), env }),
        _ => return Ok(None),
    };
    let at_provider = match (row.opt_text(12)?, row.opt_bytes(13)?, row.opt_bytes(14)?) {
        (Some(issuer), Some(sid), Some(subject)) => {
            Some(Arc::new(KnownAt { issuer: issuer.to_owned(), sid: sid.to_vec(), subject: subject.to_vec() }))
        }
        _ => None,
    };
    let session = Session {
        id: SessionId::new(row.text(0)?),
        person: PersonId::new(row.text(2)?),
        parent: row.opt_text(3)?.map(SessionId::new),
        place,
        factor: row.opt_int(7)?.map_or(Factor::Link, |at| Factor::Second { at: Timestamp::from_ms(at) }),
        credential_epoch: row.opt_int(15)?.and_then(|epoch| u64::try_from(epoch).ok()),
        created_at: Timestamp::from_ms(row.int(8)?),
        expires_at: Timestamp::from_ms(row.int(9)?),
        method: Method::read(row.opt_text(10)?),
        vouched_by: row.opt_text(11)?.map(Into::into),
        at_provider,
    };
    Ok(Some((TokenHash::from_bytes(hash), session)))
}
