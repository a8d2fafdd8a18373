//! A cable to PostgreSQL that reads the protocol (PostgreSQL 17, chapter 53) and fails at the n-th statement.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::{Duration, timeout},
};

/// What whoever holds a lock says to keep it.
const ALIVE: &[u8] = b"SELECT 1\0";

/// What happens to a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The server is sent one in its stead that it refuses.
    Refused,
    /// It is not sent, and the connection ends.
    LostBefore,
    /// It is sent and done, and the connection ends before the answer.
    LostAfter,
}

impl Fault {
    pub(crate) const ALL: [Self; 3] = [Self::Refused, Self::LostBefore, Self::LostAfter];
}

#[derive(Debug, Default)]
struct Armed {
    next: Mutex<Option<(Fault, u32)>>,
    /// Nothing is counted before a statement with these words was prepared.
    awaited: Mutex<Option<&'static [u8]>>,
    /// A transaction was committed since it was armed, and before the fault.
    committed: AtomicBool,
}

impl Armed {
    fn prepared(&self, body: &[u8]) {
        let mut awaited = self.awaited.lock().unwrap();
        if awaited.is_some_and(|words| body.windows(words.len()).any(|found| found == words)) {
            *awaited = None;
        }
    }

    /// What happens to this statement.
    fn next(&self, body: &[u8]) -> Option<Fault> {
        if self.awaited.lock().unwrap().is_some() {
            return None;
        }
        let mut next = self.next.lock().unwrap();
        let (fault, left) = (*next)?;
        *next = (left > 1).then_some((fault, left - 1));
        let hit = (left == 1).then_some(fault);
        if hit.is_none() && body.starts_with(b"COMMIT") {
            self.committed.store(true, Ordering::SeqCst);
        }
        hit
    }
}

pub(crate) struct Wire {
    armed: Arc<Armed>,
    accepting: JoinHandle<()>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Wire {
    /// To the server of this address; the address at this end.
    pub(crate) async fn to(url: &str) -> (String, Self) {
        let (before, rest) = url.split_once('@').unwrap();
        let (host, name) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let armed = Arc::<Armed>::default();
        let (host, arms) = (host.to_owned(), Arc::clone(&armed));
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (host, armed) = (host.clone(), Arc::clone(&arms));
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(&host).await else { return };
                    // Each message is small, and the next one waits for its answer.
                    if near.set_nodelay(true).and(far.set_nodelay(true)).is_err() {
                        return;
                    }
                    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
                    // Dropping both ends of either way ends the connection.
                    let deaf = watch::Sender::new(false);
                    tokio::select! {
                        () = ask(near_read, far_write, &armed, &deaf) => {}
                        () = answer(far_read, near_write, deaf.subscribe()) => {}
                    }
                });
            }
        });
        (format!("{before}@127.0.0.1:{port}/{name}"), Self { armed, accepting })
    }

    /// The n-th statement from now on fails.
    pub(crate) fn arm(&self, fault: Fault, n: u32) {
        self.armed.committed.store(false, Ordering::SeqCst);
        *self.armed.next.lock().unwrap() = Some((fault, n));
    }

    /// The n-th statement fails, once one with these words was prepared.
    pub(crate) fn arm_at(&self, words: &'static [u8], fault: Fault, n: u32) {
        *self.armed.awaited.lock().unwrap() = Some(words);
        self.arm(fault, n);
    }

    /// Whether a transaction was committed before the fault.
    pub(crate) fn committed(&self) -> bool {
        self.armed.committed.load(Ordering::SeqCst)
    }

    /// Whether one failed.
    pub(crate) fn disarm(&self) -> bool {
        let failed = self.armed.next.lock().unwrap().take().is_none();
        *self.armed.awaited.lock().unwrap() = None;
        failed
    }
}

/// From the client, one message at a time.
async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, armed: &Armed, deaf: &watch::Sender<bool>) {
    // What comes first has no type: it asks for TLS, or says who it is.
    loop {
        let Some(body) = body(&mut from).await else { return };
        let whole = [&length(&body)[..], &body].concat();
        if to.write_all(&whole).await.is_err() {
            return;
        }
        let asks_for_tls = body.starts_with(&80_877_103_u32.to_be_bytes());
        if !asks_for_tls {
            break;
        }
    }
    loop {
        let Ok(kind) = from.read_u8().await else { return };
        let Some(mut body) = body(&mut from).await else { return };
        if kind == b'P' {
            armed.prepared(&body);
        }
        // What leaders say every two seconds belongs to no act.
        let fault = if matches!(kind, b'Q' | b'E') && body != ALIVE { armed.next(&body) } else { None };
        match fault {
            Some(Fault::LostBefore) => return,
            Some(Fault::Refused) if kind == b'Q' => body = b"SELECT refused_by_the_test\0".to_vec(),
            Some(Fault::Refused) => body = b"refused by the test\0\0\0\0\0".to_vec(),
            Some(Fault::LostAfter) => drop(deaf.send(true)),
            None => {}
        }
        let whole = [&[kind][..], &length(&body), &body].concat();
        if to.write_all(&whole).await.is_err() {
            return;
        }
        if fault == Some(Fault::LostAfter) {
            // What belongs to it, and then time to do it.
            let rest = async { while carry(&mut from, &mut to).await {} };
            drop(timeout(Duration::from_millis(100), rest).await);
            return;
        }
    }
}

async fn carry(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> bool {
    let mut bytes = [0; 4096];
    match from.read(&mut bytes).await {
        Ok(length @ 1..) => to.write_all(&bytes[..length]).await.is_ok(),
        _ => false,
    }
}

async fn body(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let length = usize::try_from(from.read_u32().await.ok()?).ok()?.checked_sub(4)?;
    let mut body = vec![0; length];
    from.read_exact(&mut body).await.ok()?;
    Some(body)
}

fn length(body: &[u8]) -> [u8; 4] {
    u32::try_from(body.len() + 4).unwrap().to_be_bytes()
}

/// From the server, as it comes; to nobody once the connection is to be lost.
async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, deaf: watch::Receiver<bool>) {
    let mut bytes = vec![0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if !*deaf.borrow() && to.write_all(&bytes[..length]).await.is_err() {
            break;
        }
    }
    if *deaf.borrow() {
        std::future::pending::<()>().await;
    }
}
