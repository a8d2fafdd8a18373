//! Single sign-on set up by an operator: named, tried, switched on and off; and one-time links beside it.
//!
//! Refuses: what the configuration says already; to switch on what was not tried in its present form by whoever
//! switches it on; a client secret carried over to another issuer or client; groups that decide over others, which
//! people give; and to leave a server on which nobody could sign in.

use super::{
    Described, Provider, described, sql,
    standing::{Kept, Opened, SetUp, Setting},
};
use crate::{Error, Identity, Links, passkeys, people};
use authority::{Act, Permit, Role, Rule, Target, change, rules};
use model::{EventId, Group, PersonId, Problem, ProblemKind, TenantId, Timestamp};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use store::{Outcome, Tx, Value};

/// What a try showed holds this long: providers change too.
const TRY_LIFE: Duration = Duration::from_secs(3600);
/// More than any provider's.
const TEXT_MAX_CHARS: usize = 2_000;
const GROUPS_MAX: usize = 200;

/// The client secret as an operator gives it.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientSecretIs {
    New(String),
    /// The one that is stored for this issuer and client.
    Kept,
    /// A public client has none.
    None,
}

/// What an operator says of a provider.
#[derive(Clone)]
pub struct Settings {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: ClientSecretIs,
    pub groups_claim: String,
    pub groups: BTreeMap<String, Group>,
    pub everyone: Vec<Group>,
    pub second_factor: Vec<String>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

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
pub struct SwitchProviderOff {
    pub tenant: TenantId,
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
    SwitchProviderOff = PROVIDER_OFF about "provider";
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

/// Where something is said, and can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SaidIn {
    Configuration,
    Console,
}

/// How people sign in; never with a secret.
#[derive(Debug, Serialize)]
pub struct SignInView {
    /// The one in force.
    pub provider: Option<ProviderView>,
    /// One that is set up, and not switched on.
    pub draft: Option<ProviderView>,
    pub links: LinksView,
    /// What is to be registered at the provider.
    pub register: Register,
}

#[derive(Debug, Serialize)]
pub struct LinksView {
    pub on: bool,
    /// Nothing where nobody said anything: they are on.
    pub said_in: Option<SaidIn>,
}

#[derive(Debug, Serialize)]
pub struct Register {
    pub redirect: String,
    pub logout: String,
}

#[derive(Debug, Serialize)]
pub struct ProviderView {
    pub said_in: SaidIn,
    pub issuer: String,
    pub client_id: String,
    /// Whether there is one.
    pub client_secret: bool,
    pub groups_claim: String,
    pub groups: BTreeMap<String, Group>,
    pub everyone: Vec<Group>,
    pub second_factor: Vec<String>,
    /// Tells its present form from any other.
    pub digest: Option<String>,
    pub changed_by: Option<String>,
    pub changed_at: Option<Timestamp>,
    pub described: Option<Described>,
    /// When whoever looks may last have tried it in this form, and may still switch it on.
    pub tried_at: Option<Timestamp>,
}

/// What an act left.
#[derive(Debug, Serialize)]
pub struct SetUpDone {
    pub event: EventId,
    #[serde(flatten)]
    pub now: SignInView,
}

impl Identity {
    /// How people sign in, as whoever holds the permit may know it.
    ///
    /// # Errors
    /// When the database cannot be read, or the record takes no more.
    pub async fn sign_in_settings(&self, permit: Permit<SeeSignIn>) -> Result<SignInView, Error> {
        let who = permit.caller().person().cloned();
        self.store.access(permit, Outcome::Allowed, serde_json::Value::Null)?;
        self.sign_in_view(who.as_ref()).await
    }

