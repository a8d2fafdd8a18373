//! Plain calls: what goes out, what comes back, what the record says, and the limits.

use crate::{
    house::{House, MANIFEST, Setting, TRACE, problem, request, text},
    upstream::raw,
};
use authority::{AppState, Instance};
use broker::{Body, EgressConfig, Inside, Limits, NoSecrets, Rooms, full};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use model::TenantId;
use std::{sync::Arc, time::Duration};

#[tokio::test]
async fn a_granted_call_goes_out_plain_and_comes_back() {
    let house = House::new().await;
    let headers = [
        ("traceparent", "00-11111111111111111111111111111111-2222222222222222-01"),
        ("bailiwick-x", "1"),
        ("x-own", "yes"),
    ];
    let response = house.call(request("POST", "https://api.example/a%20b?q=1", &headers, "body")).await;
    assert_eq!((response.status().as_u16(), text(response).await.as_str()), (200, "hello"));
    let seen = house.upstream.last();
    assert_eq!((seen.method.as_str(), seen.target.as_str(), &seen.body[..]), ("POST", "/a%20b?q=1", &b"body"[..]));
    assert_eq!(seen.headers["host"], "api.example");
    assert_eq!(seen.headers["content-length"], "4");
    assert_eq!(seen.headers["x-own"], "yes");
    assert!(!seen.headers.contains_key("bailiwick-x"));
    let trace = seen.headers["traceparent"].to_str().unwrap();
    assert!(trace.starts_with(&format!("00-{TRACE}-")) && trace.len() == 55, "{trace}");
}

#[tokio::test]
async fn the_record_names_destination_and_result_and_nothing_else() {
    let house = House::new().await;
    text(house.get("https://api.example/private?token=hunter2").await).await;
    problem(house.get("https://evil.example/hunter2").await).await;
    let events = house.events().await;
    let [called, refused] = events.as_slice() else { panic!("{events:#?}") };
    assert_eq!(
        (&called["outcome"], &called["resource"]),
        (&"allowed".into(), &"destination/prod/https://api.example:443".into())
    );
    let detail = &called["detail"];
    assert_eq!(
        (&detail["host"], &detail["port"], &detail["method"]),
        (&"api.example".into(), &443.into(), &"GET".into())
    );
    assert_eq!((&detail["grant"], &detail["status"], &detail["bytes"]), (&"api".into(), &200.into(), &5.into()));
    assert_eq!((&refused["outcome"], &refused["detail"]["code"]), (&"denied".into(), &"egress.not_granted".into()));
    assert_eq!(called["trace_id"], TRACE);
    assert!(!serde_json::to_string(&events).unwrap().contains("hunter2"));
}

#[tokio::test]
async fn a_loop_of_refused_calls_is_counted_and_stays_refused() {
    let house = House::new().await;
    for _ in 0..200 {
        assert_eq!(problem(house.get("https://evil.example/x").await).await.code, "egress.not_granted");
    }
    assert_eq!(house.events().await.len(), 20, "one instance does not fill what all share");
    // Another instance is heard, until the app has had its part of the minute.
    for number in 0..40 {
        let instance = Instance { id: format!("i-of-many-{number}").into(), ..house.instance() };
        for _ in 0..20 {
            let response = house.broker.call(&instance, request("GET", "https://evil.example/x", &[], "")).await;
            assert_eq!(problem(response).await.code, "egress.not_granted");
        }
    }
    house.clock.advance(Duration::from_secs(60));
    problem(house.get("https://evil.example/x").await).await;
    let events = house.ended().await;
    let (counted, written): (Vec<_>, Vec<_>) = events.iter().partition(|event| event["durability"] == "counted");
    assert_eq!(written.len(), 601, "a minute later its refusals are written again");
    assert!(written.iter().all(|event| event["detail"]["host"] == "evil.example"));
    let [counted] = counted.as_slice() else { panic!("{counted:#?}") };
    assert_eq!((&counted["outcome"], &counted["detail"]["count"]), (&"denied".into(), &400.into()), "none is lost");
}

