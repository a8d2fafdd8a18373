//! An authenticator in software, as a browser shows it to a page: ES256, counters, and every lie that a hostile one tells.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// User present, user verified, credential attached (WebAuthn level 3, section 6.1).
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const ATTACHED: u8 = 0x40;

/// One passkey. Its fields may be bent before it answers.
pub struct Passkey {
    key: EcdsaKeyPair,
    pub id: Vec<u8>,
    pub user: Vec<u8>,
    /// What it will show next; zero and it counts nothing.
    pub counter: u32,
    /// Where the browser says that it is.
    pub origin: String,
    /// Whom the authenticator answers for.
    pub host: String,
    /// Whether it looked who touches it.
    pub verifies: bool,
}

/// A form of a page: where it goes, which passkey it asks for, what it carries.
#[derive(Debug, Clone)]
pub struct Form {
    pub action: String,
    pub options: Value,
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// The first form of a page that asks for a passkey.
    #[must_use]
    pub fn of(page: &str) -> Self {
        let form = Self::with(page, "data-passkey=");
        Self { options: serde_json::from_str(&attribute(form, "data-options")).unwrap(), ..Self::read(form) }
    }

    /// The first form of a page that goes to an address which begins so.
    #[must_use]
    pub fn to(page: &str, address: &str) -> Self {
        Self::read(Self::with(page, &format!("action=\"{address}")))
    }

    /// The text of the first form that has this mark.
    fn with<'a>(page: &'a str, mark: &str) -> &'a str {
        let at = page.find(mark).unwrap_or_else(|| panic!("no form with `{mark}` in {page}"));
        let form = &page[page[..at].rfind("<form").unwrap()..];
        &form[..form.find("</form>").unwrap()]
    }

    fn read(form: &str) -> Self {
        let fields = form.split("<input").skip(1).map(|input| (attribute(input, "name"), attribute(input, "value")));
        Self { action: attribute(form, "action"), options: Value::Null, fields: fields.collect() }
    }

    /// The fields with an answer in its place.
    #[must_use]
    pub fn filled(&self, answer: &Value) -> Vec<(String, String)> {
        let mut fields = self.fields.clone();
        for (name, value) in &mut fields {
            if name == "passkey-answer" {
                *value = answer.to_string();
            }
        }
        fields
    }
}

/// The value of an attribute, as a browser reads it.
fn attribute(tag: &str, name: &str) -> String {
    let Some((_, rest)) = tag.split_once(&format!("{name}=\"")) else { return String::new() };
    let value = rest.split('"').next().unwrap_or_default();
    value
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&#60;", "<")
        .replace("&gt;", ">")
        .replace("&#62;", ">")
        .replace("&amp;", "&")
        .replace("&#38;", "&")
}

fn text(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn bytes(value: &Value) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}

impl Passkey {
    /// Makes one as a page asks for it, and the answer that the page sends on.
    #[must_use]
    pub fn make(options: &Value, origin: &str) -> (Self, Value) {
        let passkey = Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            id: seal::random_bytes::<16>().to_vec(),
            user: bytes(&options["user"]["id"]),
            counter: 1,
            origin: origin.to_owned(),
            host: options["rp"]["id"].as_str().unwrap().to_owned(),
            verifies: true,
        };
        let answer = passkey.attest(options);
        (passkey, answer)
    }

    /// The answer to being made, again: for tests that bend it.
    #[must_use]
    pub fn attest(&self, options: &Value) -> Value {
        let mut data = self.data(ATTACHED);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        data.extend(self.cose());
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59".to_vec();
        object.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        object.extend(data);
        json!({
            "id": text(&self.id),
            "rawId": text(&self.id),
            "type": "public-key",
            "response": {
                "attestationObject": text(&object),
                "clientDataJSON": text(self.client("webauthn.create", options).as_bytes()),
            },
            "extensions": {},
        })
    }

    /// Answers a page that asks for it.
    #[must_use]
    pub fn answer(&mut self, options: &Value) -> Value {
        if self.counter > 0 {
            self.counter += 1;
        }
        self.answer_without_counting(options)
    }

    /// As a copy of it would that was left behind.
    #[must_use]
    pub fn answer_without_counting(&self, options: &Value) -> Value {
        let data = self.data(0);
        let client = self.client("webauthn.get", options);
        let signed = [data.as_slice(), &seal::sha256(client.as_bytes())].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": text(&self.id),
            "rawId": text(&self.id),
            "type": "public-key",
            "response": {
                "authenticatorData": text(&data),
                "clientDataJSON": text(client.as_bytes()),
                "signature": text(signature.as_ref()),
                "userHandle": text(&self.user),
            },
            "extensions": {},
        })
    }

    fn data(&self, more: u8) -> Vec<u8> {
        let verified = if self.verifies { VERIFIED } else { 0 };
        let mut data = seal::sha256(self.host.as_bytes()).to_vec();
        data.push(PRESENT | verified | more);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn client(&self, kind: &str, options: &Value) -> String {
        json!({ "type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false })
            .to_string()
    }

    /// The public key as COSE (RFC 9053, section 7.1.1): EC2, ES256, P-256.
    fn cose(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        let mut cose = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20".to_vec();
        cose.extend(&point[1..33]);
        cose.extend(b"\x22\x58\x20");
        cose.extend(&point[33..65]);
        cose
    }
}
