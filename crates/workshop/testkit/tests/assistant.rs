//! What a coding assistant gets, `AGENTS.md` and `bailiwick.d.ts`, is enough: the examples in it are put together into
//! apps, their types are checked, every gate passes them, and people use them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use model::{Clock, SystemClock};
use serde_json::json;
use server::template::{Filling, NewFile, files};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use testkit::{Arrived, Engine, Town, Upstream};

const GUIDE: &str = "AGENTS.md";
const TYPES: &str = "bailiwick.d.ts";
const VALUE: &str = "xoxb-for-the-channel-alone-4815";

/// The two files as `new` writes them, and nothing else of what it writes.
fn given(name: &str) -> (String, String) {
    let day = |ahead: u64| SystemClock.now().plus(Duration::from_secs(ahead * 86_400)).to_string()[..10].to_owned();
    let filling = Filling { name, team: "people-ops", expires: day(80).parse().unwrap() };
    let made: Vec<NewFile> = files("blank", &filling, day(0).parse().unwrap()).unwrap();
    let text = |path: &str| {
        let file = made.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("`new` writes {path}"));
        String::from_utf8(file.bytes.clone()).unwrap()
    };
    (text(GUIDE), text(TYPES))
}

/// The blocks that name a file of `app`: path and text.
fn examples(guide: &str, app: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let path = info.split_once(' ').and_then(|(_, path)| path.strip_prefix(&format!("{app}/")));
        if let Some(path) = path {
            found.insert(path.to_owned(), format!("{}\n", block.join("\n")));
        }
    }
    found
}

fn checker() -> PathBuf {
    testkit::installed(env!("CARGO_TARGET_TMPDIR"), "types", "typescript").join("node_modules/typescript/bin/tsc")
}

/// What a strict type checker says of the app; nothing when its types hold.
fn types(app: &BTreeMap<String, String>, declared: &str) -> String {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join(TYPES), declared).unwrap();
    for (path, text) in app.iter().filter(|(path, _)| path.ends_with(".js") || path.ends_with(".ts")) {
        std::fs::write(folder.path().join(path), text).unwrap();
    }
    let options = json!({
        "compilerOptions": {
            "strict": true, "noEmit": true, "allowJs": true, "checkJs": true, "target": "es2022", "module": "esnext",
            "moduleResolution": "bundler", "lib": ["es2022", "dom", "dom.iterable"], "types": [],
            "noUncheckedIndexedAccess": false, "allowImportingTsExtensions": true,
        },
        "include": ["*.js", "*.ts"],
    });
    std::fs::write(folder.path().join("tsconfig.json"), options.to_string()).unwrap();
    let done = Command::new("node").arg(checker()).arg("-p").arg(folder.path()).output().expect("`node` is there");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn named(app: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    app.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect()
}

#[test]
fn the_types_of_every_example_hold_and_are_judged() {
    let (guide, declared) = given("errands");
    for app in ["errands", "announce"] {
        let files = examples(&guide, app);
        assert!(files.contains_key("bailiwick.toml") && files.len() >= 2, "{app}: {:?}", files.keys());
        assert_eq!(types(&files, &declared), "", "{app}");
    }
    let wrong = examples(&guide, "errands");
    let wrong =
        wrong.into_iter().map(|(path, text)| (path, text.replace("env.data.errands.count", "env.data.errand.count")));
    assert!(types(&wrong.collect(), &declared).contains("errand"), "a checker that finds nothing checks nothing");
    let html = examples(&guide, "errands")["html.js"].clone();
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../templates/blank/html.js");
    assert_eq!(html, std::fs::read_to_string(template).unwrap(), "one `html.js` for assistant and templates");
}

