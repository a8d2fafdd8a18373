//! Why somebody may do something, or may not: asked of the code that decides.

use crate::{
    Bailiwick,
    reply::{Refusal, Reply, ok},
    who::Asked,
};
use authority::{ACTS, Act, AppRef, BreakGlass, Caller, Factor, Question, Rule, Target, Who, rules};
use axum::extract::State;
use model::{Env, Problem, ProblemKind, SessionId, TenantId};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use store::Outcome;
use utoipa::ToSchema;

/// Callers that have no address.
const KINDS: [&str; 3] = ["machine", "app", "stranger"];

#[derive(Debug)]
struct ExplainPolicy {
    tenant: TenantId,
}

impl Act for ExplainPolicy {
    const RULE: &'static Rule = &rules::POLICY_EXPLAIN;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "policy")
    }
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct What {
    /// An act, such as `app.revoke`.
    act: String,
    /// Name of an app.
    app: Option<String>,
    #[schema(value_type = Option<String>)]
    env: Option<Env>,
    /// E-mail of a person, `machine`, `app` or `stranger`.
    #[serde(rename = "as")]
    who: String,
    #[serde(default)]
    break_glass: bool,
}

/// What authority would answer, and why
#[utoipa::path(post, path = "/api/v1/policy/explain", request_body = What, responses((status = 200, description = "the decision, step by step", body = Object)))]
pub(crate) async fn explain(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let act = ExplainPolicy { tenant: server.tenant.clone() };
    let permit = server.allowed(&asked, act).await?;
    server.store.access(permit, Outcome::Allowed, json!(null)).map_err(|error| Refusal(error.problem()))?;
    let What { act, app, env, who, break_glass } = asked.json()?;
    let rule = ACTS.iter().find(|rule| rule.name == act).ok_or_else(|| Refusal(unknown_act(&act)))?;
    let app = match &app {
        Some(name) => {
            let (id, team) = server.catalog.find(name)?;
            Some((AppRef { id, env: env.unwrap_or(Env::Prod) }, team))
        }
        None => None,
    };
    let target = match &app {
        Some((app, _)) => Target::within(server.tenant.clone(), app, format!("app/{}", app.id)),
        None => Target::new(server.tenant.clone(), "platform"),
    };
    let caller = Caller::new(server.tenant.clone(), server.somebody(&who, app.as_ref().map(|(app, _)| app))?);
    let break_glass = if break_glass { BreakGlass::Yes } else { BreakGlass::No };
    let question = Question { rule, target, team: app.map(|(_, team)| team), break_glass };
    ok(server.authority.explain(&caller, question))
}

impl Bailiwick {
    /// The caller that is meant. A person is taken to have come by single sign-on, and to have confirmed just now. That an
    /// act asks for a second factor is told beside; that a policy asks for single sign-on is not.
    fn somebody(&self, who: &str, app: Option<&AppRef>) -> Result<Who, Refusal> {
        match who {
            "machine" => Ok(Who::Machine { system_user: "somebody".into() }),
            "stranger" => Ok(Who::Stranger),
            "app" => app.cloned().map(Who::App).ok_or_else(|| Refusal(which_app())),
            email => {
                let person = self.identity.person_by_email(email).ok_or_else(|| Refusal(nobody(email)))?;
                let factor = Factor::Second { at: self.clock.now() };
                let (id, session) = (person.id.clone(), SessionId::new("explain"));
                Ok(Who::Person { id, session, factor, single_sign_on: true })
            }
        }
    }
}

fn unknown_act(act: &str) -> Problem {
    let near =
        ACTS.iter().max_by(|a, b| strsim::jaro_winkler(a.name, act).total_cmp(&strsim::jaro_winkler(b.name, act)));
    let what = format!("there is no act `{act}`");
    let why = "acts are named as the record names them: `noun.verb`";
    let fix = near.map_or_else(String::new, |near| format!("did you mean `{}`, to {}?", near.name, near.says));
    Problem::new(ProblemKind::NotFound, "act.unknown", what, why, fix)
}

fn which_app() -> Problem {
    let fix = "name it with `--app NAME`";
    Problem::new(ProblemKind::Invalid, "act.which_app", "it is not said which app asks", "an app acts as itself", fix)
}

fn nobody(email: &str) -> Problem {
    let what = format!("nobody here has the address `{email}`");
    let fix = format!("`bailiwick people list` shows who is here; {} are callers too", KINDS.join(", "));
    Problem::new(ProblemKind::NotFound, "person.unknown", what, "the directory has no such person", fix)
}
