//! Relations between collections: names follow, and nothing is left pointing at nothing.

use serde_json::json;

use super::{ALL, names};
use crate::support::TestApp;

async fn posts_by_authors(app: &TestApp) {
    let parent = json!({"name": "mentor", "type": "relation", "collection": "authors"});
    app.collection(json!({"name": "authors", "fields": [parent]})).await;
    let author = json!({"name": "author", "type": "relation", "collection": "authors", "onDelete": "setNull"});
    app.collection(json!({"name": "posts", "fields": [author]})).await;
    app.record("authors", json!({"id": "ann"})).await;
    app.record("authors", json!({"id": "bob", "mentor": "ann"})).await;
    app.record("posts", json!({"id": "one", "author": "ann"})).await;
}

#[tokio::test]
async fn relations_follow_a_new_name() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    posts_by_authors(&app).await;
    let renamed = admin.patch("/api/v1/collections/authors", json!({"name": "writers"})).await.ok(200);
    assert_eq!(renamed["name"], "writers");
    assert_eq!(names(&admin).await, ["posts", "users", "writers"]);
    let target = async |name: &str| {
        let def = admin.get(&format!("{ALL}/{name}")).await.ok(200);
        def["fields"][0]["collection"].as_str().unwrap().to_owned()
    };
    assert_eq!(target("posts").await, "writers");
    assert_eq!(target("writers").await, "writers", "its relation to itself too");

    admin.get("/api/v1/collections/authors/records").await.problem(404, "not_found");
    admin.get("/api/v1/collections/writers/records/ann").await.expect(200);
    app.record("posts", json!({"author": "bob"})).await;
    let lost = admin.post("/api/v1/collections/posts/records", json!({"author": "carl"})).await;
    lost.invalid(&[("/author", "not_found")]);
    admin.delete("/api/v1/collections/writers/records/ann").await.problem(409, "conflict");
    admin.delete("/api/v1/collections/writers/records/bob").await.expect(204);
    admin.delete("/api/v1/collections/writers/records/ann").await.expect(204);
    let post = admin.get("/api/v1/collections/posts/records/one").await.ok(200);
    assert_eq!(post["author"], json!(null), "what becomes of a post follows as well");
}

#[tokio::test]
async fn a_name_can_change_together_with_fields_that_still_say_the_old_one() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    posts_by_authors(&app).await;
    let fields =
        json!([{"name": "mentor", "type": "relation", "collection": "authors"}, {"name": "n", "type": "integer"}]);
    admin.patch("/api/v1/collections/authors", json!({"name": "writers", "fields": fields})).await.ok(200);
    let def = app.settled("writers").await;
    assert_eq!(def["fields"][0]["collection"], "writers");
    app.record("writers", json!({"mentor": "ann", "n": 1})).await;
}

#[tokio::test]
async fn a_collection_that_others_point_at_stays() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    posts_by_authors(&app).await;
    let problem = admin.delete("/api/v1/collections/authors").await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("posts.author"), "{problem}");
    admin.get("/api/v1/collections/authors/records/ann").await.expect(200);

    admin.delete("/api/v1/collections/posts").await.expect(204);
    admin.delete("/api/v1/collections/authors").await.expect(204);
    assert_eq!(names(&admin).await, ["users"], "a relation to itself keeps nothing");
}

/// A rule that leads back names the collection: it would open nothing, or nothing as its author meant, under another name.
#[tokio::test]
async fn a_name_that_rules_and_views_lead_back_by_stays_unless_they_change_as_well() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    posts_by_authors(&app).await;
    let back = |name: &str| json!({"list": format!("any({name}_via_author.id) = \"one\"")});
    admin.patch("/api/v1/collections/authors", json!({"rules": back("posts")})).await.ok(200);
    let rename = admin.patch("/api/v1/collections/posts", json!({"name": "articles"})).await;
    let refused = rename.invalid(&[("/name", "in_use")]);
    assert!(refused["errors"][0]["detail"].as_str().unwrap().contains("/rules/list of authors"), "{refused}");
    // Its own rules lead back to itself by the new name.
    let own = json!({"name": "writers", "rules": {"list": "any(authors_via_mentor.id) = \"bob\""}});
    admin.patch("/api/v1/collections/authors", own).await.invalid(&[("/rules/list", "invalid")]);
    // All at once it can be done.
    let author = json!({"name": "author", "type": "relation", "collection": "authors", "onDelete": "setNull"});
    let mentor = json!({"name": "mentor", "type": "relation", "collection": "authors"});
    let whole = json!({"collections": [
        {"name": "articles", "renamedFrom": "posts", "fields": [author]},
        {"name": "authors", "fields": [mentor], "rules": back("articles")},
    ]});
    admin.post("/api/v1/schema/apply", whole).await.ok(200);
    let ann = app.user("ann", &["user"]).await;
    let seen = ann.get("/api/v1/collections/authors/records").await.ok(200);
    assert_eq!(seen["items"][0]["id"], "ann");
}
