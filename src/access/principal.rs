//! The caller of a request, as far as its credentials tell.

use std::sync::Arc;

use super::{Action, Permissions};
use crate::{
    expr::{Field, Root, Value, Values},
    kernel::RecordId,
};

/// By what a caller is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The operator of the machine.
    Operator,
    /// A user who signed in.
    User {
        /// The session.
        session: Box<str>,
        /// Who acts as this user.
        impersonator: Option<RecordId>,
    },
    /// A program with a key of a user or of a service account.
    Key {
        /// The key's id.
        key: Box<str>,
        /// What the key is for: neither a role nor a rule opens more to it.
        scope: Arc<Permissions>,
    },
}

/// The caller of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user's id.
    pub id: RecordId,
    /// The user's e-mail address.
    pub email: String,
    /// Whether the address is known to be the user's.
    pub verified: bool,
    /// The roles.
    pub roles: Vec<String>,
    /// What the roles permit together, within the scope of the key if it is one.
    pub permissions: Arc<Permissions>,
    /// By what the caller is known.
    pub kind: Kind,
}

impl Principal {
    /// The id of the operator.
    pub const OPERATOR: &str = "operator";

    /// The operator of the machine, who speaks through the data folder and needs no account.
    #[must_use]
    pub fn operator() -> Arc<Self> {
        let id = RecordId::parse(Self::OPERATOR).unwrap_or_else(|_| unreachable!("a constant id fits its grammar"));
        Arc::new(Self {
            id,
            email: String::new(),
            verified: false,
            roles: vec!["admin".into()],
            permissions: Arc::new(Permissions::everything()),
            kind: Kind::Operator,
        })
    }

    /// Whether the roles permit `action` on `resource`.
    #[must_use]
    pub fn may(&self, resource: &str, action: Action) -> bool {
        self.permissions.allow(resource, action)
    }

    /// Whether the caller could do everything that these permissions allow: nobody gives more than they have.
    #[must_use]
    pub fn covers(&self, permissions: &Permissions) -> bool {
        self.permissions.cover(permissions)
    }

    /// The session with which the caller came.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        if let Kind::User { session, .. } = &self.kind { Some(session) } else { None }
    }

    /// The id of the key with which the caller came.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        if let Kind::Key { key, .. } = &self.kind { Some(key) } else { None }
    }

    /// A name of the credentials: the user's id, but for a key a name of its own that no user can have.
    #[must_use]
    pub fn credential(&self) -> String {
        self.key().map_or_else(|| self.id.to_string(), |key| format!("key/{key}"))
    }

    /// Whether what a rule opens is open to the caller's credentials: a key's scope bounds it.
    #[must_use]
    pub fn in_scope(&self, resource: &str, action: Action) -> bool {
        if let Kind::Key { scope, .. } = &self.kind { scope.allow(resource, action) } else { true }
    }

    /// The user who acts as this one.
    #[must_use]
    pub fn impersonator(&self) -> Option<&RecordId> {
        if let Kind::User { impersonator, .. } = &self.kind { impersonator.as_ref() } else { None }
    }
}

/// The caller as expressions see it: `@auth.id`, `@auth.email`, `@auth.roles`, `@auth.verified`, in the slots that scopes give them.
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
            (Root::Auth, 3) => Value::Bool(self.principal.verified),
            _ => Value::Null,
        }
    }

    fn each(&self, _: &Field, _: &mut dyn FnMut(&dyn Values) -> bool) {}

    fn now(&self) -> jiff::Timestamp {
        self.now
    }
}
