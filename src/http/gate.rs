//! The gate before every protected route: who calls, and not too often.

use std::{net::IpAddr, sync::Arc};

use poem::{
    Endpoint, Request, Response,
    http::{Method, header},
};

use super::{ApiError, Captcha, Cookies, RateLimiter, address_of};
use crate::{access::Principal, kernel::Code};

/// A caller whose credentials were checked.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who calls.
    pub principal: Arc<Principal>,
    /// The caller's name in the log.
    pub tag: Arc<str>,
    /// Whether a second factor is still to be proven.
    pub half: bool,
}

/// Checks credentials. Declared here, where they are needed; implemented by `auth`, which knows how.
pub trait Authenticate: Send + Sync + 'static {
    /// The caller to whom an access token or key belongs that came from `address`; `None` when it is not valid (any more).
    ///
    /// # Errors
    /// [`ApiError`] when it cannot be known for now.
    fn authenticate(&self, token: &str, address: Option<IpAddr>) -> Result<Option<Session>, ApiError>;
}

/// The credentials of a request whose body may take any time: what they open is asked again while it comes.
#[derive(Clone)]
pub struct Renewal {
    authenticate: Arc<dyn Authenticate>,
    token: Arc<str>,
    address: Option<IpAddr>,
}

impl std::fmt::Debug for Renewal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Renewal")
    }
}

impl Renewal {
    /// The caller as of now; `None` when the credentials have ended, or open nothing before a second factor is proven.
    ///
    /// # Errors
    /// [`ApiError`] when it cannot be known for now.
    pub fn caller(&self) -> Result<Option<Arc<Principal>>, ApiError> {
        let session = self.authenticate.authenticate(&self.token, self.address)?;
        Ok(session.filter(|session| !session.half).map(|session| session.principal))
    }
}

/// Which requests have a body that may take any time, by method and path.
pub type Streams = fn(&Method, &str) -> bool;

/// Lets only callers with valid credentials pass, but for the public paths; and who has not proven a second factor to the paths of
/// `half` only.
pub struct Gate<E> {
    inner: E,
    authenticate: Arc<dyn Authenticate>,
    cookies: Cookies,
    limiter: Option<Arc<RateLimiter<String>>>,
    public: &'static [&'static str],
    half: &'static [&'static str],
    streams: Streams,
    captcha: Option<Captcha>,
}

impl<E> std::fmt::Debug for Gate<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("public", &self.public).finish_non_exhaustive()
    }
}

impl<E> Gate<E> {
    /// A gate before `inner`.
    ///
    /// `public` are the paths that anyone may call, `half` those of sessions whose second factor is not proven.
    pub fn new(
        inner: E,
        authenticate: Arc<dyn Authenticate>,
        cookies: Cookies,
        limiter: Option<Arc<RateLimiter<String>>>,
        public: &'static [&'static str],
        half: &'static [&'static str],
        streams: Streams,
    ) -> Self {
        Self { inner, authenticate, cookies, limiter, public, half, streams, captcha: None }
    }

    /// With a captcha before some of the public paths.
    #[must_use]
    pub fn with_captcha(self, captcha: Option<Captcha>) -> Self {
        Self { captcha, ..self }
    }

    fn session(&self, request: &mut Request) -> Result<Session, ApiError> {
        if let Some(session) = request.data::<Session>() {
            return Ok(session.clone());
        }
        let (token, address) = (self.token(request)?, address_of(request));
        let session = self.authenticate.authenticate(token, address)?;
        let session = session.ok_or_else(|| {
            ApiError::new(Code::Unauthenticated, "the access token or key is not valid (any more); sign in again")
        })?;
        if (self.streams)(request.method(), request.original_uri().path()) {
            let renewal = Renewal { authenticate: Arc::clone(&self.authenticate), token: token.into(), address };
            request.set_data(renewal);
        }
        Ok(session)
    }

    /// The access token or key of a request.
    fn token<'r>(&self, request: &'r Request) -> Result<&'r str, ApiError> {
        let token = match (bearer(request), self.cookies.access(request)) {
            (Some(token), _) => token,
            // A header that is something else is no reason to take a cookie instead.
            (None, Some(token)) if request.header(header::AUTHORIZATION).is_none() => {
                self.cookies.check_page(request)?;
                token
            }
            _ => {
                let detail = "sign in at /api/v1/auth/login and send the access token as Authorization: Bearer";
                return Err(ApiError::new(Code::Unauthenticated, detail));
            }
        };
        Ok(token)
    }
}

/// The token in the `Authorization` header ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header(header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl<E: Endpoint<Output = Response>> Endpoint for Gate<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        if is_public(self.public, request.original_uri().path()) {
            if let Some(captcha) = &self.captcha {
                captcha.check(&request).await?;
            }
            return self.inner.call(request).await;
        }
        let session = self.session(&mut request)?;
        if session.half && !self.half.contains(&request.original_uri().path()) {
            return Err(half(&session));
        }
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

/// Whether a path is one of these; a name in braces at the end of one stands for any part.
fn is_public(public: &[&str], path: &str) -> bool {
    let fits = |known: &str| match known.strip_suffix('}').and_then(|known| known.rsplit_once('{')) {
        Some((before, _)) => path.strip_prefix(before).is_some_and(|part| !part.is_empty() && !part.contains('/')),
        None => known == path,
    };
    public.iter().any(|known| fits(known))
}

/// The answer to a session that may only prove its second factor.
fn half(session: &Session) -> poem::Error {
    let detail =
        "prove your second factor at /api/v1/auth/second-factor, or set one up at /api/v1/auth/authenticator, first";
    let mut error = poem::Error::from(ApiError::new(Code::SecondFactorRequired, detail));
    error.set_data(UserTag(Arc::clone(&session.tag)));
    error
}

/// The caller's name in the log, for the pipeline.
#[derive(Clone, Debug)]
pub(super) struct UserTag(pub(super) Arc<str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_paths_are_whole_but_for_a_name_at_their_end() {
        let public = ["/a/b", "/a/c/{name}"];
        for (path, expected) in [
            ("/a/b", true),
            ("/a/b/", false),
            ("/a/bc", false),
            ("/a/c/x", true),
            ("/a/c/", false),
            ("/a/c", false),
            ("/a/c/x/y", false),
            ("/a/c/{name}", true),
        ] {
            assert_eq!(is_public(&public, path), expected, "{path}");
        }
    }
}
