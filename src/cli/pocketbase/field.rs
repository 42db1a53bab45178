//! What a field of PocketBase becomes.

use serde_json::{Value, json};

use super::{read::FieldSpec, report::Report};
use crate::collections::{FieldDef, FieldRules, OnDelete};

/// The greatest length of a `string`, which an index can hold.
const STRING_MAX: u64 = 4_096;
/// The greatest length of PocketBase's text that says nothing of it.
const TEXT_MAX_DEFAULT: u64 = 5_000;
/// The greatest length of a `text`.
const TEXT_MAX: u64 = 1_000_000;
/// The greatest size of PocketBase's JSON that says nothing of it.
const JSON_BYTES_MAX_DEFAULT: u64 = 1 << 20;
/// The greatest number of items of a list.
const ITEMS_MAX: u32 = 1_000;

/// A field by both names, with what its values are.
#[derive(Clone, Debug)]
pub(super) struct Mapped {
    pub(super) from: String,
    pub(super) to: String,
    /// The definition; none for a field that Stead has by itself.
    pub(super) def: Option<FieldDef>,
    pub(super) shape: Shape,
    /// The id of the collection that a relation points at.
    pub(super) target: Option<String>,
    /// Whether it is given when all records are there: it points at records that come later.
    pub(super) late: bool,
}

/// How a value is stored, and what PocketBase stores for an absent one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text {
        blank_is_null: bool,
    },
    Number {
        integer: bool,
        zero_is_null: bool,
    },
    Bool,
    Time,
    /// When the record was made; PocketBase writes it always.
    CreatedAt,
    /// When the record was changed; PocketBase writes it always.
    UpdatedAt,
    /// One text of which "" is none.
    One,
    Many,
    Json,
    Place,
}

/// What is known of the field's surroundings.
pub(super) struct Around<'a> {
    pub(super) collection: &'a str,
    /// The name in Stead.
    pub(super) to: String,
    /// Whether an index is over it.
    pub(super) indexed: bool,
    /// How many characters the longest value has.
    pub(super) longest: u64,
    /// How many URLs have another scheme than http and https.
    pub(super) foreign_urls: u64,
    /// The name in Stead of the collection that the relation points at.
    pub(super) target: Option<String>,
}

/// Maps a field that has no meaning of its own; `None` for one that is not taken over.
pub(super) fn map(field: &FieldSpec, around: Around<'_>, report: &mut Report) -> Option<Mapped> {
    let mut note = |kind, reason: String| report.note(around.collection, kind, field.name.as_str(), reason);
    let base = FieldDef {
        name: around.to.clone(),
        required: field.required,
        nullable: Some(!field.required),
        hidden: field.hidden,
        // PocketBase takes a hidden field from superusers only.
        rules: field.hidden.then(closed_to_writers),
        ..FieldDef::default()
    };
    let many = field.max_select.unwrap_or(0) > 1;
    let (def, shape) = match field.kind.as_str() {
        "text" => text(field, base, &around, &mut note),
        "editor" => (FieldDef { kind: "text".into(), ..base }, Shape::Text { blank_is_null: false }),
        "number" => number(field, base),
        "bool" => {
            if field.required {
                note("field", "that it must be true is not enforced".into());
            }
            (FieldDef { kind: "boolean".into(), ..base }, Shape::Bool)
        }
        "email" => {
            let max = Some(254.into());
            (FieldDef { kind: "string".into(), format: Some("email".into()), max, ..base }, Shape::One)
        }
        "url" => {
            let foreign = around.foreign_urls > 0;
            if foreign {
                note("field", "it is not checked to be a URL, for some have another scheme than http and https".into());
            }
            let format = (!foreign).then(|| "url".into());
            (FieldDef { kind: "string".into(), format, max: Some(STRING_MAX.into()), ..base }, Shape::One)
        }
        "date" | "autodate" => time(field, base),
        "select" => select(field, base, many),
        "file" => {
            let reason = "files are not taken over, only their names; they stay in pb_data/storage";
            note("file", reason.into());
            list(FieldDef { kind: "string".into(), ..base }, many, field)
        }
        "relation" => relation(field, base, many, &around, &mut note),
        "json" => {
            let bytes = field.max_size.filter(|bytes| *bytes > 0).unwrap_or(JSON_BYTES_MAX_DEFAULT);
            (FieldDef { kind: "json".into(), max_bytes: Some(bytes), ..base }, Shape::Json)
        }
        "geoPoint" => (FieldDef { kind: "geoPoint".into(), ..base }, Shape::Place),
        "password" => {
            note("field", "passwords of records are not taken over".into());
            return None;
        }
        kind => {
            note("field", format!("there is no such type here: {kind}"));
            return None;
        }
    };
    let domains = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    if domains(&field.only_domains) || domains(&field.except_domains) {
        note("field", "which domains it may name is not enforced".into());
    }
    let target = field.collection_id.clone().filter(|_| def.kind == "relation");
    let def = with_default(def, shape);
    Some(Mapped { from: field.name.clone(), to: around.to, def: Some(def), shape, target, late: false })
}

/// Nobody writes the field by the record's rules, only by a permission.
pub(super) fn closed_to_writers() -> FieldRules {
    FieldRules { read: None, write: Some("false".into()) }
}

