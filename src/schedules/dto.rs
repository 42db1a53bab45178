//! What the endpoints of schedules read and answer.

use jiff::Timestamp;
use poem_openapi::{
    Enum, Object,
    types::{Any, Example},
};
use serde_json::{Value, json};

use super::{
    model::{Missed, Outcome, Overlap, Schedule},
    service::Told,
    timing::Timing,
};
use crate::queue::JobState;

const ID: &str = "0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c";
const TIME: &str = "2026-01-31T09:30:00Z";
/// How many times to come are told.
const UPCOMING: usize = 5;

/// What becomes of times that passed while the server was down.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "camelCase", rename = "ScheduleMissed")]
pub(super) enum MissedName {
    /// Nothing.
    Skip,
    /// One job for the last of them.
    Once,
    /// A job for each, the last thousand.
    All,
}

impl From<Missed> for MissedName {
    fn from(missed: Missed) -> Self {
        match missed {
            Missed::Skip => Self::Skip,
            Missed::Once => Self::Once,
            Missed::All => Self::All,
        }
    }
}

/// What happens when the job of the run before has not ended.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "camelCase", rename = "ScheduleOverlap")]
pub(super) enum OverlapName {
    /// No job is made.
    Skip,
    /// Another job is made, and both may run at once.
    Allow,
    /// Another job is made, and starts when the one before has ended.
    Queue,
    /// The one before is cancelled.
    Replace,
}

impl From<Overlap> for OverlapName {
    fn from(overlap: Overlap) -> Self {
        match overlap {
            Overlap::Skip => Self::Skip,
            Overlap::Allow => Self::Allow,
            Overlap::Queue => Self::Queue,
            Overlap::Replace => Self::Replace,
        }
    }
}

/// A schedule to be made. It has one of `cron`, `everySeconds` and `at`.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "ScheduleCreate", example, skip_serializing_if_is_none)]
pub(super) struct ScheduleCreate {
    /// Its name: 1 to 50 of `a-z 0-9 - _`, a letter first.
    #[oai(validator(min_length = 1, max_length = 50))]
    name: String,
    /// What it is for, for people.
    #[oai(validator(max_length = 1000))]
    description: Option<String>,
    /// The queue of its jobs.
    #[oai(validator(min_length = 1, max_length = 50))]
    queue: String,
    /// What is to be done.
    #[oai(validator(min_length = 1, max_length = 100))]
    kind: String,
    /// With what: any JSON, at most 256 KiB.
    payload: Option<Any<Value>>,
    /// Jobs with a greater one start before others.
    #[oai(validator(minimum(value = "-1000"), maximum(value = "1000")))]
    priority: Option<i16>,
    /// How often a job is tried; absent for as often as the queue says.
    #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
    attempts_max: Option<u32>,
    /// When: a cron expression of five fields, or six with seconds in front. A fixed time that a change of the clock leaves out comes
    /// right after the change, and one that it repeats comes once.
    #[oai(validator(min_length = 1, max_length = 200))]
    cron: Option<String>,
    /// The time zone of `cron`, by its IANA name; absent for UTC.
    #[oai(validator(max_length = 64))]
    timezone: Option<String>,
    /// When: again and again after so many seconds.
    #[oai(validator(minimum(value = "1"), maximum(value = "31622400")))]
    every_seconds: Option<u32>,
    /// The first time of `everySeconds` (RFC 3339), which may be in the past; absent for so many seconds from now.
    #[oai(validator(max_length = 40))]
    start_at: Option<String>,
    /// When: once, then (RFC 3339).
    #[oai(validator(max_length = 40))]
    at: Option<String>,
    /// What becomes of times that passed while the server was down; absent for `once`.
    missed: Option<MissedName>,
    /// What happens when the job of the run before has not ended; absent for `skip`.
    overlap: Option<OverlapName>,
    /// Whether it rests.
    paused: Option<bool>,
}

impl Example for ScheduleCreate {
    fn example() -> Self {
        Self {
            name: "nightly-report".into(),
            description: Some("What was sold, for the team.".into()),
            queue: "reports".into(),
            kind: "sales.report".into(),
            payload: Some(Any(json!({"country": "DE"}))),
            priority: None,
            attempts_max: None,
            cron: Some("30 2 * * *".into()),
            timezone: Some("Europe/Berlin".into()),
            every_seconds: None,
            start_at: None,
            at: None,
            missed: Some(MissedName::Once),
            overlap: Some(OverlapName::Skip),
            paused: None,
        }
    }
}

