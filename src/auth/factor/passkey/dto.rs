//! What the endpoints of passkeys read and answer.

use std::collections::BTreeMap;

use poem_openapi::{Object, types::Example};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{model::OwnPasskey, service::Challenge};

const CEREMONY: &str = "Zr8QmB2xKp7A9fTeWd3st5YwLq9cV1nDb6HuXk0gJ4s";

fn members(value: Value) -> BTreeMap<String, Value> {
    if let Value::Object(members) = value { members.into_iter().collect() } else { BTreeMap::new() }
}

/// What a device is to be asked. It is good for five minutes, once.
#[derive(Debug, Object)]
#[oai(rename = "PasskeyChallenge", example)]
pub(super) struct ChallengeResponse {
    /// To be given with the answer of the device.
    pub(super) ceremony: String,
    /// For `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON` of the browser.
    pub(super) options: BTreeMap<String, Value>,
}

impl From<Challenge> for ChallengeResponse {
    fn from(challenge: Challenge) -> Self {
        Self { ceremony: challenge.ceremony, options: members(challenge.options) }
    }
}

impl Example for ChallengeResponse {
    fn example() -> Self {
        let options = json!({"challenge": "3q2-7w", "rpId": "example.com", "userVerification": "required"});
        Self { ceremony: CEREMONY.into(), options: members(options) }
    }
}

/// The answer of a device.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", rename = "PasskeyAnswer", example)]
pub(super) struct AnswerRequest {
    /// That of the challenge.
    #[oai(validator(max_length = 64))]
    pub(super) ceremony: String,
    /// What `toJSON()` of the browser's `PublicKeyCredential` gives.
    pub(super) credential: BTreeMap<String, Value>,
}

impl Example for AnswerRequest {
    fn example() -> Self {
        let response =
            json!({"clientDataJSON": "e30", "authenticatorData": "AA", "signature": "AA", "userHandle": null});
        let credential = json!({"id": "AQID", "rawId": "AQID", "type": "public-key", "response": response});
        Self { ceremony: CEREMONY.into(), credential: members(credential) }
    }
}

/// The answer of a device that made a passkey.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", rename = "NewPasskey", example)]
pub(super) struct RegisterRequest {
    /// That of the challenge.
    #[oai(validator(max_length = 64))]
    pub(super) ceremony: String,
    /// What `toJSON()` of the browser's `PublicKeyCredential` gives.
    pub(super) credential: BTreeMap<String, Value>,
    /// What you call it.
    #[oai(validator(min_length = 1, max_length = 100))]
    pub(super) name: String,
}

impl Example for RegisterRequest {
    fn example() -> Self {
        let response = json!({"clientDataJSON": "e30", "attestationObject": "AA"});
        let credential = json!({"id": "AQID", "rawId": "AQID", "type": "public-key", "response": response});
        Self { ceremony: CEREMONY.into(), credential: members(credential), name: "My telephone".into() }
    }
}

/// A passkey.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "Passkey", example, skip_serializing_if_is_none)]
pub(super) struct PasskeyResponse {
    /// Its id.
    id: String,
    /// What you call it.
    name: String,
    /// When you added it.
    created_at: String,
    /// When you signed in with it last.
    last_used_at: Option<String>,
}

impl From<OwnPasskey> for PasskeyResponse {
    fn from(own: OwnPasskey) -> Self {
        let last_used_at = own.used_at.map(|at| at.to_string());
        Self { id: own.id, name: own.name, created_at: own.created_at.to_string(), last_used_at }
    }
}

impl Example for PasskeyResponse {
    fn example() -> Self {
        let (created_at, last_used_at) = ("2026-01-31T09:30:00Z".into(), Some("2026-02-01T08:00:00Z".into()));
        Self { id: "AQIDBAUGBwgJCgsMDQ4PEA".into(), name: "My telephone".into(), created_at, last_used_at }
    }
}

/// A passkey that was added.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "AddedPasskey", example)]
pub(super) struct AddedResponse {
    /// The passkey.
    pub(super) passkey: PasskeyResponse,
    /// With your first second factor: recovery codes, each good once in the place of one. They are shown this once.
    pub(super) recovery_codes: Vec<String>,
}

impl Example for AddedResponse {
    fn example() -> Self {
        Self { passkey: PasskeyResponse::example(), recovery_codes: vec!["Zr8Q-mB2x-Kp7A-9fTe-Wd3s".into()] }
    }
}

/// Your passkeys, the oldest first.
#[derive(Debug, Object)]
#[oai(rename = "PasskeyList", example)]
pub(super) struct PasskeyListResponse {
    /// The passkeys.
    pub(super) items: Vec<PasskeyResponse>,
}

impl Example for PasskeyListResponse {
    fn example() -> Self {
        Self { items: vec![PasskeyResponse::example()] }
    }
}

/// The answer of a device with which somebody signs in.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", rename = "PasskeySignIn", example)]
pub(super) struct SignInRequest {
    /// That of the challenge.
    #[oai(validator(max_length = 64))]
    pub(super) ceremony: String,
    /// What `toJSON()` of the browser's `PublicKeyCredential` gives.
    pub(super) credential: BTreeMap<String, Value>,
    /// For browsers: keep the tokens in cookies that no script can read, and out of the answer.
    #[serde(default)]
    pub(super) cookies: Option<bool>,
}

impl Example for SignInRequest {
    fn example() -> Self {
        let AnswerRequest { ceremony, credential } = AnswerRequest::example();
        Self { ceremony, credential, cookies: Some(false) }
    }
}

/// The answer of a device as the library reads it.
pub(super) fn credential(members: BTreeMap<String, Value>) -> Value {
    Value::Object(members.into_iter().collect())
}
