//! Logging out at the provider ends sessions here (OpenID Connect Back-Channel Logout 1.0).
//!
//! Refuses a token that is not a logout, is not for us, has a nonce, was signed by nobody, or came before.

use super::{Provider, refused, sql};
use crate::{Error, Identity, passkeys};
use authority::{Act, Permit, Rule, Target, change, rules};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use model::{SessionId, TenantId, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// A logout is about now.
const LIFE: Duration = Duration::from_secs(300);
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

impl Provider {
    async fn logout_claims(&self, token: &str) -> Result<Claims, Error> {
        let header = decode_header(token).map_err(|_| refused())?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(refused());
        }
        let now = self.clock.now();
        let mut newer = None;
        for _ in 0..2 {
            let keys = serde_json::to_value(self.metadata(newer).await?.jwks()).map_err(Error::State)?;
            let keys: JwkSet = serde_json::from_value(keys).map_err(Error::State)?;
            let fits = |kid: &Option<String>| header.kid.is_none() || *kid == header.kid;
            for key in keys.keys.iter().filter(|key| fits(&key.common.key_id)) {
                let Ok(key) = DecodingKey::from_jwk(key) else { continue };
                let mut rules = Validation::new(header.alg);
                rules.set_issuer(&[&self.config.issuer]);
                rules.set_audience(&[&self.config.client_id]);
                rules.set_required_spec_claims(&["iss", "aud"]);
                rules.validate_exp = false; // `iat` by our own clock, below
                if let Ok(data) = decode::<Claims>(token, &key, &rules) {
                    return data.claims.fitting(now);
                }
            }
            newer = Some(now);
        }
        Err(refused())
    }
}

impl Claims {
    fn fitting(self, now: Timestamp) -> Result<Self, Error> {
        let at = Timestamp::from_ms(self.iat.saturating_mul(1_000));
        let timely = now.since(at) < LIFE && at.since(now) < LIFE;
        let says_so = self.events.get(EVENT).is_some_and(Value::is_object);
        let of_somebody = self.sub.is_some() || self.sid.is_some();
        if timely && says_so && of_somebody && self.nonce.is_none() { Ok(self) } else { Err(refused()) }
    }
}

impl Identity {
    /// Ends the sessions that a logout token names; how many.
    ///
    /// # Errors
    /// A token that does not fit, or came before.
    pub async fn provider_logout(&self, permit: Permit<ProviderLogout>, token: &str) -> Result<usize, Error> {
        let provider = self.the_provider()?;
        let claims = provider.logout_claims(token).await?;
        let now = self.clock.now();
        let issuer = provider.config.issuer.clone();
        let (act, mut tx) = self.store.write(permit).await?;
        let spent = [(&act.tenant).into(), format!("logout:{}", claims.jti).into(), now.plus(LIFE + LIFE).into()];
        if tx.execute(passkeys::sql::SPEND, &spent).await? != 1 {
            return Err(refused());
        }
        let rows = match (&claims.sid, &claims.sub) {
            (Some(sid), _) => {
                let row = [(&act.tenant).into(), issuer.into(), self.person_key("sid", sid).into()];
                tx.query(sql::SESSIONS_BY_SID, &row).await?
            }
            (None, subject) => {
                let subject = self.person_key("subject", subject.as_deref().unwrap_or_default());
                tx.query(sql::SESSIONS_BY_SUBJECT, &[(&act.tenant).into(), issuer.into(), subject.into()]).await?
            }
        };
        let mut ended = Vec::new();
        for row in &rows {
            let id = SessionId::new(row.text(0)?);
            tx.execute(crate::sessions::END, &[(&act.tenant).into(), (&id).into(), now.into()]).await?;
            tx.feed(change::SESSION, id.as_str());
            ended.push(id);
        }
        tx.commit(serde_json::json!({ "method": "oidc", "sessions": ended }), None).await?;
        for id in &ended {
            self.session_ended(id);
        }
        Ok(ended.len())
    }
}
