//! How much a client may ask for: requests a minute by address and by user, right behind a proxy too, and requests at
//! once.

use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::support::{Answer, Client, TestApp};

const LIVE: &str = "/health/live";

#[track_caller]
fn assert_limited(answer: Answer, name: &str, limit: u32) {
    let wait: u32 = answer.header("retry-after").parse().unwrap_or_else(|_| panic!("{answer}"));
    assert!((1..=60).contains(&wait), "{answer}");
    assert_eq!(answer.header("ratelimit-policy"), format!("\"{name}\";q={limit};w=60"));
    assert_eq!(answer.header("ratelimit"), format!("\"{name}\";r=0;t={wait}"));
    answer.problem(429, "rate_limited");
}

/// How many requests of a client pass, of at most ten.
async fn passes(client: &Client) -> usize {
    let mut passed = 0;
    while passed < 10 && client.get(LIVE).await.status == 200 {
        passed += 1;
    }
    passed
}

#[tokio::test]
async fn an_address_has_so_many_requests() {
    let app = TestApp::new().with_config(|config| config.rate_limit.per_address_per_minute = 4).start().await;
    let guest = app.guest();
    for (path, status, left) in [(LIVE, 200, 3), ("/nothing", 404, 2), ("/api/v1/collections", 401, 1), (LIVE, 200, 0)]
    {
        let answer = guest.get(path).await.expect(status);
        assert_eq!(answer.header("ratelimit-policy"), "\"address\";q=4;w=60");
        assert_eq!(answer.header("ratelimit"), format!("\"address\";r={left};t=15"));
    }
    for path in [LIVE, "/nothing", "/api/v1/collections"] {
        assert_limited(guest.get(path).await, "address", 4);
    }
    assert_limited(guest.with("x-forwarded-for", "9.9.9.9").get(LIVE).await, "address", 4);
    app.operator().get(LIVE).await.expect(200);
}

