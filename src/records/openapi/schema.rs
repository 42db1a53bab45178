//! JSON Schemas of a collection: what the server shows, and what it accepts.

use std::fmt::{Display, Write as _};

use serde_json::{Value, json};

use super::{names::Name, pattern, relations::Relation, shapes, text::code};
use crate::{
    collections::{Check, Collection, Field, FieldDef, Format, OnDelete, Range},
    http::openapi::Object,
    kernel::RecordId,
};

const EXPAND: &str = "The records that relations lead to, as far as you may see them; only with `expand`.";
const SLUG: &str = "^[a-z0-9]+(?:-[a-z0-9]+)*$";
const DECIMAL: &str = r"^-?[0-9]+(?:\.[0-9]+)?$";
const ID: &str = "^[A-Za-z0-9._~-]+$";

/// The collection's own fields, as they were defined and as they work.
pub(super) fn fields(collection: &Collection) -> impl Iterator<Item = (&FieldDef, &Field)> {
    collection.def.fields.iter().zip(&collection.fields)
}

/// A record as the server shows it.
pub(super) fn record(collection: &Collection, name: &Name, has_relations: bool) -> Value {
    let mut properties = Object::from_iter([
        ("id".to_owned(), described(id(), "The record's id.")),
        ("createdAt".to_owned(), described(date_time(), "When it was made.")),
        ("updatedAt".to_owned(), described(date_time(), "When it was last changed.")),
        (
            "version".to_owned(),
            json!({"type": "integer", "format": "int64", "minimum": 1, "description": "How often it was written."}),
        ),
    ]);
    let visible = fields(collection).filter(|(_, field)| !field.hidden);
    properties.extend(visible.map(|(def, field)| (field.name.clone(), property(def, field, name, true))));
    // A field with a rule of its own is not in every record.
    let ruled = |name: &str| {
        let mut defs = collection.def.fields.iter();
        defs.any(|def| def.name == name && def.rules.as_ref().is_some_and(|rules| rules.read.is_some()))
    };
    let required: Vec<_> = properties.keys().filter(|name| !ruled(name)).cloned().collect();
    if has_relations {
        properties.insert("expand".into(), shapes::described(&format!("{}Expand", name.schema), EXPAND));
    }
    json!({
        "type": "object",
        "description": about(collection, "A record of"),
        "required": required,
        "properties": properties,
    })
}

/// The records that relations lead to.
pub(super) fn expanded(relations: &[Relation]) -> Value {
    let member = |relation: &Relation| {
        let one = shapes::reference(&relation.schema);
        let schema = match relation.many {
            true => json!({"type": "array", "items": one}),
            false => json!({"anyOf": [one, {"type": "null"}]}),
        };
        (relation.name.clone(), schema)
    };
    json!({
        "type": "object",
        "description": EXPAND,
        "properties": relations.iter().map(member).collect::<Object>(),
    })
}

/// The body that makes a record, or replaces all of one.
pub(super) fn create(collection: &Collection, name: &Name) -> Value {
    let given = "The record's id; the server makes one when there is none. It never changes.";
    let mut properties = Object::from_iter([("id".to_owned(), described(id(), given))]);
    let mut required = Vec::new();
    for (def, field) in fields(collection) {
        let mut schema = property(def, field, name, false);
        if field.required && !field.has_default {
            required.push(field.name.clone());
        } else if field.default != "null" {
            note_default(&mut schema, &field.default);
        }
        properties.insert(field.name.clone(), schema);
    }
    let mut schema = input(properties, about(collection, "A whole record for"));
    if let (Some(schema), false) = (schema.as_object_mut(), required.is_empty()) {
        schema.shift_insert(2, "required".into(), json!(required));
    }
    schema
}

/// The keyword `default` would make members that may be absent required ones in the types of some generated clients.
fn note_default(schema: &mut Value, default: &str) {
    let Some(schema) = schema.as_object_mut() else { return };
    let before = schema.get("description").and_then(Value::as_str).map(|text| format!("{text} "));
    schema.insert("description".into(), format!("{}Default: {}.", before.unwrap_or_default(), code(default)).into());
}

