//! Taking over records of another backend as they were: with their times, and users with the hashes of their passwords.
//!
//! Nobody but the operator may do this, for it says what was instead of what is now; the routes are not on the network.
//! Not here: how another backend's data is read.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    RecordError, RecordService, Rejected,
    input::{self, Draft, Intent},
    prepare::{self, Prepared},
    service::{Caller, find_written, not_found},
    write::{self, Context, LateEntries},
};
use crate::{
    auth,
    collections::{Collection, Slots, layout, read_head, system},
    kernel::{FieldError, RecordId},
    store::{StoreError, Tx},
};

const TRIES: usize = 5;
/// The most lines of one request.
const LINES_MAX: usize = 5_000;

/// What came of a request.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct TakeoverReport {
    /// How many records were written.
    imported: usize,
    /// The lines that were not, and why.
    rejected: Vec<Rejected>,
}

/// What a line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TakeoverMode {
    /// It makes a record; one whose id is in use is rejected.
    Create,
    /// It makes a record, or replaces the one with its id.
    Upsert,
    /// It changes the fields that it names.
    Patch,
}

impl TakeoverMode {
    pub(super) fn named(name: &str) -> Option<Self> {
        let all = [("create", Self::Create), ("upsert", Self::Upsert), ("patch", Self::Patch)];
        all.into_iter().find(|(known, _)| *known == name).map(|(_, mode)| mode)
    }
}

/// A record as it was.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    record: &'a RawValue,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    /// A bcrypt hash; of users only.
    password_hash: Option<String>,
}

/// A line that was checked as far as a line by itself can be.
struct Ready {
    number: u64,
    id: String,
    draft: Draft,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    password_hash: Option<String>,
}

