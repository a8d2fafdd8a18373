//! Ten planted failures, each met through the front door and mended by what the message prints, and by nothing else.
//!
//! `follow` is a person who knows nothing but how to read: it makes the edits that a finding carries, adds the lines that
//! a fix spells out, sets what it says to set, and runs the command that it names. What it cannot follow fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Edit, edited};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};
use tempfile::TempDir;
use testkit::{Arrived, Browser, Engine, Process, Upstream, archive, manifest};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
const MANIFEST: &str = "bailiwick.toml";
/// One fault may hide another; nobody follows more messages than this for one.
const TURNS_MAX: usize = 10;
const VALUE: &str = "xoxb-what-only-the-vault-knows-7351";

fn echo(arrived: &Arrived) -> String {
    let sent = arrived.headers.iter().find(|(name, _)| name == "authorization");
    json!({ "method": arrived.method, "bearer": sent.is_some() }).to_string()
}

/// Answers `works`, or what was refused to it.
fn app(act: &str) -> String {
    format!(
        "export default {{\n  async fetch(request, env) {{\n    try {{\n      {act}\n      return new Response(\"works\");\n    }} catch (error) {{\n      if (!error.code) throw error;\n      return new Response(error.code + \": \" + error.message, {{ status: 500 }});\n    }}\n  }},\n}};\n"
    )
}

/// One failure: what is wrong, and the code that has to say so.
struct Plant {
    name: &'static str,
    code: &'static str,
    manifest: String,
    code_file: String,
}

/// A server, the folder of one app, and who looks at it.
struct Shop<'a> {
    town: &'a Process,
    folder: TempDir,
    name: &'static str,
    user: &'a Browser,
    /// Every message that was followed.
    read: Vec<String>,
}

