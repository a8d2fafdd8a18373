//! Single sign-on: one OpenID provider (OpenID Connect Core 1.0), found by discovery; authorization code with PKCE S256
//! (RFC 7636), state and nonce, in the browser that began it.
//!
//! A person is issuer and subject. Refuses: to match anybody by e-mail; a token of another issuer, audience, nonce or
//! key, or without a signature; a code that comes back in another browser, at another address, or from another provider
//! (RFC 9207).

mod described;
mod keys;
mod logout;
mod off;
mod people;
mod returns;
mod settings;
mod setup;
pub(crate) mod sql;
mod standing;
mod trial;
mod view;

pub use described::{Described, Warning};
pub(crate) use logout::AtIssuer;
pub use logout::ProviderLogout;
pub use off::{SwitchProviderOff, SwitchedOff};
pub use people::{AtProvider, ConnectProvider, SignInAtProvider};
pub use returns::BackAt;
pub use settings::{ClientSecretIs, Settings, check_scopes};
pub use setup::{DraftProvider, SeeSignIn, SwitchLinks, SwitchProviderOn};
pub(crate) use standing::Standing;
pub use trial::{Returned, Trial, Tried, TryProvider, Would};
pub use view::{LeftOut, LinksView, ProviderView, Register, SaidIn, SetUpDone, SignInView};

use crate::{Bound, Error, Identity, ceremony::Opened, ceremony::Step};
use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use keys::Metadata;
use model::{Clock, Group, Problem, ProblemKind, SessionId, Timestamp};
use openidconnect::{
    AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, TokenResponse,
    core::{CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreJwsSigningAlgorithm},
};
use seal::Token;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::Arc,
    time::Duration,
};
use tokio::sync::Mutex;

/// A claim that a person can be in more groups than this is nobody's.
const GROUPS_MAX: usize = 500;

/// The one provider.
#[derive(Clone)]
pub struct ProviderConfig {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<String>,
    /// The claim that lists a person's groups there.
    pub groups_claim: String,
    /// What each of those is here; one that is not named gives nothing.
    pub groups: BTreeMap<String, Group>,
    /// What everyone who signs in there is in here.
    pub everyone: Vec<Group>,
    /// Values of `amr` or `acr` that say that there was a second factor.
    pub second_factor: Vec<String>,
    /// What is asked for beside `openid`. Nothing: `email` and `profile`, and `groups` where the provider lists it.
    pub scopes: Option<Vec<String>>,
}

impl std::fmt::Debug for ProviderConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderConfig").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// Why the provider was not reached.
#[derive(Debug, thiserror::Error)]
pub enum Unreached {
    /// It may not be.
    #[error("{0}")]
    Refused(Box<Problem>),
    #[error("{0}")]
    Failed(String),
}

/// How the provider is reached; follows no redirect. The assembly gives it.
#[async_trait]
pub trait Reach: Send + Sync + std::fmt::Debug {
    async fn reach(&self, request: HttpRequest) -> Result<HttpResponse, Unreached>;
}

type Going = Pin<Box<dyn Future<Output = Result<HttpResponse, Unreached>> + Send>>;

/// The provider, and what it said of itself lately.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) config: ProviderConfig,
    reach: Arc<dyn Reach>,
    redirect: String,
    clock: Arc<dyn Clock>,
    /// Who switched it on in the console; they vouch for whoever it vouches for.
    set_by: Option<Arc<str>>,
    /// Its form, if it was set up in the console.
    digest: Option<String>,
    known: Mutex<keys::Known>,
    /// Logout tokens that came, until they are too old to come again.
    logouts: std::sync::Mutex<HashMap<String, Timestamp>>,
}

/// What travels, sealed, to the provider and back.
#[derive(Serialize, Deserialize)]
struct OnTheWay {
    nonce: String,
    verifier: String,
    to: String,
    /// The session that wants to be connected with an account there.
    connect: Option<SessionId>,
    began_at: Timestamp,
    /// It is a try of what is not in force.
    #[serde(default)]
    tries: Option<trial::Tries>,
}

impl std::fmt::Debug for OnTheWay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnTheWay").field("to", &self.to).finish_non_exhaustive()
    }
}

/// What a person wants at the provider.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub to: &'a str,
    /// Prove oneself anew there, even when signed in.
    pub fresh: Fresh,
    pub connect: Option<&'a SessionId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    Yes,
    No,
}

