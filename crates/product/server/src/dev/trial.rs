//! Trying a draft from the console: the app in a throw-away Bailiwick within this process, as `dev` runs it, at a host of
//! its own for a quarter of an hour.
//!
//! Nothing of it is the platform's: it has a database, keys, people and a record of its own in a folder that goes with it,
//! and everything that it calls ends at a stand-in on loopback. Refuses everybody but who began it, what another site
//! sends, and more drafts at once than one machine should run.

use super::{
    DevOptions, Happened, Say,
    bench::Bench,
    host::{self, Serving},
    settings,
};
use crate::{Bailiwick, assembly::Running, settings::Within, stand_in::StandIn};
use authority::{Act, AppRef, Permit, Rule, Target, rules};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header},
    response::IntoResponse,
};
use catalog::Unpacked;
use futures_util::future::BoxFuture;
use model::{Group, PersonId, Problem, ProblemKind, TenantId, Timestamp};
use seal::{Token, TokenHash};
use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use store::Outcome;
use tempfile::TempDir;

/// Long enough to look at a change, short enough that nobody takes it for the app.
const LIFE: Duration = Duration::from_secs(15 * 60);
/// Each is a whole server: a few hundred files open, some tens of MiB.
const AT_ONCE_MAX: usize = 4;
/// As long as a redirect takes.
const CODE_LIFE: Duration = Duration::from_secs(60);
/// What is kept of what happens.
const HEARD_MAX: usize = 200;
/// Where the console sends whoever opens it.
const ENTER: &str = "/.bailiwick/enter";
/// Nothing listens there: requests come in process.
const WITHIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7171);
const LABEL_BYTES: usize = 10;

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

/// Drafts that are tried now, by the first label of their host.
#[derive(Default)]
pub(crate) struct Trials(Mutex<BTreeMap<String, Arc<Trial>>>);

impl Trials {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Trial>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one of that label, for whoever began it.
    pub(crate) fn of(&self, label: &str, person: &PersonId) -> Option<Arc<Trial>> {
        self.all().get(label).filter(|trial| trial.person == *person).cloned()
    }

    /// Ends it; what still runs of it comes to its end.
    pub(crate) fn end(&self, label: &str) {
        if let Some(trial) = self.all().remove(label) {
            trial.end();
        }
    }

    /// Makes room: nobody tries two things at once.
    fn make_room(&self, person: &PersonId) -> Result<(), Problem> {
        let mut all = self.all();
        let own: Vec<String> =
            all.iter().filter(|(_, trial)| trial.person == *person).map(|(label, _)| label.clone()).collect();
        own.iter().filter_map(|label| all.remove(label)).for_each(|trial| trial.end());
        if all.len() >= AT_ONCE_MAX {
            return Err(Problem::new(
                ProblemKind::Limited,
                "try.too_many",
                "others are trying drafts at this moment",
                format!("this server runs {AT_ONCE_MAX} at once, each for a quarter of an hour"),
                "wait some minutes, or try it on your own machine with `bailiwick dev`",
            ));
        }
        Ok(())
    }
}

/// One draft that runs.
pub(crate) struct Trial {
    pub(crate) label: String,
    pub(crate) app: String,
    pub(crate) until: Timestamp,
    person: PersonId,
    bench: Arc<Bench>,
    /// With which requests go on: the made-up person's, good within this draft alone.
    bearer: HeaderValue,
    code: Mutex<Option<(TokenHash, Timestamp)>>,
    session: Mutex<Option<TokenHash>>,
    heard: Heard,
    running: Mutex<Option<(Running, TempDir)>>,
}

type Heard = Arc<Mutex<VecDeque<Happened>>>;

