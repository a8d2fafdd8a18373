//! What git remembers of a folder: every version of every file that any branch or tag still reaches.
//!
//! Asks the `git` of this machine, with plumbing alone: nothing of the repository's own configuration is run (no hooks,
//! no filters, no file-system monitor), and nothing is fetched. Each content is read once, however many commits have it.

use model::{Finding, Problem, ProblemKind, Severity};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

/// Larger contents are named, not read.
const BLOB_MAX_BYTES: u64 = super::FILE_MAX_BYTES;
/// Names of objects (SHA-1 or SHA-256), in hex.
const OBJECT_LENGTHS: [usize; 2] = [40, 64];
/// Findings whose commit is looked up: each is a walk over the history.
const PLACED_MAX: usize = 200;

/// A git command that can do nothing but read.
fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.arg("-C")
        .arg(folder)
        .args(["--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"])
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    git
}

/// Searches every content that the repository around a path reaches, and says how many there were.
///
/// # Errors
/// No git on this machine, no repository there, or one that cannot be read.
pub(crate) fn search(path: &Path) -> Result<(u64, Vec<Finding>), Problem> {
    let folder =
        if path.is_file() { path.parent().filter(|parent| !parent.as_os_str().is_empty()) } else { Some(path) };
    let folder = folder.unwrap_or(Path::new("."));
    let objects = reached(folder)?;
    let mut reader = Reader::start(folder)?;
    let (mut count, mut findings, mut placed) = (0, Vec::new(), 0);
    for (object, path) in objects {
        let Some(content) = reader.content(&object)? else { continue };
        count += 1;
        let found = match &content {
            Content::Whole(bytes) => scan::scan_bytes(&path, bytes),
            Content::TooLarge => vec![too_large(&path)],
        };
        if found.is_empty() {
            continue;
        }
        placed += 1;
        let commit = if placed <= PLACED_MAX { first_commit(folder, &object) } else { None };
        findings.extend(found.into_iter().map(|finding| remembered(finding, commit.as_deref())));
    }
    reader.end();
    Ok((count, findings))
}

/// Contents by name, each with one path that it had.
fn reached(folder: &Path) -> Result<BTreeMap<String, String>, Problem> {
    let listed = git(folder).args(["rev-list", "--objects", "--all", "--end-of-options"]).output();
    let listed = listed.map_err(|_| no_git())?;
    if !listed.status.success() {
        return Err(no_repository(folder));
    }
    let mut objects = BTreeMap::new();
    for line in listed.stdout.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        // Commits stand alone on their line, files and folders with a path.
        if let Some((object, path)) = line.split_once(' ').filter(|(object, _)| is_name(object)) {
            objects.entry(object.to_owned()).or_insert_with(|| path.to_owned());
        }
    }
    Ok(objects)
}

fn is_name(object: &str) -> bool {
    OBJECT_LENGTHS.contains(&object.len()) && object.bytes().all(|c| c.is_ascii_hexdigit())
}

enum Content {
    Whole(Vec<u8>),
    TooLarge,
}

/// `git cat-file --batch`, asked one content after the other.
struct Reader {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Reader {
    fn start(folder: &Path) -> Result<Self, Problem> {
        let mut child = git(folder)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|_| no_git())?;
        let answers = child.stdout.take().map(BufReader::new).ok_or_else(no_git)?;
        Ok(Self { child, answers })
    }

    /// The content; nothing for a folder, or for what is not here.
    fn content(&mut self, object: &str) -> Result<Option<Content>, Problem> {
        let asked = self.child.stdin.as_mut().map(|input| input.write_all(format!("{object}\n").as_bytes()));
        asked.transpose().map_err(|_| broke_off())?;
        let mut head = String::new();
        self.answers.read_line(&mut head).map_err(|_| broke_off())?;
        let mut words = head.split_whitespace().skip(1);
        let (kind, size) = (words.next().unwrap_or_default(), words.next().and_then(|size| size.parse::<u64>().ok()));
        // `NAME missing` has no size.
        let Some(size) = size else { return if kind == "missing" { Ok(None) } else { Err(broke_off()) } };
        if kind == "blob" && size <= BLOB_MAX_BYTES {
            let mut bytes = Vec::new();
            (&mut self.answers).take(size).read_to_end(&mut bytes).map_err(|_| broke_off())?;
            self.skip(1)?;
            return Ok(Some(Content::Whole(bytes)));
        }
        self.skip(size + 1)?;
        Ok((kind == "blob").then_some(Content::TooLarge))
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Problem> {
        let skipped = std::io::copy(&mut (&mut self.answers).take(bytes), &mut std::io::sink());
        if skipped.is_ok_and(|skipped| skipped == bytes) { Ok(()) } else { Err(broke_off()) }
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // After `end` there is nothing left to stop.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The commit that brought a content in: short name and day.
fn first_commit(folder: &Path, object: &str) -> Option<String> {
    let format = "--format=%h of %cs";
    let asked = git(folder)
        .args(["log", "--all", "--reverse", "--no-ext-diff", "--no-textconv", "--no-patch", format])
        .arg(format!("--find-object={object}"))
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&asked.stdout).into_owned();
    text.lines().next().map(str::to_owned)
}

/// A finding in what is remembered: the line is of that version, and taking it out of the file is not enough.
fn remembered(finding: Finding, commit: Option<&str>) -> Finding {
    let at = commit.map(|commit| format!(", in commit {commit}")).unwrap_or_default();
    let fix = if finding.severity == Severity::Block {
        "make it useless where it came from: whoever has the repository has it; then ask an operator to store the new one, with `bailiwick secret put`"
            .to_owned()
    } else {
        finding.fix
    };
    Finding { what: format!("{}{at}", finding.what), fix, edits: Vec::new(), ..finding }
}

fn too_large(path: &str) -> Finding {
    super::too_large(path.to_owned())
}

fn no_git() -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "scan.no_git",
        "there is no `git` on this machine",
        "what a repository remembers is read with it",
        "install `git`, or search the files as they are, without `--history`",
    )
}

fn no_repository(folder: &Path) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "scan.no_history",
        format!("`{}` has no history that can be read", folder.display()),
        "it is no folder of a git repository, or the repository belongs to somebody else",
        "go to the repository, or search the files as they are, without `--history`",
    )
}

fn broke_off() -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "scan.history_broken",
        "the history could not be read to its end",
        "`git` broke off: the repository is damaged, or was changed meanwhile",
        "run `git fsck`, then try again",
    )
}
