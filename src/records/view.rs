//! A stored record as expressions see it.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::{
    collections::{Collection, Slots},
    expr::{Expr, Field, Kind, Root, Value, Values},
    kernel::Scalar,
};

/// The values of a record, of the record before, and of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) collection: &'a Collection,
    pub(super) record: &'a Slots<'a>,
    pub(super) old: Option<&'a Slots<'a>>,
    pub(super) body: Option<&'a Slots<'a>>,
    pub(super) now: Timestamp,
}

impl<'a> View<'a> {
    /// A record with nothing beside it.
    pub(super) fn of(collection: &'a Collection, record: &'a Slots<'a>, now: Timestamp) -> Self {
        Self { collection, record, old: None, body: None, now }
    }
}

impl Values for View<'_> {
    fn value(&self, field: &Field) -> Value<'_> {
        let slots = match field.root {
            Root::Record => Some(self.record),
            Root::Old => self.old,
            Root::Body => self.body,
            Root::Auth => None,
        };
        // A stored record that was not rewritten yet has the default of a field that is new.
        let default = || match field.root {
            Root::Record | Root::Old => self.collection.field(field.slot).map(|own| own.default.as_str()),
            Root::Auth | Root::Body => None,
        };
        let Some(raw) = slots.and_then(|slots| slots.get(field.slot).or_else(default)) else { return Value::Null };
        if raw == "null" {
            return Value::Null;
        }
        match (field.kind, field.many) {
            (Kind::Json, _) => json_value(raw, &field.rest),
            (_, true) => {
                let items = self.collection.field(field.slot).map(|own| own.scalars(raw)).unwrap_or_default();
                Value::Many(items.into_iter().map(owned).collect())
            }
            (kind, false) => plain(kind, raw),
        }
    }

    fn now(&self) -> Timestamp {
        self.now
    }
}

/// The value of canonical JSON text. A text without escapes is borrowed.
fn plain(kind: Kind, raw: &str) -> Value<'_> {
    let inner = || raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    let found = match kind {
        Kind::Bool => Some(Value::Bool(raw == "true")),
        Kind::Int => raw.parse().ok().map(Value::Int),
        Kind::Float => raw.parse().ok().map(Value::Float),
        Kind::Str if raw.contains('\\') => serde_json::from_str(raw).ok().map(|text: String| Value::Str(text.into())),
        Kind::Str => Some(Value::Str(Cow::Borrowed(inner()))),
        Kind::Decimal => inner().parse().ok().map(Value::Decimal),
        Kind::DateTime => inner().parse().ok().map(Value::DateTime),
        Kind::Date => inner().parse().ok().map(Value::Date),
        Kind::Json => None,
    };
    found.unwrap_or(Value::Null)
}

fn owned(scalar: Scalar) -> Value<'static> {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(value),
        Scalar::Int(value) => Value::Int(value),
        Scalar::Float(value) => Value::Float(value),
        Scalar::Decimal(value) => Value::Decimal(value),
        Scalar::Str(value) => Value::Str(value.into()),
        Scalar::DateTime(value) => Value::DateTime(value),
        Scalar::Date(value) => Value::Date(value),
        Scalar::Uuid(value) => Value::Str(value.to_string().into()),
    }
}

fn json_value(raw: &str, path: &[String]) -> Value<'static> {
    let Ok(mut json) = serde_json::from_str::<Json>(raw) else { return Value::Null };
    for name in path {
        match json.get_mut(name) {
            Some(inner) => json = inner.take(),
            None => return Value::Null,
        }
    }
    json_owned(json)
}

fn json_owned(json: Json) -> Value<'static> {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or(0.0)), Value::Int)
        }
        Json::String(text) => Value::Str(text.into()),
        Json::Array(items) => Value::Many(items.into_iter().map(json_owned).collect()),
        // Not absent, and equal to nothing.
        Json::Object(_) => Value::Many(Vec::new()),
    }
}

/// The slots of the record that an expression reads: only these are looked for in stored bytes.
pub(super) fn slots_read(expr: &Expr) -> Vec<usize> {
    let mut slots = Vec::new();
    expr.for_each_field(&mut |field| {
        if field.root == Root::Record && !slots.contains(&field.slot) {
            slots.push(field.slot);
        }
    });
    slots
}
