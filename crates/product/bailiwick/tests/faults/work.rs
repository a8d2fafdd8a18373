//! The pieces of work that the disk fails under, and what must be so after each.

use super::{BINARY, Fault, Faults, is_ready};
use seal::RecoveryKey;
use serde_json::{Value, json};
use server::{DATA, Drill, ENDING, Unproven};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    time::Duration,
};
use testkit::{Answer, Engine, Process, archive, manifest, root_key, until};
use tokio::time::{sleep, timeout};

/// No answer takes longer, whatever fails.
const NO_HANG: Duration = Duration::from_secs(30);
/// The sequencer has had its turn after an act.
const FOLLOWED: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Of the tenant `main`, in hex.
const CHECKPOINT: &str = "checkpoints/6d61696e";
/// The events of a revoke, in the order of `RECEIPT`.
const REVOKED: [&str; 2] = ["app.revoke", "app.revoke.done"];
const RECEIPT: [&str; 2] = ["event", "done_event"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Add,
    Deploy,
    Revoke,
    /// While the record cannot be written: into the journal, and out of it.
    RevokeLate,
    BackUp,
    /// A stop, which empties the log beside the database into it, and the next start.
    Restart,
}

impl Work {
    pub(crate) const ALL: [Self; 6] =
        [Self::Add, Self::Deploy, Self::Revoke, Self::RevokeLate, Self::BackUp, Self::Restart];
}

/// What was acknowledged, the names being used once.
#[derive(Debug, Default)]
struct Kept {
    people: BTreeSet<String>,
    live: BTreeSet<String>,
    /// With the ids that were promised.
    off: BTreeMap<String, [String; 2]>,
    events: Vec<String>,
}

pub(crate) struct Load {
    town: Process,
    faults: Faults,
    key: RecoveryKey,
    n: u32,
    kept: Kept,
}

impl Load {
    pub(crate) async fn start() -> Self {
        let (faults, key) = (Faults::build(), RecoveryKey::generate());
        // Under a folder of this name, files are faulted.
        let to = faults.file("data/backups");
        let more = format!(
            "[backup]\nto = \"{}\"\nrecipient = \"{}\"\nkeep = {{ last = 2 }}\n",
            to.display(),
            key.recipient()
        );
        let town = Process::start_within(BINARY, Engine::Sqlite, &more, "error", &faults.environment()).await;
        Self { town, faults, key, n: 0, kept: Kept::default() }
    }

    fn name(&self) -> String {
        format!("x{}", self.n)
    }

    fn email(&self) -> String {
        format!("p{}@example.test", self.n)
    }

    fn backups(&self) -> PathBuf {
        self.faults.file("data/backups")
    }

    /// One piece of work while a fault comes at its n-th moment; whether it came.
    pub(crate) async fn under(&mut self, work: Work, fault: Fault, n: u32) -> bool {
        self.n += 1;
        let context = format!("{work:?} {}, {fault:?} at {n}", self.n);
        if matches!(work, Work::Revoke | Work::RevokeLate) {
            let deployed = self.deploy().await;
            assert!(deployed.as_ref().is_some_and(|answer| answer.status == 200), "{context}: {deployed:?}");
        }
        self.faults.arm(fault, n);
        let answer = self.perform(work).await;
        let came = self.faults.disarm();
        let ended = came && fault.ends();
        if work == Work::Restart {
            self.town.again().await;
        } else {
            if ended {
                self.town.over().await;
                self.town.again().await;
            }
            let done = acknowledged(answer, fault, ended, &context);
            assert!(done.is_some() || ended || !matches!(work, Work::Revoke | Work::RevokeLate), "{context}: refused");
            self.keep(work, done.as_ref(), ended);
            if work == Work::Add && done.is_none() && !ended && fault.op != "read" {
                let there = self.people().await;
                assert!(!there.contains(&self.email()), "{context}: refused, and there");
            }
        }
        until(&context, async || is_ready(&self.town).await).await;
        self.holds(&context).await;
        if work == Work::BackUp {
            self.backups_are_whole(&context).await;
        }
        came
    }

