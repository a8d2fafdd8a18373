//! Which files differ between two releases: their names and how long they are, never what is in them.

use super::sql;
use crate::{Catalog, Error, RequestView, Unpacked};
use model::ReleaseNumber;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::params;

/// One file of a release, as its row keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    digest: String,
    bytes: usize,
    /// Of text; other files have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lines: Option<usize>,
}

type Files = BTreeMap<String, Kept>;

/// How long a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    pub bytes: usize,
    /// Of text; other files have none.
    pub lines: Option<usize>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileChange {
    Added(Length),
    Removed(Length),
    Changed { before: Length, now: Length },
}

impl Kept {
    const fn length(&self) -> Length {
        Length { bytes: self.bytes, lines: self.lines }
    }
}

/// For the row of a release.
pub(crate) fn listed(unpacked: &Unpacked) -> Result<String, Error> {
    let kept = |bytes: &[u8]| Kept {
        digest: seal::Digest::of(bytes).to_string(),
        bytes: bytes.len(),
        lines: std::str::from_utf8(bytes).ok().map(|text| text.lines().count()),
    };
    let files: Files = unpacked.files().map(|(path, bytes)| (path.to_owned(), kept(bytes))).collect();
    serde_json::to_string(&files).map_err(|_| Error::Manifest)
}

fn compare(before: &Files, now: &Files) -> BTreeMap<String, FileChange> {
    let gone = before.iter().filter(|(path, _)| !now.contains_key(*path));
    let gone = gone.map(|(path, file)| (path.clone(), FileChange::Removed(file.length())));
    let other = now.iter().filter_map(|(path, file)| match before.get(path) {
        None => Some((path.clone(), FileChange::Added(file.length()))),
        Some(old) if old.digest == file.digest => None,
        Some(old) => Some((path.clone(), FileChange::Changed { before: old.length(), now: file.length() })),
    });
    gone.chain(other).collect()
}

impl Catalog {
    /// What became of the files since the release that a request is compared with, by path: of a first release every one
    /// is added. Nothing for a release whose row does not list them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn changed_files(&self, request: &RequestView) -> Result<BTreeMap<String, FileChange>, Error> {
        let (now, before) = (request.release, request.compared_with.unwrap_or(request.release));
        let rows = self.store.read(sql::FILES, params![&self.tenant, &request.app_id, now.0, before.0]).await?;
        let mut known = BTreeMap::new();
        for row in rows {
            let Some(files) = row.opt_text(1)? else { return Ok(BTreeMap::new()) };
            let files: Files = serde_json::from_str(files).map_err(|_| Error::Manifest)?;
            known.insert(ReleaseNumber(u32::try_from(row.int(0)?).unwrap_or_default()), files);
        }
        let nothing = Files::new();
        let old = request.compared_with.and_then(|before| known.get(&before)).unwrap_or(&nothing);
        Ok(known.get(&now).map(|now| compare(old, now)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, &'static str)]) -> Files {
        let all = all.iter().map(|(path, text)| ((*path).to_owned(), (*text).into()));
        serde_json::from_str(&listed(&Unpacked::of(all).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn what_is_the_same_is_not_named() {
        let before = files(&[("app.js", "a\nb\n"), ("old.js", "x"), ("same.css", "y")]);
        let now = files(&[("app.js", "a\nb\nc"), ("new.js", ""), ("same.css", "y")]);
        let length = |bytes, lines| Length { bytes, lines: Some(lines) };
        let expected = [
            ("app.js", FileChange::Changed { before: length(4, 2), now: length(5, 3) }),
            ("new.js", FileChange::Added(length(0, 0))),
            ("old.js", FileChange::Removed(length(1, 1))),
        ];
        assert_eq!(compare(&before, &now), BTreeMap::from(expected.map(|(path, one)| (path.to_owned(), one))));
        assert!(compare(&now, &now).is_empty());
    }
}
