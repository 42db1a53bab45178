//! Bringing the users of an older file to what this binary keeps beside them.

use std::ops::ControlFlow;

use serde::Deserialize;

use crate::{
    auth,
    collections::layout,
    store::{Migration, StoreError, Tx},
};

/// The number of `users`: every file's first collection.
const USERS_NUMBER: u32 = 1;

/// The list of those who are admins and may sign in, by which the last one is known.
pub const LIST_ADMINS: Migration = Migration { to: 2, run: list_admins };

#[derive(Deserialize)]
struct Rights {
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    disabled: bool,
}

fn list_admins(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let mut admins = Vec::new();
    layout::scan_records::<StoreError>(tx, USERS_NUMBER, "", &mut |id, record| {
        let user: Rights = serde_json::from_slice(record).map_err(StoreError::corrupt)?;
        if auth::is_admin(&user.roles, user.disabled) {
            admins.push(id.to_owned());
        }
        Ok(ControlFlow::Continue(()))
    })?;
    admins.iter().try_for_each(|id| auth::set_admin(tx, id, true))
}
