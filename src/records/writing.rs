//! The three ways in which a request changes one record: what is checked before the transaction, and what is done in it.
//!
//! Each can be prepared from a snapshot on the caller's thread, or from the transaction itself, when it must see what was
//! written before it there.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    RecordError,
    authorize::{
        Opening, check_creation, check_fields, check_operators, check_over, check_rights, check_version, check_write,
        kept_fields, open,
    },
    input::{self, Draft, Intent, Members},
    prepare::{self, Prepared},
    related::Reach,
    service::{AlsoWrite, Caller, not_found},
    view::View,
    write::{self, Context, Effects},
};
use crate::{
    access::Action,
    collections::{Catalog, Collection, Slots},
    store::{Read, Tx},
};

/// A record to make.
pub(super) struct Creation<'a> {
    pub(super) caller: &'a Caller,
    pub(super) members: &'a Members<'a>,
    /// The id, when the body gives none.
    pub(super) fresh_id: &'a (dyn Fn() -> String + Sync),
}

impl Creation<'_> {
    /// Everything that can be checked and made before the transaction. Answers the record's id, too.
    pub(super) fn prepare(
        &self,
        source: &impl Read,
        catalog: &Catalog,
        collection: &Collection,
        now: Timestamp,
    ) -> Result<(String, Draft, Prepared), RecordError> {
        let opening = open(self.caller, collection, Action::Create, |rules| &rules.create, now)?;
        self.prepare_opened(&opening, source, catalog, collection, now)
    }

    /// [`Creation::prepare`] when it is known what the caller may do: for many records of one collection.
    pub(super) fn prepare_opened(
        &self,
        opening: &Opening,
        source: &impl Read,
        catalog: &Catalog,
        collection: &Collection,
        now: Timestamp,
    ) -> Result<(String, Draft, Prepared), RecordError> {
        let draft = input::check(collection, self.members, Intent::Create, None)?;
        check_rights(source, self.caller, collection, Action::Create, &draft, None)?;
        let id = draft.id.as_ref().map_or_else(|| (self.fresh_id)(), ToString::to_string);
        let prepared = prepare::creation(catalog, collection, &draft, &id, now)?;
        if matches!(opening, Opening::Matching(_)) || !collection.rules.fields.is_empty() {
            let related = Reach::new(source, catalog);
            let slots = Slots::read(collection, prepared.new.as_deref().unwrap_or_default())?;
            let body = draft.slots(collection);
            let view = View { body: Some(&body), ..View::of(collection, &slots, &related, now) };
            check_creation(opening, view)?;
            check_fields(self.caller, Action::Create, &draft, view)?;
        }
        Ok((id, draft, prepared))
    }
}

/// Puts a new record that was prepared.
pub(super) fn create(
    tx: &mut Tx<'_>,
    context: Context<'_>,
    collection: &Collection,
    id: &str,
    prepared: &Prepared,
) -> Result<(), RecordError> {
    if write::stored(tx, collection, id)?.is_some() {
        return Err(RecordError::IdInUse(id.to_owned()));
    }
    write::apply(tx, context, collection, id, prepared)
}

/// A record to change.
pub(super) struct Changing<'a> {
    pub(super) caller: &'a Caller,
    pub(super) id: &'a str,
    /// The body, or why it is none: whoever may not see the record learns nothing of what the body does wrong.
    pub(super) members: Result<Members<'a>, RecordError>,
    pub(super) intent: Intent,
    pub(super) expected: Option<i64>,
}

