//! Where credentials are stored: never in a record.

use std::ops::ControlFlow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AuthError, foreign::Decoy, session::SessionRow};
use crate::store::{Epoch, Json, Raw, Read, Scan, StoreError, Table, Tx};

/// Key: user id. Value: the password's hash.
const PASSWORDS: Table<str, Json<PasswordRow>> = Table::new("auth.passwords");
/// Key: key id. Value: a key that signs tokens.
const KEYS: Table<str, Json<KeyRow>> = Table::new("auth.keys");
/// Key: `token`. Value: the hash of the one-time set-up token.
const SETUP: Table<str, Json<String>> = Table::new("auth.setup");

/// Key: session id. Value: the session.
const SESSIONS: Table<str, Json<SessionRow>> = Table::new("auth.sessions");
/// Key: user id, `/`, session id. Value: nothing.
const SESSIONS_OF: Table<str, Raw> = Table::new("auth.sessions_of");
/// Key: id of a user who is an admin and may sign in. Value: nothing.
const ADMINS: Table<str, Raw> = Table::new("auth.admins");

/// Key: user id. Value: the e-mail address that was proven to be the user's. It counts while it is the user's address.
const VERIFIED: Table<str, Json<String>> = Table::new("auth.verified");

/// Key: kind of hash. Value: the decoy of the dearest hash of this kind that anybody ever brought along, with what it costs.
const DECOYS: Table<str, Json<(u64, String)>> = Table::new("auth.decoys");

const SETUP_TOKEN: &str = "token";
/// The most sessions that one operation of the writer removes.
pub(super) const SWEEP_MAX: usize = 1_000;

/// The tables of passwords and sessions.
pub(super) const TABLES: [&str; 8] = [
    PASSWORDS.name(),
    KEYS.name(),
    SETUP.name(),
    SESSIONS.name(),
    SESSIONS_OF.name(),
    ADMINS.name(),
    VERIFIED.name(),
    DECOYS.name(),
];

/// A password's hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PasswordRow {
    /// A PHC string.
    pub(super) hash: String,
    /// When it was set.
    pub(super) changed_at: Timestamp,
}

/// A key that signs tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyRow {
    /// Its name in the header of tokens.
    pub(super) kid: String,
    /// PKCS#8, base64.
    pub(super) pkcs8: String,
    /// When it was made.
    pub(super) created_at: Timestamp,
    /// Until when it verifies, once another one has taken its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<Timestamp>,
}

pub(super) fn password(source: &impl Read, user: &str) -> Result<Option<PasswordRow>, StoreError> {
    Ok(source.get(PASSWORDS, user)?.map(|Json(row)| row))
}

/// Stores a user's new password hash and ends the user's sessions, but for the one in which it was set.
///
/// # Errors
/// [`StoreError`].
pub fn put_password(
    tx: &mut Tx<'_>,
    user: &str,
    hash: String,
    now: Timestamp,
    kept: Option<&str>,
) -> Result<(), StoreError> {
    note_cost(tx, &hash)?;
    tx.put(PASSWORDS, user, &Json(PasswordRow { hash, changed_at: now }))?;
    end_sessions(tx, user, kept).map(|_| ())
}

/// Remembers what dear hashes from elsewhere cost to verify, so that attempts that fail can take as long for everybody.
fn note_cost(tx: &mut Tx<'_>, hash: &str) -> Result<(), StoreError> {
    let Some(Decoy { kind, cost, hash }) = Decoy::of(hash) else { return Ok(()) };
    match tx.get(DECOYS, kind)? {
        Some(Json((known, _))) if known >= cost => Ok(()),
        _ => tx.put(DECOYS, kind, &Json((cost, hash))),
    }
}

/// The decoys of hashes that users brought along: at most one for each kind.
pub(super) fn decoys(source: &impl Read) -> Result<Vec<String>, StoreError> {
    Ok(source.values(DECOYS)?.into_iter().map(|Json((_, hash))| hash).collect())
}

