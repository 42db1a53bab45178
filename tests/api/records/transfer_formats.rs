//! The formats of imports and exports: each says the same, and what goes out comes back as it was.

use serde_json::{Value, json};

use crate::support::{Client, TestApp, query};

const IMPORT: &str = "/api/v1/collections/notes/import";
const EXPORT: &str = "/api/v1/collections/notes/export";
const RECORDS: &str = "/api/v1/collections/notes/records";
const FORMATS: [(&str, &str); 3] =
    [("jsonl", "application/x-ndjson"), ("json", "application/json"), ("csv", "text/csv")];

fn notes() -> Value {
    let fields = json!([
        {"name": "title", "type": "text", "max": 100_000},
        {"name": "count", "type": "integer"},
        {"name": "price", "type": "decimal"},
        {"name": "at", "type": "datetime"},
        {"name": "done", "type": "boolean"},
        {"name": "tags", "type": "string", "many": true},
        {"name": "extra", "type": "json"},
    ]);
    json!({"name": "notes", "fields": fields})
}

async fn with_notes() -> (TestApp, Client) {
    let app = TestApp::start().await;
    app.collection(notes()).await;
    let manager = app.user("max", &["manager"]).await;
    (app, manager)
}

async fn import(client: &Client, kind: &str, body: impl Into<bytes::Bytes>) -> Value {
    client.with("content-type", kind).send("POST", IMPORT, body).await.ok(200)
}

