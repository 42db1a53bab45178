//! Taking in many records at once: JSON lines, one commit for a whole chunk, each bad line by itself.

use std::sync::Arc;

use serde::Serialize;

use super::{
    RecordError, RecordService,
    authorize::{check_fields, check_rights, check_write, open},
    coerce::coerce,
    input::{self, Draft},
    prepare::{self, Prepared},
    related::Reach,
    service::{Caller, find_written},
    view::View,
    write::{self, Context, LateEntries},
    writing::Creation,
};
use crate::{
    access::Action,
    collections::{Collection, Slots},
    kernel::{DomainError as _, FieldError},
    store::{StoreError, Tx},
};

/// The most lines of one request.
pub const LINES_MAX: usize = 5_000;
const TRIES: usize = 5;

/// What is done with a line whose id is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportMode {
    /// It is rejected.
    Create,
    /// It replaces the record.
    Upsert,
}

/// What came of an import.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// How many records were written.
    pub imported: usize,
    /// The lines that were not, and why.
    pub rejected: Vec<Rejected>,
}

/// A line that was not imported.
#[derive(Clone, Debug, Serialize)]
pub struct Rejected {
    /// Its number in the request, from 1.
    pub line: usize,
    /// Why, for people.
    pub reason: String,
    /// The failing fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl Rejected {
    fn new(line: usize, error: &RecordError) -> Self {
        let errors = error.field_errors().to_vec();
        let named = |error: &FieldError| format!("{} {}", error.pointer.trim_start_matches('/'), error.detail);
        let reason = match errors.is_empty() {
            true => error.to_string(),
            false => errors.iter().map(named).collect::<Vec<_>>().join("; "),
        };
        Self { line, reason, errors }
    }
}

/// A line that is ready to be written.
struct Line {
    number: usize,
    id: String,
    draft: Draft,
    prepared: Prepared,
}

impl RecordService {
    /// Takes in JSON lines. Lines that do not fit are reported, the others written in one commit.
    ///
    /// # Errors
    /// [`RecordError`] when nothing could be written at all.
    pub async fn import(
        &self,
        caller: &Caller,
        collection: &str,
        lines: &[u8],
        mode: ImportMode,
    ) -> Result<ImportReport, RecordError> {
        let lines = split_lines(lines)?;
        for _ in 0..TRIES {
            let (snapshot, catalog) = self.catalogs.current()?;
            let collection = Arc::clone(find_written(&catalog, collection)?);
            let now = self.clock.now();
            let fresh_id = || self.ids.next(now).to_string();
            let opening = open(caller, &collection, Action::Create, |rules| &rules.create, now)?;
            let mut report = ImportReport::default();
            let mut ready = Vec::with_capacity(lines.len());
            for (number, line) in &lines {
                let made = input::members(line).and_then(|members| {
                    let members = coerce(&collection, members);
                    let creation = Creation { caller, members: &members, fresh_id: &fresh_id };
                    creation.prepare_opened(&opening, &snapshot, &catalog, &collection, now)
                });
                match made {
                    Ok((id, draft, prepared)) => ready.push(Line { number: *number, id, draft, prepared }),
                    Err(RecordError::Store(fault)) => return Err(fault.into()),
                    Err(error) => report.rejected.push(Rejected::new(*number, &error)),
                }
            }
            let caller = caller.clone();
            let written = self.store.write(move |tx| {
                write::check_epoch(tx, &catalog)?;
                let asker = caller.asker();
                let context = Context { catalog: &catalog, asker: &asker, now };
                write_lines(tx, context, &caller, &collection, ready, mode, &mut report)?;
                report.rejected.sort_by_key(|rejected| rejected.line);
                Ok(report)
            });
            match written.await {
                Err(RecordError::Moved) => {}
                other => return other,
            }
        }
        Err(RecordError::Moved)
    }
}

fn split_lines(bytes: &[u8]) -> Result<Vec<(usize, &[u8])>, RecordError> {
    let numbered = bytes.split(|byte| *byte == b'\n').enumerate().map(|(index, line)| (index + 1, line));
    let lines: Vec<_> = numbered.filter(|(_, line)| !line.trim_ascii().is_empty()).collect();
    if lines.len() > LINES_MAX {
        return Err(RecordError::Body(format!("a request imports at most {LINES_MAX} lines")));
    }
    Ok(lines)
}

/// Writes line by line; a line that is refused has written nothing, for every check comes before the first write.
fn write_lines(
    tx: &mut Tx<'_>,
    context: Context<'_>,
    caller: &Caller,
    collection: &Collection,
    lines: Vec<Line>,
    mode: ImportMode,
    report: &mut ImportReport,
) -> Result<(), StoreError> {
    let mut late = LateEntries::new();
    for line in lines {
        match write_line(tx, context, caller, collection, &line, mode, &mut late) {
            Ok(()) => report.imported += 1,
            Err(RecordError::Store(fault)) => return Err(fault),
            Err(error) => report.rejected.push(Rejected::new(line.number, &error)),
        }
    }
    write::put_entries(tx, late)
}

fn write_line(
    tx: &mut Tx<'_>,
    context: Context<'_>,
    caller: &Caller,
    collection: &Collection,
    line: &Line,
    mode: ImportMode,
    late: &mut LateEntries,
) -> Result<(), RecordError> {
    let old = match line.draft.id {
        Some(_) => write::stored(tx, collection, &line.id)?,
        None => None,
    };
    match old {
        // Lines that are only created never touch each other's entries, which may therefore come late.
        None if mode == ImportMode::Create => {
            write::apply_but_entries(tx, context, collection, &line.id, &line.prepared, late)
        }
        None => write::apply(tx, context, collection, &line.id, &line.prepared),
        Some(_) if mode == ImportMode::Create => Err(RecordError::IdInUse(line.id.clone())),
        Some(old) => {
            let slots = Slots::read(collection, &old)?;
            let body = line.draft.slots(collection);
            let related = Reach::new(tx, context.catalog);
            let view =
                View { old: Some(&slots), body: Some(&body), ..View::of(collection, &slots, &related, context.now) };
            check_write(caller, Action::Update, |rules| &rules.update, view, &line.id)?;
            check_rights(caller, collection, Action::Update, &line.draft, Some(&slots))?;
            check_fields(caller, Action::Update, &line.draft, view)?;
            drop(related);
            drop(slots);
            let prepared = prepare::change(context.catalog, collection, &line.draft, old, context.now)?;
            write::apply(tx, context, collection, &line.id, &prepared)
        }
    }
}
