//! The endpoints of users beyond those of any collection.

use std::sync::Arc;

use poem::Request;
use poem_openapi::{ApiResponse, Object, OpenApi, Tags, param::Path, payload::Json};
use serde::Deserialize;

use super::UserService;
use crate::{
    http::{ApiError, JsonBody, caller_of, request_id_of},
    records::Caller,
};

/// The path of set-up.
pub const SETUP_PATH: &str = "/api/v1/setup";

/// Groups of operations.
#[derive(Tags)]
enum Tag {
    /// Credentials of users and the first admin.
    Accounts,
}

/// The first admin.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
struct SetUpRequest {
    /// The one-time token of the set-up link.
    #[oai(validator(max_length = 64))]
    token: String,
    /// The e-mail address to sign in with.
    #[oai(validator(max_length = 254))]
    email: String,
    /// The password to sign in with.
    #[oai(validator(max_length = 1024))]
    password: String,
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
struct MadeResponse {
    /// The id of the record in `users`.
    id: String,
}

impl poem_openapi::types::Example for MadeResponse {
    fn example() -> Self {
        Self { id: "0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c".into() }
    }
}

#[derive(ApiResponse)]
enum Made {
    /// The admin was made.
    #[oai(status = 201)]
    Created(Json<MadeResponse>),
}

#[derive(ApiResponse)]
enum Done {
    /// It is done.
    #[oai(status = 204)]
    NoContent,
}

/// A new password.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
struct PasswordRequest {
    /// The password.
    #[oai(validator(max_length = 1024))]
    password: String,
}

impl poem_openapi::types::Example for PasswordRequest {
    fn example() -> Self {
        Self { password: "a long enough password".into() }
    }
}

/// An admin to make.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
struct AdminRequest {
    /// The e-mail address to sign in with.
    #[oai(validator(max_length = 254))]
    email: String,
    /// The password to sign in with.
    #[oai(validator(max_length = 1024))]
    password: String,
}

impl poem_openapi::types::Example for AdminRequest {
    fn example() -> Self {
        Self { email: "ann@example.com".into(), password: "a long enough password".into() }
    }
}

/// The endpoints of users.
#[derive(Debug)]
pub struct UsersApi {
    /// The use cases.
    pub users: Arc<UserService>,
}

#[OpenApi(tag = "Tag::Accounts")]
impl UsersApi {
    /// Make the first admin
    ///
    /// Whoever has the one-time token that the server printed at its first start may call this, once.
    #[oai(path = "/setup", method = "post", operation_id = "setUp")]
    async fn set_up(&self, body: JsonBody<SetUpRequest>) -> Result<Made, ApiError> {
        let SetUpRequest { token, email, password } = body.0;
        let id = self.users.set_up(&token, &email, password).await?;
        Ok(Made::Created(Json(MadeResponse { id: id.to_string() })))
    }

    /// Make an admin
    ///
    /// Who may create users may call this.
    #[oai(path = "/users/admins", method = "post", operation_id = "createAdmin")]
    async fn create_admin(&self, request: &Request, body: JsonBody<AdminRequest>) -> Result<Made, ApiError> {
        let caller = caller(request)?;
        if !caller.principal.may("users", crate::access::Action::Create) {
            return Err(super::UserError::Forbidden.into());
        }
        let id = self.users.create_admin(&body.0.email, body.0.password, None).await?;
        Ok(Made::Created(Json(MadeResponse { id: id.to_string() })))
    }

    /// Set a user's password
    ///
    /// Who may update users may call this. Access tokens of the user from before end.
    #[oai(path = "/users/:id/password", method = "put", operation_id = "setPassword")]
    async fn set_password(
        &self,
        request: &Request,
        /// The id of the user.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
        body: JsonBody<PasswordRequest>,
    ) -> Result<Done, ApiError> {
        self.users.set_password(&caller(request)?, &id.0, body.0.password).await?;
        Ok(Done::NoContent)
    }
}

fn caller(request: &Request) -> Result<Caller, ApiError> {
    Ok(Caller { principal: caller_of(request)?, request_id: request_id_of(request) })
}
