//! Static files: of apps that are nothing else, and of `env.assets.fetch`.

use crate::{
    client::{ANA, PAGE, ask},
    house::{House, MANIFEST, Setting},
};

const LONG: &str =
    "a sentence that is long enough to be worth the trouble of compressing it. a sentence that is long enough.";

pub(crate) fn a_static_app() -> Setting {
    let manifest = MANIFEST.replace("\"wasm\"", "\"static\"").replace("app.js", "public/index.html");
    let (before, rest) = manifest.split_once("[secrets.SLACK_TOKEN]").unwrap();
    let (_, after) = rest.split_once("[browser]").unwrap();
    let assets = vec![("index.html", LONG), ("docs/index.html", "docs"), ("app.js", "let x"), ("logo.png", "png")];
    Setting { manifest: format!("{before}[browser]{after}"), assets, ..Setting::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_with_their_type_and_tag_and_no_folder_is_listed() {
    let house = House::with(a_static_app()).await;
    for (path, status, kind) in [
        ("/", 200, "text/html; charset=utf-8"),
        ("/index.html", 200, "text/html; charset=utf-8"),
        ("/docs/", 200, "text/html; charset=utf-8"),
        ("/app.js", 200, "text/javascript; charset=utf-8"),
        ("/logo.png", 200, "image/png"),
        ("/docs", 404, "application/problem+json"),
        ("/none", 404, "application/problem+json"),
        ("/../index.html", 400, "application/problem+json"),
        ("/docs/%2e%2e/index.html", 400, "application/problem+json"),
    ] {
        let answer = ask(house.address, &format!("GET {path}"), &[ANA], "").await;
        assert_eq!((answer.status, answer.header("content-type")), (status, kind), "{path}");
    }
    let first = ask(house.address, "GET /", &[ANA], "").await;
    assert_eq!((first.body.as_str(), first.header("cache-control")), (LONG, "private, no-cache"));
    assert!(
        first.header("etag").starts_with("\"sha256:")
            && first.header("content-security-policy").contains("frame-ancestors 'self'")
    );
    let known = format!("if-none-match: \"other\", W/{}", first.header("etag"));
    let fresh = ask(house.address, "GET /", &[ANA, &known], "").await;
    assert_eq!((fresh.status, fresh.body.as_str()), (304, ""));
    let head = ask(house.address, "HEAD /", &[ANA], "").await;
    assert_eq!(
        (head.status, head.body.as_str(), head.header("content-length")),
        (200, "", LONG.len().to_string().as_str())
    );
    let posted = ask(house.address, "POST /", &[ANA, PAGE, "sec-fetch-site: same-origin"], "x").await;
    assert_eq!(posted.status, 405);
    assert_eq!(ask(house.address, "GET /", &[], "").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_compressed_for_who_takes_it() {
    let house = House::with(a_static_app()).await;
    let packed = ask(house.address, "GET /", &[ANA, "accept-encoding: gzip"], "").await;
    assert_eq!((packed.status, packed.header("content-encoding")), (200, "gzip"));
    assert!(packed.header("etag").starts_with("W/\"sha256:") && packed.header("vary").contains("accept-encoding"));
    let plain = ask(house.address, "GET /", &[ANA, "accept-encoding: identity"], "").await;
    assert_eq!((plain.header("content-encoding"), plain.body.as_str()), ("", LONG));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_fetches_its_own_files() {
    let house = House::new().await;
    let answer = ask(house.address, "GET /style", &[ANA], "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "body { color: red }"));
    assert_eq!(answer.header("content-type"), "text/css; charset=utf-8");
}
