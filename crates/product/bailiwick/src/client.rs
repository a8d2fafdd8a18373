//! The client of the control API: each request carries the session of a login, or is signed with the local credential,
//! and answers within a time.
//!
//! Refuses to follow redirects, since a signature is for one address; and answers larger than a document can be.

use crate::{
    logins::Login,
    near::Near,
    place::{Environment, Place, is_loopback},
    unanswered::unanswered,
};
use bytes::Bytes;
use identity::{MachineKey, Signing};
use model::{Problem, ProblemKind};
use reqwest::{Method, RequestBuilder, Response, Url, header, redirect::Policy};
use serde_json::Value;
use std::{fs::File, io::Write as _, path::Path, time::Duration};

const CONNECT: Duration = Duration::from_secs(5);
/// Between two pieces of an answer: the first deploy after a new binary waits for the engine to be compiled.
const READ: Duration = Duration::from_secs(120);
/// For an answer that is ready on a server that has started.
const PATIENCE: Duration = Duration::from_secs(3);
/// Lists end at a few hundred entries; a policy or a log page is far smaller.
const DOCUMENT_MAX_BYTES: usize = 64 << 20;

/// An address below the server's, with its parts encoded.
#[derive(Debug, Clone)]
pub(crate) struct Route(Url);

impl Route {
    /// Adds `name=value` when there is a value.
    pub(crate) fn query<T: ToString>(mut self, name: &str, value: Option<T>) -> Self {
        if let Some(value) = value {
            self.0.query_pairs_mut().append_pair(name, &value.to_string());
        }
        self
    }
}

/// What goes with a request.
#[derive(Debug, Clone)]
pub(crate) enum Sent {
    Nothing,
    Json(Value),
    Archive(Bytes),
}

impl Sent {
    fn body(self) -> (Option<&'static str>, Bytes) {
        match self {
            Self::Nothing => (None, Bytes::new()),
            Self::Json(value) => (Some("application/json"), Bytes::from(value.to_string())),
            Self::Archive(bytes) => (Some("application/zstd"), bytes),
        }
    }
}

/// What came back, when it was a document.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    pub(crate) document: Value,
}

/// A server that can be asked.
pub(crate) struct Client {
    http: reqwest::Client,
    place: Place,
    near: Option<(Near, reqwest::Client)>,
    login: Option<Login>,
    key: Option<MachineKey>,
    user: String,
}

impl Client {
    /// Gets ready; nothing is sent yet.
    ///
    /// # Errors
    /// A credential that others can read, or no TLS where it is needed.
    pub(crate) fn new(place: Place, environment: &Environment) -> Result<Self, Problem> {
        // A second installation in one process is refused, and changes nothing.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let plain = || reqwest::Client::builder().redirect(Policy::none()).connect_timeout(CONNECT).read_timeout(READ);
        let mut http = plain();
        let login = Login::load(environment, &place.origin())?;
        if is_loopback(&place.url) {
            http = http.no_proxy();
        }
        if place.url.scheme() == "http" {
            // A machine without any certificates still talks to itself.
            http = http.tls_certs_only([]);
        }
        // What a login carries works elsewhere too: it goes the way that its person chose.
        let near = place.near.filter(|_| login.is_none()).map(|near| {
            // Who answers there, the system says. HTTP/2 would name the host twice: where to go, and whom to ask.
            let short = plain().no_proxy().tls_danger_accept_invalid_certs(true).http1_only();
            short.build().map(|short| (near, short))
        });
        let near = near.transpose().map_err(|_| no_tls())?;
        let key = match place.data.as_deref() {
            Some(data) if data.join(identity::CREDENTIAL_FILE).exists() => Some(load_key(data)?),
            _ => None,
        };
        let http = http.build().map_err(|_| no_tls())?;
        Ok(Self { http, place, near, login, key, user: environment.system_user() })
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// A request to an address of this server, by the short way if there is one.
    fn to(&self, method: Method, url: &Url) -> RequestBuilder {
        // Looked at each time: a server may end, and another listen there, while somebody types a secret.
        let near = self
            .near
            .as_ref()
            .filter(|(near, _)| self.place.data.as_deref().is_some_and(|data| near.of(data).is_some()));
        match near.and_then(|(near, http)| Some((shortened(url, *near)?, http))) {
            // It is called what everybody calls it: by that it knows what is its own.
            Some((short, http)) => http.request(method, short).header(header::HOST, self.place.authority()),
            None => self.http.request(method, url.clone()),
        }
    }

    /// Whether requests can say whose they are.
    ///
    /// # Errors
    /// They cannot; or there is nobody to say it to.
    pub(crate) async fn credential(&self) -> Result<(), Problem> {
        if self.has_credential() { Ok(()) } else { Err(self.nobody().await) }
    }

    /// Whether there is a login, or a credential to sign with.
    pub(crate) const fn has_credential(&self) -> bool {
        self.login.is_some() || self.key.is_some()
    }

    /// The login that goes with requests; it goes before the local credential.
    pub(crate) const fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// The address of a route of the API, of literal and given parts.
    ///
    /// # Errors
    /// A part that would not stay one.
    pub(crate) fn api(&self, parts: &[&str]) -> Result<Route, Problem> {
        self.route(&[&["api", "v1"], parts].concat())
    }

    /// As [`Client::api`], from the server's root.
    ///
    /// # Errors
    /// As [`Client::api`].
    pub(crate) fn route(&self, parts: &[&str]) -> Result<Route, Problem> {
        let mut url = self.place.url.clone();
        // Addresses lose some control characters, and name something else then.
        let names = |part: &&&str| !["", ".", ".."].contains(*part) && !part.chars().any(char::is_control);
        if let Some(part) = parts.iter().find(|part| !names(part)) {
            return Err(Problem::new(
                ProblemKind::Invalid,
                "command.name",
                format!("`{}` is not a name", part.escape_debug()),
                "a name or id has at least one letter or digit, and no control character",
                "`bailiwick apps` and `bailiwick requests` list what there is",
            ));
        }
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(parts);
        }
        Ok(Route(url))
    }

