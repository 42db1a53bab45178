//! Every operation of the document, called by everyone: the status of each cell is written down, and an operation without a row
//! fails the test.
//!
//! A row says: the operation, its request, the scope of the key that may call it, and the statuses for a guest, a plain user (who owns
//! the post), another user, a viewer, a manager, an admin, a key of the admin with the scope, and one without. A name in braces
//! stands for a thing made for this cell. 422 and 404 are answers to who may call: what was sent does not fit.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const TABLE: &str = include_str!("operations.txt");
const CALLERS: [&str; 8] = ["guest", "user", "other", "viewer", "manager", "admin", "key with", "key without"];
const PASSWORD: &str = "correct horse battery";

/// A line of the table.
struct Row {
    operation: &'static str,
    method: &'static str,
    path: &'static str,
    body: &'static str,
    scope: &'static str,
    statuses: Vec<&'static str>,
}

fn rows() -> Vec<Row> {
    let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [operation, request, body, scope, statuses] = cells[..] else { panic!("no row: {line}") };
        let (method, path) = request.split_once(' ').unwrap();
        let statuses: Vec<_> = statuses.split_whitespace().collect();
        assert_eq!(statuses.len(), CALLERS.len(), "{line}");
        Row { operation, method, path, body, scope, statuses }
    };
    lines.map(row).collect()
}

async fn site() -> TestApp {
    let app = TestApp::new()
        .with_config(|config| {
            config.auth.registration = "open".into();
            config.rate_limit.sign_in_per_minute = 0;
        })
        .start()
        .await;
    let own = "owner = @auth.id";
    app.collection(json!({
        "name": "posts",
        "fields": [{"name": "title", "type": "string"}, {"name": "owner", "type": "string"}],
        "rules": {"list": own, "read": own, "create": own, "update": own, "delete": own},
    }))
    .await;
    for name in ["user", "other", "viewer", "manager", "admin"] {
        app.user(name, &[if name == "other" { "user" } else { name }]).await;
    }
    app
}

/// Makes what a request names in braces.
async fn filled(app: &TestApp, text: &str, number: usize, user: &str) -> String {
    let operator = app.operator();
    let mut text = text.replace("{n}", &number.to_string());
    let id = |made: Value| made["id"].as_str().unwrap().to_owned();
    for (name, path, body) in [
        ("{person}", "/api/v1/collections/users/records", json!({"email": format!("p{number}@example.com")})),
        ("{post}", "/api/v1/collections/posts/records", json!({"title": format!("t{number}"), "owner": user})),
        ("{role}", "/api/v1/roles", json!({"name": format!("role{number}"), "permissions": ["posts:read"]})),
        ("{account}", "/api/v1/service-accounts", json!({"name": "x", "roles": ["viewer"]})),
        ("{job}", "/api/v1/jobs", json!({"queue": "sync", "kind": "x"})),
        (
            "{schedule}",
            "/api/v1/schedules",
            json!({"name": format!("named{number}"), "queue": "sync", "kind": "x", "everySeconds": 86_400}),
        ),
        (
            "{webhook}",
            "/api/v1/webhooks",
            json!({"url": "https://example.com", "paused": true,
                "subscriptions": [{"collection": "posts", "on": ["create"]}]}),
        ),
        ("{collection}", "/api/v1/collections", json!({"name": format!("c{number}"), "fields": []})),
    ] {
        if !text.contains(name) {
            continue;
        }
        let made = operator.post(path, body.clone()).await.ok(201);
        let named = matches!(name, "{role}" | "{schedule}" | "{collection}");
        let value = if named { body["name"].as_str().unwrap().to_owned() } else { id(made) };
        text = text.replace(name, &value);
    }
    if text.contains("{key}") {
        let made = fresh(app, "admin")
            .await
            .post("/api/v1/keys", json!({"name": "x", "permissions": ["posts:read"]}))
            .await
            .ok(201);
        text = text.replace("{key}", made["key"]["id"].as_str().unwrap());
    }
    text.replace("{user}", user)
}

