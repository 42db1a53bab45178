//! Relations: each points at a record that is there, and says what becomes of it when that one goes.

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

fn path(collection: &str, id: &str) -> String {
    format!("/api/v1/collections/{collection}/records/{id}")
}

fn relation(name: &str, to: &str, more: Value) -> Value {
    let mut field = json!({"name": name, "type": "relation", "collection": to});
    field.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    field
}

/// Authors, and posts that point at them in every way.
async fn with_posts(app: &TestApp) -> Client {
    app.collection(json!({"name": "authors"})).await;
    let fields = json!([
        relation("restrict", "authors", json!({})),
        relation("cascade", "authors", json!({"onDelete": "cascade"})),
        relation("setNull", "authors", json!({"onDelete": "setNull"})),
        relation("cascades", "authors", json!({"onDelete": "cascade", "many": true})),
        relation("setNulls", "authors", json!({"onDelete": "setNull", "many": true})),
    ]);
    app.collection(json!({"name": "posts", "fields": fields})).await;
    for id in ["ann", "bob"] {
        app.record("authors", json!({"id": id})).await;
    }
    app.admin().await
}

#[tokio::test]
async fn a_relation_points_at_a_record_that_is_there() {
    let app = TestApp::start().await;
    let admin = with_posts(&app).await;
    let posts = "/api/v1/collections/posts/records";
    let mut body = json!({"id": "p", "restrict": "nobody", "cascade": "ann", "setNulls": ["p"]});
    body["cascades"] = json!(["ann", "nothing", "bob"]);
    let faults = [("/restrict", "not_found"), ("/cascades/1", "not_found"), ("/setNulls/0", "not_found")];
    admin.post(posts, body).await.invalid(&faults);
    app.record("posts", json!({"id": "p", "restrict": "ann"})).await;
    admin.patch(&path("posts", "p"), json!({"restrict": "p"})).await.invalid(&[("/restrict", "not_found")]);
    admin.put(&path("posts", "p"), json!({"setNull": "nobody"})).await.invalid(&[("/setNull", "not_found")]);
    assert_eq!(admin.get(&path("posts", "p")).await.ok(200)["restrict"], "ann");
}

#[tokio::test]
async fn deleting_does_what_each_relation_says() {
    let app = TestApp::start().await;
    let admin = with_posts(&app).await;
    app.record("posts", json!({"id": "kept", "restrict": "ann", "setNull": "ann"})).await;
    let problem = admin.delete(&path("authors", "ann")).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("restrict"), "{problem}");
    let kept = admin.get(&path("posts", "kept")).await.ok(200);
    assert_eq!((&kept["setNull"], &kept["version"]), (&json!("ann"), &json!(1)), "a refused deletion does nothing");

    admin.patch(&path("posts", "kept"), json!({"restrict": "bob"})).await.expect(200);
    app.record("posts", json!({"id": "gone", "cascade": "ann"})).await;
    app.record("posts", json!({"id": "gone2", "cascades": ["bob", "ann"], "setNull": "ann"})).await;
    app.record("posts", json!({"id": "loses", "setNulls": ["bob", "ann"], "cascade": "bob"})).await;
    app.clock.advance_seconds(1);
    admin.delete(&path("authors", "ann")).await.expect(204);
    let kept = admin.get(&path("posts", "kept")).await.ok(200);
    assert_eq!((&kept["setNull"], &kept["restrict"], &kept["version"]), (&json!(null), &json!("bob"), &json!(3)));
    assert_eq!(kept["updatedAt"], "2026-01-31T09:30:01.000Z");
    for id in ["gone", "gone2"] {
        admin.get(&path("posts", id)).await.problem(404, "not_found");
    }
    let loses = admin.get(&path("posts", "loses")).await.ok(200);
    assert_eq!((&loses["setNulls"], &loses["cascade"]), (&json!(["bob"]), &json!("bob")));
    admin.delete(&path("posts", "kept")).await.expect(204);
    admin.delete(&path("authors", "bob")).await.expect(204);
    admin.get(&path("posts", "loses")).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_restriction_further_down_stops_the_whole_cascade() {
    let app = TestApp::start().await;
    let admin = with_posts(&app).await;
    app.collection(json!({"name": "notes", "fields": [relation("post", "posts", json!({}))]})).await;
    app.record("posts", json!({"id": "one", "cascade": "ann"})).await;
    app.record("posts", json!({"id": "two", "cascade": "ann"})).await;
    app.record("notes", json!({"id": "note", "post": "two"})).await;
    let problem = admin.delete(&path("authors", "ann")).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("notes"), "{problem}");
    for (collection, id) in [("authors", "ann"), ("posts", "one"), ("posts", "two"), ("notes", "note")] {
        admin.get(&path(collection, id)).await.expect(200);
    }
    admin.delete(&path("notes", "note")).await.expect(204);
    admin.delete(&path("authors", "ann")).await.expect(204);
    admin.get(&path("posts", "one")).await.problem(404, "not_found");
}

