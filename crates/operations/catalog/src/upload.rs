//! `Upload → Unpacked`: an archive (tar, zstd) from anyone, and the files in it when they are harmless.
//!
//! Refuses: traversal, links and devices, bombs, duplicates (also those that differ in case alone), names that are
//! odd on some machine, and more files or bytes than an app needs. Nothing is written to disk.

mod names;

use crate::gates::MANIFEST;
use bytes::Bytes;
use model::{Edit, Problem, ProblemKind};
use seal::Digest;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    path::Path,
};

/// What may be sent; larger than any micro-app's code and pages.
pub const UPLOAD_MAX_BYTES: usize = 32 << 20;
/// What may come out of it.
const UNPACKED_MAX_BYTES: u64 = 64 << 20;
const FILES_MAX: usize = 2_000;
/// Directories count too, so that an archive of nothing but entries ends soon.
const ENTRIES_MAX: usize = 8_000;
/// Beside names that begin with a dot.
const LEFT_OUT: [&str; 3] = ["node_modules", "Thumbs.db", "desktop.ini"];
/// Windows of 8 MiB (RFC 8878, section 3.1.1.1.2, recommends that decoders take these).
const WINDOW_LOG_MAX: u32 = 23;
const PACK_LEVEL: i32 = 3;
/// A folder at the top of an app's own that holds what `dev` answers with: never part of a release.
pub const MOCK_FOLDER: &str = "mock";

/// Bytes that someone sent.
#[derive(Debug, Clone)]
pub struct Upload(Bytes);

/// The files of an app, by path: harmless names, bounded sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    files: BTreeMap<String, Bytes>,
}

impl Upload {
    /// # Errors
    /// Larger than an app may be.
    pub fn new(bytes: Bytes) -> Result<Self, Problem> {
        if bytes.len() > UPLOAD_MAX_BYTES {
            return Err(too_large("the archive", UPLOAD_MAX_BYTES as u64));
        }
        Ok(Self(bytes))
    }

    /// # Errors
    /// Says which entry is not harmless, and why.
    pub fn unpack(self) -> Result<Unpacked, Problem> {
        let mut decoder = zstd::Decoder::new(&self.0[..]).map_err(|_| not_an_archive())?;
        decoder.window_log_max(WINDOW_LOG_MAX).map_err(|_| not_an_archive())?;
        let mut archive = tar::Archive::new(decoder.take(UNPACKED_MAX_BYTES + 1));
        let mut files = Files::default();
        for (count, entry) in archive.entries().map_err(|_| not_an_archive())?.enumerate() {
            let mut entry = entry.map_err(|_| not_an_archive())?;
            if count >= ENTRIES_MAX {
                return Err(too_many());
            }
            let name = String::from_utf8(entry.path_bytes().into_owned())
                .map_err(|_| odd("an entry", "its name is not UTF-8"))?;
            let kind = entry.header().entry_type();
            if kind.is_dir() {
                continue;
            }
            if kind.is_symlink() || kind.is_hard_link() {
                return Err(odd(&name, "links could lead out of the app's folder"));
            }
            if !kind.is_file() {
                return Err(odd(&name, "only plain files belong in an app"));
            }
            let mut bytes = Vec::new();
            let (room, size) = (files.room(), entry.size());
            if size > room {
                return Err(too_large("what the archive holds", UNPACKED_MAX_BYTES));
            }
            (&mut entry).take(room + 1).read_to_end(&mut bytes).map_err(|_| not_an_archive())?;
            // An archive that was cut gives what is left of its last file, and no error.
            if bytes.len() as u64 != size {
                return Err(not_an_archive());
            }
            files.add(name, bytes.into())?;
        }
        files.done()
    }
}

#[derive(Default)]
struct Files {
    files: BTreeMap<String, Bytes>,
    /// As a machine sees them that knows no upper case.
    folded: BTreeSet<String>,
    /// The folders that they lie in, so that no name is both.
    folders: BTreeSet<String>,
    size: u64,
}

impl Files {
    fn room(&self) -> u64 {
        UNPACKED_MAX_BYTES.saturating_sub(self.size)
    }

