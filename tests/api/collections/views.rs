//! Definitions of views: what is refused, what a change of the collection beneath means, and whole schemas with views.

use serde_json::{Value, json};

use super::{ALL, names};
use crate::support::{Client, Faults, TestApp};

const PLAN: &str = "/api/v1/schema/plan";
const APPLY: &str = "/api/v1/schema/apply";

fn posts() -> Value {
    json!({"name": "posts", "fields": [
        {"name": "title", "type": "string"},
        {"name": "published", "type": "boolean"},
        {"name": "views", "type": "integer"},
        {"name": "secret", "type": "string", "hidden": true},
        {"name": "author", "type": "relation", "collection": "users"},
        {"name": "extra", "type": "json"},
    ]})
}

fn published() -> Value {
    json!({
        "name": "publishedPosts",
        "view": {"from": "posts", "filter": "published && secret = null", "fields": ["title", "author"]},
        "rules": {"list": "true", "read": "author = @auth.id"},
    })
}

fn by_author() -> Value {
    json!({
        "name": "postsByAuthor",
        "view": {"from": "posts", "select": "count, sum(views) as views", "group": "author.email", "having": "count > 0"},
        "rules": {"list": "\"user\" in @auth.roles"},
    })
}

async fn with_posts() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.collection(posts()).await;
    (app, admin)
}

fn view(view: Value) -> Value {
    json!({"name": "v", "view": view})
}

#[tokio::test]
async fn a_view_is_defined_read_changed_renamed_and_deleted() {
    let (app, admin) = with_posts().await;
    let made = app.collection(published()).await;
    assert_eq!((&made["view"], &made["fields"], &made["indexes"]), (&published()["view"], &json!([]), &json!([])));
    assert_eq!(names(&admin).await, ["posts", "publishedPosts", "users"]);
    let path = format!("{ALL}/publishedPosts");
    assert_eq!(admin.get(&path).await.ok(200), made);
    let narrower = json!({"from": "posts", "filter": "published && views > 5"});
    let changed = admin.patch(&path, json!({"view": narrower})).await.ok(200);
    assert_eq!((&changed["view"], &changed["rules"], &changed["number"]), (&narrower, &made["rules"], &made["number"]));
    admin.patch(&path, json!({"name": "readable"})).await.ok(200);
    admin.get("/api/v1/collections/readable/records").await.ok(200);
    admin.get(&path).await.problem(404, "not_found");
    for role in ["manager", "viewer", "user"] {
        let client = app.user(role, &[role]).await;
        client.post(ALL, by_author()).await.problem(403, "forbidden");
        client.patch(&format!("{ALL}/readable"), json!({"view": narrower})).await.problem(403, "forbidden");
    }
    admin.delete(&format!("{ALL}/readable")).await.expect(204);
    assert_eq!(names(&admin).await, ["posts", "users"]);
    let app = app.restart().await;
    assert_eq!(names(&app.operator()).await, ["posts", "users"]);
}

