//! Changing a collection on live data: what fits goes through while everyone keeps working, what does not is refused
//! with the ids.

use serde_json::{Value, json};

use crate::support::{Answer, Client, Parameters, TestApp, query};

const ITEMS: &str = "/api/v1/collections/items";
const RECORDS: &str = "/api/v1/collections/items/records";

/// A collection `items` with one field `value` and these records, the first of which is `r0`.
async fn items(app: &TestApp, field: Value, values: &[Value]) -> Client {
    app.collection(json!({"name": "items", "fields": [field]})).await;
    for (index, value) in values.iter().enumerate() {
        app.record("items", json!({"id": format!("r{index}"), "value": value})).await;
    }
    app.admin().await
}

/// The values of `value`, by id.
async fn values(client: &Client) -> Vec<Value> {
    let list = client.get(RECORDS).await.ok(200);
    list["items"].as_array().unwrap().iter().map(|item| item["value"].clone()).collect()
}

#[tokio::test]
async fn a_new_field_appears_on_old_records() {
    let app = TestApp::start().await;
    let admin = items(&app, json!({"name": "value", "type": "string"}), &[json!("a"), json!("b")]).await;
    let fields = json!([
        {"name": "level", "type": "integer", "default": 3, "nullable": false},
        {"name": "value", "type": "string"},
        {"name": "note", "type": "text"},
        {"name": "tags", "type": "string", "many": true, "nullable": false},
    ]);
    admin.patch(ITEMS, json!({"fields": fields})).await.ok(200);
    let check = async |when: &str| {
        let read = admin.get(&format!("{RECORDS}/r0")).await.expect(200);
        assert_eq!(
            read.text(),
            r#"{"id":"r0","createdAt":"2026-01-31T09:30:00.000Z","updatedAt":"2026-01-31T09:30:00.000Z","version":1,"level":3,"value":"a","note":null,"tags":[]}"#,
            "{when}",
        );
        let found = admin.get(&query(RECORDS, &[("filter", "level = 3"), ("fields", "id")])).await.ok(200);
        assert_eq!(found["items"], json!([{"id": "r0"}, {"id": "r1"}]), "{when}");
    };
    check("at once").await;
    app.settled("items").await;
    check("settled").await;
}

