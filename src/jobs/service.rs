//! Use cases of jobs and queues: the permission first, then the queue.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::{
    access::{Action, Principal, Who},
    collections::collections_with_queue,
    queue::{
        Ask, Attempt, Beat, Counted, Enqueued, Failure, Heard, JobChange, JobId, JobPage, JobQuery, JobState, Jobs,
        LeaseState, Leased, Listed, Many, NewJob, Policy, Queue, QueueError, QueueMetrics, allow,
    },
    schedules,
    store::Tx,
};

/// The most jobs that one request by a filter cancels, retries or removes.
pub(super) const MANY_MAX: usize = 1_000;

/// Use cases of jobs and queues.
#[derive(Clone, Debug)]
pub struct JobService {
    jobs: Jobs,
    /// How long a request may wait for a job.
    wait_max: Duration,
}

impl JobService {
    /// The use cases. No request waits for a job for longer than a request may take.
    #[must_use]
    pub fn new(jobs: Jobs, request_timeout: Duration) -> Self {
        Self { jobs, wait_max: request_timeout.saturating_sub(Duration::from_secs(2)) }
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.jobs.now()
    }

    /// Makes jobs, all or none, and one that starts once all of them have succeeded.
    ///
    /// # Errors
    /// [`QueueError::Forbidden`] without `create` for each queue, [`QueueError::Invalid`].
    pub async fn enqueue(
        &self,
        caller: &Principal,
        new: Vec<NewJob>,
        then: Option<NewJob>,
    ) -> Result<Vec<Enqueued>, QueueError> {
        for job in new.iter().chain(&then) {
            self.jobs.permit(caller, &job.queue, &job.kind)?;
        }
        self.jobs.enqueue_all(new, then).await
    }

    /// A job of which the caller may do this. Of others it is not told that they are there.
    fn find(&self, caller: &Principal, id: &str, action: Action) -> Result<Listed, QueueError> {
        let listed = self.jobs.listed(JobId::parse(id).ok_or(QueueError::NotFound)?)?;
        match allow(caller, &listed.queue, action) {
            Ok(()) => Ok(listed),
            Err(error) if allow(caller, &listed.queue, Action::Read).is_ok() => Err(error),
            Err(_) => Err(QueueError::NotFound),
        }
    }

    /// A job.
    ///
    /// # Errors
    /// [`QueueError::NotFound`].
    pub fn read(&self, caller: &Principal, id: &str) -> Result<(Listed, Vec<Attempt>), QueueError> {
        let listed = self.find(caller, id, Action::Read)?;
        let attempts = self.jobs.attempts(listed.id)?;
        Ok((listed, attempts))
    }

    /// The lines that a job has logged.
    ///
    /// # Errors
    /// [`QueueError::NotFound`].
    pub fn lines(&self, caller: &Principal, id: &str) -> Result<Vec<Box<RawValue>>, QueueError> {
        self.jobs.lines(self.find(caller, id, Action::Read)?.id)
    }

    /// Jobs of one queue, or of all.
    ///
    /// # Errors
    /// [`QueueError::Forbidden`] without `list`, [`QueueError::NoQueue`].
    pub async fn list(&self, caller: &Principal, query: JobQuery) -> Result<JobPage, QueueError> {
        match &query.queue {
            Some(queue) => allow(caller, queue, Action::List)?,
            None if caller.may("queues", Action::List) => {}
            None => {
                return Err(QueueError::Forbidden("queues:list; with queues.<name>:list, name the queue".into()));
            }
        }
        self.jobs.list(query).await
    }

    /// Changes a job that has not started, or has ended.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::Forbidden`], [`QueueError::Conflict`] for one that runs.
    pub async fn change(&self, caller: &Principal, id: &str, change: JobChange) -> Result<Listed, QueueError> {
        let Listed { id, queue, job, .. } = self.find(caller, id, Action::Update)?;
        if change.payload.is_some() && self.jobs.is_built_in(&job.kind) {
            // It becomes another job, as good as a new one.
            self.jobs.permit(caller, &queue, &job.kind)?;
        }
        self.jobs.change(id, change).await?;
        self.jobs.listed(id)
    }

