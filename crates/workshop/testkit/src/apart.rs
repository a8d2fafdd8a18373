//! A test that runs apart: in a process whose mounts, or whose network, are its own. Needs a user who may make
//! namespaces, on Linux; it is said where that cannot be had.

use crate::wires::ip;
use std::{ffi::OsStr, path::Path, process::Command};

/// Set for a process that is apart.
const APART: &str = "BAILIWICK_TEST_APART";
/// What a process says of the one test that it was started for.
const PASSED: &str = "test result: ok. 1 passed";

/// What a process has for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    Mounts,
    /// Loopback, and nothing else.
    Network,
}

impl Own {
    fn command(self, program: &OsStr) -> Command {
        let mut command = Command::new("unshare");
        match self {
            Self::Mounts => command.args(["--mount", "--propagation", "private"]),
            Self::Network => {
                // Loopback is there, and down.
                let up = "\"$0\" link set lo up && exec \"$@\"";
                command.args(["--net", "sh", "-c", up, ip().unwrap_or("ip")])
            }
        };
        command.arg(program);
        command
    }

    /// The least that a process needs which is apart in this way.
    fn is_to_be_had(self) -> bool {
        let mut command = match self {
            Self::Mounts => self.command("mount".as_ref()),
            Self::Network => self.command("true".as_ref()),
        };
        if self == Self::Mounts {
            command.args(["-t", "tmpfs", "none", "/mnt"]);
        }
        command.status().is_ok_and(|status| status.success())
    }
}

/// Runs `test` in a process that is apart, and says so; not within that.
///
/// # Panics
/// When it fails there, or is not found.
#[expect(clippy::print_stderr, reason = "whoever runs the tests is told what was not tried")]
#[must_use]
pub fn elsewhere(test: &str, own: Own) -> bool {
    #[expect(clippy::disallowed_methods, reason = "this process is told so by the one that started it")]
    let within = std::env::var(APART).is_ok();
    if within {
        return false;
    }
    if !own.is_to_be_had() {
        eprintln!("SKIPPED: {test}: this user may have no {own:?} of their own");
        return true;
    }
    let again = own
        .command(std::env::current_exe().unwrap().as_os_str())
        .args(["--exact", test, "--nocapture"])
        .env(APART, "1")
        .output()
        .unwrap();
    // Its own count of tests is not told: this one is counted here.
    let said = [&again.stdout, &again.stderr].map(|said| String::from_utf8_lossy(said).into_owned());
    assert!(again.status.success() && said[0].contains(PASSED), "{test}: {}", said.concat());
    true
}

/// A disk of its own at a folder, in a process whose mounts are its own: `size=96m`, say.
///
/// # Panics
/// When it cannot be mounted.
pub fn mount(at: &Path, options: &str) {
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(at).status().unwrap();
    assert!(mounted.success(), "{options}");
}

/// The same disk, otherwise: `ro`, say.
///
/// # Panics
/// When it cannot be mounted so.
pub fn remount(at: &Path, options: &str) {
    let done = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(at).status().unwrap();
    assert!(done.success(), "{options}");
}
