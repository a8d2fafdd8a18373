//! The record: what is sealed, what is buffered, what is counted, how it is listed.

use crate::{both, sql, support::*};
use authority::{Caller, Origin, Target, Who};
use model::{PersonId, TenantId, TraceId};
use serde_json::json;
use std::time::Duration;
use store::{Database, EventFilter, Outcome, StoreError};

both! {
    sealed_text_opens_and_dies_with_its_key
    accesses_are_buffered_and_flushed
    a_full_buffer_refuses
    what_stalls_refuses_as_what_fails
    refusals_are_events
    a_crash_leaves_a_gap
    a_gap_begins_before_what_was_lost
    a_start_that_is_recorded_late_tells_of_the_crash_before_it
    a_stop_waits_for_what_is_under_way
    what_outlasts_a_stop_is_a_gap
    what_no_row_holds_stops_nobody
    what_the_database_refuses_by_itself_is_dropped_and_told
    lists_are_newest_first_and_filtered
    a_person_is_found_as_doer_and_as_subject
}

async fn sealed_text_opens_and_dies_with_its_key(kind: Kind) {
    let house = House::new(kind).await;
    let ana = ana(&house.clock).traced(TraceId::new("ab".repeat(16)));
    let act = |why: &'static str| {
        let permit = house.authority.decide(&ana, Change("app/1")).unwrap();
        let store = house.store.clone();
        async move {
            let (_, tx) = store.write(permit).await.unwrap();
            tx.commit(json!({}), Some(why)).await.unwrap()
        }
    };
    let first = act("canary: it leaked").await;
    let second = act("canary: again").await;
    let tenant = TenantId::main();
    let read = |id| house.store.event(&tenant, id);
    let event = read(&first.event).await.unwrap().unwrap();
    let stored = String::from_utf8(event.body.clone().unwrap()).unwrap();
    assert!(!stored.contains("canary") && !stored.contains("192.0.2.7"), "{stored}");
    let shown = house.store.show(&event).await.unwrap();
    assert_eq!(shown["why"], "canary: it leaked");
    assert_eq!(shown["from"], json!({ "ip": "192.0.2.7", "device": "Firefox canary-device" }));
    assert!(shown.get("why_sealed").is_none() && shown["trace_id"] == "ab".repeat(16));
    // Sealed for its own event: moved into another, it does not open.
    let mut moved = read(&second.event).await.unwrap().unwrap();
    moved.body.clone_from(&event.body);
    assert_eq!(house.store.fill(&moved).await.unwrap().why, None);

    let (_, mut tx) = house.store.write(house.permit(Change("person/ana"))).await.unwrap();
    tx.forget_subject(&ana.subject()).await.unwrap();
    tx.commit(json!({}), Some("asked to be forgotten")).await.unwrap();
    for id in [&first.event, &second.event] {
        let event = read(id).await.unwrap().unwrap();
        assert_eq!(house.store.fill(&event).await.unwrap(), store::Filled::default());
        assert!(event.body.is_some());
    }
    let third = act("a new key").await;
    let event = read(&third.event).await.unwrap().unwrap();
    assert_eq!(house.store.fill(&event).await.unwrap().why.as_deref(), Some("a new key"));
}

async fn accesses_are_buffered_and_flushed(kind: Kind) {
    let house = House::new(kind).await;
    let tasks = house.store.start_tasks().await;
    let ids: Vec<_> = (0..700)
        .map(|n| house.store.access(house.permit(Look("apps")), Outcome::Allowed, json!({ "n": n })).unwrap())
        .collect();
    house.store.flush_access().await.unwrap();
    let last = house.store.event(&TenantId::main(), &ids[699]).await.unwrap().unwrap();
    assert_eq!(last.json().unwrap()["durability"], "access");
    assert_eq!(house.events().await.len(), 700);
    house.store.access(house.permit(Look("apps")), Outcome::Failed, json!({})).unwrap();
    tasks.stop().await.unwrap();
    let events = house.events().await;
    assert_eq!(events.len(), 701);
    assert!(events.iter().all(|event| event.index.is_some()));
}

async fn a_full_buffer_refuses(kind: Kind) {
    let house = House::new(kind).await;
    let mut noted = 0;
    let refused = loop {
        match house.store.access(house.permit(Look("apps")), Outcome::Allowed, json!({})) {
            Ok(_) => noted += 1,
            Err(error) => break error,
        }
        assert!(noted < 100_000, "the buffer has no bound");
    };
    assert!(matches!(refused, StoreError::Busy { .. }), "{refused:?}");
    assert_eq!(refused.problem().status(), 503);
}

