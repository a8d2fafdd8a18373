//! What `where`, `order`, `limit` and `after` find.

use crate::support::{House, MANIFEST, app, call, instance, manifest};
use model::Env;
use serde_json::{Value, json};

fn names(page: &Value) -> String {
    page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap_or("-")).collect()
}

async fn things(house: &House) {
    for (name, size, on, day) in [
        ("c", 3.5, true, "2026-01-03"),
        ("a", -1.0, false, "2026-01-01T12:00:00Z"),
        ("b", 10.0, true, "2026-01-01T14:00:00+01:00"),
        ("d", 2.0, false, "2025-12-31T23:59:59.999Z"),
    ] {
        let fields =
            json!({ "name": name, "size": size, "on": on, "day": day, "any": name, "secret": format!("s-{name}") });
        house.insert("things", fields).await;
    }
    house.insert("things", json!({})).await;
}

pub(crate) async fn equality_and_ranges(house: House) {
    things(&house).await;
    let table = [
        (json!({}), "cabd-"),
        (json!({ "name": "a" }), "a"),
        (json!({ "name": "A" }), ""),
        (json!({ "name": null }), "-"),
        (json!({ "size": 10 }), "b"),
        (json!({ "on": true }), "cb"),
        (json!({ "on": true, "size": { "gt": 5 } }), "b"),
        (json!({ "size": { "gt": 2 } }), "cb"),
        (json!({ "size": { "gte": 2 } }), "cbd"),
        (json!({ "size": { "lt": 2 } }), "a"),
        (json!({ "size": { "lte": 2 } }), "ad"),
        (json!({ "size": { "gte": 2, "lt": 10 } }), "cd"),
        (json!({ "size": { "gt": 10, "lt": 2 } }), ""),
        (json!({ "name": { "gt": "a", "lte": "c" } }), "cb"),
        (json!({ "any": { "gte": "b" } }), "cbd"),
        (json!({ "any": { "gte": 0 } }), ""),
        (json!({ "day": { "gte": "2026-01-01" } }), "cab"),
        (json!({ "day": "2026-01-01T13:00:00Z" }), "b"),
        (json!({ "secret": "s-d" }), "d"),
        (json!({ "secret": null }), "-"),
        (json!({ "secret": "s-c", "name": "c", "on": true, "size": { "gt": 0 } }), "c"),
        (json!({ "secret": "s-c", "name": "a" }), ""),
    ];
    for (filters, expected) in table {
        assert_eq!(names(&house.list("things", json!({ "where": filters })).await), expected, "{filters}");
        assert_eq!(house.count("things", filters.clone()).await, expected.len() as u64, "{filters}");
        for order in ["name", "-size", "created_at"] {
            let page = house.list("things", json!({ "where": filters, "order": order })).await;
            assert_eq!(page["items"].as_array().unwrap().len(), expected.len(), "{filters} by {order}");
        }
    }
}

pub(crate) async fn orders(house: House) {
    things(&house).await;
    let table = [
        (json!(null), "cabd-"),
        (json!("created_at"), "cabd-"),
        (json!("-created_at"), "-dbac"),
        (json!("name"), "-abcd"),
        (json!("-name"), "dcba-"),
        (json!({ "name": "desc" }), "dcba-"),
        (json!({ "size": "asc" }), "-adcb"),
        (json!("day"), "-dabc"),
        (json!("-day"), "cbad-"),
    ];
    for (order, expected) in table {
        assert_eq!(names(&house.list("things", json!({ "order": order })).await), expected, "{order}");
    }
    let page = house.list("things", json!({ "where": { "on": true }, "order": "name", "limit": 1 })).await;
    assert_eq!((names(&page).as_str(), page["next"].is_string()), ("b", true));
}

