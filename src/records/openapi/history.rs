//! The operation that tells what a record was before.

use serde_json::{Value, json};

use super::{
    example, parameters,
    paths::{Parts, Paths, answer},
};
use crate::{
    access::Action,
    http::openapi::shared,
    records::{HISTORY_LIMIT_DEFAULT, HISTORY_LIMIT_MAX},
};

/// `GET …/records/{id}/history`.
pub(super) fn history(paths: &Paths<'_>) -> Value {
    let schema = page(&format!("#/components/schemas/{}", paths.name.schema));
    let record = example::record(paths.collection).unwrap_or_else(|| json!({"id": example::ID, "version": 1}));
    let example = json!({
        "items": [{
            "seq": 4711, "time": "2026-02-01T17:05:12.25Z", "kind": "created", "actor": example::ID,
            "requestId": "019a9c3e-7b1d-7c52-9d5e-00000000000a", "changed": [], "record": record,
        }],
        "nextCursor": null,
    });
    let page = answer(
        "Changes of the record, newest first.",
        &[],
        json!({"application/json": {
            "schema": schema, "example": example,
        }}),
    );
    paths.operation(
        "history",
        "List changes of a record",
        Action::Read,
        Parts {
            parameters: parameters::history(HISTORY_LIMIT_DEFAULT, HISTORY_LIMIT_MAX),
            body: Value::Null,
            responses: shared::with_problems([(200, page)], &[400, 401, 403, 404, 429, 503]),
        },
    )
}

/// A past record has the fields that it had then, so none is certain.
fn page(record: &str) -> Value {
    let change = json!({
        "type": "object",
        "required": ["seq", "time", "kind", "actor", "requestId", "changed", "record"],
        "properties": {
            "seq": {"type": "integer", "format": "int64", "description": "The change's place among all changes of the server."},
            "time": {"type": "string", "format": "date-time", "description": "When it happened."},
            "kind": {"type": "string", "enum": ["created", "updated", "deleted"], "description": "What happened."},
            "actor": {"type": "string", "description": "The id of the user who did it."},
            "requestId": {"type": "string", "description": "The request that did it; empty when there was none."},
            "changed": {
                "type": "array", "items": {"type": "string"},
                "description": "The fields whose values differ from those before.",
            },
            "record": {
                "type": ["object", "null"], "additionalProperties": true,
                "description": format!("The record after the change, in the manner of `{record}`; null when it was deleted."),
            },
        },
    });
    json!({
        "type": "object",
        "required": ["items", "nextCursor"],
        "properties": {
            "items": {"type": "array", "items": change},
            "nextCursor": {"type": ["string", "null"], "description": "The `cursor` of the next page; null on the last one."},
        },
    })
}
