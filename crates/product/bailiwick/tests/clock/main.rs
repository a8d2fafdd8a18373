//! A machine's clock is wrong at the start, and is set while the server runs, for the real program on both sides: nobody is
//! locked out of switching something off, and `doctor` says what is so, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;
use testkit::{Engine, Process, manifest, until};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
const APP: &str = "export default { fetch() { return new Response('ok'); } };";
const DAY_SECS: i64 = 86_400;

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
