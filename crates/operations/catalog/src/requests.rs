//! Requests: what waits for a person's yes, and what a yes binds to.
//!
//! An approval is for one app, environment, bundle, full set of grants, and the release that it was compared with:
//! one changed byte or one added scope is another request.

pub(crate) mod sql;

use crate::{AppView, Catalog, Deployment, Error, apps::tier_of, secrets::Versions, waivers::Exceptions};
use authority::{Act, AppRef, AppState, Permit, Rule, Target, rules};
use model::{
    AppId, Env, Finding, Group, Manifest, PersonId, Problem, ProblemKind, ReleaseNumber, RequestId, TenantId, Tier,
    Timestamp,
    manifest::{Change, Sentence, TierReason},
};
use serde::Serialize;
use std::collections::HashMap;
use store::{EventFilter, Outcome, Row, params};

/// A page of a thousand, and one more, which says that there are others.
const LIST_MAX: u32 = 1_001;

/// See what waits for a person.
#[derive(Debug, Clone)]
pub struct ListRequests {
    pub tenant: TenantId,
}

impl Act for ListRequests {
    const RULE: &'static Rule = &rules::REQUEST_LIST;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "requests")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestState {
    Waiting,
    Approved,
    Rejected,
    /// Something newer took its place.
    Void,
}

impl RequestState {
    /// From a row.
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "waiting" => Self::Waiting,
            "approved" => Self::Approved,
            "rejected" => Self::Rejected,
            _ => Self::Void,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Void => "void",
        }
    }

    /// In the words of pages and commands.
    #[must_use]
    pub const fn said(self) -> &'static str {
        match self {
            Self::Rejected => "sent back",
            Self::Waiting | Self::Approved | Self::Void => self.as_str(),
        }
    }
}

/// One request, with what a reviewer needs to decide it.
#[derive(Debug, Clone, Serialize)]
pub struct RequestView {
    pub request: RequestId,
    pub app: String,
    pub app_id: AppId,
    pub env: Env,
    pub team: Group,
    pub release: ReleaseNumber,
    pub digest: String,
    pub state: RequestState,
    /// `break-glass`, when nobody but the local credential said yes. Shown for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
    pub tier: Tier,
    pub reasons: Vec<TierReason>,
    pub purpose: String,
    pub requester: Option<PersonId>,
    pub created_at: Timestamp,
    pub decided_at: Option<Timestamp>,
    /// Who decided: `person:ID`, `machine:USER`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// Whether the yes came from somebody independent of whoever asked; absent until there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub independent: Option<bool>,
    /// What the approver has from whoever asked: `account`, `role`, `link`. Shown for ever.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependence: Vec<String>,
    pub may: Vec<Sentence>,
    pub compared_with: Option<ReleaseNumber>,
    /// It waits, and is the very release that served before the app was switched off: a yes lets it serve again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub restores: bool,
    pub changes: Vec<Change>,
    pub findings: Vec<Finding>,
}

/// A request that was sent back, while nothing was deployed since.
#[derive(Debug, Clone, Serialize)]
pub struct SentBack {
    pub request: RequestId,
    pub env: Env,
    pub release: ReleaseNumber,
    /// `person:ID`, `machine:USER`.
    pub by: String,
    pub at: Timestamp,
    /// `None` when whoever said it was erased.
    pub why: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) id: RequestId,
    pub(crate) app: AppRef,
    pub(crate) release: ReleaseNumber,
    pub(crate) digest: String,
    pub(crate) grants: String,
    pub(crate) secrets: Versions,
    pub(crate) exceptions: Exceptions,
    pub(crate) compared_with: Option<ReleaseNumber>,
    pub(crate) requester: Option<PersonId>,
    pub(crate) requested_by: Option<String>,
    pub(crate) state: RequestState,
    pub(crate) manifest: Manifest,
}

