//! Cuts: made whether or not they can be recorded, kept over a crash, and in the record as soon as it takes them.

use crate::{both, sql, support::*};
use async_trait::async_trait;
use authority::Act;
use model::{Env, EventId, ManualClock, SecretId, TenantId};
use serde_json::{Value as Json, json};
use std::{
    error::Error,
    path::PathBuf,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};
use store::{Also, CutNote, CutOf, CutRows, Outcome, Recorded, Store, StoreConfig, StoreError, Tx, params};
use tokio::sync::Notify;

both! {
    a_cut_is_recorded_at_once_when_it_can_be
    a_cut_that_cannot_be_recorded_is_kept_over_a_crash_and_written_with_its_promised_ids
    nothing_that_could_give_authority_overtakes_a_cut
    what_was_written_before_a_crash_is_not_written_twice
    a_cut_whose_caller_went_away_is_written
    a_caller_who_hangs_up_on_the_journal_or_on_memory_leaves_nothing_half_done
    the_same_cut_twice_stands_once
    what_is_asked_again_while_it_is_settled_is_settled_again
    a_cut_is_answered_though_memory_cannot_be_read_again
    an_act_does_not_wait_for_ever_for_what_memory_does_not_read
    nobody_waits_for_each_cut_while_the_database_is_gone
}

/// A room that writes one note for each cut, named as its event.
pub struct Room;

#[async_trait]
impl CutRows for Room {
    async fn rows(&self, note: &CutNote, tx: &mut Tx) -> Result<(), Box<dyn Error + Send + Sync>> {
        assert_eq!(tx.now(), note.at);
        tx.execute(sql::INSERT_NOTE, params![note.event.as_str(), note.by(), 1_i64, None::<Vec<u8>>]).await?;
        tx.feed("secret", "a");
        Ok(())
    }

