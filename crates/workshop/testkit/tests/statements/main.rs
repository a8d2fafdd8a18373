//! A fault at each statement of each kind of act: on both engines one that the database refuses, at every table that the
//! act writes; on PostgreSQL also at the n-th statement on the wire, refused, or with the connection lost before it or
//! after it, COMMIT among them. The sequencer, a backup and a first start meet the same. Nothing acknowledged is lost,
//! nothing is half done, the log verifies.
//!
//! All of it from outside: the product has no place where a fault can be asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod acts;
mod beside;
mod tables;
mod wire;

use acts::{Act, Load};
use model::SystemClock;
use std::sync::Arc;
use tables::Database;
use testkit::{Engine, Postgres, Town, rounds, until};
use wire::{Fault, Wire};

async fn is_ready(town: &Town) -> bool {
    town.get("/readyz").await.status == 200
}

/// What a refusal at a table is, must be so at each: refused in plain words, or cut all the same.
async fn a_refusal_at_each_table(engine: Engine) {
    let database = match engine {
        Engine::Sqlite => None,
        Engine::Postgres => Some(Postgres::create().await.url),
    };
    let town = Town::at(database.as_deref(), "", "", Arc::new(SystemClock)).await;
    let database = Database::of(database, &town);
    let mut load = Load::begin(&town).await;
    until("it is ready", async || is_ready(&town).await).await;
    let mut refused = 0;
    for act in Act::ALL {
        load.prepare(&town, act).await;
        let before = database.rows().await;
        assert!(load.perform(&town, act).await, "{act:?} without a fault");
        let written = tables::changed(&before, &database.rows().await);
        assert!(written.iter().any(|table| table == "events"), "{act:?}: {written:?}");
        for table in written {
            load.prepare(&town, act).await;
            database.forbid(&table).await;
            let done = load.perform(&town, act).await;
            database.allow(&table).await;
            refused += u32::from(!done);
            until("service returns", async || is_ready(&town).await).await;
            assert_eq!(load.is_there(&town, act).await, done, "{act:?} with a fault at `{table}`");
        }
    }
    assert!(refused > 20, "{refused} acts were refused");
    load.holds(&town).await;
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_at_each_table_on_sqlite() {
    a_refusal_at_each_table(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_at_each_table_on_postgres() {
    a_refusal_at_each_table(Engine::Postgres).await;
}

/// Statements of one act, and of what runs beside it: no act has more.
const MOST: u32 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_each_statement_on_the_wire() {
    let (url, wire) = Wire::to(&Postgres::create().await.url).await;
    let town = Town::at(Some(&url), "", "", Arc::new(SystemClock)).await;
    let mut load = Load::begin(&town).await;
    until("it is ready", async || is_ready(&town).await).await;
    // All of them in the long test, one in twelve in the short one, others for each act.
    let step = if rounds(1) > 1 { 1 } else { 12 };
    let (mut hit, mut refused) = (0, 0);
    for (index, act) in (0..).zip(Act::ALL) {
        for fault in Fault::ALL {
            let mut comes = true;
            for n in (1 + index % step..=MOST).step_by(usize::try_from(step).unwrap()) {
                load.prepare(&town, act).await;
                wire.arm(fault, n);
                let done = load.perform(&town, act).await;
                let fired = wire.disarm();
                until("service returns", async || is_ready(&town).await).await;
                let there = load.is_there(&town, act).await;
                assert!(there || !done, "{act:?}: acknowledged and not there, {fault:?} at {n}");
                // Once the COMMIT is on its way it is open whether it took place: what is read after it may fail as well.
                let open = fault == Fault::LostAfter || wire.committed();
                assert!(done || !there || open, "{act:?}: refused and there, {fault:?} at {n}");
                (hit, refused) = (hit + u32::from(fired), refused + u32::from(!done));
                comes = fired;
                if !fired {
                    break;
                }
            }
            assert!(!comes || rounds(1) == 1, "{act:?} has more statements than {MOST}: {fault:?}");
        }
    }
    assert!(hit > 160 / step && refused > 40 / step, "{hit} faults, {refused} refusals");
    load.holds(&town).await;
    town.stop().await;
}
