//! Sign-ins and lookups that race an end: what was read or written before it brings nothing back, and whoever comes after
//! it gets in.

use crate::{
    AddPerson, Config, DisablePerson, Identity, MIGRATIONS, NewSession, Place, TakeLogin, Unremembered,
    sessions::{Heard, Method, Opening},
};
use authority::{Act, AppRef, Ask, Authority, Caller, Factor, Facts, Policy, Rule, Surface, Target, Who, rules};
use model::{AppId, Clock, Env, Group, Manifest, ManualClock, PersonId, ReleaseNumber, SessionId, TenantId};
use seal::TokenHash;
use std::{
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};
use store::{CutNote, CutOf, CutRows, Database, Recorded, Store, StoreConfig, Tx};

const MANIFEST: &str = "[app]\nname = \"poll\"\nteam = \"people-ops\"\npurpose = \"Polls\"\nexpires = \"2026-12-01\"\nclass = \"internal\"\n[runtime]\nprofile = \"wasm\"\nmain = \"app.js\"\n[access]\nuse = [\"everyone\"]\n";

#[derive(Debug)]
struct Opened(AppRef);

impl Act for Opened {
    const RULE: &'static Rule = &rules::JOB_RUN;
    fn target(&self) -> Target {
        Target::within(TenantId::main(), &self.0, "app/1")
    }
}

/// No provider is reached from here.
#[derive(Debug)]
struct Nowhere;

#[async_trait::async_trait]
impl crate::Reach for Nowhere {
    async fn reach(&self, _request: crate::HttpRequest) -> Result<crate::HttpResponse, crate::Unreached> {
        Err(crate::Unreached::Failed("nowhere".to_owned()))
    }
}

fn machine() -> Caller {
    Caller::new(TenantId::main(), Who::Machine { system_user: "t".into() })
}

fn config(root: &seal::RootKey) -> Config {
    Config {
        tenant: TenantId::main(),
        keys: root.tenant(&TenantId::main()),
        public_url: "http://localhost:7070".to_owned(),
        node: "n1".to_owned(),
        provider: None,
        reach: Arc::new(Nowhere),
        links: None,
    }
}

