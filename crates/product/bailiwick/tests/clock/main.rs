//! A machine's clock is wrong at the start, and is set while the server runs, for the real program on both sides: nobody is
//! locked out of switching something off, and `doctor` says what is so, and how it ends. What is past its time by it goes,
//! whenever the server is killed, as the record says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;
use testkit::{Dice, Engine, Kept, Process, keeper, kept_by_apps, manifest, rounds, until};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
const APP: &str = "export default { fetch() { return new Response('ok'); } };";
const DAY_SECS: i64 = 86_400;
/// Longer than the app keeps anything.
const LATER: Duration = Duration::from_secs(7_200);
/// Each of them is emptied by an act of its own, one after the other: a kill comes in between.
const COLLECTIONS: usize = 40;
/// Kills of each round, while there is something left to delete.
const KILLS: u32 = 3;
/// So many rounds more at most, where no kill came in time.
const LATE_ROUNDS: u32 = 5;

/// The clock of the machine, as server and client see it.
struct Wall {
    folder: TempDir,
}

impl Wall {
    fn build() -> Self {
        let folder = TempDir::new().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clock/wall.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(folder.path().join("wall.so"));
        assert!(cc.arg(source).status().unwrap().success());
        Self { folder }
    }

    fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [("LD_PRELOAD", self.folder.path().join("wall.so")), ("WALL_FILE", self.folder.path().join("ahead"))]
    }

    fn set(&self, ahead_secs: i64) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, ahead_secs.to_string()).unwrap();
        std::fs::rename(new, self.folder.path().join("ahead")).unwrap();
    }
}

struct Machine {
    wall: Wall,
    town: Process,
}

impl Machine {
    /// Its clock is so far ahead when the server starts.
    async fn start(engine: Engine, ahead_secs: i64) -> Self {
        let wall = Wall::build();
        wall.set(ahead_secs);
        let town = Process::start_within(BINARY, engine, "", "error", &wall.environment()).await;
        Self { wall, town }
    }

    async fn start_again(&mut self) {
        self.town.stop().await;
        self.town.again().await;
    }

    /// As its own user switches an app off, and on again.
    async fn is_obeyed(&self) {
        for act in ["revoke", "restore"] {
            let done = self.town.run_within(&[act, "ticker", "--why", "the clock"], &self.wall.environment()).await;
            assert!(done.status.success(), "{act}: {done:?}");
        }
    }

    /// What `doctor` says of these checks that is not well: its state, and how to mend it.
    async fn wrong(&self, checks: &[&str]) -> Vec<(String, String)> {
        let config = self.town.folder.path().join("config.toml");
        let arguments = ["doctor", "--json", "--config", config.to_str().unwrap()];
        let told = self.town.run_within(&arguments, &self.wall.environment()).await;
        let told: Value = serde_json::from_slice(&told.stdout).unwrap_or_else(|_| panic!("{told:?}"));
        let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
        let lines = told["checks"].as_array().unwrap().iter();
        let asked = lines.filter(|line| checks.contains(&line["check"].as_str().unwrap()) && line["state"] != "ok");
        asked.map(|line| (text(line, "state"), text(line, "fix"))).collect()
    }

    /// Somebody lets the app keep one record in each collection; then it stops, and their time is over when it starts again.
    async fn keeps(&mut self, ahead: &mut Duration) {
        let ana = self.town.person("ana@example.test", &["staff"]).await;
        let url = format!("{}/", self.town.app("notes"));
        assert_eq!(ana.open(&url).await.status, 200);
        let kept = ana.post(&url, &[]).await;
        assert_eq!(kept.status, 200, "{kept:?}");
        self.town.stop().await;
        match &self.town.database {
            Some(database) => database.age(LATER).await,
            None => {
                *ahead += LATER;
                self.wall.set(i64::try_from(ahead.as_secs()).unwrap());
            }
        }
    }

    async fn kept(&self) -> Kept {
        kept_by_apps(&self.town.data(), self.town.database_url().as_deref()).await
    }

    /// Starts it, and kills it once so many records are deleted, if there are as many.
    async fn killed_after(&mut self, deleted: i64) {
        let (data, url) = (self.town.data(), self.town.database_url());
        let records = async || kept_by_apps(&data, url.as_deref()).await.records;
        let enough = (records().await - deleted).max(0);
        let reached = async {
            while records().await > enough {
                tokio::task::yield_now().await;
            }
        };
        // It deletes before it says that it serves.
        let serves = async {
            self.town.again().await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = serves => {}
            () = reached => {}
        }
        self.town.kill().await;
    }

