//! Schedules on a real store, with a clock that a test sets.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json, value::RawValue};

use super::{Missed, Outcome, Overlap, Run, Schedule, Schedules, TABLES, Timing, input::ScheduleInput, repo};
use crate::{
    access::Principal,
    kernel::Clock,
    queue::{self, Ask, JobId, Jobs},
    store::{Options, Schema, Store},
};

#[derive(Debug)]
struct Hands(Mutex<Timestamp>);

impl Hands {
    fn advance(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A schedule that is due at times.
pub(super) fn schedule(timing: Timing) -> Schedule {
    Schedule {
        name: "hourly".into(),
        description: None,
        queue: "sync".into(),
        kind: "pull".into(),
        payload: RawValue::NULL.to_owned(),
        priority: 0,
        attempts_max: None,
        timing,
        missed: Missed::Once,
        overlap: Overlap::Skip,
        paused: false,
        created_by: "ann".into(),
        told_by: None,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
        next_at: None,
        last_job: None,
        runs: 0,
    }
}

struct Server {
    _folder: tempfile::TempDir,
    clock: Arc<Hands>,
    jobs: Jobs,
    schedules: Schedules,
    admin: Arc<Principal>,
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let schema = Schema { tables: TABLES.into_iter().chain(queue::TABLES).collect(), migrations: vec![] };
        let store = Store::open(&folder.path().join("stead.redb"), &Options::default(), &schema).unwrap();
        let clock = Arc::new(Hands(Mutex::new("2026-01-31T09:30:00Z".parse().unwrap())));
        let jobs = Jobs::new(store.clone(), Arc::clone(&clock) as Arc<dyn Clock>, []);
        jobs.make_first_queues().await.unwrap();
        let schedules = Schedules::new(store, jobs.clone(), Arc::clone(&clock) as Arc<dyn Clock>);
        Self { _folder: folder, clock, jobs, schedules, admin: Principal::operator() }
    }

    /// Makes a schedule of every ten seconds, with these further members.
    async fn make(&self, more: Value) -> Schedule {
        let mut input =
            json!({"name": "often", "queue": "sync", "kind": "pull", "everySeconds": 10, "payload": {"a": 1}});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let input: ScheduleInput = serde_json::from_value(input).unwrap();
        self.schedules.create(&self.admin, input).await.unwrap()
    }

    async fn change(&self, change: Value) -> Schedule {
        let change: ScheduleInput = serde_json::from_value(change).unwrap();
        self.schedules.update(&self.admin, "often".into(), change).await.unwrap()
    }

    /// Lets time pass, and does what is due then.
    async fn pass(&self, seconds: i64) {
        self.clock.advance(seconds);
        self.schedules.fire_due().await.unwrap();
    }

    /// What is noted, the first run first: what came of it, and how many seconds after the start it was due.
    fn runs(&self) -> Vec<(Outcome, i64)> {
        let start: Timestamp = "2026-01-31T09:30:00Z".parse().unwrap();
        let mut runs = self.noted();
        runs.reverse();
        runs.into_iter().map(|run| (run.outcome, run.due_at.duration_since(start).as_secs())).collect()
    }

    fn noted(&self) -> Vec<Run> {
        let runs = self.schedules.runs(&self.admin, "often", None, 1_000).unwrap();
        runs.into_iter().map(|(run, _)| run).collect()
    }

    /// Takes the jobs that are ready, and ends them.
    async fn work(&self) -> Vec<JobId> {
        let ask = Ask::new(100, SignedDuration::from_secs(30), "worker".into());
        let leased = self.jobs.lease("sync", ask, std::time::Duration::ZERO).await.unwrap();
        let ids = leased.jobs.iter().map(|job| job.id).collect();
        for job in leased.jobs {
            self.jobs.complete(job.id, job.token, None).await.unwrap();
        }
        ids
    }
}

#[tokio::test]
async fn jobs_are_made_at_their_times() {
    let server = Server::start().await;
    let made = server.make(json!({})).await;
    assert_eq!(made.next_at.unwrap().to_string(), "2026-01-31T09:30:10Z");
    server.pass(9).await;
    assert_eq!(server.runs(), []);
    server.pass(1).await;
    let run = server.noted().remove(0);
    let job = server.jobs.job(run.job.unwrap()).unwrap().0;
    let scheduled = job.scheduled.clone().unwrap();
    assert_eq!((scheduled.schedule.as_str(), scheduled.at), ("often", run.due_at));
    assert_eq!(
        (job.kind.as_str(), job.payload.get(), job.by.as_str()),
        ("pull", r#"{"a":1}"#, server.admin.id.as_str())
    );
    server.work().await;
    server.pass(12).await;
    assert_eq!(server.runs(), [(Outcome::Made, 10), (Outcome::Made, 20)], "times do not drift");
    assert_eq!(server.schedules.fire_due().await.unwrap().unwrap().to_string(), "2026-01-31T09:30:30Z");
}

#[tokio::test]
async fn missed_times_are_noted_and_made_up_for() {
    use Outcome::{Made, Missed};
    for (missed, expected, until) in [
        ("skip", vec![(Missed, 100)], Some(300)),
        ("once", vec![(Missed, 100), (Made, 300)], Some(200)),
        ("all", vec![(Made, 100), (Made, 200), (Made, 300)], None),
    ] {
        let server = Server::start().await;
        server.make(json!({"everySeconds": 100, "missed": missed, "overlap": "allow"})).await;
        // The last of them is more than a minute ago.
        server.pass(399).await;
        assert_eq!(server.runs(), expected, "{missed}");
        let told = server
            .noted()
            .iter()
            .find_map(|run| run.until)
            .map(|at| at.duration_since(server.clock.now()).as_secs() + 399);
        assert_eq!(told, until, "{missed}");
        server.pass(1).await;
        assert_eq!(server.runs().last(), Some(&(Made, 400)), "{missed}: it goes on in time");
    }
}

#[tokio::test]
async fn runs_overlap_as_the_schedule_says() {
    for (overlap, outcomes, states) in [
        ("skip", [Outcome::Made, Outcome::Overlapped], &["ready"][..]),
        ("allow", [Outcome::Made, Outcome::Made], &["ready", "ready"]),
        ("queue", [Outcome::Made, Outcome::Made], &["ready", "waiting"]),
        ("replace", [Outcome::Made, Outcome::Made], &["cancelled", "ready"]),
    ] {
        let server = Server::start().await;
        server.make(json!({"overlap": overlap})).await;
        server.pass(10).await;
        server.pass(10).await;
        let mut noted = server.noted();
        noted.reverse();
        assert_eq!(noted.iter().map(|run| run.outcome).collect::<Vec<_>>(), outcomes, "{overlap}");
        let mut jobs: Vec<JobId> = noted.iter().filter_map(|run| run.job).collect();
        jobs.dedup();
        let state = |job: &JobId| server.jobs.listed(*job).unwrap().state.name();
        assert_eq!(jobs.iter().map(state).collect::<Vec<_>>(), states, "{overlap}");
        server.work().await;
        server.pass(10).await;
        assert_eq!(server.runs().last().unwrap(), &(Outcome::Made, 30), "{overlap}: what has ended is in nobody's way");
    }
}

#[tokio::test]
async fn one_that_rests_misses_nothing_and_one_that_is_over_stays() {
    let server = Server::start().await;
    server.make(json!({})).await;
    server.change(json!({"paused": true})).await;
    server.pass(100).await;
    let resumed = server.change(json!({"paused": false})).await;
    assert_eq!((server.runs(), resumed.next_at.unwrap().to_string()), (vec![], "2026-01-31T09:31:50Z".to_owned()));
    server.change(json!({"at": "2026-01-31T09:35:00Z"})).await;
    server.pass(250).await;
    let snapshot = server.schedules.store.snapshot();
    let over = repo::schedule(&snapshot, "often").unwrap().unwrap();
    assert_eq!((server.runs(), over.next_at), (vec![(Outcome::Made, 300)], None));
    assert_eq!(server.schedules.fire_due().await.unwrap(), None);
}

#[tokio::test]
async fn a_crash_between_two_runs_repeats_none_and_loses_none() {
    let server = Server::start().await;
    server.make(json!({"overlap": "allow"})).await;
    server.clock.advance(10);
    // Another keeper of the same store stands for the server after its next start.
    let second = Schedules::new(
        server.schedules.store.clone(),
        server.jobs.clone(),
        Arc::clone(&server.clock) as Arc<dyn Clock>,
    );
    let (first, again) = tokio::join!(server.schedules.fire_due(), second.fire_due());
    assert_eq!((first.unwrap(), server.runs()), (again.unwrap(), vec![(Outcome::Made, 10)]));
}

#[tokio::test]
async fn only_the_newest_runs_are_kept() {
    let server = Server::start().await;
    server.make(json!({"overlap": "skip"})).await;
    for _ in 0..510 {
        server.pass(10).await;
    }
    let noted = server.noted();
    assert_eq!((noted.len(), noted[0].number, noted[499].number), (500, 510, 11));
    server.schedules.delete(&server.admin, "often".into()).await.unwrap();
    let snapshot = server.schedules.store.snapshot();
    assert_eq!(
        (repo::runs(&snapshot, "often", None, 10).unwrap().len(), repo::first_due(&snapshot).unwrap()),
        (0, None)
    );
}
