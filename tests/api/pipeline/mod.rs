//! What every answer has in common: headers, request ids, cross-origin rules, and no way in without a token.

mod compress;
mod failures;
mod limits;

use serde_json::json;

use crate::support::{Answer, TestApp};

const HELMET: [(&str, &str); 11] = [
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("origin-agent-cluster", "?1"),
    ("referrer-policy", "no-referrer"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ("x-content-type-options", "nosniff"),
    ("x-dns-prefetch-control", "off"),
    ("x-download-options", "noopen"),
    ("x-frame-options", "SAMEORIGIN"),
    ("x-permitted-cross-domain-policies", "none"),
    ("x-xss-protection", "0"),
];

/// One answer of each kind.
async fn answers(app: &TestApp) -> Vec<(u16, Answer)> {
    let admin = app.admin().await;
    let guest = app.guest();
    app.collection(json!({"name": "c"})).await;
    app.record("c", json!({"id": "one"})).await;
    let c = "/api/v1/collections/c";
    let one = format!("{c}/records/one");
    let preflight = guest.with("origin", "https://a.example").with("access-control-request-method", "PUT");
    vec![
        (200, guest.get("/health/live").await),
        (200, admin.get(c).await),
        (200, admin.get(&one).await),
        (200, admin.get(&format!("{c}/export")).await),
        (201, admin.post(&format!("{c}/records"), json!({})).await),
        (204, preflight.send("OPTIONS", &one, "").await),
        (304, admin.with("if-none-match", "\"1\"").get(&one).await),
        (204, admin.delete(&one).await),
        (400, admin.send("POST", &format!("{c}/records"), "{").await),
        (401, guest.get(c).await),
        (403, app.user("ann", &[]).await.get(c).await),
        (404, guest.get("/nothing").await),
        (404, admin.get(&one).await),
        (405, guest.delete("/health/live").await),
        (413, admin.send("POST", &format!("{c}/records"), "x".repeat((1 << 20) + 1)).await),
        (415, admin.with("content-type", "text/css").send("POST", &format!("{c}/records"), "x").await),
        (422, admin.post(&format!("{c}/records"), json!({"x": 1})).await),
    ]
}

#[tokio::test]
async fn every_kind_of_answer_carries_the_security_headers_and_a_request_id() {
    let app = TestApp::start().await;
    for (status, answer) in answers(&app).await {
        let answer = answer.expect(status);
        for (name, value) in HELMET {
            assert_eq!(answer.header(name), value, "{name} of {answer}");
        }
        let policy = answer.header("content-security-policy");
        for part in ["default-src 'self'", "object-src 'none'", "script-src 'self'", "frame-ancestors 'self'"] {
            assert!(policy.split(';').any(|own| own.trim() == part), "{part} of {answer}");
        }
        assert_eq!(answer.header("x-request-id").len(), 36, "{answer}");
        for name in ["server", "x-powered-by", "access-control-allow-origin"] {
            assert!(!answer.headers.contains_key(name), "{name} of {answer}");
        }
        if status >= 400 {
            assert_eq!(answer.header("content-type"), "application/problem+json", "{answer}");
        }
    }
    let app = TestApp::new().with_config(|config| config.http.security_headers = false).start().await;
    let bare = app.guest().get("/health/live").await.expect(200);
    assert!(HELMET.iter().all(|(name, _)| !bare.headers.contains_key(*name)), "{bare}");
}

#[tokio::test]
async fn request_ids_are_taken_when_fit_and_made_otherwise() {
    let app = TestApp::start().await;
    let longest = "x".repeat(128);
    for id in ["a", "A-Z_0.9", longest.as_str()] {
        let answer = app.guest().with("x-request-id", id).get("/nothing").await;
        assert_eq!(answer.header("x-request-id"), id);
        answer.problem(404, "not_found");
    }
    let long = "x".repeat(129);
    let mut made = Vec::new();
    for id in ["", "a b", "a\tb", "<script>", "a\"b", "a/b", "a,b", "é", "{}", "%00", long.as_str()] {
        let answer = app.guest().with("x-request-id", id).get("/nothing").await;
        let answer = if id.len() > 1 { answer.lacks(&[id]) } else { answer };
        made.push(answer.header("x-request-id").to_owned());
        answer.problem(404, "not_found");
    }
    assert!(made.iter().all(|id| id.parse::<uuid::Uuid>().is_ok()), "{made:?}");
    let count = made.len();
    made.sort();
    made.dedup();
    assert_eq!(made.len(), count, "each is new");
}

#[tokio::test]
async fn pages_of_known_origins_may_call() {
    let app = TestApp::new()
        .with_config(|config| {
            config.http.cors_origins = vec!["https://a.example".into(), "http://localhost:3000".into()];
            config.http.cors_max_age_seconds = 77;
        })
        .start()
        .await;
    let admin = app.admin().await;
    for origin in ["https://a.example", "http://localhost:3000"] {
        let preflight = app.guest().with("origin", origin).with("access-control-request-method", "PATCH");
        let preflight = preflight.with("access-control-request-headers", "authorization, content-type, if-match");
        let answer = preflight.send("OPTIONS", "/api/v1/collections", "").await.expect(204);
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert_eq!(answer.header("access-control-max-age"), "77");
        assert_eq!(answer.header("access-control-allow-headers"), "authorization, content-type, if-match");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            assert!(answer.header("access-control-allow-methods").split(", ").any(|known| known == method), "{answer}");
        }
        assert_eq!(answer.header("vary"), "Origin");
        for (status, path) in [(200, "/api/v1/collections"), (404, "/api/v1/nothing")] {
            let answer = admin.with("origin", origin).get(path).await.expect(status);
            assert_eq!(answer.header("access-control-allow-origin"), origin);
            assert!(answer.header("access-control-expose-headers").contains("ETag"), "{answer}");
        }
        let refused = app.guest().with("origin", origin).get("/api/v1/collections").await.expect(401);
        assert_eq!(refused.header("access-control-allow-origin"), origin, "a page can read why");
    }
    for origin in [
        "https://b.example",
        "http://a.example",
        "https://a.example:444",
        "https://a.example.evil",
        "null",
        "https://A.example",
    ] {
        let preflight = app.guest().with("origin", origin).with("access-control-request-method", "PATCH");
        let answers = [
            preflight.send("OPTIONS", "/api/v1/collections", "").await,
            admin.with("origin", origin).get("/api/v1/collections").await,
        ];
        for answer in answers {
            let told = answer.headers.keys().any(|name| name.as_str().starts_with("access-control-"));
            assert!(!told, "{origin}: {answer}");
            assert!(answer.headers.get_all("vary").iter().any(|value| value == "Origin"), "{answer}");
        }
    }
    let own = app.guest().get("/health/live").await.expect(200);
    assert!(!own.headers.contains_key("access-control-allow-origin"), "{own}");
}

