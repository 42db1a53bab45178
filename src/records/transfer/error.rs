//! What ends an import before the end of its stream.

use super::{dry::REMEMBERED_MAX, split::Broken};
use crate::{
    collections::CollectionError,
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
    /// The archive is none, or has what it cannot have.
    #[error("{0}")]
    Archive(String),
    /// The definitions of an archive could not be carried out.
    #[error(transparent)]
    Schema(#[from] CollectionError),
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
            Self::Cut | Self::Archive(_) => Code::BadRequest,
            Self::Schema(error) => error.code(),
            Self::Idle => Code::Timeout,
            Self::Broken(_) => Code::InvalidJson,
            Self::TooMany => Code::BodyTooLarge,
            Self::Record(error) => error.code(),
        }
    }

    fn field_errors(&self) -> &[FieldError] {
        match self {
            Self::Record(error) => error.field_errors(),
            Self::Schema(error) => error.field_errors(),
            _ => &[],
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Record(error) => error.retry_after_seconds(),
            Self::Schema(error) => error.retry_after_seconds(),
            _ => None,
        }
    }
}
