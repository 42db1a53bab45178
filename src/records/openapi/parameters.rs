//! Parameters of the requests about records, with what this collection's fields make of them.

use serde_json::{Value, json};

use super::{
    example,
    relations::Relation,
    schema::{self, fields},
    text::{code, code_list},
};
use crate::{
    collections::{Collection, RecordScope, Slot},
    expr::{self, Kind},
    records::{
        KEY_MAX,
        query::{LIMIT_DEFAULT, LIMIT_MAX, OFFSET_MAX, SORT_MAX},
    },
};

/// An expression that fits every collection.
const FILTER_ANY: &str = "createdAt >= \"2026-01-01\"";

/// The parameters of a list.
pub(super) fn list(collection: &Collection, relations: &[Relation]) -> Value {
    let sortable: Vec<&str> = visible(collection, |kind, many| kind != Kind::Json && !many).collect();
    let mut parameters = vec![
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
            Value::Null,
        ),
        query(
            "page",
            format!(
                "The number of the page, from 1, instead of a cursor; at most {OFFSET_MAX} records are passed over."
            ),
            json!({"type": "integer", "format": "int32", "minimum": 1}),
            Value::Null,
        ),
        query(
            "total",
            "Whether to count all records that match.",
            json!({"type": "boolean", "default": false}),
            Value::Null,
        ),
        shown(collection),
        query(
            "explain",
            "Whether to tell how the records were found.",
            json!({"type": "boolean", "default": false}),
            Value::Null,
        ),
    ];
    parameters.extend(expand(relations));
    parameters.into()
}

/// The parameter that shows the records behind relations.
pub(super) fn expand(relations: &[Relation]) -> Option<Value> {
    let first = relations.first()?;
    let description = format!(
        "The relations whose records to show under `expand`, separated by commas; a point leads on, as in `{}.createdBy`. There \
         are {}.",
        first.name,
        code_list(relations.iter().map(|relation| relation.name.as_str())),
    );
    Some(query("expand", description, json!({"type": "string"}), Value::Null))
}

/// The fields by which an upsert finds its record.
pub(super) fn by(collection: &Collection) -> Value {
    let unique = collection.def.indexes.iter().filter(|index| index.unique);
    let names =
        unique.map(|index| index.fields.iter().map(|term| term.trim_start_matches('-')).collect::<Vec<_>>().join(","));
    let names: Vec<String> = ["id".to_owned()].into_iter().chain(names).collect();
    query(
        "by",
        format!(
            "The fields of a unique index, by which the record is found. There are {}.",
            code_list(names.iter().map(String::as_str))
        ),
        json!({"type": "string", "default": "id"}),
        Value::Null,
    )
}

/// The parameters of a history.
pub(super) fn history(default: usize, max: usize) -> Value {
    json!([
        query(
            "limit",
            "How many changes a page has at most.",
            json!({"type": "integer", "format": "int32", "minimum": 1, "maximum": max, "default": default}),
            Value::Null,
        ),
        query("cursor", "The `nextCursor` of the page before.", json!({"type": "string"}), Value::Null),
    ])
}

/// Whether a bulk request only counts.
pub(super) fn dry_run() -> Value {
    query(
        "dryRun",
        "Whether only to count the records that match.",
        json!({"type": "boolean", "default": false}),
        Value::Null,
    )
}

/// The key under which a request may be sent again.
pub(super) fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header",
        "description": "A key of your own. The same request with the same key again does nothing and answers as it did, for a day.",
        "schema": {"type": "string", "minLength": 1, "maxLength": KEY_MAX},
    })
}

/// A parameter that must be there.
pub(super) fn required(mut parameter: Value) -> Value {
    parameter.as_object_mut().and_then(|parameter| parameter.insert("required".into(), true.into()));
    parameter
}

/// The parameter that picks fields.
pub(super) fn shown(collection: &Collection) -> Value {
    let names: Vec<&str> = visible(collection, |_, _| true).collect();
    query(
        "fields",
        format!(
            "The fields to show, separated by commas; all when absent. A record then lacks the others. There are {}, and \
             fields of expanded relations behind a point.",
            code_list(names.iter().copied())
        ),
        json!({"type": "string"}),
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
         `~` finds a text within a text, whatever the case. There are the fields {}; those behind a relation, as in \
         `author.name`; `any(…)` and `all(…)` of many; functions such as `startsWith` and `year`; and `@auth.id`, \
         `@auth.email`, `@auth.roles` of the caller, and `@now`, as in `@now - 7d`. For example {}.",
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
