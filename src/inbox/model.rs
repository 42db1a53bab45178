//! An entry of an inbox, and what a user wants to hear of.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    kernel::{Code, DomainError, FieldError},
    store::StoreError,
};

/// Something that a user was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The id: newer ones are greater.
    pub id: String,
    /// The template that says it.
    pub template: String,
    /// What it is about.
    pub category: String,
    /// The title.
    pub subject: String,
    /// What stands below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What was put into the template, for programs.
    pub values: Value,
    /// When.
    pub created_at: Timestamp,
    /// When the user has read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
}

/// How many entries an inbox has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) all: u64,
    pub(super) unread: u64,
    /// Moves on with each change.
    pub(super) version: u64,
}

/// How mails are gathered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Digest {
    /// Each is sent by itself.
    #[default]
    Off,
    /// Those of an hour are sent together.
    Hourly,
    /// Those of a day are sent together, in the morning.
    Daily,
}

/// By what a user wants to hear of a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Channels {
    /// By mail.
    #[serde(default = "yes")]
    pub email: bool,
    /// In the inbox.
    #[serde(default = "yes")]
    pub inbox: bool,
}

fn yes() -> bool {
    true
}

impl Default for Channels {
    fn default() -> Self {
        Self { email: true, inbox: true }
    }
}

/// What a user wants to hear of, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Preferences {
    /// How mails are gathered.
    pub digest: Digest,
    /// The time zone of the morning, by its IANA name; absent for UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// By category; what is absent is wanted.
    pub categories: BTreeMap<String, Channels>,
}

impl Preferences {
    /// By what the user wants to hear of a category.
    #[must_use]
    pub fn of(&self, category: &str) -> Channels {
        self.categories.get(category).copied().unwrap_or_default()
    }
}

/// A mail that waits for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub text: String,
}

/// A business outcome of a request about an inbox.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// The caller is no user in person.
    #[error("an inbox is a user's own: sign in in person, not by a key")]
    NotInPerson,
    /// There is no such entry.
    #[error("there is no entry \"{0}\" in your inbox")]
    NotFound(String),
    /// What was given is not valid.
    #[error("the preferences are not valid; see errors")]
    Invalid(Vec<FieldError>),
    /// The token of an unsubscribe link is not one of ours.
    #[error("the link is not valid; change what you want to hear of in your account")]
    InvalidToken,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DomainError for InboxError {
    fn code(&self) -> Code {
        match self {
            Self::NotInPerson => Code::Forbidden,
            Self::NotFound(_) => Code::NotFound,
            Self::Invalid(_) => Code::ValidationFailed,
            Self::InvalidToken => Code::InvalidToken,
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
