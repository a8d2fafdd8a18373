//! Bytes on the wire that a proxy in front could read otherwise than we do: of each, nothing but one plain request
//! reaches an app, and nothing behind it is read as another.

use crate::{
    client::{ANA, HOST, ask, raw},
    house::{House, Setting},
};
use gateway::Listening;
use std::time::Duration;

const TOKEN: &str = "authorization: Bearer h.ana.token";
const SMUGGLED: &str =
    "GET /smuggled HTTP/1.1\r\nhost: poll.localhost:7070\r\nauthorization: Bearer h.ana.token\r\n\r\n";

/// One that does not wait long for the rest of a head.
async fn house() -> House {
    let listening = Listening { head_time: Duration::from_millis(500), ..Listening::default() };
    House::with(Setting { listening, ..Setting::default() }).await
}

/// Sends it; what came back, and how many instances it led to.
async fn sent(house: &House, bytes: &[u8]) -> (String, usize) {
    let before = house.doors.opened_count();
    let answer = String::from_utf8_lossy(&raw(house.address, bytes).await).into_owned();
    (answer, house.doors.opened_count() - before)
}

/// Refused, or not answered at all; and no app was run for it.
async fn refused(house: &House, name: &str, bytes: &[u8]) {
    let (answer, ran) = sent(house, bytes).await;
    let status = answer.split(' ').nth(1).unwrap_or("none");
    assert!(answer.is_empty() || status.starts_with('4') || status == "505", "{name}: {answer}");
    assert_eq!((ran, answer.matches("smuggled").count()), (0, 0), "{name}: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_heads_are_refused() {
    let house = house().await;
    let close = "connection: close\r\n\r\n";
    for (name, text) in [
        ("a folded first header", format!("GET / HTTP/1.1\r\n folded: 1\r\nhost: {HOST}\r\n{close}")),
        ("a tab before the colon", format!("GET / HTTP/1.1\r\nhost\t: {HOST}\r\n{close}")),
        ("a header without a name", format!("GET / HTTP/1.1\r\nhost: {HOST}\r\n: x\r\n{close}")),
        ("a header without a colon", format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nnothing\r\n{close}")),
        ("a name with a NUL", format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nx\0y: z\r\n{close}")),
        ("a name beyond ASCII", format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nü: z\r\n{close}")),
        ("a bare CR between headers", format!("GET / HTTP/1.1\r\nhost: {HOST}\rx: y\r\n{close}")),
        ("a bare CR in the target", format!("GET /\r HTTP/1.1\r\nhost: {HOST}\r\n{close}")),
        ("two spaces before the version", format!("GET /  HTTP/1.1\r\nhost: {HOST}\r\n{close}")),
        ("another version", format!("GET / HTTP/1.2\r\nhost: {HOST}\r\n{close}")),
        ("HTTP/2 by name", format!("GET / HTTP/2.0\r\nhost: {HOST}\r\n{close}")),
        ("a version of words", format!("GET / HTPT/1.1\r\nhost: {HOST}\r\n{close}")),
        ("a target of words", format!("GET somewhere HTTP/1.1\r\nhost: {HOST}\r\n{close}")),
        ("a target with a fragment", format!("GET /a\u{0}b HTTP/1.1\r\nhost: {HOST}\r\n{close}")),
        (
            "an absolute target of another scheme and host",
            format!("GET ftp://other/ HTTP/1.1\r\nhost: {HOST}\r\n{close}"),
        ),
        ("an absolute target with a user", format!("GET http://a:b@{HOST}/ HTTP/1.1\r\nhost: {HOST}\r\n{close}")),
        (
            "an absolute target of another port",
            format!("GET http://poll.localhost:80/ HTTP/1.1\r\nhost: {HOST}\r\n{close}"),
        ),
        ("all of the server", format!("OPTIONS * HTTP/1.1\r\nhost: {HOST}\r\n{close}")),
        (
            "two hosts in two spellings",
            format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nHOST: other.localhost:7070\r\n{close}"),
        ),
        ("two hosts in one header", format!("GET / HTTP/1.1\r\nhost: {HOST}, other.localhost:7070\r\n{close}")),
        ("a host with a path", format!("GET / HTTP/1.1\r\nhost: {HOST}/x\r\n{close}")),
        ("a host with a space", format!("GET / HTTP/1.1\r\nhost: poll .localhost:7070\r\n{close}")),
        ("an empty host", format!("GET / HTTP/1.1\r\nhost:\r\n{close}")),
        (
            "a line feed alone, then a coding",
            format!(
                "POST /echo HTTP/1.1\nhost: {HOST}\n{TOKEN}\ntransfer-encoding: chunked\ncontent-length: 5\n\n0\r\n\r\n{SMUGGLED}"
            ),
        ),
    ] {
        refused(&house, name, text.as_bytes()).await;
    }
    assert_eq!(ask(house.address, "GET /", &[ANA], "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_chunks_end_their_connection() {
    let house = house().await;
    let head = |coding: &str| format!("POST /echo HTTP/1.1\r\nhost: {HOST}\r\n{TOKEN}\r\n{coding}\r\n\r\n");
    let chunked = "transfer-encoding: chunked";
    for (name, coding, body) in [
        ("a size in another base", chunked, "0x5\r\nhello\r\n0\r\n\r\n"),
        ("a negative size", chunked, "-5\r\nhello\r\n0\r\n\r\n"),
        ("a signed size", chunked, "+5\r\nhello\r\n0\r\n\r\n"),
        ("a size with a space", chunked, "5 5\r\nhello\r\n0\r\n\r\n"),
        ("a size with an underscore", chunked, "5_5\r\nhello\r\n0\r\n\r\n"),
        ("a size beyond any number", chunked, "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        ("a size that wraps to zero", chunked, "10000000000000000\r\nhello\r\n0\r\n\r\n"),
        ("no size", chunked, "\r\nhello\r\n0\r\n\r\n"),
        ("more bytes than the size says", chunked, "2\r\nhello\r\n0\r\n\r\n"),
        ("a line feed alone after the size", chunked, "5\nhello\r\n0\r\n\r\n"),
        ("a bare CR after the size", chunked, "5\rhello\r\n0\r\n\r\n"),
        ("a line feed in an extension", chunked, "5;a=\nb\r\nhello\r\n0\r\n\r\n"),
        ("chunked twice", "transfer-encoding: chunked, chunked", "0\r\n\r\n"),
        ("chunked, then another", "transfer-encoding: chunked, identity", "0\r\n\r\n"),
        ("chunked in two headers", "transfer-encoding: chunked\r\ntransfer-encoding: identity", "0\r\n\r\n"),
        ("almost chunked", "transfer-encoding: xchunked", "0\r\n\r\n"),
        ("chunked behind a vertical tab", "transfer-encoding: \x0bchunked", "0\r\n\r\n"),
        ("chunked in quotes", "transfer-encoding: \"chunked\"", "0\r\n\r\n"),
        ("a coding under an underscore", "transfer_encoding: chunked\r\ncontent-length: 0", ""),
        ("a length in a list", "content-length: 0, 5", "hello"),
        ("a length in another base", "content-length: 0x5", "hello"),
        ("a length beyond any number", "content-length: 18446744073709551616", "hello"),
        ("an empty length", "content-length:", "hello"),
        ("a length with a space", "content-length: 1 1", "hello"),
    ] {
        let bytes = [head(coding).as_bytes(), body.as_bytes(), SMUGGLED.as_bytes()].concat();
        let (answer, ran) = sent(&house, &with_close(&bytes, name)).await;
        assert!(!answer.contains("smuggled"), "{name}: {answer}");
        // A body may break while its app runs already; what came whole may be answered.
        assert!(
            ran <= 1 && answer.matches("HTTP/1.1 ").count() <= 1 + usize::from(name.contains("underscore")),
            "{name}: {answer}"
        );
    }
    assert_eq!(ask(house.address, "GET /", &[ANA], "").await.status, 200);
}

/// Where the first request is whole, what follows is a second one by right: it closes the connection.
fn with_close(bytes: &[u8], name: &str) -> Vec<u8> {
    if !name.contains("underscore") {
        return bytes.to_vec();
    }
    String::from_utf8_lossy(bytes)
        .replace("GET /smuggled", "GET /second")
        .replace(
            " HTTP/1.1\r\nhost: poll.localhost:7070\r\nauthorization: Bearer h.ana.token\r\n\r\n",
            " HTTP/1.1\r\nhost: poll.localhost:7070\r\nconnection: close\r\n\r\n",
        )
        .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_is_not_spoken() {
    let house = house().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // SETTINGS, then HEADERS with `:method` twice and `:path` after a field (HPACK, literal without indexing).
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let fields = b"\x82\x82\x84\x40\x01x\x01y\x41\x12poll.localhost:707";
    let mut headers = vec![0, 0, u8::try_from(fields.len()).unwrap(), 1, 5, 0, 0, 0, 1];
    headers.extend_from_slice(fields);
    for (name, bytes) in [
        ("the preface of HTTP/2", preface.to_vec()),
        ("HTTP/2 with prior knowledge", [&preface[..], &settings, &headers].concat()),
        ("a TLS hello", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n".to_vec()),
        ("SOCKS", b"\x05\x01\x00\r\n\r\n".to_vec()),
        ("the PROXY protocol", format!("PROXY TCP4 6.6.6.6 127.0.0.1 1 2\r\n{SMUGGLED}").into_bytes()),
    ] {
        refused(&house, name, &bytes).await;
    }
    let upgrade = format!(
        "GET /echo HTTP/1.1\r\nhost: {HOST}\r\n{TOKEN}\r\nconnection: upgrade, http2-settings, close\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n"
    );
    let (answer, _) = sent(&house, upgrade.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("h2c"), "{answer}");
    assert!(house.accesses().await.len() <= 1);
}
