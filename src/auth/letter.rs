//! What users are told about their credentials, by templates.

use serde_json::json;

use crate::mail::Message;

/// To somebody whose password is another one now.
pub(super) fn password_changed(email: &str, ways: &[(&str, Vec<String>)]) -> Message {
    let others = ways.iter().filter(|(_, names)| !names.is_empty());
    let ways: Vec<_> = others.map(|(kind, names)| json!({"kind": kind, "names": names})).collect();
    Message::new("password.changed", email, json!({"ways": ways}))
}

/// To the address that an account had before.
pub(super) fn email_changed(email: &str, new: &str) -> Message {
    Message::new("email.changed", email, json!({"newEmail": new}))
}

/// To somebody who has deleted the account.
pub(super) fn deleted(email: &str) -> Message {
    Message::new("user.deleted", email, json!({}))
}

/// To somebody who has a second factor now, or none any more.
pub(super) fn factor_changed(email: &str, how: &str) -> Message {
    Message::new("factor.changed", email, json!({"how": how}))
}

/// To somebody who may sign in by another identity now, or not any more.
pub(super) fn identity_changed(email: &str, provider: &str, how: &str) -> Message {
    Message::new("identity.changed", email, json!({"provider": provider, "how": how}))
}

/// To somebody whose account has to wait.
pub(super) fn locked(email: &str, failures: u32) -> Message {
    Message::new("session.locked", email, json!({"failures": failures}))
}
