//! Requests with an `Idempotency-Key`: sent again, they do nothing and answer as they did.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const RECORDS: &str = "/api/v1/collections/orders/records";

async fn orders() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let fields =
        json!([{"name": "number", "type": "integer", "unique": true}, {"name": "note", "type": "string", "max": 5}]);
    let open = "true";
    let rules = json!({"list": open, "read": open, "create": open, "update": open, "delete": open});
    app.collection(json!({"name": "orders", "fields": fields, "rules": rules})).await;
    let user = app.user("user", &["user"]).await;
    (app, user)
}

async fn count(client: &Client) -> Value {
    client.get(&format!("{RECORDS}?total=true")).await.ok(200)["total"].clone()
}

#[tokio::test]
async fn an_answer_is_given_again() {
    let (app, user) = orders().await;
    let keyed = user.with("Idempotency-Key", "k-1");
    let first = keyed.post(RECORDS, json!({"note": "a"})).await.expect(201);
    let seq = app.store().snapshot().seq();
    let again = keyed.post(RECORDS, json!({"note": "a"})).await.expect(201);
    assert_eq!((again.text(), again.header("etag")), (first.text(), first.header("etag")));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!((count(&user).await, app.store().snapshot().seq()), (json!(1), seq), "nothing is written again");

    let id = first.json()["id"].as_str().unwrap().to_owned();
    user.patch(&format!("{RECORDS}/{id}"), json!({"note": "b"})).await.expect(200);
    assert_eq!(keyed.post(RECORDS, json!({"note": "a"})).await.ok(201)["note"], "a", "it is the answer of then");

    keyed.post(RECORDS, json!({"note": "c"})).await.problem(422, "idempotency_key_reused");
    keyed.post("/api/v1/collections/orders/upsert", json!({"note": "a"})).await.problem(422, "idempotency_key_reused");
    let other = app.user("other", &["user"]).await.with("Idempotency-Key", "k-1");
    let theirs = other.post(RECORDS, json!({"note": "a"})).await.ok(201);
    assert_ne!(theirs["id"], first.json()["id"], "a key is its caller's own");
    assert_eq!(count(&user).await, 2);

    let app = app.restart().await;
    let user = app.guest().signed_in(&user.id, &user.token).with("Idempotency-Key", "k-1");
    assert_eq!(user.post(RECORDS, json!({"note": "a"})).await.expect(201).text(), first.text(), "it is kept on disk");
}

#[tokio::test]
async fn requests_at_the_same_time_do_one_thing() {
    let (_app, user) = orders().await;
    let keyed = user.with("Idempotency-Key", "once");
    let answers = join_all((0..20).map(|_| keyed.post(RECORDS, json!({"number": 1})))).await;
    let ids: std::collections::HashSet<String> =
        answers.into_iter().map(|answer| answer.ok(201)["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((ids.len(), count(&user).await), (1, json!(1)));
}

#[tokio::test]
async fn every_post_that_writes_knows_keys() {
    let (app, user) = orders().await;
    let twice = async |key: &str, method: &str, path: &str, body: Value| {
        let keyed = user.with("Idempotency-Key", key);
        let first = keyed.send(method, path, body.to_string()).await;
        let again = keyed.send(method, path, body.to_string()).await;
        assert_eq!(first.text(), again.text(), "{path}");
        assert_eq!(first.status, again.status, "{path}");
    };
    let create = json!({"op": "create", "collection": "orders", "body": {}});
    twice("batch", "POST", "/api/v1/batch", json!({"operations": [create, create]})).await;
    twice("upsert", "POST", "/api/v1/collections/orders/upsert?by=number", json!({"number": 7})).await;
    assert_eq!(count(&user).await, 3);
    let bump = json!({"number": {"$increment": 1}});
    twice("bulk", "PATCH", &format!("{RECORDS}?filter=number%3D7"), bump).await;
    let page = user.get(&format!("{RECORDS}?filter=number%3D8&total=true")).await.ok(200);
    assert_eq!(page["total"], 1);
    let _ = app;
}

#[tokio::test]
async fn a_refused_request_may_be_mended_under_its_key() {
    let (_app, user) = orders().await;
    let keyed = user.with("Idempotency-Key", "mend");
    keyed.post(RECORDS, json!({"note": "too long"})).await.invalid(&[("/note", "too_long")]);
    keyed.post(RECORDS, json!({"note": "short"})).await.expect(201);
    for key in ["", "with blank", &"x".repeat(256)] {
        user.with("Idempotency-Key", key).post(RECORDS, json!({})).await.problem(400, "bad_request");
    }
    user.with("Idempotency-Key", &"x".repeat(255)).post(RECORDS, json!({})).await.expect(201);
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let (app, user) = orders().await;
    let keyed = user.with("Idempotency-Key", "day");
    keyed.post(RECORDS, json!({"note": "a"})).await.expect(201);
    app.clock.advance_seconds(86_401);
    let token = app.sign_in("user@example.com", "correct horse battery").await;
    let keyed = app.guest().signed_in(&user.id, &token).with("Idempotency-Key", "day");
    keyed.post(RECORDS, json!({"note": "b"})).await.expect(201);
    assert_eq!(count(&app.guest().signed_in(&user.id, &token)).await, 2);
}
