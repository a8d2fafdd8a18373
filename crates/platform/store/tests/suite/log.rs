//! The log: places without a gap, proofs that verify, no fork.

use crate::{both, sql, support::*};
use ledger::{Edge, Leaf};
use model::TenantId;
use serde_json::json;
use std::time::Duration;
use store::{Database, Event, Store, StoreConfig, StoreError};

both! {
    places_are_contiguous_and_proofs_verify
    two_sequencers_cannot_fork
    whoever_read_another_head_changes_nothing
    an_erased_body_leaves_the_proofs
    the_tasks_sequence_by_themselves
    a_kept_checkpoint_tells_of_a_restore
    what_is_kept_stays_through_a_restore_and_each_is_accepted_by_itself
    a_record_put_back_under_a_running_node_leaves_what_it_kept
    altered_tiles_stop_the_log
}

fn leaf(event: &Event) -> Leaf {
    let salt: [u8; 32] = event.salt.clone().unwrap().try_into().unwrap();
    Leaf::of(&salt, event.body.as_deref().unwrap())
}

/// Rebuilds the tree from the stored bytes, and proves each event.
pub async fn check(store: &Store, size: u64) {
    let tenant = TenantId::main();
    let signed = store.checkpoint(&tenant).await.unwrap().unwrap();
    let checkpoint = signed.checkpoint();
    assert_eq!(checkpoint.size(), size);
    let events = store.events_by_index(&tenant, 0, size).await.unwrap();
    assert!(events.iter().map(|event| event.index.unwrap()).eq(0..size));
    let mut edge = Edge::new();
    edge.append(&events.iter().map(leaf).collect::<Vec<_>>()).unwrap();
    assert_eq!(edge.root(), checkpoint.root());
    for event in events.iter().step_by(1 + events.len() / 40) {
        let index = event.index.unwrap();
        let ids = ledger::tiles_for_inclusion(size, index).unwrap();
        let tiles = store.tiles(&tenant, &ids).await.unwrap();
        let proof = ledger::prove_inclusion(checkpoint, index, &tiles).unwrap();
        ledger::verify_inclusion(checkpoint, index, leaf(event).hash(), &proof).unwrap();
    }
}

pub async fn notes(house: &House, prefix: &str, count: usize) {
    let names: Vec<String> = (0..count).map(|n| format!("{prefix}{n}")).collect();
    for done in futures_util::future::join_all(names.iter().map(|name| house.note(name))).await {
        done.unwrap();
    }
}

async fn places_are_contiguous_and_proofs_verify(kind: Kind) {
    let house = House::new(kind).await;
    assert_eq!(house.store.checkpoint(&TenantId::main()).await.unwrap(), None);
    let mut size = 0;
    for (round, count) in [1, 2, 60, 200, 7].into_iter().enumerate() {
        notes(&house, &format!("r{round}-"), count).await;
        assert_eq!(house.store.sequence_now().await.unwrap().events, count as u64);
        size += count as u64;
        check(&house.store, size).await;
    }
    assert_eq!(house.store.sequence_now().await.unwrap().events, 0);
    // A partial tile that has grown since is cut from what took its place.
    let tenant = TenantId::main();
    assert_eq!(house.store.tile(&tenant, "tile/0/000.p/3").await.unwrap().unwrap().len(), 3 * 32);
    assert_eq!(house.store.tile(&tenant, "tile/0/000").await.unwrap().unwrap().len(), 256 * 32);
    assert_eq!(house.store.tile(&tenant, "tile/entries/000.p/3").await.unwrap().unwrap().len(), 3 * 35);
    for none in ["tile/0/001.p/20", "tile/0/../000", "tile/9/000", ""] {
        assert_eq!(house.store.tile(&tenant, none).await.unwrap(), None, "{none}");
    }
}

async fn two_sequencers_cannot_fork(kind: Kind) {
    let house = House::new(kind).await;
    let other = match kind {
        Kind::Sqlite => house.store.clone(),
        Kind::Postgres => {
            let data_dir = house.dir.path().join("two");
            House::open(&StoreConfig { data_dir, ..house.config.clone() }, &house.authority).await.unwrap()
        }
    };
    for round in 0..4 {
        let sequencers = async {
            let mut events = 0;
            for _ in 0..6 {
                let (one, two) = tokio::join!(house.store.sequence_now(), other.sequence_now());
                events += one.unwrap().events + two.unwrap().events;
            }
            events
        };
        let prefix = format!("r{round}-");
        tokio::join!(notes(&house, &prefix, 40), sequencers);
    }
    house.store.sequence_now().await.unwrap();
    other.sequence_now().await.unwrap();
    check(&house.store, 160).await;
}

