//! The policy in force, file by file.

use super::View;
use crate::{
    ink::Tone,
    page::{Cell, Page},
    when,
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct PolicyView {
    files: Vec<File>,
}

#[derive(Debug, Deserialize)]
struct File {
    name: String,
    text: String,
}

impl View for PolicyView {
    fn show(&self, page: &mut Page) {
        if self.files.is_empty() {
            page.line("no policy of its own: the built-in rules alone decide");
        }
        let row = |file: &File| {
            let says = file.text.lines().find_map(|line| line.strip_prefix('#')).unwrap_or_default().trim();
            let lines = i64::try_from(file.text.lines().count()).unwrap_or(i64::MAX);
            vec![Cell::new(Tone::Strong, file.name.as_str()), when::counted(lines, "line").into(), says.into()]
        };
        page.rows(self.files.iter().map(row).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn files() {
        let document =
            json!({ "files": [{ "name": "base.rego", "text": "# What holds everywhere.\npackage bailiwick\n" }] });
        insta::assert_snapshot!(shown::<PolicyView>(&document), @"  base.rego   2 lines   What holds everywhere.");
        insta::assert_snapshot!(shown::<PolicyView>(&json!({ "files": [] })), @"no policy of its own: the built-in rules alone decide");
    }
}
