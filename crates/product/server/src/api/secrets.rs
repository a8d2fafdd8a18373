//! Secrets: put, list, show, rotate, revoke. A value comes in and never goes out.

use crate::{
    Bailiwick,
    reply::{Params, Part, Refusal, Reply, ok},
    who::Asked,
};
use axum::extract::{Path, State};
use model::{Env, Group, Problem, ProblemKind, SecretId};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;
use vault::{
    ListSecrets, Owner, PutSecret, RevokeSecret, Revoked, RotateSecret, SecretState, SecretString, SecretView,
};

#[derive(Deserialize, ToSchema)]
pub(crate) struct NewValue {
    pub(crate) app: Option<String>,
    #[schema(value_type = Option<String>)]
    pub(crate) env: Option<Env>,
    pub(crate) owner: String,
    pub(crate) purpose: String,
    /// `YYYY-MM-DD`
    pub(crate) expires: String,
    pub(crate) hosts: Vec<String>,
    pub(crate) attach: Option<String>,
    #[schema(value_type = Option<String>)]
    pub(crate) sensitivity: Option<vault::Sensitivity>,
    pub(crate) value: String,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct Rotate {
    #[schema(value_type = Option<String>)]
    env: Option<Env>,
    value: String,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Revoke {
    #[schema(value_type = Option<String>)]
    env: Option<Env>,
    #[serde(default)]
    why: String,
}

fn id(team: &str, name: &str) -> SecretId {
    SecretId::new(format!("{team}/{name}"))
}

/// Every secret, without values, newest first
#[utoipa::path(get, path = "/api/v1/secrets", params(Part), responses((status = 200, description = "secrets", body = Object)))]
pub(crate) async fn list(State(server): State<Arc<Bailiwick>>, Params(part): Params<Part>, asked: Asked) -> Reply {
    let act = ListSecrets { tenant: server.tenant.clone(), id: None };
    let permit = server.allowed(&asked, act).await?;
    let mut secrets = server.vault.list(permit).await?;
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.created_at));
    let (secrets, next) = part.of(secrets, |secret| format!("{}@{}", secret.id, secret.env))?;
    ok(json!({ "secrets": secrets, "next": next }))
}

/// One secret in its environments, without values
#[utoipa::path(get, path = "/api/v1/secrets/{team}/{name}", responses((status = 200, description = "the secret", body = Object)))]
pub(crate) async fn show(
    State(server): State<Arc<Bailiwick>>,
    Path((team, name)): Path<(String, String)>,
    asked: Asked,
) -> Reply {
    let act = ListSecrets { tenant: server.tenant.clone(), id: Some(id(&team, &name)) };
    let permit = server.allowed(&asked, act).await?;
    ok(json!({ "secret": server.vault.show(permit).await? }))
}

/// Store a value
#[utoipa::path(put, path = "/api/v1/secrets/{team}/{name}", request_body = NewValue, responses((status = 200, description = "the secret, without its value", body = Object)))]
pub(crate) async fn put(
    State(server): State<Arc<Bailiwick>>,
    Path((team, name)): Path<(String, String)>,
    asked: Asked,
) -> Reply {
    let put: NewValue = asked.json()?;
    ok(server.put_secret(&asked.caller, id(&team, &name), put).await?)
}

/// Replace the value
#[utoipa::path(post, path = "/api/v1/secrets/{team}/{name}/rotate", request_body = Rotate, responses((status = 200, description = "the secret, without its value", body = Object)))]
pub(crate) async fn rotate(
    State(server): State<Arc<Bailiwick>>,
    Path((team, name)): Path<(String, String)>,
    asked: Asked,
) -> Reply {
    let Rotate { env, value } = asked.json()?;
    ok(server.rotate_secret(&asked, id(&team, &name), env.unwrap_or(Env::Prod), value).await?)
}

/// Make it unusable, at once
#[utoipa::path(post, path = "/api/v1/secrets/{team}/{name}/revoke", request_body = Revoke, responses((status = 200, description = "how many values", body = Object)))]
pub(crate) async fn revoke(
    State(server): State<Arc<Bailiwick>>,
    Path((team, name)): Path<(String, String)>,
    asked: Asked,
) -> Reply {
    let Revoke { env, why } = asked.json()?;
    let (mut revoked, mut events, mut recorded, mut everywhere) = (Vec::new(), Vec::new(), true, true);
    for done in server.revoke_secret(&asked, id(&team, &name), env, why).await? {
        recorded &= done.recorded.is_written();
        everywhere &= server.store.is_everywhere(done.recorded);
        events.push(done.event);
        revoked.push(match done.secret {
            Some(view) => json!(view),
            None => json!({ "id": done.id, "env": done.env, "state": SecretState::Revoked }),
        });
    }
    ok(json!({ "revoked": revoked, "events": events, "recorded": recorded, "everywhere": everywhere }))
}

