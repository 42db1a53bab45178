//! Rules of single fields: who sees a field of a record, and who may write it.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, query};

const RECORDS: &str = "/api/v1/collections/people/records";

/// People who show their salary to themselves and to admins, and whose grade only admins and their boss may write.
async fn people() -> (TestApp, Client, Client) {
    let app = TestApp::start().await;
    let (ann, bob) = (app.user("ann", &["user"]).await, app.user("bob", &["user"]).await);
    let fields = json!([
        {"name": "name", "type": "string"},
        {"name": "self", "type": "relation", "collection": "users"},
        {"name": "boss", "type": "relation", "collection": "people"},
        {"name": "salary", "type": "integer", "indexed": true, "rules": {"read": "self = @auth.id"}},
        {"name": "grade", "type": "string", "default": "none", "nullable": false, "rules": {"write": "boss.self = @auth.id"}},
        {"name": "notes", "type": "string", "rules": {"read": "false", "write": "false"}},
    ]);
    let open = "true";
    let rules = json!({"list": open, "read": open, "create": open, "update": open, "delete": open});
    app.collection(json!({"name": "people", "fields": fields, "rules": rules})).await;
    let about_ann = json!({"id": "ann", "name": "Ann", "self": ann.id, "salary": 1471147114, "notes": "n0te"});
    app.record("people", about_ann).await;
    app.record("people", json!({"id": "bob", "name": "Bob", "self": bob.id, "boss": "ann", "salary": 815815815})).await;
    (app, ann, bob)
}

fn one(id: &str) -> String {
    format!("{RECORDS}/{id}")
}

#[tokio::test]
async fn a_field_is_shown_where_its_rule_holds() {
    let (app, ann, bob) = people().await;
    assert_eq!(ann.get(&one("ann")).await.ok(200)["salary"], 1471147114);
    bob.get(&one("ann")).await.expect(200).lacks(&["1471147114", "salary", "n0te"]);
    let page = ann.get(RECORDS).await.expect(200).lacks(&["815815815", "n0te"]).json();
    assert_eq!(page["items"][0]["salary"], 1471147114);
    let export =
        ann.get("/api/v1/collections/people/export").await.expect(200).lacks(&["815815815", "n0te"]).text().to_owned();
    assert!(export.contains("1471147114"), "{export}");
    let expanded =
        bob.get(&query(&one("bob"), &[("expand", "boss")])).await.expect(200).lacks(&["1471147114", "n0te"]).json();
    assert_eq!((&expanded["salary"], &expanded["expand"]["boss"]["name"]), (&json!(815815815), &json!("Ann")));
    let chosen = ann.get(&query(RECORDS, &[("fields", "id,salary,notes")])).await.ok(200);
    assert_eq!(chosen["items"], json!([{"id": "ann", "salary": 1471147114}, {"id": "bob"}]));

    let admin = app.admin().await;
    let whole = admin.get(&one("ann")).await.ok(200);
    assert_eq!((&whole["salary"], &whole["notes"]), (&json!(1471147114), &json!("n0te")));
    let viewer = app.user("viewer", &["viewer"]).await;
    assert_eq!(
        viewer.get(&one("ann")).await.ok(200)["salary"],
        1471147114,
        "who may read everything reads every field"
    );
}

#[tokio::test]
async fn what_is_not_always_seen_cannot_be_asked_about() {
    let (app, ann, _) = people().await;
    for filter in ["salary > 1", "boss.salary > 1", "any(people_via_boss.salary) > 1", "notes = null"] {
        let answer = ann.get(&query(RECORDS, &[("filter", filter)])).await;
        answer.lacks(&["1471147114", "815815815"]).problem(400, "invalid_filter");
        app.admin().await.get(&query(RECORDS, &[("filter", filter)])).await.expect(200);
    }
    let aggregate = "/api/v1/collections/people/aggregate";
    for select in ["sum(salary)", "max(boss.salary)", "distinct(notes)"] {
        ann.get(&query(aggregate, &[("select", select)]))
            .await
            .lacks(&["1471147114"])
            .problem(400, "invalid_parameter");
        app.admin().await.get(&query(aggregate, &[("select", select)])).await.expect(200);
    }
    ann.get(&query(aggregate, &[("group", "salary")])).await.lacks(&["1471147114"]).problem(400, "invalid_parameter");
    ann.get(&query(RECORDS, &[("sort", "salary")])).await.problem(400, "invalid_parameter");
    ann.get(&query("/api/v1/collections/people/export", &[("filter", "salary > 1")]))
        .await
        .problem(400, "invalid_filter");
}

