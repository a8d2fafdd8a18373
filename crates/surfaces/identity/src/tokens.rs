//! Tokens: JWTs (RFC 7519, EdDSA by RFC 8037), ten minutes by default, an hour at most, checked by anyone from the
//! JWKS (RFC 7517). A credential epoch in each keeps what a revoke killed dead after a restore.

use crate::{Error, Identity, Session};
use authority::{Act, AppRef, Permit, Rule, Target, rules};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use model::{PersonId, ProblemKind, SessionId, TenantId, Timestamp};
use seal::{Context, PublicKey, Purpose, TenantKey};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

const LIFE_DEFAULT: Duration = Duration::from_secs(600);
const LIFE_MAX: Duration = Duration::from_secs(3600);

/// A token with which a person's script may call one app.
#[derive(Debug, Clone)]
pub struct IssueToken {
    pub tenant: TenantId,
    pub app: AppRef,
    pub life: Option<Duration>,
}

impl Act for IssueToken {
    const RULE: &'static Rule = &rules::TOKEN_ISSUE;
    fn target(&self) -> Target {
        Target::within(self.tenant.clone(), &self.app, format!("app/{}", self.app.id))
    }
}

/// A token of the app's own service account.
#[derive(Debug, Clone)]
pub struct IssueAppToken {
    pub tenant: TenantId,
    pub app: AppRef,
    pub audience: String,
    pub life: Option<Duration>,
}

impl Act for IssueAppToken {
    const RULE: &'static Rule = &rules::APP_TOKEN_ISSUE;
    fn target(&self) -> Target {
        Target::within(self.tenant.clone(), &self.app, format!("app/{}", self.app.id))
    }
    fn facts(&self) -> authority::Judged {
        serde_json::json!({ "audience": self.audience }).into()
    }
}

/// What is said of a person who calls an app by token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonClaims {
    pub iss: String,
    pub sub: PersonId,
    /// The app's service account id.
    pub aud: String,
    pub exp: i64,
    pub iat: i64,
    pub jti: String,
    /// The session that it was issued in: ends with it.
    pub sid: SessionId,
    /// The app's credential epoch.
    pub cep: u64,
}

/// What is said of an app that calls as itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppTokenClaims {
    pub iss: String,
    /// The service account's immutable id.
    pub sub: String,
    pub aud: String,
    pub exp: i64,
    pub iat: i64,
    pub jti: String,
    pub cep: u64,
    /// The service account's name.
    pub account: String,
}

/// A checked token of an app.
pub type AppToken = AppTokenClaims;

#[derive(Debug, Clone, Serialize)]
pub struct IssuedToken {
    pub token: String,
    pub expires_at: Timestamp,
}

/// Keys and rules of signing. The algorithm is fixed; a header never chooses it.
pub struct Tokens {
    issuer: String,
    kid: String,
    public: PublicKey,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Tokens {
    pub(crate) fn new(keys: &TenantKey, issuer: String) -> Self {
        let key = keys.purpose(Purpose::TokenKey).signing_key(&Context::table("tokens"));
        let public = key.public();
        Self {
            kid: public.thumbprint(),
            encoding: EncodingKey::from_ed_der(&key.to_pkcs8v1()),
            decoding: DecodingKey::from_ed_der(public.as_bytes()),
            public,
            issuer,
        }
    }

    /// The JWK set that anyone may check tokens with.
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
        let x = BASE64_URL_SAFE_NO_PAD.encode(self.public.as_bytes());
        serde_json::json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": x }
        ] })
    }

    pub(crate) fn sign<C: Serialize>(&self, kind: &str, claims: &C) -> Result<String, Error> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        header.typ = Some(kind.to_owned());
        jsonwebtoken::encode(&header, claims, &self.encoding).map_err(Error::Token)
    }

    pub(crate) fn open<C: for<'de> Deserialize<'de> + Clone>(
        &self,
        token: &str,
        kind: &str,
        audience: &str,
    ) -> Result<C, Error> {
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_issuer(&[&self.issuer]);
        rules.set_audience(&[audience]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.leeway = 0;
        rules.validate_exp = false; // by our own clock, below
        let data = jsonwebtoken::decode::<C>(token, &self.decoding, &rules).map_err(Error::Token)?;
        if data.header.typ.as_deref() != Some(kind) {
            return Err(Error::Token(jsonwebtoken::errors::ErrorKind::InvalidToken.into()));
        }
        Ok(data.claims)
    }
}

pub(crate) const PERSON_TYPE: &str = "bailiwick-person+jwt";
pub(crate) const APP_TYPE: &str = "bailiwick-app+jwt";

