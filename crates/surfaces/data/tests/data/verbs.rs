//! Each verb as app code calls it (docs/builders.md, What code can call).

use crate::support::{House, MANIFEST, app, call, exported, instance, manifest};
use authority::{Instance, SECOND_FACTOR_FRESH};
use model::{Env, Timestamp};
use serde_json::{Value, json};

pub(crate) async fn every_verb_answers(house: House) {
    let made = house.insert("votes", json!({ "person": "ana", "choice": "lake" })).await;
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(made, json!({ "id": id, "version": 1, "person": "ana", "choice": "lake" }));
    let one = format!("votes/records/{id}");
    assert_eq!(house.call("GET", &one, Value::Null).await, (200, made.clone()));

    let change = json!({ "changes": { "choice": "hike" }, "version": 1 });
    let (status, changed) = house.call("PATCH", &one, change.clone()).await;
    assert_eq!((status, changed), (200, json!({ "id": id, "version": 2, "person": "ana", "choice": "hike" })));
    assert_eq!(house.refused("PATCH", &one, change).await, (409, "data.conflict".to_owned()));
    let unversioned = json!({ "changes": { "choice": "lake" } });
    assert_eq!(house.refused("PATCH", &one, unversioned).await, (400, "data.version_missing".to_owned()));

    assert_eq!(house.count("votes", json!({ "choice": "hike" })).await, 1);
    assert_eq!(house.count("votes", json!({ "choice": "lake" })).await, 0);
    let page = house.list("votes", json!({})).await;
    assert_eq!((page["items"].as_array().unwrap().len(), &page["next"]), (1, &Value::Null));
    assert_eq!(house.call("DELETE", &one, Value::Null).await, (204, Value::Null));
    assert_eq!(house.refused("GET", &one, Value::Null).await.0, 404);
    assert_eq!(house.refused("DELETE", &one, Value::Null).await, (404, "data.not_found".to_owned()));
    let change = json!({ "changes": {}, "version": 2 });
    assert_eq!(house.refused("PATCH", &one, change).await, (404, "data.not_found".to_owned()));
    assert_eq!(house.count("votes", json!({})).await, 0);
}

pub(crate) async fn an_export_is_for_a_group_with_a_second_factor(house: House) {
    // More than one page of the manifest's `rows`.
    for number in 0..60 {
        house.insert("votes", json!({ "person": "ana", "choice": number.to_string() })).await;
    }
    let refused = async |collection: &str, instance: Instance| {
        let (status, problem) = call(&house.data, &instance, "POST", &format!("{collection}/export"), json!({})).await;
        assert_eq!(status, 403, "{problem}");
        problem["code"].as_str().unwrap().to_owned()
    };
    let now = model::Clock::now(&*house.clock);
    let as_who = |person: Option<&str>, proved: Option<Timestamp>| Instance {
        proved,
        ..instance("main", app("one", Env::Prod), person)
    };
    assert_eq!(refused("things", as_who(Some("ana"), Some(now))).await, "data.export_undeclared");
    assert_eq!(refused("votes", as_who(None, Some(now))).await, "data.export_person");
    assert_eq!(refused("votes", as_who(Some("ben"), Some(now))).await, "data.export_group");
    assert_eq!(refused("votes", as_who(Some("ana"), None)).await, "data.export_factor");
    let (status, all) = call(&house.data, &as_who(Some("ana"), Some(now)), "POST", "votes/export", json!({})).await;
    assert_eq!((status, all.as_array().unwrap().len()), (200, 60), "{all}");
    assert_eq!((&all[59]["choice"], &all[59]["person"]), (&json!("59"), &json!("ana")));
    // Cleo counts for a minute. An export that nobody reads leaves its app no other, and two of them nobody one.
    let of = |id: &str, env: Env| Instance { proved: Some(now), ..instance("main", app(id, env), Some("cleo")) };
    let mut held = vec![exported(&house.data, &of("one", Env::Prod)).await];
    for (id, env) in [("two", Env::Prod), ("one", Env::Staging)] {
        house.open(&house.data, &app(id, env), &manifest(MANIFEST), 1).await;
    }
    let busy = async |instance: Instance| {
        let (status, problem) = call(&house.data, &instance, "POST", "votes/export", json!({})).await;
        assert_eq!((status, &problem["code"]), (503, &json!("data.export_busy")), "{problem}");
    };
    busy(as_who(Some("ana"), Some(now))).await;
    held.push(exported(&house.data, &of("two", Env::Prod)).await);
    busy(of("one", Env::Staging)).await;
    drop(held);
    house.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(refused("votes", as_who(Some("cleo"), Some(now))).await, "data.export_group");
    house.clock.advance(SECOND_FACTOR_FRESH);
    assert_eq!(refused("votes", as_who(Some("ana"), Some(now))).await, "data.export_factor");
    let found = house
        .store
        .read("SELECT body FROM events WHERE action = 'data.export' AND outcome = 'allowed'", &[])
        .await
        .unwrap();
    let body: Value = serde_json::from_slice(found[0].bytes(0).unwrap()).unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(body["detail"], json!({ "collection": "votes", "verb": "export", "records": 60 }));
}

