//! Signatures of webhooks: HMAC-SHA-256 over `id.timestamp.body`, as Standard Webhooks (version 1) writes them.
//!
//! Refuses a secret that could be guessed, and one in another form than other senders and receivers use.

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_STANDARD};
use std::fmt;
use zeroize::Zeroizing;

/// What a secret begins with, wherever one is shown or stored.
const PREFIX: &str = "whsec_";
/// Between 24 and 64 bytes, says the specification.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What a sender and a receiver share.
#[derive(Clone)]
pub struct WebhookKey(hmac::Key);

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey(…)")
    }
}

impl WebhookKey {
    /// Reads `whsec_` and 24 to 64 bytes in base64; `None` when it is another thing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let secret = Zeroizing::new(BASE64_STANDARD.decode(text.trim().strip_prefix(PREFIX)?).ok()?);
        SECRET_BYTES.contains(&secret.len()).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &secret)))
    }

    /// The header `webhook-signature`. `at_secs` is seconds since 1970, as in `webhook-timestamp`.
    #[must_use]
    pub fn sign(&self, id: &str, at_secs: i64, body: &[u8]) -> String {
        let mut signed = format!("{id}.{at_secs}.").into_bytes();
        signed.extend_from_slice(body);
        format!("v1,{}", BASE64_STANDARD.encode(hmac::sign(&self.0, &signed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn it_signs_as_others_do() {
        let key = WebhookKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(format!("{key:?}"), "WebhookKey(…)");
    }

    #[test]
    fn what_could_be_guessed_is_no_secret() {
        for text in [
            "",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_c2hvcnQ=",
            "whsec_not base64",
            &format!("whsec_{}", BASE64_STANDARD.encode([7; 65])),
        ] {
            assert!(WebhookKey::parse(text).is_none(), "{text}");
        }
        assert!(WebhookKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").is_some(), "as a file ends");
    }
}
