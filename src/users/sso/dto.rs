//! What the endpoints of single sign-on read and answer.

use std::collections::BTreeMap;

use poem_openapi::{Object, types::Example};
use serde::Deserialize;

use super::service::{Back, Proof, Waiting};
use crate::auth::Identity;

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const TICKET: &str = "Zr8QmB2xKp7A9fTeWd3st5YwLq9cV1nDb6HuXk0gJ4s";
const PAGE: &str = "https://app.example.com/signed-in";

/// A provider of single sign-on.
#[derive(Debug, Object)]
#[oai(rename = "SsoProvider", example)]
pub(super) struct ProviderResponse {
    /// Its name, by which sign-in begins.
    pub(super) name: String,
    /// What people call it.
    pub(super) label: String,
}

impl Example for ProviderResponse {
    fn example() -> Self {
        Self { name: "google".into(), label: "Google".into() }
    }
}

/// The providers of single sign-on.
#[derive(Debug, Object)]
#[oai(rename = "SsoProviderList", example)]
pub(super) struct ProviderListResponse {
    /// The providers, by name.
    pub(super) items: Vec<ProviderResponse>,
}

impl Example for ProviderListResponse {
    fn example() -> Self {
        Self { items: vec![ProviderResponse::example()] }
    }
}

/// A sign-in by a provider.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", rename = "SsoStart", example, skip_serializing_if_is_none)]
pub(super) struct StartRequest {
    /// The provider's name.
    #[oai(validator(max_length = 32))]
    pub(super) provider: String,
    /// The page to which the browser comes back: this server's `/account`, or an address in `auth.redirect_urls` as it is. Behind `#` it gets `sso=` and a ticket, or `sso-error=` and `denied`, `failed` or `stale`. Left out:
    /// `/account` of this server.
    #[serde(default)]
    #[oai(validator(max_length = 2000))]
    pub(super) redirect_to: Option<String>,
    /// The SHA-256 of a verifier, base64url: the verifier is a random text of 43 to 128 characters that the client keeps (RFC 7636).
    #[oai(validator(min_length = 43, max_length = 43))]
    pub(super) code_challenge: String,
}

impl StartRequest {
    pub(super) fn split(self) -> (String, Waiting) {
        let Self { provider, redirect_to, code_challenge } = self;
        (provider, Waiting { redirect_to, code_challenge })
    }
}

impl Example for StartRequest {
    fn example() -> Self {
        Self { provider: "google".into(), redirect_to: Some(PAGE.into()), code_challenge: CHALLENGE.into() }
    }
}

/// An identity to be linked to your account.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", rename = "IdentityLinkStart", example, skip_serializing_if_is_none)]
pub(super) struct LinkStartRequest {
    /// The provider's name.
    #[oai(validator(max_length = 32))]
    pub(super) provider: String,
    /// As at sign-in.
    #[serde(default)]
    #[oai(validator(max_length = 2000))]
    pub(super) redirect_to: Option<String>,
    /// As at sign-in.
    #[oai(validator(min_length = 43, max_length = 43))]
    pub(super) code_challenge: String,
    /// The password of your account. Who has none signs in again first.
    #[serde(default)]
    #[oai(validator(max_length = 1024))]
    pub(super) current_password: Option<String>,
}

impl LinkStartRequest {
    pub(super) fn split(self) -> (String, Waiting, Option<String>) {
        let Self { provider, redirect_to, code_challenge, current_password } = self;
        (provider, Waiting { redirect_to, code_challenge }, current_password)
    }
}

impl Example for LinkStartRequest {
    fn example() -> Self {
        let StartRequest { provider, redirect_to, code_challenge } = StartRequest::example();
        Self { provider, redirect_to, code_challenge, current_password: Some("a long enough password".into()) }
    }
}

/// Where the browser goes on.
#[derive(Debug, Object)]
#[oai(rename = "SsoStarted", example)]
pub(super) struct StartResponse {
    /// The address of the provider, good for ten minutes.
    pub(super) url: String,
}

impl Example for StartResponse {
    fn example() -> Self {
        Self { url: "https://accounts.google.com/o/oauth2/v2/auth?response_type=code".into() }
    }
}

