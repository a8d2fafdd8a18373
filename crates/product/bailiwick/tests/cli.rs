//! The program as people run it: words, exits and documents; and every template through every gate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::{Value, json};
use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// A person with an empty home; compiled code is kept between tests and runs, as it is between checks.
struct Person {
    home: TempDir,
}

impl Person {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bailiwick"));
        command
            .args(arguments)
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            // The discard port (RFC 863): nothing listens there, whatever else runs on this machine.
            .env("BAILIWICK_SERVER", "http://127.0.0.1:9")
            .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-cache"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(err(&output), "", "talk beside a document");
        let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        (output.status.code().unwrap(), document)
    }
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn every_template_passes_every_gate_as_it_stands() {
    let person = Person::new();
    let (code, templates) = person.json(&["templates"]);
    assert_eq!(code, 0);
    let templates = templates["templates"].as_array().unwrap().clone();
    assert_eq!(templates.len(), 3);
    for template in templates {
        let (template, tier) = (template["name"].as_str().unwrap(), &template["tier"]);
        let name = format!("my-{template}");
        let (code, made) = person.json(&["new", &name, "--template", template, "--team", "it"]);
        assert_eq!((code, made["team"].as_str()), (0, Some("it")), "{made}");
        let (code, checked) = person.json(&["check", &name]);
        assert_eq!((code, &checked["verdict"], &checked["tier"]), (0, &"pass".into(), tier), "{template}: {checked}");
        assert_eq!(checked["findings"], Value::Array(vec![]), "{template}");
    }
}

#[test]
fn check_says_what_is_wrong_in_every_format() {
    let person = Person::new();
    assert_eq!(person.run(&["new", "lunch"]).status.code(), Some(0));
    let app = person.home.path().join("lunch");
    let manifest = fs::read_to_string(app.join("bailiwick.toml")).unwrap();
    assert!(manifest.contains("\"lunch\"") && manifest.contains("\"people-ops\""), "{manifest}");
    fs::write(app.join("bailiwick.toml"), manifest.replace("profile =", "profil =")).unwrap();

    let output = person.run(&["check", "lunch"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("error[manifest.") && out(&output).contains("✕ block"), "{}", out(&output));
    let (code, document) = person.json(&["check", "lunch"]);
    assert_eq!((code, &document["verdict"]), (1, &"block".into()));
    let first = document["findings"].as_array().unwrap().iter().find(|found| found["severity"] == "block").unwrap();
    let problem = &document["problem"];
    assert_eq!((&problem["code"], &problem["fix"]), (&first["code"], &first["fix"]), "{document}");
    assert!(problem["at"].as_str().unwrap().starts_with("bailiwick.toml:"), "{document}");
    let blocks = document["findings"].as_array().unwrap().iter().filter(|found| found["severity"] == "block").count();
    assert_eq!(out(&person.run(&["check", "lunch"])).matches("error[").count(), blocks, "none is told twice");

    let output = person.run(&["check", "lunch", "--format", "sarif"]);
    let sarif: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), sarif["runs"][0]["results"][0]["level"].as_str()), (Some(1), Some("error")));
    let output = person.run(&["check", "lunch", "--format", "junit"]);
    assert!(out(&output).contains("<failure type=\"manifest."), "{}", out(&output));

    let (code, document) = person.json(&["check", "nowhere"]);
    assert_eq!(
        (code, &document["verdict"], &document["problem"]["code"]),
        (1, &"block".into(), &"bundle.unreadable".into())
    );
    let output = person.run(&["check", "nowhere", "--format", "sarif"]);
    assert!(out(&output).contains("bundle.unreadable"), "{}", out(&output));
}

