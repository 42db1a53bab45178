//! Taking an archive in: its definitions at once, then the records of each file as an import of their own, and at the end
//! those that named records which came later.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::Stream;

use super::{
    Format, ImportMode, Rejected, TransferError,
    dry::Seen,
    intake::{CollectionReport, Counts, Import, ImportOptions, ImportReport, Intake},
    unpack::{File, Unpacker, content},
    waiting::Waiting,
    write::Written,
};
use crate::{
    access::Action,
    collections::{
        COLLECTIONS_MAX, CollectionError, CollectionInput,
        sync::{PlanInput, SchemaInput, Step},
        system::COLLECTIONS,
    },
    records::{Caller, RecordError, RecordService},
};

/// The most bytes of all definitions.
const DEFINITIONS_BYTES_MAX: u64 = 16 << 20;

/// What is done with the definitions of an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Definitions {
    /// Collections that are not there are made; others stay as they are.
    #[default]
    Create,
    /// All collections of the archive become what it says, unless values would be lost.
    Apply,
    /// They are passed over.
    Ignore,
}

/// How an archive is taken in.
#[derive(Clone, Debug)]
pub struct ArchiveOptions {
    /// What is done with records whose id is in use.
    pub mode: ImportMode,
    /// What is done with definitions.
    pub definitions: Definitions,
    /// The collections whose records are taken in; all, when there is no choice.
    pub chosen: Option<Vec<String>>,
    /// Whether nothing is written.
    pub dry_run: bool,
    /// The most bytes of a record.
    pub record_bytes_max: usize,
    /// How long the body may stand still.
    pub idle: Duration,
}

/// An archive that is taken in.
pub struct ArchiveImport {
    pub(super) records: Arc<RecordService>,
    pub(super) caller: Caller,
    pub(super) options: ArchiveOptions,
    archive: Arc<tokio::sync::Mutex<Unpacker>>,
    stage: Stage,
    pub(super) waiting: Waiting,
    pub(super) seen: Option<Arc<Mutex<Seen>>>,
    counts: Counts,
    own: Vec<CollectionReport>,
    /// The steps by which definitions were carried out.
    steps: Vec<Step>,
    complete: Option<bool>,
    /// What was rejected and not told yet.
    refused: Vec<Rejected>,
    /// Collections that a dry run would make, whose records cannot be checked.
    unmade: Vec<String>,
    error: Option<TransferError>,
}

/// How far an archive is taken in.
pub(super) enum Stage {
    Definitions,
    /// Between files, of which the next may have been opened already.
    Next(Option<File>),
    Records(Box<Import>),
    /// Everything was read, and this is still to be written.
    Settling(VecDeque<Work>),
    End,
}

/// What is done, one after the other, with the records that waited.
#[derive(Clone, Copy)]
pub(super) enum Work {
    /// They are written, each after those that it names.
    Write,
    /// Those of a circle are written, without what they wait for and then with it.
    WriteCircle,
    /// There is nothing more to be done for them.
    Reject,
}

impl std::fmt::Debug for ArchiveImport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchiveImport").field("options", &self.options).finish_non_exhaustive()
    }
}

