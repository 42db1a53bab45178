//! Use cases of records: who may do it, what is written, what is shown.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::AtomicUsize},
};

use jiff::Timestamp;

use super::{
    RecordError,
    asking::Asking,
    authorize::{Opening, open, read_only},
    cached::Pages,
    input::{self, Intent},
    list::{Counted, Listing},
    query::Query,
    related::Reach,
    show::{Budget, Light, Shape, show},
    sight::CallerSight,
    statistics::Statistics,
    view::{View, is_local},
    write::{self, Context, Effects},
    writing::{self, Change, Creation},
};
use crate::{
    access::{Action, Principal, Who},
    collections::{Catalog, Catalogs, Collection, CollectionService, Slots, catalog::VERSION, system::COLLECTIONS},
    expr::Expr,
    http::Renewal,
    kernel::{Clock, IdSource, RecordId},
    mail::MailService,
    queue::Jobs,
    store::{Store, Tx},
};

/// How often a write is tried again when the schema changed meanwhile.
pub(super) const TRIES: usize = 5;

/// Who asks, and in which request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The user.
    pub principal: Arc<Principal>,
    /// The id of the request; empty when there is none.
    pub request_id: String,
    /// The address of the client, when it came over the network.
    pub address: Option<IpAddr>,
    /// How to ask again who calls, while a body comes that may take any time.
    pub renewal: Option<Renewal>,
}

impl Caller {
    /// The operator of the machine, outside of any request.
    #[must_use]
    pub fn operator() -> Self {
        Self { principal: Principal::operator(), request_id: String::new(), address: None, renewal: None }
    }

    /// Somebody with every right, who does something for whom the logs are to name.
    #[must_use]
    pub fn on_behalf(who: &Who) -> Self {
        let operator = Principal::operator();
        let id = RecordId::parse(&who.actor).unwrap_or_else(|_| operator.id.clone());
        let principal = Arc::new(Principal { id, ..Principal::clone(&operator) });
        Self { principal, request_id: who.request_id.clone(), address: who.address, renewal: None }
    }

    /// The caller as of now.
    ///
    /// # Errors
    /// [`RecordError::SignedOut`] when the credentials have ended meanwhile.
    pub fn renewed(&self) -> Result<Self, RecordError> {
        let Some(renewal) = &self.renewal else { return Ok(self.clone()) };
        let principal = renewal.caller().ok().flatten().ok_or(RecordError::SignedOut)?;
        Ok(Self { principal, ..self.clone() })
    }

    /// As logs tell it.
    #[must_use]
    pub fn who(&self) -> Who {
        Who::of(&self.principal, &self.request_id, self.address)
    }
}

/// A record as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The record's id.
    pub id: String,
    /// How often it was written.
    pub version: i64,
    /// The JSON text.
    pub json: Vec<u8>,
}

/// A page of a list.
#[derive(Debug)]
pub struct Page {
    /// The JSON texts of the records.
    pub items: Vec<Vec<u8>>,
    /// The cursor of the next page, when there is one.
    pub next_cursor: Option<String>,
    /// The number of the page, when it was asked for by number.
    pub page: Option<usize>,
    /// How many records match in all, when asked for.
    pub total: Option<u64>,
    /// How the records were found, when asked for: JSON text.
    pub explain: Option<String>,
}

/// What is written together with a new record, whose id it is given.
pub type AlsoWrite = dyn Fn(&mut Tx<'_>, &str) -> Result<(), RecordError> + Send + Sync;

/// Bounds of queries.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most records and index entries that one query looks at.
    pub examined_max: u64,
    /// How many relations a path of a filter, or an expansion, follows.
    pub hops_max: usize,
    /// The most memory that kept pages take, in bytes; 0 keeps none.
    pub pages_bytes_max: u64,
}