    fn add(&mut self, name: String, bytes: Bytes) -> Result<(), Problem> {
        let name = name.strip_prefix("./").map(str::to_owned).unwrap_or(name);
        if let Err(why) = names::check(&name) {
            return Err(odd(&name, why));
        }
        if bytes.len() as u64 > self.room() {
            return Err(too_large("what the archive holds", UNPACKED_MAX_BYTES));
        }
        self.size += bytes.len() as u64;
        let folded = name.to_lowercase();
        for (at, _) in folded.match_indices('/') {
            let folder = folded.get(..at).unwrap_or_default();
            if self.folded.contains(folder) {
                return Err(odd(&name, "a file of the app has the name of its folder"));
            }
            if !self.folders.contains(folder) {
                self.folders.insert(folder.to_owned());
            }
        }
        if self.folders.contains(&folded) {
            return Err(odd(&name, "a folder of the app has the same name"));
        }
        if !self.folded.insert(folded) {
            return Err(odd(&name, "the name is there twice (upper and lower case count as the same)"));
        }
        self.files.insert(name, bytes);
        if self.files.len() > FILES_MAX {
            return Err(too_many());
        }
        Ok(())
    }

    fn done(self) -> Result<Unpacked, Problem> {
        if self.files.is_empty() {
            return Err(empty());
        }
        Ok(Unpacked { files: self.files })
    }
}

impl Unpacked {
    /// The files of a folder, by the same rules: what `check` and `deploy` see is what the server will see.
    ///
    /// Left out: names that begin with a dot, `node_modules`, what Windows puts into folders by itself, and the folder
    /// `mock` at the top.
    ///
    /// # Errors
    /// A folder that cannot be read, or holds what an archive may not.
    pub fn from_folder(folder: &Path) -> Result<Self, Problem> {
        if folder.is_file() {
            return Err(no_folder(folder));
        }
        // What is odd about files says nothing of a folder that is not an app's at all.
        let is_app = folder.join(MANIFEST).symlink_metadata().is_ok();
        Self::walked(folder)
            .map_err(|problem| if is_app || problem.code == unreadable(folder).code { problem } else { no_app(folder) })
    }

    /// Whether a folder's file or folder of this name is no part of an app.
    pub(crate) fn is_left_out(name: &str) -> bool {
        name.starts_with('.') || LEFT_OUT.contains(&name)
    }

    fn walked(folder: &Path) -> Result<Self, Problem> {
        let mut files = Files::default();
        let walk = ignore::WalkBuilder::new(folder)
            .standard_filters(false)
            .hidden(true)
            .filter_entry(|entry| {
                let (name, folder) = (entry.file_name(), entry.file_type().is_some_and(|kind| kind.is_dir()));
                let mock = folder && entry.depth() == 1 && name == MOCK_FOLDER;
                !mock && !LEFT_OUT.iter().any(|left| name == *left)
            })
            .sort_by_file_name(Ord::cmp)
            .build();
        for entry in walk {
            let entry = entry.map_err(|_| unreadable(folder))?;
            let kind = entry.file_type();
            if kind.is_some_and(|kind| kind.is_dir()) {
                continue;
            }
            let path = entry.path();
            let inside = path.strip_prefix(folder).unwrap_or(path);
            let name = inside.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
            if inside.to_str().is_none() {
                return Err(odd(&name, "its name is not UTF-8"));
            }
            if !kind.is_some_and(|kind| kind.is_file()) {
                return Err(odd(&name, "links could lead out of the app's folder"));
            }
            let size = entry.metadata().map_err(|_| unreadable(folder))?.len();
            if size > files.room() {
                return Err(too_large("the folder", UNPACKED_MAX_BYTES));
            }
            files.add(name, std::fs::read(path).map_err(|_| unreadable(path))?.into())?;
        }
        files.done()
    }

    /// Files that are in memory, by the same rules.
    ///
    /// # Errors
    /// What an archive may not hold.
    pub fn of(files: impl IntoIterator<Item = (String, Bytes)>) -> Result<Self, Problem> {
        let mut all = Files::default();
        for (name, bytes) in files {
            all.add(name, bytes)?;
        }
        all.done()
    }

    /// The archive of these files: the same bytes wherever and whenever it is made.
    ///
    /// # Errors
    /// Only when memory cannot be written.
    pub fn pack(&self) -> Result<Bytes, Problem> {
        let pack = || -> std::io::Result<Vec<u8>> {
            let mut tar = tar::Builder::new(zstd::Encoder::new(Vec::new(), PACK_LEVEL)?);
            for (name, bytes) in &self.files {
                let mut header = tar::Header::new_gnu();
                header.set_size(bytes.len() as u64);
                header.set_mode(0o644);
                header.set_entry_type(tar::EntryType::Regular);
                tar.append_data(&mut header, name, &bytes[..])?;
            }
            let mut zstd = tar.into_inner()?;
            zstd.flush()?;
            zstd.finish()
        };
        pack().map(Bytes::from).map_err(|_| Problem::internal())
    }

