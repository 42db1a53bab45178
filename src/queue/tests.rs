//! The queue against a naive model, and what only the inside shows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::value::RawValue;

use super::{
    error::QueueError,
    finish::Failure,
    lease::{Ask, LeasedJob},
    model::{Collision, JobId, JobState, NewJob, Unique, WaitFor},
    policy::{Backoff, Growth, Policy, Rate},
    repo,
    service::Jobs,
};
use crate::{
    kernel::Clock,
    store::{Options, Schema, Store},
};

#[derive(Default)]
struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

pub(super) struct Site {
    pub(super) jobs: Jobs,
    clock: Arc<TestClock>,
    _folder: tempfile::TempDir,
}

const START: i64 = 1_800_000_000_000;
const BACKOFF: Backoff = Backoff { growth: Growth::Constant, first_ms: 10_000, longest_ms: 10_000 };

impl Site {
    pub(super) async fn new(policy: Policy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let schema = Schema { tables: repo::TABLES.to_vec(), migrations: Vec::new() };
        let store = Store::open(&folder.path().join("test.redb"), &Options::default(), &schema).unwrap();
        let clock = Arc::new(TestClock::default());
        clock.0.store(START, Ordering::SeqCst);
        let jobs = Jobs::new(store, Arc::clone(&clock) as _, [("own", "things")]);
        jobs.create_queue("q".into(), policy).await.unwrap();
        Self { jobs, clock, _folder: folder }
    }

    fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    pub(super) async fn add(&self, new: NewJob) -> JobId {
        self.jobs.enqueue_all(vec![new], None).await.unwrap()[0].id
    }

    pub(super) async fn lease(&self, max: usize) -> Vec<LeasedJob> {
        let ask = Ask { max, time: SignedDuration::from_secs(30), worker: "w".into(), built_in: false };
        self.jobs.lease("q", ask, Duration::ZERO).await.unwrap().jobs
    }

    pub(super) fn state(&self, id: JobId) -> Option<JobState> {
        self.jobs.job(id).ok().map(|(_, status)| status.state_at(self.clock.now()))
    }

    async fn complete(&self, job: &LeasedJob) -> Result<(), QueueError> {
        self.jobs.complete(job.id, job.token.clone(), None).await
    }

    async fn fail(&self, job: &LeasedJob) -> Result<JobState, QueueError> {
        self.jobs.fail(job.id, job.token.clone(), Failure { error: "no".into(), ..Failure::default() }).await
    }

    /// How many jobs are in each state, by counting them.
    fn counted(&self) -> BTreeMap<JobState, u64> {
        let snapshot = self.jobs.store.snapshot();
        let number = self.jobs.queue("q").unwrap().number;
        let count = |state| (state, repo::count(&snapshot, number, state).unwrap());
        JobState::ALL.into_iter().map(count).filter(|(_, count)| *count > 0).collect()
    }
}

pub(super) fn job(payload: &str) -> NewJob {
    NewJob::new("q", "test", RawValue::from_string(payload.into()).unwrap(), "test")
}

