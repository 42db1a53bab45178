//! Notifications: to each by what is wanted, in the inbox, by mail, gathered, and to a webhook; once, however often the job runs.

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const SEND: &str = "/api/v1/notifications";
const INBOX: &str = "/api/v1/inbox";
const PREFERENCES: &str = "/api/v1/notification-preferences";

async fn start() -> TestApp {
    let app = TestApp::start().await;
    let template = json!({
        "name": "order.sent", "category": "orders", "layout": "default",
        "variables": [{"name": "number", "type": "string", "required": true, "example": "A-1"}],
        "locales": {
            "en": {"subject": "Order {{ number }}", "html": "<p>Order {{ number }} was sent.</p>", "inbox": "{{ number }} is on its way."},
            "de": {"subject": "Bestellung {{ number }}", "text": "Unterwegs: {{ number }}", "inbox": "{{ number }} ist unterwegs."},
        },
    });
    app.admin().await.post("/api/v1/templates", template).await.ok(201);
    app
}

fn order(users: &[&Client], number: &str) -> Value {
    let users: Vec<_> = users.iter().map(|user| user.id.clone()).collect();
    json!({"template": "order.sent", "users": users, "values": {"number": number}, "link": "/orders/1"})
}

/// The mails of a kind to an address, the newest first, with their texts.
async fn mails(app: &TestApp, to: &str, kind: &str) -> Vec<Value> {
    let list = app.operator().get(&format!("/api/v1/mail?to={to}")).await.ok(200);
    let mut found = Vec::new();
    for mail in list["items"].as_array().unwrap().iter().filter(|mail| mail["kind"] == kind) {
        found.push(app.operator().get(&format!("/api/v1/mail/{}", mail["number"])).await.ok(200));
    }
    found
}

/// Waits until a job is as it should be, and answers it.
async fn job(app: &TestApp, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let read = async || app.operator().get(path).await.ok(200);
    app.until("the job gets on", async || holds(&read().await)).await;
    read().await
}

#[tokio::test]
async fn each_is_told_by_what_is_wanted_and_in_the_own_language() {
    let app = start().await;
    let (admin, ann, bob) = (app.admin().await, app.user("ann", &[]).await, app.user("bob", &[]).await);
    ann.put(PREFERENCES, json!({"locale": "de-AT"})).await.ok(200);
    bob.put(PREFERENCES, json!({"categories": {"orders": {"email": false}}})).await.ok(200);
    let mut body = order(&[&ann, &bob], "A-7");
    body["emails"] = json!(["cy@example.net"]);
    let done = admin.post(SEND, body).await.ok(200);
    assert_eq!(done, json!({"entries": 2, "mails": 2, "gathered": 0, "skipped": 0}));
    let inbox = ann.get(INBOX).await.ok(200);
    assert_eq!((&inbox["unread"], &inbox["items"][0]["subject"]), (&json!(1), &json!("Bestellung A-7")));
    let entry = &inbox["items"][0];
    assert_eq!(
        (&entry["text"], &entry["link"], &entry["values"]),
        (&json!("A-7 ist unterwegs."), &json!("/orders/1"), &json!({"number": "A-7"}))
    );
    assert_eq!(bob.get(INBOX).await.ok(200)["items"][0]["text"], "A-7 is on its way.");
    let to_ann = mails(&app, "ann@example.com", "order.sent").await;
    assert_eq!((to_ann.len(), &to_ann[0]["subject"]), (1, &json!("Bestellung A-7")));
    assert!(mails(&app, "bob@example.com", "order.sent").await.is_empty());
    assert_eq!(mails(&app, "cy@example.net", "order.sent").await[0]["subject"], "Order A-7");
    // By one channel only; who wants neither is passed over.
    bob.put(PREFERENCES, json!({"categories": {"orders": {"email": false, "inbox": false}}})).await.ok(200);
    let mut body = order(&[&ann, &bob], "A-8");
    body["channels"] = json!(["inbox"]);
    let done = admin.post(SEND, body).await.ok(200);
    assert_eq!(done, json!({"entries": 1, "mails": 0, "gathered": 0, "skipped": 1}));
}

