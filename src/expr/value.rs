//! Values as an evaluation reads them, and how two of them compare.

use std::{borrow::Cow, cmp::Ordering};

use jiff::{Timestamp, civil::Date};
use rust_decimal::{Decimal, prelude::ToPrimitive as _};

use crate::kernel::Scalar;

use super::{Field, number, time};

/// The value of a field, borrowed where it can be.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Absent.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A double-precision number.
    Float(f64),
    /// An exact decimal number.
    Decimal(Decimal),
    /// Text.
    Str(Cow<'a, str>),
    /// An instant.
    DateTime(Timestamp),
    /// A calendar day.
    Date(Date),
    /// The values of a field with many, or a JSON array. A JSON object is given as an empty one: it is not absent,
    /// and equals nothing.
    Many(Vec<Value<'a>>),
}

/// Where an evaluation finds its values.
pub trait Values {
    /// The value of a field; of the field's kind, or null.
    fn value(&self, field: &Field) -> Value<'_>;

    /// Shows each record that `over` leads to, with its fields under [`Root::Item`](super::Root::Item), until `visit` answers
    /// false.
    fn each(&self, over: &Field, visit: &mut dyn FnMut(&dyn Values) -> bool);

    /// The instant of the evaluation.
    fn now(&self) -> Timestamp;
}

impl Value<'_> {
    /// The same value, borrowed from this one.
    pub(super) fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Str(text) => Value::Str(Cow::Borrowed(text)),
            Self::Many(items) => Value::Many(items.iter().map(Value::borrowed).collect()),
            other => other.clone(),
        }
    }

    /// How two values compare; nothing when they are of kinds that do not, or one is null or many.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        Some(match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Str(a), Self::Str(b)) => a.cmp(b),
            (Self::DateTime(a), Self::DateTime(b)) => a.cmp(b),
            (Self::Date(a), Self::Date(b)) => a.cmp(b),
            (Self::Date(a), Self::DateTime(b)) => time::order(*a, *b),
            (Self::DateTime(a), Self::Date(b)) => time::order(*b, *a).reverse(),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => number::normalise(*a).total_cmp(&number::normalise(*b)),
            (Self::Float(a), b) => number::order(*a, b.decimal()?),
            (a, Self::Float(b)) => number::order(*b, a.decimal()?).reverse(),
            (a, b) => a.decimal()?.cmp(&b.decimal()?),
        })
    }

    /// Whether two present values are the same.
    pub(super) fn equals(&self, other: &Self) -> bool {
        self.order(other) == Some(Ordering::Equal)
    }

    /// The value of a number, as near as a float comes.
    pub(super) fn to_float(&self) -> Option<f64> {
        match self {
            Self::Float(float) => Some(*float),
            Self::Int(_) | Self::Decimal(_) => self.decimal()?.to_f64(),
            _ => None,
        }
    }

    /// The value of a number that a decimal can hold.
    fn decimal(&self) -> Option<Decimal> {
        match self {
            Self::Int(int) => Some(Decimal::from(*int)),
            Self::Decimal(decimal) => Some(*decimal),
            _ => None,
        }
    }

    /// The value as a literal; nothing for many.
    #[must_use]
    pub fn into_scalar(self) -> Option<Scalar> {
        Some(match self {
            Self::Null => Scalar::Null,
            Self::Bool(bool) => Scalar::Bool(bool),
            Self::Int(int) => Scalar::Int(int),
            Self::Float(float) => Scalar::Float(number::normalise(float)),
            Self::Decimal(decimal) => Scalar::Decimal(decimal),
            Self::Str(text) => Scalar::Str(text.into_owned()),
            Self::DateTime(instant) => Scalar::DateTime(instant),
            Self::Date(day) => Scalar::Date(day),
            Self::Many(_) => return None,
        })
    }
}

impl<'a> From<&'a Scalar> for Value<'a> {
    fn from(scalar: &'a Scalar) -> Self {
        match scalar {
            Scalar::Null => Self::Null,
            Scalar::Bool(bool) => Self::Bool(*bool),
            Scalar::Int(int) => Self::Int(*int),
            Scalar::Float(float) => Self::Float(*float),
            Scalar::Decimal(decimal) => Self::Decimal(*decimal),
            Scalar::Str(text) => Self::Str(Cow::Borrowed(text)),
            Scalar::DateTime(instant) => Self::DateTime(*instant),
            Scalar::Date(day) => Self::Date(*day),
            Scalar::Uuid(uuid) => Self::Str(Cow::Owned(uuid.to_string())),
        }
    }
}