/// What the provider sent the browser back with.
#[derive(Debug, Clone, Copy)]
pub struct CameBack<'a> {
    pub code: &'a str,
    pub state: &'a str,
    pub iss: Option<&'a str>,
}

/// Somebody whom the provider vouches for.
#[derive(Debug)]
pub struct Vouch {
    pub to: String,
    /// The session that wanted to be connected: only what comes back in it may be.
    pub connect: Option<SessionId>,
    ceremony: Opened<()>,
    issuer: String,
    said: Said,
    /// Who switched the provider on in the console, and in which form.
    set_by: Option<Arc<str>>,
    digest: Option<String>,
}

/// What the provider says of somebody, proven.
#[derive(Debug)]
struct Said {
    subject: String,
    sid: Option<String>,
    email: Option<String>,
    groups: Vec<Group>,
    /// When there was a second factor, and the provider says so.
    second_at: Option<Timestamp>,
    /// Whether they proved themself there since the way began, and did not only have a session there already.
    anew: bool,
}

/// Why nothing was proven.
#[derive(Debug)]
enum Failed {
    Unreached,
    /// With what the provider said of it (RFC 6749, section 5.2).
    NoToken(Option<String>),
    /// It is another provider's answer, or does not say whose it is.
    Mixed,
    Unproven,
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Unreached => unreached(),
            Failed::NoToken(_) | Failed::Mixed | Failed::Unproven => refused(),
        }
    }
}

/// Who came back.
#[derive(Debug)]
pub enum Arrived {
    /// To sign in, or to connect an account.
    Vouched(Box<Vouch>),
    /// To try what is not in force.
    Trying(Box<Returned>),
}

impl Provider {
    pub(crate) fn new(config: ProviderConfig, reach: Arc<dyn Reach>, public_url: &str, clock: Arc<dyn Clock>) -> Self {
        Self {
            config,
            reach,
            redirect: BackAt::SignIn.under(public_url),
            clock,
            set_by: None,
            digest: None,
            known: Mutex::default(),
            logouts: std::sync::Mutex::default(),
        }
    }

    /// How the library goes out.
    fn outward(&self) -> impl Fn(HttpRequest) -> Going + Send + Sync + use<> {
        let reach = Arc::clone(&self.reach);
        move |request| {
            let reach = Arc::clone(&reach);
            Box::pin(async move { reach.reach(request).await })
        }
    }

    async fn begin(&self, wanted: Wanted<'_>) -> Result<(Started, OnTheWay), Error> {
        let metadata = self.metadata().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let nonce = Token::generate().expose().to_owned();
        let on_the_way = OnTheWay {
            nonce: nonce.clone(),
            verifier: verifier.secret().clone(),
            to: wanted.to.to_owned(),
            connect: wanted.connect.cloned(),
            began_at: self.clock.now(),
            tries: None,
        };
        Ok((Started { metadata, challenge, nonce, fresh: wanted.fresh }, on_the_way))
    }

