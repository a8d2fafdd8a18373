//! Connections as no well-meaning client would make them: from chosen addresses of loopback, that ask little or nothing.

use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// How long whoever finds all places taken comes again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connected from this address of loopback.
pub async fn from(address: &str, port: u16) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    socket.connect(([127, 0, 0, 1], port).into()).await.ok()
}

/// The status of a plain request over this connection; `None` when it was closed without an answer.
pub async fn status(stream: &mut TcpStream, host: &str, path: &str) -> Option<u16> {
    let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\naccept: application/json\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    let (mut text, mut bytes) = (String::new(), [0; 4096]);
    while !text.contains("\r\n\r\n") {
        let length = stream.read(&mut bytes).await.ok().filter(|length| *length > 0)?;
        text.push_str(&String::from_utf8_lossy(&bytes[..length]));
    }
    text.split(' ').nth(1)?.parse().ok()
}

/// The status of a request when all ordinary places are taken, from ten addresses. Such a connection has only a moment to
/// ask: whoever was too slow, on a busy machine, comes again, for half a minute.
pub async fn crowded(port: u16, first: u8, host: &str, path: &str) -> Option<u16> {
    let until = Instant::now() + PATIENCE;
    for last in (first..first + 10).cycle() {
        if let Some(mut stream) = from(&format!("127.0.0.{last}"), port).await
            && let Some(status) = status(&mut stream, host, path).await
        {
            return Some(status);
        }
        if Instant::now() >= until {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}

/// Whether the server has closed this connection.
pub async fn closes(stream: &mut TcpStream, within: Duration) -> bool {
    let mut rest = Vec::new();
    timeout(within, stream.read_to_end(&mut rest)).await.is_ok()
}