#[tokio::test]
async fn every_fault_of_a_view_is_told() {
    let (app, admin) = with_posts().await;
    app.collection(published()).await;
    let rows: &[(Value, Faults<'_>)] = &[
        (view(json!({"from": "nothing"})), &[("/view/from", "not_found")]),
        (view(json!({"from": "publishedPosts"})), &[("/view/from", "not_found")]),
        (
            view(
                json!({"from": "posts", "filter": "nonsense = 1", "fields": ["title", "secret", "no", "title", "id"]}),
            ),
            &[
                ("/view/filter", "invalid"),
                ("/view/fields/1", "hidden"),
                ("/view/fields/2", "not_found"),
                ("/view/fields/3", "unique"),
                ("/view/fields/4", "reserved"),
            ],
        ),
        (view(json!({"from": "posts", "filter": "@request.body.title = 1"})), &[("/view/filter", "invalid")]),
        (view(json!({"from": "users"})), &[("/view/fields", "required")]),
        (view(json!({"from": "posts", "having": "count > 1"})), &[("/view/having", "invalid")]),
        (view(json!({"from": "posts", "timezone": "UTC"})), &[("/view/timezone", "invalid")]),
        (view(json!({"from": "posts", "select": "count", "fields": ["title"]})), &[("/view/fields", "invalid")]),
        (
            view(
                json!({"from": "posts", "select": "sum(title)", "group": "secret", "having": "x > 1", "timezone": "Mars"}),
            ),
            &[
                ("/view/select", "type"),
                ("/view/group", "unknown_field"),
                ("/view/having", "invalid"),
                ("/view/timezone", "unknown_timezone"),
            ],
        ),
        (view(json!({"from": "posts", "select": "max(secret)"})), &[("/view/select", "unknown_field")]),
        (
            json!({"name": "v", "view": {"from": "posts"}, "fields": [{"name": "a", "type": "string"}], "indexes": [{"fields": ["a"]}]}),
            &[("/fields", "invalid"), ("/indexes", "invalid")],
        ),
        (
            json!({"name": "v", "view": {"from": "posts"}, "rules": {"list": "no = 1", "create": "true", "update": "true", "delete": "true"}}),
            &[
                ("/rules/list", "invalid"),
                ("/rules/create", "invalid"),
                ("/rules/update", "invalid"),
                ("/rules/delete", "invalid"),
            ],
        ),
        (
            json!({"name": "v", "view": {"from": "posts", "select": "count"}, "rules": {"list": "published", "read": "true"}}),
            &[("/rules/list", "invalid"), ("/rules/read", "invalid")],
        ),
        (json!({"name": "posts", "view": {"from": "posts"}}), &[("/name", "unique")]),
        (json!({"name": "publishedPosts"}), &[("/name", "unique")]),
        (
            json!({"name": "c", "fields": [{"name": "to", "type": "relation", "collection": "publishedPosts"}]}),
            &[("/fields/0/collection", "not_found")],
        ),
    ];
    for (definition, faults) in rows {
        admin.post(ALL, definition.clone()).await.invalid(faults);
    }
    admin.patch(&format!("{ALL}/posts"), json!({"view": {"from": "users"}})).await.invalid(&[("/view", "invalid")]);
    let fields = json!([{"name": "a", "type": "string"}]);
    admin.patch(&format!("{ALL}/publishedPosts"), json!({"fields": fields})).await.invalid(&[("/fields", "invalid")]);
    assert_eq!(names(&admin).await, ["posts", "publishedPosts", "users"]);
}

#[tokio::test]
async fn a_change_beneath_is_refused_when_a_view_would_break() {
    let (app, admin) = with_posts().await;
    app.collection(published()).await;
    app.collection(by_author()).await;
    let path = format!("{ALL}/posts");
    let fields = || posts()["fields"].as_array().unwrap().clone();
    let without = |name: &str| fields().into_iter().filter(|field| field["name"] != name).collect::<Vec<_>>();
    let hidden = || {
        let hide = |mut field: Value| {
            if field["name"] == "title" {
                field["hidden"] = json!(true);
            }
            field
        };
        fields().into_iter().map(hide).collect::<Vec<_>>()
    };
    for (fields, named) in [
        (without("title"), "publishedPosts"),
        (without("secret"), "publishedPosts"),
        (without("views"), "postsByAuthor"),
        (hidden(), "publishedPosts"),
    ] {
        let problem = admin.patch(&path, json!({"fields": fields})).await.invalid(&[("/fields", "in_use")]);
        assert!(problem["errors"][0]["detail"].as_str().unwrap().contains(named), "{problem}");
    }
    admin.patch(&path, json!({"fields": without("extra")})).await.ok(200);
    // The words of a filter do not follow a new name, as the words of a rule do not.
    let writers = json!({"from": "users", "filter": "any(posts_via_author, published = true)", "fields": []});
    app.collection(json!({"name": "writers", "view": writers})).await;
    let problem = admin.patch(&path, json!({"name": "articles"})).await.invalid(&[("/name", "in_use")]);
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("writers"), "{problem}");
    let problem = admin.delete(&path).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("writers"), "{problem}");
    admin.delete(&format!("{ALL}/writers")).await.expect(204);
    let problem = admin.delete(&path).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("postsByAuthor, publishedPosts"), "{problem}");
    admin.patch(&path, json!({"name": "articles"})).await.ok(200);
    let followed = admin.get(&format!("{ALL}/publishedPosts")).await.ok(200);
    assert_eq!(followed["view"]["from"], "articles");
    admin.get("/api/v1/collections/postsByAuthor/records").await.ok(200);
    admin.delete(&format!("{ALL}/publishedPosts")).await.expect(204);
    admin.delete(&format!("{ALL}/postsByAuthor")).await.expect(204);
    admin.delete(&format!("{ALL}/articles")).await.expect(204);
}

