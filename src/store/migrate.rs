//! Bringing an older file to what this binary writes, step by step, each step whole or not at all.

use super::{Read, Scan, StoreError, Tx, open::META};

/// The key in [`META`] that holds the file's schema number (u64, big-endian).
pub(crate) const SCHEMA_KEY: &[u8] = b"schema";

/// One step: from the schema number before to `to`.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// The schema number after the step; the step before it has the number one less.
    pub to: u64,
    /// What the step changes. Runs in one transaction with the new schema number.
    pub run: fn(&mut Tx<'_>) -> Result<(), StoreError>,
}

/// The file's schema number; `None` for a file with nothing in it.
pub(crate) fn stored_schema(source: &impl Read) -> Result<Option<u64>, StoreError> {
    let mut empty = true;
    source.scan::<StoreError>(META, &[], &[], Scan::Forward, &mut |_, _| {
        empty = false;
        Ok(std::ops::ControlFlow::Break(()))
    })?;
    if empty {
        return Ok(None);
    }
    read_number(source, SCHEMA_KEY).map(Some)
}

/// A number in [`META`]; 0 when it was never written.
pub(crate) fn read_number(source: &impl Read, key: &[u8]) -> Result<u64, StoreError> {
    let decode = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).ok();
    let number = source.view(META, key, |found| found.map_or(Some(0), decode))?;
    number.ok_or_else(|| StoreError::corrupt("a number in store.meta is not 8 bytes"))
}

pub(crate) fn write_schema(tx: &mut Tx<'_>, schema: u64) -> Result<(), StoreError> {
    tx.put_bytes(META, SCHEMA_KEY.to_vec(), &schema.to_be_bytes())
}