    /// Reads a document.
    ///
    /// # Errors
    /// What the server refused, or why it was not reached.
    pub(crate) async fn get(&self, route: Route) -> Result<Value, Problem> {
        self.send(Method::GET, route, Sent::Nothing).await?.accepted()
    }

    /// Does an act with a JSON body.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn post(&self, route: Route, body: Value) -> Result<Value, Problem> {
        self.send(Method::POST, route, Sent::Json(body)).await?.accepted()
    }

    /// As [`Client::post`], with PUT.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn put(&self, route: Route, body: Value) -> Result<Value, Problem> {
        self.send(Method::PUT, route, Sent::Json(body)).await?.accepted()
    }

    /// Sends a request; whatever document comes back is the answer, refusals too.
    ///
    /// # Errors
    /// No answer, or one that is no document.
    pub(crate) async fn send(&self, method: Method, route: Route, sent: Sent) -> Result<Answer, Problem> {
        let response = self.request(method, route, sent).await?;
        let status = response.status().as_u16();
        let body = self.whole(response).await?;
        let document = serde_json::from_slice(&body).map_err(|_| self.not_bailiwick(status))?;
        Ok(Answer { status, document })
    }

    /// Reads a body of any length into a file; how many bytes.
    ///
    /// # Errors
    /// As [`Client::get`]; a file that cannot be written.
    pub(crate) async fn download(&self, route: Route, file: &mut File) -> Result<u64, Problem> {
        self.download_seen(route, file, &|_| ()).await
    }

    /// The same; `seen` gets each piece as it arrives, to say how far it is.
    ///
    /// # Errors
    /// As [`Client::download`].
    pub(crate) async fn download_seen(
        &self,
        route: Route,
        file: &mut File,
        seen: &(dyn Fn(&[u8]) + Sync),
    ) -> Result<u64, Problem> {
        let mut response = self.stream(Method::GET, route).await?;
        let mut bytes = 0;
        while let Some(chunk) = self.chunk(&mut response).await? {
            file.write_all(&chunk).map_err(|_| full())?;
            seen(&chunk);
            bytes += chunk.len() as u64;
        }
        Ok(bytes)
    }

    /// An answer whose body goes on; whatever was refused is the problem.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn stream(&self, method: Method, route: Route) -> Result<Response, Problem> {
        let response = self.request(method, route, Sent::Nothing).await?;
        let status = response.status().as_u16();
        if response.status().is_success() {
            return Ok(response);
        }
        let body = self.whole(response).await?;
        let document = serde_json::from_slice(&body).map_err(|_| self.not_bailiwick(status))?;
        Err(Answer { status, document }.refusal())
    }

    /// Sends a signed request; the body of the answer is still to be read.
    ///
    /// # Errors
    /// No credential, or no answer.
    async fn request(&self, method: Method, route: Route, sent: Sent) -> Result<Response, Problem> {
        let Route(url) = route;
        let (kind, body) = sent.body();
        let token = match (&self.login, &self.key) {
            (Some(login), _) => login.token.clone(),
            (None, Some(key)) => self.proof(key, &method, &url, &body)?,
            (None, None) => return Err(self.nobody().await),
        };
        let mut request = self.to(method, &url).bearer_auth(token).header(header::ACCEPT, "application/json");
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind).body(body);
        }
        request.send().await.map_err(|error| self.unanswered(&error))
    }

    fn proof(&self, key: &MachineKey, method: &Method, url: &Url, body: &[u8]) -> Result<String, Problem> {
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let audience = self.place.origin();
        let signing =
            Signing { system_user: &self.user, audience: &audience, method: method.as_str(), path: &path, body };
        key.sign(&signing).map_err(|error| Problem::from(&error))
    }

    /// As [`Client::send`], saying nothing of who asks.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub(crate) async fn send_openly(&self, method: Method, route: Route, sent: Sent) -> Result<Answer, Problem> {
        let (kind, body) = sent.body();
        let mut request = self.to(method, &route.0).header(header::ACCEPT, "application/json").body(body);
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let response = request.send().await.map_err(|error| self.unanswered(&error))?;
        let status = response.status().as_u16();
        let body = self.whole(response).await?;
        let document = serde_json::from_slice(&body).map_err(|_| self.not_bailiwick(status))?;
        Ok(Answer { status, document })
    }

    /// Sends a request that needs no credential.
    ///
    /// # Errors
    /// No answer.
    pub(crate) async fn open(&self, route: Route, within: Duration) -> Result<Response, Problem> {
        self.to(Method::GET, &route.0).timeout(within).send().await.map_err(|error| self.unanswered(&error))
    }

    /// The next piece of a body.
    ///
    /// # Errors
    /// The connection broke.
    pub(crate) async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Problem> {
        response.chunk().await.map_err(|error| self.unanswered(&error))
    }

    /// The whole body.
    ///
    /// # Errors
    /// The connection broke, or it does not end.
    pub(crate) async fn whole(&self, mut response: Response) -> Result<Vec<u8>, Problem> {
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            body.extend_from_slice(&chunk);
            if body.len() > DOCUMENT_MAX_BYTES {
                return Err(self.not_bailiwick(status));
            }
        }
        Ok(body)
    }

    fn unanswered(&self, error: &reqwest::Error) -> Problem {
        unanswered(&self.place.url, error)
    }

    pub(crate) fn not_bailiwick(&self, status: u16) -> Problem {
        Problem::new(
            ProblemKind::Upstream,
            "server.answer",
            format!("the answer of `{}` could not be read", self.place.origin()),
            format!("it came with status {status} and is not a document of this API"),
            "check that the address is a Bailiwick server of this version, and what stands in between",
        )
    }

    /// Why nothing can be asked without a credential: where no server answers, a credential would not help.
    async fn nobody(&self) -> Problem {
        let mut url = self.place.url.clone();
        url.set_path("healthz");
        match self.to(Method::GET, &url).timeout(PATIENCE).send().await {
            Ok(_) => self.no_credential(),
            Err(error) if error.is_timeout() && !error.is_connect() => self.silent(),
            Err(error) => self.unanswered(&error),
        }
    }

    /// A server takes connections before it answers: compiling its engine takes a moment on the first start.
    fn silent(&self) -> Problem {
        Problem::new(
            ProblemKind::Upstream,
            "server.silent",
            format!("no answer from `{}` yet", self.place.origin()),
            "something takes the connection there and says nothing: a server that starts, most likely",
            "wait until `bailiwick up` says `ready`, then try again",
        )
    }

    fn no_credential(&self) -> Problem {
        let folder = self
            .place
            .data
            .as_deref()
            .map_or_else(|| "no data folder".to_owned(), |data| format!("`{}`", data.display()));
        Problem::new(
            ProblemKind::Unauthenticated,
            "sign_in.none",
            format!("there is no credential for `{}`", self.place.origin()),
            format!("the local credential of a server lies in its data folder, and {folder} has none"),
            "sign in with `bailiwick login URL`, or say where its data folder is with `BAILIWICK_DATA`",
        )
    }
}