/// Nobody is told that anything failed: somebody has the writer, or the table, and keeps it.
async fn what_stalls_refuses_as_what_fails(kind: Kind) {
    let house = House::new(kind).await;
    let tasks = house.store.start_tasks().await;
    let holds = Holds::events(&house).await;
    let note = || house.store.access(house.permit(Look("apps")), Outcome::Allowed, json!({}));
    let first = note().unwrap();
    let refused = async {
        loop {
            match note() {
                Ok(_) => tokio::time::sleep(Duration::from_millis(2)).await,
                Err(error) => return error,
            }
        }
    };
    // Before whoever waits for it gives up, which is an error as any.
    let refused = tokio::time::timeout(Duration::from_secs(6), refused).await.expect("it is refused");
    assert!(matches!(refused, StoreError::Unwritable { .. }), "{refused:?}");
    holds.let_go().await;
    house.store.flush_access().await.unwrap();
    assert!(house.store.event(&TenantId::main(), &first).await.unwrap().is_some(), "it waited");
    note().unwrap();
    tasks.stop().await.unwrap();
}

/// Keeps every event out of the record, without a word.
enum Holds {
    Writer(Box<store::Tx>),
    Table(tokio_postgres::Client),
}

impl Holds {
    async fn events(house: &House) -> Self {
        match &house.config.database {
            Database::Sqlite { .. } => {
                let (_, tx) = house.store.write(house.permit(Change("app/1"))).await.unwrap();
                Self::Writer(Box::new(tx))
            }
            Database::Postgres { url } => {
                let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                client.batch_execute(sql::HOLD_EVENTS).await.unwrap();
                Self::Table(client)
            }
        }
    }

    async fn let_go(self) {
        match self {
            Self::Writer(tx) => drop(tx),
            Self::Table(client) => client.batch_execute(sql::COMMIT).await.unwrap(),
        }
    }
}

async fn refusals_are_events(kind: Kind) {
    let house = House::new(kind).await;
    let tasks = house.store.start_tasks().await;
    let target = Target::new(TenantId::main(), "app/1");
    let ana = ana(&house.clock);
    let denied = house.authority.decide(&ana, Raise("app/1")).unwrap_err();
    house.store.denied(&denied, &ana, &target).await.unwrap();
    let event = house.events().await.remove(0);
    assert_eq!((event.action.as_str(), event.outcome.as_str()), ("app.deploy", "denied"));
    assert_eq!(event.json().unwrap()["detail"]["code"], denied.code);

    for n in 0..300_u32 {
        let origin = Origin { ip: Some(std::net::Ipv4Addr::from(0xc000_0200 + n % 3).into()), device: None };
        let stranger = Caller::new(TenantId::main(), Who::Stranger).from(origin);
        let denied = house.authority.decide(&stranger, Raise("app/1")).unwrap_err();
        house.store.denied(&denied, &stranger, &target).await.unwrap();
    }
    assert_eq!(house.events().await.len(), 1);
    let device = Some("Chrome on Linux".into());
    let origin = Origin { ip: Some(std::net::Ipv4Addr::from(0xc000_0207).into()), device };
    let stranger = Caller::new(TenantId::main(), Who::Stranger).from(origin);
    house.store.count_sign_in(&stranger, "link.spend", &Target::new(TenantId::main(), "link/void"), "link");
    house.clock.advance(Duration::from_secs(60));
    tasks.stop().await.unwrap();
    let counted: Vec<_> = house.events().await.into_iter().filter(|event| event.subject == "stranger").collect();
    let (tried, counted): (Vec<_>, Vec<_>) = counted.into_iter().partition(|event| event.action == "link.spend");
    assert_eq!((counted.len(), tried.len()), (3, 1));
    assert!(counted.iter().all(|event| event.json().unwrap()["detail"]["count"] == 100));
    // A sign-in that failed says how it was tried, and from where.
    let shown = house.store.show(&tried[0]).await.unwrap();
    let said = (&shown["outcome"], &shown["detail"]["method"], &shown["from"]["ip"], &shown["from"]["device"]);
    assert_eq!(said, (&json!("denied"), &json!("link"), &json!("192.0.2.7"), &json!("Chrome on Linux")), "{shown}");
}

