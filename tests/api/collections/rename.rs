//! A field under another name: its values and indexes go on, at once and when the background work is done.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, query};

const ITEMS: &str = "/api/v1/collections/items";
const RECORDS: &str = "/api/v1/collections/items/records";

fn field(name: &str, from: Option<&str>, kind: &str) -> Value {
    match from {
        Some(from) => json!({"name": name, "type": kind, "renamedFrom": from}),
        None => json!({"name": name, "type": kind}),
    }
}

/// The ids that a filter finds.
async fn found(client: &Client, filter: &str) -> Vec<String> {
    let list = client.get(&query(RECORDS, &[("filter", filter), ("sort", "id")])).await.ok(200);
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// The values of a record but for those that every record has.
async fn values(client: &Client, id: &str) -> Value {
    let mut record = client.get(&format!("{RECORDS}/{id}")).await.ok(200);
    let members = record.as_object_mut().unwrap();
    members.retain(|name, _| !["id", "createdAt", "updatedAt", "version"].contains(&name.as_str()));
    record
}

/// Two records of `title` and `views`, both with an index.
async fn items(app: &TestApp) -> Client {
    let fields = json!([
        {"name": "title", "type": "string", "unique": true},
        {"name": "views", "type": "integer"},
    ]);
    app.collection(json!({"name": "items", "fields": fields, "indexes": [{"fields": ["-views", "title"]}]})).await;
    app.record("items", json!({"id": "r0", "title": "a", "views": 10})).await;
    app.record("items", json!({"id": "r1", "title": "b", "views": 20})).await;
    app.admin().await
}

#[tokio::test]
async fn values_and_indexes_go_on_under_the_new_name() {
    let app = TestApp::start().await;
    let admin = items(&app).await;
    let before = admin.get(ITEMS).await.ok(200);
    let fields = json!([
        {"name": "headline", "type": "string", "unique": true, "renamedFrom": "title"},
        {"name": "views", "type": "integer"},
    ]);
    let changed = admin.patch(ITEMS, json!({"fields": fields})).await.ok(200);
    assert_eq!(changed["fields"][0].get("renamedFrom"), None, "what was said once is not kept");
    let index = |def: &Value, at: usize| (def["indexes"][at]["number"].clone(), def["indexes"][at]["state"].clone());
    for at in 0..2 {
        assert_eq!(index(&changed, at), index(&before, at), "the index stays as it was");
    }
    assert_eq!(changed["indexes"][0]["fields"], json!(["-views", "headline"]), "indexes that are not given follow");
    let check = async |when: &str| {
        assert_eq!(values(&admin, "r0").await, json!({"headline": "a", "views": 10}), "{when}");
        assert_eq!(found(&admin, "headline = 'b'").await, ["r1"], "{when}");
        assert_eq!(found(&admin, "views > 15 && headline != null").await, ["r1"], "{when}");
        admin.get(&query(RECORDS, &[("filter", "title = 'a'")])).await.problem(400, "invalid_filter");
        let twin = admin.post(RECORDS, json!({"headline": "a"})).await;
        twin.invalid(&[("/headline", "unique")]);
    };
    check("at once").await;
    let settled = app.settled("items").await;
    assert_eq!(settled.get("renames"), None, "{settled}");
    check("settled").await;
    let app = app.restart().await;
    let shown = app.operator().get(&format!("{RECORDS}/r1")).await.ok(200);
    assert_eq!(shown["headline"], "b");
}

/// The new name holds for records that the background work has not come to: for reads, filters, writes and exports. The
/// old name may even be that of a new field, and one rename may make room for another.
#[tokio::test]
async fn the_new_name_holds_before_records_are_rewritten() {
    let app = TestApp::new().with_config(|config| config.store.batch_max = 1).start().await;
    let admin = items(&app).await;
    let fields = json!([
        {"name": "title", "type": "integer", "default": 7, "nullable": false},
        {"name": "views", "type": "string", "unique": true, "renamedFrom": "title"},
        {"name": "count", "type": "decimal", "renamedFrom": "views"},
    ]);
    let request = {
        let admin = admin.clone();
        async move { admin.patch(ITEMS, json!({"fields": fields, "indexes": []})).await }
    };
    let (answer, held) = app.held_behind(request).await;
    let answer = answer.ok(200);
    assert_eq!(answer["rewriting"], true);
    assert_eq!(answer["renames"][0], json!({"from": "views", "to": "count"}));
    let check = async |when: &str| {
        assert_eq!(values(&admin, "r0").await, json!({"title": 7, "views": "a", "count": "10"}), "{when}");
        assert_eq!(found(&admin, "count > 15").await, ["r1"], "{when}");
        assert_eq!(found(&admin, "views = 'a'").await, ["r0"], "{when}");
        assert_eq!(found(&admin, "title = 7").await, ["r0", "r1"], "{when}");
        let export = admin.get(&format!("{ITEMS}/export")).await.expect(200);
        assert!(export.text().contains(r#""title":7,"views":"b","count":"20""#), "{when}: {export}");
    };
    check("before").await;
    admin.patch(ITEMS, json!({"description": "more"})).await.problem(409, "conflict");
    drop(held);
    app.settled("items").await;
    check("settled").await;
}

#[tokio::test]
async fn writes_go_on_while_a_field_gets_its_new_name() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let both = json!([field("value", None, "integer"), {"name": "note", "type": "string", "indexed": true}]);
    app.collection(json!({"name": "items", "fields": both})).await;
    let lines: String =
        (0..2500).map(|n| format!("{{\"id\":\"r{n:04}\",\"value\":{n},\"note\":\"n{n}\"}}\n")).collect();
    admin.send("POST", &format!("{ITEMS}/import"), lines).await.ok(200);
    let fields = json!([
        {"name": "amount", "type": "integer", "renamedFrom": "value", "indexed": true},
        {"name": "remark", "type": "string", "indexed": true, "renamedFrom": "note"},
    ]);
    admin.patch(ITEMS, json!({"fields": fields})).await.ok(200);
    for n in (0..2500).step_by(50) {
        admin.patch(&format!("{RECORDS}/r{n:04}"), json!({"amount": -1})).await.ok(200);
    }
    app.settled("items").await;
    let count = async |filter: &str| {
        let list = admin.get(&query(RECORDS, &[("filter", filter), ("total", "true"), ("limit", "1")])).await.ok(200);
        list["total"].as_u64().unwrap()
    };
    assert_eq!(count("amount = -1").await, 50);
    assert_eq!(count("amount >= 0").await, 2450);
    for n in [0, 1, 1249, 2499] {
        assert_eq!(found(&admin, &format!("remark = 'n{n}'")).await, [format!("r{n:04}")]);
    }
}

#[tokio::test]
async fn a_former_name_that_leads_nowhere_is_refused() {
    let app = TestApp::start().await;
    let admin = items(&app).await;
    let patch = async |fields: Value| admin.patch(ITEMS, json!({"fields": fields, "indexes": []})).await;
    let wrong = [("/fields/0/renamedFrom", "not_found")];
    patch(json!([field("headline", Some("titel"), "string")])).await.invalid(&wrong);
    patch(json!([field("views", Some("title"), "integer")])).await.invalid(&wrong);
    patch(json!([
        field("a", None, "string"),
        field("b", Some("title"), "string"),
        field("c", Some("title"), "string")
    ]))
    .await
    .invalid(&[("/fields/2/renamedFrom", "not_found")]);
    patch(json!([field("headline", Some("title"), "integer")])).await.invalid(&[("/fields/0", "data_misfit")]);
    assert_eq!(values(&admin, "r0").await, json!({"title": "a", "views": 10}));

    // What is done already may be said again.
    let renamed = json!([field("headline", Some("title"), "string"), field("views", None, "integer")]);
    patch(renamed.clone()).await.ok(200);
    app.settled("items").await;
    patch(renamed).await.ok(200);
    assert_eq!(values(&admin, "r0").await, json!({"headline": "a", "views": 10}));
    admin.patch(ITEMS, json!({"renamedFrom": "posts"})).await.invalid(&[("/renamedFrom", "invalid")]);
    let renamed = json!({"fields": [field("mail", Some("email"), "string")]});
    let own = admin.patch("/api/v1/collections/users", renamed).await;
    assert_eq!(own.problem(422, "validation_failed")["errors"][0]["code"], "reserved");
}
