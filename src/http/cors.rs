//! Cross-origin requests ([Fetch, CORS protocol](https://fetch.spec.whatwg.org/#http-cors-protocol)): which pages may
//! call the API, and what a browser is told.

use poem::{
    Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS");
const EXPOSED: HeaderValue =
    HeaderValue::from_static("ETag, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID");

/// Which origins may call.
#[derive(Clone, Debug)]
pub(super) struct Cors {
    origins: Vec<String>,
    any: bool,
    max_age: HeaderValue,
}

impl Cors {
    pub(super) fn new(origins: &[String], max_age_seconds: u64) -> Self {
        let any = origins.iter().any(|origin| origin == "*");
        Self { origins: origins.to_vec(), any, max_age: max_age_seconds.into() }
    }

    /// The origin of a request from a page of another origin that may call.
    pub(super) fn allowed(&self, request: &Request) -> Option<HeaderValue> {
        let origin = request.headers().get(header::ORIGIN)?;
        let known = self.any || self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
        known.then(|| origin.clone())
    }

    /// The answer to a preflight request; `None` when the request is none.
    pub(super) fn preflight(&self, request: &Request, origin: Option<&HeaderValue>) -> Option<Response> {
        let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD);
        if request.method() != Method::OPTIONS || asked.is_none() {
            return None;
        }
        let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
        if origin.is_some() {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
            if let Some(names) = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
            }
        }
        Some(response)
    }

    /// Adds what every answer to a cross-origin request carries.
    pub(super) fn write(&self, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        if self.origins.is_empty() {
            return;
        }
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            // Cookies are for named origins only.
            if !self.any {
                headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}
