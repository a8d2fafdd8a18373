//! Tables: what each value may be, and the exact edge where it is refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use jiff::civil::date;
use model::Manifest;

const DESIGN: &str = include_str!("design.toml");

/// The codes of what is wrong, none when it is taken; warnings too.
fn codes(text: &str) -> Vec<String> {
    let findings = Manifest::parse(text.as_bytes(), date(2026, 11, 23));
    findings
        .map_or_else(|findings| findings, |parsed| parsed.warnings)
        .into_iter()
        .map(|finding| finding.code)
        .collect()
}

fn check(from: &str, taken: &[&str], refused: &[&str]) {
    assert!(DESIGN.contains(from), "{from}");
    for to in taken {
        assert_eq!(codes(&DESIGN.replace(from, to)), Vec::<String>::new(), "{to}");
    }
    for to in refused {
        let codes = codes(&DESIGN.replace(from, to));
        assert_eq!(codes.len(), 1, "{to}: {codes:?}");
    }
}

#[test]
fn names() {
    let (most, more) = ("a".repeat(40), "a".repeat(41));
    let names = |name: &str| format!("\"{name}\" ");
    let taken: Vec<String> = ["ab", "a1", "a-b-c", &most].into_iter().map(names).collect();
    let bad = [
        "",
        "a",
        &more,
        "a--b",
        "a-",
        "-a",
        "1a",
        "A1",
        "a_b",
        "a.b",
        "a b",
        "www",
        "api",
        "console",
        "log",
        "admin",
        "static",
        "bailiwick",
        "data",
        "self",
        "assets",
    ];
    let refused: Vec<String> = bad.into_iter().map(names).collect();
    let (taken, refused): (Vec<&str>, Vec<&str>) =
        (taken.iter().map(String::as_str).collect(), refused.iter().map(String::as_str).collect());
    check("\"poll-notify\" ", &taken, &refused);
    check(
        "team    = \"people-ops\"",
        &["team = \"ops\""],
        &["team = \"machine\"", "team = \"everyone\"", "team = \"Ops\"", "team = \"o--ps\""],
    );
}

#[test]
fn names_of_parts() {
    check(
        "[data.answers]",
        &["[data.a]", "[data.all_answers]"],
        &["[data.Answers]", "[data.then]", "[data.\"a b\"]", "[data.\"\"]"],
    );
    check(
        "fields.slots ",
        &["fields.createdAt ", "fields.a_b "],
        &["fields.id ", "fields.version ", "fields.__proto__ ", "fields.a-b ", "fields.1 "],
    );
    check("[jobs.remind] ", &["[jobs.send-mail] "], &["[jobs.Remind] ", "[jobs.\"\"] "]);
    check("roles.organiser", &["roles.chair_2"], &["roles.Organiser", "roles.\"a b\""]);
    check("people-ops/slack-bot", &["ops/a_b-c"], &["ops", "ops/", "/bot", "ops/a/b", "Ops/bot", "secret://ops/bot"]);
}

#[test]
fn dates() {
    check(
        "\"2027-02-01\"",
        &["\"2026-11-23\"", "\"2027-02-21\"", "2027-02-01"],
        &[
            "\"2026-11-22\"",
            "\"2027-02-22\"",
            "\"2027-02-30\"",
            "\"tomorrow\"",
            "\"2027-2-1\"",
            "20270201",
            "2027-02-01T00:00:00Z",
            "\"2027-02-01T00:00:00\"",
        ],
    );
}

#[test]
fn limits() {
    check(
        "\"64MiB\"",
        &["\"8MiB\"", "\"512MiB\"", "\"8192KiB\"", "\"64 MiB\""],
        &[
            "\"7MiB\"",
            "\"513MiB\"",
            "\"64MB\"",
            "\"64\"",
            "64",
            "\"-1MiB\"",
            "\"064MiB\"",
            "\"99999999999999999999GiB\"",
            "\"18014398509481984KiB\"",
        ],
    );
    check("\"50ms\"", &["\"1ms\"", "\"5s\""], &["\"0ms\"", "\"5001ms\"", "\"50\"", "\"1.5s\"", "\"50m\"", "50"]);
    check("\"10s\"", &["\"10ms\"", "\"60s\"", "\"1min\""], &["\"9ms\"", "\"61s\""]);
    check(
        "parallel = 16",
        &["parallel = 1", "parallel = 64", "parallel = 0x10"],
        &[
            "parallel = 0",
            "parallel = 65",
            "parallel = -1",
            "parallel = 1.5",
            "parallel = \"16\"",
            "parallel = 4294967297",
        ],
    );
    check("\"100MiB\"", &["\"0B\"", "\"10GiB\""], &["\"11GiB\""]);
}

