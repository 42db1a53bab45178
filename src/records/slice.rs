//! What totals leave behind for later ones over the same range: how many records it has; where the filter asks for more than
//! the range guarantees, the few values that it reads of each, so that another filter fetches no record.
//!
//! Both are the truth of one seq. They are brought to a later one by the changes that the log has in between, and never used
//! for an earlier one, so what they tell is exact. Not here: when a total is asked for, and which range serves it.

use std::{collections::HashMap, ops::ControlFlow, sync::Arc};

use moka::sync::Cache;
use serde_json::value::RawValue;

use super::{
    RecordError,
    execute::Run,
    plan::{KeyRange, Path, Plan},
    view::{View, is_local, slots_read},
};
use crate::{
    collections::{Collection, Index, Slot, Slots, layout},
    expr::Expr,
    store::{Epoch, Snapshot, log},
};

/// The most memory that all slices take.
const BYTES_MAX: u64 = 16 << 20;
/// The most tallies that are remembered.
const TALLIES_MAX: u64 = 4_096;
/// The most records of one slice.
const ROWS_MAX: usize = 20_000;
/// The longest text of the values of one record.
const ROW_BYTES_MAX: usize = 128;
/// The most changes that bring a slice up to date; beyond, the range is read anew. A tally of many takes more.
const CHANGES_MAX: u64 = 256;
/// How many entries of an index are counted in the time that a change of the log is looked at: 0.08 µs and 1.4 µs.
const ENTRIES_PER_CHANGE: u64 = 16;
/// What a row takes besides its texts.
const ROW_OVERHEAD: usize = 56;

/// What a slice holds: the range and the values of each of its records.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    collection: u32,
    epoch: u64,
    /// The number of the index; none for records by id.
    index: Option<u32>,
    ranges: Vec<KeyRange>,
    slots: Vec<Slot>,
}

/// The values at some slots of each record in a range, at one seq. By id, so that a change finds its record.
#[derive(Clone, Debug)]
struct Slice {
    seq: u64,
    collection_seq: u64,
    rows: HashMap<Box<str>, Box<str>>,
}

/// How many records a range has at one seq.
#[derive(Clone, Copy, Debug)]
struct Tally {
    seq: u64,
    collection_seq: u64,
    count: u64,
}

/// The slices and tallies that were made, within bounds.
#[derive(Clone, Debug)]
pub(super) struct Slices {
    cache: Cache<Key, Arc<Slice>>,
    tallies: Cache<Key, Tally>,
}

impl Default for Slices {
    fn default() -> Self {
        let weigh = |_: &Key, slice: &Arc<Slice>| u32::try_from(slice.bytes()).unwrap_or(u32::MAX);
        let cache = Cache::builder().max_capacity(BYTES_MAX).weigher(weigh).build();
        Self { cache, tallies: Cache::new(TALLIES_MAX) }
    }
}

impl Slices {
    /// How many records match the plan of `run`, when a slice can tell.
    pub(super) fn count(&self, run: &mut Run<'_>) -> Result<Option<u64>, RecordError> {
        let (snapshot, collection, plan) = (run.snapshot, run.collection, run.plan);
        let Some(range) = Range::of(collection, plan) else { return Ok(None) };
        let key = Key {
            collection: collection.number(),
            epoch: snapshot.epoch(Epoch::Schema),
            index: range.index.map(|index| index.number),
            ranges: plan.ranges.clone(),
            slots: range.slots.clone(),
        };
        if plan.residual == Expr::Constant(true) {
            return self.tally(run, &range, key).map(Some);
        }
        let current = snapshot.collection_seq(collection.number());
        let known = self.cache.get(&key);
        let slice = match known.filter(|slice| slice.seq <= snapshot.seq()) {
            Some(slice) if slice.collection_seq == current => Some(slice),
            Some(slice) => match range.advance(&slice, snapshot)? {
                Some(advanced) => Some(Arc::new(advanced)),
                None => range.read(run)?.map(Arc::new),
            },
            None => range.read(run)?.map(Arc::new),
        };
        let Some(slice) = slice else { return Ok(None) };
        let count = slice.count(run, &key.slots);
        if slice.seq == snapshot.seq() {
            self.cache.insert(key, slice);
        }
        Ok(Some(count))
    }

    /// How many records a range has that guarantees the filter.
    fn tally(&self, run: &mut Run<'_>, range: &Range<'_>, key: Key) -> Result<u64, RecordError> {
        let snapshot = run.snapshot;
        let (seq, collection_seq) = (snapshot.seq(), snapshot.collection_seq(key.collection));
        let known = self.tallies.get(&key).filter(|tally| tally.seq <= seq);
        let count = match known {
            Some(tally) if tally.collection_seq == collection_seq => Some(tally.count),
            Some(tally) => range.recount(tally, snapshot)?,
            None => None,
        };
        let count = count.map_or_else(|| run.count(), Ok)?;
        self.tallies.insert(key, Tally { seq, collection_seq, count });
        Ok(count)
    }
}

