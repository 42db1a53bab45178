//! Where events are stored.

use std::{net::IpAddr, ops::ControlFlow};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    access::Who,
    store::{Json, Read, Scan, StoreError, Table, Tx},
};

/// Key: number (u64, big-endian), in the order of the commits. Value: the event.
const EVENTS: Table<u64, Json<Event>> = Table::new("audit.events");

/// The tables of this feature.
pub const TABLES: [&str; 1] = [EVENTS.name()];

/// A security event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place in the log.
    #[serde(default)]
    pub number: u64,
    /// When it happened.
    pub time: Timestamp,
    /// What happened: `session.created`, `role.updated`, …
    pub kind: String,
    /// Who did it: the id of a user, or a name of the system's own; empty for a guest.
    pub actor: String,
    /// Who acted as the actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonator: Option<String>,
    /// To whom or what it happened.
    pub subject: String,
    /// The address of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The id of the request.
    pub request_id: String,
    /// What else there is to know of it; never a secret.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}

impl Event {
    /// An event of `kind` that `who` caused.
    #[must_use]
    pub fn new(kind: &'static str, who: &Who, subject: &str, time: Timestamp) -> Self {
        Self {
            number: 0,
            time,
            kind: kind.into(),
            actor: who.actor.clone(),
            impersonator: who.impersonator.clone(),
            subject: subject.into(),
            address: who.address,
            request_id: who.request_id.clone(),
            detail: Value::Null,
        }
    }

    /// With what else there is to know.
    #[must_use]
    pub fn with(mut self, detail: Value) -> Self {
        match (&mut self.detail, detail) {
            (Value::Object(own), Value::Object(more)) => own.extend(more),
            (own, more) => *own = more,
        }
        self
    }
}

/// Appends an event.
///
/// # Errors
/// [`StoreError`].
pub fn record(tx: &mut Tx<'_>, event: Event) -> Result<(), StoreError> {
    let number = newest(tx)? + 1;
    tx.put(EVENTS, &number, &Json(Event { number, ..event }))
}

fn newest(source: &impl Read) -> Result<u64, StoreError> {
    let mut newest = 0;
    source.scan::<StoreError>(EVENTS.name(), &[], &[], Scan::Backward, &mut |key, _| {
        newest = number_of(key)?;
        Ok(ControlFlow::Break(()))
    })?;
    Ok(newest)
}

fn number_of(key: &[u8]) -> Result<u64, StoreError> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| StoreError::corrupt("a key of the audit log is not 8 bytes"))
}

/// Shows events with a number below `before`, newest first, until `visit` stops.
pub(super) fn visit(
    source: &impl Read,
    before: Option<u64>,
    visit: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let to = before.map_or_else(Vec::new, |before| before.to_be_bytes().to_vec());
    if before == Some(0) {
        return Ok(());
    }
    source.scan(EVENTS.name(), &[], &to, Scan::Backward, &mut |_, bytes| {
        let event = serde_json::from_slice(bytes).map_err(StoreError::corrupt)?;
        Ok(visit(event))
    })
}

/// When the oldest event happened.
pub(super) fn oldest(source: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    let mut oldest = None;
    source.scan::<StoreError>(EVENTS.name(), &[], &[], Scan::Forward, &mut |_, bytes| {
        let event: Event = serde_json::from_slice(bytes).map_err(StoreError::corrupt)?;
        oldest = Some(event.time);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(oldest)
}

/// Removes events from before `limit`, at most `max` of them, oldest first.
pub(super) fn prune(tx: &mut Tx<'_>, limit: Timestamp, max: usize) -> Result<(), StoreError> {
    let mut old = Vec::new();
    tx.scan::<StoreError>(EVENTS.name(), &[], &[], Scan::Forward, &mut |key, bytes| {
        let event: Event = serde_json::from_slice(bytes).map_err(StoreError::corrupt)?;
        if event.time >= limit || old.len() >= max {
            return Ok(ControlFlow::Break(()));
        }
        old.push(number_of(key)?);
        Ok(ControlFlow::Continue(()))
    })?;
    for number in &old {
        tx.delete(EVENTS, number)?;
    }
    Ok(())
}
