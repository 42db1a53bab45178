//! Changing or deleting all records that match a filter, in one transaction.
//!
//! The records are found before it, and judged again in it: one that no longer matches is left alone, and one that came to
//! match meanwhile is not touched.

use std::{ops::ControlFlow, sync::Arc};

use jiff::Timestamp;

use super::{
    RecordError, RecordService,
    authorize::{Opening, open},
    execute::Run,
    idempotency::{Answer, Idempotency},
    input::{self, Intent, Members},
    operation::owned,
    plan,
    related::Reach,
    semijoin::Semijoin,
    service::{Caller, Limits, Shown, find_written},
    statistics::Known,
    view::View,
    write::{self, Context},
    writing::{self, Changing},
};
use crate::{
    access::Action,
    collections::{Catalog, Collection, Slots},
    expr::Expr,
    store::{Snapshot, Tx},
};

/// The most records that one request changes or deletes.
pub const BULK_MAX: usize = 10_000;

/// What is done with each record.
#[derive(Clone, Debug)]
enum Change {
    Patch(Members<'static>),
    Delete,
}

/// What a bulk request asks for.
#[derive(Clone, Debug)]
pub struct Bulk {
    /// Which records; what the caller may not list is not among them.
    pub filter: String,
    /// Whether only to count them.
    pub dry_run: bool,
}

impl RecordService {
    /// Changes the given fields of all records that match. The answer tells how many.
    ///
    /// # Errors
    /// [`RecordError::TooLarge`] when they are too many; otherwise as [`RecordService::update`] for one of them.
    pub async fn update_all(
        &self,
        caller: &Caller,
        collection: &str,
        bulk: Bulk,
        body: &[u8],
        idempotency: Option<Idempotency>,
    ) -> Result<Answer, RecordError> {
        let change = Change::Patch(owned(input::members(body)?));
        self.bulk(caller, collection, bulk, Action::Update, change, idempotency).await
    }

    /// Deletes all records that match, with what their deletion entails. The answer tells how many matched.
    ///
    /// # Errors
    /// [`RecordError::TooLarge`] when they are too many; otherwise as [`RecordService::delete`] for one of them.
    pub async fn delete_all(
        &self,
        caller: &Caller,
        collection: &str,
        bulk: Bulk,
        idempotency: Option<Idempotency>,
    ) -> Result<Answer, RecordError> {
        self.bulk(caller, collection, bulk, Action::Delete, Change::Delete, idempotency).await
    }

    async fn bulk(
        &self,
        caller: &Caller,
        collection: &str,
        bulk: Bulk,
        action: Action,
        change: Change,
        idempotency: Option<Idempotency>,
    ) -> Result<Answer, RecordError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        let collection = Arc::clone(find_written(&catalog, collection)?);
        let now = self.clock.now();
        // Who may change nothing of the collection learns nothing of what is in it.
        open(
            caller,
            &collection,
            action,
            |rules| if action == Action::Delete { &rules.delete } else { &rules.update },
            now,
        )?;
        let filter = self.bulk_filter(caller, &catalog, &collection, &bulk.filter, now)?;
        let known = self.statistics.of(&snapshot, &collection);
        let search = Search { known, catalog, collection, filter, now, limits: self.limits };
        let search = Arc::new(search);
        let ids = {
            let search = Arc::clone(&search);
            self.store.scan(move |_| search.ids(&snapshot)).await?
        };
        if bulk.dry_run {
            return Ok(counted(ids.len(), true));
        }
        let caller_of = caller.clone();
        let work = move |tx: &mut Tx<'_>, context: Context<'_>| {
            // The filter is bound to the fields of the search's schema.
            if context.catalog.epoch != search.catalog.epoch {
                return Err(RecordError::Moved);
            }
            let collection = &search.collection;
            let mut count = 0;
            for id in &ids {
                count += usize::from(carry_out(tx, context, &caller_of, collection, &search.filter, id, &change)?);
            }
            Ok(counted(count, false))
        };
        self.once(caller, idempotency, Arc::new(work)).await
    }

    fn bulk_filter(
        &self,
        caller: &Caller,
        catalog: &Catalog,
        collection: &Collection,
        source: &str,
        now: Timestamp,
    ) -> Result<Expr, RecordError> {
        let asking = self.asking(caller, catalog, collection, now);
        let filter = asking.bound(&asking.filter(source)?);
        Ok(match open(caller, collection, Action::List, |rules| &rules.list, now)? {
            Opening::All => filter,
            Opening::Matching(rule) => Expr::all([rule, filter]),
        })
    }
}

/// A filter to find records by.
struct Search {
    known: Arc<Known>,
    catalog: Arc<Catalog>,
    collection: Arc<Collection>,
    filter: Expr,
    now: Timestamp,
    limits: Limits,
}

impl Search {
    fn ids(&self, snapshot: &Snapshot) -> Result<Vec<String>, RecordError> {
        if self.filter == Expr::Constant(false) {
            return Ok(Vec::new());
        }
        let narrowed = Semijoin::new(snapshot, &self.catalog, self.now, false).narrow(&self.collection, &self.filter);
        let filter = narrowed.as_ref().map_or(&self.filter, |narrowed| &narrowed.filter);
        let plan = plan::plan(&self.collection, &self.known, filter, None, 0);
        let related = Reach::new(snapshot, &self.catalog);
        let mut run = Run::new(snapshot, &self.collection, &plan, &related, self.now, self.limits.examined_max);
        let mut ids = Vec::new();
        run.matching(None, &mut |id, _| {
            ids.push(id.to_owned());
            Ok(if ids.len() <= BULK_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        if ids.len() > BULK_MAX {
            let detail =
                format!("the filter matches more than {BULK_MAX} records; narrow it and send several requests");
            return Err(RecordError::TooLarge(detail));
        }
        Ok(ids)
    }
}

/// Does it with one record, if it still matches.
fn carry_out(
    tx: &mut Tx<'_>,
    context: Context<'_>,
    caller: &Caller,
    collection: &Collection,
    filter: &Expr,
    id: &str,
    change: &Change,
) -> Result<bool, RecordError> {
    let Some(record) = write::stored(tx, collection, id)? else { return Ok(false) };
    let matches = {
        let (slots, related) = (Slots::read(collection, &record)?, Reach::new(tx, context.catalog));
        View::of(collection, &slots, &related, context.now).satisfies(filter)?
    };
    if !matches {
        return Ok(false);
    }
    match change {
        Change::Patch(members) => {
            let members = Ok(members.clone());
            Changing { caller, id, members, intent: Intent::Patch, expected: None }.run(tx, context, collection)?;
        }
        Change::Delete => writing::remove(tx, context, caller, collection, id, None)?,
    }
    Ok(true)
}

fn counted(count: usize, dry_run: bool) -> Answer {
    let json = format!(r#"{{"matched":{count},"dryRun":{dry_run}}}"#).into_bytes();
    Answer { status: 200, shown: Shown { id: String::new(), version: 0, json } }
}
