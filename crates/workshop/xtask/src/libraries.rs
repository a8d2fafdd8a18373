//! Which libraries may come in: `deny.toml`'s licences, bans and sources, held against what cargo would build here.
//! Quick and offline; the whole of cargo-deny, advisories too, runs in `cargo xtask long`.
//!
//! It reads `cargo tree`, not `cargo metadata`: the latter also lists optional crates that nothing switches on.

use crate::licence;
use crate::step::{self, Verdict};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

#[derive(Deserialize)]
struct Deny {
    licenses: Licences,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    /// The crates that may stand on it all the same.
    #[serde(default)]
    wrappers: Vec<String>,
    reason: String,
}

/// One crate in the tree, by name and version.
#[derive(Default)]
struct Library {
    name: String,
    licence: String,
    outside_registry: bool,
    parents: BTreeSet<String>,
}

pub(crate) fn check(root: &Path) -> Result<Verdict> {
    let text = fs::read_to_string(root.join("deny.toml")).context("reading deny.toml")?;
    let deny: Deny = toml::from_str(&text).context("reading deny.toml")?;
    let edges = ["tree", "--workspace", "--edges", "normal,build,dev", "--prefix", "depth", "--format", "|{p}|{l}"];
    let mut command = step::cargo(root, &edges);
    let mut lines = Vec::new();
    if !step::follow(&mut command, |line| lines.push(line.to_owned()))?.success() {
        return Ok(Verdict::Failed(lines));
    }
    let complaints = judge(&deny, &tree(&lines));
    Ok(if complaints.is_empty() { Verdict::Passed } else { Verdict::Failed(complaints) })
}

/// Each line is `DEPTH|NAME vVERSION (where)|LICENCE`, under the crate that needs it.
fn tree(lines: &[String]) -> Vec<Library> {
    let mut libraries: BTreeMap<String, Library> = BTreeMap::new();
    let mut above: Vec<String> = Vec::new();
    for line in lines {
        let mut parts = line.splitn(3, '|');
        let (Some(depth), Some(package), Some(licence)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let Ok(depth) = depth.parse::<usize>() else {
            continue;
        };
        let name = package.split(' ').next().unwrap_or_default();
        above.truncate(depth);
        let library = libraries.entry(package.to_owned()).or_default();
        name.clone_into(&mut library.name);
        library.licence = licence.trim_end_matches(" (*)").to_owned();
        library.outside_registry = package.contains("://");
        library.parents.extend(above.last().cloned());
        above.push(name.to_owned());
    }
    libraries.into_values().collect()
}

fn judge(deny: &Deny, libraries: &[Library]) -> Vec<String> {
    let mut complaints = Vec::new();
    for library in libraries {
        let Library { name, licence, parents, .. } = library;
        let users = parents.iter().map(|parent| format!("`{parent}`")).collect::<Vec<_>>().join(", ");
        if library.outside_registry {
            complaints.push(complaint(
                &format!("`{name}` does not come from crates.io (used by {users})"),
                "what is not in the registry can change or go without a trace",
                "take a published version",
            ));
        }
        let exceptions = deny.licenses.exceptions.iter().filter(|exception| exception.name == *name);
        let allowed: Vec<&String> =
            deny.licenses.allow.iter().chain(exceptions.flat_map(|exception| &exception.allow)).collect();
        if !licence::met(licence, |one| allowed.iter().any(|allowed| *allowed == one)) {
            complaints.push(complaint(
                &format!("the licence of `{name}` is `{licence}` (used by {users})"),
                "the list of licences in deny.toml does not meet it",
                "use another crate, or add the licence there with the reason",
            ));
        }
        for ban in deny.bans.deny.iter().filter(|ban| ban.name == *name) {
            let wrong: Vec<String> = parents
                .iter()
                .filter(|parent| !ban.wrappers.contains(parent))
                .map(|parent| format!("`{parent}`"))
                .collect();
            if !wrong.is_empty() {
                complaints.push(complaint(
                    &format!("{} brings in `{name}`, which is banned", wrong.join(", ")),
                    &ban.reason,
                    "switch off the feature that needs it (`cargo tree -i` shows which), or use another crate",
                ));
            }
        }
    }
    complaints
}

fn complaint(what: &str, why: &str, fix: &str) -> String {
    format!("deny.toml: {what}\n    why: {why}\n    fix: {fix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(lines: &[&str]) -> Vec<String> {
        let deny: Deny = toml::from_str(
            r#"
            [licenses]
            allow = ["MIT", "Apache-2.0"]
            exceptions = [{ crate = "roots", allow = ["CDLA-Permissive-2.0"] }]
            [bans]
            deny = [{ crate = "ring", reason = "one cryptography" }, { crate = "rsa", wrappers = ["oidc"], reason = "leaks" }]
            "#,
        )
        .unwrap();
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        judge(&deny, &tree(&lines))
    }

    #[test]
    fn a_clean_tree_passes() {
        let clean = [
            "0|ours v0.1.0 (/w/ours)|Apache-2.0",
            "1|roots v1.0.0|CDLA-Permissive-2.0",
            "1|oidc v4.0.0|MIT",
            "2|rsa v0.9.0|MIT OR Apache-2.0 (*)",
            "",
        ];
        assert!(complaints(&clean).is_empty());
    }

    #[test]
    fn a_banned_crate_is_named_with_every_crate_that_brings_it() {
        let found = complaints(&[
            "0|ours v0.1.0 (/w/ours)|Apache-2.0",
            "1|a v1.0.0|MIT",
            "2|ring v0.17.0|MIT",
            "1|b v1.0.0|MIT",
            "2|ring v0.17.0|MIT (*)",
            "1|rsa v0.9.0|MIT",
        ]);
        let found: Vec<&str> = found.iter().filter_map(|text| text.lines().next()).collect();
        assert_eq!(
            found,
            [
                "deny.toml: `a`, `b` brings in `ring`, which is banned",
                "deny.toml: `ours` brings in `rsa`, which is banned"
            ]
        );
    }

    #[test]
    fn licences_and_sources_are_held() {
        let found = complaints(&[
            "0|ours v0.1.0 (/w/ours)|Apache-2.0",
            "1|copyleft v1.0.0|GPL-3.0",
            "1|other v1.0.0|CDLA-Permissive-2.0",
            "1|forked v1.0.0 (https://example.test/forked#abc)|MIT",
            "1|silent v1.0.0|",
        ]);
        let found: Vec<&str> = found.iter().filter_map(|text| text.lines().next()).collect();
        assert_eq!(
            found,
            [
                "deny.toml: the licence of `copyleft` is `GPL-3.0` (used by `ours`)",
                "deny.toml: `forked` does not come from crates.io (used by `ours`)",
                "deny.toml: the licence of `other` is `CDLA-Permissive-2.0` (used by `ours`)",
                "deny.toml: the licence of `silent` is `` (used by `ours`)",
            ]
        );
    }
}
