//! The client of other servers, for all that goes out over HTTP. It speaks TLS, or plain HTTP to this machine only; it waits and reads
//! within bounds, and follows no redirect, so an answer cannot lead it elsewhere.

mod anywhere;

use std::time::Duration;

use reqwest::{Client, Method, Request, Url, header, redirect::Policy};

pub use anywhere::{Anywhere, Fetched, is_allowed};

use crate::config::is_secure;

/// How long an exchange may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The greatest size of an answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// The address is not one to which requests go.
    #[error("{0} is no address over TLS, nor of this machine")]
    Address(String),
    /// The exchange failed.
    #[error("the other server cannot be reached, or broke off")]
    Exchange(#[from] reqwest::Error),
    /// The answer is too large.
    #[error("the answer is larger than {ANSWER_BYTES_MAX} bytes")]
    Large,
    /// The answer tells of an error.
    #[error("the answer has the status {0}")]
    Status(u16),
    /// The answer is not what it should be.
    #[error("the answer is not the JSON that it should be")]
    Content(#[from] serde_json::Error),
}

/// The client of other servers.
#[derive(Clone, Debug)]
pub struct Outgoing(Client);

impl Outgoing {
    /// A client.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new() -> Result<Self, OutgoingError> {
        let name = concat!("stead/", env!("CARGO_PKG_VERSION"));
        Ok(Self(Client::builder().user_agent(name).timeout(TIMEOUT).redirect(Policy::none()).build()?))
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`OutgoingError`].
    pub async fn send(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, OutgoingError> {
        self.execute(Request::try_from(request)?).await
    }

    /// Reads JSON, by an access token if there is one.
    ///
    /// # Errors
    /// [`OutgoingError`], also when the status is not 2xx.
    pub async fn json<T: serde::de::DeserializeOwned>(
        &self,
        url: &str,
        token: Option<&str>,
    ) -> Result<T, OutgoingError> {
        let mut request = self.0.request(Method::GET, parse(url)?).header(header::ACCEPT, "application/json");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        self.read(request.build()?).await
    }

    /// Posts a form and reads JSON. Fields without a value are left out.
    ///
    /// # Errors
    /// [`OutgoingError`], also when the status is not 2xx.
    pub async fn post_form<T: serde::de::DeserializeOwned>(
        &self,
        url: &str,
        form: &[(&str, Option<&str>)],
    ) -> Result<T, OutgoingError> {
        let given: Vec<_> = form.iter().filter_map(|(name, value)| Some((name, (*value)?))).collect();
        let body = serde_urlencoded::to_string(given).unwrap_or_default();
        let request = self.0.request(Method::POST, parse(url)?).header(header::ACCEPT, "application/json");
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        self.read(request.build()?).await
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, request: Request) -> Result<T, OutgoingError> {
        let answer = self.execute(request).await?;
        if !answer.status().is_success() {
            return Err(OutgoingError::Status(answer.status().as_u16()));
        }
        Ok(serde_json::from_slice(answer.body())?)
    }

    async fn execute(&self, request: Request) -> Result<http::Response<Vec<u8>>, OutgoingError> {
        if !is_secure(request.url().as_str()) {
            return Err(OutgoingError::Address(request.url().to_string()));
        }
        let mut answer = self.0.execute(request).await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(OutgoingError::Large);
            }
            body.extend_from_slice(&chunk);
        }
        let mut whole = http::Response::new(body);
        *whole.status_mut() = answer.status();
        *whole.headers_mut() = answer.headers().clone();
        Ok(whole)
    }
}

fn parse(url: &str) -> Result<Url, OutgoingError> {
    Url::parse(url).map_err(|_| OutgoingError::Address(url.to_owned()))
}
