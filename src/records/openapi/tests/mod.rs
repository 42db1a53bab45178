//! The whole document over collections with every type of field and unlucky names.

mod fits;

use std::{collections::HashSet, sync::Arc};

use serde_json::{Value, json};

use super::{common_fragment, fragment, fragments, parameters};
use crate::{
    access::Who,
    collections::{self, Catalog, Catalogs, CollectionInput, CollectionService, RecordScope, system},
    expr,
    http::openapi::{document, raise},
    kernel::SystemClock,
    records::SavedAggregates,
    store::{Options, Schema, Store},
};

/// Definitions with every type of field, bound, pattern and rule.
fn definitions() -> Value {
    json!([
        {"name": "posts", "description": "Articles of the blog.", "fields": [
            {"name": "title", "type": "string", "required": true, "max": 200, "unique": true, "description": "The headline."},
            {"name": "slug", "type": "string", "format": "slug", "pattern": "[a-z].*", "required": true},
            {"name": "body", "type": "text"},
            {"name": "status", "type": "enum", "values": ["draft", "published"], "default": "draft", "nullable": false},
            {"name": "mood", "type": "enum", "values": ["glad", "\"sad\""]},
            {"name": "views", "type": "integer", "min": 0, "default": 0, "nullable": false},
            {"name": "author", "type": "relation", "collection": "users", "onDelete": "setNull"},
            {"name": "secret", "type": "string", "hidden": true},
        ], "rules": {"list": "status = \"published\" || author = @auth.id", "create": "author = @auth.id && title != \"`\""}},
        {"name": "everything", "fields": [
            {"name": "email", "type": "string", "format": "email", "required": true},
            {"name": "url", "type": "string", "format": "url"},
            {"name": "uuid", "type": "string", "format": "uuid"},
            {"name": "code", "type": "string", "pattern": "[A-Z]{3}-\\d{4}", "required": true},
            {"name": "odd", "type": "string", "pattern": "(?i)[[:alpha:]]+"},
            {"name": "long", "type": "string", "min": 40, "max": 60, "required": true},
            {"name": "short", "type": "string", "max": 3},
            {"name": "count", "type": "integer", "min": 100, "max": 9_007_199_254_740_993_i64},
            {"name": "ratio", "type": "number", "min": -0.5, "max": 0.5, "required": true},
            {"name": "price", "type": "decimal", "min": "100.00", "required": true},
            {"name": "flag", "type": "boolean"},
            {"name": "at", "type": "datetime", "min": "2030-01-01T00:00:00Z"},
            {"name": "day", "type": "date", "max": "2020-12-31"},
            {"name": "extra", "type": "json", "required": true},
            {"name": "tags", "type": "string", "many": true, "minItems": 2, "maxItems": 10},
            {"name": "colours", "type": "enum", "values": ["red", "green", "blue"], "many": true, "required": true, "minItems": 1},
            {"name": "others", "type": "relation", "collection": "posts", "many": true, "onDelete": "cascade"},
            {"name": "picture", "type": "file", "maxBytes": 1000},
            {"name": "pictures", "type": "file", "many": true},
            {"name": "place", "type": "geoPoint"},
            {"name": "home", "type": "geoPoint", "required": true},
        ]},
        {"name": "media_types", "fields": []},
        {"name": "mediaTypes", "fields": [{"name": "hiddenOnly", "type": "string", "hidden": true, "required": true}]},
        {"name": "post", "fields": [{"name": "impossible", "type": "string", "pattern": "a\\bb", "required": true}]},
        {"name": "postCreates", "fields": [{"name": "tags", "type": "enum", "values": ["x"], "many": true}]},
        {"name": "Posts", "fields": [{"name": "a", "type": "json"}]},
        {"name": "publishedPosts", "view": {"from": "posts", "filter": "status = \"published\" && secret = null", "fields": ["title", "author"]},
            "rules": {"list": "true", "read": "true"}},
        {"name": "postsByAuthor", "view": {"from": "posts", "select": "count, sum(views) as views, max(createdAt)", "group": "author.email, month(createdAt) as month, status"},
            "rules": {"list": "@auth.id != null"}},
        {"name": "problems", "fields": [{"name": "a", "type": "text", "min": 900_000}]},
    ])
}

