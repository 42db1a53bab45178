//! Where the records of a collection and the entries of its indexes stand in the store.
//!
//! Two tables serve all collections, for opening a table costs more than a longer key.

use std::ops::ControlFlow;

use super::catalog::{CREATED_AT, Collection, FIRST_FIELD, ID, Index, SYSTEM_FIELDS, Slot, UPDATED_AT, VERSION};
use super::text;
use crate::{
    kernel::Scalar,
    store::{Read, Scan, StoreError, key},
};

/// Key: collection number (u32, big-endian), id. Value: the record's canonical JSON text, the seq of its newest change (u64,
/// big-endian), and a zero byte that tells that there is a seq.
pub const DATA: &str = "records.data";
/// Key: as that of the record that is gone. Value: the seq of its deletion (u64, big-endian).
pub const GONE: &str = "records.gone";
/// Key: index number (u32, big-endian), the components as [`key`] writes them, id. Value: the id's length (u8).
pub const INDEX: &str = "records.index";

/// The value under which a record is stored.
#[must_use]
pub fn stored(text: &[u8], seq: u64) -> Vec<u8> {
    [text, &seq.to_be_bytes(), &[0]].concat()
}

/// A record's text and the seq of its newest change, from what is stored. JSON never ends in a zero byte.
#[must_use]
pub fn text_and_seq(stored: &[u8]) -> (&[u8], Option<u64>) {
    match stored {
        [rest @ .., 0] => match rest.split_last_chunk() {
            Some((text, seq)) => (text, Some(u64::from_be_bytes(*seq))),
            None => (stored, None),
        },
        text => (text, None),
    }
}

/// A record's text, from what is stored.
#[must_use]
pub fn text_of(stored: &[u8]) -> &[u8] {
    text_and_seq(stored).0
}

/// The key of a record.
#[must_use]
pub fn record_key(collection: u32, id: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + id.len());
    bytes.extend_from_slice(&collection.to_be_bytes());
    bytes.extend_from_slice(id.as_bytes());
    bytes
}

/// The id in the key of a record.
///
/// # Errors
/// [`StoreError::Corrupt`] when the key is not a record's.
pub fn id_of_record(key: &[u8]) -> Result<&str, StoreError> {
    let id = key.get(4..).unwrap_or_default();
    std::str::from_utf8(id).map_err(StoreError::corrupt)
}

/// The id in an entry of an index.
///
/// # Errors
/// [`StoreError::Corrupt`] when the entry is none.
pub fn id_of_entry<'k>(key: &'k [u8], value: &[u8]) -> Result<&'k str, StoreError> {
    let length = value.first().copied().map_or(0, usize::from);
    let id = key.len().checked_sub(length).and_then(|start| key.get(start..)).unwrap_or_default();
    std::str::from_utf8(id).map_err(StoreError::corrupt)
}

