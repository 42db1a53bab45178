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
        let indexes = if index.is_null() { json!([]) } else { json!([index]) };
        assert_eq!(explain["indexes"], indexes, "{filter} by {sort}: {explain}");
        assert!(explain["milliseconds"].as_f64().is_some(), "{explain}");
        let examined = explain["examined"].as_u64().unwrap();
        assert!(examined <= examined_max, "{filter} by {sort}: {explain}");
        assert!(examined >= list["items"].as_array().unwrap().len() as u64, "{explain}");
    }
}

#[tokio::test]
async fn alternatives_are_found_along_an_index_each() {
    let app = TestApp::start().await;
    let admin = with_records(&app).await;
    let filter = "code = 'k7' || views = 3 || 't9' in tags";
    let parameters = [("filter", filter), ("explain", "true"), ("total", "true"), ("sort", "-free")];
    let list = admin.get(&query(RECORDS, &parameters)).await.ok(200);
    let explain = &list["explain"];
    assert_eq!(explain["plan"], "union", "{explain}");
    assert_eq!(explain["indexes"], json!([["code"], ["views"], ["tags"]]));
    assert!(explain["examined"].as_u64().unwrap() <= 13, "{explain}");
    let found: Vec<u64> = list["items"].as_array().unwrap().iter().map(|item| item["free"].as_u64().unwrap()).collect();
    assert_eq!(found, [359, 309, 303, 259, 209, 203, 159, 109, 103, 59, 9, 7, 3]);
    assert_eq!(list["total"], 13);
    let list = admin.get(&query(RECORDS, &[("filter", "code = 'k7' || free = 9"), ("explain", "true")])).await.ok(200);
    assert_eq!(list["explain"]["plan"], "records", "an alternative without an index is found by looking at all");
}

/// Statistics tell that one index leads to fewer records than another, and that two together do.
#[tokio::test]
async fn what_is_known_of_the_data_decides_among_indexes() {
    let app = TestApp::start().await;
    let fields = json!([
        {"name": "rare", "type": "integer", "indexed": true},
        {"name": "common", "type": "integer", "indexed": true},
        {"name": "half", "type": "integer", "indexed": true},
        {"name": "third", "type": "integer", "indexed": true},
    ]);
    app.collection(json!({"name": "c", "fields": fields})).await;
    let admin = app.admin().await;
    let line =
        |n: usize| format!("{{\"rare\":{},\"common\":{},\"half\":{},\"third\":{}}}\n", n / 2, n % 3, n % 40, n % 41);
    let lines: String = (0..5_000).map(line).collect();
    admin.send("POST", "/api/v1/collections/c/import", lines).await.ok(200);
    let explain = async |filter: &str| {
        let list =
            admin.get(&query(RECORDS, &[("filter", filter), ("explain", "true"), ("limit", "1000")])).await.ok(200);
        list["explain"].clone()
    };
    app.until("statistics are there", async || explain("half = 1 && third = 1").await["plan"] == "intersection").await;
    let both = explain("half = 1 && third = 1").await;
    assert!(both["examined"].as_u64().unwrap() <= 250, "{both}");
    let rare = explain("common = 1 && rare >= 10 && rare < 12").await;
    assert_eq!(rare["indexes"], json!([["rare"]]), "{rare}");
    assert_eq!(explain("common >= 0 && half = 1").await["indexes"], json!([["half"]]));
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
