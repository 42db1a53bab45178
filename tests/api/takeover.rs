//! Taking over records as they were: the operator's alone, with their times, and users with hashes made elsewhere.

use serde_json::{Value, json};
use stead::store::{Json, Read as _, Table};

use crate::support::TestApp;

const LOGIN: &str = "/api/v1/auth/login";
const POSTS: &str = "/api/v1/collections/posts/takeover?mode=";
const USERS: &str = "/api/v1/collections/users/takeover?mode=";
const PASSWORD: &str = "an old password";

async fn site() -> TestApp {
    let app = TestApp::start().await;
    let title = json!({"name": "title", "type": "string", "required": true});
    let parent = json!({"name": "parent", "type": "relation", "collection": "posts", "onDelete": "setNull"});
    app.collection(json!({"name": "posts", "fields": [title, parent], "indexes": [{"fields": ["-createdAt"]}]})).await;
    app
}

/// A cheap hash, for what it costs is not looked at here.
fn bcrypt_hash(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap().replacen("$2b$", "$2a$", 1)
}

fn stored_hash(app: &TestApp, id: &str) -> String {
    const PASSWORDS: Table<str, Json<Value>> = Table::new("auth.passwords");
    app.store().snapshot().get(PASSWORDS, id).unwrap().unwrap().0["hash"].as_str().unwrap().to_owned()
}

fn ann(hash: &str) -> String {
    json!({"record": {"id": "ann", "email": "ann@example.com"}, "passwordHash": hash}).to_string()
}

#[tokio::test]
async fn nobody_takes_over_through_the_network() {
    let app = site().await;
    let hash = bcrypt_hash(PASSWORD);
    for roles in ["admin", "manager", "user", "viewer"] {
        let user = app.user(roles, &[roles]).await;
        user.send("POST", &format!("{USERS}create"), ann(&hash)).await.problem(404, "not_found");
        user.send("POST", &format!("{USERS}upsert"), ann(&hash)).await.problem(404, "not_found");
        // Nor is a hash a field that other ways would take.
        let line = json!({"id": "ann", "email": "ann@example.com", "passwordHash": hash}).to_string();
        let imported = user.send("POST", "/api/v1/collections/users/import", line).await;
        if roles == "admin" {
            assert_eq!(imported.ok(200)["imported"], 0);
        } else {
            imported.problem(403, "forbidden");
        }
    }
    app.guest().send("POST", &format!("{USERS}create"), ann(&hash)).await.problem(401, "unauthenticated");
    app.guest()
        .post(LOGIN, json!({"email": "ann@example.com", "password": PASSWORD}))
        .await
        .problem(401, "invalid_credentials");
    let document = app.guest().get("/openapi.json").await.expect(200);
    document.lacks(&["takeover", "passwordHash"]);
}

#[tokio::test]
async fn a_hash_of_bcrypt_signs_in_and_becomes_one_of_argon2() {
    let app = site().await;
    let hash = bcrypt_hash(PASSWORD);
    app.operator().send("POST", &format!("{USERS}create"), ann(&hash)).await.lacks(&[&hash]).ok(200);
    assert_eq!(stored_hash(&app, "ann"), hash);
    let login = |password: &str| json!({"email": "ann@example.com", "password": password});
    for wrong in ["", "An old password", "an old password\0", "an old passwor"] {
        app.guest().post(LOGIN, login(wrong)).await.lacks(&[&hash]).problem(401, "invalid_credentials");
    }
    assert_eq!(stored_hash(&app, "ann"), hash, "who did not sign in changes nothing");
    let first = app.sign_in("ann@example.com", PASSWORD).await;
    let upgraded = stored_hash(&app, "ann");
    assert!(upgraded.starts_with("$argon2id$"), "{upgraded}");
    let second = app.sign_in("ann@example.com", PASSWORD).await;
    assert_eq!(stored_hash(&app, "ann"), upgraded, "once");
    for token in [first, second] {
        app.guest().signed_in("ann", &token).get("/api/v1/collections/users/records/ann").await.expect(200);
    }
    app.guest().post(LOGIN, login("An old password")).await.problem(401, "invalid_credentials");
}

/// Bcrypt looks at 72 bytes only; more is not right for that.
#[tokio::test]
async fn a_password_that_goes_on_behind_what_bcrypt_sees_is_wrong() {
    let app = site().await;
    let password = "x1".repeat(36);
    app.operator().send("POST", &format!("{USERS}create"), ann(&bcrypt_hash(&password))).await.expect(200);
    let longer = json!({"email": "ann@example.com", "password": format!("{password}y")});
    app.guest().post(LOGIN, longer).await.problem(401, "invalid_credentials");
    app.sign_in("ann@example.com", &password).await;
}

#[tokio::test]
async fn a_disabled_user_stays_out_and_is_not_upgraded() {
    let app = site().await;
    let hash = bcrypt_hash(PASSWORD);
    let record = json!({"id": "ann", "email": "ann@example.com", "disabled": true});
    let line = json!({"record": record, "passwordHash": hash}).to_string();
    app.operator().send("POST", &format!("{USERS}create"), line).await.expect(200);
    let login = json!({"email": "ann@example.com", "password": PASSWORD});
    app.guest().post(LOGIN, login).await.problem(401, "invalid_credentials");
    assert_eq!(stored_hash(&app, "ann"), hash);
}

