//! Who asks the control API or opens a page: a session's person, the local credential, or a stranger.
//!
//! Refuses a request that carries a cookie with an unsafe method unless the browser says that it comes from our own
//! pages: nothing rests on `SameSite`.

use crate::{
    Bailiwick, api,
    reply::Refusal,
    sign_in::{Carried, Sent},
    sign_ins,
};
use authority::{Act, Caller, Denied, Durability, Origin, Permit, Rule, Target, Who, rules};
use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::{HeaderMap, header, request::Parts},
};
use bytes::Bytes;
use gateway::{Sender, one_cookie};
use http_body_util::{BodyExt, Limited};
use identity::{MachineClaims, MachineProof, Place, Session};
use model::{Problem, ProblemKind};
use serde::de::DeserializeOwned;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use store::Outcome;

/// A document or a form of somebody known; for the files of an app there is `Sending`.
const BODY_MAX_BYTES: usize = 1 << 20;
/// What a stranger may make us hold.
const STRANGER_MAX_BYTES: usize = 4 << 10;
/// A body that has not come by then is slow on purpose.
const BODY_WITHIN: Duration = Duration::from_secs(60);
const DEVICE_MAX_CHARS: usize = 200;

/// The address that a connection came from; put into every request by the listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// A request whose caller is known, with its whole body.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) caller: Caller,
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) body: Bytes,
}

impl Asked {
    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Refusal(Problem::new(
                ProblemKind::Invalid,
                "request.json",
                "the body is not the JSON that this address expects",
                // Never the library's own words: they repeat what was sent, which may be a secret.
                format!("it does not fit at line {}, column {}", error.line(), error.column()),
                "see `/api/v1/openapi.json` for its form",
            ))
        })
    }

    /// The body as a form that a page sent.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// One field of the form.
    pub(crate) fn field(&self, name: &str) -> String {
        self.form().into_iter().find(|(key, _)| key == name).map(|(_, value)| value).unwrap_or_default()
    }

    pub(crate) fn device(&self) -> Option<&str> {
        self.caller.origin.device.as_deref()
    }
}

impl FromRequest<Arc<Bailiwick>> for Asked {
    type Rejection = Refusal;

    async fn from_request(request: Request, server: &Arc<Bailiwick>) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let known = Known::of(server, &parts).await?;
        let most = if known.caller.who == Who::Stranger { STRANGER_MAX_BYTES } else { BODY_MAX_BYTES };
        known.sends(server, &parts, body, most).await
    }
}

/// Who asks, before anything of the body is read.
pub(crate) struct Known {
    pub(crate) caller: Caller,
    session: Option<Arc<Session>>,
    /// What the local credential says of the body.
    claims: Option<MachineClaims>,
}

impl Known {
    pub(crate) async fn of(server: &Arc<Bailiwick>, parts: &Parts) -> Result<Self, Refusal> {
        let with = from(server, parts);
        let known = |who: Who| with(Caller::new(server.tenant.clone(), who));
        if let Some(token) = bearer(&parts.headers).filter(|token| !token.contains('.')) {
            return Self::terminal(server, parts, token, with).await;
        }
        if let Some(token) = bearer(&parts.headers) {
            let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            let checked = server.machine.check(token, parts.method.as_str(), path);
            let claims = checked.map_err(|error| server.failed(&with, "machine", &error))?;
            let caller = known(Who::Machine { system_user: claims.sub.clone().into() });
            return Ok(Self { caller, session: None, claims: Some(claims) });
        }
        let session = match server.cookie(&parts.headers) {
            Some(cookie) => {
                same_origin(server, parts)?;
                server.session_of(parts, cookie, &Place::Console).await?
            }
            None => {
                not_foreign(server, parts)?;
                None
            }
        };
        // The API knows no strangers: not even whether a name exists is theirs to learn.
        if session.is_none() && parts.uri.path().starts_with("/api/") {
            return Err(Refusal(api::sign_in_first()));
        }
        let caller = match &session {
            Some(session) => with(sign_ins::caller(&server.tenant, session)),
            None => known(Who::Stranger),
        };
        Ok(Self { caller, session, claims: None })
    }

