//! The tour of the README, run as it stands: every command of it, in its order, against a real `up --demo`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
const README: &str = include_str!("../../../../README.md");

/// The lines of ```console blocks that begin with `$ `.
fn commands() -> Vec<&'static str> {
    let mut inside = false;
    let mut commands = Vec::new();
    for line in README.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            line if inside => commands.push(line.strip_prefix("$ ").expect("a line of the tour is a command")),
            _ => {}
        }
    }
    commands
}

struct Demo {
    child: Child,
    data: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(BINARY)
            .args(["up", "--demo", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(data.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut demo = Self { child, data };
        let lines = BufReader::new(demo.child.stdout.take().unwrap()).lines();
        let mut said = String::new();
        for line in lines {
            let line = line.unwrap();
            said.push_str(&line);
            if line.contains("prove the record") {
                assert!(said.contains("ready  http://localhost:"), "{said}");
                return demo;
            }
        }
        panic!("the demo ended: {said}");
    }

    fn run(&self, line: &str, folder: &Path) -> Output {
        let bin = Path::new(BINARY).parent().unwrap().display().to_string();
        Command::new("sh")
            .args(["-c", line])
            .current_dir(folder)
            .env("PATH", format!("{bin}:/usr/bin:/bin"))
            .env("BAILIWICK_DATA", self.data.path())
            .env_remove("BAILIWICK_SERVER")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn every_command_of_the_tour_works() {
    let (demo, folder) = (Demo::start(), tempfile::tempdir().unwrap());
    let commands = commands();
    assert!(commands.len() >= 12, "{commands:?}");
    for line in commands {
        let line = if line.contains("REQUEST") {
            let waiting = demo.run("bailiwick requests --json", folder.path());
            let waiting: serde_json::Value = serde_json::from_slice(&waiting.stdout).unwrap();
            line.replace("REQUEST", waiting["requests"][0]["request"].as_str().unwrap())
        } else {
            line.to_owned()
        };
        let done = demo.run(&line, folder.path());
        let (out, talk) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{line}\n{out}\n{talk}");
    }
    // "Change one byte of an entry in `record.txt`, and the last command names the first one that is wrong."
    let record = folder.path().join("record.txt");
    let mut bytes = std::fs::read(&record).unwrap();
    let at = bytes.windows(10).position(|window| window == b"app.deploy").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&record, bytes).unwrap();
    let done = demo.run("bailiwick audit verify record.txt --json", folder.path());
    let verdict: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((done.status.code(), verdict["ok"].as_bool()), (Some(1), Some(false)), "{verdict}");
    assert!(verdict["first_bad"].is_u64(), "{verdict}");
}
