//! One suite for every surface, in the assembly that serves: plan, open, held, used, cut, and open again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use authority::{AppRef, CutState, Surface, SurfaceName};
use model::{AppId, Env, Manifest, SystemClock};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};
use testkit::{Arrived, Browser, Engine, Town, Upstream, manifest};

const APP: &str = r#"export default {
  async fetch(request, env) {
    await env.data.notes.insert({ text: "one" });
    if (!env.SLACK_TOKEN) throw new Error("there is no placeholder");
    // What a component in another language asks for.
    const told = await (await fetch("http://self.bailiwick/v1/context")).json();
    if (told.user.email !== env.user.email || told.secrets.SLACK_TOKEN !== env.SLACK_TOKEN) throw new Error(JSON.stringify(told));
    const answer = await fetch("https://slack.com/echo", { method: "POST", headers: { authorization: `Bearer ${env.SLACK_TOKEN}` }, body: "x" });
    return new Response(String(answer.status));
  },
};"#;

/// Asks for something of every surface.
fn text() -> String {
    let more = r#"[secrets.SLACK_TOKEN]
id = "people-ops/slack-bot"
[connect.slack]
host = "slack.com"
methods = ["POST"]
paths = ["/echo"]
secret = "SLACK_TOKEN"
why = "Says what happened"
[data.notes]
retain = "30d"
fields.text = { class = "internal" }"#;
    manifest("whole", more)
}

fn echo(_: &Arrived) -> String {
    "{}".to_owned()
}

struct Suite<'a> {
    town: &'a Town,
    app: AppRef,
    manifest: Arc<Manifest>,
    ana: &'a Browser,
}

impl Suite<'_> {
    fn surfaces(&self) -> Vec<Arc<dyn Surface<store::Tx>>> {
        self.town.surfaces()
    }

    /// Says what is asked, in words, and touches nothing.
    async fn plan(&self, surface: &dyn Surface<store::Tx>) {
        let name = surface.name();
        let planned = surface.plan(&self.manifest);
        assert!(!planned.is_empty(), "{name:?} has no word for what is asked of it");
        assert!(planned.iter().all(|line| line.surface == name && line.sentence.len() > 10), "{planned:?}");
        assert_eq!(surface.plan(&self.manifest), planned);
        let nobody = AppRef { id: AppId::new("nobody"), env: Env::Prod };
        assert!(surface.held(&nobody).await.unwrap().is_empty(), "{name:?} holds for an app that is not there");
        assert!(surface.used(&nobody).await.unwrap().is_empty(), "{name:?}");
        assert!(surface.cut(&nobody).await.is_empty(), "{name:?} cut what was never open");
        surface.refresh(&nobody).await.unwrap();
    }

    async fn held(&self, surface: &dyn Surface<store::Tx>) {
        let held = surface.held(&self.app).await.unwrap();
        assert!(!held.is_empty(), "{:?} holds nothing after it was opened", surface.name());
        assert!(held.iter().all(|line| line.surface == surface.name() && !line.item.is_empty()), "{held:?}");
        let staging = AppRef { env: Env::Staging, ..self.app.clone() };
        assert!(surface.held(&staging).await.unwrap().is_empty(), "{:?}: another environment", surface.name());
    }

    async fn used(&self, surface: &dyn Surface<store::Tx>) {
        let used = surface.used(&self.app).await.unwrap();
        let items: BTreeSet<String> =
            surface.held(&self.app).await.unwrap().into_iter().map(|line| line.item).collect();
        assert!(used.iter().all(|line| line.surface == surface.name()), "{used:?}");
        assert!(
            used.iter().any(|line| line.count > 0 && line.last.is_some()),
            "{:?} says of no use: {used:?}",
            surface.name()
        );
        assert!(used.iter().all(|line| line.count == 0 || items.contains(&line.item)), "{used:?} of {items:?}");
    }

    /// In memory and at once; twice is no change, and rows of the old credentials bring nothing back.
    async fn cut(&self, surface: &dyn Surface<store::Tx>) {
        let name = surface.name();
        let held: BTreeSet<String> = surface.held(&self.app).await.unwrap().into_iter().map(|line| line.item).collect();
        let cut = surface.cut(&self.app).await;
        assert!(!cut.is_empty(), "{name:?} has no line for the receipt");
        for line in &cut {
            assert_eq!((line.surface, line.state, line.dead_at.is_some()), (name, CutState::Dead, true), "{line:?}");
            assert!(!line.node.is_empty() && !line.how.is_empty(), "{line:?}");
        }
        let lines: BTreeSet<String> = cut.iter().map(|line| line.item.clone()).collect();
        assert!(held.is_subset(&lines), "{name:?} held {held:?}, and cut {lines:?}");
        assert!(surface.held(&self.app).await.unwrap().is_empty(), "{name:?} holds what was cut");
        drop(surface.cut(&self.app).await);
        surface.refresh(&self.app).await.unwrap();
        assert!(surface.held(&self.app).await.unwrap().is_empty(), "{name:?}: a late row of the old credentials");
        let answer = self.ana.get(&format!("{}/", self.town.app("whole"))).await;
        assert!(answer.status != 200 || answer.text() != "200", "{name:?} is cut, and the app goes on: {answer:?}");
    }
}