    /// The answer, once what follows it is done too, or the fault has come.
    async fn perform(&mut self, work: Work) -> Option<Answer> {
        let revoke = (format!("/api/v1/apps/{}/revoke", self.name()), json!({ "why": "it leaks" }).to_string());
        let answer = match work {
            Work::Add => {
                let body = json!({ "email": self.email(), "groups": ["staff"] }).to_string();
                self.ask("/api/v1/people", body.as_bytes()).await
            }
            Work::Deploy => self.deploy().await,
            Work::Revoke => self.ask(&revoke.0, revoke.1.as_bytes()).await,
            Work::RevokeLate => {
                let (file, away) = (self.town.data().join("bailiwick.db"), self.town.data().join("away"));
                fs::rename(&file, &away).unwrap();
                let answer = self.ask(&revoke.0, revoke.1.as_bytes()).await;
                fs::rename(&away, &file).unwrap();
                let recorded = answer.as_ref().map(|answer| answer.json()["recorded"].clone());
                assert!(recorded.is_none_or(|recorded| recorded == false), "{answer:?}");
                answer
            }
            Work::BackUp => self.ask("/api/v1/backups", br#"{"parts":"data"}"#).await,
            Work::Restart => {
                self.town.leave().await;
                if self.town.starts().await {
                    self.followed().await;
                    self.town.kill().await;
                }
                return None;
            }
        };
        self.followed().await;
        answer
    }

    async fn ask(&self, path: &str, body: &[u8]) -> Option<Answer> {
        let browser = self.town.browser();
        let asked = self.town.attempt(&browser, "POST", path, body);
        timeout(NO_HANG, asked).await.unwrap_or_else(|_| panic!("{path} hangs"))
    }

    async fn deploy(&self) -> Option<Answer> {
        let text = manifest(&self.name(), "assets = \"public\"");
        let text = text.replace("\"wasm\"", "\"static\"").replace("app.js", "index.html");
        let files = [("bailiwick.toml", &*text), ("public/index.html", "<!doctype html><title>x</title>")];
        self.ask("/api/v1/deploy?env=prod", &archive(&files)).await
    }

    /// Until the fault has come, or the log has grown: what follows an act goes to the disk as well.
    async fn followed(&self) {
        let before = self.log_size();
        let growing = async {
            while !self.faults.fired() && self.log_size() <= before {
                sleep(LOOK_EVERY).await;
            }
            // The folder of what was kept is synced after it.
            sleep(LOOK_EVERY).await;
        };
        // It may have grown before the first look.
        drop(timeout(FOLLOWED, growing).await);
    }

    /// As the checkpoint says it, in its second line, that is kept beside the database last of all.
    fn log_size(&self) -> Option<u64> {
        let note = fs::read_to_string(self.town.data().join(CHECKPOINT)).ok()?;
        note.lines().nth(1)?.parse().ok()
    }

    fn keep(&mut self, work: Work, done: Option<&Value>, ended: bool) {
        let Some(done) = done else { return };
        match work {
            Work::Add => self.kept.people.extend([self.email()]),
            Work::Deploy => self.kept.live.extend([self.name()]),
            // In memory alone it ends with the process, and says so.
            Work::Revoke | Work::RevokeLate if ended && done["kept"] == "memory" => return,
            Work::Revoke | Work::RevokeLate => {
                self.kept.off.extend([(self.name(), RECEIPT.map(|id| text(&done[id])))]);
            }
            Work::BackUp => {
                let file = self.backups().join(text(&done["file"]));
                assert!(file.exists(), "{done}");
            }
            Work::Restart => {}
        }
        if matches!(work, Work::Deploy | Work::BackUp) {
            self.kept.events.push(text(&done["event"]));
        }
    }

    async fn list(&self, list: &str) -> Vec<Value> {
        let answer = self.town.get(&format!("/api/v1/{list}?limit=1000")).await;
        answer.json()[list].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone()
    }

    async fn people(&self) -> BTreeSet<String> {
        self.list("people").await.iter().map(|person| text(&person["email"])).collect()
    }

    /// How many acts of this name took place.
    async fn happened(&self, action: &str) -> usize {
        let answer = self.town.get(&format!("/api/v1/events?action={action}&limit=1000")).await;
        let events = answer.json();
        let events = events["events"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
        events.iter().filter(|event| event["outcome"] == "allowed").count()
    }

    /// What was acknowledged is there, and state and record say the same.
    async fn holds(&self, context: &str) {
        let there = self.people().await;
        let lost: Vec<&String> = self.kept.people.difference(&there).collect();
        assert!(lost.is_empty(), "{context}: {lost:?} were acknowledged");
        assert_eq!(self.happened("person.add").await, there.len(), "{context}: people, and events that added them");
        let state = |app: &Value| (text(&app["app"]), text(&app["environments"][0]["state"]));
        let apps: BTreeMap<String, String> = self.list("apps").await.iter().map(state).collect();
        assert_eq!(self.happened("app.deploy").await, apps.len(), "{context}: apps, and events that deployed them");
        for (names, wanted) in
            [(self.kept.live.iter().collect::<Vec<_>>(), "live"), (self.kept.off.keys().collect::<Vec<_>>(), "revoked")]
        {
            for name in names {
                assert_eq!(apps.get(name).map(String::as_str), Some(wanted), "{context}: `{name}`");
            }
        }
        let off = apps.values().filter(|state| *state == "revoked").count();
        for action in REVOKED {
            assert_eq!(self.happened(action).await, off, "{context}: what is off, and `{action}`");
        }
        if let Some(ids) = self.kept.off.get(&self.name()) {
            self.promised(ids).await;
        }
    }

    async fn promised(&self, ids: &[String; 2]) {
        for (id, action) in ids.iter().zip(REVOKED) {
            let event = self.town.get(&format!("/api/v1/events/{id}")).await.json();
            assert_eq!(event["action"], action, "{event}");
        }
    }

    /// Whatever stands under the name of a backup can be restored.
    async fn backups_are_whole(&self, context: &str) {
        for file in fs::read_dir(self.backups()).into_iter().flatten().map(Result::unwrap) {
            let name = file.file_name().into_string().unwrap();
            if !name.starts_with(DATA) || !name.ends_with(ENDING) {
                continue;
            }
            let (file, key, root, scratch) = (file.path(), self.key.clone(), root_key(), self.faults.file("."));
            let drilled = Drill { file, key, root, unproven: Unproven::Refused, scratch }.run().await;
            assert!(drilled.is_ok(), "{context}: `{name}`: {drilled:?}");
        }
    }

    /// After one more kill: all that was acknowledged is there with its event, the record proves itself, and no restore
    /// is suspected.
    pub(crate) async fn proven(&mut self) {
        self.town.kill().await;
        self.town.again().await;
        until("it is ready", async || is_ready(&self.town).await).await;
        self.holds("after a kill").await;
        for ids in self.kept.off.values() {
            self.promised(ids).await;
        }
        for id in &self.kept.events {
            assert_eq!(self.town.get(&format!("/api/v1/events/{id}")).await.status, 200, "{id}");
        }
        for arguments in [["audit", "verify"].as_slice(), &["whoami"]] {
            let done = self.town.run(arguments).await;
            assert!(done.status.success(), "{arguments:?}: {done:?}");
        }
    }
}

/// What was answered with a yes. A no is in plain words, and no answer is the process's end.
fn acknowledged(answer: Option<Answer>, fault: Fault, ended: bool, context: &str) -> Option<Value> {
    let Some(answer) = answer else {
        assert!(ended, "{context}: no answer");
        return None;
    };
    // What cannot be read is not always the record.
    let refused = answer.status == 503 || fault.op == "read" && answer.status >= 500;
    assert!(answer.status == 200 || refused, "{context}: {answer:?}");
    (answer.status == 200).then(|| answer.json())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}
