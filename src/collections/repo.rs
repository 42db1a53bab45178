//! Where definitions are stored.

use super::model::CollectionDef;
use crate::store::{Json, Read, StoreError, Table, Tx};

/// Key: collection number. Value: the definition.
const DEFS: Table<u32, Json<CollectionDef>> = Table::new("collections.defs");
/// Key: `collection` or `index`. Value: the number given last.
const NUMBERS: Table<str, Json<u32>> = Table::new("collections.numbers");
/// Key: collection number. Value: the numbers of the indexes of a collection that was deleted, or of indexes that
/// were dropped from one that stays; their entries are to be removed.
const DROPPED: Table<u32, Json<Dropped>> = Table::new("collections.dropped");

/// The tables of this feature.
pub const TABLES: [&str; 3] = [DEFS.name(), NUMBERS.name(), DROPPED.name()];

/// Stored data that no definition refers to any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Dropped {
    /// Whether the records are to go too.
    pub records: bool,
    /// The indexes whose entries are to go.
    pub indexes: Vec<u32>,
}

pub(super) fn all(source: &impl Read) -> Result<Vec<CollectionDef>, StoreError> {
    Ok(source.values(DEFS)?.into_iter().map(|Json(def)| def).collect())
}

pub(super) fn put(tx: &mut Tx<'_>, def: &CollectionDef) -> Result<(), StoreError> {
    tx.put(DEFS, &def.number, &Json(def.clone()))
}

pub(super) fn delete(tx: &mut Tx<'_>, number: u32) -> Result<bool, StoreError> {
    tx.delete(DEFS, &number)
}

/// A number that was never given before.
pub(super) fn next_number(tx: &mut Tx<'_>, what: &str) -> Result<u32, StoreError> {
    let next = tx.get(NUMBERS, what)?.map_or(0, |Json(last)| last) + 1;
    tx.put(NUMBERS, what, &Json(next))?;
    Ok(next)
}

/// Adds to what is to be removed of a collection.
pub(super) fn add_dropped(tx: &mut Tx<'_>, number: u32, more: Dropped) -> Result<(), StoreError> {
    let mut dropped = tx.get(DROPPED, &number)?.map_or_else(Dropped::default, |Json(dropped)| dropped);
    dropped.records |= more.records;
    dropped.indexes.extend(more.indexes);
    tx.put(DROPPED, &number, &Json(dropped))
}

/// What is to be removed, by collection.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub(super) fn dropped(source: &impl Read) -> Result<Vec<(u32, Dropped)>, StoreError> {
    let mut found = Vec::new();
    source.scan::<StoreError>(DROPPED.name(), &[], &[], crate::store::Scan::Forward, &mut |key, value| {
        let number = key.try_into().map(u32::from_be_bytes).map_err(StoreError::corrupt)?;
        found.push((number, serde_json::from_slice(value).map_err(StoreError::corrupt)?));
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// Notes that so much is removed; what was added meanwhile stays to be removed.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub(super) fn forget_dropped(tx: &mut Tx<'_>, number: u32, done: &Dropped) -> Result<(), StoreError> {
    let Some(Json(mut left)) = tx.get(DROPPED, &number)? else { return Ok(()) };
    left.indexes.retain(|index| !done.indexes.contains(index));
    left.records &= !done.records;
    if left == Dropped::default() {
        return tx.delete(DROPPED, &number).map(|_| ());
    }
    tx.put(DROPPED, &number, &Json(left))
}
