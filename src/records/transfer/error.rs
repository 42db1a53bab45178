//! What ends an import before the end of its stream.

use super::{dry::REMEMBERED_MAX, split::Broken};
use crate::{
    kernel::{Code, DomainError, FieldError},
    records::RecordError,
};

/// Why an import went no further.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The client broke off.
    #[error("the body ended early")]
    Cut,
    /// The client sent nothing for too long.
    #[error("nothing more of the body came in time")]
    Idle,
    /// The stream is not of its format.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// A dry run met more than it can remember.
    #[error("a dry run remembers at most {REMEMBERED_MAX} ids and unique values; check the rest by itself")]
    TooMany,
    /// No record could be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl DomainError for TransferError {
    fn code(&self) -> Code {
        match self {
            Self::Cut => Code::BadRequest,
            Self::Idle => Code::Timeout,
            Self::Broken(_) => Code::InvalidJson,
            Self::TooMany => Code::BodyTooLarge,
            Self::Record(error) => error.code(),
        }
    }

    fn field_errors(&self) -> &[FieldError] {
        if let Self::Record(error) = self { error.field_errors() } else { &[] }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        if let Self::Record(error) = self { error.retry_after_seconds() } else { None }
    }
}
