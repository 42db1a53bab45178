//! Collections of every kind with fields of every type, rules, indexes, records and users.

use hyper::Method;
use serde_json::{Value, json};

use super::server::{PocketBase, text};

/// An address and a password.
pub(super) const ANN: (&str, &str) = ("ann@example.com", "the old password of ann");
pub(super) const BOB: (&str, &str) = ("bob@example.com", "the old password of bob");

/// What was made.
pub(super) struct Fixture {
    pub(super) ann: String,
    pub(super) bob: String,
    /// A post with a value in every field, as PocketBase shows it.
    pub(super) full: Value,
    /// The id of a post with nothing but what is required.
    pub(super) bare: String,
    /// Nodes of the tree by name, each with its parent.
    pub(super) parents: Vec<(String, Value)>,
    pub(super) left_updated: String,
}

fn times() -> [Value; 2] {
    let created = json!({"name": "created", "type": "autodate", "onCreate": true});
    [created, json!({"name": "updated", "type": "autodate", "onCreate": true, "onUpdate": true})]
}

fn with_times(mut fields: Vec<Value>) -> Value {
    fields.extend(times());
    fields.into()
}

impl Fixture {
    pub(super) async fn make(to: &mut PocketBase) -> Self {
        let (ann, bob) = users(to).await;
        let jobs = json!({
            "name": "jobs", "type": "base", "fields": [{"name": "name", "type": "text"}],
        });
        let jobs = to.collection(&jobs).await;
        to.collection(&posts(&jobs)).await;
        let rules = json!({
            "listRule": "posts_via_job.title ?~ 'x'",
            "updateRule": "@collection.posts.title = name",
        });
        to.call(Method::PATCH, "/api/collections/jobs", &rules).await;
        let view = json!({"name": "titles", "type": "view", "viewQuery": "SELECT id, title FROM posts"});
        to.collection(&view).await;
        to.collection(&json!({"name": "staff", "type": "auth"})).await;
        let password = "a password of sam";
        let sam = json!({"email": "sam@example.com", "password": password, "passwordConfirm": password});
        to.record("staff", &sam).await;

        let (full, bare) = records(to, &ann, &bob).await;
        let parents = tree(to).await;
        let left_updated = circle(to).await;
        Self { ann, bob, full, bare, parents, left_updated }
    }
}

async fn users(to: &mut PocketBase) -> (String, String) {
    let users = to.call(Method::GET, "/api/collections/users", &Value::Null).await;
    let mut fields = users["fields"].as_array().unwrap().clone();
    fields.push(json!({"name": "username", "type": "text", "max": 50}));
    fields.push(json!({"name": "score", "type": "number"}));
    let mut indexes = users["indexes"].as_array().unwrap().clone();
    indexes.push("CREATE UNIQUE INDEX `idx_username` ON `users` (`username`)".into());
    let signed_in = "@request.auth.id != ''";
    let change = json!({"fields": fields, "indexes": indexes, "listRule": signed_in, "viewRule": signed_in});
    to.call(Method::PATCH, "/api/collections/users", &change).await;
    let mut ids = Vec::new();
    for ((email, password), name, seen) in [(ANN, "Ann", true), (BOB, "Bob", false)] {
        let user = json!({
            "email": email, "password": password, "passwordConfirm": password, "name": name, "emailVisibility": seen,
            "verified": seen, "username": format!("{}_1", name.to_lowercase()), "score": 4.5,
        });
        ids.push(text(&to.record("users", &user).await["id"]));
    }
    let bob = ids.pop().unwrap();
    (ids.pop().unwrap(), bob)
}

