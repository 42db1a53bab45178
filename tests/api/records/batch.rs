//! Batches: many changes of many collections, all of them or none.

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const BATCH: &str = "/api/v1/batch";

async fn shop() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let fields = json!([
        {"name": "name", "type": "string", "required": true, "max": 10, "unique": true},
        {"name": "stock", "type": "integer", "default": 0, "nullable": false, "min": 0},
    ]);
    let open = json!({"list": "true", "read": "true", "create": "name != 'no'", "update": "name != 'locked'"});
    app.collection(json!({"name": "products", "fields": fields, "rules": open})).await;
    let fields = json!([
        {"name": "products", "type": "relation", "collection": "products", "many": true},
        {"name": "first", "type": "relation", "collection": "products"},
        {"name": "note", "type": "string"},
        {"name": "meta", "type": "json"},
    ]);
    app.collection(json!({"name": "orders", "fields": fields})).await;
    let admin = app.admin().await;
    (app, admin)
}

fn create(collection: &str, name: &str, body: Value) -> Value {
    json!({"op": "create", "collection": collection, "ref": name, "body": body})
}

fn operations(operations: &[Value]) -> Value {
    json!({"operations": operations})
}

async fn count(admin: &Client, collection: &str) -> Value {
    let path = format!("/api/v1/collections/{collection}/records?total=true&limit=1");
    admin.get(&path).await.ok(200)["total"].clone()
}

