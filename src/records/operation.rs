//! One change of one record, as a request asks for it by itself or among others: carried out inside the transaction, where it
//! sees what was written before it.

use super::{
    RecordError,
    input::{Intent, Members},
    related::Reach,
    service::{Caller, Shown, find_written, shown},
    show::{Budget, Light, Shape},
    sight::CallerSight,
    upsert,
    write::Context,
    writing::{self, Changing, Creation},
};
use crate::{collections::Collection, store::Tx};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Make a record.
    Create,
    /// Change the fields that are given.
    Update,
    /// Change all fields.
    Replace,
    /// Change the record that agrees in these fields, or make it.
    Upsert(Vec<String>),
    /// Delete a record.
    Delete,
}

/// A change of one record.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) what: What,
    pub(super) collection: String,
    /// The id of the record to change or delete.
    pub(super) id: String,
    pub(super) members: Members<'static>,
    /// The version that the record must have.
    pub(super) expected: Option<i64>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Done {
    /// The HTTP status that it has by itself.
    pub(super) status: u16,
    /// The record as its writer sees it; of a deleted one, only the id.
    pub(super) shown: Shown,
}

impl Operation {
    /// Carries it out.
    pub(super) fn run(
        &self,
        tx: &mut Tx<'_>,
        context: Context<'_>,
        caller: &Caller,
        fresh_id: &(dyn Fn() -> String + Sync),
    ) -> Result<Done, RecordError> {
        let collection = find_written(context.catalog, &self.collection)?;
        match &self.what {
            What::Create => self.create(tx, context, caller, collection, fresh_id),
            What::Update => self.change(tx, context, caller, collection, &self.id, Intent::Patch),
            What::Replace => self.change(tx, context, caller, collection, &self.id, Intent::Replace),
            What::Upsert(by) => {
                upsert::check_seen(collection, by, CallerSight { caller, now: context.now })?;
                match upsert::find(tx, collection, by, &self.members)? {
                    Some(id) => self
                        .change(tx, context, caller, collection, &id, Intent::Patch)
                        .map_err(|error| upsert::discreet(error, by)),
                    None => self.create(tx, context, caller, collection, fresh_id),
                }
            }
            What::Delete => {
                writing::remove(tx, context, caller, collection, &self.id, self.expected)?;
                Ok(Done { status: 204, shown: Shown { id: self.id.clone(), version: 0, json: Vec::new() } })
            }
        }
    }

    fn create(
        &self,
        tx: &mut Tx<'_>,
        context: Context<'_>,
        caller: &Caller,
        collection: &Collection,
        fresh_id: &(dyn Fn() -> String + Sync),
    ) -> Result<Done, RecordError> {
        let creation = Creation { caller, members: &self.members, fresh_id };
        let (id, _, prepared) = creation.prepare(tx, context.catalog, collection, context.now)?;
        writing::create(tx, context, collection, &id, &prepared)?;
        let record = prepared.new.unwrap_or_default();
        Ok(Done { status: 201, shown: show(tx, context, caller, collection, &id, record)? })
    }

    fn change(
        &self,
        tx: &mut Tx<'_>,
        context: Context<'_>,
        caller: &Caller,
        collection: &Collection,
        id: &str,
        intent: Intent,
    ) -> Result<Done, RecordError> {
        let members = Ok(self.members.clone());
        let prepared =
            Changing { caller, id, members, intent, expected: self.expected }.run(tx, context, collection)?;
        let record = prepared.new.unwrap_or_default();
        Ok(Done { status: 200, shown: show(tx, context, caller, collection, id, record)? })
    }
}

/// A record that was just written, as its writer sees it in the transaction.
fn show(
    tx: &Tx<'_>,
    context: Context<'_>,
    caller: &Caller,
    collection: &Collection,
    id: &str,
    record: Vec<u8>,
) -> Result<Shown, RecordError> {
    let Context { catalog, now, .. } = context;
    let related = Reach::new(tx, catalog);
    let shape = Shape::whole(CallerSight { caller, now }.mask(collection));
    shown(collection, id, record, &shape, Light { related: &related, budget: &Budget::default(), now })
}

/// Members that own what they say.
pub(super) fn owned(members: Members<'_>) -> Members<'static> {
    members.into_iter().map(|(name, value)| (name.into_owned().into(), value.into_owned().into())).collect()
}
