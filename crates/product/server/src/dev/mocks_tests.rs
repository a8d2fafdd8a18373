//! `mock/` as people write it, right and wrong.

use super::*;

const MANIFEST: &str = r#"
[app]
name = "lunch"
team = "it"
purpose = "Tries mocks"
expires = "2026-12-01"
class = "internal"
[runtime]
profile = "wasm"
main = "app.js"
[access]
use = ["everyone"]
[secrets.KEY]
id = "it/key"
[connect.rooms]
host = "rooms.corp.example:8443"
methods = ["GET", "POST"]
paths = ["/v1/**"]
secret = "KEY"
why = "Shows which rooms are free"
[data.votes]
retain = "30d"
fields.choice = { class = "internal" }
"#;

fn manifest() -> Manifest {
    Manifest::parse(MANIFEST.as_bytes(), jiff::civil::date(2026, 11, 3)).unwrap().manifest
}

fn read(files: &[(&str, &str)]) -> (Mocks, Vec<Finding>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(FOLDER).join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    Mocks::read(folder.path(), &manifest())
}

fn answered(mocks: &Mocks, method: Method, path: &str) -> (u16, String, bool) {
    let found = mocks.answer("rooms.corp.example:8443", &method, path);
    (
        found.answer.status.as_u16(),
        String::from_utf8(found.answer.body.to_vec()).unwrap(),
        found.file.as_deref() == Some("mock/rooms.json"),
    )
}

#[test]
fn what_is_written_out_goes_before_what_is_left_open() {
    let (mocks, findings) = read(&[(
        "rooms.json",
        r#"{ "GET /v1/**": { "body": [1] }, "GET /v1/rooms/7": { "status": 404, "headers": { "x-why": "gone" } },
             "GET /v1/rooms/*": { "body": "a room" }, "POST /v1/rooms": { "status": 201 } }"#,
    )]);
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(answered(&mocks, Method::GET, "/v1/other"), (200, "[1]".into(), true));
    assert_eq!(answered(&mocks, Method::GET, "/v1/rooms/7"), (404, String::new(), true));
    assert_eq!(answered(&mocks, Method::GET, "/v1/rooms/8"), (200, "a room".into(), true));
    assert_eq!(answered(&mocks, Method::POST, "/v1/rooms"), (201, String::new(), true));
    let unwritten = (200, r#"{"ok":true,"mock":true}"#.into(), false);
    assert_eq!(answered(&mocks, Method::POST, "/v1/other"), unwritten);
    let elsewhere = mocks.answer("rooms.corp.example", &Method::GET, "/v1/other");
    assert_eq!(elsewhere.file, None, "another port is another host");
}

#[test]
fn every_mistake_is_told_with_its_file() {
    let (_, findings) = read(&[
        ("rooms.json", r#"{ "GET v1": {}, "BREW /x": {}, "GET /a": { "stauts": 1 }, "GET /b": { "status": 700 } }"#),
        ("data/votes.json", "{}"),
        ("secrets.json", r#"{ "OTHER": { "attach": "bearer" } }"#),
        ("slak.json", "{}"),
        ("data/vots.json", "[]"),
    ]);
    let told: Vec<_> = findings
        .iter()
        .map(|finding| (finding.severity, finding.code.as_str(), finding.file.as_deref().unwrap()))
        .collect();
    let block = Severity::Block;
    assert_eq!(
        told,
        [
            (block, "mock.shape", "mock/rooms.json"),
            (block, "mock.shape", "mock/rooms.json"),
            (block, "mock.shape", "mock/rooms.json"),
            (block, "mock.shape", "mock/rooms.json"),
            (block, "mock.shape", "mock/data/votes.json"),
            (Severity::Warn, "mock.unasked", "mock/secrets.json"),
            (Severity::Warn, "mock.unasked", "mock/slak.json"),
            (Severity::Warn, "mock.unasked", "mock/data/vots.json"),
        ]
    );
    let (_, findings) = read(&[("rooms.json", "{\n \"GET /a\": {,\n}")]);
    assert_eq!((findings[0].code.as_str(), findings[0].line), ("mock.syntax", Some(2)));
}

#[test]
fn seeds_and_positions() {
    let (mocks, findings) = read(&[
        ("data/votes.json", r#"[{ "choice": "a" }, { "choice": "b" }]"#),
        ("secrets.json", r#"{ "KEY": { "attach": "header:X-Api-Key" } }"#),
    ]);
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(mocks.seeds["votes"].len(), 2);
    assert_eq!(mocks.attach["KEY"], "header:X-Api-Key");
    assert_eq!(mocks.file(manifest().connect["rooms"].line), None);
}