/// Use cases of records.
pub struct RecordService {
    /// Makes the collections that an archive defines.
    pub(super) collections: CollectionService,
    /// What all records of archives take that wait for others.
    pub(super) waiting_bytes: Arc<AtomicUsize>,
    pub(super) store: Store,
    pub(super) catalogs: Arc<Catalogs>,
    pub(super) effects: Arc<Effects>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<IdSource>,
    pub(super) limits: Limits,
    counted: Counted,
    pub(super) pages: Pages,
    pub(super) statistics: Statistics,
}

impl std::fmt::Debug for RecordService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordService").finish_non_exhaustive()
    }
}

impl RecordService {
    /// The service on these collections.
    #[must_use]
    pub fn new(
        collections: CollectionService,
        catalogs: Arc<Catalogs>,
        (jobs, mail): (Jobs, MailService),
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Self {
        Self {
            collections,
            waiting_bytes: Arc::default(),
            statistics: Statistics::new(catalogs.store().clone()),
            store: catalogs.store().clone(),
            effects: Arc::new(Effects { mail, jobs }),
            catalogs,
            clock,
            ids: Arc::default(),
            limits,
            counted: Counted::default(),
            pages: Pages::new(limits.pages_bytes_max),
        }
    }

    /// Reads one record.
    ///
    /// # Errors
    /// [`RecordError::NotFound`] also for a record that the caller may not see.
    pub async fn read(
        self: &Arc<Self>,
        caller: Caller,
        collection: String,
        id: String,
        parameters: Vec<(String, String)>,
    ) -> Result<Shown, RecordError> {
        if parameters.is_empty() {
            let (_, catalog) = self.catalogs.current()?;
            if find(&catalog, &collection)?.rules.read.as_ref().is_none_or(super::view::is_local) {
                return self.read_now(&caller, &collection, &id, &parameters);
            }
        }
        // What lies behind relations may be much.
        let service = Arc::clone(self);
        self.store.scan(move |_| service.read_now(&caller, &collection, &id, &parameters)).await
    }

    fn read_now(
        &self,
        caller: &Caller,
        collection: &str,
        id: &str,
        parameters: &[(String, String)],
    ) -> Result<Shown, RecordError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        let collection = find(&catalog, collection)?;
        let now = self.clock.now();
        let opening = open(caller, collection, Action::Read, |rules| &rules.read, now)?;
        let record = write::stored(&snapshot, collection, id)?.ok_or_else(|| not_found(collection, id))?;
        let related = Reach::new(&snapshot, &catalog);
        if let Opening::Matching(rule) = opening {
            let slots = Slots::read(collection, &record)?;
            if !View::of(collection, &slots, &related, now).satisfies(&rule)? {
                return Err(not_found(collection, id));
            }
        }
        let shape = self.asking(caller, &catalog, collection, now).shape(parameters)?;
        shown(collection, id, record, &shape, Light { related: &related, budget: &Budget::default(), now })
    }

