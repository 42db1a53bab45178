//! Passwords: the policy, and Argon2id ([RFC 9106](https://www.rfc-editor.org/rfc/rfc9106)) on blocking threads behind
//! a bound, so that a storm of sign-ins leaves room for other requests. Bcrypt hashes, which users bring along from
//! elsewhere, are verified too, and never made.

use std::{
    str::FromStr as _,
    sync::{Arc, OnceLock},
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use tokio::sync::Semaphore;

use super::AuthError;
use crate::{access::secret, kernel::FieldError};

/// The greatest length of a password, in bytes: longer ones only cost time.
pub(super) const BYTES_MAX: usize = 1024;

/// The most of a password that bcrypt looks at, in bytes.
const BCRYPT_BYTES_MAX: usize = 72;
/// The greatest cost of a bcrypt hash that is taken in: verifying it takes some seconds.
const BCRYPT_COST_MAX: u32 = 16;

/// Whether a stored hash is one of bcrypt, which is to become one of Argon2id.
#[must_use]
pub(super) fn is_foreign(hash: &str) -> bool {
    hash.starts_with("$2")
}

/// Checks a hash that was made elsewhere: one of bcrypt that sign-in can verify in bearable time.
///
/// # Errors
/// Why it is none; the text holds nothing of it.
pub fn check_foreign_hash(hash: &str) -> Result<(), &'static str> {
    let known = ["$2a$", "$2b$", "$2y$"].iter().any(|version| hash.starts_with(version));
    match bcrypt::HashParts::from_str(hash) {
        Ok(parts) if known && parts.get_cost() <= BCRYPT_COST_MAX => Ok(()),
        Ok(_) if known => Err("the password's hash costs too much to verify"),
        _ => Err("the password's hash is not one of bcrypt"),
    }
}

/// Hashes and verifies passwords.
#[derive(Clone, Debug)]
pub struct Passwords {
    length_min: usize,
    slots: Arc<Semaphore>,
    /// A hash that no password has, verified when there is no user, so that the answer takes as long. Made at first need,
    /// for it would double the time that the server takes to start.
    decoy: Arc<OnceLock<String>>,
}

impl Passwords {
    /// With a policy, and at most `hashes_max` hashes at once.
    #[must_use]
    pub fn new(length_min: usize, hashes_max: usize) -> Self {
        Self { length_min, slots: Arc::new(Semaphore::new(hashes_max)), decoy: Arc::default() }
    }

    /// Checks a new password against the policy; `pointer` is where it stands in the body.
    ///
    /// # Errors
    /// [`AuthError::WeakPassword`].
    pub fn check(&self, password: &str, pointer: &str) -> Result<(), AuthError> {
        let length = password.chars().count();
        let fault = if length < self.length_min {
            ("too_short", format!("must have at least {} characters", self.length_min))
        } else if password.len() > BYTES_MAX {
            ("too_long", format!("must have at most {BYTES_MAX} bytes"))
        } else if password.chars().all(|c| password.starts_with(c)) {
            ("too_simple", "must not repeat one character".to_owned())
        } else {
            return Ok(());
        };
        Err(AuthError::WeakPassword(vec![FieldError::new(pointer, fault.0, fault.1)]))
    }

    /// The hash to store, as a PHC string.
    ///
    /// # Errors
    /// [`AuthError::Crypto`].
    pub async fn hash(&self, password: String) -> Result<String, AuthError> {
        self.work(move || hash(password.as_bytes())).await
    }

    /// Whether a password belongs to a stored hash. Takes as long when there is none.
    ///
    /// # Errors
    /// [`AuthError::Crypto`].
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, AuthError> {
        let decoy = Arc::clone(&self.decoy);
        self.work(move || {
            if let Some(hash) = stored.as_deref().filter(|hash| is_foreign(hash)) {
                return verify_bcrypt(&password, hash);
            }
            let known = stored.is_some();
            // Made whether it is needed or not, so that the first answer tells nothing either.
            let decoy = match decoy.get() {
                Some(made) => made.clone(),
                None => {
                    let made = hash(secret::secret_text().as_bytes())?;
                    decoy.get_or_init(|| made).clone()
                }
            };
            let stored = stored.unwrap_or(decoy);
            let hash = PasswordHash::new(&stored).map_err(|_| AuthError::Crypto("a stored hash cannot be read"))?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok() && known)
        })
        .await
    }

    async fn work<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<R, AuthError> + Send + 'static,
    ) -> Result<R, AuthError> {
        let permit = Arc::clone(&self.slots).acquire_owned().await;
        let permit = permit.map_err(|_| AuthError::Crypto("the hashing threads are gone"))?;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.map_err(|_| AuthError::Crypto("hashing panicked"))?
    }
}

/// What bcrypt would not look at does not count as right.
fn verify_bcrypt(password: &str, hash: &str) -> Result<bool, AuthError> {
    if password.len() > BCRYPT_BYTES_MAX {
        return Ok(false);
    }
    bcrypt::verify(password, hash).map_err(|_| AuthError::Crypto("a stored hash cannot be read"))
}

fn hash(password: &[u8]) -> Result<String, AuthError> {
    let hash = Argon2::default().hash_password(password).map_err(|_| AuthError::Crypto("hashing failed"))?;
    Ok(hash.to_string())
}
