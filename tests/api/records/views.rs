//! Views: who sees what of them, that nothing else leaves by them, and that nobody writes through them.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, query};

const VIEW: &str = "/api/v1/collections/publishedPosts";
const LIST: &str = "/api/v1/collections/publishedPosts/records";
const SALES: &str = "/api/v1/collections/salesByMonth/records";
/// Values of fields that the view does not list, and of records that it does not have.
const SECRETS: [&str; 6] = ["note-of-one", "note-of-two", "pin-of-one", "draft title", "\"note\"", "\"published\""];

fn posts() -> Value {
    json!({"name": "posts", "fields": [
        {"name": "title", "type": "string", "indexed": true},
        {"name": "published", "type": "boolean"},
        {"name": "note", "type": "string", "unique": true},
        {"name": "pin", "type": "string", "hidden": true},
        {"name": "rated", "type": "integer", "rules": {"read": "author = @auth.id"}},
        {"name": "author", "type": "relation", "collection": "users"},
        {"name": "reviewer", "type": "relation", "collection": "users"},
    ]})
}

/// Posts, of which a view shows those that are published and have a pin, and users of every kind.
async fn with_view(rules: Value) -> (TestApp, Client) {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let author = app.user("author", &["user"]).await;
    app.collection(posts()).await;
    let view = json!({"from": "posts", "filter": "published && pin != null", "fields": ["title", "author", "rated"]});
    app.collection(json!({"name": "publishedPosts", "view": view, "rules": rules})).await;
    for (id, title, published, author) in [
        ("one", "first", true, author.id.as_str()),
        ("two", "draft title", false, author.id.as_str()),
        ("three", "third", true, admin.id.as_str()),
    ] {
        let record = json!({
            "id": id, "title": title, "published": published, "note": format!("note-of-{id}"),
            "pin": format!("pin-of-{id}"), "rated": 5, "author": author, "reviewer": admin.id,
        });
        app.record("posts", record).await;
    }
    (app, admin)
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn rules_and_roles_of_the_view_decide() {
    // For each rule: what guest, user, author, viewer, manager and admin are answered, and which records.
    let all = vec!["one", "three"];
    for (rule, user, author) in [
        (None, None, None),
        (Some("true"), Some(all.clone()), Some(all.clone())),
        (Some("author = @auth.id"), Some(vec![]), Some(vec!["one"])),
        (Some("pin = 'pin-of-one'"), Some(vec!["one"]), Some(vec!["one"])),
        (Some("!published"), Some(vec![]), Some(vec![])),
    ] {
        let (app, admin) = with_view(rule.map_or(json!({}), |rule| json!({"list": rule, "read": rule}))).await;
        app.guest().get(LIST).await.problem(401, "unauthenticated");
        let by_role = Some(all.clone());
        for (client, expected) in [
            (app.user("other", &["user"]).await, user),
            (app.user("author", &["user"]).await, author),
            (app.user("viewer", &["viewer"]).await, by_role.clone()),
            (app.user("manager", &["manager"]).await, by_role.clone()),
            (admin, by_role),
        ] {
            let paths = ["one", "two", "three", "none"].map(|id| (id, format!("{LIST}/{id}")));
            let Some(expected) = expected else {
                client.get(LIST).await.lacks(&SECRETS).problem(403, "forbidden");
                client.get(&paths[0].1).await.lacks(&SECRETS).problem(403, "forbidden");
                client.get(&format!("{VIEW}/export")).await.lacks(&SECRETS).problem(403, "forbidden");
                client.get(&format!("{VIEW}/aggregate")).await.lacks(&SECRETS).problem(403, "forbidden");
                client.get(&format!("{}/history", paths[0].1)).await.lacks(&SECRETS).problem(403, "forbidden");
                continue;
            };
            let page = client.get(&query(LIST, &[("total", "true")])).await.expect(200).lacks(&SECRETS).json();
            assert_eq!((ids(&page), &page["total"]), (expected.clone(), &json!(expected.len())), "{rule:?}");
            for (id, path) in &paths {
                for path in [path.clone(), format!("{path}/history")] {
                    let status = if expected.contains(id) { 200 } else { 404 };
                    client.get(&path).await.expect(status).lacks(&SECRETS);
                }
            }
            let lines = client.get(&format!("{VIEW}/export")).await.expect(200).lacks(&SECRETS);
            assert_eq!(lines.text().lines().count(), expected.len());
            let counted = client.get(&format!("{VIEW}/aggregate")).await.ok(200);
            assert_eq!(counted["items"], json!([{"count": expected.len()}]));
        }
        // The rules of the view open nothing of the collection itself.
        app.user("author", &["user"]).await.get("/api/v1/collections/posts/records").await.problem(403, "forbidden");
    }
}

#[tokio::test]
async fn what_is_not_listed_cannot_be_named_and_what_is_not_in_it_not_reached() {
    let (app, admin) = with_view(json!({"list": "true", "read": "true"})).await;
    let other = app.user("other", &["user"]).await;
    for client in [&admin, &other] {
        for (parameters, code) in [
            (vec![("filter", "note = 'note-of-two'")], "invalid_filter"),
            (vec![("filter", "published = false")], "invalid_filter"),
            (vec![("filter", "pin ~ 'pin'")], "invalid_filter"),
            (vec![("filter", "not = 1")], "invalid_filter"),
            (vec![("filter", "reviewer.email ~ 'a'")], "invalid_filter"),
            (vec![("sort", "note")], "invalid_parameter"),
            (vec![("fields", "title,note")], "invalid_parameter"),
            (vec![("expand", "reviewer")], "invalid_parameter"),
        ] {
            let answer = client.get(&query(LIST, &parameters)).await.lacks(&[
                "pin-of",
                "note-of-one",
                "mean \\\"note",
                "mean \\\"pin",
            ]);
            answer.problem(400, code);
        }
        for select in ["max(note)", "max(pin)", "distinct(reviewer)"] {
            let path = query(&format!("{VIEW}/aggregate"), &[("select", select)]);
            client.get(&path).await.lacks(&SECRETS).problem(400, "invalid_parameter");
        }
        client.get(&query(&format!("{VIEW}/aggregate"), &[("group", "note")])).await.problem(400, "invalid_parameter");
        client.get(&query(&format!("{VIEW}/export"), &[("filter", "note = 'x'")])).await.problem(400, "invalid_filter");
        client.get(&query(&format!("{LIST}/one"), &[("fields", "note")])).await.problem(400, "invalid_parameter");

        for filter in
            ["true || title = 'draft title'", "id = 'two' || true", "title != null || title = null", "id != ''"]
        {
            let page =
                client.get(&query(LIST, &[("filter", filter), ("total", "true")])).await.expect(200).lacks(&SECRETS);
            assert_eq!((ids(&page.json()), &page.json()["total"]), (vec!["one", "three"], &json!(2)), "{filter}");
            let path = query(&format!("{VIEW}/aggregate"), &[("filter", filter), ("group", "title")]);
            assert_eq!(client.get(&path).await.expect(200).lacks(&SECRETS).json()["groups"], 2);
        }
        assert_eq!(ids(&client.get(&query(LIST, &[("filter", "id = 'two'")])).await.ok(200)), Vec::<&str>::new());
    }
    // A cursor of the collection itself is none of the view's.
    let parameters = [("limit", "1"), ("sort", "title")];
    let page = admin.get(&query("/api/v1/collections/posts/records", &parameters)).await.ok(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    admin.get(&query(LIST, &[parameters[0], parameters[1], ("cursor", cursor)])).await.problem(400, "invalid_cursor");
    let page = admin.get(&query(LIST, &parameters)).await.ok(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    let next = admin.get(&query(LIST, &[parameters[0], parameters[1], ("cursor", cursor)])).await.ok(200);
    assert_eq!((ids(&page), ids(&next), &next["nextCursor"]), (vec!["one"], vec!["three"], &Value::Null));
}

#[tokio::test]
async fn rules_of_fields_and_of_what_relations_lead_to_stay_in_force() {
    let (app, admin) = with_view(json!({"list": "true", "read": "true"})).await;
    let (author, other) = (app.user("author", &["user"]).await, app.user("other", &["user"]).await);
    let rated = async |client: &Client| {
        let page = client.get(&query(LIST, &[("expand", "author")])).await.ok(200);
        let of = |item: &Value| (item["rated"].clone(), item["expand"]["author"]["email"].clone());
        page["items"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    let (five, none) = (json!(5), Value::Null);
    assert_eq!(rated(&other).await, [(none.clone(), none.clone()), (none.clone(), none.clone())]);
    assert_eq!(rated(&author).await, [(five.clone(), json!("author@example.com")), (none.clone(), none.clone())]);
    let emails = [json!("author@example.com"), json!("admin@example.com")];
    assert_eq!(rated(&admin).await, emails.map(|email| (five.clone(), email)));
    other.get(&query(LIST, &[("filter", "rated > 1")])).await.problem(400, "invalid_filter");
    other
        .get(&query(&format!("{VIEW}/aggregate"), &[("select", "sum(rated)")]))
        .await
        .problem(400, "invalid_parameter");
}

#[tokio::test]
async fn a_view_of_users_shows_what_it_lists_to_whom_its_rules_name() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let path = "/api/v1/collections/users";
    let mut fields = admin.get(path).await.ok(200)["fields"].clone();
    let salary = json!({"name": "salary", "type": "integer", "rules": {"read": "id = @auth.id"}});
    fields.as_array_mut().unwrap().push(salary);
    admin.patch(path, json!({"fields": fields})).await.ok(200);
    app.settled("users").await;
    let view = json!({"from": "users", "filter": "disabled = false", "fields": ["name", "salary"]});
    app.collection(json!({"name": "team", "view": view, "rules": {"list": "true"}})).await;
    let (user, viewer) = (app.user("user", &["user"]).await, app.user("viewer", &["viewer"]).await);
    admin.patch(&format!("{path}/records/{}", admin.id), json!({"name": "Ann", "salary": 100})).await.ok(200);
    // A viewer may read all but users; so the view opens records, and no field with a rule.
    for client in [&user, &viewer] {
        let answer = client.get("/api/v1/collections/team/records").await.expect(200);
        let page = answer.lacks(&["example.com", "admin", "\"roles\"", "\"disabled\""]).json();
        assert_eq!(page["items"].as_array().unwrap().len(), 3);
        let ann = page["items"].as_array().unwrap().iter().find(|item| item["name"] == "Ann").unwrap();
        assert_eq!(ann.get("salary"), None);
        let filter = query("/api/v1/collections/team/records", &[("filter", "'admin' in roles")]);
        client.get(&filter).await.problem(400, "invalid_filter");
    }
    app.operator().patch(&format!("{path}/records/{}", admin.id), json!({"disabled": true})).await.ok(200);
    let page = user.get("/api/v1/collections/team/records").await.ok(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_history_of_a_view_is_that_of_its_records_while_they_were_in_it() {
    let (app, admin) = with_view(json!({"list": "true", "read": "true"})).await;
    let other = app.user("other", &["user"]).await;
    let path = "/api/v1/collections/posts/records/two";
    admin.patch(path, json!({"title": "ready"})).await.ok(200);
    admin.patch(path, json!({"published": true})).await.ok(200);
    admin.patch(path, json!({"title": "better", "note": "note-of-two!"})).await.ok(200);
    let history = format!("{LIST}/two/history");
    for client in [&admin, &other] {
        let told = client.get(&history).await.expect(200).lacks(&["draft title", "note", "pin", "published\""]).json();
        let titles: Vec<_> = told["items"].as_array().unwrap().iter().map(|item| &item["record"]["title"]).collect();
        assert_eq!(titles, ["better", "ready"]);
        assert_eq!(told["items"][0]["changed"], json!(["title"]));
    }
    admin.patch(path, json!({"published": false})).await.ok(200);
    other.get(&history).await.problem(404, "not_found");
    admin.patch(path, json!({"published": true})).await.ok(200);
    admin.delete(path).await.expect(204);
    admin.get(&history).await.problem(404, "not_found");
}

#[tokio::test]
async fn nothing_is_written_through_a_view() {
    let (app, admin) = with_view(json!({"list": "true", "read": "true"})).await;
    app.collection(json!({"name": "postCount", "view": {"from": "posts", "select": "count"}})).await;
    let (manager, other) = (app.user("manager", &["manager"]).await, app.user("other", &["user"]).await);
    let body = r#"{"id": "new", "title": "x"}"#;
    for client in [&admin, &manager, &other] {
        for view in ["publishedPosts", "postCount"] {
            let base = format!("/api/v1/collections/{view}");
            for (method, path, body) in [
                ("POST", format!("{base}/records"), body),
                ("PATCH", format!("{base}/records/one"), body),
                ("PUT", format!("{base}/records/one"), body),
                ("DELETE", format!("{base}/records/one"), ""),
                ("PATCH", format!("{base}/records/none"), body),
                ("DELETE", format!("{base}/records/none"), ""),
                ("POST", format!("{base}/upsert"), body),
                ("POST", format!("{base}/import"), body),
                ("PATCH", query(&format!("{base}/records"), &[("filter", "true")]), r#"{"title": "x"}"#),
                ("DELETE", query(&format!("{base}/records"), &[("filter", "true")]), ""),
                ("DELETE", query(&format!("{base}/records"), &[("filter", "true"), ("dryRun", "true")]), ""),
            ] {
                let problem = client.send(method, &path, body).await.problem(405, "method_not_allowed");
                assert!(problem["detail"].as_str().unwrap().contains("posts"), "{method} {path} {problem}");
            }
            for op in [
                json!({"op": "create", "collection": view, "body": {}}),
                json!({"op": "update", "collection": view, "id": "one", "body": {}}),
                json!({"op": "replace", "collection": view, "id": "one", "body": {}}),
                json!({"op": "upsert", "collection": view, "body": {"id": "one"}}),
                json!({"op": "delete", "collection": view, "id": "one"}),
            ] {
                let answer = client.post("/api/v1/batch", json!({"operations": [op]})).await;
                answer.faults(405, "method_not_allowed", &[("/operations/0", "method_not_allowed")]);
            }
        }
    }
    let page = admin.get(&query("/api/v1/collections/posts/records", &[("fields", "id,version")])).await.ok(200);
    let expected = ["one", "three", "two"].map(|id| json!({"id": id, "version": 1}));
    assert_eq!(page["items"], json!(expected));
}

async fn with_sales() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "invoices", "fields": [
        {"name": "invoiceDate", "type": "datetime"},
        {"name": "total", "type": "decimal"},
        {"name": "cost", "type": "decimal", "hidden": true},
    ]}))
    .await;
    let view = json!({
        "from": "invoices", "filter": "total > 0 && cost = null", "select": "count, sum(total) as revenue",
        "group": "month(invoiceDate) as month", "having": "count > 1", "timezone": "Europe/Berlin",
    });
    app.collection(json!({"name": "salesByMonth", "view": view, "rules": {"list": "\"user\" in @auth.roles"}})).await;
    for (at, total) in [
        // In Berlin this is already February.
        ("2026-01-31T23:30:00Z", "1.50"),
        ("2026-02-10T00:00:00Z", "2.00"),
        ("2026-03-01T00:00:00Z", "7.00"),
        ("2026-04-01T00:00:00Z", "10.00"),
        ("2026-04-02T00:00:00Z", "0.25"),
        ("2026-04-03T00:00:00Z", "0.25"),
        ("2026-04-03T00:00:00Z", "-5.00"),
    ] {
        app.record("invoices", json!({"invoiceDate": at, "total": total})).await;
    }
    (app, admin)
}

#[tokio::test]
async fn groups_are_listed_to_whom_the_rule_names_whatever_they_may_see_of_the_records() {
    let (app, admin) = with_sales().await;
    let user = app.user("user", &["user"]).await;
    let nobody = app.user("nobody", &[]).await;
    app.guest().get(SALES).await.problem(401, "unauthenticated");
    nobody.get(SALES).await.problem(403, "forbidden");
    user.get("/api/v1/collections/invoices/records").await.problem(403, "forbidden");
    let february = json!({"month": "2026-02", "count": 2, "revenue": "3.50"});
    let april = json!({"month": "2026-04", "count": 3, "revenue": "10.50"});
    for client in [&user, &admin, &app.user("viewer", &["viewer"]).await] {
        let page = client.get(SALES).await.ok(200);
        assert_eq!(page, json!({"items": [february, april], "nextCursor": null}));
    }
    let rows: &[(&[(&str, &str)], Value)] = &[
        (&[("sort", "-revenue")], json!({"items": [april, february], "nextCursor": null})),
        (
            &[("sort", "-month"), ("limit", "1"), ("total", "true")],
            json!({"items": [april], "nextCursor": null, "total": 2}),
        ),
        (&[("filter", "revenue > 5")], json!({"items": [april], "nextCursor": null})),
        // What the view leaves out stays out.
        (
            &[("filter", "count = 1 || true"), ("total", "true")],
            json!({"items": [february, april], "nextCursor": null, "total": 2}),
        ),
        (&[("filter", "count = 1"), ("total", "true")], json!({"items": [], "nextCursor": null, "total": 0})),
    ];
    for (parameters, expected) in rows {
        assert_eq!(user.get(&query(SALES, parameters)).await.ok(200), *expected, "{parameters:?}");
    }
    app.record("invoices", json!({"invoiceDate": "2026-03-05T00:00:00Z", "total": "1.00"})).await;
    let page = user.get(SALES).await.ok(200);
    assert_eq!(page["items"][1], json!({"month": "2026-03", "count": 2, "revenue": "8.00"}));
}

#[tokio::test]
async fn groups_are_no_records() {
    let (app, admin) = with_sales().await;
    let user = app.user("user", &["user"]).await;
    for client in [&admin, &user] {
        for (parameters, fault) in [
            (("expand", "x"), ("expand", "unknown_parameter")),
            (("cursor", "x"), ("cursor", "unknown_parameter")),
            (("page", "1"), ("page", "unknown_parameter")),
            (("fields", "month"), ("fields", "unknown_parameter")),
            (("explain", "true"), ("explain", "unknown_parameter")),
            (("having", "count > 0"), ("having", "unknown_parameter")),
            (("select", "max(cost)"), ("select", "unknown_parameter")),
            (("limit", "1001"), ("limit", "too_large")),
            (("sort", "cost"), ("sort", "unknown_field")),
            (("total", "yes"), ("total", "type")),
        ] {
            client.get(&query(SALES, &[parameters])).await.faults(400, "invalid_parameter", &[fault]);
        }
        for filter in ["cost = 1", "total > 1", "@auth.id = 'x'"] {
            client.get(&query(SALES, &[("filter", filter)])).await.problem(400, "invalid_filter");
        }
        for path in ["records/x", "records/x/history", "aggregate", "export"] {
            let problem =
                client.get(&format!("/api/v1/collections/salesByMonth/{path}")).await.problem(404, "not_found");
            assert!(problem["detail"].as_str().unwrap().contains("groups"), "{problem}");
        }
    }
}

#[tokio::test]
async fn a_view_that_looks_at_too_much_does_not_tell_what_it_is_made_of() {
    let app = TestApp::new().with_config(|config| config.records.examined_max = 2).start().await;
    app.collection(posts()).await;
    for id in ["a", "b", "c", "d"] {
        app.record("posts", json!({"id": id, "title": id, "published": true})).await;
    }
    let filter = "published && note = null || pin = 'x'";
    let view = json!({"from": "posts", "filter": filter, "fields": []});
    app.collection(json!({"name": "some", "view": view, "rules": {"list": "true"}})).await;
    let view = json!({"from": "posts", "filter": filter, "select": "count", "group": "title"});
    app.collection(json!({"name": "counts", "view": view, "rules": {"list": "true"}})).await;
    let user = app.user("user", &["user"]).await;
    for path in ["/api/v1/collections/some/records?sort=-updatedAt", "/api/v1/collections/counts/records"] {
        let told = ["pin", "note", "published", "posts"];
        user.get(path).await.expect(422).lacks(&told).problem(422, "index_required");
    }
}
