//! The jobs that a change of a record makes, as its collection says: in the transaction of the change.

use jiff::SignedDuration;
use serde_json::{Value, value::RawValue};

use super::{RecordError, related::Reach, view::View, write::Context};
use crate::{
    collections::{Collection, Event, Slot, Slots, Trigger, catalog::FIRST_FIELD},
    queue::{NewJob, QueueError, Unique, input},
    store::{StoreError, Tx},
};

/// Makes the jobs of a change that was just written. `old` and `new` are the texts of the record, before and after.
pub(super) fn fire<'a>(
    tx: &mut Tx<'_>,
    context: Context<'_>,
    collection: &'a Collection,
    id: &'a str,
    (old, new): (Option<&'a str>, Option<&'a str>),
) -> Result<(), RecordError> {
    if !context.triggers || collection.triggers.is_empty() {
        return Ok(());
    }
    let read = |text: Option<&'a str>| text.map(|text| Slots::read(collection, text.as_bytes())).transpose();
    let change = Change { collection, id, old: read(old)?, new: read(new)? };
    for trigger in change.triggers(tx, context)? {
        let job = change.job(trigger, context)?;
        context.effects.jobs.enqueue(tx, &job).map_err(|error| match error {
            QueueError::NoQueue(queue) => {
                let name = &collection.def.name;
                RecordError::Conflict(format!("a trigger of {name} makes jobs in the queue \"{queue}\", which is not there; make it, or change the trigger"))
            }
            error => error.into(),
        })?;
    }
    Ok(())
}

/// What happened to a record.
struct Change<'a> {
    collection: &'a Collection,
    id: &'a str,
    old: Option<Slots<'a>>,
    new: Option<Slots<'a>>,
}

impl<'a> Change<'a> {
    fn event(&self) -> Event {
        match (&self.old, &self.new) {
            (None, _) => Event::Create,
            (_, None) => Event::Delete,
            _ => Event::Update,
        }
    }

    /// The triggers that it sets off.
    fn triggers(&self, tx: &Tx<'_>, context: Context<'_>) -> Result<Vec<&'a Trigger>, RecordError> {
        let Some(record) = self.new.as_ref().or(self.old.as_ref()) else { return Ok(Vec::new()) };
        let related = Reach::new(tx, context.catalog);
        let view = View { old: self.old.as_ref(), ..View::of(self.collection, record, &related, context.now) };
        let (event, mut found) = (self.event(), Vec::new());
        for trigger in self.collection.triggers.iter().filter(|trigger| trigger.def.on.contains(&event)) {
            if trigger.when.as_ref().map_or(Ok(true), |when| view.satisfies(when))? {
                found.push(trigger);
            }
        }
        Ok(found)
    }

    fn job(&self, trigger: &Trigger, context: Context<'_>) -> Result<NewJob, RecordError> {
        let Trigger { def, .. } = trigger;
        let payload = RawValue::from_string(self.payload(trigger)).map_err(StoreError::corrupt)?;
        let payload = input::checked(Some(payload), "payload").map_err(|_| self.too_large(def.kind.as_str()))?;
        let about = || format!("{}/{}", self.collection.def.name, self.id);
        let delay = def.delay_seconds.filter(|delay| *delay > 0);
        let run_at = delay.and_then(|delay| context.now.checked_add(SignedDuration::from_secs(delay.into())).ok());
        let payload = payload.unwrap_or_else(|| RawValue::NULL.to_owned());
        Ok(NewJob {
            priority: def.priority,
            run_at,
            unique: def.on_collision.map(|collision| Unique { key: about(), collision }),
            serial: def.serial.then(about),
            ..NewJob::new(&def.queue, &def.kind, payload, &context.who.actor)
        })
    }

    /// What the job is told, as JSON.
    fn payload(&self, trigger: &Trigger) -> String {
        let (collection, event) = (&self.collection.def.name, self.event());
        // Names need no escapes, and ids are written as any text.
        let mut text =
            format!(r#"{{"collection":"{collection}","event":"{}","id":{}"#, event.name(), Value::from(self.id));
        if event == Event::Update {
            let changed: Vec<_> =
                self.changed().map(|slot| format!("\"{}\"", self.collection.slot_name(slot))).collect();
            text.push_str(&format!(r#","changed":[{}]"#, changed.join(",")));
        }
        text.push_str(r#","record":{"#);
        let record = self.new.as_ref().or(self.old.as_ref());
        for (position, slot) in trigger.shown.iter().enumerate() {
            let comma = if position > 0 { "," } else { "" };
            let value = record.map_or("null", |record| self.value(record, *slot));
            text.push_str(&format!(r#"{comma}"{}":{value}"#, self.collection.slot_name(*slot)));
        }
        text.push_str("}}");
        text
    }

    /// The collection's own fields that have another value than before, but for those that are hidden.
    fn changed(&self) -> impl Iterator<Item = Slot> {
        let value = |slots: &Option<Slots<'a>>, slot| slots.as_ref().map(|slots| self.value(slots, slot).to_owned());
        let differs = move |slot: &Slot| value(&self.old, *slot) != value(&self.new, *slot);
        let slots = FIRST_FIELD..self.collection.slot_count();
        slots.filter(|slot| self.collection.is_visible(*slot)).filter(differs)
    }

    fn value<'s>(&'s self, record: &'s Slots<'a>, slot: Slot) -> &'s str {
        let default = || self.collection.field(slot).map_or("null", |field| field.default.as_str());
        record.get(slot).unwrap_or_else(default)
    }

    fn too_large(&self, kind: &str) -> RecordError {
        let name = &self.collection.def.name;
        RecordError::TooLarge(format!(
            "the record is larger than the job \"{kind}\" may be that a trigger of {name} makes; let the trigger show fewer fields"
        ))
    }
}
