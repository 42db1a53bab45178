//! A list request from its plan to its page.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use moka::sync::Cache;

use super::{
    RecordError,
    execute::{self, Effort, Found, Run},
    plan::{self, Path, Plan},
    query::Query,
    related::Reach,
    semijoin::{Narrowed, Semijoin},
    service::{Limits, Page},
    show::{Budget, Light, show},
    slice::Slices,
    statistics::Known,
    view::is_local,
};
use crate::{
    collections::{Catalog, Collection},
    expr::Expr,
    store::{Epoch, Snapshot},
};

/// The most records and entries that a list looks at on an async thread.
const INLINE_EXAMINED_MAX: u64 = 2_048;
/// The most records that it looks up there for expansions.
const INLINE_LOOKED_UP_MAX: u64 = 256;

/// A list that is ready to run.
pub(super) struct Listing {
    pub(super) known: Arc<Known>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) collection: Arc<Collection>,
    pub(super) filter: Expr,
    pub(super) query: Query,
    pub(super) now: Timestamp,
    pub(super) limits: Limits,
    pub(super) counted: Counted,
    /// The filter as it is planned, where that differs.
    pub(super) narrowed: Option<Narrowed>,
}

/// The most totals that are remembered.
const TOTALS_MAX: u64 = 4_096;

/// What earlier totals left behind for later ones.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    /// Totals by what they depend on. A write to the collection makes them unreachable; they fall out in time.
    totals: Cache<TotalKey, u64>,
    slices: Slices,
}

impl Default for Counted {
    fn default() -> Self {
        Self { totals: Cache::new(TOTALS_MAX), slices: Slices::default() }
    }
}

/// What a total depends on: the collection, its newest change, the schema, and the bound filter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TotalKey {
    collection: u32,
    seq: u64,
    epoch: u64,
    filter: String,
}

impl Listing {
    /// Finds out what conditions behind relations say about the records' own fields.
    pub(super) fn narrow(&mut self, snapshot: &Snapshot) {
        let semijoin = Semijoin::new(snapshot, &self.catalog, self.now, self.query.explain);
        self.narrowed = semijoin.narrow(&self.collection, &self.filter);
    }

    fn planned(&self) -> &Expr {
        self.narrowed.as_ref().map_or(&self.filter, |narrowed| &narrowed.filter)
    }

    pub(super) fn plan(&self) -> Plan {
        plan::plan(&self.collection, &self.known, self.planned(), Some(self.query.order()), self.query.limit)
    }

    pub(super) fn run(&self, snapshot: &Snapshot, plan: &Plan) -> Result<Page, RecordError> {
        self.run_within(snapshot, plan, self.limits)
    }

    fn run_within(&self, snapshot: &Snapshot, plan: &Plan, limits: Limits) -> Result<Page, RecordError> {
        let (collection, query) = (&*self.collection, &self.query);
        let started = Instant::now();
        let before = self.narrowed.as_ref().map_or(0, |narrowed| narrowed.examined);
        if *self.planned() == Expr::Constant(false) {
            let (total, effort) = (query.total.then_some(0), Effort { examined: before });
            let explain = query.explain.then(|| explain(collection, plan, effort, started.elapsed()));
            return Ok(Page { items: Vec::new(), next_cursor: None, page: query.page, total, explain });
        }
        let (mut found, effort) = self.with(snapshot, plan, limits, |run| {
            let after = query.after.as_ref().map(|after| after.position.as_slice());
            run.page(&query.sort, after, query.offset, query.limit + 1)
        })?;
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let next_cursor = match found.last().filter(|_| more) {
            Some(last) => {
                Some(query.cursor(plan.tie, &execute::position(collection, &query.sort, plan.tie, &last.record)?))
            }
            None => None,
        };
        let total = if query.total { Some(self.count(snapshot)?) } else { None };
        let effort = Effort { examined: effort.examined + before };
        let explain = query.explain.then(|| explain(collection, plan, effort, started.elapsed()));
        let related = Reach::new(snapshot, &self.catalog);
        let light = Light { related: &related, budget: &Budget::default(), now: self.now };
        let items = found.into_iter().map(|Found { record, .. }| show(collection, record, &query.shape, light));
        Ok(Page { items: items.collect::<Result<_, _>>()?, next_cursor, page: query.page, total, explain })
    }

