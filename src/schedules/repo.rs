//! Where schedules are stored.

use std::ops::ControlFlow;

use jiff::Timestamp;

use super::model::{Run, Schedule};
use crate::store::{Json, Raw, Read, Scan, StoreError, Table, Tx, key::prefix_end};

/// How many runs are kept of each schedule.
const RUNS_KEPT: u64 = 500;

/// Key: name. Value: the schedule.
const SCHEDULES: Table<str, Json<Schedule>> = Table::new("schedules.defs");
/// Key: when it is due (milliseconds, u64, big-endian), name. Value: nothing.
const DUE: Table<[u8], Raw> = Table::new("schedules.due");
/// Key: name, zero, number (u64, big-endian). Value: the run.
const RUNS: Table<[u8], Json<Run>> = Table::new("schedules.runs");

/// The tables of this feature.
pub const TABLES: [&str; 3] = [SCHEDULES.name(), DUE.name(), RUNS.name()];

fn due_key(at: Timestamp, name: &str) -> Vec<u8> {
    let at = u64::try_from(at.as_millisecond()).unwrap_or(0);
    [&at.to_be_bytes()[..], name.as_bytes()].concat()
}

fn runs_prefix(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

fn run_key(name: &str, number: u64) -> Vec<u8> {
    [&runs_prefix(name)[..], &number.to_be_bytes()].concat()
}

pub(super) fn schedule(source: &impl Read, name: &str) -> Result<Option<Schedule>, StoreError> {
    Ok(source.get(SCHEDULES, name)?.map(|Json(schedule)| schedule))
}

/// All schedules, by name.
pub(super) fn all(source: &impl Read) -> Result<Vec<Schedule>, StoreError> {
    Ok(source.values(SCHEDULES)?.into_iter().map(|Json(schedule)| schedule).collect())
}

/// The names of the schedules that make jobs in a queue.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn with_queue(source: &impl Read, queue: &str) -> Result<Vec<String>, StoreError> {
    let found = all(source)?.into_iter().filter(|schedule| schedule.queue == queue);
    Ok(found.map(|schedule| schedule.name).collect())
}

/// Puts a schedule in the place of what it was.
pub(super) fn put(tx: &mut Tx<'_>, before: Option<&Schedule>, schedule: &Schedule) -> Result<(), StoreError> {
    if let Some(at) = before.and_then(|before| before.next_at) {
        tx.delete(DUE, &due_key(at, &schedule.name)[..])?;
    }
    if let Some(at) = schedule.next_at {
        tx.put(DUE, &due_key(at, &schedule.name)[..], &Raw(Vec::new()))?;
    }
    tx.put(SCHEDULES, &schedule.name, &Json(schedule.clone()))
}

/// Removes a schedule and what is noted of its runs.
pub(super) fn delete(tx: &mut Tx<'_>, schedule: &Schedule) -> Result<(), StoreError> {
    if let Some(at) = schedule.next_at {
        tx.delete(DUE, &due_key(at, &schedule.name)[..])?;
    }
    let from = runs_prefix(&schedule.name);
    let mut noted = Vec::new();
    tx.scan::<StoreError>(RUNS.name(), &from, &prefix_end(&from).unwrap_or_default(), Scan::Forward, &mut |key, _| {
        noted.push(key.to_vec());
        Ok(ControlFlow::Continue(()))
    })?;
    noted.into_iter().try_for_each(|key| tx.delete_bytes(RUNS.name(), key).map(drop))?;
    tx.delete(SCHEDULES, &schedule.name).map(drop)
}

/// The schedule that is due first, and when.
pub(super) fn first_due(source: &impl Read) -> Result<Option<(Timestamp, String)>, StoreError> {
    let mut found = None;
    source.scan::<StoreError>(DUE.name(), &[], &[], Scan::Forward, &mut |key, _| {
        let fault = || StoreError::corrupt("a key of the schedules has no time");
        let (at, name) = key.split_first_chunk().ok_or_else(fault)?;
        let at = i64::try_from(u64::from_be_bytes(*at)).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
        found = Some((at.ok_or_else(fault)?, String::from_utf8(name.to_vec()).map_err(StoreError::corrupt)?));
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// Notes a run, and forgets the oldest of many.
pub(super) fn note(tx: &mut Tx<'_>, schedule: &mut Schedule, run: Run) -> Result<(), StoreError> {
    schedule.runs += 1;
    let number = schedule.runs;
    tx.put(RUNS, &run_key(&schedule.name, number)[..], &Json(Run { number, ..run }))?;
    if let Some(old) = number.checked_sub(RUNS_KEPT) {
        tx.delete(RUNS, &run_key(&schedule.name, old)[..])?;
    }
    Ok(())
}

/// The newest runs of a schedule, the newest first, with a number below `before`.
pub(super) fn runs(source: &impl Read, name: &str, before: Option<u64>, max: usize) -> Result<Vec<Run>, StoreError> {
    let from = runs_prefix(name);
    let to = before.map_or_else(|| prefix_end(&from).unwrap_or_default(), |before| run_key(name, before));
    let mut found = Vec::new();
    source.scan::<StoreError>(RUNS.name(), &from, &to, Scan::Backward, &mut |_, bytes| {
        if found.len() == max {
            return Ok(ControlFlow::Break(()));
        }
        found.push(serde_json::from_slice(bytes).map_err(StoreError::corrupt)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}
