//! Queues of jobs: one section `[queue.NAME]` for each that is to be as it says.

use serde::{Deserialize, Serialize};

/// A year, in seconds.
const YEAR: u64 = 366 * 86_400;
/// A day, in seconds.
const DAY: u64 = 86_400;

/// What holds for the jobs of a queue. A section says everything of its queue: what it does not name is as it is here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueSettings {
    /// How many jobs run at once; 0 for any number.
    pub concurrency: u32,
    /// How many jobs start within `rate_seconds`; 0 for any number.
    pub rate_jobs: u32,
    /// The time of `rate_jobs`, in seconds.
    pub rate_seconds: u32,
    /// How often a job is tried: one more than it is tried again.
    pub attempts_max: u32,
    /// How the pauses between attempts grow: `exponential`, each twice the one before, or `constant`.
    pub pause: String,
    /// The pause after the first attempt, in milliseconds.
    pub pause_ms: u64,
    /// The longest pause, in milliseconds.
    pub pause_ms_max: u64,
    /// How long a job is kept that has succeeded, in seconds; 0 keeps none.
    pub keep_succeeded_seconds: u64,
    /// How long a job is kept that was cancelled, in seconds; 0 keeps none.
    pub keep_cancelled_seconds: u64,
    /// How long a job is kept that is dead, in seconds; 0 keeps none.
    pub keep_dead_seconds: u64,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            concurrency: 0,
            rate_jobs: 0,
            rate_seconds: 60,
            attempts_max: 4,
            pause: "exponential".into(),
            pause_ms: 5_000,
            pause_ms_max: 3_600_000,
            keep_succeeded_seconds: DAY,
            keep_cancelled_seconds: DAY,
            keep_dead_seconds: 30 * DAY,
        }
    }
}

impl QueueSettings {
    /// Everything that is wrong with them, as `(key, what)`.
    pub(super) fn faults(&self) -> Vec<(&'static str, &'static str)> {
        let kept = |seconds: u64| seconds <= YEAR;
        let rules = [
            (self.concurrency <= 100_000, "concurrency", "must be from 0 to 100000"),
            (self.rate_jobs <= 1_000_000, "rate_jobs", "must be from 0 to 1000000"),
            ((1..=86_400).contains(&self.rate_seconds), "rate_seconds", "must be from 1 to 86400"),
            ((1..=100).contains(&self.attempts_max), "attempts_max", "must be from 1 to 100"),
            (matches!(self.pause.as_str(), "exponential" | "constant"), "pause", "must be exponential or constant"),
            (self.pause_ms <= DAY * 1_000, "pause_ms", "must be from 0 to 86400000"),
            (self.pause_ms_max <= DAY * 1_000, "pause_ms_max", "must be from 0 to 86400000"),
            (kept(self.keep_succeeded_seconds), "keep_succeeded_seconds", "must be from 0 to 31622400"),
            (kept(self.keep_cancelled_seconds), "keep_cancelled_seconds", "must be from 0 to 31622400"),
            (kept(self.keep_dead_seconds), "keep_dead_seconds", "must be from 0 to 31622400"),
        ];
        rules.into_iter().filter(|(fits, ..)| !fits).map(|(_, key, what)| (key, what)).collect()
    }
}
