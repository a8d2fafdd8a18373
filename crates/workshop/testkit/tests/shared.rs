//! What nodes of one database share: rate limits, which all of them together never exceed, and the time, which no machine's
//! clock changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Clock, SystemClock, Timestamp};
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};
use store::CarriedClock;
use testkit::{Engine, Postgres, Town, manifest, until};

const APP: &str = "export default { fetch() { return new Response('ok'); } };";
const DAY_MS: i64 = 86_400_000;

/// A machine's clock that somebody sets.
#[derive(Debug, Default)]
struct Wall(AtomicI64);

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(SystemClock.now().as_ms() + self.0.load(Ordering::SeqCst))
    }
}

/// Two nodes on one database that serve an app with this limit, and the cookie of a person who is signed in there.
struct Pair {
    one: Town,
    two: Town,
    cookie: String,
    client: reqwest::Client,
}

/// One request: when it was sent, when it was answered, and with what.
struct Asked {
    sent: Instant,
    answered: Instant,
    status: u16,
    retry_after: Option<u64>,
    text: String,
}

impl Pair {
    async fn with(limit: &str) -> Self {
        let database = Postgres::create().await;
        let one = Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await;
        let two = Town::wired_to(&database.url).await;
        let manifest = manifest("ticker", &format!("[limits]\nrequests = \"{limit}\"\n"));
        let deployed = one.deploy(&[("bailiwick.toml", &manifest), ("app.js", APP)]).await;
        assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
        let ana = one.person("ana@example.test", &["staff"]).await;
        // Signing in is not a use of the app: what it redirects to is asked for once, and its count has to pass.
        let url = format!("{}/", one.app("ticker"));
        assert_eq!(ana.open(&url).await.status, 200);
        let cookie = ana.cookies("ticker.localhost");
        let pair = Self { one, two, cookie, client: reqwest::Client::builder().no_proxy().build().unwrap() };
        until("the other node serves it", || async { pair.ask(pair.two.port).await.status != 404 }).await;
        pair
    }

    async fn ask(&self, port: u16) -> Asked {
        self.ask_as(&self.client, &self.cookie, port).await
    }

    async fn ask_as(&self, client: &reqwest::Client, cookie: &str, port: u16) -> Asked {
        let sent = Instant::now();
        let answer = client
            .get(format!("http://127.0.0.1:{port}/"))
            .header("host", format!("ticker.localhost:{port}"))
            .header("cookie", cookie)
            .header("accept", "application/json")
            .send()
            .await
            .unwrap();
        let retry_after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        Asked { sent, answered: Instant::now(), status, retry_after, text }
    }

