//! Sessions of browsers: two cookies that no script can read, and the check that a page of ours sent them.
//!
//! Cookies are `HttpOnly`, `Secure`, `SameSite=Strict` and bound to this host
//! ([RFC 6265bis](https://datatracker.ietf.org/doc/draft-ietf-httpbis-rfc6265bis/)). Against requests that another site makes a
//! browser send, a request with cookies that may change something must also prove by `Sec-Fetch-Site` or `Origin`, which scripts
//! cannot set, that it comes from a page of this server or of an origin in `http.cors_origins`.

use poem::{
    Request,
    http::{HeaderValue, Method, header},
};

use super::ApiError;
use crate::kernel::Code;

/// How cookies are set and what pages may send them.
#[derive(Clone, Debug)]
pub struct Cookies {
    secure: bool,
    origins: Vec<String>,
}

/// The cookie of the access token, where cookies are secure.
pub(super) const ACCESS_COOKIE: &str = "__Host-stead-session";

/// What the two cookies are to hold, and for how many seconds.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// The access token and its life.
    pub access: (&'a str, u64),
    /// The refresh token and its life.
    pub refresh: (&'a str, u64),
}

impl Cookies {
    /// Cookies that are `secure` unless the configuration says otherwise, sent by pages of this server and of `origins`.
    #[must_use]
    pub fn new(secure: bool, origins: &[String]) -> Self {
        Self { secure, origins: origins.to_vec() }
    }

    fn access_name(&self) -> &'static str {
        if self.secure { ACCESS_COOKIE } else { "stead-session" }
    }

    fn refresh_name(&self) -> &'static str {
        if self.secure { "__Host-stead-refresh" } else { "stead-refresh" }
    }

    /// The access token that a browser sent.
    #[must_use]
    pub fn access<'r>(&self, request: &'r Request) -> Option<&'r str> {
        value_of(request, self.access_name())
    }

    /// The refresh token that a browser sent.
    #[must_use]
    pub fn refresh<'r>(&self, request: &'r Request) -> Option<&'r str> {
        value_of(request, self.refresh_name())
    }

    /// The `Set-Cookie` headers of a session.
    #[must_use]
    pub fn set(&self, held: Held<'_>) -> Vec<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        let cookie = |name: &str, (value, seconds): (&str, u64)| {
            let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly{secure}; SameSite=Strict");
            HeaderValue::try_from(text).ok()
        };
        let access = cookie(self.access_name(), held.access);
        let refresh = cookie(self.refresh_name(), held.refresh);
        access.into_iter().chain(refresh).collect()
    }

    /// The `Set-Cookie` headers that end it.
    #[must_use]
    pub fn clear(&self) -> Vec<HeaderValue> {
        self.set(Held { access: ("", 0), refresh: ("", 0) })
    }

    /// The cookies for an answer that gives a session, when the client asked for them.
    ///
    /// # Errors
    /// As [`Self::check_page`].
    pub fn kept(&self, request: &Request, asked: Option<bool>) -> Result<Option<&Self>, ApiError> {
        if !asked.unwrap_or(false) {
            return Ok(None);
        }
        self.check_page(request)?;
        Ok(Some(self))
    }

    /// Refuses a request that may change something and comes with cookies from a page of somebody else.
    ///
    /// # Errors
    /// 403.
    pub fn check_page(&self, request: &Request) -> Result<(), ApiError> {
        if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
            return Ok(());
        }
        let text = |name: &str| request.header(name);
        let origin = text("origin");
        let known = origin.is_some_and(|origin| self.origins.iter().any(|known| known == origin));
        let own = match (text("sec-fetch-site"), origin, text("host")) {
            (Some(site), _, _) => site == "same-origin",
            (None, Some(origin), Some(host)) => {
                origin.split_once("://").is_some_and(|(_, authority)| authority == host)
            }
            _ => false,
        };
        if own || known {
            return Ok(());
        }
        let detail = "a request with cookies must come from a page of this server or of an origin in http.cors_origins; \
                      other clients send the access token as Authorization: Bearer";
        Err(ApiError::new(Code::Forbidden, detail))
    }
}

fn value_of<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let headers = request.headers().get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = headers.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(own, value)| *own == name && !value.is_empty()).map(|(_, value)| value)
}
