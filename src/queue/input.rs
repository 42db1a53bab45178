//! Jobs as clients ask for them, by themselves or in a batch, and what has to fit.

use std::ops::RangeInclusive;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    error::QueueError,
    model::{Collision, JobId, NewJob, Unique, WaitFor},
    policy::{Backoff, Growth},
};
use crate::kernel::FieldError;

/// The greatest length of a payload or a result, in bytes.
const PAYLOAD_BYTES_MAX: usize = 256 << 10;
/// The longest delay: a year, in seconds.
const DELAY_SECONDS_MAX: i64 = 366 * 86_400;
/// The longest name of a queue, in characters.
const QUEUE_MAX: usize = 50;
/// The longest text of a time, in bytes.
const TIME_MAX: usize = 40;
/// The longest kind, in characters.
const KIND_MAX: usize = 100;
/// The longest unique or serial key, in characters.
const KEY_MAX: usize = 200;
/// The greatest priority; the least is as far below zero.
const PRIORITY_MAX: i16 = 1_000;
/// The most attempts.
const ATTEMPTS_MAX: u32 = 100;
/// The longest pause between attempts: a day, in seconds.
const PAUSE_SECONDS_MAX: f64 = 86_400.0;
/// The most jobs that one waits for.
const AFTER_MAX: usize = 1_000;
/// The most jobs that are made at once, besides the one that waits for them.
const JOBS_MAX: usize = 1_000;

/// A job to be made, as a client asks for it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobInput {
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

/// Jobs to be made, all or none.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobsInput {
    jobs: Vec<JobInput>,
    /// One that waits for all of them.
    then: Option<JobInput>,
}

impl JobsInput {
    /// The jobs, and the one that waits for them, when everything about all of them fits.
    ///
    /// # Errors
    /// Every member that does not.
    pub fn jobs(self, by: &str, now: Timestamp) -> Result<(Vec<NewJob>, Option<NewJob>), Vec<FieldError>> {
        let mut faults = Vec::new();
        if self.jobs.is_empty() {
            faults.push(FieldError::at("jobs", "too_few", "must have at least 1 items"));
        }
        if self.jobs.len() > JOBS_MAX {
            faults.push(FieldError::at("jobs", "too_many", format!("must have at most {JOBS_MAX} items")));
            return Err(faults);
        }
        let mut read = |job: JobInput, place: String| -> Option<NewJob> {
            let moved = |errors: Vec<FieldError>| errors.into_iter().map(move |error| error.under(&place));
            job.job(by, now).map_err(|errors| faults.extend(moved(errors))).ok()
        };
        let jobs = self.jobs.into_iter().enumerate().filter_map(|(at, job)| read(job, format!("/jobs/{at}"))).collect();
        let then = self.then.and_then(|then| read(then, "/then".into()));
        if faults.is_empty() { Ok((jobs, then)) } else { Err(faults) }
    }
}

/// Pauses between attempts, as a client says them.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackoffInput {
    growth: Growth,
    first_seconds: f64,
    longest_seconds: f64,
}

impl From<BackoffInput> for Backoff {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within 0 and a day")]
    fn from(input: BackoffInput) -> Self {
        let millis = |seconds: f64| (seconds.clamp(0.0, PAUSE_SECONDS_MAX) * 1_000.0) as u64;
        Self { growth: input.growth, first_ms: millis(input.first_seconds), longest_ms: millis(input.longest_seconds) }
    }
}

impl JobInput {
    /// Reads one from JSON text.
    ///
    /// # Errors
    /// The member that has another type, is missing, or that no job has.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        serde_path_to_error::deserialize(&mut reader).map_err(|error| FieldError::of_type(&error))
    }

    /// The job, when everything about it fits.
    ///
    /// # Errors
    /// Every member that does not.
    pub fn job(self, by: &str, now: Timestamp) -> Result<NewJob, Vec<FieldError>> {
        let Self { queue, kind, priority, .. } = &self;
        // The delay is looked at with the time.
        let mut faults = JobTemplate { queue, kind, priority: *priority, delay_seconds: None }.faults();
        for (name, key) in [("uniqueKey", &self.unique_key), ("serialKey", &self.serial_key)] {
            if let Some(key) = key {
                text(name, key, KEY_MAX, &mut faults);
            }
        }
        if let Some(attempts) = self.attempts_max {
            within("attemptsMax", attempts, 1..=ATTEMPTS_MAX, &mut faults);
        }
        if let Some(backoff) = self.backoff {
            within("backoff/firstSeconds", backoff.first_seconds, 0.0..=PAUSE_SECONDS_MAX, &mut faults);
            within("backoff/longestSeconds", backoff.longest_seconds, 0.0..=PAUSE_SECONDS_MAX, &mut faults);
        }
        let payload = payload(self.payload, "payload", &mut faults);
        let run_at = run_at(self.run_at.as_deref(), self.delay_seconds, now, &mut faults);
        let expires_at = time("expiresAt", self.expires_at.as_deref(), &mut faults);
        if expires_at.is_some_and(|end| end <= run_at.unwrap_or(now)) {
            faults.push(FieldError::at("expiresAt", "past", "must be in the future, and after the time to run"));
        }
        if self.on_collision.is_some() && self.unique_key.is_none() {
            faults.push(FieldError::at("onCollision", "invalid", "is only for a job with a uniqueKey"));
        }
        let after = ids(&self.after, &mut faults);
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

/// A job as something makes it again and again: what does not depend on when it is made.
#[derive(Clone, Copy, Debug)]
pub struct JobTemplate<'a> {
    /// The name of the queue.
    pub queue: &'a str,
    /// What is to be done.
    pub kind: &'a str,
    /// Jobs with a greater one start before others.
    pub priority: i16,
    /// How long it waits.
    pub delay_seconds: Option<u32>,
}

