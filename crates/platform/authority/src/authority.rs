//! The one place that gives permits: walls, the table of acts, then policy.

use crate::{
    Act, AppFacts, AppState, BreakGlass, Caller, Denied, EpochEffect, Factor, Facts, HeldOff, MachineMay, May, Others,
    Permit, PersonFacts, Policy, Role, Rule, SecondFactor, Target, Who,
    answers::{Answer, Key},
    holds::Hold,
    input::{Today, midnight},
    rules,
};
use arc_swap::{ArcSwap, ArcSwapOption};
use model::{Clock, Env, Group, ProblemKind, TenantId, Timestamp};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// How long a second factor counts as fresh.
pub const SECOND_FACTOR_FRESH: Duration = Duration::from_secs(600);
/// Decisions kept in memory: a few hundred bytes each.
const KEPT_MAX: u64 = 50_000;

/// Caller and policy in, permit or denial out. Shared by the whole server.
pub struct Authority {
    pub(crate) clock: Arc<dyn Clock>,
    facts: ArcSwap<HashMap<TenantId, Arc<Facts>>>,
    policy: ArcSwapOption<Policy>,
    kept: moka::sync::Cache<Key, Answer>,
    /// Rises with every change of facts or policy: a decision that was under way meanwhile is not kept for after.
    generation: AtomicU64,
    moved: watch::Sender<u64>,
    today: Today,
    pub(crate) holds: Mutex<Vec<Hold>>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// Without a bundle every act is denied, until `set_policy`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, policy: Option<Policy>) -> Self {
        Self {
            clock,
            facts: ArcSwap::default(),
            policy: ArcSwapOption::from(policy.map(Arc::new)),
            kept: moka::sync::Cache::new(KEPT_MAX),
            generation: AtomicU64::new(0),
            moved: watch::Sender::new(0),
            today: Today::default(),
            holds: Mutex::default(),
        }
    }

    /// Replaces the bundle, and forgets every kept decision.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.store(Some(Arc::new(policy)));
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Replaces what is known of a tenant; older facts than those known are ignored.
    pub fn replace(&self, tenant: &TenantId, mut facts: Facts) {
        let holds = self.with_holds(tenant, &mut facts);
        let facts = Arc::new(facts);
        self.facts.rcu(|all| {
            let mut next = HashMap::clone(all);
            if next.get(tenant).is_none_or(|known| known.epoch <= facts.epoch) {
                next.insert(tenant.clone(), Arc::clone(&facts));
            }
            next
        });
        drop(holds);
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.moved.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Edits the newest facts of a tenant in memory alone, at the same epoch: a cut that cannot wait for the record.
    pub fn narrow(&self, tenant: &TenantId, edit: impl Fn(&mut Facts)) {
        self.facts.rcu(|all| {
            let mut next = HashMap::clone(all);
            let mut facts = next.get(tenant).map(|known| Facts::clone(known)).unwrap_or_default();
            edit(&mut facts);
            next.insert(tenant.clone(), Arc::new(facts));
            next
        });
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether the bundle in force may refuse with this code.
    #[must_use]
    pub fn policy_names(&self, code: &str) -> bool {
        self.policy.load().as_ref().is_some_and(|policy| policy.names(code))
    }

    /// What is known of a tenant now.
    #[must_use]
    pub fn facts(&self, tenant: &TenantId) -> Arc<Facts> {
        self.facts.load().get(tenant).cloned().unwrap_or_default()
    }

    /// The epoch that memory has reached.
    #[must_use]
    pub fn epoch(&self, tenant: &TenantId) -> u64 {
        self.facts(tenant).epoch
    }

    /// Waits until memory has reached `epoch`. Bounded by the caller.
    pub async fn reached(&self, tenant: &TenantId, epoch: u64) {
        let mut moved = self.moved.subscribe();
        while self.epoch(tenant) < epoch {
            if moved.changed().await.is_err() {
                return;
            }
        }
    }

    /// Asks whether `caller` may do `act`, now.
    ///
    /// # Errors
    /// A denial that names the rule, the reason, and who could allow it.
    #[expect(clippy::unused_async, reason = "a decision may come to need the database's clock or a remote bundle")]
    pub async fn permit<A: Act>(&self, caller: &Caller, act: A) -> Result<Permit<A>, Denied> {
        self.decide(caller, act)
    }

    /// The same, for paths that are not async. Never blocks.
    ///
    /// # Errors
    /// As `permit`.
    pub fn decide<A: Act>(&self, caller: &Caller, act: A) -> Result<Permit<A>, Denied> {
        let now = self.clock.now();
        let generation = self.generation.load(Ordering::SeqCst);
        let facts = lasting(self.facts(&caller.tenant), caller, now);
        let target = act.target();
        let exception = exception(caller, &act);
        let key = may_be_kept(A::RULE).then(|| Key {
            who: caller.who.clone(),
            act: A::RULE.name,
            target: target.clone(),
            team: act.team(),
            requester: act.requester(),
            facts: act.facts().to_string(),
        });
        if let Some(kept) = key.as_ref().and_then(|key| self.kept.get(key))
            && kept.generation == generation
            && kept.epoch == facts.epoch
            && (kept.decided_at..kept.good_until).contains(&now)
        {
            return match kept.refused {
                Some(denied) => Err(denied),
                None => Ok(Permit::new(caller.clone(), act, facts.epoch, kept.good_until, exception)),
            };
        }
        let answer = self.ask(&Case::new(caller, A::RULE, target, &facts, now), &act);
        if let Some(key) = key {
            let good_until = answer.as_ref().map_or_else(|_| now.plus(Duration::from_secs(1)), |(until, _)| *until);
            let refused = answer.as_ref().err().cloned();
            self.kept.insert(key, Answer { generation, epoch: facts.epoch, decided_at: now, good_until, refused });
        }
        answer.map(|(good_until, held_off)| {
            Permit::new(caller.clone(), act, facts.epoch, good_until, exception).holding_off(held_off)
        })
    }

    fn ask<A: Act>(&self, case: &Case<'_>, act: &A) -> Result<(Timestamp, Vec<HeldOff>), Denied> {
        case.walls()?;
        case.matrix(act)?;
        case.second_factor()?;
        case.not_own_request(act)?;
        let held_off = self.policy_answer(case, act)?;
        let until = held_off.iter().map(|held| held.waiver.until).fold(case.good_until(), Timestamp::min);
        Ok((until, held_off))
    }

    /// What the bundle says: it may refuse, and what it does not decide is refused. What it refuses and a waiver holds off
    /// comes back.
    pub(crate) fn policy_answer<A: Act>(&self, case: &Case<'_>, act: &A) -> Result<Vec<HeldOff>, Denied> {
        let policy = self.policy.load();
        let input = case.input(act, self.today.at(case.now));
        let refusals = match policy.as_ref() {
            Some(policy) => policy.refusals(&input),
            None => Ok(vec![]),
        };
        match refusals {
            Ok(refusals) if policy.is_some() => {
                refusals.into_iter().map(|refusal| case.held_off(refusal, act.waivers())).collect()
            }
            Ok(_) | Err(_) => {
                if let Err(error) = &refusals {
                    tracing::error!(act = case.rule.name, error = error as &dyn std::error::Error, "policy");
                }
                Err(Denied::new(
                    case.rule.name,
                    "policy.undecided",
                    "the policy could not decide, and what is not decided is refused",
                    "tell an operator; `bailiwick policy test` shows what is wrong with the bundle",
                ))
            }
        }
    }
}

/// One question: who, what, on what, and what is known.
pub(crate) struct Case<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) rule: &'static Rule,
    pub(crate) target: Target,
    pub(crate) facts: &'a Facts,
    pub(crate) now: Timestamp,
    /// Who the caller is, if a person who is known.
    pub(crate) person: Option<&'a PersonFacts>,
    /// The target's app, if it is known.
    pub(crate) app: Option<&'a AppFacts>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(
        caller: &'a Caller,
        rule: &'static Rule,
        target: Target,
        facts: &'a Facts,
        now: Timestamp,
    ) -> Self {
        let person = caller.person().and_then(|id| facts.people.get(id));
        let app = target.app.as_ref().and_then(|id| {
            let env = target.env.unwrap_or(Env::Prod);
            facts.apps.get(&(id.clone(), env))
        });
        let (person, app) = (person.map(AsRef::as_ref), app.map(AsRef::as_ref));
        Self { caller, rule, target, facts, now, person, app }
    }
}

