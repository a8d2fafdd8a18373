//! `up`: opens everything, serves until it is told to stop, and says what a person needs to know meanwhile.

use crate::{
    Bailiwick, Config, Overrides, Settings,
    assembly::Running,
    demo,
    examine::serving,
    settings::{self, place},
};
use authority::{Caller, Who};
use gateway::Scheme;
use identity::AddPerson;
use model::{Clock, Group, Problem, ProblemKind, SystemClock};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sandbox::Compiler;
use serde_json::json;
use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use store::CarriedClock;
use tokio::net::TcpListener;

/// The first operator; they may be anyone, so the link alone says it.
const FIRST_OPERATOR: &str = "operator@localhost";

/// What the command line said.
#[derive(Debug, Clone)]
pub struct UpOptions {
    pub data: PathBuf,
    pub config: Option<PathBuf>,
    pub overrides: Overrides,
    pub demo: Demo,
    pub compiler: Compiler,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demo {
    Yes,
    No,
}

/// What is said while it starts.
#[derive(Debug, Clone)]
pub enum Said {
    /// It serves. On first start with a link for the first operator.
    Ready { url: String, link: Option<String> },
    /// A line of talk.
    Line(String),
}

/// Serves until Ctrl-C or SIGTERM, then drains.
///
/// # Errors
/// Every mistake of the configuration; whatever keeps the server from starting.
pub async fn run(options: UpOptions, say: &(dyn Fn(Said) + Send + Sync)) -> Result<(), Vec<Problem>> {
    no_core();
    open_files();
    // Another provider may have been installed by whoever embeds us; it is as good.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    // Before anything is made: a second server in the same place leaves no trace.
    let (_, config) = Settings::configuration(&options.data, options.config.as_deref(), &options.overrides)?;
    let spoken = if config.tls.is_some() { Scheme::Https } else { Scheme::Http };
    let listener = bind(config.listen, spoken).await.map_err(|problem| vec![problem])?;
    settings::not_lost(&options.data, &config).map_err(|problem| vec![problem])?;
    let mut settings = Settings::read(options.data.clone(), options.config.as_deref(), &options.overrides)?;
    let chat = match options.demo {
        Demo::Yes => Some(demo::Chat::start().await.map_err(|problem| vec![problem])?),
        Demo::No => None,
    };
    settings.compiler = options.compiler;
    if let Some(chat) = &chat {
        chat.allow(&mut settings.config).map_err(|problem| vec![problem])?;
    }
    let redirect = match settings.config.redirect {
        Some(address) => Some(bind(address, Scheme::Http).await.map_err(|problem| vec![problem])?),
        None => None,
    };
    // What anyone sets the machine's clock to from here on changes nothing.
    let clock: Arc<dyn Clock> = Arc::new(CarriedClock::from_wall(Arc::new(SystemClock)));
    let (server, running) = Bailiwick::start(settings, clock).await.map_err(|problem| vec![problem])?;
    let link = server.first_link().await.map_err(|problem| vec![problem])?;
    server.announce(&options.data);
    say(Said::Ready { url: server.url().to_owned(), link });
    if let Some(problem) = server.recovery() {
        say_problem(say, &problem);
    }
    if let Some(problem) = server.clock_problem() {
        say_problem(say, &problem);
    }
    let showing = async {
        if let Some(chat) = chat.as_ref().filter(|_| !server.is_recovering()) {
            demo::show(&server, chat, say).await;
        }
        std::future::pending::<()>().await;
    };
    let sending_on = async {
        match redirect {
            Some(listener) => server.send_on(listener, std::future::pending()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = server.listen(listener, told_to_stop()) => {}
        () = sending_on => {}
        () = showing => {}
    }
    server.leave(&options.data, running).await;
    Ok(())
}

fn say_problem(say: &(dyn Fn(Said) + Send + Sync), Problem { what, why, fix, .. }: &Problem) {
    say(Said::Line(format!("{what}: {why}; {fix}")));
}

/// Each connection is an open file, and shells give a process a thousand: takes as many as it may.
pub fn open_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "this process may hold few files open: many connections will be refused");
    }
}

/// What memory holds as a process crashes is the root key and every secret that is open. One byte is too little for a
/// file, and the only limit by which Linux does not hand it to a program either, where one takes what is left of crashes
/// (`fs/coredump.c`): by 0 it would.
fn no_core() {
    let to = |least| setrlimit(Resource::Core, Rlimit { current: Some(least), maximum: Some(least) });
    // Whoever may lift a limit has 1 also where no process begins with more than 0.
    if to(1).is_err() && getrlimit(Resource::Core).maximum == Some(0) {
        tracing::warn!(
            "where a program takes what is left of crashes, it would be given what this process holds, the root key too: let the process begin with a core limit of 1 or more"
        );
    }
}

async fn bind(address: SocketAddr, spoken: Scheme) -> Result<TcpListener, Problem> {
    let error = match TcpListener::bind(address).await {
        Ok(listener) => return Ok(listener),
        Err(error) => error,
    };
    let held = error.kind() == io::ErrorKind::AddrInUse;
    if held && serving(address, spoken).await.is_some() {
        return Err(Problem::new(
            ProblemKind::Unavailable,
            "listen.failed",
            format!("Bailiwick runs here already: it answers at `{address}`"),
            "an address is served by one process",
            "use the one that runs, or stop it first",
        ));
    }
    let why = if held { "another program listens there".to_owned() } else { error.kind().to_string() };
    Err(Problem::new(
        ProblemKind::Unavailable,
        "listen.failed",
        format!("nothing can be served at `{address}`"),
        why,
        "stop what holds the port, or choose another with `--listen 127.0.0.1:7071`",
    ))
}

/// Ctrl-C or SIGTERM.
pub(crate) async fn told_to_stop() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _interrupted = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

impl Bailiwick {
    /// The system's user that runs the server, as the caller `machine`.
    pub(crate) fn as_machine(&self) -> Caller {
        Caller::new(self.tenant.clone(), Who::Machine { system_user: "up".into() })
    }

    /// On the first start: a one-time link for the first operator.
    async fn first_link(&self) -> Result<Option<String>, Problem> {
        if self.identity.has_people() || self.is_recovering() {
            return Ok(None);
        }
        let groups: BTreeSet<Group> = ["operators", "builders"].into_iter().map(Group::new).collect();
        self.invite(FIRST_OPERATOR, groups).await.map(Some)
    }

    /// Adds a person as `machine`, and gives their link.
    pub(crate) async fn invite(&self, email: &str, groups: BTreeSet<Group>) -> Result<String, Problem> {
        let caller = self.as_machine();
        let act = AddPerson { tenant: self.tenant.clone(), email: email.to_owned(), groups };
        let added = self
            .store
            .again(|| async {
                let permit = self.permit(&caller, act.clone()).await?;
                self.identity.add(permit).await
            })
            .await
            .map_err(|error: identity::Error| Problem::from(&error))?;
        Ok(added.link)
    }

    /// Tells clients on this machine where the server is.
    fn announce(&self, data: &Path) {
        let config = std::path::absolute(&self.config_file).ok().filter(|file| file.exists());
        let Config { public_url, listen, tls, .. } = &self.config;
        let about = json!({ "url": public_url, "listen": listen, "tls": tls.is_some(), "config": config });
        if let Err(error) = std::fs::write(data.join(place::SERVER), about.to_string()) {
            tracing::warn!(%error, "clients on this machine will not find the server by themselves");
        }
    }

    async fn leave(self: Arc<Self>, data: &Path, running: Running) {
        let _gone = std::fs::remove_file(data.join(place::SERVER));
        running.stop().await;
    }
}