/// The body that changes some fields.
pub(super) fn update(collection: &Collection, name: &Name) -> Value {
    let properties = fields(collection).map(|(def, field)| (field.name.clone(), property(def, field, name, false)));
    input(properties.collect(), about(collection, "Some fields of a record of"))
}

/// A page of records.
pub(super) fn list(collection: &Collection, record: &str) -> Value {
    json!({
        "type": "object",
        "description": about(collection, "A page of records of"),
        "required": ["items", "nextCursor"],
        "properties": {
            "items": {"type": "array", "items": shapes::reference(record)},
            "nextCursor": {
                "type": ["string", "null"],
                "description": "The `cursor` of the next page; null on the last one.",
            },
            "page": {
                "type": "integer", "format": "int64", "minimum": 1,
                "description": "The number of the page; only when it was asked for by number.",
            },
            "total": {
                "type": "integer", "format": "int64", "minimum": 0,
                "description": "How many records match in all; only with `total=true`.",
            },
            "explain": shapes::described("QueryExplanation", "How they were found; only with `explain=true`."),
        },
    })
}

fn input(properties: Object, description: String) -> Value {
    json!({
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": false,
    })
}

fn about(collection: &Collection, what: &str) -> String {
    format!("{what} `{}`.", collection.def.name)
}

fn described(mut schema: Value, description: &str) -> Value {
    schema.as_object_mut().and_then(|schema| schema.insert("description".into(), description.into()));
    schema
}

/// A decimal.
pub(super) fn decimal() -> Value {
    json!({"type": "string", "format": "decimal", "pattern": DECIMAL})
}

/// The id of a record.
pub(super) fn id() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": RecordId::LENGTH_MAX, "pattern": ID})
}

fn date_time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// The schema of a field's values, in an answer (`shown`) or in a body.
fn property(def: &FieldDef, field: &Field, name: &Name, shown: bool) -> Value {
    let mut schema = one(def, field, name);
    if let Some((min, max)) = field.many {
        schema = json!({"type": "array", "items": schema, "maxItems": max, "uniqueItems": true});
        if let (Some(schema), true) = (schema.as_object_mut(), min > 0) {
            schema.insert("minItems".into(), min.into());
        }
    }
    if field.nullable {
        schema = nullable(schema);
    }
    let Some(object) = schema.as_object_mut() else { return schema };
    let description = describe(def, field);
    if !description.is_empty() {
        object.insert("description".into(), description.into());
    }
    if field.hidden && !shown {
        object.insert("writeOnly".into(), true.into());
    }
    schema
}

fn nullable(mut schema: Value) -> Value {
    if schema.get("$ref").is_some() {
        return json!({"anyOf": [schema, {"type": "null"}]});
    }
    if let Some(kind) = schema.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
    }
    schema
}

/// The schema of one value, null aside.
fn one(def: &FieldDef, field: &Field, name: &Name) -> Value {
    match &field.check {
        Check::Text { min, max, format, .. } => text(def, *min, *max, *format),
        Check::Integer(range) => ranged(json!({"type": "integer", "format": "int64"}), range),
        Check::Number(range) => ranged(json!({"type": "number", "format": "double"}), range),
        Check::Decimal(_) => decimal(),
        Check::Boolean => json!({"type": "boolean"}),
        Check::DateTime(_) => date_time(),
        Check::Date(_) => json!({"type": "string", "format": "date"}),
        Check::Json(_) => json!({}),
        Check::Enum(_) => match name.enums.get(&field.name) {
            Some(name) => shapes::reference(name),
            None => choice(def),
        },
        Check::Relation { .. } | Check::File => id(),
        Check::GeoPoint => shapes::reference("GeoPoint"),
    }
}

/// The values of an enum field.
fn choice(def: &FieldDef) -> Value {
    json!({"type": "string", "enum": def.values})
}