impl Case<'_> {
    fn deny(&self, code: &str, why: impl Into<String>, fix: impl Into<String>) -> Denied {
        Denied::new(self.rule.name, code, why, fix)
    }

    /// Tenants do not meet; a disabled person is nobody; an app acts within itself, and only while it is live.
    pub(crate) fn walls(&self) -> Result<(), Denied> {
        let system = matches!(self.caller.who, Who::System { .. });
        if self.caller.tenant != self.target.tenant && !system {
            return Err(self
                .deny("tenant.wall", "it belongs to another tenant", "ask the tenant that owns it")
                .with_kind(ProblemKind::NotFound));
        }
        if self.caller.person().is_some() && !self.person.is_some_and(|person| person.enabled) {
            return Err(self
                .deny(
                    "person.disabled",
                    "this account is switched off",
                    "ask an operator for a new account, under another address",
                )
                .with_kind(ProblemKind::Unauthenticated));
        }
        if let Some(app) = self.caller.app() {
            let own = self.target.app.as_ref() == Some(&app.id) && self.target.env.is_none_or(|env| env == app.env);
            if !own {
                return Err(self.deny(
                    "app.wall",
                    "an app may touch only what is its own",
                    "use the app's own data and grants",
                ));
            }
            self.app_is_live(self.facts.apps.get(&(app.id.clone(), app.env)).map(AsRef::as_ref))?;
        }
        // What is open to everybody is open while the app is live.
        if self.rule == &rules::APP_USE_PUBLIC {
            self.app_is_live(self.app)?;
        }
        Ok(())
    }

    fn app_is_live(&self, app: Option<&AppFacts>) -> Result<(), Denied> {
        let (code, why, fix) = match app {
            Some(app) if app.state == AppState::Live && self.now < app.expires_at => return Ok(()),
            Some(app) if matches!(app.state, AppState::Live | AppState::Expired) => {
                ("app.expired", "the app is past its date", "its team can deploy it again with a later `expires`")
            }
            Some(app) if app.state == AppState::Revoked => {
                ("app.revoked", "the app was switched off", "ask an operator; only they can restore it")
            }
            Some(app) if app.state == AppState::Retired => {
                ("app.retired", "the app was ended for good", "ask its team what took its place")
            }
            Some(_) | None => {
                ("app.not_live", "nothing of this app is live yet", "deploy it, or wait for its approval")
            }
        };
        Err(self.deny(code, why, fix).with_kind(ProblemKind::Gone))
    }

    pub(crate) fn matrix<A: Act>(&self, act: &A) -> Result<(), Denied> {
        match &self.caller.who {
            Who::Person { .. } => self.person_may(act),
            Who::Machine { .. } => self.machine_may(act),
            Who::App(_) | Who::AppFor { .. } => self.other_may(&[Others::Apps, Others::AppsAndSystem]),
            Who::System { .. } => self.other_may(&[Others::System, Others::AppsAndSystem]),
            Who::Stranger => self.other_may(&[Others::Strangers]).map_err(|_| {
                self.deny("sign_in.needed", "nobody is signed in", "sign in, then try again")
                    .with_kind(ProblemKind::Unauthenticated)
            }),
        }
    }

    fn other_may(&self, who: &[Others]) -> Result<(), Denied> {
        if who.contains(&self.rule.others) {
            return Ok(());
        }
        Err(self.deny(
            "caller.kind",
            format!("a caller of this kind (`{}`) never may", self.caller.kind()),
            self.who_could(),
        ))
    }

    fn machine_may<A: Act>(&self, act: &A) -> Result<(), Denied> {
        match (self.rule.machine, act.break_glass()) {
            (MachineMay::Yes, _) | (MachineMay::BreakGlass, BreakGlass::Yes) => Ok(()),
            (MachineMay::BreakGlass, BreakGlass::No) => Err(self.deny(
                "machine.break_glass",
                "this needs a person's yes; the local credential is no person",
                format!(
                    "{}; in an emergency use `--break-glass`, which is shown as EXCEPTION for ever",
                    self.who_could()
                ),
            )),
            (MachineMay::No, _) => {
                Err(self.deny("machine.never", "the local credential never may; it is no person", self.who_could()))
            }
        }
    }

    fn person_may<A: Act>(&self, act: &A) -> Result<(), Denied> {
        let Some(person) = self.person else {
            return Err(self.deny("person.unknown", "this account is not known here", "ask an operator to add you"));
        };
        let needs_app = self.rule.people.contains(&May::AppUser);
        if needs_app {
            self.app_is_live(self.app)?;
        }
        let may = |may: &May| match may {
            May::Everyone => true,
            May::Has(role) => person.has(*role),
            May::BuilderInTeam => person.has(Role::Builder) && act.team().is_some_and(|team| person.is_in(&team)),
            May::AppUser => self
                .app
                .is_some_and(|app| app.access.everyone || app.access.groups.iter().any(|group| person.is_in(group))),
        };
        if self.rule.people.iter().any(may) {
            return Ok(());
        }
        if needs_app {
            let groups = self.app.map(|app| &app.access.groups);
            let lack = match groups.map_or(0, |groups| groups.len()) {
                1 => "you are not in it",
                _ => "you are in none of them",
            };
            let groups = groups.map(|groups| words(groups)).unwrap_or_default();
            return Err(self.deny(
                "app.not_for_you",
                format!("the app is for {groups}, and {lack}"),
                self.joining(person, self.app.into_iter().flat_map(|app| app.access.groups.first())),
            ));
        }
        let builders = Group::new(Role::Builder.group());
        let team = act.team().filter(|_| self.rule.people.contains(&May::BuilderInTeam));
        let any_builder = self.rule.people == [May::Has(Role::Builder)];
        let fix = if team.is_some() || any_builder {
            let wanted = std::iter::once(&builders).chain(&team);
            format!("{}; {}", self.joining(person, wanted), self.who_could())
        } else {
            self.who_could()
        };
        Err(self.deny("role.missing", format!("you have no role that may {}", self.rule.says), fix))
    }

    /// The very command that brings a person into groups that they lack.
    fn joining<'g>(&self, person: &PersonFacts, groups: impl Iterator<Item = &'g Group>) -> String {
        let joins: String =
            groups.filter(|group| !person.is_in(group)).map(|group| format!(" --join {group}")).collect();
        match joins.as_str() {
            "" => "ask the app's team, or an operator".to_owned(),
            joins => format!("ask an operator to run `bailiwick people groups {}{joins}`", person.email),
        }
    }

    pub(crate) fn second_factor(&self) -> Result<(), Denied> {
        let Who::Person { factor, .. } = &self.caller.who else { return Ok(()) };
        let fresh = match factor {
            Factor::Second { at } => self.now.is_within(SECOND_FACTOR_FRESH, *at),
            Factor::Link => false,
        };
        if self.rule.second_factor == SecondFactor::No || fresh {
            return Ok(());
        }
        Err(self.deny(
            "second_factor.needed",
            "this needs a second factor that is not older than ten minutes",
            "confirm with your passkey, or sign in again by single sign-on, then repeat it",
        ))
    }

    fn not_own_request<A: Act>(&self, act: &A) -> Result<(), Denied> {
        match (act.requester(), self.caller.person()) {
            (Some(requester), Some(person)) if requester == *person => Err(self.deny(
                "approval.own",
                "you asked for this yourself; a yes must come from someone else",
                self.who_could(),
            )),
            _ => Ok(()),
        }
    }

    /// A sentence that names who could do it.
    pub(crate) fn who_could(&self) -> String {
        let mut who: Vec<&str> = self
            .rule
            .people
            .iter()
            .map(|may| match may {
                May::Everyone => "anyone who is signed in",
                May::Has(role) => role.group(),
                May::BuilderInTeam => "builders of its team",
                May::AppUser => "the people whom the app lets in",
            })
            .collect();
        if self.rule.machine == MachineMay::Yes {
            who.push("the local credential on the server's machine");
        }
        match who.as_slice() {
            [] => "nobody does this by hand; the system does".to_owned(),
            [one] => format!("these may: {one}"),
            many => format!("these may: {}", many.join(", ")),
        }
    }

    /// The earliest expiry among the facts used, and never past midnight, since policy sees the date.
    fn good_until(&self) -> Timestamp {
        let midnight = midnight(self.now);
        let app = self.app.filter(|app| app.state == AppState::Live).map_or(midnight, |app| app.expires_at);
        let person = self.person.and_then(PersonFacts::good_until).unwrap_or(midnight);
        app.min(person).min(midnight)
    }
}

