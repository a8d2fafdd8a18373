//! Waivers: an exception to one rule for one app, agreed to by somebody else than who deploys it, with a why and a last
//! day. What is waived is shown wherever it was found; on its day, or when somebody ends it, the rule holds again.
//!
//! Refuses: a rule that nobody can except (`waivers/rules.rs`), a day past or too far, one's own release. A waiver that
//! whoever deploys, goes back or restores agreed to themself holds nothing off.

mod rules;
pub(crate) mod sql;
mod standing;

pub(crate) use standing::{Exceptions, InMemory};
pub use standing::{WaiverView, Waivers, held_off};

use crate::{Catalog, Error, approve::reason, independence::dependence, releases::Release};
use authority::{Act, BreakGlass, HeldOff, Judged, Permit, Rule, Target, change};
use model::{
    AppId, Finding, Group, PersonId, Problem, ProblemKind, Severity, TenantId, Timestamp, WaiverId, WaiverState,
    manifest,
};
use std::{collections::BTreeSet, time::Duration};
use store::{Outcome, Tx, left_to_feed, params};

/// Longer than that is no exception any more: the rule is changed, or the app.
const LONGEST: Duration = Duration::from_secs(90 * 86_400);

/// Agree to an exception.
#[derive(Debug, Clone)]
pub struct GrantWaiver {
    pub tenant: TenantId,
    pub id: WaiverId,
    /// None while nothing of that name was deployed.
    pub app: Option<AppId>,
    pub name: String,
    pub team: Group,
    pub code: String,
    pub until: Timestamp,
    pub why: String,
    pub break_glass: BreakGlass,
    /// Who deployed its newest release: whoever needs the exception does not agree to it.
    pub deployer: Option<PersonId>,
    pub facts: Judged,
}

impl Act for GrantWaiver {
    const RULE: &'static Rule = &authority::rules::WAIVER_GRANT;
    fn target(&self) -> Target {
        target(&self.tenant, self.app.as_ref(), &self.id)
    }
    fn team(&self) -> Option<Group> {
        Some(self.team.clone())
    }
    fn requester(&self) -> Option<PersonId> {
        self.deployer.clone()
    }
    fn break_glass(&self) -> BreakGlass {
        self.break_glass
    }
    fn facts(&self) -> Judged {
        self.facts.clone()
    }
}

/// End an exception before its day.
#[derive(Debug, Clone)]
pub struct EndWaiver {
    pub tenant: TenantId,
    pub id: WaiverId,
    pub app: Option<AppId>,
    pub why: String,
}

impl Act for EndWaiver {
    const RULE: &'static Rule = &authority::rules::WAIVER_END;
    fn target(&self) -> Target {
        target(&self.tenant, self.app.as_ref(), &self.id)
    }
}

/// See which waivers there are.
#[derive(Debug, Clone)]
pub struct ListWaivers {
    pub tenant: TenantId,
}

impl Act for ListWaivers {
    const RULE: &'static Rule = &authority::rules::WAIVER_LIST;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "waivers")
    }
}

fn target(tenant: &TenantId, app: Option<&AppId>, id: &WaiverId) -> Target {
    Target { app: app.cloned(), ..Target::new(tenant.clone(), format!("waiver/{id}")) }
}

/// What somebody wants waived.
#[derive(Debug, Clone)]
pub struct WaiverWish {
    pub app: String,
    /// Needed while nothing of that name was deployed: only an app of that team takes it.
    pub team: Option<Group>,
    /// The rule, as a finding or a refusal names it.
    pub code: String,
    pub until: Timestamp,
    pub why: String,
    pub break_glass: BreakGlass,
}

