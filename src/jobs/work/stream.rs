//! Jobs of a queue, handed to a worker one after the other over one connection, as many at a time as it wants in hand.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;
use tokio::sync::watch;

use super::dto::LeasedReply;
use crate::{
    access::Principal,
    http::{LiveCaller, beat, event},
    jobs::JobService,
    queue::{Ask, JobId, LeaseState, LeasedJob, QueueError},
};

/// Why a stream ends by itself.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum End {
    /// The server is about to stop.
    Stopping,
    /// The caller is not who it was, or may work on the queue no more.
    NotPermitted,
    /// A lease ended before the worker had said anything of the job.
    LeaseEnded,
    /// The queue was removed, or the store cannot be used.
    Unavailable,
}

/// A job that the worker has from here.
#[derive(Debug)]
struct InHand {
    id: JobId,
    token: String,
    until: jiff::Timestamp,
}

/// A worker at the other end.
pub(super) struct Worker {
    jobs: JobService,
    caller: LiveCaller,
    queue: String,
    ask: Ask,
    changes: watch::Receiver<u64>,
    in_hand: Vec<InHand>,
    beat: Duration,
}

impl Worker {
    /// A worker that has nothing in hand yet.
    ///
    /// # Errors
    /// [`QueueError::Forbidden`] without `work`, [`QueueError::NoQueue`].
    pub(super) fn new(
        jobs: JobService,
        caller: LiveCaller,
        queue: String,
        ask: Ask,
        beat: Duration,
    ) -> Result<Self, QueueError> {
        let principal = caller.now().ok_or(QueueError::NotFound)?;
        let changes = jobs.changes_of(&principal, &queue)?;
        Ok(Self { jobs, caller, queue, ask, changes, in_hand: Vec::new(), beat })
    }

    /// What is said to the worker, until it goes away.
    pub(super) fn events(self) -> impl Stream<Item = Bytes> + Send + 'static {
        // The head goes out with the first part of the body, and the worker is to know at once that it is heard.
        let hello = stream::once(async { beat() });
        let rest = stream::unfold(Some(self), |worker| async move {
            let mut worker = worker?;
            match worker.next().await {
                Ok(said) => Some((said, Some(worker))),
                Err(end) => Some((event("end", None, &serde_json::json!({"reason": end}).to_string()), None)),
            }
        });
        hello.chain(rest)
    }

    async fn next(&mut self) -> Result<Bytes, End> {
        loop {
            let caller = self.caller.now().ok_or(End::NotPermitted)?;
            self.changes.mark_unchanged();
            self.let_go()?;
            let said = match self.ask.max.saturating_sub(self.in_hand.len()) {
                0 => self.rest().await?,
                room => Some(self.take(&caller, room).await?),
            };
            if let Some(said) = said {
                return Ok(said);
            }
        }
    }

    /// Waits for jobs, at most so many.
    async fn take(&mut self, caller: &Principal, room: usize) -> Result<Bytes, End> {
        let ask = self.ask.clone().with_max(room);
        let leased = self.jobs.lease(caller, &self.queue, ask, self.beat).await.map_err(|error| match error {
            QueueError::Forbidden(_) => End::NotPermitted,
            _ => End::Unavailable,
        })?;
        if leased.jobs.is_empty() {
            return if self.jobs.is_closed() { Err(End::Stopping) } else { Ok(beat()) };
        }
        Ok(leased.jobs.into_iter().map(|job| self.hand_out(job)).collect::<Vec<_>>().concat().into())
    }

    fn hand_out(&mut self, job: LeasedJob) -> Bytes {
        self.in_hand.push(InHand { id: job.id, token: job.token.clone(), until: job.until });
        let id = job.id.to_string();
        // What was stored is JSON, and so is what is made of it.
        event("job", Some(&id), &serde_json::to_string(&LeasedReply::from(job)).unwrap_or_default())
    }

    /// Waits until something happens in the queue, or there is to be said that nothing did.
    async fn rest(&mut self) -> Result<Option<Bytes>, End> {
        let Self { jobs, changes, .. } = self;
        tokio::select! {
            () = jobs.closed() => Err(End::Stopping),
            _ = changes.changed() => Ok(None),
            () = tokio::time::sleep(self.beat) => Ok(Some(beat())),
        }
    }

    /// Forgets jobs that are done with. A worker that let a lease end is not there any more, or hangs: what it got would wait in vain.
    fn let_go(&mut self) -> Result<(), End> {
        let now = self.jobs.now();
        let mut silent = false;
        let mut left = Vec::with_capacity(self.in_hand.len());
        for job in self.in_hand.drain(..) {
            match self.jobs.lease_state(job.id, &job.token).map_err(|_| End::Unavailable)? {
                LeaseState::Held(until) => left.push(InHand { until, ..job }),
                LeaseState::Gone => silent |= job.until <= now,
                LeaseState::Succeeded => {}
            }
        }
        self.in_hand = left;
        if silent { Err(End::LeaseEnded) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("queue", &self.queue).finish_non_exhaustive()
    }
}