struct House {
    identity: Identity,
    /// Of the one that a new process begins with.
    next: Option<Config>,
    clock: Arc<ManualClock>,
    app: AppRef,
    person: PersonId,
    _folder: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        let manual = Arc::new(ManualClock::at("2026-11-23T12:00:00Z".parse().unwrap()));
        let clock: Arc<dyn Clock> = Arc::clone(&manual) as _;
        let rego = "package bailiwick\nimport rego.v1\ndeny contains x if { false; x := {\"code\": \"no\", \"why\": \"no\", \"fix\": \"no\"} }";
        let policy = Policy::compile(&[("t.rego".to_owned(), rego.to_owned())]).unwrap();
        let authority = Arc::new(Authority::new(Arc::clone(&clock), Some(policy)));
        authority.replace(&TenantId::main(), Facts::default());
        let folder = tempfile::tempdir().unwrap();
        let root = seal::RootKey::generate();
        let (config, next) = (config(&root), config(&root));
        let database = Database::Sqlite { path: folder.path().join("bailiwick.db") };
        let store_config = StoreConfig {
            database,
            clock: Arc::clone(&clock),
            root,
            node: "n1".to_owned(),
            data_dir: folder.path().to_owned(),
            log_host: "localhost:7070".to_owned(),
            reserve_bytes: 0,
            depot: None,
        };
        let store = Store::open(store_config, Arc::clone(&authority) as _, &[MIGRATIONS]).await.unwrap();
        let identity = Identity::new(store, authority, clock, config);
        let add = AddPerson {
            tenant: TenantId::main(),
            email: "ana@example.test".to_owned(),
            groups: [Group::new("staff")].into(),
        };
        let permit = identity.authority.permit(&machine(), add).await.unwrap();
        let person = identity.add(permit).await.unwrap().person.id;
        identity.authority.replace(&TenantId::main(), Facts { epoch: 1, ..Facts::default() });
        identity.load_all().await.unwrap();
        Self {
            identity,
            next: Some(next),
            clock: manual,
            app: AppRef { id: AppId::new("0190poll"), env: Env::Prod },
            person,
            _folder: folder,
        }
    }

    async fn tx(&self) -> Tx {
        let permit = self.identity.authority.permit(&Caller::system("test"), Opened(self.app.clone())).await.unwrap();
        self.identity.store.write(permit).await.unwrap().1
    }

    async fn open(&self, credential_epoch: u64) {
        let manifest = Manifest::parse(MANIFEST.as_bytes(), "2026-11-23".parse().unwrap()).unwrap().manifest;
        let ask = Ask {
            app: &self.app,
            name: "poll",
            release: ReleaseNumber(1),
            manifest: &manifest,
            image: None,
            assets: None,
            credential_epoch,
            at: self.identity.clock.now(),
        };
        let mut tx = self.tx().await;
        self.identity.open(&mut tx, &ask).await.unwrap();
        tx.commit(serde_json::json!({}), None).await.unwrap();
        self.identity.refresh(&self.app).await.unwrap();
    }

    async fn cut(&self) {
        self.identity.cut(&self.app).await;
        let mut tx = self.tx().await;
        self.identity.cut_rows(&mut tx, &self.app).await.unwrap();
        tx.commit(serde_json::json!({}), None).await.unwrap();
    }

    /// What memory held is gone, as after a restart.
    async fn begins_anew(&mut self) {
        let (store, authority) = (Arc::clone(&self.identity.store), Arc::clone(&self.identity.authority));
        self.identity = Identity::new(store, authority, Arc::clone(&self.clock) as _, self.next.take().unwrap());
        self.identity.load_all().await.unwrap();
    }

    fn place(&self) -> Place {
        Place::App(self.app.clone())
    }

    /// A sign-in as far as its commit.
    async fn signs_in(&self) -> NewSession {
        self.signs_in_from(None).await
    }

    /// The same, by a session that there is.
    async fn signs_in_from(&self, parent: Option<SessionId>) -> NewSession {
        let credential_epoch = self.identity.credential_epoch_of(&self.place());
        let mut tx = self.tx().await;
        let opening = Opening {
            person: &self.person,
            place: self.place(),
            parent,
            factor: Factor::Link,
            method: Method::Link,
            vouched_by: None,
        };
        let mut new = self.identity.open_session(&mut tx, opening, None, self.identity.clock.now()).await.unwrap();
        new.session.credential_epoch = credential_epoch;
        tx.commit(serde_json::json!({}), None).await.unwrap();
        new
    }

    /// As a revoke whose look at the sessions came before a sign-in beside it was committed.
    async fn cuts_the_account_alone(&self) {
        self.identity.cut(&self.app).await;
        let mut tx = self.tx().await;
        self.identity.cut_account(&mut tx, &self.app).await.unwrap();
        tx.commit(serde_json::json!({}), None).await.unwrap();
    }

    /// As another node ends it; this one has not heard of it.
    async fn ends_elsewhere(&self, session: &NewSession) {
        let mut tx = self.tx().await;
        self.identity.end_rows(&mut tx, &session.session.id, self.clock.now()).await.unwrap();
        tx.commit(serde_json::json!({}), None).await.unwrap();
    }

    async fn lives(&self, session: &NewSession) -> bool {
        self.identity.session(session.token.expose(), &self.place()).await.unwrap().is_some()
    }
}

#[tokio::test]
async fn what_raced_a_revoke_stays_dead_after_a_restore() {
    let house = House::new().await;
    house.open(1).await;
    let before = house.signs_in().await;
    house.identity.sessions.insert(&before);
    assert!(house.lives(&before).await);
    let late = house.signs_in().await;
    house.cut().await;
    house.clock.advance(Duration::from_secs(1));
    // The revoke is over when the sign-in gets to memory; by the clock of another node it may even have begun after it.
    let mut late = late;
    late.session.created_at = house.clock.now();
    house.identity.sessions.insert(&late);
    house.open(2).await;
    assert!(!house.lives(&before).await && !house.lives(&late).await);
    let after = house.signs_in().await;
    house.identity.sessions.insert(&after);
    assert!(house.lives(&after).await);
}

