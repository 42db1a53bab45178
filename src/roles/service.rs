//! Use cases of roles: nobody gives by them more than they have.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use serde_json::json;

use super::{ADMIN, Role, RoleError, RoleSet, repo};
use crate::{
    access::{Action, Permissions, Principal, Who},
    audit::{self, Event},
    kernel::{Clock, FieldError, RecordId},
    store::{Epoch, Snapshot, Store, StoreError, Tx},
};

/// The most roles of a server.
const ROLES_MAX: usize = 200;
/// The most permissions of a role.
const PERMISSIONS_MAX: usize = 500;
/// The greatest length of a description, in characters.
const DESCRIPTION_MAX: usize = 500;

/// Knows who holds which role.
pub trait Holders: Send + Sync + 'static {
    /// Whether some account holds the role.
    ///
    /// # Errors
    /// [`StoreError`].
    fn is_held(&self, role: &str) -> Result<bool, StoreError>;
}

/// All roles, compiled once for each state of the store.
#[derive(Debug)]
pub struct Roles {
    current: ArcSwap<RoleSet>,
}

impl Default for Roles {
    fn default() -> Self {
        // No store has this epoch, so the first question reads.
        Self { current: ArcSwap::from_pointee(RoleSet::new(u64::MAX, Vec::new())) }
    }
}

impl Roles {
    /// The roles as they are in a snapshot.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn of(&self, snapshot: &Snapshot) -> Result<Arc<RoleSet>, StoreError> {
        let epoch = snapshot.epoch(Epoch::Access);
        let known = self.current.load_full();
        if known.epoch == epoch {
            return Ok(known);
        }
        let fresh = Arc::new(RoleSet::new(epoch, repo::stored(snapshot)?));
        self.current.store(Arc::clone(&fresh));
        Ok(fresh)
    }
}

/// What a client says of a role; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct RoleInput {
    /// What it is for.
    pub description: Option<String>,
    /// `resource:action` texts.
    pub permissions: Option<Vec<String>>,
    /// Whether who holds it must prove a second factor.
    pub requires_second_factor: Option<bool>,
}

/// Use cases of roles.
pub struct RoleService {
    store: Store,
    roles: Arc<Roles>,
    holders: Vec<Arc<dyn Holders>>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for RoleService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleService").finish_non_exhaustive()
    }
}

fn check(caller: &Principal, action: Action) -> Result<(), RoleError> {
    if caller.may("roles", action) { Ok(()) } else { Err(RoleError::Forbidden(action.name())) }
}

impl RoleService {
    /// The service.
    #[must_use]
    pub fn new(store: Store, roles: Arc<Roles>, holders: Vec<Arc<dyn Holders>>, clock: Arc<dyn Clock>) -> Self {
        Self { store, roles, holders, clock }
    }

    /// Every role, by name.
    ///
    /// # Errors
    /// [`RoleError::Forbidden`] without `roles:list`.
    pub fn list(&self, caller: &Principal) -> Result<Vec<Role>, RoleError> {
        check(caller, Action::List)?;
        Ok(self.roles.of(&self.store.snapshot())?.iter().cloned().collect())
    }

    /// One role.
    ///
    /// # Errors
    /// [`RoleError::Forbidden`] without `roles:read`, [`RoleError::NotFound`].
    pub fn read(&self, caller: &Principal, name: &str) -> Result<Role, RoleError> {
        check(caller, Action::Read)?;
        let roles = self.roles.of(&self.store.snapshot())?;
        roles.get(name).cloned().ok_or_else(|| RoleError::NotFound(name.to_owned()))
    }

    /// Makes a role.
    ///
    /// # Errors
    /// [`RoleError`]; every fault at once.
    pub async fn create(
        &self,
        caller: &Principal,
        who: Who,
        name: String,
        input: RoleInput,
    ) -> Result<Role, RoleError> {
        check(caller, Action::Create)?;
        let empty = Role {
            name,
            description: String::new(),
            permissions: Vec::new(),
            requires_second_factor: false,
            updated_at: None,
        };
        let mut errors = Vec::new();
        if RecordId::parse(&empty.name).is_err() {
            let detail = "must have 1 to 64 characters of A-Z a-z 0-9 - _ . ~";
            errors.push(FieldError::at("name", "format", detail));
        }
        let role = self.changed(caller, empty, input, errors)?;
        self.store
            .write(move |tx| {
                if repo::role(tx, &role.name)?.is_some() {
                    return Err(RoleError::Conflict(format!("there is a role \"{}\" already", role.name)));
                }
                if repo::stored(tx)?.len() >= ROLES_MAX {
                    return Err(RoleError::Conflict(format!("a server has at most {ROLES_MAX} roles of its own")));
                }
                put(tx, "role.created", &who, &role)?;
                Ok(role)
            })
            .await
    }

