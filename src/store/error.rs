//! What can go wrong with the store itself. Business outcomes are the features' own errors.

use std::sync::Arc;

use crate::kernel::{Code, DomainError};

/// A fault of the store. Nothing of the operation that met it is in the store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The writer's queue is full.
    #[error("the server has too many writes waiting; try again shortly")]
    Busy,
    /// The store is closed or closing.
    #[error("the server is shutting down; try again shortly")]
    Closed,
    /// Reading or writing the file failed; the text says how and goes to the log only.
    #[error("the store has failed")]
    Failed(#[source] Cause),
    /// Stored bytes are not what this version writes; the text says where and goes to the log only.
    #[error("stored data could not be read")]
    Corrupt(#[source] Cause),
    /// The operation changes more than one operation may.
    #[error("the request changes too much at once: more than {0}; split it")]
    TooLarge(&'static str),
    /// The operation panicked; the panic's message went to the log.
    #[error("the operation failed")]
    Panicked,
}

/// The cause of a fault, for the log.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Cause(Arc<str>);

impl StoreError {
    pub(crate) fn failed(cause: impl std::fmt::Display) -> Self {
        Self::Failed(Cause(cause.to_string().into()))
    }

    /// Stored bytes that cannot be decoded.
    pub fn corrupt(cause: impl std::fmt::Display) -> Self {
        Self::Corrupt(Cause(cause.to_string().into()))
    }
}

impl From<redb::StorageError> for StoreError {
    fn from(error: redb::StorageError) -> Self {
        Self::failed(error)
    }
}

impl DomainError for StoreError {
    fn code(&self) -> Code {
        match self {
            Self::Busy => Code::Overloaded,
            Self::Closed => Code::Unavailable,
            Self::TooLarge(_) => Code::ValidationFailed,
            Self::Failed(_) => Code::Unavailable,
            Self::Corrupt(_) | Self::Panicked => Code::Internal,
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Busy => Some(1),
            Self::Closed | Self::Failed(_) => Some(5),
            Self::Corrupt(_) | Self::Panicked | Self::TooLarge(_) => None,
        }
    }
}
