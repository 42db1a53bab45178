//! Where requests and tickets are stored.

use std::ops::ControlFlow;

use jiff::Timestamp;

use super::model::{Request, Ticket};
use crate::store::{Json, Read, Scan, StoreError, Table, Tx};

/// Key: number (u64, big-endian), in the order of the commits. Value: a request that waits for the worker.
const REQUESTS: Table<u64, Json<Request>> = Table::new("users.requests");
/// Key: the hash of the token. Value: the ticket.
const TICKETS: Table<str, Json<Ticket>> = Table::new("users.tickets");
/// Key: purpose, `/`, whose it is. Value: the hash of the token.
const TICKETS_OF: Table<str, Json<String>> = Table::new("users.tickets_of");

/// The tables of this folder.
pub const TABLES: [&str; 3] = [REQUESTS.name(), TICKETS.name(), TICKETS_OF.name()];

/// The most tickets that one operation of the writer removes.
pub(super) const SWEEP_MAX: usize = 1_000;

fn number_of(key: &[u8]) -> Result<u64, StoreError> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| StoreError::corrupt("a key of requests is not 8 bytes"))
}

pub(super) fn put_request(tx: &mut Tx<'_>, request: &Request) -> Result<(), StoreError> {
    let mut newest = 0;
    tx.scan::<StoreError>(REQUESTS.name(), &[], &[], Scan::Backward, &mut |key, _| {
        newest = number_of(key)?;
        Ok(ControlFlow::Break(()))
    })?;
    tx.put(REQUESTS, &(newest + 1), &Json(request.clone()))
}

pub(super) fn delete_request(tx: &mut Tx<'_>, number: u64) -> Result<(), StoreError> {
    tx.delete(REQUESTS, &number).map(drop)
}

/// The oldest requests, at most `max`.
pub(super) fn requests(source: &impl Read, max: usize) -> Result<Vec<(u64, Request)>, StoreError> {
    let mut found = Vec::new();
    source.scan::<StoreError>(REQUESTS.name(), &[], &[], Scan::Forward, &mut |key, bytes| {
        found.push((number_of(key)?, serde_json::from_slice(bytes).map_err(StoreError::corrupt)?));
        Ok(if found.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(found)
}

pub(super) fn ticket(source: &impl Read, hash: &str) -> Result<Option<Ticket>, StoreError> {
    Ok(source.get(TICKETS, hash)?.map(|Json(ticket)| ticket))
}

/// The hash of the token of whose ticket there is one at most.
pub(super) fn hash_of(source: &impl Read, subject: &str) -> Result<Option<String>, StoreError> {
    Ok(source.get(TICKETS_OF, subject)?.map(|Json(hash)| hash))
}

/// The tickets for a purpose behind a subject, by subject, at most `max`.
pub(super) fn tickets_for(
    source: &impl Read,
    purpose: &str,
    after: &str,
    max: usize,
) -> Result<Vec<Ticket>, StoreError> {
    // `0` follows `/`, and the shortest text behind another one ends in a zero.
    let (from, to) = (format!("{purpose}/{after}"), format!("{purpose}0"));
    let from = if after.is_empty() { from } else { from + "\0" };
    let mut found = Vec::new();
    source.scan::<StoreError>(TICKETS_OF.name(), from.as_bytes(), to.as_bytes(), Scan::Forward, &mut |_, bytes| {
        let hash: String = serde_json::from_slice(bytes).map_err(StoreError::corrupt)?;
        found.extend(ticket(source, &hash)?);
        Ok(if found.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(found)
}

/// Puts a ticket in the place of an older one for the same.
pub(super) fn put_ticket(tx: &mut Tx<'_>, hash: &str, subject: &str, ticket: &Ticket) -> Result<(), StoreError> {
    if let Some(older) = hash_of(tx, subject)? {
        tx.delete(TICKETS, &older)?;
    }
    tx.put(TICKETS, hash, &Json(ticket.clone()))?;
    tx.put(TICKETS_OF, subject, &Json(hash.to_owned()))
}

/// Counts a guess at the code of a ticket.
pub(super) fn count_try(tx: &mut Tx<'_>, hash: &str) -> Result<(), StoreError> {
    match ticket(tx, hash)? {
        Some(ticket) => tx.put(TICKETS, hash, &Json(Ticket { tries: ticket.tries.saturating_add(1), ..ticket })),
        None => Ok(()),
    }
}

/// Takes a ticket: whoever comes later finds none.
pub(super) fn take(tx: &mut Tx<'_>, hash: &str) -> Result<bool, StoreError> {
    tx.delete(TICKETS, hash)
}

/// The subjects and hashes of tickets that were taken or have ended, at most [`SWEEP_MAX`].
pub(super) fn ended(source: &impl Read, now: Timestamp) -> Result<Vec<(String, String)>, StoreError> {
    let mut ended = Vec::new();
    source.scan::<StoreError>(TICKETS_OF.name(), &[], &[], Scan::Forward, &mut |key, bytes| {
        let hash: String = serde_json::from_slice(bytes).map_err(StoreError::corrupt)?;
        if ticket(source, &hash)?.is_none_or(|ticket| ticket.expires_at <= now) {
            ended.push((std::str::from_utf8(key).map_err(StoreError::corrupt)?.to_owned(), hash));
        }
        Ok(if ended.len() < SWEEP_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(ended)
}

/// Removes tickets that have ended, unless a newer one took the place of one.
pub(super) fn remove(tx: &mut Tx<'_>, ended: &[(String, String)]) -> Result<(), StoreError> {
    for (subject, hash) in ended {
        tx.delete(TICKETS, hash)?;
        if hash_of(tx, subject)?.as_ref() == Some(hash) {
            tx.delete(TICKETS_OF, subject)?;
        }
    }
    Ok(())
}
