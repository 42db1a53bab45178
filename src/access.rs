//! Who may do what: roles, their permissions, and the caller of a request.
//!
//! A permission is `resource:action`, either part may be `*`. The roles are the built-in ones.

use std::sync::Arc;

use crate::{
    expr::{Field, Root, Value, Values},
    kernel::RecordId,
};

/// Resources that `*` does not cover for anyone but an admin: with them, rights could be had that were not given.
pub const GUARDED: [&str; 2] = ["collections", "users"];

/// What is done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// See many.
    List,
    /// See one.
    Read,
    /// Make one.
    Create,
    /// Change one.
    Update,
    /// Remove one.
    Delete,
}

impl Action {
    /// The name in a permission.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// The caller of a request, as far as its credentials tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user's id.
    pub id: RecordId,
    /// The user's e-mail address.
    pub email: String,
    /// The user's roles.
    pub roles: Vec<String>,
}

impl Principal {
    /// The operator of the machine, who speaks through the data folder and needs no account.
    #[must_use]
    pub fn operator() -> Arc<Self> {
        let id = RecordId::parse("operator").unwrap_or_else(|_| unreachable!("a constant id fits its grammar"));
        Arc::new(Self { id, email: String::new(), roles: vec!["admin".into()] })
    }

    /// Whether one of the roles permits `action` on `resource`.
    #[must_use]
    pub fn may(&self, resource: &str, action: Action) -> bool {
        self.roles.iter().any(|role| role_permits(role, resource, action))
    }
}

fn role_permits(role: &str, resource: &str, action: Action) -> bool {
    match role {
        "admin" => true,
        "manager" => {
            !GUARDED.contains(&resource) || matches!((resource, action), ("collections", Action::List | Action::Read))
        }
        "viewer" => !GUARDED.contains(&resource) && matches!(action, Action::List | Action::Read),
        _ => false,
    }
}

/// The caller as expressions see it: `@auth.id`, `@auth.email`, `@auth.roles`, in the slots that scopes give them.
#[derive(Clone, Copy, Debug)]
pub struct AuthValues<'a> {
    /// The caller.
    pub principal: &'a Principal,
    /// The instant of the request.
    pub now: jiff::Timestamp,
}

impl Values for AuthValues<'_> {
    fn value(&self, field: &Field) -> Value<'_> {
        match (field.root, field.slot) {
            (Root::Auth, 0) => Value::Str(self.principal.id.as_str().into()),
            (Root::Auth, 1) => Value::Str(self.principal.email.as_str().into()),
            (Root::Auth, 2) => {
                Value::Many(self.principal.roles.iter().map(|r| Value::Str(r.as_str().into())).collect())
            }
            _ => Value::Null,
        }
    }

    fn each(&self, _: &Field, _: &mut dyn FnMut(&dyn Values) -> bool) {}

    fn now(&self) -> jiff::Timestamp {
        self.now
    }
}
