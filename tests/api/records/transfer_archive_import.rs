//! Archives on their way in: what was given out comes back, whoever points at whom, and who may do that.

use serde_json::{Value, json};

use crate::support::{Answer, Client, TestApp, query};

const IMPORT: &str = "/api/v1/import";
const EXPORT: &str = "/api/v1/export";

/// An archive of these files.
fn archive(files: &[(&str, String)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

async fn send(client: &Client, path: &str, archive: Vec<u8>) -> Answer {
    client.with("content-type", "application/x-tar").send("POST", path, archive).await
}

/// Records, without what a server says of them by itself.
async fn records(client: &Client, collection: &str) -> Vec<Value> {
    let path = query(&format!("/api/v1/collections/{collection}/records"), &[("limit", "1000")]);
    let page = client.get(&path).await.ok(200);
    let mut items = page["items"].as_array().unwrap().clone();
    for item in &mut items {
        let item = item.as_object_mut().unwrap();
        for name in ["createdAt", "updatedAt", "version"] {
            item.remove(name);
        }
    }
    items
}

fn employees() -> Value {
    let fields = json!([
        {"name": "name", "type": "string", "required": true},
        {"name": "chief", "type": "relation", "collection": "employees"},
        {"name": "favourite", "type": "relation", "collection": "posts"},
        {"name": "friends", "type": "relation", "collection": "employees", "many": true},
    ]);
    json!({"name": "employees", "fields": fields, "indexes": [{"fields": ["name"], "unique": true}]})
}

/// People with chiefs and friends among themselves, posts with authors, and a favourite post of each author.
async fn company() -> TestApp {
    let app = TestApp::start().await;
    let input = json!({"collections": [employees(), {
        "name": "posts",
        "fields": [
            {"name": "title", "type": "string"},
            {"name": "author", "type": "relation", "collection": "employees", "required": true},
        ],
    }, {"name": "chiefs", "view": {"from": "employees", "filter": "chief = null"}}]});
    app.operator().post("/api/v1/schema/apply", input).await.ok(200);
    // The later in the alphabet, the higher: an archive has each before the chief.
    for (id, chief) in [("c", Value::Null), ("b", json!("c")), ("a", json!("b"))] {
        app.record("employees", json!({"id": id, "name": id.to_uppercase(), "chief": chief})).await;
    }
    for id in ["a", "b", "c"] {
        app.record("posts", json!({"id": format!("p{id}"), "title": "Hello \"you\"\n", "author": id})).await;
        let friends: Vec<_> = ["a", "b", "c"].into_iter().filter(|other| *other != id).collect();
        let change = json!({"favourite": format!("p{id}"), "friends": friends});
        let path = format!("/api/v1/collections/employees/records/{id}");
        app.operator().patch(&path, change).await.ok(200);
    }
    app
}

#[tokio::test]
async fn an_archive_comes_back_as_it_went_out() {
    let app = company().await;
    let exported = app.operator().get(EXPORT).await.expect(200).body.to_vec();
    let other = TestApp::start().await;
    let operator = other.operator();
    // Taken in for show, it changes nothing; what cannot be checked is not counted.
    let shown = send(&operator, &query(IMPORT, &[("dryRun", "true")]), exported.clone()).await.ok(200);
    assert_eq!(
        (&shown["dryRun"], &shown["complete"], &shown["rejectedCount"]),
        (&json!(true), &json!(true), &json!(0))
    );
    assert_eq!(shown["steps"][0]["action"], "createCollection");
    operator.get("/api/v1/collections/employees").await.problem(404, "not_found");
    let report = send(&operator, IMPORT, exported.clone()).await.ok(200);
    assert_eq!((&report["rejectedCount"], &report["complete"]), (&json!(0), &json!(true)), "{report}");
    for collection in ["employees", "posts", "chiefs"] {
        let (before, after) = (records(&app.operator(), collection).await, records(&operator, collection).await);
        assert_eq!(before, after, "{collection}");
        assert!(!after.is_empty(), "{collection}");
    }
    let counts = |name: &str| {
        let mut all = report["collections"].as_array().unwrap().iter();
        all.find(|own| own["collection"] == name).unwrap()["imported"].clone()
    };
    assert_eq!((counts("employees"), counts("posts")), (json!(3), json!(3)));
    assert_eq!(report["imported"], 6);
    for name in ["employees", "posts", "chiefs"] {
        let path = format!("/api/v1/collections/{name}");
        let (before, after) = (app.operator().get(&path).await.ok(200), operator.get(&path).await.ok(200));
        for part in ["fields", "rules", "view"] {
            assert_eq!(before.get(part), after.get(part), "{name}");
        }
    }
    // Once more: every record is there, which replacing does not mind.
    let again = send(&operator, IMPORT, exported.clone()).await.ok(200);
    assert_eq!((&again["imported"], &again["rejectedCount"]), (&json!(0), &json!(6)));
    assert!(again["rejected"].as_array().unwrap().iter().all(|line| line["collection"].is_string()), "{again}");
    assert_eq!(again.get("steps"), None, "nothing was left to be made");
    let replaced = send(&operator, &query(IMPORT, &[("mode", "upsert")]), exported.clone()).await.ok(200);
    assert_eq!((&replaced["imported"], &replaced["rejectedCount"]), (&json!(6), &json!(0)));
    let alone = json!({"favourite": null, "chief": null, "friends": []});
    let all = query("/api/v1/collections/employees/records", &[("filter", "true")]);
    operator.patch(&all, alone).await.ok(200);
    // A dry run over what is there knows what came before in the same archive.
    operator.delete(&query("/api/v1/collections/posts/records", &[("filter", "true")])).await.ok(200);
    operator.delete(&all).await.ok(200);
    let dry = send(&operator, &query(IMPORT, &[("dryRun", "true")]), exported).await.ok(200);
    assert_eq!((&dry["imported"], &dry["rejectedCount"]), (&json!(6), &json!(0)), "{dry}");
    assert!(records(&operator, "posts").await.is_empty());
}

#[tokio::test]
async fn what_is_named_and_never_comes_is_rejected() {
    let app = TestApp::start().await;
    let lines = [
        json!({"id": "x", "name": "X", "chief": "nobody"}),
        json!({"id": "y", "name": "Y", "chief": "x"}),
        json!({"id": "z", "name": "Z"}),
        json!({"id": "u", "name": "U", "chief": "v"}),
        json!({"id": "v", "name": "V", "chief": "u", "favourite": "gone"}),
        json!({"id": "w", "name": "Z"}),
    ];
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let posts = json!({"name": "posts", "fields": [{"name": "title", "type": "string"}]});
    let files = [
        ("employees.json", employees().to_string()),
        ("posts.json", posts.to_string()),
        ("employees.jsonl", lines),
        ("posts.jsonl", String::new()),
    ];
    let report = send(&app.operator(), IMPORT, archive(&files)).await.ok(200);
    let told: Vec<_> = report["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rejected| (rejected["line"].as_u64().unwrap(), rejected["errors"][0]["pointer"].as_str().unwrap()))
        .collect();
    let expected = [(1, "/chief"), (2, "/chief"), (4, "/chief"), (5, "/chief"), (6, "/name")];
    let mut sorted = told.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected, "{report}");
    assert_eq!((&report["processed"], &report["imported"]), (&json!(6), &json!(1)));
    assert_eq!(records(&app.operator(), "employees").await.len(), 1, "no record is there by half");
}

#[tokio::test]
async fn definitions_are_for_those_who_may_make_them() {
    let app = company().await;
    let files = |title: &str| {
        let note = json!({"name": "notes", "fields": [{"name": "title", "type": "string"}]});
        let posts = json!({"name": "posts", "fields": [{"name": "title", "type": "string"}]});
        let lines = json!({"id": title, "title": title}).to_string();
        [("posts.json", posts.to_string()), ("notes.json", note.to_string()), ("notes.jsonl", lines)]
    };
    let manager = app.user("max", &["manager"]).await;
    send(&manager, IMPORT, archive(&files("a"))).await.problem(403, "forbidden");
    let ignored = query(IMPORT, &[("definitions", "ignore")]);
    send(&manager, &ignored, archive(&files("a"))).await.problem(404, "not_found");
    // Those that are there stay as they are, unless it is asked otherwise; values are not lost for it.
    let report = send(&app.operator(), IMPORT, archive(&files("a"))).await.ok(200);
    assert!(report["steps"].as_array().unwrap().iter().all(|step| step["collection"] == "notes"), "{report}");
    let apply = query(IMPORT, &[("definitions", "apply")]);
    let refused = send(&app.operator(), &apply, archive(&files("b"))).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("author"), "{refused}");
    send(&manager, &ignored, archive(&files("c"))).await.ok(200);
    let chosen = query(&ignored, &[("collections", "posts")]);
    let none = send(&manager, &chosen.replacen("?collections", "&collections", 1), archive(&files("d"))).await.ok(200);
    assert_eq!(none["processed"], 0);
    let ids: Vec<_> = records(&manager, "notes").await.iter().map(|note| note["id"].clone()).collect();
    assert_eq!(ids, ["a", "c"]);
    let user = app.user("ann", &["user"]).await;
    send(&user, &ignored, archive(&files("e"))).await.problem(403, "forbidden");
    send(&app.guest(), IMPORT, archive(&files("e"))).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_bad_definition_is_named_by_its_file() {
    let app = TestApp::start().await;
    let broken = json!({"name": "notes", "fields": [{"name": "a", "type": "nothing"}]});
    let good = json!({"name": "books", "fields": []});
    let wrong = json!({"name": "notes", "fields": [{"name": "a", "type": "relation", "collection": "nowhere"}]});
    for json in [json!({"name": "others"}), json!([]), json!({"name": "notes", "x": 1})] {
        send(&app.operator(), IMPORT, archive(&[("notes.json", json.to_string())])).await.problem(400, "bad_request");
    }
    let files = [("notes.json", broken.to_string())];
    send(&app.operator(), IMPORT, archive(&files)).await.invalid(&[("/notes.json/fields/0/type", "invalid")]);
    let files = [("books.json", good.to_string()), ("notes.json", wrong.to_string())];
    let problem = send(&app.operator(), IMPORT, archive(&files)).await.problem(422, "validation_failed");
    let pointer = problem["errors"][0]["pointer"].as_str().unwrap();
    assert!(pointer.starts_with("/notes.json/fields/0"), "{problem}");
    app.operator().get("/api/v1/collections/books").await.problem(404, "not_found");
}

#[tokio::test]
async fn what_is_no_archive_is_refused_and_what_came_whole_stays() {
    let app = TestApp::start().await;
    app.collection(json!({"name": "notes", "fields": [{"name": "title", "type": "string"}]})).await;
    let operator = app.operator();
    let note = |id: &str| json!({"id": id, "title": "t"}).to_string() + "\n";
    for body in ["", "no archive", &"x".repeat(2000)] {
        send(&operator, IMPORT, body.into()).await.problem(400, "bad_request");
    }
    operator.with("content-type", "text/csv").send("POST", IMPORT, "a,b").await.problem(415, "unsupported_media_type");
    let bad = query(IMPORT, &[("mode", "x"), ("definitions", "y"), ("format", "csv"), ("collections", "a,,b")]);
    send(&operator, &bad, archive(&[])).await.faults(
        400,
        "invalid_parameter",
        &[("collections", "format"), ("definitions", "enum"), ("format", "unknown_parameter"), ("mode", "enum")],
    );
    let late = [("notes.jsonl", note("a")), ("notes.json", "{}".into())];
    let problem = send(&operator, IMPORT, archive(&late)).await.problem(400, "bad_request");
    assert_eq!(problem["report"]["imported"], 1, "{problem}");
    let twice = [("x/notes.jsonl", note("d")), ("y/notes.jsonl", note("e"))];
    assert!(send(&operator, IMPORT, archive(&twice)).await.text().contains("two files"));
    let strange = [("notes.jsonl", note("b")), ("notes.txt", "hello".into())];
    assert!(send(&operator, IMPORT, archive(&strange)).await.text().contains("notes.txt"));
    let whole = archive(&[("notes.jsonl", note("c"))]);
    let problem = send(&operator, IMPORT, whole[..whole.len() - 1024].to_vec()).await.problem(400, "bad_request");
    assert_eq!(problem["report"]["imported"], 1, "it may have gone on");
    let empty = send(&operator, IMPORT, archive(&[])).await.ok(200);
    assert_eq!((&empty["processed"], &empty["complete"]), (&json!(0), &json!(true)));
    assert_eq!(records(&operator, "notes").await.len(), 4);
}

#[tokio::test]
async fn progress_is_told_while_an_archive_comes() {
    let app = TestApp::start().await;
    let definition = json!({"name": "notes", "fields": [{"name": "title", "type": "string"}]});
    let lines: String = (0..4500).map(|n| json!({"title": format!("t{n}")}).to_string() + "\n").collect();
    let files = [("notes.json", definition.to_string()), ("notes.jsonl", lines + "{\n")];
    let answer = send(&app.operator(), &query(IMPORT, &[("progress", "true")]), archive(&files)).await.expect(200);
    let told: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let counts: Vec<_> = told.iter().map(|report| report["imported"].as_u64().unwrap()).collect();
    assert!(counts.is_sorted() && counts.contains(&2000) && counts.contains(&4000), "{counts:?}");
    let last = told.last().unwrap();
    assert_eq!((&last["imported"], &last["complete"], &last["rejectedCount"]), (&json!(4500), &json!(true), &json!(1)));
    assert_eq!(last["collections"][0]["collection"], "notes");
    let rejected: Vec<_> = told.iter().flat_map(|report| report["rejected"].as_array().unwrap()).collect();
    assert_eq!((rejected.len(), &rejected[0]["line"]), (1, &json!(4501)));
    assert!(
        told[..told.len() - 1]
            .iter()
            .all(|report| report.get("collections").is_none() && report.get("complete").is_none())
    );
}

#[tokio::test]
async fn records_that_wait_when_an_archive_breaks_off_are_told() {
    let app = company().await;
    let lines = json!({"id": "x", "name": "X", "chief": "y"}).to_string() + "\n";
    let whole = archive(&[("employees.jsonl", lines)]);
    let problem = send(&app.operator(), IMPORT, whole[..1024].to_vec()).await.problem(400, "bad_request");
    let report = &problem["report"];
    assert_eq!(
        (&report["processed"], &report["rejectedCount"], &report["complete"]),
        (&json!(1), &json!(1), &json!(false))
    );
    assert_eq!(report["rejected"][0]["errors"][0]["pointer"], "/chief");
    app.operator().get("/api/v1/collections/employees/records/x").await.problem(404, "not_found");
}

#[tokio::test]
async fn a_dry_run_rejects_what_the_second_half_of_a_circle_would() {
    let app = TestApp::start().await;
    let partner = json!({"name": "partner", "type": "relation", "collection": "people", "unique": true});
    app.collection(json!({"name": "people", "fields": [partner]})).await;
    let pairs = [("x", "z"), ("y", "z"), ("z", "x")];
    let lines = pairs.map(|(id, partner)| json!({"id": id, "partner": partner}).to_string() + "\n").concat();
    for dry_run in ["true", "false"] {
        let files = archive(&[("people.jsonl", lines.clone())]);
        let report = send(&app.operator(), &query(IMPORT, &[("dryRun", dry_run)]), files).await.ok(200);
        assert_eq!((&report["imported"], &report["rejectedCount"]), (&json!(2), &json!(1)), "{report}");
        let rejected = &report["rejected"][0];
        assert_eq!((&rejected["line"], &rejected["errors"][0]["code"]), (&json!(2), &json!("unique")));
    }
    let people = records(&app.operator(), "people").await;
    assert_eq!(people.len(), 3, "of the one that was refused the first half is there");
}
