//! plan → open → held → used → cut, retention, and the end.

use crate::support::{House, MANIFEST, app, call, manifest};
use authority::{Caller, CutState, Surface};
use data::Purged;
use model::Env;
use serde_json::{Value, json};
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

const DAY: Duration = Duration::from_secs(86_400);

async fn rows(house: &House, sql: &'static str) -> i64 {
    house.store.read_one(sql, &[]).await.unwrap().unwrap().int(0).unwrap()
}

pub(crate) async fn a_surface(house: House) {
    let (data, one) = (&house.data, app("one", Env::Prod));
    let plan: Vec<String> = data.plan(&manifest(MANIFEST)).into_iter().map(|line| line.sentence).collect();
    assert!(plan.iter().any(|line| line.starts_with("keeps `votes` for 30 days")), "{plan:?}");
    assert!(data.plan(&manifest("")).len() < plan.len());
    // Opening again is no change.
    house.insert("votes", json!({ "person": "ana" })).await;
    house.open(data, &one, &manifest(MANIFEST), 1).await;
    let held: Vec<String> = data.held(&one).await.unwrap().into_iter().map(|held| held.item).collect();
    assert_eq!(held, ["things", "votes"]);
    let used = data.used(&one).await.unwrap();
    assert_eq!((used[0].item.as_str(), used[0].count), ("votes", 1));
    assert!(used[0].last.is_some());

    let cut = data.cut(&one).await;
    assert_eq!(cut.len(), 2);
    assert!(cut.iter().all(|line| line.state == CutState::Dead && line.dead_at.is_some() && line.node == "one"));
    assert!(data.cut(&one).await.is_empty() && data.held(&one).await.unwrap().is_empty());
    let mut tx = house.tx("main").await;
    data.cut_rows(&mut tx, &one).await.unwrap();
    data.cut_rows(&mut tx, &one).await.unwrap();
    tx.commit(json!({}), None).await.unwrap();
    data.load_all().await.unwrap();
    assert_eq!(house.refused("POST", "votes/query", json!({})).await, (410, "data.closed".to_owned()));

    // Restored with new credentials: the data is there, and what ran before stays out.
    house.open(data, &one, &manifest(MANIFEST), 2).await;
    assert_eq!(house.refused("POST", "votes/query", json!({})).await.0, 410);
    let mut fresh = house.instance();
    fresh.credential_epoch = 2;
    assert_eq!(call(data, &fresh, "POST", "votes/count", json!({})).await.1["count"], 1);

    // Left out of the manifest: closed, and kept until its time.
    house.open(data, &one, &manifest(""), 2).await;
    assert!(data.held(&one).await.unwrap().is_empty());
    assert_eq!(rows(&house, "SELECT COUNT(*) FROM data_records").await, 1);
    let mut tx = house.tx("main").await;
    let lines = data.retire(&mut tx, &one).await.unwrap();
    tx.commit(json!({}), None).await.unwrap();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("`votes` (prod): 1 record deleted"), "{lines:?}");
    for sql in [
        "SELECT COUNT(*) FROM data_records",
        "SELECT COUNT(*) FROM data_index",
        "SELECT COUNT(*) FROM data_usage",
        "SELECT COUNT(*) FROM data_collections",
    ] {
        assert_eq!(rows(&house, sql).await, 0, "{sql}");
    }
}

pub(crate) async fn a_cut_stops_answers(house: House) {
    let one = app("one", Env::Prod);
    // A body that never ends keeps the call under way.
    let request = http::Request::post("http://data.bailiwick/v1/collections/votes/records")
        .header("content-type", "application/json")
        .body(Stalled)
        .unwrap();
    let at = house.instance();
    let running = house.data.answer(&at, request);
    let cutting = async {
        tokio::task::yield_now().await;
        house.data.cut(&one).await
    };
    let (response, cut) = tokio::join!(running, cutting);
    assert_eq!(response.status(), 410);
    assert!(cut[0].how.contains("1 call stopped"), "{cut:?}");
    // The rows still say open: a refresh does not bring back what was cut.
    house.data.refresh(&one).await.unwrap();
    house.data.load_all().await.unwrap();
    assert_eq!(house.refused("GET", "votes/records/x", Value::Null).await.0, 410);
    assert_eq!(rows(&house, "SELECT COUNT(*) FROM data_records").await, 0);
}

