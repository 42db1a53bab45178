//! What holds for the jobs of a queue: how many run at once, how often each is tried and after which pauses, how long it is kept.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::model::{JobId, JobState};

/// How the pauses between attempts grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Growth {
    /// Each is twice the one before.
    Exponential,
    /// Each is as long as the first.
    Constant,
}

/// How long to wait before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// How the pauses grow.
    pub growth: Growth,
    /// The pause after the first attempt, in milliseconds.
    pub first_ms: u64,
    /// The longest pause, in milliseconds.
    pub longest_ms: u64,
}

impl Backoff {
    /// The pause after so many attempts: up to a quarter shorter than computed, so that jobs which failed together do not come
    /// back together. The same job gets the same pause after the same attempt.
    #[must_use]
    pub fn pause(&self, id: JobId, attempts: u32) -> SignedDuration {
        let doublings = if self.growth == Growth::Exponential { attempts.saturating_sub(1).min(62) } else { 0 };
        let whole = self.first_ms.saturating_mul(1 << doublings).min(self.longest_ms);
        // The last bytes of the id are random.
        let spread =
            id.0.as_bytes().iter().fold(attempts, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
        let shorter = whole / 4 * u64::from(spread % 1_000) / 1_000;
        SignedDuration::from_millis(i64::try_from(whole - shorter).unwrap_or(i64::MAX))
    }
}

/// How many jobs of a queue may start in a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// So many.
    pub jobs: u32,
    /// In so many seconds.
    pub seconds: u32,
}

/// What holds for the jobs of a queue, unless a job says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// How many run at once; 0 for any number.
    pub concurrency: u32,
    /// How many start in a while; none for any number.
    pub rate: Option<Rate>,
    /// How often a job is tried.
    pub attempts_max: u32,
    /// The pauses between attempts.
    pub backoff: Backoff,
    /// How long an attempt of a built-in job may take, in seconds.
    pub timeout_seconds: u64,
    /// How long a job is kept that has succeeded, in seconds; 0 keeps none.
    pub keep_succeeded_seconds: u64,
    /// How long a job is kept that was cancelled, in seconds.
    pub keep_cancelled_seconds: u64,
    /// How long a job is kept that is dead, in seconds.
    pub keep_dead_seconds: u64,
}

impl Policy {
    /// How long a job in this final state is kept, in seconds.
    pub(super) const fn keep_seconds(&self, state: JobState) -> u64 {
        match state {
            JobState::Succeeded => self.keep_succeeded_seconds,
            JobState::Cancelled => self.keep_cancelled_seconds,
            _ => self.keep_dead_seconds,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            concurrency: 0,
            rate: None,
            attempts_max: 4,
            backoff: Backoff { growth: Growth::Exponential, first_ms: 5_000, longest_ms: 3_600_000 },
            timeout_seconds: 300,
            keep_succeeded_seconds: DAY,
            keep_cancelled_seconds: DAY,
            keep_dead_seconds: 30 * DAY,
        }
    }
}

/// The queues that the server itself needs: for its mail, and for webhooks.
pub const NEEDED: [&str; 2] = ["emails", "webhooks"];

/// The queues that a new server has, and what holds for their jobs.
pub(super) fn first_queues() -> [(&'static str, Policy); 5] {
    // Attempts are one more than what others call retries.
    let of = |concurrency, attempts_max| Policy { concurrency, attempts_max, ..Policy::default() };
    let patient = Backoff { growth: Growth::Exponential, first_ms: 10_000, longest_ms: 6 * 3_600_000 };
    // Sixteen attempts take a day and a half.
    let webhooks = Policy { backoff: patient, keep_succeeded_seconds: 7 * 86_400, ..of(20, 16) };
    [("webhooks", webhooks), ("emails", of(10, 4)), ("uploads", of(5, 3)), ("sync", of(3, 6)), ("reports", of(2, 2))]
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_differ_by_job() {
        let id = |last: u8| JobId(Uuid::from_bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, last]));
        let backoff = Backoff { growth: Growth::Exponential, first_ms: 1_000, longest_ms: 60_000 };
        for attempts in 1..100 {
            let whole = (1_000_i64 << (attempts - 1).min(20)).min(60_000);
            let pause = i64::try_from(backoff.pause(id(0), attempts).as_millis()).unwrap();
            assert!(pause <= whole && pause >= whole / 4 * 3, "{attempts}: {pause}");
        }
        let pauses: std::collections::BTreeSet<_> = (0..100).map(|last| backoff.pause(id(last), 7)).collect();
        assert!(pauses.len() > 50, "{pauses:?}");
        let constant = Backoff { growth: Growth::Constant, ..backoff };
        assert!(constant.pause(id(0), 50) <= SignedDuration::from_secs(1));
    }
}
