//! A whole schema at once: who may, what differs, and that all of it comes about or nothing.

use serde_json::{Value, json};

use super::names;
use crate::support::{Client, TestApp};

const PLAN: &str = "/api/v1/schema/plan";
const APPLY: &str = "/api/v1/schema/apply";

fn string(name: &str) -> Value {
    json!({"name": name, "type": "string"})
}

fn relation(name: &str, to: &str) -> Value {
    json!({"name": name, "type": "relation", "collection": to})
}

/// The steps of a plan: collection, action, name, effect.
fn steps(plan: &Value) -> Vec<[String; 4]> {
    let text = |step: &Value, name: &str| step[name].as_str().unwrap_or_default().to_owned();
    let steps = plan["steps"].as_array().unwrap().iter();
    steps.map(|step| ["collection", "action", "name", "effect"].map(|name| text(step, name))).collect()
}

async fn plan(client: &Client, collections: Value) -> Value {
    client.post(PLAN, json!({"collections": collections})).await.ok(200)
}

async fn apply(client: &Client, collections: Value) -> Value {
    client.post(APPLY, json!({"collections": collections})).await.ok(200)
}

#[tokio::test]
async fn only_who_may_do_everything_to_collections_may() {
    let app = TestApp::start().await;
    let body = json!({"collections": [{"name": "posts"}]});
    for path in [PLAN, APPLY] {
        app.guest().post(path, body.clone()).await.problem(401, "unauthenticated");
        for role in ["manager", "user", "viewer"] {
            app.user(role, &[role]).await.post(path, body.clone()).await.problem(403, "forbidden");
        }
    }
    let admin = app.admin().await;
    assert_eq!(names(&admin).await, ["users"]);
    admin.post(PLAN, body.clone()).await.ok(200);
    assert_eq!(names(&admin).await, ["users"], "a plan changes nothing");
    admin.post(APPLY, body).await.ok(200);
    assert_eq!(names(&admin).await, ["posts", "users"]);
}

#[tokio::test]
async fn a_plan_names_every_difference() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.collection(json!({
        "name": "posts",
        "description": "Old.",
        "fields": [
            {"name": "title", "type": "string", "max": 10},
            {"name": "views", "type": "integer"},
            string("gone"),
            {"name": "kept", "type": "string", "nullable": true},
        ],
        "indexes": [{"fields": ["views", "title"]}],
        "rules": {"list": "views > 1", "read": "views > 1"},
    }))
    .await;
    app.collection(json!({"name": "extra"})).await;
    let wanted = json!([
        {
            "name": "posts",
            "description": "New.",
            "fields": [
                {"name": "count", "type": "integer", "renamedFrom": "views"},
                {"name": "title", "type": "string", "max": 20},
                string("kept"),
                string("more"),
            ],
            "indexes": [{"fields": ["-count"]}],
            "rules": {"list": "count > 1", "create": "count > 2"},
        },
        {"name": "tags", "fields": [string("name")]},
    ]);
    let planned = plan(&admin, wanted.clone()).await;
    let expected = [
        ["posts", "changeDescription", "", "safe"],
        ["posts", "renameField", "count", "safe"],
        ["posts", "dropField", "gone", "destructive"],
        ["posts", "changeField", "title", "safe"],
        ["posts", "addField", "more", "safe"],
        ["posts", "moveFields", "", "safe"],
        ["posts", "dropIndex", "", "safe"],
        ["posts", "addIndex", "", "safe"],
        ["posts", "changeRule", "list", "safe"],
        ["posts", "changeRule", "read", "safe"],
        ["posts", "changeRule", "create", "safe"],
        ["tags", "createCollection", "", "safe"],
        ["tags", "addField", "name", "safe"],
    ];
    assert_eq!(steps(&planned), expected.map(|step| step.map(str::to_owned)));
    assert_eq!(planned["summary"], json!({"create": 1, "change": 1, "delete": 0, "destructive": 1}));
    assert_eq!(planned["steps"][3]["before"], json!({"max": 10}));
    assert_eq!(planned["steps"][3]["after"], json!({"max": 20}));

    let pruned = admin.post(PLAN, json!({"collections": wanted, "prune": true})).await.ok(200);
    assert_eq!(
        steps(&pruned).last().unwrap().each_ref().map(String::as_str),
        ["extra", "deleteCollection", "", "destructive"]
    );

    let applied = admin
        .post(APPLY, json!({"collections": wanted, "prune": true, "allowDestructive": true, "base": pruned["base"]}))
        .await
        .ok(200);
    assert_eq!(steps(&applied), steps(&pruned));
    assert_eq!(names(&admin).await, ["posts", "tags", "users"]);
    let again = plan(&admin, wanted).await;
    assert_eq!(steps(&again), Vec::<[String; 4]>::new(), "nothing differs any more");
    assert_eq!(again["base"], applied["base"]);
}

