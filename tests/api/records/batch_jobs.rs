//! Jobs among the operations of a batch: made with the records that they are about, or not at all.

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const BATCH: &str = "/api/v1/batch";
const JOBS: &str = "/api/v1/jobs";

async fn shop() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let fields = json!([{"name": "name", "type": "string", "max": 10}]);
    app.collection(json!({"name": "orders", "fields": fields, "rules": {"create": "true"}})).await;
    let admin = app.admin().await;
    (app, admin)
}

fn order(name: &str) -> Value {
    json!({"op": "create", "collection": "orders", "ref": name, "body": {"name": name}})
}

fn enqueue(body: Value) -> Value {
    json!({"op": "enqueue", "body": body})
}

fn operations(operations: &[Value]) -> Value {
    json!({"operations": operations})
}

async fn count(admin: &Client) -> usize {
    // A mail is a job, too.
    let jobs = admin.get(JOBS).await.ok(200);
    jobs["items"].as_array().unwrap().iter().filter(|job| job["kind"] != "email.send").count()
}

#[tokio::test]
async fn a_job_knows_what_was_made_before_it() {
    let (_app, admin) = shop().await;
    let first = json!({"op": "enqueue", "ref": "pack", "body": {
        "queue": "sync", "kind": "order.pack", "serialKey": {"$ref": "tea"}, "attemptsMax": 2,
        "payload": {"order": {"$ref": "tea"}, "orders": [{"$ref": "tea"}, "x", {"$ref": "cup"}], "deep": {"as": {"$ref": "is"}}},
    }});
    let second = enqueue(
        json!({"queue": "emails", "kind": "order.sent", "payload": {"$ref": "cup"}, "after": [{"$ref": "pack"}]}),
    );
    let made = admin.post(BATCH, operations(&[order("tea"), order("cup"), first, second])).await.ok(200);
    let result = |at: usize| &made["results"][at];
    let (tea, cup) = (&result(0)["id"], &result(1)["id"]);
    assert_eq!((&result(2)["status"], &result(2)["outcome"]), (&json!(201), &json!("created")), "{made}");
    let pack = admin.get(&format!("{JOBS}/{}", result(2)["id"].as_str().unwrap())).await.ok(200);
    assert_eq!(pack["payload"], json!({"order": tea, "orders": [tea, "x", cup], "deep": {"as": {"$ref": "is"}}}));
    assert_eq!((&pack["serialKey"], &pack["attemptsMax"], &pack["state"]), (tea, &json!(2), &json!("ready")));
    let sent = admin.get(&format!("{JOBS}/{}", result(3)["id"].as_str().unwrap())).await.ok(200);
    assert_eq!((&sent["payload"], &sent["state"], &sent["after"]), (cup, &json!("waiting"), &json!([result(2)["id"]])));
}

#[tokio::test]
async fn both_are_made_or_neither() {
    let (app, admin) = shop().await;
    let seq = app.store().snapshot().seq();
    let good = json!({"queue": "sync", "kind": "a"});
    let faults = [
        (enqueue(json!({"queue": "none", "kind": "a"})), "/body/queue", "not_found"),
        (enqueue(json!({"queue": "sync", "kind": ""})), "/body/kind", "too_short"),
        (enqueue(json!({"queue": "sync", "kind": "a", "more": 1})), "/body/more", "type"),
        (enqueue(json!({"queue": "sync", "kind": "a", "priority": "high"})), "/body/priority", "type"),
        (enqueue(json!({"queue": "sync", "kind": "a", "after": ["x"]})), "/body/after/0", "format"),
        (enqueue(json!({"queue": "sync", "kind": "a", "payload": {"of": {"$ref": "later"}}})), "", "unknown_ref"),
        (json!({"op": "create", "collection": "orders", "body": {"name": "much too long"}}), "/body/name", "too_long"),
    ];
    let all: Vec<Value> =
        [order("tea"), enqueue(good.clone())].into_iter().chain(faults.iter().map(|fault| fault.0.clone())).collect();
    let told =
        faults.iter().enumerate().map(|(at, (_, place, code))| (format!("/operations/{}{place}", at + 2), *code));
    let told: Vec<_> = told.collect();
    let told: Vec<_> = told.iter().map(|(at, code)| (at.as_str(), *code)).collect();
    admin.post(BATCH, operations(&all)).await.invalid(&told);
    assert_eq!((count(&admin).await, app.store().snapshot().seq()), (0, seq));
    let shapes = [
        (json!({"op": "enqueue"}), "/body", "required"),
        (json!({"op": "enqueue", "id": "x", "body": good}), "/id", "invalid"),
        (json!({"op": "enqueue", "collection": "orders", "body": good}), "/collection", "invalid"),
        (json!({"op": "enqueue", "ifMatch": 1, "body": good}), "/ifMatch", "invalid"),
    ];
    for (operation, place, code) in shapes {
        admin.post(BATCH, operations(&[operation])).await.invalid(&[(&format!("/operations/0{place}"), code)]);
    }
}

#[tokio::test]
async fn a_batch_that_is_sent_again_makes_no_second_job() {
    let (_app, admin) = shop().await;
    let unique = enqueue(json!({"queue": "sync", "kind": "a", "uniqueKey": "u"}));
    let batch = operations(&[order("tea"), unique.clone()]);
    let keyed = admin.with("idempotency-key", "once");
    let first = keyed.post(BATCH, batch.clone()).await.ok(200);
    assert_eq!(keyed.post(BATCH, batch).await.ok(200), first);
    assert_eq!(count(&admin).await, 1);
    let again = admin.post(BATCH, operations(&[unique])).await.ok(200);
    assert_eq!(again["results"][0], json!({"status": 200, "id": first["results"][1]["id"], "outcome": "skipped"}));
}

#[tokio::test]
async fn a_job_takes_the_permission_of_its_queue() {
    let (app, admin) = shop().await;
    let job = |queue: &str| enqueue(json!({"queue": queue, "kind": "a"}));
    let user = app.user("user", &["user"]).await;
    let refused = user.post(BATCH, operations(&[order("tea"), job("sync")])).await.problem(403, "forbidden");
    assert_eq!(refused["errors"][0]["pointer"], "/operations/1", "{refused}");
    let made = admin
        .post("/api/v1/keys", json!({"name": "maker", "permissions": ["orders:create", "queues.sync:create"]}))
        .await
        .ok(201);
    let key = app.guest().signed_in("", made["secret"].as_str().unwrap());
    key.post(BATCH, operations(&[order("tea"), job("sync")])).await.ok(200);
    key.post(BATCH, operations(&[job("sync"), job("emails")])).await.problem(403, "forbidden");
    assert_eq!(count(&admin).await, 1);
    app.guest().post(BATCH, operations(&[job("sync")])).await.problem(401, "unauthenticated");
}
