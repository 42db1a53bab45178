//! Secrets, and the signatures made with them: `v1` of
//! [Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::secret::random;

/// The length of a secret, in bytes.
const LENGTH: usize = 32;
/// What the text of a secret begins with.
const PREFIX: &str = "whsec_";

/// What messages are signed with.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Secret {
    /// Its text: the prefix, and base64.
    text: String,
    /// Until when it is used beside a newer one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<Timestamp>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("until", &self.until).finish_non_exhaustive()
    }
}

impl Secret {
    pub(super) fn new() -> Self {
        Self { text: format!("{PREFIX}{}", STANDARD.encode(random::<LENGTH>())), until: None }
    }

    /// The text, for whoever made it to keep.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let key = STANDARD.decode(self.text.trim_start_matches(PREFIX)).unwrap_or_default();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }
}

/// The value of `webhook-signature`: by every secret that is in use at this time.
pub(super) fn signatures(secrets: &[Secret], id: &str, now: Timestamp, body: &str) -> String {
    let in_use = secrets.iter().filter(|secret| secret.until.is_none_or(|until| until > now));
    in_use.map(|secret| secret.sign(id, now.as_second(), body)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secret = Secret { text: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(), until: None };
        let now = Timestamp::from_second(1_614_265_330).unwrap();
        let body = r#"{"test": 2432232314}"#;
        let old = Secret { until: Some(now), ..Secret::new() };
        let signed = signatures(&[secret, old], "msg_p5jXN8AQM9LWM0D4loKWxJek", now, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
