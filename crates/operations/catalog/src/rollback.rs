//! Roll back: an earlier release serves again, if today's rules still let it.

use crate::{Catalog, Decided, Deployed, Error, apps, releases};
use authority::{Act, AppRef, Permit, Rule, Target, rules};
use model::{Env, Group, Problem, ProblemKind, ReleaseNumber, TenantId};
use store::params;

/// Serve an earlier release.
#[derive(Debug, Clone)]
pub struct RollBack {
    pub tenant: TenantId,
    pub app: AppRef,
    pub team: Group,
    /// The one before what serves now, when nothing is said.
    pub to: Option<ReleaseNumber>,
}

impl Act for RollBack {
    const RULE: &'static Rule = &rules::RELEASE_ROLLBACK;
    fn target(&self) -> Target {
        Target::within(self.tenant.clone(), &self.app, format!("app/{}", self.app.id))
    }
    fn team(&self) -> Option<Group> {
        Some(self.team.clone())
    }
}

impl Catalog {
    /// Names the act.
    ///
    /// # Errors
    /// No such app.
    pub fn plan_rollback(&self, name: &str, env: Env, to: Option<ReleaseNumber>) -> Result<RollBack, Error> {
        let (id, team) = self.find(name)?;
        Ok(RollBack { tenant: self.tenant.clone(), app: AppRef { id, env }, team, to })
    }

    /// Makes the earlier release live, or asks for it.
    ///
    /// # Errors
    /// No earlier release of this environment; an app that is switched off.
    pub async fn rollback(&self, permit: Permit<RollBack>) -> Result<Deployed, Error> {
        let name = self.name_of(&permit.act().app.id).ok_or_else(|| Error::Refused(apps::unknown("?")))?;
        let known = self.releases(&permit.act().app.id).await?;
        let (act, mut tx) = self.store.write(permit).await?;
        let tenant = tx.tenant().clone();
        let row = tx.query_one(apps::sql::DEPLOYMENT, params![&tenant, &act.app.id, act.app.env.as_str()]).await?;
        let now = row.map(|row| row.opt_int(1)).transpose()?.flatten().and_then(|number| u32::try_from(number).ok());
        let before = known
            .iter()
            .map(|view| (view.release, view.env))
            .filter(|(number, env)| *env == act.app.env && now.is_none_or(|now| number.0 < now));
        let to = act.to.or_else(|| before.map(|(number, _)| number).max());
        let to = to.ok_or_else(|| Error::Refused(nothing_earlier(&name)))?;
        let release = releases::one(&mut tx, &act.app.id, to).await?.filter(|release| release.env == act.app.env);
        let release = release.ok_or_else(|| Error::Refused(nothing_earlier(&name)))?;
        let secrets = self.secret_versions(&release.manifest, act.app.env).await?;
        let decided = Decided::of(&mut tx, act.app, name, release, secrets).await?;
        match decided.approved(&mut tx).await? {
            Ok(approved) => {
                let live = self.go_live(&mut tx, approved).await?;
                let detail =
                    serde_json::json!({ "release": to, "digest": live.document.digest, "approved_by": live.by.word() });
                let event = tx.commit(detail, None).await?.event;
                self.serve(live, event).await
            }
            Err(decided) => self.wait(tx, &decided).await,
        }
    }
}

fn nothing_earlier(name: &str) -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "release.unknown",
        format!("`{name}` has no such earlier release in this environment"),
        "a rollback goes to a release that was deployed here before",
        format!("`bailiwick app {name}` lists its releases"),
    )
}
