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
    let later = forgot(&app, "later").await;
    let path = format!("/api/v1/mail?to={later}");
    let attempts = async || app.operator().get(&path).await.ok(200)["items"][0]["attempts"].clone();
    app.until("it was tried", async || attempts().await == 1).await;
    app.clock.advance_seconds(30);
    app.app.mail.wake();
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
}
