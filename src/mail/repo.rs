//! Where the outbox is stored.

use std::ops::ControlFlow;

use jiff::Timestamp;

use super::model::Mail;
use crate::store::{Json, Read, Scan, StoreError, Table, Tx};

/// Key: number (u64, big-endian), in the order of the commits. Value: the mail.
const OUTBOX: Table<u64, Json<Mail>> = Table::new("mail.outbox");

/// The tables of this feature.
pub const TABLES: [&str; 1] = [OUTBOX.name()];

/// The number of a mail that comes after all others.
pub(super) fn next_number(source: &impl Read) -> Result<u64, StoreError> {
    let mut newest = 0;
    source.scan::<StoreError>(OUTBOX.name(), &[], &[], Scan::Backward, &mut |key, _| {
        newest = key.try_into().map(u64::from_be_bytes).map_err(StoreError::corrupt)?;
        Ok(ControlFlow::Break(()))
    })?;
    Ok(newest + 1)
}

pub(super) fn put(tx: &mut Tx<'_>, mail: &Mail) -> Result<(), StoreError> {
    tx.put(OUTBOX, &mail.number, &Json(mail.clone()))
}

pub(super) fn mail(source: &impl Read, number: u64) -> Result<Option<Mail>, StoreError> {
    Ok(source.get(OUTBOX, &number)?.map(|Json(mail)| mail))
}

/// Shows mails with a number below `before`, newest first, until `visit` stops.
pub(super) fn visit(
    source: &impl Read,
    before: Option<u64>,
    visit: &mut dyn FnMut(Mail) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    if before == Some(0) {
        return Ok(());
    }
    let to = before.map_or_else(Vec::new, |before| before.to_be_bytes().to_vec());
    source.scan(OUTBOX.name(), &[], &to, Scan::Backward, &mut |_, bytes| {
        Ok(visit(serde_json::from_slice(bytes).map_err(StoreError::corrupt)?))
    })
}

/// When the oldest mail was written.
pub(super) fn oldest(source: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    let mut oldest = None;
    source.scan::<StoreError>(OUTBOX.name(), &[], &[], Scan::Forward, &mut |_, bytes| {
        let mail: Mail = serde_json::from_slice(bytes).map_err(StoreError::corrupt)?;
        oldest = Some(mail.created_at);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(oldest)
}

/// Removes mails that were written before `limit`, at most `max`, oldest first.
pub(super) fn prune(tx: &mut Tx<'_>, limit: Timestamp, max: usize) -> Result<(), StoreError> {
    let mut old = Vec::new();
    tx.scan::<StoreError>(OUTBOX.name(), &[], &[], Scan::Forward, &mut |_, bytes| {
        let mail: Mail = serde_json::from_slice(bytes).map_err(StoreError::corrupt)?;
        if mail.created_at >= limit || old.len() >= max {
            return Ok(ControlFlow::Break(()));
        }
        old.push(mail.number);
        Ok(ControlFlow::Continue(()))
    })?;
    old.iter().try_for_each(|number| tx.delete(OUTBOX, number).map(drop))
}
