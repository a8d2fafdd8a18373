//! An app's log as it comes: each line once, to whoever may read it and for as long as they may; a reader who does not
//! read holds nobody up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::SystemClock;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use testkit::{Browser, Chrome, Engine, Postgres, Town, manifest, reading, sent, until};
use tokio::{io::AsyncReadExt, net::TcpStream, sync::watch, task::JoinHandle};

const APP: &str = r#"
export default {
  fetch(request) {
    const url = new URL(request.url);
    const many = Number(url.searchParams.get("many") ?? 1);
    const pad = "x".repeat(Number(url.searchParams.get("pad") ?? 0));
    for (let n = 0; n < many; n++) console.log(`${url.pathname} ${n}${pad}`);
    return new Response("said");
  },
};
"#;
const PATH: &str = "/api/v1/apps/talker/logs/follow";

async fn deployed(town: &Town) {
    let text = manifest("talker", "limits = { cpu = \"2s\" }");
    let deployed = town.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
}

async fn asked(port: u16, browser: &Browser, path: &str) -> TcpStream {
    sent(port, browser, "localhost", path).await
}

/// All that came so far, and the end of it.
async fn following(port: u16, browser: &Browser, path: &str) -> (watch::Receiver<String>, JoinHandle<()>) {
    let (mut text, reading) = reading(asked(port, browser, path).await);
    text.wait_for(|text| text.contains(": following")).await.unwrap_or_else(|_| panic!("{path} was not followed"));
    (text, reading)
}

/// Of events that are whole: of the last one a part may have come.
fn lines(text: &str) -> Vec<String> {
    let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
    let data = whole.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|line| serde_json::from_str::<Value>(line).unwrap()["text"].as_str().unwrap().to_owned()).collect()
}

async fn comes(text: &mut watch::Receiver<String>, word: &str) {
    let coming = text.wait_for(|text| lines(text).iter().any(|line| line.contains(word)));
    tokio::time::timeout(Duration::from_secs(20), coming).await.expect(word).unwrap();
}

