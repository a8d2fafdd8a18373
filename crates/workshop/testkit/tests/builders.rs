//! Builders without a terminal: findings with a button that mends them, an app's files changed in the page, tried apart
//! from everything real, and deployed; what was sent back, what policy refuses, what is closed or waits; and what is
//! shown for ever of a yes that was none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::json;
use testkit::{Answer, Browser, Engine, Town, manifest};

async fn post(browser: &Browser, town: &Town, fields: &[(&str, &str)]) -> Answer {
    browser.post(&format!("{}/new", town.url()), fields).await
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap_or_else(|| panic!("no {after} in {rest}")).0
}

fn bundle(page: &str) -> String {
    between(page, "name=\"bundle\" value=\"", "\"").to_owned()
}

/// A credential that was pasted goes out of the code, into the manifest as a name, by one press; the rest by another.
#[tokio::test(flavor = "multi_thread")]
async fn a_button_mends_what_a_machine_can() {
    let town = Town::start(Engine::Sqlite).await;
    let mia = town.person("mia@example.test", &["staff", "builders", "people-ops"]).await;
    let token = format!("ghp_{}", "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5");
    let code = format!(
        "export default {{\r\n  async fetch(request, env) {{\r\n    await env.data.visits.insert({{ who: env.user.email }});\r\n    const token = \"{token}\";\r\n    return new Response(`seen ${{await env.data.visits.count()}}`);\r\n  }},\r\n}};\r\n"
    );
    let unsaid = [("way", "paste"), ("name", "visits"), ("team", "people-ops"), ("code", &code)];
    let refused = post(&mia, &town, &unsaid).await;
    assert!(refused.status == 400 && refused.text().contains("obody said what the app is for"), "{refused:?}");
    let pasted = [&unsaid[..], &[("purpose", "Counts \"visits\"")]].concat();
    let first = post(&mia, &town, &pasted).await.text();
    assert!(first.contains("visits is not ready") && first.contains("env.GITHUB_TOKEN"), "{first}");
    assert!(!first.contains(&token) && first.contains("[secrets.GITHUB_TOKEN]"), "{first}");
    assert!(first.contains("[data.visits]"), "what it keeps and does not declare is said too: {first}");
    let name = between(&first, "name=\"fix\" value=\"0.", "\"");
    let one = post(&mia, &town, &[("bundle", &bundle(&first)), ("fix", &format!("0.{name}"))]).await.text();
    assert!(one.contains("Mended, and checked again"), "{one}");
    let gone = post(&mia, &town, &[("bundle", &bundle(&one)), ("fix", "0.secret.found")]).await;
    assert_eq!((gone.status, gone.text().contains("not there any more")), (409, true), "{gone:?}");
    let manifest = post(&mia, &town, &[("bundle", &bundle(&first)), ("open", "bailiwick.toml")]).await.text();
    assert!(manifest.contains("Counts \\&#34;visits\\&#34;") && !manifest.contains("Greets"), "{manifest}");
    let all = post(&mia, &town, &[("bundle", &bundle(&first)), ("fix", "all")]).await.text();
    assert!(all.contains("visits is ready") && all.contains("Ask for a yes"), "a secret asks for one: {all}");
    let waits = post(&mia, &town, &[("bundle", &bundle(&all)), ("do", "deploy")]).await.text();
    let request = between(&waits, "href=\"/requests/", "\"");
    let yes = json!({ "why": "it was looked at", "break_glass": true });
    let live = town.post(&format!("/api/v1/requests/{request}/approve"), yes).await.json();
    assert_eq!(live["status"], "live", "{live}");
    assert_eq!(mia.open(&format!("{}/", town.app("visits"))).await.text(), "seen 1");
    // Whoever may not deploy has none of it run, and none of it mended.
    let bo = town.person("bo@example.test", &["staff"]).await;
    let refused = post(&bo, &town, &[("bundle", &bundle(&all)), ("fix", "all")]).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    town.stop().await;
}

