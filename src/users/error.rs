//! What can come of a request about users.

use crate::{
    auth::AuthError,
    kernel::{Code, DomainError, FieldError},
    records::RecordError,
};

/// A business outcome of a request about users.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// A credential.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The user's record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A provider of single sign-on failed; the cause goes to the log.
    #[error("the provider cannot be reached, or does not answer as it should; try again later")]
    Provider,
    /// The caller may not do this.
    #[error("it takes users:create, and everything that an admin may do")]
    Forbidden,
}

impl From<crate::store::StoreError> for UserError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Record(error.into())
    }
}

impl DomainError for UserError {
    fn code(&self) -> Code {
        match self {
            Self::Auth(error) => error.code(),
            Self::Record(error) => error.code(),
            Self::Provider => Code::ProviderUnavailable,
            Self::Forbidden => Code::Forbidden,
        }
    }

    fn field_errors(&self) -> &[FieldError] {
        match self {
            Self::Auth(error) => error.field_errors(),
            Self::Record(error) => error.field_errors(),
            Self::Provider | Self::Forbidden => &[],
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Auth(error) => error.retry_after_seconds(),
            Self::Record(error) => error.retry_after_seconds(),
            Self::Provider | Self::Forbidden => None,
        }
    }
}
