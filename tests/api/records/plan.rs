//! How lists find their records: explain tells it, and a query that would look at too much is refused.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, query};

const RECORDS: &str = "/api/v1/collections/c/records";

async fn with_records(app: &TestApp) -> Client {
    let fields = json!([
        {"name": "kind", "type": "enum", "values": ["a", "b", "c", "d", "e"]},
        {"name": "views", "type": "integer"},
        {"name": "code", "type": "string", "unique": true},
        {"name": "tags", "type": "string", "many": true, "indexed": true},
        {"name": "free", "type": "integer"},
    ]);
    let indexes = json!([{"fields": ["kind", "-createdAt"]}, {"fields": ["views"]}]);
    app.collection(json!({"name": "c", "fields": fields, "indexes": indexes})).await;
    let admin = app.admin().await;
    for second in 0..4 {
        app.clock.advance_seconds(1);
        let line = |n: usize| {
            let n = second * 100 + n;
            let kind = ["a", "b", "c", "d", "e"][n % 5];
            format!(
                "{{\"kind\":\"{kind}\",\"views\":{},\"code\":\"k{n}\",\"tags\":[\"t{}\"],\"free\":{n}}}\n",
                n % 100,
                n % 50
            )
        };
        let lines: String = (0..100).map(line).collect();
        let report = admin.send("POST", "/api/v1/collections/c/import", lines).await.ok(200);
        assert_eq!(report["imported"], 100);
    }
    admin
}

#[tokio::test]
async fn explain_shows_the_index_and_what_was_looked_at() {
    let app = TestApp::start().await;
    let admin = with_records(&app).await;
    // The filter, the order, the page, the index, and at most so many records looked at.
    let rows = [
        ("kind = 'b'", "-createdAt", "10", json!(["kind", "-createdAt"]), 11),
        ("kind = 'b'", "createdAt", "10", json!(["kind", "-createdAt"]), 11),
        ("kind = 'b' && free >= 0", "-createdAt", "10", json!(["kind", "-createdAt"]), 11),
        ("kind = 'b'", "id", "100", json!(["kind", "-createdAt"]), 80),
        ("code = 'k77'", "", "10", json!(["code"]), 1),
        ("code in ['k1', 'k2', 'k3']", "", "10", json!(["code"]), 3),
        ("views > 95", "views", "10", json!(["views"]), 11),
        ("views >= 10 && views < 12", "views", "10", json!(["views"]), 8),
        ("", "-views", "5", json!(["views"]), 6),
        ("'t7' in tags", "", "10", json!(["tags"]), 8),
        ("free = 3", "", "10", json!(null), 400),
        ("", "", "5", json!(null), 6),
    ];
    for (filter, sort, limit, index, examined_max) in rows {
        let mut parameters = vec![("filter", filter), ("limit", limit), ("explain", "true")];
        if !sort.is_empty() {
            parameters.push(("sort", sort));
        }
        let list = admin.get(&query(RECORDS, &parameters)).await.ok(200);
        let explain = &list["explain"];
        assert_eq!(explain["index"], index, "{filter} by {sort}: {explain}");
        let examined = explain["examined"].as_u64().unwrap();
        assert!(examined <= examined_max, "{filter} by {sort}: {explain}");
        assert!(examined >= list["items"].as_array().unwrap().len() as u64, "{explain}");
    }
}

#[tokio::test]
async fn a_query_that_looks_at_too_much_names_the_index_to_add() {
    let app = TestApp::new().with_config(|config| config.records.examined_max = 300).start().await;
    let admin = with_records(&app).await;
    let too_much =
        [vec![("filter", "free = 399")], vec![("filter", "free = -1"), ("total", "true")], vec![("sort", "free")]];
    for parameters in too_much {
        let problem = admin.get(&query(RECORDS, &parameters)).await.problem(422, "index_required");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("300") && detail.contains("free"), "{detail}");
    }
    admin.get(RECORDS).await.expect(200);
    admin.get(&query(RECORDS, &[("filter", "kind = 'a'"), ("total", "true")])).await.expect(200);
    admin.patch("/api/v1/collections/c", json!({"indexes": [{"fields": ["free"]}]})).await.expect(200);
    app.settled("c").await;
    let found: Value = admin.get(&query(RECORDS, &[("filter", "free = 399")])).await.ok(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    admin.get(&query(RECORDS, &[("sort", "free"), ("limit", "10")])).await.expect(200);
}
