//! Logging out at the provider ends sessions here (OpenID Connect Back-Channel Logout 1.0): a cut, in memory first.
//!
//! Refuses a token that is not a logout, is not for us, has a nonce, was signed by nobody, or came before.

use super::{Provider, SKEW_SECS, off::APART, refused, sql};
use crate::{Error, Identity, Session, passkeys};
use authority::{Act, Permit, Rule, Target, rules};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use model::{SessionId, TenantId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::PoisonError, time::Duration};
use store::{CutOf, Recorded, Tx};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// A logout is about now.
const LIFE: Duration = Duration::from_secs(300);
/// How long the database may take to say whether a token came before: ending sessions does not wait for it.
const ASK_WITHIN: Duration = Duration::from_millis(500);
/// Signatures with a public key alone: a shared secret could be anyone's, and `none` is nobody's.
const ALGORITHMS: [Algorithm; 7] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

#[derive(Debug, Clone, Deserialize)]
struct Claims {
    iat: i64,
    jti: String,
    sub: Option<String>,
    sid: Option<String>,
    nonce: Option<String>,
    events: Value,
}

/// End what the provider says has ended.
#[derive(Debug, Clone)]
pub struct ProviderLogout {
    pub tenant: TenantId,
}

impl Act for ProviderLogout {
    const RULE: &'static Rule = &rules::OIDC_LOGOUT;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "provider")
    }
}

/// Sessions that a provider speaks of: those of one of its sessions, else those of one of its people.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtIssuer<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) sid: Option<&'a [u8]>,
    pub(crate) subject: Option<&'a [u8]>,
}

impl AtIssuer<'_> {
    pub(crate) fn fits(self, session: &Session) -> bool {
        session.at_provider.as_ref().is_some_and(|known| {
            known.issuer == self.issuer
                && match (self.sid, self.subject) {
                    (Some(sid), _) => known.sid == sid,
                    (None, Some(subject)) => known.subject == subject,
                    (None, None) => false,
                }
        })
    }
}

impl Provider {
    async fn logout_claims(&self, token: &str) -> Result<Claims, Error> {
        let header = decode_header(token).map_err(|_| refused())?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(refused());
        }
        let mut metadata = self.metadata().await?;
        if !super::keys::knows(&metadata, token) {
            metadata = self.newer_metadata().await?;
        }
        let fits = |kid: &Option<String>| header.kid.is_none() || *kid == header.kid;
        for key in super::keys::of(&metadata)?.keys.iter().filter(|key| fits(&key.common.key_id)) {
            let Ok(key) = DecodingKey::from_jwk(key) else { continue };
            let mut rules = Validation::new(header.alg);
            rules.set_issuer(&[&self.config.issuer]);
            rules.set_audience(&[&self.config.client_id]);
            rules.set_required_spec_claims(&["iss", "aud"]);
            rules.validate_exp = false; // `iat` by our own clock, below
            if let Ok(data) = decode::<Claims>(token, &key, &rules) {
                return data.claims.fitting(self.clock.now());
            }
        }
        Err(refused())
    }

    /// This node's turn at a token; `None` when it had one before.
    fn first_seen<'t>(&'t self, token: &'t str, now: Timestamp) -> Option<Turn<'t>> {
        let mut seen = self.logouts.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, until| now < *until);
        let first = seen.insert(token.to_owned(), now.plus(LIFE + LIFE)).is_none();
        // Not made unless it is the first: one that is dropped gives the token back.
        first.then(|| Turn { provider: self, token: Some(token) })
    }
}

/// Given back unless the cut was made: a provider that hung up meanwhile may send the token again.
struct Turn<'t> {
    provider: &'t Provider,
    token: Option<&'t str>,
}

impl Turn<'_> {
    fn taken(mut self) {
        self.token = None;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(token) = self.token {
            self.provider.logouts.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
        }
    }
}

