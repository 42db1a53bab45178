//! Users: the first admin, passwords, and what a user may do with users.

use serde_json::{Value, json};

use crate::support::TestApp;

const SETUP: &str = "/api/v1/setup";
const USERS: &str = "/api/v1/collections/users/records";

#[tokio::test]
async fn the_set_up_token_makes_one_admin_once() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let stale = app.app.users.open_setup().await.unwrap().expect("there is no user yet");
    let token = app.app.users.open_setup().await.unwrap().expect("there is no user yet");
    assert_ne!(stale, token);
    assert!(token.len() >= 43, "256 bits cannot be guessed");
    let with = |token: &str| json!({"token": token, "email": "Ann@Example.com", "password": "correct horse battery"});
    for wrong in ["", "x", stale.as_str(), &token[1..]] {
        guest.post(SETUP, with(wrong)).await.lacks(&[&token]).problem(403, "forbidden");
    }
    let weak = json!({"token": token, "email": "ann@example.com", "password": "short"});
    guest.post(SETUP, weak).await.invalid(&[("/password", "too_short")]);
    let unfit = json!({"token": token, "email": "ann", "password": "correct horse battery"});
    guest.post(SETUP, unfit).await.invalid(&[("/email", "format")]);

    let id = guest.post(SETUP, with(&token)).await.ok(201)["id"].as_str().unwrap().to_owned();
    guest.post(SETUP, with(&token)).await.problem(403, "forbidden");
    assert_eq!(app.app.users.open_setup().await.unwrap(), None, "there is a user");
    let access = app.sign_in("ann@example.com", "correct horse battery").await;
    let admin = app.guest().signed_in(&id, &access);
    assert_eq!(admin.get(&format!("{USERS}/{id}")).await.ok(200)["roles"], json!(["admin"]));
    admin.get("/api/v1/collections").await.expect(200);
}

#[tokio::test]
async fn an_admin_made_otherwise_closes_set_up() {
    let app = TestApp::start().await;
    let token = app.app.users.open_setup().await.unwrap().unwrap();
    let body = json!({"email": "root@example.com", "password": "correct horse battery"});
    app.operator().post("/api/v1/users/admins", body).await.expect(201);
    let late = json!({"token": token, "email": "late@example.com", "password": "correct horse battery"});
    app.guest().post(SETUP, late).await.problem(403, "forbidden");
    app.sign_in("root@example.com", "correct horse battery").await;
}

#[tokio::test]
async fn a_plain_user_sees_only_itself_and_gives_itself_nothing() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.user("ann", &["user"]).await, app.user("bob", &["manager"]).await);
    let vera = app.user("vera", &["viewer"]).await;
    for (user, name) in [(&ann, "ann"), (&bob, "bob"), (&vera, "vera")] {
        let list = user.get(&format!("{USERS}?total=true")).await.ok(200);
        assert_eq!((&list["total"], &list["items"][0]["email"]), (&json!(1), &json!(format!("{name}@example.com"))));
        let own = format!("{USERS}/{}", user.id);
        user.get(&own).await.expect(200);
        let exported = user.get("/api/v1/collections/users/export").await.expect(200);
        assert_eq!(exported.text().lines().count(), 1);
        let before = app.operator().get(&own).await.ok(200);
        for body in [json!({"roles": ["admin"]}), json!({"disabled": false}), json!({"name": "x"})] {
            user.patch(&own, body.clone()).await.problem(403, "forbidden");
            user.put(&own, body).await.problem(403, "forbidden");
        }
        user.delete(&own).await.problem(403, "forbidden");
        user.put(&format!("/api/v1/users/{}/password", user.id), json!({"password": "correct horse battery"}))
            .await
            .problem(403, "forbidden");
        user.post("/api/v1/users/admins", json!({"email": "e@x.de", "password": "correct horse battery"}))
            .await
            .problem(403, "forbidden");
        user.post(USERS, json!({"email": "evil@example.com", "roles": ["admin"]})).await.problem(403, "forbidden");
        let line = format!("{{\"id\":\"{}\",\"email\":\"evil@example.com\",\"roles\":[\"admin\"]}}", user.id);
        user.send("POST", "/api/v1/collections/users/import?mode=upsert", line).await.problem(403, "forbidden");
        assert_eq!(app.operator().get(&own).await.ok(200), before, "{name} stays as it is");
    }
    let other = format!("{USERS}/{}", bob.id);
    let hidden = ["bob@example.com", "manager"];
    for (method, body) in [("GET", ""), ("PATCH", r#"{"name": "x"}"#), ("PUT", "{}"), ("DELETE", "")] {
        ann.send(method, &other, body).await.lacks(&hidden).problem(404, "not_found");
    }
    let found = ann.get(&format!("{USERS}?filter=email~'bob'")).await.expect(200).lacks(&hidden);
    assert_eq!(found.json()["items"], json!([]));
}

