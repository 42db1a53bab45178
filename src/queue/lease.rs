//! Handing jobs to workers, and taking them back when a worker is silent.

use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};
use serde_json::value::RawValue;

use super::{
    error::QueueError,
    keys,
    model::{Job, JobId, JobState, Lease, Queue, Scheduled, Status},
    policy::Rate,
    repo::{self, DUE, LEASED, RATES, READY},
    work::Work,
};
use crate::{
    access::secret::random_letters,
    store::{Json, Raw, Read as _, Scan, StoreError},
};

/// The length of a lease's token, in characters.
const TOKEN_LENGTH: usize = 22;
/// The most expired jobs that one request for jobs steps over.
const EXPIRED_MAX: usize = 1_000;
/// The most jobs whose time has come, or whose worker is silent, that one request for jobs moves.
pub(super) const MOVED_MAX: usize = 1_000;

/// What a worker asks for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The most jobs.
    pub max: usize,
    /// For how long it wants each; it can ask for more time.
    pub time: SignedDuration,
    /// What it calls itself.
    pub worker: String,
    /// Whether it is the server itself.
    pub(super) built_in: bool,
}

impl Ask {
    /// What a worker outside asks for.
    #[must_use]
    pub fn new(max: usize, time: SignedDuration, worker: String) -> Self {
        Self { max, time, worker, built_in: false }
    }

    /// The same for another number of jobs.
    #[must_use]
    pub fn with_max(self, max: usize) -> Self {
        Self { max, ..self }
    }
}

/// A job in the hands of a worker.
#[derive(Clone, Debug)]
pub struct LeasedJob {
    /// The id.
    pub id: JobId,
    /// What is to be done.
    pub kind: String,
    /// With what.
    pub payload: Box<RawValue>,
    /// How often it was started, this time included.
    pub attempts: u32,
    /// How often it is tried.
    pub attempts_max: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// The schedule that made it.
    pub scheduled: Option<Scheduled>,
    /// How far an earlier attempt said that it was.
    pub progress: Option<Box<RawValue>>,
    /// What the worker shows to prove that the job is its own.
    pub token: String,
    /// Until when it is.
    pub until: Timestamp,
}

/// What a worker gets.
#[derive(Clone, Debug, Default)]
pub struct Leased {
    /// The jobs, those of the greatest priority first.
    pub jobs: Vec<LeasedJob>,
    /// When the queue's rate allows the next one, if that is what the worker waits for.
    pub allowed_at: Option<Timestamp>,
}

