//! Follows the change log: makes a job for each change that a webhook is to hear of.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use serde_json::value::RawValue;

use super::{
    model::{Disabled, Order, Webhook},
    repo,
    service::Webhooks,
};
use crate::{
    collections::{Catalog, Watching},
    queue::{NewJob, QueueError},
    records::RecordChange,
    store::{Snapshot, StoreError, log},
};

/// The most changes that are looked at in one turn.
const TURN_MAX: u64 = 500;
/// After how many changes of which nobody is told it is noted how far the log was read.
const NOTED_EVERY: u64 = 5_000;
/// How long to wait when the store could not be read or written.
const PAUSE: Duration = Duration::from_secs(5);
/// The greatest length of what is told of a record, in bytes.
const TOLD_BYTES_MAX: usize = 200 << 10;

/// A webhook with what it watches.
struct Listener {
    webhook: Webhook,
    watching: Vec<(u32, Watching)>,
}

/// All webhooks that hear, as of one state of webhooks and schema.
#[derive(Default)]
struct Listeners {
    of: Option<(u64, u64)>,
    all: Arc<Vec<Listener>>,
}

/// What is to be told.
struct Message {
    webhook: String,
    job: NewJob,
}

impl Webhooks {
    /// Follows the log, for as long as the task lives.
    pub async fn follow(self) {
        let mut newest = self.store.newest_seq();
        let (mut listeners, mut at, mut noted) = (Listeners::default(), None, 0);
        loop {
            newest.mark_unchanged();
            match self.turn(&mut listeners, &mut at, &mut noted).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(StoreError::Closed | StoreError::Failed(_)) => return,
                Err(error) => {
                    tracing::warn!(%error, "webhooks were not told of changes yet");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            }
            tokio::select! {
                changed = newest.changed() => if changed.is_err() { return },
                // A webhook may have been enabled.
                () = self.bell.notified() => {}
            }
        }
    }

    /// Tells of some changes. Answers whether there may be more.
    async fn turn(&self, listeners: &mut Listeners, at: &mut Option<u64>, noted: &mut u64) -> Result<bool, StoreError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        self.refresh(listeners, &snapshot, &catalog).await?;
        let newest = snapshot.seq();
        if listeners.all.is_empty() {
            // Nobody hears; whoever comes hears what comes after.
            *at = Some(newest);
            return Ok(false);
        }
        let known = at.map_or_else(|| Ok(repo::cursor(&snapshot)?.unwrap_or(newest)), Ok::<_, StoreError>)?;
        if known >= newest {
            *at = Some(known);
            return Ok(false);
        }
        let all = Arc::clone(&listeners.all);
        let (messages, reached) = self.store.scan(move |_| messages(&all, &snapshot, &catalog, known)).await?;
        if !messages.is_empty() || reached >= *noted + NOTED_EVERY {
            self.make_jobs(messages, reached).await?;
            *noted = reached;
        }
        *at = Some(reached);
        Ok(reached < newest)
    }

    /// Reads webhooks anew when they, or the schema, have changed. One that cannot be compiled any more hears nothing, and is told why.
    async fn refresh(
        &self,
        listeners: &mut Listeners,
        snapshot: &Snapshot,
        catalog: &Arc<Catalog>,
    ) -> Result<(), StoreError> {
        // Both as of the snapshot, so that no change is judged by webhooks of another time.
        let of = Some((repo::version(snapshot)?, catalog.epoch));
        if listeners.of == of {
            return Ok(());
        }
        let mut all = Vec::new();
        for webhook in repo::all(snapshot)?.into_iter().filter(Webhook::hears) {
            match watching(&webhook, catalog) {
                Ok(watching) => all.push(Listener { webhook, watching }),
                Err(reason) => self.disable(webhook.id, reason).await?,
            }
        }
        *listeners = Listeners { of, all: Arc::new(all) };
        Ok(())
    }

    async fn make_jobs(&self, messages: Vec<Message>, reached: u64) -> Result<(), StoreError> {
        let jobs = self.jobs.clone();
        self.store
            .write(move |tx| {
                for Message { webhook, job } in messages {
                    let made = jobs.enqueue(tx, &job).map_err(|error| match error {
                        QueueError::Store(error) => error,
                        error => StoreError::corrupt(error),
                    })?;
                    repo::add_delivery(tx, &webhook, made.id)?;
                }
                repo::put_cursor(tx, reached)
            })
            .await
    }

    /// Tells a webhook nothing any more.
    pub(super) async fn disable(&self, id: String, reason: String) -> Result<(), StoreError> {
        let (own, now) = (self.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                let Some(webhook) = repo::webhook(tx, &id)?.filter(|webhook| webhook.disabled.is_none()) else {
                    return Ok(());
                };
                tracing::warn!(webhook = id, reason, "a webhook was disabled");
                own.tell_owner(tx, &webhook, &reason)?;
                repo::put(tx, &Webhook { disabled: Some(Disabled { at: now, reason }), ..webhook })
            })
            .await?;
        Ok(())
    }
}