#[tokio::test]
async fn an_inbox_is_its_users_own() {
    let app = start().await;
    let (admin, ann, bob) = (app.admin().await, app.user("ann", &[]).await, app.user("bob", &[]).await);
    let mut news = ann.follow("GET", "/api/v1/realtime?topic=inbox", "").await.unwrap();
    news.expect("ready").await;
    assert_eq!(news.expect("inbox").await.data, json!({"unread": 0}));
    for number in ["1", "2", "3"] {
        admin.post(SEND, order(&[&ann], number)).await.ok(200);
    }
    let mut unread = json!(0);
    while unread != json!(3) {
        unread = news.expect("inbox").await.data["unread"].clone();
    }
    let page = ann.get(&format!("{INBOX}?limit=2")).await.ok(200);
    let id = |page: &Value, at: usize| page["items"][at]["id"].as_str().unwrap().to_owned();
    assert_eq!((&page["items"][0]["values"]["number"], page["items"].as_array().unwrap().len()), (&json!("3"), 2));
    let rest = ann.get(&format!("{INBOX}?cursor={}", page["nextCursor"].as_str().unwrap())).await.ok(200);
    assert_eq!((&rest["items"][0]["values"]["number"], rest.get("nextCursor")), (&json!("1"), None));
    ann.patch(&format!("{INBOX}/{}", id(&page, 0)), json!({"read": true})).await.expect(204);
    ann.patch(&format!("{INBOX}/{}", id(&page, 0)), json!({"read": true})).await.expect(204);
    assert_eq!(news.expect("inbox").await.data, json!({"unread": 2}));
    let unread = ann.get(&format!("{INBOX}?unread=true")).await.ok(200);
    assert_eq!((unread["items"].as_array().unwrap().len(), &unread["unread"]), (2, &json!(2)));
    // Others have no way to it.
    bob.patch(&format!("{INBOX}/{}", id(&page, 0)), json!({"read": false})).await.problem(404, "not_found");
    bob.delete(&format!("{INBOX}/{}", id(&page, 0))).await.problem(404, "not_found");
    assert_eq!(bob.get(INBOX).await.ok(200), json!({"items": [], "unread": 0}));
    ann.delete(&format!("{INBOX}/{}", id(&page, 1))).await.expect(204);
    ann.send("POST", &format!("{INBOX}/read-all"), "").await.expect(204);
    let inbox = ann.get(INBOX).await.ok(200);
    assert_eq!((inbox["items"].as_array().unwrap().len(), &inbox["unread"]), (2, &json!(0)));
    // Nothing is left of a user who is gone to another one of the same id.
    admin.delete(&format!("/api/v1/collections/users/records/{}", ann.id)).await.expect(204);
    admin.post("/api/v1/collections/users/records", json!({"id": ann.id, "email": "ann@example.org"})).await.ok(201);
    let password = json!({"password": "correct horse battery staple"});
    admin.put(&format!("/api/v1/users/{}/password", ann.id), password).await.expect(204);
    let body = json!({"email": "ann@example.org", "password": "correct horse battery staple"});
    let token = app.guest().post("/api/v1/auth/login", body).await.ok(200)["accessToken"].as_str().unwrap().to_owned();
    let other = app.guest().signed_in(&ann.id, &token);
    assert_eq!(other.get(INBOX).await.ok(200), json!({"items": [], "unread": 0}));
}

#[tokio::test]
async fn an_inbox_keeps_a_thousand_entries_for_ninety_days() {
    let app = start().await;
    let (admin, ann) = (app.admin().await, app.user("ann", &[]).await);
    let many = json!({"template": "order.sent", "users": vec![ann.id.clone(); 1_000], "values": {"number": "x"}, "channels": ["inbox"]});
    admin.post(SEND, many.clone()).await.ok(200);
    let mut newer = order(&[&ann], "newest");
    newer["channels"] = json!(["inbox"]);
    admin.post(SEND, newer.clone()).await.ok(200);
    let inbox = ann.get(&format!("{INBOX}?limit=1")).await.ok(200);
    assert_eq!((&inbox["unread"], &inbox["items"][0]["values"]["number"]), (&json!(1_000), &json!("newest")));
    app.clock.advance_seconds(91 * 86_400);
    let (admin, ann) = (
        app.operator(),
        app.guest().signed_in(&ann.id, &app.sign_in("ann@example.com", "correct horse battery").await),
    );
    admin.post(SEND, newer).await.ok(200);
    // Each new one pushes out a few that are too old.
    assert_eq!(ann.get(&format!("{INBOX}?limit=1")).await.ok(200)["unread"], 996);
}

