//! Use cases of records: who may do it, what is written, what is shown.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    RecordError,
    execute::{self, Effort, Found, Run},
    input::{self, Intent},
    plan::{self, Path, Plan},
    prepare::{self, Prepared},
    query::{self, Query},
    show::show,
    view::View,
    write::{self, Context},
};
use crate::{
    access::{Action, AuthValues, Principal},
    collections::{
        Asker, Catalog, Catalogs, Collection, Slots,
        catalog::{CompiledRules, VERSION},
        read_head,
    },
    expr::Expr,
    kernel::{Clock, IdSource},
    store::{Snapshot, Store, Tx},
};

/// How often a write is tried again when the schema changed meanwhile.
const TRIES: usize = 5;

/// Who asks, and in which request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The user.
    pub principal: Arc<Principal>,
    /// The id of the request; empty when there is none.
    pub request_id: String,
}

impl Caller {
    /// As the change log wants it.
    #[must_use]
    pub fn asker(&self) -> Asker {
        Asker { actor: self.principal.id.to_string(), request_id: self.request_id.clone() }
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
    /// How many records match in all, when asked for.
    pub total: Option<u64>,
    /// How the records were found, when asked for: JSON text.
    pub explain: Option<String>,
}

/// Bounds of queries.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most records and index entries that one query looks at.
    pub examined_max: u64,
}

/// Use cases of records.
pub struct RecordService {
    pub(super) store: Store,
    pub(super) catalogs: Arc<Catalogs>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: IdSource,
    limits: Limits,
}

impl std::fmt::Debug for RecordService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordService").finish_non_exhaustive()
    }
}

/// What the caller's roles and the collection's rules open.
#[derive(Debug)]
pub(super) enum Opening {
    /// Every record.
    All,
    /// The records that match.
    Matching(Expr),
}

impl RecordService {
    /// The service on these collections.
    #[must_use]
    pub fn new(catalogs: Arc<Catalogs>, clock: Arc<dyn Clock>, limits: Limits) -> Self {
        Self { store: catalogs.store().clone(), catalogs, clock, ids: IdSource::default(), limits }
    }

    /// Reads one record.
    ///
    /// # Errors
    /// [`RecordError::NotFound`] also for a record that the caller may not see.
    pub fn read(
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
        if let Opening::Matching(rule) = opening {
            let slots = Slots::read(collection, &record)?;
            if !rule.eval(&View::of(collection, &slots, now)) {
                return Err(not_found(collection, id));
            }
        }
        let fields = query::parse_fields(collection, parameters)?;
        shown(collection, id, record, fields.as_deref())
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
        let collection = Arc::clone(find(&catalog, collection)?);
        let now = self.clock.now();
        let opening = open(caller, &collection, Action::List, |rules| &rules.list, now)?;
        let query = Query::parse(&collection, parameters)?;
        let auth = AuthValues { principal: &caller.principal, now };
        let filter = query.filter.bind(&auth, now);
        let filter = match opening {
            Opening::All => filter,
            Opening::Matching(rule) => Expr::all([rule, filter]),
        };
        let listing = Listing { collection, filter, query, now, limits: self.limits };
        // A page that an index serves in order is short work; anything else may be long and leaves the async thread.
        if listing.is_short() {
            return listing.run(&snapshot);
        }
        self.store.scan(move |_| listing.run(&snapshot)).await
    }