/// A catalog of all definitions, and of the collections that every server has.
async fn catalog() -> Arc<Catalog> {
    let folder = tempfile::tempdir().unwrap();
    let schema = Schema {
        tables: collections::TABLES.into_iter().chain(crate::records::TABLES).chain(crate::queue::TABLES).collect(),
        migrations: vec![],
    };
    let store = Store::open(&folder.path().join("stead.redb"), &Options::default(), &schema).unwrap();
    let catalogs = Arc::new(Catalogs::new(store.clone()));
    let service =
        CollectionService::new(store, Arc::clone(&catalogs), Arc::new(SystemClock), Arc::new(SavedAggregates));
    for input in system::inputs() {
        service.ensure_system(input).await.unwrap();
    }
    for definition in definitions().as_array().unwrap() {
        let input: CollectionInput = serde_json::from_value(definition.clone()).unwrap();
        service.create(&Who::default(), input).await.unwrap();
    }
    catalogs.current().unwrap().1
}

/// The document as a server has it, with a static part in the framework's manner.
async fn whole() -> Value {
    let ok = json!({"200": {"description": ""}});
    let login = json!({"type": "object", "properties": {"email": {"type": "string", "nullable": true}}});
    let static_part = json!({
        "openapi": "3.0.0",
        "tags": [{"name": "auth", "description": "Sessions."}],
        "paths": {
            "/api/v1/auth/login": {"post": {
                "tags": ["auth"], "summary": "Sign in", "operationId": "login", "responses": ok,
                "requestBody": {"required": true, "content": {"application/json; charset=utf-8": {
                    "schema": {"$ref": "#/components/schemas/UserCreate"},
                }}},
            }},
            "/api/v1/users": {"get": {"tags": ["auth"], "operationId": "listUsers", "responses": ok}},
        },
        "components": {"schemas": {
            "UserCreate": login, "Step": {"type": "object"},
            "JobOutcome": {"type": "string", "enum": ["created", "skipped", "replaced"]},
        }},
    });
    let raised = raise(&static_part.to_string(), &["/api/v1/auth/login"]).unwrap();
    let catalog = catalog().await;
    document(&raised, [common_fragment()].into_iter().chain(fragments(&catalog)))
}

/// Every value under a member of this name, wherever it stands.
fn find<'v>(value: &'v Value, member: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get(member));
            members.values().for_each(|value| find(value, member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| find(item, member, found)),
        _ => {}
    }
}

fn all<'v>(value: &'v Value, member: &str) -> Vec<&'v Value> {
    let mut found = Vec::new();
    find(value, member, &mut found);
    found
}

