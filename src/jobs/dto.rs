//! What the endpoints of jobs read and answer.

use poem_openapi::{
    Enum, Object,
    types::{Any, Example},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use super::queues::dto::BackoffDto;
use crate::queue::{Attempt, Enqueued, JobState, Listed, Making};

const ID: &str = "0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c";
const TIME: &str = "2026-01-31T09:30:00Z";

/// What happens when another unfinished job of the queue and kind has the unique key.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "camelCase", rename = "JobCollision")]
pub(super) enum CollisionName {
    /// The new one is not made.
    Skip,
    /// The new one takes the place of one that has not started, its time included.
    Replace,
}

/// How the jobs have to end that another one waits for.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "camelCase", rename = "JobWaitFor")]
pub(super) enum WaitForName {
    /// All have succeeded.
    Success,
    /// All are done with, however they ended.
    End,
}

/// A job to be made.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "JobCreate", example, skip_serializing_if_is_none)]
pub(super) struct JobCreate {
    /// The queue.
    #[oai(validator(min_length = 1, max_length = 50))]
    queue: String,
    /// What is to be done.
    #[oai(validator(min_length = 1, max_length = 100))]
    kind: String,
    /// With what: any JSON, at most 256 KiB.
    payload: Option<Any<Value>>,
    /// Jobs with a greater one start before others.
    #[oai(default, validator(minimum(value = "-1000"), maximum(value = "1000")))]
    priority: i16,
    /// In how many seconds it may start; absent for at once.
    #[oai(validator(maximum(value = "31622400")))]
    delay_seconds: Option<u32>,
    /// When it may start (RFC 3339), in the place of a delay.
    #[oai(validator(max_length = 40))]
    run_at: Option<String>,
    /// How often it is tried; absent for as often as the queue says.
    #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
    attempts_max: Option<u32>,
    /// The pauses between attempts; absent for those of the queue.
    backoff: Option<BackoffDto>,
    /// No other unfinished job of the queue and kind has it.
    #[oai(validator(min_length = 1, max_length = 200))]
    unique_key: Option<String>,
    /// What happens when another one has it; absent for `skip`. With `replace` and a delay, only the last of many in a row runs.
    on_collision: Option<CollisionName>,
    /// Jobs of the queue with the same one run one after the other, in the order in which they were made.
    #[oai(validator(min_length = 1, max_length = 200))]
    serial_key: Option<String>,
    /// Ids of jobs that have to end before it.
    #[oai(default, validator(max_items = 1000))]
    after: Vec<String>,
    /// How they have to end; absent for `success`: then it is cancelled with the first of them that is.
    wait_for: Option<WaitForName>,
    /// When it is not wanted any more, unless it has started (RFC 3339).
    #[oai(validator(max_length = 40))]
    expires_at: Option<String>,
}

impl Example for JobCreate {
    fn example() -> Self {
        Self {
            queue: "sync".into(),
            kind: "shop.sync".into(),
            payload: Some(Any(json!({"shop": 7}))),
            priority: 0,
            delay_seconds: Some(60),
            run_at: None,
            attempts_max: Some(5),
            backoff: None,
            unique_key: Some("shop-7".into()),
            on_collision: Some(CollisionName::Skip),
            serial_key: None,
            after: Vec::new(),
            wait_for: None,
            expires_at: None,
        }
    }
}

/// Jobs to be made, all or none.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "JobBatchCreate", example, skip_serializing_if_is_none)]
pub(super) struct BatchCreate {
    /// The jobs.
    #[oai(validator(min_items = 1, max_items = 1000))]
    jobs: Vec<JobCreate>,
    /// A job that starts once all of them have ended as its `waitFor` says.
    then: Option<JobCreate>,
}

impl Example for BatchCreate {
    fn example() -> Self {
        Self { jobs: vec![JobCreate::example()], then: None }
    }
}

/// How a job came about.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "camelCase", rename = "JobOutcome")]
pub(super) enum OutcomeName {
    /// It was made.
    Created,
    /// Another one has its unique key; nothing was made.
    Skipped,
    /// It took the place of another one, under that one's id.
    Replaced,
}

/// A job that was asked for.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "MadeJob", example)]
pub(super) struct MadeResponse {
    /// The id of the job, or of the one that has its unique key.
    id: String,
    /// How it came about.
    outcome: OutcomeName,
}

impl From<Enqueued> for MadeResponse {
    fn from(made: Enqueued) -> Self {
        let outcome = match made.outcome {
            Making::Created => OutcomeName::Created,
            Making::Skipped => OutcomeName::Skipped,
            Making::Replaced => OutcomeName::Replaced,
        };
        Self { id: made.id.to_string(), outcome }
    }
}

impl Example for MadeResponse {
    fn example() -> Self {
        Self { id: ID.into(), outcome: OutcomeName::Created }
    }
}

/// The jobs that were asked for, in their order.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "MadeJobList", example, skip_serializing_if_is_none)]
pub(super) struct BatchResponse {
    /// The jobs.
    pub(super) items: Vec<MadeResponse>,
    /// The one that waits for them.
    pub(super) then: Option<MadeResponse>,
}

impl Example for BatchResponse {
    fn example() -> Self {
        Self { items: vec![MadeResponse::example()], then: None }
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "camelCase", rename = "JobState")]
pub(super) enum StateName {
    /// For other jobs, or for its turn among those of its serial key.
    Waiting,
    /// For its time.
    Scheduled,
    /// For a worker.
    Ready,
    /// A worker has it.
    Running,
    /// It failed, and will be tried again.
    Failed,
    /// It is done.
    Succeeded,
    /// It failed for good.
    Dead,
    /// It was not wanted any more, or has expired.
    Cancelled,
}

impl From<JobState> for StateName {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Waiting => Self::Waiting,
            JobState::Scheduled => Self::Scheduled,
            JobState::Ready => Self::Ready,
            JobState::Running => Self::Running,
            JobState::Failed => Self::Failed,
            JobState::Succeeded => Self::Succeeded,
            JobState::Dead => Self::Dead,
            JobState::Cancelled => Self::Cancelled,
        }
    }
}

