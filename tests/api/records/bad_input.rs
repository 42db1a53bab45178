//! What a careless or hostile client sends: each answered by a problem with a stable code, and nothing is changed by it.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{TestApp, query};

const RECORDS: &str = "/api/v1/collections/posts/records";
const ONE: &str = "/api/v1/collections/posts/records/a";
const IMPORT: &str = "/api/v1/collections/posts/import";
const AGGREGATE: &str = "/api/v1/collections/posts/aggregate";

async fn posts() -> TestApp {
    let app = TestApp::start().await;
    let fields = json!([
        {"name": "title", "type": "string", "required": true},
        {"name": "views", "type": "integer", "indexed": true},
        {"name": "score", "type": "number"},
        {"name": "price", "type": "decimal"},
        {"name": "day", "type": "date"},
        {"name": "at", "type": "datetime"},
        {"name": "kind", "type": "enum", "values": ["news", "sport"]},
        {"name": "tags", "type": "string", "many": true, "maxItems": 2},
        {"name": "place", "type": "geoPoint"},
        {"name": "parent", "type": "relation", "collection": "posts"},
    ]);
    app.collection(json!({"name": "posts", "fields": fields})).await;
    app.record("posts", json!({"id": "a", "title": "A", "views": 1})).await;
    app.record("posts", json!({"id": "b", "title": "B", "views": 2})).await;
    app
}

/// What is asked, and what is wrong with it.
struct Row(&'static str, String, Vec<u8>, u16, &'static str);

fn get(path: &str, parameters: &[(&str, &str)], code: &'static str) -> Row {
    Row("GET", query(path, parameters), Vec::new(), 400, code)
}

fn write(method: &'static str, path: &str, body: impl Into<Vec<u8>>, status: u16, code: &'static str) -> Row {
    Row(method, path.into(), body.into(), status, code)
}

fn questions() -> Vec<Row> {
    let deep_expand = ["parent"; 9].join(".");
    let deep_path = format!("{}.title = \"x\"", ["parent"; 9].join("."));
    let deep_filter = format!("{}true{}", "(".repeat(5_000), ")".repeat(5_000));
    let wide_filter = vec!["views = 1"; 2_500].join(" || ");
    let long_text = format!("title = \"{}\"", "x".repeat(50_000));
    let filters = [
        "",
        "views",
        "views =",
        "views = \"one\"",
        "nothing = 1",
        "title.x = 1",
        "day = \"2026-02-30\"",
        "tags = \"x\"",
        "any(views) = 1",
        "title ~ 1",
        "`quoted` = title",
        "views = 1; true",
        "views = 1 &&",
        "\u{0}",
        "distance(title, 1, 2) < 3",
        &deep_path,
        &deep_filter,
        &wide_filter,
        &long_text,
    ];
    let mut rows: Vec<_> =
        filters[1..].iter().map(|filter| get(RECORDS, &[("filter", filter)], "invalid_filter")).collect();
    rows.extend([
        get(RECORDS, &[("filters", "views = 1")], "invalid_parameter"),
        get(RECORDS, &[("limit", "1"), ("limit", "2")], "invalid_parameter"),
        get(RECORDS, &[("limit", "0")], "invalid_parameter"),
        get(RECORDS, &[("limit", "1001")], "invalid_parameter"),
        get(RECORDS, &[("limit", "-1")], "invalid_parameter"),
        get(RECORDS, &[("limit", "ten")], "invalid_parameter"),
        get(RECORDS, &[("limit", "18446744073709551616")], "invalid_parameter"),
        get(RECORDS, &[("page", "0")], "invalid_parameter"),
        get(RECORDS, &[("page", "99999999999")], "invalid_parameter"),
        get(RECORDS, &[("page", "1"), ("cursor", "x")], "invalid_parameter"),
        get(RECORDS, &[("total", "yes")], "invalid_parameter"),
        get(RECORDS, &[("sort", "nothing")], "invalid_parameter"),
        get(RECORDS, &[("sort", "title,,views")], "invalid_parameter"),
        get(RECORDS, &[("sort", "place")], "invalid_parameter"),
        get(RECORDS, &[("fields", "nothing")], "invalid_parameter"),
        get(RECORDS, &[("expand", "title")], "invalid_parameter"),
        get(RECORDS, &[("expand", "nothing")], "invalid_parameter"),
        get(RECORDS, &[("expand", &deep_expand)], "invalid_parameter"),
        get(RECORDS, &[("cursor", "")], "invalid_cursor"),
        get(RECORDS, &[("cursor", "x")], "invalid_cursor"),
        get(RECORDS, &[("cursor", &"A".repeat(20_000))], "invalid_cursor"),
        get(ONE, &[("filter", "true")], "invalid_parameter"),
        get(ONE, &[("expand", "title")], "invalid_parameter"),
        get(AGGREGATE, &[("select", "sum(title)")], "invalid_parameter"),
        get(AGGREGATE, &[("select", "count"), ("group", "nothing")], "invalid_parameter"),
        get(AGGREGATE, &[("select", "count"), ("having", "count")], "invalid_parameter"),
        get(AGGREGATE, &[("select", "count"), ("group", "day(at)"), ("timezone", "Moon/Sea")], "invalid_parameter"),
        Row("GET", format!("{RECORDS}?filter=title+%3D+%22%ff%22"), Vec::new(), 400, "bad_request"),
        Row("GET", format!("{RECORDS}?filter=true&%ff=1"), Vec::new(), 400, "bad_request"),
        Row("GET", format!("{RECORDS}/{}", "x".repeat(65)), Vec::new(), 404, "not_found"),
        Row("GET", format!("{RECORDS}/%ff"), Vec::new(), 400, "bad_request"),
        Row("GET", "/api/v1/collections/nothing/records".into(), Vec::new(), 404, "not_found"),
        Row("POST", ONE.into(), b"{}".to_vec(), 405, "method_not_allowed"),
        Row("DELETE", IMPORT.into(), Vec::new(), 405, "method_not_allowed"),
    ]);
    rows
}

