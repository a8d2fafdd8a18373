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
    file: String,
    bytes: u64,
    configuration: Option<String>,
    #[serde(default)]
    deleted: Vec<String>,
}

impl View for CreatedView {
    fn show(&self, page: &mut Page) {
        let file = page.paint(Tone::Strong, &self.file);
        page.line(format!("made  {file}  {} KiB", self.bytes.div_ceil(1024)));
        let configuration = self.configuration.as_deref().unwrap_or("none on this machine");
        page.facts([
            ("configuration", Cell::from(configuration)),
            ("root key", "not in it: keep its own copy".into()),
            ("deleted", if self.deleted.is_empty() { "none".into() } else { self.deleted.join(", ").into() }),
        ]);
        page.next(format!("bailiwick backup drill {} --key FILE --root-key FILE", self.file));
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
    #[serde(default)]
    drill: bool,
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
            page.next(format!("bailiwick up --data {data}"));
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
          configuration   none on this machine
          root key        not in it: keep its own copy
          deleted         none
        next: bailiwick backup drill b/bailiwick-1.backup --key FILE --root-key FILE
        ");
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
