//! The store's promises: order of keys, all or nothing, nothing acknowledged is lost.

mod faults;
mod keys;
mod writes;

use super::{Change, ChangeKind, Raw, Schema, StoreError, Table, Tx, log::Origin};

pub(super) const NOTES: Table<str, Raw> = Table::new("test.notes");

pub(super) fn schema() -> Schema {
    Schema { tables: vec![NOTES.name()], migrations: Vec::new() }
}

/// Puts a note and logs it, as every feature does.
pub(super) fn put_note(tx: &mut Tx<'_>, id: &str, text: &str) -> Result<u64, StoreError> {
    tx.put(NOTES, id, &Raw(text.as_bytes().to_vec()))?;
    tx.log(&Change {
        time: jiff::Timestamp::UNIX_EPOCH,
        entity: "notes",
        collection: 0,
        id,
        kind: ChangeKind::Created,
        actor: Origin { actor: "test", request_id: "" },
        new: Some("{}"),
        old: None,
        previous: None,
    })
}
