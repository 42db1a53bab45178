//! What can come of a sign-in.

use crate::{
    kernel::{Code, DomainError, FieldError},
    store::StoreError,
};

/// A business outcome of sign-in and passwords.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// E-mail address and password do not belong together, or the user may not sign in.
    #[error("e-mail address and password do not belong together")]
    InvalidCredentials,
    /// The password does not follow the policy.
    #[error("the password is not good enough; see errors")]
    WeakPassword(Vec<FieldError>),
    /// The set-up link was used, or is not the newest one.
    #[error("this set-up link is not valid (any more); restart the server for a new one, or use `stead admin create`")]
    SetupClosed,
    /// Hashing or signing failed; the cause goes to the log.
    #[error("signing in failed")]
    Crypto(&'static str),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DomainError for AuthError {
    fn code(&self) -> Code {
        match self {
            Self::InvalidCredentials => Code::InvalidCredentials,
            Self::WeakPassword(_) => Code::ValidationFailed,
            Self::SetupClosed => Code::Forbidden,
            Self::Crypto(_) => Code::Internal,
            Self::Store(error) => error.code(),
        }
    }

    fn field_errors(&self) -> &[FieldError] {
        if let Self::WeakPassword(errors) = self { errors } else { &[] }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        if let Self::Store(error) = self { error.retry_after_seconds() } else { None }
    }
}
