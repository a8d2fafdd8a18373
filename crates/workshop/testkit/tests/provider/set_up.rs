//! Single sign-on that an operator sets up: named, tried, switched on and off without a restart, on every node; what a
//! hostile issuer, a hasty operator and another operator's try cannot do.

use super::{
    Answer, Arc, Browser, Engine, Provider, Signed, SystemClock, Town, Value, back, back_from_try, json, me, off,
};
use testkit::{Canary, Disk, Postgres, dump};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpListener};

pub(super) const PAGE: &str = "/people/sign-in";
const OURS: [(&str, &str); 1] = [("sec-fetch-site", "same-origin")];

/// The addresses on loopback that an operator may name.
pub(super) fn opened(issuers: &[&str]) -> String {
    let at = |issuer: &&str| format!("\"127.0.0.1:{}\"", issuer.rsplit(':').next().unwrap().trim_end_matches('/'));
    format!("[broker]\nprivate = [{}]\n", issuers.iter().map(at).collect::<Vec<_>>().join(", "))
}

pub(super) async fn page(town: &Town, browser: &Browser) -> String {
    let page = browser.get(&format!("{}{PAGE}", town.url())).await;
    assert_eq!(page.status, 200, "{page:?}");
    page.text()
}

pub(super) fn fields<'a>(issuer: &'a str, secret: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("issuer", issuer),
        ("client_id", "bailiwick"),
        ("secret", secret),
        ("groups_claim", "groups"),
        ("groups", "ops = people-ops\n"),
        ("everyone", "staff"),
        ("second_factor", "mfa"),
    ]
}

pub(super) async fn save(town: &Town, browser: &Browser, issuer: &str, secret: &str) -> Answer {
    browser.post(&format!("{}{PAGE}", town.url()), &fields(issuer, secret)).await
}

pub(super) async fn press(town: &Town, browser: &Browser, act: &str, form: &[(&str, &str)]) -> Answer {
    browser.post(&format!("{}{PAGE}/{act}", town.url()), form).await
}

/// Off to try what is set up: the address that the browser is sent to.
pub(super) async fn trying(town: &Town, browser: &Browser) -> String {
    let going = press(town, browser, "try", &[]).await;
    let text = going.text();
    let address = text.split("url=").nth(1).unwrap_or_else(|| panic!("{going:?}")).split('"').next().unwrap();
    address.replace("&amp;", "&").replace("&#38;", "&")
}

pub(super) async fn tried(
    town: &Town,
    provider: &Provider,
    browser: &Browser,
    claims: Value,
    signed: Signed,
) -> Answer {
    provider.says(claims, signed);
    let address = trying(town, browser).await;
    back_from_try(town, browser, &provider.approve(&address)).await
}

pub(super) async fn digest(town: &Town) -> String {
    let now = town.get("/api/v1/sign-in").await.json();
    now["draft"]["digest"].as_str().unwrap_or_else(|| panic!("{now}")).to_owned()
}

/// What a problem's page says of itself.
pub(super) fn refused(answer: &Answer, status: u16, code: &str) {
    assert!(answer.status == status && answer.text().contains(code), "{code}: {answer:?}");
}

pub(super) async fn offered(town: &Town) -> bool {
    town.browser().get(&format!("{}/sign-in", town.url())).await.text().contains("Sign in at 127.0.0.1")
}

