//! People and their groups.

use crate::{
    Bailiwick,
    reply::{Params, Part, Refusal, Reply, ok},
    who::Asked,
};
use authority::Act;
use axum::extract::State;
use identity::{AddPerson, Added, ChangeGroups, DisablePerson, Disabled, Error, Links, ListPeople, Person};
use model::{Group, PersonId, Problem, ProblemKind};
use serde::Deserialize;
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};
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
    ok(server.add_person(&asked, email, groups).await?)
}

/// Join and leave groups
#[utoipa::path(post, path = "/api/v1/people/groups", request_body = Moves, responses((status = 200, description = "the person", body = Object)))]
pub(crate) async fn groups(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let Moves { email, join, leave } = asked.json()?;
    let act = |person| ChangeGroups { tenant: server.tenant.clone(), person, join: join.clone(), leave: leave.clone() };
    let person = server.whom(&asked, &email, act).await?;
    let person = server.change_groups(&asked, person, join, leave).await?;
    ok(json!({ "person": person }))
}

/// Switch an account off, and end its sessions everywhere
#[utoipa::path(post, path = "/api/v1/people/disable", request_body = Named, responses((status = 200, description = "the person", body = Object)))]
pub(crate) async fn disable(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let Named { email } = asked.json()?;
    let act = |person| DisablePerson { tenant: server.tenant.clone(), person };
    let person = server.whom(&asked, &email, act).await?;
    let done = server.disable_person(&asked, person).await?;
    let (recorded, everywhere) = (done.recorded.is_written(), server.store.is_everywhere(done.recorded));
    ok(json!({ "person": done.person, "event": done.event, "recorded": recorded, "everywhere": everywhere }))
}

impl Bailiwick {
    /// Whose address it is. Whether it is anybody's is for those alone who may do this: others get the same refusal, and
    /// leave the same event.
    async fn whom<A: Act>(
        &self,
        asked: &Asked,
        email: &str,
        act: impl FnOnce(PersonId) -> A,
    ) -> Result<PersonId, Refusal> {
        if let Some(person) = self.identity.person_by_email(email) {
            return Ok(person.id.clone());
        }
        drop(self.allowed(asked, act(PersonId::new("unknown"))).await?);
        let what = "there is nobody with that address";
        let fix = "`bailiwick people list` shows who there is";
        let why = "nobody of it was added here";
        Err(Refusal(Problem::new(ProblemKind::NotFound, "person.unknown", what, why, fix)))
    }

    /// Whether a link may be made, by whoever asks: said before anything is told of whom it is for.
    pub(crate) async fn may_add(&self, asked: &Asked, email: &str, groups: &BTreeSet<Group>) -> Result<(), Refusal> {
        if self.identity.links() == Links::Off {
            return Err(Refusal(links_off()));
        }
        let act = AddPerson { tenant: self.tenant.clone(), email: email.to_owned(), groups: groups.clone() };
        drop(self.allowed(asked, act).await?);
        Ok(())
    }

    pub(crate) async fn add_person(
        &self,
        asked: &Asked,
        email: String,
        groups: BTreeSet<Group>,
    ) -> Result<Added, Refusal> {
        if self.identity.links() == Links::Off {
            return Err(Refusal(links_off()));
        }
        let act = AddPerson { tenant: self.tenant.clone(), email, groups };
        let added = self
            .store
            .again(|| async {
                let permit = self.permit(&asked.caller, act.clone()).await?;
                self.identity.add(permit).await
            })
            .await;
        added.map_err(|error: Error| Refusal((&error).into()))
    }

    pub(crate) async fn change_groups(
        &self,
        asked: &Asked,
        person: PersonId,
        join: BTreeSet<Group>,
        leave: BTreeSet<Group>,
    ) -> Result<Person, Error> {
        let act = ChangeGroups { tenant: self.tenant.clone(), person, join, leave };
        self.store
            .again(|| async {
                let permit = self.permit(&asked.caller, act.clone()).await?;
                self.identity.change_groups(permit).await
            })
            .await
    }

    pub(crate) async fn disable_person(&self, asked: &Asked, person: PersonId) -> Result<Disabled, Refusal> {
        let permit = self.allowed(asked, DisablePerson { tenant: self.tenant.clone(), person }).await?;
        Ok(self.identity.disable(permit).await?)
    }
}

fn links_off() -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "links.off",
        "one-time links are switched off",
        "people sign in by single sign-on, or with the passkey that they have",
        "add the person at your sign-in provider, or switch links on: `bailiwick sign-in links on`",
    )
}
