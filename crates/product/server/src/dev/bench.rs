//! The workbench: takes each save through the ordinary path, as the local credential of this throw-away server, and
//! gives it what it asks for: made-up secrets, records to begin with, a yes.
//!
//! A save that a gate refuses changes nothing: what served before goes on, with the mocks that it had.

mod person;
mod seed;

use crate::{
    Bailiwick,
    dev::{DevOptions, Happened, Job, Kept, Mocked, Ready, Say, host::Now, host::Serving, mocks::Mocks},
    stand_in::StandIn,
};
use arc_swap::ArcSwapOption;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderValue, Method, Request, StatusCode, header},
};
use bytes::Bytes;
use catalog::Unpacked;
use identity::{MachineKey, Signing};
use model::{AppId, Finding, Manifest, Problem, Severity, Tier, manifest::SecretUse};
use seal::Token;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Mutex as Turn;

/// Who asks in this process; loopback like everyone here.
const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
/// Documents of the API are far smaller.
const DOCUMENT_BYTES_MAX: usize = 64 << 20;
/// As far ahead as a secret is ever asked for here.
const SECRET_LIFE: Duration = Duration::from_secs(60 * 86_400);
const WHY: &str = "`dev` reaches nothing real";

/// One app on one throw-away server.
pub(crate) struct Bench {
    pub(crate) server: Arc<Bailiwick>,
    pub(crate) control: Router,
    pub(crate) say: Say,
    pub(crate) app: ArcSwapOption<App>,
    pub(super) serving: Serving,
    stand_in: StandIn,
    key: MachineKey,
    folder: PathBuf,
    person: person::Made,
    /// Every host that was ever asked for: an earlier version may still serve.
    hosts: Mutex<BTreeSet<String>>,
    secrets: Turn<BTreeMap<String, Put>>,
    seeded: Turn<BTreeMap<String, usize>>,
    ready: Mutex<Option<Ready>>,
}

/// The version that serves.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) id: AppId,
    pub(crate) name: String,
    pub(crate) jobs: Vec<String>,
}

/// What was put for one secret of the manifest; another entry of it is put anew.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Put {
    id: String,
    app: String,
    hosts: Vec<String>,
    attach: Option<String>,
    value: String,
}

/// Why a save does not serve.
#[derive(Debug, Default)]
struct Refusal {
    findings: Vec<Finding>,
    problem: Option<Box<Problem>>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { findings: Vec::new(), problem: Some(Box::new(problem)) }
    }
}

/// What the API answered.
pub(crate) struct Answered {
    status: StatusCode,
    /// The session at the console, when it gave one.
    pub(crate) cookie: Option<HeaderValue>,
    document: Value,
}

impl Answered {
    pub(crate) fn accepted(self) -> Result<Value, Problem> {
        if self.status.is_success() {
            return Ok(self.document);
        }
        Err(serde_json::from_value(self.document).unwrap_or_else(|_| Problem::internal()))
    }
}

impl Bench {
    pub(crate) fn new(
        server: Arc<Bailiwick>,
        stand_in: StandIn,
        serving: Serving,
        data: &Path,
        options: &DevOptions,
        say: Say,
    ) -> Result<Arc<Self>, Problem> {
        let key = MachineKey::load(data).map_err(|error| Problem::from(&error))?;
        Ok(Arc::new(Self {
            control: server.control(),
            server,
            say,
            app: ArcSwapOption::empty(),
            serving,
            stand_in,
            key,
            folder: options.folder.clone(),
            person: person::Made::new(options),
            hosts: Mutex::default(),
            secrets: Turn::default(),
            seeded: Turn::default(),
            ready: Mutex::default(),
        }))
    }

    /// Takes what is in the folder through the ordinary path, and tells what became of it.
    pub(crate) async fn save(&self) {
        if let Err(Refusal { findings, problem }) = self.try_save().await {
            let serves = self.app.load().is_some();
            (self.say)(Happened::Refused { findings, problem, serves });
        }
    }

