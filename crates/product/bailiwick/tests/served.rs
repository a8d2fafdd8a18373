//! The program against a real server: lists in parts, explanations, documents that others parse, and a changed record.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
};
use testkit::{DATABASE, Engine, Process, damage_events};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");

struct Server {
    child: Child,
    data: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = Command::new(BINARY)
            .args(["up", "--json", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(data.path().join("data"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while !ready.ends_with("}\n") {
            assert_ne!(lines.read_line(&mut ready).unwrap(), 0, "the server ended: {ready}");
        }
        let document: Value = serde_json::from_str(&ready).unwrap();
        assert!(document["link"].as_str().unwrap().contains("/welcome/"), "{document}");
        Self { child, data }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(BINARY)
            .args(arguments)
            .current_dir(self.data.path())
            .env("BAILIWICK_DATA", self.data.path().join("data"))
            .env("HOME", self.data.path())
            .env_remove("BAILIWICK_SERVER")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.run(&[arguments, &["--json"]].concat());
        let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?} {output:?}"));
        (output.status.code().unwrap(), document)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Every entry of a list, asked for one at a time.
fn one_by_one(server: &Server, list: &[&str], field: &str, name: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let more = after.as_deref().map_or_else(Vec::new, |after| vec!["--after", after]);
        let (code, page) = server.json(&[list, &["--limit", "1"], &more[..]].concat());
        assert_eq!(code, 0, "{page}");
        names.extend(page[field].as_array().unwrap().iter().map(|item| item[name].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return names,
        }
    }
}

#[test]
fn lists_come_in_parts_newest_first_and_decisions_are_explained() {
    let server = Server::start();
    for name in ["one", "two"] {
        assert_eq!(server.run(&["new", name, "--team", "it"]).status.code(), Some(0));
        let (code, deployed) = server.json(&["deploy", name]);
        assert_eq!((code, deployed["status"].as_str()), (0, Some("live")), "{deployed}");
        let (code, added) = server.json(&["people", "add", &format!("{name}@example.test"), "--group", "it"]);
        assert_eq!((code, added["person"]["email"].as_str()), (0, Some(&*format!("{name}@example.test"))));
    }
    assert_eq!(one_by_one(&server, &["apps"], "apps", "app"), ["two", "one"]);
    let people = one_by_one(&server, &["people", "list"], "people", "email");
    assert_eq!(people[..2], ["two@example.test", "one@example.test"]);
    assert_eq!(one_by_one(&server, &["people", "groups"], "people", "email"), people);
    let kept = ["audit", "list", "--outcome", "denied", "--keep"];
    for name in ["a", "b"] {
        assert_eq!(server.run(&[&kept[..], &[name]].concat()).status.code(), Some(0));
    }
    assert_eq!(one_by_one(&server, &["audit", "queries"], "queries", "name"), ["a", "b"]);
    assert_eq!(one_by_one(&server, &["templates"], "templates", "name").len(), 3);
    assert!(!one_by_one(&server, &["policy", "list"], "files", "name").is_empty());
    // What goes on with a list asks for the same list.
    for (list, next) in [
        (&["apps", "--limit", "1"][..], "next: bailiwick apps --limit 1 --after two"),
        (
            &["audit", "list", "--limit", "1", "--action", "person.add"],
            "next: bailiwick audit list --action person.add --limit 1 --after ",
        ),
    ] {
        let told = String::from_utf8(server.run(list).stderr).unwrap();
        assert!(told.contains(next), "{told}");
    }
    let (code, gone) = server.json(&["apps", "--after", "three"]);
    assert_eq!((code, gone["problem"]["code"].as_str()), (1, Some("request.after")), "{gone}");

    let explain = |act: &str, who: &str| {
        let (code, answer) = server.json(&["policy", "explain", act, "--app", "one", "--as", who]);
        assert_eq!(code, 0, "{answer}");
        (answer["allowed"].as_bool().unwrap(), answer["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(explain("app.revoke", "machine"), (true, String::new()));
    assert_eq!(explain("app.revoke", "one@example.test"), (false, "role.missing".to_owned()));
    assert_eq!(explain("app.use", "one@example.test"), (true, String::new()));
    assert_eq!(explain("app.use", "stranger"), (false, "sign_in.needed".to_owned()));
    assert_eq!(explain("release.approve", "machine"), (false, "machine.break_glass".to_owned()));
    let (_, answer) = server.json(&["revoke", "one", "--why", "the test"]);
    assert_eq!(answer["recorded"], true);
    assert_eq!(explain("app.use", "one@example.test"), (false, "app.revoked".to_owned()));
    for (arguments, code) in [
        (&["policy", "explain", "app.revok"][..], "act.unknown"),
        (&["policy", "explain", "app.use", "--as", "nobody@example.test"], "person.unknown"),
        (&["policy", "explain", "data.read", "--as", "app"], "act.which_app"),
    ] {
        let (exit, document) = server.json(arguments);
        assert_eq!((exit, document["problem"]["code"].as_str()), (1, Some(code)), "{document}");
    }
    let (code, document) = server.json(&["doctor"]);
    assert_eq!((code, &document["ok"]), (0, &true.into()), "{document}");
}

/// A crash writes no memory out: to no file (less than a page), and to no program that takes what is left (1).
#[test]
fn a_server_that_crashes_leaves_no_core() {
    let server = Server::start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.child.id())).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    let core: Vec<&str> = core.split_ascii_whitespace().collect();
    // Where no process may have more than nothing, it has that.
    let most = rustix::process::getrlimit(rustix::process::Resource::Core).maximum;
    let wanted = if most == Some(0) { "0" } else { "1" };
    assert_eq!(core, [wanted, wanted, "bytes"], "{limits}");
}

/// How people sign in, from a terminal: said, refused with what to do, and switched. A secret comes by stdin alone.
#[test]
fn how_people_sign_in_is_said_and_switched() {
    let server = Server::start();
    let (code, now) = server.json(&["sign-in", "show"]);
    assert_eq!((code, &now["links"]["on"], &now["provider"]), (0, &Value::Bool(true), &Value::Null), "{now}");
    assert!(now["register"]["redirect"].as_str().unwrap().ends_with("/sign-in/provider/back"), "{now}");
    let shown = String::from_utf8(server.run(&["sign-in", "show"]).stdout).unwrap();
    assert!(shown.contains("single sign-on is off") && shown.contains("/sign-in/provider/logout"), "{shown}");
    assert!(shown.contains("/sign-in/provider/try"), "{shown}");
    for (arguments, code) in [
        (&["sign-in", "links", "off"][..], "links.only_way"),
        (&["sign-in", "on"], "provider.no_draft"),
        (&["sign-in", "off"], "provider.not_on"),
        (&["sign-in", "set", "http://login.corp.example", "--client-id", "b", "--public"], "provider.issuer"),
        (&["sign-in", "set", "https://10.1.2.3", "--client-id", "b", "--public"], "reach.address"),
    ] {
        let output = server.run(&[arguments, &["--json"]].concat());
        let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(!output.status.success() && said.contains(code), "{arguments:?}: {said}");
    }
    let (code, now) = server.json(&["sign-in", "links", "on"]);
    assert_eq!((code, &now["links"]["said_in"]), (0, &Value::from("console")), "{now}");
    let argument = server.run(&["sign-in", "set", "https://a.example", "--client-id", "b", "--client-secret", "x"]);
    assert_eq!(argument.status.code(), Some(2), "a secret is no argument: {argument:?}");
}

/// Whoever waits for the code needs it, whatever stdout carries.
#[test]
fn a_login_says_address_and_code_however_quiet_it_is() {
    let server = Server::start();
    let url = server.json(&["whoami"]).1["server"].as_str().unwrap().to_owned();
    for quiet in [&["--json"][..], &["--quiet"], &["--json", "--quiet"]] {
        let mut login = Command::new(BINARY)
            .args(["login", &url])
            .args(quiet)
            .env("HOME", server.data.path())
            .env_remove("BAILIWICK_DATA")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(login.stderr.take().unwrap());
        let code = |line: &str| line.trim().split_once('-').is_some_and(|(a, b)| a.len() == 4 && b.len() == 4);
        while !said.lines().any(code) {
            assert_ne!(lines.read_line(&mut said).unwrap(), 0, "{quiet:?}: {said}");
        }
        assert!(said.contains(&format!("{url}/login?")), "{quiet:?}: {said}");
        drop(login.kill());
        assert_eq!(login.wait_with_output().unwrap().stdout, b"", "{quiet:?}");
    }
}

/// A refusal names the app, and where it would serve as the server says it, whoever refused.
#[test]
fn a_refused_deploy_names_app_and_address() {
    let server = Server::start();
    for name in ["here", "new"] {
        assert_eq!(server.run(&["new", name, "--team", "it"]).status.code(), Some(0));
    }
    let live = server.json(&["deploy", "here"]).1;
    let url = live["url"].as_str().unwrap().to_owned();
    let break_it = |name: &str| {
        let path = server.data.path().join(name).join("bailiwick.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replace("profile =", "profil =")).unwrap();
    };
    break_it("here");
    break_it("new");
    let (code, refused) = server.json(&["deploy", "here", "--env", "staging"]);
    assert_eq!((code, &refused["status"], &refused["app"]), (1, &"refused".into(), &"here".into()), "{refused}");
    assert_eq!((&refused["app_id"], refused["app_id"].is_string()), (&live["app_id"], true), "{refused}");
    assert_eq!(refused["url"], url.replace("here.", "here--staging."));
    let (_, refused) = server.json(&["deploy", "new"]);
    assert_eq!((&refused["app"], &refused["app_id"]), (&"new".into(), &Value::Null), "{refused}");
    assert_eq!(refused["url"], url.replace("here.", "new."));
    // What never left this machine is asked for all the same.
    std::os::unix::fs::symlink("/etc/hosts", server.data.path().join("new/link")).unwrap();
    let (code, refused) = server.json(&["deploy", "new"]);
    assert_eq!(
        (code, &refused["app"], &refused["url"]),
        (1, &"new".into(), &url.replace("here.", "new.").into()),
        "{refused}"
    );
    assert!(refused["problem"]["code"].as_str().unwrap().starts_with("bundle."), "{refused}");
}

/// Ending a secret that is not there is no success; an owner who is nobody is called so; a restore that waits says so.
#[test]
fn secrets_and_restores_end_as_they_went() {
    let server = Server::start();
    let (code, nothing) = server.json(&["secret", "revoke", "people-ops/nosuch", "--why", "leaked"]);
    assert_eq!((code, nothing["problem"]["code"].as_str()), (1, Some("secret.unknown")), "{nothing}");
    let put = |id: &str, owner: &str, host: &str| {
        let mut child = Command::new(BINARY)
            .args(["secret", "put", id, "--env", "prod", "--owner", owner, "--purpose", "p", "--host", host, "--json"])
            .args(["--expires", &day(), "--app", "poll"])
            .env("BAILIWICK_DATA", server.data.path().join("data"))
            .env("HOME", server.data.path())
            .env_remove("BAILIWICK_SERVER")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"xoxb-a-value-for-this-test-4711").unwrap();
        serde_json::from_slice::<Value>(&child.wait_with_output().unwrap().stdout).unwrap()
    };
    let nobody = put("people-ops/poll-slack", "nobody@example.test", "slack.com");
    assert_eq!(
        (&nobody["problem"]["code"], &nobody["problem"]["at"]),
        (&"secret.owner".into(), &"owner".into()),
        "{nobody}"
    );
    put("people-ops/poll-slack", "people-ops", "slack.com");
    server.run(&["new", "poll", "--template", "poll-notify", "--team", "people-ops"]);
    let (code, waiting) = server.json(&["deploy", "poll"]);
    assert_eq!(code, 3, "{waiting}");
    let request = waiting["request"].as_str().unwrap();
    assert_eq!(server.json(&["approve", request, "--why", "read it", "--break-glass", "--yes"]).0, 0);
    let replaced = put("people-ops/poll-slack", "people-ops", "hooks.slack.com");
    assert_eq!(replaced["replaced"], true, "{replaced}");
    assert_eq!(server.json(&["revoke", "poll", "--why", "leaks"]).0, 0);
    let (code, restored) = server.json(&["restore", "poll", "--why", "mended"]);
    assert_eq!((code, &restored["status"]), (3, &"waiting".into()), "{restored}");
    let (code, revoked) = server.json(&["secret", "revoke", "people-ops/poll-slack", "--why", "leaked"]);
    assert_eq!((code, revoked["revoked"].as_array().map(Vec::len)), (0, Some(1)), "{revoked}");
}

/// A day that a secret may end on.
fn day() -> String {
    use model::Clock as _;
    model::SystemClock.now().plus(std::time::Duration::from_secs(60 * 86_400)).to_string()[..10].to_owned()
}

/// Documents of one line each end with one of one line.
#[test]
fn a_followed_log_ends_with_a_line() {
    let server = Server::start();
    let output = server.run(&["logs", "nosuch", "-f", "--json"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    let document: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(document["problem"]["code"], "app.unknown", "{document}");
}

/// What `doctor` says of the record, which it fetches whole from a running server.
async fn doctor_of_record(town: &Process) -> Value {
    let config = town.folder.path().join("config.toml");
    let told = town.run(&["doctor", "--json", "--config", config.to_str().unwrap()]).await;
    let told: Value = serde_json::from_slice(&told.stdout).unwrap_or_else(|_| panic!("{told:?}"));
    let record = told["checks"].as_array().unwrap().iter().find(|line| line["check"] == "record");
    record.unwrap_or_else(|| panic!("{told}")).clone()
}

/// Who changes the database has not changed the record: `doctor` names the first entry that is another one.
async fn a_changed_record_is_found(engine: Engine) {
    let mut town = Process::start(BINARY, engine, "", "error").await;
    town.person("ana@example.test", &["staff"]).await;
    let record = doctor_of_record(&town).await;
    assert_eq!(record["state"], "ok", "{record}");
    town.stop().await;
    match &town.database {
        Some(database) => database.damage_events().await,
        None => damage_events(&town.data().join(DATABASE[0])),
    }
    town.again().await;
    let record = doctor_of_record(&town).await;
    assert_eq!(record["state"], "fail", "{record}");
    assert!(record["what"].as_str().unwrap().starts_with("entry 0: "), "{record}");
    assert!(record["fix"].as_str().unwrap().contains("restore a backup"), "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_record_is_found_on_sqlite() {
    a_changed_record_is_found(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_record_is_found_on_postgres() {
    a_changed_record_is_found(Engine::Postgres).await;
}
