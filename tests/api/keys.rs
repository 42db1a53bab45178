//! Keys of programs and service accounts: they do what their owner may, within their scope, and end when told.

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const KEYS: &str = "/api/v1/keys";
const ACCOUNTS: &str = "/api/v1/service-accounts";
const POSTS: &str = "/api/v1/collections/posts/records";
const ME: &str = "/api/v1/auth/me";

/// Posts that their owner may see and make by a rule.
async fn blog() -> TestApp {
    let app = TestApp::start().await;
    let own = "owner = @auth.id";
    app.collection(json!({
        "name": "posts",
        "fields": [{"name": "title", "type": "string"}, {"name": "owner", "type": "string"}],
        "rules": {"list": own, "read": own, "create": own, "update": own},
    }))
    .await;
    app
}

async fn key_of(app: &TestApp, maker: &Client, key: Value) -> (Client, String) {
    let made = maker.post(KEYS, key).await.ok(201);
    let (secret, id) = (made["secret"].as_str().unwrap(), made["key"]["id"].as_str().unwrap());
    (app.guest().signed_in(&maker.id, secret), id.to_owned())
}

/// A user with only the right to make keys.
async fn ann(app: &TestApp) -> Client {
    app.operator().post("/api/v1/roles", json!({"name": "maker", "permissions": ["keys:create"]})).await.expect(201);
    app.user("ann", &["maker"]).await
}

