//! Imports as streams: of any length and any time, told of while they go on, cut off, only for show.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Client, TestApp, query};

const IMPORT: &str = "/api/v1/collections/items/import";
const RECORDS: &str = "/api/v1/collections/items/records";

fn items() -> Value {
    let fields = json!([
        {"name": "title", "type": "string", "required": true},
        {"name": "code", "type": "string", "unique": true},
        {"name": "parent", "type": "relation", "collection": "items"},
    ]);
    json!({"name": "items", "fields": fields})
}

async fn with_items() -> (TestApp, Client) {
    let app = TestApp::start().await;
    app.collection(items()).await;
    let manager = app.user("max", &["manager"]).await;
    (app, manager)
}

async fn total(app: &TestApp) -> Value {
    app.operator().get(&query(RECORDS, &[("total", "true"), ("limit", "1")])).await.ok(200)["total"].clone()
}

fn rejected(report: &Value) -> Vec<u64> {
    report["rejected"].as_array().unwrap().iter().map(|line| line["line"].as_u64().unwrap()).collect()
}

/// A request on a connection of its own, whose body is sent bit by bit.
struct Sending(TcpStream);

impl Sending {
    async fn begin(app: &TestApp, client: &Client, path: &str, kind: &str) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: {kind}\r\n\
             transfer-encoding: chunked\r\n\r\n",
            app.address, client.token
        );
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(stream)
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await.unwrap();
    }

    /// Reads until this was said.
    async fn until(&mut self, text: &str) -> String {
        let mut said = String::new();
        while !said.contains(text) {
            let mut bytes = [0; 4096];
            let read = tokio::time::timeout(Duration::from_secs(60), self.0.read(&mut bytes)).await.unwrap().unwrap();
            assert!(read > 0, "the server ended after: {said}");
            said.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        said
    }

    /// Sends no more, and reads all that is said.
    async fn cut(mut self) -> String {
        self.0.shutdown().await.unwrap();
        let mut said = String::new();
        tokio::time::timeout(Duration::from_secs(60), self.0.read_to_string(&mut said)).await.unwrap().unwrap();
        said
    }
}

