//! Sign-in: passwords, access tokens, and the check of a token on each request.
//!
//! Who the users are is not known here: [`Directory`] says it, and `users` implements it.

mod account;
pub mod api;
mod attempts;
mod authenticate;
mod begun;
mod devices;
mod dto;
mod error;
mod factor;
mod foreign;
mod hashing;
mod identity;
mod letter;
mod own;
mod password;
mod repo;
mod service;
mod session;
mod sign_in;
mod token;

use crate::{
    inbox,
    kernel::RecordId,
    keys,
    mail::Message,
    store::{Read, StoreError, Tx},
    templates,
};

pub use account::{check_user_change, is_admin, user_changed};
pub use begun::Begun;
pub use dto::SessionReply;
pub use error::AuthError;
pub use factor::{
    JOIN_FACTORS,
    api::{FactorApi, HALF},
    passkey::{
        Passkeys,
        api::{PUBLIC as PASSKEY_PATHS, PasskeyApi},
        party,
    },
};
pub use foreign::check_foreign_hash;
pub use identity::{Identity, add_identity, is_untouched};
pub use own::own_session;
pub use password::Passwords;
pub use repo::{
    check_session, delete_setup, has_admin_but, password_stamp, put_password, put_setup, put_verified, set_admin,
    setup_hash,
};
pub use service::{AuthParts, AuthService, Lives, SessionInfo, SignedIn, Visit, check_no_key};
pub use sign_in::Means;
pub use token::{Naming, Tokens};

/// The tables of this feature.
#[must_use]
pub fn tables() -> Vec<&'static str> {
    repo::TABLES.into_iter().chain(devices::TABLES).chain(factor::TABLES).chain(identity::TABLES).collect()
}

/// Tells a user that the password was changed, and of other ways in.
///
/// # Errors
/// [`StoreError`].
pub fn password_changed_letter(source: &impl Read, user: &str, email: &str) -> Result<Message, StoreError> {
    let ways = [
        ("Identities", identity::providers_of(source, user)?),
        ("Passkeys", factor::passkey_names(source, user)?),
        ("Keys", keys::names_of(source, user)?),
    ];
    Ok(letter::password_changed(email, &ways).for_user(user))
}

/// Forgets everything by which a user could be known: the user is gone.
fn forget_user(tx: &mut Tx<'_>, user: &str) -> Result<(), StoreError> {
    repo::delete_password(tx, user)?;
    repo::delete_verified(tx, user)?;
    factor::forget(tx, user)?;
    identity::forget(tx, user)?;
    templates::forget_user(tx, user)?;
    inbox::forget_user(tx, user)?;
    devices::forget(tx, user)?;
    keys::forget_owner(tx, user)?;
    repo::end_sessions(tx, user, None).map(|_| ())
}

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

    /// The user with this id as a transaction sees it.
    ///
    /// # Errors
    /// [`StoreError`].
    fn within(&self, tx: &Tx<'_>, id: &str) -> Result<Option<Account>, StoreError>;
}