impl Answer {
    /// Whether the server did what was asked.
    pub(crate) const fn is_accepted(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// The document, when the server did what was asked.
    ///
    /// # Errors
    /// The problem that it answered with.
    pub(crate) fn accepted(self) -> Result<Value, Problem> {
        if self.is_accepted() { Ok(self.document) } else { Err(self.refusal()) }
    }

    /// The problem that the server answered with.
    pub(crate) fn refusal(&self) -> Problem {
        serde_json::from_value(self.document.clone()).unwrap_or_else(|_| {
            Problem::new(
                ProblemKind::Upstream,
                "server.answer",
                "the server refused without saying why",
                format!("its answer has status {} and no problem in it", self.status),
                "use the same version as the server; if it is, tell your operator",
            )
        })
    }
}

/// The same path, where the server listens. None, if the address cannot be changed so.
fn shortened(url: &Url, near: Near) -> Option<Url> {
    let (mut short, address) = (url.clone(), near.address());
    short.set_scheme(near.scheme()).ok()?;
    short.set_ip_host(address.ip()).ok()?;
    short.set_port(Some(address.port())).ok()?;
    Some(short)
}

fn load_key(data: &Path) -> Result<MachineKey, Problem> {
    MachineKey::load(data).map_err(|error| {
        if let identity::Error::Refused(problem) = error {
            return problem;
        }
        let path = data.join(identity::CREDENTIAL_FILE);
        Problem::new(
            ProblemKind::Unauthenticated,
            "sign_in.credential",
            "the local credential cannot be used",
            "its file must be whole, and readable by its owner alone",
            format!("run `chmod 600 {}`; `bailiwick doctor` says more", path.display()),
        )
        .at(path.display().to_string())
    })
}

fn full() -> Problem {
    Problem::new(
        ProblemKind::Internal,
        "client.unwritable",
        "the answer could not be written to disk",
        "the disk is full, or took no more",
        "make room, then try again",
    )
}

fn no_tls() -> Problem {
    Problem::new(
        ProblemKind::Internal,
        "client.tls",
        "no secure connection can be made from here",
        "this machine has no certificates to check the other side with",
        "install the package `ca-certificates`",
    )
}
