//! A mail, and how far it is.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::queue::JobId;

/// After how long a mail is given up.
const LIFE: SignedDuration = SignedDuration::from_hours(24);

/// What is to be told to whom.
#[derive(Clone, Debug)]
pub struct Message {
    /// The address.
    pub to: String,
    /// What it is about, for programs: `password.reset`, …
    pub kind: &'static str,
    /// The subject line.
    pub subject: String,
    /// The text.
    pub text: String,
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
    pub(super) fn new(number: u64, message: Message, now: Timestamp) -> Self {
        let Message { to, kind, subject, text } = message;
        Self {
            number,
            to,
            kind: kind.into(),
            subject,
            text,
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
        Self { state, error, text: String::new(), done_at: Some(now), ..self }
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
