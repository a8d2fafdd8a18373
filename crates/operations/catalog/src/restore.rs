//! Restore: an app that was switched off serves again, with new credentials; what was issued before stays dead. Where the
//! yes to what served holds no more, it asks for another: until then that environment stays off, and keeps its data. An
//! environment whose waiver is over stays off too, and holds the others back in nothing. One that never served, or that is
//! past its date, serves nothing, and its team can deploy to it again.

use crate::{
    Catalog, Decided, Error, RestoreEmpty, RestoreOff, RestoreWaits, Restored, Status,
    approve::reason,
    apps::{self, EnvRecord},
    decide::facts,
    document::RestoredEnv,
    live::Live,
    releases::{self, Release},
    waivers::Exceptions,
};
use authority::{Act, AppRef, AppState, Judged, Permit, Rule, Target, Waiver, change, rules};
use model::{AppId, Env, Group, PersonId, Problem, ProblemKind, ReleaseNumber, RequestId, TenantId};
use std::sync::Arc;
use store::{StoreError, left_to_feed, params};

/// Let a switched-off app serve again.
#[derive(Debug, Clone)]
pub struct RestoreApp {
    pub tenant: TenantId,
    pub app: AppId,
    pub team: Group,
    /// What policy judges, by today's rules: the `releases` that would serve again, each as for a deploy.
    pub facts: Judged,
    /// The same by environment and digest: nothing else is opened.
    pub(crate) judged: Vec<(Env, String)>,
    pub waivers: Arc<[Waiver]>,
    pub why: String,
}

