//! `dev` as a builder runs it: the real program, a folder, saves, and everything outside answered by mocks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};
use tempfile::TempDir;

const MANIFEST: &str = r#"
[app]
name = "lunch"
team = "it"
purpose = "Finds out who eats what"
expires = "EXPIRES"
class = "internal"
[runtime]
profile = "wasm"
main = "app.js"
limits = { cpu = "5s" }
[access]
use = ["group:staff"]
roles.cook = ["group:kitchen"]
[secrets.KEY]
id = "it/kitchen"
[connect.kitchen]
host = "kitchen.example:8443"
methods = ["GET", "POST"]
paths = ["/v1/**"]
secret = "KEY"
why = "Orders what was chosen"
[data.dishes]
retain = "30d"
fields.name = { class = "internal", type = "text" }
[jobs.order]
schedule = "0 3 1 1 *"
"#;

const APP: &str = r#"
export default {
  async fetch(request, env) {
    const path = new URL(request.url).pathname;
    if (path === "/me") return Response.json(env.user);
    if (path === "/dishes") return Response.json((await env.data.dishes.list({})).items.map((dish) => dish.name));
    const call = async (url, options) => {
      try {
        const answer = await fetch(url, options);
        return Response.json({ status: answer.status, said: await answer.text() });
      } catch (error) {
        return Response.json({ code: error.code });
      }
    };
    const headers = { authorization: `Bearer ${env.KEY}` };
    if (path === "/menu") return call("https://kitchen.example:8443/v1/menu", { headers });
    if (path === "/other") return call("https://kitchen.example:8443/v1/other", { method: "POST", body: "two" });
    if (path === "/evil") return call("https://evil.example/x");
    console.log("hello from", path);
    return new Response("first");
  },
  async scheduled(event) {
    console.log("ordered by", event.name);
  },
};
"#;

/// A folder of an app, and a home in which nothing may be written.
struct Folder {
    whole: TempDir,
}

