//! Carrying out a prepared write inside the transaction: what must hold is checked here, for only here nothing moves.

use std::{collections::VecDeque, ops::ControlFlow};

use jiff::Timestamp;

use super::{
    RecordError,
    input::Draft,
    prepare::{self, Prepared},
    trigger,
};
use crate::{
    access::Who,
    auth,
    collections::{
        Catalog, Collection, OnDelete, Slots,
        catalog::Referrer,
        layout::{self, DATA, GONE, INDEX},
        rewrite, system,
    },
    kernel::{FieldError, Scalar, error::pointer_to},
    mail::MailService,
    queue::Jobs,
    store::{Change, ChangeKind, Epoch, Read, Scan, StoreError, Tx, key},
};

/// The most records that one deletion may take along or change.
pub(super) const CASCADE_MAX: usize = 10_000;

/// By what others are told of a write.
#[derive(Debug)]
pub(super) struct Effects {
    /// The jobs that collections and batches ask for.
    pub(super) jobs: Jobs,
    /// Mails to users of whom something was changed.
    pub(super) mail: MailService,
}

/// What every write of a request shares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) who: &'a Who,
    pub(super) now: Timestamp,
    /// By what others are told.
    pub(super) effects: &'a Effects,
    /// Whether triggers are set off; not where records only come from elsewhere.
    pub(super) triggers: bool,
}

/// Refuses to go on with a catalog that is not the transaction's.
pub(super) fn check_epoch(tx: &Tx<'_>, catalog: &Catalog) -> Result<(), RecordError> {
    if tx.epoch(Epoch::Schema) == catalog.epoch { Ok(()) } else { Err(RecordError::Moved) }
}

/// The stored text of a record, in the form that the collection has now.
pub(super) fn stored(source: &impl Read, collection: &Collection, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let key = layout::record_key(collection.number(), id);
    let found = source.view(DATA, &key, |found| found.map(|stored| layout::text_of(stored).to_vec()))?;
    match found {
        Some(text) if collection.def.rewriting => Ok(Some(rewrite(collection, &text)?.unwrap_or(text))),
        found => Ok(found),
    }
}

/// Writes what was prepared, or says everything that forbids it.
pub(super) fn apply(
    tx: &mut Tx<'_>,
    context: Context<'_>,
    collection: &Collection,
    id: &str,
    prepared: &Prepared,
) -> Result<(), RecordError> {
    let mut entries = Vec::new();
    apply_but_entries(tx, context, collection, id, prepared, &mut entries)?;
    Ok(put_entries(tx, entries)?)
}

/// New entries of indexes that are not unique, which nothing in the same operation looks at.
pub(super) type LateEntries = Vec<(Vec<u8>, [u8; 1])>;

/// Puts entries in the order of their keys: neighbours are in the same page, which is then changed once.
pub(super) fn put_entries(tx: &mut Tx<'_>, mut entries: LateEntries) -> Result<(), StoreError> {
    entries.sort_unstable();
    entries.into_iter().try_for_each(|(key, value)| tx.put_bytes(INDEX, key, &value))
}

/// [`apply`] but for the entries that can come late: a caller with many records puts those of all at once.
pub(super) fn apply_but_entries(
    tx: &mut Tx<'_>,
    context: Context<'_>,
    collection: &Collection,
    id: &str,
    prepared: &Prepared,
    late: &mut LateEntries,
) -> Result<(), RecordError> {
    let mut errors = Vec::new();
    check_targets(tx, prepared, &mut errors)?;
    check_unique(tx, collection, id, prepared, &mut errors)?;
    if !errors.is_empty() {
        return Err(RecordError::Invalid(errors));
    }
    if collection.def.name == system::USERS {
        // An import goes on after a line that was refused, so what is refused must not have written anything.
        let texts = (as_text(prepared.old.as_deref())?, as_text(prepared.new.as_deref())?);
        auth::check_user_change(tx, context.who, id, texts)?;
    }
    let previous = put_record(tx, &layout::record_key(collection.number(), id), prepared.new.as_deref())?;
    for change in &prepared.indexes {
        let unique = collection.indexes.get(change.position).is_none_or(|index| index.unique);
        for entry in &change.removed {
            tx.delete_bytes(INDEX, entry.key.clone())?;
        }
        for entry in &change.added {
            match unique {
                true => tx.put_bytes(INDEX, entry.key.clone(), &layout::entry_value(id))?,
                false => late.push((entry.key.clone(), layout::entry_value(id))),
            }
        }
    }
    log(tx, context, collection, id, prepared, previous)
}

