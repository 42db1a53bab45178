//! Operations that take in or give out many records as streams.

use serde_json::{Value, json};

use super::{
    example, parameters,
    paths::{Parts, Paths, answer},
    shapes,
};
use crate::{
    access::Action,
    http::openapi::{Fragment, Object, Tag, shared},
    kernel::Code,
    records::{CHUNK_RECORDS, Format, REJECTED_LISTED_MAX},
};

const PROGRESS: &str = "Reports, one in each line, each with the totals so far and what was rejected since the one before. \
                        The last one has `complete`.";

/// `POST …/import`.
pub(super) fn import(paths: &Paths<'_>) -> Value {
    let parameters = json!([
        one_of(
            "mode",
            "What is done with a record whose id is in use: `create`, the default, rejects it, `upsert` replaces it.",
            shapes::reference("ImportMode"),
        ),
        flag(
            "dryRun",
            "Whether nothing is written. Everything is checked as if the records before it were there: their ids and \
             unique values count, what rules read of them does not.",
        ),
        one_of(
            "format",
            "The format of the body, when its `Content-Type` does not tell.",
            json!({"type": "string", "enum": Format::ALL.map(Format::name)}),
        ),
        progress(),
    ]);
    let made = example::create(paths.collection);
    // One media type, for generators make one function of one; what the others are is said in words.
    let body = json!({Format::Jsonl.media_type(): text(
        "A record in each line. With `application/json` an array of records, read one by one, however many they are. With \
         `text/csv` a first row that names the fields; an empty cell says nothing, an empty cell in quotes is an empty text, \
         lists and JSON are cells of JSON text.",
        made.map(|made| format!("{made}\n")),
    )});
    let refused = json!({"line": 7, "reason": "there is a record \"a\" already"});
    let example = json!({"processed": 3, "imported": 2, "rejectedCount": 1, "rejected": [refused], "complete": true});
    let content = json!({
        "application/json": {"schema": shapes::reference("ImportReport"), "example": example},
        Format::Jsonl.media_type(): text(PROGRESS, Some(format!("{example}\n"))),
    });
    let errors = [401, 403, 404, 409, 413, 415, 429, 503];
    paths.operation(
        "import",
        "Import records",
        Action::Create,
        Parts {
            parameters,
            body: json!({"required": true, "content": body}),
            responses: shared::with_problems([(200, answer("What came of it.", &[], content)), (400, cut())], &errors),
        },
    )
}

/// What is special about imports, for people.
pub(super) fn import_note() -> String {
    format!(
        "The body may have any length; it is written as it comes, up to {CHUNK_RECORDS} records with one commit. \
         Records that do not fit are reported, the first {REJECTED_LISTED_MAX} of them with the reason; the others \
         stay. Names and types of foreign data are read as a person would: `album_id` for `albumId`, `\"5\"` for 5. \
         To replace a record takes the permission or rule of an update too. "
    )
}

/// `GET …/export`.
pub(super) fn export(paths: &Paths<'_>) -> Value {
    let collection = paths.collection;
    let shown = example::record(collection);
    let content = json!({
        Format::Jsonl.media_type(): text("A record in each line.", shown.as_ref().map(|shown| format!("{shown}\n"))),
        Format::Json.media_type(): with_example(
            json!({"schema": {
                "type": "array",
                "items": {"$ref": format!("#/components/schemas/{}", paths.name.schema)},
            }}),
            shown.map(|shown| json!([shown])),
        ),
        Format::Csv.media_type(): text(
            "The first row names the fields. Values are as they are stored: a text that a spreadsheet would take for \
             a formula is not changed.",
            None,
        ),
    });
    let format = one_of(
        "format",
        "The format; without it, the first that `Accept` names, else `jsonl`.",
        json!({"type": "string", "enum": Format::ALL.map(Format::name)}),
    );
    let errors = [400, 401, 403, 404, 429, 503];
    paths.operation(
        "export",
        "Export records",
        Action::List,
        Parts {
            parameters: json!([parameters::filter(collection), parameters::shown(collection), format]),
            body: Value::Null,
            responses: shared::with_problems([(200, answer("The records, by id.", &[], content))], &errors),
        },
    )
}

