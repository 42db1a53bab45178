//! Sign-in and access tokens: who gets one, how long it is good, and what makes it worthless.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{Answer, Client, Faults, TestApp};

const LOGIN: &str = "/api/v1/auth/login";
const USERS: &str = "/api/v1/collections/users/records";
const PASSWORD: &str = "correct horse battery";

#[tokio::test]
async fn a_right_password_gives_a_token() {
    let app = TestApp::start().await;
    let id = app.make_user("ann@example.com", PASSWORD, &["viewer", "user"]).await;
    let answer = app.guest().post(LOGIN, json!({"email": " ANN@example.com", "password": PASSWORD})).await.expect(200);
    let body = answer.lacks(&[PASSWORD, "argon2"]).json();
    let token = body["accessToken"].as_str().unwrap();
    let mut rest = body.clone();
    rest["accessToken"] = "".into();
    assert_eq!(rest["refreshToken"].as_str().unwrap().len(), 64);
    rest["refreshToken"] = "".into();
    let user = json!({"id": id, "email": "ann@example.com", "roles": ["viewer", "user"]});
    let lives = json!({"accessToken": "", "tokenType": "Bearer", "expiresIn": 900, "refreshToken": "",
        "refreshExpiresIn": 2_592_000, "user": user, "secondFactorRequired": false});
    assert_eq!(rest, lives);
    let client = app.guest().signed_in(&id, token);
    assert_eq!(client.get(USERS).await.ok(200)["items"][0]["id"], id);
    let lower = app.guest().with("authorization", &format!("bearer {token}"));
    lower.get(USERS).await.expect(200);
}

/// The real hash, set through the API.
#[tokio::test]
async fn a_password_that_was_set_signs_in() {
    let app = TestApp::start().await;
    let id = app.record("users", json!({"email": "ann@example.com"})).await["id"].as_str().unwrap().to_owned();
    let login = json!({"email": "ann@example.com", "password": "pässword 😀 1"});
    app.guest().post(LOGIN, login.clone()).await.problem(401, "invalid_credentials");
    let path = format!("/api/v1/users/{id}/password");
    app.operator().put(&path, json!({"password": "pässword 😀 1"})).await.expect(204);
    app.guest().post(LOGIN, login).await.expect(200);
}

