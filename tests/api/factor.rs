//! Second factors: until one is proven a session is good for nothing else, and no code is good twice.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::support::{Client, TestApp};

const AUTH: &str = "/api/v1/auth";
const ME: &str = "/api/v1/auth/me";
const PASSWORD: &str = "correct horse battery";

/// What the app would show now.
fn code(app: &TestApp, secret: &str) -> String {
    let totp = Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).build().unwrap();
    totp.generate(u64::try_from(app.clock.in_seconds(0).as_second()).unwrap()).to_string()
}

async fn sign_in(app: &TestApp, name: &str) -> (Client, Value) {
    let body = json!({"email": format!("{name}@example.com"), "password": PASSWORD});
    let session = app.guest().post(&format!("{AUTH}/login"), body).await.ok(200);
    (app.guest().signed_in("", session["accessToken"].as_str().unwrap()), session)
}

async fn prove(client: &Client, code: &str) -> crate::support::Answer {
    client.post(&format!("{AUTH}/second-factor"), json!({"code": code})).await
}

/// Sets an authenticator up. Answers its secret and the recovery codes.
async fn set_up(app: &TestApp, client: &Client) -> (String, Vec<String>) {
    let made = client.post(&format!("{AUTH}/authenticator"), json!({"currentPassword": PASSWORD})).await.ok(200);
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(made["uri"].as_str().unwrap().contains(&format!("secret={secret}")), "{made}");
    assert!(made["qrSvg"].as_str().unwrap().contains("<svg"), "{made}");
    let confirm = format!("{AUTH}/authenticator/confirm");
    client.post(&confirm, json!({"code": "000000"})).await.problem(401, "invalid_token");
    let confirmed = client.post(&confirm, json!({"code": code(app, &secret)})).await.ok(200);
    let codes = confirmed["recoveryCodes"].as_array().unwrap();
    (secret, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
}

#[tokio::test]
async fn a_sign_in_asks_for_the_code_of_the_app() {
    let app = TestApp::start().await;
    let ann = app.user("ann", &["viewer"]).await;
    let other = sign_in(&app, "ann").await.0;
    let wrong = json!({"currentPassword": "wrong password here"});
    ann.post(&format!("{AUTH}/authenticator"), wrong).await.problem(401, "invalid_credentials");
    let (secret, _) = set_up(&app, &ann).await;
    other.get(ME).await.problem(401, "unauthenticated");
    assert_eq!(ann.get(ME).await.ok(200)["secondFactorRequired"], false, "who set it up has proven it");
    ann.post(&format!("{AUTH}/authenticator"), json!({"currentPassword": PASSWORD})).await.problem(409, "conflict");
    let (half, session) = sign_in(&app, "ann").await;
    assert_eq!(session["secondFactorRequired"], true);
    let users = "/api/v1/collections/users/records";
    for path in [users, "/api/v1/auth/sessions", "/api/v1/keys"] {
        half.get(path).await.problem(403, "second_factor_required");
    }
    half.post(&format!("{AUTH}/authenticator/remove"), json!({"code": "x"}))
        .await
        .problem(403, "second_factor_required");
    assert_eq!(half.get(ME).await.ok(200)["secondFactorRequired"], true);
    // Whoever has only the password cannot put another authenticator in its place.
    half.post(&format!("{AUTH}/authenticator"), json!({"currentPassword": PASSWORD}))
        .await
        .problem(403, "second_factor_required");
    prove(&half, &code(&app, &secret)).await.problem(401, "invalid_token");
    app.clock.advance_seconds(30);
    let now = code(&app, &secret);
    prove(&half, &now).await.expect(204);
    half.get(users).await.expect(200);
    let again = sign_in(&app, "ann").await.0;
    prove(&again, &now).await.problem(401, "invalid_token");
    // A refresh changes nothing about it.
    let token = json!({"refreshToken": session["refreshToken"]});
    let fresh = app.guest().post(&format!("{AUTH}/refresh"), token).await.ok(200);
    assert_eq!(fresh["secondFactorRequired"], false);
    let kinds = app.operator().get("/api/v1/audit?kind=factor").await.ok(200);
    let kinds: Vec<_> = kinds["items"].as_array().unwrap().iter().map(|event| event["kind"].clone()).collect();
    assert_eq!(kinds, ["factor.refused", "factor.proven", "factor.refused", "factor.added", "factor.refused"]);
    let refused = app.operator().get("/api/v1/audit?kind=password.refused").await.ok(200);
    assert_eq!((&refused["items"][0]["actor"], &refused["items"][0]["subject"]), (&json!(ann.id), &json!(ann.id)));
}

#[tokio::test]
async fn guesses_wait_and_the_mail_of_a_new_password_is_no_way_around() {
    let app = TestApp::start().await;
    let ann = app.user("ann", &["user"]).await;
    let (secret, codes) = set_up(&app, &ann).await;
    let half = sign_in(&app, "ann").await.0;
    for _ in 0..5 {
        prove(&half, "000000").await.problem(401, "invalid_token");
    }
    app.clock.advance_seconds(30);
    for _ in 0..2 {
        let answer = prove(&half, "000000").await;
        assert!([401, 429].contains(&answer.status.as_u16()), "{answer}");
    }
    prove(&half, &code(&app, &secret)).await.problem(429, "rate_limited");
    app.clock.advance_seconds(60);
    prove(&half, &codes[0]).await.expect(204);
    let next = sign_in(&app, "ann").await.0;
    prove(&next, &codes[0]).await.problem(401, "invalid_token");
    prove(&next, &codes[1]).await.expect(204);
    // A mail signs in halfway only.
    let asked = app.guest().post(&format!("{AUTH}/email-sign-in"), json!({"email": "ann@example.com"})).await;
    asked.expect(202);
    let mail = async || app.operator().get("/api/v1/mail?to=ann@example.com").await.ok(200)["items"][0].clone();
    app.until("the mail comes", async || mail().await["kind"] == "session.signIn").await;
    let mail = app.operator().get(&format!("/api/v1/mail/{}", mail().await["number"])).await.ok(200);
    let token =
        mail["text"].as_str().unwrap().split("#sign-in=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let session = app.guest().post(&format!("{AUTH}/email-sign-in/confirm"), json!({"token": token})).await.ok(200);
    assert_eq!(session["secondFactorRequired"], true);
}

#[tokio::test]
async fn an_authenticator_is_confirmed_where_it_was_set_up_and_soon() {
    let app = TestApp::start().await;
    let ann = app.user("ann", &["user"]).await;
    let other = sign_in(&app, "ann").await.0;
    let begin = format!("{AUTH}/authenticator");
    let confirm = format!("{begin}/confirm");
    let made = ann.post(&begin, json!({"currentPassword": PASSWORD})).await.ok(200);
    let secret = made["secret"].as_str().unwrap();
    other.post(&confirm, json!({"code": code(&app, secret)})).await.problem(409, "conflict");
    app.clock.advance_seconds(15 * 60);
    let ann = sign_in(&app, "ann").await.0;
    ann.post(&confirm, json!({"code": code(&app, secret)})).await.problem(409, "conflict");
    let (secret, _) = set_up(&app, &ann).await;
    // Who signed in by it does not stay when it goes.
    app.clock.advance_seconds(60);
    let other = sign_in(&app, "ann").await.0;
    prove(&other, &code(&app, &secret)).await.expect(204);
    app.clock.advance_seconds(60);
    ann.post(&format!("{begin}/remove"), json!({"code": code(&app, &secret)})).await.expect(204);
    ann.get(ME).await.expect(200);
    other.get(ME).await.problem(401, "unauthenticated");
}

/// What a device answers that made a passkey with an id of so many bytes, and tells nothing of itself.
fn new_passkey(options: &Value, id_bytes: u16) -> Value {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let id = vec![7; usize::from(id_bytes)];
    // The generator of P-256 is as good a public key as any.
    let x = hex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
    let y = hex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5");
    let rp_id = digest(&SHA256, options["rp"]["id"].as_str().unwrap().as_bytes());
    let present_verified_attested = [0x45];
    let cose = [&hex("a5010203262001215820")[..], &x, &hex("225820"), &y].concat();
    let auth_data =
        [rp_id.as_ref(), &present_verified_attested, &[0; 4], &[0; 16], &id_bytes.to_be_bytes(), &id, &cose].concat();
    // {"fmt": "none", "attStmt": {}, "authData": bytes}
    let length = u16::try_from(auth_data.len()).unwrap().to_be_bytes();
    let attestation =
        [&hex("a363666d74646e6f6e656761747453746d74a0686175746844617461")[..], &[0x59], &length, &auth_data].concat();
    let client =
        json!({"type": "webauthn.create", "challenge": options["challenge"], "origin": "http://localhost:8090"});
    let response =
        json!({"clientDataJSON": text(client.to_string().as_bytes()), "attestationObject": text(&attestation)});
    json!({"id": text(&id), "rawId": text(&id), "type": "public-key", "response": response})
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn a_passkey_is_small_and_one_is_begun_at_a_time() {
    let app = TestApp::start().await;
    let ann = app.user("ann", &["user"]).await;
    let begin = async || {
        let path = format!("{AUTH}/passkeys/register/options");
        ann.post(&path, json!({"currentPassword": PASSWORD})).await.ok(200)
    };
    let add = async |begun: &Value, id_bytes: u16| {
        let credential = new_passkey(&begun["options"], id_bytes);
        let body = json!({"ceremony": begun["ceremony"], "credential": credential, "name": "key"});
        ann.post(&format!("{AUTH}/passkeys/register"), body).await
    };
    let older = begin().await;
    let begun = begin().await;
    add(&older, 32).await.problem(401, "invalid_token");
    add(&begun, 32).await.problem(401, "invalid_token");
    for id_bytes in [1_024, 4_000] {
        add(&begin().await, id_bytes).await.invalid(&[("/credential", "too_long")]);
    }
    let added = add(&begin().await, 1_023).await.ok(200);
    let other = sign_in(&app, "ann").await.0;
    let id = added["passkey"]["id"].as_str().unwrap();
    ann.post(&format!("{AUTH}/passkeys/{id}/remove"), json!({"currentPassword": PASSWORD})).await.expect(204);
    other.get(ME).await.problem(401, "unauthenticated");
    ann.get(ME).await.expect(200);
}

#[tokio::test]
async fn a_role_can_ask_for_a_second_factor() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let vera = app.user("vera", &["viewer"]).await;
    let users = "/api/v1/collections/users/records";
    vera.get(users).await.expect(200);
    let role = admin.patch("/api/v1/roles/viewer", json!({"requiresSecondFactor": true})).await.ok(200);
    assert_eq!(role["requiresSecondFactor"], true);
    vera.get(users).await.problem(403, "second_factor_required");
    prove(&vera, "000000").await.problem(401, "invalid_token");
    let (secret, _) = set_up(&app, &vera).await;
    vera.get(users).await.expect(200);
    app.clock.advance_seconds(60);
    let remove = format!("{AUTH}/authenticator/remove");
    vera.post(&remove, json!({"code": "000000"})).await.problem(401, "invalid_token");
    vera.post(&remove, json!({"code": code(&app, &secret)})).await.expect(204);
    let next = sign_in(&app, "vera").await.0;
    next.get(users).await.problem(403, "second_factor_required");
    admin.get(users).await.expect(200);
}

#[tokio::test]
async fn who_has_lost_the_factor_is_helped_by_an_admin() {
    let app = TestApp::start().await;
    let (admin, ann) = (app.admin().await, app.user("ann", &["user"]).await);
    let (_, codes) = set_up(&app, &ann).await;
    let renewed = ann.post(&format!("{AUTH}/authenticator/recovery-codes"), json!({"code": codes[0]})).await.ok(200);
    ann.post(&format!("{AUTH}/authenticator/remove"), json!({"code": codes[1]})).await.problem(401, "invalid_token");
    assert_eq!(renewed["recoveryCodes"].as_array().unwrap().len(), 10);
    let path = format!("/api/v1/users/{}/second-factor", ann.id);
    app.user("bob", &["manager"]).await.delete(&path).await.problem(403, "forbidden");
    admin.delete(&path).await.expect(204);
    ann.get(ME).await.problem(401, "unauthenticated");
    assert_eq!(sign_in(&app, "ann").await.1["secondFactorRequired"], false);
}

#[tokio::test]
async fn who_has_no_password_is_asked_for_a_fresh_sign_in() {
    let app = TestApp::start().await;
    app.record("users", json!({"email": "eve@example.com"})).await;
    app.guest().post(&format!("{AUTH}/email-sign-in"), json!({"email": "eve@example.com"})).await.expect(202);
    let newest = async || app.operator().get("/api/v1/mail?to=eve@example.com").await.ok(200)["items"][0].clone();
    app.until("the mail comes", async || newest().await["kind"] == "session.signIn").await;
    let mail = app.operator().get(&format!("/api/v1/mail/{}", newest().await["number"])).await.ok(200);
    let token = mail["text"].as_str().unwrap().split("#sign-in=").nth(1).unwrap().split_whitespace().next().unwrap();
    let session = app.guest().post(&format!("{AUTH}/email-sign-in/confirm"), json!({"token": token})).await.ok(200);
    let eve = app.guest().signed_in("", session["accessToken"].as_str().unwrap());
    let asked = [
        ("authenticator", json!({})),
        ("passkeys/register/options", json!({})),
        ("change-email", json!({"newEmail": "eva@example.com"})),
    ];
    for (path, body) in &asked {
        let answer = eve.post(&format!("{AUTH}/{path}"), body.clone()).await;
        assert!(answer.status.is_success(), "{path}: {answer}");
    }
    app.clock.advance_seconds(601);
    for (path, body) in &asked {
        eve.post(&format!("{AUTH}/{path}"), body.clone()).await.problem(403, "forbidden");
    }
    // Whoever has a password gives it, however fresh the sign-in.
    app.user("ann", &["user"]).await;
    let ann = sign_in(&app, "ann").await.0;
    for (path, body) in asked {
        let problem = ann.post(&format!("{AUTH}/{path}"), body).await.problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], "/currentPassword");
    }
}
