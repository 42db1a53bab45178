//! Templates: made, tried before they are kept, told in the language that comes closest, and never in the way of what must be told.

use serde_json::{Value, json};

use crate::support::TestApp;

const ALL: &str = "/api/v1/templates";

fn order() -> Value {
    json!({
        "name": "order.sent", "category": "orders", "layout": "default",
        "variables": [
            {"name": "number", "type": "string", "required": true, "example": "A-1"},
            {"name": "at", "type": "datetime", "required": false, "example": "2026-01-31T09:30:00Z"},
            {"name": "lines", "type": "list", "required": false, "example": [{"name": "Tea", "count": 2}]},
        ],
        "locales": {
            "en": {
                "subject": "Your order {{ number }}",
                "html": "<p>Sent: <b>{{ number }}</b></p><ul>{% for line in lines %}<li>{{ line.name }}</li>{% endfor %}</ul>",
                "inbox": "{{ number }} is on its way.",
            },
            "de": {"subject": "Deine Bestellung {{ number }}", "text": "Unterwegs seit {{ at|date(\"%d.%m.%Y\") }}."},
        },
    })
}

#[tokio::test]
async fn a_template_is_made_previewed_changed_and_removed() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let made = admin.post(ALL, order()).await.ok(201);
    assert_eq!(
        (&made["defaultLocale"], &made["builtIn"], &made["transactional"]),
        (&json!("en"), &json!(false), &json!(false))
    );
    admin.post(ALL, order()).await.problem(409, "conflict");
    let preview = async |body: Value| admin.post(&format!("{ALL}/order.sent/preview"), body).await;
    let shown = preview(json!({})).await.ok(200);
    assert_eq!((&shown["subject"], &shown["inbox"]), (&json!("Your order A-1"), &json!("A-1 is on its way.")));
    let html = shown["html"].as_str().unwrap();
    assert!(
        html.contains("<!doctype html>") && html.contains("<p>Sent: <b>A-1</b></p><ul><li>Tea</li></ul>"),
        "{html}"
    );
    // The text is made of what is said, not of its layout.
    let text = shown["text"].as_str().unwrap();
    assert!(
        text.contains("Sent: A-1") && text.contains("Tea") && !text.contains('<') && !text.contains("max-width"),
        "{text}"
    );
    // The language that comes closest, and the values that are given; what HTML says is escaped, a subject is one line.
    let values = json!({"number": "<i>7</i>\r\nBcc: x@y.z", "at": "2026-02-01T00:00:00Z"});
    let german = preview(json!({"locale": "de-AT", "values": values})).await.ok(200);
    assert_eq!((&german["locale"], &german["text"]), (&json!("de"), &json!("Unterwegs seit 01.02.2026.\n")));
    assert_eq!(german["subject"], "Deine Bestellung <i>7</i> Bcc: x@y.z");
    let english = preview(json!({"locale": "fr", "values": values})).await.ok(200);
    assert_eq!(english["locale"], "en");
    assert!(english["html"].as_str().unwrap().contains("<b>&lt;i&gt;7&lt;"), "{english}");
    preview(json!({"values": {"at": 7, "more": 1}})).await.invalid(&[
        ("/values/number", "required"),
        ("/values/at", "type"),
        ("/values/more", "unknown"),
    ]);
    // What is read can be sent back.
    let mut changed = admin.get(&format!("{ALL}/order.sent")).await.ok(200);
    changed["locales"]["en"]["subject"] = json!("Order {{ number }}");
    admin.put(&format!("{ALL}/order.sent"), changed).await.ok(200);
    assert_eq!(preview(json!({})).await.ok(200)["subject"], "Order A-1");
    admin.delete(&format!("{ALL}/order.sent")).await.expect(204);
    admin.delete(&format!("{ALL}/order.sent")).await.problem(404, "not_found");
    preview(json!({})).await.problem(404, "not_found");
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_with_its_place() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut template = order();
        change(&mut template);
        template
    };
    let english = |part: &'static str, text: &'static str| {
        with(&|template: &mut Value| template["locales"]["en"][part] = json!(text))
    };
    for (template, pointer, code) in [
        (english("subject", "Hello {{ nmber }}"), "/locales/en/subject", "unknown"),
        (english("subject", "Hello {{ number"), "/locales/en/subject", "syntax"),
        (english("subject", " "), "/locales/en/subject", "too_long"),
        (english("html", "{% for line in lines %}"), "/locales/en/html", "syntax"),
        (english("html", "{{ number|nothing }}"), "/locales/en/html", "render"),
        (english("inbox", "{{ number|date }}"), "/locales/en/inbox", "render"),
        // Only what is required is always there.
        (english("inbox", "{{ 10 // (lines|length) }}"), "/locales/en/inbox", "render"),
        (
            english("inbox", "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}"),
            "/locales/en/inbox",
            "render",
        ),
        (with(&|template| template["name"] = json!("no spaces")), "/name", "format"),
        (with(&|template| template["category"] = json!("")), "/category", "format"),
        (with(&|template| template["layout"] = json!("none")), "/layout", "unknown"),
        (with(&|template| template["defaultLocale"] = json!("fr")), "/defaultLocale", "unknown"),
        (with(&|template| template["locales"]["x!"] = json!({"subject": "s", "text": "t"})), "/locales/x!", "format"),
        (with(&|template| template["locales"]["fr"] = json!({"subject": "s"})), "/locales/fr/text", "required"),
        (with(&|template| template["variables"][1]["example"] = json!("soon")), "/variables/1/example", "type"),
        (with(&|template| template["variables"][1]["name"] = json!("number")), "/variables/1/name", "taken"),
        (with(&|template| template["variables"][1]["name"] = json!("appName")), "/variables/1/name", "taken"),
    ] {
        let problem = admin.post(ALL, template).await.problem(422, "validation_failed");
        let first = &problem["errors"][0];
        assert_eq!((&first["pointer"], &first["code"]), (&json!(pointer), &json!(code)), "{problem}");
    }
}