/// The JSON that stands in an answer, whatever frames it.
fn json_in(said: &str) -> Value {
    let (start, end) = (said.find('{').unwrap(), said.rfind('}').unwrap());
    serde_json::from_str(&said[start..=end]).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[tokio::test]
async fn what_came_before_the_cut_stays_and_is_told() {
    let (app, client) = with_items().await;
    let mut sending = Sending::begin(&app, &client, IMPORT, "application/x-ndjson").await;
    let lines: String = (0..2500).map(|n| format!("{{\"id\":\"r{n}\",\"title\":\"t\"}}\n")).collect();
    sending.send(&lines).await;
    sending.send("{\"id\":\"bad\"}\n{\"id\":\"half\",\"title\":\"t\"}").await;
    app.until("the first chunk is committed", async || total(&app).await == 2000).await;
    let said = sending.cut().await;
    assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
    let problem = json_in(&said);
    assert_eq!((&problem["code"], &problem["detail"]), (&json!("bad_request"), &json!("the body ended early")));
    let report = &problem["report"];
    let counts = json!([report["processed"], report["imported"], report["rejectedCount"], report["complete"]]);
    assert_eq!((counts, rejected(report)), (json!([2501, 2500, 1, false]), vec![2501]), "{report}");
    assert_eq!(total(&app).await, 2500);
    client.get(&format!("{RECORDS}/half")).await.problem(404, "not_found");
}

#[tokio::test]
async fn an_array_that_does_not_end_is_a_fault_after_what_it_holds() {
    let (app, client) = with_items().await;
    for (body, detail) in [
        (r#"[{"title":"a"},{"title":"b"},{"title":"c"}"#, "does not end"),
        (r#"[{"title":"a"},{"title":"b"}] [{"title":"c"}]"#, "behind the end"),
    ] {
        let problem = client.send("POST", IMPORT, body).await.problem(400, "invalid_json");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
        assert_eq!((&problem["report"]["imported"], &problem["report"]["complete"]), (&json!(2), &json!(false)));
    }
    let csv = client.with("content-type", "text/csv").send("POST", IMPORT, "title\na\n\"b").await;
    assert_eq!(csv.problem(400, "invalid_json")["report"]["imported"], 1);
    assert_eq!(total(&app).await, 5);
    let nothing = client.send("POST", IMPORT, "[").await.problem(400, "invalid_json");
    assert_eq!(nothing.get("report"), None, "nothing was done");
}

#[tokio::test]
async fn a_stream_may_take_its_time_but_not_stand_still() {
    let change = |config: &mut stead::config::Config| {
        config.http.timeout_ms = 200;
        config.http.stream_idle_ms = 400;
        config.http.body_bytes_max = 1024;
    };
    let app = TestApp::new().with_config(change).start().await;
    app.collection(items()).await;
    let client = app.user("max", &["manager"]).await;
    let mut sending = Sending::begin(&app, &client, IMPORT, "application/x-ndjson").await;
    for _ in 0..8 {
        sending.send(&"{\"title\":\"t\"}\n".repeat(50)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let said = sending.until("\"report\"").await;
    assert!(said.starts_with("HTTP/1.1 504 "), "{said}");
    let report = json_in(&said)["report"].clone();
    assert_eq!((&report["imported"], &report["complete"]), (&json!(400), &json!(false)), "{report}");
    // A whole stream longer in time than any other request may be, and longer than any other body.
    let mut sending = Sending::begin(&app, &client, IMPORT, "application/x-ndjson").await;
    for _ in 0..8 {
        sending.send(&"{\"title\":\"t\"}\n".repeat(50)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sending.0.write_all(b"0\r\n\r\n").await.unwrap();
    let said = sending.until("\"complete\"").await;
    assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("\"imported\":400"), "{said}");
    assert_eq!(total(&app).await, 800);
    client.post(RECORDS, json!({"title": "x".repeat(2000)})).await.problem(413, "body_too_large");
}

#[tokio::test]
async fn progress_is_told_while_the_body_comes() {
    let (app, client) = with_items().await;
    let path = format!("{IMPORT}?progress=true");
    let mut sending = Sending::begin(&app, &client, &path, "application/x-ndjson").await;
    sending.send(&"{\"title\":\"t\"}\n".repeat(1999)).await;
    sending.send("{}\n{\"title\":\"t\"}\n").await;
    let said = sending.until("\"processed\":2000").await;
    assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("application/x-ndjson"), "{said}");
    assert_eq!(json_in(&said)["rejected"][0]["line"], 2000);
    assert_eq!(total(&app).await, 1999, "what is told is committed");
    sending.send("{\"title\":\"t\"}\n").await;
    sending.0.write_all(b"0\r\n\r\n").await.unwrap();
    let said = sending.until("\"complete\"").await;
    let end = json_in(&said);
    let wanted = json!({"processed": 2002, "imported": 2001, "rejectedCount": 1, "rejected": [], "complete": true});
    assert_eq!(end, wanted);

    let broken = client.send("POST", &path, "[{\"title\":\"t\"}").await.expect(200);
    let end: Value = serde_json::from_str(broken.text().lines().last().unwrap()).unwrap();
    assert_eq!((&end["complete"], &end["error"]["code"]), (&json!(false), &json!("invalid_json")), "{end}");
    let zipped = client.with("accept-encoding", "gzip").send("POST", &path, "{}\n").await.expect(200);
    assert_eq!(zipped.header("content-encoding"), "", "a compressor would hold the news back");
    client.send("POST", "/api/v1/collections/nothing/import?progress=true", "{}").await.problem(404, "not_found");
}

/// However long it is fed, an import does no more than its caller may at the time.
#[tokio::test]
async fn an_import_ends_with_the_credentials_of_its_caller() {
    let (app, _) = with_items().await;
    let admin = app.user("max", &["manager"]).await;
    let path = format!("{IMPORT}?progress=true");
    let mut sending = Sending::begin(&app, &admin, &path, "application/x-ndjson").await;
    sending.send(&"{\"title\":\"t\"}\n".repeat(2000)).await;
    sending.until("\"processed\":2000").await;
    let user = format!("/api/v1/collections/users/records/{}", admin.id);
    app.operator().patch(&user, json!({"disabled": true})).await.expect(200);
    sending.send("{\"title\":\"late\"}\n").await;
    sending.0.write_all(b"0\r\n\r\n").await.unwrap();
    let end = json_in(&sending.until("\"complete\"").await);
    assert_eq!((&end["complete"], &end["error"]["code"]), (&json!(false), &json!("unauthenticated")), "{end}");
    assert_eq!(total(&app).await, 2000, "nothing more was taken in");
}

#[tokio::test]
async fn all_rejected_records_are_counted_and_so_many_are_listed() {
    let (_app, client) = with_items().await;
    let body = "{\"title\":\"t\"}\n{}\n".repeat(2500);
    let report = client.send("POST", IMPORT, body.clone()).await.ok(200);
    assert_eq!((&report["imported"], &report["rejectedCount"]), (&json!(2500), &json!(2500)));
    assert_eq!(rejected(&report), (1..=1000).map(|n| 2 * n).collect::<Vec<_>>());
    let told = client.send("POST", &format!("{IMPORT}?progress=true"), body).await.expect(200);
    let all: Vec<_> = told.text().lines().flat_map(|line| rejected(&serde_json::from_str(line).unwrap())).collect();
    assert_eq!(all, (1..=2500).map(|n| 2 * n).collect::<Vec<_>>(), "progress lists them as they come");
}

#[tokio::test]
async fn a_dry_run_says_what_an_import_would_and_leaves_nothing() {
    let (app, client) = with_items().await;
    app.record("items", json!({"id": "old", "title": "old", "code": "k"})).await;
    let mut lines = vec![
        json!({"id": "first", "title": "t", "code": "one"}),
        json!({"id": "old", "title": "again"}),
        json!({"title": "t", "code": "k"}),
        json!({"title": "t", "code": "one", "parent": "nothing"}),
        json!({"id": "child", "title": "t", "parent": "first"}),
        json!({"count": 1}),
    ];
    lines.extend(
        (0..2500).map(|n| json!({"id": format!("r{n}"), "title": "t", "code": format!("c{n}"), "parent": "first"})),
    );
    // In another chunk than what they are about.
    lines.extend([
        json!({"title": "t", "parent": "r7"}),
        json!({"title": "t", "parent": "r7000"}),
        json!({"id": "r8", "title": "again"}),
        json!({"title": "t", "code": "c9"}),
        json!({"title": "t", "code": "one", "parent": "old"}),
        json!({"id": "own", "title": "t", "parent": "own"}),
    ]);
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    for mode in ["create", "upsert"] {
        let seq = *app.store().newest_seq().borrow();
        let before = app.operator().get("/api/v1/collections/items/export").await.expect(200).body;
        let path = format!("{IMPORT}?mode={mode}");
        let dry = client.send("POST", &format!("{path}&dryRun=true"), body.clone()).await.ok(200);
        assert_eq!(dry["dryRun"], true);
        assert_eq!(*app.store().newest_seq().borrow(), seq, "nothing is in the log");
        assert_eq!(app.operator().get("/api/v1/collections/items/export").await.expect(200).body, before);
        let real = client.send("POST", &path, body.clone()).await.ok(200);
        assert_eq!(real.get("dryRun"), None);
        assert_ne!(*app.store().newest_seq().borrow(), seq);
        let counts = |report: &Value| json!([report["processed"], report["imported"], report["rejectedCount"]]);
        assert_eq!((counts(&dry), rejected(&dry)), (counts(&real), rejected(&real)), "{mode}: {dry}");
        for (dry, real) in dry["rejected"].as_array().unwrap().iter().zip(real["rejected"].as_array().unwrap()) {
            let codes = |line: &Value| {
                let errors = line["errors"].as_array().cloned().unwrap_or_default();
                errors.iter().map(|error| json!([error["pointer"], error["code"]])).collect::<Vec<_>>()
            };
            assert_eq!(codes(dry), codes(real), "{mode}: {dry} {real}");
        }
        app.operator().delete("/api/v1/collections/items").await.expect(204);
        app.collection(items()).await;
        app.record("items", json!({"id": "old", "title": "old", "code": "k"})).await;
    }
}

#[tokio::test]
async fn who_may_import_is_who_may_make_and_to_replace_who_may_change() {
    let app = TestApp::start().await;
    let rules = json!({"list": "true", "read": "true", "create": "title = @auth.email", "update": "title = \"open\""});
    app.collection(json!({"name": "items", "fields": items()["fields"], "rules": rules})).await;
    app.collection(json!({"name": "closed"})).await;
    app.record("items", json!({"id": "open", "title": "open"})).await;
    app.record("items", json!({"id": "shut", "title": "shut"})).await;
    let ann = app.user("ann", &["user"]).await;
    for options in ["", "?dryRun=true", "?progress=true", "?mode=upsert"] {
        app.guest().send("POST", &format!("{IMPORT}{options}"), "{}").await.problem(401, "unauthenticated");
        let viewer = app.user("vic", &["viewer"]).await;
        for client in [&ann, &viewer] {
            let path = format!("/api/v1/collections/closed/import{options}");
            client.send("POST", &path, "{}").await.problem(403, "forbidden");
        }
    }
    let mine = r#"{"id":"a","title":"ann@example.com"}"#;
    let report = ann.send("POST", IMPORT, format!("{mine}\n{{\"title\":\"other\"}}\n")).await.ok(200);
    assert_eq!((&report["imported"], rejected(&report)), (&json!(1), vec![2]), "{report}");
    let replace = |id: &str| format!("{{\"id\":\"{id}\",\"title\":\"ann@example.com\"}}");
    for dry in ["&dryRun=true", ""] {
        let body = format!("{}\n{}\n", replace("open"), replace("shut"));
        let report = ann.send("POST", &format!("{IMPORT}?mode=upsert{dry}"), body).await.ok(200);
        assert_eq!((&report["imported"], rejected(&report)), (&json!(1), vec![2]), "{dry}: {report}");
    }
    assert_eq!(app.operator().get(&format!("{RECORDS}/shut")).await.ok(200)["title"], "shut");
}

#[tokio::test]
async fn a_replacement_says_nothing_of_fields_that_its_sender_does_not_see() {
    let app = TestApp::start().await;
    let fields =
        json!([{"name": "title", "type": "string"}, {"name": "notes", "type": "string", "rules": {"read": "false"}}]);
    let rules = json!({"read": "true", "create": "true", "update": "true"});
    app.collection(json!({"name": "items", "fields": fields, "rules": rules})).await;
    app.record("items", json!({"id": "a", "title": "t", "notes": "kept"})).await;
    let ann = app.user("ann", &["user"]).await;
    let report = ann.send("POST", &format!("{IMPORT}?mode=upsert"), "{\"id\":\"a\",\"title\":\"u\"}\n").await.ok(200);
    assert_eq!(report["imported"], 1, "{report}");
    let kept = app.operator().get(&format!("{RECORDS}/a")).await.ok(200);
    assert_eq!((&kept["title"], &kept["notes"]), (&json!("u"), &json!("kept")));
}

#[tokio::test]
async fn faulty_parameters_are_all_named() {
    let (_app, client) = with_items().await;
    let path = query(
        IMPORT,
        &[
            ("mode", "replace"),
            ("dryRun", "yes"),
            ("progress", ""),
            ("format", "x"),
            ("limit", "1"),
            ("mode", "create"),
        ],
    );
    let wanted = [
        ("mode", "enum"),
        ("dryRun", "enum"),
        ("progress", "enum"),
        ("format", "enum"),
        ("limit", "unknown_parameter"),
        ("mode", "duplicate"),
    ];
    client.send("POST", &path, "").await.faults(400, "invalid_parameter", &wanted);
}

#[tokio::test]
async fn an_import_holds_its_place_while_it_tells_its_progress() {
    let app = TestApp::new().with_config(|config| config.http.requests_max = 1).start().await;
    app.collection(items()).await;
    let client = app.user("max", &["manager"]).await;
    let path = format!("{IMPORT}?progress=true");
    let mut sending = Sending::begin(&app, &client, &path, "application/x-ndjson").await;
    sending.send(&"{\"title\":\"t\"}\n".repeat(2000)).await;
    sending.until("\"processed\":2000").await;
    app.guest().get("/health/live").await.problem(503, "overloaded");
    drop(sending);
    app.until("the place is free", async || app.guest().get("/health/live").await.status == 200).await;
    assert_eq!(total(&app).await, 2000);
}
