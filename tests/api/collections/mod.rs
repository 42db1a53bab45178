//! Collections: their life from create to delete, and who may do what with them.

mod change;
mod index;
mod refusals;
mod relations;
mod rename;
mod schema;
mod triggers;
mod types;
mod views;

use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::{Client, Faults, TestApp};

const ALL: &str = "/api/v1/collections";
const POSTS: &str = "/api/v1/collections/posts";

/// The names of the collections that a client sees, in the order in which it sees them.
async fn names(client: &Client) -> Vec<String> {
    let list = client.get(ALL).await.ok(200);
    list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

fn posts() -> Value {
    json!({
        "name": "posts",
        "description": "What the team writes.",
        "fields": [
            {"name": "title", "type": "string", "required": true, "max": 80, "indexed": true},
            {"name": "views", "type": "integer", "default": 0, "min": 0},
        ],
        "indexes": [{"fields": ["views", "-createdAt"]}],
        "rules": {"list": "views > 10", "read": "views > 10"},
    })
}

#[tokio::test]
async fn a_collection_shows_all_of_its_definition() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let made = admin.post(ALL, posts()).await.ok(201);
    assert_json_snapshot!(made, @r#"
    {
      "number": 2,
      "name": "posts",
      "description": "What the team writes.",
      "system": false,
      "fields": [
        {
          "name": "title",
          "type": "string",
          "required": true,
          "indexed": true,
          "max": 80
        },
        {
          "name": "views",
          "type": "integer",
          "required": false,
          "default": 0,
          "min": 0
        }
      ],
      "indexes": [
        {
          "number": 3,
          "fields": [
            "views",
            "-createdAt"
          ],
          "unique": false,
          "state": {
            "name": "ready"
          }
        },
        {
          "number": 4,
          "fields": [
            "title"
          ],
          "unique": false,
          "state": {
            "name": "ready"
          },
          "implicit": true
        }
      ],
      "rules": {
        "list": "views > 10",
        "read": "views > 10"
      },
      "createdAt": "2026-01-31T09:30:00Z",
      "updatedAt": "2026-01-31T09:30:00Z"
    }
    "#);
    assert_eq!(admin.get(POSTS).await.ok(200), made, "what was made is what is read");
}

#[tokio::test]
async fn a_collection_lives_from_create_to_delete() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let made = admin.post(ALL, posts()).await.ok(201);
    admin.post(ALL, json!({"name": "Albums"})).await.ok(201);
    assert_eq!(names(&admin).await, ["Albums", "posts", "users"]);

    app.clock.advance_seconds(5);
    let changed = admin.patch(POSTS, json!({"description": "News."})).await.ok(200);
    let mut expected = made.clone();
    expected["description"] = "News.".into();
    expected["updatedAt"] = "2026-01-31T09:30:05Z".into();
    assert_eq!(changed, expected, "parts that are not given stay");
    assert_eq!(admin.get(POSTS).await.ok(200), expected);

    let answer = admin.delete(POSTS).await.expect(204);
    assert!(answer.body.is_empty());
    admin.get(POSTS).await.problem(404, "not_found");
    admin.delete(POSTS).await.problem(404, "not_found");
    admin.patch(POSTS, json!({})).await.problem(404, "not_found");
    assert_eq!(names(&admin).await, ["Albums", "users"]);
}

#[tokio::test]
async fn a_deleted_collections_name_is_free_and_its_records_are_gone() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.collection(posts()).await;
    app.record("posts", json!({"id": "one", "title": "old"})).await;
    admin.delete(POSTS).await.expect(204);
    let read = admin.get(&format!("{POSTS}/records/one")).await;
    read.lacks(&["old"]).problem(404, "not_found");
    app.collection(posts()).await;
    let list = admin.get(&format!("{POSTS}/records?total=true")).await.ok(200);
    assert_eq!(list, json!({"items": [], "nextCursor": null, "total": 0}));
    app.record("posts", json!({"id": "one", "title": "new"})).await;
}

#[tokio::test]
async fn definitions_and_records_outlive_a_restart() {
    let app = TestApp::start().await;
    app.collection(posts()).await;
    let record = app.record("posts", json!({"title": "kept"})).await;
    let def = app.settled("posts").await;
    let app = app.restart().await;
    assert_eq!(app.operator().get(POSTS).await.ok(200), def);
    let list = app.operator().get(&format!("{POSTS}/records")).await.ok(200);
    assert_eq!(list["items"], json!([record]));
}

