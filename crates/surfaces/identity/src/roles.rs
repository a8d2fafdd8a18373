//! Roles for a time: a person asks for one until a date, an operator who is someone else gives it, and it ends by
//! itself.
//!
//! Refuses: a role that there is not, a date that is past or too far, giving it to oneself.

mod sql;

use crate::{Error, Identity, people::ListPeople};
use authority::{Act, Caller, Permit, Role, Rule, Target, change, rules};
use model::{EventId, Group, PersonId, ProblemKind, RequestId, TenantId, Timestamp};
use seal::{Context, Purpose};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use store::{CutOf, Outcome, Row, Tx, left_to_feed};

/// Longer than that is no exception any more: an operator changes the groups.
const LONGEST: Duration = Duration::from_secs(90 * 86_400);
const WHY_MAX_CHARS: usize = 2_000;

/// Ask for a role until a date.
#[derive(Debug, Clone)]
pub struct AskRole {
    pub tenant: TenantId,
    pub role: Group,
    pub until: Timestamp,
    pub why: String,
}

impl Act for AskRole {
    const RULE: &'static Rule = &rules::ROLE_ASK;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("role/{}", self.role))
    }
}

/// Give what was asked for.
#[derive(Debug, Clone)]
pub struct GrantRole {
    pub tenant: TenantId,
    pub request: RequestId,
    pub person: PersonId,
}

impl Act for GrantRole {
    const RULE: &'static Rule = &rules::ROLE_GRANT;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("role_request/{}", self.request)).about(Some(&self.person))
    }
    fn requester(&self) -> Option<PersonId> {
        Some(self.person.clone())
    }
}

/// Refuse what was asked for.
#[derive(Debug, Clone)]
pub struct RefuseRole {
    pub tenant: TenantId,
    pub request: RequestId,
    pub person: PersonId,
}

impl Act for RefuseRole {
    const RULE: &'static Rule = &rules::ROLE_REFUSE;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("role_request/{}", self.request)).about(Some(&self.person))
    }
}

/// A role ends on its date.
#[derive(Debug, Clone)]
struct LapseRole {
    tenant: TenantId,
    person: PersonId,
    role: Group,
}

impl Act for LapseRole {
    const RULE: &'static Rule = &rules::ROLE_LAPSE;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), format!("person/{}", self.person))
    }
}

/// A role that somebody asked for.
#[derive(Debug, Clone, Serialize)]
pub struct RoleRequest {
    pub id: RequestId,
    pub person: PersonId,
    pub role: Group,
    pub until: Timestamp,
    pub why: String,
    /// `waiting`, `granted`, `refused`.
    pub state: String,
    pub created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
}

impl Identity {
    /// Asks for a role.
    ///
    /// # Errors
    /// No such role; no reason; a date that is past, or more than 90 days ahead.
    pub async fn ask_role(&self, permit: Permit<AskRole>) -> Result<RoleRequest, Error> {
        let now = self.clock.now();
        let act = permit.act();
        if !Role::ALL.iter().any(|role| role.group() == act.role.as_str()) {
            return Err(no_role(&act.role));
        }
        if act.until <= now || act.until > now.plus(LONGEST) {
            return Err(bad_date());
        }
        let why = act.why.trim().to_owned();
        if why.is_empty() || why.chars().count() > WHY_MAX_CHARS {
            return Err(no_reason());
        }
        let person = permit.caller().person().cloned().unwrap_or_else(|| PersonId::new(""));
        let (act, mut tx) = self.store.write(permit).await?;
        let request = RoleRequest {
            id: RequestId::generate(),
            person,
            role: act.role,
            until: act.until,
            why,
            state: "waiting".to_owned(),
            created_at: now,
            decided_by: None,
        };
        let RoleRequest { id, person, role, why, .. } = &request;
        let sealed = self.config.keys.purpose(Purpose::Directory).seal(&context(id), why.as_bytes());
        tx.execute(sql::VOID_WAITING, &[(&act.tenant).into(), person.into(), role.into(), now.into()]).await?;
        let row = [
            (&act.tenant).into(),
            id.into(),
            person.into(),
            role.into(),
            request.until.into(),
            sealed.into(),
            now.into(),
        ];
        tx.execute(sql::INSERT, &row).await?;
        let detail = serde_json::json!({ "request": id, "role": role, "until": request.until });
        tx.commit(detail, Some(why)).await?;
        Ok(request)
    }

