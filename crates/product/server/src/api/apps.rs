//! Apps: the catalog, one app, and its lifecycle.

use crate::{
    Bailiwick,
    app_log::{Page, ReadLog},
    reply::{PART_DEFAULT, PART_MAX, Params, Part, Refusal, Reply, ok, with},
    telemetry,
    who::Asked,
};
use authority::{AppRef, Held, Planned, Used};
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use catalog::{AppView, Error, ListApps, ReleaseView, SeeApp, SentBack, Status, WaiverView};
use identity::IssueToken;
use model::{Env, Problem, ReleaseNumber};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;
use tracing::Instrument;
use utoipa::{IntoParams, ToSchema};

/// A reason, for the record.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Why {
    #[serde(default)]
    pub(crate) why: String,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RollbackTo {
    to: Option<u32>,
    #[schema(value_type = Option<String>)]
    env: Option<Env>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct TokenFor {
    #[schema(value_type = Option<String>)]
    env: Option<Env>,
    seconds: Option<u64>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogsOf {
    #[param(value_type = Option<String>)]
    pub(super) env: Option<Env>,
    pub(super) after: Option<i64>,
    limit: Option<u32>,
}

/// One app, whole.
#[derive(Debug, Serialize)]
pub(crate) struct OneApp {
    pub(crate) app: AppView,
    /// What was asked, in plain words, by surface.
    pub(crate) may: Vec<Planned>,
    pub(crate) held: Vec<Held>,
    pub(crate) used: Vec<Used>,
    pub(crate) releases: Vec<ReleaseView>,
    /// What is waived for it, and was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) waivers: Vec<WaiverView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sent_back: Option<SentBack>,
}

/// The apps that the caller may know of
#[utoipa::path(get, path = "/api/v1/apps", params(Part), responses((status = 200, description = "the apps, newest first", body = Object)))]
pub(crate) async fn list(State(server): State<Arc<Bailiwick>>, Params(part): Params<Part>, asked: Asked) -> Reply {
    let (apps, next) = part.of(server.apps(&asked).await?, |app| app.app.clone())?;
    ok(json!({ "apps": apps, "next": next }))
}

impl Bailiwick {
    /// Those that the caller may see, whose team they are in, or that let them in.
    pub(crate) async fn apps(&self, asked: &Asked) -> Result<Vec<AppView>, Refusal> {
        let permit = self.allowed(asked, ListApps { tenant: self.tenant.clone() }).await?;
        let mut apps = self.catalog.list(permit)?;
        // Without a session it is the local credential, which may see every app.
        if let Some(session) = &asked.session {
            let viewer = self.viewer_in(session);
            apps.retain(|app| viewer.as_ref().is_some_and(|viewer| self.may_know_of(viewer, app)));
        }
        Ok(apps)
    }

    pub(crate) async fn app(&self, asked: &Asked, name: &str) -> Result<OneApp, Refusal> {
        let (app, team) = self.catalog.find(name)?;
        let act = SeeApp { tenant: self.tenant.clone(), app: app.clone(), team };
        let permit = self.allowed(asked, act).await?;
        let (view, manifest) = self.catalog.see(permit)?;
        let (mut may, mut held, mut used) = (Vec::new(), Vec::new(), Vec::new());
        for surface in self.catalog.surfaces() {
            if let Some(manifest) = &manifest {
                may.extend(surface.plan(manifest));
            }
            for deployment in &view.environments {
                let app = AppRef { id: app.clone(), env: deployment.env };
                held.extend(surface.held(&app).await.map_err(Error::from)?);
                used.extend(surface.used(&app).await.map_err(Error::from)?);
            }
        }
        let releases = self.catalog.releases(&app).await?;
        let waivers = self.catalog.waivers_of(name).await?;
        let sent_back = self.catalog.sent_back(&view).await?;
        Ok(OneApp { app: view, may, held, used, releases, waivers, sent_back })
    }

    /// Switches an app off, and waits until every node has said so.
    pub(crate) async fn switch_off(&self, asked: &Asked, name: &str, why: &str) -> Result<catalog::Receipt, Error> {
        let (receipt, told) = self.cut(asked, name, why).await?;
        Ok(told.await.unwrap_or(receipt))
    }

    /// The same, for whoever can look at the receipt again: other nodes are waited for meanwhile.
    pub(crate) async fn switch_off_here(
        &self,
        asked: &Asked,
        name: &str,
        why: &str,
    ) -> Result<catalog::Receipt, Error> {
        Ok(self.cut(asked, name, why).await?.0)
    }

    /// The receipt of the cut, and the one of when other nodes have said so. If this process ends before they have, it is
    /// due.
    async fn cut(
        &self,
        asked: &Asked,
        name: &str,
        why: &str,
    ) -> Result<(catalog::Receipt, oneshot::Receiver<catalog::Receipt>), Error> {
        let act = self.catalog.plan_revoke(name, why)?;
        let permit = self.permit(&asked.caller, act).await?;
        let span = tracing::info_span!(target: telemetry::TARGET, "revoke", app = permit.act().app.as_str());
        let catalog = Arc::clone(&self.catalog);
        let ((tell_cut, cut), (tell_done, done)) = (oneshot::channel(), oneshot::channel());
        // Whoever asked may hang up: what was begun is ended, with its receipt, and nobody need hear of it.
        let cutting = async move {
            let receipt = catalog.revoke(permit).await;
            let begun = receipt.as_ref().ok().cloned();
            drop(tell_cut.send(receipt));
            if let Some(begun) = begun {
                drop(tell_done.send(catalog.told(begun).await));
            }
        };
        tokio::spawn(cutting.instrument(span));
        Ok((cut.await.map_err(|_| Error::Refused(Problem::internal()))??, done))
    }

    pub(crate) async fn restore(&self, asked: &Asked, name: &str, why: &str) -> Result<catalog::Restored, Error> {
        self.store
            .again(|| async {
                let act = self.catalog.plan_restore(asked.caller.person(), name, why).await?;
                let permit = self.permit(&asked.caller, act).await?;
                self.catalog.restore(permit).await
            })
            .await
    }

    pub(crate) async fn retire(&self, asked: &Asked, name: &str) -> Result<catalog::Retired, Error> {
        let act = self.catalog.plan_retire(name)?;
        self.store
            .again(|| async {
                let permit = self.permit(&asked.caller, act.clone()).await?;
                self.catalog.retire(permit).await
            })
            .await
    }

    pub(crate) async fn roll_back(
        &self,
        asked: &Asked,
        name: &str,
        env: Env,
        to: Option<ReleaseNumber>,
    ) -> Result<catalog::Deployed, Error> {
        self.store
            .again(|| async {
                let act = self.catalog.plan_rollback(asked.caller.person(), name, env, to).await?;
                let permit = self.permit(&asked.caller, act).await?;
                self.catalog.rollback(permit).await
            })
            .await
    }
}

/// One app: what it may touch, what it holds, what it used
#[utoipa::path(get, path = "/api/v1/apps/{name}", responses((status = 200, description = "the app", body = Object)))]
pub(crate) async fn see(State(server): State<Arc<Bailiwick>>, Path(name): Path<String>, asked: Asked) -> Reply {
    ok(server.app(&asked, &name).await?)
}

/// Switch an app off, everywhere, at once
#[utoipa::path(post, path = "/api/v1/apps/{name}/revoke", request_body = Why, responses((status = 200, description = "the receipt", body = Object)))]
pub(crate) async fn revoke(State(server): State<Arc<Bailiwick>>, Path(name): Path<String>, asked: Asked) -> Reply {
    let Why { why } = asked.json()?;
    ok(server.switch_off(&asked, &name, &why).await?)
}

/// Let a switched-off app serve again, with new credentials
#[utoipa::path(post, path = "/api/v1/apps/{name}/restore", request_body = Why, responses((status = 200, description = "what serves again", body = Object), (status = 202, description = "something waits for a person", body = Object)))]
pub(crate) async fn restore(State(server): State<Arc<Bailiwick>>, Path(name): Path<String>, asked: Asked) -> Reply {
    let Why { why } = asked.json()?;
    let restored = server.restore(&asked, &name, &why).await?;
    let status = if restored.status == Status::Waiting { StatusCode::ACCEPTED } else { StatusCode::OK };
    with(status, restored)
}

/// End an app for good
#[utoipa::path(post, path = "/api/v1/apps/{name}/retire", responses((status = 200, description = "the certificate", body = Object)))]
pub(crate) async fn retire(State(server): State<Arc<Bailiwick>>, Path(name): Path<String>, asked: Asked) -> Reply {
    ok(server.retire(&asked, &name).await?)
}

/// Serve an earlier release again
#[utoipa::path(post, path = "/api/v1/apps/{name}/rollback", request_body = RollbackTo, responses((status = 200, description = "as deploy", body = Object)))]
pub(crate) async fn rollback(State(server): State<Arc<Bailiwick>>, Path(name): Path<String>, asked: Asked) -> Reply {
    let RollbackTo { to, env } = asked.json()?;
    super::deploy::document(server.roll_back(&asked, &name, env.unwrap_or(Env::Prod), to.map(ReleaseNumber)).await?)
}

/// A short-lived token with which the caller may call the app
#[utoipa::path(post, path = "/api/v1/apps/{name}/token", request_body = TokenFor, responses((status = 200, description = "the token", body = Object)))]
pub(crate) async fn token(State(server): State<Arc<Bailiwick>>, Path(name): Path<String>, asked: Asked) -> Reply {
    let TokenFor { env, seconds } = asked.json()?;
    let (id, _) = server.catalog.find(&name)?;
    let app = AppRef { id, env: env.unwrap_or(Env::Prod) };
    let act = IssueToken { tenant: server.tenant.clone(), app, life: seconds.map(Duration::from_secs) };
    let permit = server.allowed(&asked, act).await?;
    let Some(session) = &asked.session else { return Err(Refusal(super::whoami::sign_in_first())) };
    ok(server.identity.issue(permit, session).await?)
}

/// What the app printed, and what was refused to it
#[utoipa::path(get, path = "/api/v1/apps/{name}/logs", params(LogsOf), responses((status = 200, description = "lines, newest first; `next` leads to those before", body = Object)))]
pub(crate) async fn logs(
    State(server): State<Arc<Bailiwick>>,
    Path(name): Path<String>,
    Params(of): Params<LogsOf>,
    asked: Asked,
) -> Reply {
    let (id, team) = server.catalog.find(&name)?;
    let app = AppRef { id, env: of.env.unwrap_or(Env::Prod) };
    let act = ReadLog { tenant: server.tenant.clone(), app, team };
    let limit = of.limit.unwrap_or(PART_DEFAULT).clamp(1, PART_MAX);
    let read = server.recorded(&asked, act, |permit| server.app_log.page(permit, of.after, limit));
    let Page { lines, more } = read.await?;
    let next = lines.last().filter(|_| more).map(|line| line.seq);
    ok(json!({ "lines": lines, "next": next }))
}
