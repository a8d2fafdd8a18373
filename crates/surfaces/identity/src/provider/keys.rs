//! What a provider says of itself, and how often it is asked: a stranger who makes keys up makes us ask no oftener.

use super::{Provider, unreached};
use crate::Error;
use jsonwebtoken::{decode_header, jwk::JwkSet};
use model::Timestamp;
use openidconnect::{
    AdditionalProviderMetadata, IssuerUrl, ProviderMetadata,
    core::{
        CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
        CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
        CoreSubjectIdentifierType,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;
use url::{Host, Url};

/// Providers change keys rarely; a new one is looked for at once when a token names it.
const METADATA_LIFE: Duration = Duration::from_secs(300);
/// Whatever anybody sends, the provider is not asked again within this.
const REFETCH_MIN: Duration = Duration::from_secs(10);

/// What the library has no name for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct More {
    /// Whether each of its answers says whose it is (RFC 9207, section 3). As it comes: a word in the place of `true`
    /// is no promise, and keeps nobody out.
    #[serde(default)]
    authorization_response_iss_parameter_supported: Option<Value>,
}

impl AdditionalProviderMetadata for More {}

/// What a provider says of itself.
pub(super) type Metadata = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// What it said last, and when it was last asked.
#[derive(Debug, Default)]
pub(super) struct Known {
    asked_at: Option<Timestamp>,
    said: Option<(Timestamp, Metadata)>,
}

impl Provider {
    /// What the provider says of itself: endpoints and keys.
    pub(super) async fn metadata(&self) -> Result<Metadata, Error> {
        self.said_within(METADATA_LIFE).await
    }

    /// The same, for a key that it has not named yet; what is known, when it was asked a moment ago.
    pub(super) async fn newer_metadata(&self) -> Result<Metadata, Error> {
        self.said_within(REFETCH_MIN).await
    }

    async fn said_within(&self, young: Duration) -> Result<Metadata, Error> {
        let mut known = self.known.lock().await;
        let now = self.clock.now();
        if let Some((at, metadata)) = &known.said
            && now.is_within(young, *at)
        {
            return Ok(metadata.clone());
        }
        // One that did not answer is left alone for as long.
        if known.asked_at.is_some_and(|at| now.is_within(REFETCH_MIN, at)) {
            return Err(unreached());
        }
        known.asked_at = Some(now);
        let issuer = IssuerUrl::new(self.config.issuer.clone()).map_err(|_| unreached())?;
        let metadata = Metadata::discover_async(issuer, &self.outward()).await.map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "the provider's discovery failed");
            unreached()
        })?;
        if !endpoints(&metadata).all(is_safe) {
            tracing::warn!("the provider names an endpoint without TLS");
            return Err(unreached());
        }
        known.said = Some((now, metadata.clone()));
        Ok(metadata)
    }
}

/// Where the browser, a code with the client's secret, and we for keys are sent.
fn endpoints(metadata: &Metadata) -> impl Iterator<Item = &Url> {
    let token = metadata.token_endpoint().map(|token| token.url());
    [metadata.authorization_endpoint().url(), metadata.jwks_uri().url()].into_iter().chain(token)
}

/// With TLS, or within this machine.
pub(super) fn is_safe(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && loopback)
}

/// Whether an answer is this provider's (RFC 9207, section 2.4): it says so, or says nothing where none was promised.
pub(super) fn is_answer_of(metadata: &Metadata, iss: Option<&str>) -> bool {
    match iss {
        Some(iss) => iss == metadata.issuer().as_str(),
        None => {
            metadata.additional_metadata().authorization_response_iss_parameter_supported != Some(Value::Bool(true))
        }
    }
}

/// Its keys, for a library that reads more kinds of tokens.
pub(super) fn of(metadata: &Metadata) -> Result<JwkSet, Error> {
    let keys = serde_json::to_value(metadata.jwks()).map_err(Error::State)?;
    serde_json::from_value(keys).map_err(Error::State)
}

/// Whether asking again could not help: the token names a key that is known, or none, or is no token.
pub(super) fn knows(metadata: &Metadata, token: &str) -> bool {
    let Some(kid) = decode_header(token).ok().and_then(|header| header.kid) else { return true };
    of(metadata).is_ok_and(|keys| keys.find(&kid).is_some())
}