    /// Does not want a job any more.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::Forbidden`].
    pub async fn cancel(&self, caller: &Principal, who: &Who, id: &str) -> Result<Listed, QueueError> {
        let id = self.find(caller, id, Action::Update)?.id;
        self.jobs.cancel(id).await?;
        tracing::info!(job = %id, request_id = who.request_id, "a job was cancelled");
        self.jobs.listed(id)
    }

    /// Runs a job once more that has ended, or at once that waits for its time.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::Forbidden`], [`QueueError::Conflict`].
    pub async fn retry(&self, caller: &Principal, id: &str) -> Result<Listed, QueueError> {
        let id = self.find(caller, id, Action::Update)?.id;
        self.jobs.retry(id).await?;
        self.jobs.listed(id)
    }

    /// Removes a job that does not run.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::Forbidden`], [`QueueError::Conflict`].
    pub async fn delete(&self, caller: &Principal, id: &str) -> Result<(), QueueError> {
        let id = self.find(caller, id, Action::Delete)?.id;
        self.jobs.delete(id).await
    }

    /// Cancels, retries or removes jobs of a queue in one state, the first [`MANY_MAX`] that the query finds. Answers how many, and whether
    /// there may be more.
    ///
    /// # Errors
    /// [`QueueError::Forbidden`], [`QueueError::NoQueue`].
    pub async fn many(
        &self,
        caller: &Principal,
        who: Who,
        (queue, query): (String, JobQuery),
        many: Many,
    ) -> Result<(usize, bool), QueueError> {
        allow(caller, &queue, if many == Many::Remove { Action::Delete } else { Action::Update })?;
        let query = JobQuery { queue: Some(queue.clone()), limit: MANY_MAX, ..query };
        let page = self.jobs.list(query).await?;
        let done = self.jobs.many(page.jobs.iter().map(|listed| listed.id).collect(), many).await?;
        tracing::info!(queue, done, ?many, request_id = who.request_id, "jobs were changed by a filter");
        Ok((done, page.cursor.is_some()))
    }

    /// Hands out jobs of a queue to a worker.
    ///
    /// # Errors
    /// [`QueueError::Forbidden`] without `work`, [`QueueError::NoQueue`].
    pub async fn lease(&self, caller: &Principal, queue: &str, ask: Ask, wait: Duration) -> Result<Leased, QueueError> {
        allow(caller, queue, Action::Work)?;
        self.jobs.lease(queue, ask, wait.min(self.wait_max)).await
    }

    /// Moves on with each change in a queue on which the caller may work.
    ///
    /// # Errors
    /// [`QueueError::Forbidden`] without `work`, [`QueueError::NoQueue`].
    pub(super) fn changes_of(&self, caller: &Principal, queue: &str) -> Result<watch::Receiver<u64>, QueueError> {
        allow(caller, queue, Action::Work)?;
        self.jobs.changes_of(queue)
    }

    /// What became of a lease.
    pub(super) fn lease_state(&self, id: JobId, token: &str) -> Result<LeaseState, QueueError> {
        Ok(self.jobs.lease_state(id, token)?)
    }

    /// Resolves when the server is about to stop.
    pub(super) async fn closed(&self) {
        self.jobs.closed().await;
    }

    /// Whether the server is about to stop.
    pub(super) fn is_closed(&self) -> bool {
        self.jobs.is_closed()
    }

    /// The id of a job on which the caller may work.
    fn work(&self, caller: &Principal, id: &str) -> Result<JobId, QueueError> {
        let id = JobId::parse(id).ok_or(QueueError::NotFound)?;
        // Most workers may work on every queue, and need no look-up.
        if !caller.may("queues", Action::Work) {
            let queue = self.jobs.queue_name_of(id)?;
            allow(caller, &queue, Action::Work).map_err(|_| QueueError::NotFound)?;
        }
        Ok(id)
    }

    /// A worker is done with a job.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::LeaseLost`].
    pub async fn complete(
        &self,
        caller: &Principal,
        id: &str,
        token: String,
        result: Option<Box<RawValue>>,
    ) -> Result<(), QueueError> {
        self.jobs.complete(self.work(caller, id)?, token, result).await
    }