impl Catalog {
    /// A page of the requests in a state (`waiting`, `approved`, `rejected`, `void`, `all`), newest first: those of one app
    /// if it is named, and those that are older than the last one of the page before. Of the few that are shown,
    /// `tell_waivers` says what is waived.
    ///
    /// # Errors
    /// A state that there is not.
    pub async fn requests_page(
        &self,
        permit: Permit<ListRequests>,
        state: &str,
        app: Option<&AppId>,
        after: Option<&RequestId>,
        limit: u32,
    ) -> Result<Vec<RequestView>, Error> {
        is_state(state)?;
        self.store.access(permit, Outcome::Allowed, serde_json::Value::Null)?;
        let (mut before, mut below) = (i64::MAX, "");
        if let Some(after) = after {
            let row = self.store.read_one(sql::CREATED_AT, params![&self.tenant, after]).await?;
            before = row.ok_or_else(|| Error::Refused(unknown(after)))?.int(0)?;
            below = after.as_str();
        }
        let app = app.map_or("", AppId::as_str);
        let which = params![&self.tenant, state, app, before, below, limit.min(LIST_MAX)];
        let rows = self.store.read(sql::PAGE, which).await?;
        rows.iter().filter_map(|row| self.request_view(row).transpose()).collect()
    }

    /// When a request of each environment was sent back last, where one ever was.
    ///
    /// # Errors
    /// When the record takes no more, or the database cannot be read.
    pub async fn sent_back_last(
        &self,
        permit: Permit<ListRequests>,
    ) -> Result<HashMap<(AppId, Env), Timestamp>, Error> {
        self.store.access(permit, Outcome::Allowed, serde_json::Value::Null)?;
        let rows = self.store.read(sql::SENT_BACK_LAST, params![&self.tenant]).await?;
        let mut last = HashMap::with_capacity(rows.len());
        for row in rows {
            let Ok(env) = row.text(1)?.parse::<Env>() else { continue };
            last.insert((AppId::new(row.text(0)?), env), row.time(2)?);
        }
        Ok(last)
    }

    /// One request, with the manifest that it asks for.
    ///
    /// # Errors
    /// No such request.
    pub async fn look_at_request(
        &self,
        permit: Permit<ListRequests>,
        id: &RequestId,
    ) -> Result<(RequestView, Manifest), Error> {
        self.store.access(permit, Outcome::Allowed, serde_json::json!({ "request": id }))?;
        let row = self.store.read_one(sql::ONE, params![&self.tenant, id]).await?;
        let row = row.ok_or_else(|| Error::Refused(unknown(id)))?;
        let mut view = self.request_view(&row)?.ok_or_else(|| Error::Refused(unknown(id)))?;
        self.tell_waivers(&mut view.findings).await?;
        Ok((view, reread(row.text(13)?)?))
    }