    async fn settled(&self, _note: &CutNote, _epoch: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}

fn secret(id: &str) -> CutOf {
    CutOf::Secret { id: SecretId::new(id), env: Env::Prod }
}

/// Cuts as ana, with a reason and a second event; the ids that were promised.
pub async fn cut(house: &House, id: &'static str) -> (EventId, EventId, Recorded) {
    let permit = house.authority.decide(&ana(&house.clock), Sever(id)).unwrap();
    let (_, mut cutting) = house.store.cut(permit, secret(id));
    let (event, done) = (cutting.event().clone(), EventId::generate());
    let note = cutting.note();
    note.detail = json!({ "secret": id });
    note.why = Some("canary: it leaked".to_owned());
    note.also.push(Also {
        id: done.clone(),
        action: "app.revoke.done",
        outcome: Outcome::Allowed,
        detail: json!({ "lines": 2 }),
        why: None,
    });
    (event, done, cutting.record(&Room).await)
}

pub async fn shown(store: &Store, id: &EventId) -> Option<Json> {
    let event = store.event(&TenantId::main(), id).await.unwrap()?;
    Some(store.show(&event).await.unwrap())
}

/// Starts the tasks with the room, as a start does.
pub async fn working(store: &Arc<Store>) -> (Arc<Room>, store::Tasks) {
    let room = Arc::new(Room);
    let weak: Weak<Room> = Arc::downgrade(&room);
    store.write_cuts_with(weak);
    (room, store.start_tasks().await)
}

pub async fn until_nothing_waits(store: &Store) {
    let written = async {
        while store.journal_state().waiting > 0 || store.journal_state().damaged > 0 {
            // Asking without a pause would take the processor from whoever writes.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), written).await.expect("what waits is written");
}

pub fn journal(config: &StoreConfig) -> PathBuf {
    config.data_dir.join("cuts.journal")
}

async fn a_cut_is_recorded_at_once_when_it_can_be(kind: Kind) {
    let house = House::new(kind).await;
    let (event, done, recorded) = cut(&house, "a").await;
    assert_eq!(recorded, Recorded::InDatabase);
    assert!(house.store.standing().is_empty());
    assert_eq!(house.notes().await, 1);
    let (event, done) = (shown(&house.store, &event).await.unwrap(), shown(&house.store, &done).await.unwrap());
    assert_eq!(
        (&event["action"], &event["durability"], &event["why"]),
        (&json!("secret.revoke"), &json!("cut"), &json!("canary: it leaked"))
    );
    assert_eq!((&event["detail"], &done["detail"]), (&json!({ "secret": "a" }), &json!({ "lines": 2 })));
    assert_eq!(house.store.epoch(&TenantId::main()).await.unwrap(), 1);
}

async fn a_cut_that_cannot_be_recorded_is_kept_over_a_crash_and_written_with_its_promised_ids(kind: Kind) {
    let house = House::still(kind).await;
    let (_room, tasks) = working(&house.store).await;
    forbid(&house.config).await;
    let (event, done, recorded) = cut(&house, "a").await;
    assert_eq!(recorded, Recorded::InJournal);
    assert_eq!((house.notes().await, shown(&house.store, &event).await), (0, None));
    let bytes = std::fs::read(journal(&house.config)).unwrap();
    for plain in [b"canary".as_slice(), b"192.0.2.7", b"secret.revoke", event.as_str().as_bytes()] {
        assert!(!bytes.windows(plain.len()).any(|window| window == plain), "in the open");
    }
    drop(tasks);
    let (config, authority, clock, dir) = house.close().await;

    // Once more while nothing can be written; then again, later, when it can.
    let store = House::open(&config, &authority).await.unwrap();
    assert_eq!((store.standing()[0].event.clone(), store.standing()[0].of.clone()), (event.clone(), secret("a")));
    assert_eq!((store.journal_state().waiting, store.journal_state().in_memory), (1, 0));
    let house = House { store, authority, clock, config, dir };
    let (room, tasks) = working(&house.store).await;
    assert!(house.store.write_waiting_cuts().await.is_err());
    drop((room, tasks));
    let (config, authority, clock, dir) = house.close().await;
    allow(&config).await;
    clock.advance(Duration::from_secs(3_600));
    let store = House::open(&config, &authority).await.unwrap();
    let house = House { store, authority, clock, config, dir };
    let (_room, _tasks) = working(&house.store).await;
    until_nothing_waits(&house.store).await;
    assert!(house.store.standing().is_empty());
    assert_eq!(house.notes().await, 1);
    let (event, done) = (shown(&house.store, &event).await.unwrap(), shown(&house.store, &done).await.unwrap());
    assert_eq!((&event["timestamp"], &event["actor"]), (&json!("2026-11-23T00:00:00.000Z"), &json!(["person:ana"])));
    assert_eq!((&event["why"], &event["from"]["ip"]), (&json!("canary: it leaked"), &json!("192.0.2.7")));
    assert_eq!(event["detail"], json!({ "secret": "a", "written_late_at": "2026-11-23T01:00:00.000Z" }));
    assert_eq!(done["detail"], json!({ "lines": 2, "written_late_at": "2026-11-23T01:00:00.000Z" }));
    let (config, authority, ..) = house.close_tasks(_tasks).await;
    let again = House::open(&config, &authority).await.unwrap();
    assert!(again.standing().is_empty(), "the journal is empty again");
}

async fn nothing_that_could_give_authority_overtakes_a_cut(kind: Kind) {
    let house = House::new(kind).await;
    let (_room, _tasks) = working(&house.store).await;
    forbid(&house.config).await;
    let (event, ..) = cut(&house, "a").await;
    let refused = house.store.write(house.permit(Raise("app/1"))).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unwritable { .. }), "{refused:?}");
    allow(&house.config).await;
    let raise = || async {
        let (_, tx) = house.store.write(house.permit(Raise("app/1"))).await?;
        tx.commit(json!({}), None).await
    };
    house.store.again(raise).await.unwrap();
    let order: Vec<_> = house.events().await.iter().rev().map(|event| event.action.clone()).collect();
    assert_eq!(order, ["secret.revoke", "app.revoke.done", "app.deploy"]);
    assert!(shown(&house.store, &event).await.is_some());
}

async fn what_was_written_before_a_crash_is_not_written_twice(kind: Kind) {
    let house = House::new(kind).await;
    let (_room, tasks) = working(&house.store).await;
    forbid(&house.config).await;
    cut(&house, "a").await;
    let before = std::fs::read(journal(&house.config)).unwrap();
    allow(&house.config).await;
    until_nothing_waits(&house.store).await;
    let (config, authority, clock, dir) = house.close_tasks(tasks).await;
    // As if the crash had come before the entry was freed.
    std::fs::write(journal(&config), &before).unwrap();
    let store = House::open(&config, &authority).await.unwrap();
    assert_eq!(store.standing().len(), 1);
    let house = House { store, authority, clock, config, dir };
    let (_room, _tasks) = working(&house.store).await;
    until_nothing_waits(&house.store).await;
    assert_eq!(house.notes().await, 1);
    assert_eq!(house.events().await.iter().filter(|event| event.action == "secret.revoke").count(), 1);
}

/// Fails, or never ends; and says that it came so far.
#[derive(Default)]
struct Hanging {
    fails: bool,
    reached: AtomicBool,
}

#[async_trait]
impl CutRows for Hanging {
    async fn rows(&self, note: &CutNote, tx: &mut Tx) -> Result<(), Box<dyn Error + Send + Sync>> {
        if self.fails {
            self.reached.store(true, Ordering::SeqCst);
            return Err("no rows".into());
        }
        Room.rows(note, tx).await
    }

