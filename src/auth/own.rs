//! What users do with their own credentials.

use jiff::SignedDuration;

use super::{
    AuthError, AuthService, Identity, SessionInfo, factor, password_changed_letter, repo, session::SessionRow,
};
use crate::{
    access::{Kind, Principal, Who},
    audit::{self, Event},
    kernel::FieldError,
    store::StoreError,
};

/// For how long a sign-in tells beyond doubt who somebody is.
const FRESH: SignedDuration = SignedDuration::from_mins(10);

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
        let proven = self.prove(caller, &who, current).await?;
        let hash = self.passwords.accept(new, "/newPassword", &caller.email).await?;
        let (user, email, now) = (caller.id.to_string(), caller.email.clone(), self.clock.now());
        let mail = self.mail.clone();
        self.store
            .write(move |tx| {
                // Somebody may have set another password, or ended the session, meanwhile.
                let same = repo::password(tx, &user)?.is_some_and(|row| row.hash == proven);
                if !same {
                    return Err(AuthError::InvalidCredentials);
                }
                repo::check_session(tx, &session)?;
                repo::put_password(tx, &user, hash, now, Some(&session))?;
                mail.put(tx, password_changed_letter(tx, &user, &email)?, now)?;
                Ok::<_, AuthError>(audit::record(tx, Event::new("password.changed", &who, &user, now))?)
            })
            .await
    }

    /// By what the caller signs in, without any secret.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] but in person.
    pub fn credentials_of(&self, caller: &Principal) -> Result<serde_json::Value, AuthError> {
        own_session(caller)?;
        let (user, snapshot) = (caller.id.as_str(), self.store.snapshot());
        let session = |info: SessionInfo| {
            let SessionInfo { created_at, used_at, expires_at, device, address, methods, .. } = info;
            serde_json::json!({
                "createdAt": created_at, "lastUsedAt": used_at, "expiresAt": expires_at,
                "device": device, "address": address, "methods": methods,
            })
        };
        let identity = |identity: Identity| {
            let Identity { provider, issuer, subject, email, created_at, used_at, .. } = identity;
            serde_json::json!({
                "provider": provider, "issuer": issuer, "subject": subject, "email": email,
                "createdAt": created_at, "lastUsedAt": used_at,
            })
        };
        Ok(serde_json::json!({
            "passwordSetAt": repo::password(&snapshot, user)?.map(|row| row.changed_at),
            "sessions": self.sessions(user)?.into_iter().map(session).collect::<Vec<_>>(),
            "identities": self.identities_of(caller)?.into_iter().map(identity).collect::<Vec<_>>(),
            "secondFactors": factor::summary(&snapshot, user)?,
        }))
    }

    /// Lets only those on who are the caller beyond doubt: by the password, or, where there is none, by a sign-in of the last minutes.
    ///
    /// # Errors
    /// [`AuthError::InvalidCredentials`], [`AuthError::TooManyAttempts`], [`AuthError::Invalid`] without the password,
    /// [`AuthError::Forbidden`] in an older session of who has none.
    pub async fn prove_caller(&self, caller: &Principal, who: &Who, password: Option<String>) -> Result<(), AuthError> {
        if let Some(password) = password {
            return self.prove(caller, who, password).await.map(drop);
        }
        let snapshot = self.store.snapshot();
        if repo::password(&snapshot, caller.id.as_str())?.is_some() {
            let missing = FieldError::at("currentPassword", "required", "give the password of your account");
            return Err(AuthError::Invalid(vec![missing]));
        }
        let session = repo::session(&snapshot, own_session(caller)?)?;
        let is_fresh = |row: &SessionRow| self.clock.now().duration_since(row.created_at) < FRESH;
        let stale = "you have no password, so it takes a session of the last ten minutes; sign in again";
        if session.as_ref().is_some_and(is_fresh) { Ok(()) } else { Err(AuthError::Forbidden(stale)) }
    }

    /// Tells the audit log of an attempt that failed.
    pub(super) async fn tell_refused(&self, event: Event) -> Result<(), AuthError> {
        Ok(self.store.write::<_, StoreError, _>(move |tx| audit::record(tx, event)).await?)
    }

    /// Lets only those on who know the password of the caller's account, with the bounds of a sign-in. Answers the hash that was
    /// verified.
    ///
    /// # Errors
    /// [`AuthError::InvalidCredentials`], [`AuthError::TooManyAttempts`].
    pub async fn prove(&self, caller: &Principal, who: &Who, password: String) -> Result<String, AuthError> {
        self.attempts.begin(&caller.email, self.clock.now())?;
        let row = repo::password(&self.store.snapshot(), caller.id.as_str())?;
        let hash = row.map(|row| row.hash);
        if !self.passwords.verify(password, hash.clone()).await? {
            self.tell_refused(Event::new("password.refused", who, caller.id.as_str(), self.clock.now())).await?;
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
