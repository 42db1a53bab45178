//! Reaching the records that relations lead to, while an expression is evaluated.
//!
//! An evaluation cannot fail, so what goes wrong is kept here, and asked for after it: [`Related::check`].

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    ops::ControlFlow,
    sync::Arc,
};

use super::{RecordError, write};
use crate::{
    collections::{
        Catalog, Collection, Slot, Slots,
        layout::{self, INDEX},
    },
    kernel::Scalar,
    store::{Read, Scan, StoreError, key},
};

/// The most records that are remembered during one piece of work, and the most bytes of them.
const REMEMBERED_MAX: usize = 10_000;
const REMEMBERED_BYTES_MAX: usize = 32 << 20;
/// How often one piece of work may look at a record over relations, also at one that it remembers.
const REACHED_MAX: u64 = 1_000_000;
/// The same for all of one operation in the writer, for which every other writer waits.
const REACHED_IN_WRITER_MAX: u64 = 100_000;

/// The records of one state, by what relations say of them.
pub(super) trait Related: fmt::Debug {
    /// The collection with this number.
    fn collection(&self, number: u32) -> Option<&Collection>;

    /// The stored text of a record.
    fn record(&self, collection: &Collection, id: &str) -> Option<Arc<[u8]>>;

    /// The ids of the records of `collection` whose relation at `slot` names `id`.
    fn referring(&self, collection: &Collection, slot: Slot, id: &str) -> Vec<String>;

    /// What went wrong since the work began.
    fn check(&self) -> Result<(), RecordError>;
}

/// Records that were looked up, by collection and id.
type Known = HashMap<(u32, String), Option<Arc<[u8]>>>;

/// [`Related`] of a snapshot or a transaction, for one piece of work.
pub(super) struct Reach<'a, R> {
    source: &'a R,
    catalog: &'a Catalog,
    left: Cell<u64>,
    known: RefCell<Known>,
    known_bytes: Cell<usize>,
    fault: RefCell<Option<RecordError>>,
}

impl<R> fmt::Debug for Reach<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach").field("left", &self.left).finish_non_exhaustive()
    }
}

impl<'a, R: Read> Reach<'a, R> {
    pub(super) fn new(source: &'a R, catalog: &'a Catalog) -> Self {
        Self {
            source,
            catalog,
            left: Cell::new(REACHED_MAX),
            known: RefCell::default(),
            known_bytes: Cell::new(0),
            fault: RefCell::new(None),
        }
    }

    /// Counts a record that is looked at. Answers whether it may be.
    fn spend(&self) -> bool {
        let in_writer = self.source.reached();
        let spent_there = in_writer.is_some_and(|reached| reached.get() >= REACHED_IN_WRITER_MAX);
        let left = self.left.get();
        if left == 0 || spent_there {
            let max = if spent_there { REACHED_IN_WRITER_MAX } else { REACHED_MAX };
            let detail = format!("the expression looks at records behind relations more than {max} times; narrow it");
            self.fail(RecordError::IndexRequired(detail));
            return false;
        }
        self.left.set(left - 1);
        if let Some(reached) = in_writer {
            reached.set(reached.get() + 1);
        }
        true
    }

    fn fail(&self, error: RecordError) {
        self.fault.borrow_mut().get_or_insert(error);
    }

    fn ids(&self, collection: &Collection, slot: Slot, id: &str) -> Result<Vec<String>, StoreError> {
        let wanted = Scalar::Str(id.to_owned());
        let mut ids = Vec::new();
        let serves = |index: &&crate::collections::Index| {
            index.ready && index.components.first().is_some_and(|(first, _)| *first == slot)
        };
        let Some((index, (_, direction))) =
            collection.indexes.iter().find(serves).and_then(|index| Some((index, index.components.first()?)))
        else {
            layout::scan_records::<StoreError>(self.source, collection.number(), "", &mut |from, record| {
                let slots = Slots::read_some(collection, record, Some(&[slot]))?;
                if slots.scalars(collection, slot).contains(&wanted) {
                    ids.push(from.to_owned());
                }
                Ok(if self.spend() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })?;
            return Ok(ids);
        };
        let mut from = layout::prefix(index.number);
        key::encode(&wanted, *direction, &mut from);
        let to = key::prefix_end(&from).unwrap_or_default();
        self.source.scan::<StoreError>(INDEX, &from, &to, Scan::Forward, &mut |key, value| {
            ids.push(layout::id_of_entry(key, value)?.to_owned());
            Ok(if self.spend() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(ids)
    }
}

impl<R: Read> Related for Reach<'_, R> {
    fn collection(&self, number: u32) -> Option<&Collection> {
        self.catalog.by_number(number).map(|found| &**found)
    }

    fn record(&self, collection: &Collection, id: &str) -> Option<Arc<[u8]>> {
        if !self.spend() {
            return None;
        }
        let key = (collection.number(), id.to_owned());
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let found = write::stored(self.source, collection, id).unwrap_or_else(|error| {
            self.fail(error.into());
            None
        });
        let record: Option<Arc<[u8]>> = found.map(Arc::from);
        let mut known = self.known.borrow_mut();
        self.known_bytes.set(self.known_bytes.get() + record.as_ref().map_or(0, |record| record.len()));
        if known.len() >= REMEMBERED_MAX || self.known_bytes.get() > REMEMBERED_BYTES_MAX {
            known.clear();
            self.known_bytes.set(0);
        }
        known.insert(key, record.clone());
        record
    }

    fn referring(&self, collection: &Collection, slot: Slot, id: &str) -> Vec<String> {
        self.ids(collection, slot, id).unwrap_or_else(|error| {
            self.fail(error.into());
            Vec::new()
        })
    }

    fn check(&self) -> Result<(), RecordError> {
        self.fault.borrow_mut().take().map_or(Ok(()), Err)
    }
}
