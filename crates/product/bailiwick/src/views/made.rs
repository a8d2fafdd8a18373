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
    #[serde(default)]
    team_is: String,
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
        if self.team_is == "sample" {
            page.blank();
            page.line(format!(
                "`{}` is the team of the samples. An app belongs to a group of whoever deploys it: write yours as `team`",
                self.team
            ));
            page.line(
                "in `bailiwick.toml`, or make it with `--team GROUP`. `bailiwick people groups` lists those there are.",
            );
        }
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
        let mut guessed = document;
        guessed["team_is"] = json!("sample");
        insta::assert_snapshot!(shown::<MadeView>(&guessed), @r"
        made  lunch  from the template `tinypoll`
          team      people-ops
          expires   2027-02-01
          files     AGENTS.md, app.js, bailiwick.toml

        `people-ops` is the team of the samples. An app belongs to a group of whoever deploys it: write yours as `team`
        in `bailiwick.toml`, or make it with `--team GROUP`. `bailiwick people groups` lists those there are.
        next: cd lunch && bailiwick check
        ");
    }
}
