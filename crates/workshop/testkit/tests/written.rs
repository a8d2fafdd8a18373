//! Apps as people and their assistants write them, from what `new` puts beside them: a form with an upload in
//! TypeScript, a look-up outside with a time limit, a board with a JSON API. Whole, through the real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use bytes::Bytes;
use model::{Clock, SystemClock};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc};
use testkit::{Answer, Arrived, Browser, Engine, Town, Upstream};

/// An app of `apps/`, as an archive, with the types that `new` puts beside it.
fn written(name: &str) -> Bytes {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let expires = SystemClock.now().plus(std::time::Duration::from_secs(60 * 86_400)).to_string();
    let unpacked = catalog::Unpacked::from_folder(&here.join("apps").join(name)).unwrap();
    let mut files: Vec<(String, Bytes)> = unpacked
        .files()
        .map(|(path, bytes)| match path {
            "bailiwick.toml" => {
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                (path.to_owned(), text.replace("{{expires}}", &expires[..10]).into())
            }
            _ => (path.to_owned(), bytes.clone()),
        })
        .collect();
    let types = std::fs::read(here.join("../../../templates/shared/bailiwick.d.ts")).unwrap();
    files.push(("bailiwick.d.ts".to_owned(), types.into()));
    catalog::Unpacked::of(files).unwrap().pack().unwrap()
}

async fn deploy(town: &Town, name: &str) -> Answer {
    town.machine("POST", "/api/v1/deploy?env=prod", &written(name)).await
}

/// What `path` answers, once it says `text`: what happens after the reply takes its moment.
async fn until(town: &Town, path: &str, text: &str) -> String {
    let mut answer = String::new();
    for _ in 0..500 {
        answer = town.get(path).await.text();
        if answer.contains(text) {
            break;
        }
    }
    assert!(answer.contains(text), "{path} never said {text}: {answer}");
    answer
}

/// A call of a page's script, from the app's own origin.
async fn call(browser: &Browser, method: &str, url: &str, body: Value) -> Answer {
    let headers = [("sec-fetch-site", "same-origin"), ("content-type", "application/json")];
    let text = if body.is_null() { String::new() } else { body.to_string() };
    browser.send(method, url, &headers, text.as_bytes()).await
}