impl Shop<'_> {
    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.folder.path().join(path), text).unwrap();
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(MANIFEST)).unwrap()
    }

    /// Runs the program where the app's folder is, as the operator of this machine.
    fn run(&self, arguments: &[String], input: &str) -> Value {
        let mut child = Command::new(BINARY)
            .args(arguments)
            .arg("--json")
            .current_dir(self.folder.path())
            .env("BAILIWICK_DATA", self.town.data())
            .env("HOME", self.town.folder.path())
            .env_remove("BAILIWICK_SERVER")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may have ended already.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {output:?}"))
    }

    fn command(&self, words: &[&str]) -> Value {
        self.run(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), "")
    }

    fn edit(&self, edits: &[Edit]) {
        let mut files: Vec<&str> = edits.iter().map(|edit| edit.file.as_str()).collect();
        files.dedup();
        for file in files {
            let path = self.folder.path().join(file);
            let after = edited(file, &std::fs::read(&path).unwrap(), edits).expect("edits that fit the file");
            std::fs::write(path, after).unwrap();
        }
    }

    /// Does what the fix says, to the letter.
    fn follow(&mut self, code: &str, fix: &str, edits: &[Edit]) {
        self.read.push(format!("{code}: {fix}"));
        assert!(self.read.len() <= TURNS_MAX, "it goes in circles: {:#?}", self.read);
        if !edits.is_empty() {
            self.edit(edits);
        } else if let Some((_, block)) = fix.split_once(&format!("add this to {MANIFEST}, then deploy again:\n\n")) {
            self.write(MANIFEST, &format!("{}\n{block}\n", self.text()));
        } else if let Some(command) = between(fix, "`bailiwick ", "`") {
            let answer = self.run(&words(command), VALUE);
            assert!(answer.get("problem").is_none(), "`{command}` does not work: {answer}");
        } else if let Some(line) = between(fix, "set `", "` in `limits` under `[runtime]`") {
            let (key, _) = line.split_once(" = ").unwrap();
            self.set("[runtime]", &format!("limits.{key}"), line.split_once(" = ").unwrap().1);
        } else if let Some(key) = between(fix, "set `", "` of `[") {
            let section = between(fix, "of `", "`").unwrap();
            let value = between(fix, "to `", "`").unwrap();
            self.set(section, key, &format!("\"{value}\""));
        } else if let Some(line) = between(fix, "add `", "` to the `[connect]` section") {
            let host = between(fix, "that has `", "`").unwrap();
            let text = self.text();
            assert!(text.contains(host), "{host} is not in\n{text}");
            self.write(MANIFEST, &text.replacen(host, &format!("{host}\n{line}"), 1));
        } else if let Some(item) = between(fix, "add \"", "\" to ") {
            let list = between(fix, "\" to ", " of [").unwrap();
            let section = format!("[{}]", between(fix, " of [", "]").unwrap());
            self.in_section(&section, |line| {
                line.trim_start().starts_with(list).then(|| line.replacen('[', &format!("[\"{item}\", "), 1))
            });
        } else {
            // Deploying is what every turn does.
            assert!(fix.contains("deploy") && fix.contains("again"), "nobody could follow this: {code}: {fix}");
        }
    }

    /// Sets a key of a section: in place, or as a new line under its header.
    fn set(&self, section: &str, key: &str, value: &str) {
        let inline = key.strip_prefix("limits.").unwrap_or(key);
        let replaced = self.try_in_section(section, |line| {
            let at = line.find(&format!("{inline} = \""))?;
            let old = line[at..].split('"').nth(1)?;
            Some(line.replacen(&format!("{inline} = \"{old}\""), &format!("{inline} = {value}"), 1))
        });
        if !replaced {
            self.in_section(section, |line| line.starts_with(section).then(|| format!("{line}\n{key} = {value}")));
        }
    }

    fn in_section(&self, section: &str, change: impl Fn(&str) -> Option<String>) {
        assert!(self.try_in_section(section, change), "there is no such place in {section}:\n{}", self.text());
    }

    fn try_in_section(&self, section: &str, change: impl Fn(&str) -> Option<String>) -> bool {
        let (mut inside, mut done, mut out) = (false, false, Vec::new());
        for line in self.text().lines() {
            inside = if line.starts_with('[') { line.starts_with(section) } else { inside };
            let changed = Some(line).filter(|_| inside && !done).and_then(&change);
            done |= changed.is_some();
            out.push(changed.unwrap_or_else(|| line.to_owned()));
        }
        self.write(MANIFEST, &format!("{}\n", out.join("\n")));
        done
    }

    /// Deploys, looks, and follows what is said, until it works.
    async fn mend(&mut self) {
        loop {
            let mut deployed = self.command(&["deploy"]);
            if let Some(warning) = findings(&deployed).into_iter().find(|found| !found.edits.is_empty())
                && deployed["status"] != "refused"
            {
                // It may serve, and is told what is worth mending.
                self.follow(&warning.code, &warning.fix, &warning.edits);
                continue;
            }
            if deployed["status"] == "waiting" {
                let request = deployed["request"].as_str().unwrap().to_owned();
                let why = "it was looked at";
                deployed = self.command(&["approve", &request, "--why", why, "--break-glass", "--yes"]);
            }
            if deployed["status"] != "live" {
                self.read_refusal(&deployed);
                continue;
            }
            let answer = self.user.open(&format!("{}/", self.town.app(self.name))).await;
            match (answer.status, answer.text()) {
                (200, text) if text == "works" => return,
                (500, text) if !text.contains("<html") => {
                    let (code, fix) = text.split_once(": ").unwrap();
                    self.follow(code, fix, &[]);
                }
                // The page is for whoever uses the app; its builder reads the log.
                _ => {
                    let line = self.last_line().await;
                    self.follow("log", &line, &[]);
                }
            }
        }
    }

    fn read_refusal(&mut self, deployed: &Value) {
        if let Some(finding) = findings(deployed).into_iter().find(|finding| finding.severity == model::Severity::Block)
        {
            return self.follow(&finding.code, &finding.fix, &finding.edits);
        }
        let problem = &deployed["problem"];
        let field = |name: &str| problem[name].as_str().unwrap_or_else(|| panic!("{deployed}")).to_owned();
        self.follow(&field("code"), &field("fix"), &[]);
    }

    async fn last_line(&self) -> String {
        // What the app printed comes first; what was refused to it, with what to do, when its instance has ended.
        let mut last = String::new();
        for _ in 0..100 {
            let lines = self.command(&["logs", self.name]);
            let mut lines = lines["lines"].as_array().unwrap().clone();
            lines.sort_by_key(|line| line["seq"].as_i64());
            if let Some(line) = lines.last() {
                line["text"].as_str().unwrap().clone_into(&mut last);
            }
            if last.contains("deploy again") {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert!(!last.is_empty(), "the log is empty");
        last
    }
}

fn findings(deployed: &Value) -> Vec<model::Finding> {
    serde_json::from_value(deployed["findings"].clone()).unwrap()
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}

/// Words as a shell takes them apart.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in command.chars() {
        match letter {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    words.push(word);
    words
}

fn plants() -> Vec<Plant> {
    let plain = |name: &'static str| manifest(name, "");
    let plant = |name, code, manifest: String, act: &str| Plant { name, code, manifest, code_file: app(act) };
    let data = "[data.notes]\nretain = \"30d\"\nfields.text = { class = \"internal\" }";
    let people = "[data.people]\nretain = \"800d\"\nfields.person = { class = \"personal\" }";
    let slack =
        "[connect.slack]\nhost = \"slack.com\"\nmethods = [\"GET\"]\npaths = [\"/api/**\"]\nwhy = \"says hello\"";
    // Put together at run time, so that no gate sees where it goes.
    let call = |rest: &str| {
        format!(
            "const answer = await fetch(\"https:/\" + \"/slack.com/api/hello\"{rest});\n      if (!answer.ok) throw new Error(await answer.text());"
        )
    };
    let token = format!("xoxb-{}-{}-{}", "730114923855", "7301149238551", "aB3dE5gH7jK9mN1pQ3sT5vW7");
    let (past, personal) = (plain("past"), manifest("keeping", people));
    let expires = between(&past, "expires = \"", "\"").unwrap().to_owned();
    vec![
        plant("misspelt", "manifest.unknown_key", plain("misspelt").replace("purpose =", "purpos ="), ""),
        plant("unready", "job.no_handler", format!("{}[jobs.tidy]\nschedule = \"0 8 * * *\"\n", plain("unready")), ""),
        plant("reaching", "egress.not_granted", plain("reaching"), &call("")),
        plant(
            "pasted",
            "secret.found",
            manifest("pasted", slack),
            &call(&format!(", {{ headers: {{ authorization: \"Bearer {token}\" }} }}")),
        ),
        plant("posting", "egress.method", manifest("posting", slack), &call(", { method: \"POST\", body: \"hello\" }")),
        plant("past", "manifest.expired", past.replace(&expires, "2020-01-31"), ""),
        plant(
            "full",
            "data.storage_full",
            manifest("full", &format!("limits = {{ storage = \"1KiB\" }}\n{data}")),
            "await env.data.notes.insert({ text: \"x\".repeat(5000) });",
        ),
        plant(
            "hungry",
            "log",
            plain("hungry"),
            "const all = []; for (let i = 0; i < 80; i += 1) all.push(new Uint8Array(1 << 20).fill(i));",
        ),
        plant("keeping", "policy.retention", personal.replacen("class = \"internal\"", "class = \"personal\"", 1), ""),
    ]
}

/// Nine of the ten are mended in the app's own folder.
#[tokio::test(flavor = "multi_thread")]
async fn each_failure_is_mended_by_its_message_alone() {
    let certificates = TempDir::new().unwrap();
    let slack = Upstream::start("slack.com", echo).await;
    let town = Process::start(BINARY, Engine::Sqlite, &slack.config(certificates.path()), "warn").await;
    let user = town.person("mia@example.test", &["staff"]).await;
    for plant in plants() {
        let folder = TempDir::new().unwrap();
        let mut shop = Shop { town: &town, folder, name: plant.name, user: &user, read: Vec::new() };
        shop.write(MANIFEST, &plant.manifest);
        shop.write("app.js", &plant.code_file);
        shop.mend().await;
        assert!(
            shop.read.first().is_some_and(|first| first.starts_with(plant.code)),
            "{} should begin with {}: {:#?}",
            plant.name,
            plant.code,
            shop.read
        );
    }
    let sent = slack.arrived();
    let value = format!("Bearer {VALUE}");
    let with_value = |arrived: &Arrived| arrived.headers.iter().any(|(_, header)| *header == value);
    assert!(sent.iter().any(with_value), "the credential that was pasted is in the vault now, and was sent from there");
    assert!(sent.iter().any(|arrived| arrived.method == "POST"), "{sent:?}");
}

/// The tenth is a person's: whoever lacks a role is told the command that gives it, and an operator runs it.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_lacks_a_role_is_told_how_to_get_it() {
    let town = Process::start(BINARY, Engine::Sqlite, "", "warn").await;
    let mia = town.person("mia@example.test", &["staff"]).await;
    let mut shop = Shop { town: &town, folder: TempDir::new().unwrap(), name: "lunch", user: &mia, read: Vec::new() };
    let (text, code) = (manifest("lunch", ""), app(""));
    let bundle = archive(&[(MANIFEST, &text), ("app.js", &code)]);
    let send = async || {
        let headers = [("sec-fetch-site", "same-origin"), ("content-type", "application/octet-stream")];
        mia.send("POST", &format!("{}/api/v1/deploy?env=prod", town.url()), &headers, &bundle).await
    };
    // Who may deploy nothing is told so before anything is read; for whom it is, stands in what is read then.
    for group in ["builders", "people-ops"] {
        let refused = send().await;
        assert_eq!(refused.status, 403, "{refused:?}");
        let problem = refused.json()["problem"].clone();
        assert_eq!(problem["code"], "role.missing", "{problem}");
        let fix = problem["fix"].as_str().unwrap();
        assert!(fix.contains(&format!("--join {group}")), "{fix}");
        shop.follow("role.missing", fix, &[]);
    }
    let deployed = send().await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    assert_eq!(mia.open(&format!("{}/", town.app("lunch"))).await.text(), "works");
}

