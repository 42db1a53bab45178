//! Triggers: which jobs a change of a record makes, as definitions say it. Here they are checked and compiled; the jobs are made by
//! `records`, in the transaction of the change.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use super::{
    catalog::{Collection, FIRST_FIELD, SYSTEM_FIELDS, Slot},
    model::CollectionError,
    scope::{RecordScope, Schemas},
};
use crate::{
    expr::{self, Expr},
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

/// A trigger ready for work.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// The definition.
    pub def: TriggerDef,
    /// What the payload shows of the record, in order.
    pub shown: Vec<Slot>,
    /// In which records.
    pub when: Option<Expr>,
}

/// The triggers of a collection. A condition that does not compile any more holds nowhere: a change that would break it was refused,
/// so this is a fault of the server.
pub(super) fn compile(collection: &Collection, schemas: &dyn Schemas) -> Vec<Trigger> {
    let scope = RecordScope::trigger(collection, schemas);
    let condition = |source: &String| {
        expr::compile(source, &scope).unwrap_or_else(|error| {
            tracing::error!(collection = collection.def.name, %error, "the condition of a stored trigger does not compile; it makes no jobs");
            Expr::Constant(false)
        })
    };
    let shown = |def: &TriggerDef| match &def.fields {
        Some(names) => (0..FIRST_FIELD).chain(names.iter().filter_map(|name| collection.slot(name))).collect(),
        None => (0..collection.slot_count()).filter(|slot| collection.is_visible(*slot)).collect(),
    };
    let compile =
        |def: &TriggerDef| Trigger { def: def.clone(), shown: shown(def), when: def.when.as_ref().map(condition) };
    collection.def.triggers.iter().map(compile).collect()
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
        let TriggerDef { on, queue, kind, delay_seconds, priority, .. } = trigger;
        let events: HashSet<Event> = on.iter().copied().collect();
        if on.is_empty() || events.len() != on.len() {
            let detail = "a trigger is on create, update, delete, or some of them, each once";
            errors.push(FieldError::new(format!("{place}/on"), "items", detail));
        }
        let template = JobTemplate { queue, kind, priority: *priority, delay_seconds: *delay_seconds };
        errors.extend(template.faults().into_iter().map(|error| error.under(&place)));
        if !queues.contains(queue) {
            errors.push(no_queue(position, queue));
        }
        field_faults(draft, trigger, &place, errors);
    }
}

fn field_faults(draft: &Collection, trigger: &TriggerDef, place: &str, errors: &mut Vec<FieldError>) {
    let mut names = HashSet::new();
    for (position, name) in trigger.fields.iter().flatten().enumerate() {
        let mut fail = |code, detail: String| {
            errors.push(FieldError::new(format!("{place}/fields/{position}"), code, detail));
        };
        match draft.slot(name) {
            _ if SYSTEM_FIELDS.iter().any(|(system, _)| system == name) => {
                fail("reserved", format!("every payload has \"{name}\"; list the others"));
            }
            None => fail("not_found", format!("there is no field \"{name}\" in {}", draft.def.name)),
            Some(slot) if !draft.is_visible(slot) => {
                fail("hidden", format!("\"{name}\" is hidden, so no job is told it"));
            }
            Some(_) if !names.insert(name) => fail("unique", format!("\"{name}\" stands there twice")),
            Some(_) => {}
        }
    }
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
