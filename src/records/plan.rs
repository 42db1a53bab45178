//! Choosing how to find the records of a query: by id, along an index, or over all of them.
//!
//! A plan never changes *which* records are found nor their order, only how many are looked at. Conditions that an
//! index range guarantees are left out of the residual filter.

use crate::{
    collections::{Collection, Index, Slot, catalog::ID, layout},
    expr::{CompareOp, Expr, Field, Function, Kind, Root, Term},
    kernel::Scalar,
    store::{
        Scan,
        key::{Direction, encode, encode_str_prefix, prefix_end},
    },
};

/// One sort key.
pub(super) type SortTerm = (Slot, Direction);

/// How many records a plan is thought to look at when nothing is known of the collection.
const ASSUMED_RECORDS: f64 = 100_000.0;
const EQUALITY_SELECTS: f64 = 0.01;
const RANGE_SELECTS: f64 = 0.3;
/// Sorting what was found costs more than finding it in order.
const SORT_COST: f64 = 1.5;
/// An entry and its record cost more than a record met in a scan.
const LOOKUP_COST: f64 = 4.0;

/// How a query finds its records.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) path: Path,
    /// The key ranges to visit, in the order of the path; each is `from..to`.
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
    pub(super) cost: f64,
}

/// What is visited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// Records by id.
    Records,
    /// An index, by its position among the collection's.
    Index(usize),
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

/// What a condition says about one field.
#[derive(Clone, Debug)]
enum Bound {
    OneOf(Vec<Scalar>),
    AtLeast(Scalar),
    Above(Scalar),
    AtMost(Scalar),
    Below(Scalar),
    /// Text that begins so.
    Prefix(String),
}

/// A top-level condition that a key range can guarantee: its place among the conditions, its field and what it says.
struct Constraint {
    place: usize,
    slot: Slot,
    bound: Bound,
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
pub(super) fn plan(collection: &Collection, filter: &Expr, order: Option<Order<'_>>, limit: usize) -> Plan {
    let query = Query::new(collection, filter, order, limit);
    let mut best = query.along_records();
    for (position, index) in collection.indexes.iter().enumerate().filter(|(_, index)| index.ready) {
        if let Some(candidate) = query.along_index(position, index).filter(|candidate| candidate.cost < best.cost) {
            best = candidate;
        }
    }
    best
}

/// The cheapest plan over the entries of an index that has all `wanted` fields and guarantees the filter, so that no
/// record needs to be read. An index over a list has entries for items, which may stand for records where they are
/// only counted, each for itself.
pub(super) fn covering(collection: &Collection, filter: &Expr, wanted: &[Slot], counted: bool) -> Option<Plan> {
    let query = Query::new(collection, filter, None, 0);
    let covers = |index: &Index| {
        let complete = wanted.iter().all(|slot| index.components.iter().any(|(own, _)| own == slot));
        let every_item = counted && *filter == Expr::Constant(true);
        index.ready && complete && (!index.many || every_item)
    };
    let indexes = collection.indexes.iter().enumerate().filter(|(_, index)| covers(index));
    let plans = indexes.map(|(position, index)| query.through(position, index).0);
    plans.filter(|plan| plan.residual == Expr::Constant(true)).min_by(|a, b| a.cost.total_cmp(&b.cost))
}

fn constraint(collection: &Collection, place: usize, condition: &Expr) -> Option<Constraint> {
    let made = |slot, bound| Some(Constraint { place, slot, bound });
    match condition {
        Expr::Compare { left: Term::Field(field), op, right: Term::Literal(value) } => {
            let exact = value.is_null() || Term::Literal(value.clone()).kind() == field.kind;
            if !is_own(field) || field.many || !field.rest.is_empty() || !exact {
                return None;
            }
            let value = value.clone();
            made(
                field.slot,
                match op {
                    CompareOp::Eq => Bound::OneOf(vec![value]),
                    CompareOp::Ne => return None,
                    CompareOp::Lt => Bound::Below(value),
                    CompareOp::Le => Bound::AtMost(value),
                    CompareOp::Gt => Bound::Above(value),
                    CompareOp::Ge => Bound::AtLeast(value),
                },
            )
        }
        Expr::In { item: Term::Field(field), list: Term::List(values) }
            if is_own(field) && !field.many && field.rest.is_empty() =>
        {
            let exact = |value: &Scalar| value.is_null() || Term::Literal(value.clone()).kind() == field.kind;
            if values.iter().all(exact) { made(field.slot, Bound::OneOf(values.clone())) } else { None }
        }
        Expr::In { item: Term::Literal(value), list: Term::Field(field) } if is_own(field) && field.many => {
            let known = collection.kind(field.slot).0 == Term::Literal(value.clone()).kind();
            if known { made(field.slot, Bound::OneOf(vec![value.clone()])) } else { None }
        }
        Expr::Truth(Term::Call { function: Function::StartsWith, args }) => match args.as_slice() {
            [Term::Field(field), Term::Literal(Scalar::Str(part))]
                if is_own(field) && !field.many && field.rest.is_empty() && field.kind == Kind::Str =>
            {
                made(field.slot, Bound::Prefix(part.clone()))
            }
            _ => None,
        },
        Expr::Truth(Term::Field(field)) if is_own(field) && field.rest.is_empty() && field.kind == Kind::Bool => {
            made(field.slot, Bound::OneOf(vec![Scalar::Bool(true)]))
        }
        _ => None,
    }
}

/// Whether it is a field of the record itself.
fn is_own(field: &Field) -> bool {
    field.root == Root::Record && field.via.is_empty()
}

struct Query<'q> {
    collection: &'q Collection,
    conditions: &'q [Expr],
    constraints: Vec<Constraint>,
    order: Option<Order<'q>>,
    limit: usize,
}