    /// A command line with a session of its own (`bailiwick login`).
    async fn terminal(
        server: &Arc<Bailiwick>,
        parts: &Parts,
        token: &str,
        with: impl Fn(Caller) -> Caller,
    ) -> Result<Self, Refusal> {
        let Some(session) = server.session_of(parts, token, &Place::Terminal).await? else {
            server.came_in(&with(Caller::new(server.tenant.clone(), Who::Stranger)), "login", Outcome::Denied);
            return Err(Refusal(api::login_over()));
        };
        // INVARIANT: a command line makes no passkey, confirms no other command line and connects no account: pages are
        // for browsers.
        if !parts.uri.path().starts_with("/api/") {
            return Err(Refusal(api::login_over()));
        }
        let caller = with(sign_ins::caller(&server.tenant, &session));
        Ok(Self { caller, session: Some(session), claims: None })
    }

    /// Reads what they send.
    pub(crate) async fn sends(
        self,
        server: &Arc<Bailiwick>,
        parts: &Parts,
        body: Body,
        most: usize,
    ) -> Result<Asked, Refusal> {
        let body = whole(body, most).await?;
        if let Some(claims) = &self.claims {
            let proven = MachineProof::body_is(claims, &body);
            proven.map_err(|error| server.failed(&from(server, parts), "machine", &error))?;
            server.came_in(&self.caller, "machine", Outcome::Allowed);
        }
        self.leave(parts, body.clone());
        Ok(Asked { caller: self.caller, session: self.session, body })
    }

    /// For what stands around a page.
    pub(crate) fn leave(&self, parts: &Parts, body: Bytes) {
        if let Some(carried) = parts.extensions.get::<Carried>() {
            carried.leave(Sent { session: self.session.clone(), body });
        }
    }
}

/// What every caller of this request carries.
fn from(server: &Bailiwick, parts: &Parts) -> impl Fn(Caller) -> Caller + use<> {
    let (origin, trace) = (origin(server, parts), gateway::trace_of(&parts.headers));
    move |caller| caller.from(origin.clone()).traced(trace.clone())
}

impl Bailiwick {
    /// The console's cookie: host-only, and on plain loopback with this Bailiwick's id, since cookies ignore ports.
    pub(crate) fn cookie_name(&self) -> String {
        match self.config.scheme() {
            gateway::Scheme::Https => "__Host-bailiwick".to_owned(),
            gateway::Scheme::Http => format!("bailiwick-{}", self.instance),
        }
    }

    /// Whose session a cookie or a token is. Of one that this node does not remember only the database could say, and
    /// strangers make up as many as they like: each address may have it asked so often alone.
    async fn session_of(&self, parts: &Parts, value: &str, place: &Place) -> Result<Option<Arc<Session>>, Refusal> {
        if let Ok(known) = self.identity.remembered(value, place) {
            return Ok(known);
        }
        let address = origin(self, parts).ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        self.gateway.count_unknown(address).map_err(|over| Refusal(*over))?;
        self.identity.session(value, place).await.map_err(|error| Refusal((&error).into()))
    }

    /// Credentials that come with each request are counted by method, not recorded one by one.
    fn came_in(&self, caller: &Caller, method: &'static str, outcome: Outcome) {
        let target = Target::new(self.tenant.clone(), format!("method/{method}"));
        self.store.count(caller, "credential.use", &target, outcome);
    }

    fn failed(&self, with: &impl Fn(Caller) -> Caller, method: &'static str, error: &identity::Error) -> Refusal {
        self.came_in(&with(Caller::new(self.tenant.clone(), Who::Stranger)), method, Outcome::Denied);
        Refusal(error.into())
    }