fn bodies() -> Vec<Row> {
    let bad = |body: &str| write("POST", RECORDS, body, 400, "invalid_json");
    let unfit = |body: Value| write("POST", RECORDS, body.to_string(), 422, "validation_failed");
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    vec![
        bad("{"),
        bad("nothing"),
        bad("[]"),
        bad("\"text\""),
        bad("null"),
        bad("{}{}"),
        bad("{\"title\": \"x\",}"),
        bad("{\"title\": 'x'}"),
        bad("{\"title\": NaN}"),
        bad("{\"title\": 1e}"),
        bad("{\"title\": \"a\nb\"}"),
        bad("{\"title\": \"a\", \"title\": \"b\"}"),
        bad("{\"title\": \"a\", \"\\u0074itle\": \"b\"}"),
        write("POST", RECORDS, b"{\"title\": \"\xff\xfe\"}".to_vec(), 400, "invalid_json"),
        write("POST", RECORDS, b"\xef\xbb\xbf".to_vec(), 400, "invalid_json"),
        unfit(json!({})),
        write("POST", RECORDS, "{\"title\": \"\\ud800\"}", 422, "validation_failed"),
        write("POST", RECORDS, format!("{{\"title\": {deep}}}"), 422, "validation_failed"),
        unfit(json!({"title": null})),
        unfit(json!({"title": 1})),
        unfit(json!({"title": "x".repeat(256)})),
        unfit(json!({"title": "x", "nothing": 1})),
        unfit(json!({"title": "x", "views": "1"})),
        unfit(json!({"title": "x", "views": 1.5})),
        unfit(json!({"title": "x", "views": 9_223_372_036_854_775_808_u64})),
        write("POST", RECORDS, "{\"title\": \"x\", \"views\": 1e400}", 422, "validation_failed"),
        write("POST", RECORDS, "{\"title\": \"x\", \"score\": 1e400}", 422, "validation_failed"),
        write("POST", RECORDS, "{\"title\": \"x\", \"views\": -9223372036854775809}", 422, "validation_failed"),
        unfit(json!({"title": "x", "price": "1e5000"})),
        unfit(json!({"title": "x", "price": "1".repeat(40)})),
        unfit(json!({"title": "x", "day": "2026-13-01"})),
        unfit(json!({"title": "x", "at": "yesterday"})),
        unfit(json!({"title": "x", "at": "2026-01-01T25:00:00Z"})),
        unfit(json!({"title": "x", "kind": "weather"})),
        unfit(json!({"title": "x", "tags": "x"})),
        unfit(json!({"title": "x", "tags": ["a", "b", "c"]})),
        unfit(json!({"title": "x", "tags": ["a", "a"]})),
        unfit(json!({"title": "x", "place": {"lat": 91, "lon": 0}})),
        unfit(json!({"title": "x", "parent": "nobody"})),
        unfit(json!({"title": "x", "id": "has space"})),
        unfit(json!({"title": "x", "id": "x".repeat(65)})),
        write("POST", RECORDS, json!({"title": "x", "id": "a"}).to_string(), 409, "conflict"),
        write("PATCH", ONE, "[]", 400, "invalid_json"),
        write("PATCH", ONE, json!({"id": "c"}).to_string(), 422, "validation_failed"),
        write("PATCH", ONE, json!({"views": {"$increment": "1"}}).to_string(), 422, "validation_failed"),
        write("PATCH", ONE, json!({"views": {"$increment": i64::MAX}}).to_string(), 422, "validation_failed"),
        write("PATCH", ONE, json!({"views": {"$multiply": 2}}).to_string(), 422, "validation_failed"),
        write("PUT", ONE, "{}", 422, "validation_failed"),
        write("PATCH", RECORDS, json!({"views": 5}).to_string(), 400, "invalid_parameter"),
        write("DELETE", RECORDS, "", 400, "invalid_parameter"),
        write("POST", "/api/v1/batch", "{}", 400, "invalid_json"),
        write("POST", "/api/v1/batch", json!({"operations": [{"op": "drop"}]}).to_string(), 422, "validation_failed"),
        write("POST", &format!("{IMPORT}?mode=replace"), "{}", 400, "invalid_parameter"),
        write("POST", &format!("{IMPORT}?format=json"), "[{", 400, "invalid_json"),
        write("POST", RECORDS, format!("{{\"title\": \"{}\"}}", "x".repeat(10 << 20)), 413, "body_too_large"),
    ]
}

