//! What this machine has: programs, accounts, rights. Reads only; changes nothing.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An account of the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout.trim_ascii() == b"0")
}

/// The account of that name, from the local list.
pub(crate) fn account(name: &str) -> Result<Option<Account>> {
    let list = fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
    Ok(account_in(&list, name))
}

fn account_in(list: &str, name: &str) -> Option<Account> {
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account { uid, gid })
    })
}

/// Where the first of these is: a path in which one folder may be `*` (the highest number wins), or a command.
pub(crate) fn find(places: &[&str]) -> Option<PathBuf> {
    places.iter().find_map(|place| match place.strip_prefix('/') {
        Some(_) => newest(Path::new(place)),
        None => command(place),
    })
}

fn newest(pattern: &Path) -> Option<PathBuf> {
    let mut parts = pattern.components();
    let before: PathBuf = parts.by_ref().take_while(|part| part.as_os_str() != "*").collect();
    let after = parts.as_path();
    if after.as_os_str().is_empty() {
        return before.exists().then_some(before);
    }
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(before)
        .ok()?
        .flatten()
        .map(|entry| (entry.file_name().to_string_lossy().parse().unwrap_or(0), entry.path().join(after)))
        .filter(|(_, path)| path.exists())
        .collect();
    found.sort();
    found.pop().map(|(_, path)| path)
}

fn command(name: &str) -> Option<PathBuf> {
    let out = Command::new("sh").args(["-c", "command -v \"$1\"", "sh", name]).stderr(Stdio::null()).output().ok()?;
    let path = PathBuf::from(String::from_utf8(out.stdout).ok()?.trim());
    path.is_absolute().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_their_whole_name() {
        let list =
            "root:x:0:0:root:/root:/bin/bash\npostgres2:x:7:7::/:/bin/sh\npostgres:x:101:104:,,,:/var:/bin/bash\n";
        assert_eq!(account_in(list, "postgres"), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(account_in(list, "post"), None);
        assert_eq!(account_in("postgres:x:many:104", "postgres"), None);
    }

    #[test]
    fn the_highest_version_wins_and_numbers_are_not_words() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["9", "15", "readme"] {
            fs::create_dir_all(folder.path().join(version).join("bin")).unwrap();
        }
        fs::write(folder.path().join("9/bin/initdb"), "").unwrap();
        fs::write(folder.path().join("15/bin/initdb"), "").unwrap();
        let pattern = folder.path().join("*/bin/initdb");
        assert_eq!(find(&[pattern.to_str().unwrap()]), Some(folder.path().join("15/bin/initdb")));
        let missing = folder.path().join("*/bin/postgres");
        assert_eq!(find(&[missing.to_str().unwrap()]), None);
    }

    #[test]
    fn commands_are_found_on_the_path_and_never_run() {
        assert!(find(&["no-such-command-anywhere", "sh"]).is_some());
        assert_eq!(find(&["no-such-command-anywhere; echo /bin/sh"]), None);
    }
}
