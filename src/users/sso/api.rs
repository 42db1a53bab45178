//! The endpoints of single sign-on.

use std::sync::Arc;

use poem::Request;
use poem_openapi::{
    ApiResponse, OpenApi, Tags,
    param::{Path, Query},
    payload::Json,
};

use super::{
    Sso,
    dto::{
        BackForm, IdentityListResponse, IdentityResponse, LinkRequest, LinkStartRequest, ProviderListResponse,
        ProviderResponse, RemovalRequest, SignInRequest, StartRequest, StartResponse,
    },
    service::{Back, Proof},
};
use crate::{
    auth::{AuthService, SessionReply, api::visit_of},
    http::{ApiError, BoundedBody, BoundedForm, Cookies, NoContent, caller_of, who_of},
};

/// Paths that anyone may call, without trying to guess anything: the list of providers, and where these send people back.
pub const PUBLIC: [&str; 2] = ["/api/v1/auth/sso", "/api/v1/auth/sso/callback/{provider}"];
/// Paths where somebody signs in.
pub const SIGN_IN: [&str; 2] = ["/api/v1/auth/sso/start", "/api/v1/auth/sso/sign-in"];

/// Groups of operations.
#[derive(Tags)]
enum Tag {
    /// Sign-in, sessions and tokens.
    Auth,
}

#[derive(ApiResponse)]
enum GoOn {
    /// The browser goes on to the page where sign-in was begun, with a ticket or the name of an error.
    #[oai(status = 303)]
    To(#[oai(header = "Location")] String, #[oai(header = "Cache-Control")] String),
}

impl GoOn {
    fn to(address: String) -> Self {
        Self::To(address, "no-store".into())
    }
}

/// The endpoints of single sign-on.
#[derive(Debug)]
pub struct SsoApi {
    /// The use cases.
    pub sso: Arc<Sso>,
    /// Users' identities.
    pub auth: Arc<AuthService>,
    /// How browsers keep sessions.
    pub cookies: Cookies,
}

#[OpenApi(prefix_path = "/auth", tag = "Tag::Auth")]
impl SsoApi {
    /// List the providers of single sign-on
    ///
    /// Anyone may call this: it is what a page for signing in shows.
    #[oai(path = "/sso", method = "get", operation_id = "listSsoProviders")]
    async fn list(&self) -> Json<ProviderListResponse> {
        let of = |(name, label)| ProviderResponse { name, label };
        Json(ProviderListResponse { items: self.sso.providers().into_iter().map(of).collect() })
    }

    /// Begin to sign in by a provider
    ///
    /// Anyone may call this. The client makes a random verifier, keeps it, sends its hash here, and the browser to the address of the
    /// answer. The browser comes back with a ticket, which signs in together with the verifier.
    #[oai(path = "/sso/start", method = "post", operation_id = "beginSsoSignIn")]
    async fn start(&self, body: BoundedBody<StartRequest>) -> Result<Json<StartResponse>, ApiError> {
        let (provider, waiting) = body.0.split();
        Ok(Json(StartResponse { url: self.sso.begin(&provider, waiting).await? }))
    }

    /// Come back from a provider
    ///
    /// Anyone may call this, but only a browser that the provider sends back has what it takes.
    #[oai(path = "/sso/callback/:provider", method = "get", operation_id = "finishSsoByRedirect")]
    async fn back(
        &self,
        /// The provider's name.
        #[oai(validator(max_length = 32))]
        provider: Path<String>,
        /// What was sent to the provider.
        #[oai(validator(max_length = 64))]
        state: Query<Option<String>>,
        /// What the provider's tokens are got with.
        #[oai(validator(max_length = 4096))]
        code: Query<Option<String>>,
        /// Why there is none.
        #[oai(validator(max_length = 200))]
        error: Query<Option<String>>,
        /// Who sends (RFC 9207).
        #[oai(validator(max_length = 500))]
        iss: Query<Option<String>>,
    ) -> GoOn {
        let back = Back { state: state.0, code: code.0, error: error.0, issuer: iss.0 };
        GoOn::to(self.sso.back(&provider.0, back).await)
    }

