//! What users do by mail: only what a mail proves happens, and no answer tells who has an account.

use std::ops::ControlFlow;

use serde_json::{Value, json};
use stead::store::{Read as _, Scan, StoreError};

use crate::support::{Client, TestApp};

const AUTH: &str = "/api/v1/auth";
const ME: &str = "/api/v1/auth/me";
const PASSWORD: &str = "correct horse battery";
const NEW_PASSWORD: &str = "another good password";

async fn open_app() -> TestApp {
    TestApp::new().with_config(|config| config.auth.registration = "open".into()).start().await
}

/// Mails to an address, newest first, once there are so many.
async fn mails(app: &TestApp, to: &str, count: usize) -> Vec<Value> {
    let path = format!("/api/v1/mail?to={to}");
    let read = async || app.operator().get(&path).await.ok(200)["items"].as_array().unwrap().clone();
    app.until("the mails come", async || read().await.len() >= count).await;
    let mails = read().await;
    assert_eq!(mails.len(), count, "{mails:?}");
    mails
}

/// The text of the newest of so many mails to an address, which is of this kind.
async fn text(app: &TestApp, to: &str, count: usize, kind: &str) -> String {
    let newest = mails(app, to, count).await[0].clone();
    assert_eq!((&newest["kind"], newest.get("text")), (&json!(kind), None), "a list tells no texts");
    let mail = app.operator().get(&format!("/api/v1/mail/{}", newest["number"])).await.ok(200);
    mail["text"].as_str().unwrap().to_owned()
}

/// The token in a mail's link.
fn token(text: &str, purpose: &str) -> String {
    let start = text.find(&format!("http://127.0.0.1:8090/account#{purpose}=")).expect("the mail has its link");
    let link = text[start..].split_whitespace().next().unwrap();
    link.split_once('=').unwrap().1.to_owned()
}

async fn ask(app: &TestApp, path: &str, email: &str) {
    app.guest().post(&format!("{AUTH}/{path}"), json!({"email": email})).await.expect(202);
}

async fn sign_in(app: &TestApp, email: &str, password: &str) -> crate::support::Answer {
    app.guest().post(&format!("{AUTH}/login"), json!({"email": email, "password": password})).await
}

fn client(app: &TestApp, session: &Value) -> Client {
    app.guest().signed_in(session["user"]["id"].as_str().unwrap(), session["accessToken"].as_str().unwrap())
}

#[tokio::test]
async fn who_registers_becomes_a_user_by_the_link_in_the_mail() {
    let app = open_app().await;
    ask(&app, "register", " Ann@Example.com").await;
    let link = token(&text(&app, "ann@example.com", 1, "user.register").await, "register");
    let users = app.operator().get("/api/v1/collections/users/records").await.ok(200);
    assert_eq!(users["items"], json!([]), "nobody is a user by asking");
    let confirm = async |body: Value| app.guest().post(&format!("{AUTH}/register/confirm"), body).await;
    let weak = json!({"token": link, "password": "password123"});
    confirm(weak).await.invalid(&[("/password", "too_common")]);
    let greedy = json!({"token": link, "password": PASSWORD, "profile": {"roles": ["admin"], "disabled": false, "email": "x@y.z"}});
    let faults = ["/profile/roles", "/profile/disabled", "/profile/email"].map(|at| (at, "forbidden"));
    confirm(greedy).await.invalid(&faults);
    let good = json!({"token": link, "password": PASSWORD, "profile": {"name": "Ann"}});
    let session = confirm(good.clone()).await.ok(200);
    confirm(good).await.problem(401, "invalid_token");
    let me = client(&app, &session).get(ME).await.ok(200);
    assert_eq!(
        (&me["email"], &me["verified"], &me["roles"]),
        (&json!("ann@example.com"), &json!(true), &json!(["user"]))
    );
    sign_in(&app, "ann@example.com", PASSWORD).await.expect(200);
    // Whoever registers again is told nothing; the mail says it.
    ask(&app, "register", "ann@example.com").await;
    let told = text(&app, "ann@example.com", 2, "user.knownAlready").await;
    assert!(!told.contains('#'), "{told}");
    app.guest()
        .post(&format!("{AUTH}/register"), json!({"email": "no address"}))
        .await
        .invalid(&[("/email", "format")]);
}

