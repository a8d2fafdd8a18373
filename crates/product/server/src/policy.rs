//! The policy bundle: shipped files, and those of the data folder's `policies` beside them.
//!
//! Files that end in `_test.rego` hold the tests of a bundle: they are no part of what decides. A file that cannot be read
//! is refused, not left out: less would be forbidden than was written.

use authority::{Policy, PolicyError};
use rust_embed::Embed;
use std::{io, path::Path};

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
///
/// # Errors
/// When one of the operator's own cannot be read, or is not text; it is named.
pub fn policy_files(data: &Path) -> io::Result<Vec<(String, String)>> {
    let mut files = shipped_policy();
    let folder = data.join("policies");
    if folder.is_dir() {
        let named = |name: &str, error: &io::Error| io::Error::new(error.kind(), format!("`{name}`: {error}"));
        for entry in std::fs::read_dir(&folder).map_err(|error| named("policies", &error))? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "rego") {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let text = std::fs::read_to_string(&path);
                let text = text.map_err(|error| named(&format!("policies/{name}"), &error))?;
                files.push((format!("own/{name}"), text));
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