    async fn is_right(&self) -> bool {
        self.wrong(&["clock", "server", "sign-in"]).await.is_empty()
    }
}

async fn a_step_of_a_day_locks_nobody_out(engine: Engine) {
    // It was a day behind when the server started, and is set right, too far, and back.
    let mut machine = Machine::start(engine, -DAY_SECS).await;
    let deployed = machine.town.deploy(&[("bailiwick.toml", &manifest("ticker", "")), ("app.js", APP)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    for ahead in [0, DAY_SECS, -DAY_SECS] {
        machine.wall.set(ahead);
        machine.is_obeyed().await;
        // A server on SQLite keeps the time of its start; on PostgreSQL it has the database's.
        let its_own = if engine == Engine::Sqlite { -DAY_SECS } else { 0 };
        let wrong = machine.wrong(&["clock", "sign-in"]).await;
        let told = matches!(&wrong[..], [(state, fix)] if state == "fail" && fix.contains("start it again"));
        assert!(if ahead == its_own { wrong.is_empty() } else { told }, "{ahead} s ahead: {wrong:?}");
    }
    // Mended as it says.
    machine.wall.set(0);
    machine.start_again().await;
    until("the clocks agree", async || machine.is_right().await).await;
    machine.is_obeyed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_a_day_locks_nobody_out_on_sqlite() {
    a_step_of_a_day_locks_nobody_out(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_a_day_locks_nobody_out_on_postgres() {
    a_step_of_a_day_locks_nobody_out(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_back_is_mended_as_doctor_says() {
    let mut machine = Machine::start(Engine::Sqlite, 0).await;
    let deployed = machine.town.deploy(&[("bailiwick.toml", &manifest("ticker", "")), ("app.js", APP)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    machine.town.stop().await;
    machine.wall.set(-DAY_SECS);
    let wrong = machine.wrong(&["clock"]).await;
    assert!(matches!(&wrong[..], [(_, fix)] if fix.contains("NTP, then start again")), "{wrong:?}");
    // Started all the same, it says so, and obeys.
    machine.town.again().await;
    until("it says so", async || machine.town.said().contains("the clock was set back")).await;
    machine.is_obeyed().await;
    let wrong = machine.wrong(&["server"]).await;
    assert!(wrong.iter().any(|(_, fix)| fix.contains("NTP, then start the server again")), "{wrong:?}");
    machine.wall.set(0);
    machine.start_again().await;
    until("nothing is wrong any more", async || machine.is_right().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_a_record_is_compared_with_the_databases_clock() {
    let mut machine = Machine::start(Engine::Postgres, 0).await;
    machine.town.person("ana@example.test", &["staff"]).await;
    machine.town.stop().await;
    machine.wall.set(-DAY_SECS);
    let wrong = machine.wrong(&["clock"]).await;
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Each of them goes once, with the event that counts it; nothing of it is said twice, or not at all.
async fn what_is_past_its_time_goes_as_it_is_said(engine: Engine) {
    let mut machine = Machine::start(engine, 0).await;
    let app = keeper("notes", "1h", COLLECTIONS);
    let deployed = machine.town.machine("POST", "/api/v1/deploy?env=prod", &app).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let (mut dice, mut ahead, mut between) = (Dice::new(17), Duration::ZERO, 0);
    let mut round = 0;
    // A busy machine may look too late each time: then once more.
    while round < rounds(1) || (between == 0 && round < rounds(1) + LATE_ROUNDS) {
        round += 1;
        machine.keeps(&mut ahead).await;
        for _ in 0..KILLS {
            machine.killed_after(1 + i64::try_from(dice.roll(COLLECTIONS / 4)).unwrap()).await;
            let kept = machine.kept().await;
            assert_eq!((kept.index, kept.used), (kept.records, kept.records), "{kept:?}");
            if kept.records == 0 {
                break;
            }
            between += 1;
        }
        machine.town.again().await;
        until("nothing is left that is past its time", async || machine.kept().await.records == 0).await;
        machine.kept().await.adds_up(&machine.town.recorded().await);
    }
    assert!(between > 0, "it was never killed between two acts");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_its_time_goes_as_it_is_said_on_sqlite() {
    what_is_past_its_time_goes_as_it_is_said(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_its_time_goes_as_it_is_said_on_postgres() {
    what_is_past_its_time_goes_as_it_is_said(Engine::Postgres).await;
}
