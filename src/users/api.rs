//! The endpoints of users beyond those of any collection.

use std::sync::Arc;

use poem::Request;
use poem_openapi::{ApiResponse, OpenApi, Tags, param::Path, payload::Json};

use super::{
    NewPassword, UserService,
    dto::{
        AdminRequest, ExplainRequest, ExplanationResponse, MadeResponse, PasswordHashRequest, PasswordRequest,
        SetUpRequest,
    },
};
use crate::{
    access::Who,
    auth::{AuthService, SessionReply, api::visit_of},
    http::{ApiError, BoundedBody, NoContent, address_of, caller_of, request_id_of, who_of},
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

#[derive(ApiResponse)]
enum Made {
    /// The admin was made.
    #[oai(status = 201)]
    Created(Json<MadeResponse>),
}

/// The endpoints of users.
#[derive(Debug)]
pub struct UsersApi {
    /// The use cases.
    pub users: Arc<UserService>,
    /// Sessions.
    pub auth: Arc<AuthService>,
}

#[OpenApi(tag = "Tag::Accounts")]
impl UsersApi {
    /// Make the first admin
    ///
    /// Whoever has the one-time token that the server printed at its first start may call this, once.
    #[oai(path = "/setup", method = "post", operation_id = "setUp")]
    async fn set_up(&self, request: &Request, body: BoundedBody<SetUpRequest>) -> Result<Made, ApiError> {
        let who = Who { actor: "setup".into(), ..who_of(request) };
        let SetUpRequest { token, email, password } = body.0;
        let id = self.users.set_up(who, &token, &email, password).await?;
        Ok(Made::Created(Json(MadeResponse { id: id.to_string() })))
    }

    /// Make an admin
    ///
    /// Only admins and the operator may call this.
    #[oai(path = "/users/admins", method = "post", operation_id = "createAdmin")]
    async fn create_admin(&self, request: &Request, body: BoundedBody<AdminRequest>) -> Result<Made, ApiError> {
        let caller = caller(request)?;
        let admins = crate::access::Permissions::everything();
        if !caller.principal.may("users", crate::access::Action::Create) || !caller.principal.covers(&admins) {
            return Err(super::UserError::Forbidden.into());
        }
        let id = self.users.create_admin(who_of(request), &body.0.email, body.0.password, None).await?;
        Ok(Made::Created(Json(MadeResponse { id: id.to_string() })))
    }

    /// Explain what somebody may do
    ///
    /// Who has the permission `auth:read` may call this. The answer tells of each role, of a key's scope and of the collection's rule
    /// whether it allows the action, as the checks of a request would find it.
    #[oai(path = "/auth/explain", method = "post", operation_id = "explainAccess")]
    async fn explain(
        &self,
        request: &Request,
        body: BoundedBody<ExplainRequest>,
    ) -> Result<Json<ExplanationResponse>, ApiError> {
        let caller = caller_of(request)?;
        let explanation = self.users.explain(&caller, &body.0.question()?)?;
        Ok(Json(explanation.into()))
    }

    /// Set a user's password
    ///
    /// Who has the permission `users:update` and everything that the user may do may call this for others. All sessions of the user
    /// end. With a key it sets only the first password, of who has never signed in.
    #[oai(path = "/users/:id/password", method = "put", operation_id = "setPassword")]
    async fn set_password(
        &self,
        request: &Request,
        /// The id of the user.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
        body: BoundedBody<PasswordRequest>,
    ) -> Result<NoContent, ApiError> {
        self.users.set_password(&caller(request)?, &id.0, NewPassword::Plain(body.0.password)).await?;
        Ok(NoContent::Done)
    }

    /// Bring a user's password from another system
    ///
    /// Who has the permission `users:update` and everything that the user may do may call this for others. All sessions of the user
    /// end. The hash becomes one of Stead's own when the user signs in. With a key it sets only the first password, of who has never
    /// signed in.
    #[oai(path = "/users/:id/password-hash", method = "put", operation_id = "setPasswordHash")]
    async fn set_password_hash(
        &self,
        request: &Request,
        /// The id of the user.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
        body: BoundedBody<PasswordHashRequest>,
    ) -> Result<NoContent, ApiError> {
        self.users.set_password(&caller(request)?, &id.0, NewPassword::Hash(body.0.hash)).await?;
        Ok(NoContent::Done)
    }

    /// End all sessions of a user
    ///
    /// Who has the permission `users:update` and everything that the user may do may call this, but no key. Tokens of the user are
    /// worthless with the next request.
    #[oai(path = "/users/:id/sessions", method = "delete", operation_id = "endUserSessions")]
    async fn end_sessions(
        &self,
        request: &Request,
        /// The id of the user.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
    ) -> Result<NoContent, ApiError> {
        self.auth.end_sessions(&*caller_of(request)?, who_of(request), &id.0).await?;
        Ok(NoContent::Done)
    }

    /// Remove a user's second factor
    ///
    /// Who has the permission `users:update` and everything that the user may do may call this for others who have lost it, but no key.
    /// All sessions of the user end, and a mail tells the user.
    #[oai(path = "/users/:id/second-factor", method = "delete", operation_id = "resetSecondFactor")]
    async fn reset_factor(
        &self,
        request: &Request,
        /// The id of the user.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
    ) -> Result<NoContent, ApiError> {
        self.auth.reset_factor(&*caller_of(request)?, who_of(request), &id.0).await?;
        Ok(NoContent::Done)
    }

    /// Act as a user
    ///
    /// Who has the permission `users:impersonate`, everything that the user may do, and a session of their own may call this.
    /// The session ends after the life of one access token; the audit log, the request log and the token tell who acts.
    #[oai(path = "/users/:id/impersonate", method = "post", operation_id = "impersonateUser")]
    async fn impersonate(
        &self,
        request: &Request,
        /// The id of the user.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
    ) -> Result<SessionReply, ApiError> {
        let signed_in = self.auth.impersonate(&*caller_of(request)?, &id.0, visit_of(request)).await?;
        Ok(SessionReply::new(signed_in, None))
    }
}

pub(super) fn caller(request: &Request) -> Result<Caller, ApiError> {
    let (request_id, address) = (request_id_of(request), address_of(request));
    Ok(Caller { principal: caller_of(request)?, request_id, address, renewal: None })
}
