//! Running a plan: visiting candidates, keeping those that match, in order, up to a page.

use std::{
    cell::Cell,
    collections::{BinaryHeap, HashSet},
    ops::ControlFlow,
};

use jiff::Timestamp;

use super::{
    RecordError,
    plan::{KeyRange, Leg, Path, Plan, SortTerm},
    query::LIMIT_MAX,
    related::Related,
    view::{View, slots_read},
    write,
};
use crate::{
    collections::{
        Collection, Slots,
        catalog::ID,
        layout::{self, DATA, INDEX, VisitRecord},
        rewrite,
    },
    expr::{Expr, Root},
    kernel::Scalar,
    store::{
        Read, Scan, Snapshot, StoreError,
        key::{Direction, Reader, encode},
    },
};

/// Where a record stands in a query's order: its sort values and its id, written so that bytes order as records do.
pub(super) type Position = Vec<u8>;

/// A record that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) record: Vec<u8>,
}

/// What a run of a plan looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effort {
    /// Records and index entries visited.
    pub(super) examined: u64,
}

/// What every run needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'r> {
    pub(super) snapshot: &'r Snapshot,
    pub(super) collection: &'r Collection,
    pub(super) plan: &'r Plan,
    pub(super) related: &'r dyn Related,
    pub(super) now: Timestamp,
    /// The order that is asked for, for the text of an error.
    pub(super) sort: &'r [SortTerm],
    /// The most records to look at without an answer.
    pub(super) examined_max: u64,
    pub(super) effort: Effort,
}

impl<'r> Run<'r> {
    /// A run that looks at no more than `examined_max` records.
    pub(super) fn new(
        snapshot: &'r Snapshot,
        collection: &'r Collection,
        plan: &'r Plan,
        related: &'r dyn Related,
        now: Timestamp,
        examined_max: u64,
    ) -> Self {
        Self { snapshot, collection, plan, related, now, sort: &[], examined_max, effort: Effort::default() }
    }

