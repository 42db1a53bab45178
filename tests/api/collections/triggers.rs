//! Triggers as parts of definitions: what fits, what follows a rename, and what they keep from being changed.

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const COLLECTIONS: &str = "/api/v1/collections";
const POSTS: &str = "/api/v1/collections/posts";

async fn posts() -> (TestApp, Client) {
    let app = TestApp::start().await;
    app.collection(json!({"name": "topics", "fields": [{"name": "name", "type": "string"}]})).await;
    let fields = json!([
        {"name": "title", "type": "string"},
        {"name": "secret", "type": "string", "hidden": true},
        {"name": "topic", "type": "relation", "collection": "topics"},
    ]);
    app.collection(json!({"name": "posts", "fields": fields})).await;
    let admin = app.admin().await;
    (app, admin)
}

fn trigger(more: &Value) -> Value {
    let mut trigger = json!({"on": ["create"], "queue": "sync", "kind": "k"});
    trigger.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    trigger
}

fn triggers(more: &[Value]) -> Value {
    json!({"triggers": more.iter().map(trigger).collect::<Vec<_>>()})
}

#[tokio::test]
async fn what_does_not_fit_is_named() {
    let (_app, admin) = posts().await;
    for (more, at, code) in [
        (json!({"on": []}), "/triggers/0/on", "items"),
        (json!({"on": ["create", "create"]}), "/triggers/0/on", "items"),
        (json!({"queue": "none"}), "/triggers/0/queue", "not_found"),
        (json!({"kind": ""}), "/triggers/0/kind", "too_short"),
        (json!({"priority": 1001}), "/triggers/0/priority", "too_large"),
        (json!({"delaySeconds": 31_622_401}), "/triggers/0/delaySeconds", "too_large"),
        (json!({"fields": ["none"]}), "/triggers/0/fields/0", "not_found"),
        (json!({"fields": ["title", "title"]}), "/triggers/0/fields/1", "unique"),
        (json!({"fields": ["secret"]}), "/triggers/0/fields/0", "hidden"),
        (json!({"fields": ["id"]}), "/triggers/0/fields/0", "reserved"),
        (json!({"payload": {"to": [{"$field": "none"}]}}), "/triggers/0/payload/to/0", "not_found"),
        (json!({"payload": {"$field": "secret"}}), "/triggers/0/payload", "hidden"),
        (json!({"payload": {}, "fields": []}), "/triggers/0/fields", "conflict"),
        (json!({"payload": "x".repeat(70_000)}), "/triggers/0/payload", "too_long"),
        (json!({"when": "none = 1"}), "/triggers/0/when", "invalid"),
        (json!({"when": "title = @auth.id"}), "/triggers/0/when", "invalid"),
        (json!({"when": "@request.body.title = 'a'"}), "/triggers/0/when", "invalid"),
    ] {
        admin.patch(POSTS, triggers(&[more])).await.invalid(&[(at, code)]);
    }
    admin.patch(POSTS, triggers(&vec![json!({}); 21])).await.invalid(&[("/triggers", "items")]);
    admin.patch(POSTS, triggers(&[json!({"on": ["drop"]})])).await.expect(422);
    let both = json!({"triggers": [trigger(&json!({"queue": "none"}))], "rules": {"list": "none = 1"}});
    admin.patch(POSTS, both.clone()).await.invalid(&[("/rules/list", "invalid"), ("/triggers/0/queue", "not_found")]);
    let whole = json!({"collections": [{"name": "new", "triggers": both["triggers"]}]});
    admin.post("/api/v1/schema/plan", whole).await.invalid(&[("/collections/0/triggers/0/queue", "not_found")]);
    let view = json!({"name": "v", "view": {"from": "posts"}, "triggers": both["triggers"]});
    admin.post(COLLECTIONS, view).await.invalid(&[("/triggers", "invalid")]);
    assert!(admin.get(POSTS).await.ok(200).get("triggers").is_none());
}

#[tokio::test]
async fn they_follow_what_is_renamed_and_hold_what_they_need() {
    let (_app, admin) = posts().await;
    let given =
        [json!({"fields": ["title"]}), json!({"when": "topic.name = 'a'", "on": ["create", "delete"], "serial": true})];
    let stored = admin.patch(POSTS, triggers(&given)).await.ok(200)["triggers"].clone();
    assert_eq!(stored, json!(given.iter().map(trigger).collect::<Vec<_>>()));
    let fields = json!([
        {"name": "headline", "type": "string", "renamedFrom": "title"},
        {"name": "topic", "type": "relation", "collection": "topics"},
    ]);
    let renamed = admin.patch(POSTS, json!({"fields": fields})).await.ok(200);
    assert_eq!(renamed["triggers"][0]["fields"], json!(["headline"]));
    admin.patch(POSTS, json!({"fields": [fields[1]]})).await.invalid(&[("/triggers/0/fields/0", "not_found")]);
    admin.patch(POSTS, json!({"fields": [fields[0]]})).await.invalid(&[("/triggers/1/when", "invalid")]);
    let other = json!({"fields": [{"name": "label", "type": "string", "renamedFrom": "name"}]});
    admin.patch("/api/v1/collections/topics", other).await.invalid(&[("/fields", "in_use")]);
}

