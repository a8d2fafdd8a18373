//! The edges of a running server: TLS by files and HTTP/2, what it counts, whether it is ready, whom it believes, and
//! one trace through everything that a request causes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use model::SystemClock;
use serde_json::{Value, json};
use std::{collections::BTreeMap, os::unix::fs::PermissionsExt, path::Path, sync::Arc};
use testkit::{Answer, Arrived, Engine, Town, Upstream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Asks until it is so, a minute at most.
async fn until(is_so: impl AsyncFn() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), asking).await.expect("within a minute");
}

/// Writes a certificate for the names, and gives it for a client to trust.
fn certify(folder: &Path, name: &str) -> rustls::pki_types::CertificateDer<'static> {
    let names = [name.to_owned(), "console.test".to_owned(), "*.apps.test".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(folder.join("tls.pem"), made.cert.pem()).unwrap();
    let key = folder.join("tls.key");
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
    made.cert.der().clone()
}

async fn secured(port: u16, ca: &[u8], name: &str, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.to_vec().into()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

type Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

async fn http_2(port: u16, ca: &[u8], name: &str) -> Sender {
    let stream = secured(port, ca, name, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn ask(
    sender: &mut Sender,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> (u16, http::HeaderMap, Bytes) {
    let mut request = http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sender.send_request(request.body(Full::new(body)).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status.as_u16(), parts.headers, body.collect().await.unwrap().to_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_by_files_with_http_2_and_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path(), "one.test");
    let at = folder.path().display();
    let server = format!(
        "public_url = \"https://console.test\"\napps_domain = \"apps.test\"\ntls = {{ cert = \"{at}/tls.pem\", key = \"{at}/tls.key\" }}\n"
    );
    let town = Town::serving(Engine::Sqlite, &server, "", Arc::new(SystemClock)).await;

    // Both kinds of HTTP; whoever speaks none of TLS gets nothing.
    let mut two = http_2(town.port, &first, "console.test").await;
    let (status, headers, body) = ask(&mut two, "GET", "https://console.test/healthz", &[], Bytes::new()).await;
    assert_eq!((status, &body[..]), (200, &b"ok\n"[..]));
    assert_eq!(headers["strict-transport-security"], "max-age=31536000");
    let mut one = secured(town.port, &first, "console.test", &["http/1.1"]).await.unwrap();
    one.write_all(b"GET /healthz HTTP/1.1\r\nhost: console.test:443\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    one.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("ok\n"), "{text}");
    let mut plain = TcpStream::connect(("127.0.0.1", town.port)).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: console.test\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _reset = plain.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP/"), "{rest:?}");

    // An app over HTTP/2: deployed, asked for by a stranger, its own name and another.
    let archive = testkit::bundle("tinypoll", "tinypoll");
    let proof = format!("Bearer {}", town.proof("POST", "/api/v1/deploy?env=prod", &archive));
    let url = "https://console.test/api/v1/deploy?env=prod";
    let (status, _, body) = ask(&mut two, "POST", url, &[("authorization", &proof)], archive).await;
    assert_eq!(status, 200, "{body:?}");
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["url"], "https://tinypoll.apps.test");
    // What is refused is named as it would be served, even by a file that is no whole manifest.
    let archive = testkit::archive(&[("bailiwick.toml", "[app]\nname = \"tinypoll\"\nnam = 1\n[runtime\n")]);
    let proof = format!("Bearer {}", town.proof("POST", "/api/v1/deploy?env=staging", &archive));
    let url = "https://console.test/api/v1/deploy?env=staging";
    let (status, _, body) = ask(&mut two, "POST", url, &[("authorization", &proof)], archive).await;
    let refused: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &refused["app"]), (422, &Value::from("tinypoll")), "{refused}");
    assert_eq!(
        (refused["app_id"].is_string(), &refused["url"]),
        (true, &Value::from("https://tinypoll--staging.apps.test"))
    );
    let proof = format!("Bearer {}", town.proof("GET", "/api/v1/whoami", b""));
    let url = "https://console.test/api/v1/whoami";
    let (_, _, body) = ask(&mut two, "GET", url, &[("authorization", &proof)], Bytes::new()).await;
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["apps"], "https://NAME.apps.test");
    let (status, headers, _) =
        ask(&mut two, "GET", "https://tinypoll.apps.test/", &[("accept", "text/html")], Bytes::new()).await;
    assert_eq!(status, 303, "{headers:?}");
    assert!(headers["set-cookie"].to_str().unwrap().starts_with("__Host-"), "{headers:?}");
    let (status, ..) = ask(&mut two, "GET", "https://nothing.test/", &[], Bytes::new()).await;
    assert_eq!(status, 421);

    // Another certificate in the same files: new connections get it, what is open goes on.
    let second = certify(folder.path(), "two.test");
    until(async || secured(town.port, &second, "two.test", &[]).await.is_ok()).await;
    assert!(secured(town.port, &first, "one.test", &[]).await.is_err());
    assert_eq!(ask(&mut two, "GET", "https://console.test/healthz", &[], Bytes::new()).await.0, 200);
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_sent_on_to_https() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path(), "one.test");
    let at = folder.path().display();
    for port in ["", ":7443"] {
        let server = format!(
            "public_url = \"https://console.test{port}\"\napps_domain = \"apps.test{port}\"\ntls = {{ cert = \"{at}/tls.pem\", key = \"{at}/tls.key\" }}\n"
        );
        let town = Town::serving(Engine::Sqlite, &server, "", Arc::new(SystemClock)).await;
        let plain = town.sends_on();
        let console = |path: &str| format!("https://console.test{port}{path}");
        let app = |label: &str, path: &str| format!("https://{label}.apps.test{port}{path}");
        for (first, host, status, to) in [
            ("GET /apps?all=1", "console.test", 308, console("/apps?all=1")),
            ("HEAD /", "Console.Test:80", 308, console("/")),
            ("GET /a%20b", "poll.apps.test", 308, app("poll", "/a%20b")),
            ("HEAD /", "poll--staging.apps.test:8080", 308, app("poll--staging", "/")),
            ("POST /sign-in/passkey", "console.test", 403, String::new()),
            ("POST /", "poll.apps.test", 403, String::new()),
            ("DELETE /", "poll.apps.test", 403, String::new()),
            ("GET /", "elsewhere.test", 421, String::new()),
            ("GET /", "apps.test", 421, String::new()),
            ("GET /", "console.test.elsewhere.test", 421, String::new()),
            ("POST /", "elsewhere.test", 421, String::new()),
        ] {
            let mut stream = TcpStream::connect(("127.0.0.1", plain)).await.unwrap();
            let asked = format!("{first} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
            stream.write_all(asked.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{first} {host}: {answer}");
            let place = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_default();
            assert_eq!(place, to, "{first} {host}");
            let says = answer.split_once("\r\n\r\n").unwrap().1;
            assert_eq!(says.is_empty(), status == 308, "{first} {host}: {answer}");
        }
        town.stop().await;
    }
}

/// Values of one metric, by its labels.
fn counted(text: &str, metric: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(metric)?.strip_prefix('{')?.split_once("} "));
    lines.map(|(labels, value)| (labels.to_owned(), value.parse().unwrap())).collect()
}

async fn metrics(town: &Town) -> String {
    let answer = town.browser().send("GET", &format!("{}/metrics", town.url()), &[], b"").await;
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(answer.text().ends_with("# EOF\n"), "{answer:?}");
    answer.text()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_is_what_is_on_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start("slack.com", |_| "{\"ok\":true}".to_owned()).await;
    let town = Town::with(Engine::Sqlite, &upstream.config(folder.path()), Arc::new(SystemClock)).await;
    let (ana, url) = posts_votes(&town).await;
    for _ in 0..3 {
        assert_eq!(ana.open(&format!("{url}/")).await.status, 200);
    }
    assert_eq!(vote(&ana, &url, &[]).await.status, 303);
    town.browser().get(&format!("{url}/")).await;
    let app = town.get("/api/v1/apps/poll-notify").await.json()["app"]["app_id"].as_str().unwrap().to_owned();

    let text = metrics(&town).await;
    for email in ["ana@", "127.0.0.1"] {
        assert!(!text.contains(email), "{text}");
    }
    let mut wanted: BTreeMap<String, u64> = BTreeMap::new();
    // Served by the export, since it has every event; what strangers did is written when its minute is over.
    let exported = String::from_utf8_lossy(&town.export().await).into_owned();
    for line in exported.lines().filter(|line| line.contains("\"action\":")) {
        let at = line.find("{\"id\"").unwrap_or(0);
        let Ok(event) = serde_json::from_str::<Value>(&line[at..]) else { continue };
        if event["app_id"] != app.as_str() || event["durability"] == "counted" {
            continue;
        }
        let key = format!("{}/{}", event["action"].as_str().unwrap(), event["outcome"].as_str().unwrap());
        *wanted.entry(key).or_default() += 1;
    }
    let found = |action: &str, outcome: &str| {
        let surface = if action.starts_with("egress") {
            "broker"
        } else if action.starts_with("secret") {
            "vault"
        } else {
            "gateway"
        };
        let labels = format!("surface=\"{surface}\",action=\"{action}\",app=\"{app}\",outcome=\"{outcome}\"");
        counted(&text, "bailiwick_events_total").get(&labels).copied().unwrap_or(0)
    };
    assert_eq!(found("app.use", "allowed"), wanted["app.use/allowed"], "{text}");
    assert_eq!(found("egress.call", "allowed"), 1);
    assert_eq!(wanted["egress.call/allowed"], 1);
    assert_eq!(found("secret.use", "allowed"), wanted["secret.use/allowed"]);
    let of_app = |outcome: &str| format!("app=\"{app}\",outcome=\"{outcome}\"");
    assert_eq!(counted(&text, "bailiwick_requests_total")[&of_app("allowed")], wanted["app.use/allowed"]);
    assert_eq!(counted(&text, "bailiwick_calls_total")[&of_app("allowed")], 1);
    assert_eq!(counted(&text, "bailiwick_call_bytes_total")[&of_app("allowed")], 11);
    assert_eq!(counted(&text, "bailiwick_secret_uses_total")[&of_app("allowed")], 1);
    // The stranger's is in the record once its minute is over, and counted now.
    assert!(counted(&text, "bailiwick_requests_total")[&of_app("denied")] >= 1, "{text}");
    assert_eq!(counted(&text, "bailiwick_apps")["state=\"live\""], 1);
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_for_this_machine_a_token_or_an_operator() {
    let folder = tempfile::tempdir().unwrap();
    let token = "0123456789abcdef0123456789abcdef";
    testkit::private_file(&folder.path().join("token"), &format!("{token}\n"));
    let more = format!("[metrics]\ntoken = \"file:{}/token\"\n", folder.path().display());
    let town = Town::serving(Engine::Sqlite, "trusted_proxies = [\"127.0.0.1\"]\n", &more, Arc::new(SystemClock)).await;
    let get = |headers: Vec<(&'static str, String)>| {
        let (browser, url) = (town.browser(), format!("{}/metrics", town.url()));
        async move {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            browser.send("GET", &url, &headers, b"").await.status
        }
    };
    let elsewhere = ("x-forwarded-for", "198.51.100.7".to_owned());
    // Behind a proxy everyone comes from this machine.
    assert_eq!(get(vec![]).await, 401);
    assert_eq!(get(vec![elsewhere.clone()]).await, 401);
    assert_eq!(
        get(vec![elsewhere.clone(), ("authorization", "Bearer 0123456789abcdef0123456789abcdee".to_owned())]).await,
        401
    );
    assert_eq!(get(vec![elsewhere.clone(), ("authorization", format!("Bearer {token}"))]).await, 200);
    let proof = format!("Bearer {}", town.proof("GET", "/metrics", b""));
    assert_eq!(get(vec![elsewhere.clone(), ("authorization", proof)]).await, 200);
    let bo = town.person("bo@example.test", &["builders"]).await;
    let answer = bo.send("GET", &format!("{}/metrics", town.url()), &[], b"").await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let events = town.get("/api/v1/events?action=metrics.read").await.json();
    assert_eq!(events["events"].as_array().unwrap().len(), 2, "{events}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_says_what_is_missing() {
    let town = Town::start(Engine::Sqlite).await;
    let url = format!("{}/readyz", town.url());
    let ready = || async { town.browser().send("GET", &url, &[], b"").await };
    // The engine may still be compiling.
    until(async || ready().await.status == 200).await;
    let answer = ready().await.json();
    assert_eq!(answer["ready"], true, "{answer}");
    let names: Vec<_> =
        answer["checks"].as_array().unwrap().iter().map(|check| check["check"].as_str().unwrap()).collect();
    assert_eq!(names, ["record", "feed", "engine", "lease", "cuts", "continuity", "clock"]);
    town.stop().await;
}

/// `poll-notify` with its secret, live, and somebody who may use it.
async fn posts_votes(town: &Town) -> (testkit::Browser, String) {
    let secret = json!({ "app": "poll-notify", "owner": "people-ops", "purpose": "posts votes", "expires": expires(), "hosts": ["slack.com"], "value": "xoxb-0123456789-abcdef" });
    let put = town.machine("PUT", "/api/v1/secrets/people-ops/poll-notify-slack", secret.to_string().as_bytes()).await;
    assert_eq!(put.status, 200, "{put:?}");
    let waiting = town.deploy_template("poll-notify", "poll-notify").await.json();
    let request = waiting["request"].as_str().unwrap().to_owned();
    let approve = json!({ "why": "looked at it", "break_glass": true });
    let approved = town.post(&format!("/api/v1/requests/{request}/approve"), approve).await;
    assert_eq!(approved.json()["status"], "live", "{approved:?}");
    (town.person("ana@example.test", &["staff", "people-ops"]).await, town.app("poll-notify"))
}

async fn vote(browser: &testkit::Browser, url: &str, headers: &[(&str, &str)]) -> Answer {
    let page = browser.open(&format!("{url}/")).await.text();
    let at = page.find("name=\"choice\"").unwrap_or_else(|| panic!("no choice in {page}"));
    let choice = page[at..].split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mut all = vec![
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "same-origin"),
        ("accept", "text/html"),
    ];
    all.extend_from_slice(headers);
    browser.send("POST", &format!("{url}/vote"), &all, format!("choice={choice}").as_bytes()).await
}

fn expires() -> String {
    use model::Clock;
    SystemClock.now().plus(std::time::Duration::from_secs(60 * 86_400)).to_string()[..10].to_owned()
}

fn traced(arrived: &Arrived) -> &str {
    arrived.headers.iter().find(|(name, _)| name == "traceparent").map_or("", |(_, value)| value.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_through_gateway_app_broker_and_record() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start("slack.com", |_| "{\"ok\":true}".to_owned()).await;
    let town = Town::with(Engine::Sqlite, &upstream.config(folder.path()), Arc::new(SystemClock)).await;
    let (ana, url) = posts_votes(&town).await;
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    assert_eq!(vote(&ana, &url, &[("traceparent", &parent)]).await.status, 303);
    let arrived = upstream.arrived();
    assert!(traced(&arrived[0]).starts_with(&format!("00-{TRACE}-")), "{arrived:?}");
    assert!(!traced(&arrived[0]).contains("b7ad6b7169203331"), "a span of our own");
    let events = town.get(&format!("/api/v1/events?trace={TRACE}")).await.json();
    let mut actions: Vec<_> =
        events["events"].as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap().to_owned()).collect();
    actions.sort();
    actions.dedup();
    for action in ["app.use", "egress.call", "secret.use", "data.write"] {
        assert!(actions.iter().any(|found| found == action), "{action} is not among {actions:?}");
    }
    // The control API honours it too, and begins a trace where there is none.
    let body = br#"{"why":"over"}"#;
    let path = "/api/v1/apps/poll-notify/revoke";
    let proof = format!("Bearer {}", town.proof("POST", path, body));
    let headers = [("authorization", proof.as_str()), ("traceparent", parent.as_str())];
    assert_eq!(town.browser().send("POST", &format!("{}{path}", town.url()), &headers, body).await.status, 200);
    let revoked = town.get(&format!("/api/v1/events?trace={TRACE}&action=app.revoke")).await.json();
    assert_eq!(revoked["events"].as_array().unwrap().len(), 1, "{revoked}");
    let read = town.get("/api/v1/events?action=audit.read").await.json();
    assert_eq!(read["events"][0]["trace_id"].as_str().unwrap().len(), 32, "{read}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_nearest_proxy_says_who_asks() {
    let server = "trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\n";
    let town = Town::serving(Engine::Sqlite, server, "", Arc::new(SystemClock)).await;
    let body = br#"{"email":"cy@example.test","groups":["staff"]}"#;
    let proof = format!("Bearer {}", town.proof("POST", "/api/v1/people", body));
    // What the client made up comes first, on a line of its own; each proxy adds whom it heard.
    let headers = [
        ("authorization", proof.as_str()),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-for", "198.51.100.7, 10.1.1.1"),
    ];
    let answer = town.browser().send("POST", &format!("{}/api/v1/people", town.url()), &headers, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let events = town.get("/api/v1/events?action=person.add").await.json();
    assert_eq!(events["events"][0]["from"]["ip"], "198.51.100.7", "{events}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_says_what_each_address_is_for() {
    let town = Town::start(Engine::Sqlite).await;
    let document = town.browser().send("GET", &format!("{}/api/v1/openapi.json", town.url()), &[], b"").await.json();
    let mut wrong = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let mut say = |what: &str| wrong.push(format!("{method} {path}: {what}"));
            if operation["summary"].as_str().is_none_or(str::is_empty) {
                say("no summary");
            }
            if !ids.insert(operation["operationId"].as_str().unwrap_or_default().to_owned()) {
                say("its operation id is another's");
            }
            let responses = operation["responses"].as_object().unwrap();
            if !responses.keys().any(|status| status.starts_with('2')) {
                say("no success");
            }
            for (status, response) in responses {
                if response["description"].as_str().is_none_or(str::is_empty) {
                    say(&format!("no description of {status}"));
                }
            }
            let named = |name: &str| {
                let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
                parameters.iter().any(|parameter| parameter["name"] == name && parameter["in"] == "path")
            };
            for part in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                if !named(part.trim_start_matches('*')) {
                    say(&format!("`{part}` is not described"));
                }
            }
            for parameter in operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default() {
                let name = parameter["name"].as_str().unwrap();
                if (parameter["in"] == "path") != path.contains(&format!("{{{name}}}")) {
                    say(&format!("`{name}` is in {}", parameter["in"]));
                }
            }
        }
    }
    // What it refers to stands in it.
    for reference in document.to_string().split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        if document.pointer(reference).is_none() {
            wrong.push(format!("nothing stands at {reference}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    town.stop().await;
}
