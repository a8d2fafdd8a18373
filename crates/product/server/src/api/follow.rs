//! An app's log as it comes: server-sent events (WHATWG HTML, section 9.2), for the page that is followed and for
//! `logs -f`.
//!
//! Each reader reads for itself, when it has taken what it was sent: nothing waits for it, and one piece is kept for it.
//! Refuses to go on once whoever reads may no more or has signed out, and when this node lost its lease.

use super::{
    apps::LogsOf,
    lasting::{Lasting, Seats},
};
use crate::{
    Bailiwick,
    app_log::{Followed, LogLine, ReadLog},
    reply::{Params, Refusal, Reply},
    who::Asked,
};
use authority::AppRef;
use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::IntoResponse,
};
use bytes::Bytes;
use futures_util::stream;
use model::{Env, Problem, ProblemKind, Timestamp};
use std::{convert::Infallible, fmt::Write as _, sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// On one node at once; each asks the database about once a second.
const READERS_MAX: usize = 64;
/// Windows that one reader may have open.
const OF_ONE_MAX: usize = 6;
/// Then it is asked for anew, which is a line in the record again.
const LIFE: Duration = Duration::from_secs(600);
/// Lines of other nodes are looked for this often; those of this one say that they are there.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// However fast lines come.
const SOON: Duration = Duration::from_millis(200);
/// After so many looks without a line, something is sent all the same: a reader that is gone is noticed by it.
const QUIET_LOOKS: u32 = 10;

/// Readers on this node.
#[derive(Debug)]
pub(crate) struct Readers {
    seats: Arc<Seats>,
    /// The server stops: no reader keeps it waiting.
    pub(crate) over: CancellationToken,
}

impl Default for Readers {
    fn default() -> Self {
        Self { seats: Seats::new(READERS_MAX, OF_ONE_MAX), over: CancellationToken::new() }
    }
}

/// One reader.
struct Reader {
    lasting: Lasting<ReadLog>,
    followed: Followed,
    until: Timestamp,
    begun: bool,
}

/// What the app prints and what is refused to it, as it comes: server-sent events, one line each
#[utoipa::path(get, path = "/api/v1/apps/{name}/logs/follow", params(LogsOf), responses((status = 200, description = "events: `id` is the place to go on after, `data` one line as in `logs`", content_type = "text/event-stream", body = String)))]
pub(crate) async fn follow(
    State(server): State<Arc<Bailiwick>>,
    Path(name): Path<String>,
    Params(of): Params<LogsOf>,
    headers: HeaderMap,
    asked: Asked,
) -> Reply {
    let (id, team) = server.catalog.find(&name)?;
    let app = AppRef { id, env: of.env.unwrap_or(Env::Prod) };
    let act = ReadLog { tenant: server.tenant.clone(), app, team };
    // Nobody has a seat who may not.
    drop(server.allowed(&asked, act.clone()).await?);
    let seat = server.readers.seats.seat(asked.caller.chain().join(" ")).ok_or_else(|| Refusal(crowded()))?;
    // A browser that lost its connection says what it had last.
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let after = last.or(of.after);
    let followed = server.recorded(&asked, act.clone(), |permit| server.app_log.follow(permit, after)).await?;
    let until = server.clock.now().plus(LIFE);
    let lasting = Lasting::new(server, asked.caller, act, seat);
    let reader = Reader { lasting, followed, until, begun: false };
    let (to, pieces) = mpsc::channel(1);
    tokio::spawn(reader.run(to));
    let pieces = stream::unfold(pieces, |mut pieces| async {
        let piece = pieces.recv().await?;
        Some((Ok::<_, Infallible>(piece), pieces))
    });
    let kind = [(header::CONTENT_TYPE, "text/event-stream; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((kind, Body::from_stream(pieces)).into_response())
}

impl Reader {
    /// Until it is over, or whoever asked went away. Beside the answer, so that who does not read it keeps no seat longer
    /// than they may.
    async fn run(mut self, to: mpsc::Sender<Bytes>) {
        loop {
            let piece = tokio::select! {
                piece = self.next() => piece,
                () = to.closed() => None,
            };
            let Some(piece) = piece else { return };
            tokio::select! {
                goes_on = self.lasting.hand(&to, piece) => if !goes_on { return },
                () = self.lasting.server.readers.over.cancelled() => return,
            }
        }
    }

    /// What to send next; nothing when it is over.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.begun {
            // At once, so that whoever asked knows that it runs.
            self.begun = true;
            return self.still_may().then(|| Bytes::from_static(b": following\n\n"));
        }
        for _ in 0..QUIET_LOOKS {
            let lines = match self.followed.next().await {
                Ok(lines) => lines,
                // The database does not answer: the reader asks again, and is told.
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a log that is followed could not be read"
                    );
                    return None;
                }
            };
            // Looked at after the lines were read: it may have taken long.
            if !self.still_may() {
                return None;
            }
            if !lines.is_empty() {
                return Some(events(&lines, self.followed.after()));
            }
            tokio::select! {
                () = self.lasting.server.readers.over.cancelled() => return None,
                () = self.followed.more(SOON, LOOK_EVERY) => {}
            }
        }
        self.still_may().then(|| Bytes::from_static(b": nothing yet\n\n"))
    }

    fn still_may(&self) -> bool {
        self.lasting.server.clock.now() < self.until && self.lasting.still_may()
    }
}

/// Each line is an event; its text is in JSON, which has no line breaks of its own.
fn events(lines: &[LogLine], after: i64) -> Bytes {
    let mut text = String::new();
    for line in lines {
        let Ok(line) = serde_json::to_string(line) else { continue };
        // Writing to a string cannot fail.
        let _ = write!(text, "id: {after}\ndata: {line}\n\n");
    }
    text.into()
}

fn crowded() -> Problem {
    Problem::new(
        ProblemKind::Limited,
        "logs.readers",
        "too many follow logs at this moment",
        format!("a server shows {READERS_MAX} at once, and {OF_ONE_MAX} to one reader"),
        "close a page or a `logs -f` that you do not look at, then try again",
    )
}
