//! What conditions of a filter say about single fields, as far as a key range can guarantee it.

use crate::{
    collections::{Collection, Slot},
    expr::{CompareOp, Expr, Field, Function, Kind, Root, Term},
    kernel::Scalar,
};

/// What a condition says about one field.
#[derive(Clone, Debug)]
pub(super) enum Bound {
    OneOf(Vec<Scalar>),
    AtLeast(Scalar),
    Above(Scalar),
    AtMost(Scalar),
    Below(Scalar),
    /// Text that begins so.
    Prefix(String),
}

/// A top-level condition that a key range can guarantee: its place among the conditions, its field and what it says.
pub(super) struct Constraint {
    pub(super) place: usize,
    pub(super) slot: Slot,
    pub(super) bound: Bound,
}

/// What a condition says, if a key range can guarantee it.
pub(super) fn constraint(collection: &Collection, place: usize, condition: &Expr) -> Option<Constraint> {
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
