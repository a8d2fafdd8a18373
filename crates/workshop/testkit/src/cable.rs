//! A cable to a server on loopback that a test can cut: silently, as a lost network does, or so that both ends see it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
    task::JoinHandle,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// Nothing passes, and nobody is told.
    Silent,
    /// What was open is closed, what is opened is closed at once.
    Broken,
}

/// Carries bytes until it is cut.
#[derive(Debug)]
pub struct Cable {
    state: Arc<watch::Sender<State>>,
    told: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Cable {
    /// To the server of a PostgreSQL address; the address at this end.
    pub async fn to_postgres(url: &str) -> (String, Self) {
        let (before, rest) = url.split_once('@').expect("a user in the address");
        let (host, name) = rest.split_once('/').expect("a database in the address");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(watch::Sender::new(State::Whole));
        let told = Arc::<AtomicU64>::default();
        let accepting = tokio::spawn(accept(listener, host.to_owned(), Arc::clone(&state), Arc::clone(&told)));
        (format!("{before}@127.0.0.1:{port}/{name}"), Self { state, told, accepting })
    }

    /// Bytes that the far end has said so far.
    #[must_use]
    pub fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    /// Nothing passes any more; both ends wait.
    pub fn silence(&self) {
        self.state.send_replace(State::Silent);
    }

    /// Both ends see it.
    pub fn snap(&self) {
        self.state.send_replace(State::Broken);
    }

    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, host: String, state: Arc<watch::Sender<State>>, told: Arc<AtomicU64>) {
    while let Ok((near, _)) = listener.accept().await {
        if *state.borrow() == State::Broken {
            continue;
        }
        let (host, state, count) = (host.clone(), Arc::clone(&state), Arc::clone(&told));
        tokio::spawn(async move {
            let mut told = state.subscribe();
            // Silent: the connection stands, and nothing is heard.
            drop(told.wait_for(|state| *state != State::Silent).await);
            let Ok(far) = TcpStream::connect(&host).await else { return };
            let (near_read, near_write) = near.into_split();
            let (far_read, far_write) = far.into_split();
            tokio::join!(
                carry(near_read, far_write, state.subscribe(), None),
                carry(far_read, near_write, state.subscribe(), Some(&count))
            );
        });
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    count: Option<&AtomicU64>,
) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let read = tokio::select! {
            read = from.read(&mut bytes) => read,
            _ = state.wait_for(|state| *state == State::Broken) => return,
        };
        let Ok(length @ 1..) = read else { return };
        if state.wait_for(|state| *state != State::Silent).await.is_ok_and(|state| *state == State::Broken) {
            return;
        }
        if let Some(count) = count {
            count.fetch_add(length as u64, Ordering::Relaxed);
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
