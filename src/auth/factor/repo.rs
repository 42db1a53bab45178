//! Where second factors are stored.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::model::{Authenticator, Factors};
use crate::store::{Epoch, Json, Migration, Read, Scan, StoreError, Table, Tx};

/// Key: user id. Value: what the user has for signing in besides a password.
const FACTORS: Table<str, Json<Factors>> = Table::new("auth.factors");
/// Key: id of a passkey. Value: the id of its user.
const PASSKEY_OWNERS: Table<str, Json<String>> = Table::new("auth.passkey_owners");
/// Key: user id. Value: an authenticator with its recovery codes, as files before schema 3 have it.
const AUTHENTICATORS: Table<str, Json<FormerAuthenticator>> = Table::new("auth.authenticators");

/// The tables of this folder.
pub(crate) const TABLES: [&str; 3] = [FACTORS.name(), PASSKEY_OWNERS.name(), AUTHENTICATORS.name()];

/// Authenticators and recovery codes come under one roof with passkeys.
pub const JOIN_FACTORS: Migration = Migration { to: 3, run: join_factors };

#[derive(Serialize, Deserialize)]
struct FormerAuthenticator {
    #[serde(flatten)]
    authenticator: Authenticator,
    recovery: Vec<String>,
}

fn join_factors(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let mut former = Vec::new();
    tx.scan::<StoreError>(AUTHENTICATORS.name(), &[], &[], Scan::Forward, &mut |key, bytes| {
        let row: FormerAuthenticator = serde_json::from_slice(bytes).map_err(StoreError::corrupt)?;
        former.push((std::str::from_utf8(key).map_err(StoreError::corrupt)?.to_owned(), row));
        Ok(ControlFlow::Continue(()))
    })?;
    for (user, FormerAuthenticator { authenticator, recovery }) in former {
        let factors = Factors { authenticator: Some(authenticator), recovery, ..Factors::default() };
        put(tx, &user, factors)?;
        tx.delete(AUTHENTICATORS, &user)?;
    }
    Ok(())
}

/// The second factors of a user; none for who never had one.
pub(super) fn factors(source: &impl Read, user: &str) -> Result<Factors, StoreError> {
    Ok(source.get(FACTORS, user)?.map(|Json(row)| row).unwrap_or_default())
}

/// Puts the second factors of a user. Recovery codes go with the last of them.
pub(super) fn put(tx: &mut Tx<'_>, user: &str, mut row: Factors) -> Result<(), StoreError> {
    if !row.are_active() {
        row.recovery.clear();
    }
    if row.are_active() != are_active(tx, user)? {
        tx.bump(Epoch::Access)?;
    }
    tx.put(FACTORS, user, &Json(row))
}

/// The user of a passkey.
pub(super) fn owner(source: &impl Read, passkey: &str) -> Result<Option<String>, StoreError> {
    Ok(source.get(PASSKEY_OWNERS, passkey)?.map(|Json(user)| user))
}

pub(super) fn put_owner(tx: &mut Tx<'_>, passkey: &str, user: &str) -> Result<(), StoreError> {
    tx.put(PASSKEY_OWNERS, passkey, &Json(user.to_owned()))
}

pub(super) fn delete_owner(tx: &mut Tx<'_>, passkey: &str) -> Result<(), StoreError> {
    tx.delete(PASSKEY_OWNERS, passkey).map(drop)
}

/// Forgets all second factors of a user.
pub(crate) fn forget(tx: &mut Tx<'_>, user: &str) -> Result<(), StoreError> {
    for passkey in factors(tx, user)?.passkeys {
        delete_owner(tx, &passkey.id)?;
    }
    tx.bump(Epoch::Access)?;
    tx.delete(FACTORS, user).map(drop)
}

/// Whether each sign-in of a user asks for a second factor.
pub(crate) fn are_active(source: &impl Read, user: &str) -> Result<bool, StoreError> {
    Ok(factors(source, user)?.are_active())
}

/// What a user calls the passkeys.
pub(crate) fn passkey_names(source: &impl Read, user: &str) -> Result<Vec<String>, StoreError> {
    Ok(factors(source, user)?.passkeys.into_iter().map(|own| own.name).collect())
}

/// The second factors of a user as the user may read them: no secret, no key.
pub(crate) fn summary(source: &impl Read, user: &str) -> Result<serde_json::Value, StoreError> {
    let factors = factors(source, user)?;
    let passkeys: Vec<_> = factors.passkeys.iter().map(super::passkey::OwnPasskey::summary).collect();
    let confirmed_at = factors.confirmed().and_then(|own| own.confirmed_at);
    Ok(
        serde_json::json!({"authenticatorSince": confirmed_at, "passkeys": passkeys, "recoveryCodesLeft": factors.recovery.len()}),
    )
}

#[cfg(test)]
mod tests {
    use crate::store::{Options, Schema, Store, StoreError};

    use super::*;

    #[tokio::test]
    async fn authenticators_of_an_older_file_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let schema = Schema { tables: TABLES.to_vec(), migrations: Vec::new() };
        let store = Store::open(&folder.path().join("test.redb"), &Options::default(), &schema).unwrap();
        let secret = [7; 20];
        let row = serde_json::json!({"secret": secret, "confirmedAt": "2026-01-31T09:30:00Z", "lastStep": 5, "recovery": ["a", "b"]});
        store
            .write::<_, StoreError, _>(move |tx| {
                tx.put_bytes(AUTHENTICATORS.name(), b"ann".to_vec(), row.to_string().as_bytes())?;
                (JOIN_FACTORS.run)(tx)
            })
            .await
            .unwrap();
        let kept = factors(&store.snapshot(), "ann").unwrap();
        assert_eq!((kept.confirmed().unwrap().last_step, kept.recovery.len()), (5, 2));
        assert!(kept.are_active());
        assert!(store.snapshot().values(AUTHENTICATORS).unwrap().is_empty());
        store.close().await;
    }
}