fn lines(report: &Value) -> Vec<u64> {
    report["rejected"].as_array().unwrap().iter().map(|line| line["line"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn every_format_brings_the_same_records() {
    let (app, client) = with_notes().await;
    let lines_body = "{\"id\":\"a\",\"title\":\"x, y\",\"count\":7}\n\n{\"id\":\"b\",\"tags\":[\"t\"],\"done\":true}\n";
    let array =
        "\u{feff} [ {\"id\":\"a\",\"title\":\"x, y\",\"count\":7},\n{\"id\":\"b\",\"tags\":[\"t\"],\"done\":true}]";
    let csv = "id,title,count,tags,done\r\na,\"x, y\",7,,\r\n\r\nb,,,\"[\"\"t\"\"]\",TRUE";
    let mut exports = Vec::new();
    for (kind, body) in [
        ("application/x-ndjson", lines_body),
        ("application/json; charset=utf-8", array),
        ("application/json", lines_body),
        ("TEXT/CSV; header=present", csv),
    ] {
        let report = import(&client, kind, body).await;
        assert_eq!((&report["imported"], &report["complete"]), (&json!(2), &json!(true)), "{kind}: {report}");
        exports.push(client.get(EXPORT).await.expect(200).text().to_owned());
        for id in ["a", "b"] {
            app.operator().delete(&format!("{RECORDS}/{id}")).await.expect(204);
        }
    }
    assert!(exports.windows(2).all(|pair| pair[0] == pair[1]), "{exports:#?}");
    let named = client.with("content-type", "application/octet-stream");
    named.send("POST", &format!("{IMPORT}?format=csv"), "id\nc\n").await.ok(200);
    client.get(&format!("{RECORDS}/c")).await.expect(200);
    named.send("POST", IMPORT, "id\nd\n").await.problem(415, "unsupported_media_type");
    named.send("POST", &format!("{IMPORT}?format=xml"), "").await.faults(
        400,
        "invalid_parameter",
        &[("format", "enum")],
    );
}

#[tokio::test]
async fn a_record_that_is_broken_is_rejected_and_the_next_one_is_not() {
    let (_app, client) = with_notes().await;
    let array = r#"[{"id":"a"}, {"id":"b", "count": }, 7, {"id":"c","count":"many"}, {"id":"d"}, {"title":"]},\""}, ]"#;
    let report = import(&client, "application/json", array).await;
    assert_eq!((&report["imported"], lines(&report)), (&json!(3), vec![2, 3, 4, 7]), "{report}");
    let csv = b"id,count\ne,1\nf,1,1\ng,many\nh,\"2\nno\"\n\xff,1\ni,3\n".as_slice();
    let report = import(&client, "text/csv", csv).await;
    assert_eq!((&report["imported"], lines(&report)), (&json!(2), vec![3, 4, 5, 7]), "{report}");
    let unknown = client.with("content-type", "text/csv").send("POST", IMPORT, "id,id\na,b\n").await;
    let problem = unknown.problem(400, "invalid_json");
    assert!(problem["detail"].as_str().unwrap().contains("\"id\" twice"), "{problem}");
}

/// Texts that break formats which are not careful.
fn nasty() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "  both  ",
        "\t",
        "\n",
        "\r\n",
        "\r",
        "a\nb",
        "a\r\nb\r",
        "\"",
        "\"\"",
        "a\"b",
        "a,b",
        ",",
        ";",
        "'",
        "\\",
        "\\n",
        "\\\"",
        "\u{0}",
        "a\u{0}b",
        "\u{7f}",
        "\u{feff}mark",
        "null",
        "NULL",
        "true",
        "1",
        "01",
        "-1.50",
        "1e5",
        "[1]",
        "[\"x\"]",
        "{}",
        "{\"a\":1}",
        "[",
        "{",
        "=1+1",
        "=HYPERLINK(\"x\")",
        "+1",
        "-1",
        "@a",
        "é",
        "e\u{301}",
        "日本語",
        "👩‍👩‍👧‍👦",
        "🇨🇭",
        "שלום",
        "\u{202e}right to left\u{202c}",
        "\u{2028}",
        "\u{fffd}",
        "\u{10ffff}",
        "<script>",
        "%00",
        "--",
        "/* */",
    ]
    .map(String::from)
    .into();
    texts.push("long \"quoted\", \n ".repeat(5000));
    texts
}

#[tokio::test]
async fn nasty_values_go_out_and_come_back_unchanged() {
    let (app, client) = with_notes().await;
    for (number, text) in nasty().iter().enumerate() {
        let extra = match number % 3 {
            _ if text.len() > 1000 => Value::Null,
            0 => json!(text),
            1 => json!({"in": [text], "": null}),
            _ => json!([text, 1, true]),
        };
        let tags = if number % 2 == 0 && text.len() < 200 { json!([text, "x"]) } else { json!([]) };
        app.record("notes", json!({"id": format!("n{number:03}"), "title": text, "tags": tags, "extra": extra})).await;
    }
    app.record("notes", json!({"id": "nulls", "title": null, "extra": null})).await;
    let values = json!({"id": "values", "count": -7, "price": "9.90", "at": "2026-01-31T09:30:00.5Z", "done": false, "extra": "12"});
    app.record("notes", values).await;
    let whole = client.get(EXPORT).await.expect(200);
    for (format, kind) in FORMATS {
        let sent = client.get(&format!("{EXPORT}?format={format}")).await.expect(200);
        assert_eq!(sent.header("content-type"), kind);
        app.operator().delete("/api/v1/collections/notes").await.expect(204);
        app.collection(notes()).await;
        let report = import(&client, kind, sent.body.clone()).await;
        assert_eq!(report["rejectedCount"], 0, "{format}: {report}");
        let back = client.get(EXPORT).await.expect(200);
        for (before, after) in whole.text().lines().zip(back.text().lines()) {
            assert_eq!(before, after, "{format}");
        }
        assert_eq!(whole.text().lines().count(), back.text().lines().count(), "{format}");
    }
}

#[tokio::test]
async fn an_export_has_the_form_that_is_asked_for() {
    let (app, client) = with_notes().await;
    for format in ["jsonl", "json", "csv"] {
        let nothing = client.get(&format!("{EXPORT}?format={format}&fields=id,title")).await.expect(200);
        let wanted = ["", "[\n]\n", "id,title\r\n"][FORMATS.iter().position(|(name, _)| *name == format).unwrap()];
        assert_eq!(nothing.text(), wanted);
    }
    for number in 0..3 {
        app.record("notes", json!({"id": format!("r{number}"), "title": "a,b", "tags": ["x"]})).await;
    }
    let csv =
        client.get(&query(EXPORT, &[("format", "csv"), ("fields", "tags,id,title"), ("filter", "id != \"r1\"")])).await;
    let wanted = "id,title,tags\r\nr0,\"a,b\",\"[\"\"x\"\"]\"\r\nr2,\"a,b\",\"[\"\"x\"\"]\"\r\n";
    assert_eq!(csv.expect(200).text(), wanted);
    let array = client.get(&format!("{EXPORT}?format=json&fields=id")).await.ok(200);
    assert_eq!(array, json!([{"id": "r0"}, {"id": "r1"}, {"id": "r2"}]));
    for (accept, kind) in [
        ("text/csv", "text/csv"),
        ("application/json, */*;q=0.5", "application/json"),
        ("text/html, application/x-ndjson;q=0.9", "application/x-ndjson"),
        ("*/*", "application/x-ndjson"),
        ("nonsense", "application/x-ndjson"),
    ] {
        let answer = client.with("accept", accept).get(EXPORT).await.expect(200);
        assert_eq!((answer.header("content-type"), answer.header("vary")), (kind, "Accept"), "{accept}");
        let named = client.with("accept", accept).get(&format!("{EXPORT}?format=csv")).await.expect(200);
        assert_eq!(named.header("content-type"), "text/csv");
    }
    let faults = [("sort", "unknown_parameter"), ("format", "enum"), ("fields", "unknown_field")];
    let path = query(EXPORT, &[("sort", "id"), ("format", "xml"), ("fields", "nothing")]);
    client.get(&path).await.faults(400, "invalid_parameter", &faults);
    let compressed = client.with("accept-encoding", "gzip").get(&format!("{EXPORT}?format=csv")).await.expect(200);
    assert_eq!(compressed.header("content-encoding"), "gzip");
}

#[tokio::test]
async fn no_format_tells_what_the_caller_does_not_see() {
    let app = TestApp::start().await;
    let fields = json!([
        {"name": "name", "type": "string"},
        {"name": "owner", "type": "string"},
        {"name": "salary", "type": "integer", "rules": {"read": "owner = @auth.email"}},
        {"name": "notes", "type": "string", "rules": {"read": "false"}},
        {"name": "secret", "type": "string", "hidden": true},
    ]);
    app.collection(json!({"name": "people", "fields": fields, "rules": {"list": "name != \"Zoe\""}})).await;
    let person = |name: &str, salary: u32| {
        let owner = format!("{}@example.com", name.to_lowercase());
        json!({"name": name, "owner": owner, "salary": salary, "notes": "n0te", "secret": "s3cret"})
    };
    for (name, salary) in [("Ann", 4711), ("Bob", 8150), ("Zoe", 9999)] {
        app.record("people", person(name, salary)).await;
    }
    let ann = app.user("ann", &["user"]).await;
    let path = "/api/v1/collections/people/export";
    for (format, _) in FORMATS {
        for fields in ["", "&fields=name,salary,notes"] {
            let told = ann.get(&format!("{path}?format={format}{fields}")).await.expect(200);
            let told = told.lacks(&["8150", "9999", "Zoe", "n0te", "s3cret", "secret", "notes"]);
            assert!(told.text().contains("4711") && told.text().contains("Bob"), "{told}");
        }
        ann.get(&format!("{path}?format={format}&fields=secret")).await.problem(400, "invalid_parameter");
        let admin = app.admin().await.get(&format!("{path}?format={format}")).await.expect(200).lacks(&["s3cret"]);
        assert!(admin.text().contains("n0te") && admin.text().contains("9999"), "{admin}");
    }
}
