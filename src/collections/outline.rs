//! The payload that a trigger gives its jobs in the place of the change: JSON in which `{"$field": "name"}` stands for a value of the record.

use serde_json::{Map, Value};

use super::catalog::{Collection, Slot};
use crate::kernel::{FieldError, error::pointer_to};

/// The member that stands for a field.
const FIELD: &str = "$field";
/// The longest payload as it is written, in bytes.
const BYTES_MAX: usize = 64 << 10;

/// A part of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// JSON as it stands there.
    Text(String),
    /// The value of a field.
    Field(Slot),
}

/// A payload with places for values of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline(Vec<Piece>);

impl Outline {
    /// What a definition says. Fields that there are not (any more) are null.
    pub(super) fn compile(payload: &Value, collection: &Collection) -> Self {
        let mut pieces = Vec::new();
        write(payload, collection, &mut pieces);
        Self(pieces)
    }

    /// The payload with the values of a record, each as JSON.
    pub fn filled<'v>(&self, value: impl Fn(Slot) -> &'v str) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Field(slot) => value(*slot),
        });
        pieces.collect()
    }
}

/// The name in `{"$field": "name"}`.
fn field_of(value: &Value) -> Option<&str> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    members.get(FIELD)?.as_str()
}

fn push(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        Some(Piece::Text(last)) => last.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

fn write(value: &Value, collection: &Collection, pieces: &mut Vec<Piece>) {
    if let Some(name) = field_of(value) {
        match collection.slot(name).filter(|slot| collection.is_visible(*slot)) {
            Some(slot) => pieces.push(Piece::Field(slot)),
            None => push(pieces, "null"),
        }
        return;
    }
    match value {
        Value::Array(items) => {
            push(pieces, "[");
            for (position, item) in items.iter().enumerate() {
                push(pieces, if position > 0 { "," } else { "" });
                write(item, collection, pieces);
            }
            push(pieces, "]");
        }
        Value::Object(members) => {
            push(pieces, "{");
            for (position, (name, member)) in members.iter().enumerate() {
                let comma = if position > 0 { "," } else { "" };
                push(pieces, &format!("{comma}{}:", Value::from(name.as_str())));
                write(member, collection, pieces);
            }
            push(pieces, "}");
        }
        other => push(pieces, &other.to_string()),
    }
}

/// What is wrong with a payload, by the member `payload`.
pub(super) fn faults(payload: &Value, collection: &Collection) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if payload.to_string().len() > BYTES_MAX {
        errors.push(FieldError::at("payload", "too_long", "must have at most 65,536 bytes"));
    }
    visit(payload, "/payload", &mut |place, name| match collection.slot(name) {
        None => {
            let detail = format!("there is no field \"{name}\" in {}", collection.def.name);
            errors.push(FieldError::new(place.to_owned(), "not_found", detail));
        }
        Some(slot) if !collection.is_visible(slot) => {
            let detail = format!("\"{name}\" is hidden, so nobody is told it");
            errors.push(FieldError::new(place.to_owned(), "hidden", detail));
        }
        Some(_) => {}
    });
    errors
}

fn visit(value: &Value, place: &str, found: &mut dyn FnMut(&str, &str)) {
    if let Some(name) = field_of(value) {
        return found(place, name);
    }
    match value {
        Value::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                visit(item, &format!("{place}/{position}"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                visit(member, &format!("{place}{}", pointer_to(name)), found);
            }
        }
        _ => {}
    }
}

/// The payload with the fields under other names.
pub(super) fn rename(payload: &mut Value, to: &dyn Fn(&str) -> Option<String>) {
    if let Some(name) = field_of(payload) {
        if let Some(to) = to(name) {
            *payload = Value::Object(Map::from_iter([(FIELD.to_owned(), to.into())]));
        }
        return;
    }
    match payload {
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, to)),
        Value::Object(members) => members.values_mut().for_each(|member| rename(member, to)),
        _ => {}
    }
}
