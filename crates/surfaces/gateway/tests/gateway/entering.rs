//! Who comes in: hosts, sign-in, sessions, tokens, requests of other sites, factors, limits, states.

use crate::{
    client::{ANA, PAGE, ask, ask_host},
    house::{House, Setting},
    neighbours::person,
};
use authority::{AppState, Factor};
use gateway::Limits;
use std::{sync::atomic::Ordering, time::Duration};

fn cookie_of(set: &str) -> &str {
    set.split(';').next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_hosts_of_apps_are_served() {
    let house = House::new().await;
    for host in ["nobody.localhost:7070", "poll--staging.localhost:7070", "elsewhere.example", "poll.localhost:7071"] {
        let answer = ask_host(house.address, host, "GET /", &[PAGE], "").await;
        assert_eq!(answer.status, 421, "{host}");
        assert!(answer.body.contains("No app serves here"));
    }
    assert!(house.gateway.owns("poll.localhost:7070") && house.gateway.owns("NOBODY.localhost:7070"));
    assert!(!house.gateway.owns("localhost:7070") && !house.gateway.owns("poll.localhost"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_through_the_control_origin_and_back() {
    let house = House::new().await;
    let away = ask(house.address, "GET /echo?x=1&y=%C3%BC", &[PAGE, "sec-fetch-mode: navigate"], "").await;
    assert_eq!(away.status, 303);
    let location = away.header("location").to_owned();
    let binding = away.header("set-cookie").to_owned();
    assert!(location.starts_with("http://localhost:7070/sign-in/app?app=poll&env=prod&bind="), "{location}");
    assert!(location.ends_with("&to=%2Fecho%3Fx%3D1%26y%3D%25C3%25BC"), "{location}");
    assert!(
        binding.starts_with("bailiwick-bind-i1=") && binding.contains("HttpOnly") && binding.contains("Max-Age=300")
    );
    let hash = location.split("bind=").nth(1).unwrap().split('&').next().unwrap();
    house.sign_ins.codes.lock().unwrap().insert("c1".to_owned(), hash.to_owned());

    // Without the cookie, the code is of no use.
    let planted = ask(house.address, "GET /.bailiwick/signed-in?code=c1", &[PAGE], "").await;
    assert_eq!((planted.status, planted.header("set-cookie")), (400, ""));

    let cookie = format!("cookie: {}", cookie_of(&binding));
    let back = ask(house.address, "GET /.bailiwick/signed-in?code=c1", &[PAGE, &cookie], "").await;
    assert_eq!((back.status, back.header("location")), (303, "/echo?x=1"));
    assert!(back.all("set-cookie")[0].starts_with("bailiwick-app-i1=ana-cookie; Path=/;"), "{back:?}");
    assert!(back.all("set-cookie")[1].starts_with("bailiwick-bind-i1=; Path=/; Max-Age=0"));

    let spent = ask(house.address, "GET /.bailiwick/signed-in?code=c1", &[PAGE, &cookie], "").await;
    assert_eq!(spent.status, 410);

    let inside = ask(house.address, "GET /echo?x=1", &[PAGE, ANA], "").await;
    assert_eq!(inside.json()["user"]["email"], "ana@example.test");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_of_another_browser_is_refused() {
    let house = House::new().await;
    house.sign_ins.codes.lock().unwrap().insert("c1".to_owned(), "another".to_owned());
    let answer =
        ask(house.address, "GET /.bailiwick/signed-in?code=c1", &[PAGE, "cookie: bailiwick-bind-i1=mine"], "").await;
    assert_eq!((answer.status, answer.header("set-cookie")), (410, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_are_told_and_pages_are_not_guessed() {
    let house = House::new().await;
    for lines in [&["accept: application/json"][..], &[], &[PAGE, "sec-fetch-mode: cors"]] {
        let answer = ask(house.address, "GET /", lines, "").await;
        assert_eq!((answer.status, answer.header("set-cookie")), (401, ""), "{lines:?}");
    }
    let answer = ask(house.address, "GET /", &[], "").await;
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json()["code"], "sign_in.needed");
    let wrong = ask(house.address, "GET /", &["authorization: Bearer a.b.c"], "").await;
    assert_eq!((wrong.status, wrong.json()["code"].as_str()), (401, Some("token.void")));
    let token = ask(house.address, "GET /echo", &["authorization: Bearer h.ana.token"], "").await;
    let seen = token.json();
    assert_eq!((token.status, &seen["user"]["id"]), (200, &"ana".into()));
    assert!(seen["headers"].get("authorization").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_is_nobody() {
    let house = House::new().await;
    house.clock.advance(Duration::from_secs(400 * 86_400));
    house.authority.narrow(&model::TenantId::main(), |facts| {
        for app in facts.apps.values_mut() {
            std::sync::Arc::make_mut(app).expires_at = crate::house::at("2029-01-01T00:00:00Z");
        }
    });
    assert_eq!(ask(house.address, "GET /echo", &[ANA], "").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_and_only_from_the_app_itself() {
    let house = House::new().await;
    let worker = ask(house.address, "GET /worker.js", &[ANA, "service-worker: script"], "").await;
    assert!(worker.status == 403 && worker.body.contains("app.service_worker"), "{}", worker.body);
    let foreign = ask(house.address, "POST /.bailiwick/sign-out", &[ANA, "sec-fetch-site: cross-site"], "").await;
    assert_eq!(foreign.status, 403);
    assert_eq!(ask(house.address, "GET /", &[ANA], "").await.status, 200);
    let out = ask(house.address, "POST /.bailiwick/sign-out", &[ANA, PAGE, "sec-fetch-site: same-origin"], "").await;
    assert!(out.status == 200 && out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
    assert_eq!(ask(house.address, "GET /", &[ANA], "").await.status, 401);
    assert_eq!(ask(house.address, "GET /.bailiwick/anything", &[PAGE], "").await.status, 404);
    assert_eq!(ask(house.address, "GET /%2ebailiwick/anything", &[ANA], "").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_changes_nothing_in_a_persons_name() {
    let house = House::new().await;
    for (lines, status) in [
        (&["sec-fetch-site: same-origin"][..], 200),
        (&["sec-fetch-site: none"], 200),
        (&["sec-fetch-site: same-site"], 403),
        (&["sec-fetch-site: cross-site"], 403),
        (&["origin: http://poll.localhost:7070"], 200),
        (&["origin: http://other.localhost:7070"], 403),
        (&["origin: null"], 403),
        (&[], 403),
    ] {
        let lines: Vec<&str> = lines.iter().copied().chain([ANA]).collect();
        assert_eq!(ask(house.address, "POST /echo", &lines, "x").await.status, status, "{lines:?}");
    }
    let script = ask(house.address, "POST /echo", &["authorization: Bearer h.ana.token"], "x").await;
    assert_eq!(script.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_is_told_whom_to_ask() {
    let house = House::new().await;
    let answer = ask(house.address, "GET /", &["cookie: bailiwick-app-i1=bo-cookie", PAGE], "").await;
    assert_eq!(answer.status, 403);
    assert!(
        answer.body.contains("The app is for <code>staff</code>, and you are not in it")
            && answer.body.contains("the app&#39;s team or an operator to let you in")
            && !answer.body.contains("bailiwick people groups"),
        "{}",
        answer.body
    );
    let accesses = house.accesses().await;
    assert_eq!((accesses.len(), &accesses[0]["outcome"], &accesses[0]["user_id"]), (1, &"denied".into(), &"bo".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn some_paths_are_open_and_some_need_a_second_factor() {
    let house = House::new().await;
    let open = ask(house.address, "GET /open/echo", &[ANA], "").await;
    assert_eq!((open.status, &open.json()["user"]), (200, &serde_json::Value::Null));
    assert_eq!(ask(house.address, "GET /open/%2e%2e/echo", &[], "").await.status, 400);
    assert_eq!(ask(house.address, "GET /opened", &[], "").await.status, 401);

    let sent = ask(house.address, "GET /export/echo?all=1", &[ANA, PAGE], "").await;
    assert_eq!(sent.status, 303);
    let to = sent.header("location");
    assert!(to.contains("/sign-in/app?app=") && to.ends_with("&to=%2Fexport%2Fecho%3Fall%3D1&factor=second"), "{to}");
    assert!(sent.header("set-cookie").starts_with("bailiwick-bind-i1="), "{sent:?}");
    let origin = "sec-fetch-site: same-origin";
    let first = ask(house.address, "POST /export/echo", &[ANA, PAGE, origin], "x").await;
    assert!(
        first.status == 403 && first.body.contains("needs a second factor") && first.body.contains("factor=second")
    );
    assert!(first.header("set-cookie").starts_with("bailiwick-bind-i1="), "{first:?}");
    let program = ask(house.address, "GET /export/echo", &[ANA], "").await;
    assert_eq!((program.status, &program.json()["code"]), (403, &"second_factor.needed".into()));
    let second = ask(house.address, "GET /export/echo", &["cookie: bailiwick-app-i1=ana-second"], "").await;
    assert_eq!(second.status, 200);
    // It is fresh for ten minutes, as for what one does in the console.
    house.clock.advance(std::time::Duration::from_secs(600));
    let stale = ask(house.address, "GET /export/echo", &["cookie: bailiwick-app-i1=ana-second"], "").await;
    assert_eq!((stale.status, &stale.json()["code"]), (403, &"second_factor.needed".into()));
    let accesses = house.accesses().await;
    // A run is written down when it has ended, which may be after the refusal that followed it.
    let count = |outcome: &str| accesses.iter().filter(|event| event["outcome"] == outcome).count();
    assert_eq!((count("allowed"), count("denied"), accesses.len()), (2, 4, 6), "{accesses:?}");
    assert!(accesses.iter().any(|event| event["action"] == "app.use_public" && event["outcome"] == "allowed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_the_manifest_and_before_sign_in() {
    let manifest = format!("{}\n[limits]\nrequests = \"2/h per user\"\n", crate::house::MANIFEST);
    let limits = Limits { strangers_per_minute: 3, ..Limits::default() };
    let house = House::with(Setting { manifest, limits, ..Setting::default() }).await;
    for status in [200, 200, 429, 429] {
        let answer = ask(house.address, "GET /", &[ANA, PAGE], "").await;
        assert_eq!(answer.status, status);
        if status == 429 {
            let wait: u64 = answer.header("retry-after").parse().unwrap();
            assert!((3_500..=3_600).contains(&wait) && answer.body.contains("2 requests an hour per user"));
        }
    }
    for status in [401, 401, 401, 429] {
        assert_eq!(ask(house.address, "GET /", &[], "").await.status, status);
    }
    // Whoever is signed in does not pay for strangers at the same address.
    let second = ask(house.address, "GET /", &["cookie: bailiwick-app-i1=ana-cookie"], "").await;
    assert_eq!(second.json()["code"], "rate.over");
    assert_eq!(second.json()["why"], "the limit is 2 requests an hour per user");
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_that_are_made_up_are_counted_before_the_database_is_asked() {
    let house = House::new().await;
    let mut let_through = 0;
    for number in 0..200 {
        let cookie = format!("cookie: bailiwick-app-i1=made-up-{number}");
        let answer = ask(house.address, "GET /", &[&cookie], "").await;
        let_through += usize::from(answer.status == 401);
        assert!(answer.status == 401 || answer.json()["code"] == "rate.over", "{answer:?}");
        assert_eq!(answer.status == 429, !answer.header("retry-after").is_empty(), "{answer:?}");
    }
    assert!(let_through <= 120, "{let_through}");
    assert_eq!(house.sign_ins.reads.load(Ordering::SeqCst), let_through);
    // Whoever is signed in there is not held up.
    assert_eq!(ask(house.address, "GET /", &[ANA], "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_a_node_does_not_remember_counts_one_at_its_first_request() {
    let limits = Limits { strangers_per_minute: 3, ..Limits::default() };
    let house = House::with(Setting { limits, ..Setting::default() }).await;
    for cookie in ["of-another-node", "late"] {
        house.sign_ins.people.lock().unwrap().insert(cookie.to_owned(), person("ana", Factor::Link));
    }
    let of = |cookie: &str| format!("cookie: bailiwick-app-i1={cookie}");
    for _ in 0..5 {
        assert_eq!(ask(house.address, "GET /", &[&of("of-another-node")], "").await.status, 200);
    }
    for status in [401, 401, 429] {
        assert_eq!(ask(house.address, "GET /", &[&of("made-up")], "").await.status, status);
    }
    assert_eq!(house.sign_ins.reads.load(Ordering::SeqCst), 3);
    assert_eq!(ask(house.address, "GET /", &[&of("late")], "").await.status, 429, "the database is not asked");
    assert_eq!(house.sign_ins.reads.load(Ordering::SeqCst), 3);
    assert_eq!(ask(house.address, "GET /", &[&of("of-another-node")], "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_does_not_serve_says_why() {
    let house = House::new().await;
    for (epoch, state, status, words, clears) in [
        (1, AppState::Revoked, 410, "was switched off", true),
        (2, AppState::Retired, 410, "was ended for good", true),
        (3, AppState::Expired, 410, "is past its date", false),
        (4, AppState::Waiting, 404, "is not live yet", false),
    ] {
        house.live(state, epoch);
        for lines in [&[PAGE][..], &[PAGE, ANA]] {
            let answer = ask(house.address, "GET /echo", lines, "").await;
            assert!(answer.status == status && answer.body.contains(words), "{answer:?}");
            let cleared = answer.header("clear-site-data");
            assert_eq!(cleared == r#""cache", "storage""#, clears);
        }
    }
    house.live(AppState::Live, 5);
    assert_eq!(ask(house.address, "GET /echo", &[ANA], "").await.status, 200);
    house.clock.advance(Duration::from_secs(365 * 86_400));
    assert!(ask(house.address, "GET /echo", &[ANA, PAGE], "").await.body.contains("is past its date"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_answers_only_the_networks_that_its_manifest_names() {
    let with = |networks: &str| {
        let manifest = crate::house::MANIFEST.replace("mfa = ", &format!("addresses = {networks}\nmfa = "));
        House::with(Setting { manifest, ..Setting::default() })
    };
    let house = with("[\"10.0.0.0/8\", \"192.0.2.7\"]").await;
    // Signed in, signed out, on a public path, on the way to sign in: from nowhere else.
    for (path, headers) in [
        ("/echo", &[PAGE, ANA][..]),
        ("/echo", &[PAGE]),
        ("/open/x", &[PAGE]),
        ("/.bailiwick/signed-in?code=c1", &[PAGE]),
    ] {
        let answer = ask(house.address, &format!("GET {path}"), headers, "").await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.body.contains("cannot be used from here"), "{}", answer.body);
    }
    // What a stranger says of themselves does not count.
    let forged = ask(house.address, "GET /echo", &[ANA, "x-forwarded-for: 10.1.1.1"], "").await;
    assert_eq!((forged.status, forged.json()["code"].as_str()), (403, Some("address.not_allowed")));
    let house = with("[\"127.0.0.0/8\"]").await;
    assert_eq!(ask(house.address, "GET /echo", &[ANA], "").await.status, 200);
}
