//! The background work that follows a changed schema: filling new indexes, bringing records to new fields, and
//! removing what was dropped.
//!
//! Each step is one short write, so other writers wait for a step at most. A step can be cut off anywhere and done
//! again: what it did is in the store, what is left is found there.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use super::{
    catalog::{Catalog, Catalogs, Collection, Index},
    change,
    layout::{self, DATA, GONE, INDEX, Slots},
    model::IndexState,
    repo,
};
use crate::store::{Epoch, Read, Scan, Store, StoreError, Tx, key::prefix_end};

/// How many records or entries one step touches.
const STEP: usize = 500;
/// After how long work is taken up again that a full queue interrupted.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Carries out all pending work, again after each change of the schema, until `stop` resolves or the store closes.
pub async fn run(catalogs: Arc<Catalogs>, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    let mut newest = catalogs.store().newest_seq();
    loop {
        let before = catalogs.store().snapshot().epoch(Epoch::Schema);
        let again = match catch_up(&catalogs).await {
            Ok(()) => None,
            Err(StoreError::Closed | StoreError::Failed(_)) => return,
            Err(error) => {
                tracing::warn!(?error, "schema maintenance was interrupted and goes on shortly");
                Some(tokio::time::Instant::now() + RETRY_AFTER)
            }
        };
        while catalogs.store().snapshot().epoch(Epoch::Schema) == before {
            let retry = tokio::time::sleep_until(again.unwrap_or_else(far_future));
            tokio::select! {
                () = &mut stop => return,
                () = retry, if again.is_some() => break,
                changed = newest.changed() => if changed.is_err() { return },
            }
        }
    }
}

fn far_future() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(86_400)
}

/// Carries out all pending work once.
///
/// # Errors
/// [`StoreError`] of a step; what was done before it stays done.
pub async fn catch_up(catalogs: &Catalogs) -> Result<(), StoreError> {
    let (snapshot, catalog) = catalogs.current()?;
    let store = catalogs.store();
    for collection in catalog.sorted() {
        if collection.def.rewriting {
            walk(store, &catalog, collection, Work::Rewrite).await?;
        }
    }
    let (_, catalog) = catalogs.current()?;
    for collection in catalog.sorted() {
        for index in collection.indexes.iter().filter(|index| !index.ready && !index.failed) {
            walk(store, &catalog, collection, Work::Fill(index.clone())).await?;
        }
    }
    for (number, dropped) in repo::dropped(&snapshot)? {
        let done = dropped.clone();
        for index in dropped.indexes {
            purge(store, INDEX, index).await?;
        }
        if dropped.records {
            purge(store, DATA, number).await?;
            purge(store, GONE, number).await?;
        }
        store.write(move |tx| repo::forget_dropped(tx, number, &done)).await?;
    }
    Ok(())
}

/// What is done with each record of a collection.
#[derive(Clone)]
enum Work {
    Rewrite,
    Fill(Index),
}

/// How a step ended.
enum Step {
    /// There is more, after this id.
    More(String),
    /// Every record is done.
    Done,
    /// The schema moved on, or a unique index cannot be filled; nothing more is to do here.
    Ended,
}

async fn walk(
    store: &Store,
    catalog: &Arc<Catalog>,
    collection: &Arc<Collection>,
    work: Work,
) -> Result<(), StoreError> {
    let mut from = String::new();
    loop {
        let (catalog, collection, task, start) =
            (Arc::clone(catalog), Arc::clone(collection), work.clone(), from.clone());
        let step = store.write(move |tx| {
            // Another collection's change does not matter, but this one's may: start over with the new catalog.
            if tx.epoch(Epoch::Schema) != catalog.epoch && !unchanged(tx, &collection)? {
                return Ok(Step::Ended);
            }
            let step = step(tx, &collection, &task, &start)?;
            if matches!(step, Step::Done) {
                finish(tx, &collection, &task)?;
            }
            Ok::<_, StoreError>(step)
        });
        match step.await? {
            Step::More(next) => from = next,
            Step::Done | Step::Ended => return Ok(()),
        }
    }
}

fn unchanged(tx: &Tx<'_>, collection: &Collection) -> Result<bool, StoreError> {
    Ok(repo::all(tx)?.iter().any(|def| def.number == collection.number() && def.fields == collection.def.fields))
}