/// Acts that keep the epoch, and rest on nothing but caller, target and facts.
fn may_be_kept(rule: &Rule) -> bool {
    rule.epoch == EpochEffect::Keeps && rule.second_factor == SecondFactor::No && rule.machine != MachineMay::BreakGlass
}

fn exception<A: Act>(caller: &Caller, act: &A) -> Option<&'static str> {
    let machine = matches!(caller.who, Who::Machine { .. });
    (machine && A::RULE.machine == MachineMay::BreakGlass && act.break_glass() == BreakGlass::Yes)
        .then_some("break-glass")
}

/// A group that has ended counts no more, even before the job that takes its row away.
fn lasting(facts: Arc<Facts>, caller: &Caller, now: Timestamp) -> Arc<Facts> {
    let known = caller.person().and_then(|id| Some((id, facts.people.get(id)?)));
    let Some((id, person)) = known.filter(|(_, person)| person.good_until().is_some_and(|until| until <= now)) else {
        return facts;
    };
    let (id, person) = (id.clone(), Arc::new(person.at(now)));
    let mut narrowed = Facts::clone(&facts);
    narrowed.people.insert(id, person);
    Arc::new(narrowed)
}

fn words(groups: &[model::Group]) -> String {
    match groups {
        [] => "nobody yet".to_owned(),
        groups => groups.iter().map(|group| format!("`{group}`")).collect::<Vec<_>>().join(", "),
    }
}
