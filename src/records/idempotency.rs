//! Requests that a client may send again without harm: the answer is stored with the write, under the client's key, and
//! given again.
//!
//! As [draft-ietf-httpapi-idempotency-key-header](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/)
//! has it: the same key with another request is refused. Answers of refused requests are not kept, for nothing was written.

use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{RecordError, service::Shown};
use crate::store::{Json, Read, Scan, StoreError, Table, Tx};

/// Key: id of the caller, zero, key of the client. Value: [`Stored`].
const ANSWERS: Table<[u8], Json<Stored>> = Table::new("records.answers");
/// Key: when it was stored (milliseconds, u64, big-endian), key of the answer. Value: nothing.
const AGES: &str = "records.answerAges";

/// The tables of this file.
pub(super) const TABLES: [&str; 2] = [ANSWERS.name(), AGES];

/// How long an answer is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// How many old answers make room for a new one.
const EXPIRED_MAX: usize = 8;
/// The longest key, in characters.
pub const KEY_MAX: usize = 255;

/// A request that has a key.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// The key that the client gave.
    pub key: String,
    /// A digest of the request.
    pub fingerprint: String,
}

/// An answer that can be given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The record, or an answer about many under no id.
    pub shown: Shown,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    fingerprint: String,
    at: Timestamp,
    status: u16,
    id: String,
    version: i64,
    body: String,
}

fn answer_key(caller: &str, key: &str) -> Vec<u8> {
    [caller.as_bytes(), &[0], key.as_bytes()].concat()
}

fn age_key(at: Timestamp, key: &[u8]) -> Vec<u8> {
    let milliseconds = u64::try_from(at.as_millisecond()).unwrap_or(0);
    [&milliseconds.to_be_bytes(), key].concat()
}

/// The answer that was given to the same request before.
pub(super) fn find(
    tx: &Tx<'_>,
    caller: &str,
    request: &Idempotency,
    now: Timestamp,
) -> Result<Option<Answer>, RecordError> {
    let found = tx.get(ANSWERS, answer_key(caller, &request.key).as_slice())?;
    let Some(Json(stored)) = found.filter(|Json(stored)| now.duration_since(stored.at) < KEPT) else { return Ok(None) };
    if stored.fingerprint != request.fingerprint {
        return Err(RecordError::KeyReused);
    }
    let shown = Shown { id: stored.id, version: stored.version, json: stored.body.into_bytes() };
    Ok(Some(Answer { status: stored.status, shown }))
}

/// Stores an answer, and removes some that are too old.
pub(super) fn keep(
    tx: &mut Tx<'_>,
    caller: &str,
    request: &Idempotency,
    answer: &Answer,
    now: Timestamp,
) -> Result<(), StoreError> {
    expire(tx, now)?;
    let key = answer_key(caller, &request.key);
    if let Some(Json(before)) = tx.get(ANSWERS, key.as_slice())? {
        tx.delete_bytes(AGES, age_key(before.at, &key))?;
    }
    let body = String::from_utf8(answer.shown.json.clone()).map_err(StoreError::corrupt)?;
    let stored = Stored {
        fingerprint: request.fingerprint.clone(),
        at: now,
        status: answer.status,
        id: answer.shown.id.clone(),
        version: answer.shown.version,
        body,
    };
    tx.put(ANSWERS, key.as_slice(), &Json(stored))?;
    tx.put_bytes(AGES, age_key(now, &key), &[])
}

fn expire(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    let Ok(oldest) = now.checked_sub(KEPT) else { return Ok(()) };
    let mut expired = Vec::new();
    tx.scan::<StoreError>(AGES, &[], &age_key(oldest, &[]), Scan::Forward, &mut |key, _| {
        expired.push(key.to_vec());
        Ok(if expired.len() < EXPIRED_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    for key in expired {
        tx.delete_bytes(ANSWERS.name(), key.get(size_of::<u64>()..).unwrap_or_default().to_vec())?;
        tx.delete_bytes(AGES, key)?;
    }
    Ok(())
}
