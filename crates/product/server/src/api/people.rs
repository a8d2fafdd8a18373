//! People and their groups.

use crate::{
    Bailiwick, Links,
    reply::{Params, Part, Refusal, Reply, ok},
    who::Asked,
};
use axum::extract::State;
use identity::{AddPerson, ChangeGroups, DisablePerson, ListPeople};
use model::{Group, PersonId, Problem, ProblemKind};
use serde::Deserialize;
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};
use store::Recorded;
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewPerson {
    email: String,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    groups: BTreeSet<Group>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Moves {
    email: String,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    join: BTreeSet<Group>,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    leave: BTreeSet<Group>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Named {
    email: String,
}

/// Everyone, newest first, and how many are in each group
#[utoipa::path(get, path = "/api/v1/people", params(Part), responses((status = 200, description = "people", body = Object)))]
pub(crate) async fn list(State(server): State<Arc<Bailiwick>>, Params(part): Params<Part>, asked: Asked) -> Reply {
    let act = ListPeople { tenant: server.tenant.clone() };
    let permit = server.allowed(&asked, act).await?;
    let mut people = server.identity.list(permit)?;
    people.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.email.cmp(&b.email)));
    let (people, next) = part.of(people, |person| person.email.clone())?;
    ok(json!({ "people": people, "groups": server.identity.group_sizes(), "next": next }))
}

/// Add someone, and make their one-time link
#[utoipa::path(post, path = "/api/v1/people", request_body = NewPerson, responses((status = 200, description = "the person and the link", body = Object)))]
pub(crate) async fn add(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let NewPerson { email, groups } = asked.json()?;
    if server.config.links == Links::Off {
        return Err(Refusal(links_off()));
    }
    let act = AddPerson { tenant: server.tenant.clone(), email, groups };
    let added = server
        .store
        .again(|| async {
            let permit = server.permit(&asked.caller, act.clone()).await?;
            server.identity.add(permit).await
        })
        .await?;
    ok(added)
}

/// Join and leave groups
#[utoipa::path(post, path = "/api/v1/people/groups", request_body = Moves, responses((status = 200, description = "the person", body = Object)))]
pub(crate) async fn groups(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let Moves { email, join, leave } = asked.json()?;
    let person = id(&server, &email)?;
    let act = ChangeGroups { tenant: server.tenant.clone(), person, join, leave };
    let person = server
        .store
        .again(|| async {
            let permit = server.permit(&asked.caller, act.clone()).await?;
            server.identity.change_groups(permit).await
        })
        .await?;
    ok(json!({ "person": person }))
}

/// Switch an account off, and end its sessions everywhere
#[utoipa::path(post, path = "/api/v1/people/disable", request_body = Named, responses((status = 200, description = "the person", body = Object)))]
pub(crate) async fn disable(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let Named { email } = asked.json()?;
    let act = DisablePerson { tenant: server.tenant.clone(), person: id(&server, &email)? };
    let permit = server.allowed(&asked, act).await?;
    let done = server.identity.disable(permit).await?;
    ok(json!({ "person": done.person, "event": done.event, "recorded": done.recorded == Recorded::InDatabase }))
}

fn id(server: &Bailiwick, email: &str) -> Result<PersonId, Refusal> {
    let person = server.identity.person_by_email(email).ok_or_else(|| {
        let what = "there is nobody with that address";
        let fix = "`bailiwick people list` shows who there is";
        Refusal(Problem::new(ProblemKind::NotFound, "person.unknown", what, "nobody of it was added here", fix))
    })?;
    Ok(person.id.clone())
}

fn links_off() -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "links.off",
        "one-time links are switched off",
        "`[sign_in] links = false` in the configuration: people sign in by single sign-on",
        "add the person at your sign-in provider, or switch links on",
    )
}