    /// One request, whatever its state.
    ///
    /// # Errors
    /// There is none.
    pub async fn role_request(&self, id: &RequestId) -> Result<RoleRequest, Error> {
        let row = self.store.read_one(sql::ONE, &[(&self.config.tenant).into(), id.into()]).await?;
        self.role_row(&row.ok_or_else(|| unknown(id))?)
    }

    /// What waits for an operator, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read, or the record takes no more.
    pub async fn roles_asked(&self, permit: Permit<ListPeople>) -> Result<Vec<RoleRequest>, Error> {
        self.store.access(permit, Outcome::Allowed, serde_json::json!({ "roles": "asked" }))?;
        let rows = self.store.read(sql::WAITING, &[(&self.config.tenant).into()]).await?;
        rows.iter().map(|row| self.role_row(row)).collect()
    }

    /// How many wait for this person's decision: those that others asked for.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn roles_to_decide(&self, person: &PersonId) -> Result<u64, Error> {
        let row = self.store.read_one(sql::WAITING_OF_OTHERS, &[(&self.config.tenant).into(), person.into()]).await?;
        Ok(row.map(|row| row.uint(0)).transpose()?.unwrap_or_default())
    }

    /// What a person asked for, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn roles_asked_by(&self, person: &PersonId) -> Result<Vec<RoleRequest>, Error> {
        let rows = self.store.read(sql::OF_PERSON, &[(&self.config.tenant).into(), person.into()]).await?;
        rows.iter().map(|row| self.role_row(row)).collect()
    }

    fn role_row(&self, row: &Row) -> Result<RoleRequest, Error> {
        let id = RequestId::new(row.text(0)?);
        let why = self.config.keys.purpose(Purpose::Directory).open(&context(&id), row.bytes(4)?)?;
        Ok(RoleRequest {
            person: PersonId::new(row.text(1)?),
            role: Group::new(row.text(2)?),
            until: row.time(3)?,
            why: String::from_utf8_lossy(&why).into_owned(),
            state: row.text(5)?.to_owned(),
            created_at: row.time(6)?,
            decided_by: row.opt_text(7)?.map(str::to_owned),
            id,
        })
    }

    /// Gives the role until its date.
    ///
    /// # Errors
    /// A request that does not wait any more, or whose date has come.
    pub async fn grant_role(&self, permit: Permit<GrantRole>) -> Result<RoleRequest, Error> {
        let request = self.role_request(&permit.act().request).await?;
        let now = self.clock.now();
        if request.person != permit.act().person || request.until <= now {
            return Err(decided(&request.id));
        }
        let by = permit.caller().chain().join(" ");
        let (act, mut tx) = self.store.write(permit).await?;
        let row = [(&act.tenant).into(), (&request.id).into(), "granted".into(), by.as_str().into(), now.into()];
        if tx.execute(sql::DECIDE, &row).await? != 1 {
            return Err(decided(&request.id));
        }
        let join = [
            (&act.tenant).into(),
            (&request.person).into(),
            (&request.role).into(),
            now.into(),
            by.as_str().into(),
            request.until.into(),
        ];
        tx.execute(crate::people::sql::JOIN, &join).await?;
        tx.feed(change::PEOPLE, request.person.as_str());
        let detail = serde_json::json!({ "person": request.person, "role": request.role, "until": request.until });
        tx.commit(detail, None).await?;
        left_to_feed(self.load_person(&request.person).await);
        Ok(RoleRequest { state: "granted".to_owned(), decided_by: Some(by), ..request })
    }

    /// Refuses it.
    ///
    /// # Errors
    /// A request that does not wait any more.
    pub async fn refuse_role(&self, permit: Permit<RefuseRole>) -> Result<(), Error> {
        let (now, by) = (self.clock.now(), permit.caller().chain().join(" "));
        let (act, mut tx) = self.store.write(permit).await?;
        let row = [(&act.tenant).into(), (&act.request).into(), "refused".into(), by.into(), now.into()];
        if tx.execute(sql::DECIDE, &row).await? != 1 {
            return Err(decided(&act.request));
        }
        tx.commit(serde_json::Value::Null, None).await?;
        Ok(())
    }

    /// Ends the roles whose date has come.
    ///
    /// # Errors
    /// When it may not, or the database cannot be read.
    pub async fn lapse_due(&self, caller: &Caller) -> Result<usize, Error> {
        let (tenant, now) = (&self.config.tenant, self.clock.now());
        let due = self.store.read(sql::DUE, &[tenant.into(), now.into()]).await?;
        for row in &due {
            let act = LapseRole {
                tenant: tenant.clone(),
                person: PersonId::new(row.text(0)?),
                role: Group::new(row.text(1)?),
            };
            let permit = self.authority.permit(caller, act).await?;
            let act = permit.act();
            let of = CutOf::Role { person: act.person.clone(), role: act.role.clone() };
            let (act, mut cutting) = self.store.cut(permit, of);
            self.lapse_until_written(&cutting.event().clone(), &act.person, &act.role);
            cutting.note().detail = serde_json::json!({ "role": act.role });
            cutting.record(self).await;
        }
        Ok(due.len())
    }
}

