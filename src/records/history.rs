//! What a record was before: its changes from the log, newest first, along the chain that leads from each to the one before.

use std::sync::Arc;

use serde_json::{Value, json, value::RawValue};

use super::{
    RecordError, RecordService,
    authorize::{Opening, open},
    related::{Reach, Related},
    service::{Caller, find, not_found},
    sight::{CallerSight, Mask},
    view::View,
};
use crate::{
    access::Action,
    collections::{
        Collection, Slot, Slots,
        catalog::FIRST_FIELD,
        layout::{self, DATA, GONE},
    },
    expr::Expr,
    kernel::FieldError,
    store::{ChangeEntry, ChangeKind, Read, Snapshot, StoreError, log},
};

/// The number of changes of a page that asks for none.
pub const HISTORY_LIMIT_DEFAULT: usize = 30;
/// The greatest number of changes of a page.
pub const HISTORY_LIMIT_MAX: usize = 100;

/// The most changes that a page looks at: of a view, some are not told.
const EXAMINED_MAX: usize = 1_000;

/// What a history request asks for.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    limit: usize,
    /// The seq of the newest change to show; that of the record when absent.
    from: Option<u64>,
}

impl RecordService {
    /// The changes of a record, newest first, as JSON text. Of a record that is gone, those who may read every record of the
    /// collection still see them.
    ///
    /// # Errors
    /// [`RecordError::NotFound`] also for a record that the caller may not see.
    pub async fn history(
        self: &Arc<Self>,
        caller: Caller,
        collection: String,
        id: String,
        parameters: Vec<(String, String)>,
    ) -> Result<Vec<u8>, RecordError> {
        let service = Arc::clone(self);
        self.store.scan(move |_| service.tell_history(&caller, &collection, &id, &parameters)).await
    }

    fn tell_history(
        &self,
        caller: &Caller,
        collection: &str,
        id: &str,
        parameters: &[(String, String)],
    ) -> Result<Vec<u8>, RecordError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        let collection = find(&catalog, collection)?;
        let now = self.clock.now();
        let opening = open(caller, collection, Action::Read, |rules| &rules.read, now)?;
        let related = Reach::new(&snapshot, &catalog);
        let newest = newest(&snapshot, collection, id, |text| match &opening {
            Opening::All => Ok(true),
            Opening::Matching(rule) => {
                let slots = text.map(|text| Slots::read(collection, text)).transpose()?;
                slots.map_or(Ok(false), |slots| View::of(collection, &slots, &related, now).satisfies(rule))
            }
        })?;
        let newest = newest.ok_or_else(|| not_found(collection, id))?;
        let wanted = Wanted::parse(parameters)?;
        let mask = CallerSight { caller, now }.mask(collection);
        // Who sees by a rule sees the versions that the rule opens, and nothing of a record of this id that was before.
        let rule = match opening {
            Opening::All => None,
            Opening::Matching(rule) => Some(rule),
        };
        let one_life = rule.is_some();
        let teller = Teller { collection, mask, base: rule, related: &related, now };
        let mut next = wanted.from.map_or(newest, Some);
        let (mut items, mut examined) = (Vec::new(), 0);
        while let Some(seq) = next {
            if items.len() == wanted.limit || examined == EXAMINED_MAX {
                break;
            }
            examined += 1;
            let entry = log::entry(&snapshot, seq)?;
            // A cursor comes from a client and may name any change; only those of this record are shown.
            let own = |entry: &ChangeEntry| entry.collection == collection.number() && entry.id == id;
            let Some(entry) = entry.filter(own) else {
                return if wanted.from == Some(seq) { Err(RecordError::Cursor) } else { Err(broken(seq)) };
            };
            next = entry.previous.filter(|_| !(one_life && entry.kind == ChangeKind::Created));
            items.extend(teller.tell(&entry)?);
        }
        let body = json!({ "items": items, "nextCursor": next.map(|seq| seq.to_string()) });
        Ok(body.to_string().into_bytes())
    }
}

fn broken(seq: u64) -> RecordError {
    StoreError::corrupt(format_args!("the change {seq} of a record's history is not in the log")).into()
}

/// The seq of the newest change of a record; `None` inside when it is so old that none was kept. Nothing for a record that
/// never was, or that may not be seen.
fn newest(
    snapshot: &Snapshot,
    collection: &Collection,
    id: &str,
    sees: impl Fn(Option<&[u8]>) -> Result<bool, RecordError>,
) -> Result<Option<Option<u64>>, RecordError> {
    let key = layout::record_key(collection.number(), id);
    let stored = snapshot.view(DATA, &key, |found| {
        found.map(|stored| {
            let (text, seq) = layout::text_and_seq(stored);
            sees(Some(text)).map(|seen| seen.then_some(seq))
        })
    })?;
    if let Some(found) = stored {
        return found;
    }
    let gone = snapshot.view(GONE, &key, |found| found.and_then(|seq| seq.try_into().map(u64::from_be_bytes).ok()))?;
    Ok(if gone.is_some() && sees(None)? { Some(gone) } else { None })
}