#[test]
fn a_name_is_judged_and_a_folder_is_not_written_over() {
    let person = Person::new();
    assert_eq!(person.run(&["new", "lunch"]).status.code(), Some(0));
    let (code, document) = person.json(&["new", "lunch"]);
    assert_eq!((code, document["problem"]["code"].as_str()), (1, Some("new.taken")));
    for (name, problem) in
        [("Lunch", "manifest.bad_name"), ("admin", "manifest.reserved"), ("../x", "manifest.bad_name")]
    {
        let (code, document) = person.json(&["new", name]);
        assert_eq!((code, document["problem"]["code"].as_str()), (1, Some(problem)), "{name}: {document}");
    }
    let there: Vec<_> = fs::read_dir(person.home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(there, ["lunch"]);
}

#[test]
fn a_wrong_command_exits_2_and_says_how_it_is_written() {
    let person = Person::new();
    for arguments in [
        &["deplyo"][..],
        &["revoke", "tinypoll"],
        &["revoke", "tinypoll", "--why", "  "],
        &["deploy", "--env", "production"],
        &["secret", "put", "slack"],
        &["people", "groups", "--join", "staff"],
        &["audit", "verify", "--key", "nonsense"],
        &["up", "--listen", "nope"],
        &["logs", "tinypoll", "-f", "--after", "1"],
    ] {
        let output = person.run(arguments);
        assert_eq!((output.status.code(), out(&output).as_str()), (Some(2), ""), "{arguments:?}");
        assert!(err(&output).starts_with("error[command.usage]: "), "{}", err(&output));
        let (code, document) = person.json(arguments);
        assert_eq!((code, document["problem"]["code"].as_str()), (2, Some("command.usage")), "{arguments:?}");
    }
    let help = person.run(&["--help"]);
    assert_eq!((help.status.code(), err(&help).as_str()), (Some(0), ""));
    assert_eq!(person.run(&["--version"]).status.code(), Some(0));
    assert_eq!(person.json(&["--version"]), (0, json!({ "version": env!("CARGO_PKG_VERSION") })));
    for arguments in [&["--help"][..], &["secret", "put", "--help"]] {
        let (code, document) = person.json(arguments);
        assert!(code == 0 && document["help"].as_str().unwrap().contains("--json"), "{document}");
    }
}

#[test]
fn without_a_server_each_command_says_how_to_start_one() {
    let person = Person::new();
    for arguments in
        [&["apps"][..], &["whoami"], &["requests"], &["audit", "list"], &["revoke", "tinypoll", "--why", "x"]]
    {
        let (code, document) = person.json(arguments);
        assert_eq!((code, document["problem"]["code"].as_str()), (1, Some("server.unreachable")), "{arguments:?}");
    }
    person.run(&["new", "lunch"]);
    let (code, document) = person.json(&["deploy", "lunch", "--env", "staging"]);
    assert_eq!((code, document["status"].as_str(), document["app"].as_str()), (1, Some("refused"), Some("lunch")));
    assert_eq!(document["url"], Value::Null, "nobody says where it would serve");
    assert_eq!(document["problem"]["code"], "server.unreachable");
    let (code, document) = person.json(&["audit", "verify"]);
    assert_eq!((code, &document["ok"], &document["problem"]["code"]), (1, &false.into(), &"server.unreachable".into()));
    let (code, document) = person.json(&["apps", "--server", "http://corp.example"]);
    assert_eq!((code, document["problem"]["code"].as_str()), (1, Some("server.plain_http")));
}

#[test]
fn an_export_is_verified_with_no_server_and_no_data_folder() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../foundation/ledger/tests/ledger/golden.export");
    let person = Person::new();
    let file = person.home.path().join("log.export");
    fs::copy(&golden, &file).unwrap();
    let (code, verdict) = person.json(&["audit", "verify", "log.export"]);
    assert_eq!(
        (code, &verdict["ok"], &verdict["checked"], &verdict["key"]),
        (0, &true.into(), &"export".into(), &"unpinned".into()),
        "{verdict}"
    );
    assert!(verdict["what"].as_str().unwrap().contains("--key"), "{verdict}");
    let (_, again) = person.json(&["audit", "verify", "log.export"]);
    assert_eq!(again["key"], "remembered");
    assert!(!person.home.path().join(".local").exists());
    let key = verdict["log"].as_str().unwrap();
    assert_eq!(person.json(&["audit", "verify", "log.export", "--key", key]).1["key"], "pinned");

    let mut bytes = fs::read(&file).unwrap();
    let body = bytes.iter().rposition(|byte| *byte == b'}').unwrap();
    bytes[body - 2] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let (code, verdict) = person.json(&["audit", "verify", "log.export"]);
    assert_eq!((code, &verdict["ok"]), (1, &false.into()), "{verdict}");
    assert!(verdict["first_bad"].is_u64(), "{verdict}");
    assert_eq!(verdict["problem"]["code"], "audit.flaw", "{verdict}");
    assert_eq!(verdict["problem"]["at"], format!("entry {}", verdict["first_bad"]), "{verdict}");
    assert_eq!(verdict["problem"]["what"], verdict["what"], "{verdict}");
    let output = person.run(&["audit", "verify", "log.export"]);
    assert!(out(&output).contains("✕ failed") && out(&output).contains("first bad   entry "), "{}", out(&output));
}

