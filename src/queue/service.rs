//! The queue as other parts of the server use it: jobs are made in any transaction, and everything else is one of its own.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::{
    allow::allow,
    bells::Bells,
    enqueue::Enqueued,
    error::QueueError,
    finish::{Beat, Failure, Heard},
    keys,
    lease::{Ask, Leased},
    model::{Job, JobId, JobState, NewJob, Status},
    queues::no_queue,
    repo::{self, DUE, LEASED, READY},
    stats::Stats,
    work::Work,
    worker::Here,
};
use crate::{
    access::{Action, Principal},
    kernel::{Clock, IdSource},
    store::{Read, Snapshot, Store, StoreError, Tx},
};

/// The queue. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) bells: Arc<Bells>,
    pub(super) stats: Arc<Stats>,
    ids: Arc<IdSource>,
    /// The kinds that the server itself does, each with the resource that who makes such a job must be permitted to create.
    built_in: Arc<BTreeMap<&'static str, &'static str>>,
    pub(super) here: Arc<Here>,
    /// Whether the server is about to stop: nobody outside gets a job any more.
    pub(super) closing: Arc<watch::Sender<bool>>,
    /// Moves on when queues are made.
    pub(super) queues: Arc<watch::Sender<()>>,
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("built_in", &self.built_in).finish_non_exhaustive()
    }
}

