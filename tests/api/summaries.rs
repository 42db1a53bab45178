//! Summaries: what an aggregate says, kept in a collection by the server's own jobs.

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const ORDERS: &str = "/api/v1/collections/orders/records";
const SALES: &str = "/api/v1/collections/sales/records";

async fn shop() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let orders = json!([{"name": "country", "type": "string"}, {"name": "total", "type": "decimal"}]);
    app.collection(json!({"name": "orders", "fields": orders})).await;
    let sales = json!([
        {"name": "country", "type": "string"}, {"name": "count", "type": "integer"}, {"name": "total", "type": "decimal", "max": "99"},
    ]);
    app.collection(json!({"name": "sales", "fields": sales})).await;
    for (id, country, total) in
        [("a", "DE", "1.50"), ("b", "DE", "2.00"), ("c", "CH", "4.00"), ("d", "New Zealand", "1")]
    {
        app.record("orders", json!({"id": id, "country": country, "total": total})).await;
    }
    let admin = app.admin().await;
    (app, admin)
}

async fn summarise(app: &TestApp, admin: &Client, more: Value) -> Value {
    let mut payload = json!({"from": "orders", "select": "count, sum(total) as total", "group": "country", "into": "sales", "key": ["country"]});
    payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let job = json!({"queue": "reports", "kind": "data.aggregate", "attemptsMax": 1, "payload": payload});
    let made = admin.post("/api/v1/jobs", job).await.ok(201);
    let path = format!("/api/v1/jobs/{}", made["id"].as_str().unwrap());
    let state = async || admin.get(&path).await.ok(200)["state"].clone();
    app.until("the summary is kept", async || ["succeeded", "dead"].map(Value::from).contains(&state().await)).await;
    admin.get(&path).await.ok(200)
}

fn numbers(job: &Value) -> [u64; 5] {
    ["groups", "written", "unchanged", "removed", "rejected"].map(|name| job["result"][name].as_u64().unwrap_or(99))
}

#[tokio::test]
async fn a_summary_is_kept_current() {
    let (app, admin) = shop().await;
    assert_eq!(numbers(&summarise(&app, &admin, json!({})).await), [3, 3, 0, 0, 0]);
    let german = admin.get(&format!("{SALES}/DE")).await.ok(200);
    assert_eq!((&german["count"], &german["total"], &german["version"]), (&json!(2), &json!("3.50"), &json!(1)));
    assert_eq!(numbers(&summarise(&app, &admin, json!({})).await), [3, 0, 3, 0, 0], "what is the same is left alone");
    admin.patch(&format!("{ORDERS}/b"), json!({"total": "7.00"})).await.ok(200);
    admin.delete(&format!("{ORDERS}/c")).await.expect(204);
    assert_eq!(numbers(&summarise(&app, &admin, json!({})).await), [2, 1, 1, 1, 0]);
    let kept = admin.get(&format!("{SALES}?sort=country&fields=country,total")).await.ok(200);
    assert_eq!(kept["items"], json!([{"country": "DE", "total": "8.50"}, {"country": "New Zealand", "total": "1"}]));
    let few = summarise(&app, &admin, json!({"filter": "total > 2", "having": "count > 0"})).await;
    assert_eq!(numbers(&few), [1, 1, 0, 1, 0], "{few}");
    let all = summarise(&app, &admin, json!({"group": null, "key": []})).await;
    assert_eq!(numbers(&all), [1, 1, 0, 1, 0], "{all}");
    assert_eq!(admin.get(&format!("{SALES}/all")).await.ok(200)["count"], 3);
}

#[tokio::test]
async fn what_cannot_be_kept_says_why() {
    let (app, admin) = shop().await;
    admin.patch(&format!("{ORDERS}/a"), json!({"total": "1000"})).await.ok(200);
    let done = summarise(&app, &admin, json!({})).await;
    assert_eq!(numbers(&done), [3, 2, 0, 0, 1], "{done}");
    assert_eq!(done["result"]["errors"][0]["errors"][0]["pointer"], "/total");
    for (more, why) in [
        (json!({"from": "none"}), "there is no collection \"none\""),
        (json!({"into": "none"}), "there is no collection \"none\""),
        (json!({"select": "none(x)"}), "none"),
        (json!({"key": ["none"]}), "which is no column"),
        (json!({"key": ["count"]}), "two groups have the same key"),
        (json!({"typo": 1}), "unknown field `typo`"),
    ] {
        let dead = summarise(&app, &admin, more).await;
        assert_eq!(dead["state"], "dead", "{dead}");
        assert!(dead["error"].as_str().unwrap().contains(why), "{why}: {dead}");
    }
    let key = json!({"name": "k", "permissions": ["queues:create"]});
    let made = admin.post("/api/v1/keys", key).await.ok(201);
    let key = app.guest().signed_in("", made["secret"].as_str().unwrap());
    let job = json!({"queue": "reports", "kind": "data.aggregate", "payload": {}});
    let told = key.post("/api/v1/jobs", job).await.problem(403, "forbidden");
    assert!(told["detail"].as_str().unwrap().contains("collections:create"), "{told}");
}
