//! How a record is shown to a client: as it is stored wherever that is right.

use std::{cell::Cell, ops::ControlFlow, sync::Arc};

use jiff::Timestamp;

use super::{
    RecordError,
    related::Related,
    sight::Mask,
    view::{View, is_local},
};
use crate::{
    collections::{
        Collection, Slot, Slots,
        catalog::{FIRST_FIELD, ID, SYSTEM_FIELDS},
        rewrite,
    },
    expr::{Expr, Hop},
};

/// The most records that one relation of one record shows.
const EXPANDED_MAX: usize = 1_000;

/// The most bytes that the expansions of one answer take.
const EXPANDED_BYTES_MAX: usize = 16 << 20;

/// How many bytes of expansions an answer may still take.
#[derive(Debug)]
pub(super) struct Budget(Cell<usize>);

impl Default for Budget {
    fn default() -> Self {
        Self(Cell::new(EXPANDED_BYTES_MAX))
    }
}

impl Budget {
    fn spend(&self, bytes: usize) -> bool {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// What a client sees of the records of one collection.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    /// The fields that are asked for; all when `None`.
    pub(super) fields: Option<Vec<Slot>>,
    /// The fields that the caller does not see.
    pub(super) mask: Mask,
    /// The relations whose records are shown, too.
    pub(super) expand: Vec<Expansion>,
}

/// A relation whose records are shown in the place of their ids.
#[derive(Clone, Debug)]
pub(super) struct Expansion {
    /// The name under which they are shown.
    pub(super) name: String,
    pub(super) hop: Hop,
    pub(super) collection: Arc<Collection>,
    pub(super) shape: Shape,
}

/// What showing a record needs besides it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Light<'a> {
    pub(super) related: &'a dyn Related,
    pub(super) budget: &'a Budget,
    pub(super) now: Timestamp,
}

impl Shape {
    /// The whole record, as far as the caller sees it.
    pub(super) fn whole(mask: Mask) -> Self {
        Self { fields: None, mask, expand: Vec::new() }
    }

    /// Whether every field is shown, of every record.
    fn shows_all(&self) -> bool {
        self.fields.is_none() && self.mask.veiled.is_empty()
    }

    /// How many records are looked up for each that is shown; `None` when that depends on the records.
    pub(super) fn looked_up(&self) -> Option<u64> {
        if !self.mask.veiled.iter().all(|(_, condition)| is_local(condition)) {
            return None;
        }
        self.expand.iter().try_fold(0, |sum, expansion| {
            let Hop { back, many, guard, .. } = &expansion.hop;
            let steady = !back && !many && guard.as_ref().is_none_or(|guard| is_local(guard));
            steady.then_some(sum + 1 + expansion.shape.looked_up()?)
        })
    }
}

/// The JSON text of a record for a client: without what the caller does not see, with the wanted fields only, in the
/// present form, with the records that it leads to.
pub(super) fn show(
    collection: &Collection,
    record: Vec<u8>,
    shape: &Shape,
    light: Light<'_>,
) -> Result<Vec<u8>, RecordError> {
    if shape.expand.is_empty() && shape.shows_all() && !collection.def.rewriting {
        return Ok(record);
    }
    let mut out = Vec::with_capacity(record.len());
    write(collection, &record, shape, light, &mut out)?;
    Ok(out)
}

fn write(
    collection: &Collection,
    record: &[u8],
    shape: &Shape,
    light: Light<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RecordError> {
    let rewritten = if collection.def.rewriting { rewrite(collection, record)? } else { None };
    let record = rewritten.as_deref().unwrap_or(record);
    if shape.shows_all() {
        return write_all(collection, record, shape, light, out);
    }
    let slots = Slots::read(collection, record)?;
    let view = View::of(collection, &slots, light.related, light.now);
    let count = SYSTEM_FIELDS.len() + collection.fields.len();
    let start = out.len();
    out.push(b'{');
    for slot in (0..count).filter(|slot| shape.fields.as_ref().is_none_or(|fields| fields.contains(slot))) {
        let veiled = shape.mask.veiled.iter().find(|(veiled, _)| *veiled == slot);
        if let Some((_, condition)) = veiled
            && (*condition == Expr::Constant(false) || !view.satisfies(condition)?)
        {
            continue;
        }
        if out.len() > start + 1 {
            out.push(b',');
        }
        write_name(collection.slot_name(slot), out);
        let default =
            || slot.checked_sub(FIRST_FIELD).and_then(|at| collection.fields.get(at)).map(|f| f.default.as_str());
        out.extend_from_slice(slots.get(slot).or_else(default).unwrap_or("null").as_bytes());
    }
    if !shape.expand.is_empty() {
        if out.len() > start + 1 {
            out.push(b',');
        }
        write_expansions(&view, shape, light, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// A record of which everything is shown, as it is stored, with the records that it leads to.
fn write_all(
    collection: &Collection,
    record: &[u8],
    shape: &Shape,
    light: Light<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RecordError> {
    if shape.expand.is_empty() {
        out.extend_from_slice(record);
        return Ok(());
    }
    let forward = shape.expand.iter().filter(|expansion| !expansion.hop.back).map(|expansion| expansion.hop.slot);
    let wanted: Vec<_> = forward.chain([ID]).collect();
    let slots = Slots::read_some(collection, record, Some(&wanted))?;
    let view = View::of(collection, &slots, light.related, light.now);
    out.extend_from_slice(record.strip_suffix(b"}").unwrap_or(record));
    out.push(b',');
    write_expansions(&view, shape, light, out)?;
    out.push(b'}');
    Ok(())
}

fn write_name(name: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn write_expansions(view: &View<'_>, shape: &Shape, light: Light<'_>, out: &mut Vec<u8>) -> Result<(), RecordError> {
    out.extend_from_slice(b"\"expand\":{");
    for (index, expansion) in shape.expand.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_name(&expansion.name, out);
        expand(view, expansion, light, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// The records that a relation leads to: one or null, or a list of those that the caller sees.
fn expand(view: &View<'_>, expansion: &Expansion, light: Light<'_>, out: &mut Vec<u8>) -> Result<(), RecordError> {
    let mut written: Result<usize, RecordError> = Ok(0);
    if expansion.hop.many {
        out.push(b'[');
    }
    view.reach(&expansion.hop, &mut |record| {
        let Ok(count) = &mut written else { return ControlFlow::Break(()) };
        *count += 1;
        if *count > EXPANDED_MAX {
            let (name, of) = (&expansion.name, &expansion.collection.def.name);
            let detail =
                format!("\"{name}\" expands more than {EXPANDED_MAX} records; list {of} with a filter instead");
            written = Err(RecordError::IndexRequired(detail));
            return ControlFlow::Break(());
        }
        if *count > 1 {
            out.push(b',');
        }
        let start = out.len();
        if let Err(error) = write(&expansion.collection, record, &expansion.shape, light, out) {
            written = Err(error);
            return ControlFlow::Break(());
        }
        // What is nested counts at each level, which keeps deep fans small.
        if !light.budget.spend(out.len() - start) {
            let mib = EXPANDED_BYTES_MAX >> 20;
            let detail = format!("the expansions take more than {mib} MiB; expand less, or choose fields");
            written = Err(RecordError::TooLarge(detail));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    light.related.check()?;
    let written = written?;
    if expansion.hop.many {
        out.push(b']');
    } else if written == 0 {
        out.extend_from_slice(b"null");
    }
    Ok(())
}
