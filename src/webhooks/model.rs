//! What a webhook is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::sign::Secret;
use crate::{
    collections::Event,
    kernel::{Code, DomainError, FieldError},
    queue::QueueError,
    store::StoreError,
};

/// Changes of a collection's records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subscription {
    /// The number of the collection, which it keeps under another name; clients do not say it.
    #[serde(default)]
    pub number: u32,
    /// The name of the collection.
    pub collection: String,
    /// What has to happen.
    pub on: Vec<Event>,
    /// The fields that are told, besides those that every record has; all that are not hidden when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// In which records: an expression about the record and the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

/// Why a webhook is not told anything any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// Since when.
    pub at: Timestamp,
    /// For people.
    pub reason: String,
}

/// A webhook, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// The id.
    pub id: String,
    /// Where messages are posted.
    pub url: String,
    /// What it is for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Of what it is told.
    pub subscriptions: Vec<Subscription>,
    /// Whether messages about one record come one after the other, in order.
    pub ordered: bool,
    /// Whether it rests; what happens meanwhile is not told later.
    pub paused: bool,
    /// Why it is not told anything any more, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Disabled>,
    /// What messages are signed with; the first is the newest.
    pub(super) secrets: Vec<Secret>,
    /// The change of the log after which it hears.
    pub(super) since: u64,
    /// When a message was last accepted, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// Since when it has been told of changes, without a rest.
    pub(super) enabled_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Webhook {
    /// Whether it is told of changes.
    #[must_use]
    pub fn hears(&self) -> bool {
        !self.paused && self.disabled.is_none()
    }
}

/// What a job is to post.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// The id of the webhook.
    pub(super) webhook: String,
    /// The body of the message.
    pub(super) body: Box<RawValue>,
}

/// A business outcome of a request about webhooks.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The caller may not do this.
    #[error("your roles do not permit this: it takes {0}")]
    Forbidden(String),
    /// There is no such webhook, or no such delivery of it.
    #[error("there is no {0}")]
    NotFound(String),
    /// Values do not fit; every fault is named.
    #[error("the webhook is not valid; see errors")]
    Invalid(Vec<FieldError>),
    /// The state of the server forbids it.
    #[error("{0}")]
    Conflict(String),
    /// The queue.
    #[error(transparent)]
    Queue(QueueError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<QueueError> for WebhookError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::NotFound => Self::NotFound("delivery of this id (any more)".into()),
            QueueError::Conflict(why) => Self::Conflict(why),
            QueueError::Store(error) => Self::Store(error),
            error => Self::Queue(error),
        }
    }
}

impl DomainError for WebhookError {
    fn code(&self) -> Code {
        match self {
            Self::Forbidden(_) => Code::Forbidden,
            Self::NotFound(_) => Code::NotFound,
            Self::Invalid(_) => Code::ValidationFailed,
            Self::Conflict(_) => Code::Conflict,
            Self::Queue(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn field_errors(&self) -> &[FieldError] {
        if let Self::Invalid(errors) = self { errors } else { &[] }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Queue(error) => error.retry_after_seconds(),
            Self::Store(error) => error.retry_after_seconds(),
            _ => None,
        }
    }
}
