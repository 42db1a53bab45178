//! The endpoints of sign-in and sessions.

use std::sync::Arc;

use poem::{Request, Response, Route, endpoint, get, http::header};
use poem_openapi::{
    OpenApi, Tags,
    param::{Header, Path},
    payload::Json,
};
use serde_json::json;

use super::{
    AuthService, Visit,
    dto::{
        EndedResponse, KeyResponse, LoginRequest, MeResponse, OwnPasswordRequest, RefreshRequest, RotateRequest,
        SessionInfoResponse, SessionListResponse, SessionReply, SignedOut,
    },
    own::own_session,
};
use crate::{
    http::{
        ApiError, BoundedBody, Cookies, NoContent, Session, at, caller_of, device_of,
        openapi::{Fragment, shared},
        who_of,
    },
    kernel::Code,
};

/// The path of sign-in.
pub const LOGIN_PATH: &str = "/api/v1/auth/login";
/// The path of going on with a session.
pub const REFRESH_PATH: &str = "/api/v1/auth/refresh";

/// Groups of operations.
#[derive(Tags)]
pub(super) enum Tag {
    /// Sign-in, sessions and tokens.
    Auth,
}

/// From where a request comes.
#[must_use]
pub fn visit_of(request: &Request) -> Visit {
    Visit { who: who_of(request), device: device_of(request) }
}

/// The endpoints of sign-in.
#[derive(Debug)]
pub struct AuthApi {
    /// The use cases.
    pub auth: Arc<AuthService>,
    /// How browsers keep sessions.
    pub cookies: Cookies,
}

#[OpenApi(prefix_path = "/auth", tag = "Tag::Auth")]
impl AuthApi {
    /// Sign in
    ///
    /// Anyone may call this. An unknown address and a wrong password answer alike; after a few failures in a row an account
    /// has to wait. With `cookies` the request must come from a page of this server or of an origin in `http.cors_origins`.
    #[oai(path = "/login", method = "post", operation_id = "login")]
    async fn login(
        &self,
        request: &Request,
        /// The answer to the captcha, where one is configured.
        #[oai(name = "X-Captcha-Token", validator(max_length = 4096))]
        _captcha: Header<Option<String>>,
        body: BoundedBody<LoginRequest>,
    ) -> Result<SessionReply, ApiError> {
        let LoginRequest { email, password, cookies } = body.0;
        let cookies = self.cookies.kept(request, cookies)?;
        let signed_in = self.auth.login(&email, password, visit_of(request)).await?;
        Ok(SessionReply::new(signed_in, cookies))
    }

    /// Go on with a session
    ///
    /// Whoever has the refresh token may call this, once for each token: the answer has its successor. Within a few seconds the
    /// same token gets the same answer again, for clients that lost it; later, or when the successor was used, it ends the
    /// session, for somebody else may have it.
    #[oai(path = "/refresh", method = "post", operation_id = "refreshSession")]
    async fn refresh(&self, request: &Request, body: BoundedBody<RefreshRequest>) -> Result<SessionReply, ApiError> {
        let given = body.0.refresh_token;
        let in_cookie = given.is_none();
        let token = given.or_else(|| self.cookies.refresh(request).map(str::to_owned)).ok_or_else(|| {
            ApiError::new(Code::InvalidToken, "there is no refresh token in the body and none in a cookie; sign in")
        })?;
        let cookies = self.cookies.kept(request, Some(in_cookie))?;
        let signed_in = self.auth.refresh(&token, visit_of(request)).await?;
        Ok(SessionReply::new(signed_in, cookies))
    }

    /// Sign out
    ///
    /// Everyone who is signed in may call this. It ends the session of this request: its tokens are worthless with the next one.
    /// Cookies are cleared.
    #[oai(path = "/logout", method = "post", operation_id = "logout")]
    async fn logout(&self, request: &Request) -> Result<SignedOut, ApiError> {
        let caller = caller_of(request)?;
        let Some(session) = caller.session() else { return Err(no_session()) };
        self.auth.end_session(&caller, who_of(request), session).await?;
        Ok(SignedOut::new(request, &self.cookies))
    }

    /// Sign out everywhere
    ///
    /// Everyone who is signed in in person may call this. It ends all sessions of the caller, this one included. Keys stay.
    #[oai(path = "/logout-all", method = "post", operation_id = "logoutEverywhere")]
    async fn logout_all(&self, request: &Request) -> Result<Json<EndedResponse>, ApiError> {
        let caller = caller_of(request)?;
        own_session(&caller)?;
        let ended = self.auth.end_sessions(&caller, who_of(request), caller.id.as_str()).await?;
        Ok(Json(EndedResponse { ended }))
    }