async fn lives(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start("slack.com", echo).await;
    let town = Town::with(engine, &upstream.config(folder.path()), Arc::new(SystemClock)).await;
    let put = json!({ "app": "whole", "owner": "people-ops", "purpose": "speaks", "expires": testkit::ahead(60), "hosts": ["slack.com"], "value": "0123456789abcdef" });
    assert_eq!(
        town.machine("PUT", "/api/v1/secrets/people-ops/slack-bot", put.to_string().as_bytes()).await.status,
        200
    );
    let waiting = town.deploy(&[("bailiwick.toml", &text()), ("app.js", APP)]).await;
    assert_eq!(waiting.status, 202, "{waiting:?}");
    let ana = town.person("ana@example.test", &["staff"]).await;
    let app = AppRef { id: AppId::new(waiting.json()["app_id"].as_str().unwrap()), env: Env::Prod };
    let manifest = Arc::new(Manifest::reread(text().as_bytes()).unwrap().manifest);
    let suite = Suite { town: &town, app, manifest, ana: &ana };
    let names: Vec<SurfaceName> = suite.surfaces().iter().map(|surface| surface.name()).collect();
    assert_eq!(names.iter().copied().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    for surface in suite.surfaces() {
        suite.plan(&*surface).await;
        assert!(
            surface.held(&suite.app).await.unwrap().is_empty(),
            "{:?} is open before anyone agreed",
            surface.name()
        );
    }
    let approve = format!("/api/v1/requests/{}/approve", waiting.json()["request"].as_str().unwrap());
    assert_eq!(town.post(&approve, json!({ "why": "looked", "break_glass": true })).await.status, 200);
    for surface in suite.surfaces() {
        suite.held(&*surface).await;
    }
    let url = format!("{}/", town.app("whole"));
    assert_eq!(ana.open(&url).await.text(), "200");
    let token = format!("{}/api/v1/apps/whole/token", town.url());
    assert_eq!(ana.send("POST", &token, &[("sec-fetch-site", "same-origin")], b"{}").await.status, 200);
    // Uses are counted from the record, which is written within a second; whoever reads it waits for that.
    assert_eq!(town.get("/api/v1/events?limit=1").await.status, 200);
    for surface in suite.surfaces() {
        suite.used(&*surface).await;
    }
    // One after the other, each cut alone, with the others still open.
    for surface in suite.surfaces() {
        suite.cut(&*surface).await;
        assert_eq!(town.post("/api/v1/apps/whole/revoke", json!({ "why": "this one" })).await.status, 200);
        assert_eq!(town.post("/api/v1/apps/whole/restore", json!({ "why": "and on" })).await.status, 200);
        for other in suite.surfaces() {
            suite.held(&*other).await;
        }
        assert_eq!(ana.open(&url).await.text(), "200", "{:?} does not open again", surface.name());
    }
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_surface_plans_opens_tells_and_cuts_on_sqlite() {
    lives(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_surface_plans_opens_tells_and_cuts_on_postgres() {
    lives(Engine::Postgres).await;
}

/// Takes everything out on any path; `/export` asks for a second factor first.
const TAKES_OUT: &str = r#"export default {
  async fetch(request, env) {
    await env.data.notes.insert({ text: "one" });
    try {
      const all = await env.data.notes.export();
      return Response.json({ all, groups: env.user.groups });
    } catch (error) {
      return new Response(error.code, { status: 403 });
    }
  },
};"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_app_takes_a_collection_out_for_the_group_with_a_second_factor() {
    let town = Town::start(Engine::Sqlite).await;
    let kept = "[data.notes]\nretain = \"30d\"\nexport = [\"group:clerks\"]\nfields.text = { class = \"internal\" }\n";
    let text = format!("{}mfa = [\"/export\"]\n", manifest("ledger", kept));
    let live = town.deploy(&[("bailiwick.toml", &text), ("app.js", TAKES_OUT)]).await;
    assert_eq!(live.json()["status"], "live", "{live:?}");
    let (any, asked) = (format!("{}/any", town.app("ledger")), format!("{}/export", town.app("ledger")));
    let ana = town.person("ana@example.test", &["staff", "clerks"]).await;
    assert_eq!(ana.open(&any).await.text(), "data.export_factor");
    let bo = town.person_with_passkey("bo@example.test", &["staff"]).await.0;
    assert_eq!(bo.open(&asked).await.text(), "data.export_group");
    let cleo = town.person_with_passkey("cleo@example.test", &["staff", "clerks"]).await.0;
    let taken = cleo.open(&asked).await.json();
    assert_eq!((taken["all"].as_array().unwrap().len(), &taken["groups"]), (3, &json!(["clerks"])), "{taken}");
    let told = town.events("data.export").await;
    let outcomes: Vec<_> = told.iter().map(|event| (&event["outcome"], &event["user"])).collect();
    assert_eq!(outcomes[0], (&json!("allowed"), &json!("cleo@example.test")), "{told:?}");
    assert_eq!((told.len(), &told[0]["detail"]["records"]), (3, &json!(3)));
    assert!(told[0]["request_id"].as_str().is_some_and(|id| id.len() == 32), "{told:?}");
    town.stop().await;
}
