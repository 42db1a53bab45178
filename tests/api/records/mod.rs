//! Records: their life from create to delete, versions, and bodies that are no records.

mod access;
mod aggregate;
mod bad_input;
mod batch;
mod batch_jobs;
mod bounds;
mod bulk;
mod cached;
mod cursor;
mod field_rules;
mod hidden;
mod history;
mod idempotency;
mod list;
mod paths;
mod plan;
mod relations;
mod rules;
mod semijoin;
mod text;
mod transfer;
mod transfer_archive;
mod transfer_archive_import;
mod transfer_formats;
mod transfer_streams;
mod triggers;
mod upsert;
mod values;
mod views;

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const POSTS: &str = "/api/v1/collections/posts/records";
const ONE: &str = "/api/v1/collections/posts/records/one";

/// An app with a collection `posts`, and its admin.
async fn with_posts() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let fields = json!([
        {"name": "title", "type": "string", "required": true, "max": 10},
        {"name": "views", "type": "integer", "default": 5},
        {"name": "slug", "type": "string", "unique": true},
        {"name": "kind", "type": "enum", "values": ["news", "sport"], "required": true, "default": "news"},
        {"name": "meta", "type": "json"},
    ]);
    app.collection(json!({"name": "posts", "fields": fields})).await;
    (app, admin)
}

