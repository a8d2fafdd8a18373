//! An answer that comes piece by piece, read as it comes, or left where it is: as no client of HTTP would.

use crate::Browser;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What a reader that does not read has room for.
const LITTLE_BYTES: u32 = 4 << 10;

/// A request of a browser to a host of the node at a port, sent and not read.
pub async fn sent(port: u16, browser: &Browser, host: &str, path: &str) -> TcpStream {
    ask(port, &browser.cookies(host), host, path).await
}

async fn ask(port: u16, cookie: &str, host: &str, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(LITTLE_BYTES).unwrap();
    let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// All that came so far, and the end of it.
#[must_use]
pub fn reading(mut stream: TcpStream) -> (watch::Receiver<String>, JoinHandle<()>) {
    let (send, text) = watch::channel(String::new());
    let reading = tokio::spawn(async move {
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut bytes).await {
            send.send_modify(|text| text.push_str(&String::from_utf8_lossy(&bytes[..length])));
        }
    });
    (text, reading)
}

/// Reads the stream of the app `ticker` on the node at a port: the last moment that came so far, and at the end.
#[must_use]
pub fn streaming(port: u16, browser: &Browser) -> (watch::Receiver<i64>, JoinHandle<i64>) {
    const HOST: &str = "ticker.localhost";
    let cookie = browser.cookies(HOST);
    let (send, last) = watch::channel(0);
    let following = tokio::spawn(async move {
        let (mut text, _reading) = reading(ask(port, &cookie, HOST, "/stream").await);
        while text.changed().await.is_ok() {
            let text = text.borrow_and_update();
            let ticks = text.lines().filter(|line| line.len() == 13).filter_map(|line| line.parse().ok());
            send.send_replace(ticks.max().unwrap_or(0));
        }
        *send.borrow()
    });
    (last, following)
}
