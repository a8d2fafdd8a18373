//! Deploy: an archive comes in; a live release, a request, or findings go out.

use crate::{
    Bailiwick,
    reply::{Params, Reply, with},
    telemetry,
    who::Asked,
};
use authority::Caller;
use axum::{extract::State, http::StatusCode};
use bytes::Bytes;
use catalog::{CheckDocument, Deployed, Error, Status, Upload};
use model::{Env, Problem, ProblemKind};
use serde::Deserialize;
use std::sync::Arc;
use tracing::Instrument;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
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
pub(crate) async fn deploy(State(server): State<Arc<Bailiwick>>, Params(into): Params<Into>, asked: Asked) -> Reply {
    let env = into.env.unwrap_or(Env::Prod);
    match server.deploy(&asked.caller, asked.body.clone(), env).await {
        Ok(deployed) => document(deployed),
        Err(error) => {
            let problem = Problem::from(&error);
            let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            with(status, refused(env, vec![], problem))
        }
    }
}

pub(crate) fn document(deployed: Deployed) -> Reply {
    let status = match deployed.status {
        Status::Live => StatusCode::OK,
        Status::Waiting => StatusCode::ACCEPTED,
        Status::Refused => StatusCode::UNPROCESSABLE_ENTITY,
    };
    with(status, deployed)
}

impl Bailiwick {
    /// The ordinary path of every deploy, the demo's included.
    pub(crate) async fn deploy(&self, caller: &Caller, archive: Bytes, env: Env) -> Result<Deployed, Error> {
        let unpacked = tokio::task::spawn_blocking(|| Upload::new(archive).and_then(Upload::unpack)).await;
        let unpacked = unpacked.map_err(|_| Problem::internal())??;
        // Whoever may not deploy this has none of it run: module code runs in the gates.
        if let Some(manifest) = unpacked.manifest(self.clock.now()) {
            let act = self.catalog.plan(&manifest, &unpacked.digest().to_string(), env)?;
            let _may = self.permit(caller, act).await?;
        }
        let checked = match catalog::check(unpacked, &self.sandbox, self.clock.now()).await {
            Ok(checked) => Arc::new(checked),
            Err(document) => {
                let CheckDocument { tier, findings, .. } = *document;
                return Ok(Deployed { tier, ..refused(env, findings, blocked()) });
            }
        };
        let content = self.catalog.keep(&checked).await?;
        self.store
            .again(|| async {
                let digest = checked.unpacked().digest().to_string();
                let act = self.catalog.plan(checked.manifest(), &digest, env)?;
                let permit = self.permit(caller, act).await?;
                let app = permit.act().app.id.clone();
                let span = tracing::info_span!(target: telemetry::TARGET, "deploy", app = app.as_str());
                self.catalog.deploy(permit, &checked, &content).instrument(span).await
            })
            .await
    }
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
