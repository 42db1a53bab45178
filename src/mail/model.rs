//! A mail, and how far it is.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{queue::JobId, templates::Rendered};

/// After how long a mail is given up.
const LIFE: SignedDuration = SignedDuration::from_hours(24);

/// What is to be told to whom, by a template.
#[derive(Clone, Debug)]
pub struct Message {
    /// The address.
    pub to: String,
    /// The id of the user whose address it is, who reads in a language.
    pub user: Option<String>,
    /// The template, which is what the mail is about.
    pub template: &'static str,
    /// What is put into it.
    pub values: serde_json::Value,
}

impl Message {
    /// What a template says, to an address.
    pub fn new(template: &'static str, to: impl Into<String>, values: serde_json::Value) -> Self {
        Self { to: to.into(), user: None, template, values }
    }

    /// To a user, whose language may be known.
    #[must_use]
    pub fn for_user(self, user: &str) -> Self {
        Self { user: Some(user.to_owned()), ..self }
    }
}

/// What a mail says.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// The address.
    pub to: String,
    /// What it is about, for programs.
    pub kind: String,
    /// The subject line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
    /// Where one asks for no more such mails.
    pub unsubscribe: Option<String>,
}

impl Content {
    /// What a template has come to, to an address.
    #[must_use]
    pub fn of(rendered: Rendered, to: String, template: &str) -> Self {
        let Rendered { subject, text, html, .. } = rendered;
        Self { to, kind: template.to_owned(), subject, text, html, unsubscribe: None }
    }
}

/// How far a mail is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailState {
    /// It is to be sent.
    Waiting,
    /// A server for mail has taken it.
    Sent,
    /// It was given up.
    Failed,
}

/// A mail in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mail {
    /// Its place in the outbox.
    pub number: u64,
    /// The address.
    pub to: String,
    /// What it is about, for programs.
    pub kind: String,
    /// The subject line.
    pub subject: String,
    /// The text; empty once it was sent or given up.
    pub text: String,
    /// The same as HTML; absent once it was sent or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// Where one asks for no more such mails; absent once it was sent or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsubscribe: Option<String>,
    /// How far it is.
    pub state: MailState,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was sent or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The job that sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
}

impl Mail {
    pub(super) fn new(number: u64, content: Content, now: Timestamp) -> Self {
        let Content { to, kind, subject, text, html, unsubscribe } = content;
        Self {
            number,
            to,
            kind,
            subject,
            text,
            html,
            unsubscribe,
            state: MailState::Waiting,
            created_at: now,
            done_at: None,
            attempts: 0,
            error: None,
            job: None,
        }
    }

    /// Whether it is too late to send it.
    pub(super) fn is_stale(&self, now: Timestamp) -> bool {
        now.duration_since(self.created_at) >= LIFE
    }

    /// The mail after a server for mail has taken it, or it was given up. Its text is forgotten: it may hold a link that signs in.
    pub(super) fn done(self, outcome: Result<(), &Fault>, now: Timestamp) -> Self {
        let (state, error) = match outcome {
            Ok(()) => (MailState::Sent, None),
            Err(fault) => (MailState::Failed, Some(fault.text.clone())),
        };
        Self { state, error, done_at: Some(now), ..self.without_text() }
    }

    /// The mail without what it says.
    #[must_use]
    pub fn without_text(self) -> Self {
        Self { text: String::new(), html: None, unsubscribe: None, ..self }
    }
}

/// Why a mail was not sent.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// Whether trying again is in vain.
    pub(super) is_final: bool,
    /// For the outbox, the job and the log; nothing of the mail's text.
    pub(super) text: String,
}

impl Fault {
    pub(super) fn for_good(text: impl Into<String>) -> Self {
        Self { is_final: true, text: text.into() }
    }
}