#[tokio::test]
async fn whatever_is_wrong_is_a_problem_with_a_code_and_changes_nothing() {
    let app = posts().await;
    let admin = app.admin().await;
    let before = admin.get(RECORDS).await.ok(200);
    let mut unexpected = Vec::new();
    for Row(method, path, body, status, code) in questions().into_iter().chain(bodies()) {
        let answer = admin.send(method, &path, body.clone()).await;
        let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let kind = answer.header("content-type");
        let named = problem["status"] == answer.status.as_u16() && problem["requestId"].is_string();
        if answer.status != status || problem["code"] != code || kind != "application/problem+json" || !named {
            let start = |text: &str| text.chars().take(150).collect::<String>();
            let sent = start(&String::from_utf8_lossy(&body));
            unexpected.push(format!(
                "{method} {} {sent}\n  wanted {status} {code}, got {} {}",
                start(&path),
                answer.status,
                start(&problem.to_string())
            ));
        }
        if status == 405 {
            assert!(!answer.header("allow").is_empty(), "{method} {path}");
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    assert_eq!(admin.get(RECORDS).await.ok(200), before);
}

#[tokio::test]
async fn a_path_tells_the_methods_that_it_knows() {
    let app = posts().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "popular", "view": {"from": "posts", "filter": "views > 1"}})).await;
    for (method, path, allowed) in [
        ("POST", ONE, "GET, PUT, PATCH, DELETE, HEAD"),
        ("PUT", RECORDS, "GET, POST, PATCH, DELETE, HEAD"),
        ("POST", "/api/v1/collections/popular/records", "GET, HEAD"),
        ("GET", "/api/v1/batch", "POST"),
        ("PATCH", "/api/v1/collections", "GET, POST, HEAD"),
        ("POST", "/api/v1/collections/posts", "GET, PATCH, DELETE, HEAD"),
        ("POST", "/health/live", "GET, HEAD"),
        ("DELETE", "/openapi.json", "GET, HEAD"),
        ("GET", "/api/v1/import", "POST"),
    ] {
        let answer = admin.send(method, path, json!({"title": "x"}).to_string()).await;
        assert_eq!(answer.header("allow"), allowed, "{method} {path}");
        answer.problem(405, "method_not_allowed");
    }
}

/// A cursor belongs to a question and is taken as it was given.
#[tokio::test]
async fn a_cursor_that_was_changed_or_is_of_another_question_is_refused() {
    let app = posts().await;
    let admin = app.admin().await;
    let asked = [("limit", "1"), ("sort", "-views"), ("filter", "views > 0")];
    let page = admin.get(&query(RECORDS, &asked)).await.ok(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    let with = |sort: &'static str, filter: &'static str, cursor: &str| {
        query(RECORDS, &[("limit", "1"), ("sort", sort), ("filter", filter), ("cursor", cursor)])
    };
    admin.get(&with("-views", "views > 0", cursor)).await.ok(200);
    admin.get(&with("views", "views > 0", cursor)).await.problem(400, "invalid_cursor");
    admin.get(&with("-views", "views > 1", cursor)).await.problem(400, "invalid_cursor");
    for at in 0..cursor.len() {
        let mut changed = cursor.to_owned().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        admin.get(&with("-views", "views > 0", &changed)).await.problem(400, "invalid_cursor");
        admin.get(&with("-views", "views > 0", &cursor[..at])).await.problem(400, "invalid_cursor");
    }
}

/// Ten megabytes fit in no head of a request: the connection ends with a 4xx before there is a request to answer. In a
/// body they are a body that is too large.
#[tokio::test]
async fn a_filter_of_ten_megabytes_costs_nothing() {
    let app = posts().await;
    let admin = app.admin().await;
    let filter = "views = 1 || ".repeat(10 << 20 >> 4);
    let stream = TcpStream::connect(app.address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let head = format!("GET {RECORDS}?filter={} HTTP/1.1\r\nhost: x\r\n\r\n", filter.replace(' ', "+"));
    // The server does not read it to its end.
    let sent = tokio::spawn(async move { writing.write_all(head.as_bytes()).await });
    let mut said = Vec::new();
    let _ = reading.read_to_end(&mut said).await;
    let said = String::from_utf8_lossy(&said);
    assert!(said.starts_with("HTTP/1.1 414") || said.starts_with("HTTP/1.1 431"), "{said}");
    let _ = sent.await;
    let view = json!({"name": "much", "view": {"from": "posts", "filter": filter}});
    admin.post("/api/v1/collections", view).await.problem(413, "body_too_large");
    admin.get(RECORDS).await.ok(200);
}
