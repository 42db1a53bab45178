//! Plans along several indexes: the union of alternatives, and the intersection of conditions.

use super::{
    Leg, Path, Plan,
    along::{LOOKUP_COST, Query, SORT_COST},
};
use crate::{
    expr::Expr,
    store::{Scan, key::Direction},
};

/// The most alternatives that are looked for one by one.
const LEGS_MAX: usize = 8;
/// An entry of an index by itself costs less than one with its record; remembering its id costs a little.
const ENTRY_COST: f64 = 1.0;
/// The most ids that an intersection remembers.
const WITHIN_MAX: f64 = 200_000.0;

impl Query<'_> {
    /// A plan that finds the records of each alternative by an index of its own, where the filter, or a condition of it, is
    /// made of alternatives.
    pub(super) fn union(&self, filter: &Expr) -> Option<Plan> {
        let alternatives = self.conditions.iter().find_map(|condition| match condition {
            Expr::Any(parts) if parts.len() <= LEGS_MAX => Some(parts),
            _ => None,
        })?;
        let (mut legs, mut cost) = (Vec::with_capacity(alternatives.len()), 0.0);
        for alternative in alternatives {
            let query = Query::new(self.collection, self.known, alternative, None, 0);
            let ready = self.collection.indexes.iter().enumerate().filter(|(_, index)| index.ready);
            let bounded = ready.filter_map(|(position, index)| {
                let (plan, bounded) = query.through(position, index);
                (bounded && (!index.many || plan.fixed > 0)).then_some((position, plan))
            });
            let (index, plan) = bounded.min_by(|(_, a), (_, b)| a.cost.total_cmp(&b.cost))?;
            cost += plan.cost;
            legs.push(Leg { index, ranges: plan.ranges });
        }
        Some(Plan {
            path: Path::Union(legs),
            ranges: Vec::new(),
            scan: Scan::Forward,
            ordered: false,
            residual: filter.clone(),
            fixed: 0,
            tie: self.order.and_then(|order| order.tie).unwrap_or(Direction::Ascending),
            within: None,
            cost: cost * if self.order.is_some() { SORT_COST } else { 1.0 },
        })
    }

    /// The plan with another index that says which of its entries are worth fetching. Only where the entries of both are
    /// known by number, for remembering many in vain would cost more than it saves.
    pub(super) fn within(&self, plan: &Plan) -> Option<Plan> {
        let Path::Index(own) = plan.path else { return None };
        let entries = self.known.entries(self.collection.indexes.get(own)?, &plan.ranges, plan.fixed)?;
        let ready = self.collection.indexes.iter().enumerate().filter(|(_, index)| index.ready);
        let others = ready.filter(|(position, index)| *position != own && !index.many);
        let joined = others.filter_map(|(position, index)| {
            let (other, bounded) =
                Query::new(self.collection, self.known, &plan.residual, None, 0).through(position, index);
            let count = self.known.entries(index, &other.ranges, other.fixed).filter(|count| *count <= WITHIN_MAX)?;
            let selects = (count / self.known.records()).min(1.0);
            let residual_selects = if other.residual == Expr::Constant(true) { 1.0 } else { 0.3 };
            let visited = match plan.ordered && self.order.is_some() {
                true => entries.min(self.limit as f64 / (selects * residual_selects).max(f64::EPSILON)),
                false => entries,
            };
            let fetched = visited * selects * LOOKUP_COST * if plan.ordered { 1.0 } else { SORT_COST };
            let cost = (count + visited) * ENTRY_COST + fetched;
            let within = Some(Leg { index: position, ranges: other.ranges });
            bounded.then(|| Plan { within, residual: other.residual, cost, ..plan.clone() })
        });
        joined.min_by(|a, b| a.cost.total_cmp(&b.cost))
    }
}