impl Bailiwick {
    /// Runs the files until somebody ends it, or its time is over. That it began is on the record first.
    ///
    /// # Errors
    /// Too many at once; files that do not run.
    pub(crate) async fn begin_trial(
        self: &Arc<Self>,
        permit: Permit<TryApp>,
        (person, email): (&PersonId, &str),
        unpacked: &Unpacked,
    ) -> Result<Arc<Trial>, Problem> {
        let name = unpacked.manifest(self.clock.now()).ok_or_else(not_ready)?.app.name;
        let detail = serde_json::json!({ "digest": unpacked.digest().to_string() });
        self.store.record(permit, Outcome::Allowed, detail).await.map_err(|error| error.problem())?;
        self.trials.make_room(person)?;
        let place = tempfile::tempdir().map_err(|_| no_place())?;
        let folder = place.path().join("app");
        write(&folder, unpacked).map_err(|_| no_place())?;
        let heard = Heard::default();
        let (bench, running) = self.assemble(&place, folder, email, &heard).await?;
        bench.save().await;
        if bench.app.load().is_none() {
            running.stop().await;
            return Err(refused(&heard));
        }
        let bearer = HeaderValue::try_from(format!("Bearer {}", bench.token(&name).await?));
        let random = seal::random_bytes::<LABEL_BYTES>();
        let label = random.iter().fold(format!("{name}--"), |label, byte| format!("{label}{byte:02x}"));
        let trial = Arc::new(Trial {
            label: label.clone(),
            app: name,
            until: self.clock.now().plus(LIFE),
            person: person.clone(),
            bench,
            bearer: bearer.map_err(|_| Problem::internal())?,
            code: Mutex::default(),
            session: Mutex::default(),
            heard,
            running: Mutex::new(Some((running, place))),
        });
        self.trials.all().insert(label.clone(), Arc::clone(&trial));
        let server = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(LIFE).await;
            if let Some(server) = server.upgrade() {
                server.trials.end(&label);
            }
        });
        Ok(trial)
    }

    /// The throw-away server: everything its own, but for the sandbox that runs instances anyway.
    async fn assemble(
        &self,
        place: &TempDir,
        folder: std::path::PathBuf,
        email: &str,
        heard: &Heard,
    ) -> Result<(Arc<Bench>, Running), Problem> {
        let kept = Arc::clone(heard);
        let say: Say = Arc::new(move |happened| keep(&kept, happened));
        let serving = Serving::default();
        let stand_in = StandIn::start(host::router(&serving, &say)).await?;
        let settings = settings(place.path(), WITHIN, &stand_in, None);
        let mut settings = settings.map_err(|mut problems| problems.pop().unwrap_or_else(Problem::internal))?;
        settings.sandbox = Within(Some(Arc::clone(&self.sandbox)));
        let data = settings.data.clone();
        let (server, running) = Self::start(settings, Arc::clone(&self.clock)).await?;
        let told = Arc::clone(&say);
        server.app_log.tell(Box::new(move |line| told(super::printed(line))));
        let options = DevOptions { folder, listen: None, email: email.to_owned(), groups: vec![], code: None };
        Ok((Bench::new(server, stand_in, serving, &data, &options, say)?, running))
    }

    /// The draft whose host the request names.
    pub(crate) fn tried(&self, request: &Request<Body>) -> Option<Arc<Trial>> {
        let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host = request.uri().authority().map(axum::http::uri::Authority::as_str).or(named)?.to_ascii_lowercase();
        let label = host.strip_suffix(self.config.apps_domain.as_str())?.strip_suffix('.')?;
        self.trials.all().get(label).cloned()
    }

    /// Where it is opened, with a code that is good once.
    pub(crate) fn enter_trial(&self, trial: &Trial) -> String {
        let code = Token::generate();
        *lock(&trial.code) = Some((code.hash(), self.clock.now().plus(CODE_LIFE)));
        format!("{}{ENTER}?code={}", self.trial_url(trial), code.expose())
    }

    pub(crate) fn trial_url(&self, trial: &Trial) -> String {
        format!("{}://{}.{}", self.config.scheme().as_str(), trial.label, self.config.apps_domain)
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
        let (now, url) = (self.clock.now(), self.trial_url(&trial));
        Box::pin(async move {
            if request.uri().path() == ENTER {
                return trial.enter(request.uri(), cookie, now);
            }
            if !trial.is_in(request.headers(), cookie) {
                return plain(
                    StatusCode::FORBIDDEN,
                    "This draft is somebody else's. Whoever tries it opens it from the console.\n",
                );
            }
            if !from_itself(request.method(), request.headers(), &url) {
                return plain(StatusCode::FORBIDDEN, "Another site sent this. Nothing was changed.\n");
            }
            trial.pass(request, peer, cookie).await
        })
    }
}

impl Trial {
    /// What happened in it, the newest first.
    pub(crate) fn heard(&self) -> Vec<Happened> {
        lock(&self.heard).iter().rev().cloned().collect()
    }

