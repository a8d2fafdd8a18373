//! The data folder of this machine: whose it is, its credential, its policy. What else can be wrong, `server` examines.

use rustix::{
    fs::{Access, access},
    io::Errno,
};
use server::{Examined, Health};
use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

const OWNER: u32 = 0o700;
const OTHERS: u32 = 0o077;
const POLICIES: &str = "policies";

pub(super) fn look(data: &Path, lines: &mut Vec<Examined>) {
    let name = format!("`{}`", data.display());
    match fs::metadata(data) {
        Ok(metadata) if !metadata.is_dir() => {
            let fix = "move the file away, or name a folder with `BAILIWICK_DATA`";
            return lines.push(Examined::wrong("data folder", Health::Ill, format!("{name} is not a folder"), fix));
        }
        Ok(metadata) if metadata.mode() & OWNER != OWNER || access(data, Access::WRITE_OK) == Err(Errno::ROFS) => {
            lines.push(Examined::wrong(
                "data folder",
                Health::Ill,
                format!("nothing can be written into {name}: no server starts there"),
                format!("run `chmod 700 {}`; its disk has to be mounted so that it can be written", data.display()),
            ));
        }
        Ok(metadata) if metadata.mode() & OTHERS == 0 => {
            lines.push(Examined::well("data folder", format!("{name}, for its owner alone")));
        }
        Ok(_) => lines.push(Examined::wrong(
            "data folder",
            Health::Doubtful,
            format!("{name} can be entered by others"),
            format!("run `chmod 700 {}`", data.display()),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fix = "`bailiwick up` makes it";
            return lines.push(Examined::wrong("data folder", Health::Doubtful, format!("{name} is not there"), fix));
        }
        Err(_) => return lines.push(closed(&name)),
    }
    if fs::read_dir(data).is_err() {
        return lines.push(closed(&name));
    }
    lines.push(key(data, "local credential", identity::CREDENTIAL_FILE));
    if data.join(POLICIES).exists() {
        lines.push(policy(data));
    }
}

fn closed(name: &str) -> Examined {
    let what = format!("{name} cannot be entered");
    let fix = "run this as the user that runs the server, or name another folder with `BAILIWICK_DATA`";
    Examined::wrong("data folder", Health::Ill, what, fix)
}

fn key(data: &Path, check: &'static str, file: &str) -> Examined {
    let path = data.join(file);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.mode() & OTHERS == 0 => Examined::well(check, "a file that its owner alone can read"),
        Ok(_) => Examined::wrong(
            check,
            Health::Ill,
            "others can read it",
            format!("run `chmod 600 {}`, and think about who may have", path.display()),
        ),
        Err(_) => Examined::wrong(check, Health::Doubtful, "there is none", "`bailiwick up` makes it"),
    }
}

/// The operator's own policy, as a server reads it: one that is not read whole, or does not compile, keeps it from starting.
fn policy(data: &Path) -> Examined {
    let files = match server::policy_files(data) {
        Ok(files) => files,
        Err(error) => {
            let fix = "let the server's user read it, as text (UTF-8): a server does not start without it";
            return Examined::wrong("policy", Health::Ill, error.to_string(), fix);
        }
    };
    match authority::Policy::compile(&files) {
        Ok(_) => Examined::well("policy", "it compiles"),
        Err(error) => {
            let fix = "mend the file that is named: a server does not start with it";
            Examined::wrong("policy", Health::Ill, error.to_string(), fix)
        }
    }
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
        assert!(matches!(lines[0].health, Health::Doubtful), "{lines:?}");
        assert!(matches!(lines[1].health, Health::Ill), "{lines:?}");
    }

    #[test]
    fn a_folder_that_its_owner_cannot_write_fails() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
        let mut lines = Vec::new();
        look(folder.path(), &mut lines);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(lines[0].health, Health::Ill), "{lines:?}");
        assert!(lines[0].fix.contains("chmod 700"), "{lines:?}");
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
            (matches!(line.health, Health::Well), line.what)
        };
        assert!(state("policy").0);
        fs::write(folder.path().join("policies/own.rego"), "package bailiwick\ndeny {").unwrap();
        let (fine, what) = state("policy");
        assert!(!fine && what.contains("own.rego"), "{what}");
        fs::write(folder.path().join("policies/own.rego"), b"package bailiwick # \xff").unwrap();
        let (fine, what) = state("policy");
        assert!(!fine && what.contains("own.rego"), "{what}");
        let file = folder.path().join("policies/own.rego");
        let mut lines = Vec::new();
        look(&file, &mut lines);
        assert!(matches!(lines[..], [Examined { health: Health::Ill, .. }]), "{lines:?}");
    }
}
