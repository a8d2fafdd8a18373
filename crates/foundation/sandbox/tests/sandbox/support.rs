//! One sandbox for all tests of this binary, with its compiled code kept between runs, and a door that remembers.

use aws_lc_rs::hmac;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use model::manifest::SandboxLimits;
use sandbox::{
    App, Authenticator, Body, Config, Door, DoorError, Error, LogLine, Maxima, Prepared, Report, Run, Sandbox, Sending,
    Source, Stop, Stopped, empty, full,
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};
use tokio::sync::Notify;

pub struct Key(hmac::Key);

impl Key {
    pub fn new(secret: &[u8]) -> Arc<Self> {
        Arc::new(Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }
}

impl Authenticator for Key {
    fn tag(&self, context: &str, bytes: &[u8]) -> [u8; 32] {
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(context.as_bytes());
        signing.update(&[0]);
        signing.update(bytes);
        signing.sign().as_ref().try_into().unwrap()
    }

    fn verify(&self, context: &str, bytes: &[u8], tag: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.tag(context, bytes), tag).is_ok()
    }
}

pub const SECRET: &[u8] = b"a key for tests alone";

pub fn cache_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("sandbox-compiled")
}

pub fn maxima() -> Maxima {
    Maxima { instances: 48, response_bytes: 4 << 20, workers: 2, queue: Duration::from_secs(30), ..Maxima::default() }
}

pub fn start(cache_dir: PathBuf) -> Arc<Sandbox> {
    Sandbox::start(Config { cache_dir, authenticator: Key::new(SECRET), maxima: maxima() }).unwrap()
}

pub fn sandbox() -> &'static Arc<Sandbox> {
    static SHARED: OnceLock<Arc<Sandbox>> = OnceLock::new();
    SHARED.get_or_init(|| start(cache_dir()))
}

pub fn source(files: &[(&str, &str)]) -> Source {
    Source {
        main: files[0].0.to_owned(),
        files: files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect(),
        collections: vec!["answers".into()],
        secrets: vec!["SLACK_TOKEN".into()],
    }
}

pub async fn prepare(files: &[(&str, &str)]) -> Result<Prepared, Error> {
    sandbox().prepare(source(files)).await
}

pub async fn app_of(files: &[(&str, &str)]) -> App {
    let prepared = prepare(files).await.unwrap_or_else(|error| panic!("{error}"));
    sandbox().load(&prepared.image, 16).await.unwrap()
}

/// An app of one file whose `fetch` has this body; `path` is the request's.
pub async fn handler(body: &str) -> App {
    let code = format!(
        "export default {{ async fetch(request, env, ctx) {{\nconst path = new URL(request.url).pathname;\n{body}\n}} }};"
    );
    app_of(&[("app.js", &code)]).await
}

pub fn limits() -> SandboxLimits {
    SandboxLimits {
        cpu: Duration::from_secs(20),
        time: Duration::from_secs(60),
        memory_bytes: 64 << 20,
        ..SandboxLimits::default()
    }
}

type Answer = dyn Fn(http::Request<Body>) -> Sending + Send + Sync;

pub struct TestDoor {
    lines: Mutex<Vec<LogLine>>,
    reports: Mutex<Vec<Report>>,
    ended: Notify,
    answer: Box<Answer>,
}

impl TestDoor {
    pub fn shut() -> Arc<Self> {
        Self::open(|_| Box::pin(async { Err(DoorError::Denied) }))
    }

    pub fn open(answer: impl Fn(http::Request<Body>) -> Sending + Send + Sync + 'static) -> Arc<Self> {
        let (lines, reports) = (Mutex::default(), Mutex::default());
        Arc::new(Self { lines, reports, ended: Notify::new(), answer: Box::new(answer) })
    }

    pub fn lines(&self) -> Vec<LogLine> {
        self.lines.lock().unwrap().clone()
    }

    pub fn log_text(&self) -> String {
        self.lines().iter().map(|line| format!("{:?} {}\n", line.level, line.text)).collect()
    }

    /// Waits for the end, and makes sure that there is one only.
    pub async fn report(&self) -> Report {
        self.ended.notified().await;
        let reports = self.reports.lock().unwrap();
        assert_eq!(reports.len(), 1);
        reports[0].clone()
    }
}

impl Door for TestDoor {
    fn send(&self, request: http::Request<Body>) -> Sending {
        (self.answer)(request)
    }

    fn log(&self, line: LogLine) {
        self.lines.lock().unwrap().push(line);
    }

    fn ended(&self, report: Report) {
        self.reports.lock().unwrap().push(report);
        self.ended.notify_one();
    }
}

pub fn context(path: &str) -> String {
    format!(
        r#"{{"trigger":"fetch","user":{{"id":"u1","email":"ana@example.test","name":"Ana","groups":["staff"],"roles":[]}},"app":{{"id":"a1","name":"tinypoll","env":"prod","release":1}},"secrets":{{"SLACK_TOKEN":"placeholder-1"}},"url":"https://tinypoll.example{path}","event":null}}"#
    )
}

pub fn request(path: &str, body: Option<&str>) -> http::Request<Body> {
    let builder = http::Request::builder().uri(path).header("host", "tinypoll.example");
    match body {
        None => builder.body(empty()).unwrap(),
        Some(text) => {
            let builder = builder.method("POST").header("content-type", "application/json");
            builder.body(full(text.to_owned())).unwrap()
        }
    }
}

pub fn run(path: &str, body: Option<&str>, limits: SandboxLimits, door: &Arc<TestDoor>, stop: Stop) -> Run {
    let door = Arc::clone(door) as Arc<dyn Door>;
    Run { request: request(path, body), context: context(path), limits, door, stop }
}

pub async fn text(response: http::Response<Body>) -> (u16, String) {
    let status = response.status().as_u16();
    let bytes: Bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

/// One request with a door that is shut, its body read to the end.
pub async fn get(app: &App, path: &str) -> (u16, String) {
    let door = TestDoor::shut();
    match app.run(run(path, None, limits(), &door, Stop::never())).await {
        Ok(response) => text(response).await,
        Err(stopped) => panic!("{stopped}\n{}", door.log_text()),
    }
}

/// A request that is expected to be stopped, and what was logged and reported.
pub async fn stopped(app: &App, path: &str, limits: SandboxLimits) -> (Stopped, Arc<TestDoor>, Report) {
    let door = TestDoor::shut();
    let outcome = app.run(run(path, None, limits, &door, Stop::never())).await;
    let why = match outcome {
        Err(why) => why,
        Ok(response) => {
            let error = response.into_body().collect().await.expect_err("it was not stopped");
            error.downcast_ref::<Stopped>().expect("another error").clone()
        }
    };
    let report = door.report().await;
    assert_eq!(report.stopped.as_ref(), Some(&why));
    (why, door, report)
}
