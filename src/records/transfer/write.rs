//! Writing a chunk of an import: one commit for all of it, each bad record by itself.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde::Serialize;

use super::{Format, dry::Seen, intake::ImportOptions, split::Piece};
use crate::{
    access::Action,
    collections::{Collection, Slots},
    kernel::{DomainError as _, FieldError},
    records::{
        Caller, RecordError, RecordService,
        authorize::{check_fields, check_rights, check_write, kept_fields, open},
        coerce::{Source, coerce},
        input::{self, Draft},
        prepare::{self, Prepared},
        related::Reach,
        service::find_written,
        view::View,
        write::{self, Context, LateEntries},
        writing::Creation,
    },
    store::{StoreError, Tx},
};

/// How often a chunk is prepared again when the schema changed meanwhile, or tried again when the writer was busy.
const TRIES: u32 = 8;
/// How long to wait for a busy writer, the first time; then twice as long each time.
const BUSY_WAIT: Duration = Duration::from_millis(20);

/// What is done with a record whose id is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImportMode {
    /// It is rejected.
    #[default]
    Create,
    /// It replaces the record.
    Upsert,
}

/// A record that was not imported.
#[derive(Clone, Debug, Serialize)]
pub struct Rejected {
    /// Its collection, when an archive was taken in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// The number of its line, or of the element of an array, from 1.
    pub line: u64,
    /// Why, for people.
    pub reason: String,
    /// The failing fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl Rejected {
    pub(in crate::records) fn new(line: u64, error: &RecordError) -> Self {
        let errors = error.field_errors().to_vec();
        let named = |error: &FieldError| format!("{} {}", error.pointer.trim_start_matches('/'), error.detail);
        let reason = match errors.is_empty() {
            true => error.to_string(),
            false => errors.iter().map(named).collect::<Vec<_>>().join("; "),
        };
        Self { collection: None, line, reason, errors }
    }
}

/// What came of a chunk.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) imported: u64,
    pub(super) rejected: Vec<Rejected>,
}

/// What every chunk of an import shares.
pub(super) struct Target<'a> {
    pub(super) caller: &'a Caller,
    pub(super) collection: &'a str,
    pub(super) options: &'a ImportOptions,
    /// What a dry run remembers; `None` when it is none.
    pub(super) seen: Option<&'a Arc<Mutex<Seen>>>,
    /// Whether something was written before, so that a busy writer is worth waiting for.
    pub(super) begun: bool,
}

/// A record that is ready to be written.
struct Line {
    number: u64,
    id: String,
    draft: Draft,
    prepared: Prepared,
    /// The text, where a replacement depends on which fields it names.
    text: Option<Bytes>,
}

/// The end of an operation that is undone: by a fault, or because it was for show.
enum Undone {
    Dry(Written),
    Failed(RecordError),
}

impl<E: Into<RecordError>> From<E> for Undone {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl RecordService {
    /// Takes in records of a collection, in the place of those that have their ids: one commit for all, each bad one by itself. Answers how
    /// many, and why not the others.
    ///
    /// # Errors
    /// [`RecordError`] when none can be taken in at all.
    pub async fn take_in(
        &self,
        caller: &Caller,
        collection: &str,
        format: Format,
        pieces: &[Piece],
    ) -> Result<(u64, Vec<Rejected>), RecordError> {
        let (mode, idle) = (ImportMode::Upsert, Duration::ZERO);
        let options = ImportOptions { format, mode, dry_run: false, record_bytes_max: usize::MAX, idle };
        let target = Target { caller, collection, options: &options, seen: None, begun: true };
        let Written { imported, rejected } = self.write_chunk(&target, pieces).await?;
        Ok((imported, rejected))
    }

    /// Writes the records of a chunk that fit in one commit, and says of the others why not.
    pub(super) async fn write_chunk(&self, target: &Target<'_>, pieces: &[Piece]) -> Result<Written, RecordError> {
        for tried in 0..TRIES {
            match self.try_chunk(target, pieces).await {
                Err(RecordError::Moved) => {}
                Err(RecordError::Store(StoreError::Busy)) if target.begun => {
                    tokio::time::sleep(BUSY_WAIT * (1 << tried)).await;
                }
                other => return other,
            }
        }
        self.try_chunk(target, pieces).await
    }

