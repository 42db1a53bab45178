//! Carrying out a change of the schema inside the transaction: what was checked before is stored, data that moved
//! meanwhile is judged again, and every change is logged.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use jiff::Timestamp;

use super::{
    catalog::{Catalog, Collection},
    change::{self, Misfits},
    field::Field,
    layout,
    model::{CollectionDef, CollectionError, IndexInput, Rename},
    rename,
    repo::{self, Dropped},
    trigger,
    validate::{self, Around, WantedIndex},
};
use crate::{
    access::Who,
    kernel::FieldError,
    store::{Change, ChangeKind, Epoch, Store, StoreError, Tx, log},
};

/// Changes the schema, provided that it is still that of `epoch`.
pub(super) fn guarded<T>(
    tx: &mut Tx<'_>,
    epoch: u64,
    change: impl FnOnce(&mut Tx<'_>) -> Result<T, CollectionError>,
) -> Result<T, CollectionError> {
    if tx.epoch(Epoch::Schema) != epoch {
        return Err(CollectionError::Moved);
    }
    let done = change(tx)?;
    tx.bump(Epoch::Schema)?;
    Ok(done)
}

/// Stores a new collection under a number of its own.
pub(super) fn insert(
    tx: &mut Tx<'_>,
    who: &Who,
    mut def: CollectionDef,
    wanted: Vec<WantedIndex>,
) -> Result<CollectionDef, CollectionError> {
    def.number = repo::next_number(tx, "collection")?;
    trigger::check_queues(tx, &def.triggers)?;
    change::assign_indexes(tx, None, &mut def, wanted, true)?;
    repo::put(tx, &def)?;
    log_change(tx, who, ChangeKind::Created, None, Some(&def), def.created_at)?;
    Ok(def)
}

/// A change that was checked and is to be carried out.
#[derive(Debug)]
pub(super) struct Update {
    /// The collection as it is stored.
    stored: Arc<Collection>,
    /// The same with its fields under their new names.
    old: Arc<Collection>,
    new: CollectionDef,
    fields: Vec<Field>,
    wanted: Vec<WantedIndex>,
    narrows: bool,
    judged_seq: u64,
}

impl Update {
    /// Checks a new definition of a stored collection, given all collections as they will be. Absent indexes stay.
    pub(super) fn check(
        stored: &Arc<Collection>,
        new: CollectionDef,
        renames: Vec<Rename>,
        indexes: Option<&[IndexInput]>,
        after: Around<'_>,
    ) -> Result<Self, CollectionError> {
        check_nature(&stored.def, &new)?;
        if stored.def.system {
            change::check_system(&stored.def, &new, &super::system::fields_of(&stored.def.name))?;
        }
        let old = rename::under_new_names(stored, renames);
        let kept = explicit_indexes(&old.def);
        let (fields, wanted) = validate::check(&new, indexes.unwrap_or(&kept), after)?;
        let narrows = change::may_narrow(&old.def, &new);
        Ok(Self { stored: Arc::clone(stored), old, new, fields, wanted, narrows, judged_seq: 0 })
    }

    /// Refuses a change of what is still being changed: of each record at most one older form is known.
    pub(super) fn check_settled(&self) -> Result<(), CollectionError> {
        if self.is_settled() {
            return Ok(());
        }
        let name = &self.stored.def.name;
        let detail = format!("records of \"{name}\" are still being brought to its last change; try again shortly");
        Err(CollectionError::Conflict(detail))
    }

    /// Whether no earlier change is still being carried out.
    pub(super) fn is_settled(&self) -> bool {
        !self.stored.def.rewriting
    }

    /// Checks the stored records against the new fields where they allow less, on a blocking thread. What is written
    /// meanwhile is checked in the transaction of the change.
    pub(super) async fn judge(mut self, store: &Store) -> Result<Self, CollectionError> {
        if !self.narrows {
            return Ok(self);
        }
        store
            .scan(move |snapshot| {
                let mut misfits = Misfits::default();
                misfits.judge_all(snapshot, &self.old, &self.fields)?;
                misfits.into_result()?;
                self.judged_seq = snapshot.seq();
                Ok(self)
            })
            .await
    }

    /// The name that the collection has, and the one that it will have.
    pub(super) fn names(&self) -> (&str, &str) {
        (&self.stored.def.name, &self.new.name)
    }

    /// Stores it. `before` and `after` are all collections, as they are and as they will be.
    pub(super) fn carry_out(
        self,
        tx: &mut Tx<'_>,
        who: &Who,
        before: &Catalog,
        after: &Catalog,
    ) -> Result<CollectionDef, CollectionError> {
        let Self { stored, old, mut new, fields, wanted, narrows, judged_seq } = self;
        if narrows {
            judge_newer(tx, &old, &fields, judged_seq)?;
        }
        trigger::check_queues(tx, &new.triggers)?;
        // Only here no record that is pointed at can go.
        let targets = change::retargeted((before, after), &old.def, &new);
        if !targets.is_empty() {
            let mut misfits = Misfits::default();
            misfits.judge_targets(tx, &old, &fields, &targets)?;
            misfits.into_result()?;
        }
        let empty = layout::is_empty(tx, new.number)?;
        let gone = change::assign_indexes(tx, Some(&old.def), &mut new, wanted, empty)?;
        if !gone.is_empty() {
            repo::add_dropped(tx, new.number, change::dropped_indexes(gone))?;
        }
        if !empty {
            new.renames.clone_from(&old.def.renames);
            new.rewriting = !new.renames.is_empty() || change::needs_rewrite(&old.def, &new);
        }
        new.since = known_since(&stored.def, &old.def, &new, tx.seq() + 1);
        repo::put(tx, &new)?;
        log_change(tx, who, ChangeKind::Updated, Some(&stored.def), Some(&new), new.updated_at)?;
        Ok(new)
    }
}

/// Since which change each field has been the one that it is: what the log has under its name before that, was another's.
fn known_since(
    stored: &CollectionDef,
    renamed: &CollectionDef,
    new: &CollectionDef,
    seq: u64,
) -> BTreeMap<String, u64> {
    let stays = |name: &str| {
        let there = stored.fields.iter().any(|field| field.name == name);
        there && change::same_form(stored, new, name) && !renamed.renames.iter().any(|rename| rename.from == name)
    };
    let since = |name: &str| if stays(name) { stored.since.get(name).copied() } else { Some(seq) };
    new.fields.iter().filter_map(|field| Some((field.name.clone(), since(&field.name)?))).collect()
}

/// A collection has records and a view has none, so neither becomes the other.
fn check_nature(old: &CollectionDef, new: &CollectionDef) -> Result<(), CollectionError> {
    let (is, becomes) = match (&old.view, &new.view) {
        (None, Some(_)) => ("a collection with records of its own", "view"),
        (Some(_), None) => ("a view", "collection"),
        _ => return Ok(()),
    };
    let detail = format!("\"{}\" is {is}; delete it before there is a {becomes} of its name", old.name);
    Err(CollectionError::Invalid(vec![FieldError::at("view", "invalid", detail)]))
}

/// The indexes that a client listed.
pub(super) fn explicit_indexes(def: &CollectionDef) -> Vec<IndexInput> {
    let explicit = def.indexes.iter().filter(|index| !index.implicit);
    explicit.map(|index| IndexInput { fields: index.fields.clone(), unique: index.unique }).collect()
}

/// Judges the records that were written after the judged state.
fn judge_newer(tx: &Tx<'_>, old: &Collection, fields: &[Field], seq: u64) -> Result<(), CollectionError> {
    let mut misfits = Misfits::default();
    log::read::<StoreError>(tx, seq, &mut |entry| {
        if entry.entity == "records"
            && entry.collection == old.number()
            && let Some(record) = entry.new
        {
            misfits.judge(old, fields, &entry.id, record.get().as_bytes())?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    misfits.into_result()
}

/// Forgets a collection; maintenance removes its records.
pub(super) fn remove(tx: &mut Tx<'_>, who: &Who, def: &CollectionDef, now: Timestamp) -> Result<(), CollectionError> {
    repo::delete(tx, def.number)?;
    let indexes = def.indexes.iter().map(|index| index.number).collect();
    repo::add_dropped(tx, def.number, Dropped { records: true, indexes })?;
    log_change(tx, who, ChangeKind::Deleted, Some(def), None, now)
}

fn log_change(
    tx: &mut Tx<'_>,
    who: &Who,
    kind: ChangeKind,
    old: Option<&CollectionDef>,
    new: Option<&CollectionDef>,
    time: Timestamp,
) -> Result<(), CollectionError> {
    let json = |def: Option<&CollectionDef>| def.map(serde_json::to_string).transpose().map_err(StoreError::corrupt);
    let (old_text, new_text) = (json(old)?, json(new)?);
    let Some(def) = new.or(old) else { return Ok(()) };
    tx.log(&Change {
        time,
        entity: "collections",
        collection: 0,
        id: &def.name,
        kind,
        actor: who.origin(),
        new: new_text.as_deref(),
        old: old_text.as_deref(),
        previous: None,
    })?;
    Ok(())
}
