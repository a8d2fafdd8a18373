//! What a builder reads: a manifest with every section (`design.toml`), and every mistake of a bad one at once, with line
//! and column.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use jiff::civil::{Date, date};
use model::{Class, Finding, Manifest, Severity, Tier, manifest::Parsed};

const DESIGN: &str = include_str!("design.toml");

fn today() -> Date {
    date(2026, 11, 23)
}

fn parse(text: &str) -> Result<Parsed, Vec<Finding>> {
    Manifest::parse(text.as_bytes(), today())
}

fn told(findings: &[Finding]) -> String {
    let lines = findings.iter().map(|f| {
        let place = match (f.line, f.column) {
            (Some(line), Some(column)) => format!("{line}:{column}"),
            _ => "-".to_owned(),
        };
        let level = if f.severity == Severity::Block { "" } else { " (warning)" };
        format!("{place} [{}]{level} {}\n    why: {}\n    fix: {}", f.code, f.what, f.why, f.fix)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn refused(text: &str) -> String {
    match parse(text) {
        Ok(_) => panic!("it was accepted:\n{text}"),
        Err(findings) => told(&findings),
    }
}

#[test]
fn the_designs_manifest_is_read_whole() {
    let Parsed { manifest, warnings } = parse(DESIGN).map_err(|findings| told(&findings)).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(manifest.app.name, "poll-notify");
    assert_eq!(manifest.app.team.as_str(), "people-ops");
    assert_eq!(manifest.app.expires, date(2027, 2, 1));
    assert_eq!(manifest.app.class, Class::Personal);
    assert_eq!(manifest.runtime.main, "app.js");
    assert_eq!(manifest.runtime.assets.as_deref(), Some("public"));
    assert_eq!(manifest.runtime.limits, model::manifest::SandboxLimits::default());
    assert!(!manifest.access.everyone);
    assert_eq!(manifest.access.groups[0].as_str(), "staff");
    assert_eq!(manifest.access.roles["organiser"][0].as_str(), "people-ops");
    assert_eq!(manifest.access.mfa[0].as_str(), "/export/**");
    assert_eq!(manifest.secrets["SLACK_TOKEN"].id.as_str(), "people-ops/slack-bot");
    assert_eq!(manifest.secrets["SLACK_TOKEN"].line, 20);
    let slack = &manifest.connect["slack"];
    assert_eq!((slack.host.as_str(), slack.port, slack.tls), ("slack.com", 443, true));
    assert_eq!(slack.secret.as_deref(), Some("SLACK_TOKEN"));
    let rooms = &manifest.connect["rooms"];
    assert_eq!((rooms.host.as_str(), rooms.port), ("rooms.corp.example", 8443));
    assert!(rooms.paths[0].matches("/v1/rooms/7"));
    assert_eq!(manifest.data["answers"].retain.as_secs(), 30 * 86_400);
    assert_eq!(manifest.data["answers"].fields["person"].class, Class::Personal);
    assert_eq!(manifest.jobs["remind"].zone, "Europe/Berlin");
    assert_eq!(manifest.limits.requests.len(), 1);
    assert_eq!(manifest.limits.rows, 500);
    assert_eq!(manifest.tier(), Tier::Medium);
}

#[test]
fn a_dozen_mistakes_are_told_at_once() {
    let text = r#"[app]
name    = "Poll Notify"
teem    = "people-ops"
purpose = 7
expires = "2027-06-01"
class   = "secret"
[runtime]
profile = "wsam"
main    = "../app.js"
limits  = { memory = "2GiB", cpu = "50", paralel = 2 }
[access]
use    = []
mfa    = ["export", "/a/%2fb"]
[secrets.slack_token]
id = "slack-bot"
[connect.slack]
host    = "https://slack.com"
methods = ["POST", "CONNECT"]
paths   = ["/api/../admin"]
secret  = "SLACK_TOKEN"
why     = ""
[data.answers]
retain = "30 fortnights"
fields.person = { klass = "personal" }
[limits]
requests = "often"
rows = 501
retain = "1d"
"#;
    insta::assert_snapshot!(refused(text), @r#"
2:11 [manifest.bad_name] `Poll Notify` is not an app's name
    why: an app's name is small letters, digits and single `-`, starting with a letter and not ending in `-`
    fix: choose another name
3:1 [manifest.unknown_key] `[app]` has no key `teem`
    why: a key that nobody reads would be a promise that nobody keeps
    fix: did you mean `team`?
4:11 [manifest.wrong_type] `app.purpose` is a number
    why: it must be a text
    fix: write it as in `purpose = "Find a meeting time"`
5:11 [manifest.expires_late] `2027-06-01` is more than 90 days ahead
    why: an app that is still wanted is looked at again; deploying renews it
    fix: choose a day up to 2027-02-21
6:11 [manifest.bad_value] `secret` is not a class
    why: the classes are public < internal < personal < confidential < restricted
    fix: choose the highest class of what the app handles
8:11 [manifest.bad_value] `wsam` is not a profile
    why: the profiles are wasm, static, external (runs elsewhere: governed, not contained)
    fix: choose `wasm` for an app with code
9:11 [manifest.bad_value] `runtime.main` is not a path inside the folder: `../app.js`
    why: it leads out of the app's folder
    fix: write it as in `app.js` or `src/app.js`
10:22 [manifest.bad_value] `runtime.limits.memory` is `2GiB`
    why: it may be 8 MiB to 512 MiB
    fix: write `memory = "512MiB"`, or something between
10:36 [manifest.bad_value] `runtime.limits.cpu` is `50`
    why: it must be a whole number and `d`, `h`, `min`, `s` or `ms`, such as `30d`
    fix: write it as in `cpu = "50ms"`
10:42 [manifest.unknown_key] `[runtime.limits]` has no key `paralel`
    why: a key that nobody reads would be a promise that nobody keeps
    fix: did you mean `parallel`?
12:10 [manifest.bad_value] `access.use` is empty
    why: nobody could use the app
    fix: write `use = ["everyone"]`, or groups as in `use = ["group:staff"]`
13:11 [manifest.bad_value] `export` is not a path pattern
    why: it does not start with `/`
    fix: write it as in `/v1/rooms/*` (one part) or `/v1/rooms/**` (any rest)
13:21 [manifest.bad_value] `/a/%2fb` is not a path pattern
    why: it has an encoded `/`
    fix: write it as in `/v1/rooms/*` (one part) or `/v1/rooms/**` (any rest)
14:10 [manifest.bad_name] `slack_token` is not a secret's variable
    why: a secret's variable is capital letters, digits and `_`, starting with a letter
    fix: choose another name
15:6 [manifest.bad_value] the id of a secret is not `team/name`
    why: it is the team's name, one `/`, and a name of small letters, digits, `_` and `-`; a value never stands here
    fix: write it as in `id = "people-ops/slack-bot"`
17:11 [manifest.bad_value] `https://slack.com` is not a host
    why: it has a scheme
    fix: write the host alone; TLS is used unless `tls = false`
18:20 [manifest.bad_value] `CONNECT` is not a method that an app may use
    why: the methods are GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS
    fix: name one or more of them
19:12 [manifest.bad_value] `/api/../admin` is not a path pattern
    why: it has `.` or `..` as a part
    fix: write it as in `/v1/rooms/*` (one part) or `/v1/rooms/**` (any rest)
21:11 [manifest.bad_value] `connect.slack.why` is empty
    why: the people who approve the app read it
    fix: write one plain sentence, as in `why = "Posts the chosen time to the team channel"`
23:10 [manifest.bad_value] `data.answers.retain` is `30 fortnights`
    why: it must be a whole number and `d`, `h`, `min`, `s` or `ms`, such as `30d`
    fix: write it as in `retain = "30d"`
24:19 [manifest.unknown_key] `[data.answers.fields.person]` has no key `klass`
    why: a key that nobody reads would be a promise that nobody keeps
    fix: did you mean `class`?
26:12 [manifest.bad_value] `often` is not a limit
    why: a limit is N/(s|min|h) per (user|address|app|route), such as `60/min per user`
    fix: write it as in `requests = "60/min per user"`
27:8 [manifest.bad_value] `limits.rows` is 501
    why: it may be 1 to 500
    fix: write `rows = 500`, or a number in that range
28:1 [manifest.unknown_key] `[limits]` has no key `retain`
    why: a key that nobody reads would be a promise that nobody keeps
    fix: `retain` belongs in `[data.*]`
"#);
}

#[test]
fn mistakes_of_writing_do_not_hide_mistakes_of_meaning() {
    let text = r#"[app]
name = "poll
team = people-ops
purpose "Find a meeting time"
expires = "2027-02-01"
expires = "2027-02-02"
clas = "internal"
[runtime
profile = "wasm"
main = "app.js"
[access]
use = ["staff"]
[connect.slack]
connector = "slack"
allow = ["chat.postMessage"]
"#;
    insta::assert_snapshot!(refused(text), @r#"
2:13 [manifest.syntax] a text is not closed, or holds a character that it may not
    why: the manifest is TOML (https://toml.io), and TOML cannot read this line
    fix: close it with `"` on the same line; write `\\` for a backslash
3:8 [manifest.syntax] a text stands here without quotes
    why: the manifest is TOML (https://toml.io), and TOML cannot read this line
    fix: put it in double quotes: `"…"`
4:9 [manifest.syntax] `purpose` has no value
    why: the manifest is TOML (https://toml.io), and TOML cannot read this line
    fix: write `key = value`
6:1 [manifest.duplicate] `expires` stands here a second time
    why: a key or table stands once; nobody could tell which of two is meant
    fix: keep one of them
7:1 [manifest.unknown_key] `[app]` has no key `clas`
    why: a key that nobody reads would be a promise that nobody keeps
    fix: did you mean `class`?
8:9 [manifest.syntax] a table's name is not closed
    why: the manifest is TOML (https://toml.io), and TOML cannot read this line
    fix: close it with `]`
12:8 [manifest.bad_value] `staff` is not `everyone` or `group:NAME`
    why: a group is written with `group:` before its name
    fix: did you mean `group:staff`?
14:1 [manifest.connector] `connect.slack` asks for a connector
    why: connectors come later; until then a destination is named by `host`
    fix: write `host`, `methods` and `paths` instead, such as `host = "slack.com"`
"#);
}

#[test]
fn an_empty_manifest_is_told_all_that_it_needs() {
    insta::assert_snapshot!(refused(""), @r#"
- [manifest.missing] `app.name` is missing
    why: the manifest has to say it: nothing stands in for it
    fix: write `name = "poll-notify"` under `[app]`
- [manifest.missing] `app.team` is missing
    why: the manifest has to say it: nothing stands in for it
    fix: write `team = "people-ops"` under `[app]`
- [manifest.missing] `app.purpose` is missing
    why: the manifest has to say it: nothing stands in for it
    fix: write `purpose = "Find a meeting time"` under `[app]`
- [manifest.missing] `app.expires` is missing
    why: the manifest has to say it: nothing stands in for it
    fix: write `expires = "2027-02-21"` under `[app]`
- [manifest.missing] `app.class` is missing
    why: the manifest has to say it: nothing stands in for it
    fix: write `class = "internal"` under `[app]`
- [manifest.missing] `runtime.profile` is missing
    why: the manifest has to say it: nothing stands in for it
    fix: write `profile = "wasm"` under `[runtime]`
- [manifest.missing] `runtime.main` is missing
    why: the manifest has to say it: nothing stands in for it
    fix: write `main = "app.js"` under `[runtime]`
- [manifest.missing] `access.use` is missing
    why: the manifest has to say it: nothing stands in for it
    fix: write `use = ["everyone"]` under `[access]`
"#);
}

/// A key of an inline table goes between its braces: under a header of its own it would be a second table of that name.
#[test]
fn a_field_without_a_class_is_told_where_its_class_goes() {
    let fix = |fields: &str| {
        let text = DESIGN.replacen("[limits]", &format!("[data.votes]\nretain = \"1d\"\n{fields}\n[limits]"), 1);
        let findings = parse(&text).map(drop).unwrap_err();
        let [finding] = findings.as_slice() else { panic!("{}", told(&findings)) };
        assert!(finding.edits.is_empty(), "a class is for a person to say: {finding:?}");
        finding.fix.clone()
    };
    let more = ["one", "two", "three", "four"].map(|name| format!(", {name} = {{ class = \"internal\" }}")).concat();
    let long = format!("fields = {{ choice = {{}}{more} }}");
    let fixes = [
        "fields.choice = { type = \"text\" }   # what they chose",
        "  fields.choice = {}",
        "fields = { choice = { type = \"text\" }, who = { class = \"personal\" } }",
        long.as_str(),
        "fields.choice.type = \"text\"",
        "[data.votes.fields.choice]\ntype = \"text\"",
    ]
    .map(fix);
    insta::assert_snapshot!(fixes.join("\n"), @r#"
write `fields.choice = { type = "text", class = "internal" }`, with the class that fits: public, internal, personal, confidential, restricted
write `fields.choice = { class = "internal" }`, with the class that fits: public, internal, personal, confidential, restricted
write `fields = { choice = { type = "text", class = "internal" }, who = { class = "personal" } }`, with the class that fits: public, internal, personal, confidential, restricted
write `class = "internal"` beside the other keys of `data.votes.fields.choice`, with the class that fits: public, internal, personal, confidential, restricted
write `class = "internal"` beside the other keys of `data.votes.fields.choice`, with the class that fits: public, internal, personal, confidential, restricted
write `class = "internal"` under `[data.votes.fields.choice]`, with the class that fits: public, internal, personal, confidential, restricted
"#);
}

#[test]
fn letters_that_look_alike_are_named() {
    let name = DESIGN.replace("\"poll-notify\"", "\"p\u{43e}ll-notify\"");
    let table = DESIGN.replace("[app]", "[\u{430}pp]");
    let key = DESIGN.replace("class   =", "\u{441}lass =");
    let quoted = DESIGN.replace("class   =", "\"\u{441}lass\" =");
    let told = [name, table, key, quoted].map(|text| refused(&text)).join("\n---\n");
    insta::assert_snapshot!(told, @r#"
2:11 [manifest.lookalike] `pоll-notify` has `о` (U+043E), which looks like `o` and is another character
    why: an app's name is small letters, digits and single `-`, starting with a letter and not ending in `-`
    fix: type it again with a plain keyboard
---
1:2 [manifest.syntax] `[аpp]` has `а` (U+0430), which looks like `a` and is another character
    why: keys are plain ASCII letters, digits, `-` and `_`
    fix: type the word again with a plain keyboard
---
6:1 [manifest.syntax] `сlass` has `с` (U+0441), which looks like `c` and is another character
    why: keys are plain ASCII letters, digits, `-` and `_`
    fix: type the word again with a plain keyboard
---
6:1 [manifest.unknown_key] `[app]` has no key `сlass`
    why: it has `с` (U+0441), which looks like `c` and is another character
    fix: did you mean `class`?
"#);
}

#[test]
fn what_belongs_together_is_checked_together() {
    let undeclared = DESIGN.replace("secret  = \"SLACK_TOKEN\"", "secret  = \"SLACK_TOKN\"");
    let unused = DESIGN.replace("secret  = \"SLACK_TOKEN\"", "");
    let class = DESIGN.replace("class   = \"personal\"", "class   = \"internal\"");
    insta::assert_snapshot!(refused(&undeclared), @r#"
20:10 [manifest.unused_secret] (warning) the secret `SLACK_TOKEN` is never used
    why: no destination under `[connect]` names it, so it can be attached nowhere
    fix: add `secret = "SLACK_TOKEN"` to a destination, or remove the secret
27:11 [manifest.unknown_secret] `connect.slack` uses the secret `SLACK_TOKN`, which is not declared
    why: a secret is declared under `[secrets]` before a destination may have it
    fix: did you mean `SLACK_TOKEN`?
"#);
    insta::assert_snapshot!(refused(&class), @r#"
6:11 [manifest.class_too_low] the app is `internal`, but its field `answers.person` is `personal`
    why: an app's class is at least its fields' highest
    fix: write `class = "personal"` under `[app]`
"#);
    let Parsed { warnings, .. } = parse(&unused).unwrap();
    insta::assert_snapshot!(told(&warnings), @r#"
20:10 [manifest.unused_secret] (warning) the secret `SLACK_TOKEN` is never used
    why: no destination under `[connect]` names it, so it can be attached nowhere
    fix: add `secret = "SLACK_TOKEN"` to a destination, or remove the secret
"#);
}

#[test]
fn a_pasted_secret_is_never_repeated() {
    let value = "wJalrXUtn/made-up/EXAMPLEKEY";
    let quoted = format!("\"{value}\"");
    let texts = [
        DESIGN.replace("\"people-ops/slack-bot\"", &quoted),
        DESIGN.replace("secret  = \"SLACK_TOKEN\"", &format!("secret = {quoted}")),
        DESIGN
            .replace("[secrets.SLACK_TOKEN]", "[secrets]")
            .replace("id  =", "SLACK_TOKEN =")
            .replace("\"people-ops/slack-bot\"", &quoted),
        DESIGN.replace("[secrets.SLACK_TOKEN]", &format!("[secrets.SLACK_TOKEN]\n{value}")),
        DESIGN.replace("[secrets.SLACK_TOKEN]", &format!("[secrets.SLACK_TOKEN]\nvalue {quoted}")),
        DESIGN.replace("[secrets.SLACK_TOKEN]", &format!("[secrets.SLACK_TOKEN]\nvalue = {value}")),
        DESIGN.replace("[secrets.SLACK_TOKEN]", &format!("[secrets.SLACK_TOKEN]\nvalue = {quoted}")),
        DESIGN.replace("[secrets.SLACK_TOKEN]", &format!("[secrets.SLACK_TOKEN]\nvalue = \"{value}")),
    ];
    for text in texts {
        let told = refused(&text);
        assert!(!told.contains("wJalr") && !told.contains("EXAMPLEKEY"), "{told}");
    }
}

#[test]
fn what_was_accepted_can_be_read_again_after_its_day() {
    let late = date(2030, 1, 1);
    assert!(Manifest::parse(DESIGN.as_bytes(), late).is_err());
    assert_eq!(Manifest::reread(DESIGN.as_bytes()).unwrap().manifest, parse(DESIGN).unwrap().manifest);
}
