//! Passwords: the policy, and Argon2id ([RFC 9106](https://www.rfc-editor.org/rfc/rfc9106)) on threads of their
//! own ([`super::hashing`]). Hashes of other kinds are those of [`super::foreign`].

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use zxcvbn::{Score, zxcvbn};

use super::{
    AuthError,
    foreign::{self, is_foreign},
    hashing::Hashing,
};
use crate::{access::secret, kernel::FieldError};

/// The greatest length of a password, in bytes: longer ones only cost time.
pub(super) const BYTES_MAX: usize = 1024;
/// The most words about a user that a password is compared with.
const WORDS_MAX: usize = 16;

/// Hashes and verifies passwords.
#[derive(Clone, Debug)]
pub struct Passwords {
    length_min: usize,
    hashing: Hashing,
    /// A hash that no password has, verified when there is no user, so that the answer takes as long. Made at first need,
    /// for it would double the time that the server takes to start.
    decoy: Arc<OnceLock<String>>,
    /// How long it takes to verify each decoy of a foreign hash, once it was needed.
    measured: Arc<Mutex<HashMap<String, Duration>>>,
}

impl Passwords {
    /// With a policy, and at most `hashes_max` hashes at once.
    #[must_use]
    pub fn new(length_min: usize, hashes_max: usize) -> Self {
        Self { length_min, hashing: Hashing::new(hashes_max), decoy: Arc::default(), measured: Arc::default() }
    }

    /// Checks a new password against the policy; `pointer` is where it stands in the body, `email` whose it is to be. Answers the
    /// hash to store, as a PHC string.
    ///
    /// # Errors
    /// [`AuthError::WeakPassword`], [`AuthError::Crypto`].
    pub async fn accept(&self, password: String, pointer: &'static str, email: &str) -> Result<String, AuthError> {
        self.check_length(&password, pointer)?;
        let about: Vec<String> = words(email).take(WORDS_MAX).collect();
        self.hashing
            .run(move || {
                check_guesses(&password, pointer, &about)?;
                hash(password.as_bytes())
            })
            .await
    }

    fn check_length(&self, password: &str, pointer: &str) -> Result<(), AuthError> {
        let fault = if password.chars().count() < self.length_min {
            ("too_short", format!("must have at least {} characters", self.length_min))
        } else if password.len() > BYTES_MAX {
            ("too_long", format!("must have at most {BYTES_MAX} bytes"))
        } else {
            return Ok(());
        };
        Err(AuthError::WeakPassword(vec![FieldError::new(pointer, fault.0, fault.1)]))
    }

    /// The hash to store of a password that was accepted before.
    pub(super) async fn hash(&self, password: String) -> Result<String, AuthError> {
        self.hashing.run(move || hash(password.as_bytes())).await
    }

    /// How long any attempt to sign in that fails is to take, where somebody's hash may be as dear as one of these decoys: twice as
    /// long as the dearest of them.
    ///
    /// # Errors
    /// [`AuthError::Crypto`].
    pub(super) async fn floor(&self, decoys: Vec<String>) -> Result<Duration, AuthError> {
        let mut longest = Duration::ZERO;
        for decoy in decoys {
            let known = self.measured().get(&decoy).copied();
            let time = match known {
                Some(time) => time,
                None => self.measure(decoy).await?,
            };
            longest = longest.max(time);
        }
        Ok(longest.saturating_mul(2))
    }

    async fn measure(&self, decoy: String) -> Result<Duration, AuthError> {
        let measured = self.hashing.run(move || {
            let start = Instant::now();
            foreign::verify("", &decoy).ok_or(AuthError::Crypto("a decoy cannot be read"))?;
            Ok((decoy, start.elapsed()))
        });
        let (decoy, time) = measured.await?;
        self.measured().insert(decoy, time);
        Ok(time)
    }

    fn measured(&self) -> MutexGuard<'_, HashMap<String, Duration>> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a password belongs to a stored hash. Takes as long when there is none.
    ///
    /// # Errors
    /// [`AuthError::Crypto`].
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, AuthError> {
        let decoy = Arc::clone(&self.decoy);
        self.hashing
            .run(move || {
                if let Some(hash) = stored.as_deref().filter(|hash| is_foreign(hash)) {
                    return foreign::verify(&password, hash).ok_or(AuthError::Crypto("a stored hash cannot be read"));
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
}

/// What an address tells of its user: itself and its words.
fn words(email: &str) -> impl Iterator<Item = String> {
    let email = email.trim().to_lowercase();
    let parts: Vec<String> = email.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect();
    std::iter::once(email).chain(parts).filter(|word| word.len() > 2)
}

/// Refuses what is among the first million guesses of someone who knows the lists of common passwords, names, words, keyboards and
/// dates, and the user's address ([ASVS 5, 6.2](https://owasp.org/www-project-application-security-verification-standard/)).
fn check_guesses(password: &str, pointer: &str, about: &[String]) -> Result<(), AuthError> {
    let about: Vec<&str> = about.iter().map(String::as_str).collect();
    let estimate = zxcvbn(password, &about);
    if estimate.score() >= Score::Two {
        return Ok(());
    }
    let warning = estimate.feedback().and_then(|feedback| feedback.warning());
    let why = warning.map_or_else(|| "This is easy to guess.".to_owned(), |warning| warning.to_string());
    let detail = format!("must not be easy to guess. {why} Take some words that do not belong together");
    Err(AuthError::WeakPassword(vec![FieldError::new(pointer, "too_common", detail)]))
}

fn hash(password: &[u8]) -> Result<String, AuthError> {
    let hash = Argon2::default().hash_password(password).map_err(|_| AuthError::Crypto("hashing failed"))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_easy_to_guess_is_refused() {
        let about: Vec<String> = words("Ann.Smith@example.com").collect();
        for weak in [
            "password123",
            "1234567890",
            "qwertyuiop",
            "iloveyou123",
            "aaaaaaaaaaaa",
            "abcdefghijkl",
            "ann.smith@example.com",
            "smith12345",
            "P@ssw0rd2024",
        ] {
            assert!(check_guesses(weak, "/password", &about).is_err(), "{weak}");
        }
        for good in ["correct horse battery", "a long enough password", "xK3#mQz9!vTr", "Tür auf, Licht aus!"] {
            assert!(check_guesses(good, "/password", &about).is_ok(), "{good}");
        }
    }
}
