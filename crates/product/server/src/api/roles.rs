//! Roles for a time: asked for, given by someone else, refused.

use crate::{
    Bailiwick,
    reply::{Refusal, Reply, ok},
    who::Asked,
};
use axum::extract::{Path, State};
use identity::{AskRole, GrantRole, ListPeople, RefuseRole, RoleRequest};
use model::{Group, Problem, ProblemKind, RequestId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Wish {
    role: String,
    /// The last day, `2026-12-01`.
    until: String,
    #[serde(default)]
    why: String,
}

/// A request with the address of whoever asks, where the directory still knows it.
#[derive(Debug, Serialize)]
struct Named {
    #[serde(flatten)]
    request: RoleRequest,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

impl Bailiwick {
    fn with_user(&self, request: RoleRequest) -> Named {
        let user = self.identity.person(&request.person).map(|person| person.email.clone());
        Named { request, user }
    }

    /// Asks for a role until the end of a day.
    pub(crate) async fn ask_role(
        &self,
        asked: &Asked,
        role: &str,
        until: &str,
        why: &str,
    ) -> Result<RoleRequest, Refusal> {
        let until = end_of(until).ok_or_else(|| Refusal(not_a_day(until)))?;
        let act = AskRole { tenant: self.tenant.clone(), role: Group::new(role), until, why: why.to_owned() };
        let request = self.store.again(|| async {
            let permit = self.permit(&asked.caller, act.clone()).await?;
            self.identity.ask_role(permit).await
        });
        Ok(request.await?)
    }

    /// Gives a role that was asked for.
    pub(crate) async fn grant_role(&self, asked: &Asked, id: &RequestId) -> Result<RoleRequest, Refusal> {
        let request = self.identity.role_request(id).await?;
        let act = GrantRole { tenant: self.tenant.clone(), request: id.clone(), person: request.person };
        let granted = self.store.again(|| async {
            let permit = self.permit(&asked.caller, act.clone()).await?;
            self.identity.grant_role(permit).await
        });
        Ok(granted.await?)
    }

    /// Refuses it.
    pub(crate) async fn refuse_role(&self, asked: &Asked, id: &RequestId) -> Result<(), Refusal> {
        let person = self.identity.role_request(id).await?.person;
        let act = RefuseRole { tenant: self.tenant.clone(), request: id.clone(), person };
        let refused = self.store.again(|| async {
            let permit = self.permit(&asked.caller, act.clone()).await?;
            self.identity.refuse_role(permit).await
        });
        Ok(refused.await?)
    }
}

/// The first moment after a day, by UTC; of what is a day.
pub(super) fn end_of(day: &str) -> Option<Timestamp> {
    let next = day.trim().parse::<jiff::civil::Date>().ok()?.tomorrow().ok()?;
    Some(Timestamp::from(next.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()))
}

fn not_a_day(day: &str) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "role.day",
        format!("`{day}` is not a day"),
        "a role is given until the end of a day, by UTC",
        "write it as `2026-12-01`",
    )
}

/// Roles that wait for an operator
#[utoipa::path(get, path = "/api/v1/roles", responses((status = 200, description = "what was asked for", body = Object)))]
pub(crate) async fn list(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let permit = server.allowed(&asked, ListPeople { tenant: server.tenant.clone() }).await?;
    let asked = server.identity.roles_asked(permit).await?;
    ok(json!({ "roles": asked.into_iter().map(|request| server.with_user(request)).collect::<Vec<_>>() }))
}

/// Ask for a role until a day
#[utoipa::path(post, path = "/api/v1/roles", request_body = Wish, responses((status = 200, description = "the request", body = Object)))]
pub(crate) async fn ask(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let Wish { role, until, why } = asked.json()?;
    ok(server.with_user(server.ask_role(&asked, &role, &until, &why).await?))
}

/// Give a role that was asked for
#[utoipa::path(post, path = "/api/v1/roles/{id}/grant", responses((status = 200, description = "given", body = Object)))]
pub(crate) async fn grant(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, asked: Asked) -> Reply {
    ok(server.with_user(server.grant_role(&asked, &RequestId::new(id)).await?))
}

/// Refuse it
#[utoipa::path(post, path = "/api/v1/roles/{id}/refuse", responses((status = 200, description = "refused", body = Object)))]
pub(crate) async fn refuse(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, asked: Asked) -> Reply {
    let id = RequestId::new(id);
    server.refuse_role(&asked, &id).await?;
    ok(json!({ "request": id, "state": "refused" }))
}
