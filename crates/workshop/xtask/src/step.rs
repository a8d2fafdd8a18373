//! One step of a run: a name, a command or a check, its time, and its output only when it fails.
//! A step that fails does not stop the ones after it, so that one run tells everything.

use crate::screen;
use anyhow::{Context, Result};
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Cargo sets these for xtask; build scripts of the cargo that xtask starts would take them for their own, and rebuild.
const INHERITED: &[&str] = &[
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_AUTHORS",
    "CARGO_PKG_DESCRIPTION",
    "CARGO_PKG_HOMEPAGE",
    "CARGO_PKG_LICENSE",
    "CARGO_PKG_LICENSE_FILE",
    "CARGO_PKG_NAME",
    "CARGO_PKG_README",
    "CARGO_PKG_REPOSITORY",
    "CARGO_PKG_RUST_VERSION",
    "CARGO_PKG_VERSION",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// How often to look whether a command that is silent has ended.
const LOOK: Duration = Duration::from_millis(100);

/// After a command has ended: how long output may still come from a child that it left behind.
const LEFTOVER: Duration = Duration::from_secs(1);

/// How a step ended, with what it has to say.
pub(crate) enum Verdict {
    Passed,
    Failed(Vec<String>),
}

/// Whether a step prints while it runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    AtTheEnd,
    AsItGoes,
}

/// The steps of one run, and which of them failed.
#[derive(Default)]
pub(crate) struct Steps {
    failed: Vec<String>,
}

impl Steps {
    pub(crate) fn run(&mut self, name: &str, talk: Talk, act: impl FnOnce() -> Result<Verdict>) {
        match talk {
            Talk::AtTheEnd => screen::begin(format_args!("{name:<12} ")),
            Talk::AsItGoes => screen::say(format_args!("{name:<12} …")),
        }
        let begun = Instant::now();
        let verdict = act();
        let seconds = begun.elapsed().as_secs_f64();
        if talk == Talk::AsItGoes {
            screen::begin(format_args!("{name:<12} "));
        }
        match verdict {
            Ok(Verdict::Passed) => screen::say(format_args!("ok      {seconds:7.1} s")),
            Ok(Verdict::Failed(lines)) => {
                screen::say(format_args!("FAILED  {seconds:7.1} s"));
                lines.iter().for_each(screen::say);
                self.failed.push(name.to_owned());
            }
            Err(error) => {
                screen::say(format_args!("FAILED  {seconds:7.1} s\n{error:#}"));
                self.failed.push(name.to_owned());
            }
        }
    }

    pub(crate) fn failed(&self) -> &[String] {
        &self.failed
    }
}

/// Cargo in the work tree, as if a person had called it.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(arguments).env("CARGO_TERM_COLOR", "never");
    for name in INHERITED {
        command.env_remove(name);
    }
    command
}

/// Runs a command; its output is the step's, should it fail.
pub(crate) fn quiet(command: &mut Command) -> Result<Verdict> {
    let mut lines = vec![format!("$ {}", shown(command))];
    let status = follow(command, |line| lines.push(line.to_owned()))?;
    Ok(if status.success() { Verdict::Passed } else { Verdict::Failed(lines) })
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs a command and hands on each line of both its outputs as it comes.
///
/// A child that the command leaves behind may keep the pipe open for ever: what counts is the command's own end.
pub(crate) fn follow(command: &mut Command, mut each: impl FnMut(&str)) -> Result<ExitStatus> {
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("starting `{}`", shown(command)))?;
    // The command holds the pipe's other end too: without this the reader would never see its end.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    let mut ended: Option<Instant> = None;
    loop {
        match lines.recv_timeout(LOOK) {
            Ok(line) => each(&line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if ended.is_some_and(|at| at.elapsed() > LEFTOVER) => {
                break;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if ended.is_none() && child.try_wait()?.is_some() {
            ended = Some(Instant::now());
        }
    }
    Ok(child.wait()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_outputs_come_in_order_and_the_status_is_the_commands() {
        let mut seen = Vec::new();
        let status = follow(&mut shell("echo one; echo two >&2; printf 'thr\\377ee'; exit 3"), |line| {
            seen.push(line.to_owned())
        })
        .unwrap();
        assert_eq!(seen, ["one", "two", "thr\u{fffd}ee"]);
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn a_child_left_behind_does_not_hold_the_run_up() {
        let begun = Instant::now();
        let mut pid = String::new();
        assert!(follow(&mut shell("sleep 60 & echo $!"), |line| pid.push_str(line)).unwrap().success());
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
    }

    #[test]
    fn a_failed_step_is_remembered_and_the_next_one_runs() {
        let mut steps = Steps::default();
        steps.run("broken", Talk::AtTheEnd, || quiet(&mut shell("echo why; exit 1")));
        steps.run("absent", Talk::AtTheEnd, || quiet(&mut Command::new("no-such-command-anywhere")));
        steps.run("whole", Talk::AtTheEnd, || quiet(&mut shell("true")));
        assert_eq!(steps.failed(), ["broken", "absent"]);
    }

    #[test]
    fn a_quiet_failure_shows_the_command_and_its_output() {
        match quiet(&mut shell("echo why; exit 1")).unwrap() {
            Verdict::Failed(lines) => assert_eq!(lines, ["$ sh -c echo why; exit 1", "why"]),
            Verdict::Passed => panic!("passed"),
        }
    }
}