    /// Come back from a provider that sends a form
    ///
    /// Anyone may call this, but only a browser that the provider sends back has what it takes. Apple does it like this.
    #[oai(path = "/sso/callback/:provider", method = "post", operation_id = "finishSsoByForm")]
    async fn back_by_form(
        &self,
        /// The provider's name.
        #[oai(validator(max_length = 32))]
        provider: Path<String>,
        body: BoundedForm<BackForm>,
    ) -> GoOn {
        GoOn::to(self.sso.back(&provider.0, body.0.into()).await)
    }

    /// Sign in with what came back from a provider
    ///
    /// Whoever has the ticket and the verifier may call this, once. Somebody who is no user becomes one where registration is open, or
    /// with an invitation, if the provider vouches for the address. An account with the same address is taken for the same person's
    /// only if the provider vouches for the address and the account's own was proven.
    #[oai(path = "/sso/sign-in", method = "post", operation_id = "signInBySso")]
    async fn sign_in(&self, request: &Request, body: BoundedBody<SignInRequest>) -> Result<SessionReply, ApiError> {
        let SignInRequest { ticket, code_verifier, profile, cookies } = body.0;
        let cookies = self.cookies.kept(request, cookies)?;
        let proof = Proof { ticket, code_verifier };
        let signed_in = self.sso.sign_in(&proof, profile.unwrap_or_default(), visit_of(request)).await?;
        Ok(SessionReply::new(signed_in, cookies))
    }

    /// List my identities
    ///
    /// Everyone who is signed in in person may call this.
    #[oai(path = "/identities", method = "get", operation_id = "listIdentities")]
    async fn identities(&self, request: &Request) -> Result<Json<IdentityListResponse>, ApiError> {
        let items = self.auth.identities_of(&*caller_of(request)?)?;
        Ok(Json(IdentityListResponse { items: items.into_iter().map(IdentityResponse::from).collect() }))
    }

    /// Begin to link an identity to my account
    ///
    /// Everyone who is signed in in person may call this, with the password; who has none, within ten minutes of signing in. It goes on
    /// as signing in does.
    #[oai(path = "/identities/start", method = "post", operation_id = "beginIdentityLink")]
    async fn begin_link(
        &self,
        request: &Request,
        body: BoundedBody<LinkStartRequest>,
    ) -> Result<Json<StartResponse>, ApiError> {
        let (provider, waiting, password) = body.0.split();
        let url = self.sso.begin_link((&*caller_of(request)?, &who_of(request)), password, &provider, waiting).await?;
        Ok(Json(StartResponse { url }))
    }

    /// Link an identity to my account
    ///
    /// Everyone who is signed in in person may call this, in the session in which it was begun. A mail tells it.
    #[oai(path = "/identities", method = "post", operation_id = "linkIdentity")]
    async fn link(
        &self,
        request: &Request,
        body: BoundedBody<LinkRequest>,
    ) -> Result<Json<IdentityResponse>, ApiError> {
        let caller = caller_of(request)?;
        Ok(Json(self.sso.link(&caller, who_of(request), &body.0.into()).await?.into()))
    }

    /// Remove one of my identities
    ///
    /// Everyone who is signed in in person may call this, with the password; who has none, within ten minutes of signing in. A mail tells
    /// it.
    #[oai(path = "/identities/:id/remove", method = "post", operation_id = "removeIdentity")]
    async fn remove(
        &self,
        request: &Request,
        /// The id of the identity.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
        body: BoundedBody<RemovalRequest>,
    ) -> Result<NoContent, ApiError> {
        let caller = caller_of(request)?;
        self.auth.remove_identity(&caller, who_of(request), id.0, body.0.current_password).await?;
        Ok(NoContent::Done)
    }
}
