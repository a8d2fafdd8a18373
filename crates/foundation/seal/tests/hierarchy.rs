//! Keys, envelopes, indexes and codes from the outside: what opens where, and that nothing else does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use model::TenantId;
use proptest::prelude::*;
use seal::{Context, Error, KeyVersion, Purpose, PurposeKey, RootKey, SubjectKey, TenantKey};
use std::collections::HashSet;

fn tenant() -> TenantKey {
    RootKey::from_bytes([42; 32]).tenant(&TenantId::main())
}

fn key() -> PurposeKey {
    tenant().purpose(Purpose::SecretValue)
}

fn place() -> Context {
    Context::table("secrets").column("value").row("people-ops/slack")
}

/// A change here makes every stored value unreadable: it needs a new version, never a new expectation.
#[test]
fn derivation_is_frozen() {
    let key = key();
    let found = [
        RootKey::from_bytes([42; 32]).id(),
        key.id().to_string(),
        hex::encode(key.index(&place(), b"x")),
        key.signing_key(&place()).public().to_string(),
    ];
    assert_eq!(
        found,
        [
            "9f0ab3d565d4168d",
            "619702dd492d4777",
            "8d50609f98999be84322b0610b1e9906",
            "V5AaIGuEF6Gg6rMsU10kpPPQNYy7nVfTtWJggKgoxZQ"
        ]
    );
}

#[test]
fn every_purpose_version_tenant_and_root_has_its_own_key() {
    let mut ids = HashSet::new();
    let mut names = HashSet::new();
    for root in [[1; 32], [2; 32]] {
        for tenant in ["main", "mai", "n", "Main"] {
            let tenant = RootKey::from_bytes(root).tenant(&TenantId::new(tenant));
            for purpose in Purpose::ALL {
                for version in [1, 2] {
                    assert!(ids.insert(tenant.purpose_at(*purpose, KeyVersion(version)).id()));
                }
            }
        }
    }
    assert!(Purpose::ALL.iter().all(|purpose| names.insert(purpose.as_str())));
}

#[test]
fn nothing_opens_elsewhere() {
    let sealed = key().seal(&place(), b"hunter2");
    assert_eq!(key().open(&place(), &sealed).unwrap().as_slice(), b"hunter2");
    for elsewhere in [
        Context::table("secrets").column("value").row("people-ops/other"),
        Context::table("secrets").column("note").row("people-ops/slack"),
        Context::table("secret").column("svalue").row("people-ops/slack"),
        Context::table("secrets").row("people-ops/slack").column("value"),
        Context::table("secrets").column("value"),
        place().with("env", "prod"),
    ] {
        assert!(matches!(key().open(&elsewhere, &sealed), Err(Error::NotOpened)));
    }
    let other_tenant = RootKey::from_bytes([42; 32]).tenant(&TenantId::new("other")).purpose(Purpose::SecretValue);
    let other_root = RootKey::from_bytes([43; 32]).tenant(&TenantId::main()).purpose(Purpose::SecretValue);
    for wrong in [tenant().purpose(Purpose::DataField), other_tenant, other_root] {
        assert!(matches!(wrong.open(&place(), &sealed), Err(Error::OtherKey { .. })));
    }
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let sealed = key().seal(&place(), b"a value of some length");
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut bad = sealed.clone();
            bad[at] ^= 1 << bit;
            assert!(key().open(&place(), &bad).is_err(), "byte {at} bit {bit}");
            assert!(tenant().open(Purpose::SecretValue, &place(), &bad).is_err(), "byte {at} bit {bit}");
        }
    }
    let longer = [sealed.as_slice(), b"x"].concat();
    assert!(key().open(&place(), &longer).is_err());
}

#[test]
fn rotation_opens_old_and_new() {
    let old = key().seal(&place(), b"old");
    let new = tenant().purpose_at(Purpose::SecretValue, KeyVersion(2)).seal(&place(), b"new");
    assert_eq!(seal::key_version_of(&new).unwrap(), KeyVersion(2));
    assert!(matches!(key().open(&place(), &new), Err(Error::OtherKey { .. })));
    for (envelope, plain) in [(old, b"old"), (new, b"new")] {
        assert_eq!(tenant().open(Purpose::SecretValue, &place(), &envelope).unwrap().as_slice(), plain);
    }
}

#[test]
fn equal_values_look_different_each_time() {
    let seen: HashSet<_> = (0..100).map(|_| key().seal(&place(), b"same")).collect();
    assert_eq!(seen.len(), 100);
}

