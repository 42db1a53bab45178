//! What the endpoints of workers read and answer.

use poem_openapi::{
    Object,
    types::{Any, Example},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use crate::{jobs::dto::StateName, queue::LeasedJob};

const ID: &str = "0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c";
const TIME: &str = "2026-01-31T09:30:00Z";
const TOKEN: &str = "4Zr8QmB2xKp7A9fTeWd3st";

/// What a worker asks for.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase", rename = "LeaseRequest", example, skip_serializing_if_is_none)]
pub(super) struct LeaseRequest {
    /// The most jobs.
    #[oai(default = "one", validator(minimum(value = "1"), maximum(value = "100")))]
    pub(super) max: u32,
    /// For how many seconds it wants each; a heartbeat asks for more.
    #[oai(default = "half_a_minute", validator(minimum(value = "1"), maximum(value = "86400")))]
    pub(super) lease_seconds: u32,
    /// For how many seconds to wait for a job when there is none; less when requests may not take as long.
    #[oai(default, validator(maximum(value = "60")))]
    pub(super) wait_seconds: u32,
    /// What the worker calls itself, for people.
    #[oai(default, validator(max_length = 100))]
    pub(super) worker: String,
}

fn one() -> u32 {
    1
}

fn half_a_minute() -> u32 {
    30
}

impl Default for LeaseRequest {
    fn default() -> Self {
        Self { max: one(), lease_seconds: half_a_minute(), wait_seconds: 0, worker: String::new() }
    }
}

impl Example for LeaseRequest {
    fn example() -> Self {
        Self { max: 10, lease_seconds: 30, wait_seconds: 20, worker: "worker-1".into() }
    }
}

/// A worker ends a job well.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "JobCompletion", example, skip_serializing_if_is_none)]
pub(super) struct Completion {
    /// That of the leased job.
    #[oai(validator(max_length = 64))]
    lease_token: String,
    /// What came of it: any JSON, at most 256 KiB.
    result: Option<Any<Value>>,
}

impl Example for Completion {
    fn example() -> Self {
        Self { lease_token: TOKEN.into(), result: Some(Any(json!({"orders": 200}))) }
    }
}

/// The same as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CompletionInput {
    pub(super) lease_token: String,
    pub(super) result: Option<Box<RawValue>>,
}

/// A worker could not do a job.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", rename = "JobFailure", example, skip_serializing_if_is_none)]
pub(super) struct FailureRequest {
    /// That of the leased job.
    #[oai(validator(max_length = 64))]
    pub(super) lease_token: String,
    /// Why, for people; 4 KiB of it are kept.
    #[oai(validator(max_length = 65536))]
    pub(super) error: String,
    /// In how many seconds to try again; absent for the pause of the job.
    #[oai(validator(maximum(value = "31622400")))]
    pub(super) retry_after_seconds: Option<u32>,
    /// Whether trying again is in vain: the job is dead at once.
    #[serde(default, rename = "final")]
    #[oai(default, rename = "final")]
    pub(super) is_final: bool,
}

impl Example for FailureRequest {
    fn example() -> Self {
        let lease_token = TOKEN.into();
        Self { lease_token, error: "the shop does not answer".into(), retry_after_seconds: Some(30), is_final: false }
    }
}

/// What became of a job that failed.
#[derive(Debug, Object)]
#[oai(rename = "FailedJob", example)]
pub(super) struct FailedResponse {
    /// `failed` when it will be tried again, `dead`, or `cancelled`.
    pub(super) state: StateName,
}

impl Example for FailedResponse {
    fn example() -> Self {
        Self { state: StateName::Failed }
    }
}

/// A worker is still at a job.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "JobHeartbeat", example, skip_serializing_if_is_none)]
pub(super) struct Heartbeat {
    /// That of the leased job.
    #[oai(validator(max_length = 64))]
    lease_token: String,
    /// For how many seconds from now it wants the job; absent leaves the end of the lease as it is.
    #[oai(validator(minimum(value = "1"), maximum(value = "86400")))]
    lease_seconds: Option<u32>,
    /// How far it is: any JSON, at most 256 KiB.
    progress: Option<Any<Value>>,
    /// Lines for the job's log.
    #[oai(default, validator(max_items = 100, max_length = 4096))]
    log: Vec<String>,
}

