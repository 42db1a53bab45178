//! What a condition behind a relation says about the record itself: of `author.name = "Ann"`, which ids `author` may have, so
//! that the relation's index finds the records; of `any(comments_via_post.author) = "ann"`, which ids a post may have.
//!
//! The condition stays in the filter. What is added only narrows where records are looked for, never which are found, and where
//! there are many such ids, or finding them is much work, nothing is added.

use std::{cell::Cell, ops::ControlFlow};

use jiff::Timestamp;

use super::{RecordError, execute::Run, plan, related::Reach, statistics::Known};
use crate::{
    collections::{Catalog, Collection, Slot, Slots, catalog::ID},
    expr::{CompareOp, Expr, Field, Function, Hop, Kind, LIST_ITEMS_MAX, Root, Term},
    kernel::Scalar,
    store::Snapshot,
};

/// The most records and entries that are looked at for one condition, and for all of a query.
const EXAMINED_MAX: u64 = 2_048;
const EXAMINED_IN_ALL_MAX: u64 = 8_192;

/// Where ids are looked for.
#[derive(Debug)]
pub(super) struct Semijoin<'a> {
    snapshot: &'a Snapshot,
    catalog: &'a Catalog,
    related: Reach<'a, Snapshot>,
    now: Timestamp,
    /// Whether the caller is told how much was looked at, which must not depend on what the caller does not see.
    told: bool,
    /// How much may still be looked at.
    left: Cell<u64>,
}

/// A filter that says more about the record's own fields.
#[derive(Clone, Debug)]
pub(super) struct Narrowed {
    pub(super) filter: Expr,
    /// How many records and entries were looked at for it.
    pub(super) examined: u64,
}

