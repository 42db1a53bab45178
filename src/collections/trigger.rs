//! Triggers: which jobs a change of a record makes, as definitions say it. Here they are checked and compiled; the jobs are made by
//! `records`, in the transaction of the change.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use super::{
    catalog::{Collection, FIRST_FIELD, SYSTEM_FIELDS, Slot},
    model::CollectionError,
    outline::{self, Outline},
    scope::{RecordScope, Schemas},
};
use crate::{
    expr::{self, Expr, ExprError},
    kernel::FieldError,
    queue::{self, Collision, input::JobTemplate},
    store::Read,
};

/// The most triggers of one collection.
const TRIGGERS_MAX: usize = 20;

/// What happens to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
}

impl Event {
    /// The name in definitions and payloads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// A job that a change of a record makes. Whoever writes the schema decides; it takes no permission of those who change records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TriggerDef {
    /// What has to happen.
    pub on: Vec<Event>,
    /// The queue of the job.
    pub queue: String,
    /// What is to be done.
    pub kind: String,
    /// The fields that the payload shows of the record, besides those that every record has; all that are not hidden when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// The payload, in the place of the change: JSON in which `{"$field": "name"}` stands for a value of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<serde_json::Value>,
    /// In which records: an expression about the record and the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// How long the job waits, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<u32>,
    /// Jobs with a greater one start before others.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i16,
    /// What happens when another unfinished job of the kind is about the same record; both are made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_collision: Option<Collision>,
    /// Whether the jobs about one record run one after the other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub serial: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(priority: &i16) -> bool {
    *priority == 0
}

/// Changes of a collection's records that somebody is told, ready for work.
#[derive(Clone, Debug)]
pub struct Watching {
    /// What has to happen.
    pub on: Vec<Event>,
    /// What is told of the record, in order.
    pub shown: Vec<Slot>,
    /// In which records.
    pub when: Option<Expr>,
}

impl Watching {
    /// Of all fields that are not hidden, or of these besides those that every record has. Fields that there are not (any more) are left
    /// out.
    ///
    /// # Errors
    /// What is wrong with the condition.
    pub fn compile(
        on: &[Event],
        fields: Option<&[String]>,
        when: Option<&str>,
        collection: &Collection,
        schemas: &dyn Schemas,
    ) -> Result<Self, ExprError> {
        let seen = |slot: &Slot| collection.is_visible(*slot);
        let shown = match fields {
            Some(names) => {
                (0..FIRST_FIELD).chain(names.iter().filter_map(|name| collection.slot(name)).filter(seen)).collect()
            }
            None => (0..collection.slot_count()).filter(seen).collect(),
        };
        let compile = |source| expr::compile(source, &RecordScope::trigger(collection, schemas));
        Ok(Self { on: on.to_vec(), shown, when: when.map(compile).transpose()? })
    }
}

/// A trigger ready for work.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// The definition.
    pub def: TriggerDef,
    /// What sets it off, and what its payload shows.
    pub watching: Watching,
    /// The payload, if it is not the change.
    pub payload: Option<Outline>,
}

/// The triggers of a collection. One whose condition does not compile any more is set off by nothing: a change that would break it was
/// refused, so this is a fault of the server.
pub(super) fn compile(collection: &Collection, schemas: &dyn Schemas) -> Vec<Trigger> {
    let compile = |def: &TriggerDef| {
        let watching = Watching::compile(&def.on, def.fields.as_deref(), def.when.as_deref(), collection, schemas);
        let watching = watching.inspect_err(|error| {
            tracing::error!(collection = collection.def.name, %error, "the condition of a stored trigger does not compile; it makes no jobs");
        });
        let payload = def.payload.as_ref().map(|payload| Outline::compile(payload, collection));
        Some(Trigger { def: def.clone(), watching: watching.ok()?, payload })
    };
    collection.def.triggers.iter().filter_map(compile).collect()
}