async fn whoever_read_another_head_changes_nothing(kind: Kind) {
    let house = House::new(kind).await;
    notes(&house, "a", 3).await;
    house.store.sequence_now().await.unwrap();
    for (prefix, on_sqlite, on_postgres, size) in [
        ("claimed", sql::CLAIMED_SQLITE, sql::CLAIMED_POSTGRES, 5),
        ("grown", sql::GROWN_SQLITE, sql::GROWN_POSTGRES, 7),
    ] {
        notes(&house, prefix, 2).await;
        outside(&house.config, on_sqlite, on_postgres).await;
        let refused = house.store.sequence_now().await.unwrap_err();
        assert!(matches!(refused, StoreError::Busy { .. }), "{prefix}: {refused:?}");
        outside(&house.config, sql::AS_BEFORE_SQLITE, sql::AS_BEFORE_POSTGRES).await;
        assert_eq!(house.store.sequence_now().await.unwrap().events, 2, "{prefix}: they waited");
        check(&house.store, size).await;
    }
}

/// One has given indexes and not advanced the head; its connection ends, and another goes on from where the head is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sequencer_whose_connection_ends_changes_nothing() {
    let house = House::new(Kind::Postgres).await;
    let config = StoreConfig { node: "two".to_owned(), data_dir: house.dir.path().join("two"), ..house.config.clone() };
    let other = House::open(&config, &house.authority).await.unwrap();
    notes(&house, "a", 3).await;
    other.sequence_now().await.unwrap();
    notes(&house, "b", 3).await;
    let Database::Postgres { url } = &house.config.database else { panic!("it is PostgreSQL") };
    let connect = async || {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    };
    let (holds, ends) = (connect().await, connect().await);
    // Of a head that another made, the tiles are read once the indexes are given.
    holds.batch_execute(sql::HOLD_TILES).await.unwrap();
    let store = house.store.clone();
    let first = tokio::spawn(async move { store.sequence_now().await });
    let ending = async {
        while ends.query(sql::END_WHO_WAITS_FOR_TILES, &[]).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ending).await.expect("it waits for the tiles");
    holds.batch_execute(sql::COMMIT).await.unwrap();
    outside(&house.config, sql::CLAIM_LOGS, sql::CLAIM_LOGS).await;
    assert_eq!(other.sequence_now().await.unwrap().events, 3);
    let refused = first.await.unwrap();
    assert!(refused.is_err(), "{refused:?}");
    check(&other, 6).await;
    // Nothing is left of what it had given: it begins again at the head.
    notes(&house, "c", 2).await;
    assert_eq!(house.store.sequence_now().await.unwrap().events, 2);
    check(&house.store, 8).await;
}

async fn an_erased_body_leaves_the_proofs(kind: Kind) {
    let house = House::new(kind).await;
    notes(&house, "a", 5).await;
    house.store.sequence_now().await.unwrap();
    let tenant = TenantId::main();
    let before = house.store.events_by_index(&tenant, 2, 3).await.unwrap().remove(0);
    let (_, mut tx) = house.store.write(house.permit(Change("log/main"))).await.unwrap();
    assert!(tx.erase_event(2).await.unwrap());
    assert!(!tx.erase_event(2).await.unwrap());
    tx.commit(json!({ "indexes": [2] }), None).await.unwrap();
    house.store.sequence_now().await.unwrap();
    let after = house.store.events_by_index(&tenant, 2, 3).await.unwrap().remove(0);
    assert_eq!((after.body.as_ref(), after.salt.as_ref()), (None, None));
    assert_eq!(house.store.show(&after).await.unwrap()["erased"], true);
    let signed = house.store.checkpoint(&tenant).await.unwrap().unwrap();
    let ids = ledger::tiles_for_inclusion(6, 2).unwrap();
    let tiles = house.store.tiles(&tenant, &ids).await.unwrap();
    let proof = ledger::prove_inclusion(signed.checkpoint(), 2, &tiles).unwrap();
    ledger::verify_inclusion(signed.checkpoint(), 2, leaf(&before).hash(), &proof).unwrap();
}

async fn the_tasks_sequence_by_themselves(kind: Kind) {
    let house = House::new(kind).await;
    let tasks = house.store.start_tasks().await;
    let committed = house.note("a").await.unwrap();
    let started = std::time::Instant::now();
    let tenant = TenantId::main();
    while house.store.event(&tenant, &committed.event).await.unwrap().unwrap().index.is_none() {
        assert!(started.elapsed().as_secs() < 20, "never sequenced");
        tokio::task::yield_now().await;
    }
    tasks.stop().await.unwrap();
    check(&house.store, 1).await;
}