impl RecordService {
    /// Takes over JSON lines. Lines that do not fit are reported, the others written in one commit.
    ///
    /// # Errors
    /// [`RecordError`] when nothing could be written at all.
    pub(super) async fn take_over(
        &self,
        caller: &Caller,
        collection: &str,
        lines: &[u8],
        mode: TakeoverMode,
    ) -> Result<TakeoverReport, RecordError> {
        let lines = split_lines(lines)?;
        for _ in 0..TRIES {
            let (_, catalog) = self.catalogs.current()?;
            let collection = Arc::clone(find_written(&catalog, collection)?);
            let mut report = TakeoverReport::default();
            let mut ready = Vec::with_capacity(lines.len());
            for (number, line) in &lines {
                match read(&collection, *number, line, mode) {
                    Ok(line) => ready.push(line),
                    Err(error) => report.rejected.push(Rejected::new(*number, &error)),
                }
            }
            let (who, now, effects) = (caller.who(), self.clock.now(), Arc::clone(&self.effects));
            let written = self.store.write(move |tx| {
                write::check_epoch(tx, &catalog)?;
                let context = Context { catalog: &catalog, who: &who, now, effects: &effects, triggers: false };
                let mut late = LateEntries::new();
                for line in ready {
                    match write_line(tx, context, &collection, &line, mode, &mut late) {
                        Ok(()) => report.imported += 1,
                        Err(RecordError::Store(fault)) => return Err(fault.into()),
                        Err(error) => report.rejected.push(Rejected::new(line.number, &error)),
                    }
                }
                write::put_entries(tx, late)?;
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

fn split_lines(bytes: &[u8]) -> Result<Vec<(u64, &[u8])>, RecordError> {
    let lines: Vec<_> =
        (1..).zip(bytes.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty()).collect();
    if lines.len() > LINES_MAX {
        return Err(RecordError::Body(format!("a request takes over at most {LINES_MAX} lines")));
    }
    Ok(lines)
}

fn read(collection: &Collection, number: u64, line: &[u8], mode: TakeoverMode) -> Result<Ready, RecordError> {
    let line: Line<'_> =
        serde_json::from_slice(line).map_err(|error| RecordError::Body(format!("the line does not fit: {error}")))?;
    let mut members = input::members(line.record.get().as_bytes())?;
    let at = members.iter().position(|(name, _)| name == "id");
    // It is no part of the draft of a change, which could not tell it from a new one.
    let id = at.map(|at| members.swap_remove(at).1).unwrap_or_default();
    let id: RecordId =
        serde_json::from_str(&id).map_err(|error| RecordError::Invalid(vec![FieldError::at("id", "format", error)]))?;
    if let Some(hash) = &line.password_hash {
        let fits = if collection.def.name == system::USERS {
            auth::check_foreign_hash(hash)
        } else {
            Err("only users have passwords")
        };
        fits.map_err(|detail| RecordError::Invalid(vec![FieldError::at("passwordHash", "invalid", detail)]))?;
    }
    // A patch of JSON replaces it here, for the record before is not looked at.
    let intent = if mode == TakeoverMode::Patch { Intent::Patch } else { Intent::Create };
    let draft = input::check(collection, &members, intent, None)?;
    let Line { created_at, updated_at, password_hash, .. } = line;
    Ok(Ready { number, id: id.to_string(), draft, created_at, updated_at, password_hash })
}

/// Writes a line; one that is refused has written nothing.
fn write_line(
    tx: &mut Tx<'_>,
    context: Context<'_>,
    collection: &Collection,
    line: &Ready,
    mode: TakeoverMode,
    late: &mut LateEntries,
) -> Result<(), RecordError> {
    match (write::stored(tx, collection, &line.id)?, mode) {
        (Some(_), TakeoverMode::Create) => return Err(RecordError::IdInUse(line.id.clone())),
        (None, TakeoverMode::Patch) => return Err(not_found(collection, &line.id)),
        // Lines that are only created never touch each other's entries, which may therefore come late.
        (None, TakeoverMode::Create) => {
            let prepared = prepared(context, collection, line, None)?;
            write::apply_but_entries(tx, context, collection, &line.id, &prepared, late)?;
        }
        (old, TakeoverMode::Upsert | TakeoverMode::Patch) => {
            let prepared = prepared(context, collection, line, old)?;
            write::apply(tx, context, collection, &line.id, &prepared)?;
        }
    }
    if collection.def.name == system::USERS {
        if let Some(hash) = &line.password_hash {
            auth::put_password(tx, &line.id, hash.clone(), context.now, None)?;
        }
        let roles = collection.slot("roles").and_then(|slot| line.draft.value(slot)).unwrap_or_default();
        if roles.contains("\"admin\"") {
            auth::delete_setup(tx)?;
        }
    }
    Ok(())
}

/// What a line makes of a record, or of none.
fn prepared(
    context: Context<'_>,
    collection: &Collection,
    line: &Ready,
    old: Option<Vec<u8>>,
) -> Result<Prepared, StoreError> {
    let text = |time: Option<Timestamp>| time.map(|time| format!("{time:.3}"));
    let new = {
        let slots = old.as_deref().map(|old| Slots::read(collection, old)).transpose()?;
        let before = slots.as_ref().map(read_head);
        let now = format!("{:.3}", context.now);
        let created_at = text(line.created_at).or_else(|| before.as_ref().map(|head| head.created_at.to_owned()));
        let created_at = created_at.unwrap_or_else(|| now.clone());
        let updated_at = text(line.updated_at).unwrap_or(now);
        let version = before.map_or(1, |head| head.version + 1);
        let head = layout::Head { id: &line.id, created_at: &created_at, updated_at: &updated_at, version };
        let default = |slot| collection.field(slot).map_or("null", |field| field.default.as_str());
        layout::write_record(collection, head, |slot| {
            let stored = || slots.as_ref().and_then(|slots| slots.get(slot));
            line.draft.value(slot).or_else(stored).unwrap_or_else(|| default(slot))
        })
    };
    prepare::prepare(context.catalog, collection, &line.id, old, Some(new), &line.draft)
}