impl Identity {
    /// In memory, whatever is read, until the rows say it.
    pub(crate) fn lapse_until_written(&self, event: &EventId, person: &PersonId, role: &Group) {
        self.people.edit(|people| crate::cuts::lapse(people, person, role));
        let (person, role) = (person.clone(), role.clone());
        self.authority.hold(&self.config.tenant, event, move |facts| {
            if let Some(person) = facts.people.get_mut(&person) {
                Arc::make_mut(person).groups.remove(&role);
            }
        });
    }

    pub(crate) async fn lapse_rows(
        &self,
        tx: &mut Tx,
        person: &PersonId,
        role: &Group,
        at: Timestamp,
    ) -> Result<(), Error> {
        tx.execute(sql::LAPSE, &[(&self.config.tenant).into(), person.into(), role.into(), at.into()]).await?;
        tx.feed(change::PEOPLE, person.as_str());
        Ok(())
    }
}

fn context(id: &RequestId) -> Context {
    Context::table("role_requests").column("why").row(id.as_str())
}

fn unknown(id: &RequestId) -> Error {
    Error::refused(
        ProblemKind::NotFound,
        "role.request",
        format!("nobody asked for a role as `{id}`"),
        "it was never made, or belongs to another tenant",
        "`bailiwick roles list`, or the page `/roles`, shows what waits",
    )
}

fn decided(id: &RequestId) -> Error {
    Error::refused(
        ProblemKind::Conflict,
        "role.decided",
        format!("the request `{id}` does not wait any more"),
        "it was decided, asked for anew, or its date has come",
        "`bailiwick roles list`, or the page `/roles`, shows what waits",
    )
}

fn no_role(role: &Group) -> Error {
    let roles: Vec<String> = Role::ALL.iter().map(|role| format!("`{}`", role.group())).collect();
    Error::refused(
        ProblemKind::Invalid,
        "role.unknown",
        format!("`{role}` is not a role"),
        "roles are carried by the built-in groups alone; other groups an operator gives",
        format!("ask for one of {}", roles.join(", ")),
    )
}

fn bad_date() -> Error {
    Error::refused(
        ProblemKind::Unprocessable,
        "role.date",
        "a role cannot be given until then",
        "what is given for a time ends within 90 days",
        "choose a day between tomorrow and 90 days ahead",
    )
}

fn no_reason() -> Error {
    Error::refused(
        ProblemKind::Invalid,
        "why.missing",
        "a reason is needed",
        "whoever decides has to know what the role is for; 2,000 characters at most",
        "say what you need to do with it",
    )
}