/// The steps of a plan: collection, action, effect.
fn steps(plan: &Value) -> Vec<[String; 3]> {
    let text = |step: &Value, name: &str| step[name].as_str().unwrap_or_default().to_owned();
    let steps = plan["steps"].as_array().unwrap().iter();
    steps.map(|step| ["collection", "action", "effect"].map(|name| text(step, name))).collect()
}

#[tokio::test]
async fn a_whole_schema_has_views() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let wanted = json!({"collections": [published(), by_author(), posts()]});
    let plan = admin.post(PLAN, wanted.clone()).await.ok(200);
    let found = steps(&plan);
    let made: Vec<&str> =
        found.iter().filter(|step| step[1] == "createCollection").map(|step| step[0].as_str()).collect();
    assert_eq!(made, ["posts", "publishedPosts", "postsByAuthor"]);
    assert!(found.iter().all(|step| step[2] == "safe"), "{found:?}");
    let of_view: Vec<_> =
        found.iter().filter(|step| step[0] == "publishedPosts").map(|step| step[1].as_str()).collect();
    assert_eq!(of_view, ["createCollection", "changeView", "changeRule", "changeRule"]);
    admin.post(APPLY, wanted.clone()).await.ok(200);
    assert_eq!(steps(&admin.post(PLAN, wanted.clone()).await.ok(200)), Vec::<[String; 3]>::new());

    let mut other = published();
    other["view"]["filter"] = json!("published");
    let change = json!({"collections": [other]});
    let plan = admin.post(PLAN, change.clone()).await.ok(200);
    assert_eq!(steps(&plan), [["publishedPosts", "changeView", "safe"].map(str::to_owned)]);
    let base = plan["base"].clone();
    let applied = admin.post(APPLY, json!({"collections": change["collections"], "base": base})).await.ok(200);
    assert_ne!(applied["base"], base);
    let after = admin.post(PLAN, change.clone()).await.ok(200);
    assert_eq!((&after["base"], steps(&after).len()), (&applied["base"], 0));

    // The collection under another name, and a view that is gone with it; nothing is lost, so nothing needs leave.
    let mut renamed = posts();
    (renamed["name"], renamed["renamedFrom"]) = (json!("articles"), json!("posts"));
    let mut follows = published();
    follows["view"]["from"] = json!("articles");
    let whole = json!({"collections": [follows, renamed], "prune": true});
    let found = steps(&admin.post(APPLY, whole).await.ok(200));
    assert!(found.contains(&["postsByAuthor", "deleteCollection", "safe"].map(str::to_owned)), "{found:?}");
    assert_eq!(names(&admin).await, ["articles", "publishedPosts", "users"]);

    // What a view that stays reads cannot go, nor can a collection become a view.
    let mut less = posts();
    less["name"] = json!("articles");
    less["fields"] = json!([]);
    let body = json!({"collections": [less], "allowDestructive": true});
    let problem = admin.post(APPLY, body).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("publishedPosts"), "{problem}");
    let body = json!({"collections": [{"name": "articles", "view": {"from": "users", "fields": []}}]});
    admin.post(APPLY, body).await.invalid(&[("/collections/0/view", "invalid")]);
    let faulty = json!({"collections": [{"name": "v", "view": {"from": "w"}}]});
    admin.post(PLAN, faulty).await.invalid(&[("/collections/0/view/from", "not_found")]);
}