/// The schemas of the enum fields, by their names.
pub(super) fn enums(collection: &Collection, name: &Name) -> Object {
    let named = |def: &FieldDef| {
        let description = format!("The values of `{}` of `{}`.", def.name, collection.def.name);
        Some((name.enums.get(&def.name)?.clone(), described(choice(def), &description)))
    };
    collection.def.fields.iter().filter_map(named).collect()
}

fn text(def: &FieldDef, min: u64, max: u64, format: Option<Format>) -> Value {
    let mut schema = Object::from_iter([("type".to_owned(), json!("string"))]);
    if min > 0 {
        schema.insert("minLength".into(), min.into());
    }
    schema.insert("maxLength".into(), max.into());
    match format {
        Some(Format::Email) => schema.insert("format".into(), "email".into()),
        Some(Format::Url) => schema.insert("format".into(), "uri".into()),
        Some(Format::Uuid) => schema.insert("format".into(), "uuid".into()),
        Some(Format::Slug) => schema.insert("pattern".into(), SLUG.into()),
        None => None,
    };
    // The narrower of two patterns is the one that people wrote; two in one schema confuse client generators.
    if let Some(pattern) = def.pattern.as_deref().and_then(pattern::portable) {
        schema.insert("pattern".into(), pattern.into());
    }
    schema.into()
}

fn ranged<T: Copy + Into<Value>>(mut schema: Value, range: &Range<T>) -> Value {
    let bounds = [("minimum", range.min), ("maximum", range.max)];
    if let Some(schema) = schema.as_object_mut() {
        schema.extend(bounds.into_iter().filter_map(|(name, bound)| Some((name.to_owned(), bound?.into()))));
    }
    schema
}

/// What people wrote of a field, and what no keyword says.
fn describe(def: &FieldDef, field: &Field) -> String {
    let mut text = def.description.clone().unwrap_or_default();
    let mut say = |sentence: &dyn Display| {
        let gap = if text.is_empty() { "" } else { " " };
        // Writing to a String does not fail.
        let _ = write!(text, "{gap}{sentence}");
    };
    match &field.check {
        Check::Text { format, .. } => {
            match format {
                Some(Format::Url) => say(&"An http or https URL."),
                Some(Format::Slug) => say(&"Lower-case words joined by hyphens."),
                Some(Format::Email | Format::Uuid) | None => {}
            }
            if let Some(pattern) = def.pattern.as_deref().filter(|own| pattern::portable(own).is_none()) {
                say(&format_args!("Matches the pattern {}.", code(pattern)));
            }
        }
        Check::Decimal(range) => {
            say(&"An exact decimal of at most 28 digits.");
            bounds(range, say);
        }
        Check::DateTime(range) => bounds(range, say),
        Check::Date(range) => bounds(range, say),
        Check::Json(bytes) => {
            let null = if field.nullable { "" } else { " but null" };
            say(&format_args!("Any JSON value{null}, of at most {bytes} bytes."));
        }
        Check::Relation { collection, on_delete } => {
            let each = if field.many.is_some() { "Ids of records" } else { "The id of a record" };
            say(&format_args!("{each} of `{collection}`. {}", fate(*on_delete, field.many.is_some())));
        }
        Check::File => say(&if field.many.is_some() { "Ids of files." } else { "The id of a file." }),
        Check::Integer(_) | Check::Number(_) | Check::Boolean | Check::Enum(_) | Check::GeoPoint => {}
    }
    if def.unique {
        let gap = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{gap}No two records have the same value.");
    }
    text
}

fn bounds<T: Display>(range: &Range<T>, mut say: impl FnMut(&dyn Display)) {
    for (word, bound) in [("least", &range.min), ("most", &range.max)] {
        if let Some(bound) = bound {
            say(&format_args!("At {word} {bound}."));
        }
    }
}

fn fate(on_delete: OnDelete, many: bool) -> &'static str {
    match (on_delete, many) {
        (OnDelete::Restrict, _) => "A record that is named here cannot be deleted.",
        (OnDelete::Cascade, _) => "This record is deleted with the one it names.",
        (OnDelete::SetNull, false) => "Becomes null when that record is deleted.",
        (OnDelete::SetNull, true) => "Loses the ids of records that are deleted.",
    }
}