    /// What a client that asks for records of a collection may name.
    pub(super) fn asking<'a>(
        &self,
        caller: &'a Caller,
        catalog: &'a Catalog,
        collection: &'a Collection,
        now: Timestamp,
    ) -> Asking<'a> {
        Asking { sight: CallerSight { caller, now }, catalog, collection, hops_max: self.limits.hops_max }
    }

    /// A record that was just written, as its writer sees it.
    pub(super) fn written(
        &self,
        caller: &Caller,
        collection: &Collection,
        id: &str,
        record: Vec<u8>,
    ) -> Result<Shown, RecordError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        let now = self.clock.now();
        let related = Reach::new(&snapshot, &catalog);
        let shape = Shape::whole(CallerSight { caller, now }.mask(collection));
        shown(collection, id, record, &shape, Light { related: &related, budget: &Budget::default(), now })
    }

    /// Lists records.
    ///
    /// # Errors
    /// [`RecordError`]; every broken parameter at once.
    pub async fn list(
        &self,
        caller: &Caller,
        collection: &str,
        parameters: &[(String, String)],
    ) -> Result<Page, RecordError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        if let Some(groups) = catalog.find(collection).filter(|found| found.is_aggregate()).cloned() {
            return self.list_groups(caller, (snapshot, catalog), groups, parameters).await;
        }
        let collection = Arc::clone(find(&catalog, collection)?);
        let now = self.clock.now();
        let opening = open(caller, &collection, Action::List, |rules| &rules.list, now)?;
        let query = Query::parse(&self.asking(caller, &catalog, &collection, now), parameters)?;
        if query.explain && !caller.principal.may(COLLECTIONS, Action::Read) {
            return Err(RecordError::Forbidden(COLLECTIONS.into()));
        }
        let filter = self.asking(caller, &catalog, &collection, now).bound(&query.filter);
        let filter = match opening {
            Opening::All => filter,
            Opening::Matching(rule) => Expr::all([rule, filter]),
        };
        let (limits, counted) = (self.limits, self.counted.clone());
        let known = self.statistics.of(&snapshot, &collection);
        let mut listing = Listing { known, catalog, collection, filter, query, now, limits, counted, narrowed: None };
        if !is_local(&listing.filter) {
            return self
                .store
                .scan(move |_| {
                    listing.narrow(&snapshot);
                    listing.run(&snapshot, &listing.plan())
                })
                .await;
        }
        // A page that an index serves in order is short work; anything else may be long and leaves the async thread.
        let plan = listing.plan();
        if let Some(done) = listing.run_inline(&snapshot, &plan) {
            return done;
        }
        self.store.scan(move |_| listing.run(&snapshot, &plan)).await
    }

    /// Makes a record.
    ///
    /// # Errors
    /// [`RecordError::Invalid`] with every fault, or another [`RecordError`].
    pub async fn create(&self, caller: &Caller, collection: &str, body: &[u8]) -> Result<Shown, RecordError> {
        self.create_with(caller, collection, body, None).await
    }

    /// [`RecordService::create`] with something more that is written in the same transaction.
    ///
    /// # Errors
    /// As [`RecordService::create`], and what `more` answers.
    pub async fn create_with(
        &self,
        caller: &Caller,
        collection: &str,
        body: &[u8],
        more: Option<Arc<AlsoWrite>>,
    ) -> Result<Shown, RecordError> {
        let members = input::members(body)?;
        for _ in 0..TRIES {
            let (snapshot, catalog) = self.catalogs.current()?;
            let collection = Arc::clone(find_written(&catalog, collection)?);
            let now = self.clock.now();
            let fresh_id = || self.ids.next(now).to_string();
            let creation = Creation { caller, members: &members, fresh_id: &fresh_id };
            let (id, _, prepared) = creation.prepare(&snapshot, &catalog, &collection, now)?;
            let (who, more, effects) = (caller.who(), more.clone(), Arc::clone(&self.effects));
            let written = self.store.write(move |tx| {
                write::check_epoch(tx, &catalog)?;
                let context = Context { catalog: &catalog, who: &who, now, effects: &effects, triggers: true };
                writing::create(tx, context, &collection, &id, &prepared)?;
                if let Some(more) = more {
                    more(tx, &id)?;
                }
                Ok((collection, id, prepared.new.unwrap_or_default()))
            });
            match written.await {
                Err(RecordError::Moved) => {}
                other => {
                    let (collection, id, record) = other?;
                    return self.written(caller, &collection, &id, record);
                }
            }
        }
        Err(RecordError::Moved)
    }

    /// Changes a record: the fields that are given (`replace` false), or all of them. `expected` is the version that
    /// it must have.
    ///
    /// # Errors
    /// [`RecordError::Stale`] when it has another version, [`RecordError::Invalid`] with every fault, or another
    /// [`RecordError`].
    pub async fn update(
        &self,
        caller: &Caller,
        collection: &str,
        id: &str,
        body: Vec<u8>,
        replace: bool,
        expected: Option<i64>,
    ) -> Result<Shown, RecordError> {
        let intent = if replace { Intent::Replace } else { Intent::Patch };
        self.change(
            collection,
            Change {
                caller: caller.clone(),
                id: id.to_owned(),
                body,
                intent,
                expected,
                more: None,
                effects: Arc::clone(&self.effects),
            },
        )
        .await
    }

    /// Changes the fields of a record that are given, with something more that is written in the same transaction.
    ///
    /// # Errors
    /// As [`RecordService::update`], and what `more` answers.
    pub async fn update_with(
        &self,
        caller: &Caller,
        collection: &str,
        id: &str,
        body: Vec<u8>,
        more: Arc<AlsoWrite>,
    ) -> Result<Shown, RecordError> {
        let (caller, id, intent) = (caller.clone(), id.to_owned(), Intent::Patch);
        self.change(
            collection,
            Change { caller, id, body, intent, expected: None, more: Some(more), effects: Arc::clone(&self.effects) },
        )
        .await
    }

    async fn change(&self, collection: &str, change: Change) -> Result<Shown, RecordError> {
        let change = Arc::new(change);
        let (caller, id) = (&change.caller, change.id.as_str());
        for _ in 0..TRIES {
            let (snapshot, catalog) = self.catalogs.current()?;
            let collection = Arc::clone(find_written(&catalog, collection)?);
            let now = self.clock.now();
            let old = write::stored(&snapshot, &collection, id)?.ok_or_else(|| not_found(&collection, id))?;
            let prepared = change.changing().prepare(&snapshot, &catalog, &collection, old, now)?;
            let applied = Arc::clone(&change);
            let written = self.store.write(move |tx| applied.apply(tx, &catalog, &collection, prepared, now));
            match written.await {
                Err(RecordError::Moved) => {}
                other => {
                    let (collection, record) = other?;
                    return self.written(caller, &collection, id, record);
                }
            }
        }
        Err(RecordError::Moved)
    }

    /// Deletes a record with all that its deletion entails.
    ///
    /// # Errors
    /// [`RecordError::Referenced`] when another record restricts it, or another [`RecordError`].
    pub async fn delete(
        &self,
        caller: &Caller,
        collection: &str,
        id: &str,
        expected: Option<i64>,
    ) -> Result<(), RecordError> {
        for _ in 0..TRIES {
            let (_, catalog) = self.catalogs.current()?;
            let collection = Arc::clone(find_written(&catalog, collection)?);
            let (now, caller, id) = (self.clock.now(), caller.clone(), id.to_owned());
            let effects = Arc::clone(&self.effects);
            let written = self.store.write(move |tx| {
                write::check_epoch(tx, &catalog)?;
                let who = caller.who();
                let context = Context { catalog: &catalog, who: &who, now, effects: &effects, triggers: true };
                writing::remove(tx, context, &caller, &collection, &id, expected)
            });
            match written.await {
                Err(RecordError::Moved) => {}
                other => return other,
            }
        }
        Err(RecordError::Moved)
    }
}

