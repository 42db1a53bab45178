//! From the body of a request to the values of a record, or to every fault in it.

use std::{borrow::Cow, fmt};

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{RecordError, operator};
use crate::{
    collections::{
        Check, Collection, Slot, Slots,
        catalog::{FIRST_FIELD, ID},
    },
    kernel::{FieldError, RecordId},
};

/// The members of a body, as they were written.
pub(super) type Members<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Reads the members of a JSON object, and refuses one that is named twice.
pub(super) fn members(body: &[u8]) -> Result<Members<'_>, RecordError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let members = deserializer.deserialize_map(ObjectVisitor).map_err(|error| body_error(&error))?;
    deserializer.end().map_err(|error| body_error(&error))?;
    Ok(members)
}

fn body_error(error: &serde_json::Error) -> RecordError {
    RecordError::Body(format!("the body is not a JSON object: {error}"))
}

/// A member's name, borrowed when it holds no escape.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Members<'de> = Vec::with_capacity(16);
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            members.push((name, Cow::Borrowed(value.get())));
        }
        let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| matches!(pair, [a, b] if a == b)).and_then(|pair| pair.first()) {
            Some(name) => Err(serde::de::Error::custom(format_args!("the member \"{name}\" stands there twice"))),
            None => Ok(members),
        }
    }
}

/// What a body means for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// A new record: absent fields take their defaults, an id may be given.
    Create,
    /// All fields anew: absent fields take their defaults.
    Replace,
    /// Some fields: absent ones stay (JSON Merge Patch, RFC 7396).
    Patch,
}

/// Checked values in canonical form, by field; `None` where the body says nothing.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) id: Option<RecordId>,
    values: Vec<Option<String>>,
}

impl Draft {
    /// A change of one field to canonical JSON text.
    pub(super) fn of(collection: &Collection, slot: Slot, value: String) -> Self {
        let mut draft = Self { id: None, values: vec![None; collection.fields.len()] };
        if let Some(place) = slot.checked_sub(FIRST_FIELD).and_then(|position| draft.values.get_mut(position)) {
            *place = Some(value);
        }
        draft
    }

    /// The canonical JSON text that the body gives for a field of the collection's own.
    pub(super) fn value(&self, slot: Slot) -> Option<&str> {
        self.values.get(slot.checked_sub(FIRST_FIELD)?)?.as_deref()
    }

    /// Says nothing about a field.
    pub(super) fn forget(&mut self, slot: Slot) {
        if let Some(place) = slot.checked_sub(FIRST_FIELD).and_then(|position| self.values.get_mut(position)) {
            *place = None;
        }
    }

    /// The values as slots, for expressions on `@request.body`.
    pub(super) fn slots(&self, collection: &Collection) -> Slots<'_> {
        let mut slots = Slots::empty(collection.slot_count());
        for (position, value) in self.values.iter().enumerate() {
            if let Some(value) = value {
                slots.set(FIRST_FIELD + position, value);
            }
        }
        slots
    }

    /// The ids that a relation field of the body names.
    pub(super) fn targets(&self, slot: Slot) -> Vec<String> {
        let Some(value) = self.value(slot) else { return Vec::new() };
        if value.starts_with('[') {
            return serde_json::from_str(value).unwrap_or_default();
        }
        serde_json::from_str::<Option<String>>(value).ok().flatten().into_iter().collect()
    }
}

/// Checks a body against the collection. `old` is the stored record that a patch changes.
pub(super) fn check(
    collection: &Collection,
    members: &Members<'_>,
    intent: Intent,
    old: Option<&Slots<'_>>,
) -> Result<Draft, RecordError> {
    check_keeping(collection, members, intent, old, &[])
}