/// A page of HTML that was pasted as code is said to be one, and a press serves it as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_pasted_as_code_is_served_as_a_page() {
    let town = Town::start(Engine::Sqlite).await;
    let mia = town.person("mia@example.test", &["staff", "builders", "people-ops"]).await;
    let code = "<!doctype html>\n<title>On call</title>\n<h1>Ana is on call</h1>\n";
    let pasted = [("way", "paste"), ("name", "oncall"), ("team", "people-ops"), ("purpose", "Shows who is on call")];
    let first = post(&mia, &town, &[&pasted[..], &[("code", code)]].concat()).await.text();
    assert!(first.contains("is a page, not code") && first.contains("public/index.html"), "{first}");
    let fixed = post(&mia, &town, &[("bundle", &bundle(&first)), ("fix", "0.code.page")]).await.text();
    assert!(fixed.contains("oncall is ready") && fixed.contains("erves files and runs no code"), "{fixed}");
    let live = post(&mia, &town, &[("bundle", &bundle(&fixed)), ("do", "deploy")]).await.text();
    assert!(live.contains("is live"), "{live}");
    assert_eq!(mia.open(&format!("{}/", town.app("oncall"))).await.text(), code);
    town.stop().await;
}

/// An app's files, from its page: changed, tried with mock data where nothing is real, and deployed.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_edited_tried_and_deployed() {
    const COUNTS: &str = "export default {\n  async fetch(request, env) {\n    if (request.method === \"POST\") await env.data.notes.insert({ text: await request.text() });\n    const answer = await fetch(\"https://slack.com/api/hello\");\n    return new Response(`one ${env.user.email} ${await env.data.notes.count()} ${answer.status}`);\n  },\n};\n";
    let town = Town::start(Engine::Sqlite).await;
    let mia = town.person("mia@example.test", &["staff", "builders", "people-ops"]).await;
    let text = manifest(
        "notes",
        "[data.notes]\nretain = \"30d\"\nfields.text = { class = \"internal\" }\n[connect.slack]\nhost = \"slack.com\"\nmethods = [\"GET\"]\npaths = [\"/api/hello\"]\nwhy = \"says hello\"",
    );
    let waiting = town.deploy(&[("bailiwick.toml", &text), ("app.js", COUNTS)]).await.json();
    let yes = json!({ "why": "it was looked at", "break_glass": true });
    let path = format!("/api/v1/requests/{}/approve", waiting["request"].as_str().unwrap());
    assert_eq!(town.post(&path, yes).await.json()["status"], "live");
    let edit = format!("{}/apps/notes/edit", town.url());
    let page = mia.get(&edit).await;
    assert!(page.status == 200 && page.text().contains("env.data.notes.count()"), "{page:?}");
    let changed = COUNTS.replace("`one ", "`two ");
    let form = [("bundle", bundle(&page.text())), ("path", "app.js".into()), ("text", changed.replace('\n', "\r\n"))];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let tried = post(&mia, &town, &[&form[..], &[("do", "try")]].concat()).await;
    assert_eq!(tried.status, 303, "{tried:?}");
    let page = format!("{}{}", town.url(), tried.header("location").unwrap());
    let shown = mia.get(&page).await;
    assert!(shown.status == 200 && shown.text().contains("slack.com"), "{shown:?}");
    // Its page leads back to what was changed, and on.
    let kept = shown.text();
    assert!(kept.contains("Change it") && kept.contains("Ask for a yes"), "{kept}");
    let back = post(&mia, &town, &[("bundle", &bundle(&kept)), ("open", "app.js"), ("do", "check")]).await.text();
    assert!(back.contains("`two ${env.user.email}"), "{back}");
    let to = async |url: &str| mia.get(url).await.header("location").unwrap().to_owned();
    let meet = to(&format!("{page}/open")).await;
    assert!(!meet.contains("code="), "{meet}");
    let known = to(&meet).await;
    let enter = to(&known).await;
    let host = enter.split("/.bailiwick").next().unwrap().to_owned();
    assert!(host.contains("notes--") && enter.contains("code="), "{enter}");
    // Its host answers nobody else, and its code is good once.
    assert_eq!(town.browser().get(&format!("{host}/")).await.status, 403);
    // Sent to somebody else, it opens nothing there.
    assert_eq!(town.browser().get(&enter).await.status, 403);
    let enter = to(&known).await;
    assert_eq!(mia.get(&enter).await.status, 303);
    assert_eq!(mia.get(&enter).await.status, 403);
    // Beside the policy of its own manifest, which nobody has agreed to, stands one that names no host.
    let page_of_it = mia.get(&format!("{host}/")).await;
    let policies = page_of_it.headers.iter().filter(|(name, _)| name == "content-security-policy");
    let policies: Vec<_> = policies.map(|(_, value)| value.as_str()).collect();
    assert!(policies.len() >= 2 && policies.last().unwrap().starts_with("default-src 'self';"), "{policies:?}");
    let answer = mia.post(&format!("{host}/"), &[("a", "b")]).await;
    assert_eq!(answer.text(), "two mia@example.test 1 200", "{answer:?}");
    let foreign = [("sec-fetch-site", "cross-site"), ("content-type", "text/plain")];
    assert_eq!(mia.send("POST", &format!("{host}/"), &foreign, b"x").await.status, 403);
    let heard = mia.get(&page).await.text();
    assert!(heard.contains("POST /") && heard.contains("GET slack.com/api/hello"), "{heard}");
    // Neither records nor code of it are the app's; that it was tried is on the record.
    let real = mia.open(&format!("{}/", town.app("notes"))).await.text();
    assert!(!real.starts_with("two"), "{real}");
    let events = town.get("/api/v1/events?limit=100").await.text();
    assert!(events.contains("app.try") && events.contains("app.source"), "{events}");
    let bo = town.person("bo@example.test", &["staff", "builders", "people-ops"]).await;
    assert_eq!(bo.get(&page).await.status, 404, "a draft is its beginner's");
    let it = town.person("it@example.test", &["staff", "builders", "it"]).await;
    assert_eq!(it.get(&edit).await.status, 403, "another team's files are not read");
    assert_eq!(post(&it, &town, &[&form[..], &[("do", "try")]].concat()).await.status, 403);
    assert_eq!(mia.post(&format!("{page}/end"), &[]).await.status, 303);
    assert_eq!(mia.get(&format!("{host}/")).await.status, 421, "its host is nobody's now");
    let left = mia.get(&page).await.text();
    assert!(left.contains("notes was tried") && left.contains("Give it up") && !left.contains("Open it"), "{left}");
    assert_eq!(bundle(&left), bundle(&kept));
    let asked = post(&mia, &town, &[&form[..], &[("do", "deploy")]].concat()).await.text();
    assert!(asked.contains("waits"), "code that another person has not seen waits for a yes: {asked}");
    town.stop().await;
}