    async fn settled(&self, _note: &CutNote, _epoch: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.reached.store(true, Ordering::SeqCst);
        std::future::pending().await
    }
}

async fn a_caller_who_hangs_up_on_the_journal_or_on_memory_leaves_nothing_half_done(kind: Kind) {
    let house = House::new(kind).await;
    let (_room, _tasks) = working(&house.store).await;
    for fails in [true, false] {
        let (_, cutting) = house.store.cut(house.permit(Sever("a")), secret("a"));
        let (event, hanging) = (cutting.event().clone(), Hanging { fails, ..Hanging::default() });
        let mut record = Box::pin(cutting.record(&hanging));
        // To where it waits next: for the disk, or for memory.
        std::future::poll_fn(|context| {
            let polled = record.as_mut().poll(context);
            if hanging.reached.load(Ordering::SeqCst) { Poll::Ready(()) } else { polled.map(drop) }
        })
        .await;
        assert!(hanging.reached.load(Ordering::SeqCst));
        drop(record);
        let ended = async {
            while !house.store.standing().is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), ended).await.expect("it does not stand for ever");
        assert!(shown(&house.store, &event).await.is_some(), "{fails}");
    }
    assert_eq!(house.notes().await, 2);
    let state = house.store.journal_state();
    assert_eq!((state.waiting, state.damaged), (0, 0));
}

async fn a_cut_whose_caller_went_away_is_written(kind: Kind) {
    let house = House::new(kind).await;
    let (_room, _tasks) = working(&house.store).await;
    let (_, cutting) = house.store.cut(house.permit(Sever("a")), secret("a"));
    assert_eq!(house.store.standing().len(), 1);
    let event = cutting.event().clone();
    drop(cutting);
    until_nothing_waits(&house.store).await;
    assert!(shown(&house.store, &event).await.is_some());
    // Nothing was cut: nothing is written.
    let (_, cutting) = house.store.cut(house.permit(Sever("b")), secret("b"));
    cutting.forget();
    assert!(house.store.standing().is_empty());
}

