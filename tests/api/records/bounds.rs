//! How much one request may look at, show and write; what is more is refused, with nothing done.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{TestApp, query};

async fn import(app: &TestApp, collection: &str, lines: impl IntoIterator<Item = Value>) {
    let lines = lines.into_iter().fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "{line}");
        all
    });
    let report = app.operator().send("POST", &format!("/api/v1/collections/{collection}/import"), lines).await.ok(200);
    assert_eq!(report["rejectedCount"], 0, "{report}");
}

#[tokio::test]
async fn expansions_of_one_answer_have_so_many_bytes() {
    let app = TestApp::start().await;
    let big = json!({"name": "text", "type": "text"});
    app.collection(json!({"name": "books", "fields": [big]})).await;
    let book = json!({"name": "book", "type": "relation", "collection": "books"});
    app.collection(json!({"name": "readers", "fields": [book]})).await;
    app.record("books", json!({"id": "long", "text": "x".repeat(400_000)})).await;
    import(&app, "readers", (0..60).map(|n| json!({"id": format!("r{n:02}"), "book": "long"}))).await;
    let list = |limit: &str| {
        query("/api/v1/collections/readers/records", &[("expand", "book"), ("fields", "book"), ("limit", limit)])
    };
    let admin = app.admin().await;
    let page = admin.get(&list("40")).await.ok(200);
    assert_eq!(page["items"][39]["expand"]["book"]["id"], "long");
    let problem = admin.get(&list("50")).await.problem(422, "validation_failed");
    assert!(problem["detail"].as_str().unwrap().contains("16 MiB"), "{problem}");
    // Back from the book, each reader with the book again: one record, many expansions.
    let nested = query("/api/v1/collections/books/records/long", &[("expand", "readers_via_book.book")]);
    admin.get(&nested).await.problem(422, "validation_failed");
}

#[tokio::test]
async fn an_operation_of_the_writer_looks_at_so_many_records_behind_relations() {
    let app = TestApp::start().await;
    app.collection(json!({"name": "children", "fields": [{"name": "n", "type": "integer"}]})).await;
    let fields = json!([
        {"name": "n", "type": "integer"},
        {"name": "children", "type": "relation", "collection": "children", "many": true, "maxItems": 1000},
    ]);
    app.collection(json!({"name": "parents", "fields": fields})).await;
    let ids: Vec<_> = (0..1_000).map(|n| format!("c{n:03}")).collect();
    import(&app, "children", ids.iter().map(|id| json!({"id": id, "n": 0}))).await;
    // A condition on the children of all parents looks at 101,000 records.
    import(&app, "parents", (0..101).map(|n| json!({"id": format!("p{n:03}"), "n": 0, "children": ids}))).await;
    let admin = app.admin().await;
    let path = "/api/v1/collections/parents/records";
    let all = [("filter", "all(children.n) < 1"), ("limit", "1"), ("sort", "n")];
    assert_eq!(admin.get(&query(path, &all)).await.ok(200)["items"][0]["n"], 0, "a reader has more time");
    let all = query(path, &[("filter", "all(children.n) < 1")]);
    let problem = admin.patch(&all, json!({"n": 1})).await.problem(422, "index_required");
    assert!(problem["detail"].as_str().unwrap().contains("100000"), "{problem}");
    let changed = query(path, &[("filter", "n = 1"), ("total", "true"), ("fields", "id")]);
    assert_eq!(admin.get(&changed).await.ok(200)["total"], 0, "nothing was changed");
    let some = query(path, &[("filter", "id < \"p050\" && all(children.n) < 1")]);
    admin.patch(&some, json!({"n": 1})).await.ok(200);
    assert_eq!(admin.get(&changed).await.ok(200)["total"], 50);
}

#[tokio::test]
async fn a_filter_that_few_match_finds_them_in_every_chunk_of_an_export() {
    let app = TestApp::start().await;
    let fields = json!([{"name": "n", "type": "integer"}, {"name": "rare", "type": "boolean"}]);
    app.collection(json!({"name": "items", "fields": fields})).await;
    // The first and last of what is looked at for one chunk, and around.
    let rare = [0, 19_998, 19_999, 20_000, 20_001, 39_999, 40_000, 44_999];
    let record = |n: u32| json!({"id": format!("i{n:05}"), "n": n, "rare": rare.contains(&n)});
    import(&app, "items", (0..45_000).map(record)).await;
    let path = query("/api/v1/collections/items/export", &[("filter", "rare"), ("fields", "n")]);
    let exported = app.operator().get(&path).await.expect(200);
    let lines = exported.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let numbers: Vec<_> = lines.map(|line| line["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, rare.map(u64::from));
}

#[tokio::test]
async fn pages_by_number_are_those_of_the_cursor_without_an_index_too() {
    let app = TestApp::start().await;
    let fields = json!([{"name": "a", "type": "integer"}, {"name": "b", "type": "string"}]);
    app.collection(json!({"name": "items", "fields": fields})).await;
    let record = |n: u32| json!({"id": format!("i{n:03}"), "a": n * 7 % 10, "b": format!("b{}", n % 3)});
    import(&app, "items", (0..500).map(record)).await;
    let admin = app.admin().await;
    let asked = [("sort", "-a,b"), ("filter", "a > 0"), ("limit", "7")];
    let path = query("/api/v1/collections/items/records", &asked);
    let (mut next, mut number, mut seen) = (path.clone(), 0, 0);
    loop {
        number += 1;
        let by_cursor = admin.get(&next).await.ok(200);
        let by_number = admin.get(&format!("{path}&page={number}")).await.ok(200);
        assert_eq!(by_cursor["items"], by_number["items"], "page {number}");
        seen += by_cursor["items"].as_array().unwrap().len();
        let Some(cursor) = by_cursor["nextCursor"].as_str() else { break };
        next = format!("{path}&cursor={cursor}");
    }
    assert_eq!(seen, 450);
    let beyond = admin.get(&format!("{path}&page={}", number + 1)).await.ok(200);
    assert_eq!(beyond["items"], json!([]));
}