impl From<StateName> for JobState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Waiting => Self::Waiting,
            StateName::Scheduled => Self::Scheduled,
            StateName::Ready => Self::Ready,
            StateName::Running => Self::Running,
            StateName::Failed => Self::Failed,
            StateName::Succeeded => Self::Succeeded,
            StateName::Dead => Self::Dead,
            StateName::Cancelled => Self::Cancelled,
        }
    }
}

/// An attempt that did not succeed.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "JobAttempt", example)]
pub(super) struct AttemptResponse {
    /// Its number, from 1.
    number: u32,
    /// When it began.
    started_at: String,
    /// When it ended.
    ended_at: String,
    /// What the worker called itself.
    worker: String,
    /// Why it failed.
    error: String,
}

impl From<Attempt> for AttemptResponse {
    fn from(attempt: Attempt) -> Self {
        let Attempt { number, started_at, ended_at, worker, error } = attempt;
        Self { number, started_at: started_at.to_string(), ended_at: ended_at.to_string(), worker, error }
    }
}

impl Example for AttemptResponse {
    fn example() -> Self {
        let (started_at, ended_at) = (TIME.into(), "2026-01-31T09:30:05Z".into());
        Self { number: 1, started_at, ended_at, worker: "worker-1".into(), error: "the shop does not answer".into() }
    }
}

/// A job.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "Job", example, skip_serializing_if_is_none)]
pub(super) struct JobResponse {
    /// The id.
    id: String,
    /// The queue.
    queue: String,
    /// What is to be done.
    kind: String,
    /// How far it is.
    state: StateName,
    /// With what.
    payload: Any<Value>,
    /// Jobs with a greater one start before others.
    priority: i16,
    /// How often it was started.
    attempts: u32,
    /// How often it is tried.
    attempts_max: u32,
    /// When it was made.
    created_at: String,
    /// Who made it: the id of a user, or a name of the server's own.
    created_by: String,
    /// The name of the schedule that made it.
    schedule: Option<String>,
    /// The time of that schedule for which it was made.
    scheduled_for: Option<String>,
    /// When it is due, or became so.
    run_at: Option<String>,
    /// When the newest attempt began.
    started_at: Option<String>,
    /// When it ended.
    finished_at: Option<String>,
    /// When it is not wanted any more.
    expires_at: Option<String>,
    /// No other unfinished job of the queue and kind has it.
    unique_key: Option<String>,
    /// Jobs of the queue with the same one run one after the other.
    serial_key: Option<String>,
    /// Ids of the jobs that have to end before it.
    after: Vec<String>,
    /// What the worker calls itself that has it.
    worker: Option<String>,
    /// Until when the worker has it.
    leased_until: Option<String>,
    /// Whether the worker was asked to stop.
    cancel_requested: bool,
    /// What the worker says of how far it is.
    progress: Option<Any<Value>>,
    /// What came of it.
    result: Option<Any<Value>>,
    /// Why the newest attempt failed, or why it was cancelled.
    error: Option<String>,
    /// The attempts that did not succeed; in lists it is left out.
    history: Option<Vec<AttemptResponse>>,
}

fn any(raw: &RawValue) -> Any<Value> {
    // It was JSON when it was stored.
    Any(serde_json::from_str(raw.get()).unwrap_or_default())
}

