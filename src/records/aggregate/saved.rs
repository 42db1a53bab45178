//! Aggregates that are saved as views: checked when they are stored, run when the view is listed.

use std::sync::Arc;

use super::{
    request::{Column, Key, Measure, Request},
    run::Aggregation,
};
use crate::{
    access::Action,
    collections::{Catalog, CheckView, Collection, Knows, RecordScope, Schemas, Sight, Slot, Unseen, View, ViewDef},
    expr::Expr,
    kernel::FieldError,
    records::{
        RecordError, RecordService,
        authorize::{Opening, open},
        service::{Caller, Page},
    },
    store::Snapshot,
};

/// Checks the aggregates of views as requests for aggregates are checked.
#[derive(Clone, Copy, Debug)]
pub struct SavedAggregates;

impl CheckView for SavedAggregates {
    fn faults(&self, view: &ViewDef, source: &Collection, schemas: &dyn Schemas) -> Vec<FieldError> {
        let (_, errors) = saved(view, source, schemas);
        let moved = |error: FieldError| FieldError { pointer: format!("/view/{}", error.pointer), ..error };
        errors.into_iter().map(moved).collect()
    }
}

/// The sight of the author of a view: every record, and every field but those that never leave the server.
#[derive(Clone, Copy, Debug)]
struct Author;

impl Sight for Author {
    fn shows(&self, collection: &Collection, slot: Slot) -> bool {
        collection.is_visible(slot)
    }

    fn guard(&self, _: &Collection) -> Result<Option<Arc<Expr>>, Unseen> {
        Ok(None)
    }
}

/// The request that a view saves, without its filter, and what is wrong with it.
fn saved(view: &ViewDef, source: &Collection, schemas: &dyn Schemas) -> (Request, Vec<FieldError>) {
    let scope = RecordScope { sight: &Author, knows: Knows::Caller, ..RecordScope::rule(source, schemas) };
    let members =
        [("select", &view.select), ("group", &view.group), ("having", &view.having), ("timezone", &view.timezone)];
    let given = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
    Request::read(&scope, &given.collect::<Vec<_>>())
}

impl RecordService {
    /// The groups of a view that match the parameters.
    pub(in crate::records) async fn list_groups(
        &self,
        caller: &Caller,
        (snapshot, catalog): (Snapshot, Arc<Catalog>),
        collection: Arc<Collection>,
        parameters: &[(String, String)],
    ) -> Result<Page, RecordError> {
        let now = self.clock.now();
        let filter = match open(caller, &collection, Action::List, |rules| &rules.list, now)? {
            Opening::All => Expr::Constant(true),
            Opening::Matching(filter) => filter,
        };
        let Some(View { def, source, .. }) = &collection.view else { return Err(no_view(&collection)) };
        let (mut request, errors) = saved(def, &collection, &*catalog);
        if !errors.is_empty() {
            tracing::error!(view = collection.def.name, source, ?errors, "a stored view does not hold");
            return Err(no_view(&collection));
        }
        let total = request.narrow(parameters)?;
        let known = self.statistics.of(&snapshot, &collection);
        let name = collection.def.name.clone();
        let aggregation = Aggregation { known, catalog, collection, filter, request, now, limits: self.limits };
        let rows = self.store.scan(move |_| aggregation.rows(&snapshot)).await.map_err(|error| match error {
            // What the view is made of is not its readers' to know.
            RecordError::IndexRequired(_) => RecordError::IndexRequired(format!(
                "\"{name}\" would look at too many records; the collection that it reads needs an index that serves it"
            )),
            other => other,
        });
        let (items, groups) = rows?;
        let total = total.then_some(u64::try_from(groups).unwrap_or(u64::MAX));
        Ok(Page { items, next_cursor: None, page: None, total, explain: None })
    }
}

fn no_view(collection: &Collection) -> RecordError {
    RecordError::NoCollection(collection.def.name.clone())
}

/// The columns of a view of groups, each with whether it may be null.
pub(in crate::records) fn columns_of(view: &Collection, catalog: &Catalog) -> Vec<(Column, bool)> {
    let Some(View { def, .. }) = &view.view else { return Vec::new() };
    let (request, _) = saved(def, view, catalog);
    let keys = request.keys.iter().map(|key: &Key| {
        let own = view.field(key.field.slot).is_some_and(|field| field.nullable && field.many.is_none());
        own || !key.field.via.is_empty()
    });
    let measures = request.measures.iter().map(|measure: &Measure| !measure.function.counts());
    request.columns.iter().cloned().zip(keys.chain(measures)).collect()
}
