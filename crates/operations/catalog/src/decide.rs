//! `Checked → Decided → Approved`: what a release needs, and whether it has it.

use crate::{Error, apps, live::expires_at, releases::Release, requests, secrets::Versions, waivers::Exceptions};
use authority::{AppRef, AppState};
use model::{Env, Manifest, Problem, ProblemKind, ReleaseNumber, RequestId, Tier};
use std::sync::Arc;
use store::{Tx, params};

/// A release that the gates passed, and today's rules on who must agree to it.
#[derive(Debug, Clone)]
pub struct Decided {
    pub(crate) app: AppRef,
    pub(crate) name: Arc<str>,
    pub(crate) release: Release,
    /// What its secrets are now.
    pub(crate) secrets: Versions,
    /// The waivers that it needs, all of which stand.
    pub(crate) exceptions: Exceptions,
    /// What serves now: what an approver compares with.
    pub(crate) compared_with: Option<ReleaseNumber>,
    pub(crate) credential_epoch: u64,
}

/// A release that may go live; made by `Decided` alone.
#[derive(Debug)]
pub struct Approved {
    pub(crate) decided: Decided,
    pub(crate) by: ApprovedBy,
}

#[derive(Debug, Clone)]
pub(crate) enum ApprovedBy {
    /// Low tier: the gates suffice.
    Tier,
    /// A person said yes to this very content and these very grants.
    Request(RequestId),
}

/// What policy judges of a release that would go live, whichever act would bring it: deploy, approve or roll back.
pub(crate) fn facts(manifest: &Manifest, digest: &str, env: Env) -> serde_json::Value {
    serde_json::json!({ "manifest": manifest, "tier": manifest.tier(), "digest": digest, "env": env })
}

impl Decided {
    /// Looks at the environment that the release is for.
    pub(crate) async fn of(
        tx: &mut Tx,
        app: AppRef,
        name: Arc<str>,
        release: Release,
        secrets: Versions,
        exceptions: Exceptions,
    ) -> Result<Self, Error> {
        // An app is switched off or ended as a whole: no other environment is a way back, unless it was restored.
        Self::serves(tx, &app, &name).await?;
        Self::compared(tx, app, name, release, secrets, exceptions).await
    }

    /// The same for a request that waits, whose environment may be switched off: then `restore` asked for it.
    ///
    /// INVARIANT: a revoke voids what waits, and nothing but `restore` asks while an app is off. So what waits for an
    /// environment that is off is for the very release that it served, under the credentials that the revoke began.
    pub(crate) async fn of_request(
        tx: &mut Tx,
        app: AppRef,
        name: Arc<str>,
        release: Release,
        secrets: Versions,
        exceptions: Exceptions,
    ) -> Result<Self, Error> {
        let row = tx.query_one(apps::sql::DEPLOYMENT, params![tx.tenant(), &app.id, app.env.as_str()]).await?;
        let off = row.as_ref().map(|row| row.text(0).map(apps::state)).transpose()? == Some(AppState::Revoked);
        let served = row.as_ref().map(|row| row.opt_int(1)).transpose()?.flatten();
        if !off || served != Some(i64::from(release.number.0)) {
            Self::serves(tx, &app, &name).await?;
        }
        Self::compared(tx, app, name, release, secrets, exceptions).await
    }

    /// INVARIANT: a revoke switches every environment off that ever served. One that serves, or ran out, while another
    /// is off was opened again by `restore`, and goes its own way while the other waits or was sent back.
    async fn serves(tx: &mut Tx, app: &AppRef, name: &str) -> Result<(), Error> {
        let tenant = tx.tenant().clone();
        let (mut own, mut off) = (None, false);
        for row in tx.query(apps::sql::STATES, params![&tenant, &app.id]).await? {
            let state = apps::state(row.text(0)?);
            match state {
                AppState::Revoked => off = true,
                AppState::Retired => return Err(Error::Refused(ended(name))),
                AppState::Waiting | AppState::Live | AppState::Expired => {}
            }
            if row.text(1)? == app.env.as_str() {
                own = Some(state);
            }
        }
        let restored = matches!(own, Some(AppState::Live | AppState::Expired));
        if off && !restored { Err(Error::Refused(switched_off(name))) } else { Ok(()) }
    }

