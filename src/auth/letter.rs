//! What users are told about their credentials, as plain text.

use crate::mail::Message;

/// To somebody whose password is another one now.
pub(super) fn password_changed(email: &str, ways: &[(&str, Vec<String>)]) -> Message {
    let mut text =
        "The password of your account was changed, and other sessions were ended. If this was not you, ask for a new \
                    password now, and tell those who run the server.\n"
            .to_owned();
    let others: Vec<_> = ways.iter().filter(|(_, names)| !names.is_empty()).collect();
    if !others.is_empty() {
        text += "\nOther ways into your account stay. Remove what is not yours.\n";
    }
    for (kind, names) in others {
        text += &format!("{kind}: {}.\n", names.join(", "));
    }
    Message { to: email.to_owned(), kind: "password.changed", subject: "Your password was changed".into(), text }
}

/// To the address that an account had before.
pub(super) fn email_changed(email: &str, new: &str) -> Message {
    Message {
        to: email.to_owned(),
        kind: "email.changed",
        subject: "Your e-mail address was changed".into(),
        text: format!(
            "The address of your account is {new} from now on. If this was not you, tell those who run the server at once.\n"
        ),
    }
}

/// To somebody who has deleted the account.
pub(super) fn deleted(email: &str) -> Message {
    Message {
        to: email.to_owned(),
        kind: "user.deleted",
        subject: "Your account was deleted".into(),
        text: "Your account was deleted, as you wished. If this was not you, tell those who run the server at once.\n"
            .into(),
    }
}

/// To somebody who has a second factor now, or none any more.
pub(super) fn factor_changed(email: &str, how: &str) -> Message {
    Message {
        to: email.to_owned(),
        kind: "factor.changed",
        subject: format!("A second factor was {how} your account"),
        text: format!(
            "A second factor for signing in was {how} your account. If this was not you, ask for a new password now, and tell those \
             who run the server.\n"
        ),
    }
}

/// To somebody who may sign in by another identity now, or not any more.
pub(super) fn identity_changed(email: &str, provider: &str, how: &str) -> Message {
    Message {
        to: email.to_owned(),
        kind: "identity.changed",
        subject: format!("A way to sign in was {how} your account"),
        text: format!(
            "An identity of {provider} for signing in was {how} your account. If this was not you, ask for a new password now, end all \
             sessions, and tell those who run the server.\n"
        ),
    }
}

/// To somebody whose account has to wait.
pub(super) fn locked(email: &str, failures: u32) -> Message {
    Message {
        to: email.to_owned(),
        kind: "session.locked",
        subject: "Attempts to sign in to your account fail".into(),
        text: format!(
            "{failures} attempts to sign in to your account have failed in a row, so the next ones have to wait, each longer than \
             the one before. If it was you, ask for a new password. If not, your password has held; let it be one that you use \
             nowhere else.\n"
        ),
    }
}
