//! An S3-compatible server that the test starts (`s3s-fs`), with what can go wrong in between.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::{Body, auth::SimpleAuth, service::S3ServiceBuilder};
use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::net::TcpListener;

pub(crate) const BUCKET: &str = "bailiwick";
/// Canaries: neither may be in any text.
pub(crate) const KEY: &str = "CANARYKEYID00000001";
pub(crate) const SECRET: &str = "canary-secret-access-key-000000000000001";

/// Longer than it takes to read what the next part is made of.
const PART_TIME: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Each request is refused with this status.
    Status(u16),
    /// So many are refused with 503, then it works.
    Times(usize),
    /// Of what goes up in parts: the first try of this one is refused with 503.
    PartOnce(u32),
    /// Each part takes a moment, as on any line.
    PartsTakeTime,
    /// This part and all later ones are refused.
    FromPart(u32),
    /// The request that puts the parts together is refused.
    Whole,
    /// Nothing may be brought or deleted.
    ReadOnly,
    /// Nothing may be deleted: S3 says so of each object, in an answer that is a success.
    Keeps,
    /// Nothing is answered.
    Hangs,
    /// What comes after the first range is of another object.
    Replaces,
    /// Half of what was asked for comes, then the connection ends.
    CutsBodies,
    /// All of it comes, with one byte changed.
    BendsBodies,
}

/// The server, its files and its faults.
pub(crate) struct S3 {
    pub(crate) folder: TempDir,
    pub(crate) port: u16,
    fault: Arc<Mutex<Fault>>,
    gets: Arc<AtomicUsize>,
    parts: Arc<AtomicUsize>,
    at_once: Arc<AtomicUsize>,
}