impl JobResponse {
    pub(super) fn new(listed: Listed, history: Option<Vec<Attempt>>) -> Self {
        let Listed { id, queue, job, status, state, attempts_max } = listed;
        let text = |at: jiff::Timestamp| at.to_string();
        Self {
            id: id.to_string(),
            queue,
            state: state.into(),
            payload: any(&job.payload),
            kind: job.kind,
            priority: job.priority,
            attempts: status.attempts,
            attempts_max,
            created_at: text(job.created_at),
            created_by: job.by,
            scheduled_for: job.scheduled.as_ref().map(|scheduled| text(scheduled.at)),
            schedule: job.scheduled.map(|scheduled| scheduled.schedule),
            run_at: status.due_at.or(job.run_at).map(text),
            started_at: status.started_at.map(text),
            finished_at: status.finished_at.map(text),
            expires_at: job.expires_at.map(text),
            unique_key: job.unique_key,
            serial_key: job.serial_key,
            after: job.after.iter().map(ToString::to_string).collect(),
            worker: status.lease.as_ref().map(|lease| lease.worker.clone()),
            leased_until: status.lease.as_ref().map(|lease| text(lease.until)),
            cancel_requested: status.cancelling,
            progress: status.progress.as_deref().map(any),
            result: status.result.as_deref().map(any),
            error: status.error,
            history: history.map(|attempts| attempts.into_iter().map(Into::into).collect()),
        }
    }
}

impl Example for JobResponse {
    fn example() -> Self {
        Self {
            id: ID.into(),
            queue: "sync".into(),
            kind: "shop.sync".into(),
            state: StateName::Failed,
            payload: Any(json!({"shop": 7})),
            priority: 0,
            attempts: 1,
            attempts_max: 5,
            created_at: TIME.into(),
            created_by: ID.into(),
            schedule: None,
            scheduled_for: None,
            run_at: Some("2026-01-31T09:30:10Z".into()),
            started_at: Some(TIME.into()),
            finished_at: None,
            expires_at: None,
            unique_key: Some("shop-7".into()),
            serial_key: None,
            after: Vec::new(),
            worker: None,
            leased_until: None,
            cancel_requested: false,
            progress: None,
            result: None,
            error: Some("the shop does not answer".into()),
            history: Some(vec![AttemptResponse::example()]),
        }
    }
}

/// Jobs.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "JobList", example, skip_serializing_if_is_none)]
pub(super) struct JobListResponse {
    /// The jobs.
    pub(super) items: Vec<JobResponse>,
    /// Give it as `cursor` for the jobs behind these; absent when there are none.
    pub(super) next_cursor: Option<String>,
}

impl Example for JobListResponse {
    fn example() -> Self {
        Self { items: vec![JobResponse::example()], next_cursor: None }
    }
}

/// A line that a job has logged.
#[derive(Debug, Object)]
#[oai(rename = "JobLogLine", example)]
pub(super) struct LineDto {
    /// When.
    at: String,
    /// What.
    text: String,
}

impl Example for LineDto {
    fn example() -> Self {
        Self { at: TIME.into(), text: "fetched 200 orders".into() }
    }
}

/// The lines that a job has logged, the oldest first.
#[derive(Debug, Object)]
#[oai(rename = "JobLog", example)]
pub(super) struct LogDto {
    /// The lines; at most 1,000 are kept.
    items: Vec<LineDto>,
}

impl Example for LogDto {
    fn example() -> Self {
        Self { items: vec![LineDto::example()] }
    }
}

/// The same as it is written.
#[derive(Debug, Serialize)]
pub(super) struct LogReply {
    pub(super) items: Vec<Box<RawValue>>,
}

/// What is to be other about a job. What is absent stays.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "JobUpdate", example, skip_serializing_if_is_none)]
pub(super) struct JobUpdate {
    /// With what: any JSON, at most 256 KiB.
    payload: Option<Any<Value>>,
    /// Jobs with a greater one start before others.
    #[oai(validator(minimum(value = "-1000"), maximum(value = "1000")))]
    priority: Option<i16>,
    /// In how many seconds it may start.
    #[oai(validator(maximum(value = "31622400")))]
    delay_seconds: Option<u32>,
    /// When it may start (RFC 3339), in the place of a delay.
    #[oai(validator(max_length = 40))]
    run_at: Option<String>,
    /// How often it is tried.
    #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
    attempts_max: Option<u32>,
}

impl Example for JobUpdate {
    fn example() -> Self {
        let payload = Some(Any(json!({"shop": 8})));
        Self { payload, priority: Some(10), delay_seconds: None, run_at: None, attempts_max: None }
    }
}

/// The same as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UpdateInput {
    #[serde(default, deserialize_with = "present")]
    pub(super) payload: Option<Box<RawValue>>,
    pub(super) priority: Option<i16>,
    pub(super) delay_seconds: Option<u32>,
    pub(super) run_at: Option<String>,
    pub(super) attempts_max: Option<u32>,
}

/// A member that is there, also when it is `null`.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}