/// The app that keeps things for people.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_of_the_guide_alone_passes_every_gate_and_is_used() {
    let (guide, _) = given("errands");
    let town = Town::start(Engine::Sqlite).await;
    let mia = town.person("mia@example.test", &["staff", "builders", "people-ops"]).await;
    let bo = town.person("bo@example.test", &["staff"]).await;
    let deployed = town.deploy(&named(&examples(&guide, "errands"))).await.json();
    assert_eq!((&deployed["status"], &deployed["tier"]), (&json!("live"), &json!("low")), "{deployed}");
    assert_eq!(deployed["findings"], json!([]), "{deployed}");
    let at = |path: &str| format!("{}{path}", town.app("errands"));
    let empty = bo.open(&at("/")).await;
    assert!(empty.status == 200 && empty.text().contains("Nothing is to be done"), "{empty:?}");
    assert!(!empty.text().contains("Clear what is taken"), "{empty:?}");
    assert_eq!(bo.post(&at("/add"), &[("what", "water <the> plants")]).await.status, 303);
    assert_eq!(bo.post(&at("/add"), &[("what", " ")]).await.status, 400);
    mia.open(&at("/")).await;
    let list = mia.open(&at("/")).await.text();
    assert!(list.contains("water &lt;the&gt; plants") && list.contains("Clear what is taken"), "{list}");
    let id = list.split("name=\"id\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (take, form) = (at("/take"), [("id", id.as_str())]);
    let (one, other) = tokio::join!(mia.post(&take, &form), bo.post(&take, &form));
    let mut both = [one.status, other.status];
    both.sort_unstable();
    assert_eq!(both, [303, 409], "one of them was quicker");
    assert_eq!(bo.post(&at("/clear"), &[]).await.status, 403);
    assert_eq!(mia.post(&at("/clear"), &[]).await.status, 303);
    assert!(mia.open(&at("/")).await.text().contains("Nothing is to be done"));
    assert_eq!(bo.get(&at("/style.css")).await.status, 200);
    assert_eq!(bo.get(&at("/nothing")).await.status, 404);
    town.stop().await;
}

fn answer(arrived: &Arrived) -> String {
    json!({ "ok": arrived.body.contains("#general") }).to_string()
}

/// The app that tells the outside: it waits for a yes, and its code never has the credential.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_calls_out_needs_a_yes_and_a_secret() {
    let (guide, _) = given("announce");
    let (folder, slack) = (TempDir::new().unwrap(), Upstream::start("slack.com", answer).await);
    let town = Town::with(Engine::Sqlite, &slack.config(folder.path()), Arc::new(SystemClock)).await;
    let mia = town.person("mia@example.test", &["people-ops"]).await;
    let files = examples(&guide, "announce");
    let expires = files["bailiwick.toml"].split("expires = \"").nth(1).unwrap()[..10].to_owned();
    let secret = json!({ "app": "announce", "owner": "people-ops", "purpose": "Posts to the channel",
        "expires": expires, "hosts": ["slack.com"], "value": VALUE });
    let put =
        town.machine("PUT", "/api/v1/secrets/people-ops/announce-slack?env=prod", secret.to_string().as_bytes()).await;
    assert!(put.status < 300, "{put:?}");
    let waiting = town.deploy(&named(&files)).await.json();
    assert_eq!((&waiting["status"], &waiting["tier"]), (&json!("waiting"), &json!("medium")), "{waiting}");
    assert_eq!(waiting["findings"], json!([]), "{waiting}");
    let request = waiting["request"].as_str().unwrap();
    let yes = json!({ "why": "it was looked at", "break_glass": true });
    let live = town.post(&format!("/api/v1/requests/{request}/approve"), yes).await.json();
    assert_eq!(live["status"], "live", "{live}");
    let url = format!("{}/", town.app("announce"));
    assert_eq!(mia.open(&url).await.status, 405);
    let headers = [("sec-fetch-site", "same-origin"), ("content-type", "text/plain")];
    let said = mia.send("POST", &url, &headers, b"Lunch is ready").await;
    assert_eq!((said.status, said.text().as_str()), (200, "Announced.\n"), "{said:?}");
    let arrived = slack.arrived();
    let with_value = |arrived: &Arrived| arrived.headers.iter().any(|(_, header)| *header == format!("Bearer {VALUE}"));
    assert!(arrived.len() == 1 && with_value(&arrived[0]), "{arrived:?}");
    assert!(arrived[0].body.contains("Lunch is ready"), "{arrived:?}");
    town.stop().await;
}
