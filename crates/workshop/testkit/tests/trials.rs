//! Drafts that are tried: few at once and one a person, for a quarter of an hour, and never longer than whoever began it
//! may.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use base64::{Engine as _, prelude::BASE64_STANDARD};
use model::Clock as _;
use model::{ManualClock, SystemClock};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use testkit::{Answer, Browser, Disk, Engine, Town, until};

const GROUPS: [&str; 3] = ["staff", "builders", "people-ops"];
const CODE: &str = "export default { fetch() { return new Response('a draft'); } };";
/// What this server runs at once.
const AT_ONCE: usize = 4;

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap_or_else(|| panic!("no {after} in {rest}")).0
}

/// The files of a small app, as a form carries them.
async fn bundle(town: &Town, browser: &Browser) -> String {
    let pasted =
        [("way", "paste"), ("name", "visits"), ("team", "people-ops"), ("purpose", "Counts visits"), ("code", CODE)];
    let page = browser.post(&format!("{}/new", town.url()), &pasted).await.text();
    between(&page, "name=\"bundle\" value=\"", "\"").to_owned()
}

async fn press(town: &Town, browser: &Browser, bundle: &str, what: &str) -> Answer {
    browser.post(&format!("{}/new", town.url()), &[("bundle", bundle), ("do", what)]).await
}

/// A draft that its beginner has open: the address of its page, and its host.
struct Open {
    page: String,
    host: String,
}

async fn tries(town: &Town, browser: &Browser, bundle: &str) -> Open {
    let tried = press(town, browser, bundle, "try").await;
    assert_eq!(tried.status, 303, "{tried:?}");
    let page = format!("{}{}", town.url(), tried.header("location").unwrap());
    let meet = browser.get(&format!("{page}/open")).await.header("location").unwrap().to_owned();
    let known = browser.get(&meet).await.header("location").unwrap().to_owned();
    let enter = browser.get(&known).await.header("location").unwrap().to_owned();
    let host = enter.split("/.bailiwick").next().unwrap().to_owned();
    assert_eq!(browser.get(&enter).await.status, 303);
    assert_eq!(browser.get(&format!("{host}/")).await.text(), "a draft");
    Open { page, host }
}

