//! Trying a draft from the console: the app in a throw-away Bailiwick within this process, as `dev` runs it, at a host of
//! its own for a quarter of an hour.
//!
//! Nothing of it is the platform's: it has a database, keys, people and a record of its own in a folder that goes with it,
//! and everything that it calls ends at a stand-in on loopback. Refuses everybody but who began it, what another site
//! sends, more drafts at once than one machine should run, and to go on without whoever began it, or on a node that has
//! lost its lease: at each request, and each second, it is asked whether they are still here and still may.

mod draft;
mod left;
mod places;

pub(crate) use draft::Trial;
pub(crate) use places::Trials;

use super::{
    DevOptions, Say,
    bench::Bench,
    host::{self, Serving},
    settings,
};
use crate::{Bailiwick, assembly::Running, settings::Within, stand_in::StandIn, who::Asked};
use authority::{Act, AppRef, AppState, Caller, Permit, Rule, Target, Who, rules};
use axum::{
    body::Body,
    http::{HeaderValue, Request, Response, header},
};
use bytes::Bytes;
use catalog::{Ceiling, Unpacked};
use draft::{Heard, keep, refused};
use futures_util::future::BoxFuture;
use left::Left;
use model::{Env, Group, Manifest, PersonId, Problem, ProblemKind, TenantId, Tier};
use places::Place;
use std::{
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};
use store::Outcome;
use tempfile::TempDir;

/// Long enough to look at a change, short enough that nobody takes it for the app.
const LIFE: Duration = Duration::from_secs(15 * 60);
/// How soon it ends by itself after whoever began it may not try it any more; a request finds it ended at once.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Nothing listens there: requests come in process.
const WITHIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7171);
const LABEL_BYTES: usize = 10;
/// Below the data folder, so that no draft fills a disk that somebody else needs; nothing in it outlives its server.
const FOLDER: &str = "trials";
/// One person looks at a draft: what it asks for itself does not decide what this server gives it.
const CEILING: Ceiling = Ceiling { parallel: 4, storage_bytes: 8 << 20 };

/// Try files of an app that is there, or would be.
#[derive(Debug, Clone)]
pub(crate) struct TryApp {
    pub(crate) tenant: TenantId,
    pub(crate) app: Option<AppRef>,
    pub(crate) team: Group,
}

impl Act for TryApp {
    const RULE: &'static Rule = &rules::APP_TRY;
    fn target(&self) -> Target {
        match &self.app {
            Some(app) => Target::within(self.tenant.clone(), app, format!("app/{}", app.id)),
            None => Target::new(self.tenant.clone(), "app/new"),
        }
    }
    fn team(&self) -> Option<Group> {
        Some(self.team.clone())
    }
}

/// Files that are to be tried.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) unpacked: Unpacked,
    pub(crate) manifest: Manifest,
    pub(crate) digest: String,
    /// Their archive, when it is small enough to be kept.
    pub(crate) carried: Option<Bytes>,
    /// The one that was open.
    pub(crate) open: String,
}

/// What is to run, and where.
struct Begun {
    name: String,
    tier: Tier,
    email: String,
    caller: Caller,
    act: TryApp,
    place: Place,
    folder: TempDir,
    unpacked: Unpacked,
    carried: Option<Bytes>,
    open: String,
}

impl Bailiwick {
    /// Runs the files until somebody ends it, or its time is over. That it began is on the record first, and before that
    /// there is a place for it.
    ///
    /// # Errors
    /// An app that is switched off; too many at once; files that do not run.
    pub(crate) async fn begin_trial(
        self: &Arc<Self>,
        permit: Permit<TryApp>,
        email: &str,
        files: Files,
    ) -> Result<Arc<Trial>, Problem> {
        let Files { unpacked, manifest, digest, carried, open } = files;
        let (tier, name) = (manifest.tier(), manifest.app.name);
        let (caller, act) = (permit.caller().clone(), permit.act().clone());
        if self.is_switched_off(&act) {
            return Err(switched_off(&name));
        }
        let person = caller.person().ok_or_else(Problem::internal)?;
        let random = seal::random_bytes::<LABEL_BYTES>();
        let label = random.iter().fold(format!("{name}--"), |label, byte| format!("{label}{byte:02x}"));
        let place = self.trials.take(&label, person)?;
        place.turn().await?;
        let detail = serde_json::json!({ "digest": digest });
        self.store.record(permit, Outcome::Allowed, detail).await.map_err(|error| error.problem())?;
        let folder = self.trial_folder().map_err(|error| {
            tracing::error!(%error, "there is no folder for a draft");
            no_place()
        })?;
        let email = email.to_owned();
        let begun = Begun { name, tier, email, caller, act, place, folder, unpacked, carried, open };
        let server = Arc::clone(self);
        // In a task of its own: whoever presses twice leaves the first answer behind, and what began is stopped in order.
        let running = tokio::spawn(async move { server.run_trial(begun).await });
        running.await.map_err(|_| Problem::internal())?
    }

