//! Every type with every attribute that it knows: accepted, and told again as it was given.

use serde_json::{Value, json};

use super::ALL;
use crate::support::TestApp;

fn fields() -> Vec<Value> {
    vec![
        json!({"name": "string", "type": "string", "description": "d", "required": true, "nullable": false,
            "default": "abc", "unique": true, "searchable": true, "min": 1, "max": 4096, "pattern": "[a-z]+"}),
        json!({"name": "email", "type": "string", "format": "email", "indexed": true}),
        json!({"name": "url", "type": "string", "format": "url"}),
        json!({"name": "slug", "type": "string", "format": "slug"}),
        json!({"name": "uuid", "type": "string", "format": "uuid"}),
        json!({"name": "strings", "type": "string", "many": true, "minItems": 1, "maxItems": 1000, "indexed": true}),
        json!({"name": "text", "type": "text", "min": 0, "max": 1_000_000, "searchable": true, "pattern": ".*"}),
        json!({"name": "integer", "type": "integer", "min": i64::MIN, "max": i64::MAX, "unique": true}),
        json!({"name": "number", "type": "number", "min": -0.5, "max": 1e300, "indexed": true}),
        json!({"name": "decimal", "type": "decimal", "min": "-1.50", "max": "79228162514264337593543950335",
            "default": "0.00"}),
        json!({"name": "boolean", "type": "boolean", "default": true, "nullable": false, "indexed": true}),
        json!({"name": "datetime", "type": "datetime", "min": "1900-01-01T00:00:00Z", "max": "2100-01-01T00:00:00+02:00"}),
        json!({"name": "date", "type": "date", "min": "0001-01-01", "max": "9999-12-31"}),
        json!({"name": "json", "type": "json", "maxBytes": 10, "default": {"a": [1]}}),
        json!({"name": "enum", "type": "enum", "values": ["draft", "a \"b\"", "é"], "default": "draft", "searchable": true}),
        json!({"name": "enums", "type": "enum", "values": ["a", "b"], "many": true}),
        json!({"name": "restrict", "type": "relation", "collection": "users"}),
        json!({"name": "cascade", "type": "relation", "collection": "users", "onDelete": "cascade", "required": true}),
        json!({"name": "setNull", "type": "relation", "collection": "users", "onDelete": "setNull", "unique": true}),
        json!({"name": "parents", "type": "relation", "collection": "everything", "many": true, "onDelete": "setNull"}),
        json!({"name": "file", "type": "file", "maxBytes": 5_000_000, "mediaTypes": ["image/*", "application/pdf"]}),
        json!({"name": "files", "type": "file", "many": true}),
        json!({"name": "geoPoint", "type": "geoPoint"}),
        json!({"name": "hidden", "type": "string", "hidden": true}),
    ]
}

#[tokio::test]
async fn every_attribute_is_kept_as_it_was_given() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let indexes = json!([
        {"fields": ["boolean", "-number", "date"]},
        {"fields": ["enum", "restrict"], "unique": true},
        {"fields": ["-createdAt"]},
    ]);
    let body = json!({"name": "everything", "fields": fields(), "indexes": indexes});
    let made = admin.post(ALL, body).await.ok(201);
    let given = fields();
    assert_eq!(made["fields"].as_array().unwrap().len(), given.len());
    for (made, mut given) in made["fields"].as_array().unwrap().iter().zip(given) {
        if given.get("required").is_none() {
            given["required"] = false.into();
        }
        assert_eq!(*made, given);
    }
    let listed: Vec<(Value, bool, bool)> = made["indexes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|index| {
            assert_eq!(index["state"], json!({"name": "ready"}), "there is nothing to fill it from");
            (index["fields"].clone(), index["unique"] == true, index["implicit"] == true)
        })
        .collect();
    let expected = [
        (json!(["boolean", "-number", "date"]), false, false),
        (json!(["enum", "restrict"]), true, false),
        (json!(["-createdAt"]), false, false),
        (json!(["string"]), true, true),
        (json!(["email"]), false, true),
        (json!(["strings"]), false, true),
        (json!(["integer"]), true, true),
        (json!(["number"]), false, true),
        // "boolean" is the first field of an index already.
        (json!(["restrict"]), false, true),
        (json!(["cascade"]), false, true),
        (json!(["setNull"]), true, true),
        (json!(["parents"]), false, true),
    ];
    assert_eq!(listed, expected);
    assert_eq!(admin.get("/api/v1/collections/everything").await.ok(200), made);

    let again = json!({"fields": made["fields"], "rules": made["rules"]});
    let changed = admin.patch("/api/v1/collections/everything", again).await.ok(200);
    assert_eq!(changed, made, "what was read can be sent back and changes nothing");
}