#[tokio::test]
async fn a_star_lets_every_page_call() {
    let app = TestApp::new().with_config(|config| config.http.cors_origins = vec!["*".into()]).start().await;
    let answer = app.guest().with("origin", "https://any.example").get("/health/live").await.expect(200);
    assert!(matches!(answer.header("access-control-allow-origin"), "*" | "https://any.example"), "{answer}");
    assert!(!answer.headers.contains_key("access-control-allow-credentials"), "never with credentials: {answer}");
}

/// Everything but health, docs and sign-in: 401 without a token, and the same for paths that are not there.
#[tokio::test]
async fn nothing_is_open_without_a_token() {
    let app = TestApp::start().await;
    let rules = json!({"list": "true", "read": "true", "create": "true", "update": "true", "delete": "true"});
    app.collection(json!({"name": "c", "rules": rules})).await;
    app.record("c", json!({"id": "one"})).await;
    let closed = [
        ("GET", "collections"),
        ("POST", "collections"),
        ("GET", "collections/c"),
        ("PATCH", "collections/c"),
        ("DELETE", "collections/c"),
        ("GET", "collections/c/records"),
        ("POST", "collections/c/records"),
        ("GET", "collections/c/records/one"),
        ("PUT", "collections/c/records/one"),
        ("PATCH", "collections/c/records/one"),
        ("DELETE", "collections/c/records/one"),
        ("GET", "collections/c/export"),
        ("POST", "collections/c/import"),
        ("GET", "export"),
        ("POST", "users/admins"),
        ("PUT", "users/x/password"),
        ("GET", "nothing"),
        ("GET", ""),
        ("OPTIONS", "collections"),
        ("HEAD", "collections"),
        ("TRACE", "collections"),
        ("GET", "auth/login/"),
        ("GET", "auth//login"),
        ("POST", "auth/login/../../collections"),
        ("POST", "auth/login%2f..%2f..%2fcollections"),
        ("GET", "collections/c/records/one?x=/api/v1/auth/login"),
    ];
    for (method, path) in closed {
        let body = if matches!(method, "POST" | "PUT" | "PATCH") { "{}" } else { "" };
        let answer = app.guest().send(method, &format!("/api/v1/{path}"), body).await;
        assert_eq!(answer.status.as_u16(), 401, "{method} {path}: {answer}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        if method != "HEAD" {
            answer.problem(401, "unauthenticated");
        }
    }
    for path in ["/health/live", "/health/ready", "/health/startup", "/openapi.json", "/docs", "/setup"] {
        app.guest().get(path).await.expect(200).lacks(&["password_hash", "pkcs8"]);
    }
    assert_eq!(app.record("c", json!({})).await["version"], 1, "the collection is still there");
    app.operator().get("/api/v1/collections/c/records/one").await.expect(200);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "c"})).await;
    for path in [
        "/",
        "/nothing",
        "/api",
        "/api/v2/collections",
        "/health/nothing",
        "//",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api/v1/nothing",
        "/api/v1/collections/c/nothing",
        "/api/v1/collections/c/records/one/two",
    ] {
        admin.get(path).await.lacks(&["panick", "poem"]).problem(404, "not_found");
    }
    for (method, path) in [
        ("PUT", "/api/v1/collections"),
        ("POST", "/api/v1/collections/c"),
        ("PUT", "/api/v1/collections/c/records"),
        ("GET", "/api/v1/batch"),
        ("GET", "/api/v1/collections/c/upsert"),
        ("POST", "/api/v1/collections/c/records/one"),
        ("GET", "/api/v1/collections/c/import"),
        ("POST", "/api/v1/collections/c/export"),
        ("POST", "/api/v1/export"),
        ("GET", "/api/v1/auth/login"),
        ("POST", "/health/ready"),
        ("BREW", "/api/v1/collections"),
    ] {
        admin.send(method, path, "").await.problem(405, "method_not_allowed");
    }
}

#[tokio::test]
async fn head_answers_as_get_without_a_body() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "c"})).await;
    app.record("c", json!({"id": "one"})).await;
    for path in
        ["/health/live", "/api/v1/collections/c/records/one", "/api/v1/collections/c/records", "/api/v1/collections"]
    {
        let get = admin.get(path).await.expect(200);
        let head = admin.send("HEAD", path, "").await;
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        for name in ["content-type", "etag"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
}
