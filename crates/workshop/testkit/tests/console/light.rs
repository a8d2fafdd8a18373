//! How much a page weighs, whatever there is to show.

use super::{Browser, Engine, Town, page};
use serde_json::json;
use testkit::{manifest, noise, until};

/// As a browser asks for it: the page with its style, packed, however much there is to show.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_light() {
    let town = Town::start(Engine::Sqlite).await;
    town.deploy_template("lunch", "tinypoll").await;
    for n in 0..60 {
        let secret = json!({ "app": format!("app{n}"), "owner": "people-ops", "purpose": format!("Posts to the channel {n}"),
            "expires": testkit::ahead(60), "hosts": ["slack.com"], "value": "xoxb-0123456789abcdef" });
        let put =
            town.machine("PUT", &format!("/api/v1/secrets/people-ops/bot{n}"), secret.to_string().as_bytes()).await;
        assert_eq!(put.status, 200, "{put:?}");
    }
    let ola = town.person("ola@example.test", &["operators", "auditors", "builders", "people-ops"]).await;
    let (first, second) =
        (page(&ola, &town, "/secrets").await.text(), page(&ola, &town, "/secrets?page=2").await.text());
    assert!(first.contains("1–50 of 60") && second.contains("51–60 of 60"), "{second}");
    let packed = async |path: &str| {
        let url = format!("{}{path}", town.url());
        let answer = ola.send("GET", &url, &[("accept-encoding", "gzip"), ("accept", "text/html")], b"").await;
        assert_eq!((answer.status, answer.header("content-encoding")), (200, Some("gzip")), "{path}");
        answer.body.len()
    };
    let style = packed("/style.css").await;
    for path in ["/", "/apps", "/apps/lunch", "/apps/lunch/edit", "/people", "/secrets", "/record", "/policy", "/new"] {
        let page = packed(path).await;
        assert!(style + page < 40_000, "{path}: {page} bytes, and {style} of style");
    }
    town.stop().await;
}

/// The files as a page carries them.
fn bundle(page: &str) -> String {
    let rest = page.split_once("name=\"bundle\" value=\"").unwrap_or_else(|| panic!("no files in {page}")).1;
    rest.split('"').next().unwrap().to_owned()
}

async fn press(town: &Town, browser: &Browser, bundle: &str, more: &[(&str, &str)]) -> super::Answer {
    browser.post(&format!("{}/new", town.url()), &[&[("bundle", bundle)][..], more].concat()).await
}

/// Files that would make a page heavy wait for the next press: for whoever brought them, and for nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_app_is_edited_and_tried_in_light_pages() {
    let town = Town::start(Engine::Sqlite).await;
    let mut files = testkit::template("photos", "tinypoll");
    files.push(("public/picture.png".to_owned(), noise(300_000).into()));
    let archive = catalog::Unpacked::of(files).unwrap().pack().unwrap();
    let live = town.machine("POST", "/api/v1/deploy?env=prod", &archive).await;
    assert_eq!(live.json()["status"], "live", "{live:?}");
    let mia = town.person("mia@example.test", &["builders", "people-ops", "staff"]).await;
    let edit = page(&mia, &town, "/apps/photos/edit").await.text();
    let kept = bundle(&edit);
    assert!(kept.starts_with("kept:") && edit.contains("picture.png") && edit.contains("300 kB"), "{edit}");
    let opened = press(&town, &mia, &kept, &[("open", "bailiwick.toml")]).await;
    assert!(opened.status == 200 && opened.body.len() < 100_000, "{opened:?}");
    assert!(opened.text().contains("retain = ") && bundle(&opened.text()) == kept, "{opened:?}");
    let bo = town.person("bo@example.test", &["builders", "people-ops", "staff"]).await;
    let none = press(&town, &bo, &kept, &[("do", "check")]).await;
    assert!(none.status == 410 && none.text().contains("draft.gone"), "{none:?}");

    let tried = press(&town, &mia, &kept, &[("do", "try")]).await;
    assert_eq!(tried.status, 303, "{tried:?}");
    let tried = page(&mia, &town, tried.header("location").unwrap()).await.text();
    assert!(bundle(&tried) == kept && tried.contains("Change it"), "{tried}");
    let changed = [("path", "README.md"), ("text", "# Photos"), ("do", "deploy")];
    let live = press(&town, &mia, &kept, &changed).await;
    assert!(live.status == 200 && live.text().contains("is live"), "{live:?}");
    let edit = page(&mia, &town, "/apps/photos/edit?file=README.md").await.text();
    assert!(edit.contains("# Photos") && edit.contains("300 kB") && bundle(&edit) != kept, "{edit}");
    town.stop().await;
}

/// As each line is in HTML, five times as long.
const LOUD: &str = r#"
export default {
  fetch(request) {
    const n = new URL(request.url).searchParams.get("n");
    for (let part = 0; part < 4; part++) console.log(`line ${n}.${part} ${"<&'".repeat(1_500)}`);
    return new Response("said");
  },
};
"#;

/// A log of long lines goes on on the next page, and each line stands on one.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_leafed_through_in_light_pages() {
    let town = Town::start(Engine::Sqlite).await;
    let live = town.deploy(&[("bailiwick.toml", &manifest("loud", "")), ("app.js", LOUD)]).await;
    assert_eq!(live.json()["status"], "live", "{live:?}");
    let ola = town.person("ola@example.test", &["operators", "staff"]).await;
    for n in 0..2 {
        let said = ola.open(&format!("{}/?n={n}", town.app("loud"))).await;
        assert_eq!(said.text(), "said", "{said:?}");
    }
    let written = async || town.get("/api/v1/apps/loud/logs").await.json()["lines"].as_array().map(Vec::len);
    until("every line is written", async || written().await == Some(8)).await;
    let (mut at, mut seen) = ("/apps/loud/log".to_owned(), Vec::new());
    loop {
        let text = page(&ola, &town, &at).await.text();
        let lines = text.split("<span>line ").skip(1).map(|rest| rest.split(' ').next().unwrap().to_owned());
        seen.extend(lines);
        let Some((_, before)) = text.split_once("/apps/loud/log?env=prod&#38;before=") else { break };
        at = format!("/apps/loud/log?env=prod&before={}", before.split('"').next().unwrap());
    }
    assert_eq!(seen, ["1.3", "1.2", "1.1", "1.0", "0.3", "0.2", "0.1", "0.0"]);
    town.stop().await;
}