async fn a_crash_leaves_a_gap(kind: Kind) {
    let house = House::new(kind).await;
    let clean = house.store.start_tasks().await;
    clean.stop().await.unwrap();
    let house = next(house).await;
    let crashed = house.store.start_tasks().await;
    assert_eq!(house.events().await.len(), 0);
    drop(crashed);
    house.clock.advance(Duration::from_secs(9));
    let again = house.store.start_tasks().await;
    let gap = house.events().await.remove(0);
    assert_eq!((gap.action.as_str(), gap.resource.as_str()), ("record.gap", "node/one"));
    let detail = &gap.json().unwrap()["detail"];
    assert_eq!(
        (&detail["from"], &detail["until"]),
        (&json!("2026-11-23T00:00:00.000Z"), &json!("2026-11-23T00:00:09.000Z"))
    );
    again.stop().await.unwrap();
}

/// The store of the process after.
async fn next(house: House) -> House {
    let (config, authority, clock, dir) = house.close().await;
    let store = House::open(&config, &authority).await.unwrap();
    House { store, authority, clock, config, dir }
}

/// From when to when each crash of the node lost what was buffered, newest first.
async fn gaps(house: &House) -> Vec<(String, String)> {
    let gaps = house.events().await.into_iter().filter(|event| event.action == "record.gap");
    let details = gaps.map(|event| event.json().unwrap()["detail"].clone());
    let of_crashes = details.filter(|detail| detail.get("events").is_none());
    let moment = |detail: &serde_json::Value, of: &str| detail[of].as_str().unwrap().to_owned();
    of_crashes.map(|detail| (moment(&detail, "from"), moment(&detail, "until"))).collect()
}

/// Whatever else is written meanwhile.
async fn a_gap_begins_before_what_was_lost(kind: Kind) {
    let house = House::new(kind).await;
    let tasks = house.store.start_tasks().await;
    let note = || house.store.access(house.permit(Look("apps")), Outcome::Allowed, json!({})).unwrap();
    // More than one commit of them, all noted at one moment, the last of which may be lost.
    house.clock.advance(Duration::from_secs(1));
    (0..600).for_each(|_| drop(note()));
    house.clock.advance(Duration::from_secs(1));
    house.store.flush_access().await.unwrap();
    note();
    house.clock.advance(Duration::from_secs(1));
    let ana = ana(&house.clock);
    let denied = house.authority.decide(&ana, Raise("app/1")).unwrap_err();
    house.store.denied(&denied, &ana, &Target::new(TenantId::main(), "app/1")).await.unwrap();
    house.store.check_writable().await.unwrap();
    drop(tasks);
    let again = house.store.start_tasks().await;
    let (from, until) = gaps(&house).await.remove(0);
    assert!(from.as_str() >= "2026-11-23T00:00:01.000Z", "{from}: what came before is in the record");
    assert!(from.as_str() <= "2026-11-23T00:00:02.000Z", "{from}: what was noted then is lost, or may be");
    assert_eq!(until, "2026-11-23T00:00:03.000Z");
    again.stop().await.unwrap();
}

async fn a_start_that_is_recorded_late_tells_of_the_crash_before_it(kind: Kind) {
    let house = House::new(kind).await;
    let crashed = house.store.start_tasks().await;
    drop(crashed);
    house.clock.advance(Duration::from_secs(9));
    forbid(&house.config).await;
    let tasks = house.store.start_tasks().await;
    // Noted by the run that could not be recorded yet, and written before it is.
    house.store.access(house.permit(Look("apps")), Outcome::Allowed, json!({})).unwrap();
    house.clock.advance(Duration::from_secs(9));
    allow(&house.config).await;
    let told = async {
        while gaps(&house).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), told).await.expect("the gap is told");
    let crash = ("2026-11-23T00:00:00.000Z".to_owned(), "2026-11-23T00:00:09.000Z".to_owned());
    assert_eq!(gaps(&house).await, [crash]);
    tasks.stop().await.unwrap();
}

