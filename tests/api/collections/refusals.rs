//! Definitions that are refused: every fault is named by its place, and all of them at once.

use serde_json::{Value, json};

use super::{ALL, names};
use crate::support::TestApp;

/// A collection `c` with one field, and what must be said of the field.
const FIELDS: &[(&str, &str, &str)] = &[
    // Names.
    (r#"{"name": "", "type": "string"}"#, "name", "pattern"),
    (r#"{"name": "1st", "type": "string"}"#, "name", "pattern"),
    (r#"{"name": "_x", "type": "string"}"#, "name", "pattern"),
    (r#"{"name": "a-b", "type": "string"}"#, "name", "pattern"),
    (r#"{"name": "größe", "type": "string"}"#, "name", "pattern"),
    (r#"{"name": "a\"b", "type": "string"}"#, "name", "pattern"),
    (r#"{"name": "id", "type": "string"}"#, "name", "reserved"),
    (r#"{"name": "createdat", "type": "datetime"}"#, "name", "reserved"),
    (r#"{"name": "version", "type": "integer"}"#, "name", "reserved"),
    (r#"{"name": "expand", "type": "string"}"#, "name", "reserved"),
    (r#"{"name": "true", "type": "boolean"}"#, "name", "reserved"),
    (r#"{"name": "in", "type": "string"}"#, "name", "reserved"),
    // Types and attributes that are not theirs.
    (r#"{"name": "f", "type": "strin"}"#, "type", "invalid"),
    (r#"{"name": "f", "type": "String"}"#, "type", "invalid"),
    (r#"{"name": "f", "type": "boolean", "min": 1}"#, "min", "invalid"),
    (r#"{"name": "f", "type": "json", "max": 1}"#, "max", "invalid"),
    (r#"{"name": "f", "type": "integer", "pattern": "a"}"#, "pattern", "invalid"),
    (r#"{"name": "f", "type": "text", "format": "email"}"#, "format", "invalid"),
    (r#"{"name": "f", "type": "string", "values": ["a"]}"#, "values", "invalid"),
    (r#"{"name": "f", "type": "string", "collection": "users"}"#, "collection", "invalid"),
    (r#"{"name": "f", "type": "enum", "values": ["a"], "onDelete": "cascade"}"#, "onDelete", "invalid"),
    (r#"{"name": "f", "type": "string", "maxBytes": 1}"#, "maxBytes", "invalid"),
    (r#"{"name": "f", "type": "json", "mediaTypes": ["image/png"]}"#, "mediaTypes", "invalid"),
    (r#"{"name": "f", "type": "integer", "many": true}"#, "many", "invalid"),
    (r#"{"name": "f", "type": "integer", "searchable": true}"#, "searchable", "invalid"),
    (r#"{"name": "f", "type": "string", "many": true, "unique": true}"#, "unique", "invalid"),
    (r#"{"name": "f", "type": "string", "minItems": 1}"#, "minItems", "invalid"),
    (r#"{"name": "f", "type": "string", "maxItems": 1}"#, "maxItems", "invalid"),
    // Attributes with values that make no sense.
    (r#"{"name": "f", "type": "string", "many": true, "minItems": 3, "maxItems": 2}"#, "maxItems", "invalid"),
    (r#"{"name": "f", "type": "string", "many": true, "maxItems": 1001}"#, "maxItems", "invalid"),
    (r#"{"name": "f", "type": "string", "max": 4097}"#, "max", "invalid"),
    (r#"{"name": "f", "type": "string", "max": 0}"#, "max", "invalid"),
    (r#"{"name": "f", "type": "string", "min": -1}"#, "min", "invalid"),
    (r#"{"name": "f", "type": "string", "min": 5, "max": 4}"#, "max", "invalid"),
    (r#"{"name": "f", "type": "text", "max": 1000001}"#, "max", "invalid"),
    (r#"{"name": "f", "type": "integer", "min": 1.5}"#, "min", "invalid"),
    (r#"{"name": "f", "type": "integer", "min": 2, "max": 1}"#, "max", "invalid"),
    (r#"{"name": "f", "type": "number", "max": "much"}"#, "max", "invalid"),
    (r#"{"name": "f", "type": "decimal", "min": "1,5"}"#, "min", "invalid"),
    (r#"{"name": "f", "type": "datetime", "min": "2026-01-31"}"#, "min", "invalid"),
    (r#"{"name": "f", "type": "date", "max": "31.01.2026"}"#, "max", "invalid"),
    (r#"{"name": "f", "type": "string", "pattern": "("}"#, "pattern", "invalid"),
    (r#"{"name": "f", "type": "string", "format": "phone"}"#, "format", "invalid"),
    (r#"{"name": "f", "type": "enum"}"#, "values", "invalid"),
    (r#"{"name": "f", "type": "enum", "values": []}"#, "values", "invalid"),
    (r#"{"name": "f", "type": "enum", "values": ["a", "a"]}"#, "values", "invalid"),
    (r#"{"name": "f", "type": "enum", "values": [""]}"#, "values", "invalid"),
    (r#"{"name": "f", "type": "relation"}"#, "collection", "invalid"),
    (r#"{"name": "f", "type": "relation", "collection": "nothing"}"#, "collection", "not_found"),
    (
        r#"{"name": "f", "type": "relation", "collection": "users", "required": true, "onDelete": "setNull"}"#,
        "onDelete",
        "invalid",
    ),
    // Defaults.
    (r#"{"name": "f", "type": "string", "default": 7}"#, "default", "invalid"),
    (r#"{"name": "f", "type": "string", "max": 2, "default": "long"}"#, "default", "invalid"),
    (r#"{"name": "f", "type": "integer", "min": 1, "default": 0}"#, "default", "invalid"),
    (r#"{"name": "f", "type": "enum", "values": ["a"], "default": "b"}"#, "default", "invalid"),
    (r#"{"name": "f", "type": "date", "default": "2026-02-30"}"#, "default", "invalid"),
    (r#"{"name": "f", "type": "integer", "nullable": false}"#, "default", "invalid"),
    // Indexes of single fields.
    (r#"{"name": "f", "type": "json", "indexed": true}"#, "indexed", "invalid"),
    (r#"{"name": "f", "type": "text", "indexed": true}"#, "indexed", "invalid"),
    (r#"{"name": "f", "type": "text", "unique": true}"#, "unique", "invalid"),
    (r#"{"name": "f", "type": "geoPoint", "unique": true}"#, "unique", "invalid"),
];

#[tokio::test]
async fn every_bad_field_is_refused_at_its_attribute() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (field, attribute, code) in FIELDS {
        let body = format!(r#"{{"name": "c", "fields": [{{"name": "fine", "type": "string"}}, {field}]}}"#);
        let pointer = format!("/fields/1/{attribute}");
        let answer = admin.send("POST", ALL, body).await;
        assert_eq!(answer.status.as_u16(), 422, "{field}: {answer}");
        answer.invalid(&[(&pointer, code)]);
    }
    assert_eq!(names(&admin).await, ["users"], "nothing was made");
}

#[tokio::test]
async fn every_bad_name_is_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "posts"})).await;
    let long = "a".repeat(64);
    let rows = [
        ("", "required"),
        ("1st", "pattern"),
        ("a b", "pattern"),
        ("a/b", "pattern"),
        ("..", "pattern"),
        ("größe", "pattern"),
        (long.as_str(), "pattern"),
        ("records", "reserved"),
        ("Collections", "reserved"),
        ("auth", "reserved"),
        ("posts", "unique"),
        ("users", "unique"),
    ];
    for (name, code) in rows {
        admin.post(ALL, json!({"name": name})).await.invalid(&[("/name", code)]);
        if !name.is_empty() {
            admin.post(ALL, json!({"name": "other"})).await.expect(201);
            admin.patch("/api/v1/collections/other", json!({"name": name})).await.invalid(&[("/name", code)]);
            admin.delete("/api/v1/collections/other").await.expect(204);
        }
    }
    admin.post(ALL, json!({})).await.invalid(&[("/name", "required")]);
    admin.post(ALL, json!({"name": "a".repeat(63)})).await.expect(201);
}

#[tokio::test]
async fn all_faults_come_at_once() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let problem = admin.post(
        ALL,
        json!({
            "name": "health",
            "description": "x".repeat(2001),
            "fields": [
                {"name": "title", "type": "string"},
                {"name": "Title", "type": "string"},
                {"name": "id", "type": "colour"},
                {"name": "to", "type": "relation", "collection": "nothing"},
                {"name": "n", "type": "integer", "default": "one"},
            ],
        }),
    );
    let problem = problem.await.invalid(&[
        ("/name", "reserved"),
        ("/description", "too_long"),
        ("/fields/1/name", "unique"),
        ("/fields/2/name", "reserved"),
        ("/fields/2/type", "invalid"),
        ("/fields/3/collection", "not_found"),
        ("/fields/4/default", "invalid"),
    ]);
    let told = problem["errors"].to_string();
    assert!(told.contains("geoPoint"), "an unknown type is answered with the known ones: {told}");
}

#[tokio::test]
async fn bad_indexes_and_rules_are_refused_together_and_by_place() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let fields = json!([
        {"name": "title", "type": "string"},
        {"name": "body", "type": "text"},
        {"name": "tags", "type": "string", "many": true},
        {"name": "views", "type": "integer"},
        {"name": "secret", "type": "string", "hidden": true},
    ]);
    let problem = admin.post(
        ALL,
        json!({
            "name": "c",
            "fields": fields,
            "indexes": [
                {"fields": []},
                {"fields": ["title", "-title"]},
                {"fields": ["titel"]},
                {"fields": ["body"]},
                {"fields": ["tags", "title"]},
                {"fields": ["tags"], "unique": true},
                {"fields": ["views"]},
                {"fields": ["views"]},
                {"fields": ["id", "createdAt", "updatedAt", "version", "title", "views", "secret", "-id"]},
            ],
            "rules": {
                "list": "views >",
                "read": "titel = \"x\"",
                "create": "views = \"many\"",
                "update": "title",
                "delete": "secret = @auth.name",
            },
        }),
    );
    let problem = problem.await.invalid(&[
        ("/indexes/0/fields", "items"),
        ("/indexes/1/fields", "items"),
        ("/indexes/2/fields/0", "not_found"),
        ("/indexes/3/fields/0", "invalid"),
        ("/indexes/4/fields/0", "invalid"),
        ("/indexes/5/fields/0", "invalid"),
        ("/indexes/7", "unique"),
        ("/indexes/8/fields", "items"),
        ("/rules/list", "invalid"),
        ("/rules/read", "invalid"),
        ("/rules/create", "invalid"),
        ("/rules/update", "invalid"),
        ("/rules/delete", "invalid"),
    ]);
    let detail = |pointer: &str| -> String {
        let errors = problem["errors"].as_array().unwrap();
        errors.iter().find(|error| error["pointer"] == pointer).unwrap()["detail"].as_str().unwrap().to_owned()
    };
    assert!(detail("/rules/list").starts_with("at character 8:"), "{}", detail("/rules/list"));
    assert!(detail("/rules/read").starts_with("at character 1:"), "{}", detail("/rules/read"));
    assert!(detail("/rules/read").contains("did you mean \"title\""), "{}", detail("/rules/read"));
    assert!(detail("/rules/create").starts_with("at character 9:"), "{}", detail("/rules/create"));
    assert!(detail("/rules/delete").starts_with("at character 10:"), "{}", detail("/rules/delete"));
}

#[tokio::test]
async fn a_refused_change_changes_nothing() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let path = "/api/v1/collections/c";
    let made = app.collection(json!({"name": "c", "fields": [{"name": "a", "type": "string"}]})).await;
    let rows: [(Value, &[(&str, &str)]); 5] = [
        (
            json!({"fields": [{"name": "a", "type": "string"}, {"name": "A", "type": "string"}]}),
            &[("/fields/1/name", "unique")],
        ),
        (json!({"fields": [], "rules": {"list": "a = 'x'"}}), &[("/rules/list", "invalid")]),
        (json!({"description": "new", "indexes": [{"fields": ["b"]}]}), &[("/indexes/0/fields/0", "not_found")]),
        (json!({"rules": {"list": ""}}), &[("/rules/list", "invalid")]),
        (json!({"rules": {"lst": "true"}}), &[("/rules/lst", "type")]),
    ];
    for (body, faults) in rows {
        admin.patch(path, body).await.invalid(faults);
        assert_eq!(admin.get(path).await.ok(200), made);
    }
}

#[tokio::test]
async fn sizes_of_definitions_are_bounded() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let fields = |count: usize, indexed: bool| -> Vec<Value> {
        (0..count).map(|n| json!({"name": format!("f{n}"), "type": "string", "indexed": indexed})).collect()
    };
    admin.post(ALL, json!({"name": "a", "fields": fields(201, false)})).await.invalid(&[("/fields", "items")]);
    admin.post(ALL, json!({"name": "a", "fields": fields(33, true)})).await.invalid(&[("/indexes", "items")]);
    let mut most = fields(200, false);
    for field in most.iter_mut().take(32) {
        field["indexed"] = true.into();
    }
    admin.post(ALL, json!({"name": "a", "fields": most})).await.expect(201);
}
