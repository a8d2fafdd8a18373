//! Roll back: an earlier release serves again, if today's rules still let it.

use crate::{Catalog, Decided, Deployed, Error, apps, decide::facts, releases};
use authority::{Act, AppRef, Judged, Permit, Rule, Target, Waiver, rules};
use model::{Env, Group, PersonId, Problem, ProblemKind, ReleaseNumber, TenantId};
use std::sync::Arc;

/// Serve an earlier release.
#[derive(Debug, Clone)]
pub struct RollBack {
    pub tenant: TenantId,
    pub app: AppRef,
    pub team: Group,
    pub to: ReleaseNumber,
    /// What policy judges, by today's rules: the manifest of that release, its tier and digest.
    pub facts: Judged,
    pub waivers: Arc<[Waiver]>,
}

impl Act for RollBack {
    const RULE: &'static Rule = &rules::RELEASE_ROLLBACK;
    fn target(&self) -> Target {
        Target::within(self.tenant.clone(), &self.app, format!("app/{}", self.app.id))
    }
    fn team(&self) -> Option<Group> {
        Some(self.team.clone())
    }
    fn facts(&self) -> Judged {
        self.facts.clone()
    }
    fn waivers(&self) -> &[Waiver] {
        &self.waivers
    }
}

impl Catalog {
    /// Names the act, asked for by a person or by the local credential. Without `to` it goes to the release before what
    /// serves now.
    ///
    /// # Errors
    /// No such app; no earlier release of this environment.
    pub async fn plan_rollback(
        &self,
        asks: Option<&PersonId>,
        name: &str,
        env: Env,
        to: Option<ReleaseNumber>,
    ) -> Result<RollBack, Error> {
        let (id, team) = self.find(name)?;
        let live = self.by_name(name).and_then(|app| app.envs.get(&env).and_then(|env| env.live.clone()));
        let known = self.known_releases(&id).await?;
        let of_env = known.into_iter().filter(|release| release.env == env);
        let release = match to {
            Some(to) => of_env.into_iter().find(|release| release.number == to),
            None => of_env
                .filter(|release| live.as_ref().is_none_or(|live| release.number < live.release))
                .max_by_key(|release| release.number),
        };
        let release = release.ok_or_else(|| Error::Refused(nothing_earlier(name)))?;
        let facts = facts(&release.manifest, &release.digest, env).into();
        let waivers = self.waivers_for(release.by.iter().chain(asks)).for_policy(name, &team);
        let (tenant, app) = (self.tenant.clone(), AppRef { id, env });
        Ok(RollBack { tenant, app, team, to: release.number, facts, waivers })
    }

    /// Makes the earlier release live, or asks for it.
    ///
    /// # Errors
    /// An app that is switched off.
    pub async fn rollback(&self, permit: Permit<RollBack>) -> Result<Deployed, Error> {
        let id = permit.act().app.id.clone();
        let name = self.name_of(&id).ok_or_else(|| Error::Refused(apps::unknown(id.as_str())))?;
        let (act, mut tx) = self.store.write(permit).await?;
        let to = act.to;
        let release = releases::one(&mut tx, &act.app.id, to).await?.filter(|release| release.env == act.app.env);
        let release = release.ok_or_else(|| Error::Refused(nothing_earlier(&name)))?;
        let secrets = self.secret_versions(&release.manifest, act.app.env).await?;
        let exceptions =
            self.excepted(&tx, (&name, &act.team), &release, tx.spent().caller().person(), tx.spent().held_off())?;
        let decided = Decided::of(&mut tx, act.app, name, release, secrets, exceptions).await?;
        match decided.approved(&mut tx).await? {
            Ok(approved) => {
                let live = self.go_live(&mut tx, approved).await?;
                let detail = serde_json::json!({
                    "release": to,
                    "digest": live.document.digest,
                    "approved_by": live.by.word(),
                    "waivers": live.exceptions,
                });
                let event = tx.commit(detail, None).await?.event;
                Ok(self.serve(live, event).await)
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
