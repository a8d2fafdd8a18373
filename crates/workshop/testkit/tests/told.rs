//! What an act tells: whoever did it is told so, though nothing can be read any more; whoever may not is told the same
//! whether or not there is what they named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::SystemClock;
use serde_json::{Value, json};
use std::sync::Arc;
use testkit::{Answer, Engine, Postgres, Town, ahead, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// An act that commits, and then finds nothing to read.
async fn done(database: &Postgres, tables: &[&str], action: &str, act: impl Future<Output = Answer>) -> Value {
    database.lose(tables, action).await;
    let answer = act.await;
    database.find(tables).await;
    assert_eq!(answer.status, 200, "{action}: {answer:?}");
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_took_place_is_not_refused() {
    let database = Postgres::create().await;
    let town = Town::at(Some(&database.url), "", "", Arc::new(SystemClock)).await;
    let people = ["people", "memberships"];
    let ana = json!({ "email": "ana@example.test", "groups": ["staff"] });
    let added = done(&database, &people, "person.add", town.post("/api/v1/people", ana)).await;
    assert_eq!(
        (&added["person"]["email"], &added["person"]["groups"]),
        (&json!("ana@example.test"), &json!(["staff"]))
    );
    assert!(added["link"].as_str().unwrap().contains("/welcome/"), "{added}");
    let joins = json!({ "email": "ana@example.test", "join": ["people-ops"] });
    // The feed has brought her meanwhile.
    until("she is known", || async { town.get("/api/v1/people").await.text().contains("ana@example.test") }).await;
    let joined = done(&database, &people, "person.groups", town.post("/api/v1/people/groups", joins)).await;
    assert_eq!(joined["person"]["groups"], json!(["people-ops", "staff"]));

    let path = "/api/v1/secrets/people-ops/slack";
    let secret = json!({
        "app": "talker", "owner": "people-ops", "purpose": "Posts", "expires": ahead(30), "hosts": ["slack.com"], "value": "xoxb-1234567890",
    });
    let secret = secret.to_string();
    let put = town.machine("PUT", path, secret.as_bytes());
    let seen = done(&database, &["vault_secrets"], "secret.put", put).await;
    assert_eq!(
        (&seen["id"], &seen["version"], &seen["replaced"]),
        (&json!("people-ops/slack"), &json!(1), &json!(false))
    );
    let path = format!("{path}/rotate");
    let rotated = town.post(&path, json!({ "value": "xoxb-0987654321" }));
    let seen = done(&database, &["vault_secrets"], "secret.put", rotated).await;
    assert_eq!(seen["id"], "people-ops/slack", "{seen}");

    let links = town.post("/api/v1/sign-in/links", json!({ "on": true }));
    let now = done(&database, &["sign_in_settings"], "links.switch", links).await;
    assert_eq!(now["links"], json!({ "on": true, "said_in": "console" }), "{now}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_learns_nobodys_address() {
    let town = Town::start(Engine::Sqlite).await;
    let bo = town.person("bo@example.test", &["staff"]).await;
    town.person("ana@example.test", &["staff"]).await;
    for (path, action) in [("groups", "person.groups"), ("disable", "person.disable")] {
        let mut told = vec![];
        for email in ["ana@example.test", "nobody@example.test"] {
            let body = json!({ "email": email, "join": ["staff"] }).to_string();
            let url = format!("{}/api/v1/people/{path}", town.url());
            let answer = bo.send("POST", &url, &[("sec-fetch-site", "same-origin")], body.as_bytes()).await;
            told.push((answer.status, answer.text()));
        }
        assert!(told[0].0 == 403 && told[0] == told[1], "{told:?}");
        let events = town.events(action).await;
        assert_eq!(events.iter().filter(|event| event["outcome"] == "denied").count(), 2, "{events:?}");
        // Whoever may is told.
        let missed = town.post(&format!("/api/v1/people/{path}"), json!({ "email": "nobody@example.test" })).await;
        assert_eq!((missed.status, missed.json()["code"].as_str()), (404, Some("person.unknown")), "{missed:?}");
    }
    town.stop().await;
}

/// The first half of an act comes while its session lives, the rest after it ended.
#[tokio::test(flavor = "multi_thread")]
async fn what_ends_its_session_ends_what_it_still_asks() {
    let town = Town::start(Engine::Sqlite).await;
    let ana = town.person("ana@example.test", &["staff"]).await;
    let body = format!("role=auditors&until={}&why=to+look", ahead(7));
    let mut stream = TcpStream::connect(("127.0.0.1", town.port)).await.unwrap();
    let head = format!(
        "POST /roles HTTP/1.1\r\nHost: localhost:{}\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\nCookie: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{}",
        town.port,
        ana.cookies("localhost"),
        body.len(),
        &body[..8]
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let out = ana.post(&format!("{}/sign-out", town.url()), &[]).await;
    assert!(out.status < 400, "{out:?}");
    stream.write_all(&body.as_bytes()[8..]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(town.events("role.ask").await.iter().all(|event| event["outcome"] == "denied"), "{answer}");
    town.stop().await;
}