    /// Makes a record.
    ///
    /// # Errors
    /// [`RecordError::Invalid`] with every fault, or another [`RecordError`].
    pub async fn create(&self, caller: &Caller, collection: &str, body: &[u8]) -> Result<Shown, RecordError> {
        let members = input::members(body)?;
        for _ in 0..TRIES {
            let (_, catalog) = self.catalogs.current()?;
            let collection = Arc::clone(find(&catalog, collection)?);
            let now = self.clock.now();
            let opening = open(caller, &collection, Action::Create, |rules| &rules.create, now)?;
            let draft = input::check(&collection, &members, Intent::Create, None)?;
            let id = draft.id.clone().unwrap_or_else(|| self.ids.next(now));
            let prepared = prepare::creation(&catalog, &collection, &draft, id.as_str(), now)?;
            check_creation(&opening, &collection, &draft, &prepared, now)?;
            let asker = caller.asker();
            let written = self.store.write(move |tx| {
                write::check_epoch(tx, &catalog)?;
                if write::stored(tx, &collection, id.as_str())?.is_some() {
                    return Err(RecordError::IdInUse(id.to_string()));
                }
                let context = Context { catalog: &catalog, asker: &asker, now };
                write::apply(tx, context, &collection, id.as_str(), &prepared)?;
                Ok((collection, id, prepared.new.unwrap_or_default()))
            });
            match written.await {
                Err(RecordError::Moved) => {}
                other => {
                    let (collection, id, record) = other?;
                    return shown(&collection, id.as_str(), record, None);
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
        let change = Arc::new(Changing { caller: caller.clone(), id: id.to_owned(), body, intent, expected });
        for _ in 0..TRIES {
            let (snapshot, catalog) = self.catalogs.current()?;
            let collection = Arc::clone(find(&catalog, collection)?);
            let now = self.clock.now();
            let old = write::stored(&snapshot, &collection, id)?.ok_or_else(|| not_found(&collection, id))?;
            let prepared = change.prepare(&catalog, &collection, old, now)?;
            let change = Arc::clone(&change);
            let written = self.store.write(move |tx| change.apply(tx, &catalog, &collection, prepared, now));
            match written.await {
                Err(RecordError::Moved) => {}
                other => {
                    let (collection, record) = other?;
                    return shown(&collection, id, record, None);
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
            let collection = Arc::clone(find(&catalog, collection)?);
            let (now, caller, id) = (self.clock.now(), caller.clone(), id.to_owned());
            let written = self.store.write(move |tx| {
                write::check_epoch(tx, &catalog)?;
                let old = write::stored(tx, &collection, &id)?.ok_or_else(|| not_found(&collection, &id))?;
                let slots = Slots::read(&collection, &old)?;
                let view = View { old: Some(&slots), ..View::of(&collection, &slots, now) };
                check_write(&caller, &collection, Action::Delete, |rules| &rules.delete, view, &id)?;
                check_version(&slots, expected)?;
                let asker = caller.asker();
                let context = Context { catalog: &catalog, asker: &asker, now };
                write::delete(tx, context, &collection, &id).map(|_| ())
            });
            match written.await {
                Err(RecordError::Moved) => {}
                other => return other,
            }
        }
        Err(RecordError::Moved)
    }
}

/// A change of one record, prepared on the caller's thread and prepared again in the writer if the record moved.
struct Changing {
    caller: Caller,
    id: String,
    body: Vec<u8>,
    intent: Intent,
    expected: Option<i64>,
}

impl Changing {
    fn prepare(
        &self,
        catalog: &Catalog,
        collection: &Collection,
        old: Vec<u8>,
        now: Timestamp,
    ) -> Result<Prepared, RecordError> {
        let slots = Slots::read(collection, &old)?;
        let members = input::members(&self.body)?;
        // Whoever may not see the record learns nothing of what the body does wrong.
        let draft = input::check(collection, &members, self.intent, Some(&slots));
        let empty = Slots::empty(collection.slot_count());
        let body = draft.as_ref().map_or(empty, |draft| draft.slots(collection));
        let view = View { old: Some(&slots), body: Some(&body), ..View::of(collection, &slots, now) };
        check_write(&self.caller, collection, Action::Update, |rules| &rules.update, view, &self.id)?;
        check_version(&slots, self.expected)?;
        let draft = draft?;
        drop(slots);
        Ok(prepare::change(catalog, collection, &draft, old, now)?)
    }

    fn apply(
        &self,
        tx: &mut Tx<'_>,
        catalog: &Arc<Catalog>,
        collection: &Arc<Collection>,
        prepared: Prepared,
        now: Timestamp,
    ) -> Result<(Arc<Collection>, Vec<u8>), RecordError> {
        write::check_epoch(tx, catalog)?;
        let current = write::stored(tx, collection, &self.id)?.ok_or_else(|| not_found(collection, &self.id))?;
        let prepared = if prepared.old.as_ref() == Some(&current) {
            prepared
        } else {
            self.prepare(catalog, collection, current, now)?
        };
        let asker = self.caller.asker();
        let context = Context { catalog, asker: &asker, now };
        write::apply(tx, context, collection, &self.id, &prepared)?;
        Ok((Arc::clone(collection), prepared.new.unwrap_or_default()))
    }
}

/// A list that is ready to run.
struct Listing {
    collection: Arc<Collection>,
    filter: Expr,
    query: Query,
    now: Timestamp,
    limits: Limits,
}

impl Listing {
    fn plan(&self) -> Plan {
        plan::plan(&self.collection, &self.filter, Some(&self.query.sort), self.query.limit)
    }

    fn is_short(&self) -> bool {
        let plan = self.plan();
        let residual = matches!(plan.residual, Expr::Constant(_));
        plan.ordered && !self.query.total && (residual || plan.fixed > 0)
    }

    fn run(&self, snapshot: &Snapshot) -> Result<Page, RecordError> {
        let (collection, query) = (&*self.collection, &self.query);
        if self.filter == Expr::Constant(false) {
            return Ok(Page { items: Vec::new(), next_cursor: None, total: query.total.then_some(0), explain: None });
        }
        let plan = self.plan();
        let (mut found, effort) =
            self.with(snapshot, &plan, |run| run.page(&query.sort, query.after.as_deref(), query.limit + 1))?;
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let next_cursor = match found.last().filter(|_| more) {
            Some(last) => Some(query.cursor(&execute::position(collection, &query.sort, &last.record)?)),
            None => None,
        };
        let total = if query.total { Some(self.count(snapshot)?) } else { None };
        let explain = query.explain.then(|| explain(collection, &plan, effort));
        let items = found.into_iter().map(|Found { record, .. }| show(collection, record, query.fields.as_deref()));
        Ok(Page { items: items.collect::<Result<_, _>>()?, next_cursor, total, explain })
    }

    fn count(&self, snapshot: &Snapshot) -> Result<u64, RecordError> {
        let plan = plan::plan(&self.collection, &self.filter, None, 0);
        self.with(snapshot, &plan, |run| run.count()).map(|(count, _)| count)
    }

    fn with<R>(
        &self,
        snapshot: &Snapshot,
        plan: &Plan,
        work: impl FnOnce(&mut Run<'_>) -> Result<R, RecordError>,
    ) -> Result<(R, Effort), RecordError> {
        let examined_max = self.limits.examined_max;
        let mut run = Run {
            snapshot,
            collection: &self.collection,
            plan,
            now: self.now,
            examined_max,
            effort: Effort::default(),
        };
        let result = work(&mut run)?;
        Ok((result, run.effort))
    }
}

fn explain(collection: &Collection, plan: &Plan, effort: Effort) -> String {
    let index = match plan.path {
        Path::Records => serde_json::Value::Null,
        Path::Index(at) => collection.def.indexes.get(at).map(|index| index.fields.clone()).into(),
    };
    serde_json::json!({
        "index": index,
        "ranges": plan.ranges.len(),
        "ordered": plan.ordered,
        "filtered": plan.residual != Expr::Constant(true),
        "examined": effort.examined,
    })
    .to_string()
}

fn find<'c>(catalog: &'c Catalog, name: &str) -> Result<&'c Arc<Collection>, RecordError> {
    catalog.by_name(name).ok_or_else(|| RecordError::NoCollection(name.to_owned()))
}

fn not_found(collection: &Collection, id: &str) -> RecordError {
    RecordError::NotFound { collection: collection.def.name.clone(), id: id.to_owned() }
}

fn shown(collection: &Collection, id: &str, record: Vec<u8>, fields: Option<&[usize]>) -> Result<Shown, RecordError> {
    let slots = Slots::read_some(collection, &record, Some(&[VERSION]))?;
    let version = slots.get(VERSION).and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(Shown { id: id.to_owned(), version, json: show(collection, record, fields)? })
}

/// What the caller may do with the records of a collection, as far as no record needs to be looked at.
pub(super) fn open(
    caller: &Caller,
    collection: &Collection,
    action: Action,
    rule: impl Fn(&CompiledRules) -> &Option<Expr>,
    now: Timestamp,
) -> Result<Opening, RecordError> {
    if caller.principal.may(&collection.def.name, action) {
        return Ok(Opening::All);
    }
    let forbidden = || RecordError::Forbidden(collection.def.name.clone());
    let rule = rule(&collection.rules).as_ref().ok_or_else(forbidden)?;
    let auth = AuthValues { principal: &caller.principal, now };
    match rule.bind(&auth, now) {
        Expr::Constant(true) => Ok(Opening::All),
        Expr::Constant(false) => Err(forbidden()),
        rule => Ok(Opening::Matching(rule)),
    }
}

fn check_creation(
    opening: &Opening,
    collection: &Collection,
    draft: &input::Draft,
    prepared: &Prepared,
    now: Timestamp,
) -> Result<(), RecordError> {
    let Opening::Matching(rule) = opening else { return Ok(()) };
    let slots = Slots::read(collection, prepared.new.as_deref().unwrap_or_default())?;
    let body = draft.slots(collection);
    let view = View { body: Some(&body), ..View::of(collection, &slots, now) };
    if rule.eval(&view) { Ok(()) } else { Err(RecordError::Forbidden(collection.def.name.clone())) }
}

/// Refuses a change of a stored record: as forbidden to who may see it, as not found to who may not.
fn check_write(
    caller: &Caller,
    collection: &Collection,
    action: Action,
    rule: impl Fn(&CompiledRules) -> &Option<Expr>,
    view: View<'_>,
    id: &str,
) -> Result<(), RecordError> {
    let allowed = match open(caller, collection, action, rule, view.now) {
        Ok(Opening::All) => true,
        Ok(Opening::Matching(rule)) => rule.eval(&view),
        Err(RecordError::Forbidden(_)) => false,
        Err(other) => return Err(other),
    };
    if allowed {
        return Ok(());
    }
    let visible = match open(caller, collection, Action::Read, |rules| &rules.read, view.now) {
        Ok(Opening::All) => true,
        Ok(Opening::Matching(rule)) => rule.eval(&view),
        Err(_) => false,
    };
    if visible { Err(RecordError::Forbidden(collection.def.name.clone())) } else { Err(not_found(collection, id)) }
}

fn check_version(slots: &Slots<'_>, expected: Option<i64>) -> Result<(), RecordError> {
    let version = read_head(slots).version;
    match expected {
        Some(expected) if expected != version => Err(RecordError::Stale(version)),
        _ => Ok(()),
    }
}
