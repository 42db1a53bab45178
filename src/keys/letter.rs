//! What people are told about keys, as plain text.

use super::{Key, Owner};
use crate::mail::Message;

/// To who has made a key.
pub(super) fn made(email: &str, key: &Key) -> Message {
    let whose = match &key.owner {
        Owner::User(_) => "your account",
        Owner::ServiceAccount(_) => "a service account",
    };
    Message {
        to: email.to_owned(),
        kind: "key.created",
        subject: format!("A key of {whose} was made"),
        text: format!(
            "The key \"{}\" was made in your name, by which a program can act for {whose}. If this was not you, ask for a new password \
             now, remove the key, and tell those who run the server.\n",
            key.name
        ),
    }
}
