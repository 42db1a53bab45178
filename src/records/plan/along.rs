//! Plans along one path: the records by id, or one index.

use super::{
    KeyRange, Order, Path, Plan, SortTerm,
    constraint::{Bound, Constraint, constraint},
    range::{extend, narrow, point_range, whole},
};
use crate::{
    collections::{Collection, Index, Slot, catalog::ID, layout},
    expr::{Expr, LIST_ITEMS_MAX},
    kernel::Scalar,
    records::statistics::Known,
    store::{
        Scan,
        key::{Direction, prefix_end},
    },
};

/// What part of all records has one value, when nothing is known.
const EQUALITY_SELECTS: f64 = 0.01;
/// What part of all records is in a range, when nothing is known.
const RANGE_SELECTS: f64 = 0.3;
/// Sorting what was found costs more than finding it in order.
pub(super) const SORT_COST: f64 = 1.5;
/// An entry and its record cost more than a record met in a scan.
pub(super) const LOOKUP_COST: f64 = 4.0;

/// A query about which plans are made.
pub(super) struct Query<'q> {
    pub(super) collection: &'q Collection,
    pub(super) known: &'q Known,
    pub(super) conditions: &'q [Expr],
    pub(super) constraints: Vec<Constraint>,
    pub(super) order: Option<Order<'q>>,
    pub(super) limit: usize,
}

impl<'q> Query<'q> {
    pub(super) fn new(
        collection: &'q Collection,
        known: &'q Known,
        filter: &'q Expr,
        order: Option<Order<'q>>,
        limit: usize,
    ) -> Self {
        let conditions = match filter {
            Expr::All(parts) => parts.as_slice(),
            single => std::slice::from_ref(single),
        };
        let constraints =
            conditions.iter().enumerate().filter_map(|(place, part)| constraint(collection, place, part)).collect();
        Self { collection, known, conditions, constraints, order, limit }
    }

    /// Over the records themselves, by id.
    pub(super) fn along_records(&self) -> Plan {
        let prefix = layout::prefix(self.collection.number());
        let mut used = Vec::new();
        let mut ranges = vec![KeyRange { to: prefix_end(&prefix).unwrap_or_default(), from: prefix.clone() }];
        let mut selects = 1.0;
        let ids = self.constraints.iter().find_map(|constraint| match &constraint.bound {
            Bound::OneOf(values) if constraint.slot == ID => Some((constraint.place, values)),
            _ => None,
        });
        if let Some((place, values)) = ids {
            used.push(place);
            ranges = values.iter().filter_map(|value| point_range(&prefix, value)).collect();
            selects = values.len() as f64 / self.known.records();
        }
        let found = self.known.records() * selects;
        self.finish(Path::Records, ranges, self.order_along(&[]), 0, &used, found, 1.0)
    }

    /// Along an index, when its first component is bounded or its order is wanted.
    pub(super) fn along_index(&self, position: usize, index: &Index) -> Option<Plan> {
        let (plan, bounded) = self.through(position, index);
        // An index over a list lacks the records whose list is empty.
        let partial = index.many && plan.fixed == 0;
        let useful = bounded || (plan.ordered && self.order.is_some());
        (useful && !partial).then_some(plan)
    }

    /// Along an index, and whether a condition bounds it.
    pub(super) fn through(&self, position: usize, index: &Index) -> (Plan, bool) {
        let mut prefixes = vec![layout::prefix(index.number)];
        let (mut used, mut fixed, mut selects) = (Vec::new(), 0, 1.0);
        let mut single = true;
        for (slot, direction) in &index.components {
            let Some((place, values)) = self.one_of(*slot) else { break };
            if prefixes.len() * values.len() > LIST_ITEMS_MAX {
                break;
            }
            single &= values.len() == 1;
            prefixes = extend(&prefixes, values, *direction);
            used.push(place);
            fixed += 1;
            selects *= EQUALITY_SELECTS * values.len() as f64;
        }
        let ranges = match index.components.get(fixed) {
            Some((slot, direction)) => self.bounded(&prefixes, *slot, *direction, &mut used, &mut selects),
            None => prefixes.iter().map(|prefix| whole(prefix)).collect(),
        };
        let scan = if single { self.order_along(index.components.get(fixed..).unwrap_or_default()) } else { None };
        if index.unique && fixed == index.components.len() {
            selects = prefixes.len() as f64 / self.known.records();
        }
        let bounded = !used.is_empty();
        let estimated = self.known.entries(index, &ranges, fixed);
        let found = estimated.unwrap_or_else(|| self.known.records() * selects);
        (self.finish(Path::Index(position), ranges, scan, fixed, &used, found, LOOKUP_COST), bounded)
    }

