//! The data folder of this machine: whose it is, its keys, its configuration, its policy, and the room that is left.

use super::{Line, State};
use server::{Config, Overrides, place};
use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

const OTHERS: u32 = 0o077;
const ROOT_KEY_FILE: &str = "root.key";
const POLICIES: &str = "policies";
const MIB: u64 = 1 << 20;
/// Below it nothing is written any more.
const RESERVE_MIB: u64 = 16;
/// A day's work of a busy server fits; less should be looked at.
const ROOM_MIB: u64 = 512;

pub(super) fn look(data: &Path, lines: &mut Vec<Line>) {
    let name = format!("`{}`", data.display());
    match fs::metadata(data) {
        Ok(metadata) if !metadata.is_dir() => {
            let fix = "move the file away, or name a folder with `BAILIWICK_DATA`";
            return lines.push(Line::bad("data folder", State::Fail, format!("{name} is not a folder"), fix));
        }
        Ok(metadata) if metadata.mode() & OTHERS == 0 => {
            lines.push(Line::ok("data folder", format!("{name}, for its owner alone")));
        }
        Ok(_) => lines.push(Line::bad(
            "data folder",
            State::Warn,
            format!("{name} can be entered by others"),
            format!("run `chmod 700 {}`", data.display()),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fix = "`bailiwick up` makes it";
            return lines.push(Line::bad("data folder", State::Warn, format!("{name} is not there"), fix));
        }
        Err(_) => return lines.push(closed(&name)),
    }
    if fs::read_dir(data).is_err() {
        return lines.push(closed(&name));
    }
    lines.push(key(data, "local credential", identity::CREDENTIAL_FILE));
    if data.join(ROOT_KEY_FILE).exists() {
        lines.push(key(data, "root key", ROOT_KEY_FILE));
    }
    lines.push(configuration(data));
    lines.extend(policy(&data.join(POLICIES)));
    lines.extend(room(data));
}

fn closed(name: &str) -> Line {
    let what = format!("{name} cannot be entered");
    let fix = "run this as the user that runs the server, or name another folder with `BAILIWICK_DATA`";
    Line::bad("data folder", State::Fail, what, fix)
}

fn key(data: &Path, check: &'static str, file: &str) -> Line {
    let path = data.join(file);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.mode() & OTHERS == 0 => Line::ok(check, "a file that its owner alone can read"),
        Ok(_) => Line::bad(
            check,
            State::Fail,
            "others can read it",
            format!("run `chmod 600 {}`, and think about who may have", path.display()),
        ),
        Err(_) => Line::bad(check, State::Warn, "there is none", "`bailiwick up` makes it"),
    }
}

/// As the next start would read it.
fn configuration(data: &Path) -> Line {
    let file = data.join(place::CONFIG);
    match Config::read(&file, &Overrides::default()) {
        Ok(_) if file.exists() => Line::ok("configuration", format!("`{}` has no mistakes", file.display())),
        Ok(_) => Line::ok("configuration", "none: everything is as it comes"),
        Err(problems) => {
            let all: Vec<String> = problems.iter().map(|problem| problem.what.clone()).collect();
            let fixes: Vec<String> = problems.into_iter().map(|problem| problem.fix).collect();
            Line::bad("configuration", State::Fail, all.join("; "), fixes.join("; "))
        }
    }
}

/// The operator's own policy: a server whose bundle does not compile does not start.
fn policy(folder: &Path) -> Option<Line> {
    let entries = fs::read_dir(folder).ok()?;
    let paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let own = paths.iter().filter(|path| path.extension().is_some_and(|ending| ending == "rego"));
    let own = own.filter_map(|path| Some((path.display().to_string(), fs::read_to_string(path).ok()?)));
    let mut files = server::shipped_policy();
    files.extend(own);
    files.retain(|(name, _)| !name.ends_with("_test.rego"));
    Some(match authority::Policy::compile(&files) {
        Ok(_) => Line::ok("policy", "it compiles"),
        Err(error) => {
            let fix = "mend the file that is named: a server does not start with it";
            Line::bad("policy", State::Fail, error.to_string(), fix)
        }
    })
}

/// Room on the disk of the data folder.
fn room(data: &Path) -> Option<Line> {
    let about = rustix::fs::statvfs(data).ok()?;
    let free = about.f_bavail.saturating_mul(about.f_frsize) / MIB;
    Some(match free {
        0..RESERVE_MIB => Line::bad(
            "room",
            State::Fail,
            format!(
                "{free} MiB are free, and below {RESERVE_MIB} nothing is written: changes are refused, cutting works"
            ),
            "make room on that disk",
        ),
        RESERVE_MIB..ROOM_MIB => {
            Line::bad("room", State::Warn, format!("{free} MiB are free"), "make room on that disk before it is full")
        }
        _ => Line::ok("room", format!("{} GiB are free", free / 1024).replace("0 GiB", "less than one GiB")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_that_others_can_read_fails() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o750)).unwrap();
        let path = folder.path().join(identity::CREDENTIAL_FILE);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let mut lines = Vec::new();
        look(folder.path(), &mut lines);
        assert!(matches!(lines[0].state, State::Warn), "{lines:?}");
        assert!(matches!(lines[1].state, State::Fail), "{lines:?}");
    }

    #[test]
    fn mistakes_that_keep_a_server_from_starting_are_seen_before() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::create_dir(folder.path().join(POLICIES)).unwrap();
        let state = |check: &str| {
            let mut lines = Vec::new();
            look(folder.path(), &mut lines);
            let line = lines.into_iter().find(|line| line.check == check).unwrap();
            (matches!(line.state, State::Ok), line.what)
        };
        assert!(state("configuration").0 && state("policy").0);
        fs::write(folder.path().join("config.toml"), "[server]\nlisten = 5\nport = 1\n").unwrap();
        fs::write(folder.path().join("policies/own.rego"), "package bailiwick\ndeny {").unwrap();
        let (fine, what) = state("configuration");
        assert!(!fine && what.contains("`server.port`") && what.contains("`server.listen`"), "{what}");
        let (fine, what) = state("policy");
        assert!(!fine && what.contains("own.rego"), "{what}");
        let file = folder.path().join("config.toml");
        let mut lines = Vec::new();
        look(&file, &mut lines);
        assert!(matches!(lines[..], [Line { state: State::Fail, .. }]), "{lines:?}");
    }
}