#[tokio::test]
async fn later_operations_see_and_name_what_earlier_ones_made() {
    let (app, admin) = shop().await;
    let seq = app.store().snapshot().seq();
    let answer = admin
        .post(
            BATCH,
            operations(&[
                create("products", "tea", json!({"name": "tea", "stock": 5})),
                create("products", "cup", json!({"id": "cup", "name": "cup"})),
                create("orders", "order", json!({"first": {"$ref": "tea"}, "products": ["cup", {"$ref": "tea"}]})),
                json!({"op": "update", "collection": "products", "id": {"$ref": "tea"}, "body": {"stock": {"$increment": -1}}}),
                json!({"op": "upsert", "collection": "products", "by": ["name"], "body": {"name": "tea", "stock": {"$increment": -1}}}),
                json!({"op": "upsert", "collection": "products", "by": ["name"], "ref": "new", "body": {"name": "new"}}),
                json!({"op": "replace", "collection": "products", "id": "cup", "ifMatch": 1, "body": {"name": "mug"}}),
                json!({"op": "delete", "collection": "products", "id": {"$ref": "new"}}),
            ]),
        )
        .await
        .ok(200);
    let results = answer["results"].as_array().unwrap();
    let statuses: Vec<_> = results.iter().map(|result| result["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 201, 201, 200, 200, 201, 200, 204]);
    let tea = &results[0]["id"];
    assert_eq!(results[2]["record"]["first"], *tea);
    assert_eq!(results[2]["record"]["products"], json!(["cup", tea]));
    assert_eq!((&results[4]["record"]["stock"], &results[4]["version"]), (&json!(3), &json!(3)));
    assert_eq!(results[6]["record"]["name"], "mug");
    assert_eq!(results[7], json!({"status": 204, "id": results[5]["id"]}));
    let tea = admin.get(&format!("/api/v1/collections/products/records/{}", tea.as_str().unwrap())).await.ok(200);
    assert_eq!(tea["stock"], 3);
    assert_eq!(count(&admin, "products").await, 2);
    assert_eq!(app.store().snapshot().seq() - seq, 8, "each change is in the log");
}

#[tokio::test]
async fn one_fault_undoes_all_and_every_fault_is_told() {
    let (app, admin) = shop().await;
    app.record("products", json!({"id": "old", "name": "old"})).await;
    let seq = app.store().snapshot().seq();
    let problem = admin
        .post(
            BATCH,
            operations(&[
                create("products", "a", json!({"name": "fine"})),
                create("products", "b", json!({"name": "far too long", "stock": "many"})),
                create("orders", "c", json!({"first": {"$ref": "b"}})),
                json!({"op": "update", "collection": "products", "id": "nobody", "body": {}}),
                json!({"op": "update", "collection": "products", "id": "old", "ifMatch": 7, "body": {}}),
                json!({"op": "upsert", "collection": "products", "by": ["stock"], "body": {"stock": 1}}),
                json!({"op": "create", "collection": "nowhere", "body": {}}),
                create("products", "d", json!({"name": "old", "colour": 1})),
                create("products", "e", json!({"name": "old"})),
            ]),
        )
        .await
        .faults(
            422,
            "validation_failed",
            &[
                ("/operations/1/body/name", "too_long"),
                ("/operations/1/body/stock", "type"),
                ("/operations/3", "not_found"),
                ("/operations/4", "precondition_failed"),
                ("/operations/5/by", "invalid"),
                ("/operations/6", "not_found"),
                ("/operations/7/body/colour", "unknown_field"),
                ("/operations/8/body/name", "unique"),
            ],
        );
    assert!(!problem.to_string().contains("/operations/2"), "what follows from another fault is none: {problem}");
    assert_eq!(count(&admin, "products").await, 1);
    assert_eq!(app.store().snapshot().seq(), seq, "nothing is written");
}

#[tokio::test]
async fn a_refused_deletion_undoes_the_batch() {
    let (app, admin) = shop().await;
    app.record("products", json!({"id": "tea", "name": "tea"})).await;
    app.record("orders", json!({"id": "order", "first": "tea"})).await;
    let problem = admin
        .post(
            BATCH,
            operations(&[
                create("products", "x", json!({"name": "x"})),
                json!({"op": "delete", "collection": "products", "id": "tea"}),
            ]),
        )
        .await
        .problem(409, "conflict");
    assert_eq!(problem["errors"][0]["pointer"], "/operations/1");
    assert_eq!(count(&admin, "products").await, 1);
    let both = [
        json!({"op": "delete", "collection": "orders", "id": "order"}),
        json!({"op": "delete", "collection": "products", "id": "tea"}),
    ];
    admin.post(BATCH, operations(&both)).await.ok(200);
    assert_eq!(count(&admin, "products").await, 0);
}

#[tokio::test]
async fn each_operation_asks_for_its_own_rights() {
    let (app, admin) = shop().await;
    app.record("products", json!({"id": "locked", "name": "locked"})).await;
    let user = app.user("user", &["user"]).await;
    let make = |name: &str| create("products", name, json!({"name": name}));
    user.post(BATCH, operations(&[make("yes")])).await.ok(200);
    let refused = [
        (make("no"), 403, "forbidden"),
        (create("orders", "o", json!({})), 403, "forbidden"),
        (json!({"op": "update", "collection": "products", "id": "locked", "body": {"stock": 1}}), 403, "forbidden"),
        (json!({"op": "delete", "collection": "products", "id": "locked"}), 403, "forbidden"),
        (json!({"op": "update", "collection": "orders", "id": "any", "body": {}}), 404, "not_found"),
        (create("users", "u", json!({"email": "x@example.com", "roles": ["admin"]})), 403, "forbidden"),
    ];
    for (operation, status, code) in refused {
        let problem = user.post(BATCH, operations(&[make("other"), operation])).await.problem(status, code);
        assert_eq!(problem["errors"][0]["pointer"], "/operations/1", "{problem}");
    }
    assert_eq!(count(&admin, "products").await, 2);
    app.guest().post(BATCH, operations(&[make("yes")])).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_name_counts_only_where_a_relation_is() {
    let (_app, admin) = shop().await;
    let tea = create("products", "tea", json!({"name": "tea"}));
    let order = create("orders", "order", json!({"first": {"$ref": "tea"}, "meta": {"$ref": "tea"}}));
    let made = admin.post(BATCH, operations(&[tea, order])).await.ok(200);
    let (tea, order) = (&made["results"][0]["record"], &made["results"][1]["record"]);
    assert_eq!((&order["first"], &order["meta"]), (&tea["id"], &json!({"$ref": "tea"})), "{made}");
}

#[tokio::test]
async fn what_is_no_batch_is_refused() {
    let (_app, admin) = shop().await;
    admin.post(BATCH, json!({"operations": []})).await.invalid(&[("/operations", "items")]);
    let many = vec![create("products", "x", json!({})); 1_001];
    admin.post(BATCH, operations(&many)).await.invalid(&[("/operations", "items")]);
    admin.post(BATCH, json!({"ops": []})).await.problem(400, "invalid_json");
    admin.post(BATCH, json!([])).await.problem(400, "invalid_json");
    let tea = json!({"name": "tea"});
    let faults = [
        (json!({"op": "make", "collection": "products", "body": tea}), "", "type"),
        (json!({"op": "create", "body": tea}), "/collection", "required"),
        (json!({"op": "create", "collection": "products", "body": tea, "more": 1}), "", "type"),
        (json!({"op": "create", "collection": "products"}), "/body", "required"),
        (json!({"op": "create", "collection": "products", "id": "x", "body": tea}), "/id", "invalid"),
        (json!({"op": "create", "collection": "products", "by": ["name"], "body": tea}), "/by", "invalid"),
        (json!({"op": "update", "collection": "products", "body": tea}), "/id", "required"),
        (json!({"op": "update", "collection": "products", "id": 5, "body": tea}), "/id", "type"),
        (json!({"op": "delete", "collection": "products", "id": "x", "body": {}}), "/body", "invalid"),
        (json!({"op": "delete", "collection": "products", "id": {"$ref": "later"}}), "", "unknown_ref"),
        (create("products", "", json!({})), "/ref", "unique"),
    ];
    let all: Vec<Value> = faults.iter().map(|(operation, ..)| operation.clone()).collect();
    let told: Vec<_> =
        faults.iter().enumerate().map(|(index, (_, at, code))| (format!("/operations/{index}{at}"), *code)).collect();
    let told: Vec<_> = told.iter().map(|(at, code)| (at.as_str(), *code)).collect();
    admin.post(BATCH, operations(&all)).await.invalid(&told);
    let own = create("orders", "x", json!({"products": [{"$ref": "x"}]}));
    admin.post(BATCH, operations(&[own])).await.invalid(&[("/operations/0", "unknown_ref")]);
    let twice = r#"{"operations": [{"op": "create", "collection": "products", "body": {"name": "a", "name": "b"}}]}"#;
    admin.send("POST", BATCH, twice).await.problem(400, "invalid_json");
}