/// A yes by the local credential alone stands on the app's own page and beside its release, for ever.
#[tokio::test(flavor = "multi_thread")]
async fn an_exception_is_shown_wherever_the_release_is() {
    let town = Town::start(Engine::Sqlite).await;
    let ola = town.person("ola@example.test", &["operators", "staff"]).await;
    let waiting = town.deploy_template("poll-notify", "poll-notify").await.json();
    let path = format!("/api/v1/requests/{}/approve", waiting["request"].as_str().unwrap());
    let yes = json!({ "why": "the reviewer is away", "break_glass": true });
    assert_eq!(town.post(&path, yes).await.json()["status"], "live");
    let app = format!("{}/apps/poll-notify", town.url());
    for page in [app.clone(), format!("{app}/releases")] {
        let text = ola.get(&page).await.text();
        assert!(text.contains("EXCEPTION") && text.contains("--break-glass"), "{page}: {text}");
    }
    let document = town.get("/api/v1/apps/poll-notify").await.json();
    assert_eq!(document["releases"][0]["approval"]["exception"], "break-glass", "{document}");
    town.post("/api/v1/apps/poll-notify/revoke", json!({ "why": "it was wrong" })).await;
    let text = ola.get(&format!("{app}/releases")).await.text();
    assert!(text.contains("EXCEPTION"), "also when it holds no more: {text}");
    // A log that is followed goes on without script too: the page is asked for again.
    let (log, still) = (ola.get(&format!("{app}/log?follow=on")).await, ola.get(&format!("{app}/log")).await);
    assert!(log.status == 200 && log.text().contains("Stop following"), "{log:?}");
    let again = "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>";
    assert!(log.text().contains(again) && !still.text().contains("refresh"), "{log:?}");
    assert!(log.header("content-security-policy").unwrap().contains("connect-src 'self'"), "{log:?}");
    town.stop().await;
}

