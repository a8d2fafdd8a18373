//! What an app sees and what comes back of it: context, headers, errors, limits, events, jobs.

use crate::{
    client::{ANA, PAGE, ask},
    house::{House, Recorded, Setting, at},
};
use gateway::Limits;
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn an_app_sees_the_person_and_nothing_to_act_with() {
    let house = House::new().await;
    let lines = [
        "cookie: theme=dark; bailiwick-app-i1=ana-cookie",
        "bailiwick-context: {}",
        "x-forwarded-for: 6.6.6.6",
        "x-mine: 1",
        "sec-fetch-site: same-origin",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ];
    let answer = ask(house.address, "POST /echo?q=1", &lines, "the body").await;
    let seen = answer.json();
    assert_eq!(
        seen["user"],
        json!({ "id": "ana", "email": "ana@example.test", "name": "Ana Müller 🦀", "groups": ["people-ops", "staff"], "roles": ["organiser"] })
    );
    assert_eq!(seen["app"], json!({ "id": "0190poll", "name": "poll", "env": "prod", "release": 1 }));
    assert_eq!(
        (&seen["url"], &seen["secret"]),
        (&json!("http://poll.localhost:7070/echo?q=1"), &json!("placeholder-SLACK_TOKEN"))
    );
    assert_eq!(seen["body"], "the body");
    let headers = &seen["headers"];
    assert_eq!((&headers["cookie"], &headers["x-mine"]), (&json!("theme=dark"), &json!("1")));
    assert!(headers["traceparent"].as_str().unwrap().starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
    for absent in ["bailiwick-context", "x-forwarded-for", "connection", "authorization"] {
        assert!(headers.get(absent).is_none(), "{absent}");
    }
    let instance = house.doors.opened.lock().unwrap().pop().unwrap();
    assert_eq!(instance.caller.chain(), ["app:0190poll/prod", "person:ana"]);
    assert_eq!((instance.credential_epoch, instance.release.0), (1, 1));
    assert_eq!(instance.caller.trace.unwrap().as_str(), "0af7651916cd43dd8448eb211c80319c");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_is_held_to_the_manifest() {
    let house = House::new().await;
    let answer = ask(house.address, "GET /headers", &[ANA], "").await;
    assert_eq!(answer.all("set-cookie"), ["theme=dark"]);
    let policies = answer.all("content-security-policy");
    assert_eq!((policies.len(), policies[1].as_str()), (2, "script-src 'none'"));
    assert!(policies[0].contains("connect-src 'self' https://tiles.example;"), "{policies:?}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-frame-options", "SAMEORIGIN"),
        ("cache-control", "private, max-age=60"),
        ("service-worker-allowed", ""),
        ("connection-allowlist", r#"("*://*:*");redirects=allow;webrtc=block"#),
        ("bailiwick-user", ""),
        ("x-accel-redirect", ""),
        ("x-accel-expires", ""),
        ("x-sendfile", ""),
        ("x-sendfile2", ""),
        ("x-lighttpd-send-file", ""),
        ("x-litespeed-location", ""),
        ("x-reproxy-url", ""),
        ("x-accel-buffering", "no"),
        ("x-mine", "1"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    let away = ask(house.address, "GET /away", &[ANA], "").await;
    assert_eq!((away.status, away.header("location")), (302, "https://elsewhere.example/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_shows_a_trace_and_no_inside() {
    let house = House::new().await;
    let parent = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let page = ask(house.address, "GET /boom", &[ANA, PAGE, parent], "").await;
    assert_eq!((page.status, page.header("content-type")), (500, "text/html; charset=utf-8"));
    assert!(page.body.contains("0af7651916cd43dd8448eb211c80319c") && !page.body.contains("inside-words"));
    let document = ask(house.address, "GET /boom", &[ANA], "").await;
    assert_eq!(document.json()["code"], "app.failed");
    assert!(!document.body.contains("inside-words"));
    house.settled().await;
    assert!(house.log_text().contains("inside-words"));
    let line = house.lines.0.lock().unwrap().first().unwrap().clone();
    assert_eq!((line.trace.as_str(), line.release.0), ("0af7651916cd43dd8448eb211c80319c", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_platform_cannot_do_now_is_not_the_apps_error() {
    let house = House::new().await;
    let answer = ask(house.address, "GET /notes", &[ANA], "").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("app.put_off")), "{answer:?}");
    assert_eq!(answer.header("retry-after"), "2");
    house.settled().await;
    assert!(house.log_text().contains("inside-words"));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_stop_an_app_and_its_team_learns_why() {
    let manifest = crate::house::MANIFEST.replace(r#"cpu = "4s", time = "30s""#, r#"cpu = "200ms", time = "4s""#);
    let house = House::with(Setting { manifest, ..Setting::default() }).await;
    for (path, status, code) in [("spin", 503, "app.cpu"), ("late", 504, "app.time")] {
        let answer = ask(house.address, &format!("GET /{path}"), &[ANA], "").await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{path}");
    }
    house.settled().await;
    let log = house.log_text();
    assert!(log.contains("CPU time") && log.contains("took longer"), "{log}");
    let accesses = house.accesses().await;
    let ends: Vec<_> = accesses
        .iter()
        .map(|event| (event["outcome"].as_str().unwrap(), event["detail"]["stopped"].as_str().unwrap()))
        .collect();
    assert_eq!(ends, [("failed", "cpu"), ("failed", "time")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_bomb_is_stopped() {
    let house = House::new().await;
    let answer = ask(house.address, "GET /bomb", &[ANA], "").await;
    assert!(matches!(answer.json()["code"].as_str(), Some("app.memory" | "app.failed")), "{answer:?}");
    assert!(answer.status >= 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_bounded_whether_or_not_it_says_its_length() {
    let limits = Limits { body_bytes: 1000, ..Limits::default() };
    let house = House::with(Setting { limits, ..Setting::default() }).await;
    let token = "authorization: Bearer h.ana.token";
    let fits = ask(house.address, "POST /echo", &[token], &"x".repeat(1000)).await;
    assert_eq!(fits.status, 200);
    let said = ask(house.address, "POST /echo", &[token], &"x".repeat(1001)).await;
    assert_eq!((said.status, said.json()["code"].as_str()), (413, Some("request.too_large")));
    let mut text = format!(
        "POST /echo HTTP/1.1\r\nhost: {}\r\n{token}\r\ntransfer-encoding: chunked\r\n\r\n",
        crate::client::HOST
    );
    for _ in 0..11 {
        text.push_str(&format!("64\r\n{}\r\n", "x".repeat(100)));
    }
    text.push_str("0\r\n\r\n");
    let unsaid = crate::client::Answer::read(&crate::client::raw(house.address, text.as_bytes()).await);
    assert_eq!(unsaid.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_leaves_one_event_of_its_shape() {
    let house = House::new().await;
    ask(house.address, "GET /echo", &[ANA], "").await;
    ask(house.address, "GET /people/ana@example.test?token=hidden", &[ANA], "").await;
    ask(house.address, "GET /boom", &[ANA], "").await;
    let accesses = house.accesses().await;
    let mut said: Vec<_> = accesses
        .iter()
        .map(|event| {
            (
                event["outcome"].as_str().unwrap(),
                event["detail"]["path"].as_str().unwrap(),
                event["detail"]["status"].as_u64().unwrap(),
            )
        })
        .collect();
    // An event is written when its instance has ended, which may be after the answer.
    said.sort_unstable();
    assert_eq!(said, [("allowed", "/echo", 200), ("allowed", "/people/*", 200), ("failed", "/boom", 500)]);
    let echo = accesses.iter().find(|event| event["detail"]["path"] == "/echo").unwrap();
    let detail = &echo["detail"];
    assert!(
        detail["cpu_us"].as_u64().unwrap() > 0
            && detail["memory_bytes"].as_u64().unwrap() > 0
            && detail["bytes"].as_u64().unwrap() > 0
    );
    assert_eq!((&detail["method"], &detail["release"], &echo["user_id"]), (&json!("GET"), &json!(1), &json!("ana")));
    let text = serde_json::Value::from(accesses).to_string();
    assert!(!text.contains("hidden") && !text.contains("ana@example.test") && !text.contains("127.0.0.1"));
    assert_eq!(house.doors.reports.lock().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_record_nothing_is_served() {
    refused_until_events_are_taken(|clock| clock.advance(Duration::from_secs(1))).await;
}

/// Nobody waits until a moment comes again that was there before.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_keeps_nobody_out() {
    refused_until_events_are_taken(|clock| clock.set_back(Duration::from_secs(86_400))).await;
}

async fn refused_until_events_are_taken(later: impl FnOnce(&model::ManualClock)) {
    let house = House::with(Setting { recorded: Recorded::No, ..Setting::default() }).await;
    let caller = crate::neighbours::person("ana", authority::Factor::Link).caller;
    let target = authority::Target::within(model::TenantId::main(), &house.app, "app/0190poll");
    loop {
        let permit = house.authority.decide(&caller, gateway::UseApp::new(target.clone())).unwrap();
        if house.store.access(permit, store::Outcome::Allowed, serde_json::Value::Null).is_err() {
            break;
        }
    }
    // The one whose event finds no place shuts the door behind itself.
    ask(house.address, "GET /echo", &[ANA], "").await;
    house.settled().await;
    let refused = ask(house.address, "GET /echo", &[ANA], "").await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("record.unwritable")));
    // Once events are taken again, what was missed is said, once.
    let _tasks = house.store.start_tasks().await;
    house.store.flush_access().await.unwrap();
    later(house.clock.as_ref());
    for _ in 0..2 {
        assert_eq!(ask(house.address, "GET /echo", &[ANA], "").await.status, 200);
    }
    house.settled().await;
    house.store.flush_access().await.unwrap();
    // Thousands of others are newer, where the clock was set back.
    let failed = store::EventFilter { outcome: Some("failed".to_owned()), ..<_>::default() };
    let failed = house.store.events(&model::TenantId::main(), &failed).await.unwrap();
    let gaps: Vec<_> = failed.iter().map(|event| event.json().unwrap()).collect();
    let [gap] = gaps.as_slice() else { panic!("{gaps:#?}") };
    assert_eq!(gap["detail"]["code"], "record.gap");
    assert_eq!((&gap["outcome"], &gap["detail"]["requests"]), (&"failed".into(), &1.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_as_the_app_itself() {
    let house = House::new().await;
    let scheduled = at("2026-11-23T07:00:00Z");
    house.gateway.run_job(&house.app, "remind", scheduled, "r1").await.unwrap();
    house.settled().await;
    assert!(house.log_text().contains("ran remind r1 true"), "{}", house.log_text());
    let instance = house.doors.opened.lock().unwrap().pop().unwrap();
    assert_eq!(instance.caller.chain(), ["app:0190poll/prod"]);
    let failed = house.gateway.run_job(&house.app, "bad", scheduled, "r2").await.unwrap_err();
    assert!(failed.code == "job.failed" && failed.why.contains("late"), "{failed}");
    let accesses = house.accesses().await;
    let said: Vec<_> = accesses
        .iter()
        .map(|event| (event["outcome"].as_str().unwrap(), event["detail"]["run_id"].as_str().unwrap()))
        .collect();
    assert_eq!(said, [("allowed", "r1"), ("failed", "r2")]);
}
