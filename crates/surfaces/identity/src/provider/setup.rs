//! Single sign-on set up by an operator: named, tried, switched on; and one-time links beside it.
//!
//! Refuses: what the configuration says already; to switch on what was not tried in its present form by whoever
//! switches it on; a client secret carried over to another issuer or client; and to leave a server on which nobody could
//! sign in.

use super::{
    Provider,
    settings::{ClientSecretIs, Settings, about, kept},
    sql,
    standing::{Kept, Opened, SetUp, Setting},
    view::SetUpDone,
};
use crate::{Error, Identity, Links, passkeys};
use authority::{Act, Permit, Rule, Target, change, rules};
use model::{Problem, ProblemKind, TenantId};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use store::{Tx, Value, left_to_feed};

/// What a try showed holds this long: providers change too.
pub(super) const TRY_LIFE: Duration = Duration::from_secs(3600);

/// See how people sign in.
#[derive(Debug, Clone)]
pub struct SeeSignIn {
    pub tenant: TenantId,
}

/// Set a provider up, without switching it on.
#[derive(Debug, Clone)]
pub struct DraftProvider {
    pub tenant: TenantId,
    pub settings: Settings,
}

/// Switch on what was set up, as it was tried.
#[derive(Debug, Clone)]
pub struct SwitchProviderOn {
    pub tenant: TenantId,
    pub digest: String,
}

#[derive(Debug, Clone)]
pub struct SwitchLinks {
    pub tenant: TenantId,
    pub to: Links,
}

macro_rules! acts {
    ($($act:ident = $rule:ident about $target:literal;)*) => { $(impl Act for $act {
        const RULE: &'static Rule = &rules::$rule;
        fn target(&self) -> Target {
            Target::new(self.tenant.clone(), $target)
        }
    })* };
}

acts! {
    SeeSignIn = SIGN_IN_SEE about "sign_in";
    SwitchProviderOn = PROVIDER_ON about "provider";
    SwitchLinks = LINKS_SWITCH about "links";
}

impl Act for DraftProvider {
    const RULE: &'static Rule = &rules::PROVIDER_DRAFT;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "provider")
    }
    fn facts(&self) -> authority::Judged {
        let Settings { issuer, groups, everyone, .. } = &self.settings;
        serde_json::json!({ "issuer": issuer, "groups": groups, "everyone": everyone }).into()
    }
}

impl Identity {
    /// Sets a provider up: asks it what it is, and keeps that with what was said. Nothing is in force by it, and what
    /// was tried before counts no more.
    ///
    /// # Errors
    /// The configuration names one; what was said cannot be; a provider that does not answer as one should.
    pub async fn draft_provider(&self, permit: Permit<DraftProvider>) -> Result<SetUpDone, Error> {
        self.not_configured()?;
        let by = permit.caller().chain().join(" ");
        let who = permit.caller().person().cloned();
        let mut kept = kept(&permit.act().settings)?;
        let reach = Arc::clone(&self.standing.reach);
        let mut asked = Provider::new(kept.clone().into(), reach, &self.config.public_url, Arc::clone(&self.clock));
        let said = asked.describe(&mut kept).await?;
        let (act, mut tx) = self.store.write(permit).await?;
        if act.settings.client_secret == ClientSecretIs::Kept {
            kept.client_secret = self.secret_of(&mut tx, &kept).await?;
        }
        let digest = self.standing.sealing.digest(&kept)?;
        let about = about(&kept);
        let set_up = SetUp { settings: kept, said, by };
        self.set(&mut tx, Setting::Draft, &set_up, &digest).await?;
        tx.execute(sql::DROP_TRIES, &[(&act.tenant).into()]).await?;
        let detail = serde_json::json!({ "digest": digest, "warnings": set_up.said.warnings.len() });
        let now = self.written_view(&mut tx, who.as_ref()).await?;
        let event = tx.commit(detail, Some(&about)).await?.event;
        Ok(SetUpDone { event, now })
    }

    /// Puts what was tried in force, on every node. Sessions that began at another issuer end: it vouches for nobody now.
    ///
    /// # Errors
    /// Nothing is set up, or something else than was tried; the configuration names one.
    pub async fn switch_provider_on(&self, permit: Permit<SwitchProviderOn>) -> Result<SetUpDone, Error> {
        self.not_configured()?;
        let by = permit.caller().chain().join(" ");
        let who = permit.caller().person().cloned();
        let (act, mut tx) = self.store.write(permit).await?;
        let draft = self.setting(&mut tx, Setting::Draft).await?.ok_or_else(no_draft)?;
        if draft.digest != act.digest {
            return Err(other_draft());
        }
        let key: [Value; 2] = [(&act.tenant).into(), draft.digest.as_str().into()];
        let tries = tx.query(sql::TRIES, &key).await?;
        if self.newest_try(&tries, who.as_ref())?.is_none() {
            return Err(untried());
        }
        let about = about(&draft.set_up.settings);
        let set_up = SetUp { by, ..draft.set_up };
        self.set(&mut tx, Setting::Provider, &set_up, &draft.digest).await?;
        tx.execute(sql::UNSET, &[(&act.tenant).into(), Setting::Draft.as_str().into()]).await?;
        tx.execute(sql::DROP_TRIES, &[(&act.tenant).into()]).await?;
        let issuer = &set_up.settings.issuer;
        let ended = self.end_rows_at_others(&mut tx, issuer).await?;
        tx.feed(change::SIGN_IN, "");
        let detail = serde_json::json!({ "digest": draft.digest, "sessions_ended": ended });
        let now = self.written_view(&mut tx, who.as_ref()).await?;
        let event = tx.commit(detail, Some(&about)).await?.event;
        left_to_feed(self.load_sign_in().await);
        Ok(SetUpDone { event, now })
    }

