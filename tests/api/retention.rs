//! Retention: records that have had their time are removed by the server's own jobs.

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const EVENTS: &str = "/api/v1/collections/events/records";

async fn sweep(app: &TestApp, admin: &Client, payload: Value) -> Value {
    let job = json!({"queue": "reports", "kind": "retention.sweep", "attemptsMax": 1, "payload": payload});
    let made = admin.post("/api/v1/jobs", job).await.ok(201);
    let path = format!("/api/v1/jobs/{}", made["id"].as_str().unwrap());
    let state = async || admin.get(&path).await.ok(200)["state"].clone();
    app.until("the sweep is done", async || ["succeeded", "dead"].map(Value::from).contains(&state().await)).await;
    admin.get(&path).await.ok(200)
}

async fn total(admin: &Client) -> Value {
    admin.get(&format!("{EVENTS}?total=true&limit=1")).await.ok(200)["total"].clone()
}

#[tokio::test]
async fn what_is_old_is_removed_unless_it_is_needed() {
    let app = TestApp::start().await;
    app.collection(json!({"name": "events", "fields": [{"name": "text", "type": "string"}]})).await;
    let of = json!([{"name": "of", "type": "relation", "collection": "events", "onDelete": "restrict"}]);
    app.collection(json!({"name": "notes", "fields": of})).await;
    let admin = app.admin().await;
    let lines: Vec<String> = (0..450).map(|n| json!({"id": format!("e{n}"), "text": "old"}).to_string()).collect();
    let import = admin.with("content-type", "application/x-ndjson");
    import.send("POST", "/api/v1/collections/events/import", lines.join("\n")).await.ok(200);
    app.record("notes", json!({"of": "e7"})).await;
    app.clock.advance_seconds(91 * 86_400);
    app.record("events", json!({"id": "new", "text": "new"})).await;
    // The session has ended meanwhile.
    let admin = app.operator();
    let payload = json!({"collection": "events", "filter": "createdAt < @now - 90d"});
    let mut few = payload.clone();
    few["max"] = json!(250);
    assert_eq!(sweep(&app, &admin, few).await["result"]["removed"], 250);
    assert_eq!(total(&admin).await, 201);
    let done = sweep(&app, &admin, payload).await;
    let result = &done["result"];
    assert_eq!(
        (&result["removed"], &result["kept"], &result["errors"][0]["id"]),
        (&json!(199), &json!(1), &json!("e7")),
        "{done}"
    );
    let left = admin.get(&format!("{EVENTS}?sort=id&fields=id")).await.ok(200);
    assert_eq!(left["items"], json!([{"id": "e7"}, {"id": "new"}]));
}

#[tokio::test]
async fn what_cannot_be_swept_says_why() {
    let app = TestApp::start().await;
    app.collection(json!({"name": "events", "fields": []})).await;
    let admin = app.admin().await;
    for (payload, why) in [
        (json!({"collection": "none", "filter": "true"}), "there is no collection \"none\""),
        (json!({"collection": "events", "filter": "none = 1"}), "no field \"none\""),
        (json!({"collection": "events"}), "missing field `filter`"),
    ] {
        let dead = sweep(&app, &admin, payload).await;
        assert_eq!(dead["state"], "dead", "{dead}");
        assert!(dead["error"].as_str().unwrap().contains(why), "{why}: {dead}");
    }
    let made = admin.post("/api/v1/keys", json!({"name": "k", "permissions": ["queues:create"]})).await.ok(201);
    let key = app.guest().signed_in("", made["secret"].as_str().unwrap());
    let job =
        json!({"queue": "reports", "kind": "retention.sweep", "payload": {"collection": "users", "filter": "true"}});
    key.post("/api/v1/jobs", job).await.problem(403, "forbidden");
}