    /// The page, if it is found by looking at a few records only.
    pub(super) fn run_inline(&self, snapshot: &Snapshot, plan: &Plan) -> Option<Result<Page, RecordError>> {
        let bounded = plan.residual == Expr::Constant(true) || (plan.fixed > 0 && is_local(&plan.residual));
        let looked_up = self.query.shape.looked_up().map(|each| each * self.query.limit as u64);
        let few = looked_up.is_some_and(|count| count <= INLINE_LOOKED_UP_MAX);
        let short = plan.ordered && plan.within.is_none() && !self.query.total && bounded && few;
        let limits = Limits { examined_max: INLINE_EXAMINED_MAX.min(self.limits.examined_max), ..self.limits };
        if !short {
            return None;
        }
        match self.run_within(snapshot, plan, limits) {
            Err(RecordError::IndexRequired(_)) if limits.examined_max < self.limits.examined_max => None,
            done => Some(done),
        }
    }

    fn count(&self, snapshot: &Snapshot) -> Result<u64, RecordError> {
        let collection = self.collection.number();
        let key = TotalKey {
            collection,
            // What is behind relations may change without the collection.
            seq: if is_local(&self.filter) { snapshot.collection_seq(collection) } else { snapshot.seq() },
            epoch: snapshot.epoch(Epoch::Schema),
            filter: format!("{:?}", self.filter),
        };
        if let Some(total) = self.counted.totals.get(&key) {
            return Ok(total);
        }
        // Entries alone are counted many times faster than records are read, however many of them.
        let entries = plan::covering(&self.collection, &self.known, &self.filter, &[], false);
        let plan = entries.unwrap_or_else(|| plan::plan(&self.collection, &self.known, self.planned(), None, 0));
        let count = |run: &mut Run<'_>| match self.counted.slices.count(run)? {
            Some(total) => Ok(total),
            None => run.count(),
        };
        let (total, _) = self.with(snapshot, &plan, self.limits, count)?;
        self.counted.totals.insert(key, total);
        Ok(total)
    }

    fn with<R>(
        &self,
        snapshot: &Snapshot,
        plan: &Plan,
        limits: Limits,
        work: impl FnOnce(&mut Run<'_>) -> Result<R, RecordError>,
    ) -> Result<(R, Effort), RecordError> {
        let related = Reach::new(snapshot, &self.catalog);
        let run = Run::new(snapshot, &self.collection, plan, &related, self.now, limits.examined_max);
        let mut run = Run { sort: &self.query.sort, ..run };
        let result = work(&mut run)?;
        Ok((result, run.effort))
    }
}

/// How a page was found, as JSON text.
fn explain(collection: &Collection, plan: &Plan, effort: Effort, took: Duration) -> String {
    let fields = |at: usize| collection.def.indexes.get(at).map(|index| index.fields.clone());
    let (kind, indexes, ranges) = match &plan.path {
        Path::Records => ("records", Vec::new(), plan.ranges.len()),
        Path::Index(at) => ("index", vec![*at], plan.ranges.len()),
        Path::Union(legs) => {
            let ranges = legs.iter().map(|leg| leg.ranges.len()).sum();
            ("union", legs.iter().map(|leg| leg.index).collect(), ranges)
        }
    };
    let kind = if plan.within.is_some() { "intersection" } else { kind };
    let indexes = indexes.into_iter().chain(plan.within.as_ref().map(|leg| leg.index));
    let indexes: Vec<_> = indexes.filter_map(fields).collect();
    serde_json::json!({
        "plan": kind,
        "indexes": indexes,
        "ranges": ranges,
        "ordered": plan.ordered,
        "filtered": plan.residual != Expr::Constant(true),
        "examined": effort.examined,
        "milliseconds": (took.as_secs_f64() * 1e6).round() / 1e3,
    })
    .to_string()
}
