//! An answer as a client sees it, and what tests say about answers.

use hyper::{HeaderMap, StatusCode};
use serde_json::Value;

/// Failing inputs, each by pointer and code.
pub(crate) type Faults<'a> = &'a [(&'a str, &'a str)];

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self}"))
    }

    /// The value of a header; empty when it is not there, or has several.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().unwrap_or_default(),
            _ => "",
        }
    }

    /// Has this status, or the test ends with the whole answer.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self}");
        self
    }

    /// Has this status and a JSON body, which is returned.
    #[track_caller]
    pub(crate) fn ok(self, status: u16) -> Value {
        self.expect(status).json()
    }

    /// Is a whole problem document with this status and code, which is returned.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{answer}");
        let problem = answer.json();
        let title = answer.status.canonical_reason().unwrap_or_default();
        assert_eq!(problem["type"], "about:blank", "{answer}");
        assert_eq!(problem["title"], title, "{answer}");
        assert_eq!(problem["status"], status, "{answer}");
        assert_eq!(problem["code"], code, "{answer}");
        assert_eq!(problem["requestId"], answer.header("x-request-id"), "{answer}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{answer}");
        problem
    }

    /// Is a problem that names exactly these inputs, each by pointer and code, in any order.
    #[track_caller]
    pub(crate) fn faults(self, status: u16, code: &str, expected: Faults<'_>) -> Value {
        let problem = self.problem(status, code);
        let mut found: Vec<(String, String)> = Vec::new();
        for error in problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let member = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
            assert!(!member("detail").is_empty(), "{error} says nothing");
            found.push((member("pointer"), member("code")));
        }
        found.sort();
        let mut expected: Vec<_> = expected.iter().map(|(at, code)| ((*at).to_owned(), (*code).to_owned())).collect();
        expected.sort();
        assert_eq!(found, expected, "{problem:#}");
        problem
    }

    /// Is a 422 that names exactly these inputs.
    #[track_caller]
    pub(crate) fn invalid(self, expected: Faults<'_>) -> Value {
        self.faults(422, "validation_failed", expected)
    }

    /// Tells none of these texts, in the body or in a header.
    #[track_caller]
    pub(crate) fn lacks(self, texts: &[&str]) -> Self {
        let whole = self.to_string();
        for text in texts {
            assert!(!whole.contains(text), "{text:?} must not be told: {whole}");
        }
        self
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        write!(f, "\n{}", String::from_utf8_lossy(&self.body))
    }
}
