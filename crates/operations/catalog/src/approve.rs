//! Approve and reject: a named person's decision on a request, by today's rules.

use crate::{
    Approval, Approved, Catalog, Decided, Deployed, Error,
    decide::{ApprovedBy, facts},
    independence::dependence,
    releases,
    requests::{self, Request, RequestState},
};
use authority::{Act, AppRef, BreakGlass, Denied, HeldOff, Judged, Permit, Rule, Target, Waiver, change, rules};
use model::{Group, PersonId, Problem, ProblemKind, RequestId, TenantId};
use std::sync::Arc;
use store::{Tx, left_to_feed, params};

/// Say yes to a request.
#[derive(Debug, Clone)]
pub struct ApproveRequest {
    pub tenant: TenantId,
    pub request: RequestId,
    pub app: AppRef,
    pub team: Group,
    pub requester: Option<PersonId>,
    /// What policy judges: manifest, tier, digest, as for the deploy.
    pub facts: Judged,
    pub waivers: Arc<[Waiver]>,
    pub break_glass: BreakGlass,
    pub why: String,
}

impl Act for ApproveRequest {
    const RULE: &'static Rule = &rules::RELEASE_APPROVE;
    fn target(&self) -> Target {
        Target::within(self.tenant.clone(), &self.app, format!("request/{}", self.request))
            .about(self.requester.as_ref())
    }
    fn team(&self) -> Option<Group> {
        Some(self.team.clone())
    }
    fn requester(&self) -> Option<PersonId> {
        self.requester.clone()
    }
    fn break_glass(&self) -> BreakGlass {
        self.break_glass
    }
    fn facts(&self) -> Judged {
        self.facts.clone()
    }
    fn waivers(&self) -> &[Waiver] {
        &self.waivers
    }
}

/// Send a request back, with words.
#[derive(Debug, Clone)]
pub struct RejectRequest {
    pub tenant: TenantId,
    pub request: RequestId,
    pub app: AppRef,
    pub requester: Option<PersonId>,
    pub why: String,
}

impl Act for RejectRequest {
    const RULE: &'static Rule = &rules::RELEASE_REJECT;
    fn target(&self) -> Target {
        Target::within(self.tenant.clone(), &self.app, format!("request/{}", self.request))
            .about(self.requester.as_ref())
    }
}

impl Catalog {
    /// Names the act of approving.
    ///
    /// # Errors
    /// No such request; no reason given.
    pub async fn plan_approve(
        &self,
        id: &RequestId,
        break_glass: BreakGlass,
        why: &str,
    ) -> Result<ApproveRequest, Error> {
        let (request, view) = self.request(id).await?;
        let release = self.known_release(&request.app.id, request.release).await?;
        let by = release.and_then(|release| release.by);
        let waivers = self.waivers_for(by.iter().chain(&request.requester)).for_policy(&view.app, &view.team);
        Ok(ApproveRequest {
            tenant: self.tenant.clone(),
            request: request.id,
            app: request.app,
            waivers,
            team: view.team,
            requester: request.requester,
            facts: facts(&request.manifest, &request.digest, view.env).into(),
            break_glass,
            why: reason(why)?,
        })
    }

    /// Names the act of sending back.
    ///
    /// # Errors
    /// As `plan_approve`.
    pub async fn plan_reject(&self, id: &RequestId, why: &str) -> Result<RejectRequest, Error> {
        let (request, _) = self.request(id).await?;
        let Request { id: request, app, requester, .. } = request;
        Ok(RejectRequest { tenant: self.tenant.clone(), request, app, requester, why: reason(why)? })
    }