    /// Who am I
    ///
    /// Everyone with valid credentials may call this.
    #[oai(path = "/me", method = "get", operation_id = "readMe")]
    async fn me(&self, request: &Request) -> Result<Json<MeResponse>, ApiError> {
        let half = request.data::<Session>().is_some_and(|session| session.half);
        Ok(Json(MeResponse::from(&*caller_of(request)?).half(half)))
    }

    /// List my sessions
    ///
    /// Everyone who is signed in in person may call this.
    #[oai(path = "/sessions", method = "get", operation_id = "listSessions")]
    async fn sessions(&self, request: &Request) -> Result<Json<SessionListResponse>, ApiError> {
        let caller = caller_of(request)?;
        own_session(&caller)?;
        let sessions = self.auth.sessions(caller.id.as_str())?.into_iter();
        let items = sessions.map(|info| SessionInfoResponse::of(info, caller.session())).collect();
        Ok(Json(SessionListResponse { items }))
    }

    /// End one of my sessions
    ///
    /// Everyone who is signed in in person may call this. Tokens of the session are worthless with the next request.
    #[oai(path = "/sessions/:id", method = "delete", operation_id = "endSession")]
    async fn end_session(
        &self,
        request: &Request,
        /// The id of the session.
        #[oai(validator(min_length = 1, max_length = 64))]
        id: Path<String>,
    ) -> Result<NoContent, ApiError> {
        let caller = caller_of(request)?;
        own_session(&caller)?;
        self.auth.end_session(&caller, who_of(request), &id.0).await?;
        Ok(NoContent::Done)
    }

    /// Change my password
    ///
    /// Everyone who is signed in in person may call this, with the password until now. All other sessions end.
    #[oai(path = "/password", method = "put", operation_id = "changePassword")]
    async fn change_password(
        &self,
        request: &Request,
        body: BoundedBody<OwnPasswordRequest>,
    ) -> Result<NoContent, ApiError> {
        let OwnPasswordRequest { current_password, new_password } = body.0;
        self.auth.change_password(&*caller_of(request)?, who_of(request), current_password, new_password).await?;
        Ok(NoContent::Done)
    }

    /// Take a new key for signing tokens
    ///
    /// Who has the permission `auth:update` may call this. Tokens of the old key stay good until they end, unless `atOnce`.
    #[oai(path = "/signing-keys/rotate", method = "post", operation_id = "rotateSigningKey")]
    async fn rotate(&self, request: &Request, body: BoundedBody<RotateRequest>) -> Result<Json<KeyResponse>, ApiError> {
        let kid =
            self.auth.rotate_keys(&*caller_of(request)?, who_of(request), body.0.at_once.unwrap_or(false)).await?;
        Ok(Json(KeyResponse { kid }))
    }
}

fn no_session() -> ApiError {
    ApiError::new(Code::Conflict, "you came without a session, so there is none to end")
}

/// The path of the public keys, where others who verify tokens look for them.
const KEYS_PATH: &str = "/.well-known/jwks.json";
/// For how long others may keep the public keys, in seconds.
const KEYS_CACHE: &str = "public, max-age=300";

/// Adds the route of the public keys.
pub fn mount(route: Route, auth: &Arc<AuthService>) -> Route {
    let auth = Arc::clone(auth);
    let answer = move |_| {
        let response = Response::builder().content_type("application/jwk-set+json");
        response.header(header::CACHE_CONTROL, KEYS_CACHE).body(auth.public_keys().to_string())
    };
    route.at(KEYS_PATH, at(KEYS_PATH, get(endpoint::make_sync(answer))))
}

/// What the document says of the public keys.
#[must_use]
pub fn fragment() -> Fragment {
    let key = json!({"type": "object", "description": "A public key (RFC 7517, RFC 8037).", "required": ["kty", "crv", "kid", "x"],
    "properties": {
        "kty": {"type": "string"}, "crv": {"type": "string"}, "use": {"type": "string"}, "alg": {"type": "string"},
        "kid": {"type": "string", "description": "The id that stands in the header of tokens."},
        "x": {"type": "string", "description": "The key, base64url."},
    }});
    let keys = json!({"type": "object", "required": ["keys"], "properties": {
        "keys": {"type": "array", "items": {"$ref": "#/components/schemas/PublicKey"}},
    }});
    let content = json!({"application/jwk-set+json": {"schema": {"$ref": "#/components/schemas/PublicKeys"}}});
    let get = json!({
        "operationId": "readPublicKeys",
        "summary": "Read the public keys of access tokens",
        "description": "Anyone may call this. With these keys other servers verify access tokens; they may be kept for five minutes.",
        "tags": ["Auth"],
        "security": [],
        "responses": shared::with_problems([(200, json!({"description": "The keys.", "content": content}))], &[429]),
    });
    Fragment {
        paths: [(KEYS_PATH.to_owned(), json!({"get": get}))].into_iter().collect(),
        schemas: [("PublicKey".to_owned(), key), ("PublicKeys".to_owned(), keys)].into_iter().collect(),
        tags: Vec::new(),
    }
}
