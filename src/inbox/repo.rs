//! Where inboxes are stored, preferences, and mails that wait for others.

use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};

use super::model::{Counts, Entry, Pending, Preferences};
use crate::store::{Json, Raw, Read, Scan, StoreError, Table, Tx};

/// Key: a user's id, 0, the entry's id. Value: the entry.
const ENTRIES: Table<[u8], Json<Entry>> = Table::new("inbox.entries");
/// Key: a user's id. Value: how many entries there are.
const COUNTS: Table<str, Json<Counts>> = Table::new("inbox.counts");
/// Key: a user's id. Value: what the user wants to hear of.
const PREFERENCES: Table<str, Json<Preferences>> = Table::new("inbox.preferences");
/// Key: a user's id, 0, an id in the order of time. Value: a mail that waits for others.
const PENDING: Table<[u8], Json<Pending>> = Table::new("inbox.pending");
/// Key: `hmac`. Value: the key that signs links by which users ask for no more mails.
const SECRETS: Table<str, Raw> = Table::new("inbox.secrets");

/// The tables of this feature.
pub const TABLES: [&str; 5] = [ENTRIES.name(), COUNTS.name(), PREFERENCES.name(), PENDING.name(), SECRETS.name()];

/// The most entries of an inbox: older ones give way.
const ENTRIES_MAX: u64 = 1_000;
/// For how long an entry is kept.
const LIFE: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How many old entries one new one pushes out.
const PUSHED_MAX: usize = 5;
/// The most mails that wait for others: the newest are kept.
const PENDING_MAX: usize = 500;

fn key(user: &str, id: &str) -> Vec<u8> {
    [user.as_bytes(), &[0], id.as_bytes()].concat()
}

fn range(user: &str) -> (Vec<u8>, Vec<u8>) {
    ([user.as_bytes(), &[0]].concat(), [user.as_bytes(), &[1]].concat())
}

/// Forgets everything about a user who is gone.
///
/// # Errors
/// [`StoreError`].
pub fn forget_user(tx: &mut Tx<'_>, user: &str) -> Result<(), StoreError> {
    for entry in entries(tx, user, None, usize::MAX)? {
        tx.delete(ENTRIES, &key(user, &entry.id)[..])?;
    }
    take_pending(tx, user)?;
    tx.delete(COUNTS, user)?;
    tx.delete(PREFERENCES, user).map(drop)
}

/// Whether a user wants to hear of a category by mail.
///
/// # Errors
/// [`StoreError`].
pub fn wants_mail(source: &impl Read, user: &str, category: &str) -> Result<bool, StoreError> {
    Ok(preferences(source, user)?.of(category).email)
}

pub(super) fn counts(source: &impl Read, user: &str) -> Result<Counts, StoreError> {
    Ok(source.get(COUNTS, user)?.map_or_else(Counts::default, |Json(counts)| counts))
}

fn put_counts(tx: &mut Tx<'_>, user: &str, counts: Counts) -> Result<(), StoreError> {
    tx.put(COUNTS, user, &Json(Counts { version: counts.version + 1, ..counts }))
}

