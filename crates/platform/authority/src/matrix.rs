//! The role × act matrix, asked of authority itself and held against the reviewed file `matrix.md`.
//!
//! `BLESS=1 cargo test -p authority` writes the file anew; the change is then read like any other.

use crate::{
    ACTS, Act, AppFacts, AppRef, AppState, BreakGlass, Caller, Factor, Facts, PersonFacts, Role, Rule, Target, Who,
    authority::Case, rules,
};
use model::{AppId, Class, Env, Group, PersonId, SessionId, TenantId, Timestamp, manifest::Access};
use std::{collections::BTreeMap, fmt::Write as _, path::Path, sync::Arc};

const NOW: i64 = 1_764_000_000_000;

#[derive(Debug)]
struct Probe {
    break_glass: BreakGlass,
}

impl Act for Probe {
    const RULE: &'static Rule = &rules::APP_SEE;
    fn target(&self) -> Target {
        Target::new(TenantId::main(), "probe")
    }
    fn team(&self) -> Option<Group> {
        Some(Group::new("people-ops"))
    }
    fn break_glass(&self) -> BreakGlass {
        self.break_glass
    }
}

struct Column {
    name: &'static str,
    caller: Caller,
    break_glass: BreakGlass,
}

fn person(id: &str, factor: Factor) -> Who {
    Who::Person { id: PersonId::new(id), session: SessionId::new("s"), factor, single_sign_on: false }
}

fn columns() -> Vec<Column> {
    let fresh = Factor::Second { at: Timestamp::from_ms(NOW - 1_000) };
    let app = AppRef { id: AppId::new("app"), env: Env::Prod };
    let column = |name, who| Column { name, caller: Caller::new(TenantId::main(), who), break_glass: BreakGlass::No };
    let mut columns = vec![
        column("stranger", Who::Stranger),
        column("person", person("person", fresh)),
        column("app user", person("user", fresh)),
        column("builder", person("builder", fresh)),
        column("builder in team", person("teammate", fresh)),
        column("reviewer", person("reviewer", fresh)),
        column("operator", person("operator", fresh)),
        column("operator by link", person("operator", Factor::Link)),
        column("auditor", person("auditor", fresh)),
        column("machine", Who::Machine { system_user: "root".into() }),
        column("machine, break-glass", Who::Machine { system_user: "root".into() }),
        column("app", Who::App(app.clone())),
        column("app for a person", Who::AppFor { app, person: PersonId::new("user") }),
        column("system", Who::System { job: "job".into() }),
    ];
    for column in &mut columns {
        if column.name == "machine, break-glass" {
            column.break_glass = BreakGlass::Yes;
        }
    }
    columns
}

fn facts() -> Facts {
    let known = |groups: &[&str]| {
        Arc::new(PersonFacts {
            email: "x@example.test".into(),
            name: None,
            groups: groups.iter().map(|group| Group::new(*group)).collect(),
            lapses: BTreeMap::new(),
            enabled: true,
        })
    };
    let people = [
        ("person", known(&[])),
        ("user", known(&["staff"])),
        ("builder", known(&[Role::Builder.group()])),
        ("teammate", known(&[Role::Builder.group(), "people-ops"])),
        ("reviewer", known(&[Role::Reviewer.group()])),
        ("operator", known(&[Role::Operator.group()])),
        ("auditor", known(&[Role::Auditor.group()])),
    ];
    let access = Access {
        everyone: false,
        groups: vec![Group::new("staff")],
        roles: BTreeMap::new(),
        mfa: vec![],
        public: vec![],
        addresses: vec![],
    };
    let app = AppFacts {
        name: "poll".into(),
        team: Group::new("people-ops"),
        class: Class::Internal,
        state: AppState::Live,
        access: Arc::new(access),
        expires_at: Timestamp::from_ms(NOW * 2),
        credential_epoch: 1,
    };
    Facts {
        epoch: 1,
        people: people.into_iter().map(|(id, facts)| (PersonId::new(id), facts)).collect(),
        apps: [((AppId::new("app"), Env::Prod), Arc::new(app))].into(),
    }
}

fn matrix() -> String {
    let (columns, facts) = (columns(), facts());
    let mut text = String::from(
        "# Who may do what\n\nMade by `BLESS=1 cargo test -p authority` from the table in `src/acts.rs`; read each change of it. `yes` means\nthat the walls, the table and the second factor let it pass; policy may still refuse. Requester ≠ approver is checked\nbesides.\n\n| act | durability |",
    );
    for column in &columns {
        write!(text, " {} |", column.name).unwrap();
    }
    text.push_str("\n|---|---|");
    text.push_str(&"---|".repeat(columns.len()));
    text.push('\n');
    for rule in ACTS {
        write!(text, "| `{}` | {} |", rule.name, format!("{:?}", rule.durability).to_lowercase()).unwrap();
        for column in &columns {
            let app = AppRef { id: AppId::new("app"), env: Env::Prod };
            let target = Target::within(TenantId::main(), &app, "app/app");
            let case = Case::new(&column.caller, rule, target, &facts, Timestamp::from_ms(NOW));
            let probe = Probe { break_glass: column.break_glass };
            let may = case.walls().and_then(|()| case.matrix(&probe)).and_then(|()| case.second_factor());
            text.push_str(if may.is_ok() { " yes |" } else { " |" });
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_reviewed_file_is_what_authority_answers() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("matrix.md");
    let now = matrix();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    let reviewed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        reviewed == now,
        "`matrix.md` is not what authority answers: run `BLESS=1 cargo test -p authority` and read the change"
    );
}

#[test]
fn names_are_unique_and_of_one_form() {
    for (at, rule) in ACTS.iter().enumerate() {
        assert!(
            rule.name.split_once('.').is_some_and(|(noun, verb)| !noun.is_empty() && !verb.is_empty()),
            "{}",
            rule.name
        );
        assert!(!ACTS[..at].iter().any(|before| before.name == rule.name), "{} is there twice", rule.name);
    }
}