impl Claims {
    fn fitting(self, now: Timestamp) -> Result<Self, Error> {
        let at = Timestamp::from_ms(self.iat.saturating_mul(1_000));
        let timely = now.is_within(LIFE, at);
        let says_so = self.events.get(EVENT).is_some_and(Value::is_object);
        let named = |name: &Option<String>| name.as_ref().is_some_and(|name| !name.is_empty());
        let of_somebody = named(&self.sub) || named(&self.sid);
        if timely && says_so && of_somebody && self.nonce.is_none() { Ok(self) } else { Err(refused()) }
    }
}

impl Identity {
    /// Ends the sessions that a logout token names: in memory at once, whatever the record can take. How many of this
    /// node's, and where it is recorded.
    ///
    /// # Errors
    /// A token that does not fit, or came before.
    pub async fn provider_logout(
        &self,
        permit: Permit<ProviderLogout>,
        token: &str,
    ) -> Result<(usize, Recorded), Error> {
        let provider = self.the_provider()?;
        let claims = provider.logout_claims(token).await?;
        let now = self.clock.now();
        let once = format!("logout:{}", claims.jti);
        let turn = provider.first_seen(&once, now).ok_or_else(refused)?;
        if self.came_before(&once).await {
            turn.taken();
            return Err(refused());
        }
        let key = |what: &str, text: Option<&String>| {
            text.filter(|text| !text.is_empty()).map(|text| self.person_key(what, text))
        };
        let (sid, subject) = (key("sid", claims.sid.as_ref()), key("subject", claims.sub.as_ref()));
        let issuer = provider.config.issuer.clone();
        let of = AtIssuer { issuer: &issuer, sid: sid.as_deref(), subject: subject.as_deref() };
        // What began after the token was made is not what it ends, however late or often the token is sent.
        let before = Timestamp::from_ms((claims.iat + SKEW_SECS).saturating_mul(1_000)).min(now);
        let sessions = self.sessions.at_provider(of, before);
        let cut = CutOf::AtProvider {
            issuer: issuer.clone(),
            sid: sid.clone(),
            subject: subject.clone(),
            before,
            sessions: sessions.clone(),
            token: once.clone(),
        };
        let (_, mut cutting) = self.store.cut(permit, cut);
        turn.taken();
        for id in &sessions {
            self.sessions.end(id);
        }
        cutting.note().detail = json!({ "method": "oidc", "sessions": sessions });
        Ok((sessions.len(), cutting.record(self).await))
    }

    /// Whether another node, or this one before it began, took the token. What does not answer does not say so.
    async fn came_before(&self, token: &str) -> bool {
        let key = [(&self.config.tenant).into(), token.into()];
        let asked = tokio::time::timeout(ASK_WITHIN, self.store.read_one(passkeys::sql::SPENT, &key)).await;
        matches!(asked, Ok(Ok(Some(_))))
    }

    /// The rows of it: sessions that other nodes know are among them.
    pub(crate) async fn logout_rows(
        &self,
        tx: &mut Tx,
        of: AtIssuer<'_>,
        before: Timestamp,
        token: &str,
        at: Timestamp,
    ) -> Result<(), Error> {
        let tenant = &self.config.tenant;
        tx.execute(passkeys::sql::SPEND, &[tenant.into(), token.into(), at.plus(LIFE + LIFE).into()]).await?;
        let (over, key) = match (of.sid, of.subject) {
            (Some(sid), _) => (sql::OVER_BY_SID, sid.to_vec()),
            (None, subject) => (sql::OVER_BY_SUBJECT, subject.unwrap_or_default().to_vec()),
        };
        // A command line that such a session let in until now goes with it: one too many signs in anew.
        let now = self.clock.now().plus(APART);
        let row = [tenant.into(), of.issuer.into(), key.into(), before.into(), now.into()];
        // Twice: what a session let in before it was ended here, as a command line, is seen by the second.
        for _ in 0..2 {
            for row in tx.query(over, &row).await? {
                self.end_rows(tx, &SessionId::new(row.text(0)?), at).await?;
            }
        }
        Ok(())
    }
}
