//! The policy bundle: shipped files, and those of the data folder's `policies` beside them.
//!
//! Files that end in `_test.rego` hold the tests of a bundle: they are no part of what decides.

use authority::{Policy, PolicyError};
use rust_embed::Embed;
use std::path::Path;

#[derive(Embed)]
#[folder = "../../../policies"]
#[include = "*.rego"]
struct Shipped;

/// What a file of tests ends in.
const TESTS: &str = "_test.rego";

/// A bundle as text, by file name.
pub(crate) type Files = Vec<(String, String)>;

/// The shipped files, with their tests.
#[must_use]
pub fn shipped_policy() -> Vec<(String, String)> {
    let text = |name: std::borrow::Cow<'static, str>| {
        let file = Shipped::get(&name)?;
        Some((name.into_owned(), String::from_utf8_lossy(&file.data).into_owned()))
    };
    Shipped::iter().filter_map(text).collect()
}

/// The shipped files, then the operator's own.
pub(crate) fn files(data: &Path) -> std::io::Result<Files> {
    let mut files = shipped_policy();
    let folder = data.join("policies");
    if folder.is_dir() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "rego") {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                files.push((format!("own/{name}"), std::fs::read_to_string(&path)?));
            }
        }
    }
    files.retain(|(name, _)| !name.ends_with(TESTS));
    files.sort();
    Ok(files)
}

pub(crate) fn compile(files: &Files) -> Result<Policy, PolicyError> {
    Policy::compile(files)
}
