//! A newer version migrates while an older one runs: what adds, the older one does not feel; what it could not stand
//! beside waits until it is gone, and keeps it from coming back.

use crate::{both, sql, support::*};
use std::{sync::Arc, time::Duration};
use store::{Database, Migration, Renewal, Store, StoreConfig, StoreError};

both! {
    only_steps_that_say_so_stand_alone
}

const ADDS: &[Migration] = &[
    NOTES[0],
    Migration {
        room: "notes",
        number: 2,
        name: "more",
        sql: "ALTER TABLE notes ADD COLUMN more TEXT; CREATE TABLE more (id TEXT)",
    },
];
const TAKES: &[Migration] = &[
    NOTES[0],
    ADDS[1],
    Migration {
        room: "notes",
        number: 3,
        name: "gone",
        sql: "-- alone: a note without its text cannot be read\nALTER TABLE notes DROP COLUMN body",
    },
];

/// The same database, as another machine sees it.
fn beside(config: &StoreConfig) -> StoreConfig {
    let data_dir = config.data_dir.join("beside");
    std::fs::create_dir_all(&data_dir).unwrap();
    StoreConfig { node: "two".to_owned(), data_dir, ..config.clone() }
}

async fn only_steps_that_say_so_stand_alone(kind: Kind) {
    assert_eq!(ADDS[1].alone(), None);
    assert_eq!(TAKES[2].alone(), Some("a note without its text cannot be read"));
    let house = House::still(kind).await;
    let (config, authority, _, _dir) = house.close().await;
    // Nobody else is there.
    let store = House::open_with(&config, &authority, &[TAKES]).await.unwrap();
    let noted = store.read_one("SELECT why FROM alone_steps WHERE room = 'notes' AND number = 3", &[]).await.unwrap();
    assert_eq!(noted.unwrap().text(0).unwrap(), "a note without its text cannot be read");
    assert_eq!(store.read_one("SELECT count(*) FROM alone_steps", &[]).await.unwrap().unwrap().int(0).unwrap(), 1);
    drop(store);
    // It is applied once.
    House::open_with(&config, &authority, &[TAKES]).await.unwrap();
}

mod postgres_alone {
    use super::*;

