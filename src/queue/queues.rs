//! Making, changing and removing queues.

use super::{
    error::QueueError,
    model::{JobState, Policy, Queue, first_queues},
    repo,
    service::Jobs,
    work::Work,
};

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

    /// Changes a queue: its policy, and whether jobs of it start.
    ///
    /// # Errors
    /// [`QueueError::NoQueue`], and what `change` answers.
    pub async fn change_queue(
        &self,
        name: String,
        change: impl FnOnce(&mut Queue) -> Result<(), QueueError> + Send + 'static,
    ) -> Result<Queue, QueueError> {
        let changed = self.write(move |work| {
            let mut queue = repo::queue(work.tx, &name)?.ok_or_else(|| no_queue(&name))?;
            change(&mut queue)?;
            repo::put_queue(work.tx, &queue)?;
            // There may be room now.
            work.ring(queue.number, true);
            work.ring(queue.number, false);
            Ok(queue)
        });
        changed.await
    }

    /// Removes a queue that has no jobs.
    ///
    /// # Errors
    /// [`QueueError::NoQueue`], [`QueueError::Conflict`] when it has jobs.
    pub async fn delete_queue(&self, name: String) -> Result<(), QueueError> {
        self.write(move |work| {
            let queue = repo::queue(work.tx, &name)?.ok_or_else(|| no_queue(&name))?;
            for state in JobState::ALL {
                if work.counted(queue.number, state)? > 0 {
                    let why = format!("the queue has jobs that are {}; remove them first", state.name());
                    return Err(QueueError::Conflict(why));
                }
            }
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
    let queue = Queue { number, name, paused: false, policy };
    repo::put_queue(work.tx, &queue)?;
    Ok(queue)
}

pub(super) fn no_queue(name: &str) -> QueueError {
    QueueError::NoQueue(name.to_owned())
}
