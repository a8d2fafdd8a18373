//! Opening: forward only, with the right key, by one process; refusals explain themselves.

use crate::{both, sql, support::*};
use store::{Database, Migration, Store, StoreError, params};

both! {
    opening_again_keeps_everything
    newer_data_is_refused
    altered_and_disordered_migrations_are_refused
    another_root_key_is_refused
    a_failed_migration_leaves_nothing
}

async fn opening_again_keeps_everything(kind: Kind) {
    let house = House::new(kind).await;
    house.note("a").await.unwrap();
    let (config, authority, _, _dir) = house.close().await;
    let store = House::open(&config, &authority).await.unwrap();
    assert_eq!(store.read_one(sql::COUNT_NOTES, &[]).await.unwrap().unwrap().int(0).unwrap(), 1);
    assert_eq!(store.events(&model::TenantId::main(), &store::EventFilter::default()).await.unwrap().len(), 1);
}

async fn newer_data_is_refused(kind: Kind) {
    const FORGE: &[Migration] =
        &[Migration { room: "notes", number: 2, name: "later", sql: "CREATE TABLE later (id TEXT)" }];
    let house = House::still(kind).await;
    let (config, authority, _, _dir) = house.close().await;
    House::open_with(&config, &authority, &[NOTES, FORGE]).await.unwrap();
    let refused = reopen(&config, &authority, &[NOTES]).await;
    assert!(
        matches!(&refused, StoreError::Newer { room, number: 2, name } if room == "notes" && name == "later"),
        "{refused:?}"
    );
    let problem = refused.problem();
    assert_eq!(problem.code, "store.newer");
    assert!(problem.why.contains("`notes`"), "{problem}");
}

async fn reopen(
    config: &store::StoreConfig,
    authority: &std::sync::Arc<authority::Authority>,
    rooms: &[&'static [Migration]],
) -> StoreError {
    House::open_with(config, authority, rooms).await.unwrap_err()
}

async fn altered_and_disordered_migrations_are_refused(kind: Kind) {
    const ALTERED: &[Migration] =
        &[Migration { room: "notes", number: 1, name: "notes", sql: "CREATE TABLE notes (id TEXT)" }];
    const BACK: &[Migration] = &[
        Migration { room: "back", number: 2, name: "two", sql: "CREATE TABLE two (id TEXT)" },
        Migration { room: "back", number: 1, name: "one", sql: "CREATE TABLE one (id TEXT)" },
    ];
    let house = House::still(kind).await;
    let (config, authority, _, _dir) = house.close().await;
    let altered = reopen(&config, &authority, &[ALTERED]).await;
    assert!(matches!(&altered, StoreError::Altered { room, number: 1 } if room == "notes"), "{altered:?}");
    let back = reopen(&config, &authority, &[NOTES, BACK]).await;
    assert!(matches!(back, StoreError::Disordered { room: "back", number: 1 }), "{back:?}");
}

async fn another_root_key_is_refused(kind: Kind) {
    let house = House::still(kind).await;
    let (mut config, authority, _, _dir) = house.close().await;
    let right = config.root.id();
    config.root = seal::RootKey::from_bytes([8; 32]);
    let refused = reopen(&config, &authority, &[NOTES]).await;
    assert!(
        matches!(&refused, StoreError::WrongKey { expected, found } if *expected == right && *found == config.root.id())
    );
    assert_eq!(refused.problem().code, "store.wrong_key");
}

async fn a_failed_migration_leaves_nothing(kind: Kind) {
    const BROKEN: &[Migration] = &[Migration {
        room: "broken",
        number: 1,
        name: "one",
        sql: "CREATE TABLE one (id TEXT); SELECT nonsense FROM one;",
    }];
    let house = House::still(kind).await;
    let (config, authority, _, _dir) = house.close().await;
    let refused = reopen(&config, &authority, &[NOTES, BROKEN]).await;
    assert!(matches!(refused, StoreError::Database(_)), "{refused:?}");
    // No person sees the database's words.
    assert!(!refused.problem().to_string().contains("nonsense"));
    assert!(!refused.to_string().contains("nonsense"));
    let store = House::open(&config, &authority).await.unwrap();
    assert!(store.read("SELECT id FROM one", &[]).await.is_err());
    assert_eq!(store.read(sql::COUNT_NOTES, params![]).await.unwrap().len(), 1);
}

/// One process at a time, and none below the reserve: SQLite alone.
mod sqlite_alone {
    use super::*;

    #[tokio::test]
    async fn a_second_process_is_refused() {
        let house = House::still(Kind::Sqlite).await;
        let refused = Store::open(house.config.clone(), house.authority.clone(), &[NOTES]).await.unwrap_err();
        assert!(matches!(refused, StoreError::InUse), "{refused:?}");
        assert_eq!(refused.problem().code, "store.in_use");
    }

    #[tokio::test]
    async fn a_lock_that_cannot_be_opened_is_named() {
        let house = House::still(Kind::Sqlite).await;
        let (mut config, authority, _, dir) = house.close().await;
        std::fs::create_dir(dir.path().join("other.lock")).unwrap();
        config.database = Database::Sqlite { path: dir.path().join("other.db") };
        let refused = Store::open(config, authority, &[NOTES]).await.unwrap_err();
        let problem = refused.problem();
        assert_eq!(problem.code, "store.folder");
        assert!(problem.why.contains("other.lock"), "{problem}");
    }

    #[tokio::test]
    async fn below_the_reserve_it_opens_and_nothing_is_written() {
        let house = House::still(Kind::Sqlite).await;
        house.note("a").await.unwrap();
        let (mut config, authority, clock, dir) = house.close().await;
        config.reserve_bytes = u64::MAX;
        let store = House::open(&config, &authority).await.unwrap();
        let tasks = store.start_tasks().await;
        let house = House { store, authority, clock, config, dir };
        assert_eq!(house.notes().await, 1);
        let refused = house.note("b").await.unwrap_err();
        assert!(matches!(refused, StoreError::Unwritable { .. }), "{refused:?}");
        assert_eq!((refused.problem().code.as_str(), refused.problem().status()), ("record.unwritable", 503));
        drop(tasks);
        let (mut config, authority, _, _dir) = house.close().await;
        // What a start would have to write, or another's key, is refused all the same.
        const LATER: &[Migration] =
            &[Migration { room: "notes", number: 2, name: "later", sql: "CREATE TABLE later (id TEXT)" }];
        let refused = reopen(&config, &authority, &[NOTES, LATER]).await;
        assert!(matches!(refused, StoreError::Unwritable { .. }), "{refused:?}");
        config.root = seal::RootKey::from_bytes([8; 32]);
        let refused = reopen(&config, &authority, &[NOTES]).await;
        assert!(matches!(refused, StoreError::WrongKey { .. }), "{refused:?}");
    }

    #[tokio::test]
    async fn a_new_database_below_the_reserve_is_refused() {
        let house = House::still(Kind::Sqlite).await;
        let (mut config, authority, _, dir) = house.close().await;
        config.reserve_bytes = u64::MAX;
        config.database = Database::Sqlite { path: dir.path().join("new.db") };
        let refused = Store::open(config, authority, &[NOTES]).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unwritable { .. }), "{refused:?}");
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_refused() {
        let house = House::still(Kind::Sqlite).await;
        let (mut config, authority, _, dir) = house.close().await;
        let path = dir.path().join("other.db");
        std::fs::write(&path, [b'x'; 9000]).unwrap();
        config.database = Database::Sqlite { path };
        let refused = Store::open(config, authority, &[NOTES]).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unwritable { .. }), "{refused:?}");
    }
}
