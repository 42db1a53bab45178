//! Upserts by a unique field, and operators that depend on the value that is there.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const RECORDS: &str = "/api/v1/collections/pages/records";
const UPSERT: &str = "/api/v1/collections/pages/upsert";

async fn pages() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let fields = json!([
        {"name": "slug", "type": "string", "format": "slug", "unique": true},
        {"name": "lang", "type": "string"},
        {"name": "number", "type": "integer"},
        {"name": "views", "type": "integer", "default": 0, "max": 1000},
        {"name": "ratio", "type": "number"},
        {"name": "price", "type": "decimal"},
        {"name": "tags", "type": "string", "many": true, "maxItems": 4},
        {"name": "meta", "type": "json"},
        {"name": "secret", "type": "string", "hidden": true, "unique": true},
    ]);
    let indexes = json!([{"fields": ["lang", "-number"], "unique": true}]);
    let rules = json!({"create": "slug != 'no'", "update": "lang = 'en'", "read": "lang = 'en'"});
    app.collection(json!({"name": "pages", "fields": fields, "indexes": indexes, "rules": rules})).await;
    let admin = app.admin().await;
    (app, admin)
}

#[tokio::test]
async fn a_record_is_made_once_and_changed_after() {
    let (_app, admin) = pages().await;
    let by = |by: &str| format!("{UPSERT}?by={by}");
    let made =
        admin.post(&by("slug"), json!({"slug": "home", "lang": "en", "number": 1, "meta": {"a": 1}})).await.expect(201);
    assert!(made.header("location").contains("/collections/pages/records/"));
    let id = made.json()["id"].clone();
    let changed = admin.post(&by("slug"), json!({"slug": "home", "meta": {"b": 2}})).await.expect(200);
    assert_eq!(changed.header("etag"), "\"2\"");
    let changed = changed.json();
    assert_eq!((&changed["id"], &changed["lang"], &changed["meta"]), (&id, &json!("en"), &json!({"a": 1, "b": 2})));
    let same = admin.post(&by("number,lang"), json!({"lang": "en", "number": 1, "ratio": 0.5})).await.ok(200);
    assert_eq!((&same["id"], &same["ratio"]), (&id, &json!(0.5)));
    admin.post(&by("lang,number"), json!({"lang": "en", "number": 2})).await.expect(201);
    assert_eq!(admin.post(UPSERT, json!({"id": id, "slug": "start"})).await.ok(200)["slug"], "start");
    admin.post(UPSERT, json!({"id": "own", "slug": "own"})).await.expect(201);

    admin.post(&by("views"), json!({"views": 1})).await.faults(400, "invalid_parameter", &[("by", "invalid")]);
    admin.post(&by("lang"), json!({"lang": "en"})).await.faults(400, "invalid_parameter", &[("by", "invalid")]);
    admin.post(&by("secret"), json!({"secret": "x"})).await.faults(400, "invalid_parameter", &[("by", "invalid")]);
    admin.post(&by("slug"), json!({"slug": null})).await.invalid(&[("/slug", "required")]);
    admin.post(&by("lang,number"), json!({})).await.invalid(&[("/lang", "required"), ("/number", "required")]);
    admin.post(&by("slug"), json!({"slug": "Not a slug"})).await.invalid(&[("/slug", "format")]);
    admin.post(&format!("{UPSERT}?on=slug"), json!({})).await.problem(400, "invalid_parameter");
}

