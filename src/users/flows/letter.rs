//! The mails of these flows, by templates.

use serde_json::json;

use super::model::{Purpose, Ticket};
use crate::mail::Message;

/// The mail that brings a ticket.
pub(super) fn ticket(ticket: &Ticket, link: &str, code: Option<&str>) -> Message {
    let values = json!({"link": link, "life": life(ticket.purpose.minutes()), "code": code});
    let message = Message::new(kind(ticket.purpose), ticket.email.clone(), values);
    match &ticket.user {
        Some(user) => message.for_user(user),
        None => message,
    }
}

fn kind(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Register => "user.register",
        Purpose::Invite => "user.invite",
        Purpose::Verify => "email.verify",
        Purpose::ChangeEmail => "email.change",
        Purpose::Reset => "password.reset",
        Purpose::SignIn => "session.signIn",
    }
}

fn life(minutes: i64) -> String {
    match minutes {
        m if m >= 48 * 60 => format!("{} days", m / (24 * 60)),
        m if m >= 120 => format!("{} hours", m / 60),
        60 => "an hour".into(),
        m => format!("{m} minutes"),
    }
}

/// To somebody who registers, or wants an address, that has an account already.
pub(super) fn known_already(email: &str) -> Message {
    Message::new("user.knownAlready", email, json!({}))
}

/// To somebody who has become a user.
pub(super) fn welcome(email: &str) -> Message {
    Message::new("user.welcome", email, json!({"email": email}))
}
