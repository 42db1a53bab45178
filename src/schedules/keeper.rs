//! Keeps the times of schedules: sleeps until the first is due, makes its jobs, and notes what was missed.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    due::Due,
    model::{Outcome, Run, Schedule},
    repo,
    service::Schedules,
};
use crate::store::{StoreError, Tx};

/// How long to wait when the store could not be read or written.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest sleep: a clock that is set while this sleeps is seen after that.
const SLEEP_MAX: Duration = Duration::from_secs(3_600);

impl Schedules {
    /// Keeps the times, for as long as the task lives. It is woken when a schedule may be due sooner.
    pub async fn keep(self) {
        loop {
            let sleep = match self.fire_due().await {
                Ok(next) => next.map_or(SLEEP_MAX, |at| self.until(at)),
                Err(error) => {
                    tracing::warn!(%error, "schedules that are due did not run yet");
                    PAUSE
                }
            };
            let _ = tokio::time::timeout(sleep.min(SLEEP_MAX), self.bell.notified()).await;
        }
    }

    fn until(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.clock.now())).unwrap_or_default()
    }

    /// Does what is due. Answers when something is due next.
    pub(super) async fn fire_due(&self) -> Result<Option<Timestamp>, StoreError> {
        loop {
            let now = self.clock.now();
            let Some((at, name)) = repo::first_due(&self.store.snapshot())? else { return Ok(None) };
            if at > now {
                return Ok(Some(at));
            }
            let own = self.clone();
            self.store.write(move |tx| own.fire(tx, &name, now)).await?;
        }
    }

    fn fire(&self, tx: &mut Tx<'_>, name: &str, now: Timestamp) -> Result<(), StoreError> {
        // It may have been changed or removed meanwhile.
        let Some(known) = repo::schedule(tx, name)? else { return Ok(()) };
        let mut schedule = known.clone();
        let Due { runs, missed, next } = Due::of(&known, now);
        if let Some((first, last)) = missed {
            repo::note(tx, &mut schedule, missed_run(first, last, now))?;
        }
        for due_at in runs {
            self.run(tx, &mut schedule, due_at, None)?;
        }
        repo::put(tx, Some(&known), &Schedule { next_at: next, ..schedule })
    }
}

fn missed_run(first: Timestamp, last: Timestamp, now: Timestamp) -> Run {
    let until = Some(last).filter(|last| *last > first);
    Run { number: 0, due_at: first, until, at: now, outcome: Outcome::Missed, job: None, by: None, error: None }
}
