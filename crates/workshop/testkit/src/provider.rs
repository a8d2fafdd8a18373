//! A sign-in provider on loopback that tells whatever lie a test wants: OpenID discovery, keys, and tokens signed with
//! ES256, with nothing, or with a key that nobody published.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use model::{Clock, SystemClock};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use tokio::net::TcpListener;

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    ByPublishedKey,
    ByUnknownKey,
    /// A key that is not published until `publish`, under a name of its own.
    ByNewKey,
    ByNothing,
}

/// What the provider will say next.
#[derive(Debug, Clone)]
struct Says {
    /// Put over the honest claims.
    claims: Value,
    signed: Signed,
}

struct Inner {
    issuer: String,
    key: EcdsaKeyPair,
    unknown: EcdsaKeyPair,
    says: Mutex<Says>,
    /// Whether the new key is published beside the old one.
    published: AtomicBool,
    /// Whether the old key is published no more.
    withdrawn: AtomicBool,
    /// Whether it says that each of its answers says whose it is.
    promises: AtomicBool,
    /// How often it was asked what it is.
    asked: AtomicUsize,
    /// The codes that it was brought.
    brought: Mutex<Vec<String>>,
    /// Codes that were given and not redeemed.
    codes: Mutex<HashMap<String, Asked>>,
}

/// With what a code was asked for.
struct Asked {
    nonce: String,
    challenge: String,
    redirect: String,
}

/// A running provider.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

fn text(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let key = || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let inner = Inner {
            issuer: format!("http://{}", listener.local_addr().unwrap()),
            key: key(),
            unknown: key(),
            published: AtomicBool::new(false),
            withdrawn: AtomicBool::new(false),
            promises: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            brought: Mutex::default(),
            says: Mutex::new(Says { claims: json!({}), signed: Signed::ByPublishedKey }),
            codes: Mutex::default(),
        };
        let provider = Self(Arc::new(inner));
        let serving = provider.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let provider = serving.clone();
                let service = service_fn(move |request| {
                    let provider = provider.clone();
                    async move { provider.answer(request).await }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        provider
    }

    /// Lines of configuration that name it.
    #[must_use]
    pub fn config(&self, more: &str) -> String {
        format!(
            "[sign_in]\n{more}oidc = {{ issuer = \"{}\", client_id = \"bailiwick\", client_secret = \"s3cret\", groups = {{ \"ops\" = \"people-ops\" }}, everyone = [\"staff\"] }}\n",
            self.0.issuer
        )
    }

    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// From now on the new key is one of its keys.
    pub fn publish(&self) {
        self.0.published.store(true, Ordering::Release);
    }

    /// From now on the old key is none of its keys.
    pub fn withdraw(&self) {
        self.0.withdrawn.store(true, Ordering::Release);
    }

    /// From now on it says that each of its answers says whose it is (RFC 9207).
    pub fn promises(&self) {
        self.0.promises.store(true, Ordering::Release);
    }

    /// The codes that it was brought, by whomever they were given.
    #[must_use]
    pub fn brought(&self) -> Vec<String> {
        self.0.brought.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often it was asked what it is.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.0.asked.load(Ordering::Acquire)
    }

    /// What the next token says.
    pub fn says(&self, claims: Value, signed: Signed) {
        *self.0.says.lock().unwrap_or_else(PoisonError::into_inner) = Says { claims, signed };
    }

    /// Signs in whom it was told, as a browser would be sent back: the query of the address that it was sent with.
    #[must_use]
    pub fn approve(&self, address: &str) -> String {
        let of = |name: &str| {
            let query = address.split_once('?').unwrap().1;
            let value = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap_or_default();
            value.to_owned()
        };
        assert_eq!(of("code_challenge_method"), "S256", "{address}");
        let code = text(&seal::random_bytes::<12>());
        let mut codes = self.0.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = Asked { nonce: of("nonce"), challenge: of("code_challenge"), redirect: of("redirect_uri") };
        codes.insert(code.clone(), asked);
        format!("code={code}&state={}", of("state"))
    }

    /// A token of any claims, such as a logout's.
    #[must_use]
    pub fn sign(&self, claims: &Value, signed: Signed) -> String {
        let algorithm = if signed == Signed::ByNothing { "none" } else { "ES256" };
        let kid = if signed == Signed::ByNewKey { "two" } else { "one" };
        let header = text(json!({ "alg": algorithm, "kid": kid }).to_string().as_bytes());
        let body = format!("{header}.{}", text(claims.to_string().as_bytes()));
        let by = |key: &EcdsaKeyPair| text(key.sign(&SystemRandom::new(), body.as_bytes()).unwrap().as_ref());
        match signed {
            Signed::ByPublishedKey => format!("{body}.{}", by(&self.0.key)),
            Signed::ByUnknownKey | Signed::ByNewKey => format!("{body}.{}", by(&self.0.unknown)),
            Signed::ByNothing => format!("{body}."),
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<bytes::Bytes>>, Infallible> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
        let (status, document) = match path.as_str() {
            "/.well-known/openid-configuration" => {
                self.0.asked.fetch_add(1, Ordering::AcqRel);
                (200, self.discovery())
            }
            "/keys" => (200, self.keys()),
            "/token" => self.token(&String::from_utf8_lossy(&body)),
            _ => (404, json!({})),
        };
        let response = Response::builder().status(status).header("content-type", "application/json");
        Ok(response.body(Full::new(document.to_string().into())).unwrap())
    }

    fn discovery(&self) -> Value {
        let issuer = &self.0.issuer;
        json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "none"],
            "authorization_response_iss_parameter_supported": self.0.promises.load(Ordering::Acquire),
        })
    }

    fn keys(&self) -> Value {
        let key = |kid: &str, key: &EcdsaKeyPair| {
            let point = key.public_key().as_ref();
            json!({
                "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid,
                "x": text(&point[1..33]), "y": text(&point[33..65]),
            })
        };
        let mut keys = vec![];
        if !self.0.withdrawn.load(Ordering::Acquire) {
            keys.push(key("one", &self.0.key));
        }
        if self.0.published.load(Ordering::Acquire) {
            keys.push(key("two", &self.0.unknown));
        }
        json!({ "keys": keys })
    }

    /// One code is worth one token, to whoever holds the verifier, from the address that it was given for.
    fn token(&self, body: &str) -> (u16, Value) {
        let of =
            |name: &str| body.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap_or_default();
        self.0.brought.lock().unwrap_or_else(PoisonError::into_inner).push(of("code").to_owned());
        let found = self.0.codes.lock().unwrap_or_else(PoisonError::into_inner).remove(of("code"));
        let Some(Asked { nonce, challenge, redirect }) = found else {
            return (400, json!({ "error": "invalid_grant" }));
        };
        if text(&seal::sha256(of("code_verifier").as_bytes())) != challenge || of("redirect_uri") != redirect {
            return (400, json!({ "error": "invalid_grant" }));
        }
        let Says { claims, signed } = self.0.says.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = SystemClock.now().as_secs();
        let mut token = json!({
            "iss": self.0.issuer, "aud": "bailiwick", "sub": "ana", "email": "ana@example.test", "nonce": nonce,
            "iat": now, "exp": now + 60, "auth_time": now, "sid": "s1",
        });
        for (name, value) in claims.as_object().into_iter().flatten() {
            token[name] = value.clone();
        }
        let token = self.sign(&token, signed);
        (200, json!({ "access_token": "opaque", "token_type": "Bearer", "expires_in": 60, "id_token": token }))
    }
}
