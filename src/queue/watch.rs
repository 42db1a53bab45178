//! Hearing of changes in queues: for those who show them, and for those who hand out jobs one after the other.

use std::collections::HashMap;

use tokio::sync::watch;

use super::{
    error::QueueError,
    model::{JobId, JobState},
    queues::no_queue,
    repo,
    service::Jobs,
};
use crate::store::StoreError;

/// What changes in queues, from when it was made on.
#[derive(Debug)]
pub struct Changes {
    jobs: Jobs,
    any: watch::Receiver<u64>,
    seen: HashMap<u32, u64>,
}

impl Changes {
    /// Waits for a change.
    pub async fn changed(&mut self) {
        // The sender lives as long as the queue that this holds.
        let _ = self.any.changed().await;
    }

    /// The names of the queues in which something was changed since this was last asked, and whether one was removed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take(&mut self) -> Result<(Vec<String>, bool), StoreError> {
        self.any.mark_unchanged();
        let mut changed = Vec::new();
        for (queue, version) in self.jobs.bells.known() {
            if self.seen.insert(queue, version) != Some(version) {
                changed.push(queue);
            }
        }
        let snapshot = self.jobs.store.snapshot();
        let mut names = Vec::with_capacity(changed.len());
        for queue in &changed {
            names.extend(repo::queue_of(&snapshot, *queue)?.map(|queue| queue.name));
        }
        names.sort_unstable();
        let is_removed = names.len() < changed.len();
        Ok((names, is_removed))
    }
}

/// What became of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// The worker has the job until then.
    Held(jiff::Timestamp),
    /// The job is done.
    Succeeded,
    /// Somebody else may have it, or it ended otherwise.
    Gone,
}

impl Jobs {
    /// Hears of what changes in queues from now on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        let any = self.bells.version.subscribe();
        Changes { any, seen: self.bells.known().into_iter().collect(), jobs: self.clone() }
    }

    /// Moves on with each change in one queue.
    ///
    /// # Errors
    /// [`QueueError::NoQueue`].
    pub fn changes_of(&self, queue: &str) -> Result<watch::Receiver<u64>, QueueError> {
        let known = repo::queue(&self.store.snapshot(), queue)?.ok_or_else(|| no_queue(queue))?;
        Ok(self.bells.version_of(known.number).subscribe())
    }

    /// What became of a lease.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn lease_state(&self, id: JobId, token: &str) -> Result<LeaseState, StoreError> {
        let snapshot = self.store.snapshot();
        let Some(job) = repo::job(&snapshot, id)? else { return Ok(LeaseState::Gone) };
        let status = repo::status(&snapshot, id, &job)?;
        Ok(match (status.state, status.lease) {
            (JobState::Running, Some(lease)) if lease.token == token => LeaseState::Held(lease.until),
            (JobState::Succeeded, _) => LeaseState::Succeeded,
            _ => LeaseState::Gone,
        })
    }

    /// Whether the server is about to stop.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        *self.closing.borrow()
    }

    /// Resolves when the server is about to stop.
    pub async fn closed(&self) {
        // An error means that the sender is gone, which is a stop, too.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }
}
