//! How a queue has done, as clients see it.

use jiff::Timestamp;
use poem_openapi::{Object, types::Example};

use crate::queue::{Lengths, QueueMetrics};

const TIME: &str = "2026-01-31T09:30:00Z";

/// How many jobs came and went in a minute.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "QueueMinute", example)]
pub(super) struct MinuteDto {
    /// When it began.
    at: String,
    /// Jobs that were made.
    made: u32,
    /// Attempts that were started.
    started: u32,
    /// Jobs that succeeded.
    succeeded: u32,
    /// Attempts that failed, and are followed by another.
    failed: u32,
    /// Jobs that failed for good.
    dead: u32,
}

impl Example for MinuteDto {
    fn example() -> Self {
        Self { at: TIME.into(), made: 12, started: 12, succeeded: 11, failed: 1, dead: 0 }
    }
}

/// Lengths of time in milliseconds, right to a fifth.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "QueueLengths", example)]
pub(super) struct LengthsDto {
    /// How many there were.
    count: u64,
    /// Half of them were shorter.
    p50_ms: f64,
    /// 95 of 100 were shorter.
    p95_ms: f64,
    /// 99 of 100 were shorter.
    p99_ms: f64,
}

impl From<Lengths> for LengthsDto {
    fn from(lengths: Lengths) -> Self {
        let Lengths { count, p50_ms, p95_ms, p99_ms } = lengths;
        Self { count, p50_ms, p95_ms, p99_ms }
    }
}

impl Example for LengthsDto {
    fn example() -> Self {
        Self { count: 720, p50_ms: 3.6, p95_ms: 14.3, p99_ms: 28.7 }
    }
}

/// How a queue has done in the last hour.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "QueueMetrics", example, skip_serializing_if_is_none)]
pub(in crate::jobs::queues) struct MetricsResponse {
    /// The minutes in which something happened, the oldest first.
    minutes: Vec<MinuteDto>,
    /// How long jobs waited from when they might start until they did.
    waited: LengthsDto,
    /// How long attempts took that succeeded or failed.
    ran: LengthsDto,
    /// Since when the job waits that would be the next to start; absent when none is ready.
    waiting_since: Option<String>,
}

impl From<(QueueMetrics, Option<Timestamp>)> for MetricsResponse {
    fn from((metrics, waiting_since): (QueueMetrics, Option<Timestamp>)) -> Self {
        let minute = |(at, counts): (Timestamp, crate::queue::MinuteCounts)| MinuteDto {
            at: at.to_string(),
            made: counts.made,
            started: counts.started,
            succeeded: counts.succeeded,
            failed: counts.failed,
            dead: counts.dead,
        };
        Self {
            minutes: metrics.minutes.into_iter().map(minute).collect(),
            waited: metrics.waited.into(),
            ran: metrics.ran.into(),
            waiting_since: waiting_since.map(|at| at.to_string()),
        }
    }
}

impl Example for MetricsResponse {
    fn example() -> Self {
        Self {
            minutes: vec![MinuteDto::example()],
            waited: LengthsDto::example(),
            ran: LengthsDto::example(),
            waiting_since: Some(TIME.into()),
        }
    }
}
