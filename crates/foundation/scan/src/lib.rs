//! Bytes in, findings out: credentials pasted into code, manifest or assets. Rules are data (`rules/secrets.toml`).
//!
//! It judges by shape, and by entropy where shape alone says little; it asks no service whether a credential lives.
//! Every file is read, pictures and compiled code too, there by the tight shapes alone.
//!
//! Out of scope, and named here so that nobody counts on it: secrets that were wrapped (base64, compression,
//! encryption), that are put together from pieces at run time, that stand in UTF-16 without a byte-order mark, and
//! passwords made of plain words. This finds accidents; what holds against intent is that a value never enters the
//! sandbox and that nothing leaves but through the broker.
//!
//! There is no waiver by comment: an exception is the catalog's, with a name and a date. A finding carries no hash of
//! the value: anyone who reads findings could try guesses against it, and passwords are guessable.
//! A finding never holds more than four characters of a value, nor more than a fifth of it.

mod asks;
mod code;
mod credentials;
mod mend;
mod report;
mod rules;
mod search;
mod text;

pub use asks::{Ask, Asked, asks};
pub use credentials::Credentials;
pub use rules::{Rule, ScanError};
pub use search::Scanner;

use model::{Finding, Severity};
use std::sync::LazyLock;

static SECRETS: LazyLock<Result<Scanner, ScanError>> =
    LazyLock::new(|| Scanner::from_toml(include_str!("../../../../rules/secrets.toml")));

/// A bundle with so many is no accident of one file; what follows is not searched, and the release is stopped all the
/// same.
const BUNDLE_FINDINGS_MAX: usize = 5 * Scanner::MAX_FINDINGS;

/// Looks through a bundle: manifest, code and assets alike. Findings come file by file, each file's from top to bottom.
///
/// Code `secret.found`, severity `Block`. One file yields at most [`Scanner::MAX_FINDINGS`] of them, and then a note,
/// `secret.more`; a bundle five times as many.
pub fn scan_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, bytes) in files {
        if found.len() >= BUNDLE_FINDINGS_MAX {
            found.push(report::unsearched(path));
            break;
        }
        found.extend(scan_bytes(path, bytes));
    }
    found
}

/// Looks through one file. `path` is only named in the findings.
#[must_use]
pub fn scan_bytes(path: &str, bytes: &[u8]) -> Vec<Finding> {
    match &*SECRETS {
        Ok(scanner) => scanner.scan(path, bytes),
        Err(_) => vec![rules_broken(path)],
    }
}

/// The credentials that stand in a file, so that what quotes it can be shown without them.
#[must_use]
pub fn credentials(source: &[u8]) -> Credentials {
    SECRETS.as_ref().map(|scanner| scanner.credentials(source)).unwrap_or_default()
}

/// The rules in force, most specific first; empty only in a build whose rules cannot be read.
#[must_use]
pub fn rules() -> &'static [Rule] {
    SECRETS.as_ref().map(Scanner::rules).unwrap_or_default()
}

/// A scanner that cannot read its rules must stop the release, not wave it through.
fn rules_broken(path: &str) -> Finding {
    Finding {
        code: "scan.broken".into(),
        severity: Severity::Block,
        file: Some(path.into()),
        line: None,
        column: None,
        what: "this file was not searched for credentials".into(),
        why: "the rules built into this program cannot be read".into(),
        fix: "tell your operator: this build of bailiwick is faulty".into(),
        edits: Vec::new(),
        waiver: None,
    }
}