/// What is to be told of the changes after one, and up to which that is.
fn messages(
    listeners: &[Listener],
    snapshot: &Snapshot,
    catalog: &Catalog,
    after: u64,
) -> Result<(Vec<Message>, u64), StoreError> {
    let (mut messages, mut reached) = (Vec::new(), after);
    log::read::<StoreError>(snapshot, after, &mut |entry| {
        reached = entry.seq;
        let collection = (entry.entity == "records").then(|| catalog.by_number(entry.collection)).flatten();
        if let Some(collection) = collection {
            let text = |value: &Option<Box<RawValue>>| value.as_ref().map(|value| value.get().to_owned());
            let (old, new) = (text(&entry.old), text(&entry.new));
            let change = match RecordChange::read(collection, &entry.id, (old.as_deref(), new.as_deref())) {
                Ok(change) => change,
                // One that cannot be read must not keep all that come after it.
                Err(error) => {
                    tracing::error!(%error, seq = entry.seq, "a change cannot be read; webhooks are not told of it");
                    return Ok(ControlFlow::Continue(()));
                }
            };
            for listener in listeners.iter().filter(|listener| entry.seq > listener.webhook.since) {
                for (_, watching) in listener.watching.iter().filter(|(number, _)| *number == entry.collection) {
                    let watched = change.is_watched(snapshot, catalog, watching, entry.time).unwrap_or_else(|error| {
                        tracing::warn!(%error, webhook = listener.webhook.id, "a condition could not be judged; the change is told");
                        true
                    });
                    if watched {
                        messages.push(message(&listener.webhook, &change, watching, entry.time)?);
                    }
                }
            }
        }
        Ok(if entry.seq - after < TURN_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok((messages, reached))
}

/// What a webhook watches, by the numbers of collections.
fn watching(webhook: &Webhook, catalog: &Catalog) -> Result<Vec<(u32, Watching)>, String> {
    let mut watching = Vec::new();
    for subscription in &webhook.subscriptions {
        // A collection that was deleted has no changes.
        let Some(collection) = catalog.by_number(subscription.number) else { continue };
        let (on, fields, when) = (&subscription.on, subscription.fields.as_deref(), subscription.when.as_deref());
        let compiled = Watching::compile(on, fields, when, collection, catalog);
        let name = &collection.def.name;
        let compiled = compiled.map_err(|error| format!("its condition does not fit {name} any more: {error}"))?;
        watching.push((subscription.number, compiled));
    }
    Ok(watching)
}

fn message(
    webhook: &Webhook,
    change: &RecordChange<'_>,
    watching: &Watching,
    time: jiff::Timestamp,
) -> Result<Message, StoreError> {
    let (collection, id, event) = (change.collection(), change.id(), change.event().name());
    let mut told = change.told(watching);
    if told.len() > TOLD_BYTES_MAX {
        // The receiver reads the record itself.
        let only = Watching { shown: Vec::new(), ..watching.clone() };
        told = change.told(&only);
    }
    let body = format!(r#"{{"type":"{collection}.{event}","timestamp":"{time}","data":{told}}}"#);
    let job = order(webhook, body, webhook.ordered.then(|| format!("{}/{collection}/{id}", webhook.id)))?;
    Ok(Message { webhook: webhook.id.clone(), job })
}

/// The job that posts a body to a webhook.
pub(super) fn order(webhook: &Webhook, body: String, serial: Option<String>) -> Result<NewJob, StoreError> {
    let body = RawValue::from_string(body).map_err(StoreError::corrupt)?;
    let order = Order { webhook: webhook.id.clone(), body };
    let payload = serde_json::value::to_raw_value(&order).map_err(StoreError::corrupt)?;
    Ok(NewJob { serial, ..NewJob::new(super::QUEUE, super::KIND, payload, "stead") })
}
