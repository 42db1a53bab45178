//! Who is woken when something has happened to jobs: workers that wait for one, the keeper of times, and whoever watches queues.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

/// A number that moves on with each change.
pub(super) type Version = Arc<watch::Sender<u64>>;

/// Bells by queue, and one for the keeper.
#[derive(Debug)]
pub(super) struct Bells {
    workers: Mutex<HashMap<(u32, bool), Arc<Notify>>>,
    pub(super) keeper: Arc<Notify>,
    /// Of each queue in which something was changed, and of all together.
    versions: Mutex<HashMap<u32, Version>>,
    pub(super) version: Version,
    /// When the keeper comes by itself, in milliseconds.
    comes_at: AtomicI64,
}

impl Default for Bells {
    fn default() -> Self {
        // Until the keeper has said when it comes, it is woken by every time.
        Self {
            workers: Mutex::default(),
            keeper: Arc::default(),
            versions: Mutex::default(),
            version: Arc::default(),
            comes_at: AtomicI64::new(i64::MAX),
        }
    }
}

impl Bells {
    /// The bell of those who work for a queue: the server itself, or workers outside. One ring wakes one of them, who rings on when there
    /// is more to do.
    pub(super) fn of(&self, queue: u32, built_in: bool) -> Arc<Notify> {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(workers.entry((queue, built_in)).or_default())
    }

    /// What moves on with each change in a queue.
    pub(super) fn version_of(&self, queue: u32) -> Version {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(versions.entry(queue).or_default())
    }

    /// The queues that have changed since the server was started, each with its version.
    pub(super) fn known(&self) -> Vec<(u32, u64)> {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        versions.iter().map(|(queue, version)| (*queue, *version.borrow())).collect()
    }

    /// What moves on when something is changed in these queues: those of each, then that of all.
    pub(super) fn versions(&self, queues: &[u32]) -> Vec<Version> {
        if queues.is_empty() {
            return Vec::new();
        }
        let own = queues.iter().map(|queue| self.version_of(*queue));
        own.chain([Arc::clone(&self.version)]).collect()
    }

    /// Whether the keeper would come too late for this time.
    pub(super) fn is_before_keeper(&self, at: Timestamp) -> bool {
        at.as_millisecond() < self.comes_at.load(Ordering::Acquire)
    }

    /// The keeper looks for its next time: whoever has a new one wakes it meanwhile.
    pub(super) fn keeper_looks(&self) {
        self.comes_at.store(i64::MAX, Ordering::Release);
    }

    /// The keeper sleeps until then.
    pub(super) fn keeper_sleeps(&self, until: Option<Timestamp>) {
        let until = until.map_or(i64::MAX, Timestamp::as_millisecond);
        self.comes_at.store(until, Ordering::Release);
    }
}
