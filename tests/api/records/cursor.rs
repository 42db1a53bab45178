//! Paging by cursor: each record exactly once and in order, whatever the order; and cursors that are refused.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, query};

const RECORDS: &str = "/api/v1/collections/c/records";
const COUNT: usize = 57;

/// Records with many ties: `a` is one of three or null, `b` one of five, `t` a text with odd characters.
async fn with_records() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let fields = json!([
        {"name": "a", "type": "integer"},
        {"name": "b", "type": "number", "indexed": true},
        {"name": "t", "type": "string"},
    ]);
    app.collection(json!({"name": "c", "fields": fields, "indexes": [{"fields": ["a", "-b"]}]})).await;
    for n in 0..COUNT {
        let a = if n % 4 == 3 { Value::Null } else { json!(n % 4) };
        // Ids of different lengths, some of which begin others.
        let id = format!("{}{}", "x".repeat(n % 3 + 1), n / 3);
        let (b, t) = [(0.0, "é"), (0.5, "e"), (1.0, "\u{0}"), (1.5, ""), (2.0, "😀")][n % 5];
        app.record("c", json!({"id": id, "a": a, "b": b, "t": t})).await;
    }
    let admin = app.admin().await;
    (app, admin)
}

/// Walks through all pages of a list.
async fn walk(client: &Client, parameters: &[(&str, &str)], limit: usize) -> Vec<Value> {
    let limit_text = limit.to_string();
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut all = parameters.to_vec();
        all.push(("limit", &limit_text));
        if !cursor.is_empty() {
            all.push(("cursor", &cursor));
        }
        let page = client.get(&query(RECORDS, &all)).await.ok(200);
        let found = page["items"].as_array().unwrap();
        items.extend(found.iter().cloned());
        match page["nextCursor"].as_str() {
            None => return items,
            Some(next) => {
                assert_eq!(found.len(), limit, "only the last page is short");
                cursor = next.to_owned();
            }
        }
        assert!(items.len() <= COUNT, "a walk ends");
    }
}

#[tokio::test]
async fn a_walk_visits_each_record_once_and_in_order() {
    let (_app, admin) = with_records().await;
    let sorts = [
        "id",
        "-id",
        "a",
        "-a",
        "b",
        "-b",
        "t",
        "-t",
        "a,b",
        "a,-b",
        "-a,b",
        "b,a,t",
        "-createdAt",
        "version,-t",
        "b,-id",
        "t,id",
    ];
    let filters = ["", "a = 1", "a != null && b >= 0.5", "b = 1.5", "a in [0, 2]", "t = '' || a = null"];
    for filter in filters {
        for sort in sorts {
            let parameters = [("sort", sort), ("filter", filter)];
            let whole = walk(&admin, &parameters, 1000).await;
            let mut ids: Vec<_> = whole.iter().map(|item| item["id"].to_string()).collect();
            let walked = walk(&admin, &parameters, if filter.is_empty() { 7 } else { 3 }).await;
            assert_ordered(&whole, sort);
            assert_ordered(&walked, sort);
            let mut walked: Vec<_> = walked.iter().map(|item| item["id"].to_string()).collect();
            walked.sort();
            ids.sort();
            assert_eq!(walked, ids, "sort {sort}, filter {filter}");
            ids.dedup();
            assert_eq!(ids.len(), whole.len(), "sort {sort}, filter {filter}");
            assert!(whole.len() > 5, "{filter} finds something");
            if filter.is_empty() {
                assert_eq!(whole.len(), COUNT, "{sort}");
            }
        }
    }
    assert_eq!(walk(&admin, &[], 5).await.len(), COUNT, "without an order too");
}

/// Each record stands behind the one before, by the sort keys alone.
#[track_caller]
fn assert_ordered(items: &[Value], sort: &str) {
    for pair in items.windows(2) {
        for term in sort.split(',') {
            let name = term.trim_start_matches('-');
            let order = compare(&pair[0][name], &pair[1][name]);
            let order = if term.starts_with('-') { order.reverse() } else { order };
            assert!(order.is_le(), "{} before {} by {sort}", pair[0], pair[1]);
            if order.is_lt() {
                break;
            }
        }
    }
}

fn compare(left: &Value, right: &Value) -> std::cmp::Ordering {
    match (left, right) {
        (Value::Null, Value::Null) => std::cmp::Ordering::Equal,
        (Value::Null, _) => std::cmp::Ordering::Less,
        (_, Value::Null) => std::cmp::Ordering::Greater,
        (Value::Number(left), Value::Number(right)) => left.as_f64().unwrap().total_cmp(&right.as_f64().unwrap()),
        (left, right) => left.as_str().unwrap().cmp(right.as_str().unwrap()),
    }
}