    /// A new one, which only the server's own user may look into.
    fn trial_folder(&self) -> std::io::Result<TempDir> {
        let folder = self.folder.join(FOLDER);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        tempfile::Builder::new().prefix("draft-").tempdir_in(folder)
    }

    /// What drafts of a process that ended left behind: at start, before any begins.
    pub(crate) fn sweep_trials(&self) {
        match std::fs::remove_dir_all(self.folder.join(FOLDER)) {
            Ok(()) => tracing::info!("drafts that an earlier process left behind were removed"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "what drafts left behind could not be removed"),
        }
    }

    async fn run_trial(self: Arc<Self>, begun: Begun) -> Result<Arc<Trial>, Problem> {
        let (app, unpacked) = (begun.folder.path().join("app"), begun.unpacked);
        let written = tokio::task::spawn_blocking(move || write(&app, &unpacked)).await;
        written.map_err(|_| Problem::internal())?.map_err(|_| no_place())?;
        let heard = Heard::default();
        let (bench, running) = self.assemble(&begun.folder, begun.email, &heard).await?;
        let served = async {
            // What it begins with passes the gates, as whatever is deployed.
            let _turn = self.turns.at_the_gates(&begun.caller).await?;
            serves(&begun.place, &bench, &begun.name, &heard).await
        };
        let bearer = match served.await {
            Ok(bearer) => bearer,
            Err(problem) => {
                running.stop().await;
                return Err(problem);
            }
        };
        let trial = Arc::new(Trial {
            url: format!("{}://{}.{}", self.config.scheme().as_str(), begun.place.label, self.config.apps_domain),
            label: begun.place.label.clone(),
            app: begun.name,
            until: self.clock.now().plus(LIFE),
            caller: begun.caller,
            act: begun.act,
            over: begun.place.over.clone(),
            bench,
            bearer,
            console: self.config.public_url.clone(),
            code: std::sync::Mutex::default(),
            session: std::sync::Mutex::default(),
            heard,
            tier: begun.tier,
            carried: begun.carried,
            open: begun.open,
        });
        begun.place.runs(Arc::clone(&trial));
        let ending = ends(Arc::downgrade(&self), Arc::clone(&trial), running, begun.folder, begun.place);
        tokio::spawn(ending);
        Ok(trial)
    }

    /// The throw-away server: everything its own, but for the sandbox that runs instances anyway.
    async fn assemble(&self, place: &TempDir, email: String, heard: &Heard) -> Result<(Arc<Bench>, Running), Problem> {
        let folder: PathBuf = place.path().join("app");
        let kept = Arc::clone(heard);
        let say: Say = Arc::new(move |happened| keep(&kept, happened));
        let serving = Serving::default();
        let stand_in = StandIn::start(host::router(&serving, &say)).await?;
        let settings = settings(place.path(), WITHIN, &stand_in, None);
        let mut settings = settings.map_err(|mut problems| problems.pop().unwrap_or_else(Problem::internal))?;
        settings.within = Within { sandbox: Some(Arc::clone(&self.sandbox)), ceiling: Some(CEILING) };
        let data = settings.data.clone();
        let (server, running) = Self::start(settings, Arc::clone(&self.clock)).await?;
        let told = Arc::clone(&say);
        server.app_log.tell(Box::new(move |line| told(super::printed(line))));
        let options = DevOptions { folder, listen: None, email, groups: vec![], code: None };
        match Bench::new(server, stand_in, serving, &data, &options, say) {
            Ok(bench) => Ok((bench, running)),
            Err(problem) => {
                running.stop().await;
                Err(problem)
            }
        }
    }

    /// Whether whoever began it is still here, and still may, as far as a node with a lease knows.
    fn goes_on(&self, trial: &Trial) -> bool {
        let Who::Person { session, .. } = &trial.caller.who else { return false };
        !self.is_recovering()
            && self.gateway.lease().holds()
            && self.clock.now() < trial.until
            && self.identity.goes_on(session)
            && !self.is_switched_off(&trial.act)
            && self.authority.decide(&trial.caller, trial.act.clone()).is_ok()
    }

