//! The endpoints of what users do by mail.

use std::sync::Arc;

use poem::Request;
use poem_openapi::{
    ApiResponse, OpenApi, Tags,
    param::{Header, Path, Query},
    payload::Json,
};

use super::{
    Flows, Registration, SignInProof,
    dto::{
        EmailRequest, EmailSignInRequest, EmailSignInResponse, InvitationListResponse, InvitationRequest, LinkRequest,
        NewEmailRequest, RegistrationRequest, ResetRequest,
    },
};
use crate::{
    auth::{SessionReply, api::visit_of},
    http::{ApiError, BoundedBody, Cookies, NoContent, caller_of, who_of},
    kernel::{Code, FieldError},
};

/// Paths that anyone may call: somebody may try to guess a token there, or have mails sent.
pub const PUBLIC: [&str; 7] = [
    "/api/v1/auth/register",
    "/api/v1/auth/register/confirm",
    "/api/v1/auth/verify-email/confirm",
    "/api/v1/auth/change-email/confirm",
    "/api/v1/auth/forgot-password",
    "/api/v1/auth/reset-password",
    "/api/v1/auth/email-sign-in",
];
/// Where somebody signs in with what a mail brought.
pub const EMAIL_SIGN_IN_PATH: &str = "/api/v1/auth/email-sign-in/confirm";

/// Groups of operations.
#[derive(Tags)]
enum Tag {
    /// Credentials of users and the first admin.
    Accounts,
}

#[derive(ApiResponse)]
enum Accepted {
    /// It is written down. If there is somebody to whom it applies, a mail goes out.
    #[oai(status = 202)]
    Asked,
}

#[derive(ApiResponse)]
enum SignInAsked {
    /// It is written down. If there is somebody to whom it applies, a mail goes out.
    #[oai(status = 202)]
    Asked(Json<EmailSignInResponse>),
}

/// The endpoints of what users do by mail.
#[derive(Debug)]
pub struct FlowsApi {
    /// The use cases.
    pub flows: Arc<Flows>,
    /// How browsers keep sessions.
    pub cookies: Cookies,
}

#[OpenApi(tag = "Tag::Accounts")]
impl FlowsApi {
    /// Register
    ///
    /// Anyone may call this where `auth.registration` is `open`. A mail brings a link; the user is made when it is used. The answer
    /// is the same for an address that has an account.
    #[oai(path = "/auth/register", method = "post", operation_id = "register")]
    async fn register(
        &self,
        request: &Request,
        /// The answer to the captcha, where one is configured.
        #[oai(name = "X-Captcha-Token", validator(max_length = 4096))]
        _captcha: Header<Option<String>>,
        body: BoundedBody<EmailRequest>,
    ) -> Result<Accepted, ApiError> {
        self.flows.register(&body.0.email, who_of(request)).await?;
        Ok(Accepted::Asked)
    }

    /// Finish a registration
    ///
    /// Whoever has the token of a registration or an invitation may call this, once. It makes the user and signs in.
    #[oai(path = "/auth/register/confirm", method = "post", operation_id = "confirmRegistration")]
    async fn confirm_registration(
        &self,
        request: &Request,
        body: BoundedBody<RegistrationRequest>,
    ) -> Result<SessionReply, ApiError> {
        let RegistrationRequest { token, password, profile, cookies } = body.0;
        let cookies = self.cookies.kept(request, cookies)?;
        let registration = Registration { token, password, profile: profile.unwrap_or_default() };
        let signed_in = self.flows.register_confirmed(registration, visit_of(request)).await?;
        Ok(SessionReply::new(signed_in, cookies))
    }

    /// Invite a user
    ///
    /// Who has the permission `users:create` may call this; giving roles other than `user` also takes `roles:assign` and everything that
    /// they permit. A mail brings a link that is good for a week. Inviting again sends a new one.
    #[oai(path = "/invitations", method = "post", operation_id = "inviteUser")]
    async fn invite(&self, request: &Request, body: BoundedBody<InvitationRequest>) -> Result<Accepted, ApiError> {
        let InvitationRequest { email, roles } = body.0;
        self.flows.invite(&*caller_of(request)?, who_of(request), &email, roles.unwrap_or_default()).await?;
        Ok(Accepted::Asked)
    }

    /// List open invitations
    ///
    /// Who has the permission `users:create` may call this. By address.
    #[oai(path = "/invitations", method = "get", operation_id = "listInvitations")]
    async fn invitations(
        &self,
        request: &Request,
        /// The most invitations of a page.
        #[oai(default = "limit_default", validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<usize>,
        /// The `nextCursor` of the page before.
        #[oai(validator(max_length = 254))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<InvitationListResponse>, ApiError> {
        let after = cursor.0.unwrap_or_default();
        let (open, next_cursor) = self.flows.invitations(&*caller_of(request)?, after, limit.0).await?;
        Ok(Json(InvitationListResponse { items: open.into_iter().map(Into::into).collect(), next_cursor }))
    }

    /// Take an invitation back
    ///
    /// Who has the permission `users:create` may call this. Its link does nothing any more.
    #[oai(path = "/invitations/:email", method = "delete", operation_id = "revokeInvitation")]
    async fn uninvite(
        &self,
        request: &Request,
        /// The address that was invited.
        #[oai(validator(min_length = 1, max_length = 254))]
        email: Path<String>,
    ) -> Result<NoContent, ApiError> {
        self.flows.uninvite(&*caller_of(request)?, who_of(request), &email.0).await?;
        Ok(NoContent::Done)
    }

