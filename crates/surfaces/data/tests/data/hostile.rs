//! What a hostile guest sends.

use crate::support::{House, raw};
use bytes::Bytes;
use serde_json::{Value, json};

const RECORDS: &str = "/v1/collections/things/records";

pub(crate) async fn hostile_bodies_are_refused(house: House) {
    let deep = |levels: usize| format!("{{\"any\":{}{}}}", "[".repeat(levels), "]".repeat(levels)).into_bytes();
    let bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"{".to_vec(),
        b"[]".to_vec(),
        b"\"text\"".to_vec(),
        b"{\"any\":1,\"any\":2}".to_vec(),
        b"{\"any\":{\"a\":1,\"a\":2}}".to_vec(),
        b"{\"any\":\"\xff\xfe\"}".to_vec(),
        b"{\"any\":\"\\ud800\"}".to_vec(),
        b"{\"any\":1e999}".to_vec(),
        b"{\"any\":9007199254740993}".to_vec(),
        b"{\"any\":NaN}".to_vec(),
        b"{} {}".to_vec(),
        deep(40),
        deep(100_000),
        vec![b'['; 400_000],
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let (status, problem) =
            raw(&house.data, &house.instance(), "POST", RECORDS, Some("application/json"), body.into()).await;
        assert_eq!((status, problem["code"].as_str().unwrap()), (400, "data.malformed"), "{shown}: {problem}");
    }
    for kind in [None, Some("text/plain"), Some("application/jsonp"), Some("")] {
        let (_, problem) = raw(&house.data, &house.instance(), "POST", RECORDS, kind, Bytes::from_static(b"{}")).await;
        assert_eq!(problem["code"], "data.content_type", "{kind:?}");
    }
    let named = Some("Application/JSON; charset=utf-8");
    assert_eq!(raw(&house.data, &house.instance(), "POST", RECORDS, named, Bytes::from_static(b"{}")).await.0, 201);
    assert_eq!(house.count("things", json!({})).await, 1);
}

pub(crate) async fn odd_values_come_back_as_they_went(house: House) {
    let values = [
        json!("a\0b"),
        json!(""),
        json!("' OR 1=1 --"),
        json!("\u{202e}\u{fdd0}\u{10ffff}"),
        json!({ "__proto__": { "x": 1 }, "constructor": null, "a\0": [] }),
        json!([null, true, [], {}]),
        json!(1e300),
        json!(-9007199254740991_i64),
        json!(0.1),
        json!(null),
        json!(false),
    ];
    for value in values {
        for field in ["any", "secret"] {
            let made = house.insert("things", json!({ field: value })).await;
            let (_, found) =
                house.call("GET", &format!("things/records/{}", made["id"].as_str().unwrap()), Value::Null).await;
            assert_eq!((&found, &found[field]), (&made, &value));
            if !value.is_array() && !value.is_object() {
                let page = house.list("things", json!({ "where": { field: value }, "limit": 50 })).await;
                assert!(page["items"].as_array().unwrap().contains(&made), "{field} {value}");
            }
        }
    }
    let names = [("__proto__", "data.unknown_field"), ("", "data.unknown_field"), ("a\0", "data.unknown_field")];
    for (name, code) in names {
        assert_eq!(house.refused("POST", "things/records", json!({ name: 1 })).await.1, code);
        assert_eq!(house.refused("POST", "things/query", json!({ "where": { name: 1 } })).await.1, code);
        assert_eq!(house.refused("POST", "things/query", json!({ "order": name })).await.1, code);
    }
}

pub(crate) async fn odd_calls_are_refused(house: House) {
    let unknown = [
        ("GET", "/"),
        ("GET", "/v1/collections/things"),
        ("PUT", "/v1/collections/things/records"),
        ("GET", "/v1/collections/things/records"),
        ("POST", "/v2/collections/things/records"),
        ("POST", "/v1/collections/things/records/"),
        ("POST", "//v1/collections/things/records"),
        ("GET", "/v1/collections/things/records/a/b"),
        ("GET", "/v1/collections/things/records/%ff"),
    ];
    for (method, path) in unknown {
        let (status, problem) = raw(&house.data, &house.instance(), method, path, None, Bytes::new()).await;
        assert_eq!((status, problem["code"].as_str().unwrap()), (400, "data.unknown_call"), "{method} {path}");
    }
    for name in ["constructor", "%00", "things%2frecords", "..", "Things", "%F0%9F%92%A9"] {
        let (status, code) = house.refused("POST", &format!("{name}/query"), json!({})).await;
        assert_eq!((status, code.as_str()), (403, "data.unknown_collection"), "{name}");
    }
    for id in ["x", "%00", "1%20OR%201", &"a".repeat(33), &"A".repeat(32), &"f".repeat(32)] {
        for (method, body) in
            [("GET", Value::Null), ("DELETE", Value::Null), ("PATCH", json!({ "changes": {}, "version": 1 }))]
        {
            let answer = house.refused(method, &format!("things/records/{id}"), body).await;
            assert_eq!(answer, (404, "data.not_found".to_owned()), "{method} {id}");
        }
    }
    for question in [
        json!([]),
        json!({ "wher": {} }),
        json!({ "where": [] }),
        json!({ "where": "x" }),
        json!({ "order": 1 }),
        json!({ "order": { "name": "up" } }),
        json!({ "order": { "name": "asc", "size": "asc" } }),
        json!({ "after": 1 }),
        json!({ "where": { "name": ["a"] } }),
        json!({ "where": { "size": {} } }),
        json!({ "where": { "size": { "ne": 1 } } }),
        json!({ "where": { "any": { "gt": 1, "lt": "a" } } }),
        json!({ "where": { "on": { "gt": true } } }),
        json!({ "where": { "any": 1, "name": "a", "size": 1, "on": true, "day": "2026-01-01" } }),
        json!({ "where": { "any": { "gt": { "a": 1 } } } }),
        json!({ "where": { "name": { "gt": "x".repeat(500) } } }),
    ] {
        let (status, code) = house.refused("POST", "things/query", question.clone()).await;
        assert!(
            status == 400 && ["data.query", "data.malformed", "data.cursor"].contains(&code.as_str()),
            "{question}: {code}"
        );
    }
}
