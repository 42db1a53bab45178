//! Where queues and jobs are stored.

use std::{collections::BTreeSet, ops::ControlFlow};

use super::{
    keys,
    model::{Attempt, Job, JobId, JobState, Queue, Status},
};
use crate::store::{Json, Raw, Read, Scan, StoreError, Table, Tx};

/// Key: number. Value: the queue.
const QUEUES: Table<u32, Json<Queue>> = Table::new("queue.queues");
/// Key: name. Value: the number of the queue.
const NAMES: Table<str, Json<u32>> = Table::new("queue.names");
/// Key: id. Value: what is to be done.
pub(super) const JOBS: Table<JobId, Json<Job>> = Table::new("queue.jobs");
/// Key: id. Value: how far it is; absent while nothing has happened to a job that waits for nothing but its time.
pub(super) const STATUS: Table<JobId, Json<Status>> = Table::new("queue.status");
/// Key: [`keys::ready`]. Value: nothing. Jobs that may start.
pub(super) const READY: Table<[u8], Raw> = Table::new("queue.ready");
/// Key: [`keys::timed`]. Value: nothing. Jobs that may start at a time.
pub(super) const DUE: Table<[u8], Raw> = Table::new("queue.due");
/// Key: [`keys::timed`]. Value: nothing. Jobs that a worker has until a time.
pub(super) const LEASED: Table<[u8], Raw> = Table::new("queue.leased");
/// Key: [`keys::done`]. Value: nothing. Jobs that have come to a final state.
pub(super) const DONE: Table<[u8], Raw> = Table::new("queue.done");
/// Key: [`keys::count`]. Value: how many jobs a queue has in a state (u64, big-endian).
const COUNTS: Table<[u8], Raw> = Table::new("queue.counts");
/// Key: [`keys::unique`]. Value: the id of the unfinished job that has the key.
pub(super) const UNIQUE: Table<[u8], Json<JobId>> = Table::new("queue.unique");
/// Key: [`keys::serial`]. Value: the id of the job whose turn it is, once those before it are done with.
pub(super) const SERIAL: Table<[u8], Json<JobId>> = Table::new("queue.serial");
/// Key: [`keys::waits`]. Value: nothing.
pub(super) const WAITS: Table<[u8], Raw> = Table::new("queue.waits");
/// Key: [`keys::numbered`]. Value: an attempt that did not succeed.
pub(super) const ATTEMPTS: Table<[u8], Json<Attempt>> = Table::new("queue.attempts");
/// Key: [`keys::numbered`]. Value: a line that the job has logged, as JSON.
pub(super) const LINES: Table<[u8], Raw> = Table::new("queue.lines");
/// Key: number of the queue. Value: until when its jobs have used up its rate (microseconds, u64).
pub(super) const RATES: Table<u32, Json<u64>> = Table::new("queue.rates");

/// The tables of this feature.
pub const TABLES: [&str; 15] = [
    QUEUES.name(),
    NAMES.name(),
    JOBS.name(),
    STATUS.name(),
    READY.name(),
    DUE.name(),
    LEASED.name(),
    DONE.name(),
    COUNTS.name(),
    UNIQUE.name(),
    SERIAL.name(),
    WAITS.name(),
    ATTEMPTS.name(),
    LINES.name(),
    RATES.name(),
];

pub(super) fn queue(source: &impl Read, name: &str) -> Result<Option<Queue>, StoreError> {
    source.get(NAMES, name)?.map_or(Ok(None), |Json(number)| queue_of(source, number))
}

pub(super) fn queue_of(source: &impl Read, number: u32) -> Result<Option<Queue>, StoreError> {
    Ok(source.get(QUEUES, &number)?.map(|Json(queue)| queue))
}

pub(super) fn put_queue(tx: &mut Tx<'_>, queue: &Queue) -> Result<(), StoreError> {
    tx.put(NAMES, &queue.name, &Json(queue.number))?;
    tx.put(QUEUES, &queue.number, &Json(queue.clone()))
}

/// Whether there is a queue of this name.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn exists(source: &impl Read, name: &str) -> Result<bool, StoreError> {
    // The last number stands under no name.
    Ok(!name.is_empty() && source.get(NAMES, name)?.is_some())
}

/// The names of all queues.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn names(source: &impl Read) -> Result<BTreeSet<String>, StoreError> {
    Ok(queues(source)?.into_iter().map(|queue| queue.name).collect())
}