impl Slice {
    fn bytes(&self) -> usize {
        self.rows.iter().map(|(id, values)| id.len() + values.len() + ROW_OVERHEAD).sum()
    }

    fn count(&self, run: &Run<'_>, slots: &[Slot]) -> u64 {
        let (collection, residual) = (run.collection, &run.plan.residual);
        let matches = |values: &str| {
            residual.eval(&View::of(collection, &Slots::unpack(collection, slots, values), run.related, run.now))
        };
        self.rows.values().filter(|values| matches(values)).count() as u64
    }
}

/// A plan's range, as far as a slice can hold it.
struct Range<'r> {
    collection: &'r Collection,
    ranges: &'r [KeyRange],
    index: Option<&'r Index>,
    slots: Vec<Slot>,
}

impl<'r> Range<'r> {
    fn of(collection: &'r Collection, plan: &'r Plan) -> Option<Self> {
        let index = match &plan.path {
            Path::Records => None,
            // A record may be in several of the ranges there.
            Path::Union(_) => return None,
            // A record has an entry for each item there.
            Path::Index(at) => Some(collection.indexes.get(*at).filter(|index| !index.many)?),
        };
        let slots = slots_read(&plan.residual);
        let counts = plan.residual == Expr::Constant(true);
        let local = is_local(&plan.residual) && plan.within.is_none();
        let useful = local && !collection.def.rewriting && (counts || !slots.is_empty());
        useful.then_some(Self { collection, ranges: &plan.ranges, index, slots })
    }

    /// Reads all records of the range; nothing when they are too many, or their values too long.
    fn read(&self, run: &mut Run<'_>) -> Result<Option<Slice>, RecordError> {
        let whole = Plan { residual: Expr::Constant(true), ..run.plan.clone() };
        let mut reader = Run { plan: &whole, ..*run };
        let mut rows = HashMap::new();
        let mut fits = true;
        reader.matching(None, &mut |id, record| {
            let values =
                Slots::read_some(self.collection, record, Some(&self.slots))?.pack(self.collection, &self.slots);
            fits = rows.len() < ROWS_MAX && values.len() <= ROW_BYTES_MAX;
            rows.insert(id.into(), values.into());
            Ok(if fits { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let (seq, collection_seq) = (run.snapshot.seq(), run.snapshot.collection_seq(self.collection.number()));
        // What was looked at in vain is not counted: the range is read once more to count without a slice.
        if fits {
            run.effort = reader.effort;
        }
        Ok(fits.then_some(Slice { seq, collection_seq, rows }))
    }

    /// The slice at the seq of a later snapshot; nothing when too much changed.
    fn advance(&self, slice: &Slice, snapshot: &Snapshot) -> Result<Option<Slice>, RecordError> {
        if snapshot.seq() - slice.seq > CHANGES_MAX {
            return Ok(None);
        }
        let mut advanced = slice.clone();
        let mut fits = true;
        log::read::<RecordError>(snapshot, slice.seq, &mut |entry| {
            if entry.collection != self.collection.number() {
                return Ok(ControlFlow::Continue(()));
            }
            advanced.rows.remove(entry.id.as_str());
            if let Some(record) = &entry.new {
                let slots = Slots::read(self.collection, record.get().as_bytes())?;
                if self.holds(&slots, &entry.id) {
                    let values = slots.pack(self.collection, &self.slots);
                    fits &= advanced.rows.len() < ROWS_MAX && values.len() <= ROW_BYTES_MAX;
                    advanced.rows.insert(entry.id.into(), values.into());
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        advanced.seq = snapshot.seq();
        advanced.collection_seq = snapshot.collection_seq(self.collection.number());
        Ok(fits.then_some(advanced))
    }

    /// A tally at the seq of a later snapshot; nothing when too much changed.
    fn recount(&self, tally: Tally, snapshot: &Snapshot) -> Result<Option<u64>, RecordError> {
        if snapshot.seq() - tally.seq > CHANGES_MAX.max(tally.count / ENTRIES_PER_CHANGE) {
            return Ok(None);
        }
        let mut count = tally.count;
        log::read::<RecordError>(snapshot, tally.seq, &mut |entry| {
            if entry.entity == "records" && entry.collection == self.collection.number() {
                let holds = |text: &Option<Box<RawValue>>| -> Result<bool, RecordError> {
                    let Some(text) = text else { return Ok(false) };
                    Ok(self.holds(&Slots::read(self.collection, text.get().as_bytes())?, &entry.id))
                };
                let (before, after) = (holds(&entry.old)?, holds(&entry.new)?);
                count = (count + u64::from(after)).saturating_sub(u64::from(before));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Some(count))
    }

    /// Whether a record is in the range.
    fn holds(&self, slots: &Slots<'_>, id: &str) -> bool {
        let within = |key: &[u8]| self.ranges.iter().any(|range| range.contains(key));
        match self.index {
            None => within(&layout::record_key(self.collection.number(), id)),
            Some(index) => layout::entries(self.collection, index, slots, id).iter().any(|entry| within(&entry.key)),
        }
    }
}
