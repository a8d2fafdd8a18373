//! A decision: authority's whole answer against the policy engine alone; and the same decision when it was kept.

use crate::{
    arguments::Effort,
    machine::thread_cpu,
    report::{Line, Target, median},
};
use authority::{
    Act, AppFacts, AppRef, AppState, Authority, Caller, Factor, Facts, Judged, PersonFacts, Policy, Rule, Target as On,
    Who, rules,
};
use model::{AppId, Class, Clock, Env, Group, Manifest, PersonId, SessionId, SystemClock, TenantId};
use regorus::{Engine, Value, languages::rego::compiler::Compiler, rvm::vm::RegoVM};
use serde_json::json;
use std::{collections::BTreeSet, hint::black_box, sync::Arc, time::Duration};

const ROUNDS: usize = 15;
const DECISIONS: u64 = 4000;
/// Kept ones take a microsecond: more of them, so that the clock shows it.
const KEPT: u64 = 100_000;
const ENTRY: &str = "data.bailiwick.deny";
/// Two rules, of which the act's name decides most.
const SHIPPED: &str = include_str!("../../../../../../../policies/limits.rego");
/// As an organisation adds its own.
const TWELVE: &str = include_str!("../twelve.rego");

const FLOOR: &str = "regorus alone: a VM that is kept, the same bundle of twelve rules about a deploy, the same input made beforehand; per decision the input is set and the rules run. What authority adds is walls, the table of acts, making the input out of caller, target and what the act carries, and the permit";
const KEPT_FLOOR: &str = "none: CPU time of the thread that asks";

/// A deploy of a real manifest, as `catalog` asks for it: the act with the largest input. Never kept.
#[derive(Debug, Clone)]
struct Deploy {
    app: AppRef,
    facts: Judged,
}

impl Act for Deploy {
    const RULE: &'static Rule = &rules::APP_DEPLOY;
    fn target(&self) -> On {
        On::within(TenantId::main(), &self.app, format!("app/{}", self.app.id))
    }
    fn team(&self) -> Option<Group> {
        Some(Group::new("people-ops"))
    }
    fn facts(&self) -> Judged {
        self.facts.clone()
    }
}

/// A request to an app, as the gateway asks for it: the act that is decided most.
#[derive(Debug, Clone)]
struct Use(On);

impl Act for Use {
    const RULE: &'static Rule = &rules::APP_USE;
    fn target(&self) -> On {
        self.0.clone()
    }
}

pub(super) async fn measure(effort: Effort) -> Vec<Line> {
    let app = AppRef { id: AppId::generate(), env: Env::Prod };
    let manifest = manifest();
    let facts =
        json!({ "manifest": manifest, "tier": manifest.tier(), "digest": "sha256:0123456789abcdef", "env": "prod" });
    let deploy = Deploy { app: app.clone(), facts: facts.clone().into() };
    let count = effort.times(DECISIONS);
    let (authority, ana) = house(&app, TWELVE);
    let (mut bare_twelve, input) = bare(&ana, (&app, &facts), TWELVE);
    let (shipped, bo) = house(&app, SHIPPED);
    let (mut bare_shipped, _) = bare(&bo, (&app, &facts), SHIPPED);
    let used = Use(On::within(TenantId::main(), &app, format!("app/{}", app.id)));
    let decide = |authority: &Authority, caller: &Caller| {
        // An act is made beside the clock: making it is the room's work, not authority's.
        each(count, || deploy.clone(), |act| drop(black_box(authority.decide(caller, act).unwrap())))
    };
    let run = |machine: &mut RegoVM| {
        each(
            count,
            || (),
            |()| {
                machine.set_input(input.clone());
                drop(black_box(machine.execute().unwrap()));
            },
        )
    };
    let (mut ratios, mut whole, mut floor, mut kept) = (vec![], vec![], vec![], vec![]);
    let (mut shipped_whole, mut shipped_floor) = (vec![], vec![]);
    for _ in 0..effort.rounds(ROUNDS) {
        whole.push(decide(&authority, &ana));
        floor.push(run(&mut bare_twelve));
        ratios.push(whole.last().unwrap() / floor.last().unwrap());
        shipped_whole.push(decide(&shipped, &bo));
        shipped_floor.push(run(&mut bare_shipped));
        let uses = effort.times(KEPT);
        kept.push(each(uses, || used.clone(), |act| drop(black_box(authority.decide(&ana, act).unwrap()))));
    }
    let (ours, theirs, kept) = (median(&whole), median(&floor), median(&kept));
    let (ours_shipped, theirs_shipped) = (median(&shipped_whole), median(&shipped_floor));
    vec![
        Line {
            row: "decision",
            work: "a decision",
            floor: FLOOR,
            value: median(&ratios),
            unit: "×",
            target: Target::AtMost(1.3),
            figures: format!(
                "CPU {ours:.1} µs against {theirs:.1} µs; with the two shipped rules {ours_shipped:.1} µs against {theirs_shipped:.1} µs"
            ),
            detail: json!({
                "cpu_us": ours, "floor_cpu_us": theirs, "ratios": ratios,
                "shipped_cpu_us": ours_shipped, "shipped_floor_cpu_us": theirs_shipped,
            }),
        },
        Line {
            row: "decision",
            work: "a kept decision",
            floor: KEPT_FLOOR,
            value: kept,
            unit: "µs",
            target: Target::AtMost(2.0),
            figures: "CPU of one thread, the permit included".to_owned(),
            detail: json!({ "cpu_us": kept }),
        },
    ]
}