/// Rules open profiles to their owners; rights stay with those whose role it is to give them.
#[tokio::test]
async fn a_rule_opens_a_profile_but_no_rights() {
    let app = TestApp::start().await;
    let own = "id = @auth.id";
    let rules = json!({"list": own, "read": own, "update": own, "delete": own, "create": "true"});
    app.operator().patch("/api/v1/collections/users", json!({"rules": rules.clone()})).await.expect(200);
    let ann = app.user("ann", &["viewer"]).await;
    let path = format!("{USERS}/{}", ann.id);
    assert_eq!(ann.patch(&path, json!({"name": "Ann", "roles": ["viewer"]})).await.ok(200)["name"], "Ann");
    for body in [json!({"roles": ["admin"]}), json!({"roles": []}), json!({"name": "x", "disabled": true})] {
        ann.patch(&path, body).await.problem(403, "forbidden");
    }
    ann.put(&path, json!({"email": "ann@example.com"})).await.problem(403, "forbidden");
    // Whoever has the address has the account, so a rule does not open it; nor anybody who may do more.
    ann.patch(&path, json!({"email": "other@example.com"})).await.problem(403, "forbidden");
    let admin = app.admin().await;
    let open = json!({"rules": {"list": "true", "read": "true", "update": "true", "delete": "true"}});
    app.operator().patch("/api/v1/collections/users", open).await.expect(200);
    let over = format!("{USERS}/{}", admin.id);
    ann.patch(&over, json!({"email": "mine@example.com"})).await.problem(403, "forbidden");
    ann.patch(&over, json!({"name": "x"})).await.problem(403, "forbidden");
    ann.delete(&over).await.problem(403, "forbidden");
    app.operator().patch("/api/v1/collections/users", json!({"rules": rules})).await.expect(200);
    ann.post(USERS, json!({"email": "new@example.com", "roles": ["admin"]})).await.problem(403, "forbidden");
    ann.post(USERS, json!({"email": "off@example.com", "disabled": true})).await.problem(403, "forbidden");
    let lines = [
        json!({"id": ann.id, "email": "ann@example.com", "roles": ["admin"]}),
        json!({"email": "imported@example.com", "roles": ["manager"]}),
        json!({"email": "plain@example.com"}),
    ];
    let lines = lines.map(|line| line.to_string()).join("\n");
    let report = ann.send("POST", "/api/v1/collections/users/import?mode=upsert", lines).await.ok(200);
    assert_eq!((&report["imported"], report["rejected"].as_array().unwrap().len()), (&json!(1), 2), "{report}");
    let read = app.operator().get(&path).await.ok(200);
    assert_eq!((&read["roles"], &read["name"], &read["disabled"]), (&json!(["viewer"]), &json!("Ann"), &json!(false)));
    assert_eq!(ann.post(USERS, json!({"email": "made@example.com"})).await.ok(201)["roles"], json!(["user"]));
}

#[tokio::test]
async fn addresses_are_one_persons_however_they_are_written() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let made = admin.post(USERS, json!({"email": " Ann.B@Example.COM "})).await.ok(201);
    assert_eq!(
        (&made["email"], &made["roles"], &made["disabled"]),
        (&json!("ann.b@example.com"), &json!(["user"]), &json!(false))
    );
    admin.post(USERS, json!({"email": "ANN.b@example.com"})).await.invalid(&[("/email", "unique")]);
    admin.post(USERS, json!({"email": "x"})).await.invalid(&[("/email", "format")]);
    admin.post(USERS, json!({"email": "c@d.ef", "roles": ["root"]})).await.invalid(&[("/roles/0", "unknown_role")]);
    admin
        .post(USERS, json!({"email": "c@d.ef", "password": "correct horse battery"}))
        .await
        .invalid(&[("/password", "unknown_field")]);
}

