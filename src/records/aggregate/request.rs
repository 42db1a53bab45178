//! What an aggregate request asks for, checked against the collection. Reading it is the business of `parse`.

use jiff::tz::TimeZone;

use super::bucket::Unit;
use crate::{
    collections::{
        Slot,
        catalog::{CREATED_AT, UPDATED_AT},
    },
    expr::{Expr, Field, Kind},
    records::view::slot_read,
    store::key::Direction,
};

/// A checked aggregate request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) filter: Expr,
    pub(super) keys: Vec<Key>,
    pub(super) measures: Vec<Measure>,
    /// The columns of the answer: the keys, then the measures.
    pub(super) columns: Vec<Column>,
    /// Which groups to answer: an expression over the columns, by place.
    pub(super) having: Option<Expr>,
    /// Columns by place.
    pub(super) sort: Vec<(usize, Direction)>,
    pub(super) limit: usize,
    /// Where days begin.
    pub(super) zone: TimeZone,
}

/// What groups are made by.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) field: Field,
    /// The bucket, when it is not the value itself.
    pub(super) unit: Option<Unit>,
}

/// One aggregate.
#[derive(Clone, Debug)]
pub(super) struct Measure {
    pub(super) name: String,
    pub(super) function: Function,
    /// Whose values it takes in; none for `count`.
    pub(super) field: Option<Field>,
}

/// What an aggregate does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::records) enum Function {
    Count,
    Sum,
    Avg,
    Min,
    Max,
    Distinct,
}

/// A column of the answer.
#[derive(Clone, Debug)]
pub(in crate::records) struct Column {
    pub(in crate::records) name: String,
    pub(in crate::records) kind: Kind,
    pub(in crate::records) style: Style,
}

/// How instants are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::records) enum Style {
    Plain,
    /// In the time zone of the request.
    Hour,
    /// With three digits of a second, as `createdAt` and `updatedAt` are stored.
    Milliseconds,
}

impl Function {
    /// Every function of a field, with its name.
    pub(in crate::records) const ALL: [(&'static str, Self); 5] =
        [("sum", Self::Sum), ("avg", Self::Avg), ("min", Self::Min), ("max", Self::Max), ("distinct", Self::Distinct)];

    /// The function with this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }

    /// Whether it takes values of a kind.
    pub(in crate::records) fn fits(self, kind: Kind) -> bool {
        match self {
            Self::Count => true,
            Self::Sum | Self::Avg => matches!(kind, Kind::Int | Kind::Float | Kind::Decimal),
            Self::Min | Self::Max => !matches!(kind, Kind::Json | Kind::Bool),
            Self::Distinct => kind != Kind::Json,
        }
    }

    /// Whether it counts, so that its result is never null.
    pub(super) fn counts(self) -> bool {
        matches!(self, Self::Count | Self::Distinct)
    }

    /// The kind of its result.
    fn result(self, kind: Kind) -> Kind {
        match self {
            Self::Count | Self::Distinct => Kind::Int,
            Self::Avg if kind != Kind::Decimal => Kind::Float,
            Self::Sum | Self::Avg | Self::Min | Self::Max => kind,
        }
    }
}

impl Key {
    /// What the column of the key holds.
    pub(super) fn shape(&self) -> (Kind, Style) {
        let style = if self.unit == Some(Unit::Hour) { Style::Hour } else { Style::of(&self.field) };
        (self.unit.map_or(self.field.kind, Unit::kind), style)
    }
}

impl Measure {
    /// What the column of the aggregate holds.
    pub(super) fn shape(&self) -> (Kind, Style) {
        match &self.field {
            None => (Kind::Int, Style::Plain),
            Some(field) => (self.function.result(field.kind), Style::of(field)),
        }
    }
}

impl Column {
    /// A column of this shape; without one, of an item that is at fault.
    pub(super) fn new(name: String, shape: Option<(Kind, Style)>) -> Self {
        let (kind, style) = shape.unwrap_or((Kind::Json, Style::Plain));
        Self { name, kind, style }
    }
}

impl Style {
    fn of(field: &Field) -> Self {
        if matches!(field.slot, CREATED_AT | UPDATED_AT) { Self::Milliseconds } else { Self::Plain }
    }
}

impl Request {
    /// The slots whose values are read, each once: those of the keys first.
    pub(super) fn slots(&self) -> Vec<Slot> {
        let mut slots = Vec::new();
        for slot in self.fields().map(slot_read) {
            if !slots.contains(&slot) {
                slots.push(slot);
            }
        }
        slots
    }

    /// Whether every field is the record's own.
    pub(super) fn is_local(&self) -> bool {
        self.fields().all(|field| field.via.is_empty())
    }

    fn fields(&self) -> impl Iterator<Item = &Field> {
        let keys = self.keys.iter().map(|key| &key.field);
        keys.chain(self.measures.iter().filter_map(|measure| measure.field.as_ref()))
    }

    /// Whether records are counted, and nothing of them is taken in.
    pub(super) fn counts_only(&self) -> bool {
        self.measures.iter().all(|measure| measure.function == Function::Count)
    }

    /// Whether an aggregate shows a decimal with the digits that were sent.
    pub(super) fn needs_texts(&self) -> bool {
        let decimal = |measure: &Measure| measure.field.as_ref().is_some_and(|field| field.kind == Kind::Decimal);
        let shows = |measure: &Measure| matches!(measure.function, Function::Sum | Function::Min | Function::Max);
        self.measures.iter().any(|measure| shows(measure) && decimal(measure))
    }
}