/// `check --fix` writes what a machine can mend into the files, says what, and passes.
#[test]
fn check_fix_writes_the_fixes() {
    let folder = TempDir::new().unwrap();
    let token = format!("ghp_{}", "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5");
    let text = manifest(
        "lunch",
        "[connect.hub]\nhost = \"api.github.com\"\nmethods = [\"GET\"]\npaths = [\"/user\"]\nwhy = \"Asks who it is\"",
    )
    .replace("class = \"internal\"", "clas = \"interal\"")
    .replace("[access]\nuse = [\"everyone\"]\n", "");
    let code = format!(
        "const TOKEN = \"{token}\";\nexport default {{\n  async fetch(request, env) {{\n    await env.data.votes.insert({{ person: env.user.email, choice: \"a\" }});\n    return fetch(\"https://api.github.com/user\", {{ headers: {{ authorization: `Bearer ${{TOKEN}}` }} }});\n  }},\n}};\n"
    );
    std::fs::write(folder.path().join(MANIFEST), &text).unwrap();
    std::fs::write(folder.path().join("app.js"), code).unwrap();
    let check = |arguments: &[&str]| {
        let output = Command::new(BINARY)
            .args([&["check", "--json"], arguments].concat())
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .env("BAILIWICK_DATA", folder.path().join("data"))
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let before = check(&[]);
    assert_eq!(before["verdict"], "block", "{before}");
    let edits = before["findings"].as_array().unwrap().iter().filter(|finding| finding["edits"].is_array());
    assert!(edits.count() >= 3, "{before}");
    assert_eq!(read(folder.path(), MANIFEST), text, "looking changes nothing");
    let after = check(&["--fix"]);
    assert_eq!(after["verdict"], "pass", "{after}");
    assert!(after["fixed"].as_array().unwrap().len() >= 4, "{after}");
    assert!(after["findings"].as_array().unwrap().is_empty(), "{after}");
    let brought = |finding: &Value| finding["code"] == "manifest.unused_secret";
    assert!(!after["fixed"].as_array().unwrap().iter().any(brought), "it came with the fix: {after}");
    let (text, code) = (read(folder.path(), MANIFEST), read(folder.path(), "app.js"));
    for line in
        ["class = \"personal\"", "[access]", "[secrets.GITHUB_TOKEN]", "secret = \"GITHUB_TOKEN\"", "[data.votes]"]
    {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(code.contains("`Bearer ${env.GITHUB_TOKEN}`") && !code.contains("ghp_"), "{code}");
    let again = check(&["--fix"]);
    assert_eq!(again["fixed"], json!([]), "what is mended stays");
}

fn read(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}
