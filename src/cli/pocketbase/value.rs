//! A row of PocketBase as a line that the server takes over.

use rusqlite::{Row, types::ValueRef};
use serde_json::{Map, Value, json};

use super::field::{Mapped, Shape, rfc3339};

/// A value of a column.
///
/// # Errors
/// Why it is none of this shape.
pub(super) fn convert(shape: Shape, value: ValueRef<'_>) -> Result<Value, String> {
    Ok(match shape {
        Shape::Text { blank_is_null } => match text(value)? {
            Some(text) if text.is_empty() && blank_is_null => Value::Null,
            text => text.unwrap_or_default().into(),
        },
        Shape::Number { integer, zero_is_null } => number(value, integer, zero_is_null)?,
        Shape::Bool => match value {
            ValueRef::Null => json!(false),
            ValueRef::Integer(number) => json!(number != 0),
            ValueRef::Real(number) => json!(number != 0.0),
            other => json!(matches!(text(other)?.as_deref(), Some("1" | "true" | "t" | "TRUE" | "T" | "True"))),
        },
        Shape::Time | Shape::CreatedAt | Shape::UpdatedAt => {
            filled(value)?.map_or(Value::Null, |time| rfc3339(&time).into())
        }
        // A field that was a list before has its first item.
        Shape::One => match filled(value)? {
            Some(list) if list.starts_with('[') => match serde_json::from_str::<Vec<String>>(&list) {
                Ok(items) => items.into_iter().next().map_or(Value::Null, Value::from),
                Err(_) => list.into(),
            },
            text => text.map_or(Value::Null, Value::from),
        },
        Shape::Many => match filled(value)? {
            Some(list) if list.starts_with('[') => {
                serde_json::from_str(&list).map_err(|error| format!("is no list: {error}"))?
            }
            one => one.into_iter().map(Value::from).collect(),
        },
        Shape::Json => match filled(value)? {
            Some(text) => serde_json::from_str(&text).map_err(|error| format!("is no JSON: {error}"))?,
            None => Value::Null,
        },
        Shape::Place => place(value)?,
    })
}

fn text(value: ValueRef<'_>) -> Result<Option<String>, String> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(number) => Ok(Some(number.to_string())),
        ValueRef::Real(number) => Ok(Some(number.to_string())),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| "is not UTF-8".to_owned())
        }
    }
}

/// The text, unless there is none.
fn filled(value: ValueRef<'_>) -> Result<Option<String>, String> {
    Ok(text(value)?.filter(|text| !text.is_empty()))
}

fn number(value: ValueRef<'_>, integer: bool, zero_is_null: bool) -> Result<Value, String> {
    let number = match value {
        ValueRef::Null => json!(0),
        ValueRef::Integer(number) => json!(number),
        ValueRef::Real(number) if integer && number.fract() == 0.0 => {
            serde_json::from_str(&format!("{number:.0}")).map_err(|_| "is no number".to_owned())?
        }
        ValueRef::Real(number) => json!(number),
        other => {
            let text = text(other)?.unwrap_or_default();
            serde_json::from_str::<serde_json::Number>(&text).map_err(|_| "is no number".to_owned())?.into()
        }
    };
    Ok(if zero_is_null && number.as_f64() == Some(0.0) { Value::Null } else { number })
}

/// PocketBase writes the point where the zero meridian crosses the equator for no place at all.
fn place(value: ValueRef<'_>) -> Result<Value, String> {
    let Some(text) = filled(value)? else { return Ok(Value::Null) };
    let place: Value = serde_json::from_str(&text).map_err(|error| format!("is no place: {error}"))?;
    let part = |name: &str| place.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let (lat, lon) = (part("lat"), part("lon"));
    Ok(if lat == 0.0 && lon == 0.0 { Value::Null } else { json!({ "lat": lat, "lon": lon }) })
}

/// A record with its times.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) record: Map<String, Value>,
    created_at: Option<Value>,
    updated_at: Option<Value>,
    pub(super) password_hash: Option<String>,
}

impl Line {
    /// A record of which only the times are known, as PocketBase writes them.
    pub(super) fn new(id: &str, created: Option<String>, updated: Option<String>) -> Self {
        let time = |text: Option<String>| text.filter(|text| !text.is_empty()).map(|text| rfc3339(&text).into());
        let record = Map::from_iter([("id".to_owned(), id.into())]);
        let (created_at, updated_at) = (time(created), time(updated));
        Self { id: id.to_owned(), record, created_at, updated_at, password_hash: None }
    }

