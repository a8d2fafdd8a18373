//! Who the caller is, and the policy in force.

use crate::{
    Bailiwick,
    reply::{Params, Part, Refusal, Reply, ok},
    who::Asked,
};
use authority::{Act, Role, Rule, Target, Who, rules};
use axum::extract::State;
use identity::EndSession;
use model::{Env, Problem, ProblemKind, TenantId};
use serde_json::json;
use std::sync::Arc;
use store::Recorded;

/// Stands for an app's name in the address that `whoami` answers with.
const NAME: &str = "NAME";

/// Read the policy bundle.
#[derive(Debug)]
pub(crate) struct ReadPolicy {
    pub(crate) tenant: TenantId,
}

impl Act for ReadPolicy {
    const RULE: &'static Rule = &rules::POLICY_READ;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "policy")
    }
}

/// Who is asking
#[utoipa::path(get, path = "/api/v1/whoami", responses((status = 200, description = "the caller", body = Object)))]
pub(crate) async fn whoami(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    // Where an app serves, for whoever has its name and no answer about it.
    let apps = server.catalog.url(NAME, Env::Prod);
    match &asked.caller.who {
        Who::Machine { system_user } => ok(
            json!({ "caller": "machine", "name": system_user, "groups": [], "tenant": asked.caller.tenant, "apps": apps }),
        ),
        Who::Person { id, .. } => {
            let person = server.identity.person(id);
            let facts = server.authority.facts(&server.tenant);
            let roles = facts.people.get(id).map(|person| person.roles().map(Role::group).collect::<Vec<_>>());
            ok(json!({
                "caller": "person",
                "name": person.as_ref().map(|person| &person.email),
                "groups": person.as_ref().map(|person| &person.groups),
                "roles": roles,
                "session": asked.session.as_ref().map(|session| json!({
                    "id": session.id,
                    "method": session.method,
                    "second_factor": matches!(session.factor, authority::Factor::Second { .. }),
                    "expires_at": session.expires_at,
                })),
                "tenant": asked.caller.tenant,
                "apps": apps,
            }))
        }
        Who::App(_) | Who::AppFor { .. } | Who::System { .. } | Who::Stranger => Err(Refusal(sign_in_first())),
    }
}

/// End the session that asks
#[utoipa::path(post, path = "/api/v1/logout", responses((status = 200, description = "it is over", body = Object)))]
pub(crate) async fn logout(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let Some(session) = &asked.session else { return Err(Refusal(no_session())) };
    let ended: Result<Recorded, identity::Error> = server
        .store
        .again(|| async {
            let act = EndSession { tenant: server.tenant.clone(), session: session.id.clone() };
            let permit = server.permit(&asked.caller, act).await?;
            server.identity.end_session(permit).await
        })
        .await;
    let everywhere = server.store.is_everywhere(ended?);
    ok(json!({ "session": session.id, "ended": true, "everywhere": everywhere }))
}

fn no_session() -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "session.none",
        "there is no session to end",
        "the local credential signs each request by itself",
        "nothing needs to be done",
    )
}

pub(crate) fn sign_in_first() -> Problem {
    Problem::new(
        ProblemKind::Unauthenticated,
        "sign_in.needed",
        "nobody is signed in",
        "the request carries no session and no local credential",
        "open your one-time link, or run the command on the server's own machine",
    )
}

/// The session of a command line ended, by its date or by a person.
pub(crate) fn login_over() -> Problem {
    Problem::new(
        ProblemKind::Unauthenticated,
        "login.over",
        "this login is over",
        "it lives twelve hours, and ends when you end it or your account is switched off",
        "run `bailiwick login URL` again",
    )
}

/// The policy bundle
#[utoipa::path(get, path = "/api/v1/policy", params(Part), responses((status = 200, description = "the files of the bundle", body = Object)))]
pub(crate) async fn policy(State(server): State<Arc<Bailiwick>>, Params(part): Params<Part>, asked: Asked) -> Reply {
    let act = ReadPolicy { tenant: server.tenant.clone() };
    let permit = server.allowed(&asked, act).await?;
    server
        .store
        .access(permit, store::Outcome::Allowed, serde_json::Value::Null)
        .map_err(|error| Refusal(error.problem()))?;
    let (files, next) = part.of(server.policy_files.iter().collect(), |(name, _)| name.clone())?;
    let files: Vec<_> = files.into_iter().map(|(name, text)| json!({ "name": name, "text": text })).collect();
    ok(json!({ "files": files, "next": next }))
}