#[test]
fn indexes_are_equal_for_equal_values_in_one_place_only() {
    let column = Context::table("answers").column("person");
    assert_eq!(key().index(&column, b"ana"), key().index(&column, b"ana"));
    assert_ne!(key().index(&column, b"ana"), key().index(&column, b"ann"));
    assert_ne!(key().index(&column, b"ana"), key().index(&Context::table("answers").column("boss"), b"ana"));
    assert_ne!(key().index(&column, b"ana"), tenant().purpose(Purpose::DataIndex).index(&column, b"ana"));
    assert_ne!(key().index(&column, b""), key().index(&column.clone().with("", ""), b""));
    assert_ne!(key().index(&column, b"ana"), key().mac(&column, b"ana")[..16]);
}

#[test]
fn codes_refuse_other_bytes_and_places() {
    let file = Context::table("cache").row("engine.bin");
    let code = key().mac(&file, b"compiled");
    key().verify_mac(&file, b"compiled", &code).unwrap();
    assert!(key().verify_mac(&file, b"compilee", &code).is_err());
    assert!(key().verify_mac(&Context::table("cache").row("other.bin"), b"compiled", &code).is_err());
    assert!(key().verify_mac(&file, b"compiled", &code[..31]).is_err());
    assert!(tenant().purpose(Purpose::Cache).verify_mac(&file, b"compiled", &code).is_err());
}

#[test]
fn deleting_a_wrapped_key_is_the_only_way_back() {
    let wrapping = tenant().purpose(Purpose::SubjectWrap);
    let row = Context::table("subjects").row("person-1");
    let subject = SubjectKey::generate();
    let wrapped = subject.wrap(&wrapping, &row);
    let sealed = subject.seal(&place(), b"free text");
    let back = SubjectKey::unwrap(&wrapping, &row, &wrapped).unwrap();
    assert_eq!(back.open(&place(), &sealed).unwrap().as_slice(), b"free text");
    assert!(SubjectKey::unwrap(&wrapping, &Context::table("subjects").row("person-2"), &wrapped).is_err());
    assert!(SubjectKey::generate().open(&place(), &sealed).is_err());
    assert!(wrapping.open(&place(), &sealed).is_err());
    let short = wrapping.seal(&row, b"not a key");
    assert!(matches!(SubjectKey::unwrap(&wrapping, &row, &short), Err(Error::Malformed { .. })));
}

#[test]
fn signing_keys_follow_their_context() {
    let key = tenant().purpose(Purpose::LogKey);
    let one = key.signing_key(&Context::table("log").row("a"));
    assert_eq!(one.public(), key.signing_key(&Context::table("log").row("a")).public());
    assert_ne!(one.public(), key.signing_key(&Context::table("log").row("b")).public());
    assert_ne!(one.public(), tenant().purpose(Purpose::TokenKey).signing_key(&Context::table("log").row("a")).public());
}

proptest! {
    #[test]
    fn what_is_sealed_opens(plain in proptest::collection::vec(any::<u8>(), 0..2000), row in ".{0,40}") {
        let context = Context::table("t").row(&row);
        let sealed = key().seal(&context, &plain);
        prop_assert_eq!(sealed.len(), plain.len() + seal::ENVELOPE_OVERHEAD_BYTES);
        let opened = key().open(&context, &sealed).unwrap();
        prop_assert_eq!(opened.as_slice(), plain.as_slice());
    }

    #[test]
    fn text_round_trips(plain in ".{0,200}") {
        let sealed = key().seal_text(&place(), &plain);
        let opened = key().open_text(&place(), &sealed).unwrap();
        prop_assert_eq!(opened.as_str(), plain.as_str());
    }

    #[test]
    fn strangers_bytes_never_open(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(tenant().open(Purpose::SecretValue, &place(), &bytes).is_err());
        prop_assert!(key().open_text(&place(), &String::from_utf8_lossy(&bytes)).is_err());
    }

    #[test]
    fn contexts_are_equal_only_part_by_part(a in proptest::collection::vec((".{0,4}", ".{0,4}"), 0..4),
                                            b in proptest::collection::vec((".{0,4}", ".{0,4}"), 0..4)) {
        let build = |parts: &[(String, String)]| parts.iter()
            .fold(Context::table("t"), |context, (name, value)| context.with(name, value));
        prop_assert_eq!(a == b, build(&a) == build(&b));
    }
}
