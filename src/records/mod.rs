//! Records: the use cases of what collections hold. Reading by id, listing by filter and order, writing with every
//! check in the same transaction, importing and exporting.

mod aggregate;
pub mod api;
mod asking;
mod authorize;
mod batch;
mod bulk;
mod coerce;
mod error;
mod execute;
mod export;
mod history;
mod idempotency;
mod import;
mod input;
mod list;
mod once;
pub mod openapi;
mod operation;
mod operator;
mod plan;
mod prepare;
mod query;
mod related;
mod service;
mod show;
mod sight;
mod slice;
mod statistics;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_views;
mod upsert;
mod view;
mod write;
mod writing;

pub use aggregate::SavedAggregates;
pub use batch::OPERATIONS_MAX;
pub use bulk::{BULK_MAX, Bulk};
pub use error::RecordError;
pub use history::{HISTORY_LIMIT_DEFAULT, HISTORY_LIMIT_MAX};
pub use idempotency::{Answer, Idempotency, KEY_MAX};
pub use import::{ImportMode, ImportReport, LINES_MAX, Rejected};
pub use query::{LIMIT_DEFAULT, LIMIT_MAX};
pub use service::{AlsoWrite, Caller, Limits, Page, RecordService, Shown};

use crate::collections::layout;

/// The tables of this feature; the layout of the first three is the collections' own.
pub const TABLES: [&str; 5] = {
    let [answers, ages] = idempotency::TABLES;
    [layout::DATA, layout::GONE, layout::INDEX, answers, ages]
};