    async fn try_save(&self) -> Result<(), Refusal> {
        let begun = Instant::now();
        let folder = self.folder.clone();
        let read = tokio::task::spawn_blocking(move || Unpacked::from_folder(&folder)).await;
        let unpacked = read.map_err(|_| Problem::internal())??;
        let archive = unpacked.pack()?;
        // A manifest with problems goes to the gates all the same: they tell every one.
        let manifest = unpacked.manifest(self.server.clock.now());
        let (mocks, findings) = match &manifest {
            Some(manifest) => Mocks::read(&self.folder, manifest),
            None => (Mocks::default(), Vec::new()),
        };
        if findings.iter().any(|finding| finding.severity == Severity::Block) {
            return Err(Refusal { findings, problem: None });
        }
        let mut document = self.deploy(&archive).await?;
        let Some(manifest) = manifest else { return Err(Problem::internal().into()) };
        self.stands_for(&manifest)?;
        self.let_in(&manifest).await?;
        if self.put_secrets(&manifest, &mocks).await? {
            document = self.deploy(&archive).await?;
        }
        if text(&document, "status") == "waiting" {
            document = self.approve(&text(&document, "request")).await?;
        }
        let findings = [findings, listed(&document)].concat();
        self.goes_live(&manifest, mocks, &document).await?;
        findings.into_iter().for_each(|finding| (self.say)(Happened::Noted { finding }));
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let release = document.get("release").and_then(Value::as_u64).unwrap_or_default();
        (self.say)(Happened::Live { app: manifest.app.name, release, ms });
        Ok(())
    }

