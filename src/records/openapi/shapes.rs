//! Schemas that the operations of every collection share, by names that no collection's schemas may have.
//!
//! Generators make types of named schemas. What stands inline in the operations of each collection becomes a type for
//! each of them, under a name made of the operation's.

use serde_json::{Value, json};

use crate::{
    http::openapi::Object,
    records::{OPERATIONS_MAX, aggregate::LIMIT_MAX},
};

/// Names of the schemas here.
pub(super) const SCHEMAS: [&str; 16] = [
    "AggregateGroup",
    "AggregateResult",
    "BatchOperation",
    "BatchOperationKind",
    "BatchRecordId",
    "BatchRequest",
    "BatchResponse",
    "BatchResult",
    "BulkResult",
    "GeoPoint",
    "ImportMode",
    "ImportReport",
    "ImportedCollection",
    "QueryExplanation",
    "RecordReference",
    "RejectedLine",
];

/// A reference to a schema.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A reference to a schema, with remarks that hold where it stands.
pub(super) fn described(name: &str, description: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}"), "description": description})
}

/// All of them.
pub(super) fn schemas() -> Object {
    let made = [
        aggregate_group(),
        aggregate_result(),
        batch_operation(),
        batch_operation_kind(),
        batch_record_id(),
        batch_request(),
        batch_response(),
        batch_result(),
        bulk_result(),
        geo_point(),
        import_mode(),
        import_report(),
        imported_collection(),
        query_explanation(),
        record_reference(),
        rejected_line(),
    ];
    SCHEMAS.into_iter().map(str::to_owned).zip(made).collect()
}

/// The values are left open: a choice of null and other types is one that generators for Rust cannot take.
fn aggregate_group() -> Value {
    let times = ["2026", "2026-Q1", "2026-01", "2026-W05", "2026-01-31", "2026-01-31T09:00:00+01:00"];
    json!({
        "type": "object",
        "description": "A group: its keys and aggregates by the names of their columns.",
        "additionalProperties": {"description": format!(
            "A string, number, boolean or null. Decimals, times and days are strings; so are units of time: {}.",
            super::text::code_list(times.into_iter()),
        )},
    })
}

fn aggregate_result() -> Value {
    json!({
        "type": "object",
        "description": "The groups that were asked for.",
        "required": ["items", "groups"],
        "properties": {
            "items": {"type": "array", "maxItems": LIMIT_MAX, "items": reference("AggregateGroup")},
            "groups": {
                "type": "integer",
                "format": "int64",
                "minimum": 0,
                "description": "How many groups there are, those beyond the limit included.",
            },
        },
    })
}

fn batch_operation() -> Value {
    json!({
        "type": "object",
        "description": "One change.",
        "required": ["op"],
        "properties": {
            "op": reference("BatchOperationKind"),
            "collection": {"type": "string", "description": "The name of the collection; for records."},
            "id": described("BatchRecordId", "The record to change or delete."),
            "ref": {"type": "string", "maxLength": 64, "description": "A name for the record or job of this operation."},
            "by": {
                "type": "array", "items": {"type": "string"},
                "description": "The fields of a unique index by which an upsert finds its record; `id` when absent.",
            },
            "ifMatch": {"type": "integer", "format": "int64", "description": "The version that the record must have."},
            "body": {
                "type": "object", "additionalProperties": true,
                "description": "The record, or the fields to change. Numbers may be `{\"$increment\": n}`, lists \
                                `{\"$append\": [..]}` or `{\"$remove\": [..]}`. Of `enqueue`, the job: a `JobCreate`.",
            },
        },
        "additionalProperties": false,
    })
}

fn batch_operation_kind() -> Value {
    json!({
        "type": "string", "enum": ["create", "update", "replace", "upsert", "delete", "enqueue"],
        "description": "`update` changes the fields that are given; `upsert` does so with the record that agrees in the \
                        fields `by`, or makes one; `enqueue` makes a job.",
    })
}

fn batch_record_id() -> Value {
    json!({
        "oneOf": [{"type": "string"}, reference("RecordReference")],
        "description": "A record's id, or a reference to an earlier operation.",
    })
}

fn batch_request() -> Value {
    json!({
        "type": "object",
        "description": "Changes to carry out in order, all or none.",
        "required": ["operations"],
        "properties": {"operations": {
            "type": "array", "minItems": 1, "maxItems": OPERATIONS_MAX, "items": reference("BatchOperation"),
        }},
        "additionalProperties": false,
    })
}

fn batch_response() -> Value {
    json!({
        "type": "object",
        "description": "What came of a batch.",
        "required": ["results"],
        "properties": {"results": {"type": "array", "items": reference("BatchResult")}},
    })
}

fn batch_result() -> Value {
    json!({
        "type": "object",
        "description": "What came of one operation.",
        "required": ["status", "id"],
        "properties": {
            "status": {"type": "integer", "format": "int32", "description": "201 made, 200 changed, 204 deleted."},
            "id": {"type": "string", "description": "The id of the record or job."},
            "version": {"type": "integer", "format": "int64", "description": "The record's version."},
            "record": {"type": "object", "additionalProperties": true, "description": "The record as it is now."},
            "outcome": described("JobOutcome", "How the job came about."),
        },
    })
}