/// Whether there ever was a queue.
pub(super) fn had_queues(source: &impl Read) -> Result<bool, StoreError> {
    Ok(source.get(NAMES, "")?.is_some())
}

/// A number that no queue ever had.
pub(super) fn next_number(tx: &mut Tx<'_>) -> Result<u32, StoreError> {
    // No queue is called nothing.
    let next = tx.get(NAMES, "")?.map_or(0, |Json(last)| last) + 1;
    tx.put(NAMES, "", &Json(next))?;
    Ok(next)
}

pub(super) fn delete_queue(tx: &mut Tx<'_>, queue: &Queue) -> Result<(), StoreError> {
    tx.delete(NAMES, &queue.name)?;
    tx.delete(RATES, &queue.number)?;
    tx.delete(QUEUES, &queue.number).map(drop)
}

/// All queues, by number.
pub(super) fn queues(source: &impl Read) -> Result<Vec<Queue>, StoreError> {
    Ok(source.values(QUEUES)?.into_iter().map(|Json(queue)| queue).collect())
}

pub(super) fn job(source: &impl Read, id: JobId) -> Result<Option<Job>, StoreError> {
    Ok(source.get(JOBS, &id)?.map(|Json(job)| job))
}

/// How far a job is.
pub(super) fn status(source: &impl Read, id: JobId, job: &Job) -> Result<Status, StoreError> {
    let untouched = || {
        let state = if job.run_at.is_some() { JobState::Scheduled } else { JobState::Ready };
        Status { due_at: job.run_at, ..Status::new(state) }
    };
    Ok(source.get(STATUS, &id)?.map_or_else(untouched, |Json(status)| status))
}

/// How many jobs a queue has in a state.
pub(super) fn count(source: &impl Read, queue: u32, state: JobState) -> Result<u64, StoreError> {
    let known = source.view(COUNTS.name(), &keys::count(queue, state), |found| found.map(|found| found.try_into()))?;
    let number = known.transpose().map_err(|_| StoreError::corrupt("a count of jobs is not 8 bytes"))?;
    Ok(number.map_or(0, u64::from_be_bytes))
}

/// Counts jobs that came to a state or left it.
pub(super) fn add(tx: &mut Tx<'_>, queue: u32, state: JobState, change: i64) -> Result<(), StoreError> {
    let number = count(tx, queue, state)?.saturating_add_signed(change);
    tx.put_bytes(COUNTS.name(), keys::count(queue, state), &number.to_be_bytes())
}

/// The ids at the end of the first keys of a range, at most `max`.
pub(super) fn first_ids(
    source: &impl Read,
    table: &'static str,
    (from, to): (&[u8], &[u8]),
    max: usize,
) -> Result<Vec<JobId>, StoreError> {
    let mut ids = Vec::new();
    if max == 0 {
        return Ok(ids);
    }
    source.scan::<StoreError>(table, from, to, Scan::Forward, &mut |key, _| {
        ids.push(keys::id_at_end(key)?);
        Ok(if ids.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(ids)
}

/// How many rows there are of jobs, in all tables but those of queues and counts.
#[cfg(test)]
pub(super) fn rows(source: &impl Read) -> usize {
    let mut rows = 0;
    for table in
        TABLES.into_iter().filter(|name| ![QUEUES.name(), NAMES.name(), COUNTS.name(), RATES.name()].contains(name))
    {
        let visit = &mut |_: &[u8], _: &[u8]| {
            rows += 1;
            Ok(ControlFlow::Continue(()))
        };
        source.scan::<StoreError>(table, &[], &[], Scan::Forward, visit).unwrap();
    }
    rows
}

/// Removes everything of a job that is kept under its own id.
pub(super) fn forget(tx: &mut Tx<'_>, id: JobId) -> Result<(), StoreError> {
    tx.delete(JOBS, &id)?;
    tx.delete(STATUS, &id)?;
    for table in [ATTEMPTS.name(), LINES.name()] {
        let (from, to) = keys::range(id.0.as_bytes().to_vec());
        let mut found = Vec::new();
        tx.scan::<StoreError>(table, &from, &to, Scan::Forward, &mut |key, _| {
            found.push(key.to_vec());
            Ok(ControlFlow::Continue(()))
        })?;
        for key in found {
            tx.delete_bytes(table, key)?;
        }
    }
    Ok(())
}