    /// Records the yes and makes the release live.
    ///
    /// # Errors
    /// A request that is decided, void, or was compared with a release that no longer serves.
    pub async fn approve(&self, permit: Permit<ApproveRequest>) -> Result<Deployed, Error> {
        let (request, view) = self.request(&permit.act().request).await?;
        let (act, mut tx) = self.store.write(permit).await?;
        let exception = tx.spent().exception();
        let vouchers = self.vouchers.vouchers(tx.spent().caller());
        let dependence = dependence(&vouchers, request.requested_by.as_deref());
        let approval = Approval {
            by: tx.spent().caller().chain().join(" "),
            exception,
            independent: dependence.is_empty(),
            dependence,
        };
        decide(&mut tx, &request, RequestState::Approved, Some(&approval)).await?;
        let release = releases::one(&mut tx, &request.app.id, request.release).await?;
        let release = release.filter(|release| release.digest == request.digest && release.grants == request.grants);
        let release = release.ok_or_else(|| Error::Refused(stale(&request.id)))?;
        let name: Arc<str> = view.app.as_str().into();
        let secrets = self.secret_versions(&release.manifest, request.app.env).await?;
        if let Some(held) = self.unasked(tx.spent().held_off(), &request.exceptions) {
            return Err(Error::Denied(unasked(held)));
        }
        let asked = request.requester.as_ref();
        let exceptions = self.excepted(&tx, (&name, &view.team), &release, asked, tx.spent().held_off())?;
        let decided = Decided::of_request(&mut tx, request.app.clone(), name, release, secrets, exceptions).await?;
        let same = request.secrets.hold_for(&decided.secrets) && request.exceptions.cover(&decided.exceptions);
        if decided.compared_with != request.compared_with || !same {
            return Err(Error::Refused(stale(&request.id)));
        }
        let live_secrets = decided.secrets.clone();
        let approved = Approved { decided, by: ApprovedBy::Request(request.id.clone()) };
        let live = self.go_live(&mut tx, approved).await?;
        let detail = serde_json::json!({
            "request": request.id,
            "release": request.release,
            "digest": request.digest,
            "grants": request.grants,
            "compared_with": request.compared_with,
            "secrets": live_secrets,
            "waivers": live.exceptions,
            "independent": approval.independent,
            "dependence": approval.dependence,
        });
        let event = tx.commit(detail, Some(&act.why)).await?.event;
        let deployed = self.serve(live, event).await;
        Ok(Deployed { request: Some(request.id), approval: Some(approval), ..deployed })
    }

    /// Records the no; what serves goes on serving.
    ///
    /// # Errors
    /// A request that is decided or void.
    pub async fn reject(&self, permit: Permit<RejectRequest>) -> Result<(), Error> {
        let (request, _) = self.request(&permit.act().request).await?;
        let (act, mut tx) = self.store.write(permit).await?;
        decide(&mut tx, &request, RequestState::Rejected, None).await?;
        tx.feed(change::APP, change::app_key(&request.app));
        tx.commit(serde_json::json!({ "request": request.id, "release": request.release }), Some(&act.why)).await?;
        left_to_feed(self.load_app(&request.app.id).await);
        Ok(())
    }
}

async fn decide(tx: &mut Tx, request: &Request, state: RequestState, approval: Option<&Approval>) -> Result<(), Error> {
    let (tenant, now) = (tx.tenant().clone(), tx.now());
    let by = tx.spent().caller().chain().join(" ");
    let exception = approval.and_then(|approval| approval.exception);
    let dependence = approval.map(|approval| serde_json::to_string(&approval.dependence)).transpose();
    let dependence = dependence.map_err(|_| Error::Manifest)?;
    let row = params![&tenant, &request.id, state.as_str(), exception, by, now, dependence];
    match tx.execute(requests::sql::DECIDE, row).await? {
        1 => Ok(()),
        _ => Err(Error::Refused(decided_before(request))),
    }
}

/// A reason is for whoever reads the record in a year.
pub(crate) fn reason(why: &str) -> Result<String, Error> {
    const MAX_CHARS: usize = 2_000;
    let why = why.trim();
    if why.is_empty() || why.chars().count() > MAX_CHARS {
        return Err(Error::Refused(Problem::new(
            ProblemKind::Invalid,
            "why.missing",
            "a reason is needed",
            "it stands in the record, for whoever asks later; 2,000 characters at most",
            "say it with `--why \"…\"`",
        )));
    }
    Ok(why.to_owned())
}

fn decided_before(request: &Request) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "request.decided",
        format!("the request `{}` does not wait any more", request.id),
        format!("it is {}", request.state.said()),
        "`bailiwick requests` lists what waits",
    )
}

/// As policy says it.
fn unasked(held: &HeldOff) -> Denied {
    Denied {
        act: rules::RELEASE_APPROVE.name,
        code: held.waiver.code.clone(),
        why: format!("{}; its waiver was not part of what was asked for, and a yes is to nothing else", held.why),
        fix: format!(
            "{}; a rule that speaks only when a release is approved cannot be waived, only one that stopped the deploy as well",
            held.fix
        ),
        kind: ProblemKind::Denied,
    }
}

fn stale(id: &RequestId) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "request.stale",
        format!("the request `{id}` was for another state of the app"),
        "another release went live since, a secret that it names was given another host, or a rule is waived for it otherwise; a yes is to what was compared, and to nothing else",
        "deploy again, so that the request shows what changes now",
    )
}
