//! Indexes on existing data: built in the background, used when ready, told when they cannot be.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, query};

const ITEMS: &str = "/api/v1/collections/items";
const RECORDS: &str = "/api/v1/collections/items/records";

/// A collection `items` of two fields with `count` records, `group` being one of ten.
async fn items(app: &TestApp, count: usize) -> Client {
    let fields = json!([{"name": "group", "type": "integer"}, {"name": "name", "type": "string"}]);
    app.collection(json!({"name": "items", "fields": fields})).await;
    let line = |n: usize| format!("{{\"id\":\"r{n:04}\",\"group\":{},\"name\":\"n{n}\"}}\n", n % 10);
    let lines: String = (0..count).map(line).collect();
    let admin = app.admin().await;
    let report = admin.send("POST", &format!("{ITEMS}/import"), lines).await.ok(200);
    assert_eq!((&report["imported"], &report["rejected"]), (&json!(count), &json!([])));
    admin
}

/// How a list of one group is found.
async fn explained(client: &Client) -> Value {
    let path = query(RECORDS, &[("filter", "group = 3"), ("limit", "5"), ("explain", "true")]);
    let list = client.get(&path).await.ok(200);
    let ids: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["r0003", "r0013", "r0023", "r0033", "r0043"], "whatever the plan");
    list["explain"].clone()
}

#[tokio::test]
async fn an_index_is_built_in_the_background_and_then_used() {
    let app = TestApp::new().with_config(|config| config.store.batch_max = 1).start().await;
    let admin = items(&app, 1200).await;
    let scan = explained(&admin).await;
    assert_eq!(scan["index"], Value::Null);
    assert!(scan["examined"].as_u64().unwrap() > 50, "{scan}");

    let client = admin.clone();
    let request = async move { client.patch(ITEMS, json!({"indexes": [{"fields": ["group"]}]})).await };
    let (answer, held) = app.held_behind(request).await;
    let index = answer.ok(200)["indexes"][0].clone();
    assert_eq!(index["state"], json!({"name": "building"}));
    assert_eq!(explained(&admin).await["indexes"][0], Value::Null, "an index that is being built is not used");
    drop(held);
    let def = app.settled("items").await;
    assert_eq!(def["indexes"][0]["state"], json!({"name": "ready"}));
    let used = explained(&admin).await;
    assert_eq!(used["indexes"][0], json!(["group"]), "{used}");
    assert!(used["examined"].as_u64().unwrap() <= 6, "{used}");

    let total = admin.get(&query(RECORDS, &[("filter", "group = 3"), ("total", "true"), ("limit", "1")])).await.ok(200);
    assert_eq!(total["total"], 120);
    admin.patch(ITEMS, json!({"indexes": []})).await.ok(200);
    assert_eq!(explained(&admin).await["indexes"][0], Value::Null, "a dropped index is not used");
}

/// Writes that come while an index is filled are in it, whichever side of the filling they are on.
#[tokio::test]
async fn an_index_knows_what_was_written_while_it_was_built() {
    let app = TestApp::new().with_config(|config| config.store.batch_max = 1).start().await;
    let admin = items(&app, 20).await;
    let client = admin.clone();
    let request = async move { client.patch(ITEMS, json!({"indexes": [{"fields": ["group"]}]})).await };
    let (answer, held) = app.held_behind(request).await;
    answer.expect(200);
    let waiting = [
        tokio::spawn({
            let admin = admin.clone();
            async move { admin.post(RECORDS, json!({"id": "new", "group": 3})).await }
        }),
        tokio::spawn({
            let admin = admin.clone();
            async move { admin.patch(&format!("{RECORDS}/r0003"), json!({"group": 4})).await }
        }),
        tokio::spawn({
            let admin = admin.clone();
            async move { admin.delete(&format!("{RECORDS}/r0013")).await }
        }),
    ];
    drop(held);
    for (request, status) in waiting.into_iter().zip([201, 200, 204]) {
        request.await.unwrap().expect(status);
    }
    app.settled("items").await;
    let list = async |filter: &str| -> Vec<String> {
        let path = query(RECORDS, &[("filter", filter), ("explain", "true"), ("total", "true")]);
        let list = admin.get(&path).await.ok(200);
        assert_eq!(list["explain"]["indexes"][0], json!(["group"]));
        let ids: Vec<_> =
            list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(list["total"], ids.len());
        ids
    };
    assert_eq!(list("group = 3").await, ["new"]);
    assert_eq!(list("group = 4").await, ["r0003", "r0004", "r0014"]);
}

