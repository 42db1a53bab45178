//! Sign-in: passwords, access tokens, and the check of a token on each request.
//!
//! Who the users are is not known here: [`Directory`] says it, and `users` implements it.

pub mod api;
mod error;
mod password;
mod repo;
mod service;
mod token;

use crate::{kernel::RecordId, store::StoreError};

pub use error::AuthError;
pub use password::{Passwords, check_foreign_hash};
pub use repo::{TABLES, delete_password, delete_setup, put_password, put_setup, setup_hash};
pub use service::{AuthService, SignedIn};
pub use token::{Tokens, secret_hash, secret_text};

/// A user, as far as sign-in needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user's id.
    pub id: RecordId,
    /// The e-mail address.
    pub email: String,
    /// The roles.
    pub roles: Vec<String>,
    /// Whether sign-in is closed to the user.
    pub disabled: bool,
}

/// Knows the users.
pub trait Directory: Send + Sync + 'static {
    /// The user with this e-mail address, in lower case.
    ///
    /// # Errors
    /// [`StoreError`].
    fn by_email(&self, email: &str) -> Result<Option<Account>, StoreError>;

    /// The user with this id.
    ///
    /// # Errors
    /// [`StoreError`].
    fn by_id(&self, id: &str) -> Result<Option<Account>, StoreError>;
}