    fn end(&self) {
        if let Some((running, place)) = lock(&self.running).take() {
            tokio::spawn(async move {
                running.stop().await;
                // Said here, since what fails to be removed would stay behind unseen.
                if let Err(error) = place.close() {
                    tracing::warn!(%error, "a draft's folder was not removed");
                }
            });
        }
    }

    /// A code becomes a session of this host; it is spent whatever comes of it.
    fn enter(&self, uri: &Uri, cookie: &str, now: Timestamp) -> Response<Body> {
        let given = uri.query().and_then(|query| query.strip_prefix("code=")).unwrap_or_default();
        let known = lock(&self.code).take().filter(|(code, until)| *code == TokenHash::of(given) && now < *until);
        if known.is_none() {
            return plain(
                StatusCode::FORBIDDEN,
                "This link was used, or is too old. Open the draft from the console again.\n",
            );
        }
        let session = Token::generate();
        *lock(&self.session) = Some(session.hash());
        let secure = if cookie.starts_with("__Host-") { "; Secure" } else { "" };
        let value = format!("{cookie}={}; Path=/; HttpOnly; SameSite=Lax{secure}", session.expose());
        let headers = [
            (header::LOCATION, "/".to_owned()),
            (header::SET_COOKIE, value),
            (header::CACHE_CONTROL, "no-store".to_owned()),
            (header::REFERRER_POLICY, "no-referrer".to_owned()),
        ];
        (StatusCode::SEE_OTHER, headers).into_response()
    }

    fn is_in(&self, headers: &HeaderMap, cookie: &str) -> bool {
        let given = cookies(headers).find_map(|(name, value)| (name == cookie).then(|| TokenHash::of(value)));
        given.is_some_and(|given| lock(&self.session).as_ref() == Some(&given))
    }

    /// On to the app, as the made-up person.
    async fn pass(&self, request: Request<Body>, peer: SocketAddr, cookie: &str) -> Response<Body> {
        let begun = Instant::now();
        let (mut head, body) = request.into_parts();
        let (method, path) = (head.method.to_string(), head.uri.path().to_owned());
        head.uri = head.uri.path_and_query().and_then(|path| path.as_str().parse().ok()).unwrap_or_default();
        let own = format!("{}.localhost:{}", self.app, WITHIN.port());
        let kept: Vec<String> = cookies(&head.headers)
            .filter(|(name, _)| *name != cookie)
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        head.headers.remove(header::COOKIE);
        head.headers.remove(header::ORIGIN);
        for (name, value) in [(header::COOKIE, kept.join("; ")), (header::HOST, own.clone())] {
            if let Some(value) = HeaderValue::try_from(value).ok().filter(|value| !value.is_empty()) {
                head.headers.insert(name, value);
            }
        }
        head.headers.insert(header::AUTHORIZATION, self.bearer.clone());
        let mut response = self.bench.pass(Request::from_parts(head, body), peer).await;
        let inside = format!("http://{own}");
        let away = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
        let away = away.and_then(|to| to.strip_prefix(&inside)).map(HeaderValue::from_str);
        if let Some(Ok(to)) = away {
            response.headers_mut().insert(header::LOCATION, to);
        }
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        keep(&self.heard, Happened::Request { method, path, status: response.status().as_u16(), ms });
        response
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep(heard: &Mutex<VecDeque<Happened>>, happened: Happened) {
    let mut heard = lock(heard);
    heard.push_back(happened);
    if heard.len() > HEARD_MAX {
        heard.pop_front();
    }
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// Nothing rests on `SameSite`: a cookie and an unsafe method need the browser's word for where they come from.
fn from_itself(method: &Method, headers: &HeaderMap, url: &str) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    match text("sec-fetch-site") {
        _ if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) => true,
        Some(site) => matches!(site, "same-origin" | "none"),
        None => text("origin") == Some(url),
    }
}

fn plain(status: StatusCode, words: &'static str) -> Response<Body> {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, words).into_response()
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

fn refused(heard: &Heard) -> Problem {
    let last = lock(heard).iter().rev().find_map(|happened| {
        let Happened::Refused { findings, problem } = happened else { return None };
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

fn not_ready() -> Problem {
    Problem::new(
        ProblemKind::Unprocessable,
        "try.not_ready",
        "these files cannot be tried yet",
        "their manifest has problems",
        "mend what blocks, then try them again",
    )
}

fn no_place() -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "try.no_place",
        "there is no place for a draft",
        "the folder for temporary files cannot be written",
        "tell an operator, or try it on your own machine with `bailiwick dev`",
    )
}