fn bulk_result() -> Value {
    json!({
        "type": "object",
        "description": "How many records a change of all that match was for.",
        "required": ["matched", "dryRun"],
        "properties": {
            "matched": {"type": "integer", "format": "int64", "minimum": 0, "description": "How many records matched."},
            "dryRun": {"type": "boolean", "description": "Whether they were only counted."},
        },
    })
}

fn geo_point() -> Value {
    json!({
        "type": "object",
        "description": "A place on Earth, in degrees.",
        "required": ["lat", "lon"],
        "properties": {
            "lat": {"type": "number", "format": "double", "minimum": -90, "maximum": 90},
            "lon": {"type": "number", "format": "double", "minimum": -180, "maximum": 180},
        },
        "additionalProperties": false,
    })
}

fn import_mode() -> Value {
    json!({
        "type": "string", "enum": ["create", "upsert"],
        "description": "What is done with a line whose id is in use: `create` rejects it, `upsert` replaces the record.",
    })
}

/// How many records an import had, in all or of one collection.
fn counts() -> Object {
    let count =
        |description: &str| json!({"type": "integer", "format": "int64", "minimum": 0, "description": description});
    [
        ("processed", count("How many records were looked at.")),
        ("imported", count("How many of them were written; in a dry run, would have been.")),
        ("rejectedCount", count("How many were not.")),
    ]
    .into_iter()
    .map(|(name, schema)| (name.to_owned(), schema))
    .collect()
}

fn import_report() -> Value {
    let mut report = json!({
        "type": "object",
        "description": "How far an import is, or what came of it.",
        "required": ["processed", "imported", "rejectedCount", "rejected"],
        "properties": {
            "rejected": {
                "type": "array", "items": reference("RejectedLine"),
                "description": "Those that were not, and why; the first of them.",
            },
            "dryRun": {"type": "boolean", "description": "True when nothing was written."},
            "complete": {"type": "boolean", "description": "Whether the whole body was read; absent while it goes on."},
            "error": {
                "type": "object",
                "required": ["code", "detail"],
                "properties": {
                    "code": {"type": "string", "description": "The `code` that a problem would have."},
                    "detail": {"type": "string", "description": "What is wrong, for people."},
                },
                "description": "Why the import went no further.",
            },
            "collections": {
                "type": "array", "items": reference("ImportedCollection"),
                "description": "How many records there were of each collection of an archive, when everything is done.",
            },
            "steps": {
                "type": "array", "items": reference("Step"),
                "description": "What an archive's definitions changed, when everything is done.",
            },
        },
    });
    add_properties(&mut report, counts());
    report
}

fn imported_collection() -> Value {
    let mut report = json!({
        "type": "object",
        "description": "How many records an archive had of one collection.",
        "required": ["collection", "processed", "imported", "rejectedCount"],
        "properties": {"collection": {"type": "string", "description": "The collection."}},
    });
    add_properties(&mut report, counts());
    report
}

fn add_properties(schema: &mut Value, more: Object) {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.extend(more);
    }
}

fn query_explanation() -> Value {
    json!({
        "type": "object",
        "description": "How records were found.",
        "required": ["plan", "indexes", "ranges", "ordered", "filtered", "examined", "milliseconds"],
        "properties": {
            "plan": {
                "type": "string",
                "description": "By what records were found: `records` (by id, or one after the other), along an `index`, along \
                                several for alternatives (`union`), or along one as far as another one agrees (`intersection`).",
            },
            "indexes": {
                "type": "array", "items": {"type": "array", "items": {"type": "string"}},
                "description": "The fields of each index that served.",
            },
            "ranges": {"type": "integer", "description": "How many ranges of keys were read."},
            "ordered": {"type": "boolean", "description": "Whether the index gave the wanted order."},
            "filtered": {"type": "boolean", "description": "Whether records were looked at one by one."},
            "examined": {"type": "integer", "description": "How many records and index entries were read."},
            "milliseconds": {"type": "number", "format": "double", "description": "How long it took to find the page."},
        },
    })
}

fn record_reference() -> Value {
    json!({
        "type": "object",
        "description": "Stands for the id of the record or job of an earlier operation of the batch.",
        "required": ["$ref"],
        "properties": {"$ref": {"type": "string", "description": "The `ref` of that operation."}},
        "additionalProperties": false,
    })
}

fn rejected_line() -> Value {
    json!({
        "type": "object",
        "description": "A record that was not imported.",
        "required": ["line", "reason"],
        "properties": {
            "collection": {"type": "string", "description": "Its collection, when an archive was taken in."},
            "line": {"type": "integer", "format": "int64", "minimum": 1, "description": "The number of its line, or of the element of an array, from 1."},
            "reason": {"type": "string", "description": "Why, for people."},
            "errors": {
                "type": "array",
                "items": reference("ProblemError"),
                "description": "The failing fields, when it failed because of them.",
            },
        },
    })
}