    async fn sign_in_view(&self, who: Option<&PersonId>) -> Result<SignInView, Error> {
        let tenant = &self.config.tenant;
        let (mut provider, mut draft, mut links) = (None, None, None);
        for row in self.store.read(sql::SETTINGS, &[tenant.into()]).await? {
            match row.text(0)? {
                "provider" => provider = Some(self.standing.sealing.set_up(Setting::Provider, &row)?),
                "draft" => draft = Some(self.standing.sealing.set_up(Setting::Draft, &row)?),
                "links" => links = Some(SaidIn::Console),
                _ => {}
            }
        }
        let mut draft = draft.map(ProviderView::of);
        if let Some(digest) = draft.as_ref().and_then(|draft| draft.digest.clone()) {
            let rows = self.store.read(sql::TRIES, &[tenant.into(), digest.into()]).await?;
            let tried = self.newest_try(&rows, who)?;
            if let Some(draft) = &mut draft {
                draft.tried_at = tried;
            }
        }
        let configured = self.standing.configured.as_ref().map(|provider| ProviderView::configured(provider));
        let url = &self.config.public_url;
        Ok(SignInView {
            provider: configured.or_else(|| provider.map(ProviderView::of)),
            draft,
            links: LinksView {
                on: self.links() == Links::On,
                said_in: self.standing.configured_links.map(|_| SaidIn::Configuration).or(links),
            },
            register: Register {
                redirect: format!("{url}/sign-in/provider/back"),
                logout: format!("{url}/sign-in/provider/logout"),
            },
        })
    }

    /// A person's own try; the local credential, which no browser has, may go by any operator's.
    fn newest_try(&self, rows: &[store::Row], who: Option<&PersonId>) -> Result<Option<Timestamp>, Error> {
        let now = self.clock.now();
        let mut newest = None;
        for row in rows {
            let own = who.is_none_or(|who| row.text(0).is_ok_and(|person| person == who.as_str()));
            let at = row.time(1)?;
            if own && now.since(at) < TRY_LIFE {
                newest = newest.max(Some(at));
            }
        }
        Ok(newest)
    }

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
        let event = tx.commit(detail, Some(&about)).await?.event;
        Ok(SetUpDone { event, now: self.sign_in_view(who.as_ref()).await? })
    }

