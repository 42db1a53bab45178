//! The server's own workers: for each queue one task that takes jobs of built-in kinds and runs their handlers.

use std::{
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use jiff::SignedDuration;
use serde_json::value::RawValue;
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::JoinSet,
};

use super::{
    error::QueueError,
    finish::{Beat, Failure},
    lease::{Ask, LeasedJob},
    model::{JobId, Queue},
    policy::Policy,
    repo,
    service::Jobs,
};
use crate::store::StoreError;

/// The most jobs of a queue without a bound of its own that run at once.
const AT_ONCE_MAX: usize = 64;
/// How much longer a job is leased than it may run: what it takes to end it.
const GRACE_SECONDS: u64 = 60;
/// How long to wait when the store could not be read or written.
const PAUSE: Duration = Duration::from_secs(5);
/// How long the server waits for a job when none is there; it is woken sooner by one.
const WAIT: Duration = Duration::from_secs(3_600);

/// What comes of a job: something to keep, or why it failed.
pub type Outcome = Result<Option<Box<RawValue>>, Failure>;

/// Does jobs of one kind. It may be asked to do a job again that it did before, for a crash may come between doing and noting it.
pub trait Handler: Send + Sync + 'static {
    /// The kind.
    fn kind(&self) -> &'static str;

    /// Does a job. Dropped when the job is cancelled, takes too long, or the server stops.
    fn run<'h>(&'h self, job: &'h Running) -> BoxFuture<'h, Outcome>;
}

/// A job that a handler does.
#[derive(Debug)]
pub struct Running {
    /// The job.
    pub job: LeasedJob,
    jobs: Jobs,
}

impl Running {
    /// Reads what is to be done. What does not fit will never, so the failure is final.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn payload<'p, T: serde::Deserialize<'p>>(&'p self) -> Result<T, Failure> {
        serde_json::from_str(self.job.payload.get())
            .map_err(|error| Failure::for_good(format!("the payload does not fit: {error}")))
    }

    /// Tells how far it is, and adds lines to the job's log.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn tell(&self, progress: Option<Box<RawValue>>, lines: Vec<String>) -> Result<(), QueueError> {
        let beat = Beat { time: None, progress, lines };
        self.jobs.beat(self.job.id, self.job.token.clone(), beat).await.map(drop)
    }
}

/// Jobs that run here, and how each is told to stop.
#[derive(Debug, Default)]
pub(super) struct Here(Mutex<HashMap<JobId, Arc<Notify>>>);

impl Here {
    fn begins(&self, id: JobId) -> Arc<Notify> {
        let mut here = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(here.entry(id).or_default())
    }

    fn ends(&self, id: JobId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// Tells a job to stop, if it runs here.
    pub(super) fn stop(&self, id: JobId) {
        if let Some(stop) = self.bell_of(id) {
            stop.notify_one();
        }
    }

    /// What tells a job to stop, if it runs here.
    pub(super) fn bell_of(&self, id: JobId) -> Option<Arc<Notify>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}

/// The server's own workers.
pub struct Workers {
    jobs: Jobs,
    handlers: BTreeMap<&'static str, Arc<dyn Handler>>,
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").field("kinds", &self.handlers.keys()).finish_non_exhaustive()
    }
}

impl Workers {
    /// Workers with these handlers.
    #[must_use]
    pub fn new(jobs: Jobs, handlers: Vec<Arc<dyn Handler>>) -> Self {
        Self { jobs, handlers: handlers.into_iter().map(|handler| (handler.kind(), handler)).collect() }
    }

