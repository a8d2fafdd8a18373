//! Whether the record is what it claims to be.

use super::View;
use crate::{
    ink::Tone,
    page::{Cell, Page},
    when,
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct VerdictView {
    ok: bool,
    size: i64,
    root: Option<String>,
    first_bad: Option<u64>,
    #[serde(default)]
    what: String,
    checked: String,
    key: Option<String>,
    log: Option<String>,
    /// Where an export was written, when that is what was asked.
    file: Option<String>,
    bytes: Option<u64>,
}

impl View for VerdictView {
    fn show(&self, page: &mut Page) {
        if let Some(file) = &self.file {
            let file = page.paint(Tone::Strong, file);
            let size = self.bytes.map(|bytes| format!("  {} KiB", bytes.div_ceil(1024))).unwrap_or_default();
            page.line(format!("written  {file}{size}"));
        }
        let state = page.state(if self.ok { "ok" } else { "failed" });
        page.line(format!("{state}  {}", self.what));
        let key = match self.key.as_deref() {
            Some("pinned") => "the one that was given",
            Some("remembered") => "remembered: the log continues what was seen before",
            Some("unpinned") => "came with the log: compare it with one from elsewhere",
            _ => "none could be read",
        };
        let first_bad = self.first_bad.map(|index| ("first bad", Cell::new(Tone::Bad, format!("entry {index}"))));
        let facts = [
            ("checked", Some(Cell::from(if self.checked == "live" { "the running log" } else { "the file" }))),
            ("entries", Some(Cell::from(self.size.to_string()))),
            ("root", self.root.as_deref().map(Cell::from)),
            ("key", Some(Cell::from(key))),
            ("", self.log.as_deref().map(Cell::from)),
        ];
        page.facts(first_bad.into_iter().chain(facts.into_iter().filter_map(|(label, cell)| Some((label, cell?)))));
        if self.ok && self.key.as_deref() == Some("unpinned") {
            page.next("bailiwick audit verify --key KEY");
        }
    }
}

/// How far a proof goes.
pub(crate) fn proved(id: &str, index: u64, size: u64) -> String {
    format!(
        "proved: event {id} is entry {index} of {} in the signed log",
        when::counted(i64::try_from(size).unwrap_or(i64::MAX), "entry").replace("entrys", "entries")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn good() {
        let document = json!({ "ok": true, "size": 58, "root": "abc=", "first_bad": null, "checked": "live", "key": "remembered",
            "what": "all 58 entries are as the signed root says, 0 of them erased", "log": "localhost/log/main+1234+key=", "erased": 0 });
        insta::assert_snapshot!(shown::<VerdictView>(&document), @"
        ✓ ok  all 58 entries are as the signed root says, 0 of them erased
          checked   the running log
          entries   58
          root      abc=
          key       remembered: the log continues what was seen before
                    localhost/log/main+1234+key=
        ");
    }

    #[test]
    fn bad() {
        let document = json!({ "ok": false, "size": 58, "root": "abc=", "first_bad": 12, "checked": "export", "key": "unpinned",
            "what": "entry 12 was changed", "log": "localhost/log/main+1234+key=", "erased": 0 });
        insta::assert_snapshot!(shown::<VerdictView>(&document), @"
        ✕ failed  entry 12 was changed
          first bad   entry 12
          checked     the file
          entries     58
          root        abc=
          key         came with the log: compare it with one from elsewhere
                      localhost/log/main+1234+key=
        ");
    }

    #[test]
    fn exported() {
        let document = json!({ "file": "log.export", "bytes": 4000, "ok": true, "size": 58, "root": "abc=", "first_bad": null,
            "checked": "export", "key": "pinned", "what": "all as signed", "log": null, "erased": 0 });
        insta::assert_snapshot!(shown::<VerdictView>(&document), @"
        written  log.export  4 KiB
        ✓ ok  all as signed
          checked   the file
          entries   58
          root      abc=
          key       the one that was given
        ");
    }

    #[test]
    fn a_proof() {
        assert_eq!(proved("e", 0, 1), "proved: event e is entry 0 of 1 entry in the signed log");
        assert_eq!(proved("e", 3, 58), "proved: event e is entry 3 of 58 entries in the signed log");
    }
}
