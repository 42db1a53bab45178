//! How the entries of indexes are spread, so that the planner knows what a range of keys holds.
//!
//! Of each index some hundred keys at equal distances are kept in memory, and how many different values there are. They are
//! taken in the background when a query first asks, and again when much has changed. They decide how much is looked at, never
//! what is found.

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use super::plan::KeyRange;
use crate::{
    collections::{
        Collection, Index,
        layout::{self, INDEX},
    },
    store::{
        Read, Scan, Snapshot, Store, StoreError,
        key::{Reader, prefix_end},
    },
};

/// How many records a collection is thought to have when nothing is known of it.
const ASSUMED_RECORDS: f64 = 100_000.0;
/// The most keys that are kept of an index.
const KEYS_MAX: usize = 512;
/// The most collections of which statistics are kept.
const COLLECTIONS_MAX: u64 = 1_000;
/// Among fewer records than these any plan is quick, and the simple rules of thumb are as good.
const RECORDS_MIN: u64 = 2_000;
/// How many changes of the server make the statistics of a collection old, at least.
const CHANGES_MIN: u64 = 10_000;

/// How the entries of one index are spread.
#[derive(Debug, Default)]
struct Spread {
    entries: u64,
    /// Every `stride`-th key, in order.
    keys: Vec<Vec<u8>>,
    stride: u64,
    /// How many different values the first component has, the first two, and so on.
    different: Vec<u64>,
}

/// What is known of a collection.
#[derive(Debug, Default)]
pub(super) struct Known {
    seq: u64,
    /// Whether there are enough records for it to matter.
    used: bool,
    records: Option<u64>,
    spreads: HashMap<u32, Spread>,
}

impl Known {
    /// How many records there are.
    pub(super) fn records(&self) -> f64 {
        self.records.filter(|_| self.used).map_or(ASSUMED_RECORDS, |records| records.max(1) as f64)
    }

    /// How many entries the ranges have, of which the first `fixed` components are given; nothing when it is not known.
    pub(super) fn entries(&self, index: &Index, ranges: &[KeyRange], fixed: usize) -> Option<f64> {
        let spread = self.spreads.get(&index.number).filter(|_| self.used)?;
        Some(ranges.iter().map(|range| spread.entries_in(range, fixed)).sum())
    }
}

impl Spread {
    fn entries_in(&self, range: &KeyRange, fixed: usize) -> f64 {
        let before = |end: &[u8]| self.keys.partition_point(|key| key.as_slice() < end);
        let until = if range.to.is_empty() { self.keys.len() } else { before(&range.to) };
        let inside = until.saturating_sub(before(&range.from));
        if inside >= 2 {
            return (inside as u64 * self.stride) as f64;
        }
        // Too few for the kept keys to tell: as many as a value has on average.
        let different = fixed.checked_sub(1).and_then(|depth| self.different.get(depth)).copied().unwrap_or(0);
        let average = if different == 0 { self.stride as f64 } else { self.entries as f64 / different as f64 };
        average.clamp(1.0, (2 * self.stride).max(1) as f64)
    }

    fn take(snapshot: &Snapshot, index: &Index) -> Result<Self, StoreError> {
        let from = layout::prefix(index.number);
        let to = prefix_end(&from).unwrap_or_default();
        let mut spread = Self { stride: 1, different: vec![0; index.components.len()], ..Self::default() };
        let mut last: Vec<u8> = Vec::new();
        snapshot.scan::<StoreError>(INDEX, &from, &to, Scan::Forward, &mut |key, _| {
            spread.add(index, key, &mut last)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(spread)
    }

    fn add(&mut self, index: &Index, key: &[u8], last: &mut Vec<u8>) -> Result<(), StoreError> {
        let mut reader = Reader::new(key.get(size_of::<u32>()..).unwrap_or_default());
        for ((_, direction), different) in index.components.iter().zip(&mut self.different) {
            reader.next(*direction)?;
            let end = key.len() - reader.rest().len();
            if last.get(..end) != key.get(..end) {
                *different += 1;
            }
        }
        if self.entries.is_multiple_of(self.stride) {
            self.keys.push(key.to_vec());
        }
        self.entries += 1;
        if self.keys.len() > KEYS_MAX {
            let mut odd = false;
            self.keys.retain(|_| {
                odd = !odd;
                odd
            });
            self.stride *= 2;
        }
        last.clear();
        last.extend_from_slice(key);
        Ok(())
    }
}

/// The statistics of all collections.
#[derive(Debug)]
pub(super) struct Statistics {
    store: Store,
    known: moka::sync::Cache<u32, Arc<Known>>,
    taking: Arc<Mutex<HashSet<u32>>>,
}

impl Statistics {
    pub(super) fn new(store: Store) -> Self {
        Self { store, known: moka::sync::Cache::new(COLLECTIONS_MAX), taking: Arc::default() }
    }

    /// What is known of a collection. Has it found out in the background when it is nothing, or old.
    pub(super) fn of(&self, snapshot: &Snapshot, collection: &Arc<Collection>) -> Arc<Known> {
        // With one index or none there is nothing to choose.
        if collection.indexes.len() < 2 {
            return Arc::default();
        }
        let known = self.known.get(&collection.number());
        let seq = snapshot.collection_seq(collection.number());
        let fresh = known.as_ref().is_some_and(|known| {
            let old_after = CHANGES_MIN.max(known.records.unwrap_or(0) / 5);
            let complete =
                collection.indexes.iter().all(|index| !index.ready || known.spreads.contains_key(&index.number));
            complete && seq.saturating_sub(known.seq) < old_after
        });
        if !fresh {
            self.find_out(Arc::clone(collection));
        }
        known.unwrap_or_default()
    }

    fn find_out(&self, collection: Arc<Collection>) {
        let number = collection.number();
        let (known, taking) = (self.known.clone(), Arc::clone(&self.taking));
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !taking.lock().unwrap_or_else(PoisonError::into_inner).insert(number) {
            return;
        }
        let (store, taking) = (self.store.clone(), Taking { taking, number });
        runtime.spawn(async move {
            let _until_done = taking;
            match store.scan(move |snapshot| take(snapshot, &collection)).await {
                Ok(taken) => known.insert(number, Arc::new(taken)),
                Err(error) => tracing::debug!(?error, "statistics could not be taken"),
            }
        });
    }

    /// Finds out at once: for tests, in which no query may come before it.
    #[cfg(test)]
    pub(super) fn take_now(&self, snapshot: &Snapshot, collection: &Collection) {
        self.known.insert(collection.number(), Arc::new(Known { used: true, ..take(snapshot, collection).unwrap() }));
    }
}

/// A collection whose statistics are being taken, until this is dropped.
struct Taking {
    taking: Arc<Mutex<HashSet<u32>>>,
    number: u32,
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.taking.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

fn take(snapshot: &Snapshot, collection: &Collection) -> Result<Known, StoreError> {
    let mut known = Known { seq: snapshot.collection_seq(collection.number()), ..Known::default() };
    for index in collection.indexes.iter().filter(|index| index.ready) {
        let spread = Spread::take(snapshot, index)?;
        // An index over a list has an entry for each item; the others have one for each record.
        known.records = known.records.or((!index.many).then_some(spread.entries));
        known.spreads.insert(index.number, spread);
    }
    known.used = known.records.is_some_and(|records| records >= RECORDS_MIN);
    Ok(known)
}
