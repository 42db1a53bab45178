//! A change of a record as others are told it: jobs in its own transaction, and webhooks once it is on disk.

use jiff::Timestamp;
use serde_json::Value;

use super::{RecordError, related::Reach, view::View};
use crate::{
    collections::{Catalog, Collection, Event, Outline, Slot, Slots, Watching, catalog::FIRST_FIELD},
    store::{Read, StoreError},
};

/// What happened to a record.
#[derive(Debug)]
pub struct RecordChange<'a> {
    collection: &'a Collection,
    id: &'a str,
    old: Option<Slots<'a>>,
    new: Option<Slots<'a>>,
}

impl<'a> RecordChange<'a> {
    /// A change by the texts of the record, before and after.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a text is none of a record.
    pub fn read(
        collection: &'a Collection,
        id: &'a str,
        (old, new): (Option<&'a str>, Option<&'a str>),
    ) -> Result<Self, StoreError> {
        let read = |text: Option<&'a str>| text.map(|text| Slots::read(collection, text.as_bytes())).transpose();
        Ok(Self { collection, id, old: read(old)?, new: read(new)? })
    }

    /// The name of the collection.
    #[must_use]
    pub fn collection(&self) -> &'a str {
        &self.collection.def.name
    }

    /// The id of the record.
    #[must_use]
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// What happened.
    #[must_use]
    pub fn event(&self) -> Event {
        match (&self.old, &self.new) {
            (None, _) => Event::Create,
            (_, None) => Event::Delete,
            _ => Event::Update,
        }
    }

    /// Whether somebody is to be told.
    ///
    /// # Errors
    /// [`RecordError`] when what lies behind relations is too much, or cannot be read.
    pub fn is_watched(
        &self,
        source: &impl Read,
        catalog: &Catalog,
        watching: &Watching,
        now: Timestamp,
    ) -> Result<bool, RecordError> {
        let record = self.new.as_ref().or(self.old.as_ref());
        let Some(record) = record.filter(|_| watching.on.contains(&self.event())) else { return Ok(false) };
        let Some(when) = &watching.when else { return Ok(true) };
        let related = Reach::new(source, catalog);
        View { old: self.old.as_ref(), ..View::of(self.collection, record, &related, now) }.satisfies(when)
    }

    /// What is told, as JSON: `collection`, `event`, `id`, on an update the fields that `changed`, and the `record`.
    #[must_use]
    pub fn told(&self, watching: &Watching) -> String {
        let (collection, event) = (self.collection(), self.event());
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
        for (position, slot) in watching.shown.iter().enumerate() {
            let comma = if position > 0 { "," } else { "" };
            let value = record.map_or("null", |record| self.value(record, *slot));
            text.push_str(&format!(r#"{comma}"{}":{value}"#, self.collection.slot_name(*slot)));
        }
        text.push_str("}}");
        text
    }

    /// A payload with the values of the record, as it is, or, when it was deleted, was.
    #[must_use]
    pub fn filled(&self, outline: &Outline) -> String {
        let record = self.new.as_ref().or(self.old.as_ref());
        outline.filled(|slot| record.map_or("null", |record| self.value(record, slot)))
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
}
