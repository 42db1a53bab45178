//! What operations of every feature share: the problem document, error responses, headers, the security scheme.

use poem::http::StatusCode;
use serde_json::{Value, json};

use super::Object;
use crate::{http::cookie::ACCESS_COOKIE, kernel::Code};

/// Names of schemas that a fragment may refer to and must not define.
pub const SCHEMAS: [&str; 3] = ["Problem", "ProblemCode", "ProblemError"];

/// An error response that all operations share.
struct Shared {
    status: u16,
    name: &'static str,
    description: &'static str,
    code: Code,
    detail: &'static str,
    /// Pointer, code and detail of an input that fails in the example.
    error: Option<(&'static str, &'static str, &'static str)>,
}

const RESPONSES: [Shared; 11] = [
    Shared {
        status: 400,
        name: "BadRequest",
        description: "The query, a header or the JSON of the body is not what its grammar asks for.",
        code: Code::InvalidParameter,
        detail: "a parameter is not valid; see errors",
        error: Some(("limit", "too_large", "must be from 1 to 1000")),
    },
    Shared {
        status: 401,
        name: "Unauthenticated",
        description: "No credentials, or credentials that are not valid (any more).",
        code: Code::Unauthenticated,
        detail: "the access token is not valid or has expired; sign in again",
        error: None,
    },
    Shared {
        status: 403,
        name: "Forbidden",
        description: "The caller may not do this.",
        code: Code::Forbidden,
        detail: "your roles and the rules do not allow this",
        error: None,
    },
    Shared {
        status: 404,
        name: "NotFound",
        description: "There is no such thing, or the caller may not see it.",
        code: Code::NotFound,
        detail: "there is no such thing",
        error: None,
    },
    Shared {
        status: 409,
        name: "Conflict",
        description: "The state of the server forbids it now: an id in use, a record still referred to.",
        code: Code::Conflict,
        detail: "this id is in use already",
        error: None,
    },
    Shared {
        status: 412,
        name: "PreconditionFailed",
        description: "The record changed since the version that `If-Match` names.",
        code: Code::PreconditionFailed,
        detail: "the record has changed: its version is 4; read it again",
        error: None,
    },
    Shared {
        status: 413,
        name: "BodyTooLarge",
        description: "The body is larger than the server allows.",
        code: Code::BodyTooLarge,
        detail: "the body is larger than 1048576 bytes",
        error: None,
    },
    Shared {
        status: 415,
        name: "UnsupportedMediaType",
        description: "The body is not JSON by its `Content-Type`.",
        code: Code::UnsupportedMediaType,
        detail: "the body is text/plain; it must be application/json",
        error: None,
    },
    Shared {
        status: 422,
        name: "ValidationFailed",
        description: "Well-formed input with values that do not fit. `errors` names every one.",
        code: Code::ValidationFailed,
        detail: "the body is not valid; see errors",
        error: Some(("/title", "too_long", "must have at most 200 characters, has 240")),
    },
    Shared {
        status: 429,
        name: "RateLimited",
        description: "Too many requests in this window. `Retry-After` says when to come back.",
        code: Code::RateLimited,
        detail: "you make too many requests; slow down",
        error: None,
    },
    Shared {
        status: 503,
        name: "Unavailable",
        description: "The server is at its limit, or closing. `Retry-After` says when to come back.",
        code: Code::Overloaded,
        detail: "the server works on as many requests as it can; try again shortly",
        error: None,
    },
];

/// The canonical phrase of a status.
pub(super) fn reason(status: &str) -> &'static str {
    let status = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
    status.and_then(|status| status.canonical_reason()).unwrap_or("Answer")
}

/// A reference to the shared response of an error status. A status without one answers a bare problem.
#[must_use]
pub fn problem(status: u16) -> Value {
    match RESPONSES.iter().find(|shared| shared.status == status) {
        Some(shared) => json!({"$ref": format!("#/components/responses/{}", shared.name)}),
        None => json!({"description": reason(&status.to_string()), "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
        }}),
    }
}

/// A response of an operation's own for an error that the shared one would not describe well.
#[must_use]
pub fn problem_of(code: Code, description: &'static str, detail: &'static str) -> Value {
    response(&Shared { status: code.status(), name: "", description, code, detail, error: None })
}

/// Responses by status: those given, and a shared one for each error status.
pub fn with_problems(own: impl IntoIterator<Item = (u16, Value)>, errors: &[u16]) -> Value {
    let own = own.into_iter().map(|(status, response)| (status.to_string(), response));
    let mut responses: Object = own.chain(errors.iter().map(|status| (status.to_string(), problem(*status)))).collect();
    responses.sort_keys();
    responses.into()
}

/// A reference to a shared header.
#[must_use]
pub fn header(component: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{component}")})
}