#[tokio::test]
async fn mails_are_gathered_and_sent_together() {
    let app = start().await;
    let (admin, ann) = (app.admin().await, app.user("ann", &[]).await);
    ann.put(PREFERENCES, json!({"digest": "daily", "timezone": "Europe/Berlin"})).await.ok(200);
    for number in ["1", "<2>"] {
        let done = admin.post(SEND, order(&[&ann], number)).await.ok(200);
        assert_eq!((&done["gathered"], &done["mails"], &done["entries"]), (&json!(1), &json!(0), &json!(1)));
    }
    assert!(mails(&app, "ann@example.com", "order.sent").await.is_empty());
    // One job for both, at eight in the morning there.
    let jobs = admin.get("/api/v1/jobs?queue=emails&kind=notification.digest").await.ok(200);
    let jobs = jobs["items"].as_array().unwrap();
    assert_eq!((jobs.len(), &jobs[0]["runAt"]), (1, &json!("2026-02-01T07:00:00Z")));
    app.clock.advance_seconds(86_400);
    let path = format!("/api/v1/jobs/{}", jobs[0]["id"].as_str().unwrap());
    app.operator().send("POST", &format!("{path}/retry"), "").await.expect(200);
    job(&app, &path, |job| job["state"] == "succeeded").await;
    let sent = mails(&app, "ann@example.com", "notification.digest").await;
    assert_eq!((sent.len(), &sent[0]["subject"]), (1, &json!("2 news from Stead")));
    let (text, html) = (sent[0]["text"].as_str().unwrap(), sent[0]["html"].as_str().unwrap());
    assert!(text.contains("Order 1\n1 is on its way.") && text.contains("Order <2>"), "{text}");
    assert!(html.contains("Order &lt;2&gt;"), "{html}");
}