#[tokio::test]
async fn a_record_lives_from_create_to_delete() {
    let (app, admin) = with_posts().await;
    let made = admin.post(POSTS, json!({"title": "Hello", "slug": "hello"})).await.expect(201);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{POSTS}/{id}");
    assert_eq!(made.header("location"), path);
    assert_eq!(made.header("etag"), "\"1\"");
    assert_eq!(made.header("content-type"), "application/json");
    let expected = format!(
        r#"{{"id":"{id}","createdAt":"2026-01-31T09:30:00.000Z","updatedAt":"2026-01-31T09:30:00.000Z","version":1,"title":"Hello","views":5,"slug":"hello","kind":"news","meta":null}}"#
    );
    assert_eq!(made.text(), expected);
    let uuid = id.parse::<uuid::Uuid>().unwrap();
    assert_eq!(uuid.get_version_num(), 7, "ids sort by time");

    let read = admin.get(&path).await.expect(200);
    assert_eq!((read.text(), read.header("etag")), (expected.as_str(), "\"1\""));

    app.clock.advance_ms(1500);
    let changed = admin.patch(&path, json!({"views": 6})).await.expect(200);
    assert_eq!(changed.header("etag"), "\"2\"");
    let expected = expected
        .replace(
            r#""updatedAt":"2026-01-31T09:30:00.000Z","version":1"#,
            r#""updatedAt":"2026-01-31T09:30:01.500Z","version":2"#,
        )
        .replace(r#""views":5"#, r#""views":6"#);
    assert_eq!(changed.text(), expected);
    assert_eq!(admin.get(&path).await.text(), expected);

    let gone = admin.delete(&path).await.expect(204);
    assert!(gone.body.is_empty());
    for method in ["GET", "PATCH", "PUT", "DELETE"] {
        let body = if matches!(method, "PATCH" | "PUT") { r#"{"title": "x"}"# } else { "" };
        admin.send(method, &path, body).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn ids_of_clients_are_taken_when_they_fit_and_are_free() {
    let (_app, admin) = with_posts().await;
    let longest = "x".repeat(64);
    for id in ["1", "A-Z_a.z~09", "-", "...", longest.as_str()] {
        let made = admin.post(POSTS, json!({"id": id, "title": "t"})).await.expect(201);
        assert_eq!(made.json()["id"], id);
        assert_eq!(made.header("location"), format!("{POSTS}/{id}"));
        assert_eq!(admin.get(&format!("{POSTS}/{id}")).await.ok(200)["id"], id);
        let again = admin.post(POSTS, json!({"id": id, "title": "other"})).await;
        again.problem(409, "conflict");
        assert_eq!(admin.get(&format!("{POSTS}/{id}")).await.ok(200)["title"], "t");
    }
    assert_eq!(admin.get(&format!("{POSTS}/A-Z_a.z%7E09")).await.ok(200)["id"], "A-Z_a.z~09");
    let too_long = "x".repeat(65);
    for id in [
        json!(""),
        json!("a b"),
        json!("a/b"),
        json!("é"),
        json!("."),
        json!(".."),
        json!(too_long),
        json!(7),
        json!(null),
    ] {
        admin.post(POSTS, json!({"id": id, "title": "t"})).await.invalid(&[("/id", "format")]);
    }
    for path in ["%00", "a%20b", "%2e%2e%2f", "x%FFx"] {
        let status = admin.get(&format!("{POSTS}/{path}")).await.status.as_u16();
        assert!(matches!(status, 400 | 404), "{path}: {status}");
    }
}

#[tokio::test]
async fn ids_that_the_server_makes_ascend() {
    let (app, admin) = with_posts().await;
    let mut ids = Vec::new();
    for round in 0..20 {
        ids.push(admin.post(POSTS, json!({"title": "t"})).await.ok(201)["id"].as_str().unwrap().to_owned());
        app.clock.advance_ms(round % 2);
    }
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
}

#[tokio::test]
async fn defaults_fill_what_is_absent_and_null_is_a_value() {
    let (_app, admin) = with_posts().await;
    let post = async |body: Value| admin.post(POSTS, body).await;
    let made = post(json!({"title": "t", "views": null, "meta": {"a": null}})).await.ok(201);
    assert_eq!((&made["views"], &made["kind"], &made["meta"]), (&json!(null), &json!("news"), &json!({"a": null})));
    post(json!({})).await.invalid(&[("/title", "required")]);
    post(json!({"title": null})).await.invalid(&[("/title", "required")]);
    post(json!({"title": "t", "kind": null})).await.invalid(&[("/kind", "required")]);
    post(json!({"title": ""})).await.expect(201);
}

#[tokio::test]
async fn every_fault_of_a_body_comes_at_once() {
    let (_app, admin) = with_posts().await;
    let body =
        json!({"title": "much too long", "views": "many", "kind": "gossip", "colour": "red", "a/b~c": 1, "id": "a b"});
    admin.post(POSTS, body.clone()).await.invalid(&[
        ("/title", "too_long"),
        ("/views", "type"),
        ("/kind", "enum"),
        ("/colour", "unknown_field"),
        ("/a~1b~0c", "unknown_field"),
        ("/id", "format"),
    ]);
    admin.post(POSTS, json!({"id": "one", "title": "t", "slug": "s"})).await.expect(201);
    for (method, missing) in [("PUT", vec![("/title", "required")]), ("PATCH", vec![])] {
        let mut faults = vec![("/views", "type"), ("/slug", "type"), ("/id", "read_only")];
        faults.extend(missing);
        let body = json!({"views": [], "slug": 7, "id": "two"}).to_string();
        admin.send(method, ONE, body).await.invalid(&faults);
    }
    assert_eq!(admin.get(ONE).await.ok(200)["version"], 1);
}

#[tokio::test]
async fn system_fields_in_a_body_mean_nothing() {
    let (app, admin) = with_posts().await;
    let mut record =
        admin.post(POSTS, json!({"id": "one", "title": "t", "version": 9, "createdAt": "x"})).await.ok(201);
    assert_eq!(record["version"], 1);
    app.clock.advance_seconds(1);
    record["title"] = "u".into();
    for method in ["PUT", "PATCH"] {
        let sent_back = admin.send(method, ONE, record.to_string()).await.ok(200);
        assert_eq!(sent_back["title"], "u");
        assert_eq!(sent_back["createdAt"], "2026-01-31T09:30:00.000Z");
        assert_eq!(sent_back["updatedAt"], "2026-01-31T09:30:01.000Z");
    }
    assert_eq!(admin.get(ONE).await.ok(200)["version"], 3);
}

/// PUT says the whole record; PATCH says what changes, also inside of JSON (RFC 7396).
#[tokio::test]
async fn put_replaces_and_patch_merges() {
    let (_app, admin) = with_posts().await;
    let reset = async || {
        let whole =
            json!({"title": "t", "views": 7, "slug": "s", "kind": "sport", "meta": {"a": {"b": 1, "c": [1]}, "d": 2}});
        admin.put(ONE, whole).await.ok(200)
    };
    admin.post(POSTS, json!({"id": "one", "title": "x"})).await.expect(201);
    let before = reset().await;
    let replaced = admin.put(ONE, json!({"title": "u"})).await.ok(200);
    let fields =
        |record: &Value| json!([record["title"], record["views"], record["slug"], record["kind"], record["meta"]]);
    assert_eq!(fields(&replaced), json!(["u", 5, null, "news", null]), "absent fields take their defaults");
    assert_eq!(replaced["createdAt"], before["createdAt"]);

    reset().await;
    let patched = admin.patch(ONE, json!({"slug": null})).await.ok(200);
    assert_eq!(fields(&patched), json!(["t", 7, null, "sport", before["meta"]]), "absent fields stay");

    let rows = [
        (json!({"e": 3}), json!({"a": {"b": 1, "c": [1]}, "d": 2, "e": 3})),
        (json!({"a": {"b": null, "c": [2, null]}}), json!({"a": {"c": [2, null]}, "d": 2})),
        (json!({"a": null, "x": {"y": null, "z": {}}}), json!({"d": 2, "x": {"z": {}}})),
        (json!({"a": 1}), json!({"a": 1, "d": 2})),
        (json!({}), json!({"a": {"b": 1, "c": [1]}, "d": 2})),
        (json!([1]), json!([1])),
        (json!("text"), json!("text")),
        (json!(null), json!(null)),
    ];
    for (patch, expected) in rows {
        reset().await;
        assert_eq!(admin.patch(ONE, json!({"meta": patch})).await.ok(200)["meta"], expected, "{patch}");
    }
    admin.put(ONE, json!({"title": "t", "meta": [1]})).await.ok(200);
    let patched = admin.patch(ONE, json!({"meta": {"a": null, "b": {"c": null}}})).await.ok(200);
    assert_eq!(patched["meta"], json!({"b": {}}), "what is no object gives way to one");

    reset().await;
    let replaced = admin.put(ONE, json!({"title": "t", "meta": {"e": null}})).await.ok(200);
    assert_eq!(replaced["meta"], json!({"e": null}), "PUT does not merge");
}

#[tokio::test]
async fn if_match_guards_against_lost_updates() {
    let (_app, admin) = with_posts().await;
    admin.post(POSTS, json!({"id": "one", "title": "t"})).await.expect(201);
    let body = r#"{"title": "u"}"#;
    for tag in ["\"2\"", "\"0\"", "\"99\""] {
        for (method, body) in [("PATCH", body), ("PUT", body), ("DELETE", "")] {
            admin.with("if-match", tag).send(method, ONE, body).await.problem(412, "precondition_failed");
        }
    }
    for tag in ["x", "\"one\"", ""] {
        admin.with("if-match", tag).send("PATCH", ONE, body).await.problem(400, "bad_request");
    }
    assert_eq!(admin.get(ONE).await.ok(200)["title"], "t", "nothing of it happened");
    admin.with("if-match", "\"1\"").send("PATCH", ONE, body).await.expect(200);
    admin.with("if-match", "\"1\"").send("PATCH", ONE, body).await.problem(412, "precondition_failed");
    admin.with("if-match", "\"2\"").send("PUT", ONE, body).await.expect(200);
    admin.with("if-match", "*").send("PATCH", ONE, body).await.expect(200);
    admin.with("if-match", "\"4\"").send("DELETE", ONE, "").await.expect(204);
    admin.with("if-match", "*").send("DELETE", ONE, "").await.problem(404, "not_found");
}

#[tokio::test]
async fn of_two_changes_that_name_one_version_one_is_made() {
    let (_app, admin) = with_posts().await;
    admin.post(POSTS, json!({"id": "one", "title": "t"})).await.expect(201);
    let guarded = admin.with("if-match", "\"1\"");
    let changes = (0..8).map(|n| guarded.patch(ONE, json!({"views": n})));
    let mut statuses: Vec<_> =
        futures_util::future::join_all(changes).await.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
    assert_eq!(admin.get(ONE).await.ok(200)["version"], 2);
}

#[tokio::test]
async fn if_none_match_spares_the_body() {
    let (_app, admin) = with_posts().await;
    admin.post(POSTS, json!({"id": "one", "title": "t"})).await.expect(201);
    for tag in ["\"1\"", "W/\"1\"", "\"7\", \"1\""] {
        let answer = admin.with("if-none-match", tag).get(ONE).await.expect(304);
        assert_eq!((answer.body.as_slice(), answer.header("etag")), (&b""[..], "\"1\""), "{tag}");
    }
    for tag in ["\"2\"", "1", "\"11\""] {
        assert_eq!(admin.with("if-none-match", tag).get(ONE).await.ok(200)["title"], "t", "{tag}");
    }
    admin.patch(ONE, json!({"title": "u"})).await.expect(200);
    assert_eq!(admin.with("if-none-match", "\"1\"").get(ONE).await.ok(200)["title"], "u");
}

#[tokio::test]
async fn unique_values_are_unique() {
    let (_app, admin) = with_posts().await;
    admin.post(POSTS, json!({"id": "one", "title": "t", "slug": "a"})).await.expect(201);
    admin.post(POSTS, json!({"title": "t", "slug": "a"})).await.invalid(&[("/slug", "unique")]);
    for _ in 0..2 {
        admin.post(POSTS, json!({"title": "t", "slug": null})).await.expect(201);
    }
    admin.post(POSTS, json!({"id": "two", "title": "t", "slug": "A"})).await.expect(201);
    let two = format!("{POSTS}/two");
    admin.patch(&two, json!({"slug": "a"})).await.invalid(&[("/slug", "unique")]);
    admin.put(&two, json!({"title": "t", "slug": "a"})).await.invalid(&[("/slug", "unique")]);
    admin.patch(ONE, json!({"slug": "a", "title": "own"})).await.expect(200);
    admin.delete(ONE).await.expect(204);
    admin.patch(&two, json!({"slug": "a"})).await.expect(200);
    admin.post(POSTS, json!({"title": "t", "slug": "A"})).await.expect(201);

    let racers = (0..8).map(|_| admin.post(POSTS, json!({"title": "t", "slug": "race"})));
    let answers = futures_util::future::join_all(racers).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 422).count(), 7);
}

#[tokio::test]
async fn bodies_that_are_no_records_are_refused() {
    let (app, admin) = with_posts().await;
    app.record("posts", json!({"id": "one", "title": "t"})).await;
    let rows = [
        "",
        "{",
        "null",
        "[]",
        "7",
        r#""text""#,
        "{}{}",
        r#"{"title": "a", "title": "b"}"#,
        r#"{"title": "a", "titl\u0065": "b"}"#,
        r#"{title: "a"}"#,
        r#"{"title": "a",}"#,
        "{\"title\": \"a\u{1}\"}",
        r#"{"title": 01}"#,
        r#"{"title": NaN}"#,
        "\u{feff}{}",
    ];
    for body in rows {
        for (method, path) in [("POST", POSTS), ("PUT", ONE), ("PATCH", ONE)] {
            let answer = admin.send(method, path, body).await;
            assert_eq!(answer.status.as_u16(), 400, "{method} {body}: {answer}");
            answer.lacks(&["panick", "src/"]).problem(400, "invalid_json");
        }
    }
    let latin = admin.send("POST", POSTS, &b"{\"title\": \"caf\xe9\"}"[..]).await;
    latin.problem(400, "invalid_json");
    assert_eq!(admin.get(ONE).await.ok(200)["version"], 1);
}

#[tokio::test]
async fn bodies_are_json_and_of_a_size() {
    let app = TestApp::new().with_config(|config| config.http.body_bytes_max = 2048).start().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "posts", "fields": [{"name": "title", "type": "text"}]})).await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "json",
    ] {
        let answer = admin.with("content-type", kind).send("POST", POSTS, "{}").await;
        answer.problem(415, "unsupported_media_type");
    }
    for kind in
        ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json"]
    {
        admin.with("content-type", kind).send("POST", POSTS, "{}").await.expect(201);
    }
    let fitting = |bytes: usize| format!(r#"{{"title":"{}"}}"#, "x".repeat(bytes - 12));
    assert_eq!(fitting(2048).len(), 2048);
    admin.send("POST", POSTS, fitting(2048)).await.expect(201);
    admin.send("POST", POSTS, fitting(2049)).await.problem(413, "body_too_large");
    let list = admin.get(&format!("{POSTS}?total=true")).await.ok(200);
    assert_eq!(list["total"], 5);
}
