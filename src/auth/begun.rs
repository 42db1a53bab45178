//! What was begun and waits for its end: kept in memory for a while, and taken once. What a restart ends is begun again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use moka::{policy::EvictionPolicy, sync::Cache};

use crate::access::secret::secret_text;

/// The most that waits; one more ends what was begun first, so that a flood keeps nobody from beginning.
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
        let waiting = Cache::builder().max_capacity(WAITING_MAX).eviction_policy(EvictionPolicy::lru());
        Self { life, waiting: waiting.time_to_live(real).build() }
    }

    /// Keeps something. Answers its id: 256 random bits.
    pub fn keep(&self, what: T, now: Timestamp) -> String {
        let id = secret_text();
        self.waiting.insert(id.clone(), (now, what));
        id
    }

    /// Keeps something under an id, as it was begun at that time, in the place of what was there.
    pub fn put(&self, id: &str, what: T, at: Timestamp) {
        self.waiting.insert(id.to_owned(), (at, what));
    }

    /// Takes something, which is there once and for a while.
    pub fn take(&self, id: &str, now: Timestamp) -> Option<T> {
        let (at, what) = self.waiting.remove(id)?;
        (now.duration_since(at) < self.life).then_some(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_ends_what_was_begun_first() {
        let (begun, now) = (Begun::new(SignedDuration::from_mins(10)), Timestamp::UNIX_EPOCH);
        let first = begun.keep(0, now);
        for number in 1..=2 * WAITING_MAX {
            begun.keep(number, now);
        }
        let last = begun.keep(7, now);
        begun.waiting.run_pending_tasks();
        assert_eq!(begun.take(&first, now), None);
        assert_eq!(begun.take(&last, now), Some(7));
        assert_eq!(begun.take(&last, now), None, "once");
    }

    #[test]
    fn what_is_put_back_ends_when_it_would_have() {
        let (begun, now) = (Begun::new(SignedDuration::from_mins(10)), Timestamp::UNIX_EPOCH);
        let after = |minutes| now + SignedDuration::from_mins(minutes);
        let id = begun.keep((), now);
        assert_eq!(begun.take(&id, after(9)), Some(()));
        begun.put(&id, (), now);
        assert_eq!(begun.take(&id, after(10)), None);
    }
}
