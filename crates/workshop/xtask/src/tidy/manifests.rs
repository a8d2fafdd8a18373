//! Our crates as their `Cargo.toml` files describe them: on which floor, standing on what.

use super::File;
use anyhow::{Context, Result};
use std::collections::BTreeMap;

/// One of our crates.
pub(super) struct Room {
    pub(super) floor: String,
    pub(super) manifest: String,
    text: String,
    pub(super) needs: Vec<Need>,
}

pub(super) struct Need {
    pub(super) name: String,
    pub(super) section: Section,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Shipped,
    Tests,
}

impl Room {
    /// The line that names the library, in the right section where it stands in several.
    pub(super) fn line_of(&self, need: &Need) -> usize {
        let mut in_tests = false;
        let mut found = None;
        for (line, text) in (1..).zip(self.text.lines()) {
            if text.starts_with('[') {
                in_tests = text.contains("dev-dependencies");
            }
            let names = text.strip_prefix(&need.name).is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
                || text.contains(&format!("\"{}\"", need.name));
            if names && (found.is_none() || in_tests == (need.section == Section::Tests)) {
                found = Some(line);
            }
        }
        found.unwrap_or(1)
    }
}

/// `crates/<floor>/<crate>/Cargo.toml`, by the crate's name.
pub(super) fn rooms(files: &[File]) -> Result<BTreeMap<String, Room>> {
    let mut rooms = BTreeMap::new();
    for file in files {
        let parts: Vec<&str> = file.path.split('/').collect();
        let ["crates", floor, name, "Cargo.toml"] = parts.as_slice() else {
            continue;
        };
        let manifest: toml::Table = toml::from_str(&file.text).with_context(|| format!("reading {}", file.path))?;
        let room = Room {
            floor: (*floor).to_owned(),
            manifest: file.path.clone(),
            text: file.text.clone(),
            needs: needs(&manifest),
        };
        rooms.insert((*name).to_owned(), room);
    }
    Ok(rooms)
}

fn needs(manifest: &toml::Table) -> Vec<Need> {
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values);
    let tables = targets.filter_map(toml::Value::as_table).chain([manifest]);
    let mut needs = Vec::new();
    for table in tables {
        for (key, section) in [
            ("dependencies", Section::Shipped),
            ("build-dependencies", Section::Shipped),
            ("dev-dependencies", Section::Tests),
        ] {
            let names = table.get(key).and_then(toml::Value::as_table).into_iter().flatten();
            needs.extend(names.map(|(name, value)| {
                // A renamed library is still that library.
                let package = value.get("package").and_then(toml::Value::as_str).unwrap_or(name);
                Need { name: package.to_owned(), section }
            }));
        }
    }
    needs
}
