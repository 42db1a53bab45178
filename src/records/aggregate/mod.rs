//! Aggregates over the records of a collection: counts, sums and the like, for all that match or for each group.
//!
//! `parse` reads the parameters to a `request` (each item by `term`, against the fields by `items`); `run` visits records, or the entries of an index where these
//! say all that is asked; `groups` finds the group of each and adds to its cells (`cell`, sums by `sum`, days and hours
//! by `bucket`); `answer` keeps the groups that are wanted, in order, as JSON. Not here: how records are found, which is
//! the planner's.

mod answer;
mod bucket;
mod cell;
mod groups;
mod items;
mod parse;
mod request;
mod run;
mod saved;
mod sum;
mod term;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::saved::SavedAggregates;
pub(super) use self::{
    bucket::Unit,
    request::{Column, Function, Style},
    saved::columns_of,
};
use self::{request::Request, run::Aggregation};
use super::{
    RecordError, RecordService,
    authorize::{Opening, open},
    service::{Caller, find},
};
use crate::{access::Action, expr::Expr};

/// The number of groups that are answered when the request asks for none.
pub(super) const LIMIT_DEFAULT: usize = 100;
/// The greatest number of groups that are answered.
pub(super) const LIMIT_MAX: usize = 1_000;
/// The most aggregates of a request.
pub(super) const SELECT_MAX: usize = 20;
/// The most group keys of a request.
pub(super) const GROUP_MAX: usize = 8;
/// The most columns to sort by.
pub(super) const SORT_MAX: usize = 8;
/// The most groups that are held in memory.
const GROUPS_MAX: usize = 100_000;
/// About how many bytes the groups of one request, with their different values, may take.
const GROUP_BYTES_MAX: usize = 64 << 20;

impl RecordService {
    /// Aggregates over the records that the caller may list. Answers JSON text.
    ///
    /// # Errors
    /// [`RecordError`]; every broken parameter at once.
    pub async fn aggregate(
        &self,
        caller: &Caller,
        collection: &str,
        parameters: &[(String, String)],
    ) -> Result<Vec<u8>, RecordError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        let collection = Arc::clone(find(&catalog, collection)?);
        let now = self.clock.now();
        let opening = open(caller, &collection, Action::List, |rules| &rules.list, now)?;
        let asking = self.asking(caller, &catalog, &collection, now);
        let request = Request::parse(&asking, parameters)?;
        let filter = asking.bound(&request.filter);
        let filter = match opening {
            Opening::All => filter,
            Opening::Matching(rule) => Expr::all([rule, filter]),
        };
        let known = self.statistics.of(&snapshot, &collection);
        let aggregation = Aggregation { known, catalog, collection, filter, request, now, limits: self.limits };
        self.store.scan(move |_| aggregation.run(&snapshot)).await
    }
}
