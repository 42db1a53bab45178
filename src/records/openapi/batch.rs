//! The operation on records of many collections, and what the operations of all collections share.

use serde_json::json;

use super::{paths::answer, shapes};
use crate::http::openapi::{Fragment, Object, Tag, shared};

/// What records add to the document whatever the collections: batches, and the schemas that all share.
#[must_use]
pub fn common_fragment() -> Fragment {
    let success = answer(
        "Every operation was carried out; the results are in their order.",
        &[],
        json!({"application/json": {"schema": shapes::reference("BatchResponse"), "example": {"results": [
            {"status": 201, "id": "019a9c3e-7b1d-7c52-9d5e-000000000001", "version": 1, "record": {"name": "Ann"}},
            {"status": 204, "id": "old"},
            {"status": 201, "id": "019a9c3e-7b1d-7c52-9d5e-000000000002", "outcome": "created"},
        ]}}}),
    );
    let post = json!({
        "tags": ["Batch"],
        "operationId": "batch",
        "summary": "Carry out many changes, all or none",
        "description": "Up to 1,000 operations on any collections and queues, in order, in one transaction. Each needs the \
                        permission or rule that it needs by itself. When one fails nothing is written, and `errors` names \
                        every fault under the index of its operation. A `ref` names the record or job of an operation; later \
                        ones say `{\"$ref\": \"name\"}` in the place of its id: in relations, and of jobs in `after`, in \
                        keys, and in the members of the payload.",
        "parameters": [super::parameters::idempotency_key()],
        "requestBody": {"required": true, "content": {"application/json": {
            "schema": shapes::reference("BatchRequest"),
            "example": {"operations": [
                {"op": "create", "collection": "authors", "ref": "ann", "body": {"name": "Ann"}},
                {"op": "update", "collection": "posts", "id": "first", "body": {"author": {"$ref": "ann"}}},
                {"op": "delete", "collection": "posts", "id": "old", "ifMatch": 3},
                {"op": "enqueue", "body": {"queue": "emails", "kind": "author.welcome", "payload": {"author": {"$ref": "ann"}}}},
            ]},
        }}},
        "responses": shared::with_problems([(200, success)], &[400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 503]),
    });
    Fragment {
        paths: Object::from_iter([("/api/v1/batch".to_owned(), json!({"post": post}))]),
        schemas: shapes::schemas(),
        tags: vec![Tag { name: "Batch".into(), description: "Many changes in one transaction.".into() }],
    }
}