/// A cursor is a place in an order, not a number of records: what comes and goes before it moves nothing.
#[tokio::test]
async fn a_walk_is_steady_while_records_come_and_go() {
    let (app, admin) = with_records().await;
    for sort in ["id", "-b", "a,-b", "t"] {
        let before = walk(&admin, &[("sort", sort)], 1000).await;
        let page = admin.get(&query(RECORDS, &[("sort", sort), ("limit", "10")])).await.ok(200);
        assert_eq!(page["items"].as_array().unwrap().as_slice(), &before[..10]);
        let last = before[9]["id"].as_str().unwrap();
        let removed = app.operator().get(&format!("{RECORDS}/{last}")).await.ok(200);
        admin.delete(&format!("{RECORDS}/{last}")).await.expect(204);
        let cursor = page["nextCursor"].as_str().unwrap();
        let next = admin.get(&query(RECORDS, &[("sort", sort), ("limit", "1000"), ("cursor", cursor)])).await.ok(200);
        assert_eq!(next["items"].as_array().unwrap().as_slice(), &before[10..], "{sort}");
        app.record("c", removed).await;
    }
}

#[tokio::test]
async fn cursors_of_other_queries_and_changed_cursors_are_refused() {
    let (app, admin) = with_records().await;
    let fields = json!([{"name": "a", "type": "integer"}]);
    app.collection(json!({"name": "d", "fields": fields})).await;
    let mine = [("sort", "a"), ("filter", "b > 0"), ("limit", "3")];
    let cursor = admin.get(&query(RECORDS, &mine)).await.ok(200)["nextCursor"].as_str().unwrap().to_owned();
    let with = |sort: &'static str, filter: &'static str, cursor: &str| {
        query(RECORDS, &[("sort", sort), ("filter", filter), ("cursor", cursor)])
    };
    admin.get(&with("a", "b > 0", &cursor)).await.expect(200);
    admin
        .get(&query(
            RECORDS,
            &[
                ("sort", "a"),
                ("filter", "b > 0"),
                ("cursor", &cursor),
                ("limit", "9"),
                ("fields", "id"),
                ("total", "true"),
            ],
        ))
        .await
        .expect(200);

    let mut refused = vec![
        with("-a", "b > 0", &cursor),
        with("a,b", "b > 0", &cursor),
        with("a", "b > 1", &cursor),
        with("a", "", &cursor),
        query(RECORDS, &[("cursor", &cursor)]),
        query("/api/v1/collections/d/records", &[("sort", "a"), ("cursor", &cursor)]),
        with("a", "b > 0", ""),
        with("a", "b > 0", "AAAA"),
        with("a", "b > 0", "not base64!"),
        with("a", "b > 0", &format!("{cursor}A")),
        with("a", "b > 0", &cursor[..cursor.len() - 2]),
        with("a", "b > 0", &"A".repeat(20_000)),
    ];
    for position in 0..cursor.len() - 1 {
        let mut tampered = cursor.clone().into_bytes();
        tampered[position] = if tampered[position] == b'A' { b'B' } else { b'A' };
        refused.push(with("a", "b > 0", &String::from_utf8(tampered).unwrap()));
    }
    for path in refused {
        let answer = admin.get(&path).await;
        assert_eq!(answer.status.as_u16(), 400, "{path}");
        answer.problem(400, "invalid_cursor");
    }
}

#[tokio::test]
async fn a_cursor_opens_nothing_that_the_rule_closes() {
    let app = TestApp::start().await;
    let (first, middle) = (app.user("first", &["user"]).await, app.user("middle", &["user"]).await);
    let last = app.user("last", &["user"]).await;
    let admin = app.admin().await;
    let users = "/api/v1/collections/users/records";
    for (sort, reader) in [("id", &last), ("-id", &first)] {
        // The cursor after each page of an admin fits the same query of anyone.
        let mut cursor = String::new();
        for _ in 0..3 {
            let mut parameters = vec![("sort", sort), ("limit", "1")];
            let given = cursor.clone();
            if !given.is_empty() {
                parameters.push(("cursor", &given));
            }
            let page = admin.get(&query(users, &parameters)).await.ok(200);
            cursor = page["nextCursor"].as_str().unwrap().to_owned();
            let seen = reader.get(&query(users, &[("sort", sort), ("limit", "10"), ("cursor", &cursor)])).await.ok(200);
            for user in seen["items"].as_array().unwrap() {
                assert_eq!(user["id"], reader.id.as_str(), "{sort}: only oneself, never {} or {}", middle.id, first.id);
            }
        }
    }
}
