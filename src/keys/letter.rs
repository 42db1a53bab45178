//! What people are told about keys, by a template.

use serde_json::json;

use super::{Key, Owner};
use crate::mail::Message;

/// To who has made a key.
pub(super) fn made(email: &str, key: &Key) -> Message {
    let whose = match &key.owner {
        Owner::User(_) => "your account",
        Owner::ServiceAccount(_) => "a service account",
    };
    Message::new("key.created", email, json!({"name": key.name, "whose": whose}))
}
