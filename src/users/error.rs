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
            Self::Forbidden => Code::Forbidden,
        }
    }

    fn field_errors(&self) -> &[FieldError] {
        match self {
            Self::Auth(error) => error.field_errors(),
            Self::Record(error) => error.field_errors(),
            Self::Forbidden => &[],
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Auth(error) => error.retry_after_seconds(),
            Self::Record(error) => error.retry_after_seconds(),
            Self::Forbidden => None,
        }
    }
}
