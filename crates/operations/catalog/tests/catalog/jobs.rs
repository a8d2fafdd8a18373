//! Jobs of apps: at least once, with a run id, never overlapping, none waiting for another, none back after a cut.

use crate::house::{APP, House, manifest};
use async_trait::async_trait;
use authority::Caller;
use catalog::{AppJobs, JobCall, JobRunner};
use model::{Problem, ProblemKind};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Semaphore;

const HANDLES: &str = "export default { fetch() {}, scheduled() {} };";

/// Runs what it is given: at once, or when the test lets it.
#[derive(Default)]
struct Runner {
    calls: Mutex<Vec<JobCall>>,
    /// Jobs that wait, by name.
    gates: Mutex<HashMap<String, Arc<Semaphore>>>,
    answers: Mutex<Vec<Problem>>,
    inside: Mutex<Vec<String>>,
}

#[async_trait]
impl JobRunner for Runner {
    async fn run(&self, call: &JobCall) -> Result<(), Problem> {
        let key = format!("{}/{}", call.app.id, call.job);
        {
            let mut inside = self.inside.lock().unwrap();
            assert!(!inside.contains(&key), "two runs of `{key}` at once");
            inside.push(key.clone());
        }
        self.calls.lock().unwrap().push(call.clone());
        let gate = self.gates.lock().unwrap().get(&call.job).cloned();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        self.inside.lock().unwrap().retain(|running| *running != key);
        self.answers.lock().unwrap().pop().map_or(Ok(()), Err)
    }
}

impl Runner {
    fn gate(&self, job: &str) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.gates.lock().unwrap().insert(job.to_owned(), Arc::clone(&gate));
        gate
    }

    /// Waits until so many runs have begun.
    async fn begun(&self, count: usize) {
        while self.calls.lock().unwrap().len() < count {
            tokio::task::yield_now().await;
        }
    }

    fn called(&self) -> Vec<(String, String)> {
        self.calls.lock().unwrap().iter().map(|call| (call.job.clone(), call.due_at.to_string())).collect()
    }
}

struct Works {
    house: House,
    runner: Arc<Runner>,
    jobs: Arc<AppJobs>,
    system: Caller,
}

impl Works {
    /// `poll` with two jobs each minute.
    async fn new(house: House) -> Self {
        let text = manifest("poll", "[jobs.one]\nschedule = \"* * * * *\"\n[jobs.two]\nschedule = \"* * * * *\"\n");
        house.deploy(&[("bailiwick.toml", &text), ("app.js", HANDLES)]).await.unwrap();
        let runner = Arc::new(Runner::default());
        let jobs = Arc::new(AppJobs::new(house.catalog.clone(), runner.clone()));
        let works = Self { house, runner, jobs, system: Caller::system("app-jobs") };
        assert_eq!(works.tick(0).await, 0, "nothing is due when an app goes live");
        works
    }

    async fn tick(&self, seconds: u64) -> usize {
        self.house.clock.advance(Duration::from_secs(seconds));
        self.jobs.tick(&self.system).await.unwrap()
    }

    async fn states(&self) -> Vec<(String, String, String)> {
        let rows =
            self.house.store.read("SELECT job, state, run_id FROM job_runs ORDER BY due_at, job", &[]).await.unwrap();
        rows.iter().map(|row| [0, 1, 2].map(|at| row.text(at).unwrap().to_owned()).into()).collect()
    }
}