/// Puts another hash of the same password in the place of `before`, unless the password has changed meanwhile. Tokens stay
/// valid.
pub(super) fn replace_hash(tx: &mut Tx<'_>, user: &str, before: &str, hash: String) -> Result<(), StoreError> {
    match password(tx, user)? {
        Some(row) if row.hash == before => tx.put(PASSWORDS, user, &Json(PasswordRow { hash, ..row })),
        _ => Ok(()),
    }
}

/// The address that was proven to be the user's.
pub(super) fn verified(source: &impl Read, user: &str) -> Result<Option<String>, StoreError> {
    Ok(source.get(VERIFIED, user)?.map(|Json(email)| email))
}

/// Notes that a mail to this address has reached the user.
///
/// # Errors
/// [`StoreError`].
pub fn put_verified(tx: &mut Tx<'_>, user: &str, email: &str) -> Result<(), StoreError> {
    if verified(tx, user)?.is_some_and(|known| known == email) {
        return Ok(());
    }
    tx.put(VERIFIED, user, &Json(email.to_owned()))?;
    tx.bump(Epoch::Access)
}

/// A text that is another one after each new password of a user: links from before do nothing then.
///
/// # Errors
/// [`StoreError`].
pub fn password_stamp(source: &impl Read, user: &str) -> Result<String, StoreError> {
    Ok(password(source, user)?.map_or_else(String::new, |row| row.changed_at.to_string()))
}

pub(super) fn delete_verified(tx: &mut Tx<'_>, user: &str) -> Result<(), StoreError> {
    tx.delete(VERIFIED, user).map(|_| ())
}

pub(super) fn delete_password(tx: &mut Tx<'_>, user: &str) -> Result<(), StoreError> {
    tx.delete(PASSWORDS, user).map(|_| ())
}

pub(super) fn keys(source: &impl Read) -> Result<Vec<KeyRow>, StoreError> {
    Ok(source.values(KEYS)?.into_iter().map(|Json(row)| row).collect())
}

pub(super) fn put_key(tx: &mut Tx<'_>, row: &KeyRow) -> Result<(), StoreError> {
    tx.put(KEYS, &row.kid, &Json(row.clone()))
}

pub(super) fn delete_key(tx: &mut Tx<'_>, kid: &str) -> Result<(), StoreError> {
    tx.delete(KEYS, kid).map(|_| ())
}

/// The hash of the set-up token, while set-up is open.
///
/// # Errors
/// [`StoreError`].
pub fn setup_hash(source: &impl Read) -> Result<Option<String>, StoreError> {
    Ok(source.get(SETUP, SETUP_TOKEN)?.map(|Json(hash)| hash))
}

/// Opens set-up for the token with this hash, and for no earlier one.
///
/// # Errors
/// [`StoreError`].
pub fn put_setup(tx: &mut Tx<'_>, hash: String) -> Result<(), StoreError> {
    tx.put(SETUP, SETUP_TOKEN, &Json(hash))
}

/// Closes set-up.
///
/// # Errors
/// [`StoreError`].
pub fn delete_setup(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.delete(SETUP, SETUP_TOKEN).map(|_| ())
}

fn session_of(user: &str, session: &str) -> String {
    format!("{user}/{session}")
}

pub(super) fn session(source: &impl Read, id: &str) -> Result<Option<SessionRow>, StoreError> {
    Ok(source.get(SESSIONS, id)?.map(|Json(row)| row))
}

/// Refuses what was begun in a session that has ended meanwhile.
///
/// # Errors
/// [`AuthError::InvalidCredentials`].
pub fn check_session(source: &impl Read, id: &str) -> Result<(), AuthError> {
    session(source, id)?.map(drop).ok_or(AuthError::InvalidCredentials)
}

pub(super) fn put_session(tx: &mut Tx<'_>, row: &SessionRow) -> Result<(), StoreError> {
    tx.put(SESSIONS, &row.id, &Json(row.clone()))
}

