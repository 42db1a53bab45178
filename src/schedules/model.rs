//! What a schedule is, and what came of its runs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::timing::Timing;
use crate::{
    kernel::{Code, DomainError, FieldError},
    queue::{JobId, QueueError},
    store::StoreError,
};

/// What becomes of times that passed while the server was down, or busy for more than a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Missed {
    /// Nothing.
    Skip,
    /// One job for the last of them.
    #[default]
    Once,
    /// A job for each, the last thousand.
    All,
}

/// What happens when the job of the run before has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Overlap {
    /// No job is made.
    #[default]
    Skip,
    /// Another job is made, and both may run at once.
    Allow,
    /// Another job is made, and starts when the one before has ended.
    Queue,
    /// The one before is cancelled.
    Replace,
}

/// A schedule, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// What it is for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The queue of its jobs.
    pub queue: String,
    /// What is to be done.
    pub kind: String,
    /// With what.
    pub payload: Box<RawValue>,
    /// Jobs with a greater one start before others.
    pub priority: i16,
    /// How often a job is tried, if not as often as the queue says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u32>,
    /// When.
    pub timing: Timing,
    /// What becomes of missed times.
    pub missed: Missed,
    /// What happens when runs would overlap.
    pub overlap: Overlap,
    /// Whether it rests; times that pass meanwhile are not missed.
    pub paused: bool,
    /// Who made it.
    pub created_by: String,
    /// Who last said what its jobs are, if not who made it: they are made in that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_by: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it is due next; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// The job that it made last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_job: Option<JobId>,
    /// How many runs were noted.
    pub runs: u64,
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// A job was made.
    Made,
    /// None was made, for the one before has not ended.
    Overlapped,
    /// Times passed while the server was down, for which no job was made.
    Missed,
    /// No job could be made.
    Failed,
}

/// A run, or times without one, as it is noted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Counted from 1.
    pub number: u64,
    /// The time that it is for; of missed ones the first.
    pub due_at: Timestamp,
    /// Of missed times, the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When it was noted.
    pub at: Timestamp,
    /// What came of it.
    pub outcome: Outcome,
    /// The job that was made, or that has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// Who wanted it now; nobody when it was its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why no job could be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A business outcome of a request about schedules.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The caller may not do this.
    #[error("your roles do not permit this: it takes {0}")]
    Forbidden(String),
    /// There is no such schedule.
    #[error("there is no schedule \"{0}\"")]
    NotFound(String),
    /// Values do not fit; every fault is named.
    #[error("the schedule is not valid; see errors")]
    Invalid(Vec<FieldError>),
    /// The state of the server forbids it.
    #[error("{0}")]
    Conflict(String),
    /// The queue.
    #[error(transparent)]
    Queue(QueueError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<QueueError> for ScheduleError {
    fn from(error: QueueError) -> Self {
        match error.under("") {
            QueueError::Invalid(errors) => Self::Invalid(errors),
            QueueError::Forbidden(what) => Self::Forbidden(what),
            QueueError::Store(error) => Self::Store(error),
            error => Self::Queue(error),
        }
    }
}

impl DomainError for ScheduleError {
    fn code(&self) -> Code {
        match self {
            Self::Forbidden(_) => Code::Forbidden,
            Self::NotFound(_) => Code::NotFound,
            Self::Invalid(_) => Code::ValidationFailed,
            Self::Conflict(_) => Code::Conflict,
            Self::Queue(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn field_errors(&self) -> &[FieldError] {
        if let Self::Invalid(errors) = self { errors } else { &[] }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Queue(error) => error.retry_after_seconds(),
            Self::Store(error) => error.retry_after_seconds(),
            _ => None,
        }
    }
}
