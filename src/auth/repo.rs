//! Where credentials are stored: never in a record.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::{Json, Read, StoreError, Table, Tx};

/// Key: user id. Value: the password's hash.
const PASSWORDS: Table<str, Json<PasswordRow>> = Table::new("auth.passwords");
/// Key: key id. Value: a key that signs tokens.
const KEYS: Table<str, Json<KeyRow>> = Table::new("auth.keys");
/// Key: `token`. Value: the hash of the one-time set-up token.
const SETUP: Table<str, Json<String>> = Table::new("auth.setup");

const SETUP_TOKEN: &str = "token";

/// The tables of this feature.
pub const TABLES: [&str; 3] = [PASSWORDS.name(), KEYS.name(), SETUP.name()];

/// A password's hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PasswordRow {
    /// A PHC string.
    pub(super) hash: String,
    /// When it was set.
    pub(super) changed_at: Timestamp,
    /// A random text that tokens carry: those of an earlier password are not valid any more.
    pub(super) stamp: String,
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
}

pub(super) fn password(source: &impl Read, user: &str) -> Result<Option<PasswordRow>, StoreError> {
    Ok(source.get(PASSWORDS, user)?.map(|Json(row)| row))
}

/// Stores a user's new password hash.
///
/// # Errors
/// [`StoreError`].
pub fn put_password(tx: &mut Tx<'_>, user: &str, hash: String, now: Timestamp) -> Result<(), StoreError> {
    tx.put(PASSWORDS, user, &Json(PasswordRow { hash, changed_at: now, stamp: super::secret_text() }))?;
    tx.bump(crate::store::Epoch::Access)
}

/// Puts another hash of the same password in the place of `before`, unless the password has changed meanwhile. Tokens stay
/// valid.
pub(super) fn replace_hash(tx: &mut Tx<'_>, user: &str, before: &str, hash: String) -> Result<(), StoreError> {
    match password(tx, user)? {
        Some(row) if row.hash == before => tx.put(PASSWORDS, user, &Json(PasswordRow { hash, ..row })),
        _ => Ok(()),
    }
}

/// Forgets a user's password: the user is gone.
///
/// # Errors
/// [`StoreError`].
pub fn delete_password(tx: &mut Tx<'_>, user: &str) -> Result<(), StoreError> {
    tx.delete(PASSWORDS, user).map(|_| ())
}

pub(super) fn keys(source: &impl Read) -> Result<Vec<KeyRow>, StoreError> {
    Ok(source.values(KEYS)?.into_iter().map(|Json(row)| row).collect())
}

pub(super) fn put_key(tx: &mut Tx<'_>, row: &KeyRow) -> Result<(), StoreError> {
    tx.put(KEYS, &row.kid, &Json(row.clone()))
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
