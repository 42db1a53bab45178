//! An import from its body to its report: a chunk is read, written, reported, and only then the next one is read. So
//! memory holds one chunk, and a client that sends faster than the disk takes has to wait.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream::BoxStream};
use serde::Serialize;

use super::{
    Format, ImportMode, Rejected, TransferError,
    dry::Seen,
    split::{Piece, Splitter},
    write::{Target, Written},
};
use crate::{
    access::Action,
    collections::sync::Step,
    records::{Caller, RecordError, RecordService, authorize::open, service::find_written},
};

/// The most records of a commit: enough to share its cost, few enough to let other writers in between.
pub const CHUNK_RECORDS: usize = 2_000;
/// About the most bytes of a commit's records.
pub(super) const CHUNK_BYTES: usize = 1 << 20;
/// The most rejected records that one report lists; all are counted.
pub const REJECTED_LISTED_MAX: usize = 1_000;

/// How an import goes.
#[derive(Clone, Copy, Debug)]
pub struct ImportOptions {
    /// The format of the body.
    pub format: Format,
    /// What is done with a record whose id is in use.
    pub mode: ImportMode,
    /// Whether nothing is written.
    pub dry_run: bool,
    /// The most bytes of a record.
    pub record_bytes_max: usize,
    /// How long the body may stand still.
    pub idle: Duration,
}

/// How far an import is, or what came of it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// How many records there were.
    #[serde(flatten)]
    pub counts: Counts,
    /// Those that were not written, and why: the first ones, or in a report of progress those since the report before.
    pub rejected: Vec<Rejected>,
    /// Whether nothing was written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Whether the whole body was read; absent while the import goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Ended>,
    /// How many there were of each collection, when an archive was taken in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub collections: Vec<CollectionReport>,
    /// What was done with collections, when an archive had definitions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// How many records an import had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// How many were looked at.
    pub processed: u64,
    /// How many of them were written; in a dry run, would have been.
    pub imported: u64,
    /// How many were not.
    pub rejected_count: u64,
}

impl Counts {
    pub(super) fn add(&mut self, imported: u64, rejected: u64) {
        self.processed += imported + rejected;
        self.imported += imported;
        self.rejected_count += rejected;
    }
}

/// How many records an archive had of one collection.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CollectionReport {
    /// The collection.
    pub collection: String,
    /// How many records there were.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Why an import went no further, as the last report of progress says it.
#[derive(Clone, Debug, Serialize)]
pub struct Ended {
    /// The code that a problem would have.
    pub code: &'static str,
    /// What is wrong, for people.
    pub detail: String,
}

/// An import that goes on.
pub struct Import {
    records: Arc<RecordService>,
    caller: Caller,
    pub(super) collection: String,
    options: ImportOptions,
    body: BoxStream<'static, io::Result<Bytes>>,
    splitter: Splitter,
    /// What came of the body and was not split yet.
    input: Bytes,
    body_ended: bool,
    seen: Option<Arc<Mutex<Seen>>>,
    counts: Counts,
    end: Option<Result<(), TransferError>>,
}

