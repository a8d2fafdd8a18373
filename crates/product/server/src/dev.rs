//! `dev`: one app in a whole Bailiwick of its own, in a folder that is thrown away, by the very same assembly.
//!
//! Nothing outside is reached, by construction: every destination that the manifest grants is answered by a stand-in on
//! loopback, and what it does not grant is refused as anywhere. Configuration, environment and data folder of this
//! machine are not read. Refuses to be reached from other machines.

mod bench;
mod front;
mod host;
mod mocks;
pub(crate) mod trial;
mod watch;

use crate::{Bailiwick, Config, Root, Settings, listen::serve_until, stand_in::StandIn, up::told_to_stop};
use bench::Bench;
use model::{Clock, Finding, Problem, ProblemKind, SystemClock, Tier};
use serde::Serialize;
use std::{
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::net::TcpListener;

/// Where it listens unless it is told, or another holds the port.
const PORT: u16 = 7171;

/// What the command line said.
#[derive(Debug, Clone)]
pub struct DevOptions {
    pub folder: PathBuf,
    pub listen: Option<SocketAddr>,
    /// Who is signed in.
    pub email: String,
    /// Their groups; every group that the manifest lets in when nothing is said.
    pub groups: Vec<String>,
    /// Keeps compiled code between runs, for this person alone; none when it is not kept.
    pub code: Option<PathBuf>,
}

/// Something that happened meanwhile.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "happened", rename_all = "lowercase")]
pub enum Happened {
    /// It serves, and this is what surrounds it. Again when that changed.
    Ready(Box<Ready>),
    /// A save serves.
    Live { app: String, release: u64, ms: u64 },
    /// A save was refused; what served before goes on, if anything did.
    Refused { findings: Vec<Finding>, problem: Option<Box<Problem>>, serves: bool },
    /// Worth knowing about the mocks.
    Noted { finding: Finding },
    /// A request was answered.
    Request { method: String, path: String, status: u16, ms: u64 },
    /// The app printed a line; or was refused something, or stopped.
    Log { level: String, text: String, at: Option<String> },
    /// A stand-in was called.
    Call {
        host: String,
        method: String,
        path: String,
        status: u16,
        file: Option<String>,
        secrets: Vec<String>,
        body: String,
    },
}

/// What surrounds the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ready {
    pub app: String,
    pub url: String,
    pub tier: Tier,
    pub email: String,
    pub groups: Vec<String>,
    pub mocked: Vec<Mocked>,
    pub data: Vec<Kept>,
    pub secrets: Vec<String>,
    pub jobs: Vec<Job>,
    /// `GET` it for a token with which a script may call the app.
    pub token: String,
}

/// A destination, and what answers in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mocked {
    pub name: String,
    pub host: String,
    pub methods: Vec<String>,
    pub paths: Vec<String>,
    pub file: Option<String>,
}

/// A collection, and with how many records it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    pub collection: String,
    pub records: usize,
}

/// A job; `POST` to `run` runs it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Job {
    pub name: String,
    pub schedule: String,
    pub run: String,
}

/// Told what happens, as it happens.
pub(crate) type Say = Arc<dyn Fn(Happened) + Send + Sync>;

/// Serves the app until Ctrl-C, SIGTERM or the end of its terminal; then nothing is left of it.
///
/// # Errors
/// A folder that is none, an address that cannot be listened at, whatever keeps a server from starting.
pub async fn dev(options: DevOptions, say: Say) -> Result<(), Vec<Problem>> {
    // Another provider may have been installed by whoever embeds us; it is as good.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    if !options.folder.is_dir() {
        return Err(vec![no_folder(&options.folder)]);
    }
    let listener = bind(options.listen).await.map_err(|problem| vec![problem])?;
    let listen = listener.local_addr().map_err(|error| vec![cannot_listen(&error)])?;
    let thrown_away = tempfile::tempdir().map_err(|_| vec![no_room()])?;
    let serving = host::Serving::default();
    let stand_in = StandIn::start(host::router(&serving, &say)).await.map_err(|problem| vec![problem])?;
    let settings = settings(thrown_away.path(), listen, &stand_in, options.code.as_deref())?;
    let data = settings.data.clone();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (server, running) = Bailiwick::start(settings, clock).await.map_err(|problem| vec![problem])?;
    let told = Arc::clone(&say);
    server.app_log.tell(Box::new(move |line| told(printed(line))));
    let bench = Bench::new(server, stand_in, serving, &data, &options, say).map_err(|problem| vec![problem])?;
    let front = Arc::clone(&bench);
    let answer = move |request, peer| {
        let bench = Arc::clone(&front);
        async move { bench.answer(request, peer).await }
    };
    tokio::select! {
        () = serve_until(listener, ended(), answer) => {}
        () = watch::each_save(&options.folder, || bench.save()) => {}
    }
    running.stop().await;
    // Said here, since what fails to be removed would stay behind unseen.
    thrown_away.close().map_err(|_| vec![no_room()])
}

