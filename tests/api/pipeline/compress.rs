//! Compression: of texts, from a size on, in a form that the client takes.

use serde_json::json;

use crate::support::{Client, TestApp};

const RECORDS: &str = "/api/v1/collections/c/records";

async fn with_records(app: &TestApp) -> Client {
    app.collection(json!({"name": "c", "fields": [{"name": "t", "type": "text"}]})).await;
    app.record("c", json!({"id": "large", "t": "again and ".repeat(1000)})).await;
    app.record("c", json!({"id": "small", "t": "x"})).await;
    app.admin().await
}

#[tokio::test]
async fn answers_are_compressed_as_the_client_takes_them() {
    let app = TestApp::start().await;
    let admin = with_records(&app).await;
    let large = format!("{RECORDS}/large");
    let plain = admin.get(&large).await.expect(200);
    let rows = [
        ("gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("GZIP", "gzip"),
        ("gzip;q=0.5", "gzip"),
        ("gzip;q=0, br;q=0.1", "br"),
        ("gzip; q=0", ""),
        ("identity", ""),
        ("compress", ""),
        ("", ""),
    ];
    for (accepted, encoding) in rows {
        let answer = admin.with("accept-encoding", accepted).get(&large).await.expect(200);
        assert_eq!(answer.header("content-encoding"), encoding, "{accepted}");
        assert_eq!(answer.header("etag"), plain.header("etag"), "{accepted}");
        if encoding.is_empty() {
            assert_eq!(answer.body, plain.body, "{accepted}");
        } else {
            assert!(answer.body.len() * 10 < plain.body.len(), "{accepted}: {} bytes", answer.body.len());
            assert_eq!(answer.header("vary"), "Accept-Encoding", "{accepted}");
            assert_ne!(answer.header("content-length"), plain.header("content-length"), "{accepted}");
        }
    }
    let gzip = admin.with("accept-encoding", "gzip").get(&large).await;
    assert_eq!(gzip.body[..2], [0x1f, 0x8b], "it is gzip");
    let zstd = admin.with("accept-encoding", "zstd").get(&large).await;
    assert_eq!(zstd.body[..4], [0x28, 0xb5, 0x2f, 0xfd], "it is zstd");
}

#[tokio::test]
async fn what_is_small_stays_as_it_is() {
    let app = TestApp::start().await;
    let admin = with_records(&app).await.with("accept-encoding", "gzip, br, zstd");
    for path in [format!("{RECORDS}/small"), "/health/live".to_owned(), "/nothing".to_owned()] {
        let answer = admin.get(&path).await;
        assert!(!answer.headers.contains_key("content-encoding"), "{answer}");
        answer.json();
    }
    for path in [RECORDS, "/api/v1/collections/c/export"] {
        assert_eq!(admin.get(path).await.expect(200).header("content-encoding"), "zstd", "{path}");
    }
    let exactly = |bytes: usize| json!({"id": format!("b{bytes}"), "t": "x".repeat(bytes)});
    let made = app.record("c", exactly(1)).await.to_string().len() - 1;
    for (bytes, encoding) in [(1023, ""), (1024, "zstd")] {
        let body = json!({"id": "edge", "t": "x".repeat(bytes - made - "edge".len() + "b1".len())});
        let answer = admin.post(RECORDS, body).await.expect(201);
        assert_eq!(answer.header("content-encoding"), encoding, "{bytes} bytes");
        if encoding.is_empty() {
            assert_eq!(answer.body.len(), bytes, "the test means what it says");
        }
        app.operator().delete(&format!("{RECORDS}/edge")).await.expect(204);
    }
}

#[tokio::test]
async fn compression_can_be_off_or_start_elsewhere() {
    let app = TestApp::new().with_config(|config| config.http.compression = false).start().await;
    let admin = with_records(&app).await;
    let answer = admin.with("accept-encoding", "gzip").get(&format!("{RECORDS}/large")).await.expect(200);
    assert!(!answer.headers.contains_key("content-encoding"), "{}", answer.status);
    let app = TestApp::new().with_config(|config| config.http.compression_bytes_min = 10).start().await;
    let answer = app.guest().with("accept-encoding", "gzip").get("/health/live").await.expect(200);
    assert_eq!(answer.header("content-encoding"), "gzip");
}
