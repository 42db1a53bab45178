//! What one aggregate has taken in so far, in one group.

use rust_decimal::Decimal;

use super::{
    request::{Function, Measure},
    sum::{ExactSum, FloatSum},
};
use crate::{
    expr::{Kind, Value, normalise},
    kernel::Scalar,
    records::RecordError,
};

/// The state of one aggregate in one group.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// How many records or different values.
    Count(u64),
    Whole {
        sum: i128,
        count: u64,
    },
    Exact {
        sum: ExactSum,
        count: u64,
    },
    Float {
        sum: FloatSum,
        count: u64,
    },
    /// The least or the greatest value.
    Extreme(Scalar),
}

impl Cell {
    /// The cell before any record.
    pub(super) fn of(measure: &Measure) -> Self {
        let kind = measure.field.as_ref().map(|field| field.kind);
        match (measure.function, kind) {
            (Function::Count | Function::Distinct, _) => Self::Count(0),
            (Function::Min | Function::Max, _) => Self::Extreme(Scalar::Null),
            (Function::Sum | Function::Avg, Some(Kind::Int)) => Self::Whole { sum: 0, count: 0 },
            (Function::Sum | Function::Avg, Some(Kind::Decimal)) => Self::Exact { sum: ExactSum::default(), count: 0 },
            (Function::Sum | Function::Avg, _) => Self::Float { sum: FloatSum::default(), count: 0 },
        }
    }

    /// Takes in a value, so many times. Answers by how many bytes the cell has grown.
    pub(super) fn add(&mut self, measure: &Measure, value: &Value<'_>, times: u64) -> Result<isize, RecordError> {
        match (self, value) {
            (Self::Whole { sum, count }, Value::Int(value)) => {
                let more = i128::from(*value).checked_mul(i128::from(times));
                *sum = more.and_then(|more| sum.checked_add(more)).ok_or_else(|| too_large(measure))?;
                *count += times;
            }
            (Self::Exact { sum, count }, Value::Decimal(value)) => {
                sum.add(*value, times).ok_or_else(|| too_large(measure))?;
                *count += times;
            }
            (Self::Float { sum, count }, Value::Float(value)) => {
                sum.add(*value * times as f64);
                *count += times;
            }
            (Self::Extreme(extreme), value) => return Ok(replace(extreme, measure.function, value)),
            _ => {}
        }
        Ok(0)
    }

    /// What is answered.
    pub(super) fn finish(&self, measure: &Measure) -> Result<Scalar, RecordError> {
        let average = measure.function == Function::Avg;
        let found = match self {
            Self::Count(count) => i64::try_from(*count).ok().map(Scalar::Int),
            Self::Extreme(extreme) => Some(extreme.clone()),
            Self::Whole { count: 0, .. } | Self::Exact { count: 0, .. } | Self::Float { count: 0, .. } => {
                Some(Scalar::Null)
            }
            Self::Whole { sum, count } if average => Some(Scalar::Float(*sum as f64 / *count as f64)),
            Self::Whole { sum, .. } => i64::try_from(*sum).ok().map(Scalar::Int),
            Self::Exact { sum, count } if average => sum.average(*count).map(Scalar::Decimal),
            Self::Exact { sum, .. } => sum.total().map(Scalar::Decimal),
            Self::Float { sum, count } => {
                let divisor = if average { *count as f64 } else { 1.0 };
                sum.total().map(|total| Scalar::Float(normalise(total / divisor)))
            }
        };
        found.ok_or_else(|| too_large(measure))
    }
}

/// Keeps the better of two values. A text is copied only when it is kept.
fn replace(extreme: &mut Scalar, function: Function, value: &Value<'_>) -> isize {
    let order = match (&*extreme, value) {
        (_, Value::Null | Value::Many(_)) => return 0,
        (Scalar::Str(known), Value::Str(text)) => text.as_ref().cmp(known.as_str()),
        (Scalar::Int(known), Value::Int(int)) => int.cmp(known),
        (Scalar::Float(known), Value::Float(float)) => normalise(*float).total_cmp(known),
        (Scalar::Decimal(known), Value::Decimal(decimal)) => Decimal::cmp(decimal, known),
        (Scalar::DateTime(known), Value::DateTime(instant)) => instant.cmp(known),
        (Scalar::Date(known), Value::Date(day)) => day.cmp(known),
        _ => return put(extreme, value),
    };
    let better = if function == Function::Min { order.is_lt() } else { order.is_gt() };
    if better { put(extreme, value) } else { 0 }
}

fn put(extreme: &mut Scalar, value: &Value<'_>) -> isize {
    let length = |scalar: &Scalar| if let Scalar::Str(text) = scalar { text.len().cast_signed() } else { 0 };
    let before = length(extreme);
    *extreme = value.clone().into_scalar().unwrap_or(Scalar::Null);
    length(extreme) - before
}

fn too_large(measure: &Measure) -> RecordError {
    RecordError::TooLarge(format!(
        "{} is too large a number to be exact; narrow the filter, or take more groups",
        measure.name
    ))
}
