//! What the endpoints of these flows read and answer.

use std::collections::BTreeMap;

use poem_openapi::{Object, types::Example};
use serde::Deserialize;

use super::OpenInvitation;

const TOKEN: &str = "3q2-7wXkq0u1m8b5T4y9c6V2n0p7r3s1d5f8g6h4j2k";

/// An address.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", example)]
pub(super) struct EmailRequest {
    /// The e-mail address.
    #[oai(validator(max_length = 254))]
    pub(super) email: String,
}

impl Example for EmailRequest {
    fn example() -> Self {
        Self { email: "ann@example.com".into() }
    }
}

/// Whom to invite.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", example, skip_serializing_if_is_none)]
pub(super) struct InvitationRequest {
    /// The e-mail address.
    #[oai(validator(max_length = 254))]
    pub(super) email: String,
    /// The roles that they get; absent for `user`.
    #[serde(default)]
    #[oai(validator(max_items = 20))]
    pub(super) roles: Option<Vec<String>>,
}

impl Example for InvitationRequest {
    fn example() -> Self {
        Self { email: "bob@example.com".into(), roles: Some(vec!["viewer".into()]) }
    }
}

/// An invitation that waits for its link to be used.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "Invitation", example)]
pub(super) struct InvitationResponse {
    /// The e-mail address.
    email: String,
    /// The roles that it gives.
    roles: Vec<String>,
    /// The id of who invited.
    invited_by: String,
    /// Until when it is good.
    expires_at: String,
}

impl From<OpenInvitation> for InvitationResponse {
    fn from(open: OpenInvitation) -> Self {
        let OpenInvitation { email, mut roles, by, expires_at } = open;
        if roles.is_empty() {
            roles.push("user".into());
        }
        Self { email, roles, invited_by: by, expires_at: expires_at.to_string() }
    }
}

impl Example for InvitationResponse {
    fn example() -> Self {
        Self {
            email: "bob@example.com".into(),
            roles: vec!["viewer".into()],
            invited_by: "0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c".into(),
            expires_at: "2026-02-07T09:30:00Z".into(),
        }
    }
}

/// Open invitations, by address.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "InvitationList", example, skip_serializing_if_is_none)]
pub(super) struct InvitationListResponse {
    /// The invitations.
    pub(super) items: Vec<InvitationResponse>,
    /// Give it as `cursor` for those behind these; absent when there are none.
    pub(super) next_cursor: Option<String>,
}

impl Example for InvitationListResponse {
    fn example() -> Self {
        Self { items: vec![InvitationResponse::example()], next_cursor: Some("bob@example.com".into()) }
    }
}

/// A new user, with the token that the mail brought.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", example, skip_serializing_if_is_none)]
pub(super) struct RegistrationRequest {
    /// The token of the link.
    #[oai(validator(max_length = 64))]
    pub(super) token: String,
    /// The password to sign in with.
    #[oai(validator(max_length = 1024))]
    pub(super) password: String,
    /// Further fields of the user's record: those that `auth.registration_fields` names.
    #[serde(default)]
    pub(super) profile: Option<BTreeMap<String, serde_json::Value>>,
    /// For browsers: keep the tokens in cookies that no script can read, and out of the answer.
    #[serde(default)]
    pub(super) cookies: Option<bool>,
}

impl Example for RegistrationRequest {
    fn example() -> Self {
        let profile = [("name".to_owned(), "Ann".into())].into_iter().collect();
        let password = "a long enough password".into();
        Self { token: TOKEN.into(), password, profile: Some(profile), cookies: Some(false) }
    }
}

/// The token that a mail brought.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", example)]
pub(super) struct LinkRequest {
    /// The token of the link.
    #[oai(validator(max_length = 64))]
    pub(super) token: String,
}

impl Example for LinkRequest {
    fn example() -> Self {
        Self { token: TOKEN.into() }
    }
}

/// Another address for one's own account.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", example)]
pub(super) struct NewEmailRequest {
    /// The address from now on.
    #[oai(validator(max_length = 254))]
    pub(super) new_email: String,
    /// Your password, if you have one. If not, sign in again first.
    #[serde(default)]
    #[oai(validator(max_length = 1024))]
    pub(super) current_password: Option<String>,
}

impl Example for NewEmailRequest {
    fn example() -> Self {
        Self { new_email: "ann@example.org".into(), current_password: Some("a long enough password".into()) }
    }
}

/// A new password, with the token that the mail brought.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", example)]
pub(super) struct ResetRequest {
    /// The token of the link.
    #[oai(validator(max_length = 64))]
    pub(super) token: String,
    /// The password from now on.
    #[oai(validator(max_length = 1024))]
    pub(super) password: String,
}

impl Example for ResetRequest {
    fn example() -> Self {
        Self { token: TOKEN.into(), password: "a long enough password".into() }
    }
}

/// How to go on after asking for a mail to sign in with.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "EmailSignIn", example)]
pub(super) struct EmailSignInResponse {
    /// Give it together with the code of the mail. It is answered for any address.
    pub(super) reference: String,
}

impl Example for EmailSignInResponse {
    fn example() -> Self {
        Self { reference: TOKEN.into() }
    }
}

/// What the mail brought: the token of its link, or the reference and the code.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", rename = "EmailSignInProof", example, skip_serializing_if_is_none)]
pub(super) struct EmailSignInRequest {
    /// The token of the link.
    #[serde(default)]
    #[oai(validator(max_length = 64))]
    pub(super) token: Option<String>,
    /// The reference that the request for the mail was answered with.
    #[serde(default)]
    #[oai(validator(max_length = 64))]
    pub(super) reference: Option<String>,
    /// The code of the mail.
    #[serde(default)]
    #[oai(validator(max_length = 16))]
    pub(super) code: Option<String>,
    /// For browsers: keep the tokens in cookies that no script can read, and out of the answer.
    #[serde(default)]
    pub(super) cookies: Option<bool>,
}

impl Example for EmailSignInRequest {
    fn example() -> Self {
        Self { token: None, reference: Some(TOKEN.into()), code: Some("04829174".into()), cookies: Some(false) }
    }
}
