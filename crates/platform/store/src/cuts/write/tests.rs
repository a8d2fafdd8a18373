//! A disk that stands still: its turn is kept, as by a write that does not return.

use super::*;
use crate::{Database, StoreConfig};
use authority::{Authority, Caller, Facts, Policy, Rule, Target, Who, rules};
use model::{Clock, ManualClock, SessionId, TenantId, Timestamp};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use tokio::sync::OwnedMutexGuard;

#[derive(Debug)]
struct Leave;

impl Act for Leave {
    const RULE: &'static Rule = &rules::OIDC_LOGOUT;
    fn target(&self) -> Target {
        Target::new(TenantId::main(), "session/s")
    }
}

/// A database that takes what is cut, or does not.
#[derive(Default)]
struct Rows {
    taken: AtomicBool,
}

#[async_trait]
impl CutRows for Rows {
    async fn rows(&self, _note: &CutNote, _tx: &mut Tx) -> Result<(), Failed> {
        if self.taken.load(Ordering::SeqCst) { Ok(()) } else { Err("not now".into()) }
    }

    async fn settled(&self, _note: &CutNote, _epoch: u64) -> Result<(), Failed> {
        Ok(())
    }
}

struct House {
    store: Arc<Store>,
    rows: Arc<Rows>,
    folder: TempDir,
}

impl House {
    /// With one cut, which neither the database nor the disk has taken.
    async fn cut() -> (Self, OwnedMutexGuard<()>) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(1_795_392_000_000)));
        let rego = "package bailiwick\nimport rego.v1\ndeny contains x if { input.never; x := {\"code\": \"x\", \"why\": \"x\", \"fix\": \"x\"} }";
        let policy = Policy::compile(&[("test.rego".to_owned(), rego.to_owned())]).unwrap();
        let authority = Arc::new(Authority::new(Arc::clone(&clock) as Arc<dyn Clock>, Some(policy)));
        authority.replace(&TenantId::main(), Facts::default());
        let config = StoreConfig {
            database: Database::Sqlite { path: folder.path().join("bailiwick.db") },
            clock,
            root: seal::RootKey::from_bytes([7; 32]),
            node: "one".to_owned(),
            data_dir: folder.path().to_owned(),
            log_host: "localhost:7070".to_owned(),
            reserve_bytes: 0,
            depot: None,
        };
        let store = Store::open(config, Arc::clone(&authority) as _, &[]).await.unwrap();
        let rows = Arc::new(Rows::default());
        let weak: Weak<Rows> = Arc::downgrade(&rows);
        store.write_cuts_with(weak);

        let still = Arc::clone(&store.cuts.disk).lock_owned().await;
        let permit = authority.decide(&Caller::new(TenantId::main(), Who::Stranger), Leave).unwrap();
        let (_, cutting) = store.cut(permit, CutOf::Session(SessionId::new("s")));
        let recorded = tokio::time::timeout(Duration::from_secs(60), cutting.record(&*rows)).await;
        assert_eq!(recorded.expect("it is answered"), Recorded::InMemory);
        let state = store.journal_state();
        assert_eq!((state.waiting, state.in_memory), (1, 1), "whoever could give authority waits for it");
        (Self { store, rows, folder }, still)
    }

    async fn written(&self) {
        self.rows.taken.store(true, Ordering::SeqCst);
        let written = tokio::time::timeout(Duration::from_secs(60), self.store.write_waiting_cuts()).await;
        written.expect("nobody waits for the disk").unwrap();
        assert!(self.store.standing().is_empty());
    }

    /// Once the disk has done all that it had to do.
    async fn journal_is_empty(&self) {
        self.store.on_disk(|_| ()).await.unwrap();
        let journal = std::fs::read(self.folder.path().join("cuts.journal")).unwrap();
        assert!(journal.iter().all(|byte| *byte == 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_disk_takes_late_is_kept_and_freed() {
    let (house, still) = House::cut().await;
    drop(still);
    house.store.on_disk(|_| ()).await.unwrap();
    assert_eq!((house.store.journal_state().waiting, house.store.journal_state().in_memory), (1, 0));
    house.written().await;
    house.journal_is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_while_the_disk_stands_still_needs_no_place() {
    let (house, still) = House::cut().await;
    house.written().await;
    drop(still);
    house.journal_is_empty().await;
}
