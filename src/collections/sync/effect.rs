//! What another definition of a field means for values that are stored.

use serde_json::Value;

use super::model::Effect;
use crate::collections::model::{FieldDef, FieldType};

/// What becomes of the values of a field that changes so.
pub(super) fn of_change(old: &FieldDef, new: &FieldDef) -> Effect {
    if loses(old, new) {
        Effect::Destructive
    } else if narrows(old, new) {
        Effect::Checked
    } else {
        Effect::Safe
    }
}

/// Whether values that fit take another form from which the old one cannot be told: a great integer is rounded, an
/// instant shown in UTC, an address in lower case.
fn loses(old: &FieldDef, new: &FieldDef) -> bool {
    use FieldType as T;
    let lossy = match (FieldType::parse(&old.kind), FieldType::parse(&new.kind)) {
        (Some(old), Some(new)) if old == new => false,
        (Some(T::Integer | T::Json), Some(T::Number)) => true,
        (Some(_), Some(T::DateTime | T::GeoPoint)) => true,
        (Some(T::Json), Some(T::Integer)) => true,
        _ => false,
    };
    lossy || (new.format.as_deref() == Some("email") && old.format != new.format)
}

/// Whether a value that fitted may not fit any more.
fn narrows(old: &FieldDef, new: &FieldDef) -> bool {
    let widened = old.kind == new.kind
        || matches!((old.kind.as_str(), new.kind.as_str()), ("integer", "decimal") | ("string" | "enum", "text"));
    let changed = |old: &Option<String>, new: &Option<String>| new.is_some() && old != new;
    !widened
        || old.many != new.many
        || (old.is_nullable() && !new.is_nullable())
        || above(new.min.as_ref(), old.min.as_ref())
        || above(old.max.as_ref(), new.max.as_ref())
        || changed(&old.pattern, &new.pattern)
        || changed(&old.format, &new.format)
        || changed(&old.collection, &new.collection)
        || new.min_items.unwrap_or(0) > old.min_items.unwrap_or(0)
        || below(new.max_items.map(u64::from), old.max_items.map(u64::from))
        || below(new.max_bytes, old.max_bytes)
        || lacks(new.values.as_ref(), old.values.as_ref())
        || lacks(new.media_types.as_ref(), old.media_types.as_ref())
}

/// Whether the bound `a` is greater than `b`. An absent one has a default of its own, so it is never known to be wider.
fn above(a: Option<&Value>, b: Option<&Value>) -> bool {
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    match (a, b) {
        (None, None) => false,
        (Some(a), Some(b)) if a == b => false,
        (Some(a), Some(b)) => match (number(a), number(b)) {
            (Some(a), Some(b)) => a > b,
            _ => true,
        },
        _ => true,
    }
}

fn below(a: Option<u64>, b: Option<u64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a < b,
        (None, None) => false,
        _ => true,
    }
}

/// Whether something that `before` lists is not in `after`; an absent list excludes nothing.
fn lacks(after: Option<&Vec<String>>, before: Option<&Vec<String>>) -> bool {
    match (after, before) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(after), Some(before)) => !before.iter().all(|value| after.contains(value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_as_dangerous_as_what_it_does_to_values() {
        let rows = [
            (json!({"type": "string", "max": 10}), json!({"type": "string", "max": 20}), Effect::Safe),
            (json!({"type": "string", "max": 20}), json!({"type": "string", "max": 10}), Effect::Checked),
            (json!({"type": "integer", "min": 1}), json!({"type": "integer", "min": 0}), Effect::Safe),
            (json!({"type": "integer", "min": 0}), json!({"type": "integer", "min": 1}), Effect::Checked),
            (json!({"type": "decimal", "max": "9.5"}), json!({"type": "decimal", "max": 10}), Effect::Safe),
            (json!({"type": "date"}), json!({"type": "date", "min": "2026-01-31"}), Effect::Checked),
            (json!({"type": "string"}), json!({"type": "string", "hidden": true, "indexed": true}), Effect::Safe),
            (json!({"type": "string"}), json!({"type": "string", "required": true}), Effect::Checked),
            (json!({"type": "string", "required": true}), json!({"type": "string"}), Effect::Safe),
            (json!({"type": "string"}), json!({"type": "string", "pattern": "a*"}), Effect::Checked),
            (json!({"type": "string", "pattern": "a*"}), json!({"type": "string"}), Effect::Safe),
            (json!({"type": "string"}), json!({"type": "string", "format": "email"}), Effect::Destructive),
            (json!({"type": "enum", "values": ["a"]}), json!({"type": "enum", "values": ["a", "b"]}), Effect::Safe),
            (json!({"type": "enum", "values": ["a"]}), json!({"type": "enum", "values": ["b"]}), Effect::Checked),
            (json!({"type": "string"}), json!({"type": "text"}), Effect::Safe),
            (json!({"type": "text"}), json!({"type": "string"}), Effect::Checked),
            (json!({"type": "integer"}), json!({"type": "decimal"}), Effect::Safe),
            (json!({"type": "integer"}), json!({"type": "number"}), Effect::Destructive),
            (json!({"type": "string"}), json!({"type": "datetime"}), Effect::Destructive),
            (json!({"type": "string", "many": true}), json!({"type": "string"}), Effect::Checked),
            (json!({"type": "file"}), json!({"type": "file", "maxBytes": 5}), Effect::Checked),
        ];
        for (mut old, mut new, effect) in rows {
            (old["name"], new["name"]) = ("f".into(), "f".into());
            let field = |value: &Value| serde_json::from_value(value.clone()).unwrap();
            assert_eq!(of_change(&field(&old), &field(&new)), effect, "{old} to {new}");
        }
    }
}