/// Puts a session that was not there before.
pub(super) fn open_session(tx: &mut Tx<'_>, row: &SessionRow) -> Result<(), StoreError> {
    put_session(tx, row)?;
    tx.put(SESSIONS_OF, &session_of(&row.user, &row.id), &Raw(Vec::new()))
}

/// Ends a session: its tokens are worthless with the next request.
pub(super) fn end_session(tx: &mut Tx<'_>, row: &SessionRow) -> Result<(), StoreError> {
    tx.delete(SESSIONS, &row.id)?;
    tx.delete(SESSIONS_OF, &session_of(&row.user, &row.id))?;
    tx.bump(Epoch::Access)
}

/// The ids of a user's sessions.
fn session_ids(source: &impl Read, user: &str) -> Result<Vec<String>, StoreError> {
    let from = session_of(user, "");
    let mut ids = Vec::new();
    // `0` follows `/`.
    let to = format!("{user}0");
    source.scan::<StoreError>(SESSIONS_OF.name(), from.as_bytes(), to.as_bytes(), Scan::Forward, &mut |key, _| {
        let id = key.get(from.len()..).unwrap_or_default();
        ids.push(std::str::from_utf8(id).map_err(StoreError::corrupt)?.to_owned());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ids)
}

/// A user's sessions.
pub(super) fn sessions(source: &impl Read, user: &str) -> Result<Vec<SessionRow>, StoreError> {
    session_ids(source, user)?.iter().filter_map(|id| session(source, id).transpose()).collect()
}

/// Ends all sessions of a user but one. Answers how many.
pub(super) fn end_sessions(tx: &mut Tx<'_>, user: &str, kept: Option<&str>) -> Result<usize, StoreError> {
    let mut ended = 0;
    for row in sessions(tx, user)?.iter().filter(|row| Some(row.id.as_str()) != kept) {
        end_session(tx, row)?;
        ended += 1;
    }
    Ok(ended)
}

/// Sessions that ended before `now`, at most [`SWEEP_MAX`] of them.
pub(super) fn ended_sessions(source: &impl Read, now: Timestamp) -> Result<Vec<SessionRow>, StoreError> {
    let mut ended = Vec::new();
    source.scan::<StoreError>(SESSIONS.name(), &[], &[], Scan::Forward, &mut |_, bytes| {
        let row: SessionRow = serde_json::from_slice(bytes).map_err(StoreError::corrupt)?;
        if row.expires_at <= now {
            ended.push(row);
        }
        Ok(if ended.len() < SWEEP_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(ended)
}

/// Removes sessions that have ended and were not refreshed at the last moment. Their tokens are not valid in any case, so no epoch
/// moves.
pub(super) fn remove_ended(tx: &mut Tx<'_>, ended: &[SessionRow], now: Timestamp) -> Result<(), StoreError> {
    for row in ended {
        if session(tx, &row.id)?.is_some_and(|row| row.expires_at <= now) {
            tx.delete(SESSIONS, &row.id)?;
            tx.delete(SESSIONS_OF, &session_of(&row.user, &row.id))?;
        }
    }
    Ok(())
}

/// Keeps the list of those who are admins and may sign in.
///
/// # Errors
/// [`StoreError`].
pub fn set_admin(tx: &mut Tx<'_>, user: &str, is: bool) -> Result<(), StoreError> {
    match is {
        true => tx.put(ADMINS, user, &Raw(Vec::new())),
        false => tx.delete(ADMINS, user).map(|_| ()),
    }
}

/// Whether somebody else is an admin and may sign in.
///
/// # Errors
/// [`StoreError`].
pub fn has_admin_but(source: &impl Read, user: &str) -> Result<bool, StoreError> {
    let mut found = false;
    source.scan::<StoreError>(ADMINS.name(), &[], &[], Scan::Forward, &mut |key, _| {
        found = key != user.as_bytes();
        Ok(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}