    fn cookie<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        one_cookie(headers, &self.cookie_name())
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// Lets what is not wanted pass by, and keeps none of it: on a connection that is closed while somebody still sends, the
/// answer can get lost.
pub(crate) async fn pass_by(body: Body, most: usize) {
    let mut body = Limited::new(body, most);
    let passing = async { while let Some(Ok(_)) = body.frame().await {} };
    drop(tokio::time::timeout(BODY_WITHIN, passing).await);
}

async fn whole(body: Body, most: usize) -> Result<Bytes, Refusal> {
    let read = tokio::time::timeout(BODY_WITHIN, Limited::new(body, most).collect()).await;
    let read = read.map_err(|_| {
        Refusal(Problem::new(
            ProblemKind::TimedOut,
            "request.slow",
            "the request did not come in time",
            "a connection is not held for a body that does not come",
            "send it again",
        ))
    })?;
    read.map(http_body_util::Collected::to_bytes).map_err(|_| {
        Refusal(Problem::new(
            ProblemKind::TooLarge,
            "request.too_large",
            "the request is larger than anything that is sent here",
            format!("it may have {} KiB", most >> 10),
            "send less; a bundle holds only what the app serves or imports",
        ))
    })
}

/// A cookie with an unsafe method counts only from our own pages.
fn same_origin(server: &Bailiwick, parts: &Parts) -> Result<(), Refusal> {
    match Sender::of_change(&parts.method, &parts.headers, &server.config.public_url) {
        None | Some(Sender::Own) => Ok(()),
        Some(Sender::Foreign | Sender::Unsaid) => Err(foreign()),
    }
}

/// Without a cookie there is nothing to ride on, but a browser that says it comes from elsewhere is not let in either:
/// it would sign somebody in as someone else.
fn not_foreign(server: &Bailiwick, parts: &Parts) -> Result<(), Refusal> {
    match Sender::of_change(&parts.method, &parts.headers, &server.config.public_url) {
        None | Some(Sender::Own | Sender::Unsaid) => Ok(()),
        Some(Sender::Foreign) => Err(foreign()),
    }
}

fn foreign() -> Refusal {
    Refusal(Problem::new(
        ProblemKind::Denied,
        "request.cross_site",
        "this did not come from one of our own pages",
        "another site could send it in your name",
        "open the console and do it there",
    ))
}

fn origin(server: &Bailiwick, parts: &Parts) -> Origin {
    let peer = parts.extensions.get::<Peer>().map(|Peer(address)| address.ip());
    let device = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    Origin {
        ip: peer.map(|peer| server.gateway.client(peer, &parts.headers)),
        device: device.map(|text| text.chars().take(DEVICE_MAX_CHARS).collect::<String>().into()),
    }
}

impl Bailiwick {
    /// Asks authority; a refusal of somebody known is an event, one of strangers is counted.
    pub(crate) async fn permit<A: Act>(&self, caller: &Caller, act: A) -> Result<Permit<A>, Denied> {
        if self.may_not_know(caller, A::RULE) {
            // No event: nothing is written here.
            return Err(cut_off(A::RULE.name));
        }
        let target = act.target();
        // Between the first byte of a request and this moment its session may have ended.
        let over = matches!(&caller.who, Who::Person { session, .. } if !self.identity.goes_on(session));
        let answer = if over { Err(session_over(A::RULE.name)) } else { self.authority.permit(caller, act).await };
        if let Err(denied) = &answer {
            if caller.who == Who::Stranger {
                self.store.count(caller, A::RULE.name, &target, Outcome::Denied);
            } else if let Err(error) = self.store.denied(denied, caller, &target).await {
                tracing::error!(error = &error as &dyn std::error::Error, "a refusal could not be recorded");
            }
        }
        answer
    }

    /// The same, for an API route.
    pub(crate) async fn allowed<A: Act>(&self, asked: &Asked, act: A) -> Result<Permit<A>, Refusal> {
        self.permit(&asked.caller, act).await.map_err(|denied| Refusal(denied.into()))
    }

    /// What is recorded before it is given; asked for again when authority moved meanwhile.
    pub(crate) async fn recorded<A, T, E, F>(
        &self,
        asked: &Asked,
        act: A,
        read: impl Fn(Permit<A>) -> F + Send + Sync,
    ) -> Result<T, catalog::Error>
    where
        A: Act + Clone,
        catalog::Error: From<E>,
        F: Future<Output = Result<T, E>> + Send,
    {
        let read = &read;
        self.store
            .again(|| async {
                let permit = self.permit(&asked.caller, act.clone()).await?;
                Ok(read(permit).await?)
            })
            .await
    }

    /// Whether the others may have switched this person off, and have not waited until it is known here: on a node whose
    /// lease does not run. Taking authority away goes on, and its receipt can be looked at.
    fn may_not_know(&self, caller: &Caller, rule: &Rule) -> bool {
        let goes_on = rule.durability == Durability::Cut || rule.name == rules::RECEIPT_READ.name;
        matches!(caller.who, Who::Person { .. }) && !goes_on && !self.gateway.lease().holds()
    }
}

fn cut_off(act: &'static str) -> Denied {
    Denied {
        act,
        code: "node.cut_off".to_owned(),
        why: "this server has lost touch with the others, and may not know who was switched off meanwhile".to_owned(),
        fix: "try again in a moment; what takes authority away works here all the same".to_owned(),
        kind: ProblemKind::Unavailable,
    }
}

fn session_over(act: &'static str) -> Denied {
    Denied {
        act,
        code: "session.over".to_owned(),
        why: "this session ended meanwhile, here or elsewhere".to_owned(),
        fix: "sign in again".to_owned(),
        kind: ProblemKind::Unauthenticated,
    }
}
