//! What the endpoints of sign-in read and answer.

use poem::{
    IntoResponse, Request, Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse, Object,
    payload::{Json, Payload},
    registry::{MetaResponse, MetaResponses, Registry},
    types::{Example, Type},
};
use serde::Deserialize;

use super::{Account, SessionInfo, SignedIn};
use crate::{
    access::Principal,
    http::{Cookies, Held},
};

/// An id as examples show it.
const ID: &str = "0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c";

/// Who signs in.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", example)]
pub(super) struct LoginRequest {
    /// The e-mail address.
    #[oai(validator(max_length = 254))]
    pub(super) email: String,
    /// The password.
    #[oai(validator(max_length = 1024))]
    pub(super) password: String,
    /// For browsers: keep the tokens in cookies that no script can read, and out of the answer.
    #[serde(default)]
    pub(super) cookies: Option<bool>,
}

impl Example for LoginRequest {
    fn example() -> Self {
        Self { email: "ann@example.com".into(), password: "a long enough password".into(), cookies: Some(false) }
    }
}

/// How to go on with a session.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", example)]
pub(super) struct RefreshRequest {
    /// The refresh token; absent for a browser that keeps it in a cookie.
    #[serde(default)]
    #[oai(validator(max_length = 256))]
    pub(super) refresh_token: Option<String>,
}

impl Example for RefreshRequest {
    fn example() -> Self {
        Self { refresh_token: Some("kT2bC6VnPx1m0aZr9Qw7sEyU4iOo8LhGfDdSsAaJkKl3Zx5cVvBbNnMm1Qq2Ww".into()) }
    }
}

/// A session. The tokens are empty when they are kept in cookies.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "Session", example)]
pub(super) struct SessionResponse {
    /// Send it as `Authorization: Bearer …`.
    access_token: String,
    /// Always `Bearer`.
    token_type: String,
    /// For how long the access token is good, in seconds.
    expires_in: u64,
    /// Send it to `POST /api/v1/auth/refresh`, once, for its successor and a new access token.
    refresh_token: String,
    /// For how long the refresh token is good, in seconds.
    refresh_expires_in: u64,
    /// Who signed in.
    user: UserResponse,
    /// Whether the session can do nothing yet but prove a second factor (`POST /api/v1/auth/second-factor`), or set one up.
    second_factor_required: bool,
}

/// A user.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "SessionUser", example)]
pub(super) struct UserResponse {
    /// The id of the record in `users`.
    id: String,
    /// The e-mail address.
    email: String,
    /// The roles.
    roles: Vec<String>,
}

impl From<Account> for UserResponse {
    fn from(account: Account) -> Self {
        Self { id: account.id.to_string(), email: account.email, roles: account.roles }
    }
}

impl Example for UserResponse {
    fn example() -> Self {
        Self { id: ID.into(), email: "ann@example.com".into(), roles: vec!["user".into()] }
    }
}

impl Example for SessionResponse {
    fn example() -> Self {
        Self {
            access_token: "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSJ9.e30.c2ln".into(),
            token_type: "Bearer".into(),
            expires_in: 900,
            refresh_token: RefreshRequest::example().refresh_token.unwrap_or_default(),
            refresh_expires_in: 2_592_000,
            user: UserResponse::example(),
            second_factor_required: false,
        }
    }
}

/// The answer to a sign-in: tokens in the body, or in cookies.
#[derive(Debug)]
pub struct SessionReply {
    body: SessionResponse,
    cookies: Vec<HeaderValue>,
}

