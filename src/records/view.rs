//! A stored record as expressions see it.

use std::{borrow::Cow, ops::ControlFlow};

use jiff::Timestamp;
use serde_json::Value as Json;

use super::{RecordError, related::Related};
use crate::{
    collections::{Collection, Slots, catalog::ID},
    expr::{Expr, Field, Hop, Kind, Root, Value, Values},
    kernel::Scalar,
};

/// The values of a record, of the record before, of a body, and of the records that they lead to.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) collection: &'a Collection,
    pub(super) record: &'a Slots<'a>,
    pub(super) old: Option<&'a Slots<'a>>,
    pub(super) body: Option<&'a Slots<'a>>,
    pub(super) related: &'a dyn Related,
    pub(super) now: Timestamp,
}

impl<'a> View<'a> {
    /// A record with nothing beside it.
    pub(super) fn of(
        collection: &'a Collection,
        record: &'a Slots<'a>,
        related: &'a dyn Related,
        now: Timestamp,
    ) -> Self {
        Self { collection, record, old: None, body: None, related, now }
    }

    /// Whether the condition holds.
    pub(super) fn satisfies(&self, condition: &Expr) -> Result<bool, RecordError> {
        let holds = condition.eval(self);
        self.related.check()?;
        Ok(holds)
    }

    fn slots(&self, root: Root) -> Option<&'a Slots<'a>> {
        match root {
            Root::Record | Root::Item => Some(self.record),
            Root::Old => self.old,
            Root::Body => self.body,
            Root::Auth | Root::Value => None,
        }
    }

    /// The values behind relations: of one record, its value; of many, all of theirs.
    fn reached(&self, field: &Field) -> Value<'static> {
        let mut target = Field { root: Root::Record, via: Vec::new(), ..field.clone() };
        let mut values = Vec::new();
        let _ = self.follow(field.root, &field.via, &mut |view| {
            target.many = view.collection.kind(field.slot).1;
            match view.value(&target) {
                Value::Many(items) => values.extend(items.into_iter().map(kept)),
                Value::Null if field.many => {}
                value => values.push(kept(value)),
            }
            ControlFlow::Continue(())
        });
        if field.many { Value::Many(values) } else { values.pop().unwrap_or(Value::Null) }
    }

    /// Shows each record at the end of a path that may be seen.
    fn follow(&self, root: Root, via: &[Hop], visit: &mut dyn FnMut(&View<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        let Some((hop, rest)) = via.split_first() else { return visit(self) };
        let (Some(slots), Some(target)) = (self.slots(root), self.related.collection(hop.to)) else {
            return ControlFlow::Continue(());
        };
        for id in self.targets(slots, hop, target) {
            let Some(record) = self.related.record(target, &id) else { continue };
            let Ok(slots) = Slots::read(target, &record) else { continue };
            let view = View::of(target, &slots, self.related, self.now);
            if hop.guard.as_ref().is_none_or(|guard| guard.eval(&view)) {
                view.follow(Root::Record, rest, visit)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Shows the text of each record that one step leads to and that may be seen.
    pub(super) fn reach(&self, hop: &Hop, visit: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) {
        let Some(target) = self.related.collection(hop.to) else { return };
        for id in self.targets(self.record, hop, target) {
            let Some(record) = self.related.record(target, &id) else { continue };
            let seen = |guard: &std::sync::Arc<Expr>| {
                let slots = Slots::read(target, &record);
                slots.is_ok_and(|slots| guard.eval(&View::of(target, &slots, self.related, self.now)))
            };
            if hop.guard.as_ref().is_none_or(seen) && visit(&record).is_break() {
                return;
            }
        }
    }

    fn targets(&self, slots: &Slots<'_>, hop: &Hop, target: &Collection) -> Vec<String> {
        if hop.back {
            let id = slots.get(ID).unwrap_or_default().trim_matches('"');
            return self.related.referring(target, hop.slot, id);
        }
        let text = |scalar| if let Scalar::Str(id) = scalar { Some(id) } else { None };
        slots.scalars(self.collection, hop.slot).into_iter().filter_map(text).collect()
    }
}

impl Values for View<'_> {
    fn value(&self, field: &Field) -> Value<'_> {
        if !field.via.is_empty() {
            return self.reached(field);
        }
        let slots = self.slots(field.root);
        // A stored record that was not rewritten yet has the default of a field that is new.
        let default = || match field.root {
            Root::Record | Root::Item | Root::Old => self.collection.field(field.slot).map(|own| own.default.as_str()),
            Root::Auth | Root::Body | Root::Value => None,
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

    fn each(&self, over: &Field, visit: &mut dyn FnMut(&dyn Values) -> bool) {
        let _ = self.follow(over.root, &over.via, &mut |record| {
            let item = Item { record, outer: self };
            if visit(&item) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
    }

    fn now(&self) -> Timestamp {
        self.now
    }
}

/// One record of many, and all that is around it.
struct Item<'a> {
    record: &'a View<'a>,
    outer: &'a dyn Values,
}

impl Values for Item<'_> {
    fn value(&self, field: &Field) -> Value<'_> {
        if field.root == Root::Item { self.record.value(field) } else { self.outer.value(field) }
    }

    fn each(&self, over: &Field, visit: &mut dyn FnMut(&dyn Values) -> bool) {
        if over.root == Root::Item { self.record.each(over, visit) } else { self.outer.each(over, visit) }
    }

    fn now(&self) -> Timestamp {
        self.record.now
    }
}

/// The value without what it borrows from.
fn kept(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Str(text) => Value::Str(Cow::Owned(text.into_owned())),
        Value::Many(items) => Value::Many(items.into_iter().map(kept).collect()),
        Value::Null => Value::Null,
        Value::Bool(value) => Value::Bool(value),
        Value::Int(value) => Value::Int(value),
        Value::Float(value) => Value::Float(value),
        Value::Decimal(value) => Value::Decimal(value),
        Value::DateTime(value) => Value::DateTime(value),
        Value::Date(value) => Value::Date(value),
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
        let slot = slot_read(field);
        if field.root == Root::Record && !slots.contains(&slot) {
            slots.push(slot);
        }
    });
    slots
}

/// The slot of the record itself that a field is read from, or that leads to it.
pub(super) fn slot_read(field: &Field) -> usize {
    match field.via.first() {
        Some(hop) if hop.back => ID,
        Some(hop) => hop.slot,
        None => field.slot,
    }
}

/// Whether an expression looks at nothing but the record itself.
pub(super) fn is_local(expr: &Expr) -> bool {
    let mut local = true;
    expr.for_each_field(&mut |field| local &= field.via.is_empty());
    local
}
