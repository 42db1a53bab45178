//! Records: the use cases of what collections hold. Reading by id, listing by filter and order, writing with every
//! check in the same transaction. [`transfer`] imports and exports.

pub mod api;
mod asking;
mod authorize;
mod coerce;
mod error;
mod execute;
mod input;
mod list;
pub mod openapi;
mod plan;
mod prepare;
mod query;
mod related;
mod service;
mod show;
mod sight;
mod slice;
#[cfg(test)]
mod tests;
mod transfer;
mod view;
mod write;
mod writing;

pub use error::RecordError;
pub use query::{LIMIT_DEFAULT, LIMIT_MAX};
pub use service::{AlsoWrite, Caller, Limits, Page, RecordService, Shown};
pub use transfer::{
    CHUNK_RECORDS, Ended, Format, Import, ImportMode, ImportOptions, ImportReport, Piece, REJECTED_LISTED_MAX,
    Rejected, Splitter, TransferError,
};

use crate::collections::layout;

/// The tables of this feature; their layout is the collections' own.
pub const TABLES: [&str; 2] = [layout::DATA, layout::INDEX];