    async fn try_chunk(&self, target: &Target<'_>, pieces: &[Piece]) -> Result<Written, RecordError> {
        let Target { options, .. } = *target;
        let caller = &target.caller.renewed()?;
        let (snapshot, catalog) = self.catalogs.current()?;
        let collection = Arc::clone(find_written(&catalog, target.collection)?);
        let now = self.clock.now();
        let fresh_id = || self.ids.next(now).to_string();
        let opening = open(caller, &collection, Action::Create, |rules| &rules.create, now)?;
        let names_count = options.mode == ImportMode::Upsert && !collection.rules.fields.is_empty();
        let source = if options.format == Format::Csv { Source::Cells } else { Source::Json };
        let mut written = Written::default();
        let mut ready = Vec::with_capacity(pieces.len());
        for Piece { number, text, fault } in pieces {
            let made = fault.clone().map_or_else(|| input::members(text), |fault| Err(RecordError::Body(fault)));
            let made = made.and_then(|members| {
                let members = coerce(&collection, members, source);
                let creation = Creation { caller, members: &members, fresh_id: &fresh_id };
                creation.prepare_opened(&opening, &snapshot, &catalog, &collection, now)
            });
            match made {
                Ok((id, draft, prepared)) => {
                    let text = names_count.then(|| text.clone());
                    ready.push(Line { number: *number, id, draft, prepared, text });
                }
                Err(RecordError::Store(fault)) => return Err(fault.into()),
                Err(error) => written.rejected.push(Rejected::new(*number, &error)),
            }
        }
        drop(snapshot);
        let (caller, mode, seen) = (caller.clone(), options.mode, target.seen.cloned());
        let effects = Arc::clone(&self.effects);
        let done = self.store.write(move |tx| {
            write::check_epoch(tx, &catalog)?;
            let who = caller.who();
            let context = Context { catalog: &catalog, who: &who, now, effects: &effects, triggers: false };
            let mut seen = seen.as_ref().map(|seen| seen.lock().unwrap_or_else(PoisonError::into_inner));
            let mut lines =
                Lines { context, caller: &caller, collection: &collection, mode, source, late: LateEntries::new() };
            for line in ready {
                let number = line.number;
                match lines.write(tx, line, seen.as_deref_mut()) {
                    Ok(()) => written.imported += 1,
                    Err(RecordError::Store(fault)) => return Err(fault.into()),
                    Err(error) => written.rejected.push(Rejected::new(number, &error)),
                }
            }
            written.rejected.sort_by_key(|rejected| rejected.line);
            if seen.is_some() {
                return Err(Undone::Dry(written));
            }
            write::put_entries(tx, lines.late)?;
            Ok(written)
        });
        match done.await {
            Ok(written) | Err(Undone::Dry(written)) => Ok(written),
            Err(Undone::Failed(error)) => Err(error),
        }
    }
}

/// The lines of a chunk inside the transaction. One that is refused has written nothing, for every check comes before
/// the first write.
struct Lines<'a> {
    context: Context<'a>,
    caller: &'a Caller,
    collection: &'a Collection,
    mode: ImportMode,
    source: Source,
    late: LateEntries,
}

impl Lines<'_> {
    fn write(&mut self, tx: &mut Tx<'_>, line: Line, seen: Option<&mut Seen>) -> Result<(), RecordError> {
        match seen {
            None => self.put(tx, line),
            Some(seen) => self.put_for_show(tx, line, seen),
        }
    }

    fn put(&mut self, tx: &mut Tx<'_>, mut line: Line) -> Result<(), RecordError> {
        let old = match line.draft.id {
            Some(_) => write::stored(tx, self.collection, &line.id)?,
            None => None,
        };
        match old {
            // Lines that are only created never touch each other's entries, which may therefore come late.
            None if self.mode == ImportMode::Create => {
                write::apply_but_entries(tx, self.context, self.collection, &line.id, &line.prepared, &mut self.late)
            }
            None => write::apply(tx, self.context, self.collection, &line.id, &line.prepared),
            Some(_) if self.mode == ImportMode::Create => Err(RecordError::IdInUse(line.id)),
            Some(old) => {
                let prepared = self.replacement(tx, &mut line, old)?;
                write::apply(tx, self.context, self.collection, &line.id, &prepared)
            }
        }
    }

    /// The line as a change of the record that is there, if the caller may make it.
    fn replacement(&self, tx: &Tx<'_>, line: &mut Line, old: Vec<u8>) -> Result<Prepared, RecordError> {
        let (Context { catalog, now, .. }, collection) = (self.context, self.collection);
        if let Some(text) = &line.text {
            let members = coerce(collection, input::members(text)?, self.source);
            let named = |slot| members.iter().any(|(name, _)| *name == collection.slot_name(slot));
            let kept = kept_fields(self.caller, collection, now).into_iter().filter(|slot| !named(*slot));
            kept.for_each(|slot| line.draft.forget(slot));
        }
        {
            let slots = Slots::read(collection, &old)?;
            let body = line.draft.slots(collection);
            let related = Reach::new(tx, catalog);
            let view = View { old: Some(&slots), body: Some(&body), ..View::of(collection, &slots, &related, now) };
            check_write(self.caller, Action::Update, |rules| &rules.update, view, &line.id)?;
            check_rights(tx, self.caller, collection, Action::Update, &line.draft, Some(&slots))?;
            check_fields(self.caller, Action::Update, &line.draft, view)?;
        }
        Ok(prepare::change(catalog, collection, &line.draft, old, now)?)
    }

    /// [`Lines::put`] in a dry run: what came in chunks before counts as there.
    fn put_for_show(&mut self, tx: &mut Tx<'_>, mut line: Line, seen: &mut Seen) -> Result<(), RecordError> {
        let given = line.draft.id.is_some();
        let old = if given { write::stored(tx, self.collection, &line.id)? } else { None };
        match old {
            Some(old) if self.mode == ImportMode::Upsert => line.prepared = self.replacement(tx, &mut line, old)?,
            None if self.mode == ImportMode::Upsert || !given || !seen.has(self.collection.number(), &line.id) => {}
            _ => return Err(RecordError::IdInUse(line.id)),
        }
        seen.settle(&mut line.prepared);
        let mut errors = Vec::new();
        write::check_targets(tx, &line.prepared, &mut errors)?;
        write::check_unique(tx, self.collection, &line.id, &line.prepared, &mut errors)?;
        seen.check_unique(self.collection, &line.id, &line.prepared, &mut errors);
        if !errors.is_empty() {
            return Err(RecordError::Invalid(errors));
        }
        write::apply(tx, self.context, self.collection, &line.id, &line.prepared)?;
        seen.remember(self.collection, &line.id, given, &line.prepared);
        Ok(())
    }
}