/// What PocketBase stores for an absent value is the default where it is a value here.
fn with_default(def: FieldDef, shape: Shape) -> FieldDef {
    let default = match shape {
        Shape::Text { blank_is_null: false } => json!(""),
        Shape::Number { zero_is_null: false, .. } => json!(0),
        Shape::Bool => json!(false),
        Shape::Many => return FieldDef { nullable: Some(false), ..def },
        _ => return def,
    };
    // Of numbers and truth values, required means that they are not zero; records are to be given them either way.
    let default = (!def.required).then_some(default);
    FieldDef { nullable: Some(false), default, ..def }
}

fn text(
    field: &FieldSpec,
    base: FieldDef,
    around: &Around<'_>,
    note: &mut impl FnMut(&'static str, String),
) -> (FieldDef, Shape) {
    let bound = |value: &Value| value.as_u64().filter(|length| *length > 0);
    let wanted = bound(&field.max).unwrap_or(TEXT_MAX_DEFAULT).min(TEXT_MAX);
    let short = wanted <= STRING_MAX || (around.indexed && around.longest <= STRING_MAX);
    let max = if short { wanted.min(STRING_MAX) } else { wanted };
    if max < wanted {
        note("field", format!("it may have {max} characters instead of {wanted}, for it has an index"));
    }
    let min = if field.required { Some(bound(&field.min).unwrap_or(1)) } else { bound(&field.min) };
    let pattern = field.pattern.as_deref().filter(|pattern| !pattern.is_empty()).map(whole_pattern);
    let blank_is_null = !field.required && (min.is_some() || pattern.is_some());
    let kind = if short { "string" } else { "text" }.into();
    let def = FieldDef { kind, min: min.map(Value::from), max: Some(max.into()), pattern, ..base };
    (def, Shape::Text { blank_is_null })
}

/// PocketBase's patterns match a part of the text, those here the whole.
fn whole_pattern(pattern: &str) -> String {
    let plain =
        pattern.starts_with('^') && pattern.ends_with('$') && !pattern.ends_with("\\$") && !pattern.contains('|');
    if plain { pattern.to_owned() } else { format!("(?s:.*)(?:{pattern})(?s:.*)") }
}

fn number(field: &FieldSpec, base: FieldDef) -> (FieldDef, Shape) {
    let (min, max) = (field.min.as_f64(), field.max.as_f64());
    let outside = min.is_some_and(|min| min > 0.0) || max.is_some_and(|max| max < 0.0);
    let zero_is_null = outside && !field.required;
    let whole = |bound: f64| serde_json::from_str(&format!("{bound:.0}")).unwrap_or(Value::Null);
    let (min, max) = match field.only_int {
        true => (min.map(|min| whole(min.ceil())), max.map(|max| whole(max.floor()))),
        false => (min.map(Value::from), max.map(Value::from)),
    };
    let kind = if field.only_int { "integer" } else { "number" }.into();
    (FieldDef { kind, min, max, ..base }, Shape::Number { integer: field.only_int, zero_is_null })
}

fn time(field: &FieldSpec, base: FieldDef) -> (FieldDef, Shape) {
    let bound = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(|text| rfc3339(text).into());
    // PocketBase sets these; a client that writes records need not.
    let own = field.kind == "autodate";
    let (required, nullable) = if own { (false, Some(true)) } else { (base.required, base.nullable) };
    let (min, max) = (bound(&field.min), bound(&field.max));
    (FieldDef { kind: "datetime".into(), min, max, required, nullable, ..base }, Shape::Time)
}

/// An instant as PocketBase writes it, as the rest of the world does.
pub(super) fn rfc3339(text: &str) -> String {
    text.replacen(' ', "T", 1)
}

fn select(field: &FieldSpec, base: FieldDef, many: bool) -> (FieldDef, Shape) {
    let values = field.values.clone().unwrap_or_default();
    let fits = |value: &String| !value.is_empty() && value.chars().count() <= 255;
    let def = if !values.is_empty() && values.len() <= 1_000 && values.iter().all(fits) {
        FieldDef { kind: "enum".into(), values: Some(values), ..base }
    } else {
        FieldDef { kind: "string".into(), max: Some(STRING_MAX.into()), ..base }
    };
    list(def, many, field)
}

/// One value, or a list.
fn list(def: FieldDef, many: bool, field: &FieldSpec) -> (FieldDef, Shape) {
    if !many {
        return (def, Shape::One);
    }
    let least = field.min_select.unwrap_or(0).max(u32::from(field.required));
    let min_items = Some(least.min(ITEMS_MAX)).filter(|least| *least > 0 && field.required);
    let max_items = field.max_select.map(|most| most.min(ITEMS_MAX));
    (FieldDef { many, min_items, max_items, ..def }, Shape::Many)
}

fn relation(
    field: &FieldSpec,
    base: FieldDef,
    many: bool,
    around: &Around<'_>,
    note: &mut impl FnMut(&'static str, String),
) -> (FieldDef, Shape) {
    let Some(target) = around.target.clone() else {
        note("field", "the collection that it points at is not taken over; the ids are kept as text".into());
        return list(FieldDef { kind: "string".into(), ..base }, many, field);
    };
    let on_delete = match (field.cascade_delete, field.required) {
        (true, _) => OnDelete::Cascade,
        (false, true) => OnDelete::Restrict,
        (false, false) => OnDelete::SetNull,
    };
    let def = FieldDef { kind: "relation".into(), collection: Some(target), on_delete: Some(on_delete), ..base };
    list(def, many, field)
}

/// The field as it is while records lack what comes later.
pub(super) fn relaxed(def: &FieldDef) -> FieldDef {
    let nullable = Some(!def.many);
    FieldDef { required: false, nullable, min_items: None, ..def.clone() }
}