#[tokio::test]
async fn one_fault_leaves_nothing_and_every_fault_is_named() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "posts", "fields": [string("title")]})).await;
    app.record("posts", json!({"id": "long", "title": "a long title"})).await;
    let before = admin.get(super::ALL).await.ok(200);
    let faulty = json!([
        {"name": "good", "fields": [string("a")]},
        {"name": "bad", "fields": [{"name": "a", "type": "strnig"}], "indexes": []},
        {"name": "worse", "fields": [relation("to", "nowhere")]},
        {"name": "posts", "fields": [string("title")], "rules": {"list": "nothing = 1"}},
        {"fields": []},
    ]);
    let faults = [
        ("/collections/1/fields/0/type", "invalid"),
        ("/collections/2/fields/0/collection", "not_found"),
        ("/collections/3/rules/list", "invalid"),
        ("/collections/4/name", "required"),
    ];
    for path in [PLAN, APPLY] {
        admin.post(path, json!({"collections": faulty})).await.invalid(&faults);
    }
    let misfit = json!([
        {"name": "good"},
        {"name": "posts", "fields": [{"name": "title", "type": "string", "max": 5}]},
    ]);
    for path in [PLAN, APPLY] {
        let problem = admin.post(path, json!({"collections": misfit})).await;
        let problem = problem.invalid(&[("/collections/1/fields/0", "data_misfit")]);
        assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("long"), "{problem}");
    }
    // A fault that only the transaction can find.
    let nobody = json!([{"name": "good"}, {"name": "posts", "fields": [relation("title", "good")]}]);
    let problem = admin.post(APPLY, json!({"collections": nobody})).await;
    problem.invalid(&[("/collections/1/fields/0", "data_misfit")]);
    let twice = json!([{"name": "good"}, {"name": "good"}]);
    admin.post(APPLY, json!({"collections": twice})).await.invalid(&[("/collections/0/name", "unique")]);
    assert_eq!(admin.get(super::ALL).await.ok(200), before);
}

#[tokio::test]
async fn collections_that_point_at_each_other_are_made_together() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let wanted = json!([
        {"name": "authors", "fields": [string("name"), relation("best", "books")]},
        {"name": "books", "fields": [relation("author", "authors"), relation("next", "books")]},
    ]);
    apply(&admin, wanted.clone()).await;
    app.record("authors", json!({"id": "ann"})).await;
    app.record("books", json!({"id": "b", "author": "ann"})).await;
    admin.patch("/api/v1/collections/authors/records/ann", json!({"best": "b"})).await.ok(200);
    admin.delete("/api/v1/collections/books/records/b").await.problem(409, "conflict");
    assert_eq!(plan(&admin, wanted).await["steps"], json!([]));

    let none = json!({"collections": [], "prune": true, "allowDestructive": true});
    admin.post(APPLY, none).await.ok(200);
    assert_eq!(names(&admin).await, ["users"], "they go together too");
}

#[tokio::test]
async fn a_renamed_collection_keeps_its_records_and_what_points_at_it() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "posts", "fields": [string("title"), relation("prior", "posts")]})).await;
    app.collection(json!({"name": "comments", "fields": [relation("post", "posts")]})).await;
    app.collection(json!({"name": "likes", "fields": [relation("post", "posts")]})).await;
    app.record("posts", json!({"id": "p", "title": "a"})).await;
    for name in ["comments", "likes"] {
        app.record(name, json!({"id": "c", "post": "p"})).await;
    }
    // The old name is given to a new collection in the same step; likes are not mentioned.
    let wanted = json!([
        {"name": "articles", "renamedFrom": "posts",
         "fields": [{"name": "headline", "type": "string", "renamedFrom": "title"}, relation("prior", "articles")]},
        {"name": "posts"},
        {"name": "comments", "fields": [relation("post", "articles")]},
    ]);
    let applied = apply(&admin, wanted.clone()).await;
    let expected = [
        ["articles", "renameCollection", "", "safe"],
        ["articles", "renameField", "headline", "safe"],
        ["posts", "createCollection", "", "safe"],
    ];
    assert_eq!(steps(&applied), expected.map(|step| step.map(str::to_owned)));
    assert_eq!(admin.get("/api/v1/collections/articles/records/p").await.ok(200)["headline"], "a");
    admin.get("/api/v1/collections/posts/records/p").await.problem(404, "not_found");
    for name in ["comments", "likes", "articles"] {
        let def = admin.get(&format!("/api/v1/collections/{name}")).await.ok(200);
        let fields = def["fields"].as_array().unwrap();
        assert!(fields.iter().any(|field| field["collection"] == "articles"), "{def}");
    }
    admin.delete("/api/v1/collections/articles/records/p").await.problem(409, "conflict");
    app.settled("articles").await;
    assert_eq!(plan(&admin, wanted).await["steps"], json!([]), "the rename is done");

    let lost = json!([{"name": "comments", "fields": [relation("post", "posts")]}]);
    let problem = admin.post(APPLY, json!({"collections": lost})).await;
    problem.invalid(&[("/collections/0/fields/0", "data_misfit")]);
}