/// The caller of a column, with a session or a key of its own: what the request ends is nobody else's.
async fn caller(app: &TestApp, column: usize, scope: &str) -> Client {
    let name = CALLERS[column];
    match name {
        "guest" => app.guest(),
        "key with" | "key without" => {
            let scope = if name == "key with" { scope } else { "nothing:read" };
            let key = json!({"name": name, "permissions": scope.split(' ').collect::<Vec<_>>()});
            let made = fresh(app, "admin").await.post("/api/v1/keys", key).await.ok(201);
            let (id, secret) = (made["key"]["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
            app.guest().signed_in(id, secret)
        }
        name => fresh(app, name).await,
    }
}

/// A user in a session that no other request has ended.
async fn fresh(app: &TestApp, name: &str) -> Client {
    let token = app.sign_in(&format!("{name}@example.com"), PASSWORD).await;
    app.guest().signed_in("", &token)
}

/// The operations of the document.
async fn operations(app: &TestApp) -> BTreeSet<String> {
    let document = app.guest().get("/openapi.json").await.ok(200);
    let paths = document["paths"].as_object().unwrap().values();
    let methods = paths.flat_map(|path| path.as_object().unwrap().values());
    methods.filter_map(|operation| operation["operationId"].as_str()).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_operation_is_for_those_whom_the_table_says() {
    let app = site().await;
    let rows = rows();
    let known: BTreeSet<_> = rows.iter().map(|row| row.operation.to_owned()).collect();
    assert_eq!(known, operations(&app).await, "each operation has a row in operations.txt, and each row an operation");
    let user = app.user("user", &["user"]).await.id;
    let mut number = 0;
    let mut wrong = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let mut found = Vec::new();
        for column in 0..CALLERS.len() {
            number += 1;
            let path = filled(&app, row.path, number, &user).await;
            let body = filled(&app, row.body, number, &user).await;
            let client = caller(&app, column, row.scope).await;
            let answer = client.send(row.method, &path, if body == "-" { String::new() } else { body }).await;
            found.push(answer.status.as_u16().to_string());
            if client.token.starts_with("stead_sk_") {
                app.operator().delete(&format!("/api/v1/keys/{}", client.id)).await.expect(204);
            }
        }
        if found != row.statuses {
            wrong.insert(
                at,
                format!("{}: written {}, found {}", row.operation, row.statuses.join(" "), found.join(" ")),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.into_values().collect::<Vec<_>>().join("\n"));
}

/// What the document says of credentials is what happens without any.
#[tokio::test]
async fn who_needs_no_credentials_is_said_in_the_document() {
    let app = site().await;
    let document = app.guest().get("/openapi.json").await.ok(200);
    let rows = rows();
    let mut silent = Vec::new();
    let guest = |operation: &str| rows.iter().find(|row| row.operation == operation).unwrap().statuses[0];
    for path in document["paths"].as_object().unwrap().values() {
        for operation in path.as_object().unwrap().values().filter(|operation| operation["operationId"].is_string()) {
            let id = operation["operationId"].as_str().unwrap();
            let public = operation.get("security") == Some(&json!([]));
            // Who comes with a bad token of another kind gets 401 as well.
            let asks = guest(id) == "401";
            let by_secret = [
                "login",
                "refreshSession",
                "confirmRegistration",
                "confirmEmail",
                "confirmChangedEmail",
                "unsubscribe",
            ];
            let by_secret = by_secret.contains(&id)
                || ["resetPassword", "signInByEmail", "signInByPasskey", "signInBySso"].contains(&id);
            assert_eq!(public, !asks || by_secret, "{id}");
            let description = operation["description"].as_str().unwrap_or_default();
            let says = [
                "may call this",
                "Open to",
                "takes the permission",
                "needs the permission",
                "the caller may",
                "open to callers",
            ];
            if !says.iter().any(|words| description.contains(words)) {
                silent.push(format!("{id}: {description}"));
            }
        }
    }
    assert!(silent.is_empty(), "these do not say who may call them:\n{}", silent.join("\n"));
}
