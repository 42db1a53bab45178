//! Where the outbox is stored.

use std::ops::ControlFlow;

use jiff::Timestamp;

use super::model::{Mail, MailState, Message};
use crate::store::{Json, Raw, Read, Scan, StoreError, Table, Tx};

/// Key: number (u64, big-endian), in the order of the commits. Value: the mail.
const OUTBOX: Table<u64, Json<Mail>> = Table::new("mail.outbox");
/// Key: when it is due (milliseconds, u64, big-endian), number (u64, big-endian). Value: nothing. Of mails that wait.
const DUE: Table<[u8], Raw> = Table::new("mail.due");

/// The tables of this feature.
pub const TABLES: [&str; 2] = [OUTBOX.name(), DUE.name()];

fn due_key(at: Timestamp, number: u64) -> Vec<u8> {
    let at = u64::try_from(at.as_millisecond()).unwrap_or(0);
    [at.to_be_bytes(), number.to_be_bytes()].concat()
}

fn number_at(bytes: &[u8]) -> Result<u64, StoreError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| StoreError::corrupt("a key of the outbox is not 8 bytes"))
}

/// Puts a mail into the outbox: it is sent exactly when the transaction is on disk. Whoever calls this wakes the
/// [`Sender`](super::Sender) afterwards.
///
/// # Errors
/// [`StoreError`].
pub fn enqueue(tx: &mut Tx<'_>, message: Message, now: Timestamp) -> Result<(), StoreError> {
    let mut newest = 0;
    tx.scan::<StoreError>(OUTBOX.name(), &[], &[], Scan::Backward, &mut |key, _| {
        newest = number_at(key)?;
        Ok(ControlFlow::Break(()))
    })?;
    put(tx, &Mail::new(newest + 1, message, now))
}

fn put(tx: &mut Tx<'_>, mail: &Mail) -> Result<(), StoreError> {
    tx.put(OUTBOX, &mail.number, &Json(mail.clone()))?;
    if mail.state == MailState::Waiting {
        tx.put(DUE, &due_key(mail.due_at, mail.number), &Raw(Vec::new()))?;
    }
    Ok(())
}

/// Puts a mail in the place of what it was, unless somebody else did meanwhile.
pub(super) fn replace(tx: &mut Tx<'_>, before: &Mail, after: &Mail) -> Result<bool, StoreError> {
    if mail(tx, before.number)?.as_ref() != Some(before) {
        return Ok(false);
    }
    tx.delete(DUE, &due_key(before.due_at, before.number))?;
    put(tx, after)?;
    Ok(true)
}

pub(super) fn mail(source: &impl Read, number: u64) -> Result<Option<Mail>, StoreError> {
    Ok(source.get(OUTBOX, &number)?.map(|Json(mail)| mail))
}

/// Mails that are due, at most `max`, and when the next one after these is.
pub(super) fn due(
    source: &impl Read,
    now: Timestamp,
    max: usize,
) -> Result<(Vec<Mail>, Option<Timestamp>), StoreError> {
    let (mut numbers, mut next) = (Vec::new(), None);
    source.scan::<StoreError>(DUE.name(), &[], &[], Scan::Forward, &mut |key, _| {
        let (at, number) = key.split_at_checked(8).ok_or_else(|| StoreError::corrupt("a due mail has no number"))?;
        let at = i64::try_from(number_at(at)?).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
        if numbers.len() >= max || at.is_some_and(|at| at > now) {
            next = at;
            return Ok(ControlFlow::Break(()));
        }
        numbers.push(number_at(number)?);
        Ok(ControlFlow::Continue(()))
    })?;
    let mails: Result<Vec<_>, _> = numbers.iter().filter_map(|number| mail(source, *number).transpose()).collect();
    Ok((mails?, next))
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
        old.push(mail);
        Ok(ControlFlow::Continue(()))
    })?;
    for mail in &old {
        tx.delete(DUE, &due_key(mail.due_at, mail.number))?;
        tx.delete(OUTBOX, &mail.number)?;
    }
    Ok(())
}