impl Catalog {
    /// Names the act of agreeing.
    ///
    /// # Errors
    /// A rule that nobody can except; a day past or too far; no reason; what is no name of an app or team; a name that no
    /// app has, without its team.
    pub async fn plan_waiver(&self, wish: WaiverWish) -> Result<GrantWaiver, Error> {
        let WaiverWish { app: name, team, code, until, why, break_glass } = wish;
        // Both go into the record as they are, and nothing that somebody thought up may stand there.
        if !manifest::is_app_name(&name) {
            return Err(Error::Refused(bad_app()));
        }
        if team.as_ref().is_some_and(|team| !manifest::is_group_name(team.as_str())) {
            return Err(Error::Refused(bad_team()));
        }
        rules::judge(&code, &self.authority)?;
        let now = self.clock.now();
        if until <= now || until > now.plus(LONGEST) {
            return Err(Error::Refused(bad_day()));
        }
        let (app, team) = match (self.find(&name), team) {
            (Ok((app, team)), _) => (Some(app), team),
            (Err(_), Some(team)) => (None, team),
            (Err(_), None) => return Err(Error::Refused(whose(&name))),
        };
        let newest = match &app {
            Some(app) => self.known_releases(app).await?.into_iter().next(),
            None => None,
        };
        let facts = serde_json::json!({ "code": code, "app": name, "team": team, "until": until }).into();
        Ok(GrantWaiver {
            tenant: self.tenant.clone(),
            id: WaiverId::generate(),
            app,
            name,
            team,
            code,
            until,
            why: reason(&why)?,
            break_glass,
            deployer: newest.and_then(|release| release.by),
            facts,
        })
    }

    /// Agrees to it; one of the same rule that held before is over.
    ///
    /// # Errors
    /// When record or database fail.
    pub async fn grant_waiver(&self, permit: Permit<GrantWaiver>) -> Result<WaiverView, Error> {
        let (act, mut tx) = self.store.write(permit).await?;
        let (by, exception, now) = (tx.spent().caller().chain().join(" "), tx.spent().exception(), tx.now());
        let deployer = act.deployer.as_ref().map(|person| format!("person:{person}"));
        let dependence = dependence(&self.vouchers.vouchers(tx.spent().caller()), deployer.as_deref());
        let said = serde_json::to_string(&dependence).map_err(|_| Error::Manifest)?;
        let GrantWaiver { tenant, id, name, team, code, until, why, .. } = act;
        tx.execute(sql::REPLACE, params![&tenant, name.as_str(), code.as_str(), by.as_str(), now]).await?;
        let row = params![
            &tenant,
            id.as_str(),
            name.as_str(),
            &team,
            code.as_str(),
            until,
            by.as_str(),
            exception,
            said,
            now,
        ];
        tx.execute(sql::INSERT, row).await?;
        tx.feed(change::WAIVERS, "");
        let mut detail = serde_json::json!({
            "waiver": id, "name": name, "code": code, "until": until, "dependence": dependence,
        });
        // While nobody is known to have deployed it, nobody knows whether whoever agreed is independent of them.
        if let (Some(_), Some(said)) = (&deployer, detail.as_object_mut()) {
            said.insert("independent".to_owned(), dependence.is_empty().into());
        }
        tx.commit(detail, Some(&why)).await?;
        left_to_feed(self.load_waivers().await);
        Ok(WaiverView {
            user: self.authority.facts(&self.tenant).actor(&by),
            id,
            app: name,
            team,
            code,
            state: WaiverState::Active,
            until,
            by,
            exception: exception.map(str::to_owned),
            dependence: dependence.into_iter().map(str::to_owned).collect(),
            why: Some(why),
            granted_at: now,
            ended_by: None,
            ended_at: None,
        })
    }

    /// Names the act of ending.
    ///
    /// # Errors
    /// No such waiver; no reason.
    pub fn plan_end_waiver(&self, id: &WaiverId, why: &str) -> Result<EndWaiver, Error> {
        let known = self.waiver(id).ok_or_else(|| Error::Refused(unknown(id)))?;
        let app = self.find(&known.app).ok().map(|(app, _)| app);
        Ok(EndWaiver { tenant: self.tenant.clone(), id: known.id, app, why: reason(why)? })
    }

    /// Ends it: from now on the rule holds again.
    ///
    /// # Errors
    /// One that is over already.
    pub async fn end_waiver(&self, permit: Permit<EndWaiver>) -> Result<WaiverView, Error> {
        let known = self.waiver(&permit.act().id).ok_or_else(|| Error::Refused(unknown(&permit.act().id)))?;
        let (act, mut tx) = self.store.write(permit).await?;
        let (by, now) = (tx.spent().caller().chain().join(" "), tx.now());
        if tx.execute(sql::END, params![&act.tenant, act.id.as_str(), by.as_str(), now]).await? != 1 {
            return Err(Error::Refused(over(&known)));
        }
        tx.feed(change::WAIVERS, "");
        let detail = serde_json::json!({ "waiver": act.id, "name": known.app, "code": known.code });
        tx.commit(detail, Some(&act.why)).await?;
        left_to_feed(self.load_waivers().await);
        Ok(WaiverView { state: WaiverState::Ended, ended_by: Some(by), ended_at: Some(now), ..known })
    }

