//! Changing and deleting all records that match a filter.

use serde_json::json;

use crate::support::{Client, TestApp, query};

const RECORDS: &str = "/api/v1/collections/tasks/records";

async fn tasks() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let user = app.user("user", &["user"]).await;
    let fields = json!([
        {"name": "title", "type": "string", "max": 10},
        {"name": "done", "type": "boolean", "default": false},
        {"name": "owner", "type": "string"},
        {"name": "rank", "type": "integer", "max": 9},
        {"name": "locked", "type": "boolean"},
    ]);
    let own = "owner = @auth.id && !locked";
    let rules = json!({"list": "owner = @auth.id", "read": "owner = @auth.id", "update": own, "delete": own});
    app.collection(json!({"name": "tasks", "fields": fields, "rules": rules})).await;
    for (id, done, mine, rank) in
        [("a", true, true, 1), ("b", false, true, 2), ("c", true, false, 3), ("d", true, true, 9)]
    {
        let owner = if mine { user.id.as_str() } else { "someone" };
        app.record("tasks", json!({"id": id, "title": id, "done": done, "owner": owner, "rank": rank})).await;
    }
    (app, user)
}

fn matching(filter: &str, dry: bool) -> String {
    let mut parameters = vec![("filter", filter)];
    parameters.extend(dry.then_some(("dryRun", "true")));
    query(RECORDS, &parameters)
}

#[tokio::test]
async fn all_that_match_are_changed() {
    let (app, user) = tasks().await;
    let admin = app.admin().await;
    let body = json!({"title": "x", "rank": {"$increment": -1}});
    assert_eq!(admin.patch(&matching("done", true), body.clone()).await.ok(200), json!({"matched": 3, "dryRun": true}));
    assert_eq!(
        admin.get(&matching("title = 'x'", false)).await.ok(200)["items"],
        json!([]),
        "a dry run changes nothing"
    );
    assert_eq!(user.patch(&matching("done", false), body).await.ok(200), json!({"matched": 2, "dryRun": false}));
    let found = admin.get(&query(RECORDS, &[("filter", "title = 'x'"), ("fields", "id,rank,version")])).await.ok(200);
    assert_eq!(found["items"], json!([{"id": "a", "version": 2, "rank": 0}, {"id": "d", "version": 2, "rank": 8}]));
}

#[tokio::test]
async fn all_that_match_are_deleted() {
    let (app, user) = tasks().await;
    let admin = app.admin().await;
    assert_eq!(user.delete(&matching("done", true)).await.ok(200), json!({"matched": 2, "dryRun": true}));
    assert_eq!(user.delete(&matching("done", false)).await.ok(200), json!({"matched": 2, "dryRun": false}));
    assert_eq!(admin.delete(&matching("true", false)).await.ok(200), json!({"matched": 2, "dryRun": false}));
    assert_eq!(admin.get(RECORDS).await.ok(200)["items"], json!([]));
}

#[tokio::test]
async fn one_that_may_not_be_changed_refuses_all() {
    let (app, user) = tasks().await;
    app.admin().await.patch(&format!("{RECORDS}/d"), json!({"locked": true})).await.expect(200);
    let seq = app.store().snapshot().seq();
    user.patch(&matching("done", false), json!({"title": "x"})).await.problem(403, "forbidden");
    user.delete(&matching("done", false)).await.problem(403, "forbidden");
    app.admin()
        .await
        .patch(&matching("true", false), json!({"rank": {"$increment": 1}}))
        .await
        .invalid(&[("/rank", "too_large")]);
    app.admin()
        .await
        .patch(&matching("true", false), json!({"title": "far too long"}))
        .await
        .invalid(&[("/title", "too_long")]);
    assert_eq!(app.store().snapshot().seq(), seq, "nothing is written");
}

#[tokio::test]
async fn a_bulk_request_says_what_it_means() {
    let (app, user) = tasks().await;
    let admin = app.admin().await;
    let faults =
        [("", "filter", "required"), ("?filter=", "filter", "required"), ("?filter=done&dryRun=yes", "dryRun", "type")];
    for (parameters, name, code) in faults {
        let path = format!("{RECORDS}{parameters}");
        admin.patch(&path, json!({})).await.faults(400, "invalid_parameter", &[(name, code)]);
        admin.delete(&path).await.faults(400, "invalid_parameter", &[(name, code)]);
    }
    admin.delete(&format!("{RECORDS}?filter=done&limit=5")).await.faults(
        400,
        "invalid_parameter",
        &[("limit", "unknown_parameter")],
    );
    admin.delete(&matching("dome", false)).await.problem(400, "invalid_filter");
    app.guest().delete(&matching("true", false)).await.problem(401, "unauthenticated");
    let viewer = app.user("viewer", &["viewer"]).await;
    viewer.patch(&matching("owner = 'someone'", false), json!({"title": "x"})).await.problem(403, "forbidden");
    user.delete(&matching("owner = 'someone'", false)).await.ok(200);
    assert_eq!(admin.get(&format!("{RECORDS}/c")).await.ok(200)["id"], "c", "what is not seen does not match");
}