impl Identity {
    fn life(&self, asked: Option<Duration>, now: Timestamp) -> Result<Timestamp, Error> {
        let life = asked.unwrap_or(LIFE_DEFAULT);
        if life > LIFE_MAX || life.is_zero() {
            return Err(Error::refused(
                ProblemKind::Unprocessable,
                "token.life",
                "a token cannot live that long",
                "tokens live an hour at most, so that one that leaks is soon worth nothing",
                "ask for an hour or less, and get a new one when it ends",
            ));
        }
        Ok(now.plus(life))
    }

    /// A token with which the person of `session` may call the app; recorded before it is handed out.
    ///
    /// # Errors
    /// A life over an hour; an app without an account; a record that cannot be written.
    pub async fn issue(&self, permit: Permit<IssueToken>, session: &Session) -> Result<IssuedToken, Error> {
        let now = self.clock.now();
        let act = permit.act().clone();
        let expires_at = self.life(act.life, now)?;
        let account = self.accounts.get(&act.app).filter(|account| account.live).ok_or_else(no_account)?;
        let claims = PersonClaims {
            iss: self.config.public_url.clone(),
            sub: session.person.clone(),
            aud: account.id.clone(),
            exp: expires_at.as_secs(),
            iat: now.as_secs(),
            jti: model::RequestId::generate().to_string(),
            sid: session.id.clone(),
            cep: account.credential_epoch,
        };
        let detail = serde_json::json!({ "jti": claims.jti, "expires_at": expires_at });
        self.store.record(permit, store::Outcome::Allowed, detail).await?;
        Ok(IssuedToken { token: self.tokens().sign(PERSON_TYPE, &claims)?, expires_at })
    }

    /// A token of the app's own account, for whom it names.
    ///
    /// # Errors
    /// As `issue`.
    pub async fn issue_app(&self, permit: Permit<IssueAppToken>) -> Result<IssuedToken, Error> {
        let now = self.clock.now();
        let act = permit.act().clone();
        let expires_at = self.life(act.life, now)?;
        let account = self.accounts.get(&act.app).filter(|account| account.live).ok_or_else(no_account)?;
        let claims = AppTokenClaims {
            iss: self.config.public_url.clone(),
            sub: account.id.clone(),
            aud: act.audience,
            exp: expires_at.as_secs(),
            iat: now.as_secs(),
            jti: model::RequestId::generate().to_string(),
            cep: account.credential_epoch,
            account: account.name.clone(),
        };
        let detail = serde_json::json!({ "jti": claims.jti, "audience": claims.aud, "expires_at": expires_at });
        self.store.record(permit, store::Outcome::Allowed, detail).await?;
        Ok(IssuedToken { token: self.tokens().sign(APP_TYPE, &claims)?, expires_at })
    }

    /// Checks a person's token at the gateway: for this app, in time, of a session that lives, of this epoch.
    ///
    /// # Errors
    /// Anything else, in the same words.
    pub fn check_person_token(&self, token: &str, app: &AppRef) -> Result<Arc<Session>, Error> {
        let account = self.accounts.get(app).filter(|account| account.live).ok_or_else(no_account)?;
        let claims: PersonClaims = self.tokens().open(token, PERSON_TYPE, &account.id)?;
        let now = self.clock.now();
        let dead = || Error::Token(jsonwebtoken::errors::ErrorKind::ExpiredSignature.into());
        if now.as_secs() >= claims.exp || claims.cep != account.credential_epoch {
            return Err(dead());
        }
        let session = self.sessions.by_id(&claims.sid, now).ok_or_else(dead)?;
        if session.person == claims.sub && self.enabled(&session) { Ok(session) } else { Err(dead()) }
    }

    /// Checks a token of an app's own account.
    ///
    /// # Errors
    /// Anything that is not a live token of a live account, in the same words.
    pub fn check_app_token(&self, token: &str, audience: &str, app: &AppRef) -> Result<AppToken, Error> {
        let account = self.accounts.get(app).filter(|account| account.live).ok_or_else(no_account)?;
        let claims: AppTokenClaims = self.tokens().open(token, APP_TYPE, audience)?;
        let live = self.clock.now().as_secs() < claims.exp && claims.cep == account.credential_epoch;
        if live && claims.sub == account.id {
            return Ok(claims);
        }
        Err(Error::Token(jsonwebtoken::errors::ErrorKind::ExpiredSignature.into()))
    }
}

fn no_account() -> Error {
    Error::refused(
        ProblemKind::Gone,
        "account.cut",
        "the app has no live account",
        "it was not made live yet, or it was switched off",
        "`bailiwick app NAME` shows its state",
    )
}
