//! Conditions behind relations find their records by the relation's index, and find no others than a look at each would.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, query};

const TRACKS: &str = "/api/v1/collections/tracks/records";

/// 3,000 tracks of 300 albums of 150 artists in 3 lands; names of artists have an index.
async fn shop() -> TestApp {
    let app = TestApp::start().await;
    let to = |name: &str, to: &str| json!({"name": name, "type": "relation", "collection": to});
    let name = json!({"name": "name", "type": "string", "indexed": true});
    let n = json!({"name": "n", "type": "integer"});
    let tags = json!({"name": "tags", "type": "string", "many": true});
    let on = json!({"name": "on", "type": "boolean", "indexed": true});
    app.collection(json!({"name": "lands", "fields": [name]})).await;
    app.collection(json!({"name": "artists", "fields": [name, on, to("land", "lands")]})).await;
    app.collection(json!({"name": "albums", "fields": [n, to("artist", "artists"), tags]})).await;
    app.collection(json!({"name": "tracks", "fields": [n, to("album", "albums")]})).await;
    let album = |n: usize| {
        let artist = if n.is_multiple_of(7) { Value::Null } else { json!(format!("a{}", n % 150)) };
        json!({"id": format!("b{n}"), "n": n, "artist": artist, "tags": if n == 5 { vec!["rare"] } else { vec![] }})
    };
    let track = |n: usize| {
        let album = if n.is_multiple_of(11) { Value::Null } else { json!(format!("b{}", n % 300)) };
        json!({"id": format!("t{n:04}"), "n": n, "album": album})
    };
    let artist = |n: usize| json!({"id": format!("a{n}"), "name": format!("Artist {n}"), "on": n < 2, "land": format!("l{}", n % 3)});
    for (collection, lines) in [
        ("lands", (0..3).map(|n| json!({"id": format!("l{n}"), "name": format!("Land {n}")})).collect::<Vec<_>>()),
        ("artists", (0..150).map(artist).collect()),
        ("albums", (0..300).map(album).collect()),
        ("tracks", (0..3_000).map(track).collect()),
    ] {
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let path = format!("/api/v1/collections/{collection}/import");
        assert_eq!(app.operator().send("POST", &path, lines).await.ok(200)["rejectedCount"], 0);
    }
    app
}

async fn asked(client: &Client, filter: &str) -> Value {
    let parameters = [
        ("filter", filter),
        ("fields", "id"),
        ("sort", "n"),
        ("limit", "1000"),
        ("total", "true"),
        ("explain", "true"),
    ];
    client.get(&query(TRACKS, &parameters)).await.ok(200)
}

#[tokio::test]
async fn what_is_found_is_what_a_look_at_each_finds() {
    let app = shop().await;
    let admin = app.admin().await;
    for (filter, indexed) in [
        ("album.n = 5", true),
        ("album.n = 300", true),
        ("album.n in [1, 2, 3]", true),
        ("album.n > 290 && n < 1000", true),
        ("album.artist.name = 'Artist 5'", true),
        ("album.artist.name = 'Nobody'", true),
        ("album.artist.on", true),
        ("startsWith(album.artist.name, 'Artist 14')", true),
        ("album.artist.name >= 'Artist 95' && album.artist.land.name = 'Land 1'", true),
        ("album = 'b5' && album.artist.name = 'Artist 5'", true),
        // Too many, or what is not there counts as well.
        ("album.n < 200", false),
        ("album.artist.land.name = 'Land 1'", false),
        ("album.n != 5", false),
        ("album.artist = null", false),
        ("album.artist.name = null", false),
        ("!(album.n = 5)", false),
        ("album.n = 5 || n = 7", false),
        ("album.artist.on = false", false),
        ("lower(album.artist.name) = 'artist 5'", false),
    ] {
        let found = asked(&admin, filter).await;
        // With an alternative that never holds it says the same, and nothing that a plan could use.
        let scanned = asked(&admin, &format!("({filter}) || n = -1")).await;
        assert_eq!(found["items"], scanned["items"], "{filter}");
        assert_eq!(found["total"], scanned["total"], "{filter}");
        let examined = found["explain"]["examined"].as_u64().unwrap();
        assert_eq!(examined < 3_000, indexed, "{filter}: {}", found["explain"]);
    }
    for filter in [
        "any(albums_via_artist.n) = 5",
        "any(albums_via_artist.artist.name) = 'Artist 5'",
        "any(albums_via_artist.tags) = 'rare'",
        "any(albums_via_artist.tracks_via_album.n) = 5",
        "any(albums_via_artist.artist.land.name) = 'Land 1'",
    ] {
        let ask = async |filter: &str| {
            let parameters = [("filter", filter), ("fields", "id"), ("sort", "name")];
            admin.get(&query("/api/v1/collections/artists/records", &parameters)).await.ok(200)
        };
        let (found, scanned) = (ask(filter).await, ask(&format!("({filter}) || name = 'Nobody'")).await);
        assert_eq!(found["items"], scanned["items"], "{filter}");
        assert_ne!(found["items"], json!([]), "{filter}");
    }
    let path = query(
        "/api/v1/collections/tracks/aggregate",
        &[("filter", "album.artist.name = 'Artist 5'"), ("select", "count")],
    );
    let total = asked(&admin, "album.artist.name = 'Artist 5'").await["total"].clone();
    assert_eq!(admin.get(&path).await.ok(200)["items"][0]["count"], total);
    assert!(total.as_u64().unwrap() > 0);
}

