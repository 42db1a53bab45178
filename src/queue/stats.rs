//! How a queue has done in the last hour: how many jobs came and went each minute, how long they waited and how long they ran.
//!
//! It is kept in memory and begins anew with the server. It is counted in the writer, where the few that are undone afterwards count, too.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

/// For how many minutes it is kept.
const MINUTES: i64 = 60;
/// Each power of two is divided into so many parts, so a length is known to a fifth.
const PARTS: u32 = 4;
/// Lengths up to 2^36 microseconds, which is 19 hours; longer ones count as that.
const BUCKETS: usize = 36 * PARTS as usize;

/// What happens to jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tally {
    Made,
    Started,
    Succeeded,
    Failed,
    Dead,
}

/// How many jobs came and went in a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// They were made.
    pub made: u32,
    /// They were started, more than once if they were tried again.
    pub started: u32,
    /// They succeeded.
    pub succeeded: u32,
    /// An attempt failed, and there will be another.
    pub failed: u32,
    /// They failed for good.
    pub dead: u32,
}

/// Lengths of time, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lengths {
    /// How many there were.
    pub count: u64,
    /// Half of them were shorter.
    pub p50_ms: f64,
    /// 95 of 100 were shorter.
    pub p95_ms: f64,
    /// 99 of 100 were shorter.
    pub p99_ms: f64,
}

/// How a queue has done in the last hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueMetrics {
    /// The minutes in which something happened, the oldest first, each by its begin.
    pub minutes: Vec<(Timestamp, Counts)>,
    /// How long jobs waited from when they might start until they did.
    pub waited: Lengths,
    /// How long attempts took that succeeded or failed.
    pub ran: Lengths,
}

/// The queues, by number.
#[derive(Debug, Default)]
pub(super) struct Stats(Mutex<HashMap<u32, VecDeque<Minute>>>);

#[derive(Debug)]
struct Minute {
    /// Since the epoch.
    number: i64,
    counts: Counts,
    waited: Histogram,
    ran: Histogram,
}

impl Minute {
    fn new(number: i64) -> Self {
        Self { number, counts: Counts::default(), waited: Histogram::default(), ran: Histogram::default() }
    }

    fn count(&mut self, tally: Tally) {
        let slot = match tally {
            Tally::Made => &mut self.counts.made,
            Tally::Started => &mut self.counts.started,
            Tally::Succeeded => &mut self.counts.succeeded,
            Tally::Failed => &mut self.counts.failed,
            Tally::Dead => &mut self.counts.dead,
        };
        *slot = slot.saturating_add(1);
    }
}

fn minute_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

impl Stats {
    fn with(&self, queue: u32, now: Timestamp, count: impl FnOnce(&mut Minute)) {
        let number = minute_of(now);
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minutes = queues.entry(queue).or_default();
        if minutes.back().is_none_or(|last| last.number < number) {
            minutes.push_back(Minute::new(number));
        }
        while minutes.front().is_some_and(|first| first.number <= number - MINUTES) {
            minutes.pop_front();
        }
        // A clock that was set back counts for the newest minute.
        if let Some(minute) = minutes.back_mut() {
            count(minute);
        }
    }

    /// Something happened to a job.
    pub(super) fn count(&self, queue: u32, now: Timestamp, tally: Tally) {
        self.with(queue, now, |minute| minute.count(tally));
    }

    /// A job was started, after it had waited since it might.
    pub(super) fn started(&self, queue: u32, now: Timestamp, since: Timestamp) {
        self.with(queue, now, |minute| {
            minute.count(Tally::Started);
            minute.waited.add(now.duration_since(since));
        });
    }

    /// An attempt came to an end.
    pub(super) fn ended(&self, queue: u32, now: Timestamp, tally: Tally, since: Option<Timestamp>) {
        self.with(queue, now, |minute| {
            minute.count(tally);
            if let Some(since) = since {
                minute.ran.add(now.duration_since(since));
            }
        });
    }

