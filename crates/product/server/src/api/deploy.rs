//! Deploy: an archive comes in; a live release, a request, or findings go out.

use crate::{
    Bailiwick,
    reply::{Params, Refusal, Reply, with},
    sending::Sending,
    telemetry,
    turns::Turn,
};
use authority::Caller;
use axum::{extract::State, http::StatusCode};
use bytes::Bytes;
use catalog::{CheckDocument, Checked, Deployed, Error, Status, Unpacked, Upload};
use model::{Env, Manifest, Problem, ProblemKind};
use serde::Deserialize;
use std::sync::Arc;
use tracing::Instrument;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Into {
    #[param(value_type = Option<String>)]
    env: Option<Env>,
}

/// Pack, gates, decision, approval, live
#[utoipa::path(
    post,
    path = "/api/v1/deploy",
    params(Into),
    request_body(content = Vec<u8>, content_type = "application/zstd", description = "a tar archive, compressed with zstd"),
    responses(
        (status = 200, description = "live", body = Object),
        (status = 202, description = "waits for a person", body = Object),
        (status = 422, description = "refused, with findings", body = Object),
    )
)]
pub(crate) async fn deploy(
    State(server): State<Arc<Bailiwick>>,
    Params(into): Params<Into>,
    sending: Result<Sending, Refusal>,
) -> Reply {
    let env = into.env.unwrap_or(Env::Prod);
    let deployed = match sending {
        Ok(sending) => server.deployed(&sending.asked.caller, sending.asked.body.clone(), env).await,
        // Nobody's, as at every other address.
        Err(Refusal(problem)) if problem.kind == ProblemKind::Unauthenticated => return Err(Refusal(problem)),
        Err(Refusal(problem)) => refused(env, vec![], problem),
    };
    document(deployed)
}

/// The status says what the document says: a refusal's is its problem's.
pub(crate) fn document(deployed: Deployed) -> Reply {
    let status = match (deployed.status, &deployed.problem) {
        (Status::Live, _) => StatusCode::OK,
        (Status::Waiting, _) => StatusCode::ACCEPTED,
        (Status::Refused | Status::Expired, Some(problem)) => {
            StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
        (Status::Refused | Status::Expired, None) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    with(status, deployed)
}

impl Bailiwick {
    /// The ordinary path of every deploy, the demo's included.
    pub(crate) async fn deploy(&self, caller: &Caller, archive: Bytes, env: Env) -> Result<Deployed, Error> {
        let turn = self.turns.at_the_gates(caller).await?;
        let unpacked = unpacked(&turn, archive).await?;
        self.released(caller, &turn, unpacked, env).await
    }

    /// The same as a document, a refusal too: app and address are in it as soon as the manifest's name can be read.
    async fn deployed(&self, caller: &Caller, archive: Bytes, env: Env) -> Deployed {
        let at_the_gates = async {
            let turn = self.turns.at_the_gates(caller).await?;
            let unpacked = unpacked(&turn, archive).await?;
            Ok((turn, unpacked))
        };
        let (turn, unpacked) = match at_the_gates.await {
            Ok(at_the_gates) => at_the_gates,
            Err(problem) => return refused(env, vec![], problem),
        };
        let name = unpacked.name();
        let done = self.released(caller, &turn, unpacked, env).await;
        let mut deployed = done.unwrap_or_else(|error| refused(env, vec![], Problem::from(&error)));
        if let (Status::Refused, Some(name)) = (deployed.status, name) {
            deployed.url = Some(self.catalog.url(&name, env));
            // Nobody comes here who is not signed in, and everyone who is sees which apps there are.
            deployed.app_id = self.catalog.find(&name).ok().map(|(id, _)| id);
            deployed.app = Some(name);
        }
        deployed
    }

    /// Files that were unpacked, also those of a page.
    pub(crate) async fn released(
        &self,
        caller: &Caller,
        turn: &Turn,
        unpacked: Unpacked,
        env: Env,
    ) -> Result<Deployed, Error> {
        let digest = self.may_deploy(caller, turn, &unpacked, env).await?.digest;
        let checked = match self.checked(caller, turn, unpacked).await? {
            Ok(checked) => Arc::new(checked),
            Err(document) => {
                let CheckDocument { tier, mut findings, .. } = *document;
                self.catalog.tell_waivers(&mut findings).await?;
                return Ok(Deployed { tier, ..refused(env, findings, blocked()) });
            }
        };
        let content = self.catalog.keep(&checked).await?;
        self.store
            .again(|| async {
                let act = self.catalog.plan(caller.person(), checked.manifest(), &digest, env)?;
                let permit = self.permit(caller, act).await?;
                let app = permit.act().app.id.clone();
                let span = tracing::info_span!(target: telemetry::TARGET, "deploy", app = app.as_str());
                self.catalog.deploy(permit, &checked, &content).instrument(span).await
            })
            .await
    }

    /// Whoever may not deploy this has none of it run: module code runs in the gates.
    pub(crate) async fn may_deploy(
        &self,
        caller: &Caller,
        turn: &Turn,
        unpacked: &Unpacked,
        env: Env,
    ) -> Result<Named, Error> {
        let (unpacked, now) = (unpacked.clone(), self.clock.now());
        let named = move || (unpacked.manifest(now), unpacked.digest().to_string());
        let (manifest, digest) = turn.work(named).await?;
        let mut waived = Vec::new();
        if let Some(manifest) = &manifest {
            let act = self.catalog.plan(caller.person(), manifest, &digest, env)?;
            waived = catalog::held_off(self.permit(caller, act).await?.held_off());
        }
        Ok(Named { manifest, digest, waived })
    }

    /// Every gate, with the waivers that count for whoever asks.
    pub(crate) async fn checked(
        &self,
        caller: &Caller,
        turn: &Turn,
        unpacked: Unpacked,
    ) -> Result<Result<Checked, Box<CheckDocument>>, Problem> {
        let (sandbox, now) = (Arc::clone(&self.sandbox), self.clock.now());
        let waivers = self.catalog.waivers_for(caller.person());
        turn.run(async move { catalog::check(unpacked, &sandbox, &waivers, now).await }).await
    }
}

/// What files say of themselves before they are checked.
pub(crate) struct Named {
    /// When there is one without problems.
    pub(crate) manifest: Option<Manifest>,
    pub(crate) digest: String,
    /// What policy refuses of it, and a waiver holds off.
    pub(crate) waived: Vec<model::Finding>,
}

async fn unpacked(turn: &Turn, archive: Bytes) -> Result<Unpacked, Problem> {
    turn.work(|| Upload::new(archive).and_then(Upload::unpack)).await?
}

fn refused(env: Env, findings: Vec<model::Finding>, problem: Problem) -> Deployed {
    Deployed {
        app: None,
        app_id: None,
        env,
        release: None,
        digest: None,
        tier: None,
        status: Status::Refused,
        url: None,
        findings,
        request: None,
        event: None,
        approval: None,
        problem: Some(problem),
    }
}

fn blocked() -> Problem {
    Problem::new(
        ProblemKind::Unprocessable,
        "deploy.blocked",
        "a gate stopped the release",
        "the findings say what was seen, and where",
        "mend each finding that blocks, then deploy again; `bailiwick check` shows the same without deploying",
    )
}
