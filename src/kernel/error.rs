//! The closed table of error codes, and what every feature's error enum answers.
//!
//! A code exists only if a client would branch on it. Texts for people live with the errors themselves.

use std::fmt;

use serde::Serialize;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $status:literal, $wire:literal;)+) => {
        /// What went wrong, as a client branches on it: an HTTP status and a stable wire name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The HTTP status that answers carry.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// The name in the `code` member of a problem document.
            #[must_use]
            pub const fn wire(self) -> &'static str {
                match self { $(Self::$name => $wire,)+ }
            }

            /// What the code means, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc,)+),)+ }
            }
        }
    };
}

codes! {
    /// The request is not what its grammar asks for: a broken header, query or path.
    BadRequest = 400, "bad_request";
    /// The body is not JSON, or names a member twice.
    InvalidJson = 400, "invalid_json";
    /// The cursor was changed, or belongs to another query.
    InvalidCursor = 400, "invalid_cursor";
    /// The filter does not parse or does not fit the collection's fields.
    InvalidFilter = 400, "invalid_filter";
    /// A query parameter is unknown or out of its bounds.
    InvalidParameter = 400, "invalid_parameter";
    /// No credentials, or credentials that are not valid (any more).
    Unauthenticated = 401, "unauthenticated";
    /// E-mail address and password do not belong together.
    InvalidCredentials = 401, "invalid_credentials";
    /// A refresh token, code or link that is not good (any more).
    InvalidToken = 401, "invalid_token";
    /// The caller may not do this, whatever the record.
    Forbidden = 403, "forbidden";
    /// The session is not open yet: its second factor is to be proven, or set up, first.
    SecondFactorRequired = 403, "second_factor_required";
    /// The answer to a captcha is missing, or wrong.
    CaptchaRequired = 403, "captcha_required";
    /// There is no such thing, or the caller may not see it.
    NotFound = 404, "not_found";
    /// The path exists, the method does not; or the collection is a view, which is read only.
    MethodNotAllowed = 405, "method_not_allowed";
    /// The state of the server forbids it now: an id in use, a record still referred to.
    Conflict = 409, "conflict";
    /// The worker does not have the job any more: its lease has ended, or another worker has it.
    LeaseLost = 409, "lease_lost";
    /// The record changed since the version named by `If-Match`.
    PreconditionFailed = 412, "precondition_failed";
    /// The body is larger than the limit.
    BodyTooLarge = 413, "body_too_large";
    /// The body is not of a type that the endpoint reads.
    UnsupportedMediaType = 415, "unsupported_media_type";
    /// Well-formed input with values that do not fit; `errors` names each.
    ValidationFailed = 422, "validation_failed";
    /// The `Idempotency-Key` was used for another request.
    IdempotencyKeyReused = 422, "idempotency_key_reused";
    /// The query would examine too many records without an index; the detail names the index to add.
    IndexRequired = 422, "index_required";
    /// Too many requests in this window; `Retry-After` says when to come back.
    RateLimited = 429, "rate_limited";
    /// The server failed; the log has the cause under the request id.
    Internal = 500, "internal";
    /// A provider of single sign-on or of captchas cannot be reached, or is not what is configured; the log has the cause under the request id.
    ProviderUnavailable = 502, "provider_unavailable";
    /// The server is at its limit for the moment; `Retry-After` says when to come back.
    Overloaded = 503, "overloaded";
    /// The store is failed or closing; a write that was not acknowledged may be on disk or not.
    Unavailable = 503, "unavailable";
    /// The request took longer than the server allows.
    Timeout = 504, "timeout";
}

/// One failing input: where it is, what is wrong for programs, and what is wrong for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// A JSON pointer into the body ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)), or the name of a query parameter.
    pub pointer: String,
    /// A stable name of the fault: `required`, `too_long`, `unique`, …
    pub code: &'static str,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl FieldError {
    /// An error at `pointer`.
    #[must_use]
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl fmt::Display) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.to_string() }
    }

    /// An error at the top-level member `name`, escaped as RFC 6901 asks.
    #[must_use]
    pub fn at(name: &str, code: &'static str, detail: impl fmt::Display) -> Self {
        Self::new(pointer_to(name), code, detail)
    }

    /// The same of what stands at `place` in a greater body.
    #[must_use]
    pub fn under(self, place: &str) -> Self {
        Self { pointer: format!("{place}{}", self.pointer), ..self }
    }

    /// What does not fit where something of another type is to stand.
    #[must_use]
    pub fn of_type(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        use serde_path_to_error::Segment;
        let segment = |segment: &Segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key: name } | Segment::Enum { variant: name } => pointer_to(name),
            Segment::Unknown => String::new(),
        };
        let place = error.path().iter().map(segment).collect::<String>();
        let said = error.inner().to_string();
        // The place is that of the object which lacks it.
        match said.strip_prefix("missing field `").and_then(|rest| rest.split_once('`')) {
            Some((name, _)) => Self::new(place + &pointer_to(name), "required", "is required"),
            None => Self::new(place, "type", said),
        }
    }
}

/// The JSON pointer to the top-level member `name`.
#[must_use]
pub fn pointer_to(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A feature's error: a business outcome that has a code and a text that the client may read.
///
/// `Display` is that text. An internal fault answers [`Code::Internal`] and tells its cause through
/// [`std::error::Error::source`], which goes to the log and never to a client.
pub trait DomainError: std::error::Error + Send + Sync + 'static {
    /// The row of the table that this outcome is.
    fn code(&self) -> Code;

    /// The failing inputs, when there are any.
    fn field_errors(&self) -> &[FieldError] {
        &[]
    }

    /// After how many seconds it makes sense to try again.
    fn retry_after_seconds(&self) -> Option<u32> {
        None
    }
}
