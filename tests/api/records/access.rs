//! Who may do what with records: everyone × everything × valid, invalid and missing, without and with rules.

use serde_json::json;

use crate::support::{Client, TestApp};

const RECORDS: &str = "/api/v1/collections/notes/records";

/// A call, its body, and the status for each of guest, outsider, viewer, manager, owner, admin.
type Row = (&'static str, &'static str, &'static str, [u16; 6]);

const WHO: [&str; 6] = ["guest", "outsider", "viewer", "manager", "owner", "admin"];

async fn clients(app: &TestApp) -> [Client; 6] {
    [
        app.guest(),
        app.user("outsider", &["user"]).await,
        app.user("viewer", &["viewer"]).await,
        app.user("manager", &["manager"]).await,
        app.user("owner", &["user"]).await,
        app.admin().await,
    ]
}

/// A fresh record `one` of the owner's, and `two` of someone else's.
async fn reset(app: &TestApp, owner: &Client) {
    for (id, owner) in [("one", owner.id.as_str()), ("two", "someone")] {
        app.operator().delete(&format!("{RECORDS}/{id}")).await;
        app.record("notes", json!({"id": id, "owner": owner, "text": "the content"})).await;
    }
    app.operator().delete(&format!("{RECORDS}/new")).await;
}

async fn check(app: &TestApp, rows: &[Row]) {
    let clients = clients(app).await;
    for (method, path, body, expected) in rows {
        for ((who, client), status) in WHO.iter().zip(&clients).zip(expected) {
            reset(app, &clients[4]).await;
            let body = body.replace("{own}", &client.id);
            let answer = client.send(method, &format!("/api/v1/collections/{path}"), body).await;
            assert_eq!(answer.status.as_u16(), *status, "{who}: {method} {path} {answer}");
            let code = match status {
                401 => "unauthenticated",
                403 => "forbidden",
                404 => "not_found",
                422 => "validation_failed",
                _ => continue,
            };
            answer.lacks(&["the content", "someone"]).problem(*status, code);
            let left = app.operator().get(&format!("{RECORDS}/one")).await.ok(200);
            assert_eq!((&left["text"], &left["version"]), (&json!("the content"), &json!(1)), "{who}: {method} {path}");
            app.operator().get(&format!("{RECORDS}/new")).await.problem(404, "not_found");
        }
    }
}

fn fields() -> serde_json::Value {
    json!([{"name": "owner", "type": "string"}, {"name": "text", "type": "string", "max": 20}])
}

#[tokio::test]
async fn without_rules_roles_decide() {
    let app = TestApp::start().await;
    app.collection(json!({"name": "notes", "fields": fields()})).await;
    let all = [401, 403, 200, 200, 403, 200];
    check(
        &app,
        &[
            ("GET", "notes/records", "", all),
            ("GET", "notes/records?filter=nonsense", "", [401, 403, 400, 400, 403, 400]),
            ("GET", "notes/export", "", all),
            ("GET", "notes/aggregate?group=owner", "", all),
            ("GET", "notes/aggregate?group=nonsense", "", [401, 403, 400, 400, 403, 400]),
            ("GET", "nothing/aggregate", "", [401, 404, 404, 404, 404, 404]),
            ("GET", "notes/records/one", "", all),
            ("GET", "notes/records/none", "", [401, 403, 404, 404, 403, 404]),
            ("GET", "nothing/records", "", [401, 404, 404, 404, 404, 404]),
            ("POST", "notes/records", r#"{"id": "new", "text": "x"}"#, [401, 403, 403, 201, 403, 201]),
            ("POST", "notes/records", r#"{"id": "new", "text": 7}"#, [401, 403, 403, 422, 403, 422]),
            ("POST", "nothing/records", "{}", [401, 404, 404, 404, 404, 404]),
            ("POST", "notes/import", r#"{"id": "new"}"#, [401, 403, 403, 200, 403, 200]),
            ("PATCH", "notes/records/one", r#"{"text": "x"}"#, [401, 404, 403, 200, 404, 200]),
            ("PATCH", "notes/records/one", r#"{"text": 7}"#, [401, 404, 403, 422, 404, 422]),
            ("PATCH", "notes/records/none", r#"{"text": 7}"#, [401, 404, 404, 404, 404, 404]),
            ("PUT", "notes/records/one", r#"{"text": "x"}"#, [401, 404, 403, 200, 404, 200]),
            ("PUT", "notes/records/none", r#"{"text": "x"}"#, [401, 404, 404, 404, 404, 404]),
            ("DELETE", "notes/records/one", "", [401, 404, 403, 204, 404, 204]),
            ("DELETE", "notes/records/none", "", [401, 404, 404, 404, 404, 404]),
        ],
    )
    .await;
}

#[tokio::test]
async fn with_rules_the_owner_comes_in() {
    let app = TestApp::start().await;
    let own = "owner = @auth.id";
    let rules = json!({"list": own, "read": own, "create": own, "update": own, "delete": own});
    app.collection(json!({"name": "notes", "fields": fields(), "rules": rules})).await;
    check(
        &app,
        &[
            ("GET", "notes/records", "", [401, 200, 200, 200, 200, 200]),
            ("GET", "notes/export", "", [401, 200, 200, 200, 200, 200]),
            ("GET", "notes/aggregate?group=owner", "", [401, 200, 200, 200, 200, 200]),
            ("GET", "notes/records/one", "", [401, 404, 200, 200, 200, 200]),
            ("GET", "notes/records/two", "", [401, 404, 200, 200, 404, 200]),
            ("GET", "notes/records/none", "", [401, 404, 404, 404, 404, 404]),
            ("POST", "notes/records", r#"{"id": "new", "owner": "{own}"}"#, [401, 201, 201, 201, 201, 201]),
            ("POST", "notes/records", r#"{"id": "new", "owner": "else"}"#, [401, 403, 403, 201, 403, 201]),
            ("POST", "notes/records", r#"{"id": "new"}"#, [401, 403, 403, 201, 403, 201]),
            ("PATCH", "notes/records/one", r#"{"text": "x"}"#, [401, 404, 403, 200, 200, 200]),
            ("PATCH", "notes/records/one", r#"{"text": 7}"#, [401, 404, 403, 422, 422, 422]),
            ("PATCH", "notes/records/one", r#"{"nothing": 7}"#, [401, 404, 403, 422, 422, 422]),
            ("PATCH", "notes/records/two", r#"{"text": "x"}"#, [401, 404, 403, 200, 404, 200]),
            ("PATCH", "notes/records/two", r#"{"text": 7}"#, [401, 404, 403, 422, 404, 422]),
            ("PATCH", "notes/records/none", r#"{"text": "x"}"#, [401, 404, 404, 404, 404, 404]),
            ("PUT", "notes/records/one", r#"{"text": "x"}"#, [401, 404, 403, 200, 200, 200]),
            ("PUT", "notes/records/two", r#"{"text": "x"}"#, [401, 404, 403, 200, 404, 200]),
            ("DELETE", "notes/records/one", "", [401, 404, 403, 204, 204, 204]),
            ("DELETE", "notes/records/two", "", [401, 404, 403, 204, 404, 204]),
            ("DELETE", "notes/records/none", "", [401, 404, 404, 404, 404, 404]),
        ],
    )
    .await;
}

/// A record that one may not see answers like one that is not there, whatever is sent to it.
#[tokio::test]
async fn what_cannot_be_seen_cannot_be_told_from_nothing() {
    let app = TestApp::start().await;
    let own = "owner = @auth.id";
    let rules = json!({"list": own, "read": own, "update": own, "delete": own});
    app.collection(json!({"name": "notes", "fields": fields(), "rules": rules})).await;
    app.record("notes", json!({"id": "id-1", "owner": "someone"})).await;
    let user = app.user("ann", &["user"]).await;
    let calls = [
        ("GET", "", ""),
        ("GET", "?fields=nonsense", ""),
        ("DELETE", "", ""),
        ("PATCH", "", r#"{"text": "x"}"#),
        ("PATCH", "", r#"{"text": 7, "id": "x"}"#),
        ("PATCH", "", "no json"),
        ("PATCH", "", r#"{"text": "x", "text": "y"}"#),
        ("PUT", "", r#"{"owner": 7}"#),
        ("PUT", "", "[]"),
    ];
    for client in [user.clone(), user.with("if-match", "\"7\""), user.with("if-none-match", "\"1\"")] {
        for (method, parameters, body) in calls {
            let answer = async |id: &str| {
                let answer = client.send(method, &format!("{RECORDS}/{id}{parameters}"), body).await;
                let mut problem = answer.json();
                problem["requestId"] = "".into();
                (answer.status.as_u16(), problem.to_string().replace(id, "ID"))
            };
            assert_eq!(answer("id-1").await, answer("id-2").await, "{method}{parameters} {body}");
        }
    }
}

/// Errors about values name no record that the caller may not see.
#[tokio::test]
async fn a_duplicate_value_does_not_tell_whose_it_is() {
    let app = TestApp::start().await;
    let fields = json!([{"name": "owner", "type": "string"}, {"name": "code", "type": "string", "unique": true}]);
    let own = "owner = @auth.id";
    app.collection(json!({"name": "notes", "fields": fields, "rules": {"create": own, "read": own}})).await;
    app.record("notes", json!({"id": "hidden-id", "owner": "someone", "code": "k"})).await;
    let user = app.user("ann", &["user"]).await;
    let answer = user.post(RECORDS, json!({"owner": user.id, "code": "k"})).await;
    answer.lacks(&["hidden-id", "someone"]).invalid(&[("/code", "unique")]);
}
