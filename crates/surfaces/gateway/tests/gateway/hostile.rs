//! Bytes that no browser sends: each is refused, or ends its connection, and the next request is served.

use crate::{
    client::{ANA, Answer, HOST, PAGE, ask, raw},
    house::{House, Setting},
};
use gateway::Listening;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const TOKEN: &str = "authorization: Bearer h.ana.token";

async fn status(house: &House, text: &str) -> u16 {
    Answer::read(&raw(house.address, text.as_bytes()).await).status
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_read_in_two_ways_is_refused() {
    let house = House::new().await;
    let post = format!("POST /echo HTTP/1.1\r\nhost: {HOST}\r\n{TOKEN}\r\n");
    for (name, text) in [
        ("length, then coding", format!("{post}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("coding, then length", format!("{post}transfer-encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n")),
        ("two lengths", format!("{post}content-length: 1\r\ncontent-length: 2\r\n\r\nxx")),
        ("a list of lengths", format!("{post}content-length: 1, 1\r\n\r\nx")),
        ("a signed length", format!("{post}content-length: +1\r\n\r\nx")),
        ("another coding", format!("{post}transfer-encoding: gzip\r\n\r\n")),
        ("bare CR in a value", format!("{post}x: a\rb\r\nconnection: close\r\n\r\n")),
        ("NUL in a value", format!("{post}x: a\0b\r\nconnection: close\r\n\r\n")),
        ("a space before the colon", format!("{post}x : a\r\nconnection: close\r\n\r\n")),
        ("a folded line", format!("{post}x: a\r\n b\r\nconnection: close\r\n\r\n")),
        ("no host", "GET / HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned()),
        ("two hosts", format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nhost: {HOST}\r\nconnection: close\r\n\r\n")),
        (
            "another host in the target",
            format!("GET http://other.localhost:7070/ HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n"),
        ),
        ("no version", "GET /\r\n\r\n".to_owned()),
        (
            "a coding in HTTP/1.0",
            format!("POST / HTTP/1.0\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        ("no request at all", "\x16\x03\x01\x02\r\n\r\n".to_owned()),
    ] {
        assert_eq!(status(&house, &text).await, 400, "{name}");
    }
    assert!(house.doors.opened.lock().unwrap().is_empty());
    assert_eq!(ask(house.address, "GET /", &[ANA], "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_smuggled_behind_a_chunked_body_is_read() {
    let house = House::new().await;
    let text = format!(
        "POST /echo HTTP/1.1\r\nhost: {HOST}\r\n{TOKEN}\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: {HOST}\r\n{TOKEN}\r\n\r\n"
    );
    let bytes = raw(house.address, text.as_bytes()).await;
    let all = String::from_utf8_lossy(&bytes);
    assert_eq!(all.matches("HTTP/1.1 ").count(), 1, "{all}");
    assert_eq!(house.accesses().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused() {
    let house = House::new().await;
    let get = |rest: String| format!("GET {rest}\r\nhost: {HOST}\r\nconnection: close\r\n");
    let many: String = (0..150).map(|n| format!("x-{n}: 1\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(40_000));
    let huge = format!("x: {}\r\n", "y".repeat(200_000));
    assert_eq!(status(&house, &format!("{}{many}\r\n", get("/ HTTP/1.1".into()))).await, 431);
    assert_eq!(status(&house, &format!("{}{long}\r\n", get("/ HTTP/1.1".into()))).await, 431);
    // Its end may arrive as a reset, since the rest of it is never read.
    assert!(matches!(status(&house, &format!("{}{huge}\r\n", get("/ HTTP/1.1".into()))).await, 431 | 0));
    assert_eq!(status(&house, &format!("{}\r\n", get(format!("/{} HTTP/1.1", "y".repeat(9_000))))).await, 414);
    let said = format!("POST / HTTP/1.1\r\nhost: {HOST}\r\n{TOKEN}\r\ncontent-length: 4294967296\r\n\r\n");
    assert_eq!(status(&house, &said).await, 413);
}

/// A browser with ana's session and cookies that a neighbour's page set for the whole apps domain. How often it had to
/// open the app until that answered.
async fn opened_after(house: &House, mut bombs: Vec<String>) -> usize {
    for round in 0..20 {
        let lines = format!("cookie: bailiwick-app-i1=ana-cookie; {}", bombs.join("; "));
        let answer = ask(house.address, "GET /echo", &[&lines, PAGE], "").await;
        if answer.status == 200 {
            return round;
        }
        assert_eq!((answer.status, answer.header("connection")), (431, "close"), "{answer:?}");
        let gone = answer.all("set-cookie");
        assert!(gone.iter().all(|line| line.contains("; Max-Age=0")), "{gone:?}");
        assert!(gone.iter().map(String::len).sum::<usize>() < 8_000, "no proxy takes so long a head");
        let ours = |line: &String| line.starts_with("bailiwick-app-i1=") && !line.contains("; Domain=");
        assert!(!gone.iter().any(ours), "she stays signed in: {gone:?}");
        bombs.retain(|bomb| {
            let (name, _) = bomb.split_once('=').unwrap();
            !gone.contains(&format!("{name}=; Path=/; Max-Age=0; Domain=localhost"))
        });
    }
    panic!("{} are left", bombs.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_of_a_neighbour_that_are_too_large_are_taken_away() {
    let house = House::new().await;
    let bombs = |many: usize, name: &str| (0..many).map(|n| format!("{name}{n}={}", "x".repeat(4_000))).collect();
    assert_eq!(opened_after(&house, bombs(9, "bomb")).await, 1);
    assert_eq!(opened_after(&house, bombs(9, "bailiwick-bomb")).await, 1);
    // More than hyper reads of a head.
    assert!(opened_after(&house, bombs(100, "bomb")).await > 1);
    let accesses = house.accesses().await;
    assert_eq!(accesses.len(), 3, "only what was whole was let in: {accesses:#?}");
    // What is too large without them is none of theirs.
    let long = format!("x: {}", "y".repeat(40_000));
    let refused = ask(house.address, "GET /echo", &[ANA, &long, "cookie: theme=dark"], "").await;
    assert_eq!((refused.status, refused.all("set-cookie").len()), (431, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_head_is_not_waited_for() {
    let listening = Listening { head_time: Duration::from_millis(200), ..Listening::default() };
    let house = House::with(Setting { listening, ..Setting::default() }).await;
    let mut slow = TcpStream::connect(house.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: poll.loc").await.unwrap();
    let mut silent = TcpStream::connect(house.address).await.unwrap();
    for stream in [&mut slow, &mut silent] {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(crate::client::PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "the connection was held");
        assert!(!String::from_utf8_lossy(&rest).contains(" 200 "));
    }
    assert_eq!(ask(house.address, "GET /", &[ANA], "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_for_proxies_are_refused() {
    let house = House::new().await;
    assert_eq!(ask(house.address, "TRACE /", &[ANA], "").await.status, 405);
    let connect = format!("CONNECT {HOST} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n");
    let answer = raw(house.address, connect.as_bytes()).await;
    assert!(!String::from_utf8_lossy(&answer).contains(" 200 "));
    let upgrade = ask(house.address, "GET /echo", &[ANA, "upgrade: websocket", "connection: upgrade"], "").await;
    assert!(upgrade.status != 101, "{upgrade:?}");
}
