//! Deploy: from checked files to a live release, or to a request that waits for a person.

use crate::{
    Catalog, Checked, Decided, Deployed, Error, Status, apps,
    decide::{ended, facts},
    releases::{self, Content},
    secrets::Versions,
    waivers,
};
use authority::{Act, AppRef, AppState, Judged, Permit, Rule, Target, Waiver, rules};
use model::{AppId, Env, Group, Manifest, PersonId, Problem, ProblemKind, TenantId};
use std::sync::Arc;
use store::{left_to_feed, params};

/// Deploy a release of an app, for its team.
#[derive(Debug, Clone)]
pub struct DeployApp {
    pub tenant: TenantId,
    pub app: AppRef,
    pub name: Arc<str>,
    pub team: Group,
    /// The app is new: this deploy puts it into the catalog.
    pub first: First,
    /// What policy judges: manifest, tier, digest.
    pub facts: Judged,
    pub waivers: Arc<[Waiver]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    Yes,
    No,
}

impl Act for DeployApp {
    const RULE: &'static Rule = &rules::APP_DEPLOY;
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
    /// Names the act: which app, new or known, for which team; sent by a person, or by the local credential.
    ///
    /// # Errors
    /// A name that another team's app has, or that is spent.
    pub fn plan(
        &self,
        sender: Option<&PersonId>,
        manifest: &Manifest,
        digest: &str,
        env: Env,
    ) -> Result<DeployApp, Error> {
        let name: Arc<str> = manifest.app.name.as_str().into();
        let known = self.by_name(&name);
        if let Some(app) = &known {
            if app.team != manifest.app.team {
                return Err(Error::Refused(other_team(&name)));
            }
            if app.envs.values().any(|env| env.state == AppState::Retired) {
                return Err(Error::Refused(ended(&name)));
            }
        }
        let first = if known.is_some() { First::No } else { First::Yes };
        let id = known.map_or_else(AppId::generate, |app| app.id.clone());
        let facts = facts(manifest, digest, env).into();
        Ok(DeployApp {
            tenant: self.tenant.clone(),
            app: AppRef { id, env },
            team: manifest.app.team.clone(),
            waivers: self.waivers_for(sender).for_policy(&name, &manifest.app.team),
            name,
            first,
            facts,
        })
    }

    /// Brings what a release is made of where it will lie. Once, before `deploy`, which may have to be asked again.
    ///
    /// # Errors
    /// When it cannot be kept there.
    pub async fn keep(&self, checked: &Checked) -> Result<Content, Error> {
        Content::keep(&self.store, &self.tenant, checked).await
    }

    /// Writes the release, and makes it live if nobody needs to be asked.
    ///
    /// # Errors
    /// An app that was switched off or ended; a surface that refuses; a record that cannot be written.
    pub async fn deploy(
        &self,
        permit: Permit<DeployApp>,
        checked: &Arc<Checked>,
        content: &Content,
    ) -> Result<Deployed, Error> {
        let secrets = self.secret_versions(checked.manifest(), permit.act().app.env).await?;
        let (act, mut tx) = self.store.write(permit).await?;
        let DeployApp { tenant, app, name, team, first, .. } = act;
        if first == First::Yes {
            let taken = tx.query_one(apps::sql::BY_NAME, params![&tenant, &*name]).await?;
            if taken.is_some() {
                return Err(Error::Refused(just_taken(&name)));
            }
            let now = tx.now();
            tx.execute(apps::sql::INSERT, params![&tenant, &app.id, &*name, &team, now]).await?;
        }
        let digest = checked.unpacked().digest().to_string();
        let findings = [checked.findings(), &waivers::held_off(tx.spent().held_off())].concat();
        let release = match releases::same(&mut tx, &app, &digest, &findings).await? {
            Some(release) => release,
            None => releases::insert(&mut tx, &app, checked, findings, content).await?,
        };
        let exceptions =
            self.excepted(&tx, (&name, &team), &release, tx.spent().caller().person(), tx.spent().held_off())?;
        let decided = Decided::of(&mut tx, app, name, release, secrets, exceptions).await?;
        match decided.approved(&mut tx).await? {
            Ok(approved) => {
                let live = self.go_live(&mut tx, approved).await?;
                let detail = serde_json::json!({
                    "release": live.document.release,
                    "digest": live.document.digest,
                    "tier": live.document.tier,
                    "status": "live",
                    "approved_by": live.by.word(),
                    "waivers": live.exceptions,
                });
                let event = tx.commit(detail, None).await?.event;
                Ok(self.serve(live, event).await)
            }
            Err(decided) => self.wait(tx, &decided).await,
        }
    }

    pub(crate) async fn secret_versions(&self, manifest: &Manifest, env: Env) -> Result<Versions, Error> {
        Ok(Versions(self.secrets.versions(manifest, env).await?))
    }

    pub(crate) async fn wait(&self, mut tx: store::Tx, decided: &Decided) -> Result<Deployed, Error> {
        let request = decided.ask(&mut tx).await?;
        let (tenant, app, now) = (tx.tenant().clone(), &decided.app, tx.now());
        let expires = crate::live::expires_at(&decided.release.manifest);
        tx.execute(apps::sql::WAIT_DEPLOYMENT, params![&tenant, &app.id, app.env.as_str(), expires, now]).await?;
        tx.feed(authority::change::APP, authority::change::app_key(app));
        let release = &decided.release;
        let detail = serde_json::json!({
            "release": release.number,
            "digest": release.digest,
            "tier": release.tier,
            "status": "waiting",
            "request": request,
            "waivers": decided.exceptions,
        });
        let event = tx.commit(detail, None).await?.event;
        left_to_feed(self.load_app(&app.id).await);
        let mut findings = release.findings.clone();
        left_to_feed(self.tell_waivers(&mut findings).await);
        Ok(Deployed {
            app: Some(decided.name.to_string()),
            app_id: Some(app.id.clone()),
            env: app.env,
            release: Some(release.number),
            digest: Some(release.digest.clone()),
            tier: Some(release.tier),
            status: Status::Waiting,
            url: Some(self.url(&decided.name, app.env)),
            findings,
            request: Some(request),
            event: Some(event),
            approval: None,
            problem: None,
        })
    }
}

impl crate::decide::ApprovedBy {
    pub(crate) fn word(&self) -> String {
        match self {
            Self::Tier => "tier".to_owned(),
            Self::Request(id) => format!("request/{id}"),
        }
    }
}

fn other_team(name: &str) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "app.team",
        format!("`{name}` belongs to another team"),
        "an app stays with the team that deployed it first",
        "choose another name, or set `team` in `bailiwick.toml` to the team that owns it",
    )
}

fn just_taken(name: &str) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "app.name",
        format!("someone just deployed another app named `{name}`"),
        "names are unique within a tenant",
        "look at it with `bailiwick apps`, or choose another name",
    )
}
