//! The gate before every protected route: who calls, and not too often.

use std::sync::Arc;

use poem::{Endpoint, Request, Response, http::header};

use super::{ApiError, RateLimiter, RequestId};
use crate::{access::Principal, kernel::Code};

/// A caller whose credentials were checked.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who calls.
    pub principal: Arc<Principal>,
    /// The caller's name in the log.
    pub tag: Arc<str>,
}

/// Checks credentials. Declared here, where they are needed; implemented by `auth`, which knows how.
pub trait Authenticate: Send + Sync + 'static {
    /// The caller to whom an access token belongs; `None` when it is not valid (any more).
    ///
    /// # Errors
    /// [`ApiError`] when it cannot be known for now.
    fn authenticate(&self, token: &str) -> Result<Option<Session>, ApiError>;
}

/// Lets only callers with valid credentials pass, but for the public paths.
pub struct Gate<E> {
    inner: E,
    authenticate: Arc<dyn Authenticate>,
    limiter: Option<Arc<RateLimiter<String>>>,
    public: &'static [&'static str],
}

impl<E> std::fmt::Debug for Gate<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("public", &self.public).finish_non_exhaustive()
    }
}

impl<E> Gate<E> {
    /// A gate before `inner`.
    pub fn new(
        inner: E,
        authenticate: Arc<dyn Authenticate>,
        limiter: Option<Arc<RateLimiter<String>>>,
        public: &'static [&'static str],
    ) -> Self {
        Self { inner, authenticate, limiter, public }
    }

    fn session(&self, request: &Request) -> Result<Session, ApiError> {
        if let Some(session) = request.data::<Session>() {
            return Ok(session.clone());
        }
        let header = request.header(header::AUTHORIZATION);
        let token =
            header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else {
            let detail = "sign in at /api/v1/auth/login and send the access token as Authorization: Bearer";
            return Err(ApiError::new(Code::Unauthenticated, detail));
        };
        let session = self.authenticate.authenticate(token.trim())?;
        session.ok_or_else(|| {
            ApiError::new(Code::Unauthenticated, "the access token is not valid or has expired; sign in again")
        })
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Gate<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        if self.public.contains(&request.original_uri().path()) {
            return self.inner.call(request).await;
        }
        let session = self.session(&request)?;
        let verdict = self.limiter.as_ref().map(|limiter| limiter.check(&session.principal.id.to_string()));
        let tag = UserTag(Arc::clone(&session.tag));
        if let Some(seconds) = verdict.and_then(|verdict| verdict.retry_after_seconds) {
            let error = ApiError::new(Code::RateLimited, "you make too many requests; slow down").retry_after(seconds);
            let mut error = poem::Error::from(error);
            error.set_data(tag);
            if let Some(verdict) = verdict {
                error.set_data(verdict);
            }
            return Err(error);
        }
        request.set_data(session);
        let mut answer = self.inner.call(request).await;
        match &mut answer {
            Ok(response) => {
                response.set_data(tag);
                if let Some(verdict) = verdict {
                    verdict.write(response.headers_mut());
                }
            }
            Err(error) => {
                error.set_data(tag);
                if let Some(verdict) = verdict {
                    error.set_data(verdict);
                }
            }
        }
        answer
    }
}

/// The caller's name in the log, for the pipeline.
#[derive(Clone, Debug)]
pub(super) struct UserTag(pub(super) Arc<str>);

/// The caller of a request behind the gate.
///
/// # Errors
/// 401 when the route is not behind the gate.
pub fn caller_of(request: &Request) -> Result<Arc<Principal>, ApiError> {
    let session = request.data::<Session>();
    session.map(|s| Arc::clone(&s.principal)).ok_or_else(|| ApiError::new(Code::Unauthenticated, "sign in first"))
}

/// The id of a request.
#[must_use]
pub fn request_id_of(request: &Request) -> String {
    request.data::<RequestId>().map_or_else(String::new, |id| id.0.to_string())
}