#[tokio::test]
async fn a_field_is_written_where_its_rule_holds() {
    let (app, ann, bob) = people().await;
    let refused = |client: Client, body: Value| async move {
        let problem = client.patch(&one("bob"), body).await.problem(403, "forbidden");
        assert_eq!(problem["errors"][0]["pointer"], "/grade", "{problem}");
    };
    refused(bob.clone(), json!({"grade": "A"})).await;
    bob.patch(&one("bob"), json!({"grade": "none", "name": "Rob"})).await.expect(200);
    assert_eq!(ann.patch(&one("bob"), json!({"grade": "B"})).await.ok(200)["grade"], "B");
    refused(bob.clone(), json!({"grade": "A", "name": "Bob"})).await;
    assert_eq!(app.admin().await.patch(&one("ann"), json!({"grade": "C"})).await.ok(200)["grade"], "C");
    let answer = ann.patch(&one("ann"), json!({"notes": "mine", "grade": "A"})).await.problem(403, "forbidden");
    assert_eq!(answer["errors"].as_array().unwrap().len(), 2, "every field is named: {answer}");

    bob.post(RECORDS, json!({"name": "New", "grade": "A"})).await.problem(403, "forbidden");
    bob.post(RECORDS, json!({"name": "New", "grade": "none"})).await.expect(201);
    ann.post(RECORDS, json!({"name": "Newer", "boss": "ann", "grade": "A"})).await.expect(201);
    let lines = "{\"name\": \"x\", \"grade\": \"A\"}\n{\"name\": \"y\"}\n";
    let report = bob.send("POST", "/api/v1/collections/people/import", lines).await.ok(200);
    assert_eq!((&report["imported"], &report["rejected"][0]["line"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_whole_record_leaves_alone_what_its_sender_does_not_see() {
    let (app, ann, _) = people().await;
    let shown = ann.get(&one("ann")).await.ok(200);
    ann.put(&one("ann"), shown).await.expect(200).lacks(&["n0te"]);
    let whole = app.admin().await.get(&one("ann")).await.ok(200);
    assert_eq!((&whole["notes"], &whole["salary"]), (&json!("n0te"), &json!(1471147114)));
    app.admin().await.put(&one("ann"), json!({"name": "Ann"})).await.expect(200);
    assert_eq!(app.admin().await.get(&one("ann")).await.ok(200)["notes"], Value::Null);
}

#[tokio::test]
async fn an_unseen_value_is_not_found_by_writing() {
    let (_app, ann, bob) = people().await;
    let guess = json!({"salary": {"$increment": 0}});
    bob.patch(&one("ann"), guess).await.lacks(&["1471147114"]).problem(403, "forbidden");
    // The same value is no more welcome than another.
    ann.patch(&one("ann"), json!({"notes": "n0te"})).await.problem(403, "forbidden");
    ann.patch(&one("ann"), json!({"notes": "other"})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_broken_rule_of_a_field_is_refused() {
    let app = TestApp::start().await;
    let fields = json!([{"name": "a", "type": "string", "rules": {"read": "b = 1", "write": "a ="}}]);
    app.operator()
        .post("/api/v1/collections", json!({"name": "x", "fields": fields}))
        .await
        .invalid(&[("/fields/0/rules/read", "invalid"), ("/fields/0/rules/write", "invalid")]);
}