#[tokio::test]
async fn names_are_unique_and_references_lead_somewhere() {
    let document = whole().await;
    let mut ids = HashSet::new();
    for id in all(&document["paths"], "operationId") {
        assert!(ids.insert(id.as_str().unwrap().to_lowercase()), "{id}");
    }
    assert_eq!(ids.len(), 2 + 1 + 9 * 13 + 5 + 1);
    // A batch has members of this name, which lead to operations.
    let references = all(&document, "$ref").into_iter().filter_map(Value::as_str);
    for pointer in references.filter_map(|reference| reference.strip_prefix('#')) {
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    let schemas: Vec<_> = document["components"]["schemas"].as_object().unwrap().keys().collect();
    let folded: HashSet<_> = schemas.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(folded.len(), schemas.len());
    for name in ["User", "UserCreate", "UserCreateRecord", "Post", "PostCreate", "PostUpdate", "PostList", "MediaType"]
    {
        assert!(schemas.iter().any(|known| *known == name), "{name} in {schemas:?}");
    }
}

#[tokio::test]
async fn a_fragment_alone_is_the_fragment_among_all() {
    let catalog = catalog().await;
    let alone: Vec<_> =
        catalog.sorted().into_iter().chain(catalog.views()).map(|collection| fragment(collection, &catalog)).collect();
    assert_eq!(alone, fragments(&catalog));
}

#[tokio::test]
async fn examples_fit_their_schemas_and_filters_their_collections() {
    let document = whole().await;
    let mut examples = 0;
    for content in all(&document["paths"], "application/json") {
        let Some(example) = content.get("example") else { continue };
        examples += 1;
        fits::check(&document, &content["schema"], example, "");
    }
    // With those of batches, the report of imports and the aggregates. All of them but those with a value of `post`, which no
    // one can make up.
    assert_eq!(examples, 159);
    let catalog = catalog().await;
    for collection in catalog.sorted().into_iter().chain(catalog.views().filter(|view| !view.is_aggregate())) {
        let filter = parameters::filter_example(collection);
        expr::compile(&filter, &RecordScope::rule(collection, &**collection)).unwrap();
    }
}

#[tokio::test]
async fn types_become_schemas() {
    let document = whole().await;
    let post = &document["components"]["schemas"]["Post"];
    assert_eq!(
        post["required"],
        json!([
            "id",
            "createdAt",
            "updatedAt",
            "version",
            "title",
            "slug",
            "body",
            "status",
            "mood",
            "views",
            "author"
        ])
    );
    assert_eq!(
        post["properties"]["mood"],
        json!({"anyOf": [{"$ref": "#/components/schemas/PostMood"}, {"type": "null"}]})
    );
    assert_eq!(document["components"]["schemas"]["PostMood"]["enum"], json!(["glad", "\"sad\""]));
    assert_eq!(post["properties"]["slug"]["pattern"], json!("^(?:[a-z].*)$"));
    let create = &document["components"]["schemas"]["PostCreate"];
    assert_eq!(create["required"], json!(["title", "slug"]));
    assert_eq!(create["properties"]["views"]["description"], json!("Default: `0`."));
    assert_eq!(create["properties"]["secret"]["writeOnly"], json!(true));
    let update = &document["components"]["schemas"]["PostUpdate"];
    assert_eq!((update.get("required"), &update["additionalProperties"]), (None, &json!(false)));
    let list = &document["paths"]["/api/v1/collections/posts/records"]["get"];
    assert!(list["description"].as_str().unwrap().contains("`posts:list`"));
    assert!(list["description"].as_str().unwrap().contains("`status = \"published\" || author = @auth.id`"));
    let sort = list["parameters"].as_array().unwrap().iter().find(|parameter| parameter["name"] == "sort").unwrap();
    let pattern = regex::Regex::new(sort["schema"]["pattern"].as_str().unwrap()).unwrap();
    assert!(pattern.is_match("-views,title") && !pattern.is_match("secret") && !pattern.is_match("views,,title"));
}

#[tokio::test]
async fn views_are_described_as_far_as_they_can_be_read() {
    let document = whole().await;
    let path = |path: &str| &document["paths"][format!("/api/v1/collections/{path}")];
    let methods = |at: &str| path(at).as_object().map(|item| item.keys().cloned().collect::<Vec<_>>());
    assert_eq!(methods("publishedPosts/records").unwrap(), ["get"]);
    assert_eq!(methods("publishedPosts/records/{id}").unwrap(), ["parameters", "get"]);
    assert_eq!((methods("publishedPosts/import"), methods("publishedPosts/upsert")), (None, None));
    let schemas = &document["components"]["schemas"];
    let properties: Vec<_> = schemas["PublishedPost"]["properties"].as_object().unwrap().keys().collect();
    assert_eq!(properties, ["id", "createdAt", "updatedAt", "version", "title", "author", "expand"]);
    assert_eq!(schemas.get("PublishedPostCreate"), None);
    let filter = &path("publishedPosts/records")["get"]["parameters"][0]["description"];
    assert!(!filter.as_str().unwrap().contains("slug"), "{filter}");

    assert_eq!(methods("postsByAuthor/records").unwrap(), ["get"]);
    assert_eq!((methods("postsByAuthor/records/{id}"), methods("postsByAuthor/aggregate")), (None, None));
    let int = json!({"type": "integer", "format": "int64"});
    assert_eq!(
        schemas["PostsByAuthor"]["properties"],
        json!({
            "authorEmail": {"type": ["string", "null"]},
            "month": {"type": "string"},
            "status": {"type": "string"},
            "count": int,
            "views": {"type": ["integer", "null"], "format": "int64"},
            "maxCreatedAt": {"type": ["string", "null"], "format": "date-time"},
        })
    );
    assert_eq!(
        schemas["PostsByAuthorList"]["properties"]["items"]["items"]["$ref"],
        "#/components/schemas/PostsByAuthor"
    );
}
