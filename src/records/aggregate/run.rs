//! Visiting what an aggregation takes in: the entries of an index, where these say all of it, or the records.

use std::{ops::ControlFlow, sync::Arc};

use jiff::Timestamp;

use super::{answer, groups::Groups, request::Request};
use crate::{
    collections::{Catalog, Collection, Slot, Slots, layout::INDEX},
    expr::{Expr, Field, Value, Values},
    kernel::Scalar,
    records::{
        RecordError,
        execute::Run,
        plan::{self, Path, Plan, SortTerm},
        related::{Reach, Related as _},
        semijoin::Semijoin,
        service::Limits,
        statistics::Known,
        view::View,
    },
    store::{
        Read, Snapshot, StoreError,
        key::{Direction, Reader},
    },
};

/// An aggregation that is ready to run.
#[derive(Debug)]
pub(super) struct Aggregation {
    pub(super) known: Arc<Known>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) collection: Arc<Collection>,
    /// The filter of the request and the rule, bound.
    pub(super) filter: Expr,
    pub(super) request: Request,
    pub(super) now: Timestamp,
    pub(super) limits: Limits,
}

impl Aggregation {
    /// The answer as JSON text.
    pub(super) fn run(&self, snapshot: &Snapshot) -> Result<Vec<u8>, RecordError> {
        let (rows, count) = self.rows(snapshot)?;
        Ok(answer::answer(&rows, count))
    }

    /// The JSON text of each group that is answered, and how many there are in all.
    pub(super) fn rows(&self, snapshot: &Snapshot) -> Result<(Vec<Vec<u8>>, usize), RecordError> {
        let mut groups = Groups::new(&self.request)?;
        if self.filter != Expr::Constant(false) {
            self.visit(snapshot, &mut groups)?;
        }
        answer::rows(&self.request, &groups, self.now)
    }

    fn visit(&self, snapshot: &Snapshot, groups: &mut Groups<'_>) -> Result<(), RecordError> {
        let wanted = self.request.slots();
        if let Some(plan) = self.covering(&wanted) {
            return self.visit_entries(snapshot, &plan, &wanted, groups);
        }
        let narrowed = Semijoin::new(snapshot, &self.catalog, self.now, false).narrow(&self.collection, &self.filter);
        let filter = narrowed.as_ref().map_or(&self.filter, |narrowed| &narrowed.filter);
        if *filter == Expr::Constant(false) {
            return Ok(());
        }
        let plan = plan::plan(&self.collection, &self.known, filter, None, 0);
        // Where nothing but the number is asked for, a record need not be read; the fields are those to index.
        let sort: Vec<SortTerm> = wanted.iter().map(|slot| (*slot, Direction::Ascending)).collect();
        let related = Reach::new(snapshot, &self.catalog);
        let run = Run::new(snapshot, &self.collection, &plan, &related, self.now, self.limits.examined_max);
        let mut run = Run { sort: &sort, ..run };
        if wanted.is_empty() {
            let count = run.count()?;
            return groups.take(&Entry { values: &[], now: self.now }, count);
        }
        let visited = run.matching(None, &mut |_, record| {
            let slots = Slots::read_some(&self.collection, record, Some(&wanted))?;
            groups.take(&View::of(&self.collection, &slots, &related, self.now), 1)?;
            related.check()?;
            Ok(ControlFlow::Continue(()))
        });
        match visited {
            // No index would help, so none is named.
            Err(RecordError::IndexRequired(_))
                if plan.residual == Expr::Constant(true) && self.request.needs_texts() =>
            {
                Err(RecordError::IndexRequired(format!(
                    "the aggregation reads more than {} records of {}; narrow the filter",
                    self.limits.examined_max, self.collection.def.name
                )))
            }
            other => other,
        }
    }

    /// The plan of an index whose entries tell all that is asked.
    fn covering(&self, wanted: &[Slot]) -> Option<Plan> {
        // An entry has a decimal's value and not its digits, so sums would lose zeros at the end.
        if wanted.is_empty() || self.request.needs_texts() || !self.request.is_local() {
            return None;
        }
        plan::covering(&self.collection, &self.known, &self.filter, wanted, self.request.counts_only())
    }

    /// Takes in runs of entries that agree in what is wanted. An entry is compared with the one before as bytes, and
    /// read where they differ.
    fn visit_entries(
        &self,
        snapshot: &Snapshot,
        plan: &Plan,
        wanted: &[Slot],
        groups: &mut Groups<'_>,
    ) -> Result<(), RecordError> {
        let Path::Index(position) = plan.path else { return Ok(()) };
        let index = self.collection.indexes.get(position).ok_or_else(|| StoreError::corrupt("a plan of no index"))?;
        let last = index.components.iter().rposition(|(slot, _)| wanted.contains(slot)).unwrap_or(0);
        let components = index.components.get(..=last).unwrap_or_default();
        let mut same = SameEntries { components, prefix: Vec::new(), values: Vec::new(), count: 0 };
        for range in &plan.ranges {
            snapshot.scan::<RecordError>(INDEX, &range.from, &range.to, plan.scan, &mut |key, _| {
                if same.count == 0 || !key.starts_with(&same.prefix) {
                    same.flush(groups, self.now)?;
                    same.start(key)?;
                }
                same.count += 1;
                Ok(ControlFlow::Continue(()))
            })?;
        }
        same.flush(groups, self.now)
    }
}

/// Neighbours in an index that agree in its first components.
struct SameEntries<'c> {
    components: &'c [(Slot, Direction)],
    /// The bytes in which they agree; no component begins like another one.
    prefix: Vec<u8>,
    values: Vec<(Slot, Scalar)>,
    count: u64,
}

impl SameEntries<'_> {
    fn start(&mut self, key: &[u8]) -> Result<(), StoreError> {
        let mut reader = Reader::new(key.get(size_of::<u32>()..).unwrap_or_default());
        self.values.clear();
        for (slot, direction) in self.components {
            self.values.push((*slot, reader.next(*direction)?));
        }
        self.prefix.clear();
        self.prefix.extend_from_slice(key.get(..key.len() - reader.rest().len()).unwrap_or_default());
        Ok(())
    }

    fn flush(&mut self, groups: &mut Groups<'_>, now: Timestamp) -> Result<(), RecordError> {
        if self.count > 0 {
            groups.take(&Entry { values: &self.values, now }, self.count)?;
        }
        self.count = 0;
        Ok(())
    }
}

/// What an index tells of a record.
struct Entry<'e> {
    values: &'e [(Slot, Scalar)],
    now: Timestamp,
}

impl Values for Entry<'_> {
    fn value(&self, field: &Field) -> Value<'_> {
        let found = self.values.iter().find(|(slot, _)| *slot == field.slot);
        found.map_or(Value::Null, |(_, scalar)| Value::from(scalar))
    }

    fn each(&self, _: &Field, _: &mut dyn FnMut(&dyn Values) -> bool) {}

    fn now(&self) -> Timestamp {
        self.now
    }
}
