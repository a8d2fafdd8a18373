//! Hostile manifests: each gets a problem, quickly, on a small stack, without panic.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use jiff::civil::{Date, date};
use model::{
    Finding, Manifest, Severity,
    manifest::{MANIFEST_BYTES_MAX, Parsed},
};
use proptest::prelude::*;

const DESIGN: &str = include_str!("design.toml");

fn today() -> Date {
    date(2026, 11, 23)
}

fn parse(bytes: &[u8]) -> Result<Parsed, Vec<Finding>> {
    Manifest::parse(bytes, today())
}

/// The codes of a refusal, in order.
fn codes(bytes: &[u8]) -> Vec<String> {
    parse(bytes).unwrap_err().into_iter().map(|finding| finding.code).collect()
}

#[test]
fn what_is_too_large_is_not_parsed() {
    assert_eq!(codes(&vec![b'['; 1 << 20]), ["manifest.too_large"]);
    let mut full = DESIGN.as_bytes().to_vec();
    full.resize(MANIFEST_BYTES_MAX, b'\n');
    assert!(parse(&full).is_ok());
    full.push(b'\n');
    assert_eq!(codes(&full), ["manifest.too_large"]);
}

#[test]
fn deep_nesting_does_not_overflow_a_small_stack() {
    let key = ["a"; 78].join(".");
    let dotted = format!("x = {}1{}", format!("{{{key}=").repeat(79), "}".repeat(79));
    let nine = ["a"; 9].join(".");
    let allowed = format!("x = {}1{}", format!("{{{nine}=").repeat(16), "}".repeat(16));
    let hostile = [
        "[".repeat(MANIFEST_BYTES_MAX),
        "{".repeat(MANIFEST_BYTES_MAX),
        format!("x = {}", "[".repeat(60_000)),
        format!("x = {}", "{a=".repeat(20_000)),
        format!("[{}]", vec!["a"; 30_000].join(".")),
        format!("{} = 1", vec!["a"; 30_000].join(".")),
        dotted.clone(),
        format!("{dotted}\n{dotted}"),
    ];
    let run = move || {
        for text in &hostile {
            assert_eq!(codes(text.as_bytes()), ["manifest.too_deep"], "{:.40}", text);
        }
        // Closing brackets where none was opened lower the count, but not what the parser itself allows.
        for text in [allowed, format!("y = {}", "[]]".repeat(20_000)), "]".repeat(60_000), "]]]]{{".repeat(10_000)] {
            assert!(parse(text.as_bytes()).is_err());
        }
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn many_of_anything_is_refused_in_few_words() {
    let tables: String = (0..1000).map(|n| format!("[t{n}]\nx = {n}\n")).collect();
    let destinations: String = (0..1000).map(|n| format!("[connect.t{n}]\nhost = \"h{n}.example\"\n")).collect();
    let keys: String = (0..5000).map(|n| format!("k{n} = 1\n")).collect();
    let lines = "=\n".repeat(30_000);
    let one_line = [
        ",".repeat(60_000),
        format!("x = [{}", "=,".repeat(30_000)),
        ". ".repeat(8) + &"a ".repeat(30_000),
        "\"".repeat(60_001),
        "\r".repeat(60_000),
        format!("#{}", "\u{1}".repeat(60_000)),
        "é\n".repeat(20_000),
    ];
    let list = DESIGN.replace("hosts = []", &format!("hosts = [{}]", "\"a.example\",".repeat(1000)));
    for text in [tables, format!("{DESIGN}{destinations}"), keys, lines, list].into_iter().chain(one_line) {
        let findings = parse(text.as_bytes()).unwrap_err();
        assert!((1..=101).contains(&findings.len()), "{}", findings.len());
        assert!(findings.iter().any(|finding| finding.severity == Severity::Block));
        assert!(
            findings
                .iter()
                .all(|finding| finding.what.len() < 400 && finding.why.len() < 400 && finding.fix.len() < 400)
        );
    }
}

#[test]
fn what_is_not_text_is_said_with_its_place() {
    let nul = parse(DESIGN.replace("poll-notify", "poll\0notify").as_bytes()).unwrap_err();
    assert_eq!((nul[0].code.as_str(), nul[0].line, nul[0].column), ("manifest.not_text", Some(2), Some(16)));
    let latin1 = parse(b"[app]\n# caf\xe9\n").unwrap_err();
    assert_eq!((latin1[0].code.as_str(), latin1[0].line, latin1[0].column), ("manifest.not_text", Some(2), Some(6)));
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(DESIGN.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert!(parse(&utf16).unwrap_err()[0].what.contains("UTF-16"));
}

#[test]
fn a_byte_order_mark_line_ends_and_tabs_are_taken() {
    let plain = parse(DESIGN.as_bytes()).unwrap();
    let marked = format!("\u{feff}{DESIGN}");
    let windows = DESIGN.replace('\n', "\r\n");
    let tabs = DESIGN.replace(" = ", "\t=\t");
    for text in [marked, windows.clone(), tabs, format!("\u{feff}{windows}")] {
        assert_eq!(parse(text.as_bytes()).unwrap(), plain);
    }
    // Columns count from the first character that the builder sees.
    let wrong = parse("\u{feff}nme = 1".as_bytes()).unwrap_err();
    assert!(wrong.iter().any(|finding| finding.code == "manifest.unknown_key" && finding.column == Some(1)));
}

#[test]
fn a_lone_carriage_return_is_named() {
    let findings = parse(DESIGN.replacen('\n', "\r", 3).as_bytes()).unwrap_err();
    assert!(findings[0].what.contains("U+000D"), "{findings:?}");
}

#[test]
fn duplicates_are_named_where_they_stand_again() {
    for (text, line) in [
        (format!("{DESIGN}[limits]\n"), 51),
        (DESIGN.replace("retain = \"30d\"", "retain = \"30d\"\nretain = \"1d\""), 38),
        (DESIGN.replace("{ class = \"internal\" }", "{ class = \"internal\", class = \"public\" }"), 39),
    ] {
        let findings = parse(text.as_bytes()).unwrap_err();
        let told: Vec<_> = findings.iter().map(|finding| (finding.code.as_str(), finding.line)).collect();
        assert_eq!(told, [("manifest.duplicate", Some(line))], "{findings:?}");
    }
}

#[test]
fn overlong_names_are_cut_in_messages() {
    let long = "a".repeat(5000);
    for text in [
        DESIGN.replace("poll-notify", &long),
        DESIGN.replace("[jobs.remind]", &format!("[jobs.{long}]")),
        DESIGN.replace("fields.slots", &format!("fields.{long}")),
        DESIGN.replace("SLACK_TOKEN", &long.to_uppercase()),
        format!("{long} = 1\n{DESIGN}"),
        DESIGN.replace("slack.com", &long),
    ] {
        let findings = parse(text.as_bytes()).unwrap_err();
        assert!(
            findings
                .iter()
                .all(|finding| finding.what.len() < 300 && finding.why.len() < 300 && finding.fix.len() < 300)
        );
    }
}

#[test]
fn invisible_and_turning_characters_do_not_reach_a_reviewer() {
    for c in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{2028}', '\u{ad}', '\u{85}'] {
        let text = DESIGN.replace("Find a meeting", &format!("Find{c}a meeting"));
        let findings = parse(text.as_bytes()).unwrap_err();
        assert!(findings[0].what.contains(&format!("U+{:04X}", u32::from(c))), "{findings:?}");
        assert!(!findings[0].what.contains(c));
    }
}

/// A refusal always says at least one thing that blocks; nothing else is refused or let through.
fn holds(bytes: &[u8]) {
    match parse(bytes) {
        Ok(parsed) => {
            assert!(parsed.warnings.iter().all(|finding| finding.severity < Severity::Block));
            assert!(parsed.manifest.changes_from(&parsed.manifest).is_empty());
            assert!(!parsed.manifest.sentences().is_empty());
        }
        Err(findings) => assert!(findings.iter().any(|finding| finding.severity == Severity::Block), "{findings:?}"),
    }
}

/// Pieces that a grammar of mistakes is made of.
fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        ".",
        ",",
        "\"",
        "'",
        "\"\"\"",
        "'''",
        "#",
        "\n",
        "\r",
        "\r\n",
        "\t",
        " ",
        "\\",
        "\u{430}",
        "é",
        "[app]\n",
        "[runtime]\n",
        "[data.a]\n",
        "[connect.x]\n",
        "fields.b = ",
        "name = ",
        "use = ",
        "limits = ",
        "1",
        "-1",
        "1.5",
        "1e999",
        "0x",
        "true",
        "2026-01-01",
        "\"30d\"",
        "{ class = \"public\" }",
        "_",
        "[_]\n",
        "\0",
        "host = ",
        "a",
        "inf",
        "99999999999999999999",
    ]);
    prop_oneof![4 => fixed.prop_map(str::to_owned), 1 => "\\PC{0,4}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        holds(&bytes);
    }

    #[test]
    fn any_pieces_are_judged(pieces in prop::collection::vec(piece(), 0..60)) {
        holds(pieces.concat().as_bytes());
    }

    #[test]
    fn a_changed_manifest_is_judged(edits in prop::collection::vec((any::<prop::sample::Index>(), 0..8_usize, piece()), 1..6)) {
        let mut text = DESIGN.to_owned();
        for (at, cut, piece) in edits {
            let start = text.floor_char_boundary(at.index(text.len() + 1));
            let end = text.floor_char_boundary((start + cut).min(text.len()));
            text.replace_range(start..end.max(start), &piece);
        }
        holds(text.as_bytes());
    }

    #[test]
    fn lines_in_any_order_are_judged(order in Just(DESIGN.lines().collect::<Vec<_>>()).prop_shuffle()) {
        holds(order.join("\n").as_bytes());
    }
}
