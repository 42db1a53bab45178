//! A mail, and how far it is.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// After how long a mail is given up.
const LIFE: SignedDuration = SignedDuration::from_hours(24);
/// The pause after the first attempt, in seconds; it doubles with each.
const PAUSE_SECONDS: i64 = 30;
/// The longest pause, in seconds.
const PAUSE_SECONDS_MAX: i64 = 3_600;

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
    /// When it is tried next, or was done with.
    pub due_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Mail {
    pub(super) fn new(number: u64, message: Message, now: Timestamp) -> Self {
        let Message { to, kind, subject, text } = message;
        let state = MailState::Waiting;
        Self {
            number,
            to,
            kind: kind.into(),
            subject,
            text,
            state,
            created_at: now,
            due_at: now,
            attempts: 0,
            error: None,
        }
    }

    /// Whether it is too late to send it.
    pub(super) fn is_stale(&self, now: Timestamp) -> bool {
        now.duration_since(self.created_at) >= LIFE
    }

    /// The mail after an attempt: sent, to be tried again, or given up.
    pub(super) fn tried(self, outcome: Result<(), Fault>, now: Timestamp) -> Self {
        let attempts = self.attempts.saturating_add(1);
        let done = |state, error| Self { state, error, attempts, due_at: now, text: String::new(), ..self.clone() };
        match outcome {
            Ok(()) => done(MailState::Sent, None),
            Err(fault) if fault.is_final || self.is_stale(now) => done(MailState::Failed, Some(fault.text)),
            Err(fault) => {
                let doubled = PAUSE_SECONDS.checked_shl(attempts.saturating_sub(1)).unwrap_or(PAUSE_SECONDS_MAX);
                let pause = SignedDuration::from_secs(doubled.clamp(PAUSE_SECONDS, PAUSE_SECONDS_MAX));
                let due_at = now.saturating_add(pause).unwrap_or(now);
                Self { due_at, attempts, error: Some(fault.text), ..self }
            }
        }
    }
}

/// Why an attempt failed.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// Whether trying again is in vain.
    pub(super) is_final: bool,
    /// For the outbox and the log; nothing of the mail's text.
    pub(super) text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(is_final: bool) -> Result<(), Fault> {
        Err(Fault { is_final, text: "no".into() })
    }

    #[test]
    fn a_mail_is_tried_with_growing_pauses_for_a_day() {
        let mut now = Timestamp::from_second(0).unwrap();
        let message = Message { to: "a@b.c".into(), kind: "test", subject: "s".into(), text: "t".into() };
        let mut mail = Mail::new(1, message, now);
        let mut pauses = Vec::new();
        while mail.state == MailState::Waiting {
            mail = mail.tried(fault(false), now);
            pauses.push(mail.due_at.duration_since(now).as_secs());
            now = mail.due_at;
            assert!(pauses.len() < 100);
        }
        assert_eq!(pauses[..9], [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
        assert_eq!((mail.state, mail.text.as_str()), (MailState::Failed, ""));
        assert!(now.as_second() >= 86_400 && now.as_second() < 2 * 86_400);
    }

    #[test]
    fn a_sent_mail_keeps_no_text_and_a_refused_one_is_not_tried_again() {
        let now = Timestamp::from_second(0).unwrap();
        let message = Message { to: "a@b.c".into(), kind: "test", subject: "s".into(), text: "t".into() };
        let mail = Mail::new(1, message, now);
        let sent = mail.clone().tried(Ok(()), now);
        assert_eq!((sent.state, sent.text.as_str(), sent.attempts), (MailState::Sent, "", 1));
        assert_eq!(mail.tried(fault(true), now).state, MailState::Failed);
    }
}
