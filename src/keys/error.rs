//! What can come of a request about keys and service accounts.

use crate::{
    kernel::{Code, DomainError, FieldError},
    store::StoreError,
};

/// A business outcome of a request about keys and service accounts.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The caller may not do this.
    #[error("you may not do this: {0}")]
    Forbidden(String),
    /// There is no such thing, or the caller may not see it.
    #[error("there is no {0}")]
    NotFound(String),
    /// The state of the server forbids it now.
    #[error("{0}")]
    Conflict(String),
    /// Values do not fit; every fault is named.
    #[error("the request is not valid; see errors")]
    Invalid(Vec<FieldError>),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DomainError for KeyError {
    fn code(&self) -> Code {
        match self {
            Self::Forbidden(_) => Code::Forbidden,
            Self::NotFound(_) => Code::NotFound,
            Self::Conflict(_) => Code::Conflict,
            Self::Invalid(_) => Code::ValidationFailed,
            Self::Store(error) => error.code(),
        }
    }

    fn field_errors(&self) -> &[FieldError] {
        if let Self::Invalid(errors) = self { errors } else { &[] }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        if let Self::Store(error) = self { error.retry_after_seconds() } else { None }
    }
}
