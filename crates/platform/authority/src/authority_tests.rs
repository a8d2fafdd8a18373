//! Decisions: walls, kept answers, policy, and what is said when it is no.

use crate::{
    Act, AppFacts, AppRef, AppState, Authority, BreakGlass, Caller, Factor, Facts, PersonFacts, Policy, Rule, Target,
    Who, rules,
};
use model::{
    AppId, Class, Clock, Env, Group, ManualClock, PersonId, ProblemKind, SessionId, TenantId, Timestamp,
    manifest::Access,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const QUIET: &str = "package bailiwick\nimport rego.v1\ndeny contains refusal if {\n\tinput.act == \"never\"\n\trefusal := {\"code\": \"policy.never\", \"why\": \"never\", \"fix\": \"do not\"}\n}\n";

#[derive(Debug, Clone)]
struct Use(AppRef);

impl Act for Use {
    const RULE: &'static Rule = &rules::APP_USE;
    fn target(&self) -> Target {
        Target::within(TenantId::main(), &self.0, format!("app/{}", self.0.id))
    }
}

#[derive(Debug, Clone)]
struct UsePublic(AppRef);

impl Act for UsePublic {
    const RULE: &'static Rule = &rules::APP_USE_PUBLIC;
    fn target(&self) -> Target {
        Target::within(TenantId::main(), &self.0, format!("app/{}", self.0.id))
    }
}

#[derive(Debug, Clone)]
struct Approve {
    requester: PersonId,
    break_glass: BreakGlass,
}

impl Act for Approve {
    const RULE: &'static Rule = &rules::RELEASE_APPROVE;
    fn target(&self) -> Target {
        Target::new(TenantId::main(), "request/r")
    }
    fn requester(&self) -> Option<PersonId> {
        Some(self.requester.clone())
    }
    fn break_glass(&self) -> BreakGlass {
        self.break_glass
    }
}

fn app() -> AppRef {
    AppRef { id: AppId::new("app"), env: Env::Prod }
}

fn start() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

fn facts(epoch: u64, state: AppState, groups: &[&str]) -> Facts {
    let ana = PersonFacts {
        email: "ana@example.test".into(),
        name: None,
        groups: groups.iter().map(|group| Group::new(*group)).collect(),
        lapses: BTreeMap::new(),
        enabled: true,
    };
    let access = Access {
        everyone: false,
        groups: vec![Group::new("staff")],
        roles: BTreeMap::new(),
        mfa: vec![],
        public: vec![],
        addresses: vec![],
    };
    let app_facts = AppFacts {
        name: "poll".into(),
        team: Group::new("people-ops"),
        class: Class::Internal,
        state,
        access: Arc::new(access),
        expires_at: start().plus(Duration::from_secs(3_600)),
        credential_epoch: 1,
    };
    Facts {
        epoch,
        people: [(PersonId::new("ana"), Arc::new(ana))].into(),
        apps: [((AppId::new("app"), Env::Prod), Arc::new(app_facts))].into(),
    }
}

fn authority(policy: &str, facts: Facts) -> (Authority, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(start()));
    let policy = Policy::compile(&[("test.rego".to_owned(), policy.to_owned())]).unwrap();
    let authority = Authority::new(Arc::clone(&clock) as Arc<dyn Clock>, Some(policy));
    authority.replace(&TenantId::main(), facts);
    (authority, clock)
}

fn ana(factor: Factor) -> Caller {
    Caller::new(
        TenantId::main(),
        Who::Person { id: PersonId::new("ana"), session: SessionId::new("s"), factor, single_sign_on: false },
    )
}

#[test]
fn without_a_bundle_everything_is_denied() {
    let authority = Authority::new(Arc::new(ManualClock::at(start())), None);
    authority.replace(&TenantId::main(), facts(1, AppState::Live, &["staff"]));
    assert_eq!(authority.decide(&ana(Factor::Link), Use(app())).unwrap_err().code, "policy.undecided");
}

