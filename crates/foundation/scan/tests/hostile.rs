//! Places where a credential can stand, and files made to be hard: every place is found once, every file ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod fill;

use fill::filled;
use model::{Finding, Severity};
use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};
use scan::{Scanner, asks, credentials, rules, scan_bytes, scan_files};
use std::time::Duration;

const MEBIBYTE: usize = 1 << 20;

fn slack() -> String {
    filled("xoxb-{digit:12}-{digit:13}-{alnum:24}")
}

fn blocking(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.severity == Severity::Block).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Windows, keywords of other rules, line ends and other characters around it make no difference.
    #[test]
    fn a_credential_is_found_once_wherever_it_stands(
        rule in 0..rules().len(),
        before in "([ ;\n]|token|key-|https://|sk-|AKIA|ä|😀|discord){0,40}",
        after in "([ ;\n]|token|key-|https://|sk-|AKIA|ä|😀|vault){0,40}",
    ) {
        // What surrounds it may come out as a credential of its own, which is then rightly found too.
        prop_assume!(scan_bytes("app.js", before.as_bytes()).is_empty());
        prop_assume!(scan_bytes("app.js", after.as_bytes()).is_empty());
        let secret = filled(&rules()[rule].examples.matching[0]);
        let file = format!("{before}\n{secret}\n{after}");
        let findings = scan_bytes("app.js", file.as_bytes());
        prop_assert_eq!(findings.len(), 1, "{:#?}", findings);
        prop_assert!(findings[0].what.contains(&rules()[rule].name));
        let first = before.matches('\n').count() + 2;
        let line = findings[0].line.unwrap() as usize;
        prop_assert!((first..first + secret.lines().count()).contains(&line));
    }

    #[test]
    fn any_bytes_at_all_end_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let findings = scan_bytes("x", &bytes);
        prop_assert!(findings.len() <= Scanner::MAX_FINDINGS + 1);
    }

    #[test]
    fn utf16_reads_like_utf8(before in "[ -~ä\n]{0,60}") {
        let file = format!("{before}\n\"{}\"", slack());
        let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(file.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let places = |findings: Vec<Finding>| findings.into_iter().map(|f| (f.line, f.column, f.what)).collect::<Vec<_>>();
        let narrow = places(scan_bytes("a", file.as_bytes()));
        prop_assert!(!narrow.is_empty());
        prop_assert_eq!(places(scan_bytes("a", &wide)), narrow);
    }
}

#[test]
fn the_more_specific_rule_speaks() {
    let text =
        filled("const SLACK_TOKEN = \"xoxb-{digit:12}-{digit:13}-{alnum:24}\"; const password = \"ghp_{alnum:36}\";");
    let findings = scan_bytes("app.js", text.as_bytes());
    assert_eq!(findings.len(), 2, "{findings:#?}");
    assert!(findings[0].what.contains("Slack") && findings[1].what.contains("GitHub"));
}

#[test]
fn manifest_assets_and_maps_are_code_too() {
    let manifest = filled("[secrets.SLACK_TOKEN]\nid = \"xoxb-{digit:12}-{digit:13}-{alnum:24}\"\n");
    let svg = filled("<svg><!-- AKIA{upper:16} --></svg>");
    let map = filled("{\"sourcesContent\":[\"\\nAKIA{upper:16}\\nconst password = \\\"{alnum:12}\\\"\"]}");
    let files = [
        ("bailiwick.toml", manifest.as_bytes()),
        ("public/logo.svg", svg.as_bytes()),
        ("public/app.js.map", map.as_bytes()),
        ("public/empty", b"".as_slice()),
    ];
    let found = scan_files(files);
    let places: Vec<_> = found.iter().map(|f| (f.file.as_deref().unwrap(), f.line.unwrap())).collect();
    let expected = [("bailiwick.toml", 2), ("public/logo.svg", 1), ("public/app.js.map", 1), ("public/app.js.map", 1)];
    assert_eq!(places, expected, "{found:#?}");
}

#[test]
fn compiled_code_is_searched_for_tight_shapes_alone() {
    let mut wasm = b"\0asm\x01\0\0\0 password = \"hunter22\" ".to_vec();
    assert!(scan_bytes("app.wasm", &wasm).is_empty());
    wasm.extend_from_slice(slack().as_bytes());
    let findings = scan_bytes("app.wasm", &wasm);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!((findings[0].line, findings[0].column), (None, None));
    assert!(findings[0].what.ends_with("at byte 31"), "{}", findings[0].what);
    // A NUL far into a script hides nothing.
    let mut script = vec![b' '; 9000];
    script.extend_from_slice(b"\0 password = \"hunter22\"");
    assert_eq!(scan_bytes("app.js", &script).len(), 1);
}

#[test]
fn pictures_do_not_look_like_credentials() {
    // xorshift64: bytes as even as those of a compressed picture.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(MEBIBYTE / 8)
    .flatten()
    .collect();
    assert!(bytes[..8192].contains(&0));
    assert!(scan_bytes("photo.png", &bytes).is_empty());
}

