//! Jobs as clients ask for them, and what has to fit.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    kernel::FieldError,
    queue::{Backoff, Collision, Growth, JobId, NewJob, QueueError, Unique, WaitFor},
};

/// The greatest length of a payload or a result, in bytes.
const PAYLOAD_BYTES_MAX: usize = 256 << 10;
/// The longest delay: a year, in seconds.
const DELAY_SECONDS_MAX: i64 = 366 * 86_400;

/// A job to be made.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct JobInput {
    queue: String,
    kind: String,
    #[serde(default)]
    payload: Option<Box<RawValue>>,
    #[serde(default)]
    priority: i16,
    delay_seconds: Option<u32>,
    run_at: Option<String>,
    attempts_max: Option<u32>,
    backoff: Option<BackoffInput>,
    unique_key: Option<String>,
    on_collision: Option<Collision>,
    serial_key: Option<String>,
    #[serde(default)]
    after: Vec<String>,
    #[serde(default)]
    wait_for: WaitFor,
    expires_at: Option<String>,
}

/// Pauses between attempts.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct BackoffInput {
    growth: Growth,
    first_seconds: f64,
    longest_seconds: f64,
}

impl From<BackoffInput> for Backoff {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the document bounds them to 0 and a day"
    )]
    fn from(input: BackoffInput) -> Self {
        let millis = |seconds: f64| (seconds * 1_000.0) as u64;
        Self { growth: input.growth, first_ms: millis(input.first_seconds), longest_ms: millis(input.longest_seconds) }
    }
}

impl JobInput {
    /// The job, when everything about it fits.
    pub(super) fn job(self, by: &str, now: Timestamp) -> Result<NewJob, Vec<FieldError>> {
        let mut faults = Vec::new();
        let mut text = |name: &str, text: &str| {
            if text.chars().any(char::is_control) {
                faults.push(FieldError::at(name, "format", "must have no control characters"));
            }
        };
        text("kind", &self.kind);
        text("uniqueKey", self.unique_key.as_deref().unwrap_or_default());
        text("serialKey", self.serial_key.as_deref().unwrap_or_default());
        let payload = payload(self.payload, "payload", &mut faults);
        let run_at = run_at(self.run_at.as_deref(), self.delay_seconds, now, &mut faults);
        let expires_at = time("expiresAt", self.expires_at.as_deref(), &mut faults);
        if expires_at.is_some_and(|end| end <= run_at.unwrap_or(now)) {
            faults.push(FieldError::at("expiresAt", "past", "must be in the future, and after the time to run"));
        }
        if self.on_collision.is_some() && self.unique_key.is_none() {
            faults.push(FieldError::at("onCollision", "invalid", "is only for a job with a uniqueKey"));
        }
        let mut after = Vec::with_capacity(self.after.len());
        for (at, id) in self.after.iter().enumerate() {
            match JobId::parse(id) {
                Some(id) => after.push(id),
                None => faults.push(FieldError::new(format!("/after/{at}"), "format", "must be the id of a job")),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let collision = self.on_collision.unwrap_or(Collision::Skip);
        Ok(NewJob {
            priority: self.priority,
            run_at,
            attempts_max: self.attempts_max,
            backoff: self.backoff.map(Backoff::from),
            unique: self.unique_key.map(|key| Unique { key, collision }),
            serial: self.serial_key,
            after,
            wait_for: self.wait_for,
            expires_at,
            ..NewJob::new(&self.queue, &self.kind, payload, by)
        })
    }
}

/// A payload that is absent is `null`.
pub(super) fn payload(given: Option<Box<RawValue>>, name: &str, faults: &mut Vec<FieldError>) -> Box<RawValue> {
    if given.as_ref().is_some_and(|given| given.get().len() > PAYLOAD_BYTES_MAX) {
        let detail = format!("must take at most {PAYLOAD_BYTES_MAX} bytes; store more elsewhere, and name it here");
        faults.push(FieldError::at(name, "too_long", detail));
    }
    given.unwrap_or_else(|| RawValue::NULL.to_owned())
}

/// A value within the bounds of a payload.
///
/// # Errors
/// 422 when it is too large.
pub(super) fn checked(given: Option<Box<RawValue>>, name: &str) -> Result<Option<Box<RawValue>>, QueueError> {
    let Some(given) = given else { return Ok(None) };
    let mut faults = Vec::new();
    let given = payload(Some(given), name, &mut faults);
    if faults.is_empty() { Ok(Some(given)) } else { Err(QueueError::Invalid(faults)) }
}

/// When to run, by a time or by a delay.
pub(super) fn run_at(
    at: Option<&str>,
    delay: Option<u32>,
    now: Timestamp,
    faults: &mut Vec<FieldError>,
) -> Option<Timestamp> {
    if at.is_some() && delay.is_some() {
        faults.push(FieldError::at("delaySeconds", "invalid", "give runAt or delaySeconds, not both"));
    }
    let given = time("runAt", at, faults);
    let delayed = delay.map(|delay| now.saturating_add(SignedDuration::from_secs(delay.into())).unwrap_or(now));
    let run_at = given.or(delayed);
    let latest = now.saturating_add(SignedDuration::from_secs(DELAY_SECONDS_MAX)).unwrap_or(Timestamp::MAX);
    if run_at.is_some_and(|at| at > latest) {
        faults.push(FieldError::at("runAt", "too_large", "must be within a year"));
    }
    run_at
}

fn time(name: &str, text: Option<&str>, faults: &mut Vec<FieldError>) -> Option<Timestamp> {
    let parsed = text?.parse();
    if parsed.is_err() {
        faults.push(FieldError::at(name, "format", "must be a time in RFC 3339, such as 2026-01-31T09:30:00Z"));
    }
    parsed.ok()
}
