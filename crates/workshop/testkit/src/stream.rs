//! An answer that comes piece by piece, read as it comes, or left where it is: as no client of HTTP would.

use crate::Browser;
use model::{Clock, SystemClock};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What a reader that does not read has room for.
const LITTLE_BYTES: u32 = 4 << 10;
/// A reader on two busy processors may get its turn so long after a byte has come. A node that sends on does so for longer.
const READ_LATE_MS: i64 = 2_000;

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

/// What came of a stream of moments; all moments in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Streamed {
    /// When its last line was made.
    pub made: i64,
    /// When its last byte was read.
    pub came: i64,
    pub bytes: usize,
}

impl Streamed {
    /// Nothing of it was made after this moment, nor sent.
    ///
    /// # Panics
    /// When something was, with these words.
    #[track_caller]
    pub fn ended_by(self, at: i64, said: &str) {
        let Self { made, came, .. } = self;
        assert!(made > 0 && made <= at, "a line of {made}, {} ms too late: {said}", made - at);
        assert!(came <= at + READ_LATE_MS, "a byte {} ms too late: {said}", came - at);
    }
}

/// Reads the stream of the app `ticker` on the node at a port: what came so far, and at the end.
#[must_use]
pub fn streaming(port: u16, browser: &Browser) -> (watch::Receiver<Streamed>, JoinHandle<Streamed>) {
    const HOST: &str = "ticker.localhost";
    let cookie = browser.cookies(HOST);
    let (send, so_far) = watch::channel(Streamed::default());
    let following = tokio::spawn(async move {
        let mut stream = ask(port, &cookie, HOST, "/stream").await;
        let (mut text, mut piece, mut streamed) = (String::new(), [0; 4096], Streamed::default());
        while let Ok(length @ 1..) = stream.read(&mut piece).await {
            streamed.came = SystemClock.now().as_ms();
            streamed.bytes += length;
            text.push_str(&String::from_utf8_lossy(&piece[..length]));
            let whole = text.rfind('\n').map_or(0, |at| at + 1);
            let lines = text[..whole].lines().filter(|line| line.len() == 13);
            streamed.made = lines.filter_map(|line| line.parse().ok()).max().unwrap_or(streamed.made);
            text.drain(..whole);
            send.send_replace(streamed);
        }
        streamed
    });
    (so_far, following)
}
