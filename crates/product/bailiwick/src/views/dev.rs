//! What happens while `dev` runs: what surrounds the app, then a line for each thing, as it comes.

use super::{View, findings};
use crate::{
    ink::Tone,
    output,
    page::{Cell, Page},
};
use model::{Finding, Problem};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(tag = "happened", rename_all = "lowercase")]
pub(crate) enum HappenedView {
    Ready(Box<Ready>),
    Live {
        release: u64,
        ms: u64,
    },
    Refused {
        findings: Vec<Finding>,
        problem: Option<Problem>,
        #[serde(default)]
        serves: bool,
    },
    Noted {
        finding: Finding,
    },
    Request {
        method: String,
        path: String,
        status: u16,
        ms: u64,
    },
    Log {
        level: String,
        text: String,
        at: Option<String>,
    },
    Call {
        host: String,
        method: String,
        path: String,
        status: u16,
        file: Option<String>,
        secrets: Vec<String>,
        body: String,
    },
}

#[derive(Debug, Deserialize)]
pub(crate) struct Ready {
    app: String,
    url: String,
    tier: String,
    email: String,
    groups: Vec<String>,
    mocked: Vec<Mocked>,
    data: Vec<Kept>,
    secrets: Vec<String>,
    jobs: Vec<Job>,
    token: String,
}

