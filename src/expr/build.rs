//! The constructors that keep the invariants of [`Expr`]: flat, folded, literals at the right and of the right kind.

use crate::kernel::Scalar;

use super::{
    CompareOp, Expr, Field, Function, Root, Term, Value,
    eval::{self, NoValues},
    fit::Fit,
    text,
};

impl Expr {
    /// The condition that every part is true.
    #[must_use]
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::Constant(true) => {}
                Self::Constant(false) => return part,
                Self::All(inner) => flat.extend(inner),
                _ => flat.push(part),
            }
        }
        if flat.len() > 1 { Self::All(flat) } else { flat.pop().unwrap_or(Self::Constant(true)) }
    }

    /// The condition that some part is true.
    #[must_use]
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::Constant(false) => {}
                Self::Constant(true) => return part,
                Self::Any(inner) => flat.extend(inner),
                _ => flat.push(part),
            }
        }
        if flat.len() > 1 { Self::Any(flat) } else { flat.pop().unwrap_or(Self::Constant(false)) }
    }

    /// The condition that this one is false.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Constant(always) => Self::Constant(!always),
            Self::Not(inner) => *inner,
            Self::Compare { left, op: CompareOp::Eq, right } => Self::Compare { left, op: CompareOp::Ne, right },
            Self::Compare { left, op: CompareOp::Ne, right } => Self::Compare { left, op: CompareOp::Eq, right },
            other => Self::Not(Box::new(other)),
        }
    }
}

/// A comparison of any two terms.
pub(super) fn compare(left: Term, op: CompareOp, right: Term) -> Expr {
    match (left, right) {
        (left @ Term::Literal(_), right @ Term::Literal(_)) => {
            Expr::Constant(eval::compare(&left, op, &right, &NoValues))
        }
        (left @ Term::Literal(_), right) => compare(right, op.mirrored(), left),
        (left, right @ Term::Literal(Scalar::Null)) => Expr::Compare { left, op, right },
        (left, Term::Literal(scalar)) => {
            let fit = Fit::of(scalar, left.kind());
            compare_fitted(left, op, fit)
        }
        (left, right) => Expr::Compare { left, op, right },
    }
}

/// A comparison with a literal that was brought to the left side's kind.
///
/// Between two neighbours nothing is equal, and an order becomes one by the neighbour on the side that it allows. It
/// stays a comparison even where every value passes, for an absent value does not.
pub(super) fn compare_fitted(left: Term, op: CompareOp, fit: Fit) -> Expr {
    let (op, bound) = match (fit, op) {
        (Fit::Exact(scalar) | Fit::Foreign(scalar), _) => (op, Some(scalar)),
        (_, CompareOp::Eq) => return Expr::Constant(false),
        (_, CompareOp::Ne) => return Expr::Constant(true),
        (Fit::Never, _) => return Expr::Constant(false),
        (Fit::Between { below, .. }, CompareOp::Lt | CompareOp::Le) => (CompareOp::Le, below),
        (Fit::Between { above, .. }, CompareOp::Gt | CompareOp::Ge) => (CompareOp::Ge, above),
    };
    match bound {
        Some(scalar) => Expr::Compare { left, op, right: Term::Literal(scalar) },
        None => Expr::Constant(false),
    }
}

/// The condition that `item`, which is no literal, is one of the literals.
pub(super) fn within(item: Term, fits: impl IntoIterator<Item = Fit>) -> Expr {
    let mut list: Vec<Scalar> = fits
        .into_iter()
        .filter_map(|fit| match fit {
            Fit::Exact(scalar) | Fit::Foreign(scalar) => Some(scalar),
            Fit::Between { .. } | Fit::Never => None,
        })
        .collect();
    list.sort();
    list.dedup();
    match list.len() {
        0 => Expr::Constant(false),
        1 => Expr::any(list.pop().map(|right| Expr::Compare {
            left: item,
            op: CompareOp::Eq,
            right: Term::Literal(right),
        })),
        _ => Expr::In { item, list: Term::List(list) },
    }
}

/// The condition that a literal is one of a field's values.
pub(super) fn member(fit: Fit, list: Term) -> Expr {
    match fit {
        Fit::Exact(Scalar::Null) | Fit::Between { .. } | Fit::Never => Expr::Constant(false),
        Fit::Exact(scalar) | Fit::Foreign(scalar) => Expr::In { item: Term::Literal(scalar), list },
    }
}

/// The condition that `text` has `needle` in it; a literal needle is not folded yet.
pub(super) fn contains(text: Term, needle: Term) -> Expr {
    let needle = match needle {
        Term::Literal(Scalar::Str(part)) => Term::Literal(Scalar::Str(text::fold(&part))),
        other => other,
    };
    match (&text, &needle) {
        (Term::Literal(_), Term::Literal(_)) => Expr::Constant(eval::contains(&text, &needle, &NoValues)),
        _ => Expr::Contains { text, needle },
    }
}

/// The condition that some of many satisfy the inner one, or all of them.
pub(super) fn each(all: bool, over: Field, of_records: bool, inner: Expr) -> Expr {
    match (all, inner) {
        (true, Expr::Constant(true)) => Expr::Constant(true),
        (false, Expr::Constant(false)) => Expr::Constant(false),
        // One value of many that equals a literal: what an index over the field serves.
        (false, Expr::Compare { left: Term::Field(item), op: CompareOp::Eq, right: Term::Literal(scalar) })
            if !of_records && item.root == Root::Value && !scalar.is_null() =>
        {
            Expr::In { item: Term::Literal(scalar), list: Term::Field(over) }
        }
        (all, inner) => Expr::Each { all, over, of_records, inner: Box::new(inner) },
    }
}

/// The condition that a term is true.
pub(super) fn truth(term: Term) -> Expr {
    match term {
        Term::Literal(scalar) => Expr::Constant(scalar == Scalar::Bool(true)),
        other => Expr::Truth(other),
    }
}

/// The call of a function, or its result when every argument is known.
pub(super) fn call(function: Function, args: Vec<Term>) -> Term {
    let known = args.iter().all(|arg| matches!(arg, Term::Literal(_)));
    let result = if known { function.apply(&args, &NoValues).into_scalar() } else { None };
    result.map_or_else(|| Term::Call { function, args }, Term::Literal)
}

/// The literals that a value stands for in a list: itself nothing, its items each, save those that equal nothing.
pub(super) fn items(value: Value<'_>) -> Vec<Scalar> {
    match value {
        Value::Many(items) => items.into_iter().filter_map(Value::into_scalar).filter(|item| !item.is_null()).collect(),
        _ => Vec::new(),
    }
}
