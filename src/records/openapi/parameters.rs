//! Parameters of the requests about records, with what this collection's fields make of them.

use serde_json::{Value, json};

use super::{
    example,
    schema::{self, fields},
    text::{code, code_list},
};
use crate::{
    collections::{Collection, RecordScope, Slot},
    expr::{self, Kind},
    records::query::{LIMIT_DEFAULT, LIMIT_MAX, SORT_MAX},
};

/// An expression that fits every collection.
const FILTER_ANY: &str = "createdAt >= \"2026-01-01\"";

/// The parameters of a list.
pub(super) fn list(collection: &Collection) -> Value {
    let sortable: Vec<&str> = visible(collection, |kind, many| kind != Kind::Json && !many).collect();
    json!([
        filter(collection),
        query(
            "sort",
            format!(
                "Up to {SORT_MAX} fields by which to order, separated by commas; `-` descends. There are {}.",
                code_list(sortable.iter().copied()),
            ),
            json!({"type": "string", "pattern": terms(&sortable, "-?", SORT_MAX - 1)}),
            "-createdAt",
        ),
        query(
            "limit",
            "How many records a page has at most.",
            json!({"type": "integer", "format": "int32", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}),
            LIMIT_DEFAULT,
        ),
        query(
            "cursor",
            "The `nextCursor` of the page before, with the same filter and order.",
            json!({"type": "string"}),
            Value::Null
        ),
        query(
            "total",
            "Whether to count all records that match.",
            json!({"type": "boolean", "default": false}),
            Value::Null
        ),
        shown(collection),
        query(
            "explain",
            "Whether to tell how the records were found.",
            json!({"type": "boolean", "default": false}),
            Value::Null
        ),
    ])
}

/// The parameter that picks fields.
pub(super) fn shown(collection: &Collection) -> Value {
    let names: Vec<&str> = visible(collection, |_, _| true).collect();
    query(
        "fields",
        "The fields to show, separated by commas; all when absent. A record then lacks the others.",
        json!({"type": "string", "pattern": terms(&names, "", names.len())}),
        Value::Null,
    )
}

/// The id in the path.
pub(super) fn id() -> Value {
    json!({"name": "id", "in": "path", "required": true, "description": "The record's id.", "schema": schema::id(), "example": example::ID})
}

/// The version that a write expects.
pub(super) fn if_match() -> Value {
    header(
        "If-Match",
        "The `ETag` of the record as it was read. If it has changed since, the answer is 412 and nothing is written.",
    )
}

/// The version that a reader has.
pub(super) fn if_none_match() -> Value {
    header(
        "If-None-Match",
        "The `ETag` of the record as it was read. If it has not changed since, the answer is 304 without a body.",
    )
}

fn header(name: &str, description: &str) -> Value {
    json!({"name": name, "in": "header", "description": description, "schema": {"type": "string"}, "example": "\"3\""})
}

/// A parameter of the query.
pub(super) fn query(name: &str, description: impl Into<String>, schema: Value, example: impl Into<Value>) -> Value {
    let mut parameter = json!({"name": name, "in": "query", "description": description.into(), "schema": schema});
    let example = example.into();
    if let (Some(parameter), false) = (parameter.as_object_mut(), example.is_null()) {
        parameter.insert("example".into(), example);
    }
    parameter
}

/// The names that a client may use, of the fields whose kind fits.
pub(super) fn visible(collection: &Collection, fits: impl Fn(Kind, bool) -> bool) -> impl Iterator<Item = &str> {
    let slots = (0..collection.slot_count()).filter(|slot: &Slot| collection.is_visible(*slot));
    let fitting = slots.filter(move |slot| {
        let (kind, many) = collection.kind(*slot);
        fits(kind, many)
    });
    fitting.map(|slot| collection.slot_name(slot))
}

/// A pattern of names, each perhaps with a sign before it, separated by commas.
fn terms(names: &[&str], sign: &str, more: usize) -> String {
    let name = names.join("|");
    format!("^{sign}(?:{name})(?:,{sign}(?:{name})){{0,{more}}}$")
}

/// The parameter that picks records.
pub(super) fn filter(collection: &Collection) -> Value {
    let example = filter_example(collection);
    let description = format!(
        "Which records to list: comparisons with `= != < <= > >= ~ !~ in`, joined by `&&`, `||`, `!` and parentheses; \
         `~` finds a text within a text, whatever the case. There are the fields {}; and `@auth.id`, `@auth.email`, \
         `@auth.roles` of the caller. For example {}.",
        code_list(visible(collection, |_, _| true)),
        code(&example),
    );
    query("filter", description, json!({"type": "string", "maxLength": expr::SOURCE_BYTES_MAX}), example)
}

/// A filter on a real field.
pub(super) fn filter_example(collection: &Collection) -> String {
    let visible = fields(collection).filter(|(_, field)| !field.hidden);
    let mut filters = visible.filter_map(|(def, field)| {
        let value = example::value(def, field)?;
        let name = &field.name;
        Some(match (field.kind(), field.many) {
            (Kind::Str, Some(_)) => format!("{} in {name}", value.get(0)?),
            (Kind::Str | Kind::Bool, None) => format!("{name} = {value}"),
            (Kind::Decimal, None) => format!("{name} >= {}", value.as_str()?),
            (Kind::Int | Kind::Float | Kind::DateTime | Kind::Date, None) => format!("{name} >= {value}"),
            _ => return None,
        })
    });
    let fits = |filter: &String| expr::compile(filter, &RecordScope::rule(collection, collection)).is_ok();
    filters.find(fits).unwrap_or_else(|| FILTER_ANY.to_owned())
}