    /// The record of a row whose first column is the id and whose next ones are these fields; of the late ones only when
    /// `late` asks for them, else of the others.
    ///
    /// # Errors
    /// The id, and which value does not fit.
    pub(super) fn read(row: &Row<'_>, fields: &[Mapped], late: bool) -> Result<Self, (String, String)> {
        let value = |column: usize| row.get_ref(column).unwrap_or(ValueRef::Null);
        let id = text(value(0)).ok().flatten().unwrap_or_default();
        let mut line = Self { id: id.clone(), ..Self::default() };
        line.record.insert("id".into(), id.clone().into());
        for (position, field) in fields.iter().enumerate() {
            let is_time = matches!(field.shape, Shape::CreatedAt | Shape::UpdatedAt);
            if field.late != late && !is_time {
                continue;
            }
            let converted = convert(field.shape, value(position + 1));
            let converted = converted.map_err(|reason| (id.clone(), format!("{} {reason}", field.from)))?;
            match field.shape {
                Shape::CreatedAt => line.created_at = Some(converted),
                Shape::UpdatedAt => line.updated_at = Some(converted),
                _ => {
                    line.record.insert(field.to.clone(), converted);
                }
            }
        }
        Ok(line)
    }

    /// The line as the server reads it.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        #[derive(serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Sent<'a> {
            record: &'a Map<String, Value>,
            #[serde(skip_serializing_if = "Option::is_none")]
            created_at: &'a Option<Value>,
            #[serde(skip_serializing_if = "Option::is_none")]
            updated_at: &'a Option<Value>,
            #[serde(skip_serializing_if = "Option::is_none")]
            password_hash: &'a Option<String>,
        }
        let Self { record, created_at, updated_at, password_hash, .. } = self;
        serde_json::to_string(&Sent { record, created_at, updated_at, password_hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_nothing_becomes_null() {
        let number = |integer, zero_is_null| Shape::Number { integer, zero_is_null };
        let table = [
            (Shape::Text { blank_is_null: false }, ValueRef::Text(b""), json!("")),
            (Shape::Text { blank_is_null: true }, ValueRef::Text(b""), json!(null)),
            (Shape::Text { blank_is_null: true }, ValueRef::Integer(7), json!("7")),
            (number(true, false), ValueRef::Integer(0), json!(0)),
            (number(true, true), ValueRef::Integer(0), json!(null)),
            (number(true, false), ValueRef::Real(3.0), json!(3)),
            (number(true, false), ValueRef::Real(9e18), json!(9_000_000_000_000_000_000_i64)),
            (number(false, false), ValueRef::Real(1.5), json!(1.5)),
            (number(false, false), ValueRef::Text(b"2.5"), json!(2.5)),
            (Shape::Bool, ValueRef::Integer(1), json!(true)),
            (Shape::Bool, ValueRef::Text(b"false"), json!(false)),
            (Shape::Time, ValueRef::Text(b""), json!(null)),
            (Shape::Time, ValueRef::Text(b"2022-01-01 10:00:00.123Z"), json!("2022-01-01T10:00:00.123Z")),
            (Shape::One, ValueRef::Text(b""), json!(null)),
            (Shape::One, ValueRef::Text(b"[\"a\",\"b\"]"), json!("a")),
            (Shape::One, ValueRef::Text(b"[]"), json!(null)),
            (Shape::Many, ValueRef::Text(b"[\"a\",\"b\"]"), json!(["a", "b"])),
            (Shape::Many, ValueRef::Text(b"a"), json!(["a"])),
            (Shape::Many, ValueRef::Text(b""), json!([])),
            (Shape::Json, ValueRef::Null, json!(null)),
            (Shape::Json, ValueRef::Text(b"{\"a\":[1]}"), json!({"a": [1]})),
            (Shape::Place, ValueRef::Text(b"{\"lon\":0,\"lat\":0}"), json!(null)),
            (Shape::Place, ValueRef::Text(b"{\"lon\":8.5,\"lat\":0}"), json!({"lat": 0.0, "lon": 8.5})),
        ];
        for (shape, value, expected) in table {
            assert_eq!(convert(shape, value), Ok(expected), "{shape:?} {value:?}");
        }
        let faults = [
            (Shape::Json, ValueRef::Text(b"{")),
            (Shape::Many, ValueRef::Text(b"[1")),
            (Shape::Text { blank_is_null: false }, ValueRef::Text(b"\xff")),
            (number(false, false), ValueRef::Text(b"much")),
        ];
        for (shape, value) in faults {
            assert!(convert(shape, value).is_err(), "{shape:?} {value:?}");
        }
    }
}
