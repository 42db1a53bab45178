//! What was begun and waits for its end: kept in memory for a while, and taken once. What a restart ends is begun again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use moka::sync::Cache;

use crate::access::secret::secret_text;

/// The most that waits; one more ends what was begun first.
const WAITING_MAX: u64 = 10_000;

/// What was begun, each under a random id.
pub struct Begun<T> {
    life: SignedDuration,
    waiting: Cache<String, (Timestamp, T)>,
}

impl<T> std::fmt::Debug for Begun<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Begun").field("life", &self.life).finish_non_exhaustive()
    }
}

impl<T: Clone + Send + Sync + 'static> Begun<T> {
    /// Keeps each for so long.
    #[must_use]
    pub fn new(life: SignedDuration) -> Self {
        let real = Duration::try_from(life).unwrap_or_default();
        Self { life, waiting: Cache::builder().max_capacity(WAITING_MAX).time_to_live(real).build() }
    }

    /// Keeps something. Answers its id: 256 random bits.
    pub fn keep(&self, what: T, now: Timestamp) -> String {
        let id = secret_text();
        self.waiting.insert(id.clone(), (now, what));
        id
    }

    /// Puts something back that was taken, under the same id.
    pub fn put_back(&self, id: &str, what: T, now: Timestamp) {
        self.waiting.insert(id.to_owned(), (now, what));
    }

    /// Takes something, which is there once and for a while.
    pub fn take(&self, id: &str, now: Timestamp) -> Option<T> {
        let (at, what) = self.waiting.remove(id)?;
        (now.duration_since(at) < self.life).then_some(what)
    }
}