/// Entries older than `before`, the newest first.
pub(super) fn entries(
    source: &impl Read,
    user: &str,
    before: Option<&str>,
    max: usize,
) -> Result<Vec<Entry>, StoreError> {
    let (from, to) = range(user);
    let to = before.map_or(to, |before| key(user, before));
    let mut found = Vec::new();
    source.scan::<StoreError>(ENTRIES.name(), &from, &to, Scan::Backward, &mut |_, bytes| {
        if found.len() >= max {
            return Ok(ControlFlow::Break(()));
        }
        found.push(serde_json::from_slice(bytes).map_err(StoreError::corrupt)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

pub(super) fn entry(source: &impl Read, user: &str, id: &str) -> Result<Option<Entry>, StoreError> {
    Ok(source.get(ENTRIES, &key(user, id)[..])?.map(|Json(entry)| entry))
}

/// Adds an entry. Those that are too old, or too many, give way.
pub(super) fn add(tx: &mut Tx<'_>, user: &str, entry: &Entry) -> Result<(), StoreError> {
    let mut counts = counts(tx, user)?;
    let limit = entry.created_at.saturating_sub(LIFE).unwrap_or(Timestamp::MIN);
    let (from, to) = range(user);
    let mut oldest: Vec<Entry> = Vec::new();
    tx.scan::<StoreError>(ENTRIES.name(), &from, &to, Scan::Forward, &mut |_, bytes| {
        oldest.push(serde_json::from_slice(bytes).map_err(StoreError::corrupt)?);
        Ok(if oldest.len() < PUSHED_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    for old in oldest {
        if old.created_at < limit || counts.all >= ENTRIES_MAX {
            tx.delete(ENTRIES, &key(user, &old.id)[..])?;
            counts.all = counts.all.saturating_sub(1);
            counts.unread = counts.unread.saturating_sub(u64::from(old.read_at.is_none()));
        }
    }
    counts.all += 1;
    counts.unread += u64::from(entry.read_at.is_none());
    tx.put(ENTRIES, &key(user, &entry.id)[..], &Json(entry.clone()))?;
    put_counts(tx, user, counts)
}

/// Notes whether an entry was read.
pub(super) fn mark(tx: &mut Tx<'_>, user: &str, entry: Entry, read_at: Option<Timestamp>) -> Result<(), StoreError> {
    if entry.read_at.is_some() == read_at.is_some() {
        return Ok(());
    }
    let mut counts = counts(tx, user)?;
    counts.unread = if read_at.is_some() { counts.unread.saturating_sub(1) } else { counts.unread + 1 };
    tx.put(ENTRIES, &key(user, &entry.id)[..], &Json(Entry { read_at, ..entry }))?;
    put_counts(tx, user, counts)
}

pub(super) fn delete(tx: &mut Tx<'_>, user: &str, entry: &Entry) -> Result<(), StoreError> {
    let mut counts = counts(tx, user)?;
    counts.all = counts.all.saturating_sub(1);
    counts.unread = counts.unread.saturating_sub(u64::from(entry.read_at.is_none()));
    tx.delete(ENTRIES, &key(user, &entry.id)[..])?;
    put_counts(tx, user, counts)
}

pub(super) fn preferences(source: &impl Read, user: &str) -> Result<Preferences, StoreError> {
    Ok(source.get(PREFERENCES, user)?.map_or_else(Preferences::default, |Json(preferences)| preferences))
}

pub(super) fn put_preferences(tx: &mut Tx<'_>, user: &str, preferences: &Preferences) -> Result<(), StoreError> {
    tx.put(PREFERENCES, user, &Json(preferences.clone()))
}

/// Lets a mail wait for others.
pub(super) fn add_pending(tx: &mut Tx<'_>, user: &str, id: &str, pending: &Pending) -> Result<(), StoreError> {
    let known = pending_keys(tx, user)?;
    for old in known.iter().take((known.len() + 1).saturating_sub(PENDING_MAX)) {
        tx.delete(PENDING, &old[..])?;
    }
    tx.put(PENDING, &key(user, id)[..], &Json(pending.clone()))
}

fn pending_keys(source: &impl Read, user: &str) -> Result<Vec<Vec<u8>>, StoreError> {
    let (from, to) = range(user);
    let mut keys = Vec::new();
    source.scan::<StoreError>(PENDING.name(), &from, &to, Scan::Forward, &mut |key, _| {
        keys.push(key.to_vec());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(keys)
}

/// The mails that wait, the oldest first, which wait no more.
pub(super) fn take_pending(tx: &mut Tx<'_>, user: &str) -> Result<Vec<Pending>, StoreError> {
    let mut found = Vec::new();
    for key in pending_keys(tx, user)? {
        found.extend(tx.get(PENDING, &key[..])?.map(|Json(pending)| pending));
        tx.delete(PENDING, &key[..])?;
    }
    Ok(found)
}

pub(super) fn secret(source: &impl Read) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(source.get(SECRETS, "hmac")?.map(|Raw(secret)| secret))
}

pub(super) fn put_secret(tx: &mut Tx<'_>, secret: &[u8]) -> Result<(), StoreError> {
    tx.put(SECRETS, "hmac", &Raw(secret.to_vec()))
}
