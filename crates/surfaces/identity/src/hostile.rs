//! Tokens against strangers' bytes, for tests that send many of them; nothing of the product calls it.
//!
//! Refuses to sign with a key that anything else uses: each issuer has its own.

use crate::tokens::{APP_TYPE, AppTokenClaims, PERSON_TYPE, PersonClaims, Tokens};
use model::{PersonId, SessionId, TenantId};
use seal::RootKey;

const ISSUER: &str = "http://localhost:7070";
const AUDIENCE: &str = "app-people-ops-poll-prod";

/// Signs the two kinds of token, and opens what is said to be one.
#[derive(Debug)]
pub struct Issuer(Tokens);

impl Default for Issuer {
    fn default() -> Self {
        Self(Tokens::new(&RootKey::generate().tenant(&TenantId::main()), ISSUER.to_owned()))
    }
}

impl Issuer {
    /// A person's token for an app; `None` only when the library fails.
    #[must_use]
    pub fn person(&self) -> Option<String> {
        let claims = PersonClaims {
            iss: ISSUER.to_owned(),
            sub: PersonId::new("ana"),
            aud: AUDIENCE.to_owned(),
            exp: i64::MAX,
            iat: 0,
            jti: "j".to_owned(),
            sid: SessionId::new("s"),
            cep: 1,
        };
        self.0.sign(PERSON_TYPE, &claims).ok()
    }

    /// A token of an app's own account.
    #[must_use]
    pub fn app(&self) -> Option<String> {
        let claims = AppTokenClaims {
            iss: ISSUER.to_owned(),
            sub: AUDIENCE.to_owned(),
            aud: AUDIENCE.to_owned(),
            exp: i64::MAX,
            iat: 0,
            jti: "j".to_owned(),
            cep: 1,
            account: AUDIENCE.to_owned(),
        };
        self.0.sign(APP_TYPE, &claims).ok()
    }

    #[must_use]
    pub fn opens_person(&self, token: &str) -> bool {
        self.0.open::<PersonClaims>(token, PERSON_TYPE, AUDIENCE).is_ok()
    }

    #[must_use]
    pub fn opens_app(&self, token: &str) -> bool {
        self.0.open::<AppTokenClaims>(token, APP_TYPE, AUDIENCE).is_ok()
    }
}