#[tokio::test]
async fn one_click_ends_the_mails_of_a_category() {
    let app = start().await;
    let (admin, ann) = (app.admin().await, app.user("ann", &[]).await);
    admin.post(SEND, order(&[&ann], "1")).await.ok(200);
    let mail = mails(&app, "ann@example.com", "order.sent").await.remove(0);
    let html = mail["html"].as_str().unwrap();
    let token = html.split("#unsubscribe=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(mail["text"].as_str().unwrap().contains(&token), "{mail}");
    let unsubscribe =
        async |token: &str| app.guest().send("POST", &format!("{PREFERENCES}/unsubscribe?token={token}"), "").await;
    unsubscribe("none.of-ours").await.problem(401, "invalid_token");
    unsubscribe(&token).await.expect(204);
    let shown = ann.get(PREFERENCES).await.ok(200);
    assert_eq!(shown["categories"], json!({"orders": {"email": false, "inbox": true}}));
    assert_eq!(shown["knownCategories"], json!(["orders", "security"]));
    // What is read can be sent back.
    ann.put(PREFERENCES, shown).await.ok(200);
    let done = admin.post(SEND, order(&[&ann], "2")).await.ok(200);
    assert_eq!((&done["entries"], &done["mails"]), (&json!(1), &json!(0)));
    ann.put(PREFERENCES, json!({"timezone": "Mars", "locale": "!", "categories": {"account": {"email": false}}}))
        .await
        .invalid(&[("/timezone", "format"), ("/categories/account", "unknown")]);
    ann.put(PREFERENCES, json!({"locale": "!"})).await.invalid(&[("/locale", "format")]);
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_as_a_whole() {
    let app = start().await;
    let (admin, ann) = (app.admin().await, app.user("ann", &[]).await);
    let faults: [(Value, &[(&str, &str)]); 8] = [
        (json!({"template": "none", "users": [ann.id]}), &[("/template", "unknown")]),
        (json!({"template": "password.reset", "users": [ann.id]}), &[("/template", "reserved")]),
        (json!({"template": "order.sent", "users": []}), &[("/users", "too_long")]),
        (
            json!({"template": "order.sent", "users": [ann.id, "nobody"], "values": {"number": "1"}}),
            &[("/users/1", "unknown")],
        ),
        (
            json!({"template": "order.sent", "emails": ["nobody"], "values": {"number": "1"}}),
            &[("/emails/0", "format")],
        ),
        (json!({"template": "order.sent", "users": [ann.id], "link": "javascript:x"}), &[("/link", "format")]),
        (json!({"template": "order.sent", "users": [ann.id], "values": {}}), &[("/values/number", "required")]),
        (json!({"template": "order.sent", "webhook": "none", "values": {"number": "1"}}), &[("/webhook", "unknown")]),
    ];
    for (body, faults) in faults {
        admin.post(SEND, body).await.invalid(faults);
    }
    assert_eq!(ann.get(INBOX).await.ok(200)["items"], json!([]));
}

#[tokio::test]
async fn jobs_tell_users_something_once() {
    let app = start().await;
    let (admin, ann) = (app.admin().await, app.user("ann", &[]).await);
    let new = json!({"queue": "emails", "kind": "notification.send", "payload": order(&[&ann], "7")});
    let id = admin.post("/api/v1/jobs", new.clone()).await.ok(201)["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/jobs/{id}");
    let done = job(&app, &path, |job| job["state"] == "succeeded").await;
    assert_eq!(done["result"], json!({"entries": 1, "mails": 1, "gathered": 0, "skipped": 0}));
    // As after a crash between telling and noting it.
    admin.send("POST", &format!("{path}/retry"), "").await.expect(200);
    job(&app, &path, |job| job["state"] == "succeeded" && job["attempts"] == 2).await;
    assert_eq!(ann.get(INBOX).await.ok(200)["unread"], 1);
    // It takes the permission to tell users something, and what cannot be told is dead at once.
    let maker = admin.post("/api/v1/keys", json!({"name": "k", "permissions": ["queues:create"]})).await.ok(201);
    let maker = app.guest().signed_in("", maker["secret"].as_str().unwrap());
    maker.post("/api/v1/jobs", new).await.problem(403, "forbidden");
    let bad =
        json!({"queue": "emails", "kind": "notification.send", "payload": {"template": "none", "users": [ann.id]}});
    let id = admin.post("/api/v1/jobs", bad).await.ok(201)["id"].as_str().unwrap().to_owned();
    let dead = job(&app, &format!("/api/v1/jobs/{id}"), |job| job["state"] == "dead").await;
    assert!(dead["error"].as_str().unwrap().contains("/template: there is no template"), "{dead}");
}

#[tokio::test]
async fn a_change_of_a_record_tells_users_something() {
    let app = start().await;
    let (admin, ann) = (app.admin().await, app.user("ann", &[]).await);
    let payload = json!({
        "template": "order.sent", "users": [{"$field": "customer"}], "values": {"number": {"$field": "number"}},
        "link": "/orders", "channels": ["inbox"],
    });
    let fields = json!([
        {"name": "customer", "type": "relation", "collection": "users"},
        {"name": "number", "type": "string"},
        {"name": "sent", "type": "boolean", "default": false, "nullable": false},
    ]);
    let trigger = json!({
        "on": ["update"], "queue": "emails", "kind": "notification.send", "payload": payload, "when": "sent && !@old.sent",
    });
    app.collection(json!({"name": "orders", "fields": fields, "triggers": [trigger]})).await;
    let order = json!({"id": "o1", "customer": ann.id, "number": "\"quoted\" {{ 1 }}"});
    admin.post("/api/v1/collections/orders/records", order).await.ok(201);
    admin.patch("/api/v1/collections/orders/records/o1", json!({"sent": true})).await.ok(200);
    app.until("ann is told", async || ann.get(INBOX).await.ok(200)["unread"] == 1).await;
    let inbox = ann.get(INBOX).await.ok(200);
    // What a record holds is a value, and nothing of it is read as a template.
    assert_eq!(inbox["items"][0]["subject"], "Order \"quoted\" {{ 1 }}");
}