impl Wanted {
    fn parse(parameters: &[(String, String)]) -> Result<Self, RecordError> {
        let mut wanted = Self { limit: HISTORY_LIMIT_DEFAULT, from: None };
        let mut errors = Vec::new();
        for (name, value) in parameters {
            match name.as_str() {
                "limit" => match value.parse().ok().filter(|limit| (1..=HISTORY_LIMIT_MAX).contains(limit)) {
                    Some(limit) => wanted.limit = limit,
                    None => {
                        let detail = format!("must be from 1 to {HISTORY_LIMIT_MAX}");
                        errors.push(FieldError::new("limit", "too_large", detail));
                    }
                },
                "cursor" => match value.parse() {
                    Ok(seq) => wanted.from = Some(seq),
                    Err(_) => return Err(RecordError::Cursor),
                },
                _ => errors.push(FieldError::new(name, "unknown_parameter", "there are limit and cursor")),
            }
        }
        if errors.is_empty() { Ok(wanted) } else { Err(RecordError::Parameters(errors)) }
    }
}

/// Tells changes to a caller, as far as the caller sees the record's fields.
struct Teller<'a> {
    collection: &'a Collection,
    mask: Mask,
    /// What a text must satisfy to be told: the rule by which the caller sees records, and what makes one a view's own.
    base: Option<Expr>,
    related: &'a dyn Related,
    now: jiff::Timestamp,
}

impl Teller<'_> {
    /// The change; nothing when the record was not there to be seen after it.
    fn tell(&self, entry: &ChangeEntry) -> Result<Option<Value>, RecordError> {
        if self.base.is_some() && !self.is_there(entry.new.as_deref())? {
            return Ok(None);
        }
        let (old, new) = (
            // What a change found has the form that the collection had at the time of the change.
            self.seen(entry.old.as_deref(), entry.seq)?,
            self.seen(entry.new.as_deref(), entry.seq)?,
        );
        let of = |side: &[(Slot, String)], slot: Slot| {
            side.iter().find(|(own, _)| *own == slot).map(|(_, text)| text.clone())
        };
        let slots = FIRST_FIELD..self.collection.slot_count();
        let changed =
            slots.filter(|slot| of(&old, *slot) != of(&new, *slot)).map(|slot| self.collection.slot_name(slot));
        let changed: Vec<&str> = changed.collect();
        let record = |side: Vec<(Slot, String)>| -> Result<Value, StoreError> {
            let member = |(slot, text): (Slot, String)| {
                let value = serde_json::from_str(&text).map_err(StoreError::corrupt)?;
                Ok::<_, StoreError>((self.collection.slot_name(slot).to_owned(), value))
            };
            side.into_iter().map(member).collect::<Result<serde_json::Map<_, _>, _>>().map(Value::Object)
        };
        let gone = entry.new.is_none();
        Ok(Some(json!({
            "seq": entry.seq,
            "time": entry.time,
            "kind": entry.kind,
            "actor": entry.actor,
            "requestId": entry.request_id,
            "changed": changed,
            "record": if gone { Value::Null } else { record(new)? },
        })))
    }

    /// Whether a past text is one that the view has.
    fn is_there(&self, text: Option<&RawValue>) -> Result<bool, RecordError> {
        let (Some(text), Some(base)) = (text, &self.base) else { return Ok(text.is_some()) };
        let slots = Slots::read(self.collection, text.get().as_bytes())?;
        View::of(self.collection, &slots, self.related, self.now).satisfies(base)
    }

    /// The fields of a past text that are the same fields still and that the caller sees in it. A name may have been another
    /// field's before.
    fn seen(&self, text: Option<&RawValue>, seq: u64) -> Result<Vec<(Slot, String)>, RecordError> {
        let Some(text) = text else { return Ok(Vec::new()) };
        if !self.is_there(Some(text))? {
            return Ok(Vec::new());
        }
        let slots = Slots::read(self.collection, text.get().as_bytes())?;
        let view = View::of(self.collection, &slots, self.related, self.now);
        let mut seen = Vec::new();
        for slot in 0..self.collection.slot_count() {
            let Some(value) = slots.get(slot) else { continue };
            let since = self.collection.def.since.get(self.collection.slot_name(slot)).copied().unwrap_or(0);
            if seq < since {
                continue;
            }
            let veil = self.mask.veiled.iter().find(|(veiled, _)| *veiled == slot);
            let shown = match veil {
                None => true,
                Some((_, Expr::Constant(shown))) => *shown,
                Some((_, condition)) => view.satisfies(condition)?,
            };
            if shown {
                seen.push((slot, value.to_owned()));
            }
        }
        Ok(seen)
    }
}
