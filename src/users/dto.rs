//! What the endpoints of users read and answer.

use poem_openapi::{Enum, Object};
use serde::Deserialize;

use super::{Explanation, Question, Reason};
use crate::{
    access::Action,
    http::ApiError,
    kernel::{Code, FieldError},
};

/// The first admin.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub(super) struct SetUpRequest {
    /// The one-time token of the set-up link.
    #[oai(validator(max_length = 64))]
    pub(super) token: String,
    /// The e-mail address to sign in with.
    #[oai(validator(max_length = 254))]
    pub(super) email: String,
    /// The password to sign in with.
    #[oai(validator(max_length = 1024))]
    pub(super) password: String,
}

impl poem_openapi::types::Example for SetUpRequest {
    fn example() -> Self {
        Self {
            token: "3q2-7wXkq0u1m8b5T4y9c6V2n0p7r3s1d5f8g6h4j2k".into(),
            email: "ann@example.com".into(),
            password: "a long enough password".into(),
        }
    }
}

/// A user that was made.
#[derive(Debug, Object)]
#[oai(example)]
pub(super) struct MadeResponse {
    /// The id of the record in `users`.
    pub(super) id: String,
}

impl poem_openapi::types::Example for MadeResponse {
    fn example() -> Self {
        Self { id: "0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c".into() }
    }
}

/// A new password.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub(super) struct PasswordRequest {
    /// The password.
    #[oai(validator(max_length = 1024))]
    pub(super) password: String,
}

impl poem_openapi::types::Example for PasswordRequest {
    fn example() -> Self {
        Self { password: "a long enough password".into() }
    }
}

/// The hash of a password, from another system.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub(super) struct PasswordHashRequest {
    /// The hash as it was stored there: bcrypt, PBKDF2 or Argon2id.
    #[oai(validator(max_length = 512))]
    pub(super) hash: String,
}

impl poem_openapi::types::Example for PasswordHashRequest {
    fn example() -> Self {
        Self { hash: "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW".into() }
    }
}

/// An admin to make.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub(super) struct AdminRequest {
    /// The e-mail address to sign in with.
    #[oai(validator(max_length = 254))]
    pub(super) email: String,
    /// The password to sign in with.
    #[oai(validator(max_length = 1024))]
    pub(super) password: String,
}

impl poem_openapi::types::Example for AdminRequest {
    fn example() -> Self {
        Self { email: "ann@example.com".into(), password: "a long enough password".into() }
    }
}

/// A question about somebody's access.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example, skip_serializing_if_is_none)]
pub(super) struct ExplainRequest {
    /// The id of a user, a service account or a key.
    #[oai(validator(min_length = 1, max_length = 64))]
    subject: String,
    /// A collection, or `collections`, `users`, `roles`, `keys`, `audit`, `mail`, `auth`.
    #[oai(validator(min_length = 1, max_length = 64))]
    resource: String,
    /// `list`, `read`, `create`, `update`, `delete`, `assign` or `impersonate`.
    action: String,
    /// The id of one record of the collection.
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 64))]
    record: Option<String>,
}

impl ExplainRequest {
    pub(super) fn question(self) -> Result<Question, ApiError> {
        let Self { subject, resource, action, record } = self;
        let action = Action::ALL.into_iter().find(|known| known.name() == action).ok_or_else(|| {
            let names: Vec<_> = Action::ALL.into_iter().map(Action::name).collect();
            let fault = FieldError::at("action", "enum", format!("must be one of {}", names.join(", ")));
            ApiError::new(Code::ValidationFailed, "the request is not valid; see errors").with_errors(vec![fault])
        })?;
        Ok(Question { subject, resource, action, record })
    }
}

impl poem_openapi::types::Example for ExplainRequest {
    fn example() -> Self {
        Self {
            subject: "0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c".into(),
            resource: "posts".into(),
            action: "update".into(),
            record: Some("my-first-post".into()),
        }
    }
}

/// Whether somebody may do something.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "lowercase", rename = "AccessVerdict")]
enum Verdict {
    /// They may.
    Yes,
    /// They may not.
    No,
    /// It depends on the record, or on what is written.
    Depends,
}

impl From<Option<bool>> for Verdict {
    fn from(allowed: Option<bool>) -> Self {
        match allowed {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::Depends,
        }
    }
}

/// One reason of an answer.
#[derive(Debug, Object)]
#[oai(rename = "AccessReason", example)]
struct ReasonResponse {
    /// What speaks: `account`, `role`, `scope`, `rule` or `target`.
    kind: String,
    /// Its name: of a role, or the text of a rule.
    name: String,
    /// Whether it allows this.
    allows: Verdict,
    /// The same for people.
    detail: String,
}

impl From<Reason> for ReasonResponse {
    fn from(reason: Reason) -> Self {
        let Reason { kind, name, allows, detail } = reason;
        Self { kind: kind.into(), name, allows: allows.into(), detail }
    }
}

impl poem_openapi::types::Example for ReasonResponse {
    fn example() -> Self {
        Self {
            kind: "rule".into(),
            name: "author = @auth.id".into(),
            allows: Verdict::Yes,
            detail: "the rule of posts for update holds".into(),
        }
    }
}

/// Whether somebody may do something, and why.
#[derive(Debug, Object)]
#[oai(rename = "AccessExplanation", example)]
pub(super) struct ExplanationResponse {
    /// Whether they may.
    allowed: Verdict,
    /// Every reason, in the order in which they are looked at.
    reasons: Vec<ReasonResponse>,
}

impl From<Explanation> for ExplanationResponse {
    fn from(explanation: Explanation) -> Self {
        let reasons = explanation.reasons.into_iter().map(ReasonResponse::from).collect();
        Self { allowed: explanation.allowed.into(), reasons }
    }
}

impl poem_openapi::types::Example for ExplanationResponse {
    fn example() -> Self {
        Self { allowed: Verdict::Yes, reasons: vec![ReasonResponse::example()] }
    }
}
