//! Bringing a known value to the kind of what it is compared with, so that a planner sees a literal of that kind.

use jiff::Timestamp;
use rust_decimal::{Decimal, prelude::ToPrimitive};

use crate::kernel::Scalar;

use super::{Kind, number, time};

/// Where a value stands among the values of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is this one.
    Exact(Scalar),
    /// It lies between two neighbours: the greatest one below it and the least one above, where they exist.
    Between { below: Option<Scalar>, above: Option<Scalar> },
    /// It compares with them, but the neighbours are not worth finding: compare with the value as it is.
    Foreign(Scalar),
    /// It never compares with them.
    Never,
}

impl Fit {
    /// Among the whole numbers: what lies at `floor` and `ceiling`, which are equal or neighbours.
    pub(super) fn whole(floor: i128, ceiling: i128) -> Self {
        let (least, greatest) = (i128::from(i64::MIN), i128::from(i64::MAX));
        let int = |value: i128| i64::try_from(value).ok().map(Scalar::Int);
        match int(floor) {
            Some(value) if floor == ceiling => Self::Exact(value),
            _ => Self::Between { below: int(floor.min(greatest)), above: int(ceiling.max(least)) },
        }
    }

    /// The place of `scalar` among the values of `kind`.
    pub(super) fn of(scalar: Scalar, kind: Kind) -> Self {
        match (kind, scalar) {
            (Kind::Float, Scalar::Float(float)) => Self::Exact(Scalar::Float(number::normalise(float))),
            (Kind::Json, scalar)
            | (Kind::Bool, scalar @ Scalar::Bool(_))
            | (Kind::Int, scalar @ Scalar::Int(_))
            | (Kind::Decimal, scalar @ Scalar::Decimal(_))
            | (Kind::Str, scalar @ Scalar::Str(_))
            | (Kind::DateTime, scalar @ Scalar::DateTime(_))
            | (Kind::Date, scalar @ Scalar::Date(_)) => Self::Exact(scalar),
            (Kind::Int, Scalar::Float(float)) => Self::whole(float_bound(float.floor()), float_bound(float.ceil())),
            (Kind::Int, Scalar::Decimal(decimal)) => {
                Self::whole(decimal_bound(decimal.floor()), decimal_bound(decimal.ceil()))
            }
            (Kind::Float, Scalar::Int(int)) => Self::in_floats(Scalar::Int(int), Decimal::from(int)),
            (Kind::Float, Scalar::Decimal(decimal)) => Self::in_floats(Scalar::Decimal(decimal), decimal),
            (Kind::Decimal, Scalar::Int(int)) => Self::Exact(Scalar::Decimal(Decimal::from(int))),
            (Kind::Decimal, Scalar::Float(float)) => Self::in_decimals(float),
            (Kind::Date, Scalar::DateTime(instant)) => Self::in_days(instant),
            (Kind::DateTime, Scalar::Date(day)) => match time::midnight(day) {
                Some(instant) => Self::Exact(Scalar::DateTime(instant)),
                None => Self::Foreign(Scalar::Date(day)),
            },
            _ => Self::Never,
        }
    }

    fn in_floats(scalar: Scalar, decimal: Decimal) -> Self {
        match decimal.to_f64() {
            Some(float) if number::order(float, decimal).is_eq() => {
                Self::Exact(Scalar::Float(number::normalise(float)))
            }
            _ => Self::Foreign(scalar),
        }
    }

    fn in_decimals(float: f64) -> Self {
        match Decimal::from_f64_retain(float) {
            Some(decimal) if number::order(float, decimal).is_eq() => Self::Exact(Scalar::Decimal(decimal)),
            _ => Self::Foreign(Scalar::Float(number::normalise(float))),
        }
    }

    fn in_days(instant: Timestamp) -> Self {
        match time::day_of(instant) {
            (day, true) => Self::Exact(Scalar::Date(day)),
            (day, false) => {
                Self::Between { below: Some(Scalar::Date(day)), above: day.tomorrow().ok().map(Scalar::Date) }
            }
        }
    }
}

/// A whole float as an integer; beyond the range of i64 only its side matters.
fn float_bound(whole: f64) -> i128 {
    let beyond = if whole.is_sign_negative() { i128::MIN / 2 } else { i128::MAX / 2 };
    whole.to_i128().unwrap_or(beyond)
}

fn decimal_bound(whole: Decimal) -> i128 {
    let beyond = if whole.is_sign_negative() { i128::MIN / 2 } else { i128::MAX / 2 };
    whole.to_i128().unwrap_or(beyond)
}