#[tokio::test]
async fn a_large_collection_can_be_asked_by_what_is_behind_a_relation() {
    let app = TestApp::new().with_config(|config| config.records.examined_max = 1_000).start().await;
    let name = json!({"name": "name", "type": "string"});
    let to = json!({"name": "author", "type": "relation", "collection": "authors"});
    app.collection(json!({"name": "authors", "fields": [name], "rules": {"read": "name != 'Zoe'"}})).await;
    app.collection(json!({"name": "posts", "fields": [to], "rules": {"list": "author.name != null"}})).await;
    for id in ["Ann", "Bob", "Zoe"] {
        app.record("authors", json!({"id": id, "name": id})).await;
    }
    let lines: String = (0..2_000)
        .map(|n| json!({"author": if n < 3 { "Ann" } else if n == 3 { "Zoe" } else { "Bob" }}).to_string() + "\n")
        .collect();
    app.operator().send("POST", "/api/v1/collections/posts/import", lines).await.ok(200);
    let by =
        |name: &str| query("/api/v1/collections/posts/records", &[("filter", &*format!("author.name = '{name}'"))]);
    let admin = app.admin().await;
    let count = |page: &Value| page["items"].as_array().unwrap().len();
    assert_eq!(count(&admin.get(&by("Ann")).await.ok(200)), 3);
    assert_eq!(count(&admin.get(&by("Zoe")).await.ok(200)), 1);
    let dry = admin.patch(&format!("{}&dryRun=true", by("Ann")), json!({"author": null})).await.ok(200);
    assert_eq!(dry["matched"], 3, "a change of many is found in the same way: {dry}");
    let post = json!({"name": "post", "type": "relation", "collection": "posts"});
    app.collection(json!({"name": "comments", "fields": [post, {"name": "by", "type": "string"}]})).await;
    let first = admin.get(&by("Ann")).await.ok(200)["items"][0]["id"].clone();
    app.record("comments", json!({"post": first, "by": "Bob"})).await;
    app.record("comments", json!({"by": "Bob"})).await;
    let back = [("filter", "any(comments_via_post.by) = 'Bob'")];
    let page = admin.get(&query("/api/v1/collections/posts/records", &back)).await.ok(200);
    assert_eq!((count(&page), &page["items"][0]["id"]), (1, &first));
    let user = app.user("user", &["user"]).await;
    assert_eq!(count(&user.get(&by("Ann")).await.ok(200)), 3);
    assert_eq!(count(&user.get(&by("Zoe")).await.ok(200)), 0, "whom the caller may not read is not there");
}

#[tokio::test]
async fn json_behind_a_relation_is_looked_at_record_by_record() {
    let app = TestApp::start().await;
    app.collection(json!({"name": "authors", "fields": [{"name": "meta", "type": "json"}]})).await;
    let to = |name: &str, to: &str| json!({"name": name, "type": "relation", "collection": to});
    app.collection(json!({"name": "posts", "fields": [to("author", "authors"), {"name": "n", "type": "integer"}]}))
        .await;
    let fields = json!([to("post", "posts"), {"name": "meta", "type": "json"}]);
    app.collection(json!({"name": "comments", "fields": fields})).await;
    app.record("authors", json!({"id": "ann", "meta": {"tags": ["x", "y"], "one": "x"}})).await;
    app.record("posts", json!({"id": "p", "author": "ann"})).await;
    app.record("comments", json!({"post": "p", "meta": ["x", "y"]})).await;
    let admin = app.admin().await;
    let ask = async |filter: &str| {
        let path = query("/api/v1/collections/posts/records", &[("filter", filter), ("fields", "id")]);
        admin.get(&path).await.ok(200)["items"].clone()
    };
    for filter in ["any(comments_via_post.meta) = 'x'", "author.meta.tags = 'y'", "author.meta.one = 'x'"] {
        assert_eq!(ask(filter).await, ask(&format!("({filter}) || n = 1")).await, "{filter}");
    }
}
