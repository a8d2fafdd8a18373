//! Places: what an answer holds until the app has read it or is gone. An instance's limit of memory does not count what
//! it has not read, and one app must not keep the database from the others.
//!
//! Refuses, once it has waited its time, whoever asks for more before reading what is there.

use crate::refusal;
use bytes::Bytes;
use model::Problem;
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Calls of one app that are under way, or whose answer it has not read yet. So many of its statements may be in the
/// database at once: fewer than either engine has readers.
pub(crate) const ANSWERS_MAX: usize = 8;
/// What all answers together may take that are made or not read yet, of all apps.
const ROOM_KIB: usize = 256 << 10;
/// For a place, or for room.
const WAIT: Duration = Duration::from_secs(5);
/// Exports of one app: each is as large as dozens of answers.
const EXPORTS_OF_ONE: usize = 1;
/// Exports that a node makes or hands out at once, of all apps.
const EXPORTS_MAX: usize = 2;
/// For a place among them.
const EXPORT_WAIT: Duration = Duration::from_secs(2);
/// How long an export that is not read keeps other apps from theirs. It keeps its own app's place, and its room, until it
/// was read.
const EXPORT_UNREAD: Duration = Duration::from_secs(30);

/// One app's.
#[derive(Debug)]
pub(crate) struct Places {
    answers: Arc<Semaphore>,
    exports: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        Self { answers: Arc::new(Semaphore::new(ANSWERS_MAX)), exports: Arc::new(Semaphore::new(EXPORTS_OF_ONE)) }
    }
}

impl Places {
    /// A place for one call of the app; waits in line when there is none.
    pub(crate) async fn take(&self, app: &str) -> Result<Held, Problem> {
        let place = taken(&self.answers, 1, WAIT).await.ok_or_else(|| refusal::unread(app, ANSWERS_MAX))?;
        Ok(Held { _place: place, room: None, _export: None })
    }
}

/// A node's.
#[derive(Debug)]
pub(crate) struct Room {
    kib: Arc<Semaphore>,
    exports: Arc<Semaphore>,
}

impl Default for Room {
    fn default() -> Self {
        Self { kib: Arc::new(Semaphore::new(ROOM_KIB)), exports: Arc::new(Semaphore::new(EXPORTS_MAX)) }
    }
}

impl Room {
    /// Room for one answer, before it is made; none when others left none in time.
    pub(crate) async fn take(&self, most_bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        taken(&self.kib, kib(most_bytes), WAIT).await.ok_or_else(refusal::crowded)
    }

    /// A place for one export of the app whose places these are, and then room: while it waits, it keeps none.
    pub(crate) async fn export(&self, places: &Places, most_bytes: usize) -> Option<Exporting> {
        let app = taken(&places.exports, 1, EXPORT_WAIT).await?;
        let node = taken(&self.exports, 1, EXPORT_WAIT).await?;
        let room = taken(&self.kib, kib(most_bytes), EXPORT_WAIT).await?;
        Some(Exporting { app, node, room })
    }
}

/// Without waiting when there is enough.
async fn taken(of: &Arc<Semaphore>, many: u32, wait: Duration) -> Option<OwnedSemaphorePermit> {
    if let Ok(taken) = Arc::clone(of).try_acquire_many_owned(many) {
        return Some(taken);
    }
    tokio::time::timeout(wait, Arc::clone(of).acquire_many_owned(many)).await.ok()?.ok()
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX)
}

/// What one answer holds.
#[derive(Debug)]
pub(crate) struct Held {
    _place: OwnedSemaphorePermit,
    room: Option<OwnedSemaphorePermit>,
    _export: Option<Unread>,
}

impl Held {
    pub(crate) fn with_room(&mut self, room: OwnedSemaphorePermit) {
        self.room = Some(room);
    }

    /// An export that is handed out now.
    pub(crate) fn with_export(&mut self, export: Exporting) {
        let (unread, room) = export.handed_out(EXPORT_UNREAD);
        (self._export, self.room) = (Some(unread), Some(room));
    }

    /// The body of an answer, which holds what this holds until the last of it is read or dropped. What it does not need
    /// of its room is given back.
    pub(crate) fn body(mut self, text: Vec<u8>) -> Bytes {
        let text = text.into_boxed_slice();
        if let Some(room) = &mut self.room {
            let needed = usize::try_from(kib(text.len())).unwrap_or(usize::MAX);
            drop(room.split(room.num_permits().saturating_sub(needed)));
        }
        Bytes::from_owner(Kept { text, _held: self })
    }
}

/// An answer on its way.
struct Kept {
    text: Box<[u8]>,
    _held: Held,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// An export that is made.
#[derive(Debug)]
pub(crate) struct Exporting {
    app: OwnedSemaphorePermit,
    node: OwnedSemaphorePermit,
    room: OwnedSemaphorePermit,
}

impl Exporting {
    fn handed_out(self, patience: Duration) -> (Unread, OwnedSemaphorePermit) {
        let Self { app, node, room } = self;
        let (read, gone) = oneshot::channel::<()>();
        tokio::spawn(async move {
            // Ends at once when it was read: then the other end is gone.
            drop(tokio::time::timeout(patience, gone).await);
            drop(node);
        });
        (Unread { _app: app, _read: read }, room)
    }
}

/// An export that waits to be read.
#[derive(Debug)]
struct Unread {
    _app: OwnedSemaphorePermit,
    _read: oneshot::Sender<()>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn an_export_that_nobody_reads_gives_the_nodes_place_back_and_keeps_its_apps() {
        let (room, one) = (Room::default(), Places::default());
        let unread = room.export(&one, 1).await.unwrap().handed_out(Duration::from_millis(10));
        // As soon as all of them are free again.
        drop(tokio::time::timeout(LONG, room.exports.acquire_many(2)).await.unwrap().unwrap());
        assert!(one.exports.try_acquire().is_err());
        drop(unread);
        assert!(one.exports.try_acquire().is_ok());
    }

    #[tokio::test]
    async fn an_export_that_was_read_gives_every_place_back() {
        let (room, one) = (Room::default(), Places::default());
        drop(room.export(&one, 1).await.unwrap().handed_out(LONG));
        let places = tokio::time::timeout(Duration::from_secs(60), room.exports.acquire_many(2)).await;
        assert!(places.is_ok() && one.exports.try_acquire().is_ok());
    }

    #[tokio::test]
    async fn an_answer_keeps_the_room_that_it_takes() {
        let (room, one) = (Room::default(), Places::default());
        let mut held = one.take("one").await.unwrap();
        held.with_room(room.take(4 << 20).await.unwrap());
        assert_eq!(room.kib.available_permits(), ROOM_KIB - (4 << 10));
        let body = held.body(vec![b'x'; 3000]);
        assert_eq!(room.kib.available_permits(), ROOM_KIB - 3);
        let rest = body.slice(2999..);
        drop(body);
        assert_eq!((room.kib.available_permits(), one.answers.available_permits()), (ROOM_KIB - 3, ANSWERS_MAX - 1));
        drop(rest);
        assert_eq!((room.kib.available_permits(), one.answers.available_permits()), (ROOM_KIB, ANSWERS_MAX));
    }
}
