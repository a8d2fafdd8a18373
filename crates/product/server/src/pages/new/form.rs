//! What a form with files sends (RFC 7578): fields, and the files of one folder by their paths in it.
//!
//! Refuses more fields than any page has, and leaves out what no app is made of, as `deploy` does.

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use futures_util::stream;
use model::{Problem, ProblemKind};
use std::convert::Infallible;

/// As many as an archive may have, and a few fields.
const PARTS_MAX: usize = 2_100;

/// A form, whole.
#[derive(Debug, Default)]
pub(super) struct Sent {
    fields: Vec<(String, String)>,
    files: Vec<(String, Bytes)>,
}

impl Sent {
    pub(super) async fn read(headers: &HeaderMap, body: &Bytes) -> Result<Self, Problem> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let Ok(boundary) = multer::parse_boundary(kind) else {
            let fields = url::form_urlencoded::parse(body).into_owned().collect();
            return Ok(Self { fields, files: vec![] });
        };
        let whole = stream::iter([Ok::<Bytes, Infallible>(body.clone())]);
        let mut parts = multer::Multipart::new(whole, boundary);
        let mut sent = Self::default();
        while let Some(part) = parts.next_field().await.map_err(|_| unreadable())? {
            if sent.fields.len() + sent.files.len() >= PARTS_MAX {
                return Err(unreadable());
            }
            let name = part.name().unwrap_or_default().to_owned();
            match part.file_name().map(str::to_owned) {
                Some(path) => {
                    let bytes = part.bytes().await.map_err(|_| unreadable())?;
                    // A file field that nobody filled in has neither name nor content.
                    if !path.is_empty() {
                        sent.files.push((path, bytes));
                    }
                }
                None => sent.fields.push((name, part.text().await.map_err(|_| unreadable())?)),
            }
        }
        Ok(sent)
    }

    pub(super) fn field(&self, name: &str) -> String {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// From a template, whose manifest nobody has seen yet.
    pub(super) fn is_made_here(&self) -> bool {
        matches!(self.field("way").as_str(), "template" | "paste")
    }

    pub(super) fn files(&self) -> &[(String, Bytes)] {
        &self.files
    }

    /// The files by their paths inside the folder that holds the manifest; without names that begin with a dot, and
    /// `node_modules`.
    pub(super) fn folder(&self) -> Vec<(String, Bytes)> {
        let path = |path: &str| path.replace('\\', "/");
        let manifests = self.files.iter().map(|(name, _)| path(name));
        let above =
            manifests.filter(|name| name == super::MANIFEST || name.ends_with(&format!("/{}", super::MANIFEST)));
        let root = above
            .min_by_key(|name| name.matches('/').count())
            .map(|name| name.trim_end_matches(super::MANIFEST).to_owned());
        let root = root.unwrap_or_default();
        let kept = self
            .files
            .iter()
            .filter_map(|(name, bytes)| Some((path(name).strip_prefix(&root)?.to_owned(), bytes.clone())));
        kept.filter(|(name, _)| !name.split('/').any(|part| part.starts_with('.') || part == "node_modules")).collect()
    }
}

fn unreadable() -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "form.unreadable",
        "the form did not come whole",
        "it broke off, or it is not what this page sends",
        "go back and send it again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_folder_is_the_one_that_holds_the_manifest() {
        let file = |name: &str| (name.to_owned(), Bytes::from_static(b"x"));
        let sent = Sent {
            fields: vec![],
            files: vec![
                file("lunch/bailiwick.toml"),
                file("lunch/public/style.css"),
                file("lunch/.git/config"),
                file("lunch/node_modules/x/index.js"),
                file("other.txt"),
            ],
        };
        let names: Vec<String> = sent.folder().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["bailiwick.toml", "public/style.css"]);
    }
}
