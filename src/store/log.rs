//! The change log: what changed, in the order of the commits, under a gapless seq.
//!
//! Everything that follows a write follows the log: a follower keeps the seq it has reached, reads on from there
//! with [`read`], and waits on [`Store::newest_seq`](super::Store::newest_seq).

use std::{fmt::Write as _, ops::ControlFlow};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Read, Scan, StoreError};

/// Key: seq (u64, big-endian). Value: [`ChangeEntry`] without its seq.
pub(crate) const TABLE: &str = "store.log";

/// What happened to an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangeKind {
    /// It came into being.
    Created,
    /// It has another value.
    Updated,
    /// It is gone.
    Deleted,
}

impl ChangeKind {
    fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}

/// A change to append with [`Tx::log`](super::Tx::log). All texts but the values must be free of characters that JSON
/// escapes: names and ids are, by their grammar.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// When it happened.
    pub time: Timestamp,
    /// The kind of thing: `records`, `collections`, `users`, …
    pub entity: &'static str,
    /// The number of the collection that a record belongs to; 0 for other entities.
    pub collection: u32,
    /// The id of the thing.
    pub id: &'a str,
    /// What happened to it.
    pub kind: ChangeKind,
    /// Who did it.
    pub actor: Origin<'a>,
    /// The JSON text of the value after.
    pub new: Option<&'a str>,
    /// The JSON text of the value before.
    pub old: Option<&'a str>,
    /// The seq of the change of the same thing before this one, where it is known.
    pub previous: Option<u64>,
}

/// Who asked for a change, and by which request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// The id of the user, or a name of the system's own.
    pub actor: &'a str,
    /// The id of the request; empty when there was none.
    pub request_id: &'a str,
}

impl Change<'_> {
    /// The stored text. Written by hand: the values are JSON already and must not be parsed once more.
    pub(crate) fn to_json(self) -> String {
        let values = self.new.map_or(0, str::len) + self.old.map_or(0, str::len);
        let mut text = String::with_capacity(values + 256);
        let Origin { actor, request_id } = self.actor;
        let (time, entity, collection, id, kind) = (self.time, self.entity, self.collection, self.id, self.kind.name());
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            r#"{{"time":"{time}","entity":"{entity}","collection":{collection},"id":"{id}","kind":"{kind}","actor":"{actor}","requestId":"{request_id}""#
        );
        if let Some(previous) = self.previous {
            let _ = write!(text, r#","previous":{previous}"#);
        }
        for (name, value) in [("new", self.new), ("old", self.old)] {
            if let Some(value) = value {
                let _ = write!(text, r#","{name}":{value}"#);
            }
        }
        text.push('}');
        text
    }
}

/// An entry of the log as it is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeEntry {
    /// The position in the log, from 1, with no gap.
    #[serde(default)]
    pub seq: u64,
    /// When it happened.
    pub time: Timestamp,
    /// The kind of thing: `records`, `collections`, `users`, …
    pub entity: String,
    /// The number of the collection that a record belongs to; 0 for other entities.
    pub collection: u32,
    /// The id of the thing.
    pub id: String,
    /// What happened to it.
    pub kind: ChangeKind,
    /// Who did it.
    pub actor: String,
    /// The request that did it; empty when there was none.
    pub request_id: String,
    /// The seq of the change of the same thing before this one, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<u64>,
    /// The value after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Box<RawValue>>,
    /// The value before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Box<RawValue>>,
}

/// Shows every entry after `seq`, oldest first, until `visit` stops.
///
/// # Errors
/// [`StoreError`] when the log cannot be read, or what `visit` answers.
pub fn read<E: From<StoreError>>(
    source: &impl Read,
    after: u64,
    visit: &mut dyn FnMut(ChangeEntry) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let from = after.saturating_add(1).to_be_bytes();
    source.scan(TABLE, &from, &[], Scan::Forward, &mut |key, value| {
        let seq = decode_seq(key)?;
        let entry: ChangeEntry = serde_json::from_slice(value).map_err(StoreError::corrupt)?;
        visit(ChangeEntry { seq, ..entry })
    })
}

/// The entry with this seq.
///
/// # Errors
/// [`StoreError`] when the log cannot be read.
pub fn entry(source: &impl Read, seq: u64) -> Result<Option<ChangeEntry>, StoreError> {
    let parse = |value: &[u8]| serde_json::from_slice::<ChangeEntry>(value).map_err(StoreError::corrupt);
    let found = source.view(TABLE, &seq.to_be_bytes(), |found| found.map(parse).transpose())??;
    Ok(found.map(|entry| ChangeEntry { seq, ..entry }))
}

/// The seq of the newest entry; 0 when there is none.
pub(crate) fn newest(source: &impl Read) -> Result<u64, StoreError> {
    let mut newest = 0;
    source.scan::<StoreError>(TABLE, &[], &[], Scan::Backward, &mut |key, _| {
        newest = decode_seq(key)?;
        Ok(ControlFlow::Break(()))
    })?;
    Ok(newest)
}

fn decode_seq(key: &[u8]) -> Result<u64, StoreError> {
    let bytes = key.try_into().map_err(|_| StoreError::corrupt("a key of the change log is not 8 bytes"))?;
    Ok(u64::from_be_bytes(bytes))
}