pub(crate) async fn two_updates_and_one_wins(house: House) {
    let id =
        house.insert("votes", json!({ "person": "ana", "choice": "none" })).await["id"].as_str().unwrap().to_owned();
    let path = format!("votes/records/{id}");
    let change = |choice: &str| json!({ "changes": { "choice": choice }, "version": 1 });
    let answers = tokio::join!(
        house.call("PATCH", &path, change("a")),
        house.call("PATCH", &path, change("b")),
        house.call("PATCH", &path, change("c")),
    );
    let answers = [answers.0, answers.1, answers.2];
    let won: Vec<&Value> = answers.iter().filter(|(status, _)| *status == 200).map(|(_, record)| record).collect();
    let lost = answers.iter().filter(|(status, problem)| *status == 409 && problem["code"] == "data.conflict").count();
    assert_eq!((won.len(), lost), (1, 2), "{answers:?}");
    let (_, kept) = house.call("GET", &path, Value::Null).await;
    assert_eq!(&kept, won[0]);
    for choice in ["a", "b", "c", "none"] {
        assert_eq!(house.count("votes", json!({ "choice": choice })).await, u64::from(kept["choice"] == choice));
    }
}

pub(crate) async fn limits_are_held(house: House) {
    let refused = [
        (json!({ "name": "x".repeat(65 << 10) }), 413, "data.too_large"),
        (json!({ "tags": vec!["x".repeat(60 << 10); 5] }), 413, "data.too_large"),
        (json!({ "more": { ("x".repeat(65 << 10)): 1 } }), 413, "data.too_large"),
        (json!({ "tags": ["x".repeat(600 << 10)] }), 413, "data.too_large"),
        (json!({ "name": 1 }), 400, "data.wrong_type"),
        (json!({ "size": "1" }), 400, "data.wrong_type"),
        (json!({ "on": 0 }), 400, "data.wrong_type"),
        (json!({ "day": "tomorrow" }), 400, "data.wrong_type"),
        (json!({ "tags": {} }), 400, "data.wrong_type"),
        (json!({ "more": [] }), 400, "data.wrong_type"),
        (json!({ "nam": "x" }), 400, "data.unknown_field"),
        (json!({ "id": "x" }), 400, "data.unknown_field"),
        (json!({ "version": 1 }), 400, "data.unknown_field"),
    ];
    for (fields, status, code) in refused {
        assert_eq!(house.refused("POST", "things/records", fields).await, (status, code.to_owned()));
    }
    let id = house.insert("things", json!({ "name": "x".repeat(60 << 10), "any": "x".repeat(60 << 10) })).await;
    let path = format!("things/records/{}", id["id"].as_str().unwrap());
    let grown = json!({ "changes": { "tags": vec!["x".repeat(60 << 10); 3] }, "version": 1 });
    assert_eq!(house.refused("PATCH", &path, grown).await.1, "data.too_large");
    for limit in [json!(0), json!(51), json!(-1), json!(1.5), json!("10")] {
        assert_eq!(house.refused("POST", "things/query", json!({ "limit": limit })).await.1, "data.limit");
    }
    let (_, problem) = house.call("POST", "vote/query", json!({})).await;
    assert_eq!(
        (&problem["code"], &problem["fix"]),
        (&json!("data.unknown_collection"), &json!("did you mean `votes`?"))
    );
    let (_, problem) = house.call("POST", "things/records", json!({ "colour": 1 })).await;
    assert!(problem["fix"].as_str().unwrap().contains("`[data.things]` in `bailiwick.toml`"), "{problem}");
    assert!(problem["at"].as_str().unwrap().starts_with("bailiwick.toml:"));
}