/// A definition holds from the answer on, also for records that the background work has not come to yet.
#[tokio::test]
async fn a_new_definition_holds_before_records_are_rewritten() {
    let app = TestApp::new().with_config(|config| config.store.batch_max = 1).start().await;
    let admin = items(&app, json!({"name": "value", "type": "integer"}), &[json!(1), json!(2)]).await;
    let fields = json!([
        {"name": "value", "type": "decimal"},
        {"name": "level", "type": "integer", "default": 3, "nullable": false},
    ]);
    let request = {
        let admin = admin.clone();
        async move { admin.patch(ITEMS, json!({"fields": fields})).await }
    };
    let (answer, held) = app.held_behind(request).await;
    assert_eq!(answer.ok(200)["rewriting"], true);
    let shown = admin.get(&format!("{RECORDS}/r0")).await.ok(200);
    assert_eq!((&shown["value"], &shown["level"]), (&json!("1"), &json!(3)));
    admin.patch(ITEMS, json!({"description": "more"})).await.problem(409, "conflict");

    let list = async |parameters: &[(&str, &str)]| -> Vec<String> {
        let list = admin.get(&query(RECORDS, parameters)).await.ok(200);
        list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    let rows: [(Parameters<'_>, &[&str]); 5] = [
        (&[("filter", "level = 3")], &["r0", "r1"]),
        (&[("filter", "level = null")], &[]),
        (&[("filter", "value = \"2\"")], &["r1"]),
        (&[("filter", "value > 1.5")], &["r1"]),
        (&[("sort", "-value")], &["r1", "r0"]),
    ];
    for (parameters, ids) in rows {
        assert_eq!(list(parameters).await, ids, "{parameters:?} while records are rewritten");
    }
    drop(held);
    app.settled("items").await;
    for (parameters, ids) in rows {
        assert_eq!(list(parameters).await, ids, "{parameters:?} afterwards");
    }
}

#[tokio::test]
async fn a_removed_field_is_gone_for_good() {
    let app = TestApp::start().await;
    let admin = items(&app, json!({"name": "value", "type": "string"}), &[json!("a")]).await;
    admin.patch(ITEMS, json!({"fields": []})).await.ok(200);
    let gone =
        [r#"{"id":"r0","createdAt":"2026-01-31T09:30:00.000Z","updatedAt":"2026-01-31T09:30:00.000Z","version":1}"#];
    let check = async || assert_eq!([admin.get(&format!("{RECORDS}/r0")).await.expect(200).text()], gone);
    check().await;
    app.settled("items").await;
    check().await;
    admin.patch(&format!("{RECORDS}/r0"), json!({"value": "b"})).await.invalid(&[("/value", "unknown_field")]);
    admin.get(&query(RECORDS, &[("filter", "value = 'a'")])).await.problem(400, "invalid_filter");

    admin.patch(ITEMS, json!({"fields": [{"name": "value", "type": "string"}]})).await.ok(200);
    app.settled("items").await;
    assert_eq!(values(&admin).await, [Value::Null], "an old value does not come back");
}

#[tokio::test]
async fn the_order_of_fields_is_the_order_in_records() {
    let app = TestApp::start().await;
    let field = |name: &str| json!({"name": name, "type": "integer"});
    app.collection(json!({"name": "items", "fields": [field("a"), field("b")]})).await;
    app.record("items", json!({"id": "r0", "b": 2, "a": 1})).await;
    let read = async || app.operator().get(&format!("{RECORDS}/r0")).await.text().to_owned();
    assert!(read().await.ends_with(r#""a":1,"b":2}"#));
    app.operator().patch(ITEMS, json!({"fields": [field("b"), field("c"), field("a")]})).await.ok(200);
    assert!(read().await.ends_with(r#""b":2,"c":null,"a":1}"#));
    app.settled("items").await;
    assert!(read().await.ends_with(r#""b":2,"c":null,"a":1}"#));
}

/// Changes that every value survives, with the form it takes.
#[tokio::test]
async fn widening_goes_through() {
    let rows = [
        (json!({"type": "integer"}), json!({"type": "number"}), json!(7), json!(7.0)),
        (json!({"type": "integer"}), json!({"type": "decimal"}), json!(7), json!("7")),
        (json!({"type": "integer"}), json!({"type": "json"}), json!(7), json!(7)),
        (json!({"type": "string", "max": 3}), json!({"type": "string", "max": 10}), json!("abc"), json!("abc")),
        (json!({"type": "string"}), json!({"type": "text"}), json!("abc"), json!("abc")),
        (json!({"type": "text"}), json!({"type": "string"}), json!("abc"), json!("abc")),
        (json!({"type": "enum", "values": ["a", "b"]}), json!({"type": "string"}), json!("a"), json!("a")),
        (json!({"type": "string"}), json!({"type": "enum", "values": ["a", "b"]}), json!("a"), json!("a")),
        (json!({"type": "date"}), json!({"type": "string"}), json!("2026-01-31"), json!("2026-01-31")),
        (json!({"type": "string"}), json!({"type": "date"}), json!("2026-01-31"), json!("2026-01-31")),
        (json!({"type": "integer", "required": true}), json!({"type": "integer"}), json!(7), json!(7)),
        (json!({"type": "integer"}), json!({"type": "integer", "required": true}), json!(7), json!(7)),
    ];
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (mut old, mut new, before, after) in rows {
        (old["name"], new["name"]) = ("value".into(), "value".into());
        items(&app, old.clone(), std::slice::from_ref(&before)).await;
        admin.patch(ITEMS, json!({"fields": [new]})).await.ok(200);
        assert_eq!(values(&admin).await, std::slice::from_ref(&after), "{old} to {new}");
        app.settled("items").await;
        assert_eq!(values(&admin).await, [after], "{old} to {new}, settled");
        admin.delete(ITEMS).await.expect(204);
    }
}

/// Changes that the second of three records does not survive: refused with its id, and nothing has changed.
#[tokio::test]
async fn narrowing_is_refused_with_the_ids_that_do_not_fit() {
    let rows = [
        (json!({"type": "string"}), json!({"type": "string", "max": 3}), ["abc", "abcd", "ab"].map(Value::from)),
        (
            json!({"type": "string"}),
            json!({"type": "string", "pattern": "[a-z]*"}),
            ["abc", "ABC", ""].map(Value::from),
        ),
        (json!({"type": "string"}), json!({"type": "integer"}), [Value::Null, "7".into(), Value::Null]),
        (json!({"type": "integer"}), json!({"type": "string"}), [Value::Null, 7.into(), Value::Null]),
        (json!({"type": "number"}), json!({"type": "integer"}), [json!(1.0), json!(1.5), json!(-2.0)]),
        (json!({"type": "integer"}), json!({"type": "integer", "max": 9}), [1, 10, 9].map(Value::from)),
        (json!({"type": "integer"}), json!({"type": "integer", "required": true}), [json!(1), Value::Null, json!(2)]),
        (
            json!({"type": "enum", "values": ["a", "b"]}),
            json!({"type": "enum", "values": ["a", "c"]}),
            ["a", "b", "a"].map(Value::from),
        ),
        (
            json!({"type": "string", "many": true}),
            json!({"type": "string", "many": true, "maxItems": 1}),
            [json!(["a"]), json!(["a", "b"]), json!([])],
        ),
        (json!({"type": "string", "many": true}), json!({"type": "string"}), [Value::Null, json!(["a"]), Value::Null]),
        (json!({"type": "json"}), json!({"type": "json", "maxBytes": 3}), [json!([1]), json!([12]), json!(1)]),
    ];
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (mut old, mut new, before) in rows {
        (old["name"], new["name"]) = ("value".into(), "value".into());
        items(&app, old, &before).await;
        let def = admin.get(ITEMS).await.ok(200);
        let answer = admin.patch(ITEMS, json!({"fields": [new]})).await.lacks(&["r0", "r2"]);
        let problem = answer.invalid(&[("/fields/0", "data_misfit")]);
        let detail = problem["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.starts_with("1 existing record"), "{detail}");
        assert!(detail.contains("r1"), "{detail}");
        assert_eq!(admin.get(ITEMS).await.ok(200), def);
        assert_eq!(values(&admin).await, before);
        admin.delete(ITEMS).await.expect(204);
    }
}

#[tokio::test]
async fn a_new_required_field_needs_a_default_for_old_records() {
    let app = TestApp::start().await;
    let values: Vec<Value> = (0..8).map(Value::from).collect();
    let admin = items(&app, json!({"name": "value", "type": "integer"}), &values).await;
    let with = |field: Value| json!({"fields": [{"name": "value", "type": "integer"}, field]});
    let problem = admin.patch(ITEMS, with(json!({"name": "kind", "type": "string", "required": true}))).await;
    let problem = problem.invalid(&[("/fields/1", "data_misfit")]);
    let detail = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("8 existing records") && detail.contains("r0, r1, r2, r3, r4"), "{detail}");
    assert!(!detail.contains("r5"), "a few ids are enough: {detail}");
    let given = json!({"name": "kind", "type": "string", "required": true, "default": "plain"});
    admin.patch(ITEMS, with(given)).await.ok(200);
    assert_eq!(admin.get(&format!("{RECORDS}/r7")).await.ok(200)["kind"], "plain");
}

/// A relation that is made of texts, or is pointed elsewhere, is a narrowing too: each id must be there.
#[tokio::test]
async fn a_relation_to_nothing_cannot_come_of_a_change() {
    let app = TestApp::start().await;
    for name in ["authors", "editors"] {
        app.collection(json!({"name": name})).await;
    }
    app.record("authors", json!({"id": "ann"})).await;
    let relation = |to: &str| json!({"name": "value", "type": "relation", "collection": to});
    let text = json!({"name": "value", "type": "string"});
    for (from, to) in [(text, relation("authors")), (relation("authors"), relation("editors"))] {
        let lost = if from["type"] == "string" { json!("bob") } else { json!("ann") };
        let admin = items(&app, from.clone(), &[Value::Null, lost]).await;
        let problem = admin.patch(ITEMS, json!({"fields": [to]})).await.invalid(&[("/fields/0", "data_misfit")]);
        assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("r1"), "{problem}");
        admin.delete(ITEMS).await.expect(204);
    }
}

#[tokio::test]
async fn writes_go_on_while_records_are_rewritten() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "items", "fields": [{"name": "value", "type": "integer"}]})).await;
    let lines: String = (0..2500).map(|n| format!("{{\"id\":\"r{n:04}\",\"value\":{n}}}\n")).collect();
    let report = admin.send("POST", &format!("{ITEMS}/import"), lines).await.ok(200);
    assert_eq!(report["imported"], 2500);
    let fields = json!([{"name": "value", "type": "decimal", "indexed": true}, {"name": "new", "type": "integer", "default": 1}]);
    admin.patch(ITEMS, json!({"fields": fields})).await.ok(200);
    let write = async |n: usize| -> Answer {
        match n % 3 {
            0 => admin.patch(&format!("{RECORDS}/r{n:04}"), json!({"value": "0.5"})).await.expect(200),
            1 => admin.delete(&format!("{RECORDS}/r{n:04}")).await.expect(204),
            _ => admin.post(RECORDS, json!({"id": format!("s{n:04}"), "value": "0.5"})).await.expect(201),
        }
    };
    for n in (0..2500).step_by(50) {
        write(n).await;
    }
    app.settled("items").await;
    let count = async |filter: &str| {
        let list = admin.get(&query(RECORDS, &[("filter", filter), ("total", "true"), ("limit", "1")])).await.ok(200);
        list["total"].as_u64().unwrap()
    };
    let (changed, deleted, made) = (17, 16, 17);
    assert_eq!(count("new = 1").await, 2500 - deleted + made);
    assert_eq!(count("value = 0.5").await, changed + made, "the index knows every record");
    assert_eq!(count("value >= 0").await, 2500 - deleted + made);
}

#[tokio::test]
async fn a_format_that_asks_for_another_form_brings_records_and_indexes_to_it() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let field = |format: Value| {
        let mut field = json!({"name": "mail", "type": "string", "unique": true});
        if format.is_string() {
            field["format"] = format;
        }
        json!([field])
    };
    app.collection(json!({"name": "people", "fields": field(Value::Null)})).await;
    app.record("people", json!({"id": "ann", "mail": "Ann@X.com"})).await;
    admin.patch("/api/v1/collections/people", json!({"fields": field(json!("email"))})).await.expect(200);
    app.settled("people").await;
    let records = "/api/v1/collections/people/records";
    admin.post(records, json!({"mail": "ann@x.com"})).await.invalid(&[("/mail", "unique")]);
    let found = admin.get(&query(records, &[("filter", r#"mail = "ann@x.com""#)])).await.ok(200);
    assert_eq!(found["items"][0]["id"], "ann");
    admin.delete(&format!("{records}/ann")).await.expect(204);
    let left = admin.get(&query(records, &[("filter", "mail != null"), ("sort", "mail")])).await.ok(200);
    assert_eq!(left["items"], json!([]));
    admin.post(records, json!({"mail": "ANN@x.com"})).await.expect(201);
}