#[tokio::test]
async fn a_newer_link_takes_the_place_of_the_older_one_and_each_ends() {
    let app = open_app().await;
    ask(&app, "register", "ann@example.com").await;
    let first = token(&text(&app, "ann@example.com", 1, "user.register").await, "register");
    ask(&app, "register", "ann@example.com").await;
    let second = token(&text(&app, "ann@example.com", 2, "user.register").await, "register");
    let confirm = async |token: &str| {
        app.guest().post(&format!("{AUTH}/register/confirm"), json!({"token": token, "password": PASSWORD})).await
    };
    confirm(&first).await.problem(401, "invalid_token");
    confirm("x").await.problem(401, "invalid_token");
    app.clock.advance_seconds(24 * 3_600);
    confirm(&second).await.problem(401, "invalid_token");
}

#[tokio::test]
async fn what_has_ended_is_removed_and_what_has_not_stays() {
    let app = open_app().await;
    ask(&app, "register", "ann@example.com").await;
    mails(&app, "ann@example.com", 1).await;
    app.clock.advance_seconds(12 * 3_600);
    ask(&app, "register", "bob@example.com").await;
    let link = token(&text(&app, "bob@example.com", 1, "user.register").await, "register");
    app.clock.advance_seconds(12 * 3_600);
    let app = app.restart_with(|config| config.auth.registration = "open".into()).await;
    app.until("ann's ticket is gone", async || rows(&app, "users.tickets") == 1).await;
    assert_eq!(rows(&app, "users.tickets_of"), 1);
    let body = json!({"token": link, "password": PASSWORD});
    app.guest().post(&format!("{AUTH}/register/confirm"), body).await.expect(200);
}

/// How many rows a table has.
fn rows(app: &TestApp, table: &'static str) -> usize {
    let mut count = 0;
    let counted = app.store().snapshot().scan::<StoreError>(table, &[], &[], Scan::Forward, &mut |_, _| {
        count += 1;
        Ok(ControlFlow::Continue(()))
    });
    counted.unwrap();
    count
}

#[tokio::test]
async fn registration_is_for_whom_the_configuration_says() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.guest().post(&format!("{AUTH}/register"), json!({"email": "a@b.c"})).await.problem(403, "forbidden");
    let invite = "/api/v1/invitations";
    admin.post(invite, json!({"email": "bob@example.com", "roles": ["viewer"]})).await.expect(202);
    let link = token(&text(&app, "bob@example.com", 1, "user.invite").await, "invite");
    let session =
        app.guest().post(&format!("{AUTH}/register/confirm"), json!({"token": link, "password": PASSWORD})).await;
    assert_eq!(session.ok(200)["user"]["roles"], json!(["viewer"]));
    admin.post(invite, json!({"email": "bob@example.com"})).await.problem(409, "conflict");
    admin.post(invite, json!({"email": "c@d.ef", "roles": ["none"]})).await.invalid(&[("/roles/0", "unknown_role")]);
    admin.post("/api/v1/roles", json!({"name": "host", "permissions": ["users:create"]})).await.expect(201);
    let host = app.user("host", &["host"]).await;
    host.post(invite, json!({"email": "c@d.ef", "roles": ["admin"]})).await.problem(403, "forbidden");
    host.post(invite, json!({"email": "c@d.ef"})).await.expect(202);
    app.user("eve", &["manager"]).await.post(invite, json!({"email": "c@d.ef"})).await.problem(403, "forbidden");
    // Who could not invite like this any more has not invited.
    admin
        .post("/api/v1/roles", json!({"name": "lead", "permissions": ["users:*", "roles:assign", "*:list"]}))
        .await
        .expect(201);
    admin.post("/api/v1/roles", json!({"name": "lister", "permissions": ["*:list"]})).await.expect(201);
    let lead = app.user("lead", &["lead"]).await;
    lead.post(invite, json!({"email": "dan@example.com", "roles": ["lister"]})).await.expect(202);
    let link = token(&text(&app, "dan@example.com", 1, "user.invite").await, "invite");
    let own = format!("/api/v1/collections/users/records/{}", lead.id);
    let accept = async || {
        app.guest().post(&format!("{AUTH}/register/confirm"), json!({"token": link, "password": PASSWORD})).await
    };
    app.operator().patch(&own, json!({"roles": ["host"]})).await.expect(200);
    accept().await.problem(401, "invalid_token");
    app.operator().patch(&own, json!({"roles": ["lead"]})).await.expect(200);
    assert_eq!(accept().await.ok(200)["user"]["roles"], json!(["lister"]));
    // What is closed later is closed for links that are out.
    let link = token(&text(&app, "c@d.ef", 1, "user.invite").await, "invite");
    let app = app.restart_with(|config| config.auth.registration = "closed".into()).await;
    let late = json!({"token": link, "password": PASSWORD});
    app.guest().post(&format!("{AUTH}/register/confirm"), late).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_by_mail() {
    let app = TestApp::start().await;
    let ann = app.user("ann", &["user"]).await;
    let gone = app.user("gone", &["user"]).await;
    app.operator()
        .patch(&format!("/api/v1/collections/users/records/{}", gone.id), json!({"disabled": true}))
        .await
        .expect(200);
    for email in ["ann@example.com", "gone@example.com", "nobody@example.com"] {
        let answer = app.guest().post(&format!("{AUTH}/forgot-password"), json!({"email": email})).await.expect(202);
        assert_eq!(answer.body, b"", "the answer is the same for everyone");
    }
    let link = token(&text(&app, "ann@example.com", 1, "password.reset").await, "reset");
    // The account waits after failures; a new password by mail ends that.
    for _ in 0..6 {
        sign_in(&app, "ann@example.com", "wrong password here").await;
    }
    sign_in(&app, "ann@example.com", PASSWORD).await.problem(429, "rate_limited");
    let reset = async |token: &str| {
        app.guest().post(&format!("{AUTH}/reset-password"), json!({"token": token, "password": NEW_PASSWORD})).await
    };
    reset(&link).await.expect(204);
    reset(&link).await.problem(401, "invalid_token");
    ann.get(ME).await.problem(401, "unauthenticated");
    sign_in(&app, "ann@example.com", NEW_PASSWORD).await.expect(200);
    sign_in(&app, "ann@example.com", PASSWORD).await.problem(401, "invalid_credentials");
    text(&app, "ann@example.com", 2, "password.changed").await;
    mails(&app, "gone@example.com", 0).await;
    mails(&app, "nobody@example.com", 0).await;
    // A link goes to an address; it does nothing for whoever has another one by now.
    ask(&app, "forgot-password", "ann@example.com").await;
    let link = token(&text(&app, "ann@example.com", 3, "password.reset").await, "reset");
    let own = format!("/api/v1/collections/users/records/{}", ann.id);
    app.operator().patch(&own, json!({"email": "new@example.com"})).await.expect(200);
    reset(&link).await.problem(401, "invalid_token");
}