fn ids(jobs: &[LeasedJob]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

#[tokio::test]
async fn jobs_start_by_priority_and_then_by_age() {
    let site = Site::new(Policy::default()).await;
    let mut by_rank = Vec::new();
    for priority in [0, -5, 7, 0, 7] {
        by_rank.push((-priority, site.add(NewJob { priority, ..job("{}") }).await));
    }
    by_rank.sort();
    let leased = site.lease(10).await;
    assert_eq!(ids(&leased), by_rank.iter().map(|(_, id)| *id).collect::<Vec<_>>());
    assert!(site.lease(10).await.is_empty());
    for job in &leased {
        site.complete(job).await.unwrap();
        assert!(matches!(site.complete(job).await, Err(QueueError::LeaseLost)));
    }
    assert_eq!(site.counted(), BTreeMap::from([(JobState::Succeeded, 5)]));
}

#[tokio::test]
async fn a_job_is_tried_until_it_is_dead_and_can_be_revived() {
    let site = Site::new(Policy { attempts_max: 2, backoff: BACKOFF, ..Policy::default() }).await;
    let id = site.add(job("{}")).await;
    let first = site.lease(1).await.remove(0);
    assert_eq!((first.attempts, site.fail(&first).await.unwrap()), (1, JobState::Failed));
    assert!(site.lease(1).await.is_empty(), "it waits");
    site.pass(10);
    assert_eq!(site.state(id), Some(JobState::Ready));
    let second = site.lease(1).await.remove(0);
    assert!(matches!(site.complete(&first).await, Err(QueueError::LeaseLost)), "it is the other worker's");
    assert_eq!((second.attempts, site.fail(&second).await.unwrap()), (2, JobState::Dead));
    assert_eq!(site.counted(), BTreeMap::from([(JobState::Dead, 1)]));
    site.jobs.retry(id).await.unwrap();
    let third = site.lease(1).await.remove(0);
    assert_eq!((third.attempts, site.fail(&third).await.unwrap()), (3, JobState::Failed), "it has two attempts again");
    site.jobs.retry(id).await.unwrap();
    let fourth = site.lease(1).await.remove(0);
    site.complete(&fourth).await.unwrap();
    assert_eq!(site.state(id), Some(JobState::Succeeded));
}

#[tokio::test]
async fn a_silent_worker_loses_its_job_and_each_start_counts() {
    let site = Site::new(Policy { attempts_max: 2, backoff: BACKOFF, ..Policy::default() }).await;
    let id = site.add(job("{}")).await;
    let first = site.lease(1).await.remove(0);
    site.pass(20);
    let beat = super::finish::Beat { time: Some(SignedDuration::from_secs(30)), ..Default::default() };
    assert!(!site.jobs.beat(id, first.token.clone(), beat).await.unwrap().cancelling);
    site.pass(29);
    assert!(site.lease(1).await.is_empty());
    assert_eq!(site.state(id), Some(JobState::Running), "it has told that it lives");
    site.pass(1);
    assert!(site.lease(1).await.is_empty());
    assert_eq!(site.state(id), Some(JobState::Failed));
    site.pass(10);
    let second = site.lease(1).await.remove(0);
    assert_eq!(second.attempts, 2);
    site.pass(30);
    site.lease(1).await;
    assert_eq!(site.state(id), Some(JobState::Dead));
    assert!(matches!(site.complete(&second).await, Err(QueueError::LeaseLost)));
}

#[tokio::test]
async fn one_unfinished_job_has_a_unique_key() {
    let site = Site::new(Policy::default()).await;
    let unique = |collision, payload| {
        let unique = Some(Unique { key: "k".into(), collision });
        NewJob { unique, run_at: Some(site.clock.now() + SignedDuration::from_secs(5)), ..job(payload) }
    };
    let first = site.add(unique(Collision::Skip, "1")).await;
    assert_eq!(site.add(unique(Collision::Skip, "2")).await, first);
    site.pass(4);
    assert_eq!(site.add(unique(Collision::Replace, "3")).await, first);
    site.pass(4);
    assert!(site.lease(1).await.is_empty(), "its time was moved on");
    site.pass(1);
    let leased = site.lease(1).await.remove(0);
    assert_eq!((leased.id, leased.payload.get()), (first, "3"));
    assert_eq!(site.add(unique(Collision::Skip, "4")).await, first, "also while it runs");
    let second = site.add(unique(Collision::Replace, "5")).await;
    assert_ne!(second, first, "what runs cannot be changed");
    site.complete(&leased).await.unwrap();
    assert_eq!(site.add(unique(Collision::Skip, "6")).await, second, "the key is the newer one's");
    site.pass(5);
    let leased = site.lease(1).await.remove(0);
    site.complete(&leased).await.unwrap();
    assert_ne!(site.add(unique(Collision::Skip, "7")).await, second);
}

#[tokio::test]
async fn jobs_of_a_serial_key_run_one_after_the_other_in_their_order() {
    let site = Site::new(Policy { attempts_max: 1, ..Policy::default() }).await;
    let mut made = Vec::new();
    for _ in 0..4 {
        made.push(site.add(NewJob { serial: Some("ann".into()), ..job("{}") }).await);
    }
    let other = site.add(NewJob { serial: Some("bob".into()), ..job("{}") }).await;
    let leased = site.lease(10).await;
    assert_eq!(ids(&leased), [made[0], other]);
    assert_eq!(site.state(made[1]), Some(JobState::Waiting));
    site.complete(&leased[0]).await.unwrap();
    site.jobs.cancel(made[2]).await.unwrap();
    let second = site.lease(10).await.remove(0);
    assert_eq!(second.id, made[1]);
    site.fail(&second).await.unwrap();
    let last = site.lease(10).await.remove(0);
    assert_eq!(last.id, made[3], "what is dead or cancelled is no obstacle");
    site.jobs.retry(made[1]).await.unwrap();
    assert!(site.lease(10).await.is_empty(), "it takes its turn anew, behind what runs");
    site.complete(&last).await.unwrap();
    assert_eq!(ids(&site.lease(10).await), [made[1]]);
}

#[tokio::test]
async fn a_job_waits_for_others_and_goes_with_those_that_are_cancelled() {
    let site = Site::new(Policy { attempts_max: 1, ..Policy::default() }).await;
    let made = site.jobs.enqueue_all(vec![job("1"), job("2")], Some(job("3"))).await.unwrap();
    let [one, two, then] = made.iter().map(|made| made.id).collect::<Vec<_>>()[..] else { panic!("three jobs") };
    let after = |id, wait_for| NewJob { after: vec![id], wait_for, ..job("4") };
    let chain = site.add(after(then, WaitFor::Success)).await;
    let at_any_end = site.add(after(two, WaitFor::End)).await;
    let leased = site.lease(10).await;
    assert_eq!(ids(&leased), [one, two]);
    site.complete(&leased[0]).await.unwrap();
    assert!(site.lease(10).await.is_empty());
    site.fail(&leased[1]).await.unwrap();
    let next = site.lease(10).await;
    assert_eq!(ids(&next), [at_any_end], "of who waits for success, a dead job may be tried again");
    site.jobs.retry(two).await.unwrap();
    let again = site.lease(10).await.remove(0);
    site.complete(&again).await.unwrap();
    let last = site.lease(10).await;
    assert_eq!(ids(&last), [then]);
    site.jobs.cancel(then).await.unwrap();
    assert_eq!(site.fail(&last[0]).await.unwrap(), JobState::Cancelled, "its worker was asked to stop");
    assert_eq!(site.state(chain), Some(JobState::Cancelled));
    let late = site.jobs.enqueue_all(vec![after(then, WaitFor::Success)], None).await;
    assert!(matches!(late, Err(QueueError::Invalid(errors)) if errors[0].pointer == "/jobs/0/after/0"));
}

#[tokio::test]
async fn who_waits_for_a_dead_job_that_is_not_kept_is_cancelled() {
    let site = Site::new(Policy { attempts_max: 1, keep_dead_seconds: 0, ..Policy::default() }).await;
    let made = site.jobs.enqueue_all(vec![job("1")], Some(job("2"))).await.unwrap();
    let leased = site.lease(1).await.remove(0);
    site.fail(&leased).await.unwrap();
    assert_eq!((site.state(made[0].id), site.state(made[1].id)), (None, Some(JobState::Cancelled)));
}

/// What a job waited for before it was cancelled has no say once it was retried.
#[tokio::test]
async fn a_retried_job_waits_for_nobody() {
    let site = Site::new(Policy::default()).await;
    let first = site.add(job("1")).await;
    let running = site.lease(1).await.remove(0);
    let serial = || NewJob { serial: Some("s".into()), ..job("2") };
    let second = site.add(NewJob { after: vec![first], ..serial() }).await;
    site.jobs.cancel(second).await.unwrap();
    let ahead = site.add(serial()).await;
    site.jobs.retry(second).await.unwrap();
    assert_eq!(site.state(second), Some(JobState::Waiting), "for its turn");
    site.jobs.cancel(first).await.unwrap();
    site.fail(&running).await.unwrap();
    let leased = site.lease(5).await;
    assert_eq!(ids(&leased), [ahead]);
    site.complete(&leased[0]).await.unwrap();
    assert_eq!(ids(&site.lease(5).await), [second]);
}

/// A chain takes no deeper a stack the longer it is.
#[tokio::test]
async fn a_long_chain_is_cancelled() {
    let site = Site::new(Policy::default()).await;
    let first = site.add(job("0")).await;
    let mut last = first;
    for _ in 0..3_000 {
        last = site.add(NewJob { after: vec![last], ..job("1") }).await;
    }
    site.jobs.cancel(first).await.unwrap();
    assert_eq!(site.state(last), Some(JobState::Cancelled));
    assert_eq!(site.counted(), BTreeMap::from([(JobState::Cancelled, 3_001)]));
}

#[tokio::test]
async fn what_has_expired_is_not_started() {
    let site = Site::new(Policy::default()).await;
    let expires_at = Some(site.clock.now() + SignedDuration::from_secs(5));
    let id = site.add(NewJob { expires_at, ..job("1") }).await;
    let other = site.add(job("2")).await;
    site.pass(5);
    assert_eq!(ids(&site.lease(1).await), [other]);
    assert_eq!(site.state(id), Some(JobState::Cancelled));
}

#[tokio::test]
async fn a_queue_bounds_what_runs_and_how_fast() {
    let rate = Some(Rate { jobs: 4, seconds: 60 });
    let site = Site::new(Policy { concurrency: 3, rate, ..Policy::default() }).await;
    for _ in 0..10 {
        site.add(job("{}")).await;
    }
    let leased = site.lease(10).await;
    assert_eq!(leased.len(), 3);
    assert!(site.lease(10).await.is_empty());
    for job in &leased {
        site.complete(job).await.unwrap();
    }
    assert_eq!(site.lease(10).await.len(), 1, "four a minute");
    site.pass(14);
    assert!(site.lease(10).await.is_empty());
    site.pass(1);
    assert_eq!(site.lease(10).await.len(), 1, "one in fifteen seconds");
}

#[tokio::test]
async fn finished_jobs_are_kept_for_a_while() {
    let site = Site::new(Policy { keep_succeeded_seconds: 60, ..Policy::default() }).await;
    let id = site.add(job("1")).await;
    let waiting = site.add(NewJob { serial: Some("s".into()), ..job("2") }).await;
    let leased = site.lease(1).await.remove(0);
    site.complete(&leased).await.unwrap();
    site.pass(59);
    site.jobs.prune().await.unwrap();
    assert_eq!(site.state(id), Some(JobState::Succeeded));
    site.pass(1);
    site.jobs.prune().await.unwrap();
    assert_eq!((site.state(id), site.state(waiting)), (None, Some(JobState::Ready)));
    site.jobs.delete(waiting).await.unwrap();
    assert_eq!(site.counted(), BTreeMap::new());
    assert_eq!(repo::rows(&site.jobs.store.snapshot()), 0, "nothing is left of what was removed");
}

#[tokio::test]
async fn whoever_waits_is_woken_by_the_commit_that_has_a_job() {
    let site = Site::new(Policy::default()).await;
    let jobs = site.jobs.clone();
    let ask = Ask { max: 1, time: SignedDuration::from_secs(30), worker: "w".into(), built_in: false };
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let (jobs, ask) = (jobs.clone(), ask.clone());
        waiting.push(tokio::spawn(async move { jobs.lease("q", ask, Duration::from_secs(60)).await.unwrap().jobs }));
    }
    tokio::task::yield_now().await;
    site.jobs.enqueue_all((0..5).map(|_| job("{}")).collect(), None).await.unwrap();
    let mut seen = BTreeSet::new();
    for task in waiting {
        seen.extend(ids(&task.await.unwrap()));
    }
    assert_eq!(seen.len(), 5, "each has one of its own");
}

