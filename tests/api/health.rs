//! Health: what a supervisor reads, and when it is told that the server is not ready.

use serde_json::{Value, json};

use crate::support::TestApp;

const RECORDS: &str = "/api/v1/collections/c/records";

#[tokio::test]
async fn anyone_may_ask_for_health() {
    let app = TestApp::start().await;
    for (path, checks) in
        [("live", json!([])), ("ready", json!(["store", "writer"])), ("startup", json!(["store", "writer"]))]
    {
        let answer = app.guest().get(&format!("/health/{path}")).await.expect(200);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("content-type"), "application/json");
        let body = answer.json();
        assert_eq!(body["status"], "ok");
        assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
        assert!(body["uptime"].is_u64(), "{body}");
        let checked = body["checks"].as_object().unwrap();
        let named: Vec<_> = checked.keys().cloned().collect();
        assert_eq!(json!(named), checks, "{path}");
        for check in checked.values() {
            assert_eq!(check["status"], "ok");
            // The start itself committed, so both have been measured.
            assert!(check["latency"].as_f64().unwrap() > 0.0, "{body}");
        }
        app.guest().post(&format!("/health/{path}"), json!({})).await.problem(405, "method_not_allowed");
    }
    app.guest().get("/health").await.problem(404, "not_found");
}

/// Not ready is a 503 with the whole body, and the process is alive all the same.
async fn assert_not_ready(app: &TestApp) -> Value {
    for path in ["/health/ready", "/health/startup"] {
        let body = app.guest().get(path).await.ok(503);
        assert_eq!(body["status"], "unavailable", "{body}");
        assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
    }
    assert_eq!(app.guest().get("/health/live").await.ok(200)["status"], "ok");
    app.guest().get("/health/ready").await.json()["checks"].clone()
}

#[tokio::test]
async fn a_closed_store_is_not_ready() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "c"})).await;
    app.store().close().await;
    let answer = admin.post(RECORDS, json!({})).await;
    assert_eq!(answer.header("retry-after"), "5");
    answer.problem(503, "unavailable");
    let checks = assert_not_ready(&app).await;
    assert_eq!(checks["writer"]["status"], "unavailable", "{checks}");
}

/// The file is cut short under the running server, as a failing disk would: what cannot be read or written is said so.
#[tokio::test]
async fn a_failed_store_is_not_ready() {
    let app = TestApp::new().with_config(|config| config.store.cache_bytes = 1).start().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "c", "fields": [{"name": "t", "type": "text"}]})).await;
    for n in 0..50 {
        app.record("c", json!({"id": format!("r{n}"), "t": "the content ".repeat(500)})).await;
    }
    let file = std::fs::OpenOptions::new().write(true).open(app.folder().join("stead.redb")).unwrap();
    file.set_len(4096).unwrap();
    let internals = ["redb", "stead.redb", "I/O", "os error", "end of file", "panick", "src/"];
    app.until("the store fails", async || {
        let answer = admin.post(RECORDS, json!({"t": "more"})).await;
        answer.clone().lacks(&internals);
        assert!(matches!(answer.status.as_u16(), 201 | 401 | 503), "{answer}");
        app.store().failed().borrow().is_some()
    })
    .await;
    let checks = assert_not_ready(&app).await;
    assert_eq!(checks["writer"]["status"], "unavailable", "{checks}");
    app.guest().get("/health/ready").await.lacks(&internals);
}

#[tokio::test]
async fn a_full_queue_is_answered_and_passes() {
    let app = TestApp::new()
        .with_config(|config| {
            config.store.queue_max = 1;
            config.store.batch_max = 1;
        })
        .start()
        .await;
    let admin = app.admin().await;
    app.collection(json!({"name": "c"})).await;
    let held = app.hold_writer().await;
    let waiting = tokio::spawn({
        let admin = admin.clone();
        async move { admin.post(RECORDS, json!({"id": "waited"})).await }
    });
    app.until("one write waits", async || app.store().queue_depth() == (1, 1)).await;
    for (method, path, body) in [("POST", RECORDS, "{}"), ("POST", "/api/v1/collections", r#"{"name": "d"}"#)] {
        let answer = admin.send(method, path, body).await;
        assert_eq!(answer.header("retry-after"), "1");
        answer.problem(503, "overloaded");
    }
    let checks = assert_not_ready(&app).await;
    assert_eq!((&checks["writer"]["waiting"], &checks["writer"]["waitingMax"]), (&json!(1), &json!(1)), "{checks}");
    admin.get(RECORDS).await.expect(200);
    drop(held);
    waiting.await.unwrap().expect(201);
    let list = admin.get(&format!("{RECORDS}?fields=id")).await.ok(200);
    assert_eq!(list["items"], json!([{"id": "waited"}]), "what was refused was not written");
    app.until("the server is ready", async || app.guest().get("/health/ready").await.status == 200).await;
}