    async fn compared(
        tx: &mut Tx,
        app: AppRef,
        name: Arc<str>,
        release: Release,
        secrets: Versions,
        exceptions: Exceptions,
    ) -> Result<Self, Error> {
        let tenant = tx.tenant().clone();
        let row = tx.query_one(apps::sql::DEPLOYMENT, params![&tenant, &app.id, app.env.as_str()]).await?;
        let (mut compared_with, mut credential_epoch) = (None, 1);
        if let Some(row) = row {
            compared_with = row.opt_int(1)?.and_then(|number| u32::try_from(number).ok()).map(ReleaseNumber);
            credential_epoch = row.uint(2)?;
        }
        if tx.now() >= expires_at(&release.manifest) {
            return Err(Error::Refused(past_its_date(&name, &release)));
        }
        Ok(Self { app, name, release, secrets, exceptions, compared_with, credential_epoch })
    }

    /// Whether it may go live by today's rules; if not, it comes back, to be asked for.
    pub(crate) async fn approved(self, tx: &mut Tx) -> Result<Result<Approved, Self>, Error> {
        // Today's tiers, whatever they were when the release was made.
        if self.release.manifest.tier() == Tier::Low {
            return Ok(Ok(Approved { decided: self, by: ApprovedBy::Tier }));
        }
        let tenant = tx.tenant().clone();
        let (digest, grants) = (self.release.digest.as_str(), self.release.grants.as_str());
        let row = params![&tenant, &self.app.id, self.app.env.as_str(), digest, grants];
        for row in tx.query(requests::sql::APPROVED, row).await? {
            let told = Exceptions::read(row.opt_text(2)?)?;
            if Versions::read(row.text(1)?)?.hold_for(&self.secrets) && told.cover(&self.exceptions) {
                return Ok(Ok(Approved { by: ApprovedBy::Request(RequestId::new(row.text(0)?)), decided: self }));
            }
        }
        Ok(Err(self))
    }

    /// Asks for a yes; what waited before for the same environment is void.
    pub(crate) async fn ask(&self, tx: &mut Tx) -> Result<RequestId, Error> {
        let (tenant, env, now) = (tx.tenant().clone(), self.app.env.as_str(), tx.now());
        let same = params![&tenant, &self.app.id, env, self.release.digest.as_str()];
        if let Some(row) = tx.query_one(requests::sql::WAITING, same).await?
            && Versions::read(row.text(1)?)?.hold_for(&self.secrets)
            && row.opt_int(2)? == self.compared_with.map(|number| i64::from(number.0))
            && Exceptions::read(row.opt_text(3)?)? == self.exceptions
        {
            return Ok(RequestId::new(row.text(0)?));
        }
        tx.execute(requests::sql::VOID, params![&tenant, &self.app.id, env, now]).await?;
        let id = RequestId::generate();
        let requester = tx.spent().caller().person().cloned();
        let row = params![
            &tenant,
            &id,
            &self.app.id,
            env,
            self.release.number.0,
            self.release.digest.as_str(),
            self.release.grants.as_str(),
            self.compared_with.map(|number| i64::from(number.0)),
            requester.as_ref().map(model::PersonId::as_str),
            now,
            self.secrets.write()?,
            tx.spent().caller().chain().join(" "),
            self.exceptions.write()?,
        ];
        tx.execute(requests::sql::INSERT, row).await?;
        Ok(id)
    }
}

fn past_its_date(name: &str, release: &Release) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "release.expired",
        format!("release {} of `{name}` is past its date", release.number),
        format!("its manifest says `expires = \"{}\"`, and no release serves after that", release.manifest.app.expires),
        "deploy it again with a later `expires`",
    )
}

pub(crate) fn switched_off(name: &str) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "app.revoked",
        format!("`{name}` was switched off"),
        "deploying does not switch an app on again",
        format!("ask an operator to restore it: `bailiwick restore {name} --why …`"),
    )
}

pub(crate) fn ended(name: &str) -> Problem {
    Problem::new(
        ProblemKind::Gone,
        "app.retired",
        format!("`{name}` was ended for good"),
        "its name stays taken, so that nothing can pass for it",
        "deploy under another name",
    )
}