impl Act for RestoreApp {
    const RULE: &'static Rule = &rules::APP_RESTORE;
    fn target(&self) -> Target {
        Target::app(self.tenant.clone(), &self.app)
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
    /// Names the act, asked for by a person or by the local credential.
    ///
    /// # Errors
    /// No such app; no reason.
    pub async fn plan_restore(&self, asks: Option<&PersonId>, name: &str, why: &str) -> Result<RestoreApp, Error> {
        let (app, team) = self.find(name)?;
        let known = self.by_name(name);
        let now = self.clock.now();
        let off = |record: &EnvRecord| record.state == AppState::Revoked && now < record.expires_at;
        let envs = known.iter().flat_map(|app| &app.envs).filter(|(_, record)| off(record));
        let envs = envs.filter_map(|(env, record)| Some((*env, record.live.as_ref()?)));
        let (mut releases, mut judged, mut people) = (Vec::new(), Vec::new(), Vec::from_iter(asks.cloned()));
        for (env, live) in envs {
            releases.push(facts(&live.manifest, &live.digest, env));
            judged.push((env, live.digest.clone()));
            people.extend(self.known_release(&app, live.release).await?.and_then(|release| release.by));
        }
        let facts = serde_json::json!({ "releases": releases }).into();
        let waivers = self.waivers_for(&people).for_policy(name, &team);
        Ok(RestoreApp { tenant: self.tenant.clone(), app, team, facts, judged, waivers, why: reason(why)? })
    }

    /// Opens every surface anew, under the credential epoch that the revoke began.
    ///
    /// # Errors
    /// An app that is not switched off; one that needs a waiver which is over. `StoreError::Moved` when more is off
    /// than the permit was judged on.
    pub async fn restore(&self, permit: Permit<RestoreApp>) -> Result<Restored, Error> {
        let id = permit.act().app.clone();
        let name = self.name_of(&id).ok_or_else(|| Error::Refused(apps::unknown(id.as_str())))?;
        let (act, mut tx) = self.store.write(permit).await?;
        let tenant = tx.tenant().clone();
        let (mut restored, mut waiting, mut left_off, mut empty) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut waivers = Exceptions::default();
        for app in self.environments(&id) {
            let row = tx.query_one(apps::sql::DEPLOYMENT, params![&tenant, &app.id, app.env.as_str()]).await?;
            let Some(row) = row.filter(|row| row.text(0).is_ok_and(|state| apps::state(state) == AppState::Revoked))
            else {
                continue;
            };
            let number = row.opt_int(1)?.and_then(|number| u32::try_from(number).ok());
            let over = tx.now() >= row.time(4)?;
            let Some(number) = number.filter(|_| !over) else {
                let served = number.is_some();
                let (state, word) =
                    if served { (AppState::Expired, "expired") } else { (AppState::Waiting, "waiting") };
                let key = params![&tenant, &app.id, app.env.as_str(), word, tx.now()];
                tx.execute(apps::sql::LET_BE_DEPLOYED, key).await?;
                tx.feed(change::APP, change::app_key(&app));
                empty.push(RestoreEmpty { env: app.env, state });
                continue;
            };
            let epoch = row.uint(2)?;
            let (env, release) = (app.env, ReleaseNumber(number));
            match self.reopen(&mut tx, app, (&name, &act), release, epoch).await? {
                Reopened::Live(live) => {
                    waivers.extend(&live.exceptions);
                    restored.push((*live, epoch));
                }
                Reopened::Waits(request, exceptions) => {
                    waivers.extend(&exceptions);
                    waiting.push(RestoreWaits { env, release, request });
                }
                Reopened::Over(problem) => left_off.push(RestoreOff { env, release, problem }),
            }
        }
        if restored.is_empty() && waiting.is_empty() && empty.is_empty() {
            let over = left_off.into_iter().next().map(|off| off.problem);
            return Err(Error::Refused(over.unwrap_or_else(|| not_revoked(&name))));
        }
        let requests: Vec<_> = waiting.iter().map(|waits| &waits.request).collect();
        let status = match (restored.is_empty(), waiting.is_empty()) {
            (false, true) => Status::Live,
            (true, true) if empty.iter().any(|empty| empty.state == AppState::Expired) => Status::Expired,
            (true, true) | (_, false) => Status::Waiting,
        };
        let detail = serde_json::json!({
            "environments": restored.len(), "status": status, "request": requests.first(), "requests": requests,
            "waivers": waivers, "left_off": left_off.iter().map(|off| off.env).collect::<Vec<Env>>(),
            "empty": &empty,
        });
        let event = tx.commit(detail, Some(&act.why)).await?.event;
        if restored.is_empty() {
            left_to_feed(self.load_apps().await);
        }
        let mut environments = Vec::new();
        for (live, credential_epoch) in restored {
            let env = live.app.env;
            let document = self.serve(live, event.clone()).await;
            let (Some(release), Some(url)) = (document.release, document.url) else { continue };
            environments.push(RestoredEnv { env, release, url, credential_epoch });
        }
        Ok(Restored { app: name.to_string(), app_id: id, status, environments, waiting, left_off, empty, event })
    }

    async fn reopen(
        &self,
        tx: &mut store::Tx,
        app: AppRef,
        (name, act): (&Arc<str>, &RestoreApp),
        number: ReleaseNumber,
        credential_epoch: u64,
    ) -> Result<Reopened, Error> {
        let release = releases::one(tx, &app.id, number).await?.ok_or(Error::Manifest)?;
        // INVARIANT: a permit opens what it was judged on: more may have been switched off since it was planned.
        if !act.judged.iter().any(|(env, digest)| (*env, digest) == (app.env, &release.digest)) {
            return Err(StoreError::Moved { tenant: tx.tenant().clone(), current: tx.spent().epoch() }.into());
        }
        let secrets = self.secret_versions(&release.manifest, app.env).await?;
        let exceptions = match self.excepted_again(tx, act, app.env, &release, name) {
            Ok(exceptions) => exceptions,
            Err(Error::Refused(over)) => return Ok(Reopened::Over(over)),
            // Its day came while this waited for its turn to write.
            Err(Error::Denied(denied)) => return Ok(Reopened::Over(denied.into())),
            Err(error) => return Err(error),
        };
        let (name, compared_with) = (Arc::clone(name), Some(number));
        let decided = Decided { app, name, release, secrets, exceptions, compared_with, credential_epoch };
        match decided.approved(tx).await? {
            Ok(approved) => Ok(Reopened::Live(Box::new(self.go_live(tx, approved).await?))),
            Err(decided) => {
                tx.feed(change::APP, change::app_key(&decided.app));
                Ok(Reopened::Waits(decided.ask(tx).await?, decided.exceptions))
            }
        }
    }

    /// The permit is for all environments at once; each needs only what policy refuses of its own release.
    fn excepted_again(
        &self,
        tx: &store::Tx,
        act: &RestoreApp,
        env: Env,
        release: &Release,
        name: &str,
    ) -> Result<Exceptions, Error> {
        let caller = tx.spent().caller();
        let facts = facts(&release.manifest, &release.digest, env);
        let part = RestoreApp { facts: serde_json::json!({ "releases": [facts] }).into(), ..act.clone() };
        let held_off = match tx.spent().held_off() {
            [] => Vec::new(),
            _ => self.authority.held_off_of(caller, &part)?,
        };
        self.excepted(tx, (name, &act.team), release, caller.person(), &held_off)
    }
}

/// What became of one environment.
enum Reopened {
    Live(Box<Live>),
    /// A yes is needed again, to these waivers.
    Waits(RequestId, Exceptions),
    /// It needs a waiver that is over.
    Over(Problem),
}

fn not_revoked(name: &str) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "app.not_revoked",
        format!("`{name}` is not switched off"),
        "only an app that was switched off can be restored",
        format!("`bailiwick app {name}` shows its state"),
    )
}