async fn a_stop_waits_for_what_is_under_way(kind: Kind) {
    let house = House::new(kind).await;
    let tasks = house.store.start_tasks().await;
    let expected = house.store.expect_access();
    let note = || house.store.access(house.permit(Look("apps")), Outcome::Failed, json!({}));
    let ending = async {
        tokio::task::yield_now().await;
        note().unwrap();
        drop(expected);
    };
    let (stopped, ()) = tokio::join!(tasks.stop(), ending);
    stopped.unwrap();
    assert!(house.events().await[0].index.is_some(), "it is in the record, with its place");
    let late = note().unwrap_err();
    assert!(matches!(late, StoreError::Closed), "{late:?}");
    let house = next(house).await;
    let tasks = house.store.start_tasks().await;
    assert_eq!((gaps(&house).await.len(), house.events().await.len()), (0, 1));
    tasks.stop().await.unwrap();
}

async fn what_outlasts_a_stop_is_a_gap(kind: Kind) {
    let house = House::new(kind).await;
    let tasks = house.store.start_tasks().await;
    let expected = house.store.expect_access();
    house.clock.advance(Duration::from_secs(1));
    let refused = tasks.stop().await.unwrap_err();
    assert!(matches!(refused, StoreError::Unwritable { .. }), "{refused:?}");
    drop(expected);
    let house = next(house).await;
    let tasks = house.store.start_tasks().await;
    let gap = ("2026-11-23T00:00:00.000Z".to_owned(), "2026-11-23T00:00:01.000Z".to_owned());
    assert_eq!(gaps(&house).await, [gap]);
    // What was not taken, and what nothing tells of, is no better.
    house.store.miss_access(2);
    let refused = tasks.stop().await.unwrap_err();
    assert!(matches!(refused, StoreError::Unwritable { .. }), "{refused:?}");
    let house = next(house).await;
    let tasks = house.store.start_tasks().await;
    assert_eq!(gaps(&house).await.len(), 2);
    house.store.miss_access(2);
    house.store.tell_missed(2);
    tasks.stop().await.unwrap();
}

/// Whatever somebody names: refused to their face where it was to wait, on the record where it was denied.
async fn what_no_row_holds_stops_nobody(kind: Kind) {
    let house = House::new(kind).await;
    let tasks = house.store.start_tasks().await;
    let note = |on| house.store.access(house.permit(Look(on)), Outcome::Allowed, json!({}));
    let refused = note("secret/people-ops/\0").unwrap_err();
    assert!(matches!(refused, StoreError::Param { .. }), "{refused:?}");
    assert_eq!((refused.problem().code.as_str(), refused.problem().status()), ("store.text", 400));
    let noted = note("apps").unwrap();
    house.store.flush_access().await.unwrap();
    assert!(house.store.event(&TenantId::main(), &noted).await.unwrap().is_some());

    let ana = ana(&house.clock);
    let denied = house.authority.decide(&ana, Raise("app/1")).unwrap_err();
    let target = Target::new(TenantId::main(), format!("app/\0{}", "ü".repeat(4_000)));
    house.store.denied(&denied, &ana, &target).await.unwrap();
    let event = house.events().await.into_iter().find(|event| event.outcome == "denied").unwrap();
    assert!(event.resource.starts_with("app/\u{fffd}ü") && event.resource.len() <= 1_000, "{}", event.resource);
    assert_eq!(event.json().unwrap()["resource"], event.resource, "the log says the same");
    tasks.stop().await.unwrap();
}

async fn what_the_database_refuses_by_itself_is_dropped_and_told(kind: Kind) {
    let house = House::new(kind).await;
    outside(&house.config, sql::REFUSE_ONE_SQLITE, sql::REFUSE_ONE_POSTGRES).await;
    let tasks = house.store.start_tasks().await;
    let note = |on| house.store.access(house.permit(Look(on)), Outcome::Allowed, json!({})).unwrap();
    let noted = ["apps", "poison", "apps", "poison", "apps"].map(|on| (on, note(on)));
    house.store.flush_access().await.unwrap();
    for (on, id) in noted {
        let found = house.store.event(&TenantId::main(), &id).await.unwrap();
        assert_eq!(found.is_some(), on == "apps", "{on}");
    }
    let events = house.events().await;
    assert_eq!(events.iter().filter(|event| event.action == "app.list").count(), 3, "each once");
    let gaps = events.iter().filter(|event| event.action == "record.gap").map(|event| event.json().unwrap());
    let lacking: u64 = gaps.map(|gap| gap["detail"]["events"].as_u64().unwrap()).sum();
    assert_eq!(lacking, 2);
    note("apps");
    tasks.stop().await.unwrap();
}

