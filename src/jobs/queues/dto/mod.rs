//! What the endpoints of queues read and answer.

mod metrics;

use poem_openapi::{Enum, Object, types::Example};
use serde::Deserialize;

pub(super) use metrics::MetricsResponse;

use crate::{
    config::is_queue_name,
    jobs::dto::StateName,
    kernel::FieldError,
    queue::{Backoff, Counted, Growth, JobState, Policy, Queue, Rate, input::BackoffInput},
};

/// How pauses grow.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "camelCase", rename = "BackoffGrowth")]
pub(in crate::jobs) enum GrowthName {
    /// Each is twice the one before.
    Exponential,
    /// Each is as long as the first.
    Constant,
}

/// The pauses between attempts. Each is up to a quarter shorter, so that jobs which failed together do not come back together.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "JobBackoff", example)]
pub(in crate::jobs) struct BackoffDto {
    /// How they grow.
    pub(in crate::jobs) growth: GrowthName,
    /// The first one, in seconds.
    #[oai(validator(minimum(value = "0"), maximum(value = "86400")))]
    pub(in crate::jobs) first_seconds: f64,
    /// The longest one, in seconds.
    #[oai(validator(minimum(value = "0"), maximum(value = "86400")))]
    pub(in crate::jobs) longest_seconds: f64,
}

impl Example for BackoffDto {
    fn example() -> Self {
        Self { growth: GrowthName::Exponential, first_seconds: 5.0, longest_seconds: 3_600.0 }
    }
}

impl From<Backoff> for BackoffDto {
    #[expect(clippy::cast_precision_loss, reason = "a day in milliseconds is far from where it begins")]
    fn from(backoff: Backoff) -> Self {
        let growth = match backoff.growth {
            Growth::Exponential => GrowthName::Exponential,
            Growth::Constant => GrowthName::Constant,
        };
        let seconds = |millis: u64| millis as f64 / 1_000.0;
        Self { growth, first_seconds: seconds(backoff.first_ms), longest_seconds: seconds(backoff.longest_ms) }
    }
}

/// How many jobs of a queue start in a while.
#[derive(Clone, Copy, Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename = "QueueRate", example)]
pub(super) struct RateDto {
    /// So many; 0 for any number.
    #[oai(validator(maximum(value = "1000000")))]
    jobs: u32,
    /// In so many seconds.
    #[oai(validator(minimum(value = "1"), maximum(value = "86400")))]
    seconds: u32,
}

impl Example for RateDto {
    fn example() -> Self {
        Self { jobs: 100, seconds: 60 }
    }
}

/// A queue to be made, or what is to be other about one; what is absent stays, or is as for any queue.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "QueueSettings", example, skip_serializing_if_is_none)]
pub(super) struct Settings {
    /// Whether no job of it starts.
    paused: Option<bool>,
    /// How many jobs run at once; 0 for any number.
    #[oai(validator(maximum(value = "100000")))]
    concurrency: Option<u32>,
    /// How many jobs start in a while.
    rate: Option<RateDto>,
    /// How often a job is tried.
    #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
    attempts_max: Option<u32>,
    /// The pauses between attempts.
    backoff: Option<BackoffDto>,
    /// How long a job is kept that has succeeded, in seconds; 0 keeps none.
    #[oai(validator(maximum(value = "31622400")))]
    keep_succeeded_seconds: Option<u64>,
    /// How long a job is kept that was cancelled, in seconds; 0 keeps none.
    #[oai(validator(maximum(value = "31622400")))]
    keep_cancelled_seconds: Option<u64>,
    /// How long a job is kept that is dead, in seconds; 0 keeps none.
    #[oai(validator(maximum(value = "31622400")))]
    keep_dead_seconds: Option<u64>,
}

impl Example for Settings {
    fn example() -> Self {
        Self {
            paused: None,
            concurrency: Some(3),
            rate: Some(RateDto::example()),
            attempts_max: Some(6),
            backoff: Some(BackoffDto::example()),
            keep_succeeded_seconds: Some(86_400),
            keep_cancelled_seconds: None,
            keep_dead_seconds: None,
        }
    }
}

