//! Stand-ins for the rooms that keep sessions and carry what leaves.

use async_trait::async_trait;
use authority::{AppRef, Caller, Factor, Instance, Origin, Who};
use futures_util::FutureExt as _;
use gateway::{Doors, Gateway, Line, Log, Opened, Redeemed, SignIns, SignedIn, Unremembered};
use model::{PersonId, Problem, ProblemKind, SessionId, TenantId, Timestamp};
use sandbox::{Body, Door, DoorError, LogLine, Report, Sending};
use seal::TokenHash;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Cookies and tokens that name people, and codes that were made for a binding.
#[derive(Default)]
pub(crate) struct FakeSignIns {
    pub(crate) people: Mutex<HashMap<String, SignedIn>>,
    /// Cookies that are in memory; of the others `people` is the database.
    pub(crate) remembered: Mutex<HashSet<String>>,
    /// How often the database was asked.
    pub(crate) reads: AtomicUsize,
    pub(crate) codes: Mutex<HashMap<String, String>>,
    /// Sessions that have ended.
    pub(crate) ended: Mutex<HashSet<SessionId>>,
}

pub(crate) fn far() -> Timestamp {
    "2027-01-01T00:00:00Z".parse().unwrap()
}

pub(crate) fn person(id: &str, factor: Factor) -> SignedIn {
    let who = Who::Person {
        id: PersonId::new(id),
        session: SessionId::new(format!("s-{id}")),
        factor,
        single_sign_on: false,
    };
    SignedIn { caller: Caller::new(TenantId::main(), who), expires_at: far() }
}

#[async_trait]
impl SignIns for FakeSignIns {
    fn remembered(&self, cookie: &str, _app: &AppRef) -> Result<Option<SignedIn>, Unremembered> {
        let known = self.remembered.lock().unwrap().contains(cookie);
        known.then(|| self.people.lock().unwrap().get(cookie).cloned()).ok_or(Unremembered)
    }

    async fn session(&self, cookie: &str, app: &AppRef) -> Option<SignedIn> {
        if let Ok(known) = self.remembered(cookie, app) {
            return known;
        }
        self.reads.fetch_add(1, Ordering::SeqCst);
        let found = self.people.lock().unwrap().get(cookie).cloned();
        if found.is_some() {
            self.remembered.lock().unwrap().insert(cookie.to_owned());
        }
        found
    }

    fn goes_on(&self, session: &SessionId) -> bool {
        !self.ended.lock().unwrap().contains(session)
    }

    fn bearer(&self, token: &str, _app: &AppRef) -> Result<SignedIn, Box<Problem>> {
        let known = self.people.lock().unwrap().get(token).cloned();
        known.ok_or_else(|| {
            Box::new(Problem::new(
                ProblemKind::Unauthenticated,
                "token.void",
                "this token is void",
                "it is old",
                "get another",
            ))
        })
    }

    async fn redeem(
        &self,
        _app: &AppRef,
        code: &str,
        binding: &str,
        _device: Option<&str>,
        _origin: Origin,
    ) -> Result<Redeemed, Problem> {
        let made_for = self.codes.lock().unwrap().remove(code);
        if made_for.as_deref() != Some(TokenHash::of(binding).to_string().as_str()) {
            return Err(Problem::new(
                ProblemKind::Gone,
                "code.void",
                "this sign-in did not finish",
                "it was spent",
                "open the link again",
            ));
        }
        Ok(Redeemed { cookie: "ana-cookie".to_owned(), return_to: "/echo?x=1".to_owned(), expires_at: far() })
    }

    async fn sign_out(&self, cookie: &str, _app: &AppRef, _origin: Origin) -> Result<(), Problem> {
        self.people.lock().unwrap().remove(cookie);
        Ok(())
    }
}

/// Doors that lead nowhere but to the app's own files; remembers for whom they were opened.
#[derive(Default)]
pub(crate) struct FakeDoors {
    pub(crate) gateway: OnceLock<Weak<Gateway>>,
    pub(crate) opened: Mutex<Vec<Instance>>,
    count: AtomicUsize,
    pub(crate) reports: Arc<Mutex<Vec<Report>>>,
}

impl FakeDoors {
    pub(crate) fn opened_count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

struct FakeDoor {
    gateway: Weak<Gateway>,
    app: AppRef,
    reports: Arc<Mutex<Vec<Report>>>,
}

/// What the collections answer while their database does not.
fn unavailable() -> http::Response<Body> {
    http::Response::builder().status(503).body(sandbox::full("later")).unwrap()
}

impl Doors for FakeDoors {
    fn open(&self, instance: Instance, secrets: &[String]) -> Opened {
        let placeholders: BTreeMap<_, _> =
            secrets.iter().map(|name| (name.clone(), format!("placeholder-{name}"))).collect();
        let app = instance.app.clone();
        self.opened.lock().unwrap().push(instance);
        self.count.fetch_add(1, Ordering::SeqCst);
        let gateway = self.gateway.get().cloned().unwrap_or_default();
        Opened { door: Arc::new(FakeDoor { gateway, app, reports: Arc::clone(&self.reports) }), placeholders }
    }
}

impl Door for FakeDoor {
    fn send(&self, request: http::Request<Body>) -> Sending {
        let (gateway, app) = (self.gateway.upgrade(), self.app.clone());
        async move {
            let (head, _) = request.into_parts();
            match gateway.filter(|_| head.uri.host() == Some("assets.bailiwick")) {
                Some(gateway) => {
                    let (head, body) = gateway.asset(&app, &head).await.into_parts();
                    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                    Ok(http::Response::from_parts(head, sandbox::full(bytes)))
                }
                None if head.uri.host() == Some("data.bailiwick") => Ok(unavailable()),
                None => Err(DoorError::Denied),
            }
        }
        .boxed()
    }

    fn log(&self, _line: LogLine) {
        panic!("lines go to the log that the gateway was given");
    }

    fn ended(&self, report: Report) {
        self.reports.lock().unwrap().push(report);
    }
}

/// Keeps the lines of apps.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Mutex<Vec<Line>>);

impl Log for Lines {
    fn line(&self, line: Line) {
        self.0.lock().unwrap().push(line);
    }
}