async fn a_kept_checkpoint_tells_of_a_restore(kind: Kind) {
    let house = House::new(kind).await;
    notes(&house, "a", 3).await;
    house.store.sequence_now().await.unwrap();
    assert_eq!(house.store.behind().await.unwrap(), []);
    notes(&house, "b", 300).await;
    house.store.sequence_now().await.unwrap();
    assert_eq!(house.store.behind().await.unwrap(), []);
    // Another database (an old copy, say) beside the same data folder.
    let fresh = House::new(kind).await;
    fresh.note("x").await.unwrap();
    fresh.store.sequence_now().await.unwrap();
    let kept = house.dir.path().join("checkpoints");
    for entry in std::fs::read_dir(&kept).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), fresh.dir.path().join("checkpoints").join(entry.file_name())).unwrap();
    }
    let behind = fresh.store.behind().await.unwrap();
    let kept_size = behind[0].kept.as_ref().map(|kept| kept.size);
    assert_eq!((behind.len(), kept_size, behind[0].found.size), (1, Some(303), 1));
    // Longer than what was kept, and another history: a fork.
    notes(&fresh, "y", 400).await;
    let kept = std::fs::read(kept.join(hex::encode("main"))).unwrap();
    fresh.store.sequence_now().await.unwrap();
    let place = fresh.dir.path().join("checkpoints").join(hex::encode("main"));
    std::fs::write(&place, &kept).unwrap();
    let behind = fresh.store.behind().await.unwrap();
    assert_eq!(behind[0].found.size, 401);
    // While it is in doubt, what was kept stays; once it is accepted, it is forgotten.
    fresh.store.begin_recovering(&behind).await;
    fresh.store.sequence_now().await.unwrap();
    assert_eq!(std::fs::read(&place).unwrap(), kept);
    let (_, mut tx) = fresh.store.write(fresh.permit(Change("log/main"))).await.unwrap();
    tx.accept(&behind).await.unwrap();
    tx.commit(json!({}), Some("the disk was lost")).await.unwrap();
    assert_eq!(fresh.store.behind().await.unwrap(), [], "accepted, and the process ends here");
    fresh.store.end_recovering(&behind).await;
    assert_ne!(std::fs::read(&place).unwrap(), kept);
    assert_eq!(fresh.store.behind().await.unwrap(), []);
    let found = fresh.events().await.into_iter().find(|event| event.action == "record.behind").unwrap();
    let detail = &found.json().unwrap()["detail"];
    assert_eq!((&detail["kept"]["size"], &detail["found"]["size"]), (&json!(303), &json!(401)));
    std::fs::write(&place, "not a checkpoint").unwrap();
    assert_eq!(fresh.store.behind().await.unwrap()[0].kept, None);
}

async fn accept(house: &House, behind: &[store::Behind]) {
    let (_, mut tx) = house.store.write(house.permit(Change("log/main"))).await.unwrap();
    tx.accept(behind).await.unwrap();
    tx.commit(json!({}), Some("looked at")).await.unwrap();
}

async fn what_is_kept_stays_through_a_restore_and_each_is_accepted_by_itself(kind: Kind) {
    let house = House::new(kind).await;
    notes(&house, "a", 3).await;
    house.store.sequence_now().await.unwrap();
    let (seen, place) = (kept(&house), house.dir.path().join("checkpoints").join(hex::encode("main")));
    let begin = || store::doubt(house.dir.path(), &TenantId::main()).unwrap();
    begin();
    assert_eq!(kept(&house), seen, "what was seen is evidence");
    // Nothing was seen here: in doubt until it is accepted, though the process ends there.
    for _ in 0..2 {
        drop(std::fs::remove_file(&place));
        begin();
        let behind = house.store.behind().await.unwrap();
        assert_eq!((behind.len(), &behind[0].kept, behind[0].restored), (1, &None, true));
        accept(&house, &behind).await;
        assert_eq!(house.store.behind().await.unwrap(), []);
        begin();
        assert_eq!(house.store.behind().await.unwrap().len(), 1, "another restore");
    }
    // What was seen cannot be read any more.
    std::fs::write(&place, "not a checkpoint").unwrap();
    let behind = house.store.behind().await.unwrap();
    assert_eq!((&behind[0].kept, behind[0].restored), (&None, false));
    accept(&house, &behind).await;
    assert_eq!(house.store.behind().await.unwrap(), []);
    // The next checkpoint takes its place.
    house.store.sequence_now().await.unwrap();
    assert_ne!(kept(&house), b"not a checkpoint");
    assert!(!is_doubted(&house).await);
    assert_eq!(house.store.behind().await.unwrap(), []);
}

async fn put_record_back(house: &House) {
    outside(&house.config, sql::PUT_RECORD_BACK, sql::PUT_RECORD_BACK).await;
}

