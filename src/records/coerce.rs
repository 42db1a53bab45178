//! Reading foreign data as a person would: names in another case, numbers for ids, texts for numbers.
//!
//! Only imports do this. The API takes values as the schema says.

use std::borrow::Cow;

use super::input::Members;
use crate::{
    collections::{Check, Collection, Field, Slot, catalog::ID},
    expr::Kind,
};

/// What the values of members are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// JSON as someone wrote it.
    Json,
    /// Texts, whatever is meant: the cells of a table.
    Cells,
}

/// The members under the names of the collection's fields and in the JSON types of their fields, where it is clear what
/// is meant. What is not clear stays as it is, and is refused by the check of the record.
pub(super) fn coerce<'a>(collection: &Collection, members: Members<'a>, source: Source) -> Members<'a> {
    members.into_iter().map(|(name, value)| coerce_member(collection, name, value, source)).collect()
}

fn coerce_member<'a>(
    collection: &Collection,
    name: Cow<'a, str>,
    value: Cow<'a, str>,
    source: Source,
) -> (Cow<'a, str>, Cow<'a, str>) {
    let Some(slot) = find_slot(collection, &name) else { return (name, value) };
    let value = if slot == ID {
        number_as_text(value)
    } else {
        let as_json = |field: &Field, value| if source == Source::Cells { nested(field, value) } else { value };
        collection.field(slot).map_or(value.clone(), |field| coerce_value(field, as_json(field, value)))
    };
    (Cow::Owned(collection.slot_name(slot).to_owned()), value)
}

/// The field that a name means: itself, its camelCase form, or the relation whose id it is (`album_id` for `album`).
fn find_slot(collection: &Collection, name: &str) -> Option<Slot> {
    let camel = camel_case(name);
    let relation = camel.strip_suffix("Id").or_else(|| name.strip_suffix("_id"));
    let is_relation = |slot: &Slot| collection.field(*slot).is_some_and(|f| matches!(f.check, Check::Relation { .. }));
    let by_relation = || relation.and_then(|name| collection.slot(name)).filter(is_relation);
    collection.slot(name).or_else(|| collection.slot(&camel)).or_else(by_relation)
}

fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        if matches!(c, '_' | '-' | ' ') {
            upper = !camel.is_empty();
        } else if std::mem::take(&mut upper) {
            camel.extend(c.to_uppercase());
        } else {
            camel.push(c);
        }
    }
    camel
}

/// The JSON that a cell holds, for a field that holds JSON or a list.
fn nested<'a>(field: &Field, value: Cow<'a, str>) -> Cow<'a, str> {
    if field.many.is_none() && field.kind() != Kind::Json {
        return value;
    }
    let meant = |text: &String| {
        let list = field.many.is_none() || text.trim_start().starts_with('[');
        list && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    };
    text_of(&value).filter(meant).map_or(value, |text| Cow::Owned(text.trim().to_owned()))
}

fn coerce_value<'a>(field: &Field, value: Cow<'a, str>) -> Cow<'a, str> {
    if let Some(list) =
        value.strip_prefix('[').and_then(|_| serde_json::from_str::<Vec<&serde_json::value::RawValue>>(&value).ok())
        && field.many.is_some()
    {
        let items: Vec<_> =
            list.iter().map(|item| coerce_item(field, Cow::Borrowed(item.get())).into_owned()).collect();
        return Cow::Owned(format!("[{}]", items.join(",")));
    }
    if value == "\"\"" && field.nullable && !matches!(field.check, Check::Text { .. } | Check::Json(_)) {
        return Cow::Borrowed("null");
    }
    coerce_item(field, value)
}

fn coerce_item<'a>(field: &Field, value: Cow<'a, str>) -> Cow<'a, str> {
    match field.kind() {
        Kind::Str => number_as_text(value),
        Kind::Int | Kind::Float | Kind::Bool => match text_of(&value) {
            Some(text) => plain_or(text.trim().to_ascii_lowercase(), value),
            None => value,
        },
        Kind::DateTime => match text_of(&value).and_then(|text| to_date_time(&text)) {
            Some(instant) => Cow::Owned(format!("\"{instant}\"")),
            None => value,
        },
        Kind::Decimal | Kind::Date | Kind::Json => value,
    }
}

/// The text when it is a JSON number or boolean by itself, else the value that it came from.
fn plain_or<'a>(text: String, otherwise: Cow<'a, str>) -> Cow<'a, str> {
    let plain = text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) || text == "true" || text == "false";
    if plain && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() { Cow::Owned(text) } else { otherwise }
}

fn text_of(value: &str) -> Option<String> {
    if value.starts_with('"') { serde_json::from_str(value).ok() } else { None }
}

fn number_as_text(value: Cow<'_, str>) -> Cow<'_, str> {
    if value.starts_with(|c: char| c == '-' || c.is_ascii_digit()) { Cow::Owned(format!("\"{value}\"")) } else { value }
}

/// Times without an offset are UTC; a blank may stand for the `T`.
fn to_date_time(text: &str) -> Option<jiff::Timestamp> {
    if let Ok(instant) = text.parse() {
        return Some(instant);
    }
    let civil: jiff::civil::DateTime = text.trim().parse().ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}