#[tokio::test]
async fn a_key_does_what_its_owner_may_within_its_scope() {
    let app = blog().await;
    let ann = ann(&app).await;
    let own = json!({"title": "x", "owner": ann.id});
    let (reader, id) = key_of(&app, &ann, json!({"name": "r", "permissions": ["posts:list", "tags:*"]})).await;
    ann.post(POSTS, own.clone()).await.expect(201);
    assert_eq!(reader.get(POSTS).await.ok(200)["items"].as_array().unwrap().len(), 1, "by the rule, within the scope");
    reader.post(POSTS, own.clone()).await.problem(403, "forbidden");
    let me = reader.get(ME).await.ok(200);
    assert_eq!((&me["id"], &me["key"], me.get("session")), (&json!(ann.id), &json!(id), None));
    assert_eq!(me["permissions"], json!([]), "ann has no permission that the scope names");
    let (writer, _) = key_of(&app, &ann, json!({"name": "w", "permissions": ["*:*"]})).await;
    writer.post(POSTS, own.clone()).await.expect(201);
    writer.post(POSTS, json!({"owner": "bob"})).await.problem(403, "forbidden");
    assert_eq!(writer.get(ME).await.ok(200)["permissions"], json!(["keys:create"]));
    // What the owner gets later is the key's, too, and what is taken is gone.
    let user = format!("/api/v1/collections/users/records/{}", ann.id);
    app.operator().patch(&user, json!({"roles": ["maker", "viewer"]})).await.expect(200);
    assert_eq!(reader.get(ME).await.ok(200)["permissions"], json!(["posts:list", "tags:list", "tags:read"]));
    app.operator().patch(&user, json!({"disabled": true})).await.expect(200);
    reader.get(ME).await.problem(401, "unauthenticated");
    app.operator().patch(&user, json!({"disabled": false})).await.expect(200);
    reader.get(ME).await.expect(200);
    app.operator().delete(&user).await.expect(204);
    reader.get(ME).await.problem(401, "unauthenticated");
    let again = json!({"id": ann.id, "email": "ann@example.com", "roles": ["admin"]});
    app.record("users", again).await;
    reader.get(ME).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_key_is_shown_once_and_ends() {
    let app = blog().await;
    let admin = app.admin().await;
    let in_an_hour = app.clock.in_seconds(3_600).to_string();
    let asked = json!({"name": "x", "permissions": ["posts:read"], "expiresAt": in_an_hour});
    let made = admin.post(KEYS, asked).await.ok(201);
    let (secret, id) = (made["secret"].as_str().unwrap().to_owned(), made["key"]["id"].as_str().unwrap().to_owned());
    assert!(secret.starts_with(&format!("stead_sk_{id}_")) && secret.len() == 9 + 12 + 1 + 43, "{secret}");
    let path = format!("{KEYS}/{id}");
    let before = admin.get(&path).await.lacks(&[&secret]).ok(200);
    assert_eq!(before.get("lastUsedAt"), None);
    let key = app.guest().signed_in("", &secret);
    app.clock.advance_seconds(60);
    key.get(ME).await.expect(200);
    let used = admin.get(KEYS).await.lacks(&[&secret]).ok(200)["items"][0].clone();
    assert_eq!(
        (&used["lastUsedAt"], &used["lastUsedFrom"]),
        (&json!(app.clock.in_seconds(0).to_string()), &json!("127.0.0.1"))
    );
    for wrong in [&secret[..secret.len() - 1], &secret.replace(&id, "AAAAAAAAAAAA"), &format!("{}A", &secret[..64])] {
        app.guest().signed_in("", wrong).get(ME).await.problem(401, "unauthenticated");
    }
    app.clock.advance_seconds(3_539);
    key.get(ME).await.expect(200);
    app.clock.advance_seconds(1);
    key.get(ME).await.problem(401, "unauthenticated");
    // The last use outlives the process.
    let at = app.clock.in_seconds(0).to_string();
    let app = app.restart().await;
    let shown = app.operator().get(&path).await.ok(200);
    assert!(shown["lastUsedAt"].as_str().is_some_and(|used| used < at.as_str()), "{shown}");
}

#[tokio::test]
async fn a_key_ends_when_told_and_is_taken_from_its_addresses_only() {
    let app = blog().await;
    let admin = app.admin().await;
    let (key, id) = key_of(&app, &admin, json!({"name": "x", "permissions": ["*:*"]})).await;
    key.get(POSTS).await.expect(200);
    admin.delete(&format!("{KEYS}/{id}")).await.expect(204);
    key.get(POSTS).await.problem(401, "unauthenticated");
    admin.delete(&format!("{KEYS}/{id}")).await.problem(404, "not_found");
    let near = json!({"name": "x", "permissions": ["*:*"], "addresses": ["192.0.2.7", "127.0.0.0/8"]});
    key_of(&app, &admin, near).await.0.get(POSTS).await.expect(200);
    let far = json!({"name": "x", "permissions": ["*:*"], "addresses": ["192.0.2.0/24", "2001:db8::/32"]});
    key_of(&app, &admin, far).await.0.get(POSTS).await.problem(401, "unauthenticated");
    let kinds = admin.get("/api/v1/audit?kind=key").await.ok(200);
    let kinds: Vec<_> = kinds["items"].as_array().unwrap().iter().map(|event| event["kind"].clone()).collect();
    assert_eq!(kinds, ["key.created", "key.created", "key.deleted", "key.created"]);
}

#[tokio::test]
async fn a_key_changes_no_credentials_and_its_owner_is_told_of_it() {
    let app = blog().await;
    let admin = app.admin().await;
    let (key, _) = key_of(&app, &admin, json!({"name": "import", "permissions": ["users:*"]})).await;
    let told = async || app.operator().get("/api/v1/mail?to=admin@example.com").await.ok(200)["items"][0].clone();
    app.until("the mail comes", async || told().await["kind"] == "key.created").await;
    let bob = app.user("bob", &[]).await;
    let of = |id: &str, what: &str| format!("/api/v1/users/{id}/{what}");
    let password = json!({"password": "another good password"});
    key.put(&of(&bob.id, "password"), password.clone()).await.problem(403, "forbidden");
    key.put(
        &of(&bob.id, "password-hash"),
        json!({"hash": "$2b$04$....................................................."}),
    )
    .await
    .problem(403, "forbidden");
    key.delete(&of(&bob.id, "sessions")).await.problem(403, "forbidden");
    key.delete(&of(&bob.id, "second-factor")).await.problem(403, "forbidden");
    bob.get(ME).await.expect(200);
    // Whoever has never signed in gets a first password from a program that brings users along.
    let carl = app.record("users", json!({"email": "carl@example.com"})).await;
    let carl = carl["id"].as_str().unwrap();
    key.put(&of(carl, "password"), password.clone()).await.expect(204);
    app.sign_in("carl@example.com", "another good password").await;
    key.put(&of(carl, "password"), password.clone()).await.problem(403, "forbidden");
    // A new password tells of the ways in that it leaves.
    let change = json!({"currentPassword": "correct horse battery", "newPassword": "another good password"});
    admin.put("/api/v1/auth/password", change).await.expect(204);
    app.until("the mail comes", async || told().await["kind"] == "password.changed").await;
    let mail = app.operator().get(&format!("/api/v1/mail/{}", told().await["number"])).await.ok(200);
    assert!(mail["text"].as_str().unwrap().contains("Keys: import."), "{mail}");
}

#[tokio::test]
async fn keys_are_made_in_person_and_seen_by_their_owner() {
    let app = blog().await;
    let (ann, admin) = (ann(&app).await, app.admin().await);
    let bob = app.user("bob", &["user"]).await;
    let wish = json!({"name": "x", "permissions": ["*:*"]});
    bob.post(KEYS, wish.clone()).await.problem(403, "forbidden");
    app.guest().post(KEYS, wish.clone()).await.problem(401, "unauthenticated");
    let (key, id) = key_of(&app, &ann, wish.clone()).await;
    key.post(KEYS, wish.clone()).await.problem(403, "forbidden");
    key.get(KEYS).await.problem(403, "forbidden");
    let path = format!("{KEYS}/{id}");
    for stranger in [&bob, &key] {
        stranger.get(&path).await.problem(404, "not_found");
        stranger.delete(&path).await.problem(404, "not_found");
    }
    assert_eq!(bob.get(KEYS).await.ok(200)["items"], json!([]));
    bob.get(&format!("{KEYS}?owner={}", ann.id)).await.problem(403, "forbidden");
    assert_eq!(ann.get(KEYS).await.ok(200)["items"][0]["id"], json!(id));
    assert_eq!(admin.get(&format!("{KEYS}?owner={}", ann.id)).await.ok(200)["items"][0]["id"], json!(id));
    // A key is no person: it neither keeps sessions nor credentials.
    key.get("/api/v1/auth/sessions").await.problem(403, "forbidden");
    key.send("POST", "/api/v1/auth/logout-all", "").await.problem(403, "forbidden");
    key.send("POST", "/api/v1/auth/logout", "").await.problem(409, "conflict");
    let change = json!({"currentPassword": "correct horse battery", "newPassword": "another good password"});
    key.put("/api/v1/auth/password", change).await.problem(403, "forbidden");
    let strong = key_of(&app, &admin, wish).await.0;
    strong.send("POST", &format!("/api/v1/users/{}/impersonate", ann.id), "").await.problem(403, "forbidden");
    let bad =
        json!({"name": " ", "permissions": ["posts:fly"], "addresses": ["here"], "expiresAt": "2020-01-01T00:00:00Z"});
    let faults =
        [("/name", "length"), ("/permissions/0", "format"), ("/addresses/0", "format"), ("/expiresAt", "past")];
    admin.post(KEYS, bad).await.invalid(&faults);
    admin.post(KEYS, json!({"name": "x", "permissions": []})).await.invalid(&[("/permissions", "length")]);
    ann.delete(&path).await.expect(204);
    key.get(ME).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_service_account_acts_by_its_roles() {
    let app = blog().await;
    let admin = app.admin().await;
    let account = admin.post(ACCOUNTS, json!({"name": "importer", "roles": ["viewer"]})).await.ok(201);
    let id = account["id"].as_str().unwrap();
    let path = format!("{ACCOUNTS}/{id}");
    let wish = json!({"name": "x", "permissions": ["*:*"], "serviceAccount": id});
    let (key, _) = key_of(&app, &app.operator(), wish.clone()).await;
    let me = key.get(ME).await.ok(200);
    assert_eq!((&me["id"], &me["roles"]), (&json!(id), &json!(["viewer"])));
    key.post(POSTS, json!({"title": "x", "owner": id})).await.expect(201);
    key.post(POSTS, json!({"title": "x", "owner": "other"})).await.problem(403, "forbidden");
    admin.delete("/api/v1/roles/viewer").await.problem(409, "conflict");
    admin.post("/api/v1/roles", json!({"name": "bot", "permissions": ["*:list"]})).await.expect(201);
    admin.patch(&path, json!({"roles": ["bot"]})).await.expect(200);
    assert_eq!(key.get(ME).await.ok(200)["permissions"], json!(["*:list"]));
    admin.delete("/api/v1/roles/bot").await.problem(409, "conflict");
    admin.patch(&path, json!({"disabled": true})).await.expect(200);
    key.get(ME).await.problem(401, "unauthenticated");
    admin.patch(&path, json!({"disabled": false})).await.expect(200);
    key.get(ME).await.expect(200);
    let taken = json!({"id": id, "email": "thief@example.com"});
    admin.post("/api/v1/collections/users/records", taken).await.problem(409, "conflict");
    let bad = json!({"name": "", "roles": ["nobody"]});
    admin.post(ACCOUNTS, bad).await.invalid(&[("/name", "length"), ("/roles/0", "unknown_role")]);
    app.operator()
        .post(KEYS, json!({"name": "x", "permissions": ["*:*"]}))
        .await
        .invalid(&[("/serviceAccount", "required")]);
    admin.delete(&path).await.expect(204);
    key.get(ME).await.problem(401, "unauthenticated");
    admin.post(KEYS, wish).await.problem(404, "not_found");
    assert_eq!(admin.get(ACCOUNTS).await.ok(200)["items"], json!([]));
}

#[tokio::test]
async fn nobody_gives_a_service_account_more_than_they_have() {
    let app = blog().await;
    let admin = app.admin().await;
    admin.post("/api/v1/roles", json!({"name": "keeper", "permissions": ["keys:*"]})).await.expect(201);
    let kim = app.user("kim", &["keeper"]).await;
    let strong = admin.post(ACCOUNTS, json!({"name": "strong", "roles": ["admin"]})).await.ok(201);
    let path = format!("{ACCOUNTS}/{}", strong["id"].as_str().unwrap());
    let wish = json!({"name": "x", "permissions": ["posts:read"], "serviceAccount": strong["id"]});
    kim.post(KEYS, wish).await.problem(403, "forbidden");
    kim.patch(&path, json!({"disabled": true})).await.problem(403, "forbidden");
    kim.delete(&path).await.problem(403, "forbidden");
    kim.post(ACCOUNTS, json!({"name": "mine", "roles": ["admin"]})).await.problem(403, "forbidden");
    kim.post(ACCOUNTS, json!({"name": "mine", "roles": ["keeper"]})).await.problem(403, "forbidden");
    kim.post(ACCOUNTS, json!({"name": "mine"})).await.expect(201);
    let ann = app.user("ann", &["user"]).await;
    for path in [ACCOUNTS, path.as_str()] {
        ann.get(path).await.problem(403, "forbidden");
    }
    ann.post(ACCOUNTS, json!({"name": "mine"})).await.problem(403, "forbidden");
}
