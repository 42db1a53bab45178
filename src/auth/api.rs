//! The endpoints of sign-in.

use std::sync::Arc;

use poem_openapi::{Object, OpenApi, Tags, payload::Json};
use serde::{Deserialize, Serialize};

use super::AuthService;
use crate::http::{ApiError, JsonBody};

/// The path of sign-in.
pub const LOGIN_PATH: &str = "/api/v1/auth/login";

/// Groups of operations.
#[derive(Tags)]
enum Tag {
    /// Sign-in and tokens.
    Auth,
}

/// Who signs in.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", example)]
struct LoginRequest {
    /// The e-mail address.
    #[oai(validator(max_length = 254))]
    email: String,
    /// The password.
    #[oai(validator(max_length = 1024))]
    password: String,
}

impl poem_openapi::types::Example for LoginRequest {
    fn example() -> Self {
        Self { email: "ann@example.com".into(), password: "a long enough password".into() }
    }
}

/// A session.
#[derive(Debug, Serialize, Object)]
#[oai(rename_all = "camelCase", example)]
struct LoginResponse {
    /// Send it as `Authorization: Bearer …`.
    access_token: String,
    /// Always `Bearer`.
    token_type: String,
    /// For how long the token is good, in seconds.
    expires_in: u64,
    /// Who signed in.
    user: UserResponse,
}

/// A user.
#[derive(Debug, Serialize, Object)]
#[oai(rename_all = "camelCase")]
struct UserResponse {
    /// The id of the record in `users`.
    id: String,
    /// The e-mail address.
    email: String,
    /// The roles.
    roles: Vec<String>,
}

impl poem_openapi::types::Example for LoginResponse {
    fn example() -> Self {
        Self {
            access_token: "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSJ9.e30.c2ln".into(),
            token_type: "Bearer".into(),
            expires_in: 900,
            user: UserResponse {
                id: "0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c".into(),
                email: "ann@example.com".into(),
                roles: vec!["admin".into()],
            },
        }
    }
}

/// The endpoints of sign-in.
#[derive(Debug)]
pub struct AuthApi {
    /// The use cases.
    pub auth: Arc<AuthService>,
}

#[OpenApi(prefix_path = "/auth", tag = "Tag::Auth")]
impl AuthApi {
    /// Sign in
    ///
    /// Anyone may call this. An unknown address and a wrong password answer alike.
    #[oai(path = "/login", method = "post", operation_id = "login")]
    async fn login(&self, body: JsonBody<LoginRequest>) -> Result<Json<LoginResponse>, ApiError> {
        let LoginRequest { email, password } = body.0;
        let signed_in = self.auth.login(&email, password).await?;
        let account = signed_in.account;
        Ok(Json(LoginResponse {
            access_token: signed_in.access_token,
            token_type: "Bearer".into(),
            expires_in: signed_in.expires_in,
            user: UserResponse { id: account.id.to_string(), email: account.email, roles: account.roles },
        }))
    }
}