    /// One request of this process to its own API.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answered, Problem> {
        let host = self.server.config.control_host();
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).map_err(|_| Problem::internal())?;
        let (parts, body) = self.pass(request, HERE).await.into_parts();
        let bytes = to_bytes(body, DOCUMENT_BYTES_MAX).await.map_err(|_| Problem::internal())?;
        let session = format!("{}=", self.server.cookie_name());
        let ours = |cookie: &&HeaderValue| cookie.to_str().is_ok_and(|cookie| cookie.starts_with(&session));
        Ok(Answered {
            status: parts.status,
            cookie: parts.headers.get_all(header::SET_COOKIE).iter().find(ours).cloned(),
            document: serde_json::from_slice(&bytes).unwrap_or_default(),
        })
    }

    /// The same, signed with the local credential.
    async fn as_machine(&self, method: Method, path: &str, kind: &str, body: Bytes) -> Result<Answered, Problem> {
        let audience = self.server.url();
        let signing = Signing { system_user: "dev", audience, method: method.as_str(), path, body: &body };
        let token = self.key.sign(&signing).map_err(|error| Problem::from(&error))?;
        let bearer = format!("Bearer {token}");
        self.send(method, path, &[("authorization", &bearer), ("content-type", kind)], body).await
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value, Problem> {
        self.as_machine(method, path, "application/json", body.to_string().into()).await?.accepted()
    }

    /// Through every gate; a refusal keeps its findings.
    async fn deploy(&self, archive: &Bytes) -> Result<Value, Refusal> {
        let path = "/api/v1/deploy?env=prod";
        let answered = self.as_machine(Method::POST, path, "application/zstd", archive.clone()).await?;
        if text(&answered.document, "status") == "refused" {
            let problem =
                answered.document.get("problem").cloned().and_then(|found| serde_json::from_value(found).ok());
            return Err(Refusal { findings: listed(&answered.document), problem });
        }
        Ok(answered.accepted()?)
    }

    async fn approve(&self, request: &str) -> Result<Value, Problem> {
        let path = format!("/api/v1/requests/{request}/approve");
        self.ask(Method::POST, &path, &json!({ "why": WHY, "break_glass": true })).await
    }

    fn stands_for(&self, manifest: &Manifest) -> Result<(), Problem> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.extend(manifest.connect.values().map(|connect| connect.host.clone()));
        if hosts.is_empty() { Ok(()) } else { self.stand_in.stands_for(&hosts.iter().cloned().collect::<Vec<_>>()) }
    }

    /// A made-up value for each secret, bound to the hosts that the manifest sends it to. Whether any is new.
    async fn put_secrets(&self, manifest: &Manifest, mocks: &Mocks) -> Result<bool, Problem> {
        let mut there = self.secrets.lock().await;
        let mut news = false;
        for (name, secret) in &manifest.secrets {
            let mut put = wanted(manifest, mocks, name, secret);
            if put.hosts.is_empty() {
                continue;
            }
            if let Some(before) = there.get(name) {
                put.value.clone_from(&before.value);
                if *before == put {
                    continue;
                }
            }
            let path = format!("/api/v1/secrets/{}", put.id);
            let expires: String = self.server.clock.now().plus(SECRET_LIFE).to_string().chars().take(10).collect();
            let body = json!({
                "app": put.app, "env": "prod", "owner": manifest.app.team, "purpose": WHY, "expires": expires,
                "hosts": put.hosts, "attach": put.attach, "sensitivity": "low", "value": put.value,
            });
            self.ask(Method::PUT, &path, &body).await?;
            there.insert(name.clone(), put);
            news = true;
        }
        there.retain(|name, _| manifest.secrets.contains_key(name));
        Ok(news)
    }

    /// The new version serves: its mocks answer, its collections begin, its surroundings are told when they changed.
    async fn goes_live(&self, manifest: &Manifest, mocks: Mocks, document: &Value) -> Result<(), Problem> {
        let name = manifest.app.name.clone();
        let id = AppId::new(text(document, "app_id"));
        let secrets: BTreeMap<String, String> =
            self.secrets.lock().await.iter().map(|(name, put)| (name.clone(), put.value.clone())).collect();
        let jobs = manifest.jobs.keys().cloned().collect();
        self.app.store(Some(Arc::new(App { id: id.clone(), name, jobs })));
        let kept = self.begin_collections(manifest, &mocks, &id).await;
        let ready = self.surroundings(manifest, &mocks, document, kept);
        self.serving.store(Arc::new(Now { mocks, secrets }));
        let mut told = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_ref() != Some(&ready) {
            (self.say)(Happened::Ready(Box::new(ready.clone())));
            *told = Some(ready);
        }
        Ok(())
    }

    fn surroundings(&self, manifest: &Manifest, mocks: &Mocks, document: &Value, data: Vec<Kept>) -> Ready {
        let url = self.server.url();
        let mocked = manifest.connect.iter().map(|(name, connect)| Mocked {
            name: name.clone(),
            host: connect.host.clone(),
            methods: connect.methods.clone(),
            paths: connect.paths.iter().map(|path| path.as_str().to_owned()).collect(),
            file: mocks.file(connect.line).map(str::to_owned),
        });
        let jobs = manifest.jobs.iter().map(|(name, job)| Job {
            name: name.clone(),
            schedule: job.schedule.clone(),
            run: format!("{url}/dev/jobs/{name}"),
        });
        Ready {
            app: manifest.app.name.clone(),
            url: text(document, "url"),
            tier: serde_json::from_value(document.get("tier").cloned().unwrap_or_default()).unwrap_or(Tier::Low),
            email: self.person.email.clone(),
            groups: self.person.groups(manifest).iter().map(ToString::to_string).collect(),
            mocked: mocked.collect(),
            data,
            secrets: manifest.secrets.keys().cloned().collect(),
            jobs: jobs.collect(),
            token: format!("{url}/dev/token"),
        }
    }
}

fn wanted(manifest: &Manifest, mocks: &Mocks, name: &str, secret: &SecretUse) -> Put {
    let sends = manifest.connect.values().filter(|connect| connect.secret.as_deref() == Some(name));
    let hosts: BTreeSet<String> = sends.map(|connect| connect.host.clone()).collect();
    Put {
        id: secret.id.to_string(),
        app: manifest.app.name.clone(),
        hosts: hosts.into_iter().collect(),
        attach: mocks.attach.get(name).cloned(),
        value: format!("made-up-{}", Token::generate().expose()),
    }
}

fn text(document: &Value, field: &str) -> String {
    document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn listed(document: &Value) -> Vec<Finding> {
    document.get("findings").cloned().and_then(|found| serde_json::from_value(found).ok()).unwrap_or_default()
}