pub(crate) async fn pages_are_stable(house: House) {
    for number in 0..23 {
        house.insert("things", json!({ "name": "same", "size": number / 4, "on": number % 3 == 0 })).await;
    }
    for order in [json!(null), json!("-created_at"), json!("size"), json!("-size"), json!("name"), json!("-name")] {
        for filters in [json!({}), json!({ "on": true }), json!({ "name": "same", "size": { "lt": 5 } })] {
            let all = house.list("things", json!({ "where": filters, "order": order, "limit": 50 })).await;
            assert_eq!(all["next"], Value::Null);
            let (mut found, mut after) = (Vec::new(), Value::Null);
            for turn in 0.. {
                assert!(turn < 20, "{order} {filters} does not end");
                let question = json!({ "where": filters, "order": order, "limit": 4, "after": after });
                let page = house.list("things", question).await;
                found.extend(page["items"].as_array().unwrap().clone());
                if turn == 0 && order.is_null() {
                    // Newer ones come at the end; what went before does not move the rest.
                    let gone = found[0]["id"].as_str().unwrap();
                    house.call("DELETE", &format!("things/records/{gone}"), Value::Null).await;
                    house.insert("things", json!({ "name": "same", "size": 1, "on": true })).await;
                }
                after = page["next"].clone();
                if after.is_null() {
                    break;
                }
            }
            let expected = all["items"].as_array().unwrap();
            let more = usize::from(order.is_null());
            assert_eq!(found.len(), expected.len() + more, "{order} {filters}");
            assert_eq!(&found[..expected.len()], expected.as_slice());
        }
    }
}

/// A page ends after 4 MiB, and the next begins where it ended.
pub(crate) async fn large_pages_end_early(house: House) {
    let mut roomy = manifest(MANIFEST);
    roomy.runtime.limits.storage_bytes = 10 << 20;
    house.open(&house.data, &app("one", Env::Prod), &roomy, 1).await;
    for _ in 0..22 {
        house.insert("things", json!({ "tags": vec!["x".repeat(50 << 10); 4] })).await;
    }
    let page = house.list("things", json!({ "limit": 22 })).await;
    assert_eq!((page["items"].as_array().unwrap().len(), page["next"].is_string()), (21, true));
    let rest = house.list("things", json!({ "limit": 22, "after": page["next"] })).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
}

pub(crate) async fn cursors_cannot_be_forged(house: House) {
    house.open(&house.data, &app("two", Env::Prod), &manifest(MANIFEST), 1).await;
    for _ in 0..3 {
        house.insert("things", json!({ "name": "a" })).await;
        house.insert("votes", json!({ "person": "ana" })).await;
    }
    let question = json!({ "where": { "name": "a" }, "order": "size", "limit": 2 });
    let next = house.list("things", question.clone()).await["next"].as_str().unwrap().to_owned();
    let with = |question: &Value, after: &str| {
        let mut question = question.clone();
        question["after"] = json!(after);
        question
    };
    assert_eq!(house.list("things", with(&question, &next)).await["items"].as_array().unwrap().len(), 1);
    let mut forged: Vec<(&str, Value)> = vec![
        ("votes", with(&json!({}), &next)),
        ("things", with(&json!({}), &next)),
        ("things", with(&json!({ "where": { "name": "b" }, "order": "size" }), &next)),
        ("things", with(&json!({ "where": { "name": "a" }, "order": "-size" }), &next)),
    ];
    for at in (0..next.len()).step_by(7) {
        let mut bytes = next.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        forged.push(("things", with(&question, std::str::from_utf8(&bytes).unwrap())));
    }
    for text in ["", "x", "\0", &"A".repeat(5000), "0123456789abcdef0123456789abcdef"] {
        forged.push(("things", with(&question, text)));
    }
    for (collection, question) in forged {
        let answer = house.refused("POST", &format!("{collection}/query"), question.clone()).await;
        assert_eq!(answer, (400, "data.cursor".to_owned()), "{question}");
    }
    let elsewhere = instance("main", app("two", Env::Prod), Some("ana"));
    let (_, problem) = call(&house.data, &elsewhere, "POST", "things/query", with(&question, &next)).await;
    assert_eq!(problem["code"], "data.cursor");
}

pub(crate) async fn encrypted_fields_have_no_order(house: House) {
    things(&house).await;
    for question in [
        json!({ "order": "secret" }),
        json!({ "order": "-secret" }),
        json!({ "order": { "secret": "asc" } }),
        json!({ "where": { "secret": { "gt": "a" } } }),
        json!({ "where": { "name": "a", "secret": { "lte": 1 } } }),
    ] {
        let (status, problem) = house.call("POST", "things/query", question.clone()).await;
        assert_eq!((status, problem["code"].as_str().unwrap()), (422, "data.encrypted_field"), "{question}");
        assert!(problem["why"].as_str().unwrap().contains("encrypted"));
    }
}