/// Puts a record's text, or removes the record, with the seq that the change is about to have. Answers the seq of the
/// change before it, by which a record's history is a chain through the log.
fn put_record(tx: &mut Tx<'_>, key: &[u8], new: Option<&[u8]>) -> Result<Option<u64>, StoreError> {
    let seq = tx.seq() + 1;
    match new {
        Some(text) => tx.put_bytes(DATA, key.to_vec(), &layout::stored(text, seq))?,
        None => tx.delete_bytes(DATA, key.to_vec()).map(|_| ())?,
    }
    let before = tx.replaced().map(|stored| layout::text_and_seq(stored).1);
    let seq_of = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).ok();
    match (before, new) {
        (Some(previous), Some(_)) => Ok(previous),
        (previous, None) => {
            tx.put_bytes(GONE, key.to_vec(), &seq.to_be_bytes())?;
            Ok(previous.flatten())
        }
        (None, Some(_)) => {
            let gone = tx.view(GONE, key, |found| found.and_then(seq_of))?;
            if gone.is_some() {
                tx.delete_bytes(GONE, key.to_vec())?;
            }
            Ok(gone)
        }
    }
}

pub(super) fn check_targets(tx: &Tx<'_>, prepared: &Prepared, errors: &mut Vec<FieldError>) -> Result<(), StoreError> {
    for target in &prepared.targets {
        let exists = match target.collection {
            Some(number) => tx.view(DATA, &layout::record_key(number, &target.id), |found| found.is_some())?,
            // A file comes into being when an upload is confirmed; no id of another kind is one.
            None => false,
        };
        if !exists {
            let what = if target.collection.is_some() { "record" } else { "file" };
            let detail = format!("there is no {what} \"{}\"", target.id);
            errors.push(FieldError::new(target.pointer.clone(), "not_found", detail));
        }
    }
    Ok(())
}

pub(super) fn check_unique(
    tx: &Tx<'_>,
    collection: &Collection,
    id: &str,
    prepared: &Prepared,
    errors: &mut Vec<FieldError>,
) -> Result<(), StoreError> {
    for change in &prepared.indexes {
        let Some(index) = collection.indexes.get(change.position).filter(|index| index.unique) else { continue };
        for entry in &change.added {
            if layout::duplicate(tx, entry, id)?.is_none() {
                continue;
            }
            let names: Vec<_> = index.components.iter().map(|(slot, _)| collection.slot_name(*slot)).collect();
            let pointer = names.first().map(|name| pointer_to(name)).unwrap_or_default();
            let detail = format!("another record has the same {} already", names.join(" and "));
            errors.push(FieldError::new(pointer, "unique", detail));
        }
    }
    Ok(())
}

fn log(
    tx: &mut Tx<'_>,
    context: Context<'_>,
    collection: &Collection,
    id: &str,
    prepared: &Prepared,
    previous: Option<u64>,
) -> Result<(), RecordError> {
    let (old, new) = (as_text(prepared.old.as_deref())?, as_text(prepared.new.as_deref())?);
    let kind = match (old, new) {
        (None, _) => ChangeKind::Created,
        (_, None) => ChangeKind::Deleted,
        _ => ChangeKind::Updated,
    };
    tx.log(&Change {
        time: context.now,
        entity: "records",
        collection: collection.number(),
        id,
        kind,
        actor: context.who.origin(),
        new,
        old,
        previous,
    })?;
    if collection.def.name == system::USERS {
        auth::user_changed(tx, &context.effects.mail, context.who, id, (old, new), context.now)?;
    }
    trigger::fire(tx, context, collection, id, (old, new))
}

fn as_text(bytes: Option<&[u8]>) -> Result<Option<&str>, StoreError> {
    bytes.map(std::str::from_utf8).transpose().map_err(StoreError::corrupt)
}

