//! Schedules as clients ask for them, and what has to fit.

use jiff::{SignedDuration, Timestamp, Unit};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    model::{Missed, Overlap, Schedule},
    timing::{self, Timing},
};
use crate::{
    config::is_queue_name,
    kernel::FieldError,
    queue::input::{JobTemplate, payload},
};

/// A schedule to be made, or what is to be other about one. What is absent stays, or is as for any schedule.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ScheduleInput {
    pub(super) name: Option<String>,
    description: Option<String>,
    queue: Option<String>,
    kind: Option<String>,
    payload: Option<Box<RawValue>>,
    priority: Option<i16>,
    attempts_max: Option<u32>,
    cron: Option<String>,
    timezone: Option<String>,
    every_seconds: Option<u32>,
    start_at: Option<String>,
    at: Option<String>,
    missed: Option<Missed>,
    overlap: Option<Overlap>,
    paused: Option<bool>,
}

impl ScheduleInput {
    /// A new schedule.
    ///
    /// # Errors
    /// Every member that does not fit.
    pub(super) fn made(self, by: &str, now: Timestamp) -> Result<Schedule, Vec<FieldError>> {
        let mut faults = Vec::new();
        let name = self.name.clone().unwrap_or_default();
        if !is_queue_name(&name) {
            let detail = "must have 1 to 50 of the characters a-z 0-9 - _, a letter first";
            faults.push(FieldError::at("name", "format", detail));
        }
        let timing = self.timing(None, now, &mut faults);
        let blank = Schedule {
            name,
            description: None,
            queue: String::new(),
            kind: String::new(),
            payload: RawValue::NULL.to_owned(),
            priority: 0,
            attempts_max: None,
            timing: timing.unwrap_or(Timing::Once { at: now }),
            missed: Missed::default(),
            overlap: Overlap::default(),
            paused: false,
            created_by: by.into(),
            told_by: None,
            created_at: now,
            updated_at: now,
            next_at: None,
            last_job: None,
            runs: 0,
        };
        self.into_schedule(blank, true, now, faults)
    }

    /// A schedule with what is other about it.
    ///
    /// # Errors
    /// Every member that does not fit.
    pub(super) fn changed(self, known: &Schedule, by: &str, now: Timestamp) -> Result<Schedule, Vec<FieldError>> {
        let mut faults = Vec::new();
        if self.name.is_some() {
            faults.push(FieldError::at("name", "invalid", "a schedule keeps its name"));
        }
        let timing = self.timing(Some(&known.timing), now, &mut faults);
        let is_new = timing.as_ref().is_some_and(|timing| *timing != known.timing);
        let changed = Schedule { timing: timing.unwrap_or_else(|| known.timing.clone()), ..known.clone() };
        let changed = self.into_schedule(changed, is_new, now, faults)?;
        let job = |of: &Schedule| (of.queue.clone(), of.kind.clone(), of.payload.get().to_owned());
        let told_by = if job(&changed) == job(known) { known.told_by.clone() } else { Some(by.to_owned()) };
        Ok(Schedule { told_by, ..changed })
    }

    fn into_schedule(
        self,
        known: Schedule,
        is_new: bool,
        now: Timestamp,
        mut faults: Vec<FieldError>,
    ) -> Result<Schedule, Vec<FieldError>> {
        let was_paused = known.paused;
        let mut schedule = Schedule {
            description: self.description.or(known.description).filter(|text| !text.is_empty()),
            queue: self.queue.unwrap_or(known.queue),
            kind: self.kind.unwrap_or(known.kind),
            payload: payload(Some(self.payload.unwrap_or(known.payload)), "payload", &mut faults),
            priority: self.priority.unwrap_or(known.priority),
            attempts_max: self.attempts_max.or(known.attempts_max),
            missed: self.missed.unwrap_or(known.missed),
            overlap: self.overlap.unwrap_or(known.overlap),
            paused: self.paused.unwrap_or(known.paused),
            updated_at: now,
            ..known
        };
        let Schedule { queue, kind, priority, .. } = &schedule;
        faults.extend(JobTemplate { queue, kind, priority: *priority, delay_seconds: None }.faults());
        if schedule.paused {
            schedule.next_at = None;
        } else if is_new || was_paused {
            schedule.next_at = schedule.timing.next_after(now);
            if faults.is_empty() && schedule.next_at.is_none() {
                let member = if matches!(schedule.timing, Timing::Cron { .. }) { "cron" } else { "at" };
                faults.push(FieldError::at(member, "past", "there is no such time any more"));
            }
        }
        if faults.is_empty() { Ok(schedule) } else { Err(faults) }
    }

    /// When it is due, with what is given; `None` when that does not fit, or nothing is given of one that is known.
    fn timing(&self, known: Option<&Timing>, now: Timestamp, faults: &mut Vec<FieldError>) -> Option<Timing> {
        let given = [self.cron.is_some(), self.every_seconds.is_some(), self.at.is_some()];
        let count = given.into_iter().filter(|given| *given).count();
        if count > 1 || (count == 0 && known.is_none()) {
            faults.push(FieldError::at("cron", "required", "give one of cron, everySeconds and at"));
            return None;
        }
        let (cron, timezone) = match known {
            Some(Timing::Cron { cron, timezone }) if count == 0 => (Some(cron), Some(timezone)),
            Some(Timing::Cron { timezone, .. }) => (None, Some(timezone)),
            _ => (None, None),
        };
        if let Some(cron) = self.cron.as_ref().or(cron) {
            refuse("startAt", self.start_at.as_ref(), "is only for everySeconds", faults);
            let timezone = self.timezone.as_ref().or(timezone).cloned().unwrap_or_else(|| "UTC".into());
            return cron_of(cron.clone(), timezone, faults);
        }
        refuse("timezone", self.timezone.as_ref(), "is only for cron", faults);
        if let Some(seconds) = self.every_seconds {
            let first = now.saturating_add(SignedDuration::from_secs(seconds.into())).unwrap_or(now);
            let from = self.start_at.as_deref().map_or(Some(first), |text| time("startAt", text, faults))?;
            return Some(Timing::Every { seconds, from: from.round(Unit::Millisecond).unwrap_or(from) });
        }
        refuse("startAt", self.start_at.as_ref(), "is only for everySeconds", faults);
        let at = time("at", self.at.as_deref()?, faults)?;
        Some(Timing::Once { at: at.round(Unit::Millisecond).unwrap_or(at) })
    }
}

fn refuse(name: &str, given: Option<&String>, why: &str, faults: &mut Vec<FieldError>) {
    faults.extend(given.map(|_| FieldError::at(name, "invalid", why)));
}

fn cron_of(cron: String, timezone: String, faults: &mut Vec<FieldError>) -> Option<Timing> {
    let before = faults.len();
    if let Err(error) = timing::parse(&cron) {
        faults.push(FieldError::at("cron", "format", error));
    }
    if timing::zone(&timezone).is_none() {
        let detail = "must be the IANA name of a time zone, such as Europe/Berlin";
        faults.push(FieldError::at("timezone", "format", detail));
    }
    (faults.len() == before).then_some(Timing::Cron { cron, timezone })
}

fn time(name: &str, text: &str, faults: &mut Vec<FieldError>) -> Option<Timestamp> {
    let parsed = text.parse().ok();
    if parsed.is_none() {
        faults.push(FieldError::at(name, "format", "must be a time in RFC 3339, such as 2026-01-31T09:30:00Z"));
    }
    parsed
}
