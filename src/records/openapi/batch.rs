//! The operation on records of many collections.

use serde_json::{Value, json};

use super::paths::answer;
use crate::{
    http::openapi::{Fragment, Object, Tag, shared},
    records::OPERATIONS_MAX,
};

/// What batches add to the document.
#[must_use]
pub fn batch_fragment() -> Fragment {
    let success = answer(
        "Every operation was carried out; the results are in their order.",
        &[],
        json!({"application/json": {"schema": results(), "example": {"results": [
            {"status": 201, "id": "019a9c3e-7b1d-7c52-9d5e-000000000001", "version": 1, "record": {"name": "Ann"}},
            {"status": 204, "id": "old"},
        ]}}}),
    );
    let post = json!({
        "tags": ["Batch"],
        "operationId": "batch",
        "summary": "Carry out many changes, all or none",
        "description": "Up to 1,000 operations on any collections, in order, in one transaction. Each needs the permission or \
                        rule that it needs by itself. When one fails nothing is written, and `errors` names every fault \
                        under the index of its operation. A `ref` names the record of an operation; later ones say \
                        `{\"$ref\": \"name\"}` in the place of its id.",
        "parameters": [super::parameters::idempotency_key()],
        "requestBody": {"required": true, "content": {"application/json": {
            "schema": {
                "type": "object",
                "required": ["operations"],
                "properties": {"operations": {
                    "type": "array", "minItems": 1, "maxItems": OPERATIONS_MAX, "items": operation(),
                }},
                "additionalProperties": false,
            },
            "example": {"operations": [
                {"op": "create", "collection": "authors", "ref": "ann", "body": {"name": "Ann"}},
                {"op": "update", "collection": "posts", "id": "first", "body": {"author": {"$ref": "ann"}}},
                {"op": "delete", "collection": "posts", "id": "old", "ifMatch": 3},
            ]},
        }}},
        "responses": shared::with_problems([(200, success)], &[400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 503]),
    });
    Fragment {
        paths: Object::from_iter([("/api/v1/batch".to_owned(), json!({"post": post}))]),
        schemas: Object::new(),
        tags: vec![Tag { name: "Batch".into(), description: "Many changes in one transaction.".into() }],
    }
}

fn operation() -> Value {
    json!({
        "type": "object",
        "required": ["op", "collection"],
        "properties": {
            "op": {
                "type": "string", "enum": ["create", "update", "replace", "upsert", "delete"],
                "description": "`update` changes the fields that are given; `upsert` does so with the record that agrees in \
                                the fields `by`, or makes one.",
            },
            "collection": {"type": "string", "description": "The name of the collection."},
            "id": {"description": "The record to change or delete: its id, or a reference to an earlier operation."},
            "ref": {"type": "string", "maxLength": 64, "description": "A name for the record of this operation."},
            "by": {
                "type": "array", "items": {"type": "string"},
                "description": "The fields of a unique index by which an upsert finds its record; `id` when absent.",
            },
            "ifMatch": {"type": "integer", "format": "int64", "description": "The version that the record must have."},
            "body": {
                "type": "object", "additionalProperties": true,
                "description": "The record, or the fields to change. Numbers may be `{\"$increment\": n}`, lists \
                                `{\"$append\": [..]}` or `{\"$remove\": [..]}`.",
            },
        },
        "additionalProperties": false,
    })
}

fn results() -> Value {
    json!({
        "type": "object",
        "required": ["results"],
        "properties": {"results": {"type": "array", "items": {
            "type": "object",
            "required": ["status", "id"],
            "properties": {
                "status": {"type": "integer", "format": "int32", "description": "201 made, 200 changed, 204 deleted."},
                "id": {"type": "string", "description": "The record's id."},
                "version": {"type": "integer", "format": "int64", "description": "The record's version."},
                "record": {"type": "object", "additionalProperties": true, "description": "The record as it is now."},
            },
        }}},
    })
}