impl SessionReply {
    /// The answer that gives a session to its user; in cookies when these are given.
    #[must_use]
    pub fn new(signed_in: SignedIn, cookies: Option<&Cookies>) -> Self {
        let SignedIn { access_token, expires_in, refresh_token, refresh_expires_in, account, half } = signed_in;
        let set = cookies.map(|cookies| {
            let refresh = (refresh_token.as_str(), refresh_expires_in);
            cookies.set(Held { access: (&access_token, expires_in), refresh })
        });
        let shown = |token| if set.is_none() { token } else { String::new() };
        let body = SessionResponse {
            access_token: shown(access_token),
            token_type: "Bearer".into(),
            expires_in,
            refresh_token: shown(refresh_token),
            refresh_expires_in,
            user: account.into(),
            second_factor_required: half,
        };
        Self { body, cookies: set.unwrap_or_default() }
    }
}

impl IntoResponse for SessionReply {
    fn into_response(self) -> Response {
        let mut response = Json(self.body).into_response();
        for cookie in self.cookies {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        // RFC 6749, 5.1
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl ApiResponse for SessionReply {
    fn meta() -> MetaResponses {
        let content = vec![poem_openapi::registry::MetaMediaType {
            content_type: Json::<SessionResponse>::CONTENT_TYPE,
            schema: SessionResponse::schema_ref(),
        }];
        let description = "Signed in. With `cookies` the tokens are in `Set-Cookie` headers instead of the body.";
        let response =
            MetaResponse { description, status: Some(200), status_range: None, content, headers: Vec::new() };
        MetaResponses { responses: vec![response] }
    }

    fn register(registry: &mut Registry) {
        SessionResponse::register(registry);
    }
}

/// The answer to signing out. It clears the cookies of a browser that has them.
#[derive(Debug)]
pub(super) struct SignedOut {
    cookies: Vec<HeaderValue>,
}

impl SignedOut {
    pub(super) fn new(request: &Request, cookies: &Cookies) -> Self {
        let kept = cookies.access(request).is_some();
        Self { cookies: if kept { cookies.clear() } else { Vec::new() } }
    }
}

impl IntoResponse for SignedOut {
    fn into_response(self) -> Response {
        let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
        for cookie in self.cookies {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

impl ApiResponse for SignedOut {
    fn meta() -> MetaResponses {
        let description = "It is done.";
        let response = MetaResponse {
            description,
            status: Some(204),
            status_range: None,
            content: Vec::new(),
            headers: Vec::new(),
        };
        MetaResponses { responses: vec![response] }
    }

    fn register(_: &mut Registry) {}
}

/// A session as its user sees it.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "SessionInfo", example, skip_serializing_if_is_none)]
pub(super) struct SessionInfoResponse {
    /// Its id.
    id: String,
    /// Whether it is the one of this request.
    current: bool,
    /// When you signed in.
    created_at: String,
    /// When it was last refreshed.
    last_used_at: String,
    /// When it ends unless it is refreshed.
    expires_at: String,
    /// What the client called itself at sign-in.
    device: String,
    /// The address that was last seen.
    address: Option<String>,
    /// How you signed in (RFC 8176): `pwd`, `otp`, …
    methods: Vec<String>,
    /// Who acts as you in it.
    impersonator: Option<String>,
}

impl SessionInfoResponse {
    pub(super) fn of(info: SessionInfo, current: Option<&str>) -> Self {
        Self {
            current: current == Some(info.id.as_str()),
            id: info.id,
            created_at: info.created_at.to_string(),
            last_used_at: info.used_at.to_string(),
            expires_at: info.expires_at.to_string(),
            device: info.device,
            address: info.address.map(|address| address.to_string()),
            methods: info.methods,
            impersonator: info.impersonator.map(|id| id.to_string()),
        }
    }
}

impl Example for SessionInfoResponse {
    fn example() -> Self {
        Self {
            id: "Qm9vQmFyQmF6UXV4MTIzNA".into(),
            current: true,
            created_at: "2026-01-31T09:30:00Z".into(),
            last_used_at: "2026-01-31T11:15:00Z".into(),
            expires_at: "2026-03-02T11:15:00Z".into(),
            device: "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0".into(),
            address: Some("192.0.2.7".into()),
            methods: vec!["pwd".into()],
            impersonator: None,
        }
    }
}

/// Your sessions, the one used last first.
#[derive(Debug, Object)]
#[oai(rename = "SessionList", example)]
pub(super) struct SessionListResponse {
    /// The sessions.
    pub(super) items: Vec<SessionInfoResponse>,
}

impl Example for SessionListResponse {
    fn example() -> Self {
        Self { items: vec![SessionInfoResponse::example()] }
    }
}

/// Who you are to the server.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "Me", example, skip_serializing_if_is_none)]
pub(super) struct MeResponse {
    /// The id of your record in `users`, or of the service account; `operator` for the operator.
    id: String,
    /// Your e-mail address; empty for the operator and service accounts.
    email: String,
    /// Whether a mail to the address has reached you.
    verified: bool,
    /// Your roles.
    roles: Vec<String>,
    /// What your roles permit together, within the permissions of the key if you came with one. Rules of collections may open more.
    permissions: Vec<String>,
    /// The id of the session.
    session: Option<String>,
    /// The id of the key.
    key: Option<String>,
    /// Who acts as you.
    impersonator: Option<String>,
    /// Whether the session can do nothing yet but prove a second factor, or set one up.
    second_factor_required: bool,
}

impl MeResponse {
    /// Of a session whose second factor is still to be proven, or not.
    pub(super) fn half(self, half: bool) -> Self {
        Self { second_factor_required: half, ..self }
    }
}

impl From<&Principal> for MeResponse {
    fn from(principal: &Principal) -> Self {
        Self {
            id: principal.id.to_string(),
            email: principal.email.clone(),
            verified: principal.verified,
            roles: principal.roles.clone(),
            permissions: principal.permissions.texts(),
            session: principal.session().map(str::to_owned),
            key: principal.key().map(str::to_owned),
            impersonator: principal.impersonator().map(ToString::to_string),
            second_factor_required: false,
        }
    }
}

impl Example for MeResponse {
    fn example() -> Self {
        Self {
            id: ID.into(),
            email: "ann@example.com".into(),
            verified: true,
            roles: vec!["viewer".into()],
            permissions: vec!["*:list".into(), "*:read".into()],
            session: Some("Qm9vQmFyQmF6UXV4MTIzNA".into()),
            key: None,
            impersonator: None,
            second_factor_required: false,
        }
    }
}

/// A change of one's own password.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", example)]
pub(super) struct OwnPasswordRequest {
    /// The password until now.
    #[oai(validator(max_length = 1024))]
    pub(super) current_password: String,
    /// The password from now on.
    #[oai(validator(max_length = 1024))]
    pub(super) new_password: String,
}

impl Example for OwnPasswordRequest {
    fn example() -> Self {
        Self { current_password: "a long enough password".into(), new_password: "an even longer password".into() }
    }
}

/// How keys change.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", example)]
pub(super) struct RotateRequest {
    /// Whether tokens of the old key end at once, because somebody else may have it. Everyone then refreshes.
    #[serde(default)]
    pub(super) at_once: Option<bool>,
}

impl Example for RotateRequest {
    fn example() -> Self {
        Self { at_once: Some(false) }
    }
}

/// The key that signs from now on.
#[derive(Debug, Object)]
#[oai(rename = "SigningKey", example)]
pub(super) struct KeyResponse {
    /// Its id, which stands in the header of tokens.
    pub(super) kid: String,
}

impl Example for KeyResponse {
    fn example() -> Self {
        Self { kid: "kbzY0nGVhP1Qm7tX".into() }
    }
}

/// How many sessions were ended.
#[derive(Debug, Object)]
#[oai(rename = "EndedSessions", example)]
pub(super) struct EndedResponse {
    /// How many.
    pub(super) ended: usize,
}

impl Example for EndedResponse {
    fn example() -> Self {
        Self { ended: 3 }
    }
}