impl S3 {
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fault = Arc::new(Mutex::new(Fault::None));
        let gets = Arc::<AtomicUsize>::default();
        let parts = Arc::<AtomicUsize>::default();
        let (under_way, at_once) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (faults, counted, came) = (Arc::clone(&fault), Arc::clone(&gets), Arc::clone(&parts));
        let most = Arc::clone(&at_once);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (service, faults, counted) = (service.clone(), Arc::clone(&faults), Arc::clone(&counted));
                let (came, under_way, most) = (Arc::clone(&came), Arc::clone(&under_way), Arc::clone(&most));
                let answer = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
                    let (service, faults, counted) = (service.clone(), Arc::clone(&faults), Arc::clone(&counted));
                    let parts = usize::from(part(&request).is_some());
                    came.fetch_add(parts, Ordering::Relaxed);
                    most.fetch_max(under_way.fetch_add(parts, Ordering::Relaxed) + parts, Ordering::Relaxed);
                    let under_way = Arc::clone(&under_way);
                    async move {
                        if request.method() == Method::GET && !request.uri().query().unwrap_or("").contains("list-type")
                        {
                            counted.fetch_add(1, Ordering::Relaxed);
                        }
                        let fault = now(&faults, &request);
                        let answer = answered(&service, request, fault).await;
                        under_way.fetch_sub(parts, Ordering::Relaxed);
                        Ok::<_, Infallible>(answer)
                    }
                });
                let connection = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                tokio::spawn(async move {
                    drop(connection.serve_connection(TokioIo::new(socket), answer).await);
                });
            }
        });
        Self { folder, port, fault, gets, parts, at_once }
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// How many objects were fetched.
    pub(crate) fn gets(&self) -> usize {
        self.gets.load(Ordering::Relaxed)
    }

    /// How many parts of objects came, taken or refused.
    pub(crate) fn parts_sent(&self) -> usize {
        self.parts.load(Ordering::Relaxed)
    }

    /// How many parts were on their way at once, at most.
    pub(crate) fn parts_at_once(&self) -> usize {
        self.at_once.load(Ordering::Relaxed)
    }

    /// Writes the keys beside a configuration; the `s3 = …` of it.
    pub(crate) fn keys(&self, folder: &Path) -> String {
        testkit::private_file(&folder.join("s3.key"), &format!("{KEY}\n"));
        testkit::private_file(&folder.join("s3.secret"), &format!("{SECRET}\n"));
        let place = |name: &str| folder.join(name).display().to_string();
        format!(
            "s3 = {{ endpoint = \"http://127.0.0.1:{}\", key = \"file:{}\", secret = \"file:{}\" }}\n",
            self.port,
            place("s3.key"),
            place("s3.secret")
        )
    }

    /// The files of objects whose name holds `part`.
    pub(crate) fn objects(&self, part: &str) -> Vec<PathBuf> {
        Self::files(&self.folder.path().join(BUCKET), part)
    }

    /// Parts of objects that were never put together.
    pub(crate) fn parts(&self) -> Vec<PathBuf> {
        Self::files(self.folder.path(), ".part")
    }

    fn files(within: &Path, part: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![within.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_string_lossy().contains(part) {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }
}

/// Which part of an object a request brings.
fn part(request: &Request<hyper::body::Incoming>) -> Option<u32> {
    let query = request.uri().query().filter(|_| request.method() == Method::PUT)?;
    query.split('&').find_map(|pair| pair.strip_prefix("partNumber="))?.parse().ok()
}

fn now(fault: &Mutex<Fault>, request: &Request<hyper::body::Incoming>) -> Fault {
    let mut fault = fault.lock().unwrap();
    let part = part(request);
    let posted = request.uri().query().filter(|_| request.method() == Method::POST).unwrap_or("");
    let (whole, deletes) = (posted.contains("uploadId="), posted.starts_with("delete"));
    match *fault {
        Fault::PartOnce(number) if part == Some(number) => {
            *fault = Fault::None;
            Fault::Status(503)
        }
        Fault::FromPart(number) if part.is_some_and(|part| part >= number) => Fault::Status(500),
        Fault::Whole if whole => Fault::Status(400),
        Fault::ReadOnly if request.method() != Method::GET => Fault::Status(403),
        Fault::Keeps if deletes => Fault::Keeps,
        Fault::PartsTakeTime if part.is_some() => Fault::PartsTakeTime,
        Fault::PartOnce(_)
        | Fault::PartsTakeTime
        | Fault::FromPart(_)
        | Fault::Whole
        | Fault::ReadOnly
        | Fault::Keeps => Fault::None,
        Fault::Times(0) => Fault::None,
        Fault::Times(left) => {
            *fault = Fault::Times(left - 1);
            Fault::Status(503)
        }
        same @ (Fault::None
        | Fault::Status(_)
        | Fault::Hangs
        | Fault::Replaces
        | Fault::CutsBodies
        | Fault::BendsBodies) => same,
    }
}

async fn answered(
    service: &s3s::service::S3Service,
    request: Request<hyper::body::Incoming>,
    fault: Fault,
) -> Response<Body> {
    let asked = request.method() == Method::GET && !request.uri().query().unwrap_or("").contains("list-type");
    match fault {
        Fault::Status(status) => {
            let mut refused = Response::new(Body::from(Bytes::from_static(b"<Error><Code>Fault</Code></Error>")));
            *refused.status_mut() = StatusCode::from_u16(status).unwrap();
            return refused;
        }
        Fault::Keeps => {
            let asked = request.into_body().collect().await.unwrap().to_bytes();
            let (_, key) = std::str::from_utf8(&asked).unwrap().split_once("<Key>").unwrap();
            let (key, _) = key.split_once("</Key>").unwrap();
            let why = "<Code>AccessDenied</Code><Message>Access Denied</Message>";
            let said = format!("<DeleteResult><Error><Key>{key}</Key>{why}</Error></DeleteResult>");
            return Response::new(Body::from(Bytes::from(said)));
        }
        Fault::Hangs => std::future::pending::<()>().await,
        Fault::PartsTakeTime => tokio::time::sleep(PART_TIME).await,
        Fault::None
        | Fault::Times(_)
        | Fault::PartOnce(_)
        | Fault::FromPart(_)
        | Fault::Whole
        | Fault::ReadOnly
        | Fault::Replaces
        | Fault::CutsBodies
        | Fault::BendsBodies => {}
    }
    let range = request.headers().get("range").and_then(|range| range.to_str().ok()).unwrap_or("bytes=0-").to_owned();
    let mut answer = hyper::service::Service::call(service, request).await.unwrap();
    if fault == Fault::Replaces && !range.starts_with("bytes=0-") {
        answer.headers_mut().insert("etag", http::HeaderValue::from_static("\"another\""));
    }
    if !asked || !matches!(fault, Fault::CutsBodies | Fault::BendsBodies) {
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let mut bytes = body.collect().await.unwrap().to_bytes().to_vec();
    if fault == Fault::CutsBodies {
        bytes.truncate(bytes.len() / 2);
    } else if let Some(byte) = bytes.last_mut() {
        *byte ^= 1;
    }
    Response::from_parts(parts, Body::from(bytes))
}