fn step(tx: &mut Tx<'_>, collection: &Collection, work: &Work, from: &str) -> Result<Step, StoreError> {
    let mut records = Vec::with_capacity(STEP);
    layout::scan_records::<StoreError>(tx, collection.number(), from, &mut |id, record| {
        if id != from {
            records.push((id.to_owned(), record.to_vec()));
        }
        Ok(if records.len() < STEP { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    for (id, record) in &records {
        match work {
            Work::Rewrite => {
                if let Some(written) = change::rewrite(collection, record)? {
                    drop_entries(tx, collection, id, record, &written)?;
                    let key = layout::record_key(collection.number(), id);
                    let seq = tx.view(DATA, &key, |found| found.and_then(|stored| layout::text_and_seq(stored).1))?;
                    let value = seq.map_or_else(|| written.clone(), |seq| layout::stored(&written, seq));
                    tx.put_bytes(DATA, key, &value)?;
                }
            }
            Work::Fill(index) => {
                if let Some(other) = fill(tx, collection, index, id, record)? {
                    fail_index(tx, collection, index, vec![other, id.clone()])?;
                    return Ok(Step::Ended);
                }
            }
        }
    }
    let last = records.last().filter(|_| records.len() == STEP);
    Ok(last.map_or(Step::Done, |(id, _)| Step::More(id.clone())))
}

/// Removes the entries of a record that it no longer has when it is rewritten. The new ones come with the filling of the
/// indexes whose values can change so, which are all being built.
fn drop_entries(
    tx: &mut Tx<'_>,
    collection: &Collection,
    id: &str,
    record: &[u8],
    written: &[u8],
) -> Result<(), StoreError> {
    let (before, after) = (Slots::read(collection, record)?, Slots::read(collection, written)?);
    for index in collection.indexes.iter().filter(|index| !index.failed) {
        let kept = layout::entries(collection, index, &after, id);
        for entry in layout::entries(collection, index, &before, id) {
            if !kept.contains(&entry) {
                tx.delete_bytes(INDEX, entry.key)?;
            }
        }
    }
    Ok(())
}

/// Adds a record's entries. Answers the id of a record that agrees with it when the index is to be unique.
fn fill(
    tx: &mut Tx<'_>,
    collection: &Collection,
    index: &Index,
    id: &str,
    record: &[u8],
) -> Result<Option<String>, StoreError> {
    let slots = Slots::read(collection, record)?;
    for entry in layout::entries(collection, index, &slots, id) {
        if index.unique
            && let Some(other) = layout::duplicate(tx, &entry, id)?
        {
            return Ok(Some(other));
        }
        tx.put_bytes(INDEX, entry.key, &layout::entry_value(id))?;
    }
    Ok(None)
}

fn finish(tx: &mut Tx<'_>, collection: &Collection, work: &Work) -> Result<(), StoreError> {
    match work {
        Work::Rewrite => change_def(tx, collection, |def| {
            def.rewriting = false;
            def.renames.clear();
        }),
        Work::Fill(index) => set_index_state(tx, collection, index.number, IndexState::Ready),
    }
}

fn fail_index(tx: &mut Tx<'_>, collection: &Collection, index: &Index, ids: Vec<String>) -> Result<(), StoreError> {
    tracing::warn!(collection = collection.def.name, ?ids, "a unique index cannot be built: these records agree");
    repo::add_dropped(tx, collection.number(), repo::Dropped { records: false, indexes: vec![index.number] })?;
    set_index_state(tx, collection, index.number, IndexState::Failed { ids })
}

fn set_index_state(tx: &mut Tx<'_>, collection: &Collection, number: u32, state: IndexState) -> Result<(), StoreError> {
    change_def(tx, collection, |def| {
        if let Some(index) = def.indexes.iter_mut().find(|index| index.number == number) {
            index.state = state;
        }
    })
}

fn change_def(
    tx: &mut Tx<'_>,
    collection: &Collection,
    change: impl FnOnce(&mut super::model::CollectionDef),
) -> Result<(), StoreError> {
    let stored = repo::all(tx)?.into_iter().find(|def| def.number == collection.number());
    let Some(mut def) = stored else { return Ok(()) };
    change(&mut def);
    repo::put(tx, &def)?;
    tx.bump(Epoch::Schema)
}

/// Removes all keys under a number, in steps.
async fn purge(store: &Store, table: &'static str, number: u32) -> Result<(), StoreError> {
    loop {
        let removed = store.write(move |tx| {
            let from = layout::prefix(number);
            let mut keys = Vec::with_capacity(STEP);
            let to = prefix_end(&from).unwrap_or_default();
            tx.scan::<StoreError>(table, &from, &to, Scan::Forward, &mut |key, _| {
                keys.push(key.to_vec());
                Ok(if keys.len() < STEP { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })?;
            let count = keys.len();
            for key in keys {
                tx.delete_bytes(table, key)?;
            }
            Ok::<_, StoreError>(count)
        });
        if removed.await? < STEP {
            return Ok(());
        }
    }
}