    fn address(&self, started: Started, state: String) -> Result<String, Error> {
        let Started { metadata, challenge, nonce, fresh } = started;
        let secret = self.config.client_secret.clone().map(ClientSecret::new);
        let redirect = RedirectUrl::new(self.redirect.clone()).map_err(|_| unreached())?;
        let scopes = settings::scopes(self.config.scopes.as_deref(), &metadata);
        let client = CoreClient::from_provider_metadata(metadata, ClientId::new(self.config.client_id.clone()), secret)
            .set_redirect_uri(redirect);
        let request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state),
                move || Nonce::new(nonce),
            )
            .add_scopes(scopes)
            .set_pkce_challenge(challenge);
        let request = match fresh {
            Fresh::Yes => request.add_prompt(CoreAuthPrompt::Login).set_max_age(Duration::ZERO),
            Fresh::No => request,
        };
        Ok(request.url().0.to_string())
    }

    /// The verified claims of whoever came back with this code, from where `iss` says.
    async fn claims(&self, code: &str, iss: Option<&str>, on_the_way: &OnTheWay) -> Result<Value, Failed> {
        let metadata = self.metadata().await.map_err(|_| Failed::Unreached)?;
        if !keys::is_answer_of(&metadata, iss) {
            return Err(Failed::Mixed);
        }
        let token = self.exchange(metadata.clone(), code, &on_the_way.verifier).await?;
        // A key that is not known yet may be new; one that is too old is in no newer set.
        let metadata = if keys::knows(&metadata, &token) {
            metadata
        } else {
            self.newer_metadata().await.map_err(|_| Failed::Unreached)?
        };
        self.verified(metadata, &token, &on_the_way.nonce).map_err(|_| Failed::Unproven)
    }

    async fn exchange(&self, metadata: Metadata, code: &str, verifier: &str) -> Result<String, Failed> {
        let secret = self.config.client_secret.clone().map(ClientSecret::new);
        let redirect = RedirectUrl::new(self.redirect.clone()).map_err(|_| Failed::Unreached)?;
        let by = secret_goes(&metadata);
        let client = CoreClient::from_provider_metadata(metadata, ClientId::new(self.config.client_id.clone()), secret)
            .set_redirect_uri(redirect)
            .set_auth_type(by);
        let http = self.outward();
        let exchange = client.exchange_code(AuthorizationCode::new(code.to_owned())).map_err(|_| Failed::Unreached)?;
        let answer =
            exchange.set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned())).request_async(&http).await.map_err(
                |error| {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the provider gave no token");
                    let RequestTokenError::ServerResponse(said) = &error else { return Failed::NoToken(None) };
                    Failed::NoToken(Some(said.error().as_ref().to_owned()).filter(|code| is_code(code)))
                },
            )?;
        Ok(answer.id_token().ok_or(Failed::NoToken(None))?.to_string())
    }

    /// Signature, issuer, audience, time and nonce (OpenID Connect Core, section 3.1.3.7), then the claims.
    fn verified(&self, metadata: Metadata, token: &str, nonce: &str) -> Result<Value, Error> {
        let secret = self.config.client_secret.clone().map(ClientSecret::new);
        let client = CoreClient::from_provider_metadata(metadata, ClientId::new(self.config.client_id.clone()), secret);
        let id_token: openidconnect::core::CoreIdToken = token.parse().map_err(|_| refused())?;
        let (clock, issued) = (Arc::clone(&self.clock), Arc::clone(&self.clock));
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || {
                let since = Duration::from_secs(clock.now().as_secs().try_into().unwrap_or_default());
                (std::time::UNIX_EPOCH + since).into()
            })
            .set_issue_time_verifier_fn(move |at| {
                let timely = at.timestamp() <= issued.now().as_secs() + SKEW_SECS;
                if timely { Ok(()) } else { Err("issued in the future".to_owned()) }
            });
        id_token.claims(&verifier, &Nonce::new(nonce.to_owned())).map_err(|error| {
            tracing::warn!(%error, "the provider's token was refused");
            refused()
        })?;
        // Verified just now; read again whole, for claims that the library has no names for.
        let payload = token.split('.').nth(1).and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
        payload.and_then(|payload| serde_json::from_slice(&payload).ok()).ok_or_else(refused)
    }

    fn vouch(&self, claims: &Value, way: OnTheWay, ceremony: Opened<()>) -> Result<Vouch, Error> {
        Ok(Vouch {
            said: self.said(claims, way.began_at)?,
            to: way.to,
            connect: way.connect,
            ceremony,
            issuer: self.config.issuer.clone(),
            set_by: self.set_by.clone(),
            digest: self.digest.clone(),
        })
    }

    /// What verified claims say; `began_at` is when the way to the provider began.
    fn said(&self, claims: &Value, began_at: Timestamp) -> Result<Said, Failed> {
        let text = |name: &str| claims[name].as_str().map(str::to_owned);
        let said = |name: &str| claims[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        let listed = said(&self.config.groups_claim).take(GROUPS_MAX);
        let mut groups: Vec<Group> = listed.filter_map(|group| self.config.groups.get(group).cloned()).collect();
        groups.extend(self.config.everyone.iter().cloned());
        groups.sort();
        groups.dedup();
        let counts = |value: &str| self.config.second_factor.iter().any(|known| known == value);
        let second = said("amr").any(counts) || claims["acr"].as_str().is_some_and(counts);
        let now = self.clock.now();
        // Without a moment there is no knowing how old it is.
        let at = claims["auth_time"].as_i64().map(|secs| Timestamp::from_ms(secs.saturating_mul(1_000)).min(now));
        Ok(Said {
            subject: text("sub").ok_or(Failed::Unproven)?,
            sid: text("sid"),
            // An address that the provider itself does not vouch for is anybody's.
            email: text("email").filter(|_| claims["email_verified"] != Value::Bool(false)),
            groups,
            second_at: at.filter(|_| second),
            anew: at.is_some_and(|at| at.plus(Duration::from_secs(SKEW_SECS.unsigned_abs())) >= began_at),
        })
    }
}

