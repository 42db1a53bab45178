//! What the server tells an admin of somebody's access, and that it is what then happens.

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const EXPLAIN: &str = "/api/v1/auth/explain";
const POSTS: &str = "/api/v1/collections/posts/records";

async fn blog() -> TestApp {
    let app = TestApp::start().await;
    app.collection(json!({
        "name": "posts",
        "fields": [{"name": "title", "type": "string"}, {"name": "owner", "type": "string"}],
        "rules": {"list": "owner = @auth.id", "read": "owner = @auth.id", "create": "@request.body.owner = @auth.id"},
    }))
    .await;
    app
}

async fn ask(admin: &Client, subject: &str, resource: &str, action: &str, record: Option<&str>) -> Value {
    let mut question = json!({"subject": subject, "resource": resource, "action": action});
    if let Some(record) = record {
        question["record"] = record.into();
    }
    admin.post(EXPLAIN, question).await.ok(200)
}

/// The kinds of the reasons and what each says.
fn reasons(answer: &Value) -> Vec<(String, String)> {
    let text = |reason: &Value, name: &str| reason[name].as_str().unwrap().to_owned();
    let reasons = answer["reasons"].as_array().unwrap().iter();
    reasons.map(|reason| (text(reason, "kind"), text(reason, "allows"))).collect()
}

fn said(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(kind, allows)| ((*kind).to_owned(), (*allows).to_owned())).collect()
}

#[tokio::test]
async fn roles_and_rules_are_told_with_what_they_say() {
    let app = blog().await;
    let (admin, ann, vera) = (app.admin().await, app.user("ann", &["user"]).await, app.user("vera", &["viewer"]).await);
    let own = app.record("posts", json!({"owner": ann.id})).await["id"].as_str().unwrap().to_owned();
    let other = app.record("posts", json!({"owner": "other"})).await["id"].as_str().unwrap().to_owned();
    let answer = ask(&admin, &vera.id, "posts", "read", None).await;
    assert_eq!((&answer["allowed"], reasons(&answer)), (&json!("yes"), said(&[("role", "yes")])));
    let answer = ask(&admin, &ann.id, "posts", "read", None).await;
    assert_eq!(
        (&answer["allowed"], reasons(&answer)),
        (&json!("depends"), said(&[("role", "no"), ("rule", "depends")]))
    );
    assert_eq!(answer["reasons"][1]["name"], "owner = @auth.id");
    for (record, allowed, status) in [(&own, "yes", 200), (&other, "no", 404)] {
        let answer = ask(&admin, &ann.id, "posts", "read", Some(record)).await;
        assert_eq!(
            (&answer["allowed"], reasons(&answer)),
            (&json!(allowed), said(&[("role", "no"), ("rule", allowed)]))
        );
        ann.get(&format!("{POSTS}/{record}")).await.expect(status);
    }
    assert_eq!(ask(&admin, &ann.id, "posts", "create", None).await["allowed"], "depends");
    let answer = ask(&admin, &ann.id, "posts", "delete", Some(&own)).await;
    assert_eq!((&answer["allowed"], &answer["reasons"][1]["name"]), (&json!("no"), &json!("")));
    assert_eq!(ask(&admin, &ann.id, "roles", "list", None).await["allowed"], "no");
    assert_eq!(ask(&admin, &admin.id, "roles", "list", None).await["allowed"], "yes");
    app.operator()
        .patch(&format!("/api/v1/collections/users/records/{}", vera.id), json!({"disabled": true}))
        .await
        .expect(200);
    let answer = ask(&admin, &vera.id, "posts", "read", None).await;
    assert_eq!((&answer["allowed"], reasons(&answer)), (&json!("no"), said(&[("account", "no"), ("role", "yes")])));
}

#[tokio::test]
async fn scopes_of_keys_and_rights_of_targets_are_told() {
    let app = blog().await;
    let admin = app.admin().await;
    let account = admin.post("/api/v1/service-accounts", json!({"name": "x", "roles": ["manager"]})).await.ok(201);
    let account = account["id"].as_str().unwrap();
    let key = json!({"name": "x", "permissions": ["posts:read"], "serviceAccount": account});
    let key = admin.post("/api/v1/keys", key).await.ok(201)["key"]["id"].as_str().unwrap().to_owned();
    assert_eq!(ask(&admin, account, "posts", "delete", None).await["allowed"], "yes");
    assert_eq!(ask(&admin, &key, "posts", "read", None).await["allowed"], "yes");
    let answer = ask(&admin, &key, "posts", "delete", None).await;
    assert_eq!((&answer["allowed"], &answer["reasons"][1]["kind"]), (&json!("no"), &json!("scope")));
    admin.post("/api/v1/roles", json!({"name": "support", "permissions": ["users:*"]})).await.expect(201);
    let sue = app.user("sue", &["support"]).await;
    let ann = app.user("ann", &["user"]).await;
    for (target, allowed) in [(&admin.id, "no"), (&ann.id, "yes")] {
        assert_eq!(ask(&admin, &sue.id, "users", "update", Some(target)).await["allowed"], allowed);
    }
    assert_eq!(ask(&admin, &sue.id, "users", "update", None).await["allowed"], "depends");
    // A rule opens no user who may do more, and one's own record.
    app.operator()
        .patch("/api/v1/collections/users", json!({"rules": {"read": "true", "update": "true"}}))
        .await
        .expect(200);
    for (target, allowed, status) in [(&admin.id, "no", 403), (&ann.id, "yes", 200)] {
        assert_eq!(ask(&admin, &ann.id, "users", "update", Some(target)).await["allowed"], allowed);
        ann.patch(&format!("/api/v1/collections/users/records/{target}"), json!({"name": "x"})).await.expect(status);
    }
    for (question, status, code) in [
        (json!({"subject": "nobody", "resource": "posts", "action": "read"}), 404, "not_found"),
        (json!({"subject": ann.id, "resource": "nothing", "action": "read"}), 404, "not_found"),
        (json!({"subject": ann.id, "resource": "posts", "action": "read", "record": "none"}), 404, "not_found"),
        (json!({"subject": ann.id, "resource": "posts", "action": "fly"}), 422, "validation_failed"),
    ] {
        admin.post(EXPLAIN, question.clone()).await.problem(status, code);
        sue.post(EXPLAIN, question).await.expect(if status == 422 { 422 } else { 403 });
    }
}