#[tokio::test]
async fn a_queue_stays_while_a_trigger_needs_it() {
    let (_app, admin) = posts().await;
    admin.post("/api/v1/queues", json!({"name": "news"})).await.ok(201);
    admin.patch(POSTS, triggers(&[json!({"queue": "news"})])).await.ok(200);
    let told = admin.delete("/api/v1/queues/news").await.problem(409, "conflict");
    assert_eq!(told["detail"], "triggers of posts make jobs in this queue; change them first");
    admin.patch(POSTS, json!({"triggers": []})).await.ok(200);
    admin.delete("/api/v1/queues/news").await.expect(204);
}

#[tokio::test]
async fn a_whole_schema_has_them() {
    let (_app, admin) = posts().await;
    let with = |kind: &str| {
        let fields = json!([{"name": "name", "type": "string"}]);
        json!({"collections": [{"name": "topics", "fields": fields, "triggers": [trigger(&json!({"kind": kind}))]}]})
    };
    let planned = admin.post("/api/v1/schema/plan", with("a")).await.ok(200);
    let step = json!({"collection": "topics", "action": "changeTriggers", "after": [trigger(&json!({"kind": "a"}))], "effect": "safe"});
    assert_eq!(planned["steps"], json!([step]));
    let applied = admin.post("/api/v1/schema/apply", with("a")).await.ok(200);
    let again = admin.post("/api/v1/schema/plan", with("a")).await.ok(200);
    assert_eq!((&again["steps"], &again["base"]), (&json!([]), &applied["base"]));
    let other = admin.post("/api/v1/schema/plan", with("b")).await.ok(200);
    assert_eq!(other["steps"][0]["before"][0]["kind"], "a");
    let users = json!({"collections": [{"name": "users", "triggers": [trigger(&json!({"queue": "emails", "kind": "welcome"}))]}]});
    admin.post("/api/v1/schema/apply", users).await.ok(200);
    admin.post("/api/v1/collections/users/records", json!({"email": "new@example.com"})).await.ok(201);
    let jobs = admin.get("/api/v1/jobs?queue=emails").await.ok(200);
    assert_eq!(jobs["items"][0]["kind"], "welcome");
}

#[tokio::test]
async fn a_payload_follows_what_is_renamed_and_holds_what_it_needs() {
    let (_app, admin) = posts().await;
    let payload = json!({"subject": {"$field": "title"}, "more": [{"$field": "title", "other": 1}, "$field"]});
    let stored = admin.patch(POSTS, triggers(&[json!({"payload": payload})])).await.ok(200);
    assert_eq!(stored["triggers"][0]["payload"], payload);
    let mut fields = stored["fields"].clone();
    let at = fields.as_array().unwrap().iter().position(|field| field["name"] == "title").unwrap();
    let title = fields[at].clone();
    fields[at]["name"] = json!("heading");
    fields[at]["renamedFrom"] = json!("title");
    let renamed = admin.patch(POSTS, json!({"fields": fields})).await.ok(200);
    // What only looks like a field stays.
    let expected = json!({"subject": {"$field": "heading"}, "more": [{"$field": "title", "other": 1}, "$field"]});
    assert_eq!(renamed["triggers"][0]["payload"], expected);
    fields.as_array_mut().unwrap().remove(at);
    drop(title);
    admin.patch(POSTS, json!({"fields": fields})).await.invalid(&[("/triggers/0/payload/subject", "not_found")]);
}

#[tokio::test]
async fn kinds_of_the_server_s_own_take_their_permission() {
    let (app, admin) = posts().await;
    let made = json!({"name": "author", "permissions": ["collections:*", "webhooks:create"]});
    admin.post("/api/v1/roles", made).await.ok(201);
    let author = app.user("author", &["author"]).await;
    let with = |kind: &str| triggers(&[json!({"kind": kind, "payload": {}})]);
    author.patch(POSTS, with("email.send")).await.problem(403, "forbidden");
    author.patch(POSTS, with("webhook.deliver")).await.ok(200);
    author.patch(POSTS, with("some.kind")).await.ok(200);
    let whole = json!({"collections": [{"name": "new", "triggers": with("email.send")["triggers"]}]});
    author.post("/api/v1/schema/apply", whole.clone()).await.problem(403, "forbidden");
    author.post(COLLECTIONS, whole["collections"][0].clone()).await.problem(403, "forbidden");
    admin.post(COLLECTIONS, whole["collections"][0].clone()).await.ok(201);
}
