//! The server's life: ready, healthy, set up once, drained, gone.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
};

use serde_json::{Value, json};

use crate::{
    client::{Client, EMAIL, PASSWORD},
    process::{DEADLINE, READY, Server, Site},
};

const CONTROL_SOCKET: &str = "data/control.sock";

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_is_finished_before_the_server_stops() {
    let site = Site::new();
    let server = site.serve();
    let mut admin = Client::admin(&site, &server).await;
    let things = json!({ "name": "things", "fields": [{ "name": "label", "type": "string" }] });
    admin.post("/api/v1/collections", &things).await.expect(201);

    let body: Vec<String> = (0..100).map(|number| format!("{{\"id\":\"t{number}\",\"label\":\"slow\"}}\n")).collect();
    let (first, rest) = body.split_at(50);
    let mut slow = SlowRequest::begin(&server, &admin.token().unwrap(), body.concat().len());
    slow.send(&first.concat());
    server.process.signal("TERM");
    server.process.stderr.line_with("stopping").expect("a word that the server stops");
    slow.send(&rest.concat());
    let answer = slow.answer();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains(r#""imported":100,"#) && answer.ends_with(r#""complete":true}"#), "{answer}");

    let address = server.address;
    let stdout = server.process.finish().success();
    assert_eq!(stdout, format!("{READY}{address}\n"), "the ready line is all there is on standard output");
    let server = site.serve();
    let mut admin = Client::open(server.address).await;
    admin.sign_in().await;
    assert_eq!(admin.records("things").await.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_holds_up_the_stop_for_so_long_only() {
    let site = Site::new();
    let mut command = site.serve_command();
    command.env("STEAD_SERVER_SHUTDOWN_TIMEOUT_SECONDS", "1");
    let server = Server::start(command);
    let mut admin = Client::admin(&site, &server).await;
    admin.post("/api/v1/collections", &json!({ "name": "things" })).await.expect(201);
    let _never = SlowRequest::begin(&server, &admin.token().unwrap(), 1000);
    let began = std::time::Instant::now();
    server.stop().success();
    assert!((1..10).contains(&began.elapsed().as_secs()), "it took {:?}", began.elapsed());
}

/// An import whose body is sent by the test, piece by piece.
struct SlowRequest {
    stream: BufReader<TcpStream>,
}

impl SlowRequest {
    /// Returns when the server waits for the body, which it says with `100 Continue`.
    fn begin(server: &Server, token: &str, length: usize) -> Self {
        let stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut request = Self { stream: BufReader::new(stream) };
        request.send(&format!(
            "POST /api/v1/collections/things/import HTTP/1.1\r\nHost: stead\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: {length}\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n"
        ));
        let mut line = String::new();
        request.stream.read_line(&mut line).unwrap();
        assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
        request.stream.read_line(&mut line).unwrap();
        request
    }

    fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn answer(mut self) -> String {
        let mut text = String::new();
        self.stream.read_to_string(&mut text).unwrap();
        text
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_a_request_do_not_hold_up_the_stop() {
    let site = Site::new();
    let server = site.serve();
    let _silent = TcpStream::connect(server.address).unwrap();
    let mut idle = Client::open(server.address).await;
    idle.get("/health/live").await.expect(200);
    let began = std::time::Instant::now();
    server.stop().success();
    assert!(began.elapsed().as_secs() < 10, "it took {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_admin_is_made_once_with_the_link_of_the_newest_start() {
    let site = Site::new();
    let server = site.serve();
    let old = setup_token(&server);
    let stderr = server.stop().stderr;
    assert!(stderr.contains("stead admin create --email"), "the other way is named too: {stderr}");

    let server = site.serve();
    let token = setup_token(&server);
    let mut client = Client::open(server.address).await;
    let setup = |token: &str, password: &str| json!({ "token": token, "email": EMAIL, "password": password });
    client.post("/api/v1/setup", &setup(&old, PASSWORD)).await.expect(403);
    let weak = client.post("/api/v1/setup", &setup(&token, "short")).await.expect(422);
    assert_eq!(weak["errors"][0]["pointer"], "/password", "{weak}");
    client.post("/api/v1/setup", &setup(&token, PASSWORD)).await.expect(201);
    client.post("/api/v1/setup", &setup(&token, PASSWORD)).await.expect(403);
    client.sign_in().await;
    client.get("/api/v1/collections").await.expect(200);
    let log = server.stop().stderr;
    assert!(!log.contains(PASSWORD), "{log}");

    let server = site.serve();
    let mut client = Client::open(server.address).await;
    client.post("/api/v1/setup", &setup(&token, PASSWORD)).await.expect(403);
    let stderr = server.stop().stderr;
    assert!(!stderr.contains("/setup#"), "there is an admin, so there is no link: {stderr}");
}

/// The token of the link that the server printed.
fn setup_token(server: &Server) -> String {
    let link = format!("http://{}/setup#", server.address);
    let line = server.process.stderr.line_with(&link).expect("a set-up link");
    line.trim().strip_prefix(&link).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_how_each_dependency_is() {
    let site = Site::new();
    let server = site.serve();
    let mut anyone = Client::open(server.address).await;
    let live = anyone.get("/health/live").await;
    assert_eq!(live.headers["cache-control"], "no-store");
    let live = live.expect(200);
    assert_eq!((&live["status"], &live["checks"]), (&json!("ok"), &json!({})), "nothing else is asked: {live}");
    for path in ["/health/live", "/health/ready", "/health/startup"] {
        let body = anyone.get(path).await.expect(200);
        assert_eq!((&body["status"], &body["version"]), (&json!("ok"), &json!(env!("CARGO_PKG_VERSION"))), "{body}");
        assert!(body["uptime"].is_u64(), "{body}");
    }
    for path in ["/health/ready", "/health/startup"] {
        let body = anyone.get(path).await.expect(200);
        let checks = body["checks"].as_object().unwrap();
        assert!(checks.contains_key("store") && checks.contains_key("writer"), "{body}");
        for check in checks.values() {
            assert_eq!(check["status"], "ok", "{body}");
            assert!(check["latency"].as_f64().is_some_and(|ms| (0.0..10_000.0).contains(&ms)), "{body}");
        }
        assert_eq!(checks["writer"]["waiting"], 0, "{body}");
        assert!(checks["writer"]["waitingMax"].as_u64() > Some(0), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_socket_is_the_operators_and_goes_with_the_server() {
    let site = Site::new();
    let server = site.serve();
    let mode = std::fs::metadata(site.path(CONTROL_SOCKET)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    server.stop().success();
    assert!(!site.path(CONTROL_SOCKET).exists());

    let mut server = site.serve();
    server.process.kill();
    assert!(site.path(CONTROL_SOCKET).exists(), "what is killed leaves it behind");
    let made = site.run_with_input(&["admin", "create", "--email", EMAIL, "--password-stdin"], PASSWORD);
    made.success();
    let server = site.serve();
    let mut client = Client::open(server.address).await;
    client.sign_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_health_and_sign_in_answers_without_a_token() {
    let site = Site::new();
    let server = site.serve();
    let mut anyone = Client::open(server.address).await;
    for path in ["/api/v1/collections", "/api/v1/collections/users", "/api/v1/collections/users/records"] {
        let problem = anyone.get(path).await.expect(401);
        assert_eq!(problem["code"], "unauthenticated", "{path}: {problem}");
    }
    let wrong = json!({ "email": EMAIL, "password": "not the password" });
    let problem: Value = anyone.post("/api/v1/auth/login", &wrong).await.expect(401);
    assert_eq!(problem["code"], "invalid_credentials", "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_routes_and_neither_ids_nor_secrets() {
    let site = Site::new();
    let server = site.serve();
    let mut admin = Client::admin(&site, &server).await;
    let user = "/api/v1/collections/users/records/secret-id";
    for (path, status) in [
        ("/api/v1/auth/me", 200),
        ("/api/v1/roles/secret-id", 404),
        (user, 404),
        ("/api/v1/nothing/secret-id", 404),
        ("/secret-id", 404),
        ("/health/live", 200),
    ] {
        admin.get(path).await.expect(status);
    }
    let token = admin.token().unwrap();
    let log = server.stop().stderr;
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let paths: Vec<_> = lines.filter_map(|line| line["path"].as_str().map(str::to_owned)).collect();
    let expected = [
        "/api/v1/auth/login",
        "/api/v1/auth/me",
        "/api/v1/roles/:param0",
        "/api/v1/collections/:collection/records/:id",
        "/api/v1",
        "-",
        "/health/live",
    ];
    assert_eq!(paths.get(paths.len() - expected.len()..).unwrap(), expected, "{log}");
    for hidden in ["secret-id", EMAIL, PASSWORD, &token] {
        assert!(!log.contains(hidden), "{hidden} is in the log:\n{log}");
    }
}
