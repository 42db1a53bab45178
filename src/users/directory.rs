//! Who the users are, for sign-in and for roles: records of `users`, found by id or by an index.

use std::{ops::ControlFlow, sync::Arc};

use serde::Deserialize;

use crate::{
    auth::{Account, Directory},
    collections::{Catalogs, Collection, Index, Slot, layout, system::USERS},
    kernel::{RecordId, Scalar},
    roles::Holders,
    store::{Read, Scan, StoreError, Tx, key, key::Direction},
};

/// Users as sign-in sees them: records of `users`, found by id or by the index over their addresses.
#[derive(Debug)]
pub struct RecordDirectory {
    catalogs: Arc<Catalogs>,
}

/// The members of a user's record that sign-in needs.
#[derive(Deserialize)]
struct UserRecord {
    id: RecordId,
    email: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    disabled: bool,
}

impl RecordDirectory {
    /// The users of these collections.
    #[must_use]
    pub fn new(catalogs: Arc<Catalogs>) -> Self {
        Self { catalogs }
    }

    fn account(source: &impl Read, number: u32, id: &str) -> Result<Option<Account>, StoreError> {
        let key = layout::record_key(number, id);
        let parse =
            |bytes: &[u8]| serde_json::from_slice::<UserRecord>(layout::text_of(bytes)).map_err(StoreError::corrupt);
        let record = source.view(layout::DATA, &key, |found| found.map(parse).transpose())??;
        Ok(record.map(|UserRecord { id, email, roles, disabled }| Account { id, email, roles, disabled }))
    }
}

impl Directory for RecordDirectory {
    fn by_email(&self, email: &str) -> Result<Option<Account>, StoreError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        let Some(users) = catalog.by_name(USERS) else { return Ok(None) };
        let Some(index) = index_of(users, users.slot("email"), true) else { return Ok(None) };
        let id = first_with(&snapshot, index, email)?;
        id.map_or(Ok(None), |id| Self::account(&snapshot, users.number(), &id))
    }

    fn by_id(&self, id: &str) -> Result<Option<Account>, StoreError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        let Some(users) = catalog.by_name(USERS) else { return Ok(None) };
        Self::account(&snapshot, users.number(), id)
    }

    fn within(&self, tx: &Tx<'_>, id: &str) -> Result<Option<Account>, StoreError> {
        let (_, catalog) = self.catalogs.current()?;
        let Some(users) = catalog.by_name(USERS) else { return Ok(None) };
        Self::account(tx, users.number(), id)
    }
}

/// The index whose entries are a field's values alone, when it is ready.
fn index_of(users: &Collection, slot: Option<Slot>, unique: bool) -> Option<&Index> {
    let fits = |index: &&Index| {
        index.ready
            && index.unique == unique
            && matches!(index.components.as_slice(), [(of, Direction::Ascending)] if Some(*of) == slot)
    };
    users.indexes.iter().find(fits)
}

/// The id of the first user with an entry for this text in an index.
fn first_with(source: &impl Read, index: &Index, text: &str) -> Result<Option<String>, StoreError> {
    let mut from = layout::prefix(index.number);
    key::encode(&Scalar::Str(text.to_owned()), Direction::Ascending, &mut from);
    let to = key::prefix_end(&from).unwrap_or_default();
    let mut id = None;
    source.scan::<StoreError>(layout::INDEX, &from, &to, Scan::Forward, &mut |key, value| {
        id = Some(layout::id_of_entry(key, value)?.to_owned());
        Ok(ControlFlow::Break(()))
    })?;
    Ok(id)
}

impl Holders for RecordDirectory {
    fn is_held(&self, role: &str) -> Result<bool, StoreError> {
        let (snapshot, catalog) = self.catalogs.current()?;
        let Some(users) = catalog.by_name(USERS) else { return Ok(false) };
        if let Some(index) = index_of(users, users.slot("roles"), false) {
            return Ok(first_with(&snapshot, index, role)?.is_some());
        }
        // The index of a store from before is still being built.
        let mut held = false;
        layout::scan_records::<StoreError>(&snapshot, users.number(), "", &mut |_, record| {
            let user: UserRecord = serde_json::from_slice(record).map_err(StoreError::corrupt)?;
            held = user.roles.iter().any(|own| own == role);
            Ok(if held { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(held)
    }
}