async fn a_slow_job_delays_no_other(house: House) {
    let works = Works::new(house).await;
    let gate = works.runner.gate("one");
    assert_eq!(works.tick(60).await, 2);
    // The tick did not wait; `two` ends, `one` goes on.
    for minute in 1..4 {
        while works.states().await.iter().filter(|(job, state, _)| job == "two" && state == "done").count() < minute {
            tokio::task::yield_now().await;
        }
        assert_eq!(works.tick(60).await, 1, "`one` still runs, and is not begun beside itself");
    }
    gate.add_permits(1);
    works.jobs.settled().await;
    let states = works.states().await;
    assert_eq!(states.iter().filter(|(job, ..)| job == "one").count(), 1, "{states:?}");
    assert_eq!(states.iter().filter(|(job, state, _)| job == "two" && state == "done").count(), 4, "{states:?}");
    // The next one comes when it is due.
    gate.add_permits(1);
    assert_eq!(works.tick(60).await, 2);
    works.jobs.settled().await;
    let ran = works.house.events("job.run").await;
    let done = works.house.events("job.done").await;
    assert_eq!((ran.len(), done.len()), (7, 7));
    assert!(done.iter().all(|detail| detail["state"] == "done"), "{done:?}");
}

async fn a_lost_run_comes_again_under_its_id(house: House) {
    let works = Works::new(house).await;
    let _held = works.runner.gate("one");
    assert_eq!(works.tick(60).await, 2);
    works.runner.begun(2).await;
    // The node ends: its runs end with it.
    let Works { house, runner, jobs, system } = works;
    drop(jobs);
    runner.inside.lock().unwrap().clear();
    runner.gates.lock().unwrap().clear();
    let first = runner.calls.lock().unwrap().iter().find(|call| call.job == "one").cloned().unwrap();
    let again = Arc::new(AppJobs::new(house.catalog.clone(), runner.clone()));
    // Not before its lease is over, and nothing else of that job meanwhile.
    house.clock.advance(Duration::from_secs(61));
    again.tick(&system).await.unwrap();
    again.settled().await;
    let of_one = || runner.calls.lock().unwrap().iter().filter(|call| call.job == "one").cloned().collect::<Vec<_>>();
    assert_eq!(of_one(), std::slice::from_ref(&first));
    house.clock.advance(Duration::from_secs(61));
    again.tick(&system).await.unwrap();
    again.settled().await;
    // Once it is over, the next time may have come too, under an id of its own.
    let (run_id, runs) = (first.run_id.clone(), of_one());
    assert_eq!(runs.iter().take(2).cloned().collect::<Vec<_>>(), [first.clone(), first]);
    assert!(runs.iter().skip(2).all(|run| run.run_id != run_id), "{runs:?}");
    assert!(house.events("job.run").await.iter().any(|detail| detail["again"] == true));
}

async fn what_a_revoke_interrupted_stays_over(house: House) {
    let works = Works::new(house).await;
    let gate = works.runner.gate("one");
    assert_eq!(works.tick(60).await, 2);
    works.runner.begun(2).await;
    works.house.revoke("poll").await;
    let gone = Problem::new(ProblemKind::Gone, "job.failed", "it was stopped", "the app was cut", "nothing");
    works.runner.answers.lock().unwrap().push(gone);
    gate.add_permits(1);
    works.jobs.settled().await;
    let cut: Vec<_> = works.states().await.into_iter().filter(|(job, ..)| job == "one").collect();
    assert_eq!(cut[0].1, "cut", "{cut:?}");
    // While it is off nothing runs; restored, nothing of before comes back, not even what was missed.
    let before = works.runner.called();
    for _ in 0..5 {
        assert_eq!(works.tick(60).await, 0);
    }
    works.house.restore("poll").await.unwrap();
    assert_eq!(works.tick(1).await, 0);
    let node_two = Arc::new(AppJobs::new(works.house.started_again().await, works.runner.clone()));
    assert_eq!(node_two.tick(&works.system).await.unwrap(), 0);
    assert_eq!(works.runner.called(), before);
    // What is due from now on runs.
    gate.add_permits(1);
    assert_eq!(works.tick(60).await, 2);
    works.jobs.settled().await;
}

