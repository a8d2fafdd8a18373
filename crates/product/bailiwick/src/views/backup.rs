//! Backups: the key that opens them, what was made, what came back.

use super::View;
use crate::{
    ink::Tone,
    page::{Cell, Page},
};
use model::Timestamp;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct KeyView {
    file: String,
    recipient: String,
}

impl View for KeyView {
    fn show(&self, page: &mut Page) {
        let file = page.paint(Tone::Strong, &self.file);
        page.line(format!(
            "made  {file}  keep it where the server and its backups are not; with the root key it opens them"
        ));
        page.facts([("recipient", Cell::from(self.recipient.as_str()))]);
        page.next(format!("bailiwick backup create --to DIR --recipient {}", self.recipient));
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct CreatedView {
    /// Nothing, if the configuration alone was asked for.
    file: Option<String>,
    /// Where the server put it.
    to: Option<String>,
    bytes: u64,
    configuration: Option<String>,
    #[serde(default)]
    deleted: Vec<String>,
    /// No longer to be kept, and still there.
    #[serde(default)]
    undeleted: Vec<String>,
    /// Why, as the code of a problem.
    code: Option<String>,
}

impl View for CreatedView {
    fn show(&self, page: &mut Page) {
        match &self.file {
            Some(file) => {
                let file = page.paint(Tone::Strong, file);
                page.line(format!("made  {file}  {} KiB", self.bytes.div_ceil(1024)));
            }
            None => page.line("made  the configuration's backup"),
        }
        if let Some(to) = &self.to {
            page.facts([("in", Cell::from(to.as_str()))]);
        }
        let configuration = self.configuration.as_deref().unwrap_or("none in it");
        page.facts([
            ("configuration", Cell::from(configuration)),
            ("root key", "not in it: keep its own copy".into()),
            ("deleted", if self.deleted.is_empty() { "none".into() } else { self.deleted.join(", ").into() }),
        ]);
        if let Some(code) = &self.code {
            let there =
                if self.undeleted.is_empty() { String::new() } else { format!(": {}", self.undeleted.join(", ")) };
            page.facts([("still there", Cell::from(format!("what is no longer to be kept (`{code}`){there}")))]);
        }
        if let Some(file) = &self.file {
            page.next(format!("bailiwick backup drill {file} --key FILE --root-key FILE"));
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct ListView {
    to: String,
    backups: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
struct Listed {
    name: String,
    bytes: u64,
    at: Timestamp,
}

impl View for ListView {
    fn show(&self, page: &mut Page) {
        if self.backups.is_empty() {
            page.line(format!("there is no backup in {} yet", self.to));
            page.next("bailiwick backup create");
            return;
        }
        page.line(format!("in {}, newest first:", self.to));
        for one in &self.backups {
            page.under(format!("{}  {} KiB  {}", one.name, one.bytes.div_ceil(1024), one.at));
        }
    }
}

/// What came back, when it was the configuration alone.
#[derive(Debug, Deserialize)]
pub(crate) struct ConfiguredView {
    configuration: Vec<String>,
    data: String,
}

impl View for ConfiguredView {
    fn show(&self, page: &mut Page) {
        let state = page.state("ok");
        page.line(format!("{state}  restored into {}: {}", self.data, self.configuration.join(", ")));
        page.next("bailiwick doctor");
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct RestoredView {
    made_at: Timestamp,
    version: String,
    tables: u64,
    rows: u64,
    log_size: u64,
    ms: u64,
    data: Option<String>,
    /// Of the configuration, where it was named.
    config: Option<String>,
    root_key: Option<Put>,
    #[serde(default)]
    drill: bool,
}

/// The root key's copy, and where a start will look for it.
#[derive(Debug, Deserialize)]
struct Put {
    copy: String,
    place: String,
}

impl View for RestoredView {
    fn show(&self, page: &mut Page) {
        let state = page.state("ok");
        let what = if self.drill { "the backup can be restored" } else { "restored" };
        page.line(format!("{state}  {what}"));
        let seconds = format!("{}.{} s", self.ms / 1000, self.ms % 1000 / 100);
        page.facts([
            ("made", Cell::from(format!("{} by version {}", self.made_at, self.version))),
            (
                "rows",
                format!("{} in {} tables, each with the sum that the backup promises", self.rows, self.tables).into(),
            ),
            ("record", format!("{} entries, whole and in order", self.log_size).into()),
            ("took", seconds.into()),
        ]);
        if let Some(data) = &self.data {
            let config = self.config.as_ref().map(|file| format!(" --config {file}")).unwrap_or_default();
            let put = self.root_key.as_ref().map(|Put { copy, place }| format!("install -m 0600 {copy} {place} && "));
            page.next(format!("{}bailiwick up --data {data}{config}", put.unwrap_or_default()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn what_was_made() {
        let document = json!({ "file": "b/bailiwick-1.backup", "bytes": 5000, "configuration": null, "recipient": "age1x", "deleted": [] });
        insta::assert_snapshot!(shown::<CreatedView>(&document), @"
        made  b/bailiwick-1.backup  5 KiB
          configuration   none in it
          root key        not in it: keep its own copy
          deleted         none
        next: bailiwick backup drill b/bailiwick-1.backup --key FILE --root-key FILE
        ");
    }

    #[test]
    fn what_could_not_be_deleted_is_told() {
        let document = json!({ "file": "b-2", "bytes": 5000, "configuration": null, "deleted": [], "undeleted": ["b-1"],
            "code": "depot.denied" });
        let page = shown::<CreatedView>(&document);
        assert!(page.contains("what is no longer to be kept (`depot.denied`): b-1"), "{page}");
    }

    #[test]
    fn a_key_that_was_only_lent_is_put_there_before_the_start() {
        let mut document = json!({ "made_at": "2026-11-03T11:00:00.000Z", "version": "0.1.0", "tables": 24, "rows": 1234,
            "log_size": 99, "ms": 1250, "data": "/d", "config": null,
            "root_key": { "copy": "copy.key", "place": "/d/root.key" } });
        let page = shown::<RestoredView>(&document);
        assert!(page.ends_with("next: install -m 0600 copy.key /d/root.key && bailiwick up --data /d"), "{page}");
        document["root_key"] = json!(null);
        let page = shown::<RestoredView>(&document);
        assert!(page.ends_with("next: bailiwick up --data /d"), "{page}");
    }

    #[test]
    fn what_came_back() {
        let document = json!({ "made_at": "2026-11-03T11:00:00.000Z", "version": "0.1.0", "tables": 24, "rows": 1234, "log_size": 99,
            "log_root": "x", "ms": 1250, "drill": true, "event": "e" });
        insta::assert_snapshot!(shown::<RestoredView>(&document), @"
        ✓ ok  the backup can be restored
          made     2026-11-03T11:00:00.000Z by version 0.1.0
          rows     1234 in 24 tables, each with the sum that the backup promises
          record   99 entries, whole and in order
          took     1.2 s
        ");
    }
}
