//! Records: the use cases of what collections hold. Reading by id, listing by filter and order, writing with every
//! check in the same transaction, importing and exporting.

mod aggregate;
pub mod api;
mod asking;
mod authorize;
mod coerce;
mod error;
mod execute;
mod export;
mod import;
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
mod takeover;
#[cfg(test)]
mod tests;
mod view;
mod write;
mod writing;

pub use error::RecordError;
pub use import::{ImportMode, ImportReport, LINES_MAX, Rejected};
pub use query::{LIMIT_DEFAULT, LIMIT_MAX};
pub use service::{AlsoWrite, Caller, Limits, Page, RecordService, Shown};

use crate::collections::layout;

/// The tables of this feature; their layout is the collections' own.
pub const TABLES: [&str; 2] = [layout::DATA, layout::INDEX];
