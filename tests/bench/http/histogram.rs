//! Latencies in a fixed amount of memory, to within 1.6 %: 64 steps to each power of two, as HdrHistogram counts them.
//! Not a statistics library: it counts, adds up, and answers percentiles.

use std::time::Duration;

/// Steps per power of two.
const STEPS: u64 = 64;
/// Enough for every `u64` of nanoseconds.
const BUCKETS: usize = 64 * 60;

/// Counts of durations.
#[derive(Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// One with nothing in it.
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    /// Counts one duration.
    pub(crate) fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(nanos)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// Counts all that another one has.
    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// How many were counted.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// The duration that this many in a hundred do not exceed; zero when nothing was counted.
    pub(crate) fn percentile(&self, percent: u64) -> Duration {
        let rank = (self.total * percent).div_ceil(100);
        let mut seen = 0;
        for (at, count) in (0..).zip(&self.counts) {
            seen += count;
            if seen >= rank.max(1) {
                return Duration::from_nanos(floor(at));
            }
        }
        Duration::ZERO
    }
}

fn bucket(nanos: u64) -> usize {
    let power = u64::from(nanos.max(STEPS).ilog2() - STEPS.ilog2());
    let at = power * STEPS + (nanos >> power);
    usize::try_from(at).unwrap_or(usize::MAX)
}

fn floor(bucket: u64) -> u64 {
    let power = (bucket / STEPS).saturating_sub(1);
    (bucket - power * STEPS) << power
}
