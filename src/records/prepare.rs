//! Everything about a write that needs no transaction, done before the writer is asked: the new text, and what changes
//! in each index.

use jiff::Timestamp;

use super::input::Draft;
use crate::{
    collections::{
        Catalog, Check, Collection, Slot, Slots,
        catalog::FIRST_FIELD,
        layout::{self, Entry, Head},
        read_head,
    },
    kernel::error::pointer_to,
    store::StoreError,
};

/// A write that is ready to be carried out, provided the record is still `old`.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    pub(super) old: Option<Vec<u8>>,
    pub(super) new: Option<Vec<u8>>,
    /// Entries to remove and to add, by index; those that stay are in neither.
    pub(super) indexes: Vec<IndexChange>,
    /// Records of other collections that must exist.
    pub(super) targets: Vec<Target>,
}

/// How the entries of one index change.
#[derive(Debug)]
pub(super) struct IndexChange {
    /// The position among the collection's indexes.
    pub(super) position: usize,
    pub(super) removed: Vec<Entry>,
    pub(super) added: Vec<Entry>,
}

/// A record that a relation names; no collection stands for a file.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) pointer: String,
    pub(super) collection: Option<u32>,
    pub(super) id: String,
}

/// A new record.
pub(super) fn creation(
    catalog: &Catalog,
    collection: &Collection,
    draft: &Draft,
    id: &str,
    now: Timestamp,
) -> Result<Prepared, StoreError> {
    let now = format!("{now:.3}");
    let head = Head { id, created_at: &now, updated_at: &now, version: 1 };
    let new = layout::write_record(collection, head, |slot| draft.value(slot).unwrap_or("null"));
    prepare(catalog, collection, id, None, Some(new), draft)
}

/// A record with some values changed.
pub(super) fn change(
    catalog: &Catalog,
    collection: &Collection,
    draft: &Draft,
    old: Vec<u8>,
    now: Timestamp,
) -> Result<Prepared, StoreError> {
    let slots = Slots::read(collection, &old)?;
    let before = read_head(&slots);
    let now = format!("{now:.3}");
    let head = Head { updated_at: &now, version: before.version + 1, ..before };
    let default = |slot: Slot| collection.field(slot).map_or("null", |field| field.default.as_str());
    let new = layout::write_record(collection, head, |slot| {
        draft.value(slot).or_else(|| slots.get(slot)).unwrap_or_else(|| default(slot))
    });
    let id = before.id.to_owned();
    prepare(catalog, collection, &id, Some(old), Some(new), draft)
}

/// The end of a record.
pub(super) fn deletion(
    catalog: &Catalog,
    collection: &Collection,
    id: &str,
    old: Vec<u8>,
) -> Result<Prepared, StoreError> {
    prepare(catalog, collection, id, Some(old), None, &Draft::default())
}

/// Fits the indexes and relations to what a record becomes.
pub(super) fn prepare(
    catalog: &Catalog,
    collection: &Collection,
    id: &str,
    old: Option<Vec<u8>>,
    new: Option<Vec<u8>>,
    draft: &Draft,
) -> Result<Prepared, StoreError> {
    // The slots borrow from both texts, which the answer then owns.
    let (indexes, targets) = {
        let before = old.as_deref().map(|bytes| Slots::read(collection, bytes)).transpose()?;
        let after = new.as_deref().map(|bytes| Slots::read(collection, bytes)).transpose()?;
        let changed = |slot: Slot| match (&before, &after) {
            (Some(before), Some(after)) => before.get(slot) != after.get(slot),
            _ => true,
        };
        let indexes = index_changes(collection, id, before.as_ref(), after.as_ref(), changed);
        (indexes, targets(catalog, collection, draft, id, changed))
    };
    Ok(Prepared { old, new, indexes, targets })
}

fn index_changes(
    collection: &Collection,
    id: &str,
    before: Option<&Slots<'_>>,
    after: Option<&Slots<'_>>,
    changed: impl Fn(Slot) -> bool,
) -> Vec<IndexChange> {
    let mut changes = Vec::new();
    for (position, index) in collection.indexes.iter().enumerate() {
        if index.failed || !index.components.iter().any(|(slot, _)| changed(*slot)) {
            continue;
        }
        let entries = |slots: Option<&Slots<'_>>| slots.map(|slots| layout::entries(collection, index, slots, id));
        let mut removed = entries(before).unwrap_or_default();
        let mut added = entries(after).unwrap_or_default();
        let kept: Vec<_> = removed.iter().filter(|entry| added.contains(entry)).cloned().collect();
        removed.retain(|entry| !kept.contains(entry));
        added.retain(|entry| !kept.contains(entry));
        changes.push(IndexChange { position, removed, added });
    }
    changes
}

fn targets(
    catalog: &Catalog,
    collection: &Collection,
    draft: &Draft,
    own_id: &str,
    changed: impl Fn(Slot) -> bool,
) -> Vec<Target> {
    let mut targets = Vec::new();
    for (position, field) in collection.fields.iter().enumerate() {
        let slot = FIRST_FIELD + position;
        let target = match &field.check {
            Check::Relation { collection, .. } => catalog.by_name(collection).map(|target| target.number()),
            Check::File => None,
            _ => continue,
        };
        if !changed(slot) {
            continue;
        }
        for (item, id) in draft.targets(slot).into_iter().enumerate() {
            if target == Some(collection.number()) && id == own_id {
                continue;
            }
            let mut pointer = pointer_to(&field.name);
            if field.many.is_some() {
                pointer = format!("{pointer}/{item}");
            }
            targets.push(Target { pointer, collection: target, id });
        }
    }
    targets
}