#[test]
fn retention_rows_and_rates() {
    check(
        "\"30d\"",
        &["\"1min\"", "\"3653d\"", "\"12h\""],
        &["\"59s\"", "\"3654d\"", "\"0d\"", "\"999999999999999999d\"", "30"],
    );
    check("rows     = 500", &["rows = 1", "rows = 500"], &["rows = 0", "rows = 501", "rows = true"]);
    check(
        "\"60/min per user\"",
        &["\"1/s per address\"", "\"10000000/h per app\"", "[\"60/min per user\", \"5/s per route\"]", "[]"],
        &[
            "\"0/min per user\"",
            "\"60/day per user\"",
            "\"60/min\"",
            "\"60/min per team\"",
            "\"60 / min per user\"",
            "\"60/min per user now\"",
            "\"10000001/s per app\"",
            "\"-1/s per user\"",
            "60",
            "[60]",
        ],
    );
}

#[test]
fn runtime_and_access() {
    check(
        "\"app.js\"",
        &["\"src/app.ts\"", "\"./app.mjs\"", "\"app.wasm\""],
        &[
            "\"/app.js\"",
            "\"../app.js\"",
            "\"a/../app.js\"",
            "\"a//app.js\"",
            "\"a\\\\app.js\"",
            "\"C:/app.js\"",
            "\"app.py\"",
            "\"\"",
        ],
    );
    check(
        "assets  = \"public\"",
        &["assets = \"public/\"", ""],
        &["assets = \"..\"", "assets = \"/\"", "assets = [\"public\"]"],
    );
    check("\"wasm\"", &["\"static\"", "\"external\""], &["\"container\"", "\"Wasm\"", "1"]);
    check(
        "[\"group:staff\"]",
        &["[\"everyone\"]", "\"everyone\"", "[\"everyone\", \"group:staff\"]"],
        &["[]", "[\"staff\"]", "[\"group:\"]", "[\"group:everyone\"]", "\"staff\"", "[1]", "{}"],
    );
    check("[\"group:people-ops\"]", &["[\"group:staff\"]"], &["[]", "[\"everyone\"]", "\"group:staff\""]);
}

#[test]
fn destinations_jobs_and_pages() {
    check(
        "[\"POST\"]",
        &["[\"post\"]", "[\"PATCH\", \"DELETE\"]"],
        &["[]", "[\"CONNECT\"]", "[\"TRACE\"]", "[\"*\"]", "\"POST\""],
    );
    check(
        "\"0 8 * * 1-5\"",
        &["\"*/5 * * * *\"", "\"0  8 * * MON-FRI\""],
        &["\"daily\"", "\"0 8 * *\"", "\"0 0 8 * * *\"", "\"@daily\"", "\"0 8 * * $\"", "\"\""],
    );
    check("\"Europe/Berlin\"", &["\"UTC\"", "\"America/New_York\""], &["\"Berlin\"", "\"CEST\"", "\"+02:00\"", "\"\""]);
    check(
        "hosts = []",
        &["hosts = [\"cdn.example:8443\"]"],
        &["hosts = [\"*\"]", "hosts = [\"https://cdn.example\"]", "hosts = \"cdn.example\""],
    );
    check(
        "why     = \"Shows which rooms are free\"",
        &["why = \"Zeigt freie Räume\""],
        &["", "why = \" \"", "why = \"a\\nb\""],
    );
    check(
        "host    = \"rooms.corp.example:8443\"",
        &["host = \"10.0.0.7\"\ntls = false"],
        &["host = \"10.0.0.7\"\ntls = \"no\"", "host = \"rüms.example\""],
    );
    check(
        "{ class = \"internal\" }",
        &["{ class = \"public\", type = \"object\" }"],
        &["{ type = \"text\" }", "{ class = \"secret\" }", "{ class = \"internal\", type = \"string\" }"],
    );
}