#[tokio::test]
async fn mails_of_the_server_say_what_was_made_of_their_template() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let path = format!("{ALL}/key.created");
    let mut template = admin.get(&path).await.ok(200);
    assert_eq!((&template["builtIn"], template.get("updatedAt")), (&json!(true), None));
    template["locales"]["de"] = json!({"subject": "Neuer Schlüssel: {{ name }}", "text": "Für {{ whose }}."});
    template["category"] = json!("other");
    let changed = admin.put(&path, template.clone()).await.ok(200);
    assert_eq!((&changed["category"], &changed["transactional"]), (&json!("account"), &json!(true)));
    let newest = async |kind: &str| {
        let list = admin.get("/api/v1/mail?limit=5").await.ok(200);
        let mail = list["items"].as_array().unwrap().iter().find(|mail| mail["kind"] == kind).unwrap().clone();
        app.operator().get(&format!("/api/v1/mail/{}", mail["number"])).await.ok(200)
    };
    let make_key =
        async |name: &str| admin.post("/api/v1/keys", json!({"name": name, "permissions": ["*:list"]})).await.ok(201);
    make_key("one & only").await;
    let mail = newest("key.created").await;
    assert_eq!(mail["subject"], "A key of your account was made");
    assert!(mail["html"].as_str().unwrap().contains("\"one &amp; only\""), "{mail}");
    // One that cannot be said with the values of the day gives way to the one that is built in.
    template["locales"]["en"]["subject"] = json!("{{ name|date }}");
    admin.put(&path, template.clone()).await.problem(422, "validation_failed");
    template["locales"]["en"]["subject"] = json!("{% if name == \"two\" %}{{ name|date }}{% else %}Fine{% endif %}");
    admin.put(&path, template).await.ok(200);
    make_key("two").await;
    assert_eq!(newest("key.created").await["subject"], "A key of your account was made");
    make_key("three").await;
    assert_eq!(newest("key.created").await["subject"], "Fine");
    admin.delete(&path).await.expect(204);
    assert_eq!(admin.get(&path).await.ok(200).get("updatedAt"), None);
    make_key("four").await;
    assert_eq!(newest("key.created").await["subject"], "A key of your account was made");
    // A test of a template is a mail like any other.
    let test = json!({"template": "password.reset", "to": "cy@example.com"});
    let number = admin.post("/api/v1/mail/test", test).await.ok(200)["number"].clone();
    let mail = app.operator().get(&format!("/api/v1/mail/{number}")).await.ok(200);
    assert_eq!(
        (&mail["to"], &mail["kind"], &mail["subject"]),
        (&json!("cy@example.com"), &json!("password.reset"), &json!("Set a new password"))
    );
    let test = async |body: Value| admin.post("/api/v1/mail/test", body).await;
    test(json!({"template": "password.reset", "to": "nobody"})).await.invalid(&[("/to", "format")]);
    test(json!({"template": "none", "to": "cy@example.com"})).await.problem(404, "not_found");
    test(json!({"template": "password.reset", "to": "cy@example.com", "values": {}}))
        .await
        .invalid(&[("/values/link", "required"), ("/values/life", "required")]);
}

#[tokio::test]
async fn a_layout_stands_around_mails() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    const LAYOUTS: &str = "/api/v1/template-layouts";
    let put = async |name: &str, body: Value| admin.put(&format!("{LAYOUTS}/{name}"), body).await;
    put("plain", json!({"html": "<b>no content</b>"})).await.invalid(&[("/html", "required")]);
    put("plain", json!({"html": "{{ content }}{{ other }}"})).await.invalid(&[("/html", "unknown")]);
    put("plain", json!({"html": "<main>{{ content }}</main>{{ appName }}", "text": "{{ content }}--{{ appName }}"}))
        .await
        .ok(200);
    let mut template = order();
    template["layout"] = json!("plain");
    admin.post(ALL, template).await.ok(201);
    let shown = admin.post(&format!("{ALL}/order.sent/preview"), json!({})).await.ok(200);
    assert!(shown["html"].as_str().unwrap().starts_with("<main><p>Sent: <b>A-1</b>"), "{shown}");
    assert!(shown["text"].as_str().unwrap().ends_with("--Stead"), "{shown}");
    admin.delete(&format!("{LAYOUTS}/plain")).await.problem(409, "conflict");
    admin.delete(&format!("{ALL}/order.sent")).await.expect(204);
    admin.delete(&format!("{LAYOUTS}/plain")).await.expect(204);
    admin.delete(&format!("{LAYOUTS}/plain")).await.problem(404, "not_found");
    // That of the server is as it was when it is removed.
    let original = admin.get(LAYOUTS).await.ok(200);
    put("default", json!({"html": "{{ content }}"})).await.ok(200);
    admin.delete(&format!("{LAYOUTS}/default")).await.expect(204);
    assert_eq!(admin.get(LAYOUTS).await.ok(200), original);
}