impl Bailiwick {
    pub(crate) async fn rotate_secret(
        &self,
        asked: &Asked,
        id: SecretId,
        env: Env,
        value: String,
    ) -> Result<SecretView, vault::Error> {
        let act = RotateSecret { tenant: self.tenant.clone(), id, env, value: SecretString::from(value) };
        self.store
            .again(|| async {
                let permit = self.permit(&asked.caller, act.clone()).await?;
                self.vault.rotate(permit).await
            })
            .await
    }

    /// In one environment, or in each that has a value.
    pub(crate) async fn revoke_secret(
        &self,
        asked: &Asked,
        id: SecretId,
        env: Option<Env>,
        why: String,
    ) -> Result<Vec<Revoked>, Refusal> {
        let envs = env.map_or_else(|| Env::ALL.to_vec(), |env| vec![env]);
        let (mut revoked, mut nothing) = (Vec::new(), None);
        for env in envs {
            let act = RevokeSecret { tenant: self.tenant.clone(), id: id.clone(), env, why: why.clone() };
            let permit = self.allowed(asked, act).await?;
            match self.vault.revoke(permit).await {
                Ok(done) => revoked.push(done),
                // An id that has no value in one environment may have one in another.
                Err(error) if Problem::from(&error).kind == ProblemKind::NotFound => nothing = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        match nothing.filter(|_| revoked.is_empty()) {
            Some(error) => Err(error.into()),
            None => Ok(revoked),
        }
    }

    pub(crate) async fn put_secret(
        &self,
        caller: &authority::Caller,
        id: SecretId,
        put: NewValue,
    ) -> Result<vault::SecretView, Refusal> {
        let person = self.identity.person_by_email(&put.owner);
        let unknown = (person.is_none() && put.owner.contains('@')).then(|| put.owner.clone());
        let owner =
            person.map_or_else(|| Owner::Group(Group::new(put.owner)), |person| Owner::Person(person.id.clone()));
        let act = PutSecret {
            tenant: self.tenant.clone(),
            id,
            env: put.env.unwrap_or(Env::Prod),
            app: put.app,
            owner,
            purpose: put.purpose,
            expires: put.expires.parse().map_err(|_| Refusal(not_a_day(&put.expires)))?,
            hosts: put.hosts,
            attach: put.attach,
            sensitivity: put.sensitivity,
            value: SecretString::from(put.value),
        };
        if let Some(email) = unknown {
            // Whether there is such a person is for those alone who may store it.
            drop(self.permit(caller, act).await.map_err(|denied| Refusal(denied.into()))?);
            return Err(Refusal(no_such_owner(&email)));
        }
        let view = self
            .store
            .again(|| async {
                let permit = self.permit(caller, act.clone()).await?;
                self.vault.put(permit).await
            })
            .await?;
        Ok(view)
    }
}

fn no_such_owner(email: &str) -> Problem {
    let what = format!("nobody here has the address `{email}`");
    let why = "a secret's owner is a person of the directory, or a group";
    let fix = "`bailiwick people list` shows who is here; or name a group";
    Problem::new(ProblemKind::NotFound, "secret.owner", what, why, fix).at("owner")
}

fn not_a_day(text: &str) -> Problem {
    let what = format!("`{text}` is not a date");
    let why = "a secret is used until a day that is named";
    Problem::new(ProblemKind::Invalid, "secret.expires", what, why, "write it as `2027-02-01`").at("expires")
}

impl NewValue {
    /// The token of the demo's chat.
    pub(crate) fn for_demo(now: &model::Timestamp) -> Self {
        let expires = now.plus(std::time::Duration::from_secs(60 * 86_400)).to_string();
        Self {
            app: Some("poll-notify".to_owned()),
            env: Some(Env::Prod),
            owner: "people-ops".to_owned(),
            purpose: "Posts votes to the demo's chat".to_owned(),
            expires: expires.chars().take(10).collect(),
            hosts: vec!["slack.com".to_owned()],
            attach: None,
            sensitivity: Some(vault::Sensitivity::Low),
            value: crate::demo::TOKEN.to_owned(),
        }
    }
}