    /// Ends all of an app that is gone, or all that there are: in the transaction of the act that takes them back.
    pub(crate) async fn end_waivers(&self, tx: &mut Tx, app: Option<&str>) -> Result<(), Error> {
        let (tenant, by, now) = (tx.tenant().clone(), tx.spent().caller().chain().join(" "), tx.now());
        let ended = match app {
            Some(app) => tx.execute(sql::END_OF_APP, params![&tenant, app, by, now]).await?,
            None => tx.execute(sql::END_ALL, params![&tenant, by, now]).await?,
        };
        if ended > 0 {
            tx.feed(change::WAIVERS, "");
        }
        Ok(())
    }

    /// All of them, or those of one app, newest first; without their words.
    ///
    /// # Errors
    /// When the record takes no more.
    pub fn waivers(&self, permit: Permit<ListWaivers>, app: Option<&str>) -> Result<Vec<WaiverView>, Error> {
        self.store.access(permit, Outcome::Allowed, serde_json::Value::Null)?;
        let mut views = self.waivers_now();
        views.retain(|waiver| app.is_none_or(|app| waiver.app == app));
        Ok(views)
    }

    /// Those of one app with their words, newest first, for whoever may see the app.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub async fn waivers_of(&self, app: &str) -> Result<Vec<WaiverView>, Error> {
        /// Older ones stand in the list of all.
        const SHOWN: usize = 20;
        let mut views = self.waivers_now();
        views.retain(|waiver| waiver.app == app);
        views.truncate(SHOWN);
        self.worded(&mut views).await?;
        Ok(views)
    }

    fn waivers_now(&self) -> Vec<WaiverView> {
        self.known_waivers().iter().map(|waiver| self.waiver_now(waiver)).collect()
    }

    fn waiver_now(&self, waiver: &WaiverView) -> WaiverView {
        WaiverView {
            state: waiver.state_at(self.clock.now()),
            user: self.authority.facts(&self.tenant).actor(&waiver.by),
            ..waiver.clone()
        }
    }

    fn waiver(&self, id: &WaiverId) -> Option<WaiverView> {
        self.known_waivers().iter().find(|waiver| waiver.id == *id).map(|waiver| self.waiver_now(waiver))
    }

    /// Fills in why each was agreed to: the words stand in the record alone, sealed.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub async fn worded(&self, waivers: &mut [WaiverView]) -> Result<(), Error> {
        for waiver in waivers {
            waiver.why = self.why_waived(&waiver.id).await?;
        }
        Ok(())
    }

    async fn why_waived(&self, id: &WaiverId) -> Result<Option<String>, Error> {
        self.words_of(None, format!("waiver/{id}"), &authority::rules::WAIVER_GRANT).await
    }

    /// What is told with findings and not stored with them: whether their waivers hold now, whose they are, and why.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub async fn tell_waivers(&self, findings: &mut [Finding]) -> Result<(), Error> {
        for waived in findings.iter_mut().filter_map(|finding| finding.waiver.as_mut()) {
            if let Some(known) = self.waiver(&waived.id) {
                *waived = known.on_finding(self.clock.now());
            }
            waived.user = Some(self.authority.facts(&self.tenant).actor(&waived.by));
            waived.why = self.why_waived(&waived.id).await?;
        }
        Ok(())
    }

    /// What a release needs excepted, by what its gates found and by what policy refused of it just now (`held_off`). None
    /// of it may have been agreed to by whoever sent the release, or by `asks`, who would have it serve.
    ///
    /// INVARIANT: memory is as new as the epoch of the permit, and a waiver that came or went since raised it: what is
    /// committed rests on waivers that stand. What the act itself brings may be older than its permit, and its day may have
    /// come while it waited for its turn to write, so it is looked up once more.
    pub(crate) fn excepted(
        &self,
        tx: &Tx,
        (name, team): (&str, &Group),
        release: &Release,
        asks: Option<&PersonId>,
        held_off: &[HeldOff],
    ) -> Result<Exceptions, Error> {
        let (waivers, now) = (self.waivers_for(release.by.iter().chain(asks)), tx.now());
        let mut excepted = BTreeSet::new();
        for HeldOff { waiver: held, why, .. } in held_off {
            match waivers.newest(name, team, &held.code) {
                Some(waiver) if waiver.id == held.id && waiver.state_at(now) == WaiverState::Active => {
                    excepted.insert(held.id.clone());
                }
                over => return Err(Error::Refused(self.rearmed(name, release, (&held.code, why), over))),
            }
        }
        let needs = |finding: &&Finding| finding.severity == Severity::Block && rules::is_gates(&finding.code);
        for finding in release.findings.iter().filter(needs) {
            match waivers.newest(name, team, &finding.code) {
                Some(waiver) if waiver.state_at(now) == WaiverState::Active => {
                    excepted.insert(waiver.id.clone());
                }
                over => {
                    let found = (&*finding.code, &*finding.what);
                    return Err(Error::Refused(self.rearmed(name, release, found, over)));
                }
            }
        }
        Ok(Exceptions(excepted))
    }

    /// What policy refuses of an approval alone: nobody was asked to agree to it, so no waiver of it is taken.
    pub(crate) fn unasked<'h>(&self, held_off: &'h [HeldOff], asked: &Exceptions) -> Option<&'h HeldOff> {
        let known = self.known_waivers();
        let asked: BTreeSet<&str> =
            known.iter().filter(|known| asked.0.contains(&known.id)).map(|known| known.code.as_str()).collect();
        held_off.iter().find(|held| !asked.contains(held.waiver.code.as_str()))
    }

    fn rearmed(&self, name: &str, release: &Release, (code, what): (&str, &str), over: Option<&WaiverView>) -> Problem {
        let facts = self.authority.facts(&self.tenant);
        let over = over.map(WaiverView::known).map(|waiver| match waiver.until <= self.clock.now() {
            true => facts.waiver_is_over(&waiver),
            false => "another one took the place of its waiver".to_owned(),
        });
        let none = || "no waiver of it holds that somebody else agreed to".to_owned();
        Problem::new(
            ProblemKind::Conflict,
            "waiver.over",
            format!("release {} of `{name}` needs a waiver of `{code}`", release.number),
            format!("{what}; {}", over.unwrap_or_else(none)),
            format!("mend it and deploy again, or ask a reviewer: `{}`", command(name, code)),
        )
    }
}