impl<'a> Semijoin<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, catalog: &'a Catalog, now: Timestamp, told: bool) -> Self {
        let related = Reach::new(snapshot, catalog);
        Self { snapshot, catalog, related, now, told, left: Cell::new(EXAMINED_IN_ALL_MAX) }
    }

    /// The filter with what its conditions behind relations say about these; `None` when they say nothing of use.
    pub(super) fn narrow(&self, collection: &Collection, filter: &Expr) -> Option<Narrowed> {
        let conditions =
            if let Expr::All(conditions) = filter { conditions.as_slice() } else { std::slice::from_ref(filter) };
        if conditions.iter().any(names_id) {
            return None;
        }
        let before = self.left.get();
        let mut added: Vec<_> =
            conditions.iter().filter_map(|condition| self.of_relation(collection, condition)).collect();
        if added.is_empty() {
            return None;
        }
        added.push(filter.clone());
        Some(Narrowed { filter: Expr::all(added), examined: before - self.left.get() })
    }

    /// What a condition behind a relation says of the relation.
    fn of_relation(&self, collection: &Collection, condition: &Expr) -> Option<Expr> {
        let (hop, there) = self.behind(condition)?;
        let there = match &hop.guard {
            None => there,
            Some(_) if self.told => return None,
            Some(guard) => Expr::all([(**guard).clone(), there]),
        };
        let target = self.catalog.by_number(hop.to).filter(|target| !target.def.rewriting)?;
        let mut ids = self.ids(target, there, if hop.back { hop.slot } else { ID })?;
        ids.sort_unstable();
        ids.dedup();
        let slot = if hop.back { ID } else { hop.slot };
        let relation = Field {
            root: Root::Record,
            via: Vec::new(),
            slot,
            kind: Kind::Str,
            many: false,
            name: collection.slot_name(slot).to_owned(),
            rest: Vec::new(),
        };
        Some(match ids.is_empty() {
            true => Expr::Constant(false),
            false => Expr::In { item: Term::Field(relation), list: Term::List(ids) },
        })
    }

    /// The ids at `slot` of the records that satisfy a condition, if they are few and found soon.
    fn ids(&self, target: &Collection, condition: Expr, slot: Slot) -> Option<Vec<Scalar>> {
        let condition = self.narrow(target, &condition).map_or(condition, |narrowed| narrowed.filter);
        if condition == Expr::Constant(false) {
            return Some(Vec::new());
        }
        let plan = plan::plan(target, &Known::default(), &condition, None, LIST_ITEMS_MAX);
        let examined_max = EXAMINED_MAX.min(self.left.get());
        let mut run = Run::new(self.snapshot, target, &plan, &self.related, self.now, examined_max);
        let mut ids = Vec::new();
        let done = run.matching(None, &mut |_, record| -> Result<_, RecordError> {
            let slots = Slots::read_some(target, record, Some(&[slot]))?;
            ids.extend(slots.scalars(target, slot).into_iter().filter(|id| !id.is_null()));
            Ok(if ids.len() > LIST_ITEMS_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        let examined = if done.is_ok() { run.effort.examined } else { examined_max };
        self.left.set(self.left.get().saturating_sub(examined));
        (done.is_ok() && ids.len() <= LIST_ITEMS_MAX).then_some(ids)
    }

    /// The first step of a condition that only holds where its relation leads to a record, and the condition on that record.
    fn behind<'e>(&self, condition: &'e Expr) -> Option<(&'e Hop, Expr)> {
        match condition {
            Expr::Compare { left: Term::Field(field), op, right: right @ Term::Literal(value) }
                if *op != CompareOp::Ne && !value.is_null() =>
            {
                let (hop, field) = step(field)?;
                Some((hop, Expr::Compare { left: Term::Field(field), op: *op, right: right.clone() }))
            }
            Expr::In { item: Term::Field(field), list: list @ Term::List(values) }
                if !values.iter().any(Scalar::is_null) =>
            {
                let (hop, field) = step(field)?;
                Some((hop, Expr::In { item: Term::Field(field), list: list.clone() }))
            }
            // Some value of those behind the steps is this one.
            Expr::In { item: item @ Term::Literal(value), list: Term::Field(field) } if !value.is_null() => {
                let (hop, field) = self.step_back(field)?;
                let (left, right, op) = (Term::Field(field), item.clone(), CompareOp::Eq);
                Some((hop, Expr::Compare { left, op, right }))
            }
            Expr::Truth(Term::Field(field)) => {
                let (hop, field) = step(field)?;
                Some((hop, Expr::Truth(Term::Field(field))))
            }
            Expr::Truth(Term::Call { function: Function::StartsWith, args }) => {
                let [Term::Field(field), part @ Term::Literal(_)] = args.as_slice() else { return None };
                let (hop, field) = step(field)?;
                let args = vec![Term::Field(field), part.clone()];
                Some((hop, Expr::Truth(Term::Call { function: Function::StartsWith, args })))
            }
            _ => None,
        }
    }

    /// The first step of a path that leads back, and then forward to at most one record and one value.
    fn step_back<'e>(&self, field: &'e Field) -> Option<(&'e Hop, Field)> {
        let (hop, rest) = field.via.split_first().filter(|(hop, _)| hop.back && field.root == Root::Record)?;
        let end = self.catalog.by_number(rest.last().map_or(hop.to, |last| last.to))?;
        let (kind, many) = end.kind(field.slot);
        let single = rest.iter().all(|hop| !hop.back && !hop.many) && !many && kind != Kind::Json;
        single.then(|| (hop, Field { via: rest.to_vec(), many: false, ..field.clone() }))
    }
}

/// Whether a condition names the records by their ids, which nothing finds sooner.
fn names_id(condition: &Expr) -> bool {
    let is_id = |field: &Field| field.root == Root::Record && field.via.is_empty() && field.slot == ID;
    match condition {
        Expr::Compare { left: Term::Field(field), op: CompareOp::Eq, .. }
        | Expr::In { item: Term::Field(field), .. } => is_id(field),
        _ => false,
    }
}

/// The first step of a path that leads forward to at most one record at each step, and the field as that record has it.
fn step(field: &Field) -> Option<(&Hop, Field)> {
    let single = field.via.iter().all(|hop| !hop.back && !hop.many);
    let (hop, rest) = field
        .via
        .split_first()
        .filter(|_| single && !field.many && field.kind != Kind::Json && field.root == Root::Record)?;
    Some((hop, Field { via: rest.to_vec(), ..field.clone() }))
}