    async fn open(house: &House, rooms: &'static [Migration]) -> Result<Arc<Store>, StoreError> {
        Store::open(beside(&house.config), house.authority.clone(), &[rooms]).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_older_node_goes_on_beside_what_adds() {
        let house = House::new(Kind::Postgres).await;
        let lease = house.store.node_lease("older").await.unwrap().unwrap();
        assert!(matches!(lease.renew(0).await.unwrap(), Renewal::Ours { .. }));
        house.note("a").await.unwrap();
        let newer = open(&house, ADDS).await.unwrap();
        let mine = newer.node_lease("newer").await.unwrap().unwrap();
        for lease in [&lease, &mine] {
            assert!(matches!(lease.renew(0).await.unwrap(), Renewal::Ours { .. }));
        }
        // Statements that it prepared before and after are the same to it.
        house.note("b").await.unwrap();
        assert_eq!(house.notes().await, 2);
        // It runs, and does not start.
        let mut config = house.config.clone();
        config.data_dir = house.dir.path().join("again");
        std::fs::create_dir_all(&config.data_dir).unwrap();
        let refused = Store::open(config, house.authority.clone(), &[NOTES]).await.unwrap_err();
        assert!(matches!(refused, StoreError::Newer { number: 2, .. }), "{refused:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_an_older_node_cannot_stand_beside_waits_until_it_has_left() {
        let house = House::new(Kind::Postgres).await;
        let lease = house.store.node_lease("older").await.unwrap().unwrap();
        assert!(matches!(lease.renew(0).await.unwrap(), Renewal::Ours { .. }));
        let (config, authority) = (beside(&house.config), house.authority.clone());
        let opening = tokio::spawn(async move { Store::open(config, authority, &[TAKES]).await });
        // It holds nothing up meanwhile, and has made nothing.
        for number in 0..6 {
            assert!(matches!(lease.renew(0).await.unwrap(), Renewal::Ours { .. }));
            house.note(["a", "b", "c", "d", "e", "f"][number]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert!(!opening.is_finished());
        assert!(house.store.read("SELECT id FROM more", &[]).await.is_err());
        house.store.leave("older").await.unwrap();
        let newer = opening.await.unwrap().unwrap();
        assert_eq!(newer.read_one(sql::COUNT_NOTES, &[]).await.unwrap().unwrap().int(0).unwrap(), 6);
        // Whoever was gone for a while, such as a machine that slept, does not come back, and writes nothing more.
        assert_eq!(lease.renew(0).await.unwrap(), Renewal::Outdated);
        assert!(house.store.is_outdated() && !newer.is_outdated());
        let refused = house.note("g").await.unwrap_err();
        assert!(matches!(refused, StoreError::Outdated), "{refused:?}");
        assert_eq!(refused.problem().code, "node.outdated");
        let mine = newer.node_lease("newer").await.unwrap().unwrap();
        assert!(matches!(mine.renew(0).await.unwrap(), Renewal::Ours { .. }));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_waits_in_vain_is_told_for_whom() {
        let house = House::still(Kind::Postgres).await;
        let lease = house.store.node_lease("older").await.unwrap().unwrap();
        let renewing = tokio::spawn(async move {
            loop {
                assert!(matches!(lease.renew(0).await.unwrap(), Renewal::Ours { .. }));
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
        let refused = open(&house, TAKES).await.unwrap_err();
        renewing.abort();
        assert!(
            matches!(&refused, StoreError::OlderNodes { nodes, number: 3, .. } if *nodes == ["one"]),
            "{refused:?}"
        );
        let problem = refused.problem();
        assert_eq!(problem.code, "store.older_nodes");
        assert!(problem.why.contains("without its text") && problem.what.contains("one"), "{problem}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_died_before_the_clock_was_set_back_is_not_waited_for() {
        let house = House::still(Kind::Postgres).await;
        outside(&house.config, "", sql::LEASES_AHEAD).await;
        let newer = open(&house, TAKES).await.unwrap();
        assert!(!newer.is_outdated());
    }

    /// As after a sleep: nobody renewed its lease meanwhile.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_lost_its_lease_writes_nothing_until_it_has_it_again() {
        let house = House::new(Kind::Postgres).await;
        let lease = house.store.node_lease("asleep").await.unwrap().unwrap();
        assert!(matches!(lease.renew(0).await.unwrap(), Renewal::Ours { .. }));
        let (_, mut open) = house.store.write(house.permit(Change("app/1"))).await.unwrap();
        open.execute(sql::INSERT_NOTE, store::params!["open", "text", 1_i64, None::<Vec<u8>>]).await.unwrap();
        let mut number = 0;
        let refused = loop {
            number += 1;
            let id: &'static str = format!("n{number}").leak();
            match house.note(id).await {
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, StoreError::Unwritable { .. }), "{refused:?}");
        let late = open.commit(serde_json::json!({}), None).await.unwrap_err();
        assert!(matches!(late, StoreError::Unwritable { .. }), "{late:?}");
        assert!(matches!(lease.renew(0).await.unwrap(), Renewal::Ours { .. }));
        house.note("again").await.unwrap();
        assert_eq!(house.notes().await, number);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_session_begins_as_it_should() {
        let house = House::still(Kind::Postgres).await;
        let row = house.store.read_one(sql::SESSION_SETTINGS, &[]).await.unwrap().unwrap();
        let settings: Vec<&str> = (0..5).map(|column| row.text(column).unwrap()).collect();
        assert_eq!(settings, ["read committed", "5000", "5", "2", "3"]);
    }

    /// A table that is in use is waited for but a moment at a time: nobody queues behind it for long.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_table_in_use_holds_the_migration_up_and_not_the_node() {
        let house = House::new(Kind::Postgres).await;
        let Database::Postgres { url } = &house.config.database else { unreachable!() };
        let (mut client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let reading = client.transaction().await.unwrap();
        reading.query("SELECT id FROM notes", &[]).await.unwrap();
        let (config, authority) = (beside(&house.config), house.authority.clone());
        let opening = tokio::spawn(async move { Store::open(config, authority, &[ADDS]).await });
        for note in ["a", "b", "c"] {
            house.note(note).await.unwrap();
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        assert!(!opening.is_finished());
        reading.rollback().await.unwrap();
        opening.await.unwrap().unwrap();
        assert_eq!(house.notes().await, 3);
        drop(client);
        connection.await.unwrap().unwrap();
    }
}