struct Stalled;

impl http_body::Body for Stalled {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        Poll::Pending
    }
}

pub(crate) async fn retention_ends_records(house: House) {
    let system = Caller::system("retention");
    for _ in 0..3 {
        house.insert("votes", json!({ "person": "ana", "choice": "lake" })).await;
    }
    let kept = house.insert("things", json!({ "name": "kept" })).await;
    house.clock.advance(DAY * 30 - Duration::from_millis(1));
    assert_eq!(house.count("votes", json!({})).await, 3);
    assert_eq!(house.data.purge_due(&system).await.unwrap(), Purged::default());
    let changed = house.list("votes", json!({})).await["items"][0].clone();
    let path = format!("votes/records/{}", changed["id"].as_str().unwrap());
    let change = json!({ "changes": { "choice": "hike" }, "version": 1 });
    assert_eq!(house.call("PATCH", &path, change).await.0, 200);

    house.clock.advance(Duration::from_millis(1));
    assert_eq!(house.count("votes", json!({})).await, 0);
    assert_eq!(house.count("votes", json!({ "choice": "lake" })).await, 0);
    assert!(house.list("votes", json!({ "order": "choice" })).await["items"].as_array().unwrap().is_empty());
    for (method, body) in
        [("GET", Value::Null), ("DELETE", Value::Null), ("PATCH", json!({ "changes": {}, "version": 2 }))]
    {
        assert_eq!(house.refused(method, &path, body).await.0, 404, "{method}");
    }
    assert_eq!(house.data.purge_due(&system).await.unwrap(), Purged { records: 3, batches: 1 });
    assert_eq!(house.data.purge_due(&system).await.unwrap(), Purged::default());
    assert_eq!(rows(&house, "SELECT COUNT(*) FROM data_records").await, 1);
    assert_eq!(rows(&house, "SELECT COUNT(*) FROM data_index WHERE collection = 'votes'").await, 0);
    assert_eq!(rows(&house, "SELECT records FROM data_usage WHERE collection = 'votes'").await, 0);
    assert_eq!(rows(&house, "SELECT bytes FROM data_usage WHERE collection = 'votes'").await, 0);
    let event =
        house.store.read_one("SELECT body FROM events WHERE action = 'data.expire'", &[]).await.unwrap().unwrap();
    let event: Value = serde_json::from_slice(event.bytes(0).unwrap()).unwrap();
    assert_eq!((&event["detail"]["collection"], &event["detail"]["records"]), (&json!("votes"), &json!(3)));
    assert_eq!(event["actor"], json!(["system:retention"]));
    assert_eq!(
        house.call("GET", &format!("things/records/{}", kept["id"].as_str().unwrap()), Value::Null).await.0,
        200
    );
    assert!(house.data.purge_due(&house.instance().caller).await.is_ok());
    house.clock.advance(DAY * 60);
    assert!(house.data.purge_due(&house.instance().caller).await.is_err(), "only the system's job may");
}

pub(crate) async fn retention_is_shortened_never_stretched(house: House) {
    let one = app("one", Env::Prod);
    house.insert("votes", json!({ "choice": "first" })).await;
    house.open(&house.data, &one, &manifest(&MANIFEST.replace("\"30d\"", "\"40d\"")), 1).await;
    house.insert("votes", json!({ "choice": "second" })).await;
    house.clock.advance(DAY * 35);
    assert_eq!(house.count("votes", json!({})).await, 1);
    house.open(&house.data, &one, &manifest(&MANIFEST.replace("\"30d\"", "\"10d\"")), 1).await;
    assert_eq!(house.count("votes", json!({})).await, 0);
    assert_eq!(house.data.purge_due(&Caller::system("retention")).await.unwrap().records, 2);
}

