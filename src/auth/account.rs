//! What follows from a change of a user's record, in the same transaction: credentials go with their user, the last admin stays,
//! and the audit log tells it.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{AuthError, letter, repo};
use crate::{
    access::{Principal, Who},
    audit::{self, Event},
    keys,
    mail::MailService,
    roles::ADMIN,
    store::{Epoch, Read, StoreError, Tx},
};

/// The members of a user's record that decide what the user may do.
#[derive(Default, Deserialize)]
struct Rights {
    #[serde(default)]
    email: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    disabled: bool,
}

impl Rights {
    fn read(record: Option<&str>) -> Result<Option<Self>, StoreError> {
        record.map(serde_json::from_str).transpose().map_err(StoreError::corrupt)
    }

    fn is_admin(&self) -> bool {
        is_admin(&self.roles, self.disabled)
    }
}

/// Whether somebody with these roles may do everything, and may sign in.
#[must_use]
pub fn is_admin(roles: &[String], disabled: bool) -> bool {
    !disabled && roles.iter().any(|role| role == ADMIN)
}

/// Asked before anything of a change of a user's record is written.
///
/// # Errors
/// [`AuthError::LastAdmin`] when nobody who may do everything would be left: the operator, who can make another one, is free to.
/// [`AuthError::Conflict`] for a new user under an id that is another account's.
pub fn check_user_change(
    source: &impl Read,
    who: &Who,
    id: &str,
    (old, new): (Option<&str>, Option<&str>),
) -> Result<(), AuthError> {
    if old.is_none() && (id == Principal::OPERATOR || keys::service_account(source, id)?.is_some()) {
        return Err(AuthError::Conflict(format!("the id \"{id}\" is another account's; leave it out")));
    }
    let is_admin = |text| Ok::<_, StoreError>(Rights::read(text)?.is_some_and(|rights| rights.is_admin()));
    if is_admin(old)? && !is_admin(new)? && who.actor != Principal::OPERATOR && !repo::has_admin_but(source, id)? {
        return Err(AuthError::LastAdmin);
    }
    Ok(())
}

/// Called for each change of a user's record, with its texts before and after. What [`check_user_change`] refuses has not come here,
/// or is refused with all that was written before.
///
/// # Errors
/// Those of [`check_user_change`].
pub fn user_changed(
    tx: &mut Tx<'_>,
    mail: &MailService,
    who: &Who,
    id: &str,
    (old, new): (Option<&str>, Option<&str>),
    now: Timestamp,
) -> Result<(), AuthError> {
    check_user_change(tx, who, id, (old, new))?;
    let (old, new) = (Rights::read(old)?, Rights::read(new)?);
    let was_admin = old.as_ref().is_some_and(Rights::is_admin);
    let is_admin = new.as_ref().is_some_and(Rights::is_admin);
    if was_admin != is_admin {
        repo::set_admin(tx, id, is_admin)?;
    }
    let event = |kind| Event::new(kind, who, id, now);
    match (old, new) {
        (None, Some(new)) => {
            // Nothing that was kept for another user of this id is theirs.
            super::forget_user(tx, id)?;
            audit::record(tx, event("user.created").with(json!({"roles": new.roles})))?;
        }
        (Some(gone), None) => {
            super::forget_user(tx, id)?;
            if who.actor == id {
                mail.put(tx, letter::deleted(&gone.email).for_user(id), now)?;
            }
            audit::record(tx, event("user.deleted"))?;
        }
        (Some(old), Some(new)) => {
            if old.roles != new.roles {
                let detail = json!({"from": old.roles, "to": new.roles});
                audit::record(tx, event("user.rolesChanged").with(detail))?;
            }
            if old.disabled != new.disabled {
                audit::record(tx, event(if new.disabled { "user.disabled" } else { "user.enabled" }))?;
            }
            if new.disabled && !old.disabled {
                repo::end_sessions(tx, id, None)?;
            }
            if old.email != new.email {
                mail.put(tx, letter::email_changed(&old.email, &new.email).for_user(id), now)?;
                audit::record(tx, event("user.emailChanged"))?;
            }
        }
        (None, None) => {}
    }
    Ok(tx.bump(Epoch::Access)?)
}
