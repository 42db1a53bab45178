//! `stead import`: every good line is taken in, every bad one is reported by number with the reason and kept.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    client::{Client, lines},
    process::{Finished, Site},
};

/// The collection of these tests.
const BOOKS: &str = r#"
[[fields]]
name = "title"
type = "string"
required = true
max = 40

[[fields]]
name = "isbn"
type = "string"
unique = true

[[fields]]
name = "year"
type = "integer"

[[fields]]
name = "tags"
type = "string"
many = true

[[fields]]
name = "text"
type = "text"
max = 1000000
"#;

fn site() -> Site {
    let site = Site::new();
    site.write("schema/books.toml", BOOKS);
    site.run(&["schema", "apply", "schema"]).success();
    site
}

/// The titles of all books by id.
fn titles(site: &Site) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let books = lines(&site.run(&["export", "books"]).success());
    books.iter().map(|book| (text(&book["id"]), text(&book["title"]))).collect()
}

fn ids(site: &Site) -> Vec<String> {
    titles(site).into_keys().collect()
}

/// Checks that an import took in `imported` records and rejected exactly these lines: number, a part of the reason, the
/// line as the rejects file holds it.
#[track_caller]
fn rejected(site: &Site, finished: Finished, imported: usize, file: &str, bad: &[(u64, &str, &str)]) {
    assert_eq!(finished.stdout, format!("imported {imported} records\n"), "{finished:#?}");
    let stderr = finished.failure(1);
    assert!(stderr.contains(&format!("{} line", bad.len())) && stderr.contains(file), "{stderr}");
    let kept = lines(&site.read(file));
    let numbers: Vec<_> = kept.iter().map(|reject| reject["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, bad.iter().map(|(number, ..)| *number).collect::<Vec<_>>(), "{kept:#?}");
    for (reject, (number, reason, record)) in kept.iter().zip(bad) {
        let own = reject["reason"].as_str().unwrap();
        assert!(own.contains(reason), "line {number}: {reason:?} is missing in {own:?}");
        assert_eq!(reject["record"], *record, "line {number}");
        assert!(stderr.contains(&format!("line {number}: {own}")), "line {number} is not in: {stderr}");
    }
}

#[test]
fn bad_json_lines_are_reported_and_kept_and_nothing_else_is_lost() {
    let site = site();
    let file = [
        r#"{"id":"1","title":"One","isbn":"a","year":1999,"tags":["x","y"]}"#,
        r#"{"id":"2","title":"Two""#,
        "",
        r#"{"id":"4","title":"Four","year":"2004"}"#,
        r#"{"id":"5","isbn":"e"}"#,
        r#"{"id":"6","title":"Six","isbn":"a"}"#,
        r#"{"id":"7","title":"Seven","author":"nobody"}"#,
        r#"{"id":"1","title":"One again"}"#,
        r#"["no","object"]"#,
        r#"{"id":"10","title":"Ten","year":1.5}"#,
        r#"{"id":"11","title":"Eleven","title":"11"}"#,
        r#"{"id":"bad id","title":"Twelve"}"#,
        r#"{"id":"13","title":"Thirteen"}"#,
    ];
    site.write("books.jsonl", file.join("\n"));
    let finished = site.run(&["import", "books", "books.jsonl"]);
    let bad = [
        (2, "JSON", file[1]),
        (5, "title is required", file[4]),
        (6, "isbn", file[5]),
        (7, "author", file[6]),
        (8, "\"1\" already", file[7]),
        (9, "object", file[8]),
        (10, "year", file[9]),
        (11, "twice", file[10]),
        (12, "id", file[11]),
    ];
    rejected(&site, finished, 3, "books.jsonl.rejects.jsonl", &bad);
    assert_eq!(ids(&site), ["1", "13", "4"]);
}

#[test]
fn every_fault_of_a_line_is_in_the_reason() {
    let site = site();
    site.write("books.jsonl", "{\"year\":\"many\",\"author\":\"nobody\"}\n");
    let finished = site.run(&["import", "books", "books.jsonl", "--rejects", "bad.jsonl"]);
    finished.failure(1);
    let reason = lines(&site.read("bad.jsonl"))[0]["reason"].as_str().unwrap().to_owned();
    assert!(["title", "year", "author"].iter().all(|field| reason.contains(field)), "{reason}");
}

#[test]
fn bad_csv_rows_are_reported_by_the_line_they_begin_in() {
    let site = site();
    let rows = [
        "id,title,year,tags,text",
        "1,One,1999,\"[\"\"x\"\",\"\"y\"\"]\",",
        "2,\"Two",
        "lines\",2002,,",
        "3,,2003,,",
        "4,Four,soon,,",
        "5,Five,2005,,,one cell too many",
        "6,Six",
        "1,One again,,,",
        "7,Seven,2007,,",
        "",
    ];
    site.write("books.csv", rows.join("\n"));
    let finished = site.run(&["import", "books", "books.csv"]);
    assert_eq!(finished.stdout, "imported 4 records\n", "{finished:#?}");
    finished.failure(1);
    let kept = lines(&site.read("books.csv.rejects.jsonl"));
    let numbers: Vec<_> = kept.iter().map(|reject| reject["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [5, 6, 7, 9], "{kept:#?}");
    assert_eq!(ids(&site), ["1", "2", "6", "7"]);
    assert_eq!(titles(&site)["2"], "Two\nlines");
    let one = lines(&site.run(&["export", "books", "--filter", "id = \"1\""]).success()).remove(0);
    assert_eq!((&one["year"], &one["tags"]), (&json!(1999), &json!(["x", "y"])));
}

#[test]
fn a_line_that_is_no_text_is_a_bad_line() {
    let site = site();
    let bytes = b"{\"id\":\"1\",\"title\":\"One\"}\n{\"id\":\"2\",\"title\":\"\xff\xfe\"}\n{\"id\":\"3\",\"title\":\"Three\"}\n";
    site.write("books.jsonl", bytes);
    site.run(&["import", "books", "books.jsonl"]).failure(1);
    assert_eq!(ids(&site), ["1", "3"]);
    assert_eq!(lines(&site.read("books.jsonl.rejects.jsonl"))[0]["line"], 2);

    site.write("more.csv", b"id,title\n4,Four\n5,\xff\xfe\n6,Six\n");
    site.run(&["import", "books", "more.csv"]).failure(1);
    assert_eq!(ids(&site), ["1", "3", "4", "6"]);
    assert_eq!(lines(&site.read("more.csv.rejects.jsonl"))[0]["line"], 3);
}

#[test]
fn a_line_larger_than_a_request_may_be_is_a_bad_line() {
    let site = site();
    let line = |id: u32, bytes: usize| json!({ "id": id, "title": "t", "text": "x".repeat(bytes) }).to_string() + "\n";
    let sizes = [10, 500_000, 700_000, 10, 2_000_000, 10];
    let file: String = (1..).zip(sizes).map(|(id, bytes)| line(id, bytes)).collect();
    site.write("books.jsonl", file);
    let finished = site.run(&["import", "books", "books.jsonl"]);
    assert_eq!(finished.stdout, "imported 5 records\n", "{finished:#?}");
    finished.failure(1);
    assert_eq!(ids(&site), ["1", "2", "3", "4", "6"]);
    assert_eq!(lines(&site.read("books.jsonl.rejects.jsonl"))[0]["line"], 5);
}

#[test]
fn many_bad_lines_are_all_in_the_rejects_file() {
    let site = site();
    let line = |number: u32| match number % 3 {
        0 => format!("{{\"id\":\"{number}\"}}\n"),
        _ => format!("{{\"id\":\"{number}\",\"title\":\"t\"}}\n"),
    };
    site.write("books.jsonl", (1..=9000).map(line).collect::<String>());
    let finished = site.run(&["import", "books", "books.jsonl"]);
    assert_eq!(finished.stdout, "imported 6000 records\n");
    let stderr = finished.failure(1);
    assert!(stderr.contains("3000 lines") && stderr.lines().count() < 50, "{stderr}");
    let kept = lines(&site.read("books.jsonl.rejects.jsonl"));
    let numbers: Vec<_> = kept.iter().map(|reject| reject["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=9000).filter(|number| number % 3 == 0).collect::<Vec<_>>());
}

#[test]
fn upsert_replaces_what_is_there() {
    let site = site();
    site.write("books.jsonl", "{\"id\":\"1\",\"title\":\"One\",\"year\":1}\n{\"id\":\"2\",\"title\":\"Two\"}\n");
    site.run(&["import", "books", "books.jsonl"]).success();
    let before = site.run(&["export", "books"]).success();
    site.run(&["import", "books", "books.jsonl"]).failure(1);
    assert_eq!(site.run(&["export", "books"]).success(), before);

    site.write("books.jsonl", "{\"id\":\"1\",\"title\":\"Uno\"}\n{\"id\":\"3\",\"title\":\"Three\"}\n");
    let said = site.run(&["import", "books", "books.jsonl", "--upsert"]).success();
    assert_eq!(said, "imported 2 records\n");
    let books = lines(&site.run(&["export", "books"]).success());
    let shown: Vec<_> =
        books.iter().map(|book| json!([book["id"], book["title"], book["year"], book["version"]])).collect();
    let wanted = [json!(["1", "Uno", null, 2]), json!(["2", "Two", null, 1]), json!(["3", "Three", null, 1])];
    assert_eq!(shown, wanted, "a replaced record has nothing left of the old one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_goes_through_the_server_that_runs() {
    let site = site();
    let server = site.serve();
    let mut admin = Client::admin(&site, &server).await;
    let file: String = (0..5000).map(|number| format!("{{\"id\":\"{number}\",\"title\":\"t\"}}\n")).collect();
    site.write("books.jsonl", file + "{\"id\":\"bad\"}\n");
    let finished = site.run(&["import", "books", "books.jsonl"]);
    rejected(&site, finished, 5000, "books.jsonl.rejects.jsonl", &[(5001, "title", "{\"id\":\"bad\"}")]);
    let page = admin.get("/api/v1/collections/books/records?total=true&limit=1").await.expect(200);
    assert_eq!(page["total"], 5000);
    server.stop().success();
    assert_eq!(titles(&site).len(), 5000);
}

#[test]
fn an_import_reads_standard_input() {
    let site = site();
    let input = "{\"id\":\"1\",\"title\":\"One\"}\n{\"id\":\"2\"}\n";
    let finished = site.run_with_input(&["import", "books", "-", "--rejects", "bad.jsonl"], input);
    rejected(&site, finished, 1, "bad.jsonl", &[(2, "title", "{\"id\":\"2\"}")]);
    let csv = "id,title\n3,Three\n";
    site.run_with_input(&["import", "books", "-", "--format", "csv"], csv).success();
    assert_eq!(ids(&site), ["1", "3"]);
}

#[test]
fn what_cannot_be_imported_at_all_is_said() {
    let site = site();
    site.write("books.jsonl", "{\"title\":\"One\"}\n");
    let collection = site.run(&["import", "boks", "books.jsonl"]).failure(1);
    assert!(collection.contains("boks"), "{collection}");
    let file = site.run(&["import", "books", "missing.jsonl"]).failure(1);
    assert!(file.contains("missing.jsonl"), "{file}");
    site.write("empty.jsonl", "");
    assert_eq!(site.run(&["import", "books", "empty.jsonl"]).success(), "imported 0 records\n");
    assert!(!site.path("empty.jsonl.rejects.jsonl").exists(), "no bad line, no file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing_with_a_server_and_without() {
    let site = site();
    let lines: String =
        (0..3000).map(|number| format!("{{\"id\":\"{number}\",\"title\":\"t\",\"isbn\":\"{number}\"}}\n")).collect();
    site.write("books.jsonl", lines + "{\"title\":\"t\",\"isbn\":\"7\"}\n{\"id\":\"8\",\"title\":\"t\"}\n");
    let arguments = ["import", "books", "books.jsonl", "--dry-run"];
    let check = |finished: Finished| {
        assert_eq!(finished.stdout, "would import 3000 records\n", "{finished:#?}");
        finished.failure(1);
        let kept = lines_of(&site);
        assert_eq!(kept, [3001, 3002]);
    };
    check(site.run(&arguments));
    let server = site.serve();
    check(site.run(&arguments));
    server.stop().success();
    assert_eq!(ids(&site), Vec::<String>::new());
    assert_eq!(site.run(&["import", "books", "books.jsonl"]).stdout, "imported 3000 records\n");
}

/// The numbers of the lines in the rejects file.
fn lines_of(site: &Site) -> Vec<u64> {
    let kept = lines(&site.read("books.jsonl.rejects.jsonl"));
    kept.iter().map(|reject| reject["line"].as_u64().unwrap()).collect()
}

#[test]
fn a_json_array_is_taken_in_element_by_element() {
    let site = site();
    site.write("books.json", "[{\"id\":\"1\",\"title\":\"One\"},\n{\"id\":\"2\"},{\"id\":\"3\",\"title\":\"Three\"}]");
    let finished = site.run(&["import", "books", "books.json"]);
    rejected(&site, finished, 2, "books.json.rejects.jsonl", &[(2, "title", "\n{\"id\":\"2\"}")]);
    let array = site.run(&["export", "books", "--format", "json"]).success();
    assert_eq!(serde_json::from_str::<Value>(&array).unwrap().as_array().unwrap().len(), 2);

    site.write("cut.json", "[{\"id\":\"4\",\"title\":\"Four\"},{\"id\":");
    let said = site.run(&["import", "books", "cut.json"]).failure(1);
    assert!(said.contains("does not end; 1 records were imported before"), "{said}");
    assert_eq!(ids(&site), ["1", "3", "4"]);
}
