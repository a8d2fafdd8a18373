//! The templates hold no credential, before and after `new` has filled them in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use scan::scan_files;
use std::{fs, path::Path};

fn files(folder: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn every_template_is_clean() {
    let mut found = Vec::new();
    files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../templates")), &mut found);
    for name in ["blank/app.js", "tinypoll/bailiwick.toml", "poll-notify/app.js", "shared/AGENTS.md"] {
        assert!(found.iter().any(|(path, _)| path.ends_with(name)), "no {name}");
    }
    let findings = scan_files(found.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())));
    assert!(findings.is_empty(), "{findings:#?}");
}