/// What was sent back is what is mended: its files open, not those of the release that serves, and these are a link away.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_back_is_what_is_edited() {
    const CONNECT: &str =
        "[connect.slack]\nhost = \"slack.com\"\nmethods = [\"GET\"]\npaths = [\"/api/hello\"]\nwhy = \"says hello\"";
    let town = Town::start(Engine::Sqlite).await;
    let mia = town.person("mia@example.test", &["staff", "builders", "people-ops"]).await;
    let text = manifest("notes", CONNECT);
    let asks = async |says: &str| {
        let code = format!("export default {{ fetch: () => new Response('{says}') }};");
        let sent = town.deploy(&[("bailiwick.toml", &text), ("app.js", &code)]).await.json();
        sent["request"].as_str().unwrap_or_else(|| panic!("{sent}")).to_owned()
    };
    let page = async |path: &str| mia.get(&format!("{}{path}", town.url())).await.text();
    let first = asks("alpha").await;
    let yes = json!({ "why": "it was looked at", "break_glass": true });
    assert_eq!(town.post(&format!("/api/v1/requests/{first}/approve"), yes).await.json()["status"], "live");
    let plain = page("/apps/notes/edit").await;
    assert!(plain.contains("alpha") && !plain.contains("These are the files of"), "one answer needs no word: {plain}");
    let second = asks("beta").await;
    let waits = page("/apps/notes/edit").await;
    assert!(waits.contains("beta") && waits.contains("release 2, which waits for a yes; release 1 serves."), "{waits}");
    let no = town.post(&format!("/api/v1/requests/{second}/reject"), json!({ "why": "say who sees it" })).await;
    assert_eq!(no.status, 200, "{no:?}");
    let back = page("/apps/notes/edit").await;
    assert!(back.contains("beta") && back.contains("release 2, which was sent back; release 1 serves."), "{back}");
    assert!(back.contains("Change notes") && back.contains("“say who sees it”"), "{back}");
    assert!(back.contains("href=\"/apps/notes/edit?release=1\">The files of release 1<"), "{back}");
    let live = page("/apps/notes/edit?release=1").await;
    assert!(live.contains("alpha") && live.contains("release 1, which serves; release 2 was sent back."), "{live}");
    let link = "href=\"/apps/notes/edit?release=2\">Edit what was sent back<";
    for path in ["/apps/notes".to_owned(), format!("/requests/{second}")] {
        let text = page(&path).await;
        assert!(text.contains(link), "{path}: {text}");
    }
    let rex = town.person("rex@example.test", &["reviewers"]).await;
    let request = rex.get(&format!("{}/requests/{second}", town.url())).await.text();
    assert!(!request.contains("Edit what was sent back"), "who may not read the files has no link: {request}");
    // They see which of them differ, and nothing of what is in them.
    let files = between(&request, "id=\"t-files\">", "</section>");
    assert!(files.starts_with("1 file changed<") && files.contains("<code>app.js</code>"), "{files}");
    assert!(files.contains("changed, 1 line as before") && !request.contains("bailiwick.toml</code>"), "{request}");
    assert!(!request.contains("new Response"), "{request}");
    // Under *All apps* it is counted, though an earlier release serves; no more once something newer waits.
    let all = async |query: &str| rex.get(&format!("{}/apps{query}", town.url())).await.text();
    let counted = all("?worry=back").await;
    assert!(counted.contains("<b>1</b> sent back") && counted.contains("href=\"/apps/notes\""), "{counted}");
    assert!(counted.contains("the newest was sent back"), "{counted}");
    asks("gamma").await;
    let counted = all("").await;
    assert!(counted.contains("<b>0</b> sent back") && !counted.contains("newest was sent back"), "{counted}");
    town.stop().await;
}