    /// How a queue has done.
    pub(super) fn of(&self, queue: u32, now: Timestamp) -> QueueMetrics {
        let first = minute_of(now) - MINUTES;
        let queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minutes: Vec<&Minute> =
            queues.get(&queue).into_iter().flatten().filter(|minute| minute.number > first).collect();
        let at = |minute: &Minute| Timestamp::from_second(minute.number * 60).unwrap_or(Timestamp::UNIX_EPOCH);
        QueueMetrics {
            minutes: minutes.iter().map(|minute| (at(minute), minute.counts)).collect(),
            waited: lengths(minutes.iter().map(|minute| &minute.waited)),
            ran: lengths(minutes.iter().map(|minute| &minute.ran)),
        }
    }
}

/// How many lengths there were of about each.
#[derive(Debug)]
struct Histogram(Box<[u32; BUCKETS]>);

impl Default for Histogram {
    fn default() -> Self {
        Self(Box::new([0; BUCKETS]))
    }
}

impl Histogram {
    fn add(&mut self, length: SignedDuration) {
        let micros = u64::try_from(length.as_micros()).unwrap_or(0);
        if let Some(slot) = self.0.get_mut(bucket(micros)) {
            *slot = slot.saturating_add(1);
        }
    }
}

/// The bucket of a length: its power of two, and the part of that.
fn bucket(micros: u64) -> usize {
    let micros = micros.max(1);
    let power = micros.ilog2();
    let part = ((micros - (1 << power)).saturating_mul(u64::from(PARTS))) >> power;
    usize::try_from(u64::from(power * PARTS) + part).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The middle of a bucket, in milliseconds.
fn middle(bucket: usize) -> f64 {
    let bucket = u32::try_from(bucket).unwrap_or(0);
    let (power, part) = (bucket / PARTS, f64::from(bucket % PARTS));
    let low = f64::from(power).exp2() * (1.0 + part / f64::from(PARTS));
    low * (1.0 + 0.5 / f64::from(PARTS)) / 1_000.0
}

fn lengths<'h>(histograms: impl Iterator<Item = &'h Histogram>) -> Lengths {
    let mut sum = [0_u64; BUCKETS];
    for histogram in histograms {
        for (slot, count) in sum.iter_mut().zip(histogram.0.iter()) {
            *slot += u64::from(*count);
        }
    }
    let count: u64 = sum.iter().sum();
    let percentile = |percent: u64| {
        let wanted = (count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let found = sum.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map_or(0.0, middle)
    };
    Lengths { count, p50_ms: percentile(50), p95_ms: percentile(95), p99_ms: percentile(99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_769_851_800 + seconds).unwrap()
    }

    #[test]
    fn percentiles_are_right_to_a_fifth() {
        let stats = Stats::default();
        for millis in 1..=1_000 {
            let since = at(0).checked_sub(SignedDuration::from_millis(millis)).unwrap();
            stats.started(1, at(0), since);
        }
        let waited = stats.of(1, at(0)).waited;
        assert_eq!(waited.count, 1_000);
        for (found, exact) in [(waited.p50_ms, 500.0), (waited.p95_ms, 950.0), (waited.p99_ms, 990.0)] {
            assert!((found / exact - 1.0).abs() < 0.2, "{found} for {exact}");
        }
        for micros in [0, 1, 2, 3, 4, 5, 1_000, 1 << 35, u64::MAX] {
            assert!(bucket(micros) < BUCKETS);
        }
        assert!((0..100_000_u64).map(bucket).is_sorted());
    }

    #[test]
    fn an_hour_is_kept() {
        let stats = Stats::default();
        for minute in 0..90 {
            stats.count(1, at(minute * 60), Tally::Made);
        }
        stats.ended(1, at(90 * 60), Tally::Dead, Some(at(89 * 60)));
        let of = stats.of(1, at(90 * 60));
        assert_eq!((of.minutes.len(), of.minutes.last().unwrap().1.dead, of.ran.count), (60, 1, 1));
        assert_eq!(stats.of(1, at(200 * 60)), QueueMetrics::default());
        assert_eq!(stats.of(2, at(0)), QueueMetrics::default());
        // A clock that is set back loses nothing.
        stats.count(1, at(0), Tally::Made);
        assert_eq!(stats.of(1, at(90 * 60)).minutes.last().unwrap().1.made, 1);
    }
}