impl ArchiveImport {
    /// The archive that `body` brings.
    #[must_use]
    pub fn new(
        records: &Arc<RecordService>,
        caller: Caller,
        options: ArchiveOptions,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Self {
        Self {
            records: Arc::clone(records),
            caller,
            archive: Arc::new(tokio::sync::Mutex::new(Unpacker::new(body, options.idle))),
            stage: Stage::Definitions,
            waiting: Waiting::new(&records.waiting_bytes),
            seen: options.dry_run.then(Arc::default),
            counts: Counts::default(),
            own: Vec::new(),
            steps: Vec::new(),
            complete: None,
            refused: Vec::new(),
            unmade: Vec::new(),
            error: None,
            options,
        }
    }

    async fn go_on(&mut self) -> Result<Stage, TransferError> {
        match std::mem::replace(&mut self.stage, Stage::End) {
            Stage::Definitions => self.take_definitions().await.map(Stage::Next),
            Stage::Next(open) => self.open(open).await,
            Stage::Records(import) => self.take_records(import).await,
            Stage::Settling(work) => self.settle(work).await,
            Stage::End => Ok(Stage::End),
        }
    }

    /// Reads and carries out the definitions, which come first. Answers the file of records after them.
    async fn take_definitions(&mut self) -> Result<Option<File>, TransferError> {
        let (_, catalog) = self.records.catalogs.current().map_err(RecordError::from)?;
        let mut archive = self.archive.lock().await;
        let (mut inputs, mut left) = (Vec::new(), DEFINITIONS_BYTES_MAX);
        let next = loop {
            let Some(file) = archive.next_file().await? else { break None };
            let Some(name) = file.name.strip_suffix(".json") else { break Some(file) };
            let passed = match self.options.definitions {
                Definitions::Create => catalog.defined(name).is_some(),
                Definitions::Apply => false,
                Definitions::Ignore => true,
            };
            if passed {
                continue;
            }
            may_define(&self.caller)?;
            let json = archive.whole(&file, left).await?;
            left -= json.len() as u64;
            inputs.push(definition(name, &json)?);
            if inputs.len() > COLLECTIONS_MAX {
                return Err(TransferError::Archive(format!("it has more than {COLLECTIONS_MAX} definitions")));
            }
        };
        drop(archive);
        if !inputs.is_empty() {
            self.apply(inputs).await?;
        }
        Ok(next)
    }

    async fn apply(&mut self, collections: Vec<CollectionInput>) -> Result<(), TransferError> {
        let names: Vec<_> = collections.iter().filter_map(|input| input.name.clone()).collect();
        let plan = if self.options.dry_run {
            self.records.collections.plan_schema(&PlanInput { collections, prune: false }).await
        } else {
            let input = SchemaInput { collections, ..SchemaInput::default() };
            self.records.collections.apply_schema(&self.caller.who(), input).await
        };
        self.steps = plan.map_err(|error| by_name(error, &names))?.steps;
        if self.options.dry_run {
            let (_, catalog) = self.records.catalogs.current().map_err(RecordError::from)?;
            self.unmade = names.into_iter().filter(|name| catalog.defined(name).is_none()).collect();
        }
        Ok(())
    }

    /// Opens the next file of records.
    async fn open(&mut self, open: Option<File>) -> Result<Stage, TransferError> {
        let file = match open {
            Some(file) => Some(file),
            None => self.archive.lock().await.next_file().await?,
        };
        let Some(File { name, .. }) = file else {
            return Ok(Stage::Settling([Work::Write, Work::WriteCircle, Work::Reject].into()));
        };
        let Some(collection) = name.strip_suffix(".jsonl") else {
            let detail = match name.strip_suffix(".json") {
                Some(_) => format!("\"{name}\" comes after records; definitions come before all of them"),
                None => format!("\"{name}\" is neither a definition (.json) nor records (.jsonl)"),
            };
            return Err(TransferError::Archive(detail));
        };
        let (_, catalog) = self.records.catalogs.current().map_err(RecordError::from)?;
        // What a view shows is another collection's.
        let is_view = catalog.find(collection).is_some_and(|found| found.view.is_some());
        let chosen = self.options.chosen.as_ref().is_none_or(|chosen| chosen.iter().any(|name| name == collection));
        if !chosen || is_view || self.unmade.iter().any(|name| name == collection) {
            return Ok(Stage::Next(None));
        }
        let options = self.import_options(self.options.mode);
        let body = content(Arc::clone(&self.archive));
        let import = Import::new(&self.records, self.caller.clone(), collection.to_owned(), options, body)?;
        if self.own.iter().any(|own| own.collection == collection) {
            return Err(TransferError::Archive(format!("it has two files of records of \"{collection}\"")));
        }
        self.own.push(CollectionReport { collection: collection.to_owned(), counts: Counts::default() });
        Ok(Stage::Records(Box::new(import.sharing(self.seen.clone()))))
    }

    pub(super) fn import_options(&self, mode: ImportMode) -> ImportOptions {
        let ArchiveOptions { dry_run, record_bytes_max, idle, .. } = self.options;
        ImportOptions { format: Format::Jsonl, mode, dry_run, record_bytes_max, idle }
    }

    async fn take_records(&mut self, mut import: Box<Import>) -> Result<Stage, TransferError> {
        let Some((pieces, Written { imported, rejected })) = import.chunk().await else {
            return import.take_error().map_or(Ok(Stage::Next(None)), Err);
        };
        let rejected = self.waiting.keep(&import.collection, &pieces, rejected);
        self.count(&import.collection, imported, rejected);
        Ok(Stage::Records(import))
    }

    /// Counts what came of records, and says of which collection the rejected are.
    pub(super) fn count(&mut self, collection: &str, imported: u64, rejected: Vec<Rejected>) {
        let count = rejected.len() as u64;
        self.counts.add(imported, count);
        if let Some(own) = self.own.iter_mut().find(|own| own.collection == collection) {
            own.counts.add(imported, count);
        }
        let named = |rejected| Rejected { collection: Some(collection.to_owned()), ..rejected };
        self.refused.extend(rejected.into_iter().map(named));
    }
}

fn may_define(caller: &Caller) -> Result<(), RecordError> {
    let may = |action| caller.principal.may(COLLECTIONS, action);
    if [Action::Create, Action::Update, Action::Delete].into_iter().all(may) {
        return Ok(());
    }
    let detail = "the archive has definitions that are not those of the server, which only who may create, update and delete \
                  collections can take in; leave them out by definitions=ignore";
    Err(RecordError::Forbidden(detail.into()))
}

/// The faults of definitions under the names of their files instead of their places.
fn by_name(error: CollectionError, names: &[String]) -> CollectionError {
    let CollectionError::Invalid(mut errors) = error else { return error };
    for error in &mut errors {
        let way = error.pointer.strip_prefix("/collections/").and_then(|way| way.split_once('/'));
        let named = way.and_then(|(place, rest)| Some((names.get(place.parse::<usize>().ok()?)?, rest)));
        if let Some(pointer) = named.map(|(name, rest)| format!("/{name}.json/{rest}")) {
            error.pointer = pointer;
        }
    }
    CollectionError::Invalid(errors)
}

/// A definition, as a client would send it.
fn definition(name: &str, json: &[u8]) -> Result<CollectionInput, TransferError> {
    let input: CollectionInput = serde_json::from_slice(json).map_err(|error| {
        TransferError::Archive(format!("\"{name}.json\" is no definition of a collection: {error}"))
    })?;
    if input.name.as_deref() != Some(name) {
        return Err(TransferError::Archive(format!("\"{name}.json\" defines another collection than its name says")));
    }
    Ok(input)
}

impl Intake for ArchiveImport {
    async fn step(&mut self) -> Option<ImportReport> {
        if self.complete.is_some() {
            return None;
        }
        match self.go_on().await {
            Ok(stage) => {
                self.complete = matches!(stage, Stage::End).then_some(true);
                self.stage = stage;
            }
            Err(error) => {
                self.error = Some(error);
                self.complete = Some(false);
                self.refuse_waiting();
            }
        }
        let rejected = std::mem::take(&mut self.refused);
        // What was done by collection is told once, at the end.
        let whole = self.complete.is_some();
        let (steps, collections) = if whole { (self.steps.clone(), self.own.clone()) } else { Default::default() };
        let (counts, complete, dry_run) = (self.counts, self.complete, self.options.dry_run);
        Some(ImportReport { counts, rejected, dry_run, complete, steps, collections, error: None })
    }

    fn take_error(&mut self) -> Option<TransferError> {
        self.error.take()
    }
}