/// The same as it is read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct SettingsInput {
    paused: Option<bool>,
    concurrency: Option<u32>,
    rate: Option<RateDto>,
    attempts_max: Option<u32>,
    backoff: Option<BackoffInput>,
    keep_succeeded_seconds: Option<u64>,
    keep_cancelled_seconds: Option<u64>,
    keep_dead_seconds: Option<u64>,
}

impl SettingsInput {
    /// Puts what is given into a queue.
    pub(super) fn apply(self, queue: &mut Queue) {
        queue.paused = self.paused.unwrap_or(queue.paused);
        queue.policy = self.policy(queue.policy);
    }

    /// The policy with what is given.
    pub(super) fn policy(self, known: Policy) -> Policy {
        let rate =
            self.rate.map(|rate| Some(Rate { jobs: rate.jobs, seconds: rate.seconds }).filter(|rate| rate.jobs > 0));
        Policy {
            concurrency: self.concurrency.unwrap_or(known.concurrency),
            rate: rate.unwrap_or(known.rate),
            attempts_max: self.attempts_max.unwrap_or(known.attempts_max),
            backoff: self.backoff.map_or(known.backoff, Into::into),
            keep_succeeded_seconds: self.keep_succeeded_seconds.unwrap_or(known.keep_succeeded_seconds),
            keep_cancelled_seconds: self.keep_cancelled_seconds.unwrap_or(known.keep_cancelled_seconds),
            keep_dead_seconds: self.keep_dead_seconds.unwrap_or(known.keep_dead_seconds),
            ..known
        }
    }
}

/// A queue to be made.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "QueueCreate", example, skip_serializing_if_is_none)]
pub(super) struct QueueCreate {
    /// Its name: 1 to 50 of `a-z 0-9 - _`, a letter first.
    #[oai(validator(min_length = 1, max_length = 50))]
    name: String,
    /// What holds for its jobs; absent for what holds for any queue.
    settings: Option<Settings>,
}

impl Example for QueueCreate {
    fn example() -> Self {
        Self { name: "newsletters".into(), settings: Some(Settings::example()) }
    }
}

/// The same as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct QueueInput {
    pub(super) name: String,
    #[serde(default)]
    pub(super) settings: SettingsInput,
}

impl QueueInput {
    pub(super) fn fault(&self) -> Option<FieldError> {
        let detail = "must have 1 to 50 of the characters a-z 0-9 - _, a letter first";
        (!is_queue_name(&self.name)).then(|| FieldError::at("name", "format", detail))
    }
}

/// How many jobs are in each state.
#[derive(Debug, Default, Object)]
#[oai(rename_all = "camelCase", rename = "QueueCounts", example)]
pub(super) struct Counts {
    /// For other jobs, or for their turn.
    waiting: u64,
    /// For their time.
    scheduled: u64,
    /// For a worker.
    ready: u64,
    /// A worker has them.
    running: u64,
    /// They failed, and will be tried again.
    failed: u64,
    /// They are done, and kept for a while.
    succeeded: u64,
    /// They failed for good.
    dead: u64,
    /// They were not wanted any more, or have expired.
    cancelled: u64,
}

impl Counts {
    fn slot(&mut self, state: JobState) -> &mut u64 {
        match StateName::from(state) {
            StateName::Waiting => &mut self.waiting,
            StateName::Scheduled => &mut self.scheduled,
            StateName::Ready => &mut self.ready,
            StateName::Running => &mut self.running,
            StateName::Failed => &mut self.failed,
            StateName::Succeeded => &mut self.succeeded,
            StateName::Dead => &mut self.dead,
            StateName::Cancelled => &mut self.cancelled,
        }
    }
}

impl Example for Counts {
    fn example() -> Self {
        Self { ready: 12, running: 3, ..Self::default() }
    }
}

