//! The endpoints of the second factor.

use std::sync::Arc;

use poem::Request;
use poem_openapi::{OpenApi, payload::Json};
use qrcode::{QrCode, render::svg};

use super::dto::{CodeRequest, ProofRequest, RecoveryResponse, SetUpResponse};
use crate::{
    auth::{AuthError, AuthService, api::Tag},
    http::{ApiError, BoundedBody, NoContent, caller_of, who_of},
};

/// What a session may call whose second factor is not proven: to prove it, to set one up, to see who it is, to end.
pub const HALF: [&str; 9] = [
    "/api/v1/auth/second-factor",
    "/api/v1/auth/second-factor/passkey/options",
    "/api/v1/auth/second-factor/passkey",
    "/api/v1/auth/passkeys/register/options",
    "/api/v1/auth/passkeys/register",
    "/api/v1/auth/authenticator",
    "/api/v1/auth/authenticator/confirm",
    "/api/v1/auth/me",
    "/api/v1/auth/logout",
];

/// The least size of a QR code's picture, in pixels.
const PIXELS_MIN: u32 = 240;

/// The endpoints of the second factor.
#[derive(Debug)]
pub struct FactorApi {
    /// The use cases.
    pub auth: Arc<AuthService>,
}

#[OpenApi(prefix_path = "/auth", tag = "Tag::Auth")]
impl FactorApi {
    /// Prove the second factor
    ///
    /// Everyone who is signed in in person may call this, also while nothing else is open to the session. A recovery code does as
    /// well. The tokens of the session stay as they are.
    #[oai(path = "/second-factor", method = "post", operation_id = "proveSecondFactor")]
    async fn prove(&self, request: &Request, body: BoundedBody<CodeRequest>) -> Result<NoContent, ApiError> {
        self.auth.prove_factor(&*caller_of(request)?, who_of(request), body.0.code).await?;
        Ok(NoContent::Done)
    }

    /// Set up an authenticator
    ///
    /// Everyone who is signed in in person and has no authenticator may call this, with the password; who has no password, within ten
    /// minutes of signing in. It counts once it is confirmed.
    #[oai(path = "/authenticator", method = "post", operation_id = "setUpAuthenticator")]
    async fn set_up(
        &self,
        request: &Request,
        body: BoundedBody<ProofRequest>,
    ) -> Result<Json<SetUpResponse>, ApiError> {
        let made =
            self.auth.set_up_authenticator(&*caller_of(request)?, &who_of(request), body.0.current_password).await?;
        let code = QrCode::new(made.uri.as_bytes()).map_err(|_| AuthError::Crypto("the link fits no QR code"))?;
        let qr_svg = code.render::<svg::Color<'_>>().min_dimensions(PIXELS_MIN, PIXELS_MIN).build();
        Ok(Json(SetUpResponse { secret: made.secret, uri: made.uri, qr_svg }))
    }

    /// Confirm an authenticator
    ///
    /// Everyone who is signed in in person may call this, with a code of the app. From now on each sign-in asks for a second factor. The
    /// first one ends your other sessions, and the answer has recovery codes.
    #[oai(path = "/authenticator/confirm", method = "post", operation_id = "confirmAuthenticator")]
    async fn confirm(
        &self,
        request: &Request,
        body: BoundedBody<CodeRequest>,
    ) -> Result<Json<RecoveryResponse>, ApiError> {
        let caller = caller_of(request)?;
        let recovery_codes = self.auth.confirm_authenticator(&caller, who_of(request), body.0.code).await?;
        Ok(Json(RecoveryResponse { recovery_codes }))
    }

    /// Remove my authenticator
    ///
    /// Everyone who is signed in in person may call this, with a code of the app or a recovery code.
    #[oai(path = "/authenticator/remove", method = "post", operation_id = "removeAuthenticator")]
    async fn remove(&self, request: &Request, body: BoundedBody<CodeRequest>) -> Result<NoContent, ApiError> {
        self.auth.remove_authenticator(&*caller_of(request)?, who_of(request), body.0.code).await?;
        Ok(NoContent::Done)
    }

    /// Make new recovery codes
    ///
    /// Everyone who is signed in in person may call this, with a code of the app or a recovery code. The old ones are worthless then.
    #[oai(path = "/authenticator/recovery-codes", method = "post", operation_id = "renewRecoveryCodes")]
    async fn renew(
        &self,
        request: &Request,
        body: BoundedBody<CodeRequest>,
    ) -> Result<Json<RecoveryResponse>, ApiError> {
        let caller = caller_of(request)?;
        let recovery_codes = self.auth.new_recovery_codes(&caller, who_of(request), body.0.code).await?;
        Ok(Json(RecoveryResponse { recovery_codes }))
    }
}