#[tokio::test]
async fn a_user_has_so_many_requests_from_wherever() {
    let app = TestApp::new().with_config(|config| config.rate_limit.per_user_per_minute = 3).start().await;
    let (ann, bob) = (app.user("ann", &["viewer"]).await, app.user("bob", &["viewer"]).await);
    let c = "/api/v1/collections/users/records";
    for (path, status, left) in
        [(c, 200, 2), ("/api/v1/collections/nothing/records", 404, 1), ("/api/v1/collections", 403, 0)]
    {
        let answer = ann.get(path).await.expect(status);
        assert_eq!(answer.header("ratelimit-policy"), "\"user\";q=3;w=60", "of {status}");
        assert_eq!(answer.header("ratelimit"), format!("\"user\";r={left};t=20"));
    }
    assert_limited(ann.get(c).await, "user", 3);
    let token = app.sign_in("ann@example.com", "correct horse battery").await;
    assert_limited(app.guest().signed_in(&ann.id, &token).get(c).await, "user", 3);
    bob.get(c).await.expect(200);
    ann.get(LIVE).await.expect(200);
    app.guest().get(c).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn both_limits_are_told_of() {
    let app = TestApp::new()
        .with_config(|config| {
            config.rate_limit.per_user_per_minute = 30;
            config.rate_limit.per_address_per_minute = 600;
        })
        .start()
        .await;
    let ann = app.user("ann", &["viewer"]).await;
    let answer = ann.get("/api/v1/collections/users/records").await.expect(200);
    let policies: Vec<_> =
        answer.headers.get_all("ratelimit-policy").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(policies, ["\"user\";q=30;w=60", "\"address\";q=600;w=60"]);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_counts() {
    let app = TestApp::new()
        .with_config(|config| {
            config.rate_limit.per_address_per_minute = 2;
            config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        })
        .start()
        .await;
    let from = |forwarded: &str| app.guest().with("x-forwarded-for", forwarded);
    assert_eq!(passes(&from("203.0.113.1")).await, 2);
    assert_eq!(passes(&from("203.0.113.2")).await, 2);
    // What stands before the nearest address that is no proxy is the client's own word.
    assert_eq!(passes(&from("1.1.1.1, 203.0.113.1")).await, 0);
    assert_eq!(passes(&from("203.0.113.9, 203.0.113.2, 10.1.2.3")).await, 0);
    assert_eq!(passes(&from("203.0.113.1,203.0.113.3 ,10.0.0.1 , 127.0.0.9")).await, 2);
    assert_eq!(
        passes(&app.guest().with("x-forwarded-for", "203.0.113.9").with("x-forwarded-for", "203.0.113.3")).await,
        0
    );
    assert_eq!(passes(&from("::ffff:203.0.113.1")).await, 0, "the same address written as IPv6");
    assert_eq!(passes(&from("2001:db8:1:2::1")).await, 2);
    assert_eq!(passes(&from("2001:db8:1:2:ffff::2")).await, 0, "one /64 is one client");
    assert_eq!(passes(&from("2001:db8:1:3::1")).await, 2);
    // Without an address that can be read, the proxy itself counts.
    assert_eq!(passes(&app.guest()).await, 2);
    assert_eq!(passes(&from("unknown")).await, 0);
    assert_eq!(passes(&from("203.0.113.50, nonsense")).await, 0);
    assert_eq!(passes(&from("10.9.9.9")).await, 2, "a proxy that calls for itself is a client");
}

#[tokio::test]
async fn an_untrusted_proxy_is_not_believed() {
    let app = TestApp::new()
        .with_config(|config| {
            config.rate_limit.per_address_per_minute = 2;
            config.server.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        })
        .start()
        .await;
    assert_eq!(passes(&app.guest().with("x-forwarded-for", "203.0.113.1")).await, 2);
    assert_eq!(passes(&app.guest().with("x-forwarded-for", "203.0.113.2")).await, 0);
    assert_eq!(passes(&app.guest().with("forwarded", "for=203.0.113.3").with("x-real-ip", "203.0.113.4")).await, 0);
}

/// A request whose body does not come holds its place; one more than the places is turned away at once.
#[tokio::test]
async fn only_so_many_requests_are_worked_on_at_once() {
    let app = TestApp::new().with_config(|config| config.http.requests_max = 1).start().await;
    let mut slow = TcpStream::connect(app.address).await.unwrap();
    let head = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{",
        app.address
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    app.until("the place is taken", async || app.guest().get(LIVE).await.status == 503).await;
    let answer = app.guest().get(LIVE).await;
    assert_eq!(answer.header("retry-after"), "1");
    answer.problem(503, "overloaded");
    drop(slow);
    app.until("the place is free", async || app.guest().get(LIVE).await.status == 200).await;
}

/// A body whose size nobody told is counted as it comes.
#[tokio::test]
async fn a_body_of_untold_size_is_bounded_too() {
    let app = TestApp::new().with_config(|config| config.http.body_bytes_max = 1024).start().await;
    let admin = app.admin().await;
    app.collection(json!({"name": "c"})).await;
    let head = format!(
        "POST /api/v1/collections/c/records HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        app.address, admin.token
    );
    let chunk = format!("400\r\n{}\r\n", " ".repeat(1024));
    let said = crate::support::raw(app.address, format!("{head}{chunk}{chunk}0\r\n\r\n").as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    let said = crate::support::raw(app.address, format!("{head}2\r\n{{}}\r\n0\r\n\r\n").as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 201 "), "{said}");
    let form = head
        .replace("/collections/c/records", "/auth/sso/callback/apple")
        .replace("application/json", "application/x-www-form-urlencoded");
    let said = crate::support::raw(app.address, format!("{form}{chunk}{chunk}0\r\n\r\n").as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    let long = format!("error={}", "x".repeat(201));
    let said = crate::support::raw(app.address, format!("{form}cf\r\n{long}\r\n0\r\n\r\n").as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 422 "), "{said}");
}