    /// The request of an app that waits now, the newest.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn waiting_request(&self, app: &AppId) -> Result<Option<RequestId>, Error> {
        let row = self.store.read_one(sql::WAITING_OF_APP, params![&self.tenant, app]).await?;
        Ok(row.map(|row| row.text(0).map(RequestId::new)).transpose()?)
    }

    /// The newest request of an app, when it was sent back and nothing was deployed since, with the words for whoever
    /// asked.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn sent_back(&self, app: &AppView) -> Result<Option<SentBack>, Error> {
        let row = self.store.read_one(sql::NEWEST_OF_APP, params![&self.tenant, &app.app_id]).await?;
        let Some(row) = row else { return Ok(None) };
        let (true, Some(at)) = (RequestState::of(row.text(3)?) == RequestState::Rejected, row.opt_time(5)?) else {
            return Ok(None);
        };
        let env: Env = row.text(1)?.parse().map_err(|_| Error::Manifest)?;
        let stands = |deployed: &&Deployment| match deployed.state {
            AppState::Waiting => true,
            AppState::Live | AppState::Expired => deployed.changed_at <= at,
            AppState::Revoked | AppState::Retired => false,
        };
        if app.environments.iter().find(|deployed| deployed.env == env).filter(stands).is_none() {
            return Ok(None);
        }
        let request = RequestId::new(row.text(0)?);
        Ok(Some(SentBack {
            env,
            release: number(row.int(2)?),
            by: row.opt_text(4)?.unwrap_or_default().to_owned(),
            at,
            why: self.words_of(Some(&app.app_id), format!("request/{request}"), &rules::RELEASE_REJECT).await?,
            request,
        }))
    }

    /// The words with which a request was decided; `None` while it was not, or when whoever said them was erased.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn words(&self, request: &RequestView) -> Result<Option<String>, Error> {
        let act = match request.state {
            RequestState::Approved => &rules::RELEASE_APPROVE,
            RequestState::Rejected => &rules::RELEASE_REJECT,
            RequestState::Waiting | RequestState::Void => return Ok(None),
        };
        self.words_of(Some(&request.app_id), format!("request/{}", request.request), act).await
    }

    /// They stand in the record alone, sealed.
    pub(crate) async fn words_of(
        &self,
        app: Option<&AppId>,
        resource: String,
        act: &Rule,
    ) -> Result<Option<String>, Error> {
        let filter = EventFilter {
            app: app.cloned(),
            action: Some(act.name.to_owned()),
            resource: Some(resource),
            outcome: Some("allowed".to_owned()),
            limit: Some(1),
            ..EventFilter::default()
        };
        let events = self.store.events(&self.tenant, &filter).await?;
        let Some(event) = events.first() else { return Ok(None) };
        Ok(self.store.fill(event).await?.why)
    }

    pub(crate) async fn request(&self, id: &RequestId) -> Result<(Request, RequestView), Error> {
        let row = self.store.read_one(sql::ONE, params![&self.tenant, id]).await?;
        let row = row.ok_or_else(|| Error::Refused(unknown(id)))?;
        let view = self.request_view(&row)?.ok_or_else(|| Error::Refused(unknown(id)))?;
        Ok((request(&row)?, view))
    }

    fn request_view(&self, row: &Row) -> Result<Option<RequestView>, Error> {
        let request = request(row)?;
        let apps = self.apps.all();
        let Some(app) = apps.get(&request.app.id) else { return Ok(None) };
        let manifest = request.manifest;
        let old = row.opt_text(16)?.map(reread).transpose()?;
        let dependence: Option<Vec<String>> =
            row.opt_text(19)?.map(serde_json::from_str).transpose().map_err(|_| Error::Manifest)?;
        Ok(Some(RequestView {
            app: app.name.to_string(),
            app_id: request.app.id.clone(),
            env: request.app.env,
            team: app.team.clone(),
            release: request.release,
            digest: request.digest,
            state: request.state,
            exception: row.opt_text(9)?.map(str::to_owned),
            tier: tier_of(row.text(14)?),
            reasons: manifest.tier_reasons(),
            purpose: manifest.app.purpose.clone(),
            requester: request.requester,
            created_at: row.time(11)?,
            decided_at: row.opt_time(12)?,
            decided_by: row.opt_text(10)?.map(str::to_owned),
            independent: dependence.as_ref().map(Vec::is_empty),
            dependence: dependence.unwrap_or_default(),
            may: manifest.sentences(),
            compared_with: request.compared_with,
            restores: request.state == RequestState::Waiting
                && request.compared_with == Some(request.release)
                && app.envs.get(&request.app.env).is_some_and(|env| env.state == AppState::Revoked),
            changes: old.map(|old| manifest.changes_from(&old)).unwrap_or_default(),
            findings: serde_json::from_str(row.text(15)?).map_err(|_| Error::Manifest)?,
            request: request.id,
        }))
    }
}

fn is_state(state: &str) -> Result<(), Error> {
    if ["waiting", "approved", "rejected", "void", "all"].contains(&state) {
        return Ok(());
    }
    Err(Error::Refused(Problem::new(
        ProblemKind::Invalid,
        "request.state",
        format!("`{state}` is not a state of requests"),
        "requests are waiting, approved, rejected or void",
        "use one of `waiting`, `approved`, `rejected`, `void`, `all`",
    )))
}

fn reread(text: &str) -> Result<Manifest, Error> {
    Ok(Manifest::reread(text.as_bytes()).map_err(|_| Error::Manifest)?.manifest)
}

fn number(value: i64) -> ReleaseNumber {
    ReleaseNumber(u32::try_from(value).unwrap_or_default())
}

fn request(row: &Row) -> Result<Request, Error> {
    Ok(Request {
        id: RequestId::new(row.text(0)?),
        app: AppRef { id: AppId::new(row.text(1)?), env: row.text(2)?.parse().map_err(|_| Error::Manifest)? },
        release: number(row.int(3)?),
        digest: row.text(4)?.to_owned(),
        grants: row.text(5)?.to_owned(),
        secrets: Versions::read(row.text(17)?)?,
        exceptions: Exceptions::read(row.opt_text(20)?)?,
        compared_with: row.opt_int(6)?.map(number),
        requester: row.opt_text(7)?.map(PersonId::new),
        requested_by: row.opt_text(18)?.map(str::to_owned),
        state: RequestState::of(row.text(8)?),
        manifest: reread(row.text(13)?)?,
    })
}

pub(crate) fn unknown(id: &RequestId) -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "request.unknown",
        format!("there is no request `{id}`"),
        "it was never made, or belongs to another tenant",
        "`bailiwick requests` lists what waits",
    )
}