#[tokio::test]
async fn an_upsert_needs_the_rights_of_what_it_does() {
    let (app, admin) = pages().await;
    let user = app.user("user", &["user"]).await;
    let by = format!("{UPSERT}?by=slug");
    user.post(&by, json!({"slug": "no"})).await.problem(403, "forbidden");
    user.post(&by, json!({"slug": "mine", "lang": "en"})).await.expect(201);
    user.post(&by, json!({"slug": "mine", "views": 2})).await.expect(200);
    admin.post(&by, json!({"slug": "theirs", "lang": "de"})).await.expect(201);
    user.post(&by, json!({"slug": "theirs", "views": 2})).await.invalid(&[("/slug", "unique")]);
    app.guest().post(&by, json!({"slug": "x"})).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn an_unseen_field_finds_nothing() {
    let app = TestApp::start().await;
    let fields = json!([{"name": "pin", "type": "string", "unique": true, "rules": {"read": "false"}}]);
    let open = json!({"list": "true", "read": "true", "create": "true", "update": "true"});
    app.collection(json!({"name": "pages", "fields": fields, "rules": open})).await;
    app.record("pages", json!({"id": "p", "pin": "s3cret"})).await;
    let user = app.user("user", &["user"]).await;
    for pin in ["s3cret", "other"] {
        user.post(&format!("{UPSERT}?by=pin"), json!({"pin": pin})).await.problem(400, "invalid_parameter");
    }
}

#[tokio::test]
async fn an_operand_has_a_bound() {
    let (app, admin) = pages().await;
    app.record("pages", json!({"id": "p", "slug": "p"})).await;
    let many: Vec<String> = (0..1_001).map(|number| number.to_string()).collect();
    for operator in ["$append", "$remove"] {
        let body = json!({"tags": {operator: many}});
        admin.patch(&format!("{RECORDS}/p"), body).await.invalid(&[("/tags", "items")]);
    }
}

#[tokio::test]
async fn operators_work_on_the_value_that_is_there() {
    let (app, admin) = pages().await;
    app.record("pages", json!({"id": "p", "slug": "p", "views": 5, "price": "1.50", "tags": ["a", "b"]})).await;
    let one = format!("{RECORDS}/p");
    let body = json!({
        "views": {"$increment": 3},
        "ratio": {"$increment": 0.5},
        "price": {"$increment": "-0.25"},
        "tags": {"$append": ["b", "c"]},
        "number": {"$increment": 1},
    });
    let changed = admin.patch(&one, body).await.ok(200);
    assert_eq!((&changed["views"], &changed["ratio"], &changed["price"]), (&json!(8), &json!(0.5), &json!("1.25")));
    assert_eq!((&changed["tags"], &changed["number"]), (&json!(["a", "b", "c"]), &json!(1)));
    let changed = admin.patch(&one, json!({"tags": {"$remove": ["a", "x"]}, "meta": {"$increment": 1}})).await.ok(200);
    assert_eq!((&changed["tags"], &changed["meta"]), (&json!(["b", "c"]), &json!({"$increment": 1})));

    let faults = [
        (json!({"views": {"$increment": 993}}), "/views", "too_large"),
        (json!({"views": {"$increment": 1.5}}), "/views", "type"),
        (json!({"number": {"$increment": i64::MAX}}), "/number", "too_large"),
        (json!({"tags": {"$append": ["d", "e", "f"]}}), "/tags", "items"),
        (json!({"tags": {"$append": "d"}}), "/tags", "type"),
        (json!({"tags": {"$increment": 1}}), "/tags", "operator"),
        (json!({"slug": {"$append": ["x"]}}), "/slug", "operator"),
        (json!({"slug": {"$increment": 1}}), "/slug", "operator"),
        (json!({"views": {"$multiply": 2}}), "/views", "operator"),
        (json!({"views": {"increment": 2}}), "/views", "type"),
        (json!({"price": {"$increment": "x"}}), "/price", "type"),
    ];
    for (body, at, code) in faults {
        admin.patch(&one, body).await.invalid(&[(at, code)]);
    }
    let made = admin.post(RECORDS, json!({"views": {"$increment": 2}, "tags": {"$append": ["x"]}})).await.ok(201);
    assert_eq!((&made["views"], &made["tags"]), (&json!(2), &json!(["x"])), "a new record starts from the defaults");
}

#[tokio::test]
async fn increments_at_the_same_time_all_count() {
    let (app, admin) = pages().await;
    app.record("pages", json!({"id": "p", "slug": "p"})).await;
    let one = format!("{RECORDS}/p");
    let add = |n: i64| {
        let (admin, one) = (admin.clone(), one.clone());
        async move {
            let by = format!("{UPSERT}?by=slug");
            match n % 2 {
                0 => admin.patch(&one, json!({"views": {"$increment": 1}})).await.expect(200),
                _ => admin.post(&by, json!({"slug": "p", "views": {"$increment": 1}})).await.expect(200),
            };
        }
    };
    join_all((0..60).map(add)).await;
    let record: Value = admin.get(&one).await.ok(200);
    assert_eq!((&record["views"], &record["version"]), (&json!(60), &json!(61)));
}
