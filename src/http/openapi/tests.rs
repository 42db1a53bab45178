//! Raising and merging, on documents as the framework emits them.

use serde_json::{Value, json};

use super::{Fragment, Tag, document, raise};

fn raised(paths: Value, schemas: Value) -> Value {
    let spec = json!({
        "openapi": "3.0.0",
        "info": {"title": "x", "version": "0"},
        "servers": [],
        "tags": [{"name": "auth"}],
        "paths": paths,
        "components": {"schemas": schemas},
    });
    raise(&spec.to_string(), &["/login"]).unwrap()
}

fn statuses(document: &Value, operation: &str) -> Vec<String> {
    let responses = document.pointer(operation).unwrap().get("responses").unwrap().as_object().unwrap();
    responses.keys().cloned().collect()
}

#[test]
fn schemas_become_json_schema() {
    let document = raised(
        json!({}),
        json!({
            "A": {
                "type": "object",
                "properties": {
                    "nullable": {"type": "boolean", "example": true},
                    "a": {"type": "string", "nullable": true, "enum": ["x"]},
                    "b": {"type": "integer", "minimum": 3.0, "exclusiveMinimum": true, "maximum": 9.0, "exclusiveMaximum": false},
                    "c": {"allOf": [{"$ref": "#/components/schemas/B"}, {"description": "d"}], "description": "d"},
                    "d": {
                        "allOf": [{"$ref": "#/components/schemas/B"}, {"nullable": true}], "nullable": true,
                    },
                    "e": {"type": "string", "format": "binary"},
                },
            },
        }),
    );
    let properties = document.pointer("/components/schemas/A/properties").unwrap();
    assert_eq!(
        *properties,
        json!({
            "nullable": {"type": "boolean", "examples": [true]},
            "a": {"type": ["string", "null"], "enum": ["x", null]},
            "b": {"type": "integer", "exclusiveMinimum": 3.0, "maximum": 9.0},
            "c": {"$ref": "#/components/schemas/B", "description": "d"},
            "d": {"anyOf": [{"$ref": "#/components/schemas/B"}, {"type": "null"}]},
            "e": {"type": "string", "contentMediaType": "application/octet-stream"},
        })
    );
}

#[test]
fn an_operation_gets_the_errors_that_it_can_answer_and_keeps_its_own() {
    let document = raised(
        json!({
            "/login": {"post": {
                "tags": ["auth", "new"],
                "requestBody": {"content": {"application/json; charset=utf-8": {"schema": {"type": "object"}}}},
                "responses": {"200": {"description": ""}, "409": {"description": "own"}},
            }},
            "/things/{id}": {"delete": {
                "parameters": [
                    {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}, "deprecated": false, "explode": true},
                    {"name": "If-Match", "in": "header", "schema": {"type": "string"}},
                ],
                "responses": {"204": {"description": "gone"}},
            }},
        }),
        json!({}),
    );
    assert_eq!(
        statuses(&document, "/paths/~1login/post"),
        ["200", "400", "401", "403", "409", "413", "415", "422", "429", "503"]
    );
    assert_eq!(
        statuses(&document, "/paths/~1things~1{id}/delete"),
        ["204", "400", "401", "403", "404", "412", "429", "503"]
    );
    let login = document.pointer("/paths/~1login/post").unwrap();
    assert_eq!(login.get("security"), Some(&json!([])));
    assert_eq!(login.get("operationId"), Some(&json!("postLogin")));
    assert_eq!(login.pointer("/responses/200/description"), Some(&json!("OK")));
    assert_eq!(login.pointer("/responses/409/description"), Some(&json!("own")));
    assert!(login.pointer("/requestBody/content/application~1json/schema").is_some());
    assert!(document.pointer("/paths/~1things~1{id}/delete/security").is_none());
    let tags = document.get("tags").unwrap().as_array().unwrap();
    assert!(tags.iter().all(|tag| tag.get("description").is_some()));
    assert_eq!(tags.len(), 2);
}

#[test]
fn names_that_are_taken_are_given_anew_and_unused_components_go() {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let fragment = |path: &str| {
        let content = json!({"application/json": {"schema": reference("Thing")}});
        let operation =
            json!({"operationId": "readThing", "responses": {"200": {"description": "d", "content": content}}});
        Fragment {
            paths: [(path.to_owned(), json!({"get": operation}))].into_iter().collect(),
            schemas: [("Thing".to_owned(), json!({"properties": {"problem": reference("Problem")}}))]
                .into_iter()
                .collect(),
            tags: vec![Tag { name: "things".into(), description: "Things.".into() }],
        }
    };
    let document =
        document(&raised(json!({}), json!({"Unused": {"type": "string"}})), [fragment("/a"), fragment("/b")]);
    let schemas = document.pointer("/components/schemas").unwrap().as_object().unwrap();
    assert_eq!(schemas.keys().collect::<Vec<_>>(), ["Problem", "ProblemCode", "ProblemError", "Thing", "ThingRecord"]);
    assert_eq!(
        document.pointer("/paths/~1b/get/responses/200/content/application~1json/schema"),
        Some(&reference("ThingRecord"))
    );
    assert_eq!(document.pointer("/paths/~1b/get/operationId"), Some(&json!("readThingRecords")));
    assert_eq!(document.pointer("/paths/~1a/get/operationId"), Some(&json!("readThing")));
    assert!(document.pointer("/components/responses").is_none());
    assert!(document.pointer("/components/securitySchemes/bearer").is_some());
    assert_eq!(document.get("tags").unwrap().as_array().unwrap().len(), 2);
}

#[test]
fn what_is_no_document_is_an_error() {
    assert!(raise("[]", &[]).is_err());
    assert!(raise("{", &[]).is_err());
}
