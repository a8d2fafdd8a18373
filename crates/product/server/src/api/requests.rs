//! Requests: what waits for a person, and the person's decision.

use crate::{
    Bailiwick,
    api::apps::Why,
    pages::Viewer,
    reply::{PART_DEFAULT, PART_MAX, Params, Reply, ok},
    who::Asked,
};
use authority::{BreakGlass, rules};
use axum::extract::{Path, State};
use catalog::{Deployed, Error, ListRequests, RequestView};
use model::RequestId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    state: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Yes {
    #[serde(default)]
    why: String,
    #[serde(default)]
    break_glass: bool,
}

/// A request with the addresses of whoever asks and of whoever decided, where the directory still knows them.
#[derive(Debug, Serialize)]
struct Named {
    #[serde(flatten)]
    request: RequestView,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by_user: Option<String>,
}

fn may_see(viewer: Option<&Viewer>, request: &RequestView) -> bool {
    viewer.is_some_and(|viewer| viewer.may(&rules::APP_SEE, Some(&request.team)))
}

/// What waits for a person
#[utoipa::path(get, path = "/api/v1/requests", params(Which), responses((status = 200, description = "requests, newest first; `findings` is empty for whoever may not see the app, whatever was found", body = Object)))]
pub(crate) async fn list(State(server): State<Arc<Bailiwick>>, Params(which): Params<Which>, asked: Asked) -> Reply {
    let act = ListRequests { tenant: server.tenant.clone() };
    let permit = server.allowed(&asked, act).await?;
    let state = which.state.as_deref().unwrap_or("waiting");
    let after = which.after.map(RequestId::new);
    let limit = which.limit.unwrap_or(PART_DEFAULT).clamp(1, PART_MAX);
    // One more than is shown says whether there are others.
    let mut requests = server.catalog.requests_page(permit, state, None, after.as_ref(), limit + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = requests.len() > limit;
    requests.truncate(limit);
    let next = requests.last().filter(|_| more).map(|request| request.request.clone());
    let viewer = asked.session.as_ref().map(|session| server.viewer_in(session));
    for request in &mut requests {
        // The machine sees all; what was found in its files is for those who may see the app, as on its page.
        if viewer.as_ref().is_none_or(|viewer| may_see(viewer.as_ref(), request)) {
            server.catalog.tell_waivers(&mut request.findings).await?;
        } else {
            request.findings.clear();
        }
    }
    let named = |request: RequestView| {
        let person = request.requester.as_ref().and_then(|id| server.identity.person(id));
        let decided_by_user = request.decided_by.as_deref().and_then(|by| server.named(by));
        Named { user: person.map(|person| person.email.clone()), decided_by_user, request }
    };
    let requests: Vec<Named> = requests.into_iter().map(named).collect();
    ok(json!({ "requests": requests, "next": next }))
}

/// Say yes
#[utoipa::path(post, path = "/api/v1/requests/{id}/approve", request_body = Yes, responses((status = 200, description = "as deploy", body = Object)))]
pub(crate) async fn approve(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, asked: Asked) -> Reply {
    let Yes { why, break_glass } = asked.json()?;
    let break_glass = if break_glass { BreakGlass::Yes } else { BreakGlass::No };
    super::deploy::document(server.approve(&asked, &RequestId::new(id), break_glass, &why).await?)
}

/// Send it back, with words
#[utoipa::path(post, path = "/api/v1/requests/{id}/reject", request_body = Why, responses((status = 200, description = "sent back", body = Object)))]
pub(crate) async fn reject(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, asked: Asked) -> Reply {
    let Why { why } = asked.json()?;
    let id = RequestId::new(id);
    server.reject(&asked, &id, &why).await?;
    ok(json!({ "request": id, "state": "rejected" }))
}

impl Bailiwick {
    pub(crate) async fn approve(
        &self,
        asked: &Asked,
        id: &RequestId,
        break_glass: BreakGlass,
        why: &str,
    ) -> Result<Deployed, Error> {
        self.store
            .again(|| async {
                let act = self.catalog.plan_approve(id, break_glass, why).await?;
                let permit = self.permit(&asked.caller, act).await?;
                self.catalog.approve(permit).await
            })
            .await
    }

    pub(crate) async fn reject(&self, asked: &Asked, id: &RequestId, why: &str) -> Result<(), Error> {
        let act = self.catalog.plan_reject(id, why).await?;
        self.store
            .again(|| async {
                let permit = self.permit(&asked.caller, act.clone()).await?;
                self.catalog.reject(permit).await
            })
            .await
    }
}