/// The revoke did not end its row, and after a restart nobody remembers when that was.
#[tokio::test]
async fn what_raced_a_revoke_stays_dead_after_a_restore_and_a_restart() {
    let mut house = House::new().await;
    house.open(1).await;
    let before = house.signs_in().await;
    house.cuts_the_account_alone().await;
    house.clock.advance(Duration::from_secs(1));
    house.open(2).await;
    let after = house.signs_in().await;
    house.begins_anew().await;
    assert!(!house.lives(&before).await && house.lives(&after).await);
}

/// As when the sign-in was committed after the sign-out had looked for what came from it.
#[tokio::test]
async fn what_came_from_a_session_that_is_over_does_not_live() {
    let house = House::new().await;
    house.open(1).await;
    let (parent, other) = (house.signs_in().await, house.signs_in().await);
    house.ends_elsewhere(&parent).await;
    let late = house.signs_in_from(Some(parent.session.id.clone())).await;
    let beside = house.signs_in_from(Some(other.session.id.clone())).await;
    assert!(!house.lives(&late).await && house.lives(&beside).await);
    house.identity.load_all().await.unwrap();
    let knows = |id: &SessionId| house.identity.sessions.by_id(id, house.clock.now()).is_some();
    assert!(!knows(&late.session.id) && knows(&beside.session.id));
}

#[tokio::test]
async fn a_session_that_ended_elsewhere_lets_no_command_line_in() {
    let house = House::new().await;
    house.open(1).await;
    let (ended, goes_on) = (house.signs_in().await, house.signs_in().await);
    for (by, is_let_in) in [(&goes_on, true), (&ended, false)] {
        house.identity.sessions.insert(by);
        let secret = TokenHash::of(by.session.id.as_str());
        let permit = house.identity.authority.permit(&Caller::system("test"), Opened(house.app.clone())).await.unwrap();
        house.identity.confirm_login(permit, &secret, &by.session).await.unwrap();
        if !is_let_in {
            house.ends_elsewhere(by).await;
        }
        let stranger = Caller::new(TenantId::main(), Who::Stranger);
        let act = TakeLogin { tenant: TenantId::main(), secret };
        let permit = house.identity.authority.permit(&stranger, act).await.unwrap();
        assert_eq!(house.identity.take_login(permit, None).await.is_ok(), is_let_in);
    }
}

#[tokio::test]
async fn a_session_of_newer_credentials_than_memory_knows_is_found_once_memory_has_caught_up() {
    let house = House::new().await;
    house.open(1).await;
    // Another node read the row while it still took the credentials for older ones.
    let mut stale = house.signs_in().await;
    stale.session.credential_epoch = Some(0);
    house.identity.sessions.insert(&stale);
    assert!(house.lives(&stale).await);
}

#[tokio::test]
async fn a_row_that_was_read_before_an_end_puts_nothing_back() {
    let house = House::new().await;
    house.open(1).await;
    let (new, sessions) = (house.signs_in().await, &house.identity.sessions);
    // Its cookie comes here for the first time, and its row lives when it is read.
    let heard = sessions.heard();
    house.ends_elsewhere(&new).await;
    house.identity.session_ended(&new.session.id);
    assert!(!sessions.put(new.token.hash(), new.session.clone(), heard));
    assert!(!house.lives(&new).await);
}

#[tokio::test]
async fn a_sign_in_that_an_end_came_across_is_as_its_row_says() {
    let house = House::new().await;
    house.open(1).await;
    let (over, anew) = (house.signs_in().await, house.signs_in().await);
    house.ends_elsewhere(&over).await;
    house.identity.sessions_of_ended(&house.person);
    for new in [&over, &anew] {
        house.identity.sessions.insert(new);
        assert!(house.identity.sessions.by_id(&new.session.id, house.clock.now()).is_none());
    }
    assert!(!house.lives(&over).await && house.lives(&anew).await);
}

