//! `stead import pocketbase`, from a PocketBase that is made through its own API.

mod fixture;
mod same;
mod server;

use hyper::Method;
use serde_json::{Value, json};

use crate::{
    client::{Client, lines},
    process::{Finished, Server, Site},
};
use fixture::{ANN, BOB, Fixture};
use server::{PocketBase, ROOT, ROOT_PASSWORD, text};

const USERS: [&str; 2] = ["--users", "users"];

fn import(site: &Site, more: &[&str]) -> Finished {
    site.run(&[&["import", "pocketbase", "pb_data"], &USERS[..], more].concat())
}

fn report(site: &Site) -> Value {
    serde_json::from_str(&site.read("report.json")).unwrap()
}

fn collection(report: &Value, from: &str) -> Value {
    let all = report["collections"].as_array().unwrap();
    all.iter().find(|of| of["from"] == from).unwrap_or_else(|| panic!("no {from} in {report:#}")).clone()
}

/// The notes about a collection, as one text.
fn notes(report: &Value, collection: &str) -> String {
    let all = report["notes"].as_array().unwrap().iter().filter(|note| note["collection"] == collection);
    all.map(|note| format!("{} {} — {}\n", text(&note["kind"]), text(&note["item"]), text(&note["reason"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pocketbase_comes_over() {
    let site = Site::new();
    let mut pocketbase = PocketBase::start(&site).await;
    let fixture = Fixture::make(&mut pocketbase).await;
    let ann_sees = pocketbase.seen_by(ANN, "posts").await;
    let bob_sees = pocketbase.seen_by(BOB, "posts").await;
    assert_ne!(ann_sees, bob_sees, "the rule tells them apart");

    // While it runs, nothing is written to either.
    let planned = import(&site, &["--dry-run", "--report", "report.json"]).success();
    assert!(planned.contains("What would be taken over") && planned.contains("list: "), "{planned}");
    assert_eq!(report(&site)["dryRun"], true);
    assert_eq!(site.run(&["export", "users"]).success(), "");
    pocketbase.stop();

    let said = import(&site, &["--report", "report.json"]).success();
    assert!(!said.contains("$2a$") && !site.read("report.json").contains("$2a$"), "{said}");
    let report = report(&site);
    check_report(&report);

    let server = site.serve();
    let mut root = Client::open(server.address).await;
    root.sign_in_as(ROOT, ROOT_PASSWORD).await;
    check_definitions(&mut root).await;
    check_posts(&mut root, &fixture).await;
    check_relations(&mut root, &fixture).await;
    check_users(&mut root, &fixture).await;
    for (user, sees) in [(ANN, ann_sees), (BOB, bob_sees)] {
        let mut client = Client::open(server.address).await;
        client.sign_in_as(user.0, user.1).await;
        let mut ids: Vec<_> = client.records("posts").await.iter().map(|post| text(&post["id"])).collect();
        ids.sort();
        assert_eq!(ids, sees, "{} sees what it saw", user.0);
    }
    check_what_stays_closed(&server, &fixture).await;
    let wrong = json!({"email": ANN.0, "password": BOB.1});
    Client::open(server.address).await.post("/api/v1/auth/login", &wrong).await.expect(401);
    let log = server.stop();
    assert!(!log.stderr.contains("$2a$") && !log.stderr.contains("$argon2"), "{}", log.stderr);
}

fn check_report(report: &Value) {
    assert_eq!((&report["rejectedCount"], &report["admins"]), (&json!(0), &json!(1)), "{report:#}");
    assert_eq!(report["passwords"], 3, "two users and the superuser");
    let posts = collection(report, "posts");
    assert_eq!((&posts["to"], &posts["found"], &posts["imported"]), (&json!("posts"), &json!(3), &json!(3)));
    let renamed = posts["fields"].as_array().unwrap().iter().find(|field| field["from"] == "version").unwrap();
    assert_eq!((&renamed["to"], &renamed["type"]), (&json!("version_"), &json!("integer")));
    assert_eq!(collection(report, "jobs")["to"], "jobs_");
    for (from, expected) in [
        (
            "posts",
            vec![
                "file cover — files are not taken over",
                "file papers — ",
                "index CREATE INDEX `idx_lower`",
                "(WHERE)",
                "(COLLATE)",
                "rule deleteRule: @request.auth.verified = true — closed: ",
                "field version — it is called version_",
            ],
        ),
        ("staff", vec!["users staff — it is an ordinary collection here"]),
        ("titles", vec!["collection SELECT", "views are not taken over"]),
        ("jobs", vec!["collection jobs — it is called jobs_", "rule updateRule: @collection.posts.title"]),
        ("users", vec!["narrowed"]),
        ("", vec!["Stead has no guests"]),
    ] {
        let notes = notes(report, from);
        for part in expected {
            assert!(notes.contains(part), "{part:?} is not among the notes of {from}:\n{notes}");
        }
    }
    assert!(!notes(report, "users").contains("tokenKey"), "what is PocketBase's own is not worth a word");
}

async fn check_definitions(root: &mut Client) {
    let posts = root.get("/api/v1/collections/posts").await.expect(200);
    let field = |name: &str| {
        let all = posts["fields"].as_array().unwrap();
        all.iter().find(|field| field["name"] == name).unwrap_or_else(|| panic!("no {name}: {posts:#}")).clone()
    };
    for (name, expected) in [
        ("title", json!({"type": "string", "required": true, "min": 3, "max": 200})),
        ("body", json!({"type": "text", "required": false})),
        ("slug", json!({"type": "string", "pattern": "^[a-z-]+$", "unique": true, "nullable": true})),
        ("version_", json!({"type": "integer", "min": 0, "max": 100})),
        ("rating", json!({"type": "number", "min": 1, "max": 5, "nullable": true})),
        ("published", json!({"type": "boolean", "default": false})),
        ("mail", json!({"type": "string", "format": "email"})),
        ("site", json!({"type": "string", "format": "url"})),
        ("due", json!({"type": "datetime", "min": "2020-01-01T00:00:00.000Z"})),
        ("touched", json!({"type": "datetime"})),
        ("status", json!({"type": "enum", "values": ["draft", "done"], "nullable": true})),
        ("tags", json!({"type": "enum", "many": true, "maxItems": 3})),
        ("author", json!({"type": "relation", "collection": "users", "required": true, "onDelete": "cascade"})),
        ("members", json!({"type": "relation", "collection": "users", "many": true, "onDelete": "setNull"})),
        ("meta", json!({"type": "json", "maxBytes": 1000})),
        ("place", json!({"type": "geoPoint"})),
        ("secret", json!({"hidden": true})),
        ("cover", json!({"type": "string"})),
        ("papers", json!({"type": "string", "many": true})),
    ] {
        let found = field(name);
        for (attribute, value) in expected.as_object().unwrap() {
            let same =
                found[attribute] == *value || found[attribute].as_f64().is_some_and(|n| Some(n) == value.as_f64());
            assert!(same, "{name}.{attribute} is {}, not {value}", found[attribute]);
        }
    }
    let indexes = posts["indexes"].as_array().unwrap();
    let has = |fields: Value, unique: bool| {
        indexes.iter().any(|index| index["fields"] == fields && index["unique"] == unique)
    };
    assert!(has(json!(["status", "-createdAt"]), false) && has(json!(["slug"]), true), "{indexes:#?}");
    let rules = json!({
        "list": "published = true || author = @auth.id || @auth.id in members",
        "read": "author.name != null && (due = null || due <= @now)",
        "create": "@request.body.author = @auth.id",
        "update": "author = @auth.id && length(tags) < 3",
    });
    assert_eq!(posts["rules"], rules);
    let users = root.get("/api/v1/collections/users").await.expect(200);
    let seen = "(id = @auth.id || emailVisibility = true)";
    let own = "id = @auth.id";
    let updated = "(id = @auth.id) && (@request.body.email = null || @request.body.email = email)";
    assert_eq!(users["rules"], json!({"list": seen, "read": seen, "create": "true", "update": updated, "delete": own}));
    let jobs = root.get("/api/v1/collections/jobs_").await.expect(200);
    let expected = json!({"list": "any(posts_via_job.title) ~ \"x\""});
    assert_eq!(jobs["rules"], expected, "null stays closed, and so does what is not translated");
}

/// The records as they were in PocketBase, field by field.
async fn check_posts(root: &mut Client, fixture: &Fixture) {
    let full = root.get(&format!("/api/v1/collections/posts/records/{}", fixture.full["id"].as_str().unwrap())).await;
    let (full, was) = (full.expect(200), &fixture.full);
    for name in [
        "title",
        "body",
        "slug",
        "rating",
        "published",
        "status",
        "tags",
        "author",
        "members",
        "meta",
        "cover",
        "papers",
    ] {
        assert_eq!(full[name], was[name], "{name}");
    }
    assert_eq!((&full["mail"], &full["site"]), (&json!("ann@example.com"), &json!("https://example.com/a?b=c")));
    assert_eq!((&full["version_"], &full["place"]), (&json!(7), &json!({"lat": 46.5, "lon": 8.25})));
    assert_eq!(full["due"], "2022-01-02T03:04:05.678Z");
    let time = |value: &Value| value.as_str().unwrap().replace(' ', "T").parse::<jiff::Timestamp>().unwrap();
    for (name, from) in [("createdAt", "created"), ("updatedAt", "updated"), ("touched", "touched")] {
        assert_eq!(time(&full[name]), time(&was[from]), "{name}");
    }
    assert_eq!(full.get("secret"), None);

    let bare = root.get(&format!("/api/v1/collections/posts/records/{}", fixture.bare)).await.expect(200);
    for name in ["slug", "rating", "mail", "site", "due", "status", "meta", "place", "cover"] {
        assert_eq!(bare[name], Value::Null, "{name} was never given");
    }
    assert_eq!(json!([bare["body"], bare["version_"], bare["published"]]), json!(["", 0, false]));
    assert_eq!(json!([bare["tags"], bare["members"], bare["papers"]]), json!([[], [], []]));
    let found = root.get("/api/v1/collections/posts/records?filter=secret%3D%22x%22").await;
    assert_eq!(found.status, 400, "a hidden field cannot be asked for");
}

async fn check_relations(root: &mut Client, fixture: &Fixture) {
    let tree: Vec<_> = root.records("tree").await.iter().map(|node| json!([node["name"], node["parent"]])).collect();
    let mut names: Vec<_> = tree.iter().map(|node| node[0].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["leaf", "root", "self"]);
    for node in &tree {
        let parent = fixture.parents.iter().find(|(name, _)| node[0] == name.as_str()).unwrap();
        assert_eq!(node[1], parent.1, "{node}");
    }
    // Each leads to the other, and one of them must.
    let (left, right) = (root.records("left").await.remove(0), root.records("right").await.remove(0));
    assert_eq!((&left["right"], &right["left"]), (&right["id"], &left["id"]));
    assert_eq!(left["updatedAt"], fixture.left_updated.replace(' ', "T"), "what comes late is no change");
    let definition = root.get("/api/v1/collections/left").await.expect(200);
    let field = definition["fields"].as_array().unwrap().iter().find(|field| field["name"] == "right").unwrap();
    assert_eq!((&field["required"], &field["nullable"]), (&json!(true), &json!(false)), "in the end, it is required");
}

async fn check_users(root: &mut Client, fixture: &Fixture) {
    let users = root.records("users").await;
    assert_eq!(users.len(), 3);
    let by = |email: &str| users.iter().find(|user| user["email"] == email).unwrap_or_else(|| panic!("{users:#?}"));
    let ann = by(ANN.0);
    assert_eq!(
        json!([ann["id"], ann["name"], ann["username"], ann["score"]]),
        json!([fixture.ann, "Ann", "ann_1", 4.5])
    );
    assert_eq!(json!([ann["roles"], ann["disabled"], ann["verified"]]), json!([["user"], false, true]));
    assert_eq!((&by(ROOT)["roles"], &by(ROOT)["disabled"]), (&json!(["admin"]), &json!(false)));
    for user in &users {
        let names: Vec<_> = user.as_object().unwrap().keys().collect();
        assert!(
            !names.iter().any(|name| ["password", "tokenKey", "passwordHash"].contains(&name.as_str())),
            "{names:?}"
        );
    }
    let staff = root.records("staff").await;
    assert_eq!((staff.len(), &staff[0]["email"]), (1, &json!("sam@example.com")));
    let refused = json!({"email": "sam@example.com", "password": "a password of sam"});
    root.post("/api/v1/auth/login", &refused).await.expect(401);
}

/// What PocketBase lets nobody but superusers write, or does not show.
async fn check_what_stays_closed(server: &Server, fixture: &Fixture) {
    let mut ann = Client::open(server.address).await;
    ann.sign_in_as(ANN.0, ANN.1).await;
    let mut bob = Client::open(server.address).await;
    bob.sign_in_as(BOB.0, BOB.1).await;
    let seen: Vec<_> = ann.records("users").await.iter().map(|user| text(&user["email"])).collect();
    assert_eq!(seen, [ANN.0], "bob does not show his address");
    assert_eq!(bob.records("users").await.len(), 2, "ann does");
    let post = format!("/api/v1/collections/posts/records/{}", text(&fixture.full["id"]));
    let user = format!("/api/v1/collections/users/records/{}", fixture.bob);
    for (who, path, change, status) in [
        ("ann", &post, json!({"title": "Another title"}), 200),
        ("ann", &post, json!({"secret": "mine"}), 403),
        ("bob", &post, json!({"title": "Of another's post"}), 403),
        ("bob", &user, json!({"name": "Robert", "email": "BOB@example.com"}), 200),
        ("bob", &user, json!({"email": "root2@example.com"}), 403),
        ("bob", &user, json!({"verified": true}), 403),
        ("bob", &user, json!({"roles": ["admin"]}), 403),
    ] {
        let client = if who == "ann" { &mut ann } else { &mut bob };
        let reply = client.send(Method::PATCH, path, change.to_string()).await.unwrap();
        assert_eq!(reply.status, status, "{change}: {:?}", reply.body);
    }
    let staff = bob.get("/api/v1/collections/staff/records").await;
    assert_eq!(staff.status, 403, "its rules were absent");
}

/// However many there are; what does not fit is named, and the rest comes.
#[tokio::test(flavor = "multi_thread")]
async fn many_records_come_over_and_bad_ones_are_named() {
    let site = Site::new();
    let mut pocketbase = PocketBase::start(&site).await;
    let kind = json!({"name": "kind", "type": "select", "values": ["a", "b"], "maxSelect": 1});
    let list = json!({"name": "list", "type": "json"});
    let body = json!({"name": "body", "type": "editor"});
    pocketbase.collection(&json!({"name": "things", "type": "base", "fields": [kind, list, body]})).await;
    pocketbase.stop();
    // What PocketBase would not have written by itself.
    let database = rusqlite::Connection::open(site.path("pb_data/data.db")).unwrap();
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
        INSERT INTO things (id, kind, list, body) SELECT printf('id%013d', i),
            CASE i WHEN 7 THEN 'c' WHEN 4999 THEN 'd' ELSE 'a' END, CASE i WHEN 9 THEN '{' ELSE '[1]' END,
            CASE i WHEN 11 THEN printf('%.1200000c', 'x') ELSE printf('%.500c', 'x') END FROM n";
    assert_eq!(database.execute(rows, []).unwrap(), 5_000);
    drop(database);

    let finished = site.run(&["import", "pocketbase", "pb_data", "--report", "report.json"]);
    assert!(finished.stdout.contains("4996 of 5000 records"), "{finished:#?}");
    let stderr = finished.failure(1);
    assert!(stderr.contains("4 records were rejected"), "{stderr}");
    let report = report(&site);
    let rejected = report["rejected"].as_array().unwrap();
    let about: Vec<_> = rejected.iter().map(|one| format!("{} {}", text(&one["id"]), text(&one["reason"]))).collect();
    for (id, part) in [(7, "kind"), (9, "list is no JSON"), (11, ""), (4999, "kind")] {
        let id = format!("id{id:013}");
        assert!(about.iter().any(|one| one.starts_with(&id) && one.contains(part)), "{id} {part}: {about:#?}");
    }
    assert_eq!(lines(&site.run(&["export", "things"]).success()).len(), 4_996);
}

/// Into a server that runs, from a PocketBase that runs; what is there stays unless it is to be replaced.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_can_be_repeated_while_both_run() {
    let site = Site::new();
    let mut pocketbase = PocketBase::start(&site).await;
    let name = json!({"name": "name", "type": "text"});
    pocketbase.collection(&json!({"name": "things", "type": "base", "fields": [name]})).await;
    for number in 0..21 {
        let id = format!("thing{number:010}");
        pocketbase.record("things", &json!({"id": id, "name": format!("n{number}")})).await;
    }
    let server = site.serve();
    let arguments = ["import", "pocketbase", "pb_data", "--no-superusers"];
    let said = site.run(&arguments).success();
    assert!(said.contains("21 of 21 records") && said.contains("left out, as asked"), "{said}");
    // What may have been changed since is not put back unasked.
    site.write("schema/things.toml", "[rules]\nlist = \"false\"\n[[fields]]\nname = \"name\"\ntype = \"text\"\nmax = 5000\nnullable = false\ndefault = \"\"\n");
    site.run(&["schema", "apply", "schema"]).success();
    let again = site.run(&arguments).failure(1);
    assert!(again.contains("things are there already") && again.contains("--upsert"), "{again}");
    let planned = site.run(&[&arguments[..], &["--dry-run"]].concat()).success();
    assert!(planned.contains("there already"), "{planned}");
    let mut admin = Client::admin(&site, &server).await;
    let rules = admin.get("/api/v1/collections/things").await.expect(200)["rules"].clone();
    assert_eq!(rules, json!({"list": "false"}));

    pocketbase.record("things", &json!({"id": "thing9999999999", "name": "late"})).await;
    let replaced = site.run(&[&arguments[..], &["--upsert"]].concat()).success();
    assert!(replaced.contains("22 of 22 records"), "{replaced}");
    assert_eq!(admin.records("things").await.len(), 22);
    pocketbase.stop();
    server.stop().success();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_may_be_called_pocketbase() {
    let site = Site::new();
    site.write("schema/pocketbase.toml", "[[fields]]\nname = \"title\"\ntype = \"string\"\n");
    site.run(&["schema", "apply", "schema"]).success();
    site.write("pb.jsonl", "{\"id\":\"1\",\"title\":\"One\"}\n");
    assert_eq!(site.run(&["import", "pocketbase", "pb.jsonl"]).success(), "imported 1 records\n");
    assert_eq!(lines(&site.run(&["export", "pocketbase"]).success())[0]["title"], "One");

    let flags = site.run(&["import", "pocketbase", "pb.jsonl", "--no-superusers"]).failure(1);
    assert!(flags.contains("stead import pocketbase FOLDER"), "{flags}");
    let empty = site.write("empty/x", "");
    let none = site.run(&["import", "pocketbase", empty.parent().unwrap().to_str().unwrap()]).failure(1);
    assert!(none.contains("data.db"), "{none}");
    site.write("broken/data.db", "this is no database, however long it may be");
    let broken = site.run(&["import", "pocketbase", "broken"]).failure(1);
    assert!(broken.contains("data.db"), "{broken}");
}

/// The collection of users is named when there are several.
#[tokio::test(flavor = "multi_thread")]
async fn several_auth_collections_ask_which_one_signs_in() {
    let site = Site::new();
    let mut pocketbase = PocketBase::start(&site).await;
    pocketbase.collection(&json!({"name": "staff", "type": "auth"})).await;
    let sam =
        json!({"email": "sam@example.com", "password": "a password of sam", "passwordConfirm": "a password of sam"});
    pocketbase.record("staff", &sam).await;
    let rule = json!({"authRule": "verified = true"});
    pocketbase.call(Method::PATCH, "/api/collections/staff", &rule).await;
    pocketbase.stop();
    let unclear = site.run(&["import", "pocketbase", "pb_data"]).failure(1);
    assert!(unclear.contains("--users") && unclear.contains("staff") && unclear.contains("users"), "{unclear}");
    let unknown = site.run(&["import", "pocketbase", "pb_data", "--users", "posts"]).failure(1);
    assert!(unknown.contains("there is no auth collection \"posts\""), "{unknown}");

    let said = site.run(&["import", "pocketbase", "pb_data", "--users", "staff"]).success();
    assert!(said.contains("staff → users") && said.contains("users → users_"), "{said}");
    assert!(said.contains("users who are not verified come over disabled"), "{said}");
    let server = site.serve();
    let mut client = Client::open(server.address).await;
    client
        .post("/api/v1/auth/login", &json!({"email": "sam@example.com", "password": "a password of sam"}))
        .await
        .expect(401);
    client.sign_in_as(ROOT, ROOT_PASSWORD).await;
    let sam = client.get("/api/v1/collections/users/records?filter=disabled").await.expect(200);
    assert_eq!(sam["items"][0]["email"], "sam@example.com");
    server.stop().success();
}
