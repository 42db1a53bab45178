//! What can come of a request about jobs.

use crate::{
    kernel::{Code, DomainError, FieldError},
    store::StoreError,
};

/// A business outcome of a request about jobs or queues.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The caller may not do this.
    #[error("your roles do not permit this: it takes {0}")]
    Forbidden(String),
    /// There is no such job.
    #[error("there is no such job (any more)")]
    NotFound,
    /// There is no such queue.
    #[error("there is no queue \"{0}\"; make it first, or use one of those that GET /api/v1/queues lists")]
    NoQueue(String),
    /// Values do not fit; every fault is named.
    #[error("the request is not valid; see errors")]
    Invalid(Vec<FieldError>),
    /// The worker does not have the job any more.
    #[error("this lease has ended: the job has moved on, or another worker has it")]
    LeaseLost,
    /// The state of the job or the queue forbids it.
    #[error("{0}")]
    Conflict(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl QueueError {
    /// The same of a job in the member `place` of a body.
    #[must_use]
    pub fn under(self, place: &str) -> Self {
        match self {
            Self::Invalid(errors) => Self::Invalid(errors.into_iter().map(|error| error.under(place)).collect()),
            Self::NoQueue(_) => {
                Self::Invalid(vec![FieldError::new(format!("{place}/queue"), "not_found", self.to_string())])
            }
            other => other,
        }
    }
}

impl DomainError for QueueError {
    fn code(&self) -> Code {
        match self {
            Self::Forbidden(_) => Code::Forbidden,
            Self::NotFound | Self::NoQueue(_) => Code::NotFound,
            Self::Invalid(_) => Code::ValidationFailed,
            Self::LeaseLost => Code::LeaseLost,
            Self::Conflict(_) => Code::Conflict,
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