impl Jobs {
    /// The queue, of which the server does these kinds of jobs itself; who makes one must be permitted to create what stands beside it.
    #[must_use]
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        built_in: impl IntoIterator<Item = (&'static str, &'static str)>,
    ) -> Self {
        let built_in = Arc::new(built_in.into_iter().collect());
        let (queues, closing) = (Arc::new(watch::Sender::new(())), Arc::new(watch::Sender::new(false)));
        Self {
            store,
            clock,
            bells: Arc::default(),
            stats: Arc::default(),
            ids: Arc::default(),
            built_in,
            here: Arc::default(),
            closing,
            queues,
        }
    }

    /// Hands out no jobs to workers outside any more; those who wait for one are answered at once. For a server that is about to stop.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Tells when queues were made.
    pub(super) fn queues_changed(&self) -> watch::Receiver<()> {
        self.queues.subscribe()
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The name of the queue of a job.
    ///
    /// # Errors
    /// [`QueueError::NotFound`].
    pub fn queue_name_of(&self, id: JobId) -> Result<String, QueueError> {
        let snapshot = self.store.snapshot();
        let job = repo::job(&snapshot, id)?.ok_or(QueueError::NotFound)?;
        Ok(repo::queue_of(&snapshot, job.queue)?.ok_or(QueueError::NotFound)?.name)
    }

    /// Whether the server itself does jobs of a kind.
    #[must_use]
    pub fn is_built_in(&self, kind: &str) -> bool {
        self.built_in.contains_key(kind)
    }

    /// The kinds that the server itself does, each with the resource that who makes such a job must be permitted to create.
    #[must_use]
    pub fn kinds(&self) -> Arc<BTreeMap<&'static str, &'static str>> {
        Arc::clone(&self.built_in)
    }

    /// Whether the caller may make a job: in this queue, and of this kind, if the server itself does it.
    ///
    /// # Errors
    /// [`QueueError::Forbidden`], with the permissions that it takes.
    pub fn permit(&self, caller: &Principal, queue: &str, kind: &str) -> Result<(), QueueError> {
        allow(caller, queue, Action::Create)?;
        match self.built_in.get(kind) {
            Some(resource) if !caller.may(resource, Action::Create) => Err(QueueError::Forbidden(format!(
                "{resource}:create, for the server itself does jobs of the kind {kind}"
            ))),
            _ => Ok(()),
        }
    }

    /// Does something with jobs in a transaction of its own.
    pub(super) async fn write<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Work<'_, '_>) -> Result<R, QueueError> + Send + 'static,
    ) -> Result<R, QueueError> {
        let (bells, stats, clock) = (Arc::clone(&self.bells), Arc::clone(&self.stats), Arc::clone(&self.clock));
        self.store
            .write(move |tx| {
                let mut own = Work::new(tx, (&bells, &stats), clock.now());
                let done = work(&mut own)?;
                own.finish()?;
                Ok(done)
            })
            .await
    }

    /// Makes a job in a transaction: it is there exactly when the rest of the transaction is.
    ///
    /// # Errors
    /// [`QueueError::NoQueue`], [`QueueError::Invalid`].
    pub fn enqueue(&self, tx: &mut Tx<'_>, new: &NewJob) -> Result<Enqueued, QueueError> {
        let mut work = Work::new(tx, (&self.bells, &self.stats), self.clock.now());
        let made = self.enqueue_within(&mut work, new)?;
        work.finish()?;
        Ok(made)
    }

    /// How far a job is, as of a state of the store or inside a transaction; `None` when it is not kept any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn state_in(&self, source: &impl Read, id: JobId) -> Result<Option<JobState>, StoreError> {
        let Some(job) = repo::job(source, id)? else { return Ok(None) };
        Ok(Some(repo::status(source, id, &job)?.state_at(self.clock.now())))
    }

    /// Does not want a job any more, in a transaction: one that no worker has is cancelled, the worker of another is asked to stop.
    ///
    /// # Errors
    /// [`QueueError::NotFound`].
    pub fn cancel_in(&self, tx: &mut Tx<'_>, id: JobId) -> Result<(), QueueError> {
        if let Some(bell) = self.here.bell_of(id) {
            tx.wake(bell);
        }
        let mut work = Work::new(tx, (&self.bells, &self.stats), self.clock.now());
        work.cancel(id, "it was cancelled")?;
        work.finish()
    }

    fn enqueue_within(&self, work: &mut Work<'_, '_>, new: &NewJob) -> Result<Enqueued, QueueError> {
        let queue = repo::queue(work.tx, &new.queue)?.ok_or_else(|| no_queue(&new.queue))?;
        // Made inside the writer, ids are in the order of the commits.
        let id = JobId(self.ids.next_uuid(work.now));
        work.enqueue(id, &queue, new, self.is_built_in(&new.kind))
    }

    /// Makes jobs, all or none, and one that starts when all of them are done with. What is wrong with one is told under its index.
    ///
    /// # Errors
    /// Those of [`Self::enqueue`].
    pub async fn enqueue_all(&self, new: Vec<NewJob>, then: Option<NewJob>) -> Result<Vec<Enqueued>, QueueError> {
        let own = self.clone();
        self.write(move |work| {
            let mut made = Vec::with_capacity(new.len() + 1);
            for (at, new) in new.iter().enumerate() {
                made.push(own.enqueue_within(work, new).map_err(|error| error.under(&format!("/jobs/{at}")))?);
            }
            if let Some(then) = then {
                let after = made.iter().map(|made| made.id).collect();
                let then = NewJob { after, ..then };
                made.push(own.enqueue_within(work, &then).map_err(|error| error.under("/then"))?);
            }
            Ok(made)
        })
        .await
    }

    /// Hands out jobs of a queue; waits for one for a while when there is none.
    ///
    /// # Errors
    /// [`QueueError::NoQueue`].
    pub async fn lease(&self, queue: &str, ask: Ask, wait: Duration) -> Result<Leased, QueueError> {
        let known = repo::queue(&self.store.snapshot(), queue)?;
        let number = known.ok_or_else(|| no_queue(queue))?.number;
        let bell = self.bells.of(number, ask.built_in);
        let deadline = tokio::time::Instant::now() + wait;
        let mut closing = self.closing.subscribe();
        loop {
            if *closing.borrow() && !ask.built_in {
                return Ok(Leased::default());
            }
            // Whoever rings from here on is heard.
            let mut rung = std::pin::pin!(bell.notified());
            rung.as_mut().enable();
            let leased = self.try_lease(number, &ask).await?.ok_or_else(|| no_queue(queue))?;
            let now = tokio::time::Instant::now();
            if !leased.jobs.is_empty() || now >= deadline {
                return Ok(leased);
            }
            let allowed_at = leased.allowed_at.map(|at| now + until(self.clock.now(), at));
            let next = allowed_at.map_or(deadline, |at| at.min(deadline));
            tokio::select! {
                _ = closing.wait_for(|closing| *closing), if !ask.built_in => {}
                _ = tokio::time::timeout_at(next, rung) => {}
            }
        }
    }

    /// Hands out what there is; `None` when the queue is gone.
    async fn try_lease(&self, queue: u32, ask: &Ask) -> Result<Option<Leased>, QueueError> {
        let snapshot = self.store.snapshot();
        let Some(known) = repo::queue_of(&snapshot, queue)? else { return Ok(None) };
        // A write is waited for by others; none is needed where nothing could come of it.
        if known.paused || !self.may_lease(&snapshot, queue, ask.built_in)? {
            return Ok(Some(Leased::default()));
        }
        let ask = ask.clone();
        self.write(move |work| repo::queue_of(work.tx, queue)?.map(|queue| work.lease(&queue, &ask)).transpose()).await
    }

    /// Whether a job may be ready, or become ready at once.
    fn may_lease(&self, snapshot: &Snapshot, queue: u32, built_in: bool) -> Result<bool, StoreError> {
        let (from, to) = keys::range(keys::ready_prefix(queue, built_in));
        let by_now = keys::timed_until(self.clock.now());
        let some = |table, from: &[u8], to: &[u8]| {
            Ok::<_, StoreError>(!repo::first_ids(snapshot, table, (from, to), 1)?.is_empty())
        };
        Ok(some(READY.name(), &from, &to)? || some(DUE.name(), &[], &by_now)? || some(LEASED.name(), &[], &by_now)?)
    }

    /// A worker is done with a job.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`], [`QueueError::NotFound`].
    pub async fn complete(&self, id: JobId, token: String, result: Option<Box<RawValue>>) -> Result<(), QueueError> {
        self.write(move |work| work.complete(id, &token, result)).await
    }

    /// A worker could not do a job. Answers the state to which it has come.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`], [`QueueError::NotFound`].
    pub async fn fail(&self, id: JobId, token: String, failure: Failure) -> Result<JobState, QueueError> {
        self.write(move |work| work.fail(id, &token, failure)).await
    }

    /// A worker is still at it.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`], [`QueueError::NotFound`].
    pub async fn beat(&self, id: JobId, token: String, beat: Beat) -> Result<Heard, QueueError> {
        self.write(move |work| work.beat(id, &token, beat)).await
    }

    /// Does not want a job any more. Answers its state: `running` while its worker is asked to stop.
    ///
    /// # Errors
    /// [`QueueError::NotFound`].
    pub async fn cancel(&self, id: JobId) -> Result<JobState, QueueError> {
        let state = self.write(move |work| work.cancel(id, "it was cancelled")).await?;
        self.here.stop(id);
        Ok(state)
    }

    /// A worker stops before it is done; the attempt does not count.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`], [`QueueError::NotFound`].
    pub async fn give_back(&self, id: JobId, token: String) -> Result<(), QueueError> {
        self.write(move |work| work.give_back(id, &token)).await
    }

    /// Runs a job once more that has ended, or at once that waits for its time.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::Conflict`].
    pub async fn retry(&self, id: JobId) -> Result<(), QueueError> {
        let ids = Arc::clone(&self.ids);
        self.write(move |work| work.retry(id, JobId(ids.next_uuid(work.now)))).await
    }

    /// Removes a job that no worker has.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::Conflict`] for one that runs.
    pub async fn delete(&self, id: JobId) -> Result<(), QueueError> {
        self.write(move |work| work.remove_any(id)).await
    }

    /// Cancels, retries or removes jobs in one transaction. Those that have moved on meanwhile are left alone. Answers how many it was
    /// done with.
    ///
    /// # Errors
    /// [`QueueError::Store`].
    pub async fn many(&self, jobs: Vec<JobId>, many: Many) -> Result<usize, QueueError> {
        let (ids, own) = (Arc::clone(&self.ids), jobs.clone());
        let done = self.write(move |work| {
            let mut done = 0;
            for id in own {
                let outcome = match many {
                    Many::Cancel => work.cancel(id, "it was cancelled").map(drop),
                    Many::Retry => work.retry(id, JobId(ids.next_uuid(work.now))),
                    Many::Remove => work.remove_any(id),
                };
                match outcome {
                    Ok(()) => done += 1,
                    // Both come before anything is written.
                    Err(QueueError::NotFound | QueueError::Conflict(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(done)
        });
        let done = done.await?;
        if many == Many::Cancel {
            jobs.into_iter().for_each(|id| self.here.stop(id));
        }
        Ok(done)
    }

    /// A job, and how far it is.
    ///
    /// # Errors
    /// [`QueueError::NotFound`].
    pub fn job(&self, id: JobId) -> Result<(Job, Status), QueueError> {
        let snapshot = self.store.snapshot();
        let job = repo::job(&snapshot, id)?.ok_or(QueueError::NotFound)?;
        let status = repo::status(&snapshot, id, &job)?;
        Ok((job, status))
    }
}

/// What is done with many jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Many {
    /// They are not wanted any more.
    Cancel,
    /// They run once more, or at once.
    Retry,
    /// They are removed.
    Remove,
}

/// From one time to another, as a wait.
pub(super) fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}
