//! Making, changing and removing queues.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    error::QueueError,
    keys,
    model::{JobState, Queue},
    policy::{Backoff, Growth, NEEDED, Policy, Rate, first_queues},
    repo::{self, READY},
    service::Jobs,
    stats::QueueMetrics,
    work::Work,
};
use crate::{config::QueueSettings, store::Tx};

/// The most queues.
const QUEUES_MAX: usize = 1_000;

impl Jobs {
    /// A queue.
    ///
    /// # Errors
    /// [`QueueError::NoQueue`].
    pub fn queue(&self, name: &str) -> Result<Queue, QueueError> {
        repo::queue(&self.store.snapshot(), name)?.ok_or_else(|| no_queue(name))
    }

    /// How a queue has done in the last hour, and since when the job waits that is ready and would be the next to start.
    ///
    /// # Errors
    /// [`QueueError::NoQueue`].
    pub fn metrics(&self, name: &str) -> Result<(QueueMetrics, Option<Timestamp>), QueueError> {
        let snapshot = self.store.snapshot();
        let queue = repo::queue(&snapshot, name)?.ok_or_else(|| no_queue(name))?;
        let mut oldest = None;
        for built_in in [true, false] {
            let (from, to) = keys::range(keys::ready_prefix(queue.number, built_in));
            for id in repo::first_ids(&snapshot, READY.name(), (&from, &to), 1)? {
                let job = repo::job(&snapshot, id)?.ok_or(QueueError::NotFound)?;
                let since = repo::status(&snapshot, id, &job)?.due_at.unwrap_or(job.created_at);
                oldest = Some(oldest.map_or(since, |oldest: Timestamp| oldest.min(since)));
            }
        }
        Ok((self.stats.of(queue.number, self.clock.now()), oldest))
    }

    /// Makes a queue.
    ///
    /// # Errors
    /// [`QueueError::Conflict`] when there is one of this name, or there are too many.
    pub async fn create_queue(&self, name: String, policy: Policy) -> Result<Queue, QueueError> {
        let made = self.write(move |work| create(work, name, policy)).await?;
        self.queues.send_replace(());
        Ok(made)
    }

    /// Makes the queues that a new server has. What was changed or removed of them later stays so.
    ///
    /// # Errors
    /// [`QueueError::Store`].
    pub async fn make_first_queues(&self) -> Result<(), QueueError> {
        if repo::had_queues(&self.store.snapshot())? {
            return Ok(());
        }
        self.write(|work| {
            for (name, policy) in first_queues() {
                create(work, name.into(), policy)?;
            }
            Ok(())
        })
        .await
    }

    /// Makes the queues that the server itself needs and that are not there.
    ///
    /// # Errors
    /// [`QueueError::Conflict`] when there are too many.
    pub async fn ensure_needed(&self) -> Result<(), QueueError> {
        for (name, policy) in first_queues().into_iter().filter(|(name, _)| NEEDED.contains(name)) {
            if !repo::exists(&self.store.snapshot(), name)? {
                self.create_queue(name.into(), policy).await?;
            }
        }
        Ok(())
    }

    /// Makes queues as the configuration says, with those that are there. One that it names no more stays, and is changed by requests again.
    ///
    /// # Errors
    /// [`QueueError::Conflict`] when there are too many.
    pub async fn configure(&self, sections: &BTreeMap<String, QueueSettings>) -> Result<(), QueueError> {
        let wanted: BTreeMap<String, Policy> =
            sections.iter().map(|(name, settings)| (name.clone(), settings.into())).collect();
        if differ(&repo::queues(&self.store.snapshot())?, &wanted) {
            self.write(move |work| configure(work, wanted)).await?;
        }
        Ok(())
    }

    /// Changes a queue: its policy, and whether jobs of it start.
    ///
    /// # Errors
    /// [`QueueError::NoQueue`], [`QueueError::Conflict`] for the policy of one that is configured, and what `change` answers.
    pub async fn change_queue(
        &self,
        name: String,
        change: impl FnOnce(&mut Queue) -> Result<(), QueueError> + Send + 'static,
    ) -> Result<Queue, QueueError> {
        let changed = self.write(move |work| {
            let mut queue = repo::queue(work.tx, &name)?.ok_or_else(|| no_queue(&name))?;
            let policy = queue.policy;
            change(&mut queue)?;
            if queue.configured && queue.policy != policy {
                return Err(is_configured(&queue.name));
            }
            repo::put_queue(work.tx, &queue)?;
            work.touch(queue.number);
            // There may be room now.
            work.ring(queue.number, true);
            work.ring(queue.number, false);
            Ok(queue)
        });
        changed.await
    }

