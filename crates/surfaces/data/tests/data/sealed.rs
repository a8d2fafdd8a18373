//! What stands in the database, and what becomes of it when a class changes.

use crate::support::{House, Kind, MANIFEST, app, call, instance, manifest};
use model::Env;
use serde_json::{Value, json};

const CANARY: &str = "canary-7f3a@example.test";

async fn bodies(house: &House) -> Vec<u8> {
    let mut all = Vec::new();
    for row in house.store.read("SELECT body FROM data_records", &[]).await.unwrap() {
        all.extend_from_slice(row.bytes(0).unwrap());
    }
    for row in house.store.read("SELECT key FROM data_index", &[]).await.unwrap() {
        all.extend_from_slice(row.bytes(0).unwrap());
    }
    all
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

pub(crate) async fn nothing_readable_is_stored(house: House) {
    let made = house.insert("votes", json!({ "person": CANARY, "choice": "plain-lake" })).await;
    let path = format!("votes/records/{}", made["id"].as_str().unwrap());
    let change = json!({ "changes": { "person": format!("{CANARY}-2") }, "version": 1 });
    assert_eq!(house.call("PATCH", &path, change).await.0, 200);
    assert_eq!(house.count("votes", json!({ "person": format!("{CANARY}-2") })).await, 1);
    assert_eq!(house.count("votes", json!({ "person": CANARY })).await, 0);
    house.insert("votes", json!({ "person": CANARY })).await;
    let stored = bodies(&house).await;
    assert!(holds(&stored, "plain-lake") && !holds(&stored, CANARY));
    if house.kind == Kind::Sqlite {
        let files: Vec<Vec<u8>> = house.files().iter().map(|path| std::fs::read(path).unwrap()).collect();
        assert!(files.iter().any(|file| holds(file, "plain-lake")));
        let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
        for file in files {
            assert!(!holds(&file, CANARY) && !holds(&file, &hex) && !holds(&file, "Y2FuYXJ5LTdmM2"));
        }
    }
    // Moved to another row, a sealed value does not open.
    let rows = house.store.read("SELECT id, body FROM data_records ORDER BY id", &[]).await.unwrap();
    let mut tx = house.tx("main").await;
    tx.execute(
        "UPDATE data_records SET body = $2 WHERE id = $1",
        store::params![rows[0].text(0).unwrap(), rows[1].bytes(1).unwrap()],
    )
    .await
    .unwrap();
    tx.commit(json!({}), None).await.unwrap();
    assert_eq!(house.refused("GET", &path, Value::Null).await, (500, "internal".to_owned()));
}

pub(crate) async fn indexes_differ_between_apps(house: House) {
    let two = app("two", Env::Prod);
    let staging = app("one", Env::Staging);
    for app in [&two, &staging] {
        house.open(&house.data, app, &manifest(MANIFEST), 1).await;
    }
    let fields = json!({ "secret": "same" });
    house.insert("things", fields.clone()).await;
    house.insert("things", fields.clone()).await;
    for app in [two, staging] {
        let status = call(&house.data, &instance("main", app, None), "POST", "things/records", fields.clone()).await.0;
        assert_eq!(status, 201);
    }
    let sql = "SELECT key, COUNT(*) FROM data_index WHERE field = 'secret' GROUP BY key ORDER BY COUNT(*)";
    let counts: Vec<i64> = house.store.read(sql, &[]).await.unwrap().iter().map(|row| row.int(1).unwrap()).collect();
    assert_eq!(counts, [1, 1, 2]);
}

pub(crate) async fn classes_may_change(house: House) {
    let one = app("one", Env::Prod);
    house.insert("things", json!({ "name": CANARY, "size": 1, "secret": 5 })).await;
    assert!(holds(&bodies(&house).await, CANARY));
    let raised =
        MANIFEST.replace("fields.name    = { class = \"internal\"", "fields.name    = { class = \"personal\"").replace(
            "fields.secret  = { class = \"confidential\" }",
            "fields.secret  = { class = \"internal\" }\nfields.later = { class = \"internal\" }",
        );
    house.open(&house.data, &one, &manifest(&raised), 1).await;
    assert!(!holds(&bodies(&house).await, CANARY));
    let kept = house.list("things", json!({ "where": { "name": CANARY }, "order": "later" })).await;
    assert_eq!((&kept["items"][0]["name"], &kept["items"][0]["version"]), (&json!(CANARY), &json!(1)));
    assert_eq!(house.count("things", json!({ "secret": { "gte": 5 }, "later": null })).await, 1);
    assert_eq!(house.refused("POST", "things/query", json!({ "order": "name" })).await.1, "data.encrypted_field");

    // A field that is left out is neither shown nor readable in the database, and comes back with its declaration.
    let without = MANIFEST.replace("fields.choice = { class = \"internal\", type = \"text\" }", "");
    house.insert("votes", json!({ "choice": "plain-lake" })).await;
    house.open(&house.data, &one, &manifest(&without), 1).await;
    assert!(!holds(&bodies(&house).await, "plain-lake"));
    let seen = house.list("votes", json!({})).await;
    assert_eq!(seen["items"][0].get("choice"), None);
    house.open(&house.data, &one, &manifest(MANIFEST), 1).await;
    assert_eq!(house.count("votes", json!({ "choice": "plain-lake" })).await, 1);
}