/// Deletes a record with all that its deletion entails. Answers the number of records deleted.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    context: Context<'_>,
    collection: &Collection,
    id: &str,
) -> Result<usize, RecordError> {
    let mut queue = VecDeque::from([(collection.number(), id.to_owned())]);
    let mut restricts = Vec::new();
    let (mut deleted, mut touched) = (0, 0);
    while let Some((number, id)) = queue.pop_front() {
        let Some(collection) = context.catalog.by_number(number) else { continue };
        let Some(old) = stored(tx, collection, &id)? else { continue };
        let prepared = prepare::deletion(context.catalog, collection, &id, old)?;
        apply(tx, context, collection, &id, &prepared)?;
        deleted += 1;
        for referrer in &collection.referrers {
            let ids = match referrer.on_delete {
                OnDelete::Restrict => {
                    restricts.push((referrer.clone(), id.clone()));
                    continue;
                }
                OnDelete::Cascade | OnDelete::SetNull => referring(tx, context.catalog, referrer, &id, CASCADE_MAX)?,
            };
            touched += ids.len();
            if touched >= CASCADE_MAX {
                let detail = format!("more than {CASCADE_MAX} records refer to it; delete those first");
                return Err(RecordError::Referenced(detail));
            }
            for from in ids {
                if referrer.on_delete == OnDelete::Cascade {
                    queue.push_back((referrer.collection, from));
                } else {
                    unlink(tx, context, referrer, &from, &id)?;
                }
            }
        }
    }
    check_restricts(tx, context.catalog, &restricts)?;
    Ok(deleted)
}

fn check_restricts(tx: &Tx<'_>, catalog: &Catalog, restricts: &[(Referrer, String)]) -> Result<(), RecordError> {
    for (referrer, id) in restricts {
        if referring(tx, catalog, referrer, id, 1)?.is_empty() {
            continue;
        }
        let Some(other) = catalog.by_number(referrer.collection) else { continue };
        let (name, field) = (&other.def.name, other.slot_name(referrer.slot));
        let detail = format!("a record of {name} refers to \"{id}\" by \"{field}\", which restricts deletion");
        return Err(RecordError::Referenced(detail));
    }
    Ok(())
}

/// The ids of records whose relation names `id`, at most `max` of them.
fn referring(
    tx: &Tx<'_>,
    catalog: &Catalog,
    referrer: &Referrer,
    id: &str,
    max: usize,
) -> Result<Vec<String>, RecordError> {
    let Some(other) = catalog.by_number(referrer.collection) else { return Ok(Vec::new()) };
    let Some(number) = referrer.index else { return referring_by_scan(tx, other, referrer, id, max) };
    let index = other.indexes.iter().find(|index| index.number == number && index.ready);
    let Some((_, direction)) = index.and_then(|index| index.components.first()) else {
        let detail = format!("an index of \"{}\" is still being built; try again shortly", other.def.name);
        return Err(RecordError::Referenced(detail));
    };
    let mut from = layout::prefix(number);
    key::encode(&Scalar::Str(id.to_owned()), *direction, &mut from);
    let to = key::prefix_end(&from).unwrap_or_default();
    let mut ids = Vec::new();
    tx.scan::<StoreError>(INDEX, &from, &to, Scan::Forward, &mut |key, value| {
        ids.push(layout::id_of_entry(key, value)?.to_owned());
        Ok(if ids.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(ids)
}

/// [`referring`] without an index: the one over the field could not be built.
fn referring_by_scan(
    tx: &Tx<'_>,
    other: &Collection,
    referrer: &Referrer,
    id: &str,
    max: usize,
) -> Result<Vec<String>, RecordError> {
    let wanted = Scalar::Str(id.to_owned());
    let mut ids = Vec::new();
    layout::scan_records::<StoreError>(tx, other.number(), "", &mut |from, record| {
        let slots = Slots::read_some(other, record, Some(&[referrer.slot]))?;
        if slots.scalars(other, referrer.slot).contains(&wanted) {
            ids.push(from.to_owned());
        }
        Ok(if ids.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(ids)
}

/// Takes the deleted id out of a relation field.
fn unlink(
    tx: &mut Tx<'_>,
    context: Context<'_>,
    referrer: &Referrer,
    from: &str,
    gone: &str,
) -> Result<(), RecordError> {
    let Some(other) = context.catalog.by_number(referrer.collection) else { return Ok(()) };
    let Some(old) = stored(tx, other, from)? else { return Ok(()) };
    let slots = Slots::read(other, &old)?;
    let value = match slots.get(referrer.slot) {
        Some(list) if list.starts_with('[') => {
            let mut items: Vec<String> = serde_json::from_str(list).map_err(StoreError::corrupt)?;
            items.retain(|item| item != gone);
            serde_json::to_string(&items).map_err(StoreError::corrupt)?
        }
        _ => "null".to_owned(),
    };
    let draft = Draft::of(other, referrer.slot, value);
    // The ids that stay in the list were checked when they were written.
    let prepared =
        Prepared { targets: Vec::new(), ..prepare::change(context.catalog, other, &draft, old, context.now)? };
    apply(tx, context, other, from, &prepared)
}
