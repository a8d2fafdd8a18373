//! Single sign-on switched off: authority taken away, so it waits for no record. From then on the provider vouches for
//! nobody, on any node, and every session that began there is over.
//!
//! Refuses to leave a server on which nobody could sign in.

use super::{
    Provider,
    setup::only_way,
    sql,
    standing::{Opened, Setting},
    view::SignInView,
};
use crate::{Error, Identity, Links, Session, passkeys};
use authority::{Act, Permit, Rule, Target, Who, change, rules};
use model::{EventId, ProblemKind, SessionId, TenantId, Timestamp};
use serde::Serialize;
use std::time::Duration;
use store::{CutOf, Tx, Value};

/// How long the database may take to answer what is asked around a cut, which does not wait for it.
const ASK_WITHIN: Duration = Duration::from_millis(500);

/// More than the clocks of two nodes are apart, and less than it takes to try a provider and switch it on.
pub(super) const APART: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub struct SwitchProviderOff {
    pub tenant: TenantId,
}

impl Act for SwitchProviderOff {
    const RULE: &'static Rule = &rules::PROVIDER_OFF;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "provider")
    }
}

/// What switching it off came to.
#[derive(Debug, Serialize)]
pub struct SwitchedOff {
    pub event: EventId,
    /// Whether the record has it already.
    pub recorded: bool,
    /// False while another node may not have done it: it may vouch by the provider still.
    pub everywhere: bool,
    pub sessions_ended: usize,
    /// Whether the caller's own session is among them.
    pub own: bool,
    /// How people sign in now; nothing while the database does not answer.
    #[serde(flatten)]
    pub now: Option<SignInView>,
}

impl Identity {
    /// Takes it out of force and ends the sessions that began there: in memory at once, whatever the record can take.
    /// Its secret is deleted with its row.
    ///
    /// # Errors
    /// None is on; nobody could sign in then; the configuration names one.
    pub async fn switch_provider_off(&self, permit: Permit<SwitchProviderOff>) -> Result<SwitchedOff, Error> {
        self.not_configured()?;
        let provider = self.standing.provider().ok_or_else(not_on)?;
        let digest = provider.digest.clone().ok_or_else(not_on)?;
        self.another_way().await?;
        let who = permit.caller().person().cloned();
        let own = match &permit.caller().who {
            Who::Person { session, .. } => Some(session.clone()),
            Who::AppFor { .. } | Who::App(_) | Who::Machine { .. } | Who::System { .. } | Who::Stranger => None,
        };
        let issuer = provider.config.issuer.clone();
        let cut = CutOf::Provider { issuer: issuer.clone(), digest: digest.clone() };
        let (_, mut cutting) = self.store.cut(permit, cut);
        let event = cutting.event().clone();
        self.standing.without(&digest);
        let mut ended = self.sessions.of_issuer(&issuer, cutting.note().at);
        self.sessions.end_these(&ended);
        ended.extend(self.rows_of_issuer(&issuer, cutting.note().at).await);
        cutting.note().detail = serde_json::json!({ "sessions_ended": ended.len() });
        let recorded = cutting.record(self).await;
        let now = tokio::time::timeout(ASK_WITHIN, self.sign_in_view(who.as_ref())).await;
        Ok(SwitchedOff {
            event,
            recorded: recorded.is_written(),
            everywhere: self.store.is_everywhere(recorded),
            sessions_ended: ended.len(),
            own: own.is_some_and(|own| ended.contains(&own)),
            now: now.ok().and_then(Result::ok),
        })
    }

    /// Whether somebody could sign in without the provider. A database that does not answer refuses no cut: the local
    /// credential switches links on when it is back.
    async fn another_way(&self) -> Result<(), Error> {
        if self.standing.links() == Links::On {
            return Ok(());
        }
        let key = [(&self.config.tenant).into()];
        let asked = tokio::time::timeout(ASK_WITHIN, self.store.read_one(passkeys::sql::ANY, &key)).await;
        match asked {
            Ok(Ok(None)) => Err(only_way("without single sign-on")),
            Ok(Ok(Some(_)) | Err(_)) | Err(_) => Ok(()),
        }
    }