/// What all keys of one collection's records, or of one index's entries, start with.
#[must_use]
pub fn prefix(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// Shown a record's id and text; answers whether to go on.
pub type VisitRecord<'f, E> = &'f mut dyn FnMut(&str, &[u8]) -> Result<ControlFlow<()>, E>;

/// Visits all records of a collection from `id` on (empty: from the first), by id.
///
/// # Errors
/// [`StoreError`], or what `visit` answers.
pub fn scan_records<E: From<StoreError>>(
    source: &impl Read,
    collection: u32,
    from: &str,
    visit: VisitRecord<'_, E>,
) -> Result<(), E> {
    let (from, to) = (record_key(collection, from), prefix(collection + 1));
    source.scan(DATA, &from, &to, Scan::Forward, &mut |key, value| visit(id_of_record(key)?, text_of(value)))
}

/// Whether a collection has no record.
///
/// # Errors
/// [`StoreError`] when the file cannot be read.
pub fn is_empty(source: &impl Read, collection: u32) -> Result<bool, StoreError> {
    let mut empty = true;
    scan_records::<StoreError>(source, collection, "", &mut |_, _| {
        empty = false;
        Ok(ControlFlow::Break(()))
    })?;
    Ok(empty)
}

/// How many values a record may have that is read without allocating.
const INLINE_SLOTS: usize = 16;

/// How many values are looked for one by one before a walk over the whole record is cheaper.
const FOUND_MAX: usize = 3;

/// The values of a stored record by slot, as JSON text.
#[derive(Clone, Debug)]
pub struct Slots<'a> {
    first: [Option<&'a str>; INLINE_SLOTS],
    others: Vec<Option<&'a str>>,
}

impl<'a> Slots<'a> {
    /// No value at all.
    #[must_use]
    pub fn empty(count: usize) -> Self {
        Self { first: [None; INLINE_SLOTS], others: vec![None; count.saturating_sub(INLINE_SLOTS)] }
    }

    /// Reads a stored record.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is not canonical.
    pub fn read(collection: &Collection, record: &'a [u8]) -> Result<Self, StoreError> {
        Self::read_some(collection, record, None)
    }

    /// Reads the values of the `wanted` slots, and stops when it has them.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is not canonical.
    pub fn read_some(collection: &Collection, record: &'a [u8], wanted: Option<&[Slot]>) -> Result<Self, StoreError> {
        if let Some(slots) = wanted.and_then(|wanted| Self::find(collection, record, wanted)) {
            return slots;
        }
        let mut slots = Self::empty(collection.slot_count());
        let mut left = wanted.map_or(usize::MAX, <[Slot]>::len);
        let mut expected = 0;
        let old_names = has_old_names(collection, record)?;
        text::members(record, |name, value| {
            let expected_name = !old_names && collection.slot_name(expected).as_bytes() == name;
            let find = |name| if old_names { collection.slot_before(name) } else { collection.slot(name) };
            let slot = if expected_name { Some(expected) } else { str::from_utf8(name).ok().and_then(find) };
            let Some(slot) = slot else { return Ok(ControlFlow::Continue(())) };
            expected = slot + 1;
            if wanted.is_none_or(|wanted| wanted.contains(&slot)) {
                slots.set(slot, str::from_utf8(value).map_err(StoreError::corrupt)?);
                left -= 1;
            }
            Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(slots)
    }

    /// Reads a few values where they can be found without a walk; `None` where they cannot.
    fn find(collection: &Collection, record: &'a [u8], wanted: &[Slot]) -> Option<Result<Self, StoreError>> {
        if wanted.len() > FOUND_MAX {
            return None;
        }
        let mut slots = Self::empty(collection.slot_count());
        for slot in wanted {
            let Some(value) = text::find(record, collection.member(*slot)?) else { continue };
            match str::from_utf8(value) {
                Ok(value) => slots.set(*slot, value),
                Err(error) => return Some(Err(StoreError::corrupt(error))),
            }
        }
        Some(Ok(slots))
    }

    /// The JSON texts at some slots, one after the other, for [`Slots::unpack`].
    #[must_use]
    pub fn pack(&self, collection: &Collection, wanted: &[Slot]) -> String {
        let mut packed = String::with_capacity(32);
        for slot in wanted {
            let default = || collection.field(*slot).map(|field| field.default.as_str());
            packed.push_str(self.get(*slot).or_else(default).unwrap_or("null"));
            packed.push(',');
        }
        packed
    }

    /// What [`Slots::pack`] packed, at the same slots.
    #[must_use]
    pub fn unpack(collection: &Collection, wanted: &[Slot], packed: &'a str) -> Self {
        let mut slots = Self::empty(collection.slot_count());
        let mut rest = packed;
        for slot in wanted {
            let Some(end) = text::value_end(rest.as_bytes(), 0) else { break };
            slots.set(*slot, rest.get(..end).unwrap_or("null"));
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        slots
    }

    /// The JSON text at `slot`.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&'a str> {
        let found = self.first.get(slot).or_else(|| self.others.get(slot.checked_sub(INLINE_SLOTS)?));
        found.copied().flatten()
    }

    /// Sets the JSON text at `slot`.
    pub fn set(&mut self, slot: Slot, value: &'a str) {
        let place = match slot.checked_sub(INLINE_SLOTS) {
            None => self.first.get_mut(slot),
            Some(other) => self.others.get_mut(other),
        };
        if let Some(place) = place {
            *place = Some(value);
        }
    }

    /// The value at `slot` as an index holds it; for a list, of its first item.
    #[must_use]
    pub fn scalar(&self, collection: &Collection, slot: Slot) -> Scalar {
        self.scalars(collection, slot).into_iter().next().unwrap_or(Scalar::Null)
    }

    /// The values at `slot` as an index holds them.
    #[must_use]
    pub fn scalars(&self, collection: &Collection, slot: Slot) -> Vec<Scalar> {
        let field = collection.field(slot);
        // A stored record that was not rewritten yet has the default of a field that is new.
        let Some(raw) = self.get(slot).or_else(|| field.map(|field| field.default.as_str())) else {
            return vec![Scalar::Null];
        };
        match field {
            Some(field) => field.scalars(raw),
            None => vec![system_scalar(slot, raw)],
        }
    }
}

/// Whether a record was written before fields were renamed: the first one's new name is no member of it.
fn has_old_names(collection: &Collection, record: &[u8]) -> Result<bool, StoreError> {
    let Some(rename) = collection.def.renames.first() else { return Ok(false) };
    let mut old = true;
    text::members(record, |name, _| {
        old = name != rename.to.as_bytes();
        Ok(if old { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(old)
}

/// The value of a system field.
#[must_use]
pub fn system_scalar(slot: Slot, raw: &str) -> Scalar {
    let text = raw.trim_matches('"');
    let found = match slot {
        ID => Some(Scalar::Str(text.to_owned())),
        CREATED_AT | UPDATED_AT => text.parse().ok().map(Scalar::DateTime),
        VERSION => text.parse().ok().map(Scalar::Int),
        _ => None,
    };
    found.unwrap_or(Scalar::Null)
}

/// The system fields of a record.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The record's id.
    pub id: &'a str,
    /// When it was made.
    pub created_at: &'a str,
    /// When it was last changed.
    pub updated_at: &'a str,
    /// How often it was written.
    pub version: i64,
}

/// Writes a record: the head, then each field's canonical JSON text.
#[must_use]
pub fn write_record<'v>(collection: &Collection, head: Head<'_>, value: impl Fn(Slot) -> &'v str) -> Vec<u8> {
    use std::io::Write as _;
    let mut out = Vec::with_capacity(512);
    let [(id, _), (created_at, _), (updated_at, _), (version, _)] = SYSTEM_FIELDS;
    let Head { id: own_id, created_at: made, updated_at: changed, version: number } = head;
    // Writing to a Vec cannot fail.
    let _ =
        write!(out, r#"{{"{id}":"{own_id}","{created_at}":"{made}","{updated_at}":"{changed}","{version}":{number}"#);
    for (position, field) in collection.fields.iter().enumerate() {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(field.name.as_bytes());
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value(FIRST_FIELD + position).as_bytes());
    }
    out.push(b'}');
    out
}

/// An entry of an index for one record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The whole key.
    pub key: Vec<u8>,
    /// How much of the key comes before the id.
    pub values_end: usize,
    /// Whether a component is null, so that the entry is never a duplicate.
    pub has_null: bool,
}

/// The entries that `index` has for a record.
#[must_use]
pub fn entries(collection: &Collection, index: &Index, slots: &Slots<'_>, id: &str) -> Vec<Entry> {
    if index.many
        && let Some((slot, direction)) = index.components.first()
    {
        let values = slots.scalars(collection, *slot);
        return values.iter().map(|value| entry(index.number, id, [(value, *direction)])).collect();
    }
    let values: Vec<_> =
        index.components.iter().map(|(slot, direction)| (slots.scalar(collection, *slot), *direction)).collect();
    vec![entry(index.number, id, values.iter().map(|(value, direction)| (value, *direction)))]
}

fn entry<'s>(index: u32, id: &str, values: impl IntoIterator<Item = (&'s Scalar, key::Direction)>) -> Entry {
    let mut bytes = Vec::with_capacity(96);
    bytes.extend_from_slice(&index.to_be_bytes());
    let mut has_null = false;
    for (value, direction) in values {
        has_null |= value.is_null();
        key::encode(value, direction, &mut bytes);
    }
    let values_end = bytes.len();
    bytes.extend_from_slice(id.as_bytes());
    Entry { key: bytes, values_end, has_null }
}

/// The value of an index entry for a record with this id.
#[must_use]
pub fn entry_value(id: &str) -> [u8; 1] {
    [u8::try_from(id.len()).unwrap_or(u8::MAX)]
}

/// The id of another record that agrees with this entry of a unique index.
///
/// # Errors
/// [`StoreError`] when the file cannot be read.
pub fn duplicate(source: &impl Read, entry: &Entry, own_id: &str) -> Result<Option<String>, StoreError> {
    let values = entry.key.get(..entry.values_end).unwrap_or_default();
    if entry.has_null {
        return Ok(None);
    }
    let end = key::prefix_end(values).unwrap_or_default();
    let mut found = None;
    source.scan::<StoreError>(INDEX, values, &end, Scan::Forward, &mut |key, value| {
        let id = id_of_entry(key, value)?;
        if id == own_id {
            return Ok(ControlFlow::Continue(()));
        }
        found = Some(id.to_owned());
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}
