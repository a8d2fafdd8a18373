//! Bytes that no browser sends: each is refused, or ends its connection, and the next request is served.

use crate::{
    client::{ANA, Answer, HOST, ask, raw},
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
