//! Where keys and service accounts are stored.

use std::ops::ControlFlow;

use super::model::{Key, Owner, ServiceAccount};
use crate::store::{Epoch, Json, Raw, Read, Scan, StoreError, Table, Tx};

/// Key: id. Value: the key.
const KEYS: Table<str, Json<Key>> = Table::new("keys.keys");
/// Key: id of the owner, `/`, id of the key. Value: nothing.
const KEYS_OF: Table<str, Raw> = Table::new("keys.keys_of");
/// Key: id. Value: the service account.
const SERVICE_ACCOUNTS: Table<str, Json<ServiceAccount>> = Table::new("keys.service_accounts");

/// The tables of this feature.
pub const TABLES: [&str; 3] = [KEYS.name(), KEYS_OF.name(), SERVICE_ACCOUNTS.name()];

/// The key with this id.
///
/// # Errors
/// [`StoreError`].
pub fn key(source: &impl Read, id: &str) -> Result<Option<Key>, StoreError> {
    Ok(source.get(KEYS, id)?.map(|Json(key)| key))
}

/// All keys, by id.
pub(super) fn keys(source: &impl Read) -> Result<Vec<Key>, StoreError> {
    Ok(source.values(KEYS)?.into_iter().map(|Json(key)| key).collect())
}

/// The keys of an owner, by id.
pub(super) fn keys_of(source: &impl Read, owner: &str) -> Result<Vec<Key>, StoreError> {
    let from = format!("{owner}/");
    // `0` follows `/`.
    let to = format!("{owner}0");
    let mut ids = Vec::new();
    source.scan::<StoreError>(KEYS_OF.name(), from.as_bytes(), to.as_bytes(), Scan::Forward, &mut |key, _| {
        let id = key.get(from.len()..).unwrap_or_default();
        ids.push(std::str::from_utf8(id).map_err(StoreError::corrupt)?.to_owned());
        Ok(ControlFlow::Continue(()))
    })?;
    ids.iter().filter_map(|id| key(source, id).transpose()).collect()
}

/// What a user calls the keys.
///
/// # Errors
/// [`StoreError`].
pub fn names_of(source: &impl Read, owner: &str) -> Result<Vec<String>, StoreError> {
    Ok(keys_of(source, owner)?.into_iter().map(|key| key.name).collect())
}

fn key_of(owner: &Owner, key: &str) -> String {
    format!("{}/{key}", owner.id())
}

pub(super) fn put_key(tx: &mut Tx<'_>, key: &Key) -> Result<(), StoreError> {
    tx.put(KEYS, &key.id, &Json(key.clone()))?;
    tx.put(KEYS_OF, &key_of(&key.owner, &key.id), &Raw(Vec::new()))
}

/// Says when a key was used: nothing that anybody's access depends on, so no epoch moves.
pub(super) fn put_use(tx: &mut Tx<'_>, key: &Key) -> Result<(), StoreError> {
    tx.put(KEYS, &key.id, &Json(key.clone()))
}

pub(super) fn delete_key(tx: &mut Tx<'_>, key: &Key) -> Result<(), StoreError> {
    tx.delete(KEYS, &key.id)?;
    tx.delete(KEYS_OF, &key_of(&key.owner, &key.id))?;
    tx.bump(Epoch::Access)
}

/// Whether an owner has keys.
///
/// # Errors
/// [`StoreError`].
pub fn has_keys(source: &impl Read, owner: &str) -> Result<bool, StoreError> {
    Ok(!keys_of(source, owner)?.is_empty())
}

/// Removes the keys of an owner who is gone.
///
/// # Errors
/// [`StoreError`].
pub fn forget_owner(tx: &mut Tx<'_>, owner: &str) -> Result<(), StoreError> {
    keys_of(tx, owner)?.iter().try_for_each(|key| delete_key(tx, key))
}

/// The service account with this id.
///
/// # Errors
/// [`StoreError`].
pub fn service_account(source: &impl Read, id: &str) -> Result<Option<ServiceAccount>, StoreError> {
    Ok(source.get(SERVICE_ACCOUNTS, id)?.map(|Json(account)| account))
}

pub(super) fn service_accounts(source: &impl Read) -> Result<Vec<ServiceAccount>, StoreError> {
    Ok(source.values(SERVICE_ACCOUNTS)?.into_iter().map(|Json(account)| account).collect())
}

pub(super) fn put_service_account(tx: &mut Tx<'_>, account: &ServiceAccount) -> Result<(), StoreError> {
    tx.put(SERVICE_ACCOUNTS, account.id.as_str(), &Json(account.clone()))?;
    tx.bump(Epoch::Access)
}

pub(super) fn delete_service_account(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    forget_owner(tx, id)?;
    tx.delete(SERVICE_ACCOUNTS, id)?;
    tx.bump(Epoch::Access)
}
