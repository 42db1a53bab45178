//! What is to be told, to whom, and what can go wrong with it.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    kernel::{Code, DomainError, FieldError},
    queue::QueueError,
    store::StoreError,
    templates::TemplateError,
};

/// The most that one request tells it to.
pub(super) const RECIPIENTS_MAX: usize = 1_000;

/// A way to tell somebody something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Channel {
    Email,
    Inbox,
}

/// What is to be told.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Order {
    pub(super) template: String,
    /// Ids of users.
    #[serde(default)]
    pub(super) users: Vec<String>,
    /// Addresses of others.
    #[serde(default)]
    pub(super) emails: Vec<String>,
    #[serde(default = "nothing")]
    pub(super) values: Value,
    /// A language for those of whom no other one is known.
    pub(super) locale: Option<String>,
    /// Where it leads.
    pub(super) link: Option<String>,
    /// By what; absent for all.
    pub(super) channels: Option<Vec<Channel>>,
    /// The id of a webhook that is told, too.
    pub(super) webhook: Option<String>,
}

fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}

impl Order {
    pub(super) fn wants(&self, channel: Channel) -> bool {
        self.channels.as_ref().is_none_or(|channels| channels.contains(&channel))
    }

    /// What is wrong with it before anything is looked up.
    pub(super) fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        let count = self.users.len() + self.emails.len();
        if count > RECIPIENTS_MAX || (count == 0 && self.webhook.is_none()) {
            faults.push(FieldError::at(
                "users",
                "too_long",
                "tell it to 1 to 1,000 users and emails together, or to a webhook",
            ));
        }
        for (at, email) in self.emails.iter().enumerate() {
            if email.parse::<lettre::Address>().is_err() {
                faults.push(FieldError::new(format!("/emails/{at}"), "format", "must be an e-mail address"));
            }
        }
        let is_link = |link: &String| {
            link.len() <= 2_000
                && (link.starts_with('/') || link.starts_with("https://") || link.starts_with("http://"))
        };
        if self.link.as_ref().is_some_and(|link| !is_link(link)) {
            faults.push(FieldError::at(
                "link",
                "format",
                "must begin with / or https://, and have at most 2,000 bytes",
            ));
        }
        faults
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Done {
    /// Entries of inboxes.
    pub(super) entries: u32,
    /// Mails.
    pub(super) mails: u32,
    /// Mails that wait for the next digest.
    pub(super) gathered: u32,
    /// Users who did not want to hear of it, or are disabled.
    pub(super) skipped: u32,
}

/// A business outcome of a request to tell users something.
#[derive(Debug, thiserror::Error)]
pub enum NotificationError {
    /// The caller may not do this.
    #[error("your roles do not permit this: it takes {0}")]
    Forbidden(&'static str),
    /// What was given is not valid.
    #[error("the notification is not valid; see errors")]
    Invalid(Vec<FieldError>),
    /// The template cannot say it.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// No job can be made.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DomainError for NotificationError {
    fn code(&self) -> Code {
        match self {
            Self::Forbidden(_) => Code::Forbidden,
            Self::Invalid(_) => Code::ValidationFailed,
            Self::Template(error) => error.code(),
            Self::Queue(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn field_errors(&self) -> &[FieldError] {
        match self {
            Self::Invalid(errors) => errors,
            Self::Template(error) => error.field_errors(),
            Self::Queue(error) => error.field_errors(),
            _ => &[],
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Store(error) => error.retry_after_seconds(),
            Self::Queue(error) => error.retry_after_seconds(),
            _ => None,
        }
    }
}