    /// Nothing of an app that was cut runs, not even a draft.
    fn is_switched_off(&self, act: &TryApp) -> bool {
        let Some(app) = &act.app else { return false };
        let facts = self.authority.facts(&self.tenant);
        let off = |env| {
            let known = facts.apps.get(&(app.id.clone(), env));
            known.is_some_and(|app| matches!(app.state, AppState::Revoked | AppState::Retired))
        };
        [Env::Staging, Env::Prod].into_iter().any(off)
    }

    /// The draft at a label, unless it is over or should be: then it ends.
    fn trial_at(&self, label: &str) -> Option<Arc<Trial>> {
        let trial = self.trials.at(label)?;
        if self.goes_on(&trial) {
            return Some(trial);
        }
        trial.end();
        None
    }

    /// The same, for whoever began it.
    pub(crate) fn trial_of(&self, label: &str, person: &PersonId) -> Option<Arc<Trial>> {
        self.trial_at(label).filter(|trial| trial.caller.person() == Some(person))
    }

    /// What is left of a draft that is over, for whoever began it while they may still try it.
    pub(crate) fn left_of(&self, label: &str, asked: &Asked) -> Option<Arc<Left>> {
        let left = self.trials.left.of(label, asked.caller.person()?)?;
        let may = self.gateway.lease().holds() && self.authority.decide(&asked.caller, left.act.clone()).is_ok();
        may.then_some(left)
    }

    /// Whoever tried it wants its files no more.
    pub(crate) fn give_up(&self, label: &str, person: &PersonId) {
        self.trials.left.give_up(label, person);
    }

    /// The draft whose host the request names.
    pub(crate) fn tried(&self, request: &Request<Body>) -> Option<Arc<Trial>> {
        let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host = request.uri().authority().map(axum::http::uri::Authority::as_str).or(named)?.to_ascii_lowercase();
        let label = host.strip_suffix(self.config.apps_domain.as_str())?.strip_suffix('.')?;
        self.trial_at(label)
    }

    /// Where it is opened, with a code that is good once.
    pub(crate) fn enter_trial(&self, trial: &Trial, browser: Option<&str>) -> String {
        trial.entrance(browser, self.clock.now())
    }

    /// Answers a request at a draft's host.
    pub(crate) fn answer_trial(
        &self,
        trial: Arc<Trial>,
        request: Request<Body>,
        peer: SocketAddr,
    ) -> BoxFuture<'static, Response<Body>> {
        let cookie = match self.config.scheme() {
            gateway::Scheme::Https => "__Host-bailiwick-try",
            gateway::Scheme::Http => "bailiwick-try",
        };
        let now = self.clock.now();
        Box::pin(async move { trial.answer(request, peer, cookie, now).await })
    }
}

/// The files serve: with what requests go on.
async fn serves(place: &Place, bench: &Bench, name: &str, heard: &Heard) -> Result<HeaderValue, Problem> {
    place.wanted()?;
    bench.save().await;
    if bench.app.load().is_none() {
        return Err(refused(heard));
    }
    let bearer = HeaderValue::try_from(format!("Bearer {}", bench.token(name).await?));
    bearer.map_err(|_| Problem::internal())
}

/// Waits for its end, whoever brings it about, and takes away what there was of it. The place is free after that.
async fn ends(server: Weak<Bailiwick>, trial: Arc<Trial>, running: Running, folder: TempDir, place: Place) {
    let looking = async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if !server.upgrade().is_some_and(|server| server.goes_on(&trial)) {
                return;
            }
        }
    };
    tokio::select! {
        () = place.over.cancelled() => {}
        () = looking => {}
    }
    trial.end();
    drop(trial);
    running.stop().await;
    // Said here, since what fails to be removed would stay behind unseen.
    if let Err(error) = folder.close() {
        tracing::warn!(%error, "a draft's folder was not removed");
    }
    drop(place);
}

/// Names were judged when the files were unpacked: none leads out.
fn write(folder: &std::path::Path, unpacked: &Unpacked) -> std::io::Result<()> {
    for (path, bytes) in unpacked.files() {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        std::fs::write(path, bytes)?;
    }
    Ok(())
}

fn switched_off(name: &str) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "try.switched_off",
        format!("`{name}` was switched off"),
        "nothing of it runs until it is restored, not even a draft",
        format!("ask an operator to restore it: `bailiwick restore {name} --why …`"),
    )
}

fn no_place() -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "try.no_place",
        "there is no place for a draft",
        "its folder, `trials` in the data folder, cannot be written",
        "tell an operator, or try it on your own machine with `bailiwick dev`",
    )
}
