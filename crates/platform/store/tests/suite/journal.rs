//! The journal of cuts: what is damaged in it, what another version wrote, when it is full, when its file is gone.

use crate::{
    both,
    cuts::{Room, cut, journal, shown, until_nothing_waits, working},
    support::*,
};
use model::{SessionId, TenantId};
use seal::{Context, Purpose};
use serde_json::{Value as Json, json};
use std::time::Duration;
use store::{CutOf, Recorded, StoreConfig, StoreError};

both! {
    damage_in_the_journal_is_a_gap_in_the_record
    what_only_another_version_knows_is_refused_and_kept
    a_journal_that_was_removed_keeps_nothing_and_says_so
}

async fn damage_in_the_journal_is_a_gap_in_the_record(kind: Kind) {
    let house = House::new(kind).await;
    forbid(&house.config).await;
    let (kept, ..) = cut(&house, "a").await;
    let (config, authority, clock, dir) = house.close().await;
    let mut bytes = std::fs::read(journal(&config)).unwrap();
    bytes[10 * 4096..10 * 4096 + 9].copy_from_slice(b"BWCUTmade");
    std::fs::write(journal(&config), &bytes).unwrap();
    let store = House::open(&config, &authority).await.unwrap();
    assert_eq!((store.journal_state().waiting, store.journal_state().damaged), (1, 1));
    allow(&config).await;
    let house = House { store, authority, clock, config, dir };
    let (_room, _tasks) = working(&house.store).await;
    until_nothing_waits(&house.store).await;
    assert!(shown(&house.store, &kept).await.is_some(), "what is whole is written");
    let gap = house.events().await.into_iter().find(|event| event.action == "record.gap").unwrap();
    assert_eq!(gap.json().unwrap()["detail"], json!({ "class": "cut", "blocks": [10] }));
}

/// The entry at the beginning of the journal, changed and sealed again.
fn rewrite_first(config: &StoreConfig, edit: impl FnOnce(&mut Json)) {
    const HEAD: usize = 12;
    let key = config.root.tenant(&TenantId::main()).purpose(Purpose::Journal);
    let context = Context::table("cuts").column("entry").row("0");
    let mut bytes = std::fs::read(journal(config)).unwrap();
    let length = u32::from_be_bytes(bytes[8..HEAD].try_into().unwrap()) as usize;
    let mut entry: Json = serde_json::from_slice(&key.open(&context, &bytes[HEAD..HEAD + length]).unwrap()).unwrap();
    edit(&mut entry);
    let envelope = key.seal(&context, &serde_json::to_vec(&entry).unwrap());
    assert!(envelope.len() <= 4096 - HEAD);
    bytes[8..4096].fill(0);
    bytes[8..HEAD].copy_from_slice(&u32::try_from(envelope.len()).unwrap().to_be_bytes());
    bytes[HEAD..HEAD + envelope.len()].copy_from_slice(&envelope);
    std::fs::write(journal(config), &bytes).unwrap();
}

async fn what_only_another_version_knows_is_refused_and_kept(kind: Kind) {
    let house = House::new(kind).await;
    forbid(&house.config).await;
    let (event, ..) = cut(&house, "a").await;
    let (config, authority, _clock, _dir) = house.close().await;
    allow(&config).await;
    let known = std::fs::read(journal(&config)).unwrap();
    let edits: [fn(&mut Json); 3] = [
        |entry| entry["of"] = json!({ "planet": "mars" }),
        |entry| entry["kept"]["act"] = json!("planet.leave"),
        |entry| entry["owed"] = json!({ "id": "x", "action": "planet.left", "detail": {}, "why": null }),
    ];
    for edit in edits {
        rewrite_first(&config, edit);
        let unknown = std::fs::read(journal(&config)).unwrap();
        let refused = House::open(&config, &authority).await.unwrap_err();
        assert!(matches!(refused, StoreError::NewerCut { block: 0 }), "{refused:?}");
        assert_eq!(refused.problem().code, "store.newer");
        assert!(std::fs::read(journal(&config)).unwrap() == unknown, "it is kept as it is");
        std::fs::write(journal(&config), &known).unwrap();
    }
    let store = House::open(&config, &authority).await.unwrap();
    assert_eq!(store.standing()[0].event, event, "the version that knows it goes on");
}

async fn a_journal_that_was_removed_keeps_nothing_and_says_so(kind: Kind) {
    let house = House::new(kind).await;
    forbid(&house.config).await;
    assert_eq!(cut(&house, "a").await.2, Recorded::InJournal);
    let away = house.dir.path().join("away");
    std::fs::rename(journal(&house.config), &away).unwrap();
    assert_eq!(cut(&house, "b").await.2, Recorded::InMemory);
    let state = house.store.journal_state();
    assert_eq!((state.waiting, state.in_memory, state.away), (2, 2, true), "a restart would find neither");
    std::fs::rename(&away, journal(&house.config)).unwrap();
    let (_room, _tasks) = working(&house.store).await;
    let kept = async {
        while house.store.journal_state().in_memory > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), kept).await.expect("the journal takes it once it is back");
    assert_eq!(house.store.journal_state(), store::JournalState { waiting: 2, in_memory: 0, damaged: 0, away: false });
    allow(&house.config).await;
    until_nothing_waits(&house.store).await;
    assert_eq!(house.notes().await, 2);
}

/// The journal has a bound; what is past it is cut all the same, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_journal_says_so_and_what_it_did_not_take_is_written_too() {
    let house = House::new(Kind::Sqlite).await;
    let (_room, _tasks) = working(&house.store).await;
    forbid(&house.config).await;
    let mut kept = 0;
    for n in 0..600 {
        let permit = house.authority.decide(&ana(&house.clock), Leave("session/x")).unwrap();
        let (_, cutting) = house.store.cut(permit, CutOf::Session(SessionId::new(n.to_string())));
        kept += usize::from(cutting.record(&Room).await == Recorded::InJournal);
    }
    assert_eq!(kept, 512, "half of it is left to what people cut");
    assert_eq!(cut(&house, "a").await.2, Recorded::InJournal);
    assert_eq!(
        house.store.journal_state(),
        store::JournalState { waiting: 601, in_memory: 88, damaged: 0, away: false }
    );
    allow(&house.config).await;
    until_nothing_waits(&house.store).await;
    assert_eq!(house.notes().await, 601);
}
