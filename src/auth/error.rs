//! What can come of a request about credentials.

use crate::{
    kernel::{Code, DomainError, FieldError},
    store::StoreError,
};

/// A business outcome of sign-in, sessions and credentials.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// E-mail address and password do not belong together, or the user may not sign in.
    #[error("e-mail address and password do not belong together")]
    InvalidCredentials,
    /// A refresh token, code or link that is not good (any more).
    #[error("{0}")]
    InvalidToken(&'static str),
    /// Too many attempts failed for one account.
    #[error("too many attempts for this account; try again in {0} seconds")]
    TooManyAttempts(u32),
    /// Values do not fit; every fault is named.
    #[error("the request is not valid; see errors")]
    Invalid(Vec<FieldError>),
    /// The password does not follow the policy.
    #[error("the password is not good enough; see errors")]
    WeakPassword(Vec<FieldError>),
    /// The set-up link was used, or is not the newest one.
    #[error("this set-up link is not valid (any more); restart the server for a new one, or use `stead admin create`")]
    SetupClosed,
    /// The caller may not do this.
    #[error("you may not do this: {0}")]
    Forbidden(&'static str),
    /// It takes a session in which a second factor was proven.
    #[error("prove your second factor first")]
    SecondFactorRequired,
    /// There is no such thing, or the caller may not see it.
    #[error("there is no {0}")]
    NotFound(String),
    /// The state of the server forbids it now.
    #[error("{0}")]
    Conflict(String),
    /// Nobody who may do everything would be left.
    #[error("this is the last admin who may sign in; make another one first")]
    LastAdmin,
    /// Keys of the configuration are changed there.
    #[error("the keys stand in auth.signing_key; put the new one before the old one there and restart")]
    KeysConfigured,
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
            Self::InvalidToken(_) => Code::InvalidToken,
            Self::TooManyAttempts(_) => Code::RateLimited,
            Self::Invalid(_) | Self::WeakPassword(_) => Code::ValidationFailed,
            Self::SetupClosed | Self::Forbidden(_) => Code::Forbidden,
            Self::SecondFactorRequired => Code::SecondFactorRequired,
            Self::NotFound(_) => Code::NotFound,
            Self::Conflict(_) | Self::LastAdmin | Self::KeysConfigured => Code::Conflict,
            Self::Crypto(_) => Code::Internal,
            Self::Store(error) => error.code(),
        }
    }

    fn field_errors(&self) -> &[FieldError] {
        if let Self::WeakPassword(errors) | Self::Invalid(errors) = self { errors } else { &[] }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::TooManyAttempts(seconds) => Some(*seconds),
            Self::Store(error) => error.retry_after_seconds(),
            _ => None,
        }
    }
}