    async fn stop(self) {
        self.one.stop().await;
        self.two.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_let_in_exactly_as_many_as_one_may() {
    // The one that signed in, and the one that found the other node, are the first of them.
    let pair = Pair::with("30/h per user").await;
    let asked = (0..60).map(|n| pair.ask(if n % 2 == 0 { pair.one.port } else { pair.two.port }));
    let asked = futures_util::future::join_all(asked).await;
    let let_in = asked.iter().filter(|one| one.status == 200).count();
    assert_eq!(let_in, 28, "{:?}", asked.iter().map(|one| one.status).collect::<Vec<_>>());
    let refused: Vec<&Asked> = asked.iter().filter(|one| one.status == 429).collect();
    assert_eq!(refused.len(), 32);
    for one in refused {
        let after = one.retry_after.expect("when to come back");
        assert!(after > 3_000 && after <= 3_601, "{after}");
        assert!(one.text.contains("30 requests an hour per user"), "{}", one.text);
    }
    pair.stop().await;
}

/// The most that was let in within any span so long: each counts if it was wholly inside.
fn most_within(let_in: &[&Asked], span: Duration) -> usize {
    let within = |from: Instant| let_in.iter().filter(|one| one.sent >= from && one.answered <= from + span).count();
    let_in.iter().map(|one| within(one.sent)).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_second_ever_sees_more_than_the_limit_on_two_nodes_together() {
    let pair = Pair::with("20/s per app").await;
    let began = Instant::now();
    let hammer = |port: u16| {
        let pair = &pair;
        async move {
            let mut all = Vec::new();
            while began.elapsed() < Duration::from_secs(6) {
                all.push(pair.ask(port).await);
            }
            all
        }
    };
    let ports = [pair.one.port, pair.two.port, pair.one.port, pair.two.port];
    let asked: Vec<Asked> = futures_util::future::join_all(ports.map(hammer)).await.into_iter().flatten().collect();
    assert!(asked.iter().all(|one| matches!(one.status, 200 | 429 | 503)));
    let let_in: Vec<&Asked> = asked.iter().filter(|one| one.status == 200).collect();
    let most = most_within(&let_in, Duration::from_secs(1));
    assert!(most <= 20, "{most} within one second");
    // Blocks of which a part is lost, and the moment that each may be used, cost something, and no more than half.
    assert!(let_in.len() >= 50, "{} of {}", let_in.len(), asked.len());
    pair.stop().await;
}

/// How nodes that come and go share this limit, `gateway::unshared` tries by itself.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_no_more_from_two_nodes_than_from_one() {
    let pair = Pair::with("30/h per user").await;
    let client = reqwest::Client::builder().no_proxy().local_address(Some([127, 0, 0, 9].into())).build().unwrap();
    let knock = |first: usize| {
        let (pair, client) = (&pair, &client);
        let ports = [pair.one.port, pair.two.port];
        async move {
            let mut all = Vec::new();
            for n in 0..70 {
                all.push(pair.ask_as(client, "", ports[(first + n) % 2]).await);
            }
            all
        }
    };
    let asked: Vec<Asked> = futures_util::future::join_all((0..4).map(knock)).await.into_iter().flatten().collect();
    // A stranger who is let in is told to sign in.
    assert!(asked.iter().all(|one| matches!(one.status, 401 | 429 | 503)));
    let let_in: Vec<&Asked> = asked.iter().filter(|one| one.status == 401).collect();
    let most = most_within(&let_in, Duration::from_secs(60));
    assert!(most <= 120, "{most} within one minute");
    assert!(let_in.len() >= 60 && asked.iter().any(|one| one.status == 429), "{} were let in", let_in.len());
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_database_does_not_answer_lets_nobody_in_by_guessing() {
    let pair = Pair::with("30/h per user").await;
    let cable = pair.two.cable.as_ref().unwrap();
    cable.silence();
    let asked = futures_util::future::join_all((0..8).map(|_| pair.ask(pair.two.port))).await;
    for one in &asked {
        assert_eq!(one.status, 503, "{}", one.text);
        let known = ["rate.uncounted", "node.cut_off", "record.unwritable"];
        assert!(known.iter().any(|code| one.text.contains(code)), "{}", one.text);
        assert!(one.retry_after.is_some());
    }
    // The other goes on, with all that is left; what the silent one may have drawn is gone, and nothing comes on top.
    let rest = futures_util::future::join_all((0..40).map(|_| pair.ask(pair.one.port))).await;
    let let_in = rest.iter().filter(|one| one.status == 200).count();
    assert!((20..=28).contains(&let_in), "{let_in}");
    cable.mend();
    until("the node has its lease again", || async { pair.ask(pair.two.port).await.status == 429 }).await;
    pair.stop().await;
}

/// The moment of the newest event, as the server tells it, and how far from now that is.
async fn event_is_off_by_ms(town: &Town) -> i64 {
    let events = town.get("/api/v1/events?limit=1").await.json();
    let at: Timestamp = events["events"][0]["timestamp"].as_str().unwrap().parse().unwrap();
    (at.as_ms() - SystemClock.now().as_ms()).abs()
}

async fn a_day_changes_nothing(database: Option<String>, start_ms: i64) {
    let wall = Arc::new(Wall::default());
    wall.0.store(start_ms, Ordering::SeqCst);
    let clock = Arc::new(CarriedClock::from_wall(wall.clone()));
    let town = Town::at(database.as_deref(), "", "", clock).await;
    let deployed = town.deploy(&[("bailiwick.toml", &manifest("ticker", "")), ("app.js", APP)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let ana = town.person("ana@example.test", &["staff"]).await;
    let url = format!("{}/", town.app("ticker"));
    assert_eq!(ana.open(&url).await.status, 200);
    for set in [DAY_MS, -DAY_MS, 400 * DAY_MS, 0] {
        wall.0.store(set, Ordering::SeqCst);
        let still = ana.get(&url).await;
        assert_eq!(still.status, 200, "set by {set} ms: {still:?}");
        // Also what is made now: a link that lives for a while, and an event with its time.
        town.person(&format!("bo{}@example.test", set.abs()), &["staff"]).await;
        let off = event_is_off_by_ms(&town).await;
        assert!(off < 60_000, "{off} ms");
    }
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_by_a_day_changes_nothing_on_one_node() {
    a_day_changes_nothing(None, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_whose_clock_is_a_day_off_judges_by_the_databases_time() {
    for start in [DAY_MS, -DAY_MS] {
        a_day_changes_nothing(Some(Postgres::create().await.url), start).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_clock_behind_the_record_says_so_until_it_is_right() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        says_so_until_it_is_right(engine).await;
    }
}

async fn says_so_until_it_is_right(engine: Engine) {
    let wall = Arc::new(Wall::default());
    let town = Town::with(engine, "", wall.clone()).await;
    town.person("ana@example.test", &["staff"]).await;
    let ready = async |town: &Town| town.browser().send("GET", &format!("{}/readyz", town.url()), &[], b"").await;
    until("the engine is ready", async || ready(&town).await.status == 200).await;
    // While it is off: what it writes last is of the time before.
    let town = town.changed(|_| wall.0.store(-DAY_MS, Ordering::SeqCst)).await;
    let answer = ready(&town).await;
    let behind = |answer: &Value| {
        let checks = answer["checks"].as_array().unwrap();
        checks.iter().find(|check| check["check"] == "clock").unwrap().clone()
    };
    let check = behind(&answer.json());
    assert_eq!((answer.status, check["problem"]["code"].as_str()), (503, Some("clock.behind")), "{answer:?}");
    let now: Timestamp = answer.json()["now"].as_str().unwrap().parse().unwrap();
    assert!(now <= wall.now(), "what it judges by, whatever the machine's own clock says: {answer:?}");
    wall.0.store(0, Ordering::SeqCst);
    assert_eq!(behind(&ready(&town).await.json())["ok"], true);
    town.stop().await;
}
