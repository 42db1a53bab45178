//! Changing what a job is to do, before it starts or once it has ended.

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::{
    error::QueueError,
    model::{Job, JobId, JobState},
    repo::JOBS,
    service::Jobs,
    work::Work,
};
use crate::store::Json;

/// What is to be other about a job. What is absent stays.
#[derive(Clone, Debug, Default)]
pub struct JobChange {
    /// With what it is done.
    pub payload: Option<Box<RawValue>>,
    /// Jobs with a greater one start before others.
    pub priority: Option<i16>,
    /// When it may start.
    pub run_at: Option<Timestamp>,
    /// How often it is tried.
    pub attempts_max: Option<u32>,
}

impl Jobs {
    /// Changes a job that does not run. One that has ended stays so, until it is retried.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::Conflict`] for one that runs.
    pub async fn change(&self, id: JobId, change: JobChange) -> Result<(), QueueError> {
        self.write(move |work| work.change(id, change)).await
    }
}

impl Work<'_, '_> {
    fn change(&mut self, id: JobId, change: JobChange) -> Result<(), QueueError> {
        let (job, status) = self.find(id)?.ok_or(QueueError::NotFound)?;
        if status.state == JobState::Running {
            return Err(QueueError::Conflict("the job runs; cancel it, or wait until it ends".into()));
        }
        self.touch(job.queue);
        let JobChange { payload, priority, run_at, attempts_max } = change;
        let changed = Job {
            payload: payload.unwrap_or_else(|| job.payload.clone()),
            priority: priority.unwrap_or(job.priority),
            run_at: run_at.or(job.run_at).filter(|at| *at > self.now),
            attempts_max: attempts_max.or(job.attempts_max),
            ..job.clone()
        };
        if status.state.is_final() {
            return Ok(self.tx.put(JOBS, &id, &Json(changed))?);
        }
        // A pause after a failure goes on, unless another time is given.
        let pause = status.due_at.filter(|at| status.state == JobState::Failed && run_at.is_none() && *at > self.now);
        self.put_changed(id, (&job, &status), &changed, pause)
    }
}