/// As somebody types it who may.
fn command(app: &str, code: &str) -> String {
    format!("bailiwick waivers grant {app} {code} --until DAY --why …")
}

fn bad_day() -> Problem {
    Problem::new(
        ProblemKind::Unprocessable,
        "waiver.date",
        "a waiver cannot last until then",
        "an exception ends within 90 days; what is needed for longer is a change of the rule",
        "choose a day between today and 90 days ahead",
    )
}

fn bad_app() -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "waiver.app",
        "that is no name that an app can have",
        "an app's name is small letters, digits and single `-`, from a letter to a letter or digit, 2 to 40 of them, and no word that is taken",
        "write the name as `bailiwick.toml` has it",
    )
}

fn bad_team() -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "waiver.team",
        "that is no name that a team can have",
        "a team's name is small letters, digits and single `-`, from a letter to a letter or digit, 2 to 40 of them, and no word that is taken",
        "write the team as `bailiwick.toml` has it",
    )
}

fn whose(name: &str) -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "app.unknown",
        format!("there is no app `{name}`"),
        "nothing of that name was deployed, so its team is not known",
        "name the team that will deploy it, with `--team TEAM`; `bailiwick apps` lists what there is",
    )
}

fn unknown(id: &WaiverId) -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "waiver.unknown",
        format!("there is no waiver `{id}`"),
        "it was never agreed to, or belongs to another tenant",
        "`bailiwick waivers list` shows what there is",
    )
}

fn over(waiver: &WaiverView) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "waiver.ended",
        format!("the waiver `{}` is over already", waiver.id),
        "its day came, somebody ended it, or a newer one took its place",
        "`bailiwick waivers list` shows which hold",
    )
}
