//! What a manifest gives: tier, sentences, changes and the bytes that an approval binds to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use jiff::civil::date;
use model::{
    Manifest, Tier,
    manifest::{Change, ChangeKind},
};
use proptest::prelude::*;

const DESIGN: &str = include_str!("design.toml");

const LOW: &str = r#"[app]
name = "tinypoll"
team = "people-ops"
purpose = "Find a meeting time"
expires = "2027-02-01"
class = "personal"
[runtime]
profile = "wasm"
main = "app.js"
[access]
use = "everyone"
[data.votes]
retain = "30d"
fields.person = { class = "personal", type = "text" }
fields.slot = { class = "internal" }
"#;

fn read(text: &str) -> Manifest {
    match Manifest::parse(text.as_bytes(), date(2026, 11, 23)) {
        Ok(parsed) => parsed.manifest,
        Err(findings) => panic!("{findings:#?}"),
    }
}

fn told(changes: &[Change]) -> String {
    changes.iter().map(|c| format!("{} {}: {}", c.kind, c.surface, c.text)).collect::<Vec<_>>().join("\n")
}

#[test]
fn tiers_follow_the_designs_row() {
    let medium_connect = "[connect.x]\nhost = \"x.example\"\nmethods = [\"GET\"]\npaths = [\"/**\"]\nwhy = \"reads\"\n";
    let table = [
        (LOW.to_owned(), Tier::Low),
        (LOW.replace("wasm", "static").replace("app.js", "index.html"), Tier::Low),
        (LOW.replace("\"30d\"", "\"31d\""), Tier::Medium),
        // Longer retention of what is not personal stays low.
        (LOW.replace("\"30d\"", "\"300d\"").replace("{ class = \"personal\"", "{ class = \"internal\""), Tier::Low),
        (format!("{LOW}{medium_connect}"), Tier::Medium),
        (format!("{LOW}[secrets.T]\nid = \"ops/tee\"\n"), Tier::Medium),
        (format!("{LOW}[browser]\nhosts = [\"cdn.example\"]\n"), Tier::Medium),
        (LOW.replace("wasm", "external"), Tier::Medium),
        (LOW.replace("use = \"everyone\"", "use = \"everyone\"\npublic = [\"/hook\"]"), Tier::High),
        (LOW.replace("\nclass = \"personal\"", "\nclass = \"confidential\""), Tier::High),
        (LOW.replace("\nclass = \"personal\"", "\nclass = \"restricted\""), Tier::High),
    ];
    for (text, tier) in table {
        let manifest = read(&text);
        assert_eq!(manifest.tier(), tier, "{text}");
        assert_eq!(manifest.tier_reasons().is_empty(), tier == Tier::Low);
    }
    let reasons: Vec<String> =
        read(DESIGN).tier_reasons().into_iter().map(|r| format!("{}: {}", r.tier, r.why)).collect();
    insta::assert_snapshot!(reasons.join("\n"), @r#"
medium: it reaches `rooms.corp.example:8443` (`rooms`)
medium: it reaches `slack.com` (`slack`)
medium: it uses the secret `people-ops/slack-bot`
"#);
}

#[test]
fn sentences_say_everything_that_the_designs_manifest_allows() {
    let lines: Vec<String> =
        read(DESIGN).sentences().into_iter().map(|s| format!("{}: {}", s.surface, s.text)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
gateway: people in `staff` may use it
gateway: `/export/**` needs a second factor
gateway: answers at most 60 requests a minute per user
gateway: runs the job `remind` at `0 8 * * 1-5` (Europe/Berlin), for no user
gateway: one request may take 64 MiB of memory, 50 milliseconds of CPU and 10 seconds; 16 run at once
identity: acts as `poll-notify` of the team `people-ops`, for `personal` data, until 2027-02-01
identity: people in `people-ops` have the role `organiser`
vault: may use the secret `people-ops/slack-bot` as `SLACK_TOKEN`, towards `slack.com`
data: keeps `answers` for 30 days: `person` (personal, encrypted), `slots` (internal)
broker: may GET from rooms.corp.example:8443/v1/rooms/**: Shows which rooms are free
broker: may POST to slack.com/api/chat.postMessage with `SLACK_TOKEN`: Posts the chosen time to the team channel
"#);
}

#[test]
fn changes_say_which_way_authority_moved() {
    let new = DESIGN
        .replace("methods = [\"POST\"]", "methods = [\"POST\", \"GET\"]")
        .replace("/v1/rooms/**", "/v1/**")
        .replace("retain = \"30d\"", "retain = \"60d\"")
        .replace("fields.person = { class = \"personal\" }", "fields.person = { class = \"internal\" }")
        .replace("[\"group:staff\"]", "[\"group:guests\"]")
        .replace("[\"/export/**\"]", "[]")
        .replace("public = []", "public = [\"/hook\"]")
        .replace("memory = \"64MiB\"", "memory = \"32MiB\"")
        .replace("60/min per user", "30/min per user")
        .replace("people-ops/slack-bot", "people-ops/slack-admin")
        .replace("rows     = 500", "rows = 100")
        .replace("Shows which rooms are free", "Shows rooms");
    insta::assert_snapshot!(told(&read(&new).changes_from(&read(DESIGN))), @r#"
added gateway: people in `guests` may use it
added gateway: strangers may reach `/hook`
added vault: may use the secret `people-ops/slack-admin` as `SLACK_TOKEN`
added broker: may GET from rooms.corp.example:8443/v1/**: Shows rooms
added broker: may GET from slack.com/api/chat.postMessage with `SLACK_TOKEN`: Posts the chosen time to the team channel
widened gateway: `/export/**` no longer needs a second factor
widened data: keeps `answers` for 60 days (was 30 days)
widened data: `answers.person` is `internal` (was `personal`)
narrowed gateway: memory of one request is 32 MiB (was 64 MiB)
narrowed gateway: answers at most 30 requests a minute per user
narrowed data: one list returns at most 100 rows (was 500)
removed gateway: people in `staff` may use it
removed vault: may use the secret `people-ops/slack-bot` as `SLACK_TOKEN`
removed broker: may GET from rooms.corp.example:8443/v1/rooms/**
reworded broker: reaches rooms.corp.example:8443: Shows rooms
"#);
}

#[test]
fn who_takes_a_collection_out_is_a_line_of_authority() {
    let old = read(LOW);
    let new = read(&LOW.replace("\"30d\"", "\"30d\"\nexport = [\"group:clerks\"]"));
    let line = "people in `clerks` may take all of `votes` out, with a second factor";
    assert!(new.sentences().iter().any(|sentence| sentence.text == line));
    assert_eq!(told(&new.changes_from(&old)), format!("added data: {line}"));
    assert_eq!(told(&old.changes_from(&new)), format!("removed data: {line}"));
    assert_ne!(new.canonical_json(), old.canonical_json());
    assert!(new.groups().contains(&model::Group::new("clerks")), "the app may learn who is one");
    // Nobody is no line, and everyone is nobody in particular.
    for wrong in ["[]", "[\"everyone\"]", "\"group:clerks\""] {
        let text = LOW.replace("\"30d\"", &format!("\"30d\"\nexport = {wrong}"));
        assert!(Manifest::parse(text.as_bytes(), date(2026, 11, 23)).is_err(), "{wrong}");
    }
}

/// Edits that change authority, each with the way it moves.
fn edits() -> Vec<(&'static str, &'static str, ChangeKind)> {
    use ChangeKind::{Added, Narrowed, Removed, Reworded, Widened};
    vec![
        ("\"poll-notify\" ", "\"poll-other\" ", Added),
        ("team    = \"people-ops\"", "team    = \"people-two\"", Added),
        ("2027-02-01", "2027-02-02", Widened),
        ("2027-02-01", "2027-01-31", Narrowed),
        ("class   = \"personal\"", "class   = \"confidential\"", Narrowed),
        ("profile = \"wasm\"", "profile = \"external\"", Widened),
        ("profile = \"wasm\"", "profile = \"static\"", Narrowed),
        ("64MiB", "65MiB", Widened),
        ("50ms", "51ms", Widened),
        ("\"10s\"", "\"9s\"", Narrowed),
        ("parallel = 16", "parallel = 17", Widened),
        ("100MiB", "99MiB", Narrowed),
        ("[\"group:staff\"]", "[\"everyone\", \"group:staff\"]", Widened),
        ("[\"group:staff\"]", "[\"group:staff\", \"group:more\"]", Added),
        ("[\"group:people-ops\"]", "[\"group:people-ops\", \"group:more\"]", Added),
        ("roles.organiser", "roles.chair", Added),
        ("[\"/export/**\"]", "[\"/export/**\", \"/admin\"]", Narrowed),
        ("[\"/export/**\"]", "[]", Widened),
        ("public = []", "public = [\"/hook\"]", Added),
        ("slack-bot", "slack-top", Added),
        ("\"slack.com\"", "\"slack.example\"", Added),
        ("corp.example:8443", "corp.example:8444", Added),
        ("\"POST\"", "\"PUT\"", Added),
        ("\"GET\"", "\"GET\", \"HEAD\"", Added),
        ("/v1/rooms/**", "/v1/rooms/*", Added),
        ("Shows which", "Shows all", Reworded),
        ("\"30d\"", "\"31d\"", Widened),
        ("\"30d\"", "\"29d\"", Narrowed),
        ("{ class = \"personal\" }", "{ class = \"internal\" }", Widened),
        ("{ class = \"internal\" }", "{ class = \"personal\" }", Narrowed),
        ("{ class = \"internal\" }", "{ class = \"internal\", type = \"list\" }", Narrowed),
        ("fields.slots ", "fields.other ", Added),
        ("[data.answers]", "[data.replies]", Added),
        ("1-5\"", "1-6\"", Added),
        ("Europe/Berlin", "Europe/Paris", Added),
        ("hosts = []", "hosts = [\"cdn.example\"]", Added),
        ("60/min", "59/min", Narrowed),
        ("60/min", "61/min", Widened),
        ("per user", "per app", Widened),
        ("rows     = 500", "rows     = 499", Narrowed),
        ("[jobs.remind]  ", "[jobs.other]  ", Removed),
    ]
}

#[test]
fn every_change_of_authority_is_told_and_changes_the_bytes() {
    let old = read(DESIGN);
    for (from, to, kind) in edits() {
        assert!(DESIGN.contains(from), "{from}");
        let new = read(&DESIGN.replace(from, to));
        let changes = new.changes_from(&old);
        assert!(changes.iter().any(|change| change.kind == kind), "{from} → {to}: {}", told(&changes));
        assert_ne!(new.canonical_json(), old.canonical_json(), "{from} → {to}");
        // Back again is as loud, and never only more.
        assert!(!old.changes_from(&new).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn there_are_changes_exactly_when_the_bytes_differ(
        left in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        right in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let apply = |picks: Vec<prop::sample::Index>| {
            let edits = edits();
            picks.iter().fold(DESIGN.to_owned(), |text, pick| {
                let (from, to, _) = *pick.get(&edits);
                let edited = text.replace(from, to);
                // Two edits may not fit together (a lower class of the app and a higher one of a field).
                if Manifest::reread(edited.as_bytes()).is_ok() { edited } else { text }
            })
        };
        let (old, new) = (Manifest::reread(apply(left).as_bytes()).unwrap().manifest, Manifest::reread(apply(right).as_bytes()).unwrap().manifest);
        let changes = new.changes_from(&old);
        prop_assert_eq!(changes.is_empty(), new.canonical_json() == old.canonical_json(), "{}", told(&changes));
    }
}

#[test]
fn what_gives_no_authority_changes_nothing() {
    let old = read(DESIGN);
    let same = [
        format!("# a comment\n\n{DESIGN}"),
        DESIGN.replace("Find a meeting time", "Find any meeting time"),
        DESIGN.replace("\"app.js\"", "\"src/app.ts\""),
        DESIGN.replace("[connect.rooms]", "[connect.spaces]"),
        DESIGN.replace("\"slack.com\"", "\"SLACK.com:443\""),
        DESIGN.replace("[\"POST\"]", "[\"post\", \"POST\"]"),
        DESIGN.replace("[\"group:staff\"]", "[\"group:staff\", \"group:staff\"]"),
        DESIGN.replace("\"30d\"", "\"720h\""),
        DESIGN.replace("\"60/min per user\"", "[\"60/min per user\", \"90/min per user\"]"),
        DESIGN.replace(
            "limits  = { memory = \"64MiB\", cpu = \"50ms\", time = \"10s\", parallel = 16, storage = \"100MiB\" }",
            "",
        ),
        DESIGN.replace("[\"/v1/rooms/**\"]", "[\"/v1/rooms/**\", \"/v1/rooms/**\"]"),
    ];
    for text in same {
        let new = read(&text);
        assert_eq!(told(&new.changes_from(&old)), "", "{text}");
        assert_eq!(new.canonical_json(), old.canonical_json(), "{text}");
    }
}

#[test]
fn the_bytes_of_an_approval_stay_as_they_are() {
    insta::assert_snapshot!(String::from_utf8(read(DESIGN).canonical_json()).unwrap(), @r#"
{"access":{"addresses":[],"everyone":false,"groups":["staff"],"mfa":["/export/**"],"public":[],"roles":[["organiser","people-ops"]]},"app":{"class":"personal","expires":"2027-02-01","name":"poll-notify","team":"people-ops"},"browser":[],"connect":[{"endpoint":"rooms.corp.example:8443","methods":["GET"],"path":"/v1/rooms/**","secret":null},{"endpoint":"slack.com","methods":["POST"],"path":"/api/chat.postMessage","secret":"SLACK_TOKEN"}],"data":{"answers":{"fields":{"person":["personal",null],"slots":["internal",null]},"retain_ms":2592000000}},"format":1,"jobs":{"remind":["0 8 * * 1-5","Europe/Berlin"]},"limits":{"requests":[{"by":"user","count":60,"per_ms":60000}],"rows":500},"reasons":{"rooms.corp.example:8443":["Shows which rooms are free"],"slack.com":["Posts the chosen time to the team channel"]},"runtime":{"limits":{"cpu_ms":50,"memory_bytes":67108864,"parallel":16,"storage_bytes":104857600,"time_ms":10000},"profile":"wasm"},"secrets":{"SLACK_TOKEN":"people-ops/slack-bot"}}
"#);
}
