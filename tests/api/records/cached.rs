//! Lists that are answered from memory: only where nobody could tell the difference.

use serde_json::json;

use crate::support::{Client, TestApp, query};

const RECORDS: &str = "/api/v1/collections/posts/records";

async fn posts() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let fields = json!([
        {"name": "title", "type": "string"},
        {"name": "owner", "type": "string"},
        {"name": "pin", "type": "string", "rules": {"read": "false"}},
        {"name": "next", "type": "relation", "collection": "posts"},
    ]);
    let rules = json!({"list": "true", "read": "true"});
    app.collection(json!({"name": "posts", "fields": fields, "rules": rules, "cacheControl": "public, max-age=60"}))
        .await;
    app.collection(json!({"name": "others", "fields": [{"name": "title", "type": "string"}]})).await;
    app.record("posts", json!({"id": "one", "title": "One", "pin": "1471147114"})).await;
    let admin = app.admin().await;
    (app, admin)
}

async fn status(client: &Client, path: &str) -> String {
    client.get(path).await.expect(200).header("cache-status").to_owned()
}

const HIT: &str = "stead; hit";
const MISS: &str = "stead; fwd=miss";

#[tokio::test]
async fn a_page_is_kept_until_a_record_of_its_collection_changes() {
    let (app, admin) = posts().await;
    let path = format!("{RECORDS}?sort=-title&limit=5&total=true");
    assert_eq!(status(&admin, &path).await, MISS);
    let kept = admin.get(&path).await.expect(200);
    assert_eq!(kept.header("cache-status"), HIT);
    app.record("others", json!({"title": "x"})).await;
    assert_eq!(status(&admin, &path).await, HIT, "another collection is none of its business");
    for change in 0..4 {
        match change {
            0 => drop(app.record("posts", json!({"id": "two", "title": "Two"})).await),
            1 => drop(admin.patch(&format!("{RECORDS}/two"), json!({"title": "Deux"})).await.expect(200)),
            2 => drop(admin.delete(&format!("{RECORDS}/two")).await.expect(204)),
            _ => drop(admin.patch("/api/v1/collections/posts", json!({"description": "d"})).await.expect(200)),
        }
        let anew = admin.get(&path).await.expect(200);
        assert_eq!(anew.header("cache-status"), MISS, "after change {change}");
        assert_ne!(anew.header("etag"), kept.header("etag"));
        assert_eq!(status(&admin, &path).await, HIT);
    }
    assert_eq!(admin.get(&path).await.ok(200)["items"], kept.json()["items"]);
}

#[tokio::test]
async fn a_client_that_has_the_page_gets_none() {
    let (app, admin) = posts().await;
    let tag = admin.get(RECORDS).await.expect(200).header("etag").to_owned();
    for known in [tag.clone(), format!("\"x\", W/{tag}")] {
        let answer = admin.with("If-None-Match", &known).get(RECORDS).await.expect(304);
        assert_eq!(
            (answer.header("etag"), answer.text(), answer.header("cache-control")),
            (tag.as_str(), "", "private, max-age=60")
        );
    }
    app.record("posts", json!({"title": "new"})).await;
    assert_ne!(admin.with("If-None-Match", &tag).get(RECORDS).await.expect(200).header("etag"), tag);
}

#[tokio::test]
async fn nobody_gets_the_page_of_another() {
    let (app, admin) = posts().await;
    let user = app.user("user", &["user"]).await;
    for _ in 0..2 {
        let of_admin = admin.get(RECORDS).await.expect(200);
        assert!(of_admin.text().contains("1471147114"));
        user.get(RECORDS).await.expect(200).lacks(&["1471147114", "pin"]);
    }
    assert_eq!(status(&user, RECORDS).await, HIT);
    admin.patch("/api/v1/collections/posts", json!({"rules": {"list": "owner = @auth.id"}})).await.expect(200);
    assert_eq!(user.get(RECORDS).await.expect(200).header("cache-status"), "", "what a rule picks out is made anew");
    assert_eq!(user.get(RECORDS).await.ok(200)["items"], json!([]));
    admin.patch("/api/v1/collections/posts", json!({"rules": {}})).await.expect(200);
    user.get(RECORDS).await.problem(403, "forbidden");
    app.guest().get(RECORDS).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn what_depends_on_more_is_made_anew() {
    let (_app, admin) = posts().await;
    let rows: [&[(&str, &str)]; 7] = [
        &[("filter", "owner = @auth.id")],
        &[("filter", "createdAt < @now")],
        &[("filter", "next.title = 'x'")],
        &[("filter", "posts_via_next = null")],
        &[("filter", "all(posts_via_next, title = 'x')")],
        &[("expand", "next")],
        &[("explain", "true")],
    ];
    for parameters in rows {
        for _ in 0..2 {
            let answer = admin.get(&query(RECORDS, parameters)).await.expect(200);
            assert_eq!((answer.header("cache-status"), answer.header("etag")), ("", ""), "{parameters:?}");
        }
    }
    for broken in ["limit=0", "filter=titel%3D1", "sort=nothing"] {
        for _ in 0..2 {
            admin.get(&format!("{RECORDS}?{broken}")).await.expect(400);
        }
    }
}

#[tokio::test]
async fn a_collection_says_how_long_its_answers_may_be_kept() {
    let (app, admin) = posts().await;
    assert_eq!(
        admin.get(RECORDS).await.expect(200).header("cache-control"),
        "private, max-age=60",
        "fields have rules"
    );
    assert_eq!(admin.get(&format!("{RECORDS}/one")).await.expect(200).header("cache-control"), "private, max-age=60");
    let open = json!({"cacheControl": "public, s-maxage=9", "rules": {"list": "true", "read": "true"}});
    app.collection(json!({"name": "open", "fields": [{"name": "a", "type": "string"}]})).await;
    admin.patch("/api/v1/collections/open", open).await.expect(200);
    let shared = "/api/v1/collections/open/records";
    assert_eq!(admin.get(shared).await.expect(200).header("cache-control"), "public, s-maxage=9");
    admin.patch("/api/v1/collections/open", json!({"rules": {"list": "a = @auth.id"}})).await.expect(200);
    assert_eq!(admin.get(shared).await.expect(200).header("cache-control"), "private");
    let posts = "/api/v1/collections/posts";
    admin.patch(posts, json!({"cacheControl": "private, max-age=5, stale-while-revalidate=10"})).await.expect(200);
    assert!(admin.get(RECORDS).await.expect(200).header("cache-control").contains("stale-while-revalidate=10"));
    for wrong in ["forever", "max-age", "max-age=x", "public; max-age=1", "public\r\nX-Evil: 1", "max-age=-1"] {
        admin.patch(posts, json!({"cacheControl": wrong})).await.invalid(&[("/cacheControl", "format")]);
    }
    assert_eq!(admin.patch(posts, json!({"cacheControl": ""})).await.ok(200).get("cacheControl"), None);
    assert_eq!(admin.get(RECORDS).await.expect(200).header("cache-control"), "");
    drop(app);
}

#[tokio::test]
async fn pages_are_kept_only_where_it_is_configured() {
    let app = TestApp::new().with_config(|config| config.records.pages_bytes_max = 0).start().await;
    app.collection(json!({"name": "posts"})).await;
    let admin = app.admin().await;
    for _ in 0..2 {
        assert_eq!(status(&admin, RECORDS).await, "");
    }
}
