//! Texts that break careless software: each comes back as it was sent, wherever it stands.

use serde_json::json;

use crate::support::{TestApp, query};

const RECORDS: &str = "/api/v1/collections/c/records";

const NASTY: &[&str] = &[
    "",
    " ",
    "\u{0}",
    "\u{1}\u{8}\u{b}\u{c}\u{1f}\u{7f}\u{80}\u{9f}",
    "\t\r\n",
    "\"",
    "\\",
    "\\\"",
    "\"}]},{\"id\":\"x\"",
    "\\u0041",
    "'; DROP TABLE records; --",
    "<script>alert(1)</script>",
    "${jndi:ldap://x} %s %n {{7*7}}",
    "null",
    "é e\u{301} ﬁ ß İ ı",
    "日本語 中文 한국어 ไทย",
    "שלום مرحبا \u{202e}abc\u{202c}",
    "😀 👩‍👩‍👧‍👦 🏳️‍🌈 𝔘𝔫𝔦 \u{10ffff}",
    "\u{feff}\u{200b}\u{200d}\u{2028}\u{2029}",
    "\u{fffd}\u{fffe}\u{ffff}",
    "a\u{0}b\\",
];

#[tokio::test]
async fn every_text_comes_back_as_it_was_sent() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let fields = json!([
        {"name": "string", "type": "string", "indexed": true},
        {"name": "strings", "type": "string", "many": true, "indexed": true},
        {"name": "text", "type": "text"},
        {"name": "json", "type": "json"},
        {"name": "last", "type": "integer", "default": 1},
    ]);
    app.collection(json!({"name": "c", "fields": fields})).await;
    for (n, text) in NASTY.iter().enumerate() {
        let id = format!("r{n:02}");
        let body = json!({"id": id, "string": text, "strings": [text, "x"], "text": text, "json": {*text: [text]}});
        let made = admin.post(RECORDS, body.clone()).await.ok(201);
        let path = format!("{RECORDS}/{id}");
        let patched = admin.patch(&path, json!({"json": {"also": text}})).await.ok(200);
        let read = admin.get(&path).await.ok(200);
        assert_eq!(read, patched);
        for (name, sent) in body.as_object().unwrap() {
            assert_eq!(&made[name], sent, "{text:?}");
            if name != "json" {
                assert_eq!(&read[name], sent, "{text:?}");
            }
        }
        assert_eq!(read["json"]["also"], *text);
        assert_eq!(read["last"], 1, "what comes after a text is found: {text:?}");
        for filter in [
            format!("string = {}", literal(text)),
            format!("{} in strings", literal(text)),
            format!("text = {}", literal(text)),
        ] {
            let found = admin.get(&query(RECORDS, &[("filter", &filter), ("fields", "id")])).await;
            assert_eq!(found.ok(200)["items"], json!([{"id": id}]), "{filter}");
        }
    }
    let page = admin.get(&query(RECORDS, &[("sort", "string"), ("fields", "string")])).await.ok(200);
    let listed: Vec<&str> =
        page["items"].as_array().unwrap().iter().map(|item| item["string"].as_str().unwrap()).collect();
    let mut sorted = NASTY.to_vec();
    sorted.sort_unstable();
    assert_eq!(listed, sorted, "texts order by their code points");
}

/// A text as a filter writes it.
fn literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[tokio::test]
async fn names_of_members_are_compared_as_text_not_as_written() {
    let app = TestApp::start().await;
    app.collection(json!({"name": "c", "fields": [{"name": "title", "type": "string"}]})).await;
    let made = app.operator().send("POST", RECORDS, r#"{"titl\u0065": "a"}"#).await.ok(201);
    assert_eq!(made["title"], "a");
}

/// JSON that this server could not merge or search later is not taken.
#[tokio::test]
async fn json_that_cannot_be_worked_with_is_not_lost_by_a_patch() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "c", "fields": [{"name": "f", "type": "json"}]})).await;
    let deep = format!(r#"{{"keep": {}1{}}}"#, "[".repeat(300), "]".repeat(300));
    for value in [r#"{"keep": "\ud800"}"#, &deep] {
        let made = admin.send("POST", RECORDS, format!(r#"{{"f": {value}}}"#)).await;
        if matches!(made.status.as_u16(), 400 | 422) {
            continue;
        }
        let made: std::collections::HashMap<String, Box<serde_json::value::RawValue>> =
            serde_json::from_slice(&made.expect(201).body).unwrap();
        let id = made["id"].get().trim_matches('"');
        let kept = made["f"].get().trim_start_matches(r#"{"keep":"#).trim_end_matches('}').to_owned();
        let patched = admin.patch(&format!("{RECORDS}/{id}"), json!({"f": {"new": 1}})).await.expect(200);
        assert!(patched.text().contains(&kept), "a patch of another member lost {kept}: {}", patched.text());
    }
}

#[tokio::test]
async fn long_texts_are_kept_whole() {
    let app = TestApp::new().with_config(|config| config.http.body_bytes_max = 8 << 20).start().await;
    let admin = app.admin().await;
    let fields = json!([{"name": "s", "type": "string", "max": 4096, "indexed": true}, {"name": "t", "type": "text"}]);
    app.collection(json!({"name": "c", "fields": fields})).await;
    let (short, long) = ("😀".repeat(4096), "é".repeat(1_000_000));
    let made = admin.post(RECORDS, json!({"id": "one", "s": short, "t": long})).await.ok(201);
    assert!(made["s"] == short && made["t"] == long);
    let read = admin.get(&format!("{RECORDS}/one")).await.ok(200);
    assert!(read == made, "a long record is read as it was made");
    let body = json!({"s": format!("{short}x"), "t": format!("{long}x")});
    admin.post(RECORDS, body).await.invalid(&[("/s", "too_long"), ("/t", "too_long")]);
    let found = admin.get(&query(RECORDS, &[("sort", "-s"), ("fields", "id"), ("explain", "true")])).await.ok(200);
    assert_eq!((&found["items"], &found["explain"]["indexes"]), (&json!([{"id": "one"}]), &json!([["s"]])));
}
