//! The mails of these flows, as plain text.

use super::model::{Purpose, Ticket};
use crate::mail::Message;

/// The mail that brings a ticket.
pub(super) fn ticket(ticket: &Ticket, link: &str, code: Option<&str>) -> Message {
    let (subject, what) = match ticket.purpose {
        Purpose::Register => {
            ("Finish your registration", "To finish your registration, open this link and choose a password:")
        }
        Purpose::Invite => ("You are invited", "You are invited. To join, open this link and choose a password:"),
        Purpose::Verify => ("Confirm your e-mail address", "To confirm that this is your address, open this link:"),
        Purpose::ChangeEmail => {
            ("Confirm your new e-mail address", "To make this the address of your account, open this link:")
        }
        Purpose::Reset => ("Set a new password", "To set a new password, open this link:"),
        Purpose::SignIn => ("Sign in", "To sign in, open this link:"),
    };
    let code = code.map(|code| format!("\nOr type this code where you asked for it: {code}\n")).unwrap_or_default();
    let life = life(ticket.purpose.minutes());
    let text = format!(
        "{what}\n\n{link}\n{code}\nIt is good for {life}, and once. If you did not ask for this, do nothing: nothing changes without it.\n"
    );
    Message { to: ticket.email.clone(), kind: kind(ticket.purpose), subject: subject.into(), text }
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
    Message {
        to: email.to_owned(),
        kind: "user.knownAlready",
        subject: "You have an account already".into(),
        text:
            "Somebody, perhaps you, wanted to use this address for an account. There is one with it already: sign in, \
               or ask for a new password there. If it was not you, do nothing: nothing has changed.\n"
                .into(),
    }
}
