//! One indexable value: what an index key holds and what an expression compares.
//!
//! Not here: how a value is written as a key (`store::key`) or read from JSON (`records`).

use std::cmp::Ordering;

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use uuid::Uuid;

/// A single value with a total order.
///
/// Values of different kinds order by kind, in the order of the variants. Floats order by
/// [`f64::total_cmp`], decimals by their numeric value.
#[derive(Clone, Debug)]
pub enum Scalar {
    /// No value.
    Null,
    /// `false` before `true`.
    Bool(bool),
    /// A signed 64-bit integer.
    Int(i64),
    /// A double-precision number.
    Float(f64),
    /// An exact decimal number of at most 28 significant digits.
    Decimal(Decimal),
    /// Text, ordered by its UTF-8 bytes.
    Str(String),
    /// An instant, to the nanosecond.
    DateTime(Timestamp),
    /// A calendar day.
    Date(Date),
    /// A UUID, ordered by its bytes.
    Uuid(Uuid),
}

impl Scalar {
    /// True for [`Scalar::Null`].
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) => 2,
            Self::Float(_) => 3,
            Self::Decimal(_) => 4,
            Self::Str(_) => 5,
            Self::DateTime(_) => 6,
            Self::Date(_) => 7,
            Self::Uuid(_) => 8,
        }
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Decimal(a), Self::Decimal(b)) => a.cmp(b),
            (Self::Str(a), Self::Str(b)) => a.cmp(b),
            (Self::DateTime(a), Self::DateTime(b)) => a.cmp(b),
            (Self::Date(a), Self::Date(b)) => a.cmp(b),
            (Self::Uuid(a), Self::Uuid(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar {}