/// Whether the address is unknown, the password wrong or the user disabled: nobody learns which.
#[tokio::test]
async fn failed_sign_ins_answer_alike() {
    let app = TestApp::start().await;
    app.make_user("ann@example.com", PASSWORD, &[]).await;
    let off = app.make_user("off@example.com", PASSWORD, &["admin"]).await;
    app.operator().patch(&format!("{USERS}/{off}"), json!({"disabled": true})).await.expect(200);
    app.record("users", json!({"email": "none@example.com"})).await;
    let rows = [
        ("ann@example.com", "wrong horse battery"),
        ("ann@example.com", "Correct horse battery"),
        ("ann@example.com", ""),
        ("nobody@example.com", PASSWORD),
        ("", PASSWORD),
        ("ann@example.com\u{0}", PASSWORD),
        ("off@example.com", PASSWORD),
        ("off@example.com", "wrong horse battery"),
        ("none@example.com", PASSWORD),
    ];
    let mut told = Vec::new();
    for (email, password) in rows {
        let answer = app.guest().post(LOGIN, json!({"email": email, "password": password})).await;
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        let problem = answer.lacks(&["disabled", "unknown", "nobody"]).problem(401, "invalid_credentials");
        told.push((problem["title"].clone(), problem["detail"].clone()));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn bodies_that_are_no_sign_in_are_refused() {
    let app = TestApp::start().await;
    let rows: [(&str, u16, &str, Faults<'_>); 7] = [
        ("", 400, "invalid_json", &[]),
        ("email=a&password=b", 400, "invalid_json", &[]),
        (r#"{"email": "a", "email": "b", "password": "c"}"#, 400, "invalid_json", &[]),
        (r#"{"email": "a@b.cd"}"#, 422, "validation_failed", &[("/password", "required")]),
        (r#"{"email": 7, "password": "x"}"#, 422, "validation_failed", &[("/email", "type")]),
        (r#"{"email": "a", "password": {"$ne": ""}}"#, 422, "validation_failed", &[("/password", "type")]),
        (r#"{"email": "a", "password": "b", "admin": true}"#, 422, "validation_failed", &[("/admin", "type")]),
    ];
    for (body, status, code, faults) in rows {
        app.guest().send("POST", LOGIN, body).await.faults(status, code, faults);
    }
    let long = json!({"email": "a".repeat(2000), "password": "x".repeat(2000)});
    app.guest().post(LOGIN, long).await.invalid(&[("/email", "too_long"), ("/password", "too_long")]);
    let form = app.guest().with("content-type", "application/x-www-form-urlencoded");
    form.send("POST", LOGIN, "email=a&password=b").await.problem(415, "unsupported_media_type");
    app.guest().get(LOGIN).await.problem(405, "method_not_allowed");
}

#[track_caller]
fn assert_refused(answer: Answer) {
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    answer.lacks(&["@example.com", "signature", "Invalid"]).problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_token_ends_when_its_time_is_over() {
    let app = TestApp::new().with_config(|config| config.auth.access_token_seconds = 60).start().await;
    let used = app.user("ann", &["user"]).await;
    let token = app.sign_in("ann@example.com", PASSWORD).await;
    let unused = app.guest().signed_in(&used.id, &token);
    used.get(USERS).await.expect(200);
    app.clock.advance_ms(59_999);
    used.get(USERS).await.expect(200);
    app.clock.advance_ms(1);
    for client in [&used, &unused, &used] {
        assert_refused(client.get(USERS).await);
    }
    let token = app.sign_in("ann@example.com", PASSWORD).await;
    app.guest().signed_in(&used.id, &token).get(USERS).await.expect(200);
}

#[tokio::test]
async fn a_token_for_somebody_else_or_from_somebody_else_is_worthless() {
    let app = TestApp::start().await;
    let ann = app.user("ann", &["user"]).await;
    let app = app.restart_with(|config| config.auth.audience = "another-api".into()).await;
    assert_refused(app.guest().signed_in("", &ann.token).get(USERS).await);
    let app = app.restart_with(|config| config.auth.issuer = "another-server".into()).await;
    assert_refused(app.guest().signed_in("", &ann.token).get(USERS).await);
    let app = app.restart().await;
    app.guest().signed_in("", &ann.token).get(USERS).await.expect(200);
}

/// The parts of a token as JSON, changed, and put together again with the old signature.
fn forged(token: &str, change: impl FnOnce(&mut Value, &mut Value)) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let decode = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (mut header, mut claims) = (decode(parts[0]), decode(parts[1]));
    change(&mut header, &mut claims);
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.{}", encode(&header), encode(&claims), parts[2])
}

#[tokio::test]
async fn a_token_that_was_not_signed_here_is_worthless() {
    let app = TestApp::start().await;
    let other = TestApp::new().with_clock(&app.clock).start().await;
    let (ann, admin) = (app.user("ann", &["user"]).await, app.admin().await);
    let foreign = other.admin().await;
    let token = ann.token.as_str();
    let unsigned = |token: &str| format!("{}.", token.rsplit_once('.').unwrap().0);
    let none = forged(token, |header, _| header["alg"] = "none".into());
    let tampered: String = {
        let (head, signature) = token.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { 'B' } else { 'A' };
        format!("{head}.{first}{}", &signature[1..])
    };
    let tokens = [
        none.clone(),
        unsigned(&none),
        unsigned(token),
        forged(token, |header, _| header["alg"] = "HS256".into()),
        forged(token, |header, _| header["kid"] = "other".into()),
        forged(token, |header, _| drop(header.as_object_mut().unwrap().remove("kid"))),
        forged(token, |_, claims| claims["sub"] = admin.id.clone().into()),
        forged(token, |_, claims| claims["exp"] = 9_999_999_999_i64.into()),
        forged(token, |_, claims| claims["roles"] = json!(["admin"])),
        tampered,
        foreign.token.clone(),
        format!("{token}x"),
        token[..token.len() - 4].to_owned(),
        "x".repeat(100_000),
        "a.b.c".to_owned(),
        "null".to_owned(),
        PASSWORD.to_owned(),
    ];
    for token in tokens {
        let short: String = token.chars().take(60).collect();
        let answer = app.guest().signed_in("", &token).get(USERS).await;
        if token.len() > 50_000 {
            assert!(answer.status.is_client_error(), "{answer}");
            continue;
        }
        assert_eq!(answer.status.as_u16(), 401, "{short}");
        assert_refused(answer);
    }
    for header in ["", "Bearer", "Bearer ", "Basic YTpi", "Token x", "Bearer  ", token] {
        assert_refused(app.guest().with("authorization", header).get(USERS).await);
    }
    let same = forged(token, |_, _| {});
    assert_eq!(same, token, "the test forges what it means to");
    ann.get(USERS).await.expect(200);
}

async fn works(client: &Client) -> bool {
    client.get(USERS).await.status == 200
}

#[tokio::test]
async fn a_token_ends_with_its_user() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.user("ann", &["user"]).await, app.user("bob", &["user"]).await);
    let own = format!("{USERS}/{}", ann.id);
    assert!(works(&ann).await && works(&bob).await);
    app.operator().patch(&own, json!({"disabled": true})).await.expect(200);
    assert_refused(ann.get(USERS).await);
    app.operator().patch(&own, json!({"disabled": false})).await.expect(200);
    assert_refused(ann.get(USERS).await);
    let ann = app.guest().signed_in(&ann.id, &app.sign_in("ann@example.com", PASSWORD).await);
    assert!(works(&ann).await, "disabling ends sessions, not accounts");
    app.operator().delete(&own).await.expect(204);
    assert_refused(ann.get(USERS).await);
    assert!(works(&bob).await, "others are not touched");
}

#[tokio::test]
async fn a_new_password_ends_tokens_from_before() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.user("ann", &["user"]).await, app.user("bob", &["user"]).await);
    assert!(works(&ann).await);
    app.clock.advance_seconds(1);
    let path = format!("/api/v1/users/{}/password", ann.id);
    app.operator().put(&path, json!({"password": "new horse battery"})).await.expect(204);
    assert_refused(ann.get(USERS).await);
    assert!(works(&bob).await);
    let old = json!({"email": "ann@example.com", "password": PASSWORD});
    app.guest().post(LOGIN, old).await.problem(401, "invalid_credentials");
    let token = app.sign_in("ann@example.com", "new horse battery").await;
    assert!(works(&app.guest().signed_in(&ann.id, &token)).await);
}

/// Within the same second too: a token that was stolen a moment ago must not outlive the new password.
#[tokio::test]
async fn a_new_password_ends_tokens_of_the_same_second() {
    let app = TestApp::start().await;
    let ann = app.user("ann", &["user"]).await;
    app.clock.advance_ms(1);
    let path = format!("/api/v1/users/{}/password", ann.id);
    app.operator().put(&path, json!({"password": "new horse battery"})).await.expect(204);
    app.clock.advance_ms(1);
    let token = app.sign_in("ann@example.com", "new horse battery").await;
    assert!(works(&app.guest().signed_in(&ann.id, &token)).await, "the new token is good");
    assert_refused(ann.get(USERS).await);
}

#[tokio::test]
async fn tokens_outlive_a_restart() {
    let app = TestApp::start().await;
    let ann = app.user("ann", &["user"]).await;
    let app = app.restart().await;
    assert!(works(&app.guest().signed_in(&ann.id, &ann.token)).await);
}

#[tokio::test]
async fn attempts_to_sign_in_are_limited() {
    let app = TestApp::new().with_config(|config| config.rate_limit.sign_in_per_minute = 3).start().await;
    let ann = app.user("ann", &["user"]).await;
    let wrong = json!({"email": "x@example.com", "password": "y"});
    let attempt = async || app.guest().post(LOGIN, wrong.clone()).await;
    for left in [1, 0] {
        let answer = attempt().await.expect(401);
        assert_eq!(answer.header("ratelimit-policy"), "\"sign-in\";q=3;w=60");
        assert!(answer.header("ratelimit").starts_with(&format!("\"sign-in\";r={left};t=")), "{answer}");
    }
    let answer = attempt().await;
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(answer.header("ratelimit").starts_with("\"sign-in\";r=0;t="), "{answer}");
    answer.problem(429, "rate_limited");
    let right = json!({"email": "ann@example.com", "password": PASSWORD});
    app.guest().post(LOGIN, right).await.problem(429, "rate_limited");
    let setup = json!({"token": "x", "email": "x@example.com", "password": "y"});
    app.guest().post("/api/v1/setup", setup).await.problem(429, "rate_limited");
    assert!(works(&ann).await, "who is in is not kept out");
}
