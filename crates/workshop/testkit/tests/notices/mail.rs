//! A real mail server (npm `smtp-server`) on loopback: takes mail, refuses what it is told to, keeps what arrived.

use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

/// How the connection is kept private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Plain,
    StartTls,
    Tls,
}

impl Mode {
    const fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::StartTls => "starttls",
            Self::Tls => "tls",
        }
    }
}

#[derive(Default)]
struct Said {
    mails: Vec<Value>,
    noted: usize,
}

/// A running server; ends when this is dropped.
pub(crate) struct MailServer {
    child: Child,
    stdin: Mutex<ChildStdin>,
    said: Arc<(Mutex<Said>, Condvar)>,
    told: Mutex<usize>,
    pub(crate) port: u16,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl MailServer {
    pub(crate) fn start(port: u16, mode: Mode, files: Option<(&Path, &Path)>) -> Self {
        let mut command = Command::new("node");
        command.args(["server.mjs", &port.to_string(), mode.word()]);
        if let Some((cert, key)) = files {
            command.args([cert, key]);
        }
        let pipes = command
            .current_dir(testkit::installed(env!("CARGO_TARGET_TMPDIR"), "mail", "smtp-server"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = pipes.spawn().expect("`node` is not here: run `cargo xtask setup`");
        let stdin = Mutex::new(child.stdin.take().unwrap());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "ready"), "the mail server did not start");
        let said = Arc::<(Mutex<Said>, Condvar)>::default();
        let kept = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in lines {
                let mut said = kept.0.lock().unwrap();
                match serde_json::from_str(&line) {
                    Ok(mail) => said.mails.push(mail),
                    Err(_) => said.noted += 1,
                }
                kept.1.notify_all();
            }
        });
        Self { child, stdin, said, told: Mutex::new(0), port }
    }

    /// What it answers to the next recipient, once.
    pub(crate) fn answers(&self, answer: &str) {
        writeln!(self.stdin.lock().unwrap(), "{answer}").unwrap();
        let mut told = self.told.lock().unwrap();
        *told += 1;
        let said = self.said.0.lock().unwrap();
        let within = Duration::from_secs(30);
        drop(self.said.1.wait_timeout_while(said, within, |said| said.noted < *told).unwrap());
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.said.0.lock().unwrap().mails.iter().map(Mail::of).collect()
    }

    /// What arrived for one person, as lines `subject`.
    pub(crate) fn subjects(&self, to: &str) -> Vec<String> {
        self.mails().into_iter().filter(|mail| mail.to == [to]).map(|mail| mail.subject).collect()
    }
}

/// One mail as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) to: Vec<String>,
    pub(crate) secure: bool,
    pub(crate) subject: String,
    pub(crate) text: String,
}

impl Mail {
    fn of(said: &Value) -> Self {
        let text = said["text"].as_str().unwrap().to_owned();
        let head = text.split("\r\n\r\n").next().unwrap();
        let unfolded = head.replace("\r\n ", " ");
        let subject = unfolded.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default().to_owned();
        let to = said["to"].as_array().unwrap().iter().map(|to| to.as_str().unwrap().to_owned()).collect();
        Self { to, secure: said["secure"].as_bool().unwrap(), subject, text }
    }
}