/// The manifest allows 1 MiB.
pub(crate) async fn storage_is_limited(house: House) {
    let large = json!({ "tags": vec!["x".repeat(50 << 10); 4] });
    let mut last = Value::Null;
    for _ in 0..5 {
        last = house.insert("things", large.clone()).await;
    }
    let (status, problem) = house.call("POST", "things/records", large.clone()).await;
    assert_eq!((status, problem["code"].as_str().unwrap()), (422, "data.storage_full"));
    assert!(problem["fix"].as_str().unwrap().contains("bailiwick.toml"));
    let path = format!("things/records/{}", last["id"].as_str().unwrap());
    let grown = json!({ "changes": { "any": "x".repeat(40 << 10) }, "version": 1 });
    assert_eq!(house.refused("PATCH", &path, grown).await.1, "data.storage_full");
    assert_eq!(house.count("things", json!({})).await, 5);
    assert_eq!(house.call("DELETE", &path, Value::Null).await.0, 204);
    house.insert("things", large).await;
}

/// An empty record of many fields takes more of the disk than its body says.
pub(crate) async fn what_a_record_is_found_by_counts_too(house: House) {
    let one = app("one", Env::Prod);
    let declared = |fields: std::ops::Range<u32>| {
        let fields: String = fields.map(|number| format!("fields.f{number} = {{ class = \"internal\" }}\n")).collect();
        let mut manifest = manifest(&format!("[data.wide]\nretain = \"30d\"\n{fields}"));
        manifest.runtime.limits.storage_bytes = 64 << 10;
        manifest
    };
    house.open(&house.data, &one, &declared(0..100), 1).await;
    let mut ids = vec![];
    let refused = loop {
        let (status, answer) = house.call("POST", "wide/records", json!({})).await;
        if status != 201 || ids.len() > 20 {
            break answer;
        }
        ids.push(answer["id"].as_str().unwrap().to_owned());
    };
    assert_eq!((&refused["code"], ids.len()), (&json!("data.storage_full"), 9));
    let taken = rows(&house, "SELECT bytes FROM data_usage").await;
    assert_eq!(taken, rows(&house, "SELECT CAST(SUM(bytes) AS BIGINT) FROM data_records").await);

    // One of them as a version stored it that counted bodies alone.
    let mut tx = house.tx("main").await;
    for sql in [
        "UPDATE data_usage SET bytes = bytes - (SELECT bytes - LENGTH(body) FROM data_records WHERE id = $1)",
        "UPDATE data_records SET bytes = LENGTH(body) WHERE id = $1",
    ] {
        tx.execute(sql, store::params![ids[0].as_str()]).await.unwrap();
    }
    tx.commit(json!({}), None).await.unwrap();
    assert!(rows(&house, "SELECT bytes FROM data_usage").await < taken - 6000);
    assert_eq!(house.call("DELETE", &format!("wide/records/{}", ids[0]), Value::Null).await.0, 204);

    // Longer and shorter, another declaration, and gone.
    for (version, text) in [(1, "x".repeat(400)), (2, String::new())] {
        let change = json!({ "changes": { "f7": text }, "version": version });
        assert_eq!(house.call("PATCH", &format!("wide/records/{}", ids[1]), change).await.0, 200);
    }
    house.open(&house.data, &one, &declared(50..120), 1).await;
    let taken = rows(&house, "SELECT bytes FROM data_usage").await;
    assert_eq!(taken, rows(&house, "SELECT CAST(SUM(bytes) AS BIGINT) FROM data_records").await);
    assert!((8 * 4800..8 * 5300).contains(&taken), "seventy fields each: {taken}");
    for id in &ids[1..] {
        assert_eq!(house.call("DELETE", &format!("wide/records/{id}"), Value::Null).await.0, 204);
    }
    assert_eq!(rows(&house, "SELECT bytes FROM data_usage").await, 0);
}
