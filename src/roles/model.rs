//! A role, the roles that every server has, and all roles of one moment.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::Permissions;

/// The role that may do everything, always.
pub const ADMIN: &str = "admin";

/// The roles that every server has. What they permit can be changed, but for the admin's.
const BUILT_IN: [(&str, &str, &[&str]); 4] = [
    (ADMIN, "May do everything.", &["*:*"]),
    (
        "manager",
        "May work with all records and see the collections, but neither see nor change users.",
        &["*:list", "*:read", "*:create", "*:update", "*:delete", "collections:list", "collections:read"],
    ),
    ("user", "May do what the rules of collections open.", &[]),
    ("viewer", "May see all records but users.", &["*:list", "*:read"]),
];

/// A named set of permissions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// The name by which users hold it.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// `resource:action` texts.
    pub permissions: Vec<String>,
    /// Whether who holds it must prove a second factor at sign-in.
    #[serde(default)]
    pub requires_second_factor: bool,
    /// When it was last changed; absent while a built-in role is as it was built.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
}

impl Role {
    /// Whether every server has a role of this name.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        built_in(&self.name).is_some()
    }

    /// The permissions, ready to be asked.
    #[must_use]
    pub fn compiled(&self) -> Permissions {
        Permissions::of(self.permissions.iter().map(String::as_str))
    }
}

/// The built-in role of this name, as it was built.
pub(super) fn built_in(name: &str) -> Option<Role> {
    let (name, description, permissions) = BUILT_IN.into_iter().find(|(known, _, _)| *known == name)?;
    Some(Role {
        name: name.into(),
        description: description.into(),
        permissions: permissions.iter().map(|text| (*text).to_owned()).collect(),
        requires_second_factor: false,
        updated_at: None,
    })
}

/// All roles at one epoch of access.
#[derive(Clone, Debug, Default)]
pub struct RoleSet {
    pub(super) epoch: u64,
    roles: BTreeMap<String, Role>,
}

impl RoleSet {
    pub(super) fn new(epoch: u64, stored: Vec<Role>) -> Self {
        let built_in = BUILT_IN.iter().filter_map(|(name, _, _)| built_in(name));
        let all = built_in.chain(stored);
        Self { epoch, roles: all.map(|role| (role.name.clone(), role)).collect() }
    }

    /// Every role, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Role> {
        self.roles.values()
    }

    /// The role with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Role> {
        self.roles.get(name)
    }

    /// Whether one of these roles asks for a second factor.
    #[must_use]
    pub fn ask_second_factor(&self, names: &[String]) -> bool {
        names.iter().filter_map(|name| self.get(name)).any(|role| role.requires_second_factor)
    }

    /// What these roles permit together. A name that is no role (any more) permits nothing.
    #[must_use]
    pub fn together(&self, names: &[String]) -> Arc<Permissions> {
        let texts = names.iter().filter_map(|name| self.get(name)).flat_map(|role| &role.permissions);
        Arc::new(Permissions::of(texts.map(String::as_str)))
    }
}
