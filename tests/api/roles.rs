//! Roles: their own permissions, and that nobody gives more than they have.

use serde_json::json;

use crate::support::TestApp;

const ROLES: &str = "/api/v1/roles";
const USERS: &str = "/api/v1/collections/users/records";

#[tokio::test]
async fn a_role_opens_what_it_says_from_the_next_request_on() {
    let app = TestApp::start().await;
    app.collection(json!({"name": "posts", "fields": [{"name": "title", "type": "string"}]})).await;
    let (admin, posts) = (app.admin().await, "/api/v1/collections/posts/records");
    let role = json!({"name": "editor", "permissions": ["posts:read", "posts:list"]});
    admin.post(ROLES, role.clone()).await.expect(201);
    admin.post(ROLES, role).await.problem(409, "conflict");
    let ann = app.user("ann", &["editor"]).await;
    ann.get(posts).await.expect(200);
    ann.post(posts, json!({"title": "x"})).await.problem(403, "forbidden");
    let me = ann.get("/api/v1/auth/me").await.ok(200);
    assert_eq!(me["permissions"], json!(["posts:list", "posts:read"]));
    admin.patch("/api/v1/roles/editor", json!({"permissions": ["posts:create"]})).await.expect(200);
    ann.post(posts, json!({"title": "x"})).await.expect(201);
    ann.get(posts).await.problem(403, "forbidden");
    admin.delete("/api/v1/roles/editor").await.problem(409, "conflict");
    admin.patch(&format!("{USERS}/{}", ann.id), json!({"roles": []})).await.expect(200);
    admin.delete("/api/v1/roles/editor").await.expect(204);
    admin.get("/api/v1/roles/editor").await.problem(404, "not_found");
    admin.delete("/api/v1/roles/viewer").await.problem(409, "conflict");
    admin.patch("/api/v1/roles/admin", json!({"permissions": []})).await.problem(409, "conflict");
    let bad = json!({"name": "a b", "permissions": ["posts:fly", "posts:read"]});
    admin.post(ROLES, bad).await.invalid(&[("/name", "format"), ("/permissions/0", "format")]);
    for user in [&ann, &app.user("vera", &["viewer"]).await, &app.user("max", &["manager"]).await] {
        user.get(ROLES).await.problem(403, "forbidden");
        user.post(ROLES, json!({"name": "x", "permissions": []})).await.problem(403, "forbidden");
        user.get("/api/v1/audit").await.problem(403, "forbidden");
    }
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let own = ["users:*", "roles:*", "posts:*"];
    admin.post(ROLES, json!({"name": "support", "permissions": own})).await.expect(201);
    let sue = app.user("sue", &["support"]).await;
    let ann = app.user("ann", &["user"]).await;
    let grant = json!({"name": "more", "permissions": ["posts:read", "tags:read", "*:*"]});
    sue.post(ROLES, grant).await.invalid(&[("/permissions/1", "forbidden"), ("/permissions/2", "forbidden")]);
    sue.patch("/api/v1/roles/manager", json!({"description": "x"})).await.problem(403, "forbidden");
    for id in [&sue.id, &ann.id] {
        sue.patch(&format!("{USERS}/{id}"), json!({"roles": ["admin"]})).await.problem(403, "forbidden");
    }
    sue.patch(&format!("{USERS}/{}", ann.id), json!({"roles": ["support"]})).await.expect(200);
    let over = format!("{USERS}/{}", admin.id);
    sue.patch(&over, json!({"email": "mine@example.com"})).await.problem(403, "forbidden");
    sue.delete(&over).await.problem(403, "forbidden");
    let password = format!("/api/v1/users/{}/password", admin.id);
    sue.put(&password, json!({"password": "correct horse battery"})).await.problem(403, "forbidden");
    sue.delete(&format!("/api/v1/users/{}/sessions", admin.id)).await.problem(403, "forbidden");
    sue.send("POST", &format!("/api/v1/users/{}/impersonate", admin.id), "").await.problem(403, "forbidden");
    admin.get("/api/v1/auth/me").await.expect(200);
}

#[tokio::test]
async fn the_last_admin_stays() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let own = format!("{USERS}/{}", admin.id);
    for change in [json!({"disabled": true}), json!({"roles": ["user"]})] {
        admin.patch(&own, change).await.problem(409, "conflict");
    }
    admin.delete(&own).await.problem(409, "conflict");
    // An import refuses line by line; a line that is refused has written nothing.
    for line in [
        json!({"id": admin.id, "email": "admin@example.com", "roles": ["user"]}),
        json!({"id": "operator", "email": "o@p.qr"}),
    ] {
        let import = admin.post("/api/v1/collections/users/import?mode=upsert", line).await.ok(200);
        assert_eq!(import["rejected"].as_array().map_or(0, Vec::len), 1, "{import}");
    }
    assert_eq!(admin.get(&own).await.ok(200)["roles"], json!(["admin"]));
    admin.get(&format!("{USERS}/operator")).await.problem(404, "not_found");
    let second = app.user("second", &["admin"]).await;
    admin.patch(&own, json!({"roles": ["user"]})).await.expect(200);
    second.delete(&format!("{USERS}/{}", second.id)).await.problem(409, "conflict");
    let events = app.operator().get(&format!("/api/v1/audit?subject={}", admin.id)).await.ok(200);
    assert_eq!(events["items"][0]["kind"], "user.rolesChanged");
    assert_eq!(events["items"][0]["detail"], json!({"from": ["admin"], "to": ["user"]}));
}

#[tokio::test]
async fn the_audit_log_is_read_in_pages_and_by_what_is_asked() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let names = ["a", "b", "c"];
    for name in names {
        app.clock.advance_seconds(60);
        admin.post(ROLES, json!({"name": name, "permissions": []})).await.expect(201);
    }
    let read = async |query: &str| admin.get(&format!("/api/v1/audit?{query}")).await.ok(200);
    let subjects = |page: &serde_json::Value| {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["subject"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = read("kind=role&limit=2").await;
    assert_eq!(subjects(&first), ["c", "b"]);
    let rest = read(&format!("kind=role&limit=2&cursor={}", first["nextCursor"].as_str().unwrap())).await;
    assert_eq!((subjects(&rest), rest.get("nextCursor")), (vec!["a".to_owned()], None));
    assert_eq!(subjects(&read(&format!("kind=role.created&actor={}", admin.id)).await), ["c", "b", "a"]);
    assert_eq!(subjects(&read("kind=role&subject=b").await), ["b"]);
    assert_eq!(subjects(&read("kind=rol").await), Vec::<String>::new(), "a group is a whole word");
    let time = first["items"][1]["time"].as_str().unwrap().to_owned();
    assert_eq!(subjects(&read(&format!("kind=role&since={time}")).await), ["c", "b"]);
    assert_eq!(subjects(&read(&format!("kind=role&until={time}")).await), ["a"]);
    for (query, code) in [
        ("since=yesterday", "invalid_parameter"),
        ("cursor=x", "invalid_cursor"),
        ("limit=0", "bad_request"),
        ("limit=1001", "bad_request"),
        ("limit=x", "bad_request"),
    ] {
        admin.get(&format!("/api/v1/audit?{query}")).await.problem(400, code);
    }
}
