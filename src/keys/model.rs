//! A key, its owner, and what a key looks like.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    access::secret::{random_letters, same, secret_hash},
    kernel::RecordId,
};

/// What every key starts with, by which scanners for leaked secrets know it.
const PREFIX: &str = "stead_sk_";
/// The length of the part that names the key.
const ID_LENGTH: usize = 12;
/// The length of the secret part: 256 bits in letters and digits.
const SECRET_LENGTH: usize = 43;

/// For whom a key acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Owner {
    /// A user.
    User(RecordId),
    /// A service account.
    ServiceAccount(RecordId),
}

impl Owner {
    /// The owner's id.
    #[must_use]
    pub const fn id(&self) -> &RecordId {
        match self {
            Self::User(id) | Self::ServiceAccount(id) => id,
        }
    }
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Its id, which is a part of its text.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The hash of its text.
    pub(super) hash: String,
    /// For whom it acts.
    pub owner: Owner,
    /// `resource:action` texts: the most that it may do.
    pub permissions: Vec<String>,
    /// The networks from which it is taken; none for any.
    pub addresses: Vec<IpNet>,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was last used, within a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
    /// The address from which it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_from: Option<IpAddr>,
}

/// What a client says of a new key.
#[derive(Clone, Debug)]
pub struct KeyInput {
    /// What it is for.
    pub name: String,
    /// `resource:action` texts.
    pub permissions: Vec<String>,
    /// Networks or single addresses.
    pub addresses: Vec<String>,
    /// When it ends, as RFC 3339.
    pub expires_at: Option<String>,
    /// The service account for which it acts; absent for the caller.
    pub service_account: Option<String>,
}

/// Somebody who is no person: a program with roles, known by its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccount {
    /// Its id; `@auth.id` in rules.
    pub id: RecordId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The roles.
    pub roles: Vec<String>,
    /// Whether its keys are refused.
    pub disabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What a client says of a service account; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct ServiceAccountInput {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The roles.
    pub roles: Option<Vec<String>>,
    /// Whether its keys are refused.
    pub disabled: Option<bool>,
}

/// The text of a new key: its id, and all of it.
pub(super) fn new_text() -> (String, String) {
    let id = random_letters(ID_LENGTH);
    let text = format!("{PREFIX}{id}_{}", random_letters(SECRET_LENGTH));
    (id, text)
}

/// Whether a text means to be a key.
#[must_use]
pub fn is_key(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The id in the text of a key.
pub(super) fn id_of(text: &str) -> Option<&str> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    (id.len() == ID_LENGTH && secret.len() == SECRET_LENGTH).then_some(id)
}

impl Key {
    /// Whether this is the text of the key, and the key is still good.
    #[must_use]
    pub(super) fn opens(&self, text: &str, now: Timestamp) -> bool {
        same(self.hash.as_bytes(), secret_hash(text).as_bytes()) && self.is_good(now)
    }

    /// Whether the key has not ended.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_leads_to_its_key_and_no_other_text_does() {
        let (id, text) = new_text();
        assert_eq!(id_of(&text), Some(id.as_str()));
        assert!(is_key(&text));
        for other in
            ["", "stead_sk_", "stead_sk_short_secret", &text[1..], &text[..text.len() - 1], &format!("{text}x")]
        {
            assert_eq!(id_of(other), None, "{other}");
        }
    }
}
