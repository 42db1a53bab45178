//! Hidden fields: written, checked and used by rules, and never told.

use serde_json::{Value, json};

use crate::support::{TestApp, query};

const RECORDS: &str = "/api/v1/collections/accounts/records";
const SECRET: &str = "s3cr3t-value";
const OTHER: &str = "0th3r-value";

#[tokio::test]
async fn a_hidden_value_leaves_by_no_way() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let fields = json!([
        {"name": "name", "type": "string"},
        {"name": "pin", "type": "string", "hidden": true, "unique": true, "max": 20, "required": true},
    ]);
    app.collection(json!({"name": "accounts", "fields": fields, "rules": {"list": format!("pin = '{SECRET}'")}})).await;
    let hidden = [SECRET, OTHER, "\"pin\":"];
    let made = admin.post(RECORDS, json!({"id": "one", "name": "n", "pin": SECRET})).await.expect(201).lacks(&hidden);
    assert_eq!(made.json()["name"], "n");
    let one = format!("{RECORDS}/one");
    admin.get(&one).await.expect(200).lacks(&hidden);
    admin.patch(&one, json!({"name": "m"})).await.expect(200).lacks(&hidden);
    admin.patch(&one, json!({"pin": OTHER})).await.expect(200).lacks(&hidden);
    admin.put(&one, json!({"name": "m", "pin": SECRET})).await.expect(200).lacks(&hidden);
    admin.get(RECORDS).await.expect(200).lacks(&hidden);
    admin.get(&query(RECORDS, &[("fields", "name,id")])).await.expect(200).lacks(&hidden);
    admin.get("/api/v1/collections/accounts/export").await.expect(200).lacks(&hidden);

    let refused = [
        (vec![("filter", "pin = 'x'")], "invalid_filter"),
        (vec![("filter", "pin ~ 's3'")], "invalid_filter"),
        (vec![("filter", "length(pin) > 1")], "invalid_filter"),
        (vec![("filter", "pi = 'x'")], "invalid_filter"),
        (vec![("sort", "pin")], "invalid_parameter"),
        (vec![("sort", "-pin")], "invalid_parameter"),
        (vec![("fields", "pin")], "invalid_parameter"),
        (vec![("fields", "name,pin")], "invalid_parameter"),
    ];
    for (parameters, code) in refused {
        let answer = admin.get(&query(RECORDS, &parameters)).await.lacks(&hidden);
        let problem = answer.problem(400, code);
        assert!(!problem["detail"].as_str().unwrap().contains("did you mean \"pin\""), "{problem}");
    }
    admin.get(&query(&one, &[("fields", "pin")])).await.lacks(&hidden).problem(400, "invalid_parameter");
    let filter = query("/api/v1/collections/accounts/export", &[("filter", "pin = 'x'")]);
    admin.get(&filter).await.lacks(&hidden).problem(400, "invalid_filter");
    let total = admin.get(&query(RECORDS, &[("total", "true"), ("explain", "true")])).await.ok(200);
    assert_eq!(total["total"], 1);
}

#[tokio::test]
async fn errors_about_a_hidden_value_do_not_tell_it() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let fields = json!([{"name": "pin", "type": "string", "hidden": true, "unique": true, "max": 20}]);
    app.collection(json!({"name": "accounts", "fields": fields})).await;
    app.record("accounts", json!({"id": "one", "pin": SECRET})).await;
    app.record("accounts", json!({"id": "two", "pin": OTHER})).await;
    let hidden = [SECRET, OTHER];
    admin.post(RECORDS, json!({"pin": SECRET})).await.lacks(&hidden).invalid(&[("/pin", "unique")]);
    let long = format!("{SECRET}{SECRET}");
    admin.patch(&format!("{RECORDS}/one"), json!({"pin": long})).await.lacks(&hidden).invalid(&[("/pin", "too_long")]);
    let lines = format!("{{\"pin\":\"{SECRET}\"}}\n{{\"pin\":\"{long}\"}}\n{{\"pin\":\"{OTHER}\" \n");
    let report = admin.send("POST", "/api/v1/collections/accounts/import", lines).await.expect(200).lacks(&hidden);
    assert_eq!(report.json()["imported"], 0);
    let narrow = json!({"fields": [{"name": "pin", "type": "string", "hidden": true, "max": 3}]});
    let misfit = admin.patch("/api/v1/collections/accounts", narrow).await.lacks(&hidden);
    misfit.invalid(&[("/fields/0", "data_misfit")]);
}

#[tokio::test]
async fn rules_use_hidden_fields_and_put_keeps_them() {
    let app = TestApp::start().await;
    let user = app.user("ann", &["user"]).await;
    let fields = json!([{"name": "owner", "type": "string", "hidden": true}, {"name": "name", "type": "string"}]);
    let own = "owner = @auth.id";
    app.collection(json!({"name": "accounts", "fields": fields, "rules": {"list": own, "read": own, "update": own}}))
        .await;
    app.record("accounts", json!({"id": "mine", "owner": user.id})).await;
    app.record("accounts", json!({"id": "other", "owner": "someone"})).await;
    let list = user.get(RECORDS).await.expect(200).lacks(&["other", "someone", &user.id]).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    user.patch(&format!("{RECORDS}/mine"), json!({"name": "n"})).await.expect(200).lacks(&[&user.id]);
    user.patch(&format!("{RECORDS}/other"), json!({"name": "n"})).await.problem(404, "not_found");
    user.put(&format!("{RECORDS}/mine"), json!({"name": "n"})).await.expect(200);
    user.get(&format!("{RECORDS}/mine")).await.expect(200).lacks(&[&user.id]);
}

#[tokio::test]
async fn a_field_can_be_hidden_and_shown_on_live_data() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let fields =
        |hidden: bool| json!([{"name": "a", "type": "string"}, {"name": "pin", "type": "string", "hidden": hidden}]);
    app.collection(json!({"name": "accounts", "fields": fields(false)})).await;
    app.record("accounts", json!({"id": "one", "pin": SECRET})).await;
    let def = "/api/v1/collections/accounts";
    let one = format!("{RECORDS}/one");
    assert_eq!(admin.get(&one).await.ok(200)["pin"], SECRET);
    admin.patch(def, json!({"fields": fields(true)})).await.ok(200);
    admin.get(&one).await.expect(200).lacks(&[SECRET]);
    admin.patch(def, json!({"fields": fields(false)})).await.ok(200);
    let shown: Value = admin.get(&one).await.ok(200);
    assert_eq!(shown["pin"], SECRET, "hiding loses nothing");
}