/// Nothing writes what is buffered: without the tasks, as behind a database that does not answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_the_record_of_requests_is_told_when_it_cannot_be_written() {
    let house = House::still(Kind::Sqlite).await;
    let refused = house.store.flush_access().await.unwrap_err();
    assert_eq!(refused.problem().code, "record.unwritable", "{refused:?}");
}

/// Six acts, a second apart; ana does those with an odd number, in one trace.
async fn six_acts(kind: Kind) -> (House, TraceId) {
    let house = House::new(kind).await;
    let trace = TraceId::new("cd".repeat(16));
    let ana = ana(&house.clock).traced(trace.clone());
    for n in 0..6 {
        house.clock.advance(Duration::from_secs(1));
        let caller = if n % 2 == 0 { machine() } else { ana.clone() };
        let permit = house.authority.decide(&caller, Change("app/1")).unwrap();
        let (_, tx) = house.store.write(permit).await.unwrap();
        tx.commit(json!({ "n": n }), None).await.unwrap();
    }
    (house, trace)
}

async fn listed(house: &House, edit: impl FnOnce(&mut EventFilter)) -> Vec<i64> {
    let mut filter = EventFilter::default();
    edit(&mut filter);
    let events = house.store.events(&TenantId::main(), &filter).await.unwrap();
    let number = |event: &store::Event| event.json().unwrap()["detail"]["n"].as_i64().unwrap();
    events.iter().map(number).collect()
}

async fn lists_are_newest_first_and_filtered(kind: Kind) {
    let (house, trace) = six_acts(kind).await;
    assert_eq!(listed(&house, |_| {}).await, [5, 4, 3, 2, 1, 0]);
    let cursor = house.events().await[1].cursor;
    let page = listed(&house, |filter| (filter.after, filter.limit) = (Some(cursor), Some(3)));
    assert_eq!(page.await, [3, 2, 1]);
    let person = listed(&house, |filter| filter.person = Some(PersonId::new("ana")));
    assert_eq!(person.await, [5, 3, 1]);
    let traced = listed(&house, |filter| filter.trace = Some(trace));
    assert_eq!(traced.await, [5, 3, 1]);
    let action = listed(&house, |filter| {
        (filter.action, filter.limit) = (Some("release.reject".to_owned()), Some(1));
    });
    assert_eq!(action.await, [5]);
    let app = listed(&house, |filter| filter.app = Some(model::AppId::new("1")));
    assert!(app.await.is_empty());
    let moment = |after| Some(model::Timestamp::from_ms(START_MS + after));
    let within = listed(&house, |filter| (filter.since, filter.until) = (moment(2000), moment(3000)));
    assert_eq!(within.await, [2, 1]);
    let other = house.store.events(&TenantId::new("other"), &EventFilter::default()).await;
    assert_eq!(other.unwrap(), []);
}

/// By a person is found what they did, and what was done about them: each once, newest first, page by page.
async fn a_person_is_found_as_doer_and_as_subject(kind: Kind) {
    let (house, _) = six_acts(kind).await;
    let act = async |number: i64, about: Option<&str>, resource: &'static str| {
        house.clock.advance(Duration::from_secs(1));
        let permit = house.authority.decide(&machine(), Change(resource)).unwrap();
        let (_, mut tx) = house.store.write(permit).await.unwrap();
        if let Some(person) = about {
            tx.about(&PersonId::new(person));
        }
        tx.commit(json!({ "n": number }), None).await.unwrap();
    };
    act(6, Some("ana"), "role_request/7").await;
    act(7, None, "person/ana").await;
    act(8, Some("ana"), "person/ana").await;
    act(9, Some("bo"), "role_request/8").await;
    act(10, None, "person/bo").await;
    let found = listed(&house, |filter| filter.person = Some(PersonId::new("ana")));
    assert_eq!(found.await, [8, 7, 6, 5, 3, 1]);
    let cursor = house.events().await.iter().find(|event| event.resource == "role_request/7").unwrap().cursor;
    let page = listed(&house, |filter| {
        (filter.person, filter.after, filter.limit) = (Some(PersonId::new("ana")), Some(cursor), Some(2));
    });
    assert_eq!(page.await, [5, 3]);
    let on = listed(&house, |filter| {
        (filter.person, filter.resource) = (Some(PersonId::new("ana")), Some("role_request/7".to_owned()));
    });
    assert_eq!(on.await, [6]);
    let event = house.events().await.into_iter().find(|event| event.resource == "role_request/7").unwrap();
    assert_eq!(event.json().unwrap()["about"], "ana", "the log holds it too");
}
