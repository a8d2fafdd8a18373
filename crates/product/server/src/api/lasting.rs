//! Answers that last: a log that is followed, an export or a backup that is downloaded. Each has a seat, and is judged
//! again while it runs.
//!
//! Refuses more at once than there are seats, and to go on once whoever asked may no more, has signed out, or takes
//! nothing any more, or when this node lost its lease. A download that is not whole ends as one that broke off.

use crate::{Bailiwick, pieces::Pieces, reply::Refusal};
use authority::{Act, Caller, Factor, Who};
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use model::{Problem, ProblemKind};
use std::{
    collections::HashMap,
    io::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

/// How often it is looked whether a reader who is waited for still may.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Whoever takes nothing for so long is gone, or holds a seat on purpose.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pieces that are made before the one before is taken.
const AHEAD: usize = 4;
/// On one node at once; each has a thread and reads the whole database.
const DOWNLOADS_MAX: usize = 8;
/// By one caller.
const DOWNLOADS_OF_ONE: usize = 2;

/// So many answers that last at once, and so many of one caller.
#[derive(Debug)]
pub(crate) struct Seats {
    taken: Mutex<HashMap<String, usize>>,
    all: usize,
    of_one: usize,
}

/// One caller's seat, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    who: String,
}

impl Seats {
    pub(crate) fn new(all: usize, of_one: usize) -> Arc<Self> {
        Arc::new(Self { taken: Mutex::default(), all, of_one })
    }

    pub(crate) fn for_downloads() -> Arc<Self> {
        Self::new(DOWNLOADS_MAX, DOWNLOADS_OF_ONE)
    }

    pub(super) fn seat(self: &Arc<Self>, who: String) -> Option<Seat> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= self.all || taken.get(&who).is_some_and(|many| *many >= self.of_one) {
            return None;
        }
        *taken.entry(who.clone()).or_default() += 1;
        Some(Seat { seats: Arc::clone(self), who })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(many) = taken.get_mut(&self.who) {
            *many -= 1;
            if *many == 0 {
                taken.remove(&self.who);
            }
        }
    }
}

/// For whom it is, and by which act.
pub(super) struct Lasting<A> {
    pub(super) server: Arc<Bailiwick>,
    caller: Caller,
    act: A,
    /// It began while the database was in doubt, by an act that may: that goes on.
    in_doubt: bool,
    _seat: Seat,
}

impl<A: Act + Clone> Lasting<A> {
    pub(super) fn new(server: Arc<Bailiwick>, caller: Caller, act: A, seat: Seat) -> Self {
        let in_doubt = server.is_recovering();
        Self { server, caller, act, in_doubt, _seat: seat }
    }

    pub(super) fn still_may(&self) -> bool {
        let server = &self.server;
        let signed_in = match &self.caller.who {
            Who::Person { session, .. } => server.identity.goes_on(session),
            Who::App(_) | Who::AppFor { .. } | Who::Machine { .. } | Who::System { .. } | Who::Stranger => true,
        };
        signed_in
            && server.gateway.lease().holds()
            && (self.in_doubt || !server.is_recovering())
            && server.authority.decide(&self.as_it_began(), self.act.clone()).is_ok()
    }

    /// That the second factor was shown lately was asked when it began, and is not asked again.
    fn as_it_began(&self) -> Caller {
        let mut caller = self.caller.clone();
        if let Who::Person { factor: Factor::Second { at }, .. } = &mut caller.who {
            *at = self.server.clock.now();
        }
        caller
    }

    /// Hands a piece over as soon as the one before was taken. Whether it goes on.
    pub(super) async fn hand<T>(&self, to: &mpsc::Sender<T>, piece: T) -> bool {
        let (sending, patient_until) = (to.send(piece), Instant::now() + PATIENCE);
        tokio::pin!(sending);
        loop {
            tokio::select! {
                sent = &mut sending => return sent.is_ok(),
                () = tokio::time::sleep(LOOK_EVERY) => {
                    if !self.still_may() || Instant::now() >= patient_until {
                        return false;
                    }
                }
            }
        }
    }
}

/// A seat for a download of the caller.
pub(super) fn seat_for_download(server: &Bailiwick, caller: &Caller) -> Result<Seat, Refusal> {
    server.downloads.seat(caller.chain().join(" ")).ok_or_else(|| Refusal(crowded()))
}

/// What `write` writes, for as long as whoever asked may have it. On a thread of its own: those of the runtime are for
/// what ends soon.
pub(super) fn download<A: Act + Clone + Send + Sync + 'static>(
    lasting: Lasting<A>,
    write: impl FnOnce(&mut Pieces) -> io::Result<()> + Send + 'static,
) -> Result<Body, Refusal> {
    let (to, made) = mpsc::channel(AHEAD);
    let (say, whole) = oneshot::channel();
    let writing = move || {
        let mut out = Pieces::new(to);
        let written = write(&mut out).and_then(|()| out.flush());
        // Who asked may have gone.
        drop(say.send(written));
    };
    std::thread::Builder::new().name("download".to_owned()).spawn(writing).map_err(|error| {
        tracing::error!(%error, "a download has no thread");
        Refusal(Problem::internal())
    })?;
    let (out, pieces) = mpsc::channel(1);
    tokio::spawn(carry(lasting, made, whole, out));
    // INVARIANT: only what is followed by its end was whole.
    let pieces = stream::unfold(Some(pieces), |pieces| async {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Some(piece)) => Some((Ok(piece), Some(pieces))),
            Some(None) => None,
            None => Some((Err(io::Error::from(io::ErrorKind::BrokenPipe)), None)),
        }
    });
    Ok(Body::from_stream(pieces))
}

/// Takes pieces as they are made to whoever asked; `None` is the end.
async fn carry<A: Act + Clone>(
    lasting: Lasting<A>,
    mut made: mpsc::Receiver<io::Result<Bytes>>,
    whole: oneshot::Receiver<io::Result<()>>,
    out: mpsc::Sender<Option<Bytes>>,
) {
    loop {
        let piece = tokio::select! {
            piece = made.recv() => piece,
            () = out.closed() => return,
        };
        let Some(Ok(piece)) = piece else { break };
        if !lasting.still_may() || !lasting.hand(&out, Some(piece)).await {
            return;
        }
    }
    match whole.await {
        Ok(Ok(())) => drop(lasting.hand(&out, None).await),
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a download broke off");
        }
        Err(_) => tracing::error!("a download broke off"),
    }
}

fn crowded() -> Problem {
    Problem::new(
        ProblemKind::Limited,
        "downloads.crowded",
        "too many exports and backups are downloaded at this moment",
        format!("a server makes {DOWNLOADS_MAX} at once, and {DOWNLOADS_OF_ONE} for one caller"),
        "wait until one that you began is whole, or end it, then try again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_free_again_when_its_reader_is_gone() {
        let seats = Seats::new(12, 3);
        let mut own: Vec<Seat> = (0..3).map(|_| seats.seat("person:a".to_owned()).unwrap()).collect();
        assert!(seats.seat("person:a".to_owned()).is_none());
        let others: Vec<Seat> = (own.len()..12).map(|n| seats.seat(format!("person:{n}")).unwrap()).collect();
        assert!(seats.seat("person:z".to_owned()).is_none());
        own.pop();
        assert!(seats.seat("person:a".to_owned()).is_some());
        drop((own, others));
        assert!(seats.taken.lock().unwrap().is_empty());
    }
}
