//! How jobs end: well, in vain, or not wanted any more; and what that sets free.

use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};
use serde_json::value::RawValue;

use super::{
    error::QueueError,
    keys,
    model::{Attempt, Job, JobId, JobState, Status, WaitFor},
    repo::{self, ATTEMPTS, DONE, JOBS, LEASED, LINES, SERIAL, UNIQUE, WAITS},
    stats::Tally,
    work::Work,
};
use crate::store::{Json, Raw, Read as _, Scan, StoreError};

/// The greatest length of an error that is kept, in bytes.
const ERROR_BYTES_MAX: usize = 4_096;
/// The most lines that a job logs.
pub(super) const LINES_MAX: u32 = 1_000;

/// Why an attempt failed.
#[derive(Clone, Debug, Default)]
pub struct Failure {
    /// For people.
    pub error: String,
    /// When to try again, if not after the pause of the job.
    pub retry_after: Option<SignedDuration>,
    /// Whether trying again is in vain.
    pub is_final: bool,
}

impl Failure {
    /// One that may not come again.
    #[must_use]
    pub fn new(error: impl Into<String>) -> Self {
        Self { error: error.into(), ..Self::default() }
    }

    /// One that would come again each time.
    #[must_use]
    pub fn for_good(error: impl Into<String>) -> Self {
        Self { is_final: true, ..Self::new(error) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a job could not read or write the store");
        Self::new("the store could not be read or written")
    }
}

/// What a worker says while it works.
#[derive(Clone, Debug, Default)]
pub struct Beat {
    /// For how long it wants the job from now on.
    pub time: Option<SignedDuration>,
    /// How far it is.
    pub progress: Option<Box<RawValue>>,
    /// Lines for the job's log.
    pub lines: Vec<String>,
}

/// What a worker hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Until when it has the job.
    pub until: Timestamp,
    /// Whether it is to stop: the job is not wanted any more.
    pub cancelling: bool,
}

impl Work<'_, '_> {
    /// The job of a lease that holds.
    fn leased(&self, id: JobId, token: &str) -> Result<(Job, Status), QueueError> {
        let (job, status) = self.find(id)?.ok_or(QueueError::NotFound)?;
        let holds =
            status.state == JobState::Running && status.lease.as_ref().is_some_and(|lease| lease.token == token);
        if holds { Ok((job, status)) } else { Err(QueueError::LeaseLost) }
    }

    /// A worker is done with a job.
    pub(super) fn complete(&mut self, id: JobId, token: &str, result: Option<Box<RawValue>>) -> Result<(), QueueError> {
        let (job, status) = self.leased(id, token)?;
        self.stats.ended(job.queue, self.now, Tally::Succeeded, status.started_at);
        self.end(id, &job, Status { result, error: None, ..status }, JobState::Succeeded)
    }

    /// A worker could not do a job.
    pub(super) fn fail(&mut self, id: JobId, token: &str, failure: Failure) -> Result<JobState, QueueError> {
        let (job, status) = self.leased(id, token)?;
        let Failure { error, retry_after, is_final } = failure;
        let retry_after = if is_final { Some(None) } else { retry_after.map(Some) };
        self.end_attempt(id, &job, status, error, retry_after)
    }

    /// A worker is still at it.
    pub(super) fn beat(&mut self, id: JobId, token: &str, beat: Beat) -> Result<Heard, QueueError> {
        let (job, mut status) = self.leased(id, token)?;
        self.touch(job.queue);
        let Some(mut lease) = status.lease.take() else { return Err(QueueError::LeaseLost) };
        if let Some(time) = beat.time {
            self.tx.delete(LEASED, &keys::timed(lease.until, id)[..])?;
            lease.until = self.now.saturating_add(time).unwrap_or(Timestamp::MAX);
            self.tx.put(LEASED, &keys::timed(lease.until, id)[..], &Raw(Vec::new()))?;
            self.note_time(lease.until);
        }
        for line in beat.lines {
            if status.lines < LINES_MAX {
                let text = serde_json::json!({"at": self.now, "text": cut(line)}).to_string();
                self.tx.put(LINES, &keys::numbered(id, status.lines)[..], &Raw(text.into_bytes()))?;
                status.lines += 1;
            }
        }
        let heard = Heard { until: lease.until, cancelling: status.cancelling };
        let progress = beat.progress.or(status.progress);
        self.put_status(id, &Status { progress, lease: Some(lease), ..status })?;
        Ok(heard)
    }

