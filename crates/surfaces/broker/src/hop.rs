//! One hop: a covered request to one destination, and the head of its answer.
//!
//! The order is the promise: permit, then addresses, then the connection, then the secret, then the last look for
//! placeholders, then whether this node may still send, then the first byte.

use crate::{
    Body, answer,
    call::{Outgoing, Trip},
    connect::{Line, connect},
    destination::Destination,
    grants::Covered,
    headers,
    placeholder::hides_placeholder,
    received::{Holds, Received},
    record::Entry,
    refusal,
    resolve::resolve,
    secrets::Scrub,
    sent::{Kept, Sent, Why},
};
use http::{HeaderName, HeaderValue, Request, Response, Uri, Version, header, request, response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use model::Problem;
use std::sync::Arc;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep_until, timeout_at},
};

/// An answer's head, judged; its body has not been read.
pub(crate) struct Answer {
    pub(crate) parts: response::Parts,
    body: Incoming,
    line: Line,
    entry: Entry,
    scrub: Option<Box<dyn Scrub>>,
    deadline: Instant,
    host: String,
    why: Why,
}

impl Answer {
    /// The answer for the guest; the call ends with its body.
    pub(crate) fn into_response(self, place: OwnedSemaphorePermit, trip: &Trip<'_>) -> Response<Body> {
        let holds = Holds {
            app: trip.instance.name.to_string(),
            host: self.host,
            line: self.line,
            place,
            entry: self.entry,
            scrub: self.scrub,
            cut: Box::pin(trip.live.token.clone().cancelled_owned()),
            deadline: Box::pin(sleep_until(self.deadline)),
            most: trip.broker.config.limits.response_bytes,
            why: self.why,
        };
        Response::from_parts(self.parts, Received::new(self.body, holds).boxed_unsync())
    }

    /// A redirect that is followed: the hop was allowed and is over.
    pub(crate) fn pass(self) {
        self.entry.done();
    }

    pub(crate) fn refuse(self, problem: Problem) -> Problem {
        self.entry.refuse(&problem);
        problem
    }
}

impl Trip<'_> {
    /// Sends one request, and waits for the head of its answer.
    pub(crate) async fn hop(
        &self,
        to: &Destination,
        covered: &Covered,
        out: Outgoing,
        kept: &Arc<Kept>,
    ) -> Result<Answer, Problem> {
        let record = &self.broker.record;
        let mut entry = record.permit(self.instance, covered, &out.method, &self.live.token).await?;
        match self.exchange(to, covered, out, kept).await {
            Ok((parts, body, line, scrub, why)) => {
                entry.note("status", parts.status.as_u16());
                let deadline = self.deadline(covered);
                Ok(Answer { parts, body, line, entry, scrub, deadline, host: to.host.clone(), why })
            }
            Err(problem) => {
                entry.refuse(&problem);
                Err(problem)
            }
        }
    }

    fn deadline(&self, covered: &Covered) -> Instant {
        self.begun + covered.grant.time.min(self.broker.config.limits.whole)
    }

    async fn exchange(
        &self,
        to: &Destination,
        covered: &Covered,
        out: Outgoing,
        kept: &Arc<Kept>,
    ) -> Result<Exchanged, Problem> {
        let broker = self.broker;
        let limits = &broker.config.limits;
        let deadline = self.deadline(covered);
        let until = deadline.min(Instant::now() + limits.connect);
        let late = |_| refusal::timed_out(&to.host, "could not be found");
        let addresses = timeout_at(until, resolve(&broker.config, &broker.fence, broker.dns.as_ref(), to))
            .await
            .map_err(late)??;
        // A placeholder in the wrong place is refused before anything is sent, also to ask for the connection.
        if covered.grant.secret.is_none() {
            no_placeholder(&out.uri, &out.headers)?;
        }
        let mut line = connect(&broker.tls, to, &addresses, limits, until, &self.live.token).await?;
        let (mut parts, body, length) = self.head(to, out)?;
        let mut scrub = self.attach(covered, &mut parts).await?;
        let why = Why::default();
        let body = Sent::new(body, length, limits.request_bytes, Arc::clone(&why), Arc::clone(kept));
        let until = deadline.min(Instant::now() + limits.head);
        // INVARIANT: nothing that waits stands between this and sending.
        broker.secrets.may_leave()?;
        let answered = timeout_at(until, line.send.send_request(Request::from_parts(parts, body))).await;
        let response = match answered {
            Err(_) => return Err(refusal::timed_out(&to.host, "did not answer")),
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                tracing::debug!(host = to.host, error = &error as &dyn std::error::Error, "call");
                return Err(why.get().cloned().unwrap_or_else(|| refusal::broken(&to.host)));
            }
        };
        let (mut parts, body) = response.into_parts();
        answer::judge(&to.host, &mut parts, scrub.as_deref_mut(), limits)?;
        Ok((parts, body, line, scrub, why))
    }

    /// The head as it goes out: origin form, our own `Host`, length and trace.
    fn head(&self, to: &Destination, out: Outgoing) -> Result<(request::Parts, Body, Option<u64>), Problem> {
        let Outgoing { uri, method, headers, body, length } = out;
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = method;
        parts.version = Version::HTTP_11;
        parts.uri = uri;
        parts.headers = headers;
        let host = HeaderValue::try_from(to.host_header()).map_err(|_| Problem::internal())?;
        parts.headers.insert(header::HOST, host);
        if let Some(length) =
            length.filter(|length| *length > 0 || !matches!(parts.method, http::Method::GET | http::Method::HEAD))
        {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        headers::trace(&mut parts.headers, self.instance.caller.trace.as_ref());
        Ok((parts, body, length))
    }

    /// Lets the secret be attached, and looks whether a placeholder is left.
    async fn attach(&self, covered: &Covered, parts: &mut request::Parts) -> Result<Option<Box<dyn Scrub>>, Problem> {
        let (uri, method, framing) = (parts.uri.clone(), parts.method.clone(), framing(parts));
        let mut scrub = None;
        if covered.grant.secret.is_some() {
            scrub = self.broker.secrets.attach(self.instance, &covered.grant, parts).await?;
            let same = (parts.uri.scheme(), parts.uri.authority(), parts.uri.path())
                == (uri.scheme(), uri.authority(), uri.path());
            if !same || parts.method != method || self::framing(parts) != framing {
                tracing::error!(
                    grant = covered.grant.name,
                    "attaching a secret changed more of a request than its place"
                );
                return Err(Problem::internal());
            }
        }
        no_placeholder(&parts.uri, &parts.headers)?;
        if scrub.is_some() {
            parts.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        parts.uri = target.parse().map_err(|_| Problem::internal())?;
        Ok(scrub)
    }
}

type Exchanged = (response::Parts, Incoming, Line, Option<Box<dyn Scrub>>, Why);

/// The headers that say where one request ends and the next begins, and for whom it is.
fn framing(parts: &request::Parts) -> Vec<(HeaderName, HeaderValue)> {
    let framing =
        [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE];
    let found = framing
        .iter()
        .flat_map(|name| parts.headers.get_all(name).iter().map(move |value| (name.clone(), value.clone())));
    found.collect()
}

fn no_placeholder(uri: &Uri, headers: &http::HeaderMap) -> Result<(), Problem> {
    if hides_placeholder(uri.to_string().as_bytes()) {
        return Err(refusal::placeholder("the address of a request"));
    }
    match headers::hold_placeholder(headers) {
        Some(name) => Err(refusal::placeholder(&format!("the header `{name}`"))),
        None => Ok(()),
    }
}
