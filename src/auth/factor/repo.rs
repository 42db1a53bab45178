//! Where authenticators are stored.

use super::model::Authenticator;
use crate::store::{Epoch, Json, Read, StoreError, Table, Tx};

/// Key: user id. Value: the authenticator.
const AUTHENTICATORS: Table<str, Json<Authenticator>> = Table::new("auth.authenticators");

/// The tables of this folder.
pub(crate) const TABLES: [&str; 1] = [AUTHENTICATORS.name()];

pub(super) fn authenticator(source: &impl Read, user: &str) -> Result<Option<Authenticator>, StoreError> {
    Ok(source.get(AUTHENTICATORS, user)?.map(|Json(row)| row))
}

pub(super) fn put(tx: &mut Tx<'_>, user: &str, row: &Authenticator) -> Result<(), StoreError> {
    tx.put(AUTHENTICATORS, user, &Json(row.clone()))?;
    tx.bump(Epoch::Access)
}

/// Forgets the authenticator of a user. Answers whether there was one.
pub(crate) fn forget(tx: &mut Tx<'_>, user: &str) -> Result<bool, StoreError> {
    tx.bump(Epoch::Access)?;
    tx.delete(AUTHENTICATORS, user)
}

/// Whether a user has a second factor.
pub(crate) fn is_active(source: &impl Read, user: &str) -> Result<bool, StoreError> {
    Ok(authenticator(source, user)?.is_some_and(|row| row.confirmed_at.is_some()))
}
