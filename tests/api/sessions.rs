//! Sessions: refresh, its one use, the end of sessions, cookies, keys, and who acts for whom.

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const LOGIN: &str = "/api/v1/auth/login";
const REFRESH: &str = "/api/v1/auth/refresh";
const ME: &str = "/api/v1/auth/me";
const USERS: &str = "/api/v1/collections/users/records";
const PASSWORD: &str = "correct horse battery";

async fn login(app: &TestApp, email: &str) -> Value {
    app.guest().post(LOGIN, json!({"email": email, "password": PASSWORD})).await.ok(200)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

fn client(app: &TestApp, session: &Value) -> Client {
    app.guest().signed_in(text(&session["user"], "id"), text(session, "accessToken"))
}

async fn refresh(app: &TestApp, token: &str) -> crate::support::Answer {
    app.guest().post(REFRESH, json!({"refreshToken": token})).await
}

#[tokio::test]
async fn a_refresh_token_goes_on_once_and_a_lost_answer_is_given_again() {
    let app = TestApp::start().await;
    app.make_user("ann@example.com", PASSWORD, &["user"]).await;
    let first = login(&app, "ann@example.com").await;
    app.clock.advance_seconds(901);
    client(&app, &first).get(ME).await.problem(401, "unauthenticated");
    let second = refresh(&app, text(&first, "refreshToken")).await.ok(200);
    client(&app, &second).get(ME).await.expect(200);
    app.clock.advance_seconds(9);
    let again = refresh(&app, text(&first, "refreshToken")).await.ok(200);
    assert_eq!(again["refreshToken"], second["refreshToken"], "the same successor");
    let third = refresh(&app, text(&second, "refreshToken")).await.ok(200);
    client(&app, &third).get(ME).await.expect(200);
    refresh(&app, text(&first, "refreshToken")).await.problem(401, "invalid_token");
    client(&app, &third).get(ME).await.problem(401, "unauthenticated");
    refresh(&app, text(&third, "refreshToken")).await.problem(401, "invalid_token");
    let events = app.operator().get("/api/v1/audit?kind=session").await.ok(200);
    assert_eq!(events["items"][0]["kind"], "session.reuseDetected", "{events}");
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let app = TestApp::start().await;
    app.make_user("ann@example.com", PASSWORD, &["user"]).await;
    let session = login(&app, "ann@example.com").await;
    let access = text(&session, "accessToken").to_owned();
    for token in ["", "x", &"A".repeat(64), access.get(..200).unwrap()] {
        refresh(&app, token).await.lacks(&["hash"]).problem(401, "invalid_token");
    }
    app.guest().post(REFRESH, json!({})).await.problem(401, "invalid_token");
    app.clock.advance_seconds(30 * 86_400);
    refresh(&app, text(&session, "refreshToken")).await.problem(401, "invalid_token");
}

#[tokio::test]
async fn a_session_has_a_last_day_however_often_it_is_refreshed() {
    let app = TestApp::new().with_config(|config| config.auth.session_seconds_max = 40 * 86_400).start().await;
    app.make_user("ann@example.com", PASSWORD, &["user"]).await;
    let first = login(&app, "ann@example.com").await;
    app.clock.advance_seconds(25 * 86_400);
    let second = refresh(&app, text(&first, "refreshToken")).await.ok(200);
    assert_eq!(second["refreshExpiresIn"], 15 * 86_400);
    app.clock.advance_seconds(15 * 86_400);
    refresh(&app, text(&second, "refreshToken")).await.problem(401, "invalid_token");
}

#[tokio::test]
async fn sessions_are_listed_and_end_with_the_next_request() {
    let app = TestApp::start().await;
    app.make_user("ann@example.com", PASSWORD, &["user"]).await;
    app.make_user("bob@example.com", PASSWORD, &["user"]).await;
    let (one, two, bob) = (
        login(&app, "ann@example.com").await,
        login(&app, "ann@example.com").await,
        login(&app, "bob@example.com").await,
    );
    let (one, two, bob) = (client(&app, &one), client(&app, &two), client(&app, &bob));
    let list = one.with("user-agent", "phone").get("/api/v1/auth/sessions").await.ok(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let other = list["items"].as_array().unwrap().iter().find(|item| item["current"] == false).unwrap();
    assert_eq!(other["address"], "127.0.0.1");
    let path = format!("/api/v1/auth/sessions/{}", text(other, "id"));
    bob.delete(&path).await.problem(404, "not_found");
    one.delete(&path).await.expect(204);
    two.get(ME).await.problem(401, "unauthenticated");
    one.send("POST", "/api/v1/auth/logout", "").await.expect(204);
    one.get(ME).await.problem(401, "unauthenticated");
    let (three, four) = (login(&app, "ann@example.com").await, login(&app, "ann@example.com").await);
    assert_eq!(client(&app, &three).send("POST", "/api/v1/auth/logout-all", "").await.ok(200)["ended"], 2);
    client(&app, &four).get(ME).await.problem(401, "unauthenticated");
    refresh(&app, text(&four, "refreshToken")).await.problem(401, "invalid_token");
    bob.get(ME).await.expect(200);
}

#[tokio::test]
async fn ones_own_password_changes_with_the_old_one_and_ends_other_sessions() {
    let app = TestApp::start().await;
    app.make_user("ann@example.com", PASSWORD, &["user"]).await;
    let (one, two) = (login(&app, "ann@example.com").await, login(&app, "ann@example.com").await);
    let (one, two) = (client(&app, &one), client(&app, &two));
    let change = |current: &str, new: &str| json!({"currentPassword": current, "newPassword": new});
    one.put("/api/v1/auth/password", change("wrong horse", "a new password")).await.problem(401, "invalid_credentials");
    one.put("/api/v1/auth/password", change(PASSWORD, "short")).await.invalid(&[("/newPassword", "too_short")]);
    one.put("/api/v1/auth/password", change(PASSWORD, "a new password")).await.expect(204);
    one.get(ME).await.expect(200);
    two.get(ME).await.problem(401, "unauthenticated");
    app.sign_in("ann@example.com", "a new password").await;
}

#[tokio::test]
async fn cookies_are_for_browsers_and_only_from_our_pages() {
    let app = TestApp::start().await;
    app.make_user("ann@example.com", PASSWORD, &["user"]).await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD, "cookies": true});
    for site in ["cross-site", "same-site", "none"] {
        app.guest().with("sec-fetch-site", site).post(LOGIN, body.clone()).await.problem(403, "forbidden");
    }
    let page = app.guest().with("sec-fetch-site", "same-origin");
    let answer = page.post(LOGIN, body).await.expect(200);
    let cookies: Vec<&str> = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(cookies.len(), 2);
    for cookie in &cookies {
        assert!(cookie.contains("; HttpOnly; Secure; SameSite=Strict"), "{cookie}");
    }
    let kept = cookies.iter().map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ");
    let told = answer.clone().json();
    assert_eq!((&told["accessToken"], &told["refreshToken"]), (&json!(""), &json!("")));
    let browser = app.guest().with("cookie", &kept);
    browser.get(ME).await.expect(200);
    browser.send("POST", "/api/v1/auth/logout", "").await.problem(403, "forbidden");
    browser
        .with("origin", "https://evil.example")
        .send("POST", "/api/v1/auth/logout", "")
        .await
        .problem(403, "forbidden");
    let browser = browser.with("sec-fetch-site", "same-origin");
    browser.post(REFRESH, json!({})).await.expect(200);
    let out = browser.send("POST", "/api/v1/auth/logout", "").await.expect(204);
    assert!(out.headers.get_all("set-cookie").iter().all(|value| value.to_str().unwrap().contains("Max-Age=0")));
    browser.get(ME).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn failures_in_a_row_make_an_account_wait_whether_it_exists_or_not() {
    let app = TestApp::new().with_config(|config| config.rate_limit.sign_in_per_minute = 0).start().await;
    app.make_user("ann@example.com", PASSWORD, &["user"]).await;
    for email in ["ann@example.com", "nobody@example.com"] {
        for _ in 0..5 {
            let wrong = json!({"email": email, "password": "wrong horse battery"});
            app.guest().post(LOGIN, wrong).await.problem(401, "invalid_credentials");
        }
        let answer = app.guest().post(LOGIN, json!({"email": email, "password": PASSWORD})).await;
        assert_eq!(answer.header("retry-after"), "1");
        answer.problem(429, "rate_limited");
    }
    app.clock.advance_seconds(1);
    login(&app, "ann@example.com").await;
}

#[tokio::test]
async fn keys_are_published_and_change_with_overlap_or_at_once() {
    let app = TestApp::start().await;
    let (ann, admin) = (app.user("ann", &["user"]).await, app.admin().await);
    let rotate = "/api/v1/auth/signing-keys/rotate";
    ann.post(rotate, json!({})).await.problem(403, "forbidden");
    let kids = async || {
        let keys = app.guest().get("/.well-known/jwks.json").await.ok(200);
        let keys = keys["keys"].as_array().unwrap().clone();
        keys.iter().map(|key| text(key, "kid").to_owned()).collect::<Vec<_>>()
    };
    let before = kids().await;
    assert_eq!(before.len(), 1);
    let kid = text(&admin.post(rotate, json!({})).await.ok(200), "kid").to_owned();
    assert_eq!(kids().await, [kid, before[0].clone()]);
    ann.get(ME).await.expect(200);
    app.operator().post(rotate, json!({"atOnce": true})).await.expect(200);
    assert_eq!(kids().await.len(), 1);
    ann.get(ME).await.problem(401, "unauthenticated");
    let session = login(&app, "ann@example.com").await;
    client(&app, &session).get(ME).await.expect(200);
}

#[tokio::test]
async fn who_acts_for_another_is_told_and_confined() {
    let app = TestApp::start().await;
    let (ann, admin) = (app.user("ann", &["user"]).await, app.admin().await);
    let path = format!("/api/v1/users/{}/impersonate", ann.id);
    ann.send("POST", &path, "").await.problem(403, "forbidden");
    app.operator().send("POST", &path, "").await.problem(403, "forbidden");
    let session = admin.send("POST", &path, "").await.ok(200);
    let acting = client(&app, &session);
    let me = acting.get(ME).await.ok(200);
    assert_eq!((&me["id"], &me["impersonator"]), (&json!(ann.id), &json!(admin.id)));
    let change = json!({"currentPassword": PASSWORD, "newPassword": "another password"});
    acting.put("/api/v1/auth/password", change).await.problem(403, "forbidden");
    let events = app.operator().get("/api/v1/audit?kind=session.impersonated").await.ok(200);
    assert_eq!((&events["items"][0]["actor"], &events["items"][0]["subject"]), (&json!(admin.id), &json!(ann.id)));
    // It follows the right to act, what the user may do, and the session behind it.
    app.operator()
        .post("/api/v1/roles", json!({"name": "actor", "permissions": ["users:impersonate"]}))
        .await
        .expect(201);
    let actor = app.user("actor", &["actor"]).await;
    let begin = async |who: &Client| client(&app, &who.send("POST", &path, "").await.ok(200));
    let roles = async |id: &str, roles: Value| {
        app.operator().patch(&format!("{USERS}/{id}"), json!({"roles": roles})).await.expect(200);
    };
    let held = begin(&actor).await;
    held.get(ME).await.expect(200);
    roles(&actor.id, json!(["user"])).await;
    held.get(ME).await.problem(401, "unauthenticated");
    roles(&actor.id, json!(["actor"])).await;
    roles(&ann.id, json!(["viewer"])).await;
    held.get(ME).await.problem(401, "unauthenticated");
    roles(&ann.id, json!(["user"])).await;
    held.get(ME).await.expect(200);
    actor.send("POST", "/api/v1/auth/logout", "").await.expect(204);
    held.get(ME).await.problem(401, "unauthenticated");
    app.operator().patch(&format!("{USERS}/{}", admin.id), json!({"disabled": true})).await.expect(200);
    acting.get(ME).await.problem(401, "unauthenticated");
    app.operator().patch(&format!("{USERS}/{}", admin.id), json!({"disabled": false})).await.expect(200);
    app.clock.advance_seconds(900);
    refresh(&app, text(&session, "refreshToken")).await.problem(401, "invalid_token");
}

/// Whoever has the old password and is just signing in while it is changed is out.
/// Who has yet to prove a second factor cannot act for others meanwhile.
#[tokio::test]
async fn who_acts_for_another_stops_when_their_own_session_becomes_half() {
    let app = TestApp::start().await;
    let (admin, ann) = (app.admin().await, app.user("ann", &["user"]).await);
    let acting = admin.send("POST", &format!("/api/v1/users/{}/impersonate", ann.id), "").await.ok(200);
    let acting = app.guest().signed_in(&ann.id, acting["accessToken"].as_str().unwrap());
    acting.get("/api/v1/auth/me").await.expect(200);
    app.operator().patch("/api/v1/roles/admin", json!({"requiresSecondFactor": true})).await.expect(200);
    acting.get("/api/v1/auth/me").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_sign_in_under_way_does_not_outlive_its_password() {
    let app = TestApp::new().with_config(|config| config.store.batch_max = 1).start().await;
    let id = app.make_user("ann@example.com", PASSWORD, &["user"]).await;
    let held = app.hold_writer().await;
    let change = tokio::spawn({
        let (operator, path) = (app.operator(), format!("/api/v1/users/{id}/password"));
        async move { operator.put(&path, json!({"password": "a new password"})).await }
    });
    app.until("the change waits", async || app.store().queue_depth().0 == 1).await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    let guest = app.guest();
    let sign_in = tokio::spawn(async move { guest.post(LOGIN, body).await });
    app.until("the sign-in waits", async || app.store().queue_depth().0 == 2).await;
    drop(held);
    change.await.unwrap().expect(204);
    sign_in.await.unwrap().problem(401, "invalid_credentials");
    app.sign_in("ann@example.com", "a new password").await;
}

#[tokio::test]
async fn a_sign_in_under_way_leaves_no_session_to_who_is_disabled_meanwhile() {
    let app = TestApp::start().await;
    let ann = app.make_user("ann@example.com", PASSWORD, &["user"]).await;
    let path = format!("{USERS}/{ann}");
    for round in 0..5 {
        let (guest, operator) = (app.guest(), app.operator());
        let (signed_in, disabled) = tokio::join!(
            guest.post(LOGIN, json!({"email": "ann@example.com", "password": PASSWORD})),
            operator.patch(&path, json!({"disabled": true})),
        );
        disabled.expect(200);
        operator.patch(&path, json!({"disabled": false})).await.expect(200);
        // Signed in before or refused, as it happened: either way nothing is left.
        let signed_in = signed_in.json();
        if let Some(token) = signed_in["accessToken"].as_str() {
            app.guest().signed_in(&ann, token).get(ME).await.problem(401, "unauthenticated");
        }
        app.clock.advance_seconds(3_600);
        let later = client(&app, &login(&app, "ann@example.com").await);
        let sessions = later.get("/api/v1/auth/sessions").await.ok(200);
        assert_eq!(sessions["items"].as_array().map(Vec::len), Some(1), "round {round}: {sessions}");
    }
}

#[tokio::test]
async fn a_sign_in_from_another_device_is_told() {
    let app = TestApp::start().await;
    let user = app.make_user("ann@example.com", PASSWORD, &["user"]).await;
    let from = async |device: &str| {
        let client = app.guest().with("user-agent", device);
        client.post(LOGIN, json!({"email": "ann@example.com", "password": PASSWORD})).await.ok(200)
    };
    let told = async || {
        let mails = app.operator().get("/api/v1/mail?to=ann@example.com").await.ok(200);
        mails["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|mail| mail["kind"] == "session.new")
            .cloned()
            .collect::<Vec<_>>()
    };
    // The first is no news, nor is one that was seen before, whatever its version.
    for device in ["Firefox/131.0 on Linux", "Firefox/131.0 on Linux", "Firefox/140.2 on Linux"] {
        from(device).await;
    }
    assert!(told().await.is_empty());
    let phone = from("Phone/7").await;
    from("Phone/8").await;
    let mails = told().await;
    assert_eq!(mails.len(), 1);
    let mail = app.operator().get(&format!("/api/v1/mail/{}", mails[0]["number"])).await.ok(200);
    let said = mail["text"].as_str().unwrap();
    assert!(said.contains("Phone/7\n127.0.0.1\n2026-01-31 09:30 UTC\n"), "{said}");
    // Who does not want to hear of it does not; nor of an admin who acts as the user.
    let ann = client(&app, &phone);
    ann.put("/api/v1/notification-preferences", json!({"categories": {"security": {"email": false}}})).await.ok(200);
    from("Watch/1").await;
    ann.put("/api/v1/notification-preferences", json!({})).await.ok(200);
    let admin = app.admin().await.with("user-agent", "Admin");
    admin.post(&format!("/api/v1/users/{user}/impersonate"), json!({})).await.ok(200);
    assert_eq!(told().await.len(), 1);
}
