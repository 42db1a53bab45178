//! How an operation of a batch refers to what an earlier one made: `{"$ref": "name"}` in the place of an id.

use std::collections::HashMap;

use serde_json::{Value, value::RawValue};

use super::{Deed, Step};
use crate::{
    collections::{Check, Collection},
    kernel::FieldError,
    records::{
        RecordError,
        input::{self, Members},
        operation::Operation,
    },
};

/// The member by which a body refers to an earlier operation.
const REF: &str = "$ref";
/// The member of a job that is looked into.
const PAYLOAD: &str = "payload";

/// The ids of what operations made, by their names.
pub(super) type Ids<'s> = HashMap<&'s str, String>;

pub(super) fn unknown_ref(name: &str) -> RecordError {
    let detail = format!("no earlier operation has the ref \"{name}\"");
    RecordError::Invalid(vec![FieldError::new("", "unknown_ref", detail)])
}

/// The name in `{"$ref": "name"}`.
pub(super) fn reference(text: &str) -> Option<String> {
    let members = text.starts_with('{').then(|| input::members(text.as_bytes()).ok())??;
    match members.as_slice() {
        [(name, value)] if name == REF => serde_json::from_str(value).ok(),
        _ => None,
    }
}

/// The names that a value refers to: itself, or items of a list.
fn references(value: &str) -> Vec<String> {
    if !value.contains(REF) {
        return Vec::new();
    }
    let items: Vec<&RawValue> = serde_json::from_str(value).unwrap_or_default();
    reference(value).into_iter().chain(items.iter().filter_map(|item| reference(item.get()))).collect()
}

/// A value with ids in the place of names.
fn resolved(value: &str, ids: &Ids<'_>) -> Option<String> {
    let id = |text: &str| reference(text).and_then(|name| ids.get(name.as_str()).map(|id| format!("\"{id}\"")));
    if let Some(id) = id(value) {
        return Some(id);
    }
    let items: Vec<&RawValue> = serde_json::from_str(value).ok()?;
    let items: Vec<String> = items.iter().map(|item| id(item.get()).unwrap_or_else(|| item.get().to_owned())).collect();
    Some(format!("[{}]", items.join(",")))
}

fn relates(collection: Option<&Collection>, name: &str) -> bool {
    let field = collection.and_then(|collection| collection.field(collection.slot(name)?));
    field.is_some_and(|field| matches!(field.check, Check::Relation { .. }))
}

/// The names that an operation uses: in the place of its id, in relations, and in what is said of a job. Elsewhere `$ref` is a value
/// like any other.
pub(super) fn used(step: &Step, collection: Option<&Collection>) -> Vec<String> {
    match &step.deed {
        Deed::Record(operation) => {
            let relations = operation.members.iter().filter(|(name, _)| relates(collection, name));
            relations.flat_map(|(_, value)| references(value)).chain(step.id_of.clone()).collect()
        }
        Deed::Enqueue(members) => members.iter().flat_map(|(name, value)| used_by_job(name, value)).collect(),
    }
}

/// The names in a member of a job: of a payload also those that its own members are or list.
fn used_by_job(name: &str, value: &str) -> Vec<String> {
    let mut names = references(value);
    if name == PAYLOAD && names.is_empty() && value.contains(REF) {
        let within = input::members(value.as_bytes()).unwrap_or_default();
        names = within.iter().flat_map(|(_, value)| references(value)).collect();
    }
    names
}

/// The operation with ids in the place of names. Every name that it uses has one.
pub(super) fn with_ids(
    step: &Step,
    operation: &Operation,
    collection: Option<&Collection>,
    ids: &Ids<'_>,
) -> Operation {
    let mut operation = operation.clone();
    for (name, value) in &mut operation.members {
        if relates(collection, name)
            && !references(value).is_empty()
            && let Some(text) = resolved(value, ids)
        {
            *value = text.into();
        }
    }
    if let Some(id) = step.id_of.as_ref().and_then(|name| ids.get(name.as_str())) {
        operation.id.clone_from(id);
    }
    operation
}

/// The text of a job with ids in the place of names. Every name that it uses has one.
pub(super) fn job_with_ids(members: &Members<'_>, ids: &Ids<'_>) -> String {
    object(members.iter().map(|(name, value)| {
        let text = match used_by_job(name, value).is_empty() {
            true => value.to_string(),
            false => resolved(value, ids).unwrap_or_else(|| within(value, ids)),
        };
        (&**name, text)
    }))
}

/// An object with ids in the place of names that its members are or list.
fn within(value: &str, ids: &Ids<'_>) -> String {
    let members = input::members(value.as_bytes()).unwrap_or_default();
    object(members.iter().map(|(name, value)| {
        let text = if references(value).is_empty() { None } else { resolved(value, ids) };
        (&**name, text.unwrap_or_else(|| value.to_string()))
    }))
}

/// The JSON text of an object.
fn object<'m>(members: impl Iterator<Item = (&'m str, String)>) -> String {
    let members: Vec<_> = members.map(|(name, value)| format!("{}:{value}", Value::from(name))).collect();
    format!("{{{}}}", members.join(","))
}
