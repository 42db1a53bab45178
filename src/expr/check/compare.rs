//! The types of comparisons.

use crate::expr::{
    CompareOp, Expr, ExprError, Kind, Term, ast::Literal, build, error::Result, eval::NoValues, fit::Fit,
};
use crate::kernel::Scalar;

use super::{
    literal,
    operand::{Checked, Typed},
};

/// `=` and the like.
pub(super) fn order(left: Checked, op: CompareOp, right: Checked) -> Result<Expr> {
    match (left, right) {
        (Checked::Literal(_, left), Checked::Literal(position, right)) => literals(left, op, position, right),
        (Checked::Literal(position, literal), Checked::Value(typed)) => {
            with_literal(typed, op.mirrored(), position, literal)
        }
        (Checked::Value(typed), Checked::Literal(position, literal)) => with_literal(typed, op, position, literal),
        (Checked::Value(left), Checked::Value(right)) => {
            one(&left)?;
            one(&right)?;
            comparable(&left, &right)?;
            ordered(op, left.kind, left.position)?;
            ordered(op, right.kind, right.position)?;
            Ok(build::compare(left.term, op, right.term))
        }
        (Checked::List(position, _), _) | (_, Checked::List(position, _)) => Err(misplaced_list(position)),
    }
}

fn with_literal(typed: Typed, op: CompareOp, position: usize, literal: Literal) -> Result<Expr> {
    if literal == Literal::Null {
        null_ordered(op, position)?;
        return Ok(build::compare(typed.term, op, Term::Literal(Scalar::Null)));
    }
    one(&typed)?;
    let kind = if matches!(literal, Literal::Bool(_)) { Kind::Bool } else { typed.kind };
    let fit = literal::fit(position, literal, &typed)?;
    ordered(op, kind, position)?;
    match typed.term {
        term @ Term::Literal(_) => Ok(compare_known(term, op, fit)),
        term => Ok(build::compare_fitted(term, op, fit)),
    }
}

/// A comparison whose left side a function's known result is.
fn compare_known(left: Term, op: CompareOp, fit: Fit) -> Expr {
    let compared = build::compare_fitted(left, op, fit);
    Expr::Constant(compared.eval(&NoValues))
}

/// Two literals decide the comparison at once.
fn literals(left: Literal, op: CompareOp, position: usize, right: Literal) -> Result<Expr> {
    let null = left == Literal::Null || right == Literal::Null;
    if null {
        null_ordered(op, position)?;
    } else if left.name() != right.name() {
        let message = format!("expected {} to compare with {}, found {}", left.name(), left.name(), right.name());
        return Err(ExprError::new(position, message));
    }
    if matches!(left, Literal::Bool(_)) {
        ordered(op, Kind::Bool, position)?;
    }
    Ok(build::compare(Term::Literal(literal::scalar(left)), op, Term::Literal(literal::scalar(right))))
}

/// `~`
pub(super) fn contains(left: Checked, right: Checked) -> Result<Expr> {
    Ok(build::contains(text(left)?, text(right)?))
}

fn text(side: Checked) -> Result<Term> {
    let (position, found) = match side {
        Checked::Literal(_, Literal::Text(text)) => return Ok(Term::Literal(Scalar::Str(text))),
        Checked::Literal(position, literal) => (position, literal.name().to_owned()),
        Checked::List(position, _) => return Err(misplaced_list(position)),
        Checked::Value(typed) => {
            one(&typed)?;
            match typed.kind {
                Kind::Str | Kind::Json => return Ok(typed.term),
                kind => (typed.position, format!("{}, which is {}", typed.label, kind.name())),
            }
        }
    };
    Err(ExprError::new(position, format!(r#"expected text beside "~", found {found}"#)))
}

/// `in`
pub(super) fn within(item: Checked, list: Checked) -> Result<Expr> {
    match (item, list) {
        (Checked::List(position, _), _) => Err(misplaced_list(position)),
        (item, Checked::List(_, items)) => within_list(item, items),
        (_, Checked::Literal(position, literal)) => {
            let message =
                format!(r#"expected a list or a field with many values behind "in", found {}"#, literal.name());
            Err(ExprError::new(position, message))
        }
        (_, Checked::Value(list)) if !list.many && list.kind != Kind::Json => {
            let message = format!(r#"{} holds one value; "in" needs a list or a field with many"#, list.label);
            Err(ExprError::new(list.position, message))
        }
        (Checked::Literal(position, Literal::Null), Checked::Value(list)) => {
            let message = format!("null is in no field; {} = null tells whether it is empty", list.label);
            Err(ExprError::new(position, message.replace('"', "")))
        }
        (Checked::Literal(position, literal), Checked::Value(list)) => {
            Ok(build::member(literal::fit(position, literal, &list)?, list.term))
        }
        (Checked::Value(item), Checked::Value(list)) => {
            one(&item)?;
            comparable(&list, &item)?;
            Ok(match item.term {
                Term::Literal(scalar) => build::member(Fit::of(scalar, list.kind), list.term),
                item => Expr::In { item, list: list.term },
            })
        }
    }
}

fn within_list(item: Checked, items: Vec<(usize, Literal)>) -> Result<Expr> {
    match item {
        Checked::Value(typed) => {
            one(&typed)?;
            let fits: Vec<Fit> = items
                .into_iter()
                .map(|(position, item)| match item {
                    Literal::Null => Ok(Fit::Exact(Scalar::Null)),
                    item => literal::fit(position, item, &typed),
                })
                .collect::<Result<_>>()?;
            let known = matches!(typed.term, Term::Literal(_));
            let found = build::within(typed.term, fits);
            Ok(if known { Expr::Constant(found.eval(&NoValues)) } else { found })
        }
        Checked::Literal(_, literal) => {
            let parts = items.into_iter().map(|(at, item)| literals(literal.clone(), CompareOp::Eq, at, item));
            Ok(Expr::any(parts.collect::<Result<Vec<_>>>()?))
        }
        Checked::List(position, _) => Err(misplaced_list(position)),
    }
}

/// Refuses a field with many values where one is compared.
fn one(typed: &Typed) -> Result<()> {
    if !typed.many {
        return Ok(());
    }
    let name = typed.label.trim_matches('"');
    Err(ExprError::new(typed.position, format!(r#"{} holds many values; write "x" in {name}"#, typed.label)))
}

/// Refuses two values of which none can ever equal the other.
fn comparable(left: &Typed, right: &Typed) -> Result<()> {
    let fits = match (left.kind, right.kind) {
        (a, b) if a == b => true,
        (Kind::Json, other) | (other, Kind::Json) => !other.is_time(),
        (a, b) => (a.is_number() && b.is_number()) || (a.is_time() && b.is_time()),
    };
    if fits {
        return Ok(());
    }
    let (expected, found) = (left.kind.name(), right.kind.name());
    let message =
        format!("expected {expected} to compare with {}, found {}, which is {found}", left.label, right.label);
    Err(ExprError::new(right.position, message))
}

/// Refuses an order of truth values.
fn ordered(op: CompareOp, kind: Kind, position: usize) -> Result<()> {
    if op.is_order() && kind == Kind::Bool {
        return Err(ExprError::new(position, r#"true and false have no order; compare with "=" or "!=""#));
    }
    Ok(())
}

/// Refuses an order with null.
fn null_ordered(op: CompareOp, position: usize) -> Result<()> {
    if op.is_order() {
        return Err(ExprError::new(position, r#"null has no order; compare with "=" or "!=""#));
    }
    Ok(())
}

fn misplaced_list(position: usize) -> ExprError {
    ExprError::new(position, r#"a list stands only at the right of "in""#)
}
