//! What users do with their own credentials.

use super::{AuthError, AuthService, letter, repo};
use crate::{
    access::{Kind, Principal, Who},
    audit::{self, Event},
    mail,
};

impl AuthService {
    /// Changes the caller's own password, for whoever knows the one until now. All other sessions end.
    ///
    /// # Errors
    /// [`AuthError::InvalidCredentials`] when the password until now is another one, [`AuthError::WeakPassword`].
    pub async fn change_password(
        &self,
        caller: &Principal,
        who: Who,
        current: String,
        new: String,
    ) -> Result<(), AuthError> {
        let session = own_session(caller)?.to_owned();
        let proven = self.prove(caller, current).await?;
        let hash = self.passwords.accept(new, "/newPassword", &caller.email).await?;
        let (user, email, now) = (caller.id.to_string(), caller.email.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                // Somebody may have set another password, or ended the session, meanwhile.
                let same = repo::password(tx, &user)?.is_some_and(|row| row.hash == proven);
                if !same || repo::session(tx, &session)?.is_none() {
                    return Err(AuthError::InvalidCredentials);
                }
                repo::put_password(tx, &user, hash, now, Some(&session))?;
                mail::enqueue(tx, letter::password_changed(&email), now)?;
                Ok::<_, AuthError>(audit::record(tx, Event::new("password.changed", &who, &user, now))?)
            })
            .await?;
        self.mail.wake();
        Ok(())
    }

    /// Lets only those on who know the password of the caller's account, with the bounds of a sign-in. Answers the hash that was
    /// verified.
    ///
    /// # Errors
    /// [`AuthError::InvalidCredentials`], [`AuthError::TooManyAttempts`].
    pub async fn prove(&self, caller: &Principal, password: String) -> Result<String, AuthError> {
        self.attempts.begin(&caller.email, self.clock.now())?;
        let row = repo::password(&self.store.snapshot(), caller.id.as_str())?;
        let hash = row.map(|row| row.hash);
        if !self.passwords.verify(password, hash.clone()).await? {
            return Err(AuthError::InvalidCredentials);
        }
        self.attempts.succeeded(&caller.email);
        hash.ok_or(AuthError::InvalidCredentials)
    }
}

/// The session of a user who came in person, not as somebody else.
///
/// # Errors
/// [`AuthError::Forbidden`].
pub fn own_session(caller: &Principal) -> Result<&str, AuthError> {
    match &caller.kind {
        Kind::User { session, impersonator: None, .. } => Ok(session),
        _ => Err(AuthError::Forbidden("it takes a session of your own")),
    }
}