/// Signatures with a published key alone, whatever the provider says that it supports: not `none`, and nothing that
/// rests on a secret which two sides know.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 8] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// A minute between two machines' clocks is nobody's attack.
const SKEW_SECS: i64 = 60;

/// How the token endpoint takes the client secret: in the header (RFC 6749, section 2.3.1), unless it says that it
/// takes it in the body alone.
fn secret_goes(metadata: &Metadata) -> AuthType {
    let taken = metadata.token_endpoint_auth_methods_supported();
    let takes = |method: CoreClientAuthMethod| taken.is_some_and(|taken| taken.contains(&method));
    let body = takes(CoreClientAuthMethod::ClientSecretPost) && !takes(CoreClientAuthMethod::ClientSecretBasic);
    if body { AuthType::RequestBody } else { AuthType::BasicAuth }
}

/// Whether a word is an error code that can be shown: `invalid_client`.
fn is_code(word: &str) -> bool {
    const MAX_BYTES: usize = 60;
    !word.is_empty() && word.len() <= MAX_BYTES && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

struct Started {
    metadata: Metadata,
    challenge: PkceCodeChallenge,
    nonce: String,
    fresh: Fresh,
}

impl Identity {
    /// The provider's host, as people know it.
    #[must_use]
    pub fn provider_host(&self) -> Option<String> {
        let provider = self.standing.provider()?;
        let issuer = provider.config.issuer.as_str();
        let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
        rest.split('/').next().map(str::to_owned)
    }

    pub(crate) fn the_provider(&self) -> Result<Arc<Provider>, Error> {
        self.standing.provider().ok_or_else(|| {
            Error::refused(
                ProblemKind::NotFound,
                "provider.none",
                "there is no single sign-on here",
                "no provider is named, or it was switched off",
                "an operator can set one up, on the page `How people sign in`",
            )
        })
    }

    /// Where the browser goes to sign in, and comes back from within five minutes.
    ///
    /// # Errors
    /// No provider, or one that does not answer.
    pub async fn begin_at_provider(&self, browser: &str, wanted: Wanted<'_>) -> Result<String, Error> {
        let provider = self.the_provider()?;
        let (started, on_the_way) = provider.begin(wanted).await?;
        let state = self.begin(Step::Provider, Bound::Browser(browser), &on_the_way)?;
        provider.address(started, state)
    }

    /// Verifies what the browser came back with; of a try, only that it began here.
    ///
    /// # Errors
    /// Everything that does not fit, in the same words: so what was begun to come back at the other address.
    pub async fn back_from_provider(&self, browser: &str, at: BackAt, back: CameBack<'_>) -> Result<Arrived, Error> {
        let (ceremony, on_the_way): (_, OnTheWay) =
            self.resume(Step::Provider, Bound::Browser(browser), back.state)?.take();
        match (at, on_the_way.tries.clone()) {
            (BackAt::SignIn, None) => {}
            (BackAt::Try, Some(tries)) => {
                return Ok(Arrived::Trying(Box::new(Returned::new(tries, on_the_way, ceremony, back))));
            }
            (BackAt::SignIn, Some(_)) | (BackAt::Try, None) => return Err(refused()),
        }
        let provider = self.the_provider()?;
        let claims = provider.claims(back.code, back.iss, &on_the_way).await?;
        Ok(Arrived::Vouched(Box::new(provider.vouch(&claims, on_the_way, ceremony)?)))
    }

    pub(crate) fn person_key(&self, what: &str, text: &str) -> Vec<u8> {
        let context = seal::Context::table("provider_people").column(what);
        self.config.keys.purpose(seal::Purpose::DirectoryIndex).index(&context, text.as_bytes()).to_vec()
    }
}

pub(crate) fn unreached() -> Error {
    Error::refused(
        ProblemKind::Upstream,
        "provider.unreached",
        "the sign-in provider did not answer as it should",
        "its discovery document or keys could not be read",
        "try again in a minute; an operator finds the cause in the server's log",
    )
}

pub(crate) fn refused() -> Error {
    Error::refused(
        ProblemKind::Denied,
        "provider.refused",
        "this sign-in could not be proven",
        "what came back from the provider does not fit what was asked, or was used before",
        "begin again from the sign-in page; if it stays, tell an operator",
    )
}