impl std::fmt::Debug for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import").field("options", &self.options).field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Import {
    /// An import of what `body` brings.
    ///
    /// # Errors
    /// [`RecordError`] when there is no such collection, or the caller may make no record of it.
    pub fn new(
        records: &Arc<RecordService>,
        caller: Caller,
        collection: String,
        options: ImportOptions,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<Self, RecordError> {
        let (_, catalog) = records.catalogs.current()?;
        let now = records.clock.now();
        open(&caller, find_written(&catalog, &collection)?, Action::Create, |rules| &rules.create, now)?;
        Ok(Self {
            records: Arc::clone(records),
            caller,
            collection,
            body: body.boxed(),
            splitter: Splitter::new(options.format, options.record_bytes_max),
            input: Bytes::new(),
            body_ended: false,
            seen: options.dry_run.then(Arc::default),
            counts: Counts::default(),
            options,
            end: None,
        })
    }

    /// Lets a dry run remember what others remember.
    pub(super) fn sharing(self, seen: Option<Arc<Mutex<Seen>>>) -> Self {
        Self { seen, ..self }
    }

    /// Takes in one chunk. Answers its records and what came of them; `None` when the import has ended.
    pub(super) async fn chunk(&mut self) -> Option<(Vec<Piece>, Written)> {
        if self.end.is_some() {
            return None;
        }
        let (pieces, end) = self.fill().await;
        self.end = end;
        let mut written = Written::default();
        if !pieces.is_empty() {
            let target = Target {
                caller: &self.caller,
                collection: &self.collection,
                options: &self.options,
                seen: self.seen.as_ref(),
                begun: self.counts.processed > 0,
            };
            match self.records.write_chunk(&target, &pieces).await {
                Ok(done) => written = done,
                Err(error) => self.end = Some(Err(error.into())),
            }
        }
        if self.seen.as_ref().is_some_and(|seen| seen.lock().unwrap_or_else(PoisonError::into_inner).is_full()) {
            self.end = Some(Err(TransferError::TooMany));
        }
        self.counts.add(written.imported, written.rejected.len() as u64);
        Some((pieces, written))
    }

    /// The next records, as many as a chunk has, and how the stream ended if it did.
    async fn fill(&mut self) -> (Vec<Piece>, Option<Result<(), TransferError>>) {
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        while pieces.len() < CHUNK_RECORDS && bytes < CHUNK_BYTES {
            let found = if self.body_ended { self.splitter.finish() } else { self.splitter.next(&mut self.input) };
            match found {
                Err(broken) => return (pieces, Some(Err(broken.into()))),
                Ok(Some(piece)) => {
                    bytes += piece.text.len();
                    pieces.push(piece);
                }
                Ok(None) if self.body_ended => return (pieces, Some(Ok(()))),
                Ok(None) => match tokio::time::timeout(self.options.idle, self.body.next()).await {
                    Err(_) => return (pieces, Some(Err(TransferError::Idle))),
                    Ok(None) => self.body_ended = true,
                    Ok(Some(Err(_))) => return (pieces, Some(Err(TransferError::Cut))),
                    Ok(Some(Ok(more))) => self.input = more,
                },
            }
        }
        (pieces, None)
    }
}

/// What takes in many records, step by step.
pub trait Intake: Send + 'static {
    /// Takes in some. Answers how far that is, with what was rejected in this step; `None` when everything is done.
    fn step(&mut self) -> impl Future<Output = Option<ImportReport>> + Send;

    /// Why it has ended early, if it has: once.
    fn take_error(&mut self) -> Option<TransferError>;

    /// Takes in everything. Answers what came of it, and why it ended early if it did.
    fn run(mut self) -> impl Future<Output = (ImportReport, Option<TransferError>)> + Send
    where
        Self: Sized,
    {
        async move {
            let (mut listed, mut report) = (Vec::new(), ImportReport::default());
            while let Some(mut progress) = self.step().await {
                let room = REJECTED_LISTED_MAX.saturating_sub(listed.len());
                listed.extend(std::mem::take(&mut progress.rejected).into_iter().take(room));
                report = progress;
            }
            (ImportReport { rejected: listed, ..report }, self.take_error())
        }
    }
}

impl Intake for Import {
    async fn step(&mut self) -> Option<ImportReport> {
        let (_, Written { rejected, .. }) = self.chunk().await?;
        let (counts, dry_run) = (self.counts, self.options.dry_run);
        let complete = self.end.as_ref().map(Result::is_ok);
        Some(ImportReport { counts, rejected, dry_run, complete, ..ImportReport::default() })
    }

    fn take_error(&mut self) -> Option<TransferError> {
        if !matches!(self.end, Some(Err(_))) {
            return None;
        }
        self.end.replace(Ok(()))?.err()
    }
}
