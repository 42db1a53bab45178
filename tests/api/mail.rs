//! Mail over a real server for mail: it goes out, is tried again, is given up, and keeps no text.

use std::{
    io::{BufRead as _, BufReader, Lines},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::TestApp;

/// A server for mail on a port of its own; it ends with the test.
struct Smtp {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Smtp {
    /// Without arguments for anyone; with a name and a password for who signs in with them.
    #[expect(clippy::disallowed_methods, reason = "tests/run names the folder of tools in the environment")]
    fn start(arguments: &[&str]) -> Self {
        let tools = std::env::var_os("TEST_TOOLS_DIR");
        let tools = PathBuf::from(tools.expect("TEST_TOOLS_DIR names the folder of tools; tests/run installs them"));
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tools/smtp.py");
        let mut command = Command::new(tools.join("venv/bin/python"));
        command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the server for mail starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        Self { child, lines, port }
    }

    /// The next mail that came. The server must live on until it has said that it took it.
    async fn next(mut self) -> (Value, Self) {
        tokio::task::spawn_blocking(move || {
            let line = self.lines.next().expect("the server for mail runs").unwrap();
            (serde_json::from_str(&line).unwrap(), self)
        })
        .await
        .unwrap()
    }

    async fn app(&self, user: &str, password: &str) -> TestApp {
        let builder = TestApp::new().with_config(|config| {
            config.mail.smtp_host = "127.0.0.1".into();
            config.mail.smtp_port = self.port;
            config.mail.smtp_tls = "none".into();
            config.mail.smtp_user = user.into();
            config.mail.smtp_password = password.into();
            config.mail.from = "Stead <stead@example.com>".into();
            config.mail.link_url = "https://app.example.com/account".into();
        });
        builder.start().await
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the newest mail to an address is this far.
async fn until(app: &TestApp, to: &str, state: &str) -> Value {
    let path = format!("/api/v1/mail?to={to}");
    let newest = async || app.operator().get(&path).await.ok(200)["items"][0].clone();
    app.until("the mail gets on", async || newest().await["state"] == state).await;
    newest().await
}

async fn forgot(app: &TestApp, name: &str) -> String {
    app.user(name, &["user"]).await;
    let email = format!("{name}@example.com");
    app.guest().post("/api/v1/auth/forgot-password", json!({"email": email})).await.expect(202);
    email
}

#[tokio::test]
async fn a_mail_goes_out_and_its_text_is_forgotten() {
    let smtp = Smtp::start(&["stead", "secret"]);
    let app = smtp.app("stead", "secret").await;
    let email = forgot(&app, "ann").await;
    let (mail, _smtp) = smtp.next().await;
    assert_eq!((&mail["to"], &mail["from"]), (&json!([email]), &json!("Stead <stead@example.com>")));
    assert_eq!((&mail["subject"], &mail["auto"]), (&json!("Set a new password"), &json!("auto-generated")));
    assert!(mail["text"].as_str().unwrap().contains("\nhttps://app.example.com/account#reset="), "{mail}");
    let kept = until(&app, &email, "sent").await;
    let kept = app.operator().get(&format!("/api/v1/mail/{}", kept["number"])).await.ok(200);
    assert_eq!((kept.get("text"), &kept["attempts"]), (None, &json!(1)));
}

#[tokio::test]
async fn what_cannot_be_sent_is_tried_again_or_given_up() {
    let smtp = Smtp::start(&[]);
    let app = smtp.app("", "").await;
    let never = forgot(&app, "never").await;
    let failed = until(&app, &never, "failed").await;
    assert!(failed["error"].as_str().unwrap().contains("550"), "{failed}");
    let job = format!("/api/v1/jobs/{}", failed["job"].as_str().unwrap());
    // The mail is noted first, then the job.
    let read = async || app.operator().get(&job).await.ok(200);
    app.until("the job ends", async || read().await["state"] != "running").await;
    let dead = read().await;
    assert_eq!(
        (&dead["state"], &dead["attempts"]),
        (&json!("dead"), &json!(1)),
        "what is refused for good is dead at once"
    );
    let later = forgot(&app, "later").await;
    let path = format!("/api/v1/mail?to={later}");
    let attempts = async || app.operator().get(&path).await.ok(200)["items"][0]["attempts"].clone();
    app.until("it was tried", async || attempts().await == 1).await;
    let job = app.operator().get(&path).await.ok(200)["items"][0]["job"].as_str().unwrap().to_owned();
    let read = async || app.operator().get(&format!("/api/v1/jobs/{job}")).await.ok(200);
    app.until("the attempt ends", async || read().await["state"] != "running").await;
    let waits = read().await;
    assert_eq!(
        (&waits["state"], &waits["queue"], &waits["kind"]),
        (&json!("failed"), &json!("emails"), &json!("email.send"))
    );
    app.operator().get(&format!("/api/v1/jobs/{job}")).await.lacks(&["#reset="]);
    app.operator().post(&format!("/api/v1/jobs/{job}/retry"), json!(null)).await.ok(200);
    let (mail, _smtp) = smtp.next().await;
    assert_eq!(mail["to"], json!([later]));
    assert_eq!(until(&app, &later, "sent").await["attempts"], 2);
}

#[tokio::test]
async fn what_waits_survives_the_process_and_goes_out_when_there_is_a_server() {
    let app = TestApp::start().await;
    let email = forgot(&app, "ann").await;
    let waiting = until(&app, &email, "waiting").await;
    assert_eq!(waiting["attempts"], 0);
    // What a job brought is kept for reading only, and what was given up on stays so.
    send(&app, json!({"to": ["bob@example.com", "cy@example.com"], "subject": "s", "html": "<p>x</p>"})).await;
    let smtp = Smtp::start(&[]);
    let port = smtp.port;
    let app = app
        .restart_with(|config| {
            config.mail.smtp_host = "127.0.0.1".into();
            config.mail.smtp_port = port;
            config.mail.smtp_tls = "none".into();
        })
        .await;
    let (mail, _smtp) = smtp.next().await;
    assert_eq!(mail["to"], json!([email]));
    until(&app, &email, "sent").await;
    let kept = app.operator().get("/api/v1/mail?limit=1").await.ok(200);
    assert_eq!((&kept["items"][0]["kind"], &kept["items"][0]["state"]), (&json!("email.send"), &json!("waiting")));
    assert!(kept["items"][0].get("job").is_none());
}

/// Makes a job that sends a mail, and waits until it is done with.
async fn send(app: &TestApp, payload: Value) -> Value {
    let body = json!({"queue": "emails", "kind": "email.send", "attemptsMax": 1, "payload": payload});
    let made = app.operator().post("/api/v1/jobs", body).await.ok(201);
    let path = format!("/api/v1/jobs/{}", made["id"].as_str().unwrap());
    let state = async || app.operator().get(&path).await.ok(200)["state"].clone();
    app.until("the mail is done with", async || ["succeeded", "dead"].map(Value::from).contains(&state().await)).await;
    app.operator().get(&path).await.ok(200)
}

#[tokio::test]
async fn a_notification_goes_out_with_a_way_to_have_no_more() {
    let smtp = Smtp::start(&[]);
    let app = smtp.app("", "").await;
    let (admin, ann) = (app.admin().await, app.user("ann", &[]).await);
    let texts = json!({"en": {"subject": "News", "html": "<p>Something <b>new</b></p>"}});
    admin.post("/api/v1/templates", json!({"name": "news", "layout": "default", "locales": texts})).await.ok(201);
    admin.post("/api/v1/notifications", json!({"template": "news", "users": [ann.id]})).await.ok(200);
    let (mail, _smtp) = smtp.next().await;
    assert_eq!((&mail["to"], &mail["subject"]), (&json!(["ann@example.com"]), &json!("News")));
    assert!(mail["html"].as_str().unwrap().contains("<p>Something <b>new</b></p>"), "{mail}");
    assert!(mail["text"].as_str().unwrap().starts_with("Something new"), "{mail}");
    let place = mail["unsubscribe"].as_str().unwrap();
    let path = place.strip_prefix("<http://127.0.0.1:8090").unwrap().strip_suffix('>').unwrap();
    // As a program for mail does it with one click (RFC 8058).
    let program = app.guest().with("content-type", "application/x-www-form-urlencoded");
    program.send("POST", path, "List-Unsubscribe=One-Click").await.expect(204);
    let done = admin.post("/api/v1/notifications", json!({"template": "news", "users": [ann.id]})).await.ok(200);
    assert_eq!(done["mails"], 0);
    until(&app, "ann@example.com", "sent").await;
}

#[tokio::test]
async fn a_job_sends_a_mail_of_its_own() {
    let smtp = Smtp::start(&[]);
    let app = smtp.app("", "").await;
    let payload = json!({
        "to": ["Ann <ann@example.com>"], "bcc": "bob@example.com", "subject": "Grüße", "text": "Hello", "html": "<p>Hello</p>",
        "attachments": [{"name": "a.txt", "contentType": "text/plain", "content": "aGVsbG8="}],
        "listUnsubscribe": "https://example.com/stop",
    });
    assert_eq!(send(&app, payload).await["state"], "succeeded");
    let (mail, smtp) = smtp.next().await;
    assert_eq!((&mail["to"], &mail["subject"]), (&json!(["ann@example.com", "bob@example.com"]), &json!("Grüße")));
    assert_eq!((&mail["text"], &mail["html"]), (&json!("Hello"), &json!("<p>Hello</p>")));
    assert_eq!(
        (&mail["files"], &mail["unsubscribe"]),
        (&json!({"a.txt": "hello"}), &json!("<https://example.com/stop>"))
    );
    for (payload, why) in [
        (json!({"to": "never@example.com", "subject": "s", "text": "t"}), "550"),
        (json!({"to": "nobody", "subject": "s", "text": "t"}), "an address of to"),
        (json!({"subject": "s"}), "missing field `to`"),
        (json!({"mail": 999}), "there is no such mail"),
    ] {
        let dead = send(&app, payload).await;
        assert_eq!(dead["state"], "dead");
        assert!(dead["error"].as_str().unwrap().contains(why), "{dead}");
    }
    drop(smtp);
    let failed = send(&app, json!({"to": "ann@example.com", "subject": "s", "text": "t"})).await;
    assert_eq!(
        failed["state"], "dead",
        "without a server for mail it fails, and is tried again as the queue says: {failed}"
    );
}

#[tokio::test]
async fn without_a_server_a_mail_of_a_job_is_kept() {
    let app = TestApp::start().await;
    let done = send(&app, json!({"to": "ann@example.com", "subject": "s", "html": "<p>x</p>"})).await;
    let kept = app.operator().get(&format!("/api/v1/mail/{}", done["result"]["outbox"])).await.ok(200);
    assert_eq!(
        (&kept["state"], &kept["text"], &kept["to"]),
        (&json!("waiting"), &json!("<p>x</p>"), &json!("ann@example.com"))
    );
}

#[tokio::test]
async fn who_makes_jobs_may_not_send_mail_for_that() {
    let app = TestApp::start().await;
    let key = |permissions: Value| {
        let app = &app;
        async move {
            let made = app.admin().await.post("/api/v1/keys", json!({"name": "k", "permissions": permissions})).await;
            app.guest().signed_in("", made.ok(201)["secret"].as_str().unwrap())
        }
    };
    let job = json!({"queue": "sync", "kind": "email.send", "payload": {"to": "a@b.c", "subject": "s", "text": "t"}});
    let maker = key(json!(["queues:*", "schedules:*"])).await;
    let told = maker.post("/api/v1/jobs", job.clone()).await.problem(403, "forbidden");
    assert!(told["detail"].as_str().unwrap().contains("mail:create"), "{told}");
    let batch = json!({"operations": [{"op": "enqueue", "body": job}]});
    maker.post("/api/v1/batch", batch).await.problem(403, "forbidden");
    let mut schedule = job.clone();
    schedule.as_object_mut().unwrap().extend(json!({"name": "s", "everySeconds": 60}).as_object().unwrap().clone());
    maker.post("/api/v1/schedules", schedule).await.problem(403, "forbidden");
    let both = key(json!(["queues:create", "mail:create"])).await;
    let made = both.post("/api/v1/jobs", job).await.ok(201);
    let change = json!({"payload": {"to": "x@y.z"}});
    maker.patch(&format!("/api/v1/jobs/{}", made["id"].as_str().unwrap()), change).await.problem(403, "forbidden");
    app.operator().delete("/api/v1/queues/emails").await.problem(409, "conflict");
}