    /// Removes a queue that has no jobs, unless `refuse` knows what needs it.
    ///
    /// # Errors
    /// [`QueueError::NoQueue`], [`QueueError::Conflict`] when it has jobs, or is configured, and what `refuse` answers.
    pub async fn delete_queue(
        &self,
        name: String,
        refuse: impl FnOnce(&Tx<'_>, &str) -> Result<(), QueueError> + Send + 'static,
    ) -> Result<(), QueueError> {
        self.write(move |work| {
            let queue = repo::queue(work.tx, &name)?.ok_or_else(|| no_queue(&name))?;
            if NEEDED.contains(&name.as_str()) {
                return Err(QueueError::Conflict("the server itself needs this queue".into()));
            }
            refuse(work.tx, &name)?;
            if queue.configured {
                return Err(is_configured(&queue.name));
            }
            for state in JobState::ALL {
                if work.counted(queue.number, state)? > 0 {
                    let why = format!("the queue has jobs that are {}; remove them first", state.name());
                    return Err(QueueError::Conflict(why));
                }
            }
            work.touch(queue.number);
            // Who waits for its jobs is told that it is gone.
            work.ring(queue.number, true);
            work.ring(queue.number, false);
            Ok(repo::delete_queue(work.tx, &queue)?)
        })
        .await
    }
}

fn create(work: &mut Work<'_, '_>, name: String, policy: Policy) -> Result<Queue, QueueError> {
    let known = repo::queues(work.tx)?;
    if known.iter().any(|queue| queue.name == name) || known.len() >= QUEUES_MAX {
        let why = format!("there is a queue \"{name}\" already, or there are {QUEUES_MAX}");
        return Err(QueueError::Conflict(why));
    }
    let number = repo::next_number(work.tx)?;
    let queue = Queue { number, name, paused: false, configured: false, policy };
    repo::put_queue(work.tx, &queue)?;
    work.touch(number);
    Ok(queue)
}

fn is_configured(name: &str) -> QueueError {
    let why = format!("the configuration says how this queue is; change the section [queue.{name}] there");
    QueueError::Conflict(why)
}

/// Whether a queue is not as the configuration says.
fn differ(known: &[Queue], wanted: &BTreeMap<String, Policy>) -> bool {
    let as_wanted = |queue: &Queue| match wanted.get(&queue.name) {
        Some(policy) => queue.configured && queue.policy == *policy,
        None => !queue.configured,
    };
    let all = wanted.keys().all(|name| known.iter().any(|queue| queue.name == *name));
    !all || !known.iter().all(as_wanted)
}

fn configure(work: &mut Work<'_, '_>, mut wanted: BTreeMap<String, Policy>) -> Result<(), QueueError> {
    for queue in repo::queues(work.tx)? {
        let section = wanted.remove(&queue.name);
        let configured = section.is_some();
        let policy = section.unwrap_or(queue.policy);
        repo::put_queue(work.tx, &Queue { configured, policy, ..queue })?;
    }
    for (name, policy) in wanted {
        let made = create(work, name, policy)?;
        repo::put_queue(work.tx, &Queue { configured: true, ..made })?;
    }
    Ok(())
}

impl From<&QueueSettings> for Policy {
    fn from(settings: &QueueSettings) -> Self {
        let growth = if settings.pause == "constant" { Growth::Constant } else { Growth::Exponential };
        let rate = Rate { jobs: settings.rate_jobs, seconds: settings.rate_seconds };
        Self {
            concurrency: settings.concurrency,
            rate: (rate.jobs > 0).then_some(rate),
            attempts_max: settings.attempts_max,
            backoff: Backoff { growth, first_ms: settings.pause_ms, longest_ms: settings.pause_ms_max },
            keep_succeeded_seconds: settings.keep_succeeded_seconds,
            keep_cancelled_seconds: settings.keep_cancelled_seconds,
            keep_dead_seconds: settings.keep_dead_seconds,
            ..Self::default()
        }
    }
}

pub(super) fn no_queue(name: &str) -> QueueError {
    QueueError::NoQueue(name.to_owned())
}
