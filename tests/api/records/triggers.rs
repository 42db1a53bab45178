//! Triggers: the jobs that changes of records make.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, query};

const COLLECTION: &str = "/api/v1/collections/orders";
const ORDERS: &str = "/api/v1/collections/orders/records";
const JOBS: &str = "/api/v1/jobs";

/// An app with a collection `orders` that has these triggers, and its admin.
async fn shop(triggers: Value) -> (TestApp, Client) {
    let app = TestApp::start().await;
    let fields = json!([
        {"name": "state", "type": "string", "max": 10, "required": true},
        {"name": "notes", "type": "text"},
        {"name": "secret", "type": "string", "hidden": true},
        {"name": "of", "type": "relation", "collection": "orders", "onDelete": "cascade"},
    ]);
    let rules = json!({"create": "true", "read": "true"});
    app.collection(json!({"name": "orders", "fields": fields, "rules": rules, "triggers": triggers})).await;
    let admin = app.admin().await;
    (app, admin)
}

/// All jobs, the first that was made first.
async fn jobs(admin: &Client) -> Vec<Value> {
    let mut items = admin.get(&format!("{JOBS}?limit=100")).await.ok(200)["items"].as_array().unwrap().clone();
    items.reverse();
    let mut jobs = Vec::new();
    for job in items {
        jobs.push(admin.get(&format!("{JOBS}/{}", job["id"].as_str().unwrap())).await.ok(200));
    }
    jobs
}

async fn payloads(admin: &Client) -> Vec<Value> {
    jobs(admin).await.into_iter().map(|job| job["payload"].clone()).collect()
}

#[tokio::test]
async fn a_job_tells_what_happened() {
    let all = json!({"on": ["create", "update", "delete"], "queue": "sync", "kind": "order.changed"});
    let (app, admin) = shop(json!([all])).await;
    // It takes no permission of who changes the record.
    let user = app.user("ann", &["user"]).await;
    let made = user.post(ORDERS, json!({"id": "one", "state": "new", "secret": "s3cret"})).await.ok(201);
    let changed = admin.patch(&format!("{ORDERS}/one"), json!({"state": "paid", "secret": "other"})).await.ok(200);
    admin.delete(&format!("{ORDERS}/one")).await.expect(204);
    let jobs = jobs(&admin).await;
    let told: Vec<_> = jobs.iter().map(|job| job["payload"].clone()).collect();
    assert_eq!(
        told,
        [
            json!({"collection": "orders", "event": "create", "id": "one", "record": made}),
            json!({"collection": "orders", "event": "update", "id": "one", "changed": ["state"], "record": changed}),
            json!({"collection": "orders", "event": "delete", "id": "one", "record": changed}),
        ]
    );
    let first = &jobs[0];
    assert_eq!(
        (&first["kind"], &first["queue"], &first["createdBy"]),
        (&json!("order.changed"), &json!("sync"), &json!(user.id))
    );
    assert_eq!(jobs[1]["createdBy"], json!(admin.id));
}

#[tokio::test]
async fn only_what_is_asked_for_is_told() {
    let triggers = json!([
        {"on": ["create"], "queue": "sync", "kind": "made", "fields": []},
        {"on": ["update"], "queue": "emails", "kind": "paid", "fields": ["state"], "when": "state = 'paid' && @old.state != 'paid'",
            "delaySeconds": 60, "priority": 7},
        {"on": ["update"], "queue": "sync", "kind": "child", "when": "of.state = 'new'"},
    ]);
    let (_app, admin) = shop(triggers).await;
    admin.post(ORDERS, json!({"id": "one", "state": "new"})).await.ok(201);
    for body in [json!({"notes": "n"}), json!({"state": "paid"}), json!({"notes": "m"})] {
        admin.patch(&format!("{ORDERS}/one"), body).await.ok(200);
    }
    let jobs = jobs(&admin).await;
    let kinds: Vec<_> = jobs.iter().map(|job| job["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["made", "paid"]);
    let members = |job: &Value| job["payload"]["record"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&jobs[0]), ["id", "createdAt", "updatedAt", "version"]);
    assert_eq!(members(&jobs[1]), ["id", "createdAt", "updatedAt", "version", "state"]);
    assert_eq!((&jobs[1]["priority"], &jobs[1]["state"]), (&json!(7), &json!("scheduled")));
    admin.post(ORDERS, json!({"id": "two", "state": "new"})).await.ok(201);
    admin.post(ORDERS, json!({"id": "three", "state": "old", "of": "two"})).await.ok(201);
    admin.patch(&format!("{ORDERS}/three"), json!({"notes": "n"})).await.ok(200);
    assert_eq!(payloads(&admin).await.last().unwrap()["record"]["of"], json!("two"), "a condition follows relations");
}

#[tokio::test]
async fn jobs_about_one_record_can_be_one_or_in_order() {
    let on = json!(["update"]);
    let triggers = json!([
        {"on": on, "queue": "sync", "kind": "newest", "onCollision": "replace", "delaySeconds": 60},
        {"on": on, "queue": "sync", "kind": "first", "onCollision": "skip"},
        {"on": on, "queue": "sync", "kind": "turns", "serial": true},
    ]);
    let (_app, admin) = shop(triggers).await;
    admin.post(ORDERS, json!({"id": "one", "state": "new"})).await.ok(201);
    admin.post(ORDERS, json!({"id": "two", "state": "new"})).await.ok(201);
    for (id, state) in [("one", "a"), ("one", "b"), ("two", "c")] {
        admin.patch(&format!("{ORDERS}/{id}"), json!({"state": state})).await.ok(200);
    }
    let told: Vec<_> = jobs(&admin).await;
    let of = |kind: &str| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let of_kind = told.iter().filter(|job| job["kind"] == kind);
        of_kind.map(|job| (text(&job["payload"]["record"]["state"]), text(&job["state"]))).collect()
    };
    let pairs = |expected: &[(&str, &str)]| -> Vec<(String, String)> {
        expected.iter().map(|(state, job)| ((*state).to_owned(), (*job).to_owned())).collect()
    };
    assert_eq!(of("newest"), pairs(&[("b", "scheduled"), ("c", "scheduled")]));
    assert_eq!(of("first"), pairs(&[("a", "ready"), ("c", "ready")]));
    assert_eq!(of("turns"), pairs(&[("a", "ready"), ("b", "waiting"), ("c", "ready")]));
}