impl Work<'_, '_> {
    /// Hands out jobs of a queue.
    pub(super) fn lease(&mut self, queue: &Queue, ask: &Ask) -> Result<Leased, QueueError> {
        self.know(queue);
        self.promote(MOVED_MAX)?;
        self.reclaim(MOVED_MAX)?;
        let mut leased = Leased::default();
        if queue.paused {
            return Ok(leased);
        }
        let mut free = ask.max;
        if queue.policy.concurrency > 0 {
            let running = self.counted(queue.number, JobState::Running)?;
            let left = u64::from(queue.policy.concurrency).saturating_sub(running);
            free = free.min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        if let Some(rate) = queue.policy.rate {
            let (allowed, at) = self.allowed(queue.number, rate, free)?;
            free = allowed;
            leased.allowed_at = at;
        }
        let (from, to) = keys::range(keys::ready_prefix(queue.number, ask.built_in));
        let mut expired = 0;
        while leased.jobs.len() < free && expired < EXPIRED_MAX {
            let ids = repo::first_ids(self.tx, READY.name(), (&from, &to), free - leased.jobs.len())?;
            if ids.is_empty() {
                break;
            }
            for id in ids {
                match self.start(id, queue, ask)? {
                    Some(job) => leased.jobs.push(job),
                    None => expired += 1,
                }
            }
        }
        if let Some(rate) = queue.policy.rate {
            self.use_up(queue.number, rate, leased.jobs.len())?;
        }
        // Whoever else waits may have what is left.
        if !leased.jobs.is_empty() && !repo::first_ids(self.tx, READY.name(), (&from, &to), 1)?.is_empty() {
            self.ring(queue.number, ask.built_in);
        }
        Ok(leased)
    }

    /// Starts an attempt, unless the job has expired.
    fn start(&mut self, id: JobId, queue: &Queue, ask: &Ask) -> Result<Option<LeasedJob>, QueueError> {
        let (job, status) = self.find(id)?.ok_or_else(|| StoreError::corrupt("a ready job is not there"))?;
        if status.attempts == 0 && job.expires_at.is_some_and(|end| end <= self.now) {
            self.cancel_now(id, &job, status, "it was not started before it expired")?;
            return Ok(None);
        }
        self.tx.delete(READY, &keys::ready(job.queue, job.built_in, job.priority, id)[..])?;
        self.count(job.queue, JobState::Ready, -1);
        self.count(job.queue, JobState::Running, 1);
        let until = self.now.saturating_add(ask.time).unwrap_or(Timestamp::MAX);
        let token = random_letters(TOKEN_LENGTH);
        let lease = Lease { token: token.clone(), until, worker: ask.worker.clone() };
        let attempts = status.attempts.saturating_add(1);
        let status = Status {
            state: JobState::Running,
            attempts,
            started_at: Some(self.now),
            lease: Some(lease),
            cancelling: false,
            ..status
        };
        self.stats.started(job.queue, self.now, status.due_at.unwrap_or(job.created_at));
        self.put_status(id, &status)?;
        self.tx.put(LEASED, &keys::timed(until, id)[..], &Raw(Vec::new()))?;
        self.note_time(until);
        let attempts_max = job.attempts_max.unwrap_or(queue.policy.attempts_max);
        let Job { kind, payload, created_at, scheduled, .. } = job;
        let progress = status.progress;
        Ok(Some(LeasedJob { id, kind, payload, attempts, attempts_max, created_at, scheduled, progress, token, until }))
    }

    /// How many of `wanted` jobs the rate of a queue allows now, and when it allows the next, if none
    /// (GCRA: the time until which the rate is used up moves on by a step for each job).
    fn allowed(&self, queue: u32, rate: Rate, wanted: usize) -> Result<(usize, Option<Timestamp>), QueueError> {
        let (step, window) = step_of(rate);
        let now = micros(self.now);
        let used_until = self.tx.get(RATES, &queue)?.map_or(0, |Json(at)| at).max(now);
        let left = (now + window).saturating_sub(used_until) / step;
        let allowed = usize::try_from(left).unwrap_or(usize::MAX);
        let next = (allowed == 0).then(|| {
            // The first moment at which one more fits.
            let at = (used_until + (left + 1) * step).saturating_sub(window);
            i64::try_from(at.div_ceil(1_000)).ok().and_then(|at| Timestamp::from_millisecond(at).ok())
        });
        Ok((allowed.min(wanted), next.flatten()))
    }

    fn use_up(&mut self, queue: u32, rate: Rate, jobs: usize) -> Result<(), QueueError> {
        if jobs == 0 {
            return Ok(());
        }
        let now = micros(self.now);
        let used_until = self.tx.get(RATES, &queue)?.map_or(0, |Json(at)| at).max(now);
        Ok(self.tx.put(RATES, &queue, &Json(used_until + step_of(rate).0 * jobs as u64))?)
    }

    /// Makes jobs ready whose time has come. Answers how many.
    pub(super) fn promote(&mut self, max: usize) -> Result<usize, QueueError> {
        let ids = repo::first_ids(self.tx, DUE.name(), (&[], &keys::timed_until(self.now)), max)?;
        for id in &ids {
            let (job, status) = self.find(*id)?.ok_or_else(|| StoreError::corrupt("a due job is not there"))?;
            if let Some(at) = status.due_at {
                self.tx.delete(DUE, &keys::timed(at, *id)[..])?;
            }
            self.count(job.queue, status.state, -1);
            self.make_ready(*id, &job)?;
        }
        Ok(ids.len())
    }

    /// Takes jobs back whose workers are silent. Answers how many.
    pub(super) fn reclaim(&mut self, max: usize) -> Result<usize, QueueError> {
        let ids = repo::first_ids(self.tx, LEASED.name(), (&[], &keys::timed_until(self.now)), max)?;
        for id in &ids {
            let (job, status) = self.find(*id)?.ok_or_else(|| StoreError::corrupt("a leased job is not there"))?;
            self.end_attempt(*id, &job, status, "the worker was silent until its lease had ended".into(), None)?;
        }
        Ok(ids.len())
    }

    /// When something is to happen next.
    pub(super) fn next_time(source: &impl crate::store::Read) -> Result<Option<Timestamp>, StoreError> {
        let mut next = None;
        for table in [DUE.name(), LEASED.name()] {
            source.scan::<StoreError>(table, &[], &[], Scan::Forward, &mut |key, _| {
                let at = keys::time_at_start(key)?;
                next = Some(next.map_or(at, |next: Timestamp| next.min(at)));
                Ok(ControlFlow::Break(()))
            })?;
        }
        Ok(next)
    }
}

fn micros(at: Timestamp) -> u64 {
    u64::try_from(at.as_microsecond()).unwrap_or(0)
}

/// The step of one job and the window of the whole rate, in microseconds.
fn step_of(rate: Rate) -> (u64, u64) {
    let window = u64::from(rate.seconds.max(1)) * 1_000_000;
    ((window / u64::from(rate.jobs.max(1))).max(1), window)
}