#[test]
fn one_line_of_ten_mebibytes_has_a_column() {
    let mut line = "var a=1;".repeat(10 * MEBIBYTE / 8);
    let column = line.len() + 2;
    line.push_str(&format!("\"{}\"", slack()));
    let findings = scan_bytes("bundle.js", line.as_bytes());
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].line, findings[0].column), (Some(1), Some(column as u32)));
}

#[test]
fn ten_mebibytes_of_keywords_end() {
    let keywords = "akia ghp_ xoxb- sk-ant- password:// service_account private key -----BEGIN PRIVATE KEY----- \
                    eyJeyJ. discord SG.SG. authorization: \"bearer secret=' EAAA pat-pat :AA \"type\":\"service_account\" ";
    let file = keywords.repeat(10 * MEBIBYTE / keywords.len());
    let findings = scan_bytes("app.js", file.as_bytes());
    assert!(findings.len() <= Scanner::MAX_FINDINGS + 1);
}

/// Near misses and fillers are the slow way: each is looked at whole, and none ends the search.
#[test]
fn near_misses_end_too() {
    let pieces = [
        "eyJ",
        "eyJaaaaaaaaaaaaaaaa.",
        "://",
        "a://a:a",
        "SK",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\naaaaaaaaaaaaaaa-",
        "\"type\":\"service_account\" -----BEGIN PRIVATE KEY-----\\n",
        "password=\"",
        "password=\"aaaaaa\" ",
        "sk_live_xxxxxxxxxxxxxxxx ",
        "secret",
        "discord MAAAAAAAAAAAAAAAAAAAAAAAAAAA.",
        "aws_secret_access_key_access_key",
        "TOKEN=\n",
    ];
    for piece in pieces {
        let file = piece.repeat(2 * MEBIBYTE / piece.len());
        let findings = scan_bytes("app.js", file.as_bytes());
        assert!(findings.len() <= Scanner::MAX_FINDINGS + 1, "{piece}");
    }
}

#[test]
fn a_file_of_nothing_but_credentials_yields_a_short_list() {
    let file = format!("{}\n", slack()).repeat(5000);
    let findings = scan_bytes("dump.txt", file.as_bytes());
    assert_eq!(blocking(&findings), Scanner::MAX_FINDINGS);
    let last = findings.last().unwrap();
    assert_eq!((last.code.as_str(), last.severity, findings.len()), ("secret.more", Severity::Note, 101));
    let exact = format!("{}\n", slack()).repeat(100);
    assert_eq!(scan_bytes("dump.txt", exact.as_bytes()).len(), 100);
}

/// What this thread has worked, whoever else uses the machine.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Four times as much takes about four times the work. What looks at everything again for each thing takes sixteen times.
fn grows_with_its_size(what: &str, make: impl Fn(usize) -> String, work: impl Fn(&str)) {
    let (small, large) = (make(128 << 10), make(512 << 10));
    let took = |text: &str| {
        let before = worked();
        work(text);
        worked() - before
    };
    // The least of some turns: the first one warms up.
    let least = |(one, four): (Duration, Duration), _| (one.min(took(&small)), four.min(took(&large)));
    let (one, four) = (0..4).fold((Duration::MAX, Duration::MAX), least);
    assert!(four < one * 9, "{what}: {one:?}, then {four:?}");
}

fn repeated(piece: &str) -> impl Fn(usize) -> String {
    move |bytes| piece.repeat(bytes / piece.len())
}

#[test]
fn what_code_asks_is_read_in_time_that_grows_with_the_code() {
    for piece in [
        "env.data.x.insert({",
        "env.data.x.insert({a:[",
        "\nenv.KEY;",
        "fetch(\"https://a.example/\")\n",
        "fetch(\"https://a.example/",
        "env.data.x ",
        "/* env.data.x.insert({ */`${",
    ] {
        grows_with_its_size(piece, repeated(piece), |text| drop(asks(text.as_bytes())));
    }
    let many: String = (0..9_000).map(|number| format!("env.KEY{number};\nenv.data.x{number}.insert({{")).collect();
    assert_eq!(asks(many.as_bytes()).len(), 1_000, "of each kind as many as anybody reads");
    let long = format!("env.{};env.SHORT;", "A".repeat(1_000));
    assert_eq!(asks(long.as_bytes()).len(), 1, "a name that no manifest can hold is none");
}

#[test]
fn what_is_shown_of_a_file_is_hidden_in_time_that_grows_with_it() {
    let token = slack();
    let known = credentials(token.as_bytes());
    for piece in [&token, &token[..10], &token[..9]] {
        grows_with_its_size(piece, repeated(piece), |text| assert!(!known.hide(text).contains(&token)));
    }
}

#[test]
fn a_bundle_of_nothing_but_credentials_yields_a_list_too() {
    let file = format!("{}\n", slack()).repeat(200);
    let names: Vec<String> = (0..50).map(|number| format!("{number}.txt")).collect();
    let findings = scan_files(names.iter().map(|name| (name.as_str(), file.as_bytes())));
    assert_eq!(blocking(&findings), 5 * Scanner::MAX_FINDINGS);
    let last = findings.last().unwrap();
    assert_eq!((last.code.as_str(), last.file.as_deref()), ("secret.more", Some("5.txt")));
}
