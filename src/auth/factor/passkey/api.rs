//! The endpoints of passkeys.

use std::sync::Arc;

use poem::Request;
use poem_openapi::{OpenApi, param::Path, payload::Json};

use super::dto::{
    AddedResponse, AnswerRequest, ChallengeResponse, PasskeyListResponse, RegisterRequest, SignInRequest, credential,
};
use crate::{
    auth::{
        AuthService, SessionReply,
        api::{Tag, visit_of},
        factor::dto::ProofRequest,
    },
    http::{ApiError, BoundedBody, Cookies, NoContent, caller_of, who_of},
};

/// Paths that anyone may call.
pub const PUBLIC: [&str; 2] = ["/api/v1/auth/passkeys/sign-in/options", "/api/v1/auth/passkeys/sign-in"];

/// The endpoints of passkeys.
#[derive(Debug)]
pub struct PasskeyApi {
    /// The use cases.
    pub auth: Arc<AuthService>,
    /// How browsers keep sessions.
    pub cookies: Cookies,
}

#[OpenApi(prefix_path = "/auth", tag = "Tag::Auth")]
impl PasskeyApi {
    /// Ask for a passkey to sign in with
    ///
    /// Anyone may call this. The browser lets its user choose among the passkeys that it has for this server.
    #[oai(path = "/passkeys/sign-in/options", method = "post", operation_id = "beginPasskeySignIn")]
    async fn begin_sign_in(&self) -> Result<Json<ChallengeResponse>, ApiError> {
        Ok(Json(self.auth.begin_passkey_sign_in()?.into()))
    }

    /// Sign in with a passkey
    ///
    /// Whoever has the passkey may call this. It takes no password, and no other factor.
    #[oai(path = "/passkeys/sign-in", method = "post", operation_id = "signInByPasskey")]
    async fn sign_in(&self, request: &Request, body: BoundedBody<SignInRequest>) -> Result<SessionReply, ApiError> {
        let SignInRequest { ceremony, credential: answer, cookies } = body.0;
        let cookies = self.cookies.kept(request, cookies)?;
        let signed_in = self.auth.sign_in_by_passkey(&ceremony, credential(answer), visit_of(request)).await?;
        Ok(SessionReply::new(signed_in, cookies))
    }

    /// Begin to add a passkey
    ///
    /// Everyone who is signed in in person may call this, with the password; who has none, within ten minutes of signing in.
    #[oai(path = "/passkeys/register/options", method = "post", operation_id = "beginPasskeyRegistration")]
    async fn begin(
        &self,
        request: &Request,
        body: BoundedBody<ProofRequest>,
    ) -> Result<Json<ChallengeResponse>, ApiError> {
        Ok(Json(
            self.auth.begin_passkey(&*caller_of(request)?, &who_of(request), body.0.current_password).await?.into(),
        ))
    }

    /// Add a passkey
    ///
    /// Everyone who is signed in in person may call this, with the answer of a device. From now on each sign-in asks for a second factor
    /// unless it is by passkey. The first second factor ends your other sessions, and the answer has recovery codes.
    #[oai(path = "/passkeys/register", method = "post", operation_id = "registerPasskey")]
    async fn add(
        &self,
        request: &Request,
        body: BoundedBody<RegisterRequest>,
    ) -> Result<Json<AddedResponse>, ApiError> {
        let RegisterRequest { ceremony, credential: answer, name } = body.0;
        let caller = caller_of(request)?;
        let (passkey, recovery_codes) =
            self.auth.add_passkey(&caller, who_of(request), &ceremony, (credential(answer), name)).await?;
        Ok(Json(AddedResponse { passkey: passkey.into(), recovery_codes }))
    }

    /// List my passkeys
    ///
    /// Everyone who is signed in in person may call this.
    #[oai(path = "/passkeys", method = "get", operation_id = "listPasskeys")]
    async fn list(&self, request: &Request) -> Result<Json<PasskeyListResponse>, ApiError> {
        let items = self.auth.passkeys_of(&*caller_of(request)?)?;
        Ok(Json(PasskeyListResponse { items: items.into_iter().map(Into::into).collect() }))
    }

    /// Remove one of my passkeys
    ///
    /// Everyone who is signed in in person may call this, with the password; who has none, within ten minutes of signing in.
    /// Your other sessions end.
    #[oai(path = "/passkeys/:id/remove", method = "post", operation_id = "removePasskey")]
    async fn remove(
        &self,
        request: &Request,
        /// The id of the passkey.
        #[oai(validator(min_length = 1, max_length = 2048))]
        id: Path<String>,
        body: BoundedBody<ProofRequest>,
    ) -> Result<NoContent, ApiError> {
        let caller = caller_of(request)?;
        self.auth.remove_passkey(&caller, who_of(request), id.0, body.0.current_password).await?;
        Ok(NoContent::Done)
    }

    /// Ask for a passkey as second factor
    ///
    /// Everyone who is signed in in person and has a passkey may call this, also while nothing else is open to the session.
    #[oai(path = "/second-factor/passkey/options", method = "post", operation_id = "beginPasskeyProof")]
    async fn begin_proof(&self, request: &Request) -> Result<Json<ChallengeResponse>, ApiError> {
        Ok(Json(self.auth.begin_passkey_proof(&*caller_of(request)?)?.into()))
    }

    /// Prove the second factor with a passkey
    ///
    /// Everyone who is signed in in person may call this, also while nothing else is open to the session. The tokens of the session stay
    /// as they are.
    #[oai(path = "/second-factor/passkey", method = "post", operation_id = "proveByPasskey")]
    async fn prove(&self, request: &Request, body: BoundedBody<AnswerRequest>) -> Result<NoContent, ApiError> {
        let AnswerRequest { ceremony, credential: answer } = body.0;
        let caller = caller_of(request)?;
        self.auth.prove_by_passkey(&caller, who_of(request), &ceremony, credential(answer)).await?;
        Ok(NoContent::Done)
    }
}