#[tokio::test]
async fn passwords_follow_the_policy() {
    let app = TestApp::new().with_config(|config| config.auth.password_length_min = 12).start().await;
    let admin = app.admin().await;
    let ann = app.user("ann", &["user"]).await;
    let path = format!("/api/v1/users/{}/password", ann.id);
    let put = async |password: Value| admin.put(&path, json!({"password": password})).await;
    for (password, code) in [
        ("x".repeat(11), "too_short"),
        ("ab".repeat(513), "too_long"),
        ("a".repeat(12), "too_common"),
        ("password1234".into(), "too_common"),
        ("ann@example.com".into(), "too_common"),
        (String::new(), "too_short"),
    ] {
        let answer = put(json!(password)).await;
        if !password.is_empty() {
            answer.clone().lacks(&[&password]);
        }
        answer.invalid(&[("/password", code)]);
    }
    put(json!(7)).await.invalid(&[("/password", "type")]);
    admin.put(&path, json!({})).await.invalid(&[("/password", "required")]);
    let missing = admin.put("/api/v1/users/nobody/password", json!({"password": "correct horse battery"})).await;
    missing.problem(404, "not_found");
    // A token that somebody found is no way to the account behind it.
    let own = format!("/api/v1/users/{}", admin.id);
    admin.put(&format!("{own}/password"), json!({"password": "correct horse battery"})).await.problem(403, "forbidden");
    admin.delete(&format!("{own}/second-factor")).await.problem(403, "forbidden");
    admin.get("/api/v1/collections").await.expect(200);
}

#[tokio::test]
async fn a_hash_from_elsewhere_signs_in() {
    let app = TestApp::start().await;
    let ann = app.user("ann", &["user"]).await;
    let path = format!("/api/v1/users/{}/password-hash", ann.id);
    // Of "pbkdf2 of another server", by Python's hashlib with 1,000 rounds.
    let hash = "pbkdf2_sha256$1000$saltsalt$08vr5mydgyDyq96KzwlDO5cuJSZFlfT/5B1y8jkR85I=";
    app.operator().put(&path, json!({"hash": hash})).await.expect(204);
    for _ in 0..2 {
        app.sign_in("ann@example.com", "pbkdf2 of another server").await;
    }
    for bad in ["plain", "md5$abc", "pbkdf2_sha256$99999999$salt$AAAAAAAAAAAAAAAAAAAAAA=="] {
        app.operator().put(&path, json!({"hash": bad})).await.lacks(&[bad]).invalid(&[("/hash", "invalid")]);
    }
    ann.put(&path, json!({"hash": hash})).await.problem(401, "unauthenticated");
    app.user("bob", &["user"]).await.put(&path, json!({"hash": hash})).await.problem(403, "forbidden");
}

/// A user's password goes with the user: whoever gets the id later does not get the password.
#[tokio::test]
async fn a_deleted_users_password_is_gone() {
    let app = TestApp::start().await;
    let ann = app.user("ann", &["user"]).await;
    let own = format!("{USERS}/{}", ann.id);
    app.operator().delete(&own).await.expect(204);
    ann.get(USERS).await.problem(401, "unauthenticated");
    app.record("users", json!({"id": ann.id, "email": "other@example.com"})).await;
    ann.get(USERS).await.problem(401, "unauthenticated");
    let body = json!({"email": "other@example.com", "password": "correct horse battery"});
    app.guest().post("/api/v1/auth/login", body).await.problem(401, "invalid_credentials");
}

/// Whatever indexes an admin adds to the users, they can sign in.
#[tokio::test]
async fn further_indexes_over_addresses_do_not_lock_anyone_out() {
    let app = TestApp::new().with_config(|config| config.store.batch_max = 1).start().await;
    app.user("ann", &["user"]).await;
    let users = "/api/v1/collections/users";
    let operator = app.operator();
    let request =
        async move { operator.patch(users, json!({"indexes": [{"fields": ["email", "name"], "unique": true}]})).await };
    let (answer, held) = app.held_behind(request).await;
    answer.expect(200);
    drop(held);
    app.sign_in("ann@example.com", "correct horse battery").await;
    app.settled("users").await;
    app.sign_in("ann@example.com", "correct horse battery").await;
    app.operator().patch(users, json!({"indexes": [{"fields": ["-email", "name"], "unique": true}]})).await.expect(200);
    app.settled("users").await;
    app.sign_in("ann@example.com", "correct horse battery").await;
}
