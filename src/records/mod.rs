//! Records: the use cases of what collections hold. Reading by id, listing by filter and order, writing with every
//! check in the same transaction. [`transfer`] imports and exports.

mod aggregate;
pub mod api;
mod asking;
mod authorize;
mod batch;
mod bulk;
mod cached;
mod change;
mod coerce;
mod error;
mod execute;
mod explain;
mod history;
mod idempotency;
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
mod semijoin;
mod service;
mod show;
mod sight;
mod slice;
mod statistics;
mod takeover;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_views;
mod transfer;
mod trigger;
mod upsert;
mod view;
mod write;
mod writing;

pub use aggregate::SavedAggregates;
pub use batch::OPERATIONS_MAX;
pub use bulk::{BULK_MAX, Bulk};
pub use cached::Listed;
pub use change::RecordChange;
pub use error::RecordError;
pub use explain::RuleSays;
pub use history::{HISTORY_LIMIT_DEFAULT, HISTORY_LIMIT_MAX};
pub use idempotency::{Answer, Idempotency, KEY_MAX};
pub use query::{LIMIT_DEFAULT, LIMIT_MAX};
pub use service::{AlsoWrite, Caller, Limits, Page, RecordService, Shown};
pub use transfer::{
    ArchiveImport, ArchiveOptions, CHUNK_RECORDS, CollectionReport, Counts, Definitions, Ended, Format, Import,
    ImportMode, ImportOptions, ImportReport, Intake, Piece, REJECTED_LISTED_MAX, Rejected, Splitter, TransferError,
};

use crate::collections::layout;

/// The tables of this feature; the layout of the first three is the collections' own.
pub const TABLES: [&str; 5] = {
    let [answers, ages] = idempotency::TABLES;
    [layout::DATA, layout::GONE, layout::INDEX, answers, ages]
};
