//! A list request from its plan to its page.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    RecordError,
    execute::{self, Effort, Found, Run},
    plan::{self, Path, Plan},
    query::Query,
    service::{Limits, Page},
    show::show,
};
use crate::{collections::Collection, expr::Expr, store::Snapshot};

/// A list that is ready to run.
pub(super) struct Listing {
    pub(super) collection: Arc<Collection>,
    pub(super) filter: Expr,
    pub(super) query: Query,
    pub(super) now: Timestamp,
    pub(super) limits: Limits,
}

impl Listing {
    fn plan(&self) -> Plan {
        plan::plan(&self.collection, &self.filter, Some(self.query.order()), self.query.limit)
    }

    pub(super) fn is_short(&self) -> bool {
        let plan = self.plan();
        let residual = matches!(plan.residual, Expr::Constant(_));
        plan.ordered && !self.query.total && (residual || plan.fixed > 0)
    }

    pub(super) fn run(&self, snapshot: &Snapshot) -> Result<Page, RecordError> {
        let (collection, query) = (&*self.collection, &self.query);
        if self.filter == Expr::Constant(false) {
            return Ok(Page { items: Vec::new(), next_cursor: None, total: query.total.then_some(0), explain: None });
        }
        let plan = self.plan();
        let (mut found, effort) = self.with(snapshot, &plan, |run| {
            run.page(&query.sort, query.after.as_ref().map(|after| after.position.as_slice()), query.limit + 1)
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
