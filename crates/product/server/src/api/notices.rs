//! Notices: what was sent to whom, warnings that are taken on, and a test.

use crate::{
    Bailiwick,
    reply::{Params, Refusal, Reply, ok},
    who::Asked,
};
use axum::extract::{Path, State};
use serde_json::json;
use std::sync::Arc;
use watch::{AckNotice, ListNotices, Notices, SeeNotice, TestNotices, Tested, Warning, WhichNotices};

/// What was sent to whom, newest first, and warnings that nobody has taken on
#[utoipa::path(get, path = "/api/v1/notices", params(WhichNotices), responses((status = 200, description = "deliveries and open warnings", body = Object)))]
pub(crate) async fn list(
    State(server): State<Arc<Bailiwick>>,
    Params(which): Params<WhichNotices>,
    asked: Asked,
) -> Reply {
    ok(server.sent_notices(&asked, &which).await?)
}

/// Take on what one was warned of, so that nobody else is asked
#[utoipa::path(post, path = "/api/v1/notices/{event}/ack", responses((status = 200, description = "the warning, taken on", body = Object)))]
pub(crate) async fn ack(State(server): State<Arc<Bailiwick>>, Path(event): Path<String>, asked: Asked) -> Reply {
    ok(server.take_on(&asked, &event).await?)
}

/// Send oneself a notice by every way that there is
#[utoipa::path(post, path = "/api/v1/notices/test", responses((status = 200, description = "how each went", body = Object)))]
pub(crate) async fn test(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    ok(json!({ "tested": server.test_notices(&asked).await? }))
}

impl Bailiwick {
    /// A page of the log, newest first.
    pub(crate) async fn sent_notices(&self, asked: &Asked, which: &WhichNotices) -> Result<Notices, Refusal> {
        let permit = self.allowed(asked, ListNotices::log(self.tenant.clone())).await?;
        Ok(self.watch.sent_notices(permit, which).await?)
    }

    /// One warning, for those who were told of it or could be.
    pub(crate) async fn see_warning(&self, asked: &Asked, event: &str) -> Result<Warning, Refusal> {
        let permit = self.allowed(asked, SeeNotice::of(self.tenant.clone(), event)?).await?;
        Ok(self.watch.see_warning(permit).await?)
    }

    /// Takes a warning on; one that somebody has taken on stays theirs.
    pub(crate) async fn take_on(&self, asked: &Asked, event: &str) -> Result<Warning, Refusal> {
        let warning = self.see_warning(asked, event).await?;
        if warning.acked_at.is_some() {
            return Ok(warning);
        }
        let act = AckNotice { tenant: self.tenant.clone(), warning };
        let taken: Result<Warning, watch::Error> = self
            .store
            .again(|| async {
                let permit = self.permit(&asked.caller, act.clone()).await?;
                self.watch.take_on(permit).await
            })
            .await;
        Ok(taken?)
    }

    /// Sends one to whoever asks; says how each went.
    pub(crate) async fn test_notices(&self, asked: &Asked) -> Result<Vec<Tested>, Refusal> {
        let permit = self.allowed(asked, TestNotices::test(self.tenant.clone())).await?;
        Ok(self.watch.test_notices(permit).await?)
    }
}