/// The headers of every answer that is no error.
pub fn success_headers() -> impl Iterator<Item = (String, Value)> {
    [("X-Request-ID", "RequestId"), ("RateLimit", "RateLimit")]
        .into_iter()
        .map(|(name, component)| (name.to_owned(), header(component)))
}

pub(super) fn responses() -> Object {
    RESPONSES.iter().map(|shared| (shared.name.to_owned(), response(shared))).collect()
}

fn response(shared: &Shared) -> Value {
    let status = shared.code.status();
    let mut example = json!({
        "type": "about:blank",
        "title": reason(&status.to_string()),
        "status": status,
        "code": shared.code.wire(),
        "detail": shared.detail,
        "requestId": "019a9c3e-7b1d-7c52-9d5e-4f0c2a6b8e10",
    });
    if let (Some((pointer, code, detail)), Some(example)) = (shared.error, example.as_object_mut()) {
        example.insert("errors".into(), json!([{"pointer": pointer, "code": code, "detail": detail}]));
    }
    let mut headers = Object::from_iter([("X-Request-ID".to_owned(), header("RequestId"))]);
    match shared.status {
        401 => headers.insert("WWW-Authenticate".into(), header("WwwAuthenticate")),
        429 => {
            headers.insert("RateLimit".into(), header("RateLimit"));
            headers.insert("Retry-After".into(), header("RetryAfter"))
        }
        503 => headers.insert("Retry-After".into(), header("RetryAfter")),
        _ => None,
    };
    json!({
        "description": shared.description,
        "headers": headers,
        "content": {"application/problem+json": {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "example": example,
        }},
    })
}

pub(super) fn headers() -> Value {
    let text = |description: &str, example: &str| {
        json!({
            "description": description, "schema": {"type": "string"}, "example": example,
        })
    };
    json!({
        "RequestId": text(
            "The id of the request, as in the server's log. A client may give its own in the request.",
            "019a9c3e-7b1d-7c52-9d5e-4f0c2a6b8e10",
        ),
        "ETag": text("The record's version in quotes. Send it back as `If-Match` or `If-None-Match`.", "\"3\""),
        "Location": {
            "description": "The path of what was made.",
            "schema": {"type": "string", "format": "uri-reference"},
        },
        "RateLimit": text("What is left of the limit (`r`), and the seconds until there is more (`t`).", "\"user\";r=599;t=1"),
        "RetryAfter": {
            "description": "After how many seconds to try again.",
            "schema": {"type": "integer", "minimum": 1},
            "example": 1,
        },
        "WwwAuthenticate": text("The scheme of the credentials.", "Bearer"),
    })
}

pub(super) fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "The access token that `POST /api/v1/auth/login` answers, or a key (`POST /api/v1/keys`).",
        },
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": ACCESS_COOKIE,
            "description": "What `POST /api/v1/auth/login` sets with `cookies`, for pages of this server; `stead-session` where \
                `auth.cookie_secure` is off.",
        },
    })
}

pub(super) fn schemas() -> Object {
    let problem = json!({
        "type": "object",
        "description": "What went wrong, after RFC 9457.",
        "required": ["type", "title", "status", "code", "detail", "requestId"],
        "properties": {
            "type": {"type": "string", "description": "Always `about:blank`; `code` is what to branch on."},
            "title": {"type": "string", "description": "The phrase of the status."},
            "status": {"type": "integer", "format": "int32", "minimum": 400, "maximum": 599, "description": "The HTTP status."},
            "code": {"$ref": "#/components/schemas/ProblemCode"},
            "detail": {"type": "string", "description": "What is wrong and what would be right, for people."},
            "requestId": {"type": "string", "description": "The id under which the server's log knows the request."},
            "errors": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/ProblemError"},
                "description": "The failing inputs, when the request failed because of them.",
            },
        },
    });
    let error = json!({
        "type": "object",
        "description": "One failing input.",
        "required": ["pointer", "code", "detail"],
        "properties": {
            "pointer": {
                "type": "string",
                "description": "A JSON pointer into the body (RFC 6901), or the name of a query parameter.",
            },
            "code": {"type": "string", "description": "A stable name of the fault: `required`, `too_long`, `unique`, …"},
            "detail": {"type": "string", "description": "What is wrong and what would be right, for people."},
        },
    });
    let code = json!({
        "type": "string",
        "enum": Code::ALL.iter().map(|code| code.wire()).collect::<Vec<_>>(),
        "description": codes(),
    });
    SCHEMAS.into_iter().map(str::to_owned).zip([problem, code, error]).collect()
}

/// The table of codes, for people.
fn codes() -> String {
    let row = |code: &Code| format!("- `{}` ({}): {}\n", code.wire(), code.status(), code.meaning().trim());
    let rows: String = Code::ALL.iter().map(row).collect();
    format!("What went wrong, as a program branches on it.\n\n{rows}")
}
