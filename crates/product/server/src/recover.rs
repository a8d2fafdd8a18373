//! Recovering: this node's database does not continue what the node has seen of the record, so nothing that it says is
//! trusted with authority until an operator has said why.
//!
//! Until then apps are off, sessions and links are void, no job runs; status, the record and the act that ends it are
//! all that is answered. That act makes it last: every app revoked under credentials that nothing of before has, every
//! session, link and approval void, both heads in its event.

use crate::{
    Bailiwick,
    page::Trouble,
    reply::{Refusal, Reply, ok},
    who::Asked,
};
use authority::{Act, Permit, Rule, Target, rules};
use axum::{body::Body, extract::State, response::IntoResponse};
use http::{Request, Response};
use model::{EventId, Problem, ProblemKind, TenantId};
use serde::Serialize;
use serde_json::json;
use std::{
    error::Error as StdError,
    sync::{Arc, PoisonError, RwLock},
};
use store::{Behind, StoreError};

/// What is answered meanwhile: whether it lives, who asks, the record, and the act that ends it.
const ANSWERED: &[&str] = &[
    "/healthz",
    "/readyz",
    "/style.css",
    "/api/v1/whoami",
    "/api/v1/openapi.json",
    "/api/v1/export",
    "/api/v1/recover",
];
const ANSWERED_UNDER: &[&str] = &["/log/", "/api/v1/events"];

/// Accept the database as it is.
#[derive(Debug, Clone)]
struct Recover {
    tenant: TenantId,
}

impl Act for Recover {
    const RULE: &'static Rule = &rules::PLATFORM_RECOVER;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("log/{}", self.tenant))
    }
}

/// What is in doubt, while it is.
#[derive(Debug, Default)]
pub(crate) struct Doubt {
    now: RwLock<Option<Arc<Doubted>>>,
}

#[derive(Debug)]
struct Doubted {
    behind: Vec<Behind>,
    /// Names the hold over authority's facts.
    hold: EventId,
}

/// What `recover` prints.
#[derive(Debug, Serialize)]
struct Recovered {
    event: EventId,
    logs: Vec<Behind>,
    /// Environments that were open; each is restored by itself.
    environments: usize,
}

impl Doubt {
    fn now(&self) -> Option<Arc<Doubted>> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, doubted: Option<Arc<Doubted>>) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = doubted;
    }
}

impl Bailiwick {
    /// Whether the database is in doubt: nothing serves until a person has accepted it.
    #[must_use]
    pub fn is_recovering(&self) -> bool {
        self.doubt.now().is_some()
    }

    /// What whoever meets it is told meanwhile.
    pub(crate) fn recovery(&self) -> Option<Problem> {
        self.doubt.now().map(|doubted| recovering(&doubted.behind))
    }

    /// Compares what this node has seen of the record with the database; at start, and when the feed went backwards.
    pub(crate) async fn doubt(&self) -> Result<(), Problem> {
        if self.is_recovering() {
            return Ok(());
        }
        let behind = self.store.behind().await.map_err(|error| error.problem())?;
        if behind.is_empty() {
            return Ok(());
        }
        for behind in &behind {
            tracing::error!("recovering, since the database does not continue what this machine has seen. {behind}");
        }
        let hold = EventId::generate();
        self.doubt.set(Some(Arc::new(Doubted { behind: behind.clone(), hold: hold.clone() })));
        self.identity.void_in_memory();
        self.catalog.void_in_memory(&hold).await;
        self.trials.end_all();
        self.store.begin_recovering(&behind).await;
        Ok(())
    }

    /// The answer to whatever is not answered meanwhile.
    pub(crate) fn held_back(&self, request: &Request<Body>, place: Place) -> Option<Response<Body>> {
        let recovering = self.recovery()?;
        let path = request.uri().path();
        let answered = ANSWERED.contains(&path) || ANSWERED_UNDER.iter().any(|under| path.starts_with(under));
        match place {
            Place::Control if answered => None,
            Place::Control if path.starts_with("/api/") => Some(Refusal(recovering).into_response()),
            Place::Control | Place::Apps => Some(Trouble(recovering).into_response()),
        }
    }

    async fn accept(&self, permit: Permit<Recover>, why: &str) -> Result<Recovered, Problem> {
        let Some(doubted) = self.doubt.now() else { return Err(not_recovering()) };
        let failed = |error: &(dyn StdError + 'static)| {
            tracing::error!(error, "the database could not be accepted");
            error.downcast_ref::<StoreError>().map_or_else(Problem::internal, StoreError::problem)
        };
        let (_, mut tx) = self.store.write(permit).await.map_err(|error| error.problem())?;
        tx.accept(&doubted.behind).await.map_err(|error| failed(&error))?;
        self.identity.void_rows(&mut tx).await.map_err(|error| Problem::from(&error))?;
        let environments = self.catalog.void_rows(&mut tx).await.map_err(|error| Problem::from(&error))?;
        let detail = json!({ "logs": doubted.behind, "environments": environments });
        let done = tx.commit(detail, Some(why)).await.map_err(|error| error.problem())?;
        // From here on it is accepted: whatever fails below, the next start knows.
        self.load_all().await?;
        self.authority.release(&doubted.hold, done.epoch);
        self.replace_facts().await?;
        self.doubt.set(None);
        self.store.end_recovering(&doubted.behind).await;
        Ok(Recovered { event: done.event, logs: doubted.behind.clone(), environments })
    }
}

/// Whose host a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Control,
    Apps,
}

/// Accept a database that does not continue the record, and say why
#[utoipa::path(post, path = "/api/v1/recover", request_body = crate::api::Why, responses((status = 200, description = "both heads, and what was switched off", body = Object)))]
pub(crate) async fn recover(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let crate::api::Why { why } = asked.json()?;
    if why.trim().is_empty() {
        return Err(Refusal(no_reason()));
    }
    let permit = server.allowed(&asked, Recover { tenant: server.tenant.clone() }).await?;
    ok(server.accept(permit, why.trim()).await.map_err(Refusal)?)
}

/// A machine that had seen nothing doubts a backup alone.
fn recovering(behind: &[Behind]) -> Problem {
    let filled = behind.iter().all(|behind| behind.restored && behind.kept.is_none());
    let why = if filled {
        "its database was filled from a backup, which knows nothing of what was switched off after it was made"
    } else {
        "its database does not continue what this machine has seen of the record: an older copy was put back, or the record was changed"
    };
    Problem::new(
        ProblemKind::Unavailable,
        "platform.recovering",
        "this server is recovering, and everything is switched off",
        why,
        "an operator says why, on the server's machine: `bailiwick recover --why …`; then look whether people, secrets and apps are those that should be there",
    )
}

fn not_recovering() -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "platform.not_recovering",
        "there is nothing to recover from",
        "the database continues what this machine has seen of the record",
        "`bailiwick doctor` says how the server is",
    )
}

fn no_reason() -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "why.missing",
        "a reason is missing",
        "the record keeps why a database was accepted that does not continue it",
        "say it with `--why \"…\"`",
    )
}
