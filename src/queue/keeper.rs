//! Keeps the times: jobs become due, leases end, finished jobs have been kept for long enough.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    error::QueueError,
    keys,
    lease::MOVED_MAX,
    model::JobState,
    repo::{self, LEASED},
    service::{Jobs, until},
    work::Work,
};
use crate::store::StoreError;

/// How long to wait when the store could not be read or written.
const PAUSE: Duration = Duration::from_secs(5);
/// The most jobs that one operation of the writer removes.
const PRUNE_MAX: usize = 500;

impl Jobs {
    /// Keeps the times, for as long as the task lives. It sleeps until something is due, and is woken when something becomes due sooner.
    pub async fn keep(self) {
        loop {
            let next = match self.keep_once().await {
                Ok(next) => next.map(|at| until(self.clock.now(), at)),
                Err(error) => {
                    tracing::warn!(%error, "jobs whose time has come were not moved");
                    Some(PAUSE)
                }
            };
            let woken = self.bells.keeper.notified();
            match next {
                Some(next) => drop(tokio::time::timeout(next, woken).await),
                None => woken.await,
            }
        }
    }

    /// Moves what is due. Answers when something is due next.
    async fn keep_once(&self) -> Result<Option<Timestamp>, QueueError> {
        loop {
            self.bells.keeper_looks();
            let next = Work::next_time(&self.store.snapshot())?;
            if next.is_none_or(|at| at > self.clock.now()) {
                self.bells.keeper_sleeps(next);
                return Ok(next);
            }
            self.write(|work| Ok(work.promote(MOVED_MAX)? + work.reclaim(MOVED_MAX)?)).await?;
        }
    }

    /// Takes back what the server itself had when it stopped or crashed: nobody works on it any more.
    ///
    /// # Errors
    /// [`QueueError::Store`].
    pub async fn recover(&self) -> Result<usize, QueueError> {
        self.write(|work| {
            let ids = repo::first_ids(work.tx, LEASED.name(), (&[], &[]), usize::MAX)?;
            let mut recovered = 0;
            for id in ids {
                let (job, status) = work.find(id)?.ok_or_else(|| StoreError::corrupt("a leased job is not there"))?;
                if job.built_in {
                    work.end_attempt(
                        id,
                        &job,
                        status,
                        "the server stopped while it ran".into(),
                        Some(Some(SignedDuration::ZERO)),
                    )?;
                    recovered += 1;
                }
            }
            Ok(recovered)
        })
        .await
    }

    /// Gives back all that the server itself has: nobody begins it, and its attempt does not count.
    ///
    /// # Errors
    /// [`QueueError::Store`].
    pub(super) async fn give_back_own(&self) -> Result<(), QueueError> {
        self.write(|work| {
            for id in repo::first_ids(work.tx, LEASED.name(), (&[], &[]), usize::MAX)? {
                let (job, status) = work.find(id)?.ok_or_else(|| StoreError::corrupt("a leased job is not there"))?;
                if let Some(lease) = status.lease.filter(|_| job.built_in) {
                    work.give_back(id, &lease.token)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Removes jobs that have been finished for as long as their queue keeps them.
    ///
    /// # Errors
    /// [`QueueError::Store`].
    pub async fn prune(&self) -> Result<(), QueueError> {
        for queue in repo::queues(&self.store.snapshot())? {
            for state in JobState::ALL.into_iter().filter(|state| state.is_final()) {
                let kept = i64::try_from(queue.policy.keep_seconds(state)).unwrap_or(i64::MAX);
                let before = self.clock.now().saturating_sub(SignedDuration::from_secs(kept)).unwrap_or(Timestamp::MIN);
                let number = queue.number;
                while self.has_finished(number, state, before)?
                    && self.write(move |work| work.prune(number, state, before, PRUNE_MAX)).await? == PRUNE_MAX
                {
                }
            }
        }
        Ok(())
    }

    fn has_finished(&self, queue: u32, state: JobState, before: Timestamp) -> Result<bool, StoreError> {
        let (from, to) = keys::done_until(queue, state, before);
        Ok(!repo::first_ids(&self.store.snapshot(), repo::DONE.name(), (&from, &to), 1)?.is_empty())
    }
}
