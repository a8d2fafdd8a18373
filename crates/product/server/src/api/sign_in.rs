//! How people sign in: single sign-on set up, tried, switched on and off, and one-time links. A client secret comes in
//! and never goes out.

use crate::{
    Bailiwick,
    reply::{Refusal, Reply, ok},
    who::Asked,
};
use axum::extract::State;
use identity::{
    ClientSecretIs, DraftProvider, Error, Links, SeeSignIn, SetUpDone, Settings, SignInView, SwitchLinks,
    SwitchProviderOff, SwitchProviderOn, SwitchedOff,
};
use model::Group;
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Arc};
use utoipa::ToSchema;

/// What an operator says of a provider.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProvider {
    issuer: String,
    client_id: String,
    /// Without: the one that is stored for this issuer and client.
    client_secret: Option<String>,
    /// A public client has no secret.
    #[serde(default)]
    public: bool,
    groups_claim: Option<String>,
    /// What groups there are here.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    groups: BTreeMap<String, Group>,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    everyone: Vec<Group>,
    second_factor: Option<Vec<String>>,
    /// What is asked for beside `openid`. Without: `email`, `profile`, and `groups` where the provider lists it.
    scopes: Option<Vec<String>>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct InForm {
    /// `digest` of the draft, as it was tried.
    digest: String,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct OnOrOff {
    on: bool,
}

/// How people sign in
#[utoipa::path(get, path = "/api/v1/sign-in", responses((status = 200, description = "the provider in force, the one that is set up, one-time links, who has no other way in, and what to register", body = Object)))]
pub(crate) async fn show(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    ok(server.see_sign_in(&asked).await?)
}

/// Set single sign-on up; nothing is in force by it
#[utoipa::path(put, path = "/api/v1/sign-in/draft", request_body = NewProvider, responses((status = 200, description = "what the provider says of itself", body = Object)))]
pub(crate) async fn draft(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let new: NewProvider = asked.json()?;
    ok(server.draft_provider(&asked, new.settings()).await?)
}

/// Switch on what was set up and tried
#[utoipa::path(post, path = "/api/v1/sign-in/on", request_body = InForm, responses((status = 200, description = "how people sign in now", body = Object)))]
pub(crate) async fn on(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let InForm { digest } = asked.json()?;
    ok(server.switch_provider_on(&asked, digest).await?)
}

/// Switch single sign-on off, and end the sessions that began there
#[utoipa::path(post, path = "/api/v1/sign-in/off", responses((status = 200, description = "how people sign in now", body = Object)))]
pub(crate) async fn off(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    ok(server.switch_provider_off(&asked).await?)
}

/// Switch one-time links on or off
#[utoipa::path(post, path = "/api/v1/sign-in/links", request_body = OnOrOff, responses((status = 200, description = "how people sign in now", body = Object)))]
pub(crate) async fn links(State(server): State<Arc<Bailiwick>>, asked: Asked) -> Reply {
    let OnOrOff { on } = asked.json()?;
    ok(server.switch_links(&asked, if on { Links::On } else { Links::Off }).await?)
}

impl NewProvider {
    fn settings(self) -> Settings {
        let client_secret = match (self.client_secret, self.public) {
            (Some(secret), _) => ClientSecretIs::New(secret),
            (None, true) => ClientSecretIs::None,
            (None, false) => ClientSecretIs::Kept,
        };
        Settings {
            issuer: self.issuer,
            client_id: self.client_id,
            client_secret,
            groups_claim: self.groups_claim.unwrap_or_else(|| "groups".to_owned()),
            groups: self.groups,
            everyone: self.everyone,
            second_factor: self.second_factor.unwrap_or_else(|| vec!["mfa".to_owned()]),
            scopes: self.scopes,
        }
    }
}

impl Bailiwick {
    pub(crate) async fn see_sign_in(&self, asked: &Asked) -> Result<SignInView, Refusal> {
        let permit = self.allowed(asked, SeeSignIn { tenant: self.tenant.clone() }).await?;
        Ok(self.identity.sign_in_settings(permit).await?)
    }

    pub(crate) async fn draft_provider(&self, asked: &Asked, settings: Settings) -> Result<SetUpDone, Error> {
        let act = DraftProvider { tenant: self.tenant.clone(), settings };
        self.store
            .again(|| async {
                let permit = self.permit(&asked.caller, act.clone()).await?;
                self.identity.draft_provider(permit).await
            })
            .await
    }

    pub(crate) async fn switch_provider_on(&self, asked: &Asked, digest: String) -> Result<SetUpDone, Error> {
        let act = SwitchProviderOn { tenant: self.tenant.clone(), digest };
        self.store
            .again(|| async {
                let permit = self.permit(&asked.caller, act.clone()).await?;
                self.identity.switch_provider_on(permit).await
            })
            .await
    }

    pub(crate) async fn switch_provider_off(&self, asked: &Asked) -> Result<SwitchedOff, Refusal> {
        let permit = self.allowed(asked, SwitchProviderOff { tenant: self.tenant.clone() }).await?;
        Ok(self.identity.switch_provider_off(permit).await?)
    }

    pub(crate) async fn switch_links(&self, asked: &Asked, to: Links) -> Result<SetUpDone, Error> {
        let act = SwitchLinks { tenant: self.tenant.clone(), to };
        self.store
            .again(|| async {
                let permit = self.permit(&asked.caller, act.clone()).await?;
                self.identity.switch_links(permit).await
            })
            .await
    }
}