    /// The first `limit` records after a position and `offset` others, in the order of `sort`.
    pub(super) fn page(
        &mut self,
        sort: &[SortTerm],
        after: Option<&[u8]>,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Found>, RecordError> {
        if self.plan.ordered {
            return self.stream(sort, after, offset, limit);
        }
        self.top(sort, after, offset, limit)
    }

    /// How many records match.
    pub(super) fn count(&mut self) -> Result<u64, RecordError> {
        let mut count = 0;
        if self.plan.residual == Expr::Constant(true) && self.plan.within.is_none() {
            let table = self.table();
            for range in &self.plan.ranges {
                self.snapshot.scan::<RecordError>(table, &range.from, &range.to, Scan::Forward, &mut |_, _| {
                    count += 1;
                    Ok(ControlFlow::Continue(()))
                })?;
            }
            self.effort.examined += count;
            return Ok(count);
        }
        self.matching(None, &mut |_, _| {
            count += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(count)
    }

    fn table(&self) -> &'static str {
        if self.plan.path == Path::Records { DATA } else { INDEX }
    }

    fn stream(
        &mut self,
        sort: &[SortTerm],
        after: Option<&[u8]>,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Found>, RecordError> {
        let after = after.map(|position| self.seek(sort, position)).transpose()?;
        let mut found = Vec::with_capacity(limit.min(64));
        let mut passed = 0;
        self.matching(after.as_deref(), &mut |_, record| {
            if passed < offset {
                passed += 1;
                return Ok(ControlFlow::Continue(()));
            }
            found.push(Found { record: record.to_vec() });
            Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    fn top(
        &mut self,
        sort: &[SortTerm],
        after: Option<&[u8]>,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Found>, RecordError> {
        let (limit, collection, tie) = (offset + limit, self.collection, self.plan.tie);
        let mut heap: BinaryHeap<(Position, String)> = BinaryHeap::with_capacity(limit.min(LIMIT_MAX) + 1);
        self.matching(None, &mut |id, record| {
            let position = position(collection, sort, tie, record)?;
            let worse = heap.len() >= limit && heap.peek().is_some_and(|(worst, ..)| position >= *worst);
            if worse || after.is_some_and(|after| position.as_slice() <= after) {
                return Ok(ControlFlow::Continue(()));
            }
            heap.push((position, id.to_owned()));
            if heap.len() > limit {
                heap.pop();
            }
            Ok(ControlFlow::Continue(()))
        })?;
        // The texts of a page are fetched at its end: up to it, a page far behind may have passed very many.
        let fetch = |(_, id): (Position, String)| {
            let record = write::stored(self.snapshot, collection, &id)?;
            record
                .map(|record| Found { record })
                .ok_or_else(|| StoreError::corrupt("a record left its snapshot").into())
        };
        heap.into_sorted_vec().into_iter().skip(offset).map(fetch).collect()
    }

    /// Visits the records that match, in the order of the path, after the key `after`.
    pub(super) fn matching(
        &mut self,
        after: Option<&[u8]>,
        visit: VisitRecord<'_, RecordError>,
    ) -> Result<(), RecordError> {
        let (collection, plan, snapshot) = (self.collection, self.plan, self.snapshot);
        let wanted = slots_read(&plan.residual);
        let (mut examined, stopped, related, now) = (0, Cell::new(false), self.related, self.now);
        let mut judge = |id: &str, record: &[u8]| -> Result<ControlFlow<()>, RecordError> {
            // A record that the background work has not come to is judged in the form that it will have.
            let fresh = if collection.def.rewriting { rewrite(collection, record)? } else { None };
            let record = fresh.as_deref().unwrap_or(record);
            if plan.residual != Expr::Constant(true) {
                let slots = Slots::read_some(collection, record, Some(&wanted))?;
                if !View::of(collection, &slots, related, now).satisfies(&plan.residual)? {
                    return Ok(ControlFlow::Continue(()));
                }
            }
            let flow = visit(id, record)?;
            stopped.set(flow.is_break());
            Ok(flow)
        };
        let within = plan.within.as_ref().map(|leg| self.ids_of(leg, &mut examined)).transpose()?;
        let mut key = Vec::with_capacity(64);
        let mut fetch = |id: &str, judge: VisitRecord<'_, RecordError>| {
            key.clear();
            key.extend_from_slice(&collection.number().to_be_bytes());
            key.extend_from_slice(id.as_bytes());
            let judged = snapshot.view(DATA, &key, |found| found.map(|stored| judge(id, layout::text_of(stored))))?;
            judged.unwrap_or_else(|| Err(StoreError::corrupt("an index entry points at no record").into()))
        };
        if let Path::Union(legs) = &plan.path {
            let mut seen: HashSet<Box<str>> = HashSet::new();
            for range in legs.iter().flat_map(|leg| &leg.ranges).take_while(|_| !stopped.get()) {
                snapshot.scan::<RecordError>(INDEX, &range.from, &range.to, Scan::Forward, &mut |entry, value| {
                    self.examine(&mut examined)?;
                    let id = layout::id_of_entry(entry, value)?;
                    if !seen.insert(id.into()) {
                        return Ok(ControlFlow::Continue(()));
                    }
                    fetch(id, &mut judge)
                })?;
            }
            self.effort.examined += examined;
            return Ok(());
        }
        for range in plan.ranges.iter().take_while(|_| !stopped.get()) {
            let (from, to) = narrowed(range, after, plan.scan);
            snapshot.scan::<RecordError>(self.table(), from, to, plan.scan, &mut |entry, value| {
                self.examine(&mut examined)?;
                if plan.path == Path::Records {
                    return judge(layout::id_of_record(entry)?, layout::text_of(value));
                }
                let id = layout::id_of_entry(entry, value)?;
                match &within {
                    Some(ids) if !ids.contains(id) => Ok(ControlFlow::Continue(())),
                    _ => fetch(id, &mut judge),
                }
            })?;
        }
        self.effort.examined += examined;
        Ok(())
    }

    /// Counts something that is looked at, and refuses what is too much.
    fn examine(&self, examined: &mut u64) -> Result<(), RecordError> {
        *examined += 1;
        match *examined > self.examined_max {
            true => Err(too_much(self.collection, self.plan, self.sort, self.examined_max)),
            false => Ok(()),
        }
    }

    /// The ids of all entries of some ranges.
    fn ids_of(&self, leg: &Leg, examined: &mut u64) -> Result<HashSet<Box<str>>, RecordError> {
        let mut ids = HashSet::new();
        for range in &leg.ranges {
            self.snapshot.scan::<RecordError>(INDEX, &range.from, &range.to, Scan::Forward, &mut |entry, value| {
                self.examine(examined)?;
                ids.insert(layout::id_of_entry(entry, value)?.into());
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(ids)
    }

    /// The key along the path from which a scan goes on after a position.
    fn seek(&self, sort: &[SortTerm], position: &[u8]) -> Result<Vec<u8>, RecordError> {
        let (values, id) = decode_position(sort, self.plan.tie, position)?;
        let mut key = match self.plan.path {
            Path::Records => layout::prefix(self.collection.number()),
            Path::Index(at) => self.index_prefix(at, sort, &values)?,
            Path::Union(_) => return Err(RecordError::Cursor),
        };
        key.extend_from_slice(id.as_bytes());
        if self.plan.scan == Scan::Forward {
            key.push(0);
        }
        Ok(key)
    }

    fn index_prefix(&self, at: usize, sort: &[SortTerm], values: &[Scalar]) -> Result<Vec<u8>, RecordError> {
        let index = self.collection.indexes.get(at).ok_or(RecordError::Cursor)?;
        let range = self.plan.ranges.first().ok_or(RecordError::Cursor)?;
        // The fixed components stand at the start of the one range; they are read to find where they end.
        let mut reader = Reader::new(range.from.get(4..).unwrap_or_default());
        for (_, direction) in index.components.iter().take(self.plan.fixed) {
            reader.next(*direction)?;
        }
        let fixed = range.from.len() - reader.rest().len();
        let mut key = range.from.get(..fixed).unwrap_or_default().to_vec();
        for (slot, direction) in index.components.iter().skip(self.plan.fixed) {
            let place = sort.iter().position(|(sorted, _)| sorted == slot).ok_or(RecordError::Cursor)?;
            encode(values.get(place).ok_or(RecordError::Cursor)?, *direction, &mut key);
        }
        Ok(key)
    }
}

/// The part of a range after a key. A cursor comes from a client: it may narrow the range, which may stand for the rule, and
/// never widen it.
fn narrowed<'r>(range: &'r KeyRange, after: Option<&'r [u8]>, scan: Scan) -> (&'r [u8], &'r [u8]) {
    match (after, scan) {
        (Some(after), Scan::Forward) => (after.max(range.from.as_slice()), range.to.as_slice()),
        (Some(after), Scan::Backward) if range.to.is_empty() => (range.from.as_slice(), after),
        (Some(after), Scan::Backward) => (range.from.as_slice(), after.min(range.to.as_slice())),
        (None, _) => (range.from.as_slice(), range.to.as_slice()),
    }
}

fn too_much(collection: &Collection, plan: &Plan, sort: &[SortTerm], max: u64) -> RecordError {
    let mut names = Vec::new();
    plan.residual.for_each_field(&mut |field| {
        // The residual holds the rule too, whose hidden fields are not told.
        let told = field.root == Root::Record && field.via.is_empty() && collection.is_visible(field.slot);
        if told && !names.contains(&field.name) {
            names.push(field.name.clone());
        }
    });
    if names.is_empty() {
        names.extend(sort.iter().map(|(slot, _)| collection.slot_name(*slot).to_owned()));
    }
    let over = names.join(", ");
    RecordError::IndexRequired(format!(
        "the query looks at more than {max} records of {}; add an index over {over} to the collection, or narrow the filter",
        collection.def.name
    ))
}

/// Where a record stands in the order of `sort`, ids breaking ties in the direction `tie`.
pub(super) fn position(
    collection: &Collection,
    sort: &[SortTerm],
    tie: Direction,
    record: &[u8],
) -> Result<Position, StoreError> {
    let mut wanted: Vec<_> = sort.iter().map(|(slot, _)| *slot).collect();
    if !wanted.contains(&ID) {
        wanted.push(ID);
    }
    let slots = Slots::read_some(collection, record, Some(&wanted))?;
    let mut bytes = Vec::with_capacity(64);
    for (slot, direction) in sort {
        encode(&slots.scalar(collection, *slot), *direction, &mut bytes);
    }
    encode(&slots.scalar(collection, ID), tie, &mut bytes);
    Ok(bytes)
}

/// The sort values and the id of a position.
fn decode_position(sort: &[SortTerm], tie: Direction, position: &[u8]) -> Result<(Vec<Scalar>, String), RecordError> {
    let mut reader = Reader::new(position);
    let read = |reader: &mut Reader<'_>, direction| reader.next(direction).map_err(|_| RecordError::Cursor);
    let values = sort.iter().map(|(_, direction)| read(&mut reader, *direction)).collect::<Result<_, _>>()?;
    match (read(&mut reader, tie)?, reader.rest()) {
        (Scalar::Str(id), []) => Ok((values, id)),
        _ => Err(RecordError::Cursor),
    }
}