impl JobTemplate<'_> {
    /// Every member that is out of bounds.
    #[must_use]
    pub fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        text("queue", self.queue, QUEUE_MAX, &mut faults);
        text("kind", self.kind, KIND_MAX, &mut faults);
        within("priority", self.priority, -PRIORITY_MAX..=PRIORITY_MAX, &mut faults);
        check_delay(self.delay_seconds, &mut faults);
        faults
    }
}

fn check_delay(delay: Option<u32>, faults: &mut Vec<FieldError>) {
    if let Some(delay) = delay {
        within("delaySeconds", i64::from(delay), 0..=DELAY_SECONDS_MAX, faults);
    }
}

fn text(name: &str, text: &str, longest: usize, faults: &mut Vec<FieldError>) {
    if text.is_empty() {
        faults.push(FieldError::at(name, "too_short", "must have at least 1 characters"));
    }
    // A character has at least one byte.
    if text.len() > longest && text.chars().count() > longest {
        faults.push(FieldError::at(name, "too_long", format!("must have at most {longest} characters")));
    }
    if text.chars().any(char::is_control) {
        faults.push(FieldError::at(name, "format", "must have no control characters"));
    }
}

fn within<N: PartialOrd + std::fmt::Display>(
    path: &str,
    value: N,
    range: RangeInclusive<N>,
    faults: &mut Vec<FieldError>,
) {
    let (least, most) = range.into_inner();
    if value < least {
        faults.push(FieldError::new(format!("/{path}"), "too_small", format!("must be at least {least}")));
    } else if value > most {
        faults.push(FieldError::new(format!("/{path}"), "too_large", format!("must be at most {most}")));
    }
}

/// The ids of jobs that one waits for.
fn ids(after: &[String], faults: &mut Vec<FieldError>) -> Vec<JobId> {
    if after.len() > AFTER_MAX {
        faults.push(FieldError::at("after", "too_many", format!("must have at most {AFTER_MAX} items")));
        return Vec::new();
    }
    let mut ids = Vec::with_capacity(after.len());
    for (at, id) in after.iter().enumerate() {
        match JobId::parse(id) {
            Some(id) => ids.push(id),
            None => faults.push(FieldError::new(format!("/after/{at}"), "format", "must be the id of a job")),
        }
    }
    ids
}

/// A payload within its bounds; one that is absent is `null`.
pub fn payload(given: Option<Box<RawValue>>, name: &str, faults: &mut Vec<FieldError>) -> Box<RawValue> {
    if given.as_ref().is_some_and(|given| given.get().len() > PAYLOAD_BYTES_MAX) {
        let detail = format!("must take at most {PAYLOAD_BYTES_MAX} bytes; store more elsewhere, and name it here");
        faults.push(FieldError::at(name, "too_long", detail));
    }
    given.unwrap_or_else(|| RawValue::NULL.to_owned())
}

/// A value within the bounds of a payload.
///
/// # Errors
/// [`QueueError::Invalid`] when it is too large.
pub fn checked(given: Option<Box<RawValue>>, name: &str) -> Result<Option<Box<RawValue>>, QueueError> {
    let Some(given) = given else { return Ok(None) };
    let mut faults = Vec::new();
    let given = payload(Some(given), name, &mut faults);
    if faults.is_empty() { Ok(Some(given)) } else { Err(QueueError::Invalid(faults)) }
}

/// When to run, by a time or by a delay.
pub fn run_at(at: Option<&str>, delay: Option<u32>, now: Timestamp, faults: &mut Vec<FieldError>) -> Option<Timestamp> {
    if at.is_some() && delay.is_some() {
        faults.push(FieldError::at("delaySeconds", "invalid", "give runAt or delaySeconds, not both"));
    }
    check_delay(delay, faults);
    let given = time("runAt", at, faults);
    let delayed = delay.map(|delay| now.saturating_add(SignedDuration::from_secs(delay.into())).unwrap_or(now));
    let latest = now.saturating_add(SignedDuration::from_secs(DELAY_SECONDS_MAX)).unwrap_or(Timestamp::MAX);
    if given.is_some_and(|at| at > latest) {
        faults.push(FieldError::at("runAt", "too_large", "must be within a year"));
    }
    given.or(delayed)
}