/// What policy refuses is a finding beside the files, which stay and are mended there; it is deployed by no button.
#[tokio::test(flavor = "multi_thread")]
async fn what_policy_refuses_is_mended_where_it_stands() {
    let town = Town::start(Engine::Sqlite).await;
    let mia = town.person("mia@example.test", &["staff", "builders", "people-ops"]).await;
    let new =
        [("way", "template"), ("template", "tinypoll"), ("name", "poll"), ("team", "people-ops"), ("retain", "30d")];
    let first = post(&mia, &town, &new).await.text();
    assert!(first.contains("poll is ready"), "{first}");
    let files = testkit::template("poll", "tinypoll");
    let (_, text) = files.iter().find(|(path, _)| path == "bailiwick.toml").unwrap();
    let text = String::from_utf8_lossy(text).into_owned();
    let long = text.replace("retain = \"30d\"", "retain = \"800d\"");
    assert_ne!(long, text);
    for button in ["check", "deploy"] {
        let form = [
            ("bundle", bundle(&first)),
            ("path", "bailiwick.toml".into()),
            ("text", long.clone()),
            ("do", button.into()),
        ];
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let refused = post(&mia, &town, &form).await;
        let page = refused.text();
        assert!(refused.status == 200 && page.contains("poll is not ready"), "{button}: {refused:?}");
        assert!(page.contains("would keep personal data for more than a year"), "{button}: {page}");
        assert!(page.contains("agree to a waiver of <code>policy.retention</code>"), "{button}: {page}");
        assert!(page.contains("retain = &#34;800d&#34;") && !page.contains("value=\"deploy\""), "{button}: {page}");
        let mended = [("bundle", bundle(&page)), ("path", "bailiwick.toml".into()), ("text", text.clone())];
        let mended: Vec<(&str, &str)> = mended.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mended = post(&mia, &town, &mended).await.text();
        assert!(mended.contains("poll is ready") && mended.contains("Go live"), "{button}: {mended}");
    }
    assert_eq!(town.get("/api/v1/apps/poll").await.status, 404, "none of it was deployed");
    // Whoever may not deploy for the team is refused as ever.
    let it = town.person("it@example.test", &["staff", "builders", "it"]).await;
    let form = [("bundle", bundle(&first)), ("path", "bailiwick.toml".into()), ("text", long)];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(post(&it, &town, &form).await.status, 403);
    town.stop().await;
}

/// A team's app that is for others serves: *My apps* says that it is closed, and for whom.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_for_others_is_said_to_be_closed() {
    let town = Town::start(Engine::Sqlite).await;
    let mia = town.person("mia@example.test", &["staff", "builders", "people-ops"]).await;
    let text = manifest("payslips", "").replace("\"everyone\"", "\"group:payroll\"");
    let code = "export default { fetch: () => new Response('paid') };";
    let sent = town.deploy(&[("bailiwick.toml", &text), ("app.js", code)]).await.json();
    assert_eq!(sent["status"], "live", "{sent}");
    let mine = mia.get(&format!("{}/", town.url())).await.text();
    assert!(mine.contains("Nothing opens for you now. One more is closed to you."), "{mine}");
    assert!(mine.contains("Closed to you: it is for group:payroll.") && !mine.contains("not serve"), "{mine}");
    let paul = town.person("paul@example.test", &["payroll"]).await;
    let his = paul.get(&format!("{}/", town.url())).await.text();
    assert!(his.contains("1 app, signed in already.") && !his.contains("losed to you"), "{his}");
    town.stop().await;
}

/// The address of an app that waits says what that of a name which nobody has says: a stranger learns of no name by it.
#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_an_app_that_waits_says_where_to_look() {
    let town = Town::start(Engine::Sqlite).await;
    let waits = town.deploy_template("poll-notify", "poll-notify").await.json();
    assert_eq!(waits["status"], "waiting", "{waits}");
    let stranger = town.browser();
    let mut pages = Vec::new();
    for name in ["poll-notify", "nobody"] {
        let url = format!("{}/", town.app(name));
        let answer = stranger.send("GET", &url, &[("accept", "text/html")], b"").await;
        assert_eq!(answer.status, 421, "{name}: {answer:?}");
        let text = answer.text();
        assert!(text.contains("No app serves here") && text.contains("the app is not live yet"), "{text}");
        assert!(text.contains("My apps</a>") && !text.contains("catalog") && !text.contains(name), "{text}");
        // What follows is the number of this request.
        pages.push(text.split("<footer>").next().unwrap().to_owned());
    }
    assert_eq!(pages[0], pages[1]);
    town.stop().await;
}