#[test]
fn an_app_is_for_the_groups_that_its_manifest_names() {
    let (authority, _) = authority(QUIET, facts(1, AppState::Live, &["staff"]));
    assert!(authority.decide(&ana(Factor::Link), Use(app())).is_ok());
    authority.replace(&TenantId::main(), facts(2, AppState::Live, &["other"]));
    let denied = authority.decide(&ana(Factor::Link), Use(app())).unwrap_err();
    assert_eq!(denied.code, "app.not_for_you");
    assert!(denied.why.contains("`staff`"), "{denied:?}");
}

#[test]
fn a_kept_decision_dies_with_the_epoch_and_with_the_apps_date() {
    let (authority, clock) = authority(QUIET, facts(1, AppState::Live, &["staff"]));
    let permit = authority.decide(&ana(Factor::Link), Use(app())).unwrap();
    assert_eq!(permit.good_until(), start().plus(Duration::from_secs(3_600)));
    assert!(authority.decide(&ana(Factor::Link), Use(app())).is_ok(), "kept");
    authority.replace(&TenantId::main(), facts(2, AppState::Revoked, &["staff"]));
    assert_eq!(authority.decide(&ana(Factor::Link), Use(app())).unwrap_err().code, "app.revoked");
    authority.replace(&TenantId::main(), facts(3, AppState::Live, &["staff"]));
    assert!(authority.decide(&ana(Factor::Link), Use(app())).is_ok());
    clock.advance(Duration::from_secs(3_600));
    let denied = authority.decide(&ana(Factor::Link), Use(app())).unwrap_err();
    assert_eq!((denied.code.as_str(), denied.kind), ("app.expired", ProblemKind::Gone));
}

#[test]
fn what_is_open_to_everybody_ends_with_the_app() {
    let (authority, clock) = authority(QUIET, facts(1, AppState::Live, &["staff"]));
    let callers = [Caller::new(TenantId::main(), Who::Stranger), ana(Factor::Link)];
    let codes = || callers.each_ref().map(|caller| authority.decide(caller, UsePublic(app())).err().map(|no| no.code));
    assert_eq!(codes(), [None::<String>, None]);
    clock.advance(Duration::from_secs(3_600));
    assert_eq!(codes(), ["app.expired"; 2].map(|code| Some(code.to_owned())));
    authority.replace(&TenantId::main(), facts(2, AppState::Revoked, &["staff"]));
    assert_eq!(codes(), ["app.revoked"; 2].map(|code| Some(code.to_owned())));
}

/// Whatever was kept was decided at a time that is still to come.
#[test]
fn a_clock_that_was_set_back_keeps_no_decision_alive() {
    let today = "package bailiwick\nimport rego.v1\ndeny contains refusal if {\n\tinput.today >= \"2026-11-23\"\n\trefusal := {\"code\": \"policy.today\", \"why\": \"today\", \"fix\": \"wait\"}\n}\n";
    let (authority, clock) = authority(today, facts(1, AppState::Live, &["staff", "reviewers"]));
    let code = || authority.decide(&ana(Factor::Link), Use(app())).err().map(|denied| denied.code);
    assert_eq!(code().as_deref(), Some("policy.today"));
    clock.set_back(Duration::from_secs(86_400));
    assert_eq!(code(), None, "a refusal is kept for a second");
    let yes = Approve { requester: PersonId::new("ben"), break_glass: BreakGlass::No };
    let second = ana(Factor::Second { at: start() });
    assert_eq!(authority.decide(&second, yes).unwrap_err().code, "second_factor.needed", "it is not fresh for a day");
}

/// Of one target, that does not say whose it is.
#[derive(Debug, Clone)]
struct Look {
    team: &'static str,
    requester: &'static str,
}

impl Act for Look {
    const RULE: &'static Rule = &rules::APP_SOURCE;
    fn target(&self) -> Target {
        Target::new(TenantId::main(), "request/r")
    }
    fn team(&self) -> Option<Group> {
        Some(Group::new(self.team))
    }
    fn requester(&self) -> Option<PersonId> {
        Some(PersonId::new(self.requester))
    }
}

