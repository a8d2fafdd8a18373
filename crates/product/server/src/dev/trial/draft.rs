//! One draft that runs: its host, for whoever began it.
//!
//! Refuses everybody else, what another site sends, and to go on once it is over.

use super::{TryApp, WITHIN};
use crate::dev::{Happened, bench::Bench};
use authority::Caller;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header},
    response::IntoResponse,
};
use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use gateway::{Sender, one_cookie, strip_ours};
use model::{Problem, ProblemKind, Tier, Timestamp};
use seal::{Token, TokenHash};
use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// As long as a redirect takes.
const CODE_LIFE: Duration = Duration::from_secs(60);
/// What is kept of what happens.
const HEARD_MAX: usize = 200;
/// Ends the name of the cookie by which a browser is known before it is let in.
const MET: &str = "-met";
/// Where the console sends whoever opens it.
const ENTER: &str = "/.bailiwick/enter";

/// One draft that runs.
pub(crate) struct Trial {
    pub(crate) label: String,
    pub(crate) app: String,
    pub(crate) until: Timestamp,
    pub(crate) url: String,
    /// Who began it, in which session, and what was asked of authority.
    pub(super) caller: Caller,
    pub(super) act: TryApp,
    pub(super) over: CancellationToken,
    pub(super) bench: Arc<Bench>,
    /// With which requests go on: the made-up person's, good within this draft alone.
    pub(super) bearer: HeaderValue,
    /// Where the console is.
    pub(super) console: String,
    pub(super) code: Mutex<Option<Code>>,
    pub(super) session: Mutex<Option<TokenHash>>,
    pub(super) heard: Heard,
    pub(crate) tier: Tier,
    /// The archive of what runs, so that its page can send it on; nothing when it is too large for that.
    pub(crate) carried: Option<Bytes>,
    /// The file that was open.
    pub(crate) open: String,
}

/// What opens it, once: for the browser that came from its host, and for no other that the address is sent to.
pub(super) struct Code {
    code: TokenHash,
    /// Of the cookie that the browser has, in hex.
    browser: String,
    until: Timestamp,
}

pub(super) type Heard = Arc<Mutex<VecDeque<Happened>>>;

impl Trial {
    /// What happened in it, the newest first.
    pub(crate) fn heard(&self) -> Vec<Happened> {
        lock(&self.heard).iter().rev().cloned().collect()
    }

    /// Ends it; what is on its way breaks off.
    pub(crate) fn end(&self) {
        self.over.cancel();
    }

    /// Where it is opened: with a code that is good once, for a browser that its host knows; for another its host first.
    pub(super) fn entrance(&self, browser: Option<&str>, now: Timestamp) -> String {
        let Some(browser) = browser else { return format!("{}{ENTER}", self.url) };
        let code = Token::generate();
        let (hash, until) = (code.hash(), now.plus(CODE_LIFE));
        *lock(&self.code) = Some(Code { code: hash, browser: browser.to_owned(), until });
        format!("{}{ENTER}?code={}", self.url, code.expose())
    }

    /// Answers a request at its host.
    pub(super) async fn answer(
        &self,
        request: Request<Body>,
        peer: SocketAddr,
        cookie: &str,
        now: Timestamp,
    ) -> Response<Body> {
        if request.uri().path() == ENTER {
            return match request.uri().query() {
                Some(query) => self.enter(query, request.headers(), cookie, now),
                None => self.meet(cookie),
            };
        }
        if !self.is_in(request.headers(), cookie) {
            return plain(
                StatusCode::FORBIDDEN,
                "This draft is somebody else's. Whoever tries it opens it from the console.\n",
            );
        }
        let sender = Sender::of_change(request.method(), request.headers(), &self.url);
        if sender.is_some_and(|sender| sender != Sender::Own) {
            return plain(StatusCode::FORBIDDEN, "Another site sent this. Nothing was changed.\n");
        }
        tokio::select! {
            biased;
            () = self.over.cancelled() => plain(StatusCode::GONE, "This draft is over.\n"),
            response = self.pass(request, peer) => response,
        }
    }

    /// Gives the browser something to be known by, and sends it to the console for a code.
    fn meet(&self, cookie: &str) -> Response<Body> {
        let known = Token::generate();
        let to = format!("{}/tries/{}/open?browser={}", self.console, self.label, hex::encode(known.hash().as_bytes()));
        let life = format!("; Max-Age={}", CODE_LIFE.as_secs());
        moved(to, &format!("{cookie}{MET}"), &known, &life)
    }

