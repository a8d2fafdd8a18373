//! How people sign in, as it is told: never with a secret.

use super::{
    BackAt, Described, Provider,
    setup::{SeeSignIn, TRY_LIFE},
    sql,
    standing::{Opened, SetUp, Setting},
};
use crate::{Error, Identity, Links};
use authority::Permit;
use model::{EventId, Group, PersonId, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use store::{Outcome, Row, Tx, Value};

/// Who is left out is named, this many at most, and then counted.
const LEFT_OUT_NAMED: usize = 20;

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
    /// Who has no other way in than a one-time link.
    pub left_out: LeftOut,
    /// What is to be registered at the provider.
    pub register: Register,
}

#[derive(Debug, Serialize)]
pub struct LinksView {
    pub on: bool,
    /// Nothing where nobody said anything: they are on.
    pub said_in: Option<SaidIn>,
}

/// People whose account is on, who have no passkey, and whom the provider in force does not know.
#[derive(Debug, Default, Serialize)]
pub struct LeftOut {
    pub count: usize,
    /// The first of them, by address.
    pub first: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Register {
    pub redirect: String,
    /// Where a try comes back.
    pub try_redirect: String,
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
    /// As somebody named them.
    pub scopes: Option<Vec<String>>,
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

    pub(super) async fn sign_in_view(&self, who: Option<&PersonId>) -> Result<SignInView, Error> {
        let key = [(&self.config.tenant).into()];
        let settings = self.store.read(sql::SETTINGS, &key).await?;
        let view = self.view(&settings, &self.store.read(sql::TRIES_OF_DRAFT, &key).await?, who)?;
        let left_out = self.left_out(&self.store.read(sql::LEFT_OUT, &self.in_force_there(&view)).await?)?;
        Ok(SignInView { left_out, ..view })
    }

    /// How it will be once this is committed.
    pub(super) async fn written_view(&self, tx: &mut Tx, who: Option<&PersonId>) -> Result<SignInView, Error> {
        let key = [(&self.config.tenant).into()];
        let settings = tx.query(sql::SETTINGS, &key).await?;
        let view = self.view(&settings, &tx.query(sql::TRIES_OF_DRAFT, &key).await?, who)?;
        let left_out = self.left_out(&tx.query(sql::LEFT_OUT, &self.in_force_there(&view)).await?)?;
        Ok(SignInView { left_out, ..view })
    }

    /// Tenant and issuer; no account is connected at one without a name.
    fn in_force_there(&self, view: &SignInView) -> [Value; 2] {
        let issuer = view.provider.as_ref().map_or("", |provider| provider.issuer.as_str());
        [(&self.config.tenant).into(), issuer.into()]
    }

    fn left_out(&self, rows: &[Row]) -> Result<LeftOut, Error> {
        let mut first = Vec::new();
        for row in rows {
            let person = self.people.get(&PersonId::new(row.text(0)?)).filter(|person| person.enabled);
            first.extend(person.map(|person| person.email.clone()));
        }
        first.sort();
        let count = first.len();
        first.truncate(LEFT_OUT_NAMED);
        Ok(LeftOut { count, first })
    }

    fn view(&self, settings: &[Row], tries: &[Row], who: Option<&PersonId>) -> Result<SignInView, Error> {
        let (mut provider, mut draft, mut links) = (None, None, None);
        for row in settings {
            match row.text(0)? {
                "provider" => {
                    provider =
                        Some(self.standing.sealing.set_up(Setting::Provider, row)?).filter(|row| self.stands(row));
                }
                "draft" => draft = Some(self.standing.sealing.set_up(Setting::Draft, row)?),
                "links" => links = Some(self.standing.sealing.links(row)?),
                _ => {}
            }
        }
        let tried_at = self.newest_try(tries, who)?;
        let draft = draft.map(|draft| ProviderView { tried_at, ..ProviderView::of(draft) });
        let configured = self.standing.configured.as_ref().map(|provider| ProviderView::configured(provider));
        let url = &self.config.public_url;
        Ok(SignInView {
            provider: configured.or_else(|| provider.map(ProviderView::of)),
            draft,
            links: LinksView {
                on: self.standing.links_said(links) == Links::On,
                said_in: self
                    .standing
                    .configured_links
                    .map(|_| SaidIn::Configuration)
                    .or(links.map(|_| SaidIn::Console)),
            },
            left_out: LeftOut::default(),
            register: Register {
                redirect: BackAt::SignIn.under(url),
                try_redirect: BackAt::Try.under(url),
                logout: format!("{url}/sign-in/provider/logout"),
            },
        })
    }

    /// A person's own try; the local credential, which no browser has, may go by any operator's.
    pub(super) fn newest_try(&self, rows: &[Row], who: Option<&PersonId>) -> Result<Option<Timestamp>, Error> {
        let now = self.clock.now();
        let mut newest = None;
        for row in rows {
            let own = who.is_none_or(|who| row.text(0).is_ok_and(|person| person == who.as_str()));
            let at = row.time(1)?;
            if own && now.is_within(TRY_LIFE, at) {
                newest = newest.max(Some(at));
            }
        }
        Ok(newest)
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
            scopes: settings.scopes,
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
            scopes: config.scopes.clone(),
            digest: None,
            changed_by: None,
            changed_at: None,
            described: None,
            tried_at: None,
        }
    }
}