impl Example for Heartbeat {
    fn example() -> Self {
        let (lease_token, log) = (TOKEN.into(), vec!["fetched 200 orders".into()]);
        Self { lease_token, lease_seconds: Some(30), progress: Some(Any(json!(0.5))), log }
    }
}

/// The same as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HeartbeatInput {
    pub(super) lease_token: String,
    pub(super) lease_seconds: Option<u32>,
    pub(super) progress: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) log: Vec<String>,
}

/// What a worker hears that is still at a job.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "JobHeard", example)]
pub(super) struct HeardResponse {
    /// Until when it has the job.
    pub(super) leased_until: String,
    /// Whether it is to stop: the job is not wanted any more.
    pub(super) cancel_requested: bool,
}

impl Example for HeardResponse {
    fn example() -> Self {
        Self { leased_until: TIME.into(), cancel_requested: false }
    }
}

/// A job in the hands of a worker.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "LeasedJob", example, skip_serializing_if_is_none)]
pub(super) struct LeasedDto {
    /// The id.
    id: String,
    /// What is to be done.
    kind: String,
    /// With what.
    payload: Any<Value>,
    /// How often it was started, this time included.
    attempts: u32,
    /// How often it is tried.
    attempts_max: u32,
    /// When it was made.
    created_at: String,
    /// The name of the schedule that made it.
    schedule: Option<String>,
    /// The time of that schedule for which it was made.
    scheduled_for: Option<String>,
    /// How far an earlier attempt said that it was.
    progress: Option<Any<Value>>,
    /// What ends the job, or tells that the worker is still at it.
    lease_token: String,
    /// Until when the worker has it.
    leased_until: String,
}

impl Example for LeasedDto {
    fn example() -> Self {
        Self {
            id: ID.into(),
            kind: "shop.sync".into(),
            payload: Any(json!({"shop": 7})),
            attempts: 1,
            attempts_max: 5,
            created_at: TIME.into(),
            schedule: None,
            scheduled_for: None,
            progress: None,
            lease_token: TOKEN.into(),
            leased_until: "2026-01-31T09:30:30Z".into(),
        }
    }
}

/// The same as it is written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeasedReply {
    id: String,
    kind: String,
    payload: Box<RawValue>,
    attempts: u32,
    attempts_max: u32,
    created_at: jiff::Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_for: Option<jiff::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Box<RawValue>>,
    lease_token: String,
    leased_until: jiff::Timestamp,
}

impl From<LeasedJob> for LeasedReply {
    fn from(job: LeasedJob) -> Self {
        let LeasedJob { id, kind, payload, attempts, attempts_max, created_at, scheduled, progress, token, until } =
            job;
        let (lease_token, leased_until) = (token, until);
        let (schedule, scheduled_for) = scheduled.map(|scheduled| (scheduled.schedule, scheduled.at)).unzip();
        Self {
            id: id.to_string(),
            kind,
            payload,
            attempts,
            attempts_max,
            created_at,
            schedule,
            scheduled_for,
            progress,
            lease_token,
            leased_until,
        }
    }
}

/// The jobs that a worker gets, in the order in which they are to be done.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "LeasedJobList", example, skip_serializing_if_is_none)]
pub(super) struct LeasedListDto {
    /// The jobs; none when there was nothing to do.
    items: Vec<LeasedDto>,
    /// When the queue's rate allows the next job, if it does not allow one now.
    allowed_at: Option<String>,
}

impl Example for LeasedListDto {
    fn example() -> Self {
        Self { items: vec![LeasedDto::example()], allowed_at: None }
    }
}

/// The same as it is written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeasedListReply {
    pub(super) items: Vec<LeasedReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allowed_at: Option<jiff::Timestamp>,
}