#[tokio::test]
async fn a_refusal_names_the_line_that_would_allow_it() {
    let house = House::new().await;
    let line = MANIFEST.lines().position(|line| line == "[connect.rooms]").unwrap() + 1;
    let method =
        problem(house.call(request("DELETE", "https://rooms.corp.example:8443/v1/rooms/1", &[], "")).await).await;
    assert_eq!(
        method.fix,
        format!("add \"DELETE\" to methods of [connect.rooms] (bailiwick.toml line {line}), then deploy again")
    );
    assert_eq!(method.at, Some(format!("bailiwick.toml:{line}")));
    let path = problem(house.get("https://rooms.corp.example:8443/v2/floors").await).await;
    assert_eq!(
        path.fix,
        format!("add \"/v2/floors\" to paths of [connect.rooms] (bailiwick.toml line {line}), then deploy again")
    );
    let host = problem(house.get("https://hooks.weather.example:8443/now").await).await;
    let section = host.fix.split_once("\n\n").unwrap().1;
    insta::assert_snapshot!(section, @r#"
    [connect.weather]
    host = "hooks.weather.example:8443"
    methods = ["GET"]
    paths = ["/now"]
    why = "…"
    "#);
    // What it says to add is taken by the manifest's own parser.
    let manifest = format!("{MANIFEST}\n{section}");
    model::Manifest::parse(manifest.as_bytes(), "2026-11-23".parse().unwrap()).unwrap();
}

#[tokio::test]
async fn policy_and_state_refuse_and_are_recorded() {
    let house = House::with(Setting { deny: "input.facts.host == \"api.example\"", ..Setting::default() }).await;
    assert_eq!(problem(house.get("https://api.example/x").await).await.code, "policy.no");
    assert_eq!(house.get("https://moved.example/x").await.status(), 200);
    house.live(AppState::Revoked, 1);
    let refused = house.get("https://moved.example/y").await;
    assert_eq!((refused.status().as_u16(), problem(refused).await.code.as_str()), (410, "app.revoked"));
    assert_eq!(house.upstream.seen().len(), 1);
    let events = house.events().await;
    assert_eq!(events.iter().filter(|event| event["outcome"] == "denied").count(), 2, "{events:#?}");
}

#[tokio::test]
async fn credentials_of_before_a_restore_stay_dead() {
    let house = House::new().await;
    house.open(5).await;
    assert_eq!(problem(house.get("https://api.example/x").await).await.code, "egress.cut");
}

#[tokio::test]
async fn a_name_is_resolved_once_and_only_the_judged_address_is_reached() {
    let rebind = "\n[connect.rebind]\nhost = \"rebind.example:{port}\"\nmethods = [\"GET\"]\npaths = [\"/**\"]\nwhy = \"A test\"\n";
    let house = House::with(Setting { manifest: format!("{MANIFEST}{rebind}"), ..Setting::default() }).await;
    let url = format!("https://rebind.example:{}/x", house.upstream.tls.port());
    // Good once, bad afterwards: a second look within the first call would refuse it.
    house.dns.says("rebind.example", &[&["127.0.0.1"], &["127.0.0.2"]]);
    assert_eq!(house.get(&url).await.status(), 200);
    assert_eq!(house.dns.asked.lock().unwrap().as_slice(), ["rebind.example"]);
    assert_eq!(problem(house.get(&url).await).await.code, "egress.address");
    assert_eq!((house.dns.asked.lock().unwrap().len(), house.upstream.connections()), (2, 1));
}

#[tokio::test]
async fn answers_are_stripped_of_what_is_not_theirs_to_say() {
    let house = House::new().await;
    let ours = house.get("https://api.example/ours").await;
    assert!(!ours.headers().contains_key("bailiwick-problem"));
    let hops = house.get("https://api.example/hops").await;
    for name in ["connection", "keep-alive", "x-secret-hop", "transfer-encoding"] {
        assert!(!hops.headers().contains_key(name), "{name}");
    }
}

/// A house whose `plain.example` answers with these bytes.
async fn answered_by(answer: &'static [u8]) -> (House, Arc<broker::Broker>) {
    let house = House::new().await;
    let address = raw(answer).await;
    let config = EgressConfig {
        private: vec![("127.0.0.1/32".parse().unwrap(), address.port())],
        resolve: [("plain.example".to_owned(), address)].into(),
        limits: Limits { head: Duration::from_millis(400), ..Limits::default() },
        ..EgressConfig::default()
    };
    let rooms = Rooms {
        tenant: TenantId::main(),
        authority: Arc::clone(&house.authority),
        store: Arc::clone(&house.store),
        secrets: Arc::new(NoSecrets),
        dns: Arc::clone(&house.dns) as _,
    };
    let broker = broker::Broker::new(config, rooms).unwrap();
    broker.load_all().await.unwrap();
    (house, broker)
}

#[tokio::test]
async fn answers_that_are_not_plain_http_are_refused() {
    for (answer, code) in [
        (
            &b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"[..],
            "egress.upgrade",
        ),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "egress.broken"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nabcde", "egress.broken"),
        (b"HTTP/1.1 200 OK\r\nx y: 1\r\n\r\n", "egress.broken"),
        (b"SSH-2.0-OpenSSH_9\r\n", "egress.broken"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "egress.broken"),
        (b"", "egress.timed_out"),
        (b"HTTP/1.1 200 OK\r\n", "egress.timed_out"),
    ] {
        let (house, broker) = answered_by(answer).await;
        let response = broker.call(&house.instance(), request("GET", "http://plain.example/x", &[], "")).await;
        assert_eq!(problem(response).await.code, code, "{}", String::from_utf8_lossy(answer));
    }
}

#[tokio::test]
async fn limits_on_rate_headers_and_time() {
    let limits = Limits { per_minute: 3, head: Duration::from_millis(200), ..Limits::default() };
    let house = House::with(Setting { limits, ..Setting::default() }).await;
    let late = house.get("https://api.example/hang").await;
    assert_eq!((late.status().as_u16(), problem(late).await.code.as_str()), (504, "egress.timed_out"));
    let long = "x".repeat(20 << 10);
    let large = problem(house.call(request("GET", "https://api.example/x", &[("x-long", &long)], "")).await).await;
    assert_eq!(large.code, "egress.headers_too_large");
    let names: Vec<String> = (0..70).map(|n| format!("x-{n}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(
        problem(house.call(request("GET", "https://api.example/x", &many, "")).await).await.code,
        "egress.headers_too_large"
    );
    for _ in 0..2 {
        assert_eq!(house.get("https://api.example/x").await.status(), 200);
    }
    let limited = house.get("https://api.example/x").await;
    assert_eq!((limited.status().as_u16(), problem(limited).await.code.as_str()), (429, "egress.too_many"));
}

#[tokio::test]
async fn limits_on_calls_at_once() {
    let house =
        House::with(Setting { limits: Limits { in_flight: 1, ..Limits::default() }, ..Setting::default() }).await;
    let open = house.get("https://api.example/stream").await;
    assert_eq!(problem(house.get("https://api.example/x").await).await.code, "egress.too_many");
    drop(open);
    assert_eq!(house.get("https://api.example/x").await.status(), 200);
}

#[tokio::test]
async fn a_host_that_is_down_is_unreachable() {
    let (house, broker) = {
        let house = House::new().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gone = listener.local_addr().unwrap();
        drop(listener);
        let config = EgressConfig {
            private: vec![("127.0.0.1/32".parse().unwrap(), gone.port())],
            resolve: [("plain.example".to_owned(), gone)].into(),
            ..EgressConfig::default()
        };
        let rooms = Rooms {
            tenant: TenantId::main(),
            authority: Arc::clone(&house.authority),
            store: Arc::clone(&house.store),
            secrets: Arc::new(NoSecrets),
            dns: Arc::clone(&house.dns) as _,
        };
        let broker = broker::Broker::new(config, rooms).unwrap();
        broker.load_all().await.unwrap();
        (house, broker)
    };
    let response = broker.call(&house.instance(), request("GET", "http://plain.example/x", &[], "")).await;
    assert_eq!((response.status().as_u16(), problem(response).await.code.as_str()), (502, "egress.unreachable"));
}

struct Context;

impl Inside for Context {
    fn answer(&self, instance: &Instance, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let said =
            format!("{} {} {}", instance.name, request.uri().path(), request.headers().contains_key("bailiwick-app"));
        Box::pin(async move { Response::new(full(said)) })
    }
}

#[tokio::test]
async fn names_inside_are_answered_from_the_instance() {
    let house = House::new().await;
    house.broker.inside("self.bailiwick", Arc::new(Context));
    let answer =
        house.call(request("GET", "http://self.bailiwick/v1/context", &[("bailiwick-app", "other")], "")).await;
    assert_eq!(text(answer).await, "poll-notify /v1/context false");
    let host = house.call(request("GET", "http://self.bailiwick/x", &[("host", "data.bailiwick")], "")).await;
    assert_eq!(problem(host).await.code, "egress.header");
}

/// With a stand-in, every granted name ends there and no name is looked up; what is closed for good stays closed.
#[tokio::test]
async fn a_stand_in_answers_for_everything_and_opens_nothing() {
    let house = House::new().await;
    let config = EgressConfig {
        private: vec![("127.0.0.1/32".parse().unwrap(), house.upstream.tls.port())],
        ca: vec![house.upstream.ca.clone()],
        stand_in: Some(house.upstream.tls),
        ..EgressConfig::default()
    };
    let rooms = Rooms {
        tenant: TenantId::main(),
        authority: Arc::clone(&house.authority),
        store: Arc::clone(&house.store),
        secrets: Arc::new(NoSecrets),
        dns: Arc::clone(&house.dns) as _,
    };
    let broker = broker::Broker::new(config, rooms).unwrap();
    broker.load_all().await.unwrap();
    for url in ["https://api.example/x", "https://moved.example/x"] {
        assert_eq!(broker.call(&house.instance(), request("GET", url, &[], "")).await.status(), 200, "{url}");
    }
    assert_eq!(house.upstream.seen().len(), 2);
    let metadata = broker.call(&house.instance(), request("GET", "http://169.254.169.254/x", &[], "")).await;
    assert_eq!(problem(metadata).await.code, "egress.address");
    let ungranted = broker.call(&house.instance(), request("GET", "https://evil.example/x", &[], "")).await;
    assert_eq!(problem(ungranted).await.code, "egress.not_granted");
    assert_eq!(house.upstream.seen().len(), 2);
    assert!(house.dns.asked.lock().unwrap().is_empty());
}