async fn what_there_was_no_room_for_is_tried_again(house: House) {
    let works = Works::new(house).await;
    let busy = || Problem::new(ProblemKind::Unavailable, "app.busy", "busy", "no room", "wait");
    works.runner.answers.lock().unwrap().extend([busy(), busy()]);
    assert_eq!(works.tick(60).await, 2);
    works.jobs.settled().await;
    assert!(works.states().await.iter().all(|(_, state, _)| state == "running"), "{:?}", works.states().await);
    assert_eq!(works.tick(5).await, 0, "not at once");
    assert_eq!(works.tick(6).await, 2);
    works.jobs.settled().await;
    let calls = works.runner.calls.lock().unwrap().clone();
    for job in ["one", "two"] {
        let ids: Vec<_> = calls.iter().filter(|call| call.job == job).map(|call| &call.run_id).collect();
        assert_eq!((ids.len(), ids[0]), (2, ids[1]));
    }
    assert!(works.states().await.iter().all(|(_, state, _)| state == "done"));
    // An app whose code never gets ready is not asked for ever.
    works.runner.answers.lock().unwrap().extend([busy(), busy()]);
    works.tick(49).await;
    works.jobs.settled().await;
    works.house.clock.advance(Duration::from_secs(3_600));
    works.runner.answers.lock().unwrap().extend([busy(), busy()]);
    works.jobs.tick(&works.system).await.unwrap();
    works.jobs.settled().await;
    assert!(works.states().await.iter().filter(|(_, state, _)| state == "failed").count() >= 2);
}

async fn what_was_missed_while_nothing_ran_is_made_up_for_once(house: House) {
    let works = Works::new(house).await;
    assert_eq!(works.tick(60).await, 2);
    works.jobs.settled().await;
    works.house.clock.advance(Duration::from_secs(600));
    let started = Arc::new(AppJobs::new(works.house.started_again().await, works.runner.clone()));
    assert_eq!(started.tick(&works.system).await.unwrap(), 2);
    started.settled().await;
    assert_eq!(started.tick(&works.system).await.unwrap(), 0);
    let due: Vec<_> = works.runner.called().into_iter().filter(|(job, _)| job == "one").map(|(_, due)| due).collect();
    assert_eq!(due, ["2026-11-23T12:01:00.000Z", "2026-11-23T12:02:00.000Z"]);
}

async fn a_failed_run_is_said_and_not_repeated(house: House) {
    let works = Works::new(house).await;
    let failed = Problem::new(ProblemKind::Unprocessable, "job.failed", "it threw", "its code did", "mend it");
    works.runner.answers.lock().unwrap().push(failed);
    assert_eq!(works.tick(60).await, 2);
    works.jobs.settled().await;
    let done = works.house.events("job.done").await;
    assert!(done.iter().any(|detail| detail["state"] == "failed" && detail["problem"] == "job.failed"), "{done:?}");
    assert_eq!(works.tick(200).await, 2, "the next ones, once");
    works.jobs.settled().await;
    // Old runs go, but for the newest of each job.
    works.house.clock.advance(Duration::from_secs(40 * 86_400));
    works.tick(60).await;
    works.jobs.settled().await;
    assert_eq!(works.states().await.len(), 2);
}

async fn an_app_without_jobs_has_none(house: House) {
    let text = manifest("plain", "");
    house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    let runner = Arc::new(Runner::default());
    let jobs = Arc::new(AppJobs::new(house.catalog.clone(), runner.clone()));
    house.clock.advance(Duration::from_secs(600));
    assert_eq!(jobs.tick(&Caller::system("app-jobs")).await.unwrap(), 0);
    assert!(runner.called().is_empty());
}

both!(
    a_slow_job_delays_no_other,
    a_lost_run_comes_again_under_its_id,
    what_a_revoke_interrupted_stays_over,
    what_there_was_no_room_for_is_tried_again,
    what_was_missed_while_nothing_ran_is_made_up_for_once,
    a_failed_run_is_said_and_not_repeated,
    an_app_without_jobs_has_none,
);
