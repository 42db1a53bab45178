//! Archives: several collections of one state in a tar file, and who gets what.

use std::{collections::BTreeMap, io::Read as _};

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, query};

const ARCHIVE: &str = "/api/v1/export";

/// The files of an archive, in order.
#[track_caller]
fn files(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.header("content-type"), "application/x-tar", "{}", answer.status);
    let mut archive = tar::Archive::new(answer.body.as_slice());
    let file = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), text)
    };
    archive.entries().unwrap().map(file).collect()
}

fn names(answer: &Answer) -> Vec<String> {
    files(answer).into_iter().map(|(name, _)| name).collect()
}

/// Books point at authors, authors at themselves, notes at nothing.
async fn library() -> TestApp {
    let app = TestApp::start().await;
    let people = json!([
        {"name": "name", "type": "text"},
        {"name": "secret", "type": "string", "hidden": true},
        {"name": "teacher", "type": "relation", "collection": "writers"},
    ]);
    app.collection(json!({"name": "writers", "fields": people, "rules": {"list": "name != \"Zoe\""}})).await;
    let books = json!([
        {"name": "title", "type": "text"},
        {"name": "writer", "type": "relation", "collection": "writers"},
    ]);
    app.collection(json!({"name": "books", "fields": books, "rules": {"list": "true"}})).await;
    app.collection(json!({"name": "notes"})).await;
    app.record("writers", json!({"id": "ann", "name": "Ann", "secret": "s3cret"})).await;
    app.record("writers", json!({"id": "zoe", "name": "Zoe", "teacher": "ann"})).await;
    let lines: String =
        (0..3000).map(|n| json!({"title": "x".repeat(n % 700), "writer": "ann"}).to_string() + "\n").collect();
    app.operator().send("POST", "/api/v1/collections/books/import", lines).await.ok(200);
    app
}

#[tokio::test]
async fn an_archive_holds_what_exports_give_out() {
    let app = library().await;
    let admin = app.admin().await;
    let answer = admin.get(&query(ARCHIVE, &[("collections", "books, notes,writers,books")])).await.expect(200);
    assert!(answer.header("content-disposition").contains("export.tar"));
    answer.clone().lacks(&["s3cret"]);
    assert_eq!(answer.body.len() % 512, 0, "an archive is made of blocks");
    let wanted = ["writers.json", "books.json", "notes.json", "writers.jsonl", "books.jsonl", "notes.jsonl"];
    assert_eq!(names(&answer), wanted, "definitions first, and each after those it points at");
    let files: BTreeMap<_, _> = files(&answer).into_iter().collect();
    for name in ["writers", "books", "notes"] {
        let export = admin.get(&format!("/api/v1/collections/{name}/export")).await.expect(200);
        assert_eq!(files[&format!("{name}.jsonl")], export.text(), "{name}");
        let def: Value = serde_json::from_str(&files[&format!("{name}.json")]).unwrap();
        assert_eq!(def["name"], name);
        assert_eq!(def.get("number"), None, "a definition is what a client would send");
    }
    assert!(files["books.jsonl"].len() > 600_000, "it has several chunks");
    let all = names(&admin.get(ARCHIVE).await.expect(200));
    for name in ["users", "writers", "books", "notes"] {
        assert!(all.contains(&format!("{name}.jsonl")), "{all:?}");
    }
}

#[tokio::test]
async fn everyone_gets_what_they_may_list() {
    let app = library().await;
    let ann = app.user("ann", &["user"]).await;
    let answer = ann.get(ARCHIVE).await.expect(200).lacks(&["Zoe", "s3cret"]);
    assert_eq!(
        names(&answer),
        ["writers.jsonl", "books.jsonl", "users.jsonl"],
        "no definition, for it says what is hidden"
    );
    for (name, status, code) in
        [("notes", 403, "forbidden"), ("nothing", 404, "not_found"), ("books,notes", 403, "forbidden")]
    {
        ann.get(&query(ARCHIVE, &[("collections", name)])).await.problem(status, code);
    }
    ann.get(&format!("{ARCHIVE}?collections=books,,notes&x=1")).await.faults(
        400,
        "invalid_parameter",
        &[("collections", "format"), ("x", "unknown_parameter")],
    );
    app.guest().get(ARCHIVE).await.problem(401, "unauthenticated");
    let manager = app.user("max", &["manager"]).await;
    assert!(names(&manager.get(ARCHIVE).await.expect(200)).contains(&"notes.jsonl".to_owned()));
}
