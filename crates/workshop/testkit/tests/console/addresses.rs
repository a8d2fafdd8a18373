//! Addresses that are kept, cut short, bent or opened by hand: each shows a page in our words, or leads to one.

use super::{Engine, Town, page};

#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_is_opened_leads_to_its_page() {
    let town = Town::start(Engine::Sqlite).await;
    let ana = town.person("ana@example.test", &["staff"]).await;
    for (path, to) in [
        ("/sign-in/passkey", "/sign-in"),
        ("/sign-in/confirm?to=/me", "/sign-in"),
        ("/sign-out", "/"),
        ("/roles/x/grant", "/roles"),
        ("/roles/x/refuse", "/roles"),
        ("/me/provider", "/me"),
        ("/me/passkeys", "/me"),
        ("/me/passkeys/x/remove", "/me"),
        ("/me/sessions/x/end", "/me"),
        ("/me/sessions/end", "/me"),
        ("/record/queries/x/forget", "/record"),
    ] {
        let answer = ana.get(&format!("{}{path}", town.url())).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some(to)), "{path}: {answer:?}");
    }
    // Signed out, the browser stands where it can be loaded again.
    let out = ana.post(&format!("{}/sign-out", town.url()), &[]).await;
    assert_eq!((out.status, out.header("location")), (303, Some("/sign-in")), "{out:?}");
    for path in ["/sign-in", "/sign-out"] {
        let again = ana.open(&format!("{}{path}", town.url())).await;
        assert!(again.text().contains("You are not signed in"), "{path}: {again:?}");
    }
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_does_not_fit_is_told_in_our_words() {
    let town = Town::start(Engine::Sqlite).await;
    let ana = town.person("ana@example.test", &["staff"]).await;
    for (path, status, code) in [
        ("/login", 400, "login.address"),
        ("/roles?did=x", 400, "page.query"),
        ("/sign-in/app?app=lunch", 400, "page.query"),
        ("/sign-in/app?app=lunch&bind=x&env=moon", 400, "page.query"),
        ("/apps/%ff", 400, "page.address"),
        ("/login/begin", 405, "page.method"),
    ] {
        let answer = page(&ana, &town, path).await;
        let text = answer.text();
        assert!(answer.status == status && text.contains(code) && text.contains("What to do"), "{path}: {text}");
    }
    let sent = ana.post(&format!("{}/apps", town.url()), &[]).await;
    assert!(sent.status == 405 && sent.text().contains("page.method"), "{sent:?}");
    assert_eq!(page(&town.browser(), &town, "/login").await.status, 401, "first of all one signs in");
    town.stop().await;
}

/// The file that is open in a page.
fn opened(page: &str) -> String {
    let field = page.split_once("<textarea id=\"f-text\"").unwrap_or_else(|| panic!("nothing is open in {page}")).1;
    let text = field.split_once(">\n").unwrap().1.split("</textarea>").next().unwrap();
    let marks = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
    marks.iter().fold(text.to_owned(), |text, (mark, plain)| text.replace(mark, plain))
}

/// A name that no app may have is a finding, with the line open in which it is changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_by_us_is_changed_where_it_stands() {
    let town = Town::start(Engine::Sqlite).await;
    let mia = town.person("mia@example.test", &["staff", "builders", "people-ops"]).await;
    let url = format!("{}/new", town.url());
    let named = [("name", "admin"), ("team", "people-ops")];
    let code = "export default { fetch() { return new Response('ana'); } };";
    let template = [("way", "template"), ("template", "tinypoll")];
    let paste = [("way", "paste"), ("purpose", "Shows who is on call"), ("code", code)];
    for way in [&template[..], &paste[..]] {
        let first = mia.post(&url, &[way, &named[..]].concat()).await;
        let text = first.text();
        assert!(first.status == 200 && text.contains("is not ready") && text.contains("is taken"), "{first:?}");
        assert!(text.contains("hoose another name"), "{text}");
        let bundle = text.split_once("name=\"bundle\" value=\"").unwrap().1.split('"').next().unwrap();
        let mended = opened(&text).replace("\"admin\"", "\"oncall\"");
        let again = [("bundle", bundle), ("path", "bailiwick.toml"), ("text", mended.as_str()), ("do", "check")];
        let ready = mia.post(&url, &again).await.text();
        assert!(ready.contains("oncall is ready"), "{ready}");
    }
    // What would change the manifest around it is none of its lines.
    let bent = [("name", "x\"\npurpose = \"y"), ("team", "people-ops")];
    let refused = mia.post(&url, &[&template[..], &bent[..]].concat()).await;
    assert!(refused.status == 400 && refused.text().contains("manifest.bad_name"), "{refused:?}");
    town.stop().await;
}