    /// A worker stops before it is done: the attempt does not count, and the job goes back to its place.
    pub(super) fn give_back(&mut self, id: JobId, token: &str) -> Result<(), QueueError> {
        let (job, status) = self.leased(id, token)?;
        if status.cancelling || self.is_superseded(id, &job)? {
            return self.cancel_now(id, &job, status, "it was cancelled, or a newer job took its place");
        }
        self.unplace(id, &job, &status)?;
        let attempts = status.attempts.saturating_sub(1);
        let status = Status { state: JobState::Ready, attempts, due_at: None, lease: None, ..status };
        self.place(id, &job, &status)?;
        Ok(self.put_status(id, &status)?)
    }

    /// Ends an attempt that did not succeed. `retry_after` is a time of the worker's own, or `Some(None)` when trying again is in vain.
    pub(super) fn end_attempt(
        &mut self,
        id: JobId,
        job: &Job,
        status: Status,
        error: String,
        retry_after: Option<Option<SignedDuration>>,
    ) -> Result<JobState, QueueError> {
        let error = cut(error);
        let attempt = Attempt {
            number: status.attempts,
            started_at: status.started_at.unwrap_or(self.now),
            ended_at: self.now,
            worker: status.lease.as_ref().map_or_else(String::new, |lease| lease.worker.clone()),
            error: error.clone(),
        };
        self.tx.put(ATTEMPTS, &keys::numbered(id, status.attempts)[..], &Json(attempt))?;
        let status = Status { error: Some(error), ..status };
        let policy = self.policy(job.queue)?;
        let is_last = status.attempts.saturating_sub(status.spent) >= job.attempts_max.unwrap_or(policy.attempts_max);
        // A newer job of the same unique key does what this one was to do.
        if status.cancelling || self.is_superseded(id, job)? {
            self.end(id, job, status, JobState::Cancelled)?;
            return Ok(JobState::Cancelled);
        }
        if is_last || retry_after == Some(None) {
            self.stats.ended(job.queue, self.now, Tally::Dead, status.started_at);
            self.end(id, job, status, JobState::Dead)?;
            return Ok(JobState::Dead);
        }
        self.stats.ended(job.queue, self.now, Tally::Failed, status.started_at);
        let pause = retry_after.flatten();
        let pause = pause.unwrap_or_else(|| job.backoff.unwrap_or(policy.backoff).pause(id, status.attempts));
        self.unplace(id, job, &status)?;
        let due_at = self.now.saturating_add(pause).unwrap_or(Timestamp::MAX);
        let status = Status { state: JobState::Failed, due_at: Some(due_at), lease: None, ..status };
        self.place(id, job, &status)?;
        self.put_status(id, &status)?;
        // There is room for another one.
        self.ring_if_bounded(job)?;
        Ok(JobState::Failed)
    }

    /// Cancels a job that no worker has.
    pub(super) fn cancel_now(&mut self, id: JobId, job: &Job, status: Status, why: &str) -> Result<(), QueueError> {
        self.end(id, job, Status { error: Some(why.into()), ..status }, JobState::Cancelled)
    }