    /// Works until told to stop; what runs then is given back, to be done after the next start.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let own = Arc::new(self);
        let (mut tasks, mut known) = (JoinSet::new(), BTreeMap::<u32, Policy>::new());
        let mut queues = own.jobs.queues_changed();
        loop {
            queues.mark_unchanged();
            let found = repo::queues(&own.jobs.store.snapshot()).unwrap_or_else(|error| {
                tracing::warn!(%error, "queues could not be read");
                Vec::new()
            });
            for queue in found {
                if known.insert(queue.number, queue.policy).is_none() {
                    tasks.spawn(Arc::clone(&own).work_off(queue, stop.clone()));
                }
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                changed = queues.changed() => if changed.is_err() { break },
            }
        }
        while tasks.join_next().await.is_some() {}
        // What was being taken in that moment is in nobody's hands.
        if let Err(error) = own.jobs.give_back_own().await {
            tracing::warn!(%error, "jobs were not given back; the next start counts an attempt of each");
        }
    }

    /// Does the jobs of a queue.
    async fn work_off(self: Arc<Self>, queue: Queue, mut stop: watch::Receiver<bool>) {
        let room = Arc::new(Semaphore::new(AT_ONCE_MAX));
        let mut running = JoinSet::new();
        loop {
            let turn = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                turn = self.take(&queue.name, &room) => turn,
            };
            match turn {
                Ok(jobs) => {
                    for (job, timeout, permit) in jobs {
                        let (own, stop) = (Arc::clone(&self), stop.clone());
                        running.spawn(async move {
                            own.one(job, timeout, stop).await;
                            drop(permit);
                        });
                    }
                    while running.try_join_next().is_some() {}
                }
                // The queue was removed.
                Err(QueueError::NoQueue(_)) => break,
                Err(error) => {
                    tracing::warn!(%error, queue = queue.name, "jobs could not be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Takes as many jobs as there is room for, at least one.
    async fn take(
        &self,
        queue: &str,
        room: &Arc<Semaphore>,
    ) -> Result<Vec<(LeasedJob, Duration, tokio::sync::OwnedSemaphorePermit)>, QueueError> {
        let mut permit = Arc::clone(room).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        if let Ok(more) = Arc::clone(room).try_acquire_many_owned(u32::try_from(room.available_permits()).unwrap_or(0))
        {
            permit.merge(more);
        }
        let timeout_seconds = self.jobs.queue(queue)?.policy.timeout_seconds;
        let time = SignedDuration::from_secs(i64::try_from(timeout_seconds + GRACE_SECONDS).unwrap_or(i64::MAX));
        let ask = Ask { max: permit.num_permits(), time, worker: "stead".into(), built_in: true };
        let leased = self.jobs.lease(queue, ask, WAIT).await?;
        let with_room = |job| Some((job, Duration::from_secs(timeout_seconds), permit.split(1)?));
        Ok(leased.jobs.into_iter().filter_map(with_room).collect())
    }

    async fn one(&self, job: LeasedJob, timeout: Duration, mut stop: watch::Receiver<bool>) {
        let (id, token) = (job.id, job.token.clone());
        let told = self.jobs.here.begins(id);
        let handler = self.handlers.get(job.kind.as_str()).cloned();
        let running = Running { job, jobs: self.jobs.clone() };
        let work = async {
            let Some(handler) = handler else { return Err(Failure::new("nobody here does this kind of job")) };
            let run = AssertUnwindSafe(handler.run(&running)).catch_unwind();
            match tokio::time::timeout(timeout, run).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(Failure::new("the handler panicked")),
                Err(_) => Err(Failure::new("it took longer than the queue allows")),
            }
        };
        let outcome = tokio::select! {
            outcome = work => Some(outcome),
            () = told.notified() => Some(Err(Failure::new("it was cancelled"))),
            _ = stop.wait_for(|stop| *stop) => None,
        };
        self.jobs.here.ends(id);
        let noted = match outcome {
            Some(Ok(result)) => self.jobs.complete(id, token, result).await,
            Some(Err(failure)) => {
                tracing::warn!(job = %id, kind = running.job.kind, error = failure.error, "a job failed");
                self.jobs.fail(id, token, failure).await.map(drop)
            }
            None => self.jobs.give_back(id, token).await,
        };
        if let Err(error) = noted {
            // Its lease ends by itself, or it was taken from here.
            tracing::warn!(job = %id, %error, "it was not noted what came of a job");
        }
    }
}
