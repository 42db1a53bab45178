//! What one operation of the writer does with jobs: where a job is placed, how states are counted, whom it wakes.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    bells::Bells,
    error::QueueError,
    keys,
    model::{Job, JobId, JobState, Queue, Status},
    policy::Policy,
    repo::{self, DONE, DUE, LEASED, READY, SERIAL, STATUS},
    stats::Stats,
};
use crate::store::{Json, Raw, Read as _, StoreError, Tx};

/// One operation's hold on the queue.
pub(super) struct Work<'w, 't> {
    pub(super) tx: &'w mut Tx<'t>,
    pub(super) now: Timestamp,
    bells: &'w Bells,
    pub(super) stats: &'w Stats,
    counts: BTreeMap<(u32, JobState), i64>,
    /// Queues in which something was changed.
    touched: Vec<u32>,
    /// Queues with jobs that may start now.
    woken: Vec<(u32, bool)>,
    policies: BTreeMap<u32, Policy>,
    /// Jobs that were to wait for one that will not succeed.
    pub(super) forlorn: Vec<JobId>,
}

impl<'w, 't> Work<'w, 't> {
    pub(super) fn new(tx: &'w mut Tx<'t>, (bells, stats): (&'w Bells, &'w Stats), now: Timestamp) -> Self {
        let (counts, policies) = (BTreeMap::new(), BTreeMap::new());
        let (touched, woken, forlorn) = (Vec::new(), Vec::new(), Vec::new());
        Self { tx, now, bells, stats, counts, touched, woken, policies, forlorn }
    }

    /// Ends what hangs on what was done, writes what was counted, and wakes who waits once all is on disk.
    pub(super) fn finish(mut self) -> Result<(), QueueError> {
        // One by one, for a long chain of jobs would take a deep stack.
        while let Some(id) = self.forlorn.pop() {
            if let Some((job, status)) = self.find(id)?
                && status.state == JobState::Waiting
            {
                self.cancel_now(id, &job, status, "a job that it waited for was cancelled or removed")?;
            }
        }
        for ((queue, state), change) in self.counts {
            if change != 0 {
                repo::add(self.tx, queue, state, change)?;
            }
        }
        for (queue, built_in) in self.woken {
            self.tx.wake(self.bells.of(queue, built_in));
        }
        for number in self.bells.versions(&self.touched) {
            self.tx.move_on(number);
        }
        Ok(())
    }

    pub(super) fn count(&mut self, queue: u32, state: JobState, change: i64) {
        *self.counts.entry((queue, state)).or_default() += change;
        self.touch(queue);
    }

    /// Something of a queue is other than it was.
    pub(super) fn touch(&mut self, queue: u32) {
        if !self.touched.contains(&queue) {
            self.touched.push(queue);
        }
    }

    /// How many jobs of a queue are in a state, what this operation did included.
    pub(super) fn counted(&self, queue: u32, state: JobState) -> Result<u64, StoreError> {
        let change = self.counts.get(&(queue, state)).copied().unwrap_or(0);
        Ok(repo::count(self.tx, queue, state)?.saturating_add_signed(change))
    }

    /// Somebody may have a job to start.
    pub(super) fn ring(&mut self, queue: u32, built_in: bool) {
        if !self.woken.contains(&(queue, built_in)) {
            self.woken.push((queue, built_in));
        }
    }

    /// Something is to happen at a time.
    pub(super) fn note_time(&mut self, at: Timestamp) {
        if self.bells.is_before_keeper(at) {
            self.tx.wake(std::sync::Arc::clone(&self.bells.keeper));
        }
    }

    /// What holds for the jobs of a queue.
    pub(super) fn policy(&mut self, queue: u32) -> Result<Policy, StoreError> {
        if let Some(policy) = self.policies.get(&queue) {
            return Ok(*policy);
        }
        // A queue that was removed leaves its jobs to the policy of none.
        let policy = repo::queue_of(self.tx, queue)?.map(|known| known.policy).unwrap_or_default();
        self.policies.insert(queue, policy);
        Ok(policy)
    }

    pub(super) fn know(&mut self, queue: &Queue) {
        self.policies.insert(queue.number, queue.policy);
    }

