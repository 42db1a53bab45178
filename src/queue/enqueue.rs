//! Making jobs.

use jiff::Timestamp;

use super::{
    error::QueueError,
    keys,
    model::{Collision, Job, JobId, JobState, NewJob, Queue, Status, WaitFor},
    repo::{self, JOBS, SERIAL, UNIQUE, WAITS},
    stats::Tally,
    work::Work,
};
use crate::{
    kernel::FieldError,
    store::{Json, Raw, Read as _},
};

/// What came of a job that was to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// The id of the job, or of the one that is there already.
    pub id: JobId,
    /// How it came about.
    pub outcome: Making,
}

/// How a job came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Making {
    /// It was made.
    Created,
    /// Another one has its unique key; nothing was made.
    Skipped,
    /// It took the place of another one, under that one's id.
    Replaced,
}

impl Making {
    /// Its name in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Skipped => "skipped",
            Self::Replaced => "replaced",
        }
    }
}

impl Work<'_, '_> {
    /// Makes a job. `id` is its own, and later than that of any job that was made before.
    pub(super) fn enqueue(
        &mut self,
        id: JobId,
        queue: &Queue,
        new: &NewJob,
        built_in: bool,
    ) -> Result<Enqueued, QueueError> {
        self.know(queue);
        if let Some(unique) = &new.unique
            && let Some(other) = self.holder(queue.number, &new.kind, &unique.key)?
        {
            let (job, status) = self.find(other)?.ok_or(QueueError::NotFound)?;
            match unique.collision {
                Collision::Skip => return Ok(Enqueued { id: other, outcome: Making::Skipped }),
                Collision::Replace if status.state != JobState::Running => {
                    self.replace(other, (&job, &status), new)?;
                    return Ok(Enqueued { id: other, outcome: Making::Replaced });
                }
                // What runs cannot be changed: the new one takes the key over and runs after it.
                Collision::Replace => {}
            }
        }
        let job = self.job_of(queue, new, built_in);
        let mut status = Status { due_at: job.run_at, ..Status::new(JobState::Ready) };
        if let Some(unique) = &new.unique {
            self.tx.put(UNIQUE, &keys::unique(queue.number, &new.kind, &unique.key)[..], &Json(id))?;
        }
        self.take_turn(id, id, &job, &mut status)?;
        status.pending = self.wait_for_others(id, &job)?;
        self.tx.put(JOBS, &id, &Json(job.clone()))?;
        if status.pending > 0 || !self.is_its_turn(&job, &status)? {
            status.state = JobState::Waiting;
            self.count(job.queue, JobState::Waiting, 1);
            self.put_status(id, &status)?;
        } else {
            status.state = if job.run_at.is_some() { JobState::Scheduled } else { JobState::Ready };
            self.place(id, &job, &status)?;
            // A job of which nothing but its time is to be known needs no status.
            if status.turn.is_some() {
                self.put_status(id, &status)?;
            }
        }
        self.stats.count(job.queue, self.now, Tally::Made);
        Ok(Enqueued { id, outcome: Making::Created })
    }

    fn job_of(&self, queue: &Queue, new: &NewJob, built_in: bool) -> Job {
        let new = new.clone();
        Job {
            queue: queue.number,
            kind: new.kind,
            payload: new.payload,
            priority: new.priority,
            created_at: self.now,
            run_at: new.run_at.filter(|at| *at > self.now),
            attempts_max: new.attempts_max,
            backoff: new.backoff,
            unique_key: new.unique.map(|unique| unique.key),
            serial_key: new.serial,
            after: new.after,
            wait_for: new.wait_for,
            expires_at: new.expires_at,
            scheduled: new.scheduled,
            by: new.by,
            built_in,
        }
    }

    /// The unfinished job that has a unique key.
    fn holder(&self, queue: u32, kind: &str, unique: &str) -> Result<Option<JobId>, QueueError> {
        Ok(self.tx.get(UNIQUE, &keys::unique(queue, kind, unique)[..])?.map(|Json(id)| id))
    }

    /// Puts what a new job is to do in the place of what one was to do that has not started.
    fn replace(&mut self, id: JobId, (job, status): (&Job, &Status), new: &NewJob) -> Result<(), QueueError> {
        let run_at = new.run_at.filter(|at| *at > self.now);
        let replaced = Job {
            payload: new.payload.clone(),
            priority: new.priority,
            run_at,
            attempts_max: new.attempts_max,
            backoff: new.backoff,
            expires_at: new.expires_at,
            by: new.by.clone(),
            ..job.clone()
        };
        self.put_changed(id, (job, status), &replaced, None)
    }

    /// Changes a job that has not started, or failed; `pause` is until when one that failed waits.
    pub(super) fn put_changed(
        &mut self,
        id: JobId,
        (before, status): (&Job, &Status),
        job: &Job,
        pause: Option<Timestamp>,
    ) -> Result<(), QueueError> {
        self.tx.put(JOBS, &id, &Json(job.clone()))?;
        if status.state == JobState::Waiting {
            return Ok(());
        }
        self.unplace(id, before, status)?;
        let status = match (pause, job.run_at) {
            (Some(_), _) => Status { state: JobState::Failed, due_at: pause, ..status.clone() },
            (None, Some(_)) => Status { state: JobState::Scheduled, due_at: job.run_at, ..status.clone() },
            (None, None) => Status { state: JobState::Ready, due_at: None, ..status.clone() },
        };
        self.place(id, job, &status)?;
        Ok(self.put_status(id, &status)?)
    }

    /// Takes the last turn among the jobs of the same serial key.
    pub(super) fn take_turn(
        &mut self,
        id: JobId,
        turn: JobId,
        job: &Job,
        status: &mut Status,
    ) -> Result<(), QueueError> {
        let Some(serial) = &job.serial_key else { return Ok(()) };
        self.tx.put(SERIAL, &keys::serial(job.queue, serial, turn)[..], &Json(id))?;
        status.turn = Some(turn);
        Ok(())
    }

    /// Notes the jobs that have to end before one. Answers how many.
    fn wait_for_others(&mut self, id: JobId, job: &Job) -> Result<u32, QueueError> {
        let mut pending = 0;
        for (at, before) in job.after.iter().enumerate() {
            let fault =
                |code, detail: &str| QueueError::Invalid(vec![FieldError::new(format!("/after/{at}"), code, detail)]);
            let found =
                repo::job(self.tx, *before)?.ok_or_else(|| fault("not_found", "there is no such job (any more)"))?;
            let state = repo::status(self.tx, *before, &found)?.state;
            match (state, job.wait_for) {
                (JobState::Succeeded, _) | (JobState::Dead | JobState::Cancelled, WaitFor::End) => continue,
                (JobState::Cancelled, WaitFor::Success) => return Err(fault("cancelled", "this job was cancelled")),
                _ => {}
            }
            if self.tx.get(WAITS, &keys::waits(*before, id)[..])?.is_none() {
                self.tx.put(WAITS, &keys::waits(*before, id)[..], &Raw(Vec::new()))?;
                pending += 1;
            }
        }
        Ok(pending)
    }
}