/// Told to stop, or the terminal is gone.
async fn ended() {
    let hung_up = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = told_to_stop() => {}
        () = hung_up => {}
    }
}

fn printed(line: &gateway::Line) -> Happened {
    Happened::Log { level: line.level.as_str().to_owned(), text: line.text.clone(), at: line.at.clone() }
}

/// A server of its own: no file and no environment is read, and everything that leaves ends at the stand-in.
fn settings(
    folder: &Path,
    listen: SocketAddr,
    stand_in: &StandIn,
    code: Option<&Path>,
) -> Result<Settings, Vec<Problem>> {
    let mut config = Config::plain(listen)?;
    stand_in.allow(&mut config.egress).map_err(|problem| vec![problem])?;
    config.egress.stand_in = Some(stand_in.address());
    let data = folder.join("data");
    std::fs::create_dir(&data).map_err(|_| vec![no_room()])?;
    if let Some(code) = code {
        config.root = Root::File(keep_code(code, &data).map_err(|_| vec![no_cache(code)])?);
    }
    Settings::with(data, config, None).map_err(|problem| vec![problem])
}

/// Compiled code is executed as it stands, so the key that vouches for it is kept with it.
fn keep_code(code: &Path, data: &Path) -> std::io::Result<PathBuf> {
    let (key, cache) = (code.join("root.key"), code.join("cache"));
    std::fs::create_dir_all(&cache)?;
    if !key.exists() {
        // Another run may be making it at this moment: whoever is second takes what is there.
        drop(seal::RootKey::generate().create_file(&key));
    }
    symlink(cache, data.join("cache"))?;
    Ok(key)
}

async fn bind(listen: Option<SocketAddr>) -> Result<TcpListener, Problem> {
    match listen {
        Some(address) if !address.ip().is_loopback() => Err(Problem::new(
            ProblemKind::Invalid,
            "dev.listen",
            format!("`{address}` can be reached from other machines"),
            "whoever opens this app is signed in without being asked who they are",
            "listen on `127.0.0.1`, or show it to others with `bailiwick deploy --env staging`",
        )),
        Some(address) => TcpListener::bind(address).await.map_err(|error| cannot_listen(&error)),
        None => match TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| cannot_listen(&error)),
        },
    }
}

fn cannot_listen(error: &std::io::Error) -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "listen.failed",
        "the app cannot be served at this address",
        error.to_string(),
        "stop what holds the port, or choose another with `--listen 127.0.0.1:7172`",
    )
}

fn no_folder(folder: &Path) -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "dev.folder",
        format!("`{}` is not a folder", folder.display()),
        "`dev` runs the app whose files are in a folder",
        "go to the app's folder, or begin one with `bailiwick new NAME`",
    )
}

fn no_room() -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "dev.temporary",
        "there is no place for what is thrown away afterwards",
        "the folder for temporary files cannot be written, or not be cleared",
        "make room there, or set `TMPDIR` to a folder of yours",
    )
}

fn no_cache(code: &Path) -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "dev.cache",
        format!("`{}` cannot keep compiled code", code.display()),
        "the folder must be yours, and writable by you alone",
        format!("remove `{}`", code.display()),
    )
}
