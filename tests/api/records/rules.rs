//! Rules: what each of the five opens, and on which state of the record it is judged.

use serde_json::{Value, json};

use crate::support::{Client, Parameters, TestApp, query};

const RECORDS: &str = "/api/v1/collections/posts/records";

async fn with_rules(rules: Value) -> (TestApp, Client) {
    let app = TestApp::start().await;
    let fields = json!([
        {"name": "owner", "type": "string"},
        {"name": "state", "type": "enum", "values": ["draft", "public"], "default": "draft", "indexed": true},
        {"name": "readers", "type": "relation", "collection": "users", "many": true},
        {"name": "until", "type": "datetime"},
    ]);
    app.collection(json!({"name": "posts", "fields": fields, "rules": rules})).await;
    let user = app.user("ann", &["user"]).await;
    (app, user)
}

async fn ids(client: &Client, parameters: &[(&str, &str)]) -> Vec<String> {
    let list = client.get(&query(RECORDS, parameters)).await.ok(200);
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_list_rule_is_joined_to_every_filter() {
    let (app, user) = with_rules(json!({"list": "state = 'public' || owner = @auth.id || @auth.id in readers"})).await;
    app.record("posts", json!({"id": "a", "owner": "x", "state": "public"})).await;
    app.record("posts", json!({"id": "b", "owner": user.id})).await;
    app.record("posts", json!({"id": "c", "owner": "x"})).await;
    app.record("posts", json!({"id": "d", "owner": "x", "readers": [user.id]})).await;
    let rows: [(Parameters<'_>, &[&str]); 8] = [
        (&[], &["a", "b", "d"]),
        (&[("sort", "-id")], &["d", "b", "a"]),
        (&[("filter", "state = 'draft'")], &["b", "d"]),
        (&[("filter", "id = 'c'")], &[]),
        (&[("filter", "id = 'c' || id = 'a'")], &["a"]),
        (&[("filter", "state = 'draft' || state = 'public'")], &["a", "b", "d"]),
        (&[("filter", "1 = 1")], &["a", "b", "d"]),
        (&[("filter", "id in ['c', 'd']"), ("sort", "state")], &["d"]),
    ];
    for (parameters, expected) in rows {
        assert_eq!(ids(&user, parameters).await, expected, "{parameters:?}");
        let mut counted = parameters.to_vec();
        counted.push(("total", "true"));
        assert_eq!(user.get(&query(RECORDS, &counted)).await.ok(200)["total"], expected.len(), "{parameters:?}");
    }
    let exported = user.get("/api/v1/collections/posts/export").await.expect(200).lacks(&["\"id\":\"c\""]);
    assert_eq!(exported.text().lines().count(), 3);
    let page = user.get(&query(RECORDS, &[("limit", "2")])).await.ok(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    assert_eq!(ids(&user, &[("cursor", cursor)]).await, ["d"]);
    user.get(&format!("{RECORDS}/a")).await.problem(403, "forbidden");
    assert_eq!(ids(&app.user("vera", &["viewer"]).await, &[]).await, ["a", "b", "c", "d"], "a role needs no rule");
}

#[tokio::test]
async fn a_rule_that_says_false_is_no_rule_and_one_that_says_true_is_for_all() {
    let (app, user) = with_rules(json!({"list": "'admin' in @auth.roles", "read": "true", "create": "false"})).await;
    app.record("posts", json!({"id": "a"})).await;
    user.get(RECORDS).await.problem(403, "forbidden");
    user.get(&format!("{RECORDS}/a")).await.expect(200);
    user.get(&format!("{RECORDS}/b")).await.problem(404, "not_found");
    user.post(RECORDS, json!({})).await.problem(403, "forbidden");
    user.patch(&format!("{RECORDS}/a"), json!({})).await.problem(403, "forbidden");
    user.delete(&format!("{RECORDS}/a")).await.problem(403, "forbidden");
}

/// A create rule looks at the new record with its defaults, an update rule at the record before and at the body.
#[tokio::test]
async fn write_rules_see_what_they_should() {
    let rules = json!({
        "read": "true",
        "create": "owner = @auth.id && state = 'draft' && @request.body.until = null",
        "update": "owner = @auth.id && (@request.body.owner = null || @request.body.owner = @old.owner)",
        "delete": "@old.owner = @auth.id && state = 'draft'",
    });
    let (app, user) = with_rules(rules).await;
    let post = async |body: Value| user.post(RECORDS, body).await;
    post(json!({"id": "mine", "owner": user.id})).await.expect(201);
    post(json!({"owner": user.id, "state": "public"})).await.problem(403, "forbidden");
    post(json!({"owner": "x"})).await.problem(403, "forbidden");
    post(json!({"owner": user.id, "until": "2030-01-01T00:00:00Z"})).await.problem(403, "forbidden");
    let mine = format!("{RECORDS}/mine");
    user.patch(&mine, json!({"owner": "x"})).await.problem(403, "forbidden");
    user.put(&mine, json!({"owner": "x"})).await.problem(403, "forbidden");
    user.patch(&mine, json!({"owner": user.id, "state": "public"})).await.expect(200);
    user.delete(&mine).await.problem(403, "forbidden");
    user.patch(&mine, json!({"state": "draft"})).await.expect(200);
    app.record("posts", json!({"id": "other", "owner": "x"})).await;
    user.patch(&format!("{RECORDS}/other"), json!({"owner": user.id})).await.problem(403, "forbidden");
    user.delete(&format!("{RECORDS}/other")).await.problem(403, "forbidden");
    user.delete(&mine).await.expect(204);
}

#[tokio::test]
async fn rules_know_the_time() {
    let (app, user) = with_rules(json!({"list": "until > @now", "read": "until > @now"})).await;
    app.record("posts", json!({"id": "a", "until": "2026-01-31T09:31:00Z"})).await;
    assert_eq!(ids(&user, &[]).await, ["a"]);
    user.get(&format!("{RECORDS}/a")).await.expect(200);
    app.clock.advance_seconds(60);
    assert!(ids(&user, &[]).await.is_empty());
    user.get(&format!("{RECORDS}/a")).await.problem(404, "not_found");
}

#[tokio::test]
async fn changed_rules_and_roles_hold_at_once() {
    let (app, user) = with_rules(json!({})).await;
    app.record("posts", json!({"id": "a"})).await;
    let operator = app.operator();
    user.get(RECORDS).await.problem(403, "forbidden");
    operator.patch("/api/v1/collections/posts", json!({"rules": {"list": "true"}})).await.expect(200);
    user.get(RECORDS).await.expect(200);
    operator.patch("/api/v1/collections/posts", json!({"rules": {}})).await.expect(200);
    user.get(RECORDS).await.problem(403, "forbidden");
    let own = format!("/api/v1/collections/users/records/{}", user.id);
    operator.patch(&own, json!({"roles": ["viewer"]})).await.expect(200);
    user.get(RECORDS).await.expect(200);
    operator.patch(&own, json!({"roles": []})).await.expect(200);
    user.get(RECORDS).await.problem(403, "forbidden");
}

/// Imports follow the same rules, line by line.
#[tokio::test]
async fn imports_follow_the_rules() {
    let rules = json!({"create": "owner = @auth.id", "update": "owner = @auth.id"});
    let (app, user) = with_rules(rules).await;
    app.record("posts", json!({"id": "other", "owner": "x"})).await;
    app.record("posts", json!({"id": "mine", "owner": user.id})).await;
    let own = &user.id;
    let lines = [
        json!({"id": "new", "owner": own}),
        json!({"id": "foreign", "owner": "x"}),
        json!({"id": "other", "owner": own}),
        json!({"id": "mine", "owner": own, "state": "public"}),
    ];
    let lines = lines.map(|line| line.to_string()).join("\n");
    let report = user.send("POST", "/api/v1/collections/posts/import?mode=upsert", lines).await.ok(200);
    assert_eq!(report["imported"], 2, "{report}");
    let rejected: Vec<_> =
        report["rejected"].as_array().unwrap().iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(rejected, [2, 3], "{report}");
    let read = async |id: &str| app.operator().get(&format!("{RECORDS}/{id}")).await;
    assert_eq!(read("other").await.ok(200)["owner"], "x");
    assert_eq!(read("mine").await.ok(200)["state"], "public");
    read("foreign").await.problem(404, "not_found");
}