    /// Changes the parts of a role that are given.
    ///
    /// # Errors
    /// [`RoleError`]; every fault at once.
    pub async fn update(&self, caller: &Principal, who: Who, name: &str, input: RoleInput) -> Result<Role, RoleError> {
        check(caller, Action::Update)?;
        let before = repo::role(&self.store.snapshot(), name)?.ok_or_else(|| RoleError::NotFound(name.to_owned()))?;
        if name == ADMIN && input.permissions.is_some() {
            return Err(RoleError::Conflict("the admin may do everything; this cannot be changed".into()));
        }
        if !caller.covers(&before.compiled()) {
            return Err(RoleError::Forbidden("update, and everything that the role permits"));
        }
        let role = self.changed(caller, before.clone(), input, Vec::new())?;
        self.store
            .write(move |tx| {
                if repo::role(tx, &role.name)?.as_ref() != Some(&before) {
                    let detail = format!("the role \"{}\" was changed meanwhile; read it again", role.name);
                    return Err(RoleError::Conflict(detail));
                }
                put(tx, "role.updated", &who, &role)?;
                Ok(role)
            })
            .await
    }

    /// Removes a role that nobody holds.
    ///
    /// # Errors
    /// [`RoleError::Conflict`] when it is built in or held.
    pub async fn delete(&self, caller: &Principal, who: Who, name: &str) -> Result<(), RoleError> {
        check(caller, Action::Delete)?;
        let role = repo::role(&self.store.snapshot(), name)?.ok_or_else(|| RoleError::NotFound(name.to_owned()))?;
        if role.is_built_in() {
            return Err(RoleError::Conflict(format!("the role \"{name}\" is built in and stays")));
        }
        if !caller.covers(&role.compiled()) {
            return Err(RoleError::Forbidden("delete, and everything that the role permits"));
        }
        let holders = self.holders.clone();
        let asked = name.to_owned();
        let is_held = move |_: &_| {
            holders.iter().try_fold(false, |held, holders| Ok::<_, RoleError>(held || holders.is_held(&asked)?))
        };
        if self.store.scan(is_held).await? {
            let detail =
                format!("there are users or service accounts with the role \"{name}\"; take it from them first");
            return Err(RoleError::Conflict(detail));
        }
        let now = self.clock.now();
        self.store
            .write(move |tx| {
                repo::delete(tx, &role.name)?;
                Ok(audit::record(tx, Event::new("role.deleted", &who, &role.name, now))?)
            })
            .await
    }

    /// A role as it will be, when everything about it fits.
    fn changed(
        &self,
        caller: &Principal,
        before: Role,
        input: RoleInput,
        mut errors: Vec<FieldError>,
    ) -> Result<Role, RoleError> {
        let mut set = Permissions::default();
        let mut permissions = input.permissions.unwrap_or_else(|| before.permissions.clone());
        if permissions.len() > PERMISSIONS_MAX {
            errors.push(FieldError::at("permissions", "too_long", format!("must have at most {PERMISSIONS_MAX}")));
            permissions.truncate(PERMISSIONS_MAX);
        }
        for (position, text) in permissions.iter().enumerate() {
            let pointer = || format!("/permissions/{position}");
            if let Err(invalid) = set.add(text) {
                errors.push(FieldError::new(pointer(), "format", invalid));
            } else if !caller.covers(&Permissions::of([text.as_str()])) {
                errors.push(FieldError::new(pointer(), "forbidden", "you cannot give what you do not have"));
            }
        }
        let description = input.description.unwrap_or(before.description);
        if description.chars().count() > DESCRIPTION_MAX {
            let detail = format!("must have at most {DESCRIPTION_MAX} characters");
            errors.push(FieldError::at("description", "too_long", detail));
        }
        if !errors.is_empty() {
            return Err(RoleError::Invalid(errors));
        }
        let requires_second_factor = input.requires_second_factor.unwrap_or(before.requires_second_factor);
        let (name, permissions, updated_at) = (before.name, set.texts(), Some(self.clock.now()));
        Ok(Role { name, description, permissions, requires_second_factor, updated_at })
    }
}

fn put(tx: &mut Tx<'_>, kind: &'static str, who: &Who, role: &Role) -> Result<(), StoreError> {
    repo::put(tx, role)?;
    let now = role.updated_at.unwrap_or_default();
    let detail = json!({"permissions": role.permissions, "requiresSecondFactor": role.requires_second_factor});
    audit::record(tx, Event::new(kind, who, &role.name, now).with(detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::model;

    #[test]
    fn built_in_permissions_are_permissions() {
        for name in ["admin", "manager", "user", "viewer"] {
            let role = model::built_in(name).unwrap();
            let mut set = Permissions::default();
            role.permissions.iter().for_each(|text| set.add(text).unwrap());
        }
    }
}