    /// Puts what was tried in force, on every node.
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
        tx.feed(change::SIGN_IN, "");
        let event = tx.commit(serde_json::json!({ "digest": draft.digest }), Some(&about)).await?.event;
        self.load_sign_in().await?;
        Ok(SetUpDone { event, now: self.sign_in_view(who.as_ref()).await? })
    }

    /// Takes it out of force, on every node. Who is signed in stays so; its secret is deleted.
    ///
    /// # Errors
    /// None is on; nobody could sign in then; the configuration names one.
    pub async fn switch_provider_off(&self, permit: Permit<SwitchProviderOff>) -> Result<SetUpDone, Error> {
        self.not_configured()?;
        let who = permit.caller().person().cloned();
        let (act, mut tx) = self.store.write(permit).await?;
        if tx.execute(sql::UNSET, &[(&act.tenant).into(), Setting::Provider.as_str().into()]).await? != 1 {
            return Err(not_on());
        }
        let links = match self.standing.configured_links {
            Some(links) => links,
            None => self.stored_links(&mut tx).await?,
        };
        if links == Links::Off && !self.somebody_has_a_passkey(&mut tx).await? {
            return Err(only_way("without single sign-on"));
        }
        tx.feed(change::SIGN_IN, "");
        let event = tx.commit(serde_json::json!({}), None).await?.event;
        self.load_sign_in().await?;
        Ok(SetUpDone { event, now: self.sign_in_view(who.as_ref()).await? })
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
        let event = tx.commit(serde_json::json!({ "links": act.to }), None).await?.event;
        self.load_sign_in().await?;
        Ok(SetUpDone { event, now: self.sign_in_view(who.as_ref()).await? })
    }

    fn not_configured(&self) -> Result<(), Error> {
        match self.standing.configured {
            Some(_) => Err(configured("single sign-on", "`oidc` under `[sign_in]`")),
            None => Ok(()),
        }
    }

    pub(super) async fn setting(&self, tx: &mut Tx, setting: Setting) -> Result<Option<Opened>, Error> {
        let row = tx.query_one(sql::SETTING, &[(&self.config.tenant).into(), setting.as_str().into()]).await?;
        row.map(|row| self.standing.sealing.set_up(setting, &row)).transpose()
    }

    async fn stored_links(&self, tx: &mut Tx) -> Result<Links, Error> {
        let row = tx.query_one(sql::SETTING, &[(&self.config.tenant).into(), Setting::Links.as_str().into()]).await?;
        row.map_or(Ok(Links::On), |row| self.standing.sealing.links(&row))
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

impl ProviderView {
    fn of(opened: Opened) -> Self {
        let Opened { set_up: SetUp { settings, said, by }, digest, changed_at } = opened;
        Self {
            said_in: SaidIn::Console,
            client_secret: settings.client_secret.is_some(),
            issuer: settings.issuer,
            client_id: settings.client_id,
            groups_claim: settings.groups_claim,
            groups: settings.groups,
            everyone: settings.everyone,
            second_factor: settings.second_factor,
            digest: Some(digest),
            changed_by: Some(by),
            changed_at: Some(changed_at),
            described: Some(said),
            tried_at: None,
        }
    }

    fn configured(provider: &Provider) -> Self {
        let config = &provider.config;
        Self {
            said_in: SaidIn::Configuration,
            issuer: config.issuer.clone(),
            client_id: config.client_id.clone(),
            client_secret: config.client_secret.is_some(),
            groups_claim: config.groups_claim.clone(),
            groups: config.groups.clone(),
            everyone: config.everyone.clone(),
            second_factor: config.second_factor.clone(),
            digest: None,
            changed_by: None,
            changed_at: None,
            described: None,
            tried_at: None,
        }
    }
}

/// For the record, which seals it.
fn about(kept: &Kept) -> String {
    format!("issuer `{}`, client `{}`", kept.issuer, kept.client_id)
}

/// What was said, without mistakes.
fn kept(settings: &Settings) -> Result<Kept, Error> {
    let text = |what: &str, value: &str| {
        let value = value.trim();
        let fits = !value.is_empty() && value.chars().count() <= TEXT_MAX_CHARS && !value.contains(char::is_control);
        if fits { Ok(value.to_owned()) } else { Err(unsaid(what)) }
    };
    let words = |values: &[String]| -> Vec<String> {
        values.iter().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).take(GROUPS_MAX).collect()
    };
    let given = settings.groups.values().chain(&settings.everyone);
    for group in given {
        people::check_group(group)?;
        if decides(group) {
            return Err(decides_over_others(group));
        }
    }
    if settings.groups.len() > GROUPS_MAX || settings.everyone.len() > GROUPS_MAX {
        return Err(unsaid("groups (200 at most)"));
    }
    Ok(Kept {
        issuer: described::issuer(&settings.issuer)?,
        client_id: text("client id", &settings.client_id)?,
        client_secret: match &settings.client_secret {
            ClientSecretIs::New(secret) => Some(text("client secret", secret)?),
            ClientSecretIs::Kept | ClientSecretIs::None => None,
        },
        groups_claim: text("groups claim", &settings.groups_claim)?,
        groups: settings.groups.clone(),
        everyone: settings.everyone.clone(),
        second_factor: words(&settings.second_factor),
    })
}

/// Whoever has one of these decides over others, or reads what they did.
fn decides(group: &Group) -> bool {
    Role::ALL.iter().any(|role| *role != Role::Builder && role.group() == group.as_str())
}

fn unsaid(what: &str) -> Error {
    Error::refused(
        ProblemKind::Invalid,
        "provider.unsaid",
        format!("the {what} cannot be used"),
        "it is missing, or longer than any provider's",
        "copy it from the provider's page for this client",
    )
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

fn decides_over_others(group: &Group) -> Error {
    Error::refused(
        ProblemKind::Invalid,
        "provider.role",
        format!("`{group}` is not given by a provider that is set up here"),
        "whoever sets a provider up could give it to themself, and nobody does that",
        "let people ask for the role on `/roles`, or have the provider named in `config.toml`",
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
        "press *Try it* on the page *How people sign in*, then switch it on",
    )
}

fn not_on() -> Error {
    Error::refused(
        ProblemKind::Conflict,
        "provider.not_on",
        "single sign-on is not on",
        "it was switched off before, or never on",
        "`bailiwick sign-in show` says how people sign in",
    )
}

fn only_way(how: &str) -> Error {
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