#[tokio::test]
async fn values_are_lost_only_where_that_is_allowed() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "posts", "fields": [string("title"), string("note")]})).await;
    app.collection(json!({"name": "tags"})).await;
    app.record("posts", json!({"id": "p", "title": "a", "note": "b"})).await;
    let wanted = json!([{"name": "posts", "fields": [string("title")]}, {"name": "new"}]);
    let problem = admin.post(APPLY, json!({"collections": wanted, "prune": true})).await.problem(409, "conflict");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("posts: drop field note") && detail.contains("tags: delete the collection"), "{detail}");
    assert_eq!(names(&admin).await, ["posts", "tags", "users"]);
    assert_eq!(admin.get("/api/v1/collections/posts/records/p").await.ok(200)["note"], "b");
    admin.post(APPLY, json!({"collections": wanted, "allowDestructive": true})).await.ok(200);
    assert_eq!(names(&admin).await, ["new", "posts", "tags", "users"], "what is not mentioned stays");
    assert_eq!(admin.get("/api/v1/collections/posts/records/p").await.ok(200).get("note"), None);
}

#[tokio::test]
async fn a_plan_that_is_out_of_date_is_not_carried_out() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "posts", "fields": [string("title")]})).await;
    let wanted = json!([{"name": "posts", "fields": [string("title"), string("note")]}]);
    let base = plan(&admin, wanted.clone()).await["base"].clone();
    let rules = json!({"rules": {"list": "title != null"}});
    admin.patch("/api/v1/collections/posts", rules).await.ok(200);
    let body = json!({"collections": wanted, "base": base});
    admin.post(APPLY, body).await.problem(409, "conflict");
    assert_eq!(plan(&admin, wanted.clone()).await["steps"].as_array().unwrap().len(), 2);

    // Records and background work do not count.
    let base = plan(&admin, wanted.clone()).await["base"].clone();
    app.record("posts", json!({"title": "a"})).await;
    admin.post(APPLY, json!({"collections": wanted, "base": base})).await.ok(200);
    admin.post(APPLY, json!({"collections": wanted, "bsae": base})).await.problem(422, "validation_failed");
}

#[tokio::test]
async fn a_system_collection_gets_more_and_never_goes() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let wanted = json!([{"name": "users", "fields": [string("nickname")]}]);
    let applied = apply(&admin, wanted.clone()).await;
    assert_eq!(steps(&applied), [["users", "addField", "nickname", "safe"].map(str::to_owned)]);
    app.settled("users").await;
    assert_eq!(plan(&admin, wanted).await["steps"], json!([]));
    admin.get("/api/v1/collections/users").await.ok(200);
    let refused = [
        json!([{"name": "users", "fields": [{"name": "email", "type": "string"}]}]),
        json!([{"name": "people", "renamedFrom": "users"}]),
    ];
    for wanted in refused {
        let problem = admin.post(APPLY, json!({"collections": wanted, "allowDestructive": true})).await;
        let problem = problem.problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["code"], "reserved", "{problem}");
    }
    // A collection that is not mentioned may not come to point at nothing.
    app.collection(json!({"name": "teams"})).await;
    apply(&admin, json!([{"name": "users", "fields": [string("nickname"), relation("team", "teams")]}])).await;
    app.settled("users").await;
    let problem = admin.post(APPLY, json!({"collections": [], "prune": true, "allowDestructive": true})).await;
    let problem = problem.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("teams"), "{problem}");
    assert_eq!(names(&admin).await, ["teams", "users"]);
}
