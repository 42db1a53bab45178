//! The history of a record: every change, newest first, as far as the caller sees the record.

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const RECORDS: &str = "/api/v1/collections/notes/records";

async fn notes() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let fields = json!([
        {"name": "text", "type": "string"},
        {"name": "open", "type": "boolean", "default": true},
        {"name": "pin", "type": "string", "hidden": true},
        {"name": "price", "type": "integer", "rules": {"read": "text = 'shown'"}},
    ]);
    let rules = json!({"read": "open", "list": "open"});
    app.collection(json!({"name": "notes", "fields": fields, "rules": rules})).await;
    let admin = app.admin().await;
    (app, admin)
}

async fn history(client: &Client, id: &str, parameters: &str) -> Value {
    client.get(&format!("{RECORDS}/{id}/history{parameters}")).await.ok(200)
}

fn kinds(history: &Value) -> Vec<(&str, &Value)> {
    history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["kind"].as_str().unwrap(), &item["record"]["text"]))
        .collect()
}

#[tokio::test]
async fn every_change_is_told() {
    let (app, admin) = notes().await;
    app.record("notes", json!({"id": "n", "text": "one"})).await;
    app.record("notes", json!({"id": "other", "text": "x"})).await;
    admin.with("X-Request-ID", "mine").patch(&format!("{RECORDS}/n"), json!({"text": "two"})).await.expect(200);
    admin.delete(&format!("{RECORDS}/n")).await.expect(204);
    app.record("notes", json!({"id": "n", "text": "three"})).await;
    let lines = "{\"id\":\"n\",\"text\":\"four\"}";
    admin.send("POST", "/api/v1/collections/notes/import?mode=upsert", lines).await.expect(200);
    let update = json!({"op": "update", "collection": "notes", "id": "n", "body": {"open": false}});
    admin.post("/api/v1/batch", json!({"operations": [update]})).await.expect(200);

    let all = history(&admin, "n", "").await;
    let (one, two, three, four) = (json!("one"), json!("two"), json!("three"), json!("four"));
    let expected = [
        ("updated", &four),
        ("updated", &four),
        ("created", &three),
        ("deleted", &Value::Null),
        ("updated", &two),
        ("created", &one),
    ];
    assert_eq!(kinds(&all), expected);
    assert_eq!(all["nextCursor"], Value::Null);
    let changed: Vec<&Value> = all["items"].as_array().unwrap().iter().map(|item| &item["changed"]).collect();
    assert_eq!(changed[0], &json!(["open"]));
    assert_eq!(changed[4], &json!(["text"]));
    let second = &all["items"][4];
    assert_eq!((&second["requestId"], &second["actor"]), (&json!("mine"), &json!(admin.id)));
    assert_eq!(second["record"]["version"], 2);

    let first = history(&admin, "n", "?limit=4").await;
    let rest = history(&admin, "n", &format!("?cursor={}", first["nextCursor"].as_str().unwrap())).await;
    let both: Vec<_> = kinds(&first).into_iter().chain(kinds(&rest)).collect();
    assert_eq!(both, expected);
}

#[tokio::test]
async fn a_history_is_seen_by_who_sees_the_record() {
    let (app, admin) = notes().await;
    let user = app.user("user", &["user"]).await;
    app.record("notes", json!({"id": "n", "text": "shown", "pin": "s3cret", "price": 1471147114})).await;
    admin
        .patch(&format!("{RECORDS}/n"), json!({"text": "veiled", "price": 81508150, "pin": "0ther"}))
        .await
        .expect(200);
    let path = format!("{RECORDS}/n/history");
    let told = user.get(&path).await.expect(200).lacks(&["s3cret", "0ther", "pin", "81508150"]).json();
    assert_eq!(told["items"][1]["record"]["price"], 1471147114, "where its rule held, a field is shown");
    assert_eq!(told["items"][0]["record"].get("price"), None);
    admin.get(&path).await.expect(200).lacks(&["s3cret", "0ther"]);

    admin.patch(&format!("{RECORDS}/n"), json!({"open": false})).await.expect(200);
    user.get(&path).await.problem(404, "not_found");
    admin.delete(&format!("{RECORDS}/n")).await.expect(204);
    user.get(&path).await.problem(404, "not_found");
    assert_eq!(history(&admin, "n", "").await["items"].as_array().unwrap().len(), 4);
    admin.get(&format!("{RECORDS}/never/history")).await.problem(404, "not_found");
    app.guest().get(&path).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_history_keeps_to_its_record() {
    let (app, admin) = notes().await;
    app.record("notes", json!({"id": "a", "text": "a"})).await;
    app.record("notes", json!({"id": "b", "text": "b"})).await;
    let other = history(&admin, "b", "").await["items"][0]["seq"].clone();
    let path = format!("{RECORDS}/a/history");
    for cursor in [other.to_string(), "999999".into(), "x".into(), "1".into()] {
        admin.get(&format!("{path}?cursor={cursor}")).await.problem(400, "invalid_cursor");
    }
    admin.get(&format!("{path}?limit=0&page=1")).await.faults(
        400,
        "invalid_parameter",
        &[("limit", "too_large"), ("page", "unknown_parameter")],
    );
}

#[tokio::test]
async fn a_version_is_judged_by_the_rule_for_itself() {
    let (app, admin) = notes().await;
    let user = app.user("user", &["user"]).await;
    let one = format!("{RECORDS}/n");
    app.record("notes", json!({"id": "n", "text": "first life"})).await;
    admin.delete(&one).await.expect(204);
    app.record("notes", json!({"id": "n", "text": "secret draft", "open": false})).await;
    admin.patch(&one, json!({"text": "public", "open": true})).await.expect(200);
    let told = user.get(&format!("{one}/history")).await.expect(200).lacks(&["secret draft", "first life"]).json();
    assert_eq!(kinds(&told), [("updated", &json!("public"))]);
    assert_eq!(kinds(&history(&admin, "n", "").await).len(), 4, "who may read everything reads every life");
}

#[tokio::test]
async fn a_name_that_was_another_fields_tells_nothing_of_it() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user("user", &["user"]).await);
    let secret = json!([{"name": "text", "type": "string"}, {"name": "pin", "type": "string", "hidden": true}]);
    app.collection(json!({"name": "notes", "fields": secret, "rules": {"read": "true"}})).await;
    app.record("notes", json!({"id": "n", "text": "a", "pin": "s3cret"})).await;
    let def = "/api/v1/collections/notes";
    for fields in [
        json!([{"name": "text", "type": "string"}]),
        json!([{"name": "text", "type": "string"}, {"name": "pin", "type": "string"}]),
    ] {
        let changed = || async { admin.patch(def, json!({"fields": fields.clone()})).await };
        let mut answer = changed().await;
        while answer.status == 409 {
            answer = changed().await;
        }
        answer.expect(200);
    }
    admin.patch(&format!("{RECORDS}/n"), json!({"pin": "shown"})).await.expect(200);
    let told = user.get(&format!("{RECORDS}/n/history")).await.expect(200).lacks(&["s3cret"]).json();
    assert_eq!(told["items"][0]["record"]["pin"], "shown");
}
