//! What `deploy/` holds, as the programs that read it understand it. Where one of them is missing, it is said that nobody
//! looked.

use crate::{machine, screen, step};
use std::{fs, process::Command};

const UNIT: &str = include_str!("../../../../deploy/bailiwick.service");
/// Need not be installed where the unit is looked at.
const PROGRAM: &str = "/usr/local/bin/bailiwick";

/// What systemd says of a unit. It goes on without a line that it does not understand, and calls that a success.
fn said_of(unit: &str) -> Option<Vec<String>> {
    let Some(analyze) = machine::find(&["systemd-analyze"]) else {
        screen::say("there is no systemd here: nobody looked at deploy/bailiwick.service");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bailiwick.service");
    fs::write(&file, unit.replace(PROGRAM, "/bin/sh")).unwrap();
    let mut lines = Vec::new();
    let mut command = Command::new(analyze);
    command.arg("verify").arg(&file);
    let status = step::follow(&mut command, |line| lines.push(line.to_owned())).unwrap();
    // Others that it needs are the machine's.
    lines.retain(|line| line.contains("bailiwick"));
    assert!(status.success() || !lines.is_empty(), "it could not look: {status}");
    Some(lines)
}

#[test]
fn systemd_understands_every_line_of_the_unit() {
    let Some(lines) = said_of(UNIT) else { return };
    assert!(lines.is_empty(), "{lines:#?}");
    let misspelled = UNIT.replace("NoNewPrivileges=", "NoNewPrivilege=");
    assert!(said_of(&misspelled).is_some_and(|lines| !lines.is_empty()), "a mistake is seen");
}