async fn the_same_cut_twice_stands_once(kind: Kind) {
    let house = House::new(kind).await;
    forbid(&house.config).await;
    let (first, ..) = cut(&house, "a").await;
    let permit = house.authority.decide(&ana(&house.clock), Sever("a")).unwrap();
    let (_, cutting) = house.store.cut(permit, secret("a"));
    assert_eq!(cutting.event(), &first);
    assert_eq!(cutting.record(&Room).await, Recorded::InJournal);
    assert_eq!(house.store.journal_state().waiting, 1);
    // What another asks is theirs on the record.
    let (_, cutting) = house.store.cut(house.permit(Sever("a")), secret("a"));
    assert_ne!(cutting.event(), &first);
    assert_eq!(cutting.record(&Room).await, Recorded::InJournal);
    cut(&house, "b").await;
    assert_eq!(house.store.journal_state().waiting, 3);
}

/// Has memory read again, and waits the first time until the test has done its part.
#[derive(Default)]
struct Paused {
    settled: AtomicUsize,
    reached: Notify,
    go_on: Notify,
}

#[async_trait]
impl CutRows for Paused {
    async fn rows(&self, note: &CutNote, tx: &mut Tx) -> Result<(), Box<dyn Error + Send + Sync>> {
        Room.rows(note, tx).await
    }

    async fn settled(&self, _note: &CutNote, _epoch: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
        if self.settled.fetch_add(1, Ordering::SeqCst) == 0 {
            self.reached.notify_one();
            self.go_on.notified().await;
        }
        Ok(())
    }
}

/// Whoever asks cuts it in memory once more: that is let go of too, also when they come a moment later, or hang up.
async fn what_is_asked_again_while_it_is_settled_is_settled_again(kind: Kind) {
    let house = House::new(kind).await;
    forbid(&house.config).await;
    cut(&house, "a").await;
    let room = Arc::new(Paused::default());
    let weak: Weak<Paused> = Arc::downgrade(&room);
    house.store.write_cuts_with(weak);
    allow(&house.config).await;
    let _tasks = house.store.start_tasks().await;
    let again = || {
        let permit = house.authority.decide(&ana(&house.clock), Sever("a")).unwrap();
        house.store.cut(permit, secret("a")).1
    };
    room.reached.notified().await;
    let (recorded, hung_up, late) = (again(), again(), again());
    assert!(late.same().is_some());
    assert_eq!(recorded.record(&*room).await, Recorded::InJournal);
    drop(hung_up);
    room.go_on.notify_one();
    until_nothing_waits(&house.store).await;
    assert_eq!(room.settled.load(Ordering::SeqCst), 2);
    assert_eq!(late.record(&*room).await, Recorded::InDatabase);
    until_nothing_waits(&house.store).await;
    assert_eq!((room.settled.load(Ordering::SeqCst), house.notes().await), (3, 1));
    assert!(house.store.standing().is_empty());
}

/// Memory cannot be read again, as while the database does not answer.
struct Unread;

#[async_trait]
impl CutRows for Unread {
    async fn rows(&self, note: &CutNote, tx: &mut Tx) -> Result<(), Box<dyn Error + Send + Sync>> {
        Room.rows(note, tx).await
    }

    async fn settled(&self, _note: &CutNote, _epoch: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
        Err("no memory".into())
    }
}

async fn a_cut_is_answered_though_memory_cannot_be_read_again(kind: Kind) {
    let house = House::new(kind).await;
    let (_, cutting) = house.store.cut(house.permit(Sever("a")), secret("a"));
    let event = cutting.event().clone();
    let recorded = tokio::time::timeout(Duration::from_secs(60), cutting.record(&Unread)).await;
    assert_eq!(recorded.expect("it is answered"), Recorded::InDatabase);
    assert_eq!(house.store.standing().len(), 1, "until memory shows it");
    let (_room, _tasks) = working(&house.store).await;
    until_nothing_waits(&house.store).await;
    assert!(house.store.standing().is_empty() && shown(&house.store, &event).await.is_some());
    assert_eq!(house.notes().await, 1, "written once");
}