/// It answers nobody any more, from the first request on.
async fn is_over(browser: &Browser, open: &Open, why: &str) {
    let answer = browser.get(&format!("{}/", open.host)).await;
    assert_eq!(answer.status, 421, "{why}: {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_run_at_once_than_there_are_places() {
    let town = Arc::new(Town::start(Engine::Sqlite).await);
    let mut people = Vec::new();
    for number in 0..AT_ONCE + 2 {
        people.push(town.person(&format!("p{number}@example.test"), &GROUPS).await);
    }
    let files = bundle(&town, &people[0]).await;
    let pressing = people.into_iter().map(|browser| {
        let (town, files) = (Arc::clone(&town), files.clone());
        tokio::spawn(async move {
            let answer = press(&town, &browser, &files, "try").await;
            (browser, answer)
        })
    });
    let (mut begun, mut refused) = (Vec::new(), Vec::new());
    for pressed in pressing.collect::<Vec<_>>() {
        let (browser, answer) = pressed.await.unwrap();
        if answer.status == 303 { begun.push((browser, answer)) } else { refused.push((browser, answer)) }
    }
    assert_eq!((begun.len(), refused.len()), (AT_ONCE, 2));
    for (_, answer) in &refused {
        assert!(answer.status == 429 && answer.text().contains("thers are trying drafts"), "{answer:?}");
    }
    let events = town.events("app.try").await;
    assert_eq!(events.len(), AT_ONCE, "what was refused did not begin: {events:?}");
    // Whoever ends theirs makes room; nobody else's was ended meanwhile.
    for (browser, answer) in &begun {
        let page = format!("{}{}", town.url(), answer.header("location").unwrap());
        assert_eq!(browser.get(&page).await.status, 200);
    }
    let (browser, answer) = &begun[0];
    assert_eq!(
        browser.post(&format!("{}{}/end", town.url(), answer.header("location").unwrap()), &[]).await.status,
        303
    );
    until("there is room again", async || press(&town, &refused[0].0, &files, "try").await.status == 303).await;
    Arc::into_inner(town).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_presses_twice_has_one() {
    let town = Town::start(Engine::Sqlite).await;
    let mia = town.person("mia@example.test", &GROUPS).await;
    let files = bundle(&town, &mia).await;
    let (one, two) = tokio::join!(press(&town, &mia, &files, "try"), press(&town, &mia, &files, "try"));
    let mut shown = 0;
    for answer in [&one, &two] {
        match answer.header("location") {
            Some(page) => shown += usize::from(mia.get(&format!("{}{page}", town.url())).await.status == 200),
            None => assert_eq!(answer.status, 409, "{answer:?}"),
        }
    }
    assert_eq!(shown, 1, "{one:?} {two:?}");
    // So it is, one after the other.
    let first = tries(&town, &mia, &files).await;
    let second = tries(&town, &mia, &files).await;
    is_over(&mia, &first, "a newer one").await;
    assert_eq!((mia.get(&first.page).await.status, mia.get(&second.page).await.status), (404, 200));
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_after_a_quarter_of_an_hour() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let town = Town::with(Engine::Sqlite, "", Arc::clone(&clock) as _).await;
    let mia = town.person("mia@example.test", &GROUPS).await;
    let files = bundle(&town, &mia).await;
    let open = tries(&town, &mia, &files).await;
    clock.advance(Duration::from_secs(14 * 60));
    assert_eq!(mia.get(&format!("{}/", open.host)).await.text(), "a draft");
    clock.advance(Duration::from_secs(60));
    is_over(&mia, &open, "its time is over").await;
    // What was changed is there still, until it is given up: for whoever changed it.
    let left = mia.get(&open.page).await.text();
    assert!(left.contains("visits was tried") && left.contains("name=\"bundle\""), "{left}");
    assert_eq!(between(&left, "name=\"bundle\" value=\"", "\""), files);
    let bo = town.person("bo@example.test", &GROUPS).await;
    assert_eq!(bo.get(&open.page).await.status, 404);
    assert_eq!(bo.post(&format!("{}/end", open.page), &[]).await.status, 404);
    assert_eq!(mia.post(&format!("{}/end", open.page), &[]).await.header("location"), Some("/new"));
    assert_eq!(mia.get(&open.page).await.status, 404);
    town.stop().await;
}

/// What takes a person or an app away takes the draft too, at once.
#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_what_it_rests_on() {
    let town = Town::start(Engine::Sqlite).await;
    let mia = town.person("mia@example.test", &GROUPS).await;
    let files = bundle(&town, &mia).await;
    assert!(press(&town, &mia, &files, "deploy").await.text().contains("is live"));

    let open = tries(&town, &mia, &files).await;
    assert_eq!(mia.post(&format!("{}/sign-out", town.url()), &[]).await.status, 303);
    is_over(&mia, &open, "the session ended").await;

    let bea = town.person("bea@example.test", &GROUPS).await;
    let open = tries(&town, &bea, &files).await;
    let left = town.post("/api/v1/people/groups", json!({ "email": "bea@example.test", "leave": ["builders"] })).await;
    assert_eq!(left.status, 200, "{left:?}");
    is_over(&bea, &open, "no builder any more").await;
    assert_eq!(bea.get(&open.page).await.status, 404);

    let cy = town.person("cy@example.test", &GROUPS).await;
    let open = tries(&town, &cy, &files).await;
    let disabled = town.post("/api/v1/people/disable", json!({ "email": "cy@example.test", "why": "left" })).await;
    assert_eq!(disabled.status, 200, "{disabled:?}");
    is_over(&cy, &open, "the person is gone").await;

    let dan = town.person("dan@example.test", &GROUPS).await;
    let open = tries(&town, &dan, &files).await;
    let revoked = town.post("/api/v1/apps/visits/revoke", json!({ "why": "it leaks" })).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    is_over(&dan, &open, "the app was switched off").await;
    let again = press(&town, &dan, &files, "try").await;
    assert!(again.status == 409 && again.text().contains("switched off"), "{again:?}");
    town.stop().await;
}

/// A node that cannot know what was taken away meanwhile serves no draft either.
#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_the_lease_of_its_node() {
    let town = Town::wired().await;
    let mia = town.person("mia@example.test", &GROUPS).await;
    let files = bundle(&town, &mia).await;
    let open = tries(&town, &mia, &files).await;
    let host = format!("{}/", open.host);
    town.cable.as_ref().unwrap().silence();
    until("the node has lost its lease", async || mia.get(&host).await.status == 503).await;
    assert_ne!(mia.get(&open.page).await.status, 200, "nor are its files shown");
    town.cable.as_ref().unwrap().mend();
    until("the node has its lease again", async || mia.get(&host).await.status != 503).await;
    is_over(&mia, &open, "its node lost its lease").await;
    town.stop().await;
}