/// What `templates/*/poll.js` does.
pub(crate) async fn templates_work(house: House) {
    for person in ["ana", "ben"] {
        house.insert("votes", json!({ "person": person, "choice": "lake" })).await;
    }
    let mine = house.list("votes", json!({ "where": { "person": "ana" } })).await;
    assert_eq!(mine["items"].as_array().unwrap().len(), 1);
    let kept = &mine["items"][0];
    let path = format!("votes/records/{}", kept["id"].as_str().unwrap());
    let change = json!({ "changes": { "choice": "hike" }, "version": kept["version"] });
    assert_eq!(house.call("PATCH", &path, change).await.0, 200);
    assert_eq!(house.count("votes", json!({ "choice": "lake" })).await, 1);
    assert_eq!(house.count("votes", json!({ "choice": "hike", "person": "ana" })).await, 1);
}

pub(crate) async fn what_is_done_is_recorded(house: House) {
    let tasks = house.store.start_tasks().await;
    let record = house.insert("votes", json!({ "person": "canary-person", "choice": "canary-choice" })).await;
    house.list("votes", json!({ "where": { "person": "canary-person" } })).await;
    house.refused("POST", "votes/query", json!({ "order": "person" })).await;
    house.refused("POST", "votes/export", json!({})).await;
    house.refused("POST", "votes/records", json!({ "nosuch": "canary-value" })).await;
    house.refused("POST", "canary-collection/query", json!({})).await;
    house.store.flush_access().await.unwrap();
    let rows = house
        .store
        .read("SELECT action, outcome, body, app_id, person_id FROM events ORDER BY seq", &[])
        .await
        .unwrap();
    let mut found = Vec::new();
    for row in &rows {
        let body = String::from_utf8(row.bytes(2).unwrap().to_vec()).unwrap();
        assert!(!body.contains("canary"), "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        if row.text(0).unwrap().starts_with("data.") {
            assert_eq!((row.text(3).unwrap(), row.text(4).unwrap()), ("one", "ana"));
            assert_eq!(body["env"], "prod");
            found.push((row.text(0).unwrap().to_owned(), row.text(1).unwrap().to_owned(), body["detail"].clone()));
        }
    }
    let has = |action: &str, outcome: &str, detail: Value| {
        let wanted = (action.to_owned(), outcome.to_owned(), detail);
        assert!(found.contains(&wanted), "{wanted:?} in {found:?}");
    };
    let id = &record["id"];
    has("data.write", "allowed", json!({ "collection": "votes", "verb": "insert", "record": id, "version": 1 }));
    has("data.read", "allowed", json!({ "collection": "votes", "verb": "list", "records": 1 }));
    has("data.read", "denied", json!({ "collection": "votes", "verb": "list", "code": "data.encrypted_field" }));
    has("data.write", "denied", json!({ "collection": "votes", "verb": "insert", "code": "data.unknown_field" }));
    has("data.export", "denied", json!({ "collection": "votes", "verb": "export", "code": "data.export_factor" }));
    has("data.read", "denied", json!({ "collection": "unknown", "verb": "list", "code": "data.unknown_collection" }));
    tasks.stop().await.unwrap();
}
