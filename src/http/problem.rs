//! Errors as clients read them: RFC 9457 problem documents.

use std::borrow::Cow;

use poem::{
    Error, Response,
    error::ResponseError,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse,
    registry::{MetaResponses, Registry},
};
use serde::Serialize;
use serde_json::Value;

use crate::kernel::{Code, DomainError, FieldError};

/// An error on its way to the client. The client reads `detail`; the log reads `cause`.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct ApiError {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after_seconds: Option<u32>,
    report: Option<Box<Value>>,
    cause: Option<String>,
}

impl ApiError {
    /// An error with a text for the client.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after_seconds: None, report: None, cause: None }
    }

    /// With the failing inputs.
    #[must_use]
    pub fn with_errors(self, errors: Vec<FieldError>) -> Self {
        Self { errors, ..self }
    }

    /// With the time after which to try again.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_seconds: Some(seconds), ..self }
    }

    /// With what was done before it.
    #[must_use]
    pub fn with_report(self, report: Value) -> Self {
        Self { report: Some(Box::new(report)), ..self }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// What only the log may know.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The error that any failure of an endpoint is.
    pub(super) fn of(error: Error) -> Self {
        let status = error.status();
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(other) => of_framework(&other, status),
        }
    }

    /// The answer.
    pub(super) fn into_response(self, request_id: &str) -> Response {
        let problem = Problem {
            kind: "about:blank",
            title: title(self.code.status()),
            status: self.code.status(),
            code: self.code.wire(),
            detail: &self.detail,
            request_id,
            errors: &self.errors,
            report: self.report.as_deref(),
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::builder()
            .status(StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            .content_type("application/problem+json")
            .body(body);
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.code.status() == 401 {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The document of RFC 9457.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a Value>,
}

fn title(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error")
}

/// What the framework says when a route, a method or an extractor does not fit.
fn of_framework(error: &Error, status: StatusCode) -> ApiError {
    match status {
        StatusCode::NOT_FOUND => ApiError::new(Code::NotFound, "there is nothing under this path"),
        StatusCode::METHOD_NOT_ALLOWED => ApiError::new(Code::MethodNotAllowed, "this path does not know the method"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ApiError::new(Code::UnsupportedMediaType, "the body must be application/json")
        }
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(Code::BodyTooLarge, "the body is larger than the server allows"),
        status if status.is_client_error() => ApiError::new(Code::BadRequest, error.to_string()),
        _ => internal(error.to_string()),
    }
}

/// A fault of the server: the client learns that it happened, the log learns why.
pub(super) fn internal(cause: String) -> ApiError {
    let detail = "the server failed; its log has the cause under this requestId";
    ApiError { cause: Some(cause), ..ApiError::new(Code::Internal, detail) }
}

impl<E: DomainError> From<E> for ApiError {
    fn from(error: E) -> Self {
        let code = error.code();
        if code == Code::Internal {
            return internal(format!("{error:?}"));
        }
        // A fault of the store has a cause that its text does not tell.
        let cause = (code.status() >= 500 && code != Code::Overloaded).then(|| format!("{error:?}"));
        Self {
            code,
            detail: error.to_string().into(),
            errors: error.field_errors().to_vec(),
            retry_after_seconds: error.retry_after_seconds(),
            report: None,
            cause,
        }
    }
}

impl ResponseError for ApiError {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// Every operation may answer a problem; the document says so once for all.
impl ApiResponse for ApiError {
    fn meta() -> MetaResponses {
        MetaResponses { responses: Vec::new() }
    }

    fn register(_: &mut Registry) {}
}
