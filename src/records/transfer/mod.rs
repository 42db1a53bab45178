//! Many records at once, in and out, as streams: whatever their number, memory holds one chunk.
//!
//! An [import](intake) finds records in a body as it comes ([`split`], [`csv`]), and [writes](mod@write) a chunk of them with
//! one commit before it reads on; [a dry run](dry) undoes each. An [archive is taken in](archive_import)
//! file by file. An [export] and an [archive] are made from one snapshot,
//! a chunk whenever the client has taken the last one.

pub(super) mod api;
mod archive;
mod archive_import;
mod csv;
mod dry;
mod error;
mod export;
mod format;
mod intake;
mod order;
mod parameters;
mod settle;
mod split;
mod unpack;
mod waiting;
mod write;

pub use archive_import::{ArchiveImport, ArchiveOptions, Definitions};
pub use error::TransferError;
pub use format::Format;
pub use intake::{
    CHUNK_RECORDS, CollectionReport, Counts, Ended, Import, ImportOptions, ImportReport, Intake, REJECTED_LISTED_MAX,
};
pub use split::{Piece, Splitter};
pub use write::{ImportMode, Rejected};