    /// Places a job that waits for nothing but its time.
    pub(super) fn place(&mut self, id: JobId, job: &Job, status: &Status) -> Result<(), StoreError> {
        match status.due_at.filter(|at| *at > self.now) {
            Some(at) => {
                self.tx.put(DUE, &keys::timed(at, id)[..], &Raw(Vec::new()))?;
                self.count(job.queue, status.state, 1);
                self.note_time(at);
            }
            None => self.make_ready(id, job)?,
        }
        Ok(())
    }

    pub(super) fn make_ready(&mut self, id: JobId, job: &Job) -> Result<(), StoreError> {
        self.tx.put(READY, &keys::ready(job.queue, job.built_in, job.priority, id)[..], &Raw(Vec::new()))?;
        self.count(job.queue, JobState::Ready, 1);
        self.ring(job.queue, job.built_in);
        Ok(())
    }

    /// Takes a job from where it is placed. Its status is to be put, or its rows are to be forgotten, afterwards.
    pub(super) fn unplace(&mut self, id: JobId, job: &Job, status: &Status) -> Result<(), StoreError> {
        let mut left = status.state;
        match status.state {
            JobState::Waiting => {}
            JobState::Scheduled | JobState::Ready | JobState::Failed => {
                let timed = status.due_at.map(|at| keys::timed(at, id));
                let was_timed = timed.map_or(Ok(false), |key| self.tx.delete(DUE, &key[..]))?;
                if !was_timed {
                    self.tx.delete(READY, &keys::ready(job.queue, job.built_in, job.priority, id)[..])?;
                    left = JobState::Ready;
                }
            }
            JobState::Running => {
                if let Some(lease) = &status.lease {
                    self.tx.delete(LEASED, &keys::timed(lease.until, id)[..])?;
                }
            }
            JobState::Succeeded | JobState::Dead | JobState::Cancelled => {
                if let Some(at) = status.finished_at {
                    self.tx.delete(DONE, &keys::done(job.queue, status.state, at, id)[..])?;
                }
            }
        }
        self.count(job.queue, left, -1);
        Ok(())
    }

    /// Lets a job go on that waits for others no more, if it is its turn.
    pub(super) fn release(&mut self, id: JobId, job: &Job, status: Status) -> Result<(), StoreError> {
        if status.pending > 0 || !self.is_its_turn(job, &status)? {
            return Ok(());
        }
        self.count(job.queue, JobState::Waiting, -1);
        let state = if job.run_at.is_some_and(|at| at > self.now) { JobState::Scheduled } else { JobState::Ready };
        // It might not start before now.
        let status = Status { state, due_at: job.run_at.or(Some(self.now)), ..status };
        self.place(id, job, &status)?;
        self.put_status(id, &status)
    }

    /// Whether no job of the same serial key comes before.
    pub(super) fn is_its_turn(&self, job: &Job, status: &Status) -> Result<bool, StoreError> {
        let (Some(serial), Some(turn)) = (&job.serial_key, status.turn) else { return Ok(true) };
        let (from, to) = keys::range(keys::serial_prefix(job.queue, serial));
        Ok(repo::first_ids(self.tx, SERIAL.name(), (&from, &to), 1)?.first() == Some(&turn))
    }

    pub(super) fn put_status(&mut self, id: JobId, status: &Status) -> Result<(), StoreError> {
        self.tx.put(STATUS, &id, &Json(status.clone()))
    }

    /// A job with how far it is.
    pub(super) fn find(&self, id: JobId) -> Result<Option<(Job, Status)>, StoreError> {
        let Some(job) = repo::job(self.tx, id)? else { return Ok(None) };
        let status = repo::status(self.tx, id, &job)?;
        Ok(Some((job, status)))
    }

    /// The job under a serial key whose turn is the first.
    pub(super) fn next_of(&self, queue: u32, serial: &str) -> Result<Option<JobId>, StoreError> {
        let (from, to) = keys::range(keys::serial_prefix(queue, serial));
        let Some(turn) = repo::first_ids(self.tx, SERIAL.name(), (&from, &to), 1)?.first().copied() else {
            return Ok(None);
        };
        Ok(self.tx.get(SERIAL, &keys::serial(queue, serial, turn)[..])?.map(|Json(id)| id))
    }
}
