//! One's own account as a whole: its data to take along, and its end.

use serde_json::{Value, json};

use crate::support::TestApp;

const EXPORT: &str = "/api/v1/auth/me/export";
const DELETE: &str = "/api/v1/auth/me/delete";
const PASSWORD: &str = "correct horse battery";

fn proof() -> Value {
    json!({"currentPassword": PASSWORD})
}

/// Posts with one author and many readers, and notes that only who may everything sees.
async fn with_posts(app: &TestApp, on_delete: &str) {
    let to_users = |name: &str| json!({"name": name, "type": "relation", "collection": "users", "onDelete": on_delete});
    let mut readers = to_users("readers");
    readers["many"] = true.into();
    readers["onDelete"] = "setNull".into();
    let own = "author = @auth.id || any(readers) = @auth.id";
    let title = json!({"name": "title", "type": "string"});
    app.collection(json!({
        "name": "posts", "fields": [title, to_users("author"), readers],
        "rules": {"list": own, "read": own},
    }))
    .await;
    app.collection(json!({"name": "notes", "fields": [title, to_users("about")]})).await;
}

#[tokio::test]
async fn users_take_along_what_is_theirs_and_what_they_may_see() {
    let app = TestApp::start().await;
    with_posts(&app, "cascade").await;
    let (ann, bob) = (app.user("ann", &["user"]).await, app.user("bob", &["user"]).await);
    for number in 0..1_005 {
        app.record("posts", json!({"title": format!("own {number}"), "author": ann.id})).await;
    }
    app.record("posts", json!({"title": "read by ann", "author": bob.id, "readers": [bob.id, ann.id]})).await;
    app.record("posts", json!({"title": "not hers", "author": bob.id})).await;
    app.record("notes", json!({"title": "hidden", "about": ann.id})).await;
    let answer = ann.get(EXPORT).await.expect(200);
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"my-data.json\"");
    let answer = answer.lacks(&["not hers", "hidden", "bob@example.com", "argon2", &ann.token]);
    let data = answer.json();
    assert_eq!((&data["account"]["id"], &data["account"]["email"]), (&json!(ann.id), &json!("ann@example.com")));
    assert_eq!(data["credentials"]["sessions"].as_array().unwrap().len(), 1);
    assert!(data["credentials"]["passwordSetAt"].is_string() && data["events"][0]["kind"].is_string());
    let records = data["records"].as_object().unwrap();
    assert_eq!(records.keys().collect::<Vec<_>>(), ["users", "posts"], "notes are not hers to list");
    assert_eq!(records["users"][0]["id"], json!(ann.id));
    assert_eq!((records["users"].as_array().unwrap().len(), records["posts"].as_array().unwrap().len()), (1, 1_006));
    app.guest().get(EXPORT).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn users_delete_their_account_and_what_leads_to_it_follows_its_relation() {
    let app = TestApp::start().await;
    with_posts(&app, "cascade").await;
    app.operator().post("/api/v1/roles", json!({"name": "maker", "permissions": ["keys:create"]})).await.expect(201);
    let (ann, bob) = (app.user("ann", &["maker"]).await, app.user("bob", &["user"]).await);
    app.record("posts", json!({"title": "hers", "author": ann.id})).await;
    let read =
        app.record("posts", json!({"title": "read by her", "author": bob.id, "readers": [ann.id, bob.id]})).await;
    ann.post(DELETE, json!({})).await.invalid(&[("/currentPassword", "required")]);
    ann.post(DELETE, json!({"currentPassword": "another one"})).await.problem(401, "invalid_credentials");
    let key = ann.post("/api/v1/keys", json!({"name": "x", "permissions": ["keys:create"]})).await.ok(201);
    let by_key = app.guest().signed_in(&ann.id, key["secret"].as_str().unwrap());
    by_key.post(DELETE, proof()).await.problem(403, "forbidden");
    ann.post(DELETE, proof()).await.expect(204);
    for gone in [&ann, &by_key] {
        gone.get("/api/v1/auth/me").await.problem(401, "unauthenticated");
    }
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    app.guest().post("/api/v1/auth/login", body).await.problem(401, "invalid_credentials");
    let posts = app.operator().get("/api/v1/collections/posts/records").await.ok(200);
    assert_eq!((posts["items"].as_array().unwrap().len(), &posts["items"][0]["id"]), (1, &read["id"]));
    assert_eq!(posts["items"][0]["readers"], json!([bob.id]));
    let mails = app.operator().get("/api/v1/mail?to=ann@example.com").await.ok(200);
    assert_eq!(mails["items"][0]["kind"], "user.deleted");
    let events = app.operator().get(&format!("/api/v1/audit?kind=user.deleted&actor={}", ann.id)).await.ok(200);
    assert_eq!(events["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_account_stays_that_is_needed_or_that_the_configuration_keeps() {
    let app = TestApp::start().await;
    with_posts(&app, "restrict").await;
    let (admin, ann) = (app.admin().await, app.user("ann", &["user"]).await);
    admin.post(DELETE, proof()).await.problem(409, "conflict");
    app.record("posts", json!({"title": "hers", "author": ann.id})).await;
    ann.post(DELETE, proof()).await.problem(409, "conflict");
    ann.get("/api/v1/auth/me").await.expect(200);
    let app = app.restart_with(|config| config.auth.account_deletion = false).await;
    app.user("bob", &["user"]).await.post(DELETE, proof()).await.problem(403, "forbidden");
}