impl Folder {
    fn new() -> Self {
        let folder = Self { whole: tempfile::tempdir().unwrap() };
        for name in ["app", "home", "tmp"] {
            fs::create_dir(folder.whole.path().join(name)).unwrap();
        }
        folder.save("bailiwick.toml", &MANIFEST.replace("EXPIRES", &in_sixty_days()));
        folder.save("app.js", APP);
        folder.save("mock/kitchen.json", r#"{ "GET /v1/menu": { "status": 203, "body": ["soup"] } }"#);
        folder.save("mock/data/dishes.json", r#"[{ "name": "soup" }, { "name": "rice" }]"#);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.whole.path().join(name)
    }

    fn save(&self, name: &str, text: &str) {
        let path = self.path("app").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn in_sixty_days() -> String {
    let days = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    days.saturating_add(jiff::Span::new().days(60)).to_string()
}

struct Dev {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
    token: String,
}

impl Dev {
    fn start(folder: &Folder, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
            .args(["dev", "app", "--json", "--listen", "127.0.0.1:0"])
            .args(more)
            .current_dir(folder.whole.path())
            .env_clear()
            .env("HOME", folder.path("home"))
            .env("TMPDIR", folder.path("tmp"))
            // What a server would read: none of it may be touched here.
            .env("BAILIWICK_DATA", folder.path("home/data"))
            .env("BAILIWICK_SERVER__DATABASE", "postgres://nobody@127.0.0.1:9/none")
            .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, url: String::new(), token: String::new() }
    }

    /// The next thing of this kind; what happens before is passed over.
    fn next(&mut self, happened: &str) -> Value {
        for line in self.lines.by_ref() {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if line["happened"] == happened {
                return line;
            }
            assert!(happened == "refused" || line["happened"] != "refused", "{line}");
        }
        panic!("it ended before `{happened}`");
    }

    fn ready(&mut self) -> Value {
        let ready = self.next("ready");
        self.url = ready["url"].as_str().unwrap().to_owned();
        self.token = ready["token"].as_str().unwrap().to_owned();
        ready
    }

    /// As a script: with a token of `dev`.
    async fn get(&self, path: &str) -> (u16, String) {
        let token = send("GET", &self.token, &[]).await.1;
        let bearer = format!("Bearer {token}");
        let (status, text, _) = send("GET", &format!("{}{path}", self.url), &[("authorization", &bearer)]).await;
        (status, text)
    }

    async fn json(&self, path: &str) -> Value {
        let (status, text) = self.get(path).await;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} {text}"))
    }

    /// Ends it as Ctrl-C does.
    fn interrupt(mut self) -> (i32, Vec<String>) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::INT)
            .unwrap();
        let rest = self.lines.by_ref().map(Result::unwrap).collect();
        (self.child.wait().unwrap().code().unwrap(), rest)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn client() -> reqwest::Client {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_only([])
        .build()
        .unwrap()
}

/// To loopback, whatever the name: no resolver of this machine is asked.
async fn send(method: &str, url: &str, headers: &[(&str, &str)]) -> (u16, String, Vec<(String, String)>) {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap_or((&url[7..], ""));
    let port = host.rsplit(':').next().unwrap();
    let mut request =
        client().request(method.parse().unwrap(), format!("http://127.0.0.1:{port}/{path}")).header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let headers = headers.collect();
    (status, answer.text().await.unwrap(), headers)
}

#[tokio::test]
async fn an_app_runs_with_mocks_of_everything_and_a_save_is_served() {
    let folder = Folder::new();
    let mut dev = Dev::start(&folder, &[]);
    let ready = dev.ready();
    assert_eq!((ready["app"].as_str(), ready["tier"].as_str()), (Some("lunch"), Some("medium")), "{ready}");
    assert_eq!(ready["groups"], serde_json::json!(["kitchen", "staff"]));
    assert_eq!(ready["mocked"][0]["file"], "mock/kitchen.json");
    assert_eq!(ready["data"], serde_json::json!([{ "collection": "dishes", "records": 2 }]));
    assert_eq!(dev.next("live")["release"], 1);

    assert_eq!(dev.get("/").await, (200, "first".to_owned()));
    let log = dev.next("log");
    assert_eq!((log["text"].as_str(), log["level"].as_str()), (Some("hello from /"), Some("log")), "{log}");
    assert_eq!(dev.next("request")["status"], 200);
    let me = dev.json("/me").await;
    assert_eq!((me["email"].as_str(), &me["roles"]), (Some("dev@example.test"), &serde_json::json!(["cook"])), "{me}");
    assert_eq!(dev.json("/dishes").await, serde_json::json!(["soup", "rice"]));

    // A granted host is answered by its mock, which sees the secret that the code never held.
    assert_eq!(dev.json("/menu").await, serde_json::json!({ "status": 203, "said": "[\"soup\"]" }));
    let call = dev.next("call");
    assert_eq!(
        (call["host"].as_str(), call["file"].as_str()),
        (Some("kitchen.example:8443"), Some("mock/kitchen.json"))
    );
    assert_eq!(call["secrets"], serde_json::json!(["KEY"]), "{call}");
    // What nobody wrote is a plain yes, and says so.
    assert_eq!(dev.json("/other").await["status"], 200);
    let call = dev.next("call");
    assert_eq!(
        (&call["file"], call["body"].as_str(), &call["secrets"]),
        (&Value::Null, Some("two"), &serde_json::json!([]))
    );
    // What is not granted is refused as anywhere, and told.
    assert_eq!(dev.json("/evil").await, serde_json::json!({ "code": "egress.not_granted" }));
    let refused = dev.next("log");
    assert!(
        refused["text"].as_str().unwrap().starts_with("refused: GET https://evil.example (egress.not_granted)"),
        "{refused}"
    );

    folder.save("app.js", &APP.replace("\"first\"", "\"second\""));
    assert_eq!(dev.next("live")["release"], 2);
    assert_eq!(dev.get("/").await.1, "second");

    let (code, _) = dev.interrupt();
    assert_eq!(code, 0);
    for name in ["home", "tmp"] {
        assert_eq!(fs::read_dir(folder.path(name)).unwrap().count(), 0, "something was left in {name}");
    }
}

#[tokio::test]
async fn a_broken_save_keeps_what_served_before() {
    let folder = Folder::new();
    let mut dev = Dev::start(&folder, &[]);
    dev.ready();
    dev.next("live");
    for (name, broken, whole, code) in [
        ("app.js", "export default {".to_owned(), APP.to_owned(), "app."),
        ("bailiwick.toml", "[app]".to_owned(), MANIFEST.replace("EXPIRES", &in_sixty_days()), "manifest."),
        ("mock/kitchen.json", "{ \"GET\": {} }".to_owned(), "{}".to_owned(), "mock.shape"),
    ] {
        folder.save(name, &broken);
        let refused = dev.next("refused");
        let found = refused["findings"][0]["code"].as_str().unwrap();
        assert!(found.starts_with(code), "{name}: {refused}");
        assert_eq!(dev.get("/").await, (200, "first".to_owned()), "{name}");
        folder.save(name, &whole);
        dev.next("live");
    }
    // The mocks of the last save answer.
    assert_eq!(dev.json("/menu").await["status"], 200);
}

#[tokio::test]
async fn a_browser_is_signed_in_without_a_page_and_other_sites_start_nothing() {
    let folder = Folder::new();
    let mut dev = Dev::start(&folder, &["--as", "bo@example.test", "--group", "staff"]);
    let ready = dev.ready();
    let page = [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none")];
    let mut jars: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut url = format!("{}/me", dev.url);
    let mut seen = Vec::new();
    let me = loop {
        let origin = url[7..].split('/').next().unwrap().to_owned();
        let jar = jars.entry(origin.clone()).or_default();
        let sent = jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let headers = if sent.is_empty() { page.to_vec() } else { [&page[..], &[("cookie", sent.as_str())]].concat() };
        let (status, text, answered) = send("GET", &url, &headers).await;
        seen.push(format!("{status} {url}"));
        assert!(seen.len() < 10, "{seen:#?}");
        for (_, cookie) in answered.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            jar.insert(name.to_owned(), value.to_owned());
        }
        match answered.iter().find(|(name, _)| name == "location") {
            Some((_, to)) if to.starts_with('/') => url = format!("http://{origin}{to}"),
            Some((_, to)) => url = to.clone(),
            None => break serde_json::from_str::<Value>(&text).unwrap_or_else(|_| panic!("{status} {text} {seen:#?}")),
        }
    };
    assert_eq!((me["email"].as_str(), &me["roles"]), (Some("bo@example.test"), &serde_json::json!([])), "{me}");

    let sign_in = seen.iter().map(|line| &line[4..]).find(|url| !url.starts_with(&dev.url)).unwrap();
    let picture = [("sec-fetch-dest", "image"), ("sec-fetch-site", "cross-site")];
    let (status, _, answered) = send("GET", sign_in, &picture).await;
    // What ties a sign-in to this browser may come; a session may not.
    let signed_in = |(name, value): &(String, String)| name == "set-cookie" && !value.starts_with("bailiwick-begin");
    assert!(status == 401 && !answered.iter().any(signed_in), "{status} {answered:?}");

    let run = ready["jobs"][0]["run"].as_str().unwrap();
    let (status, text, _) = send("POST", run, &[("sec-fetch-site", "cross-site")]).await;
    assert!(status == 403 && text.contains("request.cross_site"), "{status} {text}");
    let (status, text, _) = send("POST", run, &[]).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(dev.next("log")["text"], "ordered by order");
    let (status, text, _) = send("POST", &run.replace("order", "nothing"), &[]).await;
    assert!(status == 404 && text.contains("job.unknown"), "{status} {text}");
}

#[test]
fn it_serves_this_machine_alone_and_wants_a_folder() {
    let folder = Folder::new();
    for (arguments, code) in [
        (&["dev", "app", "--listen", "0.0.0.0:0"][..], "dev.listen"),
        (&["dev", "nowhere"], "dev.folder"),
        (&["dev", "app/app.js"], "dev.folder"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
            .args(arguments)
            .arg("--json")
            .current_dir(folder.whole.path())
            .env_clear()
            .env("HOME", folder.path("home"))
            .output()
            .unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), document["problem"]["code"].as_str()), (Some(1), Some(code)), "{document}");
    }
}
