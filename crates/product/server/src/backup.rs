//! Backups: every row as it was at one moment, in a form that both engines fill alike; tar, zstd, then encrypted (age)
//! to a recovery key that the server does not have. Never the root key.
//!
//! Restoring fills an empty database, checks every sum before it commits, and writes that it happened into the record,
//! which goes on from there. A drill does the same in a scratch folder.

mod archive;
mod configuration;
mod keep;
mod made;
mod maker;
mod restore;
mod scratch;
mod unnamed;

pub(crate) use configuration::config_archive;
pub use configuration::{Configuration, Contents, contents};
pub use keep::Keep;
pub use made::stamp;
pub(crate) use made::{JOB, Parts};
pub(crate) use maker::Maker;
pub use maker::Unproven;
pub use restore::{Drill, Restore, Restored, fetch_backup};
pub use scratch::Scratch;

use crate::{Bailiwick, pieces::Pieces};
use authority::{Act, Rule, Target, rules};
use bytes::Bytes;
use model::{Problem, ProblemKind, TenantId, Timestamp};
use seal::Recipient;
use std::{
    io::{self, Write},
    sync::Arc,
};
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;

/// What backups are called: kind, time, ending.
pub const DATA: &str = "bailiwick-";
pub const CONFIGURATION: &str = "configuration-";
pub const ENDING: &str = ".backup";
/// Pieces of bytes that may wait for a slow reader.
const WAITING: usize = 8;
/// Pieces of rows that may wait for the archive: each may be as large as a bundle.
const ROWS_WAITING: usize = 2;

#[derive(Debug, Clone)]
pub(crate) struct CreateBackup {
    pub(crate) tenant: TenantId,
}

impl Act for CreateBackup {
    const RULE: &'static Rule = &rules::BACKUP_CREATE;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "platform")
    }
}

pub(crate) fn failed(what: &str, why: impl std::fmt::Display, fix: &str) -> Problem {
    Problem::new(ProblemKind::Unprocessable, "backup.failed", what, why.to_string(), fix)
}

/// The code of what is wrong with the place that a backup is brought back into: nothing is said of the backup by it.
pub const BACKUP_PLACE: &str = "backup.place";

fn no_place(what: &str, why: impl std::fmt::Display) -> Problem {
    let fix = "make room there if it is full, or name another place: `--data` or `--database`, for a rehearsal `--scratch`. The backup is not at fault";
    Problem::new(ProblemKind::Unavailable, BACKUP_PLACE, what, why.to_string(), fix)
}

/// Everything but the root key, as it is at this moment, on its way into an archive.
pub(crate) struct Underway {
    rows: mpsc::Receiver<store::Piece>,
    reading: JoinHandle<Result<(), store::StoreError>>,
    runtime: Handle,
    recipient: Recipient,
    maker: Maker,
    made_at: Timestamp,
}

pub(crate) async fn begin(server: &Bailiwick, recipient: Recipient) -> Result<Underway, Problem> {
    let say = |error: store::StoreError| error.problem();
    server.store.flush_access().await.map_err(say)?;
    server.store.sequence_now().await.map_err(say)?;
    let (to, rows) = mpsc::channel(ROWS_WAITING);
    let (store, made_at, maker) = (Arc::clone(&server.store), server.clock.now(), server.maker.clone());
    let reading = tokio::spawn(async move { store.snapshot(to).await });
    Ok(Underway { rows, reading, runtime: Handle::current(), recipient, maker, made_at })
}

impl Underway {
    /// Encrypted, to whatever takes it. Blocks.
    pub(crate) fn write<W: Write>(self, to: W) -> io::Result<W> {
        let Self { rows, reading, runtime, recipient, maker, made_at } = self;
        archive::write(rows, &recipient, &maker, made_at, to, || {
            // What was read may have ended early: then there is nothing to put sums under.
            runtime.block_on(reading).map_err(io::Error::other)?.map_err(io::Error::other)
        })
    }
}

/// The same in pieces. The last is an error if it is not whole.
async fn stream(server: &Bailiwick, recipient: Recipient) -> Result<ReceiverStream<io::Result<Bytes>>, Problem> {
    let underway = begin(server, recipient).await?;
    let (out, bytes) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = underway.write(Pieces::new(out.clone())).and_then(|mut rest| rest.flush()) {
            tracing::error!(error = &error as &dyn std::error::Error, "a backup broke off");
            // The reader must see that it is not whole.
            drop(out.blocking_send(Err(error)));
        }
    });
    Ok(ReceiverStream::new(bytes))
}