/// Microseconds of CPU for each of `count`; what `prepare` makes is not counted.
fn each<T>(count: u64, prepare: impl Fn() -> T, mut work: impl FnMut(T)) -> f64 {
    let mut spent = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let batch = left.min(500);
        let made: Vec<T> = (0..batch).map(|_| prepare()).collect();
        let before = thread_cpu();
        made.into_iter().for_each(&mut work);
        spent += thread_cpu() - before;
        left -= batch;
    }
    spent.as_secs_f64() * 1e6 / count as f64
}

fn house(app: &AppRef, policy: &str) -> (Authority, Caller) {
    let policy = Policy::compile(&[("bundle.rego".to_owned(), policy.to_owned())]).unwrap();
    let authority = Authority::new(Arc::new(SystemClock), Some(policy));
    let groups: BTreeSet<Group> = ["builders", "people-ops", "staff"].into_iter().map(Group::new).collect();
    let ana = PersonFacts {
        email: "ana@example.test".into(),
        name: Some("Ana".into()),
        groups,
        lapses: [].into(),
        enabled: true,
    };
    let live = AppFacts {
        name: "poll-notify".into(),
        team: Group::new("people-ops"),
        class: Class::Personal,
        state: AppState::Live,
        access: Arc::new(manifest().access),
        expires_at: SystemClock.now().plus(Duration::from_secs(80 * 86_400)),
        credential_epoch: 1,
    };
    let id = PersonId::generate();
    let facts = Facts {
        epoch: 1,
        people: [(id.clone(), Arc::new(ana))].into(),
        apps: [((app.id.clone(), app.env), Arc::new(live))].into(),
    };
    authority.replace(&TenantId::main(), facts);
    let who = Who::Person { id, session: SessionId::generate(), factor: Factor::Link, single_sign_on: false };
    (authority, Caller::new(TenantId::main(), who))
}

fn manifest() -> Manifest {
    let files = testkit::template("poll-notify", "poll-notify");
    let (_, text) = files.iter().find(|(path, _)| path == "bailiwick.toml").unwrap();
    Manifest::reread(text).unwrap().manifest
}

/// The policy engine as its own documentation uses it, with the input that authority makes.
fn bare(ana: &Caller, (app, facts): (&AppRef, &serde_json::Value), policy: &str) -> (RegoVM, Value) {
    let mut engine = Engine::new();
    engine.add_policy("bundle.rego".to_owned(), policy.to_owned()).unwrap();
    let compiled = engine.compile_with_entrypoint(&ENTRY.into()).unwrap();
    let mut vm = RegoVM::new();
    vm.load_program(Compiler::compile_from_policy(&compiled, &[ENTRY]).unwrap());
    let input = json!({
        "act": "app.deploy",
        "caller": {
            "kind": "person", "person": ana.person(), "groups": ["builders", "people-ops", "staff"], "roles": ["builders"],
            "second_factor": false, "app": null,
        },
        "target": {
            "tenant": "main", "app": app.id, "env": "prod", "resource": format!("app/{}", app.id),
            "name": "poll-notify", "team": "people-ops", "class": "personal",
        },
        "facts": facts,
        "today": "2026-11-28",
    });
    (vm, serde_json::from_value(input).unwrap())
}