/// What is to be other about a schedule; what is absent stays.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "ScheduleUpdate", example, skip_serializing_if_is_none)]
pub(super) struct ScheduleUpdate {
    /// What it is for, for people; an empty text removes it.
    #[oai(validator(max_length = 1000))]
    description: Option<String>,
    /// The queue of its jobs.
    #[oai(validator(min_length = 1, max_length = 50))]
    queue: Option<String>,
    /// What is to be done.
    #[oai(validator(min_length = 1, max_length = 100))]
    kind: Option<String>,
    /// With what: any JSON, at most 256 KiB.
    payload: Option<Any<Value>>,
    /// Jobs with a greater one start before others.
    #[oai(validator(minimum(value = "-1000"), maximum(value = "1000")))]
    priority: Option<i16>,
    /// How often a job is tried.
    #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
    attempts_max: Option<u32>,
    /// When: a cron expression, in the place of what was.
    #[oai(validator(min_length = 1, max_length = 200))]
    cron: Option<String>,
    /// The time zone of `cron`, by its IANA name.
    #[oai(validator(max_length = 64))]
    timezone: Option<String>,
    /// When: again and again after so many seconds, in the place of what was.
    #[oai(validator(minimum(value = "1"), maximum(value = "31622400")))]
    every_seconds: Option<u32>,
    /// The first time of `everySeconds` (RFC 3339); absent for so many seconds from now.
    #[oai(validator(max_length = 40))]
    start_at: Option<String>,
    /// When: once, then (RFC 3339), in the place of what was.
    #[oai(validator(max_length = 40))]
    at: Option<String>,
    /// What becomes of times that passed while the server was down.
    missed: Option<MissedName>,
    /// What happens when the job of the run before has not ended.
    overlap: Option<OverlapName>,
    /// Whether it rests. Times that pass meanwhile are not missed.
    paused: Option<bool>,
}

impl Example for ScheduleUpdate {
    fn example() -> Self {
        let ScheduleCreate { payload, .. } = ScheduleCreate::example();
        Self {
            description: None,
            queue: None,
            kind: None,
            payload,
            priority: None,
            attempts_max: None,
            cron: Some("30 3 * * MON-FRI".into()),
            timezone: None,
            every_seconds: None,
            start_at: None,
            at: None,
            missed: None,
            overlap: None,
            paused: Some(false),
        }
    }
}

/// A schedule.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "Schedule", example, skip_serializing_if_is_none)]
pub(super) struct ScheduleResponse {
    /// Its name.
    name: String,
    /// What it is for, for people.
    description: Option<String>,
    /// The queue of its jobs.
    queue: String,
    /// What is to be done.
    kind: String,
    /// With what.
    payload: Any<Value>,
    /// Jobs with a greater one start before others.
    priority: i16,
    /// How often a job is tried, if not as often as the queue says.
    attempts_max: Option<u32>,
    /// The cron expression.
    cron: Option<String>,
    /// Its time zone.
    timezone: Option<String>,
    /// The interval, in seconds.
    every_seconds: Option<u32>,
    /// The first time of the interval.
    start_at: Option<String>,
    /// The single time.
    at: Option<String>,
    /// What becomes of missed times.
    missed: MissedName,
    /// What happens when runs would overlap.
    overlap: OverlapName,
    /// Whether it rests.
    paused: bool,
    /// The next times, at most five.
    upcoming: Vec<String>,
    /// The id of the job that it made last.
    last_job: Option<String>,
    /// Who made it.
    created_by: String,
    /// When it was made.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
}

impl From<Schedule> for ScheduleResponse {
    fn from(schedule: Schedule) -> Self {
        let text = |at: Timestamp| at.to_string();
        let first = schedule.next_at;
        let later = first.map(|first| schedule.timing.upcoming(first, UPCOMING - 1)).unwrap_or_default();
        let (mut cron, mut timezone, mut every_seconds, mut start_at, mut at) = (None, None, None, None, None);
        match schedule.timing {
            Timing::Cron { cron: expression, timezone: zone } => (cron, timezone) = (Some(expression), Some(zone)),
            Timing::Every { seconds, from } => (every_seconds, start_at) = (Some(seconds), Some(text(from))),
            Timing::Once { at: then } => at = Some(text(then)),
        }
        Self {
            name: schedule.name,
            description: schedule.description,
            queue: schedule.queue,
            kind: schedule.kind,
            // It was JSON when it was stored.
            payload: Any(serde_json::from_str(schedule.payload.get()).unwrap_or_default()),
            priority: schedule.priority,
            attempts_max: schedule.attempts_max,
            cron,
            timezone,
            every_seconds,
            start_at,
            at,
            missed: schedule.missed.into(),
            overlap: schedule.overlap.into(),
            paused: schedule.paused,
            upcoming: first.into_iter().chain(later).map(text).collect(),
            last_job: schedule.last_job.map(|job| job.to_string()),
            created_by: schedule.created_by,
            created_at: text(schedule.created_at),
            updated_at: text(schedule.updated_at),
        }
    }
}