    /// Over names, sizes and contents, in the order of names: dates, owners and machines do not enter.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut over = seal::DigestWriter::new();
        over.update(b"bailiwick-bundle-1\n");
        for (name, bytes) in &self.files {
            over.update(&(name.len() as u64).to_be_bytes());
            over.update(name.as_bytes());
            over.update(&(bytes.len() as u64).to_be_bytes());
            over.update(bytes);
        }
        over.finish()
    }

    /// The manifest, when there is one without problems on that day.
    #[must_use]
    pub fn manifest(&self, now: model::Timestamp) -> Option<model::Manifest> {
        let today = now.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
        Some(model::Manifest::parse(self.get("bailiwick.toml")?, today).ok()?.manifest)
    }

    /// What the manifest calls the app, as far as it can be read.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        model::Manifest::name_in(self.get("bailiwick.toml")?)
    }

    /// The same files after these edits.
    ///
    /// # Errors
    /// An edit that was made for other files.
    pub fn edited(&self, edits: &[Edit]) -> Result<Self, Problem> {
        let mut files = self.files.clone();
        // Each file once, with all its edits.
        for file in edits.iter().map(|edit| &edit.file).collect::<BTreeSet<_>>() {
            // A fix may write a file that is not there yet.
            let before = self.files.get(file).map(|bytes| &bytes[..]).unwrap_or_default();
            let after = model::edited(file, before, edits).ok_or_else(|| stale(file))?;
            files.insert(file.clone(), after.into());
        }
        Self::of(files)
    }

    /// Without what a folder holds for `dev` alone.
    #[must_use]
    pub fn released(&self) -> Self {
        let mock = format!("{MOCK_FOLDER}/");
        let files = self.files.iter().filter(|(path, _)| !path.starts_with(&mock));
        Self { files: files.map(|(path, bytes)| (path.clone(), bytes.clone())).collect() }
    }

    /// The same files with one in place of what was there, or added.
    ///
    /// # Errors
    /// What an app may not hold.
    pub fn with(&self, path: &str, bytes: Bytes) -> Result<Self, Problem> {
        let mut files = self.files.clone();
        files.insert(path.to_owned(), bytes);
        Self::of(files)
    }

    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Bytes> {
        self.files.get(path)
    }

    /// Every file, in the order of names.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes))
    }
}

fn odd(name: &str, why: &str) -> Problem {
    let shown: String = name.chars().filter(|c| !c.is_control() && !names::unseen(*c)).take(80).collect();
    Problem::new(
        ProblemKind::Unprocessable,
        "bundle.entry",
        format!("`{shown}` cannot be part of an app"),
        why,
        "remove or rename it, then deploy again",
    )
}

fn empty() -> Problem {
    Problem::new(
        ProblemKind::Unprocessable,
        "bundle.empty",
        "there is no file in the archive",
        "an app is at least a manifest, `bailiwick.toml`, and its code",
        "send it with `bailiwick deploy`, from the folder that the app is in",
    )
}

fn no_app(folder: &Path) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "bundle.no_app",
        format!("there is no app in `{}`", folder.display()),
        "the folder of an app has a `bailiwick.toml` at its top, and this one has none",
        "name the app's folder, or begin one with `bailiwick new NAME`",
    )
}

fn no_folder(file: &Path) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "bundle.no_folder",
        format!("`{}` is a file", file.display()),
        "an app is a whole folder: its manifest, its code, and what it serves",
        "name the folder that the file is in",
    )
}

fn too_many() -> Problem {
    Problem::new(
        ProblemKind::TooLarge,
        "bundle.files",
        "there are too many files",
        format!("an app may have {FILES_MAX} files"),
        "leave out what the app does not serve or import",
    )
}

fn too_large(what: &str, max: u64) -> Problem {
    Problem::new(
        ProblemKind::TooLarge,
        "bundle.size",
        format!("{what} is too large"),
        format!("it may be {} MiB", max >> 20),
        "leave out what the app does not serve or import",
    )
}

fn stale(file: &str) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "fix.stale",
        format!("`{file}` is not what it was when the fix was found"),
        "a fix is made for the very files that were checked",
        "check it again, and take the fix that is offered then",
    )
}

fn not_an_archive() -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "bundle.archive",
        "that is not a whole archive",
        "a bundle is a tar file, compressed with zstd; this one is cut, damaged, or something else",
        "send it with `bailiwick deploy`, which makes the archive",
    )
}

fn unreadable(path: &Path) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "bundle.unreadable",
        format!("`{}` cannot be read", path.display()),
        "the folder or a file in it is missing, or not yours to read",
        "check the path and its permissions",
    )
}