/// Another log that calls itself by the name of one that was seen: not the first time, nor the second, until its key is
/// given by hand.
#[test]
fn another_key_for_a_known_name_does_not_pass() {
    let person = Person::new();
    let key =
        |seed: u8| ledger::LogKey::new("localhost:7070/log/main", seal::SigningKey::from_seed(&[seed; 32])).unwrap();
    for (seed, name) in [(1, "true.export"), (2, "forged.export")] {
        let key = key(seed);
        let signed = ledger::Checkpoint::new(&key, 0, ledger::Edge::default().root()).sign(&key).unwrap();
        let mut file = Vec::new();
        ledger::write_export(&mut file, key.verifier(), &signed, &Empty).unwrap();
        fs::write(person.home.path().join(name), file).unwrap();
    }
    let (known, forged) = (key(1).verifier().to_string(), key(2).verifier().to_string());
    assert_eq!(person.json(&["audit", "verify", "true.export"]).0, 0);
    for _ in 0..2 {
        let (code, verdict) = person.json(&["audit", "verify", "forged.export"]);
        assert_eq!((code, &verdict["ok"], &verdict["problem"]["code"]), (1, &false.into(), &"audit.other_key".into()));
        assert_eq!(verdict["remembered"], *known, "{verdict}");
        let (why, fix) = (verdict["problem"]["why"].as_str().unwrap(), verdict["problem"]["fix"].as_str().unwrap());
        assert!(
            why.contains(&known) && why.contains(&forged) && fix.contains(&format!("--key \"{forged}\"")),
            "{verdict}"
        );
    }
    assert_eq!(person.json(&["audit", "verify", "forged.export", "--key", &forged]).1["key"], "pinned");
    assert_eq!(person.json(&["audit", "verify", "forged.export"]).1["key"], "remembered");
    assert_eq!(person.json(&["audit", "verify", "true.export"]).1["problem"]["code"], "audit.other_key");
}

/// A log with nothing in it.
struct Empty;

impl ledger::ReadTiles for Empty {
    fn tile(&self, _tile: &ledger::TileId) -> Result<Option<Vec<u8>>, ledger::SourceError> {
        Ok(None)
    }
}

impl ledger::ReadLog for Empty {
    fn entries(&self, _first: u64, _count: u32) -> Result<Vec<ledger::StoredEntry>, ledger::SourceError> {
        Ok(Vec::new())
    }
}

/// An address loses some control characters, and would name another app.
#[test]
fn what_is_no_name_is_refused_before_anything_is_sent() {
    let person = Person::new();
    for name in ["hel\nlo", "hel\tlo", "hello\r", "\u{7f}", "..", ""] {
        for arguments in [&["revoke", name, "--why", "x"][..], &["app", name], &["retire", name, "--yes"]] {
            let (code, document) = person.json(arguments);
            assert_eq!((code, document["problem"]["code"].as_str()), (1, Some("command.name")), "{arguments:?}");
        }
    }
}

#[test]
fn a_value_comes_from_stdin_and_an_end_is_asked_for() {
    let person = Person::new();
    let put = [
        "secret",
        "put",
        "it/x",
        "--env",
        "prod",
        "--owner",
        "it",
        "--purpose",
        "p",
        "--expires",
        "2027-01-01",
        "--host",
        "a.example",
        "--json",
    ];
    let mut child = person.command(&put).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(out(&output).contains("secret.no_value"), "{}", out(&output));
    let (code, document) = person.json(&["retire", "tinypoll"]);
    assert_eq!((code, document["problem"]["code"].as_str()), (1, Some("command.unconfirmed")));
    assert_eq!(person.json(&["retire", "tinypoll", "--yes"]).1["problem"]["code"], "server.unreachable");
}

#[test]
fn signing_out_without_a_login_says_so() {
    let (exit, document) = Person::new().json(&["logout"]);
    assert_eq!((exit, document["problem"]["code"].as_str()), (1, Some("login.none")), "{document}");
}

/// Put together here, so that the source of this test holds no such thing.
fn private_key() -> String {
    let body = "MIIEowIBAAKCAQEAx1Yq3v8d5t2KpLw9".repeat(8);
    format!("-----BEGIN {0}-----\n{body}\n-----END {0}-----\n", "RSA PRIVATE KEY")
}

