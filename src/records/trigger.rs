//! The jobs that a change of a record makes, as its collection says: in the transaction of the change.

use jiff::SignedDuration;
use serde_json::value::RawValue;

use super::{RecordError, change::RecordChange, write::Context};
use crate::{
    collections::{Collection, Trigger},
    queue::{NewJob, QueueError, Unique, input},
    store::{StoreError, Tx},
};

/// Makes the jobs of a change that was just written. `old` and `new` are the texts of the record, before and after.
pub(super) fn fire<'a>(
    tx: &mut Tx<'_>,
    context: Context<'_>,
    collection: &'a Collection,
    id: &'a str,
    texts: (Option<&'a str>, Option<&'a str>),
) -> Result<(), RecordError> {
    if !context.triggers || collection.triggers.is_empty() {
        return Ok(());
    }
    let change = RecordChange::read(collection, id, texts)?;
    for trigger in &collection.triggers {
        if !change.is_watched(tx, context.catalog, &trigger.watching, context.now)? {
            continue;
        }
        let job = job(&change, trigger, context)?;
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

fn job(change: &RecordChange<'_>, trigger: &Trigger, context: Context<'_>) -> Result<NewJob, RecordError> {
    let (def, name) = (&trigger.def, change.collection());
    let payload = match &trigger.payload {
        Some(outline) => change.filled(outline),
        None => change.told(&trigger.watching),
    };
    let payload = RawValue::from_string(payload).map_err(StoreError::corrupt)?;
    let payload = input::checked(Some(payload), "payload").map_err(|_| {
        let kind = &def.kind;
        RecordError::TooLarge(format!("the record is larger than the job \"{kind}\" may be that a trigger of {name} makes; let the trigger show fewer fields"))
    })?;
    let about = || format!("{name}/{}", change.id());
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
