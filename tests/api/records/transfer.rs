//! Taking in and giving out many records: JSON lines, bad ones by number, and the way back.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, query};

const IMPORT: &str = "/api/v1/collections/items/import";
const EXPORT: &str = "/api/v1/collections/items/export";
const RECORDS: &str = "/api/v1/collections/items/records";

async fn with_items() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let fields = json!([
        {"name": "title", "type": "string", "required": true},
        {"name": "unitPrice", "type": "decimal"},
        {"name": "count", "type": "integer"},
        {"name": "score", "type": "number"},
        {"name": "active", "type": "boolean"},
        {"name": "at", "type": "datetime"},
        {"name": "day", "type": "date"},
        {"name": "parent", "type": "relation", "collection": "items", "onDelete": "setNull"},
        {"name": "tags", "type": "string", "many": true},
        {"name": "code", "type": "string", "unique": true},
    ]);
    app.collection(json!({"name": "items", "fields": fields})).await;
    let manager = app.user("max", &["manager"]).await;
    (app, manager)
}

async fn import(client: &Client, path: &str, lines: &[&str]) -> Value {
    client.with("content-type", "application/x-ndjson").send("POST", path, lines.join("\n")).await.ok(200)
}

fn rejected(report: &Value) -> Vec<u64> {
    report["rejected"].as_array().unwrap().iter().map(|line| line["line"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn foreign_names_and_forms_are_understood() {
    let (_app, client) = with_items().await;
    let lines = [
        r#"{"id": 1, "title": "a", "unit_price": 9.90, "count": "7", "score": " 1.5 ", "active": "TRUE", "at": "2026-01-31 09:30:00", "day": "2026-01-31"}"#,
        "",
        r#"{"id": 2, "Title": "wrong case"}"#,
        r#"{"id": "3", "title": 42, "unit-price": "1.20", "count": "", "active": "", "parent_id": 1, "tags": [1, "b"]}"#,
        r#"{"id": "4", "title": "d", "parentId": "3", "at": "2026-01-31T09:30:00+02:00"}"#,
    ];
    let report = import(&client, IMPORT, &lines).await;
    assert_eq!((&report["imported"], rejected(&report)), (&json!(3), vec![3]), "{report}");
    let read = async |id: &str| client.get(&format!("{RECORDS}/{id}")).await.ok(200);
    let one = read("1").await;
    let seen = |record: &Value, names: &[&str]| names.iter().map(|name| record[name].clone()).collect::<Value>();
    let names = ["unitPrice", "count", "score", "active", "at", "day"];
    assert_eq!(seen(&one, &names), json!(["9.90", 7, 1.5, true, "2026-01-31T09:30:00Z", "2026-01-31"]));
    let three = read("3").await;
    let names = ["title", "unitPrice", "count", "active", "parent", "tags"];
    assert_eq!(seen(&three, &names), json!(["42", "1.20", null, null, "1", ["1", "b"]]));
    assert_eq!(seen(&read("4").await, &["parent", "at"]), json!(["3", "2026-01-31T07:30:00Z"]));

    client.post(RECORDS, json!({"title": "e", "count": "7"})).await.invalid(&[("/count", "type")]);
    client.post(RECORDS, json!({"title": "e", "unit_price": "7"})).await.invalid(&[("/unit_price", "unknown_field")]);
}

#[tokio::test]
async fn bad_lines_are_reported_by_number_and_the_others_stay() {
    let (app, client) = with_items().await;
    app.record("items", json!({"id": "old", "title": "old", "code": "k"})).await;
    let lines = [
        r#"{"id": "a", "title": "a", "code": "c1"}"#,
        r#"{"title": "#,
        r#"[1]"#,
        r#"{"count": "many", "colour": 1}"#,
        r#"{"id": "old", "title": "again"}"#,
        r#"{"title": "t", "code": "k"}"#,
        r#"{"title": "t", "code": "c1"}"#,
        r#"{"title": "t", "parent": "nothing"}"#,
        r#"{"title": "t", "parent": "a"}"#,
        r#"{"title": "t", "title": "u"}"#,
        r#"{"id": "a b", "title": "t"}"#,
        r#"{"id": "z", "title": "last"}"#,
    ];
    let report = import(&client, IMPORT, &lines).await;
    assert_eq!((&report["imported"], rejected(&report)), (&json!(3), vec![2, 3, 4, 5, 6, 7, 8, 10, 11]), "{report}");
    let named: Vec<_> =
        report["rejected"][2]["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
    assert_eq!(named, ["/count", "/colour", "/title"]);
    for line in report["rejected"].as_array().unwrap() {
        assert!(!line["reason"].as_str().unwrap().is_empty(), "{line}");
    }
    assert_eq!(client.get(&query(RECORDS, &[("total", "true")])).await.ok(200)["total"], 4);
    assert_eq!(client.get(&format!("{RECORDS}/old")).await.ok(200)["title"], "old");
}

#[tokio::test]
async fn upsert_replaces_what_is_there() {
    let (app, client) = with_items().await;
    app.record("items", json!({"id": "a", "title": "old", "count": 7, "code": "k"})).await;
    let lines = [
        r#"{"id": "a", "title": "new"}"#,
        r#"{"id": "b", "title": "b", "code": "k"}"#,
        r#"{"id": "b", "title": "c"}"#,
        r#"{"title": "d"}"#,
    ];
    let upsert = format!("{IMPORT}?mode=upsert");
    let report = import(&client, &upsert, &lines).await;
    let whole = json!({"processed": 4, "imported": 4, "rejectedCount": 0, "rejected": [], "complete": true});
    assert_eq!(report, whole);
    let read = async |id: &str| client.get(&format!("{RECORDS}/{id}")).await.ok(200);
    let a = read("a").await;
    assert_eq!((&a["title"], &a["count"], &a["version"]), (&json!("new"), &json!(null), &json!(2)));
    let b = read("b").await;
    assert_eq!((&b["title"], &b["code"], &b["version"]), (&json!("c"), &json!(null), &json!(2)));
    for mode in ["replace", "", "CREATE"] {
        client.send("POST", &format!("{IMPORT}?mode={mode}"), "").await.problem(400, "invalid_parameter");
    }
    client.send("POST", &format!("{IMPORT}?x=y"), "").await.problem(400, "invalid_parameter");
}

#[tokio::test]
async fn an_import_is_as_long_as_it_likes_and_a_record_is_not() {
    let (_app, client) = with_items().await;
    assert_eq!(import(&client, IMPORT, &[""]).await["processed"], 0);
    let line = r#"{"title":"t"}"#;
    let long = format!("{{\"title\":\"{}\"}}", "x".repeat(1 << 20));
    let mut lines = vec![line; 90_000];
    lines[7] = &long;
    assert!(lines.join("\n").len() > 2 << 20, "the test means what it says");
    let report = import(&client, &format!("{IMPORT}?mode=create"), &lines).await;
    assert_eq!((&report["imported"], rejected(&report)), (&json!(89_999), vec![8]));
    let reason = report["rejected"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("longer than 1048576 bytes"), "{reason}");
    assert_eq!(client.get(&query(RECORDS, &[("total", "true"), ("limit", "1")])).await.ok(200)["total"], 89_999);
}

/// What is exported can be imported elsewhere, and is the same there.
#[tokio::test]
async fn an_export_goes_round() {
    let (app, client) = with_items().await;
    let line = |n: usize| {
        let parent = if n == 0 { Value::Null } else { json!("r0000") };
        let title = format!("é\n\"{n}");
        json!({"id": format!("r{n:04}"), "title": title, "count": n, "tags": [n.to_string()], "parent": parent})
            .to_string()
    };
    let lines: Vec<String> = (0..3000).map(line).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(import(&client, IMPORT, &lines).await["imported"], 3000);
    let exported = client.get(EXPORT).await.expect(200);
    assert_eq!(exported.header("content-type"), "application/x-ndjson");
    assert!(exported.text().ends_with("}\n"));
    let ids: Vec<String> = exported
        .text()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 3000);
    assert!(ids.is_sorted_by(|a, b| a < b), "each once, by id");
    assert_eq!(exported.text().lines().nth(7), Some(client.get(&format!("{RECORDS}/r0007")).await.text()));

    let some = client.get(&query(EXPORT, &[("filter", "count >= 2990")])).await.expect(200);
    assert_eq!(some.text().lines().count(), 10);
    assert_eq!(client.get(&query(EXPORT, &[("filter", "count < 0")])).await.expect(200).text(), "");
    client.get(&query(EXPORT, &[("filter", "count <")])).await.problem(400, "invalid_filter");
    client.get(&query(EXPORT, &[("limit", "5")])).await.problem(400, "invalid_parameter");

    app.operator().delete("/api/v1/collections/items").await.expect(204);
    let again = with_fields_of(&app).await;
    assert_eq!(again["name"], "items");
    let report = client.send("POST", IMPORT, exported.body.clone()).await.ok(200);
    assert_eq!((&report["imported"], rejected(&report)), (&json!(3000), vec![]));
    assert_eq!(client.get(EXPORT).await.text(), exported.text());
}

/// The collection of these tests once more.
async fn with_fields_of(app: &TestApp) -> Value {
    let fields = json!([
        {"name": "title", "type": "string"},
        {"name": "unitPrice", "type": "decimal"},
        {"name": "count", "type": "integer"},
        {"name": "score", "type": "number"},
        {"name": "active", "type": "boolean"},
        {"name": "at", "type": "datetime"},
        {"name": "day", "type": "date"},
        {"name": "parent", "type": "relation", "collection": "items"},
        {"name": "tags", "type": "string", "many": true},
        {"name": "code", "type": "string", "unique": true},
    ]);
    app.collection(json!({"name": "items", "fields": fields})).await
}