async fn an_act_does_not_wait_for_ever_for_what_memory_does_not_read(kind: Kind) {
    let house = House::new(kind).await;
    forbid(&house.config).await;
    let (event, ..) = cut(&house, "a").await;
    allow(&house.config).await;
    let room = Arc::new(Hanging::default());
    let weak: Weak<Hanging> = Arc::downgrade(&room);
    house.store.write_cuts_with(weak);
    let _tasks = house.store.start_tasks().await;
    let asked = tokio::time::timeout(Duration::from_secs(90), house.store.write(house.permit(Raise("app/1")))).await;
    let refused = asked.expect("it is answered").unwrap_err();
    assert!(matches!(refused, StoreError::Unwritable { .. }), "{refused:?}");
    assert!(shown(&house.store, &event).await.is_some(), "it is written all the same");
    assert_eq!(house.store.standing().len(), 1, "and stands until memory shows it");
}

/// Finds the database gone, and counts how often.
#[derive(Default)]
struct Gone {
    tried: AtomicUsize,
}

#[async_trait]
impl CutRows for Gone {
    async fn rows(&self, _note: &CutNote, _tx: &mut Tx) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.tried.fetch_add(1, Ordering::SeqCst);
        Err(Box::new(StoreError::Unwritable { reason: "gone", source: None }))
    }

    async fn settled(&self, _note: &CutNote, _epoch: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}

async fn nobody_waits_for_each_cut_while_the_database_is_gone(kind: Kind) {
    let house = House::new(kind).await;
    forbid(&house.config).await;
    for id in ["a", "b", "c"] {
        assert_eq!(cut(&house, id).await.2, Recorded::InJournal);
    }
    allow(&house.config).await;
    drop(house.store.cut(house.permit(Sever("d")), secret("d")));
    assert_eq!(house.store.journal_state().in_memory, 1);
    let room = Arc::new(Gone::default());
    let weak: Weak<Gone> = Arc::downgrade(&room);
    house.store.write_cuts_with(weak);
    // As long as it answers, what is in the way of one need not be in the way of the next.
    let refused = house.store.write(house.permit(Raise("app/1"))).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unwritable { .. }), "{refused:?}");
    assert_eq!(room.tried.swap(0, Ordering::SeqCst), 4, "a lock, perhaps");
    outside(&house.config, sql::EPOCHS_AWAY, sql::EPOCHS_AWAY).await;
    let refused = house.store.write(house.permit(Raise("app/1"))).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unwritable { .. }), "{refused:?}");
    assert_eq!(room.tried.load(Ordering::SeqCst), 1, "the first says it for all");
    let state = house.store.journal_state();
    assert_eq!((state.waiting, state.in_memory), (4, 0), "what was in memory alone is in the journal");
}

/// A full disk: nothing is written, and the journal, which has its room, takes the cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_does_not_stop_a_cut() {
    let house = House::still(Kind::Sqlite).await;
    let (mut config, authority, clock, dir) = house.close().await;
    let reserve = std::mem::replace(&mut config.reserve_bytes, u64::MAX);
    let store = House::open(&config, &authority).await.unwrap();
    let house = House { store, authority, clock, config, dir };
    let (event, _, recorded) = cut(&house, "a").await;
    assert_eq!(recorded, Recorded::InJournal);
    let (mut config, authority, clock, dir) = house.close().await;
    config.reserve_bytes = reserve;
    let store = House::open(&config, &authority).await.unwrap();
    let house = House { store, authority, clock, config, dir };
    let (_room, _tasks) = working(&house.store).await;
    until_nothing_waits(&house.store).await;
    assert!(shown(&house.store, &event).await.is_some());
}

impl House {
    async fn close_tasks(
        self,
        tasks: store::Tasks,
    ) -> (StoreConfig, Arc<authority::Authority>, Arc<ManualClock>, tempfile::TempDir) {
        drop(tasks);
        self.close().await
    }
}

/// Both are cuts: other acts never come out of the journal.
#[test]
fn the_acts_of_this_suite_are_cuts() {
    for rule in [Sever::RULE, Leave::RULE] {
        assert_eq!(rule.durability, authority::Durability::Cut, "{}", rule.name);
    }
}