#[tokio::test]
async fn hashes_that_sign_in_could_not_verify_are_refused() {
    let app = site().await;
    let dear = bcrypt_hash(PASSWORD).replacen("$04$", "$31$", 1);
    for hash in
        ["", "secret", "$2a$10$short", "$2x$10$abc", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aaaa", dear.as_str()]
    {
        let answer = app.operator().send("POST", &format!("{USERS}create"), ann(hash)).await.ok(200);
        assert_eq!(
            (&answer["imported"], answer["rejected"].as_array().map(Vec::len)),
            (&json!(0), Some(1)),
            "{answer}"
        );
        assert!(hash.is_empty() || !answer.to_string().contains(hash), "{answer}");
    }
    let line = json!({"record": {"id": "p", "title": "t"}, "passwordHash": bcrypt_hash(PASSWORD)}).to_string();
    let answer = app.operator().send("POST", &format!("{POSTS}create"), line).await.ok(200);
    assert_eq!(answer["rejected"][0]["line"], 1, "only users have passwords: {answer}");
}

#[tokio::test]
async fn records_keep_the_times_they_had() {
    let app = site().await;
    let line = |id: &str, parent: Value, created: &str, updated: &str| {
        let record = json!({"id": id, "title": id, "parent": parent});
        json!({"record": record, "createdAt": created, "updatedAt": updated}).to_string()
    };
    let old = line("old", Value::Null, "2021-01-02T03:04:05.678Z", "2022-01-02T03:04:05.678Z");
    let new = line("new", Value::Null, "2023-01-02T03:04:05Z", "2023-01-02T03:04:05Z");
    let body = format!("{new}\n{old}\n{{\"record\":{{\"title\":\"no id\"}}}}\n[]\n");
    let report = app.operator().send("POST", &format!("{POSTS}create"), body).await.ok(200);
    assert_eq!(report["imported"], 2);
    let lines: Vec<_> = report["rejected"].as_array().unwrap().iter().map(|rejected| &rejected["line"]).collect();
    assert_eq!(lines, [3, 4]);

    // Times go into the index, too, and a patch keeps what it does not name.
    let patch = r#"{"record":{"id":"old","parent":"new"},"updatedAt":"2022-01-02T03:04:05.678Z"}"#;
    let missing = r#"{"record":{"id":"gone","parent":"new"}}"#;
    let report = app.operator().send("POST", &format!("{POSTS}patch"), format!("{patch}\n{missing}")).await.ok(200);
    assert_eq!((&report["imported"], &report["rejected"][0]["line"]), (&json!(1), &json!(2)));
    let list = app.operator().get("/api/v1/collections/posts/records?sort=createdAt").await.ok(200);
    let shown: Vec<_> = list["items"].as_array().unwrap().iter().collect();
    let times = |of: &Value| json!([of["id"], of["title"], of["parent"], of["createdAt"], of["updatedAt"]]);
    assert_eq!(times(shown[0]), json!(["old", "old", "new", "2021-01-02T03:04:05.678Z", "2022-01-02T03:04:05.678Z"]));
    assert_eq!(times(shown[1]), json!(["new", "new", null, "2023-01-02T03:04:05.000Z", "2023-01-02T03:04:05.000Z"]));

    let again = app.operator().send("POST", &format!("{POSTS}create"), old.clone()).await.ok(200);
    assert_eq!(again["imported"], 0, "the id is in use");
    let moved = line("old", Value::Null, "2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z");
    assert_eq!(app.operator().send("POST", &format!("{POSTS}upsert"), moved).await.ok(200)["imported"], 1);
    let list = app.operator().get("/api/v1/collections/posts/records?sort=-createdAt&fields=id,parent").await.ok(200);
    assert_eq!(list["items"], json!([{"id": "old", "parent": null}, {"id": "new", "parent": null}]));
    app.operator().send("POST", &format!("{POSTS}other"), "").await.problem(400, "invalid_parameter");
    app.operator().send("POST", "/api/v1/collections/posts/takeover", "").await.problem(400, "invalid_parameter");
}

#[tokio::test]
async fn an_admin_that_is_taken_over_closes_set_up() {
    let app = site().await;
    let token = app.app.users.open_setup().await.unwrap().unwrap();
    let record = json!({"id": "root", "email": "root@example.com", "roles": ["admin"]});
    let line = json!({"record": record, "passwordHash": bcrypt_hash(PASSWORD)}).to_string();
    app.operator().send("POST", &format!("{USERS}create"), line).await.expect(200);
    let late = json!({"token": token, "email": "late@example.com", "password": "correct horse"});
    app.guest().post("/api/v1/setup", late).await.problem(403, "forbidden");
    app.sign_in("root@example.com", PASSWORD).await;
}