    /// A code becomes a session of this host; it is spent whatever comes of it.
    fn enter(&self, query: &str, headers: &HeaderMap, cookie: &str, now: Timestamp) -> Response<Body> {
        let given = query.strip_prefix("code=").unwrap_or_default();
        let browser =
            one_cookie(headers, &format!("{cookie}{MET}")).map(|known| hex::encode(TokenHash::of(known).as_bytes()));
        let fits = |known: &Code| {
            known.code == TokenHash::of(given) && browser.as_ref() == Some(&known.browser) && now < known.until
        };
        if lock(&self.code).take().filter(fits).is_none() {
            return plain(
                StatusCode::FORBIDDEN,
                "This link was used, is too old, or was another browser's. Open the draft from the console again.\n",
            );
        }
        let session = Token::generate();
        *lock(&self.session) = Some(session.hash());
        moved("/".to_owned(), cookie, &session, "")
    }

    fn is_in(&self, headers: &HeaderMap, cookie: &str) -> bool {
        let given = one_cookie(headers, cookie).map(TokenHash::of);
        given.is_some_and(|given| lock(&self.session).as_ref() == Some(&given))
    }

    /// On to the app, as the made-up person.
    async fn pass(&self, request: Request<Body>, peer: SocketAddr) -> Response<Body> {
        let begun = Instant::now();
        let (mut head, body) = request.into_parts();
        let (method, path) = (head.method.to_string(), head.uri.path().to_owned());
        head.uri = head.uri.path_and_query().and_then(|path| path.as_str().parse().ok()).unwrap_or_default();
        let own = format!("{}.localhost:{}", self.app, WITHIN.port());
        let inside = format!("http://{own}");
        strip_ours(&mut head.headers);
        // Within, it comes from the app's own page or from nowhere.
        let own_page = Sender::of(&head.headers, &self.url) == Sender::Own;
        let said = head.headers.remove(header::ORIGIN).is_some();
        let from_here = said && own_page;
        for (name, value) in [(header::HOST, Some(own)), (header::ORIGIN, from_here.then(|| inside.clone()))] {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                head.headers.insert(name, value);
            }
        }
        head.headers.insert(header::AUTHORIZATION, self.bearer.clone());
        let mut response = self.bench.pass(Request::from_parts(head, body), peer).await;
        let away = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
        let away = away.and_then(|to| to.strip_prefix(&inside)).map(HeaderValue::from_str);
        if let Some(Ok(to)) = away {
            response.headers_mut().insert(header::LOCATION, to);
        }
        // Whatever the draft's manifest names, nobody has agreed to it: its pages reach its own host alone.
        response.headers_mut().append(header::CONTENT_SECURITY_POLICY, gateway::own_origin_alone());
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        keep(&self.heard, Happened::Request { method, path, status: response.status().as_u16(), ms });
        let over = self.over.clone();
        response.map(|body| until(body, over))
    }
}

/// The body as far as it came until then; that it broke off shows.
fn until(body: Body, over: CancellationToken) -> Body {
    let ended = over.clone();
    let pieces = body.into_data_stream().map(|piece| piece.map_err(io::Error::other));
    let broken = stream::once(future::ready(())).filter_map(move |()| {
        let broken = over.is_cancelled().then(|| Err(io::Error::other("the draft is over")));
        future::ready(broken)
    });
    Body::from_stream(pieces.take_until(ended.cancelled_owned()).chain(broken))
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn keep(heard: &Mutex<VecDeque<Happened>>, happened: Happened) {
    let mut heard = lock(heard);
    heard.push_back(happened);
    if heard.len() > HEARD_MAX {
        heard.pop_front();
    }
}

/// Why nothing serves: what it was told last.
pub(super) fn refused(heard: &Heard) -> Problem {
    let last = lock(heard).iter().rev().find_map(|happened| {
        let Happened::Refused { findings, problem, .. } = happened else { return None };
        Some((findings.first().cloned(), problem.clone()))
    });
    match last {
        Some((Some(finding), _)) => {
            Problem::new(ProblemKind::Unprocessable, finding.code, finding.what, finding.why, finding.fix)
        }
        Some((None, Some(problem))) => *problem,
        Some((None, None)) | None => Problem::internal(),
    }
}

/// On to another address, with a cookie of this host.
fn moved(to: String, name: &str, value: &Token, more: &str) -> Response<Body> {
    let secure = if name.starts_with("__Host-") { "; Secure" } else { "" };
    let cookie = format!("{name}={}; Path=/; HttpOnly; SameSite=Lax{secure}{more}", value.expose());
    let headers = [
        (header::LOCATION, to),
        (header::SET_COOKIE, cookie),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

fn plain(status: StatusCode, words: &'static str) -> Response<Body> {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, words).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_on_its_way_breaks_off_when_the_draft_is_over() {
        let over = CancellationToken::new();
        let whole = axum::body::to_bytes(until(Body::from("whole"), over.clone()), 99).await.unwrap();
        assert_eq!(whole, "whole");
        let first = stream::once(future::ready(Ok::<_, io::Error>("first")));
        let body = until(Body::from_stream(first.chain(stream::pending())), over.clone());
        let mut pieces = body.into_data_stream();
        assert_eq!(pieces.next().await.unwrap().unwrap(), "first");
        over.cancel();
        assert!(pieces.next().await.unwrap().is_err() && pieces.next().await.is_none());
    }
}