impl Example for ScheduleResponse {
    fn example() -> Self {
        let ScheduleCreate { name, description, queue, kind, payload, cron, timezone, .. } = ScheduleCreate::example();
        Self {
            name,
            description,
            queue,
            kind,
            payload: payload.unwrap_or(Any(Value::Null)),
            priority: 0,
            attempts_max: None,
            cron,
            timezone,
            every_seconds: None,
            start_at: None,
            at: None,
            missed: MissedName::Once,
            overlap: OverlapName::Skip,
            paused: false,
            upcoming: vec!["2026-02-01T01:30:00Z".into(), "2026-02-02T01:30:00Z".into()],
            last_job: Some(ID.into()),
            created_by: ID.into(),
            created_at: TIME.into(),
            updated_at: TIME.into(),
        }
    }
}

/// Schedules.
#[derive(Debug, Object)]
#[oai(rename = "ScheduleList", example)]
pub(super) struct ScheduleListResponse {
    /// The schedules, by name.
    pub(super) items: Vec<ScheduleResponse>,
}

impl Example for ScheduleListResponse {
    fn example() -> Self {
        Self { items: vec![ScheduleResponse::example()] }
    }
}

/// What came of a run.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "camelCase", rename = "ScheduleOutcome")]
pub(super) enum OutcomeName {
    /// A job was made.
    Made,
    /// None was made, for the one before has not ended.
    Overlapped,
    /// Times passed while the server was down, for which no job was made.
    Missed,
    /// No job could be made.
    Failed,
}

impl From<Outcome> for OutcomeName {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Made => Self::Made,
            Outcome::Overlapped => Self::Overlapped,
            Outcome::Missed => Self::Missed,
            Outcome::Failed => Self::Failed,
        }
    }
}

/// A run of a schedule, or times without one.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "ScheduleRun", example, skip_serializing_if_is_none)]
pub(super) struct RunResponse {
    /// Counted from 1.
    number: u64,
    /// The time that it is for; of missed ones the first.
    due_at: String,
    /// Of missed times, the last.
    until: Option<String>,
    /// When it was noted.
    at: String,
    /// What came of it.
    outcome: OutcomeName,
    /// The id of the job that was made, or that had not ended.
    job: Option<String>,
    /// How far that job is, while it is kept.
    job_state: Option<String>,
    /// Who wanted it at once; absent when it was its time.
    by: Option<String>,
    /// Why no job could be made.
    error: Option<String>,
}

impl From<Told> for RunResponse {
    fn from((run, state): Told) -> Self {
        Self {
            number: run.number,
            due_at: run.due_at.to_string(),
            until: run.until.map(|until| until.to_string()),
            at: run.at.to_string(),
            outcome: run.outcome.into(),
            job: run.job.map(|job| job.to_string()),
            job_state: state.map(|state: JobState| state.name().to_owned()),
            by: run.by,
            error: run.error,
        }
    }
}

impl Example for RunResponse {
    fn example() -> Self {
        Self {
            number: 12,
            due_at: TIME.into(),
            until: None,
            at: TIME.into(),
            outcome: OutcomeName::Made,
            job: Some(ID.into()),
            job_state: Some("succeeded".into()),
            by: None,
            error: None,
        }
    }
}

/// Runs of a schedule, the newest first.
#[derive(Debug, Object)]
#[oai(rename = "ScheduleRunList", example, skip_serializing_if_is_none)]
pub(super) struct RunListResponse {
    /// The runs.
    pub(super) items: Vec<RunResponse>,
    /// The `before` of the next page, when there is one.
    pub(super) next: Option<u64>,
}

impl Example for RunListResponse {
    fn example() -> Self {
        Self { items: vec![RunResponse::example()], next: Some(12) }
    }
}