#[tokio::test]
async fn every_way_to_write_sets_them_off_but_imports() {
    let all = json!({"on": ["create", "update", "delete"], "queue": "sync", "kind": "seen", "fields": ["state"]});
    let (_app, admin) = shop(json!([all])).await;
    let seen = async || -> Vec<String> {
        let told = payloads(&admin).await.into_iter();
        told.map(|told| format!("{} {}", told["event"].as_str().unwrap(), told["id"].as_str().unwrap())).collect()
    };
    let mut expected: Vec<&str> = Vec::new();
    let body = json!({"id": "a", "state": "x"});
    let bodies = json!({"operations": [
        {"op": "create", "collection": "orders", "body": {"id": "b", "state": "x", "of": "a"}},
        {"op": "update", "collection": "orders", "id": "b", "body": {"state": "y"}},
        {"op": "enqueue", "body": {"queue": "sync", "kind": "other", "payload": {"event": "enqueue", "id": "b"}}},
    ]});
    admin.with("idempotency-key", "k").post(ORDERS, body.clone()).await.ok(201);
    admin.with("idempotency-key", "k").post(ORDERS, body).await.ok(201);
    expected.push("create a");
    assert_eq!(seen().await, expected, "once for each key");
    admin.post("/api/v1/batch", bodies).await.ok(200);
    expected.extend(["create b", "update b", "enqueue b"]);
    assert_eq!(seen().await, expected);
    admin.patch(&query(ORDERS, &[("filter", "state = 'x'")]), json!({"state": "z"})).await.ok(200);
    expected.push("update a");
    assert_eq!(seen().await, expected);
    admin.delete(&format!("{ORDERS}/a")).await.expect(204);
    expected.extend(["delete a", "delete b"]);
    assert_eq!(seen().await, expected, "what a deletion takes along counts");
    let lines = r#"{"id": "c", "state": "x"}"#;
    let import = admin.with("content-type", "application/x-ndjson");
    assert_eq!(import.send("POST", &format!("{COLLECTION}/import"), lines).await.ok(200)["imported"], 1);
    assert_eq!(seen().await, expected, "what is imported happened before");
}

#[tokio::test]
async fn the_job_is_made_with_the_change_or_not_at_all() {
    let all = json!({"on": ["create"], "queue": "sync", "kind": "seen"});
    let (app, admin) = shop(json!([all])).await;
    let seq = app.store().snapshot().seq();
    let nothing = async || assert_eq!((payloads(&admin).await.len(), app.store().snapshot().seq()), (0, seq));
    let failing = json!({"operations": [
        {"op": "create", "collection": "orders", "body": {"id": "a", "state": "x"}},
        {"op": "create", "collection": "orders", "body": {"id": "b", "state": "x", "of": "none"}},
    ]});
    admin.post("/api/v1/batch", failing).await.invalid(&[("/operations/1/body/of", "not_found")]);
    nothing().await;
    let large = json!({"id": "a", "state": "x", "notes": "n".repeat(256 << 10)});
    let told = admin.post(ORDERS, large.clone()).await.problem(422, "validation_failed");
    assert!(told["detail"].as_str().unwrap().contains("let the trigger show fewer fields"), "{told}");
    nothing().await;
    let fewer = json!({"triggers": [{"on": ["create"], "queue": "sync", "kind": "seen", "fields": ["state"]}]});
    admin.patch(COLLECTION, fewer).await.ok(200);
    admin.post(ORDERS, large).await.ok(201);
    assert_eq!(payloads(&admin).await[0]["record"]["state"], "x");
}