/// What is wrong with the triggers of a collection, but for their conditions, which are rules like others.
pub(super) fn faults(draft: &Collection, queues: &BTreeSet<String>, errors: &mut Vec<FieldError>) {
    let triggers = &draft.def.triggers;
    if triggers.len() > TRIGGERS_MAX {
        let detail = format!("a collection has at most {TRIGGERS_MAX} triggers");
        return errors.push(FieldError::at("triggers", "items", detail));
    }
    for (position, trigger) in triggers.iter().enumerate() {
        let place = format!("/triggers/{position}");
        let TriggerDef { on, queue, kind, fields, payload, delay_seconds, priority, .. } = trigger;
        if let Some(payload) = payload {
            errors.extend(outline::faults(payload, draft).into_iter().map(|error| error.under(&place)));
            if fields.is_some() {
                let detail =
                    "says what the change shows, and a payload of its own takes the place of it; give one of both";
                errors.push(FieldError::new(format!("{place}/fields"), "conflict", detail));
            }
        }
        errors.extend(watch_faults(draft, on, fields.as_deref()).into_iter().map(|error| error.under(&place)));
        let template = JobTemplate { queue, kind, priority: *priority, delay_seconds: *delay_seconds };
        errors.extend(template.faults().into_iter().map(|error| error.under(&place)));
        if !queues.contains(queue) {
            errors.push(no_queue(position, queue));
        }
    }
}

/// What is wrong with the events and fields of changes that somebody is to be told, by the members `on` and `fields`.
#[must_use]
pub fn watch_faults(collection: &Collection, on: &[Event], fields: Option<&[String]>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let events: HashSet<Event> = on.iter().copied().collect();
    if on.is_empty() || events.len() != on.len() {
        let detail = "it is on create, update, delete, or some of them, each once";
        errors.push(FieldError::at("on", "items", detail));
    }
    let mut names = HashSet::new();
    for (position, name) in fields.into_iter().flatten().enumerate() {
        let mut fail = |code, detail: String| {
            errors.push(FieldError::new(format!("/fields/{position}"), code, detail));
        };
        match collection.slot(name) {
            _ if SYSTEM_FIELDS.iter().any(|(system, _)| system == name) => {
                fail("reserved", format!("every payload has \"{name}\"; list the others"));
            }
            None => fail("not_found", format!("there is no field \"{name}\" in {}", collection.def.name)),
            Some(slot) if !collection.is_visible(slot) => {
                fail("hidden", format!("\"{name}\" is hidden, so nobody is told it"));
            }
            Some(_) if !names.insert(name) => fail("unique", format!("\"{name}\" stands there twice")),
            Some(_) => {}
        }
    }
    errors
}

fn no_queue(position: usize, name: &str) -> FieldError {
    let detail = format!("there is no queue \"{name}\"; make it first");
    FieldError::new(format!("/triggers/{position}/queue"), "not_found", detail)
}

/// Refuses triggers whose queues are gone. In the transaction of a change of the schema none can go any more.
pub(super) fn check_queues(source: &impl Read, triggers: &[TriggerDef]) -> Result<(), CollectionError> {
    let mut errors = Vec::new();
    for (position, trigger) in triggers.iter().enumerate() {
        if !queue::exists(source, &trigger.queue)? {
            errors.push(no_queue(position, &trigger.queue));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(CollectionError::Invalid(errors)) }
}

/// The collections with a trigger that makes jobs in a queue, by name.
///
/// # Errors
/// [`crate::store::StoreError`] when the definitions cannot be read.
pub fn collections_with_queue(source: &impl Read, queue: &str) -> Result<Vec<String>, crate::store::StoreError> {
    let defs = super::repo::all(source)?.into_iter();
    let named = defs.filter(|def| def.triggers.iter().any(|trigger| trigger.queue == queue));
    Ok(named.map(|def| def.name).collect())
}
