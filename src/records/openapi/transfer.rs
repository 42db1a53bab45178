//! Operations that take in or give out many records of one collection as JSON lines.

use serde_json::{Value, json};

use super::{
    example, parameters,
    paths::{Parts, Paths, answer},
    shapes,
};
use crate::{access::Action, http::openapi::shared, records::LINES_MAX};

/// The media type of JSON lines.
const LINES: &str = "application/x-ndjson";

/// `POST …/import`.
pub(super) fn import(paths: &Paths<'_>) -> Value {
    let mode = json!({
        "name": "mode", "in": "query",
        "description": "What is done with a line whose id is in use: `create`, the default, rejects it, `upsert` replaces the record.",
        "schema": shapes::reference("ImportMode"),
    });
    let lines = format!("A record in each line, up to {LINES_MAX} of them.");
    let example = example::create(paths.collection).map(|line| format!("{line}\n"));
    let report = answer(
        "What came of it.",
        &[],
        json!({"application/json": {
            "schema": shapes::reference("ImportReport"),
            "example": {"imported": 2, "rejected": [{"line": 7, "reason": "there is a record \"a\" already"}]},
        }}),
    );
    let errors = [400, 401, 403, 404, 409, 413, 429, 503];
    paths.operation(
        "import",
        "Import records",
        Action::Create,
        Parts {
            parameters: json!([mode]),
            body: json!({"required": true, "content": text_lines(&lines, example)}),
            responses: shared::with_problems([(200, report)], &errors),
        },
    )
}

/// `GET …/export`.
pub(super) fn export(paths: &Paths<'_>) -> Value {
    let example = example::record(paths.collection).map(|line| format!("{line}\n"));
    let lines = answer("The records, by id.", &[], text_lines("A record in each line.", example));
    let errors = [400, 401, 403, 404, 429, 503];
    paths.operation(
        "export",
        "Export records",
        Action::List,
        Parts {
            parameters: json!([parameters::filter(paths.collection)]),
            body: Value::Null,
            responses: shared::with_problems([(200, lines)], &errors),
        },
    )
}

/// As `binary`, for clients then read and write lines as a stream of bytes; as text they would make one JSON string of them.
fn text_lines(description: &str, example: Option<String>) -> Value {
    let mut media = json!({"schema": {"type": "string", "format": "binary", "description": description}});
    if let (Some(media), Some(example)) = (media.as_object_mut(), example) {
        media.insert("example".into(), example.into());
    }
    json!({LINES: media})
}