fn kept(house: &House) -> Vec<u8> {
    std::fs::read(house.dir.path().join("checkpoints").join(hex::encode("main"))).unwrap()
}

async fn is_doubted(house: &House) -> bool {
    tokio::time::timeout(Duration::from_millis(1), house.store.doubted().notified()).await.is_ok()
}

async fn a_record_put_back_under_a_running_node_leaves_what_it_kept(kind: Kind) {
    let house = House::new(kind).await;
    notes(&house, "a", 3).await;
    house.store.sequence_now().await.unwrap();
    outside(&house.config, sql::KEEP_RECORD, sql::KEEP_RECORD).await;
    notes(&house, "b", 2).await;
    house.store.sequence_now().await.unwrap();
    let before = kept(&house);
    assert!(!is_doubted(&house).await);
    put_record_back(&house).await;
    // Shorter than what was kept, as long, longer by far: another history each time.
    for (name, count, size) in [("c", 1, 4), ("d", 1, 5), ("e", 400, 405)] {
        notes(&house, name, count).await;
        house.store.sequence_now().await.unwrap();
        assert!(is_doubted(&house).await, "{size}");
        assert!(kept(&house) == before, "{size}");
        let behind = house.store.behind().await.unwrap();
        let known = behind[0].kept.as_ref().map(|kept| kept.size);
        assert_eq!((behind.len(), known, behind[0].found.size), (1, Some(5), size));
    }
    // Once it is accepted, the node keeps what is there now.
    let behind = house.store.behind().await.unwrap();
    house.store.begin_recovering(&behind).await;
    let (_, mut tx) = house.store.write(house.permit(Change("log/main"))).await.unwrap();
    tx.accept(&behind).await.unwrap();
    tx.commit(json!({}), Some("the disk was lost")).await.unwrap();
    house.store.end_recovering(&behind).await;
    notes(&house, "f", 1).await;
    house.store.sequence_now().await.unwrap();
    assert!(!is_doubted(&house).await);
    assert!(kept(&house) != before);
    assert_eq!(house.store.behind().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_keeps_what_others_sequence_doubts_it_too() {
    let house = House::new(Kind::Postgres).await;
    let config = StoreConfig { node: "two".to_owned(), data_dir: house.dir.path().join("two"), ..house.config.clone() };
    let leader = House::open(&config, &house.authority).await.unwrap();
    let leads = leader.lead("sequencer").await.unwrap().unwrap();
    let tasks = house.store.start_tasks().await;
    let size = |house: &House| {
        let text = String::from_utf8(std::fs::read(house.dir.path().join("checkpoints/6d61696e")).ok()?).unwrap();
        text.lines().nth(1)?.parse::<u64>().ok()
    };
    let until = async |wanted: u64| {
        let waiting = async {
            while size(&house) != Some(wanted) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it keeps what the leader makes");
    };
    // What the leader makes is kept, over the end of a tile.
    for (name, count, wanted) in [("a", 3, 3), ("b", 300, 303), ("c", 1, 304)] {
        notes(&house, name, count).await;
        leader.sequence_now().await.unwrap();
        until(wanted).await;
        if wanted == 303 {
            outside(&house.config, sql::KEEP_RECORD, sql::KEEP_RECORD).await;
        }
    }
    assert!(!is_doubted(&house).await);
    put_record_back(&house).await;
    let doubted = house.store.doubted();
    tokio::time::timeout(Duration::from_secs(60), doubted.notified()).await.expect("it looks by itself");
    assert_eq!(size(&house), Some(304));
    assert_eq!(house.store.behind().await.unwrap()[0].found.size, 303);
    drop((tasks, leads));
}

async fn altered_tiles_stop_the_log(kind: Kind) {
    let house = House::new(kind).await;
    notes(&house, "a", 5).await;
    house.store.sequence_now().await.unwrap();
    let authority = house.authority.clone();
    let (config, _, _, _dir) = house.close().await;
    match &config.database {
        Database::Sqlite { path } => {
            let file = rusqlite::Connection::open(path).unwrap();
            file.execute_batch("UPDATE tiles SET bytes = zeroblob(length(bytes))").unwrap();
        }
        Database::Postgres { url } => {
            let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute("UPDATE tiles SET bytes = decode(repeat('00', length(bytes)), 'hex')").await.unwrap();
        }
    }
    let store = House::open(&config, &authority).await.unwrap();
    let caller = machine();
    let permit = authority.decide(&caller, Change("app/1")).unwrap();
    let (_, tx) = store.write(permit).await.unwrap();
    tx.commit(json!({}), None).await.unwrap();
    let refused = store.sequence_now().await.unwrap_err();
    assert!(matches!(refused, StoreError::Ledger(_)), "{refused:?}");
}