    /// Have my address verified
    ///
    /// Everyone who is signed in in person may call this. A mail to the address of the account brings a link.
    #[oai(path = "/auth/verify-email", method = "post", operation_id = "verifyEmail")]
    async fn verify_email(&self, request: &Request) -> Result<Accepted, ApiError> {
        self.flows.verify_email(&*caller_of(request)?, who_of(request)).await?;
        Ok(Accepted::Asked)
    }

    /// Verify an address
    ///
    /// Whoever has the token of the mail may call this, once.
    #[oai(path = "/auth/verify-email/confirm", method = "post", operation_id = "confirmEmail")]
    async fn confirm_email(&self, request: &Request, body: BoundedBody<LinkRequest>) -> Result<NoContent, ApiError> {
        self.flows.email_verified(&body.0.token, who_of(request)).await?;
        Ok(NoContent::Done)
    }

    /// Change my address
    ///
    /// Everyone who is signed in in person may call this, with the password; who has none, within ten minutes of signing in. A mail to
    /// the new address brings a link; the old one holds until it is used, and is then told.
    #[oai(path = "/auth/change-email", method = "post", operation_id = "changeEmail")]
    async fn change_email(&self, request: &Request, body: BoundedBody<NewEmailRequest>) -> Result<Accepted, ApiError> {
        let NewEmailRequest { new_email, current_password } = body.0;
        self.flows.change_email(&*caller_of(request)?, who_of(request), &new_email, current_password).await?;
        Ok(Accepted::Asked)
    }

    /// Confirm a changed address
    ///
    /// Whoever has the token of the mail may call this, once.
    #[oai(path = "/auth/change-email/confirm", method = "post", operation_id = "confirmChangedEmail")]
    async fn confirm_change(&self, request: &Request, body: BoundedBody<LinkRequest>) -> Result<NoContent, ApiError> {
        self.flows.email_changed(&body.0.token, who_of(request)).await?;
        Ok(NoContent::Done)
    }

    /// Ask for a new password
    ///
    /// Anyone may call this. The answer is the same, and takes as long, for an address that is nobody's.
    #[oai(path = "/auth/forgot-password", method = "post", operation_id = "forgotPassword")]
    async fn forgot_password(
        &self,
        request: &Request,
        /// The answer to the captcha, where one is configured.
        #[oai(name = "X-Captcha-Token", validator(max_length = 4096))]
        _captcha: Header<Option<String>>,
        body: BoundedBody<EmailRequest>,
    ) -> Result<Accepted, ApiError> {
        self.flows.forgot_password(&body.0.email, who_of(request)).await?;
        Ok(Accepted::Asked)
    }

    /// Set a new password
    ///
    /// Whoever has the token of the mail may call this, once. All sessions end.
    #[oai(path = "/auth/reset-password", method = "post", operation_id = "resetPassword")]
    async fn reset_password(&self, request: &Request, body: BoundedBody<ResetRequest>) -> Result<NoContent, ApiError> {
        let ResetRequest { token, password } = body.0;
        self.flows.password_reset(&token, password, who_of(request)).await?;
        Ok(NoContent::Done)
    }

    /// Ask for a mail to sign in with
    ///
    /// Anyone may call this where `auth.email_sign_in` is on. The mail brings a link, and a code to be given with the reference of the
    /// answer. The answer is the same for an address that is nobody's.
    #[oai(path = "/auth/email-sign-in", method = "post", operation_id = "requestEmailSignIn")]
    async fn email_sign_in(
        &self,
        request: &Request,
        /// The answer to the captcha, where one is configured.
        #[oai(name = "X-Captcha-Token", validator(max_length = 4096))]
        _captcha: Header<Option<String>>,
        body: BoundedBody<EmailRequest>,
    ) -> Result<SignInAsked, ApiError> {
        let reference = self.flows.email_sign_in(&body.0.email, who_of(request)).await?;
        Ok(SignInAsked::Asked(Json(EmailSignInResponse { reference })))
    }

    /// Sign in with what a mail brought
    ///
    /// Whoever has the token, or the reference and the code, may call this, once. A code may be guessed five times.
    #[oai(path = "/auth/email-sign-in/confirm", method = "post", operation_id = "signInByEmail")]
    async fn confirm_sign_in(
        &self,
        request: &Request,
        body: BoundedBody<EmailSignInRequest>,
    ) -> Result<SessionReply, ApiError> {
        let EmailSignInRequest { token, reference, code, cookies } = body.0;
        let cookies = self.cookies.kept(request, cookies)?;
        let proof = match (token, reference, code) {
            (Some(token), None, None) => SignInProof::Token(token),
            (None, Some(reference), Some(code)) => SignInProof::Code { reference, code },
            _ => {
                let error = ApiError::new(Code::ValidationFailed, "the request is not valid; see errors");
                let detail = "give the token, or the reference and the code";
                return Err(error.with_errors(vec![FieldError::at("token", "required", detail)]));
            }
        };
        let signed_in = self.flows.signed_in_by_mail(proof, visit_of(request)).await?;
        Ok(SessionReply::new(signed_in, cookies))
    }
}

fn limit_default() -> usize {
    50
}
