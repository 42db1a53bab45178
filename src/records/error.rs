//! What can come of a request about records.

use crate::{
    auth::AuthError,
    collections::CollectionError,
    kernel::{Code, DomainError, FieldError},
    queue::{Failure, QueueError},
    store::StoreError,
};

/// A business outcome of a request about records.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is no collection with this name.
    #[error("there is no collection \"{0}\"")]
    NoCollection(String),
    /// There is no such record, or the caller may not see it.
    #[error("there is no record \"{id}\" in {collection}")]
    NotFound {
        /// The collection.
        collection: String,
        /// The id that was asked for.
        id: String,
    },
    /// The collection is a view of groups, which are no records.
    #[error("\"{0}\" is an aggregate: it has no records of its own, only groups to be listed")]
    Aggregate(String),
    /// The collection is a view, which cannot be written.
    #[error("\"{view}\" is a view and read only; its records are changed in {source_name}")]
    ReadOnly {
        /// The view.
        view: String,
        /// The collection that it reads.
        source_name: String,
    },
    /// The caller may not do this.
    #[error("your roles and the rules of {0} do not allow this")]
    Forbidden(String),
    /// The credentials have ended while the body of the request came.
    #[error("the access token or key is not valid any more; what was taken in before stays")]
    SignedOut,
    /// The state of the server forbids it now.
    #[error("{0}")]
    Conflict(String),
    /// The caller may not give these fields.
    #[error("your roles and the rules of single fields do not allow this; see errors")]
    FieldsForbidden(Vec<FieldError>),
    /// Operations of a batch failed; nothing was written.
    #[error("the batch was not carried out; see errors")]
    Batch {
        /// The code of the first that failed.
        code: Code,
        /// Every fault, under the index of its operation.
        errors: Vec<FieldError>,
    },
    /// The idempotency key was used for another request.
    #[error("this Idempotency-Key belongs to another request; take a new one")]
    KeyReused,
    /// Values do not fit; every fault is named.
    #[error("the record is not valid; see errors")]
    Invalid(Vec<FieldError>),
    /// The body is not a JSON object, or names a member twice.
    #[error("{0}")]
    Body(String),
    /// The id is in use.
    #[error("there is a record \"{0}\" already")]
    IdInUse(String),
    /// Records that refer to this one keep it from being deleted.
    #[error("{0}")]
    Referenced(String),
    /// The record has another version than `If-Match` names.
    #[error("the record has changed: its version is {0}; read it again")]
    Stale(i64),
    /// A filter that does not parse or fit.
    #[error("the filter is not valid {0}")]
    Filter(crate::expr::ExprError),
    /// A query parameter that is unknown or out of bounds.
    #[error("a parameter is not valid; see errors")]
    Parameters(Vec<FieldError>),
    /// A cursor that was changed or belongs to another query.
    #[error("the cursor is not valid for this query; start again without it")]
    Cursor,
    /// A query that would examine too much.
    #[error("{0}")]
    IndexRequired(String),
    /// An aggregation with more groups, or a greater number, than can be answered.
    #[error("{0}")]
    TooLarge(String),
    /// The schema moved between check and commit; the service tries again.
    #[error("the schema changed meanwhile; try again")]
    Moved,
    /// What a change of a user's record would do to accounts.
    #[error(transparent)]
    Account(#[from] AuthError),
    /// What came of a job that was to be made with a record.
    #[error(transparent)]
    Job(QueueError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DomainError for RecordError {
    fn code(&self) -> Code {
        match self {
            Self::NoCollection(_) | Self::NotFound { .. } | Self::Aggregate(_) => Code::NotFound,
            Self::ReadOnly { .. } => Code::MethodNotAllowed,
            Self::SignedOut => Code::Unauthenticated,
            Self::Forbidden(_) | Self::FieldsForbidden(_) => Code::Forbidden,
            Self::Invalid(_) | Self::TooLarge(_) => Code::ValidationFailed,
            Self::Batch { code, .. } => *code,
            Self::KeyReused => Code::IdempotencyKeyReused,
            Self::Body(_) => Code::InvalidJson,
            Self::IdInUse(_) | Self::Referenced(_) | Self::Moved | Self::Conflict(_) => Code::Conflict,
            Self::Stale(_) => Code::PreconditionFailed,
            Self::Filter(_) => Code::InvalidFilter,
            Self::Parameters(_) => Code::InvalidParameter,
            Self::Cursor => Code::InvalidCursor,
            Self::IndexRequired(_) => Code::IndexRequired,
            Self::Account(error) => error.code(),
            Self::Job(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn field_errors(&self) -> &[FieldError] {
        match self {
            Self::Invalid(errors)
            | Self::Parameters(errors)
            | Self::FieldsForbidden(errors)
            | Self::Batch { errors, .. } => errors,
            _ => &[],
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Account(error) => error.retry_after_seconds(),
            Self::Store(error) => error.retry_after_seconds(),
            _ => None,
        }
    }
}

impl From<QueueError> for RecordError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Invalid(errors) => Self::Invalid(errors),
            QueueError::Store(error) => Self::Store(error),
            error => Self::Job(error),
        }
    }
}

/// Of a job that does something with records: what the store cannot do now may go the next time, and what does not fit will never.
impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Store(error) => error.into(),
            error if error.field_errors().is_empty() => Self::for_good(error.to_string()),
            error => {
                let named = error.field_errors().iter().map(|fault| format!("{} {}", fault.pointer, fault.detail));
                Self::for_good(named.collect::<Vec<_>>().join("; "))
            }
        }
    }
}

impl From<CollectionError> for RecordError {
    fn from(error: CollectionError) -> Self {
        match error {
            CollectionError::NotFound(name) => Self::NoCollection(name),
            CollectionError::Invalid(errors) => Self::Invalid(errors),
            CollectionError::Conflict(detail) => Self::Referenced(detail),
            CollectionError::Moved => Self::Moved,
            CollectionError::Store(error) => Self::Store(error),
        }
    }
}
