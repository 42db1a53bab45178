//! How a record is shown to a client: as it is stored wherever that is right.

use crate::{
    collections::{
        Collection, Slot, Slots,
        catalog::{FIRST_FIELD, SYSTEM_FIELDS},
        rewrite,
    },
    store::StoreError,
};

/// The JSON text of a record for a client: without hidden fields, with the wanted ones only, in the present form.
pub(super) fn show(collection: &Collection, record: Vec<u8>, fields: Option<&[Slot]>) -> Result<Vec<u8>, StoreError> {
    if collection.verbatim && fields.is_none() {
        return Ok(record);
    }
    let record = if collection.def.rewriting { rewrite(collection, &record)?.unwrap_or(record) } else { record };
    let slots = Slots::read(collection, &record)?;
    let count = SYSTEM_FIELDS.len() + collection.fields.len();
    let wanted = |slot: &Slot| collection.is_visible(*slot) && fields.is_none_or(|fields| fields.contains(slot));
    let mut out = Vec::with_capacity(record.len());
    out.push(b'{');
    for slot in (0..count).filter(wanted) {
        if out.len() > 1 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(collection.slot_name(slot).as_bytes());
        out.extend_from_slice(b"\":");
        let default =
            || slot.checked_sub(FIRST_FIELD).and_then(|at| collection.fields.get(at)).map(|f| f.default.as_str());
        out.extend_from_slice(slots.get(slot).or_else(default).unwrap_or("null").as_bytes());
    }
    out.push(b'}');
    Ok(out)
}
