//! Every route refuses a stranger, but for the few that are anyone's; the list is the API's own document.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::Value;
use testkit::{Engine, Town};

/// What anyone may read.
const ANYONES: [&str; 7] = [
    "/healthz",
    "/readyz",
    // On the same machine, as these tests are; what it refuses to others stands in `edges.rs`.
    "/metrics",
    "/.well-known/jwks.json",
    "/log/{tenant}/checkpoint",
    "/log/{tenant}/key",
    "/log/{tenant}/tile/{*path}",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_route_refuses_a_stranger() {
    let town = Town::start(Engine::Sqlite).await;
    town.deploy_template("tinypoll", "tinypoll").await;
    let document = town.browser().send("GET", &format!("{}/api/v1/openapi.json", town.url()), &[], b"").await.json();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 20, "{document}");
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys() {
            if ANYONES.contains(&path.as_str())
                || ANYONES.iter().any(|known| known.replace("{*path}", "{path}") == *path)
            {
                continue;
            }
            let at = path.replace("{name}", "tinypoll").replace("{id}", "x").replace("{team}", "people-ops");
            let body = br#"{"why":"x","email":"x@example.test","env":"prod","value":"0123456789","owner":"a","purpose":"b","expires":"2027-01-01","hosts":["a.example"]}"#;
            let answer = town.browser().send(&method.to_uppercase(), &format!("{}{at}", town.url()), &[], body).await;
            assert_eq!(answer.status, 401, "{method} {path}: {answer:?}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{method} {path}");
        }
    }
    town.stop().await;
}

/// What the framework refuses by itself is told as all else is.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_route_takes_is_a_problem_too() {
    let town = Town::start(Engine::Sqlite).await;
    for (method, path, status, code) in [
        ("POST", "/api/v1/apps", 405, "request.method"),
        ("OPTIONS", "/api/v1/apps", 405, "request.method"),
        ("GET", "/api/v1/apps/%ff", 400, "request.address"),
        ("GET", "/api/v1/nothing", 404, "page.unknown"),
    ] {
        let answer = town.browser().send(method, &format!("{}{path}", town.url()), &[], b"").await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{method} {path}");
        let problem = answer.json();
        assert_eq!((&problem["code"], &problem["status"]), (&code.into(), &status.into()), "{problem}");
        assert!(problem.get("at").is_some_and(Value::is_null) && problem["fix"].is_string(), "{problem}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{answer:?}");
    }
    let tile = town.browser().send("GET", &format!("{}/log/main/tile/0/900", town.url()), &[], b"").await;
    assert_eq!((tile.status, &tile.json()["code"]), (404, &"log.no_tile".into()), "{tile:?}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_for_one_request() {
    let town = Town::start(Engine::Sqlite).await;
    let url = format!("{}/api/v1/people", town.url());
    let body = br#"{"email":"eve@example.test","groups":["operators"]}"#;
    let send = |token: String, method: &'static str, url: String, body: &'static [u8]| {
        let browser = town.browser();
        async move { browser.send(method, &url, &[("authorization", &format!("Bearer {token}"))], body).await.status }
    };
    let proof = town.proof("POST", "/api/v1/people", body);
    assert_eq!(send(proof.clone(), "POST", url.clone(), body).await, 200);
    assert_eq!(send(proof, "POST", url.clone(), body).await, 401, "used before");
    let proof = town.proof("GET", "/api/v1/people", b"");
    assert_eq!(send(proof, "POST", url.clone(), body).await, 401, "another method");
    let proof = town.proof("POST", "/api/v1/people", b"{}");
    assert_eq!(send(proof, "POST", url.clone(), body).await, 401, "another body");
    let proof = town.proof("POST", "/api/v1/apps", body);
    assert_eq!(send(proof, "POST", url, body).await, 401, "another path");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_spent_once_and_by_a_post() {
    let town = Town::start(Engine::Sqlite).await;
    let added =
        town.post("/api/v1/people", serde_json::json!({ "email": "ana@example.test", "groups": ["staff"] })).await;
    let link = added.json()["link"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        assert_eq!(town.browser().get(&link).await.status, 200, "a preview does not spend it");
    }
    assert_eq!(town.browser().post(&link, &[]).await.status, 303);
    assert_eq!(town.browser().post(&link, &[]).await.status, 410);
    assert_eq!(town.browser().get(&link).await.status, 410);
    town.stop().await;
}

/// What no row can hold is refused to whoever sends it; the record takes everything else, and requests go on.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_nul_in_it_stops_nobody() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let town = Town::start(engine).await;
        let document = town.get("/api/v1/openapi.json").await.json();
        let paths = document["paths"].as_object().unwrap().iter();
        for (path, _) in paths.filter(|(path, methods)| path.contains('{') && methods.get("get").is_some()) {
            let parts: Vec<&str> =
                path.split('/').map(|part| if part.starts_with('{') { "%00" } else { part }).collect();
            town.get(&parts.join("/")).await;
        }
        let refused = town.get("/api/v1/secrets/people-ops/%00").await;
        assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("secret.id")), "{refused:?}");
        // Whoever reads the record waits until it has taken what came before.
        for path in ["/api/v1/events?limit=5", "/api/v1/apps"] {
            let answer = town.get(path).await;
            assert_eq!(answer.status, 200, "{engine:?} {path}: {answer:?}");
        }
        town.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_made_up_are_refused_before_the_database_is_asked() {
    let town = Town::start(Engine::Sqlite).await;
    let ana = town.person("ana@example.test", &["staff"]).await;
    let cookies = ana.cookies("localhost");
    let (name, _) = cookies.split_once('=').unwrap();
    let (url, browser) = (format!("{}/api/v1/whoami", town.url()), town.browser());
    let mut asked = 0;
    for number in 0..100 {
        for (header, value) in
            [("authorization", format!("Bearer made-up-{number}")), ("cookie", format!("{name}=made-up-{number}"))]
        {
            let answer = browser.send("GET", &url, &[(header, &value)], b"").await;
            if answer.status == 401 {
                asked += 1;
                continue;
            }
            let problem = answer.json();
            assert_eq!((answer.status, &problem["code"]), (429, &"rate.over".into()), "{problem}");
            assert!(problem["fix"].as_str().unwrap().starts_with("wait "), "when to come back: {problem}");
            let after = answer.header("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
            assert!(after.is_some_and(|seconds| (1..=61).contains(&seconds)), "{answer:?}");
        }
    }
    assert!(asked <= 120, "{asked}");
    // Whoever is signed in there is not held up.
    assert_eq!(ana.send("GET", &url, &[], b"").await.status, 200);
    town.stop().await;
}
