//! What callers present: the local credential's proof, and tokens of people and apps.

use identity::{MachineKey, MachineProof, Signing, hostile::Issuer};
use std::sync::LazyLock;

const URL: &str = "http://localhost:7070";

static MACHINE: LazyLock<MachineKey> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    MachineKey::load_or_create(folder.path()).unwrap()
});
static ISSUER: LazyLock<Issuer> = LazyLock::new(Issuer::default);

/// The input itself, and the input laid over a token that holds: where it changes something, nothing holds any more.
fn bent(token: &str, bytes: &[u8]) -> Vec<String> {
    let mut laid = token.as_bytes().to_vec();
    for (at, byte) in bytes.iter().enumerate().take(laid.len()) {
        laid[at] ^= byte & 0x1f;
    }
    let cut = token.get(..token.len().saturating_sub(1 + bytes.len() % 8)).unwrap_or_default().to_owned();
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut all = vec![text.clone(), cut, format!("{token}{text}"), format!("{text}{token}")];
    all.extend(String::from_utf8(laid));
    // Parts in another order, or from elsewhere.
    let parts: Vec<&str> = token.split('.').collect();
    let theirs: Vec<&str> = text.split('.').collect();
    if let ([head, body, mark], [first, ..]) = (parts.as_slice(), theirs.as_slice()) {
        all.extend([
            format!("{first}.{body}.{mark}"),
            format!("{head}.{first}.{mark}"),
            format!("{head}.{body}.{first}"),
            format!("{body}.{head}.{mark}"),
            format!("{head}.{body}."),
        ]);
    }
    all.retain(|bent| bent != token);
    all
}

/// Nothing holds but what the key signed, for that request, once.
pub(crate) fn machine_proof(bytes: &[u8]) {
    let proof = MachineProof::new(&MACHINE, URL.to_owned());
    let signing = Signing { system_user: "ana", audience: URL, method: "GET", path: "/api/v1/apps", body: b"" };
    let token = MACHINE.sign(&signing).unwrap();
    for bent in bent(&token, bytes) {
        assert!(proof.check(&bent, "GET", "/api/v1/apps").is_err(), "{bent}");
    }
    let text = String::from_utf8_lossy(bytes);
    assert!(text == "GET" || proof.check(&token, &text, "/api/v1/apps").is_err());
    assert!(text == "/api/v1/apps" || proof.check(&token, "GET", &text).is_err());
    let claims = proof.check(&token, "GET", "/api/v1/apps").expect("what was signed holds");
    assert_eq!(MachineProof::body_is(&claims, bytes).is_ok(), bytes.is_empty());
    assert!(proof.check(&token, "GET", "/api/v1/apps").is_err(), "it holds twice");
}

/// A token of one kind is none of the other, and nothing else is one.
pub(crate) fn tokens(bytes: &[u8]) {
    let (person, app) = (ISSUER.person().unwrap(), ISSUER.app().unwrap());
    assert!(ISSUER.opens_person(&person) && ISSUER.opens_app(&app));
    assert!(!ISSUER.opens_person(&app) && !ISSUER.opens_app(&person));
    for token in [&person, &app] {
        for bent in bent(token, bytes) {
            assert!(!ISSUER.opens_person(&bent) && !ISSUER.opens_app(&bent), "{bent}");
        }
    }
}