#[test]
fn what_git_remembers_is_searched_and_nothing_of_the_repository_is_run() {
    let person = Person::new();
    let path = |name: &str| person.home.path().join(name);
    let git = |arguments: &[&str]| {
        let ran = Command::new("git")
            .args([
                "-C",
                "app",
                "-c",
                "user.name=x",
                "-c",
                "user.email=x@example.test",
                "-c",
                "init.defaultBranch=main",
            ])
            .args(arguments)
            .current_dir(person.home.path())
            .env("HOME", person.home.path())
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
    };
    fs::create_dir(path("app")).unwrap();
    git(&["init", "--quiet"]);
    fs::write(path("app/key.pem"), private_key()).unwrap();
    fs::write(path("app/app.js"), "export default {}\n").unwrap();
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "begin"]);
    fs::remove_file(path("app/key.pem")).unwrap();
    git(&["commit", "--quiet", "-am", "take it out"]);
    // What a hostile repository would have run.
    let run = format!("touch {}", path("ran").display());
    for key in ["core.fsmonitor", "core.sshCommand", "diff.external", "filter.x.smudge"] {
        git(&["config", key, &run]);
    }

    let (code, document) = person.json(&["scan", "app"]);
    assert_eq!((code, &document["verdict"], &document["versions"]), (0, &"pass".into(), &Value::Null), "{document}");
    let (code, document) = person.json(&["scan", "app", "--history"]);
    assert_eq!((code, &document["verdict"], &document["versions"]), (1, &"block".into(), &2.into()), "{document}");
    let found = &document["findings"][0];
    assert_eq!((found["file"].as_str(), found["code"].as_str()), (Some("key.pem"), Some("secret.found")), "{document}");
    assert!(found["what"].as_str().unwrap().contains(", in commit "), "{found}");
    assert!(!path("ran").exists());
    let (code, document) = person.json(&["scan", ".", "--history"]);
    assert_eq!((code, document["problem"]["code"].as_str()), (1, Some("scan.no_history")));
}

/// What every server would refuse is said before one is asked.
#[test]
fn check_asks_the_policy_that_ships() {
    let person = Person::new();
    assert_eq!(person.run(&["new", "lunch", "--template", "tinypoll"]).status.code(), Some(0));
    let path = person.home.path().join("lunch/bailiwick.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("retain = \"30d\""), "{text}");
    fs::write(&path, text.replace("retain = \"30d\"", "retain = \"800d\"")).unwrap();
    let (code, document) = person.json(&["check", "lunch"]);
    assert_eq!((code, &document["verdict"]), (1, &"block".into()), "{document}");
    assert_eq!(document["problem"]["code"], "policy.retention", "{document}");
    assert_eq!(document["problem"]["fix"], "set `retain` of `[data.votes]` to `365d` or less", "{document}");
}

#[test]
fn policy_is_tried_by_its_own_tests() {
    let person = Person::new();
    let (code, document) = person.json(&["policy", "test"]);
    assert_eq!((code, &document["ok"]), (0, &true.into()), "{document}");
    let shipped = document["tests"].as_array().unwrap().len();
    assert!(shipped >= 8, "{document}");
    let folder = person.home.path().join("own");
    fs::create_dir(&folder).unwrap();
    let (code, document) = person.json(&["policy", "test", "own"]);
    assert_eq!((code, document["problem"]["code"].as_str()), (1, Some("policy.none")));
    fs::write(
        folder.join("own.rego"),
        "package bailiwick\nimport rego.v1\ndeny contains r if {\n\tinput.act == \"app.retire\"\n\tr := {\"code\": \"own.no\", \"why\": \"w\", \"fix\": \"f\"}\n}\n",
    )
    .unwrap();
    fs::write(
        folder.join("own_test.rego"),
        "package own_test\nimport rego.v1\nimport data.bailiwick\ntest_right if count(bailiwick.deny) == 1 with input as {\"act\": \"app.retire\"}\ntest_wrong if count(bailiwick.deny) == 1 with input as {\"act\": \"app.use\"}\n",
    )
    .unwrap();
    let (code, document) = person.json(&["policy", "test", "own"]);
    let ended: Vec<_> =
        document["tests"].as_array().unwrap().iter().map(|test| test["outcome"].as_str().unwrap()).collect();
    assert_eq!((code, ended.iter().filter(|outcome| **outcome == "failed").count(), ended.len()), (1, 1, shipped + 2));
    let output = person.run(&["policy", "test", "own"]);
    let shown = out(&output);
    let failed = shown.lines().find(|line| line.contains("✕ failed")).unwrap_or_else(|| panic!("{shown}"));
    assert!(failed.contains(" own_test.test_wrong ") && failed.contains(" own/own_test.rego:5 "), "{shown}");
    fs::write(folder.join("broken.rego"), "package x\ndeny {").unwrap();
    let (code, document) = person.json(&["policy", "test", "own"]);
    assert_eq!((code, document["problem"]["code"].as_str()), (1, Some("policy.broken")), "{document}");
}

#[test]
fn doctor_and_scan_look_around() {
    let person = Person::new();
    let (code, document) = person.json(&["doctor"]);
    assert_eq!((code, &document["ok"]), (1, &false.into()), "{document}");
    let (code, document) = person.json(&["scan", "."]);
    assert_eq!((code, &document["verdict"]), (0, &"pass".into()));
}
