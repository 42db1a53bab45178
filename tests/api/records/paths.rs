//! Expressions that follow relations: forwards, backwards, over many; and what the caller does not see on the way.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, query};

const POSTS: &str = "/api/v1/collections/posts/records";

/// Authors of towns, their posts, and comments on them. Who has no role sees published posts, approved comments, and no
/// author named Zoe.
async fn blog() -> TestApp {
    let app = TestApp::start().await;
    let name = json!({"name": "name", "type": "string"});
    let to = |name: &str, to: &str| json!({"name": name, "type": "relation", "collection": to});
    let all = json!({"list": "true", "read": "true"});
    app.collection(json!({"name": "towns", "fields": [name], "rules": all})).await;
    let secret = json!({"name": "pin", "type": "string", "hidden": true});
    let rules = json!({"list": "name != 'Zoe'", "read": "name != 'Zoe'"});
    app.collection(json!({"name": "authors", "fields": [name, secret, to("town", "towns")], "rules": rules})).await;
    let published = json!({"name": "published", "type": "boolean"});
    let mut editors = to("editors", "authors");
    editors["many"] = true.into();
    let fields = json!([{"name": "title", "type": "string"}, published, to("author", "authors"), editors]);
    let rules = json!({"list": "published", "read": "published"});
    app.collection(json!({"name": "posts", "fields": fields, "rules": rules})).await;
    let fields = json!([
        {"name": "body", "type": "string"},
        {"name": "approved", "type": "boolean"},
        to("post", "posts"),
        to("author", "authors"),
    ]);
    let rules = json!({"list": "approved && post.published", "read": "approved && post.published"});
    app.collection(json!({"name": "comments", "fields": fields, "rules": rules})).await;
    app.collection(json!({"name": "drafts", "fields": [to("author", "authors")]})).await;

    for (collection, records) in [
        ("towns", json!([{"id": "rome", "name": "Rome"}, {"id": "oslo", "name": "Oslo"}])),
        (
            "authors",
            json!([
                {"id": "ann", "name": "Ann", "town": "rome", "pin": "1111"},
                {"id": "bob", "name": "Bob", "town": "oslo"},
                {"id": "zoe", "name": "Zoe", "town": "oslo"},
            ]),
        ),
        (
            "posts",
            json!([
                {"id": "p1", "title": "One", "published": true, "author": "ann", "editors": ["bob", "zoe"]},
                {"id": "p2", "title": "Two", "published": true, "author": "bob", "editors": ["ann"]},
                {"id": "p3", "title": "Three", "published": true, "author": "zoe", "editors": []},
                {"id": "p4", "title": "Four", "published": false, "author": "ann"},
                {"id": "p5", "title": "Five", "published": true},
            ]),
        ),
        (
            "comments",
            json!([
                {"id": "c1", "body": "good", "approved": true, "post": "p1", "author": "bob"},
                {"id": "c2", "body": "bad", "approved": false, "post": "p1", "author": "zoe"},
                {"id": "c3", "body": "good", "approved": true, "post": "p2", "author": "zoe"},
                {"id": "c4", "body": "meh", "approved": true, "post": "p4", "author": "bob"},
            ]),
        ),
        ("drafts", json!([{"id": "d1", "author": "ann"}])),
    ] {
        for record in records.as_array().unwrap() {
            app.record(collection, record.clone()).await;
        }
    }
    app
}

