//! What a job is, how far it is, and what its queue says of it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::policy::{Backoff, Policy};
use crate::store::KeyCodec;

/// The id of a job: a UUIDv7, so that ids sort by creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(pub(super) Uuid);

/// What is wrong with a text that should be a [`JobId`].
#[derive(Debug, thiserror::Error)]
#[error("the id of a job is a UUID")]
pub struct InvalidJobId;

impl JobId {
    /// Reads an id as text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().filter(|_| text.len() == uuid::fmt::Hyphenated::LENGTH).map(Self)
    }
}

impl JobId {
    /// Its bytes, which sort as ids do.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl From<Uuid> for JobId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl TryFrom<String> for JobId {
    type Error = InvalidJobId;

    fn try_from(text: String) -> Result<Self, InvalidJobId> {
        Self::parse(&text).ok_or(InvalidJobId)
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl KeyCodec for JobId {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobState {
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
    /// It is not wanted any more, or has expired.
    Cancelled,
}

impl JobState {
    /// Every state, in the order in which a job may come to them.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Scheduled,
        Self::Ready,
        Self::Running,
        Self::Failed,
        Self::Succeeded,
        Self::Dead,
        Self::Cancelled,
    ];

    /// Whether nothing more happens to the job by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Dead | Self::Cancelled)
    }

    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Succeeded => "succeeded",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// Its number, by which keys name it.
    pub(super) number: u32,
    /// Its name.
    pub name: String,
    /// Whether no job of it starts.
    pub paused: bool,
    /// Whether its policy stands in the configuration, and is changed only there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub configured: bool,
    /// What holds for its jobs.
    pub policy: Policy,
}

/// What happens when another unfinished job of the same queue and kind has the same unique key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Collision {
    /// The new job is not made.
    Skip,
    /// The new one takes the place of one that has not started, its time included: with a delay, only the last of many in a row runs.
    Replace,
}

/// A key that one unfinished job of a kind has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique {
    /// The key.
    pub key: String,
    /// What happens when another job has it.
    pub collision: Collision,
}

/// When a job may start that waits for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WaitFor {
    /// Once all have succeeded. It is cancelled with the first that is cancelled or removed, and waits for one that is dead, which may
    /// be tried again.
    #[default]
    Success,
    /// Once all are done with, however they ended.
    End,
}

/// The schedule that made a job, and for which of its times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scheduled {
    /// Its name.
    pub schedule: String,
    /// The time.
    pub at: Timestamp,
}

/// A job to be made.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The name of the queue.
    pub queue: String,
    /// What is to be done.
    pub kind: String,
    /// With what: JSON.
    pub payload: Box<RawValue>,
    /// Jobs with a greater one start before others.
    pub priority: i16,
    /// When it may start; at once if it is absent.
    pub run_at: Option<Timestamp>,
    /// How often it is tried, if not as often as the queue says.
    pub attempts_max: Option<u32>,
    /// The pauses, if not those of the queue.
    pub backoff: Option<Backoff>,
    /// A key that no other unfinished job has.
    pub unique: Option<Unique>,
    /// Jobs with the same key run one after the other, in the order in which they were made.
    pub serial: Option<String>,
    /// Jobs that have to end before it.
    pub after: Vec<JobId>,
    /// How they have to end.
    pub wait_for: WaitFor,
    /// After when it is not wanted any more, unless it has started.
    pub expires_at: Option<Timestamp>,
    /// The schedule that makes it.
    pub scheduled: Option<Scheduled>,
    /// Who wants it: the id of a user, or a name of the system's own.
    pub by: String,
}

impl NewJob {
    /// A plain job.
    #[must_use]
    pub fn new(queue: &str, kind: &str, payload: Box<RawValue>, by: &str) -> Self {
        Self {
            queue: queue.into(),
            kind: kind.into(),
            payload,
            priority: 0,
            run_at: None,
            attempts_max: None,
            backoff: None,
            unique: None,
            serial: None,
            after: Vec::new(),
            wait_for: WaitFor::default(),
            expires_at: None,
            scheduled: None,
            by: by.into(),
        }
    }
}

/// What is to be done, as it is stored: nothing of it changes while the job runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// The number of the queue.
    pub(super) queue: u32,
    /// What is to be done.
    pub kind: String,
    /// With what.
    pub payload: Box<RawValue>,
    /// Jobs with a greater one start before others.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: i16,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it may start, if not at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// How often it is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u32>,
    /// The pauses, if not those of the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// A key that no other unfinished job of the kind has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_key: Option<String>,
    /// Jobs with the same one run one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial_key: Option<String>,
    /// Jobs that it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<JobId>,
    /// How they have to end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub wait_for: WaitFor,
    /// After when it is not wanted any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The schedule that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<Scheduled>,
    /// Who wants it.
    pub by: String,
    /// Whether the server itself does it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) built_in: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A worker's hold on a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// What the worker shows to prove that it is its own.
    pub(super) token: String,
    /// Until when it holds.
    pub until: Timestamp,
    /// What the worker calls itself.
    pub worker: String,
}

/// How far a job is, as it is stored. A job that was never touched has none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The state as of the last change; one that waits for its time may be ready by now.
    pub state: JobState,
    /// How often it was started.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attempts: u32,
    /// How many of them were before it was last made to run anew, after it had ended.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) spent: u32,
    /// When it is due, or became so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// When the newest attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it came to its final state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The worker that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// Whether the worker was asked to stop.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cancelling: bool,
    /// What the worker says of how far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Box<RawValue>>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Box<RawValue>>,
    /// Why the newest attempt failed, or why it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many jobs it still waits for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) pending: u32,
    /// Its place among the jobs of its serial key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) turn: Option<JobId>,
    /// How many lines it has logged.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) lines: u32,
}

impl Status {
    pub(super) fn new(state: JobState) -> Self {
        Self {
            state,
            attempts: 0,
            spent: 0,
            due_at: None,
            started_at: None,
            finished_at: None,
            lease: None,
            cancelling: false,
            progress: None,
            result: None,
            error: None,
            pending: 0,
            turn: None,
            lines: 0,
        }
    }

    /// The state at a time: one whose time has come is ready.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> JobState {
        let waits = matches!(self.state, JobState::Scheduled | JobState::Failed);
        if waits && self.due_at.is_none_or(|at| at <= now) { JobState::Ready } else { self.state }
    }
}

/// An attempt that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What the worker called itself.
    pub worker: String,
    /// Why it failed.
    pub error: String,
}