    /// Sessions that other nodes made and this one has not seen; none when the database does not answer.
    async fn rows_of_issuer(&self, issuer: &str, before: Timestamp) -> Vec<SessionId> {
        let key: [Value; 4] = [(&self.config.tenant).into(), issuer.into(), before.into(), self.clock.now().into()];
        let asked = tokio::time::timeout(ASK_WITHIN, self.store.read(sql::LIVE_AT, &key)).await;
        let rows = asked.ok().and_then(Result::ok).unwrap_or_default();
        rows.iter().filter_map(|row| row.text(0).ok()).map(SessionId::new).collect()
    }

    /// The rows of it. A provider that was switched on since stays, and so does who signed in there since.
    pub(crate) async fn provider_off_rows(
        &self,
        tx: &mut Tx,
        issuer: &str,
        digest: &str,
        at: Timestamp,
    ) -> Result<(), Error> {
        let key: [Value; 4] =
            [(&self.config.tenant).into(), Setting::Provider.as_str().into(), digest.into(), at.into()];
        let gone = tx.execute(sql::UNSET_FORM, &key).await? == 1;
        // Written late, it ends what began on other nodes meanwhile too; `tx.now` is when it was switched off.
        let before = if gone { self.clock.now().plus(APART).max(at) } else { at };
        let row: [Value; 4] = [(&self.config.tenant).into(), issuer.into(), before.into(), tx.now().into()];
        end_rows(tx, sql::END_AT, &row).await?;
        tx.feed(change::SIGN_IN, format!("{}\n{issuer}", before.as_ms()));
        Ok(())
    }

    /// Ends the rows of sessions that began at any other issuer than this. How many.
    pub(super) async fn end_rows_at_others(&self, tx: &mut Tx, issuer: &str) -> Result<usize, Error> {
        let row: [Value; 3] = [(&self.config.tenant).into(), issuer.into(), tx.now().into()];
        end_rows(tx, sql::END_AT_OTHERS, &row).await
    }

    /// How people sign in was changed somewhere. What was switched off ended the sessions of an issuer up to a moment,
    /// whatever is in force by now.
    ///
    /// # Errors
    /// As `load_sign_in`.
    pub async fn sign_in_changed(&self, key: &str) -> Result<(), Error> {
        if let Some((before, issuer)) = key.split_once('\n')
            && let Ok(before) = before.parse()
        {
            let over = self.sessions.of_issuer(issuer, Timestamp::from_ms(before));
            self.sessions.end_these(&over);
        }
        self.load_sign_in().await
    }

    /// Whether a row of a provider is to be believed: it may have been switched off, and its row not be gone yet.
    pub(super) fn stands(&self, opened: &Opened) -> bool {
        !self.store.standing().iter().any(|note| {
            matches!(&note.of, CutOf::Provider { digest, .. } if *digest == opened.digest && opened.changed_at <= note.at)
        })
    }

    /// INVARIANT: a session that began at a provider lives while that provider is in force, and no longer.
    pub(crate) fn still_vouched(&self, session: &Session) -> bool {
        session.at_provider.as_ref().is_none_or(|known| self.standing.is_at(&known.issuer))
    }

    /// Memory forgets whom no provider in force vouches for.
    pub(crate) fn end_strays(&self) {
        let provider = self.standing.provider();
        let issuer = provider.as_deref().map(|provider: &Provider| provider.config.issuer.as_str());
        self.sessions.end_of_other_issuers(issuer);
    }
}

/// Ends sessions, and names each in the feed: nodes of an older version know no more of it than that. How many.
async fn end_rows(tx: &mut Tx, statement: &'static str, row: &[Value]) -> Result<usize, Error> {
    let mut ended = tx.query(statement, row).await?;
    // Once more: what came from one of them may have been committed while the first waited for it.
    ended.extend(tx.query(statement, row).await?);
    for row in &ended {
        tx.feed(change::SESSION, row.text(0)?);
    }
    Ok(ended.len())
}

fn not_on() -> Error {
    Error::refused(
        ProblemKind::Conflict,
        "provider.not_on",
        "single sign-on is not on",
        "it was switched off before, or never on",
        "`bailiwick sign-in show` says how people sign in",
    )
}
