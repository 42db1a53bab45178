//! A passkey of a user.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use webauthn_rs::prelude::{AuthenticationResult, Passkey, Uuid};

use crate::access::secret::sha256;

/// A passkey of a user.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::auth::factor) struct OwnPasskey {
    /// The id that the device gave it, base64url.
    pub(in crate::auth::factor) id: String,
    /// What the user calls it.
    pub(in crate::auth::factor) name: String,
    pub(super) created_at: Timestamp,
    /// When it was last used.
    pub(super) used_at: Option<Timestamp>,
    /// How often the device says that it was used; 0 of one that does not count.
    #[serde(default)]
    counter: u32,
    /// Its public key, and what is known of the device.
    pub(super) key: Passkey,
}

impl OwnPasskey {
    pub(super) fn new(key: Passkey, name: String, now: Timestamp) -> Self {
        Self { id: id_text(key.cred_id()), name, created_at: now, used_at: None, counter: 0, key }
    }

    /// What its user may read of it.
    pub(in crate::auth::factor) fn summary(&self) -> serde_json::Value {
        serde_json::json!({"name": self.name, "createdAt": self.created_at, "lastUsedAt": self.used_at})
    }

    /// The same after it was used. None when the counter of the device has not moved on: then there is a copy of the key.
    pub(super) fn used(mut self, result: &AuthenticationResult, now: Timestamp) -> Option<Self> {
        let counter = result.counter();
        let counts = counter > 0 || self.counter > 0;
        if counts && counter <= self.counter {
            return None;
        }
        self.key.update_credential(result);
        Some(Self { used_at: Some(now), counter, ..self })
    }
}

/// The id of a passkey as text.
pub(super) fn id_text(id: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(id)
}

/// By what devices know a user: nothing that tells who it is, always the same for one user.
pub(super) fn handle(user: &str) -> Uuid {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = sha256(user.as_bytes());
    Uuid::from_bytes([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
}