fn time(name: &str, text: Option<&str>, faults: &mut Vec<FieldError>) -> Option<Timestamp> {
    let text = text?;
    if text.len() > TIME_MAX {
        faults.push(FieldError::at(name, "too_long", format!("must have at most {TIME_MAX} characters")));
        return None;
    }
    let parsed = text.parse();
    if parsed.is_err() {
        faults.push(FieldError::at(name, "format", "must be a time in RFC 3339, such as 2026-01-31T09:30:00Z"));
    }
    parsed.ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn faults(more: &Value) -> Vec<(String, &'static str)> {
        let mut job = json!({"queue": "news", "kind": "send"});
        if let (Some(job), Some(more)) = (job.as_object_mut(), more.as_object()) {
            job.extend(more.clone());
        }
        let input: JobInput = serde_json::from_value(job).unwrap();
        let faults = input.job("ann", "2026-01-31T09:30:00Z".parse().unwrap()).err().unwrap_or_default();
        faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn every_bound_holds() {
        let pause = |first: f64, longest: f64| json!({"backoff": {"growth": "constant", "firstSeconds": first, "longestSeconds": longest}});
        let text = |length: usize| "\u{fc}".repeat(length);
        let id = "0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c";
        for (fits, beyond, pointer, code) in [
            (json!({"queue": "q"}), json!({"queue": ""}), "/queue", "too_short"),
            (json!({"queue": text(50)}), json!({"queue": text(51)}), "/queue", "too_long"),
            (json!({"kind": "k"}), json!({"kind": ""}), "/kind", "too_short"),
            (json!({"kind": text(100)}), json!({"kind": text(101)}), "/kind", "too_long"),
            (json!({"kind": "a b"}), json!({"kind": "a\nb"}), "/kind", "format"),
            (json!({"priority": 1000}), json!({"priority": 1001}), "/priority", "too_large"),
            (json!({"priority": -1000}), json!({"priority": -1001}), "/priority", "too_small"),
            (json!({"attemptsMax": 1}), json!({"attemptsMax": 0}), "/attemptsMax", "too_small"),
            (json!({"attemptsMax": 100}), json!({"attemptsMax": 101}), "/attemptsMax", "too_large"),
            (json!({"delaySeconds": 31_622_400}), json!({"delaySeconds": 31_622_401}), "/delaySeconds", "too_large"),
            (json!({"runAt": "2027-01-31T09:30:00Z"}), json!({"runAt": "2027-02-02T09:30:00Z"}), "/runAt", "too_large"),
            (json!({"runAt": "2026-02-01T00:00:00Z"}), json!({"runAt": "tomorrow"}), "/runAt", "format"),
            (
                json!({"expiresAt": "2026-02-01T00:00:00Z"}),
                json!({"expiresAt": "2026-01-01T00:00:00Z"}),
                "/expiresAt",
                "past",
            ),
            (json!({"runAt": null}), json!({"runAt": "9".repeat(41)}), "/runAt", "too_long"),
            (pause(0.0, 0.0), pause(-0.1, 0.0), "/backoff/firstSeconds", "too_small"),
            (pause(0.0, 86_400.0), pause(0.0, 86_400.1), "/backoff/longestSeconds", "too_large"),
            (json!({"uniqueKey": text(200)}), json!({"uniqueKey": text(201)}), "/uniqueKey", "too_long"),
            (json!({"serialKey": text(200)}), json!({"serialKey": text(201)}), "/serialKey", "too_long"),
            (json!({"serialKey": "s"}), json!({"serialKey": ""}), "/serialKey", "too_short"),
            (json!({"after": vec![id; 1_000]}), json!({"after": vec![id; 1_001]}), "/after", "too_many"),
            (json!({"after": [id]}), json!({"after": [id, "first"]}), "/after/1", "format"),
            (
                json!({"onCollision": "skip", "uniqueKey": "u"}),
                json!({"onCollision": "skip"}),
                "/onCollision",
                "invalid",
            ),
            (json!({"payload": text((128 << 10) - 1)}), json!({"payload": text(128 << 10)}), "/payload", "too_long"),
        ] {
            assert_eq!(faults(&fits), [], "{pointer}");
            assert_eq!(faults(&beyond), [(pointer.to_owned(), code)]);
        }
        assert_eq!(faults(&json!({"kind": "", "priority": 2000})).len(), 2, "every fault is told");
    }
}