    /// What part of all records a condition is thought to let pass.
    fn selects(&self, place: usize) -> f64 {
        let bound = self.constraints.iter().find(|constraint| constraint.place == place).map(|found| &found.bound);
        match bound {
            Some(Bound::OneOf(values)) => (EQUALITY_SELECTS * values.len() as f64).min(RANGE_SELECTS),
            _ => RANGE_SELECTS,
        }
    }

    fn one_of(&self, slot: Slot) -> Option<(usize, &Vec<Scalar>)> {
        self.constraints.iter().find_map(|constraint| match &constraint.bound {
            Bound::OneOf(values) if constraint.slot == slot => Some((constraint.place, values)),
            _ => None,
        })
    }

    /// Narrows each prefix by the bounds on the next component.
    fn bounded(
        &self,
        prefixes: &[Vec<u8>],
        slot: Slot,
        direction: Direction,
        used: &mut Vec<usize>,
        selects: &mut f64,
    ) -> Vec<KeyRange> {
        let bounds: Vec<_> =
            self.constraints.iter().filter(|c| c.slot == slot && !matches!(c.bound, Bound::OneOf(_))).collect();
        let mut ranges: Vec<_> = prefixes.iter().map(|prefix| whole(prefix)).collect();
        for constraint in &bounds {
            used.push(constraint.place);
            *selects *= RANGE_SELECTS;
            for (range, prefix) in ranges.iter_mut().zip(prefixes) {
                narrow(range, prefix, &constraint.bound, direction);
            }
        }
        ranges
    }

    /// The scan of a path with these components, and ids after them, that has the order of the query, and the direction
    /// in which it leaves ids.
    fn order_along(&self, components: &[SortTerm]) -> Option<(Scan, Direction)> {
        let Some(order) = self.order else { return Some((Scan::Forward, Direction::Ascending)) };
        let fixed = |slot: &Slot| self.one_of(*slot).is_some_and(|(_, values)| values.len() == 1);
        let wanted: Vec<SortTerm> = order.sort.iter().filter(|(slot, _)| !fixed(slot)).copied().collect();
        let ties = match order.tie {
            Some(tie) => vec![tie],
            None => vec![Direction::Ascending, Direction::Descending],
        };
        let forward: Vec<SortTerm> = components.iter().copied().chain([(ID, Direction::Ascending)]).collect();
        let backward: Vec<SortTerm> = forward.iter().map(|(slot, direction)| (*slot, direction.reversed())).collect();
        for tie in ties {
            let wanted = with_tie(&wanted, tie);
            if wanted == forward {
                return Some((Scan::Forward, tie));
            }
            if wanted == backward {
                return Some((Scan::Backward, tie));
            }
        }
        None
    }

    /// What part of the records that a range has is thought to pass what the range does not guarantee.
    pub(super) fn residual_selects(&self, used: &[usize]) -> f64 {
        let left = (0..self.conditions.len()).filter(|place| !used.contains(place));
        left.map(|place| self.selects(place)).product()
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a plan, each computed differently by the two paths")]
    fn finish(
        &self,
        path: Path,
        ranges: Vec<KeyRange>,
        scan: Option<(Scan, Direction)>,
        fixed: usize,
        used: &[usize],
        found: f64,
        row_cost: f64,
    ) -> Plan {
        let left = || self.conditions.iter().enumerate().filter(|(place, _)| !used.contains(place));
        let residual = Expr::all(left().map(|(_, part)| part.clone()).collect::<Vec<_>>());
        let residual_selects = match &residual {
            Expr::Constant(_) => 1.0,
            _ => self.residual_selects(used),
        };
        let ordered = scan.is_some() && (ranges.len() <= 1 || self.order.is_none());
        let looked_at =
            if ordered && self.order.is_some() { found.min(self.limit as f64 / residual_selects) } else { found };
        let cost = looked_at * row_cost * if ordered { 1.0 } else { SORT_COST };
        let settled = self.order.and_then(|order| order.tie).unwrap_or(Direction::Ascending);
        let (scan, tie) = scan.filter(|_| ordered).unwrap_or((Scan::Forward, settled));
        Plan { path, ranges, scan, ordered, residual, fixed, tie, within: None, cost }
    }
}

/// Sort keys with the id after them, unless it is among them: what follows an id settles nothing.
fn with_tie(sort: &[SortTerm], tie: Direction) -> Vec<SortTerm> {
    match sort.iter().position(|(slot, _)| *slot == ID) {
        Some(place) => sort.iter().take(place + 1).copied().collect(),
        None => sort.iter().copied().chain([(ID, tie)]).collect(),
    }
}