/// What a browser sends for a form with a file in it.
async fn upload(browser: &Browser, url: &str, fields: &[(&str, &str)], file: (&str, &str, &[u8])) -> Answer {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let (name, kind, bytes) = file;
    let part = format!(
        "--edge\r\nContent-Disposition: form-data; name=\"receipt\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n"
    );
    body.extend_from_slice(part.as_bytes());
    body.extend_from_slice(bytes);
    body.extend_from_slice(b"\r\n--edge--\r\n");
    let headers = [("content-type", "multipart/form-data; boundary=edge"), ("sec-fetch-site", "same-origin")];
    browser.send("POST", url, &headers, &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expense_form_takes_a_receipt_and_gives_it_back() {
    let town = Town::start(Engine::Sqlite).await;
    let deployed = deploy(&town, "expense").await;
    assert_eq!((deployed.status, deployed.json()["tier"].as_str()), (200, Some("low")), "{deployed:?}");
    let url = town.app("expense");
    let ana = town.person("ana@example.test", &["staff"]).await;
    assert_eq!(ana.open(&format!("{url}/")).await.status, 200);

    let receipt: Vec<u8> = (0..40_000_u32).map(|n| (n * 7 % 256) as u8).collect();
    let fields = [("title", "Zug nach Köln & zurück"), ("amount", "47,90"), ("day", "2026-11-23")];
    let filed = upload(&ana, &format!("{url}/expenses"), &fields, ("r.png", "image/png", &receipt)).await;
    assert_eq!((filed.status, filed.header("location")), (303, Some(&*format!("{url}/"))), "{filed:?}");
    let page = ana.open(&format!("{url}/")).await.text();
    assert!(page.contains("Zug nach Köln &amp; zurück") && page.contains("47.90"), "{page}");
    let link = page.split("href=\"/receipt/").nth(1).unwrap().split('"').next().unwrap();
    let back = ana.get(&format!("{url}/receipt/{link}")).await;
    assert_eq!((back.status, back.header("content-type"), &back.body), (200, Some("image/png"), &receipt));
    let sum = ana.get(&format!("{url}/sum")).await.json();
    assert_eq!(sum, json!({ "n": 1, "big": [4790], "next": false }));

    // Somebody else sees none of it, nor the receipt.
    let ben = town.person("ben@example.test", &["staff"]).await;
    assert!(!ben.open(&format!("{url}/")).await.text().contains("Köln"));
    assert_eq!(ben.get(&format!("{url}/receipt/{link}")).await.status, 403);
    // What is wrong is said, and nothing is kept.
    for (fields, kind, size) in [
        ([("title", ""), ("amount", "1"), ("day", "2026-11-23")], "image/png", 10),
        ([("title", "x"), ("amount", "-1"), ("day", "2026-11-23")], "image/png", 10),
        ([("title", "x"), ("amount", "1"), ("day", "soon")], "image/png", 10),
        ([("title", "x"), ("amount", "1"), ("day", "2026-11-23")], "text/html", 10),
        ([("title", "x"), ("amount", "1"), ("day", "2026-11-23")], "image/png", 0),
        ([("title", "x"), ("amount", "1"), ("day", "2026-11-23")], "image/png", 46_000),
    ] {
        let answer = upload(&ana, &format!("{url}/expenses"), &fields, ("r", kind, &vec![1; size])).await;
        assert!(
            answer.status == 400 && answer.text().contains("role=\"alert\""),
            "{fields:?} {kind} {size}: {answer:?}"
        );
    }
    assert_eq!(ana.get(&format!("{url}/sum")).await.json()["n"], 1);
    let style = ana.get(&format!("{url}/style.css")).await;
    assert!(style.status == 200 && style.header("content-type").unwrap().starts_with("text/css"), "{style:?}");
    until(&town, "/api/v1/apps/expense/logs", "filed").await;
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_has_an_api_and_its_pages() {
    let town = Town::start(Engine::Sqlite).await;
    let deployed = deploy(&town, "kanban").await;
    assert_eq!(deployed.status, 200, "{deployed:?}");
    let url = town.app("kanban");
    let ana = town.person("ana@example.test", &["staff"]).await;
    let page = ana.open(&format!("{url}/")).await;
    assert!(page.status == 200 && page.text().contains("board.js"), "{page:?}");
    assert_eq!(ana.get(&format!("{url}/board.js")).await.status, 200);
    assert_eq!(ana.get(&format!("{url}/nowhere.js")).await.status, 404);

    let api = format!("{url}/api/cards");
    let mut cards = Vec::new();
    for title in ["one", "two", "three", "four", "five"] {
        let made = call(&ana, "POST", &api, json!({ "title": title, "lane": "todo", "tags": ["a"] })).await;
        assert_eq!(made.status, 201, "{made:?}");
        cards.push(made.json());
    }
    assert_eq!(call(&ana, "POST", &api, json!({ "title": "x", "lane": "nowhere" })).await.status, 400);
    // Five cards in pages of two, in order.
    let listed = ana.get(&format!("{api}?lane=todo")).await.json();
    let titles: Vec<_> = listed["cards"].as_array().unwrap().iter().map(|card| card["title"].clone()).collect();
    assert_eq!(json!(titles), json!(["one", "two", "three", "four", "five"]));
    assert_eq!(listed["lanes"], json!(["todo", "doing", "done"]));
    // Two people move the same card: the second is told.
    let card = format!("{api}/{}", cards[0]["id"].as_str().unwrap());
    let ben = town.person("ben@example.test", &["staff"]).await;
    ben.open(&format!("{url}/")).await;
    let moved = call(&ana, "PATCH", &card, json!({ "lane": "doing", "version": 1 })).await;
    assert_eq!((moved.status, moved.json()["version"].as_u64()), (200, Some(2)), "{moved:?}");
    assert_eq!(call(&ben, "PATCH", &card, json!({ "lane": "done", "version": 1 })).await.status, 409);
    assert_eq!(call(&ben, "PATCH", &format!("{api}/none"), json!({ "lane": "done", "version": 1 })).await.status, 404);
    let unknown = call(&ben, "PATCH", &card, json!({ "colour": "red", "version": 2 })).await;
    assert_eq!((unknown.status, unknown.json()["code"].as_str()), (400, Some("data.unknown_field")), "{unknown:?}");
    assert_eq!(call(&ben, "DELETE", &card, Value::Null).await.status, 204);
    assert_eq!(ana.get(&format!("{url}/api/mine")).await.json(), json!(4));
    // Bodies flow both ways.
    assert_eq!(ana.get(&format!("{url}/api/stream")).await.text(), "abc");
    let large = json!({ "x": "ü".repeat(300_000) });
    let echoed = call(&ana, "POST", &format!("{url}/api/echo"), large.clone()).await;
    assert_eq!((echoed.status, echoed.json() == large), (200, true));

    // An error of the app: a plain page for the user, the builder's own lines in the log.
    let failed = ana.get(&format!("{url}/api/boom")).await;
    assert!(failed.status == 500 && !failed.text().contains("boom"), "{failed:?}");
    let logs = until(&town, "/api/v1/apps/kanban/logs", "TypeError: boom").await;
    assert!(logs.contains("caused by: Error: inner"), "{logs}");
    assert!(logs.contains("app.js:43:") && logs.contains("router.js:10:"), "{logs}");
    town.stop().await;
}

fn rooms(arrived: &Arrived) -> String {
    let authorised = arrived.headers.contains(&("authorization".to_owned(), "Bearer room-key-4711".to_owned()));
    if !authorised {
        return json!({ "rooms": null }).to_string();
    }
    json!({ "rooms": [{ "id": "1", "name": "Aalto", "free": true, "seats": 4 }, { "id": "2", "name": "Bauhaus", "free": false, "seats": 8 }] })
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_goes_outside_with_its_key_and_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start("rooms.corp.example", rooms).await;
    let town = Town::with(Engine::Sqlite, &upstream.config(folder.path()), Arc::new(SystemClock)).await;
    let expires = SystemClock.now().plus(std::time::Duration::from_secs(60 * 86_400)).to_string();
    let secret = json!({ "app": "rooms", "owner": "people-ops", "purpose": "looks rooms up", "expires": expires[..10],
        "hosts": ["rooms.corp.example"], "value": "room-key-4711" });
    let put = town.machine("PUT", "/api/v1/secrets/people-ops/rooms", secret.to_string().as_bytes()).await;
    assert_eq!(put.status, 200, "{put:?}");
    let waiting = deploy(&town, "rooms").await;
    assert_eq!(waiting.status, 202, "{waiting:?}");
    let path = format!("/api/v1/requests/{}/approve", waiting.json()["request"].as_str().unwrap());
    let live = town.post(&path, json!({ "why": "rooms are no secret", "break_glass": true })).await;
    assert_eq!(live.status, 200, "{live:?}");
    let url = town.app("rooms");
    let ana = town.person("ana@example.test", &["staff"]).await;
    let found = ana.open(&format!("{url}/?floor=1")).await;
    assert_eq!(found.status, 200, "{found:?}");
    let found = found.json();
    assert_eq!(found["rooms"], json!([{ "id": "1", "name": "Aalto", "free": true, "seats": 4 }]));
    assert_eq!(found["others"], json!(["fulfilled", "fulfilled"]));
    let first: Vec<_> = upstream.arrived().iter().map(|arrived| arrived.path.clone()).collect();
    assert!(
        first.iter().all(|path| path.contains("/v1/rooms/floor/") && path.contains("fields=id%2Cname")),
        "{first:?}"
    );
    // The second time the first floor is at hand: `waitUntil` kept it.
    until(&town, "/api/v1/events?action=data.write", "\"verb\":\"insert\"").await;
    let again = ana.get(&format!("{url}/?floor=1")).await;
    assert_eq!(again.status, 200, "{again:?}");
    let asked = upstream.arrived().iter().filter(|arrived| arrived.path.contains("/floor/1")).count();
    assert_eq!(asked, 1, "{:?}", upstream.arrived());
    town.stop().await;
}