/// The collection or view whose records are read.
pub(super) fn find<'c>(catalog: &'c Catalog, name: &str) -> Result<&'c Arc<Collection>, RecordError> {
    let found = catalog.find(name).ok_or_else(|| RecordError::NoCollection(name.to_owned()))?;
    if found.is_aggregate() { Err(RecordError::Aggregate(name.to_owned())) } else { Ok(found) }
}

/// The collection whose records are written.
pub(super) fn find_written<'c>(catalog: &'c Catalog, name: &str) -> Result<&'c Arc<Collection>, RecordError> {
    let found = catalog.find(name).ok_or_else(|| RecordError::NoCollection(name.to_owned()))?;
    if found.view.is_some() { Err(read_only(found)) } else { Ok(found) }
}

pub(super) fn not_found(collection: &Collection, id: &str) -> RecordError {
    RecordError::NotFound { collection: collection.def.name.clone(), id: id.to_owned() }
}

pub(super) fn shown(
    collection: &Collection,
    id: &str,
    record: Vec<u8>,
    shape: &Shape,
    light: Light<'_>,
) -> Result<Shown, RecordError> {
    let slots = Slots::read_some(collection, &record, Some(&[VERSION]))?;
    let version = slots.get(VERSION).and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(Shown { id: id.to_owned(), version, json: show(collection, record, shape, light)? })
}
