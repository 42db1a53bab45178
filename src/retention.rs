//! Retention: records that have had their time are removed by a job, again and again by a schedule.

use std::{fmt, sync::Arc};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use serde::Deserialize;
use serde_json::{Value, json, value::to_raw_value};

use crate::{
    queue::{Handler, JobOutcome, Running},
    records::{Caller, RecordError, RecordService},
};

/// The kind of jobs that remove records.
pub const KIND: &str = "retention.sweep";
/// How many records are removed at once, with few commits.
const PAGE: usize = 200;
/// How many records one job removes, if it does not say.
const MAX_DEFAULT: u64 = 100_000;
/// How many records that stayed are told.
const KEPT_TOLD: usize = 50;

/// What is removed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Order {
    /// The collection.
    collection: String,
    /// Which of its records, such as `createdAt < @now - 90d`.
    filter: String,
    /// The most records; the next run removes more.
    max: Option<u64>,
}

/// Removes records that have had their time.
pub struct Sweep {
    records: Arc<RecordService>,
}

impl fmt::Debug for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweep").finish_non_exhaustive()
    }
}

impl Handler for Sweep {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn run<'h>(&'h self, job: &'h Running) -> BoxFuture<'h, JobOutcome> {
        self.sweep(job).boxed()
    }
}

impl Sweep {
    /// Of these records.
    #[must_use]
    pub fn new(records: Arc<RecordService>) -> Self {
        Self { records }
    }

    async fn sweep(&self, job: &Running) -> JobOutcome {
        let order: Order = job.payload()?;
        let max = order.max.unwrap_or(MAX_DEFAULT);
        let caller = Caller::operator();
        let (mut removed, mut kept, mut told, mut cursor) = (0, 0_u64, Vec::new(), None);
        while removed < max {
            let limit = PAGE.min(usize::try_from(max - removed).unwrap_or(PAGE));
            // The oldest first, and on from the last, for what cannot be removed is found again otherwise.
            let mut parameters =
                vec![("filter".to_owned(), order.filter.clone()), ("limit".to_owned(), limit.to_string())];
            parameters
                .extend([("sort", "createdAt"), ("fields", "id")].map(|(name, value)| (name.into(), value.into())));
            parameters.extend(cursor.map(|cursor| ("cursor".to_owned(), cursor)));
            let page = self.records.list(&caller, &order.collection, &parameters).await?;
            let ids: Vec<String> = page.items.iter().filter_map(|item| id_of(item)).collect();
            let deletions = ids.iter().map(|id| self.records.delete(&caller, &order.collection, id, None));
            for (id, outcome) in ids.iter().zip(join_all(deletions).await) {
                match outcome {
                    Ok(()) => removed += 1,
                    // Somebody else was quicker, or another record took it along.
                    Err(RecordError::NotFound { .. }) => {}
                    Err(RecordError::Store(error)) => return Err(error.into()),
                    Err(error) => {
                        kept += 1;
                        if told.len() < KEPT_TOLD {
                            told.push(json!({"id": id, "reason": error.to_string()}));
                        }
                    }
                }
            }
            // It is for people only.
            let _ = job.tell(to_raw_value(&json!({"removed": removed})).ok(), Vec::new()).await;
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(to_raw_value(&json!({"removed": removed, "kept": kept, "errors": told})).ok())
    }
}

fn id_of(item: &[u8]) -> Option<String> {
    let record: Value = serde_json::from_slice(item).ok()?;
    record.get("id")?.as_str().map(str::to_owned)
}