/// What the document says of archives, which belong to no collection.
#[must_use]
pub fn archives() -> Fragment {
    let archive = json!({
        "application/x-tar": {"schema": {"type": "string", "format": "binary", "description": "A tar archive."}},
    });
    let collections = json!({
        "name": "collections", "in": "query",
        "description": "The collections, separated by commas; without it, all whose records the caller may list.",
        "schema": {"type": "string"}, "example": "users",
    });
    let get = json!({
        "operationId": "downloadArchive",
        "summary": "Export several collections",
        "description": "All of one consistent state, as a tar archive: for each collection its records, as far as the \
                        caller may list them, in `<collection>.jsonl`, and before all of them its definition, if the \
                        caller may read that, in `<collection>.json`. Collections come after those that their relations lead to. Open \
                        to callers with the permission or by the rule that listing each collection takes.",
        "tags": ["Archives"],
        "parameters": [collections],
        "responses": shared::with_problems([(200, answer("The archive.", &[], archive))], &[400, 401, 403, 404, 429, 503]),
    });
    let paths = [("/api/v1/export", json!({"get": get})), ("/api/v1/import", json!({"post": import_archive()}))];
    Fragment {
        paths: paths.into_iter().map(|(path, item)| (path.to_owned(), item)).collect(),
        schemas: Object::new(),
        tags: vec![Tag { name: "Archives".into(), description: "Several collections in one file.".into() }],
    }
}

fn import_archive() -> Value {
    let collections = json!({
        "name": "collections", "in": "query",
        "description": "The collections whose records are taken in, separated by commas; without it, all of the archive.",
        "schema": {"type": "string"}, "example": "users",
    });
    let definitions = one_of(
        "definitions",
        "What is done with the definitions in the archive. `create`, the default, makes the collections that are not \
         there and leaves others as they are; `apply` makes all of them what the archive says, unless values would be \
         lost; `ignore` passes them over.",
        json!({"type": "string", "enum": ["create", "apply", "ignore"], "default": "create"}),
    );
    let mode = one_of(
        "mode",
        "What is done with a record whose id is in use: `create`, the default, rejects it, `upsert` replaces it.",
        shapes::reference("ImportMode"),
    );
    let dry_run = flag(
        "dryRun",
        "Whether nothing is written. Records of collections that are not there yet are passed over, and others are checked \
         by the definitions that the server has.",
    );
    let body = json!({"application/x-tar": {"schema": {
        "type": "string", "format": "binary",
        "description": "A tar archive: first definitions (`<collection>.json`), then records (`<collection>.jsonl`).",
    }}});
    let counts = json!({"collection": "users", "processed": 3, "imported": 3, "rejectedCount": 0});
    let example = json!({
        "processed": 3, "imported": 3, "rejectedCount": 0, "rejected": [], "complete": true, "collections": [counts],
    });
    let content = json!({
        "application/json": {"schema": shapes::reference("ImportReport"), "example": example},
        Format::Jsonl.media_type(): text(PROGRESS, Some(format!("{example}\n"))),
    });
    json!({
        "operationId": "uploadArchive",
        "summary": "Import several collections",
        "description": "Takes in what an export gave out, of any length, as it comes. Definitions are carried out first, all \
                        of them or none, for callers who may create, update and delete collections. Then records are \
                        imported file by file, open to callers with the permission or by the rule that creating each takes. \
                        A record that names one which comes later waits for it, in at most 128 MiB of memory; records that \
                        name each other in a circle are written without that first, for callers who may update all \
                        records of the collection.",
        "tags": ["Archives"],
        "parameters": [mode, definitions, collections, dry_run, progress()],
        "requestBody": {"required": true, "content": body},
        "responses": shared::with_problems(
            [(200, answer("What came of it.", &[], content)), (400, cut())],
            &[401, 403, 404, 408, 409, 413, 415, 422, 429, 503],
        ),
    })
}

fn progress() -> Value {
    flag("progress", "Whether to answer at once and tell after each commit how far the import is, in JSON lines.")
}

fn cut() -> Value {
    shared::problem_of(
        Code::BadRequest,
        "The body ended early or is not of its format, or a parameter is not valid. What was committed before stays; \
         `report` says how far that is.",
        "the body ended early",
    )
}

fn one_of(name: &str, description: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}

fn flag(name: &str, description: &str) -> Value {
    one_of(name, description, json!({"type": "boolean", "default": false}))
}

/// As `binary`, for clients then read and write lines as a stream of bytes; as text they would make one JSON string of them.
fn text(description: &str, example: Option<String>) -> Value {
    let schema = json!({"type": "string", "format": "binary", "description": description});
    with_example(json!({"schema": schema}), example.map(Value::from))
}

fn with_example(mut media: Value, example: Option<Value>) -> Value {
    if let (Some(media), Some(example)) = (media.as_object_mut(), example) {
        media.insert("example".into(), example);
    }
    media
}