#[tokio::test(flavor = "multi_thread")]
async fn tried_switched_on_and_off_on_sqlite() {
    let town = |more: String| async move { Town::with(Engine::Sqlite, &more, Arc::new(SystemClock)).await };
    tried_switched_on_and_off(town, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tried_switched_on_and_off_on_postgres() {
    let url = Postgres::create().await.url;
    let at = url.clone();
    let town = |more: String| async move { Town::at(Some(&at), "", &more, Arc::new(SystemClock)).await };
    tried_switched_on_and_off(town, Some(&url)).await;
}

async fn tried_switched_on_and_off<F: Future<Output = Town>>(start: impl FnOnce(String) -> F, database: Option<&str>) {
    let provider = Provider::start().await;
    let canary = Canary::new("oidc-canary-7Qm2Zx9LrT4vWb8KpD3nYs6H");
    let town = start(opened(&[provider.issuer()])).await;
    let (ola, _key) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    let (olga, _key) = town.person_with_passkey("olga@example.test", &["operators"]).await;
    let empty = page(&town, &ola).await;
    assert!(empty.contains("Nobody signs in by it") && empty.contains("/sign-in/provider/logout"), "{empty}");
    let said = save(&town, &ola, provider.issuer(), canary.value()).await;
    assert!(said.status == 200 && said.text().contains("does not say that it takes PKCE"), "{said:?}");
    let text = page(&town, &ola).await;
    assert!(text.contains("You have not tried it in this form.") && !text.contains("Switch it on"), "{text}");
    assert!(!offered(&town).await, "what is set up is not in force");
    let form = digest(&town).await;
    refused(&press(&town, &ola, "on", &[("digest", &form)]).await, 409, "provider.untried");

    // A token that is not one for us is told, and counts for nothing.
    let lie = tried(&town, &provider, &ola, json!({ "aud": "else" }), Signed::ByPublishedKey).await;
    refused(&lie, 403, "provider.try_failed");
    refused(&press(&town, &ola, "on", &[("digest", &form)]).await, 409, "provider.untried");
    // Nor does one by which nobody could sign in.
    let nobody = tried(&town, &provider, &ola, json!({ "email": null }), Signed::ByPublishedKey).await;
    assert!(nobody.text().contains("It does not work yet"), "{nobody:?}");
    refused(&press(&town, &ola, "on", &[("digest", &form)]).await, 409, "provider.untried");

    let claims = json!({ "groups": ["ops", "<b>elsewhere</b>"], "amr": ["pwd", "mfa"] });
    let worked = tried(&town, &provider, &ola, claims.clone(), Signed::ByPublishedKey).await.text();
    for words in
        ["It works", "ana@example.test", "people-ops, staff", "amr: mfa", "counts as a second factor", "a new account"]
    {
        assert!(worked.contains(words), "{words}: {worked}");
    }
    assert!(!worked.contains("<b>elsewhere"), "{worked}");
    let own =
        tried(&town, &provider, &ola, json!({ "email": "ola@example.test" }), Signed::ByPublishedKey).await.text();
    assert!(own.contains("is the address of an account that is here already"), "{own}");
    // It signed nobody in, made no account, and connected none.
    assert!(me(&town, &ola).await.text().contains("ola@example.test"));
    let people = town.get("/api/v1/people").await.json();
    assert_eq!(people["people"].as_array().unwrap().len(), 2, "{people}");
    for action in ["oidc.sign_in", "provider.connect"] {
        let events = town.get(&format!("/api/v1/events?action={action}&outcome=allowed")).await.json();
        assert_eq!(events["events"], json!([]), "{action}");
    }

    // Another operator's try is not one's own; another form is not what was tried.
    refused(&press(&town, &olga, "on", &[("digest", &form)]).await, 409, "provider.untried");
    refused(&press(&town, &ola, "on", &[("digest", "00")]).await, 409, "provider.other_draft");
    let on = press(&town, &ola, "on", &[("digest", &form)]).await;
    assert!(on.status == 200 && on.text().contains("Single sign-on is on"), "{on:?}");
    assert!(offered(&town).await, "without a restart");
    let ana = town.browser();
    let address = off(&town, &ana).await;
    provider.says(claims, Signed::ByPublishedKey);
    let home = back(&town, &ana, &provider.approve(&address)).await;
    assert!(home.status == 200 && home.text().contains("ana@example.test"), "{home:?}");

    nowhere_but_sealed(&town, &ola, &canary, database).await;
    let events = town.get("/api/v1/events?action=provider.on").await.json();
    assert!(events["events"][0]["why"].as_str().unwrap().contains(provider.issuer()), "{events}");

    // It stands over a restart; and what was on its way when it is switched off signs nobody in.
    let town = town.restart(Disk::Room).await;
    assert!(offered(&town).await);
    let late = town.browser();
    let address = off(&town, &late).await;
    let over = press(&town, &ola, "off", &[]).await;
    assert!(over.status == 200 && !offered(&town).await, "{over:?}");
    assert!(over.text().contains("One session that began there is over."), "{over:?}");
    assert_eq!(me(&town, &ana).await.status, 401, "whoever came in by it is out");
    let back_late = back(&town, &late, &provider.approve(&address)).await;
    refused(&back_late, 404, "provider.none");
    refused(&press(&town, &ola, "off", &[]).await, 409, "provider.not_on");
    town.stop().await;
}

/// Nowhere is its secret, but sealed.
async fn nowhere_but_sealed(town: &Town, ola: &Browser, canary: &Canary, database: Option<&str>) {
    let told = town.get("/api/v1/sign-in").await;
    assert_eq!((told.json()["provider"]["client_secret"].clone(), told.status), (json!(true), 200));
    canary.is_not_in("the API", &told.body);
    canary.is_not_in("the page", page(town, ola).await.as_bytes());
    canary.is_not_in("the record", &town.get("/api/v1/events?limit=1000").await.body);
    canary.is_not_in("the export", &town.export().await);
    for (table, bytes) in match database {
        Some(url) => dump(url).await,
        None => vec![],
    } {
        canary.is_not_in(&table, &bytes);
    }
    for entry in
        std::fs::read_dir(&town.data).unwrap().map(Result::unwrap).filter(|at| at.file_type().unwrap().is_file())
    {
        canary.is_not_in(&entry.path().display().to_string(), &std::fs::read(entry.path()).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_try_is_of_one_form_in_one_session_and_once() {
    let provider = Provider::start().await;
    let town = Town::with(Engine::Sqlite, &opened(&[provider.issuer()]), Arc::new(SystemClock)).await;
    let (ola, _key) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    let (olga, _key) = town.person_with_passkey("olga@example.test", &["operators"]).await;
    refused(&press(&town, &ola, "try", &[]).await, 409, "provider.no_draft");
    save(&town, &ola, provider.issuer(), "s3cret").await;
    provider.says(json!({}), Signed::ByPublishedKey);

    let address = trying(&town, &ola).await;
    let query = provider.approve(&address);
    refused(&back_from_try(&town, &olga, &query).await, 410, "sign_in.void");
    let forged = back_from_try(&town, &ola, &format!("{query}&iss=https://evil.example")).await;
    refused(&forged, 403, "provider.try_failed");
    refused(&back_from_try(&town, &ola, &query).await, 410, "sign_in.void");

    // The same browser, and somebody else in it by now.
    let address = trying(&town, &ola).await;
    ola.submit(&format!("{}/sign-out", town.url()), &[]).await;
    let over = back_from_try(&town, &ola, &provider.approve(&address)).await;
    assert_eq!((over.status, me(&town, &ola).await.status), (401, 401), "{over:?}");

    // Set up anew on the way: what comes back was of another form.
    let before = digest(&town).await;
    let address = trying(&town, &olga).await;
    assert_eq!(save(&town, &olga, provider.issuer(), "another").await.status, 200);
    refused(&back_from_try(&town, &olga, &provider.approve(&address)).await, 409, "provider.other_draft");
    assert_ne!(digest(&town).await, before, "the secret is a part of the form");
    // A try that worked is over with the form that it was of.
    let worked = tried(&town, &provider, &olga, json!({}), Signed::ByPublishedKey).await;
    assert!(worked.text().contains("It works"), "{worked:?}");
    let form = digest(&town).await;
    assert_eq!(save(&town, &olga, provider.issuer(), "a third").await.status, 200);
    refused(&press(&town, &olga, "on", &[("digest", &form)]).await, 409, "provider.other_draft");
    let form = digest(&town).await;
    refused(&press(&town, &olga, "on", &[("digest", &form)]).await, 409, "provider.untried");

    // The local credential has no browser: it goes by an operator's try, and by none that was not made.
    let untried = town.post("/api/v1/sign-in/on", json!({ "digest": form })).await;
    assert_eq!(untried.json()["code"], "provider.untried", "{untried:?}");
    tried(&town, &provider, &olga, json!({}), Signed::ByPublishedKey).await;
    let on = town.post("/api/v1/sign-in/on", json!({ "digest": form })).await;
    assert!(on.status == 200 && offered(&town).await, "{on:?}");
    town.stop().await;
}

/// Answers whatever it is asked with the same bytes.
pub(super) async fn answers(make: impl FnOnce(&str) -> Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let bytes = Arc::new(make(&issuer));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let bytes = Arc::clone(&bytes);
            tokio::spawn(async move {
                drop(stream.read(&mut [0; 4096]).await);
                drop(stream.write_all(&bytes).await);
            });
        }
    });
    issuer
}

fn document(text: &str) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    format!("{head}content-length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

/// A document that would do, with its keys in it, but for what is put over it.
pub(super) fn discovery(issuer: &str, more: &Value) -> Vec<u8> {
    // RFC 7517, appendix A.1.
    let key = json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "one",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    });
    let mut said = json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/a"), "token_endpoint": format!("{issuer}/t"),
        "jwks_uri": format!("{issuer}/k"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"], "keys": [key],
    });
    for (name, value) in more.as_object().unwrap() {
        said[name] = value.clone();
    }
    document(&said.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_hostile_issuer_is_set_up() {
    let secret = "a-secret-that-goes-nowhere-at-all-1234567";
    let honest = Provider::start().await;
    let garbage = answers(|_| document("\u{0}not json")).await;
    let list = answers(|_| document("[1, 2]")).await;
    let huge = answers(|_| document(&format!("{{\"issuer\": \"{}\"}}", "x".repeat(3 << 20)))).await;
    let to = honest.issuer().to_owned();
    let redirects = answers(|_| format!("HTTP/1.1 302 Found\r\nlocation: {to}/.well-known/openid-configuration\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()).await;
    let other = answers(|_| discovery("https://login.corp.example", &json!({}))).await;
    let none = answers(|issuer| discovery(issuer, &json!({ "issuer": null }))).await;
    let plain = answers(|issuer| discovery(issuer, &json!({ "token_endpoint": "http://192.0.2.7/token" }))).await;
    let inside = answers(|issuer| discovery(issuer, &json!({ "jwks_uri": "http://127.0.0.1:1/keys" }))).await;
    let script = answers(|issuer| discovery(issuer, &json!({ "authorization_endpoint": "javascript:alert(1)" }))).await;
    let shared =
        answers(|issuer| discovery(issuer, &json!({ "id_token_signing_alg_values_supported": ["HS256", "none"] })))
            .await;
    let codeless = answers(|issuer| discovery(issuer, &json!({ "response_types_supported": ["id_token"] }))).await;
    let keyless = answers(|issuer| discovery(issuer, &json!({ "keys": [] }))).await;
    let fit = answers(|issuer| discovery(issuer, &json!({}))).await;
    let closed = answers(|_| Vec::new()).await;
    let all = [
        &garbage, &list, &huge, &redirects, &other, &none, &plain, &inside, &script, &shared, &codeless, &keyless, &fit,
    ];
    let may: Vec<&str> = all.iter().map(|issuer| issuer.as_str()).collect();
    let town = Town::with(Engine::Sqlite, &opened(&may), Arc::new(SystemClock)).await;
    let own = town.url();
    for (what, issuer, status, code) in [
        ("garbage", garbage.as_str(), 502, "provider.no_document"),
        ("no object", &list, 502, "provider.no_document"),
        ("no end", &huge, 502, "provider.no_document"),
        ("a redirect", &redirects, 502, "provider.no_document"),
        ("another issuer", &other, 400, "provider.other_issuer"),
        ("no issuer", &none, 400, "provider.other_issuer"),
        ("a token endpoint in the clear", &plain, 422, "provider.unfit"),
        ("keys at an address that is not opened", &inside, 422, "provider.unfit"),
        ("a sign-in page that is script", &script, 422, "provider.unfit"),
        ("a signature by a shared secret", &shared, 422, "provider.unfit"),
        ("no codes", &codeless, 422, "provider.unfit"),
        ("no keys", &keyless, 422, "provider.unfit"),
        ("a loopback address that nobody opened", &closed, 403, "reach.address"),
        ("the metadata service of a cloud", "https://169.254.169.254", 403, "reach.address"),
        ("a private address", "https://10.1.2.3", 403, "reach.address"),
        ("an address in another form", "https://[::ffff:10.1.2.3]", 403, "reach.address"),
        ("this platform itself", &own, 403, "reach.address"),
        ("no TLS", "http://login.corp.example", 400, "provider.issuer"),
        ("a file", "file:///etc/passwd", 400, "provider.issuer"),
        ("a user", "https://a:b@login.corp.example", 400, "provider.issuer"),
        ("nothing", "", 400, "provider.issuer"),
    ] {
        let body = json!({ "issuer": issuer, "client_id": "bailiwick", "client_secret": secret });
        let answer = town.machine("PUT", "/api/v1/sign-in/draft", body.to_string().as_bytes()).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{what}: {answer:?}");
        assert!(!answer.text().contains(secret), "{what}: {answer:?}");
    }
    assert_eq!(honest.asked(), 0, "a redirect was followed");
    let now = town.get("/api/v1/sign-in").await.json();
    assert_eq!((&now["draft"], &now["provider"]), (&Value::Null, &Value::Null), "{now}");
    // The same document without a lie is set up: it was the lies that were refused.
    let body = json!({ "issuer": fit, "client_id": "bailiwick", "client_secret": secret }).to_string();
    let answer = town.machine("PUT", "/api/v1/sign-in/draft", body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_to_no_other_and_no_provider_makes_an_operator() {
    let (one, two) = (Provider::start().await, Provider::start().await);
    let town = Town::with(Engine::Sqlite, &opened(&[one.issuer(), two.issuer()]), Arc::new(SystemClock)).await;
    let (ola, _key) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    refused(&save(&town, &ola, one.issuer(), "").await, 400, "provider.no_secret");
    assert_eq!(save(&town, &ola, one.issuer(), "s3cret").await.status, 200);
    assert_eq!(save(&town, &ola, one.issuer(), "").await.status, 200, "kept for the same issuer and client");
    refused(&save(&town, &ola, two.issuer(), "").await, 400, "provider.no_secret");
    let mut public = fields(two.issuer(), "");
    public.push(("public", "yes"));
    let said = ola.post(&format!("{}{PAGE}", town.url()), &public).await;
    assert!(said.status == 200 && said.text().contains("a public client"), "{said:?}");
    for group in ["operators", "reviewers", "auditors"] {
        let body = json!({ "issuer": one.issuer(), "client_id": "b", "public": true, "groups": { "ops": group } });
        let answer = town.machine("PUT", "/api/v1/sign-in/draft", body.to_string().as_bytes()).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("provider.role")), "{answer:?}");
    }
    // The address of the discovery document is as good, and so is a slash too many.
    for issuer in [format!("{}/.well-known/openid-configuration", one.issuer()), format!("{}/", one.issuer())] {
        assert_eq!(save(&town, &ola, &issuer, "s3cret").await.status, 200, "{issuer}");
        assert_eq!(town.get("/api/v1/sign-in").await.json()["draft"]["issuer"], one.issuer());
    }
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_locked_out_and_the_configuration_goes_first() {
    let provider = Provider::start().await;
    let town = Town::with(Engine::Sqlite, &opened(&[provider.issuer()]), Arc::new(SystemClock)).await;
    let links = |on: bool| town.post("/api/v1/sign-in/links", json!({ "on": on }));
    let no = links(false).await;
    assert_eq!((no.status, no.json()["code"].as_str()), (409, Some("links.only_way")), "{no:?}");
    let (ola, _key) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    save(&town, &ola, provider.issuer(), "s3cret").await;
    tried(&town, &provider, &ola, json!({}), Signed::ByPublishedKey).await;
    press(&town, &ola, "on", &[("digest", &digest(&town).await)]).await;
    let added = town.post("/api/v1/people", json!({ "email": "x@example.test", "groups": [] })).await.json();
    let link = added["link"].as_str().unwrap().to_owned();
    let text = page(&town, &ola).await;
    assert!(text.contains("One person would have no way to sign in without links"), "{text}");
    let off = press(&town, &ola, "links", &[("to", "off")]).await;
    assert!(off.status == 200 && off.text().contains("None is made"), "{off:?}");
    assert_eq!(town.browser().post(&link, &[]).await.status, 410, "none that was made works");
    let added = town.post("/api/v1/people", json!({ "email": "y@example.test", "groups": [] })).await;
    assert_eq!((added.status, added.json()["code"].as_str()), (409, Some("links.off")), "{added:?}");
    // The last one with a passkey is gone: single sign-on is the only way, and stays.
    town.post("/api/v1/people/disable", json!({ "email": "ola@example.test" })).await;
    let no = town.post("/api/v1/sign-in/off", json!({})).await;
    assert_eq!((no.status, no.json()["code"].as_str()), (409, Some("links.only_way")), "{no:?}");
    let town = town.restart(Disk::Room).await;
    assert!(offered(&town).await);
    assert_eq!(town.post("/api/v1/sign-in/links", json!({ "on": true })).await.status, 200);
    assert_eq!(town.browser().post(&link, &[]).await.status, 303, "on again, before it ran out");
    assert_eq!(town.post("/api/v1/sign-in/off", json!({})).await.status, 200);
    town.stop().await;

    let config = provider.config("links = true\n");
    let town = Town::with(Engine::Sqlite, &config, Arc::new(SystemClock)).await;
    let body = json!({ "issuer": provider.issuer(), "client_id": "b", "public": true }).to_string();
    for answer in [
        town.machine("PUT", "/api/v1/sign-in/draft", body.as_bytes()).await,
        town.post("/api/v1/sign-in/off", json!({})).await,
        town.post("/api/v1/sign-in/links", json!({ "on": false })).await,
    ] {
        assert_eq!((answer.status, answer.json()["code"].as_str()), (409, Some("sign_in.configured")), "{answer:?}");
    }
    let ola = town.person("ola@example.test", &["operators"]).await;
    let text = page(&town, &ola).await;
    assert_eq!(text.matches("Set in <code>config.toml</code>: change it there").count(), 2, "{text}");
    assert!(!text.contains("<button class=\"danger\""), "{text}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_act_of_it_asks_for_a_fresh_second_factor() {
    let provider = Provider::start().await;
    let town = Town::with(Engine::Sqlite, &opened(&[provider.issuer()]), Arc::new(SystemClock)).await;
    let weak = town.person("weak@example.test", &["operators"]).await;
    let (rex, _key) = town.person_with_passkey("rex@example.test", &["reviewers", "builders"]).await;
    for browser in [&weak, &rex] {
        for (path, form) in [
            ("", fields(provider.issuer(), "s3cret")),
            ("/try", vec![]),
            ("/on", vec![("digest", "00")]),
            ("/off", vec![]),
            ("/links", vec![("to", "off")]),
        ] {
            let answer = browser.post(&format!("{}{PAGE}{path}", town.url()), &form).await;
            assert_eq!(answer.status, 403, "{path}: {answer:?}");
            assert!(!answer.text().contains("s3cret"), "{path}: {answer:?}");
        }
    }
    assert_eq!(rex.get(&format!("{}{PAGE}", town.url())).await.status, 403);
    let foreign = [("sec-fetch-site", "cross-site"), ("content-type", "application/x-www-form-urlencoded")];
    let (ola, _key) = town.person_with_passkey("ola@example.test", &["operators"]).await;
    let pressed = ola.send("POST", &format!("{}{PAGE}/off", town.url()), &foreign, b"").await;
    assert_eq!(pressed.status, 403, "{pressed:?}");
    assert_eq!(provider.asked(), 0, "whoever may not makes the server go nowhere");
    town.stop().await;
}

/// Whoever chose the provider vouches for everyone whom it vouches for.
#[tokio::test(flavor = "multi_thread")]
async fn who_switched_it_on_is_not_asked_twice() {
    let provider = Provider::start().await;
    let town = Town::with(Engine::Sqlite, &opened(&[provider.issuer()]), Arc::new(SystemClock)).await;
    let (ola, _key) = town.person_with_passkey("ola@example.test", &["operators", "builders", "people-ops"]).await;
    save(&town, &ola, provider.issuer(), "s3cret").await;
    tried(&town, &provider, &ola, json!({}), Signed::ByPublishedKey).await;
    press(&town, &ola, "on", &[("digest", &digest(&town).await)]).await;
    let claims = json!({ "sub": "eve", "email": "eve@example.test", "amr": ["mfa"] });
    super::signed_in(&town, &provider, &town.browser(), claims.clone()).await;
    town.post("/api/v1/people", json!({ "email": "eve@example.test", "groups": ["reviewers"] })).await;
    let eve = town.browser();
    super::signed_in(&town, &provider, &eve, claims).await;
    let archive = testkit::bundle("poll-notify", "poll-notify");
    let sent = ola.send("POST", &format!("{}/api/v1/deploy?env=prod", town.url()), &OURS, &archive).await.json();
    let request = sent["request"].as_str().unwrap_or_else(|| panic!("{sent}"));
    let url = format!("{}/api/v1/requests/{request}/approve", town.url());
    let yes = eve.send("POST", &url, &OURS, br#"{"why":"read it"}"#).await.json();
    assert_eq!(yes["approval"]["dependence"], json!(["link"]), "{yes}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_offers_it_at_once() {
    let provider = Provider::start().await;
    let database = Postgres::create().await;
    let more = opened(&[provider.issuer()]);
    let one = Town::at(Some(&database.url), "", &more, Arc::new(SystemClock)).await;
    let two = Town::at(Some(&database.url), "", &more, Arc::new(SystemClock)).await;
    let (ola, _key) = one.person_with_passkey("ola@example.test", &["operators"]).await;
    save(&one, &ola, provider.issuer(), "s3cret").await;
    tried(&one, &provider, &ola, json!({}), Signed::ByPublishedKey).await;
    assert!(!offered(&two).await);
    for (act, wanted) in [("on", true), ("off", false)] {
        let form = if wanted { digest(&one).await } else { String::new() };
        assert_eq!(press(&one, &ola, act, &[("digest", &form)]).await.status, 200);
        let hears = async {
            while offered(&two).await != wanted {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), hears).await.unwrap_or_else(|_| panic!("{act}"));
    }
    one.stop().await;
    two.stop().await;
}