/// What came back from the provider, to sign in with.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", rename = "SsoSignIn", example, skip_serializing_if_is_none)]
pub(super) struct SignInRequest {
    /// The ticket behind `#sso=`. It is good for ten minutes, once.
    #[oai(validator(max_length = 64))]
    pub(super) ticket: String,
    /// The verifier of the challenge.
    #[oai(validator(min_length = 43, max_length = 128))]
    pub(super) code_verifier: String,
    /// Of somebody who becomes a user: further fields of the record, those that `auth.registration_fields` names.
    #[serde(default)]
    pub(super) profile: Option<BTreeMap<String, serde_json::Value>>,
    /// For browsers: keep the tokens in cookies that no script can read, and out of the answer.
    #[serde(default)]
    pub(super) cookies: Option<bool>,
}

impl Example for SignInRequest {
    fn example() -> Self {
        Self { ticket: TICKET.into(), code_verifier: VERIFIER.into(), profile: None, cookies: Some(false) }
    }
}

/// What came back from the provider, to be linked to your account.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", rename = "IdentityLink", example)]
pub(super) struct LinkRequest {
    /// The ticket behind `#sso=`. It is good for ten minutes, once.
    #[oai(validator(max_length = 64))]
    pub(super) ticket: String,
    /// The verifier of the challenge.
    #[oai(validator(min_length = 43, max_length = 128))]
    pub(super) code_verifier: String,
}

impl From<LinkRequest> for Proof {
    fn from(request: LinkRequest) -> Self {
        Self { ticket: request.ticket, code_verifier: request.code_verifier }
    }
}

impl Example for LinkRequest {
    fn example() -> Self {
        Self { ticket: TICKET.into(), code_verifier: VERIFIER.into() }
    }
}

/// Who you are.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", rename = "IdentityRemoval", example)]
pub(super) struct RemovalRequest {
    /// The password of your account. Who has none signs in again first.
    #[serde(default)]
    #[oai(validator(max_length = 1024))]
    pub(super) current_password: Option<String>,
}

impl Example for RemovalRequest {
    fn example() -> Self {
        Self { current_password: Some("a long enough password".into()) }
    }
}

/// An identity for which a provider vouches, and by which you sign in.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "Identity", example, skip_serializing_if_is_none)]
pub(super) struct IdentityResponse {
    /// Its id.
    id: String,
    /// The provider's name.
    provider: String,
    /// The address that it had there when it was last used.
    email: Option<String>,
    /// When it was linked.
    created_at: String,
    /// When you signed in by it last.
    last_used_at: Option<String>,
}

impl From<Identity> for IdentityResponse {
    fn from(identity: Identity) -> Self {
        let Identity { id, provider, email, created_at, used_at, .. } = identity;
        Self { id, provider, email, created_at: created_at.to_string(), last_used_at: used_at.map(|at| at.to_string()) }
    }
}

impl Example for IdentityResponse {
    fn example() -> Self {
        Self {
            id: TICKET.into(),
            provider: "google".into(),
            email: Some("ann@example.com".into()),
            created_at: "2026-01-31T09:30:00Z".into(),
            last_used_at: Some("2026-02-01T08:00:00Z".into()),
        }
    }
}

/// Your identities, the oldest first.
#[derive(Debug, Object)]
#[oai(rename = "IdentityList", example)]
pub(super) struct IdentityListResponse {
    /// The identities.
    pub(super) items: Vec<IdentityResponse>,
}

impl Example for IdentityListResponse {
    fn example() -> Self {
        Self { items: vec![IdentityResponse::example()] }
    }
}

/// What Apple sends.
#[derive(Debug, Deserialize, Object)]
#[oai(rename = "SsoForm")]
pub(super) struct BackForm {
    /// What was sent to the provider.
    #[serde(default)]
    #[oai(validator(max_length = 64))]
    state: Option<String>,
    /// What the provider's tokens are got with.
    #[serde(default)]
    #[oai(validator(max_length = 4096))]
    code: Option<String>,
    /// Why there is none.
    #[serde(default)]
    #[oai(validator(max_length = 200))]
    error: Option<String>,
}

impl From<BackForm> for Back {
    fn from(form: BackForm) -> Self {
        Self { state: form.state, code: form.code, error: form.error, issuer: None }
    }
}
