//! The edges by TLS: client certificates where the operator asks for them, no old version, and a cut that ends one stream
//! of a connection and leaves the others alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use model::SystemClock;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};
use testkit::{Engine, Town, manifest};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

const APP: &str = r#"
export default {
  async fetch(request) {
    if (new URL(request.url).pathname !== "/stream") return new Response("ok");
    const piece = new TextEncoder().encode(".".repeat(1024));
    return new Response(new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 2));
        controller.enqueue(piece);
      },
    }));
  },
};
"#;

type Shown = Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>;

/// The operator's authority, the server's certificate, and what clients may show.
struct Papers {
    server: CertificateDer<'static>,
    good: Shown,
    stranger: Shown,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn issued(by: &CertifiedIssuer<'static, KeyPair>) -> Shown {
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(vec!["client".to_owned()]).unwrap().signed_by(&key, by).unwrap();
    Some((made.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap()))
}

fn papers(folder: &Path) -> Papers {
    let names = ["console.test", "*.apps.test"].map(str::to_owned).to_vec();
    let server = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(folder.join("tls.pem"), server.cert.pem()).unwrap();
    let key = folder.join("tls.key");
    std::fs::write(&key, server.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (ours, theirs) = (authority(), authority());
    std::fs::write(folder.join("clients.pem"), ours.pem()).unwrap();
    Papers { server: server.cert.der().clone(), good: issued(&ours), stranger: issued(&theirs) }
}

/// Speaks TLS to the server as a client that trusts it, and shows what it has.
async fn secured(port: u16, papers: &Papers, name: &str, shown: &Shown) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(papers.server.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shown {
        Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate.clone()], key.clone_key()).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

type Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

/// `None` when the handshake fails, which with TLS 1.3 a client learns when it first reads.
async fn connected(port: u16, papers: &Papers, name: &str, shown: &Shown) -> Option<Sender> {
    let stream = secured(port, papers, name, shown).await.ok()?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.ok()?;
    let mut ended = tokio::spawn(connection);
    let url = format!("https://{name}/");
    // What is asked of a connection in the moment it ends, hyper's client sometimes never answers.
    tokio::select! {
        answer = send(&mut sender, "GET", &url, &[], Bytes::new()) => answer.ok()?,
        _ = &mut ended => return None,
    };
    Some(sender)
}

type Sent = Result<http::Response<hyper::body::Incoming>, hyper::Error>;

async fn send(sender: &mut Sender, method: &str, url: &str, headers: &[(&str, &str)], body: Bytes) -> Sent {
    let mut request = http::Request::builder().method(method).uri(url).header("accept", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    sender.ready().await?;
    sender.send_request(request.body(Full::new(body)).unwrap()).await
}

async fn ask(sender: &mut Sender, url: &str) -> (u16, String) {
    let answer = send(sender, "GET", url, &[], Bytes::new()).await.unwrap();
    let status = answer.status().as_u16();
    (status, String::from_utf8_lossy(&answer.into_body().collect().await.unwrap().to_bytes()).into_owned())
}

/// As `machine`, at the console.
async fn post(town: &Town, papers: &Papers, path: &str, body: Bytes) -> Value {
    let mut console = connected(town.port, papers, "console.test", &None).await.unwrap();
    let proof = format!("Bearer {}", town.proof("POST", path, &body));
    let headers = [("authorization", proof.as_str()), ("content-type", "application/json")];
    let answer = send(&mut console, "POST", &format!("https://console.test{path}"), &headers, body).await.unwrap();
    serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

/// Serves an app of each name, open to strangers.
async fn town(folder: &Path, papers: &Papers, more: &str, names: &[&str]) -> Town {
    let at = folder.display();
    let server = format!(
        "public_url = \"https://console.test\"\napps_domain = \"apps.test\"\n\
         tls = {{ cert = \"{at}/tls.pem\", key = \"{at}/tls.key\" }}\n{}",
        more.replace("AT", &at.to_string())
    );
    let town = Town::serving(Engine::Sqlite, &server, "", Arc::new(SystemClock)).await;
    for name in names {
        let text = manifest(name, "").replace("use = [\"everyone\"]", "use = [\"everyone\"]\npublic = [\"/**\"]");
        let archive = testkit::archive(&[("bailiwick.toml", &text), ("app.js", APP)]);
        let deployed = post(&town, papers, "/api/v1/deploy?env=prod", archive).await;
        let path = format!("/api/v1/requests/{}/approve", deployed["request"].as_str().unwrap());
        let why = json!({ "why": "the test needs it", "break_glass": true }).to_string();
        let live = post(&town, papers, &path, why.into()).await;
        assert_eq!(live["status"], "live", "{live}");
    }
    town
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_asked_for_where_the_operator_says() {
    let folder = tempfile::tempdir().unwrap();
    let papers = papers(folder.path());
    let clients = "clients = { ca = \"AT/clients.pem\", apps = { payroll = [\"/**\"], poll = [\"/admin/**\"] } }\n";
    let town = town(folder.path(), &papers, clients, &["payroll", "poll"]).await;
    let port = town.port;

    // Everywhere: without one, or with a stranger's, the handshake fails.
    assert!(connected(port, &papers, "payroll.apps.test", &None).await.is_none());
    assert!(connected(port, &papers, "payroll.apps.test", &papers.stranger).await.is_none());
    let mut shown = connected(port, &papers, "payroll.apps.test", &papers.good).await.unwrap();
    assert_eq!(ask(&mut shown, "https://payroll.apps.test/").await, (200, "ok".to_owned()));

    // For some paths: the others are open, these say what they ask for.
    let mut none = connected(port, &papers, "poll.apps.test", &None).await.unwrap();
    assert_eq!(ask(&mut none, "https://poll.apps.test/").await.0, 200);
    let (status, text) = ask(&mut none, "https://poll.apps.test/admin/x").await;
    assert_eq!(status, 421, "{text}");
    assert!(text.contains("certificate.needed"), "{text}");
    let mut good = connected(port, &papers, "poll.apps.test", &papers.good).await.unwrap();
    assert_eq!(ask(&mut good, "https://poll.apps.test/admin/x").await.0, 200);

    // Another name's handshake opens nothing.
    let (status, text) = ask(&mut none, "https://payroll.apps.test/").await;
    assert_eq!(status, 421, "{text}");
    // And the console asks for none.
    assert!(connected(port, &papers, "console.test", &None).await.is_some());
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_changes_is_believed_without_a_restart_and_the_old_one_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let papers = papers(folder.path());
    let clients = "clients = { ca = \"AT/clients.pem\", apps = { payroll = [\"/**\"], poll = [\"/admin/**\"] } }\n";
    let town = town(folder.path(), &papers, clients, &["payroll", "poll"]).await;
    let port = town.port;
    let (payroll, admin) = ("https://payroll.apps.test/", "https://poll.apps.test/admin/x");
    let mut before = connected(port, &papers, "payroll.apps.test", &papers.good).await.unwrap();
    let mut perhaps = connected(port, &papers, "poll.apps.test", &papers.good).await.unwrap();
    assert_eq!((ask(&mut before, payroll).await.0, ask(&mut perhaps, admin).await.0), (200, 200));
    // What cannot be used changes nothing.
    let next = authority();
    let shown = issued(&next);
    std::fs::write(folder.path().join("clients.pem"), "no certificate").unwrap();
    assert!(connected(port, &papers, "payroll.apps.test", &shown).await.is_none());
    std::fs::write(folder.path().join("clients.pem"), next.pem()).unwrap();
    testkit::until("the new authority is believed", || async {
        connected(port, &papers, "payroll.apps.test", &shown).await.is_some()
    })
    .await;
    let mut now = connected(port, &papers, "payroll.apps.test", &shown).await.unwrap();
    assert_eq!(ask(&mut now, payroll).await, (200, "ok".to_owned()));
    // The old one is believed by no new connection, and by none that stood.
    assert!(connected(port, &papers, "payroll.apps.test", &papers.good).await.is_none());
    for (sender, url) in [(&mut before, payroll), (&mut perhaps, admin)] {
        let (status, text) = ask(sender, url).await;
        assert!(status == 421 && text.contains("certificate.needed"), "{status} {text}");
    }
    assert_eq!(ask(&mut perhaps, "https://poll.apps.test/").await.0, 200, "that path asks for none");
    let mut again = connected(port, &papers, "poll.apps.test", &shown).await.unwrap();
    assert_eq!(ask(&mut again, admin).await.0, 200);
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_ends_its_own_stream_and_no_other_on_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let papers = papers(folder.path());
    let town = town(folder.path(), &papers, "", &["cut-off", "goes-on"]).await;
    let mut sender = connected(town.port, &papers, "cut-off.apps.test", &None).await.unwrap();
    let open = async |sender: &mut Sender, name: &str| {
        send(sender, "GET", &format!("https://{name}.apps.test/stream"), &[], Bytes::new()).await.unwrap().into_body()
    };
    // One that is read, one that nobody reads until it can send no more, and a neighbour's.
    let mut read = open(&mut sender, "cut-off").await;
    let mut unread = open(&mut sender, "cut-off").await;
    let mut neighbour = open(&mut sender, "goes-on").await;
    assert!(read.frame().await.unwrap().is_ok() && neighbour.frame().await.unwrap().is_ok());
    let receipt =
        post(&town, &papers, "/api/v1/apps/cut-off/revoke", json!({ "why": "enough" }).to_string().into()).await;
    assert_eq!(receipt["recorded"], true, "{receipt}");
    for body in [&mut read, &mut unread] {
        let ends = async { while let Some(Ok(_)) = body.frame().await {} };
        tokio::time::timeout(Duration::from_secs(10), ends).await.expect("it was cut");
    }
    // The same connection: what it had of the other app goes on, and more can be asked.
    for _ in 0..20 {
        assert!(neighbour.frame().await.unwrap().is_ok());
    }
    assert_eq!(ask(&mut sender, "https://goes-on.apps.test/").await.0, 200);
    assert!(matches!(ask(&mut sender, "https://cut-off.apps.test/").await.0, 403 | 410));
    drop((neighbour, sender));
    town.stop().await;
}

/// What a client of TLS 1.`minor - 1` sends first (RFC 5246, section 7.4.1.2): it knows a cipher suite of before and one
/// of 1.2, and signs and agrees on keys as both may.
fn hello(minor: u8) -> Vec<u8> {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x09, 0xc0, 0x2b, 1, 0]);
    hello.extend([0, 16, 0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 29]);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_version_of_tls_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let papers = papers(folder.path());
    let town = town(folder.path(), &papers, "", &[]).await;
    let answered = async |minor: u8| {
        let mut stream = TcpStream::connect(("127.0.0.1", town.port)).await.unwrap();
        stream.write_all(&hello(minor)).await.unwrap();
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).await.unwrap();
        answer
    };
    // An alert (21), fatal (2): protocol version (70), RFC 5246, section 7.2.
    let old = answered(2).await;
    assert_eq!((old[0], old[5], old[6]), (21, 2, 70), "{old:?}");
    // The same, but for its version, is taken: a handshake (22), the server's hello (2).
    let new = answered(3).await;
    assert_eq!((new[0], new[5]), (22, 2), "{new:?}");
    town.stop().await;
}