impl<'q> Query<'q> {
    fn new(collection: &'q Collection, filter: &'q Expr, order: Option<Order<'q>>, limit: usize) -> Self {
        let conditions = match filter {
            Expr::All(parts) => parts.as_slice(),
            single => std::slice::from_ref(single),
        };
        let constraints =
            conditions.iter().enumerate().filter_map(|(place, part)| constraint(collection, place, part)).collect();
        Self { collection, conditions, constraints, order, limit }
    }

    /// Over the records themselves, by id.
    fn along_records(&self) -> Plan {
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
            selects = values.len() as f64 / ASSUMED_RECORDS;
        }
        let scan = self.order_along(&[]);
        self.finish(Path::Records, ranges, scan, 0, &used, selects, 1.0)
    }

    /// Along an index, when its first component is bounded or its order is wanted.
    fn along_index(&self, position: usize, index: &Index) -> Option<Plan> {
        let (plan, bounded) = self.through(position, index);
        // An index over a list lacks the records whose list is empty.
        let partial = index.many && plan.fixed == 0;
        let useful = bounded || (plan.ordered && self.order.is_some());
        (useful && !partial).then_some(plan)
    }

    /// Along an index, and whether a condition bounds it.
    fn through(&self, position: usize, index: &Index) -> (Plan, bool) {
        let mut prefixes = vec![layout::prefix(index.number)];
        let (mut used, mut fixed, mut selects) = (Vec::new(), 0, 1.0);
        let mut single = true;
        for (slot, direction) in &index.components {
            let Some((place, values)) = self.one_of(*slot) else { break };
            if prefixes.len() * values.len() > crate::expr::LIST_ITEMS_MAX {
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
            selects = prefixes.len() as f64 / ASSUMED_RECORDS;
        }
        let bounded = !used.is_empty();
        (self.finish(Path::Index(position), ranges, scan, fixed, &used, selects, LOOKUP_COST), bounded)
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

    #[expect(clippy::too_many_arguments, reason = "the parts of a plan, each computed differently by the two paths")]
    fn finish(
        &self,
        path: Path,
        ranges: Vec<KeyRange>,
        scan: Option<(Scan, Direction)>,
        fixed: usize,
        used: &[usize],
        selects: f64,
        row_cost: f64,
    ) -> Plan {
        let left = || self.conditions.iter().enumerate().filter(|(place, _)| !used.contains(place));
        let residual = Expr::all(left().map(|(_, part)| part.clone()).collect::<Vec<_>>());
        let found = ASSUMED_RECORDS * selects;
        let residual_selects: f64 = match &residual {
            Expr::Constant(_) => 1.0,
            _ => left().map(|(place, _)| self.selects(place)).product(),
        };
        let ordered = scan.is_some() && (ranges.len() <= 1 || self.order.is_none());
        let looked_at =
            if ordered && self.order.is_some() { found.min(self.limit as f64 / residual_selects) } else { found };
        let cost = looked_at * row_cost * if ordered { 1.0 } else { SORT_COST };
        let settled = self.order.and_then(|order| order.tie).unwrap_or(Direction::Ascending);
        let (scan, tie) = scan.filter(|_| ordered).unwrap_or((Scan::Forward, settled));
        Plan { path, ranges, scan, ordered, residual, fixed, tie, cost }
    }
}

/// Sort keys with the id after them, unless it is among them: what follows an id settles nothing.
fn with_tie(sort: &[SortTerm], tie: Direction) -> Vec<SortTerm> {
    match sort.iter().position(|(slot, _)| *slot == ID) {
        Some(place) => sort.iter().take(place + 1).copied().collect(),
        None => sort.iter().copied().chain([(ID, tie)]).collect(),
    }
}

fn extend(prefixes: &[Vec<u8>], values: &[Scalar], direction: Direction) -> Vec<Vec<u8>> {
    let with = |prefix: &Vec<u8>, value: &Scalar| {
        let mut key = prefix.clone();
        encode(value, direction, &mut key);
        key
    };
    let mut keys: Vec<_> =
        prefixes.iter().flat_map(|prefix| values.iter().map(move |value| with(prefix, value))).collect();
    keys.sort_unstable();
    keys
}

fn whole(prefix: &[u8]) -> KeyRange {
    KeyRange { from: prefix.to_vec(), to: prefix_end(prefix).unwrap_or_default() }
}

/// The key of one record by id.
fn point_range(prefix: &[u8], id: &Scalar) -> Option<KeyRange> {
    let Scalar::Str(id) = id else { return None };
    let from = [prefix, id.as_bytes()].concat();
    let to = [from.as_slice(), &[0]].concat();
    Some(KeyRange { from, to })
}

/// Narrows a range of one component to what a bound allows. No bound of order allows null.
fn narrow(range: &mut KeyRange, prefix: &[u8], bound: &Bound, direction: Direction) {
    let key = |value: &Scalar| {
        let mut key = prefix.to_vec();
        encode(value, direction, &mut key);
        key
    };
    let after = |value: &Scalar| prefix_end(&key(value)).unwrap_or_default();
    let (low, high) = match (bound, direction) {
        (Bound::AtLeast(value), Direction::Ascending) => (Some(key(value)), None),
        (Bound::Above(value), Direction::Ascending) => (Some(after(value)), None),
        (Bound::AtMost(value), Direction::Ascending) => (Some(after(&Scalar::Null)), Some(after(value))),
        (Bound::Below(value), Direction::Ascending) => (Some(after(&Scalar::Null)), Some(key(value))),
        (Bound::AtLeast(value), Direction::Descending) => (None, Some(after(value))),
        (Bound::Above(value), Direction::Descending) => (None, Some(key(value))),
        (Bound::AtMost(value), Direction::Descending) => (Some(key(value)), Some(key(&Scalar::Null))),
        (Bound::Below(value), Direction::Descending) => (Some(after(value)), Some(key(&Scalar::Null))),
        (Bound::Prefix(part), _) => {
            let mut low = prefix.to_vec();
            encode_str_prefix(part, direction, &mut low);
            let high = prefix_end(&low);
            (Some(low), high)
        }
        (Bound::OneOf(_), _) => (None, None),
    };
    if let Some(low) = low.filter(|low| *low > range.from) {
        range.from = low;
    }
    if let Some(high) = high.filter(|high| *high < range.to) {
        range.to = high;
    }
}
