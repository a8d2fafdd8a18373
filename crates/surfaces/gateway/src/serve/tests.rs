//! Clients that agree on HTTP/2 and go no further, and how a listener stops.

use super::*;
use crate::tls::{Certificates, TlsFiles};
use hyper_util::rt::TokioExecutor;
use std::{fs, os::unix::fs::PermissionsExt, sync::atomic::AtomicUsize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
const NEVER: Duration = Duration::from_secs(3_600);
const ROOMS: [Room; 2] = [Room::Ordinary, Room::Crowded];
/// What a client of HTTP/2 says first: the preface, and SETTINGS that change nothing (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Waits for whoever says nothing, and for nobody else, so long.
fn listening(head_time: Duration) -> Listening {
    let soon = Duration::from_millis(50);
    Listening { head_time, idle: soon, farewell: soon, ..Listening::default() }
}

/// A request without a body on this stream: `GET https://x/` (RFC 7541, section 6.1 and 6.2.1).
fn get(stream: u8) -> Vec<u8> {
    let fields = b"\x82\x84\x87\x41\x01x";
    let mut frame = vec![0, 0, u8::try_from(fields.len()).unwrap(), 1, 5, 0, 0, 0, stream];
    frame.extend_from_slice(fields);
    frame
}

/// What was asked of a connection of HTTP/2.
#[derive(Default)]
struct Asked {
    often: AtomicUsize,
    one: Notify,
}

/// A connection of HTTP/2 in this room.
fn two_in(room: Room, listening: Listening, stop: CancellationToken) -> (DuplexStream, JoinHandle<()>, Arc<Asked>) {
    let (client, server) = duplex(64 << 10);
    let asked = Arc::new(Asked::default());
    let answer = {
        let asked = Arc::clone(&asked);
        move |_request, _peer| {
            let asked = Arc::clone(&asked);
            async move {
                asked.often.fetch_add(1, Ordering::Relaxed);
                asked.one.notify_one();
                Response::new(Body::from("ok"))
            }
        }
    };
    let came = Came { peer: SocketAddr::from(([127, 0, 0, 1], 1)), room, certified: None };
    (client, tokio::spawn(two(server, came, listening, stop, answer)), asked)
}

async fn ends(serving: JoinHandle<()>, what: &str) {
    timeout(PATIENCE, serving).await.expect(what).unwrap();
}

#[tokio::test]
async fn whoever_agrees_on_http_2_and_asks_for_nothing_is_let_go() {
    let brief = || Listening { idle: NEVER, ..listening(Duration::from_millis(50)) };
    for room in ROOMS {
        let (_client, serving, _) = two_in(room, brief(), CancellationToken::new());
        ends(serving, "it says nothing").await;

        let (mut client, serving, _) = two_in(room, brief(), CancellationToken::new());
        client.write_all(PREFACE).await.unwrap();
        ends(serving, "it says only which HTTP it speaks").await;
    }
}

#[tokio::test]
async fn whoever_asks_for_nothing_does_not_hold_up_the_end() {
    for room in ROOMS {
        let stop = CancellationToken::new();
        let (_client, serving, _) = two_in(room, Listening { idle: NEVER, ..listening(NEVER) }, stop.clone());
        stop.cancel();
        ends(serving, "it says nothing").await;
    }
}

/// None of these answers to the farewell.
#[tokio::test]
async fn a_connection_of_http_2_ends_after_its_last_answer_and_a_crowded_one_has_a_single_one() {
    for room in ROOMS {
        let (mut client, serving, asked) = two_in(room, listening(NEVER), CancellationToken::new());
        client.write_all(PREFACE).await.unwrap();
        for stream in [1, 3, 5] {
            // In an ordinary one each is answered; in a crowded one nothing comes of the others.
            if stream == 1 || room == Room::Ordinary {
                client.write_all(&get(stream)).await.unwrap();
                timeout(PATIENCE, asked.one.notified()).await.expect("it is asked");
            } else {
                drop(client.write_all(&get(stream)).await);
            }
        }
        ends(serving, "it is over").await;
        let often = asked.often.load(Ordering::Relaxed);
        assert_eq!(often, if room == Room::Crowded { 1 } else { 3 }, "{room:?}");
    }
}

#[tokio::test]
async fn the_one_request_of_a_crowded_connection_is_answered_and_the_connection_ends_in_order() {
    let patient = Listening { farewell: NEVER, ..listening(NEVER) };
    let (client, serving, asked) = two_in(Room::Crowded, patient, CancellationToken::new());
    let executor = TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, TokioIo::new(client)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://x/").body(Body::empty()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let body = axum::body::to_bytes(Body::new(answer.into_body()), 64).await.unwrap();
    assert_eq!(&body[..], b"ok");
    ends(serving, "the client answers to the farewell").await;
    assert_eq!(asked.often.load(Ordering::Relaxed), 1);
}

/// Certificate files of a server at `localhost`, and a client that trusts it and offers HTTP/2.
fn secured(folder: &std::path::Path) -> (Tls, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles { cert: folder.join("tls.pem"), key: folder.join("tls.key") };
    fs::write(&files.cert, made.cert.pem()).unwrap();
    fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tls = Certificates::load(files).unwrap().tls(None).unwrap();
    (tls, TlsConnector::from(Arc::new(config)))
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn nothing(_request: Request<Body>, _peer: SocketAddr) -> Response<Body> {
    Response::new(Body::empty())
}

#[tokio::test]
async fn silence_after_the_handshake_gives_its_place_back_in_both_rooms() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, connector) = secured(folder.path());
    for ordinary in [1, 0] {
        // One place, in one of the rooms.
        let brief = Duration::from_secs(1);
        let places = Listening { connections: ordinary, crowded: 1 - ordinary, ..Listening::default() };
        let listening = Listening { head_time: brief, crowded_time: brief, tls: Some(tls.clone()), ..places };
        let (listener, address) = listener().await;
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, listening, stop.clone(), nothing));
        let stream = TcpStream::connect(address).await.unwrap();
        let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let mut rest = Vec::new();
        // Ended or reset.
        drop(timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is closed"));
        stop.cancel();
        ends(serving, "nothing is left").await;
    }
}

#[tokio::test]
async fn a_listener_that_stops_waits_for_no_handshake() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, connector) = secured(folder.path());
    let listening = Listening { head_time: NEVER, farewell: NEVER, tls: Some(tls), ..Listening::default() };
    let (listener, address) = listener().await;
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, listening, stop.clone(), nothing));
    // One that says nothing at all, and one that came after it and agreed on HTTP/2.
    let _mute = TcpStream::connect(address).await.unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
    let _silent = connector.connect(name, stream).await.unwrap();
    stop.cancel();
    ends(serving, "it waits for nobody").await;
}

#[tokio::test]
async fn a_listener_that_stops_takes_nothing_new_while_what_runs_comes_to_its_end() {
    let (listener, address) = listener().await;
    let (stop, begun, go_on) = (CancellationToken::new(), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let answer = {
        let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
        move |_request, _peer| {
            let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
            async move {
                begun.notify_one();
                go_on.notified().await;
                Response::new(Body::from("whole"))
            }
        }
    };
    let listening = Listening { farewell: PATIENCE, ..Listening::default() };
    let serving = tokio::spawn(serve(listener, listening, stop.clone(), answer));
    let mut running = TcpStream::connect(address).await.unwrap();
    running.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    begun.notified().await;
    stop.cancel();
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, refused).await.expect("whoever comes now is refused");
    go_on.notify_one();
    let mut answer = String::new();
    running.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("whole"), "{answer}");
    ends(serving, "what ran is over").await;
}
