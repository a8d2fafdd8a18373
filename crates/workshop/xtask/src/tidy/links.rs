//! Links in Markdown that point into the work tree point at something. Code blocks and the web are not looked at.

use super::{Complaint, File, Weight};
use anyhow::Result;
use std::path::Path;

pub(super) fn check(root: &Path, files: &[File], complaints: &mut Vec<Complaint>) -> Result<()> {
    for file in files.iter().filter(|file| file.has_extension("md")) {
        let folder = root.join(&file.path).parent().map(Path::to_owned).unwrap_or_default();
        for (line, target) in links(file) {
            let path = target.split(['#', '?']).next().unwrap_or_default();
            let found = match path.strip_prefix('/') {
                Some(from_root) => root.join(from_root).exists(),
                None => folder.join(path).exists(),
            };
            if !found {
                complaints.push(Complaint {
                    file: file.path.clone(),
                    line,
                    what: format!("the link to `{target}` leads nowhere"),
                    why: "a reader who follows it is lost, and the page is older than the tree",
                    fix: "point it at the file's place of today, or take the link away".to_owned(),
                    weight: Weight::Error,
                });
            }
        }
    }
    Ok(())
}

/// Targets inside the tree, with their lines: `[text](target "title")` and `[name]: target`.
fn links(file: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_block = false;
    for (line, text) in file.lines() {
        if text.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        if in_block {
            continue;
        }
        // Every second part stands between backticks.
        let prose: String = text.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let inline = prose.split("](").skip(1).filter_map(|after| after.split_once(')').map(|(target, _)| target));
        let reference = prose.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target);
        for target in inline.chain(reference) {
            let target = target.split_whitespace().next().unwrap_or_default().trim_matches(['<', '>']);
            if !(target.is_empty() || target.starts_with('#') || target.contains(':')) {
                found.push((line, target.to_owned()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::said_of;

    #[test]
    fn links_into_the_tree_are_followed_from_where_they_stand() {
        let page =
            "see [a](a.md), [up](../README.md#top), [root](/docs/a.md \"A\") and [`lost`](b.md)\n\n[ref]: gone.md\n";
        let said = said_of(&[("docs/page.md", page), ("docs/a.md", "x"), ("README.md", "# Top")]);
        assert_eq!(
            said,
            ["docs/page.md:1: the link to `b.md` leads nowhere", "docs/page.md:3: the link to `gone.md` leads nowhere"]
        );
    }

    #[test]
    fn the_web_anchors_and_code_are_let_be() {
        let page = "[w](https://example.test/x) [m](mailto:a@example.test) [h](#here) `[c](gone.md)`\n```md\n[c](gone.md)\n```\n";
        assert!(said_of(&[("docs/page.md", page)]).is_empty());
    }
}
