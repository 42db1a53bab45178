//! Literals: to the kind of what they are compared with.

use crate::expr::{ExprError, Kind, ast::Literal, error::Result, fit::Fit, number::Number, time};
use crate::kernel::Scalar;

use super::operand::Typed;

/// The place of `literal`, which is not null, among the values of `other`'s kind.
pub(super) fn fit(position: usize, literal: Literal, other: &Typed) -> Result<Fit> {
    let found = literal.name();
    let fault = |expected: &str, found: &str| {
        Err(ExprError::new(position, format!("expected {expected} to compare with {}, found {found}", other.label)))
    };
    let scalar = match (other.kind, literal) {
        (Kind::Json, literal) => json(literal),
        (Kind::Int, Literal::Number(number)) => return Ok(number.to_int()),
        (Kind::Float, Literal::Number(number)) => Scalar::Float(number.to_float()),
        (Kind::Decimal, Literal::Number(number)) => match number.to_decimal() {
            Some(decimal) => Scalar::Decimal(decimal),
            None => return fault("a number of at most 28 digits", "more"),
        },
        (Kind::Decimal, Literal::Text(text)) => match Number::parse(&text).and_then(|number| number.to_decimal()) {
            Some(decimal) => Scalar::Decimal(decimal),
            None => return fault(Kind::Decimal.name(), found),
        },
        (Kind::DateTime, Literal::Text(text)) => match time::read_instant(&text) {
            Some(instant) => Scalar::DateTime(instant),
            None => return fault(r#"a date and time like "2026-01-31T12:00:00Z""#, "other text"),
        },
        (Kind::Date, Literal::Text(text)) => match time::read_day(&text) {
            Some(day) => Scalar::Date(day),
            None => return fault(r#"a date like "2026-01-31""#, "other text"),
        },
        (Kind::Bool, Literal::Bool(bool)) => Scalar::Bool(bool),
        (Kind::Str, Literal::Text(text)) => Scalar::Str(text),
        (kind, _) => return fault(kind.name(), found),
    };
    Ok(Fit::Exact(scalar))
}

/// The literal as it stands in JSON.
fn json(literal: Literal) -> Scalar {
    match literal {
        Literal::Number(number) => number.to_json(),
        other => scalar(other),
    }
}

/// The literal by itself.
pub(super) fn scalar(literal: Literal) -> Scalar {
    match literal {
        Literal::Null => Scalar::Null,
        Literal::Bool(bool) => Scalar::Bool(bool),
        Literal::Number(number) => number.to_scalar(),
        Literal::Text(text) => Scalar::Str(text),
    }
}
