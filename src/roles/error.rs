//! What can come of a request about roles.

use crate::{
    kernel::{Code, DomainError, FieldError},
    store::StoreError,
};

/// A business outcome of a request about roles.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// The caller may not do this.
    #[error("your roles do not permit this: it takes roles:{0}")]
    Forbidden(&'static str),
    /// There is no such role.
    #[error("there is no role \"{0}\"")]
    NotFound(String),
    /// The role cannot be made, changed or removed as things are.
    #[error("{0}")]
    Conflict(String),
    /// Values do not fit; every fault is named.
    #[error("the role is not valid; see errors")]
    Invalid(Vec<FieldError>),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DomainError for RoleError {
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