    /// A worker could not do a job. Answers the state to which it has come.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::LeaseLost`].
    pub async fn fail(
        &self,
        caller: &Principal,
        id: &str,
        token: String,
        failure: Failure,
    ) -> Result<JobState, QueueError> {
        self.jobs.fail(self.work(caller, id)?, token, failure).await
    }

    /// A worker is still at it.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::LeaseLost`].
    pub async fn beat(&self, caller: &Principal, id: &str, token: String, beat: Beat) -> Result<Heard, QueueError> {
        self.jobs.beat(self.work(caller, id)?, token, beat).await
    }

    /// The queues that the caller may see, with the numbers of their jobs.
    ///
    /// # Errors
    /// [`QueueError::Forbidden`] when there is none.
    pub fn queues(&self, caller: &Principal) -> Result<Vec<Counted>, QueueError> {
        let mut queues = self.jobs.queues()?;
        queues.retain(|counted| allow(caller, &counted.queue.name, Action::List).is_ok());
        if queues.is_empty() && !caller.may("queues", Action::List) {
            return Err(QueueError::Forbidden("queues:list".into()));
        }
        Ok(queues)
    }

    /// A queue.
    ///
    /// # Errors
    /// [`QueueError::Forbidden`], [`QueueError::NoQueue`].
    pub fn queue(&self, caller: &Principal, name: &str) -> Result<Counted, QueueError> {
        allow(caller, name, Action::Read)?;
        self.jobs.counted_queue(name)
    }

    /// How a queue has done in the last hour, and since when its next job waits.
    ///
    /// # Errors
    /// [`QueueError::Forbidden`], [`QueueError::NoQueue`].
    pub fn metrics(&self, caller: &Principal, name: &str) -> Result<(QueueMetrics, Option<Timestamp>), QueueError> {
        allow(caller, name, Action::Read)?;
        self.jobs.metrics(name)
    }

    /// Makes a queue.
    ///
    /// # Errors
    /// [`QueueError::Forbidden`] without `queues:create`, [`QueueError::Conflict`].
    pub async fn create_queue(
        &self,
        caller: &Principal,
        who: Who,
        name: String,
        policy: Policy,
    ) -> Result<Counted, QueueError> {
        if !caller.may("queues", Action::Create) {
            return Err(QueueError::Forbidden("queues:create".into()));
        }
        self.jobs.create_queue(name.clone(), policy).await?;
        tracing::info!(queue = name, request_id = who.request_id, "a queue was made");
        self.jobs.counted_queue(&name)
    }

    /// Changes a queue.
    ///
    /// # Errors
    /// [`QueueError::Forbidden`], [`QueueError::NoQueue`], and what `change` answers.
    pub async fn change_queue(
        &self,
        caller: &Principal,
        who: Who,
        name: String,
        change: impl FnOnce(&mut Queue) -> Result<(), QueueError> + Send + 'static,
    ) -> Result<Counted, QueueError> {
        allow(caller, &name, Action::Update)?;
        let changed = self.jobs.change_queue(name.clone(), change).await?;
        tracing::info!(queue = name, paused = changed.paused, request_id = who.request_id, "a queue was changed");
        self.jobs.counted_queue(&name)
    }

    /// Removes a queue that has no jobs, and in which neither a trigger nor a schedule makes any.
    ///
    /// # Errors
    /// [`QueueError::Forbidden`], [`QueueError::NoQueue`], [`QueueError::Conflict`].
    pub async fn delete_queue(&self, caller: &Principal, name: String) -> Result<(), QueueError> {
        allow(caller, &name, Action::Delete)?;
        self.jobs.delete_queue(name, check_unused).await
    }
}

/// Refuses to remove a queue in which something makes jobs.
fn check_unused(tx: &Tx<'_>, queue: &str) -> Result<(), QueueError> {
    let used = [("triggers of", collections_with_queue(tx, queue)?), ("schedules", schedules::with_queue(tx, queue)?)];
    match used.iter().find(|(_, names)| !names.is_empty()) {
        None => Ok(()),
        Some((what, names)) => {
            let why = format!("{what} {} make jobs in this queue; change them first", names.join(", "));
            Err(QueueError::Conflict(why))
        }
    }
}