/// A queue.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "Queue", example, skip_serializing_if_is_none)]
pub(super) struct QueueResponse {
    /// Its name.
    name: String,
    /// Whether no job of it starts.
    paused: bool,
    /// Whether its settings stand in the server's configuration, and are changed only there.
    configured: bool,
    /// How many jobs run at once; 0 for any number.
    concurrency: u32,
    /// How many jobs start in a while.
    rate: Option<RateDto>,
    /// How often a job is tried.
    attempts_max: u32,
    /// The pauses between attempts.
    backoff: BackoffDto,
    /// How long a job is kept that has succeeded, in seconds.
    keep_succeeded_seconds: u64,
    /// How long a job is kept that was cancelled, in seconds.
    keep_cancelled_seconds: u64,
    /// How long a job is kept that is dead, in seconds.
    keep_dead_seconds: u64,
    /// How many jobs are in each state.
    counts: Counts,
    /// When the job was made that would be the next to start.
    next_created_at: Option<String>,
}

impl From<Counted> for QueueResponse {
    fn from(counted: Counted) -> Self {
        let Counted { queue, counts: known, next_created_at } = counted;
        let mut counts = Counts::default();
        for (state, count) in known {
            *counts.slot(state) = count;
        }
        let policy = queue.policy;
        Self {
            name: queue.name,
            paused: queue.paused,
            configured: queue.configured,
            concurrency: policy.concurrency,
            rate: policy.rate.map(|rate| RateDto { jobs: rate.jobs, seconds: rate.seconds }),
            attempts_max: policy.attempts_max,
            backoff: policy.backoff.into(),
            keep_succeeded_seconds: policy.keep_succeeded_seconds,
            keep_cancelled_seconds: policy.keep_cancelled_seconds,
            keep_dead_seconds: policy.keep_dead_seconds,
            counts,
            next_created_at: next_created_at.map(|at| at.to_string()),
        }
    }
}

impl Example for QueueResponse {
    fn example() -> Self {
        Self {
            name: "newsletters".into(),
            paused: false,
            configured: false,
            concurrency: 3,
            rate: Some(RateDto::example()),
            attempts_max: 6,
            backoff: BackoffDto::example(),
            keep_succeeded_seconds: 86_400,
            keep_cancelled_seconds: 86_400,
            keep_dead_seconds: 2_592_000,
            counts: Counts::example(),
            next_created_at: Some("2026-01-31T09:30:00Z".into()),
        }
    }
}

/// Queues.
#[derive(Debug, Object)]
#[oai(rename = "QueueList", example)]
pub(super) struct QueueListResponse {
    /// The queues.
    pub(super) items: Vec<QueueResponse>,
}

impl Example for QueueListResponse {
    fn example() -> Self {
        Self { items: vec![QueueResponse::example()] }
    }
}

/// Which jobs of a queue are meant: those that fit all that is given.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "JobFilter", example, skip_serializing_if_is_none)]
pub(super) struct FilterRequest {
    /// In this state.
    state: StateName,
    /// Of this kind.
    #[oai(validator(max_length = 100))]
    kind: Option<String>,
    /// Whose error holds this text.
    #[oai(validator(max_length = 200))]
    error: Option<String>,
}

/// The same as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FilterInput {
    pub(super) state: JobState,
    pub(super) kind: Option<String>,
    pub(super) error: Option<String>,
}

impl Example for FilterRequest {
    fn example() -> Self {
        Self { state: StateName::Dead, kind: Some("shop.sync".into()), error: Some("does not answer".into()) }
    }
}

/// How many jobs it was done with.
#[derive(Debug, Object)]
#[oai(rename = "ManyJobs", example)]
pub(super) struct ManyResponse {
    /// So many.
    pub(super) done: usize,
    /// Whether there may be more: at most 1,000 are taken at once.
    pub(super) more: bool,
}

impl Example for ManyResponse {
    fn example() -> Self {
        Self { done: 7, more: false }
    }
}