#[test]
fn a_kept_decision_is_for_its_team_and_its_requester_alone() {
    let (authority, _) = authority(QUIET, facts(1, AppState::Live, &["builders", "people-ops"]));
    let code = |team, requester| {
        authority.decide(&ana(Factor::Link), Look { team, requester }).err().map(|denied| denied.code)
    };
    assert_eq!(code("people-ops", "ben"), None);
    assert_eq!(code("finance", "ben").as_deref(), Some("role.missing"));
    assert_eq!(code("people-ops", "ana").as_deref(), Some("approval.own"));
    assert_eq!(code("people-ops", "ben"), None, "nor is a no another's");
}

#[test]
fn older_facts_never_replace_newer_ones() {
    let (authority, _) = authority(QUIET, facts(5, AppState::Revoked, &["staff"]));
    authority.replace(&TenantId::main(), facts(4, AppState::Live, &["staff"]));
    assert!(authority.decide(&ana(Factor::Link), Use(app())).is_err());
}

#[test]
fn a_cut_in_memory_needs_no_epoch() {
    let (authority, _) = authority(QUIET, facts(1, AppState::Live, &["staff"]));
    assert!(authority.decide(&ana(Factor::Link), Use(app())).is_ok());
    authority.narrow(&TenantId::main(), |facts| {
        for app in facts.apps.values_mut() {
            Arc::make_mut(app).state = AppState::Revoked;
        }
    });
    assert!(authority.decide(&ana(Factor::Link), Use(app())).is_err());
}

#[test]
fn a_hold_outlasts_facts_of_older_rows() {
    let (authority, _) = authority(QUIET, facts(1, AppState::Live, &["staff"]));
    let (tenant, cut) = (TenantId::main(), model::EventId::generate());
    let off = |facts: &mut Facts| facts.apps.values_mut().for_each(|app| Arc::make_mut(app).state = AppState::Revoked);
    let refused = || authority.decide(&ana(Factor::Link), Use(app())).is_err();
    authority.hold(&tenant, &cut, off);
    assert!(refused());
    authority.replace(&tenant, facts(2, AppState::Live, &["staff"]));
    assert!(refused(), "read before the cut was written");
    authority.release(&cut, 3);
    authority.replace(&tenant, facts(2, AppState::Live, &["staff"]));
    assert!(refused(), "read before, and put in after it was written");
    authority.replace(&tenant, facts(3, AppState::Live, &["staff"]));
    assert!(!refused(), "from its epoch on, the rows speak");
}