impl Changing<'_> {
    /// Everything that can be checked and made before the transaction, provided the record is still `old` then.
    pub(super) fn prepare(
        self,
        source: &impl Read,
        catalog: &Catalog,
        collection: &Collection,
        old: Vec<u8>,
        now: Timestamp,
    ) -> Result<Prepared, RecordError> {
        let slots = Slots::read(collection, &old)?;
        let kept = match self.intent {
            Intent::Replace => kept_fields(self.caller, collection, now),
            Intent::Create | Intent::Patch => Vec::new(),
        };
        let related = Reach::new(source, catalog);
        let draft = self.members.and_then(|members| {
            check_operators(self.caller, &members, View::of(collection, &slots, &related, now))?;
            input::check_keeping(collection, &members, self.intent, Some(&slots), &kept)
        });
        let empty = Slots::empty(collection.slot_count());
        let body = draft.as_ref().map_or(empty, |draft| draft.slots(collection));
        let view = View { old: Some(&slots), body: Some(&body), ..View::of(collection, &slots, &related, now) };
        check_write(self.caller, Action::Update, |rules| &rules.update, view, self.id)?;
        check_version(&slots, self.expected)?;
        if let Ok(draft) = &draft {
            check_rights(source, self.caller, collection, Action::Update, draft, Some(&slots))?;
            check_fields(self.caller, Action::Update, draft, view)?;
        }
        let draft = draft?;
        Ok(prepare::change(catalog, collection, &draft, old, now)?)
    }

    /// Prepares and writes inside the transaction. Answers what was written.
    pub(super) fn run(
        self,
        tx: &mut Tx<'_>,
        context: Context<'_>,
        collection: &Collection,
    ) -> Result<Prepared, RecordError> {
        let old = write::stored(tx, collection, self.id)?.ok_or_else(|| not_found(collection, self.id))?;
        let id = self.id;
        let prepared = self.prepare(tx, context.catalog, collection, old, context.now)?;
        write::apply(tx, context, collection, id, &prepared)?;
        Ok(prepared)
    }
}

/// A change of one record, prepared on the caller's thread and prepared again in the writer if the record moved.
pub(super) struct Change {
    pub(super) caller: Caller,
    pub(super) id: String,
    pub(super) body: Vec<u8>,
    pub(super) intent: Intent,
    pub(super) expected: Option<i64>,
    pub(super) more: Option<Arc<AlsoWrite>>,
    pub(super) effects: Arc<Effects>,
}

impl Change {
    pub(super) fn changing(&self) -> Changing<'_> {
        let members = input::members(&self.body);
        Changing { caller: &self.caller, id: &self.id, members, intent: self.intent, expected: self.expected }
    }

    pub(super) fn apply(
        &self,
        tx: &mut Tx<'_>,
        catalog: &Arc<Catalog>,
        collection: &Arc<Collection>,
        mut prepared: Prepared,
        now: Timestamp,
    ) -> Result<(Arc<Collection>, Vec<u8>), RecordError> {
        write::check_epoch(tx, catalog)?;
        let who = self.caller.who();
        let context = Context { catalog, who: &who, now, effects: &self.effects, triggers: true };
        let current = write::stored(tx, collection, &self.id)?.ok_or_else(|| not_found(collection, &self.id))?;
        if prepared.old.as_ref() != Some(&current) {
            prepared = self.changing().prepare(tx, catalog, collection, current, now)?;
        }
        write::apply(tx, context, collection, &self.id, &prepared)?;
        if let Some(more) = &self.more {
            more(tx, &self.id)?;
        }
        Ok((Arc::clone(collection), prepared.new.unwrap_or_default()))
    }
}

/// Deletes a record, if the caller may.
pub(super) fn remove(
    tx: &mut Tx<'_>,
    context: Context<'_>,
    caller: &Caller,
    collection: &Collection,
    id: &str,
    expected: Option<i64>,
) -> Result<(), RecordError> {
    let old = write::stored(tx, collection, id)?.ok_or_else(|| not_found(collection, id))?;
    {
        let slots = Slots::read(collection, &old)?;
        let related = Reach::new(tx, context.catalog);
        let view = View { old: Some(&slots), ..View::of(collection, &slots, &related, context.now) };
        check_write(caller, Action::Delete, |rules| &rules.delete, view, id)?;
        check_over(tx, caller, collection, Some(&slots), Action::Delete)?;
        check_version(&slots, expected)?;
    }
    write::delete(tx, context, collection, id).map(|_| ())
}
