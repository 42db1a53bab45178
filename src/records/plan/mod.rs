//! Choosing how to find the records of a query: by id, along an index, along several, or over all of them.
//!
//! A plan never changes *which* records are found nor their order, only how many are looked at. Conditions that an
//! index range guarantees are left out of the residual filter.

mod along;
mod constraint;
mod join;
mod range;

use along::Query;

use super::statistics::Known;
use crate::{
    collections::{Collection, Index, Slot},
    expr::Expr,
    store::{Scan, key::Direction},
};

/// One sort key.
pub(super) type SortTerm = (Slot, Direction);

/// How a query finds its records.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) path: Path,
    /// The key ranges to visit, in the order of the path; each is `from..to`. None when several indexes are visited.
    pub(super) ranges: Vec<KeyRange>,
    /// The direction in which they are visited.
    pub(super) scan: Scan,
    /// Whether records come in the query's order, so that the scan stops when the page is full.
    pub(super) ordered: bool,
    /// What the ranges do not guarantee.
    pub(super) residual: Expr,
    /// How many leading components of the index are fixed to one value.
    pub(super) fixed: usize,
    /// The direction in which ids order records that are alike in every sort key.
    pub(super) tie: Direction,
    /// A range of another index: only records that have an entry there, too, are fetched.
    pub(super) within: Option<Leg>,
    /// How many entries or records are thought to be looked at, weighed by what each costs.
    pub(super) cost: f64,
}

/// What is visited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// Records by id.
    Records,
    /// An index, by its position among the collection's.
    Index(usize),
    /// Several ranges of indexes; a record that is in more than one is found once.
    Union(Vec<Leg>),
}

/// Ranges of one index among several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    /// The position of the index among the collection's.
    pub(super) index: usize,
    pub(super) ranges: Vec<KeyRange>,
}

/// Keys `from <= key < to`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct KeyRange {
    pub(super) from: Vec<u8>,
    pub(super) to: Vec<u8>,
}

impl KeyRange {
    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.from.as_slice() <= key && (self.to.is_empty() || key < self.to.as_slice())
    }
}

/// The order that a query asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order<'q> {
    /// The sort keys.
    pub(super) sort: &'q [SortTerm],
    /// The direction of ids among records that are alike, when an earlier page has settled it. Otherwise the plan
    /// settles it, by what its path gives for nothing.
    pub(super) tie: Option<Direction>,
}

/// Chooses the cheapest plan. Without `order` any will do, as for counting.
pub(super) fn plan(
    collection: &Collection,
    known: &Known,
    filter: &Expr,
    order: Option<Order<'_>>,
    limit: usize,
) -> Plan {
    let query = Query::new(collection, known, filter, order, limit);
    let mut best = query.along_records();
    for (position, index) in collection.indexes.iter().enumerate().filter(|(_, index)| index.ready) {
        let Some(candidate) = query.along_index(position, index) else { continue };
        for candidate in [query.within(&candidate), Some(candidate)].into_iter().flatten() {
            if candidate.cost < best.cost {
                best = candidate;
            }
        }
    }
    match query.union(filter) {
        Some(union) if union.cost < best.cost => union,
        _ => best,
    }
}

/// The cheapest plan over the entries of an index that has all `wanted` fields and guarantees the filter, so that no
/// record needs to be read. An index over a list has entries for items, which may stand for records where they are
/// only counted, each for itself.
pub(super) fn covering(
    collection: &Collection,
    known: &Known,
    filter: &Expr,
    wanted: &[Slot],
    counted: bool,
) -> Option<Plan> {
    let query = Query::new(collection, known, filter, None, 0);
    let covers = |index: &Index| {
        let complete = wanted.iter().all(|slot| index.components.iter().any(|(own, _)| own == slot));
        let every_item = counted && *filter == Expr::Constant(true);
        index.ready && complete && (!index.many || every_item)
    };
    let indexes = collection.indexes.iter().enumerate().filter(|(_, index)| covers(index));
    let plans = indexes.map(|(position, index)| query.through(position, index).0);
    plans.filter(|plan| plan.residual == Expr::Constant(true)).min_by(|a, b| a.cost.total_cmp(&b.cost))
}