    /// Brings a job to a final state, and lets others go on that waited for it.
    fn end(&mut self, id: JobId, job: &Job, status: Status, state: JobState) -> Result<(), QueueError> {
        self.unplace(id, job, &status)?;
        let was_running = status.state == JobState::Running;
        let policy = self.policy(job.queue)?;
        if let Some(unique) = &job.unique_key
            && !self.is_superseded(id, job)?
        {
            self.tx.delete(UNIQUE, &keys::unique(job.queue, &job.kind, unique)[..])?;
        }
        // It is told no more how those end for which it waited.
        for before in job.after.iter().filter(|_| status.pending > 0) {
            self.tx.delete(WAITS, &keys::waits(*before, id)[..])?;
        }
        let turn = status.turn;
        let is_kept = policy.keep_seconds(state) > 0;
        if is_kept {
            let status =
                Status { state, finished_at: Some(self.now), lease: None, turn: None, cancelling: false, ..status };
            self.put_status(id, &status)?;
            self.tx.put(DONE, &keys::done(job.queue, state, self.now, id)[..], &Raw(Vec::new()))?;
            self.count(job.queue, state, 1);
        } else {
            repo::forget(self.tx, id)?;
        }
        if let (Some(serial), Some(turn)) = (&job.serial_key, turn) {
            self.tx.delete(SERIAL, &keys::serial(job.queue, serial, turn)[..])?;
            self.let_next(job.queue, serial)?;
        }
        // Nobody can try one again that is not kept.
        let told = if is_kept || state != JobState::Dead { state } else { JobState::Cancelled };
        self.let_dependents(id, told)?;
        if was_running {
            self.ring_if_bounded(job)?;
        }
        Ok(())
    }

    /// Wakes who waits for room in a queue with a bound on what runs.
    fn ring_if_bounded(&mut self, job: &Job) -> Result<(), QueueError> {
        if self.policy(job.queue)?.concurrency > 0 {
            self.ring(job.queue, true);
            self.ring(job.queue, false);
        }
        Ok(())
    }

    /// Whether a newer job has taken the unique key of one over, while it ran.
    fn is_superseded(&self, id: JobId, job: &Job) -> Result<bool, QueueError> {
        let Some(unique) = &job.unique_key else { return Ok(false) };
        let holder = self.tx.get(UNIQUE, &keys::unique(job.queue, &job.kind, unique)[..])?;
        Ok(holder.is_none_or(|Json(holder)| holder != id))
    }

    /// Lets the next job of a serial key go on.
    pub(super) fn let_next(&mut self, queue: u32, serial: &str) -> Result<(), QueueError> {
        let Some(next) = self.next_of(queue, serial)? else { return Ok(()) };
        if let Some((job, status)) = self.find(next)?
            && status.state == JobState::Waiting
        {
            self.release(next, &job, status)?;
        }
        Ok(())
    }

    /// Tells the jobs that wait for one how it ended.
    fn let_dependents(&mut self, id: JobId, state: JobState) -> Result<(), QueueError> {
        let (from, to) = keys::range(id.0.as_bytes().to_vec());
        let mut waiting = Vec::new();
        self.tx.scan::<StoreError>(WAITS.name(), &from, &to, Scan::Forward, &mut |key, _| {
            waiting.push(keys::id_at_end(key)?);
            Ok(ControlFlow::Continue(()))
        })?;
        for dependent in waiting {
            let found = self.find(dependent)?.filter(|(_, status)| status.state == JobState::Waiting);
            if let Some((job, status)) = found {
                match (state, job.wait_for) {
                    // It may be tried again.
                    (JobState::Dead, WaitFor::Success) => continue,
                    (JobState::Cancelled, WaitFor::Success) => self.forlorn.push(dependent),
                    _ => {
                        let status = Status { pending: status.pending.saturating_sub(1), ..status };
                        self.put_status(dependent, &status)?;
                        self.release(dependent, &job, status)?;
                    }
                }
            }
            self.tx.delete(WAITS, &keys::waits(id, dependent)[..])?;
        }
        Ok(())
    }