    /// Whether one-time links are made and used.
    ///
    /// # Errors
    /// The configuration says it; nobody could sign in then.
    pub async fn switch_links(&self, permit: Permit<SwitchLinks>) -> Result<SetUpDone, Error> {
        if self.standing.configured_links.is_some() {
            return Err(configured("whether there are one-time links", "`links` under `[sign_in]`"));
        }
        let who = permit.caller().person().cloned();
        let (act, mut tx) = self.store.write(permit).await?;
        let provider = self.standing.configured.is_some() || self.setting(&mut tx, Setting::Provider).await?.is_some();
        if act.to == Links::Off && !provider && !self.somebody_has_a_passkey(&mut tx).await? {
            return Err(only_way("with one-time links switched off"));
        }
        self.set(&mut tx, Setting::Links, &act.to, "").await?;
        tx.feed(change::SIGN_IN, "");
        let now = self.written_view(&mut tx, who.as_ref()).await?;
        let event = tx.commit(serde_json::json!({ "links": act.to }), None).await?.event;
        left_to_feed(self.load_sign_in().await);
        Ok(SetUpDone { event, now })
    }

    pub(super) fn not_configured(&self) -> Result<(), Error> {
        match self.standing.configured {
            Some(_) => Err(configured("at which provider people sign in", "`oidc` under `[sign_in]`")),
            None => Ok(()),
        }
    }

    pub(super) async fn setting(&self, tx: &mut Tx, setting: Setting) -> Result<Option<Opened>, Error> {
        let row = tx.query_one(sql::SETTING, &[(&self.config.tenant).into(), setting.as_str().into()]).await?;
        row.map(|row| self.standing.sealing.set_up(setting, &row)).transpose()
    }

    async fn set<T: Serialize>(&self, tx: &mut Tx, setting: Setting, value: &T, digest: &str) -> Result<(), Error> {
        let sealed = self.standing.sealing.seal(setting, value)?;
        let now = tx.now();
        let row: [Value; 5] =
            [(&self.config.tenant).into(), setting.as_str().into(), sealed.into(), digest.into(), now.into()];
        tx.execute(sql::SET, &row).await?;
        Ok(())
    }

    /// The secret that is stored for this very issuer and client: to no other does it go.
    async fn secret_of(&self, tx: &mut Tx, kept: &Kept) -> Result<Option<String>, Error> {
        for setting in [Setting::Draft, Setting::Provider] {
            let Some(found) = self.setting(tx, setting).await? else { continue };
            let settings = found.set_up.settings;
            if settings.issuer == kept.issuer && settings.client_id == kept.client_id {
                return Ok(settings.client_secret);
            }
        }
        Err(no_secret())
    }

    async fn somebody_has_a_passkey(&self, tx: &mut Tx) -> Result<bool, Error> {
        Ok(tx.query_one(passkeys::sql::ANY, &[(&self.config.tenant).into()]).await?.is_some())
    }
}

fn no_secret() -> Error {
    Error::refused(
        ProblemKind::Invalid,
        "provider.no_secret",
        "no client secret was given",
        "none is stored for this issuer and this client, and a secret goes to no other than it was given for",
        "paste the client secret; or say that the client is public and has none",
    )
}

fn configured(what: &str, key: &str) -> Error {
    Error::refused(
        ProblemKind::Conflict,
        "sign_in.configured",
        format!("the configuration says {what}"),
        "what stands in `config.toml` goes before what is set up here",
        format!("change it there, {key}; or take it out, and start the server again"),
    )
}

fn no_draft() -> Error {
    Error::refused(
        ProblemKind::Conflict,
        "provider.no_draft",
        "nothing is set up that could be switched on",
        "it was switched on before, or never set up",
        "name the issuer and the client first",
    )
}

fn other_draft() -> Error {
    Error::refused(
        ProblemKind::Conflict,
        "provider.other_draft",
        "something else is set up now than what you want to switch on",
        "somebody set it up anew meanwhile",
        "load the page again, and try what stands there",
    )
}

fn untried() -> Error {
    Error::refused(
        ProblemKind::Conflict,
        "provider.untried",
        "this was not tried in its present form",
        "only what its operator tried within the last hour, and saw work, is switched on: a mistake would keep everyone out",
        "press `Try it` on the page `How people sign in`, then switch it on",
    )
}

pub(super) fn only_way(how: &str) -> Error {
    Error::Refused(
        Problem::new(
            ProblemKind::Conflict,
            "links.only_way",
            format!("{how}, nobody could sign in"),
            "there is no other way: nobody who may sign in has a passkey",
            "switch another way on first, or let people make passkeys",
        )
        .at("sign_in.links"),
    )
}
