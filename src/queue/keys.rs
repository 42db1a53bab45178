//! The keys of the queue's tables: fixed widths in front, so that a range of keys is what a worker, the clock or a list asks for.

use jiff::Timestamp;
use uuid::Uuid;

use super::model::{JobId, JobState};
use crate::store::{StoreError, key};

/// The length of an id.
const ID: usize = 16;

pub(super) fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

pub(super) fn time(millis: u64) -> Timestamp {
    i64::try_from(millis).ok().and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or(Timestamp::MAX)
}

/// Queue, who does it, priority (the greatest first), id.
pub(super) fn ready(queue: u32, built_in: bool, priority: i16, id: JobId) -> Vec<u8> {
    let mut out = ready_prefix(queue, built_in);
    // The sign's bit makes the order of bytes that of numbers; the complement turns it around.
    let rank = !(priority.cast_unsigned() ^ 0x8000);
    out.extend_from_slice(&rank.to_be_bytes());
    out.extend_from_slice(id.0.as_bytes());
    out
}

/// What all ready jobs of a queue begin with that are done by the server itself, or by workers.
pub(super) fn ready_prefix(queue: u32, built_in: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + 1 + 2 + ID);
    out.extend_from_slice(&queue.to_be_bytes());
    out.push(u8::from(built_in));
    out
}

/// Time, id.
pub(super) fn timed(at: Timestamp, id: JobId) -> Vec<u8> {
    [&millis(at).to_be_bytes()[..], id.0.as_bytes()].concat()
}

/// What all times up to this one lie below.
pub(super) fn timed_until(at: Timestamp) -> Vec<u8> {
    millis(at).saturating_add(1).to_be_bytes().to_vec()
}

/// Queue, final state, when, id.
pub(super) fn done(queue: u32, state: JobState, at: Timestamp, id: JobId) -> Vec<u8> {
    let mut out = done_prefix(queue, state);
    out.extend_from_slice(&timed(at, id));
    out
}

/// What all jobs of a queue begin with that have come to this final state.
pub(super) fn done_prefix(queue: u32, state: JobState) -> Vec<u8> {
    count(queue, state)
}

/// The range of all jobs of a queue that have come to this final state up to a time.
pub(super) fn done_until(queue: u32, state: JobState, at: Timestamp) -> (Vec<u8>, Vec<u8>) {
    let from = done_prefix(queue, state);
    let to = [&from[..], &timed_until(at)].concat();
    (from, to)
}

/// Queue, state.
pub(super) fn count(queue: u32, state: JobState) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + 1 + 8 + ID);
    out.extend_from_slice(&queue.to_be_bytes());
    out.push(state as u8);
    out
}

/// Queue, kind, key. Neither kinds nor keys hold a zero.
pub(super) fn unique(queue: u32, kind: &str, unique: &str) -> Vec<u8> {
    [&queue.to_be_bytes()[..], kind.as_bytes(), &[0], unique.as_bytes()].concat()
}

/// Queue, key, turn.
pub(super) fn serial(queue: u32, serial: &str, turn: JobId) -> Vec<u8> {
    let mut out = serial_prefix(queue, serial);
    out.extend_from_slice(turn.0.as_bytes());
    out
}

/// What all turns of a serial key begin with.
pub(super) fn serial_prefix(queue: u32, serial: &str) -> Vec<u8> {
    [&queue.to_be_bytes()[..], serial.as_bytes(), &[0]].concat()
}

/// A job that others wait for, one that waits for it.
pub(super) fn waits(before: JobId, after: JobId) -> Vec<u8> {
    [before.0.as_bytes().as_slice(), after.0.as_bytes()].concat()
}

/// An id, a number.
pub(super) fn numbered(id: JobId, number: u32) -> Vec<u8> {
    [&id.0.as_bytes()[..], &number.to_be_bytes()].concat()
}

/// The range of keys that begin so.
pub(super) fn range(prefix: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let end = key::prefix_end(&prefix).unwrap_or_default();
    (prefix, end)
}

/// The id at the end of a key.
pub(super) fn id_at_end(bytes: &[u8]) -> Result<JobId, StoreError> {
    let id = bytes.len().checked_sub(ID).and_then(|at| bytes.get(at..));
    let id = id.and_then(|id| Uuid::from_slice(id).ok());
    id.map(JobId).ok_or_else(|| StoreError::corrupt("a key of the queue has no id"))
}

/// The time at the start of a key of [`timed`].
pub(super) fn time_at_start(bytes: &[u8]) -> Result<Timestamp, StoreError> {
    let millis = bytes.first_chunk().copied().map(u64::from_be_bytes);
    millis.map(time).ok_or_else(|| StoreError::corrupt("a key of the queue has no time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greater_priority_and_then_an_older_job_comes_first() {
        let id = |last: u8| JobId(Uuid::from_bytes([last; 16]));
        let mut jobs = vec![];
        for priority in [i16::MAX, 100, 1, 0, -1, -100, i16::MIN] {
            for last in [1, 2] {
                jobs.push(ready(7, false, priority, id(last)));
            }
        }
        assert!(jobs.is_sorted());
        let (from, to) = range(ready_prefix(7, false));
        assert!(jobs.iter().all(|key| *key >= from && *key < to));
        assert!(ready(7, true, i16::MAX, id(0)) >= to);
        assert_eq!(id_at_end(&jobs[0]).unwrap(), id(1));
    }

    #[test]
    fn times_are_read_as_they_were_written() {
        let at = Timestamp::from_millisecond(1_789_000_000_123).unwrap();
        let id = JobId(Uuid::from_bytes([9; 16]));
        let key = timed(at, id);
        assert_eq!((time_at_start(&key).unwrap(), id_at_end(&key).unwrap()), (at, id));
        assert!(key < timed_until(at));
        assert!(timed(time(millis(at) + 1), id) > timed_until(at));
    }
}
