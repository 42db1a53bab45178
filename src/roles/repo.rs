//! Where roles are stored.

use super::model::{self, Role};
use crate::store::{Epoch, Json, Read, StoreError, Table, Tx};

/// Key: name. Value: the role. A built-in role has no row while it is as it was built.
const ROLES: Table<str, Json<Role>> = Table::new("roles.roles");

/// The tables of this feature.
pub const TABLES: [&str; 1] = [ROLES.name()];

/// The role with this name.
///
/// # Errors
/// [`StoreError`].
pub fn role(source: &impl Read, name: &str) -> Result<Option<Role>, StoreError> {
    let stored = source.get(ROLES, name)?.map(|Json(role)| role);
    Ok(stored.or_else(|| model::built_in(name)))
}

pub(super) fn stored(source: &impl Read) -> Result<Vec<Role>, StoreError> {
    Ok(source.values(ROLES)?.into_iter().map(|Json(role)| role).collect())
}

pub(super) fn put(tx: &mut Tx<'_>, role: &Role) -> Result<(), StoreError> {
    tx.put(ROLES, &role.name, &Json(role.clone()))?;
    tx.bump(Epoch::Access)
}

pub(super) fn delete(tx: &mut Tx<'_>, name: &str) -> Result<(), StoreError> {
    tx.delete(ROLES, name)?;
    tx.bump(Epoch::Access)
}
