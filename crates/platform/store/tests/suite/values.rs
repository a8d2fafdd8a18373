//! Values: what goes in comes out, on both engines alike; what one engine could not hold is refused on both.

use crate::{both, sql, support::*};
use model::{AppId, Env, Timestamp};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::json;
use store::{FreeWrite, StoreError, Table, Value, params};

both! {
    values_round_trip
    hostile_text_is_only_text
    parameters_bind_by_number
    a_reader_cannot_write
    what_does_not_fit_is_refused
    housekeeping_writes_its_own_table
    content_goes_by_its_digest
}

async fn round_trip(house: &House, body: Option<&str>, n: Option<i64>, raw: Option<Vec<u8>>) {
    let (_, mut tx) = house.store.write(house.permit(Change("app/1"))).await.unwrap();
    let stored = params!["x", body, n, raw.clone()];
    let row = tx.query_one(sql::UPSERT_NOTE, stored).await.unwrap().unwrap();
    assert_eq!(row.values(), stored);
    tx.commit(json!({}), None).await.unwrap();
    let row = house.store.read_one(sql::NOTE, params!["x"]).await.unwrap().unwrap();
    assert_eq!(row.opt_text(1).unwrap(), body);
    assert_eq!(row.opt_int(2).unwrap(), n);
    assert_eq!(row.opt_bytes(3).unwrap(), raw.as_deref());
}

async fn values_round_trip(kind: Kind) {
    let house = House::new(kind).await;
    round_trip(&house, None, None, None).await;
    round_trip(&house, Some(""), Some(i64::MIN), Some(vec![])).await;
    round_trip(&house, Some("\u{10ffff}é\r\n\t'\"\\"), Some(i64::MAX), Some((0..=255).collect())).await;
    let mut runner = TestRunner::deterministic();
    let any = ("[^\0]{0,40}", proptest::num::i64::ANY, proptest::collection::vec(proptest::num::u8::ANY, 0..60));
    for _ in 0..40 {
        let (text, number, raw) = any.new_tree(&mut runner).unwrap().current();
        round_trip(&house, Some(&text), Some(number), Some(raw)).await;
    }
    let app = AppId::generate();
    let at = Timestamp::from_ms(-5);
    assert_eq!(
        params![&app, at, Env::Prod, true, 7_u32, [1_u8, 2]],
        [
            Value::Text(app.to_string()),
            Value::Int(-5),
            Value::Text("prod".to_owned()),
            Value::Int(1),
            Value::Int(7),
            Value::Bytes(vec![1, 2])
        ]
    );
}

async fn hostile_text_is_only_text(kind: Kind) {
    let house = House::new(kind).await;
    let hostile =
        ["'; DROP TABLE notes; --", "$1", "{{identity}}", "\\'; \\x00", "%s%n", "\u{202e}gnp.", "NULL", "\u{feff}"];
    for (n, text) in (0_i64..).zip(hostile) {
        let (_, mut tx) = house.store.write(house.permit(Change("app/1"))).await.unwrap();
        tx.execute(sql::INSERT_NOTE, params![text, text, n, text.as_bytes()]).await.unwrap();
        tx.feed("app", text);
        tx.commit(json!({ text: text }), Some(text)).await.unwrap();
        let row = house.store.read_one(sql::NOTE, params![text]).await.unwrap().unwrap();
        assert_eq!((row.text(0).unwrap(), row.text(1).unwrap()), (text, text));
    }
    for event in house.events().await {
        let shown = house.store.show(&event).await.unwrap();
        let why = shown["why"].as_str().unwrap();
        assert!(hostile.contains(&why) && shown["detail"][why] == why, "{shown}");
    }
    let (_, mut tx) = house.store.write(house.permit(Change("app/1"))).await.unwrap();
    let refused = tx.execute(sql::INSERT_NOTE, params!["n", "a\0b", 1_i64, None::<Vec<u8>>]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Param { position: 2, .. }), "{refused:?}");
    assert!(matches!(house.store.read(sql::NOTE, params!["\0"]).await, Err(StoreError::Param { position: 1, .. })));
}

async fn parameters_bind_by_number(kind: Kind) {
    let house = House::new(kind).await;
    let row = house.store.read_one(sql::OUT_OF_ORDER, params!["one", 2_i64, "three"]).await.unwrap().unwrap();
    let texts = (row.text(0).unwrap(), row.text(1).unwrap(), row.int(2).unwrap(), row.text(3).unwrap());
    assert_eq!(texts, ("three", "one", 2, "one"));
    for id in ["a", "b", "c"] {
        house.note(id).await.unwrap();
    }
    assert_eq!(house.store.read(sql::NOTES_ABOVE, params![0_i64, 2_i64]).await.unwrap().len(), 2);
    for wrong in [params!["one"], params!["one", 2_i64, "three", 4_i64]] {
        let refused = house.store.read(sql::OUT_OF_ORDER, wrong).await.unwrap_err();
        assert!(matches!(refused, StoreError::Param { .. }), "{refused:?}");
    }
}

async fn a_reader_cannot_write(kind: Kind) {
    let house = House::new(kind).await;
    house.note("a").await.unwrap();
    let refused = house.store.read(sql::DELETE_NOTES, &[]).await.unwrap_err();
    assert!(matches!(refused, StoreError::ReadOnly), "{refused:?}");
    assert_eq!(house.notes().await, 1);
}

async fn what_does_not_fit_is_refused(kind: Kind) {
    let house = House::new(kind).await;
    house.note("a").await.unwrap();
    let row = house.store.read_one(sql::NOTE, params!["a"]).await.unwrap().unwrap();
    assert!(matches!(row.int(0), Err(StoreError::Row { column: 0, .. })));
    assert!(matches!(row.text(3), Err(StoreError::Row { column: 3, .. })));
    assert!(matches!(row.bytes(1), Err(StoreError::Row { column: 1, .. })));
    assert!(matches!(row.opt_text(9), Err(StoreError::Row { column: 9, .. })));
    assert!(matches!(row.parse::<Env>(1, "an environment"), Err(StoreError::Row { column: 1, .. })));
}

async fn housekeeping_writes_its_own_table(kind: Kind) {
    const SEEN: FreeWrite = FreeWrite::new(Table::SessionSeen, sql::SEEN);
    let house = House::new(kind).await;
    assert_eq!(house.store.housekeeping().execute(SEEN, params!["s", 1_i64]).await.unwrap(), 1);
    let both = [(SEEN, params!["s", 2_i64].to_vec()), (SEEN, params!["t", 2_i64].to_vec())];
    house.store.housekeeping().batch(&both).await.unwrap();
    assert!(house.events().await.is_empty());
}

async fn content_goes_by_its_digest(kind: Kind) {
    let house = House::new(kind).await;
    let tenant = model::TenantId::main();
    let kept = house.store.blobs(&tenant).keep(b"bundle".to_vec()).await.unwrap();
    let (_, mut tx) = house.store.write(house.permit(Change("app/1"))).await.unwrap();
    let digest = tx.put_blob(&kept).await.unwrap();
    assert_eq!(tx.put_blob(&kept).await.unwrap(), digest);
    assert_eq!(house.store.blobs(&tenant).get(&digest).await.unwrap(), None);
    tx.commit(json!({}), None).await.unwrap();
    assert_eq!(house.store.blobs(&tenant).get(&digest).await.unwrap().as_deref(), Some(b"bundle".as_slice()));
    let other = model::TenantId::new("other");
    assert_eq!(house.store.blobs(&other).get(&digest).await.unwrap(), None);
}