#[tokio::test]
async fn a_unique_index_over_duplicates_fails_and_names_them() {
    let app = TestApp::start().await;
    let admin = items(&app, 20).await;
    admin.patch(&format!("{RECORDS}/r0007"), json!({"name": "n5"})).await.expect(200);
    let unique = json!([{"name": "group", "type": "integer"}, {"name": "name", "type": "string", "unique": true}]);
    admin.patch(ITEMS, json!({"fields": unique})).await.ok(200);
    let index = app.settled("items").await["indexes"][0].clone();
    assert_eq!(index["state"], json!({"name": "failed", "ids": ["r0005", "r0007"]}));
    let path = query(RECORDS, &[("filter", "name = 'n5'"), ("explain", "true")]);
    let list = admin.get(&path).await.ok(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert_eq!(list["explain"]["indexes"][0], Value::Null, "a failed index is not used");

    admin.patch(&format!("{RECORDS}/r0007"), json!({"name": "n7"})).await.expect(200);
    admin.patch(ITEMS, json!({"fields": unique})).await.ok(200);
    let index = app.settled("items").await["indexes"][0].clone();
    assert_eq!(index["state"], json!({"name": "ready"}), "the same change builds it again");
    admin.patch(&format!("{RECORDS}/r0007"), json!({"name": "n5"})).await.invalid(&[("/name", "unique")]);
    assert_eq!(admin.get(&path).await.ok(200)["explain"]["indexes"][0], json!(["name"]));
}

#[tokio::test]
async fn a_composite_unique_index_counts_all_its_fields_and_no_null() {
    let app = TestApp::start().await;
    let admin = items(&app, 20).await;
    let index = json!([{"fields": ["group", "-name"], "unique": true}]);
    admin.patch(ITEMS, json!({"indexes": index})).await.ok(200);
    assert_eq!(app.settled("items").await["indexes"][0]["state"]["name"], "ready");
    let post = async |group: Value, name: Value| admin.post(RECORDS, json!({"group": group, "name": name})).await;
    post(json!(3), json!("n4")).await.expect(201);
    post(json!(3), json!("n3")).await.invalid(&[("/group", "unique")]);
    post(json!(3), Value::Null).await.expect(201);
    post(json!(3), Value::Null).await.expect(201);
    admin.patch(&format!("{RECORDS}/r0013"), json!({"name": "n3"})).await.invalid(&[("/group", "unique")]);
    admin.patch(&format!("{RECORDS}/r0013"), json!({"name": "n3", "group": 4})).await.expect(200);
    admin.patch(&format!("{RECORDS}/r0003"), json!({"name": "n3", "group": 3})).await.expect(200);
}

/// Relations need an index to find who refers to a record; one that cannot be built must not stand in for it.
#[tokio::test]
async fn a_failed_unique_index_over_a_relation_does_not_block_deletions() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "authors"})).await;
    let fields =
        json!([{"name": "author", "type": "relation", "collection": "authors"}, {"name": "title", "type": "string"}]);
    app.collection(json!({"name": "items", "fields": fields})).await;
    for id in ["ann", "bob"] {
        app.record("authors", json!({"id": id})).await;
    }
    for id in ["r0", "r1"] {
        app.record("items", json!({"id": id, "author": "ann", "title": "same"})).await;
    }
    admin.patch(ITEMS, json!({"indexes": [{"fields": ["author", "title"], "unique": true}]})).await.ok(200);
    let def = app.settled("items").await;
    assert_eq!(def["indexes"][0]["state"]["name"], "failed");
    let problem = admin.delete("/api/v1/collections/authors/records/ann").await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("restricts"), "{problem}");
    admin.delete("/api/v1/collections/authors/records/bob").await.expect(204);
}

/// Background work that the writer has no room for is not forgotten.
#[tokio::test]
async fn an_index_is_built_even_when_the_writer_was_busy() {
    let app = TestApp::new()
        .with_config(|config| {
            config.store.batch_max = 1;
            config.store.queue_max = 2;
        })
        .start()
        .await;
    let admin = items(&app, 20).await;
    let held = app.hold_writer().await;
    let client = admin.clone();
    let change = tokio::spawn(async move { client.patch(ITEMS, json!({"indexes": [{"fields": ["group"]}]})).await });
    app.until("the change waits", async || app.store().queue_depth().0 == 1).await;
    let flood = app.flood_writer();
    app.until("the queue is full", async || app.store().queue_depth().0 == 2).await;
    drop(held);
    assert_eq!(change.await.unwrap().ok(200)["indexes"][0]["state"]["name"], "building");
    app.until("the queue is full again", async || app.store().queue_depth().0 == 2).await;
    drop(flood);
    app.until("there is room", async || admin.post(RECORDS, json!({})).await.status == 201).await;
    assert_eq!(app.settled("items").await["indexes"][0]["state"]["name"], "ready");
}