#[test]
fn only_a_cut_comes_back_from_what_was_kept() {
    let (authority, _) = authority(QUIET, facts(1, AppState::Live, &["staff"]));
    let (_, spent) = authority.decide(&ana(Factor::Link), Use(app())).unwrap().spend();
    let text = serde_json::to_string(&spent.keep()).unwrap();
    assert!(crate::Spent::again(serde_json::from_str(&text).unwrap()).is_none(), "{text}");
    let text = text.replace("app.use", "app.revoke");
    let again = crate::Spent::again(serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!((again.rule().name, again.caller().chain()), ("app.revoke", vec!["person:ana".to_owned()]));
    let unknown = text.replace("app.revoke", "app.everything");
    assert!(crate::Spent::again(serde_json::from_str(&unknown).unwrap()).is_none());
}

#[test]
fn a_yes_needs_a_second_factor_and_someone_else() {
    let (authority, clock) = authority(QUIET, facts(1, AppState::Live, &["reviewers"]));
    let of = |requester: &str| Approve { requester: PersonId::new(requester), break_glass: BreakGlass::No };
    assert_eq!(authority.decide(&ana(Factor::Link), of("ben")).unwrap_err().code, "second_factor.needed");
    let fresh = ana(Factor::Second { at: start() });
    assert!(authority.decide(&fresh, of("ben")).is_ok());
    assert_eq!(authority.decide(&fresh, of("ana")).unwrap_err().code, "approval.own");
    clock.advance(Duration::from_secs(600));
    assert_eq!(authority.decide(&fresh, of("ben")).unwrap_err().code, "second_factor.needed");
}

#[test]
fn the_local_credential_approves_by_break_glass_alone_and_it_shows() {
    let (authority, _) = authority(QUIET, facts(1, AppState::Live, &[]));
    let machine = Caller::new(TenantId::main(), Who::Machine { system_user: "root".into() });
    let of = |break_glass| Approve { requester: PersonId::new("ben"), break_glass };
    assert_eq!(authority.decide(&machine, of(BreakGlass::No)).unwrap_err().code, "machine.break_glass");
    assert_eq!(authority.decide(&machine, of(BreakGlass::Yes)).unwrap().exception(), Some("break-glass"));
}

/// However facts change while it is asked. Who may is in the epoch here: of the staff in every other one.
#[test]
fn a_permit_rests_on_the_facts_of_its_epoch() {
    let of = |epoch: u64| facts(epoch, AppState::Live, if epoch % 2 == 1 { &["staff"] } else { &["other"] });
    let (authority, _) = authority(QUIET, of(1));
    assert!(authority.decide(&ana(Factor::Link), Use(app())).is_ok(), "it can be given");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for epoch in 2..20_000 {
                authority.replace(&TenantId::main(), of(epoch));
            }
            over.store(true, Ordering::Release);
        });
        while !over.load(Ordering::Acquire) {
            if let Ok(permit) = authority.decide(&ana(Factor::Link), Use(app())) {
                assert_eq!(permit.epoch() % 2, 1, "{}", permit.epoch());
            }
        }
    });
}

#[test]
fn tenants_and_apps_do_not_meet() {
    let (authority, _) = authority(QUIET, facts(1, AppState::Live, &["staff"]));
    let elsewhere = Caller { tenant: TenantId::new("other"), ..ana(Factor::Link) };
    assert_eq!(authority.decide(&elsewhere, Use(app())).unwrap_err().code, "tenant.wall");
    let other_app = AppRef { id: AppId::new("other"), env: Env::Prod };
    let as_app = Caller::new(TenantId::main(), Who::App(other_app));
    assert_eq!(authority.decide(&as_app, Use(app())).unwrap_err().code, "app.wall");
}

#[test]
fn policy_narrows_in_both_syntaxes_and_an_error_denies() {
    let v1 = "package bailiwick\nimport rego.v1\ndeny contains r if {\n\tinput.act == \"app.use\"\n\tr := {\"code\": \"policy.v1\", \"why\": \"w\", \"fix\": \"f\"}\n}\n";
    let v0 = "package bailiwick\ndeny[r] {\n\tinput.act == \"app.use\"\n\tr := {\"code\": \"policy.v0\", \"why\": \"w\", \"fix\": \"f\"}\n}\n";
    for (policy, code) in [(v1, "policy.v1"), (v0, "policy.v0")] {
        let (authority, _) = authority(policy, facts(1, AppState::Live, &["staff"]));
        assert_eq!(authority.decide(&ana(Factor::Link), Use(app())).unwrap_err().code, code);
    }
    let wrong_shape = "package bailiwick\nimport rego.v1\ndeny contains \"just text\" if input.act == \"app.use\"\n";
    let endless = "package bailiwick\nimport rego.v1\ndeny contains r if {\n\tsome a in numbers.range(1, 3000)\n\tsome b in numbers.range(1, 3000)\n\ta * b == -1\n\tr := {\"code\": \"x\", \"why\": \"w\", \"fix\": \"f\"}\n}\n";
    for policy in [wrong_shape, endless] {
        let (authority, _) = authority(policy, facts(1, AppState::Live, &["staff"]));
        assert_eq!(authority.decide(&ana(Factor::Link), Use(app())).unwrap_err().code, "policy.undecided");
    }
    assert!(Policy::compile(&[("broken.rego".to_owned(), "package bailiwick\ndeny {".to_owned())]).is_err());
}