    /// Does not want a job any more: one that no worker has is cancelled at once, the worker of another is asked to stop.
    pub(super) fn cancel(&mut self, id: JobId, why: &str) -> Result<JobState, QueueError> {
        let (job, status) = self.find(id)?.ok_or(QueueError::NotFound)?;
        match status.state {
            JobState::Running => {
                self.touch(job.queue);
                self.put_status(id, &Status { cancelling: true, ..status })?;
                Ok(JobState::Running)
            }
            state if state.is_final() => Ok(state),
            _ => self.cancel_now(id, &job, status, why).map(|()| JobState::Cancelled),
        }
    }

    /// Runs a job once more that has ended, or at once that waits for its time. `turn` is a new place in the order of its serial key.
    pub(super) fn retry(&mut self, id: JobId, turn: JobId) -> Result<(), QueueError> {
        let (job, status) = self.find(id)?.ok_or(QueueError::NotFound)?;
        match status.state {
            JobState::Running | JobState::Waiting => {
                let why = "the job runs, or waits for others; cancel it first";
                return Err(QueueError::Conflict(why.into()));
            }
            JobState::Scheduled | JobState::Ready | JobState::Failed => {
                self.unplace(id, &job, &status)?;
                let status = Status { state: JobState::Ready, due_at: Some(self.now), ..status };
                self.place(id, &job, &status)?;
                return Ok(self.put_status(id, &status)?);
            }
            JobState::Succeeded | JobState::Dead | JobState::Cancelled => {}
        }
        if let Some(unique) = &job.unique_key {
            let key = keys::unique(job.queue, &job.kind, unique);
            if self.tx.get(UNIQUE, &key[..])?.is_some() {
                return Err(QueueError::Conflict("another job has its unique key by now".into()));
            }
            self.tx.put(UNIQUE, &key[..], &Json(id))?;
        }
        self.unplace(id, &job, &status)?;
        let Status { attempts, lines, .. } = status;
        let mut fresh = Status { attempts, spent: attempts, lines, ..Status::new(JobState::Waiting) };
        self.take_turn(id, turn, &job, &mut fresh)?;
        // It is not to expire before it starts, nor to wait for a time that is long over.
        let job = Job { run_at: None, expires_at: None, ..job };
        self.tx.put(JOBS, &id, &Json(job.clone()))?;
        self.count(job.queue, JobState::Waiting, 1);
        self.put_status(id, &fresh)?;
        Ok(self.release(id, &job, fresh)?)
    }

    /// Removes a job that no worker has, whatever its state.
    pub(super) fn remove_any(&mut self, id: JobId) -> Result<(), QueueError> {
        let (job, status) = self.find(id)?.ok_or(QueueError::NotFound)?;
        if status.state == JobState::Running {
            return Err(QueueError::Conflict("the job runs; cancel it first".into()));
        }
        if !status.state.is_final() {
            self.cancel_now(id, &job, status, "it was removed")?;
        }
        match self.find(id)? {
            Some((job, status)) => self.remove(id, &job, &status),
            None => Ok(()),
        }
    }

    /// Removes a job that has ended, with everything of it.
    fn remove(&mut self, id: JobId, job: &Job, status: &Status) -> Result<(), QueueError> {
        self.unplace(id, job, status)?;
        repo::forget(self.tx, id)?;
        // Those who still wait for it would wait for ever.
        self.let_dependents(id, JobState::Cancelled)
    }

    /// Removes jobs that have been in a final state for long enough, at most `max`. Answers how many.
    pub(super) fn prune(
        &mut self,
        queue: u32,
        state: JobState,
        before: Timestamp,
        max: usize,
    ) -> Result<usize, QueueError> {
        let (from, to) = keys::done_until(queue, state, before);
        let ids = repo::first_ids(self.tx, DONE.name(), (&from, &to), max)?;
        for id in &ids {
            let (job, status) = self.find(*id)?.ok_or_else(|| StoreError::corrupt("a finished job is not there"))?;
            self.remove(*id, &job, &status)?;
        }
        Ok(ids.len())
    }
}

/// An error as it is kept.
fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(ERROR_BYTES_MAX));
    text
}