#[derive(Debug, Deserialize)]
struct Mocked {
    name: String,
    host: String,
    methods: Vec<String>,
    paths: Vec<String>,
    file: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Kept {
    collection: String,
    records: usize,
}

#[derive(Debug, Deserialize)]
struct Job {
    name: String,
    schedule: String,
    run: String,
}

impl View for HappenedView {
    fn show(&self, page: &mut Page) {
        match self {
            Self::Ready(ready) => ready.show(page),
            Self::Live { release, ms } => {
                let line = format!("{} release {release} serves  {ms} ms", page.state("live"));
                page.line(line);
            }
            Self::Refused { findings: found, problem, serves } => {
                findings::show(page, found);
                if let Some(problem) = problem.as_ref().filter(|_| found.is_empty()) {
                    let told = output::told(problem, page.ink());
                    page.line(told);
                }
                let goes_on = if *serves {
                    "this save; what served before goes on"
                } else {
                    "so that nothing serves yet; it begins once what was saved can"
                };
                let line = format!("{} {goes_on}", page.state("refused"));
                page.line(line);
            }
            Self::Noted { finding } => findings::show(page, std::slice::from_ref(finding)),
            Self::Request { method, path, status, ms } => {
                let tone = tone(*status);
                let line = format!(
                    "{method:<5} {path}  {}  {}",
                    page.paint(tone, &status.to_string()),
                    quiet(page, &format!("{ms} ms"))
                );
                page.line(line);
            }
            Self::Log { level, text, at } => log(page, level, text, at.as_deref()),
            Self::Call { host, method, path, status, file, secrets, body } => {
                let from = file.as_deref().unwrap_or("made-up answer");
                let with = if secrets.is_empty() { String::new() } else { format!("  with {}", secrets.join(", ")) };
                let status = page.paint(tone(*status), &status.to_string());
                let line = format!("  → {host}  {method} {path}  {status}  {}{with}", quiet(page, from));
                page.line(line);
                if !body.is_empty() {
                    let line = format!("    {}", quiet(page, &body.replace('\n', " ")));
                    page.line(line);
                }
            }
        }
    }
}

fn quiet(page: &Page, text: &str) -> String {
    page.paint(Tone::Quiet, text)
}

const fn tone(status: u16) -> Tone {
    match status {
        200..400 => Tone::Good,
        400..500 => Tone::Doubtful,
        _ => Tone::Bad,
    }
}

/// A line that the app printed, below the request that it belongs to.
fn log(page: &mut Page, level: &str, text: &str, at: Option<&str>) {
    let word = match level {
        "error" => page.paint(Tone::Bad, "✕ error"),
        "warn" => page.paint(Tone::Doubtful, "! warn "),
        "debug" | "info" => quiet(page, &format!("  {level:<5}")),
        _ => quiet(page, "  log  "),
    };
    let mut lines = text.lines();
    let at = at.map(|at| format!("  {}", quiet(page, at))).unwrap_or_default();
    page.line(format!("  {word}  {}{at}", lines.next().unwrap_or_default()));
    for line in lines {
        page.line(format!("           {line}"));
    }
}

impl Ready {
    fn show(&self, page: &mut Page) {
        page.blank();
        let head = format!("{}  {}", page.state("live"), page.paint(Tone::Strong, &self.url));
        page.line(head);
        page.under(format!("{}, {} tier; reloads on save", self.app, self.tier));
        page.blank();
        let groups = if self.groups.is_empty() { "in no group".to_owned() } else { self.groups.join(", ") };
        let mut facts: Vec<(&str, Cell)> = vec![("you", format!("{}   {groups}", self.email).into())];
        for mock in &self.mocked {
            let asks = format!("{} {}", mock.methods.join(" "), mock.paths.join(" "));
            let from = mock
                .file
                .as_deref()
                .map_or_else(|| format!("a plain yes; `mock/{}.json` would say more", mock.name), str::to_owned);
            facts.push(("mocked", format!("{}   {asks}   {from}", mock.host).into()));
        }
        for secret in &self.secrets {
            facts.push(("secret", format!("{secret}   a made-up value").into()));
        }
        for kept in &self.data {
            let records = match kept.records {
                0 => format!("empty; `mock/data/{}.json` would begin it", kept.collection),
                1 => "begins with 1 record".to_owned(),
                records => format!("begins with {records} records"),
            };
            facts.push(("data", format!("{}   {records}", kept.collection).into()));
        }
        for job in &self.jobs {
            facts.push(("job", format!("{}   {}", job.name, job.schedule).into()));
            facts.push(("", format!("run it now: curl -X POST {}", job.run).into()));
        }
        let curl = format!("curl -H \"authorization: Bearer $(curl -s {})\" {}", self.token, self.url);
        facts.push(("scripts", curl.into()));
        page.facts(facts);
        page.blank();
        page.line("nothing outside this machine is reached; Ctrl-C ends it, and nothing is kept");
        page.blank();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn what_surrounds_an_app() {
        let ready = json!({ "happened": "ready", "app": "poll", "url": "http://poll.localhost:7171", "tier": "medium",
            "email": "dev@example.test", "groups": ["people-ops", "staff"], "secrets": ["SLACK_TOKEN"],
            "mocked": [
                { "name": "slack", "host": "slack.com", "methods": ["POST"], "paths": ["/api/chat.postMessage"], "file": "mock/slack.json" },
                { "name": "rooms", "host": "rooms.example:8443", "methods": ["GET", "PUT"], "paths": ["/v1/**"], "file": null }],
            "data": [{ "collection": "votes", "records": 0 }, { "collection": "rooms", "records": 1 }],
            "jobs": [{ "name": "remind", "schedule": "0 8 * * 1-5", "run": "http://localhost:7171/dev/jobs/remind" }],
            "token": "http://localhost:7171/dev/token" });
        insta::assert_snapshot!(shown::<HappenedView>(&ready).trim_start(), @r#"
        ● live  http://poll.localhost:7171
          poll, medium tier; reloads on save

          you       dev@example.test   people-ops, staff
          mocked    slack.com   POST /api/chat.postMessage   mock/slack.json
          mocked    rooms.example:8443   GET PUT /v1/**   a plain yes; `mock/rooms.json` would say more
          secret    SLACK_TOKEN   a made-up value
          data      votes   empty; `mock/data/votes.json` would begin it
          data      rooms   begins with 1 record
          job       remind   0 8 * * 1-5
                    run it now: curl -X POST http://localhost:7171/dev/jobs/remind
          scripts   curl -H "authorization: Bearer $(curl -s http://localhost:7171/dev/token)" http://poll.localhost:7171

        nothing outside this machine is reached; Ctrl-C ends it, and nothing is kept
        "#);
        let alone = json!({ "happened": "ready", "app": "blank", "url": "http://blank.localhost:7171", "tier": "low",
            "email": "dev@example.test", "groups": [], "secrets": [], "mocked": [], "data": [], "jobs": [],
            "token": "http://localhost:7171/dev/token" });
        insta::assert_snapshot!(shown::<HappenedView>(&alone).trim_start(), @r#"
        ● live  http://blank.localhost:7171
          blank, low tier; reloads on save

          you       dev@example.test   in no group
          scripts   curl -H "authorization: Bearer $(curl -s http://localhost:7171/dev/token)" http://blank.localhost:7171

        nothing outside this machine is reached; Ctrl-C ends it, and nothing is kept
        "#);
    }

    #[test]
    fn a_line_for_each_thing() {
        let happened = [
            json!({ "happened": "live", "app": "poll", "release": 2, "ms": 140 }),
            json!({ "happened": "request", "method": "POST", "path": "/vote", "status": 303, "ms": 12 }),
            json!({ "happened": "log", "level": "log", "text": "voted", "at": "app.js:12:5" }),
            json!({ "happened": "log", "level": "warn", "text": "refused: GET https://evil.example (egress.not_granted): no", "at": null }),
            json!({ "happened": "log", "level": "error", "text": "Error: no\n    at vote (app.js:3:1)", "at": null }),
            json!({ "happened": "call", "host": "slack.com", "method": "POST", "path": "/api/chat.postMessage", "status": 200,
                "file": "mock/slack.json", "secrets": ["SLACK_TOKEN"], "body": "{\"channel\":\"#x\"}" }),
            json!({ "happened": "call", "host": "a.example", "method": "GET", "path": "/", "status": 500, "file": null, "secrets": [], "body": "" }),
            json!({ "happened": "refused", "findings": [], "serves": true, "problem": { "code": "bundle.odd", "what": "`x` cannot be used",
                "at": null, "why": "it is a link", "fix": "copy the file" } }),
        ];
        let mut first = happened[7].clone();
        first["serves"] = json!(false);
        let first = shown::<HappenedView>(&first);
        assert!(first.ends_with("✕ refused so that nothing serves yet; it begins once what was saved can"), "{first}");
        let lines = happened.iter().map(shown::<HappenedView>).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(lines, @r##"
        ● live release 2 serves  140 ms
        POST  /vote  303  12 ms
            log    voted  app.js:12:5
          ! warn   refused: GET https://evil.example (egress.not_granted): no
          ✕ error  Error: no
                       at vote (app.js:3:1)
          → slack.com  POST /api/chat.postMessage  200  mock/slack.json  with SLACK_TOKEN
            {"channel":"#x"}
          → a.example  GET /  500  made-up answer
        error[bundle.odd]: `x` cannot be used
          why: it is a link
          fix: copy the file
        ✕ refused this save; what served before goes on
        "##);
    }
}