#[tokio::test]
async fn a_cookie_that_was_replaced_is_not_put_back() {
    let house = House::new().await;
    house.open(1).await;
    let (before, sessions) = (house.signs_in().await, &house.identity.sessions);
    sessions.insert(&before);
    let heard = sessions.heard();
    let mut tx = house.tx().await;
    let new = house.identity.strengthen(&mut tx, &before.session, house.clock.now(), None).await.unwrap();
    tx.commit(serde_json::json!({}), None).await.unwrap();
    house.identity.strengthened(&new).await;
    assert!(!sessions.put(before.token.hash(), before.session.clone(), heard));
    assert!(house.lives(&new).await && !house.lives(&before).await);
}

/// The rows of a cut; somebody reads the row of a session just before they are committed.
struct ReadBefore<'a> {
    identity: &'a Identity,
    heard: Mutex<Option<Heard>>,
}

#[async_trait::async_trait]
impl CutRows for ReadBefore<'_> {
    async fn rows(&self, note: &CutNote, tx: &mut Tx) -> Result<(), Box<dyn Error + Send + Sync>> {
        *self.heard.lock().unwrap() = Some(self.identity.sessions.heard());
        self.identity.rows(note, tx).await
    }

    async fn settled(&self, note: &CutNote, epoch: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.identity.settled(note, epoch).await
    }
}

#[tokio::test]
async fn a_row_that_was_read_between_a_cut_and_its_record_puts_nothing_back() {
    let house = House::new().await;
    house.open(1).await;
    let (new, identity) = (house.signs_in().await, &house.identity);
    let act = DisablePerson { tenant: TenantId::main(), person: house.person.clone() };
    let permit = identity.authority.permit(&machine(), act).await.unwrap();
    let (_, cutting) = identity.store.cut(permit, CutOf::Person(house.person.clone()));
    identity.disable_until_written(cutting.event(), &house.person);
    let rows = ReadBefore { identity, heard: Mutex::default() };
    assert_eq!(cutting.record(&rows).await, Recorded::InDatabase);
    // The cut does not stand any more: nothing but this refuses it.
    assert!(identity.store.standing().is_empty());
    let heard = rows.heard.into_inner().unwrap().unwrap();
    assert!(!identity.sessions.put(new.token.hash(), new.session.clone(), heard));
}

#[tokio::test]
async fn memory_says_what_it_knows_and_what_only_the_database_could() {
    let house = House::new().await;
    house.open(1).await;
    let session = house.signs_in().await;
    let (place, cookie) = (house.place(), session.token.expose().to_owned());
    let remembered = |place: &Place| house.identity.remembered(&cookie, place);
    assert_eq!(house.identity.remembered("made up", &place), Err(Unremembered));
    assert_eq!(remembered(&place), Err(Unremembered), "as when another node made it");
    assert!(house.lives(&session).await);
    assert_eq!(remembered(&place).unwrap().unwrap().id, session.session.id);
    assert_eq!(remembered(&Place::Console), Ok(None), "it is known, and of another place");
    // Under older credentials than the app has, its row is asked.
    let mut older = session.session.clone();
    older.credential_epoch = Some(0);
    let older = NewSession { session: older, token: session.token, heard: house.identity.sessions.heard() };
    house.identity.sessions.insert(&older);
    assert_eq!(remembered(&place), Err(Unremembered));
    assert!(house.lives(&older).await);
    house.clock.advance(Duration::from_secs(13 * 3_600));
    assert_eq!(remembered(&place), Ok(None), "it is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_are_read_again_at_one_time_all_come_in() {
    let house = Arc::new(House::new().await);
    house.open(1).await;
    let (mut all, mut reading) = (Vec::new(), tokio::task::JoinSet::new());
    for _ in 0..24 {
        all.push(house.signs_in().await);
    }
    for new in &all {
        let (house, id) = (Arc::clone(&house), new.session.id.clone());
        reading.spawn(async move { house.identity.refresh_session(&id).await });
    }
    let read = async {
        while let Some(read) = reading.join_next().await {
            read.unwrap().unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), read).await.expect("none keeps the others from it");
    for new in &all {
        assert!(house.identity.sessions.by_id(&new.session.id, house.clock.now()).is_some());
    }
}
