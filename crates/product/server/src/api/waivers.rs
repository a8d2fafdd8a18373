//! Waivers: listed, agreed to, ended before their day.

use crate::{
    Bailiwick,
    api::apps::Why,
    reply::{Params, Part, Refusal, Reply, ok},
    who::Asked,
};
use authority::BreakGlass;
use axum::extract::{Path, State};
use catalog::{ListWaivers, WaiverView, WaiverWish};
use model::{Group, Problem, ProblemKind, WaiverId};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Name of an app.
    app: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct Wish {
    /// Name of an app.
    pub(crate) app: String,
    /// Whose the app will be, while nothing of that name was deployed.
    #[serde(default)]
    pub(crate) team: Option<String>,
    /// The rule, as a refusal names it: `policy.retention`.
    pub(crate) code: String,
    /// The last day, `2026-12-01`.
    pub(crate) until: String,
    #[serde(default)]
    pub(crate) why: String,
    #[serde(default)]
    pub(crate) break_glass: bool,
}

/// Which waivers there are
#[utoipa::path(get, path = "/api/v1/waivers", params(Which), responses((status = 200, description = "waivers, newest first", body = Object)))]
pub(crate) async fn list(State(server): State<Arc<Bailiwick>>, Params(which): Params<Which>, asked: Asked) -> Reply {
    let permit = server.allowed(&asked, ListWaivers { tenant: server.tenant.clone() }).await?;
    let waivers = server.catalog.waivers(permit, which.app.as_deref())?;
    let part = Part { limit: which.limit, after: which.after };
    let (mut waivers, next) = part.of(waivers, |waiver| waiver.id.to_string())?;
    server.catalog.worded(&mut waivers).await?;
    ok(json!({ "waivers": waivers, "next": next }))
}

/// Agree to an exception to one rule for one app
#[utoipa::path(post, path = "/api/v1/waivers", request_body = Wish, responses((status = 200, description = "the waiver", body = Object)))]
pub(crate) async fn grant(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    ok(server.grant_waiver(&asked, asked.json()?).await?)
}

/// End a waiver before its day
#[utoipa::path(post, path = "/api/v1/waivers/{id}/end", request_body = Why, responses((status = 200, description = "the waiver", body = Object)))]
pub(crate) async fn end(State(server): State<Arc<Bailiwick>>, Path(id): Path<String>, asked: Asked) -> Reply {
    let Why { why } = asked.json()?;
    ok(server.end_waiver(&asked, &WaiverId::new(id), &why).await?)
}

impl Bailiwick {
    pub(crate) async fn grant_waiver(&self, asked: &Asked, wish: Wish) -> Result<WaiverView, Refusal> {
        let until = super::roles::end_of(&wish.until).ok_or_else(|| Refusal(not_a_day(&wish.until)))?;
        let wish = WaiverWish {
            app: wish.app,
            team: wish.team.map(Group::new),
            code: wish.code,
            until,
            why: wish.why,
            break_glass: if wish.break_glass { BreakGlass::Yes } else { BreakGlass::No },
        };
        let granted = self.store.again(|| async {
            let act = self.catalog.plan_waiver(wish.clone()).await?;
            let permit = self.permit(&asked.caller, act).await?;
            self.catalog.grant_waiver(permit).await
        });
        Ok(granted.await?)
    }

    pub(crate) async fn end_waiver(&self, asked: &Asked, id: &WaiverId, why: &str) -> Result<WaiverView, Refusal> {
        let act = self.catalog.plan_end_waiver(id, why)?;
        let ended = self.store.again(|| async {
            let permit = self.permit(&asked.caller, act.clone()).await?;
            self.catalog.end_waiver(permit).await
        });
        Ok(ended.await?)
    }
}

fn not_a_day(day: &str) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "waiver.day",
        format!("`{day}` is not a day"),
        "a waiver holds until the end of a day, by UTC",
        "write it as `2026-12-01`",
    )
}