/// What may be done with jobs in a property test.
#[derive(Clone, Debug)]
enum Step {
    Add { priority: i16, delay: i64, serial: Option<u8>, unique: Option<(u8, bool)>, after: Option<usize> },
    Lease(usize),
    Complete(usize),
    Fail(usize),
    Cancel(usize),
    Retry(usize),
    Delete(usize),
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let add = (
        -2_i16..3,
        0_i64..3,
        prop::option::of(0_u8..3),
        prop::option::of((0_u8..3, any::<bool>())),
        prop::option::of(0_usize..20),
    );
    prop_oneof![
        4 => add.prop_map(|(priority, delay, serial, unique, after)| Step::Add { priority, delay: delay * 5, serial, unique, after }),
        3 => (1_usize..4).prop_map(Step::Lease),
        3 => (0_usize..20).prop_map(Step::Complete),
        2 => (0_usize..20).prop_map(Step::Fail),
        1 => (0_usize..20).prop_map(Step::Cancel),
        1 => (0_usize..20).prop_map(Step::Retry),
        1 => (0_usize..20).prop_map(Step::Delete),
        2 => (1_i64..20).prop_map(Step::Pass),
    ]
}

/// Whatever is done: counts are those of the jobs, each job that is wanted and may run is found by a worker in the end, jobs of a serial
/// key never run together, and one unfinished job has a unique key.
async fn check(steps: Vec<Step>) {
    let site = Site::new(Policy { attempts_max: 2, backoff: BACKOFF, ..Policy::default() }).await;
    let (mut made, mut held): (Vec<JobId>, Vec<LeasedJob>) = Default::default();
    for step in steps {
        match step {
            Step::Add { priority, delay, serial, unique, after } => {
                let run_at = (delay > 0).then(|| site.clock.now() + SignedDuration::from_secs(delay));
                let collision = |replace| if replace { Collision::Replace } else { Collision::Skip };
                let unique =
                    unique.map(|(key, replace)| Unique { key: key.to_string(), collision: collision(replace) });
                let after = after.and_then(|at| made.get(at)).copied().into_iter().collect();
                let new =
                    NewJob { priority, run_at, serial: serial.map(|key| key.to_string()), unique, after, ..job("{}") };
                match site.jobs.enqueue_all(vec![new], None).await {
                    Ok(jobs) => made.extend(jobs.iter().map(|job| job.id)),
                    Err(QueueError::Invalid(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            Step::Lease(max) => held.extend(site.lease(max).await),
            Step::Complete(at) if at < held.len() => drop(site.complete(&held.remove(at)).await),
            Step::Fail(at) if at < held.len() => drop(site.fail(&held.remove(at)).await),
            Step::Cancel(at) if at < made.len() => drop(site.jobs.cancel(made[at]).await),
            Step::Retry(at) if at < made.len() => drop(site.jobs.retry(made[at]).await),
            Step::Delete(at) if at < made.len() => drop(site.jobs.delete(made[at]).await),
            Step::Pass(seconds) => site.pass(seconds),
            _ => {}
        }
        agree(&site, &made);
    }
    // Workers that only succeed come to an end with everything.
    for _ in 0..1_000 {
        site.pass(60);
        for job in site.lease(10).await {
            site.complete(&job).await.unwrap();
        }
        if site.counted().keys().all(|state| state.is_final() || *state == JobState::Waiting) {
            break;
        }
    }
    agree(&site, &made);
    // What is left waits for a job that is dead, or for its turn behind one that does.
    let (mut blocked, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for _ in &made {
        for id in &made {
            let Ok((job, status)) = site.jobs.job(*id) else { continue };
            let waits = |before: &JobId| site.state(*before) == Some(JobState::Dead) || blocked.contains(before);
            let is_behind = job.serial_key.as_ref().is_some_and(|key| keys.contains(key));
            if !status.state.is_final() && (job.after.iter().any(waits) || is_behind) {
                blocked.insert(*id);
                keys.extend(job.serial_key);
            }
        }
    }
    for id in made.iter().filter(|id| !blocked.contains(id)) {
        assert!(site.state(*id).is_none_or(JobState::is_final), "{id} is {:?}", site.state(*id));
    }
}

fn agree(site: &Site, made: &[JobId]) {
    let mut counts = BTreeMap::new();
    let (mut serial, mut unique) = (BTreeSet::new(), BTreeSet::new());
    for id in made.iter().collect::<BTreeSet<_>>() {
        let Ok((job, status)) = site.jobs.job(*id) else { continue };
        *counts.entry(status.state_at(site.clock.now())).or_insert(0_u64) += 1;
        if status.state == JobState::Running {
            assert!(job.serial_key.is_none_or(|key| serial.insert(key)), "two of a serial key run");
        }
        if !status.state.is_final() && status.state != JobState::Running {
            assert!(job.unique_key.is_none_or(|key| unique.insert(key)), "two of a unique key wait");
        }
    }
    // A job whose time has come counts as what it was until somebody asks.
    let waiting = |counts: &BTreeMap<JobState, u64>| {
        let of = |state| counts.get(&state).copied().unwrap_or(0);
        of(JobState::Scheduled) + of(JobState::Ready) + of(JobState::Failed)
    };
    let known = site.counted();
    assert_eq!(waiting(&known), waiting(&counts));
    for state in [JobState::Waiting, JobState::Running, JobState::Succeeded, JobState::Dead, JobState::Cancelled] {
        assert_eq!(known.get(&state), counts.get(&state), "{state:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_is_lost_miscounted_or_run_together(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(steps));
    }
}