/// Trees, rings and records that point at themselves, for each way.
#[tokio::test]
async fn relations_to_the_own_collection_end() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for way in ["restrict", "cascade", "setNull"] {
        let name = format!("{way}s");
        let fields = json!([relation("to", &name, json!({"onDelete": way}))]);
        app.collection(json!({"name": name, "fields": fields})).await;
        app.record(&name, json!({"id": "self", "to": "self"})).await;
        app.record(&name, json!({"id": "a"})).await;
        app.record(&name, json!({"id": "b", "to": "a"})).await;
        app.record(&name, json!({"id": "c", "to": "b"})).await;
        admin.patch(&path(&name, "a"), json!({"to": "c"})).await.expect(200);
        admin.delete(&path(&name, "self")).await.expect(204);
        let deleted = admin.delete(&path(&name, "a")).await.status.as_u16();
        let list = admin.get(&format!("/api/v1/collections/{name}/records")).await.ok(200);
        let left: Vec<_> =
            list["items"].as_array().unwrap().iter().map(|item| json!([item["id"], item["to"]])).collect();
        let expected = match way {
            "restrict" => (409, json!([["a", "c"], ["b", "a"], ["c", "b"]])),
            "cascade" => (204, json!([])),
            _ => (204, json!([["b", null], ["c", "b"]])),
        };
        assert_eq!((deleted, json!(left)), expected, "{way}");
    }
}

#[tokio::test]
async fn a_deletion_that_entails_too_much_is_refused() {
    let app = TestApp::start().await;
    let admin = with_posts(&app).await;
    for chunk in 0..3 {
        let line = |n: usize| format!("{{\"id\":\"p{}\",\"cascade\":\"ann\"}}\n", chunk * 4000 + n);
        let lines: String = (0..4000).map(line).collect();
        let report = admin.send("POST", "/api/v1/collections/posts/import", lines).await.ok(200);
        assert_eq!(report["imported"], 4000);
    }
    admin.delete(&path("authors", "ann")).await.problem(409, "conflict");
    let list = admin.get("/api/v1/collections/posts/records?total=true&limit=1").await.ok(200);
    assert_eq!(list["total"], 12_000);
}

/// What a delete answers to someone who may not see the record that restricts it.
#[tokio::test]
async fn a_restriction_names_no_record_that_the_caller_may_not_see() {
    let app = TestApp::start().await;
    app.collection(json!({"name": "authors", "rules": {"delete": "true", "read": "true"}})).await;
    app.collection(json!({"name": "secrets", "fields": [relation("author", "authors", json!({}))]})).await;
    app.record("authors", json!({"id": "ann"})).await;
    app.record("secrets", json!({"id": "hidden-id", "author": "ann"})).await;
    let user = app.user("carl", &["user"]).await;
    user.delete(&path("authors", "ann")).await.lacks(&["hidden-id"]).problem(409, "conflict");
}