/// Everyone × everything one can do with collections: only admins change them, managers look, others learn nothing.
#[tokio::test]
async fn only_admins_change_collections() {
    let app = TestApp::start().await;
    app.collection(posts()).await;
    let (posts, one) = (json!({"name": "others"}), json!({"description": "changed"}));
    let calls = [
        ("GET", ALL, ""),
        ("GET", POSTS, ""),
        ("GET", "/api/v1/collections/nothing", ""),
        ("POST", ALL, &posts.to_string()),
        ("POST", ALL, r#"{"name": "not a name"}"#),
        ("PATCH", POSTS, &one.to_string()),
        ("PATCH", "/api/v1/collections/nothing", &one.to_string()),
        ("DELETE", "/api/v1/collections/others", ""),
        ("DELETE", "/api/v1/collections/nothing", ""),
    ];
    let rows: [(&str, &[&str], [u16; 9]); 6] = [
        ("guest", &[], [401; 9]),
        ("none", &[], [403; 9]),
        ("user", &["user"], [403; 9]),
        ("viewer", &["viewer"], [403; 9]),
        ("manager", &["manager"], [200, 200, 404, 403, 403, 403, 403, 403, 403]),
        ("admin", &["admin"], [200, 200, 404, 201, 422, 200, 404, 204, 404]),
    ];
    for (who, roles, expected) in rows {
        let client = if who == "guest" { app.guest() } else { app.user(who, roles).await };
        for ((method, path, body), status) in calls.iter().zip(expected) {
            let answer = client.send(method, path, (*body).to_owned()).await;
            assert_eq!(answer.status.as_u16(), status, "{who} {method} {path}: {answer}");
            match status {
                401 => drop(answer.lacks(&["views > 10", "What the team"]).problem(401, "unauthenticated")),
                403 => drop(answer.lacks(&["views > 10", "What the team"]).problem(403, "forbidden")),
                _ => {}
            }
        }
        let description = app.operator().get(POSTS).await.ok(200)["description"].clone();
        assert_eq!(description, if who == "admin" { "changed" } else { "What the team writes." }, "after {who}");
    }
    assert_eq!(names(&app.operator()).await, ["posts", "users"]);
}

#[tokio::test]
async fn the_system_collection_is_protected() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let users = "/api/v1/collections/users";
    let def = admin.get(users).await.ok(200);
    assert_eq!(def["system"], true);
    admin.delete(users).await.problem(409, "conflict");
    admin.patch(users, json!({"name": "people"})).await.invalid(&[("/name", "reserved")]);
    let without_email: Vec<_> = def["fields"].as_array().unwrap().iter().skip(1).cloned().collect();
    admin.patch(users, json!({"fields": without_email})).await.invalid(&[("/fields", "reserved")]);
    let mut looser = def["fields"].clone();
    looser[0]["unique"] = false.into();
    looser[2]["values"] = json!(["admin", "root"]);
    admin.patch(users, json!({"fields": looser})).await.invalid(&[("/fields", "reserved"), ("/fields", "reserved")]);
    admin.post(ALL, json!({"name": "users"})).await.invalid(&[("/name", "unique")]);
    assert_eq!(admin.get(users).await.ok(200), def, "nothing of it happened");

    let mut extended = def["fields"].clone();
    extended.as_array_mut().unwrap().push(json!({"name": "city", "type": "string"}));
    admin.patch(users, json!({"fields": extended})).await.ok(200);
    app.settled("users").await;
    let path = format!("{users}/records/{}", admin.id);
    assert_eq!(admin.patch(&path, json!({"city": "Bern"})).await.ok(200)["city"], "Bern");
}

#[tokio::test]
async fn bodies_that_are_no_collections_are_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let rows: [(&str, u16, &str, Faults<'_>); 9] = [
        ("{", 400, "invalid_json", &[]),
        ("", 400, "invalid_json", &[]),
        (r#"{"name": "a"} {}"#, 400, "invalid_json", &[]),
        (r#"{"name": "a", "name": "b"}"#, 400, "invalid_json", &[]),
        ("[]", 422, "validation_failed", &[("", "type")]),
        (r#"{"name": 7}"#, 422, "validation_failed", &[("/name", "type")]),
        (r#"{"name": "a", "colour": "red"}"#, 422, "validation_failed", &[("/colour", "type")]),
        (r#"{"name": "a", "fields": [{"name": "f"}]}"#, 422, "validation_failed", &[("/fields/0/type", "required")]),
        (
            r#"{"name": "a", "fields": [{"name": "f", "type": "string", "requird": true}]}"#,
            422,
            "validation_failed",
            &[("/fields/0/requird", "type")],
        ),
    ];
    for (body, status, code, faults) in rows {
        admin.send("POST", ALL, body).await.faults(status, code, faults);
    }
    let text = admin.with("content-type", "text/plain").send("POST", ALL, r#"{"name": "a"}"#).await;
    text.problem(415, "unsupported_media_type");
    assert_eq!(names(&admin).await, ["users"], "nothing was made");
}
