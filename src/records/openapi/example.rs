//! Examples made from a collection's fields. Each value passed the check that a client's value passes.

use serde_json::{Value, json};

use super::{pattern, schema::fields};
use crate::{
    collections::{Check, Collection, Field, FieldDef, Format},
    http::openapi::Object,
};

/// The id in examples.
pub(super) const ID: &str = "019a9c3e-7b1d-7c52-9d5e-000000000001";
/// Longer texts and lists than these are no examples.
const TEXT_MAX: u64 = 500;
const ITEMS_MAX: u32 = 20;

/// A record as the server shows it, unless a value is hard to make up.
pub(super) fn record(collection: &Collection) -> Option<Value> {
    let mut members = Object::from_iter([
        ("id".to_owned(), json!(ID)),
        ("createdAt".to_owned(), json!("2026-01-31T09:30:00Z")),
        ("updatedAt".to_owned(), json!("2026-02-01T17:05:12.25Z")),
        ("version".to_owned(), json!(3)),
    ]);
    for (def, field) in fields(collection).filter(|(_, field)| !field.hidden) {
        let value = value(def, field).or_else(|| field.nullable.then_some(Value::Null))?;
        members.insert(field.name.clone(), value);
    }
    Some(members.into())
}

/// A body that makes a record.
pub(super) fn create(collection: &Collection) -> Option<Value> {
    let mut members = Object::new();
    for (def, field) in fields(collection) {
        let needed = field.required && !field.has_default;
        match value(def, field) {
            Some(value) => {
                members.insert(field.name.clone(), value);
            }
            None if needed => return None,
            None => {}
        }
    }
    Some(members.into())
}

/// A body that changes a record: one field.
pub(super) fn update(collection: &Collection) -> Value {
    let simple = fields(collection).filter(|(_, field)| !matches!(field.check, Check::Json(_)));
    let changed = simple.filter_map(|(def, field)| Some((field.name.clone(), value(def, field)?))).take(1);
    changed.collect::<Object>().into()
}

/// A page of records.
pub(super) fn list(collection: &Collection) -> Option<Value> {
    Some(json!({"items": [record(collection)?], "nextCursor": null}))
}

/// A value of the field in canonical form.
pub(super) fn value(def: &FieldDef, field: &Field) -> Option<Value> {
    if field.has_default
        && let Ok(default) = serde_json::from_str::<Value>(&field.default)
        && !default.is_null()
        && default != json!([])
    {
        return Some(default);
    }
    let Some((min, _)) = field.many else { return one(def, field, 0) };
    let count = min.max(1);
    if count > ITEMS_MAX {
        return None;
    }
    let single = Field { many: None, ..field.clone() };
    let items = (0..count).map(|variant| one(def, &single, variant)).collect::<Option<Vec<_>>>()?;
    accepted(field, &items.into())
}

/// One value; another for each `variant` where the field allows.
fn one(def: &FieldDef, field: &Field, variant: u32) -> Option<Value> {
    candidates(def, field, variant).iter().find_map(|candidate| accepted(field, candidate))
}

fn accepted(field: &Field, value: &Value) -> Option<Value> {
    let (mut text, mut errors) = (Vec::new(), Vec::new());
    field.accept(&value.to_string(), "", &mut text, &mut errors);
    if errors.is_empty() { serde_json::from_slice(&text).ok() } else { None }
}

fn candidates(def: &FieldDef, field: &Field, variant: u32) -> Vec<Value> {
    fn or_bounds<T: ToString>(first: Value, range: &crate::collections::Range<T>) -> Vec<Value> {
        let bounds = [&range.min, &range.max].into_iter().flatten();
        let read = |bound: &T| json!(bound.to_string());
        [first].into_iter().chain(bounds.map(read)).collect()
    }
    match &field.check {
        Check::Text { min, max, format, .. } if *min <= TEXT_MAX => texts(def, *min, *max, *format, variant),
        Check::Text { .. } => Vec::new(),
        Check::Integer(range) => [Some(10), range.min, range.max].into_iter().flatten().map(Value::from).collect(),
        Check::Number(range) => [Some(1.5), range.min, range.max].into_iter().flatten().map(Value::from).collect(),
        Check::Decimal(range) => or_bounds(json!("12.50"), range),
        Check::Boolean => vec![json!(true)],
        Check::DateTime(range) => or_bounds(json!("2026-01-31T09:30:00Z"), range),
        Check::Date(range) => or_bounds(json!("2026-01-31"), range),
        Check::Json(_) => vec![json!({"key": "value"}), json!(0)],
        Check::Enum(_) => {
            let values = def.values.as_deref().unwrap_or_default();
            values.get(usize::try_from(variant).unwrap_or(0)).map(|value| json!(value)).into_iter().collect()
        }
        Check::Relation { .. } | Check::File => vec![json!(format!("019a9c3e-7b1d-7c52-9d5e-{:012x}", variant + 16))],
        Check::GeoPoint => vec![json!({"lat": 52.52, "lon": 13.405})],
    }
}

fn texts(def: &FieldDef, min: u64, max: u64, format: Option<Format>, variant: u32) -> Vec<Value> {
    let number = variant + 1;
    let mut texts = match format {
        Some(Format::Email) => vec![format!("ann{number}@example.com"), format!("a{number}@b.co")],
        Some(Format::Url) => vec![format!("https://example.com/{number}"), format!("http://a.b/{number}")],
        Some(Format::Slug) => vec![format!("example-{number}"), format!("e{number}")],
        Some(Format::Uuid) => vec![format!("019a9c3e-7b1d-7c52-9d5e-{number:012x}")],
        None if variant == 0 => vec![format!("Example of {}", spaced(&def.name))],
        None => vec![format!("{number}. example of {}", spaced(&def.name))],
    };
    if let Some(pattern) = &def.pattern {
        texts.extend(pattern::samples(pattern, variant));
    }
    let fitted = texts.iter().map(|text| fit(text, min, max)).collect::<Vec<_>>();
    texts.into_iter().chain(fitted).map(Value::from).collect()
}

/// `publishedAt` and `published_at` make `published at`.
fn spaced(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if (c.is_ascii_uppercase() || c == '_') && !text.is_empty() && !text.ends_with(' ') {
            text.push(' ');
        }
        text.extend((c != '_').then(|| c.to_ascii_lowercase()));
    }
    text.trim_end().to_owned()
}

/// The text made as long as it must and as short as it may be.
fn fit(text: &str, min: u64, max: u64) -> String {
    let length = |bound: u64| usize::try_from(bound).unwrap_or(usize::MAX);
    let wanted = text.chars().count().max(length(min)).min(length(max));
    text.chars().chain(" and more".chars().cycle()).take(wanted).collect()
}
