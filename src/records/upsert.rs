//! Finding the record that an upsert is about: by its id, or by the fields of a unique index.

use std::ops::ControlFlow;

use super::{RecordError, input::Members, sight::CallerSight, write};
use crate::{
    collections::{
        Collection, Index, Sight as _,
        catalog::ID,
        layout::{self, INDEX},
    },
    kernel::{FieldError, RecordId, Scalar, error::pointer_to},
    store::{Read, Scan, StoreError, key},
};

/// The id of the record that agrees with the body in the fields `by`; nothing when there is none, or when the body's values
/// are no values of these fields, which its own check then tells.
pub(super) fn find(
    source: &impl Read,
    collection: &Collection,
    by: &[String],
    members: &Members<'_>,
) -> Result<Option<String>, RecordError> {
    let given = |name: &str| members.iter().find(|(member, _)| member == name).map(|(_, value)| &**value);
    let missing = |name: &String| FieldError::at(name, "required", "an upsert needs a value that finds the record");
    let absent: Vec<_> = by.iter().filter(|name| given(name).is_none_or(|raw| raw == "null")).map(missing).collect();
    if !absent.is_empty() {
        return Err(RecordError::Invalid(absent));
    }
    if by.iter().map(String::as_str).eq(["id"]) {
        let id: Option<String> = given("id").and_then(|raw| serde_json::from_str(raw).ok());
        let Some(id) = id.filter(|id| RecordId::parse(id).is_ok()) else { return Ok(None) };
        return Ok(write::stored(source, collection, &id)?.map(|_| id));
    }
    let index = index(collection, by)?;
    let mut from = layout::prefix(index.number);
    for (slot, direction) in &index.components {
        let name = collection.slot_name(*slot);
        let Some(value) = given(name).and_then(|raw| value(collection, *slot, raw)) else { return Ok(None) };
        key::encode(&value, *direction, &mut from);
    }
    let to = key::prefix_end(&from).unwrap_or_default();
    let mut found = None;
    source.scan::<StoreError>(INDEX, &from, &to, Scan::Forward, &mut |key, value| {
        found = Some(layout::id_of_entry(key, value)?.to_owned());
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// Refuses fields that the caller does not see in every record: whether one is found would tell their values.
pub(super) fn check_seen(collection: &Collection, by: &[String], sight: CallerSight<'_>) -> Result<(), RecordError> {
    let unseen = |name: &&String| collection.slot(name).is_some_and(|slot| !sight.shows(collection, slot));
    match by.iter().find(unseen) {
        None => Ok(()),
        Some(name) => {
            let detail = format!("you do not see \"{name}\" in every record, so it finds none");
            Err(RecordError::Parameters(vec![FieldError::new("by", "invalid", detail)]))
        }
    }
}

/// An error of the change of a record that was found by fields: of one that the caller may not see it tells no more than
/// that the values are in use.
pub(super) fn discreet(error: RecordError, by: &[String]) -> RecordError {
    match (error, by.first()) {
        (RecordError::NotFound { .. }, Some(name)) if name != "id" => {
            let detail = format!("another record has the same {} already", by.join(" and "));
            RecordError::Invalid(vec![FieldError::at(name, "unique", detail)])
        }
        (error, _) => error,
    }
}

/// The unique index over these fields, in whatever order.
fn index<'c>(collection: &'c Collection, by: &[String]) -> Result<&'c Index, RecordError> {
    let serves = |index: &&Index| {
        let has = |name: &String| index.components.iter().any(|(slot, _)| collection.slot_name(*slot) == name);
        let visible = index.components.iter().all(|(slot, _)| collection.is_visible(*slot));
        index.unique && index.ready && visible && index.components.len() == by.len() && by.iter().all(has)
    };
    collection.indexes.iter().find(serves).ok_or_else(|| {
        let detail =
            format!("{} has no unique index over {}, or it is still built", collection.def.name, by.join(", "));
        RecordError::Parameters(vec![FieldError::new("by", "invalid", detail)])
    })
}

/// The value that an index holds for the JSON text of a body.
fn value(collection: &Collection, slot: usize, raw: &str) -> Option<Scalar> {
    if slot == ID {
        return serde_json::from_str(raw).ok().map(Scalar::Str);
    }
    let field = collection.field(slot)?;
    let (mut text, mut errors) = (Vec::new(), Vec::new());
    field.accept(raw, &pointer_to(&field.name), &mut text, &mut errors);
    let text = String::from_utf8(text).ok().filter(|_| errors.is_empty())?;
    Some(field.scalar(&text))
}