/// Asks for more than any server has, and keeps what it can.
const GREEDY: &str = r#"
export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname === "/") return new Response("a draft");
    const text = "x".repeat(30_000);
    for (let kept = 0; ; kept++) {
      try {
        await env.data.notes.insert({ text });
      } catch (error) {
        return Response.json({ kept, code: error.code });
      }
    }
  },
};
"#;

fn greedy() -> String {
    let expires = SystemClock.now().plus(Duration::from_secs(80 * 86_400)).to_string();
    let manifest = format!(
        "[app]\nname = \"greedy\"\nteam = \"people-ops\"\npurpose = \"Keeps all that it can\"\nexpires = \"{}\"\nclass = \"internal\"\n\
         [runtime]\nprofile = \"wasm\"\nmain = \"app.js\"\nlimits = {{ parallel = 64, storage = \"1GiB\", cpu = \"1s\", time = \"30s\" }}\n\
         [access]\nuse = [\"everyone\"]\n[data.notes]\nretain = \"30d\"\nfields.text = {{ class = \"internal\" }}\n",
        &expires[..10]
    );
    let files = [("bailiwick.toml", manifest.into_bytes()), ("app.js", GREEDY.as_bytes().to_vec())];
    let files = files.map(|(path, bytes)| (path.to_owned(), bytes.into()));
    BASE64_STANDARD.encode(catalog::Unpacked::of(files).unwrap().pack().unwrap())
}

fn drafts(town: &Town) -> usize {
    std::fs::read_dir(town.data.join("trials")).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_takes_is_ours_to_say_and_lies_in_our_folder() {
    let town = Town::start(Engine::Sqlite).await;
    let mia = town.person("mia@example.test", &GROUPS).await;
    let open = tries(&town, &mia, &greedy()).await;
    assert_eq!(drafts(&town), 1, "below the data folder");
    let kept = mia.get(&format!("{}/fill", open.host)).await.json();
    assert_eq!(kept["code"], "data.storage_full", "{kept}");
    assert!((100..400).contains(&kept["kept"].as_u64().unwrap()), "8 MiB, whatever the manifest asks: {kept}");
    assert_eq!(mia.post(&format!("{}/end", open.page), &[]).await.status, 303);
    until("its folder is gone", async || drafts(&town) == 0).await;

    // What a process left behind when it was killed goes when the next one starts.
    std::fs::create_dir_all(town.data.join("trials/draft-left/data")).unwrap();
    std::fs::write(town.data.join("trials/draft-left/data/bailiwick.db"), "left").unwrap();
    let town = town.restart(Disk::Room).await;
    assert_eq!(drafts(&town), 0);
    let bea = town.person("bea@example.test", &GROUPS).await;
    let files = bundle(&town, &bea).await;
    tries(&town, &bea, &files).await;
    town.stop().await;
}

/// What is too large to travel in a page runs all the same, and its page says where to go on.
#[tokio::test(flavor = "multi_thread")]
async fn large_files_are_tried_and_not_kept_in_the_page() {
    let town = Town::start(Engine::Sqlite).await;
    let mia = town.person("mia@example.test", &GROUPS).await;
    let small = bundle(&town, &mia).await;
    let picture = testkit::noise(800_000);
    let files = catalog::Upload::new(BASE64_STANDARD.decode(&small).unwrap().into()).unwrap().unpack().unwrap();
    let files = files.with("picture.png", picture.into()).unwrap();
    let open = tries(&town, &mia, &BASE64_STANDARD.encode(files.pack().unwrap())).await;
    let page = mia.get(&open.page).await;
    let text = page.text();
    assert!(page.status == 200 && text.contains("too large to be kept in a page"), "{page:?}");
    assert!(!text.contains("name=\"bundle\"") && !text.contains("Change it"), "{text}");
    let open = tries(&town, &mia, &small).await;
    let text = mia.get(&open.page).await.text();
    assert!(text.contains("name=\"bundle\"") && !text.contains("too large"), "{text}");
    town.stop().await;
}