async fn ids(client: &Client, filter: &str) -> Vec<String> {
    let page = client.get(&query(POSTS, &[("filter", filter), ("total", "true")])).await.ok(200);
    let ids: Vec<String> =
        page["items"].as_array().unwrap().iter().map(|post| post["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(page["total"], ids.len(), "{filter}");
    ids
}

#[tokio::test]
async fn filters_follow_relations() {
    let app = blog().await;
    let (admin, user) = (app.admin().await, app.user("user", &["user"]).await);
    // The filter, what an admin finds, what a user finds who sees neither Zoe nor p4.
    let table: [(&str, &[&str], &[&str]); 21] = [
        ("author.name = 'Ann'", &["p1", "p4"], &["p1"]),
        ("author.town.name = 'Oslo'", &["p2", "p3"], &["p2"]),
        ("author.town = 'oslo'", &["p2", "p3"], &["p2"]),
        ("author.id = 'ann'", &["p1", "p4"], &["p1"]),
        ("author.name = null", &["p5"], &["p3", "p5"]),
        ("author.name != 'Ann'", &["p2", "p3", "p5"], &["p2", "p3", "p5"]),
        ("author.name ~ 'o'", &["p2", "p3"], &["p2"]),
        ("'Zoe' in editors.name", &["p1"], &[]),
        ("any(editors.name) = 'Bob'", &["p1"], &["p1"]),
        ("all(editors.name) = 'Bob'", &["p3", "p4", "p5"], &["p1", "p3", "p5"]),
        ("any(editors, name = 'Bob' && town.name = 'Oslo')", &["p1"], &["p1"]),
        ("any(editors, name = 'Ann' && town.name = 'Oslo')", &[], &[]),
        ("comments_via_post = null", &["p3", "p5"], &["p3", "p5"]),
        ("length(comments_via_post) = 2", &["p1"], &[]),
        ("'c3' in comments_via_post", &["p2"], &["p2"]),
        ("any(comments_via_post.author.name) = 'Zoe'", &["p1", "p2"], &[]),
        ("any(comments_via_post, body = 'good' && author.name = 'Zoe')", &["p2"], &[]),
        ("any(comments_via_post, body = 'good') && any(comments_via_post.author.name) = 'Zoe'", &["p1", "p2"], &[]),
        ("all(comments_via_post, approved)", &["p2", "p3", "p4", "p5"], &["p1", "p2", "p3", "p5"]),
        ("any(author.posts_via_author, title = 'Four')", &["p1", "p4"], &[]),
        ("!any(comments_via_post, true)", &["p3", "p5"], &["p3", "p5"]),
    ];
    for (filter, of_admin, of_user) in table {
        assert_eq!(ids(&admin, filter).await, of_admin, "{filter}");
        assert_eq!(ids(&user, filter).await, of_user, "{filter}");
    }
}

#[tokio::test]
async fn a_rule_sees_what_its_caller_does_not() {
    let app = blog().await;
    let user = app.user("user", &["user"]).await;
    let comments = "/api/v1/collections/comments/records";
    let page = user.get(comments).await.ok(200);
    let ids: Vec<_> = page["items"].as_array().unwrap().iter().map(|comment| &comment["id"]).collect();
    assert_eq!(ids, ["c1", "c3"]);
    user.get(&format!("{comments}/c4")).await.problem(404, "not_found");
    user.get(&format!("{comments}/c1")).await.expect(200);
}

#[tokio::test]
async fn broken_paths_are_explained() {
    let app = blog().await;
    let (admin, user) = (app.admin().await, app.user("user", &["user"]).await);
    let table = [
        ("author.nam = 'x'", "no field \"nam\" in authors; did you mean \"name\"?"),
        ("author.pin = '1111'", "no field \"pin\" in authors"),
        ("title.x = 1", "no \"x\" in text"),
        ("author.town.name.x = 1", "no \"x\" in text"),
        ("editors.name = 'Bob'", "holds many values"),
        ("any(author.name) = 'Bob'", "holds one"),
        ("any(title, true)", "leads to no records"),
        ("any(@auth.roles) = 'x'", "in @auth.roles"),
        ("likes_via_post = null", "no relation \"post\" of likes"),
        ("comments_via_author = null", "points at posts"),
        ("author.posts_via_author.author.town.name = 'x'", "follows more than 3 relations"),
        ("any(editors", "expected \")\""),
        ("any(editors, name)", "expected a condition"),
        ("all(editors)", "compare all"),
    ];
    for (filter, told) in table {
        let problem = admin.get(&query(POSTS, &[("filter", filter)])).await.problem(400, "invalid_filter");
        assert!(problem["detail"].as_str().unwrap().contains(told), "{filter}: {problem}");
    }
    let filter = [("filter", "author.drafts_via_author != null")];
    admin.get(&query(POSTS, &filter)).await.expect(200);
    let problem = user.get(&query(POSTS, &filter)).await.problem(400, "invalid_filter");
    assert!(problem["detail"].as_str().unwrap().contains("you may not read records of drafts"), "{problem}");
}

#[tokio::test]
async fn records_are_expanded_as_far_as_they_are_seen() {
    let app = blog().await;
    let (admin, user) = (app.admin().await, app.user("user", &["user"]).await);
    let expand = async |client: &Client, id: &str, expand: &str, fields: &str| {
        let mut parameters = vec![("expand", expand)];
        parameters.extend((!fields.is_empty()).then_some(("fields", fields)));
        client.get(&query(&format!("{POSTS}/{id}"), &parameters)).await.ok(200)
    };
    let post = expand(&admin, "p1", "author.town,editors,comments_via_post.author", "").await;
    assert_eq!(post["author"], "ann");
    assert_eq!(post["expand"]["author"]["name"], "Ann");
    assert_eq!(post["expand"]["author"]["expand"]["town"]["name"], "Rome");
    assert_eq!(post["expand"]["editors"][1]["name"], "Zoe");
    assert_eq!(post["expand"]["comments_via_post"][1]["expand"]["author"]["name"], "Zoe");
    assert!(!post.to_string().contains("pin"), "a hidden field stays hidden behind a relation");

    let post = expand(&user, "p1", "editors,comments_via_post.author", "").await;
    assert_eq!(post["expand"]["editors"].as_array().unwrap().len(), 1);
    assert_eq!(post["expand"]["comments_via_post"].as_array().unwrap().len(), 1);
    assert_eq!(expand(&user, "p3", "author", "").await["expand"], json!({"author": null}));
    assert_eq!(expand(&user, "p5", "author,editors", "").await["expand"], json!({"author": null, "editors": []}));

    let chosen = expand(&admin, "p1", "author", "title,author.name").await;
    assert_eq!(chosen, json!({"title": "One", "expand": {"author": {"name": "Ann"}}}));
    let page =
        admin.get(&query(POSTS, &[("expand", "author"), ("fields", "id,author.id"), ("limit", "2")])).await.ok(200);
    assert_eq!(
        page["items"],
        json!([
            {"id": "p1", "expand": {"author": {"id": "ann"}}},
            {"id": "p2", "expand": {"author": {"id": "bob"}}},
        ])
    );
    let refused = [
        ("expand=title", "expand"),
        ("expand=author.name", "expand"),
        ("expand=nobody", "expand"),
        ("expand=author,", "expand"),
        ("expand=author.posts_via_author.author.town", "expand"),
        ("fields=author.name", "fields"),
        ("expand=author&fields=author.pin", "fields"),
        ("expand=author&expand=editors", "expand"),
    ];
    for (parameters, name) in refused {
        for path in [POSTS.to_owned(), format!("{POSTS}/p1")] {
            let problem = admin.get(&format!("{path}?{parameters}")).await.problem(400, "invalid_parameter");
            assert_eq!(problem["errors"][0]["pointer"], name, "{parameters}: {problem}");
        }
    }
    user.get(&format!("{POSTS}?expand=author.drafts_via_author")).await.problem(400, "invalid_parameter");
}

#[tokio::test]
async fn pages_have_numbers_for_tables() {
    let app = blog().await;
    let admin = app.admin().await;
    let page = async |number: &str, sort: &str| {
        let parameters = [("page", number), ("limit", "2"), ("sort", sort), ("total", "true")];
        admin.get(&query(POSTS, &parameters)).await.ok(200)
    };
    let ids = |page: &Value| {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|post| post["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (sort, expected) in [("id", ["p1", "p2", "p3", "p4", "p5"]), ("-title", ["p2", "p3", "p1", "p4", "p5"])] {
        let mut found = Vec::new();
        for number in ["1", "2", "3"] {
            let page = page(number, sort).await;
            assert_eq!((&page["page"], &page["total"]), (&json!(number.parse::<u64>().unwrap()), &json!(5)));
            found.extend(ids(&page));
        }
        assert_eq!(found, expected, "{sort}");
        assert_eq!(ids(&page("4", sort).await), Vec::<String>::new());
    }
    let second = page("2", "id").await;
    let cursor = second["nextCursor"].as_str().unwrap();
    let third = admin.get(&query(POSTS, &[("cursor", cursor), ("sort", "id"), ("limit", "2")])).await.ok(200);
    assert_eq!(ids(&third), ["p5"], "a cursor goes on from a numbered page");
}

#[tokio::test]
async fn a_change_that_would_break_a_rule_elsewhere_is_refused() {
    let app = blog().await;
    let admin = app.admin().await;
    let posts = "/api/v1/collections/posts";
    let mut def = admin.get(posts).await.ok(200);
    def["fields"].as_array_mut().unwrap().retain(|field| field["name"] != "published");
    let body = json!({"fields": def["fields"], "rules": {}});
    let problem = admin.patch(posts, body).await.problem(422, "validation_failed");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("/rules/list of comments"), "{problem}");
    admin.get(posts).await.ok(200);
}

#[tokio::test]
async fn aggregates_follow_relations() {
    let app = blog().await;
    let (admin, user) = (app.admin().await, app.user("user", &["user"]).await);
    let aggregate = "/api/v1/collections/posts/aggregate";
    let by_town =
        query(aggregate, &[("group", "author.town.name as town"), ("select", "count, distinct(author.name) as names")]);
    let town = |name: Value, count: u64, names: u64| json!({"town": name, "count": count, "names": names});
    let found = admin.get(&by_town).await.ok(200);
    assert_eq!(found["items"], json!([town(Value::Null, 1, 0), town("Oslo".into(), 2, 2), town("Rome".into(), 2, 1)]));
    let found = user.get(&by_town).await.ok(200);
    assert_eq!(found["items"], json!([town(Value::Null, 2, 0), town("Oslo".into(), 1, 1), town("Rome".into(), 1, 1)]));
    let filtered = query(aggregate, &[("filter", "any(comments_via_post.author.name) = 'Zoe'")]);
    assert_eq!(admin.get(&filtered).await.ok(200)["items"], json!([{"count": 2}]));
    assert_eq!(user.get(&filtered).await.ok(200)["items"], json!([{"count": 0}]));
    let hidden = query(aggregate, &[("group", "author.pin")]);
    admin.get(&hidden).await.faults(400, "invalid_parameter", &[("group", "unknown_field")]);
}
