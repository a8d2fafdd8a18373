//! What was made here, on this machine: the folder of a new app.

use super::View;
use crate::{
    ink::Tone,
    page::{Cell, Page},
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct MadeView {
    folder: String,
    template: String,
    team: String,
    expires: String,
    files: Vec<String>,
}

impl View for MadeView {
    fn show(&self, page: &mut Page) {
        let folder = page.paint(Tone::Strong, &self.folder);
        page.line(format!("made  {folder}  from the template `{}`", self.template));
        page.facts([
            ("team", Cell::from(self.team.as_str())),
            ("expires", self.expires.as_str().into()),
            ("files", self.files.join(", ").into()),
        ]);
        page.next(format!("cd {} && bailiwick check", self.folder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn a_folder() {
        let document = json!({ "name": "lunch", "folder": "lunch", "template": "tinypoll", "team": "people-ops", "expires": "2027-02-01",
            "files": ["AGENTS.md", "app.js", "bailiwick.toml"] });
        insta::assert_snapshot!(shown::<MadeView>(&document), @"
        made  lunch  from the template `tinypoll`
          team      people-ops
          expires   2027-02-01
          files     AGENTS.md, app.js, bailiwick.toml
        next: cd lunch && bailiwick check
        ");
    }
}