async fn ends(reading: JoinHandle<()>, why: &str) {
    tokio::time::timeout(Duration::from_secs(10), reading).await.unwrap_or_else(|_| panic!("{why}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_comes_once_to_whoever_may_read_it_on_sqlite() {
    each_line_comes_once_to_whoever_may_read_it(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_comes_once_to_whoever_may_read_it_on_postgres() {
    each_line_comes_once_to_whoever_may_read_it(Engine::Postgres).await;
}

async fn each_line_comes_once_to_whoever_may_read_it(engine: Engine) {
    let town = Town::start(engine).await;
    deployed(&town).await;
    let ana = town.person("ana@example.test", &["builders", "people-ops"]).await;
    let url = town.app("talker");
    assert_eq!(ana.open(&format!("{url}/before")).await.status, 200);
    until("it is kept", || async { town.get("/api/v1/apps/talker/logs").await.text().contains("/before 0") }).await;
    let page = town.get("/api/v1/apps/talker/logs").await.json();
    let (mut text, reading) = following(town.port, &ana, &format!("{PATH}?after={}", page["lines"][0]["seq"])).await;
    for n in 1..=3 {
        ana.get(&format!("{url}/line{n}?many=50")).await;
        comes(&mut text, &format!("/line{n} 49")).await;
    }
    let mut seen = lines(&text.borrow());
    let many = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((many, seen.len()), (150, 150), "each once, and none of before");
    // Whoever lost the connection goes on where it was.
    let last = text.borrow().lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap().to_owned();
    let (mut again, second) = following(town.port, &ana, &format!("{PATH}?after={last}")).await;
    ana.get(&format!("{url}/further")).await;
    comes(&mut again, "/further").await;
    assert_eq!(lines(&again.borrow()), ["/further 0"]);
    drop(second);
    let events = town.events("app.logs").await;
    assert!(events.iter().any(|event| event["detail"]["follow"] == true), "reading it is on the record: {events:?}");

    // Out of the team, it ends; so it does when they sign out.
    let left =
        town.post("/api/v1/people/groups", json!({ "email": "ana@example.test", "leave": ["people-ops"] })).await;
    assert_eq!(left.status, 200, "{left:?}");
    ends(reading, "she may not read it any more").await;
    let refused = ana.get(&format!("{}{PATH}", town.url())).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let bo = town.person("bo@example.test", &["builders", "people-ops"]).await;
    let (_text, reading) = following(town.port, &bo, PATH).await;
    assert_eq!(bo.post(&format!("{}/sign-out", town.url()), &[]).await.status, 303);
    ends(reading, "he signed out").await;
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_read_holds_nobody_up() {
    let town = Town::start(Engine::Sqlite).await;
    deployed(&town).await;
    let ana = town.person("ana@example.test", &["builders", "people-ops"]).await;
    let bo = town.person("bo@example.test", &["builders", "people-ops"]).await;
    let url = town.app("talker");
    assert_eq!(ana.open(&format!("{url}/first")).await.status, 200);
    // As many as one may have, none of which reads anything but the first bytes.
    let mut stuck = vec![];
    for _ in 0..6 {
        let (mut stream, mut begin) = (asked(town.port, &ana, PATH).await, [0; 12]);
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200");
        stuck.push(stream);
    }
    let refused = ana.get(&format!("{}{PATH}", town.url())).await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (429, Some("logs.readers")), "{refused:?}");
    let (mut text, reading) = following(town.port, &bo, PATH).await;
    for n in 0..20 {
        let answer = ana.get(&format!("{url}/flood{n}?many=200")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    ana.get(&format!("{url}/last")).await;
    comes(&mut text, "/last 0").await;
    // Gone, they leave their places to others.
    drop(stuck);
    until("there is room again", || async {
        let (mut stream, mut bytes) = (asked(town.port, &ana, PATH).await, [0; 64]);
        let length = stream.read(&mut bytes).await.unwrap_or(0);
        bytes[..length].starts_with(b"HTTP/1.1 200")
    })
    .await;
    // A server that stops waits for nobody who follows.
    let stopping = tokio::time::timeout(Duration::from_secs(20), town.stop());
    stopping.await.expect("it stops");
    ends(reading, "the server stopped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_every_node_come() {
    let database = Postgres::create().await;
    let one = Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await;
    let two = Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await;
    deployed(&one).await;
    let ana = two.person("ana@example.test", &["builders", "people-ops"]).await;
    let bo = one.person("bo@example.test", &["builders", "people-ops"]).await;
    until("both serve it", || async {
        bo.open(&format!("{}/x", one.app("talker"))).await.status == 200
            && ana.open(&format!("{}/x", two.app("talker"))).await.status == 200
    })
    .await;
    let (mut text, _reading) = following(one.port, &bo, PATH).await;
    // By turns: the node that began later does not hide what the other writes.
    for n in 0..3 {
        ana.get(&format!("{}/two{n}", two.app("talker"))).await;
        comes(&mut text, &format!("/two{n} 0")).await;
        bo.get(&format!("{}/one{n}", one.app("talker"))).await;
        comes(&mut text, &format!("/one{n} 0")).await;
    }
    one.stop().await;
    two.stop().await;
}

/// Lines of 15 KiB, four a request.
async fn long_lines(town: &Town, ana: &Browser, requests: usize) {
    for n in 0..requests {
        let answer = ana.open(&format!("{}/long{n}?many=4&pad=15000", town.app("talker"))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_holds_so_many_bytes_and_the_next_goes_on_behind_it_on_sqlite() {
    a_page_holds_so_many_bytes_and_the_next_goes_on_behind_it(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_holds_so_many_bytes_and_the_next_goes_on_behind_it_on_postgres() {
    a_page_holds_so_many_bytes_and_the_next_goes_on_behind_it(Engine::Postgres).await;
}

async fn a_page_holds_so_many_bytes_and_the_next_goes_on_behind_it(engine: Engine) {
    let town = Town::start(engine).await;
    deployed(&town).await;
    let ana = town.person("ana@example.test", &["builders", "people-ops"]).await;
    long_lines(&town, &ana, 40).await;
    let first = |answer: testkit::Answer| answer.json()["lines"][0]["text"].as_str().unwrap_or_default().to_owned();
    let newest = || async { first(town.get("/api/v1/apps/talker/logs?limit=1").await).starts_with("/long39 3") };
    until("all are kept", newest).await;
    let (mut words, mut pages, mut path) = (vec![], 0, "/api/v1/apps/talker/logs?limit=500".to_owned());
    loop {
        let answer = town.get(&path).await;
        assert!(answer.body.len() < 1_300_000, "{} bytes", answer.body.len());
        let page = answer.json();
        let lines = page["lines"].as_array().unwrap();
        words.extend(lines.iter().map(|line| line["text"].as_str().unwrap().trim_end_matches('x').to_owned()));
        pages += 1;
        let Some(next) = page["next"].as_i64() else { break };
        path = format!("/api/v1/apps/talker/logs?limit=500&after={next}");
    }
    let wanted: Vec<String> = (0..160).rev().map(|n| format!("/long{} {}", n / 4, n % 4)).collect();
    assert!(pages == 3 && words == wanted, "{pages} pages: {words:?}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_not_read_again() {
    let town = Town::wired().await;
    deployed(&town).await;
    let ana = town.person("ana@example.test", &["builders", "people-ops"]).await;
    assert_eq!(ana.open(&format!("{}/first", town.app("talker"))).await.status, 200);
    let (mut text, _reading) = following(town.port, &ana, PATH).await;
    long_lines(&town, &ana, 20).await;
    comes(&mut text, "/long19 3").await;
    let cable = town.cable.as_ref().unwrap();
    let before = cable.told();
    ana.get(&format!("{}/last", town.app("talker"))).await;
    comes(&mut text, "/last 0").await;
    let again = cable.told() - before;
    assert!(again < 400_000, "{again} bytes were read for one short line");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_followed_shows_them() {
    let town = Town::start(Engine::Sqlite).await;
    deployed(&town).await;
    let added =
        town.post("/api/v1/people", json!({ "email": "ana@example.test", "groups": ["builders", "people-ops"] }));
    let link = added.await.json()["link"].as_str().unwrap().to_owned();
    let bo = town.person("bo@example.test", &["people-ops"]).await;
    let chrome = Chrome::start(1280, 900).await;
    chrome.open(&link).await;
    chrome.press("Sign in").await;
    // A form that is on its way would be lost with its page.
    chrome.sees("Sign in by a touch").await;
    chrome.open(&format!("{}/apps/talker/log", town.url())).await;
    chrome.sees("It printed nothing").await;
    chrome.press("Follow it").await;
    chrome.sees("Live: lines stand here as they come").await;
    bo.open(&format!("{}/%3Cb%3Ehello", town.app("talker"))).await;
    // Words are words, whatever the app printed.
    let text = chrome.sees("b%3Ehello 0").await;
    assert!(!text.contains("It printed nothing"), "{text}");
    bo.get(&format!("{}/newer", town.app("talker"))).await;
    let text = chrome.sees("/newer 0").await;
    assert!(text.find("/newer 0") < text.find("hello 0"), "newest first: {text}");
    town.post("/api/v1/people/groups", json!({ "email": "ana@example.test", "leave": ["people-ops"] })).await;
    chrome.sees("Not live any more").await;
    chrome.stop().await;
    town.stop().await;
}
