//! What a machine may write into a manifest: each edit fits its file, and mends what it was offered for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use jiff::civil::{Date, date};
use model::{Finding, Manifest, edited};
use proptest::prelude::*;

const DESIGN: &str = include_str!("design.toml");
const FILE: &str = "bailiwick.toml";

fn today() -> Date {
    date(2026, 11, 23)
}

fn findings(text: &str) -> Vec<Finding> {
    match Manifest::parse(text.as_bytes(), today()) {
        Ok(parsed) => parsed.warnings,
        Err(findings) => findings,
    }
}

/// Takes the first fix that is offered, again and again.
fn mended(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..40 {
        let found = findings(&text);
        let Some(finding) = found.iter().find(|finding| !finding.edits.is_empty()) else { break };
        let after = edited(FILE, text.as_bytes(), &finding.edits).expect("an edit fits its file");
        assert_ne!(after, text.as_bytes(), "a fix changes something: {finding:?}");
        text = String::from_utf8(after).unwrap();
    }
    text
}

#[test]
fn each_slip_is_mended() {
    let slack = "[secrets.SLACK_TOKEN]";
    for (before, after, holds) in [
        ("class   =", "klass   =", "class   = \"personal\""),
        ("[access]", "[acces]", "[access]"),
        ("\"personal\"          ", "\"persnal\"          ", "class   = \"personal\""),
        ("\"personal\"          ", "\"internal\"          ", "class   = \"personal\""),
        ("\"2027-02-01\"", "\"2026-01-01\"", "expires = \"2027-02-21\""),
        ("\"2027-02-01\"", "\"2028-01-01\"", "expires = \"2027-02-21\""),
        ("\"2027-02-01\"", "\"soon\"", "expires = \"2027-02-21\""),
        ("\"64MiB\"", "\"4GiB\"", "memory = \"512MiB\""),
        ("\"50ms\"", "\"1h\"", "cpu = \"5s\""),
        ("parallel = 16", "parallel = 1000", "parallel = 64"),
        ("= 500", "= 0", "rows     = 1"),
        ("\"group:staff\"", "\"staff\"", "\"group:staff\""),
        ("\"wasm\"", "\"wams\"", "profile = \"wasm\""),
        ("retain = \"30d\"\n", "", "retain = \"30d\""),
        ("[secrets.SLACK_TOKEN]", "[secrets.SLACK_TOKE]", "[secrets.SLACK_TOKE]"),
    ] {
        let broken = DESIGN.replacen(before, after, 1);
        assert_ne!(broken, DESIGN, "{before}");
        assert!(findings(&broken).iter().any(|finding| !finding.edits.is_empty()), "{before}: {:?}", findings(&broken));
        let text = mended(&broken);
        assert!(Manifest::parse(text.as_bytes(), today()).is_ok(), "{before}: {:?}\n{text}", findings(&text));
        assert!(text.contains(holds), "{before}: {text}");
    }
    let pasted = DESIGN.replacen(
        slack,
        "[secrets]\nSLACK_TOKEN = \"xoxb-1-2-3\"\n[jobs.x]\nschedule = \"0 8 * * *\"\n[secret.old]",
        1,
    );
    let fixes = findings(&pasted);
    let fix = fixes.iter().find(|finding| finding.what.contains("is a text")).expect("a value in the manifest");
    let text = String::from_utf8(edited(FILE, pasted.as_bytes(), &fix.edits).unwrap()).unwrap();
    assert!(text.contains("SLACK_TOKEN = { id = \"people-ops/slack-token\" }") && !text.contains("xoxb"), "{text}");
}

#[test]
fn a_manifest_of_little_more_than_a_name_is_brought_to_life() {
    let text = mended("[app]\nname = \"lunch\"\nteam = \"people-ops\"\npurpose = \"Asks who comes to lunch\"");
    let parsed = Manifest::parse(text.as_bytes(), today()).unwrap_or_else(|found| panic!("{found:?}\n{text}"));
    assert_eq!(parsed.manifest.app.expires, date(2027, 2, 21));
    let with_mark = format!("\u{feff}{DESIGN}").replacen("class   =", "klass   =", 1);
    assert!(mended(&with_mark).starts_with("\u{feff}") && mended(&with_mark).contains("class   ="));
}

proptest! {
    /// Whatever stands there: an edit lies inside, and leaves text.
    #[test]
    fn every_edit_fits(cut in 0..DESIGN.len(), length in 0_usize..40, put in "[a-z\"'\\[\\]= .#\u{e9}\n]{0,12}") {
        let start = DESIGN.floor_char_boundary(cut);
        let end = DESIGN.floor_char_boundary((cut + length).min(DESIGN.len()));
        let text = format!("{}{put}{}", &DESIGN[..start], &DESIGN[end..]);
        for finding in findings(&text) {
            let after = edited(FILE, text.as_bytes(), &finding.edits);
            prop_assert!(after.is_some_and(|after| String::from_utf8(after).is_ok()), "{finding:?}");
        }
    }
}