#[tokio::test]
async fn an_address_is_verified_and_changed_by_mail() {
    let app = TestApp::start().await;
    app.collection(
        json!({"name": "posts", "fields": [{"name": "t", "type": "string"}], "rules": {"create": "@auth.verified"}}),
    )
    .await;
    let ann = app.user("ann", &["user"]).await;
    let posts = "/api/v1/collections/posts/records";
    ann.post(posts, json!({})).await.problem(403, "forbidden");
    ann.send("POST", &format!("{AUTH}/verify-email"), "").await.expect(202);
    let link = token(&text(&app, "ann@example.com", 1, "email.verify").await, "verify");
    app.guest().post(&format!("{AUTH}/verify-email/confirm"), json!({"token": link})).await.expect(204);
    ann.post(posts, json!({})).await.expect(201);
    let change = async |new: &str, password: &str| {
        ann.post(&format!("{AUTH}/change-email"), json!({"newEmail": new, "currentPassword": password})).await
    };
    change("new@example.com", "wrong password here").await.problem(401, "invalid_credentials");
    change("new@example.com", PASSWORD).await.expect(202);
    let link = token(&text(&app, "new@example.com", 1, "email.change").await, "change-email");
    assert_eq!(ann.get(ME).await.ok(200)["email"], "ann@example.com");
    let confirm =
        async |token: &str| app.guest().post(&format!("{AUTH}/change-email/confirm"), json!({"token": token})).await;
    app.guest()
        .post(&format!("{AUTH}/reset-password"), json!({"token": link, "password": NEW_PASSWORD}))
        .await
        .problem(401, "invalid_token");
    // A new password makes links from before worthless.
    let password = format!("/api/v1/users/{}/password", ann.id);
    app.clock.advance_seconds(1);
    app.operator().put(&password, json!({"password": NEW_PASSWORD})).await.expect(204);
    confirm(&link).await.problem(401, "invalid_token");
    app.operator().put(&password, json!({"password": PASSWORD})).await.expect(204);
    let session = sign_in(&app, "ann@example.com", PASSWORD).await.ok(200);
    let ann = client(&app, &session);
    let change = async |new: &str, password: &str| {
        ann.post(&format!("{AUTH}/change-email"), json!({"newEmail": new, "currentPassword": password})).await
    };
    change("new@example.com", PASSWORD).await.expect(202);
    let link = token(&text(&app, "new@example.com", 2, "email.change").await, "change-email");
    confirm(&link).await.expect(204);
    confirm(&link).await.problem(401, "invalid_token");
    let me = ann.get(ME).await.ok(200);
    assert_eq!((&me["email"], &me["verified"]), (&json!("new@example.com"), &json!(true)));
    text(&app, "ann@example.com", 4, "email.changed").await;
    // An address of somebody else is not told to be one; its owner is.
    app.user("bob", &["user"]).await;
    change("bob@example.com", PASSWORD).await.expect(202);
    text(&app, "bob@example.com", 1, "user.knownAlready").await;
    // An address that an admin gives is not proven.
    let own = format!("/api/v1/collections/users/records/{}", ann.id);
    app.operator().patch(&own, json!({"email": "third@example.com"})).await.expect(200);
    assert_eq!(ann.get(ME).await.ok(200)["verified"], false);
    for path in ["verify-email", "change-email"] {
        let body = json!({"newEmail": "x@y.z", "currentPassword": PASSWORD});
        app.guest().post(&format!("{AUTH}/{path}"), body).await.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_mail_signs_in_by_link_or_code() {
    let app = TestApp::start().await;
    app.user("ann", &["user"]).await;
    let request = async |email: &str| {
        let answer = app.guest().post(&format!("{AUTH}/email-sign-in"), json!({"email": email})).await.ok(202);
        answer["reference"].as_str().unwrap().to_owned()
    };
    let confirm = async |body: Value| app.guest().post(&format!("{AUTH}/email-sign-in/confirm"), body).await;
    let code_of = |text: &str| text.split("asked for it: ").nth(1).unwrap()[..8].to_owned();
    request("ann@example.com").await;
    let by_link = token(&text(&app, "ann@example.com", 1, "session.signIn").await, "sign-in");
    let session = confirm(json!({"token": by_link})).await.ok(200);
    assert_eq!(client(&app, &session).get(ME).await.ok(200)["verified"], true);
    confirm(json!({"token": by_link})).await.problem(401, "invalid_token");
    let reference = request("ann@example.com").await;
    let code = code_of(&text(&app, "ann@example.com", 2, "session.signIn").await);
    let other = request("nobody@example.com").await;
    confirm(json!({"reference": other, "code": code})).await.problem(401, "invalid_token");
    confirm(json!({"reference": reference, "code": code})).await.expect(200);
    confirm(json!({"reference": reference, "code": code})).await.problem(401, "invalid_token");
    // Five guesses, not one more, right or wrong.
    let reference = request("ann@example.com").await;
    let code = code_of(&text(&app, "ann@example.com", 3, "session.signIn").await);
    for _ in 0..5 {
        let wrong = if code == "00000000" { "00000001" } else { "00000000" };
        confirm(json!({"reference": reference, "code": wrong})).await.problem(401, "invalid_token");
    }
    confirm(json!({"reference": reference, "code": code})).await.problem(401, "invalid_token");
    confirm(json!({"reference": reference})).await.invalid(&[("/token", "required")]);
    mails(&app, "nobody@example.com", 0).await;
    let app = app.restart_with(|config| config.auth.email_sign_in = false).await;
    app.guest()
        .post(&format!("{AUTH}/email-sign-in"), json!({"email": "ann@example.com"}))
        .await
        .problem(403, "forbidden");
}

#[tokio::test]
async fn a_user_is_told_when_sign_ins_fail_and_nobody_else_reads_it() {
    let app = TestApp::new().with_config(|config| config.rate_limit.sign_in_per_minute = 0).start().await;
    app.user("ann", &["user"]).await;
    for email in ["ann@example.com", "nobody@example.com"] {
        for _ in 0..10 {
            app.clock.advance_seconds(900);
            sign_in(&app, email, "wrong password here").await.problem(401, "invalid_credentials");
        }
    }
    text(&app, "ann@example.com", 1, "session.locked").await;
    mails(&app, "nobody@example.com", 0).await;
    // The texts of mails are for those who may do everything anyway.
    ask(&app, "forgot-password", "ann@example.com").await;
    let number = mails(&app, "ann@example.com", 2).await[0]["number"].clone();
    app.operator().post("/api/v1/roles", json!({"name": "post", "permissions": ["mail:*"]})).await.expect(201);
    let path = format!("/api/v1/mail/{number}");
    assert_eq!(app.user("pat", &["post"]).await.get(&path).await.ok(200).get("text"), None);
    assert!(app.admin().await.get(&path).await.ok(200)["text"].as_str().unwrap().contains("#reset="));
    let vera = app.user("vera", &["viewer"]).await;
    vera.get(&path).await.problem(403, "forbidden");
    vera.get("/api/v1/mail").await.problem(403, "forbidden");
    app.admin().await.get("/api/v1/mail/999").await.problem(404, "not_found");
}

/// However often somebody asks, an address gets five mails of a kind in an hour; and who needs another kind gets it.
#[tokio::test]
async fn nobody_is_flooded_with_mail() {
    let app = TestApp::new().with_config(|config| config.rate_limit.sign_in_per_minute = 0).start().await;
    app.user("ann", &["user"]).await;
    for _ in 0..7 {
        ask(&app, "email-sign-in", "ann@example.com").await;
    }
    ask(&app, "forgot-password", "ann@example.com").await;
    app.user("bob", &["user"]).await;
    ask(&app, "forgot-password", "bob@example.com").await;
    // Requests are carried out in order, so all of ann's are done with.
    mails(&app, "bob@example.com", 1).await;
    let kinds = mails(&app, "ann@example.com", 6).await;
    assert_eq!((&kinds[0]["kind"], &kinds[1]["kind"]), (&json!("password.reset"), &json!("session.signIn")));
}

/// Whether there is somebody to whom a code could have gone: a wrong one is written down alike.
#[tokio::test]
async fn a_wrong_code_leaves_the_same_trace_for_everybody() {
    let app = TestApp::start().await;
    app.user("ann", &["user"]).await;
    for email in ["ann@example.com", "nobody@example.com"] {
        let asked = app.guest().post(&format!("{AUTH}/email-sign-in"), json!({"email": email})).await.ok(202);
        let body = json!({"reference": asked["reference"], "code": "00000000"});
        app.guest().post(&format!("{AUTH}/email-sign-in/confirm"), body).await.problem(401, "invalid_token");
    }
    let events = app.operator().get("/api/v1/audit?kind=session.refused").await.ok(200);
    let details: Vec<_> = events["items"].as_array().unwrap().iter().map(|event| event["detail"].clone()).collect();
    assert_eq!(details, [json!({"kind": "code"}), json!({"kind": "code"})]);
}

#[tokio::test]
async fn open_invitations_are_listed_and_taken_back() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let invitations = "/api/v1/invitations";
    for (email, roles) in
        [("b@example.com", json!(["viewer"])), ("a@example.com", json!(null)), ("c@example.com", json!(null))]
    {
        admin.post(invitations, json!({"email": email, "roles": roles})).await.expect(202);
    }
    let link = token(&text(&app, "b@example.com", 1, "user.invite").await, "invite");
    for email in ["a@example.com", "c@example.com"] {
        mails(&app, email, 1).await;
    }
    let emails = |list: &Value| -> Vec<String> {
        list["items"].as_array().unwrap().iter().map(|open| open["email"].as_str().unwrap().to_owned()).collect()
    };
    let first = admin.get(&format!("{invitations}?limit=2")).await.ok(200);
    assert_eq!(emails(&first), ["a@example.com", "b@example.com"]);
    assert_eq!((&first["items"][1]["roles"], &first["items"][1]["invitedBy"]), (&json!(["viewer"]), &json!(admin.id)));
    let cursor = first["nextCursor"].as_str().unwrap();
    let rest = admin.get(&format!("{invitations}?limit=2&cursor={cursor}")).await.ok(200);
    assert_eq!((emails(&rest), rest.get("nextCursor")), (vec!["c@example.com".to_owned()], None));
    admin.delete(&format!("{invitations}/b@example.com")).await.expect(204);
    admin.delete(&format!("{invitations}/b@example.com")).await.problem(404, "not_found");
    let body = json!({"token": link, "password": PASSWORD});
    app.guest().post(&format!("{AUTH}/register/confirm"), body).await.problem(401, "invalid_token");
    app.clock.advance_seconds(7 * 24 * 3_600);
    assert_eq!(emails(&app.operator().get(invitations).await.ok(200)), Vec::<String>::new(), "they have ended");
}

#[tokio::test]
async fn who_has_become_a_user_is_greeted_if_so_configured() {
    for greets in [false, true] {
        let app = TestApp::new()
            .with_config(|config| {
                config.auth.registration = "open".into();
                config.auth.welcome_mail = greets;
                config.server.name = "The Shop".into();
            })
            .start()
            .await;
        ask(&app, "register", "ann@example.com").await;
        let link = token(&text(&app, "ann@example.com", 1, "user.register").await, "register");
        let body = json!({"token": link, "password": "correct horse battery"});
        app.guest().post(&format!("{AUTH}/register/confirm"), body).await.ok(200);
        let mails = app.operator().get("/api/v1/mail").await.ok(200);
        let subjects: Vec<_> = mails["items"].as_array().unwrap().iter().map(|mail| mail["subject"].clone()).collect();
        assert_eq!(subjects.contains(&json!("Welcome to The Shop")), greets, "{subjects:?}");
    }
}