fn posts(jobs: &str) -> Value {
    let users = "_pb_users_auth_";
    let fields = vec![
        json!({"name": "title", "type": "text", "required": true, "min": 3, "max": 200}),
        json!({"name": "body", "type": "editor"}),
        json!({"name": "slug", "type": "text", "pattern": "^[a-z-]+$"}),
        json!({"name": "version", "type": "number", "onlyInt": true, "min": 0, "max": 100}),
        json!({"name": "rating", "type": "number", "min": 1, "max": 5}),
        json!({"name": "published", "type": "bool"}),
        json!({"name": "mail", "type": "email"}),
        json!({"name": "site", "type": "url"}),
        json!({"name": "due", "type": "date", "min": "2020-01-01 00:00:00.000Z"}),
        json!({"name": "touched", "type": "autodate", "onUpdate": true, "onCreate": true}),
        json!({"name": "status", "type": "select", "values": ["draft", "done"], "maxSelect": 1}),
        json!({"name": "tags", "type": "select", "values": ["red", "green", "blue"], "maxSelect": 3}),
        json!({"name": "cover", "type": "file", "maxSelect": 1}),
        json!({"name": "papers", "type": "file", "maxSelect": 5}),
        json!({
            "name": "author", "type": "relation", "collectionId": users, "maxSelect": 1, "required": true,
            "cascadeDelete": true,
        }),
        json!({"name": "members", "type": "relation", "collectionId": users, "maxSelect": 10}),
        json!({"name": "job", "type": "relation", "collectionId": jobs, "maxSelect": 1}),
        json!({"name": "meta", "type": "json", "maxSize": 1000}),
        json!({"name": "place", "type": "geoPoint"}),
        json!({"name": "secret", "type": "text", "hidden": true}),
    ];
    json!({
        "name": "posts", "type": "base", "fields": with_times(fields),
        "indexes": [
            "CREATE UNIQUE INDEX `idx_slug` ON `posts` (`slug`)",
            "CREATE INDEX `idx_status` ON `posts` (`status`, `created` DESC)",
            "CREATE INDEX `idx_lower` ON `posts` (lower(`title`))",
            "CREATE INDEX `idx_where` ON `posts` (`due`) WHERE `published` = 1",
            "CREATE INDEX `idx_collate` ON `posts` (`title` COLLATE NOCASE)",
        ],
        "listRule": "published = true || author = @request.auth.id || members.id ?= @request.auth.id",
        "viewRule": "author.name != '' && due <= @now",
        "createRule": "@request.body.author = @request.auth.id",
        "updateRule": "author = @request.auth.id && tags:length < 3",
        "deleteRule": "@request.auth.verified = true",
    })
}

async fn records(to: &mut PocketBase, ann: &str, bob: &str) -> (Value, String) {
    let job = to.record("jobs", &json!({"name": "a job"})).await;
    let full = json!({
        "title": "Everything — ünïcödé \"quoted\"", "body": "<p>long\ntext</p>", "slug": "every-thing", "version": 7,
        "rating": 2.5, "published": false, "mail": "ann@example.com", "site": "https://example.com/a?b=c",
        "due": "2022-01-02 03:04:05.678Z", "status": "done", "tags": ["red", "blue"], "author": ann, "members": [bob, ann],
        "job": job["id"], "meta": {"a": [1, null, {"b": "c"}]}, "place": {"lon": 8.25, "lat": 46.5}, "secret": "x",
    });
    let id = text(&to.record("posts", &full).await["id"]);
    let full = to.upload("posts", &id, &[("cover", "cover.txt"), ("papers", "a.txt"), ("papers", "b.txt")]).await;
    let bare = to.record("posts", &json!({"title": "Bare", "author": ann})).await;
    let open = json!({"title": "Open", "author": bob, "published": true, "slug": "open"});
    to.record("posts", &open).await;
    (full, text(&bare["id"]))
}

/// Nodes that point at others of their own collection, one at itself, the first at one that comes later.
async fn tree(to: &mut PocketBase) -> Vec<(String, Value)> {
    let id =
        to.collection(&json!({"name": "tree", "type": "base", "fields": [{"name": "name", "type": "text"}]})).await;
    let fields = to.call(Method::GET, "/api/collections/tree", &Value::Null).await["fields"].clone();
    let mut fields = fields.as_array().unwrap().clone();
    fields.push(json!({"name": "parent", "type": "relation", "collectionId": id, "maxSelect": 1}));
    to.call(Method::PATCH, "/api/collections/tree", &json!({"fields": fields})).await;
    let leaf = text(&to.record("tree", &json!({"name": "leaf"})).await["id"]);
    let root = text(&to.record("tree", &json!({"name": "root"})).await["id"]);
    let own = text(&to.record("tree", &json!({"name": "self"})).await["id"]);
    for (node, parent) in [(&leaf, &root), (&own, &own)] {
        let path = format!("/api/collections/tree/records/{node}");
        to.call(Method::PATCH, &path, &json!({"parent": parent})).await;
    }
    vec![("leaf".into(), root.into()), ("root".into(), Value::Null), ("self".into(), own.into())]
}

/// Two collections that point at each other, one of which must.
async fn circle(to: &mut PocketBase) -> String {
    let left = to.collection(&json!({"name": "left", "type": "base", "fields": times()})).await;
    let relation = |name: &str, to: &str, required: bool| json!({"name": name, "type": "relation", "collectionId": to, "maxSelect": 1, "required": required});
    let right = json!({"name": "right", "type": "base", "fields": with_times(vec![relation("left", &left, true)])});
    let right = to.collection(&right).await;
    let fields = to.call(Method::GET, "/api/collections/left", &Value::Null).await["fields"].clone();
    let mut fields = fields.as_array().unwrap().clone();
    fields.push(relation("right", &right, true));
    let one = text(&to.record("left", &json!({})).await["id"]);
    to.call(Method::PATCH, "/api/collections/left", &json!({"fields": fields})).await;
    let other = to.record("right", &json!({"left": one})).await;
    let path = format!("/api/collections/left/records/{one}");
    text(&to.call(Method::PATCH, &path, &json!({"right": other["id"]})).await["updated"])
}