/// [`check`] of a whole record that leaves some fields as they are when it does not name them.
pub(super) fn check_keeping(
    collection: &Collection,
    members: &Members<'_>,
    intent: Intent,
    old: Option<&Slots<'_>>,
    kept: &[Slot],
) -> Result<Draft, RecordError> {
    let mut errors = Vec::new();
    let mut draft = Draft { id: None, values: vec![None; collection.fields.len()] };
    let merged = old.filter(|_| intent == Intent::Patch);
    for (name, value) in members {
        match collection.slot(name) {
            Some(ID) => take_id(&mut draft, value, intent, old, &mut errors),
            Some(slot) if slot >= FIRST_FIELD => take_value(collection, &mut draft, slot, value, merged, &mut errors),
            // A client that sends a record back as it read it means nothing by the system fields.
            Some(_) => {}
            None => errors.push(unknown_field(collection, name)),
        }
    }
    if intent != Intent::Patch {
        fill_defaults(collection, &mut draft, members, kept, &mut errors);
    }
    if errors.is_empty() { Ok(draft) } else { Err(RecordError::Invalid(errors)) }
}

fn unknown_field(collection: &Collection, name: &str) -> FieldError {
    FieldError::at(name, "unknown_field", format_args!("{} has no field \"{name}\"", collection.def.name))
}

fn take_id(draft: &mut Draft, raw: &str, intent: Intent, old: Option<&Slots<'_>>, errors: &mut Vec<FieldError>) {
    let text: Option<String> = serde_json::from_str(raw).ok();
    let parsed = text.ok_or(crate::kernel::id::InvalidId).and_then(|text| RecordId::parse(&text));
    match parsed {
        Err(invalid) => errors.push(FieldError::at("id", "format", invalid)),
        Ok(id) if intent == Intent::Create => draft.id = Some(id),
        Ok(id) => {
            let own = old.and_then(|old| old.get(ID)).map(|own| own.trim_matches('"'));
            if own != Some(id.as_str()) {
                errors.push(FieldError::at("id", "read_only", "the id of a record does not change"));
            }
        }
    }
}

fn take_value(
    collection: &Collection,
    draft: &mut Draft,
    slot: Slot,
    raw: &str,
    old: Option<&Slots<'_>>,
    errors: &mut Vec<FieldError>,
) {
    let Some(field) = collection.field(slot) else { return };
    let mut text = Vec::with_capacity(raw.len());
    let pointer = crate::kernel::error::pointer_to(&field.name);
    let before = old.map(|old| old.get(slot).unwrap_or(&field.default));
    let merged = match (&field.check, before) {
        (Check::Json(_), Some(before)) => merge_patch(before, raw),
        // What a new record would have is what an operator starts from.
        (_, before) => match operator::applied(field, before.unwrap_or(&field.default), raw) {
            Ok(applied) => applied,
            Err((code, detail)) => return errors.push(FieldError::new(pointer, code, detail)),
        },
    };
    field.accept(merged.as_deref().unwrap_or(raw), &pointer, &mut text, errors);
    if let Some(place) = draft.values.get_mut(slot - FIRST_FIELD) {
        *place = String::from_utf8(text).ok();
    }
}

fn fill_defaults(
    collection: &Collection,
    draft: &mut Draft,
    members: &Members<'_>,
    kept: &[Slot],
    errors: &mut Vec<FieldError>,
) {
    for (position, (field, value)) in collection.fields.iter().zip(&mut draft.values).enumerate() {
        if value.is_some()
            || kept.contains(&(FIRST_FIELD + position))
            || members.iter().any(|(name, _)| *name == *field.name)
        {
            continue;
        }
        if field.required && !field.has_default {
            errors.push(FieldError::at(&field.name, "required", "is required"));
        }
        *value = Some(field.default.clone());
    }
}

/// JSON Merge Patch ([RFC 7396](https://www.rfc-editor.org/rfc/rfc7396)) of two objects; `None` when the patch is no
/// object and so replaces the value.
fn merge_patch(before: &str, patch: &str) -> Option<String> {
    let patch: serde_json::Value = serde_json::from_str(patch).ok().filter(serde_json::Value::is_object)?;
    let mut value = serde_json::from_str(before).unwrap_or_default();
    merge(&mut value, patch);
    Some(value.to_string())
}

fn merge(target: &mut serde_json::Value, patch: serde_json::Value) {
    let serde_json::Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = serde_json::Value::Object(serde_json::Map::new());
    }
    let Some(object) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            object.shift_remove(&name);
        } else {
            merge(object.entry(name).or_insert(serde_json::Value::Null), value);
        }
    }
}
